# SPDX-License-Identifier: GPL-2.0-or-later
"""What kube-proxy v1.36 in IPVS mode writes for a cluster's Services and EndpointSlices on one node: virtual servers as `ipvsadm -Sn` prints
them, ipsets as `ipset save`, the addresses on kube-ipvs0, and its few rules as iptables-save. For the cluster of tests/corpus/lab-ipvs it is
what was recorded but for order and counters (tests/scenario/test_generator.py). After pkg/proxy/ipvs/proxier.go.

Ready endpoints only, as kube_proxy.py; no endpoint that is leaving."""
import ipaddress

from kube_proxy import BUILT_IN, comment

IP_PORT, IP_PORT_IP, IP_PORT_NET, PORT, IP = "hash:ip,port", "hash:ip,port,ip", "hash:ip,port,net", "bitmap:port", "hash:ip"
SETS = {"CLUSTER-IP": IP_PORT, "LOOP-BACK": IP_PORT_IP, "EXTERNAL-IP": IP_PORT, "EXTERNAL-IP-LOCAL": IP_PORT, "LOAD-BALANCER": IP_PORT,
        "LOAD-BALANCER-LOCAL": IP_PORT, "LOAD-BALANCER-FW": IP_PORT, "LOAD-BALANCER-SOURCE-IP": IP_PORT_IP, "LOAD-BALANCER-SOURCE-CIDR": IP_PORT_NET,
        "NODE-PORT-TCP": PORT, "NODE-PORT-LOCAL-TCP": PORT, "NODE-PORT-UDP": PORT, "NODE-PORT-LOCAL-UDP": PORT, "NODE-PORT-SCTP-HASH": IP_PORT,
        "NODE-PORT-LOCAL-SCTP-HASH": IP_PORT, "HEALTH-CHECK-NODE-PORT": PORT, "IPVS-IPS": IP}
NAME_MAX = 31
CHAINS = {"filter": ("KUBE-FORWARD", "KUBE-IPVS-FILTER", "KUBE-IPVS-OUT-FILTER", "KUBE-NODE-PORT", "KUBE-PROXY-FIREWALL", "KUBE-SOURCE-RANGES-FIREWALL"),
          "nat": ("KUBE-LOAD-BALANCER", "KUBE-MARK-MASQ", "KUBE-NODE-PORT", "KUBE-POSTROUTING", "KUBE-SERVICES")}
KINDS = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}
NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
LOCAL = "-m addrtype --dst-type LOCAL"


class Node:
    """One node, one family. @ports: kube_proxy.ports_of(); @addresses: its own of that family, its primary one first, without loopback."""

    def __init__(self, ports, config, six, addresses):
        self.six, self.config, self.own, self.bits = six, config, list(addresses), 128 if six else 32
        self.scheduler = config["ipvs"]["scheduler"] or "rr"
        self.sets = {name: {} for name in SETS}     # elements as keys, in order
        self.servers = {}                           # (protocol, "address:port"): (persistence, [endpoints])
        self.bound = {}                             # addresses on kube-ipvs0
        self.rules = {(t, c): [] for t in CHAINS for c in (*BUILT_IN[t], *CHAINS[t])}
        self.blocked = []
        for p in ports:
            self.service(p)
        self.write_rules()

    # ---- one Service port ----

    def put(self, name, element):
        self.sets[name][element] = True

    def server(self, p, address, port, only_local, bind=True):
        """A virtual server; it prefers this node's endpoints where the policy says so, and takes all where there are none."""
        at = f"[{address}]:{port}" if self.six else f"{address}:{port}"
        self.servers[p.proto, at] = (p.affinity, p.local if only_local and p.local else p.all)
        if bind and address not in self.own:
            self.bound[address] = True
            self.put("IPVS-IPS", address)

    def service(self, p):
        for e in p.held:
            host, _, port = e.rpartition(":")
            host = host.strip("[]")
            self.put("LOOP-BACK", f"{host},{p.proto}:{port},{host}")
        self.put("CLUSTER-IP", f"{p.cluster_ip},{p.proto}:{p.port}")
        self.server(p, p.cluster_ip, p.port, p.internal_local)
        for a in p.external_ips:
            self.put("EXTERNAL-IP-LOCAL" if p.external_local else "EXTERNAL-IP", f"{a},{p.proto}:{p.port}")
            self.server(p, a, p.port, p.external_local)
        for a in p.lb_ips:
            self.load_balancer(p, a)
        if p.node_port:
            self.node_port(p)
        if p.health_port:
            self.put("HEALTH-CHECK-NODE-PORT", str(p.health_port))

    def load_balancer(self, p, a):
        element = f"{a},{p.proto}:{p.port}"
        self.put("LOAD-BALANCER", element)
        if p.external_local:
            self.put("LOAD-BALANCER-LOCAL", element)
        if p.ranges:
            self.put("LOAD-BALANCER-FW", element)
            for r in p.ranges:
                self.put("LOAD-BALANCER-SOURCE-CIDR", f"{element},{r}")
            if any(ipaddress.ip_address(self.own[0]) in r for r in p.ranges):
                self.put("LOAD-BALANCER-SOURCE-IP", f"{element},{a}")
            else:
                self.blocked.append(f"-s {a}/{self.bits} -m ipvs --vproto {NUMBERS[p.proto]} --vaddr {a} --vport {p.port} -j DROP")
        self.server(p, a, p.port, p.external_local)

    def node_port(self, p):
        for name in ("NODE-PORT", *(("NODE-PORT-LOCAL",) if p.external_local else ())):
            if p.proto == "sctp":
                for a in self.own:
                    self.put(name + "-SCTP-HASH", f"{a},sctp:{p.node_port}")
            else:
                self.put(f"{name}-{p.proto.upper()}", str(p.node_port))
        for a in self.own:
            self.server(p, a, p.node_port, p.external_local, False)

    # ---- rules ----

    def name(self, name):
        return (f"KUBE-6-{name}" if self.six else f"KUBE-{name}")[:NAME_MAX]

    def of(self, name, sides, target, *more, text=None, proto=None, source=""):
        """A rule for the members of a set."""
        return " ".join(w for w in (source, f"-p {proto}" if proto else "", comment(text) if text else "", f"-m set --match-set {self.name(name)} {sides}",
                                    *more, "-j " + target) if w)

    def add(self, table, chain, *rules):
        self.rules[table, chain] += rules

    def write_rules(self):
        self.filter_rules()
        self.nat_rules()
        self.services()

    def filter_rules(self):
        access, firewall = comment("kubernetes ipvs access filter"), comment("kube-proxy firewall rules")
        self.add("filter", "INPUT", f"{access} -j KUBE-IPVS-FILTER", f"{firewall} -j KUBE-PROXY-FIREWALL",
                 f"{comment('kubernetes health check rules')} -j KUBE-NODE-PORT")
        self.add("filter", "FORWARD", f"{firewall} -j KUBE-PROXY-FIREWALL", f"{comment('kubernetes forwarding rules')} -j KUBE-FORWARD")
        self.add("filter", "OUTPUT", f"{access} -j KUBE-IPVS-OUT-FILTER")
        mark = self.mark()
        self.add("filter", "KUBE-FORWARD", f"{comment('kubernetes forwarding rules')} -m mark --mark {mark}/{mark} -j ACCEPT",
                 f"{comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
        self.add("filter", "KUBE-IPVS-FILTER", *(self.of(n, "dst,dst", "RETURN") for n in ("LOAD-BALANCER", "CLUSTER-IP", "EXTERNAL-IP", "EXTERNAL-IP-LOCAL")),
                 self.of("HEALTH-CHECK-NODE-PORT", "dst", "RETURN"),
                 f"-m conntrack --ctstate NEW -m set --match-set {self.name('IPVS-IPS')} dst -j REJECT --reject-with "
                 f"icmp{'6' if self.six else ''}-port-unreachable")
        self.add("filter", "KUBE-IPVS-OUT-FILTER", *self.blocked)
        self.add("filter", "KUBE-NODE-PORT", self.of("HEALTH-CHECK-NODE-PORT", "dst", "ACCEPT", text="Kubernetes health check node port"))
        if self.sets["LOAD-BALANCER-FW"]:
            self.add("filter", "KUBE-PROXY-FIREWALL", self.of("LOAD-BALANCER-FW", "dst,dst", "KUBE-SOURCE-RANGES-FIREWALL", text=(
                "Kubernetes service load balancer ip + port for load balancer with sourceRange")))
        for name, text in (("LOAD-BALANCER-SOURCE-CIDR", "Kubernetes service load balancer ip + port + source cidr for packet filter purpose"),
                           ("LOAD-BALANCER-SOURCE-IP", "Kubernetes service load balancer ip + port + source IP for packet filter purpose")):
            if self.sets[name]:
                self.add("filter", "KUBE-SOURCE-RANGES-FIREWALL", self.of(name, "dst,dst,src", "RETURN", text=text))
        self.add("filter", "KUBE-SOURCE-RANGES-FIREWALL", "-j DROP")

    def mark(self):
        return f"{1 << self.config['iptables']['masqueradeBit']:#x}"

    def nat_rules(self):
        mark, portals = self.mark(), comment("kubernetes service portals")
        for chain in ("PREROUTING", "OUTPUT"):
            self.add("nat", chain, f"{portals} -j KUBE-SERVICES")
        self.add("nat", "POSTROUTING", f"{comment('kubernetes postrouting rules')} -j KUBE-POSTROUTING")
        if self.sets["LOAD-BALANCER-LOCAL"]:
            self.add("nat", "KUBE-LOAD-BALANCER", self.of("LOAD-BALANCER-LOCAL", "dst,dst", "RETURN", text=(
                "Kubernetes service load balancer ip + port with externalTrafficPolicy=local")))
        self.add("nat", "KUBE-LOAD-BALANCER", "-j KUBE-MARK-MASQ")
        self.add("nat", "KUBE-MARK-MASQ", f"-j MARK --set-xmark {mark}/{mark}")
        for proto in NUMBERS:
            sides, tail = ("dst,dst", "SCTP-HASH") if proto == "sctp" else ("dst", proto.upper())
            say = f"Kubernetes nodeport {proto.upper()} port" + (" with hash type 'hash ip:port'" if proto == "sctp" else "")
            for name, text, target in ((f"NODE-PORT-LOCAL-{tail}", f"{say} with externalTrafficPolicy=local", "RETURN"),
                                       (f"NODE-PORT-{tail}", f"{say} for masquerade purpose", "KUBE-MARK-MASQ")):
                if self.sets[name]:
                    self.add("nat", "KUBE-NODE-PORT", self.of(name, sides, target, text=text, proto=proto))
        if self.sets["LOOP-BACK"]:
            self.add("nat", "KUBE-POSTROUTING", self.of("LOOP-BACK", "dst,dst,src", "MASQUERADE", text=(
                "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose")))
        self.add("nat", "KUBE-POSTROUTING", f"-m mark ! --mark {mark}/{mark} -j RETURN", f"-j MARK --set-xmark {mark}/0x0",
                 f"{comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully")

    def services(self):
        def add(*args, **more):
            self.add("nat", "KUBE-SERVICES", self.of(*args, **more))
        self.add("nat", "KUBE-SERVICES", f"-s {'::1/128' if self.six else '127.0.0.0/8'} -j RETURN")
        if self.sets["LOAD-BALANCER"]:
            add("LOAD-BALANCER", "dst,dst", "KUBE-LOAD-BALANCER", text="Kubernetes service lb portal")
        pods = next((c for c in self.config["clusterCIDR"].split(",") if c and (":" in c) == self.six), None)
        if self.sets["CLUSTER-IP"]:
            text = "Kubernetes service cluster ip + port for masquerade purpose"
            if self.config["iptables"]["masqueradeAll"]:
                add("CLUSTER-IP", "dst,dst", "KUBE-MARK-MASQ", text=text)
            elif pods:
                add("CLUSTER-IP", "dst,dst", "KUBE-MARK-MASQ", text=text, source=f"! -s {pods}")
            else:
                add("CLUSTER-IP", "src,dst", "KUBE-MARK-MASQ", text=text)
        text = "Kubernetes service external ip + port for masquerade and filter purpose"
        outside = "-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL"
        if self.sets["EXTERNAL-IP"]:
            add("EXTERNAL-IP", "dst,dst", "KUBE-MARK-MASQ", text=text)
            add("EXTERNAL-IP", "dst,dst", "ACCEPT", outside, text=text)
            add("EXTERNAL-IP", "dst,dst", "ACCEPT", LOCAL, text=text)
        if self.sets["EXTERNAL-IP-LOCAL"]:
            text = "Kubernetes service external ip + port with externalTrafficPolicy=local"
            add("EXTERNAL-IP-LOCAL", "dst,dst", "ACCEPT", outside, text=text)
            add("EXTERNAL-IP-LOCAL", "dst,dst", "ACCEPT", LOCAL, text=text)
        self.add("nat", "KUBE-SERVICES", f"{LOCAL} -j KUBE-NODE-PORT")
        for name in ("CLUSTER-IP", "LOAD-BALANCER"):
            if self.sets[name]:
                add(name, "dst,dst", "ACCEPT")

    # ---- the files ----

    def write_servers(self, f):
        for (proto, at), (persistence, endpoints) in self.servers.items():
            f.write(f"-A {KINDS[proto]} {at} -s {self.scheduler}{f' -p {persistence}' if persistence else ''}\n")
            f.writelines(f"-a {KINDS[proto]} {at} -r {e} -m -w 1\n" for e in endpoints)

    def write_sets(self, f):
        for name, kind in SETS.items():
            more = "range 0-65535" if kind == PORT else \
                f"family inet{'6' if self.six else ''} hashsize 1024 maxelem 65536 bucketsize 12 initval 0x00000001"
            f.write(f"create {self.name(name)} {kind} {more}\n")
            f.writelines(f"add {self.name(name)} {e}\n" for e in self.sets[name])

    def write_save(self, f):
        tool = f"ip{'6' if self.six else ''}tables-save v1.8.9"
        for table, own in CHAINS.items():
            f.write(f"# Generated by {tool} on Thu Jan  1 00:00:00 2026\n*{table}\n")
            f.writelines(f":{c} ACCEPT [0:0]\n" for c in BUILT_IN[table])
            f.writelines(f":{c} - [0:0]\n" for c in own)
            for c in (*BUILT_IN[table], *own):
                f.writelines(f"-A {c} {rule}\n" for rule in self.rules[table, c])
            f.write("COMMIT\n# Completed on Thu Jan  1 00:00:00 2026\n")

    def link(self, index):
        """kube-ipvs0 as `ip -j addr` prints it."""
        return {"ifindex": index, "ifname": "kube-ipvs0", "flags": ["BROADCAST", "NOARP"], "operstate": "DOWN", "addr_info": [
            {"family": "inet6" if self.six else "inet", "local": a, "prefixlen": self.bits, "scope": "global", "label": "kube-ipvs0"} for a in self.bound]}

    def routes(self):
        return [{"type": "local", "dst": a, "dev": "kube-ipvs0", "table": "local", "protocol": "kernel", "scope": "host", "prefsrc": a, "flags": []}
                for a in self.bound]
