/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One routing table: the longest prefix that has a usable route, then the lowest metric, as fib_table_lookup()
 * (net/ipv4/fib_trie.c) and fib6_table_lookup() (net/ipv6/route.c, ip6_fib.c) find it. Written anew from what they do.
 * rules.c says which tables are asked.
 */
#include "node-private.h"

static bool is_refusal(enum node_route_type t)
{
	return t == RT_BLACKHOLE || t == RT_UNREACHABLE || t == RT_PROHIBIT;
}

static bool hop_alive(const struct node_facts *f, int family, const struct node_hop *h)
{
	if (h->dead)
		return false;
	return !h->linkdown || node_conf(f, family, h->dev, "ignore_routes_with_linkdown") <= 0;
}

static struct node_hop route_hop(const struct node_route *t, uint32_t i)
{
	if (t->nhops)
		return t->hops[i];
	return (struct node_hop){
		.dev = t->dev, .gateway = t->has_gateway ? t->gateway : (struct ip_addr){ 0 },
		.linkdown = t->linkdown, .dead = t->dead,
	};
}

/* The first next hop that may be used. @ret_match: it goes by the interface that was asked for. */
static bool pick_hop(const struct node_facts *f, const struct node_route *t, const struct flow *fl, struct found *ret,
		     bool *ret_match)
{
	uint32_t n = MAX(t->nhops, 1u), alive = 0;
	bool any = false;

	for (uint32_t i = 0; i < n; i++) {
		struct node_hop h = route_hop(t, i);
		bool match = !fl->dev || (h.dev && strcmp(h.dev, fl->dev) == 0);

		if (!hop_alive(f, t->family, &h) || (!match && fl->dev_strict))
			continue;
		alive++;
		if (any && (*ret_match || !match))
			continue;
		any = true;
		*ret_match = match;
		*ret = (struct found){
			.what = FOUND_ROUTE, .route = t, .dev = h.dev, .gateway = h.gateway, .plen = t->dst.len,
		};
	}
	if (any)
		ret->several = t->multipath && !fl->dev && (alive > 1 || !t->nhops);
	return any;
}

/* A route of another type than unicast and local ends the lookup without looking at its interface (fib_props[]). */
static bool ends_table(const struct node_route *t, const struct flow *fl, struct found *ret)
{
	if (t->dead || (!is_refusal(t->type) && t->type != RT_THROW))
		return false;
	if (t->family == AF_INET6 && fl->dev && fl->dev_strict && t->dev && strcmp(t->dev, fl->dev) != 0)
		return false;
	*ret = (struct found){ .route = t, .plen = t->dst.len, .dev = NULL };
	ret->thrown = t->type == RT_THROW;
	ret->what = ret->thrown ? FOUND_NOTHING : FOUND_REFUSED;
	return true;
}

static bool for_this_flow(const struct node_route *t, const struct flow *fl)
{
	if (t->family == AF_INET)
		return t->tos == 0;
	return t->from.addr.family == 0 || t->from.len == 0 ||
	       (fl->src.family && ip_prefix_contains(&t->from, &fl->src));
}

static bool same_rank(const struct node_route *a, const struct node_route *b)
{
	return a->metric == b->metric && a->from.len == b->from.len;
}

/*
 * The routes of one prefix, best first. For IPv6 without a strict interface, a route by the wanted interface beats
 * others of the same metric (rt6_check_dev()).
 */
static bool pick_route(const struct node_facts *f, const struct route_group *g, const struct flow *fl,
		       struct found *ret)
{
	bool any = false;

	for (uint32_t i = 0; i < g->count; i++) {
		const struct node_route *t = &f->routes.v[g->first + i];
		struct found here = { 0 };
		bool match = true;

		if (any && !same_rank(t, ret->route))
			break;
		if (!for_this_flow(t, fl))
			continue;
		if (!ends_table(t, fl, &here) && !pick_hop(f, t, fl, &here, &match))
			continue;
		if (!any || match)
			*ret = here;
		if (match)
			return true;
		any = true;
	}
	return any;
}

static bool has_len(const struct route_table *t, unsigned len)
{
	return t && (t->lens[len / 64] >> (len % 64) & 1);
}

static bool probe(const struct node_facts *f, const struct route_table *t, unsigned len, const struct flow *fl,
		  struct found *ret)
{
	const struct route_group *g = has_len(t, len) ? node_group(f, t, &fl->dst, len) : NULL;

	return g && pick_route(f, g, fl, ret);
}

struct found node_table_lookup(const struct node_facts *f, const struct flow *fl, uint32_t table, bool merged)
{
	const struct route_table *t = node_table(f->index, fl->dst.family, table);
	const struct route_table *also = merged ? node_table(f->index, fl->dst.family, TABLE_LOCAL) : NULL;
	struct found r = { 0 };

	if (!t && !also)
		return r;
	for (int len = (int)ip_addr_size(&fl->dst) * 8; len >= 0; len--) {
		if (probe(f, also, (unsigned)len, fl, &r) || probe(f, t, (unsigned)len, fl, &r))
			return r;
	}
	return (struct found){ 0 };
}
