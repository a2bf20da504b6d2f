# SPDX-License-Identifier: GPL-2.0-or-later
"""A rule for every match and target of iptables, in the forms that print differently: met and negated, with one value, a range, a list.

load() adds them to the tables of the namespace; what the running kernel does not have is refused by it, and left out."""
import re
import subprocess

# Words by where they are allowed: (table, chain), None: everywhere. "%a" is an address, "%n" a prefix, "%b" another address.
MATCHES = [
    "-m addrtype --src-type LOCAL", "-m addrtype ! --dst-type UNICAST,BROADCAST", "-m addrtype --src-type UNSPEC,PROHIBIT,THROW --dst-type LOCAL --limit-iface-in",
    "-m bpf --bytecode '4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0'",
    "-m cgroup --cgroup 1", "-m cgroup ! --cgroup 1048577", "-m cgroup --path /",
    "-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 0xdeadbeef",
    "-m cluster --cluster-total-nodes 4 ! --cluster-local-nodemask 0x5 --cluster-hash-seed 7",
    "-m comment --comment plain-1_2", "-m comment --comment 'a \"quoted\" one'", "-m comment --comment \"it's\"", "-m comment --comment 'back\\\\slash'",
    "-m comment --comment ''", "-m comment --comment 'ümläut'",
    "-m connbytes --connbytes 10 --connbytes-dir both --connbytes-mode packets", "-m connbytes ! --connbytes 10:20 --connbytes-dir reply --connbytes-mode bytes",
    "-m connbytes --connbytes 0:1000 --connbytes-dir original --connbytes-mode avgpkt",
    "-m connlimit --connlimit-above 3", "-m connlimit --connlimit-upto 3 --connlimit-mask 20 --connlimit-daddr", "-m connlimit ! --connlimit-above 7",
    "-m connmark --mark 0x7", "-m connmark ! --mark 0x10/0xf0",
    "-m conntrack --ctstate NEW", "-m conntrack ! --ctstate INVALID,RELATED,ESTABLISHED,UNTRACKED,SNAT,DNAT", "-m conntrack --ctproto 6",
    "-m conntrack ! --ctproto 17", "-m conntrack --ctorigsrc %a --ctorigdst %n", "-m conntrack ! --ctreplsrc %n ! --ctrepldst %a",
    "-m conntrack --ctorigsrcport 80 --ctorigdstport 80:90", "-m conntrack ! --ctreplsrcport 1:65535 --ctrepldstport 1024",
    "-m conntrack --ctstatus NONE", "-m conntrack ! --ctstatus EXPECTED,SEEN_REPLY,ASSURED,CONFIRMED", "-m conntrack --ctexpire 10",
    "-m conntrack ! --ctexpire 10:20", "-m conntrack --ctdir ORIGINAL", "-m conntrack --ctdir REPLY --ctstate NEW",
    "-m state --state NEW", "-m state ! --state RELATED,ESTABLISHED", "-m state --state UNTRACKED",
    "-m cpu --cpu 0", "-m cpu ! --cpu 1",
    "-p dccp -m dccp --sport 1 --dport 2:3", "-p dccp -m dccp ! --dccp-types REQUEST,RESET", "-p dccp -m dccp ! --sport 1 --dccp-option 9",
    "-p dccp -m dccp --dccp-types ACK,INVALID",
    "-m devgroup --src-group 0x1", "-m devgroup ! --src-group 0x2/0xf",
    "-m dscp --dscp 0x2e", "-m dscp ! --dscp 0", "-p tcp -m ecn --ecn-tcp-cwr ! --ecn-tcp-ece", "-m ecn --ecn-ip-ect 2", "-m ecn ! --ecn-ip-ect 1",
    "-p esp -m esp --espspi 500", "-p esp -m esp ! --espspi 100:200",
    "-m hashlimit --hashlimit-upto 5/sec --hashlimit-name a1", "-m hashlimit --hashlimit-above 1/hour --hashlimit-burst 9 --hashlimit-mode srcip,dstport --hashlimit-name a2",
    "-m hashlimit --hashlimit-above 512kb/s --hashlimit-burst 1mb --hashlimit-mode dstip --hashlimit-name a3 --hashlimit-dstmask 24 --hashlimit-srcmask 20",
    "-m hashlimit --hashlimit-upto 1/hour --hashlimit-name a4 --hashlimit-htable-size 100 --hashlimit-htable-max 1000 --hashlimit-htable-gcinterval 10 --hashlimit-htable-expire 20",
    "-m hashlimit --hashlimit-upto 30/min --hashlimit-mode srcip,srcport,dstip,dstport --hashlimit-name a5",
    "-m hashlimit --hashlimit-above 1000000/sec --hashlimit-name a6 --hashlimit-rate-match --hashlimit-rate-interval 10",
    "-m hashlimit --hashlimit-upto 3b/s --hashlimit-name a7",
    "-m helper --helper ftp", "-m helper ! --helper 'sip-5060'",
    "-p ipcomp -m ipcomp --ipcompspi 18 --compres", "-p ipcomp -m ipcomp ! --ipcompspi 18:20",
    "-m iprange --src-range %a-%b", "-m iprange ! --src-range %a-%b ! --dst-range %a-%a",
       "-m ipvs --ipvs", "-m ipvs ! --ipvs", "-m ipvs ! --vproto 6 --vaddr %n --vport 80 --vdir REPLY", "-m ipvs --vmethod MASQ ! --vportctl 21", "-m ipvs ! --vmethod GATE ! --vport 5 --vdir ORIGINAL",
    "-m length --length 40", "-m length ! --length 40:1500",
    "-m limit --limit 5/sec", "-m limit --limit 1/hour --limit-burst 9", "-m limit --limit 30/min", "-m limit --limit 7/hour", "-m limit --limit 10000/sec",
    "-m mark --mark 0x4000/0x4000", "-m mark ! --mark 0x1", "-m mark --mark 0x0",
    "-p tcp -m multiport --dports 80,443,8000:8080", "-p udp -m multiport ! --sports 53", "-p tcp -m multiport --ports 1:2,3,4:5,6",
    "-m nfacct --nfacct-name every-xt", "-p tcp -m osf --genre Linux --ttl 0 --log 1", "-p tcp -m osf ! --genre Windows",
    "-m physdev --physdev-is-bridged", "-m physdev --physdev-in eth+ ! --physdev-is-out",
    "-m pkttype --pkt-type unicast", "-m pkttype ! --pkt-type multicast", "-m pkttype --pkt-type broadcast", "-m pkttype --pkt-type otherhost",
    "-m policy --dir in --pol none", "-m policy --dir in --pol ipsec --strict --reqid 1 --spi 0x1 --proto esp --mode tunnel --tunnel-dst %n --tunnel-src %a --next ! --reqid 2 --mode transport",
    "-m quota --quota 1000", "-m quota ! --quota 0", "-m realm --realm 0x1", "-m realm ! --realm 0x1/0x2a", "-m rateest --rateest RE1 --rateest-lt --rateest-bps 8bit",
    "-m recent --set --name r1 --rsource", "-m recent ! --rcheck --seconds 180 --reap --name r1 --rsource", "-m recent --update --hitcount 3 --rttl --seconds 5 --name r2 --rdest",
    "-m recent --remove --name r1", "-m recent --rcheck --name r3 --mask %m",
    "-p sctp -m sctp --sport 1:2 ! --dport 3", "-p sctp -m sctp --chunk-types any DATA,INIT", "-p sctp -m sctp ! --chunk-types all ABORT:T",
    "-p sctp -m sctp --chunk-types only DATA:iUbE,SACK", "-p sctp -m sctp --chunk-types any ALL", "-p sctp -m sctp --chunk-types any NONE",
    "-m set --match-set %f-ip src", "-m set ! --match-set %f-port dst,dst", "-m set --match-set %f-port src,dst --return-nomatch ! --update-counters",
    "-m set --match-set %f-ip dst ! --update-subcounters --packets-gt 5 ! --bytes-eq 7", "-m set --match-set %f-ip dst --packets-lt 9 --bytes-eq 3",
    "-m statistic --mode random --probability 0.33333333349", "-m statistic --mode random ! --probability 1", "-m statistic --mode nth --every 3 --packet 2",
    "-m statistic --mode nth ! --every 7 --packet 0", "-m statistic --mode random --probability 0",
    "-m string --string 'a \"b\"' --algo bm", "-m string ! --string x --algo kmp --from 5 --to 70 --icase", "-m string --hex-string '|de ad|' --algo bm",
    "-p tcp -m tcp --dport 80", "-p tcp -m tcp ! --sport 1:1024 --dport :5", "-p tcp -m tcp --tcp-flags SYN,ACK SYN", "-p tcp -m tcp ! --tcp-flags ALL NONE",
    "-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG FIN,URG", "-p tcp -m tcp --syn", "-p tcp -m tcp ! --tcp-option 7", "-p tcp -m tcp",
    "-p tcp -m tcpmss --mss 1000", "-p tcp -m tcpmss ! --mss 1000:1400", "-m tos --tos 0x10/0x3f", "-m tos ! --tos 0xff",
    "-m time --timestart 01:02:03 --timestop 04:05:06 --weekdays Mon,Fri --monthdays 1,15,31", "-m time --datestart 2025-01-02T03:04:05 --datestop 2026-01-02 --kerneltz",
    "-m time ! --weekdays Sun --timestart 23:00 --timestop 1:00 --contiguous",
    "-m u32 --u32 '0x6&0xff=0x6&&0x4&0x1fff=0x0:0x5,0x7'", "-m u32 ! --u32 '0x0>>0x16&0x3c@0xc>>0x1a&0x3c@0x0=0x1'",
    "-p udp -m udp --sport 53", "-p udp -m udp ! --dport 1:1023",
    "-s %a", "! -s %n", "-d %n", "! -d %a", "-i lo", "! -i eth+", "-p 47", "! -p tcp", "-s %a -d %b -i abcdefghijklmno -p udp",
]
FOUR = ["-p ah -m ah --ahspi 1:5", "-p ah -m ah ! --ahspi 7", "-p icmp -m icmp --icmp-type any", "-p icmp -m icmp ! --icmp-type 8", "-p icmp -m icmp --icmp-type 3/4",
        "-m ttl --ttl-eq 5", "-m ttl ! --ttl-eq 5", "-m ttl --ttl-lt 7", "-m ttl --ttl-gt 9", "-f", "! -f", "-s 10.0.0.0/255.0.255.0"]
SIX = ["-m ah --ahspi 1:5 ! --ahlen 32 --ahres", "-p ipv6-icmp -m icmp6 --icmpv6-type 128", "-p ipv6-icmp -m icmp6 ! --icmpv6-type 1/4", "-m dst --dst-len 8 --dst-opts 1:2,3",
       "-m hbh ! --hbh-len 8 --hbh-opts 5", "-m frag --fragid 1:7 --fragres --fragfirst", "-m frag ! --fragid 9 --fraglast", "-m hl --hl-eq 5", "-m hl ! --hl-eq 5",
       "-m hl --hl-lt 7", "-m hl --hl-gt 9", "-m ipv6header --header hop-by-hop,esp --soft", "-m ipv6header ! --header ipv6-frag,prot,none", "-m rt --rt-type 0 --rt-segsleft 1:3 --rt-0-res",
       "-m rt --rt-type 0 --rt-len 40 --rt-0-addrs ::1,::2 --rt-0-not-strict", "-p ipv6-mh -m mh --mh-type 3:5", "-p ipv6-mh -m mh ! --mh-type 1", "-m srh --srh-next-hdr 17 ! --srh-segs-left-eq 3",
       "-m srh --srh-hdr-len-gt 4 --srh-last-entry-lt 2 --srh-tag 9", "-m srh --srh-psid fd00::/64 --srh-lsid fd00::1/128", "-m eui64", "-s fd00::/ffff::ffff"]
PLACED = {
    ("raw", "PREROUTING"): ["-m rpfilter", "-m rpfilter --loose --validmark --accept-local --invert", "-j CT --notrack", "-j CT --zone 5", "-j CT --zone-orig mark", "-j CT --zone-reply 9",
                            "-j CT --ctevents new,destroy,mark --expevents new", "-p tcp -j CT --helper ftp", "-j NOTRACK", "-j TRACE"],
    ("raw", "OUTPUT"): [],
    ("mangle", "PREROUTING"): ["-m mac --mac-source 00:0f:ea:91:04:08", "-m mac ! --mac-source 02:00:00:00:00:01", "-m socket", "-m socket --transparent --nowildcard --restore-skmark",
                               "-p tcp -j TPROXY --on-port 80 --on-ip %a --tproxy-mark 0x1/0x1", "-p udp -j TPROXY --on-port 5 --tproxy-mark 0x7", "-j TTL --ttl-set 64",
                               "-j TTL --ttl-inc 1", "-j TTL --ttl-dec 2", "-j HL --hl-set 64", "-j HL --hl-inc 1", "-j HL --hl-dec 2", "-j DSCP --set-dscp 0x0a", "-j TOS --set-tos 0x10/0x3f",
                               "-j TOS --and-tos 0x0f", "-p tcp -j ECN --ecn-tcp-remove", "-j MARK --set-xmark 0x1/0xff", "-j MARK --and-mark 0xf0", "-j MARK --or-mark 0x10",
                               "-j MARK --xor-mark 0x3", "-j MARK --set-mark 7", "-j CONNMARK --set-xmark 0x1/0xff", "-j CONNMARK --save-mark --nfmask 0xf0 --ctmask 0xff",
                               "-j CONNMARK --restore-mark", "-j CONNMARK --save-mark --mask 0x7", "-p tcp -j TCPOPTSTRIP --strip-options 3,5,8",
                               "-j TEE --gateway %a", "-j SET --map-set %f-skb src --map-mark --map-prio --map-queue", "-j DNPT --src-pfx fd00::/64 --dst-pfx fd01::/64", "-j HMARK --hmark-tuple src,sport --hmark-mod 10 --hmark-offset 100 --hmark-rnd 0xfeed",
                               "-j HMARK --hmark-src-prefix 24 --hmark-dst-prefix 16 --hmark-sport-mask 0xffff --hmark-dport 0x50 --hmark-mod 2 --hmark-rnd 1 --hmark-proto-mask 0xff"],
    ("mangle", "FORWARD"): ["-m physdev --physdev-in a --physdev-out b+ ! --physdev-is-in", "-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu", "-p tcp --syn -j TCPMSS --set-mss 1200"],
    ("mangle", "POSTROUTING"): ["-j CLASSIFY --set-class 1:ffff", "-p udp -j CHECKSUM --checksum-fill", "-o eth+ -j CLASSIFY --set-class 0:1", "-j SNPT --src-pfx fd00::/64 --dst-pfx fd01::/64"],
    ("mangle", "OUTPUT"): ["-m owner --uid-owner 0", "-m owner ! --gid-owner 5-7 ! --uid-owner 3", "-m owner ! --socket-exists", "-m owner --gid-owner 3 --suppl-groups"],
    ("filter", "INPUT"): ["-j REJECT", "-p tcp -j REJECT --reject-with tcp-reset", "-j LOG", "-j LOG --log-prefix 'a \"b\": ' --log-level debug --log-tcp-sequence --log-tcp-options --log-ip-options --log-uid --log-macdecode",
                          "-j LOG --log-prefix plain", "-j NFLOG", "-j NFLOG --nflog-group 3 --nflog-prefix 'x y' --nflog-threshold 7", "-j NFLOG --nflog-size 64", "-j NFQUEUE",
                          "-j NFQUEUE --queue-num 7 --queue-bypass", "-j NFQUEUE --queue-balance 1:4 --queue-cpu-fanout", "-j AUDIT --type drop", "-j RATEEST --rateest-name RE1 --rateest-interval 250ms --rateest-ewmalog 500ms",
                          "-j IDLETIMER --timeout 42 --label every4", "-j LED --led-trigger-id every --led-delay 7 --led-always-blink", "-p tcp -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460",
                          "-j SET --add-set %f-ip src --exist --timeout 9", "-j SET --del-set %f-port src,dst", "-j every-goto", "-g every-goto",
                          "-j RETURN", "-j ACCEPT", "-j DROP", "-j QUEUE", "-p tcp", "-j CONNSECMARK --save"],
    ("nat", "PREROUTING"): ["-p tcp -j DNAT --to-destination %e:80", "-j DNAT --to-destination %a", "-p udp -j DNAT --to-destination %R:1-5 --random --persistent", "-p tcp -j DNAT --to-destination :8080",
                            "-p tcp -j DNAT --to-destination %e:80-90/100", "-j NETMAP --to %n", "-p tcp -j REDIRECT --to-ports 80", "-p udp -j REDIRECT --to-ports 5-9 --random", "-j REDIRECT",
                            "-j DNAT --to-destination %a-%b"],
    ("nat", "POSTROUTING"): ["-j SNAT --to-source %a", "-p tcp -j SNAT --to-source %e:1024-2000 --random-fully", "-j SNAT --to-source %a-%b --persistent --random", "-j MASQUERADE",
                             "-p tcp -j MASQUERADE --to-ports 1024-2000 --random", "-j MASQUERADE --random-fully", "-j NETMAP --to %n"],
}
ADDRESSES = {4: {"%a": "10.0.0.1", "%b": "10.0.0.9", "%n": "10.1.0.0/16", "%m": "255.255.255.0", "%e": "10.0.0.1", "%R": "10.0.0.1-10.0.0.9", "%f": "every4"},
             6: {"%a": "fd00::1", "%b": "fd00::9", "%n": "fd01::/16", "%m": "ffff:ffff::", "%e": "[fd00::1]", "%R": "[fd00::1-fd00::9]", "%f": "every6"}}
REJECTS = {4: ["icmp-net-unreachable", "icmp-host-unreachable", "icmp-proto-unreachable", "icmp-net-prohibited", "icmp-host-prohibited", "icmp-admin-prohibited"],
           6: ["no-route", "adm-prohibited", "addr-unreach", "port-unreach", "policy-fail", "reject-route"]}


def fill(text, fam):
    for key, value in ADDRESSES[fam].items():
        text = text.replace(key, value)
    # iptables-restore reads double quotes only, with a backslash before what must not end them.
    return re.sub(r"'([^']*)'", lambda m: '"' + m.group(1).replace('"', '\\"') + '"', text)


def objects():
    """Makes what the rules name, in this namespace."""
    subprocess.run(["nfacct", "add", "every-xt"], stderr=subprocess.DEVNULL, check=False)
    sets = "".join(f"create every{fam}-ip hash:ip family {name} counters timeout 0\ncreate every{fam}-port hash:ip,port family {name} counters\n"
                   f"create every{fam}-skb hash:ip family {name} skbinfo\n" for fam, name in ((4, "inet"), (6, "inet6")))
    subprocess.run(["ipset", "restore"], input=sets.encode(), stderr=subprocess.DEVNULL, check=False)


def rules(fam):
    """{(table, chain): [rule]}"""
    v = {place: [fill(x, fam) for x in words] for place, words in PLACED.items()}
    v["filter", "INPUT"] += [f"-j REJECT --reject-with {x}" for x in REJECTS[fam]]
    v["raw", "OUTPUT"] += [fill(x, fam) for x in MATCHES + (FOUR if fam == 4 else SIX)]
    v["mangle", "INPUT"] = [f"{fill(x, fam)} -j ACCEPT" for x in MATCHES + (FOUR if fam == 4 else SIX)]
    return v


def restore(tool, lines):
    p = subprocess.run([tool, "--noflush"], input=("\n".join(lines) + "\n").encode(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    return p.returncode, p.stderr.decode(errors="replace").strip()


def matches(tool):
    """Of this kernel."""
    with open(f"/proc/net/{'ip6' if 'ip6' in tool else 'ip'}_tables_matches", encoding="ascii") as f:
        return set(f.read().split())


def load_place(tool, table, chain, words):
    """Those that were refused. iptables-restore tells the line that it does not read; what the kernel refuses it tells at the COMMIT, and then
    each rule is tried by itself."""
    refused = [(x, "no such match here") for x in words if not matches(tool) >= set(re.findall(r"-m (\S+)", x))]
    words = [x for x in words if x not in dict(refused)]
    while words:
        head = [f"*{table}", *[":every-goto - [0:0]"][:table == "filter"]]
        rc, why = restore(tool, [*head, *(f"-A {chain} {x}" for x in words), "COMMIT"])
        if rc == 0:
            return refused
        where = [int(n) - 1 - len(head) for n in re.findall(r"line:? (\d+)", why)]
        if where and 0 <= where[-1] < len(words):
            refused.append((words.pop(where[-1]), why))
            continue
        for x in words:
            rc, why = restore(tool, [*head, f"-A {chain} {x}", "COMMIT"])
            if rc:
                refused.append((x, why))
        break
    return refused


def load(tool, fam):
    """Adds every rule that this kernel takes to the tables of this namespace: [(rule, why)] of those that it refused."""
    objects()
    return [r for (table, chain), words in rules(fam).items() for r in load_place(tool, table, chain, words)]
