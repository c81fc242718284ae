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
