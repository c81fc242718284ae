//! The swarm: many clients at the same time, and a chart of when each was served.
//!
//! Each client connects, sends its messages with pauses between them, and checks each reply. The
//! chart has one bar per client. With one client at a time, the bars form a staircase. With a
//! thread per client, they are side by side. With a pool of four, they come in fours.

use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::addr::{Address, DEFAULT_ADDRESS};
use common::report::print_stdout;
use common::timeout::{is_timeout, parse_timeout, socket_timeout};
use common::trace::{Trace, escape_bytes};
use common::words::{error_message, plural, with_action};

/// Options of the swarm.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Address of any TCP echo server, in any language
    #[arg(short, long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS)]
    pub address: Address,
    /// Number of clients, at most 10000
    #[arg(long, value_name = "N", default_value = "12", value_parser = parse_count)]
    pub clients: usize,
    /// Number of messages that each client sends, at most 65535
    #[arg(long, value_name = "M", default_value = "3")]
    pub messages: NonZeroU16,
    /// Milliseconds that each client pauses between its messages
    #[arg(long, value_name = "MS", default_value = "100")]
    pub pause: u32,
    /// Seconds that each client waits for its turn, and for a reply (0 = no limit)
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_timeout)]
    pub timeout: Duration,
    /// Also save the chart as a picture
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Show every socket call and its bytes on stderr
    #[arg(long)]
    pub trace: bool,
}

/// Maximum number of threads. std aborts if a thread cannot map its guard page. A thread takes 4 of
/// the 65,530 mappings that Linux gives a process (vm.max_map_count).
const MAX_THREADS: usize = 10_000;

/// Parses a number of clients or threads.
///
/// # Errors
///
/// Returns a hint unless the input is a number from 1 to 10,000.
pub fn parse_count(input: &str) -> Result<usize, String> {
    match input.parse() {
        Ok(count) if (1..=MAX_THREADS).contains(&count) => Ok(count),
        _ => Err(format!(
            "write a number from 1 to {MAX_THREADS}: a process has room for that many threads"
        )),
    }
}

/// The times of one client's events, since the start of the swarm.
#[derive(Debug, Clone, Default)]
struct ClientTimeline {
    number: usize,
    first_reply: Option<Duration>,
    finished: Duration,
    error: Option<String>,
}

/// Runs the swarm, and prints the chart.
///
/// # Errors
///
/// Returns an error if a client did not get all of its replies.
pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let trace = Trace::to_stderr(options.trace)?;
    let timelines = run_clients(options, &trace)?;
    trace.finish();
    let errors: Vec<_> = timelines.iter().flat_map(|client| &client.error).collect();
    if let (None, [error, ..]) = (timelines[0].first_reply, &errors[..]) {
        return Err(error.as_str().into()); // without a served client, there is nothing to draw
    }
    let messages = plural(options.messages.get().into(), "message");
    let (server, pause) = (&options.address, options.pause);
    let clients = plural(options.clients as u64, "client");
    let title = format!("{clients} at {server}, {messages} each, {pause} ms apart");
    if let Some(file) = &options.svg {
        let action = format!("write {}", file.display());
        let saved = fs::write(file, svg_chart(&timelines, &title));
        saved.map_err(|error| with_action(&action, &error))?;
    }
    print_stdout(format!("{title}\n{}\n", text_chart(&timelines)).as_bytes())?;
    let failed = plural(errors.len() as u64, "client");
    match errors[..] {
        [] => Ok(()),
        [error, ..] => Err(format!("{failed} failed: {error}").into()),
    }
}

/// Returns the timelines, sorted by their first reply.
fn run_clients(options: &Options, trace: &Trace) -> io::Result<Vec<ClientTimeline>> {
    let mut timelines = vec![ClientTimeline::default(); options.clients];
    let all = options.clients * usize::from(options.messages.get());
    let (sender, replies) = mpsc::channel();
    let started = Instant::now();
    thread::scope(|scope| {
        for (timeline, number) in timelines.iter_mut().zip(1..) {
            timeline.number = number;
            let sender = sender.clone();
            let client = move || {
                let result = run_client(number, options, trace, || {
                    timeline.first_reply.get_or_insert(started.elapsed());
                    let _ = sender.send(());
                });
                (timeline.finished, timeline.error) = (started.elapsed(), result.err());
            };
            let thread = thread::Builder::new().spawn_scoped(scope, client);
            thread.map_err(|error| with_action("start a thread", &error))?;
        }
        let _ = sender.send(()); // for a bar without a reply
        drop(sender); // the loop below ends when the last client drops its clone
        let has_bar = io::stderr().is_terminal() && !options.trace; // not between its lines
        for (count, ()) in (0..).zip(replies) {
            let bar = "#".repeat(count * 40 / all);
            if has_bar {
                let _ = write!(io::stderr(), "\r{bar:.<40} {count}/{all} replies");
            }
        }
        if has_bar {
            let _ = writeln!(io::stderr()); // ends the line of the bar
        }
        Ok::<_, io::Error>(())
    })?;
    timelines.sort_by_key(|client| (client.first_reply.is_none(), client.first_reply));
    Ok(timelines)
}

/// Runs one client, from its connection to its last reply.
fn run_client(
    number: usize,
    options: &Options,
    trace: &Trace,
    mut replied: impl FnMut(),
) -> Result<(), String> {
    let (server, timeout) = (&options.address, options.timeout);
    let mut stream = server.connect(timeout)?;
    let name = format!("client {number}");
    trace.call(&name, "connect");
    for turn in 1..=options.messages.get() {
        if turn > 1 {
            thread::sleep(Duration::from_millis(options.pause.into())); // --pause asks for this
        }
        let message = format!("message {turn} of client {number}\n");
        let traced = |call: &str, bytes: &[u8]| trace.bytes(&name, call, bytes);
        let replied_to = request(&mut stream, message.as_bytes(), timeout, traced);
        replied_to.map_err(|error| match is_timeout(&error) {
            true => format!("no reply from {server} for {} s", timeout.as_secs_f64()),
            false => format!("{server}: {}", error_message(&error)),
        })?;
        replied();
    }
    trace.call(&name, "close");
    Ok(())
}

/// Maximum length of a reply, so that a server that never stops sending cannot fill the memory.
const MAX_REPLY_LEN: usize = 65_536;

/// Sends a message, and receives the reply, which ends with the message and may arrive in pieces.
fn request(
    stream: &mut TcpStream,
    message: &[u8],
    timeout: Duration,
    traced: impl Fn(&str, &[u8]),
) -> io::Result<()> {
    stream.set_read_timeout(socket_timeout(timeout))?;
    stream.set_write_timeout(socket_timeout(timeout))?;
    traced("send", message);
    stream.write_all(message)?;
    let (mut reply, mut buffer) = (Vec::new(), [0; 1024]);
    while !reply.ends_with(message) {
        if reply.ends_with(b"\n") || reply.len() > MAX_REPLY_LEN {
            let start = escape_bytes(&reply[..reply.len().min(200)]);
            let reason = format!("the server sent another reply: {start}");
            return Err(io::Error::other(reason));
        }
        let received = match stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => &buffer[..result?],
        };
        traced("recv", received);
        if received.is_empty() {
            return Err(io::Error::other("the server closed the connection"));
        }
        reply.extend_from_slice(received);
    }
    Ok(())
}

/// Returns the time when the last client finished. It is never zero, so callers can divide by it.
fn end(timelines: &[ClientTimeline]) -> f64 {
    let last = timelines.iter().map(|timeline| timeline.finished).max();
    last.unwrap_or_default().as_secs_f64().max(0.001)
}

impl ClientTimeline {
    /// Returns the columns where the bar turns to served, and where it ends, `width` at most.
    fn columns(&self, end: f64, width: usize) -> (usize, usize) {
        let column = |time: Duration| (time.as_secs_f64() / end * width as f64).round() as usize;
        let finished = column(self.finished).max(1);
        let served = |first: Duration| column(first).min(finished - 1);
        (self.first_reply.map_or(finished, served), finished)
    }
}

/// Returns the chart as text, with characters that take one column on every terminal.
fn text_chart(timelines: &[ClientTimeline]) -> String {
    let (end, digits) = (end(timelines), timelines.len().to_string().len());
    let mut chart = String::new();
    for timeline in timelines {
        let (served, finished) = timeline.columns(end, 60);
        let bar = ".".repeat(served) + &"#".repeat(finished - served);
        let note = timeline.error.as_ref().map_or("", |_| " failed");
        chart += &format!("{:>digits$} {bar}{note}\n", timeline.number);
    }
    let (end, indent) = (format!("{end:.2} s"), " ".repeat(digits));
    chart + &format!("{indent} 0 {end:>58}\n{indent} . waiting  # served")
}

/// Returns the chart as SVG, in colors for light and dark. A row has 14 pixels.
fn svg_chart(timelines: &[ClientTimeline], title: &str) -> String {
    let (end, height) = (end(timelines), 14 * timelines.len() + 28);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 {height}" font-size="11">
<title>{}</title>
<style>text {{ fill: #777; font-family: sans-serif }} .waiting {{ fill: #aaa }}
.served {{ fill: #38c }}</style>
"##,
        title.replace('&', "&amp;").replace('<', "&lt;")
    );
    for (timeline, y) in timelines.iter().zip((4..).step_by(14)) {
        let (served, finished) = timeline.columns(end, 640);
        let (number, baseline) = (timeline.number, y + 9);
        svg += &format!("<text x=\"40\" y=\"{baseline}\" text-anchor=\"end\">{number}</text>\n");
        let waiting = ("waiting", 48, served);
        for (class, x, width) in [waiting, ("served", 48 + served, finished - served)] {
            let size = format!(r#"width="{width}" height="10""#);
            svg += &format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" {size}/>\n");
        }
    }
    let legend = format!("gray: waiting, blue: served, {end:.2} s in all");
    let y = height - 8;
    svg + &format!("<text x=\"48\" y=\"{y}\">{legend}</text>\n</svg>\n")
}

#[cfg(test)]
mod tests;
