"""The post's third server, call for call: a thread for each client."""

import socket
import sys
import threading


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:12345"
    host, port = address.rsplit(":", 1)
    listener = socket.create_server((host, int(port)))
    print("listening on %s:%s" % listener.getsockname(), flush=True)

    while True:
        stream, peer = listener.accept()
        print("client %s:%s connected" % peer)
        threading.Thread(target=handle_client, args=(stream,)).start()


def handle_client(stream):
    data = stream.recv(1024)
    text = data.decode()  # if this fails, main still has the stream open. Rust: moved
    stream.sendall(f"서버로부터 응답: {text}".encode())
    stream.close()  # Rust: drop


main()
