//! The edge of `tcp-echo`: arguments, Ctrl-C and the exit status. What it does is in `server.rs` and `client.rs`.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use common::addr::Address;
use common::framing::Framing;
use common::report::{Report, complain, why};
use common::shutdown::{Ended, Stop, Timeout, run};
use common::trace::Trace;
use crossbeam_channel::unbounded;
use tcp_echo::conversation::Options;
use tcp_echo::{client, server};

/// A TCP echo server that talks to one client at a time, and its client
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
    #[arg(long, value_name = "TEXT", default_value = "서버로부터 응답: ", allow_hyphen_values = true)]
    prefix: String,
    /// Where a message ends: chunk, line or raw
    #[arg(long, default_value_t)]
    framing: Framing,
    /// A client silent for so long is closed; 0 is never
    #[arg(long, value_name = "SECONDS", default_value = "600")]
    idle_timeout: Timeout,
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

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve(cli.server),
        Some(Command::Server(args)) => serve(args),
        Some(Command::Client(args)) => talk(args),
    };
    done.unwrap_or_else(|error| {
        complain("tcp-echo", error);
        ExitCode::FAILURE
    })
}

fn serve(args: ServerArgs) -> Result<ExitCode, Box<dyn Error>> {
    let listener = args.address.listen()?;
    let (interrupt, interrupts) = unbounded();
    ctrlc::set_handler(move || interrupt.send(()).unwrap_or_default()) // Ctrl-C and SIGTERM
        .map_err(|error| format!("cannot listen for Ctrl-C: {error}"))?;
    let report = Arc::new(Report::new("tcp-echo", args.quiet));
    report.listening(listener.local_addr()?);
    let stop = Arc::new(Stop::new());
    let serve = {
        let (report, stop) = (Arc::clone(&report), Arc::clone(&stop));
        let ServerArgs { framing, prefix, idle_timeout, .. } = args;
        let options = Options { framing, prefix, idle_timeout, trace: Trace::new(args.trace) };
        move || server::serve(&listener, &options, &stop, &report)
    };
    let ended = run(&stop, &interrupts, serve).map_err(|error| format!("cannot serve: {}", why(&error)))?;
    Ok(match ended {
        Ended::Stopped => {
            report.summary(stop.time_left());
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
