use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Long enough for any machine; only a test that fails waits for it.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The path of one of the workspace's programs. `cargo test` does not build the programs of other packages, so the first
/// call does.
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "-p", "tcp-echo", "-p", "udp-echo", "-p", "threaded-echo", "-p", "tests"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the programs do not build");
        // This test is target/PROFILE/deps/suite-HASH, the programs are target/PROFILE/NAME.
        let this_test = std::env::current_exe().expect("this test has a path");
        this_test.ancestors().nth(2).expect("it is two folders deep").to_owned()
    });
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Whether another program is installed. Where it is not, its tests are skipped, and say so; in CI that is a failure.
pub fn have(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut names = std::env::split_paths(&folders).map(|folder| folder.join(program));
    let found = names.any(|path| path.with_extension(std::env::consts::EXE_EXTENSION).is_file());
    assert!(found || std::env::var_os("CI").is_none(), "{program} is not installed, and in CI it has to be");
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// A command for one of the workspace's programs.
pub fn command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program(name));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a program to its end, with this on its stdin.
pub fn run(name: &str, arguments: &[&str], stdin: &[u8]) -> Output {
    finish(command(name, arguments), stdin)
}

/// Runs a command to its end, with this on its stdin; kills it, and fails, when it takes too long.
pub fn finish(mut command: Command, stdin: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let (mut input, stdin) = (child.stdin.take().unwrap(), stdin.to_vec());
    thread::spawn(move || input.write_all(&stdin)); // a program that closes its stdin early is no error here
    let (stdout, stderr) = (collect(child.stdout.take().unwrap()), collect(child.stderr.take().unwrap()));
    let status = wait(&mut child);
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        all
    })
}

/// std can wait for a process for ever or not at all, so this asks again and again until the deadline.
pub fn wait(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status;
        }
        if started.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("the program has not ended in {DEADLINE:?}");
        }
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// A server that runs as a program of its own; killed when this is dropped.
#[cfg_attr(not(unix), expect(dead_code, reason = "its last words are asked for after a signal"))]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    lines: Receiver<String>,
    errors: Receiver<String>,
    /// The lines of `errors` that have been waited for.
    complaints: RefCell<String>,
}

/// What a server left behind when it ended.
#[cfg(unix)]
#[derive(Debug)]
pub struct End {
    pub status: ExitStatus,
    /// The lines on stdout that nobody has waited for.
    pub lines: Vec<String>,
    pub stderr: String,
    /// How long it took to end.
    pub took: Duration,
}

impl Server {
    /// Starts one of the workspace's servers on a free port, and waits until it listens.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        Self::spawn(command(name, &[&["server", "--address", "127.0.0.1:0"], arguments].concat()))
    }

    /// Starts any server whose first line is `listening on IP:PORT`.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let lines = lines_of(child.stdout.take().unwrap());
        let errors = lines_of(child.stderr.take().unwrap());
        let Ok(first) = lines.recv_timeout(DEADLINE) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} does not listen: {:?}", errors.iter().collect::<Vec<_>>());
        };
        let address = first.strip_prefix("listening on ").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{command:?} begins with {first:?}"));
        Server { child, address, lines, errors, complaints: RefCell::default() }
    }

    /// The next line on stdout.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("a line is expected on stdout")
    }

    /// Waits for a line on stdout that has this in it.
    pub fn wait_for(&self, part: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits for a line on stderr that has this in it.
    #[cfg(unix)]
    pub fn wait_for_complaint(&self, part: &str) {
        let mut complaints = self.complaints.borrow_mut();
        while !complaints.contains(part) {
            complaints.push_str(&self.errors.recv_timeout(DEADLINE).expect("a line is expected on stderr"));
            complaints.push('\n');
        }
    }

    #[cfg(unix)]
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Presses Ctrl-C, and waits for the end.
    #[cfg(unix)]
    pub fn interrupt(self) -> End {
        self.signal(rustix::process::Signal::INT);
        self.end()
    }

    /// Waits for the end.
    #[cfg(unix)]
    pub fn end(mut self) -> End {
        let started = Instant::now();
        let status = wait(&mut self.child);
        let took = started.elapsed();
        let mut stderr = self.complaints.take();
        stderr.extend(self.errors.iter().map(|line| line + "\n"));
        End { status, lines: self.lines.iter().collect(), stderr, took }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}
