//! The edge of a program: its arguments, and its exit status. Wrong usage is answered with the
//! command that works.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::addr::Address;
use crate::report::print_error;
use crate::words::{command_line, quoted};

/// Parses the arguments of the program.
///
/// # Errors
///
/// Returns the exit status if there is nothing to run. The help, or the error and the command that
/// works, is printed.
pub fn parse<Cli: Parser>(program: &str) -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        let _ = error.print(); // stdout or stderr may be closed
        let words = env::args_os()
            .skip(1)
            .map(|word| word.to_string_lossy().into_owned());
        if let (true, Some(command)) =
            (error.use_stderr(), correct::<Cli>(program, words.collect()))
        {
            let _ = writeln!(io::stderr(), "\nThis works:\n{command}");
        }
        ExitCode::from(if error.use_stderr() { 2 } else { 0 })
    })
}

/// Prints the error, if there is one, and returns the exit status.
pub fn exit_code(program: &str, result: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // Errors of sockets have a sentence of ours around them; this is a closed stdout: `client |
        // head -1` has seen enough.
        if error.kind() == io::ErrorKind::BrokenPipe && error.raw_os_error().is_some() {
            return ExitCode::SUCCESS;
        }
    }
    print_error(program, error);
    ExitCode::FAILURE
}

/// Returns the command that was probably meant, if it is one: `12345`, `127.0.0.1 12345` and
/// `--port 12345` become `--address …`, and `-a :9999 client hi` becomes `client -a :9999 hi`.
fn correct<Cli: Parser>(program: &str, mut words: Vec<String>) -> Option<String> {
    let command = Cli::command();
    let is_command = |word: &String| command.get_subcommands().any(|sub| sub.get_name() == word);
    if let Some(position) = words.iter().position(is_command) {
        words[..=position].rotate_right(1);
    }
    let at = usize::from(words.first().is_some_and(is_command));
    if let Some((address, len)) = leading_address(&words[at..]) {
        words.splice(at..at + len, ["--address".to_owned(), address]);
    }
    if let Some(at) = words
        .iter()
        .position(|word| word == "--port" || word == "-p")
    {
        let port = words.get(at + 1).map(|port| format!(":{port}"))?;
        words.splice(at..at + 2, ["--address".to_owned(), port]);
    }
    words.insert(0, program.to_owned());
    Cli::try_parse_from(&words).ok()?;
    let words: Vec<_> = words[1..].iter().map(|word| quoted(word)).collect();
    Some(format!("{} {}", command_line(program), words.join(" ")))
}

/// Returns the address that the words begin with, and how many they are: `127.0.0.1:9999`,
/// `localhost 9999`, `9999`.
fn leading_address(words: &[String]) -> Option<(String, usize)> {
    let is_port = |word: &str| word.parse::<u16>().is_ok();
    let (first, second) = (words.first()?, words.get(1).filter(|word| is_port(word)));
    let is_name =
        first != "localhost" && first.contains(char::is_alphabetic) && !first.contains(':');
    match second {
        _ if is_name || first.parse::<Address>().is_err() => None,
        Some(port) if !is_port(first) => Some((format!("{first}:{port}"), 2)),
        _ => Some((first.clone(), 1)),
    }
}

/// Returns a note for a message that begins with an address and a port, which were probably not
/// meant to be sent.
pub fn address_note(message: &[String]) -> Option<String> {
    let (address, _) = leading_address(message).filter(|(address, _)| address.contains(':'))?;
    Some(format!(
        "note: {address} is sent as a message; an address goes after --address"
    ))
}

#[cfg(test)]
mod tests;
