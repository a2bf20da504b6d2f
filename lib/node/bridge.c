/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridges and their ports: which link is one, and which port an address hangs on. */
#include <string.h>

#include "node-private.h"

bool node_is_bridge(const struct node_facts *f, const struct node_link *l)
{
	if (l->kind)
		return strcmp(l->kind, "bridge") == 0;
	for (size_t i = 0; i < f->links.len; i++)
		if (f->links.v[i].is_bridge_port && f->links.v[i].master && strcmp(f->links.v[i].master, l->name) == 0)
			return true;
	return false;
}

bool node_is_port_of(const struct node_link *l, const struct node_link *bridge)
{
	return l->master && strcmp(l->master, bridge->name) == 0;
}

static const char *neighbour_mac(const struct node_facts *f, const char *dev, const struct ip_addr *a)
{
	for (size_t i = 0; i < f->neigh.len; i++)
		if (f->neigh.v[i].mac && f->neigh.v[i].dev && ip_addr_equal(&f->neigh.v[i].addr, a) && strcmp(f->neigh.v[i].dev, dev) == 0)
			return f->neigh.v[i].mac;
	return NULL;
}

const struct node_link *node_bridge_port(const struct node_facts *f, const struct node_link *bridge, const struct ip_addr *a)
{
	const char *mac = neighbour_mac(f, bridge->name, a);

	for (size_t i = 0; mac && i < f->fdb.len; i++) {
		const struct node_fdb *e = &f->fdb.v[i];

		/* A permanent entry is the port's own address. */
		if (e->mac && e->port && !e->self && !e->permanent && strcmp(e->mac, mac) == 0) {
			const struct node_link *l = node_link_by_name(f, e->port);

			return l && node_is_port_of(l, bridge) ? l : NULL;
		}
	}
	return NULL;
}
