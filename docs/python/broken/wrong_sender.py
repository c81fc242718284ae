"""The client takes any datagram for its reply, from any sender and to any message."""

import socket


def udp_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


def request(message):
    client.sendto(message, server.getsockname())
    data, peer = server.recvfrom(65_536)
    server.sendto(b"reply to " + data, peer)
    reply, _ = client.recvfrom(65_536)  # WRONG: the sender is not looked at
    print("sent:", message.decode(), "- received:", reply.decode())


client, server, stranger = udp_socket(), udp_socket(), udp_socket()
stranger.sendto(b"a stranger's datagram", client.getsockname())
request(b"one")
request(b"two")
request(b"three")
