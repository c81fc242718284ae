//! Counts that no other load of the machine moves: what a message, a connection and an idle client cost.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use suite::{PREFIX, Server, Signal, connect, connect_udp, program, request};

/// Sends messages on one connection.
fn send_messages(server: SocketAddr, count: usize) {
    let client = connect(server);
    for _ in 0..count {
        assert_eq!(request(&client, "hello\n"), format!("{PREFIX}hello\n"));
    }
}

/// Sends messages on a connection each.
fn connect_often(server: SocketAddr, count: usize) {
    for _ in 0..count {
        send_messages(server, 1);
    }
}

fn send_datagrams(server: SocketAddr, count: usize) {
    let client = connect_udp(server);
    for _ in 0..count {
        client.send(b"hello").unwrap();
        assert_eq!(client.recv(&mut [0; 64]).unwrap(), PREFIX.len() + 5);
    }
}

/// What clients do this number of times.
type Work = fn(SocketAddr, usize);

/// Returns what a program prints on stderr, after one that observes it has counted.
fn observe(observer: &str, line: &str, work: Work, count: usize) -> String {
    let (mut observer, mut words) = (observer.split(' '), line.split(' '));
    let mut command = Command::new(observer.next().unwrap());
    command.args(observer).arg(program(words.next().unwrap()));
    command.args(words).args(["-q", "-a", ":0"]);
    let mut server = Server::spawn(command);
    work(server.address, count);
    server.signal(Signal::TERM);
    server.end().stderr
}

/// Returns how many system calls one costs. A start and an end make some 50 more or less.
fn count_calls(line: &str, work: Work) -> f64 {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("strace.log");
    let [less, more] = [100, 2_100].map(|count| {
        // -D: the program is our child, and strace a grandchild that ends with it.
        let strace = format!("strace -D -f -c -o {}", log.display());
        observe(&strace, line, work, count);
        let summary = fs::read_to_string(&log).unwrap();
        let calls = summary.lines().filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            // How often a worker yields before it sleeps depends on the load of the machine.
            let is_counted = !["total", "sched_yield"].contains(words.last()?);
            words.get(3)?.parse::<f64>().ok().filter(|_| is_counted)
        });
        calls.sum::<f64>()
    });
    (more - less) / 2_000.0
}

#[test]
#[ignore = "needs strace"]
fn system_calls_stay_within_bounds() {
    for (line, work, most) in [
        ("tcp-echo --framing chunk", send_messages as Work, 2.1), // recv, send
        ("tcp-echo --framing line", send_messages, 2.1),
        ("threaded-echo --framing chunk", send_messages, 2.1),
        ("threaded-echo --workers 4", send_messages, 2.1),
        ("udp-echo", send_datagrams, 2.2), // recvfrom, sendto
        // accept, three setsockopt, recv, send, recv, close, and in a debug build fcntl
        ("tcp-echo --framing chunk", connect_often, 9.5),
        ("threaded-echo --workers 4", connect_often, 15.0), // and a wake-up of a worker
        ("threaded-echo --framing chunk", connect_often, 30.0), // and std's start of a thread
    ] {
        let calls = count_calls(line, work);
        println!("{line}: {calls} system calls");
        assert!(calls <= most, "{line}: {calls} system calls, not {most}");
    }
}

/// Returns the number of allocations in a program's life.
fn count_allocations(line: &str, work: Work, count: usize) -> usize {
    let stderr = observe("valgrind --leak-check=no", line, work, count);
    let (_, usage) = stderr.split_once("total heap usage: ").unwrap();
    let allocations = usage.split(' ').next().unwrap();
    allocations.replace(',', "").parse().unwrap()
}

#[test]
#[ignore = "needs valgrind"]
fn warm_server_allocates_nothing_per_message() {
    for (line, work) in [
        ("tcp-echo --framing chunk", send_messages as Work),
        ("tcp-echo --framing line", send_messages),
        ("udp-echo", send_datagrams),
    ] {
        let [less, more] = [100, 1_100].map(|count| count_allocations(line, work, count));
        assert!(more < less + 100, "{line}: {less} allocations, and {more}");
    }
}

/// A thread's stack and the client's buffer take what was touched of them.
#[test]
fn idle_client_takes_little_memory() {
    let server = Server::start("threaded-echo -q");
    let resident = || -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
        let (_, kib) = status.split_once("VmRSS:").unwrap();
        kib.split_whitespace().next().unwrap().parse().unwrap()
    };
    let before = resident();
    let clients: Vec<TcpStream> = (0..190).map(|_| connect(server.address)).collect();
    request(&clients[189], "a"); // all before it are accepted
    let each = (resident() - before) / clients.len();
    let most = if cfg!(debug_assertions) { 20 } else { 14 };
    println!("{each} KiB per idle client");
    assert!(each <= most, "{each} KiB");
}
