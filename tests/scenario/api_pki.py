# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates for api_server.py, made by the openssl command when they are first asked for, and kubeconfig files that name them."""
import atexit
import base64
import datetime
import functools
import json
import os
import re
import subprocess
import tempfile
import threading

CONFIG = """
[ca]
default_ca = this
[this]
database = {dir}/index.txt
serial = {dir}/serial
new_certs_dir = {dir}
default_md = sha256
policy = any
unique_subject = no
[any]
organizationName = optional
commonName = supplied
[req]
distinguished_name = none
prompt = no
[none]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""


def when(days):
    """A time that many days from now, as `openssl ca` wants it."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


class Pki:
    """Two authorities ("ca", the cluster's, and "other") and what they sign; every file lies in one temporary folder."""

    def __init__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="svcdoctor-pki-")
        self.folder = self.holder.name
        self.made = {}
        self.lock = threading.RLock()  # several servers of one run may ask at once

    def file(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *args):
        p = subprocess.run(["openssl", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if p.returncode != 0:
            raise OSError(f"openssl {' '.join(args)}: {p.stdout.decode(errors='replace')}")

    def key(self, name):
        self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.file(name + ".key"))
        os.chmod(self.file(name + ".key"), 0o600)

    def once(self, make, *args):
        """What make(*args) gives, made at most once."""
        with self.lock:
            if args not in self.made:
                self.made[args] = make(*args)
            return self.made[args]

    def authority(self, name="ca"):
        """The path of an authority's certificate; its key lies beside it."""
        return self.once(self.make_authority, name)

    def make_authority(self, name):
        folder = self.file(name + ".d")
        os.mkdir(folder)
        with open(os.path.join(folder, "index.txt"), "w", encoding="ascii"):
            pass
        with open(os.path.join(folder, "serial"), "w", encoding="ascii") as f:
            f.write("1000\n")
        with open(self.file(name + ".cnf"), "w", encoding="ascii") as f:
            f.write(CONFIG.format(dir=folder))
        self.key(name)
        self.openssl("req", "-x509", "-new", "-key", self.file(name + ".key"), "-out", self.file(name + ".crt"), "-subj", f"/CN=kubernetes-{name}",
                     "-days", "3650", "-config", self.file(name + ".cnf"), "-extensions", "authority")
        return self.file(name + ".crt")

    def certificate(self, subject, use, names="", days=(-1, 365), authority="ca"):
        """The path of a certificate without ".crt" or ".key". @subject: "/O=dev/CN=x"; @use: serverAuth or clientAuth; @names: SANs."""
        return self.once(self.make_certificate, subject, use, names, days, authority)

    def make_certificate(self, subject, use, names, days, authority):
        self.authority(authority)
        name = "c" + str(len(os.listdir(self.folder)))
        extensions = f"basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage={use}\nauthorityKeyIdentifier=keyid\n"
        with open(self.file(name + ".ext"), "w", encoding="ascii") as f:
            f.write(extensions + (f"subjectAltName={names}\n" if names else ""))
        self.key(name)
        self.openssl("req", "-new", "-key", self.file(name + ".key"), "-out", self.file(name + ".csr"), "-subj", subject,
                     "-config", self.file(authority + ".cnf"))
        self.openssl("ca", "-batch", "-notext", "-config", self.file(authority + ".cnf"), "-cert", self.file(authority + ".crt"),
                     "-keyfile", self.file(authority + ".key"), "-in", self.file(name + ".csr"), "-out", self.file(name + ".crt"),
                     "-startdate", when(days[0]), "-enddate", when(days[1]), "-extfile", self.file(name + ".ext"), "-preserveDN")
        return self.file(name)

    def server(self, kind="good"):
        """A server's certificate: good, expired, not-yet, wrong-host, other-ca."""
        names = "DNS:somewhere.else.example" if kind == "wrong-host" else "IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc"
        days = {"expired": (-30, -2), "not-yet": (2, 30)}.get(kind, (-1, 365))
        return self.certificate("/CN=kube-apiserver", "serverAuth", names, days, "other" if kind == "other-ca" else "ca")

    def client(self, user, groups=(), kind="good"):
        """A client's certificate: good, expired, other-ca."""
        subject = "".join(f"/O={g}" for g in groups) + f"/CN={user}"
        return self.certificate(subject, "clientAuth", "", (-30, -2) if kind == "expired" else (-1, 365), "other" if kind == "other-ca" else "ca")


@functools.lru_cache(maxsize=None)
def pki():
    """The one of this run."""
    made = Pki()
    atexit.register(made.holder.cleanup)
    return made


def base64_of(path):
    with open(path, "rb") as f:
        return base64.b64encode(f.read()).decode("ascii")


def yaml(value, indent=""):
    """Plain data as YAML lines, in the form in which kubectl writes it."""
    if isinstance(value, dict):
        for k, v in value.items():
            if isinstance(v, (dict, list)) and v:
                yield f"{indent}{k}:"
                yield from yaml(v, indent + ("" if isinstance(v, list) else "  "))
            else:
                yield f"{indent}{k}: {scalar(v)}"
    else:
        for item in value:
            lines = list(yaml(item, indent + "  ")) if isinstance(item, (dict, list)) else [indent + "  " + scalar(item)]
            yield indent + "- " + lines[0].strip(" ")
            yield from lines[1:]


def scalar(v):
    if isinstance(v, str) and re.fullmatch(r"[A-Za-z/][A-Za-z0-9+/=_.:@-]*", v) and v.lower() not in ("true", "false", "null", "yes", "no", "on", "off", "y", "n"):
        return v
    return json.dumps(v)


def kubeconfig_text(cluster, user, context="lab", namespace=None, names=("lab", "someone")):
    """A kubeconfig of one cluster, user and context; @cluster and @user are the inner mappings."""
    inner = {"cluster": names[0], "user": names[1]}
    if namespace:
        inner["namespace"] = namespace
    document = {"apiVersion": "v1", "kind": "Config", "clusters": [{"cluster": cluster, "name": names[0]}], "contexts": [{"context": inner, "name": context}],
                "current-context": context, "preferences": {}, "users": [{"name": names[1], "user": user}]}
    return "\n".join(yaml(document)) + "\n"
