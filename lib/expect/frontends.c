/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frontends of a Service on a node: every address, protocol and port that kube-proxy writes
 * rules for there, from the API and the node's addresses. The endpoints behind them come from
 * endpoints.c; what each kind of client must get is in answer.c.
 */

#include <errno.h>

#include "expect-private.h"

/* The node's addresses that node ports answer on, one family each; gathered at most once for a Service. */
struct node_addrs {
	bool done, known;
	const struct ip_addr *v;
	size_t len;
};

struct builder {
	struct arena *arena;
	const struct k8s_cluster *cluster;
	const struct expect_node *node;
	struct expect_frontend *v;
	size_t len;
	struct node_addrs addrs4, addrs6;
};

static int addr_cmp(const void *a, const void *b)
{
	return ip_addr_cmp(a, b);
}

/*
 * Thousands of cluster IPs may be left on kube-ipvs0 after a change of mode: they are no node-port
 * addresses that anybody uses.
 */
static bool takes_part(const char *ifname)
{
	return !ifname || strcmp(ifname, EXPECT_IPVS_INTERFACE) != 0;
}

static void offer(const struct expect_node *node, int family, const struct ip_addr *a, struct ip_addr *v,
		  size_t *n)
{
	if (a->family == family && expect_is_node_port_addr(node, a)) {
		if (v) {
			v[*n] = *a;
		}
		(*n)++;
	}
}

/* IPVS mode and nftables' set of addresses are made from the interfaces; a local route alone does not count. */
static bool routes_count(const struct expect_node *node, int family)
{
	return node->mode == MODE_IPTABLES ||
	       (node->mode == MODE_NFTABLES && expect_node_ports(node, family) == NODE_PORTS_ALL) ||
	       !node->facts->addrs_known;
}

/*
 * Offers what the node has: its addresses and the single addresses of its local routes; else what
 * the Node object claims. Counts when @v is NULL.
 */
static size_t offer_all(const struct expect_node *node, int family, struct ip_addr *v)
{
	const struct node_facts *f = node->facts;
	size_t n = 0;
	if (f && (f->addrs_known || f->routes_known)) {
		bool routes = routes_count(node, family);
		for (size_t i = 0; i < f->addrs.len && f->addrs_known; i++) {
			if (takes_part(f->addrs.v[i].ifname)) {
				offer(node, family, &f->addrs.v[i].addr, v, &n);
			}
		}
		for (size_t i = 0; i < f->routes.len && f->routes_known && routes; i++) {
			const struct node_route *r = &f->routes.v[i];
			if (r->type == RT_LOCAL && r->dst.len == 8 * ip_addr_size(&r->dst.addr) &&
			    takes_part(r->dev)) {
				offer(node, family, &r->dst.addr, v, &n);
			}
		}
		return n;
	}
	for (size_t i = 0; f && i < f->claimed.len; i++) {
		offer(node, family, &f->claimed.v[i], v, &n);
	}
	for (size_t i = 0; node->object && i < node->object->naddresses; i++) {
		offer(node, family, &node->object->addresses[i].ip, v, &n);
	}
	return n;
}

static int find_node_addrs(struct builder *b, int family, struct node_addrs *a)
{
	const struct node_facts *f = b->node->facts;
	a->done = true;
	a->known = f && (f->addrs_known || f->routes_known) &&
		   expect_node_ports(b->node, family) != NODE_PORTS_UNKNOWN;
	size_t n = offer_all(b->node, family, NULL);
	if (n == 0) {
		return 0;
	}
	struct ip_addr *v = arena_array(b->arena, struct ip_addr, n);
	if (!v) {
		return -ENOMEM;
	}
	offer_all(b->node, family, v);
	qsort(v, n, sizeof(*v), addr_cmp);
	size_t len = 1;
	for (size_t i = 1; i < n; i++) {
		if (!ip_addr_equal(&v[len - 1], &v[i])) {
			v[len++] = v[i];
		}
	}
	a->v = v;
	a->len = len;
	a->known = true;
	return 0;
}

static struct expect_frontend *add(struct builder *b, enum expect_kind kind, const struct expect_port *p)
{
	struct expect_frontend *f = &b->v[b->len++];
	f->kind = kind;
	f->port = p;
	f->proto = p->port->proto;
	f->number = p->port->port;
	return f;
}

static int add_on_node(struct builder *b, enum expect_kind kind, const struct expect_port *p, uint8_t proto,
		       uint16_t number)
{
	struct node_addrs *a = p->family == AF_INET ? &b->addrs4 : &b->addrs6;
	if (!a->done) {
		int r = find_node_addrs(b, p->family, a);
		if (r < 0) {
			return r;
		}
	}
	struct expect_frontend *f = add(b, kind, p);
	f->proto = proto;
	f->number = number;
	f->addrs = a->v;
	f->naddrs = a->len;
	f->addrs_known = a->known;
	return 0;
}

static bool left_alone(const struct expect_node *node, const struct k8s_service *s)
{
	return k8s_service_skipped_by_proxy(s) ||
	       (!expect_after(node, CHANGE_LABELS_APART) &&
		k8s_label_get(&s->meta.labels, "service.kubernetes.io/headless"));
}

static bool has_node_port(const struct k8s_service *s, uint8_t proto, uint16_t number)
{
	for (size_t i = 0; i < s->nports; i++) {
		if (s->ports[i].node_port == number && s->ports[i].proto == proto) {
			return true;
		}
	}
	return false;
}

/* kube-apiserver's default range: others' node ports are looked for there alone, for there can be many Services. */
#define NODE_PORT_FIRST 30000
#define NODE_PORT_LAST 32767

/*
 * In IPVS mode the addresses on kube-ipvs0 are local ones, and to a local address KUBE-NODE-PORT marks by the port alone:
 * by ipsets of TCP and UDP ports, from which those of policy Local are taken out.
 */
static bool marked_as_node_port(const struct builder *b, const struct expect_port *p)
{
	uint8_t proto = p->port->proto;
	uint16_t number = p->port->port;
	if (b->node->mode != MODE_IPVS || proto == IPPROTO_SCTP) {
		return false;
	}
	if (has_node_port(p->service, proto, number)) {
		return !expect_external_local(p->service);
	}
	for (size_t i = 0; i < b->cluster->services.len && number >= NODE_PORT_FIRST && number <= NODE_PORT_LAST; i++) {
		const struct k8s_service *s = b->cluster->services.v[i];
		if (has_node_port(s, proto, number) && !left_alone(b->node, s)) {
			return !expect_external_local(s);
		}
	}
	return false;
}

/* The health-check port is the Service's, not a port's: it is given once a family. */
static int add_frontends(struct builder *b, const struct expect_port *p, bool first_of_family)
{
	const struct k8s_service *s = p->service;
	bool marked = marked_as_node_port(b, p);
	struct expect_frontend *f = add(b, EXPECT_CLUSTER_IP, p);
	f->addr = p->cluster_ip;
	f->marked = marked;
	for (size_t i = 0; i < s->nexternal_ips && expect_external_ips_on(b->node); i++) {
		if (s->external_ips[i].family == p->family) {
			add(b, EXPECT_EXTERNAL_IP, p)->addr = s->external_ips[i];
		}
	}
	for (size_t i = 0; i < s->ningress; i++) {
		if (expect_is_vip(b->node, &s->ingress[i], p->family)) {
			f = add(b, EXPECT_LOAD_BALANCER, p);
			f->addr = s->ingress[i].ip;
			f->marked = marked;
		}
	}
	int r = 0;
	if (p->port->node_port) {
		r = add_on_node(b, EXPECT_NODE_PORT, p, p->port->proto, p->port->node_port);
	}
	/* nftables mode leaves the health-check port to the node's own filter. */
	if (r == 0 && first_of_family && expect_health_port(s) && b->node->mode != MODE_NFTABLES &&
	    expect_after(b->node, CHANGE_HEALTH_ACCEPT)) {
		r = add_on_node(b, EXPECT_HEALTH_CHECK, p, IPPROTO_TCP, expect_health_port(s));
	}
	return r;
}

/* The first cluster IP of each family. */
static size_t families(const struct k8s_service *s, struct ip_addr ret[static 2])
{
	size_t n = 0;
	for (size_t i = 0; i < s->ncluster_ips && n < 2; i++) {
		const struct ip_addr *a = &s->cluster_ips[i];
		if (a->family && (n == 0 || ret[0].family != a->family)) {
			ret[n++] = *a;
		}
	}
	return n;
}

static int fill_port(struct arena *arena, const struct k8s_cluster *cluster, const struct expect_node *node,
		     const struct k8s_service *s, const struct k8s_service_port *port,
		     const struct ip_addr *ip, struct expect_port *ret)
{
	*ret = (struct expect_port){ .service = s, .port = port, .family = ip->family, .cluster_ip = *ip };
	return expect_endpoints(arena, cluster, node, ret);
}

int expect_service(struct arena *arena, const struct k8s_cluster *cluster, const struct k8s_service *s,
		   const struct expect_node *node, struct expect_service *ret)
{
	struct ip_addr ips[2];
	size_t nips = left_alone(node, s) ? 0 : families(s, ips);
	size_t nports = nips * s->nports;
	if (nports == 0) {
		*ret = (struct expect_service){ .service = s };
		return 0;
	}
	struct expect_port *ports = arena_array(arena, struct expect_port, nports);
	struct builder b = { .arena = arena, .cluster = cluster, .node = node };
	/* Each port: the cluster IP, the node port, the health check, and all addresses of both lists. */
	b.v = arena_array(arena, struct expect_frontend, nports * (3 + s->nexternal_ips + s->ningress));
	if (!ports || !b.v) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < nports; i++) {
		size_t family = i / s->nports, port = i % s->nports;
		int r = fill_port(arena, cluster, node, s, &s->ports[port], &ips[family], &ports[i]);
		if (r == 0) {
			r = add_frontends(&b, &ports[i], port == 0);
		}
		if (r < 0) {
			return r;
		}
	}
	*ret = (struct expect_service){
		.service = s,
		.ports = ports,
		.nports = nports,
		.frontends = b.v,
		.nfrontends = b.len,
	};
	return 0;
}
