//! The edge of `tcp-echo`: arguments, Ctrl-C and the exit status. The other two programs have the
//! same, word for word where it can be.
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::io;
use std::process::{self, ExitCode};
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use common::addr::{Address, DEFAULT_ADDRESS};
use common::report::{Report, Verbosity};
use common::shutdown::Shutdown;
use common::usage;
use tcp_echo::{client, handle_client, server};

const PROGRAM: &str = "tcp-echo";

/// A TCP echo server that serves one client at a time, and its client
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Reply to each message with the prefix and the message (the default)
    Server(ServerArgs),
    /// Send a message, or stdin, and print the replies
    Client(client::Options),
}

#[derive(Args)]
struct ServerArgs {
    /// Where to listen (port 0 = any free port)
    #[arg(short, long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS)]
    address: Address,
    #[command(flatten)]
    options: handle_client::Options,
    #[command(flatten)]
    verbosity: Verbosity,
}

fn main() -> ExitCode {
    let cli: Cli = match usage::parse(PROGRAM) {
        Ok(cli) => cli,
        Err(status) => return status,
    };
    let result = match cli.command.unwrap_or(Command::Server(cli.server)) {
        Command::Server(args) => run_server(&args),
        Command::Client(options) => client::run(&options),
    };
    usage::exit_code(PROGRAM, result)
}

fn run_server(args: &ServerArgs) -> Result<(), Box<dyn Error>> {
    let listener = args.address.listen()?;
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let report = Arc::new(Report::new(PROGRAM, true, args.verbosity, stdout, stderr)?);
    let shutdown = Shutdown::default();
    let (signal, last_report) = (shutdown.clone(), Arc::clone(&report));
    // Ctrl-C and SIGTERM.
    ctrlc::set_handler(move || signal.interrupt(&last_report, process::exit))?;
    server::serve(&listener, &args.options, &shutdown, &report)?;
    report.finish(shutdown.time_left());
    Ok(())
}
