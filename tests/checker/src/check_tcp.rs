use std::time::{Duration, Instant};

use crate::client::{CheckContext, Client, UNREAD};
use crate::failure::{Checked, Problem};
use crate::words::words;

/// TCP may deliver a message in any pieces, and several in one.
pub(crate) fn partial_read(context: &CheckContext<'_>) -> Checked {
    let mut client = context.client()?;
    client.ask_slowly("one byte at a time")?;
    let many = (1..=20).flat_map(|number| context.message(format!("line {number}")));
    let many: Vec<_> = many.collect();
    client.send(&many)?;
    client.expect(context.echo(many))?;
    client.ask(numbered(5_000))
}

/// Returns a text of this many bytes in which every part differs from every other.
fn numbered(len: usize) -> String {
    let parts = (0..=len / 6).map(|number| format!("{number:05} "));
    let mut text: String = parts.collect();
    text.truncate(len);
    text
}

/// Characters, and after which of their bytes they are cut.
const CUTS: [(&str, usize); 6] = [
    ("녕", 2),
    ("녕", 1),
    ("é", 1),
    ("🦀", 1),
    ("🦀", 2),
    ("🦀", 3),
];

/// A character may arrive in pieces too.
pub(crate) fn split_character(context: &CheckContext<'_>) -> Checked {
    for (character, at) in CUTS {
        context.scene();
        let mut client = context.client()?;
        let message = context.message(format!("안{character}"));
        let (first, rest) = message.split_at("안".len() + at);
        client.send(first)?;
        context.pause(0.1);
        client.send(rest)?;
        client.expect(context.echo(&message))?;
    }
    context.scene();
    context.client()?.ask_slowly("é 한글 🦀")
}

/// A client that has nothing more to send may still receive.
pub(crate) fn half_close(context: &CheckContext<'_>) -> Checked {
    let mut client = context.client()?;
    client.send("마지막 말".as_bytes())?;
    client.end();
    client.expect(context.echo("마지막 말").then_anything())
}

/// A read of nothing is the end.
pub(crate) fn end_of_stream(context: &CheckContext<'_>) -> Checked {
    let mut client = context.client()?;
    client.ask("끝")?;
    client.end();
    client.expect_end()
}

/// The longest line that has to be answered, in bytes.
const MAX_LINE_LEN: usize = 65_536;

/// Length of a line that no server may keep, in bytes. Where it draws the line below that is its own choice.
const ENDLESS: usize = 1 << 20;

const TOO_LONG: &str = "error: line longer than 65536 bytes\n";

pub(crate) fn too_long_line(context: &CheckContext<'_>) -> Checked {
    let mut client = context.client()?;
    let longest = numbered(MAX_LINE_LEN);
    client.ask(&longest)?;
    client.ask(longest + "\r\n")?;
    let len = [ENDLESS, MAX_LINE_LEN + 1][usize::from(context.spec.exact_errors)];
    client.send(&context.message(numbered(len)))?;
    client.expect_error(TOO_LONG, "0000")?;
    client.expect_close()
}

/// Closing a socket with unread bytes in it sends a reset, which may overtake the last reply.
pub(crate) fn error_reaches_client(context: &CheckContext<'_>) -> Checked {
    let more = "x".repeat(256 << 10);
    let (mistake, error): (Vec<u8>, _) = match context.spec.is_lines() {
        true => (context.message(numbered(MAX_LINE_LEN + 1)), TOO_LONG),
        false => (vec![0xFF], "error: not UTF-8: byte 0xFF at offset 0\n"),
    };
    let is_reported = context.spec.exact_errors || reports(context, &mistake)?;
    if !is_reported {
        return Err(Problem::NotRun(words("not-run.no-sentence")));
    }
    context.scene();
    let mut client = context.client()?;
    client.send(&[&mistake, more.as_bytes()].concat())?;
    if !client.expect_error(error, "")? {
        return client.fail(
            words("expected.error-first"),
            words("got.end-without-error"),
        );
    }
    client.expect_end()
}

/// Returns `true` if a server replies to this mistake with a sentence and closes, when nothing follows it.
fn reports(context: &CheckContext<'_>, mistake: &[u8]) -> Checked<bool> {
    let mut client = context.client()?;
    client.send(mistake)?;
    match client.expect_error("", "0000") {
        Ok(has_sentence) => Ok(has_sentence && client.expect_close().is_ok()),
        Err(_) => Ok(false), // an echo, or silence: `bad-bytes` and `too-long-line` report that
    }
}

/// Less than the 40 ms and more for which a system delays its acknowledgement, and more than a good reply takes between
/// its first byte and its last: it arrives in one piece.
const NOTABLE_PAUSE: Duration = Duration::from_millis(20);

/// Nagle's algorithm holds back the second write until the first is acknowledged (RFC 896, RFC 1122 section 4.2.3.2).
pub(crate) fn two_small_writes(context: &CheckContext<'_>) -> Checked {
    const ROUNDS: usize = 10;
    let mut client = context.client()?;
    let message = context.message("ping");
    let mut pauses = Vec::new();
    for _ in 0..ROUNDS {
        client.send(&message)?;
        pauses.push(client.expect_pieces(context.echo(&message))?);
    }
    pauses.retain(|pause| *pause >= NOTABLE_PAUSE);
    if pauses.len() * 2 <= ROUNDS {
        return Ok(()); // a machine that is busy may pause once or twice
    }
    let longest = pauses.iter().max().map_or(0, Duration::as_millis);
    context.scene_after(words("step.ten-messages"));
    let actual = words("got.pieces").with(pauses.len()).with(longest);
    client.fail(words("expected.one-piece"), actual)
}

/// A client which sends everything before it reads blocks itself, but loses nothing.
pub(crate) fn write_all_then_read(context: &CheckContext<'_>) -> Checked {
    let mut client = context.client()?;
    let most = affordable(context, &mut client)?;
    let lines = numbered_lines(most / LINE_LEN, context.spec.filler());
    client.send_then_read(&lines)
}

/// How long replies to many bytes may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Measures the server's pace, and returns the number of bytes that it can answer in an acceptable time.
fn affordable(context: &CheckContext<'_>, client: &mut Client<'_>) -> Checked<usize> {
    let mut len = LINE_LEN;
    loop {
        let lines = numbered_lines(len / LINE_LEN, context.spec.filler());
        let started = Instant::now();
        client.send_then_read(&lines)?;
        let took = started.elapsed().max(Duration::from_micros(1));
        if took > Duration::from_millis(80) || len >= 1 << 20 {
            let affordable = (len as f64 * PATIENCE.as_secs_f64() / took.as_secs_f64()) as usize;
            return Ok(affordable.clamp(32 * LINE_LEN, context.limits.bytes));
        }
        len *= 4;
    }
}

/// Length of the lines of which a client sends very many.
const LINE_LEN: usize = 1_024;

/// Returns this many lines, no two of them the same.
fn numbered_lines(lines: usize, filler: &str) -> Vec<u8> {
    let rest = filler.repeat(LINE_LEN - "00000000 \n".len());
    let lines = (0..lines).map(|number| format!("{number:08} {rest}\n"));
    lines.collect::<String>().into_bytes()
}

/// A server that never waits for the client to read has to keep its replies somewhere.
pub(crate) fn bounded_memory(context: &CheckContext<'_>) -> Checked {
    let mut client = context.client()?;
    client.ask("hello")?; // a server that sends anything else proves nothing by waiting
    if !client.flood(&flood_block()) {
        client.leave();
        return Ok(());
    }
    let actual = words("got.took-all").with(UNREAD >> 20);
    client.fail(words("expected.wait"), actual)
}

/// Returns lines for clients that send very many.
pub(crate) fn flood_block() -> Vec<u8> {
    [&[b'x'; LINE_LEN - 1][..], b"\n"].concat().repeat(64)
}
