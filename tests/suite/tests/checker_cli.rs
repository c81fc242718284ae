use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use checker::{CHECKS, Framing, Match, Pattern, Reply, TRAPS};
use proptest::prelude::*;
use serde_json::Value;
use suite::{End, PREFIX, assert_contains, command, example, in_parallel, python, root};

use crate::cases::free_address;
use crate::known_right::serve;
use crate::known_wrong::WRONG;
use crate::reference::{Reference, target};

/// Runs the command, in English unless its arguments say otherwise.
fn checker(arguments: &[&str]) -> End {
    let speaks = arguments.contains(&"--lang");
    let language = &["--lang", "en"][..if speaks { 0 } else { 2 }];
    suite::finish(command("checker", &[arguments, language].concat()), "")
}

/// Returns what it printed of a server that is wrong.
fn complaint(end: End) -> String {
    assert!(end.code == Some(1) && end.stderr.is_empty(), "{end:?}");
    end.stdout
}

/// Starts a TCP server that replies this to each read, and returns what the checker says of it.
fn words_on(reply: fn(&str) -> Vec<u8>, arguments: &[&str]) -> End {
    let address = serve(true, move |mut stream| {
        let mut buffer = vec![0; 65_536];
        loop {
            let len = stream.read(&mut buffer)?;
            if len == 0 {
                return Ok(());
            }
            stream.write_all(&reply(&String::from_utf8_lossy(&buffer[..len])))?;
        }
    });
    checker(&[&["tcp", &address.to_string()], arguments].concat())
}

/// The words of an encoding table are not worth a package here: `서버로부터 응답: ` in CP949.
const CP949: &[u8] = b"\xBC\xAD\xB9\xF6\xB7\xCE\xBA\xCE\xC5\xCD \xC0\xC0\xB4\xE4: ";

#[test]
fn server_that_dies_of_half_character_is_named() {
    let start = format!("{:?} {{address}}", example("tcp_2_loops"));
    let only = |check| checker(&["tcp", "--start", &start, "--only", check]);
    let parts = [
        "✗ split-character",
        "2  send \"안\\xEB\\x85\"\n",
        "3  wait 0.1 s\n",
        "4  send \"\\x95\"\n",
        "Your program ended in this check (exit",
        "| Error: ",
    ];
    assert_contains(&complaint(only("split-character")), &parts);
    assert_contains(&only("half-close").success(), &["✓ half-close"]);
}

#[test]
fn server_of_lines_is_recognized() {
    let start = format!("{:?} {{address}}", example("tcp_5_lines"));
    let stdout = complaint(checker(&["tcp", "--timeout", "1", "--start", &start]));
    assert_contains(
        &stdout,
        &["accepted the connection and stays silent", "--framing line"],
    );
    assert!(!stdout.contains('✗'), "{stdout}");
}

/// Asserts that a server with this reply ends the run with these words, and that they are safe.
fn assert_stops(reply: fn(&str) -> Vec<u8>, parts: &[&str]) {
    let stdout = complaint(words_on(reply, &[]));
    assert_contains(&stdout, parts);
    assert!(!stdout.contains(['✗', '\x1b', '\u{202e}']), "{stdout:?}");
    assert!(stdout.lines().count() < 9, "{stdout}");
}

#[test]
fn wrong_prefix_is_shown_and_ends_the_run() {
    let shown = [
        "differ in their prefix",
        "\"서버로부터 응답:hello\"",
        "^ byte 24",
        "--prefix=",
    ];
    assert_stops(|text| format!("{}{text}", PREFIX.trim_end()).into(), &shown);
    let shown = ["without a prefix", "--prefix="];
    assert_stops(|text| text.into(), &shown);
    let shown = ["\\u{1b}[2JSSH-2.0", "not the prefix and the message"];
    assert_stops(|_| "\x1b[2JSSH-2.0".into(), &shown);
    // Nobody can type this one.
    let shown = ["\\u{202e}hello", "Change it in your server.\n"];
    assert_stops(|text| format!("\u{202e}{text}").into(), &shown);
    let stdout = complaint(words_on(|_| PREFIX.trim_end().into(), &["--timeout", "1"]));
    assert_contains(&stdout, &["✗ answers", "then nothing more"]);
}

#[test]
fn wrong_encoding_is_named() {
    assert_stops(|text| [CP949, text.as_bytes()].concat(), &["CP949"]);
    assert_stops(|_| [CP949, b"{data}"].concat(), &["CP949", "{data}"]);
    let utf_16 = |text: &str| {
        let text = format!("\u{feff}{PREFIX}{text}");
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    assert_stops(utf_16, &["UTF-16LE"]);
    let shown = ["utf-8-sig"];
    assert_stops(|text| format!("\u{feff}{PREFIX}{text}").into(), &shown);
    let latin_1 = |text: &str| {
        let letters = text.bytes().map(char::from);
        format!("{PREFIX}{}", letters.collect::<String>()).into()
    };
    let stdout = complaint(words_on(latin_1, &["--only", "answers-again"]));
    assert_contains(&stdout, &["as Latin-1, not as UTF-8"]);
    assert!(
        !stdout.contains("one-shot"),
        "it has called recv again: {stdout}"
    );
    let shown = ["another Unicode normalization"];
    assert_stops(
        |text| format!("\u{1109}\u{1165}버로부터 응답: {text}").into(),
        &shown,
    );
    let shown = ["\\u{a0} at offset 15", "^ byte 16"];
    assert_stops(
        |text| format!("서버로부터\u{a0}응답: {text}").into(),
        &shown,
    );
    let without_mark = |text: &str| format!("{PREFIX}{}", text.replace('\u{feff}', "")).into();
    let stdout = complaint(words_on(without_mark, &["--only", "byte-exactness"]));
    assert!(!stdout.contains("CP949"), "{stdout}");
}

#[test]
fn long_reply_shows_its_first_difference() {
    let reply = |text: &str| {
        let mut reply = [PREFIX, text].concat().into_bytes();
        let byte = reply.get_mut(1_030).into_iter();
        byte.for_each(|byte| *byte = b'#');
        reply
    };
    let stdout = complaint(words_on(reply, &["--only", "partial-read"]));
    let parts = [
        "^ byte 1,031 differs, the first 1,030 bytes are right",
        "00166 0016#",
        "except for 1 of its bytes",
    ];
    assert_contains(&stdout, &parts);
    let column = |part: &str| stdout.lines().find_map(|line| line.find(part)).unwrap();
    let mark = stdout.lines().find_map(|line| line.find('#'));
    assert_eq!(column("^ byte"), mark.unwrap() - 2);
}

#[test]
fn all_goes_on_and_verbose_explains_all() {
    let arguments = ["--all", "--verbose", "--timeout", "0.3"];
    let stdout = complaint(words_on(|_| b"no".to_vec(), &arguments));
    assert_contains(&stdout, &["not the prefix and the message", "18 checks: "]);
    assert!(stdout.matches("Read docs/en/").count() > 10, "{stdout}");
}

#[test]
fn correct_server_exits_with_0() {
    let (_server, target) = Reference::start(Pattern::Udp, Framing::Chunk, PREFIX, None);
    let address = target.address.to_string();
    let stdout = checker(&["udp", "--address", &address, "--exact-errors"]).success();
    let headline = format!("{address}: udp, prefix \"서버로부터 응답: \"\n\n✓ answers ");
    assert!(stdout.starts_with(&headline), "{stdout}");
    let summary = "\n\n13 checks: 13 passed, 0 failed, 0 not tried\n";
    assert!(stdout.ends_with(summary), "{stdout}");
    assert!(!stdout.contains('\x1b'), "colors in a pipe: {stdout:?}");
    let stdout = checker(&["udp", &address, "--lang", "ko", "--only", "answers"]).success();
    assert_contains(&stdout, &["접두어", "검사 1개: 통과 1"]);
}

#[test]
fn grader_reads_json() {
    let start = format!("{:?} {{address}}", example("tcp_1_tutorial"));
    let only = ["--only", "one-shot", "--only", "error-reaches-client"];
    let end = checker(&[&["tcp", "--json", "--start", &start], &only[..]].concat());
    let lines = complaint(end);
    let parse = |line| serde_json::from_str(line).unwrap();
    let lines: Vec<Value> = lines.lines().map(parse).collect();
    let [again, _, error, summary] = &lines[..] else {
        panic!("{lines:?}")
    };
    for (line, pointer, expected) in [
        (again, "/outcome", "failed"),
        (again, "/state", "✗"),
        (again, "/trap", "one-shot"),
        (again, "/page", "docs/en/how-it-breaks.md#one-shot"),
        (again, "/failure/ended", "exit status: 0"),
        (again, "/failure/conversation/1", "send \"안녕하세요\""),
        (error, "/outcome", "not tried"),
        (error, "/state", "–"),
    ] {
        assert_eq!(line.pointer(pointer).unwrap(), expected, "{line}");
    }
    let symptom = again["failure"]["symptom"].as_str().unwrap();
    assert!(["ended", "reset"].contains(&symptom), "{symptom}"); // the system's choice
    let counts = serde_json::json!({"passed": 0, "failed": 2, "not_tried": 1});
    assert_eq!(summary["summary"], counts);
}

#[test]
fn wrong_usage_and_absent_server_exit_with_2() {
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let absent = free_address();
    let occupied = format!("tcp {} --start cargo", occupied.local_addr().unwrap());
    let refused = "Nothing listens there (connection refused)";
    for (arguments, sentence) in [
        (&*format!("tcp {absent}"), refused),
        (&format!("udp {absent}"), refused),
        ("tcp --start no-such-program", "run: no-such-program: "),
        ("tcp --start cargo", "ended before a client could connect"),
        (&occupied, "Another program already uses"),
        ("tcp --start 'a", "is not closed"),
        ("tcp 127.0.0.1:", "the port after the colon is missing"),
        ("tcp --framing lines", "[possible values: chunk, line, raw]"),
        ("udp --framing line", "--framing is for TCP"),
        ("tcp --only split-charcter", "name is split-character"),
        ("udp --only half-close", "half-close does not apply to udp"),
        ("tcp --timeout 0", "write a number of seconds, such as 5"),
    ] {
        let error = checker(&arguments.split(' ').collect::<Vec<_>>()).failure(2);
        assert_contains(&error, &[sentence]);
        assert!(!error.contains("os error"), "{error}");
    }
}

#[test]
fn list_needs_no_server() {
    let stdout = checker(&["tcp", "--list", "--only", "accept-error"]).success(); // the name of a trap
    assert_eq!(
        stdout,
        "connect-and-close\n    The checker connects 100 clients that leave without sending.\n    \
         A good server serves the clients that follow.\n    docs/en/how-it-breaks.md#accept-error\n"
    );
    let stdout = checker(&["udp", "--list", "--json", "--only", "answers"]).success();
    let line: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(line["action"], "sends one message");
}

/// `python my_server.py`, the port in its source, and no `SO_REUSEADDR`: each check starts it again.
#[test]
#[ignore = "needs python3"]
fn server_with_own_port_is_started_again() {
    let port = free_address().port();
    let source = format!(
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', {port})); s.listen(); \
         c, _ = s.accept(); c.sendall('{PREFIX}'.encode() + c.recv(1024)); c.close()"
    );
    let program = python().get_program().to_string_lossy().into_owned();
    let start = format!("{program} -c \"{source}\"");
    let address = format!("127.0.0.1:{port}");
    let stdout = complaint(checker(&["tcp", &address, "--start", &start]));
    let ended = "Your program ended in this check (exit status: 0), and printed nothing.\n";
    assert_contains(&stdout, &["✓ still-there", "18 checks: 7 passed", ended]);
}

#[test]
fn each_check_has_wrong_server_and_page() {
    let names: HashSet<_> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len(), "two checks have the same name");
    let caught = WRONG.iter().map(|wrong| wrong.3);
    let caught = caught.filter(|check| *check != "late");
    assert_eq!(names, caught.chain(["still-there"]).collect()); // that one has a test of its own
    for language in ["en", "ko"] {
        for check in &CHECKS {
            let page = check.page();
            let (file, heading) = page.split_once('#').unwrap_or((&page, ""));
            let text = std::fs::read_to_string(root().join("docs").join(language).join(file));
            let text = text.unwrap_or_else(|error| panic!("{language}/{file}: {error}"));
            let has_heading = text.lines().any(|line| line == format!("## {heading}"));
            assert!(heading.is_empty() || has_heading, "{language}/{page}");
            assert!(heading.is_empty() || TRAPS.contains(&heading), "{page}");
        }
    }
}

/// Whatever a server does, no check goes on forever.
#[test]
fn each_check_ends_even_if_the_server_does_not() {
    let silent = serve(true, |stream| {
        io::copy(&mut &stream, &mut io::sink()).map(drop)
    });
    let endless = serve(true, |mut stream| {
        loop {
            stream.write_all(PREFIX.repeat(9).as_bytes())?;
        }
    });
    let slow = serve(true, |mut stream| {
        loop {
            stream.write_all("서".as_bytes())?;
            thread::sleep(Duration::from_millis(10)); // being slow is what it is for
        }
    });
    let deaf = serve(true, |stream| {
        thread::sleep(Duration::from_secs(60)); // it holds the connection without reading
        drop(stream);
        Ok(())
    });
    let started = Instant::now();
    in_parallel([silent, endless, slow, deaf], |address| {
        in_parallel(&CHECKS, |check| {
            let mut target = target(address, Pattern::Threaded, Framing::Chunk, PREFIX);
            target.limits.timeout = Duration::from_millis(50);
            target.all = true;
            drop(checker::run(&target, &[check], |_| {}));
        });
    });
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "it took {took:?}");
}

/// A text, cut into pieces before some of its characters.
fn pieces() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-z가-힣🦀]{1,9}", 1..9)
}

proptest! {
    /// However a server cuts a text into chunks, and the network its replies into reads, it is the
    /// reply to that text.
    #[test]
    fn any_chunks_are_the_reply(pieces in pieces(), prefix in "[<>: ]{0,4}", reads in 1_usize..9) {
        let reply: String = pieces.iter().map(|piece| format!("{prefix}{piece}")).collect();
        let mut expected = Reply::chunks(&prefix, pieces.concat());
        let matched: Vec<_> = reply.as_bytes().chunks(reads).map(|read| expected.push(read)).collect();
        let (last, before) = matched.split_last().unwrap();
        prop_assert_eq!(*last, Match::Whole);
        prop_assert!(before.iter().all(|matched| *matched == Match::Partial));
        prop_assert_eq!(expected.push(b"x"), Match::No);
    }

    /// A reply with one byte changed is never taken for right.
    #[test]
    fn changed_byte_is_noticed(
        pieces in pieces(),
        prefix in "[<>: ]{0,4}",
        at: prop::sample::Index,
        by in 1_u8..,
    ) {
        let reply: String = pieces.iter().map(|piece| format!("{prefix}{piece}")).collect();
        let mut reply = reply.into_bytes();
        let at = at.index(reply.len());
        reply[at] ^= by;
        prop_assert_ne!(Reply::chunks(&prefix, pieces.concat()).push(&reply), Match::Whole);
    }
}
