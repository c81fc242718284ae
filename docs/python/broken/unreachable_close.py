"""The lines behind `while True` never run: Ctrl-C is the only way out, and drops who is served."""

import signal
import socket
import threading

closed = []


def serve(listener):
    while True:
        stream, _ = listener.accept()
        data = stream.recv(1024)
        signal.raise_signal(signal.SIGINT)  # Somebody presses Ctrl-C just now.
        stream.sendall(b"reply: " + data)
    listener.close()  # WRONG: nothing leads here.
    closed.append(listener)


def ask(address):
    with socket.create_connection(address, timeout=5) as client:
        client.sendall(b"hello")
        replies.append(client.recv(1024))


replies = []
signal.signal(signal.SIGINT, signal.default_int_handler)
listener = socket.create_server(("127.0.0.1", 0))
client = threading.Thread(target=ask, args=(listener.getsockname(),), daemon=True)
client.start()
try:
    serve(listener)
except KeyboardInterrupt as error:
    print("the server has ended:", type(error).__name__)
client.join(5)
print("the client sent: b'hello' and received:", replies[0])
print("listener.close() was reached:", bool(closed))
