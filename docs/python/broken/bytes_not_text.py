"""What recv returns is bytes, and an f-string shows bytes as Python code would write them."""

import socket
import sys
import threading

sys.stdout.reconfigure(encoding="utf-8")


def serve(listener):
    stream, _ = listener.accept()
    data = stream.recv(1024)
    stream.sendall(f"서버로부터 응답: {data}".encode())  # WRONG: data was never decoded.
    stream.close()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()

client = socket.create_connection(listener.getsockname(), timeout=5)
client.sendall("안녕".encode())
print("the client sent:    ", "안녕")
print("the client received:", client.makefile("rb").read().decode())
