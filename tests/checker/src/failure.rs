use std::time::Duration;

use crate::check::Check;
use crate::difference::{Clue, Difference};
use crate::words::Words;

/// What a check returns.
pub type Checked<T = ()> = Result<T, Problem>;

/// Why a check was not passed.
#[derive(Debug)]
pub enum Problem {
    /// The server does not do what a good server does.
    Failed(Box<Failure>),
    /// The check could not be tried, for this reason.
    NotRun(Words),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Problem::Failed(Box::new(failure))
    }
}

/// A check with its outcome.
#[derive(Debug)]
pub struct Verdict {
    /// The check.
    pub check: &'static Check,
    /// How it went.
    pub outcome: Checked,
    /// How long it took.
    pub took: Duration,
}

impl Verdict {
    /// Returns `true` if the server does not do what a good server does.
    pub fn is_failed(&self) -> bool {
        matches!(self.outcome, Err(Problem::Failed(_)))
    }
}

/// One step of a conversation, `send "안녕"`, and the client who takes it. They count from 1; 0 is a step of all.
pub(crate) type Step = (usize, Words);

/// A conversation that did not end as it should.
#[derive(Debug, Default)]
pub struct Failure {
    pub(crate) steps: Vec<Step>,
    /// What a good server does then, unless the difference shows it.
    pub(crate) expected: Words,
    /// What this server did instead, or after the bytes in the difference.
    pub(crate) actual: Words,
    pub(crate) difference: Option<Difference>,
    pub(crate) clue: Option<Clue>,
    /// Whether a new client is served after it, if that can be said.
    pub(crate) after: Option<Words>,
    pub(crate) program: Option<ProgramEnd>,
}

/// What a program that the checker started left behind.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProgramEnd {
    /// Its exit status, if it ended by itself.
    pub status: Option<String>,
    /// The last lines that it printed, escaped.
    pub last_lines: Vec<String>,
}

impl Failure {
    /// A failure without bytes to compare.
    pub(crate) fn new(steps: Vec<Step>, expected: Words, actual: Words) -> Self {
        Failure {
            steps,
            expected,
            actual,
            ..Failure::default()
        }
    }

    /// Returns the trap that shows in the bytes, or else the one that the check looks for. A server
    /// that replies with other bytes has called `recv` again.
    pub(crate) fn trap(&self, check: &Check) -> Option<&'static str> {
        let is_shown = |trap: &&str| *trap != "one-shot" || self.difference.is_none();
        let own = || check.trap().filter(is_shown);
        self.clue.as_ref().map_or_else(own, |(_, trap)| *trap)
    }

    /// Returns `true` if no byte of a reply arrived, not even a wrong one.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.symptom(), "refused" | "silent") && self.difference.is_none()
    }

    /// Returns what went wrong, for a program that reads no sentences.
    pub(crate) fn symptom(&self) -> &'static str {
        match self.actual.key() {
            "got.not-accepted" | "got.nothing" | "got.nothing-more" | "got.not-read" => "silent",
            "got.end" => "ended",
            "got.reset" | "got.end-without-error" => "reset",
            "got.refused" => "refused",
            "got.pieces" | "got.took-all" => "costly", // though the replies are right
            "got.trouble" => "trouble",                // on the checker's side
            _ => "different",
        }
    }
}
