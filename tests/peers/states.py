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
# How often each is done: so that no two states come to the same count.
NUMBERS = {
    "syn_sent": 31, "syn_received": 33, "fin_wait_1": 20, "fin_wait_2": 21, "closing": 22,
    "last_ack": 23, "time_wait": 24,
}

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


def stuck_pairs(listener, number):
    """Connections whose server's window is shut, with more behind it: a FIN waits as well."""
    pairs = [pair(listener) for _ in range(number)]
    room = select.poll()
    clients = {client.fileno(): client for client, _ in pairs}
    for fd, client in clients.items():
        client.setblocking(False)
        room.register(fd, select.POLLOUT)
    while ready := room.poll(50):
        for fd, _ in ready:
            try:
                clients[fd].send(b"x" * 65536)
            except BlockingIOError:
                pass
    return pairs


def established(listener, number):
    for _ in range(number):
        pair(listener)
    count(ESTABLISHED=2 * number)


def syn_sent(listener, number):
    """`listener` lets one in, whom nobody accepts; for the others there is no room."""
    first = socket.socket()
    first.connect(listener.getsockname())
    held.append(first)
    for _ in range(number):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        held.append(client)
    count(ESTABLISHED=2, SYN_SENT=number)


def syn_received(listener, number):
    """`listener` wants to hear something before it takes the client's ACK for one."""
    for _ in range(number):
        client = socket.socket()
        client.connect(listener.getsockname())
        held.append(client)
    count(ESTABLISHED=number, SYN_RECEIVED=number)


def fin_wait_1(listener, number):
    for client, _server in stuck_pairs(listener, number):
        client.shutdown(socket.SHUT_WR)
    count(FIN_WAIT_1=number, ESTABLISHED=number)


def fin_wait_2(listener, number):
    for _ in range(number):
        client, _server = pair(listener)
        client.shutdown(socket.SHUT_WR)
    count(FIN_WAIT_2=number, CLOSE_WAIT=number)


def closing(listener, number):
    """Both have said FIN, but the server has not come to the one of its client."""
    for client, server in stuck_pairs(listener, number):
        client.shutdown(socket.SHUT_WR)
        server.shutdown(socket.SHUT_WR)
    count(CLOSING=number, FIN_WAIT_2=number)


def last_ack(listener, number):
    for client, server in stuck_pairs(listener, number):
        server.shutdown(socket.SHUT_WR)
        client.setblocking(True)
        while client.recv(1):
            pass
        client.shutdown(socket.SHUT_WR)
    count(LAST_ACK=number, FIN_WAIT_2=number)


def time_wait(listener, number):
    for _ in range(number):
        client, server = pair(listener)
        client.close()
        server.recv(1)
        server.close()
    count(TIME_WAIT=number)


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
    syn_sent(full, NUMBERS["syn_sent"])
    syn_received(deferring, NUMBERS["syn_received"])
    for recipe in (fin_wait_1, fin_wait_2, closing, last_ack, time_wait):
        for listener in listeners[:-2]:
            recipe(listener, NUMBERS[recipe.__name__])
    ports = {listener.getsockname()[1] for listener in listeners}
    late = time.monotonic() + PATIENCE
    while (found := seen(ports)) != made and time.monotonic() < late:
        pass
    print(json.dumps({"made": made, "seen": found, "ports": sorted(ports)}), flush=True)
    sys.stdin.read()


main()
