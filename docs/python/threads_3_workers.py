"""A pool: four workers accept from one listener. A fifth client waits unnoticed."""

import socket
import sys
import threading
import time

WORKERS = 4


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:12345"
    host, port = address.rsplit(":", 1)
    listener = socket.create_server((host, int(port)))
    print("listening on %s:%s" % listener.getsockname(), flush=True)

    for _ in range(WORKERS):  # Rust: in a scope, which joins them
        threading.Thread(target=accept_clients, args=(listener,)).start()


def accept_clients(listener):
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
    while True:
        data = stream.recv(1024)
        if not data:
            return
        text = data.decode()
        stream.sendall(f"서버로부터 응답: {text}".encode())


main()
