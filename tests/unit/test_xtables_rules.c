/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib/source/xtables-rule.c and below: every decoded rule is written out in one short form and compared.
 * Lines are those
 * that kube-proxy, CNIs, Docker, firewalld, ufw and the iptables tools themselves write.
 */
#include <setjmp.h>

#include <svcdoctor/source.h>

#include <cmocka.h>

#include "rule-text.h"

struct line {
	const char *rule, *decoded;
};

/* One form of a dump with one rule: what it is read as. */
static void check_form(const char *form, unsigned packets, const char *table, const struct line *l, bool ip6,
		bool quiet)
{
	CLEANUP(strbuf_release) struct strbuf dump = STRBUF_INIT;
	CLEANUP(strbuf_release) struct strbuf got = STRBUF_INIT;
	CLEANUP(ruleset_release) struct ruleset rs;
	CLEANUP(sd_notes_release) struct sd_notes notes = { 0 };
	struct xtables_text text;
	const struct rs_table *t;
	const struct rs_chain *c;
	const struct rs_rule *r;

	ruleset_init(&rs);
	strbuf_addf(&dump, form, l->rule);
	assert_int_equal(read_xtables(&rs, dump.s, dump.len, ip6, BACKEND_LEGACY, "dump.txt", &notes, &text), 0);
	t = ruleset_find_table(&rs, BACKEND_LEGACY, ip6 ? RS_IP6 : RS_IP4, table);
	c = t ? table_find_chain(t, "X") : NULL;
	assert_non_null(c);
	assert_int_equal(c->nrules, 1);
	r = c->rules[0];
	rule_text(&got, r);
	if (strcmp(strbuf_str(&got), l->decoded) != 0)
		print_message("rule: %s\n", l->rule);
	assert_string_equal(strbuf_str(&got), l->decoded);
	if (quiet && notes.len)
		print_message("rule: %s: %s\n", l->rule, notes.v[0].text);
	assert_true(!quiet || notes.len == 0);
	assert_int_equal(rs.nunknown, r->unknown);
	assert_int_equal(r->has_counters, packets > 0);
	if (packets) {
		assert_int_equal(rule_counters(r)->packets, packets);
		assert_int_equal(rule_counters(r)->bytes, packets + 1);
	}
	assert_int_equal(r->text_len, strlen(l->rule) + 5);
	assert_memory_equal(r->text, "-A X ", 5);
	assert_memory_equal(r->text + 5, l->rule, strlen(l->rule));
}

/* The same conditions and statements in every form of a dump. */
static void check_line(const struct line *l, bool ip6, bool quiet)
{
	check_form("*nat\n:X - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n-A X %s\nCOMMIT\n", 0, "nat", l, ip6, quiet);
	check_form("*nat\r\n:X - [0:0]\r\n:KUBE-MARK-MASQ - [0:0]\r\n[7:8] -A X %s\r\nCOMMIT\r\n", 7, "nat", l,
			ip6, quiet);
	check_form("-N X\n-N KUBE-MARK-MASQ\n-A X %s\n", 0, "filter", l, ip6, quiet);
}

static void check_lines(const struct line *lines, size_t n, bool ip6, bool quiet)
{
	for (size_t i = 0; i < n; i++)
		check_line(&lines[i], ip6, quiet);
}

#define A32(a) a "/255.255.255.255"
#define CHECK4(lines) check_lines(lines, ARRAY_LEN(lines), false, true)
#define CHECK6(lines) check_lines(lines, ARRAY_LEN(lines), true, true)

/* ---- what every rule can have ---- */

static void test_header(void **state)
{
	static const struct line lines[] = {
		{ "-j ACCEPT", ": ACCEPT" },
		{ "-j DROP", ": DROP" },
		{ "-j RETURN", ": RETURN" },
		{ "-j QUEUE", ": QUEUE<QUEUE>" },
		{ "-p tcp", "PROTO=6 :" },
		{ "-j KUBE-MARK-MASQ", ": JUMP KUBE-MARK-MASQ" },
		{ "-g KUBE-MARK-MASQ", ": GOTO KUBE-MARK-MASQ" },
		{ "--jump KUBE-MARK-MASQ", ": JUMP KUBE-MARK-MASQ" },
		{ "-s 10.0.0.1/32 -j DROP", "SADDR=" A32("10.0.0.1") " : DROP" },
		{ "-s 10.0.0.1 -j DROP", "SADDR=" A32("10.0.0.1") " : DROP" },
		{ "! -s 10.0.0.7/8 -j DROP", "!SADDR=10.0.0.0/255.0.0.0 : DROP" },
		{ "-s ! 10.0.0.0/8 -j DROP", "!SADDR=10.0.0.0/255.0.0.0 : DROP" },
		{ "-d 10.1.2.3/255.0.255.0", "DADDR=10.0.2.0/255.0.255.0 :" },
		{ "-d 10.1.0.0/255.255.0.0", "DADDR=10.1.0.0/255.255.0.0 :" },
		{ "--destination 10.1.0.0/16 --source 10.2.0.0/16",
		  "DADDR=10.1.0.0/255.255.0.0 SADDR=10.2.0.0/255.255.0.0 :" },
		{ "-s 0.0.0.0/0", ":" },
		{ "! -s 0.0.0.0/0", "FALSE :" },
		{ "-i eth0 -o cali+", "IIF=eth0 OIF=cali* :" },
		{ "! -i lo", "!IIF=lo :" },
		{ "-i +", ":" },
		{ "-p 6", "PROTO=6 :" },
		{ "-p all", ":" },
		{ "-p 4", "PROTO=4 :" },
		{ "-p ipencap", "PROTO=4 :" },
		{ "-p ipip", "PROTO=94 :" },
		{ "-p bogus -j DROP", "OPAQUE<-p bogus> : DROP ?" },
		{ "! -p tcp", "!PROTO=6 :" },
		{ "! -p ipv6-icmp", "!PROTO=58 :" },
		{ "-p esp", "PROTO=50 :" },
		{ "-p udplite", "PROTO=136 :" },
		{ "-p igmp -j RETURN", "PROTO=2 : RETURN" },
		{ "-p 112", "PROTO=112 :" },
		{ "-f -j DROP", "FRAGMENT=1 : DROP" },
		{ "! -f", "!FRAGMENT=1 :" },
	};
	static const struct line lines6[] = {
		{ "-s fd00::1/128", "SADDR=fd00::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff :" },
		{ "! -d fe80::/10", "!DADDR=fe80::/ffc0:: :" },
		{ "-s fd00::5/ffff::ffff", "SADDR=fd00::5/ffff::ffff :" },
		{ "-s ::/0", ":" },
		{ "-p ipv6-icmp", "PROTO=58 :" },
		{ "-s 10.0.0.1/32", "OPAQUE<-s 10.0.0.1/32> : ?" },
	};

	(void)state;
	CHECK4(lines);
	CHECK6(lines6);
}

static void test_ports(void **state)
{
	static const struct line lines[] = {
		{ "-p tcp -m tcp --dport 80", "PROTO=6 DPORT=80 :" },
		{ "-p tcp --dport 80", "PROTO=6 DPORT=80 :" },
		{ "-p udp --dport 53 -m comment --comment x --sport 9", "PROTO=17 DPORT=53 SPORT=9 :" },
		{ "-p tcp -m tcp ! --dport 80:90", "PROTO=6 !DPORT=80-90 :" },
		{ "-p tcp -m tcp --dport ! 80", "PROTO=6 !DPORT=80 :" },
		{ "-p tcp -m tcp --sport :1023 --dport 1024:", "PROTO=6 SPORT=0-1023 DPORT=1024-65535 :" },
		{ "-p tcp -m tcp --dport 90:80", "PROTO=6 FALSE :" },
		{ "-p tcp -m tcp ! --dport 90:80", "PROTO=6 :" },
		{ "-p udp -m udp --sport 53 --dport 1024:65535", "PROTO=17 SPORT=53 DPORT=1024-65535 :" },
		{ "-p sctp -m sctp --dport 9090", "PROTO=132 DPORT=9090 :" },
		{ "-p dccp -m dccp --sport 1:5", "PROTO=33 SPORT=1-5 :" },
		{ "-p udplite -m udplite --dport 7", "PROTO=136 DPORT=7 :" },
		{ "-p tcp -m tcp --dport http", "PROTO=6 OPAQUE<-m tcp --dport http> : ?" },
		{ "-p tcp -m tcp --dport 65536", "PROTO=6 OPAQUE<-m tcp --dport 65536> : ?" },
		{ "-p tcp -m tcp --dport 1 --dport 2", "PROTO=6 OPAQUE<-m tcp --dport 1 --dport 2> : ?" },
		{ "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", "PROTO=6 TCP_FLAGS=0x2/0x17 :" },
		{ "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN", "PROTO=6 !TCP_FLAGS=0x2/0x17 :" },
		{ "-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE", "PROTO=6 TCP_FLAGS=0/0x3f :" },
		{ "-p tcp -m tcp --tcp-flags ALL FIN,PSH,URG", "PROTO=6 TCP_FLAGS=0x29/0x3f :" },
		{ "-p tcp -m tcp ! --syn", "PROTO=6 !TCP_FLAGS=0x2/0x17 :" },
		{ "-p tcp -m tcp --tcp-option 8", "PROTO=6 TCP_OPTION=8 :" },
		{ "-p sctp -m sctp --dport 5 --chunk-types any INIT",
		  "PROTO=132 DPORT=5 EXTHDR<-m sctp --dport 5 --chunk-types any INIT> :" },
		{ "-p tcp -m multiport --dports 80,443,8000:8080", "PROTO=6 DPORT=80,443,8000-8080 :" },
		{ "-p tcp -m multiport ! --dports 80,443", "PROTO=6 !DPORT=80,443 :" },
		{ "-p tcp -m multiport --dports 80", "PROTO=6 DPORT=80 :" },
		{ "-p udp -m multiport --sports 137,138", "PROTO=17 SPORT=137,138 :" },
		{ "-p udp -m multiport --ports 4789,8472", "PROTO=17 PORT=4789,8472 :" },
		{ "-p tcp -m multiport --dports 80,", "PROTO=6 OPAQUE<-m multiport --dports 80,> : ?" },
		{ "-p icmp -m icmp --icmp-type 8", "PROTO=1 ICMP=2048-2303 :" },
		{ "-p icmp -m icmp --icmp-type 3/4 -j ACCEPT", "PROTO=1 ICMP=772 : ACCEPT" },
		{ "-p icmp -m icmp ! --icmp-type echo-request", "PROTO=1 !ICMP=2048-2303 :" },
		{ "-p icmp --icmp-type fragmentation-needed", "PROTO=1 ICMP=772 :" },
		{ "-p icmp -m icmp --icmp-type any", "PROTO=1 ICMP=0-65535 :" },
		{ "-p esp -m esp --espspi 256:512", "PROTO=50 ESP<-m esp --espspi 256:512> :" },
	};
	static const struct line lines6[] = {
		{ "-p ipv6-icmp -m icmp6 --icmpv6-type 133", "PROTO=58 ICMP=34048-34303 :" },
		{ "-p ipv6-icmp -m icmp6 --icmpv6-type neighbour-solicitation", "PROTO=58 ICMP=34560-34815 :" },
		{ "-p ipv6-icmp -m icmp6 --icmpv6-type 1/4", "PROTO=58 ICMP=260 :" },
		{ "-p icmpv6 -m icmp6 --icmpv6-type 255", "PROTO=58 ICMP=65280-65535 :" },
	};

	(void)state;
	CHECK4(lines);
	CHECK6(lines6);
}

static void test_matches(void **state)
{
	static const struct line lines[] = {
		{ "-m mark --mark 0x4000/0x4000", "MARK=0x4000/0x4000 :" },
		{ "-m mark ! --mark 0x4000/0x4000", "!MARK=0x4000/0x4000 :" },
		{ "-m mark --mark 0x1", "MARK=0x1/0xffffffff :" },
		{ "-m mark --mark 010", "MARK=0x8/0xffffffff :" },
		{ "-m mark --mark 0x1ffffffff", "OPAQUE<-m mark --mark 0x1ffffffff> : ?" },
		{ "-m connmark --mark 0x80/0x80", "CT_MARK=0x80/0x80 :" },
		{ "-m connmark ! --mark 0x0", "!CT_MARK=0/0xffffffff :" },
		{ "-m mark --mark 1 -m connmark --mark 2", "MARK=0x1/0xffffffff CT_MARK=0x2/0xffffffff :" },
		{ "-m conntrack --ctstate RELATED,ESTABLISHED", "CT_STATE&0xc :" },
		{ "-m conntrack ! --ctstate INVALID,UNTRACKED", "!CT_STATE&0x11 :" },
		{ "-m conntrack --ctstate NEW,SNAT,DNAT", "CT_STATE&0x62 :" },
		{ "-m state --state NEW", "CT_STATE&0x2 :" },
		{ "-m conntrack --ctstate FOO", "OPAQUE<-m conntrack --ctstate FOO> : ?" },
		{ "-m conntrack --ctstatus ASSURED,SEEN_REPLY", "CT_STATUS&0x6 :" },
		{ "-m conntrack --ctstatus NONE", "FALSE :" },
		{ "-m conntrack ! --ctstatus NONE", "!CT_STATUS&0 :" },
		{ "-m conntrack --ctproto 17 --ctdir REPLY", "CT_PROTO=17 CT_DIR=1 :" },
		{ "-m conntrack --ctorigsrc 10.0.0.0/8 ! --ctorigdst 10.96.0.1/32 --ctorigdstport 80",
		  "CT_ORIG_SADDR=10.0.0.0/255.0.0.0 !CT_ORIG_DADDR=" A32("10.96.0.1") " CT_ORIG_DPORT=80 :" },
		{ "-m conntrack --ctreplsrc 1.2.3.4 --ctrepldst 1.2.3.5 --ctreplsrcport 1:2 --ctrepldstport 3 "
		  "--ctorigsrcport 4",
		  "CT_ORIG_SPORT=4 CT_REPL_SADDR=" A32("1.2.3.4") " CT_REPL_SPORT=1-2 CT_REPL_DADDR="
		  A32("1.2.3.5") " CT_REPL_DPORT=3 :" },
		{ "-m conntrack --ctstate NEW --ctexpire 5:10", "CT_STATE&0x2 CT_EXPIRE=5-10 :" },
		{ "-m addrtype --dst-type LOCAL", "DADDR_TYPE&0x4 :" },
		{ "-m addrtype ! --src-type LOCAL --dst-type LOCAL,BROADCAST --limit-iface-in",
		  "!SADDR_TYPE&0x4@iif DADDR_TYPE&0xc@iif :" },
		{ "-m addrtype --src-type UNICAST,THROW,NAT --limit-iface-out", "SADDR_TYPE&0x602@oif :" },
		{ "-m iprange --src-range 10.0.0.5-10.0.0.9", "SADDR=10.0.0.5-10.0.0.9 :" },
		{ "-m iprange ! --dst-range 10.0.0.5", "!DADDR=10.0.0.5-10.0.0.5 :" },
		{ "-m comment --comment \"a \\\"b\\\" -j DROP\" -j ACCEPT", ": ACCEPT" },
		{ "-m comment --comment ! -j ACCEPT", ": ACCEPT" },
		{ "-m comment --comment -j -j ACCEPT", ": ACCEPT" },
		{ "-m statistic --mode random --probability 0.33333333349", "RANDOM=715827883 :" },
		{ "-m statistic --mode random --probability 0.50000000000", "RANDOM=1073741824 :" },
		{ "-m statistic --mode random --probability 0.20000000019", "RANDOM=429496730 :" },
		{ "-m statistic --mode random --probability 0.25", "RANDOM=536870912 :" },
		{ "-m statistic --mode random ! --probability 1", "!RANDOM=2147483648 :" },
		{ "-m statistic --mode random --probability 1.5",
		  "OPAQUE<-m statistic --mode random --probability 1.5> : ?" },
		{ "-m statistic --mode nth --every 3 --packet 1", "NTH=3 :" },
		{ "-m statistic --mode nth ! --every 2 --packet 0", "!NTH=2 :" },
		{ "-m limit --limit 3/min --limit-burst 10", "LIMIT<-m limit --limit 3/min --limit-burst 10> :" },
		{ "-m hashlimit --hashlimit-upto 5/sec --hashlimit-burst 5 --hashlimit-name x",
		  "HASHLIMIT<-m hashlimit --hashlimit-upto 5/sec --hashlimit-burst 5 --hashlimit-name x> :" },
		{ "-m hashlimit --hashlimit-above 5/sec --hashlimit-name x",
		  "!HASHLIMIT<-m hashlimit --hashlimit-above 5/sec --hashlimit-name x> :" },
		{ "-m connlimit --connlimit-above 20 --connlimit-mask 32 --connlimit-saddr",
		  "!CONNLIMIT<-m connlimit --connlimit-above 20 --connlimit-mask 32 --connlimit-saddr> :" },
		{ "-m connlimit --connlimit-upto 2", "CONNLIMIT<-m connlimit --connlimit-upto 2> :" },
		{ "-m connlimit ! --connlimit-above 2", "CONNLIMIT<-m connlimit ! --connlimit-above 2> :" },
		{ "-m connlimit --connlimit-above 0", "CONNLIMIT<-m connlimit --connlimit-above 0> :" },
		{ "-m connlimit --connlimit-upto 0", "!CONNLIMIT<-m connlimit --connlimit-upto 0> :" },
		{ "-m quota ! --quota 1000", "!QUOTA<-m quota ! --quota 1000> :" },
		{ "-m quota --quota 0", "!QUOTA<-m quota --quota 0> :" },
		{ "-m connbytes --connbytes 1:1 --connbytes-mode packets --connbytes-dir original",
		  "CONNBYTES<-m connbytes --connbytes 1:1 --connbytes-mode packets --connbytes-dir original> :" },
		{ "-m connbytes ! --connbytes 0:100 --connbytes-mode bytes --connbytes-dir reply",
		  "!CONNBYTES<-m connbytes ! --connbytes 0:100 --connbytes-mode bytes --connbytes-dir reply> :" },
		{ "-m connbytes --connbytes 100000: --connbytes-mode bytes --connbytes-dir both",
		  "!CONNBYTES<-m connbytes --connbytes 100000: --connbytes-mode bytes --connbytes-dir both> :" },
		{ "-m connbytes --connbytes 100: --connbytes-mode bytes --connbytes-dir both",
		  "OPAQUE<-m connbytes --connbytes 100: --connbytes-mode bytes --connbytes-dir both> : ?" },
		{ "-m connbytes --connbytes 10:20 --connbytes-mode packets --connbytes-dir both",
		  "!CONNBYTES<-m connbytes --connbytes 10:20 --connbytes-mode packets --connbytes-dir both> :" },
		{ "-m nfacct --nfacct-name  ct_state_invalid_dropped_pkts -j DROP", ": DROP" },
		{ "-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-X --mask 255.255.255.255 --rsource",
		  "RECENT=KUBE-SEP-X :" },
		{ "-m recent ! --update --seconds 60 --hitcount 4 --name a\"b --rdest",
		  "!RECENT=a\"b+update+dest :" },
		{ "-m recent --remove --name x", "RECENT=x+remove :" },
		{ "-m recent --set", "RECENT_SET=DEFAULT :" },
		{ "-m recent --set --update", "OPAQUE<-m recent --set --update> : ?" },
		{ "-m set --match-set KUBE-CLUSTER-IP dst,dst", "SET=KUBE-CLUSTER-IP(dst,dst) :" },
		{ "-m set ! --match-set x src", "!SET=x(src) :" },
		{ "-m set --match-set x src --return-nomatch ! --update-counters", "SET=x(src)nomatch :" },
		{ "-m set --match-set x src --packets-gt 5", "SET<-m set --match-set x src --packets-gt 5> :" },
		{ "-m set ! --match-set x src --packets-eq 5 --bytes-lt 9", "SET<-m set ! --match-set x src --packets-eq 5 --bytes-lt 9> :" },
		{ "-m set --match-set x src -m set ! --match-set y dst", "SET=x(src) !SET=y(dst) :" },
		{ "-m physdev --physdev-is-in", "PHYS_IS_IN=1 :" },
		{ "-m physdev ! --physdev-is-bridged --physdev-in veth+ ! --physdev-out v1",
		  "PHYSIN=veth* !PHYSOUT=v1 !PHYS_BRIDGED=1 :" },
		{ "-m rpfilter --validmark --invert -j DROP", "!RPFILTER<-m rpfilter --validmark --invert> : DROP" },
		{ "-m rpfilter --loose", "RPFILTER<-m rpfilter --loose> :" },
		{ "-m socket --transparent -j ACCEPT", "SOCKET<-m socket --transparent> : ACCEPT" },
		{ "-m owner ! --uid-owner 0-99 --gid-owner 5", "!OWNER<! --uid-owner 0-99> OWNER<--gid-owner 5> :" },
		{ "-m owner --socket-exists", "OWNER<--socket-exists> :" },
		{ "-m policy --dir in --pol ipsec --proto esp --mode tunnel",
		  "POLICY<-m policy --dir in --pol ipsec --proto esp --mode tunnel> :" },
		{ "-m length --length 0:128", "LENGTH<-m length --length 0:128> :" },
		{ "-m ttl ! --ttl-eq 1", "TTL<-m ttl ! --ttl-eq 1> :" },
		{ "-m tos --tos 0x10/0x3f", "TOS<-m tos --tos 0x10/0x3f> :" },
		{ "-m dscp --dscp 0x0a", "DSCP<-m dscp --dscp 0x0a> :" },
		{ "-m mac --mac-source 00:11:22:33:44:55", "MAC<-m mac --mac-source 00:11:22:33:44:55> :" },
		{ "-m pkttype ! --pkt-type unicast", "PKTTYPE<-m pkttype ! --pkt-type unicast> :" },
		{ "-m u32 --u32 \"0x6&0xff=0x1\" -j DROP", "U32<-m u32 --u32 \"0x6&0xff=0x1\"> : DROP" },
		{ "-m bpf --bytecode \"4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0\" -j DROP",
		  "BPF<-m bpf --bytecode \"4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0\"> : DROP" },
		{ "-m cgroup --path /kubepods", "CGROUP<-m cgroup --path /kubepods> :" },
		{ "-m time --timestart 10:00:00 --timestop 12:00:00 --weekdays Mon,Tue --kerneltz",
		  "TIME<-m time --timestart 10:00:00 --timestop 12:00:00 --weekdays Mon,Tue --kerneltz> :" },
		{ "-m string --string -j --algo bm -j DROP", "STRING<-m string --string -j --algo bm> : DROP" },
		{ "-m ipvs --vaddr 10.0.0.1 --vproto 6 --vport 80",
		  "IPVS<-m ipvs --vaddr 10.0.0.1 --vproto 6 --vport 80> :" },
		{ "-m ipvs ! --ipvs", "!IPVS<-m ipvs ! --ipvs> :" },
		{ "-m cpu --cpu 0", "CPU<-m cpu --cpu 0> :" },
		{ "-m devgroup --src-group 0x1", "DEVGROUP<-m devgroup --src-group 0x1> :" },
		{ "-m realm --realm 0x1", "REALM<-m realm --realm 0x1> :" },
		{ "-m helper --helper ftp", "HELPER<-m helper --helper ftp> :" },
		{ "-m helper ! --helper ftp", "!HELPER<-m helper ! --helper ftp> :" },
		{ "-m ecn --ecn-ip-ect 1", "ECN<-m ecn --ecn-ip-ect 1> :" },
		{ "-p tcp -m tcpmss --mss 1:500", "PROTO=6 TCPMSS<-m tcpmss --mss 1:500> :" },
		{ "-m connlabel --label x --set", "CT_LABEL<-m connlabel --label x --set> :" },
		{ "-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 1",
		  "OPAQUE<-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 1> : ?" },
		{ "-m osf --genre Linux --ttl 0", "OPAQUE<-m osf --genre Linux --ttl 0> : ?" },
	};
	static const struct line lines6[] = {
		{ "-m hl --hl-eq 255", "TTL<-m hl --hl-eq 255> :" },
		{ "-m frag --fragid 1:2 --fragfirst", "EXTHDR<-m frag --fragid 1:2 --fragfirst> :" },
		{ "-m rt --rt-type 0", "EXTHDR<-m rt --rt-type 0> :" },
		{ "-m ipv6header --header frag --soft", "EXTHDR<-m ipv6header --header frag --soft> :" },
		{ "-m ipv6header ! --header frag --soft", "!EXTHDR<-m ipv6header ! --header frag --soft> :" },
		{ "-m ipv6header ! --header prot,frag --soft", "EXTHDR<-m ipv6header ! --header prot,frag --soft> :" },
		{ "-m ipv6header --header prot --soft", "!EXTHDR<-m ipv6header --header prot --soft> :" },
		{ "-m ipv6header --header prot", "!EXTHDR<-m ipv6header --header prot> :" },
		{ "-m ipv6header ! --header prot", "EXTHDR<-m ipv6header ! --header prot> :" },
		{ "-m ipv6header ! --header hop,prot", "!EXTHDR<-m ipv6header ! --header hop,prot> :" },
		{ "-m ah --ahspi 0:4294967295", "EXTHDR<-m ah --ahspi 0:4294967295> :" },
		{ "-m eui64 -j DROP", "MAC<-m eui64> : DROP" },
		{ "-m iprange --src-range fd00::1-fd00::5", "SADDR=fd00::1-fd00::5 :" },
		{ "-m conntrack --ctorigdst fd00::/16", "CT_ORIG_DADDR=fd00::/ffff:: :" },
	};

	(void)state;
	CHECK4(lines);
	CHECK6(lines6);
}

static void test_targets(void **state)
{
	static const struct line lines[] = {
		{ "-j REJECT --reject-with icmp-port-unreachable", ": REJECT<icmp-port-unreachable>" },
		{ "-j REJECT", ": REJECT<icmp-port-unreachable>" },
		{ "-j REJECT --reject-with tcp-rst", ": REJECT<tcp-reset>" },
		{ "-j REJECT --reject-with icmp-admin-prohibited", ": REJECT<icmp-admin-prohibited>" },
		{ "-p tcp -j DNAT --to-destination 10.0.0.5:8443", "PROTO=6 : DNAT 10.0.0.5 port 8443" },
		{ "-j DNAT --to-destination 10.0.0.5", ": DNAT 10.0.0.5" },
		{ "-p tcp -j DNAT --to-destination :80", "PROTO=6 : DNAT port 80" },
		{ "-p tcp -j DNAT --to-destination 1.2.3.4-1.2.3.9:1000-2000/3000 --random --persistent",
		  "PROTO=6 : DNAT 1.2.3.4-1.2.3.9 port 1000-2000/3000 random persistent" },
		{ "-p tcp -j SNAT --to-source 1.2.3.4:1-9 --random-fully", "PROTO=6 : SNAT 1.2.3.4 port 1-9 fully" },
		{ "-j MASQUERADE", ": MASQUERADE" },
		{ "-j MASQUERADE --random-fully", ": MASQUERADE fully" },
		{ "-p tcp -j MASQUERADE --to-ports 1024-2048 --random",
		  "PROTO=6 : MASQUERADE port 1024-2048 random" },
		{ "-p tcp -j REDIRECT --to-ports 15001", "PROTO=6 : REDIRECT port 15001" },
		{ "-j NETMAP --to 10.9.0.0/16", ": NETMAP 10.9.0.0-255.255.0.0" },
		{ "-j MARK --set-xmark 0x4000/0x4000", ": MARK 0x4000/0x4000" },
		{ "-j MARK --set-xmark 0x4000/0x0", ": MARK 0x4000/0" },
		{ "-j MARK --set-mark 0x10/0x3", ": MARK 0x10/0x13" },
		{ "-j MARK --set-mark 0x10", ": MARK 0x10/0xffffffff" },
		{ "-j MARK --or-mark 0x4000", ": MARK 0x4000/0x4000" },
		{ "-j MARK --and-mark 0x4000", ": MARK 0/0xffffbfff" },
		{ "-j MARK --xor-mark 0x4000", ": MARK 0x4000/0" },
		{ "-j CONNMARK --set-xmark 0x80/0x80", ": CONNMARK 0x80/0x80" },
		{ "-j CONNMARK --save-mark", ": CONNMARK_SAVE 0xffffffff/0xffffffff" },
		{ "-j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0xff", ": CONNMARK_RESTORE 0xff/0xf0" },
		{ "-j CONNMARK --save-mark --mask 0xff", ": CONNMARK_SAVE 0xff/0xff" },
		{ "-j CONNMARK --restore-mark --left-shift-mark 3",
		  ": UNKNOWN<CONNMARK --restore-mark --left-shift-mark 3> ?" },
		{ "-j CT --notrack", ": NOTRACK<CT --notrack>" },
		{ "-j CT --zone 3", ": ZONE<CT --zone 3>" },
		{ "-j NOTRACK", ": NOTRACK<NOTRACK>" },
		{ "-p tcp -j TPROXY --on-port 15001 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1",
		  "PROTO=6 : TPROXY<TPROXY --on-port 15001 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1>" },
		{ "-p tcp -j SYNPROXY --sack-perm --wscale 7",
		  "PROTO=6 : SYNPROXY<SYNPROXY --sack-perm --wscale 7>" },
		{ "-j NFQUEUE --queue-num 0 --queue-bypass", ": QUEUE<NFQUEUE --queue-num 0 --queue-bypass>" },
		{ "-j LOG --log-prefix \"[UFW BLOCK] \"", ": NOP<LOG --log-prefix \"[UFW BLOCK] \">" },
		{ "-j LOG --log-prefix -j --log-level 4", ": NOP<LOG --log-prefix -j --log-level 4>" },
		{ "-j NFLOG --nflog-prefix -m --nflog-group 1", ": NOP<NFLOG --nflog-prefix -m --nflog-group 1>" },
		{ "-j TRACE", ": NOP<TRACE>" },
		{ "-j CHECKSUM --checksum-fill", ": NOP<CHECKSUM --checksum-fill>" },
		{ "-j CLASSIFY --set-class 1:10", ": NOP<CLASSIFY --set-class 1:10>" },
		{ "-p tcp -j TCPMSS --clamp-mss-to-pmtu", "PROTO=6 : NOP<TCPMSS --clamp-mss-to-pmtu>" },
		{ "-j TOS --set-tos 0x10/0xff", ": NOP<TOS --set-tos 0x10/0xff>" },
		{ "-j DSCP --set-dscp 0x0a", ": NOP<DSCP --set-dscp 0x0a>" },
		{ "-j TTL --ttl-set 64", ": NOP<TTL --ttl-set 64>" },
		{ "-j TEE --gateway 10.0.0.1", ": NOP<TEE --gateway 10.0.0.1>" },
		{ "-j SET --add-set x src --exist --timeout 5", ": SET x" },
		{ "-j SET --del-set x src,dst", ": SET del x" },
		{ "-j SET --map-set x src --map-prio", ": NOP<SET --map-set x src --map-prio>" },
		{ "-j SET --map-set x src --map-mark", ": UNKNOWN<SET --map-set x src --map-mark> ?" },
		{ "-j AUDIT --type accept", ": NOP<AUDIT --type accept>" },
		{ "-j HMARK --hmark-tuple src --hmark-mod 2", ": UNKNOWN<HMARK --hmark-tuple src --hmark-mod 2> ?" },
		{ "-j CLUSTERIP --new --hashmode sourceip", ": UNKNOWN<CLUSTERIP --new --hashmode sourceip> ?" },
		{ "-j DNAT --to-destination :0 --persistent --to-destination :0",
		  ": DNAT<DNAT --to-destination :0 --persistent --to-destination :0> ?" },
		{ "-j DNAT --to-destination 10.0.0.9-10.0.0.5", ": DNAT<DNAT --to-destination 10.0.0.9-10.0.0.5> ?" },
		{ "-j DNAT", ": DNAT<DNAT> ?" },
		{ "-j FOO --bar 1 -m comment --comment x", ": UNKNOWN<FOO --bar 1> ?" },
	};
	static const struct line lines6[] = {
		{ "-p tcp -j DNAT --to-destination [fd00::5]:443", "PROTO=6 : DNAT fd00::5 port 443" },
		{ "-p tcp -j DNAT --to-destination [fd00::5-fd00::9]:80-90",
		  "PROTO=6 : DNAT fd00::5-fd00::9 port 80-90" },
		{ "-p tcp -j DNAT --to-destination [fd00::5]-[fd00::9]:80",
		  "PROTO=6 : DNAT fd00::5-fd00::9 port 80" },
		{ "-j DNAT --to-destination fd00::5", ": DNAT fd00::5" },
		{ "-j DNAT --to-destination ::5", ": DNAT ::5" },
		{ "-p tcp -j DNAT --to-destination :80", "PROTO=6 : DNAT port 80" },
		{ "-p tcp -j SNAT --to-source fd00::1-fd00::2", "PROTO=6 : SNAT fd00::1-fd00::2" },
		{ "-j NETMAP --to fd00::/64", ": NETMAP fd00::-ffff:ffff:ffff:ffff::" },
		{ "-j REJECT", ": REJECT<icmp6-port-unreachable>" },
		{ "-j REJECT --reject-with icmp6-adm-prohibited", ": REJECT<icmp6-adm-prohibited>" },
		{ "-j HL --hl-set 64", ": NOP<HL --hl-set 64>" },
	};

	(void)state;
	CHECK4(lines);
	CHECK6(lines6);
}

/* Whole rules as they are found on nodes. */
static void test_real_rules(void **state)
{
	static const struct line lines[] = {
		/* kube-proxy */
		{ "-d 10.96.0.10/32 -p udp -m comment --comment \"kube-system/kube-dns:dns cluster IP\" -m udp "
		  "--dport 53 -j KUBE-MARK-MASQ",
		  "DADDR=" A32("10.96.0.10") " PROTO=17 DPORT=53 : JUMP KUBE-MARK-MASQ" },
		{ "-m comment --comment \"default/a -> 10.0.0.1:80\" -m statistic --mode random --probability "
		  "0.50000000000 -j KUBE-MARK-MASQ",
		  "RANDOM=1073741824 : JUMP KUBE-MARK-MASQ" },
		{ "-m mark ! --mark 0x4000/0x4000 -j RETURN", "!MARK=0x4000/0x4000 : RETURN" },
		{ "-m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully",
		  ": MASQUERADE fully" },
		{ "! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment \"block incoming localnet connections\" -m "
		  "conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
		  "!SADDR=127.0.0.0/255.0.0.0 DADDR=127.0.0.0/255.0.0.0 !CT_STATE&0x4c : DROP" },
		{ "-m conntrack --ctstate INVALID -m nfacct --nfacct-name  ct_state_invalid_dropped_pkts -j DROP",
		  "CT_STATE&0x1 : DROP" },
		{ "-p tcp -m comment --comment \"a/b\" -m recent --set --name KUBE-SEP-Q --mask 255.255.255.255 "
		  "--rsource -m tcp -j DNAT --to-destination 10.0.0.1:80",
		  "PROTO=6 RECENT_SET=KUBE-SEP-Q : DNAT 10.0.0.1 port 80" },
		{ "! -s 10.244.0.0/16 -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ",
		  "!SADDR=10.244.0.0/255.255.0.0 SET=KUBE-CLUSTER-IP(dst,dst) : JUMP KUBE-MARK-MASQ" },
		/* Calico */
		{ "-m comment --comment \"cali:abc\" -m conntrack ! --ctstate RELATED,ESTABLISHED -m set ! "
		  "--match-set cali40all-hosts-net src -j DROP",
		  "!CT_STATE&0xc !SET=cali40all-hosts-net(src) : DROP" },
		{ "-i cali+ -m comment --comment \"cali:x\" -j MARK --set-xmark 0x40000/0x40000",
		  "IIF=cali* : MARK 0x40000/0x40000" },
		{ "-m comment --comment \"cali:x\" -m rpfilter --invert --validmark -j DROP",
		  "!RPFILTER<-m rpfilter --invert --validmark> : DROP" },
		{ "-p ipv4 -m comment --comment \"Allow IPIP\" -m set --match-set cali40all-hosts-net dst -m "
		  "addrtype --src-type LOCAL -j ACCEPT",
		  "PROTO=4 SET=cali40all-hosts-net(dst) SADDR_TYPE&0x4 : ACCEPT" },
		{ "-o tunl0 -m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL -j "
		  "MASQUERADE --random-fully",
		  "OIF=tunl0 !SADDR_TYPE&0x4@oif SADDR_TYPE&0x4 : MASQUERADE fully" },
		/* Cilium */
		{ "-m socket --transparent -m mark ! --mark 0xe00/0xf00 -m comment --comment \"cilium: any->pod "
		  "redirect\" -j MARK --set-xmark 0x200/0xffffffff",
		  "SOCKET<-m socket --transparent> !MARK=0xe00/0xf00 : MARK 0x200/0xffffffff" },
		{ "-p tcp -m mark --mark 0x9a3f0200 -m comment --comment \"cilium: TPROXY\" -j TPROXY --on-port "
		  "16282 --on-ip 127.0.0.1 --tproxy-mark 0x200/0xffffffff",
		  "PROTO=6 MARK=0x9a3f0200/0xffffffff : TPROXY<TPROXY --on-port 16282 --on-ip 127.0.0.1 "
		  "--tproxy-mark 0x200/0xffffffff>" },
		{ "-s 10.0.0.0/24 ! -d 10.0.0.0/8 ! -o cilium_+ -m comment --comment \"cilium masquerade "
		  "non-cluster\" -j MASQUERADE",
		  "SADDR=10.0.0.0/255.255.255.0 !DADDR=10.0.0.0/255.0.0.0 !OIF=cilium_* : MASQUERADE" },
		{ "-o lxc+ -m mark --mark 0xa00/0xfffffeff -j CT --notrack",
		  "OIF=lxc* MARK=0xa00/0xfffffeff : NOTRACK<CT --notrack>" },
		/* Flannel, Weave, kube-router, AWS, Antrea, portmap */
		{ "-s 10.244.0.0/16 ! -d 224.0.0.0/4 -m comment --comment \"flanneld masq\" -j MASQUERADE "
		  "--random-fully",
		  "SADDR=10.244.0.0/255.255.0.0 !DADDR=224.0.0.0/240.0.0.0 : MASQUERADE fully" },
		{ "-m physdev --physdev-out vethwe-bridge --physdev-is-bridged -j ACCEPT",
		  "PHYSOUT=vethwe-bridge PHYS_BRIDGED=1 : ACCEPT" },
		{ "-m set --match-set weave-;rGqyMIl1HN^cfDki~Z$3]6!N dst -j ACCEPT",
		  "SET=weave-;rGqyMIl1HN^cfDki~Z$3]6!N(dst) : ACCEPT" },
		{ "-m comment --comment \"rule to mark traffic\" -m mark ! --mark 0x10000/0x10000 -m limit --limit "
		  "10/min --limit-burst 10 -j NFLOG --nflog-group 100",
		  "!MARK=0x10000/0x10000 LIMIT<-m limit --limit 10/min --limit-burst 10> : NOP<NFLOG --nflog-group "
		  "100>" },
		{ "! -d 192.168.0.0/16 -m comment --comment \"AWS SNAT CHAIN\" -m addrtype ! --dst-type LOCAL -j "
		  "SNAT --to-source 192.168.1.5 --random-fully",
		  "!DADDR=192.168.0.0/255.255.0.0 !DADDR_TYPE&0x4 : SNAT 192.168.1.5 fully" },
		{ "-i eni+ -m comment --comment \"AWS, primary ENI\" -j CONNMARK --restore-mark --nfmask 0x80 "
		  "--ctmask 0x80",
		  "IIF=eni* : CONNMARK_RESTORE 0x80/0x80" },
		{ "-i antrea-gw0 -m comment --comment \"Antrea: mark\" -m set --match-set ANTREA-POD-IP src -j MARK "
		  "--set-xmark 0x80000000/0x80000000",
		  "IIF=antrea-gw0 SET=ANTREA-POD-IP(src) : MARK 0x80000000/0x80000000" },
		{ "-p tcp -m comment --comment \"dnat name: \\\"cbr0\\\" id: \\\"x\\\"\" -m multiport --dports 8080 "
		  "-j KUBE-MARK-MASQ",
		  "PROTO=6 DPORT=8080 : JUMP KUBE-MARK-MASQ" },
		/* Docker, firewalld, ufw */
		{ "! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j KUBE-MARK-MASQ",
		  "!DADDR=127.0.0.0/255.0.0.0 DADDR_TYPE&0x4 : JUMP KUBE-MARK-MASQ" },
		{ "! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80",
		  "!IIF=docker0 PROTO=6 DPORT=8080 : DNAT 172.17.0.2 port 80" },
		{ "-d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT",
		  "DADDR=" A32("172.17.0.2") " !IIF=docker0 OIF=docker0 PROTO=6 DPORT=80 : ACCEPT" },
		{ "-p tcp -m tcp --dport 22 -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT",
		  "PROTO=6 DPORT=22 CT_STATE&0x12 : ACCEPT" },
		{ "-i eth0 -g KUBE-MARK-MASQ", "IIF=eth0 : GOTO KUBE-MARK-MASQ" },
		{ "-m conntrack --ctstate INVALID -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "
		  "\"[UFW AUDIT INVALID] \"",
		  "CT_STATE&0x1 LIMIT<-m limit --limit 3/min --limit-burst 10> : NOP<LOG --log-prefix \"[UFW AUDIT "
		  "INVALID] \">" },
		{ "-p udp -m udp --sport 67 --dport 68 -j ACCEPT", "PROTO=17 SPORT=67 DPORT=68 : ACCEPT" },
		{ "-m addrtype --dst-type BROADCAST -j KUBE-MARK-MASQ", "DADDR_TYPE&0x8 : JUMP KUBE-MARK-MASQ" },
		{ "-p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 "
		  "--name DEFAULT --mask 255.255.255.255 --rsource -j KUBE-MARK-MASQ",
		  "PROTO=6 DPORT=22 CT_STATE&0x2 RECENT=DEFAULT+update : JUMP KUBE-MARK-MASQ" },
	};

	(void)state;
	CHECK4(lines);
}

/* ---- what is not understood stays in its place ---- */

static void test_unknown(void **state)
{
	static const struct line lines[] = {
		{ "-m geoip --source-country DE,FR -j DROP", "OPAQUE<-m geoip --source-country DE,FR> : DROP ?" },
		{ "-m geoip ! --source-country DE ! -s 10.0.0.0/8 -j DROP",
		  "OPAQUE<-m geoip ! --source-country DE> !SADDR=10.0.0.0/255.0.0.0 : DROP ?" },
		{ "-m foo a b -p tcp -m tcp --dport 1", "OPAQUE<-m foo a b> PROTO=6 DPORT=1 : ?" },
		{ "-m tcp --frobnicate 7 -j DROP", "OPAQUE<-m tcp --frobnicate 7> : DROP ?" },
		{ "-p tcp -m tcp --dport 80 --frobnicate 7 ! -i lo -j DROP",
		  "PROTO=6 OPAQUE<-m tcp --dport 80 --frobnicate 7> !IIF=lo : DROP ?" },
		{ "-j ACCEPT stray", "OPAQUE<stray> : ACCEPT ?" },
		/* What lib/kernel writes where it has no words, for names that are known and others. */
		{ "-p tcp -m set --svcdoctor-unknown 9/00ff -m mark --mark 0x1 -j DROP",
		  "PROTO=6 OPAQUE<-m set --svcdoctor-unknown 9/00ff> MARK=0x1/0xffffffff : DROP ?" },
		{ "-m geoip --svcdoctor-unknown 0/ -j DROP", "OPAQUE<-m geoip --svcdoctor-unknown 0/> : DROP ?" },
		{ "-j TOS --svcdoctor-unknown 7/00", ": UNKNOWN<TOS --svcdoctor-unknown 7/00> ?" },
		{ "-j DNAT --svcdoctor-unknown 7/00", ": UNKNOWN<DNAT --svcdoctor-unknown 7/00> ?" },
		{ "-j NEWEST --svcdoctor-unknown 7/00", ": UNKNOWN<NEWEST --svcdoctor-unknown 7/00> ?" },
		{ "--what ever -j ACCEPT", "OPAQUE<--what ever> : ACCEPT ?" },
	};
	static const struct line noted[] = {
		{ "-m conntrack [unsupported revision] -j ACCEPT",
		  "OPAQUE<-m conntrack [unsupported revision]> : ACCEPT ?" },
		{ "-p tcp -j DNAT [unsupported revision]", "PROTO=6 : UNKNOWN<DNAT [unsupported revision]> ?" },
		{ "-j", "OPAQUE<-A X -j> : ?" },
		{ "-j ACCEPT -j DROP", ": UNKNOWN<-A X -j ACCEPT -j DROP> ?" },
		{ "-m comment --comment \"no end -j DROP",
		  ": UNKNOWN<-A X -m comment --comment \"no end -j DROP> ?" },
		{ "-m tcp !", "OPAQUE<-A X -m tcp !> : ?" },
	};

	(void)state;
	CHECK4(lines);
	check_lines(noted, ARRAY_LEN(noted), false, false);
}

/* What is asked of one rule from outside: exactly one address and one number, or none. */
static void check_asks(const char *rule, bool ip6, const char *host, uint32_t dport, const char *chain)
{
	CLEANUP(strbuf_release) struct strbuf dump = STRBUF_INIT;
	CLEANUP(ruleset_release) struct ruleset rs;
	CLEANUP(sd_notes_release) struct sd_notes notes = { 0 };
	struct ip_addr a, want = { 0 };
	struct xtables_text text;
	const struct rs_table *t;
	const struct rs_rule *r;
	uint32_t n = 0;

	ruleset_init(&rs);
	strbuf_addf(&dump, "*nat\n:X - [0:0]\n:Y - [0:0]\n-A X %s\nCOMMIT\n", rule);
	assert_int_equal(read_xtables(&rs, dump.s, dump.len, ip6, BACKEND_LEGACY, "dump.txt", &notes, &text), 0);
	t = ruleset_find_table(&rs, BACKEND_LEGACY, ip6 ? RS_IP6 : RS_IP4, "nat");
	assert_non_null(t);
	r = table_find_chain(t, "X")->rules[0];
	assert_int_equal(rule_host(r, FIELD_DADDR, &a), host != NULL);
	if (host) {
		assert_int_equal(ip_addr_parse(host, &want), 0);
		assert_true(ip_addr_equal(&a, &want));
	}
	assert_int_equal(rule_number(r, FIELD_DPORT, &n), dport != 0);
	assert_int_equal(n, dport);
	assert_int_equal(rule_chain(r) != NULL, chain != NULL);
	if (chain)
		assert_string_equal(rule_chain(r)->name, chain);
}

static void test_asks(void **state)
{
	(void)state;
	check_asks("-d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j Y", false, "10.96.0.1", 443, "Y");
	check_asks("-d 10.96.0.0/24 -p tcp -m tcp --dport 1:9 -g Y", false, NULL, 0, "Y");
	check_asks("! -d 10.96.0.1/32 -p tcp -m tcp ! --dport 443 -j ACCEPT", false, NULL, 0, NULL);
	check_asks("-d 2001:db8::1/128 -p udp -m udp --dport 53 -j Y", true, "2001:db8::1", 53, "Y");
	check_asks("-d 2001:db8::/64 -j DNAT --to-destination [2001:db8::2]:80", true, NULL, 0, NULL);
	check_asks("-s 10.96.0.1/32 -j RETURN", false, NULL, 0, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),	cmocka_unit_test(test_ports),	   cmocka_unit_test(test_matches),
		cmocka_unit_test(test_targets), cmocka_unit_test(test_real_rules), cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
