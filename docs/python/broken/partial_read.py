"""One recv is taken for one message, but TCP keeps no boundaries between messages."""

import socket


def connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=5)
        return client, listener.accept()[0]


client, stream = connection()
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for message in (b"one", b"two", b"three"):
    client.sendall(message)
while len(stream.recv(1024, socket.MSG_PEEK)) < len(b"onetwothree"):
    pass  # Not all of it has arrived yet.
data = stream.recv(1024)  # WRONG: that is not one message.
print("sent:     three messages, b'one', b'two', b'three'")
print("received:", data)

client, stream = connection()
client.sendall(b"x" * 3000)
data = stream.recv(1024)  # WRONG: neither is that.
print("sent:     one message of 3000 bytes")
print("received:", len(data), "bytes")
