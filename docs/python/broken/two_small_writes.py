"""A reply is written in two small pieces, and the second waits until the first is acknowledged."""

import socket
import statistics
import threading
import time


def serve(stream, pieces):
    while stream.recv(1024):
        for piece in pieces:
            # WRONG, if there are two: Nagle's algorithm holds the second back until the first is
            # acknowledged, and the client delays that, because it hopes for more to acknowledge.
            stream.sendall(piece)


def round_trips(pieces):
    """How long each of some replies took."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=5)
        stream, _ = listener.accept()
    threading.Thread(target=serve, args=(stream, pieces), daemon=True).start()
    times = []
    for _ in range(20):
        started = time.perf_counter()
        client.sendall(b"?")
        missing = len(b"".join(pieces))
        while missing:
            missing -= len(client.recv(1024))
        times.append(time.perf_counter() - started)
    return times


two, one = statistics.median(round_trips([b"head", b"body"])), min(round_trips([b"headbody"]))
print("two writes take more than ten times as long as one:", two > 10 * one)
