use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;
use tests::{CHECKS, Claim, Effort, Framing, Matched, Outcome, Pattern, Reply, TRAPS, Target};

use crate::harness::run;
use crate::known_wrong::WRONG;
use crate::reference::{Defect, Reference};

fn claim(pattern: Pattern) -> Claim {
    Claim { pattern, framing: Framing::Chunk, prefix: "서버로부터 응답: ".to_owned() }
}

#[test]
fn each_check_has_a_name_of_its_own_and_a_known_wrong_server() {
    let names: HashSet<_> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len(), "two checks have the same name");
    // The last one has a test of its own beside the others.
    let caught = WRONG.iter().map(|wrong| wrong.fails).chain(["still-there"]).collect();
    assert_eq!(names, caught);
}

#[test]
fn each_check_says_where_it_is_explained_and_names_only_known_traps() {
    for check in CHECKS {
        if let Some(trap) = check.trap {
            assert!(TRAPS.contains(&trap), "{}: {trap}", check.name);
            assert_eq!(check.page, format!("how-it-breaks.md#{trap}"), "{}", check.name);
        }
        assert!(check.trap == Some(check.name) || !TRAPS.contains(&check.name), "{} is not about its trap", check.name);
        // They are the rest of a sentence: "it …", "a good server …".
        for part in [check.does, check.good] {
            assert!(part.starts_with(char::is_lowercase) && !part.ends_with('.'), "{}: {part}", check.name);
        }
    }
}

/// Runs the command: its exit status, and what it prints.
fn checker(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = run("tests", arguments, b"");
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_good_server_gets_its_marks_and_the_exit_status_0() {
    let server = Reference::start(&claim(Pattern::Udp), None);
    let (status, stdout, stderr) = checker(&["udp", &server.address.to_string()]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(
        stdout.starts_with(&format!("{}: udp, prefix \"서버로부터 응답: \"\n\n✓ answers ", server.address)),
        "{stdout}"
    );
    assert!(stdout.ends_with("\n\n13 checks: 13 passed, 0 failed\n"), "{stdout}");
    assert!(!stdout.contains('\x1b'), "colours in a pipe: {stdout:?}");
}

#[test]
fn a_failure_is_explained_and_the_exit_status_is_1() {
    let server = Reference::start(&claim(Pattern::Tcp), Some(Defect::StripsCr));
    let (status, stdout, _) = checker(&["tcp", &server.address.to_string(), "--only", "byte-exactness"]);
    let (_, report) = stdout.split_once("\n\n").unwrap();
    assert_eq!(status, Some(1));
    assert_eq!(
        report,
        r#"✗ byte-exactness
    Sent "a CR \r inside", expected "서버로부터 응답: a CR \r inside", but "서버로부터 응답: a CR  inside" came.
    A good server sends them back as they came: it neither trims nor normalises.
    Read message-boundaries.md in the book.

1 check: 0 passed, 1 failed
"#
    );
}

#[test]
fn a_grader_reads_json() {
    let server = Reference::start(&claim(Pattern::Tcp), Some(Defect::DiesOfAnEmptyStream));
    let (status, stdout, _) = checker(&["tcp", &server.address.to_string(), "--timeout", "2", "--json"]);
    assert_eq!(status, Some(1));
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [checks @ .., summary] = &lines[..] else { panic!("{stdout}") };
    let of = |name: &str| checks.iter().find(|line| line["check"] == name).unwrap();
    assert_eq!(of("answers")["outcome"], "passed");
    assert_eq!(of("still-there")["outcome"], "not tried");
    let failed = of("connect-and-close");
    assert_eq!((&failed["outcome"], &failed["trap"]), (&"failed".into(), &"accept-error".into()));
    assert_eq!(failed["failure"]["symptom"], "silent");
    assert_eq!(failed["failure"]["expected"], "\"서버로부터 응답: 다음\"");
    assert_eq!(summary["summary"]["failed"], 1);
    assert_eq!(summary["summary"]["not_tried"], 2);
    assert_eq!(summary["summary"]["gone_in"], "connect-and-close");
    assert_eq!(summary["server"], server.address.to_string());
}

#[test]
fn nothing_listening_and_wrong_usage_have_the_exit_status_2() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (arguments, sentence) in [
        (&["tcp", &nobody][..], "nothing listens there (connection refused); start the server first"),
        (&["udp", &nobody], "nothing listens there (connection refused); start the server first"),
        (&["tcp", "127.0.0.1:"], "no port behind the colon"),
        (&["tcp", "--framing", "lines"], "there are chunk, line and raw"),
        (&["udp", "--framing", "line"], "unexpected argument '--framing'"),
        (&["tcp", "--only", "nothing"], "there is no check \"nothing\": --list shows their names"),
        (&["udp", "--only", "half-close"], "the check half-close does not apply to udp"),
        (&["tcp", "--timeout", "0"], "write a number of seconds, as in 5 or 0.5"),
    ] {
        let (status, stdout, stderr) = checker(arguments);
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains(sentence), "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_list_says_what_is_done_and_needs_no_server() {
    let (status, stdout, _) = checker(&["tcp", "--list", "--only", "one-shot"]); // a trap of two checks
    assert_eq!(status, Some(0));
    assert_eq!(
        stdout,
        "answers-again\n    it asks the same thing three times, without leaving in between\n    \
         a good server answers every time: one answer does not end a conversation\n    how-it-breaks.md#one-shot\n\
         second-client\n    it comes as a second client: over TCP once the first has left, over UDP in turns with it\n    \
         a good server serves the second as it has served the first\n    how-it-breaks.md#one-shot\n"
    );
}

/// Starts a TCP server which does this with each client, on a thread for each. It ends with the tests.
fn serve(with: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let with = with.clone();
            thread::spawn(move || with(stream));
        }
    });
    address
}

/// The names of the checks that it does not pass, each with its sentence and the trap that it looks like.
fn failures(address: SocketAddr, timeout: Duration) -> Vec<(&'static str, String, Option<&'static str>)> {
    let effort = Effort { timeout, clients: 8, bytes: 1 << 20, ..Effort::default() };
    let target = Target { address, claim: claim(Pattern::Threaded), effort };
    let mut failures = Vec::new();
    let summary = tests::run(&target, CHECKS, |check, outcome, _| {
        if let Outcome::Failed(failure) = outcome {
            failures.push((check.name, failure.to_string(), failure.diagnosis.map(|diagnosis| diagnosis.trap)));
        }
    });
    assert_eq!(summary.unwrap().gone, None);
    failures
}

/// Pattern 3 of the tutorial, translated: one read, the string without its `f`, and a close.
#[test]
fn the_tutorials_server_fails_most_checks_and_learns_why() {
    let tutorial = |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 1024]).and_then(|_| stream.write_all("서버로부터 응답: {data}".as_bytes()));
    };
    let failures = failures(serve(tutorial), Duration::from_secs(30));
    assert!(failures.len() >= 12, "{failures:#?}");
    for (name, sentence, trap) in failures {
        assert!(sentence.contains("but \"서버로부터 응답: {data}\" came"), "{name}: {sentence}");
        assert!(trap == Some("literal-braces") || name == "literal-braces", "{name}: {trap:?}");
    }
}

/// Whatever a server does, no check goes on for ever.
#[test]
fn each_check_ends_even_with_a_server_that_does_not() {
    let silent = |stream: TcpStream| drop(std::io::copy(&mut &stream, &mut std::io::sink()));
    let endless = |mut stream: TcpStream| while stream.write_all(b"more and ").is_ok() {};
    let slow = |mut stream: TcpStream| {
        while stream.write_all("서".as_bytes()).is_ok() {
            thread::park_timeout(Duration::from_millis(10));
        }
    };
    let deaf = |stream: TcpStream| {
        thread::park_timeout(Duration::from_secs(60));
        drop(stream);
    };
    let servers = [serve(silent), serve(endless), serve(slow), serve(deaf)];
    let begun = Instant::now();
    thread::scope(|scope| {
        for address in servers {
            for check in CHECKS {
                let effort = Effort { timeout: Duration::from_millis(200), bytes: 1 << 20, ..Effort::default() };
                let target = Target { address, claim: claim(Pattern::Threaded), effort };
                scope.spawn(move || drop(tests::run(&target, [check], |_, _, _| {})));
            }
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
}

/// A text, cut into pieces before some of its characters.
fn pieces() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-z가-힣🦀]{1,9}", 1..9)
}

proptest! {
    /// However a server cuts a text into chunks, and the network its replies into reads, it is the reply to that text.
    #[test]
    fn any_chunks_of_a_text_are_its_reply(pieces in pieces(), prefix in "[<>: ]{0,4}", reads in 1_usize..9) {
        let reply: String = pieces.iter().map(|piece| format!("{prefix}{piece}")).collect();
        let mut expected = Reply::chunks(&prefix, pieces.concat());
        let matched: Vec<_> = reply.as_bytes().chunks(reads).map(|read| expected.push(read)).collect();
        let (last, before) = matched.split_last().unwrap();
        prop_assert_eq!(*last, Matched::Wholly);
        prop_assert!(before.iter().all(|matched| *matched == Matched::Partly));
        prop_assert_eq!(expected.push(b"x"), Matched::Not);
    }

    /// A reply with one byte changed is never taken for right.
    #[test]
    fn a_changed_byte_is_noticed(pieces in pieces(), prefix in "[<>: ]{0,4}", at: prop::sample::Index, by in 1_u8..) {
        let mut reply = pieces.iter().map(|piece| format!("{prefix}{piece}")).collect::<String>().into_bytes();
        let at = at.index(reply.len());
        reply[at] ^= by;
        prop_assert_ne!(Reply::chunks(&prefix, pieces.concat()).push(&reply), Matched::Wholly);
    }
}
