//! The real `serve`, on a port of its own, in this process.

use std::thread;

use super::*;

/// Long enough for any machine; only a test that fails waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

fn options(prefix: &str, raw: bool) -> Options {
    Options { prefix: prefix.into(), raw, trace: Trace::new(false) }
}

/// Stops the server, even when the test has failed: a scope waits for all its threads.
struct StopsInTheEnd<'a>(&'a Stop);

impl Drop for StopsInTheEnd<'_> {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// Runs a server while `test` talks to it through a connected socket, then stops it.
fn serving(options: &Options, test: impl FnOnce(&UdpSocket, &Stop)) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(socket.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let (stop, report) = (Stop::new(), Report::new("udp-echo", true));
    thread::scope(|scope| {
        let server = scope.spawn(|| serve(&socket, options, &stop, &report));
        let stops = StopsInTheEnd(&stop);
        test(&client, &stop);
        drop(stops);
        server.join().unwrap().unwrap();
    });
}

fn receive_one(client: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; BUFFER];
    let length = client.recv(&mut buffer).unwrap();
    buffer.truncate(length);
    buffer
}

fn ask(client: &UdpSocket, datagram: &[u8]) -> Vec<u8> {
    client.send(datagram).unwrap();
    receive_one(client)
}

#[test]
fn a_datagram_is_answered_whole_and_an_empty_one_too() {
    serving(&options("> ", false), |client, _| {
        assert_eq!(ask(client, "안녕".as_bytes()), "> 안녕".as_bytes());
        assert_eq!(ask(client, b""), b"> ");
        assert_eq!(ask(client, b"\0\r\n"), b"> \0\r\n");
        let long = vec![b'x'; 8_000];
        assert_eq!(ask(client, &long), [b"> ", &long[..]].concat());
    });
}

#[test]
#[cfg(not(target_os = "macos"))] // which sends no datagram over 9,216 bytes
fn the_largest_reply_is_sent_and_a_larger_one_is_replaced() {
    serving(&options("> ", false), |client, _| {
        let largest = vec![b'x'; MAX_DATAGRAM - 2];
        assert_eq!(ask(client, &largest), [b"> ", &largest[..]].concat());
        let too_large = vec![b'x'; MAX_DATAGRAM - 1];
        assert_eq!(ask(client, &too_large), b"error: reply of 65508 bytes does not fit in one datagram");
    });
    serving(&options("", true), |client, _| {
        let largest = vec![0xff; MAX_DATAGRAM];
        assert!(ask(client, &largest) == largest);
    });
}

#[test]
fn what_is_not_utf8_is_told_so_unless_the_bytes_are_raw() {
    serving(&options("> ", false), |client, _| {
        assert_eq!(ask(client, b"ab\xed\xa0\x80"), b"error: not UTF-8: byte 0xED at offset 2");
        assert_eq!(ask(client, b"\xec\x95"), b"error: not UTF-8: byte 0xEC at offset 0");
    });
    serving(&options("> ", true), |client, _| assert_eq!(ask(client, b"\xff"), b"\xff"));
}

#[test]
fn what_looks_like_a_reply_is_never_answered() {
    serving(&options("> ", false), |client, _| {
        for reply in [&b"> hello"[..], b"> ", b"error: not UTF-8: byte 0xFF at offset 0"] {
            client.send(reply).unwrap();
            assert_eq!(ask(client, b"after it"), b"> after it");
        }
    });
    serving(&options("", false), |client, _| assert_eq!(ask(client, b"anything"), b"anything"));
}

#[test]
fn what_had_arrived_before_a_stop_is_answered() {
    serving(&options("> ", false), |client, stop| {
        for number in 0..100 {
            client.send(format!("{number}").as_bytes()).unwrap();
        }
        stop.request();
        for number in 0..100 {
            assert_eq!(receive_one(client), format!("> {number}").as_bytes());
        }
    });
}

#[test]
fn a_client_that_closes_its_port_disturbs_no_other() {
    serving(&options("> ", false), |client, _| {
        for _ in 0..20 {
            let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
            gone.send_to(b"no answer, please", client.peer_addr().unwrap()).unwrap();
        }
        assert_eq!(ask(client, b"still there"), b"> still there");
    });
}
