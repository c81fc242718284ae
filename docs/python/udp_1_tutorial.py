"""The post's second server, call for call: receive a datagram, reply to it, repeat."""

import socket
import sys


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:12345"
    host, port = address.rsplit(":", 1)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, int(port)))
    print("listening on %s:%s" % sock.getsockname(), flush=True)

    while True:
        data, peer = sock.recvfrom(1024)
        text = data.decode()
        print("datagram from %s:%s:" % peer, text)
        sock.sendto(f"서버로부터 응답: {text}".encode(), peer)


main()
