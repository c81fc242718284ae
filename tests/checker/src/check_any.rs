use crate::client::CheckContext;
use crate::failure::Checked;
use crate::spec::Pattern;
use crate::words::words;

pub(crate) fn answers(context: &CheckContext<'_>) -> Checked {
    let mut client = context.client()?;
    client.ask("hello")?;
    // A doubled reply would follow, or one line ending too many.
    client.expect_quiet(context.echo(context.message("hello")))
}

pub(crate) fn second_client(context: &CheckContext<'_>) -> Checked {
    if !context.spec.is_stream() {
        return take_turns(context); // so that the address that comes with each datagram matters
    }
    context.ask("첫째")?;
    context.log(1, words("step.close"));
    context.ask("둘째")
}

/// Two clients send in turns: the lesson of tcp-echo, and what threads are for.
pub(crate) fn take_turns(context: &CheckContext<'_>) -> Checked {
    let mut first = context.client()?;
    first.ask("첫째")?;
    let mut second = context.client()?;
    (0..3).try_for_each(|_| {
        let asked = second.ask("둘째");
        asked.map_err(|problem| first.claim(problem))?;
        let asked = first.ask("첫째");
        asked.map_err(|problem| second.claim(problem))
    })
}

/// Texts that a server changes if it trims, normalizes, or takes text for a C string.
const DELICATE: [&str; 6] = [
    "a NUL \0 inside",
    "\u{feff}a byte-order mark before",
    "  blanks around\t ",
    "a CR \r inside",
    "combining: e\u{301} \u{1112}\u{1161}\u{11ab}",
    "a line ending of two bytes\r\n",
];

pub(crate) fn byte_exactness(context: &CheckContext<'_>) -> Checked {
    context.ask_all(&DELICATE)?;
    match context.spec.is_text() {
        true => Ok(()),
        false => context.client()?.ask(Vec::from_iter(0..=255)),
    }
}

pub(crate) fn bad_bytes(context: &CheckContext<'_>) -> Checked {
    for bad in BAD {
        context.scene();
        match context.spec.pattern {
            Pattern::Udp => bad_datagram(context, bad)?,
            _ if !context.spec.is_lines() => bad_chunk(context, bad)?,
            _ if bad == CUT => cut_line(context, bad)?,
            _ => bad_line(context, bad)?,
        }
    }
    Ok(())
}

/// Bytes that are not UTF-8 (RFC 3629); an error reply names the first of them. In this order: a byte of no character,
/// the second byte of one, an overlong form, a surrogate, a number above U+10FFFF, a character cut by a letter, and one
/// cut by the end.
const BAD: [&[u8]; 7] = [
    b"\xFF",
    b"\x80",
    b"\xC0\xAF",
    b"\xED\xA0\x80",
    b"\xF4\x90\x80\x80",
    b"\xEA\xB0x",
    CUT,
];

/// Where the last byte of this character should come, there is the end: of the datagram, or of the stream.
const CUT: &[u8] = b"\xEA\xB0";

/// Two syllables before the bad bytes.
const GOOD: &str = "안녕";

fn not_utf8(bad: &[u8], offset: usize) -> String {
    format!("error: not UTF-8: byte 0x{:02X} at offset {offset}", bad[0])
}

/// The offset is counted in the datagram.
fn bad_datagram(context: &CheckContext<'_>, bad: &[u8]) -> Checked {
    let mut client = context.client()?;
    let good = context.message(GOOD);
    client.send(&[&good, bad].concat())?;
    client.expect_error(&not_utf8(bad, good.len()), GOOD)?;
    client.ask("뒤")
}

/// The offset is counted in the line, and the next line is answered.
fn bad_line(context: &CheckContext<'_>, bad: &[u8]) -> Checked {
    let mut client = context.client()?;
    client.send(&["앞\n".as_bytes(), GOOD.as_bytes(), bad, "\n뒤\n".as_bytes()].concat())?;
    client.expect(context.echo("앞\n").then_anything())?;
    client.expect_error(&(not_utf8(bad, GOOD.len()) + "\n"), GOOD)?;
    client.expect(context.echo("뒤\n"))
}

fn cut_line(context: &CheckContext<'_>, cut: &[u8]) -> Checked {
    let mut client = context.client()?;
    client.send(&[GOOD.as_bytes(), cut].concat())?;
    client.end();
    let error = not_utf8(cut, GOOD.len()) + "\n";
    client.expect_error(&error, GOOD).map(drop)
}

/// The offset is counted in all that this client has sent. Nothing can follow, but the next client is served.
///
/// Where a chunk ends is the server's own choice, so only ours has to answer what arrives together with bad bytes: a
/// decoder that raises an error (Python's incremental one) returns nothing of them. Half a character is not bad yet.
fn bad_chunk(context: &CheckContext<'_>, bad: &[u8]) -> Checked {
    let is_end = bad == CUT;
    let mut client = context.client()?;
    client.ask("앞")?;
    let good = context.echo(GOOD).then_anything();
    if is_end || context.spec.exact_errors {
        client.send(&[GOOD.as_bytes(), bad].concat())?;
        client.expect_unless_silent(good, is_end && !context.spec.exact_errors)?;
    } else {
        client.ask(GOOD)?;
        client.send(bad)?;
    }
    if is_end {
        client.end();
    }
    client.expect_error(&(not_utf8(bad, "앞".len() + GOOD.len()) + "\n"), "")?;
    if context.spec.exact_errors {
        client.expect_close()?;
    }
    drop(client);
    context.log(1, words("step.close"));
    context.ask("뒤")
}
