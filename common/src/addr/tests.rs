use proptest::prelude::*;

use super::*;

#[test]
fn every_form_of_an_address_is_parsed() {
    for (input, expected) in [
        ("example.org:80", "example.org:80"),
        (":80", "127.0.0.1:80"),
        ("80", "127.0.0.1:80"),
        (":0", "127.0.0.1:0"),
        ("65535", "127.0.0.1:65535"),
        ("localhost", "localhost:12345"),
        ("10.0.0.1", "10.0.0.1:12345"),
        ("[::1]:80", "[::1]:80"),
        ("[::1]", "[::1]:12345"),
        ("::1", "[::1]:12345"),
        ("::", "[::]:12345"),
        ("fe80::1%eth0", "[fe80::1%eth0]:12345"),
        ("::ffff:127.0.0.1", "[::ffff:127.0.0.1]:12345"),
        ("서버.example:80", "서버.example:80"),
    ] {
        let address = input.parse::<Address>();
        let address = address.unwrap_or_else(|error| panic!("{input}: {error}"));
        assert_eq!(address.to_string(), expected, "{input}");
    }
}

#[test]
fn address_error_names_part_reason_and_example() {
    for (input, part) in [
        ("", "\"\" is not a host"),
        (":", "the port after the colon is missing"),
        ("localhost:", "the port after the colon is missing"),
        ("[::1]:", "the port after the colon is missing"),
        ("localhost:http", "the port \"http\" is not a number"),
        ("localhost:+80", "the port \"+80\" is not a number"),
        ("localhost:８０", "the port \"８０\" is not a number"),
        (
            "70000",
            "the port \"70000\" is not a number from 0 to 65535",
        ),
        ("256.1.1.1:80", "\"256.1.1.1\" is not a host"),
        ("1.2.3", "\"1.2.3\" is not a host"),
        ("1::2::3", "\"1::2::3\" is not a host"),
        ("::1%", "\"::1%\" is not a host"),
        ("[::1", "is not a host"),
        ("[::1]80", "is not a host"),
        ("[127.0.0.1]:80", "\"[127.0.0.1]\" is not a host"),
        (
            "http://localhost:80",
            "\"http://localhost:80\" is not a host",
        ),
        ("local host:80", "\"local host\" is not a host"),
    ] {
        let error = input.parse::<Address>().expect_err(input);
        assert!(error.contains(part), "{input:?}: {error}");
        let example = error.split("such as ").nth(1).unwrap();
        let example = example.split(' ').next().unwrap();
        assert!(example.parse::<Address>().is_ok(), "{example:?}");
    }
}

#[test]
fn localhost_is_ipv4_first() {
    let addresses = "LocalHost:80".parse::<Address>().unwrap().resolve();
    let addresses: Vec<_> = addresses
        .unwrap()
        .iter()
        .map(SocketAddr::to_string)
        .collect();
    assert_eq!(addresses, ["127.0.0.1:80", "[::1]:80"]);
}

#[test]
fn hint_fits_call_port_and_system() {
    use ErrorKind::{AddrNotAvailable, ConnectionRefused, PermissionDenied};
    assert_ne!(hint("listen on", PermissionDenied, 80), "");
    assert_eq!(
        hint("listen on", PermissionDenied, 12345).is_empty(),
        !cfg!(windows)
    );
    assert_eq!(hint("connect to", PermissionDenied, 80), "");
    assert_eq!(hint("connect to", AddrNotAvailable, 80), "");
    assert_eq!(hint("listen on", ConnectionRefused, 80), "");
    for kind in [ErrorKind::TimedOut, ErrorKind::HostUnreachable] {
        assert!(hint("connect to", kind, 80).contains("firewall"));
    }
    assert!(hint("find", ErrorKind::Other, 80).contains("spelling"));
}

#[test]
fn wildcard_is_reached_by_loopback() {
    for (bound, expected) in [
        ("0.0.0.0:80", "127.0.0.1:80"),
        ("[::]:80", "[::1]:80"),
        ("[::ffff:0.0.0.0]:80", "127.0.0.1:80"),
        ("10.1.2.3:80", "10.1.2.3:80"),
    ] {
        assert_eq!(reachable(bound.parse().unwrap()).to_string(), expected);
    }
}

proptest! {
    #[test]
    fn printed_address_is_parsed_again(
        input in "(\\[?[0-9a-f:.%]{0,12}\\]?|[a-z0-9.-]{0,8}|\\PC*)(:[0-9]{0,6})?",
    ) {
        if let Ok(address) = input.parse::<Address>() {
            prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
        }
    }
}
