//! `--trace`: every socket call and its bytes, for eyes and for class.
//!
//! One line a call, on stderr: seconds since the start, with whom, the call by its system name, and the bytes, in
//! hexadecimal, a group a character, and as text:
//!
//! ```text
//!   2.104315 127.0.0.1:50412 recv 8 bytes: ec9588 eb8595 ed95..  "안녕" (the last character is cut: 2 of 3 bytes, 1 awaited)
//! ```

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};
use std::time::Instant;

use crate::report::count;

/// Data of more characters than this is abbreviated in the middle.
const SHOWN: usize = 24;

/// The tracer; off, it costs the test of a flag.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    started: Option<Instant>,
}

impl Trace {
    /// A trace whose clock starts now.
    pub fn new(on: bool) -> Self {
        Trace { started: on.then(Instant::now) }
    }

    /// A call that moves no bytes, such as `accept` or `close`.
    pub fn call(&self, peer: impl Display, call: &str) {
        if let Some(started) = self.started {
            print(started, format_args!("{peer} {call}"));
        }
    }

    /// A call that moved these bytes, such as `recv` or `send`.
    pub fn bytes(&self, peer: impl Display, call: &str, bytes: &[u8]) {
        if let Some(started) = self.started {
            print(started, format_args!("{peer} {call} {}{}", count(bytes.len() as u64, "byte"), describe(bytes)));
        }
    }
}

fn print(started: Instant, event: impl Display) {
    let line = format!("{:10.6} {event}\n", started.elapsed().as_secs_f64());
    let _ = io::stderr().write_all(line.as_bytes()); // whoever closed stderr does not want to see it
}

/// A character, or what there is of one.
struct Group {
    hex: String,
    text: String,
}

/// `: ec9588 eb8595  "안녕"`, with a note where the first or the last character is cut.
fn describe(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let (head, rest) = bytes.split_at(bytes.iter().take(3).take_while(|byte| is_continuation(**byte)).count());
    let mut groups = Vec::new();
    let mut notes = String::new();
    if !head.is_empty() {
        groups.push(Group { hex: format!("..{}", hex(head)), text: String::new() });
        let _ = write!(notes, " (begins with {} of a character cut before)", count(head.len() as u64, "byte"));
    }
    for chunk in rest.utf8_chunks() {
        let mut buffer = [0; 4];
        groups.extend(chunk.valid().chars().map(|character| Group {
            hex: hex(character.encode_utf8(&mut buffer).as_bytes()),
            text: character.escape_debug().to_string(),
        }));
        let bad = chunk.invalid();
        if !bad.is_empty() && std::str::from_utf8(bad).is_err_and(|error| error.error_len().is_none()) {
            let whole = length_of_character(bad[0]);
            let awaited = whole.saturating_sub(bad.len());
            groups.push(Group { hex: format!("{}{}", hex(bad), "..".repeat(awaited)), text: String::new() });
            let _ = write!(notes, " (the last character is cut: {} of {whole} bytes, {awaited} awaited)", bad.len());
        } else if !bad.is_empty() {
            groups.push(Group { hex: format!("[{}]", hex(bad)), text: "\u{fffd}".to_owned() });
        }
    }
    abbreviate(&groups) + &notes
}

/// The groups of hexadecimal and the text they stand for, at most [`SHOWN`] of them.
fn abbreviate(groups: &[Group]) -> String {
    let left_out = groups.len().saturating_sub(SHOWN);
    let (head, tail) = match left_out {
        0 => (groups, &groups[..0]),
        _ => (&groups[..SHOWN * 2 / 3], &groups[groups.len() - SHOWN / 3..]),
    };
    let (mut hexes, mut text) = (String::new(), String::new());
    for (position, part) in [head, tail].into_iter().enumerate() {
        if position == 1 && left_out > 0 {
            let _ = write!(hexes, " ...{left_out} more characters...");
            text.push_str("...");
        }
        for group in part {
            let _ = write!(hexes, " {}", group.hex);
            text.push_str(&group.text);
        }
    }
    format!(":{hexes}  \"{text}\"")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn is_continuation(byte: u8) -> bool {
    (0x80..0xc0).contains(&byte)
}

/// How many bytes a character has that begins with this one (RFC 3629, section 3).
fn length_of_character(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_a_group() {
        assert_eq!(describe("안a\n".as_bytes()), ": ec9588 61 0a  \"안a\\n\"");
        assert_eq!(describe(b""), "");
    }

    #[test]
    fn a_cut_character_is_shown_as_cut_on_both_sides() {
        assert_eq!(
            describe(b"\xec\x95\x88\xeb\x85"),
            ": ec9588 eb85..  \"안\" (the last character is cut: 2 of 3 bytes, 1 awaited)"
        );
        assert_eq!(describe(b"\x95a"), ": ..95 61  \"a\" (begins with 1 byte of a character cut before)");
    }

    #[test]
    fn a_byte_that_is_no_text_stands_in_brackets() {
        assert_eq!(describe(b"a\xffb"), ": 61 [ff] 62  \"a\u{fffd}b\"");
    }

    #[test]
    fn long_data_is_abbreviated_in_the_middle() {
        let line = describe("가".repeat(1000).as_bytes());
        assert!(line.contains(" ...976 more characters... "), "{line}");
        assert!(line.chars().count() < 300, "{line}");
    }
}
