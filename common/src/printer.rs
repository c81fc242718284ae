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

/// The queue of lines for stdout or stderr, and how many did not fit. Its drop ends the thread.
pub struct Printer(Sender<Entry>, Arc<AtomicU64>);

enum Entry {
    Line(String),
    /// Everything before it is printed once this sender is dropped.
    Flush(Sender<()>),
}

impl Printer {
    /// A printer for this stream.
    ///
    /// # Errors
    ///
    /// Returns an error if its thread cannot be started.
    pub fn new(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, entries) = bounded(QUEUE_LEN);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        spawn(move || print_all(&entries, &counter, output))?;
        Ok(Printer(queue, dropped))
    }

    /// Prints a line as soon as somebody reads; drops it if the queue is full.
    pub fn print(&self, line: String) {
        if self.0.try_send(Entry::Line(line)).is_err() {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Prints the last line, for which a full queue is waited for, and waits until everything is
    /// printed, `limit` at most.
    pub fn finish(&self, last_line: Option<String>, limit: Duration) {
        let deadline = Instant::now() + limit;
        let (sender, flushed) = bounded(0);
        if let Some(line) = last_line {
            let _ = self.0.send_deadline(Entry::Line(line), deadline);
        }
        if self.0.send_deadline(Entry::Flush(sender), deadline).is_ok() {
            let _ = flushed.recv_deadline(deadline); // disconnected: everything is printed
        }
    }
}

/// Prints what arrives until the printer is dropped. A closed stream ends nothing: `tcp-echo | head
/// -1` goes on serving.
fn print_all(entries: &Receiver<Entry>, dropped: &AtomicU64, mut output: impl Write) {
    let mut print = |line: &str| {
        let printed = output.write_all(format!("{line}\n").as_bytes());
        let _ = printed.and_then(|()| output.flush());
    };
    for entry in entries {
        match &entry {
            Entry::Line(line) => print(line),
            Entry::Flush(_flushed) => {} // it is dropped at the end of this turn
        }
        if entries.is_empty() {
            match dropped.swap(0, Ordering::Relaxed) {
                0 => {}
                lines => print(&format!(
                    "({} dropped: nobody read them)",
                    plural(lines, "line")
                )),
            }
        }
    }
}

#[cfg(test)]
mod tests;
