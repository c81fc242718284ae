//! The next client, whatever `accept` returns meanwhile.

use std::cell::Cell;
use std::io;
use std::io::ErrorKind::{ConnectionAborted, ConnectionReset};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::connection::{Connection, Shared};
use crate::report::Report;
use crate::shutdown::Shutdown;

/// How long to wait before the next attempt if `accept` fails, for example because there are no
/// file descriptors left.
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
            shared: Shared::new(shutdown, report)?,
            has_announced: Cell::new(false),
        })
    }

    /// Returns the next client, and survives every error of accept(2); `None` after a shutdown
    /// request.
    ///
    /// The first call prints where the server listens: now it can serve.
    pub fn accept(&self) -> Option<Connection<'_>> {
        if !self.has_announced.replace(true) {
            self.shared
                .report
                .listening(self.listener.local_addr().ok()?);
        }
        while !self.shared.shutdown.is_requested() {
            match self.listener.accept() {
                Ok(_) if self.shared.shutdown.is_requested() => {} // it may be our own wake-up
                Ok((stream, peer)) => return Some(Connection::new(&self.shared, stream, peer)),
                // The client has disconnected already; Windows calls that a reset.
                Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionReset) => {}
                Err(error) => {
                    let report = self.shared.report;
                    report.print_error_rate_limited("accept", "a client", &error);
                    // There is nothing to wait for: a file descriptor that is free again wakes
                    // nobody.
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
