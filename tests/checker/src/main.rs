//! The command: puts an echo server in any language through the checks.
//!
//!     cargo run -p checker -- tcp --framing line --start "python my_server.py"

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use checker::{
    CHECKS, Check, Classification, Command, Event, Found, Framing, LIMITS, Language, Limits,
    Pattern, Problem, Report, ServerSpec, Target, Verdict, Words, words, wrap,
};
use clap::Parser;
use common::addr::{Address, DEFAULT_ADDRESS};
use common::lock;

/// Whether this machine is ready for a class.
mod preflight;

/// Finds out what an echo server gets wrong, in whatever language it is written
#[derive(Parser)]
#[command(
    bin_name = "cargo run -p checker --",
    after_help = "Before a class, `cargo run -p checker -- preflight` tells whether this machine is ready.\n\n\
                  Exits with 0 if a check passed and none failed, 1 if one failed or the server is \
                  something else, and 2 for wrong usage or if nothing listens there."
)]
struct Cli {
    /// What the server is: TCP, one client at a time; UDP; or TCP, many clients at the same time
    pattern: Pattern,
    /// Where it listens [default: 127.0.0.1:12345]
    address: Option<Address>,
    /// The same
    #[arg(long = "address", value_name = "ADDRESS", conflicts_with = "address")]
    address_option: Option<Address>,
    /// Start it with this command for each check; {address} or {port} becomes a fresh one
    #[arg(long, value_name = "COMMAND")]
    start: Option<Command>,
    /// Where a message of TCP ends: after what has arrived, a line, or as chunk, but not text
    #[arg(long, default_value = "chunk")]
    framing: Framing,
    /// Expect the bytes of a datagram unchanged: no prefix, no UTF-8 check
    #[arg(long)]
    raw: bool,
    /// What replies begin with (--prefix= for a plain echo)
    #[arg(long, default_value = "서버로부터 응답: ", allow_hyphen_values = true)]
    prefix: String,
    /// How long to wait for the next byte
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    timeout: Duration,
    /// Only the check of this name, or those of this trap (repeatable)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Describe the checks without running them
    #[arg(long)]
    list: bool,
    /// Run all checks, even if the server turns out to be something else
    #[arg(long)]
    all: bool,
    /// Show every failure in full, not only the first
    #[arg(long)]
    verbose: bool,
    /// The language [default: that of the system]
    #[arg(long)]
    lang: Option<Language>,
    /// Print one JSON object per line: one for each check, and a summary
    #[arg(long)]
    json: bool,
    /// Require the wording of this workspace's error replies
    #[arg(long)]
    exact_errors: bool,
}

fn parse_seconds(typed: &str) -> Result<Duration, String> {
    match typed.parse() {
        Ok(seconds) if (0.001..86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("write a number of seconds, such as 5 or 0.5".to_owned()),
    }
}

fn main() -> ExitCode {
    let first = std::env::args_os().nth(1);
    if first.is_some_and(|word| word == "preflight") {
        return preflight::run();
    }
    let cli = Cli::parse();
    let report = Report(cli.lang.unwrap_or_else(Language::of_system));
    let status = spec(&cli).and_then(|spec| {
        let checks = choose(&spec, &cli.only)?;
        if !cli.list {
            return check(&cli, &spec, &checks, report);
        }
        for check in checks {
            print(&match cli.json {
                true => report.json_list(check),
                false => report.list(check),
            });
        }
        Ok(ExitCode::SUCCESS)
    });
    status.unwrap_or_else(|error| {
        print_error(&error);
        ExitCode::from(2)
    })
}

fn spec(cli: &Cli) -> Result<ServerSpec, String> {
    let pattern = cli.pattern;
    let framing = match (pattern, cli.framing, cli.raw) {
        (Pattern::Udp, Framing::Chunk, true) => Framing::Raw,
        (Pattern::Udp, Framing::Chunk, false) => Framing::Chunk,
        (Pattern::Udp, ..) => return Err("--framing is for TCP: a datagram is a message".into()),
        (_, _, true) => return Err("--raw is for UDP: for TCP write --framing raw".into()),
        (_, framing, _) => framing,
    };
    Ok(ServerSpec {
        pattern,
        framing,
        prefix: cli.prefix.clone(),
        exact_errors: cli.exact_errors,
    })
}

/// Returns the checks that apply, or those of them that are asked for.
fn choose(spec: &ServerSpec, only: &[String]) -> Result<Vec<&'static Check>, String> {
    let applicable = CHECKS.iter().filter(|check| (check.applies_to)(spec));
    for name in only {
        if !CHECKS.iter().any(|check| check.is_called(name)) {
            let checks = CHECKS.iter();
            let names = checks.flat_map(|check| [Some(check.name), check.trap()]);
            let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
            let nearest = names.flatten().min_by_key(distance).unwrap_or_default();
            return Err(format!(
                "there is no check {name:?}: the nearest name is {nearest}, and --list shows all"
            ));
        }
        if !applicable.clone().any(|check| check.is_called(name)) {
            return Err(format!("the check {name} does not apply to {spec}"));
        }
    }
    let is_named = |check: &Check| only.iter().any(|name| check.is_called(name));
    let is_wanted = |check: &&Check| only.is_empty() || is_named(check);
    Ok(applicable.filter(is_wanted).collect())
}

/// Tries each address that the name has, until a server is there.
fn check(
    cli: &Cli,
    spec: &ServerSpec,
    checks: &[&'static Check],
    report: Report,
) -> Result<ExitCode, String> {
    let addresses = match cli.address.as_ref().or(cli.address_option.as_ref()) {
        Some(address) => address.resolve()?,
        None => DEFAULT_ADDRESS.parse::<Address>()?.resolve()?,
    };
    if let Some(command) = cli.start.clone() {
        let _ = ctrlc::set_handler(move || {
            command.end_running(); // without this, Ctrl-C would not end the server
            std::process::exit(130);
        });
    }
    let mut absent = Vec::new();
    for address in addresses {
        let (start, spec, timeout) = (cli.start.clone(), spec.clone(), cli.timeout);
        let target = Target {
            address,
            start,
            spec,
            limits: Limits { timeout, ..LIMITS },
            all: cli.all,
        };
        let mut session = Session::new(cli, &target, report);
        let found = checker::run(&target, checks, |event| session.handle(&event));
        if cli.start.is_some() || !found.as_ref().is_err_and(|found| found.is_unreachable) {
            return Ok(session.finish(&found));
        }
        absent.push((session, found));
    }
    // "Nothing listens" tells more than that this machine has no such address.
    let is_refused = |found: &Classification| found.class() == "refused";
    absent.sort_by_key(|(_, found)| !found.as_ref().is_err_and(|found| is_refused(found)));
    let (session, found) = absent.first_mut().ok_or("the name has no address")?;
    Ok(session.finish(found))
}

/// One run of the checks, as it is printed.
struct Session<'a> {
    cli: &'a Cli,
    report: Report,
    server: String,
    claim: String,
    progress: Progress,
    has_headline: bool,
    /// Why the last check was not tried, if it was not.
    last_reason: Option<Words>,
    /// Which others were not tried for the same reason.
    same_reason: Vec<&'static str>,
}

impl<'a> Session<'a> {
    fn new(cli: &'a Cli, target: &Target, report: Report) -> Self {
        let server = match &target.start {
            Some(command) if command.takes_port() => command.to_string(),
            Some(command) => format!("{command} ({})", target.address),
            None => target.address.to_string(),
        };
        Session {
            cli,
            report,
            server,
            claim: target.spec.to_string(),
            progress: Progress::start(),
            has_headline: cli.json,
            last_reason: None,
            same_reason: Vec::new(),
        }
    }

    fn handle(&mut self, event: &Event<'_>) {
        match event {
            Event::Began(name) => self.progress.show(name),
            Event::PortTaken => {
                let words = words("ui.port-taken");
                self.progress.show(&words.say(self.report.0));
            }
            Event::Classified(_) if self.cli.json => {}
            Event::Classified(found) => self.print(&(self.report.classification(found) + "\n")),
            Event::Finished(verdict) if self.cli.json => self.print(&self.report.json(verdict)),
            Event::Finished(verdict) => self.mark(verdict),
        }
    }

    /// Prints this, below the headline.
    fn print(&mut self, text: &str) {
        self.progress.hide();
        if !std::mem::replace(&mut self.has_headline, true) {
            print(&format!("{}: {}\n\n", self.server, self.claim));
        }
        print(text);
    }

    /// Prints the mark of a check, and the same reason only once.
    fn mark(&mut self, verdict: &Verdict) {
        let reason = match &verdict.outcome {
            Err(Problem::NotRun(why)) => Some(why),
            _ => None,
        };
        if reason.is_some() && reason == self.last_reason.as_ref() {
            return self.same_reason.push(verdict.check.name);
        }
        self.mark_same_reason();
        self.last_reason = reason.cloned();
        self.print(&self.report.mark(verdict));
    }

    fn mark_same_reason(&mut self) {
        let names = std::mem::take(&mut self.same_reason).join(", ");
        if !names.is_empty() {
            self.print(&format!("– {}\n", wrap(&names, 2)));
        }
    }

    /// Prints the first failure in full, or with `--verbose` every one, and the count.
    fn finish(&mut self, found: &Found<Vec<Verdict>>) -> ExitCode {
        self.progress.hide();
        match found {
            _ if self.cli.json => {
                let mut line = self.report.json_summary(found);
                line["server"] = self.server.as_str().into();
                line["claim"] = self.claim.as_str().into();
                print(&format!("{line}\n"));
            }
            Ok(verdicts) => self.explain(verdicts),
            Err(found) if found.is_unreachable => {
                let sentence = self.report.classification(found);
                print_error(&format!("{}: {sentence}", self.server));
            }
            Err(found) => self.print(&self.report.classification(found)),
        }
        match found.as_deref().map(checker::counts) {
            Ok([passed, 0, _]) if passed > 0 => ExitCode::SUCCESS,
            Err(found) if found.is_unreachable => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }

    fn explain(&mut self, verdicts: &[Verdict]) {
        self.mark_same_reason();
        let mut explained = 0;
        for verdict in verdicts {
            if let Err(Problem::Failed(failure)) = &verdict.outcome {
                if explained == 0 || self.cli.verbose {
                    explained += 1;
                    let full = self.report.explain(verdict.check, failure);
                    print(&format!("\n{full}"));
                }
            }
        }
        let summary = self.report.summary(verdicts, explained);
        print(&format!("\n{summary}"));
    }
}

/// The name of what is running and its seconds, on a line of the terminal that is overwritten.
struct Progress(Arc<Mutex<Option<(String, Instant)>>>);

impl Progress {
    fn start() -> Self {
        let progress = Progress(Arc::default());
        if std::io::stderr().is_terminal() && std::io::stdout().is_terminal() {
            let current = Arc::downgrade(&progress.0);
            thread::spawn(move || {
                while let Some(current) = current.upgrade() {
                    if let Some((name, began)) = &*lock(&current) {
                        let seconds = began.elapsed().as_secs();
                        write_error(&format!("\r\x1b[K… {name} {seconds} s"));
                    }
                    drop(current);
                    thread::sleep(Duration::from_millis(200)); // it shows the time
                }
            });
        }
        progress
    }

    fn show(&self, name: &str) {
        *lock(&self.0) = Some((name.to_owned(), Instant::now()));
    }

    /// Erases the line before something else is printed.
    fn hide(&self) {
        if lock(&self.0).take().is_some() && std::io::stderr().is_terminal() {
            write_error("\r\x1b[K");
        }
    }
}

/// Prints immediately, with colors on a terminal only. A reader that has gone (`| head`) changes
/// nothing about the checks, and the exit status still tells how they went.
fn print(text: &str) {
    let mut stdout = anstream::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    let _ = written.and_then(|()| stdout.flush());
}

fn print_error(sentence: &str) {
    write_error(&format!("checker: {}\n", sentence.trim_end()));
}

fn write_error(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()); // a stderr that is closed leaves no other place
}
