"""One message, one reply. A datagram can be lost, doubled, late, or a stranger's."""

import socket
import sys


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:12345"
    host, port = address.rsplit(":", 1)
    message = " ".join(sys.argv[2:])
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", 0))  # port 0: any free one
    sock.connect((host, int(port)))  # sends nothing: now strangers are filtered out

    timeout = 0.5
    for _ in range(4):
        sock.send(message.encode())
        sock.settimeout(timeout)
        try:
            data = sock.recv(65_536)
            print(data.decode(errors="replace"))
            return
        except socket.timeout:
            timeout *= 2
    sys.exit("no reply to 4 datagrams")


main()
