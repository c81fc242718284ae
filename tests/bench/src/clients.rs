//! The clients: they do the work for as long as it is measured, and count.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use suite::{Server, connect, connect_udp};

use crate::Result;
use crate::pieces::{cpu_seconds, kernel_kib, resident_kib, runtime};
use crate::work::Work;

/// What one turn has found, by name: µs per message are `p50`, `p99` and, of the server, `cpu`.
pub type Sample = BTreeMap<&'static str, f64>;

/// Measures one server at one kind of work.
pub fn measure(work: &Work<'_>, server: &Server, seconds: f64) -> Result<Sample> {
    let mut client = Client::new(work, server.address);
    let clients = match work.kind {
        "idle" => return client.measure_idle(work.count, server.id()),
        "threads" | "events" => work.count,
        "bulk" | "lines" => 1,
        _ => 0,
    };
    let mut streams = client.connect(clients)?;
    for stream in &streams {
        client.request(stream)?; // so that nothing of a start is measured
    }
    let (started, cpu) = (Instant::now(), cpu_seconds(server.id()));
    client.end = started + Duration::from_secs_f64(seconds);
    let mut latencies = match work.kind {
        "threads" | "churn" => client.run_threads(work.count, &mut streams)?,
        "events" => client.run_events(&mut streams)?,
        _ => vec![],
    };
    let is_full = work.count == usize::MAX;
    let count = match (work.kind, streams.first()) {
        ("bulk", Some(stream)) => client.stream(stream)? / 1_000_000,
        ("lines", Some(stream)) if !is_full => client.lines(stream, work.count)?,
        ("lines", Some(stream)) => client.stream(stream)? / client.reply.len(),
        ("udp", _) => client.datagrams(work.count)?,
        _ => latencies.len(),
    } as f64;
    let mut sample = Sample::from([("rate", count / started.elapsed().as_secs_f64())]);
    let cpu = cpu.zip(cpu_seconds(server.id()));
    cpu.map(|(before, after)| sample.insert("cpu", (after - before) * 1e6 / count));
    latencies.sort_unstable();
    for (name, percent) in [("p50", 50), ("p99", 99)] {
        let latency = latencies.get(latencies.len() * percent / 100);
        latency.map(|latency| sample.insert(name, latency.as_secs_f64() * 1e6));
    }
    Ok(sample)
}

/// Whom to send what, what has to come back, and until when.
#[derive(Clone)]
struct Client {
    server: SocketAddr,
    message: Vec<u8>,
    reply: Vec<u8>,
    end: Instant,
}

impl Client {
    fn new(work: &Work<'_>, server: SocketAddr) -> Self {
        let mut message = "안녕하세요".repeat(work.len / 15).into_bytes(); // takes the time that UTF-8 takes
        message.resize(work.len - 1, b'.');
        message.push(b'\n');
        Client {
            server,
            reply: [work.prefix().as_bytes(), &message].concat(),
            message,
            end: Instant::now(),
        }
    }

    fn connect(&self, clients: usize) -> Result<Vec<TcpStream>> {
        let streams = (0..clients).map(|_| connect(self.server));
        let streams = streams.map(|stream| stream.set_nodelay(true).map(|()| stream));
        Ok(streams.collect::<io::Result<_>>()?)
    }

    /// Sends the message, and waits for its reply.
    fn request(&self, mut stream: &TcpStream) -> Result<()> {
        let mut buffer = [0; 128];
        stream.write_all(&self.message)?;
        stream.read_exact(&mut buffer[..self.reply.len()])?;
        let is_right = buffer.starts_with(&self.reply);
        is_right.then_some(()).ok_or("a reply is wrong".into())
    }

    /// Sends messages one by one. Without a stream, each gets a connection of its own.
    fn ping_pong(&self, stream: Option<TcpStream>) -> Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        while Instant::now() < self.end {
            let started = Instant::now();
            match &stream {
                Some(stream) => self.request(stream)?,
                None => self.request(&TcpStream::connect(self.server)?)?,
            }
            latencies.push(started.elapsed());
        }
        Ok(latencies)
    }

    /// A thread per client.
    fn run_threads(&self, count: usize, streams: &mut Vec<TcpStream>) -> Result<Vec<Duration>> {
        thread::scope(|scope| {
            let streams = (0..count).map(|_| streams.pop());
            let spawn = |stream| scope.spawn(move || self.ping_pong(stream));
            let (threads, mut all): (Vec<_>, _) = (streams.map(spawn).collect(), Vec::new());
            for thread in threads {
                all.extend(thread.join().map_err(|_| "a client has panicked")??);
            }
            Ok(all)
        })
    }

    async fn ping_pong_async(self, stream: TcpStream) -> Result<Vec<Duration>> {
        stream.set_nonblocking(true)?;
        let mut stream = tokio::net::TcpStream::from_std(stream)?;
        let (mut latencies, mut buffer) = (Vec::new(), self.reply);
        while Instant::now() < self.end {
            let started = Instant::now();
            stream.write_all(&self.message).await?;
            stream.read_exact(&mut buffer).await?;
            latencies.push(started.elapsed());
        }
        Ok(latencies)
    }

    /// All clients in one loop: each wake-up finds the replies of many.
    fn run_events(&self, streams: &mut Vec<TcpStream>) -> Result<Vec<Duration>> {
        runtime()?.block_on(async {
            let spawn = |stream| tokio::spawn(self.clone().ping_pong_async(stream));
            let (clients, mut all): (Vec<_>, _) = (streams.drain(..).map(spawn).collect(), vec![]);
            for client in clients {
                all.extend(client.await??);
            }
            Ok(all)
        })
    }

    /// Sends as much as fits, and reads at the same time.
    fn stream(&self, mut stream: &TcpStream) -> Result<usize> {
        let (block, mut output) = (self.message.repeat(1_024), stream);
        thread::scope(|scope| {
            scope.spawn(move || {
                while Instant::now() < self.end && output.write_all(&block).is_ok() {}
                output.shutdown(Shutdown::Write)
            });
            let (mut done, mut buffer) = (0, vec![0; 65_536]);
            loop {
                match stream.read(&mut buffer)? {
                    0 => return Ok(done),
                    len => done += len,
                }
            }
        })
    }

    /// Keeps this number of messages in flight; each ends a line.
    fn keep_in_flight(
        &self,
        window: usize,
        mut send: impl FnMut(usize) -> io::Result<()>,
        mut receive: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Result<usize> {
        let (mut done, mut missing, mut buffer) = (0, window, vec![0; 65_536]);
        while Instant::now() < self.end {
            send(missing)?;
            let len = receive(&mut buffer)?;
            let newlines = buffer[..len].iter().filter(|byte| **byte == b'\n');
            missing = newlines.count();
            done += missing;
        }
        Ok(done)
    }

    fn lines(&self, mut stream: &TcpStream, window: usize) -> Result<usize> {
        let (lines, len) = (self.message.repeat(window), self.message.len());
        let mut input = stream;
        let send = |count| stream.write_all(&lines[..count * len]);
        self.keep_in_flight(window, send, |buffer| input.read(buffer))
    }

    fn datagrams(&self, window: usize) -> Result<usize> {
        let socket = connect_udp(self.server);
        socket.set_read_timeout(Some(Duration::from_secs(1)))?; // a loss ends the turn
        let send = |count| (0..count).try_for_each(|_| socket.send(&self.message).map(drop));
        self.keep_in_flight(window, send, |buffer| socket.recv(buffer))
    }

    /// Connects clients, and measures how long that takes and what they cost while they are idle.
    fn measure_idle(&self, clients: usize, server: u32) -> Result<Sample> {
        let user = || resident_kib(&server.to_string());
        let (user_before, kernel_before, started) = (user(), kernel_kib(), Instant::now());
        let streams = self.connect(clients)?;
        self.request(streams.last().ok_or("no client")?)?; // all before it are accepted
        let open = started.elapsed().as_secs_f64();
        let mut sample = Sample::from([("rate", clients as f64 / open), ("open", open)]);
        let mut add = |name, before: Option<f64>, after: Option<f64>, divisor: f64| {
            let change = before.zip(after).map(|(before, after)| after - before);
            change.map(|change| sample.insert(name, change / divisor));
        };
        add("user", user_before, user(), clients as f64);
        add("kernel", kernel_before, kernel_kib(), clients as f64);
        let before = cpu_seconds(server);
        thread::sleep(Duration::from_secs(1)); // an idle second is what is measured
        add("idle", before, cpu_seconds(server), 0.01);
        Ok(sample)
    }
}
