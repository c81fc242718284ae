use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use suite::{End, PREFIX, Server, Signal};
use suite::{assert_contains, connect, connect_udp, in_parallel, read_to_end, request, words};

use crate::black_box::{PROGRAMS, SERVER_IS_FULL, TCP_SERVERS, client};
use crate::cases::{free_address, send_datagrams, start_unread};

/// Asserts that a server stopped as promised: within 2 s, with its summary as the last line.
pub fn assert_stopped(end: &End, summary: &str) {
    let seconds = end.took.as_secs_f64();
    assert!(end.code == Some(0) && seconds <= 2.0, "{end:?}");
    let last = end.stdout.lines().last().unwrap();
    assert_contains(last, &[&format!("stopped: {summary}")]);
}

/// Connects a client that sends until all buffers are full, and never reads.
pub fn connect_never_reader(server: &Server) -> TcpStream {
    let stream = connect(server.address);
    fill_buffers(&stream);
    stream
}

/// Sends until all buffers are full, and returns the number of bytes.
fn fill_buffers(mut stream: &TcpStream) -> usize {
    let (patience, mut stalls, mut sent) = (Duration::from_millis(300), 0, 0);
    stream.set_write_timeout(Some(patience)).unwrap();
    while stalls < 2 {
        // One write may time out because the kernel drops and resends what finds no place.
        match stream.write(&[b'x'; 65_536]) {
            Ok(len) => (stalls, sent) = (0, sent + len),
            Err(_) => stalls += 1,
        }
    }
    sent
}

#[test]
fn suspended_server_keeps_its_clients() {
    let server = Server::start("threaded-echo --framing raw");
    let mut client = connect(server.address);
    let (mut sent, mut part) = (0, vec![0; 1 << 20]);
    for _ in 0..4 {
        sent += fill_buffers(&client); // until the server waits in `send`
        server.suspend_and_resume();
        client.read_exact(&mut part).unwrap();
        sent -= part.len();
    }
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&client).len(), sent);
}

#[test]
fn signal_ends_server_with_summary() {
    in_parallel(PROGRAMS, |program| {
        for signal in [Signal::INT, Signal::TERM] {
            let mut server = Server::start(program);
            server.signal(signal);
            let clients = ["0 clients, ", ""][usize::from(program == "udp-echo")];
            assert_stopped(&server.end(), &format!("{clients}0 messages, 0 bytes"));
        }
    });
}

#[test]
fn idle_client_sees_end_of_stream() {
    in_parallel(TCP_SERVERS, |line| {
        let mut server = Server::start(line);
        let idle = connect(server.address);
        assert_eq!(request(&idle, "안녕"), format!("{PREFIX}안녕"));
        let end = server.interrupt();
        assert_stopped(&end, "1 client, 1 message, 6 bytes");
        assert!(end.took < Duration::from_secs(1), "{end:?}");
        assert_eq!(read_to_end(&idle), "");
    });
}

#[test]
fn stop_answers_whole_messages_only() {
    for (framing, sent, replies) in [
        ("chunk", &b"one\xec\x95"[..], format!("{PREFIX}one")),
        (
            "line",
            b"one\ntwo\nth",
            format!("{PREFIX}one\n{PREFIX}two\n"),
        ),
    ] {
        let mut server = Server::start(format!("tcp-echo --framing {framing}"));
        let mut client = connect(server.address);
        request(&client, "a\n");
        client.write_all(sent).unwrap();
        server.signal(Signal::INT);
        assert_eq!(read_to_end(&client), replies);
        assert_stopped(&server.end(), "1 client, ");
    }
}

#[test]
fn stop_answers_clients_in_queue_of_pool() {
    let mut server = Server::start("threaded-echo --workers 1 --queue 3");
    let [first, second, rest @ ..] = [(); 4].map(|()| connect(server.address));
    request(&first, "a");
    for mut client in &rest {
        client.write_all(b"a").unwrap();
    }
    assert_eq!(read_to_end(&connect(server.address)), SERVER_IS_FULL);
    drop(first);
    request(&second, "a"); // the queue keeps its order: the worker serves the second client
    server.signal(Signal::INT);
    for client in rest {
        assert_eq!(read_to_end(&client), format!("{PREFIX}a"));
    }
    assert_stopped(&server.end(), "4 clients, 4 messages, 4 bytes");
}

#[test]
fn storm_of_connections_delays_no_stop() {
    in_parallel(["--max-clients 20", "--workers 2 --queue 5"], |limit| {
        let server = Server::start(format!("threaded-echo {limit}"));
        let address = server.address;
        let connect_until_refused = || loop {
            match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
                Ok(mut stream) => drop(stream.write_all(b"hi\n")),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => break,
                Err(_) => {} // the backlog may be full
            }
        };
        thread::scope(|scope| {
            let mut server = server; // a failure kills it, which ends the storm
            (0..4).for_each(|_| drop(scope.spawn(connect_until_refused)));
            server.wait_for(" disconnected");
            assert_stopped(&server.interrupt(), "");
        });
    });
}

#[test]
fn stop_answers_datagrams_and_prints_in_order() {
    let mut server = Server::start("udp-echo");
    let client = connect_udp(server.address);
    let datagrams = 1..=200;
    let is_answered = |len| {
        client.send(&[b'x'; 200][..len]).unwrap();
        client.recv(&mut [0; 300]).is_ok()
    };
    assert!(datagrams.clone().all(is_answered));
    (0..20).for_each(|_| drop(client.send(b"hi")));
    server.signal(Signal::INT);
    (0..20).for_each(|_| assert!(client.recv(&mut [0; 300]).is_ok()));
    let end = server.end();
    assert_stopped(&end, "220 messages, 20140 bytes");
    let lines = end.stdout.lines().filter(|line| line.contains("replied"));
    let lines: Vec<_> = lines.collect();
    let is_in_order = |len: usize| lines[len - 1].contains(&format!(": {len} byte"));
    assert!(lines.len() == 220 && datagrams.into_iter().all(is_in_order));
}

#[test]
fn flood_of_datagrams_delays_no_stop() {
    let server = Server::start("udp-echo --quiet");
    let client = connect_udp(server.address);
    thread::scope(|scope| {
        let mut server = server; // a failure kills it, which closes the port
        scope.spawn(|| while client.send(b"x").is_ok() {});
        client.recv(&mut [0; 64]).unwrap();
        server.signal(Signal::INT);
        let end = server.end();
        assert!(end.code == Some(0) && end.took.as_secs() < 2, "{end:?}");
    });
}

#[test]
fn never_reader_delays_no_stop() {
    in_parallel(TCP_SERVERS, |line| {
        let mut server = Server::start(line);
        let _never_reader = connect_never_reader(&server);
        assert_stopped(&server.interrupt(), "1 client, ");
    });
}

#[test]
fn never_reader_costs_queue_no_reply() {
    let mut server = Server::start("threaded-echo --workers 1 --queue 2");
    let _never_reader = connect_never_reader(&server);
    let waiting = [(); 2].map(|()| connect(server.address));
    for mut client in &waiting {
        client.write_all(b"a").unwrap();
    }
    assert_eq!(read_to_end(&connect(server.address)), SERVER_IS_FULL);
    server.signal(Signal::INT);
    for client in waiting {
        assert_eq!(read_to_end(&client), format!("{PREFIX}a"));
    }
    assert_stopped(&server.end(), "3 clients, ");
}

#[test]
fn streaming_clients_are_not_reset() {
    let mut server = Server::start("threaded-echo");
    let clients: Vec<_> = (0..40).map(|_| connect(server.address)).collect();
    clients.iter().for_each(|client| drop(request(client, "a")));
    thread::scope(|scope| {
        let readers = clients.iter().map(|mut client| {
            scope.spawn(move || {
                while client.write_all(b"hello\n").is_ok() {
                    thread::park_timeout(Duration::from_millis(1));
                }
            });
            scope.spawn(move || {
                let result = client.read_to_end(&mut Vec::new());
                let _ = client.shutdown(Shutdown::Both); // ends the writes above
                result.is_err()
            })
        });
        let readers: Vec<_> = readers.collect();
        assert_stopped(&server.interrupt(), "40 clients, ");
        let resets = readers.into_iter().filter_map(|reader| reader.join().ok());
        // On a busy machine a client may not get its turn as long as the server waits.
        assert!(resets.filter(|reset| *reset).count() < 4);
    });
}

#[test]
fn second_interrupt_ends_server_immediately() {
    let mut server = Server::start("threaded-echo");
    let _never_reader = connect_never_reader(&server);
    server.signal(Signal::INT);
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(150) {
        thread::park_timeout(Duration::from_millis(10)); // within 100 ms it would be the same one
    }
    let end = server.interrupt();
    assert_eq!(end.code, Some(130));
    assert!(end.took < Duration::from_millis(500), "{end:?}");
}

#[test]
fn unread_output_delays_no_stop() {
    in_parallel(["udp-echo", "udp-echo --trace"], |line| {
        let mut server = start_unread(line);
        send_datagrams(&server, 6_000);
        let started = Instant::now();
        server.signal(Signal::TERM);
        assert_eq!(server.wait(), Some(0));
        assert!(started.elapsed() <= Duration::from_secs(2));
    });
}

#[test]
fn stopped_server_frees_port_immediately() {
    in_parallel(TCP_SERVERS, |line| {
        let line = format!("{line} --address {}", free_address());
        for _ in 0..2 {
            let mut server = Server::spawn(words(&line));
            let client = connect(server.address);
            request(&client, "a");
            assert_stopped(&server.interrupt(), ""); // the server closes first: TIME_WAIT
        }
    });
}

#[test]
fn closed_stdout_stops_no_server() {
    for program in PROGRAMS {
        let mut server = start_unread(program);
        server.close_stdout();
        for _ in 0..3 {
            let reply = client(program, &server, "still?", "").success();
            assert_eq!(reply, format!("{PREFIX}still?\n"));
        }
        server.signal(Signal::TERM);
        assert_eq!(server.wait(), Some(0), "{program}");
    }
}
