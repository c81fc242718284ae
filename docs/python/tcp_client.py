"""The client: one thread sends while the other prints, or both sides can get stuck."""

import socket
import sys
import threading


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:12345"
    host, port = address.rsplit(":", 1)
    message = " ".join(sys.argv[2:])
    stream = socket.create_connection((host, int(port)))
    # Both threads use the one object. Rust: try_clone
    # A daemon thread does not keep the program running. In Rust, no thread does.
    threading.Thread(target=send_input, args=(stream, message), daemon=True).start()
    while data := stream.recv(65_536):  # Rust: io::copy
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def send_input(stream, message):
    if not message:
        # raw: at exit, a daemon thread that waits in a buffered read is a fatal error.
        while data := sys.stdin.buffer.raw.read(65_536):  # Rust: io::copy
            stream.sendall(data)
    else:
        stream.sendall(f"{message}\n".encode())  # as if typed
    stream.shutdown(socket.SHUT_WR)  # half-close: the server can still reply


main()
