//! Pattern 2: UDP, one datagram at a time.
//!
//! A datagram is a message: it arrives whole, or not at all, or twice. [`server::serve`] answers each to where it came
//! from; [`client`] is what makes a question and an answer out of two datagrams.

pub mod client;
pub mod server;
