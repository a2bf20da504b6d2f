/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPVS in a walk: which virtual server takes a packet and where, what its scheduler gives, what the rules see of the packet before and
 * behind it, and what becomes of the reply. test_kernel_ipvs.py holds the same against a kernel.
 */
#include <math.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/nat.h>
#include <svcdoctor/source.h>

#define POD "10.244.1.5" /* pods of this node */
#define POD2 "10.244.1.6"
#define FAR "10.244.2.7" /* of another */
#define OUT "203.0.113.9"
#define VIP "10.96.0.1"
#define NODE "172.30.99.1"

static const char ADDRS[] =
	"[{'ifindex':1,'ifname':'lo','addr_info':[{'family':'inet','local':'127.0.0.1','prefixlen':8,'scope':'host'}]},"
	"{'ifindex':2,'ifname':'eth0','addr_info':[{'family':'inet','local':'172.30.99.1','prefixlen':24,'scope':'global'}]},"
	"{'ifindex':3,'ifname':'cni0','addr_info':[{'family':'inet','local':'10.244.1.1','prefixlen':24,'scope':'global'}]},"
	"{'ifindex':9,'ifname':'kube-ipvs0','addr_info':[{'family':'inet','local':'10.96.0.1','prefixlen':32,'scope':'global'},"
	"{'family':'inet6','local':'fd00:10::1','prefixlen':128,'scope':'global'}]}]";
static const char ROUTES[] =
	"[{'dst':'default','gateway':'172.30.99.254','dev':'eth0','flags':[]},"
	"{'dst':'10.244.1.0/24','dev':'cni0','scope':'link','prefsrc':'10.244.1.1','flags':[]},"
	"{'dst':'10.244.2.0/24','gateway':'172.30.99.2','dev':'eth0','flags':[]},"
	"{'dst':'172.30.99.0/24','dev':'eth0','scope':'link','prefsrc':'172.30.99.1','flags':[]},"
	"{'dst':'fd00:1::/64','dev':'cni0','flags':[]},"
	"{'type':'unreachable','dst':'192.0.2.0/24','flags':[]},"
	"{'type':'local','dst':'127.0.0.0/8','dev':'lo','table':'local','scope':'host','prefsrc':'127.0.0.1','flags':[]},"
	"{'type':'local','dst':'10.244.1.1','dev':'cni0','table':'local','scope':'host','prefsrc':'10.244.1.1','flags':[]},"
	"{'type':'local','dst':'10.96.0.1','dev':'kube-ipvs0','table':'local','scope':'host','prefsrc':'10.96.0.1','flags':[]},"
	"{'type':'local','dst':'fd00:10::1','dev':'kube-ipvs0','table':'local','flags':[]},"
	"{'type':'local','dst':'172.30.99.1','dev':'eth0','table':'local','scope':'host','prefsrc':'172.30.99.1','flags':[]}]";
static const char LINKS[] =
	"[{'ifindex':2,'ifname':'eth0','flags':['UP'],'linkinfo':{'info_kind':'veth'}},"
	"{'ifindex':3,'ifname':'cni0','flags':['UP'],'linkinfo':{'info_kind':'bridge','info_data':{'nf_call_iptables':0,'nf_call_ip6tables':0}}},"
	"{'ifindex':4,'ifname':'va','flags':['UP'],'master':'cni0','linkinfo':{'info_kind':'veth','info_slave_kind':'bridge',"
	"'info_slave_data':{'hairpin':false}}},"
	"{'ifindex':5,'ifname':'vb','flags':['UP'],'master':'cni0','linkinfo':{'info_kind':'veth','info_slave_kind':'bridge',"
	"'info_slave_data':{'hairpin':false}}},"
	"{'ifindex':9,'ifname':'kube-ipvs0','flags':['BROADCAST','NOARP'],'linkinfo':{'info_kind':'dummy'}}]";
static const char NEIGH[] = "[{'dst':'10.244.1.5','dev':'cni0','lladdr':'02:00:00:00:00:05','state':['REACHABLE']},"
			    "{'dst':'10.244.1.6','dev':'cni0','lladdr':'02:00:00:00:00:06','state':['REACHABLE']}]";
static const char FDB[] = "[{'mac':'02:00:00:00:00:05','ifname':'va','flags':[],'master':'cni0','state':''},"
			  "{'mac':'02:00:00:00:00:06','ifname':'vb','flags':[],'master':'cni0','state':''}]";
static const char SYSCTL[] = "net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.forwarding = 1\nnet.ipv6.conf.all.forwarding = 1\n"
			     "net.ipv4.conf.all.rp_filter = 0\nnet.bridge.bridge-nf-call-iptables = 1\n";
static const char SETS[] = "create LOOP hash:ip,port,ip\nadd LOOP 10.244.1.5,tcp:8080,10.244.1.5\n";

/* What kube-proxy writes, in short: marks in PREROUTING and OUTPUT, masquerade in POSTROUTING. */
#define MASQUERADES "*nat\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n" \
	"-A PREROUTING ! -s 10.244.0.0/16 -d 10.96.0.0/16 -j MARK --set-xmark 0x4000/0x4000\n" \
	"-A OUTPUT ! -s 10.244.0.0/16 -d 10.96.0.0/16 -j MARK --set-xmark 0x4000/0x4000\n" \
	"-A POSTROUTING -m set --match-set LOOP dst,dst,src -j MASQUERADE\n" \
	"-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE\nCOMMIT\n"
#define FILTER(rules) "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n" rules "COMMIT\n"
#define MANGLE(rules) "*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n" rules "COMMIT\n"

#define RR "-A -t 10.96.0.1:80 -s rr\n"
#define TO(server, more) "-a -t 10.96.0.1:80 -r " server " " more "\n"

struct world {
	struct ruleset rules;
	struct node_facts facts;
	struct nat_node node;
	struct nat_result result;
	struct sd_notes notes;
};

static void add(struct world *w, int (*read)(struct node_facts *, const char *, size_t, const char *, struct sd_notes *), const char *text)
{
	char *s = strdup(text);

	assert_non_null(s);
	for (char *p = s; *p; p++)
		if (*p == '\'')
			*p = '"';
	assert_int_equal(read(&w->facts, s, strlen(s), "test", &w->notes), 0);
	free(s);
}

static void open_world(struct world *w, const char *rules, const char *servers, const char *sysctl)
{
	CLEANUP(strbuf_release) struct strbuf all = STRBUF_INIT;
	struct xtables_text t;
	struct ipset_text st;
	struct ipvs_text vt;
	char *data = strdup(rules);

	memset(w, 0, sizeof(*w));
	assert_non_null(data);
	ruleset_init(&w->rules);
	node_facts_init(&w->facts);
	nat_result_init(&w->result);
	strbuf_addf(&all, "%s%s", SYSCTL, sysctl ? sysctl : "net.ipv4.vs.conntrack = 1\n");
	add(w, read_ip_addr, ADDRS);
	add(w, read_ip_route, ROUTES);
	add(w, read_ip_link, LINKS);
	add(w, read_ip_neigh, NEIGH);
	add(w, read_bridge_fdb, FDB);
	add(w, read_sysctl, strbuf_str(&all));
	assert_int_equal(ruleset_own_buffer(&w->rules, data), 0);
	assert_int_equal(read_xtables(&w->rules, data, strlen(data), false, BACKEND_LEGACY, "r", &w->notes, &t), 0);
	assert_int_equal(read_ipset(&w->rules, SETS, strlen(SETS), "s", false, &w->notes, &st), 0);
	assert_int_equal(read_ipvsadm(&w->rules, servers, strlen(servers), "v", false, &w->notes, &vt), 0);
	assert_int_equal(ruleset_finish(&w->rules), 0);
	assert_int_equal(node_facts_finish(&w->facts), 0);
	for (size_t i = 0; i < w->notes.len; i++)
		print_message("%s\n", w->notes.v[i].text);
	assert_int_equal(w->notes.len, 0);
	nat_node_init(&w->node, "n", &w->rules, &w->facts);
}

static void close_world(struct world *w)
{
	nat_result_release(&w->result);
	node_facts_release(&w->facts);
	ruleset_release(&w->rules);
	sd_notes_release(&w->notes);
}

/* Pods of 10.244.1.0/24 are here. */
static enum tri is_here(void *arg, const struct ip_addr *a, const char **ret_why)
{
	(void)arg;
	(void)ret_why;
	return a->family == AF_INET6 || (a->b[0] == 10 && a->b[2] == 1) ? TRI_TRUE : TRI_FALSE;
}

/* "accept 10.244.1.5:8080 0.5 from 10.244.1.1 by cni0 home" */
static void describe(const struct nat_ending *e, struct strbuf *b)
{
	char a[IP_ENDPOINT_STRLEN], s[IP_ADDR_STRLEN];

	strbuf_addf(b, "%s%s", b->len ? " | " : "", nat_verdict_name(e->verdict));
	if (e->by.kind == BY_IPVS)
		strbuf_addf(b, " by %s", e->by.text);
	if (e->verdict == NAT_ACCEPT)
		strbuf_addf(b, "%s %s", e->translated ? "" : " untranslated", ip_endpoint_format(&e->addr, e->port, a));
	if (isnan(e->weight))
		strbuf_adds(b, " ?");
	else if (e->weight < 1)
		strbuf_addf(b, " %.3f", e->weight);
	if (e->verdict != NAT_ACCEPT)
		return;
	if (e->masquerade)
		strbuf_addf(b, " from %s", e->source.family ? ip_addr_format(&e->source, s) : "?");
	strbuf_addf(b, " by %s", e->delivery == DELIVERY_LOST ? e->lost.cause : e->delivery == DELIVERY_LOCAL ? "itself" : e->interface ? e->interface : "?");
	if (e->delivery != DELIVERY_LOST)
		strbuf_addf(b, " %s", e->reply == TRI_TRUE ? "home" : e->reply == TRI_FALSE ? "lost" : "unsure");
}

struct packet {
	const char *src, *dst;
	uint8_t proto;
	uint16_t dport, sport;
	uint32_t mark;
};

static void walk_is(const char *rules, const char *servers, const char *sysctl, struct packet q, const char *want)
{
	CLEANUP(strbuf_release) struct strbuf got = STRBUF_INIT;
	struct nat_options o = { .flags = NAT_REPLY, .here = is_here };
	struct nat_packet p = { .proto = q.proto ? q.proto : IPPROTO_TCP, .sport = q.sport ? q.sport : 40000, .dport = q.dport ? q.dport : 80, .mark = q.mark };
	struct world w;

	open_world(&w, rules, servers, sysctl);
	assert_int_equal(ip_addr_parse(q.src, &p.src), 0);
	assert_int_equal(ip_addr_parse(q.dst ? q.dst : VIP, &p.dst), 0);
	p.from_node = node_is_local(&w.facts, &p.src) == TRI_TRUE;
	p.iif = p.src.b[0] == 10 || p.src.family == AF_INET6 ? "cni0" : "eth0";
	assert_int_equal(nat_walk(&w.node, &p, &o, &w.result), 0);
	for (size_t i = 0; i < w.result.endings.len; i++)
		describe(&w.result.endings.v[i], &got);
	if (strcmp(strbuf_str(&got), want) != 0)
		print_message("%s%sfrom %s\n", rules, servers, q.src);
	assert_string_equal(strbuf_str(&got), want);
	close_world(&w);
}

static void test_who_gets_it(void **state)
{
	(void)state;
	/* a pod, whose endpoints are itself, its neighbour and another node's */
	walk_is(MASQUERADES, RR TO(POD ":8080", "-m -w 1") TO(POD2 ":8080", "-m -w 1"), NULL, (struct packet){ .src = POD },
		"accept 10.244.1.5:8080 0.500 from 10.244.1.1 by cni0 lost | accept 10.244.1.6:8080 0.500 by cni0 home");
	walk_is(MASQUERADES, RR TO(FAR ":8080", "-m -w 1"), NULL, (struct packet){ .src = POD }, "accept 10.244.2.7:8080 by eth0 home");
	/* from outside and from the node itself, whose source is the virtual address */
	walk_is(MASQUERADES, RR TO(FAR ":8080", "-m -w 1"), NULL, (struct packet){ .src = OUT }, "accept 10.244.2.7:8080 from 172.30.99.1 by eth0 home");
	walk_is(MASQUERADES, RR TO(FAR ":8080", "-m -w 1"), NULL, (struct packet){ .src = VIP }, "accept 10.244.2.7:8080 from 172.30.99.1 by eth0 home");
	/* without masquerade: nobody but this node's endpoints finds the way back */
	walk_is(FILTER(""), RR TO(FAR ":8080", "-m -w 1"), NULL, (struct packet){ .src = OUT }, "accept 10.244.2.7:8080 by eth0 lost");
	walk_is(FILTER(""), RR TO(FAR ":8080", "-m -w 1"), NULL, (struct packet){ .src = VIP }, "accept 10.244.2.7:8080 by eth0 lost");
	walk_is(FILTER(""), RR TO(POD ":8080", "-m -w 1"), NULL, (struct packet){ .src = OUT }, "accept 10.244.1.5:8080 by cni0 home");
	walk_is(FILTER(""), RR TO(POD ":8080", "-m -w 1"), NULL, (struct packet){ .src = VIP }, "accept 10.244.1.5:8080 by cni0 home");
	/* a server on this node */
	walk_is(MASQUERADES, RR TO(NODE ":6443", "-m -w 1"), NULL, (struct packet){ .src = POD }, "accept 172.30.99.1:6443 by itself home");
	walk_is(MASQUERADES, RR TO(NODE ":6443", "-m -w 1"), NULL, (struct packet){ .src = VIP },
		"accept 172.30.99.1:6443 from 172.30.99.1 by itself home");
	walk_is(MASQUERADES, RR TO("127.0.0.1:6443", "-m -w 1"), NULL, (struct packet){ .src = OUT }, "accept 127.0.0.1:6443 by martian");
	walk_is(MASQUERADES, RR TO("192.0.2.1:80", "-m -w 1"), NULL, (struct packet){ .src = POD }, "accept 192.0.2.1:80 by no-route");
	/* other ports and protocols are the node's own listener's; other addresses are none of IPVS's business */
	walk_is(MASQUERADES, RR TO(FAR ":8080", "-m -w 1"), NULL, (struct packet){ .src = POD, .dport = 81 }, "accept untranslated 10.96.0.1:81 by itself home");
	walk_is(MASQUERADES, RR TO(FAR ":8080", "-m -w 1"), NULL, (struct packet){ .src = POD, .proto = IPPROTO_UDP },
		"accept untranslated 10.96.0.1:80 by itself home");
	walk_is(MASQUERADES, "-A -t 10.96.0.9:80 -s rr\n-a -t 10.96.0.9:80 -r 10.244.2.7:80 -m -w 1\n", NULL, (struct packet){ .src = POD, .dst = "10.96.0.9" },
		"accept untranslated 10.96.0.9:80 by eth0 home");
	/* but of what the node sends: its hook is in OUTPUT, where nothing has to be local */
	walk_is(MASQUERADES, "-A -t 10.96.0.9:80 -s rr\n-a -t 10.96.0.9:80 -r 10.244.2.7:8080 -m -w 1\n", NULL,
		(struct packet){ .src = NODE, .dst = "10.96.0.9" }, "accept 10.244.2.7:8080 from 172.30.99.1 by eth0 home");
	walk_is(FILTER(""), "-A -t [fd00:10::1]:80 -s rr\n-a -t [fd00:10::1]:80 -r [fd00:1::5]:8080 -m -w 1\n", NULL,
		(struct packet){ .src = "fd00:1::6", .dst = "fd00:10::1" }, "accept [fd00:1::5]:8080 by cni0 lost");
}

static void test_schedulers(void **state)
{
	static const char servers[] = TO(FAR ":80", "-m -w 3") TO("10.244.2.8:80", "-m -w 1") TO("10.244.2.9:80", "-m -w 0");
	static const struct {
		const char *add, *want;
	} rows[] = {
		{ "-s rr", "accept 10.244.2.7:80 0.500 by eth0 home | accept 10.244.2.8:80 0.500 by eth0 home" },
		{ "-s rr -p 60", "accept 10.244.2.7:80 0.500 by eth0 home | accept 10.244.2.8:80 0.500 by eth0 home" },
		{ "-s wrr", "accept 10.244.2.7:80 0.750 by eth0 home | accept 10.244.2.8:80 0.250 by eth0 home" },
		{ "-s fo", "accept 10.244.2.7:80 by eth0 home" },
		{ "-s lc", "accept 10.244.2.7:80 ? by eth0 home | accept 10.244.2.8:80 ? by eth0 home" },
		{ "-s nq", "accept 10.244.2.7:80 ? by eth0 home | accept 10.244.2.8:80 ? by eth0 home" },
		/* what falls to a server of weight 0 is refused */
		{ "-s sh", "accept 10.244.2.7:80 ? by eth0 home | accept 10.244.2.8:80 ? by eth0 home | reject by IPVS TCP 10.96.0.1:80 sh ?" },
		{ "-s sh -b sh-fallback", "accept 10.244.2.7:80 ? by eth0 home | accept 10.244.2.8:80 ? by eth0 home" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

		strbuf_addf(&b, "-A -t 10.96.0.1:80 %s\n%s", rows[i].add, servers);
		walk_is(FILTER(""), strbuf_str(&b), NULL, (struct packet){ .src = POD }, rows[i].want);
	}
	walk_is(FILTER(""), "-A -t 10.96.0.1:80 -s lc\n" TO(FAR ":80", "-m -w 7"), NULL, (struct packet){ .src = POD }, "accept 10.244.2.7:80 by eth0 home");
	walk_is(FILTER(""), "-A -t 10.96.0.1:80 -s fo\n" TO(FAR ":80", "-m -w 7") TO("10.244.2.8:80", "-m -w 7"), NULL, (struct packet){ .src = POD },
		"accept 10.244.2.7:80 ? by eth0 home | accept 10.244.2.8:80 ? by eth0 home");
	/* nobody */
	walk_is(FILTER(""), RR, NULL, (struct packet){ .src = POD }, "reject by IPVS TCP 10.96.0.1:80 rr");
	walk_is(FILTER(""), RR TO(FAR ":80", "-m -w 0"), NULL, (struct packet){ .src = VIP }, "reject by IPVS TCP 10.96.0.1:80 rr");
}

/* A server's port, all ports, FTP, marks. */
static void test_ports_and_marks(void **state)
{
	static const char any[] = "-A -t 10.96.0.1:0 -s rr -p 60\n-a -t 10.96.0.1:0 -r 10.244.2.7:0 -m -w 1\n";
	static const char lonely[] = "-A -t 10.96.0.1:0 -s rr\n-a -t 10.96.0.1:0 -r 10.244.2.7:0 -m -w 1\n";
	static const char ftp[] = "-A -t 10.96.0.1:21 -s rr\n-a -t 10.96.0.1:21 -r 10.244.2.7:2121 -m -w 1\n";
	static const char lasting[] = "-A -t 10.96.0.1:21 -s rr -p 60\n-a -t 10.96.0.1:21 -r 10.244.2.7:2121 -m -w 1\n";
	static const char mark[] = "-A -f 7 -s rr\n-a -f 7 -r 10.244.2.7:0 -m -w 1\n" RR TO("10.244.2.8:81", "-m -w 1");
	static const char mark_port[] = "-A -f 7 -s rr -p 60\n-a -f 7 -r 10.244.2.7:99 -m -w 1\n";

	(void)state;
	walk_is(FILTER(""), any, NULL, (struct packet){ .src = POD, .dport = 77 }, "accept 10.244.2.7:77 by eth0 home");
	walk_is(FILTER(""), lonely, NULL, (struct packet){ .src = POD, .dport = 77 }, "reject by IPVS TCP 10.96.0.1:0 rr");
	walk_is(FILTER(""), ftp, NULL, (struct packet){ .src = POD, .dport = 21 }, "accept 10.244.2.7:2121 by eth0 home");
	walk_is(FILTER(""), ftp, NULL, (struct packet){ .src = POD, .dport = 2000 }, "accept untranslated 10.96.0.1:2000 by itself home");
	walk_is(FILTER(""), ftp, NULL, (struct packet){ .src = POD, .dport = 80 }, "accept untranslated 10.96.0.1:80 by itself home");
	walk_is(FILTER(""), lasting, NULL, (struct packet){ .src = POD, .dport = 2000 }, "accept 10.244.2.7:2000 by eth0 home");
	walk_is(FILTER(""), lasting, NULL, (struct packet){ .src = POD, .dport = 21, .sport = 20 }, "accept untranslated 10.96.0.1:21 by itself home");
	walk_is(FILTER(""), mark, NULL, (struct packet){ .src = POD, .mark = 7 }, "accept 10.244.2.7:80 by eth0 home");
	walk_is(FILTER(""), mark, NULL, (struct packet){ .src = POD, .mark = 8 }, "accept 10.244.2.8:81 by eth0 home");
	walk_is(FILTER(""), mark_port, NULL, (struct packet){ .src = POD, .mark = 7 }, "accept 10.244.2.7:80 by eth0 home");
	walk_is(MANGLE("-A PREROUTING -p tcp -j MARK --set-mark 7\n"), mark, NULL, (struct packet){ .src = POD }, "accept 10.244.2.7:80 by eth0 home");
}

/* A foreign DROP: what it names is what the packet is there. */
static void test_what_rules_see(void **state)
{
	static const char to[] = RR TO(FAR ":8080", "-m -w 1");
	static const char here[] = RR TO(NODE ":6443", "-m -w 1");

	(void)state;
#define SEES(rules, servers, from, want) walk_is(rules, servers, NULL, (struct packet){ .src = from }, want)
	SEES(FILTER("-A INPUT -d 10.96.0.1 -j DROP\n"), to, POD, "drop");
	SEES(FILTER("-A INPUT -d 10.244.2.7 -j DROP\n"), to, POD, "accept 10.244.2.7:8080 by eth0 home");
	SEES(FILTER("-A OUTPUT -d 10.244.2.7 -j DROP\n"), to, POD, "drop");
	SEES(FILTER("-A OUTPUT -d 10.96.0.1 -j DROP\n"), to, POD, "accept 10.244.2.7:8080 by eth0 home");
	SEES(FILTER("-A OUTPUT -d 10.96.0.1 -j DROP\n"), to, VIP, "accept 10.244.2.7:8080 by eth0 lost");
	SEES(MANGLE("-A OUTPUT -d 10.96.0.1 -j DROP\n"), to, VIP, "drop");
	/* never FORWARD, but for the reply, from the server's address */
	SEES(FILTER("-A FORWARD -d 10.244.2.7 -j DROP\n"), to, POD, "accept 10.244.2.7:8080 by eth0 home");
	SEES(FILTER("-A FORWARD -s 10.244.2.7 -j DROP\n"), to, POD, "accept 10.244.2.7:8080 by eth0 lost");
	SEES(FILTER("-A FORWARD -s 10.96.0.1 -j DROP\n"), to, POD, "accept 10.244.2.7:8080 by eth0 home");
	SEES(MANGLE("-A POSTROUTING -s 10.96.0.1 -d 10.244.1.5 -j DROP\n"), to, POD, "accept 10.244.2.7:8080 by eth0 lost");
	/* to the node itself the reply comes by INPUT */
	walk_is(MASQUERADES FILTER("-A INPUT -s 10.244.2.7 -j DROP\n"), to, NULL, (struct packet){ .src = VIP },
		"accept 10.244.2.7:8080 from 172.30.99.1 by eth0 lost");
	walk_is(MASQUERADES FILTER("-A FORWARD -s 10.244.2.7 -j DROP\n"), to, NULL, (struct packet){ .src = VIP },
		"accept 10.244.2.7:8080 from 172.30.99.1 by eth0 home");
	/* from the node's server it goes by OUTPUT: mangle before, filter behind the translation */
	SEES(FILTER("-A OUTPUT -s 172.30.99.1 -j DROP\n"), here, POD, "accept 172.30.99.1:6443 by itself home");
	SEES(FILTER("-A OUTPUT -s 10.96.0.1 -j DROP\n"), here, POD, "accept 172.30.99.1:6443 by itself lost");
	SEES(MANGLE("-A OUTPUT -s 172.30.99.1 -j DROP\n"), here, POD, "accept 172.30.99.1:6443 by itself lost");
	/* conntrack: no DNAT status, and the server's address for the reply's source */
	SEES(FILTER("-A OUTPUT -m conntrack --ctstate DNAT -j DROP\n"), to, POD, "accept 10.244.2.7:8080 by eth0 home");
	SEES(FILTER("-A OUTPUT -m conntrack --ctstate NEW -j DROP\n"), to, POD, "drop");
	SEES(FILTER("-A OUTPUT -m conntrack --ctreplsrc 10.244.2.7 -j DROP\n"), to, POD, "drop");
	SEES(FILTER("-A OUTPUT -m conntrack --ctorigdst 10.96.0.1 -j DROP\n"), to, POD, "drop");
	/* interfaces: none in OUTPUT, where it came from in POSTROUTING */
	SEES(FILTER("-A OUTPUT ! -o eth0 -j DROP\n"), to, POD, "accept 10.244.2.7:8080 by eth0 home");
	SEES(MANGLE("-A POSTROUTING -d 10.244.2.7 -o eth0 -j DROP\n"), to, POD, "drop");
#undef SEES
}

/* vs.conntrack = 0: no masquerade, and the reply belongs to no connection. */
static void test_without_conntrack(void **state)
{
	static const char to[] = RR TO(FAR ":8080", "-m -w 1");
	static const char off[] = "net.ipv4.vs.conntrack = 0\n";

	(void)state;
	walk_is(MASQUERADES, to, off, (struct packet){ .src = OUT }, "accept 10.244.2.7:8080 by eth0 lost");
	walk_is(FILTER("-A OUTPUT -m conntrack --ctstate UNTRACKED -j DROP\n"), to, off, (struct packet){ .src = POD }, "drop");
	walk_is(FILTER("-A FORWARD -m conntrack --ctstate ESTABLISHED -j DROP\n"), to, off, (struct packet){ .src = POD }, "accept 10.244.2.7:8080 by eth0 home");
	walk_is(FILTER("-A FORWARD -m conntrack --ctstate INVALID -j DROP\n"), to, off, (struct packet){ .src = POD }, "accept 10.244.2.7:8080 by eth0 lost");
	walk_is(FILTER("-A FORWARD -m conntrack --ctstate INVALID -j DROP\n"), to, NULL, (struct packet){ .src = POD }, "accept 10.244.2.7:8080 by eth0 home");
}

static void test_match(void **state)
{
	static const char to[] = "-A -t 10.96.0.1:80 -s rr -p 60\n" TO(FAR ":8080", "-m -w 1");
	static const struct {
		const char *match;
		bool met;
	} rows[] = {
		{ "--ipvs", true }, { "! --ipvs", false }, { "--vproto 6", true }, { "--vproto 17", false }, { "! --vproto 17", true },
		{ "--vaddr 10.96.0.1", true }, { "--vaddr 10.96.0.0/16", true }, { "! --vaddr 10.96.0.0/16", false }, { "--vaddr 10.97.0.0/16", false },
		{ "--vport 80", true }, { "--vport 8080", false }, { "! --vport 8080", true }, { "--vdir ORIGINAL", true }, { "--vdir REPLY", false },
		{ "! --vdir REPLY", true }, { "--vmethod MASQ", true }, { "--vmethod GATE", false }, { "! --vmethod IPIP", true },
		{ "--vportctl 80", true }, { "--vportctl 81", false }, { "! --vportctl 81", true },
		{ "--vproto 6 --vaddr 10.96.0.1 --vport 80", true }, { "--vproto 6 --vaddr 10.96.0.1 --vport 81", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

		strbuf_addf(&b, FILTER("-A OUTPUT -m ipvs %s -j DROP\n"), rows[i].match);
		walk_is(strbuf_str(&b), to, NULL, (struct packet){ .src = POD }, rows[i].met ? "drop" : "accept 10.244.2.7:8080 by eth0 home");
	}
	/* before IPVS, and of a reply */
	walk_is(FILTER("-A INPUT -m ipvs --ipvs -j DROP\n"), to, NULL, (struct packet){ .src = POD }, "accept 10.244.2.7:8080 by eth0 home");
	walk_is(FILTER("-A INPUT -m ipvs ! --ipvs -j DROP\n"), to, NULL, (struct packet){ .src = POD }, "drop");
	walk_is(FILTER("-A INPUT -m ipvs ! --vport 99 -j DROP\n"), to, NULL, (struct packet){ .src = POD }, "accept 10.244.2.7:8080 by eth0 home");
	walk_is(MANGLE("-A POSTROUTING -m ipvs --ipvs -o eth0 -j DROP\n"), to, NULL, (struct packet){ .src = POD }, "drop");
	walk_is(MANGLE("-A POSTROUTING -m ipvs --ipvs -o cni0 -j DROP\n"), to, NULL, (struct packet){ .src = POD }, "accept 10.244.2.7:8080 by eth0 lost");
	walk_is(MANGLE("-A POSTROUTING -m ipvs --vport 80 -o cni0 -j DROP\n"), to, NULL, (struct packet){ .src = POD }, "accept 10.244.2.7:8080 by eth0 home");
	walk_is(FILTER("-A FORWARD -m ipvs --ipvs -j DROP\n"), to, NULL, (struct packet){ .src = POD }, "accept 10.244.2.7:8080 by eth0 home");
	walk_is(FILTER("-A OUTPUT -m ipvs --vdir ORIGINAL -j DROP\n"), to, "net.ipv4.vs.conntrack = 0\n", (struct packet){ .src = POD },
		"accept 10.244.2.7:8080 by eth0 home");
	walk_is(FILTER("-A OUTPUT -m ipvs --vproto 6 --vaddr 10.96.0.1 --vport 80 -s 10.96.0.1 -j DROP\n"), to, NULL, (struct packet){ .src = VIP }, "drop");
}

/* Other ways to the server: the packet stays as it is, and the server answers by itself. */
static void test_methods(void **state)
{
	(void)state;
	walk_is(FILTER(""), RR TO(FAR ":80", "-g -w 1"), NULL, (struct packet){ .src = POD }, "accept untranslated 10.244.2.7:80 by eth0 home");
	walk_is(FILTER("-A OUTPUT -d 10.96.0.1 -o eth0 -j DROP\n"), RR TO(FAR ":80", "-g -w 1"), NULL, (struct packet){ .src = POD }, "drop");
	walk_is(FILTER("-A OUTPUT -p ipencap -d 10.244.2.7 -j DROP\n"), RR TO(FAR ":80", "-i -w 1 --tun-type ipip"), NULL, (struct packet){ .src = POD }, "drop");
	walk_is(FILTER("-A OUTPUT -p udp -m udp --dport 6080 -j DROP\n"), RR TO(FAR ":80", "-i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum"), NULL,
		(struct packet){ .src = POD }, "drop");
	walk_is(FILTER("-A OUTPUT -d 10.96.0.1 -j DROP\n"), RR TO(FAR ":80", "-i -w 1"), NULL, (struct packet){ .src = POD },
		"accept untranslated 10.244.2.7:80 by eth0 home");
	walk_is("*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n", RR TO(FAR ":80", "-i -w 1"), NULL, (struct packet){ .src = POD },
		"accept untranslated 10.244.2.7:80 by eth0 home");
	walk_is(FILTER(""), RR TO(NODE ":80", "-g -w 1"), NULL, (struct packet){ .src = POD }, "accept untranslated 10.96.0.1:80 by itself home");
	/* one that serves every port takes the replies to the node's own connections as well */
	walk_is(FILTER(""), "-A -t 172.30.99.1:0 -s rr -p 60\n-a -t 172.30.99.1:0 -r 10.244.2.7:0 -m -w 1\n", NULL,
		(struct packet){ .src = NODE, .dst = OUT }, "accept untranslated 203.0.113.9:80 by eth0 lost");
	walk_is(FILTER(""), "-A -t 172.30.99.1:21 -s rr\n-a -t 172.30.99.1:21 -r 10.244.2.7:21 -m -w 1\n", NULL,
		(struct packet){ .src = NODE, .dst = OUT }, "accept untranslated 203.0.113.9:80 by eth0 home");
	/* one packet at a time: the connection is forgotten before the reply comes */
	walk_is(FILTER(""), "-A -u 10.96.0.1:53 -s rr -o\n-a -u 10.96.0.1:53 -r 10.244.2.7:53 -m -w 1\n", NULL,
		(struct packet){ .src = POD, .proto = IPPROTO_UDP, .dport = 53 }, "accept 10.244.2.7:53 by eth0 lost");
}

/* All sources of a class end as one of them does: IPVS asks nothing of the client but what rules ask. */
static void test_classes(void **state)
{
	struct nat_classes classes = { 0 };
	struct nat_tails *tails;
	struct nat_options o = { .flags = NAT_REPLY | NAT_NO_PATH, .here = is_here, .classes = &classes };
	struct nat_packet p = { .proto = IPPROTO_TCP, .sport = 40000, .dport = 80, .iif = "eth0" };
	struct nat_span span = { { { 0, 0xcb007100 }, { 0, 0xcb0071ff } }, "eth0" };
	struct world w;

	(void)state;
	open_world(&w, MASQUERADES FILTER("-A OUTPUT -s 203.0.113.8/29 -d 10.244.2.7 -j DROP\n"), RR TO(FAR ":80", "-m -w 1") TO(POD ":8080", "-m -w 1"), NULL);
	assert_int_equal(nat_tails_new(&w.node, &tails), 0);
	o.tails = tails;
	assert_int_equal(ip_addr_parse(OUT, &p.src), 0);
	assert_int_equal(ip_addr_parse(VIP, &p.dst), 0);
	for (int round = 0; round < 2; round++) {
		nat_classes_reset(&classes);
		nat_result_reset(&w.result);
		classes.now = (struct nat_region){ AF_INET, 1, &span };
		assert_int_equal(nat_walk(&w.node, &p, &o, &w.result), 0);
		assert_int_equal(classes.error, 0);
		assert_int_equal(w.result.endings.len, 2);
		assert_int_equal(w.result.endings.v[0].verdict, NAT_ACCEPT);
		assert_int_equal(w.result.endings.v[1].verdict, NAT_DROP);
		assert_int_equal(classes.now.len, 1);
		assert_int_equal(classes.now.v[0].range.first.lo, 0xcb007108);
		assert_int_equal(classes.now.v[0].range.last.lo, 0xcb00710f);
	}
	nat_tails_free(tails);
	nat_classes_release(&classes);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_gets_it), cmocka_unit_test(test_schedulers), cmocka_unit_test(test_ports_and_marks),
		cmocka_unit_test(test_what_rules_see), cmocka_unit_test(test_without_conntrack), cmocka_unit_test(test_match),
		cmocka_unit_test(test_methods), cmocka_unit_test(test_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
