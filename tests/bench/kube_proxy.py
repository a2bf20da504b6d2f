# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules that kube-proxy v1.36 in iptables mode writes for a cluster's Services and EndpointSlices on one node, as iptables-save prints
them: for the clusters of tests/corpus they are the recorded dumps but for counters and the order of Services
(tests/scenario/test_generator.py). After pkg/proxy/iptables/proxier.go.

Ready endpoints only: no topology hints, no serving and terminating ones."""
import base64
import hashlib
import ipaddress

LARGE = 1000  # more endpoints than that: no comments on the rules of endpoints (largeClusterEndpointsThreshold)
BUILT_IN = {"raw": ("PREROUTING", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
            "filter": ("INPUT", "FORWARD", "OUTPUT"), "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")}


def comment(text):
    return f'-m comment --comment "{text}"'


def chain_hash(text):
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:16]


class Port:
    """One port of a Service, with the endpoints that its chains lead to."""

    def __init__(self, service, port, slices, node, six):
        def own(addresses):
            return [a for a in addresses if (":" in a) == six]
        spec, m = service["spec"], service["metadata"]
        self.name = f"{m['namespace']}/{m['name']}" + (f":{port['name']}" if port.get("name") else "")
        self.proto, self.port, self.node_port = port["protocol"].lower(), port["port"], port.get("nodePort")
        self.six, self.bits = six, 128 if six else 32
        self.cluster_ip = own(spec.get("clusterIPs") or [spec["clusterIP"]])[0]
        self.external_ips = own(spec.get("externalIPs", []))
        self.lb_ips = own(i["ip"] for i in service.get("status", {}).get("loadBalancer", {}).get("ingress", []) if i.get("ip") and i.get("ipMode") != "Proxy")
        self.ranges = [ipaddress.ip_network(r.strip(), strict=False) for r in own(spec.get("loadBalancerSourceRanges", []))]
        self.ranges = [] if any(r.prefixlen == 0 for r in self.ranges) else self.ranges
        self.internal_local, self.external_local = spec.get("internalTrafficPolicy") == "Local", spec.get("externalTrafficPolicy") == "Local"
        self.health_port = spec.get("healthCheckNodePort") if self.external_local else None
        self.affinity = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] if spec.get("sessionAffinity") == "ClientIP" else None
        self.hash = chain_hash(self.name + self.proto)
        self.svc, self.svl, self.ext, self.fw = (f"KUBE-{kind}-{self.hash}" for kind in ("SVC", "SVL", "EXT", "FW"))
        self._endpoints(port, slices, node)

    def _endpoints(self, port, slices, node):
        found, self.held = {}, []   # held: this node's, ready or not
        for s in slices:
            target = next((p["port"] for p in s["ports"] or [] if p.get("name") == port.get("name", "") and p.get("port") and
                           p.get("protocol", "TCP") == port["protocol"]), None)
            for e in s["endpoints"] or [] if target else []:
                address, here = f"[{e['addresses'][0]}]" if self.six else e["addresses"][0], e.get("nodeName") == node
                if here:
                    self.held.append(f"{address}:{target}")
                if e["conditions"].get("ready", True):
                    found[f"{address}:{target}"] = here
        self.all = sorted(found)  # by text, as kube-proxy's cache of slices sorts them
        self.local = [e for e in self.all if found[e]]
        self.external = bool(self.external_ips or self.lb_ips or self.node_port)
        self.uses_cluster = bool(self.all) and (not self.internal_local or self.external)
        self.uses_local = bool(self.local) and (self.internal_local or self.external and self.external_local)
        self.has_internal = bool(self.local if self.internal_local else self.all)
        self.has_external = bool(self.local if self.external_local else self.all)

    def sep(self, endpoint):
        return "KUBE-SEP-" + chain_hash(self.name + self.proto + endpoint)

    def refusal(self, internal):
        """(comment, target) where no endpoint can take the packets."""
        return (f"{self.name} has no endpoints", f"REJECT --reject-with icmp{'6' if self.six else ''}-port-unreachable") if not self.all else (f"{self.name} has no local endpoints", "DROP")


class Writer:
    """Rules by table and chain. Chains appear in the order of their first mention; iptables-save sorts them."""

    def __init__(self, node, config, six, addresses):
        self.node, self.config, self.six, self.addresses = node, config, six, addresses
        self.pod_source = self.pod_interface = ""
        if config["detectLocalMode"] == "ClusterCIDR":
            self.pod_source = "".join(f"-s {c} " for c in config["clusterCIDR"].split(",") if c and (":" in c) == six)
        elif config["detectLocalMode"] == "BridgeInterface":
            self.pod_interface = f"-i {config['detectLocal']['bridgeInterface']} "
        elif config["detectLocalMode"] == "InterfaceNamePrefix":
            self.pod_interface = f"-i {config['detectLocal']['interfaceNamePrefix']}+ "
        self.masquerade_all = config["iptables"]["masqueradeAll"]
        self.port_ranges = [ipaddress.ip_network(n) for n in config["nodePortAddresses"] or [] if (":" in n) == six]
        self.mask = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" if six else "255.255.255.255"
        self.mark = f"{1 << config['iptables']['masqueradeBit']:#x}"
        self.localhost = config["iptables"]["localhostNodePorts"] and (
            not self.port_ranges or any(ipaddress.ip_address("127.0.0.0") in n or n.network_address.is_loopback for n in self.port_ranges))
        self.chains = {t: {} for t in ("filter", "nat")}
        self.large = False

    def add(self, table, chain, *words):
        self.chains[table].setdefault(chain, []).append(" ".join(("-A", chain, *words)))

    def endpoint_comment(self, text):
        return () if self.large else (comment(text),)

    # ---- what is there without any Service ----

    def start(self):
        new = "-m conntrack --ctstate NEW"
        firewall, services = comment("kubernetes load balancer firewall"), comment("kubernetes service portals")
        outer = comment("kubernetes externally-visible service portals")
        for chain in ("INPUT", "FORWARD", "OUTPUT"):
            if chain != "FORWARD" and self.localhost:
                self.add("filter", chain, "-j KUBE-FIREWALL")
            self.add("filter", chain, new, firewall, "-j KUBE-PROXY-FIREWALL")
            if chain == "INPUT":
                self.add("filter", chain, comment("kubernetes health check service ports"), "-j KUBE-NODEPORTS")
            if chain == "FORWARD":
                self.add("filter", chain, comment("kubernetes forwarding rules"), "-j KUBE-FORWARD")
            if chain != "INPUT":
                self.add("filter", chain, new, services, "-j KUBE-SERVICES")
            if chain != "OUTPUT":
                self.add("filter", chain, new, outer, "-j KUBE-EXTERNAL-SERVICES")
        if self.localhost and not self.six:
            self.add("filter", "KUBE-FIREWALL", "! -s 127.0.0.0/8 -d 127.0.0.0/8", comment("block incoming localnet connections"),
                     "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP")
        self.add("filter", "KUBE-FORWARD", "-m conntrack --ctstate INVALID -m nfacct --nfacct-name  ct_state_invalid_dropped_pkts -j DROP")
        self.add("filter", "KUBE-FORWARD", comment("kubernetes forwarding rules"), f"-m mark --mark {self.mark}/{self.mark} -j ACCEPT")
        self.add("filter", "KUBE-FORWARD", comment("kubernetes forwarding conntrack rule"), "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
        for chain in ("PREROUTING", "OUTPUT"):
            self.add("nat", chain, services, "-j KUBE-SERVICES")
        self.add("nat", "POSTROUTING", comment("kubernetes postrouting rules"), "-j KUBE-POSTROUTING")
        self.add("nat", "KUBE-MARK-MASQ", f"-j MARK --set-xmark {self.mark}/{self.mark}")
        self.add("nat", "KUBE-POSTROUTING", f"-m mark ! --mark {self.mark}/{self.mark} -j RETURN")
        self.add("nat", "KUBE-POSTROUTING", f"-j MARK --set-xmark {self.mark}/0x0")
        self.add("nat", "KUBE-POSTROUTING", comment("kubernetes service traffic requiring SNAT"), "-j MASQUERADE --random-fully")

    def finish(self):
        last = comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain")
        if self.port_ranges:
            for a in sorted(a for a in self.addresses if any(ipaddress.ip_address(a) in n for n in self.port_ranges)):
                self.add("nat", "KUBE-SERVICES", f"-d {a}/{128 if self.six else 32}", last, "-j KUBE-NODEPORTS")
            return
        but = "! -d ::1/128 " if self.six else "" if self.localhost else "! -d 127.0.0.0/8 "
        self.add("nat", "KUBE-SERVICES", f"{but}{last}", "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS")

    # ---- one Service port ----

    def service(self, p):
        self.entries(p)
        self.node_port(p)
        if p.health_port:
            self.add("filter", "KUBE-NODEPORTS", "-p tcp", comment(f"{p.name.partition(':')[0]} health check node port"),
                     f"-m tcp --dport {p.health_port} -j ACCEPT")
        if p.all and p.external:
            self.external(p)
        if p.all and p.lb_ips and p.ranges:
            self.firewall(p)
        if p.uses_cluster:
            self.policy(p, p.svc, p.all, not p.internal_local)
        if p.uses_local:
            self.policy(p, p.svl, p.local, p.internal_local)
        for e in p.all if p.uses_cluster else p.local if p.uses_local else ():
            self.endpoint(p, e)

    def entry(self, p, table, chain, address, text, target):
        self.add(table, chain, f"-d {address}/{p.bits} -p {p.proto}", comment(text), f"-m {p.proto} --dport {p.port} -j {target}")

    def entries(self, p):
        if p.has_internal:
            self.entry(p, "nat", "KUBE-SERVICES", p.cluster_ip, f"{p.name} cluster IP", p.svl if p.internal_local else p.svc)
        else:
            self.entry(p, "filter", "KUBE-SERVICES", p.cluster_ip, *p.refusal(True))
        for a in p.external_ips:
            if p.all:
                self.entry(p, "nat", "KUBE-SERVICES", a, f"{p.name} external IP", p.ext)
            if not p.has_external:
                self.entry(p, "filter", "KUBE-EXTERNAL-SERVICES", a, *p.refusal(False))
        for a in p.lb_ips:
            if p.all:
                self.entry(p, "nat", "KUBE-SERVICES", a, f"{p.name} loadbalancer IP", p.fw if p.ranges else p.ext)
                if p.ranges:
                    self.entry(p, "filter", "KUBE-PROXY-FIREWALL", a, f"{p.name} traffic not accepted by {p.fw}", "DROP")
            if not p.has_external:
                self.entry(p, "filter", "KUBE-EXTERNAL-SERVICES", a, *p.refusal(False))

    def node_port(self, p):
        if not p.node_port:
            return
        match = f"-m {p.proto} --dport {p.node_port}"
        if p.all:
            if self.localhost and not self.six:
                self.add("nat", "KUBE-NODEPORTS", f"-d 127.0.0.0/8 -p {p.proto}", comment(p.name), match,
                         f"-m nfacct --nfacct-name  localhost_nps_accepted_pkts -j {p.ext}")
            self.add("nat", "KUBE-NODEPORTS", f"-p {p.proto}", comment(p.name), match, f"-j {p.ext}")
        if not p.has_external:
            text, target = p.refusal(False)
            self.add("filter", "KUBE-EXTERNAL-SERVICES", f"-p {p.proto}", comment(text), f"-m addrtype --dst-type LOCAL {match} -j {target}")

    def external(self, p):
        where = f"{p.name} external destinations"
        if not p.external_local:
            self.add("nat", p.ext, comment(f"masquerade traffic for {where}"), "-j KUBE-MARK-MASQ")
        else:
            if self.pod_source or self.pod_interface:
                self.add("nat", p.ext, self.pod_source + self.pod_interface + comment(f"pod traffic for {where}"), f"-j {p.svc}")
            self.add("nat", p.ext, comment(f"masquerade LOCAL traffic for {where}"), "-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ")
            self.add("nat", p.ext, comment(f"route LOCAL traffic for {where}"), f"-m addrtype --src-type LOCAL -j {p.svc}")
        if p.has_external:
            self.add("nat", p.ext, f"-j {p.svl if p.external_local else p.svc}")

    def firewall(self, p):
        node = any(ipaddress.ip_address(a) in r for a in self.addresses[:1] for r in p.ranges)
        for source in [*p.ranges, *(f"{a}/{p.bits}" for a in p.lb_ips if node)]:
            self.add("nat", p.fw, f"-s {source}", comment(f"{p.name} loadbalancer IP"), f"-j {p.ext}")
        self.add("nat", p.fw, comment(f"other traffic to {p.name} will be dropped by KUBE-PROXY-FIREWALL"))

    def policy(self, p, chain, endpoints, internal):
        source, interface = (f"! {x}" if x and not self.masquerade_all else "" for x in (self.pod_source, self.pod_interface))
        if internal and (self.masquerade_all or source or interface):
            self.add("nat", chain, f"{source}-d {p.cluster_ip}/{p.bits} {interface}-p {p.proto}", comment(f"{p.name} cluster IP"),
                     f"-m {p.proto} --dport {p.port} -j KUBE-MARK-MASQ")
        for e in endpoints if p.affinity else ():
            sep = p.sep(e)
            self.add("nat", chain, *self.endpoint_comment(f"{p.name} -> {e}"),
                     f"-m recent --rcheck --seconds {p.affinity} --reap --name {sep} --mask {self.mask} --rsource -j {sep}")
        for i, e in enumerate(endpoints):
            left = len(endpoints) - i
            # kube-proxy rounds to ten digits, the kernel keeps a multiple of 2^-31, and iptables-save prints eleven digits of that.
            chance = round(float(f"{1 / left:.10f}") * 2 ** 31) / 2 ** 31
            random = (f"-m statistic --mode random --probability {chance:.11f}",) if left > 1 else ()
            self.add("nat", chain, *self.endpoint_comment(f"{p.name} -> {e}"), *random, f"-j {p.sep(e)}")

    def endpoint(self, p, e):
        sep = p.sep(e)
        self.add("nat", sep, f"-s {e.rpartition(':')[0].strip('[]')}/{p.bits}", *self.endpoint_comment(p.name), "-j KUBE-MARK-MASQ")
        recent = (f"-m recent --set --name {sep} --mask {self.mask} --rsource",) if p.affinity else ()
        self.add("nat", sep, f"-p {p.proto}", *self.endpoint_comment(p.name), *recent, f"-m {p.proto} -j DNAT --to-destination {e}")

    # ---- the text ----

    def write(self, f, backend):
        tool = ("ip6" if self.six else "ip") + ("tables-nft-save v1.8.9 (nf_tables)" if backend == "nft" else "tables-save v1.8.9")
        own = {"filter": {"KUBE-EXTERNAL-SERVICES", "KUBE-FIREWALL", "KUBE-FORWARD", "KUBE-NODEPORTS", "KUBE-PROXY-FIREWALL", "KUBE-SERVICES"},
               "nat": {"KUBE-MARK-MASQ", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-SERVICES"}}
        for table in (("raw",) if backend == "legacy" else ()) + ("mangle", "filter", "nat"):
            rules = self.chains.get(table, {})
            chains = sorted((set(rules) | own.get(table, set()) | ({"KUBE-PROXY-CANARY"} if table != "raw" else set())) - set(BUILT_IN[table]))
            f.write(f"# Generated by {tool} on Thu Jan  1 00:00:00 2026\n*{table}\n")
            f.writelines(f":{c} ACCEPT [0:0]\n" for c in BUILT_IN[table])
            f.writelines(f":{c} - [0:0]\n" for c in chains)
            for c in (*BUILT_IN[table], *chains):
                f.writelines(rule + "\n" for rule in rules.get(c, ()))
            f.write("COMMIT\n# Completed on Thu Jan  1 00:00:00 2026\n")


def ports_of(services, slices, node, six):
    """[Port] of what kube-proxy serves on @node in one family."""
    by_service, ports = {}, []
    for s in slices:
        m = s["metadata"]
        if s["addressType"] == ("IPv6" if six else "IPv4") and "service.kubernetes.io/headless" not in m["labels"] and \
                "kubernetes.io/service-name" in m["labels"]:
            by_service.setdefault((m["namespace"], m["labels"]["kubernetes.io/service-name"]), []).append(s)
    for s in services:
        spec, labels = s["spec"], s["metadata"].get("labels", {})
        if spec.get("clusterIP") not in (None, "", "None") and spec["type"] != "ExternalName" and \
                "service.kubernetes.io/service-proxy-name" not in labels and any((":" in a) == six for a in spec.get("clusterIPs") or [spec["clusterIP"]]):
            mine = by_service.get((s["metadata"]["namespace"], s["metadata"]["name"]), [])
            ports += [Port(s, p, mine, node, six) for p in s["spec"]["ports"]]
    return ports


def write_save(f, services, slices, node, config, backend, family="IPv4", addresses=()):
    """Writes the rules of @node to @f. @config: the part kubeproxy.config.k8s.io of /configz; @backend: "nft" or "legacy". @addresses: the node's
    own of that family, its primary one first; for source ranges and nodePortAddresses."""
    six = family == "IPv6"
    w = Writer(node, config, six, list(addresses))
    ports = ports_of(services, slices, node, six)
    w.large = sum(len(p.all) for p in ports) > LARGE
    w.start()
    for p in ports:
        w.service(p)
    w.finish()
    w.write(f, backend)
