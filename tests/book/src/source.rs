//! Cuts files into items, and shows what changed from one file to another.

use std::ops::Range;

use similar::{ChangeTag, TextDiff};

use crate::page::regex;

/// Returns the lines of a file without its head: the `//!` comment, or the docstring of a Python file.
pub fn without_head(text: &str) -> Vec<&str> {
    let docstring = text.strip_prefix("\"\"\"");
    let body = docstring.and_then(|text| text.split_once("\"\"\""));
    let lines = body.map_or(text, |(_, body)| body).lines();
    lines
        .skip_while(|line| line.is_empty() || line.starts_with("//!"))
        .collect()
}

/// Returns the item that these words lead to, as in `impl Acceptor fn accept`, without its indentation.
pub fn item<'text>(lines: &[&'text str], words: &[&str]) -> Result<Vec<&'text str>, String> {
    let mut lines = lines.to_vec();
    for words in words.chunks(2) {
        let name = words.join(" ");
        let found = (0..lines.len()).filter(|at| header(lines[*at]).as_ref() == Some(&name));
        let [at] = found.collect::<Vec<_>>()[..] else {
            return Err(format!("`{name}` is not there, or more than once"));
        };
        lines = lines[extent(&lines, at)].to_vec();
    }
    let margin = lines.first().map_or(0, |line| indent(line));
    let lines = lines
        .iter()
        .map(|line| line.get(margin..).unwrap_or_default());
    Ok(lines.collect())
}

/// Returns the kind and the name in the first line of an item: `fn main`.
fn header(line: &str) -> Option<String> {
    const MODIFIERS: &str = r"^\s*(?:pub(?:\(\w+\))? )?(?:async |const )?";
    const KINDS: &str = "fn|struct|enum|const|static|type|trait|impl|mod|def|class";
    let words = regex(&format!(r"{MODIFIERS}({KINDS})(?:<[^>]*>)? (\w+)")).captures(line)?;
    Some(format!("{} {}", &words[1], &words[2]))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Returns the lines of the item with this header. rustfmt and Black indent what is inside, so no parser is needed.
fn extent(lines: &[&str], header_at: usize) -> Range<usize> {
    let depth = indent(lines[header_at]);
    let is_attached = |line: &&&str| {
        indent(line) == depth && regex(r"^\s*(#|@|//[^!])").is_match(line) // comments, attributes
    };
    let above = lines[..header_at].iter().rev();
    let start = header_at - above.take_while(is_attached).count();
    let is_outside = |line: &&str| {
        let goes_on = indent(line) == depth && regex(r"^\s*([)}\]{]|where$)").is_match(line);
        !line.is_empty() && indent(line) <= depth && !goes_on
    };
    let rest = &lines[header_at + 1..];
    let rest = &rest[..rest.iter().position(is_outside).unwrap_or(rest.len())];
    let blank = rest.iter().rev().take_while(|line| line.is_empty()).count();
    start..header_at + 1 + rest.len() - blank
}

/// A part of a file: an item (`fn main`), the imports (`use`), or what is between items (`code`).
struct Part<'text> {
    name: String,
    lines: &'text [&'text str],
}

/// Cuts a file into its parts, without the blank lines between them.
fn parts<'text>(lines: &'text [&'text str]) -> Vec<Part<'text>> {
    let imports = regex("^(use|import|from) ");
    let last_import = lines.iter().rposition(|line| imports.is_match(line));
    let mut start = last_import.map_or(0, |last| {
        let is_blank = |line: &&str| line.is_empty();
        last + lines[last..].iter().position(is_blank).unwrap_or(1)
    });
    let mut ranges = vec![("use".to_owned(), 0..start)];
    let mut at = start;
    while at < lines.len() {
        let header = header(lines[at]).filter(|_| indent(lines[at]) == 0);
        at += 1;
        if let Some(header) = header {
            let extent = extent(lines, at - 1);
            at = extent.end;
            ranges.push(("code".to_owned(), start..extent.start));
            ranges.push((header, extent));
            start = at;
        }
    }
    ranges.push(("code".to_owned(), start..lines.len()));
    let parts = ranges.into_iter().map(|(name, range)| {
        let lines = &lines[range];
        let first = lines.iter().position(|line| !line.is_empty());
        let last = lines.iter().rposition(|line| !line.is_empty());
        let lines = &lines[first.unwrap_or(0)..last.map_or(0, |last| last + 1)];
        Part { name, lines }
    });
    parts.filter(|part| !part.lines.is_empty()).collect()
}

/// Shows the change from one file to another, part by part: a changed part whole, an unchanged item in one line.
pub fn diff(old: &[&str], new: &[&str], only: &str) -> Result<String, String> {
    const UNCHANGED: &str = "… unchanged";
    let (old, new) = (parts(old), parts(new));
    let mut shown: Vec<String> = Vec::new();
    let mut show = |name: &str, old: &[&str], new: &[&str]| {
        let is_asked = only == name || only.is_empty();
        if is_asked && old != new {
            shown.push(changed_lines(old, new));
        } else if is_asked && name.contains(' ') {
            shown.push(format!(" {name} {UNCHANGED}"));
        }
    };
    let mut rest = &old[..];
    for part in &new {
        match rest.iter().position(|old| old.name == part.name) {
            None => show(&part.name, &[], part.lines),
            Some(at) => {
                let removed = rest[..at].iter();
                removed.for_each(|old| show(&old.name, old.lines, &[]));
                show(&part.name, rest[at].lines, part.lines);
                rest = &rest[at + 1..];
            }
        }
    }
    rest.iter().for_each(|old| show(&old.name, old.lines, &[]));
    match shown.iter().all(|part| part.ends_with(UNCHANGED)) {
        true => Err("nothing changed".to_owned()),
        false => Ok(shown.join("\n\n")),
    }
}

fn changed_lines(old: &[&str], new: &[&str]) -> String {
    let changes = TextDiff::from_slices(old, new);
    let lines = changes.iter_all_changes().map(|change| {
        let sign = match change.tag() {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        format!("{sign}{}", change.value()).trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn items_and_changes_are_whole() {
    let old = "//! Head\n\nuse a::B;\n\n/// Says.\n#[test]\nfn one(\n    x: u8,\n) -> u8 {\n\n    x\n}\n\nfn two() {}\n";
    let new = "use a::C;\n\nconst N: u8 = 1; // one\n\nfn one() {}\n\nfn two() {}\n\nimpl C {\n    fn f() {}\n}\n";
    let (old, new) = (without_head(old), without_head(new));
    let one = [
        "/// Says.",
        "#[test]",
        "fn one(",
        "    x: u8,",
        ") -> u8 {",
        "",
        "    x",
        "}",
    ];
    assert_eq!(item(&old, &["fn", "one"]), Ok(one.to_vec()));
    assert_eq!(item(&new, &["impl", "C", "fn", "f"]), Ok(vec!["fn f() {}"]));
    assert!(item(&new, &["fn", "three"]).is_err());
    let python = ["def a():", "    b", "", "    c", "", "", "a()"];
    assert_eq!(item(&python, &["def", "a"]), Ok(python[..4].to_vec()));
    let uses = "-use a::B;\n+use a::C;";
    assert_eq!(diff(&old, &new, "use"), Ok(uses.to_owned()));
    let all = diff(&old, &new, "").unwrap();
    assert!(all.starts_with(&format!(
        "{uses}\n\n+const N: u8 = 1; // one\n\n-/// Says.\n"
    )));
    assert!(all.ends_with("+fn one() {}\n\n fn two … unchanged\n\n+impl C {\n+    fn f() {}\n+}"));
}
