"""Code of the chapter, as it stands there, but for comments and what it prints to show progress.

Nothing is mended here: tests/peers/chapter.py shows what it does.
"""

import os
import re
import select
import socket
import subprocess
import threading
from queue import Queue


# Côté client : initiation de connexion, « connection pooling »
class ConnectionPool:
    def __init__(self, host, port, pool_size=10):
        self.host = host
        self.port = port
        self.pool = Queue(maxsize=pool_size)
        for _ in range(pool_size):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.connect((host, port))
            self.pool.put(sock)

    def get_connection(self):
        return self.pool.get()

    def return_connection(self, sock):
        self.pool.put(sock)

    def close_all(self):
        while not self.pool.empty():
            sock = self.pool.get()
            sock.close()


# send() - Envoi de données
def send_all(sock, data):
    total_sent = 0
    data_length = len(data)
    while total_sent < data_length:
        sent = sock.send(data[total_sent:])
        if sent == 0:
            raise RuntimeError("Socket connexion rompue")
        total_sent += sent
    return total_sent


def send_file(sock, file_path):
    file_size = os.path.getsize(file_path)
    sock.sendall(file_size.to_bytes(8, byteorder='big'))
    with open(file_path, 'rb') as f:
        sent = 0
        while sent < file_size:
            chunk = f.read(4096)
            if not chunk:
                break
            sock.sendall(chunk)
            sent += len(chunk)
    return f"Fichier envoyé : {sent} octets"


# recv() - Réception de données
def send_message(sock, message):
    msg_bytes = message.encode('utf-8')
    length = len(msg_bytes)
    sock.sendall(length.to_bytes(4, byteorder='big'))
    sock.sendall(msg_bytes)


def recv_message(sock):
    length_bytes = recv_exact(sock, 4)
    length = int.from_bytes(length_bytes, byteorder='big')
    msg_bytes = recv_exact(sock, length)
    return msg_bytes.decode('utf-8')


def recv_exact(sock, n):
    data = b''
    while len(data) < n:
        packet = sock.recv(n - len(data))
        if not packet:
            raise RuntimeError("Connexion fermée prématurément")
        data += packet
    return data


def recv_message_delim(sock):
    buffer = b''
    while True:
        chunk = sock.recv(1)
        if not chunk:
            raise RuntimeError("Connexion fermée")
        if chunk == b'\n':
            break
        buffer += chunk
    return buffer.decode('utf-8')


def recv_http_response(sock):
    headers = b''
    while b'\r\n\r\n' not in headers:
        chunk = sock.recv(1024)
        if not chunk:
            break
        headers += chunk
    headers_str = headers.decode('utf-8')
    content_length = 0
    for line in headers_str.split('\r\n'):
        if line.startswith('Content-Length:'):
            content_length = int(line.split(':')[1].strip())
            break
    body = recv_exact(sock, content_length)
    return headers_str, body.decode('utf-8')


# Pattern 1 : Lecture par ligne (buffering)
class SocketLineReader:
    def __init__(self, sock, buffer_size=4096):
        self.sock = sock
        self.buffer = b''
        self.buffer_size = buffer_size

    def readline(self):
        while b'\n' not in self.buffer:
            chunk = self.sock.recv(self.buffer_size)
            if not chunk:
                if self.buffer:
                    line = self.buffer
                    self.buffer = b''
                    return line
                return None
            self.buffer += chunk
        line, self.buffer = self.buffer.split(b'\n', 1)
        return line + b'\n'


# Pattern 2 : Lecture avec timeout
def recv_with_timeout(sock, size, timeout=5.0):
    ready = select.select([sock], [], [], timeout)
    if ready[0]:
        return sock.recv(size)
    else:
        raise socket.timeout("Timeout lors de la réception")


# Communication bidirectionnelle simultanée
def receiver_thread(sock):
    while True:
        try:
            data = sock.recv(1024)
            if not data:
                print("Serveur déconnecté")
                break
            print(f"Reçu : {data.decode('utf-8')}")
        except:
            break


# shutdown() - Fermeture partielle
def send_file_with_shutdown(sock, file_path):
    with open(file_path, 'rb') as f:
        while True:
            chunk = f.read(4096)
            if not chunk:
                break
            sock.sendall(chunk)
    sock.shutdown(socket.SHUT_WR)
    response = sock.recv(1024)
    sock.close()
    return f"Confirmation : {response}"


# Fermeture gracieuse
def graceful_shutdown(sock, timeout=5.0):
    try:
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(timeout)
        while True:
            data = sock.recv(1024)
            if not data:
                break
    except socket.timeout:
        print("Timeout lors de la fermeture gracieuse")
    except Exception as e:
        print(f"Erreur lors de la fermeture : {e}")
    finally:
        sock.close()


# États de connexion TCP
def count_tcp_states():
    output = subprocess.check_output(['ss', '-tan']).decode('utf-8')
    states = {}
    for line in output.split('\n'):
        match = re.match(r'^(\w+)\s+', line)
        if match:
            state = match.group(1)
            states[state] = states.get(state, 0) + 1
    return states


# Exemple complet : serveur echo multi-clients
class EchoServer:
    def __init__(self, host='0.0.0.0', port=9999):
        self.host = host
        self.port = port
        self.server_socket = None
        self.clients = []

    def start(self):
        self.server_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server_socket.bind((self.host, self.port))
        self.server_socket.listen(10)
        try:
            while True:
                client_socket, client_address = self.server_socket.accept()
                client_thread = threading.Thread(
                    target=self.handle_client,
                    args=(client_socket, client_address)
                )
                client_thread.daemon = True
                client_thread.start()
                self.clients.append(client_thread)
        except KeyboardInterrupt:
            pass
        finally:
            self.server_socket.close()

    def handle_client(self, sock, addr):
        try:
            welcome = f"Bienvenue sur le serveur echo! Votre IP: {addr[0]}\n"
            sock.sendall(welcome.encode('utf-8'))
            while True:
                data = sock.recv(4096)
                if not data:
                    break
                message = data.decode('utf-8').strip()
                if message.lower() == 'quit':
                    sock.sendall(b"Goodbye!\n")
                    break
                sock.sendall(f"ECHO: {message}\n".encode('utf-8'))
        except ConnectionResetError:
            pass
        except Exception as e:
            pass
        finally:
            sock.close()


# Exemple complet, le client correspondant
def receive_messages(sock):
    import sys
    while True:
        try:
            data = sock.recv(4096)
            if not data:
                print("\nServeur déconnecté")
                sys.exit(0)
            print(data.decode('utf-8'), end='')
        except:
            break


# 1. API Gateway (type Kong, Nginx)
class TCPProxy:
    def __init__(self, listen_port, backend_host, backend_port):
        self.listen_port = listen_port
        self.backend = (backend_host, backend_port)

    def proxy(self, client_sock):
        backend_sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        backend_sock.connect(self.backend)
        threading.Thread(target=self.forward, args=(client_sock, backend_sock)).start()
        threading.Thread(target=self.forward, args=(backend_sock, client_sock)).start()

    def forward(self, source, destination):
        try:
            while True:
                data = source.recv(4096)
                if not data:
                    break
                destination.sendall(data)
        finally:
            source.close()
            destination.close()


# 3. Health Check de serveurs
def check_server_health(host, port, timeout=2.0):
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        sock.connect((host, port))
        sock.close()
        return True
    except:
        return False
