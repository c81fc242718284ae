use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::check::{Check, Target};
use crate::failure::{Diagnosis, Failure};
use crate::runner::{Outcome, Summary};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// One line for a check that was passed; for one that was not, why, and where to read on.
///
/// The colours are left out by whoever prints this where there is no terminal (`anstream` does).
pub fn text_check(check: &Check, outcome: &Outcome) -> String {
    let Check { name, good, .. } = check;
    match outcome {
        Outcome::Passed => format!("{GOOD}✓{GOOD:#} {name:<21} {FAINT}{good}{FAINT:#}\n"),
        Outcome::NotTried => format!("{BAD}✗ {name:<21}{BAD:#} {FAINT}not tried: the server was gone{FAINT:#}\n"),
        Outcome::Failed(failure) => {
            let (why, read) = (capitalized(&failure.to_string()), where_to_read(check, failure));
            format!("{BAD}✗ {name}{BAD:#}\n    {why}.\n    A good server {good}.\n    {FAINT}{read}{FAINT:#}\n")
        }
    }
}

/// The trap that shows in the reply, or else the one that the check looks for.
fn where_to_read(check: &Check, failure: &Failure) -> String {
    match (failure.diagnosis, check.trap) {
        (Some(Diagnosis { trap, clue }), _) => {
            format!("It looks like the trap {trap}, for {clue}: read how-it-breaks.md#{trap} in the book.")
        }
        (None, Some(trap)) => format!("The trap is called {trap}: read {} in the book.", check.page),
        (None, None) => format!("Read {} in the book.", check.page),
    }
}

/// The last line: how many, and what became of the server.
pub fn text_summary(summary: &Summary) -> String {
    let Summary { passed, failed, not_tried, gone } = summary;
    let gone = gone.map_or(String::new(), |check| {
        format!("After {check} the server answered nobody any more, so the checks behind it could only fail. Start it again to try one of them with --only.\n")
    });
    let all = passed + failed + not_tried;
    let checks = if all == 1 { "check" } else { "checks" };
    let not_tried = if *not_tried == 0 { String::new() } else { format!(", {not_tried} of them not tried") };
    format!("{gone}{all} {checks}: {passed} passed, {} failed{not_tried}\n", all - passed)
}

fn capitalized(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map_or(String::new(), |first| first.to_uppercase().chain(rest).collect())
}

/// What a check does and what a good server does, for those who want to know beforehand.
pub fn list(check: &Check) -> String {
    let Check { name, does, good, page, .. } = check;
    format!("{name}\n    it {does}\n    a good server {good}\n    {FAINT}{page}{FAINT:#}\n")
}

/// A check as one line of JSON, for a grader.
pub fn json_check(check: &Check, outcome: &Outcome, took: Duration) -> String {
    let mut line = json!({
        "check": check.name,
        "trap": check.trap,
        "page": check.page,
        "outcome": word(outcome),
        "seconds": took.as_secs_f64(),
    });
    if let Outcome::Failed(failure) = outcome {
        line["failure"] = json!({
            "symptom": failure.symptom.name(),
            "when": failure.when,
            "sent": failure.sent,
            "expected": failure.expected,
            "came": failure.came,
            "looks_like": failure.diagnosis.map(|diagnosis| diagnosis.trap),
            "sentence": failure.to_string(),
        });
    }
    line_of(&line)
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed(_) => "failed",
        Outcome::NotTried => "not tried",
    }
}

/// The summary as one line of JSON: the last.
pub fn json_summary(target: &Target, summary: &Summary) -> String {
    let Summary { passed, failed, not_tried, gone } = summary;
    line_of(&json!({
        "summary": { "passed": passed, "failed": failed, "not_tried": not_tried, "gone_in": gone },
        "server": target.address.to_string(),
        "claim": target.claim.to_string(),
    }))
}

fn line_of(value: &Value) -> String {
    format!("{value}\n")
}
