//! A relay that simulates a bad network: it drops, duplicates, reorders and delays datagrams.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use common::addr::Address;
use common::report::{Report, Verbosity};
use common::shutdown::Shutdown;
use common::timeout::is_timeout;
use common::words::plural;

use crate::client::connect;
use crate::datagram::{BUFFER_LEN, is_expected, reaches};

/// Options of the relay.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where to listen for clients
    #[arg(short, long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS)]
    pub address: Address,
    /// Address of the server
    #[arg(long, value_name = "HOST:PORT")]
    pub to: Address,
    /// Percentage of datagrams to drop, in either direction
    #[arg(long, value_name = "N", default_value = "0", value_parser = PERCENT)]
    pub drop: i64,
    /// Percentage of datagrams to deliver twice
    #[arg(long, value_name = "N", default_value = "0", value_parser = PERCENT)]
    pub duplicate: i64,
    /// Percentage of datagrams to deliver 50 ms late, so that others overtake them
    #[arg(long, value_name = "N", default_value = "0", value_parser = PERCENT)]
    pub reorder: i64,
    /// Milliseconds that each datagram takes
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub delay: u32,
    /// Seed of the random numbers (the same seed drops the same datagrams)
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The options for its output.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

const DEFAULT_ADDRESS: &str = "127.0.0.1:12346";
const PERCENT: RangeInclusive<i64> = 0..=100;

const REORDER_DELAY: Duration = Duration::from_millis(50);

/// Interval at which the relay polls its links. A thread per link would be faster, but more code.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Maximum number of clients, because each has a socket. It fits the 256 descriptors that macOS
/// gives a process. The next client replaces the oldest.
const MAX_CLIENTS: usize = 200;

/// Maximum number of datagrams on their way. Like a router, the relay drops what is too much.
const MAX_WAITING: usize = 1_000;

/// Relays datagrams until a shutdown request.
///
/// # Errors
///
/// Returns an error if the server's address is the relay's own, or if setsockopt(2) fails.
pub fn run(
    socket: &UdpSocket,
    server: SocketAddr,
    options: &Options,
    shutdown: &Shutdown,
    report: &Report,
) -> io::Result<()> {
    socket.set_read_timeout(Some(POLL_INTERVAL))?;
    // Windows extends a short read timeout to 500 ms (Winsock, SO_RCVTIMEO), so `receive` sleeps.
    socket.set_nonblocking(cfg!(windows))?;
    let address = socket.local_addr()?;
    if reaches(server, address) {
        let reason = format!("cannot relay to {server}: this is the relay's own address");
        return Err(io::Error::other(reason));
    }
    report.listening(address);
    let any_seed = || RandomState::new().hash_one(0) % 1_000_000;
    let seed = options.seed.unwrap_or_else(any_seed);
    report.print_line(format!("relaying to {server} with --seed {seed}"));
    let mut relay = Relay {
        socket,
        server,
        options,
        report,
        links: VecDeque::new(),
        waiting: Vec::new(),
        random: [seed, !seed],
    };
    let mut buffer = vec![0; BUFFER_LEN];
    while !shutdown.is_requested() {
        relay.receive(&mut buffer);
        relay.deliver();
    }
    Ok(())
}

struct Relay<'a> {
    socket: &'a UdpSocket,
    server: SocketAddr,
    options: &'a Options,
    report: &'a Report,
    /// A connected socket for each client, the oldest first.
    links: VecDeque<(SocketAddr, UdpSocket)>,
    waiting: Vec<Delivery>,
    /// One random number generator per direction, so that the directions are independent.
    random: [u64; 2],
}

#[derive(Clone)]
struct Delivery {
    due: Instant,
    datagram: Vec<u8>,
    client: SocketAddr,
    to_server: bool,
}

impl Relay<'_> {
    /// Receives the datagrams that have arrived on all sockets.
    fn receive(&mut self, buffer: &mut [u8]) {
        if let Some((len, client)) = check(self.socket.recv_from(buffer), self.report) {
            if self.links.iter().all(|(owner, _)| *owner != client) {
                let link = connect(self.server).and_then(|link| {
                    link.set_nonblocking(true)?;
                    Ok((client, link))
                });
                self.links.extend(check(link, self.report));
            }
            if self.links.len() > MAX_CLIENTS {
                self.links.pop_front();
            }
            self.report.trace.bytes(client, "recvfrom", &buffer[..len]);
            self.carry(&buffer[..len], client, true);
        } else if cfg!(windows) {
            thread::sleep(POLL_INTERVAL);
        }
        for index in 0..self.links.len() {
            while let Some(len) = check(self.links[index].1.recv(buffer), self.report) {
                self.report.trace.bytes(self.server, "recv", &buffer[..len]);
                self.carry(&buffer[..len], self.links[index].0, false);
            }
        }
    }

    /// Sends the datagrams that are due, in order.
    fn deliver(&mut self) {
        let now = Instant::now();
        self.waiting.sort_by_key(|delivery| delivery.due);
        let due = self.waiting.partition_point(|delivery| delivery.due <= now);
        for delivery in self.waiting.drain(..due) {
            let (datagram, client) = (&delivery.datagram, delivery.client);
            let (to, call, sent) = match self.links.iter().find(|(owner, _)| *owner == client) {
                _ if !delivery.to_server => {
                    (client, "sendto", self.socket.send_to(datagram, client))
                }
                Some((_, link)) => (self.server, "send", link.send(datagram)),
                None => continue, // a newer client has replaced this one
            };
            if check(sent, self.report).is_some() {
                self.report.trace.bytes(to, call, datagram);
            }
        }
    }

    /// Decides what happens to a datagram, and prints the decision.
    fn carry(&mut self, datagram: &[u8], client: SocketAddr, to_server: bool) {
        let options = self.options;
        let mut due = Instant::now() + Duration::from_millis(options.delay.into());
        let is_full = self.waiting.len() >= MAX_WAITING;
        let (fate, copies) = if is_full || self.happens(options.drop, to_server) {
            ("dropped", 0)
        } else if self.happens(options.duplicate, to_server) {
            ("duplicated", 2)
        } else if self.happens(options.reorder, to_server) {
            due += REORDER_DELAY;
            ("reordered", 1)
        } else {
            ("forwarded", 1)
        };
        let path = match to_server {
            true => format!("{client} -> server"),
            false => format!("server -> {client}"),
        };
        let len = datagram.len() as u64;
        let line = format!("{path}: {}, {fate}", plural(len, "byte"));
        self.report.print_line(line);
        self.report.record(1, len);
        let delivery = Delivery {
            due,
            datagram: datagram.to_vec(),
            client,
            to_server,
        };
        self.waiting.extend(vec![delivery; copies]);
    }

    /// Returns `true` with this probability in percent (Steele, Lea and Flood, SplitMix64).
    fn happens(&mut self, percentage: i64, to_server: bool) -> bool {
        let state = &mut self.random[usize::from(to_server)];
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 100 < percentage.unsigned_abs()
    }
}

/// Returns the result of a socket call, and prints an error that is not from the network.
fn check<T>(result: io::Result<T>, report: &Report) -> Option<T> {
    match &result {
        Err(error) if is_timeout(error) || is_expected(error) => {}
        Err(error) => report.print_error_rate_limited("relay", "a datagram", error),
        Ok(_) => {}
    }
    result.ok()
}

#[cfg(test)]
mod tests;
