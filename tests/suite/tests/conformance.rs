use suite::{Server, in_parallel, run};

/// How each of our servers is started, and what the checker has to know of it.
const SERVERS: [(&str, &str, &[&str]); 4] = [
    ("tcp-echo", "tcp", &TCP_FLAGS),
    ("threaded-echo", "threaded", &TCP_FLAGS),
    ("threaded-echo --workers 4", "threaded", &TCP_FLAGS),
    ("udp-echo", "udp", &["", "--raw", "--prefix="]),
];
const TCP_FLAGS: [&str; 4] = ["", "--framing line", "--framing raw", "--prefix="];

#[test]
fn our_servers_pass_every_check() {
    in_parallel(SERVERS, |(server, pattern, flags)| {
        in_parallel(flags, |flag| {
            let server = Server::start(format!("{server} --quiet {flag}"));
            let how = format!("{pattern} {} {flag}", server.address);
            let line = format!("checker {how} --exact-errors --all --verbose --timeout 20");
            let checks = run(line, "").success();
            assert!(checks.matches('✓').count() >= 10, "{flag}: {checks}");
        });
    });
}
