"""Makes sockets in every state that there can be, and holds them.

    python3 states.py COUNT

Prints one line of JSON when all are what they are to be: how many were made in each
state, how many /proc/net/tcp has, and the ports of the listeners, by which both ends of
each can be told from others. Ends when its standard input does.
"""

import json
import resource
import select
import socket
import sys
import time

# As /proc/net/tcp numbers them.
STATES = {
    1: "ESTABLISHED", 2: "SYN-SENT", 3: "SYN-RECEIVED", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2",
    6: "TIME-WAIT", 7: "CLOSED", 8: "CLOSE-WAIT", 9: "LAST-ACK", 10: "LISTEN", 11: "CLOSING",
}
PATIENCE = 5.0
FEW = 25

held = []
made = dict.fromkeys(STATES.values(), 0)


def count(**states):
    for name, number in states.items():
        made[name.replace("_", "-")] += number


def listen(host="127.0.0.1", backlog=4096, defer=0):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    if defer:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, defer)
    listener.bind((host, 0))
    listener.listen(backlog)
    held.append(listener)
    count(LISTEN=1)
    return listener


def pair(listener):
    """Both ends of a connection: who dialed, who accepted."""
    client = socket.socket(listener.family)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client.connect(listener.getsockname()[:2])
    server, _ = listener.accept()
    held.extend((client, server))
    return client, server


def stuck_pairs(listener):
    """Connections whose server's window is shut, with more behind it: a FIN waits as well."""
    pairs = [pair(listener) for _ in range(FEW)]
    room = select.poll()
    clients = {client.fileno(): client for client, _ in pairs}
    for number, client in clients.items():
        client.setblocking(False)
        room.register(number, select.POLLOUT)
    while ready := room.poll(50):
        for number, _ in ready:
            try:
                clients[number].send(b"x" * 65536)
            except BlockingIOError:
                pass
    return pairs


def established(listener, number):
    for _ in range(number):
        pair(listener)
    count(ESTABLISHED=2 * number)


def syn_sent(listener):
    """`listener` lets one in, whom nobody accepts; for the others there is no room."""
    first = socket.socket()
    first.connect(listener.getsockname())
    held.append(first)
    for _ in range(FEW):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        held.append(client)
    count(ESTABLISHED=2, SYN_SENT=FEW)


def syn_received(listener):
    """`listener` wants to hear something before it takes the client's ACK for one."""
    for _ in range(FEW):
        client = socket.socket()
        client.connect(listener.getsockname())
        held.append(client)
    count(ESTABLISHED=FEW, SYN_RECEIVED=FEW)


def fin_wait_1(listener):
    for client, _server in stuck_pairs(listener):
        client.shutdown(socket.SHUT_WR)
    count(FIN_WAIT_1=FEW, ESTABLISHED=FEW)


def fin_wait_2(listener):
    for _ in range(FEW):
        client, _server = pair(listener)
        client.shutdown(socket.SHUT_WR)
    count(FIN_WAIT_2=FEW, CLOSE_WAIT=FEW)


def closing(listener):
    """Both have said FIN, but the server has not come to the one of its client."""
    for client, server in stuck_pairs(listener):
        client.shutdown(socket.SHUT_WR)
        server.shutdown(socket.SHUT_WR)
    count(CLOSING=FEW, FIN_WAIT_2=FEW)


def last_ack(listener):
    for client, server in stuck_pairs(listener):
        server.shutdown(socket.SHUT_WR)
        client.setblocking(True)
        while client.recv(1):
            pass
        client.shutdown(socket.SHUT_WR)
    count(LAST_ACK=FEW, FIN_WAIT_2=FEW)


def time_wait(listener):
    for _ in range(FEW):
        client, server = pair(listener)
        client.close()
        server.recv(1)
        server.close()
    count(TIME_WAIT=FEW)


def seen(ports):
    """How many the kernel has, in each state, with one of these ports at either end."""
    found = dict.fromkeys(STATES.values(), 0)
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = open(file).read().splitlines()[1:]
        except FileNotFoundError:  # no IPv6 here
            continue
        for line in lines:
            _, local, peer, state = line.split()[:4]
            if {int(end.split(":")[1], 16) for end in (local, peer)} & ports:
                found[STATES[int(state, 16)]] += 1
    return found


def main():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    listeners = [listen()]
    try:
        listeners.append(listen("::1"))
    except OSError:
        pass  # no IPv6 here
    for listener in listeners:
        established(listener, int(sys.argv[1]) // len(listeners))
    full, deferring = listen(backlog=0), listen(defer=30)
    listeners += [full, deferring]
    syn_sent(full)
    syn_received(deferring)
    for recipe in (fin_wait_1, fin_wait_2, closing, last_ack, time_wait):
        for listener in listeners[:-2]:
            recipe(listener)
    ports = {listener.getsockname()[1] for listener in listeners}
    late = time.monotonic() + PATIENCE
    while (found := seen(ports)) != made and time.monotonic() < late:
        pass
    print(json.dumps({"made": made, "seen": found, "ports": sorted(ports)}), flush=True)
    sys.stdin.read()


main()
