/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The index over a node's facts: routes sorted and hashed by table, prefix length and prefix, so that a lookup is one
 * hash probe for each prefix length in use (IPVS gives a node tens of thousands of local /32 routes); addresses by
 * interface; rules by priority. table.c, rules.c and the source files read it.
 */
#include <errno.h>

#include "node-private.h"

void node_index_free(struct node_index *ix)
{
	if (!ix)
		return;
	map_release(&ix->dev_by_name);
	map_release(&ix->addr_by_ip);
	arena_release(&ix->arena);
	free(ix);
}

const struct node_dev *node_dev(const struct node_facts *f, const char *name)
{
	return f->index ? map_gets(&f->index->dev_by_name, name) : NULL;
}

const struct node_dev *node_vrf(const struct node_facts *f, const char *name)
{
	const struct node_dev *d = name ? node_dev(f, name) : NULL;

	for (int i = 0; d && d->link && i < 2; i++) {
		if (d->link->kind && strcmp(d->link->kind, "vrf") == 0)
			return d;
		d = d->link->master ? node_dev(f, d->link->master) : NULL;
	}
	return NULL;
}

/* ---- interfaces and their addresses ---- */

static struct node_dev *make_dev(struct node_index *ix, const char *name, uint32_t ifindex)
{
	struct node_dev *d = map_gets(&ix->dev_by_name, name);

	if (d)
		return d;
	d = arena_new(&ix->arena, struct node_dev);
	if (!d || map_puts(&ix->dev_by_name, name, d) < 0)
		return NULL;
	d->name = name;
	d->ifindex = ifindex;
	ix->devs[ix->ndevs++] = d;
	return d;
}

static int add_devs(struct node_facts *f, struct node_index *ix)
{
	for (size_t i = 0; i < f->links.len; i++) {
		const struct node_link *l = &f->links.v[i];
		struct node_dev *d = make_dev(ix, l->name ? l->name : "", l->ifindex);

		if (!d)
			return -ENOMEM;
		d->link = l;
	}
	for (size_t i = 0; i < f->addrs.len; i++) {
		const struct node_address *a = &f->addrs.v[i];
		struct node_dev *d = make_dev(ix, a->ifname ? a->ifname : "", a->ifindex);

		if (!d)
			return -ENOMEM;
		d->count[family_slot(a->addr.family)]++;
	}
	return 0;
}

static int add_addrs(struct node_facts *f, struct node_index *ix)
{
	for (size_t i = 0; i < f->addrs.len; i++) {
		struct node_address *a = &f->addrs.v[i];

		ix->has_addrs[family_slot(a->addr.family)] = true;
		if (a->addr.family == AF_INET && a->plen < 31)
			ix->subnets[ix->nsubnets++] = a;
		if (!map_get(&ix->addr_by_ip, &a->addr, sizeof(a->addr)) &&
		    map_put(&ix->addr_by_ip, &a->addr, sizeof(a->addr), a) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int compare_devs(const void *a, const void *b)
{
	const struct node_dev *x = *(struct node_dev *const *)a, *y = *(struct node_dev *const *)b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int build_devs(struct node_facts *f, struct node_index *ix)
{
	uint32_t at = 0;
	int r;

	ix->devs = arena_array(&ix->arena, struct node_dev *, f->links.len + f->addrs.len);
	ix->addrs = arena_array(&ix->arena, const struct node_address *, f->addrs.len);
	ix->subnets = arena_array(&ix->arena, const struct node_address *, f->addrs.len);
	if (!ix->devs || !ix->addrs || !ix->subnets)
		return -ENOMEM;
	r = add_devs(f, ix);
	if (r == 0)
		r = add_addrs(f, ix);
	if (r < 0)
		return r;
	if (ix->ndevs)
		qsort(ix->devs, ix->ndevs, sizeof(struct node_dev *), compare_devs);
	for (size_t i = 0; i < ix->ndevs; i++) {
		for (int v6 = 0; v6 < 2; v6++) {
			ix->devs[i]->first[v6] = at;
			at += ix->devs[i]->count[v6];
			ix->devs[i]->count[v6] = 0;
		}
	}
	for (size_t i = 0; i < f->addrs.len; i++) {
		const struct node_address *a = &f->addrs.v[i];
		struct node_dev *d = map_gets(&ix->dev_by_name, a->ifname ? a->ifname : "");
		int v6 = family_slot(a->addr.family);

		ix->addrs[d->first[v6] + d->count[v6]++] = a;
	}
	return 0;
}

/* ---- routes ---- */

static int compare_uint(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* By table, prefix (longer first), source prefix (longer first), metric; then as they were given. */
static int compare_routes(const void *a, const void *b)
{
	const struct node_route *x = *(const struct node_route *const *)a;
	const struct node_route *y = *(const struct node_route *const *)b;
	int r = compare_uint(x->family, y->family);

	if (r == 0)
		r = compare_uint(x->table, y->table);
	if (r == 0)
		r = compare_uint(y->dst.len, x->dst.len);
	if (r == 0)
		r = ip_addr_cmp(&x->dst.addr, &y->dst.addr);
	if (r == 0)
		r = compare_uint(y->from.len, x->from.len);
	if (r == 0)
		r = compare_uint(x->metric, y->metric);
	return r ? r : compare_uint((uintptr_t)x, (uintptr_t)y);
}

static void normalise_route(struct node_route *t)
{
	if (t->table == 0)
		t->table = TABLE_MAIN;
	t->dst.addr.family = t->family;
	t->dst.len = MIN(t->dst.len, (uint8_t)(t->family == AF_INET ? 32 : 128));
	t->dst.addr = ip_prefix_first(&t->dst);
	if (t->from.addr.family == 0)
		t->from.len = 0;
}

static int sort_routes(struct node_facts *f, struct node_index *ix)
{
	struct node_route **order = arena_array(&ix->arena, struct node_route *, f->routes.len);
	struct node_route *sorted = malloc(MAX(f->routes.len, (size_t)1) * sizeof(*sorted));

	if (!order || !sorted) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < f->routes.len; i++) {
		normalise_route(&f->routes.v[i]);
		order[i] = &f->routes.v[i];
	}
	if (f->routes.len)
		qsort(order, f->routes.len, sizeof(struct node_route *), compare_routes);
	for (size_t i = 0; i < f->routes.len; i++)
		sorted[i] = *order[i];
	free(f->routes.v);
	f->routes.v = sorted;
	f->routes.cap = MAX(f->routes.len, (size_t)1);
	return 0;
}

static uint32_t group_hash(uint32_t table, const struct ip_prefix *p)
{
	unsigned char key[4 + 1 + sizeof(p->addr.b)];

	memcpy(key, &table, 4);
	key[4] = p->len;
	memcpy(key + 5, p->addr.b, sizeof(p->addr.b));
	return hash_bytes(key, sizeof(key));
}

static bool same_group(const struct node_route *t, int family, uint32_t table, const struct ip_prefix *p)
{
	return t->family == family && t->table == table && t->dst.len == p->len &&
	       ip_addr_equal(&t->dst.addr, &p->addr);
}

static struct route_group *group_slot(const struct node_facts *f, const struct node_index *ix, int family,
				      uint32_t table, const struct ip_prefix *p)
{
	for (uint32_t i = group_hash(table, p) & ix->group_mask;; i = (i + 1) & ix->group_mask) {
		struct route_group *g = &ix->groups[i];

		if (g->count == 0 || same_group(&f->routes.v[g->first], family, table, p))
			return g;
	}
}

const struct route_group *node_group(const struct node_facts *f, const struct route_table *table,
				     const struct ip_addr *a, unsigned len)
{
	struct ip_prefix p = { { .family = a->family }, (uint8_t)len };
	const struct route_group *g;

	memcpy(p.addr.b, a->b, len / 8);
	if (len % 8)
		p.addr.b[len / 8] = (uint8_t)(a->b[len / 8] & (0xff00 >> (len % 8)));
	g = group_slot(f, f->index, table->family, table->id, &p);
	return g->count ? g : NULL;
}

/* Routes are sorted: one pass finds tables, lengths and groups. */
static int build_routes(struct node_facts *f, struct node_index *ix)
{
	uint32_t cap = 16;
	int r;

	if (f->routes.len > UINT32_MAX / 4)
		return -ENOMEM;
	r = sort_routes(f, ix);
	if (r < 0)
		return r;
	while (cap < f->routes.len * 2)
		cap *= 2;
	ix->groups = arena_array(&ix->arena, struct route_group, cap);
	ix->tables = arena_array(&ix->arena, struct route_table, f->routes.len);
	if (!ix->groups || !ix->tables)
		return -ENOMEM;
	ix->group_mask = cap - 1;
	for (size_t i = 0; i < f->routes.len; i++) {
		const struct node_route *t = &f->routes.v[i];
		struct route_table *last = ix->ntables ? &ix->tables[ix->ntables - 1] : NULL;
		struct route_group *g = group_slot(f, ix, t->family, t->table, &t->dst);

		if (!last || last->family != t->family || last->id != t->table) {
			last = &ix->tables[ix->ntables++];
			*last = (struct route_table){ .family = t->family, .id = t->table };
		}
		last->lens[t->dst.len / 64] |= 1ull << (t->dst.len % 64);
		if (g->count++ == 0)
			g->first = (uint32_t)i;
		ix->has_routes[family_slot(t->family)] = true;
		if (t->table == TABLE_LOCAL)
			ix->has_local_table[family_slot(t->family)] = true;
	}
	return 0;
}

const struct route_table *node_table(const struct node_index *ix, int family, uint32_t id)
{
	size_t lo = 0, hi = ix->ntables;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct route_table *t = &ix->tables[mid];
		int r = compare_uint(t->family, (uint64_t)family);

		if (r == 0)
			r = compare_uint(t->id, id);
		if (r == 0)
			return t;
		if (r < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

enum route_knowledge node_routes_known(const struct node_facts *f, int family)
{
	const struct node_index *ix = f->index;
	int v6 = family_slot(family);

	if (!f->routes_known || !ix)
		return ROUTES_UNKNOWN;
	if (ix->has_local_table[v6])
		return ROUTES_ALL;
	if (ix->has_routes[v6])
		return ROUTES_NO_LOCAL;
	/* No route at all: right only for a family that the node does not speak. */
	return f->addrs_known && !ix->has_addrs[v6] ? ROUTES_ALL : ROUTES_UNKNOWN;
}

/* ---- rules ---- */

static int compare_rules(const void *a, const void *b)
{
	const struct node_rule *x = *(const struct node_rule *const *)a, *y = *(const struct node_rule *const *)b;
	int r = compare_uint(x->priority, y->priority);

	return r ? r : compare_uint((uintptr_t)x, (uintptr_t)y);
}

static bool is_default_rule(const struct node_rule *r, uint32_t priority, uint32_t table)
{
	return r->priority == priority && r->table == table && !r->action && !r->invert && !r->unknown &&
	       !r->suppress && !r->src.addr.family && !r->dst.addr.family && !r->fwmask && !r->iif && !r->oif;
}

/* The rules that the kernel makes by itself: fib_default_rules_init() and fib6_rules_net_init(). */
static int use_default_rules(struct node_index *ix, int v6)
{
	static const uint32_t priority[3] = { 0, 32766, 32767 };
	static const uint32_t table[3] = { TABLE_LOCAL, TABLE_MAIN, TABLE_DEFAULT };

	ix->nrules[v6] = v6 ? 2 : 3;
	ix->rules[v6] = arena_array(&ix->arena, const struct node_rule *, 3);
	if (!ix->rules[v6])
		return -ENOMEM;
	for (size_t i = 0; i < ix->nrules[v6]; i++) {
		ix->defaults[v6][i] = (struct node_rule){
			.family = v6 ? AF_INET6 : AF_INET, .priority = priority[i], .table = table[i],
		};
		ix->rules[v6][i] = &ix->defaults[v6][i];
	}
	return 0;
}

static int build_rules(struct node_facts *f, struct node_index *ix, int v6)
{
	const struct node_rule **v;

	if (v6 ? !f->rules6_known : !f->rules_known)
		return use_default_rules(ix, v6);
	v = ix->rules[v6] = arena_array(&ix->arena, const struct node_rule *, f->rules.len);
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < f->rules.len; i++) {
		if (f->rules.v[i].family == 0 || family_slot(f->rules.v[i].family) == v6)
			v[ix->nrules[v6]++] = &f->rules.v[i];
	}
	if (ix->nrules[v6])
		qsort(v, ix->nrules[v6], sizeof(*v), compare_rules);
	return 0;
}

/*
 * As long as no other rule was ever made, the tables local and main of IPv4 are one trie (fib_new_table() and
 * fib_unmerge() in net/ipv4/fib_frontend.c), in which the longest prefix of both wins.
 */
static bool only_default_rules(const struct node_index *ix)
{
	const struct node_rule **v = ix->rules[0];

	return ix->nrules[0] == 3 && is_default_rule(v[0], 0, TABLE_LOCAL) &&
	       is_default_rule(v[1], 32766, TABLE_MAIN) && is_default_rule(v[2], 32767, TABLE_DEFAULT);
}

static int sort_rules(struct node_facts *f, struct node_index *ix)
{
	const struct node_rule **order = arena_array(&ix->arena, const struct node_rule *, f->rules.len);
	struct node_rule *sorted = malloc(MAX(f->rules.len, (size_t)1) * sizeof(*sorted));

	if (!order || !sorted) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < f->rules.len; i++)
		order[i] = &f->rules.v[i];
	if (f->rules.len)
		qsort(order, f->rules.len, sizeof(*order), compare_rules);
	for (size_t i = 0; i < f->rules.len; i++)
		sorted[i] = *order[i];
	free(f->rules.v);
	f->rules.v = sorted;
	f->rules.cap = MAX(f->rules.len, (size_t)1);
	return 0;
}

int node_index_build(struct node_facts *f)
{
	struct node_index *ix = calloc(1, sizeof(*ix));
	int r;

	node_index_free(f->index);
	f->index = NULL;
	if (!ix)
		return -ENOMEM;
	r = build_devs(f, ix);
	if (r == 0)
		r = build_routes(f, ix);
	if (r == 0)
		r = sort_rules(f, ix);
	for (int v6 = 0; r == 0 && v6 < 2; v6++)
		r = build_rules(f, ix, v6);
	if (r < 0) {
		node_index_free(ix);
		return r;
	}
	ix->merged = only_default_rules(ix);
	f->index = ix;
	return 0;
}
