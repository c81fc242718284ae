use std::thread;

use super::*;

#[test]
fn new_client_replaces_oldest_at_limit() {
    let [server, socket] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let (to, relayed) = (server.local_addr().unwrap(), socket.local_addr().unwrap());
    let (verbosity, shutdown) = (Verbosity::default(), Shutdown::default());
    let report = Report::new("udp-echo", false, verbosity, io::sink(), io::sink()).unwrap();
    let options = Options {
        address: DEFAULT_ADDRESS.parse().unwrap(),
        to: DEFAULT_ADDRESS.parse().unwrap(),
        drop: 0,
        duplicate: 0,
        reorder: 0,
        delay: 0,
        seed: None,
        verbosity,
    };
    thread::scope(|scope| {
        scope.spawn(|| run(&socket, to, &options, &shutdown, &report));
        let exchange = |_| {
            let client = connect(relayed)?;
            for socket in [&server, &client] {
                socket.set_read_timeout(Some(Duration::from_secs(5)))?;
            }
            client.send(b"hi")?;
            let (len, link) = server.recv_from(&mut [0; 8])?;
            server.send_to(&[b'y'; 8][..len], link)?;
            client.recv(&mut [0; 8])
        };
        // The system may give a few of them the port of an earlier one.
        let replies: io::Result<Vec<_>> = (0..MAX_CLIENTS + 20).map(exchange).collect();
        shutdown.request();
        assert!(replies.unwrap().iter().all(|len| *len == 2));
    });
}
