use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;

use crate::launch::Command;

/// Which of the three servers a server claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pattern {
    /// TCP, one client at a time.
    Tcp,
    /// UDP.
    Udp,
    /// TCP, many clients at the same time.
    Threaded,
}

/// Where a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Framing {
    /// After whatever has arrived, cut at a whole character; over UDP after the datagram.
    Chunk,
    /// After a line ending.
    Line,
    /// As with `Chunk`, but a message is bytes, not text.
    Raw,
}

/// What a server claims to be.
#[derive(Debug, Clone)]
pub struct ServerSpec {
    /// One of the three patterns.
    pub pattern: Pattern,
    /// Where a message ends.
    pub framing: Framing,
    /// What text replies begin with; [`Framing::Raw`] replies have no prefix.
    pub prefix: String,
    /// Whether error replies have to be worded as those of this workspace's servers.
    pub exact_errors: bool,
}

impl ServerSpec {
    /// Returns `true` if it speaks TCP.
    pub fn is_stream(&self) -> bool {
        self.pattern != Pattern::Udp
    }

    /// Returns `true` if bytes that are not UTF-8 are an error.
    pub fn is_text(&self) -> bool {
        self.framing != Framing::Raw
    }

    /// Returns `true` if a message is a line of a stream.
    pub fn is_lines(&self) -> bool {
        self.is_stream() && self.framing == Framing::Line
    }

    /// Returns what replies begin with.
    pub fn prefix(&self) -> &str {
        if self.is_text() { &self.prefix } else { "" }
    }

    /// Returns a character for long messages with which no prefix begins.
    pub(crate) fn filler(&self) -> &'static str {
        ["x", "y"][usize::from(self.prefix.starts_with('x'))]
    }
}

/// Writes it as the headline has it: `tcp, framing line, prefix "서버로부터 응답: "`.
impl fmt::Display for ServerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = format!("{:?}, framing {:?}", self.pattern, self.framing).to_lowercase();
        match (self.is_stream(), self.framing) {
            (true, _) => f.write_str(&names)?,
            (false, Framing::Raw) => f.write_str("udp, raw")?,
            (false, _) => f.write_str("udp")?,
        }
        match self.prefix() {
            "" => Ok(()),
            prefix => write!(f, ", prefix \"{}\"", common::trace::escape(prefix)),
        }
    }
}

/// How much the checks demand of a server, and of the patience of its author.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a server may leave a client waiting for the next byte. A check may last twelve times as long.
    pub timeout: Duration,
    /// A write that has made no progress for this long is taken to wait for a reader. If the machine was merely slow,
    /// the check demands less of the server than it could, so it accuses no correct server.
    pub stall: Duration,
    /// Number of clients in the checks that take many.
    pub clients: usize,
    /// Number of bytes in the checks that take many.
    pub bytes: usize,
}

/// The usual ones.
pub const LIMITS: Limits = Limits {
    timeout: Duration::from_secs(5),
    stall: Duration::from_millis(300),
    clients: 100,
    bytes: 64 << 20,
};

/// The server under test.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Starts it for each check, there, or on a port that the command names; without it all checks share one server.
    pub start: Option<Command>,
    /// What it claims to be.
    pub spec: ServerSpec,
    /// How hard it is tried.
    pub limits: Limits,
    /// Whether to go on when it turns out to be something else.
    pub all: bool,
}

impl Target {
    /// Returns `true` if the server has to be bound to the same port each time.
    pub(crate) fn keeps_port(&self) -> bool {
        let is_fixed = |command: &Command| !command.takes_port();
        self.spec.is_stream() && self.start.as_ref().is_some_and(is_fixed)
    }
}
