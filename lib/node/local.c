/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is an address the node's own, and of what type is it? By table local where it is known, else by the addresses, else
 * by what others claim the node's addresses to be. lookup.c and rules.c ask here when table local is missing.
 */
#include "node-private.h"

/* RTN_* of linux/rtnetlink.h, which are the bit numbers of ADDRTYPE_*. */
enum { TYPE_UNSPEC, TYPE_UNICAST, TYPE_LOCAL, TYPE_BROADCAST, TYPE_ANYCAST, TYPE_MULTICAST, TYPE_UNREACHABLE = 7 };

static bool is_limited_broadcast(const struct ip_addr *a)
{
	static const uint8_t ones[4] = { 255, 255, 255, 255 };

	return a->family == AF_INET && memcmp(a->b, ones, 4) == 0;
}

/* The directed broadcast address that fib_add_ifaddr() puts into table local. */
static bool is_broadcast_of(const struct node_address *n, const struct ip_addr *a)
{
	struct ip_prefix p = { n->peer.family ? n->peer : n->addr, n->plen };
	struct ip_addr last = ip_prefix_last(&p);

	return ip_addr_equal(&last, a);
}

/* Addresses of 127/8 and ::1 are on lo, whatever else is known. */
static const char *dev_of(const struct node_facts *f, const struct ip_addr *a)
{
	const struct node_address *n = f->index ? map_get(&f->index->addr_by_ip, a, sizeof(*a)) : NULL;

	if (ip_addr_is_loopback(a))
		return "lo";
	return n ? n->ifname : NULL;
}

enum local_kind node_local_by_addrs(const struct node_facts *f, const struct ip_addr *a, const char **ret_dev)
{
	const char *dev = NULL;
	enum local_kind kind = f->addrs_known ? LOCAL_NO : LOCAL_NOT_KNOWN;

	if (ip_addr_is_loopback(a) || map_get(&f->locals, a, sizeof(*a))) {
		dev = dev_of(f, a);
		kind = LOCAL_YES;
	}
	for (size_t i = 0; kind == LOCAL_NO && f->index && i < f->index->nsubnets; i++) {
		if (is_broadcast_of(f->index->subnets[i], a)) {
			dev = f->index->subnets[i]->ifname;
			kind = LOCAL_BROADCAST;
		}
	}
	if (ret_dev)
		*ret_dev = dev;
	return kind;
}

bool node_addr_on_dev(const struct node_facts *f, const struct ip_addr *a, const char *dev)
{
	const struct node_dev *d = node_dev(f, dev);
	int v6 = family_slot(a->family);

	for (uint32_t i = 0; d && i < d->count[v6]; i++) {
		const struct node_address *n = f->index->addrs[d->first[v6] + i];

		if (ip_addr_equal(&n->addr, a) && (!n->tentative || n->optimistic))
			return true;
	}
	return strcmp(dev, "lo") == 0 && ip_addr_is_loopback(a);
}

/* Table local, or its union with main as IPv4 has it as long as there are no other rules. */
static struct found ask_local_table(const struct node_facts *f, const struct ip_addr *a)
{
	struct flow fl = { .dst = *a, .iif = "lo" };

	if (a->family == AF_INET && f->index->merged)
		return node_table_lookup(f, &fl, TABLE_MAIN, true);
	return node_table_lookup(f, &fl, TABLE_LOCAL, false);
}

enum tri node_is_local(const struct node_facts *f, const struct ip_addr *a)
{
	struct found got;

	if (a->family != AF_INET && a->family != AF_INET6)
		return TRI_FALSE;
	if (node_routes_known(f, a->family) == ROUTES_ALL) {
		got = ask_local_table(f, a);
		return got.what == FOUND_ROUTE && (got.route->type == RT_LOCAL || got.route->type == RT_ANYCAST);
	}
	switch (node_local_by_addrs(f, a, NULL)) {
	case LOCAL_YES:
		return TRI_TRUE;
	case LOCAL_NOT_KNOWN:
		return TRI_UNKNOWN;
	default:
		return TRI_FALSE;
	}
}

/* ---- IPv4: __inet_dev_addr_type() of net/ipv4/fib_frontend.c ---- */

static int type_of_route(const struct node_route *t)
{
	switch (t->type) {
	case RT_LOCAL:
		return TYPE_LOCAL;
	case RT_BROADCAST:
		return TYPE_BROADCAST;
	case RT_ANYCAST:
		return TYPE_ANYCAST;
	case RT_MULTICAST:
		return TYPE_MULTICAST;
	default:
		return TYPE_UNICAST;
	}
}

static int type4_by_addrs(const struct node_facts *f, const struct ip_addr *a, const char *dev)
{
	const char *on = NULL;
	enum local_kind kind = node_local_by_addrs(f, a, &on);

	if (kind == LOCAL_NOT_KNOWN || (dev && !on && kind != LOCAL_NO))
		return -1;
	if (kind == LOCAL_NO || (dev && strcmp(dev, on) != 0))
		return TYPE_UNICAST;
	return kind == LOCAL_YES ? TYPE_LOCAL : TYPE_BROADCAST;
}

static int type4(const struct node_facts *f, const struct ip_addr *a, const char *dev)
{
	struct found got;
	const char *on;

	if (ip_addr_is_zero(a) || is_limited_broadcast(a))
		return TYPE_BROADCAST;
	if (ip_addr_is_multicast(a))
		return TYPE_MULTICAST;
	if (node_routes_known(f, AF_INET) != ROUTES_ALL)
		return type4_by_addrs(f, a, dev);
	got = ask_local_table(f, a);
	if (got.what != FOUND_ROUTE)
		return TYPE_UNICAST;
	on = got.route->nhops ? got.route->hops[0].dev : got.route->dev;
	return dev && (!on || strcmp(on, dev) != 0) ? TYPE_UNICAST : type_of_route(got.route);
}

/* ---- IPv6: match_type6() and match_lookup_rt6() of net/netfilter/xt_addrtype.c ---- */

/* ipv6_anycast_destination(): the subnet's own address, on the link. */
static bool is_subnet_address(const struct node_route *t, const struct ip_addr *a)
{
	return t->type == RT_UNICAST && t->dst.len < 127 && !t->has_gateway && !t->nhops &&
	       ip_addr_equal(&t->dst.addr, a);
}

static int type6(const struct node_facts *f, const struct ip_addr *a, const char *dev)
{
	struct node_route_query q = { .dst = *a, .oif = dev };
	struct node_route_result r;

	if (ip_addr_is_zero(a))
		return TYPE_UNSPEC;
	if (ip_addr_is_multicast(a))
		return TYPE_MULTICAST;
	if (dev && node_addr_on_dev(f, a, dev))
		return TYPE_LOCAL;
	node_route_lookup(f, &q, &r);
	switch (r.kind) {
	case NR_LOCAL:
		if (r.route && r.route->type == RT_ANYCAST)
			return TYPE_ANYCAST;
		if (dev && !f->addrs_known)
			return -1;
		return dev ? TYPE_UNICAST : TYPE_LOCAL;
	case NR_NONE:
	case NR_REFUSED:
		return TYPE_UNREACHABLE;
	case NR_UNKNOWN:
		return node_is_local(f, a) == TRI_FALSE ? TYPE_UNICAST : -1;
	default:
		return r.route && is_subnet_address(r.route, a) ? TYPE_ANYCAST : TYPE_UNICAST;
	}
}

int node_addr_type(const struct node_facts *f, const struct ip_addr *a, const char *dev)
{
	if (a->family == AF_INET)
		return type4(f, a, dev);
	return a->family == AF_INET6 ? type6(f, a, dev) : -1;
}
