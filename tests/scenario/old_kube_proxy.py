# SPDX-License-Identifier: GPL-2.0-or-later
"""The IPv4 rules that kube-proxy 1.20 to 1.24 wrote, where they differ from those of tests/bench/kube_proxy.py: after pkg/proxy/iptables/proxier.go
of those versions. Entries that mark for masquerade beside them or in KUBE-SVC, KUBE-XLB for policy Local, KUBE-FW for every load-balancer IP, and
KUBE-MARK-DROP with the kubelet's rule that drops by the mark."""
import os
import sys

from common import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
from kube_proxy import Port, Writer, comment  # noqa: E402  pylint: disable=wrong-import-position


class OldWriter(Writer):
    def __init__(self, minor, *args):
        super().__init__(*args)
        self.minor = minor

    def start(self):
        super().start()
        f = self.chains["filter"]
        for chain in ("INPUT", "FORWARD", "OUTPUT"):
            f[chain] = [r for r in f[chain] if "KUBE-PROXY-FIREWALL" not in r]
        f["KUBE-FIREWALL"].insert(0, "-A KUBE-FIREWALL " + comment("kubernetes firewall for dropping marked packets") +
                                  " -m mark --mark 0x8000/0x8000 -j DROP")
        f["KUBE-FORWARD"][0] = "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP"
        self.add("nat", "KUBE-MARK-DROP", "-j MARK --set-xmark 0x8000/0x8000")

    def service(self, p):
        p.xlb = p.svc.replace("KUBE-SVC-", "KUBE-XLB-")
        if self.minor >= 24:
            self.service_1_24(p)
            return
        if p.internal_local and not p.external_local and self.minor >= 22:
            p.all = p.local
        match = f"-m {p.proto} --dport {p.port}"
        where = f"-d {p.cluster_ip}/32 -p {p.proto} " + comment(f"{p.name} cluster IP")
        if not p.all:
            self.refuse_all(p)
            return
        beside = "KUBE-SERVICES" if self.minor < 22 else p.svc
        if self.pod_source:
            self.add("nat", beside, f"! {self.pod_source}{where} {match} -j KUBE-MARK-MASQ")
        self.add("nat", "KUBE-SERVICES", f"{where} {match} -j {p.svc}")
        for a in p.external_ips:
            self.external_ip(p, f"-d {a}/32 -p {p.proto} " + comment(f"{p.name} external IP"), match, beside)
        for a in p.lb_ips:
            self.add("nat", "KUBE-SERVICES", f"-d {a}/32 -p {p.proto}", comment(f"{p.name} loadbalancer IP"), match, f"-j {p.fw}")
        if p.lb_ips:
            self.old_firewall(p, p.xlb if p.external_local else p.svc, not p.external_local)
        if p.node_port:
            self.old_node_port(p, "KUBE-NODEPORTS" if self.minor < 22 else p.svc)
        self.health(p)
        self.policy(p, p.svc, p.all, False)
        if p.external_local:
            self.local_chain(p)
        for e in p.all:
            self.endpoint(p, e)

    def refuse_all(self, p):
        refusal = (comment(f"{p.name} has no endpoints"), f"-m {p.proto}")
        self.add("filter", "KUBE-SERVICES", f"-d {p.cluster_ip}/32 -p {p.proto}", *refusal, f"--dport {p.port} -j REJECT --reject-with icmp-port-unreachable")
        for a in (*p.external_ips, *p.lb_ips):
            self.add("filter", "KUBE-EXTERNAL-SERVICES", f"-d {a}/32 -p {p.proto}", *refusal, f"--dport {p.port} -j REJECT --reject-with icmp-port-unreachable")
        if p.node_port:
            self.add("filter", "KUBE-EXTERNAL-SERVICES", f"-p {p.proto}", refusal[0], "-m addrtype --dst-type LOCAL", refusal[1],
                     f"--dport {p.node_port} -j REJECT --reject-with icmp-port-unreachable")
        self.health(p)

    def health(self, p):
        if p.health_port and self.minor >= 21:
            self.add("filter", "KUBE-NODEPORTS", "-p tcp", comment(f"{p.name} health check node port"), f"-m tcp --dport {p.health_port} -j ACCEPT")

    def external_ip(self, p, where, match, beside):
        to = p.xlb if p.external_local else p.svc
        if not p.external_local:
            self.add("nat", beside, (f"! {self.pod_source}" if self.minor >= 21 else "") + where, match, "-j KUBE-MARK-MASQ")
        if self.minor >= 21:
            self.add("nat", "KUBE-SERVICES", where, match, f"-j {to}")
            return
        self.add("nat", "KUBE-SERVICES", where, match, "-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL", f"-j {to}")
        self.add("nat", "KUBE-SERVICES", where, match, "-m addrtype --dst-type LOCAL", f"-j {to}")

    def old_firewall(self, p, to, masquerade):
        text = comment(f"{p.name} loadbalancer IP")
        if masquerade:
            self.add("nat", p.fw, text, "-j KUBE-MARK-MASQ")
        for r in p.ranges:
            self.add("nat", p.fw, f"-s {r}", text, f"-j {to}")
        if not p.ranges:
            self.add("nat", p.fw, text, f"-j {to}")
        self.add("nat", p.fw, text, "-j KUBE-MARK-DROP")

    def old_node_port(self, p, beside):
        where = f"-p {p.proto} " + comment(p.name) + f" -m {p.proto} --dport {p.node_port}"
        if p.external_local:
            self.add("nat", "KUBE-NODEPORTS", "-s 127.0.0.0/8", where, "-j KUBE-MARK-MASQ")
            self.add("nat", "KUBE-NODEPORTS", where, f"-j {p.xlb}")
        else:
            self.add("nat", beside, where, "-j KUBE-MARK-MASQ")
            self.add("nat", "KUBE-NODEPORTS", where, f"-j {p.svc}")

    def local_chain(self, p):
        if self.pod_source:
            self.add("nat", p.xlb, self.pod_source + comment("Redirect pods trying to reach external loadbalancer VIP to clusterIP"), f"-j {p.svc}")
        self.add("nat", p.xlb, comment(f"masquerade LOCAL traffic for {p.name} LB IP"), "-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ")
        self.add("nat", p.xlb, comment(f"route LOCAL traffic for {p.name} LB IP to service chain"), f"-m addrtype --src-type LOCAL -j {p.svc}")
        if p.local:
            self.policy(p, p.xlb, p.local, False)
        else:
            self.add("nat", p.xlb, comment(f"{p.name} has no local endpoints"), "-j KUBE-MARK-DROP")

    def service_1_24(self, p):
        """As today, but that KUBE-SVL and KUBE-FW mark what must be dropped."""
        filter_before = {c: len(r) for c, r in self.chains["filter"].items()}
        super().service(p)
        if not p.all:
            return
        for c, rules in self.chains["filter"].items():  # refusals without local endpoints
            start = filter_before.get(c, 0)
            rules[start:] = [r for r in rules[start:] if not r.endswith("-j DROP")]
        where = f"-d {p.cluster_ip}/32 -p {p.proto} " + comment(f"{p.name} cluster IP") + f" -m {p.proto} --dport {p.port}"
        if p.internal_local and not p.local:
            self.add("nat", "KUBE-SERVICES", where, f"-j {p.svl}")
        if p.external and p.external_local and not p.local:
            self.add("nat", p.ext, f"-j {p.svl}")
        if not p.local and (p.internal_local or p.external_local and p.external):
            self.add("nat", p.svl, comment(f"{p.name} has no local endpoints"), "-j KUBE-MARK-DROP")
        if p.lb_ips and p.ranges:
            self.chains["nat"][p.fw][-1] = f"-A {p.fw} " + comment(f"{p.name} loadbalancer IP") + " -j KUBE-MARK-DROP"


def write_save(f, minor, services, slices, node, config, addresses):
    w = OldWriter(minor, node, config, False, list(addresses))
    w.start()
    for s in services:
        spec, m = s["spec"], s["metadata"]
        if spec.get("clusterIP") in (None, "", "None") or spec["type"] == "ExternalName":
            continue
        mine = [x for x in slices if x["metadata"]["namespace"] == m["namespace"] and x["addressType"] == "IPv4" and
                x["metadata"]["labels"].get("kubernetes.io/service-name") == m["name"]]
        for p in spec["ports"]:
            w.service(Port(s, p, mine, node, False))
    w.finish()
    w.write(f, "nft")
