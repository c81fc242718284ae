//! What programs print: sessions in terminals (docs/CONTRIBUTING.md has their language), and what the checker finds.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use regex::Captures;
use suite::{Process, Signal, root};

use crate::normal::Normal;
use crate::page::regex;

/// Returns the command as it is run: `cargo run -p NAME --` is the program that cargo would run, on the session's port.
fn as_run(typed: &str, port: u16) -> String {
    let cargo = regex(r"^cargo run (?:-q )?-p (\S+)(?: --example (\S+))?(?: --( [^|]*))?");
    let run = cargo.replace(typed, |words: &Captures<'_>| {
        let arguments = words.get(3).map_or("", |arguments| arguments.as_str());
        let is_given = regex(r"--address|-a |12345|\{").is_match(arguments);
        let (program, before, after) = match words.get(2) {
            Some(example) => (suite::example(example.as_str()), "127.0.0.1:12345", ""),
            None if is_given => (suite::program(&words[1]), "", ""),
            None => (suite::program(&words[1]), "", "--address 127.0.0.1:12345 "),
        };
        format!("\"{}\" {before} {arguments} {after}", program.display())
    });
    let python = suite::python();
    let python = format!("${{1}}{} ", python.get_program().to_string_lossy());
    let run = regex(r"(^|\x22)python ").replace_all(&run, python);
    let run = regex(r"\b12345\b").replace_all(&run, port.to_string());
    // The program takes the shell's place, so that Ctrl-C and the exit status are its own, before a pipe, too.
    let run = regex(r"\| (.*)$").replace(&run, "> >($1)");
    format!("exec 2>&1\nexec {run}")
}

/// Starts a command in a terminal, where nothing is set that only this machine sets.
fn start(typed: &str, port: u16) -> Process {
    let kept = ["PATH", "HOME"].into_iter();
    let kept = kept.filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut bash = Command::new("bash");
    bash.args(["-c", &as_run(typed, port)]);
    bash.current_dir(root()).env_clear().envs(kept);
    bash.envs([("LANG", "C.UTF-8"), ("CARGO", "cargo")]); // the programs name the command that was typed
    bash.envs([("PYTHONUNBUFFERED", "1"), ("PYTHONDONTWRITEBYTECODE", "1")]);
    bash.env("PYTHONPATH", root().join("docs/sessions")); // moves Python's 12345 to the session's port
    bash.env("SESSION_PORT", port.to_string());
    Process::spawn(bash)
}

/// A session while it runs: its terminals, and what they have shown.
#[derive(Default)]
struct Session {
    port: u16,
    terminals: BTreeMap<String, Process>,
    shown: Vec<(String, String)>,
}

impl Session {
    /// Finds a port that no socket has, not even a connection that ended a minute ago: a Python server could not listen
    /// there. The socket keeps the next port, so no other session takes this one.
    fn reserve_port(&mut self) -> UdpSocket {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let first = 20_000 + (std::process::id() % 5_000) as u16 * 2; // below those that Linux gives to clients
        loop {
            self.port = first + NEXT.fetch_add(2, Relaxed) % 2_000;
            let line = format!(":{:04X} ", self.port);
            let tables = ["/proc/net/tcp", "/proc/net/udp"].map(fs::read_to_string);
            let is_used = tables.iter().flatten().any(|table| table.contains(&line));
            match UdpSocket::bind((Ipv4Addr::LOCALHOST, self.port + 1)) {
                Ok(socket) if !is_used => return socket,
                _ => {}
            }
        }
    }

    fn step(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.splitn(3, ' ').map(String::from);
        let mut next = || words.next().unwrap_or_default();
        let (number, verb, rest) = (next(), next(), next());
        let mut show = |line: String| self.shown.push((number.clone(), line));
        match &verb[..] {
            "$" => show(format!("$ {rest}")),
            "<" => show(rest.clone()),
            "^C" | "^D" => show(verb.clone()),
            _ => {}
        }
        if verb == "$" {
            self.terminals.insert(number, start(&rest, self.port));
            return Ok(());
        }
        let terminal = self.terminals.get_mut(&number);
        let terminal = terminal.ok_or("nothing runs in this terminal")?;
        match &verb[..] {
            ">" | "." => {
                let is_last = |line: &String| verb == ">" && line.contains(&rest);
                while let Some(line) = terminal.next_line() {
                    show(line.clone());
                    if is_last(&line) {
                        return Ok(());
                    }
                }
                match terminal.end().code {
                    code if verb == "." && code == Some(rest.parse().unwrap_or(0)) => {}
                    code => return Err(format!("the program ended with {code:?}")),
                }
            }
            "<" => terminal
                .type_text(format!("{rest}\n"))
                .map_err(|error| error.to_string())?,
            "^D" => terminal.end_input(),
            "^C" => terminal.signal(Signal::INT),
            _ => return Err("this is not a step".to_owned()),
        }
        Ok(())
    }

    /// Returns what was shown, without what differs from run to run.
    fn transcript(&self) -> String {
        let mut normal = Normal::new(self.port);
        let is_alone = self.shown.iter().all(|(number, _)| number == "1");
        let mut transcript = String::new();
        for (number, line) in &self.shown {
            let terminal = format!("{number} │ ");
            let terminal = if is_alone { "" } else { &terminal };
            let line = normal.line(line).map(|line| format!("{terminal}{line}"));
            transcript.extend(line.map(|line| line.trim_end().to_owned() + "\n"));
        }
        transcript
    }
}

/// Runs what a comment asks for: `run NAME`, `run COMMAND`, or `checks STEP…`.
pub fn run(asked: &str) -> Result<String, String> {
    let (kind, what) = asked.split_once(' ').unwrap_or_default();
    if kind == "checks" {
        return Ok(checks(what));
    }
    let (command, status) = what.split_once(" exits ").unwrap_or((what, "0"));
    let mut script = format!("1 $ {command}\n1 . {status}");
    if !what.contains(' ') {
        let path = root().join(format!("docs/sessions/{what}.session"));
        script = fs::read_to_string(path).map_err(|error| error.to_string())?;
    }
    let mut session = Session::default();
    let _reserved = session.reserve_port();
    for line in script.lines().filter(|line| !line.starts_with('#')) {
        let step = session.step(line);
        step.map_err(|why| format!("{line}: {why}\n{}", session.transcript()))?;
    }
    Ok(session.transcript())
}

/// Returns the names of these steps, then a line for each check: its name, and whether each step passes it.
fn checks(words: &str) -> String {
    let (steps, options) = words.split_once(" --").unwrap_or((words, ""));
    let mut found: Vec<String> = vec![steps.to_owned()];
    for (at, step) in steps.split(' ').enumerate() {
        let pattern = step.split('_').next().unwrap_or_default();
        let pattern = pattern.replace("threads", "threaded");
        let start = format!("\"{}\" {{address}}", suite::example(step).display());
        let mut checker = suite::command("checker", &[&pattern, "--json", "--start", &start]);
        if !options.is_empty() {
            checker.args(format!("--{options}").split(' '));
        }
        let checker = Process::spawn(checker);
        let check = regex(r#""check":"([^"]+)".*"outcome":"([^"]+)""#);
        let mut row = 1;
        while let Some(line) = checker.next_line() {
            if let Some(check) = check.captures(&line) {
                if at == 0 {
                    found.push(check[1].to_owned());
                }
                let is_passed = &check[2] == "passed";
                found[row] += if is_passed { " ✓" } else { " ✗" };
                row += 1;
            }
        }
    }
    found.join("\n")
}
