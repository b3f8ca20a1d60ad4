"""A peer that speaks messages, as simply as can be: in one of the two wire formats, over
plain blocking sockets. What it knows of them, it does not know from us.

    messages.py listen  length|lines [dribble]
    messages.py PORT    length|lines [dribble]

The first serves one client, and gives every message back. The other one sends those that
are on standard input, one JSON string on each line, and prints what comes back in the same
way. With "dribble", whatever is sent goes byte by byte.
"""

import json
import socket
import struct
import sys


def send(sock, data, dribble):
    if not dribble:
        sock.sendall(data)
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(data)):
        sock.sendall(data[at:at + 1])


def receive_exactly(sock, size):
    """`size` bytes; None for FIN before the first of them."""
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece and not data:
            return None
        if not piece:
            raise EOFError(f"{size - len(data)} bytes are missing")
        data += piece
    return data


class Length:
    """4 bytes, big endian, then as many bytes of UTF-8; a call of send() for each."""

    def __init__(self, sock, dribble):
        self.sock, self.dribble = sock, dribble

    def send(self, text):
        data = text.encode("utf-8")
        send(self.sock, struct.pack(">I", len(data)), self.dribble)
        send(self.sock, data, self.dribble)

    def receive(self):
        prefix = receive_exactly(self.sock, 4)
        if prefix is None:
            return None
        (size,) = struct.unpack(">I", prefix)
        return (receive_exactly(self.sock, size) if size else b"").decode("utf-8")


class Lines:
    """UTF-8, then LF."""

    def __init__(self, sock, dribble):
        self.sock, self.dribble, self.file = sock, dribble, sock.makefile("rb")

    def send(self, text):
        send(self.sock, text.encode("utf-8") + b"\n", self.dribble)

    def receive(self):
        line = self.file.readline()
        return line[:-1].decode("utf-8") if line.endswith(b"\n") else None


def main(where, how, *more):
    format, dribble = {"length": Length, "lines": Lines}[how], "dribble" in more
    if where == "listen":
        listener = socket.create_server(("127.0.0.1", 0))
        print("listening on %s:%d" % listener.getsockname(), file=sys.stderr, flush=True)
        sock, _ = listener.accept()
        messages = format(sock, dribble)
        while (text := messages.receive()) is not None:
            messages.send(text)
    else:
        sock = socket.create_connection(("127.0.0.1", int(where)))
        messages = format(sock, dribble)
        for line in sys.stdin:
            messages.send(json.loads(line))
            print(json.dumps(messages.receive()), flush=True)
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(1) == b""


main(*sys.argv[1:])
