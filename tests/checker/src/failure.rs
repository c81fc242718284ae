use std::time::Duration;

use crate::check::Check;
use crate::difference::Difference;
use crate::words::Words;

/// What a check returns.
pub(crate) type Checked<T = ()> = Result<T, Problem>;

/// Why a check was not passed.
#[derive(Debug)]
pub(crate) enum Problem {
    Failed(Box<Failure>),
    NotRun(Words),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Problem::Failed(Box::new(failure))
    }
}

/// How a check went.
#[derive(Debug)]
pub enum Outcome {
    /// The server does what a good server does.
    Passed,
    /// It does not.
    Failed(Box<Failure>),
    /// The check could not be tried, for this reason.
    NotRun(Words),
}

/// A check with its outcome.
#[derive(Debug)]
pub struct Verdict {
    /// The check.
    pub check: &'static Check,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// One step of a conversation.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which client took it, counted from 1; 0 for a step of all.
    pub client: usize,
    /// What it was: `send "안녕"`.
    pub words: Words,
}

/// A conversation that did not end as it should.
#[derive(Debug)]
pub struct Failure {
    /// What the checker did, in this order.
    pub steps: Vec<Step>,
    /// What a good server does then; the bytes are in `difference`, if there is one.
    pub expected: Words,
    /// What this server did instead.
    pub actual: Words,
    /// The kind of what it did.
    pub kind: FailureKind,
    /// The bytes of both, from the first that differs.
    pub difference: Option<Difference>,
    /// A trap or a habit that shows in the bytes.
    pub clue: Option<Clue>,
    /// What became of the program, if the checker started it.
    pub program: Option<ProgramEnd>,
}

/// What went wrong, for a program that reads no sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The server sent something else.
    Different,
    /// The server sent nothing more in time.
    Silent,
    /// The server closed the connection.
    Ended,
    /// The server reset the connection.
    Reset,
    /// Nothing listens there.
    Refused,
    /// The replies are right, but their cost in time or memory is not.
    Costly,
    /// The checker could not do its own part.
    Trouble,
}

impl FailureKind {
    /// Returns its word in the JSON.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// What the bytes of a reply betray.
#[derive(Debug, Clone)]
pub struct Clue {
    /// The trap it is, if it is one.
    pub trap: Option<&'static str>,
    /// How it shows.
    pub words: Words,
}

/// What a program that the checker started left behind.
#[derive(Debug, Clone)]
pub struct ProgramEnd {
    /// Its exit status, if it ended by itself.
    pub status: Option<String>,
    /// The last lines it printed, escaped.
    pub last_lines: Vec<String>,
}

impl Failure {
    /// A failure without bytes to compare.
    pub(crate) fn new(steps: Vec<Step>, expected: Words, actual: Words, kind: FailureKind) -> Self {
        Failure {
            steps,
            expected,
            actual,
            kind,
            difference: None,
            clue: None,
            program: None,
        }
    }

    /// Returns the trap to name: the one that shows in the bytes, or else the one that the check looks for.
    pub fn trap(&self, check: &Check) -> Option<&'static str> {
        self.clue.as_ref().map_or(check.trap(), |clue| clue.trap)
    }
}
