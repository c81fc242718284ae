//! Rules that clippy cannot hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use suite::root;

const CRATES: [&str; 4] = ["common", "tcp-echo", "udp-echo", "threaded-echo"];

/// Where the four loops are, with their maximum numbers of lines and of names of ours.
const SERVES: [(&str, usize, usize); 4] = [
    ("tcp-echo/src/server.rs", 14, 7),
    ("udp-echo/src/server.rs", 22, 11),
    ("threaded-echo/src/server.rs", 28, 12),
    ("threaded-echo/src/pool.rs", 32, 10),
];

fn read(path: impl AsRef<Path>) -> String {
    let text = fs::read_to_string(root().join(&path));
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()));
    text.replace('\r', "")
}

/// Returns the files below a folder with one of these extensions: their paths from the top, and texts.
fn files(folder: &str, extensions: &[&str]) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
                folders.push(path);
            } else if extension.is_some_and(|extension| extensions.contains(&extension)) {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name.replace('\\', "/"), read(&path)));
            }
        }
    }
    found
}

/// Returns the sources of a crate, without unit tests.
fn sources(name: &str) -> Vec<(String, String)> {
    let mut sources = files(&format!("{name}/src"), &["rs"]);
    sources.retain(|(path, _)| !path.ends_with("tests.rs"));
    sources
}

/// Returns Rust code without comments.
fn code(text: &str) -> String {
    let lines = text.lines().flat_map(|line| line.split("//").next());
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the words of Rust code, each with what follows it.
fn words(code: &str) -> Vec<(&str, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let starts = code
        .split_inclusive(|c: char| !is_word(c))
        .scan(0, |end, part| {
            *end += part.len();
            Some(&code[*end - part.len()..])
        });
    let words = starts.map(|rest| rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len())));
    words.filter(|(word, _)| !word.is_empty()).collect()
}

fn serve(path: &str) -> String {
    let text = read(path);
    let start = text.find("pub fn serve(").expect(path);
    let end = text[start..].find("\n}\n").unwrap();
    text[start..start + end + 2].to_owned()
}

/// Returns the names in a `serve` that its reader looks up in our crates: types, constants, functions.
fn names_of_ours(path: &str) -> BTreeSet<String> {
    let mut ours = BTreeSet::new();
    for (_, text) in CRATES.iter().flat_map(|name| sources(name)) {
        for pair in words(&code(&text)).windows(2) {
            if ["fn", "struct", "enum", "const", "type", "trait"].contains(&pair[0].0) {
                ours.insert(pair[1].0.to_owned());
            }
        }
    }
    let serve = code(&serve(path));
    // A variable is none, nor is what means std's or crossbeam's here, though ours has the same name.
    let theirs = ["serve", "send", "spawn", "clone", "drop", "Error", "Err"];
    let is_used = |word: &str, rest: &str| {
        rest.starts_with(['(', ':']) && !rest.starts_with(": ")
            || word.starts_with(char::is_uppercase)
    };
    let mut names = words(&serve);
    names.retain(|(word, rest)| !theirs.contains(word) && is_used(word, rest));
    let names = names.into_iter().map(|(word, _)| word.to_owned());
    names.filter(|name| ours.contains(name)).collect()
}

/// Prints the figures with `cargo test -p suite budget -- --nocapture`.
#[test]
fn serve_fits_its_budget() {
    for (path, max_lines, max_names) in SERVES {
        let (lines, names) = (serve(path).lines().count(), names_of_ours(path));
        let count = names.len();
        println!("serve in {path}: {lines} of {max_lines} lines, {count} names: {names:?}");
        assert!(lines <= max_lines && count <= max_names, "{path}");
        assert!(read(path).lines().count() <= 80, "{path}");
    }
}

#[test]
fn each_part_fits_its_budget() {
    let [src, examples] =
        ["src", "examples"].map(|folder| CRATES.map(|name| format!("{name}/{folder}")).join(" "));
    let tests = format!("{src} tests/suite");
    let is_test = |path: &str| path.ends_with("tests.rs") || path.starts_with("tests/");
    let parts: [(&str, &str, fn(&str) -> bool, usize); 7] = [
        (
            "*/src without tests",
            &src,
            |path| !path.ends_with("tests.rs"),
            2_600,
        ),
        ("the suite and unit tests", &tests, is_test, 4_800),
        ("the checker", "tests/checker", |_| true, 3_000),
        (
            "the book",
            "tests/book docs/theme docs/browser",
            |_| true,
            1_500,
        ),
        ("*/examples", &examples, |_| true, 700),
        ("docs/python", "docs/python", |_| true, 800),
        ("tests/bench", "tests/bench", |_| true, 800),
    ];
    for (part, folders, is_counted, max) in parts {
        let extensions = ["rs", "py", "sh", "js", "css", "hbs"];
        let files = folders
            .split(' ')
            .flat_map(|folder| files(folder, &extensions));
        let counted = files.filter(|(path, _)| is_counted(path));
        let lines: usize = counted.map(|(_, text)| text.lines().count()).sum();
        println!("{part}: {lines} of {max} lines");
        assert!(lines <= max, "{part}: {lines} of {max} lines");
    }
}

#[test]
fn crates_depend_one_way_on_three_packages() {
    for (name, ours) in [
        ("common", ""),
        ("tcp-echo", "common"),
        ("udp-echo", "common"),
        ("threaded-echo", "common tcp-echo"),
    ] {
        let manifest = read(format!("{name}/Cargo.toml"));
        let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
        let dependencies = dependencies.split("\n[").next().unwrap();
        let packages = dependencies
            .lines()
            .flat_map(|line| line.split(['.', ' ']).next());
        for package in packages {
            let mut allowed = ours
                .split(' ')
                .chain(["clap", "crossbeam-channel", "ctrlc", ""]);
            assert!(
                allowed.any(|name| name == package),
                "{name} depends on {package}"
            );
        }
    }
}

#[test]
fn modules_of_a_crate_import_in_no_circle() {
    for name in CRATES {
        let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, text) in sources(name) {
            let used = text.split("crate::").skip(1);
            let used = used.map(|rest| words(rest)[0].0.to_owned());
            let module = path.rsplit('/').next().unwrap().replace(".rs", "");
            imports.insert(module, used.collect());
        }
        // Takes away what imports nothing that is left, until nothing is left.
        while !imports.is_empty() {
            let left: BTreeSet<_> = imports.keys().cloned().collect();
            imports.retain(|_, used| !used.is_disjoint(&left));
            assert!(imports.len() < left.len(), "{name}: a circle: {imports:#?}");
        }
    }
}

/// Returns what the READMEs of both languages have in common: code, levels of headings, columns of tables.
fn shape(readme: &str) -> Vec<String> {
    let (mut shape, mut is_code) = (Vec::new(), false);
    for line in readme.lines() {
        is_code ^= line.starts_with("```");
        shape.push(match line.chars().next() {
            _ if is_code => line.split("  #").next().unwrap().trim_end().to_owned(),
            Some('#') => line.split(' ').next().unwrap().to_owned(),
            Some('|') => "|".repeat(line.matches('|').count()),
            _ => continue,
        });
    }
    shape
}

#[test]
fn readmes_show_each_serve_and_have_one_shape() {
    let readmes = ["README.md", "README.ko.md"].map(read);
    for (path, ..) in &SERVES[..3] {
        let is_fresh = readmes.iter().all(|readme| readme.contains(&serve(path)));
        assert!(is_fresh, "copy the serve of {path} into both READMEs");
    }
    assert_eq!(shape(&readmes[0]), shape(&readmes[1]));
}

#[test]
fn top_folder_holds_what_the_map_names() {
    let allowed = "Cargo.toml Cargo.lock README.md README.ko.md LICENSE LICENSE-MIT LICENSE-APACHE \
                   common tcp-echo udp-echo threaded-echo tests docs target my";
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_allowed = allowed.split(' ').any(|allowed| allowed == name);
        assert!(name.starts_with('.') || is_allowed, "{name}");
    }
}

#[test]
fn test_names_are_short_and_without_article() {
    let folders = CRATES.iter().chain(&["tests"]);
    for (path, text) in folders.flat_map(|folder| files(folder, &["rs"])) {
        for test in text.split("#[test]\n").skip(1) {
            let name = test
                .split("fn ")
                .nth(1)
                .and_then(|rest| rest.split('(').next());
            let name = name.unwrap_or_default();
            let has_article = ["a_", "an_", "the_", "it_"]
                .iter()
                .any(|word| name.starts_with(word));
            assert!(name.len() <= 45 && !has_article, "{path}: {name}");
        }
    }
}
