//! The work, and the command of each server that does it.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use suite::{python, root};

use crate::Result;

/// All work, in the order of the tables. Other numbers do as well.
///
/// - `threads`: clients, each in a thread of its own, send 64 bytes and wait for the reply
/// - `events`: clients, all in one loop, do the same, so that messages and replies come in bursts
/// - `churn`: clients at a time that connect, send one message, read its reply and close
/// - `bulk`: one client sends blocks of 64 KiB while it reads the replies
/// - `lines`: lines of 64 bytes in flight, or as many as fit
/// - `udp`: datagrams in flight, and the length of each
/// - `idle`: clients that connect and send nothing
pub const WORKS: &str = "threads-1,threads-4,threads-16,threads-64,threads-256,threads-16-raw,\
    threads-16-pinned,events-1,events-4,events-16,events-64,events-256,events-16-pinned,churn-1,\
    churn-4,churn-16,bulk-raw,bulk-chunk,lines-64,lines-full,udp-1-64,udp-32-64,udp-8-1024,\
    idle-5000,pieces";

/// All servers. The first is what the others are compared with, and the second shows the noise.
pub const SERVERS: &str = "floor,floor-again,tcp,threaded,pool,udp,step,step-pool,python,tokio";

/// Which server does which work by which command. `bench` is this program.
#[rustfmt::skip]
const COMMANDS: [(&str, &str, &str); 16] = [
    ("floor", "threads events churn bulk lines idle", "bench serve threads"),
    ("floor", "udp", "bench serve udp"),
    ("tcp", "threads-1 events-1 churn bulk lines", "tcp-echo -q -a :0"),
    ("threaded", "threads events churn bulk lines idle", "threaded-echo -q -a :0 --max-clients 10000"),
    ("pool", "threads events", "threaded-echo -q -a :0 --workers 256"),
    ("pool", "churn bulk lines", "threaded-echo -q -a :0 --workers 4"),
    ("udp", "udp", "udp-echo -q -a :0"),
    ("step", "threads events churn idle", "examples/threads_2_scope 127.0.0.1:0"),
    ("step", "lines", "examples/tcp_5_lines 127.0.0.1:0"),
    ("step", "udp", "examples/udp_3_no_echo_loop 127.0.0.1:0"),
    ("step-pool", "churn", "examples/threads_3_workers 127.0.0.1:0"),
    ("python", "threads events churn idle", "python docs/python/threads_2_scope.py 127.0.0.1:0"),
    ("python", "lines", "python docs/python/tcp_5_lines.py 127.0.0.1:0"),
    ("python", "udp", "python docs/python/udp_3_no_echo_loop.py 127.0.0.1:0"),
    ("tokio", "threads events churn bulk lines idle", "bench serve tokio"),
    ("tokio", "udp", "bench serve tokio-udp"),
];

/// One kind of work.
pub struct Work<'a> {
    name: &'a str,
    pub kind: &'a str,
    /// Clients, or messages in flight.
    pub count: usize,
    /// The length of a message in bytes.
    pub len: usize,
}

impl<'a> Work<'a> {
    pub fn parse(name: &'a str) -> Self {
        let kind = name.split('-').next().unwrap_or_default();
        let mut numbers = name.split('-').filter_map(|part| part.parse().ok());
        let (count, len) = (numbers.next(), numbers.next().unwrap_or(64));
        let count = count.unwrap_or(usize::MAX);
        #[rustfmt::skip]
        return Work { name, kind, count, len };
    }

    /// Returns `true` if the server and its clients share one core.
    pub fn is_pinned(&self) -> bool {
        self.name.ends_with("pinned")
    }

    fn is_raw(&self) -> bool {
        self.name.ends_with("raw")
    }

    /// Returns what is put before the replies: nothing if their number depends on how the stream is cut.
    pub fn prefix(&self) -> &'static str {
        let has_prefix = !self.is_raw() && self.kind != "bulk";
        ["", "서버로부터 응답: "][usize::from(has_prefix)]
    }
}

/// Where the servers and the steps are.
pub struct Programs(PathBuf);

impl Programs {
    /// Builds the servers and the steps.
    pub fn build() -> Result<Self> {
        let target = env::var_os("CARGO_TARGET_DIR");
        let target = target.map_or(root().join("target"), PathBuf::from);
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.current_dir(root()).arg("--target-dir").arg(&target);
        let arguments = "build -qr -p tcp-echo -p udp-echo -p threaded-echo --bins --examples";
        let status = cargo.args(arguments.split(' ')).status()?;
        let built = status.success().then(|| Programs(target.join("release")));
        built.ok_or("the servers cannot be built".into())
    }

    /// Returns the command that starts a server for this work, or `None` if it does other work.
    pub fn command(&self, server: &str, work: &Work<'_>) -> Option<Command> {
        let server = server.trim_end_matches("-again");
        let does = |kind| kind == work.kind || kind == work.name;
        let mut commands = COMMANDS.into_iter();
        let (.., command) =
            commands.find(|(name, kinds, _)| *name == server && kinds.split(' ').any(does))?;
        let (program, arguments) = command.split_once(' ')?;
        let mut command = match program {
            "python" => python(),
            "bench" => Command::new(env::current_exe().ok()?),
            _ => Command::new(self.0.join(program)),
        };
        command.args(arguments.split(' ')).current_dir(root());
        if ["step", "step-pool", "python"].contains(&server) {
            return (!work.prefix().is_empty()).then_some(command); // their prefix is fixed
        }
        command.args(["--prefix", work.prefix()]);
        match work.kind {
            "udp" => {}
            "lines" => drop(command.args(["--framing", "line"])),
            _ if work.is_raw() => drop(command.args(["--framing", "raw"])),
            _ => drop(command.args(["--framing", "chunk"])),
        }
        Some(command)
    }
}
