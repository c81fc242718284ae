//! Prints lines by a thread of its own, so that nobody waits for a terminal.
//!
//! A terminal can stop reading for hours: Ctrl-S, a paused `less`, or, on Windows, a selection. A
//! thread that printed directly would then wait with its client. So lines go through a bounded
//! queue, and what does not fit is dropped.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::spawn;
use crate::words::plural;

/// Maximum number of lines that wait to be printed.
const QUEUE_LEN: usize = 4_096;

/// A queue of lines for stdout or stderr, and how many did not fit. The last drop ends the thread.
#[derive(Clone)]
pub struct Printer(Sender<Entry>, Arc<AtomicU64>);

/// How many lines were dropped before this one, and a sender whose drop tells that it is printed.
struct Entry(u64, Option<String>, Option<Sender<()>>);

impl Printer {
    /// A printer for this stream. Fails if its thread cannot be started.
    pub fn new(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, entries) = bounded(QUEUE_LEN);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        spawn(move || print_all(&entries, &counter, output))?;
        Ok(Printer(queue, dropped))
    }

    /// Prints a line as soon as somebody reads; drops it if the queue is full.
    pub fn print(&self, line: String) {
        let dropped = self.1.swap(0, Ordering::Relaxed);
        if self.0.try_send(Entry(dropped, Some(line), None)).is_err() {
            self.1.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }

    /// Prints a last line, even if the queue is full, and waits for the printing, `limit` at most.
    pub fn finish(&self, last_line: Option<String>, limit: Duration) {
        let deadline = Instant::now() + limit;
        let (sender, printed) = bounded(0);
        let dropped = self.1.swap(0, Ordering::Relaxed);
        let entry = Entry(dropped, last_line, Some(sender));
        if self.0.send_deadline(entry, deadline).is_ok() {
            let _ = printed.recv_deadline(deadline); // disconnected: everything is printed
        }
    }
}

/// Prints until the printer is dropped, also to a closed stream: `tcp-echo | head -1` serves on.
fn print_all(entries: &Receiver<Entry>, counter: &AtomicU64, mut output: impl Write) {
    let mut print = |line: &str| {
        let printed = output.write_all(format!("{line}\n").as_bytes());
        let _ = printed.and_then(|()| output.flush());
    };
    let note = |dropped| format!("({} dropped: nobody read them)", plural(dropped, "line"));
    for Entry(dropped, line, _printed) in entries {
        if dropped > 0 {
            print(&note(dropped));
        }
        line.iter().for_each(|line| print(line));
        if entries.is_empty() && counter.load(Ordering::Relaxed) > 0 {
            print(&note(counter.swap(0, Ordering::Relaxed)));
        }
    }
}

#[cfg(test)]
mod tests;
