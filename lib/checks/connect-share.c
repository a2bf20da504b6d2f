/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What share of the tries at an address that leads to several endpoints must be answered, when each endpoint answers as it did when it was asked
 * itself. Which endpoint a try went to cannot be seen from its client, so only the shares can be compared: what was seen, what kube-proxy must
 * do by the API, and what the node's own rules do, run by the engine, where they are known.
 */
#include <errno.h>
#include <netinet/in.h>

#include "connect-private.h"

enum { SPORT = 40000 };

struct shares {
	const struct snapshot *s;
	struct connect_plan *p;
	size_t from, to;
	struct arena scratch;
};

/* Which part of its tries an endpoint answered; NAN: it was not tried, or its silence says nothing. */
static double own_share(const struct connect_target *t)
{
	enum connect_fault fault;

	if (t->made == 0)
		return NAN;
	fault = connect_fault_of(t, connect_worst(t));
	if (fault == FAULT_UNKNOWN || (t->way == WAY_UDP && t->answered < t->made && fault == FAULT_NONE))
		return NAN;
	return (double)t->answered / t->made;
}

static struct connect_target *endpoint_at(const struct shares *x, const struct connect_target *f, const struct ip_addr *a, uint16_t port)
{
	for (size_t i = x->from; i < x->to; i++) {
		struct connect_target *t = &x->p->targets.v[i];

		if (t->kind == CONNECT_ENDPOINT && t->port == f->port && t->number == port && ip_addr_equal(&t->addr, a))
			return t;
	}
	return NULL;
}

/* One way that a try may take. */
static void add_way(const struct shares *x, struct connect_target *t, const struct ip_addr *a, uint16_t port, double weight, bool rules, double *sum)
{
	struct connect_target *e = endpoint_at(x, t, a, port);

	*sum += e ? weight * own_share(e) : NAN;
	if (t->kind != CONNECT_CLUSTER_IP || !e || (e->by_rules && !rules))
		return;
	e->weight = isnan(e->weight) || e->by_rules != rules ? weight : e->weight + weight;
	e->by_rules = rules;
}

/* ---- by the rules of a node ---- */

static const struct snap_node *rules_of(const struct snapshot *s, const char *node)
{
	struct verify_plane plane;

	for (size_t i = 0; node && i < s->nodes.len; i++) {
		const struct snap_node *n = s->nodes.v[i];

		if (strcmp(n->name, node) == 0)
			return n->any_rules && !verify_plane_is_other(s, n, &plane) ? n : NULL;
	}
	return NULL;
}

static bool sends_from(const struct connect_plan *p, const char *node)
{
	return p->client.from == FROM_NODE && p->client.node && strcmp(p->client.node, node) == 0;
}

static void sum_endings(const struct shares *x, struct connect_target *t, const struct nat_result *walk)
{
	double sum = 0;

	for (size_t i = 0; i < walk->endings.len; i++)
		if (walk->endings.v[i].assumes || walk->endings.v[i].verdict == NAT_UNDECIDED || isnan(walk->endings.v[i].weight))
			return;
	for (size_t i = 0; i < walk->endings.len; i++) {
		const struct nat_ending *e = &walk->endings.v[i];

		if (e->verdict == NAT_ACCEPT && e->translated && e->delivery != DELIVERY_LOST)
			add_way(x, t, &e->addr, e->port, e->weight, true, &sum);
	}
	t->predicted = sum;
	t->by_rules = true;
}

static int by_rules(const struct shares *x, struct connect_target *t, const struct snap_node *n, const struct ip_addr *src)
{
	const struct nat_options o = { .flags = NAT_NO_PATH };
	struct nat_result walk;
	struct nat_node *node = calloc(1, sizeof(*node));
	struct nat_packet q = { .src = *src, .dst = t->addr, .proto = t->proto, .sport = SPORT, .dport = t->number };
	int r;

	if (!node)
		return -ENOMEM;
	verify_nat_node(x->s, n, node);
	q.from_node = sends_from(x->p, n->name);
	q.iif = q.from_node ? NULL : follow_interface(n, src);
	nat_result_init(&walk);
	r = nat_walk(node, &q, &o, &walk);
	if (r == 0)
		sum_endings(x, t, &walk);
	nat_result_release(&walk);
	free(node);
	return r == -ENOMEM ? r : 0;
}

/* ---- by the API ---- */

static bool is_of(const struct connect_target *t, const struct expect_frontend *f)
{
	static const enum expect_kind kinds[] = { [CONNECT_CLUSTER_IP] = EXPECT_CLUSTER_IP, [CONNECT_EXTERNAL_IP] = EXPECT_EXTERNAL_IP,
						  [CONNECT_LOAD_BALANCER] = EXPECT_LOAD_BALANCER, [CONNECT_NODE_PORT] = EXPECT_NODE_PORT };

	return f->kind == kinds[t->kind] && f->port->port == t->port && f->port->family == t->addr.family && f->number == t->number &&
	       (f->kind == EXPECT_NODE_PORT || ip_addr_equal(&f->addr, &t->addr));
}

static int by_api(struct shares *x, struct connect_target *t, const char *name, const struct ip_addr *src)
{
	enum expect_source who = x->p->client.from == FROM_POD ? SOURCE_POD : sends_from(x->p, name) ? SOURCE_NODE : SOURCE_OUTSIDE;
	struct expect_node node;
	struct expect_service e;
	int r = connect_expect_node(&x->scratch, x->s, name, &node);

	if (r == 0)
		r = expect_service(&x->scratch, &x->s->cluster, t->service, &node, &e);
	for (size_t i = 0; r == 0 && i < e.nfrontends; i++) {
		struct expect_answer a;
		double sum = 0;

		if (!is_of(t, &e.frontends[i]))
			continue;
		expect_answer(&node, &e.frontends[i], who, src, &t->addr, &a);
		if (a.verdict == EXPECT_NOTHING || a.verdict == EXPECT_ACCEPT)
			return 0;
		for (size_t k = 0; a.verdict == EXPECT_TRANSLATE && k < a.nendpoints; k++)
			add_way(x, t, &a.endpoints[k]->addr, a.endpoints[k]->port, 1.0 / (double)a.nendpoints, false, &sum);
		t->expected = sum;
		return 0;
	}
	return r;
}

static int one_target(struct shares *x, struct connect_target *t)
{
	const struct connect_client *c = &x->p->client;
	const char *name = t->kind == CONNECT_NODE_PORT ? t->node : c->node;
	const struct ip_addr *src = &c->addr[t->addr.family == AF_INET6];
	const struct snap_node *n = rules_of(x->s, name);
	bool elsewhere = name && (!c->node || strcmp(name, c->node) != 0);
	struct expect_node node;
	struct ip_addr own;
	int r;

	if (!name || !src->family || c->from == FROM_OUTSIDE || c->from == FROM_UNKNOWN)
		return 0;
	/* what a policy of Local makes of it depends on whether the client's source is still its own when it comes there */
	if (elsewhere && t->service->external_local)
		return 0;
	r = connect_expect_node(&x->scratch, x->s, name, &node);
	if (r == 0 && sends_from(x->p, name) && expect_own_source(&node, &t->addr, &own))
		src = &own; /* IPVS: the node has the address itself */
	r = r == 0 && n ? by_rules(x, t, n, src) : r;
	return r == 0 ? by_api(x, t, name, src) : r;
}

int connect_shares(const struct snapshot *s, struct connect_plan *p, size_t from, size_t to)
{
	struct shares x = { .s = s, .p = p, .from = from, .to = to };
	int r = 0;

	for (size_t i = from; r == 0 && i < to; i++)
		if (p->targets.v[i].kind != CONNECT_ENDPOINT)
			r = one_target(&x, &p->targets.v[i]);
	arena_release(&x.scratch);
	return r;
}
