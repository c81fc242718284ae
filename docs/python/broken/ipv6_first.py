"""The server listens on IPv4 alone, and its client tries the IPv6 localhost first."""

import socket

server = socket.create_server(("localhost", 0))  # WRONG: 127.0.0.1, and not ::1
host, port = server.getsockname()
print("the server listens on:", host)

for host in ("::1", "127.0.0.1"):  # what localhost means, in the order of many systems
    try:
        socket.create_connection((host, port), timeout=5).close()
        print(f"a client that tries {host}: connected")
    except OSError:  # refused; on Windows only after 2 seconds
        print(f"a client that tries {host}: not connected")
