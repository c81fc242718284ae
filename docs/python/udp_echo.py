"""Pattern 2: a UDP echo server, and its client.

    python3 docs/python/udp_echo.py                    the server; Ctrl-C stops it
    python3 docs/python/udp_echo.py client 안녕하세요  the client, in a second terminal

Its Rust counterparts are server.rs and client.rs in udp-echo/src.
"""

import errno
import socket
import sys

from common import arguments, check, complain, count, main, say

BUFFER = 65_535  # bytes; no datagram is longer, and recvfrom cuts off what does not fit
TICK = 0.2  # seconds; so often an idle server looks whether a stop was requested


# ANCHOR: listen
def listen(address: tuple) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Not SO_REUSEADDR: a UDP port is free again at once, and with it two servers could share one.
    sock.bind(address)
    return sock
# ANCHOR_END: listen


# ANCHOR: serve
def serve(sock, server):
    """Answers each datagram, until a stop is requested."""
    clients = set()
    for datagram, peer in arrivals(sock, server):
        if peer not in clients and len(clients) < 65_536:  # Senders can be forged without end.
            clients.add(peer)
            server.totals["client"] += 1
        if is_reply(datagram, server):
            outcome = "not answered: it begins as a reply does"
        else:
            outcome = send(sock, answer(datagram, server), peer)
        say(f"datagram from {peer[0]}:{peer[1]}: {count(len(datagram), 'byte')}, {outcome}")
# ANCHOR_END: serve


# ANCHOR: receive
def arrivals(sock, server):
    """Each datagram that comes, with its sender. No error ends this, only a stop."""
    sock.settimeout(TICK)
    complained = False
    while True:
        try:
            datagram, peer = sock.recvfrom(BUFFER)
        except socket.timeout:
            if server.stop.is_set():
                return  # Now everything that had arrived is answered.
        except ConnectionResetError:
            pass  # So Windows says that an earlier reply has met a closed port.
        except OSError as error:
            if not complained:
                complain(f"cannot receive a datagram: {error.strerror}; trying again")
            complained = True
            server.stop.wait(TICK)
        else:
            yield datagram, peer  # An empty one too: it is a message, and not the end.
# ANCHOR_END: receive


# ANCHOR: answer
def is_reply(datagram: bytes, server) -> bool:
    """Whether another server may have sent this. Whoever forges a sender can make two servers
    talk to each other for ever, unless neither answers an answer."""
    has_prefix = server.prefix and not server.raw and datagram.startswith(server.prefix)
    return bool(has_prefix) or datagram.startswith(b"error: ")


def answer(datagram: bytes, server) -> bytes:
    _, error = (0, "") if server.raw else check(datagram)
    if error:
        return f"error: {error}".encode()
    server.totals.update(message=1, byte=len(datagram))
    return datagram if server.raw else server.prefix + datagram


def send(sock: socket.socket, reply: bytes, peer: tuple) -> str:
    """Sends the reply or, if that is too long, one that says so. It returns what came of it."""
    length = len(reply)
    try:
        try:
            sock.sendto(reply, peer)
        except OSError as error:
            if error.errno != errno.EMSGSIZE:  # Over 65,507 bytes; on macOS over 9,216.
                raise
            reply = f"error: reply of {length} bytes does not fit in one datagram".encode()
            sock.sendto(reply, peer)
        return f"answered with {len(reply)}"
    except OSError as error:
        return f"not answered with {length}: {error.strerror or error}"
# ANCHOR_END: answer


# ANCHOR: connect
def connect(address: tuple) -> socket.socket:
    """A socket that takes datagrams from the server alone, and hears when its port is closed."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(address)
    return sock
# ANCHOR_END: connect


# ANCHOR: ask
def ask(sock: socket.socket, message: bytes, timeout: float, retries: int) -> "bytes | None":
    """Sends a message, and again while no reply comes: the reply, or None."""
    sock.settimeout(timeout or None)
    for _ in range(1 + retries):
        sock.send(message)
        try:
            return sock.recv(BUFFER)
        except socket.timeout:
            pass  # The message or its reply is lost, or late.
    return None
# ANCHOR_END: ask


def client(args):
    """Sends one message, or each line of stdin, and prints the replies: the exit status."""
    status, last = 0, None
    for line in sys.stdin.buffer if args.message is None else [args.message]:
        # A socket, and so a port, for each message: a late copy of a reply finds nobody. The last
        # socket is closed only when there is the next, or that could be given the same port.
        sock = connect(args.address)
        if last:
            last.close()
        last = sock
        trouble = f"no answer: sent {1 + args.retries} times, waited {args.timeout:g} s each time"
        try:
            message = line.removesuffix(b"\n").removesuffix(b"\r")
            reply = ask(sock, message, args.timeout, args.retries)
        except (ConnectionRefusedError, ConnectionResetError):  # The latter on Windows.
            reply, trouble = None, "no answer: the port is closed"
        except OSError as error:  # A message that is too long, for example.
            reply, trouble = None, f"cannot send {len(message)} bytes: {error.strerror}"
        if reply is None:
            complain(trouble)
            status = 1
        else:
            sys.stdout.buffer.write(reply + b"\n")
            sys.stdout.buffer.flush()
    return status


if __name__ == "__main__":
    parser = arguments("A UDP echo server, and its client", timeout=1.0)
    parser.add_argument("--raw", action="store_true", help="server: bytes back unchanged")
    parser.add_argument("--retries", type=int, default=3, metavar="N", help="client")
    sys.exit(main(parser, listen, serve, client))
