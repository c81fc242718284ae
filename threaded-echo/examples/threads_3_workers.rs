//! A pool: four workers accept from one listener. A fifth client waits unnoticed.
//!
//!     cargo run -p threaded-echo --example threads_3_workers

use std::env;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const WORKERS: usize = 4;

fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:12345".to_string());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);

    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| accept_clients(&listener));
        }
    });
    Ok(())
}

fn accept_clients(listener: &TcpListener) {
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
    loop {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        let text = std::str::from_utf8(&buffer[..len]).map_err(io::Error::other)?;
        stream.write_all(format!("서버로부터 응답: {text}").as_bytes())?;
    }
}
