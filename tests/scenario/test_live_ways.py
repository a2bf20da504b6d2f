# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways to an API server: HTTP/1.1, plain HTTP, proxies, another TLS name, the system's authorities, impersonation, a plugin whose token is stale.

Each way ends at the same server, so the same question gets the same answer; the proxies are small ones of this test."""
import json
import os
import select
import socket
import stat
import threading

from api_pki import pki
from api_server import ApiServer
from common import CORPUS, Tests, expect, expect_equal, run

LAB = os.path.join(CORPUS, "lab-iptables-nft")
CLEAN = {v: "" for v in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy")}
NAME = "kubernetes.default.svc"  # in the server's certificate, and in no DNS


class Proxy:
    """Listens on 127.0.0.1, talks CONNECT or SOCKS5, and takes every name for 127.0.0.1. What it was told is in `asked`."""

    def __init__(self, socks=False, refuse=None):
        self.socks, self.refuse, self.asked = socks, refuse, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)  # which wakes accept
        self.listener.close()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(client,), daemon=True).start()

    def one(self, client):
        try:
            with client:
                server = self.by_socks(client) if self.socks else self.by_connect(client)
                if server:
                    with server:
                        self.pump(client, server)
        except OSError:
            pass

    def by_connect(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        self.asked.append(head.decode())
        if self.refuse:
            client.sendall(f"HTTP/1.1 {self.refuse} no\r\ncontent-length: 0\r\n\r\n".encode())
            return None
        server = socket.create_connection(("127.0.0.1", int(head.split(b" ")[1].rpartition(b":")[2])))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        return server

    def by_socks(self, client):
        client.recv(client.recv(2)[1])
        client.sendall(b"\5\0")
        kind = client.recv(4)[3]
        host = socket.inet_ntoa(client.recv(4)) if kind == 1 else client.recv(client.recv(1)[0]).decode()
        port = int.from_bytes(client.recv(2), "big")
        self.asked.append((host, port))
        server = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"\5\0\0\1\0\0\0\0\0\0")
        return server

    @staticmethod
    def pump(a, b):
        while True:
            for s in select.select([a, b], [], [])[0]:
                data = s.recv(1 << 16)
                if not data:
                    return
                (b if s is a else a).sendall(data)


def web(api, *more, codes=(0,), env=None, **kubeconfig):
    r = run("diagnose", "web", "--kubeconfig", api.kubeconfig(**kubeconfig), *more, codes=list(codes), env={**CLEAN, **(env or {})})
    if 0 in codes:
        expect("default/web   NodePort" in r.out, f"{r}: {r.out} {r.err}")
    return r


def old_http(_server):
    with ApiServer(LAB, h2=False) as s:
        web(s)
        expect_equal({r.protocol for r in s.requests}, {"http/1.1"}, "protocols")
        expect(s.connections <= 6 < len(s.requests), f"{s.connections} connections for {len(s.requests)} requests")


def one_connection(server):
    server.forget()
    web(server)
    expect_equal(({r.protocol for r in server.requests}, server.connections), ({"h2"}, 1), "protocols, connections")


def plain_http(_server):
    """As kubectl does it: no credential goes over a line that anybody can read."""
    with ApiServer(LAB, plain=True, anonymous=True) as s:
        web(s, auth="token")
        expect(not any("authorization" in r.headers for r in s.requests), "a token went over plain HTTP")


def other_name(server):
    web(server, cluster={"tls-server-name": NAME})
    r = web(server, codes=[69], cluster={"tls-server-name": "no.such.name"})
    expect("is not for 'no.such.name', but for " in r.err and NAME in r.err, r.err)
    with ApiServer(LAB, h2=False) as s, Proxy() as p:
        web(s, cluster={"tls-server-name": NAME, "proxy-url": f"http://127.0.0.1:{p.port}"})
        expect_equal({r.headers["host"] for r in s.requests}, {f"127.0.0.1:{s.port}"}, "Host")
        expect(all(a.startswith(f"CONNECT 127.0.0.1:{s.port} ") for a in p.asked), p.asked)


def http_proxy(server):
    with Proxy() as p:
        web(server, auth="token", cluster={"proxy-url": f"http://jane:topsecret@127.0.0.1:{p.port}"})
        expect_equal(len(p.asked), 1, "connections through the proxy")
        expect("Proxy-Authorization: Basic amFuZTp0b3BzZWNyZXQ=" in p.asked[0] and "Bearer" not in p.asked[0], p.asked[0])
    r = web(server, "-v", codes=[69], cluster={"proxy-url": f"http://jane:topsecret@127.0.0.1:{p.port}"})
    expect(f"cannot reach the proxy 'http://127.0.0.1:{p.port}' on the way to the API server" in r.err and "topsecret" not in r.err, r.err)
    with Proxy(refuse=407) as p:
        r = web(server, codes=[69], cluster={"proxy-url": f"http://127.0.0.1:{p.port}"})
        expect("answers 407" in r.err and "wants a user and password" in r.err, r.err)


def socks_proxy(server):
    """The proxy resolves the name, as with kubectl."""
    with Proxy(socks=True) as p:
        web(server, server=f"https://{NAME}:{server.port}", cluster={"proxy-url": f"socks5://127.0.0.1:{p.port}"})
        expect_equal(set(p.asked), {(NAME, server.port)}, "what the proxy was told")


def proxy_of_environment(server):
    with Proxy() as p:
        env = {"HTTPS_PROXY": f"127.0.0.1:{p.port}", "http_proxy": "http://127.0.0.1:1"}
        web(server, env=env, server=f"https://{NAME}:{server.port}")
        expect(p.asked and p.asked[0].startswith(f"CONNECT {NAME}:{server.port} "), p.asked)
        p.asked.clear()
        web(server, env=env)
        web(server, env={**env, "NO_PROXY": "other"})
        expect_equal(p.asked, [], "a proxy for an address of this machine")


def authorities_of_the_system(server):
    web(server, env={"SSL_CERT_FILE": pki().authority("ca")}, ca="none")
    r = web(server, codes=[69], env={"SSL_CERT_FILE": pki().authority("other")}, ca="none")
    expect("an authority (CN = kubernetes-ca) that this system does not know" in r.err, r.err)
    r = web(server, codes=[69], env={"SSL_CERT_FILE": pki().authority("ca")}, ca="other")
    expect("is not trusted" in r.err, f"the kubeconfig's authority is the only one: {r.err}")
    web(server, ca="insecure")


def impersonation(server):
    server.forget()
    web(server, "--as", "jane", "--as-group", "dev", "--as-group", "ops")
    expect_equal({r.headers.get("impersonate-user") for r in server.requests}, {"jane"}, "Impersonate-User")
    expect_equal({r.impersonated_by for r in server.requests}, {"admin"}, "who impersonates")


def plugin_with_a_stale_token(server):
    """Its first token is refused: it is asked once more, and nobody else is told of it."""
    calls, good = os.path.join(server.folder, "calls"), server.token("paul")
    script = os.path.join(server.folder, "plugin")
    with open(script, "w", encoding="ascii") as f:
        answer = json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "TOKEN"}})
        f.write(f"#!/bin/sh\nif [ -e {calls} ]; then t={good}; else t=stale; fi\necho call >>{calls}\necho '{answer}' | sed s/TOKEN/$t/\n")
    os.chmod(script, stat.S_IRWXU)
    plugin = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": script, "interactiveMode": "Never"}}
    server.forget()
    r = web(server, "-v", auth="none", user="paul", credentials=plugin)
    with open(calls, encoding="ascii") as f:
        expect_equal(f.read().count("call"), 2, "calls of the plugin")
    expect(good not in r.err and "stale" not in r.err and "401" in r.err, r.err)
    expect({r.status for r in server.requests} <= {200, 401, 404}, [str(r) for r in server.requests])


def what_cannot_be_sent(server):
    r = web(server, "--as", "jane\nAuthorization: x", codes=[64])
    expect("a name to impersonate holds a control character" in r.err, r.err)
    r = web(server, "--token", "a\r\nX-Evil: 1", codes=[64, 77])
    expect("control character" in r.err, r.err)
    r = web(server, codes=[64], server="https://127.0.0.1:0")
    expect("the server 'https://127.0.0.1:0' has no usable host and port" in r.err, r.err)


def main():
    t = Tests()
    with ApiServer(LAB) as server:
        for test in (one_connection, old_http, plain_http, other_name, http_proxy, socks_proxy, proxy_of_environment, authorities_of_the_system,
                     impersonation, what_cannot_be_sent, plugin_with_a_stale_token):
            t.run(test.__name__.replace("_", "-"), test, server)
    t.finish()


if __name__ == "__main__":
    main()
