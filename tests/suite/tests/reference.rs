use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use checker::{Framing, Pattern, ServerSpec};

/// What is wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    DropsNewline,
    AddsNewline,
    DoublesReplies,
    ForgetsClients,
    AnswersLate,
    AnswersOnce,
    DropsDuplicates,
    ServesOneClient,
    MixesUpAddresses,
    FormatsTwice,
    EscapesQuotes,
    StripsCr,
    TakesAReadForALine,
    DecodesEachRead,
    DropsTheLastLine,
    AnswersTheEnd,
    TakesAnyLine,
    CountsTheLineEnding,
    ClosesAtOnce,
    WritesTwice,
    LosesOneReply,
    QueuesWithoutEnd,
    ServesOneAtATime,
    ReadsBeforeTheThread,
    HasFewPermits,
    LocksWhileWriting,
    IgnoresEmptyDatagrams,
    HasASmallBuffer,
    IsSilentAboutSize,
    AnswersReplies,
    AnswersErrors,
    DiesOfAClosedPort,
    DecodesLossily,
    CountsFromTheRead,
    ClosesOnABadLine,
    DiesOfAnEmptyStream,
    DiesOfAReset,
}

/// A server that runs in this process until it is dropped. It is a good one, but for its defect.
pub struct Reference {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<ServerState>,
    thread: Option<JoinHandle<()>>,
}

impl Reference {
    pub fn start(spec: &ServerSpec, defect: Option<Defect>) -> Self {
        let (socket, address) = if spec.pattern == Pattern::Udp {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let address = socket.local_addr();
            (Socket::Datagrams(socket), address.unwrap())
        } else {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr();
            (Socket::Streams(listener), address.unwrap())
        };
        let state = Arc::new(ServerState {
            socket,
            address,
            spec: spec.clone(),
            defect,
            stopped: AtomicBool::new(false),
            streams: Mutex::new(Vec::new()),
            writing: Mutex::new(()),
            first: Mutex::new(None),
        });
        let serving = Arc::clone(&state);
        let thread = thread::spawn(move || match &serving.socket {
            Socket::Streams(listener) => serving.serve_streams(listener),
            Socket::Datagrams(socket) => serving.serve_datagrams(socket),
        });
        Reference {
            address,
            state,
            thread: Some(thread),
        }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.state.stop();
        for stream in self
            .state
            .streams
            .lock()
            .unwrap()
            .iter()
            .filter_map(Weak::upgrade)
        {
            let _ = stream.shutdown(Shutdown::Both); // the client may have gone
        }
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            thread::panicking() || matches!(ended, Some(Ok(_))),
            "the reference server has panicked"
        );
    }
}

/// What the threads of a server share.
struct ServerState {
    /// It stays open after a defect has ended the server, so clients get silence every time.
    socket: Socket,
    address: SocketAddr,
    spec: ServerSpec,
    defect: Option<Defect>,
    stopped: AtomicBool,
    /// The open connections.
    streams: Mutex<Vec<Weak<TcpStream>>>,
    /// The lock of [`Defect::LocksWhileWriting`].
    writing: Mutex<()>,
    /// The text of [`Defect::ForgetsClients`].
    first: Mutex<Option<Vec<u8>>>,
}

enum Socket {
    Streams(TcpListener),
    Datagrams(UdpSocket),
}

impl ServerState {
    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Sets the flag, and wakes the thread that waits for a client, if it still does.
    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        if self.spec.is_stream() {
            let _ = TcpStream::connect(self.address);
        } else {
            let _ =
                UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(&[], self.address));
        }
    }

    fn serve_streams(&self, listener: &TcpListener) {
        thread::scope(|scope| {
            while !self.is_stopped() {
                let arrived = self.register(arrivals(listener));
                let is_full =
                    self.has(Defect::HasFewPermits) && self.streams.lock().unwrap().len() > 16;
                for stream in arrived {
                    if self.has(Defect::ReadsBeforeTheThread) {
                        let _ = stream.peek(&mut [0]);
                    }
                    if is_full {
                        scope.spawn(move || io::copy(&mut &*stream, &mut io::sink()));
                    } else if self.spec.pattern == Pattern::Tcp
                        || self.has(Defect::ServesOneAtATime)
                    {
                        self.handle_client(&stream);
                    } else {
                        scope.spawn(move || self.handle_client(&stream));
                    }
                }
            }
        });
    }

    /// Adds these connections to the open ones.
    fn register(&self, arrived: Vec<TcpStream>) -> Vec<Arc<TcpStream>> {
        let arrived: Vec<_> = arrived.into_iter().map(Arc::new).collect();
        let mut streams = self.streams.lock().unwrap();
        streams.extend(arrived.iter().map(Arc::downgrade));
        streams.retain(|stream| stream.strong_count() > 0);
        arrived
    }

    fn handle_client(&self, stream: &TcpStream) {
        let ended = if self.has(Defect::QueuesWithoutEnd) {
            thread::scope(|scope| {
                let (queue, replies) = mpsc::channel::<Vec<u8>>();
                scope.spawn(move || {
                    replies
                        .iter()
                        .try_for_each(|reply| self.write(stream, &reply))
                });
                self.echo_messages(stream, &mut |reply| {
                    queue.send(reply.to_vec()).map_err(io::Error::other)
                })
            })
        } else {
            self.echo_messages(stream, &mut |reply| self.write(stream, reply))
        };
        if ended.as_ref().is_ok_and(|ended| ended.by_us) {
            self.close(stream);
        }
        let dies = match ended {
            Ok(ended) => {
                self.has(Defect::ServesOneClient)
                    || (!ended.has_spoken && self.has(Defect::DiesOfAnEmptyStream))
            }
            Err(_) => self.has(Defect::DiesOfAReset),
        };
        if dies {
            self.stop();
        }
    }

    fn write(&self, mut stream: &TcpStream, reply: &[u8]) -> io::Result<()> {
        let lock = self
            .has(Defect::LocksWhileWriting)
            .then(|| self.writing.lock().unwrap());
        if self.has(Defect::WritesTwice) {
            let (prefix, text) = reply.split_at(self.spec.prefix().len().min(reply.len()));
            stream.write_all(prefix)?;
            return stream.write_all(text);
        }
        stream.set_nodelay(true)?;
        let written = stream.write_all(reply);
        drop(lock);
        written
    }

    /// Answers until the client or the server ends the connection.
    fn echo_messages(
        &self,
        mut stream: &TcpStream,
        send: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Ended> {
        let mut messages = Messages {
            state: self,
            held: Vec::new(),
            before: 0,
            ended: false,
        };
        let mut buffer = vec![0; 65_536];
        let mut sent = 0;
        while !messages.ended {
            let length = stream.read(&mut buffer)?;
            messages.arrived(&buffer[..length]);
            if messages.ended && messages.held.is_empty() && self.has(Defect::AnswersTheEnd) {
                send(self.spec.prefix().as_bytes())?;
            }
            while let Some(answer) = messages.next() {
                sent += 1;
                if sent != LOST || !self.has(Defect::LosesOneReply) {
                    send(&answer.bytes)?;
                }
                if answer.is_last || self.has(Defect::AnswersOnce) {
                    return Ok(Ended {
                        by_us: true,
                        has_spoken: true,
                    });
                }
            }
        }
        Ok(Ended {
            by_us: false,
            has_spoken: sent > 0,
        })
    }

    /// Ends the sending side, and lets the client read everything before the socket is closed.
    fn close(&self, stream: &TcpStream) {
        if self.has(Defect::ClosesAtOnce) {
            // If something is on its way, it is there unread when the socket is closed.
            let _ = stream
                .set_read_timeout(Some(Duration::from_millis(300)))
                .and_then(|()| stream.peek(&mut [0]));
            return;
        }
        let mut rest = stream.take(1 << 20);
        let _ = stream
            .shutdown(Shutdown::Write)
            .and_then(|()| io::copy(&mut rest, &mut io::sink()));
    }
}

/// How a connection ended.
struct Ended {
    by_us: bool,
    has_spoken: bool,
}

/// Which reply of a connection [`Defect::LosesOneReply`] loses: one that no small check waits for.
const LOST: usize = 30;

/// How late [`Defect::AnswersLate`] answers.
const LATE: Duration = Duration::from_millis(2_500);

/// The next client, and all that wait after it, so that their number is known.
fn arrivals(listener: &TcpListener) -> Vec<TcpStream> {
    let mut arrived: Vec<_> = listener
        .accept()
        .into_iter()
        .map(|(stream, _)| stream)
        .collect();
    listener.set_nonblocking(true).unwrap();
    arrived.extend(std::iter::from_fn(|| listener.accept().ok()).map(|(stream, _)| stream));
    listener.set_nonblocking(false).unwrap();
    for stream in &arrived {
        stream.set_nonblocking(false).unwrap(); // some systems let them inherit it
    }
    arrived
}

/// The stream of one client, cut into messages, and each turned into its reply.
struct Messages<'a> {
    state: &'a ServerState,
    /// What has arrived and has no reply yet.
    held: Vec<u8>,
    /// How many bytes have been answered.
    before: usize,
    ended: bool,
}

struct Answer {
    bytes: Vec<u8>,
    /// After it the connection is closed.
    is_last: bool,
}

/// The longest line, in bytes.
const LONGEST: usize = 65_536;

impl Messages<'_> {
    fn arrived(&mut self, bytes: &[u8]) {
        self.ended = bytes.is_empty();
        self.held.extend_from_slice(bytes);
        if self.state.has(Defect::CountsFromTheRead) {
            self.before = 0;
        }
    }

    fn next(&mut self) -> Option<Answer> {
        match self.state.spec.framing {
            _ if self.held.is_empty() => None,
            Framing::Raw => Some(self.state.answer(&std::mem::take(&mut self.held))),
            Framing::Chunk => self.next_chunk(),
            Framing::Line => self.next_line(),
        }
    }

    fn next_chunk(&mut self) -> Option<Answer> {
        let whole = match std::str::from_utf8(&self.held) {
            Ok(text) => text.len(),
            Err(error) if error.valid_up_to() > 0 => error.valid_up_to(),
            Err(error)
                if error.error_len().is_none()
                    && !self.ended
                    && !self.state.has(Defect::DecodesEachRead) =>
            {
                return None;
            }
            Err(_) => {
                return Some(self.state.answer_bad(
                    &std::mem::take(&mut self.held),
                    0,
                    self.before,
                    true,
                ));
            }
        };
        self.before += whole;
        Some(
            self.state
                .answer(&self.held.drain(..whole).collect::<Vec<_>>()),
        )
    }

    fn next_line(&mut self) -> Option<Answer> {
        let has = |defect| self.state.has(defect);
        let end = self
            .held
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|at| at + 1);
        let line = self.held[..end.unwrap_or(self.held.len())].to_vec();
        let text = line
            .strip_suffix(b"\n")
            .map_or(&line[..], |text| text.strip_suffix(b"\r").unwrap_or(text));
        let counted = if has(Defect::CountsTheLineEnding) {
            line.len()
        } else {
            text.len()
        };
        if counted > LONGEST && !has(Defect::TakesAnyLine) {
            return Some(Answer {
                bytes: b"error: line longer than 65536 bytes\n".to_vec(),
                is_last: true,
            });
        }
        if end.is_none() && (!self.ended || has(Defect::DropsTheLastLine)) {
            return None;
        }
        self.held.drain(..line.len());
        if has(Defect::TakesAReadForALine) {
            self.held.clear();
        }
        match std::str::from_utf8(&line) {
            Ok(_) => Some(self.state.answer(&line)),
            Err(error) => Some(self.state.answer_bad(
                &line,
                error.valid_up_to(),
                0,
                has(Defect::ClosesOnABadLine),
            )),
        }
    }
}

/// Replies.
impl ServerState {
    fn answer(&self, message: &[u8]) -> Answer {
        let mut message = message.to_vec();
        if self.has(Defect::AnswersLate) {
            thread::sleep(LATE); // being late is the defect
        }
        if self.has(Defect::ForgetsClients) {
            let mut first = self.first.lock().unwrap();
            message = first.get_or_insert(message).clone();
        }
        if self.has(Defect::DropsNewline) && message.ends_with(b"\n") {
            message.pop();
        }
        if self.has(Defect::AddsNewline) {
            message.push(b'\n');
        }
        if self.has(Defect::DoublesReplies) {
            message = [&message, self.spec.prefix().as_bytes(), &message].concat();
        }
        if self.has(Defect::StripsCr) {
            message.retain(|byte| *byte != b'\r');
        }
        if self.has(Defect::EscapesQuotes) {
            message = String::from_utf8_lossy(&message)
                .replace('\'', "\\'")
                .into_bytes();
        }
        if self.has(Defect::FormatsTwice) {
            let text = String::from_utf8_lossy(&message);
            message = text.replace("{data}", &text).into_bytes();
        }
        Answer {
            bytes: [self.spec.prefix().as_bytes(), &message].concat(),
            is_last: false,
        }
    }

    /// The reply to bytes that are not UTF-8 from `at` on, with `before` bytes counted before them.
    fn answer_bad(&self, bytes: &[u8], at: usize, before: usize, is_last: bool) -> Answer {
        if self.has(Defect::DecodesLossily) {
            return self.answer(String::from_utf8_lossy(bytes).as_bytes());
        }
        let ending = if self.spec.is_stream() { "\n" } else { "" };
        let error = format!(
            "error: not UTF-8: byte 0x{:02X} at offset {}{ending}",
            bytes[at],
            before + at
        );
        Answer {
            bytes: error.into_bytes(),
            is_last,
        }
    }
}

/// Datagrams.
impl ServerState {
    fn serve_datagrams(&self, socket: &UdpSocket) {
        let is_small = self.has(Defect::HasASmallBuffer);
        let mut buffer = vec![0; if is_small { 1_024 } else { 65_536 }];
        let mut last = Vec::new();
        let mut callers = Callers::default();
        while !self.is_stopped() {
            let Ok((length, peer)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let datagram = &buffer[..length];
            let is_ignored = (datagram.is_empty() && self.has(Defect::IgnoresEmptyDatagrams))
                || (datagram == last && self.has(Defect::DropsDuplicates))
                || self.is_guarded_against(datagram);
            last = datagram.to_vec();
            if self.is_stopped() || is_ignored {
                continue;
            }
            let reply = match std::str::from_utf8(datagram) {
                Err(error) if self.spec.is_text() => {
                    self.answer_bad(datagram, error.valid_up_to(), 0, false)
                }
                _ => self.answer(datagram),
            };
            // Linux reports no refused reply to an unconnected socket, but the free port shows it.
            let is_closed = || UdpSocket::bind(("0.0.0.0", peer.port())).is_ok();
            if self.has(Defect::DiesOfAClosedPort) && is_closed() {
                self.stop();
            }
            let other = callers.mix_up(peer);
            let is_mixed_up = self.has(Defect::MixesUpAddresses);
            self.send(socket, &reply.bytes, if is_mixed_up { other } else { peer });
        }
    }

    /// Whether it looks like the reply of another server.
    fn is_guarded_against(&self, datagram: &[u8]) -> bool {
        let prefix = self.spec.prefix().as_bytes();
        let is_reply =
            !prefix.is_empty() && datagram.starts_with(prefix) && !self.has(Defect::AnswersReplies);
        let is_error = datagram.starts_with(b"error: ") && !self.has(Defect::AnswersErrors);
        is_reply || is_error
    }

    fn send(&self, socket: &UdpSocket, reply: &[u8], peer: SocketAddr) {
        if socket.send_to(reply, peer).is_err() && !self.has(Defect::IsSilentAboutSize) {
            let error = format!(
                "error: reply of {} bytes does not fit in one datagram",
                reply.len()
            );
            let _ = socket.send_to(error.as_bytes(), peer); // the peer may be gone
        }
    }
}

/// The last two clients, for [`Defect::MixesUpAddresses`].
#[derive(Default)]
struct Callers {
    last: Option<SocketAddr>,
    before: Option<SocketAddr>,
    comebacks: usize,
}

impl Callers {
    /// Returns the other client once two have taken turns a few times: a port may be used again.
    fn mix_up(&mut self, peer: SocketAddr) -> SocketAddr {
        if self.last == Some(peer) {
            return peer;
        }
        self.comebacks = if self.before == Some(peer) {
            self.comebacks + 1
        } else {
            0
        };
        let other = self.last.replace(peer);
        self.before = other;
        other.filter(|_| self.comebacks >= 2).unwrap_or(peer)
    }
}
