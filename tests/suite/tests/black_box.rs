use std::io::Write;
use std::net::{Shutdown, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use suite::{PREFIX, Process, Server, assert_contains, connect, connect_udp};
use suite::{in_parallel, read_to_end, request, run, words};

use crate::cases::free_address;

pub const PROGRAMS: [&str; 3] = ["tcp-echo", "udp-echo", "threaded-echo"];
pub const TCP_PROGRAMS: [&str; 2] = ["tcp-echo", "threaded-echo"];
pub const TCP_SERVERS: [&str; 3] = ["tcp-echo", "threaded-echo", "threaded-echo --workers 1"];
pub const SERVER_IS_FULL: &str = "error: server is full, try again later\n";

/// Runs the client of a program against a server, with these arguments.
pub fn client(program: &str, server: &Server, arguments: &str, stdin: &str) -> suite::End {
    let address = server.address;
    run(format!("{program} client -a {address} {arguments}"), stdin)
}

#[test]
fn client_prints_reply_alone() {
    for program in PROGRAMS {
        let end = client(program, &Server::start(program), "안녕하세요 여러분", "");
        assert_eq!(end.stderr, "");
        assert_eq!(end.success(), format!("{PREFIX}안녕하세요 여러분\n"));
    }
}

#[test]
fn second_line_starts_client() {
    for program in PROGRAMS {
        let server = Server::start(program);
        let line = server.line();
        let arguments = line.strip_prefix(&format!("cargo run -q -p {program} -- client "));
        let end = run(format!("{program} client {}", arguments.expect(&line)), "");
        assert_eq!(end.success(), format!("{PREFIX}안녕하세요\n"), "{line}");
        assert_contains(&server.line(), &["Ctrl-C stops this server"]);
    }
}

#[test]
fn server_prints_messages_and_bytes() {
    for program in TCP_PROGRAMS {
        let server = Server::start(format!("{program} --framing line"));
        client(program, &server, "", "안녕\nhi\n").success();
        let peer = server.wait_for(" connected").replace(" connected", "");
        let line = server.wait_for(" disconnected");
        let start = format!("{peer} disconnected: 2 messages, 10 bytes, 0.");
        assert!(line.starts_with(&start) && line.ends_with(" s"), "{line}");
    }
    let server = Server::start("udp-echo");
    let client = connect_udp(server.address);
    client.send("안녕하세요".as_bytes()).unwrap();
    let peer = client.local_addr().unwrap();
    let line = format!("datagram from {peer}: 15 bytes, replied with 39 bytes");
    assert_eq!(server.wait_for("datagram from"), line);
}

#[test]
fn client_carries_stdin_and_replies() {
    for program in TCP_PROGRAMS {
        let server = Server::start(format!("{program} --framing line"));
        let replies = client(program, &server, "", "하나\n둘\n셋").success();
        assert_eq!(replies, format!("{PREFIX}하나\n{PREFIX}둘\n{PREFIX}셋"));
    }
    let replies = client("udp-echo", &Server::start("udp-echo"), "", "하나\r\n\n셋\r").success();
    assert_eq!(replies, format!("{PREFIX}하나\n{PREFIX}\n{PREFIX}셋\r\n"));
}

#[test]
fn client_prints_replies_as_they_arrive() {
    let server = Server::start("tcp-echo --framing line");
    let mut client = Process::spawn(words(format!("tcp-echo client -a {}", server.address)));
    for message in ["하나", "둘", "셋"] {
        client.type_text(format!("{message}\n")).unwrap();
        assert_eq!(client.line(), format!("{PREFIX}{message}"));
    }
    client.end_input();
    client.end().success();
}

#[test]
fn large_input_deadlocks_no_client() {
    let server = Server::start("tcp-echo --framing raw --quiet");
    let input = "x".repeat(32 << 20);
    let end = client("tcp-echo", &server, "", &input);
    assert!(end.stdout == input && end.code == Some(0), "{}", end.stderr);
}

#[test]
fn idle_client_gets_error_and_is_closed() {
    for program in TCP_PROGRAMS {
        let server = Server::start(format!("{program} --idle-timeout 0.05"));
        let client = connect(server.address);
        request(&client, "a");
        let error = "error: nothing has arrived for 0.05 s\n";
        assert_eq!(read_to_end(&client), error);
    }
}

#[test]
fn lingering_close_holds_up_no_client() {
    let server = Server::start("tcp-echo");
    let started = Instant::now();
    // A lingering close takes 300 ms, and these clients stay connected.
    let clients = (0..20).map(|_| {
        let mut client = connect(server.address);
        client.write_all(b"\xff").unwrap();
        assert_contains(&read_to_end(&client), &["error: not UTF-8"]);
        client
    });
    let clients: Vec<_> = clients.collect();
    assert!(started.elapsed() < Duration::from_secs(4));
    drop(clients);
}

fn udp_server() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(suite::DEADLINE)).unwrap();
    socket
}

#[test]
fn udp_client_takes_only_own_reply() {
    let (server, stranger) = (udp_server(), udp_server());
    let address = server.local_addr().unwrap();
    let line = format!("udp-echo client -a {address} --timeout 60 --retries 0");
    let mut client = Process::spawn(words(line));
    client.type_text("1\n").unwrap();
    let (_, first) = server.recv_from(&mut [0; 9]).unwrap();
    stranger.send_to(b"wrong", first).unwrap();
    server.send_to(b"one", first).unwrap();
    assert_eq!(client.line(), "one");
    client.type_text("2\n").unwrap();
    let (_, second) = server.recv_from(&mut [0; 9]).unwrap();
    let _ = server.send_to(b"one, late", first); // its socket may be closed
    server.send_to(b"two", second).unwrap();
    assert_eq!(client.line(), "two");
}

#[test]
fn udp_client_resends_as_often_as_it_says() {
    let silent = udp_server();
    let address = silent.local_addr().unwrap();
    let line = format!("udp-echo client -a {address} --timeout 0.001 --retries 3 hi");
    let error = format!("no reply from {address}: sent 4 times, ");
    assert_contains(&run(line, "").failure(1), &[&error]);
    (0..4).for_each(|_| assert!(silent.recv(&mut [0; 9]).is_ok()));
    silent.set_nonblocking(true).unwrap();
    assert!(silent.recv(&mut [0; 9]).is_err());
}

#[test]
fn unanswered_datagram_costs_no_other_line() {
    let server = Server::start("udp-echo");
    let input = "하나\nerror: never answered\n셋\n";
    let end = client("udp-echo", &server, "--timeout 0.2 --retries 0", input);
    assert_eq!(end.code, Some(1));
    assert_eq!(end.stdout, format!("{PREFIX}하나\n{PREFIX}셋\n"));
    server.wait_for(": not answered: ");
}

#[test]
fn silent_server_is_an_error_with_its_cause() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let error = run(format!("tcp-echo client -a {address} --timeout 0.2 hi"), "").failure(1);
    assert_contains(&error, &[&address, "0.2 s", "serving another client"]);
}

#[test]
fn client_waits_for_every_reply_it_is_due() {
    // Two messages are sent, one is answered, and stdin stays open.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let line = format!("tcp-echo client -a {address} --timeout 0.3");
    let mut client = Process::spawn(words(line));
    client.type_text("one\n").unwrap();
    let (mut stream, _) = server.accept().unwrap();
    client.type_text("two\n").unwrap();
    stream.write_all(b"one\n").unwrap();
    assert_eq!(client.line(), "one");
    let error = client.end().failure(1);
    assert!(!error.contains("another client"), "it was served: {error}");
}

#[test]
fn lost_reply_is_no_success() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let line = format!("tcp-echo client -a {}", server.local_addr().unwrap());
    let mut client = Process::spawn(words(line));
    client.type_text("error: disk full\n".repeat(2)).unwrap();
    client.end_input();
    let (mut stream, _) = server.accept().unwrap();
    assert_eq!(read_to_end(&stream).lines().count(), 2);
    stream.write_all(b"error: disk full\n").unwrap();
    drop(stream);
    assert_eq!(client.line(), "error: disk full");
    assert_contains(&client.end().failure(1), &["before it replied to all"]);
}

#[test]
fn failure_prints_reason_and_exits_with_1() {
    let server = Server::start("tcp-echo");
    let taken = server.address;
    for program in TCP_PROGRAMS {
        let error = run(format!("{program} --address {taken}"), "").failure(1);
        let start = format!("{program}: cannot listen on {taken}: ");
        assert_contains(&error, &[&start, "or take a free one: --address :0"]);
    }
    let free = free_address();
    for program in PROGRAMS {
        let error = run(format!("{program} client -a {free} hello"), "").failure(1);
        assert_contains(&error, &[program, &free.to_string(), "start the server"]);
    }
}

#[test]
fn client_tries_every_address_of_name() {
    in_parallel(PROGRAMS, |program| {
        let server = Server::spawn(words(format!("{program} --address [::1]:0")));
        let port = server.address.port();
        let end = run(format!("{program} client -a localhost:{port} hi"), "");
        assert_eq!(end.success(), format!("{PREFIX}hi\n"));
    });
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in "--address localhost:|--address 127.0.0.1:+80|--address 127.0.0.1:65536|\
                      --address [::1:80|--nonsense|nonsense|client --timeout -1 hello"
        .split('|')
    {
        for program in PROGRAMS {
            run(format!("{program} {arguments}"), "").failure(2);
        }
    }
    run("threaded-echo --workers 2 --max-clients 3", "").failure(2);
    for arguments in ["--drop 101", "--duplicate -1", "--reorder x"] {
        run(format!("udp-echo relay --to 127.0.0.1:1 {arguments}"), "").failure(2);
    }
}

#[test]
#[cfg(unix)]
fn public_server_prints_warning() {
    in_parallel(PROGRAMS, |program| {
        for (address, reached) in [("0.0.0.0:0", "127.0.0.1:"), ("[::]:0", "\"[::1]:")] {
            let mut server = Server::spawn(words(format!("{program} --address {address}")));
            assert_contains(&server.line(), &[&format!("--address {reached}")]);
            server.wait_for_error("anyone on that network can connect");
            server.interrupt().success();
        }
        for address in [":0", "0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
            let mut server = Server::spawn(words(format!("{program} -a {address}")));
            assert_eq!(server.interrupt().stderr, "", "{program} -a {address}");
        }
    });
}

#[test]
#[cfg(unix)]
fn quiet_server_prints_only_address() {
    for program in PROGRAMS {
        let mut server = Server::start(format!("{program} --quiet"));
        client(program, &server, "hello", "").success();
        let end = server.interrupt();
        assert_eq!(end.stdout + &end.stderr, "", "{program}");
    }
}

#[test]
fn trace_shows_each_call_and_cut_character() {
    let server = Server::start("tcp-echo --trace");
    let mut client = connect(server.address);
    let peer = client.local_addr().unwrap();
    request(&client, "a");
    client.write_all(b"\xec\x95").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let error = "error: not UTF-8: byte 0xEC at offset 1\n";
    assert_eq!(read_to_end(&client), error);
    let calls = "accept|recv 1 byte: 61  \"a\"|send 25 bytes: |recv 2 bytes: ec95..|close";
    for call in calls.split('|') {
        server.wait_for_error(&format!("{peer} {call}"));
    }
}

#[test]
fn cut_input_arrives_in_pieces() {
    for program in TCP_PROGRAMS {
        let server = Server::start(format!("{program} --trace"));
        let started = Instant::now();
        // "안녕" is 6 bytes, so its second syllable is cut and gets a prefix of its own.
        let replies = client(program, &server, "--cut 5 안녕", "").success();
        assert_eq!(replies, format!("{PREFIX}안{PREFIX}녕\n"));
        assert!(started.elapsed() >= Duration::from_millis(100)); // the default of --pause
        server.wait_for_error("recv 5 bytes: ec9588 eb85..");
        let slow = "--timeout 0.3 --cut 1 --pause 400 안"; // half a character is owed no reply
        assert_eq!(
            client(program, &server, slow, "").success(),
            format!("{PREFIX}안\n")
        );
        let large = "--trace --cut 60000 --pause 1";
        let end = client(program, &server, large, &"x".repeat(140_000));
        for (len, count) in [("60000", 2), ("20000", 1)] {
            assert_eq!(
                end.stderr.matches(&format!("send {len} bytes")).count(),
                count
            );
        }
        client(program, &server, "--cut 0 안녕", "").failure(2);
    }
}

#[test]
fn swarm_draws_bar_per_client() {
    let server = Server::start("threaded-echo --quiet --workers 2");
    let picture = std::env::temp_dir().join(format!("swarm-{}.svg", server.address.port()));
    let line = format!("threaded-echo swarm -a {} --clients 5", server.address);
    let mut swarm = words(line + " --messages 2 --pause 1 --svg");
    swarm.arg(&picture);
    let end = suite::finish(swarm, "");
    assert_eq!(end.stderr, ""); // no progress bar where stderr is no terminal
    let bars = end.stdout.lines().filter(|line| line.ends_with('#'));
    assert_eq!(bars.count(), 5, "{}", end.stdout);
    let svg = std::fs::read_to_string(&picture).unwrap();
    std::fs::remove_file(&picture).unwrap();
    assert_eq!(svg.matches("class=\"served\"").count(), 5, "{svg}");
}

fn start_relay(server: &Server, faults: &str) -> Server {
    Server::start(format!("udp-echo relay --to {} {faults}", server.address))
}

#[test]
fn bad_network_costs_no_reply_and_mixes_none_up() {
    let server = Server::start("udp-echo --quiet");
    let relay = start_relay(&server, "--drop 30 --duplicate 25 --reorder 20 --seed 7");
    let messages = (0..20).map(|number| format!("message {number}\n"));
    let messages: String = messages.collect();
    let end = client("udp-echo", &relay, "--timeout 0.03 --retries 9", &messages);
    let replies = messages.replace("message", &format!("{PREFIX}message"));
    assert_eq!(end.success(), replies);
}

#[test]
fn relay_repeats_its_faults_with_a_seed() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let faults = |seed: u32| -> Vec<bool> {
        let relay = format!("udp-echo relay --to {address} --drop 50 --seed {seed}");
        let relay = Server::start(relay);
        let client = connect_udp(relay.address);
        let is_dropped =
            |_| client.send(b"a").is_ok() && relay.wait_for("byte").contains("dropped");
        (0..20).map(is_dropped).collect()
    };
    assert_eq!(faults(1), faults(1));
    assert_ne!(faults(1), faults(2));
}

#[test]
fn relay_without_faults_only_delays() {
    let server = Server::start("udp-echo --quiet");
    let relay = start_relay(&server, "--delay 100 --trace");
    let started = Instant::now();
    client("udp-echo", &relay, "--timeout 5 안녕하세요", "").success();
    assert!(started.elapsed() >= Duration::from_millis(200)); // in either direction
    relay.wait_for("15 bytes");
    relay.wait_for("39 bytes");
    for call in [
        "recvfrom 15 bytes",
        "send 15 bytes",
        "recv 39 bytes",
        "sendto 39 bytes",
    ] {
        relay.wait_for_error(call);
    }
}

#[test]
#[cfg(unix)]
fn relay_warns_like_server_and_refuses_itself() {
    let relay = words("udp-echo relay --to 127.0.0.1:1 --address 0.0.0.0:0");
    Server::spawn(relay).wait_for_error("may leave from another address");
    let itself = free_address();
    let wildcard = format!("0.0.0.0:{}", itself.port());
    let neighbor = format!("127.0.0.2:{}", itself.port()); // macOS has no such address
    let to = [itself.to_string(), wildcard.clone(), neighbor];
    for to in &to[..if cfg!(target_os = "linux") { 3 } else { 2 }] {
        let end = run(format!("udp-echo relay --to {to} --address {wildcard}"), "");
        assert_contains(&end.failure(1), &["udp-echo: cannot relay to"]);
    }
    let end = run(
        format!("udp-echo relay --to {itself} --address {itself}"),
        "",
    );
    assert_contains(&end.failure(1), &["udp-echo: cannot relay to"]);
}
