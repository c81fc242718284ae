//! The edge of `threaded-echo`: arguments, Ctrl-C and the exit status. Its client is that of
//! `tcp-echo`.
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
use tcp_echo::{client, handle_client};
use threaded_echo::swarm::{self, parse_count};
use threaded_echo::{pool, server};

const PROGRAM: &str = "threaded-echo";

/// A TCP echo server with a thread per client, or a pool of threads, and its clients
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
    /// Run many clients at once, and draw when each was served
    Swarm(swarm::Options),
}

#[derive(Args)]
struct ServerArgs {
    /// Where to listen (port 0 = any free port)
    #[arg(short, long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS)]
    address: Address,
    #[command(flatten)]
    options: handle_client::Options,
    /// Maximum number of clients at once, at most 10000
    #[arg(long, value_name = "N", default_value = "200", value_parser = parse_count)]
    #[arg(conflicts_with = "workers")]
    max_clients: usize,
    /// Number of threads in the pool, at most 10000 (without, a thread for each client)
    #[arg(long, value_name = "N", value_parser = parse_count)]
    workers: Option<usize>,
    /// Number of clients that may wait for a worker
    #[arg(long, value_name = "N", default_value_t = 64, requires = "workers")]
    queue: u16,
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
        Command::Swarm(options) => swarm::run(&options),
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
    match args.workers {
        None => server::serve(
            &listener,
            &args.options,
            args.max_clients,
            &shutdown,
            &report,
        )?,
        Some(workers) => {
            let sizes = (workers, args.queue.into());
            pool::serve(&listener, &args.options, sizes, &shutdown, &report)?;
        }
    }
    report.finish(shutdown.time_left());
    Ok(())
}
