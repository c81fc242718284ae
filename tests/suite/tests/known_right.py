"""Servers that the checker must not accuse, each written as a textbook would: MODE PORT."""

import asyncio
import codecs
import os
import select
import socket
import socketserver
import sys
import threading
import time

MODE, ADDRESS = sys.argv[1], ("127.0.0.1", int(sys.argv[2]))
PREFIX = "서버로부터 응답: "


class Decoder:
    """Returns the reply to a read, and whether the connection goes on."""

    def __init__(self):
        self.decoder = codecs.getincrementaldecoder("utf-8")()

    def reply(self, data):
        if MODE == "slow":
            time.sleep(0.1)
            return data, data != b""
        try:
            text = self.decoder.decode(data, final=not data)
        except UnicodeDecodeError:
            error = "죄송합니다. 글자가 아닙니다\n" if MODE in ("words", "threads") else ""
            return error.encode(), False
        if MODE == "logs":
            print("received", text, flush=True)
        return (PREFIX + text).encode() if text else b"", data != b""


def handle(client):
    decoder, goes_on = Decoder(), True
    try:
        while goes_on:
            reply, goes_on = decoder.reply(client.recv(1024))
            client.sendall(reply)
        client.shutdown(socket.SHUT_WR)
        client.settimeout(1)
        while client.recv(65536):
            pass
    except OSError:
        pass
    client.close()


def handle_lines(client):
    with client, client.makefile("rb") as lines:
        try:
            while line := lines.readline(70000):
                if len(line) == 70000:
                    return
                try:
                    client.sendall((PREFIX + line.decode()).encode())
                except UnicodeDecodeError as error:
                    client.sendall(f"오류: {error}\n".encode())
        except OSError:
            pass


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        handle(self.request)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 128


class Forking(socketserver.ForkingTCPServer):
    allow_reuse_address = True


async def handle_async(reader, writer):
    decoder, goes_on = Decoder(), True
    try:
        while goes_on:
            reply, goes_on = decoder.reply(await reader.read(4096))
            writer.write(reply)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def serve_async():
    server = await asyncio.start_server(handle_async, *ADDRESS, backlog=128)
    await server.serve_forever()


def serve_select(listener):
    decoders, unsent = {}, {}
    while True:
        reading = [listener] + [client for client in decoders if not unsent[client]]
        writing = [client for client in decoders if unsent[client]]
        readable, writable, _ = select.select(reading, writing, [])
        for client in readable + writable:
            if client is listener:
                client = listener.accept()[0]
                client.setblocking(False)
                decoders[client], unsent[client] = Decoder(), b""
                continue
            try:
                goes_on = True
                if not unsent[client]:
                    unsent[client], goes_on = decoders[client].reply(client.recv(1024))
                if unsent[client]:
                    unsent[client] = unsent[client][client.send(unsent[client]):]
            except OSError:
                goes_on = False
            if not goes_on:
                del decoders[client], unsent[client]
                client.close()


if MODE == "daemon" and os.fork() != 0:
    os._exit(0)
if MODE == "socketserver":
    Server(ADDRESS, Handler).serve_forever()
elif MODE == "forking":
    Forking(ADDRESS, Handler).serve_forever()
elif MODE == "asyncio":
    asyncio.run(serve_async())
else:
    listener = socket.create_server(ADDRESS, backlog=128)
    if MODE == "select":
        serve_select(listener)
    while True:
        client, _ = listener.accept()
        if MODE == "one":
            handle(client)
        elif MODE == "fork":
            if os.fork() == 0:
                handle(client)
                os._exit(0)
            client.close()
        else:
            target = handle_lines if MODE == "lines" else handle
            threading.Thread(target=target, args=(client,), daemon=True).start()
