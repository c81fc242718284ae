use proptest::prelude::*;

use super::*;

#[test]
fn every_form_of_an_address_is_understood() {
    for (typed, meant) in [
        ("example.org:80", "example.org:80"),
        (":80", "127.0.0.1:80"),
        ("80", "127.0.0.1:80"),
        ("0", "127.0.0.1:0"),
        (":0", "127.0.0.1:0"),
        ("65535", "127.0.0.1:65535"),
        ("00080", "127.0.0.1:80"),
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
        let address = typed.parse::<Address>().unwrap_or_else(|error| panic!("{typed}: {error}"));
        assert_eq!(address.to_string(), meant, "{typed}");
    }
}

#[test]
fn what_is_no_address_is_explained_with_one_that_works() {
    for (typed, part) in [
        ("", "the address is empty"),
        (":", "no port behind the colon"),
        ("localhost:", "as in localhost:12345"),
        ("[::1]:", "as in [::1]:12345"),
        ("localhost:http", "the port \"http\" is not a number"),
        ("localhost:+80", "the port \"+80\" is not a number"),
        ("localhost:８０", "is not a number"),
        ("localhost:-1", "is not a number"),
        ("localhost:65536", "the port 65536 is too large"),
        ("70000", "the port 70000 is too large"),
        ("99999999999999999999999", "is too large"),
        ("256.1.1.1:80", "256.1.1.1 is not an IPv4 address"),
        ("1.2.3", "1.2.3 is not an IPv4 address"),
        ("1::2::3", "1::2::3 is not an IPv6 address"),
        ("a:b:c", "a:b:c is not an IPv6 address"),
        ("::1%", "::1% is not an IPv6 address"),
        ("::1%]", "::1%] is not an IPv6 address"),
        ("[::1", "the bracket is not closed"),
        ("[::1]80", "\"80\" behind the bracket"),
        ("[127.0.0.1]:80", "127.0.0.1 is not an IPv6 address"),
        ("http://localhost:80", "looks like a URL"),
        ("local host:80", "the character ' '"),
        (" localhost", "the character ' '"),
        ("a\tb", "the character '\\t'"),
    ] {
        let error = typed.parse::<Address>().expect_err(typed).to_string();
        assert!(error.contains(part), "{typed:?}: {error}");
        let example = error.split_once("as in ").unwrap_or_else(|| panic!("no example: {error}")).1;
        let example = example.split(',').next().unwrap_or_default();
        assert!(example.parse::<Address>().is_ok(), "{typed:?}: the example {example:?} does not work");
    }
}

#[test]
fn localhost_is_ipv4_first() {
    let addresses = "LocalHost:80".parse::<Address>().unwrap().resolve().unwrap();
    assert_eq!(addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>(), ["127.0.0.1:80", "[::1]:80"]);
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let taken = Address::from(":0".parse::<Address>().unwrap().listen().unwrap().local_addr().unwrap());
    let _holder = taken.listen().unwrap(); // again at once: nobody is connected
    let error = taken.listen().unwrap_err().to_string();
    let (sentence, hint) = error.split_once('\n').unwrap();
    assert!(sentence.starts_with(&format!("cannot listen on {taken}: ")), "{sentence}");
    assert!(cfg!(windows) || sentence.ends_with(": Address already in use"), "{sentence}");
    assert!(hint.contains("--address :0"), "{hint}");
}

#[test]
fn a_client_tries_every_address_of_a_name() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        return; // a machine without IPv6 has but one address to try
    };
    let port = listener.local_addr().unwrap().port();
    let stream = Address { host: "localhost".into(), port }.connect(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
}

#[test]
fn a_closed_port_is_named_with_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    drop(listener);
    let error = address.connect(Some(Duration::from_secs(10))).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot connect to {address}: ")), "{error}");
    assert!(error.contains("\nnobody listens there"), "{error}");
}

#[test]
fn what_is_bound_to_every_address_is_reached_by_loopback() {
    for (bound, reached) in [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.1.2.3:80", "10.1.2.3:80")] {
        assert_eq!(reachable(bound.parse().unwrap()).to_string(), reached);
    }
}

proptest! {
    #[test]
    fn any_text_is_an_address_or_an_error(typed in "\\PC*") {
        let _ = typed.parse::<Address>();
    }

    #[test]
    fn an_address_that_is_printed_can_be_typed(typed in "(\\[?[0-9a-f:.%]{0,12}\\]?|[a-z0-9.-]{0,8})(:[0-9]{0,6})?") {
        if let Ok(address) = typed.parse::<Address>() {
            prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
        }
    }

    #[test]
    fn every_socket_address_is_an_address(ip in any::<std::net::IpAddr>(), port in any::<u16>()) {
        let address = SocketAddr::new(ip, port);
        prop_assert_eq!(address.to_string().parse::<Address>(), Ok(Address::from(address)));
        prop_assert_eq!(Address::from(address).resolve().unwrap(), [address]);
    }
}

#[test]
fn an_address_keeps_its_network_card() {
    let address: SocketAddr = "[fe80::1%1]:80".parse().unwrap();
    assert_eq!(Address::from(address).to_string(), "[fe80::1%1]:80");
    assert_eq!(Address::from(reachable(address)).resolve().unwrap(), [address]);
}

#[test]
fn a_udp_port_that_is_taken_is_named_too() {
    let taken = Address::from(":0".parse::<Address>().unwrap().bind_udp().unwrap().local_addr().unwrap());
    let _holder = taken.bind_udp().unwrap();
    let error = taken.bind_udp().unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {taken}: ")) && error.contains("--address :0"), "{error}");
}

#[test]
fn a_name_that_nobody_listens_at_is_named_as_it_was_typed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address { host: "localhost".into(), port: listener.local_addr().unwrap().port() };
    drop(listener);
    let error = address.connect(Some(Duration::from_secs(10))).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot connect to {address}: ")), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn an_address_of_another_machine_cannot_be_listened_on() {
    let error = "192.0.2.1:0".parse::<Address>().unwrap().listen().unwrap_err().to_string(); // kept for books, RFC 5737
    assert!(error.starts_with("cannot listen on 192.0.2.1:0: "), "{error}");
    assert!(error.contains("\nthis machine has no such address"), "{error}");
}

proptest! {
    #[test]
    fn whatever_is_accepted_can_be_printed_and_typed_again(
        parts in proptest::collection::vec(prop_oneof![
            any::<String>(),
            "[0-9]{1,6}",
            Just(":".to_owned()),
            Just("[".to_owned()),
            Just("]".to_owned()),
            Just("::1".to_owned()),
            Just("%".to_owned()),
            Just("127.0.0.1".to_owned()),
        ], 0..6)
    ) {
        if let Ok(address) = parts.concat().parse::<Address>() {
            prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
        }
    }
}
