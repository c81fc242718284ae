//! The client, which sends its input and prints the replies at the same time.
//!
//! A client that sends everything before it reads anything blocks forever when the replies fill
//! the buffers.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Cursor, IsTerminal, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::addr::{Address, DEFAULT_ADDRESS};
use common::framing::Framing;
use common::report::{print_error, print_stdout};
use common::timeout::parse_timeout;
use common::trace::Trace;
use common::usage::address_note;
use common::words::with_action;
use common::{lock, spawn};

/// Options of the client.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Words of one message (default: send stdin)
    #[arg(value_parser = parse_word)]
    pub message: Vec<String>,
    /// Address of the server
    #[arg(short, long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS)]
    pub address: Address,
    /// Framing of the server (line adds a line ending to the message)
    #[arg(long, default_value = "chunk")]
    pub framing: Framing,
    /// Seconds to wait for the next byte of a reply (0 = no limit)
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_timeout)]
    pub timeout: Duration,
    /// Number of bytes to send at a time, as a network might deliver them
    #[arg(long, value_name = "BYTES")]
    pub cut: Option<NonZeroUsize>,
    /// Milliseconds to wait between the pieces
    #[arg(long, value_name = "MS", default_value = "100", requires = "cut")]
    pub pause: u32,
    /// Show every socket call and its bytes on stderr
    #[arg(long)]
    pub trace: bool,
}

fn parse_word(input: &str) -> Result<String, &'static str> {
    match input {
        "" => Err("an empty message has no bytes, so the server would not notice it"),
        word => Ok(word.to_owned()),
    }
}

/// Interval at which the receiver checks whether a reply is overdue.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Sends the message or stdin, and prints the replies.
///
/// # Errors
///
/// Returns an error if not everything could be sent, or no reply arrived in time.
pub fn run(program: &str, options: &Options) -> Result<(), Box<dyn Error>> {
    if let Some(note) = address_note(&options.message) {
        print_error(program, note);
    }
    let trace = Trace::to_stderr(options.trace)?;
    let result = exchange(options, &trace);
    trace.finish();
    result
}

fn exchange(options: &Options, trace: &Trace) -> Result<(), Box<dyn Error>> {
    let server = &options.address;
    let exchange = Arc::new(Exchange {
        options: options.clone(),
        trace: trace.clone(),
        stream: server.connect(options.timeout)?,
        due: Mutex::default(),
    });
    trace.call(server, "connect");
    let sent = start_sender(Arc::clone(&exchange))?;
    let received = exchange.receive(&start_reader(Arc::clone(&exchange))?);
    let sent = sent.recv_timeout(POLL_INTERVAL); // its last lines belong before `close`
    trace.call(server, "close");
    let last = received?;
    let has_reply = last.is_some() && !options.message.is_empty();
    if has_reply && last != Some(b'\n') {
        print_stdout(b"\n")?; // so that the shell's prompt starts on a new line
    }
    match sent {
        _ if has_reply => Ok(()), // a server that is full replies before it reads
        Ok(Ok(sent)) if sent > 0 && last.is_none() => {
            Err(format!("{server} closed the connection without a reply").into())
        }
        Ok(Ok(_)) if exchange.is_answered(&lock(&exchange.due)) => Ok(()),
        Ok(Ok(_)) => Err(format!("{server} closed the connection before it replied to all").into()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(format!("{server} closed the connection before everything was sent").into()),
    }
}

/// Starts a thread that sends the whole input, and then reports its length to the receiver.
///
/// The thread is not scoped, because a read from a terminal does not end when the server closes.
fn start_sender(exchange: Arc<Exchange>) -> io::Result<mpsc::Receiver<io::Result<usize>>> {
    let (done, sent) = mpsc::channel();
    spawn(move || {
        let result = exchange.send();
        lock(&exchange.due).has_sent_all = true;
        exchange.count(&[], 1);
        // The half-close tells the server that the last message is complete.
        exchange.trace.call(&exchange.options.address, "shutdown");
        let _ = exchange.stream.shutdown(Shutdown::Write);
        let _ = done.send(result);
    })?;
    Ok(sent)
}

/// Starts a thread that reads until the receiver is dropped. With a read timeout, one thread would
/// be enough, but on Windows a socket is unusable after it (Winsock, SO_RCVTIMEO).
fn start_reader(exchange: Arc<Exchange>) -> io::Result<Arrivals> {
    let (arrived, arrivals) = mpsc::sync_channel(0);
    spawn(move || {
        let mut buffer = vec![0; 65_536];
        let mut read = || {
            let len = (&exchange.stream).read(&mut buffer)?;
            Ok(buffer[..len].to_vec())
        };
        while arrived.send(read()).is_ok() {}
    })?;
    Ok(arrivals)
}

type Arrivals = mpsc::Receiver<io::Result<Vec<u8>>>;

/// State that the threads share.
struct Exchange {
    options: Options,
    trace: Trace,
    stream: TcpStream,
    due: Mutex<Due>,
}

/// What the client still has to receive: the bytes and lines that it has sent and that have not
/// come back, or the end of the stream.
#[derive(Default)]
struct Due {
    bytes: i64,
    lines: i64,
    has_sent_all: bool,
    /// When the client began to wait, or when the last byte arrived.
    since: Option<Instant>,
}

impl Exchange {
    fn send(&self) -> io::Result<usize> {
        let options = &self.options;
        let action = format!("send everything to {}", options.address);
        let message = options.message.join(" ");
        let input: Box<dyn Read> = match options.framing {
            _ if message.is_empty() => Box::new(io::stdin()),
            Framing::Line if !message.ends_with('\n') => Box::new(Cursor::new(message + "\n")),
            _ => Box::new(Cursor::new(message)),
        };
        let mut input = BufReader::with_capacity(65_536, input);
        let (mut piece, mut total) = (Vec::new(), 0);
        loop {
            let read = self.read_piece(&mut input, &mut piece);
            read.map_err(|error| with_action("read the input", &error))?;
            if piece.is_empty() {
                return Ok(total);
            }
            if total > 0 && options.cut.is_some() {
                thread::sleep(Duration::from_millis(options.pause.into())); // --pause asks for this
            }
            // Both happen before the call, because the reply may overtake our line.
            self.count(&piece, 1);
            self.trace.bytes(&options.address, "send", &piece);
            let sent = (&self.stream).write_all(&piece);
            sent.map_err(|error| with_action(&action, &error))?;
            total += piece.len();
        }
    }

    /// Reads what to send next, or nothing at the end of the input.
    fn read_piece(&self, input: &mut impl BufRead, piece: &mut Vec<u8>) -> io::Result<()> {
        let arrived = input.fill_buf()?.len();
        let len = match self.options.cut.map(NonZeroUsize::get) {
            Some(cut) if io::stdin().is_terminal() => cut.min(arrived), // does not wait for more
            Some(cut) => cut,
            None => arrived,
        };
        piece.clear();
        input.take(len as u64).read_to_end(piece).map(drop)
    }

    /// Prints what arrives until the end of the stream, and returns the last byte of it.
    fn receive(&self, arrivals: &Arrivals) -> Result<Option<u8>, Box<dyn Error>> {
        let action = format!("receive from {}", self.options.address);
        let mut last = None;
        loop {
            let Ok(received) = arrivals.recv_timeout(POLL_INTERVAL) else {
                self.check_timeout(last.is_none())?;
                continue;
            };
            let received = received.map_err(|error| with_action(&action, &error))?;
            self.trace.bytes(&self.options.address, "recv", &received);
            if received.is_empty() {
                return Ok(last);
            }
            last = received.last().copied();
            print_stdout(&received)?;
            self.count(&received, -1);
        }
    }

    /// Adds sent bytes to what is due, or subtracts received bytes (`sign` is -1), and restarts the
    /// wait for the rest.
    ///
    /// A reply is at least as long as its message. An error reply may be shorter, but is a line.
    fn count(&self, bytes: &[u8], sign: i64) {
        let mut due = lock(&self.due);
        due.bytes += sign * bytes.len() as i64;
        due.lines += sign * bytes.iter().filter(|byte| **byte == b'\n').count() as i64;
        let is_due = due.has_sent_all || !self.is_answered(&due);
        // The pieces of --cut have pauses between them, so the last one counts.
        let keeps = sign > 0 && self.options.cut.is_none();
        let since = due.since.filter(|_| keeps).unwrap_or_else(Instant::now);
        due.since = is_due.then_some(since);
    }

    fn is_answered(&self, due: &Due) -> bool {
        due.lines <= 0 && (self.options.framing == Framing::Line || due.bytes <= 0)
    }

    fn check_timeout(&self, is_first: bool) -> Result<(), String> {
        let (due, timeout) = (lock(&self.due), self.options.timeout);
        let pause = self.options.cut.map_or(0, |_| self.options.pause);
        let limit = timeout + Duration::from_millis(pause.into());
        if timeout.is_zero() || due.since.is_none_or(|since| since.elapsed() <= limit) {
            return Ok(());
        }
        let what = match self.is_answered(&due) {
            true => "end of the stream",
            false => "reply",
        };
        let (server, seconds) = (&self.options.address, timeout.as_secs_f64());
        let hint = match is_first {
            true => "\nthe server may be serving another client: --timeout 60 waits longer",
            false => "", // it serves this client
        };
        Err(format!(
            "no {what} from {server}: nothing has arrived for {seconds} s{hint}"
        ))
    }
}
