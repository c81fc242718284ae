"""The server takes an empty read for a message, and replies to it forever."""

import socket

listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.sendall(b"hello")
client.shutdown(socket.SHUT_WR)  # half-close: the client sends nothing more

received = []
while received.count(b"") < 1000:  # a server has `while True` here, and never stops
    data = server.recv(1024)  # WRONG: b"" is the end of the stream, not a message
    received.append(data)
    server.sendall(b"reply: " + data + b"\n")
server.close()
replies = client.makefile().read().splitlines()
print("times that recv returned b'':", received.count(b""), "(then we stopped it)")
print("replies to them:             ", replies.count("reply: "))
