"""What the code of the chapter does, tried out.

    chapter.py EXPERIMENT

It prints what came out as JSON. All is on loopback, and nothing waits for longer than 20 s.
"""

import errno
import faulthandler
import io
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading

import chapter_code as chapter

HOST = "127.0.0.1"


def pair():
    """Both ends of a connection."""
    with socket.create_server((HOST, 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return client, server


def in_thread(target, *args):
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def failure(call, *args):
    """What a call throws; its name will do."""
    try:
        return ["returned", call(*args)]
    except BaseException as error:
        return [type(error).__name__, str(error)]


def read_to_end(sock):
    said = b""
    while part := sock.recv(65536):
        said += part
    return said


def names_of_errors():
    """Which number EADDRINUSE has here, and what makes it one."""
    with socket.create_server((HOST, 0)) as listener:
        again = socket.socket()
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            again.bind(listener.getsockname())
            again.listen()
        except OSError as error:
            return {"errno": error.errno, "is": errno.errorcode[error.errno], "platform": sys.platform}


def blocking_send():
    """How much one send() of a blocking socket takes, and one of a socket with a timeout."""
    client, server = pair()
    small = client.send(b"x" * 10_000)
    size = 16 << 20
    reader = in_thread(lambda: [read_to_end(server), server.close()])
    large = client.send(b"x" * size)
    client.close()
    reader.join()
    client, server = pair()
    client.settimeout(0.1)
    part = client.send(b"x" * size)
    return {"small": small, "large": large, "size": size, "timed": part}


def receive_buffer():
    """What a receive buffer is before and after 128 MiB went through it, fixed and by itself."""
    sizes = {name: through(fixed) for name, fixed in {"fixed": True, "by itself": False}.items()}
    with open("/proc/sys/net/core/rmem_max") as limit:
        return {**sizes, "most": int(limit.read())}


def through(fixed):
    def size():
        return server.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    with socket.socket() as listener:
        if fixed:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262144)
        listener.bind((HOST, 0))
        listener.listen()
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    before = size()
    in_thread(lambda: [client.sendall(b"x" * (128 << 20)), client.close()])
    while server.recv(1 << 20):
        pass
    return [before, size()]


def full_queue():
    """What becomes of who connects to a full queue, and whether the system wants it to be reset."""
    with socket.create_server((HOST, 0), backlog=0) as listener:
        waiting = socket.create_connection(listener.getsockname())
        late = socket.socket()
        late.settimeout(0.5)
        said = failure(late.connect, listener.getsockname())[0]
        waiting.close()
    with open("/proc/sys/net/ipv4/tcp_abort_on_overflow") as setting:
        return {"said": said, "abort on overflow": int(setting.read())}


def default_somaxconn():
    """The most that a queue may hold, where nobody has changed it."""
    return {"somaxconn": somaxconn()}


def privileged_port():
    """Which ports one may have without the right to privileged ones, where the limit is 80."""
    bind = "import socket; socket.create_server(('127.0.0.1', %d))"
    without = ["setpriv", "--bounding-set=-net_bind_service", sys.executable, "-c"]
    said = {}
    for port in (79, 80):
        ran = subprocess.run([*without, bind % port], capture_output=True, text=True)
        said[port] = (ran.stderr.splitlines() or ["returned"])[-1].split(":")[0]
    return said


def backlog_memory():
    """What 900 listeners cost the kernel more, in KiB, with the largest backlog than with none.

    Others take memory meanwhile, so it is the least of five times.
    """
    return {"more": min(cost(65535) - cost(1) for _ in range(5)), "asked": 900 * somaxconn()}


def cost(backlog):
    before = kernel_memory()
    listeners = [socket.create_server((HOST, 0), backlog=backlog) for _ in range(900)]
    taken = kernel_memory() - before
    for listener in listeners:
        listener.close()
    return taken


def kernel_memory():
    """In KiB."""
    with open("/proc/meminfo") as file:
        sizes = dict(line.split(":") for line in file)
    return sum(int(sizes[kind].split()[0]) for kind in ("SUnreclaim", "VmallocUsed"))


def somaxconn():
    with open("/proc/sys/net/core/somaxconn") as file:
        return int(file.read())


def shut_read():
    """What arrives after shutdown(SHUT_RD)."""
    client, server = pair()
    client.shutdown(socket.SHUT_RD)
    nothing = client.recv(100)
    server.sendall(b"you asked for no more")
    server.shutdown(socket.SHUT_WR)
    read_all = read_to_end(client)
    return {"before": nothing.decode(), "after": read_all.decode()}


def close_under_read():
    """Whether FIN goes out upon close() and upon shutdown() while a thread of ours reads."""
    fin = {}
    for verb in ("close", "shutdown"):
        client, server = pair()
        received = in_thread(chapter.receiver_thread, client)
        until_reading(1)
        client.close() if verb == "close" else client.shutdown(socket.SHUT_RDWR)
        fin[verb] = state(server)
        server.close()
        received.join()
    return fin


def state(sock):
    """Which state the kernel has a socket in, by its number in TCP_INFO."""
    number = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return {1: "ESTABLISHED", 8: "CLOSE-WAIT"}.get(number, number)


def until_reading(count):
    """Waits until so many threads stand in recv(), which the kernel calls by a number."""
    recvfrom = {"x86_64": "45", "aarch64": "207"}[os.uname().machine]

    def reads(task):
        try:
            with open(f"/proc/self/task/{task}/syscall") as file:
                return file.read().split()[0] == recvfrom
        except (FileNotFoundError, ProcessLookupError):
            return False  # A thread that has just ended.

    while sum(map(reads, os.listdir("/proc/self/task"))) != count:
        os.sched_yield()


def exit_in_thread():
    """Whether the echo client ends when its server does."""
    client, server = pair()
    thread = in_thread(chapter.receive_messages, client)
    server.close()
    thread.join()
    return {"the program goes on": True}


def select_limit():
    """What select() says of a descriptor that is 1024 or more."""
    client, server = pair()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1100), hard))
    server.sendall(b"hello")
    high = socket.socket(fileno=os.dup2(client.fileno(), 1050))
    return {"low": failure(lambda: chapter.recv_with_timeout(client, 5).decode())[1],
            "high": failure(chapter.recv_with_timeout, high, 5)}


def count_states():
    """Which states are counted, of two sockets that wait for something."""
    client, server = pair()
    client.shutdown(socket.SHUT_WR)  # FIN-WAIT-2 here, CLOSE-WAIT there
    server.recv(1)
    return {"counted": sorted(chapter.count_tcp_states()), "port": client.getsockname()[1]}


class Clocked:
    """A socket whose peer sends a byte just before each read would give up."""

    def __init__(self, reads):
        self.reads = reads
        self.now = 0.0
        self.timeout = None

    def shutdown(self, _how):
        pass

    def settimeout(self, timeout):
        self.timeout = timeout

    def recv(self, _size):
        self.now += self.timeout * 0.9
        self.reads -= 1
        return b"." if self.reads > 0 else b""

    def close(self):
        pass


def graceful_timeout():
    """How long graceful_shutdown(timeout=5) takes when the peer sends a byte now and then."""
    sock = Clocked(100)
    chapter.graceful_shutdown(sock, timeout=5.0)
    return {"seconds": round(sock.now)}


def echo_server():
    """How many clients the echo server remembers when all have gone; what it makes of bytes."""
    server = chapter.EchoServer(HOST, 0)
    in_thread(server.start)
    addr = until_listening(server)
    for _ in range(20):
        with socket.create_connection(addr) as client:
            client.shutdown(socket.SHUT_WR)
            read_to_end(client)
    while len(server.clients) < 20:
        pass  # The last one is remembered a moment after it is served.
    for thread in server.clients:
        thread.join()
    return {
        "remembered": len(server.clients),
        "living": sum(thread.is_alive() for thread in server.clients),
        "two lines in one piece": told(addr, [b"one\ntwo\n"]),
        "quit in two pieces": told(addr, [b"qu", b"it\n"]),
        "a letter in two pieces": told(addr, ["é".encode()[:1], "é\n".encode()[1:]]),
    }


def until_listening(server):
    """Its address, once the kernel says that it listens."""
    listening = 10
    while True:
        sock = server.server_socket
        if sock and sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == listening:
            return sock.getsockname()
        os.sched_yield()


def told(addr, pieces):
    """What the echo server says, one piece after the other: each waits for an answer."""
    with socket.create_connection(addr) as client:
        reader = client.makefile("rb")
        reader.readline()
        said = []
        for piece in pieces:
            try:
                client.sendall(piece)
                said.append(reader.readline().decode().strip())
            except OSError as error:
                said.append(type(error).__name__)
            if said[-1] == "":
                break
        return said


def pool():
    """What a pool lends once the server has gone, and what becomes of the caller who is one too many."""
    with socket.create_server((HOST, 0)) as listener:
        lending = chapter.ConnectionPool(*listener.getsockname(), pool_size=1)
        server, _ = listener.accept()
    server.close()
    lent = lending.get_connection()
    write = failure(lent.send, b"a question")[0]
    answer = failure(lambda: lent.recv(100).decode())
    waiting = in_thread(lending.get_connection)
    waiting.join(0.3)
    stuck = waiting.is_alive()
    lending.close_all()
    still = lent.fileno() >= 0
    return {"write": write, "answer": answer, "the next one waits": stuck, "still open": still}


def proxy():
    """What a half-closing client gets through the proxy, and what its server hears of it."""
    threading.excepthook = lambda _: None
    with socket.create_server((HOST, 0)) as origin:
        client, accepted = pair()
        chapter.TCPProxy(0, *origin.getsockname()).proxy(accepted)
        server, _ = origin.accept()
    until_reading(2)
    client.sendall(b"a question")
    client.shutdown(socket.SHUT_WR)
    answer = read_to_end(client).decode()
    asked = server.recv(100).decode()
    heard = state(server)
    server.sendall(b"the answer")
    return {"the server got": asked, "the server is in": heard, "the client got": answer}


def proxy_without_backend():
    """What the client of a proxy hears whose backend does not listen."""
    with socket.create_server((HOST, 0)) as gone:
        addr = gone.getsockname()
    client, accepted = pair()
    failed = failure(chapter.TCPProxy(0, *addr).proxy, accepted)[0]
    client.settimeout(0.3)
    return {"the proxy": failed, "the client": failure(client.recv, 1)[0]}


def health():
    """Which servers are called healthy: one that accepts nobody, and then its queue is full."""
    with socket.create_server((HOST, 0), backlog=0) as listener:
        checks = [chapter.check_server_health(*listener.getsockname(), timeout=0.5) for _ in "ab"]
    return {"nobody accepts": checks[0], "the queue is full": checks[1]}


def http():
    """What becomes of bodies."""

    def response(text, end=True):
        client, server = pair()
        server.sendall(text.encode())
        if end:
            server.close()
        client.settimeout(0.3)
        return failure(lambda: chapter.recv_http_response(client)[1])

    return {
        "in one piece": response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        "in one piece, kept alive": response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", False),
        "in lower case": response("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"),
        "no answer": response(""),
        "chunked": response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    }


def half_a_line():
    """What a line is that the end of the connection cut; what one byte each costs."""
    client, server = pair()
    server.sendall(b"whole\nhal")
    server.close()
    reader = chapter.SocketLineReader(client)
    lines = [reader.readline(), reader.readline(), reader.readline()]
    calls = Counted(b"0123456789\n" * 3)
    for _ in range(3):
        chapter.recv_message_delim(calls)
    return {"lines": [line and line.decode() for line in lines], "calls": calls.calls}


class Counted:
    """A socket that counts its reads."""

    def __init__(self, data):
        self.rest = io.BytesIO(data)
        self.calls = 0

    def recv(self, size):
        self.calls += 1
        return self.rest.read(size)


def message_end():
    """How the end between two messages is told from one within."""

    def received(data):
        client, server = pair()
        server.sendall(data)
        server.close()
        chapter.recv_message(client)
        return failure(chapter.recv_message, client)

    whole = (5).to_bytes(4, "big") + b"hello"
    return {"between": received(whole), "within": received(whole + whole[:7])}


def confirmation():
    """What one recv() makes of a confirmation in two pieces."""
    client, server = pair()
    said = []
    with tempfile.NamedTemporaryFile() as file:
        sending = in_thread(lambda: said.append(chapter.send_file_with_shutdown(client, file.name)))
        server.sendall(b"received 0 of")
        sending.join()
        failure(server.sendall, b" 9 bytes")
    return {"said": said[0]}


def file_to_nobody():
    """What send_file() says when no program has seen a byte of it, and none will."""
    with socket.create_server((HOST, 0)) as listener, tempfile.NamedTemporaryFile() as file:
        file.write(b"x" * 5000)
        file.flush()
        client = socket.create_connection(listener.getsockname())
        said = failure(chapter.send_file, client, file.name)
        client.close()
    return {"said": said[1]}


def broken_send():
    """What send_all() throws when nobody is there any more."""
    client, server = pair()
    server.close()
    said = ["returned"]
    while said[0] == "returned":
        said = failure(chapter.send_all, client, b"x" * 10)
    return {"said": said[0]}


def network_down():
    """What recv() does when the network goes away under it: in a network of its own only."""
    client, server = pair()
    os.system("ip link set lo down")
    client.settimeout(1)
    said = failure(client.recv, 1)[0]
    return {"said": said, "the connection is": state(client), "the other end": state(server)}


def cut_letter():
    """What the chat's receiver makes of a letter that comes in two pieces."""
    client, server = pair()
    out, sys.stdout = sys.stdout, io.StringIO()
    receiving = in_thread(chapter.receiver_thread, client)
    server.sendall("é".encode()[:1])
    receiving.join()
    said, sys.stdout = sys.stdout.getvalue(), out
    return {"said": said, "ended": not receiving.is_alive()}


if __name__ == "__main__":
    faulthandler.dump_traceback_later(20, exit=True)
    print(json.dumps(globals()[sys.argv[1]](), ensure_ascii=False))
    sys.stdout.flush()
    os._exit(0)  # whatever thread still waits
