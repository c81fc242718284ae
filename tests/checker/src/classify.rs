use std::io;
use std::time::{Duration, Instant};

use common::trace::{escape, escape_bytes};
use encoding_rs::EUC_KR;

use crate::client::{CheckContext, Client, QUIET_PERIOD, is_timeout};
use crate::difference::{Difference, encoding_clue, quote};
use crate::failure::{Checked, ProgramEnd};
use crate::reply::{Match, Reply};
use crate::words::{Words, words};

/// What the checker talks to, if it is not the server that it claims to be.
#[derive(Debug, Default)]
pub struct Classification {
    /// What it is, and what to do about it.
    pub(crate) sentences: Vec<Words>,
    /// The reply beside the expected one.
    pub(crate) difference: Option<Difference>,
    pub(crate) program: Option<ProgramEnd>,
    /// Whether there is no server at all.
    pub is_unreachable: bool,
}

impl Classification {
    pub(crate) fn new(sentence: Words) -> Box<Self> {
        let mut found = Box::<Self>::default();
        found.sentences.push(sentence);
        found
    }

    pub(crate) fn unreachable(sentence: Words) -> Box<Self> {
        let mut found = Self::new(sentence);
        found.is_unreachable = true;
        found
    }

    /// Returns its word in the JSON: `other-prefix`.
    pub fn class(&self) -> &str {
        let key = self.sentences.first().map_or("", Words::key);
        key.trim_start_matches("class.")
    }
}

/// Either a result, or what stands in the place of the server.
pub type Found<T> = Result<T, Box<Classification>>;

/// Sends one message on one connection, and says what the reply is. If it begins as it should, the checks say what else
/// is wrong with it: then returns `true` if nothing is.
pub(crate) fn classify(context: &CheckContext<'_>) -> Checked<Found<bool>> {
    let message = context.message("hello");
    let mut client = context.client()?;
    let started = Instant::now();
    client.send(&message)?;
    let timeout = context.limits.timeout;
    let (actual, end) = collect(&mut client, context.echo(&message), timeout);
    let waits = actual.is_empty() && end.is_some_and(|error| is_timeout(error.kind()));
    if !waits {
        return Ok(compare(context, &message, &actual));
    }
    let is_unframed = context.spec.is_stream() && !context.spec.is_lines();
    if is_unframed {
        client.send(b"\n")?; // a server of lines waits for it
    }
    let (actual, end) = collect(&mut client, Reply::default().then_anything(), timeout / 2);
    let sentence = match (actual.is_empty(), end.is_some()) {
        (true, false) => words("class.ended"),
        (true, true) if !context.spec.is_stream() => words("class.silent-udp"),
        (true, true) if is_unframed => words("class.silent"),
        (true, true) => words("class.silent-line"),
        _ if is_unframed && actual.ends_with(b"\n") => words("class.waits-for-newline"),
        _ => words("class.late").with(format!("{:.1}", started.elapsed().as_secs_f64())),
    };
    Ok(Err(Classification::new(sentence)))
}

/// Receives until the reply is complete and a moment longer; or to the end, which an error may be.
fn collect(
    client: &mut Client<'_>,
    mut reply: Reply,
    timeout: Duration,
) -> (Vec<u8>, Option<io::Error>) {
    let mut actual = Vec::new();
    let mut within = timeout;
    while actual.len() < 65_536 {
        match client.receive(within) {
            Ok(Some(received)) => {
                actual.extend_from_slice(&received);
                let is_partial = reply.push(&received) == Match::Partial;
                within = if is_partial { timeout } else { QUIET_PERIOD };
            }
            Ok(None) => break,
            Err(error) => return (actual, Some(error)),
        }
    }
    (actual, None)
}

fn compare(context: &CheckContext<'_>, message: &[u8], actual: &[u8]) -> Found<bool> {
    let prefix = context.spec.prefix().as_bytes();
    let expected = context.echo(message).simplest();
    let text = actual.trim_ascii_end();
    let before = text.strip_suffix(message.trim_ascii_end());
    let is_part = actual.starts_with(prefix) || prefix.starts_with(actual);
    let is_begun = is_part && !prefix.is_empty();
    let sentences = match before {
        _ if actual.is_empty() => vec![words("class.ended")],
        _ if before == Some(prefix) || is_begun => return Ok(actual == expected),
        Some(b"") => vec![words("class.no-prefix")],
        Some(before) => other_prefix(prefix, before),
        None => match encoding_clue(&expected, actual) {
            Some(clue) => vec![words("class.wrong-encoding"), clue],
            None if std::str::from_utf8(actual).is_err() => other_prefix(prefix, actual),
            // What a plain echo does to the text, the checks say.
            None if prefix.is_empty() => return Ok(false),
            None if context.program.is_some() => {
                vec![words("class.other-reply").with(quote(actual))]
            }
            None => vec![words("class.something-else").with(quote(actual))],
        },
    };
    let mut reply = Reply::exactly(expected);
    reply.push(actual);
    let mut found = Box::<Classification>::default();
    found.sentences = sentences;
    found.difference = (!actual.is_empty()).then(|| reply.difference(&actual[reply.matched()..]));
    Err(found)
}

fn other_prefix(prefix: &[u8], actual: &[u8]) -> Vec<Words> {
    let is_typeable = escape_bytes(actual).as_bytes() == actual;
    let key = ["class.change-prefix", "class.give-prefix"][usize::from(is_typeable)];
    let mut advice = words(key).with(quote(actual));
    let mut what = words("class.other-prefix");
    if let Some(clue) = encoding_clue(prefix, actual) {
        (what, advice) = (words("class.wrong-encoding"), clue);
    } else if std::str::from_utf8(actual).is_err() {
        let Some(text) = EUC_KR.decode_without_bom_handling_and_without_replacement(actual) else {
            return vec![words("class.not-utf8")];
        };
        let clue = words("clue.decodes-as").with("CP949").with(escape(&text));
        (what, advice) = (words("class.wrong-encoding"), clue);
    }
    vec![what, advice]
}
