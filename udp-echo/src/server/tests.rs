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

#[test]
fn each_answer_goes_to_where_its_datagram_came_from() {
    serving(&options("> ", false), |client, _| {
        let server = client.peer_addr().unwrap();
        let others: Vec<_> = (0..20).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        for (number, other) in others.iter().enumerate() {
            other.set_read_timeout(Some(DEADLINE)).unwrap();
            other.send_to(format!("{number}").as_bytes(), server).unwrap();
        }
        for (number, other) in others.iter().enumerate().rev() {
            let mut buffer = [0; 16];
            let (length, from) = other.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (format!("> {number}").as_bytes(), server));
        }
    });
}

#[test]
fn raw_has_no_prefix_to_guard_and_still_answers_no_error() {
    serving(&options("> ", true), |client, _| {
        client.send(b"error: whatever").unwrap();
        assert_eq!(ask(client, b"> \xff\0"), b"> \xff\0");
        assert_eq!(ask(client, b""), b"");
        assert_eq!(ask(client, b"error:"), b"error:");
    });
}

#[test]
fn characters_that_look_odd_come_back_as_they_went() {
    serving(&options("> ", false), |client, _| {
        let odd = "\u{feff}e\u{301}\u{1112}\u{1161}\u{11ab}\0\r\n\u{10ffff}";
        assert_eq!(ask(client, odd.as_bytes()), ["> ", odd].concat().as_bytes());
    });
}

#[test]
fn two_servers_that_are_made_to_talk_to_each_other_stop_at_once() {
    for (prefix, forged) in [("> ", &b"hello"[..]), ("> ", b"\xff"), ("", b"\xff")] {
        serving(&options(prefix, false), |client, _| {
            let first = ask(client, forged);
            client.send(&first).unwrap(); // what the second server would get, with the first one for its sender
            assert_eq!(ask(client, b"a word of our own"), [prefix, "a word of our own"].concat().as_bytes());
        });
    }
}

#[test]
fn a_stop_ends_a_server_that_is_flooded() {
    serving(&options("> ", false), |client, stop| {
        let flood = client.try_clone().unwrap();
        thread::spawn(move || {
            // Until the server's port is closed, which the next send hears of.
            while flood.send(b"flood").is_ok() || flood.take_error().is_err() {}
        });
        assert_eq!(receive_one(client), b"> flood");
        stop.request();
    });
}

#[test]
fn an_idle_server_stops_too() {
    serving(&options("> ", false), |_, _| ());
}

#[test]
fn a_server_can_be_asked_over_ipv6() {
    let Ok(socket) = UdpSocket::bind("[::1]:0") else {
        return; // a machine without it
    };
    let client = UdpSocket::bind("[::1]:0").unwrap();
    client.connect(socket.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let (stop, report, options) = (Stop::new(), Report::new("udp-echo", true), options("> ", false));
    thread::scope(|scope| {
        let stops = StopsInTheEnd(&stop);
        scope.spawn(|| serve(&socket, &options, &stop, &report));
        assert_eq!(ask(&client, b"hello"), b"> hello");
        drop(stops);
    });
}
