//! The server: accept a client, handle it until it disconnects, accept the next.
//!
//! Meanwhile, all other clients wait in the listener's backlog. That is the lesson of this pattern.
//! The cure is in `threaded-echo/src/server.rs`. Read the two side by side.

use std::io;
use std::net::TcpListener;

use common::accept::Acceptor;
use common::report::Report;
use common::shutdown::Shutdown;

use crate::handle_client::{Options, handle_client};

/// Serves one client after the other until a shutdown request. Client errors never stop it.
///
/// # Errors
///
/// Returns an error if the system is out of file descriptors or threads at the start.
pub fn serve(
    listener: &TcpListener,
    options: &Options,
    shutdown: &Shutdown,
    report: &Report,
) -> io::Result<()> {
    let acceptor = Acceptor::new(listener, shutdown, report)?;
    while let Some(connection) = acceptor.accept() {
        handle_client(connection, options, report);
    }
    Ok(())
}
