use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use suite::{End, PREFIX, Server, Signal};
use suite::{assert_contains, connect, read_to_end, request, words};

use crate::black_box::{PROGRAMS, client};
use crate::cases::{free_address, send_datagrams, start_unread};

/// How each TCP server is started.
pub const TCP_SERVERS: [&str; 3] = ["tcp-echo", "threaded-echo", "threaded-echo --workers 1"];

/// Asserts that a server stopped as promised: within 2 s, with its summary as the last line.
pub fn assert_stopped(end: &End, summary: &str) {
    let seconds = end.took.as_secs_f64();
    assert!(end.code == Some(0) && seconds <= 2.0, "{end:?}");
    let last = end.stdout.lines().last().unwrap();
    assert_contains(last, &[&format!("stopped: {summary}")]);
}

/// Connects a client that sends until all buffers are full, and never reads.
pub fn connect_never_reader(server: &Server) -> TcpStream {
    let mut stream = connect(server.address);
    let (patience, mut stalls) = (Duration::from_millis(300), 0);
    stream.set_write_timeout(Some(patience)).unwrap();
    while stalls < 2 {
        // One write may time out because the kernel drops and resends what finds no place.
        stalls = stream.write(&[b'x'; 65_536]).map_or(stalls + 1, |_| 0);
    }
    stream
}

#[test]
fn signal_ends_server_with_summary() {
    for program in PROGRAMS {
        for signal in [Signal::INT, Signal::TERM] {
            let mut server = Server::start(program);
            server.signal(signal);
            let clients = ["0 clients, ", ""][usize::from(program == "udp-echo")];
            assert_stopped(&server.end(), &format!("{clients}0 messages, 0 bytes"));
        }
    }
}

#[test]
fn idle_client_sees_end_of_stream() {
    for line in TCP_SERVERS {
        let mut server = Server::start(line);
        let idle = connect(server.address);
        assert_eq!(request(&idle, "안녕"), format!("{PREFIX}안녕"));
        let end = server.interrupt();
        assert_stopped(&end, "1 client, 1 message, 6 bytes");
        assert!(end.took < Duration::from_secs(1), "{end:?}");
        assert_eq!(read_to_end(&idle), "");
    }
}

#[test]
fn never_reader_delays_no_stop() {
    let stop = |line: &str| {
        let mut server = Server::start(line);
        let _never_reader = connect_never_reader(&server);
        assert_stopped(&server.interrupt(), "1 client, ");
    };
    thread::scope(|scope| TCP_SERVERS.map(|line| drop(scope.spawn(move || stop(line)))));
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
    for line in ["udp-echo", "udp-echo --trace"] {
        let mut server = start_unread(line);
        send_datagrams(&server, 6_000);
        let started = Instant::now();
        server.signal(Signal::TERM);
        assert_eq!(server.wait(), Some(0));
        assert!(started.elapsed() <= Duration::from_secs(2));
    }
}

#[test]
fn stopped_server_frees_port_immediately() {
    for line in TCP_SERVERS {
        let line = format!("{line} --address {}", free_address());
        for _ in 0..2 {
            let mut server = Server::spawn(words(&line));
            let client = connect(server.address);
            request(&client, "a");
            assert_stopped(&server.interrupt(), ""); // the server closes first: TIME_WAIT
        }
    }
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
