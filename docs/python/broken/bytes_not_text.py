"""recv returns bytes, and an f-string shows bytes the way Python code writes them."""

import socket

server, client = socket.socketpair()

client.sendall("안녕".encode())
data = server.recv(1024)
server.sendall(f"서버로부터 응답: {data}".encode())  # WRONG: data is not decoded

print("the client received:", client.recv(1024).decode())
