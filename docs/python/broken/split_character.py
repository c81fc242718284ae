"""What one recv returns is decoded by itself, although it may end in the middle of a character."""

import socket

with socket.create_server(("127.0.0.1", 0)) as listener:
    client = socket.create_connection(listener.getsockname(), timeout=5)
    stream, _ = listener.accept()

client.sendall(("안" * 400).encode())  # Three bytes each: 1024 bytes are 341 of them and a third.
data = stream.recv(1024)
try:
    print(data.decode())  # WRONG: the other two thirds of the last one have not been received.
except UnicodeDecodeError as error:
    print(f"received {len(data)} bytes, whose last one is 0x{data[-1]:02X}")
    print("UnicodeDecodeError:", error)
