"""A client that says nothing holds its thread for ever."""

import socket
import threading

listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()


def handle(stream):
    stream.recv(1024)  # WRONG: there is no timeout.


thread = threading.Thread(target=handle, args=(server,), daemon=True)
thread.start()
thread.join(0.5)
print("the client has said nothing, and its thread waits still:", thread.is_alive())
