"""No reply to a reply: a forged sender could make two servers talk forever."""

import socket
import sys

PREFIX = "서버로부터 응답: "


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:12345"
    host, port = address.rsplit(":", 1)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, int(port)))
    print("listening on %s:%s" % sock.getsockname(), flush=True)

    while True:
        try:
            echo_datagram(sock)
        except OSError as error:
            print(f"cannot echo a datagram: {error}", file=sys.stderr)


def echo_datagram(sock):
    # On Windows this fails after a reply to a port that was closed by then.
    data, peer = sock.recvfrom(65_536)  # larger than any datagram
    if is_reply(data):
        print("datagram from %s:%s: not answered: it begins like a reply" % peer)
        return
    reply = build_reply(data)
    sent = sock.sendto(reply.encode(), peer)
    print("datagram from %s:%s:" % peer, len(data), "bytes, replied with", sent, "bytes")


def is_reply(datagram):
    return datagram.startswith(PREFIX.encode()) or datagram.startswith(b"error: ")


def build_reply(datagram):
    try:
        return f"{PREFIX}{datagram.decode()}"
    except UnicodeDecodeError:
        return "error: not UTF-8"


main()
