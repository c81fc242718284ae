//! Pattern 1: TCP, one client at a time.
//!
//! [`server::serve`] and its conversation are the tutorial's first server, made right; [`client`] is the other half, which
//! the tutorial leaves out. `threaded-echo` uses both: the conversation stays the same, only who runs it changes.

pub mod client;
pub mod conversation;
pub mod server;
