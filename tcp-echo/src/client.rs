//! The client: sends its input and prints the replies, both at the same time.
//!
//! A client that sends everything before it reads anything blocks forever once the replies fill the
//! buffers.

use std::error::Error;
use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::addr::{Address, DEFAULT_ADDRESS};
use common::framing::Framing;
use common::report::print_error;
use common::timeout::{is_timeout, parse_timeout, socket_timeout};
use common::trace::Trace;
use common::usage::address_note;
use common::words::with_action;
use common::{lock, spawn};

/// What to send, and where.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Words of one message (without any, stdin is sent)
    #[arg(value_parser = parse_word)]
    pub message: Vec<String>,
    /// Address of the server
    #[arg(short, long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS)]
    pub address: Address,
    /// Where a message ends: with line, the message gets a line ending
    #[arg(long, default_value = "chunk")]
    pub framing: Framing,
    /// How long to wait for a byte while a reply is due (0 = forever)
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_timeout)]
    pub timeout: Duration,
    /// Send this many bytes at a time, as a network might deliver them
    #[arg(long, value_name = "BYTES")]
    pub cut: Option<NonZeroUsize>,
    /// How long to wait between the pieces, in milliseconds
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

/// How often the receiver checks whether a reply is overdue.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Sends the message, or stdin, and prints the replies.
///
/// # Errors
///
/// Returns an error if not everything could be sent, or no reply arrived in time. What arrived is
/// printed.
pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    if let Some(note) = address_note(&options.message) {
        print_error("tcp-echo", note);
    }
    let trace = Trace::to_stderr(options.trace)?;
    let result = exchange(options, &trace);
    trace.finish();
    result
}

fn exchange(options: &Options, trace: &Trace) -> Result<(), Box<dyn Error>> {
    let server = &options.address;
    let stream = Arc::new(server.connect(options.timeout)?);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(POLL_INTERVAL))?;
    trace.call(server, "connect");
    let due = Arc::new(Mutex::new(Due::new(options.framing)));
    let sent = start_sender(&stream, &due, options, trace)?;
    let last_byte = receive(&stream, &due, options, trace)?;
    let is_message = !options.message.is_empty();
    if is_message && last_byte.is_some_and(|byte| byte != b'\n') {
        print(b"\n")?; // the shell's prompt comes next
    }
    match sent.recv_timeout(POLL_INTERVAL) {
        // A full server replies before it has read anything.
        _ if is_message && last_byte.is_some() => Ok(()),
        Ok(Ok(0)) => Ok(()),
        Ok(Ok(_)) if last_byte.is_some() => Ok(()),
        Ok(Ok(_)) => Err(format!("{server} closed the connection without a reply").into()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(format!("{server} closed the connection before everything was sent").into()),
    }
}

/// Starts a thread that sends the input to its end, and reports its length.
///
/// It is not a scoped thread: if the server closes while a person is typing, nothing can end the
/// read of that input.
fn start_sender(
    stream: &Arc<TcpStream>,
    due: &Arc<Mutex<Due>>,
    options: &Options,
    trace: &Trace,
) -> io::Result<mpsc::Receiver<io::Result<usize>>> {
    let (stream, due) = (Arc::clone(stream), Arc::clone(due));
    let (options, trace) = (options.clone(), trace.clone());
    let (done, sent) = mpsc::channel();
    spawn(move || {
        let result = send(&stream, &due, &options, &trace);
        lock(&due).start_waiting().has_sent_all = true;
        // Tells the server that the last message is complete.
        let _ = stream.shutdown(Shutdown::Write);
        done.send(result)
    })?;
    Ok(sent)
}

fn send(
    mut stream: &TcpStream,
    due: &Mutex<Due>,
    options: &Options,
    trace: &Trace,
) -> io::Result<usize> {
    let message = options.message.join(" ");
    let mut input: Box<dyn Read> = match options.framing {
        _ if message.is_empty() => Box::new(io::stdin()),
        Framing::Line => Box::new(Cursor::new(message + "\n")),
        Framing::Chunk | Framing::Raw => Box::new(Cursor::new(message)),
    };
    let (mut buffer, mut total) = (vec![0; 65_536], 0);
    loop {
        let len = match input.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result.map_err(|error| with_action("read the input", &error))?,
        };
        if len == 0 {
            return Ok(total);
        }
        for piece in buffer[..len].chunks(options.cut.map_or(len, NonZeroUsize::get)) {
            if total > 0 && options.cut.is_some() {
                // It is what --pause is for.
                thread::sleep(Duration::from_millis(options.pause.into()));
            }
            lock(due).start_waiting().add(piece, 1);
            // Before the call: the reply may be faster than our line.
            trace.bytes(&options.address, "send", piece);
            let sent = stream.write_all(piece);
            sent.map_err(|error| with_action("send everything", &error))?;
            total += piece.len();
        }
    }
}

/// Prints what arrives until the server ends its side, and returns the last byte.
fn receive(
    mut stream: &TcpStream,
    due: &Mutex<Due>,
    options: &Options,
    trace: &Trace,
) -> Result<Option<u8>, Box<dyn Error>> {
    let (mut buffer, mut last_byte) = (vec![0; 65_536], None);
    loop {
        let len = match stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if is_timeout(&error) => {
                let timeout = socket_timeout(options.timeout);
                if timeout.is_some_and(|timeout| lock(due).waited() > timeout) {
                    let (server, seconds) = (&options.address, options.timeout.as_secs_f64());
                    return Err(format!(
                        "no reply from {server}: nothing has arrived for {seconds} s\n\
                         the server may be serving another client: --timeout 60 waits longer"
                    )
                    .into());
                }
                continue;
            }
            result => result.map_err(|error| with_action("receive", &error))?,
        };
        trace.bytes(&options.address, "recv", &buffer[..len]);
        if len == 0 {
            return Ok(last_byte);
        }
        last_byte = Some(buffer[len - 1]);
        print(&buffer[..len])?;
        let mut due = lock(due);
        due.add(&buffer[..len], -1);
        due.since = Instant::now();
    }
}

/// What the server owes the client: the bytes and lines that were sent and have not come back, or
/// the end of its stream.
struct Due {
    framing: Framing,
    bytes: i64,
    lines: i64,
    has_sent_all: bool,
    /// When the client began to wait, or when the last byte arrived.
    since: Instant,
}

impl Due {
    fn new(framing: Framing) -> Self {
        Due {
            framing,
            bytes: 0,
            lines: 0,
            has_sent_all: false,
            since: Instant::now(),
        }
    }

    fn add(&mut self, bytes: &[u8], sign: i64) {
        self.bytes += sign * bytes.len() as i64;
        self.lines += sign * bytes.iter().filter(|byte| **byte == b'\n').count() as i64;
    }

    /// A reply contains its message, so it is at least as long. An error reply need not be, but it
    /// is a line.
    fn is_due(&self) -> bool {
        self.has_sent_all || self.lines > 0 || self.framing != Framing::Line && self.bytes > 0
    }

    fn start_waiting(&mut self) -> &mut Self {
        if !self.is_due() {
            self.since = Instant::now();
        }
        self
    }

    fn waited(&self) -> Duration {
        if self.is_due() {
            self.since.elapsed()
        } else {
            Duration::ZERO
        }
    }
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(bytes).and_then(|()| stdout.flush())
}
