"""One client is accepted, one message of it is answered, and then the server has ended."""

import socket
import threading


def serve(listener):
    stream, _ = listener.accept()  # WRONG: no loop around it, so there is no second client.
    stream.sendall(stream.recv(1024))  # WRONG: no loop here either, so no second message.
    stream.close()
    listener.close()


listener = socket.create_server(("127.0.0.1", 0))
address = listener.getsockname()
server = threading.Thread(target=serve, args=(listener,), daemon=True)
server.start()

first = socket.create_connection(address, timeout=5)
first.sendall(b"one")
print("the first client asks:          ", first.recv(1024))
server.join(5)
try:
    first.sendall(b"two")
    print("the first client asks again:    ", first.recv(1024))
except ConnectionError as error:
    print("the first client asks again:    ", type(error).__name__)
try:
    socket.create_connection(address, timeout=5)
except ConnectionError as error:
    print("the second client wants to come:", type(error).__name__)
