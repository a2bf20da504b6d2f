/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replies and hairpins on small nodes: what a namespace with the running kernel cannot show (other kernels, missing files,
 * IPv6, what the caller knows), and which questions about the client are told. tests/scenario/test_reply.py has the kernel.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/nat.h>
#include <svcdoctor/source.h>

#define A "10.244.1.5" /* pods of this node */
#define B "10.244.1.6"
#define R "10.244.2.7" /* of another */
#define OUT "203.0.113.9"

static const char ADDRS[] =
	"[{'ifindex':1,'ifname':'lo','addr_info':[{'family':'inet','local':'127.0.0.1','prefixlen':8,'scope':'host'}]},"
	"{'ifindex':2,'ifname':'eth0','addr_info':[{'family':'inet','local':'172.30.99.1','prefixlen':24,'scope':'global'}]},"
	"{'ifindex':3,'ifname':'cni0','addr_info':[{'family':'inet','local':'10.244.1.1','prefixlen':24,'scope':'global'},"
	"{'family':'inet6','local':'fd00:1::1','prefixlen':64,'scope':'global'}]}]";
static const char ROUTES[] =
	"[{'dst':'default','gateway':'172.30.99.254','dev':'eth0','flags':[]},"
	"{'dst':'10.244.1.0/24','dev':'cni0','scope':'link','prefsrc':'10.244.1.1','flags':[]},"
	"{'dst':'10.244.2.0/24','gateway':'172.30.99.2','dev':'eth0','flags':[]},"
	"{'dst':'172.30.99.0/24','dev':'eth0','scope':'link','prefsrc':'172.30.99.1','flags':[]},"
	"{'dst':'fd00:1::/64','dev':'cni0','flags':[]},"
	"{'type':'local','dst':'127.0.0.0/8','dev':'lo','table':'local','scope':'host','prefsrc':'127.0.0.1','flags':[]},"
	"{'type':'local','dst':'10.244.1.1','dev':'cni0','table':'local','scope':'host','prefsrc':'10.244.1.1','flags':[]},"
	"{'type':'local','dst':'fd00:1::1','dev':'cni0','table':'local','flags':[]},"
	"{'type':'local','dst':'172.30.99.1','dev':'eth0','table':'local','scope':'host','prefsrc':'172.30.99.1','flags':[]}]";
static const char SYSCTL[] = "net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.forwarding = 1\nnet.ipv6.conf.all.forwarding = 1\n"
			     "net.ipv4.conf.all.route_localnet = 1\nnet.ipv4.conf.all.rp_filter = 0\n";
static const char NF_ON[] = "net.bridge.bridge-nf-call-iptables = 1\nnet.bridge.bridge-nf-call-ip6tables = 0\n";
static const char NF_OFF[] = "net.bridge.bridge-nf-call-iptables = 0\nnet.bridge.bridge-nf-call-ip6tables = 1\n";

#define PORT(name, index, hairpin) \
	"{'ifindex':" index ",'ifname':'" name "','flags':['UP'],'master':'cni0','linkinfo':{'info_kind':'veth'," \
	"'info_slave_kind':'bridge','info_slave_data':{'hairpin':" hairpin "}}}"
#define BRIDGE(flags, own) \
	"{'ifindex':3,'ifname':'cni0','flags':['UP'" flags "],'linkinfo':{'info_kind':'bridge','info_data':{'nf_call_iptables':" own \
	",'nf_call_ip6tables':" own "}}},{'ifindex':2,'ifname':'eth0','flags':['UP'],'linkinfo':{'info_kind':'veth'}}"
#define LINKS(flags, own, va, vb) "[" BRIDGE(flags, own) "," PORT("va", "4", va) "," PORT("vb", "5", vb) "]"

static const char NEIGH[] = "[{'dst':'10.244.1.5','dev':'cni0','lladdr':'02:00:00:00:00:05','state':['STALE']},"
			    "{'dst':'10.244.1.6','dev':'cni0','lladdr':'02:00:00:00:00:06','state':['REACHABLE']}]";
static const char FDB[] = "[{'mac':'02:00:00:00:00:05','ifname':'va','flags':[],'master':'cni0','state':''},"
			  "{'mac':'02:00:00:00:00:06','ifname':'vb','flags':[],'master':'cni0','state':''},"
			  "{'mac':'02:00:00:00:00:05','ifname':'vb','flags':[],'master':'cni0','state':'permanent'}]";

#define DNAT_TO(dst) "*nat\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n" \
	"-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination " dst "\n" \
	"-A PREROUTING -d 172.30.99.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination " dst "\n" \
	"-A OUTPUT -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination " dst "\n"
#define SELF "-A POSTROUTING -s 10.244.1.5/32 -d 10.244.1.5/32 -j MASQUERADE\n"
#define END "COMMIT\n"

struct world {
	struct ruleset rules;
	struct node_facts facts;
	struct nat_node node;
	struct nat_result result;
	struct sd_notes notes;
	struct nat_options options;
	bool pods_unknown;
};

/* ' for " */
static char *quoted(const char *text)
{
	char *s = strdup(text);

	assert_non_null(s);
	for (char *p = s; *p; p++)
		if (*p == '\'')
			*p = '"';
	return s;
}

static void add(struct world *w, int (*read)(struct node_facts *, const char *, size_t, const char *, struct sd_notes *), const char *text)
{
	char *s = text ? quoted(text) : NULL;

	if (s)
		assert_int_equal(read(&w->facts, s, strlen(s), "test", &w->notes), 0);
	free(s);
}

/* Pods of 10.244.1.0/24 and fd00:1::/64 are here, those of 10.244.2.0/24 and the rest are not. */
static enum tri is_here(void *arg, const struct ip_addr *a, const char **ret_why)
{
	const struct world *w = arg;

	if (w->pods_unknown) {
		*ret_why = "nobody says it";
		return TRI_UNKNOWN;
	}
	return a->family == AF_INET6 || (a->b[0] == 10 && a->b[2] == 1) ? TRI_TRUE : TRI_FALSE;
}

struct node_files {
	const char *sysctl, *links, *neigh, *fdb;
	bool no_routes, no_sysctl;
};

static void open_world(struct world *w, const char *rules, const char *rules6, const struct node_files *n)
{
	const char *texts[2] = { rules, rules6 };

	memset(w, 0, sizeof(*w));
	ruleset_init(&w->rules);
	node_facts_init(&w->facts);
	nat_result_init(&w->result);
	add(w, read_ip_addr, ADDRS);
	add(w, read_ip_route, n->no_routes ? NULL : ROUTES);
	if (!n->no_sysctl) {
		char *all = malloc(sizeof(SYSCTL) + 300);

		assert_non_null(all);
		memcpy(all, SYSCTL, sizeof(SYSCTL));
		if (n->sysctl)
			memcpy(all + sizeof(SYSCTL) - 1, n->sysctl, strlen(n->sysctl) + 1);
		add(w, read_sysctl, all);
		free(all);
	}
	add(w, read_ip_link, n->links);
	add(w, read_ip_neigh, n->neigh);
	add(w, read_bridge_fdb, n->fdb);
	for (unsigned i = 0; i < 2; i++) {
		struct xtables_text t;
		char *data = texts[i] ? strdup(texts[i]) : NULL;

		if (!data)
			continue;
		assert_int_equal(ruleset_own_buffer(&w->rules, data), 0);
		assert_int_equal(read_xtables(&w->rules, data, strlen(data), i == 1, BACKEND_NFT, "test", &w->notes, &t), 0);
	}
	assert_int_equal(ruleset_finish(&w->rules), 0);
	assert_int_equal(node_facts_finish(&w->facts), 0);
	nat_node_init(&w->node, "n", &w->rules, &w->facts);
	for (unsigned f = 0; f < 2; f++)
		w->node.legacy_known[f] = w->node.nft_known[f] = true;
	w->options = (struct nat_options){ .flags = NAT_REPLY, .here = is_here, .here_arg = w };
}

static void close_world(struct world *w)
{
	nat_result_release(&w->result);
	node_facts_release(&w->facts);
	ruleset_release(&w->rules);
	sd_notes_release(&w->notes);
}

/* The one ending. */
static const struct nat_ending *run_proto(struct world *w, uint8_t proto, const char *src, const char *dst)
{
	struct nat_packet p = { .proto = proto, .sport = 40000, .dport = 80 };

	assert_int_equal(ip_addr_parse(src, &p.src), 0);
	assert_int_equal(ip_addr_parse(dst, &p.dst), 0);
	p.from_node = node_is_local(&w->facts, &p.src) == TRI_TRUE;
	p.iif = p.from_node ? NULL : str_starts(src, "10.244.1.") || str_starts(src, "fd00") ? "cni0" : "eth0";
	nat_result_reset(&w->result);
	assert_int_equal(nat_walk(&w->node, &p, &w->options, &w->result), 0);
	assert_int_equal(w->result.endings.len, 1);
	return &w->result.endings.v[0];
}

static const struct nat_ending *run(struct world *w, const char *src, const char *dst)
{
	return run_proto(w, IPPROTO_TCP, src, dst);
}

static void says(const struct nat_ending *e, enum tri reply, const char *why)
{
	if (e->reply != reply || !strstr(e->reply_why, why))
		fail_msg("reply is %d (%s), not %d (%s)", e->reply, e->reply_why, reply, why);
}

/* ---- which way ---- */

static void test_ways(void **state)
{
	const struct node_files n = { .sysctl = NF_ON, .links = LINKS("", "0", "true", "true"), .neigh = NEIGH, .fdb = FDB };
	struct world w;
	const struct nat_ending *e;

	(void)state;
	open_world(&w, DNAT_TO(R ":80") END, NULL, &n);
	says(run(&w, A, "10.96.0.1"), TRI_TRUE, "the client is behind it");
	says(run(&w, "172.30.99.1", "10.96.0.1"), TRI_TRUE, "the source is one of its addresses");
	e = run(&w, OUT, "172.30.99.1");
	says(e, TRI_FALSE, "straight to the client");
	assert_int_equal(e->reply_by.kind, BY_NONE);
	assert_int_equal(e->delivery, DELIVERY_SENT);
	says(run(&w, OUT, R), TRI_TRUE, "nothing is translated");
	w.pods_unknown = true;
	says(run(&w, A, "10.96.0.1"), TRI_UNKNOWN, "nobody says it");
	says(run(&w, "172.30.99.1", "10.96.0.1"), TRI_TRUE, "the source is one of its addresses");
	says(run(&w, OUT, R), TRI_TRUE, "nothing is translated");
	w.options.here = NULL;
	says(run(&w, A, "10.96.0.1"), TRI_UNKNOWN, "not judged");
	w.options.flags = 0;
	says(run(&w, "172.30.99.1", "10.96.0.1"), TRI_UNKNOWN, "not asked for");
	close_world(&w);

	open_world(&w, DNAT_TO(A ":80") "-A POSTROUTING -s 203.0.113.0/24 -j SNAT --to-source 192.0.2.1\n" END, NULL, &n);
	says(run(&w, OUT, "172.30.99.1"), TRI_TRUE, "the endpoint is behind it");
	close_world(&w);
	open_world(&w, DNAT_TO(R ":80") "-A POSTROUTING -s 203.0.113.0/24 -j SNAT --to-source 192.0.2.1\n"
		   "-A POSTROUTING -s 198.51.100.0/24 -j SNAT --to-source 192.0.2.1-192.0.2.9\n"
		   "-A POSTROUTING -s 198.18.0.0/24 -j MASQUERADE\n" END, NULL, &n);
	e = run(&w, OUT, "172.30.99.1");
	says(e, TRI_FALSE, "192.0.2.1, which is no address of this node");
	says(run(&w, "198.51.100.7", "172.30.99.1"), TRI_UNKNOWN, "an address that is not known");
	says(run(&w, "198.18.0.7", "172.30.99.1"), TRI_TRUE, "the source is one of its addresses");
	close_world(&w);
}

static void test_no_routes(void **state)
{
	const struct node_files n = { .sysctl = NF_ON, .no_routes = true };
	struct world w;

	(void)state;
	open_world(&w, DNAT_TO(A ":80") END, NULL, &n);
	says(run(&w, OUT, "172.30.99.1"), TRI_TRUE, "the endpoint is behind it");
	says(run(&w, B, "10.96.0.1"), TRI_UNKNOWN, "on one bridge");
	says(run(&w, A, "10.96.0.1"), TRI_UNKNOWN, "which interface");
	close_world(&w);
	open_world(&w, DNAT_TO(A ":80") SELF END, NULL, &n);
	says(run(&w, A, "10.96.0.1"), TRI_UNKNOWN, "which interface");
	close_world(&w);
}

/* ---- rules ---- */

#define FILTER(rules) "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n" rules END
#define RAW(rules) "*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n" rules END

static void stopped_by(const char *rules, const char *src, const char *dst, const char *chain)
{
	const struct node_files n = { .sysctl = NF_ON, .links = LINKS("", "0", "true", "true"), .neigh = NEIGH, .fdb = FDB };
	struct world w;
	const struct nat_ending *e;

	open_world(&w, rules, NULL, &n);
	e = run(&w, src, dst);
	assert_int_equal(e->verdict, NAT_ACCEPT);
	if (!chain) {
		says(e, TRI_TRUE, "");
	} else {
		says(e, TRI_FALSE, chain);
		assert_true(e->reply_by.chain && strcmp(e->reply_by.chain->name, chain) == 0);
		assert_null(e->reply_by.cause);
	}
	close_world(&w);
}

static void test_rules(void **state)
{
	(void)state;
	/* FORWARD sees endpoint and client, before the source is translated back; PREROUTING what the endpoint sent. */
	stopped_by(DNAT_TO(R ":80") END FILTER("-A FORWARD -s " R " -d " A " -j DROP\n"), A, "10.96.0.1", "FORWARD");
	stopped_by(DNAT_TO(R ":80") END FILTER("-A FORWARD -s 10.96.0.1 -j DROP\n"), A, "10.96.0.1", NULL);
	stopped_by(DNAT_TO(A ":80") SELF END RAW("-A PREROUTING -s " A " -d " A " -j DROP\n"), A, "10.96.0.1", NULL);
	stopped_by(DNAT_TO(A ":80") SELF END RAW("-A PREROUTING -d 10.244.1.1 -j DROP\n"), A, "10.96.0.1", "PREROUTING");
	stopped_by(DNAT_TO(R ":80") END FILTER("-A INPUT -s " R " -j REJECT\n"), "172.30.99.1", "10.96.0.1", "INPUT");
	stopped_by(DNAT_TO(R ":80") END FILTER("-A FORWARD -i eth0 -m conntrack --ctstate NEW,INVALID -j DROP\n"), A, "10.96.0.1", NULL);
	stopped_by(DNAT_TO(R ":80") END FILTER("-A FORWARD -m conntrack --ctdir REPLY -j DROP\n"), A, "10.96.0.1", "FORWARD");
	stopped_by(DNAT_TO(R ":80") END FILTER("-A FORWARD -m conntrack --ctstate ESTABLISHED -m conntrack --ctorigdst 10.96.0.1 "
					       "-m conntrack --ctreplsrc " R " -j DROP\n"), A, "10.96.0.1", "FORWARD");
	stopped_by(DNAT_TO(R ":80") END FILTER("-A FORWARD -p tcp -m tcp --tcp-flags SYN,ACK SYN,ACK -j DROP\n"), A, "10.96.0.1", "FORWARD");
	/* The policy: only the way there is accepted. */
	stopped_by(DNAT_TO(R ":80") END "*filter\n:FORWARD DROP\n-A FORWARD -d " R " -j ACCEPT\nCOMMIT\n", A, "10.96.0.1", "FORWARD");
	/* Not tracked: translated back by nobody. */
	stopped_by(DNAT_TO(R ":80") END RAW("-A PREROUTING -s " R " -j CT --notrack\n"), A, "10.96.0.1", "PREROUTING");
	/* MASQUERADE by the address that it has is no SNAT, unless the port is to be another. */
	stopped_by(DNAT_TO(R ":80") "-A POSTROUTING -j MASQUERADE\n" END FILTER("-A INPUT -m conntrack --ctstate SNAT -j DROP\n"),
		   "172.30.99.1", "10.96.0.1", NULL);
	stopped_by(DNAT_TO(R ":80") "-A POSTROUTING -j MASQUERADE --random-fully\n" END FILTER("-A INPUT -m conntrack --ctstate SNAT -j DROP\n"),
		   "172.30.99.1", "10.96.0.1", "INPUT");
	/* Nothing is translated, and the rule stands in the way. */
	stopped_by(FILTER("-A FORWARD -s " R " -j DROP\n"), A, R, "FORWARD");
}

/* A request without conntrack has a reply without connection: INVALID for TCP, NEW for UDP. */
static void test_untracked(void **state)
{
	static const char rules[] = RAW("-A PREROUTING -d " R " -j CT --notrack\n") FILTER("-A FORWARD -m conntrack --ctstate INVALID -j DROP\n");
	const struct node_files n = { .sysctl = NF_ON, .links = LINKS("", "0", "true", "true") };
	struct world w;

	(void)state;
	open_world(&w, rules, NULL, &n);
	says(run(&w, A, R), TRI_FALSE, "filter FORWARD 1");
	says(run_proto(&w, IPPROTO_UDP, A, R), TRI_TRUE, "");
	close_world(&w);
}

/* A rule that a dump does not decide, and one of chance. */
static void test_undecided(void **state)
{
	const struct node_files n = { .sysctl = NF_ON, .links = LINKS("", "0", "true", "true") };
	struct world w;

	(void)state;
	open_world(&w, DNAT_TO(R ":80") END FILTER("-A FORWARD -s " R " -m time --timestart 08:00 --timestop 09:00 -j DROP\n"), NULL, &n);
	says(run(&w, A, "10.96.0.1"), TRI_UNKNOWN, "it depends on filter FORWARD 1");
	close_world(&w);
	open_world(&w, DNAT_TO(R ":80") END FILTER("-A FORWARD -s " R " -m statistic --mode random --probability 0.5 -j DROP\n"), NULL, &n);
	says(run(&w, A, "10.96.0.1"), TRI_FALSE, "a part of the replies");
	close_world(&w);
}

static bool holds(const struct nat_region *r, const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(text, &a), 0);
	return nat_region_has(r, &a, NULL);
}

/* Every question about the client's address cuts its class, whether it is the source or, of a reply, the destination. */
static void test_classes(void **state)
{
	const struct node_files n = { .sysctl = NF_ON, .links = LINKS("", "0", "true", "true") };
	struct nat_span span = { { { 0, 0x0af40100 }, { 0, 0x0af401ff } }, "cni0" }; /* 10.244.1.0/24 */
	CLEANUP(nat_classes_release) struct nat_classes c = { .now = { AF_INET, 1, &span } };
	struct world w;

	(void)state;
	open_world(&w, DNAT_TO(R ":80") END FILTER("-A FORWARD -s " R " -d 10.244.1.9 -j DROP\n-A FORWARD -s 10.244.1.7 -d " R " -j DROP\n"
						   "-A FORWARD -s " R " -m conntrack --ctorigsrc 10.244.1.8 -j DROP\n"), NULL, &n);
	w.options.classes = &c;
	says(run(&w, A, "10.96.0.1"), TRI_TRUE, "");
	/* The request asks for .7, and of the last rule for R; the reply for .9 and for .8. */
	assert_true(holds(&c.now, A));
	assert_true(holds(&c.now, "10.244.1.10"));
	assert_false(holds(&c.now, "10.244.1.7"));
	assert_false(holds(&c.now, "10.244.1.8"));
	assert_false(holds(&c.now, "10.244.1.9"));
	assert_true(c.rest.len >= 3);
	close_world(&w);
}

/* ---- faults of the node ---- */

static void lost_because(const struct nat_ending *e, const char *cause, const char *text)
{
	says(e, TRI_FALSE, text);
	assert_non_null(e->reply_by.cause);
	assert_string_equal(e->reply_by.cause, cause);
}

static void test_node_faults(void **state)
{
	struct node_files n = { .links = LINKS("", "0", "true", "true") };
	struct world w;

	(void)state;
	n.sysctl = "net.bridge.bridge-nf-call-iptables = 1\nnet.ipv4.conf.eth0.forwarding = 0\nnet.ipv4.conf.cni0.forwarding = 1\n";
	open_world(&w, DNAT_TO(R ":80") END, NULL, &n);
	lost_because(run(&w, A, "10.96.0.1"), "ip-forward", "eth0.forwarding = 0");
	says(run(&w, "172.30.99.1", "10.96.0.1"), TRI_TRUE, "");
	close_world(&w);
	n.sysctl = "net.ipv4.conf.all.route_localnet = 0\nnet.ipv4.conf.cni0.route_localnet = 1\n";
	open_world(&w, DNAT_TO(R ":80") "-A OUTPUT -d 127.0.0.1/32 -p tcp -j DNAT --to-destination " A ":80\n"
		   "-A POSTROUTING -s 127.0.0.0/8 -d " B " -j MASQUERADE\n" END, NULL, &n);
	says(run(&w, "127.0.0.1", "127.0.0.1"), TRI_FALSE, "a loopback address");
	close_world(&w);
}

/* ---- bridges ---- */

static enum tri hairpin(const char *links, const char *neigh, const char *fdb, const char *sysctl, const char *kernel, const char *why)
{
	const struct node_files n = { .sysctl = sysctl, .links = links, .neigh = neigh, .fdb = fdb, .no_sysctl = !sysctl };
	struct world w;
	const struct nat_ending *e;
	enum tri works;

	open_world(&w, DNAT_TO(A ":80") SELF END, NULL, &n);
	w.node.kernel = kernel;
	e = run(&w, A, "10.96.0.1");
	assert_int_equal(e->verdict, NAT_ACCEPT);
	works = e->delivery == DELIVERY_LOST ? TRI_FALSE : e->delivery == DELIVERY_UNKNOWN ? TRI_UNKNOWN : e->reply;
	if (works == TRI_FALSE) {
		assert_string_equal(e->lost.cause, "hairpin-mode");
		assert_int_equal(e->lost.kind, BY_BRIDGE);
		assert_int_equal(e->reply, TRI_UNKNOWN);
	}
	if (why && !strstr(works == TRI_FALSE ? e->lost.text : e->reply_why, why))
		fail_msg("%s", works == TRI_FALSE ? e->lost.text : e->reply_why);
	close_world(&w);
	return works;
}

static void test_hairpin(void **state)
{
	(void)state;
	/* the port is known */
	assert_int_equal(hairpin(LINKS("", "0", "true", "false"), NEIGH, FDB, NF_ON, NULL, NULL), TRI_TRUE);
	assert_int_equal(hairpin(LINKS("", "0", "false", "true"), NEIGH, FDB, NF_ON, NULL, "port va of bridge cni0"), TRI_FALSE);
	/* it is not */
	assert_int_equal(hairpin(LINKS("", "0", "true", "true"), NULL, NULL, NF_ON, NULL, NULL), TRI_TRUE);
	assert_int_equal(hairpin(LINKS("", "0", "false", "false"), NEIGH, NULL, NF_ON, NULL, "no port of bridge cni0"), TRI_FALSE);
	assert_int_equal(hairpin(LINKS("", "0", "true", "false"), NULL, FDB, NF_ON, NULL, "vb has hairpin mode off"), TRI_UNKNOWN);
	assert_int_equal(hairpin("[" BRIDGE("", "0") "," PORT("va", "4", "false") "]", NULL, NULL, NF_ON, NULL, "port va"), TRI_FALSE);
	assert_int_equal(hairpin("[" BRIDGE("", "0") "]", NULL, NULL, NF_ON, NULL, "no port of the bridge"), TRI_UNKNOWN);
	/* bridge netfilter */
	assert_int_equal(hairpin(LINKS("", "0", "false", "false"), NEIGH, FDB, NF_OFF, NULL, NULL), TRI_TRUE);
	assert_int_equal(hairpin(LINKS("", "0", "false", "false"), NEIGH, FDB, "", NULL, NULL), TRI_TRUE);
	assert_int_equal(hairpin(LINKS("", "1", "false", "false"), NEIGH, FDB, NF_OFF, NULL, "port va"), TRI_FALSE);
	assert_int_equal(hairpin(LINKS("", "0", "false", "false"), NEIGH, FDB, NULL, NULL, "no sysctl.txt"), TRI_UNKNOWN);
	assert_int_equal(hairpin(LINKS("", "0", "true", "true"), NEIGH, FDB, NULL, NULL, NULL), TRI_TRUE);
	/* links */
	assert_int_equal(hairpin(NULL, NULL, NULL, NF_ON, NULL, "no ip-link.json"), TRI_UNKNOWN);
	assert_int_equal(hairpin("[{'ifindex':3,'ifname':'cni0','flags':['UP'],'linkinfo':{'info_kind':'veth'}}]", NULL, NULL, NF_ON, NULL, NULL),
			 TRI_TRUE);
}

static void test_promiscuous(void **state)
{
	static const struct {
		const char *kernel;
		enum tri works;
	} rows[] = {
		{ "6.18.44", TRI_FALSE }, { "6.9.0-rc1", TRI_FALSE }, { "7.0.1", TRI_FALSE }, { "6.8.0-31-generic", TRI_UNKNOWN },
		{ "6.1.0-18-amd64", TRI_UNKNOWN }, { "6.1.79", TRI_TRUE }, { "6.1.90", TRI_UNKNOWN }, { "5.4.250", TRI_TRUE },
		{ "4.4.0", TRI_TRUE }, { "4.18.0-513.el8.x86_64", TRI_UNKNOWN }, { NULL, TRI_UNKNOWN }, { "kernel", TRI_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(hairpin(LINKS(",'PROMISC'", "0", "false", "false"), NEIGH, FDB, NF_ON, rows[i].kernel,
					 rows[i].works == TRI_TRUE ? NULL : "promiscuous"), rows[i].works);
	assert_int_equal(hairpin(LINKS("", "0", "false", "false"), NEIGH, FDB, NF_ON, "4.4.0", NULL), TRI_FALSE);
}

/* Two pods of one bridge. */
static void test_neighbours(void **state)
{
	struct node_files n = { .sysctl = NF_ON, .links = LINKS("", "0", "false", "false"), .neigh = NEIGH, .fdb = FDB };
	struct world w;

	(void)state;
	open_world(&w, DNAT_TO(B ":80") END, NULL, &n);
	says(run(&w, A, "10.96.0.1"), TRI_TRUE, "over the bridge");
	close_world(&w);
	/* The rules see it there, and on other nodes' pods nothing changes. */
	open_world(&w, DNAT_TO(B ":80") END FILTER("-A FORWARD -s " B " -i cni0 -o cni0 -j DROP\n"), NULL, &n);
	says(run(&w, A, "10.96.0.1"), TRI_FALSE, "filter FORWARD 1");
	close_world(&w);
	n.sysctl = NF_OFF;
	open_world(&w, DNAT_TO(B ":80") END, NULL, &n);
	lost_because(run(&w, A, "10.96.0.1"), "bridge-nf", "net.bridge.bridge-nf-call-iptables = 0");
	says(run(&w, OUT, "172.30.99.1"), TRI_TRUE, "the endpoint is behind it");
	close_world(&w);
	open_world(&w, DNAT_TO(B ":80") "-A POSTROUTING -j MASQUERADE\n" END, NULL, &n);
	says(run(&w, A, "10.96.0.1"), TRI_TRUE, "the source is one of its addresses");
	close_world(&w);
	n.sysctl = "";
	open_world(&w, DNAT_TO(B ":80") END, NULL, &n);
	lost_because(run(&w, A, "10.96.0.1"), "bridge-nf", "br_netfilter is not loaded");
	close_world(&w);
	n.no_sysctl = true;
	open_world(&w, DNAT_TO(B ":80") END, NULL, &n);
	says(run(&w, A, "10.96.0.1"), TRI_UNKNOWN, "no sysctl.txt");
	close_world(&w);
}

/* IPv6 has a switch of its own. */
static void test_bridge6(void **state)
{
	static const char rules[] = "*nat\n:PREROUTING ACCEPT\n-A PREROUTING -d fd00:96::1/128 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00:1::6]:80\n" END;
	struct node_files n = { .sysctl = NF_OFF, .links = LINKS("", "0", "false", "false") };
	struct world w;

	(void)state;
	open_world(&w, NULL, rules, &n);
	says(run(&w, "fd00:1::5", "fd00:96::1"), TRI_TRUE, "over the bridge");
	close_world(&w);
	n.sysctl = NF_ON;
	open_world(&w, NULL, rules, &n);
	lost_because(run(&w, "fd00:1::5", "fd00:96::1"), "bridge-nf", "bridge-nf-call-ip6tables = 0");
	close_world(&w);
}

/* Any DNAT that leads back out of the port that it came in by: here two hosts behind a router that hangs on one port. */
static void test_same_port(void **state)
{
	static const char links[] = "[{'ifindex':2,'ifname':'eth0','flags':['UP'],'linkinfo':{'info_kind':'bridge','info_data':{'nf_call_iptables':0}}},"
		"{'ifindex':6,'ifname':'ens3','flags':['UP'],'master':'eth0','linkinfo':{'info_slave_kind':'bridge','info_slave_data':{'hairpin':false}}},"
		"{'ifindex':7,'ifname':'vm1','flags':['UP'],'master':'eth0','linkinfo':{'info_slave_kind':'bridge','info_slave_data':{'hairpin':false}}}]";
	static const char neigh[] = "[{'dst':'172.30.99.254','dev':'eth0','lladdr':'02:00:00:00:00:fe','state':['STALE']},"
				    "{'dst':'172.30.99.2','dev':'eth0','lladdr':'02:00:00:00:00:02','state':['STALE']}]";
	static const char fdb[] = "[{'mac':'02:00:00:00:00:fe','ifname':'ens3','flags':[],'master':'eth0','state':''},"
				  "{'mac':'02:00:00:00:00:02','ifname':'ens3','flags':[],'master':'eth0','state':''}]";
	struct node_files n = { .sysctl = NF_ON, .links = links, .neigh = neigh, .fdb = fdb };
	struct world w;
	const struct nat_ending *e;

	(void)state;
	open_world(&w, DNAT_TO(R ":80") "-A POSTROUTING -j MASQUERADE\n" END, NULL, &n);
	e = run(&w, OUT, "172.30.99.1");
	assert_int_equal(e->delivery, DELIVERY_LOST);
	assert_string_equal(e->lost.cause, "hairpin-mode");
	says(run(&w, "172.30.99.1", "10.96.0.1"), TRI_TRUE, "");
	close_world(&w);
	n.fdb = NULL;
	open_world(&w, DNAT_TO(R ":80") "-A POSTROUTING -j MASQUERADE\n" END, NULL, &n);
	assert_int_equal(run(&w, OUT, "172.30.99.1")->delivery, DELIVERY_LOST); /* no port has hairpin mode */
	close_world(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways), cmocka_unit_test(test_no_routes), cmocka_unit_test(test_rules), cmocka_unit_test(test_untracked),
		cmocka_unit_test(test_undecided), cmocka_unit_test(test_classes), cmocka_unit_test(test_node_faults), cmocka_unit_test(test_hairpin),
		cmocka_unit_test(test_promiscuous), cmocka_unit_test(test_neighbours), cmocka_unit_test(test_bridge6), cmocka_unit_test(test_same_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
