use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::check::Check;
use crate::classify::{Classification, Found, classify};
use crate::client::CheckContext;
use crate::failure::{Checked, Failure, Problem, ProgramEnd, Verdict};
use crate::launch::{Command, fresh_port, is_free, is_occupied};
use crate::spec::Target;
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
    /// This check is done, and the next one does not blame it for the end of the server.
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
) -> Found<Vec<Verdict>> {
    let mut runner = Runner {
        target,
        on_event: &mut on_event,
        address: target.address,
        skip: None,
        verdicts: Vec::new(),
    };
    let is_exact = runner.classify()?;
    let is_applicable = |check: &&&'static Check| (check.applies_to)(&target.spec);
    for check in checks.iter().filter(is_applicable) {
        (runner.on_event)(Event::Began(check.name));
        let started = Instant::now();
        let outcome = runner.outcome(check, is_exact)?;
        runner.report_last();
        runner.verdicts.push(Verdict {
            check,
            outcome,
            took: started.elapsed(),
        });
    }
    runner.report_last();
    Ok(runner.verdicts)
}

struct Runner<'a> {
    target: &'a Target,
    on_event: &'a mut dyn FnMut(Event<'_>),
    /// Where the last attempt was made.
    address: SocketAddr,
    /// Why the other checks are not tried.
    skip: Option<Words>,
    verdicts: Vec<Verdict>,
}

/// How one attempt went, whether the server was there at all, and what the program left behind.
type Attempt<T> = (Checked<T>, bool, Option<ProgramEnd>);

impl Runner<'_> {
    fn report_last(&mut self) {
        if let Some(verdict) = self.verdicts.last() {
            (self.on_event)(Event::Finished(verdict));
        }
    }

    /// Returns `true` if the first reply is exactly right.
    fn classify(&mut self) -> Found<bool> {
        (self.on_event)(Event::Began("hello"));
        let (result, _, program) = self.attempt(classify)?;
        let mut found = match result {
            Ok(Ok(is_exact)) => return Ok(is_exact),
            Ok(Err(found)) => found,
            Err(Problem::Failed(failure)) => self.unreachable(*failure, program.as_ref()),
            Err(Problem::NotRun(why)) => Classification::unreachable(why),
        };
        found.program = program;
        if found.is_unreachable || !self.target.all {
            return Err(found);
        }
        (self.on_event)(Event::Classified(&found));
        Ok(false)
    }

    /// Says what stands there if the first client does not get as far as a reply.
    fn unreachable(&self, failure: Failure, program: Option<&ProgramEnd>) -> Box<Classification> {
        let status = program.map(|program| program.status.as_deref());
        let sentence = match (failure.symptom(), status) {
            ("refused", Some(Some(status))) => words("class.program-ended").with(status),
            ("refused", Some(None)) => words("class.program-does-not-listen").with(self.address),
            ("refused", None) => words("class.refused"),
            ("silent", _) => return Classification::new(words("class.not-accepted")),
            ("ended" | "reset", _) => return Classification::new(words("class.ended")),
            _ => failure.actual,
        };
        Classification::unreachable(sentence)
    }

    fn outcome(&mut self, check: &'static Check, is_exact: bool) -> Found<Checked> {
        if let Some(why) = &self.skip {
            return Ok(Err(Problem::NotRun(why.clone())));
        }
        let is_shared = self.target.start.is_none();
        if is_shared && is_exact && check.name == "answers" {
            return Ok(Ok(())); // just seen, and the server may serve one client only
        }
        let (result, was_reached, program) = self.attempt(|context| {
            let result = (check.run)(context);
            result.map_err(|problem| match problem {
                Problem::Failed(mut failure) => {
                    failure.after = context.aftermath();
                    Problem::Failed(failure)
                }
                not_run => not_run,
            })
        })?;
        let Err(Problem::Failed(mut failure)) = result else {
            return Ok(result);
        };
        let is_refused = !was_reached && failure.symptom() == "refused";
        if is_shared && is_refused {
            if let Some(gone) = self.blame_last(&failure) {
                self.skip = Some(gone.clone());
                return Ok(Err(Problem::NotRun(gone)));
            }
        }
        let serves_nobody = |after: &Words| after.key() == "after.not-served";
        if is_shared && (is_refused || failure.after.as_ref().is_some_and(serves_nobody)) {
            self.skip = Some(words("not-run.gone").with(check.name));
        } else if check.name == "answers" && !self.target.all {
            self.skip = Some(words("not-run.answers"));
        }
        failure.program = program;
        Ok(Err(Problem::Failed(failure)))
    }

    /// Blames the check before for the end of a server that refuses the first connection of the next one. Returns what
    /// to say of all that follow, or `None` if that is `answers`: a server that ends after one reply has given it.
    fn blame_last(&mut self, refused: &Failure) -> Option<Words> {
        let last = self.verdicts.last_mut();
        let last = last.filter(|last| last.check.name != "answers")?;
        let steps = vec![(0, last.check.action())];
        let (expected, actual) = (words("expected.next-client"), refused.actual.clone());
        last.outcome = Err(Failure::new(steps, expected, actual).into());
        Some(words("not-run.gone").with(last.check.name))
    }

    /// Does this with the server: the one that is running, or one that is started for it.
    fn attempt<T>(&mut self, run: impl Fn(&CheckContext<'_>) -> Checked<T>) -> Found<Attempt<T>> {
        let (address, is_stream) = (self.target.address, self.target.spec.is_stream());
        let Some(command) = &self.target.start else {
            let context = CheckContext::new(self.target, address, None);
            return Ok((run(&context), context.reached.get(), None));
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let address = match command.takes_port() {
                true => fresh_port(address, is_stream),
                false => address,
            };
            self.address = address;
            let attempt = self.start_and_run(command, address, &run)?;
            let (_, was_reached, program) = &attempt;
            let program = program.as_ref();
            let has_died = program.is_some_and(|program| program.status.is_some());
            if *was_reached || !has_died || tries == 3 {
                return Ok(attempt);
            }
            // It could not be bound to its port, or it ends whatever that is: the last try shows it.
            let started = Instant::now();
            while !is_free(address, is_stream) && started.elapsed() < PORT_TIMEOUT {
                (self.on_event)(Event::PortTaken);
                thread::sleep(Duration::from_millis(500)); // nothing reports the end of TIME_WAIT
            }
        }
    }

    fn start_and_run<T>(
        &self,
        command: &Command,
        address: SocketAddr,
        run: &impl Fn(&CheckContext<'_>) -> Checked<T>,
    ) -> Found<Attempt<T>> {
        if is_occupied(address, self.target.spec.is_stream()) {
            let why = words("class.occupied").with(address);
            return Err(Classification::unreachable(why));
        }
        let program = command.start(address);
        let program = program.map_err(Classification::unreachable)?;
        let context = CheckContext::new(self.target, address, Some(&program));
        let result = run(&context);
        let within = match result {
            Ok(_) => Duration::ZERO,
            Err(_) => CRASH_TIME,
        };
        let program = Some(program.end(within));
        context.reset_parked();
        Ok((result, context.reached.get(), program))
    }
}

/// How long a crashing program may take to print why: its client learns of the crash before that.
const CRASH_TIME: Duration = Duration::from_millis(400);

/// TIME_WAIT lasts 60 s on Linux, less on macOS, and longer where it is configured so.
const PORT_TIMEOUT: Duration = Duration::from_secs(120);
