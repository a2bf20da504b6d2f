#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kube-proxy's two servers, /healthz and /livez at one port, /proxyMode, /configz and /metrics at the other, in every state, good and bad; run as a process that is
called kube-proxy, in a network namespace. The bodies are those of a recorded node, with times as the state says.

    ProxyServer(node, {"healthz": "stale", "metrics": "endless"}, flags=["--proxy-mode=ipvs"])

A state is "NUMBER TEXT" (an answer), the name of a function here, or None: nobody listens at this port (both pages of it)."""
import datetime
import json
import os
import socket
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RECORDED = os.path.join(ROOT, "tests", "corpus", "lab-iptables-nft", "nodes", "node1")
PAGES = {"healthz": 10256, "livez": 10256, "proxyMode": 10249, "configz": 10249, "metrics": 10249}
FILES = {"healthz": "kube-proxy-healthz.json", "livez": "kube-proxy-healthz.json", "proxyMode": "kube-proxy-mode.txt", "configz": "kube-proxy-configz.json",
         "metrics": "kube-proxy-metrics.txt"}


NOW = datetime.datetime.now(datetime.timezone.utc) # every answer of one server is the same


def stamp(ago):
    t = NOW - datetime.timedelta(seconds=ago)
    return t.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def health(ago, healthy, eligible=True):
    status = {f: {"lastUpdated": stamp(ago), "healthy": healthy} for f in ("IPv4", "IPv6")}
    return json.dumps({"lastUpdated": stamp(0 if healthy else ago), "currentTime": stamp(0), "nodeEligible": eligible, "healthy": healthy and eligible, "status": status})


def old_health(ago, eligible=None):
    """As before 1.32, in Go's own form of a time."""
    def go(seconds):
        t = NOW.replace(microsecond=0) - datetime.timedelta(seconds=seconds)
        return t.strftime("%Y-%m-%d %H:%M:%S.5 +0000 UTC m=+7.25")
    body = f'{{"lastUpdated": "{go(ago)}","currentTime": "{go(0)}"'
    return body + (f', "nodeEligible": {"true" if eligible else "false"}}}' if eligible is not None else "}")


def answer(status, body, headers=""):
    data = body.encode() if isinstance(body, str) else body
    return f"HTTP/1.0 {status} X\r\nContent-Type: text/plain\r\n{headers}Content-Length: {len(data)}\r\n\r\n".encode() + data


def good(page):
    with open(os.path.join(RECORDED, FILES[page]), "rb") as f:
        return f.read()


def send_slowly(c, page):
    """In pieces, with pauses, and in time."""
    data = answer(200, health(5, True) if page in ("healthz", "livez") else good(page))
    for i in range(0, len(data), len(data) // 5 + 1):
        c.sendall(data[i:i + len(data) // 5 + 1])
        time.sleep(0.1)


def send_endless(c, page):
    c.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + (good(page) if page == "metrics" else b"{"))
    while True:
        c.sendall(b"x" * 65536 + (b" 1\n" if page == "metrics" else b""))


def send_drops(c, _page):
    """A byte now and then, for ever."""
    c.sendall(b"HTTP/1.1 200 OK\r\n\r\n{")
    while True:
        time.sleep(0.3)
        c.sendall(b" ")


STATES = {
    "healthy": lambda c, page: c.sendall(answer(200, health(5, True) if page in ("healthz", "livez") else good(page))),
    "stale": lambda c, page: c.sendall(answer(503, health(2460, False))),
    "draining": lambda c, page: c.sendall(answer(503, health(5, True, False)) if page == "healthz" else answer(200, health(5, True))),
    "old": lambda c, page: c.sendall(answer(200, old_health(0))),
    "old-stale": lambda c, page: c.sendall(answer(503, old_health(2460, True))),
    "oldest": lambda c, page: c.sendall(answer(200, old_health(100))),
    "ipvs": lambda c, page: c.sendall(answer(200, "ipvs")),
    "garbage": lambda c, page: c.sendall(b"\0\1\2SSH-2.0-x\r\n"),
    "other": lambda c, page: c.sendall(answer(200, "<html>hello</html>")),
    "redirect": lambda c, page: c.sendall(answer(302, "", "Location: http://127.0.0.1:7777/\r\n")),
    "not-found": lambda c, page: c.sendall(answer(404, "404 page not found\n")),
    "ends": lambda c, page: None,
    "short": lambda c, page: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + good(page)),
    "chatty": lambda c, page: c.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100000 + b"\r\n\r\n"),
    "hanging": lambda c, page: time.sleep(60),
    "slow": send_slowly, "endless": send_endless, "drops": send_drops,
}


def serve(c, states):
    with c:
        try:
            page = c.recv(4096).decode("latin-1").split(" ")[1].strip("/")
            STATES[states.get(page, "not-found")](c, page)
        except (OSError, IndexError):
            pass


def listen(addr, port, states):
    s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((addr, port))
    if "full" in states.values(): # takes no connection: the queue is full of others'
        s.listen(0)
        waiting = [socket.socket(s.family, socket.SOCK_STREAM) for _ in range(4)]
        for w in waiting:
            w.setblocking(False)
            w.connect_ex((addr, port))
        threading.Thread(target=lambda: time.sleep(1000) or (s, waiting), daemon=True).start()
        return
    s.listen(50)

    def accept():
        while True:
            c, _ = s.accept()
            threading.Thread(target=serve, args=(c, states), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def main():
    binds, states = json.loads(os.environ["PROXY_SERVER"])
    for name, (addr, port) in binds.items():
        listen(addr, port, {p: s for p, s in states.items() if (PAGES[p] == 10256) == (name == "health")})
    with open("/proc/self/comm", "w", encoding="utf-8") as f:
        f.write(os.environ.get("PROXY_COMM", "kube-proxy"))
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


class ProxyServer:
    """@states: by page; @binds: {"health": (address, port), "metrics": ...}; @flags: what its command line shows; @called: its name."""

    def __init__(self, node, states=None, binds=None, flags=(), called="kube-proxy", env=None):
        self.node, self.states, self.flags, self.called, self.env = node, states or {}, flags, called, env or {}
        self.binds = {"health": ("127.0.0.1", 10256), "metrics": ("127.0.0.1", 10249)} if binds is None else binds

    def __enter__(self):
        states = {page: self.states.get(page, "healthy") for page in PAGES}
        # -c keeps what comes behind as arguments of its own
        code = f"import sys; sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r}); import proxy_server; proxy_server.main()"
        argv = [self.called, "-c", code, *self.flags]
        self.process = subprocess.Popen(["ip", "netns", "exec", self.node.name, "bash", "-c", f'exec -a {self.called} {sys.executable} "$@"', "bash", *argv[1:]],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **self.env, "PROXY_SERVER": json.dumps([self.binds, states])})
        if self.process.stdout.readline() != b"ready\n":
            self.__exit__()
            raise OSError("the server did not come up")
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.communicate()


if __name__ == "__main__":
    main()
