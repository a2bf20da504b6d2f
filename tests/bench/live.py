#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`diagnose -A` of a large live cluster against curl, which downloads the same lists: from nginx over TLS and HTTP/2, as static files, and from
the API server of the tests, which is slower than any real one. It measures and never fails for a number.

    tests/bench/live.py [SERVICES [ENDPOINTS]]"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "scenario")]
import live_cluster  # noqa: E402
from api_pki import pki  # noqa: E402
from api_server import ApiServer  # noqa: E402
from bench import PROGRAM, measure  # noqa: E402

AIM_RATIO, AIM_MIB = 1.5, 150
NGINX = """
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
{user}
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    types {{ }}
    default_type application/json;
    client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
    keepalive_requests 100000;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {cert}.crt;
        ssl_certificate_key {cert}.key;
        gzip_static on;
        root {dir}/files;
        location / {{ try_files $uri/_$args =404; }}
    }}
}}
"""


def svcdoctor(kubeconfig):
    return ["env", "KUBECONFIG=" + kubeconfig, PROGRAM, "diagnose", "-A", "-o", "json", "--timeout", "10m", "--request-timeout", "5m"]


def curl(url, targets, folder, parallel):
    """One process that downloads all lists, over one connection, packed as svcdoctor takes them."""
    config = os.path.join(folder, "curl.conf")
    with open(config, "w", encoding="ascii") as f:
        for target in targets:
            f.write(f'url = "{url}{target}"\noutput = /dev/null\n')
    cert = pki().client("admin", ("system:masters",))
    return ["curl", "-sSf", "-g", "-A", "bench", "--http2", "--compressed", "--cacert", pki().authority(), "--cert", cert + ".crt", "--key", cert + ".key",
            *(["--parallel", "--parallel-max", "6"] if parallel else []), "-K", config]


def compare(name, url, kubeconfig, targets, folder):
    rows = {"curl, one after the other": measure(curl(url, targets, folder, False)), "curl --parallel": measure(curl(url, targets, folder, True)),
            "svcdoctor diagnose -A": measure(svcdoctor(kubeconfig))}
    base = rows["curl, one after the other"]
    print(f"  {name:34} {'seconds':>9} {'cpu':>9} {'MiB':>8}   ratios to curl: time, cpu")
    for what, r in rows.items():
        print(f"  {what:34} {r.wall:9.3f} {r.cpu:9.3f} {r.mib:8.1f}   {r.wall / base.wall:7.2f} {r.cpu / base.cpu:7.2f}   {r.note}", flush=True)


def save(folder, server):
    """What the server said, as files: PATH/_QUERY, and packed beside it where it was packed."""
    for target, plan in server.kept.items():
        path, _, query = target.partition("?")
        file = os.path.join(folder, "files", path.strip("/"), "_" + query)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        packed = ("content-encoding", "gzip") in plan.headers
        if plan.status != 200:
            continue
        if packed:
            with open(file + ".gz", "wb") as f:
                f.write(plan.body)
        with open(file, "wb") as f:
            f.write(zlib.decompress(plan.body, 31) if packed else plan.body)


class Nginx:
    def __init__(self, folder):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.config = os.path.join(folder, "nginx.conf")
        with open(self.config, "w", encoding="ascii") as f:
            f.write(NGINX.format(dir=folder, port=self.port, cert=pki().server(), user="user root;" if os.getuid() == 0 else ""))

    def __enter__(self):
        self.process = subprocess.Popen(["nginx", "-c", self.config], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        raise OSError("nginx does not listen")

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(10)


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    endpoints = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    folder = tempfile.mkdtemp(prefix="svcdoctor-bench-")
    try:
        with ApiServer(live_cluster.cluster(n, endpoints)) as s:
            kubeconfig = s.kubeconfig()
            s.kept = {}
            first = subprocess.run(svcdoctor(kubeconfig), stdout=subprocess.DEVNULL, check=False)
            targets = [q.target for q in s.requests if q.status == 200]
            total = sum(len(zlib.decompress(p.body, 31)) if ("content-encoding", "gzip") in p.headers else len(p.body) for p in s.kept.values())
            print(f"live: {n} Services, {endpoints * n} endpoints: {len(targets)} requests, {total / 1e6:.1f} MB of objects, {s.bytes_sent / 1e6:.1f} MB packed, "
                  f"exit {first.returncode}; aims: {AIM_RATIO} times curl's time, {AIM_MIB} MiB")
            save(folder, s)
            s.kept = None
            if shutil.which("nginx"):
                with Nginx(folder) as web:
                    url = f"https://127.0.0.1:{web.port}"
                    compare("from nginx", url, s.kubeconfig(server=url), targets, folder)
            else:
                print("  (there is no nginx here: only the slower server below)")
            compare("from the server of the tests", s.url, kubeconfig, targets, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
