//! Framing: where does a message end?
//!
//! TCP carries a stream of bytes and keeps no boundaries: what one side wrote in three pieces, the other may read in one,
//! or in seven, with a cut in the middle of a character. [`Messages`] puts messages together again, in one of three ways:
//!
//! | [`Framing`] | a message is |
//! |---|---|
//! | `Chunk` | whatever has arrived, cut at a whole character |
//! | `Line`  | everything up to `\n`; the last line may end with the stream |
//! | `Raw`   | whatever has arrived, whatever it is |
//!
//! Here `안녕` (two syllables, three bytes each) arrives cut in its middle, and comes out whole:
//!
//! ```
//! use common::framing::{Framing, Messages};
//! use std::io::Read;
//!
//! let stream = b"\xec\x95".chain(&b"\x88\xeb\x85\x95"[..]); // each part is one read
//! let mut messages = Messages::new(stream, Framing::Chunk);
//!
//! assert_eq!(messages.read()?, 2);
//! assert_eq!(messages.next(), None); // two bytes of three: not a character yet
//! assert_eq!(messages.read()?, 4);
//! assert_eq!(messages.next(), Some(Ok("안녕".as_bytes())));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The loop around it is always the same: one [`read`](Messages::read), then [`next`](Messages::next) until it says `None`.
//! After a read of 0 bytes, which is the end of the stream, `next` gives out what is left over.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::str::FromStr;

/// The longest line, in bytes, its line ending not counted. Without a limit one client could fill the memory.
pub const MAX_LINE: usize = 65_536;

/// How many bytes one read takes at most.
const READ_SIZE: usize = 65_536;

/// Where a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// Whatever has arrived, cut at a whole character.
    #[default]
    Chunk,
    /// Everything up to `\n` or `\r\n`.
    Line,
    /// Whatever has arrived: bytes, not text.
    Raw,
}

impl Framing {
    /// Whether messages can follow this error: a bad line ends at its line ending, but a bad byte in a stream without
    /// lines leaves nothing to go on from.
    pub fn goes_on_after(self, error: FramingError) -> bool {
        self == Framing::Line && error != FramingError::LineTooLong
    }
}

impl FromStr for Framing {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "chunk" => Ok(Framing::Chunk),
            "line" => Ok(Framing::Line),
            "raw" => Ok(Framing::Raw),
            _ => Err("there are chunk, line and raw".to_owned()),
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Framing::Chunk => "chunk",
            Framing::Line => "line",
            Framing::Raw => "raw",
        })
    }
}

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramingError {
    /// `byte` does not begin or continue a character (RFC 3629), or begins one that the end of the stream cuts.
    NotUtf8 {
        /// The first byte that is in no character.
        byte: u8,
        /// Where it stands, counted from 0: in its line or datagram, or in [`Framing::Chunk`] in the whole stream.
        offset: u64,
    },
    /// More than [`MAX_LINE`] bytes, and no end of the line.
    LineTooLong,
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FramingError::NotUtf8 { byte, offset } => write!(f, "not UTF-8: byte 0x{byte:02X} at offset {offset}"),
            FramingError::LineTooLong => write!(f, "line longer than {MAX_LINE} bytes"),
        }
    }
}

impl std::error::Error for FramingError {}

/// Checks that `bytes` are UTF-8 from their first to their last.
///
/// # Errors
///
/// [`FramingError::NotUtf8`], naming the first byte that is not.
// ANCHOR: utf8
pub fn check_utf8(bytes: &[u8]) -> Result<(), FramingError> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(not_utf8(bytes, error.valid_up_to(), 0)),
    }
}
// ANCHOR_END: utf8

fn not_utf8(bytes: &[u8], at: usize, before: u64) -> FramingError {
    FramingError::NotUtf8 { byte: bytes[at], offset: before + at as u64 }
}

/// The messages of a stream of bytes.
///
/// Memory is bounded whatever arrives: one read, and one line. It is also only as much as has arrived: a stream on which
/// nothing comes costs address space, but next to no memory.
pub struct Messages<R> {
    source: BufReader<R>,
    framing: Framing,
    /// The beginning of a message whose rest has not arrived yet.
    partial: Vec<u8>,
    /// How much of `partial`, or else of what `source` holds, the last `next` gave out and the next one has to drop.
    given: usize,
    /// How many bytes of the stream have been given out: `Chunk` counts its offsets from there.
    offset: u64,
    ended: bool,
    /// An error has left nothing to go on from.
    failed: bool,
}

impl<R: Read> Messages<R> {
    /// The messages that will come out of `source`.
    pub fn new(source: R, framing: Framing) -> Self {
        let source = BufReader::with_capacity(READ_SIZE, source);
        Messages { source, framing, partial: Vec::new(), given: 0, offset: 0, ended: false, failed: false }
    }

    /// Reads once, waiting until something has arrived: how many bytes, 0 at the end of the stream.
    ///
    /// To be called when [`next`](Self::next) has said `None`: what it has not given out by then would otherwise be
    /// counted again.
    ///
    /// # Errors
    ///
    /// Those of the source, but not [`io::ErrorKind::Interrupted`]: then it reads again.
    pub fn read(&mut self) -> io::Result<usize> {
        loop {
            match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(arrived) => {
                    self.ended = arrived.is_empty();
                    return Ok(arrived.len());
                }
            }
        }
    }

    /// What the last [`read`](Self::read) brought, for a trace.
    pub fn arrived(&self) -> &[u8] {
        self.source.buffer()
    }

    /// The next message that is complete, with its line ending if it has one; `None` if more has to be read first.
    ///
    /// A line that is not UTF-8 is that line's error alone: the next call goes on behind it. After any other error the
    /// stream has no more messages, since nobody can say where the next one begins.
    #[expect(clippy::should_implement_trait, reason = "what it gives out lives in self, which Iterator cannot say")]
    pub fn next(&mut self) -> Option<Result<&[u8], FramingError>> {
        self.drop_given();
        if self.failed {
            self.source.consume(self.source.buffer().len());
            return None;
        }
        let found = match self.framing {
            Framing::Chunk => self.find_chunk(),
            Framing::Line => self.find_line(),
            Framing::Raw => Ok(self.held().len()),
        };
        self.failed = found.is_err();
        self.given = found.unwrap_or(self.held().len());
        let message = &self.held()[..self.given];
        match found {
            Err(error) => Some(Err(error)),
            Ok(0) => None,
            Ok(_) if self.framing == Framing::Line => Some(check_utf8(message).map(|()| message)),
            Ok(_) => Some(Ok(message)),
        }
    }

    /// What `given` counts in: the partial message, once there is one, else what the last read brought.
    fn held(&self) -> &[u8] {
        if self.partial.is_empty() { self.source.buffer() } else { &self.partial }
    }

    fn drop_given(&mut self) {
        if self.partial.is_empty() {
            self.source.consume(self.given);
        } else {
            self.partial.drain(..self.given);
        }
        self.offset += self.given as u64;
        self.given = 0;
    }

    /// Moves what has arrived behind the partial message, to wait there for its rest.
    fn keep(&mut self, length: usize) {
        self.partial.extend_from_slice(&self.source.buffer()[..length]);
        self.source.consume(length);
    }

    /// How long the text is that can be given out: all that has arrived, less a character cut at its end.
    // ANCHOR: chunk
    fn find_chunk(&mut self) -> Result<usize, FramingError> {
        if !self.partial.is_empty() {
            self.keep(self.source.buffer().len());
        }
        let held = self.held();
        let Err(error) = std::str::from_utf8(held) else {
            return Ok(held.len());
        };
        let cut_at_end = error.error_len().is_none() && !self.ended;
        match error.valid_up_to() {
            0 if cut_at_end => {
                self.keep(self.source.buffer().len());
                Ok(0)
            }
            0 => Err(not_utf8(held, 0, self.offset)),
            whole => Ok(whole),
        }
    }
    // ANCHOR_END: chunk

    /// How long the next line is, its ending included.
    // ANCHOR: line
    fn find_line(&mut self) -> Result<usize, FramingError> {
        let arrived = self.source.buffer();
        let end = line_end(arrived);
        let length = end.unwrap_or(arrived.len());
        if end.is_none() || !self.partial.is_empty() {
            self.keep(length);
        }
        let line = &self.held()[..length.max(self.partial.len())];
        if self.is_too_long(line) {
            Err(FramingError::LineTooLong)
        } else if end.is_some() || self.ended {
            Ok(line.len())
        } else {
            Ok(0)
        }
    }
    // ANCHOR_END: line

    fn is_too_long(&self, line: &[u8]) -> bool {
        let text = match line {
            [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => text,
            [text @ .., b'\r'] if !self.ended => text, // the `\n` may be on its way
            text => text,
        };
        text.len() > MAX_LINE
    }
}

/// How long the first line is, its `\n` included. `skip_until` looks for it with the C library's `memchr`, many bytes at
/// a time, where `position` would look at them one by one.
fn line_end(mut bytes: &[u8]) -> Option<usize> {
    let all = bytes;
    let length = bytes.skip_until(b'\n').ok()?;
    (all[..length].last() == Some(&b'\n')).then_some(length)
}

#[cfg(test)]
mod tests;
