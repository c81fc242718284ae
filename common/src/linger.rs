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

/// How often the connections are drained, and maximum number of reads of one of them each time.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const MAX_READS: usize = 32;

/// Closes connections on a thread of its own. Its drop waits for them.
pub struct LingeringCloser(Option<(Sender<LingeringStream>, JoinHandle<()>)>);

impl LingeringCloser {
    /// A closer without connections. Fails if its thread cannot be started.
    pub fn new(shutdown: &Shutdown) -> io::Result<Self> {
        let (queue, streams) = bounded(MAX_CONNECTIONS);
        let shutdown = shutdown.clone();
        let thread = spawn(move || drain_all(&streams, &shutdown))?;
        Ok(LingeringCloser(Some((queue, thread))))
    }

    /// Closes the stream once its client is silent, or immediately if there are too many already.
    pub fn close(&self, stream: Arc<TcpStream>) {
        if let (Some((queue, _)), Ok(())) = (&self.0, stream.set_nonblocking(true)) {
            let now = Instant::now();
            let _ = queue.try_send(LingeringStream {
                stream,
                started: now,
                last_received: now,
                received: 0,
            });
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

/// Drains until the closer is dropped, and all that it had is closed.
fn drain_all(streams: &Receiver<LingeringStream>, shutdown: &Shutdown) {
    let mut discarded = vec![0; 65_536];
    while let Ok(first) = streams.recv() {
        let mut open = vec![first];
        while !open.is_empty() {
            open.extend(streams.try_iter().take(MAX_CONNECTIONS - open.len()));
            open.retain_mut(|stream| stream.drain(&mut discarded, shutdown));
            // Polls, because after a shutdown request a blocking read returns 0 immediately.
            thread::sleep(POLL_INTERVAL);
        }
    }
}

struct LingeringStream {
    stream: Arc<TcpStream>,
    started: Instant,
    last_received: Instant,
    received: usize,
}

impl LingeringStream {
    /// Discards what has arrived, and returns `false` when it is time to close.
    fn drain(&mut self, discarded: &mut [u8], shutdown: &Shutdown) -> bool {
        for _ in 0..MAX_READS {
            match (&*self.stream).read(discarded) {
                Ok(0) if shutdown.is_requested() => break, // our reads have ended
                Ok(0) => return false,
                Ok(len) => {
                    self.last_received = Instant::now();
                    self.received += len;
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
