//! The clients: they do the work for as long as it is measured, and count.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use suite::{Server, connect, connect_udp};

use crate::work::Work;
use crate::{Result, pieces, system};

/// What one turn has found, by name: `rate` per second, and `p50`, `p99` and `cpu` of the server in µs per message,
/// or what idle clients cost.
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
    let (started, cpu) = (Instant::now(), system::cpu_seconds(server.id()));
    client.end = started + Duration::from_secs_f64(seconds);
    let mut latencies = match work.kind {
        "threads" => client.run_threads(streams.drain(..).map(Some))?,
        "churn" => client.run_threads((0..work.count).map(|_| None))?,
        "events" => client.run_events(&mut streams)?,
        _ => vec![],
    };
    let count = match (work.kind, streams.first()) {
        ("bulk", Some(stream)) => client.stream(stream, |replies| replies.len())? / 1_000_000,
        ("lines", Some(stream)) if work.count == usize::MAX => client.stream(stream, newlines)?,
        ("lines", Some(stream)) => client.lines(stream, work.count)?,
        ("udp", _) => client.datagrams(work.count)?,
        _ => latencies.len(),
    } as f64;
    let mut sample = Sample::from([("rate", count / started.elapsed().as_secs_f64())]);
    let cpu = cpu.zip(system::cpu_seconds(server.id()));
    cpu.map(|(before, after)| sample.insert("cpu", (after - before) * 1e6 / count));
    latencies.sort_unstable();
    for (name, percent) in [("p50", 50), ("p99", 99)] {
        let latency = latencies.get(latencies.len() * percent / 100);
        latency.map(|latency| sample.insert(name, latency.as_secs_f64() * 1e6));
    }
    Ok(sample)
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
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
        buffer
            .starts_with(&self.reply)
            .then_some(())
            .ok_or("a reply is wrong".into())
    }

    /// A thread per client. Without a stream, each message gets a connection of its own.
    fn run_threads(
        &self,
        streams: impl Iterator<Item = Option<TcpStream>>,
    ) -> Result<Vec<Duration>> {
        let run = |stream: Option<TcpStream>| {
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
        };
        thread::scope(|scope| {
            let spawn = |stream| scope.spawn(move || run(stream));
            let threads: Vec<ScopedJoinHandle<'_, Result<_>>> = streams.map(spawn).collect();
            let ends = threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| "a client panicked")?);
            Ok(ends.collect::<Result<Vec<_>>>()?.concat())
        })
    }

    /// All clients in one loop: each wake-up finds the replies of many.
    fn run_events(&self, streams: &mut Vec<TcpStream>) -> Result<Vec<Duration>> {
        pieces::runtime()?.block_on(async {
            let (mut clients, mut all) = (JoinSet::new(), Vec::new());
            for stream in streams.drain(..) {
                stream.set_nonblocking(true)?;
                let mut stream = tokio::net::TcpStream::from_std(stream)?;
                let client = self.clone();
                clients.spawn(async move {
                    let (mut latencies, mut buffer) = (Vec::new(), client.reply.clone());
                    while Instant::now() < client.end {
                        let started = Instant::now();
                        stream.write_all(&client.message).await?;
                        stream.read_exact(&mut buffer).await?;
                        latencies.push(started.elapsed());
                    }
                    Result::Ok(latencies)
                });
            }
            while let Some(latencies) = clients.join_next().await {
                all.extend(latencies??);
            }
            Ok(all)
        })
    }

    /// Sends as much as fits, and reads at the same time.
    fn stream(&self, mut stream: &TcpStream, count: fn(&[u8]) -> usize) -> Result<usize> {
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
                    len => done += count(&buffer[..len]),
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
            missing = newlines(&buffer[..len]);
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
        let memory = || {
            (
                system::resident_kib(&server.to_string()),
                system::kernel_kib(),
            )
        };
        let (before, started) = (memory(), Instant::now());
        let streams = self.connect(clients)?;
        self.request(streams.last().ok_or("no client")?)?; // all before it are accepted
        let open = started.elapsed().as_secs_f64();
        let mut sample = Sample::from([("rate", clients as f64 / open), ("open", open)]);
        let mut add = |name, before: Option<f64>, after: Option<f64>, divisor: f64| {
            let change = before.zip(after).map(|(before, after)| after - before);
            change.map(|change| sample.insert(name, change / divisor));
        };
        let after = memory();
        add("user", before.0, after.0, clients as f64);
        add("kernel", before.1, after.1, clients as f64);
        let before = system::cpu_seconds(server);
        thread::sleep(Duration::from_secs(1)); // an idle second is what is measured
        add("idle", before, system::cpu_seconds(server), 0.01);
        Ok(sample)
    }
}
