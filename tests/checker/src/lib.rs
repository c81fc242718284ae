//! A checker for echo servers in any language: one list of behaviors, each with a name, and one runner.
//!
//! The list is [`CHECKS`]: data, and a small function each. A [`Target`] says where the server is and what it claims to
//! be; [`run`] finds out what it is, and puts it through the checks that apply. A [`Failure`] is the conversation that
//! went wrong. `main.rs` prints that, in the words of `sentences.txt`; the suite holds our own servers to the same list.

mod check;
mod check_any;
mod check_clients;
mod check_tcp;
mod check_udp;
mod classify;
mod client;
mod difference;
mod failure;
mod launch;
mod reply;
mod report;
mod runner;
mod spec;
mod words;

pub use check::{CHECKS, Check, TRAPS};
pub use classify::{Classification, Found};
pub use client::CheckContext;
pub use failure::{Checked, Failure, Problem, Verdict};
pub use launch::Command;
pub use reply::{Match, Reply};
pub use report::{Report, counts, wrap};
pub use runner::{Event, run};
pub use spec::{Framing, LIMITS, Limits, Pattern, ServerSpec, Target};
pub use words::{Language, Words, words};
