use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::str;
use std::thread;
use std::time::Duration;

use checker::{CHECKS, Framing, LIMITS, Limits, Pattern, Target, run};
use suite::{PREFIX, in_parallel, python, root};

use crate::reference::target;

/// Starts a TCP server that does this with each client, on a thread of its own, or one after the other.
/// It ends with the tests.
pub fn serve(
    is_threaded: bool,
    handle: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handle = handle.clone();
            let client = thread::spawn(move || handle(stream));
            if !is_threaded {
                drop(client.join()); // the error of one client is no error of the server
            }
        }
    });
    address
}

/// The tutorial's handler made right: reads of 1,024 bytes, and an error text in its own words.
fn answer_chunks(mut stream: TcpStream) -> io::Result<()> {
    let is_bad = answer_text(&stream, true)?;
    if is_bad {
        stream.write_all("글자가 아닌 바이트가 있습니다".as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        io::copy(&mut stream.take(1 << 20), &mut io::sink())?;
    }
    Ok(())
}

/// As a decoder does that raises an error: it returns nothing of a read with bad bytes, and here the connection ends.
fn answer_decoded(stream: TcpStream) -> io::Result<()> {
    answer_text(&stream, false).map(drop)
}

/// Returns `true` if there were bad bytes.
fn answer_text(mut stream: &TcpStream, has_rest_of_bad: bool) -> io::Result<bool> {
    let mut pending = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let len = stream.read(&mut buffer)?;
        pending.extend_from_slice(&buffer[..len]);
        let (valid, is_bad) = match str::from_utf8(&pending) {
            Ok(text) => (text.len(), false),
            Err(error) => (error.valid_up_to(), error.error_len().is_some() || len == 0),
        };
        let rest = pending.split_off(valid);
        if valid > 0 && (has_rest_of_bad || !is_bad) {
            stream.write_all(&[PREFIX.as_bytes(), &pending].concat())?;
        }
        pending = rest;
        if is_bad || len == 0 {
            return Ok(is_bad);
        }
    }
}

/// Lines with a limit of the server's own, and no word when it closes.
fn answer_lines(stream: TcpStream) -> io::Result<()> {
    let mut input = BufReader::new(&stream);
    let mut line = Vec::new();
    while input.by_ref().take(100_000).read_until(b'\n', &mut line)? > 0 {
        if line.len() == 100_000 {
            return Ok(());
        }
        let reply = match str::from_utf8(&line) {
            Ok(text) => format!("{PREFIX}{text}"),
            Err(_) => "안녕하세요,\nUTF-8이 아닙니다".to_owned(), // begins like the text
        };
        (&stream).write_all(reply.as_bytes())?;
        line.clear();
    }
    Ok(())
}

/// 20 ms for each reply.
fn answer_slowly(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20)); // being slow is what it is for
        stream.write_all(&buffer[..len])?;
    }
}

/// Datagrams of any kind, with error texts of its own.
fn answer_datagrams() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        loop {
            let Ok((len, peer)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let reply = match str::from_utf8(&buffer[..len]) {
                Ok(text) if text.starts_with(PREFIX) || text.starts_with("error: ") => continue,
                Ok(text) => format!("{PREFIX}{text}"),
                Err(error) => format!("? 읽을 수 없습니다:\n{error}\n"),
            };
            if socket.send_to(reply.as_bytes(), peer).is_err() {
                let _ = socket.send_to("? 너무 깁니다".as_bytes(), peer); // the peer may have left
            }
        }
    });
    address
}

/// Asserts that no check accuses the server, and that those which are not tried are so many.
fn assert_right(target: &Target, not_tried: Option<usize>) {
    let verdicts = run(target, &CHECKS.each_ref(), |_| {}).unwrap();
    let (failed, rest): (Vec<_>, Vec<_>) = verdicts.iter().partition(|verdict| verdict.is_failed());
    assert!(failed.is_empty(), "{target:?}\n{failed:#?}");
    let count = rest
        .iter()
        .filter(|verdict| verdict.outcome.is_err())
        .count();
    assert!(
        not_tried.is_none_or(|expected| count == expected),
        "{rest:#?}"
    );
}

const LIGHT: Limits = Limits {
    timeout: Duration::from_secs(30),
    stall: Duration::from_millis(300),
    clients: 20,
    bytes: 4 << 20,
};

/// All at once: most of the time is spent waiting.
#[test]
fn servers_that_are_not_ours_pass() {
    let check = |address: SocketAddr, pattern, framing, not_tried| {
        let mut target = target(address, pattern, framing, PREFIX);
        target.limits = LIGHT;
        if framing == Framing::Raw {
            target.limits.clients = 4; // the slow one
        }
        assert_right(&target, Some(not_tried));
    };
    let (chunk, line, raw) = (Framing::Chunk, Framing::Line, Framing::Raw);
    let servers = [
        (serve(true, answer_chunks), Pattern::Threaded, chunk, 0),
        (serve(false, answer_decoded), Pattern::Tcp, chunk, 1),
        (serve(true, answer_lines), Pattern::Threaded, line, 1),
        (serve(true, answer_slowly), Pattern::Threaded, raw, 0),
        (answer_datagrams(), Pattern::Udp, chunk, 0),
    ];
    in_parallel(servers, |(address, pattern, framing, not_tried)| {
        check(address, pattern, framing, not_tried);
    });
}

#[test]
fn message_ends_as_no_prefix_begins() {
    let bytewise = |stream: TcpStream| {
        let replies = BufReader::new(&stream).bytes().flatten();
        replies
            .fuse()
            .try_for_each(|byte| (&stream).write_all(&[b'e', byte]))
    };
    let mut target = target(serve(false, bytewise), Pattern::Tcp, Framing::Chunk, "e");
    target.limits = LIGHT;
    let checks = CHECKS.iter().filter(|check| check.name == "partial-read");
    let verdicts = run(&target, &checks.collect::<Vec<_>>(), |_| {}).unwrap();
    assert!(verdicts[0].outcome.is_ok(), "{verdicts:#?}");
}

/// Starts the server with this command for each check.
fn assert_started_right(command: &str, pattern: Pattern, framing: Framing) {
    let mut target = target(([127, 0, 0, 1], 0).into(), pattern, framing, PREFIX);
    target.start = Some(command.parse().unwrap());
    let timeout = LIGHT.timeout;
    target.limits = Limits { timeout, ..LIMITS };
    assert_right(&target, None);
}

#[test]
#[ignore = "needs python3"]
fn python_servers_pass() {
    let program = python().get_program().to_string_lossy().into_owned();
    let script = root().join("tests/suite/tests/known_right.py");
    for mode in "threads daemon socketserver forking asyncio select fork words slow logs one lines"
        .split(' ')
    {
        let (pattern, framing) = match mode {
            "one" => (Pattern::Tcp, Framing::Chunk),
            "lines" => (Pattern::Threaded, Framing::Line),
            "slow" => (Pattern::Threaded, Framing::Raw),
            _ => (Pattern::Threaded, Framing::Chunk),
        };
        let command = format!("{program} \"{}\" {mode} {{port}}", script.display());
        assert_started_right(&command, pattern, framing);
    }
}

#[test]
#[ignore = "needs socat"]
fn socat_passes() {
    let command = "socat TCP-LISTEN:{port},fork,reuseaddr,backlog=128 EXEC:cat";
    assert_started_right(command, Pattern::Threaded, Framing::Raw);
}
