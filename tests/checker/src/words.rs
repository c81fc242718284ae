use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::LazyLock;

use clap::ValueEnum;

/// The languages that the checker speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English.
    En,
    /// Korean.
    Ko,
}

impl Language {
    /// Returns Korean on a Korean system, else English.
    pub fn of_system() -> Self {
        match sys_locale::get_locale() {
            Some(locale) if locale.starts_with("ko") => Language::Ko,
            _ => Language::En,
        }
    }

    /// Returns the folder of `docs/` whose pages are in this language.
    pub fn folder(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// A sentence of `sentences.txt`, and what fills its placeholders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    key: String,
    arguments: Vec<String>,
}

/// Returns the sentence under this key.
pub fn words(key: impl Into<String>) -> Words {
    let (key, arguments) = (key.into(), Vec::new());
    Words { key, arguments }
}

/// Returns a text that is the same in every language.
pub(crate) fn literal(text: impl Display) -> Words {
    words("").with(text)
}

impl Words {
    /// Fills the next placeholder: `{0}`, then `{1}`.
    #[must_use]
    pub fn with(mut self, argument: impl Display) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Returns the sentence in this language.
    pub fn say(&self, language: Language) -> String {
        if self.key.is_empty() {
            return self.arguments.concat();
        }
        let Some([english, korean]) = SENTENCES.get(self.key.as_str()) else {
            return self.key.clone(); // a test holds that every key has its sentence
        };
        let is_english = language == Language::En;
        let sentence = if is_english { english } else { korean };
        let arguments = self.arguments.iter().enumerate();
        arguments.fold((*sentence).to_owned(), |sentence, (number, argument)| {
            sentence.replace(&format!("{{{number}}}"), argument)
        })
    }
}

/// Under each key the English sentence and the Korean one.
pub(crate) static SENTENCES: LazyLock<BTreeMap<&str, [&str; 2]>> = LazyLock::new(|| {
    let lines = include_str!("sentences.txt").lines().map(str::trim_start);
    let mut lines = lines.filter(|line| !(line.is_empty() || line.starts_with('#')));
    let entry = || Some((lines.next()?, [lines.next()?, lines.next()?]));
    std::iter::from_fn(entry).collect()
});

/// Formats a number with commas between its thousands.
pub(crate) fn thousands(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1_000), number % 1_000),
    }
}

#[cfg(test)]
mod tests;
