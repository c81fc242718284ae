//! The six exercises that the checker judges (docs/*/exercises.md), in Rust and in Python.

use std::{fs, thread};

use suite::{assert_contains, command, example, finish, python, root};

/// For each exercise: the arguments of the checker, the starter, the solution, what the checker says to
/// the starter, and a wrong answer of `known_wrong/` with the sentence that its author reads.
const EXERCISES: [[&str; 6]; 6] = [
    [
        "tcp --only answers-again --only second-client",
        "tcp_1_tutorial",
        "tcp_2_loops",
        "The trap one-shot: accept or recv is called only once",
        "answers-again-answersonce-tcp-line",
        "one reply does not end a connection",
    ],
    [
        "tcp --only reset-by-peer",
        "tcp_2_loops",
        "tcp_3_errors",
        "Your program ended in this check",
        "reset-by-peer-diesofareset-tcp-chunk",
        "The trap reset-by-peer",
    ],
    [
        "tcp --only split-character",
        "tcp_3_errors",
        "tcp_4_characters",
        "The trap split-character",
        "split-character-decodeseachread-tcp-chunk",
        "keeps the first bytes of a character until the rest arrives",
    ],
    [
        "udp --only truncated-datagram --only bad-bytes",
        "udp_1_tutorial",
        "udp_2_any_datagram",
        "The trap truncated-datagram",
        "truncated-datagram-hasasmallbuffer-udp-chunk",
        "The trap truncated-datagram",
    ],
    [
        "udp --only echo-loop",
        "udp_2_any_datagram",
        "udp_3_no_echo_loop",
        "The trap echo-loop",
        "echo-loop-answersreplies-udp-chunk",
        "The trap echo-loop",
    ],
    [
        "threaded --only one-at-a-time",
        "tcp_3_errors",
        "threads_2_scope",
        "The trap one-at-a-time",
        "one-at-a-time-servesoneatatime-threaded-chunk",
        "The trap one-at-a-time",
    ],
];

/// Puts each starter and each solution through the checks that judge the exercise.
fn assert_judged(start: fn(&str) -> String) {
    thread::scope(|scope| {
        for [arguments, starter, solution, sentence, ..] in EXERCISES {
            let names: Vec<_> = arguments.split(" --only ").skip(1).collect();
            let judge = move |server: &str| {
                let arguments: Vec<_> = arguments.split(' ').collect();
                let more = ["--lang", "en", "--start", &start(server)];
                finish(command("checker", &[&arguments[..], &more].concat()), "")
            };
            let marked = move |mark| names.iter().map(|name| format!("{mark} {name}")).collect();
            scope.spawn(move || {
                let marks: [Vec<String>; 2] = ["✗", "✓"].map(marked);
                let red = judge(starter);
                assert_eq!((red.code, red.stderr.as_str()), (Some(1), ""), "{starter}");
                let red = red.stdout.split_whitespace().collect::<Vec<_>>().join(" "); // unwrapped
                marks[0]
                    .iter()
                    .for_each(|mark| assert_contains(&red, &[mark, sentence]));
                let green = judge(solution).success();
                marks[1]
                    .iter()
                    .for_each(|mark| assert_contains(&green, &[mark]));
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
        let step = root().join("docs/python").join(step);
        format!("{} '{}.py' {{address}}", python_name(), step.display())
    });
}

fn python_name() -> String {
    let python = python();
    python.get_program().to_string_lossy().into_owned()
}

/// The tests of `known_wrong` hold these files to what the checker prints.
#[test]
fn wrong_answers_get_the_right_sentence() {
    for [arguments, .., wrong, sentence] in EXERCISES {
        let is_judge = |name: &&str| wrong.starts_with(*name);
        assert!(arguments.split(' ').any(|name| is_judge(&name)), "{wrong}");
        let path = format!("tests/suite/tests/known_wrong/{wrong}.txt");
        let output = fs::read_to_string(root().join(path)).expect(wrong);
        let output = output.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_contains(&output, &[sentence]);
    }
}
