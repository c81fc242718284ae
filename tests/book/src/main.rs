//! Brings the code, the changes, and the terminal sessions on the pages up to date.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::{fs, iter, panic, thread};

use clap::Parser;

use page::{Page, Printed, asked, fill, pairs};

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
    let _ = writeln!(std::io::stderr(), "{}", errors.join("\n")); // the status says it, too
    ExitCode::from(u8::from(!errors.is_empty()))
}

/// Returns the page as it has to be, and what is wrong with its comments.
fn update(page: &Page, printed: &Printed) -> (Page, Vec<String>) {
    let (filled, _) = fill(page, printed);
    fill(&filled, printed) // again, for the minutes depend on the rest
}

/// Runs all that the comments on these pages ask for, four at a time, each once for both languages.
fn run_programs(pages: &[Page]) -> Printed {
    let lines = pages.iter().flat_map(|page| page.text.lines());
    let programs = lines.filter_map(asked);
    let programs =
        programs.filter(|asked| asked.starts_with("run ") || asked.starts_with("checks "));
    let waiting = Mutex::new(programs.collect::<BTreeSet<_>>().into_iter());
    let next = || waiting.lock().ok()?.next();
    let run = |program: &str| {
        let printed = panic::catch_unwind(|| session::run(program));
        let failed = |panic: Box<dyn std::any::Any + Send>| match panic.downcast::<String>() {
            Ok(message) => Err(*message),
            Err(_) => Err("it failed".to_owned()),
        };
        (program.to_owned(), printed.unwrap_or_else(failed))
    };
    thread::scope(|scope| {
        let worker = || iter::from_fn(next).map(run).collect::<Vec<_>>();
        let workers: Vec<_> = iter::repeat_with(|| scope.spawn(worker)).take(4).collect();
        let printed = workers.into_iter().filter_map(|worker| worker.join().ok());
        printed.flatten().collect()
    })
}
