//! What a server tells the person who started it: lines on stdout, errors on stderr, and the sum at the end.
//!
//! Not `println!`: it panics when stdout is closed, and `tcp-echo | head -1` is no reason for a server to die. So what
//! cannot be printed is dropped.

use std::collections::HashMap;
use std::fmt::{self, Arguments, Display, Formatter};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

/// The voice of one server, and its counters. Shared by all its threads.
pub struct Report {
    program: &'static str,
    quiet: bool,
    clients: AtomicU64,
    messages: AtomicU64,
    bytes: AtomicU64,
    /// When each recurring error was said last.
    said: Mutex<HashMap<String, Instant>>,
}

/// A recurring error is said once in this time.
const RECURRING: Duration = Duration::from_secs(60);

impl Report {
    /// A report in the name of `program`. A quiet one says only where the server listens, and what goes wrong.
    pub fn new(program: &'static str, quiet: bool) -> Self {
        Report { program, quiet, clients: 0.into(), messages: 0.into(), bytes: 0.into(), said: Mutex::default() }
    }

    /// The first lines: where the server listens, what to type in a second terminal, and how to stop.
    pub fn listening(&self, bound: SocketAddr) {
        print(format_args!("listening on {bound}"));
        self.line(format_args!("{}", self.client_command(bound)));
        self.line("paste the line above into a second terminal; Ctrl-C stops this server");
        if !bound.ip().is_loopback() {
            self.error(format_args!("warning: listening on {bound}: anyone on that network can connect"));
        }
    }

    /// Under `cargo run` it is cargo again; started by hand it is this program as it was typed.
    fn client_command(&self, bound: SocketAddr) -> String {
        let by_hand = std::env::args_os().next().filter(|_| std::env::var_os("CARGO").is_none());
        let program = match by_hand.map(|path| path.to_string_lossy().into_owned()) {
            None => format!("cargo run -q -p {} --", self.program),
            Some(path) if path.contains(' ') => format!("\"{path}\""),
            Some(path) => path,
        };
        let address = crate::addr::Address::from(crate::addr::reachable(bound));
        if address == crate::addr::Address::default() {
            format!("{program} client 안녕하세요")
        } else if bound.is_ipv6() {
            format!("{program} client --address \"{address}\" 안녕하세요") // to zsh, brackets are a pattern
        } else {
            format!("{program} client --address {address} 안녕하세요")
        }
    }

    /// One line on stdout, unless quiet.
    pub fn line(&self, line: impl Display) {
        if !self.quiet {
            print(format_args!("{line}"));
        }
    }

    /// One line on stderr, in the form `PROGRAM: what it was doing, on what: why`.
    pub fn error(&self, sentence: impl Display) {
        complain(self.program, sentence);
    }

    /// Like [`error`](Self::error), for what may come back a thousand times a second, as when descriptors run out: the same
    /// sentence is said once in a minute.
    pub fn recurring_error(&self, sentence: impl Display) {
        let sentence = sentence.to_string();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(&sentence).is_none_or(|last| last.elapsed() > RECURRING) {
            self.error(&sentence);
            said.insert(sentence, Instant::now());
        }
    }

    /// A line for a client that has come, and the counters of what it will send.
    pub fn connected(&self, peer: SocketAddr, note: &str) -> Client<'_> {
        self.clients.fetch_add(1, Relaxed);
        self.line(format_args!("client {peer} connected{note}"));
        Client { report: self, peer, messages: 0, bytes: 0, since: Instant::now() }
    }

    /// So many messages more, of so many bytes in all.
    pub fn count(&self, messages: u64, bytes: u64) {
        self.messages.fetch_add(messages, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// One client more, on a server without connections.
    pub fn count_client(&self) {
        self.clients.fetch_add(1, Relaxed);
    }

    /// The last line: clients, messages and bytes in all. It is not waited for longer than `time_left`: when nobody reads
    /// stdout, or Ctrl-S holds it, a server has to end all the same.
    pub fn summary(self: &Arc<Self>, time_left: Duration) {
        let report = Arc::clone(self);
        let (printed, done) = bounded(1);
        let printing = thread::Builder::new().spawn(move || {
            let clients = count(report.clients.load(Relaxed), "client");
            let messages = count(report.messages.load(Relaxed), "message");
            let bytes = count(report.bytes.load(Relaxed), "byte");
            report.line(format_args!("stopped: {clients}, {messages}, {bytes}"));
            printed.send(())
        });
        let _ = printing.map(|_| done.recv_timeout(time_left));
    }
}

/// A client that is connected, and what it has sent so far.
pub struct Client<'report> {
    /// Its address.
    pub peer: SocketAddr,
    report: &'report Report,
    messages: u64,
    bytes: u64,
    since: Instant,
}

impl Client<'_> {
    /// So many messages more, of so many bytes in all.
    pub fn count(&mut self, messages: u64, bytes: u64) {
        self.messages += messages;
        self.bytes += bytes;
        self.report.count(messages, bytes);
    }

    /// The last line of a client that left of its own will, or that a stop has ended.
    pub fn left(self) {
        self.gone("left");
    }

    /// The last line of a client that something went wrong with, and on stderr what.
    pub fn failed(self, why: impl Display) {
        self.report.error(format_args!("client {}: {why}", self.peer));
        self.gone("closed");
    }

    fn gone(self, how: &str) {
        let seconds = self.since.elapsed().as_secs_f64();
        let (messages, bytes) = (count(self.messages, "message"), count(self.bytes, "byte"));
        self.report.line(format_args!("client {} {how}: {messages}, {bytes}, {seconds:.1} s", self.peer));
    }
}

/// A number of things: `1 message`, `2 messages`.
pub fn count(number: u64, noun: &'static str) -> impl Display {
    struct Count(u64, &'static str);
    impl Display for Count {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
        }
    }
    Count(number, noun)
}

/// The system's sentence for an error, without the full stop (Windows) and the number (std) behind it.
///
/// ```
/// let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
/// assert_eq!(common::report::why(&error), "timed out");
/// ```
pub fn why(error: &io::Error) -> String {
    let text = error.to_string();
    let sentence = text.split_once(" (os error ").map_or(text.as_str(), |(sentence, _number)| sentence);
    sentence.trim_end_matches('.').to_owned()
}

/// One line on stderr: `PROGRAM: sentence`.
pub fn complain(program: &str, sentence: impl Display) {
    let line = format!("{program}: {sentence}\n"); // one write, so that lines of two threads do not mix
    let _ = io::stderr().write_all(line.as_bytes()); // nobody is left to be told
}

fn print(line: Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush()); // a closed stdout ends no server
}
