//! The post's first server, call for call: accept one client, reply once, exit.
//!
//!     cargo run -p tcp-echo --example tcp_1_tutorial

use std::env;
use std::io::{self, Read, Write};
use std::net::TcpListener;

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:12345".to_string());
    let listener = TcpListener::bind(address)?; // socket, bind, listen
    println!("listening on {}", listener.local_addr()?);

    let (mut stream, peer) = listener.accept()?;
    println!("client {peer} connected");

    let mut buffer = [0; 1024];
    let len = stream.read(&mut buffer)?; // recv
    let text = std::str::from_utf8(&buffer[..len]).map_err(io::Error::other)?; // decode
    stream.write_all(format!("서버로부터 응답: {text}").as_bytes())?; // encode, sendall

    Ok(()) // close, twice: both sockets go out of scope here
}
