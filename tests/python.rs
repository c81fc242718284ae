use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Server, command, finish, have};

const PREFIX: &str = "서버로부터 응답: ";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/python")
}

fn python(program: &str) -> Command {
    let mut python = Command::new("python3");
    python.arg(folder().join(program)).env("PYTHONUTF8", "1").env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

/// One of our programs, or its Python counterpart.
fn side(language: &str, program: &str) -> Command {
    match language {
        "rust" => command(program, &[]),
        _ => python(&format!("{}.py", program.replace('-', "_"))),
    }
}

fn server(language: &str, program: &str, arguments: &[&str]) -> Server {
    let mut command = side(language, program);
    command.args(["server", "--address", "127.0.0.1:0"]).args(arguments);
    Server::spawn(command)
}

/// What a client puts out for this input, or for this message.
fn ask(language: &str, program: &str, server: &Server, message: Option<&str>, input: &str) -> String {
    let mut command = side(language, program);
    command.args(["client", "--address", &server.address.to_string()]).args(message);
    let answer = finish(command, input.as_bytes());
    assert!(answer.status.success(), "{language} {program}: {answer:?}");
    String::from_utf8(answer.stdout).unwrap().replace("\r\n", "\n")
}

const PAIRS: [(&str, &str); 3] = [("rust", "python"), ("python", "rust"), ("python", "python")];

#[test]
fn python_and_rust_talk_to_each_other_over_tcp_in_every_framing() {
    if !have("python3") {
        return;
    }
    for (serves, asks) in PAIRS {
        for program in ["tcp-echo", "threaded-echo"] {
            for (framing, reply) in [
                ("chunk", format!("{PREFIX}안녕\n하세요")),
                ("line", format!("{PREFIX}안녕\n{PREFIX}하세요")),
                ("raw", "안녕\n하세요".to_owned()),
            ] {
                let server = server(serves, program, &["--framing", framing]);
                let talk = format!("{asks} asks {serves} {program} --framing {framing}");
                assert_eq!(ask(asks, program, &server, None, "안녕\n하세요"), reply, "{talk}");
                let prefix = if framing == "raw" { "" } else { PREFIX };
                assert_eq!(ask(asks, program, &server, Some("안녕"), ""), format!("{prefix}안녕\n"), "{talk}");
            }
        }
    }
}

#[test]
fn python_and_rust_talk_to_each_other_over_udp() {
    if !have("python3") {
        return;
    }
    for (serves, asks) in PAIRS {
        for (arguments, prefix) in [(&[][..], PREFIX), (&["--prefix", ""], ""), (&["--raw"], "")] {
            let server = server(serves, "udp-echo", arguments);
            let talk = format!("{asks} asks {serves} {arguments:?}");
            let reply = format!("{prefix}안녕\n{prefix}\n{prefix}셋\n");
            assert_eq!(ask(asks, "udp-echo", &server, None, "안녕\n\n셋"), reply, "{talk}");
            assert_eq!(ask(asks, "udp-echo", &server, Some("안녕"), ""), format!("{prefix}안녕\n"), "{talk}");
        }
    }
}

#[test]
fn python_and_rust_say_the_same_of_bad_bytes() {
    if !have("python3") {
        return;
    }
    for serves in ["rust", "python"] {
        let tcp = server(serves, "tcp-echo", &["--framing", "line"]);
        let command = command("tcp-echo", &["client", "--address", &tcp.address.to_string()]);
        let answer = finish(command, b"ok\nab\xed\xa0\x80\nnext\n");
        let expected = format!("{PREFIX}ok\nerror: not UTF-8: byte 0xED at offset 2\n{PREFIX}next\n");
        assert_eq!(String::from_utf8(answer.stdout).unwrap(), expected, "{serves}");
    }
}

/// What each broken program prints on Linux: what failed, and not only that something did.
#[test]
#[cfg(target_os = "linux")]
fn the_broken_programs_break_as_the_book_says() {
    if !have("python3") {
        return;
    }
    let expected = std::fs::read_to_string(folder().join("broken/expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let traps = expected.as_array().unwrap();
    assert_eq!(traps.len(), 25, "one program for each trap");
    std::thread::scope(|scope| {
        for trap in traps {
            scope.spawn(move || {
                let output = finish(python(&format!("broken/{}", trap["program"].as_str().unwrap())), b"");
                assert!(output.status.success(), "{trap}: {output:?}");
                let printed = String::from_utf8(output.stdout).unwrap();
                for line in trap["prints"].as_array().unwrap() {
                    assert!(printed.contains(line.as_str().unwrap()), "{trap} has printed:\n{printed}");
                }
            });
        }
    });
}

/// A server with one trap is told so by the name of that trap, and a server as the tutorial has it falls into most.
#[test]
fn the_checker_names_the_trap_of_each_broken_server() {
    if !have("python3") {
        return;
    }
    let trap = |pattern: &str, trap: &str| {
        let mut broken = python("broken/server.py");
        broken.args([trap, "0"]);
        let server = Server::spawn(broken);
        let found = finish(command("tests", &[pattern, &server.address.to_string(), "--only", trap]), b"");
        let found = (found.status.code(), String::from_utf8(found.stdout).unwrap());
        assert_eq!(found.0, Some(1), "{trap}: {}", found.1);
        assert!(found.1.contains(&format!("The trap is called {trap}: ")), "{trap}: {}", found.1);
    };
    let tcp = ["literal-braces", "bytes-not-text", "one-shot", "partial-read", "split-character", "end-of-stream"];
    let tcp = tcp.iter().chain(&["reset-by-peer", "two-small-writes"]).map(|name| ("tcp", name));
    let threaded = ["one-at-a-time", "silent-client", "never-reads"].iter().map(|name| ("threaded", name));
    let udp = ["bad-bytes", "truncated-datagram", "empty-datagram", "echo-loop"].iter().map(|name| ("udp", name));
    std::thread::scope(|scope| {
        for (pattern, name) in tcp.chain(threaded).chain(udp) {
            scope.spawn(move || trap(pattern, name));
        }
    });
}

#[test]
fn a_server_as_the_tutorial_has_it_fails_at_least_twelve_checks() {
    if !have("python3") {
        return;
    }
    for (pattern, program) in
        [("tcp", "tutorial_tcp.py"), ("udp", "tutorial_udp.py"), ("threaded", "tutorial_threaded.py")]
    {
        let mut tutorial = python(&format!("broken/{program}"));
        tutorial.arg("0");
        let server = Server::spawn(tutorial);
        let found = finish(command("tests", &[pattern, &server.address.to_string()]), b"");
        let found = String::from_utf8(found.stdout).unwrap();
        assert!(found.matches('✗').count() >= 12, "{program}: {found}");
    }
}
