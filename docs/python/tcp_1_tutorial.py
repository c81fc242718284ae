"""The post's first server, call for call: accept one client, reply once, exit."""

import socket
import sys


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:12345"
    host, port = address.rsplit(":", 1)  # Rust: bind does this
    listener = socket.create_server((host, int(port)))  # socket, bind, listen
    print("listening on %s:%s" % listener.getsockname(), flush=True)

    stream, peer = listener.accept()
    print("client %s:%s connected" % peer)

    data = stream.recv(1024)
    text = data.decode()
    stream.sendall(f"서버로부터 응답: {text}".encode())

    stream.close()  # Rust: drop
    listener.close()  # Rust: drop


main()
