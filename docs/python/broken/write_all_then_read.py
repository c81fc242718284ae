"""The client sends everything before it reads anything."""

import socket
import threading

listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
stream, _ = listener.accept()


def echo():
    while data := stream.recv(65_536):
        stream.sendall(data)


def ask():
    client.sendall(b"x" * (64 << 20))  # WRONG: the replies fill the buffers meanwhile.
    client.recv(65_536)


threads = [threading.Thread(target=side, daemon=True) for side in (echo, ask)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(1)
print("the server waits until somebody reads:", threads[0].is_alive())
print("the client waits until somebody reads:", threads[1].is_alive())
