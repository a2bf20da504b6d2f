# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers that note who asks them and answer as an API server without objects; and proxies that note for whom. For test_kubeconfig.py.

What arrives is told as a line of facts: "one default sni=localhost cert=alice token=t as=bob via=http", so that two clients can be compared.
"""
import base64
import contextlib
import http.server
import json
import re
import select
import socket
import socketserver
import ssl
import threading

from api_pki import pki

SERVICES = re.compile(r"^(?P<prefix>.*)/api/v1/namespaces/(?P<ns>[^/?]+)/services")
VERSION = {"major": "1", "minor": "32", "gitVersion": "v1.32.0", "gitCommit": "0", "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z",
           "goVersion": "go1.23", "compiler": "gc", "platform": "linux/amd64"}
DISCOVERY = {
    "/version": VERSION,
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        {"name": "services", "singularName": "service", "namespaced": True, "kind": "Service", "verbs": ["get", "list"], "shortNames": ["svc"]}]},
}


def not_found():
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not found"}


def answer(path):
    """What is at a path, as (status, object)."""
    path = path.split("?")[0].rstrip("/")
    for known, value in DISCOVERY.items():
        if path.endswith(known) and (known != "/api" or "/apis" not in path):
            return 200, value
    if SERVICES.match(path) and path.endswith("/services"):
        return 200, {"kind": "ServiceList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}
    return 404, not_found()


def who(headers):
    """The facts of a request's headers, in one order."""
    facts = []
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        facts.append("basic=" + base64.b64decode(value).decode("utf-8", "replace"))
    elif scheme:
        facts.append(("token=" if scheme == "Bearer" else scheme + "=") + value)
    for name, fact in (("Impersonate-User", "as"), ("Impersonate-Uid", "as-uid"), ("Impersonate-Group", "as-group")):
        facts += sorted(f"{fact}={v}" for v in headers.get_all(name, ()))
    facts += sorted(f"{k.lower()[12:]}={v}" for k, v in headers.items() if k.lower().startswith("impersonate-extra-"))
    if "gzip" not in headers.get("Accept-Encoding", ""):
        facts.append("uncompressed")
    return facts


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20

    def do_GET(self):
        self.server.listener.note(self)
        status, value = answer(self.path)
        body = json.dumps(value).encode()
        refused = self.server.listener.refused(self.headers.get("Authorization", ""))
        if refused:
            status, body = 401, json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "code": 401,
                                            "message": "Unauthorized"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):  # pylint: disable=arguments-differ
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, family, host, listener):
        self.address_family, self.listener = family, listener
        super().__init__((host, 0), Handler)

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)  # without asking DNS for our name
        self.server_name, self.server_port = self.server_address[:2]

    def finish_request(self, request, client_address):
        """In a thread of its own: the handshake must not hold up others."""
        if self.listener.context:
            request.settimeout(20)
            request = self.listener.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        pass  # who does not trust us goes away


class Listener:
    """One server: what it was asked is in .seen, as lines of facts; .other has the facts without a namespace."""

    def __init__(self, name, certificate=None, host="127.0.0.1", ask=True, token=None):
        self.name, self.token, self.lock = name, token, threading.Lock()
        self.context = None
        self.forget()
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate + ".crt", certificate + ".key")
            self.context.sni_callback = self.note_sni
            if ask:
                self.context.verify_mode = ssl.CERT_OPTIONAL
                self.context.load_verify_locations(pki().authority())
        self.server = Server(socket.AF_INET6 if ":" in host else socket.AF_INET, host, self)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def url(self, host=None, path=""):
        host = host or ("127.0.0.1" if self.server.address_family == socket.AF_INET else "[::1]")
        return f"http{'s' if self.context else ''}://{host}:{self.port}{path}"

    def forget(self):
        self.seen, self.services = set(), set()

    @staticmethod
    def note_sni(sock, name, _context):
        sock.sni = name

    def refused(self, authorization):
        """A server with a token of its own refuses all others."""
        return self.token and authorization != "Bearer " + self.token

    def note(self, handler):
        facts = [self.name]
        sni = getattr(handler.connection, "sni", None)
        if sni:
            facts.append("sni=" + sni)
        peer = handler.connection.getpeercert() if self.context else None
        if peer:
            facts.append("cert=" + "/".join(v for rdn in peer["subject"] for _, v in rdn))
        facts += who(handler.headers)
        m = SERVICES.match(handler.path)
        if handler.path.split("?")[0].endswith("/version"):
            return  # some distributions' kubectl asks for it first, without its flags
        with self.lock:
            self.seen.add(" ".join(facts))
            if m:
                facts.insert(1, m.group("ns"))
                facts += ["prefix=" + m.group("prefix")] if m.group("prefix") else []
                self.services.add(" ".join(facts))

    def close(self):
        self.server.shutdown()
        self.server.server_close()


# ---- proxies ----

def relay(a, b):
    """Bytes both ways until one side ends."""
    with a, b:
        while True:
            ready, _, _ = select.select([a, b], [], [], 20)
            if not ready:
                return
            for s in ready:
                data = s.recv(65536)
                if not data:
                    return
                (b if s is a else a).sendall(data)


def receive(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise OSError("cut")
        data += more
    return data


class Proxy:
    """An HTTP proxy that knows CONNECT and plain requests, or a SOCKS5 proxy; .targets: for whom, as "host:port" in the words of the client."""

    def __init__(self, kind):
        self.kind, self.targets = kind, set()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                client.settimeout(20)
                threading.Thread(target=self.one, args=(client,), daemon=True).start()

    def one(self, client):
        with contextlib.suppress(OSError, ValueError):
            (self.socks if self.kind == "socks5" else self.connect)(client)

    def open(self, host, port):
        self.targets.add(f"{host}:{port}")
        return socket.create_connection(("127.0.0.1", port), 10)  # whatever the name is: the test's servers are all here

    def connect(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += receive(client, 1)
        verb, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        if verb != "CONNECT":  # a plain request, for an http server
            host, port = target.split("/")[2].rsplit(":", 1)
            server = self.open(host, int(port))
            server.sendall(head)
        else:
            host, port = target.rsplit(":", 1)
            server = self.open(host, int(port))
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        relay(client, server)

    def socks(self, client):
        _, methods = receive(client, 2)
        receive(client, methods)
        client.sendall(b"\x05\x00")
        _, _, _, kind = receive(client, 4)
        if kind == 1:
            host = socket.inet_ntop(socket.AF_INET, receive(client, 4))
        elif kind == 3:
            host = receive(client, receive(client, 1)[0]).decode()
        else:
            host = socket.inet_ntop(socket.AF_INET6, receive(client, 16))
        port = int.from_bytes(receive(client, 2), "big")
        server = self.open(host, port)
        client.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        relay(client, server)

    def close(self):
        self.socket.close()
