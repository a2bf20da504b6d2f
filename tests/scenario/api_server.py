# SPDX-License-Identifier: GPL-2.0-or-later
"""A Kubernetes API server for tests: TLS, HTTP/2 and HTTP/1.1 on 127.0.0.1, answers as v1.36.2 gives them, and faults on demand.

    with ApiServer(os.path.join(CORPUS, "lab-iptables-nft")) as s:
        run("diagnose", "web", "--kubeconfig", s.kubeconfig())
        s.requests, s.bytes_sent, s.crimes            # what was asked, what it cost, and what should never have been sent

    python3 tests/scenario/api_server.py BUNDLE [USER]    prints the path of a kubeconfig and serves until stdin closes

Who asks: `s.kubeconfig(user="bob", groups=["dev"], auth="cert"|"token"|"basic"|"none")` makes the user known. What users may do:
`rules={"bob": [Rule("get,list", "services,pods,endpointslices", namespace="shop")]}` or a function(Attributes) -> bool; without an
entry a user may do everything. Faults: `s.fault("cut", "/services", nth=1, after=1000)`; FAULTS says which there are. A fault that
waits is ended with the server, which never waits for anybody. What is served is in api_cluster.py, certificates are in api_pki.py.
"""
import asyncio
import base64
import binascii
import dataclasses
import datetime
import email.utils
import functools
import hashlib
import json
import logging
import os
import re
import socket
import ssl
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid
import zlib

if "/usr/lib/python3/dist-packages" not in sys.path:
    sys.path.append("/usr/lib/python3/dist-packages")  # where Debian puts h2, for a Python that is not Debian's

import h2.config  # noqa: E402  pylint: disable=wrong-import-position
import h2.connection  # noqa: E402  pylint: disable=wrong-import-position
import h2.events  # noqa: E402  pylint: disable=wrong-import-position
import h2.exceptions  # noqa: E402  pylint: disable=wrong-import-position
import h2.settings  # noqa: E402  pylint: disable=wrong-import-position
from hyperframe.frame import GoAwayFrame  # noqa: E402  pylint: disable=wrong-import-position

from api_cluster import Answer, Backends, Cluster, encode, failure, no_page, no_resource, split_query, token as list_token  # noqa: E402
from api_pki import base64_of, kubeconfig_text, pki  # noqa: E402

logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # that a client is gone is what is tested
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: an expired client certificate is a 401 and not a failed handshake
GZIP_FROM = 128 << 10
FLOW_SCHEMA = [("x-kubernetes-pf-flowschema-uid", "4783c5d3-63ba-4aa8-98df-f4eb727264a8"),
               ("x-kubernetes-pf-prioritylevel-uid", "a94788bb-5115-4430-972d-fcd6dc9c319e")]
VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitCommit": "8e16b12fda5b1dccc41a6de48b3e356cc7d5048b", "gitTreeState": "",
           "buildDate": "1970-01-01T00:00:00Z", "goVersion": "go1.26.10", "compiler": "gc", "platform": "linux/amd64"}
OPEN_PATHS = re.compile(r"/(version/?|healthz|livez|readyz|api|api/v1|apis|apis/[^/]+|apis/[^/]+/[^/]+|openapi/.*)")
RESOURCE = re.compile(r"/(?:api/(?P<core>v1)|apis/(?P<gv>[^/]+/[^/]+))(?:/namespaces/(?P<ns>[^/]+)(?=/))?/(?P<resource>[^/]+)"
                      r"(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+)(?:/(?P<rest>.*))?)?)?")


# ---- who may do what ----

@dataclasses.dataclass
class Attributes:
    """What the server asks its authoriser."""
    user: str
    groups: tuple
    verb: str
    group: str
    resource: str  # "pods", "pods/log"
    namespace: str  # None: at the cluster scope
    name: str


class Rule:
    """Allows @verbs on @resources ("pods,pods/log,endpointslices.discovery.k8s.io"; without a group: of any), in one namespace or everywhere."""

    def __init__(self, verbs="get,list", resources="*", namespace=None, names=()):
        self.verbs, self.resources, self.namespace, self.names = verbs.split(","), resources.split(","), namespace, list(names)

    def allows(self, a):
        full = a.resource + ("." + a.group if a.group else "")
        return (("*" in self.verbs or a.verb in self.verbs) and ("*" in self.resources or a.resource in self.resources or full in self.resources)
                and self.namespace in (None, a.namespace) and (not self.names or a.name in self.names))

    @staticmethod
    def of_role(role):
        """The rules of a Role or ClusterRole; of a Role, in its namespace."""
        namespace = role["metadata"].get("namespace") if role["kind"] == "Role" else None
        return [Rule(",".join(r["verbs"]), ",".join(x + ("." + g if g else "") if g != "*" else x for g in r["apiGroups"] for x in r["resources"]),
                     namespace, r.get("resourceNames", ())) for r in role["rules"] if "resources" in r]


def all_but(*denied):
    """A function for `rules`: everything is allowed but what is named: "nodes", "list pods", "endpointslices.discovery.k8s.io"."""
    refused = [Rule(d.split(" ")[0] if " " in d else "*", d.split(" ")[-1]) for d in denied]
    return lambda a: not any(r.allows(a) for r in refused)


def forbidden(a):
    qualified = a.resource.split("/")[0] + ("." + a.group if a.group else "")
    scope = f'in the namespace "{a.namespace}"' if a.namespace else "at the cluster scope"
    name = f' "{a.name}"' if a.name else ""
    details = {**({"name": a.name} if a.name else {}), **({"group": a.group} if a.group else {}), "kind": a.resource.split("/")[0]}
    return failure(403, "Forbidden", f'{qualified}{name} is forbidden: User "{a.user}" cannot {a.verb} resource "{a.resource}" in API group "{a.group}" {scope}',
                   details)


def unauthorized():
    return failure(401, "Unauthorized", "Unauthorized")


# ---- what was asked ----

@dataclasses.dataclass
class Request:
    method: str
    target: str  # path and query as they came
    headers: dict  # names in lower case
    protocol: str  # "h2", "http/1.1"
    connection: int
    path: str = ""
    params: dict = dataclasses.field(default_factory=dict)
    user: str = None
    groups: tuple = ()
    impersonated_by: str = None
    status: int = 0
    bytes: int = 0  # of the body, as sent
    ended: str = "open"  # "whole", "cut", "reset" by the client, "open"
    fault: str = None
    stream: int = 0

    def __post_init__(self):
        self.path, self.params = split_query(self.target)

    def __str__(self):
        return f"{self.method} {self.target} {self.status} {self.bytes}"


# ---- faults ----

class Fault:
    """@kind on requests whose path and query match @pattern (searched); @nth: the how many-th match(es) from 1: number, list or None for all."""

    def __init__(self, kind, pattern="", nth=None, method=None, then=None, **options):
        self.kind, self.pattern, self.method, self.then, self.options = kind, re.compile(pattern), method, then, options
        self.nth = None if nth is None else {nth} if isinstance(nth, int) else set(nth)
        self.seen = self.hits = 0
        if kind not in FAULTS:
            raise ValueError(f"no fault '{kind}'")

    def takes(self, request):
        if (self.method and request.method != self.method) or not self.pattern.search(request.target):
            return False
        self.seen += 1
        if self.nth is not None and self.seen not in self.nth:
            return False
        self.hits += 1
        return True


@dataclasses.dataclass
class Plan:
    """How an answer is sent."""
    status: int
    headers: list
    body: bytes
    stall_first: bool = False  # nothing at all
    delay: float = 0
    after: int = None  # bytes of the body after which ...
    then: str = None  # ... "cut" (socket), "reset" (the stream), "stall", "endless", "short" (the length lies)
    filler: bytes = b""
    drip: tuple = None  # (bytes, seconds)
    goaway: str = None  # "refuse": this request was not processed; "after": this is the last one


def with_body(plan, body, content_type=None):
    plan.body = body
    plan.headers = [h for h in plan.headers if h[0] not in ("content-length", "content-encoding", *(("content-type",) if content_type else ()))]
    if content_type:
        plan.headers.append(("content-type", content_type))


def from_answer(plan, answer):
    plan.status = answer.status
    with_body(plan, answer.encoded(), answer.content_type)
    plan.headers += answer.headers


def change_json(plan, change):
    """Lets @change see a list's document; of other answers nothing changes."""
    body = zlib.decompress(plan.body, 31) if ("content-encoding", "gzip") in plan.headers else plan.body
    try:
        document = json.loads(body)
    except ValueError:
        return
    change(document)
    with_body(plan, encode(document))


def fault_status(plan, code=500, reason="InternalError", message="Internal error occurred: etcdserver: leader changed", retry_after=None, status_body=True):
    details = {"retryAfterSeconds": retry_after} if retry_after is not None else {}
    answer = failure(code, reason, message, details)
    if not status_body:
        answer = Answer(code, (message + "\n").encode(), "text/plain; charset=utf-8")
    if retry_after is not None:
        answer.headers.append(("retry-after", str(retry_after)))
    from_answer(plan, answer)


def fault_busy(plan, retry_after=1):
    fault_status(plan, 429, "TooManyRequests", "too many requests, please try again later", retry_after)


def fault_unavailable(plan, **options):
    fault_status(plan, **{"code": 503, "reason": "ServiceUnavailable", "message": "the server is currently unable to handle the request", **options})


def fault_expired(plan):
    from_answer(plan, Cluster({}).expired("shop/\0"))


def cutter(then):
    def fault(plan, after=None):
        plan.after, plan.then = len(plan.body) // 2 if after is None else after, then
    return fault


def fault_stall_headers(plan):
    plan.stall_first = True


def fault_delay(plan, seconds=1):
    plan.delay = seconds


def fault_endless(plan, filler=None, prefix=None):
    """The list goes on for ever: by default its last item again and again."""
    if ("content-encoding", "gzip") in plan.headers:
        with_body(plan, zlib.decompress(plan.body, 31))
    if prefix is None:
        end = plan.body.rfind(b"]}")
        start = plan.body.rfind(b',{"metadata"', 0, end)
        prefix, filler = (plan.body[:end], filler or plan.body[start:end]) if 0 < start < end else (plan.body.rstrip()[:-1], filler or b" " * 1024)
    with_body(plan, prefix)
    plan.after, plan.then, plan.filler = len(prefix), "endless", filler * max(1, 65536 // len(filler))


def fault_truncated(plan, after=None):
    """Half of the document, and the framing says that this was all."""
    if ("content-encoding", "gzip") in plan.headers:
        with_body(plan, zlib.decompress(plan.body, 31))
    with_body(plan, plan.body[:len(plan.body) // 2 if after is None else after])


def fault_packed_short(plan):
    """Half of a packed body, and the framing says that this was all."""
    body = plan.body if ("content-encoding", "gzip") in plan.headers else zlib.compress(plan.body, 1, 31)
    with_body(plan, body[:len(body) // 2])
    plan.headers.append(("content-encoding", "gzip"))


def fault_garbage(plan, body=b"{\"kind\":\"ServiceList\",\"items\":[{\x00\xff\xfe not json", content_type="application/json"):
    plan.status = 200
    with_body(plan, body, content_type)


def fault_html(plan, body=b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n", status=200):
    plan.status = status
    with_body(plan, body, "text/html; charset=utf-8")


def fault_redirect(plan, location="/login", status=302):
    plan.status = status
    with_body(plan, b"", "text/html; charset=utf-8")
    plan.headers.append(("location", location))


def fault_goaway(plan, mode="refuse"):
    plan.goaway = mode


def fault_drip(plan, chunk=1000, seconds=0.05):
    plan.drip = (chunk, seconds)


def fault_content_type(plan, content_type="text/plain; charset=utf-8"):
    with_body(plan, plan.body, content_type)


def fault_remaining(plan, count=1 << 60):
    change_json(plan, lambda d: d["metadata"].update(remainingItemCount=count))


def fault_same_token(plan, text=None):
    """Always the same continue token, as if the list had no end."""
    change_json(plan, lambda d: d["metadata"].update({"continue": text or list_token(1000, "default/\0")}))


def fault_wrong_kind(plan, kind="ConfigMapList", api_version="v1"):
    change_json(plan, lambda d: d.update(kind=kind, apiVersion=api_version))


def fault_change(plan, change):
    change_json(plan, change)


def fault_bad_gzip(plan):
    with_body(plan, b"\x1f\x8b\x08\x00" + b"no deflate stream " * 100)
    plan.headers.append(("content-encoding", "gzip"))


@functools.lru_cache(maxsize=None)
def bomb(size):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * (1 << 20)
    return packer.compress(b'{"kind":"ServiceList","items":[') + b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


def fault_bomb(plan, size=1 << 30):
    """A small body that is unpacked to @size bytes of spaces behind a brace."""
    with_body(plan, bomb(size))
    plan.headers.append(("content-encoding", "gzip"))


def fault_answer(plan, status=200, body=b"", content_type="application/json", headers=()):
    """Any answer at all."""
    from_answer(plan, Answer(status, body, content_type, headers))


FAULTS = {
    "status": fault_status,  # code, reason, message, retry_after, status_body
    "429": fault_busy,  # retry_after
    "500": fault_status, "503": fault_unavailable,
    "410": fault_expired,
    "cut": cutter("cut"),  # after: the socket is closed behind so many bytes of the body (half of it)
    "reset": cutter("reset"),  # the same by RST_STREAM; of HTTP/1.1 a closed socket, too
    "stall": cutter("stall"),  # the rest never comes
    "stall-headers": fault_stall_headers, "delay": fault_delay,
    "endless": fault_endless, "truncated": fault_truncated, "packed-short": fault_packed_short, "garbage": fault_garbage, "html": fault_html, "redirect": fault_redirect,
    "goaway": fault_goaway,  # mode: refuse (this one must be asked again), after (this was the last one)
    "drip": fault_drip,  # chunk, seconds
    "content-type": fault_content_type, "remaining": fault_remaining, "same-token": fault_same_token, "wrong-kind": fault_wrong_kind,
    "change": fault_change,  # change: function(document)
    "bad-gzip": fault_bad_gzip, "bomb": fault_bomb, "answer": fault_answer,
}


# ---- the two protocols: each gives deliver() the same four functions ----

class Gone(Exception):
    """The connection or stream is no more."""


class Http2:
    def __init__(self, server, reader, writer, number):
        self.server, self.reader, self.writer, self.number = server, reader, writer, number
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.window = asyncio.Event()
        self.tasks, self.heads, self.bodies = {}, {}, {}

    async def run(self):
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 250})
        await self.flush()
        try:
            while data := await self.reader.read(65536):
                try:
                    events = self.h2.receive_data(data)
                except h2.exceptions.ProtocolError:
                    await self.flush()
                    return
                for event in events:
                    self.take(event)
                await self.flush()
        finally:
            for task in list(self.tasks.values()):
                task.cancel()

    def take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.heads[event.stream_id], self.bodies[event.stream_id] = event.headers, 0
        elif isinstance(event, h2.events.DataReceived):
            self.bodies[event.stream_id] += len(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.start(event.stream_id)
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            self.window.set()
        elif isinstance(event, h2.events.StreamReset):
            task = self.tasks.pop(event.stream_id, None)
            if task:
                task.cancel()

    def start(self, stream):
        head = self.heads.pop(stream)
        values = {}
        for name, value in head:
            values[name] = values[name] + "," + value if name in values and not name.startswith(":") else value
        request = Request(values.pop(":method"), values.pop(":path", ""), {k: v for k, v in values.items() if k[0] != ":"}, "h2", self.number, stream=stream)
        self.tasks[stream] = asyncio.create_task(self.answer(request, Http2Stream(self, stream)))

    async def answer(self, request, stream):
        try:
            await self.server.answer(request, stream, self.writer)
        except (Gone, ConnectionError, h2.exceptions.H2Error):
            request.ended = "reset" if request.ended == "open" else request.ended
        except asyncio.CancelledError:
            request.ended = "reset" if request.ended == "open" else request.ended
            raise
        finally:
            self.tasks.pop(request.stream, None)

    async def flush(self):
        data = self.h2.data_to_send()
        if self.writer.transport.is_closing():
            raise Gone
        if data:
            self.server.wire_bytes += len(data)
            self.writer.write(data)
            await self.writer.drain()


class Http2Stream:
    def __init__(self, connection, number):
        self.connection, self.number = connection, number

    async def head(self, status, headers, length):
        if length is not None:
            headers = [*headers, ("content-length", str(length))]
        self.connection.h2.send_headers(self.number, [(":status", str(status)), *headers])
        await self.connection.flush()

    async def data(self, data):
        c, at, pending = self.connection, 0, 0
        while at < len(data):
            room = min(c.h2.local_flow_control_window(self.number), c.h2.max_outbound_frame_size, len(data) - at)
            if room <= 0:
                await c.flush()
                pending = 0
                c.window.clear()
                await c.window.wait()
                continue
            c.h2.send_data(self.number, data[at:at + room])
            at += room
            pending += room
            if pending >= 1 << 18:
                await c.flush()
                pending = 0
        await c.flush()

    async def end(self):
        self.connection.h2.end_stream(self.number)
        await self.connection.flush()

    async def cut(self, stream_only):
        if not stream_only:
            self.connection.writer.transport.abort()
            return
        self.connection.h2.reset_stream(self.number, error_code=2)  # INTERNAL_ERROR
        await self.connection.flush()

    async def goaway(self, refuse):
        """Past the library, which would then send no more on any stream."""
        frame = GoAwayFrame(0, last_stream_id=max(0, self.number - 2) if refuse else self.number, error_code=0)
        self.connection.writer.write(frame.serialize())
        await self.connection.writer.drain()

    async def close(self):
        self.connection.writer.close()


class Http1:
    def __init__(self, server, reader, writer, number):
        self.server, self.reader, self.writer, self.number = server, reader, writer, number

    async def run(self):
        while True:
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
                return
            lines = head.decode("latin-1").split("\r\n")
            first = lines[0].split(" ")
            if len(first) != 3:
                self.writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                return
            headers = {}
            for line in filter(None, lines[1:]):
                name, _, value = line.partition(":")
                name = name.strip().lower()
                headers[name] = headers[name] + "," + value.strip() if name in headers else value.strip()
            length = int(headers.get("content-length", "0") or 0)
            if length:
                await self.reader.readexactly(min(length, 1 << 20))
            request = Request(first[0], first[1], headers, "http/1.1", self.number)
            stream = Http1Stream(self.server, self.writer)
            try:
                await self.server.answer(request, stream, self.writer)
            except (Gone, ConnectionError):
                request.ended = "reset" if request.ended == "open" else request.ended
                return
            if stream.last or headers.get("connection", "").lower() == "close" or first[2] == "HTTP/1.0":
                return


class Http1Stream:
    def __init__(self, server, writer):
        self.server, self.writer = server, writer
        self.chunked = self.last = False

    async def head(self, status, headers, length):
        self.chunked = length is None
        headers = [*headers, ("transfer-encoding", "chunked") if self.chunked else ("content-length", str(length)), *((("connection", "close"),) if self.last else ())]
        text = f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n" + "".join(f"{k.title()}: {v}\r\n" for k, v in headers) + "\r\n"
        await self.write(text.encode("latin-1"))

    async def write(self, data):
        if self.writer.transport.is_closing():
            raise Gone
        self.server.wire_bytes += len(data)
        self.writer.write(data)
        await self.writer.drain()

    async def data(self, data):
        for at in range(0, len(data), 1 << 16):
            part = data[at:at + (1 << 16)]
            await self.write(b"%x\r\n%s\r\n" % (len(part), part) if self.chunked else part)

    async def end(self):
        if self.chunked:
            await self.write(b"0\r\n\r\n")

    async def cut(self, _stream_only):
        self.last = True
        self.writer.close()
        raise Gone

    async def goaway(self, _refuse):
        self.last = True

    async def close(self):
        self.last = True


REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
           410: "Gone", 429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


# ---- the server ----

class ApiServer:
    """@bundle: see api_cluster.Cluster. @cert: good, expired, not-yet, wrong-host, other-ca. @plain: no TLS. @h2: offers HTTP/2.
    @anonymous: who says nothing is system:anonymous and gets 403, not 401. @without: plural names or groups that this server does not have.
    @version: the answer to /version. @logs: see api_cluster.Backends. @silent: accepts connections and never says anything."""

    def __init__(self, bundle=None, *, cert="good", plain=False, h2=True, anonymous=False, rules=None, faults=(), without=(), version=None,  # pylint: disable=redefined-outer-name
                 logs="empty", silent=False, slams=False, crds=()):
        self.cluster = Cluster(bundle if bundle is not None else {}, version, without, crds)
        self.backends = Backends(self.cluster, self.cluster.folder, logs)
        self.cert, self.plain, self.offers_h2, self.anonymous, self.silent, self.slams = cert, plain, h2, anonymous, silent, slams
        self.rules = dict(rules or {})
        self.faults = list(faults)
        self.hook = None  # function(Request) -> Answer or None, before anything else but authentication
        self.tokens, self.passwords = {}, {}
        self.requests, self.connections = [], 0
        self.wire_bytes = 0
        self.zipped = {}
        self.kept = None  # a dict: what was said to each target
        self.loop = self.thread = self.port = None
        self.accepting, self.greetings, self.held = None, set(), []

    # -- life --

    def __enter__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="svcdoctor-api-")
        self.folder = self.holder.name
        context = None if self.plain else self.tls()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # by its number asyncio knows that TCP_NODELAY fits
        sock.bind(("127.0.0.1", 0))
        sock.listen(100)
        self.port = sock.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda loop, context: None)  # failed handshakes, cut connections: they are what is tested
        ready = threading.Event()
        self.thread = threading.Thread(target=self.serve, args=(sock, context, ready), daemon=True)
        self.thread.start()
        ready.wait(10)
        return self

    def __exit__(self, *exc):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.holder.cleanup()

    def serve(self, sock, context, ready):
        asyncio.set_event_loop(self.loop)
        sock.setblocking(False)
        self.accepting = self.loop.create_task(self.accept(sock, context))
        ready.set()
        self.loop.run_forever()
        sock.close()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.wait(tasks, timeout=2) if tasks else asyncio.sleep(0))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    async def accept(self, sock, context):
        while True:
            client, _ = await self.loop.sock_accept(sock)
            client.setblocking(False)
            self.connections += 1
            if self.silent:
                self.held.append(client)
                continue
            if self.slams:
                client.close()
                continue
            self.greetings.add(task := self.loop.create_task(self.greet(client, context)))
            task.add_done_callback(self.greetings.discard)

    async def greet(self, client, context):
        """What a Go server says to a client that has mistaken the protocol."""
        readable = self.loop.create_future()
        self.loop.add_reader(client, lambda: readable.done() or readable.set_result(None))
        await readable
        self.loop.remove_reader(client)
        try:
            first = client.recv(1, socket.MSG_PEEK)
        except OSError:
            first = b""
        if not first or (first == b"\x16") != (context is not None):
            text = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n" if context else b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
            if first:
                client.recv(65536)
                client.send(text)
            client.close()
            return
        number = self.connections
        reader = asyncio.StreamReader(limit=1 << 18)
        protocol = asyncio.StreamReaderProtocol(reader, lambda r, w: self.connected(r, w, number))
        try:
            await self.loop.connect_accepted_socket(lambda: protocol, client, ssl=context, ssl_handshake_timeout=20 if context else None)
        except (OSError, ssl.SSLError):
            client.close()

    def tls(self):
        made = pki().server(self.cert)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made + ".crt", made + ".key")
        context.set_alpn_protocols(["h2", "http/1.1"] if self.offers_h2 else ["http/1.1"])
        for name in ("ca", "other"):  # certificates of the other authority are refused by a 401, as the real server does
            context.load_verify_locations(pki().authority(name))
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= NO_CHECK_TIME
        return context

    async def connected(self, reader, writer, number):
        secure = writer.get_extra_info("ssl_object")
        kind = Http2 if secure and secure.selected_alpn_protocol() == "h2" else Http1
        try:
            await kind(self, reader, writer, number).run()
        except (Gone, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            try:
                writer.close()
            except (ConnectionError, RuntimeError):
                pass

    # -- what tests ask --

    @property
    def url(self):
        return f"{'http' if self.plain else 'https'}://127.0.0.1:{self.port}"

    @property
    def bytes_sent(self):
        """Bytes of all bodies, as they went over the wire."""
        return sum(r.bytes for r in self.requests)

    @property
    def crimes(self):
        """What a program that only looks must never send: other methods than GET, and whatever names a Secret."""
        return [r for r in self.requests if r.method != "GET" or "secrets" in r.path.split("/")]

    def matching(self, pattern):
        return [r for r in self.requests if re.search(pattern, r.target)]

    def forget(self):
        """The counts start anew."""
        self.requests, self.wire_bytes, self.connections = [], 0, 0

    def fault(self, kind, pattern="", nth=None, **options):
        self.faults.append(Fault(kind, pattern, nth, **options))
        if kind == "bomb":
            bomb(self.faults[-1].options.setdefault("size", 1 << 30))  # now, not while a client waits
        return self.faults[-1]

    def token(self, user="admin", groups=()):
        """A bearer token of this user."""
        text = f"token-of-{user}-{uuid.uuid5(uuid.NAMESPACE_DNS, user).hex[:12]}"
        self.tokens[text] = (user, tuple(groups))
        return text

    def kubeconfig(self, user="admin", *, groups=("system:masters",), auth="cert", context="lab", namespace=None, ca="ca", server=None, inline=True, cluster=(),
                   credentials=(), path=None, client_cert="good"):
        """The path of a new kubeconfig. @auth: cert, token, basic, none. @ca: ca, other, insecure, none. @server: another URL.
        @cluster, @credentials: more keys of the cluster and the user. @inline: certificates stand in the file itself."""
        told = {"server": server or self.url}
        if ca == "insecure":
            told["insecure-skip-tls-verify"] = True
        elif ca != "none" and told["server"].startswith("https:"):
            file = pki().authority(ca)
            told.update({"certificate-authority-data": base64_of(file)} if inline else {"certificate-authority": file})
        who = {}
        if auth == "cert":
            made = pki().client(user, tuple(groups), client_cert)
            names = {"client-certificate": made + ".crt", "client-key": made + ".key"}
            who = {k + "-data": base64_of(v) for k, v in names.items()} if inline else names
        elif auth == "token":
            who = {"token": self.token(user, groups)}
        elif auth == "basic":
            self.passwords[user] = ("password-of-" + user, tuple(groups))
            who = {"username": user, "password": "password-of-" + user}
        told.update(cluster)
        who.update(credentials)
        path = path or os.path.join(self.folder, f"kubeconfig-{len(os.listdir(self.folder))}")
        with open(path, "w", encoding="utf-8") as f:
            f.write(kubeconfig_text(told, who, context, namespace, ("lab", user)))
        os.chmod(path, 0o600)
        return path

    # -- a request --

    async def answer(self, request, stream, writer):
        self.requests.append(request)
        plan = self.plan(request, writer)
        fault = next((f for f in self.faults if f.takes(request)), None)
        if fault:
            request.fault = fault.kind
            FAULTS[fault.kind](plan, **fault.options)
            if fault.then:
                fault.then(self)
        request.status = plan.status
        if self.kept is not None:
            self.kept[request.target] = plan
        await self.deliver(request, plan, stream)

    def plan(self, request, writer):
        headers = [("audit-id", str(uuid.uuid4())), ("cache-control", "no-cache, private")]
        pretty = self.wants_pretty(request)
        try:
            self.identify(request, writer)
            headers += FLOW_SCHEMA
            answer = (self.hook and self.hook(request)) or self.respond(request)
        except Answer as e:
            answer = e
        body = answer.encoded(pretty)
        if pretty and answer.content_type == "application/json" and isinstance(answer.body, bytes) and body[:1] == b"{":
            body = encode(json.loads(body), True)
        headers = [headers[0], headers[1], ("content-type", answer.content_type), *answer.headers, *headers[2:]]
        if answer.status == 200 and len(body) > GZIP_FROM and "gzip" in request.headers.get("accept-encoding", "") and "/log" not in request.path:
            headers += [("content-encoding", "gzip"), ("vary", "Accept-Encoding")]
            body = self.gzip(body)
        headers.append(("date", email.utils.formatdate(usegmt=True)))
        return Plan(answer.status, headers, body)

    def gzip(self, body):
        key = hashlib.md5(body).digest()
        if key not in self.zipped:
            packer = zlib.compressobj(1, zlib.DEFLATED, 31)
            self.zipped[key] = packer.compress(body) + packer.flush()
        return self.zipped[key]

    @staticmethod
    def wants_pretty(request):
        if "pretty" in request.params:
            return request.params["pretty"] not in ("0", "false")
        return request.headers.get("user-agent", "").startswith(("curl", "Wget", "Mozilla/5.0"))

    async def deliver(self, request, plan, stream):
        if plan.stall_first:
            await asyncio.Event().wait()
        if plan.delay:
            await asyncio.sleep(plan.delay)
        if plan.goaway:
            await stream.goaway(plan.goaway == "refuse")
            if plan.goaway == "refuse":
                request.ended = "cut"
                await asyncio.sleep(0.05)
                await stream.cut(False)
                return
        # As the real one: small bodies have a length, others end with their framing.
        length = len(plan.body) if len(plan.body) <= 2048 or plan.then in ("cut", "stall") else None
        await stream.head(plan.status, plan.headers, length if plan.then != "endless" else None)
        body = plan.body if plan.after is None else plan.body[:plan.after]
        step = plan.drip[0] if plan.drip else 1 << 18
        for at in range(0, len(body), step):
            part = body[at:at + step]
            await stream.data(part)
            request.bytes += len(part)
            if plan.drip:
                await asyncio.sleep(plan.drip[1])
        if plan.then:
            await self.misbehave(request, plan, stream)
            return
        await stream.end()
        request.ended = "whole"
        if plan.goaway:
            await stream.close()

    async def misbehave(self, request, plan, stream):
        if plan.then == "stall":
            await asyncio.Event().wait()
        while plan.then == "endless":
            await stream.data(plan.filler)
            request.bytes += len(plan.filler)
            await asyncio.sleep(0)
        request.ended = "cut"
        await asyncio.sleep(0.02)  # what was sent is on its way before the connection goes
        await stream.cut(plan.then == "reset")

    # -- who asks --

    def identify(self, request, writer):
        who = self.of_certificate(writer) or self.of_header(request.headers.get("authorization", ""))
        if not who and self.anonymous and "authorization" not in request.headers:
            who = ("system:anonymous", ("system:unauthenticated",))
        if not who:
            raise unauthorized()
        request.user, request.groups = who
        wanted = request.headers.get("impersonate-user")
        if wanted:
            self.authorize(Attributes(who[0], who[1], "impersonate", "", "users", None, wanted))
            request.impersonated_by, request.user = request.user, wanted
            request.groups = tuple(g for g in request.headers.get("impersonate-group", "").split(",") if g)

    @staticmethod
    def of_certificate(writer):
        secure = writer.get_extra_info("ssl_object")
        given = secure.getpeercert() if secure else None
        if not given:
            return None
        issuer = dict(x for part in given["issuer"] for x in part).get("commonName")
        now = datetime.datetime.now(datetime.timezone.utc).timestamp()
        if issuer != "kubernetes-ca" or not ssl.cert_time_to_seconds(given["notBefore"]) <= now <= ssl.cert_time_to_seconds(given["notAfter"]):
            return None
        names = [x for part in given["subject"] for x in part]
        return next(v for k, v in names if k == "commonName"), tuple(v for k, v in names if k == "organizationName")

    def of_header(self, text):
        scheme, _, value = text.partition(" ")
        if scheme.lower() == "bearer":
            return self.tokens.get(value.strip())
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(value).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return None
            known = self.passwords.get(user)
            return (user, known[1]) if known and known[0] == password else None
        return None

    def authorize(self, a):
        rules = self.rules.get(a.user)
        if rules is not None and not (rules(a) if callable(rules) else any(r.allows(a) for r in rules)):
            raise forbidden(a)

    # -- what it says --

    def respond(self, request):
        path = urllib.parse.unquote(request.path)
        if request.method != "GET":
            raise failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})
        if OPEN_PATHS.fullmatch(path):
            return self.open_path(path.rstrip("/"), request)
        m = RESOURCE.fullmatch(path)
        if not m:
            if request.user in self.rules:
                raise failure(403, "Forbidden", f'forbidden: User "{request.user}" cannot get path "{path}"', {})
            raise no_page()
        return self.resource(request, m)

    def open_path(self, path, _request):
        if path == "/version":
            return Answer(200, self.cluster.version or VERSION)
        if path in ("/healthz", "/livez", "/readyz"):
            return Answer(200, b"ok", "text/plain; charset=utf-8", [("x-content-type-options", "nosniff")])
        found = None if path.startswith("/openapi") else self.cluster.discovery(path)
        if found is None:
            raise no_page()
        return Answer(200, found)

    def resource(self, request, m):
        gv, namespace, resource, name, sub, rest = m["core"] or m["gv"], m["ns"], m["resource"], m["name"], m["sub"], m["rest"]
        if namespace is None and resource == "namespaces" and name and not sub:
            namespace = name  # the rights of a namespace's own object are those in the namespace
        group = gv.rpartition("/")[0]
        verb = "get" if name else "watch" if request.params.get("watch") in ("1", "true") else "list"
        named = name
        alone = re.fullmatch(r"metadata\.name==?([^,!=]+)", request.params.get("fieldSelector", ""))
        if verb == "list" and alone:
            named = alone[1]
        proxied = name.split(":")[-2 if name.count(":") == 2 else 0] if sub == "proxy" else named
        self.authorize(Attributes(request.user, request.groups, verb, group, resource + ("/" + sub if sub else ""), namespace, proxied))
        if sub in ("log", "proxy"):
            return self.passed_on(request, namespace, resource, name, sub, rest)
        kind = self.cluster.kinds.get((gv, resource))
        if kind is None:
            raise no_resource() if gv == "v1" or gv in self.cluster.group_versions() else no_page()
        if verb == "watch" or sub or (namespace and not kind.namespaced and resource != "namespaces"):
            raise no_resource()
        accept = request.headers.get("accept", "")
        if accept and not any(x in accept for x in ("json", "*/*", "application/*")):
            raise failure(406, "NotAcceptable", "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
                          {})
        bare = "as=PartialObjectMetadata" in accept.split(",")[0]
        if name:
            return Answer(200, self.cluster.get(kind, namespace if kind.namespaced else None, name, bare))
        return Answer(200, self.cluster.list(kind, namespace, request.params, bare))

    def passed_on(self, request, namespace, resource, name, sub, rest):
        if sub == "log" and resource == "pods":
            return Answer(200, self.backends.log(namespace, name, request.params), "text/plain")
        if sub == "proxy" and resource in ("pods", "nodes"):
            self.backends.proxy(resource, namespace, name, rest or "")
        raise no_resource()


def closed_port():
    """A port of 127.0.0.1 where nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main():
    with ApiServer(sys.argv[1] if len(sys.argv) > 1 else {}) as s:
        print(s.kubeconfig(*sys.argv[2:3]), flush=True)
        seen = 0
        closed = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
        while not closed.is_set():
            time.sleep(0.1)
            while seen < len(s.requests) and s.requests[seen].ended != "open":
                print(s.requests[seen], file=sys.stderr)
                seen += 1


if __name__ == "__main__":
    main()
