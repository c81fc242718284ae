"""Python runs this before each program of a session, which has a port of its own where the programs say 12345.

What they ask the system for is moved to that port, and what the system tells them of it is moved back.
"""

import os
import socket

SHOWN, OWN = 12345, int(os.environ.get("SESSION_PORT", "12345"))


def moved(value, old, new):
    if isinstance(value, tuple):
        if value[1:2] == (old,) and isinstance(value[0], str):
            return (value[0], new, *value[2:])
        return tuple(moved(part, old, new) for part in value)
    return value


def wrapped(method):
    return lambda self, *arguments: moved(method(self, *moved(arguments, SHOWN, OWN)), OWN, SHOWN)


for name in ("bind", "connect", "connect_ex", "sendto", "recvfrom", "getsockname", "getpeername"):
    setattr(socket.socket, name, wrapped(getattr(socket.socket, name)))
