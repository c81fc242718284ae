//! The edge of `threaded-echo`: arguments, Ctrl-C and the exit status. What it does is in `server.rs` and `client.rs`.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use common::addr::Address;
use common::framing::Framing;
use common::report::{Report, complain};
use common::shutdown::{Ended, Stop, Timeout, run};
use common::trace::Trace;
use crossbeam_channel::unbounded;
use tcp_echo::client;
use tcp_echo::conversation::Options;
use threaded_echo::server::{self, Threads};

/// A TCP echo server with a thread for each client, or a pool of threads, and its client
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
    /// Answer each message with the prefix and the message (the default)
    Server(ServerArgs),
    /// Send a message, or stdin, and print the answers
    Client(ClientArgs),
}

#[derive(Args)]
struct ServerArgs {
    /// Where to listen; a port of 0 is any free one
    #[arg(short, long, value_name = "HOST:PORT", default_value_t)]
    address: Address,
    /// What each reply begins with; '' for a plain echo
    #[arg(long, value_name = "TEXT", default_value = "서버로부터 응답: ")]
    prefix: String,
    /// Where a message ends: chunk, line or raw
    #[arg(long, default_value_t)]
    framing: Framing,
    /// A client silent for so long is closed; 0 is never
    #[arg(long, value_name = "SECONDS", default_value = "600")]
    idle_timeout: Timeout,
    /// How many clients at once; one more is refused
    #[arg(long, value_name = "N", default_value = "1024", value_parser = how_many)]
    max_clients: usize,
    /// A pool of so many threads; without, each client gets a thread of its own
    #[arg(long, value_name = "N", value_parser = how_many)]
    workers: Option<usize>,
    /// How many clients may wait for a worker; one more is refused
    #[arg(long, value_name = "N", default_value_t = 64, requires = "workers")]
    queue: usize,
    /// Show every socket call and its bytes on stderr
    #[arg(long)]
    trace: bool,
    /// Say only where it listens, and what goes wrong
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Args)]
struct ClientArgs {
    /// The words of one message; without any, stdin is carried to the server
    message: Vec<String>,
    /// Whom to talk to
    #[arg(short, long, value_name = "HOST:PORT", default_value_t)]
    address: Address,
    /// With line, the message is sent with a line ending
    #[arg(long, default_value_t)]
    framing: Framing,
    /// How long to wait for a byte while an answer is owed; 0 is for ever
    #[arg(long, value_name = "SECONDS", default_value = "5")]
    timeout: Timeout,
    /// Show every socket call and its bytes on stderr
    #[arg(long)]
    trace: bool,
}

fn how_many(typed: &str) -> Result<usize, String> {
    match typed.parse() {
        Ok(number @ 1..=1_000_000) => Ok(number),
        _ => Err("write a number from 1 to 1000000".to_owned()),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve(cli.server),
        Some(Command::Server(args)) => serve(args),
        Some(Command::Client(args)) => talk(args),
    };
    done.unwrap_or_else(|error| {
        complain("threaded-echo", error);
        ExitCode::FAILURE
    })
}

fn serve(args: ServerArgs) -> Result<ExitCode, Box<dyn Error>> {
    let listener = args.address.listen()?;
    let (interrupt, interrupts) = unbounded();
    ctrlc::set_handler(move || interrupt.send(()).unwrap_or_default())?; // Ctrl-C and SIGTERM
    let report = Arc::new(Report::new("threaded-echo", args.quiet));
    report.listening(listener.local_addr()?);
    let stop = Arc::new(Stop::new());
    let serve = {
        let (report, stop) = (Arc::clone(&report), Arc::clone(&stop));
        let ServerArgs { framing, prefix, idle_timeout, .. } = args;
        let places = args.workers.map_or(usize::MAX, |workers| workers.saturating_add(args.queue));
        let threads = Threads { max_clients: args.max_clients.min(places), workers: args.workers };
        let options = Options { framing, prefix, idle_timeout, trace: Trace::new(args.trace) };
        move || server::serve(&listener, &options, threads, &stop, &report)
    };
    Ok(match run(&stop, &interrupts, serve)? {
        Ended::Stopped => {
            report.summary();
            ExitCode::SUCCESS
        }
        Ended::CutShort => ExitCode::from(130), // what a shell says of a program that Ctrl-C has ended
    })
}

fn talk(args: ClientArgs) -> Result<ExitCode, Box<dyn Error>> {
    let message = (!args.message.is_empty()).then(|| args.message.join(" "));
    let ClientArgs { framing, timeout, .. } = args;
    client::run(&args.address, message, client::Options { framing, timeout, trace: Trace::new(args.trace) })?;
    Ok(ExitCode::SUCCESS)
}
