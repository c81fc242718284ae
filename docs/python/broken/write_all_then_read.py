"""The client sends everything before it reads anything, and both sides get stuck."""

import socket
import threading


def echo():
    while data := server.recv(65_536):
        server.sendall(data)


def request():
    client.sendall(b"x" * (64 << 20))  # WRONG: meanwhile the replies fill all buffers
    client.recv(65_536)


listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
threads = [threading.Thread(target=side, daemon=True) for side in (echo, request)]
for thread in threads:
    thread.start()
for name, thread in zip(("server", "client"), threads):
    thread.join(1)
    print(f"after 1 s the {name} is still in sendall:", thread.is_alive())
