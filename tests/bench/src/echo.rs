//! The servers to compare with: the barest blocking loops of std for the same work, and the same with tokio.

use std::io::{self, BufRead, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::str::from_utf8;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// Serves on a free port until the process is killed. The options are a prefix and a framing.
pub fn serve(pattern: &str, options: [&'static str; 2]) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let socket = UdpSocket::bind(listener.local_addr()?)?;
    println!("listening on {}", listener.local_addr()?);
    let mut buffer = Buffer::new(options);
    match pattern {
        "threads" => loop {
            let (stream, _) = listener.accept()?;
            thread::spawn(move || echo_stream(stream, Buffer::new(options)));
        },
        "tokio" => Runtime::new()?.block_on(serve_tokio(listener, options)),
        _ => loop {
            let (len, peer) = socket.recv_from(buffer.space())?;
            socket.send_to(buffer.replies(len)?, peer)?;
        },
    }
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

async fn serve_tokio(listener: TcpListener, options: [&'static str; 2]) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut buffer = Buffer::new(options);
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

/// What has arrived, after the prefix, so that a reply is sent from where it was received.
struct Buffer {
    prefix: &'static str,
    framing: &'static str,
    bytes: Vec<u8>,
    /// Where the part with replies ends, and where what was received.
    ends: (usize, usize),
    lines: Vec<u8>,
}

impl Buffer {
    fn new([prefix, framing]: [&'static str; 2]) -> Self {
        let (start, mut bytes) = (prefix.len(), vec![0; prefix.len() + 65_536]);
        bytes[..start].copy_from_slice(prefix.as_bytes());
        let (ends, lines) = ((start, start), Vec::new());
        #[rustfmt::skip]
        return Buffer { prefix, framing, bytes, ends, lines };
    }

    /// Returns where to receive, with an incomplete message moved to the front.
    fn space(&mut self) -> &mut [u8] {
        let ((replied, received), start) = (self.ends, self.prefix.len());
        self.bytes.copy_within(replied..received, start);
        self.ends = (start, start + received - replied);
        &mut self.bytes[self.ends.1..]
    }

    /// Returns the replies to everything that is complete, now that `len` more bytes have arrived.
    fn replies(&mut self, len: usize) -> io::Result<&[u8]> {
        self.ends.1 += len;
        let received = &self.bytes[self.prefix.len()..self.ends.1];
        let is_newline = |byte: &u8| *byte == b'\n';
        let complete = match self.framing {
            "raw" => received.len(),
            "line" => received
                .iter()
                .rposition(is_newline)
                .map_or(0, |last| last + 1),
            _ => match from_utf8(received) {
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                result => result.map_err(io::Error::other)?.len(),
            },
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
