use common::trace::{escape, escape_bytes};
use encoding_rs::mem::decode_latin1;
use encoding_rs::{EUC_KR, Encoding, UTF_16BE, UTF_16LE};
use unicode_normalization::UnicodeNormalization;
use unicode_width::UnicodeWidthStr;

use crate::words::{Words, thousands, words};

/// Where a reply begins to differ from what a good server replies.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    /// Number of bytes that are right.
    pub(crate) offset: usize,
    /// The last of them.
    common: Vec<u8>,
    /// What had to follow.
    expected: Vec<u8>,
    /// What followed.
    actual: Vec<u8>,
}

/// How many bytes around a difference are kept: enough for what is shown of them.
pub(crate) const KEPT: usize = 256;

/// Width of what is shown on either side of a difference, and at either end of long data, in columns.
const SHOWN: usize = 32;

impl Difference {
    /// A difference behind `offset` bytes that are right, of which `common` are the last.
    pub(crate) fn new(offset: usize, common: &[u8], expected: &[u8], actual: &[u8]) -> Self {
        let cut = common.len() - cut_character(common); // shown whole, on both sides
        let whole = |rest: &[u8]| [&common[cut..], &rest[..rest.len().min(KEPT)]].concat();
        let (expected, actual) = (whole(expected), whole(actual));
        Difference {
            offset,
            common: common[..cut].to_vec(),
            expected,
            actual,
        }
    }

    /// Returns both replies in quotes, abbreviated alike, and the column where they part.
    pub(crate) fn show(&self) -> (String, String, usize) {
        let mark = |is_cut| if is_cut { "…" } else { "" };
        let common = units(&self.common);
        let start = common.len() - fitting(common.iter().rev(), SHOWN);
        let before = mark(start > 0 || self.offset > KEPT).to_owned() + &common[start..].concat();
        let show = |rest: &[u8]| {
            let rest = units(rest);
            let end = fitting(rest.iter(), SHOWN);
            let after = rest[..end].concat() + mark(end < rest.len());
            format!("\"{before}{after}\"")
        };
        (show(&self.expected), show(&self.actual), 1 + before.width())
    }

    /// Returns the sentence beside the caret: which byte differs, counted from 1.
    pub(crate) fn place(&self) -> Words {
        match self.offset {
            0 => words("difference.first"),
            right => words("difference.place")
                .with(thousands(right + 1))
                .with(thousands(right)),
        }
    }
}

/// Returns the length of an incomplete character at the end of these bytes (RFC 3629).
fn cut_character(bytes: &[u8]) -> usize {
    let is_lead = |len: &usize| bytes[bytes.len() - len] >= 0xC0;
    let lead = (1..=bytes.len().min(3)).find(is_lead);
    lead.filter(|len| std::str::from_utf8(&bytes[bytes.len() - len..]).is_err())
        .unwrap_or(0)
}

/// Returns one string for each character, and for each byte that belongs to none.
fn units(bytes: &[u8]) -> Vec<String> {
    let mut units = Vec::new();
    for chunk in bytes.utf8_chunks() {
        let characters = chunk.valid().chars();
        units.extend(characters.map(|character| escape(character.encode_utf8(&mut [0; 4]))));
        units.extend(chunk.invalid().chunks(1).map(escape_bytes));
    }
    units
}

/// Escapes a line that a program has printed. Its quotes and backslashes stay as they are.
pub(crate) fn escape_line(line: &[u8]) -> String {
    let escaped = escape_bytes(line).replace("\\\"", "\"");
    escaped.replace("\\\\", "\\")
}

/// Returns how many of these units fit into this width.
fn fitting<'a>(units: impl Iterator<Item = &'a String>, width: usize) -> usize {
    let mut end = 0;
    let ends = units.map(|unit| {
        end += unit.width();
        end
    });
    ends.take_while(|end| *end <= width).count()
}

/// Returns bytes as text in quotes, escaped, and abbreviated in the middle if they are many.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let ends = 4 * SHOWN + 3;
    let beginning = units(&bytes[..bytes.len().min(2 * ends)]);
    if bytes.len() <= 2 * ends && fitting(beginning.iter(), 2 * SHOWN) == beginning.len() {
        return format!("\"{}\"", beginning.concat());
    }
    let end = units(&bytes[bytes.len().saturating_sub(ends)..]);
    let first = beginning[..fitting(beginning.iter(), SHOWN)].concat();
    let last = end[end.len() - fitting(end.iter().rev(), SHOWN)..].concat();
    format!("\"{first}…{last}\" ({} B)", thousands(bytes.len()))
}

/// What a mistake leaves in a reply, and which trap that is.
const MARKS: [(&str, &str); 3] = [
    ("{data}", "literal-braces"),
    ("b'", "bytes-not-text"),
    ("b\"", "bytes-not-text"),
];

/// What the bytes of a reply betray, and which trap that is, if it is one.
pub(crate) type Clue = (Words, Option<&'static str>);

/// Returns what a wrong reply betrays, unless what was sent looks like that itself.
pub(crate) fn find_clue(sent: &[u8], expected: &[u8], actual: &[u8]) -> Option<Clue> {
    let [sent, text] = [sent, actual].map(String::from_utf8_lossy);
    let is_betrayed = |mark: &str| text.contains(mark) && !sent.contains(mark);
    if let Some((_, trap)) = MARKS.iter().find(|(mark, _)| is_betrayed(mark)) {
        return Some((words(format!("trap.{trap}")), Some(trap)));
    }
    let is_with = |end: &[u8]| [expected, end].concat() == actual;
    let words = match actual {
        _ if is_with(b"\n") || is_with(b"\r\n") => words("clue.newline-added"),
        _ if [actual, b"\n"].concat() == expected => words("clue.newline-dropped"),
        _ if !expected.is_empty() && is_with(expected) => words("clue.doubled"),
        _ => encoding_clue(expected, actual).or_else(|| changed_clue(expected, actual))?,
    };
    Some((words, None))
}

/// Returns the sentence if a few bytes of a long reply are changed.
fn changed_clue(expected: &[u8], actual: &[u8]) -> Option<Words> {
    let pairs = expected.iter().zip(actual);
    let changed = pairs.filter(|(right, other)| right != other).count();
    let is_alike = expected.len() == actual.len() && expected.len() > 100 * changed;
    is_alike.then(|| words("clue.changed").with(changed))
}

/// Returns the sentence if these bytes are the expected text, but encoded or spelled otherwise.
pub(crate) fn encoding_clue(expected: &[u8], actual: &[u8]) -> Option<Words> {
    let expected = std::str::from_utf8(expected).ok()?;
    let Ok(text) = std::str::from_utf8(actual) else {
        let decode = Encoding::decode_without_bom_handling_and_without_replacement;
        let is_it = |(encoding, _): &(&'static Encoding, &str)| {
            let text = decode(encoding, actual).unwrap_or_default();
            text.trim_start_matches('\u{feff}') == expected
        };
        let encodings = [
            (EUC_KR, "CP949"),
            (UTF_16LE, "UTF-16LE"),
            (UTF_16BE, "UTF-16BE"),
        ];
        let (_, name) = encodings.into_iter().find(is_it)?;
        return Some(words("clue.encoding").with(name));
    };
    if text.strip_prefix('\u{feff}') == Some(expected) {
        return Some(words("clue.byte-order-mark"));
    }
    if text.contains('\u{a0}') && text.replace('\u{a0}', " ") == expected {
        return Some(words("clue.no-break-space").with(text.find('\u{a0}').unwrap_or(0)));
    }
    let mut pairs = expected.char_indices().zip(text.chars());
    let ((start, _), _) = pairs.find(|((_, right), other)| right != other)?;
    if text.nfc().eq(expected.nfc()) {
        return Some(words("clue.normalization"));
    }
    let (bytes, text) = (&expected.as_bytes()[start..], &text[start..]); // the prefix may be right
    let known = text.replace('\u{fffd}', ""); // encodes back, and the rest was not decoded
    let (encoded, mut left) = (EUC_KR.encode(&known).0, bytes.iter());
    let is_cp949 = !known.is_ascii() && encoded.iter().all(|byte| left.any(|it| it == byte));
    let is_it = [text == decode_latin1(bytes), is_cp949];
    let name = ["Latin-1", "CP949"][is_it.iter().position(|is| *is)?];
    Some(words("clue.decoded-as").with(name))
}
