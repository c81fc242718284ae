"""A read can end inside a character: keep its first bytes until the rest arrives."""

import socket
import sys
import time


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:12345"
    host, port = address.rsplit(":", 1)
    listener = socket.create_server((host, int(port)))
    print("listening on %s:%s" % listener.getsockname(), flush=True)

    while True:
        try:
            stream, peer = listener.accept()
        except OSError as error:
            print(f"cannot accept a client: {error}", file=sys.stderr)
            time.sleep(0.05)  # out of descriptors, for example: one may be free soon
            continue
        handle_client(stream, peer)


def handle_client(stream, peer):
    print("client %s:%s connected" % peer)
    try:
        with stream:  # closes it at the end. Rust: drop
            echo_messages(stream)
        print("client %s:%s disconnected" % peer)
    except (OSError, ValueError) as error:  # what the network does, what is not UTF-8
        print("client %s:%s:" % peer, error, file=sys.stderr)


def echo_messages(stream):
    pending = b""  # at most the first bytes of one character
    while True:
        data = stream.recv(1024)
        pending += data
        try:
            pending.decode()
            whole, is_bad = len(pending), False
        except UnicodeDecodeError as error:
            is_cut = error.reason == "unexpected end of data"  # so far
            whole, is_bad = error.start, not is_cut or not data
        if whole:
            reply = "서버로부터 응답: ".encode() + pending[:whole]
            stream.sendall(reply)  # one write: two would take 40 ms longer
        if is_bad:
            return stream.sendall(b"error: not UTF-8\n")
        if not data:
            return
        pending = pending[whole:]


main()
