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
use crate::{lock, spawn};

/// How long after a shutdown request clients may go on sending, or be slow to read.
pub const GRACE_PERIOD: Duration = Duration::from_secs(1);

/// How long after a shutdown request the process ends, whatever is still blocked. The promise is 2
/// s, also on a busy machine.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How much of that is left for the last lines.
const PRINT_PERIOD: Duration = Duration::from_millis(100);

/// A second signal within this time is the first one: timeout(1) sends it to the process, and then
/// to its group.
const SAME_SIGNAL_PERIOD: Duration = Duration::from_millis(100);

const WAKE_UP_TIMEOUT: Duration = Duration::from_millis(200);

/// The shutdown signal of one server. Clones are the same signal.
#[derive(Clone, Default)]
pub struct Shutdown(Arc<State>);

#[derive(Default)]
struct State {
    /// Written once, and read without a lock.
    requested: OnceLock<Instant>,
    registry: Mutex<Registry>,
}

/// What threads may be blocked in.
#[derive(Default)]
struct Registry {
    /// A clone: once it is dropped, there is a file descriptor for the connection that wakes
    /// `accept`.
    listener: Option<TcpListener>,
    streams: Vec<Weak<TcpStream>>,
}

impl Shutdown {
    /// Handles Ctrl-C. The first requests a graceful shutdown, forces it after the grace period,
    /// and ends the process if that does not help either: on Windows nothing ends a blocked read
    /// (rust-lang/rust#121594). The second ends the process immediately. `exit` is called with the
    /// exit status.
    pub fn interrupt(&self, report: &Arc<Report>, exit: fn(i32) -> !) {
        match self.0.requested.get() {
            Some(first) if first.elapsed() < SAME_SIGNAL_PERIOD => return,
            Some(_) => exit(130), // what a shell reports for a program that Ctrl-C ended
            None => drop(self.0.requested.set(Instant::now())),
        }
        let (shutdown, report) = (self.clone(), Arc::clone(report));
        let force = move || {
            shutdown.request();
            // Nothing to wait for: if the server ends earlier, so does the process, and this thread
            // with it.
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

    /// Requests a graceful shutdown: wakes `accept`, and ends each read once it has returned what
    /// has arrived.
    pub fn request(&self) {
        self.0.requested.get_or_init(Instant::now);
        // On Windows, a client that is still sending would be reset.
        if cfg!(not(windows)) {
            self.end_streams(net::Shutdown::Read);
        }
        if let Some(listener) = lock(&self.0.registry).listener.take() {
            wake_accept(listener);
        }
    }

    fn end_streams(&self, direction: net::Shutdown) {
        for stream in lock(&self.0.registry)
            .streams
            .iter()
            .filter_map(Weak::upgrade)
        {
            let _ = stream.shutdown(direction); // fails only if the client has disconnected
        }
    }

    /// Returns `true` if a shutdown was requested.
    pub fn is_requested(&self) -> bool {
        self.0.requested.get().is_some()
    }

    /// Returns `true` if a shutdown was requested more than [`GRACE_PERIOD`] ago.
    pub fn grace_period_expired(&self) -> bool {
        self.0
            .requested
            .get()
            .is_some_and(|requested| requested.elapsed() > GRACE_PERIOD)
    }

    /// Returns how long the rest of a shutdown may take.
    pub fn time_left(&self) -> Duration {
        let elapsed = self
            .0
            .requested
            .get()
            .map_or(Duration::ZERO, Instant::elapsed);
        SHUTDOWN_TIMEOUT.saturating_sub(elapsed)
    }

    /// Makes a shutdown request wake a thread that is blocked in this listener's `accept`.
    ///
    /// # Errors
    ///
    /// Returns an error if no file descriptor is left.
    pub fn register_listener(&self, listener: &TcpListener) -> io::Result<()> {
        lock(&self.0.registry).listener = Some(listener.try_clone()?);
        Ok(())
    }

    /// Makes a shutdown request end this stream's reads, as long as the stream is open.
    pub fn register_stream(&self, stream: &Arc<TcpStream>) {
        let streams = &mut lock(&self.0.registry).streams;
        if streams.len() == streams.capacity() {
            streams.retain(|stream| stream.strong_count() > 0); // before it has to grow
        }
        streams.push(Arc::downgrade(stream));
        if self.is_requested() && cfg!(not(windows)) {
            let _ = stream.shutdown(net::Shutdown::Read); // the wake-ups may be over
        }
    }

    /// Reverses [`register_stream`](Self::register_stream).
    pub fn unregister_stream(&self, stream: &Arc<TcpStream>) {
        lock(&self.0.registry)
            .streams
            .retain(|other| other.as_ptr() != Arc::as_ptr(stream));
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
