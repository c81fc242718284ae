//! Clients that others have written get their replies.

use std::process::Command;

use suite::{End, PREFIX, Server, finish};

/// Runs a command against a server, whose address replaces HOST and PORT.
fn carry(words: &[&str], server: &Server, input: &str) -> End {
    let host = server.address.ip().to_string();
    let port = server.address.port().to_string();
    let words = words
        .iter()
        .map(|word| word.replace("HOST", &host).replace("PORT", &port));
    let words: Vec<_> = words.collect();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    finish(command, input)
}

/// Carries a line and a half to each TCP server in each framing, and a datagram.
fn assert_replies(tcp: &[&str], udp: &[&str]) {
    for program in ["tcp-echo", "threaded-echo"] {
        for (framing, replies) in [
            ("chunk", format!("{PREFIX}안녕\n하세요")),
            ("line", format!("{PREFIX}안녕\n{PREFIX}하세요")),
            ("raw", "안녕\n하세요".to_owned()),
        ] {
            let server = Server::start(format!("{program} --framing {framing}"));
            let end = carry(tcp, &server, "안녕\n하세요");
            assert_eq!(end.success(), replies, "{program} --framing {framing}");
        }
    }
    let end = carry(udp, &Server::start("udp-echo"), "안녕");
    assert_eq!(end.stdout, format!("{PREFIX}안녕"));
}

#[test]
#[ignore = "needs nc"]
fn nc_gets_replies() {
    let udp = ["nc", "-u", "-w", "1", "HOST", "PORT"];
    assert_replies(&["nc", "-N", "HOST", "PORT"], &udp);
}

#[test]
#[ignore = "needs socat"]
fn socat_gets_replies() {
    let udp = ["socat", "-t", "1", "-", "UDP:HOST:PORT"];
    assert_replies(&["socat", "-t", "20", "-", "TCP:HOST:PORT"], &udp);
}

#[test]
#[ignore = "needs python3"]
fn python_socket_gets_replies() {
    let tcp = "import socket, sys
with socket.create_connection(('HOST', PORT), timeout=20) as stream:
    stream.sendall(sys.stdin.buffer.read())
    stream.shutdown(socket.SHUT_WR)
    while data := stream.recv(1024):
        sys.stdout.buffer.write(data)
";
    let udp = "import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(20)
    client.sendto(sys.stdin.buffer.read(), ('HOST', PORT))
    sys.stdout.buffer.write(client.recvfrom(65535)[0])
";
    assert_replies(&["python3", "-c", tcp], &["python3", "-c", udp]);
}
