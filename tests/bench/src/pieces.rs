//! What servers are made of: a system call, a start, a wait for I/O, a thread's memory, the backlog.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::runtime::{Builder, Runtime};

use crate::clients::Sample;
use crate::{Result, system};

/// A piece in words, and what measures it.
type Piece = (&'static str, fn() -> Result<f64>);

/// All pieces, in the order of the table.
#[rustfmt::skip]
pub const PIECES: [Piece; 9] = [
    ("a system call (getsockname), µs", system_call),
    ("a thread, started and joined, µs", thread_start),
    ("a tokio task, started and joined, µs", task_start),
    ("a byte to a thread, one core, µs", || on_one_core(pass_to_thread)),
    ("a byte to a thread, any core, µs", pass_to_thread),
    ("a byte to a tokio task, µs", || on_one_core(pass_to_task)),
    ("memory of a thread that waits, KiB", || thread_memory(|| system::resident_kib("self"))),
    ("memory of the kernel for it, KiB", || thread_memory(system::kernel_kib)),
    ("clients that a backlog takes", backlog),
];

/// Measures the piece of this name.
pub fn measure(name: &str) -> Result<Sample> {
    let piece = PIECES.into_iter().find(|(piece, _)| *piece == name);
    let (_, measure) = piece.ok_or("no such piece")?;
    Ok(Sample::from([("value", measure()?)]))
}

/// Runs something, and all that it starts, on one core.
pub fn on_one_core<T: Send>(run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let pinned = || {
        let core = core_affinity::get_core_ids().and_then(|cores| cores.last().copied());
        let is_pinned = core.is_some_and(core_affinity::set_for_current);
        is_pinned.then(run).ok_or("this system pins no thread")?
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
    let listener = TcpListener::bind("127.0.0.1:0")?;
    time(100_000, || {
        black_box(listener.local_addr()?);
        Ok(())
    })
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
    let runtime = runtime()?;
    let start = || Ok(runtime.block_on(async { tokio::spawn(async {}).await })?);
    time(100_000, start)
}

fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    one.set_nodelay(true)?;
    Ok((one, listener.accept()?.0))
}

fn pass_to_thread() -> Result<f64> {
    let (mut one, other) = pair()?;
    thread::spawn(move || io::copy(&mut &other, &mut &other)); // it ends when `one` is dropped
    let round_trip = time(10_000, || {
        one.write_all(&[0])?;
        Ok(one.read_exact(&mut [0])?)
    })?;
    Ok(round_trip / 2.0)
}

fn pass_to_task() -> Result<f64> {
    let (one, other) = pair()?;
    one.set_nonblocking(true)?;
    other.set_nonblocking(true)?;
    runtime()?.block_on(async {
        let mut one = tokio::net::TcpStream::from_std(one)?;
        let (mut reader, mut writer) = split(tokio::net::TcpStream::from_std(other)?);
        tokio::spawn(async move { copy(&mut reader, &mut writer).await });
        let started = Instant::now();
        for _ in 0..10_000 {
            one.write_all(&[0]).await?;
            one.read_exact(&mut [0]).await?;
        }
        Ok(started.elapsed().as_secs_f64() * 1e6 / 20_000.0)
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
