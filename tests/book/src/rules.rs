//! What holds the pages to their rules: the two languages, links, blocks, commands, words, and whether they are current.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use similar::TextDiff;
use suite::root;
use unicode_width::UnicodeWidthStr;

use crate::page::{Page, Piece, Printed, asked, pairs, regex};
use crate::{run_programs, update};

const CODE: &str = "`([^`]+)`";
const LINK: &str = r"\]\(([^)\s]+)\)";

fn read(path: &str) -> Page {
    Page::read(path).unwrap()
}

fn pages() -> Vec<Page> {
    pairs().iter().flatten().map(|path| read(path)).collect()
}

/// Fails with all that is wrong.
#[track_caller]
fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n\n{}\n", wrong.join("\n"));
}

/// Fails with all that is wrong with any piece of any page.
#[track_caller]
fn check(others: &[&str], wrong: impl Fn(&Page, &Piece<'_>) -> Vec<String>) {
    let mut found = Vec::new();
    let others = others.iter().map(|path| read(path));
    for page in pages().into_iter().chain(others) {
        for piece in page.pieces() {
            let place = |why| format!("{}:{}: {why}", page.path, piece.line);
            found.extend(wrong(&page, &piece).into_iter().map(place));
        }
    }
    none(found);
}

/// Returns what the first group of this pattern matches.
fn all(pattern: &str, text: &str) -> Vec<String> {
    let pattern = regex(pattern);
    let found = pattern.captures_iter(text);
    found.map(|found| found[1].to_owned()).collect()
}

#[track_caller]
fn assert_current(printed: &Printed) {
    let mut wrong = Vec::new();
    for page in pages() {
        let (filled, errors) = update(&page, printed);
        wrong.extend(errors);
        if filled.text != page.text {
            let changes = TextDiff::from_lines(&page.text, &filled.text);
            let changes = changes.unified_diff().context_radius(2).to_string();
            let path = &page.path;
            wrong.push(format!("{path} is stale: cargo run -p book\n{changes}"));
        }
    }
    none(wrong);
}

#[test]
fn code_is_current() {
    assert_current(&Printed::new());
}

#[test]
#[ignore = "runs all the programs, as .ci/run does; Linux words errors its own way"]
fn sessions_are_current() {
    assert_current(&run_programs(&pages()));
}

/// Returns what a piece is: the same in both languages.
fn kind(piece: &Piece<'_>) -> String {
    let text = &piece.text;
    let images = all(r"!\[[^\]]*\]\(([^)]+)\)", text).concat();
    let first = text.chars().next().unwrap_or_default();
    let items = all(r"(?m)^\s*([-*]|\d+\.) ", text).len();
    match first {
        _ if piece.info == Some("text") => "a block of text".to_owned(),
        _ if piece.info.is_some() => {
            let lines = piece.lines.iter().map(|line| line.split("# ").next());
            lines.flatten().collect::<Vec<_>>().join("\n")
        }
        '#' => all("^(#+)", text).concat(),
        '<' => regex(">[^<]+<").replace_all(text, "><").into_owned(),
        '|' => format!(
            "{} rows, {} bars",
            text.lines().count(),
            text.matches('|').count()
        ),
        _ => format!("text, {items} items {images}"),
    }
}

/// Returns for each section its line, and its links, code and numbers: languages differ in the order of words.
fn facts(page: &Page) -> Vec<(usize, BTreeSet<String>)> {
    let mut sections = vec![(1, BTreeSet::new())];
    for piece in page.pieces() {
        if piece.text.starts_with('#') {
            sections.push((piece.line, BTreeSet::new()));
        }
        let facts = &mut sections.last_mut().unwrap().1;
        for link in all(LINK, &piece.text) {
            let page = link.split('#').next().unwrap_or_default();
            let is_trap = page.ends_with("how-it-breaks.md");
            let link = if is_trap { &link } else { page }; // other headings are in their language
            facts.insert(
                regex(r"\bko([./])")
                    .replace(link, "en$1")
                    .replace("README.en.md", "README.md"),
            );
        }
        facts.extend(all(CODE, &piece.text));
        if !piece.above.starts_with("<!-- time") {
            let words = regex(&format!("{CODE}|{LINK}")).replace_all(&piece.text, "");
            facts.extend(all(r"(\d[\d.,]*\d)", &words)); // smaller ones may be words
        }
    }
    sections
}

/// Returns the first difference of two pages.
fn difference(ko: &Page, en: &Page) -> Option<String> {
    let (left, right) = (ko.pieces(), en.pieces());
    for at in 0..left.len().max(right.len()) {
        let (left, right) = (left.get(at), right.get(at));
        if left.map(kind) != right.map(kind) {
            let show = |page: &Page, piece: Option<&Piece<'_>>| match piece {
                Some(piece) => format!("{}:{}: {}", page.path, piece.line, kind(piece)),
                None => format!("{} ends before that", page.path),
            };
            return Some(format!("{}\n{}\n", show(ko, left), show(en, right)));
        }
    }
    let (left, right) = (facts(ko), facts(en));
    let mut sections = left.iter().zip(&right);
    let ((line, left), (_, right)) = sections.find(|(left, right)| left.1 != right.1)?;
    let only: Vec<_> = left.symmetric_difference(right).collect();
    Some(format!(
        "{}:{line}: not both languages have {only:?}",
        ko.path
    ))
}

/// A page changes in both languages or in neither: what one says in code, numbers and links, the other says, too.
#[test]
fn languages_have_the_same_shape() {
    let pairs = pairs().into_iter().map(|pair| pair.map(|path| read(&path)));
    none(pairs.filter_map(|[ko, en]| difference(&ko, &en)).collect());
}

/// Returns the anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(page: &Page) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in all("(?m)^#+ (.*)", &page.text) {
        let heading = heading.to_lowercase().replace(' ', "-");
        let anchor = regex(r"[^\w-]").replace_all(&heading, "").into_owned();
        let mut again = (1..).map(|number| format!("{anchor}-{number}"));
        let _ = anchors.insert(anchor.clone()) || again.any(|anchor| anchors.insert(anchor));
    }
    anchors
}

#[test]
fn links_lead_somewhere() {
    check(
        &["docs/README.md", "docs/CONTRIBUTING.md"],
        |page, piece| {
            let mut links = all(LINK, &piece.text);
            links.retain(|link| {
                let (address, fragment) = link.split_once('#').unwrap_or((link, ""));
                let target = match address {
                    "" => page.path.clone(),
                    address => page.resolve(address),
                };
                let is_known = || anchors(&read(&target)).contains(fragment);
                let is_there = || match fragment.is_empty() || !target.ends_with(".md") {
                    true => root().join(&target).exists(),
                    false => is_known(),
                };
                !link.contains("://") && !is_there()
            });
            links
        },
    );
}

#[test]
fn every_page_trap_and_session_is_there() {
    let mut wrong = Vec::new();
    let texts: String = pages().into_iter().map(|page| page.text).collect();
    let sessions = fs::read_dir(root().join("docs/sessions")).unwrap();
    for session in sessions.map(|session| session.unwrap().path()) {
        let name = session.file_stem().unwrap().to_str().unwrap();
        let is_script = session
            .extension()
            .is_some_and(|extension| extension == "session");
        if is_script && !texts.contains(&format!("<!-- run {name} -->")) {
            wrong.push(format!("docs/sessions/{name}.session is on no page"));
        }
    }
    for language in ["ko", "en"] {
        let summary = read(&format!("docs/{language}/SUMMARY.md")).text;
        let folder = fs::read_dir(root().join("docs").join(language)).unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let names = names.filter(|name| name.ends_with(".md") && name != "SUMMARY.md");
        let missing = names.filter(|name| !summary.contains(&format!("]({name})")));
        wrong.extend(missing.map(|name| format!("docs/{language}/SUMMARY.md has no {name}")));
        let traps = checker::TRAPS
            .iter()
            .map(|trap| format!("how-it-breaks.md#{trap}"));
        for target in traps.chain(checker::CHECKS.iter().map(|check| check.page())) {
            let (name, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let anchors = anchors(&read(&format!("docs/{language}/{name}")));
            let missing = (!anchor.is_empty() && !anchors.contains(anchor))
                .then(|| format!("there is no {target}"));
            wrong.extend(missing);
        }
    }
    none(wrong);
}

/// Returns what is wrong with a block.
fn wrong_block(page: &Page, info: &str, piece: &Piece<'_>) -> Vec<String> {
    let most = match (asked(piece.above), info) {
        (Some(_), "diff") => 40,
        (Some(_), _) if page.path.starts_with("README") => 32, // each `serve` as it is
        (Some(_), _) => 25,
        (None, "sh" | "text" | "powershell" | "toml") => 6,
        (None, _) => return vec!["name the block's source in a comment above it".to_owned()],
    };
    let body = &piece.lines[1..piece.lines.len() - 1];
    let is_example = regex("^<!-- .*(/examples/|docs/python/)").is_match(piece.above);
    let columns = match info {
        "console" => 100,
        "diff" => 101 - 10 * usize::from(is_example), // with its sign
        _ => 100 - 10 * usize::from(is_example),
    };
    let mut wrong = Vec::new();
    if body.len() > most {
        wrong.push(format!("{} lines, more than {most}", body.len()));
    }
    for line in body {
        if line.width() > columns {
            wrong.push(format!("more than {columns} columns: {line}"));
        }
        let typed = all(r"^(?:\d │ )?\$ (.*)", line).pop();
        let typed = typed.or((info == "sh").then(|| line.to_string()));
        wrong.extend(typed.and_then(|command| wrong_command(&command)));
    }
    wrong
}

/// Returns what is wrong with a command. A test that was renamed would leave a command that runs none, and passes.
fn wrong_command(command: &str) -> Option<String> {
    let everywhere = regex(r"^(cargo|python|git|cd|docs/build\.sh|#)( |$)");
    let unquoted = regex(r#""[^"]*""#).replace_all(command, "");
    let is_odd = regex(r"['`;]").is_match(&unquoted) || regex(r"\$\(|python3").is_match(command);
    if is_odd || !everywhere.is_match(command) {
        return Some(format!(
            "not in cmd.exe, PowerShell and sh alike: {command}"
        ));
    }
    let after = |flag: &str| {
        let found = all(&format!(r"{flag} ([\w./-]+)"), command).pop();
        found.unwrap_or_default()
    };
    let (package, test) = (after(" -p"), after("^cargo test -p [a-z-]+"));
    let (program, check, example) = (after("^python"), after("--only"), after("--example"));
    let folders = ["", "tests"].map(|folder| root().join(folder).join(&package));
    let Some(folder) = folders.iter().find(|folder| folder.exists()) else {
        return Some(format!("there is no package {package}"));
    };
    let is_check = || checker::CHECKS.iter().any(|known| known.name == check);
    let is_right = (!program.starts_with("docs/") || root().join(&program).exists())
        && (check.is_empty() || checker::TRAPS.contains(&&check[..]) || is_check())
        && (example.is_empty() || folder.join(format!("examples/{example}.rs")).exists())
        && (test.is_empty()
            || test.starts_with('-')
            || rust(folder).contains(&format!("fn {test}")));
    (!is_right).then(|| format!("this names what is not there: {command}"))
}

/// Returns all that the Rust files in a folder say.
fn rust(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let texts = paths.map(|path| match path.extension() {
        _ if path.is_dir() => rust(&path),
        Some(extension) if extension == "rs" => fs::read_to_string(path).unwrap(),
        _ => String::new(),
    });
    texts.collect()
}

#[test]
fn blocks_and_commands_are_right() {
    check(&[], |page, piece| {
        let commands = all("`((?:cargo|python) [^`]+)`", &piece.text);
        let wrong = commands.iter().filter_map(|command| wrong_command(command));
        let info = piece.info;
        info.map_or(wrong.collect(), |info| wrong_block(page, info, piece))
    });
    assert!(wrong_command("cargo test -p common no_such_test").is_some());
    assert!(wrong_command("cargo run -q -p checker -- tcp --only no-such-check").is_some());
    assert!(wrong_command("cargo run -p tcp-echo --example no_such_example").is_some());
}

#[test]
fn markup_is_what_github_shows() {
    check(&[], |_, piece| {
        let text = regex(CODE).replace_all(&piece.text, "");
        let odd = r"(</?[a-z][^>]*>|\{\{?#|~~~|!\[\]|^ +```|^    |^<!--.*)";
        let mut odd = all(odd, &text);
        let ours = regex("^</?(details|summary|kbd)>$");
        odd.retain(|found| !ours.is_match(found) && asked(found).is_none());
        odd
    });
}

/// The last column of the glossary says which words are not used instead.
#[test]
fn excluded_words_are_not_used() {
    let mut cells = String::new();
    for page in ["docs/ko/glossary.md", "docs/en/glossary.md"].map(read) {
        for piece in page
            .pieces()
            .iter()
            .filter(|piece| piece.text.starts_with('|'))
        {
            let rows = piece.lines.iter().skip(2).map(|row| row.split('|').nth(3));
            rows.flatten().for_each(|cell| cells.extend([cell, ","]));
        }
    }
    let words = regex(r"[`*]").replace_all(&cells, "").to_lowercase();
    let words = words.split([',', ';']).map(str::trim);
    let words = words.filter(|word| word.contains(char::is_alphabetic));
    let (english, korean): (Vec<_>, Vec<_>) = words.partition(|word| word.is_ascii());
    let english = format!(r"\b({})\b", english.join("|"));
    let korean = format!("({})", korean.join("|")); // endings follow
    check(&[], |page, piece| {
        let others = regex(&format!("{CODE}|{LINK}|(?m)^>.*|<!--.*"));
        let text = others.replace_all(&piece.text, "").to_lowercase();
        let mut said = [&english, &korean].map(|words| all(words, &text)).concat();
        said.retain(|_| !page.path.ends_with("glossary.md"));
        said
    });
}
