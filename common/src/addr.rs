//! Addresses as typed, and the sockets created from them.

use std::fmt;
use std::io;
use std::io::ErrorKind::{self, ConnectionRefused};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::str::FromStr;
use std::time::Duration;

use crate::timeout::socket_timeout;
use crate::words::error_message;

/// The default address, which is the tutorial's.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:12345";

const EXAMPLE: &str = "write HOST:PORT, such as 127.0.0.1:12345 or [::1]:12345";

/// A host and a port, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Parses `HOST:PORT`, `:PORT`, `PORT`, `HOST`, `[IPV6]:PORT`, `[IPV6]` and `IPV6`.
impl FromStr for Address {
    type Err = String;

    fn from_str(input: &str) -> Result<Self, String> {
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (host, port) = match input.rsplit_once(':') {
            _ if is_ipv6(input) => (input, "12345"),
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port),
            None if is_number(input) => ("", input),
            _ => (input, "12345"),
        };
        let in_brackets = || host.strip_prefix('[')?.strip_suffix(']');
        let host = match in_brackets() {
            Some(ipv6) if is_ipv6(ipv6) => ipv6.to_owned(),
            None if host.is_empty() && !input.is_empty() => "127.0.0.1".to_owned(),
            None if is_ipv6(host) || is_host_name(host) => host.to_owned(),
            _ => return Err(format!("{host:?} is not a host: {EXAMPLE}")),
        };
        match port.parse() {
            Ok(number) if is_number(port) => Ok(Address { host, port: number }), // rejects "+80"
            _ if port.is_empty() => Err(format!("the port after the colon is missing: {EXAMPLE}")),
            _ => Err(format!(
                "the port {port:?} is not a number from 0 to 65535: {EXAMPLE}"
            )),
        }
    }
}

/// Returns `true` for an IPv6 address, with or without a zone, as in `fe80::1%eth0` (RFC 4007).
fn is_ipv6(host: &str) -> bool {
    let (ip, interface) = host.split_once('%').unwrap_or((host, "none"));
    ip.parse::<Ipv6Addr>().is_ok() && !interface.is_empty() && !interface.contains(is_never_in_name)
}

/// Returns `true` for a possible host name. Digits and dots have to form an IPv4 address.
fn is_host_name(host: &str) -> bool {
    let has_letter = host.contains(|c: char| !c.is_ascii_digit() && c != '.');
    host.parse::<Ipv4Addr>().is_ok() || has_letter && !host.contains(is_never_in_name)
}

fn is_never_in_name(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "/:[]%@?#,;'\"".contains(c)
}

impl Address {
    /// Returns all addresses of this name. `localhost` is 127.0.0.1 and then `::1`, because on
    /// Windows a client that tries `::1` first waits 2 s for a refusal (python/cpython#106130).
    ///
    /// # Errors
    ///
    /// Returns an error if the name is unknown (getaddrinfo(3)).
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, String> {
        if self.host.eq_ignore_ascii_case("localhost") {
            let [v4, v6] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            return Ok([v4, v6].map(|ip| SocketAddr::new(ip, self.port)).to_vec());
        }
        match (self.host.as_str(), self.port).to_socket_addrs() {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) => Err(self.error("find", &error)),
        }
    }

    /// Returns only the first address, because clients do not expect a server on another one.
    fn first(&self) -> Result<SocketAddr, String> {
        let first = self.resolve()?.first().copied();
        first.ok_or_else(|| format!("cannot find {self}: the name has no address"))
    }

    /// Returns a listener on this address. On Unix, std sets `SO_REUSEADDR`, so restarts succeed.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is unknown or the port is in use (bind(2)).
    pub fn listen(&self) -> Result<TcpListener, String> {
        TcpListener::bind(self.first()?).map_err(|error| self.error("listen on", &error))
    }

    /// Returns a UDP socket bound to this address.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`listen`](Self::listen).
    pub fn bind_udp(&self) -> Result<UdpSocket, String> {
        UdpSocket::bind(self.first()?).map_err(|error| self.error("listen on", &error))
    }

    /// Returns a connection to the first address that accepts one within the timeout.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is unknown, or if all addresses fail (connect(2)).
    pub fn connect(&self, timeout: Duration) -> Result<TcpStream, String> {
        let stream = try_all(&self.resolve()?, |address| connect(address, timeout));
        stream.map_err(|error| self.error("connect to", &error))
    }

    fn error(&self, action: &str, error: &io::Error) -> String {
        let hint = hint(action, error.kind(), self.port);
        format!("cannot {action} {self}: {}{hint}", error_message(error))
    }
}

/// Tries all addresses of a server, and returns the first success.
///
/// # Errors
///
/// Returns the first error that tells something about the server. On a machine with only IPv4, the
/// errors of its IPv6 addresses do not.
pub fn try_all<T>(
    addresses: &[SocketAddr],
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    use ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkUnreachable};
    let mut errors = Vec::new();
    for address in addresses {
        match attempt(reachable(*address)) {
            Ok(success) => return Ok(success),
            Err(error) => errors.push(error),
        }
    }
    let local = [AddrNotAvailable, HostUnreachable, NetworkUnreachable];
    errors.sort_by_key(|error| local.contains(&error.kind()));
    let telling = errors.into_iter().next();
    Err(telling.unwrap_or_else(|| ErrorKind::NotFound.into()))
}

/// Connects to one address. Without a listener on a port of this machine, TCP can connect a client
/// to itself (RFC 9293, section 3.5, simultaneous open). This function reports that as refused.
fn connect(address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let stream = match socket_timeout(timeout) {
        Some(timeout) => TcpStream::connect_timeout(&address, timeout)?,
        None => TcpStream::connect(address)?,
    };
    stream.set_nodelay(true)?; // sends each message immediately
    match stream.local_addr()? == stream.peer_addr()? {
        true => Err(io::Error::new(ConnectionRefused, "Connection refused")),
        false => Ok(stream),
    }
}

/// Returns a hint about an error on a line of its own, or an empty string.
pub fn hint(action: &str, kind: ErrorKind, port: u16) -> String {
    use ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    use ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    let hint = match (action, kind) {
        ("find", _) => "check the spelling; 127.0.0.1 is this machine",
        ("listen on", AddrInUse) => {
            "stop the program that uses this port, or take a free one: --address :0"
        }
        ("listen on", AddrNotAvailable) => {
            "this machine has no such address; 127.0.0.1 always exists"
        }
        ("listen on", PermissionDenied) if cfg!(windows) => {
            "Windows reserves this port; take a free one: --address :0"
        }
        ("listen on", PermissionDenied) if port < 1024 => {
            "ports below 1024 may need an administrator: --address :12345"
        }
        ("connect to", ConnectionRefused) => {
            "start the server first, and compare its `listening on` line"
        }
        ("connect to", TimedOut | HostUnreachable | NetworkUnreachable) => {
            "is the server running there? does a firewall, or a guest Wi-Fi, keep you apart?"
        }
        _ => return String::new(),
    };
    format!("\n{hint}")
}

/// Returns the address at which this machine reaches a socket bound to `bound`. Clients cannot
/// connect to `0.0.0.0` and `::` on every system.
pub fn reachable(mut bound: SocketAddr) -> SocketAddr {
    match bound.ip() {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => bound.set_ip(Ipv6Addr::LOCALHOST.into()),
        ip if ip.to_canonical().is_unspecified() => bound.set_ip(Ipv4Addr::LOCALHOST.into()),
        _ => {}
    }
    bound
}

#[cfg(test)]
mod tests;
