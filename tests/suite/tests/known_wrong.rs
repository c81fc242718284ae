use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use std::{env, fs};

use checker::Framing::{Chunk, Line, Raw};
use checker::Pattern::{Tcp, Threaded, Udp};
use checker::{
    CHECKS, Check, Framing, Language, Limits, Outcome, Pattern, Report, ServerSpec, Source, Target,
    run,
};

use crate::reference::{Defect, Reference};

/// A server that is known to be wrong, and the first check that finds it out.
type Wrong = (Defect, Pattern, Framing, &'static str);

/// At least one for each check but the last, which has a test of its own. Their prefix is `> `.
pub static WRONG: [Wrong; 44] = [
    (Defect::DropsNewline, Tcp, Line, "answers"),
    (Defect::AddsNewline, Tcp, Chunk, "answers"),
    (Defect::DoublesReplies, Threaded, Line, "answers"),
    (Defect::DoublesReplies, Udp, Chunk, "answers"),
    (Defect::AnswersOnce, Tcp, Line, "answers-again"),
    (Defect::DropsDuplicates, Udp, Chunk, "answers-again"),
    (Defect::ServesOneClient, Tcp, Chunk, "answers-again"),
    (Defect::ForgetsClients, Threaded, Raw, "answers-again"),
    (Defect::MixesUpAddresses, Udp, Chunk, "second-client"),
    (Defect::FormatsTwice, Tcp, Chunk, "literal-braces"),
    (Defect::FormatsTwice, Udp, Chunk, "literal-braces"),
    (Defect::EscapesQuotes, Tcp, Line, "bytes-not-text"),
    (Defect::EscapesQuotes, Udp, Chunk, "bytes-not-text"),
    (Defect::StripsCr, Tcp, Chunk, "byte-exactness"),
    (Defect::StripsCr, Udp, Raw, "byte-exactness"),
    (Defect::TakesAReadForALine, Tcp, Line, "partial-read"),
    (Defect::DecodesEachRead, Tcp, Chunk, "split-character"),
    (Defect::DropsTheLastLine, Tcp, Line, "half-close"),
    (Defect::AnswersTheEnd, Tcp, Chunk, "end-of-stream"),
    (Defect::TakesAnyLine, Tcp, Line, "too-long-line"),
    (Defect::CountsTheLineEnding, Tcp, Line, "too-long-line"),
    (Defect::ClosesAtOnce, Tcp, Chunk, "error-reaches-client"),
    (Defect::ClosesAtOnce, Tcp, Line, "error-reaches-client"),
    (Defect::WritesTwice, Tcp, Line, "two-small-writes"),
    (Defect::LosesOneReply, Tcp, Line, "write-all-then-read"),
    (Defect::QueuesWithoutEnd, Tcp, Chunk, "bounded-memory"),
    (Defect::ServesOneAtATime, Threaded, Chunk, "one-at-a-time"),
    (
        Defect::ReadsBeforeTheThread,
        Threaded,
        Chunk,
        "silent-client",
    ),
    (
        Defect::HasFewPermits,
        Threaded,
        Chunk,
        "simultaneous-clients",
    ),
    (Defect::LocksWhileWriting, Threaded, Raw, "never-reads"),
    (Defect::IgnoresEmptyDatagrams, Udp, Chunk, "empty-datagram"),
    (Defect::HasASmallBuffer, Udp, Chunk, "truncated-datagram"),
    (Defect::IsSilentAboutSize, Udp, Chunk, "largest-datagram"),
    (Defect::AnswersReplies, Udp, Chunk, "echo-loop"),
    (Defect::AnswersErrors, Udp, Chunk, "echo-loop"),
    (Defect::DiesOfAClosedPort, Udp, Chunk, "closed-port"),
    (Defect::DecodesLossily, Tcp, Chunk, "bad-bytes"),
    (Defect::DecodesLossily, Udp, Chunk, "bad-bytes"),
    (Defect::CountsFromTheRead, Tcp, Chunk, "bad-bytes"),
    (Defect::ClosesOnABadLine, Tcp, Line, "bad-bytes"),
    (Defect::DiesOfAnEmptyStream, Tcp, Chunk, "connect-and-close"),
    (Defect::DiesOfAReset, Tcp, Chunk, "reset-by-peer"),
    (Defect::DiesOfAReset, Threaded, Line, "reset-by-peer"),
    (Defect::AnswersLate, Tcp, Chunk, "late"),
];

fn spec(pattern: Pattern, framing: Framing, prefix: &str) -> ServerSpec {
    ServerSpec {
        exact_errors: true,
        ..ServerSpec::new(pattern, framing, prefix)
    }
}

fn target(server: &Reference, spec: &ServerSpec, limits: Limits) -> Target {
    Target {
        limits,
        ..Target::new(Source::Running(server.address), spec)
    }
}

/// Much less than a real run does, but with patience: no result may depend on how busy the machine is.
const LIGHT: Limits = Limits {
    timeout: Duration::from_secs(30),
    stall: Duration::from_millis(100),
    clients: 8,
    bytes: 1 << 20,
};

fn all_checks() -> Vec<&'static Check> {
    CHECKS.iter().collect()
}

/// A correct server passes all checks, whatever it claims to be, and under heavy use.
#[test]
fn reference_server_passes_all_checks() {
    let check = |pattern: Pattern, framing: Framing, prefix: &str| {
        let spec = spec(pattern, framing, prefix);
        let server = Reference::start(&spec, None);
        let limits = Limits {
            clients: 20,
            ..LIGHT
        };
        for verdict in run(&target(&server, &spec, limits), &all_checks(), |_| {}).unwrap() {
            let outcome = verdict.outcome;
            assert!(matches!(outcome, Outcome::Passed), "{spec}: {outcome:?}");
        }
    };
    thread::scope(|scope| {
        for pattern in [Tcp, Threaded, Udp] {
            for framing in [Chunk, Line, Raw] {
                // The last two prefixes are the beginnings of what is sent.
                let prefixes = ["서버로부터 응답: ", "", "x", "안"];
                let prefixes = prefixes
                    .into_iter()
                    .take(if framing == Chunk { 4 } else { 1 });
                scope.spawn(move || prefixes.for_each(|prefix| check(pattern, framing, prefix)));
            }
        }
    });
}

/// The last check finds out whether the server is still there; so here it no longer is.
#[test]
fn server_that_ends_after_a_check_fails_that_check() {
    for pattern in [Tcp, Threaded, Udp] {
        let spec = spec(pattern, Chunk, "> ");
        let mut server = Some(Reference::start(&spec, None));
        let target = target(server.as_ref().unwrap(), &spec, LIGHT);
        let verdicts = run(&target, &all_checks(), |event| {
            if matches!(event, checker::Event::Began("still-there")) {
                server.take();
            }
        });
        let mut verdicts = verdicts.unwrap().into_iter().rev();
        assert!(matches!(
            verdicts.next().unwrap().outcome,
            Outcome::NotRun(_)
        ));
        assert!(matches!(
            verdicts.next().unwrap().outcome,
            Outcome::Failed(_)
        ));
        assert!(verdicts.all(|verdict| matches!(verdict.outcome, Outcome::Passed)));
    }
}

/// Each of these files is what the author of such a server reads. After a change of wording,
/// `UPDATE_KNOWN_WRONG=1 cargo test -p suite known_wrong` writes them anew, for review.
#[test]
fn each_wrong_server_is_named_for_what_it_is() {
    let queue = Mutex::new(WRONG.iter());
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some(wrong) = next else { return };
                    // Which of the two arrives, the error or the reset, is the system's choice.
                    if cfg!(target_os = "linux") || wrong.3 != "error-reaches-client" {
                        compare_output(wrong);
                    }
                }
            });
        }
    });
}

fn compare_output(wrong: &Wrong) {
    let (defect, pattern, framing, check) = *wrong;
    let name = format!("{check}-{defect:?}-{pattern:?}-{framing:?}.txt").to_lowercase();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/known_wrong")
        .join(&name);
    let output = output_for(wrong);
    if env::var_os("UPDATE_KNOWN_WRONG").is_some() {
        return fs::write(path, output).unwrap();
    }
    let stored = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(output, stored, "{name}");
}

/// Returns what the checker prints of such a server, up to the check that finds it out.
fn output_for(&(defect, pattern, framing, check): &Wrong) -> String {
    let mut spec = spec(pattern, framing, "> ");
    spec.exact_errors = defect == Defect::CountsFromTheRead;
    let server = Reference::start(&spec, Some(defect));
    // As much as it takes to see the defect, and not much patience where silence is the defect.
    let mut target = target(&server, &spec, LIGHT);
    target.limits.clients = 100;
    target.limits.timeout = Duration::from_secs(if check == "late" { 2 } else { 3 });
    if check == "bounded-memory" {
        target.limits.stall = Duration::from_secs(3);
    }
    let last = CHECKS.iter().position(|known| known.name == check);
    let checks = &all_checks()[..=last.unwrap_or(0)];
    let report = Report(Language::En);
    let output = match run(&target, checks, |_| {}) {
        Err(found) => report.classification(&found),
        Ok(verdicts) => {
            let marks: String = verdicts
                .iter()
                .map(|verdict| report.mark(verdict))
                .collect();
            let verdict = verdicts.last().unwrap();
            let Outcome::Failed(failure) = &verdict.outcome else {
                panic!("{defect:?} passes {check}: {marks}");
            };
            let explained = report.explain(verdict.check, failure);
            format!("{marks}\n{explained}\n{}", report.summary(&verdicts, 1))
        }
    };
    let varying = "late two-small-writes simultaneous-clients closed-port connect-and-close \
                   reset-by-peer";
    match varying.contains(check) {
        true => without_numbers(&without_colors(&output)),
        false => without_colors(&output),
    }
}

fn without_colors(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or(part, |(_, rest)| rest)
    })
}

/// Replaces each number with `#`, where it depends on which of many clients is served when.
fn without_numbers(text: &str) -> String {
    let mut text = text.replace(|c: char| c.is_ascii_digit(), "#");
    while text.contains("##") {
        text = text.replace("##", "#");
    }
    text
}
