use std::net::SocketAddr;
use std::process::Command;

use crate::harness::{Server, finish, have};

const PREFIX: &str = "서버로부터 응답: ";

/// What the server at `address` answers to two lines, of which the second has no ending, when `ask` carries them.
fn two_lines(framing: &str) -> String {
    match framing {
        "chunk" => format!("{PREFIX}안녕\n하세요"),
        "line" => format!("{PREFIX}안녕\n{PREFIX}하세요"),
        _ => "안녕\n하세요".to_owned(),
    }
}

fn is_answered(command: impl Fn(SocketAddr) -> Command) {
    for program in ["tcp-echo", "threaded-echo"] {
        for framing in ["chunk", "line", "raw"] {
            let server = Server::start(program, &["--framing", framing]);
            let answer = finish(command(server.address), "안녕\n하세요".as_bytes());
            assert!(answer.status.success(), "{answer:?}");
            assert_eq!(String::from_utf8(answer.stdout).unwrap(), two_lines(framing), "{program} --framing {framing}");
        }
    }
}

/// A command in a shell's words.
#[cfg(target_os = "linux")]
fn words(line: String) -> Command {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

#[test]
#[cfg(target_os = "linux")] // other systems' nc have other options
fn nc_is_answered() {
    if have("nc") {
        is_answered(|server| words(format!("nc -N {} {}", server.ip(), server.port())));
        let server = Server::start("udp-echo", &[]);
        let answer = finish(words(format!("nc -u -w 1 {} {}", server.address.ip(), server.address.port())), b"hello");
        assert_eq!(String::from_utf8(answer.stdout).unwrap(), format!("{PREFIX}hello"));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn socat_is_answered() {
    if have("socat") {
        is_answered(|server| words(format!("socat -t 20 - TCP:{server}")));
        let server = Server::start("udp-echo", &[]);
        let answer = finish(words(format!("socat -t 1 - UDP:{}", server.address)), b"hello");
        assert_eq!(String::from_utf8(answer.stdout).unwrap(), format!("{PREFIX}hello"));
    }
}

#[test]
fn pythons_socket_is_answered() {
    const TCP: &str = "import socket, sys
host, port = sys.argv[1].rsplit(':', 1)
with socket.create_connection((host, int(port)), timeout=20) as stream:
    stream.sendall(sys.stdin.buffer.read())
    stream.shutdown(socket.SHUT_WR)
    while data := stream.recv(1024):
        sys.stdout.buffer.write(data)
";
    const UDP: &str = "import socket, sys
host, port = sys.argv[1].rsplit(':', 1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(20)
    client.sendto(sys.stdin.buffer.read(), (host, int(port)))
    sys.stdout.buffer.write(client.recvfrom(65535)[0])
";
    let python = |program: &'static str, server: SocketAddr| {
        let mut command = Command::new("python3");
        command.args(["-c", program, &server.to_string()]);
        command
    };
    if have("python3") {
        is_answered(|server| python(TCP, server));
        let server = Server::start("udp-echo", &[]);
        let answer = finish(python(UDP, server.address), "안녕".as_bytes());
        assert_eq!(String::from_utf8(answer.stdout).unwrap(), format!("{PREFIX}안녕"));
    }
}
