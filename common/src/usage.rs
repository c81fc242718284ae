//! Command lines and exit statuses. After a wrong command line, the program prints the command that
//! works.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use crate::addr::{Address, DEFAULT_ADDRESS};
use crate::report::{Report, Verbosity, print_error};
use crate::shutdown::Shutdown;
use crate::words::{command_line, quoted};

/// The arguments of a server, with the options that only this server has.
#[derive(Debug, clap::Args)]
pub struct ServerArgs<Options: clap::Args> {
    /// Where to listen (port 0 = any free port)
    #[arg(short, long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS)]
    pub address: Address,
    /// The options of this server.
    #[command(flatten)]
    pub options: Options,
    /// The options for its output.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// Runs the program with its parsed arguments, prints an error, and returns the exit status.
pub fn run<Cli: Parser>(
    program: &str,
    run: impl FnOnce(Cli) -> Result<(), Box<dyn Error>>,
) -> ExitCode {
    let result = match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(error) => return explain::<Cli>(program, &error),
    };
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // Our code wraps socket errors in a sentence, so a bare one means that stdout is closed, as
    // in `client | head -1`. That is not a failure.
    let is_closed = |error: &io::Error| {
        error.kind() == io::ErrorKind::BrokenPipe && error.raw_os_error().is_some()
    };
    if error.downcast_ref().is_some_and(is_closed) {
        return ExitCode::SUCCESS;
    }
    print_error(program, error);
    ExitCode::FAILURE
}

/// Runs a server until Ctrl-C or SIGTERM, and prints its last lines.
///
/// # Errors
///
/// Returns an error if `serve` fails, or if the system is out of threads.
pub fn run_server(
    program: &'static str,
    has_clients: bool,
    verbosity: Verbosity,
    exit: fn(i32) -> !,
    serve: impl FnOnce(&Shutdown, &Report) -> io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let report = Arc::new(Report::new(
        program,
        has_clients,
        verbosity,
        stdout,
        stderr,
    )?);
    let shutdown = Shutdown::default();
    shutdown.handle_ctrl_c(&report, exit)?;
    serve(&shutdown, &report)?;
    report.finish(shutdown.time_left());
    Ok(())
}

/// Prints the help, or the error and the command that works.
fn explain<Cli: Parser>(program: &str, error: &clap::Error) -> ExitCode {
    let _ = error.print(); // stdout or stderr may be closed
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let words = env::args_os().skip(1);
    let words = words.map(|word| word.to_string_lossy().into_owned());
    if let Some(command) = correct::<Cli>(program, words.collect()) {
        let _ = writeln!(io::stderr(), "\nThis works:\n{command}");
    }
    ExitCode::from(2)
}

/// Returns the command that the user probably meant, or `None`. `12345`, `127.0.0.1 12345` and
/// `--port 12345` become `--address …`, and `-a :9999 client hi` becomes `client -a :9999 hi`.
fn correct<Cli: Parser>(program: &str, words: Vec<String>) -> Option<String> {
    let command = Cli::command();
    let is_command = |word: &String| command.get_subcommands().any(|sub| sub.get_name() == word);
    let mut words = address_flags(words);
    // Options typed before the command belong after it.
    let before = words.iter().position(is_command).unwrap_or_default();
    if words.get(before).is_some_and(is_command) {
        words[..=before].rotate_right(1);
    }
    let at = usize::from(words.first().is_some_and(is_command));
    let moved = |start: usize| {
        let (address, len) = leading_address(&words[start..])?;
        let mut words = words.clone();
        words.drain(start..start + len);
        words.splice(at..at, ["--address".to_owned(), address]);
        Some(words)
    };
    let works = |words: &Vec<String>| {
        Cli::try_parse_from([&[program.to_owned()], &words[..]].concat()).is_ok()
    };
    let first = (1..=before).rev().filter_map(moved);
    let rest = (at..words.len()).rev().filter_map(moved);
    let words = first.chain([words.clone()]).chain(rest).find(works)?;
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    Some(format!("{} {}", command_line(program), words.join(" ")))
}

/// Splits `--port=1` and `-p1` into two words, turns a port into an address, and joins
/// `-a 127.0.0.1 9999`.
fn address_flags(words: Vec<String>) -> Vec<String> {
    let mut flags: Vec<String> = Vec::new();
    for word in words {
        let split = |flag: &str| Some((flag.to_owned(), word.strip_prefix(flag)?.to_owned()));
        let known = ["--address=", "--port=", "-a", "-p"];
        match known.into_iter().find_map(split) {
            Some((flag, value)) if !value.is_empty() => {
                flags.push(flag.trim_end_matches('=').to_owned());
                flags.push(value.trim_start_matches('=').to_owned());
            }
            _ => flags.push(word),
        }
    }
    for start in 0..flags.len().saturating_sub(1) {
        if matches!(flags[start].as_str(), "-p" | "--port") {
            flags[start] = "--address".to_owned();
            flags[start + 1].insert(0, ':');
        }
        let is_flag = matches!(flags[start].as_str(), "-a" | "--address");
        if let (true, Some((address, 2))) = (is_flag, leading_address(&flags[start + 1..])) {
            flags.splice(start + 1..start + 3, [address]);
            break;
        }
    }
    flags
}

/// Returns the address at the beginning of the words, and its number of words: `127.0.0.1:9999`,
/// `localhost 9999`, `9999`.
fn leading_address(words: &[String]) -> Option<(String, usize)> {
    let is_port = |word: &str| word.parse::<u16>().is_ok();
    let (first, second) = (words.first()?, words.get(1).filter(|word| is_port(word)));
    let is_name =
        first == "localhost" || first.contains(':') || first.trim_end_matches('.').contains('.');
    match second {
        _ if first.contains(char::is_alphabetic) && !is_name => None,
        _ if first.parse::<Address>().is_err() => None,
        Some(port) if !is_port(first) => Some((format!("{first}:{port}"), 2)),
        _ => Some((first.clone(), 1)),
    }
}

/// Returns a note for a message that begins with an address and a port, because the user probably
/// did not mean to send them.
pub fn address_note(message: &[String]) -> Option<String> {
    let (address, _) = leading_address(message)?;
    let (host, _) = address.rsplit_once(':')?;
    if host.contains(':') && !host.ends_with(']') {
        return None; // an IPv6 address without a port
    }
    let advice = "is sent as a message; an address goes after --address";
    Some(format!("note: {address} {advice}"))
}

#[cfg(test)]
mod tests;
