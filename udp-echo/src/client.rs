//! The client: a question, an answer, and what can happen in between.
//!
//! A datagram can be lost, doubled or late, and anybody can send one. So each message is sent again until an answer
//! comes, from a socket that takes datagrams from the server alone; and each message has a socket, and so a port, of its
//! own, so that a late answer to the last one cannot be taken for the answer to this one.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use common::addr::{Address, SocketError};
use common::report::{complain, why};
use common::shutdown::{Timeout, is_timeout};
use common::trace::Trace;

use crate::server::{BUFFER, EMSGSIZE, MAX_DATAGRAM};

/// How the client treats the server.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long to wait for an answer before the message is sent again.
    pub timeout: Timeout,
    /// How often a message is sent again.
    pub retries: u32,
    /// Whether socket calls are shown.
    pub trace: Trace,
}

/// Sends one message and prints the reply; or, without a message, does so for each line of stdin.
///
/// A line that gets no answer is reported in the name of `program`, and the next one has its turn.
///
/// # Errors
///
/// See [`Error`].
pub fn run(program: &str, address: &Address, message: Option<&str>, options: Options) -> Result<(), Error> {
    let mut client = Client::new(address.resolve().map_err(Error::Resolve)?, options);
    if let Some(message) = message {
        return print(client.ask(message.as_bytes())?);
    }
    let mut stdin = io::stdin().lock();
    let mut unanswered = 0;
    while let Some(line) = read_line(&mut stdin).map_err(Error::Input)? {
        match client.ask(&line) {
            Ok(reply) => print(reply)?,
            Err(error) => {
                complain(program, error);
                unanswered += 1;
            }
        }
    }
    if unanswered == 0 { Ok(()) } else { Err(Error::Unanswered(unanswered)) }
}

fn print(mut reply: Vec<u8>) -> Result<(), Error> {
    reply.push(b'\n');
    let mut stdout = io::stdout();
    stdout.write_all(&reply).and_then(|()| stdout.flush()).map_err(Error::Output)
}

/// The next line without its ending. Of one that is too long for a datagram, so much that this can be seen, is kept.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.take(BUFFER as u64).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    } else {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

/// A client of one server.
pub struct Client {
    servers: Vec<SocketAddr>,
    /// The last message's socket. It is kept until the next one has a port, so that the two differ.
    socket: Option<UdpSocket>,
    options: Options,
}

impl Client {
    /// A client of the server that is at one of these addresses.
    pub fn new(servers: Vec<SocketAddr>, options: Options) -> Self {
        Client { servers, socket: None, options }
    }

    /// Sends a message, and again while no answer comes: the answer. The first of the addresses that answers is used.
    ///
    /// # Errors
    ///
    /// What the first of the addresses came to.
    pub fn ask(&mut self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut first = None;
        for server in self.servers.clone() {
            match self.ask_at(server, message) {
                Ok(reply) => return Ok(reply),
                Err(error) => _ = first.get_or_insert(error),
            }
        }
        Err(first.unwrap_or(Error::NoAddress))
    }

    // ANCHOR: ask
    fn ask_at(&mut self, server: SocketAddr, message: &[u8]) -> Result<Vec<u8>, Error> {
        let any_port: SocketAddr = match server.ip() {
            IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any_port).map_err(|error| Error::Failed(server, error))?;
        // A connected UDP socket is handed only what comes from this address, and hears of a closed port.
        socket.connect(server).map_err(|error| Error::Failed(server, error))?;
        let socket = self.socket.insert(socket);
        for _ in 0..=self.options.retries {
            self.options.trace.bytes(server, "send", message);
            socket.send(message).map_err(|error| failed(server, error))?;
            let reply = receive(socket, server, self.options).map_err(|error| failed(server, error))?;
            if let Some(reply) = reply {
                return Ok(reply);
            }
        }
        Err(Error::NoAnswer(server, self.options))
    }
    // ANCHOR_END: ask
}

/// The next datagram, or `None` if none comes in time.
fn receive(socket: &UdpSocket, server: SocketAddr, options: Options) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; BUFFER];
    let started = Instant::now();
    loop {
        let left = options.timeout.0.map(|timeout| timeout.saturating_sub(started.elapsed()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
        socket.set_read_timeout(left)?;
        match socket.recv(&mut buffer) {
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
            result => {
                buffer.truncate(result?);
                options.trace.bytes(server, "recv", &buffer);
                return Ok(Some(buffer));
            }
        }
    }
}

fn failed(server: SocketAddr, error: io::Error) -> Error {
    match error.kind() {
        // Windows says `reset` of a closed port, the others say `refused`.
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Error::ClosedPort(server),
        _ if error.raw_os_error() == Some(EMSGSIZE) => Error::TooLong,
        _ => Error::Failed(server, error),
    }
}

/// Why there is no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The server's name has no address.
    Resolve(SocketError),
    /// There was no address to ask at.
    NoAddress,
    /// No program has the server's port.
    ClosedPort(SocketAddr),
    /// The socket failed.
    Failed(SocketAddr, io::Error),
    /// The message does not fit in a datagram.
    TooLong,
    /// The message was sent as often as the options say, and no answer came.
    NoAnswer(SocketAddr, Options),
    /// So many lines were not answered; each has been reported.
    Unanswered(u64),
    /// Stdin cannot be read.
    Input(io::Error),
    /// Stdout cannot be written.
    Output(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Resolve(error) => error.fmt(f),
            Error::NoAddress => write!(f, "the server has no address"),
            Error::ClosedPort(server) => {
                write!(
                    f,
                    "no answer from {server}: its port is closed\nstart the server first, and compare its `listening on` line"
                )
            }
            Error::Failed(server, error) => write!(f, "cannot ask {server}: {}", why(error)),
            Error::TooLong => {
                write!(
                    f,
                    "cannot send the message: a datagram takes {MAX_DATAGRAM} bytes, on macOS 9216, and it has more"
                )
            }
            Error::NoAnswer(server, Options { retries, timeout, .. }) => {
                write!(f, "no answer from {server}: sent {} times, waited {timeout} each time", u64::from(*retries) + 1)
            }
            Error::Unanswered(count) => write!(f, "messages without an answer: {count}"),
            Error::Input(error) => write!(f, "cannot read stdin: {}", why(error)),
            Error::Output(error) => write!(f, "cannot write the answer: {}", why(error)),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
