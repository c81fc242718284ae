//! The command: puts an echo server in any language through the checks.
//!
//!     cargo run -p checker -- tcp --framing line --start "python my_server.py"

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use checker::{
    CHECKS, Check, Classification, Command, Event, Framing, Language, Outcome, Pattern, Report,
    ServerSpec, Source, Target, Verdict, Words, words,
};
use clap::Parser;
use common::addr::{Address, DEFAULT_ADDRESS};

/// Finds out what an echo server gets wrong, in whatever language it is written
#[derive(Parser)]
#[command(
    bin_name = "cargo run -p checker --",
    after_help = "Exits with 0 if a check passed and none failed, 1 if one failed or the server is \
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
    let seconds = typed
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| (Duration::from_millis(1)..Duration::from_secs(86_400)).contains(seconds))
        .ok_or_else(|| "write a number of seconds, such as 5 or 0.5".to_owned())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let status = spec(&cli).and_then(|spec| {
        let checks = choose(&spec, &cli.only)?;
        let report = Report(cli.lang.unwrap_or_else(Language::of_system));
        if cli.list {
            checks.iter().for_each(|check| print(&report.list(check)));
            return Ok(ExitCode::SUCCESS);
        }
        check(&cli, &spec, &checks, report)
    });
    status.unwrap_or_else(|error| {
        print_error(&error);
        ExitCode::from(2)
    })
}

fn spec(cli: &Cli) -> Result<ServerSpec, String> {
    let framing = match (cli.pattern, cli.framing, cli.raw) {
        (Pattern::Udp, Framing::Chunk, true) => Framing::Raw,
        (Pattern::Udp, Framing::Chunk, false) => Framing::Chunk,
        (Pattern::Udp, ..) => return Err("--framing is for TCP: a datagram is a message".into()),
        (_, _, true) => return Err("--raw is for UDP: for TCP write --framing raw".into()),
        (_, framing, _) => framing,
    };
    let mut spec = ServerSpec::new(cli.pattern, framing, &cli.prefix);
    spec.exact_errors = cli.exact_errors;
    Ok(spec)
}

/// Returns the checks that apply, or those of them that are asked for.
fn choose(spec: &ServerSpec, only: &[String]) -> Result<Vec<&'static Check>, String> {
    let applicable = CHECKS.iter().filter(|check| (check.applies_to)(spec));
    for name in only {
        if !CHECKS.iter().any(|check| check.is_called(name)) {
            let names = CHECKS
                .iter()
                .flat_map(|check| [Some(check.name), check.trap()])
                .flatten();
            let distance = |known: &&str| strsim::damerau_levenshtein(known, name);
            let nearest = names.min_by_key(distance).unwrap_or_default();
            return Err(format!(
                "there is no check {name:?}: the nearest name is {nearest}, and --list shows all"
            ));
        }
        if !applicable.clone().any(|check| check.is_called(name)) {
            return Err(format!("the check {name} does not apply to {spec}"));
        }
    }
    let is_wanted =
        |check: &&Check| only.is_empty() || only.iter().any(|name| check.is_called(name));
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
        let handler = move || {
            command.end_running();
            std::process::exit(130);
        };
        let _ = ctrlc::set_handler(handler); // without it Ctrl-C would not end the server
    }
    for (number, address) in addresses.iter().enumerate() {
        let source = match &cli.start {
            Some(command) => Source::Started(command.clone(), *address),
            None => Source::Running(*address),
        };
        let mut target = Target::new(source, spec);
        target.limits.timeout = cli.timeout;
        target.all = cli.all;
        let mut session = Session::new(cli, &target, report);
        let result = checker::run(&target, checks, |event| session.handle(&event));
        let is_absent = result.as_ref().is_err_and(|found| found.is_unreachable);
        if cli.start.is_some() || !is_absent || number + 1 == addresses.len() {
            session.finish(&result);
            return Ok(exit_status(&result));
        }
    }
    Err("the name has no address".to_owned())
}

fn exit_status(result: &Result<Vec<Verdict>, Box<Classification>>) -> ExitCode {
    let is_failed = |verdict: &Verdict| matches!(verdict.outcome, Outcome::Failed(_));
    let is_passed = |verdict: &Verdict| matches!(verdict.outcome, Outcome::Passed);
    match result {
        Err(found) if found.is_unreachable => ExitCode::from(2),
        Ok(verdicts) if verdicts.iter().any(is_passed) && !verdicts.iter().any(is_failed) => {
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}

/// One run of the checks, as it is printed.
struct Session<'a> {
    cli: &'a Cli,
    report: Report,
    server: String,
    claim: String,
    progress: Progress,
    has_headline: bool,
    /// Why the last check was not tried, and which others were not for the same reason.
    not_run: Option<(Words, Vec<&'static str>)>,
}

impl<'a> Session<'a> {
    fn new(cli: &'a Cli, target: &Target, report: Report) -> Self {
        let server = match &target.source {
            Source::Started(command, _) if command.takes_port() => command.to_string(),
            Source::Started(command, address) => format!("{command} ({address})"),
            Source::Running(address) => address.to_string(),
        };
        let (claim, progress) = (target.spec.to_string(), Progress::start());
        Session {
            cli,
            report,
            server,
            claim,
            progress,
            has_headline: cli.json,
            not_run: None,
        }
    }

    fn handle(&mut self, event: &Event<'_>) {
        match event {
            Event::Began(name) => self.progress.show(name),
            Event::PortTaken => {
                self.progress
                    .show(&words("ui.port-taken").say(self.report.0));
            }
            Event::Classified(found) if !self.cli.json => {
                self.headline();
                print(&format!("{}\n", self.report.classification(found)));
            }
            Event::Classified(_) => {}
            Event::Finished(verdict) if self.cli.json => print(&self.report.json(verdict)),
            Event::Finished(verdict) => self.mark(verdict),
        }
    }

    fn headline(&mut self) {
        self.progress.hide();
        if !std::mem::replace(&mut self.has_headline, true) {
            print(&format!("{}: {}\n\n", self.server, self.claim));
        }
    }

    /// Prints the mark of a check, and the same reason only once.
    fn mark(&mut self, verdict: &Verdict) {
        self.headline();
        if let (Outcome::NotRun(why), Some((last, names))) = (&verdict.outcome, &mut self.not_run) {
            if last == why {
                return names.push(verdict.check.name);
            }
        }
        self.mark_not_run();
        if let Outcome::NotRun(why) = &verdict.outcome {
            self.not_run = Some((why.clone(), Vec::new()));
        }
        print(&self.report.mark(verdict));
    }

    fn mark_not_run(&mut self) {
        if let Some((_, names)) = self.not_run.take().filter(|(_, names)| !names.is_empty()) {
            print(&format!("– {}\n", names.join(", ")));
        }
    }

    /// Prints the first failure in full, or with `--verbose` every one, and the count.
    fn finish(&mut self, result: &Result<Vec<Verdict>, Box<Classification>>) {
        self.progress.hide();
        if self.cli.json {
            let mut line = self.report.json_summary(result);
            line["server"] = self.server.as_str().into();
            line["claim"] = self.claim.as_str().into();
            return print(&format!("{line}\n"));
        }
        let verdicts = match result {
            Ok(verdicts) => verdicts,
            Err(found) if found.is_unreachable => {
                return print_error(&format!(
                    "{}: {}",
                    self.server,
                    self.report.classification(found)
                ));
            }
            Err(found) => {
                self.headline();
                return print(&self.report.classification(found));
            }
        };
        self.mark_not_run();
        let mut explained = 0;
        for verdict in verdicts {
            if let Outcome::Failed(failure) = &verdict.outcome {
                if explained == 0 || self.cli.verbose {
                    print(&format!(
                        "\n{}",
                        self.report.explain(verdict.check, failure)
                    ));
                    explained += 1;
                }
            }
        }
        print(&format!("\n{}", self.report.summary(verdicts, explained)));
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
                    if let Some((name, began)) = &*locked(&current) {
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
        *locked(&self.0) = Some((name.to_owned(), Instant::now()));
    }

    /// Erases the line before something else is printed.
    fn hide(&self) {
        if locked(&self.0).take().is_some() && std::io::stderr().is_terminal() {
            write_error("\r\x1b[K");
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints immediately, with colors on a terminal only. A reader that has gone (`| head`) changes
/// nothing about the checks, and the exit status still tells how they went.
fn print(text: &str) {
    let mut stdout = anstream::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

fn print_error(sentence: &str) {
    write_error(&format!("checker: {}\n", sentence.trim_end()));
}

fn write_error(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()); // a stderr that is closed leaves no other place
}
