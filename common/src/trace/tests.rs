use super::*;

#[test]
fn bytes_are_grouped_by_character() {
    assert_eq!(describe("안a\n".as_bytes()), ": ec9588 61 0a  \"안a\\n\"");
    assert_eq!(describe(b""), "");
    assert_eq!(
        describe(b"it's \"so\""),
        ": 69 74 27 73 20 22 73 6f 22  \"it's \\\"so\\\"\""
    );
}

#[test]
fn only_last_bytes_are_a_cut_character() {
    let cut = describe(b"\xec\x95\x88\xeb\x85");
    assert_eq!(
        cut,
        ": ec9588 eb85..  \"안\" (cut: 2 of 3 bytes, 1 awaited)"
    );
    let cut = describe(b"\xf0");
    assert_eq!(cut, ": f0......  \"\" (cut: 1 of 4 bytes, 3 awaited)");
    for (bytes, expected) in [
        (&b"\xec\x95a"[..], ": [ec95] 61  \"\\xEC\\x95a\""),
        (b"a\xffb", ": 61 [ff] 62  \"a\\xFFb\""),
        (b"\x95a", ": [95] 61  \"\\x95a\""),
        (b"a\xc0", ": 61 [c0]  \"a\\xC0\""),
    ] {
        assert_eq!(describe(bytes), expected);
    }
}

#[test]
fn long_data_is_abbreviated_in_the_middle() {
    let line = describe("가".repeat(1000).as_bytes());
    assert_eq!(line.matches("eab080").count(), 2 * SHOWN);
    assert!(line.contains(" … ") && line.contains("가…가"), "{line}");
}

#[test]
fn invisible_characters_are_escaped() {
    for character in [
        '\u{7f}', '\u{202e}', '\u{200b}', '\u{2066}', '\u{feff}', '\u{e000}', '\u{3164}',
    ] {
        let escaped = escape(&character.to_string());
        assert_eq!(escaped, format!("\\u{{{:x}}}", u32::from(character)));
    }
    assert_eq!(escape("안녕 👋 ñ"), "안녕 👋 ñ");
}
