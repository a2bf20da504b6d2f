/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What connect tries of a small cluster from where, and what it says of the ends: pure functions, so the ends are written down here. */

#include <errno.h>

#include "lab.h"
#include "objects.h"

#define CIDR_NODE(name, ip, cidr) \
	"{'kind':'Node','metadata':{'name':'" name "'},'spec':{'podCIDR':'" cidr "','podCIDRs':['" cidr "']},'status':{'addresses':[{'type':'InternalIP'," \
	"'address':'" ip "'}]}}"
#define TWO_NODES NODES(CIDR_NODE("w1", "192.0.2.1", "10.1.0.0/24") "," CIDR_NODE("w2", "192.0.2.2", "10.1.1.0/24"))
#define AT(ip, node) "{'addresses':['" ip "'],'conditions':{'ready':true},'nodeName':'" node "'}"
#define FOUR AT("10.1.0.1", "w1") "," AT("10.1.0.2", "w1") "," AT("10.1.1.1", "w2") "," AT("10.1.1.2", "w2")
#define HTTP8080 "{'name':'http','protocol':'TCP','port':8080}"
#define TO8080 "'selector':{'app':'a'},'ports':[{'name':'http','port':80,'targetPort':8080"
#define PLAIN8080 TO8080 "}]"
#define ENDPOINTS(list) SLICES(SLICE_OF("s-1", "s", OURS, "IPv4", list, HTTP8080))
#define CLIENT POD("q", "'app':'b'", "'image':'x'", READY("10.1.0.9"))
#define BACKENDS \
	POD("p1", "'app':'a'", "'image':'x'", READY("10.1.0.1")) "," POD("p2", "'app':'a'", "'image':'x'", READY("10.1.0.2"))
#define WORLD(svc) SVCS(SVC("s", svc)), ENDPOINTS(FOUR), TWO_NODES, PODS(BACKENDS "," CLIENT)
#define NODE_PORT "'type':'NodePort'," TO8080 ",'nodePort':30080}]"
#define DENY \
	"networkpolicies.json", "{'kind':'NetworkPolicyList','apiVersion':'networking.k8s.io/v1','items':[{'kind':'NetworkPolicy','apiVersion':" \
				"'networking.k8s.io/v1','metadata':{'name':'deny','namespace':'n'},'spec':{'podSelector':{'matchLabels':{'app':'a'}},'ingress':[]}}]}"
#define W1 "192.0.2.1"
#define Q "10.1.0.9"

/*
 * a: answered, r: an RST, p, h: ICMP port or host unreachable, u: no route here, s: silent, e: ended, 5: HTTP 503, n: not made, f: failed. One
 * letter for each try, the last one for all that follow.
 */
struct outcome {
	const char *address, *ends;
};
static const struct connect_case {
	const char *docs[12];
	const char *client;
	bool http;
	struct outcome outcomes[8]; /* whoever is not named answers */
	const char *checks;	    /* of the findings, by id, each with a blank behind it */
	const char *text;	    /* in the first of them; NULL */
	bool inconclusive;
} cases[] = {
	{ { WORLD(PLAIN8080) }, W1, false, { { 0 } }, "", NULL, false },
	/* by node */
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.1.1", "s" }, { "10.1.1.2", "s" }, { "10.0.0.9", "aaaaas" } }, "connect-pod-network ",
	  "only the endpoints on other nodes fail: 2 of 4 are reached, all on w1", false },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.1.1", "s" }, { "10.1.1.2", "h" }, { "10.0.0.9", "aaaaas" } }, "connect-pod-network ",
	  "the cluster IP 10.0.0.9:80 answers 5 of 10 tries: 5 of 10 expected of the endpoints that answer", false },
	{ { WORLD(PLAIN8080) }, Q, false, { { "10.1.1.1", "u" }, { "10.1.1.2", "u" }, { "10.0.0.9", "aaaaas" } }, "connect-pod-network ", "from Pod n/q on w1", false },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.1.1", "s" }, { "10.0.0.9", "aaaaaaas" } }, "connect-endpoint-silent ", "10.1.1.1:8080 (on w2) does not answer", false },
	{ { SVCS(SVC("s", PLAIN8080)), ENDPOINTS(AT("10.1.1.1", "w2")), TWO_NODES }, W1, false, { { "10.1.1.1", "s" }, { "10.0.0.9", "s" } },
	  "connect-endpoint-silent ", "the network between nodes may be what fails", false },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.1.1", "r" }, { "10.1.1.2", "r" }, { "10.0.0.9", "aaaaar" } }, "connect-endpoint-refused ",
	  "2 endpoints of port 80/TCP of n/s refuse connections", false },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.1.1", "r" }, { "10.1.1.2", "s" }, { "10.0.0.9", "aaaaar" } },
	  "connect-endpoint-refused connect-endpoint-silent ", NULL, false },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.0.1", "s" }, { "10.1.0.2", "s" }, { "10.0.0.9", "aaaaas" } }, "connect-node-unreached ",
	  "no endpoint on w1, the client's own node, is reached", false },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.0.1", "s" }, { "10.1.1.1", "s" }, { "10.1.1.2", "s" }, { "10.0.0.9", "aas" } },
	  "connect-endpoint-silent connect-pod-network ", "10.1.0.1:8080 (Pod n/p1 on w1)", false },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.0.1", "s" }, { "10.1.0.2", "s" }, { "10.1.1.1", "s" }, { "10.1.1.2", "s" }, { "10.0.0.9", "s" } },
	  "connect-endpoint-silent ", "4 endpoints of port 80/TCP of n/s do not answer", false },
	/* by who refuses */
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.0.1", "p" }, { "10.0.0.9", "aaaaaaas" } }, "connect-rejected-by-rule ",
	  "ICMP port unreachable from 192.0.2.2 (w2)", false },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.0.1", "h" }, { "10.0.0.9", "aaaaaaas" } }, "connect-no-route ", "ICMP host unreachable", false },
	{ { WORLD(PLAIN8080), DENY }, Q, false, { { "10.1.0.1", "s" }, { "10.1.0.2", "s" }, { "10.0.0.9", "aaaaas" } }, "connect-endpoint-silent ",
	  "NetworkPolicy n/deny does not allow it", false },
	{ { WORLD(PLAIN8080) }, W1, true, { { "10.1.0.1", "e" }, { "10.1.0.2", "5" }, { "10.0.0.9", "aaaaaaae" } }, "connect-http-fails ", "HTTP 503", false },
	/* what leads to endpoints */
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.0.0.9", "s" } }, "connect-cluster-ip-fails ",
	  "every endpoint of port 80/TCP of n/s answers, and the cluster IP 10.0.0.9:80 answers 0 of 10 tries", false },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.0.0.9", "sa" } }, "connect-cluster-ip-fails ", "answers 9 of 10 tries", false },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.0.1", "r" }, { "10.0.0.9", "aaaaaaar" } }, "connect-endpoint-refused ", "answers 7 of 10 tries: 7.5 of 10 expected", false },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.0.1", "r" }, { "10.0.0.9", "r" } }, "connect-cluster-ip-fails connect-endpoint-refused ",
	  "fewer than its endpoints explain", false },
	{ { WORLD("'sessionAffinity':'ClientIP'," PLAIN8080) }, W1, false, { { "10.1.0.1", "r" }, { "10.0.0.9", "r" } }, "connect-endpoint-refused ", NULL, false },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.0.1", "r" }, { "10.1.0.2", "r" }, { "10.1.1.1", "r" }, { "10.1.1.2", "r" } },
	  "connect-answered-by-another connect-endpoint-refused ", "10.0.0.9:80 answers 10 of 10 tries, though no endpoint", false },
	{ { WORLD("'internalTrafficPolicy':'Local'," PLAIN8080) }, W1, false, { { "10.1.1.1", "r" }, { "10.0.0.9", "a" } }, "connect-endpoint-refused ", NULL, false },
	{ { WORLD(NODE_PORT) }, W1, false, { { "192.0.2.2", "s" } }, "connect-node-port-fails ", "the node port 192.0.2.2:30080 of w2 answers 0 of 10 tries", false },
	{ { WORLD("'externalIPs':['198.51.100.7']," PLAIN8080) }, W1, false, { { "198.51.100.7", "s" } }, "connect-external-fails ", NULL, false },
	{ { SVCS(SVC("s", PLAIN8080)), EMPTY, TWO_NODES }, W1, false, { { "10.0.0.9", "r" } }, "connect-no-endpoints ", NULL, false },
	/* the client is an endpoint */
	{ { WORLD(PLAIN8080) }, "10.1.0.1", false, { { "10.0.0.9", "aaaaaaass" } }, "connect-hairpin-fails ",
	  "Pod n/p1 on w1 is an endpoint of port 80/TCP of n/s itself, and does not reach itself through the cluster IP 10.0.0.9:80", false },
	{ { WORLD(PLAIN8080) }, "10.1.0.1", false, { { "10.0.0.9", "s" } }, "connect-cluster-ip-fails ", NULL, false },
	{ { SVCS(SVC("s", PLAIN8080)), ENDPOINTS(AT("10.1.0.1", "w1")), TWO_NODES }, "10.1.0.1", false, { { "10.0.0.9", "s" } }, "connect-hairpin-fails ", NULL, false },
	/* from elsewhere */
	{ { WORLD(NODE_PORT) }, "203.0.113.9", false, { { "192.0.2.2", "s" } }, "connect-node-port-fails ", "the node port 192.0.2.2:30080 of w2 answers", false },
	{ { WORLD(PLAIN8080) }, "203.0.113.9", false, { { 0 } }, "", NULL, true },
	{ { SVCS(SVC("s", PLAIN8080)), ENDPOINTS(FOUR) }, "203.0.113.9", false, { { "10.1.0.1", "s" }, { "10.0.0.9", "aas" } }, "connect-endpoint-silent ", NULL, false },
	/* what was not tried says nothing */
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.0.1", "n" }, { "10.0.0.9", "n" } }, "", NULL, true },
	{ { WORLD(PLAIN8080) }, W1, false, { { "10.1.0.1", "f" } }, "", NULL, true },
};

static struct ip_addr address(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(s, &a), 0);
	return a;
}

static struct snap_try try_of(char c)
{
	static const char letters[] = "arphuse5nf";
	static const enum snap_try_end ends[] = { TRY_ANSWERED, TRY_REFUSED, TRY_REJECTED, TRY_REJECTED, TRY_UNSENDABLE, TRY_SILENT, TRY_ENDED, TRY_ANSWERED,
						  TRY_NOT_MADE, TRY_FAILED };
	struct snap_try y = { .end = ends[strchr(letters, c) - letters], .us = 1000 };

	if (y.end == TRY_REJECTED) {
		y.icmp_type = 3;
		y.icmp_code = c == 'p' ? 3 : 1;
		y.from = address("192.0.2.2");
	}
	y.error = c == 'u' ? ENETUNREACH : c == 'f' ? EMFILE : 0;
	y.status = c == '5' ? 503 : 0;
	return y;
}

static void make_tries(const struct connect_case *k, struct connect_plan *p)
{
	for (size_t i = 0; i < p->targets.len; i++) {
		struct connect_target *t = &p->targets.v[i];
		const char *ends = "a";

		for (size_t n = 0; n < ARRAY_LEN(k->outcomes) && k->outcomes[n].address; n++) {
			struct ip_addr a = address(k->outcomes[n].address);

			if (ip_addr_equal(&a, &t->addr))
				ends = k->outcomes[n].ends;
		}
		for (size_t n = 0; n < t->count; n++)
			t->tries[n] = try_of(ends[MIN(n, strlen(ends) - 1)]);
	}
}

static void check_case(size_t number, const struct connect_case *k)
{
	struct lab l;
	struct connect_plan p = { 0 };
	struct strbuf found CLEANUP(strbuf_release) = STRBUF_INIT;
	struct ip_addr client = address(k->client);

	lab_read(&l, k->docs);
	const struct k8s_service *s = k8s_find_service(&l.s.cluster, "n", "s");
	const struct connect_options o = { .services = &s, .nservices = 1, .http = k->http, .addrs = &client, .naddrs = 1 };
	assert_int_equal(connect_plan_make(&l.s, &o, &p), 0);
	make_tries(k, &p);
	assert_int_equal(connect_judge(&l.s, &p, &l.d), 0);
	for (size_t i = 0; i < l.d.findings.len; i++)
		strbuf_addf(&found, "%s ", l.d.findings.v[i]->check->id);
	if (strcmp(strbuf_str(&found), k->checks) != 0)
		fail_msg("case %zu: found '%s', not '%s'", number, strbuf_str(&found), k->checks);
	if (k->text && !has_text(l.d.findings.v[0], k->text))
		fail_msg("case %zu: '%s' is not said of %s", number, k->text, l.d.findings.v[0]->text);
	if (l.d.inconclusive != k->inconclusive)
		fail_msg("case %zu: inconclusive is %d", number, l.d.inconclusive);
	connect_plan_release(&p);
	lab_release(&l);
}

static void test_judge(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_case(i, &cases[i]);
}

/* ---- what is tried ---- */

static void plan(struct lab *l, const char *const docs[], const char *client, struct connect_options o, struct connect_plan *ret)
{
	struct ip_addr *a = arena_new(&ret->arena, struct ip_addr);

	assert_non_null(a);
	*a = address(client);
	lab_read(l, docs);
	o.services = (const struct k8s_service *const[]){ k8s_find_service(&l->s.cluster, "n", "s") };
	o.nservices = 1;
	o.addrs = a;
	o.naddrs = 1;
	assert_int_equal(connect_plan_make(&l->s, &o, ret), 0);
}

static void plan_is(const char *const docs[], const char *client, struct connect_options o, enum connect_from from, const char *what)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	struct connect_plan p = { 0 };
	struct lab l;
	char buf[IP_ENDPOINT_STRLEN];

	plan(&l, docs, client, o, &p);
	assert_int_equal(p.client.from, from);
	for (size_t i = 0; i < p.targets.len; i++)
		strbuf_addf(&b, "%s*%u ", ip_endpoint_format(&p.targets.v[i].addr, p.targets.v[i].number, buf), p.targets.v[i].count);
	assert_string_equal(strbuf_str(&b), what);
	connect_plan_release(&p);
	lab_release(&l);
}

#define DOCS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_plan(void **state)
{
	const struct connect_options none = { 0 };

	(void)state;
	plan_is(DOCS(WORLD(NODE_PORT)), "192.0.2.2", none, FROM_NODE,
		"10.1.1.1:8080*1 10.1.1.2:8080*1 10.1.0.1:8080*1 10.1.0.2:8080*1 10.0.0.9:80*10 192.0.2.2:30080*10 192.0.2.1:30080*10 ");
	plan_is(DOCS(WORLD(NODE_PORT)), "203.0.113.9", none, FROM_OUTSIDE, "192.0.2.1:30080*10 192.0.2.2:30080*10 ");
	plan_is(DOCS(WORLD(NODE_PORT)), "203.0.113.9", (struct connect_options){ .entered = true, .count = 2 }, FROM_UNKNOWN,
		"10.1.0.1:8080*2 10.1.0.2:8080*2 10.1.1.1:8080*2 10.1.1.2:8080*2 10.0.0.9:80*2 192.0.2.1:30080*2 192.0.2.2:30080*2 ");
	/* a pod that has no object here, by its range */
	plan_is(DOCS(WORLD(PLAIN8080)), "10.1.1.77", (struct connect_options){ .port = "http" }, FROM_POD,
		"10.1.1.1:8080*1 10.1.1.2:8080*1 10.1.0.1:8080*1 10.1.0.2:8080*1 10.0.0.9:80*10 ");
	plan_is(DOCS(WORLD(PLAIN8080)), W1, (struct connect_options){ .port = "81" }, FROM_NODE, "");
	plan_is(DOCS(WORLD("'clusterIP':'None','clusterIPs':['None']," PLAIN8080)), W1, none, FROM_NODE,
		"10.1.0.1:8080*1 10.1.0.2:8080*1 10.1.1.1:8080*1 10.1.1.2:8080*1 ");
	/* nodes without an endpoint answer nobody */
	plan_is(DOCS(SVCS(SVC("s", "'externalTrafficPolicy':'Local'," NODE_PORT)), ENDPOINTS(AT("10.1.0.1", "w1")), TWO_NODES), "203.0.113.9", none, FROM_OUTSIDE,
		"192.0.2.1:30080*10 ");
	plan_is(DOCS(SVCS(EXTERNAL("a.example", "{'port':80}")), TWO_NODES), W1, none, FROM_NODE, "");
	plan_is(DOCS(WORLD("'ports':[{'name':'http','port':80,'protocol':'UDP'}]")), W1, none, FROM_NODE, "");
	/* a load balancer that answers itself has no rules on nodes */
	plan_is(DOCS("services.json",
		     "{'kind':'ServiceList','items':[{'kind':'Service'," META("s") ",'spec':{'type':'LoadBalancer','clusterIP':'10.0.0.9','clusterIPs':['10.0.0.9'],"
		     PLAIN8080 "},'status':{'loadBalancer':{'ingress':[{'ip':'198.51.100.9','ipMode':'Proxy'}]}}}]}", TWO_NODES),
		"203.0.113.9", none, FROM_OUTSIDE, "198.51.100.9:80*10 ");
}

/* ---- who listens ---- */

static void test_listening(void **state)
{
	static const struct {
		const char *address;
		uint16_t port;
		const char *check;
	} rows[] = {
		{ "0.0.0.0", 8080, "connect-rejected-by-rule" }, { "10.1.0.1", 8080, "connect-rejected-by-rule" }, { "127.0.0.1", 8080, "connect-loopback-only" },
		{ "0.0.0.0", 9090, "connect-wrong-port" },	 { "127.0.0.1", 9090, "connect-endpoint-refused" }, { "10.1.0.77", 8080, "connect-endpoint-refused" },
		{ NULL, 0, "connect-endpoint-refused" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct snap_listeners who = { .known = true };
		struct connect_plan p = { 0 };
		struct lab l;

		plan(&l, DOCS(WORLD(PLAIN8080)), W1, (struct connect_options){ 0 }, &p);
		const struct connect_case k = { .outcomes = { { "10.1.0.1", "r" }, { "10.0.0.9", "aaaaaaar" } } };
		make_tries(&k, &p);
		if (rows[i].address)
			assert_int_equal(array_push(&who.sockets, ((struct node_socket){ .proto = IPPROTO_TCP, .addr = address(rows[i].address), .port = rows[i].port })), 0);
		p.targets.v[0].listeners = &who;
		assert_int_equal(connect_judge(&l.s, &p, &l.d), 0);
		assert_int_equal(l.d.findings.len, 1);
		assert_string_equal(l.d.findings.v[0]->check->id, rows[i].check);
		array_free(&who.sockets);
		connect_plan_release(&p);
		lab_release(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_listening),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
