//! The black-box tests: real programs, real sockets, ports of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

/// What a person sees of the programs: first lines, replies, errors, exit statuses, the relay.
mod black_box;

/// Ctrl-C and SIGTERM, with idle clients and with clients that never read.
#[cfg(unix)]
mod stopping;

/// Limits, stalls, exhausted descriptors and threads.
#[cfg(target_os = "linux")]
mod pressure;

/// Cases from bug reports and attacks, each with its neighbors.
mod cases;

/// Mixed clients for ten minutes: the totals agree, and the memory does not grow.
#[cfg(target_os = "linux")]
mod soak;

/// Counts that no load moves: system calls and allocations per message, memory per idle client.
#[cfg(target_os = "linux")]
mod guard;

/// Programs that others have written: `nc`, `socat` and Python's `socket` get their replies.
mod interop;

/// The steps in both languages: which checks each passes, and how the broken programs break.
mod steps;

/// The exercises: each starter fails its checks, and each solution passes them.
mod exercises;

/// A correct server of the tests' own, and one for each way to be wrong.
mod reference;

/// Each check can fail: servers that are known to be wrong.
mod known_wrong;

/// No check accuses a correct server: servers that are not ours.
mod known_right;

/// The checker's command line, what it prints, and the rules for its list.
mod checker_cli;

/// Our own servers pass every check in every framing.
mod conformance;

/// The rules of this repository that clippy cannot hold, and its budgets.
mod conventions;
