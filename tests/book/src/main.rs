//! Brings the code, the changes, and the terminal sessions on the pages up to date.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;
use std::{fs, panic, thread};

use clap::Parser;

use page::{Page, Printed, asked, fill, pairs, regex};

#[cfg(target_os = "linux")]
mod normal;
mod page;
#[cfg(test)]
mod rules;
#[cfg(target_os = "linux")]
mod session;
mod source;
mod table;

#[cfg(not(target_os = "linux"))]
mod session {
    pub fn run(_: &str) -> Result<String, String> {
        Err(
            "sessions run on Linux, where errors are worded as on the pages; here: --fast"
                .to_owned(),
        )
    }
}

/// Brings the code, the changes, and the terminal sessions on the pages up to date
#[derive(Parser)]
#[command(bin_name = "cargo run -p book --")]
struct Cli {
    /// Leave out what takes a program: sessions, and what the checker finds
    #[arg(long)]
    fast: bool,
    /// The pages (all, if there is none): docs/ko/tcp.md
    pages: Vec<String>,
}

fn main() -> ExitCode {
    panic::set_hook(Box::new(|_| ())); // a session that fails is an error of its page
    let Cli { fast, mut pages } = Cli::parse();
    if pages.is_empty() {
        pages = pairs().into_iter().flatten().collect();
    }
    let pages = pages.iter().filter_map(|path| Page::read(path).ok());
    let pages: Vec<_> = pages.collect();
    let printed = if fast {
        Printed::new()
    } else {
        run_programs(&pages)
    };
    let mut errors = Vec::new();
    for page in &pages {
        let (filled, wrong) = update(page, &printed);
        errors.extend(wrong);
        if filled.text != page.text {
            let written = fs::write(suite::root().join(&page.path), filled.text);
            errors.extend(written.err().map(|error| format!("{}: {error}", page.path)));
        }
    }
    for error in &errors {
        let _ = writeln!(std::io::stderr(), "{error}"); // the status says it, too
    }
    ExitCode::from(u8::from(!errors.is_empty()))
}

/// Returns the page as it has to be, and what is wrong with its comments.
fn update(page: &Page, printed: &Printed) -> (Page, Vec<String>) {
    let (filled, _) = fill(page, printed);
    fill(&filled, printed) // again, for the minutes depend on the rest
}

/// Runs all that the comments on these pages ask for, a few at a time, each once for both languages.
fn run_programs(pages: &[Page]) -> Printed {
    let lines = pages.iter().flat_map(|page| page.text.lines());
    let programs = lines
        .filter_map(asked)
        .filter(|asked| regex("^(run|checks) ").is_match(asked));
    let programs: BTreeSet<_> = programs.collect();
    let programs: Vec<_> = programs.into_iter().collect();
    let mut printed = Printed::new();
    for programs in programs.chunks(6) {
        thread::scope(|scope| {
            let start = |program: &&str| {
                let program = program.to_string();
                (program.clone(), scope.spawn(move || session::run(&program)))
            };
            let started: Vec<_> = programs.iter().map(start).collect();
            for (program, thread) in started {
                let result = thread.join().unwrap_or_else(|panic| {
                    Err(panic.downcast_ref::<String>().cloned().unwrap_or_default())
                });
                printed.insert(program, result);
            }
        });
    }
    printed
}
