"""A thread for each connection, however many come."""

import socket
import threading

listener = socket.create_server(("127.0.0.1", 0), backlog=100)


def handle(stream):
    stream.sendall(b"welcome")
    stream.recv(1024)


def serve():
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=handle, args=(stream,), daemon=True).start()  # WRONG: no limit.


threading.Thread(target=serve, daemon=True).start()
before = threading.active_count()
clients = [socket.create_connection(listener.getsockname()) for _ in range(100)]
for client in clients:
    client.recv(1024)
print("clients:", len(clients), "threads:", threading.active_count() - before)
