use common::report::Verbosity;

use super::*;

#[test]
fn datagram_from_own_address_is_ignored() {
    let [server, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let (verbosity, shutdown) = (Verbosity::default(), Shutdown::default());
    let report = Report::new("udp-echo", false, verbosity, io::sink(), io::sink()).unwrap();
    let datagrams = Datagrams::new(&server, &shutdown, &report).unwrap();
    let address = server.local_addr().unwrap();
    server.send_to(b"from itself", address).unwrap();
    other.send_to(b"from another", address).unwrap();
    let (_, peer) = datagrams.receive(&mut [0; BUFFER_LEN]).unwrap();
    assert_eq!(peer, other.local_addr().unwrap());
}
