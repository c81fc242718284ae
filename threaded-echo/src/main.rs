//! The edge of `threaded-echo`: arguments, Ctrl-C and the exit status. What it does is in `server.rs` and `swarm.rs`; its
//! client is that of `tcp-echo`.

use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use common::addr::Address;
use common::framing::Framing;
use common::report::{Report, complain, count, why};
use common::shutdown::{Ended, Stop, Timeout, run};
use common::trace::Trace;
use crossbeam_channel::unbounded;
use tcp_echo::client;
use tcp_echo::conversation::Options;
use threaded_echo::server::{self, Threads};
use threaded_echo::swarm::{self, Chart};

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
    /// Be many clients at once, and draw who was served when
    Swarm(SwarmArgs),
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

#[derive(Args)]
struct SwarmArgs {
    /// Whom to talk to: any TCP echo server, in any language
    #[arg(short, long, value_name = "HOST:PORT", default_value_t)]
    address: Address,
    /// How many clients
    #[arg(long, value_name = "N", default_value = "12", value_parser = how_many)]
    clients: usize,
    /// How many messages each client sends
    #[arg(long, value_name = "M", default_value = "3", value_parser = how_many)]
    messages: usize,
    /// How many milliseconds each client pauses between its messages
    #[arg(long, value_name = "MS", default_value_t = 100)]
    hold: u64,
    /// How long each client waits for its turn, and for a reply; 0 is for ever
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    timeout: Timeout,
    /// Where to put the picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
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
        Some(Command::Swarm(args)) => swarm(&args),
    };
    done.unwrap_or_else(|error| {
        complain("threaded-echo", error);
        ExitCode::FAILURE
    })
}

fn serve(args: ServerArgs) -> Result<ExitCode, Box<dyn Error>> {
    let listener = args.address.listen()?;
    let (interrupt, interrupts) = unbounded();
    ctrlc::set_handler(move || interrupt.send(()).unwrap_or_default()) // Ctrl-C and SIGTERM
        .map_err(|error| format!("cannot listen for Ctrl-C: {error}"))?;
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

fn swarm(args: &SwarmArgs) -> Result<ExitCode, Box<dyn Error>> {
    let SwarmArgs { address, clients, messages, hold, .. } = args;
    let options = swarm::Options {
        clients: *clients,
        messages: *messages,
        hold: Duration::from_millis(*hold),
        timeout: args.timeout.0,
        trace: Trace::new(args.trace),
    };
    let all = clients * messages;
    let mut stderr = io::stderr();
    let courses = swarm::run(address, &options, |replies| {
        if stderr.is_terminal() {
            let bar = "█".repeat(replies * 40 / all);
            let _ = write!(stderr, "\r{bar:░<40} {replies}/{all} replies");
        }
    })?;
    if io::stderr().is_terminal() {
        let _ = writeln!(io::stderr()); // what comes now stands below the bar
    }
    let (each, every) = (count(*messages as u64, "message"), count(*clients as u64, "client"));
    let title = format!("{every} at {address}, {each} each, {hold} ms apart");
    let chart = Chart { courses: &courses, width: 60 };
    let failures: Vec<_> =
        courses.iter().zip(1..).filter_map(|(course, number)| Some((number, course.failed.as_ref()?))).collect();
    let _ = writeln!(io::stdout(), "{title}\n{chart}"); // a closed stdout is no reason to miss the picture
    for (number, failed) in &failures {
        complain("threaded-echo", format_args!("client {number}: {failed}"));
    }
    if let Some(file) = &args.svg {
        fs::write(file, chart.svg(&title))
            .map_err(|error| format!("cannot write {}: {}", file.display(), why(&error)))?;
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
