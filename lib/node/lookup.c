/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The route of a packet: what net/ipv4/route.c and net/ipv6/route.c put around the tables (special addresses, an
 * interface that is asked for, the choice of a source). rules.c finds the route, select4.c and select6.c the source.
 */
#include "node-private.h"

static bool is_limited_broadcast(const struct ip_addr *a)
{
	static const uint8_t ones[4] = { 255, 255, 255, 255 };

	return a->family == AF_INET && memcmp(a->b, ones, 4) == 0;
}

/* ---- where routes are not known ---- */

static void answer_by_addrs(const struct node_facts *f, const struct node_route_query *q, struct node_route_result *ret)
{
	const char *dev = NULL;

	ret->unknown = "the node's routes are not known";
	if (ip_addr_is_multicast(&q->dst)) {
		ret->kind = NR_MULTICAST;
		return;
	}
	if (is_limited_broadcast(&q->dst)) {
		ret->kind = NR_BROADCAST;
		return;
	}
	switch (node_local_by_addrs(f, &q->dst, &dev)) {
	case LOCAL_YES:
		ret->kind = NR_LOCAL;
		ret->dev = "lo";
		ret->src = q->dst;
		ret->unknown = NULL;
		break;
	case LOCAL_BROADCAST:
		ret->kind = NR_BROADCAST;
		ret->dev = dev;
		break;
	default:
		break;
	}
}

/* ---- from what the rules found to an answer ---- */

/* fib_result_prefsrc() and the choice for local routes in ip_route_output_key_hash_rcu(). */
static struct ip_addr source4(const struct node_facts *f, const struct found *got, const struct ip_addr *dst)
{
	const struct node_route *t = got->route;
	struct ip_addr gateway = got->gateway.family == AF_INET ? got->gateway : (struct ip_addr){ 0 };

	if (t && t->prefsrc.family)
		return t->prefsrc;
	if (got->what == FOUND_LOCAL || (t && t->type == RT_LOCAL))
		return *dst;
	if (!got->dev || !f->addrs_known)
		return (struct ip_addr){ 0 };
	return node_select4(f, got->dev, &gateway, t ? t->scope : SCOPE_LINK);
}

/* ip6_route_get_saddr(). */
static struct ip_addr source6(const struct node_facts *f, const struct found *got, const struct ip_addr *dst)
{
	const struct node_route *t = got->route;

	if (t && t->prefsrc.family)
		return t->prefsrc;
	if (got->what == FOUND_LOCAL || (t && t->type == RT_LOCAL && (!got->dev || !f->addrs_known)))
		return *dst;
	if (!got->dev || !f->addrs_known)
		return (struct ip_addr){ 0 };
	return node_select6(f, got->dev, dst);
}

static void answer_route(const struct found *got, const struct ip_addr *dst, struct node_route_result *ret)
{
	ret->kind = NR_UNICAST;
	ret->dev = got->dev;
	ret->gateway = got->gateway;
	if (got->several)
		ret->unknown = "one of several next hops: a hash of the packet chooses";
	switch (got->route->type) {
	case RT_LOCAL:
	case RT_ANYCAST:
		if (got->route->type == RT_ANYCAST && dst->family == AF_INET)
			break;
		ret->kind = NR_LOCAL;
		ret->dev = "lo";
		break;
	case RT_BROADCAST:
		ret->kind = NR_BROADCAST;
		break;
	case RT_OTHER:
		ret->kind = NR_UNKNOWN;
		ret->unknown = "the route is of a type that is not modelled";
		break;
	default:
		break;
	}
	if (ret->kind == NR_UNICAST && ip_addr_is_multicast(dst))
		ret->kind = NR_MULTICAST;
	else if (ret->kind == NR_UNICAST && is_limited_broadcast(dst))
		ret->kind = NR_BROADCAST;
}

static void answer(const struct node_facts *f, const struct found *got, const struct ip_addr *dst,
		   struct node_route_result *ret)
{
	ret->route = got->route;
	switch (got->what) {
	case FOUND_UNKNOWN:
		ret->kind = NR_UNKNOWN;
		ret->unknown = got->unknown;
		return;
	case FOUND_NOTHING:
		ret->route = NULL;
		ret->kind = NR_NONE;
		return;
	case FOUND_REFUSED:
		ret->kind = NR_REFUSED;
		return;
	case FOUND_LOCAL:
		ret->kind = NR_LOCAL;
		ret->dev = "lo";
		break;
	case FOUND_BROADCAST:
		ret->kind = NR_BROADCAST;
		ret->dev = got->dev;
		break;
	case FOUND_ROUTE:
		answer_route(got, dst, ret);
		break;
	}
	ret->src = dst->family == AF_INET ? source4(f, got, dst) : source6(f, got, dst);
}

/* ---- what stands around the tables ---- */

/* ip_route_input_slow(): addresses that no table is asked for. True: answered. */
static bool input4(const struct node_route_query *q, struct node_route_result *ret)
{
	if (ip_addr_is_multicast(&q->dst))
		ret->kind = NR_MULTICAST;
	else if (is_limited_broadcast(&q->dst))
		ret->kind = NR_BROADCAST;
	else if (ip_addr_is_zero(&q->dst))
		ret->kind = NR_REFUSED;
	else
		return false;
	return true;
}

/* ip_route_output_key_hash_rcu(). True: answered. */
static bool output4(const struct node_facts *f, const struct node_route_query *q, struct node_route_result *ret)
{
	static const uint8_t local_block[3] = { 224, 0, 0 };
	bool block = memcmp(q->dst.b, local_block, 3) == 0;

	if (ip_addr_is_zero(&q->dst)) {
		ret->kind = NR_LOCAL;
		ret->dev = "lo";
		ret->src = q->src;
		if (!q->src.family)
			ret->src = (struct ip_addr){ .family = AF_INET, .b = { 127, 0, 0, 1 } };
		return true;
	}
	if (!q->oif || !(block || is_limited_broadcast(&q->dst)))
		return false;
	ret->kind = block ? NR_MULTICAST : NR_BROADCAST;
	ret->dev = q->oif;
	ret->src = f->addrs_known ? node_select4(f, q->oif, &(struct ip_addr){ 0 }, SCOPE_LINK) : (struct ip_addr){ 0 };
	return true;
}

/* A packet of the node with an interface but without a route: the kernel takes the destination to be on that link. */
static struct found onto_link(const struct node_route_query *q)
{
	return (struct found){ .what = FOUND_ROUTE, .dev = q->oif };
}

/* Any error of fib_lookup(). */
static bool is_failure(const struct found *got)
{
	return got->what == FOUND_NOTHING || got->what == FOUND_REFUSED;
}

static void answer_onto_link(const struct node_facts *f, const struct node_route_query *q,
			     struct node_route_result *ret)
{
	struct found got = onto_link(q);

	ret->kind = ip_addr_is_multicast(&q->dst) ? NR_MULTICAST : NR_UNICAST;
	ret->dev = q->oif;
	ret->src = source4(f, &got, &q->dst);
}

/*
 * IPv6 looks at the way out that was asked for, and for packets that come in at the way they came, to choose among
 * equal routes; it insists where the address means something on one link only (rt6_need_strict()), and for packets
 * without a source (ip6_route_output_flags_noref()). IPv4 insists on the way out and never asks for the way in.
 */
static void ask_for_dev(const struct node_route_query *q, struct flow *fl)
{
	bool v4 = q->dst.family == AF_INET;
	bool one_link = ip_addr_is_multicast(&q->dst) || ip_addr_is_linklocal(&q->dst);

	fl->dev = q->iif && !v4 ? q->iif : q->oif;
	fl->dev_strict = v4 || one_link || (!q->iif && !q->src.family);
}

static void note_assumption(const struct node_facts *f, int family, struct node_route_result *ret)
{
	if (ret->unknown)
		return;
	if (family == AF_INET && !f->rules_known)
		ret->unknown = "no routing rules are known: the kernel's own are assumed";
	else if (family == AF_INET6 && !f->rules6_known)
		ret->unknown = "no IPv6 routing rules are known: the kernel's own are assumed";
}

void node_route_lookup(const struct node_facts *f, const struct node_route_query *q, struct node_route_result *ret)
{
	struct flow fl = {
		.src = q->src, .dst = q->dst, .mark = q->mark, .iif = q->iif ? q->iif : "lo", .oif = q->oif,
	};
	bool v4 = q->dst.family == AF_INET;
	struct found got;

	*ret = (struct node_route_result){ .kind = NR_UNKNOWN };
	if (!v4 && q->dst.family != AF_INET6) {
		ret->unknown = "the destination is not known";
		return;
	}
	if (v4 && (q->iif ? input4(q, ret) : output4(f, q, ret)))
		return;
	if (node_routes_known(f, q->dst.family) == ROUTES_UNKNOWN) {
		answer_by_addrs(f, q, ret);
		return;
	}
	ask_for_dev(q, &fl);
	got = node_rules_lookup(f, &fl);
	if (v4 && q->oif && !q->iif && is_failure(&got))
		answer_onto_link(f, q, ret);
	else
		answer(f, &got, &q->dst, ret);
	if (got.what != FOUND_UNKNOWN && ret->kind != NR_LOCAL)
		note_assumption(f, q->dst.family, ret);
}
