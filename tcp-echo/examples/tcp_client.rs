//! The client: one thread sends while the other prints, or both sides can get stuck.
//!
//!     cargo run -p tcp-echo --example tcp_client
//!     cargo run -p tcp-echo --example tcp_client -- 127.0.0.1:12345 안녕하세요

use std::env;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:12345".to_string());
    let words: Vec<String> = env::args().skip(2).collect();
    let mut stream = TcpStream::connect(address)?;
    let writer = stream.try_clone()?; // the same connection, for the other thread
    thread::spawn(move || send_input(writer, &words.join(" ")));
    io::copy(&mut stream, &mut io::stdout())?; // until the server closes the connection
    io::stdout().flush()
}

fn send_input(mut stream: TcpStream, message: &str) -> io::Result<()> {
    if message.is_empty() {
        io::copy(&mut io::stdin(), &mut stream)?; // until Ctrl-D (Windows: Ctrl-Z)
    } else {
        stream.write_all(format!("{message}\n").as_bytes())?; // as if typed
    }
    stream.shutdown(Shutdown::Write) // half-close: the server can still reply
}
