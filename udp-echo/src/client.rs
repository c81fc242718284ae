//! The client: a request, a reply, and what can happen in between.
//!
//! A datagram can be lost, duplicated or late, and anyone can send one. So the client resends each
//! message until a reply arrives. It uses a connected socket, which receives only datagrams from
//! the server. Each message has a socket of its own, so that the client does not take a late reply
//! to the last message for the reply to this one.

use std::error::Error;
use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, TimedOut};
use std::io::{self, BufRead, Read};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use common::addr::{Address, DEFAULT_ADDRESS, hint, try_all};
use common::report::{print_error, print_stdout};
use common::timeout::{is_timeout, parse_timeout, socket_timeout};
use common::trace::Trace;
use common::usage::address_note;
use common::words::{error_message, plural, with_action};

use crate::datagram::BUFFER_LEN;

/// Options of the client.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Words of one message (default: send each line of stdin as a message)
    pub message: Vec<String>,
    /// Address of the server
    #[arg(short, long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS)]
    pub address: Address,
    /// Seconds to wait for the first reply, doubled with each resend (0 = no limit)
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = parse_timeout)]
    pub timeout: Duration,
    /// Number of times to resend
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub retries: u32,
    /// Show every socket call and its bytes on stderr
    #[arg(long)]
    pub trace: bool,
}

/// Sends the message or each line of stdin, and prints the replies.
///
/// # Errors
///
/// Returns an error if a message did not get a reply.
pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    if let Some(note) = address_note(&options.message) {
        print_error("udp-echo", note);
    }
    let trace = Trace::to_stderr(options.trace)?;
    let mut client = Client {
        servers: options.address.resolve()?,
        last_socket: None,
        options,
        trace,
    };
    let result = client.run();
    client.trace.finish();
    result
}

/// A client of one server, which may have several addresses.
struct Client<'a> {
    servers: Vec<SocketAddr>,
    /// The last message's socket, kept until the next socket has a port, so that the ports differ.
    last_socket: Option<UdpSocket>,
    options: &'a Options,
    trace: Trace,
}

impl Client<'_> {
    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        if !self.options.message.is_empty() {
            let message = self.options.message.join(" ");
            return Ok(print(&self.request(message.as_bytes())?)?);
        }
        let (mut input, mut line, mut failed) = (io::stdin().lock(), Vec::new(), 0);
        loop {
            // A longer line does not fit in a datagram, and could fill the memory.
            let mut limited = input.by_ref().take(BUFFER_LEN as u64);
            let read = limited.read_until(b'\n', &mut line);
            if read.map_err(|error| with_action("read the input", &error))? == 0 {
                break;
            }
            if line.len() == BUFFER_LEN && !line.ends_with(b"\n") {
                input.skip_until(b'\n')?;
            }
            let message = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n"));
            match self.request(message.unwrap_or(&line)) {
                Ok(reply) => print(&reply)?,
                Err(error) => {
                    print_error("udp-echo", error);
                    failed += 1;
                }
            }
            line.clear();
        }
        match failed {
            0 => Ok(()),
            failed => Err(format!("no reply to {}", plural(failed, "message")).into()),
        }
    }

    /// Sends a message until a reply arrives, and returns it. Tries every address of the server.
    fn request(&mut self, message: &[u8]) -> io::Result<Vec<u8>> {
        let servers = self.servers.clone();
        try_all(&servers, |server| self.request_from(server, message))
    }

    fn request_from(&mut self, server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
        let explain = |error: io::Error| explain(server, &error);
        let socket = self.last_socket.insert(connect(server).map_err(explain)?);
        let (started, mut timeout) = (Instant::now(), self.options.timeout);
        for _ in 0..=self.options.retries {
            self.trace.bytes(server, "send", message);
            let reply = socket.send(message).and_then(|_| receive(socket, timeout));
            if let Some(reply) = reply.map_err(explain)? {
                self.trace.bytes(server, "recv", &reply);
                return Ok(reply);
            }
            timeout = timeout.saturating_mul(2);
        }
        let times = plural(u64::from(self.options.retries) + 1, "time");
        let seconds = started.elapsed().as_secs_f64();
        let sentence = format!(
            "no reply from {server}: sent {times}, waited {seconds:.1} s in all\n\
             is it running there? a server on 0.0.0.0 may reply from another address"
        );
        Err(io::Error::new(TimedOut, sentence))
    }
}

/// Returns a socket that receives only from this server. Refuses a connection to itself.
pub(crate) fn connect(server: SocketAddr) -> io::Result<UdpSocket> {
    let is_v4 = server.is_ipv4();
    let socket = UdpSocket::bind(if is_v4 { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.connect(server)?;
    match socket.local_addr()? == socket.peer_addr()? {
        true => Err(ConnectionRefused.into()),
        false => Ok(socket),
    }
}

/// Returns the next datagram, or `None` if it does not arrive in time.
fn receive(socket: &UdpSocket, timeout: Duration) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; BUFFER_LEN];
    socket.set_read_timeout(socket_timeout(timeout))?;
    loop {
        match socket.recv(&mut buffer) {
            Ok(len) => return Ok(Some(buffer[..len].to_vec())),
            Err(error) if is_timeout(&error) => return Ok(None),
            Err(error) if error.kind() == Interrupted => {} // by Ctrl-Z and `fg` (signal(7))
            Err(error) => return Err(error),
        }
    }
}

/// Explains an error. Windows reports a closed port as `reset`, others as `refused`.
fn explain(server: SocketAddr, error: &io::Error) -> io::Error {
    let kind = match error.kind() {
        ConnectionReset => ConnectionRefused,
        kind => kind,
    };
    let hint = hint("connect to", kind, server.port());
    let sentence = match kind {
        ConnectionRefused => format!("no reply from {server}: its port is closed{hint}"),
        _ => format!("cannot send to {server}: {}{hint}", error_message(error)),
    };
    io::Error::new(kind, sentence)
}

fn print(reply: &[u8]) -> io::Result<()> {
    print_stdout(&[reply, b"\n"].concat())
}
