"""The string has no f in front of it, so the server sends the braces as they are."""

import socket

server, client = socket.socketpair()

client.sendall("안녕".encode())
data = server.recv(1024).decode()
server.sendall("서버로부터 응답: {data}".encode())  # WRONG: the f is missing

print("the client received:", client.recv(1024).decode())
