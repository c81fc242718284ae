"""A TCP server as the tutorial has it, in our words: most traps at once. For the checker.

    python3 docs/python/broken/tutorial_tcp.py [PORT]
"""

import socket
import sys

listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listener.bind(("localhost", int(sys.argv[1]) if len(sys.argv) > 1 else 12345))
listener.listen()
print("listening on {}:{}".format(*listener.getsockname()), flush=True)

stream, peer = listener.accept()
print("connected:", peer, flush=True)
data = stream.recv(1024)
stream.sendall("서버로부터 응답: {data}".encode("utf-8"))
stream.close()
listener.close()
