"""The braces are sent as they stand, because the string has no f in front of it."""

import socket
import sys
import threading

sys.stdout.reconfigure(encoding="utf-8")


def serve(listener):
    stream, _ = listener.accept()
    data = stream.recv(1024).decode()
    stream.sendall("서버로부터 응답: {data}".encode())  # WRONG: f is missing, nothing is filled in.
    stream.close()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()

client = socket.create_connection(listener.getsockname(), timeout=5)
client.sendall("안녕".encode())
print("the client sent:    ", "안녕")
print("the client received:", client.makefile("rb").read().decode())
