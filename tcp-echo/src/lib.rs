//! Pattern 1: TCP, one client at a time.
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

pub mod client;
pub mod handle_client;
pub mod server;
