//! The server: receive a datagram, reply to it, receive the next.
//!
//! There is no connection: one socket serves all clients, and the address that comes with a
//! datagram names its sender.

use std::io;
use std::net::UdpSocket;

use common::framing::check_utf8;
use common::report::Report;
use common::shutdown::Shutdown;
use common::words::error_reply;

use crate::datagram::{BUFFER_LEN, Datagrams, Reply};

/// How datagrams are answered.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// What each reply begins with (--prefix= for a plain echo)
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "서버로부터 응답: ",
        allow_hyphen_values = true
    )]
    pub prefix: String,
    /// Send bytes back unchanged: no prefix, no UTF-8 check (RFC 862)
    #[arg(long)]
    pub raw: bool,
}

/// Replies to datagrams until a shutdown is requested. Errors of a datagram never stop the server.
///
/// # Errors
///
/// Returns an error if the socket takes no read timeout (setsockopt(2)).
pub fn serve(
    socket: &UdpSocket,
    options: &Options,
    shutdown: &Shutdown,
    report: &Report,
) -> io::Result<()> {
    let datagrams = Datagrams::new(socket, shutdown, report)?;
    let (mut buffer, mut reply) = (vec![0; BUFFER_LEN], Vec::new());
    while let Some((len, peer)) = datagrams.receive(&mut buffer) {
        let kind = build_reply(&buffer[..len], options, &mut reply);
        datagrams.answer(kind, &mut reply, len, peer);
    }
    Ok(())
}

fn build_reply(datagram: &[u8], options: &Options, reply: &mut Vec<u8>) -> Reply {
    let prefix = if options.raw {
        b""
    } else {
        options.prefix.as_bytes()
    };
    reply.clear();
    if datagram.starts_with(b"error: ") || !prefix.is_empty() && datagram.starts_with(prefix) {
        return Reply::None;
    }
    if !options.raw {
        if let Err(error) = check_utf8(datagram) {
            reply.extend_from_slice(error_reply(&error.to_string()).as_bytes());
            return Reply::Error;
        }
    }
    reply.extend_from_slice(prefix);
    reply.extend_from_slice(datagram);
    Reply::Echo
}

#[cfg(test)]
mod tests;
