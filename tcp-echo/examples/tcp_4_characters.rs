//! A read can end inside a character: keep its first bytes until the rest arrives.
//!
//!     cargo run -p tcp-echo --example tcp_4_characters

use std::env;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:12345".to_string());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);

    loop {
        match listener.accept() {
            Ok((stream, peer)) => handle_client(stream, peer),
            Err(error) => {
                eprintln!("cannot accept a client: {error}");
                // Out of file descriptors, for example: one may be free soon.
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

fn handle_client(stream: TcpStream, peer: SocketAddr) {
    println!("client {peer} connected");
    match echo_messages(stream) {
        Ok(()) => println!("client {peer} disconnected"),
        Err(error) => eprintln!("client {peer}: {error}"),
    }
}

fn echo_messages(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    let mut pending = Vec::new(); // at most the first bytes of one character
    loop {
        let len = stream.read(&mut buffer)?;
        pending.extend_from_slice(&buffer[..len]);
        let (whole, is_bad) = match std::str::from_utf8(&pending) {
            Ok(text) => (text.len(), false),
            Err(error) => {
                let is_cut = error.error_len().is_none(); // its end has not arrived yet
                (error.valid_up_to(), !is_cut || len == 0)
            }
        };
        if whole > 0 {
            let reply = ["서버로부터 응답: ".as_bytes(), &pending[..whole]].concat();
            stream.write_all(&reply)?; // one write: two would take 40 ms longer
        }
        if is_bad {
            return stream.write_all(b"error: not UTF-8\n");
        }
        if len == 0 {
            return Ok(());
        }
        pending.drain(..whole);
    }
}
