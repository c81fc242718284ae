"""A reply meets a closed port. What follows is different on each system."""

import socket


def udp_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(0.5)
    return sock


client, server, connected = udp_socket(), udp_socket(), udp_socket()
connected.connect(client.getsockname())
address = client.getsockname()
client.close()  # without waiting for its reply

server.sendto(b"reply", address)
connected.send(b"reply")
for name, sock in (("server", server), ("connected server", connected)):
    try:
        sock.recvfrom(65_536)  # WRONG: on Windows, both fail with error 10054
    except OSError as error:
        print(f"the next recvfrom of the {name}:", error)
