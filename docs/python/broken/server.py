"""An echo server with one trap of your choice, and otherwise none. For the checker.

    python3 docs/python/broken/server.py TRAP [PORT]

With split-character, for example, `cargo run -p tests -- tcp --only split-character` finds it.
"""

import socket
import sys

PREFIX = "서버로부터 응답: ".encode()
TRAP = sys.argv[1] if len(sys.argv) > 1 else sys.exit(__doc__)
ADDRESS = ("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 12345)


def whole_characters(data):
    """How many bytes of `data` are whole characters."""
    try:
        data.decode()
        return len(data)
    except UnicodeDecodeError as error:
        return error.start


def reply_to(data):
    if TRAP == "literal-braces":
        return PREFIX + "{data}".encode()  # WRONG: there is no f in front of it.
    if TRAP == "bytes-not-text":
        return PREFIX + f"{data}".encode()  # WRONG: data is not decoded.
    return PREFIX + data


def converse(stream):
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, TRAP != "two-small-writes")
    held = b""
    while True:
        data = stream.recv(65_536)
        if not data:
            if TRAP == "end-of-stream":
                stream.sendall(reply_to(data))  # WRONG: nobody has said anything.
            return
        if TRAP == "split-character":
            data.decode()  # WRONG: the rest of the last character may be on its way.
        held += data
        whole = whole_characters(held)
        reply, held = reply_to(held[:whole]), held[whole:]
        if TRAP == "two-small-writes" and whole:
            stream.sendall(reply[: len(PREFIX)])
            stream.sendall(reply[len(PREFIX) :])  # WRONG: this waits for the first to be acknowledged.
        elif whole:
            stream.sendall(reply)
        if TRAP == "partial-read":
            return  # WRONG: one recv is not one message.


def serve_tcp(listener):
    while True:
        stream, _ = listener.accept()
        with stream:
            if TRAP == "reset-by-peer":
                converse(stream)  # WRONG: there is no try around this.
            else:
                try:
                    converse(stream)
                except (OSError, UnicodeDecodeError) as error:
                    print(type(error).__name__, file=sys.stderr)
        if TRAP == "one-shot":
            return  # WRONG: the next client may come.


def serve_udp(sock):
    size = 1024 if TRAP == "truncated-datagram" else 65_535  # WRONG, the former: it cuts.
    while True:
        data, peer = sock.recvfrom(size)
        if TRAP == "empty-datagram" and not data:
            continue  # WRONG: it is a message without bytes.
        if TRAP != "echo-loop" and data.startswith((PREFIX, b"error: ")):
            continue  # With echo-loop, WRONG: an answer is answered.
        if TRAP == "bad-bytes":
            data.decode()  # WRONG: anybody can send anything, and there is no try.
        sock.sendto(reply_to(data), peer)


UDP = TRAP in ("bad-bytes", "truncated-datagram", "empty-datagram", "echo-loop")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if UDP else socket.SOCK_STREAM) as sock:
    if not UDP:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(ADDRESS)
    if not UDP:
        sock.listen()
    print("listening on {}:{}".format(*sock.getsockname()), flush=True)
    if UDP:
        serve_udp(sock)
    else:
        serve_tcp(sock)
