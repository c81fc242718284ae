//! The server: accept a client, let a thread of its own handle it, accept the next.
//!
//! `tcp-echo` uses the same `handle_client` on a single thread. Read the two files side by side.

use std::io;
use std::net::TcpListener;
use std::thread;

use common::accept::Acceptor;
use common::report::Report;
use common::shutdown::Shutdown;
use tcp_echo::handle_client::{Options, handle_client};

/// Serves up to `max_clients` at a time, one thread per client, until a shutdown request.
///
/// # Errors
///
/// Returns an error if the system is out of file descriptors or threads at the start.
pub fn serve(
    listener: &TcpListener,
    options: &Options,
    max_clients: usize,
    shutdown: &Shutdown,
    report: &Report,
) -> io::Result<()> {
    let acceptor = Acceptor::new(listener, shutdown, report)?;
    thread::scope(|scope| {
        while let Some(connection) = acceptor.accept() {
            if acceptor.open_connections() > max_clients {
                connection.reject();
                continue;
            }
            let handle = move || handle_client(connection, options, report);
            // If the system is out of threads, `scope.spawn` panics. `spawn_scoped` drops the
            // closure, which rejects the client.
            if let Err(error) = thread::Builder::new().spawn_scoped(scope, handle) {
                report.print_error_rate_limited("start", "a thread", &error);
            }
        }
    });
    Ok(())
}
