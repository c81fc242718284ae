//! Measures the servers beside the barest loops that do the same work, beside the steps, Python and tokio.
//!
//! The servers take turns, each time freshly started, so that whatever else the machine does meets all of them. What
//! counts is the ratio to the floor in the same round; the floor against itself shows the noise.

mod clients;
mod echo;
mod pieces;
mod results;
mod work;

use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use clients::Sample;
use pieces::{PIECES, on_one_core};
use suite::Server;
use work::{Programs, SERVERS, WORKS, Work};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures the servers beside the barest loops for the same work, the steps, Python and tokio
#[derive(Parser)]
struct Cli {
    /// The work to measure (other numbers do as well)
    #[arg(long, value_delimiter = ',', default_value = WORKS)]
    works: Vec<String>,
    /// The servers that take turns
    #[arg(long, value_delimiter = ',', default_value = SERVERS)]
    servers: Vec<String>,
    /// Number of rounds
    #[arg(long, value_name = "N", default_value = "5")]
    rounds: usize,
    /// How long each server works in a round
    #[arg(long, value_name = "S", default_value = "0.5")]
    seconds: f64,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the plots of the book
    #[arg(long)]
    plots: bool,
    #[arg(long, hide = true)]
    bench: bool, // `cargo bench` adds this
    #[arg(long, hide = true, num_args = 3)]
    serve: Option<Vec<String>>, // a pattern, a prefix and a framing: be a server to compare with
}

fn main() -> ExitCode {
    let Err(error) = run(Cli::parse()) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("bench: {error}");
    ExitCode::FAILURE
}

fn run(mut cli: Cli) -> Result<()> {
    if let Some([pattern, prefix, framing]) = cli.serve.take().map(|words| &*words.leak()) {
        return Ok(echo::serve(pattern, [prefix, framing])?);
    }
    rlimit::increase_nofile_limit(20_000)?; // for 5,000 clients, here and in the servers
    let programs = Programs::build()?;
    let measured = |name: &String| (name.clone(), measure_work(&cli, &programs, name));
    let results: Vec<_> = cli.works.iter().map(measured).collect();
    let conditions = format!("{}; {} rounds", pieces::machine(), cli.rounds);
    println!("{conditions} of {} s, medians", cli.seconds);
    results::print(&results);
    if let Some(file) = &cli.json {
        fs::write(file, serde_json::to_string(&(conditions, &results))?)?;
    }
    let plotted = cli.plots.then(|| results::plot(&results));
    plotted.unwrap_or(Ok(()))
}

/// Lets each server do the work once per round. They take turns.
fn measure_work(cli: &Cli, programs: &Programs, name: &str) -> Vec<(String, Vec<Sample>)> {
    let work = Work::parse(name);
    let does = |server: &&str| programs.command(server, &work).is_some();
    let servers = cli.servers.iter().map(String::as_str).filter(does);
    let pieces = PIECES.iter().filter(|_| name == "pieces");
    let pieces = pieces.map(|(piece, _)| *piece);
    let turns = pieces.chain(servers).map(|name| (name.to_owned(), vec![]));
    let mut turns: Vec<(String, Vec<Sample>)> = turns.collect();
    let count = turns.len();
    for turn in 0..cli.rounds * count {
        let round = turn / count; // in each, another server is the first
        let (server, samples) = &mut turns[(turn + round) % count];
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K{name}, round {round}: {server}\r");
        }
        let turn = || match programs.command(server, &work) {
            Some(command) => clients::measure(&work, &Server::spawn(command), cli.seconds),
            None => {
                let piece = PIECES.iter().find(|(piece, _)| piece == server);
                let (_, measure) = piece.ok_or("no such piece")?;
                Ok(Sample::from([("value", measure()?)]))
            }
        };
        let is_pinned = name.ends_with("pinned");
        let sample = if is_pinned { on_one_core(turn) } else { turn() };
        samples.push(sample.unwrap_or_else(|error| {
            eprintln!("{name}, round {round}: {server}: {error}");
            Sample::new()
        }));
    }
    turns
}
