//! The command line of `tcp-echo`, Ctrl-C and the exit status, as in the other two programs.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::io;
use std::process::{self, ExitCode};

use clap::{Parser, Subcommand};
use common::report::Report;
use common::usage::{self, ServerArgs};
use tcp_echo::{client, handle_client, server};

const PROGRAM: &str = "tcp-echo";

/// A TCP echo server that serves one client at a time, and its client
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    server: ServerArgs<handle_client::Options>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Reply to each message with the prefix and the message (default)
    Server(ServerArgs<handle_client::Options>),
    /// Send a message or stdin, and print the replies
    Client(client::Options),
}

fn main() -> ExitCode {
    usage::run(PROGRAM, |cli: Cli| {
        match cli.command.unwrap_or(Command::Server(cli.server)) {
            Command::Server(args) => run_server(&args),
            Command::Client(options) => client::run(PROGRAM, &options),
        }
    })
}

fn run_server(args: &ServerArgs<handle_client::Options>) -> Result<(), Box<dyn Error>> {
    let listener = args.address.listen()?;
    let report = Report::new(PROGRAM, true, args.verbosity, io::stdout(), io::stderr())?;
    usage::run_server(report, process::exit, |shutdown, report| {
        server::serve(&listener, &args.options, shutdown, report)
    })
}
