/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which IPv4 address of its own the node uses on an interface: inet_select_addr() of net/ipv4/devinet.c, written anew.
 * node_select_source() is MASQUERADE's question for both families (nf_nat_masquerade.c); select6.c has the other one.
 */
#include "node-private.h"

/* inet_ifa_match(): the subnet is that of the peer where there is one. */
static bool in_subnet(const struct node_address *a, const struct ip_addr *dst)
{
	struct ip_prefix p = { a->peer.family ? a->peer : a->addr, a->plen };

	return ip_prefix_contains(&p, dst);
}

/* With route_localnet addresses of scope host are as good as those of scope link. */
static unsigned narrowest(const struct node_facts *f, const char *dev)
{
	bool localnet = node_conf(f, AF_INET, "all", "route_localnet") > 0 ||
			node_conf(f, AF_INET, dev, "route_localnet") > 0;

	return localnet ? SCOPE_LINK : SCOPE_HOST;
}

/* The interface's own address: the one whose subnet holds @dst, else the first. */
static const struct node_address *own(const struct node_facts *f, const struct node_dev *d, const struct ip_addr *dst,
				      unsigned scope)
{
	const struct node_address *first = NULL;
	unsigned limit = scope == SCOPE_LINK ? narrowest(f, d->name) : SCOPE_HOST;

	for (uint32_t i = 0; i < d->count[0]; i++) {
		const struct node_address *a = f->index->addrs[d->first[0] + i];

		if (a->secondary || MIN((unsigned)a->scope, limit) > scope)
			continue;
		if (!dst->family || in_subnet(a, dst))
			return a;
		if (!first)
			first = a;
	}
	return first;
}

/* in_dev_select_addr(): what another interface may borrow. */
static const struct node_address *lent(const struct node_facts *f, const struct node_dev *d, unsigned scope)
{
	for (uint32_t i = 0; i < d->count[0]; i++) {
		const struct node_address *a = f->index->addrs[d->first[0] + i];

		if (!a->secondary && a->scope != SCOPE_LINK && a->scope <= scope)
			return a;
	}
	return NULL;
}

struct ip_addr node_select4(const struct node_facts *f, const char *dev, const struct ip_addr *dst, unsigned scope)
{
	const struct node_dev *d = node_dev(f, dev), *vrf = node_vrf(f, dev);
	const struct node_address *a = d ? own(f, d, dst, scope) : NULL;

	if (!a && vrf)
		a = lent(f, vrf, scope);
	for (size_t i = 0; !a && f->index && i < f->index->ndevs; i++) {
		const struct node_dev *other = f->index->devs[i];

		if (node_vrf(f, other->name) == vrf)
			a = lent(f, other, scope);
	}
	return a ? a->addr : (struct ip_addr){ 0 };
}

enum tri node_select_source(const struct node_facts *f, const char *dev, const struct ip_addr *nexthop,
			    struct ip_addr *ret)
{
	struct ip_addr a;

	if (!dev || !nexthop || !nexthop->family || !f->addrs_known || !f->index)
		return TRI_UNKNOWN;
	if (f->links_known && !node_dev(f, dev))
		return TRI_UNKNOWN;
	a = nexthop->family == AF_INET ? node_select4(f, dev, nexthop, SCOPE_GLOBAL) : node_select6(f, dev, nexthop);
	if (!a.family)
		return TRI_FALSE;
	*ret = a;
	return TRI_TRUE;
}
