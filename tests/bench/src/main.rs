//! Measures the servers beside the barest loops that do the same work, beside the steps, Python and tokio.
//!
//! The servers take turns, each time freshly started, so that whatever else the machine does meets all of them. What
//! counts is the ratio to the floor in the same round; the floor against itself shows the noise.

mod clients;
mod echo;
mod pieces;
mod results;
mod system;
mod work;

use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use clients::Sample;
use pieces::{PIECES, on_one_core};
use suite::Server;
use work::{Programs, SERVERS, WORKS, Work};

/// What goes wrong ends the turn in which it happens, or the program.
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
    /// Draw the plots of the book below this folder
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// `cargo bench` adds this
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Be one of the servers to compare with
    #[command(hide = true)]
    Serve {
        pattern: String,
        #[command(flatten)]
        buffer: echo::Buffer,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if let Some(Command::Serve { pattern, buffer }) = cli.command {
        return echo::serve(&pattern, buffer);
    }
    rlimit::increase_nofile_limit(20_000)?; // for 5,000 clients, here and in the servers
    let programs = Programs::build()?;
    let measured = |name: &String| (name.clone(), measure_work(&cli, &programs, name));
    let results: Vec<_> = cli.works.iter().map(measured).collect();
    let conditions = format!("{}; {} rounds", system::machine(), cli.rounds);
    println!("{conditions} of {} s, medians", cli.seconds);
    results::print(&results);
    if let Some(file) = &cli.json {
        fs::write(file, serde_json::to_string(&(conditions, &results))?)?;
    }
    let plot = |folder: &PathBuf| results::plot(&results, folder);
    cli.plots.iter().try_for_each(plot)
}

/// Lets each server do the work once per round. They take turns.
fn measure_work(cli: &Cli, programs: &Programs, name: &str) -> Vec<(String, Vec<Sample>)> {
    let (work, mut turns) = (Work::parse(name), Vec::new());
    if name == "pieces" {
        turns.extend(PIECES.map(|(piece, _)| (piece.to_owned(), vec![])));
    }
    let does = |server: &&String| programs.command(server, &work).is_some();
    let servers = cli.servers.iter().filter(does);
    turns.extend(servers.map(|server| (server.clone(), vec![])));
    for round in 1..=cli.rounds {
        for (server, samples) in &mut turns {
            if io::stderr().is_terminal() {
                eprint!("\r\x1b[K{name}, round {round}: {server}\r");
            }
            let turn = || match programs.command(server, &work) {
                Some(command) => clients::measure(&work, &Server::spawn(command), cli.seconds),
                None => pieces::measure(server),
            };
            let is_pinned = work.is_pinned();
            let sample = if is_pinned { on_one_core(turn) } else { turn() };
            samples.push(sample.unwrap_or_else(|error| {
                eprintln!("{name}, round {round}: {server}: {error}");
                Sample::new()
            }));
        }
    }
    turns
}
