//! The server: accept a client, let another thread converse with it, accept the next.
//!
//! The conversation is `tcp-echo`'s, as it is: only who runs it changes. Read the two files side by side.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, Scope};

use common::report::{Client, Report, why};
use common::shutdown::{Closer, Stop, Watched};
use crossbeam_channel::{Sender, bounded};
use tcp_echo::conversation::{Farewell, Options, attend};
use tcp_echo::server::accept;

/// Who converses with the clients, and with how many.
#[derive(Debug, Clone, Copy)]
pub struct Threads {
    /// So many clients at once, those that wait for a worker included; one more is refused.
    pub max_clients: usize,
    /// A pool of so many threads that take one client after the other; `None` is a new thread for each client.
    pub workers: Option<usize>,
}

/// Serves many clients at once until `stop` is requested. No error of a client ends it, and no client waits for another,
/// except for a worker when all are busy.
///
/// # Errors
///
/// The listener is none, or the threads that are needed from the start cannot be started.
// ANCHOR: serve
pub fn serve(
    listener: &TcpListener,
    options: &Options,
    threads: Threads,
    stop: &Stop,
    report: &Report,
) -> io::Result<()> {
    stop.wakes(listener)?;
    let seats = Arc::new(()); // each client that is here holds a clone, so the count of them is how many are here
    thread::scope(|scope| {
        let host = Host { options, stop, report, closer: Closer::start(scope)?, attend };
        let pool = match threads.workers {
            Some(workers) => Some(start_pool(scope, workers, threads.max_clients, &host)?),
            None => None,
        };
        while let Some((stream, peer)) = accept(listener, options, stop, report) {
            let stream = stop.watch(stream);
            if Arc::strong_count(&seats) > threads.max_clients {
                host.refuse(stream, peer);
                continue;
            }
            let guest = Guest { stream: stream.clone(), peer, seat: Arc::clone(&seats) };
            if let Some(queue) = &pool {
                let _ = queue.send(guest); // does not block: the queue has a place for each seat
                continue;
            }
            // ANCHOR: threads
            let its_host = host.clone();
            if let Err(error) = spawn(scope, move || its_host.serve_one(guest)) {
                report.recurring_error(format_args!("cannot start a thread: {}", why(&error)));
                host.refuse(stream, peer);
            }
            // ANCHOR_END: threads
        }
        Ok(()) // the queue's sender is dropped here: the workers serve whom it still holds, and end
    })
}
// ANCHOR_END: serve

/// Starts the workers, and returns the queue that feeds them.
// ANCHOR: pool
fn start_pool<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    workers: usize,
    places: usize,
    host: &Host<'scope>,
) -> io::Result<Sender<Guest<'scope>>> {
    let (queue, waiting) = bounded::<Guest<'_>>(places);
    for _ in 0..workers {
        let (waiting, host) = (waiting.clone(), host.clone());
        spawn(scope, move || waiting.iter().for_each(|guest| host.serve_one(guest)))?;
    }
    Ok(queue)
}
// ANCHOR_END: pool

/// A client that has been let in.
struct Guest<'env> {
    stream: Watched<'env>,
    peer: SocketAddr,
    seat: Arc<()>,
}

/// What a thread needs to look after a client.
#[derive(Clone)]
struct Host<'env> {
    options: &'env Options,
    stop: &'env Stop,
    report: &'env Report,
    closer: Closer<'env>,
    /// The conversation; a test puts another in its place, that panics.
    attend: fn(&TcpStream, Client<'_>, &Options, &Stop) -> Farewell,
}

impl<'env> Host<'env> {
    // ANCHOR: guest
    fn serve_one(&self, Guest { stream, peer, seat }: Guest<'env>) {
        let client = self.report.connected(peer, "");
        // A panic would be a bug of ours, but it need not cost the other clients their worker.
        let attended = catch_unwind(AssertUnwindSafe(|| (self.attend)(&stream, client, self.options, self.stop)));
        drop(seat); // before the close: whoever sees that close may come again at once
        match attended {
            Ok(Farewell::Close) => drop(stream),
            Ok(Farewell::Linger) => self.closer.close(stream),
            Err(_) => self.report.error(format_args!("client {peer}: the conversation panicked")),
        }
    }
    // ANCHOR_END: guest

    fn refuse(&self, stream: Watched<'env>, peer: SocketAddr) {
        self.report.line(format_args!("client {peer} refused: the server is full"));
        let reply = b"error: server is full, try again later\n";
        self.options.trace.bytes(peer, "send", reply);
        let _ = self.stop.write_all(&*stream, reply); // it fits into the send buffer of a new connection: no blocking
        self.options.trace.call(peer, "close");
        self.closer.close(stream);
    }
}

/// Enough for a conversation, whose buffers are on the heap. Smaller stacks are reused more often by the system's library
/// (glibc keeps 40 MiB of them), and ten thousand fit into any address space.
const STACK: usize = 256 * 1024;

/// `scope.spawn`, which panics when the system has no thread left, with an error instead.
fn spawn<'scope>(scope: &'scope Scope<'scope, '_>, work: impl FnOnce() + Send + 'scope) -> io::Result<()> {
    thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).map(drop)
}

#[cfg(test)]
mod tests;
