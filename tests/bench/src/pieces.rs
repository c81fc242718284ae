//! What servers are made of, one by one: a system call, a start, a switch, a thread's memory, the backlog.

use std::hint::black_box;
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::{Result, system};

/// The pieces in the order of the table, with their units.
#[rustfmt::skip]
pub const PIECES: [(&str, fn() -> Result<f64>); 9] = [
    ("a system call (getsockname), µs", system_call),
    ("a thread, started and joined, µs", thread_start),
    ("a tokio task, started and joined, µs", task_start),
    ("a switch between threads, one core, µs", || on_one_core(switch::threads)),
    ("a switch between tokio tasks, µs", || on_one_core(switch::tasks)),
    ("a wake-up of a thread, any core, µs", switch::threads),
    ("memory of a thread that waits, KiB", || thread_memory(|| system::resident_kib("self"))),
    ("memory of the kernel for it, KiB", || thread_memory(system::kernel_kib)),
    ("clients that a backlog takes", backlog),
];

/// Runs something, and all that it starts, on one core.
pub fn on_one_core<T: Send>(run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let pinned = || {
        let core = core_affinity::get_core_ids().and_then(|cores| cores.last().copied());
        if core.is_some_and(core_affinity::set_for_current) {
            run()
        } else {
            Err("this system pins no thread to a core".into())
        }
    };
    thread::scope(|scope| scope.spawn(pinned).join()).map_err(|_| "a thread has panicked")?
}

/// Returns how many µs one of many takes.
fn time(count: u32, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    for _ in 0..count {
        run()?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / f64::from(count))
}

fn system_call() -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    time(100_000, || Ok(drop(black_box(listener.local_addr()?))))
}

fn thread_start() -> Result<f64> {
    let error = |_| "a thread has panicked".into();
    time(2_000, || thread::spawn(|| ()).join().map_err(error))
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn task_start() -> Result<f64> {
    let runtime = runtime()?;
    time(100_000, || {
        Ok(runtime.block_on(async { tokio::spawn(async {}).await })?)
    })
}

/// Returns how much of this memory a waiting thread takes, from 1,000 of them.
fn thread_memory(memory: fn() -> Option<f64>) -> Result<f64> {
    let (before, gate) = (memory(), Mutex::new(()));
    let (started, starts) = channel();
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

/// Two that pass a byte to each other: a pass is a write, a wait for I/O and a switch.
#[cfg(unix)]
mod switch {
    use std::io::{self, Read, Write};
    use std::os::unix::net::UnixStream;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PASSES: u32 = 10_000;

    pub fn threads() -> Result<f64> {
        let (mut one, mut other) = UnixStream::pair()?;
        let echo = move || io::copy(&mut other.try_clone()?, &mut other);
        thread::spawn(echo); // it ends when `one` is dropped
        let round_trip = time(PASSES, || {
            one.write_all(&[0])?;
            Ok(one.read_exact(&mut [0])?)
        })?;
        Ok(round_trip / 2.0)
    }

    pub fn tasks() -> Result<f64> {
        let runtime = runtime()?;
        runtime.block_on(async {
            let (mut one, mut other) = tokio::net::UnixStream::pair()?;
            tokio::spawn(async move {
                let mut byte = [0];
                while other.read_exact(&mut byte).await.is_ok() {
                    other.write_all(&byte).await?;
                }
                io::Result::Ok(())
            });
            let started = Instant::now();
            for _ in 0..PASSES {
                one.write_all(&[0]).await?;
                one.read_exact(&mut [0]).await?;
            }
            Ok(started.elapsed().as_secs_f64() * 1e6 / f64::from(PASSES) / 2.0)
        })
    }
}

#[cfg(not(unix))]
mod switch {
    use crate::Result;

    pub fn threads() -> Result<f64> {
        Err("needs a pair of sockets, as Unix has".into())
    }

    pub use threads as tasks;
}
