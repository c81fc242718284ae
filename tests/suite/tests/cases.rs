//! Each kind of case from bug reports and attacks, with its neighbors.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use suite::{PREFIX, Process, Server, assert_contains, command, connect, connect_udp};
use suite::{finish, in_parallel, read_to_end, request, run, words};

use crate::black_box::{PROGRAMS, SERVER_IS_FULL, TCP_PROGRAMS, TCP_SERVERS, client};

/// Starts a server whose output stays unread.
pub fn start_unread(line: &str) -> Server {
    Server::spawn_unread(words(format!("{line} --address 127.0.0.1:0")))
}

/// Sends datagrams, and waits for each reply.
pub fn send_datagrams(server: &Server, count: usize) -> UdpSocket {
    let client = connect_udp(server.address);
    for _ in 0..count {
        client.send(b"a").unwrap();
        client.recv(&mut [0; 64]).unwrap();
    }
    client
}

#[test]
fn unread_stdout_delays_no_datagram() {
    let server = start_unread("udp-echo");
    let client = send_datagrams(&server, 8_000);
    // The second and the third line count as well.
    let (mut printed, mut dropped) = (0, 0);
    while printed + dropped < 8_002 {
        let line = server.line();
        let mut words = line.split(|c: char| !c.is_alphanumeric());
        match line.contains(" lines dropped") {
            true => dropped += words.find_map(|word| word.parse::<i32>().ok()).unwrap(),
            false => printed += 1,
        }
    }
    assert!(printed > 4_096, "{printed} printed");
    assert_eq!(printed + dropped, 8_002);
    client.send(b"the last one").unwrap();
    assert_contains(&server.line(), &[" 12 bytes, "]); // there is room again
}

#[test]
fn unread_output_delays_no_tcp_client() {
    in_parallel(TCP_SERVERS, |line| {
        for trace in ["", " --trace"] {
            let server = start_unread(&format!("{line}{trace}"));
            for _ in 0..1_000 {
                assert_eq!(request(&connect(server.address), "a"), format!("{PREFIX}a"));
            }
        }
    });
}

#[test]
fn unread_stderr_leaks_no_place() {
    let server = start_unread("threaded-echo --max-clients 3 --quiet");
    let send = |bytes: &[u8]| {
        let mut client = connect(server.address);
        let _ = client.write_all(bytes); // fails if the server is full
        let _ = client.shutdown(Shutdown::Write);
        read_to_end(&client)
    };
    for _ in 0..1_500 {
        // The server is full as long as the thread of an earlier client has not ended.
        let reply = send(b"\xff");
        assert!(reply == SERVER_IS_FULL || reply == "error: not UTF-8: byte 0xFF at offset 0\n");
    }
    while send(b"a") == SERVER_IS_FULL {}
}

#[test]
fn number_above_ten_thousand_is_wrong_usage() {
    for flag in ["--workers", "--max-clients", "swarm --clients"] {
        for number in ["10001", "20000", "99999999999999999999"] {
            let error = run(format!("threaded-echo {flag} {number}"), "").failure(2);
            assert_contains(&error.replace(',', ""), &["10000"]);
        }
        run(format!("threaded-echo {flag} 0"), "").failure(2);
    }
    run("threaded-echo swarm --messages 9223372036854775808", "").failure(2);
}

#[test]
#[cfg(target_os = "linux")]
fn endless_reply_fills_no_memory_of_client() {
    in_parallel(["client hi", "client", "swarm --clients 1"], |arguments| {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let line = format!("threaded-echo {arguments} -a {address}");
        // 40 MiB arrive, and the program has 32 MiB of address space.
        let setup = "ulimit -v 32768; export MALLOC_ARENA_MAX=1; exec >/dev/null";
        let mut client = Process::spawn(crate::pressure::bash(setup, &line));
        client.end_input();
        let (mut stream, _) = server.accept().unwrap();
        // Ends earlier if the swarm sees that this is not its reply.
        let _ = (0..640).try_for_each(|_| stream.write_all(&[b'x'; 65_536]));
        drop(stream);
        let end = client.end();
        assert!(matches!(end.code, Some(0 | 1)), "{line}: {end:?}");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn endless_line_fills_no_memory_of_udp_client() {
    let server = Server::start("udp-echo");
    let line = format!("udp-echo client -a {}", server.address);
    let setup = "ulimit -v 32768; export MALLOC_ARENA_MAX=1";
    let client = crate::pressure::bash(setup, &line);
    let error = finish(client, vec![b'x'; 40 << 20]).failure(1);
    assert_contains(&error, &["udp-echo: cannot send"]);
}

#[test]
fn wildcard_udp_server_prints_hint() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let server = Server::spawn(words(format!("udp-echo --address {address}")));
        server.wait_for_error("may leave from another address");
        if cfg!(target_os = "linux") && server.address.is_ipv4() {
            let address = format!("127.0.0.2:{}", server.address.port());
            let line = format!("udp-echo client -a {address} --retries 0 --timeout 0.1 hi");
            assert_contains(&run(line, "").failure(1), &["another address"]);
        }
    }
}

#[test]
fn silent_server_is_no_closed_port() {
    let server = Server::start("udp-echo");
    let line = format!("udp-echo client -a localhost:{}", server.address.port());
    let error = run(line + " --retries 0 --timeout 0.1 error: x", "").failure(1);
    assert_contains(&error, &["127.0.0.1", "sent 1 time"]);
}

#[test]
fn address_among_words_is_sent_with_note() {
    for program in PROGRAMS {
        let server = Server::start(program);
        for (message, has_note) in [("127.0.0.1 12345", true), ("at 127.0.0.1:9999", false)] {
            let end = client(program, &server, message, "");
            assert_eq!(end.stderr.contains("--address"), has_note, "{message}");
            assert_eq!(end.success(), format!("{PREFIX}{message}\n"));
        }
    }
}

/// Returns an address on which nothing listens, with a port that no system gives to clients.
pub fn free_address() -> SocketAddr {
    static USED: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + (std::process::id() % 20_000) as u16;
    let mut ports = std::iter::repeat_with(|| first + USED.fetch_add(1, Relaxed));
    let listener = ports.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    listener.unwrap().local_addr().unwrap()
}

/// Returns the command in the last line of a usage error, without what is cargo's in it.
fn suggested(line: String) -> String {
    let error = run(&line, "").failure(2);
    let last = error.lines().last().unwrap();
    let command = last.replace("cargo run -q -p ", "").replace(" -- ", " ");
    let is_ours = PROGRAMS.iter().any(|program| command.starts_with(program));
    assert!(is_ours, "{line}: {error}");
    command
}

#[test]
fn misplaced_word_gets_command_that_works() {
    let to_server = "PORT|127.0.0.1:PORT|127.0.0.1 PORT|--port PORT|--port=PORT|-pPORT|server PORT|\
                     -q PORT|-a 127.0.0.1 PORT|-a 127.0.0.1 -p PORT|127.0.0.1 --port PORT|\
                     --port PORT --host 127.0.0.1|-p PORT -a localhost";
    let to_client = "-a :PORT client hi|--address=:PORT client hi|client --port=PORT hi|\
                     -a:PORT client hi|127.0.0.1 PORT client hi|--timeout 3 PORT client hi";
    in_parallel(PROGRAMS, |program| {
        let free = free_address();
        for words in to_server.split('|') {
            let words = words.replace("PORT", &free.port().to_string());
            let server = Server::spawn(suite::words(suggested(format!("{program} {words}"))));
            assert_eq!(server.address, free, "{program} {words}");
        }
        let server = Server::start(program);
        for words in to_client.split('|') {
            let words = words.replace("PORT", &server.address.port().to_string());
            let end = run(suggested(format!("{program} {words}")), "");
            assert_eq!(end.success(), format!("{PREFIX}hi\n"), "{program} {words}");
        }
    });
    for line in [
        "relay -a :0 --to 127.0.0.1 9999",
        "-a :0 --to localhost -p 9999 relay",
    ] {
        let relay = Server::spawn(suite::words(suggested(format!("udp-echo {line}"))));
        assert_contains(&relay.wait_for("relaying"), &["127.0.0.1:9999"]);
    }
}

#[test]
fn failed_swarm_prints_one_sentence() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    for (address, part) in [(silent, "0.3 s"), (free_address(), "refused")] {
        let line = format!("threaded-echo swarm -a {address} --clients 12 --timeout 0.3");
        let error = run(line, "").failure(1);
        assert_contains(&error, &[part]);
        assert!(error.lines().count() <= 2, "a sentence and a hint: {error}");
    }
}

#[test]
fn closed_stdout_ends_client_silently() {
    for program in PROGRAMS {
        let server = Server::start(program);
        let line = format!("{program} client -a {}", server.address);
        let mut client = Process::spawn_unread(words(line));
        client.type_text("y\n").unwrap();
        client.wait_for("y");
        client.close_stdout();
        while client.type_text("y\n".repeat(100)).is_ok() {}
        let end = client.end();
        assert_eq!((end.code, end.stderr.as_str()), (Some(0), ""), "{program}");
    }
}

#[test]
fn empty_message_is_wrong_usage_over_tcp() {
    for program in TCP_PROGRAMS {
        finish(command(program, &["client", ""]), "").failure(2);
    }
    let server = Server::start("udp-echo");
    let address = server.address.to_string();
    let empty = command("udp-echo", &["client", "--address", &address, ""]);
    assert_eq!(finish(empty, "").success(), format!("{PREFIX}\n"));
}

#[test]
fn traced_swarm_shows_wrong_reply() {
    let server = Server::start("threaded-echo --workers 1 --queue 0");
    let first = suite::connect(server.address);
    suite::request(&first, "hi");
    let line = format!(
        "threaded-echo swarm --clients 1 --trace -a {}",
        server.address
    );
    assert_contains(
        &run(line, "").failure(1),
        &["recv 39 bytes: 65 72 72 6f 72"],
    );
}

#[test]
fn swarm_at_tcp_echo_draws_staircase() {
    let server = Server::start("tcp-echo --quiet");
    let line = format!("threaded-echo swarm -a {}", server.address);
    let chart = run(format!("{line} --clients 6 --messages 3 --pause 20"), "").success();
    let bars = chart.lines().filter(|line| line.ends_with('#'));
    let waited: Vec<_> = bars.map(|bar| bar.matches('.').count()).collect();
    assert!(waited.len() == 6 && waited.is_sorted(), "{chart}");
    assert!(waited[5] > 5 * waited[0].max(5), "{chart}");
}

/// Signals, shells and limits, as Unix has them.
#[cfg(unix)]
mod unix {
    use std::process::Command;
    use std::{env, fs, thread};

    use suite::{Signal, program};

    use super::*;
    use crate::stopping::{assert_stopped, connect_never_reader};

    #[test]
    fn two_signals_at_once_are_one() {
        in_parallel(PROGRAMS, |program| {
            for first in [Signal::INT, Signal::TERM] {
                let mut server = Server::start(program);
                let idle = (program != "udp-echo").then(|| connect(server.address));
                idle.iter().for_each(|client| drop(request(client, "a")));
                server.signal(first);
                server.signal(Signal::INT);
                assert_stopped(&server.end(), "");
            }
        });
    }

    #[test]
    #[ignore = "needs timeout(1)"]
    fn server_under_timeout_prints_summary() {
        for name in PROGRAMS {
            let mut timeout = Command::new("timeout");
            timeout
                .args(["--preserve-status", "0.5"])
                .arg(program(name));
            timeout.args(["--address", "127.0.0.1:0"]);
            assert_contains(&finish(timeout, "").success(), &["\nstopped: 0 "]);
        }
    }

    #[test]
    fn second_line_can_be_pasted_from_any_folder() {
        let top = env::temp_dir().join(format!("suite-{}", std::process::id()));
        for folder in "o'neil|a&b|c$HOME d|e\"f|g`h|한글 i|j;k(l)".split('|') {
            let folder = top.join(folder);
            fs::create_dir_all(&folder).unwrap();
            let path = folder.join("tcp-echo");
            std::os::unix::fs::symlink(program("tcp-echo"), &path).unwrap();
            let mut server = Command::new(path);
            server.args(["-a", "127.0.0.1:0"]).env_remove("CARGO");
            let server = Server::spawn(server);
            let line = server.line();
            // A plain program name is found on the path.
            let path = format!("{}:{}", folder.display(), env::var("PATH").unwrap());
            let mut shell = Command::new("sh");
            shell.args(["-c", &line]).env("PATH", path);
            assert_eq!(finish(shell, "").success(), format!("{PREFIX}안녕하세요\n"));
        }
        fs::remove_dir_all(top).unwrap();
    }

    #[test]
    #[ignore = "needs script(1), for a terminal"]
    fn swarm_shows_progress_from_the_start() {
        let server = Server::start("threaded-echo --quiet");
        let (swarm, address) = (program("threaded-echo"), server.address);
        let line = format!("{} swarm -a {address} --clients 2", swarm.display());
        let mut script = Command::new("script");
        script.args(["-qec", &(line + " --messages 18"), "/dev/null"]);
        let terminal = finish(script, "").success();
        assert!(terminal.find("0/36") < terminal.find("36/36"), "{terminal}");
        assert_contains(&terminal, &["0/36"]);
    }

    #[test]
    #[ignore = "keeps all cores busy"]
    fn busy_machine_delays_no_stop() {
        use std::sync::atomic::AtomicBool;
        let is_over = AtomicBool::new(false);
        let spin = || {
            while !is_over.load(Relaxed) {
                std::hint::spin_loop();
            }
        };
        thread::scope(|scope| {
            (0..6).for_each(|_| drop(scope.spawn(spin)));
            let ends = TCP_SERVERS.map(|line| {
                let mut server = Server::start(line);
                let _client = connect_never_reader(&server);
                server.interrupt()
            });
            is_over.store(true, Relaxed);
            ends.iter().for_each(|end| assert_stopped(end, "1 client"));
        });
    }
}

/// What needs a setting of the kernel, in a network namespace of its own (unshare(1)).
#[cfg(target_os = "linux")]
mod namespace {
    use std::process::Command;

    use suite::{End, assert_contains, finish};

    use crate::pressure::bash;

    /// Runs a program to its end in a namespace, after these commands of bash.
    fn run_after(setup: &str, line: &str) -> End {
        let inner = bash(&format!("set -e; ip link set lo up; {setup}"), line);
        let mut unshare = Command::new("unshare");
        unshare
            .arg("-rn")
            .arg(inner.get_program())
            .args(inner.get_args());
        finish(unshare, "")
    }

    /// Sends datagrams from a forged port of ADDRESS to port 9000 there, and ends the server.
    const FORGE: &str = "import os, signal, socket, struct
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(0.1)
def is_answered():
    try:
        client.sendto(b'hello', ('ADDRESS', 9000))
        return client.recv(99)
    except OSError:
        return False
while not is_answered(): pass
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
raw.bind(('ADDRESS', 0))
for _ in range(COUNT):
    raw.sendto(struct.pack('!HHHH', PORT, 9000, 9, 0) + b'x', ('ADDRESS', 0))
while not is_answered(): pass
os.kill(os.getppid(), signal.SIGINT)
";

    fn forge(address: &str, port: &str, count: &str, line: &str) -> End {
        let forge = FORGE.replace("ADDRESS", address).replace("PORT", port);
        let forge = forge.replace("COUNT", count);
        let setup = format!("ip addr add 10.9.9.1/32 dev lo; python3 -c \"{forge}\" & true");
        run_after(&setup, line)
    }

    #[test]
    #[ignore = "needs unshare and python3"]
    fn datagram_from_own_address_makes_no_loop() {
        for (bound, own) in [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "10.9.9.1")] {
            for flag in ["--raw", "--prefix=", ""] {
                let line = format!("udp-echo -a {bound}:9000 {flag}");
                let lines = forge(own, "9000", "3", &line).success();
                assert_eq!(lines.matches(": not answered: ").count(), 3, "{line}");
            }
        }
    }

    /// Sends without a pause and reads 3 KB a second, and then ends the server.
    const READ_SLOWLY: &str = "import os, signal, socket, threading, time
client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
while client.connect_ex(('127.0.0.1', 9000)): pass
threading.Thread(target=client.sendall, args=(bytes(64 << 20),), daemon=True).start()
for _ in range(330):
    time.sleep(0.1)
    client.recv(300)
os.kill(os.getppid(), signal.SIGINT)
";

    #[test]
    #[ignore = "needs unshare and python3, and takes 33 s"]
    fn slow_reader_is_no_stalled_client() {
        let setup = format!("ip link set lo mtu 1500; python3 -c \"{READ_SLOWLY}\" & true");
        let end = run_after(&setup, "tcp-echo -a 127.0.0.1:9000 --framing raw");
        let is_closed = end.stderr.contains("nothing could be sent");
        assert!(end.code == Some(0) && !is_closed, "{end:?}");
    }

    #[test]
    #[ignore = "needs unshare and python3"]
    fn reply_errors_are_printed_once_a_minute() {
        for flag in ["", "--quiet", "--raw"] {
            let line = format!("udp-echo -a 127.0.0.1:9000 {flag}");
            let end = forge("127.0.0.1", "0", "500", &line);
            let errors = end.stderr.lines().count();
            assert_eq!((end.code, errors), (Some(0), 1), "{end:?}");
        }
    }

    #[test]
    #[ignore = "needs unshare"]
    fn client_is_never_its_own_server() {
        let ports = "sysctl -qw net.ipv4.ip_local_port_range='41000 41001'";
        for (line, code) in [
            ("tcp-echo client hello", 1),
            ("threaded-echo swarm --clients 1", 1),
            ("udp-echo client hello --retries 0 --timeout 0.1", 1),
            ("checker tcp", 2),
            ("checker udp --timeout 0.1", 2),
        ] {
            for port in [41_000, 41_001] {
                run_after(ports, &format!("{line} --address 127.0.0.1:{port}")).failure(code);
            }
        }
    }

    #[test]
    #[ignore = "needs unshare"]
    fn telling_error_of_several_is_reported() {
        let setup = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1";
        for (line, part) in [
            ("tcp-echo client hi", "refused"),
            ("threaded-echo swarm", "refused"),
            ("udp-echo client hi", "port is closed"),
        ] {
            let error = run_after(setup, &format!("{line} --address localhost")).failure(1);
            assert_contains(&error, &[part, "start the server"]);
            assert!(!error.contains("Cannot assign"), "{error}");
        }
    }
}
