//! Words that several modules need. This module does not import any of them.

use std::env;
use std::io;

/// Returns a number with its noun: `1 message`, `2 messages`.
pub fn plural(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Returns the message of an error, without the final period (Windows) or error number (std).
///
/// ```
/// let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
/// assert_eq!(common::words::error_message(&error), "timed out");
/// ```
pub fn error_message(error: &io::Error) -> String {
    let text = error.to_string();
    let message = text.split(" (os error ").next().unwrap_or_default();
    message.trim_end_matches('.').to_owned()
}

/// Adds the action that failed to the error.
pub fn with_action(action: &str, error: &io::Error) -> io::Error {
    let reason = error_message(error);
    io::Error::new(error.kind(), format!("cannot {action}: {reason}"))
}

/// Returns the command that runs this program, through cargo if cargo started it.
pub fn command_line(program: &str) -> String {
    match env::var_os("CARGO") {
        Some(_) => format!("cargo run -q -p {program} --"),
        None => program.to_owned(),
    }
}

/// Returns the word for a shell, quoted if necessary: `"[::1]:80"`, because brackets are a pattern
/// in zsh. Double quotes also work in cmd.exe, but Unix shells replace `$` and `!` in them.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.:=/%+@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if cfg!(not(windows)) && word.contains(['"', '$', '`', '\\', '!']) {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    format!("\"{}\"", word.replace('"', "\\\""))
}
