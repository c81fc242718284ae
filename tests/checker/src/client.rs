use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::mem::{self, MaybeUninit};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::words::error_message;
use socket2::{Domain, Protocol, Socket, Type};

use crate::difference::{find_clue, quote};
use crate::failure::{Checked, Failure, Problem, Step};
use crate::launch::Program;
use crate::reply::{Match, Reply};
use crate::spec::{Limits, ServerSpec, Target};
use crate::words::{Words, literal, thousands, words};

/// One check of one server, and the conversation so far.
pub struct CheckContext<'a> {
    pub(crate) spec: &'a ServerSpec,
    pub(crate) limits: &'a Limits,
    pub(crate) address: SocketAddr,
    /// The program under test, if it was started for this check.
    pub(crate) program: Option<&'a Program>,
    /// When the check has lasted too long, whatever progress it makes.
    deadline: Cell<Instant>,
    /// Whether the server has accepted a connection; over UDP, whether it has not refused a datagram.
    pub(crate) reached: Cell<bool>,
    steps: RefCell<Vec<Step>>,
    clients: Cell<usize>,
    /// The replies of this scene, and which client received them.
    replies: RefCell<Vec<(usize, Vec<u8>)>>,
    /// Connections to reset after the end of the program, if it has to be bound to its port again.
    pub(crate) parked: Option<RefCell<Vec<Arc<Socket>>>>,
}

/// How long a program may take until it listens: `cargo run` compiles first.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Interval at which a starting program is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Interval at which a server that takes no more is tried again.
const FULL_INTERVAL: Duration = Duration::from_millis(1);

/// How much one write offers, in bytes. Windows takes all that it is offered, however much that is,
/// until its buffer is full.
const BLOCK: usize = 65_536;

/// After this long without another byte a reply is taken to be complete.
pub(crate) const QUIET_PERIOD: Duration = Duration::from_millis(150);

/// More bytes than any system buffers on a connection. Linux keeps at most 32 MiB on the server's side
/// to receive into and 4 MiB to send from, and as much again on the client's, but grows them only for
/// programs that read.
pub(crate) const UNREAD: usize = 64 << 20;

impl<'a> CheckContext<'a> {
    /// A check of the server at this address; `program` is what was started for this check.
    pub(crate) fn new(
        target: &'a Target,
        address: SocketAddr,
        program: Option<&'a Program>,
    ) -> Self {
        CheckContext {
            spec: &target.spec,
            limits: &target.limits,
            address,
            program,
            deadline: Cell::new(Instant::now() + target.limits.timeout * 12),
            reached: Cell::default(),
            steps: RefCell::default(),
            clients: Cell::default(),
            replies: RefCell::default(),
            parked: target.keeps_port().then(RefCell::default),
        }
    }

    /// Begins the conversation anew: what was done before does not matter for what follows.
    pub(crate) fn scene(&self) {
        self.steps.take();
        self.replies.take();
        self.clients.set(0);
    }

    /// Begins the conversation anew, with one step for all that was done before.
    pub(crate) fn scene_after(&self, step: Words) {
        self.scene();
        self.log(0, step);
    }

    pub(crate) fn log(&self, client: usize, words: Words) {
        self.steps.borrow_mut().push((client, words));
    }

    pub(crate) fn pause(&self, seconds: f64) {
        self.log(0, words("step.wait").with(seconds));
        thread::sleep(Duration::from_secs_f64(seconds)); // so the next piece needs a read of its own
    }

    /// A new client.
    pub(crate) fn client(&self) -> Checked<Client<'_>> {
        let number = self.clients.get() + 1;
        self.clients.set(number);
        let socket = if self.spec.is_stream() {
            self.log(number, words("step.connect"));
            self.connect()
        } else {
            self.open_for_datagrams()
        };
        let socket = socket.map_err(|error| {
            let actual = self.describe(&error, "got.not-accepted");
            Failure::new(self.steps.take(), words("expected.connection"), actual)
        })?;
        Ok(Client {
            context: self,
            number,
            socket: Arc::new(socket),
            sent: Vec::new(),
            pending: Vec::new(),
            broken: false,
            ended: false,
        })
    }

    /// A program that is starting refuses its first connection until it listens. A probe before that
    /// connection would take the one `accept` of the tutorial's first server.
    fn connect(&self) -> io::Result<Socket> {
        let started = Instant::now();
        loop {
            let stream = TcpStream::connect_timeout(&self.address, self.wait_time()?);
            match stream.map(Socket::from).and_then(refuse_self_connection) {
                Ok(socket) => {
                    self.reached.set(true);
                    socket.set_tcp_nodelay(true)?; // a byte that has to go alone goes immediately
                    return Ok(socket);
                }
                Err(error) if !self.is_starting(&error, started) => return Err(error),
                Err(_) => thread::sleep(RETRY_INTERVAL), // no call waits for a listener
            }
        }
    }

    fn is_starting(&self, error: &io::Error, started: Instant) -> bool {
        let is_alive = |program: &Program| program.status().is_none();
        let may_start = !self.reached.get() && started.elapsed() < START_TIMEOUT;
        let waits = is_refusal(error) && may_start && self.program.is_some_and(is_alive);
        if waits {
            self.deadline.set(Instant::now() + self.limits.timeout * 12);
        }
        waits
    }

    fn open_for_datagrams(&self) -> io::Result<Socket> {
        let domain = Domain::for_address(self.address);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        // So the system chooses a port, reports a closed one, and drops what strangers send.
        socket.connect(&self.address.into())?;
        refuse_self_connection(socket)
    }

    /// Sends a datagram. The first one to a program that is starting is sent until it is not refused.
    fn send_datagram(&self, socket: &Socket, bytes: &[u8]) -> io::Result<()> {
        let started = Instant::now();
        loop {
            let sent = socket.send(bytes).map(drop);
            if self.reached.get() {
                return sent;
            }
            socket.set_read_timeout(Some(RETRY_INTERVAL))?;
            match sent.and_then(|()| socket.peek(&mut [MaybeUninit::uninit()])) {
                Err(error) if self.is_starting(&error, started) => thread::sleep(RETRY_INTERVAL),
                Err(error) if is_refusal(&error) => return Err(error),
                _ => break, // a reply, or silence: a closed port is reported
            }
        }
        self.reached.set(true);
        Ok(())
    }

    /// Returns how long to wait for progress. A socket takes zero for no timeout, so zero is an error.
    fn wait_time(&self) -> io::Result<Duration> {
        let deadline = self.deadline.get();
        let left = deadline.saturating_duration_since(Instant::now());
        match left.min(self.limits.timeout) {
            Duration::ZERO => Err(ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }

    /// Says what an error means; `timeout` is the key of what to say if nothing happened in time.
    fn describe(&self, error: &io::Error, timeout: &str) -> Words {
        match error.kind() {
            kind if is_timeout(kind) => words(timeout).with(self.limits.timeout.as_secs_f64()),
            kind if is_reset(kind) && self.spec.is_stream() => words("got.reset"),
            _ if is_refusal(error) => words("got.refused"),
            _ => words("got.trouble").with(error_message(error)),
        }
    }

    /// Returns a text as one message: with a line ending in line framing, as a datagram not
    /// beginning with the prefix, since a good server does not reply to that, and as chunks not
    /// ending with what could be the beginning of another prefix.
    pub(crate) fn message(&self, text: impl AsRef<[u8]>) -> Vec<u8> {
        let (spec, text) = (self.spec, text.as_ref());
        let prefix = spec.prefix().as_bytes();
        let is_guarded = !spec.is_stream() && !prefix.is_empty() && text.starts_with(prefix);
        let before = if is_guarded { spec.filler() } else { "" };
        let is_ambiguous = (1..=prefix.len()).any(|len| text.ends_with(&prefix[..len]));
        let after = match spec.is_lines() {
            true if !text.ends_with(b"\n") => "\n",
            false if spec.is_stream() && is_ambiguous => spec.filler(),
            _ => "",
        };
        [before.as_bytes(), text, after.as_bytes()].concat()
    }

    /// Returns the reply to these bytes: one message, or in line framing any number.
    pub(crate) fn echo(&self, bytes: impl AsRef<[u8]>) -> Reply {
        let (prefix, bytes) = (self.spec.prefix(), bytes.as_ref());
        if self.spec.is_lines() {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            let lines: Vec<_> = lines.flat_map(|line| [prefix.as_bytes(), line]).collect();
            return Reply::exactly(lines.concat());
        }
        match self.spec.is_stream() {
            true => Reply::chunks(prefix, bytes),
            false => Reply::exactly([prefix.as_bytes(), bytes].concat()),
        }
    }

    /// A new client sends one message, expects its reply, and leaves.
    pub(crate) fn ask(&self, text: &str) -> Checked {
        self.ask_all(&[text])
    }

    /// A new client does so with each of these messages.
    pub(crate) fn ask_all(&self, texts: &[&str]) -> Checked {
        let mut client = self.client()?;
        texts.iter().try_for_each(|text| client.ask(text))
    }

    /// Says whether a new client is served after a failure. A reply that is wrong says nothing.
    pub(crate) fn aftermath(&self) -> Option<Words> {
        self.deadline.set(Instant::now() + self.limits.timeout);
        match self.ask("are you there?") {
            Ok(()) => Some(words("after.served")),
            Err(Problem::Failed(failure)) if failure.is_silent() => Some(words("after.not-served")),
            Err(_) => None,
        }
    }

    /// Resets what is parked, so that no connection holds the server's port (TIME_WAIT, RFC 9293).
    pub(crate) fn reset_parked(&self) {
        for socket in self.parked.iter().flat_map(RefCell::take) {
            let _ = socket.set_linger(Some(Duration::ZERO)); // it may be closed already
        }
    }
}

/// A socket can get the port of a server that is not there, and connect to itself (in TCP the
/// simultaneous open).
fn refuse_self_connection(socket: Socket) -> io::Result<Socket> {
    match socket.local_addr()?.as_socket() == socket.peer_addr()?.as_socket() {
        true => Err(ErrorKind::ConnectionRefused.into()),
        false => Ok(socket),
    }
}

/// A client of the server under test, until it is dropped.
pub(crate) struct Client<'a> {
    context: &'a CheckContext<'a>,
    number: usize,
    socket: Arc<Socket>,
    /// What was sent since the last reply was complete.
    sent: Vec<u8>,
    /// What arrived after a reply that anything may follow.
    pending: Vec<u8>,
    /// A send or a receive has found the connection reset.
    broken: bool,
    /// The server has ended its side.
    ended: bool,
}

impl Client<'_> {
    /// Sends one message and expects its reply.
    pub(crate) fn ask(&mut self, text: impl AsRef<[u8]>) -> Checked {
        let message = self.context.message(text);
        self.send(&message)?;
        self.expect(self.context.echo(message))
    }

    /// Sends these bytes, in one piece if the system takes them so.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Checked {
        self.log(words("step.send").with(quote(bytes)));
        self.transmit(bytes)
    }

    /// Sends one message byte by byte, and expects its reply. The system may still put some together
    /// again.
    pub(crate) fn ask_slowly(&mut self, text: &str) -> Checked {
        let message = self.context.message(text);
        self.log(words("step.send-slowly").with(quote(&message)));
        let mut bytes = message.chunks(1);
        bytes.try_for_each(|byte| self.transmit(byte))?;
        self.expect(self.context.echo(message))
    }

    fn transmit(&mut self, bytes: &[u8]) -> Checked {
        self.sent.extend_from_slice(bytes);
        let is_stream = self.context.spec.is_stream();
        let result = match is_stream {
            false => self.context.send_datagram(&self.socket, bytes),
            true => self.context.wait_time().and_then(|wait_time| {
                self.socket.set_write_timeout(Some(wait_time))?;
                (&*self.socket).write_all(bytes)
            }),
        };
        match result {
            Ok(()) => Ok(()),
            Err(error) if is_stream && is_reset(error.kind()) => {
                self.broken = true; // no failure yet: what the server sent before may explain more
                Ok(())
            }
            Err(error) => {
                let actual = self.context.describe(&error, "got.not-read");
                self.fail(words("expected.read"), actual)
            }
        }
    }

    /// Ends this side of the connection; the server's side stays open.
    pub(crate) fn end(&mut self) {
        self.log(words("step.half-close"));
        self.shutdown();
    }

    /// A server that has closed first keeps its port in TIME_WAIT if its client ends its own side
    /// then, so a client that parks does not.
    fn shutdown(&mut self) {
        if self.context.parked.is_some() {
            let has_replied = !self.context.replies.borrow().is_empty();
            let wait = Duration::from_millis(if has_replied { 50 } else { 1 });
            let mut pending = mem::take(&mut self.pending);
            for _ in 0..9 {
                let Ok(Some(received)) = self.receive(wait) else {
                    break;
                };
                pending.extend(received); // the end may stand behind it
            }
            self.pending = pending;
        }
        if self.context.parked.is_none() || !self.ended {
            self.broken |= self.socket.shutdown(Shutdown::Write).is_err();
        }
    }

    /// Leaves with a reset, as the system does for a program that is killed with unread data.
    pub(crate) fn reset(self) {
        // Should it fail, the client leaves in the usual way, which is no worse for the server.
        let _ = self.socket.set_linger(Some(Duration::ZERO));
    }

    /// Receives until this reply is complete.
    pub(crate) fn expect(&mut self, reply: Reply) -> Checked {
        self.expect_pieces(reply).map(drop)
    }

    /// Does so, unless nothing happens for a second, if it `may_wait` for more.
    pub(crate) fn expect_unless_silent(&mut self, reply: Reply, may_wait: bool) -> Checked {
        if may_wait {
            match self.receive(Duration::from_secs(1)) {
                Err(error) if is_timeout(error.kind()) => return Ok(()),
                received => self.pending = received.ok().flatten().unwrap_or_default(),
            }
        }
        self.expect(reply)
    }

    /// Receives until this reply is complete. Returns the longest pause between two pieces of it.
    pub(crate) fn expect_pieces(&mut self, mut reply: Reply) -> Checked<Duration> {
        let mut actual = Vec::new(); // its beginning
        let (mut longest, mut last) = (Duration::ZERO, None::<Instant>);
        loop {
            let received = match self.receive_part(actual.is_empty()) {
                Ok(received) => received,
                Err(end) => return self.wrong(&reply, &[], &actual, end),
            };
            longest = longest.max(last.map_or(Duration::ZERO, |last| last.elapsed()));
            last = Some(Instant::now());
            let before = reply.matched();
            let matched = reply.push(&received);
            let rest = &received[reply.matched() - before..];
            if actual.len() < 65_536 {
                actual.extend_from_slice(&received);
            }
            match matched {
                Match::Whole => {
                    self.pending = rest.to_vec();
                    actual.truncate(actual.len() - rest.len().min(actual.len()));
                    break;
                }
                Match::Partial if self.context.spec.is_stream() => {} // a datagram arrives whole
                _ => return self.wrong(&reply, rest, &actual, literal("")),
            }
        }
        self.log(match reply.matched() {
            len if len > 1_000 => words("step.got-long").with(thousands(len)),
            _ => words("step.got").with(quote(&actual)),
        });
        let mut replies = self.context.replies.borrow_mut();
        replies.push((self.number, actual));
        if !reply.open {
            self.sent.clear();
        }
        Ok(longest)
    }

    /// Returns what arrives next, or why nothing more does.
    fn receive_part(&mut self, is_first: bool) -> Result<Vec<u8>, Words> {
        let silence = ["got.nothing-more", "got.nothing"][usize::from(is_first)];
        match self.receive(Duration::MAX) {
            Ok(Some(received)) => Ok(received),
            Ok(None) if self.broken => Err(words("got.reset")),
            Ok(None) => Err(words("got.end")),
            Err(error) => Err(self.context.describe(&error, silence)),
        }
    }

    /// Forgets what was sent: it gets no reply.
    pub(crate) fn forget(&mut self) {
        self.sent.clear();
    }

    /// Adds to the failure of another client that this one has received something in its place.
    pub(crate) fn claim(&mut self, mut problem: Problem) -> Problem {
        if let (Problem::Failed(failure), Ok(Some(_))) = (&mut problem, self.receive(QUIET_PERIOD))
        {
            failure.clue = Some((words("clue.misdirected").with(self.number), None));
        }
        problem
    }

    /// Expects the end of the connection, and nothing before it.
    pub(crate) fn expect_end(&mut self) -> Checked {
        let actual = match self.receive_part(true) {
            Err(end) if end.key() == "got.end" => return Ok(()),
            Ok(received) => literal(quote(&received)),
            Err(end) => end,
        };
        self.fail(words("expected.end"), actual)
    }

    /// Expects that the server closes, and accepts a reset.
    pub(crate) fn expect_close(&mut self) -> Checked {
        match self.expect_end() {
            Err(Problem::Failed(failure)) if failure.symptom() == "reset" => Ok(()),
            result => result,
        }
    }

    /// Expects that nothing follows this reply for a moment.
    pub(crate) fn expect_quiet(&mut self, mut reply: Reply) -> Checked {
        let Ok(Some(received)) = self.receive(QUIET_PERIOD) else {
            return Ok(());
        };
        let actual = [reply.simplest(), received.clone()].concat();
        reply.push(&actual);
        self.context.steps.borrow_mut().pop(); // the reply is shown with what follows it
        self.wrong(&reply, &received, &actual, literal(""))
    }

    /// Expects an error reply: ours if the spec wants exactly that, else any sentence that is no echo.
    /// An echo begins with `good`, or with what a decoder makes of bad bytes. Returns `false` if the
    /// server closes the connection instead.
    pub(crate) fn expect_error(&mut self, exact: &str, good: &str) -> Checked<bool> {
        if self.context.spec.exact_errors {
            let reply = Reply::exactly(exact).then_anything();
            return self.expect(reply).map(|()| true);
        }
        let expected = match self.context.spec.is_stream() {
            true => words("expected.error"),
            false => words("expected.error-datagram"),
        };
        let sentence = self.receive_sentence(&expected)?;
        let prefix = self.context.spec.prefix().as_bytes();
        let text = sentence.strip_prefix(prefix).unwrap_or(&sentence);
        let is_dropped = text.is_empty() && !sentence.is_empty();
        let is_bad = std::str::from_utf8(&self.sent).is_err();
        let marks = &["\u{fffd}", "\\x", "?", good][if is_bad { 0 } else { 3 }..];
        let is_mark = |mark: &&str| !mark.is_empty() && text.starts_with(mark.as_bytes());
        let is_echo = marks.iter().any(is_mark);
        let is_worded = is_bad && text.contains(&b' '); // no blank was sent with bad bytes
        if is_echo && !is_worded || is_dropped || std::str::from_utf8(text).is_err() {
            let mut failure = self.failure(expected, literal(quote(&sentence)));
            failure.clue = is_bad.then(|| (words("clue.bad-bytes-echoed"), Some("bad-bytes")));
            return Err(failure.into());
        }
        let got = words("step.got").with(quote(&sentence));
        let is_closed = sentence.is_empty();
        self.log(if is_closed { words("step.closed") } else { got });
        self.sent.clear();
        Ok(!is_closed)
    }

    /// Receives a datagram; or up to the next reply, the end of the stream, or a moment of silence.
    fn receive_sentence(&mut self, expected: &Words) -> Checked<Vec<u8>> {
        let mut sentence = Vec::new();
        let next = self.context.echo("뒤\n").simplest(); // the reply to what `bad-bytes` sends after it
        while sentence.len() < 2 << 20 {
            let within = [QUIET_PERIOD, Duration::MAX][usize::from(sentence.is_empty())];
            match self.receive(within) {
                Ok(Some(received)) => sentence.extend_from_slice(&received),
                Err(error) if sentence.is_empty() && !is_reset(error.kind()) => {
                    let actual = self.context.describe(&error, "got.nothing");
                    return self.fail(expected.clone(), actual);
                }
                _ => return Ok(sentence),
            }
            if !self.context.spec.is_stream() {
                return Ok(sentence);
            }
            if let Some(end) = (1..sentence.len()).find(|at| sentence[*at..].starts_with(&next)) {
                self.pending = sentence.split_off(end);
                break;
            }
        }
        Ok(sentence)
    }

    /// Returns what arrives next, within this time and the limits of the check: `None` is the end of
    /// the stream.
    pub(crate) fn receive(&mut self, within: Duration) -> io::Result<Option<Vec<u8>>> {
        if !self.pending.is_empty() {
            return Ok(Some(mem::take(&mut self.pending)));
        }
        let wait_time = self.context.wait_time()?.min(within);
        self.socket.set_read_timeout(Some(wait_time))?;
        let mut received = vec![0; 65_536];
        let len = (&*self.socket).read(&mut received);
        self.broken |= len.as_ref().is_err_and(|error| is_reset(error.kind()));
        received.truncate(len?);
        self.ended |= received.is_empty() && self.context.spec.is_stream(); // a datagram may be empty
        Ok(Some(received).filter(|_| !self.ended))
    }

    /// Sends this block again and again without reading, until the server takes no more, or closes, or
    /// has taken [`UNREAD`] bytes. Returns `true` if it has taken them all.
    pub(crate) fn flood(&self, block: &[u8]) -> bool {
        self.log(words("step.flood"));
        self.fill(block, UNREAD) == UNREAD
    }

    /// Sends at most this many bytes, the block again and again, until the server takes no more, or
    /// closes. Returns how many it has taken.
    fn fill(&self, block: &[u8], most: usize) -> usize {
        let (mut taken, mut last) = (0, Instant::now());
        let is_stuck = |last: Instant| {
            let left = self.context.wait_time().unwrap_or_default();
            last.elapsed() >= left.min(self.context.limits.stall)
        };
        // A timeout instead would leave open how much was taken: Windows says so of its sockets.
        let _ = self.socket.set_nonblocking(true); // fails for no socket that is open
        while taken < most && !is_stuck(last) {
            // The block goes round, so its lines stay whole whatever part of it one write takes.
            let rest = &block[taken % block.len()..];
            let rest = &rest[..rest.len().min(most - taken).min(BLOCK)];
            match (&*self.socket).write(rest) {
                Ok(len) => (taken, last) = (taken + len, Instant::now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_INTERVAL),
                Err(_) => break, // what follows shows why
            }
        }
        let _ = self.socket.set_nonblocking(false);
        taken
    }

    /// Reads what is left for a moment, since a shared server should not be reset by this check.
    pub(crate) fn leave(mut self) {
        if self.context.program.is_some() {
            return;
        }
        self.end();
        let (started, second) = (Instant::now(), Duration::from_secs(1));
        while started.elapsed() < 2 * second && matches!(self.receive(second), Ok(Some(_))) {}
    }

    /// Sends lines and reads nothing until the server takes no more, at most these; then goes on
    /// sending for a while, and reads all the replies.
    pub(crate) fn send_then_read(&mut self, lines: &[u8]) -> Checked {
        const MORE: usize = 1 << 20;
        self.context.scene_after(words("step.write-all"));
        let taken = self.fill(lines, lines.len());
        let end = (taken + MORE).next_multiple_of(BLOCK).min(lines.len()); // the lines stay whole
        let stream = Arc::clone(&self.socket);
        let _ = stream.set_write_timeout(self.context.wait_time().ok()); // the shutdown ends it, too
        thread::scope(|scope| {
            let mut writer = &*stream;
            scope.spawn(move || writer.write_all(&lines[taken..end])); // the reader will see why not
            let result = self.expect(self.context.echo(&lines[..end]));
            if result.is_err() {
                let _ = stream.shutdown(Shutdown::Both); // ends a write that nobody will read
            }
            result
        })
    }

    fn log(&self, words: Words) {
        self.context.log(self.number, words);
    }
}

/// Failures.
impl Client<'_> {
    fn failure(&self, expected: Words, actual: Words) -> Failure {
        Failure::new(self.context.steps.borrow().clone(), expected, actual)
    }

    pub(crate) fn fail<T>(&self, expected: Words, actual: Words) -> Checked<T> {
        Err(self.failure(expected, actual).into())
    }

    /// Something else arrived, of which `rest` is the last, from the first byte that differs; or the reply broke off,
    /// which `end` says.
    fn wrong<T>(&self, reply: &Reply, rest: &[u8], actual: &[u8], end: Words) -> Checked<T> {
        let expected = reply.simplest();
        let hello = self.context.echo(self.context.message("hello")).simplest();
        let replies = self.context.replies.borrow();
        let is_it = |(_, other): &&(usize, Vec<u8>)| other == actual && *other != expected;
        let clue = match replies.iter().find(is_it) {
            Some((client, _)) if *client == self.number => Some(words("clue.previous-reply")),
            Some((client, _)) => Some(words("clue.other-client").with(client)),
            None => (actual == hello && actual != expected).then(|| words("clue.first-message")),
        };
        let is_shown = !actual.is_empty() || end == literal("");
        let mut failure = self.failure(literal(quote(&expected)), end);
        failure.difference = is_shown.then(|| reply.difference(rest));
        failure.clue = match clue {
            Some(words) => Some((words, None)),
            None => find_clue(&self.sent, &expected, actual),
        };
        Err(failure.into())
    }
}

/// A connection that may hold the server's port is kept until the program has ended, and reset then.
impl Drop for Client<'_> {
    fn drop(&mut self) {
        let is_reset = self.socket.linger().is_ok_and(|linger| linger.is_some());
        let Some(parked) = self.context.parked.as_ref().filter(|_| !is_reset) else {
            return;
        };
        self.shutdown(); // the server sees an end, as when the socket is closed
        parked.borrow_mut().push(Arc::clone(&self.socket));
    }
}

/// Unix reports the one, Windows the other.
pub(crate) fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// How the systems report that the other side has dropped the connection.
fn is_reset(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(kind, ConnectionReset | ConnectionAborted | BrokenPipe)
}

/// Windows reports a reset for a datagram of ours that has met a closed port.
fn is_refusal(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionReset)
}
