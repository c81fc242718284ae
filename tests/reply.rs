use std::collections::BTreeSet;

use crate::show::show;

/// What a good server replies, and how much of it has come.
///
/// Over TCP in `chunk` framing there is not one right reply but many: the server answers what has arrived, so the prefix
/// may stand before any character. All of these readings are followed at once, as a regular expression is matched.
///
/// ```
/// use tests::{Matched, Reply};
///
/// let mut reply = Reply::chunks("> ", "안녕");
/// assert_eq!(reply.push("> 안".as_bytes()), Matched::Partly);
/// assert_eq!(reply.push("> 녕".as_bytes()), Matched::Wholly);
///
/// let mut reply = Reply::chunks("> ", "안녕");
/// assert_eq!(reply.push("> 안{data}".as_bytes()), Matched::Not);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Reply {
    parts: Vec<Part>,
    /// Which part is awaited.
    current: usize,
    /// The readings of that part that are still possible.
    places: Vec<Place>,
    /// Something else has come.
    wrong: bool,
    /// What comes behind all of it does not matter.
    open: bool,
}

/// What a [`Reply`] says of the bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matched {
    /// They are all of it.
    Wholly,
    /// They are its beginning.
    Partly,
    /// They are something else.
    Not,
}

impl Reply {
    /// These bytes and no others.
    pub fn exactly(bytes: impl Into<Vec<u8>>) -> Self {
        Reply::chunks("", bytes)
    }

    /// The characters of this text, cut into chunks in any way, with the prefix before each chunk.
    pub fn chunks(prefix: &str, text: impl Into<Vec<u8>>) -> Self {
        let part = Part { prefix: prefix.into(), text: text.into() };
        if part.text.is_empty() {
            return Reply::default();
        }
        Reply { places: vec![part.begin()], parts: vec![part], ..Reply::default() }
    }

    /// This reply, and after it that one.
    #[must_use]
    pub fn then(mut self, mut next: Reply) -> Self {
        if self.parts.is_empty() {
            return next;
        }
        self.parts.append(&mut next.parts);
        self
    }

    /// This reply, and after it anything or nothing: another check looks at that.
    #[must_use]
    pub fn then_anything(self) -> Self {
        Reply { open: true, ..self }
    }

    /// Takes what has come next, and says what all that has come so far is.
    pub fn push(&mut self, bytes: &[u8]) -> Matched {
        // In a long reply most blocks are nothing but the next piece of the text: they are compared as a whole.
        for block in bytes.chunks(1024) {
            if !self.skip(block) {
                block.iter().for_each(|byte| self.step(*byte));
            }
        }
        match self.current == self.parts.len() {
            _ if self.wrong => Matched::Not,
            true => Matched::Wholly,
            false => Matched::Partly,
        }
    }

    /// Takes a block that continues the text and in which no prefix can begin. Whether it was one.
    fn skip(&mut self, block: &[u8]) -> bool {
        let ([Place::InText { text, due }], Some(part)) = (&mut self.places[..], self.parts.get(self.current)) else {
            return false;
        };
        let rest = &part.text[*text..];
        let no_prefix = part.prefix.first().is_none_or(|first| !block.contains(first));
        let more_to_come = rest.len() > block.len(); // `step` looks after the end of a part
        let skipped = no_prefix && more_to_come && rest.starts_with(block);
        if skipped {
            *text += block.len();
            *due = false;
        }
        skipped
    }

    /// Takes one byte: each reading goes on, splits in two, or ends.
    fn step(&mut self, byte: u8) {
        let Some(part) = self.parts.get(self.current) else {
            self.wrong |= !self.open; // more has come than all of it
            return;
        };
        let places: BTreeSet<_> = self.places.iter().flat_map(|place| part.follow(*place, byte)).flatten().collect();
        self.places = places.into_iter().collect(); // where two readings meet, they are one from there on
        self.wrong |= self.places.is_empty();
        if self.places.contains(&Place::InText { text: part.text.len(), due: false }) {
            self.current += 1;
            self.places = self.parts.get(self.current).map(Part::begin).into_iter().collect();
        }
    }

    /// The reply in the simplest of its forms, for a sentence.
    pub fn show(&self) -> String {
        let parts = self.parts.iter().flat_map(|part| [&part.prefix[..], &part.text[..]]);
        show(&parts.collect::<Vec<_>>().concat())
    }
}

/// Text that is to come, and the prefix that stands before its first character and may stand before any other.
#[derive(Debug, Clone)]
struct Part {
    prefix: Vec<u8>,
    text: Vec<u8>,
}

/// How far one reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// So many bytes of the prefix have come, where it stands before this byte of the text.
    InPrefix { come: usize, text: usize },
    /// So many bytes of the text have come. A character is due if the prefix was the last that came.
    InText { text: usize, due: bool },
}

impl Part {
    fn begin(&self) -> Place {
        self.after_prefix(0, 0)
    }

    fn after_prefix(&self, come: usize, text: usize) -> Place {
        if come < self.prefix.len() { Place::InPrefix { come, text } } else { Place::InText { text, due: true } }
    }

    /// Where a reading is after one more byte: it may go on in the text, or begin the prefix, or both.
    fn follow(&self, place: Place, byte: u8) -> [Option<Place>; 2] {
        match place {
            Place::InPrefix { come, text } => {
                let next = self.after_prefix(come + 1, text);
                [(self.prefix[come] == byte).then_some(next), None]
            }
            Place::InText { text, due } => {
                let goes_on = self.text.get(text) == Some(&byte);
                let begins = !due && self.is_between_characters(text) && self.prefix.first() == Some(&byte);
                let next = Place::InText { text: text + 1, due: false };
                [goes_on.then_some(next), begins.then(|| self.after_prefix(1, text))]
            }
        }
    }

    fn is_between_characters(&self, text: usize) -> bool {
        self.text.get(text).is_some_and(|byte| byte & 0b1100_0000 != 0b1000_0000) // a continuation byte (RFC 3629)
    }
}
