//! Framing: where a message ends in a stream of bytes.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::ops::Range;

/// Maximum length of a line in bytes, without its line ending.
pub const MAX_LINE_LEN: usize = 65_536;

/// Lengths of the buffer. It starts small, because idle clients should use little memory. It
/// doubles when a read fills it. The maximum is more than the longest line needs.
const MIN_BUFFER_LEN: usize = 4_096;
const MAX_BUFFER_LEN: usize = MAX_LINE_LEN + 8_192;

/// Where a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Framing {
    /// A message is what has arrived, up to the last whole character.
    Chunk,
    /// A message is everything up to `\n`, or the rest at the end of the stream.
    Line,
    /// A message is what has arrived, even if it is not UTF-8.
    Raw,
}

/// Reason why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramingError {
    /// The byte at this offset does not belong to any character (RFC 3629).
    InvalidUtf8 {
        /// The byte.
        byte: u8,
        /// Counted from 0 in the line or datagram, or with [`Framing::Chunk`] in the whole stream.
        offset: u64,
    },
    /// The line has more than [`MAX_LINE_LEN`] bytes.
    LineTooLong,
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FramingError::InvalidUtf8 { byte, offset } => {
                write!(f, "not UTF-8: byte 0x{byte:02X} at offset {offset}")
            }
            FramingError::LineTooLong => write!(f, "line longer than {MAX_LINE_LEN} bytes"),
        }
    }
}

/// Checks that `bytes` is valid UTF-8.
///
/// # Errors
///
/// Returns [`FramingError::InvalidUtf8`] for the first invalid byte.
///
/// ```
/// use common::framing::{FramingError, check_utf8};
///
/// assert_eq!(check_utf8("안녕".as_bytes()), Ok(()));
/// let error = FramingError::InvalidUtf8 { byte: 0xFF, offset: 3 };
/// assert_eq!(check_utf8(b"\xec\x95\x88\xff"), Err(error));
/// ```
pub fn check_utf8(bytes: &[u8]) -> Result<(), FramingError> {
    std::str::from_utf8(bytes).map(drop).map_err(|error| {
        let valid = error.valid_up_to();
        let (byte, offset) = (bytes[valid], valid as u64);
        FramingError::InvalidUtf8 { byte, offset }
    })
}

/// Splits a stream of bytes into messages, with a buffer of bounded length.
///
/// ```
/// use common::framing::{Framing, MessageReader};
///
/// let mut messages = MessageReader::new(Framing::Line);
/// let mut stream = "안녕\n하세".as_bytes();
/// messages.fill(&mut stream)?;
/// assert_eq!(messages.next_message(), Some(Ok("안녕\n".as_bytes())));
/// assert_eq!(messages.next_message(), None); // the rest of the line has not arrived
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct MessageReader {
    framing: Framing,
    buffer: Vec<u8>,
    /// The part of `buffer` that has arrived and is not yet part of a returned message.
    pending: Range<usize>,
    /// Length of the part of `pending` without `\n`, so that each byte is searched only once.
    searched: usize,
    /// Number of bytes of the stream before `pending`.
    offset: u64,
    at_eof: bool,
}

impl MessageReader {
    /// Creates a reader with an empty buffer.
    pub fn new(framing: Framing) -> Self {
        MessageReader {
            framing,
            buffer: vec![0; MIN_BUFFER_LEN],
            pending: 0..0,
            searched: 0,
            offset: 0,
            at_eof: false,
        }
    }

    /// Reads once, and returns the number of bytes, or 0 at the end of the stream.
    ///
    /// # Errors
    ///
    /// Returns an error if reading from `source` fails.
    pub fn fill(&mut self, source: &mut impl Read) -> io::Result<usize> {
        if self.pending.end == self.buffer.len() {
            let len = MAX_BUFFER_LEN.min(2 * self.buffer.len());
            self.buffer.resize(len, 0);
        }
        if self.pending.start > 0 {
            self.buffer.copy_within(self.pending.clone(), 0);
            self.pending = 0..self.pending.len();
        }
        let received = source.read(&mut self.buffer[self.pending.end..])?;
        self.pending.end += received;
        self.at_eof = received == 0;
        Ok(received)
    }

    /// Returns the next complete message with its line ending, or `None` if it has not arrived.
    pub fn next_message(&mut self) -> Option<Result<&[u8], FramingError>> {
        let len = match self.framing {
            Framing::Raw => Ok(self.pending.len()),
            Framing::Chunk => self.chunk_len(),
            Framing::Line => self.line_len(),
        };
        let message = match len {
            Ok(0) => return None,
            Ok(len) => &self.buffer[self.pending.start..self.pending.start + len],
            Err(error) => return Some(Err(error)),
        };
        self.pending.start += message.len();
        self.offset += message.len() as u64;
        match self.framing {
            Framing::Line => Some(check_utf8(message).map(|()| message)),
            Framing::Chunk | Framing::Raw => Some(Ok(message)), // `chunk_len` has checked it
        }
    }

    /// Returns the length of the text without an incomplete character at its end.
    fn chunk_len(&self) -> Result<usize, FramingError> {
        let pending = &self.buffer[self.pending.clone()];
        let Err(error) = std::str::from_utf8(pending) else {
            return Ok(pending.len());
        };
        let is_cut = error.error_len().is_none() && !self.at_eof;
        if is_cut || error.valid_up_to() > 0 {
            return Ok(error.valid_up_to());
        }
        let (byte, offset) = (pending[0], self.offset);
        Err(FramingError::InvalidUtf8 { byte, offset })
    }

    /// Returns the length of the line with its ending, or 0 if its end has not arrived.
    fn line_len(&mut self) -> Result<usize, FramingError> {
        let pending = &self.buffer[self.pending.clone()];
        let line_end = find_newline(&pending[self.searched..]).map(|end| self.searched + end);
        let line = &pending[..line_end.unwrap_or(pending.len())];
        let text = match line {
            [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => text,
            [text @ .., b'\r'] if !self.at_eof => text, // the `\n` may still arrive
            text => text,
        };
        if text.len() > MAX_LINE_LEN {
            return Err(FramingError::LineTooLong);
        }
        let is_complete = line_end.is_some() || self.at_eof;
        self.searched = if is_complete { 0 } else { line.len() };
        Ok(if is_complete { line.len() } else { 0 })
    }
}

/// Returns the length of the beginning of `bytes` up to and including the first `\n`.
fn find_newline(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let len = rest.skip_until(b'\n').ok()?; // the only way to call std's memchr
    bytes[..len].ends_with(b"\n").then_some(len)
}

#[cfg(test)]
mod tests;
