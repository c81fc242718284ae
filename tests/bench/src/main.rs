//! Measures the servers beside the barest loops for the same work, the steps, their Python twins and tokio.
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
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use clients::{Sample, measure};
use results::Results;
use work::{Programs, SERVERS, Server, WORKS, Work};

/// What goes wrong ends the turn in which it happens, or the program.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures the servers beside the barest loops for the same work, the steps, Python and tokio
#[derive(Parser)]
#[command(after_help = format!("Work: {WORKS} pieces\nServers: {SERVERS}"))]
struct Cli {
    /// Only this work (threads-32 and the like work as well)
    #[arg(value_name = "WORK")]
    works: Vec<String>,
    /// Only these servers, besides the floor
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
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
    /// Measure nothing: show what --json wrote
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
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

fn main() -> ExitCode {
    let Err(error) = run(&Cli::parse()) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("bench: {error}");
    ExitCode::FAILURE
}

fn run(cli: &Cli) -> Result<()> {
    if let Some(Command::Serve { pattern, buffer }) = &cli.command {
        return echo::serve(pattern, buffer.clone());
    }
    let results = match &cli.from {
        Some(file) => serde_json::from_str(&fs::read_to_string(file)?)?,
        None => measure_all(cli)?,
    };
    results.print();
    if let Some(file) = &cli.json {
        fs::write(file, serde_json::to_string(&results)?)?;
    }
    cli.plots.iter().try_for_each(|folder| results.plot(folder))
}

fn measure_all(cli: &Cli) -> Result<Results> {
    rlimit::increase_nofile_limit(20_000)?;
    let programs = Programs::build()?;
    let mut results = Results::default();
    results.conditions = format!(
        "{}; {} rounds of {} s",
        system::machine(),
        cli.rounds,
        cli.seconds
    );
    let all: Vec<&str> = WORKS.split(' ').chain(["pieces"]).collect();
    let chosen: Vec<&str> = cli.works.iter().map(String::as_str).collect();
    for name in if chosen.is_empty() { all } else { chosen } {
        let work = Work::parse(name);
        let mut servers: Vec<&str> = SERVERS.split(' ').collect();
        servers.retain(|server| {
            let is_chosen = cli.servers.is_empty() || cli.servers.iter().any(|name| name == server);
            (is_chosen || *server == "floor") && programs.command(server, &work).is_some()
        });
        for round in 1..=cli.rounds {
            if name == "pieces" {
                for (piece, measure) in pieces::PIECES {
                    let sample = || Ok(Sample::from([("value", measure()?)]));
                    results.take_turn(name, piece, round, sample);
                }
                continue;
            }
            for server in &servers {
                let turn = || {
                    let command = programs.command(server, &work).ok_or("no such server")?;
                    measure(&work, &Server::start(command)?, cli.seconds)
                };
                let pinned = || pieces::on_one_core(turn);
                if work.is_pinned {
                    results.take_turn(name, server, round, pinned);
                } else {
                    results.take_turn(name, server, round, turn);
                }
            }
            servers.rotate_left(1); // so that none always comes first
        }
    }
    Ok(results)
}
