//! One message, one reply. A datagram can be lost, doubled, late, or a stranger's.
//!
//!     cargo run -p udp-echo --example udp_client -- 127.0.0.1:12345 안녕하세요

use std::env;
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::time::Duration;

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:12345".to_string());
    let words: Vec<String> = env::args().skip(2).collect();
    let socket = UdpSocket::bind("0.0.0.0:0")?; // port 0: any free one
    socket.connect(address)?; // sends nothing: now strangers are filtered out

    let mut buffer = vec![0; 65_536];
    let mut timeout = Duration::from_millis(500);
    for _ in 0..4 {
        socket.send(words.join(" ").as_bytes())?;
        socket.set_read_timeout(Some(timeout))?;
        match socket.recv(&mut buffer) {
            Ok(len) => {
                println!("{}", String::from_utf8_lossy(&buffer[..len]));
                return Ok(());
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => timeout *= 2,
                _ => return Err(error),
            },
        }
    }
    Err(io::Error::other("no reply to 4 datagrams"))
}
