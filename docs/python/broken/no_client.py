"""Only a server was written, and the telnet of Windows, as its client, sends each key by itself."""

import socket
import sys
import threading

sys.stdout.reconfigure(encoding="utf-8")


def serve(listener):
    stream, _ = listener.accept()
    stream.sendall("서버로부터 응답: ".encode() + stream.recv(1024))
    stream.close()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()

telnet = socket.create_connection(listener.getsockname(), timeout=5)
to_be_typed, typed, reply = "hello", "", b""
for key in to_be_typed:
    telnet.sendall(key.encode())  # WRONG: who reads keys cannot know where the message ends.
    typed += key
    reply = telnet.makefile("rb").read()
    if reply:
        break
print("to be typed:       ", to_be_typed)
print("typed so far:      ", typed)
print("the server replied:", reply.decode())
