"""A message is a line, whether it arrives in ten reads or ten lines arrive in one."""

import socket
import sys
import time

MAX_LINE_LEN = 65_536  # without a limit, one client could fill the memory


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:12345"
    host, port = address.rsplit(":", 1)
    listener = socket.create_server((host, int(port)))
    print("listening on %s:%s" % listener.getsockname(), flush=True)

    while True:
        try:
            stream, peer = listener.accept()
        except OSError as error:
            print(f"cannot accept a client: {error}", file=sys.stderr)
            time.sleep(0.05)  # out of descriptors, for example: one may be free soon
            continue
        handle_client(stream, peer)


def handle_client(stream, peer):
    print("client %s:%s connected" % peer)
    try:
        with stream:  # closes it at the end. Rust: drop
            echo_messages(stream)
        print("client %s:%s disconnected" % peer)
    except (OSError, ValueError) as error:  # what the network does, what is not UTF-8
        print("client %s:%s:" % peer, error, file=sys.stderr)


def echo_messages(stream):
    reader = stream.makefile("rb")  # Rust: BufReader::new
    while True:
        line = reader.readline(MAX_LINE_LEN + 2)
        if not line:
            return
        ending_len = 2 if line.endswith(b"\r\n") else 1
        if len(line) > MAX_LINE_LEN + ending_len:
            error = f"error: line longer than {MAX_LINE_LEN} bytes\n"
            return stream.sendall(error.encode())
        stream.sendall(build_reply(line).encode())


def build_reply(line):
    try:
        return f"서버로부터 응답: {line.decode()}"
    except UnicodeDecodeError:
        return "error: not UTF-8\n"


main()
