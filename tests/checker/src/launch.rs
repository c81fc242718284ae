use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{self, Child, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::lock;
use common::trace::escape;
use common::words::error_message;
use socket2::{Domain, Protocol, Socket, Type};

use crate::difference::escape_line;
use crate::failure::ProgramEnd;
use crate::words::{Words, words};

/// A command that starts a server, split into words as a POSIX shell splits them.
#[derive(Debug, Clone)]
pub struct Command {
    words: Vec<String>,
    /// The process ID of the program that runs now, if any.
    running: Arc<Mutex<Option<u32>>>,
}

impl FromStr for Command {
    type Err = &'static str;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let words =
            shlex::split(typed).ok_or("a quote or a backslash in the command is not closed")?;
        if words.is_empty() {
            return Err("the command is empty");
        }
        let running = Arc::default();
        Ok(Command { words, running })
    }
}

/// Writes its words, for the headline.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.words.join(" ")))
    }
}

impl Command {
    /// Returns `true` if a fresh port can be given to the program each time.
    pub fn takes_port(&self) -> bool {
        let is_place = |word: &String| word.contains("{address}") || word.contains("{port}");
        self.words.iter().any(is_place)
    }

    /// Starts the program on this address, or says why it cannot be run.
    pub(crate) fn start(&self, address: SocketAddr) -> Result<Program, Words> {
        let [port, address] = [address.port().to_string(), address.to_string()];
        let fill = |word: &String| word.replace("{address}", &address).replace("{port}", &port);
        let words_of_it: Vec<_> = self.words.iter().map(fill).collect();
        let (name, arguments) = words_of_it.split_at(1);
        let child = spawn(&name[0], arguments).or_else(|error| match &*name[0] {
            "python" if error.kind() == ErrorKind::NotFound => spawn("python3", arguments),
            _ => Err(error),
        });
        let mut child = child.map_err(|error| {
            let sentence = words("class.cannot-start").with(escape(&name[0]));
            sentence.with(error_message(&error))
        })?;
        let output = Lines::default();
        let (reader, closed) = mpsc::channel();
        keep_lines(child.stdout.take(), &output, &reader);
        keep_lines(child.stderr.take(), &output, &reader);
        *lock(&self.running) = Some(child.id());
        let (child, running) = (RefCell::new(child), Arc::clone(&self.running));
        Ok(Program {
            child,
            output,
            closed,
            running,
        })
    }

    /// Ends the program that runs now, if any: for Ctrl-C.
    pub fn end_running(&self) {
        if let Some(id) = *lock(&self.running) {
            end_tree(id);
        }
    }
}

fn spawn(program: &str, arguments: &[String]) -> io::Result<Child> {
    let mut command = process::Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // A Python that is killed would else lose its last lines, and on Windows fail to print Hangul into a pipe.
    command.env("PYTHONUNBUFFERED", "1");
    command.env("PYTHONIOENCODING", "utf-8");
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

/// Ends a program with all the programs that it has started, unless they have left its group.
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
    command.args(["/T", "/F", "/PID", &id.to_string()]);
    let _ = command.stdin(Stdio::null()).output(); // it may have ended
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
        let mut read = |line: &mut Vec<u8>| (&mut stream).take(4_096).read_until(b'\n', line);
        while read(&mut line).is_ok_and(|len| len > 0) {
            line.truncate(line.trim_ascii_end().len().min(LINE_LEN));
            let mut lines = lock(&lines);
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
    /// Returns its exit status if it has ended by itself, and not to go on in the background.
    pub(crate) fn status(&self) -> Option<String> {
        let status = self.child.borrow_mut().try_wait().ok().flatten();
        let is_open = || self.closed.try_recv() == Err(TryRecvError::Empty);
        let status = status.filter(|status| !(status.success() && is_open()));
        status.map(|status| status.to_string())
    }

    /// Ends it if it does not end by itself within this time, and returns what it left behind.
    pub(crate) fn end(&self, within: Duration) -> ProgramEnd {
        let started = Instant::now();
        while self.status().is_none() && started.elapsed() < within {
            thread::sleep(Duration::from_millis(5)); // std can wait for a process without a limit only
        }
        let status = self.status();
        self.kill();
        // Both readers are done once every holder of the pipes has ended.
        let _ = self.closed.recv_timeout(Duration::from_millis(500));
        let lines = lock(&self.output);
        let last_lines = lines.iter().map(|line| escape_line(line)).collect();
        ProgramEnd { status, last_lines }
    }

    fn kill(&self) {
        if let Some(id) = lock(&self.running).take() {
            end_tree(id);
            let _ = self.child.borrow_mut().wait(); // it may have been waited for
        }
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
    const FIRST: u16 = 21_000;
    const COUNT: u16 = 11_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (process::id().wrapping_mul(97) % u32::from(COUNT)) as u16;
    let candidates = (0..COUNT).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        SocketAddr::new(address.ip(), FIRST + (start + step) % COUNT)
    });
    let mut free = candidates.filter(|candidate| is_free(*candidate, is_stream));
    free.next().unwrap_or(address)
}

/// Returns `true` if even a server that does not set `SO_REUSEADDR` could be bound to this address.
pub(crate) fn is_free(address: SocketAddr, is_stream: bool) -> bool {
    let (kind, protocol) = match is_stream {
        true => (Type::STREAM, Protocol::TCP),
        false => (Type::DGRAM, Protocol::UDP),
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol));
    socket.is_ok_and(|socket| socket.bind(&address.into()).is_ok())
}

/// Returns `true` if another server keeps this address: the last program may take a moment to end.
pub(crate) fn is_occupied(address: SocketAddr, is_stream: bool) -> bool {
    let started = Instant::now();
    // Connections of a server that has ended may linger there, and hold the port as well.
    let is_kept = || !is_stream || TcpStream::connect(address).is_ok();
    while !is_free(address, is_stream) && is_kept() {
        if started.elapsed() > Duration::from_secs(1) {
            return true;
        }
        thread::sleep(Duration::from_millis(20)); // nothing reports that a port becomes free
    }
    false
}
