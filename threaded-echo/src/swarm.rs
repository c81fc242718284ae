//! The swarm: many clients at once, and a chart of who was served when.
//!
//! Each client connects, sends its messages with pauses between them, and checks each reply. The
//! chart has one bar per client. Against one client at a time the bars are a staircase, against a
//! thread per client they are side by side, against a pool of four they come by fours.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use common::addr::{Address, DEFAULT_ADDRESS};
use common::timeout::{is_timeout, parse_timeout, socket_timeout};
use common::trace::{Trace, escape_bytes};
use common::words::{error_message, plural, with_action};
use crossbeam_channel::unbounded;

/// What the clients do.
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
    /// How long each client pauses between its messages, in milliseconds
    #[arg(long, value_name = "MS", default_value = "100")]
    pub pause: u32,
    /// How long each client waits for its turn, and for a reply (0 = forever)
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_timeout)]
    pub timeout: Duration,
    /// Save the chart as a picture, too
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Show every socket call and its bytes on stderr
    #[arg(long)]
    pub trace: bool,
}

/// Maximum number of threads. std aborts if a thread cannot map its guard page: a thread takes 4 of
/// the 65,530 mappings that Linux gives a process (vm.max_map_count).
const MAX_THREADS: usize = 10_000;

/// Parses a number of clients or threads.
///
/// # Errors
///
/// Returns a hint unless the input is a number from 1 to 10,000.
pub fn parse_count(input: &str) -> Result<usize, String> {
    let count = input
        .parse()
        .ok()
        .filter(|count| (1..=MAX_THREADS).contains(count));
    count.ok_or_else(|| {
        format!("write a number from 1 to {MAX_THREADS}: a process has room for that many threads")
    })
}

/// When things happened to one client, counted from the start of the swarm.
#[derive(Debug, Clone, Default)]
pub struct ClientTimeline {
    number: usize,
    first_reply: Option<Duration>,
    finished: Duration,
    error: Option<String>,
}

/// Runs the swarm, and prints the chart.
///
/// # Errors
///
/// Returns an error if a client did not get all its replies.
pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let trace = Trace::to_stderr(options.trace)?;
    let timelines = run_clients(options, &trace)?;
    trace.finish();
    let errors: Vec<_> = timelines
        .iter()
        .filter_map(|timeline| timeline.error.clone())
        .collect();
    if let (true, Some(error)) = (timelines[0].first_reply.is_none(), errors.first()) {
        return Err(error.clone().into()); // nobody was served: there is nothing to draw
    }
    let messages = plural(options.messages.get().into(), "message");
    let (clients, pause) = (plural(options.clients as u64, "client"), options.pause);
    let title = format!(
        "{clients} at {}, {messages} each, {pause} ms apart",
        options.address
    );
    let _ = writeln!(io::stdout(), "{title}\n{}", text_chart(&timelines)); // stdout may be closed
    if let Some(file) = &options.svg {
        let action = format!("write {}", file.display());
        let saved = fs::write(file, svg_chart(&timelines, &title));
        saved.map_err(|error| with_action(&action, &error))?;
    }
    match errors.first() {
        None => Ok(()),
        Some(error) => {
            Err(format!("{} failed: {error}", plural(errors.len() as u64, "client")).into())
        }
    }
}

/// Returns the timelines, sorted by the first reply.
fn run_clients(options: &Options, trace: &Trace) -> io::Result<Vec<ClientTimeline>> {
    let mut timelines = vec![ClientTimeline::default(); options.clients];
    let (sender, events) = unbounded();
    let started = Instant::now();
    thread::scope(|scope| {
        for (index, timeline) in timelines.iter_mut().enumerate() {
            timeline.number = index + 1;
            let (number, sender) = (timeline.number, sender.clone());
            let client = move || {
                let send = |event| sender.send((index, started.elapsed(), event)).is_ok();
                let result = run_client(number, options, trace, || {
                    send(None);
                });
                send(Some(result))
            };
            thread::Builder::new().spawn_scoped(scope, client)?;
        }
        drop(sender); // the loop below ends when the last client has dropped its clone
        let (mut replies, all) = (0, options.clients * usize::from(options.messages.get()));
        show_progress(replies, all);
        for (index, moment, event) in events {
            let timeline = &mut timelines[index];
            match event {
                None => {
                    (timeline.first_reply, replies) =
                        (timeline.first_reply.or(Some(moment)), replies + 1)
                }
                Some(result) => (timeline.finished, timeline.error) = (moment, result.err()),
            }
            show_progress(replies, all);
        }
        timelines.sort_by_key(|client| (client.first_reply.is_none(), client.first_reply));
        Ok(timelines)
    })
}

fn show_progress(replies: usize, all: usize) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let bar = "#".repeat(replies * 40 / all);
        let end = if replies == all { "\n" } else { "" };
        let _ = write!(stderr, "\r{bar:.<40} {replies}/{all} replies{end}");
    }
}

/// One client, from its connection to its last reply.
fn run_client(
    number: usize,
    options: &Options,
    trace: &Trace,
    mut replied: impl FnMut(),
) -> Result<(), String> {
    let (mut stream, name) = (
        options.address.connect(options.timeout)?,
        format!("client {number}"),
    );
    trace.call(&name, "connect");
    for turn in 1..=options.messages.get() {
        if turn > 1 {
            thread::sleep(Duration::from_millis(options.pause.into())); // it is what --pause is for
        }
        let message = format!("message {turn} of client {number}\n");
        trace.bytes(&name, "send", message.as_bytes());
        let reply = request(&mut stream, message.as_bytes(), options.timeout);
        let reply = reply.map_err(|error| match is_timeout(&error) {
            true => format!("no reply for {} s", options.timeout.as_secs_f64()),
            false => error_message(&error),
        })?;
        trace.bytes(&name, "recv", &reply);
        replied();
    }
    Ok(())
}

/// Maximum length of a reply, so that a server that sends forever does not fill the memory.
const MAX_REPLY_LEN: usize = 65_536;

/// Sends a message, and returns whatever the server puts before it, and the message. The reply may
/// arrive in pieces.
fn request(stream: &mut TcpStream, message: &[u8], timeout: Duration) -> io::Result<Vec<u8>> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(socket_timeout(timeout))?;
    stream.set_write_timeout(socket_timeout(timeout))?;
    stream.write_all(message)?;
    let (mut reply, mut buffer) = (Vec::new(), [0; 1024]);
    while !reply.ends_with(message) {
        if reply.ends_with(b"\n") || reply.len() > MAX_REPLY_LEN {
            let start = escape_bytes(&reply[..reply.len().min(200)]);
            return Err(io::Error::other(format!(
                "the server sent another reply: {start}"
            )));
        }
        match stream.read(&mut buffer) {
            Ok(0) => {
                return Err(io::Error::other(
                    "the server closed the connection without a reply",
                ));
            }
            Ok(len) => reply.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(reply)
}

/// Returns when the last client finished; never zero, because times are divided by it.
fn end(timelines: &[ClientTimeline]) -> f64 {
    let last = timelines.iter().map(|timeline| timeline.finished).max();
    last.unwrap_or_default().as_secs_f64().max(0.001)
}

impl ClientTimeline {
    /// Returns where its bar changes from waiting to served, and where it ends, if the longest has
    /// `width` columns.
    fn columns(&self, end: f64, width: usize) -> (usize, usize) {
        let column =
            |moment: Duration| (moment.as_secs_f64() / end * width as f64).round() as usize;
        let finished = column(self.finished).max(1);
        (
            self.first_reply
                .map_or(finished, |first| column(first).min(finished - 1)),
            finished,
        )
    }
}

/// Returns the chart as text. Its characters take one column on every terminal.
pub fn text_chart(timelines: &[ClientTimeline]) -> String {
    let (end, digits) = (end(timelines), timelines.len().to_string().len());
    let mut chart = String::new();
    for timeline in timelines {
        let (served, finished) = timeline.columns(end, 60);
        let bar = ".".repeat(served) + &"#".repeat(finished - served);
        let note = if timeline.error.is_some() {
            " failed"
        } else {
            ""
        };
        let _ = writeln!(chart, "{:>digits$} {bar}{note}", timeline.number);
    }
    let end = format!("{end:.2} s");
    let _ = write!(
        chart,
        "{:digits$} 0 {end:>58}\n{:digits$} . waiting  # served",
        "", ""
    );
    chart
}

/// Returns the chart as SVG, in the light or dark colors that the reader's system asks for. A row
/// has 14 pixels.
pub fn svg_chart(timelines: &[ClientTimeline], title: &str) -> String {
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
        let _ = writeln!(
            svg,
            r#"<text x="40" y="{baseline}" text-anchor="end">{number}</text>"#
        );
        let bars = [
            ("waiting", 48, served),
            ("served", 48 + served, finished - served),
        ];
        for (class, x, width) in bars {
            let size = format!(r#"width="{width}" height="10""#);
            let _ = writeln!(svg, r#"<rect class="{class}" x="{x}" y="{y}" {size}/>"#);
        }
    }
    let legend = format!("gray: waiting, blue: served, {end:.2} s in all");
    svg + &format!(
        "<text x=\"48\" y=\"{}\">{legend}</text>\n</svg>\n",
        height - 8
    )
}

#[cfg(test)]
mod tests;
