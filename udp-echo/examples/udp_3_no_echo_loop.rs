//! No reply to a reply: a forged sender could make two servers talk forever.
//!
//!     cargo run -p udp-echo --example udp_3_no_echo_loop

use std::env;
use std::io;
use std::net::UdpSocket;

const PREFIX: &str = "서버로부터 응답: ";

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:12345".to_string());
    let socket = UdpSocket::bind(address)?;
    println!("listening on {}", socket.local_addr()?);

    let mut buffer = vec![0; 65_536]; // larger than any datagram
    loop {
        if let Err(error) = echo_datagram(&socket, &mut buffer) {
            eprintln!("cannot echo a datagram: {error}");
        }
    }
}

fn echo_datagram(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<()> {
    // On Windows this fails after a reply to a port that was closed by then.
    let (len, peer) = socket.recv_from(buffer)?;
    if is_reply(&buffer[..len]) {
        println!("datagram from {peer}: not answered: it begins like a reply");
        return Ok(());
    }
    let reply = build_reply(&buffer[..len]);
    let sent = socket.send_to(reply.as_bytes(), peer)?;
    println!("datagram from {peer}: {len} bytes, replied with {sent} bytes");
    Ok(())
}

fn is_reply(datagram: &[u8]) -> bool {
    datagram.starts_with(PREFIX.as_bytes()) || datagram.starts_with(b"error: ")
}

fn build_reply(datagram: &[u8]) -> String {
    match std::str::from_utf8(datagram) {
        Ok(text) => format!("{PREFIX}{text}"),
        Err(_) => "error: not UTF-8".to_string(),
    }
}
