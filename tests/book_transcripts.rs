//! A session is `docs/transcripts/NAME.session`, one step a line; what it has printed is `NAME.txt` beside it.
//!
//! ```text
//! # a comment
//! 1 $ cargo run -p tcp-echo       types a command in terminal 1, and starts it
//! 1 > Ctrl-C stops this server    waits for a line in terminal 1 that has this in it
//! 1 listens                       waits until the program in terminal 1 listens, for those that say nothing
//! 2 < 안녕                        types a line for the program in terminal 2
//! 2 ^D                            ends what is typed there
//! 1 ^C                            presses Ctrl-C there
//! 1 .                             waits for the program's end; `1 . 1` when it ends with the status 1
//! ```
//!
//! Lines appear in the order of the steps, never by chance. Each session has a port of its own, so that all can run at
//! once, and shows it as 12345. What differs from run to run is made the same: ports, seconds, where Python is installed.

use std::collections::{BTreeSet, HashMap};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::book_pages::{files, none, root};

/// Long enough for any machine; only a session that fails waits for it.
const DEADLINE: Duration = Duration::from_secs(30);

/// The port of the tutorial, and of every session that is shown.
const SHOWN_PORT: &str = "12345";

fn folder() -> PathBuf {
    root().join("docs/transcripts")
}

/// The folder of the workspace's programs, which `cargo test` alone does not build.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.current_dir(root()).args(["build", "--quiet", "--workspace", "--bins"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the programs do not build");
        // This test is target/PROFILE/deps/book-HASH, the programs are target/PROFILE/NAME.
        env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
    })
}

/// A port that no socket has, not even one whose connection has ended a minute ago: some programs could not listen there.
///
/// The socket that comes with it has the next port, for as long as the session lasts: so no other run of these tests, at
/// the same time, takes the same one.
fn free_port() -> (u16, UdpSocket) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 5_000) as u16 * 2; // below those that the system gives to clients
    loop {
        let port = first + NEXT.fetch_add(1, Relaxed) % 1_000 * 2;
        let Ok(reserved) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port + 1)) else { continue };
        if !has_socket("tcp", port, "") && !has_socket("udp", port, "") {
            return (port, reserved);
        }
    }
}

/// Whether the system's table of sockets has one with this port and, in its line, this (proc_net_tcp(5)).
fn has_socket(table: &str, port: u16, part: &str) -> bool {
    let sockets = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
    let local = format!(":{port:04X} ");
    sockets.lines().any(|line| line.contains(&local) && line.contains(part))
}

/// The command as it is run: `cargo run -p NAME --` is the program that cargo would run, on the session's own port.
fn as_run(typed: &str, port: u16) -> String {
    let mut run = String::new();
    for part in typed.split_inclusive(['|', ';']) {
        let (part, end) = part.split_at(part.trim_end_matches(['|', ';']).len());
        run += &replace_number(&simple_as_run(part, port), SHOWN_PORT, &port.to_string());
        run += end;
    }
    if run.starts_with(['(', '{']) { run } else { format!("exec {run}") }
}

fn simple_as_run(typed: &str, port: u16) -> String {
    let Some((before, after)) = typed.split_once("cargo run ") else { return typed.to_owned() };
    let mut words = after.split_whitespace().skip_while(|word| matches!(*word, "-q" | "-p"));
    let program = programs().join(words.next().expect("cargo run -p NAME"));
    let (arguments, redirected) = match after.split_once(" -- ").map_or("", |(_, arguments)| arguments) {
        arguments if arguments.contains(['<', '>']) => arguments.split_at(arguments.find(['<', '>']).unwrap()),
        arguments => (arguments, ""),
    };
    let is_given = arguments.contains("--address") || arguments.contains("-a ") || program.ends_with("tests"); // its address is no option: a session types it
    let address = if is_given { String::new() } else { format!("--address 127.0.0.1:{port}") };
    format!("{before}{} {} {address} {redirected}", program.display(), arguments.trim_end())
}

/// Puts another number for this one, but not for a part of a longer one.
fn replace_number(text: &str, number: &str, other: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(number) {
        let (before, after) = (&rest[..at], &rest[at + number.len()..]);
        let is_part = before.ends_with(|character: char| character.is_ascii_digit())
            || after.starts_with(|character: char| character.is_ascii_digit());
        result.push_str(before);
        result.push_str(if is_part { number } else { other });
        rest = after;
    }
    result + rest
}

/// A window with a program in it.
struct Terminal {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Terminal {
    fn start(typed: &str, port: u16) -> Self {
        let mut child = Command::new("bash")
            .args(["-c", &format!("exec 2>&1\n{}", as_run(typed, port))])
            .current_dir(root())
            .env("PYTHONPATH", folder())
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUTF8", "1")
            .env("CARGO", "cargo") // so the programs see that it is cargo that was typed
            .env("SESSION_PORT", port.to_string())
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0) // Ctrl-C reaches all that was started here, and nothing else
            .spawn()
            .expect("bash runs");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.split(b'\n').map_while(Result::ok) {
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned()); // the session may have failed
            }
        });
        Terminal { stdin: child.stdin.take(), child, lines }
    }

    /// The next line; `None` at the end.
    fn line(&self) -> Result<Option<String>, String> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(format!("nothing has come for {DEADLINE:?}")),
        }
    }

    fn type_line(&mut self, line: &str) -> Result<(), String> {
        let stdin = self.stdin.as_mut().ok_or("its input has ended")?;
        stdin.write_all(format!("{line}\n").as_bytes()).map_err(|error| error.to_string())
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(Pid::from_child(&self.child), signal); // it may have ended
    }

    /// What the program says with its exit status, or what the shell would say of its signal.
    fn status(&mut self) -> Result<i32, String> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Ok(status.code().unwrap_or(130));
            }
            if started.elapsed() > DEADLINE {
                return Err("it has closed its output, but does not end".to_owned());
            }
            thread::park_timeout(Duration::from_millis(2));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Waits until a TCP socket listens on this port (state 0A), or a UDP socket has it. To connect would tell as well, but a
/// server takes that for a client.
fn listening(port: u16) -> Result<(), String> {
    let started = Instant::now();
    while started.elapsed() < DEADLINE {
        if has_socket("tcp", port, ":0000 0A ") || has_socket("udp", port, ":0000 07 ") {
            return Ok(());
        }
        thread::park_timeout(Duration::from_millis(2)); // the system tells nobody that a socket has begun to listen
    }
    Err(format!("nobody has listened for {DEADLINE:?}"))
}

/// A session while it runs: its terminals, and what they have shown.
struct Session {
    port: u16,
    terminals: HashMap<char, Terminal>,
    shown: Vec<(char, String)>,
}

impl Session {
    fn step(&mut self, number: char, verb: &str, rest: &str) -> Result<(), String> {
        let shown = match verb {
            "$" => Some(format!("$ {rest}")),
            "<" => Some(rest.to_owned()),
            "^C" | "^D" => Some(verb.to_owned()),
            _ => None,
        };
        self.shown.extend(shown.map(|shown| (number, shown)));
        if verb == "$" {
            self.terminals.insert(number, Terminal::start(rest, self.port));
            return Ok(());
        }
        let terminal = self.terminals.get_mut(&number).ok_or("nothing runs in this terminal")?;
        match verb {
            "<" => terminal.type_line(rest),
            "^D" => {
                terminal.stdin = None;
                Ok(())
            }
            "^C" => {
                terminal.signal(Signal::INT);
                Ok(())
            }
            "listens" => listening(self.port),
            ">" => self.wait_for(number, rest),
            "." => self.end(number, rest.parse().unwrap_or(0)),
            other => Err(format!("what is {other:?}?")),
        }
    }

    fn wait_for(&mut self, number: char, part: &str) -> Result<(), String> {
        while let Some(line) = self.terminals[&number].line()? {
            let found = line.contains(part);
            self.shown.push((number, line));
            if found {
                return Ok(());
            }
        }
        Err(format!("it has ended without a line with {part:?}"))
    }

    fn end(&mut self, number: char, expected: i32) -> Result<(), String> {
        while let Some(line) = self.terminals[&number].line()? {
            self.shown.push((number, line));
        }
        match self.terminals.get_mut(&number).map(Terminal::status).unwrap_or(Ok(expected))? {
            status if status == expected => Ok(()),
            status => Err(format!("it has ended with {status}, not {expected}")),
        }
    }

    /// What has been shown, without what differs from run to run.
    fn transcript(self) -> String {
        let mut normal = Normal { port: self.port, peers: Vec::new(), milliseconds: 0, in_foreign_frame: false };
        let terminals: BTreeSet<_> = self.shown.iter().map(|(number, _)| *number).collect();
        let lines = self.shown.iter().filter_map(|(number, line)| Some((number, normal.line(line)?)));
        let lines = lines.map(|(number, line)| match terminals.len() {
            1 => format!("{line}\n"),
            _ => format!("{}\n", format!("{number} │ {line}").trim_end()),
        });
        lines.collect()
    }
}

/// Makes the same of what differs from run to run.
struct Normal {
    port: u16,
    peers: Vec<String>,
    milliseconds: u32,
    in_foreign_frame: bool,
}

impl Normal {
    /// The line as it is shown, if it is.
    fn line(&mut self, line: &str) -> Option<String> {
        if !self.is_ours(line) {
            return None;
        }
        let line = line.replace(&format!("{}/", root().display()), "");
        // On the tutorial's port, a server leaves out of the line to be pasted what the client does by itself.
        let line = line.replace(&format!(" -- client --address 127.0.0.1:{} ", self.port), " -- client ");
        let line = self.peer(&replace_number(&line, &self.port.to_string(), SHOWN_PORT));
        Some(self.time(&line))
    }

    /// Of a Python traceback, only the frames of the program itself: the others differ with Python's version and place.
    fn is_ours(&mut self, line: &str) -> bool {
        if let Some((file, _)) = line.strip_prefix("  File \"").and_then(|rest| rest.split_once('"')) {
            let file = Path::new(file);
            self.in_foreign_frame = !file.strip_prefix(root()).unwrap_or(file).starts_with("docs/python");
        } else if !line.starts_with("    ") {
            self.in_foreign_frame = false;
        }
        let is_underline = line.contains(['^', '~']) && line.chars().all(|character| " ^~".contains(character));
        !self.in_foreign_frame && (!is_underline || line == "^C")
    }

    /// The ports that the system has given to clients: 50001, 50002, in the order of their appearance.
    fn peer(&mut self, line: &str) -> String {
        let mut line = line.to_owned();
        for before in ["127.0.0.1:", "127.0.0.1', ", "[::1]:", "'::1', "] {
            let mut from = 0;
            while let Some(at) = line[from..].find(before).map(|at| from + at + before.len()) {
                let length = line[at..].bytes().take_while(u8::is_ascii_digit).count();
                let port = line[at..at + length].to_owned();
                if port.parse::<u16>().is_ok() && port != SHOWN_PORT {
                    let known = self.peers.iter().position(|peer| *peer == port);
                    let index = known.unwrap_or_else(|| {
                        self.peers.push(port);
                        self.peers.len() - 1
                    });
                    line.replace_range(at..at + length, &(50_001 + index).to_string());
                }
                from = at;
            }
        }
        line
    }

    /// `3.1 s` becomes `0.0 s`, and the first column of a trace goes up by a millisecond a line.
    fn time(&mut self, line: &str) -> String {
        if line.get(..10).is_some_and(|start| start.trim_start().parse::<f64>().is_ok() && start.as_bytes()[3] == b'.')
        {
            self.milliseconds += 1;
            return format!("{:10.6}{}", f64::from(self.milliseconds) / 1000.0, &line[10..]);
        }
        let Some((before, after)) = line.rsplit_once(" s") else { return line.to_owned() };
        let number = &before[before.rfind(' ').map_or(0, |at| at + 1)..];
        if after.is_empty() && number.contains('.') && number.parse::<f64>().is_ok() {
            return format!("{}0.0 s", &before[..before.len() - number.len()]);
        }
        line.to_owned()
    }
}

/// Runs a session to its end: what it has shown, or the step that failed, and what had been shown by then.
fn run(script: &str) -> Result<String, String> {
    let (port, _reserved) = free_port();
    let mut session = Session { port, terminals: HashMap::new(), shown: Vec::new() };
    for (at, line) in script.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (number, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let number = number.chars().next().unwrap();
        if let Err(why) = session.step(number, verb, rest) {
            let rest: Vec<_> =
                session.terminals.get(&number).into_iter().flat_map(|terminal| terminal.lines.try_iter()).collect();
            return Err(format!("line {}: {line}\n  {why}\n{}{}", at + 1, session.transcript(), rest.join("\n")));
        }
    }
    Ok(session.transcript())
}

/// What is wrong with a session, if anything.
fn check(session: &Path) -> Option<String> {
    let name = session.file_stem().unwrap().to_string_lossy();
    let shown = match run(&fs::read_to_string(session).unwrap()) {
        Ok(shown) => shown,
        Err(why) => return Some(format!("docs/transcripts/{name}.session: {why}")),
    };
    let file = session.with_extension("txt");
    if env::var_os("UPDATE").is_some() {
        fs::write(file, shown).unwrap();
        return None;
    }
    let recorded = fs::read_to_string(file).unwrap_or_default();
    if recorded == shown {
        return None;
    }
    let difference = similar::TextDiff::from_lines(&recorded, &shown);
    let difference = difference.unified_diff().context_radius(2).header("the book", "this run").to_string();
    Some(format!(
        "docs/transcripts/{name}.txt:\n{difference}    UPDATE=1 cargo test -p tests --test book transcripts\n"
    ))
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn every_transcript_is_what_its_session_prints() {
    let mut sessions = files(&folder(), "session");
    if !is_there("python3") {
        assert!(env::var_os("CI").is_none(), "python3 is not there");
        eprintln!("python3 is not there: the sessions with Python are skipped");
        sessions.retain(|session| !fs::read_to_string(session).unwrap().contains("python3"));
    }
    programs();
    let wrong = thread::scope(|scope| {
        let threads: Vec<_> = sessions.iter().map(|session| scope.spawn(|| check(session))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    none(wrong);
}

#[test]
fn every_transcript_has_a_session() {
    let texts = files(&folder(), "txt").into_iter().filter(|text| !text.with_extension("session").exists());
    none(texts.map(|text| format!("{} has no session", text.display())).collect());
}

#[test]
fn every_broken_program_is_run_in_a_session() {
    let sessions: Vec<_> = files(&folder(), "session").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let programs = files(&root().join("docs/python/broken"), "py").into_iter();
    let names = programs.map(|path| format!("docs/python/broken/{}", path.file_name().unwrap().to_string_lossy()));
    let alone = names.filter(|name| !sessions.iter().any(|session| session.contains(name.as_str())));
    none(alone.map(|name| format!("{name} is in no session")).collect());
}

#[test]
fn what_differs_from_run_to_run_is_made_the_same() {
    let mut normal = Normal { port: 20_123, peers: Vec::new(), milliseconds: 0, in_foreign_frame: false };
    let mut line = |line| normal.line(line);
    let same = |line: &str| Some(line.to_owned());
    assert_eq!(line("listening on 127.0.0.1:20123"), same("listening on 127.0.0.1:12345"));
    assert_eq!(
        line("client 127.0.0.1:45678 left: 1 message, 7 bytes, 0.3 s"),
        same("client 127.0.0.1:50001 left: 1 message, 7 bytes, 0.0 s")
    );
    // Which ports the system gives to clients is its owner's choice.
    assert_eq!(line("('127.0.0.1', 1679) and 127.0.0.1:45678"), same("('127.0.0.1', 50002) and 127.0.0.1:50001"));
    assert_eq!(line("no port: 127.0.0.1:123456"), same("no port: 127.0.0.1:123456"));
    assert_eq!(line("  1.200314 127.0.0.1:45678 accept"), same("  0.001000 127.0.0.1:50001 accept"));
    assert_eq!(line("  File \"/usr/lib/python3/socket.py\", line 1, in recv"), None);
    assert_eq!(line("    code of python's own"), None);
    assert_eq!(line("UnicodeDecodeError: of ours"), same("UnicodeDecodeError: of ours"));
}
