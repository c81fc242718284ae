use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A stream that arrives in these pieces, one a read.
struct Pieces(VecDeque<io::Result<Vec<u8>>>);

impl Pieces {
    fn of(pieces: &[&[u8]]) -> Self {
        Pieces(pieces.iter().map(|piece| Ok(piece.to_vec())).collect())
    }

    /// Cuts `bytes` after so many bytes, again and again.
    fn cut(bytes: &[u8], lengths: &[usize]) -> Self {
        let (mut pieces, mut rest, mut lengths) = (VecDeque::new(), bytes, lengths.iter().cycle());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(*lengths.next().unwrap_or(&1)));
            pieces.push_back(Ok(piece.to_vec()));
            rest = behind;
        }
        Pieces(pieces)
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.0.pop_front() else { return Ok(0) };
        let mut piece = piece?;
        let behind = piece.split_off(piece.len().min(buffer.len()));
        if !behind.is_empty() {
            self.0.push_front(Ok(behind));
        }
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

type Message = Result<Vec<u8>, FramingError>;

/// All messages, up to the end of the stream or an error that ends it; and how many came out of each read.
fn messages(pieces: Pieces, framing: Framing) -> (Vec<Message>, Vec<usize>) {
    let mut reader = Messages::new(pieces, framing);
    let (mut all, mut counts) = (Vec::new(), Vec::new());
    loop {
        let arrived = reader.read().unwrap();
        let before = all.len();
        while let Some(message) = reader.next() {
            all.push(message.map(<[u8]>::to_vec));
            if matches!(all.last(), Some(Err(error)) if !framing.goes_on_after(*error)) {
                return (all, counts);
            }
        }
        counts.push(all.len() - before);
        let held = reader.partial.capacity() + reader.source.capacity();
        assert!(held <= 4 * MAX_LINE, "{held} bytes are held");
        if arrived == 0 {
            return (all, counts);
        }
    }
}

fn ok(text: &str) -> Message {
    Ok(text.as_bytes().to_vec())
}

fn not_utf8(byte: u8, offset: u64) -> Message {
    Err(FramingError::NotUtf8 { byte, offset })
}

#[test]
fn a_character_cut_by_a_read_waits_for_its_rest() {
    for text in ["é", "안", "😀"] {
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(messages(Pieces::of(&bytes), Framing::Chunk).0, [ok(text)]);
    }
    let cut = Pieces::of(&[b"a\xec\x95", b"\x88b"]);
    assert_eq!(messages(cut, Framing::Chunk).0, [ok("a"), ok("안b")]);
}

#[test]
fn a_chunk_names_the_bad_byte_and_its_place_in_the_whole_stream() {
    for (bytes, byte) in [
        (&b"\xff"[..], 0xff),        // in no encoding of any character
        (b"\x80", 0x80),             // continues nothing
        (b"\xc0\xaf", 0xc0),         // `/`, overlong
        (b"\xe0\x80\xaf", 0xe0),     // `/`, longer still
        (b"\xed\xa0\x80", 0xed),     // a surrogate, U+D800
        (b"\xf4\x90\x80\x80", 0xf4), // above U+10FFFF
        (b"\xec\x95x", 0xec),        // cut in the middle
    ] {
        let (all, _) = messages(Pieces::of(&["안녕".as_bytes(), b"ab", bytes]), Framing::Chunk);
        assert_eq!(all, [ok("안녕"), ok("ab"), not_utf8(byte, 8)], "{bytes:x?}");
    }
}

#[test]
fn the_end_of_the_stream_in_half_a_character_is_an_error() {
    let cut = || Pieces::of(&[b"ab\xec", b"\x95"]);
    assert_eq!(messages(cut(), Framing::Chunk).0, [ok("ab"), not_utf8(0xec, 2)]);
    assert_eq!(messages(cut(), Framing::Line).0, [not_utf8(0xec, 2)]);
    assert_eq!(messages(cut(), Framing::Raw).0, [Ok(b"ab\xec".to_vec()), Ok(b"\x95".to_vec())]);
}

#[test]
fn a_line_keeps_its_own_ending_and_the_last_may_have_none() {
    let (all, _) = messages(Pieces::of(&[b"a\r\n\nb\n", b"c\rd\r", b"\nlast"]), Framing::Line);
    assert_eq!(all, [ok("a\r\n"), ok("\n"), ok("b\n"), ok("c\rd\r\n"), ok("last")]);
}

#[test]
fn a_bad_line_costs_no_other_line() {
    let (all, _) = messages(Pieces::of(&[b"one\ntw\xffo\nthr", b"ee\n\xed\xa0\x80"]), Framing::Line);
    assert_eq!(all, [ok("one\n"), not_utf8(0xff, 2), ok("three\n"), not_utf8(0xed, 0)]);
}

#[test]
fn nul_bom_and_combining_characters_come_out_as_they_went_in() {
    let odd = "\u{feff}a\0b\re\u{301}\u{1112}\u{1161}\u{11ab}\n";
    for framing in [Framing::Chunk, Framing::Line, Framing::Raw] {
        assert_eq!(messages(Pieces::of(&[odd.as_bytes()]), framing).0, [ok(odd)]);
    }
}

#[test]
fn a_read_that_was_interrupted_is_tried_again_and_another_error_loses_nothing() {
    let pieces = [
        Ok(b"ab".to_vec()),
        Err(io::ErrorKind::Interrupted.into()),
        Err(io::ErrorKind::TimedOut.into()),
        Ok(b"c\n".to_vec()),
    ];
    let mut reader = Messages::new(Pieces(pieces.into()), Framing::Line);
    assert_eq!(reader.read().unwrap(), 2);
    assert_eq!(reader.next(), None);
    assert_eq!(reader.read().unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(reader.next(), None);
    assert_eq!(reader.read().unwrap(), 2);
    assert_eq!(reader.next(), Some(Ok(&b"abc\n"[..])));
}

#[test]
fn after_an_error_that_ends_the_stream_nothing_more_comes_out() {
    let mut reader = Messages::new(&b"a\xffb"[..], Framing::Chunk);
    assert_eq!(reader.read().unwrap(), 3);
    assert_eq!(reader.next(), Some(Ok(&b"a"[..])));
    assert!(matches!(reader.next(), Some(Err(FramingError::NotUtf8 { byte: 0xff, offset: 1 }))));
    assert_eq!(reader.next(), None);
}

#[test]
fn an_endless_line_is_an_error_and_not_a_matter_of_memory() {
    let (all, _) = messages(Pieces::cut(&vec![b'x'; 4 << 20], &[1000]), Framing::Line);
    assert_eq!(all, [Err(FramingError::LineTooLong)]);
}

proptest! {
    #[test]
    fn any_text_in_any_pieces_comes_out_as_it_went_in(text in any::<String>(), cuts in vec(1_usize..9, 1..9)) {
        let (chunks, counts) = messages(Pieces::cut(text.as_bytes(), &cuts), Framing::Chunk);
        let joined: Vec<u8> = chunks.into_iter().flat_map(|chunk| {
            let chunk = chunk.unwrap();
            assert!(std::str::from_utf8(&chunk).is_ok(), "a character was cut: {chunk:x?}");
            chunk
        }).collect();
        prop_assert_eq!(joined, text.as_bytes());
        prop_assert!(counts.iter().all(|count| *count <= 1), "a read came out in several chunks: {:?}", counts);
    }

    #[test]
    fn any_lines_in_any_pieces_come_out_one_by_one(lines in vec("[^\n]{0,20}\r?\n?", 0..20), cuts in vec(1_usize..30, 1..9)) {
        let text = lines.concat();
        let expected: Vec<Message> = text.split_inclusive('\n').map(ok).collect();
        prop_assert_eq!(messages(Pieces::cut(text.as_bytes(), &cuts), Framing::Line).0, expected);
    }

    #[test]
    fn any_bytes_in_any_pieces_give_what_they_would_give_whole(bytes in any_bytes(), cuts in vec(1_usize..9, 1..9)) {
        let (chunks, _) = messages(Pieces::cut(&bytes, &cuts), Framing::Chunk);
        let good: Vec<u8> = chunks.iter().flatten().flatten().copied().collect();
        match std::str::from_utf8(&bytes) {
            Ok(_) => prop_assert_eq!(&good, &bytes),
            Err(error) => {
                let at = error.valid_up_to();
                prop_assert_eq!(&good, &bytes[..at]);
                let expected = not_utf8(bytes[at], at as u64);
                prop_assert_eq!(chunks.last(), Some(&expected));
            }
        }
        let expected: Vec<Message> = bytes.split_inclusive(|byte| *byte == b'\n').map(|line| {
            std::str::from_utf8(line).map(|_| line.to_vec()).map_err(|error| {
                let at = error.valid_up_to();
                FramingError::NotUtf8 { byte: line[at], offset: at as u64 }
            })
        }).collect();
        prop_assert_eq!(messages(Pieces::cut(&bytes, &cuts), Framing::Line).0, expected);
        let (raw, _) = messages(Pieces::cut(&bytes, &cuts), Framing::Raw);
        prop_assert_eq!(raw.into_iter().flat_map(Result::unwrap).collect::<Vec<_>>(), bytes);
    }

    #[test]
    fn the_longest_line_is_65536_bytes_however_it_arrives(
        length in MAX_LINE - 2..MAX_LINE + 4,
        ending in prop_oneof![Just(""), Just("\n"), Just("\r\n")],
        cuts in vec(prop_oneof![1_usize..4000, 65_530_usize..65_545], 1..4),
    ) {
        let text = "x".repeat(length) + ending;
        let expected = if length > MAX_LINE { Err(FramingError::LineTooLong) } else { ok(&text) };
        prop_assert_eq!(messages(Pieces::cut(text.as_bytes(), &cuts), Framing::Line).0, [expected]);
    }
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

#[test]
fn after_a_line_that_is_too_long_nothing_more_comes_out() {
    let text = "x".repeat(MAX_LINE + 1) + "\nnext\n";
    let mut reader = Messages::new(text.as_bytes(), Framing::Line);
    let mut all = Vec::new();
    while reader.read().unwrap() > 0 {
        while let Some(message) = reader.next() {
            all.push(message.map(<[u8]>::to_vec));
        }
    }
    assert_eq!(all, [Err(FramingError::LineTooLong)]);
}

#[test]
fn a_line_names_the_bad_byte_and_its_place_in_the_line() {
    for (bytes, byte) in [
        (&b"\xff"[..], 0xff),
        (b"\x80", 0x80),
        (b"\xc0\xaf", 0xc0),
        (b"\xc1\xbf", 0xc1), // DEL, overlong
        (b"\xe0\x80\xaf", 0xe0),
        (b"\xf0\x80\x80\xaf", 0xf0), // `/`, longest
        (b"\xed\xa0\x80", 0xed),     // U+D800, the first surrogate
        (b"\xed\xbf\xbf", 0xed),     // U+DFFF, the last
        (b"\xf4\x90\x80\x80", 0xf4), // U+110000, the first that is too large
        (b"\xf5\x80\x80\x80", 0xf5),
        (b"\xec\x95", 0xec), // cut by the end of the line
    ] {
        let line = [b"\xec\x95\x88x", bytes, b"\n"].concat();
        let whole = [b"before\n", &line[..], b"after\n"].concat();
        for cut in 1..whole.len() {
            let (all, _) = messages(Pieces::of(&[&whole[..cut], &whole[cut..]]), Framing::Line);
            assert_eq!(all, [ok("before\n"), not_utf8(byte, 4), ok("after\n")], "{bytes:x?} cut at {cut}");
        }
    }
}

#[test]
fn the_first_and_the_last_character_of_each_length_are_good() {
    let text = "\0\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffe}\u{ffff}\u{10000}\u{10ffff}";
    assert_eq!(check_utf8(text.as_bytes()), Ok(()));
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    let expected: Vec<Message> = text.chars().map(|character| ok(&character.to_string())).collect();
    assert_eq!(messages(Pieces::of(&bytes), Framing::Chunk).0, expected);
}

#[test]
fn a_carriage_return_that_fills_the_buffer_waits_for_its_newline() {
    let longest = "x".repeat(MAX_LINE);
    for (behind, expected) in [
        (&b"\nnext"[..], vec![ok(&(longest.clone() + "\r\n")), ok("next")]),
        (b"x\n", vec![Err(FramingError::LineTooLong)]),
        (b"", vec![Err(FramingError::LineTooLong)]), // the end of the stream makes it a character of the line
    ] {
        let (all, _) = messages(Pieces::of(&[longest.as_bytes(), b"\r", behind]), Framing::Line);
        assert!(all == expected, "{behind:?}: {} messages", all.len());
        let (all, _) = messages(Pieces::of(&[&longest.as_bytes()[1..], b"\r", b"\n"]), Framing::Line);
        assert!(all == [ok(&(longest[1..].to_owned() + "\r\n"))]);
    }
}

#[test]
fn raw_gives_out_each_read_as_it_was() {
    let pieces: [&[u8]; 4] = [b"\xec", b"\x95\xff\n", b"\n\n", b"\0"];
    assert_eq!(messages(Pieces::of(&pieces), Framing::Raw).0, pieces.map(|piece| Ok(piece.to_vec())));
}

#[test]
fn nothing_comes_out_before_a_read_or_after_the_end() {
    for framing in [Framing::Chunk, Framing::Line, Framing::Raw] {
        let mut reader = Messages::new(&b"one"[..], framing);
        assert_eq!(reader.next(), None);
        assert_eq!(reader.read().unwrap(), 3);
        let first = reader.next().map(|message| message.unwrap().to_vec());
        assert_eq!(first.is_some(), framing != Framing::Line, "{framing}: a line has to wait for its end");
        assert_eq!(reader.next(), None);
        assert_eq!(reader.read().unwrap(), 0);
        let last = reader.next().map(|message| message.unwrap().to_vec());
        assert_eq!(first.or(last), Some(b"one".to_vec()), "{framing}");
        assert_eq!(reader.next(), None);
        assert_eq!(reader.read().unwrap(), 0);
        assert_eq!(reader.next(), None);
    }
}

#[test]
fn memory_is_bounded_in_every_framing() {
    let cut_everywhere = "안".repeat(1 << 20);
    let longest_lines = ("x".repeat(MAX_LINE) + "\r\n").repeat(40);
    for (text, framing) in
        [(&cut_everywhere, Framing::Chunk), (&cut_everywhere, Framing::Raw), (&longest_lines, Framing::Line)]
    {
        // `messages` looks at the buffers after each read.
        for lengths in [&[1000][..], &[65_536], &[1 << 20, 1]] {
            let (all, _) = messages(Pieces::cut(text.as_bytes(), lengths), framing);
            assert!(all.into_iter().flat_map(Result::unwrap).eq(text.bytes()), "{framing}, {lengths:?}");
        }
    }
}

proptest! {
    #[test]
    fn reads_that_fail_change_nothing(
        bytes in any_bytes(),
        cuts in vec(1_usize..9, 1..9),
        failures in vec((0_usize..30, any::<bool>()), 0..9),
    ) {
        for framing in [Framing::Chunk, Framing::Line] {
            let mut pieces = Pieces::cut(&bytes, &cuts);
            let whole = messages(Pieces::cut(&bytes, &cuts), framing).0;
            for (place, interrupted) in &failures {
                let kind = if *interrupted { io::ErrorKind::Interrupted } else { io::ErrorKind::WouldBlock };
                pieces.0.insert((*place).min(pieces.0.len()), Err(kind.into()));
            }
            let mut reader = Messages::new(pieces, framing);
            let mut all: Vec<Message> = Vec::new();
            let mut ended = false;
            while !ended {
                match reader.read() {
                    Ok(arrived) => ended = arrived == 0,
                    Err(error) => prop_assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
                while let (false, Some(message)) = (fatal(all.last(), framing), reader.next()) {
                    all.push(message.map(<[u8]>::to_vec));
                }
            }
            prop_assert_eq!(all, whole);
        }
    }
}

fn fatal(last: Option<&Message>, framing: Framing) -> bool {
    matches!(last, Some(Err(error)) if !framing.goes_on_after(*error))
}
