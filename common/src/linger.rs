//! The lingering close, as nginx calls it. It closes a connection without losing the replies on
//! their way to the client.
//!
//! Closing a socket with unread bytes sends a reset (RFC 1122, section 4.2.2.13), and a reset
//! destroys bytes that the client has not read yet. So the server half-closes, and then reads
//! until the client is silent.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::shutdown::Shutdown;
use crate::spawn;

/// How long a client has to be silent before the server assumes that it stopped sending.
pub const QUIET_PERIOD: Duration = Duration::from_millis(300);

const MAX_TIME: Duration = Duration::from_secs(1);
const MAX_BYTES: usize = 256 << 20;
const MAX_CONNECTIONS: usize = 1_024;

/// Interval between two visits to each connection, and maximum number of reads per visit.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
const MAX_READS: usize = 32;

/// Closes connections on a separate thread. Its drop waits until they are closed.
pub struct LingeringCloser(Option<(Sender<LingeringStream>, JoinHandle<()>)>);

impl LingeringCloser {
    /// Starts the thread. Returns an error if the system is out of threads.
    pub fn new(shutdown: &Shutdown) -> io::Result<Self> {
        let (queue, streams) = bounded(MAX_CONNECTIONS);
        let shutdown = shutdown.clone();
        let thread = spawn(move || drain_all(&streams, &shutdown))?;
        Ok(LingeringCloser(Some((queue, thread))))
    }

    /// Closes the stream when its client is silent, or immediately if too many are lingering.
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

/// Drains connections until the closer is dropped and the last connection is closed.
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
