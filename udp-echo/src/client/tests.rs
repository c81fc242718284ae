//! The client, against servers that are made for it.

use std::thread;
use std::time::Duration;

use super::*;

/// Long enough for any machine; only a test that fails waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

fn server() -> UdpSocket {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    server
}

fn client(server: &UdpSocket, timeout: &str, retries: u32) -> Client {
    let options = Options { timeout: timeout.parse().unwrap(), retries, trace: Trace::new(false) };
    Client::new(vec![server.local_addr().unwrap()], options)
}

/// The next datagram and whose it is.
fn next(server: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; BUFFER];
    let (length, peer) = server.recv_from(&mut buffer).unwrap();
    buffer.truncate(length);
    (buffer, peer)
}

#[test]
fn a_message_that_is_lost_is_sent_again() {
    let server = server();
    let mut client = client(&server, "0.05", 1000);
    thread::scope(|scope| {
        let asking = scope.spawn(move || client.ask(b"hello"));
        let (lost, first) = next(&server);
        let (again, second) = next(&server);
        assert_eq!((&lost, first), (&again, second), "the same message, from the same port");
        server.send_to(b"answer", second).unwrap();
        assert_eq!(asking.join().unwrap().unwrap(), b"answer");
    });
}

#[test]
fn a_message_without_an_answer_is_sent_as_often_as_the_options_say() {
    let server = server();
    let error = client(&server, "0.01", 2).ask(b"hello").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("no answer from {}: sent 3 times, waited 0.01 s each time", server.local_addr().unwrap())
    );
    for _ in 0..3 {
        assert_eq!(next(&server).0, b"hello");
    }
    server.set_nonblocking(true).unwrap();
    assert_eq!(server.recv_from(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn only_the_servers_own_answer_is_taken() {
    let server = server();
    let mut client = client(&server, "20", 0);
    thread::scope(|scope| {
        let asking = scope.spawn(move || client.ask(b"hello"));
        let (_, peer) = next(&server);
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.send_to(b"a lie", peer).unwrap();
        server.send_to(b"the truth", peer).unwrap();
        assert_eq!(asking.join().unwrap().unwrap(), b"the truth");
    });
}

#[test]
fn a_late_duplicate_is_not_taken_for_the_next_answer() {
    let server = server();
    let mut client = client(&server, "20", 0);
    thread::scope(|scope| {
        let asking = scope.spawn(move || (client.ask(b"one").unwrap(), client.ask(b"two").unwrap()));
        let (_, first) = next(&server);
        server.send_to(b"answer to one", first).unwrap();
        let (_, second) = next(&server);
        server.send_to(b"answer to one", first).unwrap(); // late, and where it belongs
        assert_ne!(first, second, "each message has a port of its own");
        server.send_to(b"answer to two", second).unwrap();
        assert_eq!(asking.join().unwrap(), (b"answer to one".to_vec(), b"answer to two".to_vec()));
    });
}

#[test]
fn a_closed_port_is_known_and_the_next_address_is_tried() {
    let open = server();
    let closed = server().local_addr().unwrap();
    let mut client = client(&open, "0.2", 50); // where the news does not end a receive, it fails the next send
    client.servers.insert(0, closed);
    thread::scope(|scope| {
        let asking = scope.spawn(move || client.ask(b"hello"));
        server_answers(&open);
        assert_eq!(asking.join().unwrap().unwrap(), b"answer");
    });
    let options = Options { timeout: "0.2".parse().unwrap(), retries: 50, trace: Trace::new(false) };
    let error = Client::new(vec![closed], options).ask(b"hello").unwrap_err();
    assert!(matches!(error, Error::ClosedPort(_)), "{error}");
}

fn server_answers(server: &UdpSocket) {
    let (_, peer) = next(server);
    server.send_to(b"answer", peer).unwrap();
}

#[test]
fn a_message_that_is_too_long_is_an_error() {
    let server = server();
    let error = client(&server, "20", 0).ask(&vec![b'x'; MAX_DATAGRAM + 1]).unwrap_err();
    assert!(matches!(error, Error::TooLong), "{error}");
}

#[test]
fn lines_lose_their_ending_and_one_that_is_too_long_can_be_seen_to_be() {
    let mut input: Vec<u8> = b"a\r\n\nb\xff\n".to_vec();
    input.extend(vec![b'x'; 200_000]);
    input.extend(b"\nlast");
    let mut input = &input[..];
    let mut lines = Vec::new();
    while let Some(line) = read_line(&mut input).unwrap() {
        lines.push(line);
    }
    assert_eq!(lines[..3], [&b"a"[..], b"", b"b\xff"]);
    assert!(lines[3].len() > MAX_DATAGRAM);
    assert_eq!(lines[4..], [b"last"]);
}

/// Larger than any datagram of IPv6, whose length field does not count its header: 65,535 bytes, less those of UDP (8).
const MAX_DATAGRAM_IPV6: usize = 65_527;

#[test]
fn a_line_that_is_too_long_for_ipv4_is_not_sent_in_part_over_ipv6() {
    for length in [MAX_DATAGRAM + 1, MAX_DATAGRAM + 2, MAX_DATAGRAM + 3, MAX_DATAGRAM_IPV6, 200_000] {
        let typed = "x".repeat(length) + "\r\n";
        let line = read_line(&mut typed.as_bytes()).unwrap().unwrap();
        assert!(line.len() == length || line.len() > MAX_DATAGRAM_IPV6, "{} bytes of {length} are kept", line.len());
    }
}

#[test]
#[cfg(not(target_os = "macos"))] // which sends no datagram over 9,216 bytes
fn a_line_of_65520_bytes_arrives_whole_or_not_at_all() {
    let Ok(server) = UdpSocket::bind("[::1]:0") else {
        return; // a machine without IPv6
    };
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut client = client(&server, "0.01", 0);
    let typed = "x".repeat(65_520) + "\n";
    let line = read_line(&mut typed.as_bytes()).unwrap().unwrap();
    match client.ask(&line).unwrap_err() {
        Error::TooLong => {}
        _ => assert_eq!(next(&server).0.len(), 65_520),
    }
}

#[test]
fn an_address_that_is_silent_is_followed_by_the_next() {
    let (silent, answers) = (server(), server());
    let mut client = client(&answers, "20", 0);
    client.servers.insert(0, silent.local_addr().unwrap());
    client.options.timeout = "0.5".parse().unwrap();
    client.options.retries = 3;
    thread::scope(|scope| {
        let asking = scope.spawn(move || client.ask(b"hello"));
        server_answers(&answers);
        assert_eq!(asking.join().unwrap().unwrap(), b"answer");
    });
    for _ in 0..4 {
        assert_eq!(next(&silent).0, b"hello");
    }
}

#[test]
fn an_empty_message_has_an_empty_answer() {
    let server = server();
    let mut client = client(&server, "20", 0);
    thread::scope(|scope| {
        let asking = scope.spawn(move || client.ask(b""));
        let (message, peer) = next(&server);
        assert_eq!(message, b"");
        server.send_to(b"", peer).unwrap();
        assert_eq!(asking.join().unwrap().unwrap(), b"");
    });
}

#[test]
fn a_client_without_an_address_says_so() {
    let options = Options { timeout: "1".parse().unwrap(), retries: 0, trace: Trace::new(false) };
    assert!(matches!(Client::new(Vec::new(), options).ask(b"hello"), Err(Error::NoAddress)));
}

#[test]
fn the_last_line_may_have_no_ending_and_an_empty_input_has_no_line() {
    assert_eq!(read_line(&mut &b""[..]).unwrap(), None);
    let mut input = &b"one\r"[..];
    assert_eq!(read_line(&mut input).unwrap().unwrap(), b"one\r"); // a line ends in `\n` or `\r\n`, and this is neither
    assert_eq!(read_line(&mut input).unwrap(), None);
}

#[test]
fn when_no_address_answers_the_first_one_is_named() {
    let (silent, closed) = (server(), server().local_addr().unwrap());
    let mut client = client(&silent, "0.01", 1);
    client.servers.push(closed); // its socket is gone
    let error = client.ask(b"hello").unwrap_err();
    assert!(matches!(error, Error::NoAnswer(server, _) if server == silent.local_addr().unwrap()), "{error}");
}
