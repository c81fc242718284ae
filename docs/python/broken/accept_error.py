"""There is no try around accept, so one error of it ends the server for everybody."""

import socket
import sys

try:
    import resource
except ImportError:
    sys.exit("this system has no limit of descriptors that could be lowered to show it")

listener = socket.create_server(("127.0.0.1", 0))
clients = [socket.create_connection(listener.getsockname(), timeout=5) for _ in range(20)]
served = []


def serve():
    while True:
        stream, _ = listener.accept()  # WRONG: with all descriptors in use, this fails.
        served.append(stream)


limit = clients[-1].fileno() + 1 + 5  # There is room for five more.
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    serve()
except OSError as error:
    print("clients accepted:", len(served), "of", len(clients))
    print("the server has ended:", error.strerror)
