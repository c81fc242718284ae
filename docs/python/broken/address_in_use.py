"""The server does not set SO_REUSEADDR, and cannot start again where it has just stopped."""

import socket


def restart(reuse):
    with socket.socket() as listener:
        if reuse:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))  # WRONG, if the option is missing.
        listener.listen()
        address = listener.getsockname()
        with socket.create_connection(address, timeout=5) as client:
            stream, _ = listener.accept()
            stream.close()  # The server hangs up first: its side keeps the port for a minute.
            client.recv(1)
    with socket.socket() as listener:
        if reuse:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()


for reuse in (False, True):
    try:
        restart(reuse)
        print("SO_REUSEADDR set:", reuse, "- started again at once")
    except OSError as error:
        print("SO_REUSEADDR set:", reuse, "-", error.strerror)
