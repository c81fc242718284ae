"""Two loops: one accepts the next client, the one inside reads its next message."""

import socket
import sys


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:12345"
    host, port = address.rsplit(":", 1)
    listener = socket.create_server((host, int(port)))
    print("listening on %s:%s" % listener.getsockname(), flush=True)

    while True:
        stream, peer = listener.accept()
        print("client %s:%s connected" % peer)

        while True:
            data = stream.recv(1024)
            if not data:
                break  # the end of the stream, not an empty message
            text = data.decode()
            stream.sendall(f"서버로부터 응답: {text}".encode())
        stream.close()  # Rust: drop
        print("client %s:%s disconnected" % peer)


main()
