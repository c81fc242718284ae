"""Pattern 1: a TCP echo server that talks to one client at a time, and its client.

    python3 docs/python/tcp_echo.py                    the server; Ctrl-C stops it
    python3 docs/python/tcp_echo.py client 안녕하세요  the client, in a second terminal

Its Rust counterparts are server.rs, conversation.rs and client.rs in tcp-echo/src.
"""

import argparse
import contextlib
import io
import os
import select
import signal
import socket
import sys
import threading
import time
from collections import Counter

PROGRAM = os.path.basename(sys.argv[0])
READ_SIZE = 65_536  # bytes that one recv takes at most
MAX_LINE = 65_536  # bytes; without a limit, one client could fill the memory with one line
WRITE_TIMEOUT = 10.0  # seconds in which a client has to take a reply
LINGERERS = threading.BoundedSemaphore(64)  # so many clients may linger after an error


# ANCHOR: listen
def listen(address):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name != "nt":
        # The connections of a server that was just stopped keep its port for a minute, unless this
        # is set. On Windows they do not, and there it would let two programs share the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen()
    return listener
# ANCHOR_END: listen


# ANCHOR: serve
def serve(listener, server):
    """Talks to one client until it leaves, then to the next, until a stop is requested."""
    for stream, peer in arrivals(listener, server):
        attend(stream, peer, server)


def arrivals(listener, server):
    """Each client that comes, with its address. No error ends this, only a stop."""
    complained = False
    while not server.stop.is_set():
        try:
            stream, peer = listener.accept()
        except OSError as error:  # No descriptor is left, for example: soon there may be one.
            if not complained:
                complain(f"cannot accept a client: {error.strerror}; trying again")
            complained = True
            server.stop.wait(0.05)
            continue
        complained = False
        if server.stop.is_set():
            stream.close()  # It may be the connection that wakes us, see `run`.
            break
        server.live.add(stream)
        yield stream, peer
# ANCHOR_END: serve


def attend(stream, peer, server):
    """One client, from its coming to its going. What goes wrong with it disturbs no other."""
    name, started, tally = "{}:{}".format(*peer), time.monotonic(), Counter(clients=1)
    say(f"client {name} connected")
    told = trouble = ""
    try:
        if server.stop.is_set():
            stream.shutdown(socket.SHUT_RD)  # The round of wake-ups in `run` may be over.
        told = trouble = converse(stream, server, tally)
    except socket.timeout:
        trouble = f"it has not taken a reply within {WRITE_TIMEOUT:g} s"
    except OSError as error:  # A reset, for example.
        trouble = f"the connection is lost: {error.strerror}"
    if trouble:
        complain(f"client {name}: {trouble}")
    how, seconds = "closed" if trouble else "left", time.monotonic() - started
    counts = f"{count(tally['messages'], 'message')}, {count(tally['bytes'], 'byte')}"
    say(f"client {name} {how}: {counts}, {seconds:.1f} s")
    with server.lock:
        server.totals.update(tally)
    server.live.discard(stream)
    if told:
        close_gently(stream)
    else:
        stream.close()


# ANCHOR: converse
def converse(stream, server, tally):
    """Answers each message until the client has ended its side, or a stop is requested.

    It returns the error that the client has been told, if that was the end of it.
    """
    # A reply is complete: it need not wait for more to be sent with it.
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    held = b""  # What has arrived of a message whose rest has not.
    while True:
        stream.settimeout(server.idle_timeout or None)
        try:
            arrived = stream.recv(READ_SIZE)
        except socket.timeout:
            replies, error = b"", f"nothing has arrived for {server.idle_timeout:g} s"
        else:
            if not arrived and server.stop.is_set():
                return ""  # The stop has ended the stream, not the client: half is no message.
            replies, held, error = reply(held + arrived, not arrived, server, tally)
        if error:
            replies += f"error: {error}\n".encode()
        stream.settimeout(WRITE_TIMEOUT)
        if replies:
            stream.sendall(replies)  # One call for all that one recv brought.
        if error or not arrived:
            return error
# ANCHOR_END: converse


# ANCHOR: reply
def reply(held, ended, server, tally):
    """The replies to all that is whole in `held`, what is left of it, and what is wrong with that."""
    if server.framing == "line":
        return reply_to_lines(held, ended, server.prefix, tally)
    prefix, whole, error = b"", len(held), ""
    if server.framing == "chunk":
        prefix, (whole, error) = server.prefix, check(held, tally["bytes"], not ended)
    if not whole:
        return b"", held, error
    tally.update(messages=1, bytes=whole)
    return prefix + held[:whole], held[whole:], error


def reply_to_lines(held, ended, prefix, tally):
    *lines, rest = held.split(b"\n")
    replies = []
    for line in [line + b"\n" for line in lines] + [rest]:
        is_whole = line.endswith(b"\n") or ended
        # The ending does not count, and behind a `\r` at the end a `\n` may be on its way.
        if len(line.removesuffix(b"\n").removesuffix(b"\r")) > MAX_LINE:
            return b"".join(replies), b"", f"line longer than {MAX_LINE} bytes"
        if line and is_whole:
            _, error = check(line)
            replies.append(f"error: {error}\n".encode() if error else prefix + line)
            tally.update({} if error else {"messages": 1, "bytes": len(line)})
    return b"".join(replies), b"" if ended else rest, ""


def check(data, offset=0, more_may_come=False):
    """How many bytes of `data` are whole characters, and what is wrong behind them, if anything."""
    try:
        data.decode("utf-8")
        return len(data), ""
    except UnicodeDecodeError as error:
        if more_may_come and error.reason == "unexpected end of data":
            return error.start, ""  # recv has cut a character: its rest is on its way.
        place = f"byte 0x{data[error.start]:02X} at offset {offset + error.start}"
        return error.start, f"not UTF-8: {place}"
# ANCHOR_END: reply


def close_gently(stream):
    """Closes a stream whose client has to read an error first, and holds up nobody meanwhile."""
    if LINGERERS.acquire(blocking=False):
        with contextlib.suppress(RuntimeError):  # No thread can be started: then without.
            threading.Thread(target=linger, args=(stream,), daemon=True).start()
            return
        LINGERERS.release()
    stream.close()


def linger(stream):
    """Ends our side, then reads on for a moment: closing a socket with unread bytes in it sends
    a reset, and that can destroy the error reply before the client has read it."""
    deadline, left = time.monotonic() + 1, 16 << 20
    with stream, contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_WR)
        while left > 0 and time.monotonic() < deadline:
            stream.settimeout(max(deadline - time.monotonic(), 0.001))
            scrap = stream.recv(READ_SIZE)
            left = left - len(scrap) if scrap else 0
    LINGERERS.release()


# ANCHOR: stop
def run(serve, listener, server):
    """Runs `serve` in a thread until Ctrl-C or SIGTERM, then ends each call it is blocked in."""
    server.stop, server.live, server.lock = threading.Event(), set(), threading.Lock()
    server.totals, over = Counter(), threading.Event()

    def work():
        try:
            serve(listener, server)
        finally:
            over.set()

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)  # It raises KeyboardInterrupt.
        threading.Thread(target=work, daemon=True).start()
        # Not `join`: before Python 3.13, one that was interrupted takes the thread for ended.
        # On Windows, Ctrl-C does not end a wait, so that is looked for five times a second.
        while not over.wait(0.2 if os.name == "nt" else None):
            pass
        return 1  # Nobody has stopped it: an error of its own has, and stands on stderr.
    except KeyboardInterrupt:
        server.stop.set()
    shut_down(server.live, socket.SHUT_RD)  # Ends each recv, but not before what has arrived.
    with contextlib.suppress(OSError):  # Ends accept: a connection to ourselves.
        host, port = listener.getsockname()
        host = "127.0.0.1" if host == "0.0.0.0" else host
        socket.create_connection((host, port), 0.2).close()
    if not over.wait(1):
        shut_down(server.live, socket.SHUT_RDWR)  # Ends sendall to a client that does not read.
        over.wait(0.6)  # What is still blocked then ends with the program.
    counts = (count(server.totals[noun + "s"], noun) for noun in ("client", "message", "byte"))
    say("stopped: " + ", ".join(counts))
    return 0


def shut_down(streams, how):
    for stream in list(streams):
        with contextlib.suppress(OSError):  # The client has gone.
            stream.shutdown(how)
# ANCHOR_END: stop


def start(serve, server):
    """Listens, says where, and serves until it is stopped: the exit status."""
    server.prefix = server.prefix.encode("utf-8", "surrogateescape")
    try:
        listener = listen(server.address)
    except OSError as error:
        place = "{}:{}".format(*server.address)
        return complain(f"cannot listen on {place}: {error.strerror}") or 1
    host, port = listener.getsockname()
    say(f"listening on {host}:{port}")
    if server.quiet:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    python = os.path.basename(sys.executable)
    say(f"{python} {sys.argv[0]} client --address {host}:{port} 안녕하세요")
    say("paste the line above into a second terminal; Ctrl-C stops this server")
    if not host.startswith("127."):
        complain(f"warning: listening on {host}:{port}: anyone on that network can connect")
    return run(serve, listener, server)


# ANCHOR: connect
def connect(address, timeout):
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    stream.settimeout(timeout or None)
    stream.connect(address)
    stream.settimeout(None)  # From now on `select` keeps the time.
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream
# ANCHOR_END: connect


# ANCHOR: talk
def talk(stream, source, timeout):
    """Carries `source` to the server and the replies to stdout, both at once: a client that sends
    everything before it reads anything stops for ever once the replies have filled the buffers.

    It returns the last bytes that arrived, and what went wrong.
    """
    sent = Counter()  # The time of the last send, and whether there will be more.
    threading.Thread(target=send, args=(stream, source, sent), daemon=True).start()
    received, last = b"", time.monotonic()
    while True:
        waited = time.monotonic() - max(last, sent["at"])
        is_owed = sent["at"] > last or sent["ended"]
        if timeout and is_owed and waited >= timeout:
            return received, f"no answer: nothing has arrived for {timeout:g} s"
        wait = timeout - waited if is_owed else timeout
        ready, _, _ = select.select([stream], [], [], wait if timeout else None)
        if not ready:
            continue
        arrived = stream.recv(READ_SIZE)
        if not arrived:
            break
        received, last = arrived, time.monotonic()
        sys.stdout.buffer.write(arrived)  # Bytes: a character may be cut here too.
        sys.stdout.buffer.flush()
    if not sent["ended"]:
        return received, "the server closed the connection before everything was sent"
    return received, "" if received or not sent["at"] else "the server closed without an answer"


def send(stream, source, sent):
    with contextlib.suppress(OSError):  # The thread that receives finds out for itself.
        while data := source.read(READ_SIZE):
            sent["at"] = time.monotonic()
            stream.sendall(data)
        sent["ended"] = 1
        # Half of a close. It tells the server that the last message is complete; when the server
        # has ended its side too, all of them are answered.
        stream.shutdown(socket.SHUT_WR)
# ANCHOR_END: talk


def client(args):
    """Sends one message, or stdin, and prints what comes back: the exit status."""
    place = "{}:{}".format(*args.address)
    message = " ".join(args.message).encode("utf-8", "surrogateescape")
    # `raw`, because a thread that is blocked in a buffered read could not be left behind.
    source = io.BytesIO(message) if args.message else sys.stdin.buffer.raw
    try:
        stream = connect(args.address, args.timeout)
    except OSError as error:
        return complain(f"cannot connect to {place}: {error.strerror or error}") or 1
    try:
        received, trouble = talk(stream, source, args.timeout)
    except OSError as error:
        received, trouble = b"", f"the connection is lost: {error.strerror}"
    if args.message and received and not received.endswith(b"\n"):
        print(flush=True)
    return complain(f"{place}: {trouble}") or 1 if trouble else 0


def say(line):
    """One line on stdout. If that is closed (`| head -1`), the server goes on all the same."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(sentence):
    with contextlib.suppress(OSError):
        print(f"{PROGRAM}: {sentence}", file=sys.stderr, flush=True)


def count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


def address(text):
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise argparse.ArgumentTypeError("write HOST:PORT, as in 127.0.0.1:12345")
    return host or "127.0.0.1", int(port)


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("role", nargs="?", choices=["server", "client"], default="server")
    parser.add_argument("message", nargs="*", help="client: without one, stdin is sent")
    parser.add_argument("--address", type=address, default="127.0.0.1:12345", metavar="HOST:PORT")
    parser.add_argument("--framing", choices=["chunk", "line", "raw"], default="chunk")
    parser.add_argument("--prefix", default="서버로부터 응답: ", metavar="TEXT")
    parser.add_argument("--idle-timeout", type=float, default=600.0, metavar="S", help="0: never")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="S", help="of the client")
    parser.add_argument("--quiet", "-q", action="store_true")
    return parser


def main(serve, parser):
    for output in (sys.stdout, sys.stderr):  # A Windows console may have another encoding.
        output.reconfigure(encoding="utf-8", errors="backslashreplace")
    args = parser.parse_intermixed_args()
    try:
        return client(args) if args.role == "client" else start(serve, args)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(serve, arguments("A TCP echo server for one client at a time, and its client")))
