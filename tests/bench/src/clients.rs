//! The clients: they do the work for as long as it is measured, and count.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::work::{Server, Work};
use crate::{Result, pieces, system};

/// How long a client waits for a reply before the measurement has failed.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What one turn has found, by name: `rate` per second, and `p50`, `p99` and `cpu` of the server in µs per message,
/// or what idle clients cost.
pub type Sample = BTreeMap<&'static str, f64>;

/// How many replies have arrived, and how long each took.
type Done = (usize, Vec<Duration>);

/// Measures one server at one kind of work.
pub fn measure(work: &Work<'_>, server: &Server, seconds: f64) -> Result<Sample> {
    let text = "안녕하세요".repeat(work.len / 15); // a line of Korean, to take the time that UTF-8 takes
    let message = format!(
        "{text:.<len$}\n",
        len = work.len - 1 - text.len() + text.chars().count()
    );
    let reply = [work.prefix, &message].concat();
    let mut client = Client {
        server: server.address,
        message: message.into_bytes(),
        reply: reply.into_bytes(),
        end: Instant::now(),
    };
    let count = match work.kind {
        "threads" | "events" => work.count,
        "idle" => return client.measure_idle(work.count, server.id()),
        "bulk" | "lines" => 1,
        _ => 0,
    };
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = client.connect()?;
        client.request(&mut stream)?; // so that nothing of a start is measured
        streams.push(stream);
    }
    let (started, cpu) = (Instant::now(), system::cpu_seconds(server.id()));
    client.end = started + Duration::from_secs_f64(seconds);
    let (count, mut latencies) = match (work.kind, streams.first_mut()) {
        ("threads", _) => in_threads(streams, |stream| client.ping_pong(stream))?,
        ("churn", _) => in_threads(0..work.count, |_| client.churn())?,
        ("events", _) => client.poll(streams)?,
        ("bulk", Some(stream)) => client.stream(stream, |replies| replies.len())?,
        ("lines", Some(stream)) if work.count == usize::MAX => client.stream(stream, newlines)?,
        ("lines", Some(stream)) => client.lines(stream, work.count)?,
        ("udp", _) => client.datagrams(work.count)?,
        _ => return Err("no such work".into()),
    };
    let scale = if work.kind == "bulk" { 1e6 } else { 1.0 };
    let count = count as f64 / scale;
    let mut sample = Sample::from([("rate", count / started.elapsed().as_secs_f64())]);
    if let (Some(before), Some(after)) = (cpu, system::cpu_seconds(server.id())) {
        sample.insert("cpu", (after - before) * 1e6 / count);
    }
    latencies.sort_unstable();
    for (name, percent) in [("p50", 50), ("p99", 99)] {
        if let Some(latency) = latencies.get(latencies.len() * percent / 100) {
            sample.insert(name, latency.as_secs_f64() * 1e6);
        }
    }
    Ok(sample)
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// Runs a client in a thread for each of these, and adds up what they have done.
fn in_threads<T: Send>(
    each: impl IntoIterator<Item = T>,
    run: impl Fn(T) -> Result<Done> + Sync,
) -> Result<Done> {
    let run = &run;
    thread::scope(|scope| {
        let spawn = |item| scope.spawn(move || run(item));
        let threads: Vec<_> = each.into_iter().map(spawn).collect();
        let mut sum = Done::default();
        for thread in threads {
            let done = thread.join().map_err(|_| "a client has panicked")??;
            sum.0 += done.0;
            sum.1.extend(done.1);
        }
        Ok(sum)
    })
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
    fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(stream)
    }

    /// Sends the message, waits for its reply, and returns how long that took.
    fn request(&self, stream: &mut TcpStream) -> Result<Duration> {
        let (started, mut buffer) = (Instant::now(), [0; 128]);
        stream.write_all(&self.message)?;
        stream.read_exact(&mut buffer[..self.reply.len()])?;
        if !buffer.starts_with(&self.reply) {
            return Err("a reply is wrong".into());
        }
        Ok(started.elapsed())
    }

    fn ping_pong(&self, mut stream: TcpStream) -> Result<Done> {
        let mut latencies = Vec::new();
        while Instant::now() < self.end {
            latencies.push(self.request(&mut stream)?);
        }
        Ok((latencies.len(), latencies))
    }

    fn churn(&self) -> Result<Done> {
        let (mut latencies, mut started) = (Vec::new(), Instant::now());
        while started < self.end {
            self.request(&mut TcpStream::connect(self.server)?)?;
            latencies.push(started.elapsed());
            started = Instant::now();
        }
        Ok((latencies.len(), latencies))
    }

    /// All clients in one loop: a wake-up finds the replies of many, and sends their next messages.
    fn poll(&self, streams: Vec<TcpStream>) -> Result<Done> {
        pieces::runtime()?.block_on(async {
            let (mut clients, mut done) = (JoinSet::new(), Done::default());
            for stream in streams {
                stream.set_nonblocking(true)?;
                let mut stream = tokio::net::TcpStream::from_std(stream)?;
                let Client {
                    message,
                    reply,
                    end,
                    ..
                } = self.clone();
                clients.spawn(async move {
                    let (mut latencies, mut buffer) = (Vec::new(), vec![0; reply.len()]);
                    while Instant::now() < end {
                        let sent = Instant::now();
                        stream.write_all(&message).await?;
                        stream.read_exact(&mut buffer).await?;
                        latencies.push(sent.elapsed());
                    }
                    io::Result::Ok(latencies)
                });
            }
            while let Some(latencies) = clients.join_next().await {
                done.1.extend(latencies??);
            }
            Ok((done.1.len(), done.1))
        })
    }

    /// Sends as much as fits, and reads at the same time.
    fn stream(&self, stream: &TcpStream, count: fn(&[u8]) -> usize) -> Result<Done> {
        let (mut output, mut input) = (&*stream, &*stream);
        let block = self.message.repeat(1_024);
        thread::scope(|scope| {
            let writer = scope.spawn(move || {
                while Instant::now() < self.end {
                    output.write_all(&block)?;
                }
                output.shutdown(Shutdown::Write)
            });
            let (mut done, mut buffer) = (0, vec![0; 65_536]);
            loop {
                match input.read(&mut buffer)? {
                    0 => break,
                    len => done += count(&buffer[..len]),
                }
            }
            writer.join().map_err(|_| "the writer has panicked")??;
            Ok((done, vec![]))
        })
    }

    /// Keeps this number of lines in flight.
    fn lines(&self, stream: &mut TcpStream, window: usize) -> Result<Done> {
        let lines = self.message.repeat(window);
        let (mut done, mut replies, mut buffer) = (0, window, vec![0; 65_536]);
        while Instant::now() < self.end {
            stream.write_all(&lines[..self.message.len() * replies])?;
            let len = stream.read(&mut buffer)?;
            replies = newlines(&buffer[..len]);
            done += replies;
        }
        Ok((done, vec![]))
    }

    /// Keeps this number of datagrams in flight, and sends them again if they are lost.
    fn datagrams(&self, window: usize) -> Result<Done> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(self.server)?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let (mut done, mut in_flight, mut buffer) = (0, 0, vec![0; 65_536]);
        while Instant::now() < self.end {
            for _ in in_flight..window {
                socket.send(&self.message)?;
            }
            in_flight = match socket.recv(&mut buffer) {
                Ok(len) if buffer[..len] == self.reply => window - 1,
                Ok(_) => return Err("a reply is wrong".into()),
                Err(_) => 0, // all are lost
            };
            done += 1;
        }
        Ok((done, vec![]))
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
        let connect = |_| self.connect();
        let mut streams = (0..clients).map(connect).collect::<Result<Vec<_>>>()?;
        if let Some(last) = streams.last_mut() {
            self.request(last)?; // all before it are accepted
        }
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
