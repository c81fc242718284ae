//! Addresses: what a person may type, and the sockets made from it.
//!
//! Every form that a reader of `ss`, `curl` or a browser would try is understood, and what is left out is filled in:
//!
//! ```
//! use common::addr::Address;
//!
//! for typed in ["127.0.0.1:12345", ":12345", "12345", "127.0.0.1"] {
//!     let address: Address = typed.parse()?;
//!     assert_eq!(address.to_string(), "127.0.0.1:12345");
//! }
//! let address: Address = "::1".parse()?;
//! assert_eq!(address.to_string(), "[::1]:12345");
//!
//! let error = "localhost:".parse::<Address>().unwrap_err();
//! assert_eq!(error.to_string(), "no port behind the colon: write one, as in localhost:12345, or leave out the colon");
//! # Ok::<(), common::addr::ParseAddressError>(())
//! ```
//!
//! A name can have several addresses. A client tries them in order ([`Address::connect`]); a server listens on the first
//! ([`Address::listen`]), because one that quietly took the second would not be where its user looks for it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::str::FromStr;
use std::time::Duration;

use crate::report::why;

/// The host that is meant when none is typed: this machine, reachable by no other.
pub const DEFAULT_HOST: &str = "127.0.0.1";

/// The port that is meant when none is typed: the tutorial's.
pub const DEFAULT_PORT: u16 = 12345;

/// A host and a port, as typed: not yet looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Default for Address {
    fn default() -> Self {
        Address { host: DEFAULT_HOST.to_owned(), port: DEFAULT_PORT }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            // The same fe80:: address can be behind each network card.
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            _ => address.ip().to_string(),
        };
        Address { host, port: address.port() }
    }
}

/// Written so that it can be typed again, an IPv6 address in brackets: `[::1]:12345`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Reads `HOST:PORT`, `:PORT`, `PORT`, `HOST`, `[IPV6]:PORT`, `[IPV6]` and `IPV6`.
///
/// Only digits are a port. More than one colon outside brackets is an IPv6 address, whole (RFC 3986, section 3.2.2, is
/// where the brackets come from).
impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(typed: &str) -> Result<Self, ParseAddressError> {
        if typed.is_empty() {
            return Err(ParseAddressError::Empty);
        }
        if typed.contains('/') {
            return Err(ParseAddressError::Url(typed.to_owned()));
        }
        let (host, port) = split(typed)?;
        if let Some(odd) = host.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return Err(ParseAddressError::OddCharacter(odd));
        }
        let looks_like_ipv4 = !host.is_empty() && host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if looks_like_ipv4 && host.parse::<Ipv4Addr>().is_err() {
            return Err(ParseAddressError::NotIpv4(host.to_owned()));
        }
        let host = if host.is_empty() { DEFAULT_HOST } else { host };
        Ok(Address { host: host.to_owned(), port: port.map_or(Ok(DEFAULT_PORT), parse_port)? })
    }
}

/// Cuts what was typed into a host, empty where there is none, and a port.
fn split(typed: &str) -> Result<(&str, Option<&str>), ParseAddressError> {
    if let Some(inside) = typed.strip_prefix('[') {
        let (host, rest) = inside.split_once(']').ok_or(ParseAddressError::OpenBracket)?;
        check_ipv6(host)?;
        return match rest.strip_prefix(':') {
            _ if rest.is_empty() => Ok((host, None)),
            Some("") => Err(ParseAddressError::NoPort(format!("[{host}]"))),
            Some(port) => Ok((host, Some(port))),
            None => Err(ParseAddressError::BehindBracket(rest.to_owned())),
        };
    }
    match typed.split_once(':') {
        None if typed.bytes().all(|b| b.is_ascii_digit()) => Ok(("", Some(typed))),
        None => Ok((typed, None)),
        Some((_, rest)) if rest.contains(':') => check_ipv6(typed).map(|()| (typed, None)),
        Some((host, "")) => Err(ParseAddressError::NoPort(host.to_owned())),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

/// `fe80::1%eth0` is an address too: behind the `%` stands the network card (RFC 4007, section 11), in the characters
/// that RFC 6874 allows.
fn check_ipv6(host: &str) -> Result<(), ParseAddressError> {
    let (ip, card) = host.split_once('%').unwrap_or((host, "none"));
    let is_card = !card.is_empty() && card.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
    match ip.parse::<Ipv6Addr>() {
        Ok(_) if is_card => Ok(()),
        _ => Err(ParseAddressError::NotIpv6(host.to_owned())),
    }
}

/// `"+80".parse::<u16>()` succeeds, hence the digits are looked at first.
fn parse_port(port: &str) -> Result<u16, ParseAddressError> {
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ParseAddressError::PortNotANumber(port.to_owned()));
    }
    port.parse().map_err(|_| ParseAddressError::PortTooLarge(port.to_owned()))
}

/// Why what was typed is no address. Its text names the part, the reason, and an example that works.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseAddressError {
    /// Nothing was typed.
    Empty,
    /// A slash, as in `http://localhost:12345/`.
    Url(String),
    /// A space or a control character in the host.
    OddCharacter(char),
    /// A colon, and nothing behind it; what stood before it.
    NoPort(String),
    /// Something else than digits where the port stands.
    PortNotANumber(String),
    /// Digits, but more than a port can be.
    PortTooLarge(String),
    /// Digits and dots that are no IPv4 address.
    NotIpv4(String),
    /// Several colons, or brackets, but no IPv6 address.
    NotIpv6(String),
    /// A `[` without its `]`.
    OpenBracket,
    /// Something else than `:PORT` behind the `]`.
    BehindBracket(String),
}

impl fmt::Display for ParseAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the address is empty: write HOST:PORT, as in {DEFAULT_HOST}:{DEFAULT_PORT}"),
            Self::Url(typed) => {
                write!(f, "{typed:?} looks like a URL: write host and port alone, as in localhost:{DEFAULT_PORT}")
            }
            Self::OddCharacter(odd) => {
                write!(f, "the host has the character {odd:?} in it: write it without, as in localhost:{DEFAULT_PORT}")
            }
            Self::NoPort(host) => {
                write!(f, "no port behind the colon: write one, as in {host}:{DEFAULT_PORT}, or leave out the colon")
            }
            Self::PortNotANumber(port) => {
                write!(
                    f,
                    "the port {port:?} is not a number: write one from 0 to 65535, as in localhost:{DEFAULT_PORT}"
                )
            }
            Self::PortTooLarge(port) => {
                write!(f, "the port {port} is too large: the largest is 65535, as in localhost:{DEFAULT_PORT}")
            }
            Self::NotIpv4(host) => {
                write!(f, "{host} is not an IPv4 address: it has four numbers from 0 to 255, as in {DEFAULT_HOST}")
            }
            Self::NotIpv6(host) => {
                write!(
                    f,
                    "{host} is not an IPv6 address: with a port it stands in brackets, as in [::1]:{DEFAULT_PORT}"
                )
            }
            Self::OpenBracket => write!(f, "the bracket is not closed: write it as in [::1]:{DEFAULT_PORT}"),
            Self::BehindBracket(rest) => {
                write!(f, "{rest:?} behind the bracket is not a colon and a port: write it as in [::1]:{DEFAULT_PORT}")
            }
        }
    }
}

impl std::error::Error for ParseAddressError {}

impl Address {
    /// All the addresses this one stands for, in the order in which they are to be tried; never none.
    ///
    /// `localhost` is 127.0.0.1 and then `::1` on every system, whatever its resolver says: the tutorial's sockets are
    /// `AF_INET`, and a client that tried `::1` first would wait for a refusal (2 s on Windows: cpython#106130).
    ///
    /// # Errors
    ///
    /// The name is not known, or nobody could be asked (getaddrinfo(3)).
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, SocketError> {
        if self.host.eq_ignore_ascii_case("localhost") {
            let both = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
            return Ok(both.map(|ip| SocketAddr::new(ip, self.port)).to_vec());
        }
        let found: io::Result<Vec<SocketAddr>> =
            (self.host.as_str(), self.port).to_socket_addrs().map(Iterator::collect);
        match found {
            Ok(addresses) if addresses.is_empty() => Err(self.failed("find the address of", no_address())),
            Ok(addresses) => Ok(addresses),
            Err(error) => Err(self.failed("find the address of", error)),
        }
    }

    /// A TCP socket that listens on the first address of this name.
    ///
    /// On Unix, std sets `SO_REUSEADDR` first, so a server that was just stopped can start again at once; on Windows that
    /// is so without it.
    ///
    /// # Errors
    ///
    /// The name is unknown, the port is taken or not allowed, or the address is none of this machine's (bind(2)).
    // ANCHOR: listen
    pub fn listen(&self) -> Result<TcpListener, SocketError> {
        let address = self.first()?;
        TcpListener::bind(address).map_err(|error| Address::from(address).failed("listen on", error))
    }
    // ANCHOR_END: listen

    /// A UDP socket on the first address of this name.
    ///
    /// # Errors
    ///
    /// As for [`listen`](Self::listen).
    pub fn bind_udp(&self) -> Result<UdpSocket, SocketError> {
        let address = self.first()?;
        UdpSocket::bind(address).map_err(|error| Address::from(address).failed("listen on", error))
    }

    /// A TCP connection to the first address of this name that accepts one within `timeout`.
    ///
    /// # Errors
    ///
    /// The name is unknown, or none of its addresses accepted: what is returned is what the last of them said (connect(2)).
    // ANCHOR: connect
    pub fn connect(&self, timeout: Option<Duration>) -> Result<TcpStream, SocketError> {
        let mut last = no_address();
        for address in self.resolve()? {
            let connected = match timeout {
                Some(timeout) => TcpStream::connect_timeout(&address, timeout),
                None => TcpStream::connect(address),
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(self.failed("connect to", last))
    }
    // ANCHOR_END: connect

    fn first(&self) -> Result<SocketAddr, SocketError> {
        self.resolve()?.first().copied().ok_or_else(|| self.failed("find the address of", no_address()))
    }

    fn failed(&self, doing: &'static str, why: io::Error) -> SocketError {
        SocketError { doing, address: self.clone(), why }
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}

/// A socket that could not be had, in one sentence: `cannot listen on 127.0.0.1:12345: Address already in use`. What to do
/// about it, where that is known, is on a second line.
#[derive(Debug)]
pub struct SocketError {
    doing: &'static str,
    address: Address,
    why: io::Error,
}

impl SocketError {
    fn hint(&self) -> Option<&'static str> {
        match self.why.kind() {
            io::ErrorKind::AddrInUse => {
                Some("another program has this port: stop that one, or take any free port with --address :0")
            }
            io::ErrorKind::PermissionDenied => {
                Some("a port below 1024 may need an administrator: take a larger one, as in --address :12345")
            }
            io::ErrorKind::AddrNotAvailable => {
                Some("this machine has no such address: 127.0.0.1 is always there, 0.0.0.0 stands for all it has")
            }
            io::ErrorKind::ConnectionRefused => {
                Some("nobody listens there: start the server first, and compare its `listening on` line")
            }
            _ => None,
        }
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.doing, self.address, why(&self.why))?;
        self.hint().map_or(Ok(()), |hint| write!(f, "\n{hint}"))
    }
}

impl std::error::Error for SocketError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.why)
    }
}

/// The address at which this machine itself reaches a socket bound to `bound`: `0.0.0.0` and `::` are for listening only.
pub fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let mut reachable = bound;
    reachable.set_ip(ip);
    reachable
}

#[cfg(test)]
mod tests;
