"""A UDP server as the tutorial has it, in our words: most traps at once. For the checker.

    python3 docs/python/broken/tutorial_udp.py [PORT]
"""

import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("localhost", int(sys.argv[1]) if len(sys.argv) > 1 else 12345))
print("listening on {}:{}".format(*server.getsockname()), flush=True)

while True:
    data, peer = server.recvfrom(1024)
    print("received:", data.decode("utf-8"), flush=True)
    server.sendto("서버로부터 응답".encode("utf-8"), peer)

server.close()
