//! The command line of `threaded-echo`, Ctrl-C and the exit status. It uses `tcp-echo`'s client.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::io;
use std::process::{self, ExitCode};

use clap::{Args, Parser, Subcommand};
use common::report::Report;
use common::usage::{self, ServerArgs};
use tcp_echo::{client, handle_client};
use threaded_echo::swarm::{self, parse_count};
use threaded_echo::{pool, server};

const PROGRAM: &str = "threaded-echo";

/// A TCP echo server with a thread per client, or a pool of threads, and its clients
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    server: ServerArgs<ServerOptions>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Reply to each message with the prefix and the message (default)
    Server(ServerArgs<ServerOptions>),
    /// Send a message or stdin, and print the replies
    Client(client::Options),
    /// Run many clients at the same time, and draw when each was served
    Swarm(swarm::Options),
}

#[derive(Args)]
struct ServerOptions {
    #[command(flatten)]
    clients: handle_client::Options,
    /// Maximum number of clients at a time, at most 10000
    #[arg(long, value_name = "N", default_value = "200", value_parser = parse_count)]
    #[arg(conflicts_with = "workers")]
    max_clients: usize,
    /// Number of threads in the pool, at most 10000 (default: a thread per client)
    #[arg(long, value_name = "N", value_parser = parse_count)]
    workers: Option<usize>,
    /// Number of clients that may wait for a worker
    #[arg(long, value_name = "N", default_value_t = 64, requires = "workers")]
    queue: u16,
}

fn main() -> ExitCode {
    usage::run(PROGRAM, |cli: Cli| {
        match cli.command.unwrap_or(Command::Server(cli.server)) {
            Command::Server(args) => run_server(&args),
            Command::Client(options) => client::run(PROGRAM, &options),
            Command::Swarm(options) => swarm::run(&options),
        }
    })
}

fn run_server(args: &ServerArgs<ServerOptions>) -> Result<(), Box<dyn Error>> {
    let listener = args.address.listen()?;
    let (options, clients) = (&args.options, &args.options.clients);
    let report = Report::new(PROGRAM, true, args.verbosity, io::stdout(), io::stderr())?;
    usage::run_server(report, process::exit, |shutdown, report| {
        let Some(workers) = options.workers else {
            return server::serve(&listener, clients, options.max_clients, shutdown, report);
        };
        let sizes = (workers, options.queue.into());
        pool::serve(&listener, clients, sizes, shutdown, report)
    })
}
