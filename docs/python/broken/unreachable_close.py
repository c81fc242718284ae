"""The line after `while True` never runs. Ctrl-C is the only way out."""

import signal
import socket


def serve(listener):
    while True:
        stream, _ = listener.accept()
        data = stream.recv(1024)
        signal.raise_signal(signal.SIGINT)  # Ctrl-C is pressed at this moment
        stream.sendall(b"reply: " + data)
    listener.close()  # WRONG: never reached


signal.signal(signal.SIGINT, signal.default_int_handler)
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname(), timeout=5)
client.sendall(b"hello")
try:
    serve(listener)
except KeyboardInterrupt:
    print("the server has ended: KeyboardInterrupt")
print("the client sent b'hello' and received", client.recv(1024))
print("the listener was closed:", listener.fileno() == -1)
