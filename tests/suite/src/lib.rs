//! The harness of the tests: starts programs and talks to them, with a deadline for each wait.
//!
//! A [`Process`] is any command; a [`Server`] prints `listening on IP:PORT` first. Both are killed
//! when they are dropped, so a test that fails leaves nothing running.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure fails a test"
)]

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
#[cfg(unix)]
pub use rustix::process::Signal;

/// Maximum time that any wait takes. Only a test that fails waits this long.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// What a text reply begins with by default.
pub const PREFIX: &str = "서버로부터 응답: ";

/// Returns the folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
}

/// Returns the path of one of the workspace's programs: `tcp-echo`, `checker`.
pub fn program(name: &str) -> PathBuf {
    target_folder()
        .join(name)
        .with_extension(env::consts::EXE_EXTENSION)
}

/// Returns the path of one of the steps: `tcp_2_loops`.
pub fn example(name: &str) -> PathBuf {
    program(&format!("examples/{name}"))
}

/// Returns the folder of the built programs.
///
/// The first call builds them: `cargo test` builds only the programs of the package that is tested.
fn target_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.current_dir(root()).args(BUILD.split(' '));
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let built = build.output().expect("cargo runs");
        let errors = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{errors}");
        // A test is target/PROFILE/deps/NAME-HASH, a program is target/PROFILE/NAME.
        let this = env::current_exe().expect("this program has a path");
        let mut folders = this.ancestors().skip(1);
        folders.find(|path| !path.ends_with("deps")).unwrap().into()
    })
}

const BUILD: &str =
    "build --quiet --bins --examples -p tcp-echo -p udp-echo -p threaded-echo -p checker";

/// Returns a command for one of the workspace's programs.
pub fn command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program(name));
    command.args(arguments);
    command
}

/// Returns a command for one of the workspace's programs, from words: `tcp-echo client hi`.
pub fn words(line: impl AsRef<str>) -> Command {
    let words: Vec<_> = line.as_ref().split_whitespace().collect();
    command(words[0], &words[1..])
}

/// Returns a command for Python 3, whichever name it has here, without buffers for its output.
pub fn python() -> Command {
    static NAME: OnceLock<&str> = OnceLock::new();
    let name = NAME.get_or_init(|| {
        let is_python_3 = |name: &&str| {
            let version = Command::new(name).arg("--version").output();
            version.is_ok_and(|output| output.stdout.starts_with(b"Python 3"))
        };
        let mut names = ["python3", "python"].into_iter();
        names.find(is_python_3).expect("Python 3 is installed")
    });
    let mut python = Command::new(name);
    python.env("PYTHONUTF8", "1").env("PYTHONUNBUFFERED", "1");
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

/// How a program ended.
#[derive(Debug)]
pub struct End {
    /// The exit status, or `None` if a signal ended the program.
    pub code: Option<i32>,
    /// What is printed on stdout. Of a [`Process`], only the lines that were not waited for.
    pub stdout: String,
    /// What is printed on stderr.
    pub stderr: String,
    /// How long the program took to end.
    pub took: Duration,
}

impl End {
    /// Returns what a program that succeeded printed on stdout.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// Returns what a program that failed with this status printed, which is all on stderr.
    #[track_caller]
    pub fn failure(self, code: i32) -> String {
        let is_expected = self.code == Some(code) && self.stdout.is_empty();
        assert!(is_expected, "not {code}: {self:?}");
        self.stderr
    }
}

/// Asserts that a text contains each of these.
#[track_caller]
pub fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text:?}");
    }
}

/// Runs one of the workspace's programs to its end, with this on its stdin.
pub fn run(line: impl AsRef<str>, stdin: impl AsRef<[u8]>) -> End {
    finish(words(line), stdin)
}

/// Runs a command to its end, with this on its stdin. Kills it, and fails, if it takes too long.
pub fn finish(command: Command, stdin: impl AsRef<[u8]>) -> End {
    let mut process = Process::spawn(command);
    let (input, stdin) = (process.child.stdin.take(), stdin.as_ref().to_vec());
    // This write fails if the program does not read all of its stdin, which it may.
    thread::spawn(move || input.unwrap().write_all(&stdin));
    process.end()
}

/// A program that runs beside the test. It is killed when this is dropped.
pub struct Process {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Process {
    /// Starts a command. What it prints is read immediately.
    pub fn spawn(command: Command) -> Self {
        Self::spawn_with(command, unbounded)
    }

    /// Starts a command. What it prints is read only when a line is waited for.
    pub fn spawn_unread(command: Command) -> Self {
        Self::spawn_with(command, || bounded(0))
    }

    fn spawn_with(mut command: Command, queue: fn() -> (Sender<String>, Receiver<String>)) -> Self {
        let [stdin, stdout, stderr] = [(); 3].map(|()| Stdio::piped());
        let child = command.stdin(stdin).stdout(stdout).stderr(stderr).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = Lines::new(child.stdout.take(), queue());
        let stderr = Lines::new(child.stderr.take(), queue());
        Process {
            child,
            stdout,
            stderr,
        }
    }

    /// Returns the process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types this into the process's stdin.
    ///
    /// # Errors
    ///
    /// Returns an error if the process has closed its stdin or has ended.
    pub fn type_text(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        self.child.stdin.as_mut().unwrap().write_all(text.as_ref())
    }

    /// Ends the process's stdin.
    pub fn end_input(&mut self) {
        self.child.stdin = None;
    }

    /// Returns the next line on stdout, or `None` at its end.
    pub fn next_line(&self) -> Option<String> {
        self.stdout.next()
    }

    /// Returns the next line on stdout.
    pub fn line(&self) -> String {
        self.next_line().expect("a line is expected on stdout")
    }

    /// Waits for a line on stdout that contains this, and returns it.
    pub fn wait_for(&self, part: &str) -> String {
        self.stdout.wait_for(part)
    }

    /// Waits for a line on stderr that contains this, and returns it.
    pub fn wait_for_error(&self, part: &str) -> String {
        self.stderr.wait_for(part)
    }

    /// Closes this side of the process's stdout, as `head -1` does.
    pub fn close_stdout(&mut self) {
        self.stdout.receiver = bounded(0).1; // its sender is gone, so the reading thread ends
    }

    /// Sends a signal.
    #[cfg(unix)]
    pub fn signal(&self, signal: Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).expect("the process has not ended");
    }

    /// Presses Ctrl-Z, and types `fg`.
    #[cfg(unix)]
    pub fn suspend_and_resume(&self) {
        use rustix::process::{Pid, WaitOptions, waitpid};
        self.signal(Signal::STOP);
        let id = Some(Pid::from_child(&self.child));
        waitpid(id, WaitOptions::UNTRACED).expect("the process has not ended");
        self.signal(Signal::CONT);
    }

    /// Presses Ctrl-C, and waits for the end.
    #[cfg(unix)]
    pub fn interrupt(&mut self) -> End {
        self.signal(Signal::INT);
        self.end()
    }

    /// Waits for the end, and returns the exit status. An unread process stays unread.
    pub fn wait(&mut self) -> Option<i32> {
        let started = Instant::now();
        // std waits for a child without a limit or not at all, so this asks again and again.
        while started.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            thread::park_timeout(Duration::from_millis(2));
        }
        panic!("the program has not ended after {DEADLINE:?}");
    }

    /// Waits for the end, and reads the rest of the output.
    pub fn end(&mut self) -> End {
        let started = Instant::now();
        let [stdout, stderr] = [self.stdout.rest(), self.stderr.rest()];
        let (code, took) = (self.wait(), started.elapsed());
        let [stdout, stderr] =
            [stdout, stderr].map(|rest| rest.recv_timeout(DEADLINE).expect("the output ends"));
        let stderr = mem::take(&mut *self.stderr.seen()) + &stderr;
        End {
            code,
            stdout,
            stderr,
            took,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // fails if it has ended
        let _ = self.child.wait();
    }
}

/// The lines of one stream of a process.
struct Lines {
    receiver: Receiver<String>,
    /// What was waited for.
    seen: Mutex<String>,
}

impl Lines {
    fn new(
        stream: Option<impl Read + Send + 'static>,
        (sender, receiver): (Sender<String>, Receiver<String>),
    ) -> Self {
        thread::spawn(move || {
            let mut stream = BufReader::new(stream.unwrap());
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
                if sender
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    break;
                }
                line.clear();
            }
        });
        let seen = Mutex::default();
        Lines { receiver, seen }
    }

    fn seen(&self) -> MutexGuard<'_, String> {
        self.seen.lock().unwrap()
    }

    fn next(&self) -> Option<String> {
        let line = match self.receiver.recv_timeout(DEADLINE) {
            Err(error) if error.is_timeout() => panic!("no line comes: {}", self.seen()),
            line => line.ok()?,
        };
        *self.seen() += &line;
        Some(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn wait_for(&self, part: &str) -> String {
        loop {
            match self.next() {
                Some(line) if line.contains(part) => return line,
                Some(_) => {}
                None => panic!("no line with {part:?}: {}", self.seen()),
            }
        }
    }

    fn rest(&self) -> Receiver<String> {
        let (lines, (sender, rest)) = (self.receiver.clone(), bounded(1));
        thread::spawn(move || sender.send(lines.iter().collect()));
        rest
    }
}

/// A server that runs as a program of its own.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    process: Process,
}

impl Server {
    /// Starts one of the workspace's servers on a free port, and waits until it listens.
    pub fn start(line: impl AsRef<str>) -> Self {
        Self::spawn(words(line.as_ref().to_owned() + " --address 127.0.0.1:0"))
    }

    /// Starts any server that prints `listening on IP:PORT` first.
    pub fn spawn(command: Command) -> Self {
        Self::wait_until_listening(Process::spawn(command))
    }

    /// Starts any server, and leaves unread what it prints after its first line.
    pub fn spawn_unread(command: Command) -> Self {
        Self::wait_until_listening(Process::spawn_unread(command))
    }

    fn wait_until_listening(mut process: Process) -> Self {
        let Some(line) = process.next_line() else {
            panic!("no first line: {:?}", process.end())
        };
        let address = line
            .strip_prefix("listening on ")
            .and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the first line is {line:?}"));
        Server { address, process }
    }
}

impl Deref for Server {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Runs a test for each of these at the same time: most tests wait most of the time.
pub fn in_parallel<T: Send>(items: impl IntoIterator<Item = T>, test: impl Fn(T) + Sync) {
    thread::scope(|scope| {
        for item in items {
            scope.spawn(|| test(item));
        }
    });
}

/// Connects to a TCP server. Reads and writes have the deadline.
pub fn connect(address: impl ToSocketAddrs) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server accepts connections");
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Returns a UDP socket that is connected to a server. Its receives have the deadline.
pub fn connect_udp(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((address.ip(), 0)).unwrap();
    socket.connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// Sends a message over TCP, and returns as many bytes as its reply, with the default prefix, has.
pub fn request(mut stream: &TcpStream, message: &str) -> String {
    stream.write_all(message.as_bytes()).unwrap();
    let mut reply = vec![0; PREFIX.len() + message.len()];
    stream.read_exact(&mut reply).unwrap();
    String::from_utf8_lossy(&reply).into_owned()
}

/// Returns what arrives until the end of the stream. A reset is a failure.
pub fn read_to_end(mut stream: &TcpStream) -> String {
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .expect("the stream ends without a reset");
    String::from_utf8_lossy(&bytes).into_owned()
}
