//! The work, and which command of which server does it.

use std::env;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::Result;

/// All work, in the order of the tables. Any other number does as well.
///
/// - `threads`: clients, each in a thread of its own, send 64 bytes and wait for the reply
/// - `events`: clients, all in one loop, do the same, so that messages and replies come in bursts
/// - `churn`: clients at a time that connect, send one message, read its reply and close
/// - `bulk`: one client sends blocks of 64 KiB while it reads the replies
/// - `lines`: lines of 64 bytes in flight, or as many as fit
/// - `udp`: datagrams in flight, and the length of each
/// - `idle`: clients that connect and send nothing
pub const WORKS: &str = "threads-1 threads-4 threads-16 threads-64 threads-256 threads-16-raw \
    threads-16-pinned events-1 events-4 events-16 events-64 events-256 events-16-pinned churn-1 \
    churn-4 churn-16 bulk-raw bulk-chunk lines-64 lines-full udp-1-64 udp-32-64 udp-8-1024 idle-5000";

/// The servers; the first is what the others are compared with, and the second is the noise.
///
/// `workers` is the floor with workers that accept, as in `threads_3_workers`, which is `step-pool`.
pub const SERVERS: &str =
    "floor floor-again workers tcp threaded pool udp step step-pool python tokio";

/// One kind of work.
pub struct Work<'a> {
    pub name: &'a str,
    pub kind: &'a str,
    /// Clients, or messages in flight.
    pub count: usize,
    /// The length of a message in bytes.
    pub len: usize,
    pub framing: &'static str,
    /// What is put before the replies: nothing if their number depends on how the stream is cut.
    pub prefix: &'static str,
    /// The server and its clients share one core.
    pub is_pinned: bool,
}

impl<'a> Work<'a> {
    pub fn parse(name: &'a str) -> Self {
        let mut parts = name.split('-');
        let kind = parts.next().unwrap_or_default();
        let count = parts.next().and_then(|count| count.parse().ok());
        let len = parts.next().and_then(|len| len.parse().ok());
        let (is_raw, is_bulk) = (name.ends_with("raw"), kind == "bulk");
        Work {
            name,
            kind,
            count: count.unwrap_or(usize::MAX),
            len: len.unwrap_or(64),
            framing: match kind {
                _ if is_raw => "raw",
                "lines" => "line",
                _ => "chunk",
            },
            prefix: if is_raw || is_bulk {
                ""
            } else {
                "서버로부터 응답: "
            },
            is_pinned: name.ends_with("pinned"),
        }
    }
}

/// Where the repository is, and what was built in it.
pub struct Programs {
    root: PathBuf,
    release: PathBuf,
    python: &'static str,
}

impl Programs {
    /// Builds the servers and the steps.
    pub fn build() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.current_dir(&root).arg("--target-dir").arg(&target);
        let arguments = "build -qr -p tcp-echo -p udp-echo -p threaded-echo --bins --examples";
        if !cargo.args(arguments.split(' ')).status()?.success() {
            return Err("the servers cannot be built".into());
        }
        let runs = |name: &&str| Command::new(name).arg("--version").output().is_ok();
        let python = ["python3", "python"].into_iter().find(runs);
        Ok(Programs {
            root,
            release: target.join("release"),
            python: python.unwrap_or("python"),
        })
    }

    /// Returns the command that starts a server for this work, or `None` if it does other work.
    pub fn command(&self, server: &str, work: &Work<'_>) -> Option<Command> {
        let (is_udp, is_churn) = (work.kind == "udp", work.kind == "churn");
        let has_one_client = ["churn", "bulk", "lines"].contains(&work.kind) || work.count == 1;
        let step = match work.framing {
            _ if is_udp => "udp_3_no_echo_loop",
            _ if server == "step-pool" => "threads_3_workers",
            "line" => "tcp_5_lines",
            _ => "threads_2_scope",
        };
        let workers = if has_one_client { 16 } else { work.count };
        let this = env::current_exe().ok()?;
        let ours = |name, more: &str| (self.release.join(name), format!("-q -a :0{more}"));
        let (program, arguments) = match server {
            "floor" | "floor-again" if is_udp => (this, "serve udp".into()),
            "floor" | "floor-again" => (this, "serve threads".into()),
            "workers" if is_churn => (this, "serve workers".into()),
            "tokio" if is_udp => (this, "serve tokio-udp".into()),
            "tokio" => (this, "serve tokio".into()),
            "udp" if is_udp => ours("udp-echo", ""),
            "tcp" if has_one_client && !is_udp => ours("tcp-echo", ""),
            "threaded" if !is_udp => ours("threaded-echo", " --max-clients 10000"),
            "pool" if !is_udp => ours("threaded-echo", &format!(" --workers {workers}")),
            "step-pool" if !is_churn => return None,
            "step" | "step-pool" if !work.prefix.is_empty() => {
                let step = self.release.join("examples").join(step);
                (step, "127.0.0.1:0".into())
            }
            "python" if !work.prefix.is_empty() => {
                let arguments = format!("docs/python/{step}.py 127.0.0.1:0");
                (self.python.into(), arguments)
            }
            _ => return None,
        };
        let mut command = Command::new(program);
        command.args(arguments.split(' ')).current_dir(&self.root);
        if !["step", "step-pool", "python"].contains(&server) {
            command.args(["--prefix", work.prefix]);
            if server != "udp" {
                command.args(["--framing", work.framing]);
            }
        }
        Some(command)
    }
}

/// A server that is killed when it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts a server, and waits until it listens.
    pub fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.stderr(Stdio::null()).spawn()?;
        let address = SocketAddr::from(([0; 4], 0));
        let mut server = Server { child, address };
        let stdout = server.child.stdout.take().ok_or("no stdout")?;
        let (mut stdout, mut line) = (BufReader::new(stdout), String::new());
        stdout.read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ");
        server.address = address.ok_or("the server does not listen")?.parse()?;
        thread::spawn(move || io::copy(&mut stdout, &mut io::sink())); // steps print each client
        Ok(server)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // fails if it has ended
        let _ = self.child.wait();
    }
}
