use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use checker::{
    CHECKS, Command, Framing, Limits, Outcome, Pattern, ServerSpec, Source, Target, run,
};
use suite::{PREFIX, python, root};

/// Starts a TCP server that does this with each client, on a thread of its own, or one after the other.
/// It ends with the tests.
fn serve(is_threaded: bool, handle: fn(TcpStream) -> io::Result<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
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
    let mut pending = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let len = stream.read(&mut buffer)?;
        pending.extend_from_slice(&buffer[..len]);
        let (valid, is_bad) = match std::str::from_utf8(&pending) {
            Ok(text) => (text.len(), false),
            Err(error) => (error.valid_up_to(), error.error_len().is_some() || len == 0),
        };
        let rest = pending.split_off(valid);
        if valid > 0 {
            stream.write_all(&[PREFIX.as_bytes(), &pending].concat())?;
        }
        pending = rest;
        if is_bad {
            stream.write_all("글자가 아닌 바이트가 있습니다".as_bytes())?;
            stream.shutdown(std::net::Shutdown::Write)?;
            return io::copy(&mut stream.take(1 << 20), &mut io::sink()).map(drop);
        }
        if len == 0 {
            return Ok(());
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
        let reply = match std::str::from_utf8(&line) {
            Ok(text) => format!("{PREFIX}{text}"),
            Err(error) => format!("invalid text: {error}\n"),
        };
        (&stream).write_all(reply.as_bytes())?;
        line.clear();
    }
    Ok(())
}

/// 100 ms for each reply.
fn answer_slowly(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100)); // being slow is what it is for
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
            let reply = match std::str::from_utf8(&buffer[..len]) {
                Ok(text) if text.starts_with(PREFIX) || text.starts_with("error: ") => continue,
                Ok(text) => format!("{PREFIX}{text}"),
                Err(error) => format!("읽을 수 없습니다: {error}"),
            };
            if socket.send_to(reply.as_bytes(), peer).is_err() {
                let _ = socket.send_to("너무 깁니다".as_bytes(), peer); // the peer may have left
            }
        }
    });
    address
}

/// Asserts that no check accuses the server, and returns how many could not be tried.
fn assert_right(pattern: Pattern, framing: Framing, source: Source, limits: Limits) -> usize {
    let spec = ServerSpec::new(pattern, framing, PREFIX);
    let target = Target {
        limits,
        ..Target::new(source, &spec)
    };
    let checks: Vec<_> = CHECKS.iter().collect();
    let verdicts = run(&target, &checks, |_| {}).unwrap();
    let mut failures = String::new();
    for verdict in &verdicts {
        if let Outcome::Failed(failure) = &verdict.outcome {
            writeln!(failures, "{}: {failure:#?}", verdict.check.name).unwrap();
        }
    }
    assert!(failures.is_empty(), "{target:?}\n{failures}");
    verdicts
        .iter()
        .filter(|verdict| matches!(verdict.outcome, Outcome::NotRun(_)))
        .count()
}

const LIGHT: Limits = Limits {
    timeout: Duration::from_secs(30),
    stall: Duration::from_millis(300),
    clients: 20,
    bytes: 4 << 20,
};

#[test]
fn thread_per_client_with_small_reads_passes() {
    let source = Source::Running(serve(true, answer_chunks));
    assert_eq!(
        assert_right(Pattern::Threaded, Framing::Chunk, source, LIGHT),
        0
    );
}

#[test]
fn one_client_at_a_time_passes() {
    let source = Source::Running(serve(false, answer_chunks));
    assert_eq!(assert_right(Pattern::Tcp, Framing::Chunk, source, LIGHT), 0);
}

#[test]
fn lines_with_own_limit_and_own_errors_pass() {
    let source = Source::Running(serve(true, answer_lines));
    assert_eq!(
        assert_right(Pattern::Threaded, Framing::Line, source, LIGHT),
        1
    );
}

#[test]
fn slow_server_passes() {
    let limits = Limits {
        clients: 4,
        ..LIGHT
    };
    let source = Source::Running(serve(true, answer_slowly));
    assert_eq!(
        assert_right(Pattern::Threaded, Framing::Raw, source, limits),
        0
    );
}

#[test]
fn datagrams_with_own_errors_pass() {
    let source = Source::Running(answer_datagrams());
    assert_eq!(assert_right(Pattern::Udp, Framing::Chunk, source, LIGHT), 0);
}

/// Starts `known_right.py` with this mode for each check.
fn assert_python_right(mode: &str, pattern: Pattern, framing: Framing) {
    let program = python().get_program().to_string_lossy().into_owned();
    let script = root().join("tests/suite/tests/known_right.py");
    let command = format!("{program} \"{}\" {mode} {{port}}", script.display());
    let source = Source::Started(command.parse().unwrap(), ([127, 0, 0, 1], 0).into());
    assert_right(
        pattern,
        framing,
        source,
        Limits {
            timeout: LIGHT.timeout,
            ..Limits::default()
        },
    );
}

#[test]
#[ignore = "needs python3"]
fn python_servers_pass() {
    for mode in [
        "threads",
        "socketserver",
        "asyncio",
        "select",
        "fork",
        "words",
        "slow",
        "logs",
    ] {
        let framing = if mode == "slow" {
            Framing::Raw
        } else {
            Framing::Chunk
        };
        assert_python_right(mode, Pattern::Threaded, framing);
    }
    assert_python_right("one", Pattern::Tcp, Framing::Chunk);
    assert_python_right("lines", Pattern::Threaded, Framing::Line);
}

#[test]
#[ignore = "needs socat"]
fn socat_passes() {
    let command = "socat TCP-LISTEN:{port},fork,reuseaddr,backlog=128 EXEC:cat";
    let command: Command = command.parse().unwrap();
    let source = Source::Started(command, ([127, 0, 0, 1], 0).into());
    assert_eq!(
        assert_right(Pattern::Threaded, Framing::Raw, source, Limits::default()),
        0
    );
}
