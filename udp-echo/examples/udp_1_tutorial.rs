//! The post's second server, call for call: receive a datagram, reply to it, repeat.
//!
//!     cargo run -p udp-echo --example udp_1_tutorial

use std::env;
use std::io;
use std::net::UdpSocket;

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:12345".to_string());
    let socket = UdpSocket::bind(address)?; // socket, bind
    println!("listening on {}", socket.local_addr()?);

    let mut buffer = [0; 1024];
    loop {
        let (len, peer) = socket.recv_from(&mut buffer)?;
        let text = std::str::from_utf8(&buffer[..len]).map_err(io::Error::other)?;
        println!("datagram from {peer}: {text}");
        socket.send_to(format!("서버로부터 응답: {text}").as_bytes(), peer)?;
    }
}
