//! The edge of `udp-echo`: arguments, Ctrl-C and the exit status. But for datagrams in the place of
//! connections, it is that of `tcp-echo`.
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
use udp_echo::{client, relay, server};

const PROGRAM: &str = "udp-echo";

/// A UDP echo server, its client, and a relay that is a bad network
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
    /// Reply to each datagram with the prefix and the datagram (the default)
    Server(ServerArgs),
    /// Send a message, or each line of stdin, and print the replies
    Client(client::Options),
    /// Stand between clients and a server as a bad network
    Relay(RelayArgs),
}

#[derive(Args)]
struct ServerArgs {
    /// Where to listen (port 0 = any free port)
    #[arg(short, long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS)]
    address: Address,
    #[command(flatten)]
    options: server::Options,
    #[command(flatten)]
    verbosity: Verbosity,
}

#[derive(Args)]
struct RelayArgs {
    #[command(flatten)]
    options: relay::Options,
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
        Command::Relay(args) => run_relay(&args),
    };
    usage::exit_code(PROGRAM, result)
}

fn run_server(args: &ServerArgs) -> Result<(), Box<dyn Error>> {
    let socket = args.address.bind_udp()?;
    run(args.verbosity, |shutdown, report| {
        server::serve(&socket, &args.options, shutdown, report)
    })
}

fn run_relay(args: &RelayArgs) -> Result<(), Box<dyn Error>> {
    let (socket, server) = (args.options.address.bind_udp()?, args.options.to.resolve()?);
    let server = *server.first().ok_or("the name has no address")?;
    run(args.verbosity, |shutdown, report| {
        relay::run(&socket, server, &args.options, shutdown, report)
    })
}

fn run(
    verbosity: Verbosity,
    serve: impl FnOnce(&Shutdown, &Report) -> io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let report = Arc::new(Report::new(PROGRAM, false, verbosity, stdout, stderr)?);
    let shutdown = Shutdown::default();
    let (signal, last_report) = (shutdown.clone(), Arc::clone(&report));
    // Ctrl-C and SIGTERM.
    ctrlc::set_handler(move || signal.interrupt(&last_report, process::exit))?;
    serve(&shutdown, &report)?;
    report.finish(shutdown.time_left());
    Ok(())
}
