use super::*;

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn address_in_message_gets_a_note() {
    for message in [
        "127.0.0.1:9999",
        "127.0.0.1 12345",
        "localhost:80 hi",
        "[::1]:80",
        "example.com 80",
    ] {
        assert!(address_note(&words(message)).is_some(), "{message}");
    }
    for message in [
        "hello",
        "12:30",
        "10:30:00",
        "3 4",
        "127.0.0.1 hi",
        "::1 hi",
        "::",
        "end. 5",
        "hello 5",
        "hi 127.0.0.1:9999",
        "a: b",
    ] {
        assert_eq!(address_note(&words(message)), None, "{message}");
    }
}
