//! `cargo run -p checker -- preflight`: whether this machine is ready for the pages and for a class.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, ExitCode};
use std::time::Duration;

use checker::{Language, Words, words, wrap};
use clap::Parser;
use common::words::error_message;

use crate::print;

/// How long loopback may take. Windows tries a closed port for 2 s, which is not worth the wait.
const TIMEOUT: Duration = Duration::from_millis(500);

/// The port of the tutorial and of every command on the pages.
const PORT: u16 = 12345;

/// Hangul and Latin: on a terminal where a syllable takes two columns, both lines end in the same one.
const RULER: &str = "    가나다라마바사아자차카타파하|\n    1234567890123456789012345678|\n";

/// Checks whether this machine is ready: loopback, port 12345, Python, the font
#[derive(Parser)]
#[command(bin_name = "cargo run -p checker -- preflight")]
struct Cli {
    /// The language [default: that of the system]
    #[arg(long)]
    lang: Option<Language>,
}

/// What a test found, or what is wrong and what to do.
type Finding = Result<Words, [Words; 2]>;

/// Prints a line for each test, and succeeds if all passed.
pub fn run() -> ExitCode {
    let cli = Cli::parse_from(std::env::args_os().skip(1)); // from the word `preflight` on
    let language = cli.lang.unwrap_or_else(Language::of_system);
    let mut status = ExitCode::SUCCESS;
    for test in [loopback_tcp, loopback_udp, port, python] {
        print(&match test() {
            Ok(found) => format!("✓ {}\n", found.say(language)),
            Err(what) => {
                status = ExitCode::FAILURE;
                let [wrong, advice] = what.map(|words| words.say(language));
                format!("✗ {}\n  {}\n", wrong.trim_end(), wrap(&advice, 2))
            }
        });
    }
    let question = words("preflight.ruler").say(language);
    print(&format!("? {}\n{RULER}", wrap(&question, 2)));
    status
}

fn loopback_tcp() -> Finding {
    let exchange = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut client = TcpStream::connect_timeout(&listener.local_addr()?, TIMEOUT)?;
        let (mut server, _) = listener.accept()?;
        server.set_read_timeout(Some(TIMEOUT))?;
        client.write_all(b"hello")?;
        server.read_exact(&mut [0; 5])
    };
    found("TCP", exchange())
}

fn loopback_udp() -> Finding {
    let exchange = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.send_to(b"hello", socket.local_addr()?)?; // to itself
        socket.recv(&mut [0; 5]).map(drop)
    };
    found("UDP", exchange())
}

fn found(protocol: &str, exchange: io::Result<()>) -> Finding {
    let Err(error) = exchange else {
        return Ok(words("preflight.loopback").with(protocol));
    };
    let wrong = words("preflight.no-loopback").with(protocol);
    let wrong = wrong.with(error_message(&error));
    Err([wrong, words("preflight.allow-loopback")])
}

fn port() -> Finding {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    // On macOS and Windows a bind succeeds even if another program listens on 0.0.0.0.
    let is_answered = TcpStream::connect_timeout(&address, TIMEOUT).is_ok();
    let tcp = TcpListener::bind(address).map(drop);
    let error = match tcp.and_then(|()| UdpSocket::bind(address).map(drop)) {
        Ok(()) if !is_answered => return Ok(words("preflight.port").with(PORT)),
        Ok(()) => ErrorKind::AddrInUse.into(),
        Err(error) => error,
    };
    let wrong = words("preflight.port-taken").with(PORT);
    let wrong = wrong.with(error_message(&error)).with(users());
    Err([wrong, words("preflight.free-port")])
}

/// Returns what the system says of the programs that have the port, on lines of their own, or nothing.
fn users() -> String {
    let command = match std::env::consts::OS {
        "windows" => "netstat -ano",
        "macos" => "lsof -nP -i:12345",
        _ => "ss -Hanptu sport = :12345",
    };
    let (output, port) = (output(command).unwrap_or_default(), format!(":{PORT} "));
    let lines = output.lines().filter(|line| line.contains(&port));
    let show = |line: &str| format!("\n    {}", line.trim().replace(char::is_control, " "));
    lines.map(show).collect()
}

fn python() -> Finding {
    let mut old = None;
    for name in ["python", "python3", "py"] {
        let version = output(&format!("{name} --version")).unwrap_or_default();
        let mut numbers = version.trim_start_matches("Python ").split('.');
        let mut number = || numbers.next()?.trim().parse().ok();
        let found: Option<(u32, u32)> = number().zip(number());
        let say = |key| words(key).with(version.trim()).with(name);
        match found {
            Some(found) if found >= (3, 9) => return Ok(say("preflight.python")),
            Some(_) => old = Some(say("preflight.old-python")),
            None => {} // on Windows `python` may be a link to a shop
        }
    }
    let wrong = old.unwrap_or_else(|| words("preflight.no-python"));
    Err([wrong, words("preflight.install-python")])
}

/// Runs a command to its end, and returns what it printed on stdout.
fn output(command: &str) -> Option<String> {
    let mut words = command.split(' ');
    let output = Command::new(words.next()?).args(words).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
