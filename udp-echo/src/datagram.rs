//! Receiving datagrams and replying to them in spite of errors.

use std::io;
use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use common::framing::FramingError;
use common::report::Report;
use common::shutdown::Shutdown;
use common::timeout::is_timeout;
use common::words::plural;

/// Length of the buffer, longer than any datagram, because `recv_from` discards what does not fit.
pub const BUFFER_LEN: usize = 65_536;

/// Interval at which an idle server checks for a shutdown request: its socket's read timeout.
pub const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Error of `send_to` for a datagram that is too long. The maximum is 65,507 bytes, and 9,216 on
/// macOS (net.inet.udp.maxdgram).
const EMSGSIZE: i32 = error_code(10_040, 90, 40);

/// Error of `send_to` if the system's buffers are full. The datagram is lost, as on a network.
const ENOBUFS: i32 = error_code(10_055, 105, 55);

const fn error_code(windows: i32, linux: i32, macos: i32) -> i32 {
    match (cfg!(windows), cfg!(target_os = "linux")) {
        (true, _) => windows,
        (_, true) => linux,
        _ => macos,
    }
}

/// What the server does with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Reply with the prefix and the datagram.
    Echo,
    /// Reply with an error.
    Error(FramingError),
    /// Do not reply, because the datagram is a reply. Otherwise, a forged sender could make two
    /// servers reply to each other forever (CERT CA-1996-01).
    Ignore,
}

/// The socket of a server. Its errors never stop the server.
pub struct Datagrams<'a> {
    socket: &'a UdpSocket,
    address: SocketAddr,
    shutdown: &'a Shutdown,
    report: &'a Report,
}

impl<'a> Datagrams<'a> {
    /// Prepares the socket, and prints its address. Returns an error if setsockopt(2) fails.
    pub fn new(
        socket: &'a UdpSocket,
        shutdown: &'a Shutdown,
        report: &'a Report,
    ) -> io::Result<Self> {
        let address = socket.local_addr()?;
        socket.set_read_timeout(Some(POLL_INTERVAL))?;
        report.listening(address);
        Ok(Datagrams {
            socket,
            address,
            shutdown,
            report,
        })
    }

    /// Receives the next datagram, and returns its length and sender. After a shutdown request,
    /// receives the datagrams that have arrived, then returns `None`.
    pub fn receive(&self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let report = self.report;
        while !self.shutdown.grace_period_expired() {
            match self.socket.recv_from(buffer) {
                Ok((len, peer)) => {
                    report.trace.bytes(peer, "recvfrom", &buffer[..len]);
                    if !self.is_own(peer) {
                        return Some((len, peer));
                    }
                    self.ignore(peer, "it comes from this server's own address");
                }
                Err(error) if is_timeout(&error) && self.shutdown.is_requested() => return None,
                Err(error) if is_timeout(&error) || is_expected(&error) => {}
                Err(error) => {
                    report.print_error_rate_limited("receive", "a datagram", &error);
                    // Sleeps, because the next call may fail immediately, too.
                    thread::sleep(POLL_INTERVAL);
                }
            }
        }
        None
    }

    /// Returns `true` if a reply would come back to this socket, because the sender is forged.
    fn is_own(&self, peer: SocketAddr) -> bool {
        let is_loopback = || peer.ip().to_canonical().is_loopback();
        peer.port() == self.address.port() && (is_loopback() || reaches(peer, self.address))
    }

    fn ignore(&self, peer: SocketAddr, reason: &str) {
        let line = format!("datagram from {peer}: not answered: {reason}");
        self.report.print_line(line);
    }

    /// Responds to a datagram of `len` bytes and prints a line. `reply` is the echo.
    pub fn respond(&self, action: Action, reply: &[u8], len: usize, peer: SocketAddr) {
        let report = self.report;
        let sent = match action {
            Action::Ignore => return self.ignore(peer, "it begins as a reply does"),
            Action::Error(error) => self.send(format!("error: {error}").as_bytes(), peer),
            Action::Echo => {
                report.record(1, len as u64);
                self.send(reply, peer)
            }
        };
        match sent {
            Ok(_) if report.is_quiet => {} // saves formatting the line
            Ok(sent) => {
                let (len, sent) = (plural(len as u64, "byte"), plural(sent as u64, "byte"));
                report.print_line(format!("datagram from {peer}: {len}, replied with {sent}"));
            }
            Err(error) if is_expected(&error) => {}
            Err(error) => report.print_error_rate_limited("reply to", peer, &error),
        }
    }

    /// Sends a reply, or an error reply if it does not fit in one datagram.
    fn send(&self, reply: &[u8], peer: SocketAddr) -> io::Result<usize> {
        match self.socket.send_to(reply, peer) {
            Err(error) if error.raw_os_error() == Some(EMSGSIZE) => {
                let len = plural(reply.len() as u64, "byte");
                let error = format!("error: reply of {len} does not fit in one datagram");
                self.send(error.as_bytes(), peer)
            }
            sent => sent.inspect(|_| self.report.trace.bytes(peer, "sendto", reply)),
        }
    }
}

/// Returns `true` if datagrams to this address reach the socket bound to `bound`.
pub(crate) fn reaches(address: SocketAddr, bound: SocketAddr) -> bool {
    let [ip, own] = [address, bound].map(|address| address.ip().to_canonical());
    // On a wildcard address, each address of this machine is ours: it can be bound.
    let mut local = address; // with its scope, which a link-local address needs
    local.set_port(0);
    let is_ours = || own.is_unspecified() && UdpSocket::bind(local).is_ok();
    address.port() == bound.port() && (ip == own || is_ours())
}

/// Returns `true` for full buffers, a signal, and an ICMP port unreachable message, which answers
/// an earlier datagram to a closed port. Unix reports that as refused, Windows as reset
/// (rust-lang/rust#128072).
pub(crate) fn is_expected(error: &io::Error) -> bool {
    match error.kind() {
        ConnectionRefused | ConnectionReset | Interrupted | WouldBlock => true,
        _ => error.raw_os_error() == Some(ENOBUFS),
    }
}

#[cfg(test)]
mod tests;
