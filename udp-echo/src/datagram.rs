//! One datagram in, one datagram out, whatever the system says meanwhile.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use common::framing::FramingError;
use common::report::Report;
use common::shutdown::Shutdown;
use common::timeout::is_timeout;
use common::words::{error_reply, plural};

/// Longer than any datagram: `recv_from` cuts off what does not fit, on Unix without an error.
pub const BUFFER_LEN: usize = 65_536;

/// How often an idle server checks whether a shutdown was requested. It is the read timeout of its
/// socket.
pub const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What `send_to` says of a datagram that is too long: 65,507 bytes fit, on macOS only 9,216
/// (net.inet.udp.maxdgram).
const EMSGSIZE: i32 = if cfg!(windows) {
    10_040
} else if cfg!(target_os = "linux") {
    90
} else {
    40
};

/// What it says if the system's buffers are full. The datagram is lost, as on a network.
const ENOBUFS: i32 = if cfg!(windows) {
    10_055
} else if cfg!(target_os = "linux") {
    105
} else {
    55
};

const WILDCARD_WARNING: &str = "warning: a reply may leave from another address than the one that \
    was asked, and its client drops it: listen on that one address to prevent this";

/// What a datagram is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The prefix and the datagram.
    Echo,
    /// An error.
    Error(FramingError),
    /// Nothing, because it is a reply itself: otherwise a forged sender could make two servers talk
    /// to each other forever (CERT CA-1996-01).
    Nothing,
}

/// The socket of a server, whose errors never stop it.
pub struct Datagrams<'a> {
    socket: &'a UdpSocket,
    address: SocketAddr,
    shutdown: &'a Shutdown,
    report: &'a Report,
}

impl<'a> Datagrams<'a> {
    /// Prepares the socket, and prints where it listens.
    ///
    /// # Errors
    ///
    /// Returns an error if the socket takes no read timeout (setsockopt(2)).
    pub fn new(
        socket: &'a UdpSocket,
        shutdown: &'a Shutdown,
        report: &'a Report,
    ) -> io::Result<Self> {
        let address = socket.local_addr()?;
        socket.set_read_timeout(Some(POLL_INTERVAL))?;
        report.listening(address);
        if address.ip().is_unspecified() {
            report.print_error(WILDCARD_WARNING);
        }
        Ok(Datagrams {
            socket,
            address,
            shutdown,
            report,
        })
    }

    /// Receives the next datagram, and returns its length and sender. After a shutdown request,
    /// receives those that have arrived, then returns `None`.
    pub fn receive(&self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        while !self.shutdown.grace_period_expired() {
            match self.socket.recv_from(buffer) {
                Ok((len, peer)) => {
                    self.report.trace.bytes(peer, "recvfrom", &buffer[..len]);
                    if !self.is_own(peer) {
                        return Some((len, peer));
                    }
                    self.ignore(peer, "it comes from this server's own address");
                }
                Err(error) if is_timeout(&error) && self.shutdown.is_requested() => return None,
                Err(error) if is_timeout(&error) || is_expected(&error) => {}
                Err(error) => {
                    self.report
                        .print_error_rate_limited("receive", "a datagram", &error);
                    // There is nothing to wait for, and it may fail again.
                    thread::sleep(POLL_INTERVAL);
                }
            }
        }
        None
    }

    /// Returns `true` if a reply would come back to this socket: the sender of a datagram can be
    /// forged.
    fn is_own(&self, peer: SocketAddr) -> bool {
        let (ip, own) = (peer.ip().to_canonical(), self.address.ip().to_canonical());
        peer.port() == self.address.port() && (ip == own || ip.is_loopback())
    }

    fn ignore(&self, peer: SocketAddr, reason: &str) {
        self.report
            .print_line(format_args!("datagram from {peer}: not answered: {reason}"));
    }

    /// Answers a datagram of `len` bytes, if it is echoed with this reply.
    pub fn answer(&self, answer: Answer, reply: &[u8], len: usize, peer: SocketAddr) {
        let sent = match answer {
            Answer::Nothing => return self.ignore(peer, "it begins as a reply does"),
            Answer::Error(error) => self.send(error_reply(&error.to_string()).as_bytes(), peer),
            Answer::Echo => {
                self.report.record(1, len as u64);
                self.send(reply, peer)
            }
        };
        match sent {
            Ok(_) if self.report.is_quiet => {} // nor format it
            Ok(sent) => {
                let (len, sent) = (plural(len as u64, "byte"), plural(sent as u64, "byte"));
                let line = format_args!("datagram from {peer}: {len}, replied with {sent}");
                self.report.print_line(line);
            }
            Err(error) if is_expected(&error) => {}
            Err(error) => self
                .report
                .print_error_rate_limited("reply to", peer, &error),
        }
    }

    /// Sends a reply, or an error if it does not fit in one datagram.
    fn send(&self, reply: &[u8], peer: SocketAddr) -> io::Result<usize> {
        match self.socket.send_to(reply, peer) {
            Err(error) if error.raw_os_error() == Some(EMSGSIZE) => {
                let len = plural(reply.len() as u64, "byte");
                let reason = format!("reply of {len} does not fit in one datagram");
                self.send(error_reply(&reason).as_bytes(), peer)
            }
            sent => {
                let sent = sent?;
                self.report.trace.bytes(peer, "sendto", reply);
                Ok(sent)
            }
        }
    }
}

/// Returns `true` for what a system says of an earlier datagram that met a closed port (an ICMP
/// port unreachable message: refused on Unix, reset on Windows, rust-lang/rust#128072), of full
/// buffers, and of a signal.
pub(crate) fn is_expected(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionReset | Interrupted | WouldBlock
    ) || error.raw_os_error() == Some(ENOBUFS)
}
