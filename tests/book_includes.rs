use std::fs;
use std::path::Path;

use tests::{CHECKS, TRAPS};

use crate::book_pages::{Item, Kind, Page, none, pages, root};

/// A block of more lines than this is not written on the page, but included.
const FEW: usize = 3;

/// `{{#include ../../python/tcp_echo.py:serve}}`
struct Include<'page> {
    address: &'page str,
    anchor: Option<&'page str>,
}

fn include(line: &str) -> Option<Include<'_>> {
    let target = line.trim().strip_prefix("{{#include ")?.strip_suffix("}}")?.trim();
    let (address, anchor) = target.split_once(':').map_or((target, None), |(address, anchor)| (address, Some(anchor)));
    Some(Include { address, anchor })
}

/// Each block of code on each page: the page, where the block begins, its language, what is in it.
fn blocks(page: &Page) -> impl Iterator<Item = (&Item, &str, &str)> {
    page.items.iter().filter_map(|item| match &item.kind {
        Kind::Code { info, body } => Some((item, info.split(',').next().unwrap_or_default(), body.as_str())),
        _ => None,
    })
}

fn is_anchor(line: &str, mark: &str, name: &str) -> bool {
    let is_of_name = |character: char| character.is_alphanumeric() || character == '_' || character == '-';
    line.split_once(mark).is_some_and(|(_, rest)| {
        let rest = rest.trim_start();
        &rest[..rest.find(|character| !is_of_name(character)).unwrap_or(rest.len())] == name
    })
}

/// What is wrong with an anchor in a file; mdBook says nothing of it, and shows nothing, or too much.
fn wrong_anchor(text: &str, name: &str) -> Option<String> {
    let lines: Vec<_> = text.lines().collect();
    let all = |mark| lines.iter().enumerate().filter(move |(_, line)| is_anchor(line, mark, name)).map(|(at, _)| at);
    let (starts, ends): (Vec<_>, Vec<_>) = (all("ANCHOR:").collect(), all("ANCHOR_END:").collect());
    match (starts[..].as_ref(), ends[..].as_ref()) {
        ([], _) => Some("is not there".to_owned()),
        ([_], []) => Some("is not closed".to_owned()),
        ([start], [end]) if end < start => Some("is closed before it begins".to_owned()),
        ([start], [end]) => {
            lines[start + 1..*end].iter().all(|line| line.trim().is_empty()).then(|| "is empty".to_owned())
        }
        _ => Some(format!("begins {} times and is closed {} times", starts.len(), ends.len())),
    }
}

fn wrong_include(page: &Page, language: &str, include: &Include<'_>) -> Option<String> {
    let file = page.file(include.address);
    let Ok(text) = fs::read_to_string(&file) else {
        return Some(format!("there is no {}", file.display()));
    };
    let within = file.strip_prefix(root()).unwrap_or(&file);
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let fits = match language {
        "rust" => extension == "rs",
        "python" => extension == "py" && within.starts_with("docs/python"),
        "console" => extension == "txt" && within.starts_with("docs/transcripts"),
        other => extension == other,
    };
    if !fits {
        return Some(format!("`{}` is in a block of `{language}`", within.display()));
    }
    let wrong = wrong_anchor(&text, include.anchor?)?;
    Some(format!("the anchor `{}` in {} {wrong}", include.anchor?, within.display()))
}

#[test]
fn every_include_is_there_and_whole() {
    let mut wrong = Vec::new();
    for page in pages() {
        for (item, language, body) in blocks(&page) {
            let includes = body.lines().filter_map(include);
            wrong.extend(includes.filter_map(|include| {
                wrong_include(&page, language, &include).map(|why| format!("{}: {why}", page.place(item.line)))
            }));
        }
    }
    none(wrong);
}

#[test]
fn every_include_is_in_a_block_of_its_own() {
    let mut wrong = Vec::new();
    for page in pages() {
        let lines = page.text.lines().enumerate().filter(|(_, line)| line.contains("{{#"));
        let mut outside: Vec<_> = lines.map(|(at, _)| at + 1).collect();
        for (item, _, body) in blocks(&page) {
            outside.retain(|line| !(item.line..=item.line + body.lines().count()).contains(line));
            let (included, written): (Vec<_>, Vec<_>) = body.lines().partition(|line| include(line).is_some());
            if written.iter().any(|line| line.contains("{{#")) || !(included.is_empty() || written.is_empty()) {
                wrong.push(format!("{}: an include stands among other lines", page.place(item.line)));
            }
        }
        wrong.extend(outside.iter().map(|line| format!("{}: an include outside a block", page.place(*line))));
    }
    none(wrong);
}

#[test]
fn what_is_not_included_is_short() {
    let mut wrong = Vec::new();
    for page in pages() {
        for (item, language, body) in blocks(&page) {
            let place = page.place(item.line);
            let lines = body.lines().count();
            if body.lines().all(|line| include(line).is_some()) && lines > 0 {
                continue;
            }
            if language == "console" {
                wrong.push(format!("{place}: a terminal that is not a transcript (docs/transcripts)"));
            } else if lines > FEW {
                wrong.push(format!("{place}: {lines} lines of code that no test has run: include them from a file"));
            } else if language.is_empty() {
                wrong.push(format!("{place}: a block without a language; `text` if it has none"));
            }
        }
    }
    none(wrong);
}

/// What stands between `<div class="pair">`, or `<div class="single">`, and `</div>`.
struct Group<'page> {
    line: usize,
    class: &'static str,
    blocks: Vec<(&'page str, &'page str)>,
}

impl Group<'_> {
    /// A pair is Python and Rust, with the same anchor; a single is one of the two.
    fn wrong(&self) -> Option<String> {
        let anchor = |body| include(body).and_then(|include| include.anchor);
        match (self.class, &self.blocks[..]) {
            ("single", [_]) => None,
            ("pair", [("python", python), ("rust,ignore", rust)]) => match (anchor(python), anchor(rust)) {
                (Some(python), Some(rust)) if python == rust => None,
                (python, rust) => Some(format!("a pair of two anchors: {python:?} and {rust:?}")),
            },
            (class, blocks) => {
                let found: Vec<_> = blocks.iter().map(|(info, _)| *info).collect();
                Some(format!("a {class} is not {found:?}: a pair is `python` and `rust,ignore`, a single is one block"))
            }
        }
    }
}

#[test]
fn pairs_show_the_same_step_in_both_languages() {
    let mut wrong = Vec::new();
    for page in pages() {
        let mut open: Option<Group<'_>> = None;
        for item in &page.items {
            match &item.kind {
                Kind::Html(html) if html.contains("</div>") => {
                    let Some(group) = open.take() else { continue };
                    wrong.extend(group.wrong().map(|why| format!("{}: {why}", page.place(group.line))));
                }
                Kind::Html(html) => {
                    let classes = ["pair", "single"].into_iter();
                    let mut opened = classes.filter(|class| html.contains(&format!("<div class=\"{class}\">")));
                    open = opened.next().map(|class| Group { line: item.line, class, blocks: Vec::new() }).or(open);
                }
                Kind::Code { info, body } => {
                    if let Some(group) = &mut open {
                        group.blocks.push((info, body));
                    }
                }
                _ => {}
            }
        }
        wrong.extend(open.map(|group| format!("{}: this {} has no </div>", page.place(group.line), group.class)));
    }
    none(wrong);
}

/// All that the Rust files below a folder say.
fn rust(folder: &Path) -> String {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = paths.map(|path| match path.extension() {
        _ if path.is_dir() => rust(&path),
        Some(extension) if extension == "rs" => fs::read_to_string(path).unwrap(),
        _ => String::new(),
    });
    texts.collect()
}

/// What is wrong with the name of a test or of a check in a command.
fn wrong_name(command: &str) -> Option<String> {
    let words: Vec<_> = command.split(' ').collect();
    let behind = |flag| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1)).copied();
    if let Some(name) = behind("--only") {
        let is_known = TRAPS.contains(&name) || CHECKS.iter().any(|check| check.name == name);
        return (!is_known).then(|| format!("no check has the name {name}"));
    }
    let (package, name) = (behind("-p")?, words.last()?);
    let is_known =
        !words.starts_with(&["cargo", "test"]) || rust(&root().join(package)).contains(&format!("fn {name}"));
    (!is_known).then(|| format!("no test of {package} begins with {name}"))
}

/// A test that was renamed would leave a command behind that runs none, and passes.
#[test]
fn the_tests_and_checks_that_a_page_names_are_there() {
    let mut wrong = Vec::new();
    for page in &pages() {
        for (item, _, body) in blocks(page).filter(|(_, language, _)| *language == "sh") {
            let names = body.lines().filter_map(wrong_name);
            wrong.extend(names.map(|why| format!("{}: {why}", page.place(item.line))));
        }
    }
    none(wrong);
    assert!(wrong_name("cargo test -p common no_such_test").is_some());
    assert!(wrong_name("cargo run -q -p tests -- tcp --only no-such-check").is_some());
}
