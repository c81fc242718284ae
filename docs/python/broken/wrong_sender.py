"""Any datagram that comes is taken for the reply, whoever sent it and whatever it replies to."""

import socket


def udp():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(5)
    return sock


def ask(question):
    client.sendto(question, server.getsockname())
    heard, peer = server.recvfrom(65535)
    server.sendto(b"reply to " + heard, peer)
    reply, _ = client.recvfrom(65535)  # WRONG: who has sent this, and is it not an earlier reply?
    print("asked:", question.decode(), "- got:", reply.decode())


client, server, stranger = udp(), udp(), udp()
stranger.sendto(b"words of a stranger", client.getsockname())
ask(b"one")
ask(b"two")
ask(b"three")
