use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::client::Trial;
use crate::failure::Failure;
use crate::{check_any as any, check_clients as clients, check_tcp as tcp, check_udp as udp};

/// All checks, in the order in which they are tried: first what everything else stands on, last what can end a server
/// for everybody.
pub static CHECKS: [&Check; 28] = [
    &any::ANSWERS,
    &any::ANSWERS_AGAIN,
    &any::SECOND_CLIENT,
    &any::LITERAL_BRACES,
    &any::BYTES_NOT_TEXT,
    &any::BYTE_EXACTNESS,
    &tcp::PARTIAL_READ,
    &tcp::SPLIT_CHARACTER,
    &tcp::HALF_CLOSE,
    &tcp::END_OF_STREAM,
    &tcp::TOO_LONG_LINE,
    &tcp::ERROR_REACHES_CLIENT,
    &tcp::TWO_SMALL_WRITES,
    &tcp::WRITE_ALL_THEN_READ,
    &tcp::BOUNDED_MEMORY,
    &clients::ONE_AT_A_TIME,
    &clients::SILENT_CLIENT,
    &clients::SIMULTANEOUS_CLIENTS,
    &clients::NEVER_READS,
    &udp::EMPTY_DATAGRAM,
    &udp::TRUNCATED_DATAGRAM,
    &udp::LARGEST_DATAGRAM,
    &udp::ECHO_LOOP,
    &udp::CLOSED_PORT,
    &any::BAD_BYTES,
    &clients::CONNECT_AND_CLOSE,
    &clients::RESET_BY_PEER,
    &any::STILL_THERE,
];

/// The traps that the book tells of, each under the heading of this name in `how-it-breaks.md`. A check has the name of
/// its trap, unless one trap needs two checks; not every trap can be seen from outside a server.
pub const TRAPS: [&str; 25] = [
    "literal-braces",
    "bytes-not-text",
    "one-shot",
    "no-client",
    "partial-read",
    "split-character",
    "end-of-stream",
    "bad-bytes",
    "truncated-datagram",
    "empty-datagram",
    "lost-datagram",
    "wrong-sender",
    "closed-port",
    "echo-loop",
    "address-in-use",
    "ipv6-first",
    "unreachable-close",
    "one-at-a-time",
    "thread-per-anything",
    "silent-client",
    "never-reads",
    "write-all-then-read",
    "reset-by-peer",
    "accept-error",
    "two-small-writes",
];

/// One behaviour of an echo server: what is done to it, what a good one does, and where that is explained.
#[derive(Debug)]
pub struct Check {
    /// Its name, which no other check has.
    pub name: &'static str,
    /// Which of the [`TRAPS`] it looks for, if any.
    pub trap: Option<&'static str>,
    /// What it does to the server.
    pub does: &'static str,
    /// What a good server does then.
    pub good: &'static str,
    /// The page of the book that explains it.
    pub page: &'static str,
    /// Whether a server that claims this has to pass it.
    pub applies: fn(&Claim) -> bool,
    /// How much longer than others it may take: it moves many bytes.
    pub patience: u32,
    /// Does it.
    pub run: fn(&Trial<'_>) -> Result<(), Failure>,
}

impl Check {
    /// Whether a person who types this name means this check: by its own name, or by that of its trap.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.trap == Some(name)
    }
}

/// Which of the three servers one claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// TCP, one client at a time.
    Tcp,
    /// UDP.
    Udp,
    /// TCP, many clients at once.
    Threaded,
}

/// Where a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// With whatever has arrived, cut at a whole character; over UDP with the datagram.
    #[default]
    Chunk,
    /// At a line ending.
    Line,
    /// As with `Chunk`, but it is bytes and no text: they come back as they went.
    Raw,
}

impl FromStr for Framing {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "chunk" => Ok(Framing::Chunk),
            "line" => Ok(Framing::Line),
            "raw" => Ok(Framing::Raw),
            _ => Err("there are chunk, line and raw".to_owned()),
        }
    }
}

/// What a server claims to be.
#[derive(Debug, Clone)]
pub struct Claim {
    /// One of the three patterns.
    pub pattern: Pattern,
    /// Where it says a message ends.
    pub framing: Framing,
    /// What its text replies begin with; in [`Framing::Raw`] there is none, whatever stands here.
    pub prefix: String,
}

impl Claim {
    /// Whether it speaks TCP.
    pub fn is_stream(&self) -> bool {
        self.pattern != Pattern::Udp
    }

    /// Whether what is not UTF-8 is an error.
    pub fn is_text(&self) -> bool {
        self.framing != Framing::Raw
    }

    /// What its replies begin with.
    pub fn prefix(&self) -> &str {
        if self.is_text() { &self.prefix } else { "" }
    }

    /// A character for long messages: no reply begins with it, so that they are told apart.
    pub(crate) fn filler(&self) -> &'static str {
        if self.prefix.starts_with('x') { "y" } else { "x" }
    }
}

/// As the headline says it: `tcp, framing line, prefix "서버로부터 응답: "`.
impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pattern, self.framing) {
            (Pattern::Udp, Framing::Raw) => return f.write_str("udp, raw"),
            (Pattern::Udp, _) => f.write_str("udp")?,
            (Pattern::Tcp, framing) => write!(f, "tcp, framing {framing}")?,
            (Pattern::Threaded, framing) => write!(f, "threaded, framing {framing}")?,
        }
        match self.prefix() {
            "" => Ok(()),
            prefix => write!(f, ", prefix {prefix:?}"),
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Framing::Chunk => "chunk",
            Framing::Line => "line",
            Framing::Raw => "raw",
        })
    }
}

/// How much the checks ask of a server, and of their user's patience.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// How long a check may take, before it is not passed.
    pub timeout: Duration,
    /// A write that makes no progress for so long is taken for one that has to wait until somebody reads. If the machine
    /// was merely slow, the check asks less of the server than it could: nothing right is called wrong.
    pub stall: Duration,
    /// How many clients come and go where it takes many.
    pub clients: usize,
    /// How many bytes are sent where it takes many.
    pub bytes: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { timeout: Duration::from_secs(5), stall: Duration::from_millis(300), clients: 100, bytes: 64 << 20 }
    }
}

/// The server under test.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it claims to be.
    pub claim: Claim,
    /// How hard it is tried.
    pub effort: Effort,
}
