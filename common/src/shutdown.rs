//! Stopping: how a blocked call is ended, and how a connection is closed so that nothing is lost.
//!
//! A thread blocked in a socket call does not look at flags. So a [`Stop`] is a flag and a wake-up for each kind of call:
//!
//! | blocked in | woken by |
//! |---|---|
//! | `accept` | a connection to ourselves: it works on every system, where `shutdown(2)` on a listener works on Linux only |
//! | `read` of a stream | `shutdown(Read)` on that stream: it then reads to its end what has arrived |
//! | `write` to a client that does not read | a write timeout, after which the flag is looked at |
//! | `recv_from` of a UDP socket | a read timeout, after which the flag is looked at |
//!
//! On Windows `shutdown(Read)` leaves a read that is already blocked where it is (rust-lang/rust#121594). There [`run`]
//! ends the process after [`LIMIT`], and the system closes what is open.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::str::FromStr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, after, bounded, select};

use crate::addr::reachable;

/// How long after a stop a conversation may go on, with a client that keeps sending or is slow to read.
pub const GRACE: Duration = Duration::from_secs(1);

/// After a stop, a client from which nothing has come for so long is not sending any more. Linux asks again after 200 ms
/// whether a full buffer has room, and so do those who wait for it.
pub const QUIET: Duration = Duration::from_millis(300);

/// How long after a stop the program is left, whatever is still blocked: inside the 2 s that we promise.
pub const LIMIT: Duration = Duration::from_millis(1_800);

/// A client that reads nothing for so long, while we write to it, is given up.
pub const WRITE_STALL: Duration = Duration::from_secs(10);

/// How often a blocked write looks up. On Windows a send that timed out leaves the socket in a state that Microsoft calls
/// indeterminate (SO_SNDTIMEO), so it cannot be tried again: there the first timeout is the last.
pub const WRITE_TICK: Duration = if cfg!(windows) { WRITE_STALL } else { Duration::from_millis(250) };

/// The stop signal of one server.
///
/// ```
/// use common::shutdown::Stop;
/// use std::net::TcpListener;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let stop = Stop::new();
/// stop.wakes(&listener)?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| stop.request());
///     while !stop.is_requested() {
///         let _ = listener.accept(); // would block for ever, but for the wake-up
///     }
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Default)]
pub struct Stop {
    requested: OnceLock<Instant>,
    sleepers: Mutex<Sleepers>,
    changed: Condvar,
}

/// Whom a stop has to wake.
#[derive(Default)]
struct Sleepers {
    listener: Option<SocketAddr>,
    streams: HashMap<u64, Arc<TcpStream>>,
    next_key: u64,
}

impl Stop {
    /// A stop that nobody has requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests the stop and wakes everyone who sleeps in a call. It returns when all are woken, not when they are gone.
    // ANCHOR: stop
    pub fn request(&self) {
        self.requested.get_or_init(Instant::now);
        let sleepers = self.sleepers();
        self.changed.notify_all();
        for stream in sleepers.streams.values() {
            let _ = stream.shutdown(Shutdown::Read); // fails only if the client has gone: then its read has ended too
        }
        let listener = sleepers.listener;
        drop(sleepers);
        if let Some(listener) = listener {
            // With a full backlog this connection waits, but then `accept` has others to return for.
            let _ = TcpStream::connect_timeout(&reachable(listener), Duration::from_millis(200));
        }
    }
    // ANCHOR_END: stop

    /// Whether a stop has been requested.
    pub fn is_requested(&self) -> bool {
        self.requested.get().is_some()
    }

    /// Whether a stop was requested longer than [`GRACE`] ago.
    pub fn is_overdue(&self) -> bool {
        self.requested.get().is_some_and(|requested| requested.elapsed() > GRACE)
    }

    /// How much is left of the 2 s in which a program has to end after a stop, less what its exit takes.
    pub fn time_left(&self) -> Duration {
        let passed = self.requested.get().map_or(Duration::ZERO, Instant::elapsed);
        Duration::from_millis(1_950).saturating_sub(passed)
    }

    /// Waits so long, or until a stop is requested.
    pub fn wait(&self, duration: Duration) {
        let _ = self.changed.wait_timeout_while(self.sleepers(), duration, |_| !self.is_requested());
    }

    /// From now on a stop wakes a thread that is blocked in this listener's `accept`. The thread has to look at
    /// [`is_requested`](Self::is_requested) each time `accept` returns.
    ///
    /// # Errors
    ///
    /// The listener does not know its address (getsockname(2)).
    pub fn wakes(&self, listener: &TcpListener) -> io::Result<()> {
        self.sleepers().listener = Some(listener.local_addr()?);
        Ok(())
    }

    /// From now on, and until what is returned is dropped, a stop ends the reads of this stream.
    pub fn watch(&self, stream: TcpStream) -> Watched<'_> {
        let stream = Arc::new(stream);
        let mut sleepers = self.sleepers();
        if self.is_requested() {
            let _ = stream.shutdown(Shutdown::Read); // the round of wake-ups may be over
        }
        let key = sleepers.next_key;
        sleepers.next_key += 1;
        sleepers.streams.insert(key, Arc::clone(&stream));
        Watched(Arc::new(Registered { stop: self, key, stream }))
    }

    /// Writes all of `bytes`, unless the other side stops reading.
    ///
    /// The stream needs a write timeout of [`WRITE_TICK`].
    ///
    /// # Errors
    ///
    /// Those of the stream; [`io::ErrorKind::TimedOut`] when nothing could be written for [`WRITE_STALL`], or, once a
    /// stop is overdue, when not everything could be written at once.
    // ANCHOR: write
    pub fn write_all(&self, mut stream: impl Write, mut bytes: &[u8]) -> io::Result<()> {
        let mut last_progress = Instant::now();
        while !bytes.is_empty() {
            match stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) if written < bytes.len() && self.is_overdue() => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the client reads too slowly to be waited for",
                    ));
                }
                Ok(written) => {
                    bytes = &bytes[written..];
                    last_progress = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if !is_timeout(&error) => return Err(error),
                Err(_) if self.is_overdue() || last_progress.elapsed() >= WRITE_STALL => {
                    let why = format!("the client has read nothing for {} s", last_progress.elapsed().as_secs());
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                }
                Err(_) => {}
            }
        }
        Ok(())
    }
    // ANCHOR_END: write

    fn sleepers(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner) // a panic elsewhere leaves the map whole
    }
}

/// A stream whose reads a stop can end. It is closed when its last clone is dropped.
///
/// Clones share one descriptor, where `TcpStream::try_clone` would take another.
#[derive(Clone)]
pub struct Watched<'stop>(Arc<Registered<'stop>>);

struct Registered<'stop> {
    stop: &'stop Stop,
    key: u64,
    stream: Arc<TcpStream>,
}

impl Deref for Watched<'_> {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.0.stream
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.stop.sleepers().streams.remove(&self.key);
    }
}

/// How long to wait for something: some seconds, or, typed as `0`, for ever.
///
/// ```
/// use common::shutdown::Timeout;
/// use std::time::Duration;
///
/// assert_eq!("1.5".parse::<Timeout>()?.0, Some(Duration::from_millis(1_500)));
/// assert_eq!("0".parse::<Timeout>()?.0, None);
/// assert!("-1".parse::<Timeout>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout(pub Option<Duration>);

impl FromStr for Timeout {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        let seconds = typed.parse().ok().and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
        match seconds {
            Some(duration) if duration.is_zero() => Ok(Timeout(None)),
            // Windows counts milliseconds in 32 bits.
            Some(duration) if duration <= Duration::from_secs(u32::MAX as u64 / 1000) => Ok(Timeout(Some(duration))),
            _ => Err("write a number of seconds, as in 5 or 0.5, at most 4294967; 0 is never".to_owned()),
        }
    }
}

/// In seconds: `600 s`, `0.5 s`, `never`.
impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(duration) => write!(f, "{} s", duration.as_secs_f64()),
            None => f.write_str("never"),
        }
    }
}

/// Whether a call ended because its timeout had passed: Unix says `WouldBlock`, Windows `TimedOut`.
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A thread that closes the streams of clients that may be sending still, so that no other thread has to wait for them.
///
/// Closing a socket with unread bytes in it sends a reset (RFC 1122, section 4.2.2.13), and a reset destroys what the other
/// side had not received yet, on Windows and macOS even what it had not read yet: the last replies, and the error that
/// explains why we close. So our side of the stream is ended first, and then what still comes is read for a moment: at most
/// 1 s and 16 MiB, until the client ends its own side. HTTP servers have to do the same (RFC 9112, section 9.6).
#[derive(Clone)]
pub struct Closer<'stop>(Sender<Watched<'stop>>);

impl<'stop> Closer<'stop> {
    /// Starts the thread. It ends when the last clone of what is returned is dropped.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub fn start<'scope>(scope: &'scope Scope<'scope, '_>) -> io::Result<Self>
    where
        'stop: 'scope,
    {
        let (sender, streams) = bounded::<Watched<'stop>>(MAX_LINGERING);
        thread::Builder::new().spawn_scoped(scope, move || linger(&streams))?;
        Ok(Closer(sender))
    }

    /// Ends our side of the stream now, and closes it when the client has had its moment. When too many have theirs at
    /// once, the stream is closed at once.
    ///
    /// After a stop our side is ended by the close: Linux answers data with a reset once both directions are shut down.
    pub fn close(&self, stream: Watched<'stop>) {
        if !stream.0.stop.is_requested() {
            let _ = stream.shutdown(Shutdown::Write); // fails only if the client has gone
        }
        let _ = self.0.try_send(stream); // dropped, and so closed, when there is no place
    }
}

/// How many clients may have their moment at once; as many may wait for theirs to begin.
const MAX_LINGERING: usize = 32;

/// How often the lingering clients are looked after; when there are none, nothing has to be done.
const LINGER_TICK: Duration = Duration::from_millis(10);

// ANCHOR: linger
/// Gives each client its moment, all at the same time, until no more can come.
fn linger(streams: &Receiver<Watched<'_>>) {
    let mut lingering = Vec::new();
    loop {
        let next = match lingering.is_empty() {
            true => streams.recv().map_err(RecvTimeoutError::from),
            false => streams.recv_timeout(LINGER_TICK),
        };
        match next {
            Ok(_) if lingering.len() >= MAX_LINGERING => {} // closed at once
            Ok(stream) => lingering.extend(Moment::begin(stream)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if lingering.is_empty() => return,
            Err(RecvTimeoutError::Disconnected) => drop(after(LINGER_TICK).recv()),
        }
        lingering.retain_mut(Moment::goes_on);
    }
}

/// The moment of one client.
struct Moment<'stop> {
    stream: Watched<'stop>,
    began: Instant,
    /// When something has come last.
    heard: Instant,
    bytes_left: usize,
}

impl<'stop> Moment<'stop> {
    fn begin(stream: Watched<'stop>) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Moment { stream, began: Instant::now(), heard: Instant::now(), bytes_left: 16 << 20 })
    }

    /// Reads what has come; whether more may come.
    fn goes_on(&mut self) -> bool {
        let stop = self.stream.0.stop;
        let mut scrap = [0; 8192];
        while self.bytes_left > 0 && self.began.elapsed() < Duration::from_secs(1) && !stop.is_overdue() {
            match (&*self.stream).read(&mut scrap) {
                Ok(0) if stop.is_requested() => return self.heard.elapsed() < QUIET, // not the client has ended our reads
                Ok(0) => return false,
                Ok(length) => {
                    self.bytes_left = self.bytes_left.saturating_sub(length);
                    self.heard = Instant::now();
                }
                Err(error) => return is_timeout(&error), // nothing has come
            }
        }
        false
    }
}
// ANCHOR_END: linger

/// How a server came to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was interrupted, and `serve` returned, or [`LIMIT`] has passed.
    Stopped,
    /// A second interrupt came before that.
    CutShort,
}

/// Runs `serve` until an interrupt comes, then requests a stop and waits for it to end: at most [`LIMIT`], and not past a
/// second interrupt. A thread that is still blocked then ends with the process.
///
/// # Errors
///
/// Those of `serve`; or no thread could be started for it.
// ANCHOR: run
pub fn run(
    stop: &Stop,
    interrupts: &Receiver<()>,
    serve: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<Ended> {
    let (done, finished) = bounded(1);
    thread::Builder::new().spawn(move || done.send(serve()))?;
    select! {
        recv(interrupts) -> _ => stop.request(),
        recv(finished) -> result => return result.unwrap_or_else(|_| Err(panicked())).map(|()| Ended::Stopped),
    }
    select! {
        recv(interrupts) -> _ => Ok(Ended::CutShort),
        recv(finished) -> result => result.unwrap_or_else(|_| Err(panicked())).map(|()| Ended::Stopped),
        default(LIMIT) => Ok(Ended::Stopped),
    }
}
// ANCHOR_END: run

/// The channel was closed and nothing sent: the thread is gone, and has said why on stderr itself.
fn panicked() -> io::Error {
    io::Error::other("the server's thread panicked")
}

#[cfg(test)]
mod tests;
