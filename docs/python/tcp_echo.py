"""Pattern 1: a TCP echo server that talks to one client at a time, and its client.

    python3 docs/python/tcp_echo.py                    the server; Ctrl-C stops it
    python3 docs/python/tcp_echo.py client 안녕하세요  the client, in a second terminal

Its Rust counterparts are server.rs, conversation.rs and client.rs in tcp-echo/src.
"""

import contextlib
import io
import os
import select
import socket
import sys
import threading
import time
from collections import Counter

from common import arguments, check, close, complain, count, main, say

READ_SIZE = 65_536  # bytes that one recv takes at most
MAX_LINE = 65_536  # bytes; without a limit, one client could fill the memory with one line
WRITE_TIMEOUT = 10.0  # seconds in which a client has to take its replies


# ANCHOR: listen
def listen(address: tuple) -> socket.socket:
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
            stream.close()  # It may be the connection that wakes us.
        else:
            server.live.add(stream)
            yield stream, peer
# ANCHOR_END: serve


def attend(stream, peer, server):
    """One client, from its coming to its going. What goes wrong with it disturbs no other."""
    name, started, tally = "{}:{}".format(*peer), time.monotonic(), Counter(client=1)
    say(f"client {name} connected")
    told, trouble = "", ""
    try:
        if server.stop.is_set():
            stream.shutdown(socket.SHUT_RD)  # It was accepted while the others were being woken.
        told = trouble = converse(stream, server, tally)
    except socket.timeout:
        trouble = f"it has not taken its replies within {WRITE_TIMEOUT:g} s"
    except OSError as error:  # A reset, for example.
        trouble = f"the connection is lost: {error.strerror}"
    if trouble:
        complain(f"client {name}: {trouble}")
    counts = count(tally["message"], "message") + ", " + count(tally["byte"], "byte")
    seconds = time.monotonic() - started
    say(f"client {name} {'closed' if trouble else 'left'}: {counts}, {seconds:.1f} s")
    with server.lock:
        server.totals.update(tally)
    server.live.discard(stream)
    close(stream, gently=told)


# ANCHOR: converse
def converse(stream: socket.socket, server, tally: Counter) -> str:
    """Answers each message until the client has ended its side, or a stop is requested.

    It returns the error that was the end of it, if any; the client has been told.
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
        if replies:
            stream.settimeout(WRITE_TIMEOUT)
            stream.sendall(replies)  # One call answers all that one recv has brought.
        if error or not arrived:
            return error
# ANCHOR_END: converse


# ANCHOR: reply
def reply(held: bytes, ended: bool, server, tally: Counter) -> "tuple[bytes, bytes, str]":
    """The replies to all that is whole in `held`, the rest of it, and what is wrong with that."""
    if server.framing == "line":
        return reply_to_lines(held, ended, server.prefix, tally)
    if server.framing == "chunk":
        prefix, (whole, error) = server.prefix, check(held, tally["byte"], more_may_come=not ended)
    else:
        prefix, whole, error = b"", len(held), ""
    if not whole:
        return b"", held, error
    tally["message"] += 1
    tally["byte"] += whole
    return prefix + held[:whole], held[whole:], error


def reply_to_lines(held, ended, prefix, tally):
    *lines, rest = held.split(b"\n")
    replies = []
    for line in [line + b"\n" for line in lines] + [rest]:
        has_end = line.endswith(b"\n")
        # The ending does not count, and behind a `\r` at the end, the `\n` may be on its way.
        text = line.removesuffix(b"\n").removesuffix(b"\r") if has_end or not ended else line
        if len(text) > MAX_LINE:
            return b"".join(replies), b"", f"line longer than {MAX_LINE} bytes"
        if has_end or ended and line:
            _, error = check(line)
            if error:
                replies.append(f"error: {error}\n".encode())  # The next line may be a good one.
                continue
            replies.append(prefix + line)
            tally["message"] += 1
            tally["byte"] += len(line)
    return b"".join(replies), rest, ""
# ANCHOR_END: reply


# ANCHOR: connect
def connect(address: tuple, timeout: float) -> socket.socket:
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.settimeout(timeout or None)
    stream.connect(address)
    stream.settimeout(None)  # From now on, `select` keeps the time.
    return stream
# ANCHOR_END: connect


# ANCHOR: talk
def talk(stream: socket.socket, message: "bytes | None", timeout: float) -> "tuple[bytes, str]":
    """Carries the message, or else stdin, to the server and the replies to stdout, both at once: a
    client that sends all before it reads stops for ever when the replies have filled the buffers.

    It returns the last bytes that have arrived, and what went wrong, if anything.
    """
    # `raw`, because a thread blocked in a read of the buffered stdin could not be left behind.
    source = sys.stdin.buffer.raw if message is None else io.BytesIO(message)
    sent = {"bytes": 0, "at": 0.0, "all": False}
    threading.Thread(target=send, args=(stream, source, sent), daemon=True).start()
    received, arrived_at = b"", time.monotonic()
    while True:
        is_owed = sent["all"] or sent["at"] > arrived_at
        waited = time.monotonic() - max(arrived_at, sent["at"])
        if timeout and is_owed and waited >= timeout:
            return received, f"no answer: nothing has arrived for {timeout:g} s"
        patience = timeout - waited if is_owed else timeout
        if not select.select([stream], [], [], patience if timeout else None)[0]:
            continue
        arrived = stream.recv(READ_SIZE)
        if not arrived:
            break
        received, arrived_at = arrived, time.monotonic()
        sys.stdout.buffer.write(arrived)  # Bytes, because recv may have cut a character here too.
        sys.stdout.buffer.flush()
    if message is None and not sent["all"]:
        return received, "the server closed the connection before everything was sent"
    return received, "the server closed without an answer" if sent["bytes"] and not received else ""


def send(stream, source, sent):
    with contextlib.suppress(OSError):  # The thread that receives will find out for itself.
        while data := source.read(READ_SIZE):
            sent["at"] = time.monotonic()
            sent["bytes"] += len(data)
            stream.sendall(data)
        sent["at"] = time.monotonic()
        sent["all"] = True
        # Half of a close: it tells the server that the last message is complete. When the server
        # has then ended its side, everything is answered.
        stream.shutdown(socket.SHUT_WR)
# ANCHOR_END: talk


def client(args):
    """Sends one message, or stdin, and prints what comes back: the exit status."""
    with connect(args.address, args.timeout) as stream:
        received, trouble = talk(stream, args.message, args.timeout)
    if args.message is not None and received and not received.endswith(b"\n"):
        say("")
    if trouble:
        complain(trouble)
    return 1 if trouble else 0


def tcp_arguments(description):
    parser = arguments(description, timeout=5.0)
    parser.add_argument("--framing", choices=["chunk", "line", "raw"], default="chunk")
    parser.add_argument("--idle-timeout", type=float, default=600.0, metavar="S", help="0: never")
    return parser


if __name__ == "__main__":
    parser = tcp_arguments("A TCP echo server that talks to one client at a time, and its client")
    sys.exit(main(parser, listen, serve, client))
