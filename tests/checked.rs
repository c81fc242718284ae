use tests::{CHECKS, Claim, Effort, Framing, Outcome, Pattern, Target};

use crate::harness::{DEADLINE, Server};

/// Starts one of our servers and puts it through all the checks, as `cargo run -p tests` does.
fn passes(program: &str, pattern: Pattern, arguments: &[&str]) {
    let server = Server::start(program, &[&["--quiet"], arguments].concat());
    let value_of = |flag: &str| {
        let at = arguments.iter().position(|argument| *argument == flag)?;
        arguments.get(at + 1).copied()
    };
    let framing = match value_of("--framing") {
        _ if arguments.contains(&"--raw") => Framing::Raw,
        framing => framing.unwrap_or("chunk").parse().unwrap(),
    };
    let prefix = value_of("--prefix").unwrap_or("서버로부터 응답: ").to_owned();
    // Nothing here may fail because the machine is busy with other tests. As much as a user's run does is enough once.
    let bytes = if arguments.is_empty() { Effort::default().bytes } else { 16 << 20 };
    let effort = Effort { timeout: DEADLINE, bytes, ..Effort::default() };
    let target = Target { address: server.address, claim: Claim { pattern, framing, prefix }, effort };
    let mut failures = Vec::new();
    let summary = tests::run(&target, CHECKS.iter().copied(), |check, outcome, _| {
        if let Outcome::Failed(failure) = outcome {
            failures.push(format!("{}: {failure}", check.name));
        }
    });
    assert!(failures.is_empty(), "{program} {arguments:?}: {failures:#?}");
    assert!(summary.unwrap().passed > 10);
}

#[test]
fn tcp_echo_passes_every_check() {
    passes("tcp-echo", Pattern::Tcp, &[]);
    passes("tcp-echo", Pattern::Tcp, &["--framing", "line"]);
    passes("tcp-echo", Pattern::Tcp, &["--framing", "raw"]);
    passes("tcp-echo", Pattern::Tcp, &["--prefix", ""]);
}

#[test]
fn threaded_echo_passes_every_check() {
    passes("threaded-echo", Pattern::Threaded, &[]);
    passes("threaded-echo", Pattern::Threaded, &["--framing", "line"]);
    passes("threaded-echo", Pattern::Threaded, &["--framing", "raw"]);
    passes("threaded-echo", Pattern::Threaded, &["--prefix", ""]);
}

#[test]
fn threaded_echo_passes_every_check_with_a_pool() {
    passes("threaded-echo", Pattern::Threaded, &["--workers", "4"]);
    passes("threaded-echo", Pattern::Threaded, &["--workers", "4", "--framing", "line"]);
}

#[test]
fn udp_echo_passes_every_check() {
    passes("udp-echo", Pattern::Udp, &[]);
    passes("udp-echo", Pattern::Udp, &["--raw"]);
    passes("udp-echo", Pattern::Udp, &["--prefix", ""]);
}
