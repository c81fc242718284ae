//! One conversation, on a connection of its own.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::report::Report;

use super::*;

/// Long enough for any machine; only a test that fails waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

fn options(framing: Framing) -> Options {
    Options { framing, prefix: "> ".into(), idle_timeout: Timeout(None), trace: Trace::new(false) }
}

/// The two ends of a connection: the server's and the client's.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.set_write_timeout(Some(DEADLINE)).unwrap();
    let (server, _) = listener.accept().unwrap();
    (server, client)
}

/// Converses with the client that `test` plays: how it ended. What `test` returns lives until then.
fn attending<T>(options: Options, test: impl FnOnce(TcpStream, &Stop) -> T) -> Farewell {
    let (server, client) = pair();
    let peer = client.local_addr().unwrap();
    let (done, result) = mpsc::channel();
    let stop = std::sync::Arc::new(Stop::new());
    let its_stop = std::sync::Arc::clone(&stop);
    thread::spawn(move || {
        let report = Report::new("tcp-echo", true);
        let stream = its_stop.watch(server);
        let farewell = attend(&stream, report.connected(peer, ""), &options, &its_stop);
        stream.shutdown(Shutdown::Write).unwrap_or_default();
        done.send(farewell)
    });
    let _client = test(client, &stop);
    result.recv_timeout(DEADLINE).expect("the conversation goes on, or has panicked")
}

/// What comes until the server ends its side.
fn read_to_end(mut stream: &TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn read(mut stream: &TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_client_that_leaves_is_closed_at_once_and_one_that_was_told_an_error_lingers() {
    let too_long = [b"one\r\n", &vec![b'x'; 65_537][..]].concat();
    for (framing, sent, reply, farewell) in [
        (Framing::Chunk, &b""[..], "", Farewell::Close),
        (Framing::Line, b"one\r\ntwo", "> one\r\n> two", Farewell::Close),
        (Framing::Line, b"\xff\ntwo\n", "error: not UTF-8: byte 0xFF at offset 0\n> two\n", Farewell::Close),
        (Framing::Line, b"a\xec\x95", "error: not UTF-8: byte 0xEC at offset 1\n", Farewell::Close),
        (Framing::Line, &too_long, "> one\r\nerror: line longer than 65536 bytes\n", Farewell::Linger),
        (Framing::Chunk, b"\xff", "error: not UTF-8: byte 0xFF at offset 0\n", Farewell::Linger),
        (Framing::Chunk, b"\xec\x95", "error: not UTF-8: byte 0xEC at offset 0\n", Farewell::Linger),
        (Framing::Raw, b"\xec\x95", "", Farewell::Close),
    ] {
        let ended = attending(options(framing), |mut client, _| {
            client.write_all(sent).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            if framing == Framing::Raw {
                let mut echo = Vec::new();
                client.read_to_end(&mut echo).unwrap();
                assert_eq!(echo, sent);
            } else {
                assert_eq!(read_to_end(&client), reply, "{framing} {sent:x?}");
            }
        });
        assert_eq!(ended, farewell, "{framing} {sent:x?}");
    }
}

#[test]
fn a_silent_client_is_told_after_what_it_has_sent_was_answered() {
    for (framing, reply) in [(Framing::Chunk, "> one\ntwo"), (Framing::Line, "> one\n")] {
        let options = Options { idle_timeout: "0.2".parse().unwrap(), ..options(framing) };
        let ended = attending(options, |mut client, _| {
            client.write_all(b"one\ntwo").unwrap();
            assert_eq!(read_to_end(&client), format!("{reply}error: nothing has arrived for 0.2 s\n"));
            client
        });
        assert_eq!(ended, Farewell::Linger);
    }
}

#[test]
fn a_client_that_resets_is_closed_at_once() {
    let ended = attending(options(Framing::Raw), |mut client, _| {
        client.write_all(b"hello").unwrap();
        client.peek(&mut [0; 5]).unwrap();
        drop(client); // with the answer unread, which makes it a reset
    });
    assert_eq!(ended, Farewell::Close);
}

#[test]
fn a_character_cut_by_writes_is_answered_when_its_rest_has_come() {
    attending(options(Framing::Chunk), |mut client, _| {
        client.set_nodelay(true).unwrap();
        client.write_all(b"a\xec").unwrap();
        assert_eq!(read(&client, 3), "> a"); // so the server has read the cut
        client.write_all(b"\x95").unwrap();
        client.write_all(b"\x88b").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let reply = read_to_end(&client);
        assert_eq!(reply, "> 안b");
    });
}

#[test]
fn a_hundred_thousand_tiny_lines_cost_a_bounded_batch_each() {
    let (server, mut client) = pair();
    let options =
        Options { prefix: "a prefix far longer than what it stands before: ".into(), ..options(Framing::Line) };
    let writer = thread::spawn(move || {
        client.write_all(&b"\n".repeat(100_000)).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        client
    });
    let mut messages = Messages::new(&server, Framing::Line);
    let (mut replies, mut count) = (Vec::new(), 0);
    while messages.read().unwrap() > 0 {
        while let Some(batch) = answer(&mut messages, &options, &mut replies) {
            assert_eq!(replies.len() as u64, batch.messages * (options.prefix.len() as u64 + 1));
            assert!(replies.len() < BATCH + options.prefix.len() + 1, "{} bytes at once", replies.len());
            assert!(replies.capacity() <= 4 * BATCH);
            count += batch.messages;
        }
    }
    assert_eq!(count, 100_000);
    writer.join().unwrap();
}

#[test]
#[cfg(target_os = "linux")] // elsewhere a stop throws away what has arrived, or does not end the read
fn a_stop_answers_all_that_has_arrived_and_not_half_a_line() {
    for turn in 0..20 {
        attending(options(Framing::Line), |mut client, stop| {
            let lines = "line\n".repeat(1000);
            client.write_all((lines.clone() + "half").as_bytes()).unwrap();
            if turn % 2 == 0 {
                assert_eq!(read(&client, 7), "> line\n");
            }
            stop.request();
            let rest = read_to_end(&client);
            // On loopback what was written has arrived, whether the server had read it or not.
            assert_eq!(rest.len() + 7 * (1 - turn % 2), 7 * 1000, "turn {turn}");
        });
    }
}

#[test]
#[cfg(not(windows))]
fn a_stop_ends_a_client_that_goes_on_sending_and_reading() {
    let ended = attending(options(Framing::Raw), |client, stop| {
        let (mut sender, mut receiver) = (client.try_clone().unwrap(), client);
        thread::spawn(move || while sender.write_all(&[b'x'; 4096]).is_ok() {});
        assert_eq!(read(&receiver, 100_000), "x".repeat(100_000));
        stop.request();
        thread::spawn(move || while let Ok(1..) = receiver.read(&mut [0; 65_536]) {});
    });
    assert_eq!(ended, Farewell::Linger);
}

#[test]
#[cfg(not(windows))]
fn a_stop_ends_a_client_that_reads_slowly() {
    let options = Options { prefix: "x".repeat(1000), ..options(Framing::Line) };
    let started = std::time::Instant::now();
    let (left, gone) = mpsc::channel::<()>();
    attending(options, |mut client, stop| {
        client.write_all(&b"\n".repeat(65_536)).unwrap(); // 64 MiB of replies
        assert_eq!(read(&client, 1000), "x".repeat(1000));
        stop.request();
        thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while gone.recv_timeout(Duration::from_millis(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = client.read(&mut buffer); // 3 MB/s
            }
        });
    });
    drop(left);
    assert!(started.elapsed() >= common::shutdown::GRACE);
}
