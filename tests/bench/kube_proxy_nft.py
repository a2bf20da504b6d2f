# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules that kube-proxy in nftables mode writes for a cluster's Services and EndpointSlices on one node, as `nft -j list ruleset` prints
them, in two shapes: that of v1.36, whose Service chains hold a map of endpoints, and that of v1.34 and v1.35, with a chain for each endpoint. For the
clusters of tests/corpus the first is the recorded dump but for order and handles (tests/scenario/test_generator.py). After
pkg/proxy/nftables/proxier.go.

Ready endpoints only, as kube_proxy.py; pods are told by the cluster CIDR only."""
import base64
import hashlib
import ipaddress
import json

MAPS, CHAINS = "maps", "chains"  # the two shapes
ALL_NEW = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "new"}}
MARK = {"meta": {"key": "mark"}}
L4 = {"meta": {"key": "l4proto"}}
DPORT = {"payload": {"protocol": "th", "field": "dport"}}


def base_name(text):
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:8] + "-" + text


def match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


def jump(chain):
    return {"jump": {"target": chain}}


def goto(chain):
    return {"goto": {"target": chain}}


def network(text):
    """An address or prefix as a listing has it."""
    net = ipaddress.ip_network(text, strict=False)
    if net.prefixlen == net.max_prefixlen:
        return str(net.network_address)
    return {"prefix": {"addr": str(net.network_address), "len": net.prefixlen}}


class Names:
    """The names of one Service port's chains, and those of its endpoints."""

    def __init__(self, p):
        service, _, port = p.name.partition(":")
        self.path = f"{service}/{p.proto}/{port}"
        self.base = base_name(self.path)
        self.service, self.local, self.external, self.firewall = (f"{kind}-{self.base}" for kind in ("service", "local", "external", "firewall"))

    def endpoint(self, kind, endpoint):
        host, _, port = endpoint.rpartition(":")
        return f"{kind}-{base_name(self.path + '__' + host.strip('[]').replace(':', '.') + '/' + port)}"


def split(endpoint):
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]"), int(port)


class Writer:
    def __init__(self, config, six, addresses, service_cidrs, shape):
        self.six, self.shape, self.ip = six, shape, "ip6" if six else "ip"
        self.kind = "ipv6_addr" if six else "ipv4_addr"
        self.saddr, self.daddr = ({"payload": {"protocol": self.ip, "field": f}} for f in ("saddr", "daddr"))
        self.mark = 1 << config["nftables"]["masqueradeBit"]
        self.pods = next((c for c in config["clusterCIDR"].split(",") if c and (":" in c) == six), None)
        # "primary" is the node's first address; without one, and without any setting, every local address is meant.
        self.node_ips = list(addresses[:1]) if config["nodePortAddresses"] == ["primary"] else []
        self.service_cidrs = [c for c in service_cidrs if (":" in c) == six]
        self.sets, self.maps, self.chains, self.rules, self.affinity = {}, {}, {}, {}, []

    # ---- the objects ----

    def chain(self, name, **base):
        self.chains[name] = base
        self.rules[name] = []

    def rule(self, chain, *expr, comment=None):
        self.rules[chain].append({**({"comment": comment} if comment else {}), "expr": list(expr)})

    def verdict(self, name, key, target, comment=None):
        value = {"concat": key}
        self.maps[name][2].append([{"elem": {"val": value, "comment": comment}} if comment else value, target])

    def to_nodeports(self):
        """What tells a node-port address."""
        if self.node_ips:
            return [match(self.daddr, "@nodeport-ips")]
        return [match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), match(self.daddr, "::1" if self.six else network("127.0.0.0/8"), "!=")]

    def mark_statements(self):
        if self.shape == CHAINS:
            return [jump("mark-for-masquerade")]
        return [{"mangle": {"key": MARK, "value": {"|": [MARK, self.mark]}}}]

    # ---- what is there without any Service ----

    def start(self):
        key = [self.kind, "inet_proto", "inet_service"]
        if self.shape == MAPS:
            self.sets["hairpin-connections"] = ([self.kind, *key], "service hairpin connections", [])
        self.sets["cluster-ips"] = (self.kind, "Active ClusterIPs", [])
        if self.node_ips:
            self.sets["nodeport-ips"] = (self.kind, "IPs that accept NodePort traffic", list(self.node_ips))
        for name, kind, text in (("no-endpoint-services", key, "vmap to drop or reject packets to services with no endpoints"),
                                 ("no-endpoint-nodeports", key[1:], "vmap to drop or reject packets to service nodeports with no endpoints"),
                                 ("firewall-ips", key, "destinations that are subject to LoadBalancerSourceRanges"),
                                 ("service-ips", key, "ClusterIP, ExternalIP and LoadBalancer IP traffic"),
                                 ("service-nodeports", key[1:], "NodePort traffic")):
            self.maps[name] = (kind, text, [])
        for name, kind, hook, prio in (("filter-prerouting-pre-dnat", "filter", "prerouting", -110), ("filter-output-pre-dnat", "filter", "output", -110),
                                       ("filter-input", "filter", "input", 0), ("filter-forward", "filter", "forward", 0),
                                       ("filter-output", "filter", "output", 0), ("nat-prerouting", "nat", "prerouting", -100),
                                       ("nat-output", "nat", "output", -100), ("nat-postrouting", "nat", "postrouting", 100)):
            self.chain(name, type=kind, hook=hook, prio=prio, policy="accept")
        for name in ("nodeport-endpoints-check", "service-endpoints-check", "firewall-check", "services", "masquerading", "cluster-ips-check",
                     "reject-chain") + (("mark-for-masquerade",) if self.shape == CHAINS else ()):
            self.chain(name)
        for chain, target in (("filter-prerouting-pre-dnat", "firewall-check"), ("filter-output-pre-dnat", "firewall-check"),
                              ("filter-input", "nodeport-endpoints-check"), ("filter-input", "service-endpoints-check"),
                              ("filter-forward", "service-endpoints-check"), ("filter-forward", "cluster-ips-check"),
                              ("filter-output", "service-endpoints-check"), ("filter-output", "cluster-ips-check")):
            self.rule(chain, ALL_NEW, jump(target))
        for chain, target in (("nat-prerouting", "services"), ("nat-output", "services"), ("nat-postrouting", "masquerading")):
            self.rule(chain, jump(target))
        self.lookups()
        self.masquerading()

    def lookups(self):
        whole, port = {"concat": [self.daddr, L4, DPORT]}, {"concat": [L4, DPORT]}
        # What comes there is for this machine anyway.
        self.rule("nodeport-endpoints-check", self.to_nodeports()[-1], {"vmap": {"key": port, "data": "@no-endpoint-nodeports"}})
        self.rule("service-endpoints-check", {"vmap": {"key": whole, "data": "@no-endpoint-services"}})
        self.rule("firewall-check", {"vmap": {"key": whole, "data": "@firewall-ips"}})
        if self.shape == MAPS and self.pods:
            self.rule("services", match(self.daddr, "@cluster-ips"), match(self.saddr, network(self.pods), "!="), *self.mark_statements(),
                      comment="masquerade clusterIP traffic from outside cluster")
        self.rule("services", {"vmap": {"key": whole, "data": "@service-ips"}})
        self.rule("services", *self.to_nodeports(), {"vmap": {"key": port, "data": "@service-nodeports"}})
        refuse = {"reject": {"type": "icmpv6" if self.six else "icmp", "expr": "port-unreachable"}}
        self.rule("cluster-ips-check", match(self.daddr, "@cluster-ips"), refuse, comment="Reject traffic to invalid ports of ClusterIPs")
        if self.service_cidrs:
            nets = [network(c) for c in self.service_cidrs]
            self.rule("cluster-ips-check", match(self.daddr, nets[0] if len(nets) == 1 else {"set": nets}), {"drop": None},
                      comment="Drop traffic to unallocated ClusterIPs")
        self.rule("reject-chain", refuse)

    def masquerading(self):
        masked = {"&": [MARK, self.mark]}
        undo, masquerade = {"mangle": {"key": MARK, "value": {"^": [MARK, self.mark]}}}, {"masquerade": {"flags": "fully-random"}}
        if self.shape == CHAINS:
            self.rule("mark-for-masquerade", {"mangle": {"key": MARK, "value": {"|": [MARK, self.mark]}}})
            self.rule("masquerading", match(masked, 0), {"return": None})
            self.rule("masquerading", undo)
            self.rule("masquerading", masquerade)
            return
        self.rule("masquerading", match(masked, 0, "!="), undo, masquerade)
        self.rule("masquerading", match({"ct": {"key": "status"}}, "dnat", "in"),
                  match({"concat": [self.saddr, self.daddr, L4, DPORT]}, "@hairpin-connections"), masquerade)

    # ---- one Service port ----

    def service(self, p):
        n = Names(p)
        self.sets["cluster-ips"][2].append(p.cluster_ip)
        self.entries(p, n)
        for chain, used in ((n.service, p.uses_cluster), (n.local, p.uses_local), (n.external, p.all and p.external)):
            if used:
                self.chain(chain)
        if self.shape == CHAINS and p.has_internal and self.pods:
            self.rule(n.local if p.internal_local else n.service, match(self.daddr, p.cluster_ip), match({"payload": {"protocol": p.proto, "field": "dport"}}, p.port),
                      match(self.saddr, network(self.pods), "!="), *self.mark_statements())
        if p.all and p.external:
            self.external(p, n)
        if p.all and p.lb_ips and p.ranges:
            self.firewall(p, n)
        used = p.all if p.uses_cluster else p.local if p.uses_local else []
        for e in used if self.shape == CHAINS or p.affinity else ():
            self.endpoint(p, n, e)
        if p.uses_cluster:
            self.policy(p, n, n.service, p.all)
        if p.uses_local:
            self.policy(p, n, n.local, p.local)
        if self.shape == MAPS:
            seen = self.sets["hairpin-connections"][2]
            for host, port in (split(e) for e in used if e in p.local):
                if {"concat": [host, host, p.proto, port]} not in seen[-64:]:
                    seen.append({"concat": [host, host, p.proto, port]})

    def entries(self, p, n):
        def refusal():
            return goto("reject-chain") if not p.all else {"drop": None}
        key = [p.cluster_ip, p.proto, p.port]
        if p.has_internal:
            self.verdict("service-ips", key, goto(n.local if p.internal_local else n.service))
        else:
            self.verdict("no-endpoint-services", key, refusal(), p.name)
        for a in [*p.external_ips, *p.lb_ips]:
            key = [a, p.proto, p.port]
            if p.all:
                self.verdict("service-ips", key, goto(n.external))
            if not p.has_external:
                self.verdict("no-endpoint-services", key, refusal(), p.name)
            if p.all and p.ranges and a in p.lb_ips:
                self.verdict("firewall-ips", key, goto(n.firewall))
        if p.node_port:
            if p.all:
                self.verdict("service-nodeports", [p.proto, p.node_port], goto(n.external))
            if not p.has_external:
                self.verdict("no-endpoint-nodeports", [p.proto, p.node_port], refusal(), p.name)

    def external(self, p, n):
        def say(text):
            return text if self.shape == MAPS else None
        if not p.external_local:
            self.rule(n.external, *self.mark_statements(), comment=say("masquerade"))
        else:
            here = match({"fib": {"result": "type", "flags": ["saddr"]}}, "local")
            if self.pods:
                self.rule(n.external, match(self.saddr, network(self.pods)), goto(n.service), comment="short-circuit pod traffic")
            self.rule(n.external, here, *self.mark_statements(), comment="masquerade local traffic")
            self.rule(n.external, here, goto(n.service), comment="short-circuit local traffic")
        if p.has_external:
            self.rule(n.external, goto(n.local if p.external_local else n.service))

    def firewall(self, p, n):
        self.chain(n.firewall)
        sources = [network(str(r)) for r in p.ranges]
        if any(ipaddress.ip_address(a) in r for a in self.node_ips for r in p.ranges):
            sources += p.lb_ips
        self.rule(n.firewall, match(self.saddr, sources[0] if len(sources) == 1 else {"set": sources}, "!="), {"drop": None})

    def policy(self, p, n, chain, endpoints):
        for e in endpoints if p.affinity else ():
            self.rule(chain, match(self.saddr, "@" + n.endpoint("affinity", e)), goto(n.endpoint("endpoint", e)))
        numbers = {"numgen": {"mode": "random", "mod": len(endpoints), "offset": 0}}
        if self.shape == CHAINS or p.affinity:
            self.rule(chain, {"vmap": {"key": numbers, "data": {"set": [[i, goto(n.endpoint("endpoint", e))] for i, e in enumerate(endpoints)]}}})
            return
        data = {"set": [[i, {"concat": list(split(e))}] for i, e in enumerate(endpoints)]}
        self.rule(chain, match(L4, p.proto), {"dnat": {"family": self.ip, "addr": {"map": {"key": numbers, "data": data}}}})

    def endpoint(self, p, n, e):
        chain, (host, port) = n.endpoint("endpoint", e), split(e)
        self.chain(chain)
        if self.shape == CHAINS:
            self.rule(chain, match(self.saddr, host), *self.mark_statements())
        if p.affinity:
            name = n.endpoint("affinity", e)
            self.affinity.append((name, p.affinity))
            self.rule(chain, {"set": {"op": "update", "elem": self.saddr, "set": "@" + name}})
        self.rule(chain, match(L4, p.proto), {"dnat": {"addr": host, "port": port}})

    # ---- the listing ----

    def objects(self):
        own, handle = {"family": self.ip, "table": "kube-proxy"}, 0
        yield {"table": {"family": self.ip, "name": "kube-proxy", "handle": 1}}
        for what, group in (("set", self.sets), ("map", self.maps)):
            for name, (kind, comment, elements) in group.items():
                handle += 1
                row = {"family": self.ip, "name": name, "table": "kube-proxy", "type": kind, "handle": handle, "comment": comment}
                if what == "map":
                    row["map"] = "verdict"
                # An address of several ports is in the set once.
                unique = list(dict.fromkeys(elements)) if what == "set" and isinstance(kind, str) else elements
                yield {what: {**row, **({"elem": unique} if unique else {})}}
        for name, timeout in self.affinity:
            handle += 1
            yield {"set": {"family": self.ip, "name": name, "table": "kube-proxy", "type": self.kind, "handle": handle, "size": 65535, "flags": ["timeout"],
                           "timeout": timeout}}
        for name, base in self.chains.items():
            handle += 1
            yield {"chain": {**own, "name": name, "handle": handle, **base}}
        for chain, rules in self.rules.items():
            for rule in rules:
                handle += 1
                yield {"rule": {**own, "chain": chain, "handle": handle, **rule}}


def write_json(f, ports, config, addresses=None, service_cidrs=(), shape=MAPS):
    """Writes the tables of both families to @f. @ports: {family: kube_proxy.ports_of()}; @addresses: {family: the node's own, its primary one
    first}; @service_cidrs: the ranges that ClusterIPs are taken from."""
    rows = [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}]
    for family, six in (("IPv4", False), ("IPv6", True)):
        w = Writer(config, six, (addresses or {}).get(family, []), service_cidrs, shape)
        w.start()
        for p in ports.get(family, []):
            w.service(p)
        rows += w.objects()
    f.write('{"nftables": [' + ", ".join(json.dumps(r) for r in rows) + "]}\n")
