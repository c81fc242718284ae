//! Pattern 3: TCP, many clients at the same time: a thread per client, or a pool of threads.
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

pub mod pool;
pub mod server;
pub mod swarm;
