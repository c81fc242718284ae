//! Two loops: one accepts the next client, the one inside reads its next message.
//!
//!     cargo run -p tcp-echo --example tcp_2_loops

use std::env;
use std::io::{self, Read, Write};
use std::net::TcpListener;

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:12345".to_string());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);

    loop {
        let (mut stream, peer) = listener.accept()?;
        println!("client {peer} connected");

        let mut buffer = [0; 1024];
        loop {
            let len = stream.read(&mut buffer)?;
            if len == 0 {
                break; // the end of the stream, not an empty message
            }
            let text = std::str::from_utf8(&buffer[..len]).map_err(io::Error::other)?;
            stream.write_all(format!("서버로부터 응답: {text}").as_bytes())?;
        }
        println!("client {peer} disconnected");
    }
}
