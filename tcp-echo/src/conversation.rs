//! The conversation with one client: receive, answer, until it leaves.
//!
//! It does not know on which thread it runs, nor who else is served: `threaded-echo` uses it as it is.

use std::io;
use std::net::TcpStream;
use std::time::Instant;

use common::framing::{Framing, FramingError, Messages};
use common::report::{Client, why};
use common::shutdown::{QUIET, Stop, Timeout, WRITE_TICK, is_timeout};
use common::trace::Trace;

/// How clients are treated.
pub struct Options {
    /// Where a message ends.
    pub framing: Framing,
    /// What each reply begins with, except in [`Framing::Raw`].
    pub prefix: String,
    /// A client silent for so long is told so, and closed.
    pub idle_timeout: Timeout,
    /// Whether socket calls are shown.
    pub trace: Trace,
}

/// How to close a connection when its conversation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// At once.
    Close,
    /// After a moment, for the client may be sending still, and has to get what it was told: an error, or, at a stop, its
    /// last replies.
    Linger,
}

/// One client from its coming to its going, but for the close.
pub fn attend(stream: &TcpStream, mut client: Client<'_>, options: &Options, stop: &Stop) -> Farewell {
    let ended = converse(stream, &mut client, options, stop);
    options.trace.call(client.peer, "close");
    match ended {
        Ok(heard) => {
            client.left();
            if stop.is_requested() && heard.elapsed() < QUIET { Farewell::Linger } else { Farewell::Close }
        }
        Err(Trouble::Lost(why)) => {
            client.failed(why);
            Farewell::Close
        }
        Err(Trouble::Told(error)) => {
            client.failed(error);
            Farewell::Linger
        }
    }
}

/// Why a conversation ended, if not by the client's leaving.
enum Trouble {
    /// The client has been told this error.
    Told(String),
    /// The connection failed: what could not be done, and why.
    Lost(String),
}

/// Answers each message of a client, until the client has ended its side or a stop is requested: when something has
/// arrived last.
// ANCHOR: converse
fn converse(stream: &TcpStream, client: &mut Client<'_>, options: &Options, stop: &Stop) -> Result<Instant, Trouble> {
    set_up(stream, options.idle_timeout).map_err(|error| lost("set its timeouts", &error))?;
    let peer = client.peer;
    let send = |replies: &[u8]| {
        options.trace.bytes(peer, "send", replies);
        stop.write_all(stream, replies).map_err(|error| lost("send", &error))
    };
    let mut messages = Messages::new(stream, options.framing);
    let mut replies = Vec::new();
    let mut heard = Instant::now();
    loop {
        let arrived = match messages.read() {
            Ok(arrived) => arrived,
            Err(_) if stop.is_requested() => return Ok(heard), // Windows fails the read that a stop has ended
            Err(error) if is_timeout(&error) => {
                let error = format!("nothing has arrived for {}", options.idle_timeout);
                send(format!("error: {error}\n").as_bytes())?;
                return Err(Trouble::Told(error));
            }
            Err(error) => return Err(lost("receive", &error)),
        };
        options.trace.bytes(peer, "recv", messages.arrived());
        if arrived == 0 && stop.is_requested() {
            return Ok(heard); // the stop has ended the stream, not the client: half a message is not answered
        }
        // One `recv` has taken all that had arrived, and one `send` answers every message in it.
        while let Some(batch) = answer(&mut messages, options, &mut replies) {
            client.count(batch.messages, batch.bytes);
            send(&replies)?;
            if let Some(error) = batch.fatal {
                return Err(Trouble::Told(error.to_string()));
            }
        }
        if arrived == 0 || stop.is_overdue() {
            return Ok(heard);
        }
        heard = Instant::now();
    }
}
// ANCHOR_END: converse

fn set_up(stream: &TcpStream, idle_timeout: Timeout) -> io::Result<()> {
    stream.set_nodelay(true)?; // a reply is complete: it need not wait for more to be sent with it (RFC 896)
    stream.set_read_timeout(idle_timeout.0)?;
    stream.set_write_timeout(Some(WRITE_TICK))
}

fn lost(doing: &str, error: &io::Error) -> Trouble {
    Trouble::Lost(format!("cannot {doing}: {}", why(error)))
}

/// Some messages that are answered together.
struct Batch {
    messages: u64,
    bytes: u64,
    fatal: Option<FramingError>,
}

/// No more replies than this many bytes, and one message, are collected for one `send`.
const BATCH: usize = 65_536;

/// Puts the replies to the next messages into `replies`, instead of what is there; `None` when all are answered.
// ANCHOR: reply
fn answer(messages: &mut Messages<&TcpStream>, options: &Options, replies: &mut Vec<u8>) -> Option<Batch> {
    let prefix = if options.framing == Framing::Raw { "" } else { &options.prefix };
    let mut batch = Batch { messages: 0, bytes: 0, fatal: None };
    replies.clear();
    while replies.len() < BATCH && batch.fatal.is_none() {
        match messages.next() {
            Some(Ok(message)) => {
                replies.extend_from_slice(prefix.as_bytes());
                replies.extend_from_slice(message);
                batch.messages += 1;
                batch.bytes += message.len() as u64;
            }
            Some(Err(error)) => {
                replies.extend_from_slice(format!("error: {error}\n").as_bytes());
                batch.fatal = Some(error).filter(|error| !options.framing.goes_on_after(*error));
            }
            None => break,
        }
    }
    (!replies.is_empty()).then_some(batch)
}
// ANCHOR_END: reply

#[cfg(test)]
mod tests;
