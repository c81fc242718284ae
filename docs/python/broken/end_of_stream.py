"""That recv returns b"" is not looked at, so a client that has ended is answered for ever."""

import socket
import threading

LIMIT = 1000  # So many times are enough to be seen; the loop below would never end.


def serve(listener):
    stream, _ = listener.accept()
    while True:
        data = stream.recv(1024)  # WRONG: b"" is the end of the stream, not a message.
        seen.append(data)
        if seen.count(b"") == LIMIT:
            stream.close()
            break
        stream.sendall(b"reply: " + data + b"\n")


seen = []
listener = socket.create_server(("127.0.0.1", 0))
server = threading.Thread(target=serve, args=(listener,), daemon=True)
server.start()

client = socket.create_connection(listener.getsockname(), timeout=5)
client.sendall(b"hello")
client.shutdown(socket.SHUT_WR)  # The client has said all it wants to say.
replies = client.makefile("rb").read().splitlines()
server.join(5)
print("messages the client sent:      ", 1)
print("times that recv returned b'':  ", seen.count(b""), "(then we stopped it)")
print("replies to what was never said:", replies.count(b"reply: "))
