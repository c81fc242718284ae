//! Timeouts, as typed and as sockets report them. A timeout of zero means: no limit.

use std::io::{Error, ErrorKind};
use std::time::Duration;

/// Parses a number of seconds.
///
/// # Errors
///
/// Returns a hint unless the input is 0, or from 0.001 to 4,294,967, the longest on Windows.
pub fn parse_timeout(input: &str) -> Result<Duration, &'static str> {
    let has_digit = input.contains(|c| ('1'..='9').contains(&c)); // 1e-999 is parsed as 0, too
    let is_valid = |seconds: &f64| match *seconds == 0.0 {
        true => !has_digit,
        false => (0.001..=4_294_967.0).contains(seconds),
    };
    let seconds = input.parse().ok().filter(is_valid);
    let hint = "write a number of seconds, such as 5 or 0.5 (0 = no limit)";
    seconds.map(Duration::from_secs_f64).ok_or(hint)
}

/// Returns the timeout as sockets take it.
pub fn socket_timeout(timeout: Duration) -> Option<Duration> {
    (!timeout.is_zero()).then_some(timeout)
}

/// Returns `true` if a socket call ended because its timeout expired. On Unix `TimedOut` means that
/// the other machine does not answer anymore (ETIMEDOUT).
pub fn is_timeout(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::TimedOut => cfg!(windows),
        ErrorKind::WouldBlock => cfg!(not(windows)),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
