//! The swarm: many clients at once, and a picture of who was served when.
//!
//! Each client connects, sends its messages with pauses between them, and checks each reply. The picture has one bar a
//! client: how long it waited, and how long it was served. Against a server with one client at a time the bars are a
//! staircase, against a thread for each client they stand side by side, against a pool of four they come by fours.

use std::fmt::{self, Write as _};
use std::io::{self, Read, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use common::addr::Address;
use common::report::why;
use common::trace::Trace;
use crossbeam_channel::{after, unbounded};

/// What the clients do.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many clients there are.
    pub clients: usize,
    /// How many messages each of them sends.
    pub messages: usize,
    /// How long each of them pauses after a reply.
    pub hold: Duration,
    /// How long each of them waits for its turn, and for a reply.
    pub timeout: Option<Duration>,
    /// Whether socket calls are shown.
    pub trace: Trace,
}

/// When the things happened that happened to one client, counted from the start of the swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// Its first reply arrived.
    pub served: Option<Duration>,
    /// It left, after its last reply or because of `failed`.
    pub left: Duration,
    /// What went wrong.
    pub failed: Option<String>,
}

/// Runs the swarm; `progress` is told after each reply how many there have been.
///
/// # Errors
///
/// The threads cannot be started. What happens to a client is in its [`Course`].
pub fn run(address: &Address, options: &Options, mut progress: impl FnMut(usize)) -> io::Result<Vec<Course>> {
    let started = Instant::now();
    thread::scope(|scope| {
        let (replied, replies) = unbounded();
        let mut clients = Vec::new();
        for number in 1..=options.clients {
            let replied = replied.clone();
            clients.push(thread::Builder::new().spawn_scoped(scope, move || {
                let mut served = None;
                let result = be_client(number, address, options, || {
                    served.get_or_insert_with(|| started.elapsed());
                    let _ = replied.send(()); // the other end outlives us
                });
                Course { served, left: started.elapsed(), failed: result.err() }
            })?);
        }
        drop(replied); // the loop below ends when the last client has dropped its clone
        for (count, ()) in replies.iter().enumerate() {
            progress(count + 1);
        }
        clients.into_iter().map(|client| client.join().map_err(|_| io::Error::other("a client panicked"))).collect()
    })
}

/// One client, from its connection to its last reply.
fn be_client(number: usize, address: &Address, options: &Options, mut replied: impl FnMut()) -> Result<(), String> {
    let mut stream = address.connect(options.timeout).map_err(|error| error.to_string())?;
    options.trace.call(format_args!("client {number}"), "connect");
    set_up(&stream, options.timeout).map_err(|error| format!("cannot set its timeouts: {}", why(&error)))?;
    for turn in 1..=options.messages {
        if turn > 1 {
            let _ = after(options.hold).recv(); // a person thinks before the next message
        }
        let message = format!("message {turn} of client {number}\n");
        options.trace.bytes(format_args!("client {number}"), "send", message.as_bytes());
        stream.write_all(message.as_bytes()).map_err(|error| format!("cannot send: {}", why(&error)))?;
        let reply = read_reply(&mut stream, &message)?;
        options.trace.bytes(format_args!("client {number}"), "recv", &reply);
        replied();
    }
    Ok(())
}

fn set_up(stream: &TcpStream, timeout: Option<Duration>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(timeout)?;
    stream.set_write_timeout(timeout)
}

/// The reply is whatever the server puts before a message, and the message. It may come in pieces.
fn read_reply(stream: &mut TcpStream, message: &str) -> Result<Vec<u8>, String> {
    let mut reply = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(format!("the server closed the connection after {:?}", text(&reply))),
            Ok(length) => reply.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("no reply to {message:?}: {}", why(&error))),
        }
        if reply.ends_with(message.as_bytes()) {
            return Ok(reply);
        }
        if reply.ends_with(b"\n") {
            return Err(format!("the reply to {message:?} is {:?}", text(&reply)));
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The picture as text: `░` is waiting, `█` is being served, a blank is gone.
pub struct Chart<'a> {
    /// Whose bars there are.
    pub courses: &'a [Course],
    /// How many characters the longest bar has.
    pub width: usize,
}

impl Chart<'_> {
    /// The time at which the last client left; never zero, to be divided by.
    fn end(&self) -> Duration {
        self.courses.iter().map(|course| course.left).max().unwrap_or_default().max(Duration::from_millis(1))
    }

    /// How far along the bar this moment is.
    fn column(&self, moment: Duration) -> usize {
        (moment.as_secs_f64() / self.end().as_secs_f64() * self.width as f64).round() as usize
    }
}

impl fmt::Display for Chart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.courses.len().to_string().len();
        for (course, number) in self.courses.iter().zip(1..) {
            let left = self.column(course.left);
            let served = course.served.map_or(left, |served| self.column(served).min(left.saturating_sub(1)));
            let bar = "░".repeat(served) + &"█".repeat(left - served);
            let note = if course.failed.is_some() { " failed" } else { "" };
            writeln!(f, "{number:>digits$} {bar}{note}")?;
        }
        let end = format!("{:.2} s", self.end().as_secs_f64());
        writeln!(f, "{:digits$} 0 {end:>width$}", "", width = self.width.saturating_sub(2))?;
        write!(f, "{:digits$} ░ waiting  █ served", "")
    }
}

/// How large things are in the picture, in pixels: a row, the column of numbers, and the longest bar.
const ROW: usize = 14;
const NUMBERS: usize = 48;
const BARS: usize = 640;

impl Chart<'_> {
    /// The picture as SVG, in the light or dark colours that the reader's system asks for.
    pub fn svg(&self, title: &str) -> String {
        let title = title.replace('&', "&amp;").replace('<', "&lt;");
        let chart = Chart { courses: self.courses, width: BARS };
        let (width, height) = (NUMBERS + BARS + 16, ROW * (self.courses.len() + 3));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             font-family=\"sans-serif\" font-size=\"11\">\n<title>{title}</title>\n<style>\n\
             text {{ fill: #333 }} .waiting {{ fill: #c9ccd1 }} .served {{ fill: #2f6fb0 }}\n\
             @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} .waiting {{ fill: #555b63 }} \
             .served {{ fill: #6fb1f0 }} }}\n</style>\n"
        );
        for (course, number) in self.courses.iter().zip(1..) {
            let left = chart.column(course.left);
            let served = course.served.map_or(left, |served| chart.column(served).min(left));
            let y = ROW * number;
            let _ = write!(svg, "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{number}</text>", NUMBERS - 8);
            for (class, from, to) in [("waiting", 0, served), ("served", served, left)] {
                let (x, y, width, height) = (NUMBERS + from, y - ROW + 5, to - from, ROW - 4);
                let _ =
                    write!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>");
            }
            svg.push('\n');
        }
        let (y, end) = (ROW * (self.courses.len() + 2), self.end().as_secs_f64());
        let _ = writeln!(svg, "<text x=\"{NUMBERS}\" y=\"{y}\">0 s, grey: waiting, blue: served</text>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{end:.2} s</text>\n</svg>", NUMBERS + BARS);
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(served: u64, left: u64) -> Course {
        let served = Some(Duration::from_millis(served));
        Course { served, left: Duration::from_millis(left), failed: None }
    }

    #[test]
    fn one_at_a_time_is_a_staircase() {
        let courses = [course(0, 100), course(100, 200), course(200, 300)];
        let chart = Chart { courses: &courses, width: 9 }.to_string();
        assert_eq!(chart, "1 ███\n2 ░░░███\n3 ░░░░░░███\n  0  0.30 s\n  ░ waiting  █ served");
    }

    #[test]
    fn a_client_that_was_never_served_is_all_waiting() {
        let failed = Course { served: None, left: Duration::from_millis(10), failed: Some("no".into()) };
        let chart = Chart { courses: &[failed], width: 4 }.to_string();
        assert!(chart.starts_with("1 ░░░░ failed\n"), "{chart}");
    }

    #[test]
    fn the_picture_has_two_bars_a_client() {
        let courses = [course(0, 100), course(100, 200)];
        let svg = Chart { courses: &courses, width: 0 }.svg("two clients");
        assert_eq!(svg.matches("<rect").count(), 4);
        assert!(svg.contains("<title>two clients</title>") && svg.ends_with("</svg>\n"), "{svg}");
    }
}
