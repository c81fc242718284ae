"""A client that never reads blocks the thread that writes to it."""

import socket
import threading


def handle_client(stream):
    stream.sendall(b"x" * (64 << 20))  # WRONG: no timeout


listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())  # and never reads
stream, _ = listener.accept()
thread = threading.Thread(target=handle_client, args=(stream,), daemon=True)
thread.start()
thread.join(1)
print("after 1 s the thread is still in sendall:", thread.is_alive())
