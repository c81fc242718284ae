use super::*;

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket
}

/// Sends `message` with this client while `serve` plays the server.
fn request(
    options: &Options,
    servers: &[SocketAddr],
    message: &[u8],
    serve: impl FnOnce() + Send,
) -> Result<Vec<u8>, String> {
    let (servers, trace) = (servers.to_vec(), Trace::to_stderr(false).unwrap());
    let mut client = Client {
        servers,
        last_socket: None,
        options,
        trace,
    };
    std::thread::scope(|scope| {
        scope.spawn(serve);
        client.request(message)
    })
}

fn options(millis: u64, retries: u32) -> Options {
    let address = DEFAULT_ADDRESS.parse().unwrap();
    let timeout = Duration::from_millis(millis);
    Options {
        message: Vec::new(),
        address,
        timeout,
        retries,
        trace: false,
    }
}

fn receive_from(server: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; BUFFER_LEN];
    let (len, peer) = server.recv_from(&mut buffer).unwrap();
    (buffer[..len].to_vec(), peer)
}

#[test]
fn lost_message_is_sent_again() {
    let server = socket();
    let reply = request(
        &options(20, 9),
        &[server.local_addr().unwrap()],
        b"hi",
        || {
            let (first, peer) = receive_from(&server);
            assert_eq!(receive_from(&server), (first, peer)); // the first was lost, say
            server.send_to(b"reply", peer).unwrap();
        },
    );
    assert_eq!(reply.unwrap(), b"reply");
}

#[test]
fn silent_server_is_an_error_after_the_retries() {
    let server = socket();
    let address = server.local_addr().unwrap();
    let error = request(&options(1, 3), &[address], b"hi", || {
        (0..4).for_each(|_| assert_eq!(receive_from(&server).0, b"hi"));
    });
    let error = error.unwrap_err();
    assert!(
        error.starts_with(&format!("no reply from {address}: sent 4 times, ")),
        "{error}"
    );
}

#[test]
fn only_the_servers_own_reply_is_taken() {
    let (server, stranger) = (socket(), socket());
    let reply = request(
        &options(20_000, 0),
        &[server.local_addr().unwrap()],
        b"hi",
        || {
            let (_, peer) = receive_from(&server);
            stranger.send_to(b"wrong", peer).unwrap();
            server.send_to(b"right", peer).unwrap();
        },
    );
    assert_eq!(reply.unwrap(), b"right");
}

#[test]
fn late_duplicate_is_not_the_next_reply() {
    let server = socket();
    let options = options(20_000, 0);
    let (servers, trace) = (
        vec![server.local_addr().unwrap()],
        Trace::to_stderr(false).unwrap(),
    );
    let mut client = Client {
        servers,
        last_socket: None,
        options: &options,
        trace,
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (_, first) = receive_from(&server);
            server.send_to(b"first", first).unwrap();
            let (_, second) = receive_from(&server);
            assert_ne!(first, second);
            let _ = server.send_to(b"first, again", first); // nobody is there anymore
            server.send_to(b"second", second).unwrap();
        });
        assert_eq!(client.request(b"1").unwrap(), b"first");
        assert_eq!(client.request(b"2").unwrap(), b"second");
    });
}

#[test]
fn next_address_is_tried_after_a_closed_port() {
    let closed = socket().local_addr().unwrap();
    let error = request(&options(1_000, 0), &[closed], b"hi", || {}).unwrap_err();
    assert_eq!(
        error,
        format!("no reply from {closed}: its port is closed\n{NO_SERVER_HINT}")
    );
    let server = socket();
    let servers = [closed, server.local_addr().unwrap()];
    let reply = request(&options(20_000, 0), &servers, b"", || {
        let (message, peer) = receive_from(&server);
        server.send_to(&message, peer).unwrap();
    });
    assert_eq!(reply.unwrap(), b"", "an empty message has an empty reply");
}

#[test]
fn message_that_is_too_long_is_an_error() {
    let server = socket().local_addr().unwrap();
    let error = request(&options(1_000, 0), &[server], &[b'x'; BUFFER_LEN], || {}).unwrap_err();
    assert!(
        error.starts_with(&format!("cannot send 65536 bytes to {server}: ")),
        "{error}"
    );
}
