//! The servers to compare with: the barest blocking loops of std for the same work, and the same with tokio.

use std::io::{self, BufRead, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::str::from_utf8;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use crate::Result;

/// Serves on a free port until the process is killed.
pub fn serve(pattern: &str, mut buffer: Buffer) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let socket = UdpSocket::bind(listener.local_addr()?)?;
    println!("listening on {}", listener.local_addr()?);
    match pattern {
        "threads" => loop {
            let ((stream, _), buffer) = (listener.accept()?, buffer.clone());
            thread::spawn(move || echo_stream(stream, buffer));
        },
        "udp" => loop {
            let (len, peer) = socket.recv_from(buffer.space())?;
            socket.send_to(buffer.replies(len)?, peer)?;
        },
        "tokio" => Runtime::new()?.block_on(serve_tokio(listener, buffer))?,
        "tokio-udp" => Runtime::new()?.block_on(serve_tokio_udp(socket, buffer))?,
        _ => return Err("no such pattern".into()),
    }
    Ok(())
}

fn echo_stream(mut stream: TcpStream, mut buffer: Buffer) -> io::Result<()> {
    loop {
        let len = stream.read(buffer.space())?;
        if len == 0 {
            return Ok(());
        }
        stream.write_all(buffer.replies(len)?)?;
    }
}

async fn serve_tokio(listener: TcpListener, buffer: Buffer) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let ((mut stream, _), mut buffer) = (listener.accept().await?, buffer.clone());
        tokio::spawn(async move {
            loop {
                let len = stream.read(buffer.space()).await?;
                if len == 0 {
                    return io::Result::Ok(());
                }
                stream.write_all(buffer.replies(len)?).await?;
            }
        });
    }
}

async fn serve_tokio_udp(socket: UdpSocket, mut buffer: Buffer) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    loop {
        let (len, peer) = socket.recv_from(buffer.space()).await?;
        socket.send_to(buffer.replies(len)?, peer).await?;
    }
}

/// What has arrived, after the prefix, so that a reply is sent from where it was received.
#[derive(Debug, Clone, clap::Args)]
pub struct Buffer {
    #[arg(long)]
    prefix: String,
    #[arg(long, default_value = "chunk")]
    framing: String,
    /// Empty until the first read: each client has its own.
    #[arg(skip)]
    bytes: Vec<u8>,
    /// Where the part with replies ends, and where what was received.
    #[arg(skip)]
    ends: (usize, usize),
    #[arg(skip)]
    lines: Vec<u8>,
}

impl Buffer {
    /// Returns where to receive, with an incomplete message moved to the front.
    fn space(&mut self) -> &mut [u8] {
        let start = self.prefix.len();
        if self.bytes.is_empty() {
            self.bytes = vec![0; start + 65_536];
            self.bytes[..start].copy_from_slice(self.prefix.as_bytes());
            self.ends = (start, start);
        }
        let (replied, received) = self.ends;
        self.bytes.copy_within(replied..received, start);
        self.ends = (start, start + received - replied);
        &mut self.bytes[self.ends.1..]
    }

    /// Returns the replies to everything that is complete, now that `len` more bytes have arrived.
    fn replies(&mut self, len: usize) -> io::Result<&[u8]> {
        self.ends.1 += len;
        let received = &self.bytes[self.prefix.len()..self.ends.1];
        let complete = match self.framing.as_str() {
            "chunk" => match from_utf8(received) {
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                result => result.map_err(io::Error::other)?.len(),
            },
            "line" => received
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |last| last + 1),
            _ => received.len(),
        };
        self.ends.0 = self.prefix.len() + complete;
        if self.framing != "line" {
            return Ok(&self.bytes[..self.ends.0]);
        }
        let mut rest = &received[..complete];
        self.lines.clear();
        while !rest.is_empty() {
            self.lines.extend_from_slice(self.prefix.as_bytes());
            let start = self.lines.len();
            rest.read_until(b'\n', &mut self.lines)?;
            from_utf8(&self.lines[start..]).map_err(io::Error::other)?;
        }
        Ok(&self.lines)
    }
}
