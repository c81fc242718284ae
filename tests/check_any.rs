use crate::check::{Check, Claim, Framing, Pattern};
use crate::client::Trial;
use crate::failure::Failure;
use crate::reply::Reply;

fn any(_: &Claim) -> bool {
    true
}

fn text(claim: &Claim) -> bool {
    claim.is_text()
}

/// Whoever asks is answered.
pub(crate) const ANSWERS: Check = Check {
    name: "answers",
    trap: None,
    does: "asks once",
    good: "answers with the prefix and what was sent",
    page: "start.md",
    applies: any,
    patience: 1,
    run: |trial| trial.ask("hello"),
};

/// The same client asks again, and in the same words.
pub(crate) const ANSWERS_AGAIN: Check = Check {
    name: "answers-again",
    trap: Some("one-shot"),
    does: "asks the same thing three times, without leaving in between",
    good: "answers every time: one answer does not end a conversation",
    page: "how-it-breaks.md#one-shot",
    applies: any,
    patience: 1,
    run: |trial| {
        let mut client = trial.client()?;
        client.ask("안녕하세요")?;
        client.ask("안녕하세요").map_err(|failure| failure.when("the same client, for the second time"))?;
        client.ask("안녕하세요").map_err(|failure| failure.when("the same client, for the third time"))
    },
};

/// TCP: after the first has left. UDP: in turns, so that the address that comes with each datagram matters.
pub(crate) const SECOND_CLIENT: Check = Check {
    name: "second-client",
    trap: Some("one-shot"),
    does: "comes as a second client: over TCP once the first has left, over UDP in turns with it",
    good: "serves the second as it has served the first",
    page: "how-it-breaks.md#one-shot",
    applies: any,
    patience: 1,
    run: |trial| {
        let mut first = trial.client()?;
        first.ask("첫째").map_err(|failure| failure.when("the first client"))?;
        if trial.target.claim.pattern != Pattern::Udp {
            drop(first);
            return trial.ask("둘째").map_err(|failure| failure.when("a second client, after the first has left"));
        }
        let mut second = trial.client()?;
        for _ in 0..3 {
            second.ask("둘째").map_err(|failure| failure.when("a second client, in turns with the first"))?;
            first.ask("첫째").map_err(|failure| failure.when("a first client, in turns with a second"))?;
        }
        Ok(())
    },
};

/// The tutorial's reply is the string `{data}`.
pub(crate) const LITERAL_BRACES: Check = Check {
    name: "literal-braces",
    trap: Some("literal-braces"),
    does: "sends a text with {data}, {} and %s in it",
    good: "sends that very text back, and no name of a variable of its own",
    page: "how-it-breaks.md#literal-braces",
    applies: any,
    patience: 1,
    run: |trial| trial.ask("중괄호 {data} {} {0} %s"),
};

/// The tutorial's next version would reply `b'\xec...'`.
pub(crate) const BYTES_NOT_TEXT: Check = Check {
    name: "bytes-not-text",
    trap: Some("bytes-not-text"),
    does: "sends a text with quotes and backslashes in it",
    good: "sends the text itself back, not what a program would write for it",
    page: "how-it-breaks.md#bytes-not-text",
    applies: any,
    patience: 1,
    run: |trial| trial.ask(r#"따옴표 b'\xec\x95\x88' "\n" 안녕"#),
};

/// Texts that come back changed from a server which trims, normalises, or takes text for a C string.
const DELICATE: [&str; 6] = [
    "a NUL \0 inside",
    "\u{feff}a byte-order mark before",
    "  blanks around\t ",
    "a CR \r inside",
    "combining: e\u{301} \u{1112}\u{1161}\u{11ab}",
    "a line ending of two bytes\r\n",
];

/// What goes in comes out.
pub(crate) const BYTE_EXACTNESS: Check = Check {
    name: "byte-exactness",
    trap: None,
    does: "sends NUL, a byte-order mark, blanks, CR, CR LF and combining characters; with raw, every byte there is",
    good: "sends them back as they came: it neither trims nor normalises",
    page: "message-boundaries.md",
    applies: any,
    patience: 1,
    run: |trial| {
        let mut client = trial.client()?;
        for text in DELICATE {
            client.ask(text)?;
        }
        if trial.target.claim.is_text() { Ok(()) } else { client.ask(Vec::from_iter(0..=255)) }
    },
};

/// What is not text has to be said, and has to disturb nothing else.
pub(crate) const BAD_BYTES: Check = Check {
    name: "bad-bytes",
    trap: Some("bad-bytes"),
    does: "sends what is not UTF-8: stray bytes, overlong forms, surrogates, numbers above U+10FFFF, half a character",
    good: "answers all that was whole before it, then which byte is wrong and where; with line and UDP it goes on",
    page: "how-it-breaks.md#bad-bytes",
    applies: text,
    patience: 1,
    run: |trial| {
        for (what, bad) in BAD {
            let answered = match (trial.target.claim.pattern, trial.target.claim.framing) {
                (Pattern::Udp, _) => bad_datagram(trial, bad),
                (_, Framing::Line) => bad_line(trial, bad),
                _ => bad_chunk(trial, bad),
            };
            answered.map_err(|failure| failure.when(what))?;
        }
        cut_at_end(trial).map_err(|failure| failure.when("a character cut by the end"))
    },
};

/// What is not UTF-8 (RFC 3629), and why. The first byte is always the one that the answer has to name.
const BAD: [(&str, &[u8]); 6] = [
    ("a byte that is in no character", b"\xFF"),
    ("the second byte of a character without its first", b"\x80"),
    ("an overlong form", b"\xC0\xAF"),
    ("a surrogate", b"\xED\xA0\x80"),
    ("a number above U+10FFFF", b"\xF4\x90\x80\x80"),
    ("a character cut by a letter", b"\xEA\xB0x"),
];

/// Two syllables, and what is wrong comes behind them.
const GOOD: &str = "안녕";

fn not_utf8(bad: &[u8], offset: usize) -> String {
    format!("error: not UTF-8: byte 0x{:02X} at offset {offset}", bad[0])
}

/// The offset is counted in the datagram.
fn bad_datagram(trial: &Trial<'_>, bad: &[u8]) -> Result<(), Failure> {
    let mut client = trial.client()?;
    let good = trial.message(GOOD);
    client.send(&[&good, bad].concat())?;
    client.expect(Reply::exactly(not_utf8(bad, good.len())))?;
    client.ask("뒤")
}

/// The offset is counted in the line, and the next line is answered.
fn bad_line(trial: &Trial<'_>, bad: &[u8]) -> Result<(), Failure> {
    let mut client = trial.client()?;
    client.send(&["앞\n".as_bytes(), GOOD.as_bytes(), bad, "\n뒤\n".as_bytes()].concat())?;
    let error = Reply::exactly(not_utf8(bad, GOOD.len()) + "\n");
    client.expect(trial.echo("앞\n").then(error).then(trial.echo("뒤\n")))
}

/// The offset is counted in all that this client has sent, and nothing can follow.
fn bad_chunk(trial: &Trial<'_>, bad: &[u8]) -> Result<(), Failure> {
    let mut client = trial.client()?;
    client.ask("앞")?;
    client.send(&[GOOD.as_bytes(), bad].concat())?;
    let error = Reply::exactly(not_utf8(bad, "앞".len() + GOOD.len()) + "\n");
    client.expect(trial.echo(GOOD).then(error))?;
    client.expect_leaving()
}

/// The end comes where the last byte of a character should: of the datagram, or of the stream.
fn cut_at_end(trial: &Trial<'_>) -> Result<(), Failure> {
    let bad = b"\xEA\xB0";
    if trial.target.claim.pattern == Pattern::Udp {
        return bad_datagram(trial, bad);
    }
    let mut client = trial.client()?;
    client.send(&[GOOD.as_bytes(), bad].concat())?;
    client.end();
    let before = if trial.target.claim.framing == Framing::Line { Reply::default() } else { trial.echo(GOOD) };
    client.expect(before.then(Reply::exactly(not_utf8(bad, GOOD.len()) + "\n")))
}

/// After all that was done to it, the server is there for the next client.
pub(crate) const STILL_THERE: Check = Check {
    name: "still-there",
    trap: None,
    does: "comes as a new client after all the other checks",
    good: "serves it as it has served the first",
    page: "how-it-breaks.md",
    applies: any,
    patience: 1,
    run: |trial| trial.ask("아직 있나요?").map_err(|failure| failure.when("a new client, after all the other checks")),
};
