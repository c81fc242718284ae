use std::time::Duration;

use crate::check::{Check, Claim, Framing};
use crate::client::Trial;
use crate::failure::{Failure, Symptom};
use crate::reply::Reply;
use crate::show::thousands;

fn stream(claim: &Claim) -> bool {
    claim.is_stream()
}

fn stream_of_text(claim: &Claim) -> bool {
    claim.is_stream() && claim.is_text()
}

fn stream_of_lines(claim: &Claim) -> bool {
    claim.is_stream() && claim.framing == Framing::Line
}

/// TCP may deliver a message in any pieces, and several in one.
pub(crate) const PARTIAL_READ: Check = Check {
    name: "partial-read",
    trap: Some("partial-read"),
    does: "sends a message one byte at a time, then many at once, then one of 5,000 bytes",
    good: "answers the same whatever pieces they come in: one read is not one message",
    page: "how-it-breaks.md#partial-read",
    applies: stream,
    patience: 1,
    run: |trial| {
        let mut client = trial.client()?;
        let message = trial.message("one byte at a time");
        client.send_one_by_one(&message)?;
        client.expect(trial.echo(message))?;
        let many = (1..=100).flat_map(|number| trial.message(format!("line {number}"))).collect::<Vec<_>>();
        client.send(&many)?;
        client.expect(trial.echo(many))?;
        client.ask(numbered(5_000))
    },
};

/// Text of so many bytes in which every part differs from every other.
fn numbered(length: usize) -> String {
    let mut text: String = (0..=length / 6).map(|number| format!("{number:05} ")).collect();
    text.truncate(length);
    text
}

/// A character may come in pieces too.
pub(crate) const SPLIT_CHARACTER: Check = Check {
    name: "split-character",
    trap: Some("split-character"),
    does: "cuts characters of 2, 3 and 4 bytes at every place, and sends a text one byte at a time",
    good: "keeps the beginning of a character until its rest has come",
    page: "how-it-breaks.md#split-character",
    applies: stream_of_text,
    patience: 1,
    run: |trial| {
        for character in ["é", "한", "🦀"] {
            for at in 1..character.len() {
                let (first, second) = character.as_bytes().split_at(at);
                cut(trial, first, second).map_err(|failure| {
                    failure.when(format!("the {} bytes of {character} cut after {at}", character.len()))
                })?;
            }
        }
        let mut client = trial.client()?;
        let message = trial.message("é 한글 🦀");
        client.send_one_by_one(&message)?;
        client.expect(trial.echo(message))
    },
};

/// The answer to the message before it proves that the server has read the first piece: so no pause is needed to keep the
/// second from being read together with it.
fn cut(trial: &Trial<'_>, first: &[u8], second: &[u8]) -> Result<(), Failure> {
    let mut client = trial.client()?;
    let before = trial.message("a");
    client.send(&[&before, first].concat())?;
    client.expect(trial.echo(&before))?;
    let rest = trial.message([second, b"z"].concat());
    client.send(&rest)?;
    client.expect(trial.echo([first, &rest].concat()))
}

/// A client that has nothing more to say may still listen.
pub(crate) const HALF_CLOSE: Check = Check {
    name: "half-close",
    trap: None,
    does: "sends a message and ends its side of the connection at once, in line framing without a last line ending",
    good: "answers it all the same, the last line too: that the client has ended does not mean that it has gone",
    page: "message-boundaries.md",
    applies: stream,
    patience: 1,
    run: |trial| {
        let mut client = trial.client()?;
        client.send("마지막 말".as_bytes())?;
        client.end();
        client.expect(trial.echo("마지막 말").then_anything())
    },
};

/// A read of nothing is the end.
pub(crate) const END_OF_STREAM: Check = Check {
    name: "end-of-stream",
    trap: Some("end-of-stream"),
    does: "asks, waits for the answer, and ends its side of the connection",
    good: "says nothing more and ends its side too: a read of 0 bytes is not an empty message",
    page: "how-it-breaks.md#end-of-stream",
    applies: stream,
    patience: 1,
    run: |trial| {
        let mut client = trial.client()?;
        client.ask("끝")?;
        client.end();
        client.expect_end()
    },
};

/// The longest line that is answered, in bytes.
const LONGEST: usize = 65_536;

const TOO_LONG: &str = "error: line longer than 65536 bytes\n";

/// Memory has an end, so lines have one.
pub(crate) const TOO_LONG_LINE: Check = Check {
    name: "too-long-line",
    trap: None,
    does: "sends lines of 65,536 bytes, ended by LF and by CR LF, and then one of 65,537",
    good: "answers the first two, says that the third is too long, and closes",
    page: "message-boundaries.md",
    applies: stream_of_lines,
    patience: 1,
    run: |trial| {
        let mut client = trial.client()?;
        let longest = numbered(LONGEST);
        client.ask(&longest)?;
        client.ask(longest + "\r\n")?;
        client.send(&trial.message(numbered(LONGEST + 1)))?;
        client.expect(Reply::exactly(TOO_LONG))?;
        client.expect_leaving()
    },
};

/// Closing a socket with unread bytes in it sends a reset, which may overtake what was said last.
pub(crate) const ERROR_REACHES_CLIENT: Check = Check {
    name: "error-reaches-client",
    trap: None,
    does: "makes a mistake that closes the connection, while 256 KiB more are on their way",
    good: "says what was wrong, ends its side, and reads on for a moment, so that no reset overtakes its words",
    page: "stopping.md",
    applies: stream_of_text,
    patience: 1,
    run: |trial| {
        let more = "x".repeat(256 << 10);
        let (mistake, error): (&[u8], _) = match trial.target.claim.framing {
            Framing::Line => (b"", TOO_LONG), // that line is too long already
            _ => (b"\xFF", "error: not UTF-8: byte 0xFF at offset 0\n"),
        };
        let mut client = trial.client()?;
        client.send(&[mistake, more.as_bytes()].concat())?;
        client.expect(Reply::exactly(error))?;
        client.expect_end().map_err(|failure| failure.when("after the error reply, with more sent behind the mistake"))
    },
};

/// Less than the 40 ms and more that a system waits with its acknowledgement, and more than a good reply takes between
/// its first byte and its last: it comes in one piece.
const NOTABLE: Duration = Duration::from_millis(20);

/// Nagle's algorithm holds back the second write until the first is acknowledged (RFC 896, RFC 1122 section 4.2.3.2).
pub(crate) const TWO_SMALL_WRITES: Check = Check {
    name: "two-small-writes",
    trap: Some("two-small-writes"),
    does: "asks ten times and looks whether its answers come in two pieces, with a pause between them",
    good: "writes prefix and text at once: two small writes wait 40 ms for each other",
    page: "how-it-breaks.md#two-small-writes",
    applies: stream,
    patience: 1,
    run: |trial| {
        const ROUNDS: usize = 10;
        let mut client = trial.client()?;
        let message = trial.message("ping");
        let mut pauses = Vec::new();
        for _ in 0..ROUNDS {
            client.send(&message)?;
            pauses.push(client.expect_pieces(trial.echo(&message))?);
        }
        pauses.retain(|pause| *pause >= NOTABLE);
        if pauses.len() * 2 <= ROUNDS {
            return Ok(()); // a machine that is busy may pause once or twice
        }
        let longest = pauses.iter().max().map_or(0, Duration::as_millis);
        let came = format!("{} of {ROUNDS} came in pieces, up to {longest} ms apart", pauses.len());
        let failure = client.failure("each answer in one piece", came, Symptom::Costly);
        Err(Failure { sent: "ten small messages, one after the other".to_owned(), ..failure })
    },
};

/// A client which sends everything before it reads blocks itself, but loses nothing.
pub(crate) const WRITE_ALL_THEN_READ: Check = Check {
    name: "write-all-then-read",
    trap: Some("write-all-then-read"),
    does: "sends 64 MiB and reads nothing until the server takes no more; then reads while it sends the rest",
    good: "waits when the client does not read, goes on when it does, and has lost nothing",
    page: "how-it-breaks.md#write-all-then-read",
    applies: stream,
    patience: 6,
    run: |trial| {
        let text = numbered_lines(trial.target.effort.bytes / LINE, trial.target.claim.filler());
        trial.client()?.send_then_expect(&text, trial.echo(&text)).map_err(|failure| {
            let sent = format!("{} bytes in lines of {LINE} before reading any", thousands(text.len()));
            Failure { sent, expected: "the same lines back".to_owned(), ..failure }
        })
    },
};

/// How long the lines are of which a client sends very many.
const LINE: usize = 1_024;

/// So many lines, no two the same.
fn numbered_lines(lines: usize, filler: &str) -> Vec<u8> {
    let rest = filler.repeat(LINE - "00000000 \n".len());
    let mut text = String::with_capacity(lines * LINE);
    for number in 0..lines {
        text += &format!("{number:08} {rest}\n");
    }
    text.into_bytes()
}

/// More than any system keeps in the buffers of a connection: Linux has at most 32 MiB on the server's side to receive
/// into and 4 MiB to send from, and as much again on the client's, but grows them only for those who read.
pub(crate) const UNREAD: usize = 64 << 20;

/// Who never waits for the client to read has to keep its replies somewhere.
pub(crate) const BOUNDED_MEMORY: Check = Check {
    name: "bounded-memory",
    trap: None,
    does: "sends up to 64 MiB and reads nothing",
    good: "takes no more once the buffers of the system are full, instead of keeping all replies in its memory",
    page: "message-boundaries.md",
    applies: stream,
    patience: 2,
    run: |trial| {
        let client = trial.client()?;
        if !client.flood(&flood_block(), UNREAD) {
            client.leave();
            return Ok(());
        }
        let came = "it took them all: it keeps the answers in its memory, or loses them".to_owned();
        let failure = client.failure("the server to wait until it is read", came, Symptom::Costly);
        Err(Failure { sent: format!("{} bytes without reading any", thousands(UNREAD)), ..failure })
    },
};

/// Lines, for those who send very many.
pub(crate) fn flood_block() -> Vec<u8> {
    [&[b'x'; LINE - 1][..], b"\n"].concat().repeat(64)
}
