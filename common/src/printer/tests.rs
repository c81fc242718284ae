use std::sync::mpsc;
use std::thread;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// A terminal that shows one write whenever the other end of the channel takes it.
struct Terminal(mpsc::SyncSender<String>);

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8(bytes.to_vec()).unwrap();
        self.0.send(line).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn printer() -> (Printer, mpsc::Receiver<String>) {
    let (terminal, lines) = mpsc::sync_channel(0);
    (Printer::new(Terminal(terminal)).unwrap(), lines)
}

#[test]
fn lines_keep_their_order_and_last_is_printed() {
    let (printer, lines) = printer();
    let reader = thread::spawn(move || lines.iter().collect::<String>());
    (0..1000).for_each(|number| printer.print(number.to_string()));
    printer.finish(Some("last".to_owned()), LIMIT);
    drop(printer);
    let expected: String = (0..1000).map(|number| format!("{number}\n")).collect();
    assert_eq!(reader.join().unwrap(), expected + "last\n");
}

#[test]
fn unread_lines_are_dropped_and_counted() {
    let (printer, lines) = printer();
    let all = 3 * QUEUE_LEN;
    (0..all).for_each(|number| printer.print(number.to_string())); // it does not wait
    let reader = thread::spawn(move || lines.iter().collect::<Vec<_>>());
    printer.finish(Some("last".to_owned()), LIMIT);
    drop(printer);
    let lines = reader.join().unwrap();
    let (notes, printed): (Vec<_>, Vec<_>) =
        lines.iter().partition(|line| line.contains("dropped"));
    let dropped = all + 1 - printed.len();
    let notes: String = notes.into_iter().map(String::as_str).collect();
    let counts = notes
        .split(['(', ' '])
        .filter_map(|word| word.parse::<usize>().ok());
    assert_eq!(counts.sum::<usize>(), dropped, "{notes}");
    assert_eq!(printed[printed.len() - 1], "last\n");
}

#[test]
fn finish_does_not_wait_longer_than_its_limit() {
    let (printer, _unread) = printer();
    (0..2 * QUEUE_LEN).for_each(|number| printer.print(number.to_string()));
    printer.finish(Some("last".to_owned()), Duration::from_millis(1));
}

#[test]
fn closed_stream_ends_nothing() {
    let (printer, closed) = printer();
    drop(closed);
    (0..3).for_each(|number| printer.print(number.to_string()));
    printer.finish(None, LIMIT);
}
