"""A client that does not read holds the thread that writes to it."""

import socket
import threading

listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
stream, _ = listener.accept()


def handle():
    stream.sendall(b"x" * (64 << 20))  # WRONG: there is no timeout, and the client never reads.


thread = threading.Thread(target=handle, daemon=True)
thread.start()
thread.join(1)
print("sendall waits for a client that never reads:", thread.is_alive())
