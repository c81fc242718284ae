//! The real `serve`, on a port of its own, in this process.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use common::report::Verbosity;

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

fn options(prefix: &str, raw: bool) -> Options {
    Options {
        prefix: prefix.to_owned(),
        raw,
    }
}

fn silent_report() -> Report {
    let verbosity = Verbosity::default();
    Report::new("udp-echo", false, verbosity, io::sink(), io::sink()).unwrap()
}

/// Stops the server, even if the test fails: a scope waits for all its threads.
struct RequestOnDrop<'a>(&'a Shutdown);

impl Drop for RequestOnDrop<'_> {
    fn drop(&mut self) {
        self.0.request();
    }
}

fn socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// Runs a server while `test` talks to it from a connected socket, then stops it.
fn serving(options: &Options, test: impl FnOnce(&UdpSocket, SocketAddr, &Shutdown)) {
    let (server, client) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let address = server.local_addr().unwrap();
    client.connect(address).unwrap();
    let report = silent_report();
    let shutdown = Shutdown::default();
    thread::scope(|scope| {
        let serving = scope.spawn(|| serve(&server, options, &shutdown, &report));
        let stops = RequestOnDrop(&shutdown);
        test(&client, address, &shutdown);
        drop(stops);
        serving.join().unwrap().unwrap();
    });
}

fn receive(client: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; BUFFER_LEN];
    let len = client.recv(&mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

fn request(client: &UdpSocket, datagram: &[u8]) -> Vec<u8> {
    client.send(datagram).unwrap();
    receive(client)
}

#[test]
fn each_datagram_is_answered_whole() {
    serving(&options("> ", false), |client, _, _| {
        for text in ["hi", "", "안녕\0\u{feff}\r\n", &"x".repeat(9_000)] {
            assert_eq!(
                request(client, text.as_bytes()),
                format!("> {text}").as_bytes()
            );
        }
    });
}

#[cfg(target_os = "linux")] // macOS sends 9,216 bytes at most
#[test]
fn reply_that_does_not_fit_is_an_error_reply() {
    serving(&options("> ", false), |client, _, _| {
        assert_eq!(request(client, &[b'x'; 65_505]).len(), 65_507);
        let error = "error: reply of 65508 bytes does not fit in one datagram";
        assert_eq!(request(client, &[b'x'; 65_506]), error.as_bytes());
    });
}

#[test]
fn invalid_bytes_get_an_error_unless_raw() {
    serving(&options("> ", false), |client, _, _| {
        let error = "error: not UTF-8: byte 0xFF at offset 3";
        assert_eq!(request(client, b"\xec\x95\x88\xff"), error.as_bytes());
        assert_eq!(request(client, b"next"), b"> next");
    });
    serving(&options("> ", true), |client, _, _| {
        assert_eq!(request(client, b"> \xff"), b"> \xff");
    });
}

#[test]
fn replies_are_never_answered() {
    for (options, ignored) in [
        (
            options("> ", false),
            &[&b"> hi"[..], b"error: ", b"> \xff"][..],
        ),
        (options("", false), &[b"error: x"]),
        (options("> ", true), &[b"error: x"]),
    ] {
        serving(&options, |client, _, _| {
            ignored
                .iter()
                .for_each(|datagram| drop(client.send(datagram)));
            assert!(request(client, b"next").ends_with(b"next"));
        });
    }
}

#[test]
fn datagram_from_the_own_address_is_ignored() {
    let (server, other) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let report = silent_report();
    let shutdown = Shutdown::default();
    let datagrams = Datagrams::new(&server, &shutdown, &report).unwrap();
    let address = server.local_addr().unwrap();
    server.send_to(b"from itself", address).unwrap();
    other.send_to(b"from another", address).unwrap();
    let mut buffer = vec![0; BUFFER_LEN];
    let (len, peer) = datagrams.receive(&mut buffer).unwrap();
    assert_eq!(
        (&buffer[..len], peer),
        (&b"from another"[..], other.local_addr().unwrap())
    );
}

#[test]
fn client_that_closes_its_port_disturbs_no_other() {
    serving(&options("> ", false), |client, address, _| {
        for _ in 0..20 {
            socket("127.0.0.1:0")
                .send_to(b"and closed", address)
                .unwrap();
        }
        assert_eq!(request(client, b"hi"), b"> hi");
    });
}

#[test]
fn each_reply_goes_to_its_sender() {
    serving(&options("> ", false), |_, address, _| {
        let clients: Vec<_> = (0..8).map(|_| socket("127.0.0.1:0")).collect();
        for (client, number) in clients.iter().zip(0..) {
            client
                .send_to(format!("{number}").as_bytes(), address)
                .unwrap();
        }
        for (client, number) in clients.iter().zip(0..) {
            assert_eq!(receive(client), format!("> {number}").as_bytes());
        }
    });
}

#[test]
fn shutdown_answers_what_has_arrived() {
    serving(&options("> ", false), |client, _, shutdown| {
        (0..20).for_each(|_| drop(client.send(b"hi")));
        shutdown.request();
        (0..20).for_each(|_| assert_eq!(receive(client), b"> hi"));
    });
}

#[test]
fn shutdown_ends_a_flooded_server() {
    serving(&options("> ", false), |client, _, shutdown| {
        thread::scope(|scope| {
            scope.spawn(|| while !shutdown.grace_period_expired() && client.send(b"x").is_ok() {});
            receive(client);
            shutdown.request();
        });
    });
}
