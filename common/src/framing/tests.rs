use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A stream that arrives in these pieces, one per read.
struct Pieces(VecDeque<io::Result<Vec<u8>>>);

impl Pieces {
    /// Cuts `bytes` into pieces of these lengths, again and again.
    fn cut(mut bytes: &[u8], lens: &[usize]) -> Self {
        let (mut pieces, mut lens) = (VecDeque::new(), lens.iter().cycle());
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(*lens.next().unwrap()));
            pieces.push_back(Ok(piece.to_vec()));
            bytes = rest;
        }
        Pieces(pieces)
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.0.pop_front() else {
            return Ok(0);
        };
        let mut piece = piece?;
        let rest = piece.split_off(piece.len().min(buffer.len()));
        if !rest.is_empty() {
            self.0.push_front(Ok(rest));
        }
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

type Message = Result<Vec<u8>, FramingError>;

/// Returns all messages, up to the end of the stream or an error that ends it, and how many each
/// read has brought.
fn messages(mut pieces: Pieces, framing: Framing) -> (Vec<Message>, Vec<usize>) {
    let mut reader = MessageReader::new(framing);
    let (mut all, mut counts) = (Vec::new(), Vec::new());
    loop {
        let received = match reader.fill(&mut pieces) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            result => result.unwrap(),
        };
        let before = all.len();
        while let Some(message) = reader.next_message() {
            all.push(message.map(<[u8]>::to_vec));
            let is_fatal = |error| framing != Framing::Line || error == FramingError::LineTooLong;
            if matches!(all.last(), Some(Err(error)) if is_fatal(*error)) {
                return (all, counts);
            }
        }
        counts.push(all.len() - before);
        assert!(reader.buffer.capacity() <= 2 * MAX_BUFFER_LEN);
        if received == 0 {
            return (all, counts);
        }
    }
}

fn ok(text: &str) -> Message {
    Ok(text.as_bytes().to_vec())
}

#[test]
fn endless_line_is_an_error_in_bounded_memory() {
    let pieces = Pieces::cut(&vec![b'x'; 4 << 20], &[1000]);
    assert_eq!(
        messages(pieces, Framing::Line).0,
        [Err(FramingError::LineTooLong)]
    );
}

/// Bytes that are nearly text: what breaks a reader is rarely noise.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => "[a안é😀\r\n]{1,4}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 1..4),
        1 => "[안😀]".prop_map(|text| text.as_bytes()[..text.len() - 1].to_vec()),
    ];
    vec(part, 0..20).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn pieces_of_text_are_one_chunk_per_read(
        text in any::<String>(),
        cuts in vec(1_usize..9, 1..9),
    ) {
        let (chunks, counts) = messages(Pieces::cut(text.as_bytes(), &cuts), Framing::Chunk);
        let chunks: Vec<_> = chunks.into_iter().map(|chunk| String::from_utf8(chunk.unwrap()).unwrap()).collect();
        prop_assert_eq!(chunks.concat(), text);
        prop_assert!(counts.iter().all(|count| *count <= 1), "{:?}", counts);
    }

    #[test]
    fn pieces_give_what_the_whole_gives(
        bytes in any_bytes(),
        cuts in vec(1_usize..9, 1..9),
        failures in vec(0_usize..30, 0..5),
    ) {
        let pieces = || {
            let mut pieces = Pieces::cut(&bytes, &cuts);
            for place in &failures {
                let error = io::ErrorKind::WouldBlock.into(); // a read that fails loses nothing
                pieces.0.insert(*place.min(&pieces.0.len()), Err(error));
            }
            pieces
        };
        let (chunks, _) = messages(pieces(), Framing::Chunk);
        let valid: Vec<u8> = chunks.iter().flatten().flatten().copied().collect();
        let expected = check_utf8(&bytes);
        let valid_len = expected.map_or_else(|error| match error {
            FramingError::InvalidUtf8 { offset, .. } => offset as usize,
            FramingError::LineTooLong => unreachable!(),
        }, |()| bytes.len());
        prop_assert_eq!(&valid, &bytes[..valid_len]);
        prop_assert_eq!(chunks.last().and_then(|last| last.clone().err()), expected.err());
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let lines: Vec<Message> = lines.map(|line| check_utf8(line).map(|()| line.to_vec())).collect();
        prop_assert_eq!(messages(pieces(), Framing::Line).0, lines);
        let raw = messages(pieces(), Framing::Raw).0;
        prop_assert_eq!(raw.into_iter().flat_map(Result::unwrap).collect::<Vec<_>>(), bytes);
    }

    #[test]
    fn longest_line_has_65536_bytes_in_any_pieces(
        len in MAX_LINE_LEN - 2..MAX_LINE_LEN + 4,
        ending in prop_oneof![Just(""), Just("\n"), Just("\r\n"), Just("\r"), Just("\rx\n")],
        cuts in vec(prop_oneof![1_usize..4000, 65_530_usize..65_545], 1..4),
    ) {
        let text = "x".repeat(len) + ending;
        let line = text.strip_suffix("\r\n").or(text.strip_suffix('\n')).unwrap_or(&text);
        let is_too_long = line.len() > MAX_LINE_LEN;
        let expected = if is_too_long { Err(FramingError::LineTooLong) } else { ok(&text) };
        prop_assert_eq!(messages(Pieces::cut(text.as_bytes(), &cuts), Framing::Line).0, [expected]);
    }
}
