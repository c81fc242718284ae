"""The server takes an empty datagram for the end, as over TCP, and exits."""

import socket


def serve(sock):
    while True:
        data, peer = sock.recvfrom(65_536)
        if not data:  # WRONG: a UDP message, like any other
            return
        sock.sendto(data, peer)


server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect(server.getsockname())
client.send(b"")
serve(server)
server.close()
print("after an empty datagram: the server has ended")
try:
    client.send(b"hello")
    client.recv(65_536)
except ConnectionError as error:
    print("after the next message: ", type(error).__name__)
