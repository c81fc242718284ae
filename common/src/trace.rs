//! `--trace` shows every socket call and its bytes on stderr.
//!
//! ```text
//! 2.104315 127.0.0.1:50412 recv 5 bytes: ec9588 eb85..  "안" (cut: 2 of 3 bytes, 1 awaited)
//! ```

use std::fmt::Display;
use std::io;
use std::time::{Duration, Instant};

use crate::printer::Printer;
use crate::words::plural;

/// Number of characters shown from the beginning of long data, and from its end.
const SHOWN: usize = 12;

/// Shows socket calls. If it is off, a call costs only the check of a flag.
#[derive(Clone)]
pub struct Trace(Option<(Instant, Printer)>);

impl Trace {
    /// Creates a trace with a clock that starts now, on a printer for stderr.
    pub(crate) fn new(is_on: bool, stderr: &Printer) -> Self {
        Trace(is_on.then(|| (Instant::now(), stderr.clone())))
    }

    /// Creates a trace with a printer of its own, for a client.
    ///
    /// # Errors
    ///
    /// Returns an error if the system is out of threads.
    pub fn to_stderr(is_on: bool) -> io::Result<Self> {
        let printer = is_on.then(|| Printer::new(io::stderr())).transpose()?;
        Ok(Trace(printer.map(|printer| (Instant::now(), printer))))
    }

    /// Waits up to 1 s until everything is printed, for a program that is about to end.
    pub fn finish(&self) {
        if let Some((_, printer)) = &self.0 {
            printer.finish(None, Duration::from_secs(1));
        }
    }

    /// Shows a call that moves no bytes, such as `accept` or `close`.
    pub fn call(&self, peer: impl Display, call: &str) {
        if let Some((started, printer)) = &self.0 {
            let seconds = started.elapsed().as_secs_f64();
            printer.print(format!("{seconds:10.6} {peer} {call}"));
        }
    }

    /// Shows a call that moved these bytes, such as `recv` or `send`.
    pub fn bytes(&self, peer: impl Display, call: &str, bytes: &[u8]) {
        if self.0.is_some() {
            let len = plural(bytes.len() as u64, "byte");
            self.call(peer, &format!("{call} {len}{}", describe(bytes)));
        }
    }
}

/// Returns bytes as `: ec9588 [ff]  "안\xFF"`, one group per character, abbreviated in the middle.
fn describe(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let (mut hex, mut text, mut note) = (Vec::new(), Vec::new(), String::new());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            hex.push(to_hex(character.to_string().as_bytes()));
            text.push(escape_char(character));
        }
        let invalid = chunk.invalid();
        // Only the last bytes can begin a character whose rest may still arrive.
        let is_last = invalid.as_ptr_range().end == bytes.as_ptr_range().end;
        match awaited(invalid) {
            _ if invalid.is_empty() => {}
            Some(rest) if is_last => {
                let (len, all) = (invalid.len(), invalid.len() + rest);
                hex.push(to_hex(invalid) + &"..".repeat(rest));
                note = format!(" (cut: {len} of {all} bytes, {rest} awaited)");
            }
            _ => {
                hex.push(format!("[{}]", to_hex(invalid)));
                text.push(escape_bytes(invalid));
            }
        }
    }
    let (hex, text) = (abbreviate(hex, " "), abbreviate(text, ""));
    format!(": {hex}  \"{text}\"{note}")
}

/// Returns the number of missing bytes if these invalid bytes begin a character. Its first byte
/// begins with as many ones as the character has bytes (RFC 3629, section 3).
fn awaited(bytes: &[u8]) -> Option<usize> {
    let len = bytes.first()?.leading_ones() as usize;
    let error = std::str::from_utf8(bytes).err()?;
    error.error_len().is_none().then(|| len - bytes.len())
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn abbreviate(mut groups: Vec<String>, separator: &str) -> String {
    if groups.len() > 2 * SHOWN {
        groups.splice(SHOWN..groups.len() - SHOWN, ["…".to_owned()]);
    }
    groups.join(separator)
}

/// Escapes characters that a terminal would not show: controls, bidirectional and zero-width
/// characters, private use.
///
/// ```
/// use common::trace::escape;
///
/// assert_eq!(escape("안녕, it's\r\n"), "안녕, it's\\r\\n");
/// assert_eq!(escape("\u{202e}\u{200b}\u{e000}\x1b"), "\\u{202e}\\u{200b}\\u{e000}\\u{1b}");
/// ```
pub fn escape(text: &str) -> String {
    text.chars().map(escape_char).collect()
}

/// Escapes text like [`escape`], and also bytes that are not UTF-8, as `\xFF`.
pub fn escape_bytes(bytes: &[u8]) -> String {
    let mut escaped = String::new();
    for chunk in bytes.utf8_chunks() {
        escaped += &escape(chunk.valid());
        escaped.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")));
    }
    escaped
}

fn escape_char(character: char) -> String {
    match character {
        '\'' => "'".to_owned(),
        // Hangul fillers are invisible letters.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' => character.escape_unicode().to_string(),
        _ => character.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests;
