"""Python runs this before a program while this folder is in PYTHONPATH, as it is in the sessions of this folder.

All sessions run at the same time, so each has a port of its own where the programs say 12345. The programs are run as
they are: what they ask the system for is moved to that port, and what the system tells them of it is moved back.
"""

import os
import socket

SHOWN, OWN = 12345, int(os.environ.get("SESSION_PORT", "12345"))


def moved(value, old, new):
    if isinstance(value, tuple):
        if len(value) >= 2 and isinstance(value[0], str) and value[1] == old:
            return (value[0], new, *value[2:])
        return tuple(moved(part, old, new) for part in value)
    return value


def wrapped(method):
    def call(self, *arguments):
        result = method(self, *(moved(argument, SHOWN, OWN) for argument in arguments))
        return moved(result, OWN, SHOWN)

    return call


for name in ("bind", "connect", "connect_ex", "sendto", "recvfrom", "getsockname", "getpeername"):
    setattr(socket.socket, name, wrapped(getattr(socket.socket, name)))
