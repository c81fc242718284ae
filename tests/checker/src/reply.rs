use crate::difference::{Difference, KEPT};

/// What a good server replies, and how much of it has arrived.
///
/// Over TCP with chunk framing many replies are right: the server answers what has arrived, so the
/// prefix may precede any character. All of these readings are followed side by side, as a regular
/// expression is matched.
///
/// ```
/// use checker::{Match, Reply};
///
/// let mut reply = Reply::chunks("> ", "안녕");
/// assert_eq!(reply.push("> 안".as_bytes()), Match::Partial);
/// assert_eq!(reply.push("> 녕".as_bytes()), Match::Whole);
///
/// let mut reply = Reply::chunks("> ", "안녕");
/// assert_eq!(reply.push("> 안{data}".as_bytes()), Match::No);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Reply {
    prefix: Vec<u8>,
    text: Vec<u8>,
    /// The readings that are still possible; none once all of it has arrived.
    places: Vec<Place>,
    wrong: bool,
    /// Whether anything may follow.
    pub(crate) open: bool,
    /// Number of bytes that are right.
    matched: usize,
    /// The last of them.
    tail: Vec<u8>,
}

/// What a [`Reply`] makes of the bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// They are all of it.
    Whole,
    /// They are its beginning.
    Partial,
    /// They are something else.
    No,
}

/// How far one reading has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// So many bytes of the text have arrived.
    text: usize,
    /// After them, so many bytes of a prefix.
    prefix: usize,
}

impl Reply {
    /// Exactly these bytes.
    pub fn exactly(bytes: impl Into<Vec<u8>>) -> Self {
        Reply::chunks("", bytes)
    }

    /// The characters of this text, cut into chunks in any way, with the prefix before each chunk.
    pub fn chunks(prefix: &str, text: impl Into<Vec<u8>>) -> Self {
        let mut reply = Reply {
            prefix: prefix.into(),
            text: text.into(),
            ..Reply::default()
        };
        let start = Place { text: 0, prefix: 0 };
        reply
            .places
            .extend((!reply.text.is_empty()).then_some(start));
        reply
    }

    /// This reply, and after it anything or nothing.
    #[must_use]
    pub fn then_anything(self) -> Self {
        Reply { open: true, ..self }
    }

    /// Takes the bytes that arrived next, and says what all of them are so far.
    pub fn push(&mut self, bytes: &[u8]) -> Match {
        let before = self.matched;
        let mut rest = bytes;
        let is_open_end = |reply: &Reply| reply.open && reply.places.is_empty();
        while !(rest.is_empty() || self.wrong || is_open_end(self)) {
            rest = &rest[self.skip(rest)..];
            if let Some((byte, after)) = rest.split_first() {
                self.step(*byte);
                rest = after;
            }
        }
        self.tail.extend_from_slice(&bytes[..self.matched - before]);
        self.tail.drain(..self.tail.len().saturating_sub(KEPT));
        match self.places.is_empty() {
            _ if self.wrong => Match::No,
            true => Match::Whole,
            false => Match::Partial,
        }
    }

    /// Returns the number of bytes that were right.
    pub(crate) fn matched(&self) -> usize {
        self.matched
    }

    /// Compares bytes that can only be the text, up to where a prefix may begin. Returns their number.
    fn skip(&mut self, bytes: &[u8]) -> usize {
        let place = match self.places[..] {
            [place] if !self.is_in_prefix(place) => place,
            _ => return 0,
        };
        let first = self.prefix.first();
        let rest = &self.text[place.text..self.text.len() - 1]; // `step` handles the end
        let is_text = |(byte, expected): &(&u8, &u8)| byte == expected && Some(*byte) != first;
        let same = bytes.iter().zip(rest).take_while(is_text).count();
        if same > 0 {
            let text = place.text + same;
            self.places[0] = Place { text, prefix: 0 };
        }
        self.matched += same;
        same
    }

    /// Takes one byte: each reading goes on, splits in two, or ends.
    fn step(&mut self, byte: u8) {
        let follow = |place: &Place| self.follow(*place, byte);
        let mut places: Vec<_> = self.places.iter().flat_map(follow).flatten().collect();
        if places.is_empty() {
            self.wrong = true; // `places` stays: it says what had to follow
            return;
        }
        self.matched += 1;
        if places.iter().any(|place| place.text == self.text.len()) {
            places.clear();
        }
        places.sort_unstable();
        places.dedup(); // where two readings meet, they are one from there on
        self.places = places;
    }

    /// Returns `true` if the next byte is one of the prefix. The first chunk has one, too.
    fn is_in_prefix(&self, place: Place) -> bool {
        (place.text == 0 || place.prefix > 0) && place.prefix < self.prefix.len()
    }

    /// Returns where a reading is after one more byte: in the text, in a prefix, or both.
    fn follow(&self, place: Place, byte: u8) -> [Option<Place>; 2] {
        let Place { text, prefix } = place;
        let at = |text, prefix| Place { text, prefix };
        let (next, longer) = (at(text + 1, 0), at(text, prefix + 1));
        if self.is_in_prefix(place) {
            return [(self.prefix[prefix] == byte).then_some(longer), None];
        }
        // A character is due right after a prefix, so there no other begins.
        let is_character = self.text[text] & 0xC0 != 0x80 && prefix == 0;
        let begins = is_character && self.prefix.first() == Some(&byte);
        let goes_on = self.text[text] == byte;
        [goes_on.then_some(next), begins.then_some(longer)]
    }

    /// Returns the simplest of the right replies.
    pub(crate) fn simplest(&self) -> Vec<u8> {
        [&self.prefix[..], &self.text[..]].concat()
    }

    /// Returns where what arrived differs; `last` is the last of it.
    pub(crate) fn difference(&self, last: &[u8]) -> Difference {
        let rest = |place: &Place| {
            let prefix = match self.is_in_prefix(*place) {
                true => &self.prefix[place.prefix..],
                false => &[],
            };
            [prefix, &self.text[place.text..]].concat()
        };
        let expected = self.places.last().map(rest).unwrap_or_default();
        Difference::new(self.matched, &self.tail, &expected, last)
    }
}
