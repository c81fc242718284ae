"""What the three programs share: arguments, what is printed, and stopping. Not about sockets,
but for the last: how a call that is blocked is ended (common/src/shutdown.rs in Rust)."""

import argparse
import contextlib
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections import Counter

PROGRAM = os.path.basename(sys.argv[0])
LINGERERS = threading.BoundedSemaphore(64)  # so many clients may linger after an error


# ANCHOR: stop
def run(serve, listener, server):
    """Runs `serve` in a thread until Ctrl-C or SIGTERM, then ends each call it is blocked in.

    `server` holds the arguments, and from here on what the threads share: `stop` is set when a
    stop is requested, and `live` are the streams whose clients are being served.
    """
    server.stop, server.live = threading.Event(), set()
    server.totals, server.lock = Counter(), threading.Lock()
    events = queue.SimpleQueue()  # Of all queues, the one that a signal handler may put into.

    def work():
        try:
            serve(listener, server)
        finally:
            events.put("over")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: events.put("stop"))
    introduce(listener.getsockname(), server)
    threading.Thread(target=work, daemon=True).start()
    event = None
    while event is None:
        # Not for ever: a signal that comes just before a wait begins does not end it, and on
        # Windows none does.
        event = wait(events, 0.2)
    if event == "over":
        return 1  # The error that did it stands on stderr.
    server.stop.set()
    shut_down(server.live, socket.SHUT_RD)  # Ends each recv, but not before what has arrived.
    wake_accept(listener)
    event = wait(events, 1)
    if event is None:
        shut_down(server.live, socket.SHUT_RDWR)  # Ends sendall to a client that does not read.
        event = wait(events, 0.6)  # What is blocked even then ends with the program.
    if event == "stop":
        return 130  # A second Ctrl-C: at once.
    totals = (count(server.totals[noun], noun) for noun in ("client", "message", "byte"))
    say("stopped: " + ", ".join(totals))
    return 0


def wait(events, timeout):
    try:
        return events.get(timeout=timeout)
    except queue.Empty:
        return None


def shut_down(streams, how):
    for stream in list(streams):
        with contextlib.suppress(OSError):  # The client has gone.
            stream.shutdown(how)


def wake_accept(listener):
    """Ends accept with a connection to ourselves, which works on every system. The accept loop
    then finds that a stop was requested. (The UDP server looks for that from time to time.)"""
    if listener.type == socket.SOCK_STREAM:
        with contextlib.suppress(OSError):
            socket.create_connection(reachable(listener.getsockname()), 0.2).close()
# ANCHOR_END: stop


# ANCHOR: utf8
def check(data: bytes, offset: int = 0, more_may_come: bool = False) -> "tuple[int, str]":
    """How many bytes of `data` are whole characters, and what is wrong behind them, if anything."""
    try:
        data.decode("utf-8")
        return len(data), ""
    except UnicodeDecodeError as error:
        if more_may_come and error.reason == "unexpected end of data":
            return error.start, ""  # recv has cut a character: its rest is on its way.
        place = f"byte 0x{data[error.start]:02X} at offset {offset + error.start}"
        return error.start, f"not UTF-8: {place}"
# ANCHOR_END: utf8


# ANCHOR: linger
def close(stream: socket.socket, gently: bool):
    """Closes a stream. Gently, when its client has an error reply to read: but in a thread of its
    own, because nobody else should have to wait for that."""
    if gently and LINGERERS.acquire(blocking=False):
        try:
            threading.Thread(target=linger, args=(stream,), daemon=True).start()
            return
        except RuntimeError:  # No thread can be started: then without.
            LINGERERS.release()
    stream.close()


def linger(stream):
    """Ends our side, then reads on for a moment. Closing a socket with unread bytes in it sends a
    reset, and that may destroy the error reply before the client has read it."""
    deadline, left = time.monotonic() + 1, 16 << 20
    with stream, contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_WR)
        while left > 0 and time.monotonic() < deadline:
            stream.settimeout(max(deadline - time.monotonic(), 0.001))
            left -= len(stream.recv(65_536)) or left
    LINGERERS.release()
# ANCHOR_END: linger


def reachable(bound: tuple) -> tuple:
    """Where a client on this machine finds a server: 0.0.0.0 is for listening only."""
    host, port = bound
    return ("127.0.0.1" if host == "0.0.0.0" else host), port


def introduce(bound, server):
    host, port = bound
    say(f"listening on {host}:{port}")
    if not host.startswith("127."):
        complain(f"warning: listening on {host}:{port}: anyone on that network can connect")
    if server.quiet:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    host, port = reachable(bound)
    python = os.path.basename(sys.executable)
    say(f"{python} {sys.argv[0]} client --address {host}:{port} 안녕하세요")
    say("paste the line above into a second terminal; Ctrl-C stops this server")


def say(line):
    """One line on stdout. If that is closed, as `| head -1` does, a server goes on all the same."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(sentence):
    """One line on stderr."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{PROGRAM}: {sentence}\n")
        sys.stderr.flush()


def count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


def address(text: str) -> tuple:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise argparse.ArgumentTypeError("write HOST:PORT, as in 127.0.0.1:12345")
    return host or "127.0.0.1", int(port)


def arguments(description, timeout):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("role", nargs="?", choices=["server", "client"], default="server")
    parser.add_argument("message", nargs="*", help="client: without one, stdin is sent")
    parser.add_argument("--address", type=address, default="127.0.0.1:12345", metavar="HOST:PORT")
    parser.add_argument("--prefix", default="서버로부터 응답: ", metavar="TEXT")
    parser.add_argument("--quiet", "-q", action="store_true", help="server: say little")
    parser.add_argument("--timeout", type=float, default=timeout, metavar="S", help="client")
    return parser


def main(parser, listen, serve, client):
    """Runs the server or the client: the exit status."""
    for output in (sys.stdout, sys.stderr):  # A Windows console may have another encoding.
        output.reconfigure(encoding="utf-8", errors="backslashreplace")
    args = parser.parse_intermixed_args()
    place = "{}:{}".format(*args.address)
    message = " ".join(args.message).encode("utf-8", "surrogateescape")
    args.message = message if args.message else None  # None: stdin is sent.
    args.prefix = args.prefix.encode("utf-8", "surrogateescape")
    try:
        if args.role == "client":
            return client(args)
        with listen(args.address) as listener:
            return run(serve, listener, args)
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        doing = "talk to" if args.role == "client" else "listen on"
        complain(f"cannot {doing} {place}: {error.strerror or error}")
        return 1
