"""A datagram is decoded without a thought that it may not be text, and one bad byte ends all."""

import socket
import threading


def serve(sock):
    while True:
        data, peer = sock.recvfrom(1024)
        text = data.decode("utf-8")  # WRONG: anybody can send anything.
        sock.sendto(text.encode("utf-8"), peer)


def run(sock):
    with sock:
        try:
            serve(sock)
        except UnicodeDecodeError as error:
            print("the server has ended, UnicodeDecodeError:", error)


sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
address = sock.getsockname()
server = threading.Thread(target=run, args=(sock,), daemon=True)
server.start()

for message in (b"hello", b"\xff", b"hello?"):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(5)
    client.connect(address)
    client.send(message)
    if message == b"\xff":
        server.join(5)
        continue
    try:
        print("a client asks:", message, "and hears:", client.recv(1024))
    except OSError as error:
        print("a client asks:", message, "and hears:", type(error).__name__)
