"""The server has the IPv4 address of localhost alone, and its client tries the IPv6 one."""

import socket

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind(("localhost", 0))  # WRONG: AF_INET, so this is 127.0.0.1, and only that.
server.listen()
host, port = server.getsockname()
print("the server listens on:", host)

for host in ("::1", "127.0.0.1"):  # In which order localhost gives them depends on the system.
    try:
        socket.create_connection((host, port), timeout=5).close()
        print(f"a client that tries {host}: connected")
    except OSError:  # Refused; on Windows only after 2 seconds, and without IPv6 not even that.
        print(f"a client that tries {host}: not connected")
