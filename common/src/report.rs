//! The output of a server: lines on stdout, errors on stderr, and the totals at the end.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::addr::{DEFAULT_ADDRESS, reachable};
use crate::lock;
use crate::printer::Printer;
use crate::trace::Trace;
use crate::words::{command_line, error_message, plural, quoted, with_action};

/// Minimum intervals between two lines about the same kind of error, and about rejected clients.
const ERROR_INTERVAL: Duration = Duration::from_secs(60);
const REJECTION_INTERVAL: Duration = Duration::from_secs(1);

const WILDCARD_WARNING: &str = "warning: a reply may leave from another address than the one that \
    was asked, and its client drops it: listen on that one address to prevent this";

/// Options that set how much a server prints.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Verbosity {
    /// Show every socket call and its bytes on stderr
    #[arg(long)]
    pub trace: bool,
    /// Print only the address of the server, and errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// The output and the totals of one server. All its threads share it.
pub struct Report {
    program: &'static str,
    /// `true` if the server prints only its address and errors.
    pub is_quiet: bool,
    /// The output of `--trace`.
    pub trace: Trace,
    stdout: Printer,
    stderr: Printer,
    /// `None` over UDP, which has no connections.
    clients: Option<AtomicU64>,
    messages: AtomicU64,
    bytes: AtomicU64,
    has_finished: AtomicBool,
    /// Time of the last line about each kind of error.
    last_printed: Mutex<HashMap<String, Instant>>,
}

impl Report {
    /// Creates the report of this program, with outputs for stdout and stderr.
    ///
    /// # Errors
    ///
    /// Returns an error if the system is out of threads.
    pub fn new(
        program: &'static str,
        has_clients: bool,
        verbosity: Verbosity,
        stdout: impl Write + Send + 'static,
        stderr: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let stderr = Printer::new(stderr)?;
        Ok(Report {
            program,
            is_quiet: verbosity.quiet,
            trace: Trace::new(verbosity.trace, &stderr),
            stdout: Printer::new(stdout)?,
            stderr,
            clients: has_clients.then(AtomicU64::default),
            messages: AtomicU64::default(),
            bytes: AtomicU64::default(),
            has_finished: AtomicBool::new(verbosity.quiet),
            last_printed: Mutex::default(),
        })
    }

    /// Prints the address, a client command to paste into a second terminal, and how to stop.
    pub fn listening(&self, bound: SocketAddr) {
        self.stdout.print(format!("listening on {bound}"));
        let client = command_line(self.program) + " client";
        self.print_line(match reachable(bound).to_string() {
            address if address == DEFAULT_ADDRESS => format!("{client} 안녕하세요"),
            address => format!("{client} --address {} 안녕하세요", quoted(&address)),
        });
        self.print_line("paste the line above into a second terminal; Ctrl-C stops this server");
        if !bound.ip().to_canonical().is_loopback() {
            let warning = "anyone on that network can connect";
            self.print_error(format!("warning: listening on {bound}: {warning}"));
        }
        if self.clients.is_none() && bound.ip().to_canonical().is_unspecified() {
            self.print_error(WILDCARD_WARNING); // UDP only
        }
    }

    /// Prints a line on stdout, unless quiet.
    pub fn print_line(&self, line: impl Display) {
        if !self.is_quiet {
            self.stdout.print(line.to_string());
        }
    }

    /// Prints an error on stderr.
    pub fn print_error(&self, error: impl Display) {
        self.stderr.print(format!("{}: {error}", self.program));
    }

    /// Prints `cannot ACTION OBJECT: ERROR` on stderr, for errors that can occur very often. Prints
    /// the same action and error only once per minute, for all objects together.
    pub fn print_error_rate_limited(&self, action: &str, object: impl Display, error: &io::Error) {
        let reason = error_message(error);
        if self.is_due(format!("{action}: {reason}"), ERROR_INTERVAL) {
            self.print_error(format!("cannot {action} {object}: {reason}"));
        }
    }

    /// Prints that a client was rejected, at most once per second.
    pub fn rejected(&self, peer: SocketAddr, reason: &str) {
        if self.is_due("rejected".to_owned(), REJECTION_INTERVAL) {
            self.print_line(format!("client {peer} rejected: {reason}"));
        }
    }

    fn is_due(&self, kind: String, interval: Duration) -> bool {
        let mut last_printed = lock(&self.last_printed);
        let last = last_printed.get(&kind);
        let is_due = last.is_none_or(|last| last.elapsed() > interval);
        if is_due {
            last_printed.insert(kind, Instant::now());
        }
        is_due
    }

    /// Prints that a client has connected.
    pub fn connected(&self, peer: SocketAddr) -> ConnectionReport<'_> {
        if let Some(clients) = &self.clients {
            clients.fetch_add(1, Ordering::Relaxed);
        }
        self.print_line(format_args!("client {peer} connected"));
        ConnectionReport {
            report: self,
            peer,
            messages: 0,
            bytes: 0,
            published: (0, 0),
            started: Instant::now(),
        }
    }

    /// Adds to the totals.
    pub fn record(&self, messages: u64, bytes: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Prints the totals, unless quiet, and waits up to `limit` until everything is printed.
    pub fn finish(&self, limit: Duration) {
        let total = |counter: &AtomicU64, noun| plural(counter.load(Ordering::Relaxed), noun);
        let clients = match &self.clients {
            Some(clients) => total(clients, "client") + ", ",
            None => String::new(),
        };
        let (messages, bytes) = (total(&self.messages, "message"), total(&self.bytes, "byte"));
        let summary = format!("stopped: {clients}{messages}, {bytes}");
        let is_first = !self.has_finished.swap(true, Ordering::Relaxed);
        let started = Instant::now();
        self.stdout.finish(is_first.then_some(summary), limit);
        let left = limit.saturating_sub(started.elapsed());
        self.stderr.finish(None, left);
    }
}

/// The counters of one connection.
pub struct ConnectionReport<'a> {
    report: &'a Report,
    peer: SocketAddr,
    messages: u64,
    bytes: u64,
    /// What of them is in the totals already.
    published: (u64, u64),
    started: Instant,
}

impl ConnectionReport<'_> {
    /// Counts one message.
    pub fn record_message(&mut self, message: &[u8]) {
        self.messages += 1;
        self.bytes += message.len() as u64;
    }

    /// Adds to the totals what was counted since the last time. All threads share the totals, so
    /// this costs more than the counting.
    pub fn publish(&mut self) {
        let (messages, bytes) = self.published;
        self.report
            .record(self.messages - messages, self.bytes - bytes);
        self.published = (self.messages, self.bytes);
    }

    /// Prints the end of the connection, and the error that ended it, if any.
    pub fn finish(mut self, result: io::Result<()>) {
        self.publish();
        let (peer, seconds) = (self.peer, self.started.elapsed().as_secs_f64());
        let (messages, bytes) = (plural(self.messages, "message"), plural(self.bytes, "byte"));
        let mut end = "disconnected";
        if let Err(error) = result {
            self.report.print_error(format!("client {peer}: {error}"));
            end = "closed";
        }
        let line = format!("client {peer} {end}: {messages}, {bytes}, {seconds:.1} s");
        self.report.print_line(line);
    }
}

/// Prints one line on stderr directly, for a program that is about to end.
pub fn print_error(program: &str, error: impl Display) {
    let line = format!("{program}: {error}\n");
    let _ = io::stderr().write_all(line.as_bytes()); // stderr may be closed
}

/// Prints a reply or a chart on stdout.
///
/// # Errors
///
/// Returns an error if stdout is full or closed. If it is closed, the system's error is unchanged.
pub fn print_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout();
    let printed = stdout.write_all(bytes).and_then(|()| stdout.flush());
    printed.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => error,
        _ => with_action("write to stdout", &error),
    })
}
