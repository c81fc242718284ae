use std::fmt;

/// Why a check was not passed: what was sent, what was expected, and what came.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What had been done before, if that matters: `after 100 clients that reset their connections`.
    pub when: Option<String>,
    /// What was sent, as [`show`](crate::show)n, and in which manner.
    pub sent: String,
    /// What a good server does with that.
    pub expected: String,
    /// What came instead: a clause that can stand behind a "but".
    pub came: String,
    /// The kind of what came instead.
    pub symptom: Symptom,
    /// A trap that shows in what came, and how. It need not be the one that the check is named after.
    pub diagnosis: Option<&'static Diagnosis>,
}

/// What went wrong, for a program that has no eyes for sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symptom {
    /// Something came, but not what had to come.
    Different,
    /// Nothing more came in time.
    Silent,
    /// The server ended the connection.
    Ended,
    /// The connection was reset.
    Reset,
    /// Nobody listens there.
    Refused,
    /// The replies are right, but what the server does with its time or its memory is not.
    Costly,
    /// The checker could not do its own part.
    Trouble,
}

impl Symptom {
    /// The word that a grader finds in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Symptom::Different => "different",
            Symptom::Silent => "silent",
            Symptom::Ended => "ended",
            Symptom::Reset => "reset",
            Symptom::Refused => "refused",
            Symptom::Costly => "costly",
            Symptom::Trouble => "trouble",
        }
    }
}

/// A trap that can be told from the bytes that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diagnosis {
    /// Which one.
    pub trap: &'static str,
    /// How it shows.
    pub clue: &'static str,
}

/// What a mistake leaves in the reply, and which trap that is.
static CLUES: [(&str, Diagnosis); 3] = [
    ("{data}", Diagnosis { trap: "literal-braces", clue: "the reply has the name {data} in it, not its value" }),
    (
        "b'",
        Diagnosis { trap: "bytes-not-text", clue: "the reply has bytes in it as Python writes them, not their text" },
    ),
    (
        "b\"",
        Diagnosis { trap: "bytes-not-text", clue: "the reply has bytes in it as Python writes them, not their text" },
    ),
];

/// The trap that shows in what came, unless what was sent looks like that itself.
pub(crate) fn diagnose(sent: &[u8], came: &[u8]) -> Option<&'static Diagnosis> {
    let [sent, came] = [sent, came].map(String::from_utf8_lossy);
    CLUES.iter().find(|(clue, _)| came.contains(clue) && !sent.contains(clue)).map(|(_, diagnosis)| diagnosis)
}

impl Failure {
    /// The same, with what had been done before.
    #[must_use]
    pub fn when(mut self, when: impl Into<String>) -> Self {
        self.when = Some(when.into());
        self
    }
}

/// What a sentence says, without its capital letter and its full stop.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(when) = &self.when {
            write!(f, "{when}: ")?;
        }
        if !self.sent.is_empty() {
            write!(f, "sent {}, ", self.sent)?;
        }
        write!(f, "expected {}, but {}", self.expected, self.came)
    }
}
