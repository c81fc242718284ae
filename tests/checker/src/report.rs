use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::check::Check;
use crate::classify::Classification;
use crate::difference::Difference;
use crate::failure::{Failure, Outcome, ProgramEnd, Step, Verdict};
use crate::words::{Language, words};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Number of the last steps of a conversation that are shown.
const STEPS: usize = 12;

/// What a person or a grader reads, in this language. Whoever prints it leaves out the colors where
/// there is no terminal (`anstream` does).
#[derive(Debug, Clone, Copy)]
pub struct Report(pub Language);

impl Report {
    /// One line for a check: its mark, its name, and what a good server does, or why it was not tried.
    pub fn mark(self, verdict: &Verdict) -> String {
        let (name, expected) = (verdict.check.name, verdict.check.expected().say(self.0));
        match &verdict.outcome {
            Outcome::Passed => format!("{GOOD}✓{GOOD:#} {name:<21} {FAINT}{expected}{FAINT:#}\n"),
            Outcome::Failed(_) => format!("{BAD}✗ {name}{BAD:#}\n"),
            Outcome::NotRun(why) => format!("– {name:<21} {FAINT}{}{FAINT:#}\n", why.say(self.0)),
        }
    }

    /// A failure in full: the conversation, what the program printed, and where to read on.
    pub fn explain(self, check: &Check, failure: &Failure) -> String {
        let good = words("ui.good-server")
            .with(check.expected().say(self.0))
            .say(self.0);
        let mut text = format!("{BAD}✗ {}{BAD:#}\n  {good}\n\n", check.name);
        let lines = self.conversation(failure);
        let hidden = lines.len().saturating_sub(STEPS);
        if hidden > 0 {
            text += &format!(
                "      {}\n",
                words("ui.earlier-steps").with(hidden).say(self.0)
            );
        }
        for (number, line) in lines.iter().enumerate().skip(hidden) {
            text += &format!("  {:>2}  {line}\n", number + 1);
        }
        text += &self.caret(6, failure.difference.as_ref());
        text += "\n";
        if let Some(program) = &failure.program {
            let ended = program
                .status
                .as_ref()
                .map(|status| words("ui.program-ended").with(status));
            text += &self.program(program, ended.map(|words| words.say(self.0)));
        }
        for line in self.advice(check, failure) {
            text += &format!("  {line}\n");
        }
        text
    }

    /// Each step, then what was expected, and what arrived.
    fn conversation(self, failure: &Failure) -> Vec<String> {
        let (expected, actual) = self.sides(failure);
        let mut lines = self.steps(&failure.steps);
        lines.push(self.label("ui.expected") + &expected);
        lines.push(self.label("ui.got") + &actual);
        lines
    }

    /// The steps, each with its client if there are several.
    fn steps(self, steps: &[Step]) -> Vec<String> {
        let is_crowd = steps.iter().any(|step| step.client > 1);
        let show = |Step {
                        client,
                        words: step,
                    }: &Step| match step.say(self.0) {
            step if *client == 0 || !is_crowd => step,
            step => words("ui.client").with(client).with(step).say(self.0),
        };
        steps.iter().map(show).collect()
    }

    /// What was expected, and what arrived.
    fn sides(self, failure: &Failure) -> (String, String) {
        let end = failure.actual.say(self.0);
        match failure.difference.as_ref().map(Difference::show) {
            None => (failure.expected.say(self.0), end),
            Some((expected, actual, _)) if end.is_empty() => (expected, actual),
            Some((expected, actual, _)) => (expected, format!("{actual}, {end}")),
        }
    }

    /// Both labels are of one width, so that the replies are one below the other.
    fn label(self, key: &str) -> String {
        let label = words(key).say(self.0);
        let width = |key: &str| words(key).say(self.0).width();
        let blanks = width("ui.expected").max(width("ui.got")) + 1 - label.width();
        label + &" ".repeat(blanks)
    }

    fn caret(self, indent: usize, difference: Option<&Difference>) -> String {
        let Some(difference) = difference else {
            return String::new();
        };
        let blanks = " ".repeat(indent + self.label("ui.got").width() + difference.show().2);
        format!("{blanks}{BAD}^{BAD:#} {}\n", difference.place().say(self.0))
    }

    /// What the program printed, below this heading.
    fn program(self, program: &ProgramEnd, heading: Option<String>) -> String {
        let lines = program.last_lines.iter();
        let lines: String = lines
            .map(|line| format!("    {FAINT}|{FAINT:#} {line}\n"))
            .collect();
        match heading {
            Some(heading) => format!("  {heading}\n{lines}\n"),
            None if lines.is_empty() => lines,
            None => format!("  {}\n{lines}\n", words("ui.program-printed").say(self.0)),
        }
    }

    /// The clue, the trap with its sentence, and the page.
    fn advice(self, check: &Check, failure: &Failure) -> Vec<String> {
        let mut lines: Vec<_> = failure
            .clue
            .iter()
            .map(|clue| clue.words.say(self.0))
            .collect();
        let trap = failure.trap(check);
        if let Some(trap) = trap {
            let sentence = words(format!("trap.{trap}")).say(self.0);
            lines.retain(|clue| *clue != sentence);
            lines.push(words("ui.trap").with(trap).with(sentence).say(self.0));
        }
        let page = trap.map_or(check.page(), |trap| format!("how-it-breaks.md#{trap}"));
        lines.push(words("ui.read").with(self.path(&page)).say(self.0));
        lines
    }

    /// The path of a page, from the top of the repository.
    fn path(self, page: &str) -> String {
        format!("docs/{}/{page}", self.0.folder())
    }

    /// What the server is instead, and what to do about it.
    pub fn classification(self, found: &Classification) -> String {
        let mut sentences = found.sentences.iter().map(|words| words.say(self.0) + "\n");
        let mut text = sentences.next().unwrap_or_default();
        if let Some((expected, actual, _)) = found.difference.as_ref().map(Difference::show) {
            text += &format!("    {}{expected}\n", self.label("ui.expected"));
            text += &format!("    {}{actual}\n", self.label("ui.got"));
            text += &self.caret(4, found.difference.as_ref());
        }
        text.extend(sentences);
        let program = found
            .program
            .as_ref()
            .map(|program| self.program(program, None));
        match program.filter(|program| !program.is_empty()) {
            Some(program) => format!("{text}\n{program}"),
            None => text,
        }
    }

    /// The last lines: which others failed but the `explained` first ones, and how many of which.
    pub fn summary(self, verdicts: &[Verdict], explained: usize) -> String {
        let [passed, failed, not_run] = counts(verdicts);
        let key = if verdicts.len() == 1 {
            "ui.summary-of-one"
        } else {
            "ui.summary"
        };
        let count = words(key)
            .with(verdicts.len())
            .with(passed)
            .with(failed)
            .with(not_run);
        let is_failed = |verdict: &&Verdict| matches!(verdict.outcome, Outcome::Failed(_));
        let others = verdicts.iter().filter(is_failed).skip(explained);
        let others: Vec<_> = others.map(|verdict| verdict.check.name).collect();
        let count = count.say(self.0) + "\n";
        match others.is_empty() {
            true => count,
            false => words("ui.others").with(others.join(", ")).say(self.0) + "\n" + &count,
        }
    }

    /// What a check does and what a good server does.
    pub fn list(self, check: &Check) -> String {
        let [action, good] = [check.action(), check.expected()].map(|words| words.say(self.0));
        let action = words("ui.checker-does").with(action).say(self.0);
        let good = words("ui.good-server").with(good).say(self.0);
        let page = self.path(&check.page());
        format!(
            "{}\n    {action}\n    {good}\n    {FAINT}{page}{FAINT:#}\n",
            check.name
        )
    }
}

fn counts(verdicts: &[Verdict]) -> [usize; 3] {
    let mut counts = [0; 3];
    for verdict in verdicts {
        counts[match verdict.outcome {
            Outcome::Passed => 0,
            Outcome::Failed(_) => 1,
            Outcome::NotRun(_) => 2,
        }] += 1;
    }
    counts
}

/// One JSON object a line.
impl Report {
    /// A check with its outcome.
    pub fn json(self, verdict: &Verdict) -> String {
        let Verdict {
            check,
            outcome,
            took,
        } = verdict;
        let (state, word) = match outcome {
            Outcome::Passed => ("✓", "passed"),
            Outcome::Failed(_) => ("✗", "failed"),
            Outcome::NotRun(_) => ("–", "not tried"),
        };
        let mut line = json!({
            "check": check.name,
            "trap": check.trap(),
            "page": self.path(&check.page()),
            "outcome": word,
            "state": state,
            "seconds": took.as_secs_f64(),
        });
        match outcome {
            Outcome::Failed(failure) => line["failure"] = self.json_failure(check, failure),
            Outcome::NotRun(why) => line["reason"] = why.say(self.0).into(),
            Outcome::Passed => {}
        }
        format!("{line}\n")
    }

    fn json_failure(self, check: &Check, failure: &Failure) -> Value {
        let (expected, actual) = self.sides(failure);
        let program = failure.program.as_ref();
        json!({
            "symptom": failure.kind.name(),
            "sent": self.steps(&failure.steps).iter().rev().find(|step| step.contains('"')),
            "expected": expected,
            "came": actual,
            "offset": failure.difference.as_ref().map(|difference| difference.offset),
            "looks_like": failure.clue.as_ref().and_then(|clue| clue.trap),
            "sentence": self.advice(check, failure).join(" "),
            "conversation": self.conversation(failure),
            "ended": program.map(|program| &program.status),
            "server_output": program.map(|program| &program.last_lines),
        })
    }

    /// The last line: how many of which, or what the server is instead.
    pub fn json_summary(self, result: &Result<Vec<Verdict>, Box<Classification>>) -> Value {
        let [passed, failed, not_run] = counts(result.as_deref().unwrap_or_default());
        let stopped = result.as_ref().err().map(|found| {
            let sides = found.difference.as_ref().map(Difference::show);
            json!({
                "class": found.class(),
                "sentence": found.sentences.iter().map(|words| words.say(self.0)).collect::<Vec<_>>().join(" "),
                "expected": sides.as_ref().map(|sides| &sides.0),
                "came": sides.as_ref().map(|sides| &sides.1),
                "server_output": found.program.as_ref().map(|program| &program.last_lines),
            })
        });
        let summary = json!({ "passed": passed, "failed": failed, "not_tried": not_run });
        json!({ "summary": summary, "stopped": stopped })
    }
}
