//! The work, and the command of each server that does it.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use suite::{python, root};

use crate::Result;

/// All work, in the order of the tables. Other numbers do as well.
pub const WORKS: &str = "threads-1,threads-1-pinned,threads-4,threads-16,threads-64,threads-256,threads-16-raw,\
    threads-16-pinned,events-1,events-1-pinned,events-4,events-16,events-64,events-256,events-16-pinned,churn-1,\
    churn-4,churn-16,bulk-raw,bulk-chunk,lines-64,lines-full,udp-1-64,udp-32-64,udp-8-1024,\
    idle-5000,pieces";

/// All servers. The first is what the others are compared with, and the second shows the noise.
pub const SERVERS: &str = "floor,floor-again,tcp,threaded,pool,udp,step,step-pool,python,tokio";

/// The kinds of work, and which server does which by which command. `bench` is this program.
const COMMANDS: &str = include_str!("commands.txt");

/// One kind of work.
pub struct Work<'a> {
    name: &'a str,
    pub kind: &'a str,
    /// Clients, or messages in flight, and the length of a message in bytes.
    pub count: usize,
    pub len: usize,
    framing: &'static str,
}

impl<'a> Work<'a> {
    pub fn parse(name: &'a str) -> Self {
        let mut parts = name.split('-');
        let kind = parts.next().unwrap_or_default();
        let mut numbers = parts.filter_map(|part| part.parse().ok());
        Work {
            name,
            kind,
            count: numbers.next().unwrap_or(usize::MAX),
            len: numbers.next().unwrap_or(64),
            framing: match kind {
                "lines" => "line",
                _ if name.ends_with("raw") => "raw",
                _ => "chunk",
            },
        }
    }

    /// Returns what is put before the replies: nothing if their number depends on how the stream is cut.
    pub fn prefix(&self) -> &'static str {
        let has_prefix = self.framing != "raw" && self.kind != "bulk";
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
        let arguments = "build -qr -p tcp-echo -p udp-echo -p threaded-echo --bins --examples";
        cargo.current_dir(root()).args(arguments.split(' '));
        let status = cargo.arg("--target-dir").arg(&target).status()?;
        let built = status.success().then(|| Programs(target.join("release")));
        built.ok_or("the servers cannot be built".into())
    }

    /// Returns the command that starts a server for this work, or `None` if it does other work.
    pub fn command(&self, server: &str, work: &Work<'_>) -> Option<Command> {
        let server = server.trim_end_matches("-again");
        let does = |kind| kind == work.kind || kind == work.name;
        let mut rows = COMMANDS.lines().map(|row| row.splitn(3, ": "));
        let command = rows.find_map(|mut row| {
            let is_it = row.next()? == server && row.next()?.split(' ').any(does);
            row.next().filter(|_| is_it)
        })?;
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
        match program {
            "bench" => command.args([work.prefix(), work.framing]),
            "udp-echo" => command.args(["--prefix", work.prefix()]),
            _ => command.args(["--prefix", work.prefix(), "--framing", work.framing]),
        };
        Some(command)
    }
}
