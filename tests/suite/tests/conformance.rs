use std::thread;

use suite::{Server, run};

/// Puts servers, started with these arguments each, through the checker's list, all at once.
fn assert_conformance(program: &str, pattern: &str, servers: &[&str]) {
    let check = |arguments: &str| {
        let server = Server::start(format!("{program} --quiet {arguments}"));
        let framing = arguments.trim_start_matches("--workers 4");
        let flags = "--exact-errors --all --verbose --lang en --timeout 20";
        let end = run(
            format!("checker {pattern} {} {flags} {framing}", server.address),
            "",
        );
        assert_eq!(
            end.code,
            Some(0),
            "{program} {arguments}:\n{}{}",
            end.stdout,
            end.stderr
        );
        assert!(
            end.stdout.matches('✓').count() >= 10,
            "{program} {arguments}:\n{}",
            end.stdout
        );
    };
    thread::scope(|scope| {
        servers
            .iter()
            .for_each(|arguments| drop(scope.spawn(|| check(arguments))));
    });
}

const FRAMINGS: [&str; 4] = ["", "--framing line", "--framing raw", "--prefix="];

#[test]
fn tcp_echo_passes_every_check() {
    assert_conformance("tcp-echo", "tcp", &FRAMINGS);
}

#[test]
fn threaded_echo_passes_every_check() {
    assert_conformance("threaded-echo", "threaded", &FRAMINGS);
}

#[test]
fn threaded_echo_with_pool_passes_every_check() {
    let pools = FRAMINGS.map(|framing| format!("--workers 4 {framing}"));
    assert_conformance(
        "threaded-echo",
        "threaded",
        &pools.each_ref().map(String::as_str),
    );
}

#[test]
fn udp_echo_passes_every_check() {
    assert_conformance("udp-echo", "udp", &["", "--raw", "--prefix="]);
}
