use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{self, Child, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::difference::escape_line;
use crate::failure::ProgramEnd;

/// A command that starts a server, split into words as a POSIX shell splits them.
#[derive(Debug, Clone)]
pub struct Command {
    words: Vec<String>,
    running: Arc<Mutex<Option<u32>>>,
}

impl FromStr for Command {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        match shlex::split(typed) {
            Some(words) if !words.is_empty() => Ok(Command {
                words,
                running: Arc::default(),
            }),
            Some(_) => Err("the command is empty".to_owned()),
            None => Err("a quote or a backslash in the command is not closed".to_owned()),
        }
    }
}

/// Writes its words, for the headline.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&common::trace::escape(&self.words.join(" ")))
    }
}

impl Command {
    /// Returns `true` if a fresh port can be given to the program each time.
    pub fn takes_port(&self) -> bool {
        self.words
            .iter()
            .any(|word| word.contains("{address}") || word.contains("{port}"))
    }

    /// Starts the program on this address.
    pub(crate) fn start(&self, address: SocketAddr) -> io::Result<Program> {
        let fill = |word: &String| {
            word.replace("{address}", &address.to_string())
                .replace("{port}", &address.port().to_string())
        };
        let words: Vec<_> = self.words.iter().map(fill).collect();
        let child = spawn(&words[0], &words[1..]).or_else(|error| match words[0].as_str() {
            "python" if error.kind() == ErrorKind::NotFound => spawn("python3", &words[1..]),
            _ => Err(error),
        });
        let mut child = child?;
        let output = Arc::new(Mutex::new(VecDeque::new()));
        let (reader, closed) = mpsc::channel();
        keep_lines(child.stdout.take(), &output, &reader);
        keep_lines(child.stderr.take(), &output, &reader);
        *locked(&self.running) = Some(child.id());
        Ok(Program {
            child: RefCell::new(child),
            output,
            closed,
            running: Arc::clone(&self.running),
        })
    }

    /// Ends the program that runs now, if any: for Ctrl-C.
    pub fn end_running(&self) {
        if let Some(id) = *locked(&self.running) {
            end_tree(id);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(program: &str, arguments: &[String]) -> io::Result<Child> {
    let mut command = process::Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A Python that is killed would else lose its last lines, and on Windows fail to print Hangul into a pipe.
    command
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONIOENCODING", "utf-8");
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

/// Ends a program with all the programs that it has started.
#[cfg(unix)]
fn end_tree(id: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let group = i32::try_from(id).ok().and_then(Pid::from_raw);
    let _ = group.map(|group| kill_process_group(group, Signal::KILL)); // it may have ended
}

/// Ends a program with all the programs that it has started.
#[cfg(windows)]
fn end_tree(id: u32) {
    let mut command = process::Command::new("taskkill");
    command
        .args(["/T", "/F", "/PID", &id.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let _ = command.stderr(Stdio::null()).status(); // it may have ended
}

/// How many of the last lines are kept, and of each how many bytes.
const LINES: usize = 12;
const LINE_LEN: usize = 400;

type Lines = Arc<Mutex<VecDeque<Vec<u8>>>>;

/// Reads what the program prints, however much that is, and keeps the last lines. Drops its sender at the end.
fn keep_lines(stream: Option<impl Read + Send + 'static>, lines: &Lines, reader: &Sender<()>) {
    let (Some(stream), lines, reader) = (stream, Arc::clone(lines), reader.clone()) else {
        return;
    };
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        // A line without an end must not fill the memory, so it is read in pieces.
        while (&mut stream)
            .take(4_096)
            .read_until(b'\n', &mut line)
            .is_ok_and(|len| len > 0)
        {
            line.truncate(line.trim_ascii_end().len().min(LINE_LEN));
            let mut lines = locked(&lines);
            lines.push_back(std::mem::take(&mut line));
            let surplus = lines.len().saturating_sub(LINES);
            lines.drain(..surplus);
        }
        drop(reader);
    });
}

/// A program that runs until this is dropped.
pub(crate) struct Program {
    child: RefCell<Child>,
    output: Lines,
    closed: Receiver<()>,
    running: Arc<Mutex<Option<u32>>>,
}

impl Program {
    /// Returns its exit status if it has ended by itself.
    pub(crate) fn status(&self) -> Option<String> {
        let status = self.child.borrow_mut().try_wait().ok().flatten();
        status.map(|status| status.to_string())
    }

    /// Waits a moment for its end: a client learns of a crash before the program has printed why.
    pub(crate) fn status_within(&self, time: Duration) -> Option<String> {
        let started = Instant::now();
        loop {
            let status = self.status();
            if status.is_some() || started.elapsed() > time {
                return status;
            }
            thread::sleep(Duration::from_millis(5)); // std can wait for a process without a limit only
        }
    }

    /// Ends it, and returns what it left behind.
    pub(crate) fn end(self, status: Option<String>) -> ProgramEnd {
        self.kill();
        // Both readers are done once every holder of the pipes has ended.
        let _ = self.closed.recv_timeout(Duration::from_millis(500));
        let last_lines = locked(&self.output)
            .iter()
            .map(|line| escape_line(line))
            .collect();
        ProgramEnd { status, last_lines }
    }

    fn kill(&self) {
        end_tree(self.child.borrow().id());
        let _ = self.child.borrow_mut().wait(); // it may have been waited for
        *locked(&self.running) = None;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns this address with a port that is free, for the kind of socket that will be bound to it.
///
/// The port is below the range from which Linux, macOS and Windows serve a port 0, so that no client can get it
/// meanwhile.
pub(crate) fn fresh_port(address: SocketAddr, is_stream: bool) -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 21_000;
    const COUNT: u16 = 11_000;
    let start = (process::id().wrapping_mul(97) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let candidate = SocketAddr::new(address.ip(), FIRST + (start + step) % COUNT);
        if is_free(candidate, is_stream) {
            return candidate;
        }
    }
    address
}

/// Returns `true` if even a server that does not set `SO_REUSEADDR` could be bound to this address.
pub(crate) fn is_free(address: SocketAddr, is_stream: bool) -> bool {
    let (kind, protocol) = if is_stream {
        (Type::STREAM, Protocol::TCP)
    } else {
        (Type::DGRAM, Protocol::UDP)
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol));
    socket
        .and_then(|socket| socket.bind(&address.into()))
        .is_ok()
}

/// Returns `true` if a server listens there already.
pub(crate) fn is_taken(address: SocketAddr, is_stream: bool) -> bool {
    if !is_stream {
        return UdpSocket::bind(address).is_err();
    }
    // On Unix this bind succeeds while connections of an ended server only linger there.
    TcpListener::bind(address).is_err() && TcpStream::connect(address).is_ok()
}
