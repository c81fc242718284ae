use std::time::{Duration, Instant};

use crate::check::{Check, Target};
use crate::client::Trial;
use crate::failure::{Failure, Symptom};

/// How a check went.
#[derive(Debug)]
pub enum Outcome {
    /// The server does what a good one does.
    Passed,
    /// It does not.
    Failed(Failure),
    /// It was gone before its turn came.
    NotTried,
}

/// How all checks went.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many were passed.
    pub passed: usize,
    /// How many were not.
    pub failed: usize,
    /// How many were not tried.
    pub not_tried: usize,
    /// In which check the server went away, if it did before the last.
    pub gone: Option<&'static str>,
}

/// Nobody was there from the start; the failure of the first check says how that shows.
#[derive(Debug)]
pub struct Unreachable(pub Failure);

/// Puts a server through those of these checks that apply to it, and tells `each` outcome once it is known, with the time
/// it took.
///
/// When the server has failed a check and then answers nobody any more, the others are not tried: each would only say so
/// again, and most of them after the full timeout.
///
/// # Errors
///
/// [`Unreachable`] if nothing is there from the start.
pub fn run<'a>(
    target: &Target,
    checks: impl IntoIterator<Item = &'a Check>,
    mut each: impl FnMut(&'a Check, &Outcome, Duration),
) -> Result<Summary, Unreachable> {
    let mut summary = Summary::default();
    let mut was_there = false;
    let mut checks = checks.into_iter().filter(|check| (check.applies)(&target.claim)).peekable();
    while let Some(check) = checks.next() {
        if summary.gone.is_some() {
            summary.not_tried += 1;
            each(check, &Outcome::NotTried, Duration::ZERO);
            continue;
        }
        let begun = Instant::now();
        let trial = Trial::begin(target, check.patience);
        let outcome = (check.run)(&trial);
        was_there |= trial.has_connected();
        match outcome {
            Ok(()) => {
                summary.passed += 1;
                each(check, &Outcome::Passed, begun.elapsed());
            }
            // Over UDP, one who is silent may be there all the same.
            Err(failure) if !was_there && (target.claim.is_stream() || failure.symptom != Symptom::Silent) => {
                return Err(Unreachable(failure));
            }
            Err(failure) => {
                summary.failed += 1;
                each(check, &Outcome::Failed(failure), begun.elapsed());
                summary.gone = (checks.peek().is_some() && is_gone(target)).then_some(check.name);
            }
        }
    }
    Ok(summary)
}

/// Whether a new client gets no answer at all, not even a wrong one, nor a goodbye.
fn is_gone(target: &Target) -> bool {
    let trial = Trial::begin(target, 1);
    let answered = trial.ask("are you there?");
    !trial.has_heard() && answered.is_err_and(|failure| matches!(failure.symptom, Symptom::Refused | Symptom::Silent))
}
