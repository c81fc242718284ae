//! Timeouts, as typed and as sockets report them. A timeout of zero means that there is no limit.

use std::io::{Error, ErrorKind};
use std::time::Duration;

/// Parses a number of seconds.
///
/// # Errors
///
/// Returns a hint unless the input is 0, or from 0.001 to 4,294,967 (the maximum on Windows).
pub fn parse_timeout(input: &str) -> Result<Duration, &'static str> {
    let has_digit = input.contains(|c| ('1'..='9').contains(&c)); // std parses 1e-999 as 0
    let is_valid = |seconds: &f64| match *seconds == 0.0 {
        true => !has_digit,
        false => (0.001..=4_294_967.0).contains(seconds),
    };
    let seconds = input.parse().ok().filter(is_valid);
    let hint = "write a number of seconds, such as 5 or 0.5 (0 = no limit)";
    seconds.map(Duration::from_secs_f64).ok_or(hint)
}

/// Returns the timeout in the form that sockets take, or `None` for no limit.
pub fn socket_timeout(timeout: Duration) -> Option<Duration> {
    (!timeout.is_zero()).then_some(timeout)
}

/// Returns `true` if the timeout of a socket call expired. On Unix, `TimedOut` has another meaning:
/// the other machine does not respond (ETIMEDOUT).
pub fn is_timeout(error: &Error) -> bool {
    use ErrorKind::{TimedOut, WouldBlock};
    error.kind() == if cfg!(windows) { TimedOut } else { WouldBlock }
}

#[cfg(test)]
mod tests;
