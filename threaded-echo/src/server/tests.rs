//! The real `serve`, on a port of its own, in this process.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use common::framing::Framing;
use common::shutdown::Timeout;
use common::trace::Trace;

use super::*;

/// Long enough for any machine; only a test that fails waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

const FULL: &str = "error: server is full, try again later\n";

fn options() -> Options {
    Options { framing: Framing::Line, prefix: "> ".into(), idle_timeout: Timeout(None), trace: Trace::new(false) }
}

/// Stops the server, even when the test has failed: a scope waits for all its threads.
struct StopsInTheEnd<'a>(&'a Stop);

impl Drop for StopsInTheEnd<'_> {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// Runs a server while `test` talks to it, then stops it.
fn serving(threads: Threads, test: impl FnOnce(SocketAddr, &Stop)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, report, options) = (Stop::new(), Report::new("threaded-echo", true), options());
    thread::scope(|scope| {
        let server = scope.spawn(|| serve(&listener, &options, threads, &stop, &report));
        let stops = StopsInTheEnd(&stop);
        test(address, &stop);
        drop(stops);
        server.join().unwrap().unwrap();
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends a line, and reads the reply.
fn ask(mut stream: &TcpStream, line: &str) -> String {
    stream.write_all(line.as_bytes()).unwrap();
    let mut reply = vec![0; line.len() + 2];
    stream.read_exact(&mut reply).unwrap();
    String::from_utf8(reply).unwrap()
}

/// What comes until the server ends its side.
fn read_to_end(mut stream: &TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Leaves, and waits until the server has noticed.
fn leave(stream: TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&stream), "");
}

#[test]
fn clients_do_not_wait_for_each_other() {
    serving(Threads { max_clients: 100, workers: None }, |address, _| {
        let clients: Vec<_> = (0..50).map(|_| connect(address)).collect();
        for client in clients.iter().rev() {
            assert_eq!(ask(client, "hello\n"), "> hello\n");
        }
    });
}

#[test]
fn one_client_too_many_is_told_so_and_a_seat_is_free_as_soon_as_its_client_is_closed() {
    for workers in [None, Some(2)] {
        serving(Threads { max_clients: 2, workers }, |address, _| {
            for _ in 0..20 {
                let (first, second) = (connect(address), connect(address));
                assert_eq!(ask(&first, "a\n"), "> a\n");
                assert_eq!(ask(&second, "b\n"), "> b\n");
                assert_eq!(read_to_end(&connect(address)), FULL);
                leave(first);
                leave(second);
            }
        });
    }
}

#[test]
fn a_pool_serves_so_many_at_once_and_lets_so_many_wait() {
    serving(Threads { max_clients: 3, workers: Some(1) }, |address, _| {
        let (served, waits, waits_too) = (connect(address), connect(address), connect(address));
        assert_eq!(ask(&served, "a\n"), "> a\n");
        assert_eq!(read_to_end(&connect(address)), FULL);
        (&waits).write_all(b"b\n").unwrap();
        waits.set_nonblocking(true).unwrap();
        assert_eq!((&waits).read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        waits.set_nonblocking(false).unwrap();
        leave(served);
        let mut reply = [0; 4];
        (&waits).read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"> b\n");
        leave(waits);
        assert_eq!(ask(&waits_too, "c\n"), "> c\n");
    });
}

#[test]
#[cfg(target_os = "linux")] // elsewhere what has arrived is thrown away by shutdown(Read), or the read is not ended by it
fn a_stop_answers_those_who_wait_for_a_worker() {
    serving(Threads { max_clients: 3, workers: Some(1) }, |address, stop| {
        let (served, waits) = (connect(address), connect(address));
        assert_eq!(ask(&served, "a\n"), "> a\n");
        (&waits).write_all(b"b\nhalf").unwrap();
        let _waits_too = connect(address);
        assert_eq!(read_to_end(&connect(address)), FULL); // so all three have been let in
        stop.request();
        assert_eq!(read_to_end(&served), "");
        assert_eq!(read_to_end(&waits), "> b\n");
    });
}

#[test]
fn a_stop_in_a_storm_of_connections_comes_to_an_end() {
    serving(Threads { max_clients: 1000, workers: None }, |address, stop| {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !stop.is_requested() {
                        let _ =
                            TcpStream::connect_timeout(&address, DEADLINE).map(|stream| (&stream).write_all(b"x\n"));
                    }
                });
            }
            for _ in 0..100 {
                assert_eq!(ask(&connect(address), "in between\n"), "> in between\n");
            }
            stop.request();
        });
    });
}

#[test]
fn a_panic_in_a_conversation_costs_no_worker() {
    fn panics_at_first(stream: &TcpStream, client: Client<'_>, options: &Options, stop: &Stop) -> Farewell {
        let mut first = [0];
        assert!(stream.peek(&mut first).is_err() || &first != b"!", "on purpose");
        attend(stream, client, options, stop)
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, report, options) = (Stop::new(), Report::new("threaded-echo", true), options());
    thread::scope(|scope| {
        let _stops = StopsInTheEnd(&stop);
        let closer = Closer::start(scope).unwrap();
        let host = Host { options: &options, stop: &stop, report: &report, closer, attend: panics_at_first };
        let queue = start_pool(scope, 2, 10, &host).unwrap();
        for turn in 0..6 {
            let client = connect(address);
            let (stream, peer) = listener.accept().unwrap();
            queue.send(Guest { stream: stop.watch(stream), peer, seat: Arc::new(()) }).unwrap();
            if turn < 5 {
                (&client).write_all(b"!").unwrap();
                let _ = (&client).read_to_end(&mut Vec::new()); // the end, or a reset
            } else {
                assert_eq!(ask(&client, "still served\n"), "> still served\n");
            }
        }
    });
}

#[test]
fn a_client_that_never_reads_blocks_only_itself() {
    serving(Threads { max_clients: 10, workers: Some(2) }, |address, _| {
        let floods = connect(address);
        floods.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        while (&floods).write_all(&b"flood\n".repeat(10_000)).is_ok() {} // until all buffers are full
        let reads = connect(address);
        for _ in 0..100 {
            assert_eq!(ask(&reads, "hello\n"), "> hello\n");
        }
    });
}

#[test]
#[cfg(not(windows))] // there a blocked read stays blocked: rust-lang/rust#121594
fn a_stop_does_not_wait_for_those_who_never_read_or_say_nothing() {
    for workers in [None, Some(20)] {
        let ended = std::time::Instant::now();
        serving(Threads { max_clients: 100, workers }, |address, stop| {
            let idle: Vec<_> = (0..50).map(|_| connect(address)).collect();
            let floods: Vec<_> = (0..5).map(|_| connect(address)).collect();
            for flood in &floods {
                flood.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            }
            for mut flood in &floods {
                while flood.write_all(&b"flood\n".repeat(10_000)).is_ok() {}
            }
            stop.request();
            for client in &idle {
                let mut client = client;
                let _ = client.read_to_end(&mut Vec::new()); // the end, or a reset
            }
            drop(floods);
        });
        assert!(ended.elapsed() < DEADLINE);
    }
}

#[test]
fn who_is_refused_reads_why_although_it_was_the_first_to_speak() {
    serving(Threads { max_clients: 1, workers: None }, |address, _| {
        let seated = connect(address);
        assert_eq!(ask(&seated, "a\n"), "> a\n");
        for _ in 0..50 {
            let mut refused = connect(address);
            let _ = refused.write_all(b"let me in\n"); // it may be too late for that
            assert_eq!(read_to_end(&refused), FULL);
        }
        assert_eq!(ask(&seated, "b\n"), "> b\n");
    });
}

#[test]
#[cfg(not(windows))]
fn a_stop_does_not_wait_for_those_who_were_refused_and_stay() {
    serving(Threads { max_clients: 1, workers: None }, |address, stop| {
        let seated = connect(address);
        assert_eq!(ask(&seated, "a\n"), "> a\n");
        let refused: Vec<_> = (0..100).map(|_| connect(address)).collect();
        for client in &refused {
            assert_eq!(read_to_end(client), FULL); // and it does not close: 64 of them have a second each
        }
        assert_eq!(ask(&seated, "b\n"), "> b\n");
        stop.request();
        assert_eq!(read_to_end(&seated), "");
    });
}

#[test]
fn a_seat_is_free_as_soon_as_the_error_that_ended_its_client_was_read() {
    for workers in [None, Some(1)] {
        serving(Threads { max_clients: 1, workers }, |address, _| {
            for _ in 0..20 {
                let mut bad = connect(address);
                bad.write_all(&[b'x'; 65_537]).unwrap();
                assert_eq!(read_to_end(&bad), "error: line longer than 65536 bytes\n");
                let next = connect(address); // while the one before still has its moment
                assert_eq!(ask(&next, "a\n"), "> a\n");
                leave(next);
            }
        });
    }
}

#[test]
fn a_client_that_resets_gives_its_seat_back() {
    serving(Threads { max_clients: 2, workers: Some(2) }, |address, _| {
        for _ in 0..20 {
            let mut resets = connect(address);
            resets.write_all(b"hello\n").unwrap();
            resets.peek(&mut [0; 8]).unwrap();
            drop(resets); // with the answer unread, which makes it a reset
            let started = std::time::Instant::now();
            // The server may not have seen it yet; the other seat is free in any case.
            while read_first(&connect(address)) != "> ok\n" {
                assert!(started.elapsed() < DEADLINE, "the seat is lost");
            }
        }
    });
}

/// What a client is told that says `ok`: the answer, or that the server is full.
fn read_first(mut stream: &TcpStream) -> String {
    let _ = stream.write_all(b"ok\n");
    let _ = stream.shutdown(Shutdown::Write);
    read_to_end(stream)
}

#[test]
fn a_pool_of_two_serves_two_at_once_and_the_queue_in_its_order() {
    serving(Threads { max_clients: 5, workers: Some(2) }, |address, _| {
        let (first, second) = (connect(address), connect(address));
        assert_eq!(ask(&first, "1\n"), "> 1\n");
        assert_eq!(ask(&second, "2\n"), "> 2\n");
        let waiting: Vec<_> = (0..3).map(|_| connect(address)).collect();
        assert_eq!(read_to_end(&connect(address)), FULL);
        leave(first);
        for client in waiting {
            assert_eq!(ask(&client, "my turn\n"), "> my turn\n"); // one worker is held by the second all the time
            leave(client);
        }
        assert_eq!(ask(&second, "still here\n"), "> still here\n");
    });
}

#[test]
fn a_panic_in_a_conversation_gives_the_seat_back() {
    fn panics(_: &TcpStream, _: Client<'_>, _: &Options, _: &Stop) -> Farewell {
        panic!("on purpose")
    }
    let (stop, report, options) = (Stop::new(), Report::new("threaded-echo", true), options());
    let seats = Arc::new(());
    thread::scope(|scope| {
        let closer = Closer::start(scope).unwrap();
        let host = Host { options: &options, stop: &stop, report: &report, closer, attend: panics };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = connect(listener.local_addr().unwrap());
        let (stream, peer) = listener.accept().unwrap();
        host.serve_one(Guest { stream: stop.watch(stream), peer, seat: Arc::clone(&seats) });
        assert_eq!(Arc::strong_count(&seats), 1);
        assert_eq!(read_to_end(&client), "");
    });
}
