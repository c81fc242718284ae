//! Pattern 2: UDP, one datagram at a time.
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

pub mod client;
pub mod datagram;
pub mod relay;
pub mod server;
