/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `connect` tries: who the client is by its addresses, and from that the endpoints, cluster IPs, external addresses and node ports of the
 * Services. Nothing but addresses of the Services themselves is ever in the plan, and never more than a bounded number of tries.
 */
#include <errno.h>
#include <netinet/in.h>

#include "connect-private.h"

enum { COUNT_ENDPOINT = 1, COUNT_FRONTEND = 10 };

const char *connect_kind_name(enum connect_kind k)
{
	static const char *const names[] = { "endpoint", "cluster IP", "external IP", "load-balancer IP", "node port" };

	return (unsigned)k < ARRAY_LEN(names) ? names[k] : "";
}

const char *connect_from_name(enum connect_from f)
{
	static const char *const names[] = { "node", "pod", "outside", "unknown" };

	return (unsigned)f < ARRAY_LEN(names) ? names[f] : "";
}

void connect_plan_release(struct connect_plan *p)
{
	array_free(&p->targets);
	array_free(&p->left);
	arena_release(&p->arena);
}

/* ---- the client ---- */

static bool is_among(const struct ip_addr *v, size_t n, const struct ip_addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (ip_addr_equal(&v[i], a))
			return true;
	return false;
}

static bool has_address(const struct connect_client *c, const struct ip_addr *a)
{
	return is_among(c->addrs, c->naddrs, a);
}

static void known_by(struct connect_client *c, const struct ip_addr *a)
{
	struct ip_addr *mine = &c->addr[a->family == AF_INET6];

	if (a->family && !mine->family)
		*mine = *a;
}

static bool take_node(struct connect_client *c, const struct k8s_node *n)
{
	for (size_t k = 0; k < n->naddresses; k++) {
		if (n->addresses[k].ip.family && has_address(c, &n->addresses[k].ip)) {
			c->from = FROM_NODE;
			c->name = c->node = n->meta.name;
			known_by(c, &n->addresses[k].ip);
		}
	}
	return c->from == FROM_NODE;
}

static bool take_pod(struct arena *a, const struct snapshot *s, struct connect_client *c)
{
	for (size_t i = 0; i < c->naddrs; i++) {
		const struct k8s_pod *p = map_get(&s->cluster.pod_by_ip, &c->addrs[i], sizeof(c->addrs[i]));

		if (!p)
			continue;
		c->from = FROM_POD;
		c->pod = p;
		c->node = p->node;
		c->name = arena_printf(a, "%s/%s", p->meta.ns, p->meta.name);
		known_by(c, &c->addrs[i]);
	}
	return c->from == FROM_POD;
}

/* A pod or a node that has no object here, and whose address is of a node's pods. */
static bool take_range(const struct snapshot *s, struct connect_client *c)
{
	for (size_t i = 0; i < c->naddrs; i++) {
		const struct k8s_node *n = k8s_node_of_ip(&s->cluster, &c->addrs[i]);

		if (!n)
			continue;
		c->from = FROM_POD;
		c->node = n->meta.name;
		known_by(c, &c->addrs[i]);
	}
	return c->from == FROM_POD;
}

/* Another network namespace of a machine that is a node: a pod, or something like it, and the node is its own. */
static bool take_host(const struct snapshot *s, const struct connect_options *o, struct connect_client *c)
{
	for (size_t i = 0; o->entered && i < s->cluster.nodes.len && c->from == FROM_UNKNOWN; i++) {
		const struct k8s_node *n = s->cluster.nodes.v[i];

		for (size_t k = 0; k < n->naddresses; k++) {
			if (n->addresses[k].ip.family && is_among(o->host_addrs, o->nhost_addrs, &n->addresses[k].ip)) {
				c->from = FROM_POD;
				c->node = n->meta.name;
			}
		}
	}
	return c->from == FROM_POD;
}

static bool is_known(const struct snapshot *s, enum k8s_kind k)
{
	return s->kinds[k] == KNOWN && !s->extents[k].limited;
}

static int find_client(const struct snapshot *s, const struct connect_options *o, struct connect_plan *p)
{
	struct connect_client *c = &p->client;
	bool found = false;

	*c = (struct connect_client){ .from = FROM_UNKNOWN, .entered = o->entered, .in_pod = o->in_pod, .addrs = o->addrs, .naddrs = o->naddrs };
	for (size_t i = 0; i < s->cluster.nodes.len && !found; i++)
		found = take_node(c, s->cluster.nodes.v[i]);
	found = found || take_pod(&p->arena, s, c) || take_range(s, c) || take_host(s, o, c);
	/* a pod whose object was not read is still inside */
	if (!found && is_known(s, K8S_NODES) && !o->entered && !o->in_pod)
		c->from = FROM_OUTSIDE;
	for (size_t i = 0; i < c->naddrs; i++)
		known_by(c, &c->addrs[i]);
	return c->from == FROM_POD && c->pod && !c->name ? -ENOMEM : 0;
}

int connect_expect_node(struct arena *a, const struct snapshot *s, const char *name, struct expect_node *ret)
{
	const char *mode;

	for (size_t i = 0; name && i < s->nodes.len; i++)
		if (strcmp(s->nodes.v[i]->name, name) == 0)
			return verify_expect_node(a, s, s->nodes.v[i], ret);
	mode = s->configmap_config.known && s->configmap_config.mode ? s->configmap_config.mode : "";
	*ret = (struct expect_node){ .cluster = &s->cluster, .config = &s->configmap_config, .name = name ? name : "", .minor = -1 };
	ret->mode = strcmp(mode, "ipvs") == 0 ? MODE_IPVS : strcmp(mode, "nftables") == 0 ? MODE_NFTABLES : MODE_IPTABLES;
	ret->object = name ? k8s_find_node(&s->cluster, name) : NULL;
	if (s->cluster.version)
		ret->minor = k8s_minor_version(s->cluster.version);
	for (size_t i = 0; ret->object && i < ret->object->naddresses; i++) {
		const struct ip_addr *x = &ret->object->addresses[i].ip;
		struct ip_addr *mine = x->family == AF_INET6 ? &ret->ip6 : &ret->ip4;

		if (x->family && !mine->family)
			*mine = *x;
	}
	return 0;
}

/* ---- the targets ---- */

struct planner {
	const struct snapshot *s;
	const struct connect_options *o;
	struct connect_plan *p;
	struct expect_node node; /* the client's */
	const struct k8s_service *service;
	int err;
};

static void leave(struct planner *x, const struct k8s_service_port *port, const char *what, const char *reason)
{
	struct connect_left l = { x->service, port, what, reason };

	for (size_t i = 0; i < x->p->left.len; i++) {
		const struct connect_left *y = &x->p->left.v[i];

		if (y->service == l.service && y->port == l.port && strcmp(y->what, what) == 0 && strcmp(y->reason, reason) == 0)
			return;
	}
	if (array_push(&x->p->left, l) < 0)
		x->err = -ENOMEM;
}

static bool is_dns(const struct k8s_service_port *p)
{
	return p->port == 53 || p->target.number == 53 || str_starts(p->name, "dns");
}

/* How a port is tried; false: it is not. */
static bool way_of(struct planner *x, const struct k8s_service_port *p, enum snap_try_way *ret)
{
	if (p->proto == IPPROTO_TCP) {
		*ret = x->o->http ? WAY_HTTP : WAY_TCP;
		return true;
	}
	if (p->proto == IPPROTO_UDP && x->o->udp) {
		*ret = is_dns(p) ? WAY_DNS : WAY_UDP;
		return true;
	}
	leave(x, p, "the port", p->proto == IPPROTO_UDP ? "it is UDP (--udp sends a datagram)" : "it is neither TCP nor UDP");
	return false;
}

static struct connect_target *add(struct planner *x, enum connect_kind kind, const struct k8s_service_port *port, const struct ip_addr *a,
				  uint16_t number)
{
	struct connect_target t = { .kind = kind, .service = x->service, .port = port, .addr = *a, .number = number, .proto = port->proto,
				    .weight = NAN, .expected = NAN, .predicted = NAN };

	if (!a->family || !way_of(x, port, &t.way))
		return NULL;
	t.count = x->o->count ? x->o->count : kind == CONNECT_ENDPOINT ? COUNT_ENDPOINT : COUNT_FRONTEND;
	if (x->p->targets.len >= CONNECT_TARGETS_MAX || x->p->tries + t.count > CONNECT_TRIES_MAX) {
		leave(x, NULL, "the rest", "there are too many addresses or tries for one run");
		return NULL;
	}
	x->p->tries += t.count;
	t.tries = arena_array(&x->p->arena, struct snap_try, t.count);
	if (!t.tries || array_push(&x->p->targets, t) < 0) {
		x->err = -ENOMEM;
		return NULL;
	}
	return &x->p->targets.v[x->p->targets.len - 1];
}

static void add_endpoint(struct planner *x, const struct k8s_service_port *port, const struct ip_addr *a, uint16_t number, const char *node)
{
	const struct connect_client *c = &x->p->client;
	struct connect_target *t;

	/* a port that is there twice, or an endpoint of two slices */
	for (size_t i = x->p->targets.len; i > 0 && x->p->targets.v[i - 1].service == x->service; i--) {
		const struct connect_target *y = &x->p->targets.v[i - 1];

		if (y->kind == CONNECT_ENDPOINT && y->port == port && y->number == number && ip_addr_equal(&y->addr, a))
			return;
	}
	t = add(x, CONNECT_ENDPOINT, port, a, number);
	if (!t)
		return;
	t->pod = map_get(&x->s->cluster.pod_by_ip, a, sizeof(*a));
	t->node = node ? node : t->pod ? t->pod->node : NULL;
	t->here = t->node && c->node && strcmp(t->node, c->node) == 0;
	t->self = c->from != FROM_OUTSIDE && has_address(c, a);
}

static bool usable(const struct k8s_endpoint *e, bool fallback)
{
	return fallback ? e->serving != 0 && e->terminating == 1 : e->ready != 0;
}

/* The endpoints that DNS gives out for a Service without a cluster IP: kube-proxy has nothing to do with it. */
static bool headless_endpoints(struct planner *x, const struct k8s_service_port *port, bool fallback)
{
	const struct k8s_slice_group *g = k8s_slices_of(&x->s->cluster, x->service);
	bool any = false;

	for (size_t i = 0; g && i < g->v.len; i++) {
		const struct k8s_slice *sl = g->v.v[i];
		for (size_t j = 0; j < sl->nports; j++) {
			const struct k8s_slice_port *sp = &sl->ports[j];

			if (!sp->name || !sp->port || sp->proto != port->proto || strcmp(sp->name, port->name) != 0)
				continue;
			for (size_t k = 0; k < sl->nendpoints; k++) {
				const struct k8s_endpoint *e = &sl->endpoints[k];

				if (e->ip.family && usable(e, fallback)) {
					add_endpoint(x, port, &e->ip, sp->port, e->node_name);
					any = true;
				}
			}
		}
	}
	return any;
}

static void port_endpoints(struct planner *x, const struct expect_port *p)
{
	bool any = false;

	for (int fallback = 0; fallback < 2 && !any; fallback++) {
		for (size_t i = 0; i < p->nall; i++) {
			const struct expect_endpoint *e = &p->all[i];

			if (fallback ? e->serving && e->terminating : e->ready) {
				add_endpoint(x, p->port, &e->addr, e->port, e->node);
				any = true;
			}
		}
	}
}

static bool inside(const struct planner *x)
{
	return x->p->client.from != FROM_OUTSIDE;
}

/* ---- node ports ---- */

static const struct ip_addr *node_address(const struct planner *x, const struct k8s_node *n, int family)
{
	const struct ip_addr *internal = NULL, *external = NULL;

	for (size_t i = 0; i < n->naddresses; i++) {
		const struct k8s_node_address *a = &n->addresses[i];

		if (a->ip.family != family || !a->type)
			continue;
		if (!internal && strcmp(a->type, "InternalIP") == 0)
			internal = &a->ip;
		if (!external && strcmp(a->type, "ExternalIP") == 0)
			external = &a->ip;
	}
	return (!inside(x) && external) || !internal ? external : internal;
}

static bool has_local(const struct expect_port *p, const char *node)
{
	for (size_t i = 0; i < p->nall; i++)
		if (p->all[i].node && strcmp(p->all[i].node, node) == 0 && (p->all[i].ready || (p->all[i].serving && p->all[i].terminating)))
			return true;
	return false;
}

static void node_port(struct planner *x, const struct expect_port *p, const struct k8s_node *n, size_t *tried)
{
	const struct ip_addr *a = node_address(x, n, p->family);
	bool here = x->p->client.node && strcmp(x->p->client.node, n->meta.name) == 0;
	struct expect_node node;
	struct connect_target *t;

	if (!a)
		return;
	if (x->service->external_local && !here && !has_local(p, n->meta.name)) {
		leave(x, p->port, "node ports of nodes without an endpoint", "externalTrafficPolicy is Local: they answer nobody");
		return;
	}
	if (connect_expect_node(&x->p->arena, x->s, n->meta.name, &node) < 0) {
		x->err = -ENOMEM;
		return;
	}
	if (node.config && node.config->known && expect_answers_node_ports(&node, a) == TRI_FALSE) {
		leave(x, p->port, "node ports", "nodePortAddresses leaves the node's address out");
		return;
	}
	if (*tried >= CONNECT_NODES_MAX) {
		leave(x, p->port, "node ports of more nodes", "those of 16 nodes are tried");
		return;
	}
	t = add(x, CONNECT_NODE_PORT, p->port, a, p->port->node_port);
	if (!t)
		return;
	t->node = n->meta.name;
	t->here = here;
	(*tried)++;
}

/* Addresses of a load balancer that answers itself: no node has rules for them. */
static void balancers(struct planner *x, const struct expect_service *e, const struct expect_port *p)
{
	const struct k8s_service *s = x->service;

	for (size_t i = 0; i < s->ningress; i++) {
		bool have = false;

		for (size_t k = 0; k < e->nfrontends; k++)
			have |= e->frontends[k].port == p && e->frontends[k].kind == EXPECT_LOAD_BALANCER && ip_addr_equal(&e->frontends[k].addr, &s->ingress[i].ip);
		if (!have && s->ingress[i].ip.family == p->family)
			(void)add(x, CONNECT_LOAD_BALANCER, p->port, &s->ingress[i].ip, p->port->port);
		if (!s->ingress[i].ip.family)
			leave(x, p->port, "the load balancer's host name", "names are not looked up here");
	}
}

/* The client's own node first. */
static void node_ports(struct planner *x, const struct expect_port *p)
{
	size_t tried = 0;

	for (int own = 1; own >= 0 && p->port->node_port; own--) {
		for (size_t i = 0; i < x->s->cluster.nodes.len; i++) {
			const struct k8s_node *n = x->s->cluster.nodes.v[i];
			bool here = x->p->client.node && strcmp(x->p->client.node, n->meta.name) == 0;

			if (here == (own == 1))
				node_port(x, p, n, &tried);
		}
	}
}

/* ---- a Service ---- */

static bool wanted(const struct planner *x, const struct k8s_service_port *p)
{
	uint64_t number;
	bool named = false;

	for (size_t i = 0; i < x->o->nasked; i++) {
		const struct asked_service *q = &x->o->asked[i];

		if (q->service != x->service)
			continue;
		named = true;
		if (q->asked.port == (q->asked.place == ASKED_NODE ? p->node_port : p->port) && (!q->asked.proto || q->asked.proto == p->proto))
			return true;
	}
	if (!x->o->port)
		return !named;
	if (parse_uint(x->o->port, strlen(x->o->port), 65535, &number) == 0)
		return p->port == number;
	return strcmp(p->name, x->o->port) == 0;
}

static enum connect_kind kind_of(enum expect_kind k)
{
	return k == EXPECT_CLUSTER_IP ? CONNECT_CLUSTER_IP : k == EXPECT_EXTERNAL_IP ? CONNECT_EXTERNAL_IP : CONNECT_LOAD_BALANCER;
}

static void frontends(struct planner *x, const struct expect_service *e, const struct expect_port *p)
{
	static const enum expect_kind order[] = { EXPECT_CLUSTER_IP, EXPECT_EXTERNAL_IP, EXPECT_LOAD_BALANCER };

	for (size_t k = 0; k < ARRAY_LEN(order); k++) {
		for (size_t i = 0; i < e->nfrontends; i++) {
			const struct expect_frontend *f = &e->frontends[i];

			if (f->port != p || f->kind != order[k])
				continue;
			if (f->kind == EXPECT_CLUSTER_IP && !inside(x))
				leave(x, p->port, "cluster IP", "it means nothing outside the cluster");
			else
				(void)add(x, kind_of(f->kind), p->port, &f->addr, f->number);
		}
	}
	balancers(x, e, p);
	node_ports(x, p);
}

static int by_place(const void *a, const void *b)
{
	const struct connect_target *x = a, *y = b;
	int r;

	if (x->addr.family != y->addr.family)
		return x->addr.family == AF_INET ? -1 : 1;
	if (x->here != y->here)
		return x->here ? -1 : 1;
	r = strcmp(x->node ? x->node : "\x7f", y->node ? y->node : "\x7f");
	r = r ? r : ip_addr_cmp(&x->addr, &y->addr);
	return r ? r : (int)x->number - (int)y->number;
}

static void one_port(struct planner *x, const struct expect_service *e, const struct expect_port *p)
{
	size_t from = x->p->targets.len;

	if (inside(x))
		port_endpoints(x, p);
	else if (p->nall > 0)
		leave(x, p->port, "endpoints", "they are not to be reached from outside the cluster");
	if (x->p->targets.len > from)
		qsort(x->p->targets.v + from, x->p->targets.len - from, sizeof(*x->p->targets.v), by_place);
	frontends(x, e, p);
}

static void headless(struct planner *x)
{
	for (size_t i = 0; i < x->service->nports; i++) {
		const struct k8s_service_port *port = &x->service->ports[i];
		size_t from = x->p->targets.len;

		if (!wanted(x, port))
			continue;
		if (!inside(x))
			leave(x, port, "endpoints", "they are not to be reached from outside the cluster");
		else if (!headless_endpoints(x, port, false))
			(void)headless_endpoints(x, port, true);
		if (x->p->targets.len > from)
			qsort(x->p->targets.v + from, x->p->targets.len - from, sizeof(*x->p->targets.v), by_place);
	}
}

static int one_service(struct planner *x, const struct k8s_service *s)
{
	struct expect_service e = { 0 };
	bool any = false;
	int r;

	x->service = s;
	if (s->external_name || strcmp(s->type, "ExternalName") == 0) {
		leave(x, NULL, "the Service", "it is of type ExternalName: it has neither endpoints nor addresses");
		return 0;
	}
	for (size_t i = 0; i < s->nports; i++)
		any |= wanted(x, &s->ports[i]);
	if (!any)
		leave(x, NULL, "the Service", s->nports ? "it has no such port" : "it has no port");
	if (s->headless || s->ncluster_ips == 0) {
		headless(x);
		return x->err;
	}
	r = expect_service(&x->p->arena, &x->s->cluster, s, &x->node, &e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < e.nports && !x->err; i++)
		if (wanted(x, e.ports[i].port))
			one_port(x, &e, &e.ports[i]);
	if (e.nports == 0 && s->nports > 0)
		leave(x, NULL, "the Service", "another program than kube-proxy serves it");
	return x->err;
}

int connect_plan_make(const struct snapshot *s, const struct connect_options *o, struct connect_plan *ret)
{
	struct planner x = { .s = s, .o = o, .p = ret };
	int r = find_client(s, o, ret);

	if (r == 0)
		r = connect_expect_node(&ret->arena, s, ret->client.node, &x.node);
	for (size_t i = 0; r == 0 && i < o->nservices; i++)
		r = one_service(&x, o->services[i]);
	return r;
}
