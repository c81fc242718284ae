//! A checker for echo servers in any language: one list of behaviours, each with a name, and one runner.
//!
//! The list is [`CHECKS`]: data, and a small function each. A [`Target`] says where the server is and what it claims to
//! be, [`run`] puts it through the checks that apply, and a [`Failure`] says what was sent, expected, and came.
//! `main.rs` prints that; `suite.rs` holds our own servers to the same list, and the list to servers that are known to be
//! wrong.

/// The list, and what a check is.
mod check;
/// What every server is asked, over TCP or UDP.
mod check_any;
/// Several TCP clients, or one that misbehaves.
mod check_clients;
/// One TCP client and its stream of bytes.
mod check_tcp;
/// Datagrams.
mod check_udp;
/// The checker's own end of the wire.
mod client;
/// Why a check was not passed.
mod failure;
/// What a person or a grader reads.
mod print;
/// Whether what came is what had to come.
mod reply;
/// The checks one by one, and the end of it when the server is gone.
mod runner;
/// Bytes for human eyes.
mod show;

pub use check::{CHECKS, Check, Claim, Effort, Framing, Pattern, TRAPS, Target};
pub use client::Trial;
pub use failure::{Diagnosis, Failure, Symptom};
pub use print::{json_check, json_summary, list, text_check, text_summary};
pub use reply::{Matched, Reply};
pub use runner::{Outcome, Summary, Unreachable, run};
pub use show::show;
