use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::str;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use checker::{Framing, LIMITS, Pattern, ServerSpec, Target};

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
    state: Arc<ServerState>,
    thread: Option<JoinHandle<()>>,
}

impl Reference {
    /// Starts a server, and returns it with how it is to be checked: it words its errors as ours do.
    pub fn start(
        pattern: Pattern,
        framing: Framing,
        prefix: &str,
        defect: Option<Defect>,
    ) -> (Self, Target) {
        let any = "127.0.0.1:0";
        let (socket, address) = if pattern == Pattern::Udp {
            let socket = UdpSocket::bind(any).unwrap();
            let address = socket.local_addr().unwrap();
            (Socket::Datagrams(socket), address)
        } else {
            let listener = TcpListener::bind(any).unwrap();
            let address = listener.local_addr().unwrap();
            (Socket::Streams(listener), address)
        };
        let mut target = target(address, pattern, framing, prefix);
        target.spec.exact_errors = true;
        let state = Arc::new(ServerState {
            socket,
            address,
            spec: target.spec.clone(),
            defect,
            stopped: AtomicBool::default(),
            streams: Mutex::default(),
            writing: Mutex::default(),
            first: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        let thread = thread::spawn(move || match &serving.socket {
            Socket::Streams(listener) => serving.serve_streams(listener),
            Socket::Datagrams(socket) => serving.serve_datagrams(socket),
        });
        let thread = Some(thread);
        (Reference { state, thread }, target)
    }
}

/// Returns how a server is checked that runs at this address, and words its errors itself.
pub fn target(address: SocketAddr, pattern: Pattern, framing: Framing, prefix: &str) -> Target {
    let spec = ServerSpec {
        pattern,
        framing,
        prefix: prefix.to_owned(),
        exact_errors: false,
    };
    let (start, limits, all) = (None, LIMITS, false);
    Target {
        address,
        start,
        spec,
        limits,
        all,
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.state.stop();
        let streams = self.state.streams.lock().unwrap();
        for stream in streams.iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(Shutdown::Both); // the client may have gone
        }
        drop(streams);
        let ended = self.thread.take().unwrap().join();
        assert!(thread::panicking() || ended.is_ok(), "the server panicked");
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
        let _ = match self.spec.is_stream() {
            true => TcpStream::connect(self.address).map(drop),
            false => UdpSocket::bind("127.0.0.1:0")
                .and_then(|socket| socket.send_to(&[], self.address).map(drop)),
        };
    }

    fn serve_streams(&self, listener: &TcpListener) {
        let mut is_many = false;
        thread::scope(|scope| {
            while !self.is_stopped() {
                let arrived = self.register(arrivals(listener));
                is_many |= self.streams.lock().unwrap().len() > 16; // no permit is given back
                let is_tcp = self.spec.pattern == Pattern::Tcp;
                for stream in arrived {
                    if self.has(Defect::ReadsBeforeTheThread) {
                        let _ = stream.peek(&mut [0]);
                    }
                    if is_many && self.has(Defect::HasFewPermits) {
                        scope.spawn(move || io::copy(&mut &*stream, &mut io::sink()));
                    } else if is_tcp || self.has(Defect::ServesOneAtATime) {
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
                let (queue, replies) = mpsc::channel();
                let mut replies = replies.into_iter();
                scope.spawn(move || {
                    replies.try_for_each(|reply: Vec<u8>| self.write(stream, &reply))
                });
                let mut send = |reply: &[u8]| queue.send(reply.to_vec()).map_err(io::Error::other);
                self.echo_messages(stream, &mut send)
            })
        } else {
            self.echo_messages(stream, &mut |reply| self.write(stream, reply))
        };
        if let Ok((_, true)) = ended {
            self.close(stream);
        }
        let dies = match ended {
            Ok((has_spoken, _)) if !has_spoken && self.has(Defect::DiesOfAnEmptyStream) => true,
            Ok(_) => self.has(Defect::ServesOneClient),
            Err(_) => self.has(Defect::DiesOfAReset),
        };
        if dies {
            self.stop();
        }
    }

    fn write(&self, mut stream: &TcpStream, reply: &[u8]) -> io::Result<()> {
        let locks = self.has(Defect::LocksWhileWriting);
        let _lock = locks.then(|| self.writing.lock().unwrap());
        if self.has(Defect::WritesTwice) {
            let (prefix, text) = reply.split_at(self.spec.prefix().len().min(reply.len()));
            stream.write_all(prefix)?;
            return stream.write_all(text);
        }
        stream.set_nodelay(true)?;
        stream.write_all(reply)
    }

    /// Answers until the client or the server ends the connection. Returns whether it has answered anything, and
    /// whether the server has ended it.
    fn echo_messages(
        &self,
        mut stream: &TcpStream,
        send: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<(bool, bool)> {
        let mut messages = Messages {
            state: self,
            held: Vec::new(),
            before: 0,
            ended: false,
        };
        let mut buffer = vec![0; 65_536];
        let mut sent = 0;
        while !messages.ended {
            let len = stream.read(&mut buffer)?;
            messages.arrived(&buffer[..len]);
            if messages.ended && messages.held.is_empty() && self.has(Defect::AnswersTheEnd) {
                send(self.spec.prefix().as_bytes())?;
            }
            while let Some((reply, is_last)) = messages.next() {
                sent += 1;
                if sent != LOST || !self.has(Defect::LosesOneReply) {
                    send(&reply)?;
                }
                if is_last || self.has(Defect::AnswersOnce) {
                    return Ok((true, true));
                }
            }
        }
        Ok((sent > 0, false))
    }

    /// Ends the sending side, and lets the client read everything before the socket is closed.
    fn close(&self, stream: &TcpStream) {
        if self.has(Defect::ClosesAtOnce) {
            // If something is on its way, it is there unread when the socket is closed.
            let set = stream.set_read_timeout(Some(Duration::from_millis(300)));
            let _ = set.and_then(|()| stream.peek(&mut [0]));
            return;
        }
        let mut rest = stream.take(1 << 20);
        let ended = stream.shutdown(Shutdown::Write);
        let _ = ended.and_then(|()| io::copy(&mut rest, &mut io::sink()));
    }
}

/// Which reply of a connection [`Defect::LosesOneReply`] loses: one that no small check waits for.
const LOST: usize = 30;

/// How late [`Defect::AnswersLate`] answers.
const LATE: Duration = Duration::from_millis(2_500);

/// The next client, and all that wait after it, so that their number is known.
fn arrivals(listener: &TcpListener) -> Vec<TcpStream> {
    let accept = || Some(listener.accept().ok()?.0);
    let mut arrived = Vec::from_iter(accept());
    listener.set_nonblocking(true).unwrap();
    arrived.extend(std::iter::from_fn(accept));
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

/// A reply, and whether the connection is closed after it.
type Answer = (Vec<u8>, bool);

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
        let whole = match str::from_utf8(&self.held) {
            Ok(text) => text.len(),
            Err(error) if error.valid_up_to() > 0 => error.valid_up_to(),
            Err(error) => {
                let is_cut = error.error_len().is_none() && !self.ended;
                if is_cut && !self.state.has(Defect::DecodesEachRead) {
                    return None;
                }
                let bad = std::mem::take(&mut self.held);
                return Some(self.state.answer_bad(&bad, 0, self.before, true));
            }
        };
        self.before += whole;
        let chunk: Vec<_> = self.held.drain(..whole).collect();
        Some(self.state.answer(&chunk))
    }

    fn next_line(&mut self) -> Option<Answer> {
        let has = |defect| self.state.has(defect);
        let end = self.held.iter().position(|byte| *byte == b'\n');
        let line = self.held[..end.map_or(self.held.len(), |at| at + 1)].to_vec();
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = match end {
            Some(_) if !has(Defect::CountsTheLineEnding) => {
                text.strip_suffix(b"\r").unwrap_or(text)
            }
            _ => &line,
        };
        if text.len() > LONGEST && !has(Defect::TakesAnyLine) {
            return Some((b"error: line longer than 65536 bytes\n".to_vec(), true));
        }
        if end.is_none() && (!self.ended || has(Defect::DropsTheLastLine)) {
            return None;
        }
        self.held.drain(..line.len());
        if has(Defect::TakesAReadForALine) {
            self.held.clear();
        }
        let is_last = has(Defect::ClosesOnABadLine);
        Some(match str::from_utf8(&line) {
            Ok(_) => self.state.answer(&line),
            Err(error) => self
                .state
                .answer_bad(&line, error.valid_up_to(), 0, is_last),
        })
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
            let text = String::from_utf8_lossy(&message);
            message = text.replace('\'', "\\'").into_bytes();
        }
        if self.has(Defect::FormatsTwice) {
            let text = String::from_utf8_lossy(&message);
            message = text.replace("{data}", &text).into_bytes();
        }
        ([self.spec.prefix().as_bytes(), &message].concat(), false)
    }

    /// The reply to bytes that are not UTF-8 from `at` on, with `before` bytes counted before them.
    fn answer_bad(&self, bytes: &[u8], at: usize, before: usize, is_last: bool) -> Answer {
        if self.has(Defect::DecodesLossily) {
            return self.answer(String::from_utf8_lossy(bytes).as_bytes());
        }
        let ending = if self.spec.is_stream() { "\n" } else { "" };
        let (byte, offset) = (bytes[at], before + at);
        let error = format!("error: not UTF-8: byte 0x{byte:02X} at offset {offset}{ending}");
        (error.into_bytes(), is_last)
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
            let Ok((len, peer)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let datagram = &buffer[..len];
            let is_ignored = (datagram.is_empty() && self.has(Defect::IgnoresEmptyDatagrams))
                || (datagram == last && self.has(Defect::DropsDuplicates))
                || self.is_guarded_against(datagram);
            last = datagram.to_vec();
            if self.is_stopped() || is_ignored {
                continue;
            }
            let (reply, _) = match str::from_utf8(datagram) {
                Err(error) if self.spec.is_text() => {
                    self.answer_bad(datagram, error.valid_up_to(), 0, false)
                }
                _ => self.answer(datagram),
            };
            // Linux reports no refused reply to an unconnected socket, but the free port shows it.
            let is_closed = || {
                thread::sleep(Duration::from_millis(1)); // a client that leaves at once has left then
                UdpSocket::bind(("0.0.0.0", peer.port())).is_ok()
            };
            if self.has(Defect::DiesOfAClosedPort) && is_closed() {
                self.stop();
            }
            let other = callers.mix_up(peer);
            let is_mixed_up = self.has(Defect::MixesUpAddresses);
            self.send(socket, &reply, if is_mixed_up { other } else { peer });
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
            let len = reply.len();
            let error = format!("error: reply of {len} bytes does not fit in one datagram");
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
        let is_back = self.before == Some(peer);
        self.comebacks = if is_back { self.comebacks + 1 } else { 0 };
        let other = self.last.replace(peer);
        self.before = other;
        other.filter(|_| self.comebacks >= 2).unwrap_or(peer)
    }
}
