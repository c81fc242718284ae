//! What servers are made of: a system call, a start, memory, the backlog. And what Linux tells about processes.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use tokio::runtime::{Builder, Runtime};

use crate::Result;

/// A piece in words, and what measures it.
type Piece = (&'static str, fn() -> Result<f64>);

/// All pieces, in the order of the table.
#[rustfmt::skip]
pub const PIECES: [Piece; 6] = [
    ("memory of the kernel for a thread, KiB", || thread_memory(kernel_kib)),
    ("a system call (setsockopt), µs", system_call),
    ("a thread, started and joined, µs", thread_start),
    ("a tokio task, started and joined, µs", task_start),
    ("memory of a thread that waits, KiB", || thread_memory(|| resident_kib("self"))),
    ("clients that a backlog takes", backlog),
];

/// Runs something, and all that it starts, on one core.
pub fn on_one_core<T: Send>(run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let pinned = || match core_affinity::get_core_ids().unwrap_or_default()[..] {
        [core, ..] if core_affinity::set_for_current(core) => run(),
        _ => Err("this system pins no thread to a core".into()),
    };
    thread::scope(|scope| scope.spawn(pinned).join()).map_err(|_| "a thread has panicked")?
}

/// Returns how many µs one of many takes.
fn time(count: u32, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    (0..count).try_for_each(|_| run())?;
    Ok(started.elapsed().as_secs_f64() * 1e6 / f64::from(count))
}

fn system_call() -> Result<f64> {
    let socket = TcpListener::bind("127.0.0.1:0")?;
    time(100_000, || Ok(socket.set_ttl(64)?))
}

fn thread_start() -> Result<f64> {
    let error = |_| "a thread has panicked".into();
    time(2_000, || thread::spawn(|| ()).join().map_err(error))
}

/// A runtime of one thread.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().build()
}

fn task_start() -> Result<f64> {
    runtime()?.block_on(async {
        let started = Instant::now();
        for _ in 0..10_000 {
            tokio::spawn(async {}).await?;
        }
        Ok(started.elapsed().as_secs_f64() * 100.0)
    })
}

/// Returns how much of this memory a waiting thread takes, from 1,000 of them.
fn thread_memory(memory: fn() -> Option<f64>) -> Result<f64> {
    let (before, gate, (started, starts)) = (memory(), Mutex::new(()), mpsc::channel());
    thread::scope(|scope| {
        let closed = gate.lock();
        for _ in 0..1_000 {
            let (gate, started) = (&gate, started.clone());
            scope.spawn(move || started.send(()).map(|()| drop(gate.lock())));
        }
        starts.iter().take(1_000).for_each(drop);
        let change = before.zip(memory()).map(|(before, after)| after - before);
        drop(closed);
        Ok(change.ok_or("this system does not tell")? / 1_000.0)
    })
}

/// Returns how many clients can connect to a server that does not accept.
fn backlog() -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, timeout) = (listener.local_addr()?, Duration::from_millis(200));
    let connect = || TcpStream::connect_timeout(&address, timeout).ok();
    let clients: Vec<_> = std::iter::from_fn(connect).take(10_000).collect();
    Ok(clients.len() as f64)
}

/// Returns the CPU time that a process has used, in seconds.
pub fn cpu_seconds(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?; // the name before it may contain anything
    let ticks = |index| fields.split(' ').nth(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0) // utime and stime in USER_HZ, see proc_pid_stat(5)
}

/// Returns the resident memory of a process, `self` for this one, in KiB.
pub fn resident_kib(process: &str) -> Option<f64> {
    kib(&format!("/proc/{process}/status"), "VmRSS")
}

/// Returns what the kernel uses for threads, sockets and page tables, of all processes, in KiB.
pub fn kernel_kib() -> Option<f64> {
    kib("/proc/meminfo", "KernelStack PageTables SUnreclaim")
}

fn kib(path: &str, names: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let values = names.split(' ').map(|name| {
        let (_, rest) = text.split_once(&format!("\n{name}:"))?;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    });
    values.sum()
}

/// Returns the machine in words: processor, cores, kernel.
pub fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (info, kernel) = (read("/proc/cpuinfo"), read("/proc/sys/kernel/osrelease"));
    let model = info.split_once("model name\t: ").unwrap_or_default().1;
    let model = model.lines().next().unwrap_or("unknown CPU");
    let cores = thread::available_parallelism().map_or(0, |cores| cores.get());
    let (system, kernel) = (env::consts::OS, kernel.trim());
    format!("{model}, {cores} cores, {system} {kernel}")
}
