"""accept can fail, and without a try that ends the server for all clients."""

import resource  # not on Windows
import socket


def serve(listener):
    while True:
        stream, _ = listener.accept()  # WRONG: fails if no descriptor is free
        accepted.append(stream)


accepted = []
listener = socket.create_server(("127.0.0.1", 0))
clients = [socket.create_connection(listener.getsockname()) for _ in range(20)]
limit = clients[-1].fileno() + 1 + 5  # five more descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
try:
    serve(listener)
except OSError as error:
    print("clients accepted:", len(accepted), "of", len(clients))
    print("the server has ended:", error.strerror)
