use std::thread;

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

/// The same for several at once: most of the time they wait for each other to be stuck.
fn all_pass(program: &str, pattern: Pattern, each: &[&[&str]]) {
    thread::scope(|scope| each.iter().for_each(|arguments| drop(scope.spawn(|| passes(program, pattern, arguments)))));
}

#[test]
fn tcp_echo_passes_every_check() {
    let each = [&[][..], &["--framing", "line"], &["--framing", "raw"], &["--prefix", ""]];
    all_pass("tcp-echo", Pattern::Tcp, &each);
}

#[test]
fn threaded_echo_passes_every_check() {
    let each = [&[][..], &["--framing", "line"], &["--framing", "raw"], &["--prefix", ""]];
    all_pass("threaded-echo", Pattern::Threaded, &each);
}

#[test]
fn threaded_echo_passes_every_check_with_a_pool() {
    let each = [&["--workers", "4"][..], &["--workers", "4", "--framing", "line"]];
    all_pass("threaded-echo", Pattern::Threaded, &each);
}

#[test]
fn udp_echo_passes_every_check() {
    all_pass("udp-echo", Pattern::Udp, &[&[], &["--raw"], &["--prefix", ""]]);
}
