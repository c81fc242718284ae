//! `ulimit` for each resource, and the figures in /proc (proc(5)), as Linux has them.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use suite::{PREFIX, Server, assert_contains, connect, program};
use suite::{read_to_end, request};

use crate::black_box::SERVER_IS_FULL;
use crate::stopping::{assert_stopped, connect_never_reader};

/// Returns a command that runs one of our programs, after these commands of bash.
pub fn bash(setup: &str, line: &str) -> Command {
    let (name, arguments) = line.split_once(' ').unwrap_or((line, ""));
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(format!("{setup}; exec \"$0\" \"$@\""));
    bash.arg(program(name)).args(arguments.split_whitespace());
    bash
}

/// Sends a message, and returns `true` if the reply arrives, or `false` if the server is full.
fn is_served(mut stream: &TcpStream) -> bool {
    let _ = stream.write_all(b"hello\n"); // fails if the server has closed the connection
    let mut reply = [0; 64];
    let len = stream.read(&mut reply).unwrap();
    reply[..len] == *format!("{PREFIX}hello\n").as_bytes() || {
        assert_eq!(String::from_utf8_lossy(&reply[..len]), SERVER_IS_FULL);
        false
    }
}

/// Closes a connection by a reset: it is closed before what has arrived is read (RFC 2525, 2.17).
pub fn reset(mut stream: TcpStream) {
    stream.write_all(b"hello\n").unwrap();
    assert!(stream.peek(&mut [0]).unwrap() > 0);
}

#[test]
fn rejected_client_gets_error_after_sending() {
    for limit in ["--max-clients 1", "--workers 1 --queue 0"] {
        let mut server = Server::start(format!("threaded-echo {limit}"));
        let first = connect(server.address);
        assert!(is_served(&first));
        let started = Instant::now();
        for _ in 0..100 {
            let mut rejected = connect(server.address);
            let _ = rejected.write_all(&[b'x'; 100_000]); // fails if the server has closed already
            assert_eq!(read_to_end(&rejected), SERVER_IS_FULL);
        }
        assert!(is_served(&first));
        drop(first);
        while !is_served(&connect(server.address)) {}
        // The server prints one line per second.
        let most = 2 + started.elapsed().as_secs() as usize;
        let lines = server.interrupt().stdout;
        let count = lines
            .matches(" rejected: server is full, try again later\n")
            .count();
        assert!((1..=most).contains(&count), "{count} lines, not {most}");
    }
}

#[test]
fn default_limit_fits_256_descriptors() {
    let server = Server::spawn(bash("ulimit -n 256", "threaded-echo -a 127.0.0.1:0"));
    let clients: Vec<_> = (0..240).map(|_| connect(server.address)).collect();
    for client in &clients[..200] {
        assert_eq!(request(client, "a"), format!("{PREFIX}a"));
    }
    for client in &clients[200..] {
        assert_eq!(read_to_end(client), SERVER_IS_FULL);
    }
}

/// Returns the peak of a process's memory, in KiB.
pub fn peak_memory(id: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let (_, peak) = status.split_once("VmHWM:").unwrap();
    peak.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn idle_clients_cost_no_cpu() {
    let server = Server::start("threaded-echo");
    let clients: Vec<_> = (0..100).map(|_| connect(server.address)).collect();
    clients.iter().for_each(|client| drop(request(client, "a")));
    let ticks = || -> u32 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
        let fields = stat.rsplit(')').next().unwrap().split(' ');
        let times = fields.skip(12).take(2); // utime and stime
        times.map(|ticks| ticks.parse::<u32>().unwrap()).sum()
    };
    let (before, started) = (ticks(), Instant::now());
    while started.elapsed() < Duration::from_secs(1) {
        thread::park_timeout(Duration::from_millis(100));
    }
    let ticks = ticks() - before;
    assert!(ticks <= 1, "{ticks} of 10 ms in a second");
}

#[test]
fn exhausted_descriptors_are_an_error_once() {
    let mut server = Server::spawn(bash("ulimit -n 32", "threaded-echo -a :0"));
    let mut clients: Vec<_> = (0..60).map(|_| connect(server.address)).collect();
    server.wait_for_error("Too many open files");
    assert!(is_served(&clients[0]));
    // The last one waits in the backlog until descriptors are free again.
    clients.drain(..59);
    assert!(is_served(&clients[0]));
    // A stop needs no descriptor either.
    let clients: Vec<_> = (0..60).map(|_| connect(server.address)).collect();
    assert!(is_served(&clients[0]));
    let end = server.interrupt();
    assert_stopped(&end, "");
    assert_eq!(end.stderr.matches("Too many open files").count(), 1);
}

/// Returns a command for a server under an account of its own, which may have 20 threads.
fn with_few_threads(account: &str, arguments: &str) -> Command {
    // The limit does not hold for root, and an account in use has other programs.
    let inner = bash("ulimit -u 20", &format!("threaded-echo -a :0 {arguments}"));
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--reuid", account, "--regid", account, "--clear-groups"]);
    // The workspace may lie where only root comes, as in root's home.
    setpriv.args("--inh-caps +dac_override --ambient-caps +dac_override".split(' '));
    setpriv.arg(inner.get_program()).args(inner.get_args());
    setpriv
}

#[test]
#[ignore = "needs root"]
fn exhausted_threads_are_an_error_once() {
    let mut server = Server::spawn(with_few_threads("54321", ""));
    let clients: Vec<_> = (0..40).map(|_| connect(server.address)).collect();
    let served = clients.iter().filter(|client| is_served(client)).count();
    assert!((5..=20).contains(&served), "{served} of 40");
    drop(clients);
    // The last threads may still be on their way out, so this one may have to come again.
    while !is_served(&connect(server.address)) {}
    // A stop needs no thread either, not even with clients that never read.
    let clients: Vec<_> = (0..20).map(|_| connect(server.address)).collect();
    clients
        .iter()
        .for_each(|mut client| client.write_all(b"a").unwrap());
    let _never_reader = connect_never_reader(&server);
    let end = server.interrupt();
    assert_stopped(&end, "");
    assert_eq!(end.stderr.matches("cannot start a thread").count(), 1);
}

#[test]
#[ignore = "needs root"]
fn pool_without_all_workers_does_not_listen() {
    let error = suite::finish(with_few_threads("54322", "--workers 30"), "").failure(1);
    assert_contains(&error, &["threaded-echo: cannot "]);
}

#[test]
#[ignore = "takes 11 s"]
fn stalled_write_closes_client() {
    let server = Server::start("threaded-echo");
    let stalled = connect_never_reader(&server);
    let started = Instant::now();
    let line = server.wait_for_error("nothing could be sent for 10 s");
    assert_contains(&line, &[&stalled.local_addr().unwrap().to_string()]);
    let seconds = started.elapsed().as_secs_f64();
    assert!((9.0..20.0).contains(&seconds), "{seconds} s");
}

#[test]
#[ignore = "needs 10,100 descriptors"]
fn ten_thousand_clients_are_served_unread() {
    let line = "threaded-echo -a :0 --trace --max-clients 10000";
    let mut server = Server::spawn_unread(bash("ulimit -n 10100", line));
    // Each waits for its reply: a full backlog would cost each client a second.
    let clients = (0..10_000).map(|_| {
        let client = connect(server.address);
        request(&client, "a\n");
        client
    });
    let clients: Vec<_> = clients.collect();
    for client in clients.iter().cycle().take(20_000) {
        assert_eq!(request(client, "b\n"), format!("{PREFIX}b\n"));
    }
    assert_eq!(read_to_end(&connect(server.address)), SERVER_IS_FULL);
    server.signal(suite::Signal::INT);
    let started = Instant::now();
    assert_eq!(server.wait(), Some(0));
    assert!(started.elapsed() <= Duration::from_secs(2));
}
