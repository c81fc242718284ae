//! The client: carries an input to the server and the answers to an output, both ways at once.
//!
//! Both ways at once, because a client that sends everything before it reads anything stops for ever once the answers
//! have filled the buffers between the two: the server cannot send any more, and so does not receive any more either.

use std::fmt;
use std::io::{self, Cursor, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::addr::{Address, SocketError};
use common::framing::Framing;
use common::report::why;
use common::shutdown::{Timeout, is_timeout};
use common::trace::Trace;

/// How the client treats the server.
#[derive(Clone, Copy)]
pub struct Options {
    /// In [`Framing::Line`] a message is sent with a line ending, and no answer is owed to half a line.
    pub framing: Framing,
    /// How long to wait for a byte while something is owed.
    pub timeout: Timeout,
    /// Whether socket calls are shown.
    pub trace: Trace,
}

/// Sends one message, and prints the reply; or, without a message, carries stdin to the server and the replies to stdout.
///
/// # Errors
///
/// See [`Error`]. What had arrived by then is printed.
pub fn run(address: &Address, message: Option<String>, options: Options) -> Result<(), Error> {
    let stream = address.connect(options.timeout.0).map_err(Error::Connect)?;
    options.trace.call(address, "connect");
    let Some(mut message) = message else {
        return talk(stream, io::stdin(), &mut io::stdout(), options);
    };
    if options.framing == Framing::Line {
        message.push('\n');
    }
    let mut reply = Vec::new();
    let result = talk(stream, Cursor::new(message), &mut reply, options);
    if reply.last().is_some_and(|last| *last != b'\n') {
        reply.push(b'\n'); // or the next prompt of the shell would stand behind it
    }
    let mut stdout = io::stdout();
    stdout.write_all(&reply).and_then(|()| stdout.flush()).map_err(Error::Output)?;
    match result {
        // A server that is full answers before it has heard anything: that is its reply.
        Err(Error::ClosedEarly(_) | Error::Send(_)) if !reply.is_empty() => Ok(()),
        result => result,
    }
}

/// Sends `input` to its end, then ends our side of the stream, and copies the answers to `output` until the server has
/// ended its own.
///
/// This half-close is what makes the client work with every framing: it tells the server that the last message is
/// complete, and the server's own end tells us that all of them are answered.
///
/// # Errors
///
/// See [`Error`]. What had arrived by then is in `output`.
// ANCHOR: talk
pub fn talk(
    stream: TcpStream,
    input: impl Read + Send + 'static,
    output: &mut impl Write,
    options: Options,
) -> Result<(), Error> {
    let server = stream.peer_addr().map_err(Error::Receive)?;
    let sending = Arc::new((stream, Mutex::new(Sending::default())));
    let receiving = Arc::clone(&sending);
    let (sender, finished) = mpsc::channel::<()>();
    // Not a scoped thread: when the server closes while a person is typing, nothing can end the read of that input.
    thread::Builder::new()
        .spawn(move || {
            send(&sending.0, input, &sending.1, server, options);
            drop(sender);
        })
        .map_err(Error::Thread)?;
    let answered = receive(&receiving.0, output, &receiving.1, server, options)?;
    let _ = finished.recv_timeout(MOMENT); // it may be about to find that the input has ended too
    ended(&mut lock(&receiving.1), answered, server)
}

/// When the server has ended its side, so long is waited for the input to end.
const MOMENT: Duration = Duration::from_millis(100);

/// How far the thread that sends has come.
#[derive(Default)]
struct Sending {
    /// Something was sent.
    started: bool,
    /// Everything is sent, or nothing more can be.
    ended: Option<Result<(), Error>>,
    /// Since when an answer is owed to us, and nothing has arrived.
    owed_since: Option<Instant>,
    /// Since when it is in a `write`, which ends only if the server reads.
    writing_since: Option<Instant>,
}

impl Sending {
    /// For how long the server has owed us something, an answer or a read, without a byte from it.
    fn waited(&self, last_arrival: Instant) -> Duration {
        let stuck_since = self.writing_since.map(|since| since.max(last_arrival));
        let since = self.owed_since.into_iter().chain(stuck_since).min();
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

fn lock(sending: &Mutex<Sending>) -> MutexGuard<'_, Sending> {
    sending.lock().unwrap_or_else(PoisonError::into_inner)
}

fn send(stream: &TcpStream, input: impl Read, sending: &Mutex<Sending>, server: SocketAddr, options: Options) {
    let result = send_all(stream, input, sending, server, options);
    let mut sending = lock(sending);
    sending.ended = Some(result);
    sending.owed_since = Some(Instant::now()); // now the server owes us its end of the stream too
    options.trace.call(server, "shutdown");
    let _ = stream.shutdown(Shutdown::Write); // fails only if the connection has: `receive` finds that out
}

fn send_all(
    mut stream: &TcpStream,
    mut input: impl Read,
    sending: &Mutex<Sending>,
    server: SocketAddr,
    options: Options,
) -> Result<(), Error> {
    stream.set_nodelay(true).map_err(Error::Send)?;
    let mut buffer = vec![0; 65_536];
    loop {
        let length = match input.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.map_err(Error::Input)?,
        };
        if length == 0 {
            return Ok(());
        }
        let mut state = lock(sending);
        state.started = true;
        if options.framing != Framing::Line || buffer[..length].contains(&b'\n') {
            state.owed_since.get_or_insert_with(Instant::now); // but for half a line, nothing is owed
        }
        state.writing_since = Some(Instant::now());
        drop(state);
        options.trace.bytes(server, "send", &buffer[..length]);
        stream.write_all(&buffer[..length]).map_err(Error::Send)?;
        lock(sending).writing_since = None;
    }
}

/// Copies what arrives to `output` until the server has ended its side; whether anything has arrived.
fn receive(
    mut stream: &TcpStream,
    output: &mut impl Write,
    sending: &Mutex<Sending>,
    server: SocketAddr,
    options: Options,
) -> Result<bool, Error> {
    let mut buffer = vec![0; 65_536];
    let mut answered = false;
    let mut last_arrival = Instant::now();
    loop {
        let waited = lock(sending).waited(last_arrival);
        let left = options.timeout.0.map(|timeout| timeout.saturating_sub(waited));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Error::Silent(server, options.timeout));
        }
        stream.set_read_timeout(left).map_err(Error::Receive)?;
        let length = match stream.read(&mut buffer) {
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.map_err(Error::Receive)?,
        };
        options.trace.bytes(server, "recv", &buffer[..length]);
        if length == 0 {
            return Ok(answered);
        }
        answered = true;
        output.write_all(&buffer[..length]).and_then(|()| output.flush()).map_err(Error::Output)?;
        last_arrival = Instant::now(); // not before: how long the output takes is no fault of the server
        let mut state = lock(sending);
        state.owed_since = state.ended.as_ref().map(|_| Instant::now());
    }
}
// ANCHOR_END: talk

/// The server has ended its side. Was it its turn?
fn ended(sending: &mut Sending, answered: bool, server: SocketAddr) -> Result<(), Error> {
    match sending.ended.take() {
        Some(Err(error)) => Err(error),
        None => Err(Error::ClosedEarly(server)),
        _ if sending.started && !answered => Err(Error::NoAnswer(server)),
        _ => Ok(()),
    }
}

/// Why a talk with the server failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is no connection.
    Connect(SocketError),
    /// No thread could be started to send.
    Thread(io::Error),
    /// The input could not be read.
    Input(io::Error),
    /// The connection took no more.
    Send(io::Error),
    /// The connection failed.
    Receive(io::Error),
    /// What arrived could not be put out.
    Output(io::Error),
    /// Nothing arrived for so long, and an answer or the end of the stream was owed.
    Silent(SocketAddr, Timeout),
    /// The server ended the stream before everything was sent.
    ClosedEarly(SocketAddr),
    /// The server ended the stream without a single byte.
    NoAnswer(SocketAddr),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Connect(error) => error.fmt(f),
            Error::Thread(error) => write!(f, "cannot start a thread to send: {}", why(error)),
            Error::Input(error) => write!(f, "cannot read the input: {}", why(error)),
            Error::Send(error) => write!(f, "cannot send everything: {}", why(error)),
            Error::Receive(error) => write!(f, "cannot receive: {}", why(error)),
            Error::Output(error) => write!(f, "cannot write the answer: {}", why(error)),
            Error::Silent(server, timeout) => write!(f, "no answer from {server}: nothing has arrived for {timeout}"),
            Error::ClosedEarly(server) => write!(f, "{server} closed the connection before everything was sent"),
            Error::NoAnswer(server) => write!(f, "{server} closed the connection without an answer"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
