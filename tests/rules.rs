use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's folder.
fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every Rust file below these folders, with its path from the top, but no files of tests.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| top().join(folder)).collect();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let name = path.strip_prefix(top()).unwrap().display().to_string().replace('\\', "/");
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(found.len() >= folders.len(), "{found:?}");
    found
}

const CRATES: [&str; 4] = ["common/src", "tcp-echo/src", "udp-echo/src", "threaded-echo/src"];

/// The lines that have this in them, outside of comments, as `file:line: text`.
fn lines_with(word: &str, sources: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in sources {
        for (line, number) in text.lines().zip(1..) {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains(word) {
                found.push(format!("{name}:{number}: {}", line.trim()));
            }
        }
    }
    found
}

#[test]
fn arguments_and_signals_are_the_edges_business() {
    let inside: Vec<_> = sources(&CRATES).into_iter().filter(|(name, _)| !name.ends_with("/main.rs")).collect();
    for word in ["clap", "ctrlc", "process::exit"] {
        assert_eq!(lines_with(word, &inside), [""; 0], "{word} belongs in main.rs");
    }
    // The report repeats how the program was called, as the beginning of a line to paste, and takes nothing else from it.
    let of_report = |line: &String| line.starts_with("common/src/report.rs:") && line.contains("args_os().next()");
    let others: Vec<_> = lines_with("env::args", &inside).into_iter().filter(|line| !of_report(line)).collect();
    assert_eq!(others, [""; 0], "arguments belong in main.rs");
}

#[test]
fn what_is_deliberately_absent_is_absent() {
    let sources = sources(&CRATES);
    for (word, instead) in [
        ("unsafe ", "std has what we need"),
        ("sleep(", "wait for what you wait for: a channel, a condition, a timeout of the call itself"),
        ("static mut", "pass it"),
        ("thread_local!", "pass it"),
        ("macro_rules!", "write a function"),
        ("async ", "threads are the pattern"),
        ("println!(", "it panics when stdout is closed: common::report does not"),
        ("try_clone(", "share it: a clone takes a second descriptor"),
    ] {
        assert_eq!(lines_with(word, &sources), [""; 0], "{word} is absent on purpose: {instead}");
    }
}

#[test]
fn a_server_is_read_in_two_screens() {
    for name in ["tcp-echo", "udp-echo", "threaded-echo"] {
        let lines = fs::read_to_string(top().join(name).join("src/server.rs")).unwrap().lines().count();
        assert!(lines <= 160, "{name}/src/server.rs has {lines} lines");
    }
}

#[test]
fn imports_go_one_way_and_three_packages_are_enough() {
    for (name, allowed) in [
        ("common", &["crossbeam-channel"][..]),
        ("tcp-echo", &["clap", "common", "crossbeam-channel", "ctrlc"]),
        ("udp-echo", &["clap", "common", "crossbeam-channel", "ctrlc"]),
        ("threaded-echo", &["clap", "common", "crossbeam-channel", "ctrlc", "tcp-echo"]),
    ] {
        let manifest = fs::read_to_string(top().join(name).join("Cargo.toml")).unwrap().replace('\r', "");
        let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
        let dependencies = dependencies.split("\n[").next().unwrap();
        let lines = dependencies.lines().filter(|line| !line.is_empty());
        let names: Vec<_> = lines.filter_map(|line| line.split(['.', ' ']).next()).collect();
        assert_eq!(names, allowed, "{name}");
    }
}

#[test]
fn the_readmes_say_the_same_in_both_languages() {
    let [english, korean] = ["README.md", "README.ko.md"].map(|name| fs::read_to_string(top().join(name)).unwrap());
    let shape = |text: &str| -> Vec<String> {
        let mut shape = Vec::new();
        let mut fence = false;
        for line in text.lines() {
            if line.starts_with("```") {
                fence = !fence;
            }
            if fence || line.starts_with("```") {
                shape.push(line.split("  #").next().unwrap().split("   ").next().unwrap().trim_end().to_owned());
            } else if line.starts_with('#') {
                shape.push(line.split(' ').next().unwrap().to_owned()); // the level of the heading
            } else if line.starts_with('|') {
                shape.push("|".repeat(line.matches('|').count()));
            }
        }
        shape
    };
    assert_eq!(shape(&english), shape(&korean));
}

#[test]
fn the_first_run_in_the_readmes_is_the_one_that_was_run() {
    let recorded = fs::read_to_string(top().join("docs/transcripts/udp-first-run.txt")).unwrap();
    let recorded: Vec<_> = recorded.lines().filter_map(|line| Some(line.split_once(" │ ")?.1)).collect();
    for name in ["README.md", "README.ko.md"] {
        let text = fs::read_to_string(top().join(name)).unwrap();
        let block = text.split("```").find_map(|block| block.strip_prefix("console")).unwrap();
        let lines = block.lines().map(|line| line.split("  #").next().unwrap().trim());
        assert_eq!(lines.filter(|line| !line.is_empty()).collect::<Vec<_>>(), recorded, "{name}");
    }
}
