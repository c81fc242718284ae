//! The steps on the pages, in Rust and in Python: which checks they pass, and that they interoperate.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use suite::{DEADLINE, PREFIX, Process, Server, example, finish};
use suite::{in_parallel, python, root, words};

/// For each server: the arguments of the checker, how many checks pass, and which do not (`–`: not tried).
///
/// This is what a student sees, so without `--exact-errors`.
const SERVERS: &str = "\
tcp_1_tutorial: tcp: 7: answers-again second-client byte-exactness partial-read split-character \
–error-reaches-client two-small-writes write-all-then-read bad-bytes connect-and-close reset-by-peer
tcp_2_loops: tcp: 14: split-character –error-reaches-client bad-bytes reset-by-peer
tcp_3_errors: tcp: 15: split-character –error-reaches-client bad-bytes
tcp_4_characters: tcp: 17: error-reaches-client
tcp_5_lines: tcp --framing line: 18: error-reaches-client
udp_1_tutorial: udp: 9: truncated-datagram largest-datagram echo-loop bad-bytes
udp_2_any_datagram: udp: 11: largest-datagram echo-loop
udp_3_no_echo_loop: udp: 12: largest-datagram
threads_1_tutorial: threaded: 13: answers-again byte-exactness partial-read split-character \
–error-reaches-client two-small-writes write-all-then-read one-at-a-time bad-bytes
threads_2_scope: threaded: 19: split-character –error-reaches-client bad-bytes
threads_3_workers: threaded: 19: split-character –error-reaches-client bad-bytes";

/// Returns the columns of [`SERVERS`].
fn servers() -> impl Iterator<Item = [&'static str; 4]> {
    let columns = SERVERS
        .lines()
        .map(|line| line.split(": ").collect::<Vec<_>>());
    columns.map(|columns| columns.try_into().unwrap())
}

fn rust_step(name: &str) -> Command {
    Command::new(example(name))
}

fn python_step(name: &str) -> Command {
    let mut python = python();
    python.arg(twin(name));
    python
}

fn twin(name: &str) -> PathBuf {
    root().join(format!("docs/python/{name}.py"))
}

/// Puts all servers through the checker.
fn assert_checks(step: fn(&str) -> Command) {
    in_parallel(servers(), |[name, arguments, passed, others]| {
        let found = check(step(name), arguments);
        assert_eq!(found, format!("{passed}: {others}"), "{name}");
    });
}

/// Returns how many checks this server passes, and which it does not.
fn check(server: Command, arguments: &str) -> String {
    let start = [server.get_program()].into_iter().chain(server.get_args());
    let start: Vec<_> = start.map(|word| word.to_str().unwrap()).collect();
    let mut checker = words(format!("checker {arguments} --json --start"));
    checker.arg(format!("'{}' {{address}}", start.join("' '")));
    let checker = Process::spawn(checker);
    let (mut passed, mut others) = (0, Vec::new());
    while let Some(line) = checker.next_line() {
        let verdict: Value = serde_json::from_str(&line).unwrap();
        match (verdict["check"].as_str(), verdict["outcome"].as_str()) {
            (Some(_), Some("passed")) => passed += 1,
            (Some(check), Some("failed")) => others.push(check.to_owned()),
            (Some(check), _) => others.push(format!("–{check}")),
            (None, _) => {}
        }
    }
    format!("{passed}: {}", others.join(" "))
}

#[test]
fn steps_pass_exactly_these_checks() {
    assert_checks(rust_step);
}

#[test]
#[ignore = "needs python3"]
fn python_steps_pass_the_same_checks() {
    assert_checks(python_step);
}

#[test]
fn later_steps_lose_no_check() {
    for ([_, arguments, _, before], [name, next_arguments, _, after]) in
        servers().zip(servers().skip(1))
    {
        let is_new = |check: &&str| !before.split(' ').any(|known| known.ends_with(*check));
        let lost = after.split(' ').find(is_new);
        assert!(lost.is_none() || arguments != next_arguments, "{name}");
    }
}

/// Returns the names of the files in a folder that have this extension.
fn names(folder: &str, extension: &str) -> Vec<String> {
    let files = fs::read_dir(root().join(folder)).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names = names.filter_map(|name| Some(name.strip_suffix(extension)?.to_owned()));
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn functions<'a>(code: &'a str, keyword: &str) -> Vec<&'a str> {
    let lines = code.lines().filter_map(|line| line.strip_prefix(keyword));
    lines.map(|line| line.split('(').next().unwrap()).collect()
}

#[test]
fn twins_have_the_same_functions_in_order() {
    let mut steps = Vec::new();
    for package in ["tcp-echo", "threaded-echo", "udp-echo"] {
        let folder = format!("{package}/examples");
        for name in names(&folder, ".rs") {
            let rust = fs::read_to_string(root().join(&folder).join(format!("{name}.rs"))).unwrap();
            let python = fs::read_to_string(twin(&name)).unwrap();
            assert!((15..=65).contains(&rust.lines().count()), "{name}");
            assert_eq!(
                functions(&rust, "fn "),
                functions(&python, "def "),
                "{name}"
            );
            steps.push(name);
        }
    }
    assert_eq!(steps, names("docs/python", ".py"));
}

/// Returns our program in the place of a step.
fn our_program(step: &str) -> Command {
    words(match step {
        "tcp_5_lines" => "tcp-echo server --framing line --address",
        "udp_3_no_echo_loop" => "udp-echo server --address",
        "tcp_client" => "tcp-echo client --address",
        _ => "udp-echo client --address",
    })
}

/// Carries 8 MiB in lines through a TCP client to a server and back, and one message through a UDP client.
fn assert_exchange(server: fn(&str) -> Command, client: fn(&str) -> Command) {
    let exchange = |names: [&str; 2], message: &[&str], input: &str| {
        let [mut server, mut client] = [server(names[0]), client(names[1])];
        server.arg("127.0.0.1:0");
        let server = Server::spawn(server);
        client.arg(server.address.to_string()).args(message);
        finish(client, input).success()
    };
    let line = "가".repeat(340) + "\n";
    let replies = exchange(["tcp_5_lines", "tcp_client"], &[], &line.repeat(8192));
    assert!(replies == format!("{PREFIX}{line}").repeat(8192));
    let message = ["안녕", "하세요"];
    let reply = exchange(["udp_3_no_echo_loop", "udp_client"], &message, "");
    assert_eq!(reply.trim_end(), format!("{PREFIX}안녕 하세요"));
}

#[test]
fn steps_talk_to_our_programs() {
    assert_exchange(rust_step, our_program);
    assert_exchange(our_program, rust_step);
    assert_exchange(rust_step, rust_step);
}

#[test]
#[ignore = "needs python3"]
fn python_steps_talk_to_our_programs() {
    assert_exchange(python_step, our_program);
    assert_exchange(our_program, python_step);
    assert_exchange(python_step, python_step);
}

/// The demonstration of `threads_3_workers`.
#[test]
fn fifth_client_waits_for_a_worker() {
    let mut workers = rust_step("threads_3_workers");
    workers.arg("127.0.0.1:0");
    let server = Server::spawn(workers);
    let mut clients = [(); 5].map(|()| TcpStream::connect(server.address).unwrap());
    let mut exchange = |number: usize, timeout| {
        let client: &mut TcpStream = &mut clients[number];
        client.write_all(b"hi").unwrap();
        client.set_read_timeout(Some(timeout)).unwrap();
        client.read(&mut [0; 64]).map_err(|error| error.kind())
    };
    assert!((0..4).all(|number| exchange(number, DEADLINE).is_ok()));
    let error = exchange(4, Duration::from_millis(200)).unwrap_err();
    assert!(matches!(error, ErrorKind::WouldBlock | ErrorKind::TimedOut));
    clients[0].shutdown(Shutdown::Write).unwrap(); // its worker accepts the fifth client
    clients[4].set_read_timeout(Some(DEADLINE)).unwrap();
    assert!(clients[4].read(&mut [0; 64]).unwrap() > 0);
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "needs python3"]
fn broken_programs_print_their_demonstration() {
    const BROKEN: &str = r"
accept_error: the server has ended: Too many open files
address_in_use: SO_REUSEADDR set: False - Address already in use
bytes_not_text: the client received: 서버로부터 응답: b'\xec\x95\x88\xeb\x85\x95'
closed_port: the next recvfrom of the connected server: [Errno 111] Connection refused
empty_datagram: after an empty datagram: the server has ended
end_of_stream: replies to them:              1000
ipv6_first: a client that tries ::1: not connected
literal_braces: the client received: 서버로부터 응답: {data}
lost_datagram: after 1 s the client is still waiting: True
never_reads: after 1 s the thread is still in sendall: True
overrun_datagrams: sent: 10,000 datagrams of 64 bytes - received: 256
two_small_writes: two writes take more than ten times as long as one: True
unreachable_close: the listener was closed: False
write_all_then_read: after 1 s the client is still in sendall: True
wrong_sender: sent: three - received: reply to two
";
    let broken = BROKEN.trim().lines();
    let broken: Vec<_> = broken.map(|line| line.split_once(": ").unwrap()).collect();
    let programs: Vec<_> = broken.iter().map(|(name, _)| *name).collect();
    assert_eq!(programs, names("docs/python/broken", ".py"));
    in_parallel(broken, |(name, expected)| {
        let printed = finish(python_step(&format!("broken/{name}")), "").success();
        assert!(
            printed.lines().any(|line| line == expected),
            "{name}: {printed}"
        );
    });
}
