use super::*;

#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Args)]
struct Server {
    #[arg(short, long)]
    address: Option<Address>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Server(Server),
    Client {
        #[arg(short, long)]
        address: Option<Address>,
        message: Vec<String>,
    },
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn misplaced_words_become_a_command_that_works() {
    for (typed, works) in [
        ("12345", "--address 12345"),
        ("127.0.0.1 12345", "--address 127.0.0.1:12345"),
        ("localhost:80", "--address localhost:80"),
        ("server 80", "server --address 80"),
        ("--port 1", "--address :1"),
        ("9999 client hi", "client --address 9999 hi"),
        ("--port=1", "--address :1"),
        ("-p1", "--address :1"),
        ("-a 127.0.0.1 9999", "-a 127.0.0.1:9999"),
        ("--address=:9 client hi", "client --address :9 hi"),
        ("client --port=1 hi", "client --address :1 hi"),
        ("server -p 1", "server --address :1"),
        ("-a :9999 client hi", "client -a :9999 hi"),
        (
            "--address :9 client a&b it's",
            "client --address :9 \"a&b\" \"it's\"",
        ),
    ] {
        let line = correct::<Cli>("echo", words(typed)).unwrap_or_else(|| panic!("{typed}"));
        assert!(
            line.ends_with(&format!("echo {works}")) || line.ends_with(&format!("-- {works}")),
            "{line}"
        );
    }
    for typed in ["hello", "--frog", "client --frog", "-a"] {
        assert_eq!(correct::<Cli>("echo", words(typed)), None, "{typed}");
    }
}

#[test]
fn address_in_message_gets_a_note() {
    for message in [
        "127.0.0.1:9999",
        "127.0.0.1 12345",
        "localhost:80 hi",
        "[::1]:80",
        "example.com 80",
    ] {
        assert!(address_note(&words(message)).is_some(), "{message}");
    }
    for message in [
        "hello",
        "12:30",
        "10:30:00",
        "3 4",
        "127.0.0.1 hi",
        "::1 hi",
        "::",
        "end. 5",
        "hello 5",
        "hi 127.0.0.1:9999",
        "a: b",
    ] {
        assert_eq!(address_note(&words(message)), None, "{message}");
    }
}
