/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The endpoints of one Service port in one family, and which of them this node uses:
 * pkg/proxy/endpointslicecache.go for what counts as an endpoint, pkg/proxy/topology.go for the
 * choice. An endpoint belongs to a Service port by port name and protocol; the Service's
 * targetPort and the old Endpoints objects play no part.
 */

#include <errno.h>

#include "expect-private.h"

#define PROXY_NAME_LABEL "service.kubernetes.io/service-proxy-name"
#define ZONE_LABEL "topology.kubernetes.io/zone"
#define HINTS_ANNOTATION_OLD "service.kubernetes.io/topology-aware-hints"
#define HINTS_ANNOTATION "service.kubernetes.io/topology-mode"

enum topology { TOPOLOGY_NONE, TOPOLOGY_ZONE, TOPOLOGY_NODE };

static bool slice_counts(const struct expect_node *node, const struct k8s_slice *slice, int family)
{
	const char *type = family == AF_INET ? "IPv4" : "IPv6";
	if (k8s_label_get(&slice->meta.labels, PROXY_NAME_LABEL) && !expect_after(node, CHANGE_LABELS_APART)) {
		return false;
	}
	return !slice->headless && slice->address_type && strcmp(slice->address_type, type) == 0;
}

static bool slice_port_is(const struct k8s_slice_port *sp, const struct k8s_service_port *port)
{
	return sp->name && sp->has_port && sp->port && sp->proto == port->proto &&
	       strcmp(sp->name, port->name) == 0;
}

static struct expect_endpoint make_endpoint(const struct expect_node *node, const struct k8s_endpoint *e,
					    uint16_t port)
{
	return (struct expect_endpoint){
		.addr = e->ip,
		.port = port,
		.ready = e->ready != 0,
		.serving = e->serving != 0,
		.terminating = e->terminating == 1,
		/* kube-proxy turns its own name to lower case, as the API demands of a node's. */
		.local = node->name && node->name[0] && e->node_name &&
			 strcasecmp(node->name, e->node_name) == 0,
		.node = e->node_name,
		.zone = e->zone,
		.object = e,
	};
}

/* Of two with one address and port the one that is not terminating comes first, then the local one. */
static int endpoint_cmp(const void *a, const void *b)
{
	const struct expect_endpoint *x = a, *y = b;
	int r = ip_addr_cmp(&x->addr, &y->addr);
	if (r == 0) {
		r = (int)x->port - (int)y->port;
	}
	if (r == 0) {
		r = (int)x->terminating - (int)y->terminating;
	}
	if (r == 0) {
		r = (int)y->local - (int)x->local;
	}
	return r;
}

static bool same_endpoint(const struct expect_endpoint *a, const struct expect_endpoint *b)
{
	return a->port == b->port && ip_addr_equal(&a->addr, &b->addr);
}

/* Every endpoint of the port, doubles included, into @v; only counts when @v is NULL. */
static size_t gather(const struct k8s_slice_group *group, const struct expect_node *node,
		     const struct expect_port *p, struct expect_endpoint *v)
{
	size_t n = 0;
	for (size_t i = 0; group && i < group->v.len; i++) {
		const struct k8s_slice *slice = group->v.v[i];
		bool counts = slice_counts(node, slice, p->family);
		for (size_t j = 0; j < slice->nports && counts; j++) {
			if (!slice_port_is(&slice->ports[j], p->port)) {
				continue;
			}
			for (size_t k = 0; k < slice->nendpoints; k++) {
				if (slice->endpoints[k].ip.family != p->family) {
					continue;
				}
				if (v) {
					v[n] = make_endpoint(node, &slice->endpoints[k],
							     slice->ports[j].port);
				}
				n++;
			}
		}
	}
	return n;
}

static int collect(struct arena *arena, const struct k8s_cluster *cluster, const struct expect_node *node,
		   struct expect_port *p)
{
	const struct k8s_slice_group *group = k8s_slices_of(cluster, p->service);
	size_t n = gather(group, node, p, NULL);
	if (n == 0) {
		return 0;
	}
	struct expect_endpoint *v = arena_array(arena, struct expect_endpoint, n);
	if (!v) {
		return -ENOMEM;
	}
	gather(group, node, p, v);
	qsort(v, n, sizeof(*v), endpoint_cmp);
	size_t len = 1;
	for (size_t i = 1; i < n; i++) {
		if (!same_endpoint(&v[len - 1], &v[i])) {
			v[len++] = v[i];
		}
	}
	p->all = v;
	p->nall = len;
	return 0;
}

static bool has(const char *const *v, size_t len, const char *s)
{
	for (size_t i = 0; s && i < len; i++) {
		if (v[i] && strcmp(v[i], s) == 0) {
			return true;
		}
	}
	return false;
}

/* kube-proxy's name of its node is in lower case, as every Node's is. */
static bool has_node(const struct k8s_endpoint *e, const char *name)
{
	for (size_t i = 0; name && i < e->nnode_hints; i++) {
		if (e->node_hints[i] && strcasecmp(e->node_hints[i], name) == 0) {
			return true;
		}
	}
	return false;
}

/* Before 1.31 a Service had to ask for topology by an annotation, before 1.24 a policy Local ended the question. */
static bool hints_asked_for(const struct expect_node *node, const struct k8s_service *s)
{
	if (!expect_after(node, CHANGE_POLICIES_APART) && expect_external_local(s)) {
		return false;
	}
	if (expect_after(node, CHANGE_HINTS_NO_ANNOTATION)) {
		return true;
	}
	const char *value = k8s_label_get(&s->meta.annotations, HINTS_ANNOTATION_OLD);
	if (!value && expect_after(node, CHANGE_HINTS_ANY_VALUE)) {
		value = k8s_label_get(&s->meta.annotations, HINTS_ANNOTATION);
	}
	if (!value || !value[0]) {
		return false;
	}
	if (expect_after(node, CHANGE_HINTS_ANY_VALUE)) {
		return strcmp(value, "disabled") != 0 && strcmp(value, "Disabled") != 0;
	}
	return strcmp(value, "auto") == 0 || strcmp(value, "Auto") == 0;
}

/* Hints count when every ready endpoint has one and one of them is for this node or its zone. */
static enum topology topology_of(const struct expect_node *node, const struct expect_port *p,
				 const char *zone)
{
	if (!expect_after(node, CHANGE_HINTS) || !hints_asked_for(node, p->service)) {
		return TOPOLOGY_NONE;
	}
	bool all_node = true, all_zone = true, for_node = false, for_zone = false;
	for (size_t i = 0; i < p->nall; i++) {
		const struct k8s_endpoint *e = p->all[i].object;
		if (!p->all[i].ready) {
			continue;
		}
		all_node &= e->nnode_hints > 0;
		all_zone &= e->nzone_hints > 0;
		for_node |= has_node(e, node->name);
		for_zone |= has(e->zone_hints, e->nzone_hints, zone);
	}
	if (all_node && for_node && expect_after(node, CHANGE_NODE_HINTS)) {
		return TOPOLOGY_NODE;
	}
	return all_zone && for_zone ? TOPOLOGY_ZONE : TOPOLOGY_NONE;
}

static bool in_topology(const struct expect_node *node, const struct expect_endpoint *e, enum topology t,
			const char *zone)
{
	switch (t) {
	case TOPOLOGY_NODE:
		return has_node(e->object, node->name);
	case TOPOLOGY_ZONE:
		return has(e->object->zone_hints, e->object->nzone_hints, zone);
	case TOPOLOGY_NONE:
		break;
	}
	return true;
}

static bool last_resort(const struct expect_node *node, const struct expect_endpoint *e)
{
	return !e->ready && e->serving && e->terminating && expect_after(node, CHANGE_TERMINATING);
}

static void choose_cluster(const struct expect_node *node, struct expect_port *p,
			   const struct expect_endpoint **v)
{
	const char *zone = node->object ? k8s_label_get(&node->object->meta.labels, ZONE_LABEL) : NULL;
	enum topology t = topology_of(node, p, zone);
	size_t n = 0;
	for (size_t i = 0; i < p->nall; i++) {
		if (p->all[i].ready && in_topology(node, &p->all[i], t, zone)) {
			v[n++] = &p->all[i];
		}
	}
	if (n == 0) {
		for (size_t i = 0; i < p->nall; i++) {
			if (last_resort(node, &p->all[i])) {
				v[n++] = &p->all[i];
			}
		}
	}
	p->cluster = v;
	p->ncluster = n;
	p->uses_topology = t != TOPOLOGY_NONE;
}

/* Looks at this node only, and at no hints. */
static void choose_local(const struct expect_node *node, struct expect_port *p,
			 const struct expect_endpoint **v)
{
	size_t n = 0;
	for (size_t i = 0; i < p->nall; i++) {
		if (p->all[i].local && p->all[i].ready) {
			v[n++] = &p->all[i];
		}
	}
	if (n == 0) {
		for (size_t i = 0; i < p->nall; i++) {
			if (p->all[i].local && last_resort(node, &p->all[i])) {
				v[n++] = &p->all[i];
			}
		}
	}
	p->local = v;
	p->nlocal = n;
}

int expect_endpoints(struct arena *arena, const struct k8s_cluster *cluster, const struct expect_node *node,
		     struct expect_port *p)
{
	int r = collect(arena, cluster, node, p);
	if (r < 0 || p->nall == 0) {
		return r;
	}
	const struct expect_endpoint **v = arena_array(arena, const struct expect_endpoint *, 2 * p->nall);
	if (!v) {
		return -ENOMEM;
	}
	choose_cluster(node, p, v);
	choose_local(node, p, v + p->nall);
	/* Before 1.24 internal policy Local left this node's endpoints to everybody, and nothing of the others. */
	if (!expect_after(node, CHANGE_POLICIES_APART) && expect_internal_local(node, p->service)) {
		p->cluster = p->local;
		p->ncluster = p->nlocal;
		p->uses_topology = false;
	}
	/*
	 * A ready or last-resort endpoint anywhere is always among the cluster's: topology never
	 * leaves none.
	 */
	p->any_anywhere = p->ncluster > 0;
	return 0;
}
