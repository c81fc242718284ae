//! The next client, whatever `accept` returns meanwhile.

use std::cell::Cell;
use std::io;
use std::io::ErrorKind::{ConnectionAborted, ConnectionReset};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::connection::{Connection, Shared};
use crate::linger::LingeringCloser;
use crate::report::Report;
use crate::shutdown::Shutdown;

/// How long to wait before the next attempt if `accept` fails: perhaps no descriptor is left.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Accepts clients until a shutdown is requested. Accept errors never stop it.
pub struct Acceptor<'a> {
    listener: &'a TcpListener,
    shared: Shared<'a>,
    has_announced: Cell<bool>,
}

impl<'a> Acceptor<'a> {
    /// An acceptor for this listener, whose blocked `accept` a shutdown request ends.
    ///
    /// # Errors
    ///
    /// Returns an error if no file descriptor or no thread is left.
    pub fn new(
        listener: &'a TcpListener,
        shutdown: &'a Shutdown,
        report: &'a Report,
    ) -> io::Result<Self> {
        shutdown.register_listener(listener)?;
        Ok(Acceptor {
            listener,
            shared: Shared {
                shutdown,
                report,
                lingering: LingeringCloser::new(shutdown)?,
                permits: Arc::default(),
            },
            has_announced: Cell::new(false),
        })
    }

    /// Returns the next client, or `None` after a shutdown request; survives every accept(2) error.
    ///
    /// The first call prints where the server listens: now it can serve.
    pub fn accept(&self) -> Option<Connection<'_>> {
        let (shutdown, report) = (self.shared.shutdown, self.shared.report);
        if !self.has_announced.replace(true) {
            report.listening(self.listener.local_addr().ok()?);
        }
        while !shutdown.is_requested() {
            match self.listener.accept() {
                Ok(_) if shutdown.is_requested() => {} // it may be our own wake-up
                Ok((stream, peer)) => return Some(Connection::new(&self.shared, stream, peer)),
                // The client has disconnected already; Windows calls that a reset.
                Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionReset) => {}
                Err(error) => {
                    report.print_error_rate_limited("accept", "a client", &error);
                    // There is nothing to wait for: a free file descriptor wakes nobody.
                    thread::sleep(RETRY_INTERVAL);
                }
            }
        }
        None
    }

    /// Returns the number of connections that are open.
    pub fn open_connections(&self) -> usize {
        Arc::strong_count(&self.shared.permits) - 1
    }
}
