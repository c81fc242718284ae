use std::sync::mpsc;

use super::*;

/// Long enough for any machine; only a test that fails waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

/// The two ends of a connection.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.set_write_timeout(Some(DEADLINE)).unwrap();
    let (server, _) = listener.accept().unwrap();
    (server, client)
}

/// Runs `work` on a thread, and fails when it has not ended in time.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    result.recv_timeout(DEADLINE).expect("it takes too long, or has panicked")
}

#[test]
fn a_stop_ends_a_blocked_accept() {
    in_time(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stop = Stop::new();
        stop.wakes(&listener).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| stop.request());
            while !stop.is_requested() {
                listener.accept().unwrap();
            }
        });
    });
}

#[test]
#[cfg(not(windows))] // there a blocked read stays blocked: rust-lang/rust#121594
fn a_stop_ends_a_blocked_read() {
    in_time(|| {
        let (server, mut client) = pair();
        let stop = Stop::new();
        let watched = stop.watch(server);
        client.write_all(b"arrived").unwrap();
        let (reading, has_read) = mpsc::channel();
        thread::scope(|scope| {
            let reader = scope.spawn(move || {
                (&*watched).read_exact(&mut [0; 7]).unwrap();
                reading.send(()).unwrap();
                (&*watched).read(&mut [0; 8]).unwrap()
            });
            has_read.recv().unwrap();
            stop.request();
            assert_eq!(reader.join().unwrap(), 0);
        });
    });
}

#[test]
#[cfg(target_os = "linux")] // elsewhere `shutdown(Read)` throws away what has arrived
fn what_has_arrived_before_a_stop_can_still_be_read() {
    in_time(|| {
        let (server, mut client) = pair();
        let stop = Stop::new();
        let watched = stop.watch(server);
        client.write_all(b"arrived").unwrap();
        watched.peek(&mut [0; 8]).unwrap(); // it has
        stop.request();
        let mut all = Vec::new();
        (&*watched).read_to_end(&mut all).unwrap();
        assert_eq!(all, b"arrived");
    });
}

#[test]
#[cfg(not(windows))]
fn a_stream_that_is_watched_too_late_is_ended_all_the_same() {
    in_time(|| {
        let (server, _client) = pair();
        let stop = Stop::new();
        stop.request();
        assert_eq!((&*stop.watch(server)).read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn a_stream_is_closed_with_its_last_clone_and_forgotten() {
    let (server, mut client) = pair();
    let stop = Stop::new();
    let watched = stop.watch(server);
    let clone = watched.clone();
    drop(watched);
    (&*clone).write_all(b"open").unwrap();
    drop(clone);
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    assert_eq!(all, "open");
    assert!(stop.sleepers().streams.is_empty());
}

#[test]
fn a_stop_ends_a_wait() {
    in_time(|| {
        let stop = Arc::new(Stop::new());
        let waiter = Arc::clone(&stop);
        let waiting = thread::spawn(move || waiter.wait(DEADLINE * 10));
        stop.request();
        waiting.join().unwrap();
        stop.wait(DEADLINE * 10); // and every later one
    });
}

#[test]
fn a_client_that_never_reads_is_given_up_once_a_stop_is_overdue() {
    in_time(|| {
        let (server, _client) = pair();
        server.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        let stop = Stop::new();
        stop.request();
        let started = Instant::now();
        let error = stop.write_all(&server, &vec![0; 64 << 20]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        assert!(started.elapsed() >= GRACE, "given up after {:?}", started.elapsed());
    });
}

/// A writer that takes a byte, and then times out once.
struct Slow(bool);

impl Write for Slow {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        self.0 = !self.0;
        if self.0 { Ok(1) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_client_that_reads_slowly_gets_everything() {
    Stop::new().write_all(Slow(false), b"byte by byte").unwrap();
}

#[test]
fn a_client_that_is_still_sending_reads_why_it_is_closed() {
    in_time(|| {
        let (server, mut client) = pair();
        let stop = Stop::new();
        thread::scope(|scope| {
            let closer = Closer::start(scope).unwrap();
            (&server).write_all(b"error").unwrap();
            client.write_all(&[0; 100_000]).unwrap(); // a reset would follow if the server closed with these unread
            closer.close(stop.watch(server));
            client.write_all(&[0; 100_000]).unwrap();
            let mut told = String::new();
            client.read_to_string(&mut told).unwrap();
            assert_eq!(told, "error");
            client.shutdown(Shutdown::Both).unwrap();
        });
    });
}

#[test]
fn a_client_that_stays_is_closed_after_a_moment() {
    in_time(|| {
        let (server, mut client) = pair();
        let stop = Stop::new();
        thread::scope(|scope| {
            let closer = Closer::start(scope).unwrap();
            closer.close(stop.watch(server));
            while client.write_all(b"still here").is_ok() {} // until the reset
        });
    });
}

/// Runs `serve` with this many interrupts already there.
fn run_with(interrupts: usize, serve: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<Ended> {
    let (interrupt, receiver) = bounded(2);
    for _ in 0..interrupts {
        interrupt.send(()).unwrap();
    }
    let ended = in_time(move || run(&Stop::new(), &receiver, serve));
    drop(interrupt); // `main` keeps it as long as the process lives
    ended
}

#[test]
fn an_interrupt_stops_a_server_and_a_second_one_cuts_it_short() {
    let stop = Arc::new(Stop::new());
    let (interrupt, interrupts) = bounded(2);
    interrupt.send(()).unwrap();
    let ended = in_time(move || {
        let server = Arc::clone(&stop);
        run(&stop, &interrupts, move || {
            while !server.is_requested() {
                server.wait(DEADLINE);
            }
            Ok(())
        })
    });
    assert_eq!(ended.unwrap(), Ended::Stopped);
    drop(interrupt);
    let (_hold, hang) = bounded::<()>(0);
    assert_eq!(run_with(2, move || hang.recv().map_err(io::Error::other)).unwrap(), Ended::CutShort);
}

#[test]
fn a_server_that_hangs_is_left() {
    let (_hold, hang) = bounded::<()>(0);
    let started = Instant::now();
    assert_eq!(run_with(1, move || hang.recv().map_err(io::Error::other)).unwrap(), Ended::Stopped);
    assert!(started.elapsed() >= LIMIT);
}

#[test]
fn a_server_that_fails_is_reported() {
    let error = run_with(0, || Err(io::Error::other("no listener"))).unwrap_err();
    assert_eq!(error.to_string(), "no listener");
    let error = run_with(0, || panic!("on purpose")).unwrap_err();
    assert_eq!(error.to_string(), "the server's thread panicked");
}

#[test]
fn a_timeout_is_a_number_of_seconds() {
    for (typed, shown) in [("5", "5 s"), ("0.25", "0.25 s"), ("0", "never"), ("1e3", "1000 s")] {
        assert_eq!(typed.parse::<Timeout>().unwrap().to_string(), shown);
    }
    for typed in ["", "-1", "nan", "inf", "1e30", "5s", "4294968"] {
        assert!(typed.parse::<Timeout>().is_err(), "{typed}");
    }
}

/// A writer that takes its time for each byte, and never times out: a client that reads a little at a time.
struct Dribble;

impl Write for Dribble {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(10));
        Ok(1)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_client_that_reads_slowly_is_given_up_once_a_stop_is_overdue() {
    in_time(|| {
        let stop = Stop::new();
        stop.request();
        let started = Instant::now();
        stop.write_all(Dribble, &vec![0; 1 << 20]).unwrap_err();
        assert!(started.elapsed() >= GRACE, "given up after {:?}", started.elapsed());
    });
}

#[test]
fn without_a_stop_a_wait_takes_its_time() {
    let started = Instant::now();
    Stop::new().wait(Duration::from_millis(50));
    assert!(started.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_stop_can_be_requested_twice_and_is_overdue_from_the_first_time() {
    let stop = Stop::new();
    assert!(!stop.is_requested() && !stop.is_overdue());
    let started = Instant::now();
    stop.request();
    assert!(stop.is_requested());
    while !stop.is_overdue() {
        stop.request();
        assert!(started.elapsed() < DEADLINE);
        thread::yield_now();
    }
    assert!(started.elapsed() >= GRACE);
}

#[test]
fn errors_of_a_write_that_are_no_timeouts_are_passed_on() {
    struct Fails(Vec<io::ErrorKind>);
    impl Write for Fails {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.pop().map_or(Ok(bytes.len()), |kind| Err(kind.into()))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (stop, interrupted, refused) = (Stop::new(), io::ErrorKind::Interrupted, io::ErrorKind::BrokenPipe);
    stop.write_all(Fails(vec![interrupted, interrupted]), b"bytes").unwrap();
    assert_eq!(stop.write_all(Fails(vec![refused, interrupted]), b"bytes").unwrap_err().kind(), refused);
    assert_eq!(stop.write_all(&mut [0; 2][..], b"bytes").unwrap_err().kind(), io::ErrorKind::WriteZero);
    stop.write_all(Fails(vec![refused]), b"").unwrap();
}

#[test]
fn a_client_that_floods_is_closed_all_the_same() {
    in_time(|| {
        let (server, mut client) = pair();
        let stop = Stop::new();
        thread::scope(|scope| {
            let closer = Closer::start(scope).unwrap();
            closer.close(stop.watch(server));
            let mut bytes = 0_u64;
            while let Ok(length) = client.write(&[0; 65_536]) {
                bytes += length as u64; // until the reset
            }
            assert!(bytes < 256 << 20, "{bytes} bytes were read, or buffered");
        });
    });
}

#[test]
#[cfg(not(windows))]
fn a_stop_ends_the_moments_of_all_who_linger() {
    in_time(|| {
        let pairs: Vec<_> = (0..MAX_LINGERING).map(|_| pair()).collect();
        let stop = Stop::new();
        let mut clients = Vec::new();
        thread::scope(|scope| {
            let closer = Closer::start(scope).unwrap();
            for (server, client) in pairs {
                closer.close(stop.watch(server));
                clients.push(client);
            }
            stop.request();
        }); // one after the other they would take half a minute
        assert!(stop.sleepers().streams.is_empty());
    });
}

#[test]
fn one_too_many_who_linger_is_closed_at_once() {
    in_time(|| {
        let pairs: Vec<_> = (0..2 * MAX_LINGERING + 10).map(|_| pair()).collect();
        let stop = Stop::new();
        let mut clients = Vec::new();
        thread::scope(|scope| {
            let closer = Closer::start(scope).unwrap();
            for (server, client) in pairs {
                closer.close(stop.watch(server));
                clients.push(client);
            }
            assert!(stop.sleepers().streams.len() <= 2 * MAX_LINGERING + 1);
            for client in &clients {
                let mut told = Vec::new();
                let mut client = client;
                assert_eq!(client.read_to_end(&mut told).unwrap(), 0); // the end, at once, for each of them
            }
            drop(clients);
        });
    });
}

#[test]
fn those_who_linger_have_their_moments_at_the_same_time() {
    in_time(|| {
        let pairs: Vec<_> = (0..MAX_LINGERING).map(|_| pair()).collect();
        let stop = Stop::new();
        let (servers, clients): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        thread::scope(|scope| {
            let closer = Closer::start(scope).unwrap();
            servers.into_iter().for_each(|server| closer.close(stop.watch(server)));
        }); // one after the other they would take half a minute
        drop(clients);
    });
}
