"""The client waits for its reply without a limit, and its message was lost."""

import socket
import threading


def request(address):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.sendto(b"hello", address)
    client.recvfrom(65_536)  # WRONG: no timeout, and UDP does not promise a reply


network = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
network.bind(("127.0.0.1", 0))
client = threading.Thread(target=request, args=(network.getsockname(),), daemon=True)
client.start()
print("the network loses:", network.recvfrom(65_536)[0])
client.join(1)
print("after 1 s the client is still waiting:", client.is_alive())
