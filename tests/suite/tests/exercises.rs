//! The six exercises that the checker judges (docs/*/exercises.md), in Rust and in Python.

use std::{fs, thread};

use suite::{assert_contains, command, example, finish, python, root};

/// For each exercise: the checker's arguments, the starter, the solution, what the checker says of the
/// starter, and a wrong answer in `known_wrong/` of which it says the same.
const EXERCISES: [[&str; 5]; 6] = [
    [
        "tcp --only answers-again --only second-client",
        "tcp_1_tutorial",
        "tcp_2_loops",
        "The trap one-shot: ",
        "answers-again-answersonce-tcp-line",
    ],
    [
        "tcp --only reset-by-peer",
        "tcp_2_loops",
        "tcp_3_errors",
        "The trap reset-by-peer: ",
        "reset-by-peer-diesofareset-tcp-chunk",
    ],
    [
        "tcp --only split-character",
        "tcp_3_errors",
        "tcp_4_characters",
        "The trap split-character: ",
        "split-character-decodeseachread-tcp-chunk",
    ],
    [
        "udp --only truncated-datagram --only bad-bytes",
        "udp_1_tutorial",
        "udp_2_any_datagram",
        "The trap truncated-datagram: ",
        "truncated-datagram-hasasmallbuffer-udp-chunk",
    ],
    [
        "udp --only echo-loop",
        "udp_2_any_datagram",
        "udp_3_no_echo_loop",
        "The trap echo-loop: ",
        "echo-loop-answersreplies-udp-chunk",
    ],
    [
        "threaded --only one-at-a-time",
        "tcp_3_errors",
        "threads_2_scope",
        "The trap one-at-a-time: ",
        "one-at-a-time-servesoneatatime-threaded-chunk",
    ],
];

/// Puts each starter and each solution through the checks that judge the exercise.
fn assert_judged(start: fn(&str) -> String) {
    let judge = |arguments: &str, step| {
        let start = start(step);
        let mut words: Vec<_> = arguments.split(' ').collect();
        words.extend(["--lang", "en", "--start", &start]);
        finish(command("checker", &words), "")
    };
    thread::scope(|scope| {
        for [arguments, starter, solution, sentence, _] in EXERCISES {
            scope.spawn(move || {
                let red = judge(arguments, starter);
                assert_eq!((red.code, red.stderr.as_str()), (Some(1), ""), "{starter}");
                assert_contains(&red.stdout, &[sentence]);
                let green = judge(arguments, solution).success();
                for name in arguments.split(" --only ").skip(1) {
                    assert_contains(&red.stdout, &[&format!("✗ {name}")]);
                    assert_contains(&green, &[&format!("✓ {name}")]);
                }
            });
        }
    });
}

#[test]
fn starters_are_red_and_solutions_green() {
    assert_judged(|step| format!("'{}' {{address}}", example(step).display()));
}

#[test]
#[ignore = "needs python3"]
fn python_starters_are_red_and_solutions_green() {
    assert_judged(|step| {
        let (python, step) = (python(), root().join("docs/python").join(step));
        let python = python.get_program().to_string_lossy();
        format!("{python} '{}.py' {{address}}", step.display())
    });
}

/// The tests in `known_wrong` hold these files to what the checker prints.
#[test]
fn wrong_answers_get_the_same_sentence() {
    for [arguments, .., sentence, wrong] in EXERCISES {
        let mut names = arguments.split(" --only ").skip(1);
        assert!(names.any(|name| wrong.starts_with(name)));
        let path = format!("tests/suite/tests/known_wrong/{wrong}.txt");
        let output = fs::read_to_string(root().join(path)).expect(wrong);
        assert_contains(&output, &[sentence]);
    }
}

#[test]
fn preflight_finds_loopback() {
    let end = finish(command("checker", &["preflight", "--lang", "en"]), ""); // the port may be taken
    assert_contains(
        &end.stdout,
        &["✓ TCP works", "✓ UDP works", "\n? Do both lines"],
    );
}
