# SPDX-License-Identifier: GPL-2.0-or-later
"""The set-ups of test_kubeconfig*.py: files, flags and environment, and what must arrive at which server by the documentation of kubectl."""
import json

from api_pki import base64_of, pki, yaml
from common import expect
from kube_listeners import Listener, Proxy

V1, V1BETA1, V1ALPHA1 = (f"client.authentication.k8s.io/{v}" for v in ("v1", "v1beta1", "v1alpha1"))


class Case:
    """A set-up: @files by path under the home folder, @flags, @env; "@" stands for the home folder in all of them. @want: the facts that
    must arrive, or "error". @since: the kubectl (1.N) that can be compared. @code and @says: svcdoctor's exit status and words of an error.
    @account: files of a pod's own account."""

    def __init__(self, name, want, files=None, flags=(), env=None, since=20, code=64, says=None, account=None, told=False):
        self.name, self.want, self.files, self.flags, self.env = name, want, files or {}, list(flags), env or {}
        self.since, self.code, self.says, self.account, self.told = since, code, says, account, told


def config(clusters=None, users=None, contexts=None, current="x", **more):
    """A kubeconfig; a context is "cluster,user" or "cluster,user,namespace"."""
    named = []
    for name, text in (contexts or {"x": "c,u"}).items():
        parts = dict(zip(("cluster", "user", "namespace"), text.split(",")))
        named.append({"name": name, "context": parts})
    document = {"apiVersion": "v1", "kind": "Config", "current-context": current, "contexts": named,
                "clusters": [{"name": k, "cluster": v} for k, v in (clusters or {}).items()],
                "users": [{"name": k, "user": v} for k, v in (users or {}).items()], **more}
    return "\n".join(yaml(document)) + "\n"


class World:
    """The servers of one worker, and the files that set-ups refer to."""

    def __init__(self):
        p = pki()
        local = p.certificate("/CN=kube-apiserver", "serverAuth", "IP:127.0.0.1,IP:::1,DNS:localhost,DNS:kubernetes.default.svc")
        self.ca, self.other_ca = p.authority(), p.authority("other")
        self.alice, self.bob = p.client("alice", ("dev",)), p.client("bob")
        self.one, self.two, self.plain = Listener("one", local), Listener("two", local), Listener("plain")
        self.named = Listener("named", p.server("wrong-host"))
        self.six = Listener("six", local, host="::1")
        self.listeners = [self.one, self.two, self.plain, self.named, self.six]
        self.http, self.socks = Proxy("http"), Proxy("socks5")
        self.proxies = [self.http, self.socks]

    def close(self):
        for x in self.listeners + self.proxies:
            x.close()

    def forget(self):
        for listener in self.listeners:
            listener.forget()
        for proxy in self.proxies:
            proxy.targets.clear()

    def facts(self):
        """What arrived, in one line; "error" when no Services were asked for."""
        services = {x for listener in self.listeners for x in listener.services}
        seen = {x for listener in self.listeners for x in listener.seen}
        if not services:
            return "error"
        expect(len(services) == 1 and len(seen) == 1, lambda: f"several askers: {sorted(services)} {sorted(seen)}")
        via = [f" via={p.kind}:{t.rsplit(':', 1)[0]}" for p in self.proxies for t in sorted(p.targets)]
        return services.pop() + "".join(via)


def cluster(listener, path="", host=None, ca=True, **more):
    made = {"server": listener.url(host, path)}
    if ca and listener.context:
        made["certificate-authority"] = pki().authority()
    made.update({k.replace("_", "-"): v for k, v in more.items()})
    return made


def pair(certificate):
    return {"client-certificate": certificate + ".crt", "client-key": certificate + ".key"}


def plugin(command, version=V1BETA1, **more):
    return {"exec": {"command": command, "apiVersion": version, **({"interactiveMode": "Never"} if version == V1 else {}), **more}}


def prints(version=V1BETA1, **status):
    """A plugin that tells what it was told, and prints a credential."""
    answer = json.dumps({"kind": "ExecCredential", "apiVersion": version, "status": status})
    return f'#!/bin/sh\n[ -z "$TOLD" ] || printf %s "$KUBERNETES_EXEC_INFO" >"$TOLD"\ncat <<\'E\'\n{answer}\nE\n'


T = {"u": {"token": "t"}}


def files_and_lists(w):
    one, two = {"c": cluster(w.one)}, {"c": cluster(w.two)}
    good, other = config(one, T), config(two, {"u": {"token": "o"}})
    context = config(current="x", contexts={"x": "c,u,shop"})
    yield Case("home", "one default token=t", {".kube/config": good})
    yield Case("very old home", "one default token=t", {".kube/.kubeconfig": good})
    yield Case("nothing", "error", says="kubeconfig")
    yield Case("KUBECONFIG before home", "two default token=o", {".kube/config": good, "b": other}, env={"KUBECONFIG": "@/b"})
    yield Case("empty KUBECONFIG", "one default token=t", {".kube/config": good}, env={"KUBECONFIG": ""})
    yield Case("list of two", "one shop token=t", {"a": context, "b": good}, env={"KUBECONFIG": "@/a:@/b"})
    yield Case("first current-context wins", "two default token=t", {"a": config(two, T, {"y": "c,u"}, "y"), "b": config({"d": cluster(w.one)}, T, {"x": "d,u"})},
               env={"KUBECONFIG": "@/a:@/b"})
    yield Case("first cluster wins as a whole", "one default token=t", {"a": config(one), "b": config({"c": {**cluster(w.two), "tls-server-name": "no"}}, T)},
               env={"KUBECONFIG": "@/a:@/b"})
    yield Case("first user wins as a whole", "one default token=a", {"a": config(one, {"u": {"token": "a"}}), "b": config(users={"u": {"as": "x"}})},
               env={"KUBECONFIG": "@/a:@/b"})
    yield Case("first context wins as a whole", "one default token=t", {"a": config(one, T), "b": context}, env={"KUBECONFIG": "@/a:@/b"})
    yield Case("missing files of a list", "one default token=t", {"a": good}, env={"KUBECONFIG": "@/none:@/a:/none/at/all"})
    yield Case("empty elements of a list", "one default token=t", {"a": good}, env={"KUBECONFIG": ":@/a::"})
    yield Case("a file twice", "one default token=t", {"a": good, "b": other}, env={"KUBECONFIG": "@/a:@/b:@/a"})
    yield Case("all files missing", "error", {}, env={"KUBECONFIG": "@/none"}, says="which is not there")
    yield Case("a damaged file of a list", "error", {"a": good, "b": "clusters: [\n"}, env={"KUBECONFIG": "@/a:@/b"}, says="@/b:2:1: the kubeconfig cannot be read")
    yield Case("a folder", "error", {"a/b": ""}, env={"KUBECONFIG": "@/a"}, says="Is a directory")
    yield Case("/dev/null", "error", {".kube/config": good}, env={"KUBECONFIG": "/dev/null"})
    yield Case("--kubeconfig before KUBECONFIG", "one default token=t", {"a": good, "b": other}, ["--kubeconfig", "@/a"], {"KUBECONFIG": "@/b"})
    yield Case("--kubeconfig is no list", "error", {"a": good, "b": other}, ["--kubeconfig", "@/a:@/b"], says="there is no kubeconfig")
    yield Case("--kubeconfig missing", "error", {".kube/config": good}, ["--kubeconfig", "@/none"], says="there is no kubeconfig '@/none'")
    yield Case("relative --kubeconfig", "one default token=t", {"sub/a": good}, ["--kubeconfig", "sub/../sub/a"])
    yield Case("relative paths", "one default cert=dev/alice token=f", {
        "sub/a": config({"c": {**cluster(w.one), "certificate-authority": "../ca.crt"}},
                        {"u": {"tokenFile": "./f", "client-certificate": "../me.crt", "client-key": "../sub/../me.key"}}),
        "sub/f": "f\n", "ca.crt": open(w.ca).read(), "me.crt": open(w.alice + ".crt").read(), "me.key": open(w.alice + ".key").read()},
               ["--kubeconfig", "@/sub/a"])
    yield Case("relative flags are of here", "one default token=t", {"sub/a": config({"c": cluster(w.one, ca=False)}, T), "ca.crt": open(w.ca).read()},
               ["--kubeconfig", "sub/a", "--certificate-authority", "ca.crt"])
    yield Case("JSON", "one shop token=t", {"a": json.dumps({"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
               "clusters": [{"name": "c", "cluster": one["c"]}], "users": [{"name": "u", "user": T["u"]}]}, indent="\t")}, ["--kubeconfig", "@/a"])


def forms(w):
    one = {"c": cluster(w.one)}

    def bad(name, text, says):
        return Case(name, "error", {"a": text}, ["--kubeconfig", "@/a"], says=says)
    yield bad("a name twice", config(one, T).replace("users:\n", "users:\n- name: u\n  user: {}\n"), "as another entry")
    yield bad("a number for a token", config(one, {"u": {"token": 12345}}), "'users[0].user.token' must be text, not a number")
    yield bad("octal for a token", config(one, T).replace("token: t", "token: 0123"), "must be text, not a number")
    yield bad("yes for a namespace", config(one, T, {"x": "c,u,SHOP"}).replace("SHOP", "on"), "must be text")
    yield bad("n is no, too", config(one, T, {"x": "c,u,SHOP"}).replace("SHOP", "n"), "must be text")
    yield bad("text for a list", config(one, {"u": {"token": "t", "as": "a", "as-groups": "g"}}), "must be a list of texts")
    yield bad("damaged base64", config({"c": {**one["c"], "certificate-authority-data": "%%%"}}, T), "is no valid base64")
    yield bad("damage elsewhere in the file", config({**one, "d": {"server": 5}}, T), "'clusters[1].cluster.server'")
    yield bad("another kind", config(one, T, kind="Secret"), "is no kubeconfig")
    yield bad("another apiVersion", config(one, T, apiVersion="v2"), "is no kubeconfig")
    yield bad("a list", "[]\n", "must be a mapping")
    yield Case("unknown fields and nulls", "one default token=t", {"a": config(one, T, extensions=None, preferences={"colors": True}, other=[1])
               .replace("token: t", "token: t\n    exec: null\n    future: {a: b}")}, ["--kubeconfig", "@/a"])
    yield Case("aliases and merging", "one default token=m", {"a": config(one, T).replace("token: t", "<<: &m {token: m}")}, ["--kubeconfig", "@/a"])
    yield Case("a second document", "one default token=t", {"a": config(one, T) + "---\ncurrent-context: y\n"}, ["--kubeconfig", "@/a"])


def choices(w):
    clusters = {"c": cluster(w.one), "d": cluster(w.two)}
    users = {"u": {"token": "t"}, "v": {"username": "v", "password": "p:w"}}
    text = {".kube/config": config(clusters, users, {"x": "c,u,shop", "y": "d,v"})}
    yield Case("--context", "two default basic=v:p:w", text, ["--context", "y"])
    yield Case("unknown --context", "error", text, ["--context", "z"], says="context 'z' is not in kubeconfig")
    yield Case("unknown current-context", "error", {".kube/config": config(clusters, users, current="z")}, says="the current context 'z' is not in")
    yield Case("no current-context", "error", {".kube/config": config(clusters, users, current="")}, says="has no current-context")
    yield Case("--cluster", "two shop token=t", text, ["--cluster", "d"])
    yield Case("unknown --cluster", "error", text, ["--cluster", "z"], says="cluster 'z' is not in")
    yield Case("--user", "one shop basic=v:p:w", text, ["--user", "v"])
    yield Case("unknown --user", "error", text, ["--user", "z"], says="user 'z' is not in")
    yield Case("--cluster and --user without a context", "two default token=t", {".kube/config": config(clusters, users, current="")},
               ["--cluster", "d", "--user", "u"])
    yield Case("--namespace", "one other token=t", text, ["--namespace", "other"])
    yield Case("-n", "one other token=t", text, ["-n", "other"])
    yield Case("unknown cluster of a context", "error", {".kube/config": config(clusters, users, {"x": "z,u"})}, says="names the cluster 'z', which is not in")
    yield Case("unknown user of a context", "error", {".kube/config": config(clusters, users, {"x": "c,z"})}, says="names the user 'z', who is not in")
    yield Case("cluster without a server", "error", {".kube/config": config({"c": {"insecure-skip-tls-verify": True}}, users)}, says="cluster 'c' has no server")
    yield Case("flags alone", "one default token=t", {}, ["--server", w.one.url(), "--token", "t", "--certificate-authority", w.ca])
    yield Case("KUBERNETES_MASTER", "one default token=t", {}, ["--token", "t", "--certificate-authority", w.ca], {"KUBERNETES_MASTER": w.one.url()})
    yield Case("--server", "two shop token=t", text, ["--server", w.two.url()])
    yield Case("--request-timeout", "one shop token=t", text, ["--request-timeout", "1m30s"])
    yield Case("bad --request-timeout", "error", text, ["--request-timeout", "soon"], says="is no duration")


def trust(w):
    ca64, other64 = base64_of(w.ca), base64_of(w.other_ca)

    def c(name, want, fields, flags=(), listener=w.one, **more):
        return Case(name, want, {"a": config({"c": cluster(listener, ca=False, **fields)}, T), "none.crt": "no certificate\n"}, ["--kubeconfig", "@/a", *flags], **more)
    yield c("authority as data", "one default token=t", {"certificate_authority_data": ca64})
    yield c("another authority", "error", {"certificate_authority_data": other64}, code=69)
    yield c("the machine's authorities", "error", {}, code=69)
    yield c("insecure", "one default token=t", {"insecure_skip_tls_verify": True})
    yield c("insecure with an authority", "error", {"insecure_skip_tls_verify": True, "certificate_authority": w.ca}, says="contradict each other")
    yield c("--insecure-skip-tls-verify over an authority", "one default token=t", {"certificate_authority_data": other64}, ["--insecure-skip-tls-verify"])
    yield c("--insecure-skip-tls-verify=false takes nothing back", "one default token=t", {"insecure_skip_tls_verify": True}, ["--insecure-skip-tls-verify=false"])
    yield c("--certificate-authority over data", "one default token=t", {"certificate_authority_data": other64}, ["--certificate-authority", w.ca])
    yield c("--certificate-authority over insecure", "error", {"insecure_skip_tls_verify": True}, ["--certificate-authority", w.other_ca], code=69)
    yield c("--certificate-authority and --insecure-skip-tls-verify", "error", {}, ["--certificate-authority", w.ca, "--insecure-skip-tls-verify"])
    yield c("authority as file and data", "error", {"certificate_authority": w.ca, "certificate_authority_data": ca64}, says="both certificate-authority and")
    yield c("authority not there", "error", {"certificate_authority": "none"}, says="cannot read the certificate authority '@/none'")
    yield c("authority without a certificate", "error", {"certificate_authority": "none.crt"}, says="holds no PEM block")
    yield c("another host name", "error", {"certificate_authority": w.ca}, listener=w.named, code=69)
    yield c("tls-server-name", "named default sni=somewhere.else.example token=t",
            {"certificate_authority": w.ca, "tls_server_name": "somewhere.else.example"}, listener=w.named)
    yield c("--tls-server-name", "named default sni=somewhere.else.example token=t", {"certificate_authority": w.ca, "tls_server_name": "x"},
            ["--tls-server-name", "somewhere.else.example"], listener=w.named)
    yield c("--server forgets tls-server-name", "error", {"certificate_authority": w.ca, "tls_server_name": "somewhere.else.example"},
            ["--server", w.named.url()], listener=w.named, code=69)
    yield Case("a name in the server", "one default sni=localhost token=t", {"a": config({"c": cluster(w.one, host="localhost")}, T)}, ["--kubeconfig", "@/a"])


def users(w):
    alice, bob = pair(w.alice), pair(w.bob)
    as_data = {k + "-data": base64_of(v) for k, v in alice.items()}

    def u(name, want, user, flags=(), files=None, **more):
        return Case(name, want, {"a": config({"c": cluster(w.one)}, {"u": user}), "f": "f\n", "empty": "\n", **(files or {})}, ["--kubeconfig", "@/a", *flags], **more)
    cert_flags = ["--client-certificate", w.bob + ".crt", "--client-key", w.bob + ".key"]
    yield u("certificate", "one default cert=dev/alice", alice)
    yield u("certificate as data", "one default cert=dev/alice", as_data)
    yield u("certificate as file, key as data", "one default cert=dev/alice", {"client-certificate": alice["client-certificate"], "client-key-data": as_data["client-key-data"]})
    yield u("certificate without key", "error", {"client-certificate": alice["client-certificate"]}, says="a client certificate without its key")
    yield u("key without certificate", "one default token=t", {"token": "t", "client-key": "/none"})
    yield u("certificate as file and data", "error", {**alice, **as_data}, says="has both client-certificate and client-certificate-data")
    yield u("certificate not there", "error", {**alice, "client-certificate": "none"}, says="cannot read the client certificate")
    yield u("key of another", "error", {**alice, "client-key": bob["client-key"]}, code=None)
    yield u("--client-certificate", "one default cert=bob", alice, cert_flags)
    yield u("--client-certificate over data", "one default cert=bob", as_data, cert_flags, since=35)
    yield u("certificate and token", "one default cert=dev/alice token=t", {**alice, "token": "t"})
    yield u("token file", "one default token=f", {"tokenFile": "f"})
    yield u("token and token file", "one default token=f", {"token": "t", "tokenFile": "f"})
    yield u("token and a token file that is not there", "one default token=t", {"token": "t", "tokenFile": "none"})
    yield u("token file not there", "error", {"tokenFile": "none"}, says="cannot read the token file '@/none'")
    yield u("empty token file", "error", {"tokenFile": "empty"}, says="is empty")
    yield u("--token", "one default token=x", {"token": "t"}, ["--token", "x"])
    yield u("--token and token file", "one default token=f", {"tokenFile": "f"}, ["--token", "x"])
    yield u("--token and certificate", "one default cert=dev/alice token=x", alice, ["--token", "x"])
    yield u("token with a line end", "error", {"token": "a\nb"}, says="holds a line end")
    yield u("basic", "one default basic=me:p w\u00e4", {"username": "me", "password": "p w\u00e4"})
    yield u("--username and --password", "one default basic=you:q", {"username": "me", "password": "p"}, ["--username", "you", "--password", "q"])
    yield u("--password alone", "one default basic=me:q", {"username": "me", "password": "p"}, ["--password", "q"])
    yield u("token and basic", "error", {"token": "t", "username": "me"}, says="has both a token and a user name")
    yield u("--token and basic", "error", {"username": "me", "password": "p"}, ["--token", "t"], says="has both a token and a user name")
    yield u("token file and basic", "error", {"tokenFile": "f", "username": "me"}, says="has both a token file and a user name")
    yield u("no credentials", "error", {"as": "x"}, says="has no credentials")
    yield u("auth-provider", "error", {"auth-provider": {"name": "gcp", "config": {}}}, says="auth-provider 'gcp'", since=26)
    yield u("auth-provider and --token", "one default token=t", {"auth-provider": {"name": "oidc", "config": {"idp-issuer-url": "https://i", "client-id": "c"}}}, ["--token", "t"])
    yield u("as", "one default token=t as=bob", {"token": "t", "as": "bob"})
    yield u("as with all", "one default token=t as=bob as-uid=7 as-group=a as-group=b extra-dept=x extra-dept=y extra-some%2fkey=z",
            {"token": "t", "as": "bob", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"dept": ["x", "y"], "some/key": ["z"]}}, since=23)
    yield u("--as", "one default token=t as=eve as-group=a", {"token": "t", "as": "bob", "as-groups": ["a"]}, ["--as", "eve"])
    yield u("--as-group", "one default token=t as=bob as-group=g as-group=h", {"token": "t", "as": "bob", "as-groups": ["a"]}, ["--as-group", "g", "--as-group", "h"])
    yield u("--as-uid", "one default token=t as=eve as-uid=8", {"token": "t"}, ["--as", "eve", "--as-uid", "8"], since=23)
    yield u("groups without a user", "error", {"token": "t"}, ["--as-group", "g"], says="without a user (--as)")


def servers(w):
    def s(name, want, fields, env=None, flags=(), user=None, **more):
        return Case(name, want, {"a": config({"c": fields}, {"u": user or {"token": "t", "as": "bob"}})}, ["--kubeconfig", "@/a", *flags], env, **more)
    proxied = {**cluster(w.one, host="kubernetes.default.svc")}
    yield s("http", "plain default as=bob", cluster(w.plain))
    yield s("http without credentials", "plain default", cluster(w.plain), user={"extensions": []})
    yield s("host and port", "plain default as=bob", {"server": f"127.0.0.1:{w.plain.port}"})
    yield s("name and port", "plain default as=bob", {"server": f"localhost:{w.plain.port}"})
    yield s("host and port with an authority", "plain default as=bob", {"server": f"127.0.0.1:{w.plain.port}", "certificate-authority": w.ca})
    yield s("host, port and path", "error", {"server": f"127.0.0.1:{w.plain.port}/a"}, says="neither a URL nor a host with a port")
    yield s("path", "one default token=t as=bob prefix=/k8s/clusters/c-1", cluster(w.one, "/k8s/clusters/c-1"))
    yield s("path with slash and query", "one default token=t as=bob prefix=/a", cluster(w.one, "/a/?x=y"))
    yield s("slash", "one default token=t as=bob", cluster(w.one, "/"))
    yield s("capitals", "one default token=t as=bob", {**cluster(w.one), "server": w.one.url().replace("https", "HTTPS")})
    yield s("another scheme", "error", {"server": "ftp://127.0.0.1:1"}, says="neither http nor https")
    yield s("IPv6", "six default token=t as=bob", cluster(w.six))
    yield s("nobody there", "error", {"server": "https://127.0.0.1:1"}, code=69)
    yield s("disable-compression", "one default token=t as=bob uncompressed", cluster(w.one, disable_compression=True), since=26)
    yield s("--disable-compression", "one default token=t as=bob uncompressed", cluster(w.one), flags=["--disable-compression"], since=26)
    yield s("proxy-url", "one default sni=kubernetes.default.svc token=t as=bob via=http:kubernetes.default.svc", {**proxied, "proxy-url": f"http://127.0.0.1:{w.http.port}"})
    yield s("proxy-url of socks5", "one default sni=kubernetes.default.svc token=t as=bob via=socks5:kubernetes.default.svc",
            {**proxied, "proxy-url": f"socks5://127.0.0.1:{w.socks.port}"})
    yield s("proxy-url before the environment, also for this machine", "one default token=t as=bob via=http:127.0.0.1",
            cluster(w.one, proxy_url=f"http://127.0.0.1:{w.http.port}"), {"HTTPS_PROXY": f"socks5://127.0.0.1:{w.socks.port}", "NO_PROXY": "127.0.0.1"})
    yield s("proxy-url without scheme", "error", cluster(w.one, proxy_url="localhost:3128"), says="proxy-url of cluster 'c'")
    yield s("proxy-url of another scheme", "error", cluster(w.one, proxy_url="ftp://localhost:3128"), says="proxy-url of cluster 'c'")
    yield s("HTTPS_PROXY", "one default sni=kubernetes.default.svc token=t as=bob via=http:kubernetes.default.svc", proxied,
            {"HTTPS_PROXY": f"http://127.0.0.1:{w.http.port}"})
    yield s("HTTPS_PROXY is not for this machine", "one default token=t as=bob", cluster(w.one), {"HTTPS_PROXY": f"http://127.0.0.1:{w.http.port}"})


def plugins(w):
    def x(name, want, user, script=None, flags=(), env=None, files=None, **more):
        made = {"a": config({"c": cluster(w.one, extensions=[{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a", "n": [1]}}])},
                            {"u": user}), **(files or {})}
        if script is not None:
            made["bin/login"] = script
        return Case(name, want, made, ["--kubeconfig", "@/a", *flags], env, **more)
    yield x("plugin", "one default token=p", plugin("@/bin/login"), prints(token="p"))
    yield x("plugin of v1", "one default token=p", plugin("@/bin/login", V1), prints(V1, token="p"), since=22)
    yield x("plugin beside the kubeconfig", "one default token=p", plugin("./bin/login"), prints(token="p"))
    yield x("plugin of PATH", "one default token=p", plugin("login"), prints(token="p"), env={"PATH": "@/bin:/usr/bin:/bin"})
    yield x("plugin with arguments and environment", "one default token=a b-v", plugin("@/bin/login", args=["a b"], env=[{"name": "ENVIRONMENT", "value": "v"}]),
            "#!/bin/sh\n" + f'echo "{{\\"kind\\":\\"ExecCredential\\",\\"apiVersion\\":\\"{V1BETA1}\\",\\"status\\":{{\\"token\\":\\"$1-$ENVIRONMENT\\"}}}}"\n')
    yield x("plugin gives a certificate", "one default cert=bob", plugin("@/bin/login"),
            prints(clientCertificateData=open(w.bob + ".crt").read(), clientKeyData=open(w.bob + ".key").read()))
    yield x("plugin is told the cluster", "one default token=p", plugin("@/bin/login", V1, provideClusterInfo=True), prints(V1, token="p"), env={"TOLD": "@/told"},
            since=26, told=True)
    yield x("plugin is told nothing", "one default token=p", plugin("@/bin/login"), prints(token="p"), env={"TOLD": "@/told"}, since=26, told=True)
    yield x("plugin is not asked with --token", "one default token=t", plugin("@/bin/none"), flags=["--token", "t"])
    yield x("plugin is not asked with a certificate", "one default cert=dev/alice", {**plugin("@/bin/none"), **pair(w.alice)}, since=23)
    yield x("plugin is not there", "error", plugin("@/bin/none", installHint="get it"), code=None, says="get it")
    yield x("plugin fails", "error", plugin("@/bin/login"), "#!/bin/sh\necho no >&2\nexit 1\n", code=None, says="failed with exit code 1: no")
    yield x("plugin of another version answers", "error", plugin("@/bin/login", V1), prints(token="p"), code=None, says="another apiVersion", since=22)
    yield x("plugin prints no credential", "error", plugin("@/bin/login"), prints(), code=None, says="neither a token nor a certificate")
    yield x("plugin of v1alpha1", "error", plugin("@/bin/login", V1ALPHA1), prints(V1ALPHA1, token="p"), since=24, says="which is not supported")
    yield x("plugin of v1 without interactiveMode", "error", plugin("@/bin/login", V1, interactiveMode=None), prints(V1, token="p"), since=22, says="interactiveMode")
    yield x("plugin that must ask", "error", plugin("@/bin/login", interactiveMode="Always"), prints(token="p"), since=22, code=None, says="no terminal")
    yield x("plugin without a command", "error", plugin(""), says="has no command")
    yield x("plugin and auth-provider", "error", {**plugin("login"), "auth-provider": {"name": "oidc", "config": {}}}, says="both an exec plugin and an auth-provider")


def accounts(w):
    account = {"token": "pod\n", "ca.crt": open(w.ca).read(), "namespace": "podspace"}
    env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(w.one.port)}
    two = {".kube/config": config({"c": cluster(w.two)}, T)}
    yield Case("account", "one podspace token=pod", env=env, account=account)
    yield Case("account over IPv6", "six podspace token=pod", env={"KUBERNETES_SERVICE_HOST": "::1", "KUBERNETES_SERVICE_PORT": str(w.six.port)}, account=account)
    yield Case("account without namespace", "one default token=pod", env=env, account={k: v for k, v in account.items() if k != "namespace"})
    yield Case("POD_NAMESPACE", "one other token=pod", env={**env, "POD_NAMESPACE": "other"}, account=account)
    yield Case("account and --namespace", "one mine token=pod", flags=["-n", "mine"], env=env, account=account)
    yield Case("account and --token", "one podspace token=t", flags=["--token", "t"], env=env, account=account)
    yield Case("kubeconfig before account, but for the namespace", "two podspace token=t", two, env=env, account=account)
    yield Case("kubeconfig's namespace before the account's", "two shop token=t", {".kube/config": config({"c": cluster(w.two)}, T, {"x": "c,u,shop"})}, env=env, account=account)
    yield Case("account beside an empty kubeconfig", "one podspace token=pod", {".kube/config": ""}, env=env, account=account)
    yield Case("account without variables", "error", account=account)
