"""The client waits for its reply without a limit, and the reply was lost on the way."""

import socket
import threading

network = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
network.bind(("127.0.0.1", 0))
network.settimeout(5)


def ask():
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.sendto(b"hello", network.getsockname())
    client.recvfrom(65535)  # WRONG: no timeout, and UDP promises nothing.


waiting = threading.Thread(target=ask, daemon=True)
waiting.start()
print("the network loses:", network.recvfrom(65535)[0])
waiting.join(1)
print("after 1 s the client is still waiting:", waiting.is_alive())
print("(it would wait for ever; here the program ends)")
