//! The real `serve`, on a port of its own, in this process.

use std::io::{Read, Write};
use std::net::Shutdown;

use common::framing::Framing;
use common::shutdown::Timeout;
use common::trace::Trace;

use super::*;

/// Long enough for any machine; only a test that fails waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

fn options(framing: Framing) -> Options {
    Options { framing, prefix: "> ".into(), idle_timeout: Timeout(None), trace: Trace::new(false) }
}

/// Stops the server, even when the test has failed: a scope waits for all its threads.
struct StopsInTheEnd<'a>(&'a Stop);

impl Drop for StopsInTheEnd<'_> {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// Runs a server while `test` talks to it, then stops it.
fn serving(options: &Options, test: impl FnOnce(SocketAddr, &Stop)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, report) = (Stop::new(), Report::new("tcp-echo", true));
    thread::scope(|scope| {
        let server = scope.spawn(|| serve(&listener, options, &stop, &report));
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

fn read(mut stream: &TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// What comes until the server ends its side.
fn read_to_end(mut stream: &TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn each_framing_answers_in_its_own_way() {
    for (framing, reply) in
        [(Framing::Chunk, "> 안녕\n둘\n셋"), (Framing::Line, "> 안녕\n> 둘\n> 셋"), (Framing::Raw, "안녕\n둘\n셋")]
    {
        serving(&options(framing), |address, _| {
            let mut client = connect(address);
            client.write_all("안녕\n둘\n셋".as_bytes()).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_to_end(&client), reply, "{framing}");
        });
    }
}

#[test]
fn the_next_client_is_served_when_the_first_has_left() {
    serving(&options(Framing::Chunk), |address, _| {
        let (mut first, mut second) = (connect(address), connect(address));
        second.write_all(b"second").unwrap();
        first.write_all(b"first").unwrap();
        assert_eq!(read(&first, 7), "> first");
        second.set_nonblocking(true).unwrap();
        let waits = second.read(&mut [0; 8]).unwrap_err();
        assert_eq!(waits.kind(), io::ErrorKind::WouldBlock);
        second.set_nonblocking(false).unwrap();
        drop(first);
        assert_eq!(read(&second, 8), "> second");
    });
}

#[test]
fn what_was_complete_before_a_bad_byte_is_answered_first() {
    serving(&options(Framing::Line), |address, _| {
        let mut client = connect(address);
        client.write_all(b"one\n\xff\nthree\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&client), "> one\nerror: not UTF-8: byte 0xFF at offset 0\n> three\n");
    });
    serving(&options(Framing::Chunk), |address, _| {
        let mut client = connect(address);
        client.write_all(b"one\xfftwo").unwrap();
        assert_eq!(read_to_end(&client), "> oneerror: not UTF-8: byte 0xFF at offset 3\n");
    });
}

#[test]
fn a_silent_client_is_told_and_closed() {
    let options = Options { idle_timeout: "0.05".parse().unwrap(), ..options(Framing::Chunk) };
    serving(&options, |address, _| {
        assert_eq!(read_to_end(&connect(address)), "error: nothing has arrived for 0.05 s\n");
    });
}

#[test]
fn many_lines_in_one_write_are_all_answered_in_order() {
    let options = Options { prefix: "a rather long prefix: ".into(), ..options(Framing::Line) };
    serving(&options, |address, _| {
        let client = connect(address);
        thread::scope(|scope| {
            scope.spawn(|| {
                let lines: String = (0..100_000).map(|number| format!("{number}\n")).collect();
                (&client).write_all(lines.as_bytes()).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
            });
            let expected: String = (0..100_000).map(|number| format!("a rather long prefix: {number}\n")).collect();
            assert!(read_to_end(&client) == expected);
        });
    });
}

#[test]
#[cfg(not(windows))] // there a blocked read stays blocked: rust-lang/rust#121594
fn a_stop_answers_whole_messages_and_drops_half_of_one() {
    serving(&options(Framing::Line), |address, stop| {
        let mut client = connect(address);
        client.write_all(b"whole\nhal").unwrap();
        assert_eq!(read(&client, 8), "> whole\n");
        stop.request();
        assert_eq!(read_to_end(&client), "");
    });
}

#[test]
#[cfg(not(windows))]
fn a_stop_does_not_wait_for_a_client_that_never_reads() {
    serving(&options(Framing::Raw), |address, stop| {
        let mut client = connect(address);
        client.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        while client.write_all(&[b'x'; 65_536]).is_ok() {} // until all buffers are full
        let started = std::time::Instant::now();
        stop.request();
        client.set_write_timeout(Some(DEADLINE)).unwrap();
        while client.write_all(&[b'x'; 65_536]).is_ok() {} // until the server has closed
        assert!(started.elapsed() >= common::shutdown::GRACE);
    });
}

#[test]
#[cfg(target_os = "linux")] // elsewhere a stop throws away what has arrived
fn a_stop_answers_those_who_wait_in_the_backlog_too() {
    serving(&options(Framing::Line), |address, stop| {
        let mut first = connect(address);
        first.write_all(b"first\n").unwrap();
        assert_eq!(read(&first, 8), "> first\n");
        let waiting: Vec<_> = (0..20).map(|_| connect(address)).collect();
        for mut client in &waiting {
            client.write_all(b"waiting\n").unwrap();
        }
        stop.request();
        for client in &waiting {
            assert_eq!(read_to_end(client), "> waiting\n");
        }
        assert_eq!(read_to_end(&first), "");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_stop_resets_no_client_that_is_sending() {
    let line = "x".repeat(99) + "\n";
    for pause in [0, 50, 0, 50, 0, 50] {
        serving(&options(Framing::Line), |address, stop| {
            let client = connect(address);
            let sender = client.try_clone().unwrap();
            let lines = line.repeat(4000);
            thread::spawn(move || { &sender }.write_all(lines.as_bytes()));
            assert_eq!(read(&client, 2), "> ");
            stop.request();
            thread::sleep(Duration::from_millis(pause)); // a client that takes its time; nothing depends on how long
            let replies = ["> ", &read_to_end(&client)].concat(); // which fails if there is a reset
            assert!(replies.split_inclusive('\n').all(|reply| reply == format!("> {line}")), "a reply is cut");
        });
    }
}
