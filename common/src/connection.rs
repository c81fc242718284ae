//! A client's connection, with three promises that a bare `TcpStream` does not make. Its reads end
//! on a shutdown request. Its writes end if the client does not read. Its drop closes it without
//! losing a reply.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::{self, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::linger::{LingeringCloser, QUIET_PERIOD};
use crate::report::Report;
use crate::shutdown::Shutdown;
use crate::timeout::{is_timeout, socket_timeout};
use crate::words::with_action;

/// How long a write may wait without progress.
const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Write timeout of a socket. It is shorter, because Linux adds up the waits of a write, between
/// which it may send parts. On Windows, a socket is unusable after it (Winsock, SO_SNDTIMEO).
const WRITE_TIMEOUT: Duration = match cfg!(windows) {
    true => WRITE_STALL_TIMEOUT,
    false => Duration::from_secs(1),
};

/// A connection sends its replies when they reach `BATCH_LEN` bytes, or when all messages that have
/// arrived have a reply. It sends `DIRECT_LEN` bytes or more without a copy.
const BATCH_LEN: usize = 131_072;
const DIRECT_LEN: usize = 4_096;

/// State that all connections of one server share.
pub(crate) struct Shared<'a> {
    pub(crate) shutdown: &'a Shutdown,
    pub(crate) report: &'a Report,
    pub(crate) lingering: LingeringCloser,
    /// Each open connection holds a clone.
    pub(crate) permits: Arc<()>,
}

/// A client's connection. Its drop closes it, and rejects a client that was never served.
pub struct Connection<'a> {
    shared: &'a Shared<'a>,
    stream: Arc<TcpStream>,
    peer: SocketAddr,
    permit: Option<Arc<()>>,
    replies: Vec<u8>,
    /// `None` until the connection is served.
    idle_timeout: Option<Duration>,
    last_received: Option<Instant>,
    has_error: bool,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(shared: &'a Shared<'a>, stream: TcpStream, peer: SocketAddr) -> Self {
        shared.report.trace.call(peer, "accept");
        let stream = Arc::new(stream);
        shared.shutdown.register_stream(&stream);
        Connection {
            shared,
            stream,
            peer,
            permit: Some(Arc::clone(&shared.permits)),
            replies: Vec::new(),
            idle_timeout: None,
            last_received: None,
            has_error: false,
        }
    }

    /// Returns the client's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Returns `true` if a shutdown request, and not the client, may have ended a read.
    pub fn is_shutting_down(&self) -> bool {
        self.shared.shutdown.is_requested()
    }

    /// Sets the timeouts of reads and writes, and turns off Nagle's algorithm (RFC 896).
    ///
    /// # Errors
    ///
    /// Returns an error if setsockopt(2) fails.
    pub fn configure(&mut self, idle_timeout: Duration) -> io::Result<()> {
        self.idle_timeout = Some(idle_timeout);
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(socket_timeout(idle_timeout))?;
        self.stream.set_write_timeout(Some(WRITE_TIMEOUT))
    }

    /// Adds to the replies. A full batch is sent like in [`flush`](Self::flush).
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.replies.is_empty() && bytes.len() >= DIRECT_LEN {
            return self.send(bytes);
        }
        self.replies.extend_from_slice(bytes);
        let is_full = self.replies.len() >= BATCH_LEN;
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Adds an error reply on a line of its own, like [`push`](Self::push).
    pub fn push_error(&mut self, reason: impl Display) -> io::Result<()> {
        self.push(format!("error: {reason}\n").as_bytes())
    }

    /// Sends all replies.
    ///
    /// # Errors
    ///
    /// Returns an error if the client has disconnected, or if nothing could be sent for 10 s.
    pub fn flush(&mut self) -> io::Result<()> {
        let result = self.send(&self.replies);
        self.replies.clear();
        result
    }

    fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        let (trace, mut last_progress) = (&self.shared.report.trace, Instant::now());
        while !bytes.is_empty() {
            // `write` needs `&mut self`, but std also implements `Write` for `&TcpStream`.
            match (&*self.stream).write(bytes) {
                Ok(sent) => {
                    trace.bytes(self.peer, "send", &bytes[..sent]);
                    bytes = &bytes[sent..];
                    last_progress = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    let is_stalled = last_progress.elapsed() >= WRITE_STALL_TIMEOUT;
                    let is_rejected = self.idle_timeout.is_none(); // its socket does not block
                    if is_stalled || is_rejected || cfg!(windows) {
                        return Err(io::Error::other("nothing could be sent for 10 s"));
                    }
                }
                Err(error) => return Err(with_action("send", &error)),
            }
        }
        Ok(())
    }

    /// Sends the reason for closing the connection to the client, and returns it as an error.
    pub fn close_with_error(&mut self, reason: impl Display) -> io::Error {
        self.has_error = true;
        let _ = self.push_error(&reason).and_then(|()| self.flush()); // the client may have left
        io::Error::other(reason.to_string())
    }

    /// Rejects the client because the server is full, like any drop before [`Self::configure`].
    pub fn reject(self) {}
}

const SERVER_IS_FULL: &str = "server is full, try again later";

/// After a shutdown request, reads return what has arrived, and then 0 bytes.
impl Read for Connection<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let received = loop {
            match (&*self.stream).read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) && !self.is_shutting_down() => {
                    let seconds = self.idle_timeout.unwrap_or_default().as_secs_f64();
                    let reason = format!("nothing has arrived for {seconds} s");
                    return Err(self.close_with_error(reason));
                }
                Err(_) if self.is_shutting_down() => break 0, // the grace period expired
                result => break result.map_err(|error| with_action("receive", &error))?,
            }
        };
        let trace = &self.shared.report.trace;
        trace.bytes(self.peer, "recv", &buffer[..received]);
        if received > 0 {
            self.last_received = Some(Instant::now());
        }
        Ok(received)
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        if self.idle_timeout.is_none() {
            self.shared.report.rejected(self.peer, SERVER_IS_FULL);
            // One line fits in the socket's buffer. If it does not, the server must not wait.
            let _ = self.stream.set_nonblocking(true);
            self.close_with_error(SERVER_IS_FULL);
        }
        self.permit = None; // before the close, because the client may reconnect immediately
        let is_recent = |received: Instant| received.elapsed() <= QUIET_PERIOD;
        let is_sending = self.last_received.is_some_and(is_recent);
        if self.has_error {
            // If both directions were shut down, Linux would reply to more data with a reset.
            self.shared.shutdown.unregister_stream(&self.stream);
            self.shared.report.trace.call(self.peer, "shutdown");
            let _ = self.stream.shutdown(net::Shutdown::Write);
        }
        self.shared.report.trace.call(self.peer, "close");
        if self.has_error || self.is_shutting_down() && is_sending {
            self.shared.lingering.close(Arc::clone(&self.stream));
        }
    }
}
