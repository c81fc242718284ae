//! Prints lines on a separate thread, so that other threads never wait for a terminal.
//!
//! A terminal can stop reading for hours: Ctrl-S, a paused `less`, or, on Windows, a selection. A
//! thread that printed directly would then wait, and so would its client. So lines go through a
//! bounded queue, which drops lines that do not fit.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::spawn;
use crate::words::plural;

/// Maximum number of lines in the queue.
const QUEUE_LEN: usize = 4_096;

/// A queue of lines, and the number of lines that did not fit. The last drop ends the thread.
#[derive(Clone)]
pub struct Printer(Sender<Entry>, Arc<AtomicU64>);

/// The number of lines dropped before this one, the line, and a sender that is dropped after it.
struct Entry(u64, Option<String>, Option<Sender<()>>);

impl Printer {
    /// Starts a thread for this stream. Returns an error if the system is out of threads.
    pub fn new(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, entries) = bounded(QUEUE_LEN);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        spawn(move || print_all(&entries, &counter, output))?;
        Ok(Printer(queue, dropped))
    }

    /// Queues a line for printing, or drops it if the queue is full.
    pub fn print(&self, line: String) {
        let dropped = self.1.swap(0, Ordering::Relaxed);
        if self.0.try_send(Entry(dropped, Some(line), None)).is_err() {
            self.1.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }

    /// Prints a last line, even if the queue is full, and waits up to `limit` for all lines.
    pub fn finish(&self, last_line: Option<String>, limit: Duration) {
        let deadline = Instant::now() + limit;
        let (sender, printed) = bounded(0);
        let dropped = self.1.swap(0, Ordering::Relaxed);
        let entry = Entry(dropped, last_line, Some(sender));
        if self.0.send_deadline(entry, deadline).is_ok() {
            let _ = printed.recv_deadline(deadline); // disconnects when everything is printed
        }
    }
}

/// Prints until the printer is dropped. Ignores a closed stream, as in `tcp-echo | head -1`.
fn print_all(entries: &Receiver<Entry>, counter: &AtomicU64, mut output: impl Write) {
    for Entry(dropped, line, _printed) in entries {
        let mut lines = vec![note(dropped), line];
        if entries.is_empty() {
            // No later entry carries the number of lines that were dropped after this one.
            lines.push(note(counter.swap(0, Ordering::Relaxed)));
        }
        for line in lines.into_iter().flatten() {
            let printed = output.write_all(format!("{line}\n").as_bytes());
            let _ = printed.and_then(|()| output.flush());
        }
    }
}

/// Returns the line about dropped lines, or `None` if there are none.
fn note(dropped: u64) -> Option<String> {
    let lines = plural(dropped, "line");
    (dropped > 0).then(|| format!("({lines} dropped: the output was not read)"))
}
