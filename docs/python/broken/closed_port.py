"""A reply meets a closed port, and what comes of that is different on each system."""

import socket


def udp():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0.5)
    return sock


client = udp()
client.bind(("127.0.0.1", 0))
address = client.getsockname()
client.close()  # The client has asked, and does not wait for its reply.

server = udp()
server.bind(("127.0.0.1", 0))
server.sendto(b"reply", address)
try:
    server.recvfrom(65535)  # WRONG: on Windows this fails for the client before, with 10054.
except socket.timeout:
    print("the server, at its next recvfrom: hears nothing of it")
except ConnectionResetError as error:
    print("the server, at its next recvfrom: ConnectionResetError", error.errno)

connected = udp()
connected.connect(address)
connected.send(b"hello")
try:
    connected.recv(65535)
except socket.timeout:
    print("a connected socket, at its next recv: hears nothing of it")
except ConnectionError as error:
    print("a connected socket, at its next recv:", type(error).__name__)
