//! Shutdown: a flag, and a wake-up for each thread that is blocked in a socket call and cannot
//! check the flag.
//!
//! Shutting down the read direction of a stream ends a blocked read. A blocked `accept` ends when
//! a client connects, so the server connects to itself. (`shutdown` on a listener works only on
//! Linux.)

use std::io;
use std::net::{self, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::addr::reachable;
use crate::report::Report;
use crate::words::with_action;
use crate::{lock, spawn};

/// How long clients may continue to send and receive after a shutdown request.
pub const GRACE_PERIOD: Duration = Duration::from_secs(1);

/// Maximum time from a shutdown request to the end of the process. The documentation says 2 s.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Interval at which streams are ended after the grace period, because workers take new clients.
/// It leaves these the time to get their replies.
const FORCE_INTERVAL: Duration = Duration::from_millis(200);

/// The part of [`SHUTDOWN_TIMEOUT`] that is reserved for printing.
const PRINT_PERIOD: Duration = Duration::from_millis(100);

/// How long to ignore a second signal, because timeout(1) signals the process and its group.
const SAME_SIGNAL_PERIOD: Duration = Duration::from_millis(100);

const WAKE_UP_TIMEOUT: Duration = Duration::from_millis(200);

/// The shutdown request of one server. Clones share it.
#[derive(Clone, Default)]
pub struct Shutdown(Arc<State>);

#[derive(Default)]
struct State {
    /// Time of the request. Reading it needs no lock.
    requested: OnceLock<Instant>,
    /// A clone, whose drop frees a file descriptor for the connection that wakes `accept`.
    listener: Mutex<Option<TcpListener>>,
    streams: Mutex<Vec<Weak<TcpStream>>>,
}

impl Shutdown {
    /// Sets the handler for Ctrl-C and SIGTERM. Returns an error if the system is out of threads.
    pub(crate) fn handle_ctrl_c(&self, report: &Arc<Report>, exit: fn(i32) -> !) -> io::Result<()> {
        let (shutdown, report) = (self.clone(), Arc::clone(report));
        let set = ctrlc::set_handler(move || shutdown.interrupt(&report, exit));
        set.map_err(|error| match error {
            ctrlc::Error::System(error) => with_action("handle Ctrl-C", &error),
            error => io::Error::other(error),
        })
    }

    /// Handles Ctrl-C. The first one requests a graceful shutdown and forces it after the grace
    /// period. As a last resort, it ends the process, because a blocked read on Windows does not
    /// end (rust-lang/rust#121594). The second Ctrl-C ends the process immediately, by `exit`.
    fn interrupt(&self, report: &Arc<Report>, exit: fn(i32) -> !) {
        match self.elapsed() {
            Some(elapsed) if elapsed < SAME_SIGNAL_PERIOD => return,
            Some(_) => exit(130), // the status that a shell reports after Ctrl-C
            None => drop(self.0.requested.set(Instant::now())),
        }
        let (shutdown, report) = (self.clone(), Arc::clone(report));
        let force = move || {
            shutdown.request();
            // Sleeps, because the process ends anyway if the server ends earlier.
            thread::sleep(GRACE_PERIOD);
            while shutdown.time_left() > PRINT_PERIOD {
                shutdown.end_streams(net::Shutdown::Both);
                thread::sleep(FORCE_INTERVAL);
            }
            report.finish(PRINT_PERIOD);
            exit(0);
        };
        if spawn(force.clone()).is_err() {
            force(); // without a thread, a second Ctrl-C has to wait
        }
    }

    /// Requests a graceful shutdown: wakes `accept`, and ends reads after the bytes that arrived.
    pub fn request(&self) {
        self.0.requested.get_or_init(Instant::now);
        // On Windows, this would reset a client that is still sending.
        if cfg!(not(windows)) {
            self.end_streams(net::Shutdown::Read);
        }
        if let Some(listener) = lock(&self.0.listener).take() {
            wake_accept(listener);
        }
    }

    fn end_streams(&self, direction: net::Shutdown) {
        for stream in lock(&self.0.streams).iter().filter_map(Weak::upgrade) {
            // A client that still waits for a worker has no write timeout yet, and gets its replies.
            if direction == net::Shutdown::Both && matches!(stream.write_timeout(), Ok(None)) {
                continue;
            }
            let _ = stream.shutdown(direction); // fails only if the client has disconnected
        }
    }

    /// Returns the time since the shutdown request, or `None` before it.
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

    /// Returns the time that is left until the process has to end.
    pub(crate) fn time_left(&self) -> Duration {
        SHUTDOWN_TIMEOUT.saturating_sub(self.elapsed().unwrap_or_default())
    }

    /// Registers a listener, so that a shutdown request wakes its `accept`. Needs a descriptor.
    pub(crate) fn register_listener(&self, listener: &TcpListener) -> io::Result<()> {
        let clone = listener.try_clone();
        *lock(&self.0.listener) =
            Some(clone.map_err(|error| with_action("copy the listener", &error))?);
        Ok(())
    }

    /// Registers a stream, so that a shutdown request ends its reads.
    pub(crate) fn register_stream(&self, stream: &Arc<TcpStream>) {
        let mut streams = lock(&self.0.streams);
        if streams.len() == streams.capacity() {
            streams.retain(|stream| stream.strong_count() > 0); // before the vector grows
        }
        streams.push(Arc::downgrade(stream));
        if self.is_requested() && cfg!(not(windows)) {
            let _ = stream.shutdown(net::Shutdown::Read); // the request may have passed
        }
    }

    /// Removes a stream, so that a shutdown request does not end its reads.
    pub(crate) fn unregister_stream(&self, stream: &Arc<TcpStream>) {
        let is_other = |other: &Weak<_>| other.as_ptr() != Arc::as_ptr(stream);
        lock(&self.0.streams).retain(is_other);
    }
}

/// Ends a blocked `accept` by connecting to the listener. Without IPv6, a listener on `[::]` is
/// reachable only at 127.0.0.1.
fn wake_accept(listener: TcpListener) {
    let Ok(bound) = listener.local_addr() else {
        return;
    };
    drop(listener); // frees a file descriptor for the connection
    let loopback = (Ipv4Addr::LOCALHOST, bound.port()).into();
    let wakes = |to: &SocketAddr| TcpStream::connect_timeout(to, WAKE_UP_TIMEOUT).is_ok();
    let _ = [reachable(bound), loopback].iter().find(|to| wakes(to));
}
