/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet across nodes: where it goes on, what the whole way comes to, and where following ends. */
#include <math.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <svcdoctor/source.h>

#include "facts.h"
#include "lib/verify/follow.c" /* for join_reply() */

/* Nodes a, b, c: eth0 172.30.0.1 to .3, pods 10.1.0.0/16 to 10.3.0.0/16 on cni0. */
struct world {
	struct snapshot s;
	struct follow f;
	struct follow_budget budget;
};

static int setup(void **state)
{
	static const struct follow_budget budget = FOLLOW_BUDGET;
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	snapshot_init(&w->s);
	w->budget = budget;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	follow_release(&w->f);
	snapshot_release(&w->s);
	free(w);
	return 0;
}

static void add_addrs(struct world *w, struct snap_node *n, int i)
{
	char json[800];

	snprintf(json, sizeof(json),
		 "[{\"ifindex\":1,\"ifname\":\"lo\",\"addr_info\":[{\"family\":\"inet\",\"local\":\"127.0.0.1\",\"prefixlen\":8,\"scope\":\"host\"}]},"
		 "{\"ifindex\":2,\"ifname\":\"eth0\",\"addr_info\":[{\"family\":\"inet\",\"local\":\"172.30.0.%d\",\"prefixlen\":24,\"scope\":\"global\"}]},"
		 "{\"ifindex\":3,\"ifname\":\"cni0\",\"addr_info\":[{\"family\":\"inet\",\"local\":\"10.%d.0.1\",\"prefixlen\":16,\"scope\":\"global\"}]}]",
		 i, i);
	assert_int_equal(read_ip_addr(&n->facts, json, strlen(json), "ip-addr.json", &w->s.notes), 0);
}

/* Routes to the pods of all three nodes, through @via where another node has them. */
static void add_routes(struct world *w, struct snap_node *n, int i, const int via[3])
{
	char json[2000];
	int len = snprintf(json, sizeof(json),
			   "[{\"type\":\"local\",\"dst\":\"172.30.0.%d\",\"dev\":\"eth0\",\"table\":\"local\"},"
			   "{\"type\":\"local\",\"dst\":\"10.%d.0.1\",\"dev\":\"cni0\",\"table\":\"local\"},"
			   "{\"dst\":\"172.30.0.0/24\",\"dev\":\"eth0\",\"prefsrc\":\"172.30.0.%d\"},{\"dst\":\"default\",\"gateway\":\"172.30.0.254\",\"dev\":\"eth0\"}",
			   i, i, i);

	for (int k = 1; k <= 3; k++) {
		if (k == i)
			len += snprintf(json + len, sizeof(json) - (size_t)len, ",{\"dst\":\"10.%d.0.0/16\",\"dev\":\"cni0\"}", k);
		else
			len += snprintf(json + len, sizeof(json) - (size_t)len, ",{\"dst\":\"10.%d.0.0/16\",\"dev\":\"eth0\",\"gateway\":\"172.30.0.%d\"}", k,
					via[k - 1]);
	}
	snprintf(json + len, sizeof(json) - (size_t)len, "]");
	assert_int_equal(read_ip_route(&n->facts, json, strlen(json), "ip-route.json", &w->s.notes), 0);
}

static const int straight[] = { 1, 2, 3 };

/* Node number @i with these rules; NULL: without any dump. @via: NULL: each node's pods through that node; a first 0: no routes are known. */
static void add_node(struct world *w, int i, const char *rules, const int *via)
{
	char name[] = { (char)('a' + i - 1), 0 };
	struct snap_node *n = snapshot_node(&w->s, name, true);
	struct xtables_text t;
	char *data;

	assert_non_null(n);
	add_addrs(w, n, i);
	if (!via || via[0])
		add_routes(w, n, i, via ? via : straight);
	if (!rules)
		return;
	data = strdup(rules);
	assert_non_null(data);
	assert_int_equal(ruleset_own_buffer(&n->rules, data), 0);
	assert_int_equal(read_xtables(&n->rules, data, strlen(data), false, BACKEND_NFT, "test", &w->s.notes, &t), 0);
	n->dumps[DUMP_NFT4] = n->dumps[DUMP_LEGACY4] = KNOWN;
}

static void add_object(struct world *w, int i)
{
	char json[400];

	snprintf(json, sizeof(json),
		 "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%c\"},\"spec\":{\"podCIDRs\":[\"10.%d.0.0/16\"]},"
		 "\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"172.30.0.%d\"}]}}",
		 'a' + i - 1, i, i);
	assert_int_equal(read_cluster_json(&w->s, "nodes.json", json, strlen(json), "nodes.json"), 0);
}

static void go(struct world *w, const char *src, const char *dst)
{
	struct nat_packet p = { .src = facts_addr(src), .dst = facts_addr(dst), .proto = IPPROTO_TCP, .sport = 40000, .dport = 80 };
	const struct snap_node *start;

	for (int i = 1; i <= 3; i++)
		add_object(w, i);
	assert_int_equal(snapshot_finish(&w->s), 0);
	assert_int_equal(w->s.notes.len, 0);
	start = snapshot_node(&w->s, "a", false);
	assert_non_null(start);
	p.iif = follow_interface(start, &p.src);
	assert_int_equal(follow_run(&w->s, start, &p, 0, &w->budget, &w->f), 0);
	assert_true(w->f.endings.len > 0);
}

/* "a b c": the nodes of an ending's way. */
static void assert_way(const struct follow_ending *f, const char *want)
{
	char got[64] = "";
	size_t at = sizeof(got) - 1;

	for (const struct follow_step *s = f->last; s; s = s->prev) {
		assert_true(at > 2);
		got[--at] = s->leg->node->name[0];
		if (s->prev)
			got[--at] = ' ';
	}
	assert_string_equal(got + at, want);
}

static const struct follow_ending *to(const struct world *w, const char *addr)
{
	struct ip_addr a = facts_addr(addr);

	for (size_t i = 0; i < w->f.endings.len; i++)
		if (ip_addr_equal(&w->f.endings.v[i].e.addr, &a))
			return &w->f.endings.v[i];
	fail_msg("no ending at %s", addr);
	return NULL;
}

static void assert_weight(double got, double want)
{
	if (fabs(got - want) > 1e-9)
		fail_msg("weight %g, not %g", got, want);
}

#define NAT(rules) "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" rules "COMMIT\n"
#define FILTER(rules) "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" rules "COMMIT\n"
#define CHANCE "-m statistic --mode random --probability 0.25000000000 "
#define TO_B "-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.2.0.5:8080\n"

static void goes_on(void **state)
{
	struct world *w = *state;
	const struct follow_leg *leg;

	add_node(w, 1, NAT(TO_B), NULL);
	add_node(w, 2, FILTER(""), NULL);
	go(w, "10.1.0.5", "10.96.0.1");
	assert_int_equal(w->f.endings.len, 1);
	assert_way(&w->f.endings.v[0], "a b");
	leg = w->f.legs.v[1];
	assert_string_equal(leg->packet.iif, "eth0");
	assert_int_equal(leg->packet.dport, 8080);
	assert_int_equal(leg->packet.mark, 0);
	assert_int_equal(leg->depth, 1);
	assert_string_equal(w->f.endings.v[0].e.interface, "cni0");
	assert_true(w->f.endings.v[0].e.translated);
	assert_false(leg->result.endings.v[0].translated);
	assert_null(w->f.endings.v[0].stopped);
}

/* What the second node does is what the packet comes to, and a drop there is by its rule. */
static void dropped_behind(void **state)
{
	struct world *w = *state;
	const struct follow_ending *f;

	add_node(w, 1, NAT(TO_B), NULL);
	add_node(w, 2, FILTER("-A FORWARD -i cni0 -j ACCEPT\n-A FORWARD -d 10.2.0.0/16 -j DROP\n"), NULL);
	go(w, "10.1.0.5", "10.96.0.1");
	f = &w->f.endings.v[0];
	assert_way(f, "a b");
	assert_int_equal(f->e.verdict, NAT_DROP);
	assert_int_equal(f->e.by.rule->index, 2);
	assert_string_equal(f->last->leg->node->name, "b");
	assert_weight(f->e.weight, 1);
}

/* A quarter of it to a pod of b, three quarters to one of c; c drops half of what comes. */
static void weights_multiply(void **state)
{
	struct world *w = *state;
	double sum = 0, dropped = 0;

	add_node(w, 1, NAT("-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 " CHANCE "-j DNAT --to-destination 10.2.0.5:80\n"
			   "-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.3.0.5:80\n"), NULL);
	add_node(w, 2, FILTER(""), NULL);
	add_node(w, 3, FILTER("-A FORWARD -m statistic --mode random --probability 0.50000000000 -j DROP\n"), NULL);
	go(w, "10.1.0.5", "10.96.0.1");
	assert_int_equal(w->f.endings.len, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct nat_ending *e = &w->f.endings.v[i].e;

		sum += e->weight;
		dropped += e->verdict == NAT_DROP ? e->weight : 0;
	}
	assert_weight(sum, 1);
	assert_weight(dropped, 0.375);
	assert_weight(to(w, "10.2.0.5")->e.weight, 0.25);
	assert_int_equal(w->f.legs.len, 3);
	assert_weight(w->f.legs.v[1]->weight + w->f.legs.v[2]->weight, 1);
}

/* A weight that one node does not know is known of no ending behind it. */
static void unknown_weight_stays_unknown(void **state)
{
	struct world *w = *state;

	add_node(w, 1, NAT("-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.2.0.5-10.2.0.6:80\n"), NULL);
	add_node(w, 2, FILTER("-A FORWARD " CHANCE "-j DROP\n"), NULL);
	go(w, "10.1.0.5", "10.96.0.1");
	assert_true(w->f.endings.len >= 2);
	for (size_t i = 0; i < w->f.endings.len; i++) {
		assert_way(&w->f.endings.v[i], "a b");
		assert_true(isnan(w->f.endings.v[i].e.weight));
	}
}

/* Accepted by name or by nobody at a, it is one packet at b: walked once, and its share is the sum. */
static void one_walk_for_one_packet(void **state)
{
	struct world *w = *state;

	add_node(w, 1, NAT(TO_B) FILTER("-A FORWARD " CHANCE "-j ACCEPT\n"), NULL);
	add_node(w, 2, FILTER(""), NULL);
	go(w, "10.1.0.5", "10.96.0.1");
	assert_int_equal(w->f.legs.len, 2);
	assert_int_equal(w->f.legs.v[0]->result.endings.len, 2);
	assert_weight(w->f.legs.v[1]->weight, 1);
	assert_int_equal(w->f.endings.len, 2);
	assert_weight(w->f.endings.v[0].e.weight, 0.75);
	assert_weight(w->f.endings.v[1].e.weight, 0.25);
}

/* The source that it got is the source that comes in; the way back to it tells the interface. */
static void masqueraded(void **state)
{
	struct world *w = *state;
	const struct ip_addr a = facts_addr("172.30.0.1");
	const struct follow_ending *f;

	add_node(w, 1, NAT(TO_B "-A POSTROUTING -j MASQUERADE\n"), NULL);
	add_node(w, 2, FILTER("-A FORWARD ! -s 172.30.0.1/32 -m conntrack --ctstate NEW -j DROP\n"), NULL);
	go(w, "203.0.113.9", "10.96.0.1");
	f = &w->f.endings.v[0];
	assert_int_equal(f->e.verdict, NAT_ACCEPT);
	assert_true(ip_addr_equal(&w->f.legs.v[1]->packet.src, &a));
	assert_true(f->e.masquerade);
	assert_true(ip_addr_equal(&f->e.source, &a));
	assert_int_equal(f->e.reply, TRI_TRUE);
	assert_true(str_starts(f->e.reply_why, "a: "));
}

static void unknown_source(void **state)
{
	static const int none[] = { 0, 0, 0 };
	struct world *w = *state;

	add_node(w, 1, NAT(TO_B "-A POSTROUTING -j MASQUERADE\n"), none);
	add_node(w, 2, FILTER(""), NULL);
	go(w, "203.0.113.9", "10.96.0.1");
	assert_way(&w->f.endings.v[0], "a");
	assert_non_null(strstr(w->f.endings.v[0].stopped, "source is not known: not followed to b"));
	assert_int_equal(w->f.stops.len, 1);
	assert_false(w->f.stops.v[0]->limit);
}

static void rules_that_are_not_there(void **state)
{
	struct world *w = *state;

	add_node(w, 1, NAT("-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 " CHANCE "-j DNAT --to-destination 10.2.0.5:80\n"
			   "-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.2.0.6:80\n"), NULL);
	add_node(w, 2, NULL, NULL);
	go(w, "10.1.0.5", "10.96.0.1");
	assert_int_equal(w->f.endings.len, 2);
	assert_int_equal(w->f.stops.len, 1);
	assert_string_equal(w->f.stops.v[0]->text, "b's rules are not in the bundle: not followed");
	assert_int_equal(w->f.stops.v[0]->endings, 2);
	assert_string_equal(w->f.endings.v[1].e.interface, "eth0");
}

/* Outside addresses, addresses of the node itself and of its pods, what is dropped and what is lost: nothing follows. */
static void stays(void **state)
{
	static const char *const dst[] = { "198.51.100.1", "172.30.0.1", "10.1.0.9" };
	struct world *w = *state;

	add_node(w, 1, FILTER("-A FORWARD -d 10.2.0.0/16 -j DROP\n"), NULL);
	add_node(w, 2, FILTER(""), NULL);
	for (size_t i = 0; i < ARRAY_LEN(dst); i++) {
		follow_release(&w->f);
		go(w, "10.1.0.5", dst[i]);
		assert_way(&w->f.endings.v[0], "a");
		assert_int_equal(w->f.stops.len, 0);
	}
	follow_release(&w->f);
	go(w, "10.1.0.5", "10.2.0.5");
	assert_way(&w->f.endings.v[0], "a");
	assert_int_equal(w->f.endings.v[0].e.verdict, NAT_DROP);
}

/* The gateway is where it goes, even if the pod is elsewhere: a's route leads to c, and c's to b. */
static void by_the_gateway(void **state)
{
	static const int detour[] = { 1, 3, 3 };
	struct world *w = *state;

	add_node(w, 1, FILTER(""), detour);
	add_node(w, 2, FILTER(""), NULL);
	add_node(w, 3, FILTER(""), NULL);
	go(w, "10.1.0.5", "10.2.0.5");
	assert_way(&w->f.endings.v[0], "a c b");
}

static void loop(void **state)
{
	static const int over_c[] = { 1, 3, 3 }, over_a[] = { 1, 1, 3 };
	struct world *w = *state;
	const struct follow_ending *f;

	add_node(w, 1, FILTER(""), over_c);
	add_node(w, 2, FILTER(""), NULL);
	add_node(w, 3, FILTER(""), over_a);
	go(w, "203.0.113.9", "10.2.0.5");
	assert_int_equal(w->f.endings.len, 1);
	f = &w->f.endings.v[0];
	assert_way(f, "a c");
	assert_int_equal(f->e.delivery, DELIVERY_LOST);
	assert_string_equal(f->e.lost.cause, "loop");
	assert_non_null(strstr(f->e.lost.text, "comes back to a"));
	assert_int_equal(f->e.reply, TRI_UNKNOWN);
}

/* Each node sends it on with another port: never the same packet twice, so only the bound ends it. */
static void too_many_nodes(void **state)
{
	struct world *w = *state;
	char up[9000] = "*nat\n:PREROUTING ACCEPT [0:0]\n", down[9000];
	size_t n = strlen(up);

	memcpy(down, up, n + 1);
	for (int i = 0; i < 40; i++) {
		size_t len = strlen(up);

		snprintf(up + len, sizeof(up) - len, "-A PREROUTING -p tcp -m tcp --dport %d -j DNAT --to-destination 172.30.0.2:%d\n", 80 + i, 81 + i);
		len = strlen(down);
		snprintf(down + len, sizeof(down) - len, "-A PREROUTING -p tcp -m tcp --dport %d -j DNAT --to-destination 172.30.0.1:%d\n", 80 + i,
			 81 + i);
	}
	snprintf(up + strlen(up), sizeof(up) - strlen(up), "COMMIT\n");
	snprintf(down + strlen(down), sizeof(down) - strlen(down), "COMMIT\n");
	add_node(w, 1, up, NULL);
	add_node(w, 2, down, NULL);
	go(w, "203.0.113.9", "172.30.0.1");
	assert_int_equal(w->f.endings.len, 1);
	assert_way(&w->f.endings.v[0], "a b a b a b a b");
	assert_int_equal(w->f.legs.len, FOLLOW_NODES_MAX);
	assert_non_null(w->f.endings.v[0].stopped);
	assert_true(w->f.stops.v[0]->limit);
}

/* Without budget the rest is said not to be followed, and nothing is walked. */
static void budget(void **state)
{
	struct world *w = *state;

	add_node(w, 1, NAT("-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 " CHANCE "-j DNAT --to-destination 10.2.0.5:80\n"
			   "-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.2.0.6:80\n"), NULL);
	add_node(w, 2, FILTER(""), NULL);
	w->budget.walks = 1;
	go(w, "10.1.0.5", "10.96.0.1");
	assert_int_equal(w->f.legs.len, 2);
	assert_int_equal(w->f.stops.len, 1);
	assert_true(w->f.stops.v[0]->limit);
	assert_int_equal(w->f.stops.v[0]->endings, 1);
	assert_int_equal(w->budget.walks, 0);
}

/* The mark stays at home, and a port that the source was given is the port that comes in. */
static void mark_and_port(void **state)
{
	struct world *w = *state;

	add_node(w, 1, "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j MARK --set-xmark 0x7/0xffffffff\nCOMMIT\n"
		       NAT(TO_B "-A POSTROUTING -p tcp -m mark --mark 0x7 -j SNAT --to-source 172.30.0.1:777\n"), NULL);
	add_node(w, 2, FILTER("-A FORWARD -m mark --mark 0x7 -j DROP\n-A FORWARD -p tcp -m tcp ! --sport 777 -j DROP\n"), NULL);
	go(w, "10.1.0.5", "10.96.0.1");
	assert_way(&w->f.endings.v[0], "a b");
	assert_int_equal(w->f.legs.v[1]->packet.sport, 777);
	assert_int_equal(w->f.endings.len, 1);
	assert_int_equal(w->f.endings.v[0].e.verdict, NAT_ACCEPT);
}

/* Of two nodes a and b: who has rewritten something, what each says, and what the whole comes to, by whom. */
static void replies(void **state)
{
	static const struct {
		bool a_rewrites, b_rewrites;
		enum tri a, b, want;
		const char *by;
	} rows[] = {
		{ true, false, TRI_TRUE, TRI_UNKNOWN, TRI_TRUE, "a: of a" },	 { true, false, TRI_UNKNOWN, TRI_TRUE, TRI_UNKNOWN, "a: of a" },
		{ false, true, TRI_UNKNOWN, TRI_TRUE, TRI_TRUE, "b: of b" },	 { true, true, TRI_TRUE, TRI_UNKNOWN, TRI_UNKNOWN, "b: of b" },
		{ true, true, TRI_TRUE, TRI_TRUE, TRI_TRUE, "a: of a" },	 { false, false, TRI_TRUE, TRI_UNKNOWN, TRI_UNKNOWN, "b: of b" },
		{ true, false, TRI_TRUE, TRI_FALSE, TRI_FALSE, "b: of b" },	 { false, true, TRI_FALSE, TRI_TRUE, TRI_FALSE, "a: of a" },
		{ true, true, TRI_FALSE, TRI_UNKNOWN, TRI_FALSE, "a: of a" },
	};
	struct arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct snap_node na = { .name = "a" }, nb = { .name = "b" };
		const struct follow_leg la = { .node = &na }, lb = { .node = &nb };
		const struct nat_ending ea = { .masquerade = rows[i].a_rewrites, .reply = rows[i].a, .reply_why = "of a" };
		const struct nat_ending eb = { .translated = rows[i].b_rewrites, .reply = rows[i].b, .reply_why = "of b" };
		const struct follow_step first = { NULL, &la, &ea }, last = { &first, &lb, &eb };
		struct follow_ending f = { .e = eb, .last = &last };

		assert_int_equal(join_reply(&arena, &f), 0);
		if (f.e.reply != rows[i].want || strcmp(f.e.reply_why, rows[i].by) != 0)
			fail_msg("row %zu: %d, %s", i, f.e.reply, f.e.reply_why);
	}
	arena_release(&arena);
}

/* What a node's walk rests on carries the node's name behind the first. */
static void assumed(void **state)
{
	struct world *w = *state;
	bool named = false;

	add_node(w, 1, FILTER(""), NULL);
	add_node(w, 2, FILTER(""), NULL);
	go(w, "10.1.0.5", "10.2.0.5");
	for (size_t i = 0; i < w->f.assumed.len; i++)
		named |= str_starts(w->f.assumed.v[i], "b: no sysctl.txt");
	assert_true(named);
	assert_true(w->f.legs.v[0]->assumed[0] && !str_starts(w->f.legs.v[0]->assumed[0], "a: "));
}

/* Without Node objects an address is where a node itself has it; a ClusterIP on kube-ipvs0 is not a node's own. */
static void by_own_address(void **state)
{
	struct world *w = *state;
	const struct nat_packet p = { .src = facts_addr("10.1.0.5"), .dst = facts_addr("172.30.0.2"), .proto = IPPROTO_TCP, .dport = 80,
				      .iif = "cni0" };
	static const char ipvs[] = "[{\"ifindex\":9,\"ifname\":\"kube-ipvs0\",\"addr_info\":[{\"family\":\"inet\",\"local\":\"10.96.0.7\","
				   "\"prefixlen\":32,\"scope\":\"global\"}]}]";
	struct nat_packet q = p;
	const struct snap_node *start;

	add_node(w, 1, FILTER(""), NULL);
	add_node(w, 2, FILTER(""), NULL);
	add_node(w, 3, FILTER(""), NULL);
	assert_int_equal(read_ip_addr(&snapshot_node(&w->s, "c", false)->facts, ipvs, sizeof(ipvs) - 1, "x", &w->s.notes), 0);
	assert_int_equal(snapshot_finish(&w->s), 0);
	start = snapshot_node(&w->s, "a", false);
	assert_int_equal(follow_run(&w->s, start, &p, 0, &w->budget, &w->f), 0);
	assert_way(&w->f.endings.v[0], "a b");
	assert_int_equal(w->f.endings.v[0].e.delivery, DELIVERY_LOCAL);
	follow_release(&w->f);
	q.dst = facts_addr("10.96.0.7");
	assert_int_equal(follow_run(&w->s, start, &q, 0, &w->budget, &w->f), 0);
	assert_way(&w->f.endings.v[0], "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(goes_on),		TEST(dropped_behind),	 TEST(weights_multiply), TEST(unknown_weight_stays_unknown),
		TEST(one_walk_for_one_packet), TEST(masqueraded), TEST(unknown_source),	 TEST(rules_that_are_not_there),
		TEST(stays),		TEST(by_the_gateway),	 TEST(loop),		 TEST(too_many_nodes),
		TEST(mark_and_port),	 TEST(replies),		 TEST(budget),		TEST(assumed),		 TEST(by_own_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
