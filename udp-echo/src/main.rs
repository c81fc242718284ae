//! The command line of `udp-echo`, Ctrl-C and the exit status, as in `tcp-echo`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::io;
use std::process::{self, ExitCode};

use clap::{Parser, Subcommand};
use common::addr::reachable;
use common::report::Report;
use common::usage::{self, ServerArgs};
use udp_echo::{client, relay, server};

const PROGRAM: &str = "udp-echo";

/// A UDP echo server, its client, and a relay that simulates a bad network
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    server: ServerArgs<server::Options>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Reply to each datagram with the prefix and the datagram (default)
    Server(ServerArgs<server::Options>),
    /// Send a message or each line of stdin, and print the replies
    Client(client::Options),
    /// Simulate a bad network between clients and a server
    Relay(relay::Options),
}

fn main() -> ExitCode {
    usage::run(PROGRAM, |cli: Cli| {
        match cli.command.unwrap_or(Command::Server(cli.server)) {
            Command::Server(args) => run_server(&args),
            Command::Client(options) => client::run(&options),
            Command::Relay(options) => run_relay(&options),
        }
    })
}

fn run_server(args: &ServerArgs<server::Options>) -> Result<(), Box<dyn Error>> {
    let socket = args.address.bind_udp()?;
    let report = Report::new(PROGRAM, false, args.verbosity, io::stdout(), io::stderr())?;
    usage::run_server(report, process::exit, |shutdown, report| {
        server::serve(&socket, &args.options, shutdown, report)
    })
}

fn run_relay(options: &relay::Options) -> Result<(), Box<dyn Error>> {
    let (socket, server) = (options.address.bind_udp()?, options.to.resolve()?);
    let server = reachable(*server.first().ok_or("the name has no address")?);
    let verbosity = options.verbosity;
    let report = Report::new(PROGRAM, false, verbosity, io::stdout(), io::stderr())?;
    usage::run_server(report, process::exit, |shutdown, report| {
        relay::run(&socket, server, options, shutdown, report)
    })
}
