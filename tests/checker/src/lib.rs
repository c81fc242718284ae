//! A checker for echo servers in any language: one list of behaviors, each with a name, and one runner.
//!
//! The list is [`CHECKS`]: data, and a small function each. A [`Target`] says where the server is and what it claims to
//! be; [`run`] finds out what it is, and puts it through the checks that apply. A [`Failure`] is the conversation that
//! went wrong. `main.rs` prints that, in the words of `sentences.txt`; the suite holds our own servers to the same list.

/// The list, and what a check is.
mod check;
/// Checks of every server, over TCP and UDP.
mod check_any;
/// Checks with several TCP clients, or one that misbehaves.
mod check_clients;
/// Checks with one TCP client and its stream of bytes.
mod check_tcp;
/// Checks with datagrams.
mod check_udp;
/// What the checker talks to.
mod classify;
/// The checker's own end of a connection.
mod client;
/// Where a reply differs, and what its bytes betray.
mod difference;
/// Why a check was not passed.
mod failure;
/// Programs that the checker starts and ends.
mod launch;
/// Whether the reply is right.
mod reply;
/// What a person or a grader reads.
mod report;
/// The checks one by one.
mod runner;
/// What a server claims to be.
mod spec;
/// English and Korean.
mod words;

pub use check::{CHECKS, Check, TRAPS};
pub use classify::Classification;
pub use client::CheckContext;
pub use difference::Difference;
pub use failure::{Clue, Failure, FailureKind, Outcome, ProgramEnd, Step, Verdict};
pub use launch::Command;
pub use reply::{Match, Reply};
pub use report::Report;
pub use runner::{Event, run};
pub use spec::{Framing, Limits, Pattern, ServerSpec, Source, Target};
pub use words::{Language, Words, words};
