"""Pattern 3: a TCP echo server with a thread for each client. The client is that of pattern 1.

    python3 docs/python/threaded_echo.py                    the server; Ctrl-C stops it
    python3 docs/python/threaded_echo.py client 안녕하세요  a client; as many as you like

The conversation is tcp_echo's, as it is: only who runs it changes. Read the two side by side.
"""

import contextlib
import sys
import threading

from common import close, complain, main, say
from tcp_echo import arrivals, attend, client, listen, tcp_arguments


# ANCHOR: serve
def serve(listener, server):
    """Talks to each client in a thread of its own, until a stop is requested."""
    threads = []
    for stream, peer in arrivals(listener, server):
        threads = [thread for thread in threads if thread.is_alive()]
        if len(server.live) > server.max_clients:
            refuse(stream, peer, server)
            continue
        # ANCHOR: threads
        thread = threading.Thread(target=attend, args=(stream, peer, server), daemon=True)
        try:
            thread.start()
            threads.append(thread)
        except RuntimeError as error:  # The system has no thread left.
            complain(f"client {peer[0]}:{peer[1]}: {error}")
            refuse(stream, peer, server)
        # ANCHOR_END: threads
    for thread in threads:
        thread.join()  # Whatever has arrived is answered first.
# ANCHOR_END: serve


def refuse(stream, peer, server):
    say(f"client {peer[0]}:{peer[1]} refused: the server is full")
    server.live.discard(stream)
    stream.setblocking(False)  # The reply fits into the empty buffer of a new connection.
    with contextlib.suppress(OSError):  # The client has gone.
        stream.sendall(b"error: server is full, try again later\n")
    close(stream, gently=True)


if __name__ == "__main__":
    parser = tcp_arguments("A TCP echo server with a thread for each client, and its client")
    parser.add_argument("--max-clients", type=int, default=1024, metavar="N")
    sys.exit(main(parser, listen, serve, client))
