"""An empty datagram is taken for the end, as in TCP, and the server leaves."""

import socket
import threading


def serve(sock):
    while True:
        data, peer = sock.recvfrom(65535)
        if not data:  # WRONG: in UDP this is a message, and there is no end.
            break
        sock.sendto(data, peer)
    sock.close()


sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
address = sock.getsockname()
server = threading.Thread(target=serve, args=(sock,), daemon=True)
server.start()

client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(5)
client.connect(address)
client.send(b"")
server.join(5)
print("sent: an empty datagram")
print("the server has ended:", not server.is_alive())
client.send(b"hello?")
try:
    print("the next message is answered:", client.recv(65535))
except ConnectionError as error:
    print("the next message is answered:", type(error).__name__)
