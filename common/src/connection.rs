//! A client's connection, with three promises that a bare `TcpStream` does not make. Its reads end
//! on a shutdown request. Its writes end if the client does not read. Its drop closes it without
//! losing a reply.

use std::cell::Cell;
use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::{self, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::linger::{LingeringCloser, QUIET_PERIOD};
use crate::report::Report;
use crate::shutdown::Shutdown;
use crate::timeout::{is_timeout, socket_timeout};
use crate::trace::Trace;
use crate::words::with_action;

/// How long a write may wait without progress.
const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How early the system may end a wait, and how long after it the next write is the same stall.
const STALL_MARGIN: Duration = Duration::from_secs(1);

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
    /// When a write last returned without sending everything.
    last_stall: Cell<Option<Instant>>,
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
            last_stall: Cell::default(),
            has_error: false,
        }
    }

    fn trace(&self) -> &'a Trace {
        &self.shared.report.trace
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
        self.stream.set_write_timeout(Some(WRITE_STALL_TIMEOUT))
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
    /// Returns an error if the client has disconnected, or if nothing could be sent for 10 s. A
    /// write that sent a part may have waited before, so this can take up to 20 s.
    pub fn flush(&mut self) -> io::Result<()> {
        let result = self.send(&self.replies);
        self.replies.clear();
        result
    }

    fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let started = Instant::now();
            // `write` needs `&mut self`, but std also implements `Write` for `&TcpStream`.
            match (&*self.stream).write(bytes) {
                Ok(sent) => {
                    self.trace().bytes(self.peer, "send", &bytes[..sent]);
                    bytes = &bytes[sent..];
                    // A write that has waited may have sent a part of the bytes before that.
                    let has_waited = started.elapsed() + STALL_MARGIN > WRITE_STALL_TIMEOUT;
                    if has_waited && !bytes.is_empty() && self.has_stalled_before() {
                        return Err(stalled());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(stalled()),
                Err(error) => return Err(with_action("send", &error)),
            }
        }
        Ok(())
    }

    /// Records a stalled write. Returns `true` if it follows another without progress in between.
    fn has_stalled_before(&self) -> bool {
        let last = self.last_stall.replace(Some(Instant::now()));
        last.is_some_and(|last| last.elapsed() < WRITE_STALL_TIMEOUT + STALL_MARGIN)
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

fn stalled() -> io::Error {
    io::Error::other("nothing could be sent for 10 s")
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
        self.trace().bytes(self.peer, "recv", &buffer[..received]);
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
            self.trace().call(self.peer, "shutdown");
            let _ = self.stream.shutdown(net::Shutdown::Write);
        }
        self.trace().call(self.peer, "close");
        if self.has_error || self.is_shutting_down() && is_sending {
            self.shared.lingering.close(Arc::clone(&self.stream));
        }
    }
}
