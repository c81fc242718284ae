"""Without SO_REUSEADDR, the server cannot start again where it has just stopped."""

import socket


def run_server(address, reuse):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)  # WRONG: False
        listener.bind(address)
        listener.listen()
        with socket.create_connection(listener.getsockname()) as client:
            stream, _ = listener.accept()
            stream.close()  # The side that closes first keeps the port for a minute.
            client.recv(1)
        return listener.getsockname()


for reuse in (False, True):
    address = run_server(("127.0.0.1", 0), reuse)
    try:
        run_server(address, reuse)
        print("SO_REUSEADDR set:", reuse, "- restarted immediately")
    except OSError as error:
        print("SO_REUSEADDR set:", reuse, "-", error.strerror)
