//! The pages, and the comments on them that name what stands below.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use regex::Regex;
use suite::root;

use crate::source::{diff, item, without_head};
use crate::table::{checks_table, time_line, times_table};

/// A page in one of the languages, with its path in the repository.
pub struct Page {
    pub path: String,
    pub text: String,
}

/// A block, a comment, or the lines of text up to a blank one.
#[cfg_attr(not(test), expect(dead_code))] // only the rules ask where it is
pub struct Piece<'page> {
    pub line: usize,
    /// The comment directly above.
    pub above: &'page str,
    /// The language of a block.
    pub info: Option<&'page str>,
    pub lines: Vec<&'page str>,
    /// The same lines, if this is no block.
    pub text: String,
}

impl Page {
    pub fn read(path: &str) -> Result<Self, String> {
        let (path, text) = (path.to_owned(), read(path)?);
        Ok(Page { path, text })
    }

    pub fn is_korean(&self) -> bool {
        self.path.starts_with("docs/ko/") || self.path.ends_with(".ko.md")
    }

    /// Returns the path of a file that is named on this page.
    pub fn resolve(&self, address: &str) -> String {
        let path = Path::new(&self.path).with_file_name(address);
        path.display().to_string()
    }

    pub fn pieces(&self) -> Vec<Piece<'_>> {
        let all: Vec<_> = self.text.lines().collect();
        let (mut pieces, mut line, mut above) = (Vec::new(), 0, "");
        while let Some(&first) = all.get(line) {
            let end = regex("^(```|<!--|$)");
            let rest = all[line + 1..].iter();
            let length = match length(&all[line..], '`') {
                0 if end.is_match(first) => 1,
                0 => 1 + rest.take_while(|line| !end.is_match(line)).count(),
                length => length,
            };
            let lines = all[line..line + length].to_vec();
            line += length;
            if !first.is_empty() {
                let (line, info) = (line + 1 - length, first.strip_prefix("```"));
                let text = info.map_or(lines.join("\n"), |_| String::new());
                pieces.push(Piece {
                    line,
                    above,
                    info,
                    lines,
                    text,
                });
            }
            above = if first.starts_with("<!--") { first } else { "" };
        }
        pieces
    }
}

/// Returns the paths of all pages in Korean and English. Front pages are last: they sum up the others.
pub fn pairs() -> Vec<[String; 2]> {
    let folders = ["docs/ko", "docs/en"].map(|folder| fs::read_dir(root().join(folder)));
    let entries = folders.into_iter().flatten().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".md")).collect();
    names.sort_by_key(|name| (name == "README.md", name.clone()));
    names.dedup();
    let pair = |name| ["ko", "en"].map(|language| format!("docs/{language}/{name}"));
    let readme = ["README.ko.md", "README.md"].map(String::from);
    names.into_iter().map(pair).chain([readme]).collect()
}

fn read(path: &str) -> Result<String, String> {
    let text = fs::read_to_string(root().join(path));
    let text = text.map_err(|error| format!("{path}: {error}"))?;
    Ok(text.replace('\r', "")) // Git on Windows adds them
}

/// Returns what a comment asks for, if the line is one: `diff OLD NEW fn main`.
pub fn asked(line: &str) -> Option<&str> {
    line.strip_prefix("<!-- ")?.strip_suffix(" -->")
}

/// What programs printed, by the comment that asks for it.
pub type Printed = HashMap<String, Result<String, String>>;

/// Returns the page with all that its comments ask for, and what is wrong with them. What takes a program that has not
/// been run stays as it is.
pub fn fill(page: &Page, printed: &Printed) -> (Page, Vec<String>) {
    let lines: Vec<_> = page.text.lines().collect();
    let (mut text, mut errors, mut at) = (String::new(), Vec::new(), 0);
    while at < lines.len() {
        let mut end = at + length(&lines[at..], '`').max(1);
        text += &(lines[at..end].join("\n") + "\n");
        let below = asked(lines[at]).map(|asked| below(page, asked, printed));
        match below.transpose().map(Option::flatten) {
            Ok(None) => {}
            Err(why) => errors.push(format!("{}:{end}: {}: {why}", page.path, lines[at])),
            Ok(Some(below)) => {
                text += &(below.trim_end().to_owned() + "\n");
                end += length(&lines[end..], below.chars().next().unwrap_or_default());
                if lines.get(end).is_some_and(|line| !line.is_empty()) {
                    text += "\n";
                }
            }
        }
        at = end;
    }
    let path = page.path.clone();
    (Page { path, text }, errors)
}

/// Returns how many of these lines are a block, a table, or a line in bold, if they begin with the one that is asked for.
fn length(lines: &[&str], kind: char) -> usize {
    let first = lines.first().copied().unwrap_or_default();
    let is_row = |line: &&&str| line.starts_with('|');
    match kind {
        '`' if first.starts_with("```") => {
            let end = lines.iter().skip(1).position(|line| *line == "```");
            end.map_or(lines.len(), |end| end + 2)
        }
        '|' => lines.iter().take_while(is_row).count(),
        '*' => usize::from(first.starts_with("**")),
        _ => 0,
    }
}

/// Returns what stands below a comment.
fn below(page: &Page, asked: &str, printed: &Printed) -> Result<Option<String>, String> {
    let block = |info: &str, text: &str| format!("```{info}\n{}\n```", text.trim_end());
    let words: Vec<_> = asked.split(' ').collect();
    Ok(Some(match words[..] {
        [program @ ("run" | "checks"), ..] => match printed.get(asked).cloned().transpose()? {
            None => return Ok(None),
            Some(text) if program == "checks" => checks_table(page, &text),
            Some(text) => block("console", &text),
        },
        ["time", ref to_do @ ..] => time_line(page, to_do)?,
        ["times", ref pages @ ..] => times_table(page, pages)?,
        ["diff", old, new, ref item @ ..] => {
            let (old, new) = (read(old)?, read(new)?);
            let [old, new] = [&old, &new].map(|text| without_head(text));
            block("diff", &diff(&old, &new, &item.join(" "))?)
        }
        [path, ref words @ ..] => {
            let info = match path.rsplit('.').next() {
                Some("rs") => "rust",
                Some("py") => "python",
                extension => extension.unwrap_or_default(),
            };
            block(info, &item(&without_head(&read(path)?), words)?.join("\n"))
        }
        [] => return Ok(None),
    }))
}

/// Returns a pattern of ours, which is compiled only once.
#[expect(clippy::unwrap_used, reason = "a wrong pattern is a bug of ours")]
pub fn regex(pattern: &str) -> &'static Regex {
    static KNOWN: Mutex<BTreeMap<String, &Regex>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let compile = || Box::leak(Box::new(Regex::new(pattern).unwrap()));
    known.entry(pattern.to_owned()).or_insert_with(|| compile())
}
