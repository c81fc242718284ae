"""A reply in two small writes: the second waits until the first is acknowledged."""

import socket
import threading
import time


def serve(stream, pieces):
    while stream.recv(1024):
        for piece in pieces:
            # WRONG if there are two: Nagle's algorithm holds the second back until the
            # first is acknowledged, and the client delays that by 40 ms.
            stream.sendall(piece)


def median_reply_time(pieces):
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    stream, _ = listener.accept()
    threading.Thread(target=serve, args=(stream, pieces), daemon=True).start()
    times = []
    for _ in range(20):
        started = time.perf_counter()
        client.sendall(b"?")
        client.recv(8, socket.MSG_WAITALL)
        times.append(time.perf_counter() - started)
    return sorted(times)[len(times) // 2]


two, one = median_reply_time([b"head", b"body"]), median_reply_time([b"headbody"])
print("two writes take more than ten times as long as one:", two > 10 * one)
