//! Pattern 3: TCP, many clients at once: a thread for each, or a pool of threads.
//!
//! [`server::serve`] runs `tcp_echo`'s conversation, unchanged, on other threads than the one that accepts.

pub mod server;
pub mod swarm;
