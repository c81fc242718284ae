//! The server: accept a client, converse with it until it leaves, accept the next.
//!
//! While it converses with one, all others wait in the listener's backlog: that is the lesson of this pattern, and
//! `threaded-echo/src/server.rs` is the cure. Read the two side by side.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use common::report::{Report, why};
use common::shutdown::{Closer, Stop};

use crate::conversation::{Farewell, Options, attend};

/// Serves one client after the other until `stop` is requested. No error of a client ends it.
///
/// # Errors
///
/// The listener is none, or no thread can be started for the clients that linger.
// ANCHOR: serve
pub fn serve(listener: &TcpListener, options: &Options, stop: &Stop, report: &Report) -> io::Result<()> {
    stop.wakes(listener)?;
    thread::scope(|scope| {
        let closer = Closer::start(scope)?;
        while let Some((stream, peer)) = accept(listener, options, stop, report) {
            let stream = stop.watch(stream);
            let client = report.connected(peer, "; the next one waits until it has left");
            match attend(&stream, client, options, stop) {
                Farewell::Close => drop(stream),
                Farewell::Linger => closer.close(stream),
            }
        }
        Ok(())
    })
}

/// How long to wait before asking again when `accept` fails for want of something, such as descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The next client. Once a stop is requested, only who has said something while it waited, and then `None`.
pub fn accept(
    listener: &TcpListener,
    options: &Options,
    stop: &Stop,
    report: &Report,
) -> Option<(TcpStream, SocketAddr)> {
    while !stop.is_overdue() {
        if stop.is_requested() {
            listener.set_nonblocking(true).ok()?; // nobody is waited for any more
        }
        match listener.accept() {
            Ok((stream, _)) if stop.is_requested() && !has_spoken(&stream) => {} // the connection that wakes us is one
            Ok((stream, peer)) => {
                options.trace.call(peer, "accept");
                return Some((stream, peer));
            }
            Err(_) if stop.is_requested() => break, // the backlog is empty
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {} // it has gone before its turn came
            Err(error) => {
                report.recurring_error(format_args!("cannot accept a client: {}; trying again", why(&error)));
                stop.wait(ACCEPT_PAUSE);
            }
        }
    }
    None
}
// ANCHOR_END: serve

fn has_spoken(stream: &TcpStream) -> bool {
    let spoken = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0])).is_ok_and(|length| length > 0);
    spoken && stream.set_nonblocking(false).is_ok() // as it was, for the conversation
}

#[cfg(test)]
mod tests;
