"""Every datagram is answered, an answer too, so two servers can be made to talk for ever."""

import socket
import threading

LIMIT = 1000  # So many answers each are enough to be seen.


def serve(sock):
    for _ in range(LIMIT):  # It stands for `while True`.
        data, peer = sock.recvfrom(65535)
        sock.sendto(b"reply: hello", peer)  # WRONG: is that not an answer itself?
        answered.append(data)


answered, servers = [], []
for _ in range(2):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(5)
    servers.append(sock)
# One datagram to the first server, that seems to come from the second: a sender can be forged.
servers[1].sendto(b"hello", servers[0].getsockname())

threads = [threading.Thread(target=serve, args=(sock,)) for sock in servers]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("datagrams from outside:", answered.count(b"hello"))
print("answers to answers:    ", answered.count(b"reply: hello"), "(then we stopped them)")
