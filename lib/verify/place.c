/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an address is attached: what the API says of pods and nodes, and for what is neither, what the node's own links
 * say. The engine asks it for clients and endpoints when it walks a reply back.
 */
#include <errno.h>

#include "verify-private.h"

static const char NOT_TOLD[] = "not judged: where client and endpoint are attached is not known (no pods, nodes or EndpointSlices "
			       "that say it)";

void verify_place_init(struct verify_place *p, const struct snapshot *s, const struct snap_node *n, const struct expect_node *e)
{
	*p = (struct verify_place){ .snapshot = s, .node = n, .name = e->name, .self = { e->ip4, e->ip6 } };
}

void verify_place_release(struct verify_place *p)
{
	map_release(&p->slices);
}

static bool is_this_node(const struct verify_place *p, const char *name)
{
	return strcmp(name, p->name) == 0 || strcmp(name, p->node->name) == 0;
}

static int add_slices(struct verify_place *p)
{
	const struct k8s_cluster *c = &p->snapshot->cluster;

	for (size_t i = 0; i < c->slices.len; i++) {
		const struct k8s_slice *s = c->slices.v[i];

		for (size_t k = 0; k < s->nendpoints; k++) {
			const struct k8s_endpoint *e = &s->endpoints[k];

			if (e->ip.family && e->node_name && map_put(&p->slices, &e->ip, sizeof(e->ip), (void *)(uintptr_t)e) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

/* The node that the slices name; asked where the pods themselves are not known. Without memory for that, nothing is known. */
static const char *node_by_slices(struct verify_place *p, const struct ip_addr *a)
{
	const struct k8s_endpoint *e;

	if (snapshot_has_all(p->snapshot, K8S_PODS, NULL))
		return NULL;
	if (!p->slices_built) {
		p->slices_built = true;
		if (add_slices(p) < 0)
			map_release(&p->slices);
	}
	e = map_get(&p->slices, a, sizeof(*a));
	return e ? e->node_name : NULL;
}

static bool is_node_address(const struct k8s_cluster *c, const struct ip_addr *a)
{
	for (size_t i = 0; i < c->nodes.len; i++)
		for (size_t k = 0; k < c->nodes.v[i]->naddresses; k++)
			if (ip_addr_equal(&c->nodes.v[i]->addresses[k].ip, a))
				return true;
	return false;
}

/* The interface of the node's own address. NULL: not known. */
static const char *own_interface(const struct verify_place *p, int family)
{
	const struct node_facts *f = &p->node->facts;

	for (size_t i = 0; i < f->addrs.len; i++)
		if (ip_addr_equal(&f->addrs.v[i].addr, &p->self[family == AF_INET6]))
			return f->addrs.v[i].ifname;
	return NULL;
}

/*
 * Neither pod nor node. A route to this one host without a gateway is a link of its own; on another link than that of the node's
 * own address others may be attached as well.
 */
static enum tri by_links(const struct verify_place *p, const struct ip_addr *a)
{
	struct node_route_query q = { .dst = *a };
	struct node_route_result way;
	const char *own = own_interface(p, a->family);

	if (!p->node->facts.routes_known)
		return snapshot_has_all(p->snapshot, K8S_PODS, NULL) && snapshot_has_all(p->snapshot, K8S_NODES, NULL) ? TRI_FALSE : TRI_UNKNOWN;
	node_route_lookup(&p->node->facts, &q, &way);
	if (way.kind != NR_UNICAST)
		return way.kind == NR_UNKNOWN ? TRI_UNKNOWN : TRI_FALSE;
	if (way.gateway.family)
		return TRI_FALSE;
	if (!own || !way.dev)
		return TRI_UNKNOWN;
	if (strcmp(own, way.dev) == 0)
		return TRI_FALSE;
	return way.route && way.route->dst.len == ip_addr_size(a) * 8 ? TRI_TRUE : TRI_UNKNOWN;
}

enum tri verify_is_here(void *arg, const struct ip_addr *a, const char **ret_why)
{
	struct verify_place *p = arg;
	const struct k8s_cluster *c = &p->snapshot->cluster;
	const struct k8s_pod *pod = map_get(&c->pod_by_ip, a, sizeof(*a));
	const char *slice_node = pod && pod->node ? NULL : node_by_slices(p, a);
	const struct k8s_node *n;

	*ret_why = NOT_TOLD;
	if (pod && pod->node)
		return is_this_node(p, pod->node) ? TRI_TRUE : TRI_FALSE;
	if (slice_node)
		return is_this_node(p, slice_node) ? TRI_TRUE : TRI_FALSE;
	if (is_node_address(c, a))
		return node_is_local(&p->node->facts, a);
	n = k8s_node_of_ip(c, a);
	if (n)
		return is_this_node(p, n->meta.name) ? TRI_TRUE : TRI_FALSE;
	return by_links(p, a);
}
