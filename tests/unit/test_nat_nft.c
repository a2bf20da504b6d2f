/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NAT engine on small nftables rulesets: one test for each rule of the game that xtables does not have. The rules are JSON as
 * `nft -j list ruleset` prints it, with ' for ".
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

struct world {
	struct ruleset rules;
	struct node_facts facts;
	struct nat_node node;
	struct nat_result result;
	struct sd_notes notes;
};

static const char ADDRS[] =
	"[{\"ifindex\":1,\"ifname\":\"lo\",\"addr_info\":[{\"family\":\"inet\",\"local\":\"127.0.0.1\",\"prefixlen\":8,\"scope\":\"host\"}]},"
	"{\"ifindex\":2,\"ifname\":\"eth0\",\"addr_info\":[{\"family\":\"inet\",\"local\":\"172.30.99.1\",\"prefixlen\":24,\"scope\":\"global\"},"
	"{\"family\":\"inet6\",\"local\":\"fd00:99::1\",\"prefixlen\":64,\"scope\":\"global\"}]},"
	"{\"ifindex\":3,\"ifname\":\"cni0\",\"addr_info\":[{\"family\":\"inet\",\"local\":\"10.244.1.1\",\"prefixlen\":24,\"scope\":\"global\"}]}]";
static const char ROUTES[] =
	"[{\"dst\":\"default\",\"gateway\":\"172.30.99.254\",\"dev\":\"eth0\",\"flags\":[]},"
	"{\"dst\":\"default\",\"gateway\":\"fd00:99::fe\",\"dev\":\"eth0\",\"flags\":[]},"
	"{\"dst\":\"10.244.1.0/24\",\"dev\":\"cni0\",\"scope\":\"link\",\"prefsrc\":\"10.244.1.1\",\"flags\":[]},"
	"{\"dst\":\"172.30.99.0/24\",\"dev\":\"eth0\",\"scope\":\"link\",\"prefsrc\":\"172.30.99.1\",\"flags\":[]},"
	"{\"type\":\"local\",\"dst\":\"127.0.0.0/8\",\"dev\":\"lo\",\"table\":\"local\",\"scope\":\"host\",\"prefsrc\":\"127.0.0.1\",\"flags\":[]},"
	"{\"type\":\"local\",\"dst\":\"10.244.1.1\",\"dev\":\"cni0\",\"table\":\"local\",\"scope\":\"host\",\"prefsrc\":\"10.244.1.1\",\"flags\":[]},"
	"{\"type\":\"local\",\"dst\":\"fd00:99::1\",\"dev\":\"eth0\",\"table\":\"local\",\"flags\":[]},"
	"{\"type\":\"local\",\"dst\":\"172.30.99.1\",\"dev\":\"eth0\",\"table\":\"local\",\"scope\":\"host\",\"prefsrc\":\"172.30.99.1\",\"flags\":[]}]";
static const char SYSCTL[] =
	"net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.forwarding = 1\nnet.ipv4.conf.eth0.forwarding = 1\nnet.ipv6.conf.all.forwarding = 1\n"
	"net.ipv4.conf.cni0.forwarding = 1\nnet.ipv4.conf.all.route_localnet = 1\nnet.ipv4.conf.all.rp_filter = 0\n";

#define TABLE(family) "{'table': {'family': '" family "', 'name': 't', 'handle': 1}},"
#define BASE(family, name, type, hook, prio) \
	"{'chain': {'family': '" family "', 'table': 't', 'name': '" name "', 'handle': 2, 'type': '" type "', 'hook': '" hook \
	"', 'prio': " prio ", 'policy': 'accept'}},"
#define CHAIN(name) "{'chain': {'family': 'ip', 'table': 't', 'name': '" name "', 'handle': 3}},"
#define RULE_OF(family, chain, expr) "{'rule': {'family': '" family "', 'table': 't', 'chain': '" chain "', 'handle': 4, 'expr': [" expr "]}},"
#define RULE(chain, expr) RULE_OF("ip", chain, expr)
#define PRE BASE("ip", "pre", "nat", "prerouting", "-100")
#define FWD BASE("ip", "fwd", "filter", "forward", "0")
#define SADDR "{'payload': {'protocol': 'ip', 'field': 'saddr'}}"
#define DADDR "{'payload': {'protocol': 'ip', 'field': 'daddr'}}"
#define DPORT "{'payload': {'protocol': 'th', 'field': 'dport'}}"
#define L4 "{'meta': {'key': 'l4proto'}}"
#define MARK "{'meta': {'key': 'mark'}}"
#define EQ(left, right) "{'match': {'op': '==', 'left': " left ", 'right': " right "}}"
#define NE(left, right) "{'match': {'op': '!=', 'left': " left ", 'right': " right "}}"
#define SETMARK(v) "{'mangle': {'key': " MARK ", 'value': " v "}}"
#define DROP "{'drop': null}"
#define ACCEPT "{'accept': null}"
#define TO(addr, port) "{'dnat': {'addr': '" addr "', 'port': " port "}}"

static void world_init(struct world *w, const char *rules)
{
	char *json;
	struct nft_text t;

	memset(w, 0, sizeof(*w));
	ruleset_init(&w->rules);
	node_facts_init(&w->facts);
	nat_result_init(&w->result);
	assert_int_equal(read_ip_addr(&w->facts, ADDRS, sizeof(ADDRS) - 1, "a", &w->notes), 0);
	assert_int_equal(read_ip_route(&w->facts, ROUTES, sizeof(ROUTES) - 1, "r", &w->notes), 0);
	assert_int_equal(read_sysctl(&w->facts, SYSCTL, sizeof(SYSCTL) - 1, "s", &w->notes), 0);
	assert_true(asprintf(&json, "{'nftables': [{'metainfo': {'json_schema_version': 1}},%s{'metainfo': {}}]}", rules) > 0);
	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	assert_int_equal(read_nft(&w->rules, json, strlen(json), "test", &w->notes, &t), 0);
	free(json);
	for (size_t i = 0; i < w->notes.len; i++)
		fail_msg("a record: %s", w->notes.v[i].text);
	assert_int_equal(ruleset_finish(&w->rules), 0);
	assert_int_equal(node_facts_finish(&w->facts), 0);
	nat_node_init(&w->node, "n", &w->rules, &w->facts);
	for (unsigned f = 0; f < 2; f++)
		w->node.legacy_known[f] = w->node.nft_known[f] = true;
}

static void world_release(struct world *w)
{
	nat_result_release(&w->result);
	node_facts_release(&w->facts);
	ruleset_release(&w->rules);
	sd_notes_release(&w->notes);
}

static struct nat_packet packet(struct world *w, const char *src, const char *dst, uint8_t proto, uint16_t port)
{
	struct nat_packet p = { .proto = proto, .sport = 40000, .dport = port };

	assert_int_equal(ip_addr_parse(src, &p.src), 0);
	assert_int_equal(ip_addr_parse(dst, &p.dst), 0);
	p.from_node = node_is_local(&w->facts, &p.src) == TRI_TRUE;
	p.iif = p.from_node ? NULL : str_starts(src, "10.244.1.") ? "cni0" : "eth0";
	return p;
}

/* The endings of a packet; those without assumptions weigh 1 together. */
static const struct nat_ending *run_as(struct world *w, const struct nat_packet *p, unsigned flags)
{
	struct nat_options o = { .flags = flags };
	double sum = 0;

	nat_result_reset(&w->result);
	assert_int_equal(nat_walk(&w->node, p, &o, &w->result), 0);
	assert_true(w->result.endings.len > 0);
	for (size_t i = 0; i < w->result.endings.len; i++)
		if (!w->result.endings.v[i].assumes)
			sum += w->result.endings.v[i].weight;
	if (!w->result.endings.v[0].assumes && !isnan(sum))
		assert_true(fabs(sum - 1) < 1e-9);
	return w->result.endings.v;
}

static const struct nat_ending *run(struct world *w, const char *src, const char *dst, uint16_t port)
{
	struct nat_packet p = packet(w, src, dst, IPPROTO_TCP, port);

	return run_as(w, &p, 0);
}

static void expect_to(struct world *w, size_t i, const char *addr, uint16_t port, double weight)
{
	const struct nat_ending *e = &w->result.endings.v[i];
	char buf[IP_ADDR_STRLEN];

	assert_true(i < w->result.endings.len);
	assert_int_equal(e->verdict, NAT_ACCEPT);
	assert_string_equal(ip_addr_format(&e->addr, buf), addr);
	assert_int_equal(e->port, port);
	if (isnan(weight))
		assert_true(isnan(e->weight));
	else
		assert_true(fabs(e->weight - weight) < 1e-9);
}

/* What kube-proxy does: a verdict map by address, protocol and port; what is not in it goes on to the next rule. */
static void test_vmap(void **state)
{
	struct world w;
	struct nat_packet p;
	const struct nat_ending *e;

	(void)state;
	world_init(&w, TABLE("ip")
		   "{'map': {'family': 'ip', 'table': 't', 'name': 'm', 'handle': 9, 'type': ['ipv4_addr', 'inet_proto', 'inet_service'],"
		   " 'map': 'verdict', 'elem': [[{'concat': ['10.96.0.1', 'tcp', 80]}, {'goto': {'target': 'one'}}],"
		   " [{'elem': {'val': {'concat': ['10.96.0.2', 'tcp', 80]}, 'comment': 'x'}}, {'drop': null}],"
		   " [{'concat': ['10.96.0.3', 'tcp', 80]}, {'continue': null}],"
		   " [{'concat': ['10.96.0.4', 'tcp', 80]}, {'goto': {'target': 'nowhere'}}]]}},"
		   PRE CHAIN("one") RULE("one", EQ(L4, "'tcp'") "," TO("10.244.1.5", "8080"))
		   RULE("pre", "{'vmap': {'key': {'concat': [" DADDR ", " L4 ", " DPORT "]}, 'data': '@m'}}")
		   RULE("pre", SETMARK("7")));
	run(&w, "198.51.100.9", "10.96.0.1", 80);
	expect_to(&w, 0, "10.244.1.5", 8080, 1);
	e = run(&w, "198.51.100.9", "10.96.0.2", 80);
	assert_int_equal(e->verdict, NAT_DROP);
	assert_non_null(e->by.elem);
	assert_string_equal(e->by.elem->comment, "x");
	run(&w, "198.51.100.9", "10.96.0.1", 81);
	expect_to(&w, 0, "10.96.0.1", 81, 1);
	run(&w, "198.51.100.9", "10.96.0.3", 80);
	expect_to(&w, 0, "10.96.0.3", 80, 1);
	/* A chain that is not in the dump: nobody knows. */
	e = run(&w, "198.51.100.9", "10.96.0.4", 80);
	assert_int_equal(e->verdict, NAT_UNDECIDED);
	/* An ICMP packet has no port, but its protocol settles it. */
	p = packet(&w, "198.51.100.9", "10.96.0.1", IPPROTO_ICMP, 0);
	p.icmp_type = 8;
	e = run_as(&w, &p, 0);
	assert_int_equal(w.result.endings.len, 1);
	assert_int_equal(e->verdict, NAT_ACCEPT);
	assert_false(e->translated);
	world_release(&w);
}

#define ENDPOINTS "[[0, {'concat': ['10.244.1.5', 80]}], [1, {'concat': ['10.244.1.6', 81]}], [2, {'concat': ['10.244.2.7', 82]}]]"
#define BY_CHANCE(mod, offset, data) \
	"{'dnat': {'family': 'ip', 'addr': {'map': {'key': {'numgen': {'mode': 'random', 'mod': " mod ", 'offset': " offset "}}, 'data': {'set': " data "}}}}}"

static void test_chance(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, TABLE("ip") PRE RULE("pre", BY_CHANCE("3", "0", ENDPOINTS)));
	run(&w, "198.51.100.9", "10.96.0.1", 80);
	assert_int_equal(w.result.endings.len, 3);
	expect_to(&w, 0, "10.244.1.5", 80, 1.0 / 3);
	expect_to(&w, 1, "10.244.1.6", 81, 1.0 / 3);
	expect_to(&w, 2, "10.244.2.7", 82, 1.0 / 3);
	world_release(&w);
	/* A number that the map does not hold ends the rule: the next one follows. */
	world_init(&w, TABLE("ip") PRE RULE("pre", BY_CHANCE("4", "0", ENDPOINTS)) RULE("pre", TO("10.244.1.9", "99")));
	run(&w, "198.51.100.9", "10.96.0.1", 80);
	assert_int_equal(w.result.endings.len, 4);
	expect_to(&w, 3, "10.244.2.7", 82, 1.0 / 4);
	expect_to(&w, 2, "10.244.1.9", 99, 1.0 / 4);
	world_release(&w);
	/* With an offset the numbers begin there. */
	world_init(&w, TABLE("ip") PRE RULE("pre", BY_CHANCE("2", "1", ENDPOINTS)));
	run(&w, "198.51.100.9", "10.96.0.1", 80);
	assert_int_equal(w.result.endings.len, 2);
	expect_to(&w, 0, "10.244.1.6", 81, 0.5);
	expect_to(&w, 1, "10.244.2.7", 82, 0.5);
	world_release(&w);
}

static void test_chance_of_verdicts_and_conditions(void **state)
{
	struct world w;
	const struct nat_ending *e;

	(void)state;
	world_init(&w, TABLE("ip") FWD
		   RULE("fwd", "{'vmap': {'key': {'numgen': {'mode': 'random', 'mod': 10, 'offset': 0}}, 'data': {'set':"
			" [[{'range': [0, 2]}, {'drop': null}], [{'range': [3, 4]}, {'accept': null}]]}}}")
		   RULE("fwd", "{'reject': {'type': 'icmp', 'expr': 'port-unreachable'}}"));
	e = run(&w, "198.51.100.9", "10.96.0.1", 80);
	assert_int_equal(w.result.endings.len, 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(fabs(e[i].weight - (e[i].verdict == NAT_REJECT ? 0.5 : e[i].verdict == NAT_DROP ? 0.3 : 0.2)) < 1e-9);
	world_release(&w);
	world_init(&w, TABLE("ip") FWD RULE("fwd", "{'match': {'op': '<', 'left': {'numgen': {'mode': 'random', 'mod': 10, 'offset': 0}}, 'right': 3}}," DROP));
	e = run(&w, "198.51.100.9", "10.96.0.1", 80);
	assert_int_equal(w.result.endings.len, 2);
	assert_true(fabs(e[0].weight - 0.7) < 1e-9 && e[0].verdict == NAT_ACCEPT);
	world_release(&w);
}

/* A hash of the packet: which element it is, is not known, nor how many sources each one gets. */
static void test_hash(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, TABLE("ip") PRE
		   RULE("pre", "{'dnat': {'family': 'ip', 'addr': {'map': {'key': {'jhash': {'mod': 2, 'offset': 0, 'expr': " SADDR "}},"
			" 'data': {'set': [[0, {'concat': ['10.244.1.5', 80]}], [1, {'concat': ['10.244.1.6', 81]}]]}}}}}"));
	run(&w, "198.51.100.9", "10.96.0.1", 80);
	assert_int_equal(w.result.endings.len, 2);
	expect_to(&w, 0, "10.244.1.5", 80, NAN);
	expect_to(&w, 1, "10.244.1.6", 81, NAN);
	world_release(&w);
}

static void test_sets(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, TABLE("ip")
		   "{'set': {'family': 'ip', 'table': 't', 'name': 's', 'handle': 9, 'type': 'ipv4_addr', 'flags': ['interval'],"
		   " 'elem': [{'prefix': {'addr': '10.0.0.0', 'len': 8}}, {'range': ['192.0.2.5', '192.0.2.9']}, '198.51.100.1']}},"
		   FWD RULE("fwd", EQ(SADDR, "'@s'") "," DROP)
		   RULE("fwd", NE(DADDR, "{'set': ['203.0.113.1', '203.0.113.2']}") ",{'reject': {'type': 'tcp reset'}}"));
	assert_int_equal(run(&w, "10.1.2.3", "203.0.113.1", 80)->verdict, NAT_DROP);
	assert_int_equal(run(&w, "192.0.2.5", "203.0.113.1", 80)->verdict, NAT_DROP);
	assert_int_equal(run(&w, "192.0.2.9", "203.0.113.1", 80)->verdict, NAT_DROP);
	assert_int_equal(run(&w, "192.0.2.10", "203.0.113.1", 80)->verdict, NAT_ACCEPT);
	assert_int_equal(run(&w, "192.0.2.4", "203.0.113.2", 80)->verdict, NAT_ACCEPT);
	assert_int_equal(run(&w, "198.51.100.1", "203.0.113.2", 80)->verdict, NAT_DROP);
	assert_int_equal(run(&w, "198.51.100.2", "203.0.113.3", 80)->verdict, NAT_REJECT);
	world_release(&w);
}

/* A set that the dump does not hold: both ways, and the rule is named. */
static void test_set_that_is_missing(void **state)
{
	struct world w;
	const struct nat_ending *e;

	(void)state;
	world_init(&w, TABLE("ip") FWD RULE("fwd", EQ(SADDR, "'@gone'") "," DROP));
	e = run(&w, "10.1.2.3", "203.0.113.1", 80);
	assert_int_equal(w.result.endings.len, 2);
	assert_non_null(e[0].assumes);
	assert_non_null(e[1].assumes);
	world_release(&w);
}

static const char AFFINITY[] =
	TABLE("ip")
	"{'set': {'family': 'ip', 'table': 't', 'name': 'aff', 'handle': 9, 'type': 'ipv4_addr', 'size': 100, 'flags': ['timeout'], 'timeout': 10,"
	" 'elem': [{'elem': {'val': '198.51.100.9', 'expires': 5}}]}},"
	PRE CHAIN("ep") RULE("pre", EQ(SADDR, "'@aff'") "," TO("10.244.1.5", "80"))
	RULE("pre", "{'set': {'op': 'update', 'elem': " SADDR ", 'set': '@aff'}}")
	RULE("pre", EQ(SADDR, "'@aff'") "," TO("10.244.1.6", "80"));

/* What the past left in a dynamic set is taken as not there; what this walk puts in is. */
static void test_dynamic_set(void **state)
{
	struct world w;
	struct nat_packet p;

	(void)state;
	world_init(&w, AFFINITY);
	run(&w, "198.51.100.9", "10.96.0.1", 80);
	assert_int_equal(w.result.endings.len, 1);
	expect_to(&w, 0, "10.244.1.6", 80, 1);
	assert_true(w.result.asked_recent);
	p = packet(&w, "198.51.100.9", "10.96.0.1", IPPROTO_TCP, 80);
	run_as(&w, &p, NAT_FOLLOW_STATE);
	assert_int_equal(w.result.endings.len, 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(w.result.endings.v[i].assumes && w.result.endings.v[i].assumes->state);
	world_release(&w);
}

/* An accept ends its own base chain, a drop ends everything; nat chains run at -100 whatever their own priority. */
static void test_base_chains(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, TABLE("ip") BASE("ip", "a", "filter", "forward", "-5") BASE("ip", "b", "filter", "forward", "5")
		   RULE("a", ACCEPT) RULE("b", EQ(DPORT, "81") "," DROP));
	assert_int_equal(run(&w, "198.51.100.9", "10.244.1.5", 80)->verdict, NAT_ACCEPT);
	assert_int_equal(run(&w, "198.51.100.9", "10.244.1.5", 81)->verdict, NAT_DROP);
	world_release(&w);
	world_init(&w, TABLE("ip") BASE("ip", "n", "nat", "prerouting", "-199") BASE("ip", "f", "filter", "prerouting", "-150")
		   RULE("n", TO("10.244.1.5", "80")) RULE("f", EQ(DADDR, "'10.96.0.1'") "," DROP));
	assert_int_equal(run(&w, "198.51.100.9", "10.96.0.1", 80)->verdict, NAT_DROP);
	world_release(&w);
	/* The first nat chain that binds is the last. */
	world_init(&w, TABLE("ip") BASE("ip", "n", "nat", "prerouting", "-101") BASE("ip", "m", "nat", "prerouting", "-99")
		   RULE("n", EQ(DPORT, "80") "," TO("10.244.1.5", "80")) RULE("n", ACCEPT) RULE("m", TO("10.244.1.6", "81")));
	run(&w, "198.51.100.9", "10.96.0.1", 80);
	expect_to(&w, 0, "10.244.1.5", 80, 1);
	run(&w, "198.51.100.9", "10.96.0.1", 90);
	expect_to(&w, 0, "10.244.1.6", 81, 1);
	world_release(&w);
}

/* A statement before a condition is run although the condition fails, and what follows sees what it did. */
static void test_stages(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, TABLE("ip") FWD
		   RULE("fwd", EQ(DPORT, "80") "," SETMARK("5") "," EQ(SADDR, "'10.1.1.1'") "," SETMARK("6") "," EQ(MARK, "6") "," ACCEPT)
		   RULE("fwd", EQ(MARK, "5") "," DROP) RULE("fwd", EQ(MARK, "6") ",{'reject': {'type': 'tcp reset'}}"));
	assert_int_equal(run(&w, "10.1.1.1", "10.244.1.5", 80)->verdict, NAT_ACCEPT);
	assert_int_equal(run(&w, "10.1.1.2", "10.244.1.5", 80)->verdict, NAT_DROP);
	assert_int_equal(run(&w, "10.1.1.1", "10.244.1.5", 81)->verdict, NAT_ACCEPT);
	world_release(&w);
}

/* Before conntrack has looked the state is invalid, and whatever else is asked of the connection ends the rule. */
static void test_without_connection(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, TABLE("ip") BASE("ip", "raw", "filter", "prerouting", "-300")
		   RULE("raw", "{'match': {'op': '!=', 'left': {'ct': {'key': 'mark'}}, 'right': 1}}," DROP)
		   RULE("raw", "{'match': {'op': 'in', 'left': {'ct': {'key': 'state'}}, 'right': 'new'}}," DROP)
		   RULE("raw", "{'match': {'op': 'in', 'left': {'ct': {'key': 'state'}}, 'right': 'invalid'}}," EQ(DPORT, "81") "," DROP));
	assert_int_equal(run(&w, "10.1.1.1", "10.244.1.5", 80)->verdict, NAT_ACCEPT);
	assert_int_equal(run(&w, "10.1.1.1", "10.244.1.5", 81)->verdict, NAT_DROP);
	world_release(&w);
}

static void test_state_map(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, TABLE("ip") BASE("ip", "pre", "nat", "prerouting", "-100") FWD RULE("pre", EQ(DPORT, "80") "," TO("10.244.1.5", "80"))
		   RULE("fwd", "{'vmap': {'key': {'ct': {'key': 'state'}}, 'data': {'set': [['established', {'accept': null}], ['new', {'drop': null}]]}}}"));
	assert_int_equal(run(&w, "10.1.1.1", "10.96.0.1", 80)->verdict, NAT_DROP);
	world_release(&w);
	world_init(&w, TABLE("ip") BASE("ip", "pre", "nat", "prerouting", "-100") FWD RULE("pre", EQ(DPORT, "80") "," TO("10.244.1.5", "80"))
		   RULE("fwd", "{'match': {'op': 'in', 'left': {'ct': {'key': 'status'}}, 'right': 'dnat'}}," DROP));
	assert_int_equal(run(&w, "10.1.1.1", "10.96.0.1", 80)->verdict, NAT_DROP);
	assert_int_equal(run(&w, "10.1.1.1", "10.244.1.5", 81)->verdict, NAT_ACCEPT);
	world_release(&w);
}

static void test_marks_by_map(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, TABLE("ip") FWD
		   RULE("fwd", SETMARK("{'map': {'key': " DPORT ", 'data': {'set': [[80, 1], [81, 2]]}}}") "," EQ(SADDR, "'10.1.1.9'") "," ACCEPT)
		   RULE("fwd", EQ(MARK, "1") "," DROP) RULE("fwd", EQ(MARK, "2") ",{'reject': {'type': 'tcp reset'}}"));
	assert_int_equal(run(&w, "10.1.1.1", "10.244.1.5", 80)->verdict, NAT_DROP);
	assert_int_equal(run(&w, "10.1.1.1", "10.244.1.5", 81)->verdict, NAT_REJECT);
	assert_int_equal(run(&w, "10.1.1.1", "10.244.1.5", 82)->verdict, NAT_ACCEPT);
	assert_int_equal(run(&w, "10.1.1.9", "10.244.1.5", 80)->verdict, NAT_ACCEPT);
	world_release(&w);
}

/* An interface that is not known may be any that the map names, or none of them. */
static void test_unknown_key(void **state)
{
	struct world w;
	struct nat_packet p;
	unsigned seen = 0;

	(void)state;
	world_init(&w, TABLE("ip") FWD
		   RULE("fwd", "{'vmap': {'key': {'meta': {'key': 'iifname'}}, 'data': {'set': [['eth0', {'drop': null}], ['cni0', {'accept': null}]]}}}")
		   RULE("fwd", "{'reject': {'type': 'tcp reset'}}"));
	assert_int_equal(run(&w, "10.1.1.1", "10.244.1.5", 80)->verdict, NAT_DROP);
	p = packet(&w, "10.1.1.1", "10.244.1.5", IPPROTO_TCP, 80);
	p.iif = NULL;
	run_as(&w, &p, 0);
	for (size_t i = 0; i < w.result.endings.len; i++) {
		assert_non_null(w.result.endings.v[i].assumes);
		seen |= 1u << w.result.endings.v[i].verdict;
	}
	assert_int_equal(seen, 1u << NAT_ACCEPT | 1u << NAT_REJECT | 1u << NAT_DROP);
	world_release(&w);
}

/* A table of family inet sees both families, and its addresses ask for one of them. */
static void test_inet(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, TABLE("inet") BASE("inet", "fwd", "filter", "forward", "0")
		   RULE_OF("inet", "fwd", NE(DADDR, "'10.244.1.5'") "," DROP)
		   RULE_OF("inet", "fwd", EQ("{'payload': {'protocol': 'ip6', 'field': 'daddr'}}", "{'prefix': {'addr': 'fd00:1::', 'len': 64}}") ",{'reject': {'type': 'tcp reset'}}"));
	assert_int_equal(run(&w, "10.1.1.1", "10.244.1.5", 80)->verdict, NAT_ACCEPT);
	assert_int_equal(run(&w, "10.1.1.1", "10.244.1.6", 80)->verdict, NAT_DROP);
	assert_int_equal(run(&w, "fd00:2::1", "fd00:1::9", 80)->verdict, NAT_REJECT);
	assert_int_equal(run(&w, "fd00:2::1", "fd00:3::9", 80)->verdict, NAT_ACCEPT);
	world_release(&w);
}

/* A refusal of both families is sent in the packet's own. */
static void test_refusal_of_both_families(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, TABLE("inet") BASE("inet", "fwd", "filter", "forward", "0") RULE_OF("inet", "fwd", "{'reject': {'type': 'icmpx', 'expr': 'admin-prohibited'}}"));
	assert_string_equal(run(&w, "10.1.1.1", "10.244.1.5", 80)->reject_with, "icmp-admin-prohibited");
	assert_string_equal(run(&w, "fd00:2::1", "fd00:1::9", 80)->reject_with, "icmp6-adm-prohibited");
	world_release(&w);
}

/* Sources that a set or a map names cut the class, those of other destinations do not. */
static void test_classes(void **state)
{
	struct world w;
	struct nat_classes c = { 0 };
	struct nat_span span = { .iif = "eth0" };
	struct nat_options o = { .classes = &c };
	struct nat_packet p;
	struct ip_prefix all;
	size_t walks = 0, dropped = 0;

	(void)state;
	world_init(&w, TABLE("ip")
		   "{'set': {'family': 'ip', 'table': 't', 'name': 's', 'handle': 9, 'type': ['ipv4_addr', 'ipv4_addr'],"
		   " 'elem': [{'concat': ['198.51.100.1', '10.244.1.5']}, {'concat': ['198.51.100.3', '10.244.1.5']},"
		   " {'concat': ['198.51.100.7', '10.244.1.6']}, {'concat': ['198.51.100.8', '10.244.1.6']}, {'concat': ['198.51.100.9', '10.244.1.6']},"
		   " {'concat': ['198.51.100.10', '10.244.1.6']}, {'concat': ['198.51.100.11', '10.244.1.6']},"
		   " {'concat': ['198.51.100.12', '10.244.1.6']}, {'concat': ['198.51.100.13', '10.244.1.6']}]}},"
		   FWD RULE("fwd", EQ("{'concat': [" SADDR ", " DADDR "]}", "'@s'") "," DROP));
	assert_int_equal(ip_prefix_parse("198.51.100.0/24", &all), 0);
	span.range = nat_range_of(&all);
	assert_int_equal(array_push(&c.rest, ((struct nat_region){ AF_INET, 1, &span })), 0);
	while (c.rest.len) {
		c.now = c.rest.v[--c.rest.len];
		p = packet(&w, "198.51.100.200", "10.244.1.5", IPPROTO_TCP, 80);
		p.src = nat_addr_of(c.now.v[0].range.first, AF_INET);
		nat_result_reset(&w.result);
		assert_int_equal(nat_walk(&w.node, &p, &o, &w.result), 0);
		assert_int_equal(w.result.endings.len, 1);
		for (size_t i = 0; i < c.now.len && w.result.endings.v[0].verdict == NAT_DROP; i++)
			dropped += c.now.v[i].range.last.lo - c.now.v[i].range.first.lo + 1;
		walks++;
	}
	assert_int_equal(walks, 2);
	assert_int_equal(dropped, 2);
	nat_classes_release(&c);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmap), cmocka_unit_test(test_chance), cmocka_unit_test(test_chance_of_verdicts_and_conditions),
		cmocka_unit_test(test_hash), cmocka_unit_test(test_sets), cmocka_unit_test(test_set_that_is_missing),
		cmocka_unit_test(test_dynamic_set), cmocka_unit_test(test_base_chains), cmocka_unit_test(test_stages),
		cmocka_unit_test(test_without_connection), cmocka_unit_test(test_state_map), cmocka_unit_test(test_marks_by_map),
		cmocka_unit_test(test_unknown_key), cmocka_unit_test(test_inet), cmocka_unit_test(test_refusal_of_both_families), cmocka_unit_test(test_classes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
