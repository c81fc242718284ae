use super::*;

#[test]
fn timeout_is_a_number_of_seconds() {
    for (input, millis) in [
        ("5", 5_000),
        ("0.5", 500),
        ("0", 0),
        ("0.001", 1),
        ("1e2", 100_000),
    ] {
        assert_eq!(
            parse_timeout(input),
            Ok(Duration::from_millis(millis)),
            "{input}"
        );
    }
    for input in [
        "", "-1", "five", "5s", "NaN", "inf", "1e-10", "1e-400", "-0.1", "0.0009", "1e10",
        "4294968",
    ] {
        assert!(parse_timeout(input).is_err(), "{input}");
    }
}

/// ETIMEDOUT is about a machine that does not answer anymore, and not about our timeout.
#[cfg(unix)]
#[test]
fn dead_peer_is_not_a_timeout() {
    assert!(!is_timeout(&ErrorKind::TimedOut.into()));
    assert!(is_timeout(&ErrorKind::WouldBlock.into()));
}
