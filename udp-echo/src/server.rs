//! The server: receive a datagram, answer it, receive the next.
//!
//! There is no connection: one socket serves everybody, and only the address that comes with a datagram says whose it is.

use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use common::framing::check_utf8;
use common::report::{Report, count, why};
use common::shutdown::{Stop, is_timeout};
use common::trace::Trace;

/// How datagrams are answered.
pub struct Options {
    /// What each reply begins with, unless `raw`.
    pub prefix: String,
    /// The bytes go back as they came (RFC 862).
    pub raw: bool,
    /// Whether socket calls are shown.
    pub trace: Trace,
}

/// The largest datagram over IPv4, whose total length has 16 bits (RFC 791): less its own header (20 bytes) and UDP's (8).
pub const MAX_DATAGRAM: usize = 65_507;

/// Larger than any datagram. `recv_from` cuts off what does not fit, without a word on Unix.
pub(crate) const BUFFER: usize = 65_536;

/// How often an idle server looks whether a stop was requested.
const TICK: Duration = Duration::from_millis(100);

/// How many clients are told apart for the summary. Senders can be forged, so there has to be an end.
const MAX_KNOWN: usize = 65_536;

/// Answers datagrams until `stop` is requested, and then those that have arrived by then. No error of one of them ends it.
///
/// # Errors
///
/// The socket takes no read timeout (setsockopt(2)).
// ANCHOR: serve
pub fn serve(socket: &UdpSocket, options: &Options, stop: &Stop, report: &Report) -> io::Result<()> {
    socket.set_read_timeout(Some(TICK))?;
    let mut buffer = vec![0; BUFFER];
    let mut reply = Vec::new();
    let mut known = HashSet::new();
    while let Some((length, peer)) = receive(socket, &mut buffer, stop, report) {
        let datagram = &buffer[..length];
        options.trace.bytes(peer, "recvfrom", datagram);
        if known.len() < MAX_KNOWN && known.insert(peer) {
            report.count_client();
        }
        let received = count(length as u64, "byte");
        match answer(datagram, options, &mut reply) {
            Answer::Echo => report.count(1, length as u64),
            Answer::Error => {}
            Answer::Nothing(why) => {
                report.line(format_args!("datagram from {peer}: {received}, not answered: {why}"));
                continue;
            }
        }
        match send(socket, &mut reply, peer, options.trace) {
            Ok(()) => report.line(format_args!("datagram from {peer}: {received}, answered with {}", reply.len())),
            Err(error) => {
                report.error(format_args!("cannot answer {peer} with {} bytes: {}", reply.len(), why(&error)))
            }
        }
    }
    Ok(())
}
// ANCHOR_END: serve

/// The next datagram: how long it is, and whose. `None` once a stop is requested and none is left that had arrived.
// ANCHOR: receive
fn receive(socket: &UdpSocket, buffer: &mut [u8], stop: &Stop, report: &Report) -> Option<(usize, SocketAddr)> {
    while !stop.is_overdue() {
        match socket.recv_from(buffer) {
            Ok(received) => return Some(received),
            Err(error) if is_timeout(&error) && stop.is_requested() => break,
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
            // So Windows says that an earlier reply has met a closed port (10054; rust-lang/rust#128072).
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => {
                report.recurring_error(format_args!("cannot receive a datagram: {}; trying again", why(&error)));
                stop.wait(TICK);
            }
        }
    }
    None
}
// ANCHOR_END: receive

/// What a datagram gets.
enum Answer {
    /// The prefix and itself.
    Echo,
    /// A sentence that says what is wrong with it.
    Error,
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// Puts the answer to `datagram` into `reply`, instead of what is there.
// ANCHOR: answer
fn answer(datagram: &[u8], options: &Options, reply: &mut Vec<u8>) -> Answer {
    let prefix = if options.raw { "" } else { &options.prefix };
    reply.clear();
    // Whoever forges a sender can make two servers talk to each other (CERT CA-1996-01). Neither answers an answer.
    if !prefix.is_empty() && datagram.starts_with(prefix.as_bytes()) {
        return Answer::Nothing("it begins with the prefix, as a reply does");
    }
    if datagram.starts_with(b"error: ") {
        return Answer::Nothing("it begins as an error reply does");
    }
    if let (false, Err(error)) = (options.raw, check_utf8(datagram)) {
        reply.extend_from_slice(format!("error: {error}").as_bytes());
        return Answer::Error;
    }
    reply.extend_from_slice(prefix.as_bytes());
    reply.extend_from_slice(datagram);
    Answer::Echo
}

/// Sends `reply`, or, if that is too long for a datagram, a reply that says so.
fn send(socket: &UdpSocket, reply: &mut Vec<u8>, peer: SocketAddr, trace: Trace) -> io::Result<()> {
    let mut sent = socket.send_to(reply, peer);
    if sent.as_ref().is_err_and(|error| error.raw_os_error() == Some(EMSGSIZE)) {
        *reply = format!("error: reply of {} bytes does not fit in one datagram", reply.len()).into_bytes();
        sent = socket.send_to(reply, peer);
    }
    trace.bytes(peer, "sendto", reply);
    sent.map(drop)
}
// ANCHOR_END: answer

/// What the system says of a datagram that is too long for it. For macOS that is one over 9,216 bytes, unless it was told
/// otherwise (sysctl net.inet.udp.maxdgram).
pub(crate) const EMSGSIZE: i32 = match () {
    () if cfg!(windows) => 10040,
    () if cfg!(target_os = "linux") => 90,
    () => 40,
};

#[cfg(test)]
mod tests;
