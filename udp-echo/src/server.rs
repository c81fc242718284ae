//! The server: receive a datagram, reply to it, receive the next.
//!
//! UDP has no connections. One socket serves all clients, and each datagram carries the address of
//! its sender.

use std::io;
use std::net::UdpSocket;

use common::framing::check_utf8;
use common::report::Report;
use common::shutdown::Shutdown;

use crate::datagram::{Action, BUFFER_LEN, Datagrams};

/// Options that set how the server replies to datagrams.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Beginning of each reply (--prefix= for a plain echo)
    #[arg(long, value_name = "TEXT", default_value = "서버로부터 응답: ")]
    #[arg(allow_hyphen_values = true)]
    pub prefix: String,
    /// Send bytes back unchanged, without a prefix and a UTF-8 check (RFC 862)
    #[arg(long)]
    pub raw: bool,
}

/// Replies to datagrams until a shutdown request. Errors never stop the server.
///
/// # Errors
///
/// Returns an error if the socket's read timeout cannot be set (setsockopt(2)).
pub fn serve(
    socket: &UdpSocket,
    options: &Options,
    shutdown: &Shutdown,
    report: &Report,
) -> io::Result<()> {
    let datagrams = Datagrams::new(socket, shutdown, report)?;
    let prefix = if options.raw { "" } else { &options.prefix };
    // Receiving a datagram after the prefix builds the reply in the buffer without a copy.
    let mut buffer = [prefix.as_bytes(), &[0; BUFFER_LEN]].concat();
    while let Some((len, peer)) = datagrams.receive(&mut buffer[prefix.len()..]) {
        let reply = &buffer[..prefix.len() + len];
        let action = choose_action(&reply[prefix.len()..], prefix, options.raw);
        datagrams.respond(action, reply, len, peer);
    }
    Ok(())
}

fn choose_action(datagram: &[u8], prefix: &str, is_raw: bool) -> Action {
    let is_reply = !prefix.is_empty() && datagram.starts_with(prefix.as_bytes());
    if is_reply || datagram.starts_with(b"error: ") {
        return Action::Ignore;
    }
    match is_raw {
        true => Action::Echo, // the check would take a tenth of the time
        false => check_utf8(datagram).map_or_else(Action::Error, |()| Action::Echo),
    }
}
