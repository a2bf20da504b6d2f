/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts of a node as a container: their life, sysctls and links. index.c builds what the lookups need. */
#include <errno.h>

#include "node-private.h"

void node_facts_init(struct node_facts *f)
{
	*f = (struct node_facts){ 0 };
}

void node_facts_release(struct node_facts *f)
{
	if (!f)
		return;
	node_index_free(f->index);
	map_release(&f->sysctl);
	map_release(&f->locals);
	array_free(&f->addrs);
	array_free(&f->links);
	array_free(&f->routes);
	array_free(&f->rules);
	array_free(&f->neigh);
	array_free(&f->fdb);
	array_free(&f->sockets);
	array_free(&f->claimed);
	arena_release(&f->arena);
	*f = (struct node_facts){ 0 };
}

static int add_local(struct node_facts *f, struct ip_addr *a)
{
	return map_put(&f->locals, a, sizeof(*a), a);
}

/* The exact local addresses of one family, from the best source there is for it. */
static int add_locals(struct node_facts *f, int family)
{
	bool by_routes = f->index->has_local_table[family_slot(family)];
	int r = 0;

	for (size_t i = 0; by_routes && r == 0 && i < f->routes.len; i++) {
		struct node_route *t = &f->routes.v[i];

		if (t->family == family && t->table == TABLE_LOCAL && t->type == RT_LOCAL &&
		    t->dst.len == ip_addr_size(&t->dst.addr) * 8)
			r = add_local(f, &t->dst.addr);
	}
	for (size_t i = 0; !by_routes && f->addrs_known && r == 0 && i < f->addrs.len; i++) {
		if (f->addrs.v[i].addr.family == family)
			r = add_local(f, &f->addrs.v[i].addr);
	}
	for (size_t i = 0; !by_routes && !f->addrs_known && r == 0 && i < f->claimed.len; i++) {
		if (f->claimed.v[i].family == family)
			r = add_local(f, &f->claimed.v[i]);
	}
	return r;
}

int node_facts_finish(struct node_facts *f)
{
	int r = node_index_build(f);

	map_release(&f->locals);
	if (r == 0)
		r = add_locals(f, AF_INET);
	if (r == 0)
		r = add_locals(f, AF_INET6);
	return r;
}

const char *node_sysctl(const struct node_facts *f, const char *name)
{
	return map_gets(&f->sysctl, name);
}

/* The value as a number, or -1. */
static int sysctl_int(const struct node_facts *f, const char *name)
{
	const char *s = node_sysctl(f, name);
	char *end;
	long n;

	if (!s)
		return -1;
	errno = 0;
	n = strtol(s, &end, 10);
	return end == s || *end || errno || n < INT16_MIN || n > INT32_MAX ? -1 : (int)n;
}

/* Without printf: a walk asks a dozen of these for every routing decision. */
int node_conf(const struct node_facts *f, int family, const char *ifname, const char *name)
{
	static const char prefix[2][16] = { "net.ipv4.conf.", "net.ipv6.conf." };
	const size_t start = sizeof("net.ipv4.conf.") - 1;
	char key[256];
	size_t n, len;

	if (!f->sysctl_known || !ifname)
		return -1;
	n = strlen(ifname);
	len = strlen(name);
	if (start + n + 1 + len >= sizeof(key))
		return -1;
	memcpy(key, prefix[family == AF_INET6], start);
	for (size_t i = 0; i < n; i++)
		key[start + i] = ifname[i] == '.' ? '/' : ifname[i];
	key[start + n] = '.';
	memcpy(key + start + n + 1, name, len + 1);
	return sysctl_int(f, key);
}

const struct node_link *node_link_by_name(const struct node_facts *f, const char *name)
{
	const struct node_dev *d = name ? node_dev(f, name) : NULL;

	return d ? d->link : NULL;
}
