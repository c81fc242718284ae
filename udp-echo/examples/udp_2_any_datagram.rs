//! Any datagram: any bytes, many or none. Its errors never stop the server.
//!
//!     cargo run -p udp-echo --example udp_2_any_datagram

use std::env;
use std::io;
use std::net::UdpSocket;

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
    let reply = build_reply(&buffer[..len]);
    let sent = socket.send_to(reply.as_bytes(), peer)?;
    println!("datagram from {peer}: {len} bytes, replied with {sent} bytes");
    Ok(())
}

fn build_reply(datagram: &[u8]) -> String {
    match std::str::from_utf8(datagram) {
        Ok(text) => format!("서버로부터 응답: {text}"),
        Err(_) => "error: not UTF-8".to_string(),
    }
}
