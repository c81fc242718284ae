//! The real servers, with a thread per client and with a pool, in this process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use common::framing::Framing;
use common::report::Verbosity;

use super::*;
use crate::pool;

const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy)]
enum Kind {
    Threads { max_clients: usize },
    Pool { workers: usize, queue_len: usize },
}

fn silent_report() -> Report {
    let verbosity = Verbosity::default();
    Report::new("threaded-echo", true, verbosity, io::sink(), io::sink()).unwrap()
}

/// Stops the server, even if the test fails: a scope waits for all its threads.
struct RequestOnDrop<'a>(&'a Shutdown);

impl Drop for RequestOnDrop<'_> {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// Runs a server while `test` talks to it, then stops it.
fn serving(kind: Kind, test: impl FnOnce(SocketAddr, &Shutdown)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let report = silent_report();
    let (shutdown, framing) = (Shutdown::default(), Framing::Line);
    let options = Options {
        prefix: "> ".to_owned(),
        framing,
        idle_timeout: Duration::ZERO,
    };
    thread::scope(|scope| {
        let server = scope.spawn(|| match kind {
            Kind::Threads { max_clients } => {
                serve(&listener, &options, max_clients, &shutdown, &report)
            }
            Kind::Pool { workers, queue_len } => pool::serve(
                &listener,
                &options,
                (workers, queue_len),
                &shutdown,
                &report,
            ),
        });
        let stops = RequestOnDrop(&shutdown);
        test(listener.local_addr().unwrap(), &shutdown);
        drop(stops);
        server.join().unwrap().unwrap();
    });
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Client(BufReader::new(stream))
    }

    fn send(&mut self, line: &str) {
        let _ = self.0.get_mut().write_all(format!("{line}\n").as_bytes()); // a full server may have closed
    }

    fn read(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    fn request(&mut self, line: &str) -> String {
        self.send(line);
        self.read()
    }

    /// Disconnects, and waits until the server has closed its side.
    fn disconnect(mut self) {
        self.0
            .get_mut()
            .shutdown(std::net::Shutdown::Write)
            .unwrap();
        let _ = self.0.read_to_end(&mut Vec::new());
    }
}

const FULL: &str = "error: server is full, try again later\n";

#[test]
fn clients_do_not_wait_for_each_other() {
    for kind in [
        Kind::Threads { max_clients: 9 },
        Kind::Pool {
            workers: 3,
            queue_len: 1,
        },
    ] {
        serving(kind, |address, _| {
            let mut clients: Vec<_> = (0..3).map(|_| Client::connect(address)).collect();
            for client in clients.iter_mut().rev() {
                assert_eq!(client.request("hi"), "> hi\n");
            }
        });
    }
}

#[test]
fn rejected_client_gets_error_and_may_come_again() {
    serving(Kind::Threads { max_clients: 2 }, |address, _| {
        let mut clients: Vec<_> = (0..2).map(|_| Client::connect(address)).collect();
        clients
            .iter_mut()
            .for_each(|client| assert_eq!(client.request("a"), "> a\n"));
        for _ in 0..50 {
            assert_eq!(Client::connect(address).request("b"), FULL); // also a client that has sent something
        }
        clients.remove(0).disconnect();
        assert_eq!(Client::connect(address).request("c"), "> c\n");
    });
}

#[test]
fn error_and_reset_give_the_permit_back() {
    serving(Kind::Threads { max_clients: 1 }, |address, _| {
        for _ in 0..20 {
            let mut client = Client::connect(address);
            client.send(&"x".repeat(70_000));
            assert_eq!(client.read(), "error: line longer than 65536 bytes\n");
            client.disconnect();
        }
        assert_eq!(Client::connect(address).request("a"), "> a\n");
    });
}

#[test]
fn pool_serves_its_workers_and_queues_the_rest() {
    serving(
        Kind::Pool {
            workers: 2,
            queue_len: 2,
        },
        |address, _| {
            let mut clients: Vec<_> = (0..4).map(|_| Client::connect(address)).collect();
            clients.iter_mut().for_each(|client| client.send("hi"));
            assert_eq!(clients[0].read(), "> hi\n");
            assert_eq!(clients[1].read(), "> hi\n");
            assert_eq!(Client::connect(address).read(), FULL);
            clients.remove(0).disconnect();
            assert_eq!(clients[1].read(), "> hi\n"); // the third, in the order of the queue
        },
    );
}

#[cfg(not(windows))] // nothing wakes a blocked read there: main's limit ends the process
#[test]
fn shutdown_answers_clients_in_the_queue() {
    serving(
        Kind::Pool {
            workers: 1,
            queue_len: 8,
        },
        |address, shutdown| {
            let mut clients: Vec<_> = (0..5).map(|_| Client::connect(address)).collect();
            clients.iter_mut().for_each(|client| client.send("hi"));
            assert_eq!(clients[0].read(), "> hi\n");
            assert_eq!(Client::connect(address).0.get_mut().write(b"x").unwrap(), 1); // the queue has the others
            shutdown.request();
            for client in &mut clients[1..] {
                assert_eq!(client.read(), "> hi\n");
            }
        },
    );
}

#[cfg(not(windows))]
#[test]
fn shutdown_in_a_storm_of_connections_ends() {
    for kind in [
        Kind::Threads { max_clients: 20 },
        Kind::Pool {
            workers: 2,
            queue_len: 5,
        },
    ] {
        serving(kind, |address, shutdown| {
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        while !shutdown.is_requested() {
                            let timeout = Duration::from_millis(200); // the backlog may be full
                            let stream = TcpStream::connect_timeout(&address, timeout);
                            let _ = stream.and_then(|mut stream| stream.write_all(b"hi\n"));
                        }
                    });
                }
                assert!((0..20).any(|_| Client::connect(address).request("hi") == "> hi\n"));
                shutdown.request();
            });
        });
    }
}
