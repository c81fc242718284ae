//! Timeouts, as typed and as sockets report them. A timeout of zero means: no limit.

use std::io;
use std::time::Duration;

/// Parses a number of seconds.
///
/// # Errors
///
/// Returns a hint unless the input is 0, or a number of seconds from 0.001 to 4,294,967, the
/// longest that Windows takes.
pub fn parse_timeout(input: &str) -> Result<Duration, String> {
    let is_valid = |seconds: &f64| *seconds == 0.0 || (0.001..=4_294_967.0).contains(seconds);
    let seconds = input.parse().ok().filter(is_valid);
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "write a number of seconds, such as 5 or 0.5 (0 = no limit)".to_owned())
}

/// Returns the timeout as sockets take it.
pub fn socket_timeout(timeout: Duration) -> Option<Duration> {
    (!timeout.is_zero()).then_some(timeout)
}

/// Returns `true` if a socket call ended because its timeout expired: `WouldBlock` on Unix,
/// `TimedOut` on Windows. On Unix `TimedOut` means that the other machine does not answer anymore
/// (ETIMEDOUT).
pub fn is_timeout(error: &io::Error) -> bool {
    error.kind()
        == if cfg!(windows) {
            io::ErrorKind::TimedOut
        } else {
            io::ErrorKind::WouldBlock
        }
}

#[cfg(test)]
mod tests;
