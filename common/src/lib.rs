//! What the three echo servers share, one promise per module.
#![warn(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

pub mod accept;
pub mod addr;
pub mod connection;
pub mod framing;
mod linger;
mod printer;
pub mod report;
pub mod shutdown;
pub mod timeout;
pub mod trace;
pub mod usage;
pub mod words;

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use words::with_action;

/// Locks a mutex, even if a thread panicked while it held it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a thread.
///
/// # Errors
///
/// Returns an error if the system is out of threads, where [`thread::spawn`] would panic.
pub fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let thread = thread::Builder::new().spawn(work);
    thread.map_err(|error| with_action("start a thread", &error))
}
