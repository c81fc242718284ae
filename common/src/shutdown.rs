//! Shutdown: a flag, and a wake-up for each thread that is blocked in a socket call and cannot look
//! at the flag.
//!
//! A blocked read ends when the read direction of its stream is shut down. A blocked `accept` ends
//! when a client connects: so we connect to ourselves. (`shutdown` on a listener works on Linux
//! alone.)

use std::io;
use std::net::{self, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::addr::reachable;
use crate::report::Report;
use crate::words::with_action;
use crate::{lock, spawn};

/// How long after a shutdown request clients may go on sending, or be slow to read.
pub const GRACE_PERIOD: Duration = Duration::from_secs(1);

/// How long after a shutdown request the process ends at the latest; the promise is 2 s.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How much of that is left for the last lines.
const PRINT_PERIOD: Duration = Duration::from_millis(100);

/// A second signal within this time is the first one: timeout(1) signals process and group.
const SAME_SIGNAL_PERIOD: Duration = Duration::from_millis(100);

const WAKE_UP_TIMEOUT: Duration = Duration::from_millis(200);

/// The shutdown signal of one server. Clones are the same signal.
#[derive(Clone, Default)]
pub struct Shutdown(Arc<State>);

#[derive(Default)]
struct State {
    /// Written once, and read without a lock.
    requested: OnceLock<Instant>,
    /// A clone. Its drop frees a file descriptor for the connection that wakes `accept`.
    listener: Mutex<Option<TcpListener>>,
    streams: Mutex<Vec<Weak<TcpStream>>>,
}

impl Shutdown {
    /// Handles Ctrl-C and SIGTERM from now on. Fails if the system has no thread left.
    pub(crate) fn handle_ctrl_c(&self, report: &Arc<Report>, exit: fn(i32) -> !) -> io::Result<()> {
        let (shutdown, report) = (self.clone(), Arc::clone(report));
        let set = ctrlc::set_handler(move || shutdown.interrupt(&report, exit));
        set.map_err(|error| match error {
            ctrlc::Error::System(error) => with_action("handle Ctrl-C", &error),
            error => io::Error::other(error),
        })
    }

    /// Handles Ctrl-C. The first requests a graceful shutdown, forces it after the grace period,
    /// and ends the process if that does not help either: on Windows nothing ends a blocked read
    /// (rust-lang/rust#121594). The second ends the process immediately, by `exit`.
    fn interrupt(&self, report: &Arc<Report>, exit: fn(i32) -> !) {
        match self.elapsed() {
            Some(elapsed) if elapsed < SAME_SIGNAL_PERIOD => return,
            Some(_) => exit(130), // what a shell reports for a program that Ctrl-C ended
            None => drop(self.0.requested.set(Instant::now())),
        }
        let (shutdown, report) = (self.clone(), Arc::clone(report));
        let force = move || {
            shutdown.request();
            // There is nothing to wait for: if the server ends earlier, so does the process.
            thread::sleep(GRACE_PERIOD);
            shutdown.end_streams(net::Shutdown::Both);
            thread::sleep(shutdown.time_left().saturating_sub(PRINT_PERIOD));
            report.finish(PRINT_PERIOD);
            exit(0);
        };
        if spawn(force.clone()).is_err() {
            force(); // no thread is left, so a second Ctrl-C has to wait
        }
    }

    /// Requests a graceful shutdown: wakes `accept`, and ends reads after what has arrived.
    pub fn request(&self) {
        self.0.requested.get_or_init(Instant::now);
        // On Windows, a client that is still sending would be reset.
        if cfg!(not(windows)) {
            self.end_streams(net::Shutdown::Read);
        }
        if let Some(listener) = lock(&self.0.listener).take() {
            wake_accept(listener);
        }
    }

    fn end_streams(&self, direction: net::Shutdown) {
        for stream in lock(&self.0.streams).iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(direction); // fails only if the client has disconnected
        }
    }

    /// Returns how long ago a shutdown was requested.
    fn elapsed(&self) -> Option<Duration> {
        self.0.requested.get().map(Instant::elapsed)
    }

    /// Returns `true` if a shutdown was requested.
    pub fn is_requested(&self) -> bool {
        self.0.requested.get().is_some()
    }

    /// Returns `true` if a shutdown was requested more than [`GRACE_PERIOD`] ago.
    pub fn grace_period_expired(&self) -> bool {
        self.elapsed().is_some_and(|elapsed| elapsed > GRACE_PERIOD)
    }

    /// Returns how long the rest of a shutdown may take.
    pub(crate) fn time_left(&self) -> Duration {
        SHUTDOWN_TIMEOUT.saturating_sub(self.elapsed().unwrap_or_default())
    }

    /// Makes a shutdown request wake this listener's `accept`. Fails if no descriptor is left.
    pub(crate) fn register_listener(&self, listener: &TcpListener) -> io::Result<()> {
        *lock(&self.0.listener) = Some(listener.try_clone()?);
        Ok(())
    }

    /// Makes a shutdown request end this stream's reads, as long as the stream is open.
    pub(crate) fn register_stream(&self, stream: &Arc<TcpStream>) {
        let mut streams = lock(&self.0.streams);
        if streams.len() == streams.capacity() {
            streams.retain(|stream| stream.strong_count() > 0); // before it has to grow
        }
        streams.push(Arc::downgrade(stream));
        if self.is_requested() && cfg!(not(windows)) {
            let _ = stream.shutdown(net::Shutdown::Read); // the wake-ups may be over
        }
    }

    /// Reverses [`register_stream`](Self::register_stream).
    pub(crate) fn unregister_stream(&self, stream: &Arc<TcpStream>) {
        let is_other = |other: &Weak<_>| other.as_ptr() != Arc::as_ptr(stream);
        lock(&self.0.streams).retain(is_other);
    }
}

/// Ends a blocked `accept` by a connection to ourselves. Where the listener's own address is not
/// available anymore, as after a change of network, 127.0.0.1 may be.
fn wake_accept(listener: TcpListener) {
    let Ok(bound) = listener.local_addr() else {
        return;
    };
    drop(listener); // frees a file descriptor for the connection
    let loopback = (Ipv4Addr::LOCALHOST, bound.port()).into();
    let wakes = |to: &SocketAddr| TcpStream::connect_timeout(to, WAKE_UP_TIMEOUT).is_ok();
    let _ = [reachable(bound), loopback].iter().find(|to| wakes(to));
}
