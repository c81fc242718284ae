//! The post's third server, call for call: a thread for each client.
//!
//!     cargo run -p threaded-echo --example threads_1_tutorial

use std::env;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:12345".to_string());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);

    loop {
        let (stream, peer) = listener.accept()?;
        println!("client {peer} connected");
        thread::spawn(move || handle_client(stream)); // Thread(target=…, args=…), start
    }
}

fn handle_client(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    let len = stream.read(&mut buffer)?; // if this fails, the thread ends in silence
    let text = std::str::from_utf8(&buffer[..len]).map_err(io::Error::other)?;
    stream.write_all(format!("서버로부터 응답: {text}").as_bytes())
} // close: the stream goes out of scope here
