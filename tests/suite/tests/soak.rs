//! Mixed clients for a long time; `SOAK_SECONDS` sets how long.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use suite::{PREFIX, Server, connect, read_to_end};

use crate::pressure::{peak_memory, reset};
use crate::stopping::connect_never_reader;

/// One client. It returns how many messages the server has to count.
type Client = fn(&Server, usize) -> u64;

const CLIENTS: [Client; 5] = [
    half_close,
    send_reset,
    send_garbage,
    send_bytes,
    read_slowly,
];

fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server.address);
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    read_to_end(&stream)
}

fn half_close(server: &Server, turn: usize) -> u64 {
    let lines = 1 + turn % 50;
    let replies = exchange(server, "안녕하세요\n".repeat(lines).as_bytes());
    assert_eq!(replies, format!("{PREFIX}안녕하세요\n").repeat(lines));
    lines as u64
}

fn send_reset(server: &Server, _: usize) -> u64 {
    reset(connect(server.address));
    1
}

fn send_garbage(server: &Server, turn: usize) -> u64 {
    let garbage = vec![0xff; 1 + turn * 997 % 70_000];
    let replies = exchange(server, &[&garbage, "\n끝\n".as_bytes()].concat());
    if garbage.len() > 65_536 {
        assert_eq!(replies, "error: line longer than 65536 bytes\n");
        return 0;
    }
    let error = "error: not UTF-8: byte 0xFF at offset 0\n";
    assert_eq!(replies, format!("{error}{PREFIX}끝\n"));
    1
}

fn send_bytes(server: &Server, _: usize) -> u64 {
    let mut stream = connect(server.address);
    for byte in "한 바이트\n".as_bytes() {
        stream.write_all(&[*byte]).unwrap();
        thread::park_timeout(Duration::from_millis(1));
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&stream), format!("{PREFIX}한 바이트\n"));
    1
}

fn read_slowly(server: &Server, _: usize) -> u64 {
    let mut stream = connect(server.address);
    stream.write_all("x".repeat(20_000).as_bytes()).unwrap();
    stream.write_all(b"\n").unwrap();
    for _ in 0..(PREFIX.len() + 20_001) / 400 {
        stream.read_exact(&mut [0; 400]).unwrap();
        thread::park_timeout(Duration::from_millis(100)); // 4 KB a second
    }
    1
}

fn flood(server: &Server, _: usize) -> u64 {
    connect_never_reader(server);
    0 // as many as fit into the buffers
}

/// Stops a server, and returns its totals of clients and messages, which agree with its lines.
fn stop(mut server: Server) -> [u64; 2] {
    let output = server.interrupt().stdout;
    let (lines, summary) = output.trim_end().rsplit_once('\n').unwrap();
    let numbers = |line: &str| -> Vec<u64> {
        line.split(' ')
            .filter_map(|word| word.parse().ok())
            .collect()
    };
    let ended = lines
        .lines()
        .filter(|line| line.contains(" bytes, "))
        .map(numbers);
    let sum = |[a, b, c]: [u64; 3], line: Vec<u64>| [a + 1, b + line[0], c + line[1]];
    let sums = ended.fold([0; 3], sum);
    assert_eq!(numbers(summary), sums);
    [sums[0], sums[1]]
}

#[test]
#[ignore = "takes ten minutes"]
fn mixed_clients_leave_no_trace() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(600, |seconds| seconds.parse().unwrap());
    let (started, total) = (Instant::now(), Duration::from_secs(seconds));
    let servers = ["threaded-echo --framing line", "threaded-echo"].map(Server::start);
    let [server, flooded] = &servers;
    let repeat = |server: &Server, client: Client| {
        let (mut turn, mut messages) = (0, 0);
        while started.elapsed() < total {
            messages += client(server, turn);
            turn += 1;
            thread::park_timeout(Duration::from_millis(50)); // ports in TIME_WAIT are not endless
        }
        [turn as u64, messages]
    };
    let peaks = || [peak_memory(server.id()), peak_memory(flooded.id())];
    let (sent, before) = thread::scope(|scope| {
        let clients = CLIENTS.iter().cycle().take(20);
        let clients = clients.map(|client| scope.spawn(|| repeat(server, *client)));
        let clients: Vec<_> = clients.collect();
        scope.spawn(|| repeat(flooded, flood));
        while started.elapsed() < total / 4 {
            thread::park_timeout(total / 4);
        }
        let before = peaks();
        let sent = clients.into_iter().map(|client| client.join().unwrap());
        (sent.fold([0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]), before)
    });
    let after = peaks();
    assert!(
        (0..2).all(|i| after[i] - before[i] < 1_024),
        "{before:?} to {after:?} KiB"
    );
    let [server, flooded] = servers.map(stop);
    assert_eq!(server, sent);
    println!("{server:?} clients and messages, {flooded:?} of floods, {after:?} KiB");
}
