use suite::{Server, in_parallel, run};

/// Puts servers, started with these arguments each, through the checker's list.
fn assert_conformance(program: &str, pattern: &str, servers: &[&str]) {
    in_parallel(servers, |arguments| {
        let server = Server::start(format!("{program} --quiet {arguments}"));
        let framing = arguments.trim_start_matches("--workers 4");
        let flags = "--exact-errors --all --verbose --lang en --timeout 20";
        let line = format!("checker {pattern} {} {flags} {framing}", server.address);
        let checks = run(line, "").success();
        assert!(checks.matches('✓').count() >= 10, "{arguments}: {checks}");
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
    let pools = pools.each_ref().map(String::as_str);
    assert_conformance("threaded-echo", "threaded", &pools);
}

#[test]
fn udp_echo_passes_every_check() {
    assert_conformance("udp-echo", "udp", &["", "--raw", "--prefix="]);
}
