"""A busy server: each of 10,000 sendto calls succeeds, and few datagrams arrive."""

import socket

for size in (64, 1024):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(10_000):
        client.sendto(b"x" * size, server.getsockname())  # WRONG: no limit

    received = 0
    server.setblocking(False)  # until its buffer is empty
    try:
        while server.recv(65_536):
            received += 1
    except BlockingIOError:
        print(f"sent: 10,000 datagrams of {size} bytes - received: {received}")
