//! Accepting clients in spite of `accept` errors.

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

/// How long to wait before the next attempt if `accept` fails, perhaps for lack of descriptors.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Accepts clients until a shutdown is requested. Accept errors never stop it.
pub struct Acceptor<'a> {
    listener: &'a TcpListener,
    shared: Shared<'a>,
    has_announced: Cell<bool>,
}

impl<'a> Acceptor<'a> {
    /// Creates an acceptor for this listener. A shutdown request ends its blocked `accept`.
    ///
    /// # Errors
    ///
    /// Returns an error if the system is out of file descriptors or threads.
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

    /// Returns the next client, or `None` after a shutdown request. Retries after accept(2) errors.
    ///
    /// The first call prints the address, because the server is ready from now on.
    pub fn accept(&self) -> Option<Connection<'_>> {
        let (shutdown, report) = (self.shared.shutdown, self.shared.report);
        if !self.has_announced.replace(true) {
            report.listening(self.listener.local_addr().ok()?);
        }
        while !shutdown.is_requested() {
            match self.listener.accept() {
                Ok(_) if shutdown.is_requested() => {} // may be our own wake-up connection
                Ok((stream, peer)) => return Some(Connection::new(&self.shared, stream, peer)),
                // The client has already disconnected. Windows reports that as a reset.
                Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionReset) => {}
                Err(error) => {
                    report.print_error_rate_limited("accept", "a client", &error);
                    // Sleeps, because the system does not tell when a descriptor is free.
                    thread::sleep(RETRY_INTERVAL);
                }
            }
        }
        None
    }

    /// Returns the number of open connections.
    pub fn open_connections(&self) -> usize {
        Arc::strong_count(&self.shared.permits) - 1
    }
}
