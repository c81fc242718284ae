/// So many characters are shown from the beginning of long data, and as many from its end.
const HALF: usize = 40;

/// Bytes as text in quotes, with an escape for what could not be seen, and with the middle left out when they are many.
///
/// ```
/// use tests::show;
///
/// assert_eq!(show("안녕\r\n".as_bytes()), r#""안녕\r\n""#);
/// assert_eq!(show(b"\xEC\x95 cut"), r#""\xEC\x95 cut""#);
/// assert_eq!(show(&[b'x'; 1000]), format!("\"{0}…{0}\" (1,000 bytes)", "x".repeat(40)));
/// ```
pub fn show(bytes: &[u8]) -> String {
    // A character has at most four bytes, so these hold HALF of them, and the last three of one that is cut.
    let beginning = escape(&bytes[..bytes.len().min(2 * HALF * 4)]);
    if bytes.len() <= 2 * HALF * 4 && beginning.len() <= 2 * HALF {
        return format!("\"{}\"", beginning.concat());
    }
    let end = escape(&bytes[bytes.len().saturating_sub(HALF * 4 + 3)..]);
    let (first, last) = (&beginning[..HALF], &end[end.len() - HALF..]);
    format!("\"{}…{}\" ({} bytes)", first.concat(), last.concat(), thousands(bytes.len()))
}

/// One string for each character, and for each byte that is in none.
fn escape(bytes: &[u8]) -> Vec<String> {
    let mut shown = Vec::new();
    for chunk in bytes.utf8_chunks() {
        shown.extend(chunk.valid().chars().map(escape_char));
        shown.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")));
    }
    shown
}

fn escape_char(c: char) -> String {
    match c {
        '\0' => "\\0".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\u{feff}' | '\u{300}'..='\u{36f}' => format!("\\u{{{:x}}}", c as u32), // no width, or drawn over its neighbour
        c if c.is_control() => format!("\\u{{{:x}}}", c as u32),
        c => c.to_string(),
    }
}

/// A number with commas between its thousands.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
