//! The client, against servers that are made for it.

use std::net::TcpListener;
use std::sync::mpsc;

use super::*;

/// Long enough for any machine; only a test that fails waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

/// Talks to `server`: what was put out, and how it ended. What `server` returns lives until then.
fn talk_to<T: Send + 'static>(
    server: impl FnOnce(TcpStream) -> T + Send + 'static,
    input: impl Read + Send + 'static,
    timeout: &str,
) -> (Vec<u8>, Result<(), Error>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    peer.set_write_timeout(Some(DEADLINE)).unwrap();
    let options = Options { framing: Framing::Chunk, timeout: timeout.parse().unwrap(), trace: Trace::new(false) };
    let (done, result) = mpsc::channel();
    let serving = thread::spawn(move || server(peer));
    thread::spawn(move || {
        let mut output = Vec::new();
        let ended = talk(stream, input, &mut output, options);
        done.send((output, ended))
    });
    let result = result.recv_timeout(DEADLINE).expect("the client hangs");
    serving.join().unwrap();
    result
}

/// Input that never comes, as from a person who thinks; it ends when the other end of the channel is dropped.
struct Silence(mpsc::Receiver<()>);

impl Read for Silence {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(0)
    }
}

fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn everything_is_sent_and_everything_that_comes_is_put_out() {
    let server = |mut stream: TcpStream| {
        let all = read_to_end(&stream);
        stream.write_all(&all).unwrap();
    };
    let (output, ended) = talk_to(server, &b"hello"[..], "20");
    assert_eq!(output, b"hello");
    ended.unwrap();
}

#[test]
fn an_input_larger_than_all_buffers_does_not_deadlock() {
    let size = 32 << 20;
    let server = |mut stream: TcpStream| {
        let mut buffer = [0; 65_536];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            stream.write_all(&buffer[..length]).unwrap();
        }
    };
    let (output, ended) = talk_to(server, io::repeat(b'x').take(size), "20");
    ended.unwrap();
    assert_eq!(output.len() as u64, size);
}

#[test]
fn a_server_that_owes_an_answer_and_says_nothing_is_an_error() {
    let (output, ended) = talk_to(|stream| stream, &b"hello"[..], "0.05");
    assert_eq!(output, b"");
    assert!(matches!(ended, Err(Error::Silent(..))), "{ended:?}");
}

#[test]
fn a_server_that_answers_but_does_not_close_is_an_error_and_its_answer_is_kept() {
    let server = |mut stream: TcpStream| {
        stream.write_all(b"answer").unwrap();
        stream
    };
    let (output, ended) = talk_to(server, &b"hello"[..], "0.5");
    assert_eq!(output, b"answer");
    assert!(matches!(ended, Err(Error::Silent(..))), "{ended:?}");
}

#[test]
fn silence_is_no_error_while_nothing_is_owed() {
    let (person, silence) = mpsc::channel();
    let server = move |stream: TcpStream| {
        // Four timeouts pass while the person thinks, and the client is still there.
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let error = (&stream).read(&mut [0; 8]).unwrap_err();
        assert!(is_timeout(&error), "{error}");
        drop(person);
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        assert_eq!(read_to_end(&stream), b"");
    };
    talk_to(server, Silence(silence), "0.05").1.unwrap();
}

#[test]
fn a_server_that_closes_while_a_person_types_is_an_error() {
    let (_person, silence) = mpsc::channel();
    let (output, ended) = talk_to(|mut stream| stream.write_all(b"bye").unwrap(), Silence(silence), "20");
    assert_eq!(output, b"bye");
    assert!(matches!(ended, Err(Error::ClosedEarly(_))), "{ended:?}");
}

#[test]
fn a_server_that_closes_without_an_answer_is_an_error() {
    let (_, ended) = talk_to(|stream| drop(read_to_end(&stream)), &b"hello"[..], "20");
    assert!(matches!(ended, Err(Error::NoAnswer(_))), "{ended:?}");
}

/// Input without an end.
fn endless() -> impl Read + Send + 'static {
    io::repeat(b'x')
}

#[test]
fn a_server_that_answers_a_little_and_then_stalls_is_an_error_although_the_client_is_still_sending() {
    let server = |mut stream: TcpStream| {
        // Nothing is read, so the client's sender is blocked long before the last of these bytes.
        for _ in 0..30 {
            stream.write_all(b"a").unwrap();
            thread::sleep(Duration::from_millis(20)); // a pace, no synchronisation
        }
        stream
    };
    let (output, ended) = talk_to(server, endless(), "1");
    assert_eq!(output, b"a".repeat(30));
    assert!(matches!(ended, Err(Error::Silent(..))), "{ended:?}");
}

#[test]
fn a_server_that_never_reads_is_an_error() {
    let (_, ended) = talk_to(|stream| stream, endless(), "0.5");
    assert!(matches!(ended, Err(Error::Silent(..))), "{ended:?}");
}

#[test]
fn an_error_reply_in_the_middle_of_a_long_input_is_put_out() {
    let server = |mut stream: TcpStream| {
        stream.write_all(b"error: not UTF-8: byte 0xFF at offset 0\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream // what the client still sends waits in the buffers, or finds it closed
    };
    let (output, ended) = talk_to(server, endless(), "20");
    assert_eq!(output, b"error: not UTF-8: byte 0xFF at offset 0\n");
    assert!(matches!(ended, Err(Error::ClosedEarly(_))), "{ended:?}");
}

#[test]
fn what_had_arrived_before_the_connection_failed_is_put_out() {
    let server = |mut stream: TcpStream| {
        stream.read_exact(&mut [0; 5]).unwrap();
        stream.write_all(b"answer").unwrap();
        stream.peek(&mut [0; 1]).unwrap(); // something is unread: the close becomes a reset
    };
    let (output, ended) = talk_to(server, endless(), "20");
    assert!(output == b"answer" || cfg!(not(target_os = "linux")), "{output:?}"); // elsewhere a reset destroys it
    assert!(matches!(ended, Err(Error::Receive(_) | Error::Send(_) | Error::ClosedEarly(_))), "{ended:?}");
}

/// Input, or output, that fails at once.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk is broken"))
    }
}

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("nobody reads"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_input_that_fails_is_reported() {
    let (_, ended) = talk_to(|stream| drop(read_to_end(&stream)), Broken, "20");
    assert_eq!(ended.unwrap_err().to_string(), "cannot read the input: the disk is broken");
}

#[test]
fn an_output_that_fails_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"answer").unwrap();
    let timeout = "20".parse().unwrap();
    let options = Options { framing: Framing::Chunk, timeout, trace: Trace::new(false) };
    let ended = talk(stream, io::empty(), &mut Broken, options);
    assert_eq!(ended.unwrap_err().to_string(), "cannot write the answer: nobody reads");
}

/// Output to somebody who takes a break before the first byte, as a person does in `less`.
struct TakesABreak(u64);

impl Write for TakesABreak {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            thread::sleep(Duration::from_secs(3));
        }
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_takes_longer_than_the_timeout_is_no_fault_of_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    thread::spawn(move || io::copy(&mut &peer, &mut &peer));
    let size = 32 << 20; // more than all buffers: the client is blocked in its `write` during the break
    let options = Options { framing: Framing::Raw, timeout: "2".parse().unwrap(), trace: Trace::new(false) };
    let mut output = TakesABreak(0);
    talk(stream, io::repeat(b'x').take(size), &mut output, options).unwrap();
    assert_eq!(output.0, size);
}

#[test]
fn a_server_that_says_no_before_it_has_heard_anything_is_no_error_when_there_was_nothing_to_say() {
    for _ in 0..20 {
        let server = |mut stream: TcpStream| {
            stream.write_all(b"error: server is full, try again later\n").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            stream
        };
        let (output, ended) = talk_to(server, io::empty(), "20");
        assert_eq!(output, b"error: server is full, try again later\n");
        ended.unwrap();
    }
}

#[test]
fn to_half_a_line_no_answer_is_owed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let (typing, silence) = mpsc::channel();
    let serving = thread::spawn(move || {
        peer.read_exact(&mut [0; 4]).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        peer.read(&mut [0; 1]).unwrap_err(); // nothing for longer than the client's timeout
        drop(typing);
        read_to_end(&peer); // its end
        peer.write_all(b"answer").unwrap();
    });
    let options = Options { framing: Framing::Line, timeout: "0.5".parse().unwrap(), trace: Trace::new(false) };
    let mut output = Vec::new();
    talk(stream, b"half".chain(Silence(silence)), &mut output, options).unwrap();
    assert_eq!(output, b"answer");
    serving.join().unwrap();
}
