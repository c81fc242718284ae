"""A silent first client keeps all others waiting."""

import socket
import threading

listener = socket.create_server(("127.0.0.1", 0))


def serve():
    while True:
        stream, _ = listener.accept()
        with stream:
            while data := stream.recv(1024):  # WRONG, if others are to be served meanwhile.
                stream.sendall(b"reply to " + data)


threading.Thread(target=serve, daemon=True).start()
silent = socket.create_connection(listener.getsockname())
second = socket.create_connection(listener.getsockname())  # It is connected: the backlog has it.
second.settimeout(0.5)
second.sendall(b"hello")
try:
    second.recv(1024)
except socket.timeout:
    print("the second client gets nothing while the first says nothing")
silent.close()
second.settimeout(5)
print("when the first has left, it gets:", second.recv(1024).decode())
