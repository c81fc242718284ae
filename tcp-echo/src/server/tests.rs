//! The real `serve`, on a port of its own, in this process.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use common::framing::Framing;
use common::report::Verbosity;

use super::*;

/// Long enough for any machine; only a test that fails waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

fn options(framing: Framing) -> Options {
    Options {
        prefix: "> ".to_owned(),
        framing,
        idle_timeout: Duration::ZERO,
    }
}

fn silent_report() -> Report {
    let verbosity = Verbosity::default();
    Report::new("tcp-echo", true, verbosity, io::sink(), io::sink()).unwrap()
}

/// Stops the server, even if the test fails: a scope waits for all its threads.
struct RequestOnDrop<'a>(&'a Shutdown);

impl Drop for RequestOnDrop<'_> {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// Runs a server while `test` talks to it, then stops it.
fn serving(options: &Options, test: impl FnOnce(SocketAddr, &Shutdown)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let report = silent_report();
    let shutdown = Shutdown::default();
    thread::scope(|scope| {
        let server = scope.spawn(|| serve(&listener, options, &shutdown, &report));
        let stops = RequestOnDrop(&shutdown);
        test(listener.local_addr().unwrap(), &shutdown);
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

fn read(mut stream: &TcpStream, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

/// Returns what arrives until the server ends its side.
fn read_to_end(mut stream: &TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn end(stream: &TcpStream) {
    stream.shutdown(std::net::Shutdown::Write).unwrap();
}

#[test]
fn each_framing_replies_in_its_own_way() {
    for (framing, expected) in [
        (Framing::Chunk, "> one\ntwo"),
        (Framing::Line, "> one\n> two"),
        (Framing::Raw, "one\ntwo"),
    ] {
        serving(&options(framing), |address, _| {
            let mut client = connect(address);
            client.write_all(b"one\ntwo").unwrap();
            end(&client);
            assert_eq!(read_to_end(&client), expected);
        });
    }
}

#[test]
fn next_client_is_served_after_the_first() {
    serving(&options(Framing::Chunk), |address, _| {
        let (mut first, mut second) = (connect(address), connect(address));
        second.write_all(b"second").unwrap();
        first.write_all(b"first").unwrap();
        read(&first, "> first");
        second.set_nonblocking(true).unwrap();
        let error = second.read(&mut [0]).unwrap_err(); // it waits in the backlog
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        second.set_nonblocking(false).unwrap();
        drop(first);
        read(&second, "> second");
    });
}

#[test]
fn messages_before_an_invalid_byte_are_answered() {
    let bytes = b"\xec\x95\x88\nhi\xff\nnext\n";
    let error = "error: not UTF-8: byte 0xFF at offset";
    for (framing, expected) in [
        (Framing::Chunk, format!("> 안\nhi{error} 6\n")),
        (Framing::Line, format!("> 안\n{error} 2\n> next\n")),
    ] {
        serving(&options(framing), |address, _| {
            let mut client = connect(address);
            client.write_all(bytes).unwrap();
            end(&client);
            assert_eq!(read_to_end(&client), expected);
        });
    }
}

#[test]
fn error_reaches_client_that_is_still_sending() {
    serving(&options(Framing::Chunk), |address, _| {
        let mut client = connect(address);
        client.write_all(b"\xff").unwrap();
        client.write_all(&vec![b'x'; 1 << 20]).unwrap(); // unread, it would cause a reset
        assert_eq!(
            read_to_end(&client),
            "error: not UTF-8: byte 0xFF at offset 0\n"
        );
        let mut next = connect(address);
        next.write_all(b"next").unwrap(); // the lingering close holds nobody up
        read(&next, "> next");
    });
}

#[test]
fn idle_client_is_told_and_closed() {
    let idle_timeout = Duration::from_millis(50);
    let options = Options {
        idle_timeout,
        ..options(Framing::Chunk)
    };
    serving(&options, |address, _| {
        let mut client = connect(address);
        client.write_all(b"a").unwrap();
        assert_eq!(
            read_to_end(&client),
            "> aerror: nothing has arrived for 0.05 s\n"
        );
    });
}

#[test]
fn many_lines_in_one_write_are_answered_in_order() {
    serving(&options(Framing::Line), |address, _| {
        let client = connect(address);
        let lines: String = (0..50_000).map(|number| format!("{number}\n")).collect();
        let expected: String = (0..50_000).map(|number| format!("> {number}\n")).collect();
        thread::scope(|scope| {
            scope.spawn(|| {
                (&client).write_all(lines.as_bytes()).unwrap();
                end(&client);
            });
            assert!(read_to_end(&client) == expected);
        });
    });
}

#[test]
fn resetting_client_disturbs_no_other() {
    serving(&options(Framing::Chunk), |address, _| {
        let mut first = connect(address);
        first.write_all(b"first").unwrap();
        first.peek(&mut [0]).unwrap();
        drop(first); // with an unread reply, that is a reset
        let mut second = connect(address);
        second.write_all(b"second").unwrap();
        read(&second, "> second");
    });
}

#[cfg(not(windows))] // nothing wakes a blocked read there: main's limit ends the process
#[test]
fn shutdown_answers_whole_messages_only() {
    for (framing, sent, expected) in [
        (Framing::Line, &b"one\ntw"[..], "> one\n"),
        (Framing::Chunk, b"one\xec\x95", "> one"),
    ] {
        serving(&options(framing), |address, shutdown| {
            let mut client = connect(address);
            client.write_all(sent).unwrap();
            read(&client, expected);
            shutdown.request();
            assert_eq!(
                read_to_end(&client),
                "",
                "the rest of a message never arrived"
            );
        });
    }
}

#[cfg(not(windows))]
#[test]
fn shutdown_answers_what_has_arrived() {
    serving(&options(Framing::Line), |address, shutdown| {
        let mut first = connect(address);
        first.write_all(b"one\n").unwrap();
        read(&first, "> one\n");
        first.write_all(b"two\nthree\n").unwrap();
        shutdown.request();
        assert_eq!(read_to_end(&first), "> two\n> three\n");
    });
}

#[test]
fn shutdown_wakes_a_server_on_every_address() {
    for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
        let Ok(listener) = TcpListener::bind(address) else {
            continue; // there is no IPv6
        };
        let report = silent_report();
        let shutdown = Shutdown::default();
        let signal = shutdown.clone();
        thread::spawn(move || signal.request()); // before, while or after it blocks
        serve(&listener, &options(Framing::Raw), &shutdown, &report).unwrap();
    }
}
