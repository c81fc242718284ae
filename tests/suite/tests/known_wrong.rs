use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use checker::Framing::{self, Chunk, Line, Raw};
use checker::Pattern::{self, Tcp, Threaded, Udp};
use checker::{CHECKS, Event, Language, Limits, Problem, Report, Target, run};

use suite::in_parallel;

use crate::reference::Defect::{self, *};
use crate::reference::Reference;

/// A server that is known to be wrong, and the first check that finds it out.
type Wrong = (Defect, Pattern, Framing, &'static str);

/// At least one for each check but the last, which has a test of its own. Their prefix is `> `.
pub static WRONG: [Wrong; 44] = [
    (DropsNewline, Tcp, Line, "answers"),
    (AddsNewline, Tcp, Chunk, "answers"),
    (DoublesReplies, Threaded, Line, "answers"),
    (DoublesReplies, Udp, Chunk, "answers"),
    (AnswersOnce, Tcp, Line, "answers-again"),
    (DropsDuplicates, Udp, Chunk, "answers-again"),
    (ServesOneClient, Tcp, Chunk, "answers-again"),
    (ForgetsClients, Threaded, Raw, "answers-again"),
    (MixesUpAddresses, Udp, Chunk, "second-client"),
    (FormatsTwice, Tcp, Chunk, "literal-braces"),
    (FormatsTwice, Udp, Chunk, "literal-braces"),
    (EscapesQuotes, Tcp, Line, "bytes-not-text"),
    (EscapesQuotes, Udp, Chunk, "bytes-not-text"),
    (StripsCr, Tcp, Chunk, "byte-exactness"),
    (StripsCr, Udp, Raw, "byte-exactness"),
    (TakesAReadForALine, Tcp, Line, "partial-read"),
    (DecodesEachRead, Tcp, Chunk, "split-character"),
    (DropsTheLastLine, Tcp, Line, "half-close"),
    (AnswersTheEnd, Tcp, Chunk, "end-of-stream"),
    (TakesAnyLine, Tcp, Line, "too-long-line"),
    (CountsTheLineEnding, Tcp, Line, "too-long-line"),
    (ClosesAtOnce, Tcp, Chunk, "error-reaches-client"),
    (ClosesAtOnce, Tcp, Line, "error-reaches-client"),
    (WritesTwice, Tcp, Line, "two-small-writes"),
    (LosesOneReply, Tcp, Line, "write-all-then-read"),
    (QueuesWithoutEnd, Tcp, Chunk, "bounded-memory"),
    (ServesOneAtATime, Threaded, Chunk, "one-at-a-time"),
    (ReadsBeforeTheThread, Threaded, Chunk, "silent-client"),
    (HasFewPermits, Threaded, Chunk, "simultaneous-clients"),
    (LocksWhileWriting, Threaded, Raw, "never-reads"),
    (IgnoresEmptyDatagrams, Udp, Chunk, "empty-datagram"),
    (HasASmallBuffer, Udp, Chunk, "truncated-datagram"),
    (IsSilentAboutSize, Udp, Chunk, "largest-datagram"),
    (AnswersReplies, Udp, Chunk, "echo-loop"),
    (AnswersErrors, Udp, Chunk, "echo-loop"),
    (DiesOfAClosedPort, Udp, Chunk, "closed-port"),
    (DecodesLossily, Tcp, Chunk, "bad-bytes"),
    (DecodesLossily, Udp, Chunk, "bad-bytes"),
    (CountsFromTheRead, Tcp, Chunk, "bad-bytes"),
    (ClosesOnABadLine, Tcp, Line, "bad-bytes"),
    (DiesOfAnEmptyStream, Tcp, Chunk, "connect-and-close"),
    (DiesOfAReset, Tcp, Chunk, "reset-by-peer"),
    (DiesOfAReset, Threaded, Line, "reset-by-peer"),
    (AnswersLate, Tcp, Chunk, "late"),
];

/// Much less than a real run does, but with patience: no result may depend on how busy the machine is.
const LIGHT: Limits = Limits {
    timeout: Duration::from_secs(30),
    stall: Duration::from_millis(100),
    clients: 8,
    bytes: 1 << 20,
};

/// Starts a server of this process, and returns it with how it is to be checked.
fn start(
    pattern: Pattern,
    framing: Framing,
    prefix: &str,
    defect: Option<Defect>,
) -> (Reference, Target) {
    let (server, mut target) = Reference::start(pattern, framing, prefix, defect);
    target.limits = LIGHT;
    (server, target)
}

/// A correct server passes all checks, whatever it claims to be, and under heavy use.
#[test]
fn reference_server_passes_all_checks() {
    let check = |pattern: Pattern, framing: Framing, prefix: &str| {
        let (_server, mut target) = start(pattern, framing, prefix, None);
        target.limits.clients = 20;
        for verdict in run(&target, &CHECKS.each_ref(), |_| {}).unwrap() {
            assert!(verdict.outcome.is_ok(), "{}: {verdict:?}", target.spec);
        }
    };
    in_parallel([Tcp, Threaded, Udp], |pattern| {
        in_parallel([Chunk, Line, Raw], |framing| {
            // The last two prefixes are the beginnings of what is sent.
            let prefixes = ["서버로부터 응답: ", "", "x", "안"];
            let count = if framing == Chunk { 4 } else { 1 };
            in_parallel(&prefixes[..count], |prefix| check(pattern, framing, prefix));
        });
    });
}

/// The last check finds out whether the server is still there; so here it no longer is.
#[test]
fn server_ending_after_check_fails_that_check() {
    in_parallel([Tcp, Threaded, Udp], |pattern| {
        let (server, target) = start(pattern, Chunk, "> ", None);
        let mut server = Some(server);
        let verdicts = run(&target, &CHECKS.each_ref(), |event| {
            if matches!(event, Event::Began("still-there")) {
                server.take();
            }
        });
        let mut verdicts = verdicts.unwrap().into_iter().rev();
        let outcome = verdicts.next().unwrap().outcome;
        assert!(matches!(outcome, Err(Problem::NotRun(_))), "{outcome:?}");
        assert!(verdicts.next().unwrap().is_failed());
        assert!(verdicts.all(|verdict| verdict.outcome.is_ok()));
    });
}

/// Each of these files is what the author of such a server reads. After a change of wording,
/// `UPDATE_KNOWN_WRONG=1 cargo test -p suite known_wrong` writes them anew, for review.
#[test]
fn each_wrong_server_is_named_for_what_it_is() {
    in_parallel(WRONG.chunks(2), |wrong| {
        // Which of the two arrives, the error or the reset, is the system's choice.
        let is_same = |(.., check): &&Wrong| *check != "error-reaches-client";
        let wrong = wrong.iter();
        let wrong = wrong.filter(|wrong| cfg!(target_os = "linux") || is_same(wrong));
        wrong.for_each(compare_output);
    });
}

fn compare_output(wrong: &Wrong) {
    let (defect, pattern, framing, check) = *wrong;
    let name = format!("{check}-{defect:?}-{pattern:?}-{framing:?}.txt").to_lowercase();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/known_wrong");
    let path = folder.join(&name);
    let output = output_for(wrong);
    if env::var_os("UPDATE_KNOWN_WRONG").is_some() {
        return fs::write(path, output).unwrap();
    }
    let stored = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(output, stored, "{name}");
}

/// Returns what the checker prints of such a server, up to the check that finds it out.
fn output_for(&(defect, pattern, framing, check): &Wrong) -> String {
    let (_server, mut target) = start(pattern, framing, "> ", Some(defect));
    target.spec.exact_errors = defect == CountsFromTheRead;
    // As much as it takes to see the defect, and not much patience where silence is the defect.
    target.limits.clients = 100;
    target.limits.timeout = Duration::from_secs(if check == "late" { 2 } else { 3 });
    match check {
        "bounded-memory" => target.limits.stall = Duration::from_secs(3),
        "never-reads" => target.limits.stall = Duration::from_secs(1),
        _ => {}
    }
    let last = CHECKS.iter().position(|known| known.name == check);
    let checks = CHECKS.each_ref();
    let report = Report(Language::En);
    let output = match run(&target, &checks[..=last.unwrap_or(0)], |_| {}) {
        Err(found) => report.classification(&found),
        Ok(verdicts) => {
            let marks = verdicts.iter().map(|verdict| report.mark(verdict));
            let marks: String = marks.collect();
            let verdict = verdicts.last().unwrap();
            let Err(Problem::Failed(failure)) = &verdict.outcome else {
                panic!("{defect:?} passes {check}: {marks}");
            };
            let explained = report.explain(verdict.check, failure);
            format!("{marks}\n{explained}\n{}", report.summary(&verdicts, 1))
        }
    };
    let output = without_colors(&output);
    let varying = "late two-small-writes simultaneous-clients closed-port connect-and-close \
                   reset-by-peer";
    match varying.contains(check) {
        true => without_numbers(&output),
        false => output,
    }
}

fn without_colors(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or(part, |(_, rest)| rest)
    })
}

/// Replaces each number with `#`, where it depends on which of many clients is served when.
fn without_numbers(text: &str) -> String {
    let mut text = text.replace(|c: char| c.is_ascii_digit(), "#");
    while text.contains("##") {
        text = text.replace("##", "#");
    }
    text
}
