use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use crate::book_pages::{Item, Kind, Page, names, none, pages, root};

/// A heading and what stands below it, up to the next.
struct Section {
    line: usize,
    heading: String,
    hash: u64,
    /// What is there, in its order; but not the links.
    shape: Vec<(usize, String)>,
    /// The links, sorted: languages differ in the order of words.
    links: Vec<String>,
}

impl Section {
    /// `docs/ko/src/tcp.md:12 "서버"`
    fn place(&self, page: &Page) -> String {
        format!("{} \"{}\"", page.place(self.line), self.heading)
    }

    fn has(&self, page: &Page, found: Option<&(usize, String)>) -> String {
        match found {
            Some((line, shape)) => format!("{} has {shape}", page.place(*line)),
            None => format!("{} has nothing there", self.place(page)),
        }
    }
}

fn sections(page: &Page) -> Vec<Section> {
    let headings = page.items.iter().filter(|item| matches!(item.kind, Kind::Heading(..)));
    let mut bounds: Vec<_> = headings.map(|item| item.at.start).collect();
    bounds.insert(0, 0);
    bounds.push(page.text.len());
    let parts = bounds.windows(2).map(|bounds| bounds[0]..bounds[1]).filter(|part| !part.is_empty());
    let section = |part: Range<usize>| {
        let items: Vec<_> = page.items.iter().filter(|item| part.contains(&item.at.start)).collect();
        let mut links: Vec<_> = items.iter().filter_map(|item| link(item)).collect();
        links.sort();
        Section {
            line: 1 + page.text[..part.start].matches('\n').count(),
            heading: items.iter().find_map(|item| heading(item)).unwrap_or("the beginning").to_owned(),
            hash: hash(&page.text[part.clone()]),
            shape: items.iter().flat_map(|item| shape(item).into_iter().map(|shape| (item.line, shape))).collect(),
            links,
        }
    };
    parts.map(section).collect()
}

fn heading(item: &Item) -> Option<&str> {
    if let Kind::Heading(_, text) = &item.kind { Some(text) } else { None }
}

/// Where a link leads, without what only tells the languages apart.
fn link(item: &Item) -> Option<String> {
    let Kind::Link(target) = &item.kind else { return None };
    if target.contains("://") {
        return Some(target.replace("/ko/", "/").replace("/en/", "/").replace("//ko.", "//en."));
    }
    // The name of a heading is of its language, unless the heading has an id that is not.
    let (page, fragment) = target.split_once('#').unwrap_or((target, ""));
    Some(if fragment.is_empty() { page.to_owned() } else { format!("{page}#...") })
}

fn shape(item: &Item) -> Vec<String> {
    match &item.kind {
        Kind::Heading(level, _) => vec![format!("a heading of level {level}")],
        Kind::Code { info, body } => {
            match body.lines().filter(|line| line.starts_with("{{#")).collect::<Vec<_>>()[..] {
                [] => body.lines().map(|line| format!("`{info}`: {}", without_comment(line))).collect(),
                ref includes => includes.iter().map(|include| format!("`{info}`: {include}")).collect(),
            }
        }
        Kind::Table(rows) => {
            let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
            vec![format!("a table of {columns} columns and {} rows", rows.len())]
        }
        Kind::Image(address) => vec![format!("the image {}", address.rsplit('/').next().unwrap_or_default())],
        Kind::Html(html) => {
            let tags = ["<details", "<div class=\"pair\"", "<div class=\"single\"", "<kbd", "<img"];
            tags.iter().flat_map(|tag| html.matches(tag)).map(|tag| format!("{tag}>")).collect()
        }
        Kind::Quote(text) => vec![format!("the quotation {text:?}")],
        Kind::Link(_) | Kind::Text(_) => Vec::new(),
    }
}

/// A comment is of its language, the rest of a command is not.
fn without_comment(line: &str) -> &str {
    line.split_once(" # ").map_or(line, |(command, _)| command).trim_end()
}

/// FNV-1a of the words: where the lines are broken does not matter.
fn hash(text: &str) -> u64 {
    let words: Vec<_> = text.split_whitespace().collect();
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    words.join(" ").bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The first difference of two pages, if any.
fn difference(ko: &Page, en: &Page) -> Option<String> {
    let (left, right) = (sections(ko), sections(en));
    let different = left.iter().zip(&right).find_map(|(left, right)| {
        let shapes = (0..left.shape.len().max(right.shape.len())).map(|at| (left.shape.get(at), right.shape.get(at)));
        let mut different =
            shapes.filter(|(left, right)| left.map(|(_, shape)| shape) != right.map(|(_, shape)| shape));
        if let Some((here, there)) = different.next() {
            return Some(format!("{}, and {}", left.has(ko, here), right.has(en, there)));
        }
        let links =
            || format!("{} links to {:?}, {} to {:?}", left.place(ko), left.links, right.place(en), right.links);
        (left.links != right.links).then(links)
    });
    let sections = || format!("{} has {} headings, {} has {}", ko.place(1), left.len(), en.place(1), right.len());
    different.or_else(|| (left.len() != right.len()).then(sections))
}

fn pair(name: &str) -> Result<(Page, Page), String> {
    let read = |language| Page::read(language, name).ok_or_else(|| format!("there is no docs/{language}/src/{name}"));
    Ok((read("ko")?, read("en")?))
}

#[test]
fn a_page_has_the_same_shape_in_both_languages() {
    let differences = names().into_iter().map(|name| {
        let (ko, en) = pair(&name)?;
        difference(&ko, &en).map_or(Ok(()), Err)
    });
    none(differences.filter_map(Result::err).collect());
}

fn lock() -> PathBuf {
    root().join("docs/translations.txt")
}

const HEAD: &str = "\
# Each section of each page as it was when its two sides were last declared to say the same: page, Korean, English, heading.
# When a side has changed since, `cargo test -p tests --test book` fails. See to the other side, then record it:
#     IN_STEP=tcp.md cargo test -p tests --test book languages      (or several: tcp.md,udp.md; or every page: all)
";

/// `tcp.md 0123456789abcdef fedcba9876543210`: a section, in both languages.
fn entry(name: &str, ko: &Section, en: &Section) -> String {
    format!("{name} {:016x} {:016x}", ko.hash, en.hash)
}

/// Records that these pages are in step; everything else stays as it was.
fn record(told: &str) {
    let old = fs::read_to_string(lock()).unwrap_or_default();
    let mut new = HEAD.to_owned();
    for name in names() {
        if told != "all" && !told.split(',').any(|told| told.trim() == name) {
            let kept = old.lines().filter(|line| line.split(' ').next() == Some(&name));
            kept.for_each(|line| new += &format!("{line}\n"));
            continue;
        }
        let (ko, en) = pair(&name).unwrap();
        assert_eq!(difference(&ko, &en), None, "these are not in step");
        for (ko, en) in sections(&ko).iter().zip(&sections(&en)) {
            new += &format!("{} {}\n", entry(&name, ko, en), en.heading);
        }
    }
    fs::write(lock(), new).unwrap();
}

/// What has changed in a page since its sides were in step, and how to record that they are again.
fn changes(name: &str, lock: &str) -> Option<String> {
    let (ko, en) = pair(name).ok()?;
    let recorded: Vec<_> = lock.lines().filter(|line| line.split(' ').next() == Some(name)).collect();
    let advice = format!("    once both say the same: IN_STEP={name} cargo test -p tests --test book languages\n");
    if recorded.is_empty() {
        return Some(format!("{} and {} have never been declared to say the same\n{advice}", ko.place(1), en.place(1)));
    }
    let is_known = |hash: u64| recorded.iter().any(|line| line.contains(&format!(" {hash:016x} ")));
    let mut changed = Vec::new();
    for (left, right) in sections(&ko).iter().zip(&sections(&en)) {
        if recorded.iter().any(|line| line.starts_with(&entry(name, left, right))) {
            continue;
        }
        let (ko, en) = (left.place(&ko), right.place(&en));
        changed.push(match (is_known(left.hash), is_known(right.hash)) {
            (true, false) => format!("{en} has changed, {ko} has not"),
            (false, true) => format!("{ko} has changed, {en} has not"),
            _ => format!("{ko} and {en} have changed"),
        });
    }
    (!changed.is_empty()).then(|| format!("{}\n{advice}", changed.join("\n")))
}

#[test]
fn no_side_of_a_page_has_changed_alone() {
    if let Ok(told) = env::var("IN_STEP") {
        record(&told);
    }
    let lock = fs::read_to_string(lock()).unwrap_or_default();
    none(names().iter().filter_map(|name| changes(name, &lock)).collect());
}

/// The third column of the glossary: English, 한국어, and what is not said instead.
fn forbidden() -> BTreeSet<String> {
    let glossaries: Vec<_> = pages().into_iter().filter(|page| page.name == "glossary.md").collect();
    let mut forms = BTreeSet::new();
    for item in glossaries.iter().flat_map(|page| &page.items) {
        let Kind::Table(rows) = &item.kind else { continue };
        for cell in rows.iter().skip(1).filter_map(|row| row.get(2)) {
            let cell = cell.replace(['`', '*'], "");
            let words = cell.split([',', ';']).map(str::trim);
            forms.extend(words.filter(|word| word.chars().any(char::is_alphabetic)).map(str::to_lowercase));
        }
    }
    forms
}

/// An English word has to stand alone; a Korean one is found within others too.
fn says(text: &str, form: &str) -> bool {
    let text = text.to_lowercase();
    let is_letter = |character: Option<char>| {
        form.is_ascii() && character.is_some_and(|character| character.is_ascii_alphanumeric())
    };
    text.match_indices(form)
        .any(|(at, _)| !is_letter(text[..at].chars().next_back()) && !is_letter(text[at + form.len()..].chars().next()))
}

#[test]
fn no_page_uses_a_form_that_the_glossary_excludes() {
    let forbidden = forbidden();
    let mut wrong = Vec::new();
    for page in pages().iter().filter(|page| page.name != "glossary.md") {
        for item in &page.items {
            let text = match &item.kind {
                Kind::Text(text) | Kind::Html(text) | Kind::Heading(_, text) => text,
                _ => continue,
            };
            let said = forbidden.iter().filter(|form| says(text, form));
            wrong.extend(said.map(|form| format!("{}: \"{form}\"; see glossary.md", page.place(item.line))));
        }
    }
    none(wrong);
}
