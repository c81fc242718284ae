use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::check::Check;
use crate::classify::{Classification, FirstReply, classify};
use crate::client::{CheckContext, reset_all};
use crate::failure::{Checked, Failure, FailureKind, Outcome, Problem, ProgramEnd, Step, Verdict};
use crate::launch::{Command, fresh_port, is_free, is_taken};
use crate::spec::{Source, Target};
use crate::words::{Words, words};

/// What happens while the checks run.
#[derive(Debug)]
pub enum Event<'a> {
    /// This begins: a check, or finding out what the server is.
    Began(&'a str),
    /// The server is something else, and the checks go on regardless.
    Classified(&'a Classification),
    /// The port is still taken by connections of the program that has ended.
    PortTaken,
    /// This check is done.
    Finished(&'a Verdict),
}

/// Finds out what the server is, and puts it through those of these checks that apply to it.
///
/// # Errors
///
/// Returns what it is if it is not the server that it claims to be, unless the target says to go on.
pub fn run(
    target: &Target,
    checks: &[&'static Check],
    mut on_event: impl FnMut(Event<'_>),
) -> Result<Vec<Verdict>, Box<Classification>> {
    let on_event = &mut on_event;
    let mut runner = Runner {
        target,
        on_event,
        verdicts: Vec::new(),
        reported: 0,
        skip: None,
    };
    let is_exact = runner.classify()?;
    for check in checks
        .iter()
        .filter(|check| (check.applies_to)(&target.spec))
    {
        (runner.on_event)(Event::Began(check.name));
        let started = Instant::now();
        let outcome = runner.outcome(check, is_exact)?;
        if target.is_shared() {
            runner.report();
        }
        runner.verdicts.push(Verdict {
            check,
            outcome,
            took: started.elapsed(),
        });
        if !target.is_shared() {
            runner.report();
        }
    }
    runner.report();
    Ok(runner.verdicts)
}

struct Runner<'a> {
    target: &'a Target,
    on_event: &'a mut dyn FnMut(Event<'_>),
    verdicts: Vec<Verdict>,
    /// How many of them are reported. If the checks share a server, the last one waits until it is
    /// known that the server is still there.
    reported: usize,
    /// Why the other checks are not tried.
    skip: Option<Words>,
}

/// How one attempt went.
struct Attempt<T> {
    result: Checked<T>,
    was_reached: bool,
    program: Option<ProgramEnd>,
}

impl Runner<'_> {
    /// Returns `true` if the first reply is exactly right.
    fn classify(&mut self) -> Result<bool, Box<Classification>> {
        (self.on_event)(Event::Began("hello"));
        let Attempt {
            result, program, ..
        } = self.attempt(classify)?;
        let mut found = match result {
            Ok(FirstReply::Right(is_exact)) => return Ok(is_exact),
            Ok(FirstReply::Wrong(found)) => found,
            Err(Problem::Failed(failure)) => unreachable(*failure, program.as_ref()),
            Err(Problem::NotRun(why)) => Classification::unreachable(why),
        };
        found.program = program;
        if found.is_unreachable || !self.target.all {
            return Err(Box::new(found));
        }
        (self.on_event)(Event::Classified(&found));
        Ok(false)
    }

    fn outcome(
        &mut self,
        check: &'static Check,
        is_exact: bool,
    ) -> Result<Outcome, Box<Classification>> {
        if let Some(why) = &self.skip {
            return Ok(Outcome::NotRun(why.clone()));
        }
        let is_shared = self.target.is_shared();
        if is_shared && is_exact && check.name == "answers" {
            return Ok(Outcome::Passed); // just seen, and the server may serve one client only
        }
        let Attempt {
            result,
            was_reached,
            program,
        } = self.attempt(check.run)?;
        let mut failure = match result {
            Ok(()) => return Ok(Outcome::Passed),
            Err(Problem::NotRun(why)) => return Ok(Outcome::NotRun(why)),
            Err(Problem::Failed(failure)) => failure,
        };
        let is_refused = !was_reached && failure.kind == FailureKind::Refused;
        if is_shared && is_refused && self.blame_last(&failure) {
            return Ok(Outcome::NotRun(self.skip.clone().unwrap_or(failure.actual)));
        }
        if is_shared && (is_refused || self.has_gone()) {
            self.skip = Some(words("not-run.gone").with(check.name));
        } else if check.name == "answers" && !self.target.all {
            self.skip = Some(words("not-run.answers"));
        }
        failure.program = program;
        Ok(Outcome::Failed(failure))
    }

    /// Blames the check before for the end of a server that refuses the first connection of the next
    /// one. Returns `false` if that is `answers`: a server that ends after one reply has given it.
    fn blame_last(&mut self, refused: &Failure) -> bool {
        let last = self
            .verdicts
            .last_mut()
            .filter(|last| last.check.name != "answers");
        let Some(last) = last else { return false };
        let (expected, actual) = (words("expected.next-client"), refused.actual.clone());
        let steps = vec![Step {
            client: 0,
            words: last.check.action(),
        }];
        let failure = Failure::new(steps, expected, actual, FailureKind::Refused);
        last.outcome = Outcome::Failed(Box::new(failure));
        self.skip = Some(words("not-run.gone").with(last.check.name));
        true
    }

    /// Returns `true` if a new client gets no byte at all, not even a wrong one.
    fn has_gone(&mut self) -> bool {
        let attempt = self.attempt(|context| context.ask("are you there?"));
        let is_mute = |failure: &Failure| {
            let is_silent = matches!(failure.kind, FailureKind::Refused | FailureKind::Silent);
            is_silent && failure.difference.is_none()
        };
        match attempt.map(|attempt| attempt.result) {
            Ok(Err(Problem::Failed(failure))) => is_mute(&failure),
            _ => false,
        }
    }

    fn report(&mut self) {
        for verdict in &self.verdicts[self.reported..] {
            (self.on_event)(Event::Finished(verdict));
        }
        self.reported = self.verdicts.len();
    }

    /// Does this with the server: the one that is running, or one that is started for it.
    fn attempt<T>(
        &mut self,
        run: impl Fn(&CheckContext<'_>) -> Checked<T>,
    ) -> Result<Attempt<T>, Box<Classification>> {
        let (command, address) = match &self.target.source {
            Source::Started(command, address) => (command, *address),
            Source::Running(address) => {
                let context = CheckContext::new(self.target, *address, None);
                let (result, was_reached) = (run(&context), context.has_reached());
                return Ok(Attempt {
                    result,
                    was_reached,
                    program: None,
                });
            }
        };
        let is_stream = self.target.spec.is_stream();
        for is_last in [false, false, true] {
            let address = match command.takes_port() {
                true => fresh_port(address, is_stream),
                false => address,
            };
            let attempt = self.start_and_run(command, address, &run)?;
            let has_died = attempt
                .program
                .as_ref()
                .is_some_and(|program| program.status.is_some());
            if attempt.was_reached || !has_died || is_last {
                return Ok(attempt);
            }
            // It could not be bound to its port, or it ends whatever that is: the last try shows it.
            let started = Instant::now();
            while !is_free(address, is_stream) && started.elapsed() < PORT_TIMEOUT {
                (self.on_event)(Event::PortTaken);
                thread::sleep(Duration::from_millis(500)); // nothing reports the end of TIME_WAIT
            }
        }
        Err(Box::new(Classification::unreachable(
            words("class.occupied").with(address),
        )))
    }

    fn start_and_run<T>(
        &self,
        command: &Command,
        address: SocketAddr,
        run: &impl Fn(&CheckContext<'_>) -> Checked<T>,
    ) -> Result<Attempt<T>, Box<Classification>> {
        let stop = |why: Words| Box::new(Classification::unreachable(why));
        if is_occupied(address, self.target.spec.is_stream()) {
            return Err(stop(words("class.occupied").with(address)));
        }
        let program = command.start(address);
        let program = program.map_err(|error| stop(words("class.cannot-start").with(error)))?;
        let context = CheckContext::new(self.target, address, Some(&program));
        let (result, was_reached) = (run(&context), context.has_reached());
        let parked = context.take_parked();
        let status = result
            .is_err()
            .then(|| program.status_within(CRASH_TIME))
            .flatten();
        let program = Some(program.end(status));
        reset_all(&parked);
        Ok(Attempt {
            result,
            was_reached,
            program,
        })
    }
}

/// How long a crashing program may take to print why.
const CRASH_TIME: Duration = Duration::from_millis(400);

/// TIME_WAIT lasts 60 s on Linux, less on macOS, and longer where it is configured so.
const PORT_TIMEOUT: Duration = Duration::from_secs(120);

fn unreachable(failure: Failure, program: Option<&ProgramEnd>) -> Classification {
    let sentence = match (failure.kind, program) {
        (
            FailureKind::Refused,
            Some(ProgramEnd {
                status: Some(status),
                ..
            }),
        ) => words("class.program-ended").with(status),
        (FailureKind::Refused, Some(_)) => words("class.program-does-not-listen"),
        (FailureKind::Refused, None) => words("class.refused"),
        (FailureKind::Silent, _) => return Classification::new(words("class.not-accepted")),
        (FailureKind::Ended | FailureKind::Reset, _) => {
            return Classification::new(words("class.ended"));
        }
        _ => failure.actual,
    };
    Classification::unreachable(sentence)
}

/// Returns `true` if another server keeps this address: the last program may take a moment to end.
fn is_occupied(address: SocketAddr, is_stream: bool) -> bool {
    let started = Instant::now();
    while !is_free(address, is_stream) && is_taken(address, is_stream) {
        if started.elapsed() > Duration::from_secs(1) {
            return true;
        }
        thread::sleep(Duration::from_millis(20)); // nothing reports that a port becomes free
    }
    false
}
