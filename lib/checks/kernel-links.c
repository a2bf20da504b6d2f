/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnels that carry packets from node to node, as the network plugin set them up: whether packets of full size fit, whether each tunnel
 * knows where the other node is, and what the network card does to checksums. Only links that a route to another node's pods goes into count: a
 * node may have other tunnels, and a routed network has none.
 */
#include <ctype.h>
#include <netinet/in.h>

#include "kernel-private.h"

#define ROUTES_TRIED 64

/* ---- tunnels that carry pods ---- */

/* Bytes that a tunnel puts before a packet, over IPv4 and over IPv6: outer IP 20 or 40, UDP 8, VXLAN or Geneve 8, inner Ethernet 14; WireGuard 32. */
static const struct kind {
	const char *name;
	unsigned over4, over6;
} kinds[] = {
	{ "vxlan", 50, 70 }, { "geneve", 50, 70 }, { "ipip", 20, 20 }, { "sit", 20, 20 }, { "ip6tnl", 40, 40 }, { "gre", 24, 24 }, { "wireguard", 60, 80 },
};

static const struct kind *kind_of(const struct node_link *l)
{
	for (size_t i = 0; l->kind && i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, l->kind) == 0)
			return &kinds[i];
	return NULL;
}

static bool into(const struct node_route *t, const struct node_link *l)
{
	return t->type == RT_UNICAST && t->dst.len > 0 && str_is(t->dev, l->name);
}

/* The other node whose pods this route leads to: by its podCIDRs, else by a pod there. NULL: none. */
static const char *node_behind(const struct run *r, const struct snap_node *n, const struct node_route *t)
{
	for (size_t i = 0; i < r->c->nodes.len; i++) {
		const struct k8s_node *o = r->c->nodes.v[i];

		for (size_t k = 0; !str_is(o->meta.name, n->name) && k < o->npod_cidrs; k++)
			if (ip_prefix_overlaps(&o->pod_cidrs[k], &t->dst))
				return o->meta.name;
	}
	for (size_t i = 0; i < r->c->pods.len; i++) {
		const struct k8s_pod *p = r->c->pods.v[i];

		for (size_t k = 0; p->node && !p->host_network && !str_is(p->node, n->name) && !k8s_pod_terminal(p) && k < p->nips; k++)
			if (ip_prefix_contains(&t->dst, &p->ips[k]))
				return p->node;
	}
	return NULL;
}

/* A route of its own for each other node, or one for all of them. A link with many routes to elsewhere is something else. */
static bool carries_pods(const struct run *r, const struct snap_node *n, const struct node_link *l)
{
	size_t tried = 0;

	for (size_t i = 0; l->up && tried < ROUTES_TRIED && i < n->facts.routes.len; i++) {
		if (!into(&n->facts.routes.v[i], l))
			continue;
		if (node_behind(r, n, &n->facts.routes.v[i]))
			return true;
		tried++;
	}
	return false;
}

/* ---- MTU ---- */

/* The bridge that the node's own pods are on, and not that of other containers. */
static bool is_pods_bridge(const struct run *r, const struct snap_node *n, const char *bridge)
{
	const struct k8s_node *o = k8s_find_node(r->c, n->name);

	for (size_t i = 0; o && i < n->facts.routes.len; i++)
		for (size_t k = 0; str_is(n->facts.routes.v[i].dev, bridge) && n->facts.routes.v[i].dst.len && k < o->npod_cidrs; k++)
			if (ip_prefix_overlaps(&o->pod_cidrs[k], &n->facts.routes.v[i].dst))
				return true;
	return false;
}

/* A veth of a pod: a port of that bridge, or with a route to one address behind it. */
static bool is_pods(const struct run *r, const struct snap_node *n, const struct node_link *l, const struct node_link *uplink)
{
	if (!str_is(l->kind, "veth") || l == uplink || !l->up)
		return false;
	if (l->master)
		return is_pods_bridge(r, n, l->master);
	for (size_t i = 0; i < n->facts.routes.len; i++)
		if (into(&n->facts.routes.v[i], l) && n->facts.routes.v[i].dst.len == (n->facts.routes.v[i].family == AF_INET6 ? 128 : 32))
			return true;
	return false;
}

static struct finding *mtu_finding(struct run *r, const struct snap_node *n, const struct node_link *l)
{
	struct finding *f = kernel_finding_of(r, "mtu-mismatch", n, l->name);

	f->rank = 15;
	finding_next(r, f, "ip -d link show dev %t", l->name);
	return f;
}

/* The tunnel's own packets are larger than what the nodes' interface takes. */
static bool too_large_for_uplink(struct run *r, const struct snap_node *n, const struct node_link *l, const struct kind *k)
{
	const struct node_link *below = l->lower ? node_link_by_name(&n->facts, l->lower) : kernel_uplink(r, n);
	const unsigned over = l->over_ip6 ? k->over6 : k->over4;
	struct finding *f;

	if (!below || below == l || !below->mtu || below->loopback || below->mtu <= over || l->mtu <= below->mtu - over)
		return false;
	f = mtu_finding(r, n, l);
	finding_text(r, f, "on node %s the tunnel %s takes packets of %u bytes, and with its header of %u they do not fit into %s (MTU %u)", n->name, l->name,
		     l->mtu, over, below->name, below->mtu);
	finding_evidence(r, f, "%s (%s): MTU %u; %s: MTU %u; at most %u fit", l->name, l->kind, l->mtu, below->name, below->mtu, below->mtu - over);
	finding_next(r, f, "ip link show dev %t", below->name);
	finding_fix(r, f, "sudo ip link set dev %t mtu %u", l->name, below->mtu - over);
	return true;
}

/* Pods send larger packets than the tunnel takes: the node tells them so by ICMP, each time, and whoever drops that drops the connection. */
static void too_large_for_tunnel(struct run *r, const struct snap_node *n, const struct node_link *l)
{
	const struct node_link *uplink = kernel_uplink(r, n), *example = NULL;
	size_t pods = 0;
	struct finding *f;

	for (size_t i = 0; i < n->facts.links.len; i++) {
		const struct node_link *p = &n->facts.links.v[i];

		if (p->mtu <= l->mtu || !is_pods(r, n, p, uplink))
			continue;
		pods++;
		example = p;
	}
	if (!example)
		return;
	f = mtu_finding(r, n, l);
	finding_text(r, f, "on node %s %zu pod%s send%s packets of up to %u bytes, and the tunnel %s to other nodes takes %u", n->name, pods, PLURAL(pods),
		     pods == 1 ? "s" : "", example->mtu, l->name, l->mtu);
	finding_evidence(r, f, "%s of a pod: MTU %u; %s (%s): MTU %u", example->name, example->mtu, l->name, l->kind, l->mtu);
	if (kernel_counter(n, "IpFragFails"))
		finding_evidence(r, f, "the node refused %llu packets because of their size (IpFragFails)", (unsigned long long)kernel_counter(n, "IpFragFails"));
	finding_next(r, f, "ip link show dev %t", example->name);
}

void check_mtu(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];

		for (size_t k = 0; kernel_asked(r, n) && n->facts.links_known && n->facts.routes_known && k < n->facts.links.len; k++) {
			const struct node_link *l = &n->facts.links.v[k];
			const struct kind *kind = kind_of(l);

			if (kind && l->mtu && carries_pods(r, n, l) && !too_large_for_uplink(r, n, l, kind))
				too_large_for_tunnel(r, n, l);
		}
	}
}

/* ---- checksums ---- */

/* Where the change is in: Linux 5.7, and 5.6.13, 5.4.41, 4.19.123, 4.14.181. Before 4.14 nobody told. */
static bool spoils_checksums(const struct kernel_release *k)
{
	if (kernel_is_before(k, 4, 14, 0) || !kernel_is_before(k, 5, 7, 0))
		return false;
	if (k->v[0] == 5)
		return k->v[1] == 6 ? k->v[2] < 13 : k->v[1] != 4 || k->v[2] < 41;
	return k->v[1] == 19 ? k->v[2] < 123 : k->v[1] != 14 || k->v[2] < 181;
}

static bool offloads(const struct snap_node *n, const char *link)
{
	for (size_t i = 0; i < n->k.offloads.len; i++)
		if (str_is(n->k.offloads.v[i].link, link) && str_is(n->k.offloads.v[i].feature, "tx-checksum-ip-generic"))
			return n->k.offloads.v[i].on;
	return false;
}

static bool chain_masquerades(const struct rs_chain *c)
{
	for (uint32_t i = 0; i < c->nrules; i++) {
		const struct rs_stmt *s = rule_target(c->rules[i]);

		if (s && s->kind == ST_MASQUERADE && s->u.nat && s->u.nat->random_fully)
			return true;
	}
	return false;
}

/* By whomever: kube-proxy, or the network plugin. */
static bool masquerades_fully(const struct snap_node *n)
{
	for (size_t i = 0; i < n->rules.tables.len; i++)
		for (size_t k = 0; k < n->rules.tables.v[i]->chain_list.len; k++)
			if (chain_masquerades(n->rules.tables.v[i]->chain_list.v[k]))
				return true;
	return false;
}

static const struct node_link *offloaded_vxlan(const struct run *r, const struct snap_node *n)
{
	for (size_t i = 0; i < n->facts.links.len; i++)
		if (str_is(n->facts.links.v[i].kind, "vxlan") && offloads(n, n->facts.links.v[i].name) && carries_pods(r, n, &n->facts.links.v[i]))
			return &n->facts.links.v[i];
	return NULL;
}

/* Distributions mend their kernels without saying so in the number: there some node must have counted bad checksums. */
static const struct node_link *spoiled_link(const struct run *r, const struct snap_node *n, uint64_t errors)
{
	struct kernel_release k;
	const struct node_link *l;

	if (!kernel_release(n, &k) || !spoils_checksums(&k) || (k.vendor && !errors))
		return NULL;
	l = offloaded_vxlan(r, n);
	return l && masquerades_fully(n) ? l : NULL;
}

void check_vxlan_checksum(struct run *r)
{
	const struct node_link *l = NULL, *one;
	struct kernel_nodes g = { 0 };
	uint64_t errors = 0;
	struct finding *f;

	for (size_t i = 0; i < r->s->nodes.len; i++)
		errors += kernel_counter(r->s->nodes.v[i], "UdpInCsumErrors");
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		one = kernel_asked(r, r->s->nodes.v[i]) ? spoiled_link(r, r->s->nodes.v[i], errors) : NULL;
		if (one)
			run_push(r, &g.v, r->s->nodes.v[i]);
		l = one ? one : l;
	}
	if (g.v.len && l) {
		f = kernel_finding(r, "vxlan-checksum-offload", &g, NULL);
		f->rank = 12;
		finding_text(r, f, "the kernel of %s spoils the checksum of what the node itself sends to Services with endpoints on other nodes", kernel_names(r, &g));
		for (size_t i = 0; i < g.v.len; i++)
			finding_evidence(r, f, "node %s: Linux %s, tx-checksum-ip-generic is on at %s, and a rule masquerades with --random-fully", g.v.v[i]->name,
					 g.v.v[i]->kernel, l->name);
		for (size_t i = 0; i < r->s->nodes.len; i++)
			if (kernel_counter(r->s->nodes.v[i], "UdpInCsumErrors"))
				finding_evidence(r, f, "node %s has received %llu UDP packets with a bad checksum", r->s->nodes.v[i]->name,
						 (unsigned long long)kernel_counter(r->s->nodes.v[i], "UdpInCsumErrors"));
		finding_next(r, f, "ethtool -k %t", l->name);
		finding_fix(r, f, "sudo ethtool -K %t tx-checksum-ip-generic off", l->name);
	}
	array_free(&g.v);
}

/* ---- where a tunnel leads ---- */

#define FAULTS_MAX 8 /* of one link: a plugin that wrote nothing would be told of for each node */

/* A vxlan link, and what the node's tables say of it. */
struct tunnel {
	const struct snap_node *n;
	const struct node_link *l;
	struct map neigh; /* address -> struct node_neigh */
	struct map fdb;	  /* hardware address -> struct node_fdb with a destination */
	bool floods;	  /* what is not known goes to everybody, or the link asks for it: nothing need be in the tables */
	size_t faults;
};
/* One way through it. */
struct way {
	const struct tunnel *t;
	const struct node_route *route;
	const char *peer; /* the node that it must lead to */
	bool sure;	  /* and that is known apart from where it leads */
	const char *mac;
	const struct node_fdb *to; /* NULL: the table has none */
};

static void tunnel_release(struct tunnel *t)
{
	map_release(&t->neigh);
	map_release(&t->fdb);
}

static void tunnel_index(struct run *r, struct tunnel *t)
{
	const struct node_facts *f = &t->n->facts;

	for (size_t i = 0; i < f->neigh.len && !r->err; i++)
		if (str_is(f->neigh.v[i].dev, t->l->name) && map_put(&t->neigh, &f->neigh.v[i].addr, sizeof(f->neigh.v[i].addr), &f->neigh.v[i]) < 0)
			r->err = -ENOMEM;
	for (size_t i = 0; i < f->fdb.len && !r->err; i++) {
		if (!str_is(f->fdb.v[i].port, t->l->name))
			continue;
		t->floods |= str_is(f->fdb.v[i].mac, "00:00:00:00:00:00");
		if (f->fdb.v[i].dst.family && map_puts(&t->fdb, f->fdb.v[i].mac, &f->fdb.v[i]) < 0)
			r->err = -ENOMEM;
	}
}

static bool has_pods_of(const struct k8s_node *o, const struct node_route *t)
{
	for (size_t i = 0; o && i < o->npod_cidrs; i++)
		if (ip_prefix_overlaps(&o->pod_cidrs[i], &t->dst))
			return true;
	return false;
}

/*
 * The node that a way must lead to. flannel gives each node its podCIDR; others hand out addresses as they like, and there it is the node that it
 * does lead to, or, where it leads nowhere, one that has a pod there.
 */
static void find_peer(struct run *r, struct way *w)
{
	const struct k8s_node *owner = w->to ? run_node_of_addr(r, &w->to->dst) : NULL;

	w->sure = str_starts(w->t->l->name, "flannel.");
	if (owner && (!w->sure || has_pods_of(owner, w->route)))
		w->peer = owner->meta.name;
	else if (w->sure || !w->to)
		w->peer = node_behind(r, w->t->n, w->route);
}

static const struct node_link *peer_link(struct run *r, const struct way *w)
{
	const struct proxy_view *v = proxy_view_of(r, w->peer);
	const struct node_link *p = v && v->n && v->n->facts.links_known ? node_link_by_name(&v->n->facts, w->t->l->name) : NULL;

	return p && str_is(p->kind, "vxlan") ? p : NULL;
}

/* It is the address of a node, and of another one. That it is nobody's may be the work of a router between them. */
static bool leads_elsewhere(struct run *r, const struct way *w)
{
	const struct k8s_node *owner = w->sure && w->to ? run_node_of_addr(r, &w->to->dst) : NULL;

	return owner && !str_is(owner->meta.name, w->peer);
}

/* What is wrong with it; NULL: nothing that is known. */
static const char *way_fault(struct run *r, const struct way *w)
{
	const struct node_link *l = w->t->l, *p = peer_link(r, w);
	char buf[IP_ADDR_STRLEN];

	if (p && l->tunnel_id && p->tunnel_id && l->tunnel_id != p->tunnel_id)
		return run_printf(r, "%s has the VXLAN number %u here and %u there", l->name, l->tunnel_id, p->tunnel_id);
	if (p && l->tunnel_port && p->tunnel_port && l->tunnel_port != p->tunnel_port)
		return run_printf(r, "%s sends to UDP port %u, and there it listens on %u", l->name, l->tunnel_port, p->tunnel_port);
	if (p && p->mac && w->mac && strcasecmp(p->mac, w->mac) != 0)
		return run_printf(r, "packets are sent to the hardware address %s, and %s there has %s", w->mac, p->name, p->mac);
	if (!w->mac && l->learning == 0 && w->t->n->facts.neigh_known)
		return run_printf(r, "%s does not know the hardware address of %s (ip neigh)", l->name, ip_addr_format(&w->route->gateway, buf));
	if (w->mac && w->t->n->facts.fdb_known && !w->to)
		return run_printf(r, "%s does not know where %s is (bridge fdb)", l->name, w->mac);
	if (leads_elsewhere(r, w))
		return run_printf(r, "%s sends to %s, which is another node's", l->name, ip_addr_format(&w->to->dst, buf));
	return NULL;
}

static void concern_services(struct run *r, struct finding *f, const char *peer)
{
	for (size_t i = 0; i < r->nsvcs; i++) {
		const struct k8s_slice_group *g = r->svcs[i].slices;
		bool there = false;

		for (size_t k = 0; g && k < g->v.len && !there; k++)
			for (size_t j = 0; slice_used(r->svcs[i].o, g->v.v[k]) && j < g->v.v[k]->nendpoints && !there; j++)
				there = str_is(g->v.v[k]->endpoints[j].node_name, peer) && g->v.v[k]->endpoints[j].ready != 0;
		if (there)
			finding_concerns(r, f, r->svcs[i].o);
	}
}

static void way_finding(struct run *r, const struct way *w, const char *fault)
{
	struct finding *f = kernel_finding_of(r, "node-overlay-broken", w->t->n, w->peer);
	char buf[IP_PREFIX_STRLEN], gateway[IP_ADDR_STRLEN];

	f->rank = 5;
	finding_text(r, f, "from node %s the pods of node %s are not reached: %s", w->t->n->name, w->peer, fault);
	finding_evidence(r, f, "route to %s via %s dev %s", ip_prefix_format(&w->route->dst, buf), ip_addr_format(&w->route->gateway, gateway), w->t->l->name);
	concern_services(r, f, w->peer);
	finding_next(r, f, "ip neigh show dev %t", w->t->l->name);
	finding_next(r, f, "bridge fdb show dev %t", w->t->l->name);
	finding_next(r, f, "kubectl get node %s -o yaml", w->peer);
}

static void check_way(struct run *r, struct tunnel *t, const struct node_route *route)
{
	const struct node_neigh *g = map_get(&t->neigh, &route->gateway, sizeof(route->gateway));
	struct way w = { .t = t, .route = route };
	const char *fault;

	w.mac = g && !str_is(g->state, "FAILED") && !str_is(g->state, "INCOMPLETE") ? g->mac : NULL;
	w.to = w.mac ? map_gets(&t->fdb, w.mac) : NULL;
	find_peer(r, &w);
	fault = w.peer ? way_fault(r, &w) : NULL;
	if (fault) {
		way_finding(r, &w, fault);
		t->faults++;
	}
}

static void check_tunnel(struct run *r, const struct snap_node *n, const struct node_link *l)
{
	CLEANUP(tunnel_release) struct tunnel t = { .n = n, .l = l };

	tunnel_index(r, &t);
	for (size_t i = 0; !t.floods && t.faults < FAULTS_MAX && !r->err && i < n->facts.routes.len; i++)
		if (into(&n->facts.routes.v[i], l) && n->facts.routes.v[i].has_gateway)
			check_way(r, &t, &n->facts.routes.v[i]);
}

void check_overlay(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];

		for (size_t k = 0; kernel_asked(r, n) && n->facts.links_known && n->facts.routes_known && k < n->facts.links.len; k++)
			if (n->facts.links.v[k].up && str_is(n->facts.links.v[k].kind, "vxlan"))
				check_tunnel(r, n, &n->facts.links.v[k]);
	}
}

/* ---- the address that flannel tells ---- */

#define FLANNEL "flannel.alpha.coreos.com/"

/* {"VNI":1,"VtepMAC":"7e:4d:5a:12:9f:0b"}: 17 characters, or "". */
static void told_mac(const struct k8s_node *o, char ret[static 18])
{
	static const char key[] = "\"VtepMAC\":\"";
	const char *data = k8s_label_get(&o->meta.annotations, FLANNEL "backend-data"), *at = data ? strstr(data, key) : NULL;
	size_t n = 0;

	*ret = '\0';
	if (!at || !str_is(k8s_label_get(&o->meta.annotations, FLANNEL "backend-type"), "vxlan"))
		return;
	at += sizeof(key) - 1;
	while (n < 17 && (isxdigit((unsigned char)at[n]) || at[n] == ':'))
		n++;
	if (n == 17)
		(void)snprintf(ret, 18, "%.17s", at);
}

/* Of the number that the annotation says: one of another number is left from before, or of somebody else. 0: it says none, and any will do. */
static uint32_t told_number(const struct k8s_node *o)
{
	static const char key[] = "\"VNI\":";
	const char *data = k8s_label_get(&o->meta.annotations, FLANNEL "backend-data"), *at = data ? strstr(data, key) : NULL;
	uint64_t number = 0;

	at = at ? at + sizeof(key) - 1 : NULL;
	return at && parse_uint(at, strspn(at, "0123456789"), UINT32_MAX, &number) == 0 ? (uint32_t)number : 0;
}

static const struct node_link *flannel_link(const struct snap_node *n, uint32_t number)
{
	for (size_t i = 0; i < n->facts.links.len; i++) {
		const struct node_link *l = &n->facts.links.v[i];

		if (str_starts(l->name, "flannel.") && str_is(l->kind, "vxlan") && (!number || !l->tunnel_id || l->tunnel_id == number))
			return l;
	}
	return NULL;
}

void check_tunnel_address(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		const struct k8s_node *o = kernel_asked(r, n) ? k8s_find_node(r->c, n->name) : NULL;
		const struct node_link *l = o && n->facts.links_known ? flannel_link(n, told_number(o)) : NULL;
		struct finding *f;
		char mac[18];

		if (!l || !l->mac)
			continue;
		told_mac(o, mac);
		if (!*mac || strcasecmp(mac, l->mac) == 0)
			continue;
		f = kernel_finding_of(r, "networkmanager-interferes", n, NULL);
		f->rank = 4;
		finding_text(r, f, "other nodes do not reach the pods of node %s: its link %s has another hardware address than it told them", n->name, l->name);
		finding_evidence(r, f, "%s has %s; the annotation %sbackend-data says %s", l->name, l->mac, FLANNEL, mac);
		concern_services(r, f, n->name);
		finding_next(r, f, "ip -d link show dev %t", l->name);
		finding_next(r, f, "kubectl get node %s -o yaml", n->name);
		finding_next(r, f, "systemctl status NetworkManager systemd-networkd");
	}
}
