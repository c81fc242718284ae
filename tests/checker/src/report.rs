use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::check::Check;
use crate::classify::{Classification, Found};
use crate::difference::Difference;
use crate::failure::{Failure, Problem, ProgramEnd, Step, Verdict};
use crate::words::{Language, Words, words};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Number of the last steps of a conversation that are shown.
const STEPS: usize = 12;

/// Width of a mark and a name.
const MARK_WIDTH: usize = 24;

/// What a person or a grader reads, in this language. Whoever prints it leaves out the colors where
/// there is no terminal (`anstream` does).
#[derive(Debug, Clone, Copy)]
pub struct Report(pub Language);

impl Report {
    /// One line for a check: its mark, its name, and what a good server does, or why it was not tried.
    pub fn mark(self, verdict: &Verdict) -> String {
        let name = verdict.check.name;
        let (mark, words) = match &verdict.outcome {
            Err(Problem::Failed(_)) => return format!("{BAD}✗ {name}{BAD:#}\n"),
            Err(Problem::NotRun(why)) => ("–".to_owned(), why.clone()),
            Ok(()) => (format!("{GOOD}✓{GOOD:#}"), verdict.check.expected()),
        };
        let text = wrap(&words.say(self.0), MARK_WIDTH);
        format!("{mark} {name:<21} {FAINT}{text}{FAINT:#}\n")
    }

    /// A failure in full: the conversation, what the program printed, and where to read on.
    pub fn explain(self, check: &Check, failure: &Failure) -> String {
        let good = wrap(&self.good_server(check), 2);
        let mut text = format!("{BAD}✗ {}{BAD:#}\n  {good}\n\n", check.name);
        let lines = self.conversation(failure);
        let hidden = lines.len().saturating_sub(STEPS);
        if hidden > 0 {
            let earlier = words("ui.earlier-steps").with(hidden);
            text += &format!("      {}\n", earlier.say(self.0));
        }
        for (number, line) in lines.iter().enumerate().skip(hidden) {
            text += &format!("  {:>2}  {line}\n", number + 1);
        }
        text += &self.caret(6, failure.difference.as_ref());
        text += "\n";
        let program = failure.program.iter();
        text.extend(program.map(|program| self.program(program)));
        for line in self.advice(check, failure) {
            text += &format!("  {}\n", wrap(&line, 4));
        }
        text
    }

    fn good_server(self, check: &Check) -> String {
        let good = check.expected().say(self.0);
        words("ui.good-server").with(good).say(self.0)
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
        let is_crowd = steps.iter().any(|(client, _)| *client > 1);
        let show = |(client, step): &Step| match step.say(self.0) {
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
        let width = |key: &str| words(key).say(self.0).width();
        let blanks = width("ui.expected").max(width("ui.got")) + 1 - width(key);
        words(key).say(self.0) + &" ".repeat(blanks)
    }

    fn caret(self, indent: usize, difference: Option<&Difference>) -> String {
        let Some(difference) = difference else {
            return String::new();
        };
        let blanks = " ".repeat(indent + self.label("ui.got").width() + difference.show().2);
        format!("{blanks}{BAD}^{BAD:#} {}\n", difference.place().say(self.0))
    }

    /// How the program ended, if it did, and what it printed.
    fn program(self, program: &ProgramEnd) -> String {
        let heading = match (&program.status, program.last_lines.is_empty()) {
            (Some(status), false) => words("ui.program-ended").with(status),
            (Some(status), true) => words("ui.program-ended-silently").with(status),
            (None, false) => words("ui.program-printed"),
            (None, true) => return String::new(),
        };
        let show = |line: &String| format!("    {FAINT}|{FAINT:#} {line}\n");
        let lines: String = program.last_lines.iter().map(show).collect();
        format!("  {}\n{lines}\n", heading.say(self.0))
    }

    /// The clue, the trap with its sentence, and the page.
    fn advice(self, check: &Check, failure: &Failure) -> Vec<String> {
        let clue = failure.clue.iter();
        let mut lines: Vec<_> = clue.map(|(words, _)| words.say(self.0)).collect();
        let has_ended = |program: &ProgramEnd| program.status.is_some();
        let is_left = matches!(failure.symptom(), "refused" | "silent" | "ended" | "reset");
        if is_left && !failure.program.as_ref().is_some_and(has_ended) {
            lines.extend(failure.after.iter().map(|after| after.say(self.0)));
            let runs = failure.program.iter().map(|_| words("ui.program-runs"));
            lines.extend(runs.map(|runs| runs.say(self.0)));
        }
        let (trap, mut page) = (failure.trap(check), check.page());
        if let Some(trap) = trap {
            let sentence = words(format!("trap.{trap}")).say(self.0);
            lines.retain(|clue| *clue != sentence);
            lines.push(words("ui.trap").with(trap).with(sentence).say(self.0));
            page = format!("how-it-breaks.md#{trap}");
        } else if check.trap().is_some() {
            page = "how-it-breaks.md".to_owned(); // it is another trap than the check's
        }
        lines.push(words("ui.read").with(self.path(&page)).say(self.0));
        lines
    }

    /// The path of a page, from the top of the repository.
    fn path(self, page: &str) -> String {
        format!("docs/{}/{page}", self.0.folder())
    }

    /// What the server is instead, and what to do about it.
    pub fn classification(self, found: &Classification) -> String {
        let say = |words: &Words| wrap(&words.say(self.0), 0) + "\n";
        let mut sentences = found.sentences.iter().map(say);
        let mut text = sentences.next().unwrap_or_default();
        if let Some((expected, actual, _)) = found.difference.as_ref().map(Difference::show) {
            text += &format!("    {}{expected}\n", self.label("ui.expected"));
            text += &format!("    {}{actual}\n", self.label("ui.got"));
            text += &self.caret(4, found.difference.as_ref());
        }
        text.extend(sentences);
        let (status, program) = (None, found.program.clone().unwrap_or_default()); // a sentence says how it ended
        let program = self.program(&ProgramEnd { status, ..program });
        let gap = if program.is_empty() { "" } else { "\n" };
        text + gap + &program
    }

    /// The last lines: which others failed but the `explained` first ones, and how many of which.
    pub fn summary(self, verdicts: &[Verdict], explained: usize) -> String {
        let key = ["ui.summary", "ui.summary-of-one"][usize::from(verdicts.len() == 1)];
        let count = words(key).with(verdicts.len());
        let count = counts(verdicts).into_iter().fold(count, Words::with);
        let others = verdicts.iter().filter(|verdict| verdict.is_failed());
        let others = others.skip(explained).map(|verdict| verdict.check.name);
        let others = others.collect::<Vec<_>>().join(", ");
        let count = count.say(self.0) + "\n";
        if others.is_empty() {
            return count;
        }
        wrap(&words("ui.others").with(others).say(self.0), 2) + "\n" + &count
    }

    /// What a check does and what a good server does.
    pub fn list(self, check: &Check) -> String {
        let does = words("ui.checker-does").with(check.action().say(self.0));
        let does = wrap(&does.say(self.0), 6);
        let good = wrap(&self.good_server(check), 6);
        let (name, page) = (check.name, self.path(&check.page()));
        format!("{name}\n    {does}\n    {good}\n    {FAINT}{page}{FAINT:#}\n")
    }
}

/// Breaks lines at blanks, so that none is wider than 100 columns, and indents all but the first. A
/// command in backquotes stays in one piece.
pub fn wrap(text: &str, indent: usize) -> String {
    let (mut wrapped, mut column, mut is_command) = (String::new(), indent, false);
    for word in text.split(' ') {
        if column + word.width() > 98 && column > indent && !is_command {
            wrapped += &format!("\n{}", " ".repeat(indent));
            column = indent;
        } else if !wrapped.is_empty() {
            wrapped.push(' ');
            column += 1;
        }
        wrapped += word;
        column += word.width();
        is_command ^= word.matches('`').count() % 2 == 1;
    }
    wrapped
}

/// Returns how many passed, how many failed, and how many were not tried.
pub fn counts(verdicts: &[Verdict]) -> [usize; 3] {
    let count = |is: fn(&&Verdict) -> bool| verdicts.iter().filter(is).count();
    let passed = count(|verdict| verdict.outcome.is_ok());
    let failed = count(|verdict| verdict.is_failed());
    [passed, failed, verdicts.len() - passed - failed]
}

/// One JSON object a line.
impl Report {
    /// A check with its outcome.
    pub fn json(self, verdict: &Verdict) -> String {
        let mut line = self.json_check(verdict.check);
        let (state, word) = match &verdict.outcome {
            Ok(()) => ("✓", "passed"),
            Err(Problem::Failed(failure)) => {
                line["failure"] = self.json_failure(verdict.check, failure);
                ("✗", "failed")
            }
            Err(Problem::NotRun(why)) => {
                line["reason"] = why.say(self.0).into();
                ("–", "not tried")
            }
        };
        line["outcome"] = word.into();
        line["state"] = state.into();
        line["seconds"] = verdict.took.as_secs_f64().into();
        format!("{line}\n")
    }

    fn json_check(self, check: &Check) -> Value {
        let page = self.path(&check.page());
        json!({ "check": check.name, "trap": check.trap(), "page": page })
    }

    /// What a check does and what a good server does.
    pub fn json_list(self, check: &Check) -> String {
        let mut line = self.json_check(check);
        line["action"] = check.action().say(self.0).into();
        line["expected"] = check.expected().say(self.0).into();
        format!("{line}\n")
    }

    fn json_failure(self, check: &Check, failure: &Failure) -> Value {
        let (expected, actual) = self.sides(failure);
        let program = failure.program.as_ref();
        json!({
            "symptom": failure.symptom(),
            "sent": self.steps(&failure.steps).iter().rev().find(|step| step.contains('"')),
            "expected": expected,
            "came": actual,
            "offset": failure.difference.as_ref().map(|difference| difference.offset),
            "looks_like": failure.clue.as_ref().and_then(|(_, trap)| *trap),
            "sentence": self.advice(check, failure).join(" "),
            "conversation": self.conversation(failure),
            "ended": program.map(|program| &program.status),
            "server_output": program.map(|program| &program.last_lines),
        })
    }

    /// The last line: how many of which, or what the server is instead.
    pub fn json_summary(self, result: &Found<Vec<Verdict>>) -> Value {
        let [passed, failed, not_run] = counts(result.as_deref().unwrap_or_default());
        let stopped = result.as_ref().err().map(|found| {
            let sides = found.difference.as_ref().map(Difference::show);
            let sentences = found.sentences.iter().map(|words| words.say(self.0));
            let sentences: Vec<_> = sentences.collect();
            json!({
                "class": found.class(),
                "sentence": sentences.join(" "),
                "expected": sides.as_ref().map(|sides| &sides.0),
                "came": sides.as_ref().map(|sides| &sides.1),
                "server_output": found.program.as_ref().map(|program| &program.last_lines),
            })
        });
        let summary = json!({ "passed": passed, "failed": failed, "not_tried": not_run });
        json!({ "summary": summary, "stopped": stopped })
    }
}
