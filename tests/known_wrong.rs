use std::thread;
use std::time::Duration;

use tests::Framing::{Chunk, Line, Raw};
use tests::Pattern::{Tcp, Threaded, Udp};
use tests::Symptom::{Costly, Different, Ended, Reset, Silent};
use tests::{CHECKS, Check, Claim, Effort, Failure, Framing, Outcome, Pattern, Symptom, Target};

use crate::reference::{Defect, Reference};

/// A server that is known to be wrong, and how that has to be found out.
pub struct Wrong {
    defect: Defect,
    claim: (Pattern, Framing),
    /// The check that it is made for.
    pub fails: &'static str,
    symptom: Symptom,
    /// A part of the sentence that explains it.
    says: &'static str,
    /// The checks that such a server cannot but fail as well.
    also: &'static [&'static str],
}

const fn wrong(
    defect: Defect,
    claim: (Pattern, Framing),
    fails: &'static str,
    (symptom, says): (Symptom, &'static str),
    also: &'static [&'static str],
) -> Wrong {
    Wrong { defect, claim, fails, symptom, says, also }
}

/// At least one for each check but the last, which has a test of its own. Their prefix is `> `.
pub static WRONG: [Wrong; 40] = [
    wrong(Defect::IgnoresTheFirst, (Tcp, Chunk), "answers", (Ended, "the server ended the connection"), &[]),
    wrong(Defect::IgnoresTheFirst, (Udp, Chunk), "answers", (Silent, "nothing came"), &[]),
    wrong(
        Defect::AnswersOnce,
        (Tcp, Line),
        "answers-again",
        (Ended, "the same client, for the second time: sent \"안녕하세요\\n\""),
        &[
            "byte-exactness",
            "partial-read",
            "split-character",
            "too-long-line",
            "two-small-writes",
            "write-all-then-read",
            "bad-bytes",
        ],
    ),
    wrong(Defect::DropsDuplicates, (Udp, Chunk), "answers-again", (Silent, "the second time"), &[]),
    wrong(
        Defect::ServesOneClient,
        (Tcp, Chunk),
        "second-client",
        (Silent, "a second client, after the first has left: sent \"둘째\""),
        &[],
    ),
    wrong(Defect::MixesUpAddresses, (Udp, Chunk), "second-client", (Silent, "in turns with"), &[]),
    wrong(Defect::FormatsTwice, (Tcp, Chunk), "literal-braces", (Different, "\"> 중괄호 중괄호"), &[]),
    wrong(Defect::FormatsTwice, (Udp, Chunk), "literal-braces", (Different, "\"> 중괄호 중괄호"), &[]),
    wrong(Defect::EscapesQuotes, (Tcp, Line), "bytes-not-text", (Different, "b\\'"), &[]),
    wrong(Defect::EscapesQuotes, (Udp, Chunk), "bytes-not-text", (Different, "b\\'"), &[]),
    wrong(Defect::StripsCr, (Tcp, Chunk), "byte-exactness", (Different, "\"> a CR  inside\" came"), &[]),
    wrong(Defect::StripsCr, (Udp, Raw), "byte-exactness", (Different, "\"a CR  inside\" came"), &[]),
    wrong(
        Defect::TakesAReadForALine,
        (Tcp, Line),
        "partial-read",
        (Silent, "only \"> line 1\\n\" came"),
        &["split-character", "write-all-then-read", "bounded-memory", "bad-bytes"],
    ),
    wrong(
        Defect::DecodesEachRead,
        (Tcp, Chunk),
        "split-character",
        // It comes with the answer to the message before, or behind it.
        (Different, "error: not UTF-8: byte 0xC3 at offset 1\\n\" came"),
        &[],
    ),
    wrong(Defect::DropsTheLastLine, (Tcp, Line), "half-close", (Ended, "the end of the stream"), &["bad-bytes"]),
    wrong(
        Defect::AnswersTheEnd,
        (Tcp, Chunk),
        "end-of-stream",
        (Different, "expected the end of the connection, but \"> \" came"),
        &[],
    ),
    wrong(
        Defect::TakesAnyLine,
        (Tcp, Line),
        "too-long-line",
        (Different, "(65,538 bytes), expected \"error: line longer than 65536 bytes\\n\", but \"> 00000 00001"),
        &["error-reaches-client"],
    ),
    wrong(Defect::CountsTheLineEnding, (Tcp, Line), "too-long-line", (Different, "\"error: line longer than"), &[]),
    wrong(Defect::ClosesAtOnce, (Tcp, Chunk), "error-reaches-client", (Reset, "the connection was reset"), &[]),
    wrong(Defect::ClosesAtOnce, (Tcp, Line), "error-reaches-client", (Reset, "the connection was reset"), &[]),
    wrong(Defect::WritesTwice, (Tcp, Line), "two-small-writes", (Costly, "of 10 came in pieces, up to "), &[]),
    wrong(
        Defect::LosesOneReply,
        (Tcp, Chunk),
        "write-all-then-read",
        (Different, "sent 4,194,304 bytes in lines of 1024"),
        &[],
    ),
    wrong(
        Defect::QueuesWithoutEnd,
        (Tcp, Chunk),
        "bounded-memory",
        (Costly, "sent 67,108,864 bytes without reading any"),
        &[],
    ),
    wrong(
        Defect::ServesOneAtATime,
        (Threaded, Chunk),
        "one-at-a-time",
        (Silent, "a second client, while the first is still there"),
        &["silent-client", "never-reads"],
    ),
    wrong(
        Defect::ReadsBeforeTheThread,
        (Threaded, Chunk),
        "silent-client",
        (Silent, "while another client is silent"),
        &[],
    ),
    wrong(Defect::HasFewSeats, (Threaded, Chunk), "simultaneous-clients", (Ended, " of 50 at once"), &[]),
    wrong(
        Defect::LocksWhileWriting,
        (Threaded, Raw),
        "never-reads",
        (Silent, "while another client sends and never reads"),
        &[],
    ),
    wrong(
        Defect::IgnoresEmptyDatagrams,
        (Udp, Chunk),
        "empty-datagram",
        (Silent, "sent an empty datagram, expected \"> \", but nothing came"),
        &[],
    ),
    wrong(
        Defect::HasASmallBuffer,
        (Udp, Chunk),
        "truncated-datagram",
        (Different, "(1,025 bytes), expected"),
        &["largest-datagram"],
    ),
    wrong(Defect::IsSilentAboutSize, (Udp, Chunk), "largest-datagram", (Silent, "does not fit in one datagram\""), &[]),
    wrong(Defect::AnswersReplies, (Udp, Chunk), "echo-loop", (Different, "but \"> > 메아리\" came"), &[]),
    wrong(Defect::AnswersErrors, (Udp, Chunk), "echo-loop", (Different, "but \"> error: 메아리\" came"), &[]),
    wrong(
        Defect::DiesOfAClosedPort,
        (Udp, Chunk),
        "closed-port",
        (Silent, "clients that did not wait: sent \"다음\""),
        &[],
    ),
    wrong(Defect::DecodesLossily, (Tcp, Chunk), "bad-bytes", (Different, "\u{fffd}"), &["error-reaches-client"]),
    wrong(Defect::DecodesLossily, (Udp, Chunk), "bad-bytes", (Different, "\u{fffd}"), &[]),
    wrong(Defect::CountsFromTheRead, (Tcp, Chunk), "bad-bytes", (Different, "0xFF at offset 6"), &[]),
    wrong(Defect::ClosesOnABadLine, (Tcp, Line), "bad-bytes", (Ended, "0xFF at offset 6\\n\" came, and then"), &[]),
    wrong(
        Defect::DiesOfAnEmptyStream,
        (Tcp, Chunk),
        "connect-and-close",
        (Silent, "clients that left without a word: sent \"다음\""),
        &[],
    ),
    wrong(
        Defect::DiesOfAReset,
        (Tcp, Chunk),
        "reset-by-peer",
        (Silent, "clients that asked and reset their connections"),
        &[],
    ),
    wrong(
        Defect::DiesOfAReset,
        (Threaded, Line),
        "reset-by-peer",
        (Silent, "clients that asked and reset their connections"),
        &[],
    ),
];

fn claim((pattern, framing): (Pattern, Framing)) -> Claim {
    Claim { pattern, framing, prefix: "> ".to_owned() }
}

/// How a server does in the checks that `wanted` picks: those which it fails, and why.
fn failures(
    server: &Reference,
    claim: &Claim,
    effort: Effort,
    wanted: impl Fn(&Check) -> bool,
) -> Vec<(&'static str, Failure)> {
    let target = Target { address: server.address, claim: claim.clone(), effort };
    let mut failures = Vec::new();
    let checks = CHECKS.iter().copied().filter(|check| wanted(check));
    let summary = tests::run(&target, checks, |check, outcome, _| {
        if let Outcome::Failed(failure) = outcome {
            failures.push((check.name, failure.clone()));
        }
    });
    let summary = summary.expect("it is there");
    assert!(summary.passed + summary.failed > 0, "no check applies to {claim}");
    failures
}

/// Much less than a real check does, but with patience: nothing here may depend on how busy the machine is.
const LITTLE: Effort =
    Effort { timeout: Duration::from_secs(30), stall: Duration::from_millis(20), clients: 8, bytes: 1 << 20 };

/// A good server passes all checks, whatever it claims to be, and when much is asked of it too.
#[test]
fn the_reference_server_passes_everything() {
    let much = Effort { clients: 100, bytes: 8 << 20, ..LITTLE };
    for pattern in [Tcp, Threaded, Udp] {
        for framing in [Chunk, Line, Raw] {
            // The last two are the beginnings of what is sent.
            for prefix in ["서버로부터 응답: ", "", "x", "안"] {
                let claim = Claim { pattern, framing, prefix: prefix.to_owned() };
                let server = Reference::start(&claim, None);
                let failures = failures(&server, &claim, much, |_| true);
                assert!(failures.is_empty(), "{claim}: {failures:#?}");
            }
        }
    }
}

/// Each is caught by the check that is made for it, for the reason that it is made for, and passes all others.
#[test]
fn each_known_wrong_server_fails_its_check_and_no_other() {
    thread::scope(|scope| WRONG.iter().for_each(|wrong| drop(scope.spawn(|| wrong.is_caught()))));
}

/// The last check asks whether the server is still there, so what is wrong here is that it is not.
#[test]
fn a_server_that_ends_behind_all_others_is_missed_by_the_last_check() {
    for pattern in [Tcp, Threaded, Udp] {
        let claim = claim((pattern, Chunk));
        let server = Reference::start(&claim, None);
        let target = Target { address: server.address, claim, effort: LITTLE };
        let mut server = Some(server);
        let mut failures = Vec::new();
        let summary = tests::run(&target, CHECKS, |check, outcome, _| {
            if check.name == "reset-by-peer" || (pattern == Udp && check.name == "bad-bytes") {
                server = None;
            }
            if let Outcome::Failed(failure) = outcome {
                failures.push((check.name, failure.clone()));
            }
        });
        let [("still-there", failure)] = &failures[..] else { panic!("{failures:#?}") };
        assert_eq!(failure.symptom, Symptom::Refused);
        assert!(failure.to_string().contains("nothing listens there"), "{failure}");
        assert_eq!(summary.unwrap().not_tried, 0);
    }
}

impl Wrong {
    fn is_caught(&self) {
        let (claim, who) = (claim(self.claim), format!("{:?} as {:?}", self.defect, self.claim));
        let start = || Reference::start(&claim, Some(self.defect));
        let mut server = start();
        for expected in [self.fails].iter().chain(self.also) {
            let failures = failures(&server, &claim, self.effort(expected), |check| check.name == *expected);
            let [(_, failure)] = &failures[..] else { panic!("{who} passes {expected}") };
            if *expected == self.fails {
                assert_eq!(failure.symptom, self.symptom, "{who}: {failure}");
                assert!(failure.to_string().contains(self.says), "{who}: {failure}");
            }
            if self.defect != Defect::IgnoresTheFirst {
                server = start(); // the check may have been the end of the other
            }
        }
        if self.defect == Defect::ServesOneClient {
            return; // there is no second check that it could pass
        }
        let is_other = |check: &Check| check.name != self.fails && !self.also.contains(&check.name);
        let failures = failures(&server, &claim, LITTLE, is_other);
        assert!(failures.is_empty(), "{who} fails others too: {failures:#?}");
    }

    /// As much as it takes to see the defect, and not much patience where no answer is what is expected.
    fn effort(&self, check: &str) -> Effort {
        let full = Effort { stall: Duration::from_secs(5), clients: 100, bytes: 4 << 20, ..LITTLE };
        let is_silent = self.symptom == Silent || check != self.fails;
        if !is_silent {
            return full;
        }
        Effort { timeout: Duration::from_secs(2), stall: Duration::from_secs(1), ..full }
    }
}
