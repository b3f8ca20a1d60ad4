"""A client for the echo server: `echo_client.py PORT` sends what is on standard input and
prints what comes back, at the same time: one thread for each way.
"""

import socket
import sys
import threading

sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))


def receive():
    while data := sock.recv(4096):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


receiver = threading.Thread(target=receive)
receiver.start()
for line in sys.stdin.buffer:
    sock.sendall(line)
    if line.strip().lower() == b"quit":
        break
else:
    sock.shutdown(socket.SHUT_WR)
receiver.join()
sock.close()
