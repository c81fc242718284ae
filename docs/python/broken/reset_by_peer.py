"""A client that goes away with a reset costs the pool of threads a worker each time."""

import os
import queue
import socket
import struct
import threading


def work():
    while True:
        stream = waiting.get()
        stream.recv(1024)  # WRONG: no try around this, so the error ends the worker.


waiting, errors = queue.Queue(), queue.Queue()
threading.excepthook = lambda failed: errors.put(failed.exc_type)
workers = [threading.Thread(target=work, daemon=True) for _ in range(4)]
for worker in workers:
    worker.start()

listener = socket.create_server(("127.0.0.1", 0))
linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)  # For 0 seconds: that is a reset.
for _ in workers:
    client = socket.create_connection(listener.getsockname(), timeout=5)
    stream, _ = listener.accept()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    client.close()
    waiting.put(stream)
    print("a worker has ended:", errors.get(timeout=5).__name__)
for worker in workers:
    worker.join(5)
print("workers left:", sum(worker.is_alive() for worker in workers))
