//! The same server with a pool: a fixed number of threads that take clients from a queue.

use std::io;
use std::net::TcpListener;
use std::thread;

use common::accept::Acceptor;
use common::report::Report;
use common::shutdown::Shutdown;
use common::words::with_action;
use crossbeam_channel::bounded;
use tcp_echo::handle_client::{Options, handle_client};

/// Serves one client per worker until a shutdown request. Up to `queue_len` more clients wait.
///
/// # Errors
///
/// Returns an error if the system is out of file descriptors or threads at the start.
pub fn serve(
    listener: &TcpListener,
    options: &Options,
    (workers, queue_len): (usize, usize),
    shutdown: &Shutdown,
    report: &Report,
) -> io::Result<()> {
    let acceptor = Acceptor::new(listener, shutdown, report)?;
    thread::scope(|scope| {
        let (queue, waiting) = bounded(workers + queue_len);
        for _ in 0..workers {
            let waiting = waiting.clone();
            let work = move || {
                for connection in waiting {
                    handle_client(connection, options, report);
                }
            };
            let worker = thread::Builder::new().spawn_scoped(scope, work);
            worker.map_err(|error| with_action("start a worker", &error))?;
        }
        drop(waiting); // each worker has a clone
        while let Some(connection) = acceptor.accept() {
            if acceptor.open_connections() > workers + queue_len {
                connection.reject();
            } else {
                let _ = queue.send(connection); // fails only if every worker has panicked
            }
        }
        Ok(()) // drops `queue`, so the workers serve the waiting clients, and end
    })
}
