use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

pub const LANGUAGES: [&str; 2] = ["ko", "en"];

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The names of the pages, of both languages together.
pub fn names() -> BTreeSet<String> {
    let pages = LANGUAGES.iter().flat_map(|language| files(&folder(language), "md"));
    pages.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

/// All pages of both languages.
pub fn pages() -> Vec<Page> {
    let pages = LANGUAGES.iter().flat_map(|language| names().into_iter().map(|name| Page::read(language, &name)));
    pages.flatten().collect()
}

/// The files in a folder with this extension, sorted.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

fn folder(language: &str) -> PathBuf {
    root().join("docs").join(language).join("src")
}

/// Fails with everything that is wrong, not only the first thing.
#[track_caller]
pub fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n\n{}\n", wrong.join("\n"));
}

/// A page in one of the languages.
pub struct Page {
    pub language: &'static str,
    pub name: String,
    pub text: String,
    pub items: Vec<Item>,
}

/// Something on a page, and where.
pub struct Item {
    pub at: Range<usize>,
    pub line: usize,
    pub kind: Kind,
}

pub enum Kind {
    Heading(usize, String),
    Code {
        info: String,
        body: String,
    },
    Link(String),
    Image(String),
    Table(Vec<Vec<String>>),
    Html(String),
    /// The words of others, which stay as they are.
    Quote(String),
    Text(String),
}

impl Page {
    /// `None` when this language has no such page.
    pub fn read(language: &'static str, name: &str) -> Option<Self> {
        let text = fs::read_to_string(folder(language).join(name)).ok()?;
        let items = items(&text);
        Some(Page { language, name: name.to_owned(), text, items })
    }

    /// `docs/ko/src/tcp.md:12`
    pub fn place(&self, line: usize) -> String {
        format!("docs/{}/src/{}:{line}", self.language, self.name)
    }

    /// The file that an address on this page stands for.
    pub fn file(&self, address: &str) -> PathBuf {
        let mut file = folder(self.language);
        for part in address.split('/') {
            match part {
                ".." => _ = file.pop(),
                part => file.push(part),
            }
        }
        file
    }
}

fn items(text: &str) -> Vec<Item> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES;
    let mut events = Parser::new_ext(text, options).into_offset_iter();
    let mut items = Vec::new();
    while let Some((event, at)) = events.next() {
        let mut until = |end| until(&mut events, end);
        let kind = match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                Kind::Code { info, body: until(TagEnd::CodeBlock) }
            }
            Event::Start(Tag::Heading { level, .. }) => {
                Kind::Heading(level as usize, until(TagEnd::Heading(level)).trim().to_owned())
            }
            Event::Start(Tag::Image { dest_url, .. }) => Kind::Image(dest_url.to_string()),
            Event::Start(Tag::Link { dest_url, .. }) => Kind::Link(dest_url.to_string()),
            Event::Start(Tag::Table(_)) => Kind::Table(rows(&text[at.clone()])),
            Event::Start(Tag::BlockQuote(kind)) => Kind::Quote(until(TagEnd::BlockQuote(kind))),
            Event::Html(html) | Event::InlineHtml(html) => Kind::Html(html.to_string()),
            Event::Text(text) => Kind::Text(text.to_string()),
            _ => continue,
        };
        let line = 1 + text[..at.start].matches('\n').count();
        items.push(Item { at, line, kind });
    }
    items
}

/// The text up to this end.
fn until<'text>(events: &mut impl Iterator<Item = (Event<'text>, Range<usize>)>, end: TagEnd) -> String {
    let within = events.map(|(event, _)| event).take_while(|event| *event != Event::End(end));
    let texts = within.filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.into_string()),
        _ => None,
    });
    texts.collect()
}

/// The cells of a table, as they are written; without the line of dashes.
fn rows(table: &str) -> Vec<Vec<String>> {
    let cells = |row: &str| {
        row.trim().trim_matches('|').replace("\\|", "¦").split('|').map(str::trim).map(String::from).collect()
    };
    table.lines().enumerate().filter(|(line, _)| *line != 1).map(|(_, row)| cells(row)).collect()
}
