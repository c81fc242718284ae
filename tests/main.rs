//! The command: puts an echo server that is running, in any language, through the checks.
//!
//!     cargo run -p tests -- tcp 127.0.0.1:12345 --framing line

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use common::addr::Address;
use tests::{CHECKS, Check, Claim, Effort, Framing, Pattern, Summary, Target, Unreachable};

/// Finds out what an echo server gets wrong, in whatever language it is written
#[derive(Parser)]
#[command(
    bin_name = "cargo run -p tests --",
    after_help = "It exits with 0 if all checks are passed, 1 if not, and 2 if nothing listens there."
)]
struct Cli {
    #[command(subcommand)]
    pattern: PatternArgs,
}

#[derive(Subcommand)]
enum PatternArgs {
    /// A TCP server that serves one client at a time
    Tcp(StreamArgs),
    /// A UDP server
    Udp(DatagramArgs),
    /// A TCP server that serves many clients at once
    Threaded(StreamArgs),
}

#[derive(Args)]
struct StreamArgs {
    /// Where a message ends: chunk (with what has arrived), line, or raw (the same, and no text)
    #[arg(long, default_value_t)]
    framing: Framing,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Args)]
struct DatagramArgs {
    /// The bytes come back unchanged: no prefix, no UTF-8 check
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Args)]
struct CommonArgs {
    /// Where the server listens
    #[arg(default_value_t)]
    address: Address,
    /// What its replies begin with; '' for a plain echo
    #[arg(long, value_name = "TEXT", default_value = "서버로부터 응답: ", allow_hyphen_values = true)]
    prefix: String,
    /// Only the check of this name, or those of this trap; can be given again for more
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How long a check may take; a few may take several times as long
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    timeout: Duration,
    /// Say what the checks are, and try none
    #[arg(long)]
    list: bool,
    /// One JSON object a line: one for each check, and a summary
    #[arg(long)]
    json: bool,
}

fn parse_seconds(typed: &str) -> Result<Duration, String> {
    let seconds = typed.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| (Duration::from_millis(1)..Duration::from_secs(86_400)).contains(seconds))
        .ok_or_else(|| "write a number of seconds, as in 5 or 0.5".to_owned())
}

fn main() -> ExitCode {
    let (pattern, framing, args) = match Cli::parse().pattern {
        PatternArgs::Tcp(StreamArgs { framing, common }) => (Pattern::Tcp, framing, common),
        PatternArgs::Threaded(StreamArgs { framing, common }) => (Pattern::Threaded, framing, common),
        PatternArgs::Udp(DatagramArgs { raw: true, common }) => (Pattern::Udp, Framing::Raw, common),
        PatternArgs::Udp(DatagramArgs { raw: false, common }) => (Pattern::Udp, Framing::Chunk, common),
    };
    let claim = Claim { pattern, framing, prefix: args.prefix.clone() };
    match chosen(&claim, &args.only) {
        Ok(checks) if args.list => {
            checks.iter().for_each(|check| print(&tests::list(check)));
            ExitCode::SUCCESS
        }
        Ok(checks) => check(&claim, &args, &checks),
        Err(sentence) => cannot(&sentence),
    }
}

/// The checks that apply to this claim, or those of them that were asked for.
fn chosen(claim: &Claim, only: &[String]) -> Result<Vec<&'static Check>, String> {
    let applicable = CHECKS.iter().copied().filter(|check| (check.applies)(claim));
    for name in only {
        if !CHECKS.iter().any(|check| check.is_called(name)) {
            return Err(format!("there is no check {name:?}: --list shows their names"));
        }
        if !applicable.clone().any(|check| check.is_called(name)) {
            return Err(format!("the check {name} does not apply to {claim}"));
        }
    }
    let is_wanted = |check: &&Check| only.is_empty() || only.iter().any(|name| check.is_called(name));
    Ok(applicable.filter(is_wanted).collect())
}

/// Tries each address that the name has, until a server is there.
fn check(claim: &Claim, args: &CommonArgs, checks: &[&'static Check]) -> ExitCode {
    let addresses = match args.address.resolve() {
        Ok(addresses) => addresses,
        Err(error) => return cannot(&error.to_string()),
    };
    let mut why = String::new();
    for address in addresses {
        let effort = Effort { timeout: args.timeout, ..Effort::default() };
        let target = Target { address, claim: claim.clone(), effort };
        match report(&target, args.json, checks) {
            Ok(summary) if summary.failed == 0 => return ExitCode::SUCCESS,
            Ok(_) => return ExitCode::FAILURE,
            Err(Unreachable(failure)) => why = failure.came,
        }
    }
    cannot(&format!(
        "cannot check {}: {why}; start the server first, or name the address where it listens",
        args.address
    ))
}

fn report(target: &Target, json: bool, checks: &[&'static Check]) -> Result<Summary, Unreachable> {
    let mut headline = (!json).then(|| format!("{}: {}\n\n", target.address, target.claim));
    let summary = tests::run(target, checks.iter().copied(), |check, outcome, took| {
        headline.take().iter().for_each(|headline| print(headline)); // only now is it known that a server is there
        print(&if json { tests::json_check(check, outcome, took) } else { tests::text_check(check, outcome) });
    })?;
    print(&if json { tests::json_summary(target, &summary) } else { format!("\n{}", tests::text_summary(&summary)) });
    Ok(summary)
}

/// Prints at once, with colours on a terminal only. A reader that has gone (`| head`) changes nothing about the checks,
/// and the exit status still tells how they went.
fn print(text: &str) {
    let mut stdout = anstream::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

fn cannot(sentence: &str) -> ExitCode {
    let _ = writeln!(anstream::stderr(), "tests: {sentence}"); // there is nobody else to tell
    ExitCode::from(2)
}
