use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::check::{Framing, Target};
use crate::failure::{Failure, Symptom, diagnose};
use crate::reply::{Matched, Reply};
use crate::show::{show, thousands};

/// One check of one server, from now until its deadline.
pub struct Trial<'a> {
    /// The server under test.
    pub(crate) target: &'a Target,
    deadline: Instant,
    allowed: Duration,
    connected: Cell<bool>,
    heard: Cell<bool>,
}

impl<'a> Trial<'a> {
    /// A trial that begins now, and may take so many times as long as most checks.
    pub(crate) fn begin(target: &'a Target, patience: u32) -> Self {
        let allowed = target.effort.timeout * patience;
        let deadline = Instant::now() + allowed;
        Trial { target, deadline, allowed, connected: Cell::new(false), heard: Cell::new(false) }
    }

    /// Whether somebody accepted a connection; with UDP, which has none, whether anything came.
    pub(crate) fn has_connected(&self) -> bool {
        self.connected.get() || self.has_heard()
    }

    /// Whether anything came at all.
    pub(crate) fn has_heard(&self) -> bool {
        self.heard.get()
    }

    /// A new client.
    pub(crate) fn client(&self) -> Result<Client<'_>, Failure> {
        let socket = if self.target.claim.is_stream() { self.connect() } else { self.bind() };
        match socket {
            Ok(socket) => Ok(Client { trial: self, socket, sent: Vec::new(), manner: "", broken: false }),
            Err(error) => Err(self.not_connected(&error)),
        }
    }

    fn connect(&self) -> io::Result<Socket> {
        let stream = TcpStream::connect_timeout(&self.target.address, self.remaining()?)?;
        stream.set_nodelay(true)?; // each byte that is to go alone has to go at once
        self.connected.set(true);
        Ok(Socket::Stream(Arc::new(stream)))
    }

    fn bind(&self) -> io::Result<Socket> {
        let any =
            if self.target.address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(self.target.address)?; // so the system tells us that nobody listens, and no stranger is heard
        Ok(Socket::Datagrams(socket))
    }

    fn not_connected(&self, error: &io::Error) -> Failure {
        let (symptom, came) = match error.kind() {
            ErrorKind::ConnectionRefused => (Symptom::Refused, "nothing listens there (connection refused)".to_owned()),
            kind if is_timeout(kind) => (Symptom::Silent, format!("it was not accepted within {}", self.allowed())),
            _ => (Symptom::Trouble, format!("the checker could not connect: {error}")),
        };
        let expected = "a connection".to_owned();
        Failure { when: None, sent: String::new(), expected, came, symptom, diagnosis: None }
    }

    /// How long until the deadline. After it that is an error: sockets take a timeout of zero for none at all.
    fn remaining(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    fn allowed(&self) -> String {
        format!("{} s", self.allowed.as_secs_f64())
    }

    /// A text as one message: with a line ending in `line` framing, and as a datagram not beginning with the prefix, for
    /// then it would not be answered.
    pub(crate) fn message(&self, text: impl AsRef<[u8]>) -> Vec<u8> {
        let (claim, text) = (&self.target.claim, text.as_ref());
        let is_line = claim.is_stream() && claim.framing == Framing::Line;
        let is_guarded =
            !claim.is_stream() && !claim.prefix().is_empty() && text.starts_with(claim.prefix().as_bytes());
        let before = if is_guarded { claim.filler() } else { "" };
        let after: &[u8] = if is_line && !text.ends_with(b"\n") { b"\n" } else { b"" };
        [before.as_bytes(), text, after].concat()
    }

    /// The reply to these bytes: one message, or in `line` framing any number.
    pub(crate) fn echo(&self, bytes: impl AsRef<[u8]>) -> Reply {
        let (claim, bytes) = (&self.target.claim, bytes.as_ref());
        let prefix = claim.prefix();
        match claim.framing {
            Framing::Chunk if claim.is_stream() => Reply::chunks(prefix, bytes),
            Framing::Line if claim.is_stream() => {
                let lines = bytes.split_inclusive(|byte| *byte == b'\n');
                Reply::exactly(lines.flat_map(|line| [prefix.as_bytes(), line]).collect::<Vec<_>>().concat())
            }
            _ => Reply::exactly([prefix.as_bytes(), bytes].concat()),
        }
    }

    /// A new client asks once, and leaves.
    pub(crate) fn ask(&self, text: &str) -> Result<(), Failure> {
        self.client()?.ask(text)
    }
}

/// A client of the server under test. It is gone when it is dropped.
pub(crate) struct Client<'a> {
    trial: &'a Trial<'a>,
    socket: Socket,
    /// What was sent since the last reply was complete, for a failure to say.
    sent: Vec<u8>,
    /// How it was sent, for the same purpose: `, one byte at a time`.
    manner: &'static str,
    /// A send has found the connection reset.
    broken: bool,
}

enum Socket {
    Stream(Arc<TcpStream>),
    Datagrams(UdpSocket),
}

impl Client<'_> {
    /// Sends one message and expects it back.
    pub(crate) fn ask(&mut self, text: impl AsRef<[u8]>) -> Result<(), Failure> {
        let message = self.trial.message(text);
        self.send(&message)?;
        self.expect(self.trial.echo(message))
    }

    /// Sends these bytes, in one piece if the system takes them so.
    ///
    /// A connection that is found to be reset is no error yet: what the server has said before it may explain more.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.sent.extend_from_slice(bytes);
        match self.try_send(bytes) {
            Err(error) if is_reset(error.kind()) && matches!(self.socket, Socket::Stream(_)) => {
                self.broken = true;
                Ok(())
            }
            Err(error) if is_timeout(error.kind()) => {
                let came = format!("it did not take all of it within {}", self.trial.allowed());
                Err(self.failure("the server to read it", came, Symptom::Silent))
            }
            Err(error) => Err(self.lost("a reply", &error, &Came::default())),
            Ok(()) => Ok(()),
        }
    }

    fn try_send(&self, bytes: &[u8]) -> io::Result<()> {
        match &self.socket {
            Socket::Stream(stream) => {
                stream.set_write_timeout(Some(self.trial.remaining()?))?;
                (&**stream).write_all(bytes)
            }
            Socket::Datagrams(socket) => socket.send(bytes).map(drop),
        }
    }

    /// Sends these bytes, each by itself. The system may still put some together again.
    pub(crate) fn send_one_by_one(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.manner = ", one byte at a time";
        bytes.iter().try_for_each(|byte| self.send(&[*byte]))
    }

    /// Ends this side of the connection; the server's side stays open.
    pub(crate) fn end(&mut self) {
        if let Socket::Stream(stream) = &self.socket {
            self.manner = ", and then the end of the stream";
            self.broken |= stream.shutdown(Shutdown::Write).is_err();
        }
    }

    /// Leaves with a reset, as the system does for a program that is killed with unread data.
    pub(crate) fn reset(self) {
        if let Socket::Stream(stream) = &self.socket {
            // Should it fail, the client leaves in the usual way, which is no worse for the server.
            let _ = SockRef::from(&**stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Receives until this reply is complete.
    pub(crate) fn expect(&mut self, reply: Reply) -> Result<(), Failure> {
        self.expect_pieces(reply).map(drop)
    }

    /// The same, and how long the longest pause was between two pieces of the reply; zero if it came in one.
    pub(crate) fn expect_pieces(&mut self, mut reply: Reply) -> Result<Duration, Failure> {
        let mut buffer = vec![0; 65_536];
        let mut came = Came::default();
        let (mut longest, mut last) = (Duration::ZERO, None::<Instant>);
        loop {
            let length = match self.receive(&mut buffer, Duration::MAX) {
                Ok(Some(length)) => length,
                Ok(None) => return Err(self.ended(&reply.show(), &came)),
                Err(error) => return Err(self.lost(&reply.show(), &error, &came)),
            };
            longest = longest.max(last.map_or(Duration::ZERO, |last| last.elapsed()));
            last = Some(Instant::now());
            came.push(&buffer[..length]);
            let matched = reply.push(&buffer[..length]);
            let is_last = matches!(self.socket, Socket::Datagrams(_)); // a datagram comes whole, or not at all
            match matched {
                Matched::Wholly => break,
                Matched::Partly if !is_last => {}
                _ => return Err(self.different(&reply.show(), &came)),
            }
        }
        self.forget();
        Ok(longest)
    }

    /// Forgets what was sent: it gets no answer, so it is not what a failure has to tell of.
    pub(crate) fn forget(&mut self) {
        self.sent.clear();
        self.manner = "";
    }

    /// Expects the end of the connection, and nothing before it.
    pub(crate) fn expect_end(&mut self) -> Result<(), Failure> {
        let expected = "the end of the connection";
        let mut buffer = vec![0; 65_536];
        match self.receive(&mut buffer, Duration::MAX) {
            Ok(None) if self.broken => Err(self.ended(expected, &Came::default())),
            Ok(None) => Ok(()),
            Ok(Some(length)) => Err(self.different(expected, &Came::from(&buffer[..length]))),
            Err(error) => Err(self.lost(expected, &error, &Came::default())),
        }
    }

    /// Expects that the server leaves, and is content with a reset.
    pub(crate) fn expect_leaving(&mut self) -> Result<(), Failure> {
        self.expect_end().or_else(|failure| if failure.symptom == Symptom::Reset { Ok(()) } else { Err(failure) })
    }

    /// What comes next, before the deadline and within this time: `None` is the end of the stream.
    fn receive(&self, buffer: &mut [u8], within: Duration) -> io::Result<Option<usize>> {
        let left = self.trial.remaining()?.min(within);
        let length = match &self.socket {
            Socket::Stream(stream) => {
                stream.set_read_timeout(Some(left))?;
                Some((&**stream).read(buffer)?).filter(|length| *length > 0)
            }
            Socket::Datagrams(socket) => {
                socket.set_read_timeout(Some(left))?;
                Some(socket.recv(buffer)?) // a datagram of no bytes is one all the same
            }
        };
        self.trial.heard.set(self.trial.heard.get() || length.is_some());
        Ok(length)
    }

    /// Sends this block again and again without reading, until the server takes no more, or leaves, or has taken so many
    /// bytes. Whether it has taken them all.
    pub(crate) fn flood(&self, block: &[u8], most: usize) -> bool {
        let Socket::Stream(stream) = &self.socket else { return false };
        let mut taken = 0;
        while taken < most {
            // The block goes round, so that its lines stay whole whatever part of it one write takes.
            let rest = &block[taken % block.len()..];
            let stall = self.trial.remaining().map(|left| left.min(self.trial.target.effort.stall));
            match stall.and_then(|stall| stream.set_write_timeout(Some(stall))).and_then(|()| (&**stream).write(rest)) {
                Ok(length) => taken += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Reads what is left, and leaves without a reset: what that does to a server is the business of another check.
    pub(crate) fn leave(mut self) {
        self.end();
        let mut buffer = vec![0; 65_536];
        // A server that does not end its side is not waited for: that is another check's business too.
        while let Ok(Some(_)) = self.receive(&mut buffer, Duration::from_secs(1)) {}
    }

    /// Sends all of `bytes`, and reads nothing until they are sent or the server takes no more; then expects the reply.
    pub(crate) fn send_then_expect(&mut self, bytes: &[u8], reply: Reply) -> Result<(), Failure> {
        let Socket::Stream(stream) = &self.socket else { return Ok(()) };
        let (stream, stall) = (Arc::clone(stream), self.trial.target.effort.stall);
        let left = self.trial.remaining().ok();
        thread::scope(|scope| {
            let (progress, written) = mpsc::channel();
            let mut writer = &*stream;
            scope.spawn(move || {
                let _ = writer.set_write_timeout(left); // without one, the shutdown below ends the write
                for block in bytes.chunks(65_536) {
                    if writer.write_all(block).is_err() || progress.send(()).is_err() {
                        return; // the reader will see why, and says it
                    }
                }
            });
            while written.recv_timeout(stall).is_ok() {} // until it is stuck, or done
            let outcome = self.expect(reply);
            let _ = stream.shutdown(Shutdown::Both); // ends a write that nobody will read any more
            outcome
        })
    }
}

/// The sentences.
impl Client<'_> {
    fn different(&self, expected: &str, came: &Came) -> Failure {
        let clause = match (&self.socket, came.is_empty()) {
            (Socket::Datagrams(_), true) => "an empty datagram came".to_owned(),
            _ => format!("{} came", came.show()),
        };
        let diagnosis = diagnose(&self.sent, &came.kept);
        Failure { diagnosis, ..self.failure(expected, clause, Symptom::Different) }
    }

    fn ended(&self, expected: &str, came: &Came) -> Failure {
        if self.broken {
            return self.failure(expected, came.and_then("the connection was reset"), Symptom::Reset);
        }
        self.failure(expected, came.and_then("the server ended the connection"), Symptom::Ended)
    }

    fn lost(&self, expected: &str, error: &io::Error, came: &Came) -> Failure {
        let is_stream = matches!(self.socket, Socket::Stream(_));
        let (clause, symptom) = match error.kind() {
            kind if is_timeout(kind) && came.is_empty() => {
                (format!("nothing came within {}", self.trial.allowed()), Symptom::Silent)
            }
            kind if is_timeout(kind) => {
                (format!("only {} came within {}", came.show(), self.trial.allowed()), Symptom::Silent)
            }
            kind if is_reset(kind) && is_stream => (came.and_then("the connection was reset"), Symptom::Reset),
            // Windows says a reset where others say refused: a datagram of ours has met a closed port.
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => {
                ("nothing listens there (connection refused)".to_owned(), Symptom::Refused)
            }
            _ => (format!("the checker could not send or receive: {error}"), Symptom::Trouble),
        };
        let diagnosis = diagnose(&self.sent, &came.kept);
        Failure { diagnosis, ..self.failure(expected, clause, symptom) }
    }

    /// A failure of this client, which has sent what it has sent.
    pub(crate) fn failure(&self, expected: &str, came: String, symptom: Symptom) -> Failure {
        let sent = match &self.socket {
            Socket::Stream(_) if self.sent.is_empty() => self.manner.trim_start_matches(", and then ").to_owned(),
            Socket::Datagrams(_) if self.sent.is_empty() => "an empty datagram".to_owned(),
            _ => format!("{}{}", show(&self.sent), self.manner),
        };
        Failure { when: None, sent, expected: expected.to_owned(), came, symptom, diagnosis: None }
    }
}

/// What has come: all of it, or, of much, the last part.
#[derive(Default)]
struct Came {
    kept: Vec<u8>,
    left_out: usize,
}

impl From<&[u8]> for Came {
    fn from(bytes: &[u8]) -> Self {
        Came { kept: bytes.to_vec(), left_out: 0 }
    }
}

impl Came {
    fn push(&mut self, bytes: &[u8]) {
        const ENOUGH: usize = 1 << 20;
        if self.kept.len() > ENOUGH {
            self.left_out += self.kept.len();
            self.kept.clear();
        }
        self.kept.extend_from_slice(bytes);
    }

    fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    fn show(&self) -> String {
        match self.left_out {
            0 => show(&self.kept),
            left_out => format!("{} after {} bytes", show(&self.kept), thousands(left_out)),
        }
    }

    fn and_then(&self, end: &str) -> String {
        if self.is_empty() { end.to_owned() } else { format!("{} came, and then {end}", self.show()) }
    }
}

/// Unix says the one, Windows the other.
fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// How the systems say that the other side has dropped the connection.
fn is_reset(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe)
}
