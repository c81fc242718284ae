//! The lingering close, as nginx calls it: closes a connection without losing the replies on their
//! way to the client.
//!
//! Closing a socket with unread bytes in it sends a reset (RFC 1122, section 4.2.2.13), and a reset
//! destroys what the client has not received yet. So the server ends its own side, and then reads
//! until the client is silent.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::shutdown::Shutdown;
use crate::spawn;

/// A client that has been silent for this long is not sending anymore.
pub const QUIET_PERIOD: Duration = Duration::from_millis(300);

const MAX_TIME: Duration = Duration::from_secs(1);
const MAX_BYTES: usize = 256 << 20;
const MAX_CONNECTIONS: usize = 1_024;

/// How often the connections are drained, and maximum number of reads of one before it is the next
/// one's turn.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const MAX_READS: usize = 32;

/// Closes connections on a thread of its own. Its drop waits for them.
pub struct LingeringCloser(Option<(Sender<Arc<TcpStream>>, JoinHandle<()>)>);

impl LingeringCloser {
    /// A closer without connections.
    ///
    /// # Errors
    ///
    /// Returns an error if its thread cannot be started.
    pub fn new(shutdown: &Shutdown) -> io::Result<Self> {
        let (queue, connections) = bounded(MAX_CONNECTIONS);
        let shutdown = shutdown.clone();
        let thread = spawn(move || drain_all(&connections, &shutdown))?;
        Ok(LingeringCloser(Some((queue, thread))))
    }

    /// Closes the stream once its client is silent, without waiting for that; immediately if there
    /// are too many already.
    pub fn close(&self, stream: Arc<TcpStream>) {
        if let (Some((queue, _)), Ok(())) = (&self.0, stream.set_nonblocking(true)) {
            let _ = queue.try_send(stream);
        }
    }
}

impl Drop for LingeringCloser {
    fn drop(&mut self) {
        if let Some((queue, thread)) = self.0.take() {
            drop(queue); // the thread ends once its last connection is closed
            let _ = thread.join();
        }
    }
}

fn drain_all(connections: &Receiver<Arc<TcpStream>>, shutdown: &Shutdown) {
    let (mut open, mut discarded) = (Vec::new(), vec![0; 65_536]);
    loop {
        if open.is_empty() {
            match connections.recv() {
                Ok(stream) => open.push(LingeringStream::new(stream)),
                Err(_) => return, // the closer was dropped
            }
        }
        let room = MAX_CONNECTIONS - open.len();
        open.extend(connections.try_iter().take(room).map(LingeringStream::new));
        open.retain_mut(|stream| stream.drain(&mut discarded, shutdown));
        // After a shutdown request, a blocking read returns 0 immediately although more is on its
        // way: so this polls.
        thread::sleep(POLL_INTERVAL);
    }
}

struct LingeringStream {
    stream: Arc<TcpStream>,
    started: Instant,
    last_received: Instant,
    received: usize,
}

impl LingeringStream {
    fn new(stream: Arc<TcpStream>) -> Self {
        let (started, last_received, received) = (Instant::now(), Instant::now(), 0);
        LingeringStream {
            stream,
            started,
            last_received,
            received,
        }
    }

    /// Discards what has arrived, and returns `false` when it is time to close.
    fn drain(&mut self, discarded: &mut [u8], shutdown: &Shutdown) -> bool {
        for _ in 0..MAX_READS {
            match (&*self.stream).read(discarded) {
                Ok(0) if shutdown.is_requested() => break, // our reads have ended
                Ok(0) => return false,
                Ok(len) => {
                    (self.last_received, self.received) = (Instant::now(), self.received + len)
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        let is_quiet = self.last_received.elapsed() > QUIET_PERIOD;
        let is_over = self.started.elapsed() > MAX_TIME || self.received > MAX_BYTES;
        !is_quiet && !is_over && !shutdown.grace_period_expired()
    }
}
