use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use common::trace::Trace;
use udp_echo::client::{Client, Options};

use crate::harness::Server;

/// A path that loses, doubles and reorders datagrams, always in the same way: one of three is lost, one of four comes
/// twice, and one of five comes after the next.
struct BadPath {
    socket: UdpSocket,
    server: SocketAddr,
    over: AtomicBool,
}

impl BadPath {
    fn to(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        BadPath { socket, server, over: AtomicBool::new(false) }
    }

    /// Carries datagrams, each client's through a socket of its own, until it is over.
    fn carry(&self) {
        let mut clients: HashMap<SocketAddr, UdpSocket> = HashMap::new();
        let (mut count, mut buffer) = (0_u32, vec![0; 65_536]);
        let mut held: Option<(Vec<u8>, SocketAddr)> = None;
        while !self.over.load(Relaxed) {
            if let Ok((length, client)) = self.socket.recv_from(&mut buffer) {
                let onward = clients.entry(client).or_insert_with(|| {
                    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                    socket.connect(self.server).unwrap();
                    socket.set_nonblocking(true).unwrap();
                    socket
                });
                count += 1;
                for _ in 0..copies(count) {
                    onward.send(&buffer[..length]).unwrap();
                }
            }
            for (client, onward) in &clients {
                while let Ok(length) = onward.recv(&mut buffer) {
                    count += 1;
                    for _ in 0..copies(count) {
                        let _ = self.socket.send_to(&buffer[..length], client); // the client may have closed its port
                    }
                    if let Some((late, to)) = held.take() {
                        let _ = self.socket.send_to(&late, to);
                    }
                    if count % 5 == 0 {
                        held = Some((buffer[..length].to_vec(), *client));
                    }
                }
            }
        }
    }
}

fn copies(count: u32) -> u32 {
    u32::from(count % 3 != 0) + u32::from(count % 4 == 0)
}

#[test]
fn a_bad_path_costs_time_but_no_answer_and_mixes_none_up() {
    let server = Server::start("udp-echo", &["--quiet"]);
    let path = BadPath::to(server.address);
    let options = Options { timeout: "0.1".parse().unwrap(), retries: 100, trace: Trace::new(false) };
    let mut client = Client::new(vec![path.socket.local_addr().unwrap()], options);
    thread::scope(|scope| {
        scope.spawn(|| path.carry());
        let answers: Vec<_> = (0..40).map(|number| client.ask(format!("message {number}").as_bytes())).collect();
        path.over.store(true, Relaxed);
        for (answer, number) in answers.into_iter().zip(0..) {
            assert_eq!(String::from_utf8(answer.unwrap()).unwrap(), format!("서버로부터 응답: message {number}"));
        }
    });
}

/// Resources that run out and come back, as the shell's `ulimit` takes them away.
#[cfg(target_os = "linux")]
mod exhaustion {
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::process::Command;

    use crate::harness::{DEADLINE, Server, program};

    fn limited(limit: &str, user: Option<&str>) -> Server {
        let run = format!("ulimit {limit}; exec \"$0\" server --address 127.0.0.1:0");
        let mut command = Command::new("bash");
        if let Some(user) = user {
            command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
            // The workspace may lie where only root comes, as in root's home.
            command.args(["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override", "bash"]);
        }
        command.arg("-c").arg(run).arg(program("threaded-echo"));
        Server::spawn(command)
    }

    fn connect(server: &Server) -> TcpStream {
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    fn is_served(mut stream: &TcpStream) -> bool {
        let mut reply = [0; 40];
        stream.write_all(b"hello").unwrap();
        let length = stream.read(&mut reply).unwrap();
        reply[..length] == *"서버로부터 응답: hello".as_bytes()
    }

    #[test]
    fn descriptors_run_out_and_come_back_and_it_is_said_once() {
        let server = limited("-n 32", None);
        let clients: Vec<_> = (0..60).map(|_| connect(&server)).collect();
        server.wait_for_complaint("cannot accept a client: Too many open files");
        assert!(is_served(&clients[0]));
        // The last one waits in the backlog until descriptors are free again.
        let last = clients.into_iter().next_back().unwrap();
        assert!(is_served(&last));
        let end = server.interrupt();
        assert_eq!(end.stderr.matches("cannot accept a client: Too many open files").count(), 1, "{}", end.stderr);
    }

    #[test]
    fn threads_run_out_and_come_back_and_it_is_said_once() {
        // The limit does not hold for root, and for a person's account it would count that person's other programs.
        let status = fs::read_to_string("/proc/self/status").unwrap();
        if !status.lines().any(|line| line.starts_with("Uid:\t0")) {
            eprintln!("skipped: only root can try a server under an account of its own");
            return;
        }
        let server = limited("-u 20", Some("54321"));
        let clients: Vec<_> = (0..40).map(|_| connect(&server)).collect();
        let (mut served, mut refused) = (0, 0);
        for mut client in &clients {
            client.write_all(b"hello").unwrap();
            let mut reply = [0; 40];
            let length = client.read(&mut reply).unwrap();
            match &reply[..length] {
                b"error: server is full, try again later\n" => refused += 1,
                reply if reply.ends_with(b"hello") => served += 1,
                other => panic!("{}", String::from_utf8_lossy(other)),
            }
        }
        assert!(served >= 5 && refused >= 20 && served + refused == 40, "{served} served, {refused} refused");
        for client in clients {
            client.shutdown(std::net::Shutdown::Write).unwrap();
            (&client).read_to_end(&mut Vec::new()).unwrap(); // the server has let it go
        }
        // The last threads may still be on their way out, so this one may have to come again.
        while !is_served(&connect(&server)) {}
        let end = server.interrupt();
        assert_eq!(end.stderr.matches("cannot start a thread").count(), 1, "{}", end.stderr);
    }
}
