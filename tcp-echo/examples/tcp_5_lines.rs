//! A message is a line, whether it arrives in ten reads or ten lines arrive in one.
//!
//!     cargo run -p tcp-echo --example tcp_5_lines

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const MAX_LINE_LEN: usize = 65_536; // without a limit, one client could fill the memory

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

fn echo_messages(stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new(); // bytes, not a String: any byte can arrive
        let mut limited = reader.by_ref().take(MAX_LINE_LEN as u64 + 2);
        if limited.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let ending_len = if line.ends_with(b"\r\n") { 2 } else { 1 };
        if line.len() > MAX_LINE_LEN + ending_len {
            let error = format!("error: line longer than {MAX_LINE_LEN} bytes\n");
            return reader.get_mut().write_all(error.as_bytes());
        }
        reader.get_mut().write_all(build_reply(&line).as_bytes())?;
    }
}

fn build_reply(line: &[u8]) -> String {
    match std::str::from_utf8(line) {
        Ok(text) => format!("서버로부터 응답: {text}"),
        Err(_) => "error: not UTF-8\n".to_string(),
    }
}
