//! The edge of `udp-echo`: arguments, Ctrl-C and the exit status. What it does is in `server.rs` and `client.rs`.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use common::addr::Address;
use common::report::{Report, complain, why};
use common::shutdown::{Ended, Stop, Timeout, run};
use common::trace::Trace;
use crossbeam_channel::unbounded;
use udp_echo::{client, server};

/// A UDP echo server that answers one datagram at a time, and its client
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
    /// Answer each datagram with the prefix and the datagram (the default)
    Server(ServerArgs),
    /// Send a message, or each line of stdin, and print the answers
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
    /// Send bytes back unchanged: no prefix, no UTF-8 check (RFC 862)
    #[arg(long)]
    raw: bool,
    /// Show every socket call and its bytes on stderr
    #[arg(long)]
    trace: bool,
    /// Say only where it listens, and what goes wrong
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Args)]
struct ClientArgs {
    /// The words of one message; without any, each line of stdin is one
    message: Vec<String>,
    /// Whom to talk to
    #[arg(short, long, value_name = "HOST:PORT", default_value_t)]
    address: Address,
    /// How long to wait for an answer before sending again; 0 is for ever
    #[arg(long, value_name = "SECONDS", default_value = "1")]
    timeout: Timeout,
    /// How often to send again
    #[arg(long, value_name = "N", default_value_t = 3)]
    retries: u32,
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
        complain("udp-echo", error);
        ExitCode::FAILURE
    })
}

fn serve(args: ServerArgs) -> Result<ExitCode, Box<dyn Error>> {
    let socket = args.address.bind_udp()?;
    let (interrupt, interrupts) = unbounded();
    ctrlc::set_handler(move || interrupt.send(()).unwrap_or_default()) // Ctrl-C and SIGTERM
        .map_err(|error| format!("cannot listen for Ctrl-C: {error}"))?;
    let report = Arc::new(Report::new("udp-echo", args.quiet));
    report.listening(socket.local_addr()?);
    let stop = Arc::new(Stop::new());
    let serve = {
        let (report, stop) = (Arc::clone(&report), Arc::clone(&stop));
        let options = server::Options { prefix: args.prefix, raw: args.raw, trace: Trace::new(args.trace) };
        move || server::serve(&socket, &options, &stop, &report)
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
    let options = client::Options { timeout: args.timeout, retries: args.retries, trace: Trace::new(args.trace) };
    client::run("udp-echo", &args.address, message.as_deref(), options)?;
    Ok(ExitCode::SUCCESS)
}
