use std::collections::HashMap;
use std::fmt::Display;
use std::sync::OnceLock;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    key: String,
    arguments: Vec<String>,
}

/// Returns the sentence under this key.
pub fn words(key: impl Into<String>) -> Words {
    Words {
        key: key.into(),
        arguments: Vec::new(),
    }
}

/// Returns a text that is the same in every language.
pub(crate) fn literal(text: impl Into<String>) -> Words {
    Words {
        key: String::new(),
        arguments: vec![text.into()],
    }
}

impl Words {
    /// Fills the next placeholder: `{0}`, then `{1}`.
    #[must_use]
    pub fn with(mut self, argument: impl Display) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    /// Returns the key of the sentence.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the sentence in this language.
    pub fn say(&self, language: Language) -> String {
        if self.key.is_empty() {
            return self.arguments.concat();
        }
        let Some([english, korean]) = sentences().get(self.key.as_str()) else {
            return self.key.clone(); // a test holds that every key has its sentence
        };
        let mut sentence = match language {
            Language::En => (*english).to_owned(),
            Language::Ko => (*korean).to_owned(),
        };
        for (number, argument) in self.arguments.iter().enumerate() {
            sentence = sentence.replace(&format!("{{{number}}}"), argument);
        }
        sentence
    }
}

/// Returns the table: under each key the English sentence and the Korean one.
fn sentences() -> &'static HashMap<&'static str, [&'static str; 2]> {
    static TABLE: OnceLock<HashMap<&str, [&str; 2]>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut lines = include_str!("sentences.txt")
            .lines()
            .filter(|line| !line.is_empty());
        std::iter::from_fn(|| {
            let key = lines.find(|line| !line.starts_with('#'))?;
            Some((
                key,
                [lines.next()?.trim_start(), lines.next()?.trim_start()],
            ))
        })
        .collect()
    })
}

/// Formats a number with commas between its thousands.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CHECKS, TRAPS};

    #[test]
    fn sentences_are_used_and_in_both_languages() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path());
        let sources: String = files
            .map(|file| std::fs::read_to_string(file).unwrap())
            .collect();
        let mut keys: Vec<_> = TRAPS.iter().map(|trap| format!("trap.{trap}")).collect();
        keys.extend(
            CHECKS
                .iter()
                .flat_map(|check| [check.action().key, check.expected().key]),
        );
        let named = sources
            .split("words(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        for key in keys
            .iter()
            .map(String::as_str)
            .chain(named.filter(|key| key.contains('.')))
        {
            assert!(sentences().contains_key(key), "sentences.txt lacks {key}");
        }
        let fields = |text: &str| {
            (0..4)
                .map(|n| text.contains(&format!("{{{n}}}")))
                .collect::<Vec<_>>()
        };
        for (key, [english, korean]) in sentences() {
            let is_used =
                keys.iter().any(|used| used == key) || sources.contains(&format!("\"{key}\""));
            assert!(is_used, "nothing says {key}");
            assert!(
                !english.is_empty() && english.is_ascii(),
                "{key}: {english}"
            );
            assert!(
                korean.contains(|c| ('가'..='힣').contains(&c)),
                "{key}: {korean}"
            );
            assert_eq!(fields(english), fields(korean), "{key}");
        }
    }
}
