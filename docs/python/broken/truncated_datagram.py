"""A datagram that is longer than the buffer loses its end: on Unix without a word."""

import socket

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
server.settimeout(0.5)
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(b"x" * 2000, server.getsockname())
print("sent:          2000 bytes")

try:
    data, _ = server.recvfrom(1024)  # WRONG: a datagram can have 65,507 bytes.
    print("received:     ", len(data), "bytes")
except OSError as error:  # Windows says 10040, which is "message too long".
    print("received:      OSError", error.errno)

try:
    data, _ = server.recvfrom(1024)
    print("received next:", len(data), "bytes")
except socket.timeout:
    print("received next: nothing, the rest is gone")
