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

/// The flags that beginners type before an address or a port. Not all of them exist.
const FLAGS: [&str; 6] = ["--address", "-a", "--port", "-p", "--host", "--to"];

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
    let error = match Cli::try_parse().map(run) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => error,
        Err(error) => return explain::<Cli>(program, &error),
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
    report: Report,
    exit: fn(i32) -> !,
    serve: impl FnOnce(&Shutdown, &Report) -> io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let report = Arc::new(report);
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
    let words = env::args_os().skip(1).map(|word| word.into_string().ok());
    let words: Option<Vec<_>> = words.collect(); // no command without what is not UTF-8
    if let Some(command) = words.and_then(|words| correct::<Cli>(program, words)) {
        let _ = writeln!(io::stderr(), "\nThis works:\n{command}");
    }
    ExitCode::from(2)
}

/// Returns the command that the user probably meant, or `None`. `--port 12345` and `12345` become
/// `--address 12345`, and `-a :9999 client hi` becomes `client --address :9999 hi`.
fn correct<Cli: Parser>(program: &str, words: Vec<String>) -> Option<String> {
    let command = Cli::command().no_binary_name(true);
    let is_command = |word: &String| command.find_subcommand(word).is_some();
    let mut words: Vec<_> = words.into_iter().flat_map(split_flag).collect();
    // Options typed before the command belong after it.
    let before = words.iter().position(is_command).unwrap_or(0);
    if before > 0 {
        words[..=before].rotate_right(1);
    }
    let replaced = &|flag: &str, start: usize, end: usize| {
        let word = words[start].as_str();
        let flag = if word == "--to" { word } else { flag };
        let value = start + usize::from(FLAGS.contains(&word));
        let (address, len) = leading_address(&words[value..end])?;
        let mut words = words.clone();
        words.splice(start..value + len, [flag.to_owned(), address]);
        Some(words)
    };
    let works = |words: &Vec<String>| command.clone().try_get_matches_from(words).is_ok();
    // An address typed before the command comes first, because the rest may be a message.
    let first = (1..=before).filter_map(|start| replaced("--address", start, before + 1));
    let end = words.len();
    let all = |flag| (0..end).filter_map(move |start| replaced(flag, start, end));
    let any = all("--address").chain(all("--to")); // the relay needs `--to`
    let words = first.chain([words.clone()]).chain(any).find(works)?;
    let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    Some(format!("{} {}", command_line(program), words.join(" ")))
}

/// Splits `--port=1` and `-p1` into two words.
fn split_flag(word: String) -> Vec<String> {
    for flag in FLAGS {
        let value = word.strip_prefix(flag).unwrap_or_default();
        let value = value.trim_start_matches('=');
        if !value.is_empty() {
            return vec![flag.to_owned(), value.to_owned()];
        }
    }
    vec![word]
}

/// Returns the address at the beginning of the words, and its number of words: `127.0.0.1:9999`,
/// `localhost 9999`, `9999`, `127.0.0.1 --port 9999`, `9999 --host 127.0.0.1`.
fn leading_address(words: &[String]) -> Option<(String, usize)> {
    let is_port = |word: &&String| word.parse::<u16>().is_ok();
    let is_name = |word: &str| {
        let is_dotted = word.trim_end_matches('.').contains(['.', ':']);
        is_dotted || word.eq_ignore_ascii_case("localhost")
    };
    let first = words.first()?;
    let is_flag = |word: &String| FLAGS.contains(&word.as_str());
    let has_flag = words.get(1).is_some_and(is_flag);
    let len = 2 + usize::from(has_flag);
    let (host, port) = match words.get(len - 1) {
        Some(second) if has_flag && is_port(&first) && is_name(second) => (second, Some(first)),
        second => (first, second),
    };
    if !is_name(host) && !is_port(&first) {
        return None;
    }
    let joined = port.filter(is_port).map(|port| match is_host(host) {
        true => (format!("{host}:{port}"), len),
        false => (format!("[{host}]:{port}"), len), // parses only if it is an IPv6 address
    });
    let mut addresses = joined.into_iter().chain([(first.clone(), 1)]);
    addresses.find(|(address, _)| address.parse::<Address>().is_ok())
}

/// Returns `true` for a host that can be followed by a colon and a port: `localhost` and `[::1]`,
/// but not `::1`.
fn is_host(word: &str) -> bool {
    !word.contains(':') || word.ends_with(']')
}

/// Returns a note for a message that begins with an address and a port, because the user probably
/// did not mean to send them.
pub fn address_note(message: &[String]) -> Option<String> {
    let (address, _) = leading_address(message)?;
    let (host, _) = address.rsplit_once(':')?;
    let advice = "is sent as a message; an address goes after --address";
    is_host(host).then(|| format!("note: {address} {advice}"))
}

#[cfg(test)]
mod tests;
