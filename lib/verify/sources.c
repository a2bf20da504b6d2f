/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sources: who can send to a frontend from or through this node, one address for each kind and each side of a prefix. */
#include <errno.h>

#include "verify-private.h"

void vsources_release(struct vsources *s)
{
	array_free(&s->v);
	map_release(&s->seen);
}

/* The way to an address, which is the way a packet from there comes in by. NR_UNKNOWN where routes are not known. */
static struct node_route_result way_to(const struct vnode *v, const struct ip_addr *a)
{
	struct node_route_query q = { .dst = *a };
	struct node_route_result r = { .kind = NR_UNKNOWN };

	if (v->snap->facts.routes_known)
		node_route_lookup(&v->snap->facts, &q, &r);
	return r;
}

/* On a link of this node that is not its own network: containers or machines that only this node knows. */
static bool is_side_link(const struct vnode *v, const struct node_route_result *way, int family)
{
	const struct ip_addr *self = family == AF_INET ? &v->expect.ip4 : &v->expect.ip6;

	if (way->kind != NR_UNICAST || way->gateway.family || !way->dev || !self->family)
		return false;
	for (size_t i = 0; i < v->snap->facts.addrs.len; i++) {
		const struct node_address *a = &v->snap->facts.addrs.v[i];

		if (ip_addr_equal(&a->addr, self))
			return !a->ifname || strcmp(a->ifname, way->dev) != 0;
	}
	return false;
}

/* What an address is, seen from this node. False: it cannot send here. */
static bool classify(const struct vnode *v, const struct ip_addr *a, struct vsource *ret)
{
	const struct k8s_node *n;
	struct node_route_result way;

	if ((a->family == AF_INET && a->b[0] == 0) || ip_addr_is_zero(a) || ip_addr_is_multicast(a) || ip_addr_is_linklocal(a) || (a->family == AF_INET && a->b[0] >= 224))
		return false;
	*ret = (struct vsource){ .addr = *a };
	if (ip_addr_is_loopback(a)) {
		ret->kind = SOURCE_LOOPBACK;
		ret->words = "127.0.0.1";
		return a->family == AF_INET;
	}
	if (node_is_local(&v->snap->facts, a) == TRI_TRUE) {
		ret->kind = SOURCE_NODE;
		ret->words = "the node itself";
		return true;
	}
	way = way_to(v, a);
	if (way.kind == NR_UNICAST && way.route && !way.route->multipath)
		ret->iif = way.dev;
	n = map_get(&v->node_ips, a, sizeof(*a)) ? NULL : k8s_node_of_ip(&v->snapshot->cluster, a);
	if (n || expect_is_local_pod(&v->expect, a) == TRI_TRUE) {
		/* No pod has an address that no route leads to. */
		if (way.kind != NR_UNICAST && way.kind != NR_UNKNOWN)
			return false;
		ret->kind = SOURCE_POD;
		/* Without any Node object a pod may be anywhere: as well here. */
		ret->here = n ? strcmp(n->meta.name, v->snap->name) == 0 : v->snapshot->cluster.nodes.len == 0;
		ret->words = !n && ret->here ? "pods" : ret->here ? "pods of this node" : "pods of other nodes";
		return true;
	}
	ret->kind = SOURCE_OUTSIDE;
	ret->words = "outside the cluster";
	return !is_side_link(v, &way, a->family);
}

/* The network and broadcast addresses of a link never send: inet_addr_type says broadcast. */
static bool is_broadcast(const struct vnode *v, const struct ip_addr *a)
{
	return a->family == AF_INET && node_addr_type(&v->snap->facts, a, NULL) == 3;
}

int vsources_add(struct vnode *v, struct arena *arena, struct vsources *s, const struct ip_addr *a)
{
	struct vsource src;
	struct ip_addr *key;

	if (map_get(&s->seen, a, sizeof(*a)) || !classify(v, a, &src) || is_broadcast(v, a))
		return 0;
	key = arena_new(arena, struct ip_addr);
	if (!key)
		return -ENOMEM;
	*key = *a;
	if (map_put(&s->seen, key, sizeof(*key), key) < 0)
		return -ENOMEM;
	return array_push(&s->v, src);
}

static int add_prefix_sides(struct vnode *v, struct arena *arena, struct vsources *s, const struct ip_prefix *p)
{
	struct ip_addr first = ip_prefix_first(p), last = ip_prefix_last(p), a;
	int r = vsources_add(v, arena, s, &first);

	if (r == 0)
		r = vsources_add(v, arena, s, &last);
	/* The ends of a pod range are often nobody's: one step inside as well. */
	if (r == 0 && ip_addr_next(&first, &a) && ip_prefix_contains(p, &a))
		r = vsources_add(v, arena, s, &a);
	if (r == 0 && ip_addr_prev(&first, &a))
		r = vsources_add(v, arena, s, &a);
	if (r == 0 && ip_addr_next(&last, &a))
		r = vsources_add(v, arena, s, &a);
	return r;
}

/* An address of a pod range that no pod has, so that it is no endpoint; else any pod there. */
static int add_pod_of(struct vnode *v, struct arena *arena, struct vsources *s, const struct k8s_node *n, int family)
{
	const struct k8s_cluster *c = &v->snapshot->cluster;
	struct vsource probe;

	for (size_t i = 0; i < n->npod_cidrs; i++) {
		struct ip_addr a = ip_prefix_last(&n->pod_cidrs[i]), b;

		if (a.family != family)
			continue;
		for (unsigned tries = 0; tries < 64 && ip_addr_prev(&a, &b) && ip_prefix_contains(&n->pod_cidrs[i], &b); tries++) {
			a = b;
			if (!map_get(&c->pod_by_ip, &a, sizeof(a)) && classify(v, &a, &probe) && probe.kind == SOURCE_POD)
				return vsources_add(v, arena, s, &a);
		}
	}
	for (size_t i = 0; i < c->pods.len; i++) {
		const struct k8s_pod *p = c->pods.v[i];

		if (!p->node || strcmp(p->node, n->meta.name) != 0 || p->host_network)
			continue;
		for (size_t k = 0; k < p->nips; k++)
			if (p->ips[k].family == family)
				return vsources_add(v, arena, s, &p->ips[k]);
	}
	return 0;
}

static int add_pods(struct vnode *v, struct arena *arena, struct vsources *s, int family)
{
	const struct k8s_cluster *c = &v->snapshot->cluster;
	const struct k8s_node *self = k8s_find_node(c, v->snap->name);
	int r = self ? add_pod_of(v, arena, s, self, family) : 0;

	for (size_t i = 0; r == 0 && i < c->nodes.len; i++) {
		if (c->nodes.v[i] == self)
			continue;
		r = add_pod_of(v, arena, s, c->nodes.v[i], family);
		break;
	}
	return r;
}

/* An outside address: of the documentation ranges (RFC 5737, RFC 3849), the first that is nobody's here. */
static int add_outside(struct vnode *v, struct arena *arena, struct vsources *s, int family)
{
	static const char *const v4[] = { "203.0.113.9", "198.51.100.77", "192.0.2.33", "192.88.99.7" };
	static const char *const v6[] = { "2001:db8:ffff::9", "2001:db8:fffe::9" };
	size_t n = family == AF_INET ? ARRAY_LEN(v4) : ARRAY_LEN(v6);

	for (size_t i = 0; i < n; i++) {
		struct vsource src;
		struct ip_addr a;

		if (ip_addr_parse(family == AF_INET ? v4[i] : v6[i], &a) == 0 && classify(v, &a, &src) &&
		    src.kind == SOURCE_OUTSIDE)
			return vsources_add(v, arena, s, &a);
	}
	return 0;
}

static int add_service_prefixes(struct vnode *v, struct arena *arena, struct vsources *s, const struct expect_port *p)
{
	const struct kube_proxy_config *c = v->expect.config;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->ncluster_cidrs; i++)
		if (c->cluster_cidrs[i].addr.family == p->family)
			r = add_prefix_sides(v, arena, s, &c->cluster_cidrs[i]);
	for (size_t i = 0; r == 0 && i < p->service->nsource_ranges; i++) {
		const char *t = p->service->source_ranges[i];
		struct ip_prefix pre;

		t += strspn(t, " \t");
		if (ip_prefix_parsen(t, strcspn(t, " \t\r\n"), &pre) == 0 && pre.addr.family == p->family)
			r = add_prefix_sides(v, arena, s, &pre);
	}
	return r;
}

int vsources_fixed(struct vnode *v, struct arena *arena, struct vsources *s, const struct expect_port *p)
{
	const struct ip_addr *self = p->family == AF_INET ? &v->expect.ip4 : &v->expect.ip6;
	struct ip_addr loop = { .family = AF_INET, .b = { 127, 0, 0, 1 } };
	int r = add_pods(v, arena, s, p->family);

	if (r == 0 && self->family)
		r = vsources_add(v, arena, s, self);
	if (r == 0)
		r = add_outside(v, arena, s, p->family);
	if (r == 0 && p->family == AF_INET)
		r = vsources_add(v, arena, s, &loop);
	for (size_t i = 0; r == 0 && i < p->nall; i++)
		r = vsources_add(v, arena, s, &p->all[i].addr);
	return r ? r : add_service_prefixes(v, arena, s, p);
}

int vsources_from_cond(struct vnode *v, struct arena *arena, struct vsources *s, const struct rs_cond *c, int family)
{
	struct ip_prefix p;
	int r = 0;

	if (vcond_prefix(c, &p)) {
		if (p.addr.family == family)
			r = add_prefix_sides(v, arena, s, &p);
	} else if (c->op == OP_ADDR_RANGE) {
		struct ip_addr a;

		r = vsources_add(v, arena, s, &c->u.addr_range->lo);
		if (r == 0)
			r = vsources_add(v, arena, s, &c->u.addr_range->hi);
		if (r == 0 && ip_addr_prev(&c->u.addr_range->lo, &a))
			r = vsources_add(v, arena, s, &a);
		if (r == 0 && ip_addr_next(&c->u.addr_range->hi, &a))
			r = vsources_add(v, arena, s, &a);
	}
	return r;
}

bool source_can_reach(const struct vsource *s, const struct expect_frontend *f, const struct ip_addr *dst)
{
	if (s->addr.family != dst->family)
		return false;
	if (s->kind == SOURCE_LOOPBACK || ip_addr_is_loopback(dst))
		return f->kind == EXPECT_NODE_PORT && s->kind == SOURCE_LOOPBACK && ip_addr_equal(&s->addr, dst);
	switch (f->kind) {
	case EXPECT_CLUSTER_IP:
		return s->kind == SOURCE_NODE || (s->kind == SOURCE_POD && s->here);
	case EXPECT_EXTERNAL_IP:
	case EXPECT_LOAD_BALANCER:
		return s->kind == SOURCE_NODE || s->kind == SOURCE_OUTSIDE || (s->kind == SOURCE_POD && s->here);
	default:
		return true;
	}
}
