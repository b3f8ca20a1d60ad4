"""Half-open connections, without a flood: a listener that takes no ACK for an answer.

    python3 half_open.py COUNT BACKLOG

Waits for a line, dials its own listener COUNT times, and holds all that until its input ends.
"""

import socket
import sys

count, backlog = map(int, sys.argv[1:])
sys.stdin.readline()
listener = socket.socket()
# Until data comes, or so many seconds are over, the server's end stays in SYN-RECEIVED.
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
listener.bind(("127.0.0.1", 0))
listener.listen(backlog)
clients = []
for _ in range(count):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(listener.getsockname())
    clients.append(client)
sys.stdin.read()
