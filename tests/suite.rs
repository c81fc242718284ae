//! The black-box tests: real programs, real sockets, ports of their own.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

/// Starts programs and talks to them, with a deadline on everything.
mod harness;

/// What a person sees: first lines, errors, exit statuses, stopping, in the three programs.
mod black_box;

/// What others have written: `nc`, `socat` and Python's `socket` are answered.
mod interop;

/// What goes wrong around a server: a bad path, descriptors or threads that run out.
mod faults;

/// The rules of the house, as tests.
mod rules;
