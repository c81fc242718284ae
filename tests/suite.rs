//! The black-box tests: real programs, real sockets, ports of their own.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

/// Starts programs and talks to them, with a deadline on everything.
mod harness;

/// What a person sees: first lines, errors, exit statuses, stopping, in the three programs.
mod black_box;

/// What others have written: `nc`, `socat` and Python's `socket` are answered.
mod interop;

/// The Python programs of the book: they talk to ours both ways, and the broken ones break as the book says.
mod python;

/// What goes wrong around a server: a bad path, descriptors or threads that run out.
mod faults;

/// A good server of the tests' own, and one for each way to be wrong.
mod reference;

/// Each check can fail: servers that are known to be wrong.
mod known_wrong;

/// The checker's command, what it prints, and the rules for its list.
mod checker;

/// Our own three servers pass all checks.
mod checked;

/// The rules of the house, as tests.
mod rules;
