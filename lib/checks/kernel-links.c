/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnels that carry packets from node to node, as the network plugin set them up: whether packets of full size fit, whether each tunnel
 * knows where the other node is, and what the network card does to checksums. Only links that a route to another node's pods goes into count: a
 * node may have other tunnels, and a routed network has none.
 */
#include <ctype.h>
#include <netinet/in.h>

#include "kernel-private.h"

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

/* A route of its own for each other node, or one for all of them: then the first of these. */
static bool carries_pods(const struct run *r, const struct snap_node *n, const struct node_link *l)
{
	for (size_t i = 0; l->up && i < n->facts.routes.len; i++)
		if (into(&n->facts.routes.v[i], l) && node_behind(r, n, &n->facts.routes.v[i]))
			return true;
	return false;
}

/* ---- MTU ---- */

/* A veth of a pod: a port of a bridge, or with a route to one address behind it. */
static bool is_pods(const struct snap_node *n, const struct node_link *l, const struct node_link *uplink)
{
	if (!str_is(l->kind, "veth") || l == uplink || !l->up)
		return false;
	if (l->master)
		return true;
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

		if (p->mtu <= l->mtu || !is_pods(n, p, uplink))
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

/* A way through a vxlan link to another node, and what the node's tables say of it. */
struct way {
	const struct snap_node *n;
	const struct node_link *l;
	const struct node_route *route;
	const char *peer;
	const struct snap_node *peer_facts; /* NULL: not known */
	const char *mac;
	const struct node_fdb *to; /* NULL: the table has none */
};

static const struct node_neigh *neighbour(const struct snap_node *n, const struct node_link *l, const struct ip_addr *a)
{
	for (size_t i = 0; i < n->facts.neigh.len; i++)
		if (str_is(n->facts.neigh.v[i].dev, l->name) && ip_addr_equal(&n->facts.neigh.v[i].addr, a))
			return &n->facts.neigh.v[i];
	return NULL;
}

static const struct node_fdb *forwarding(const struct snap_node *n, const struct node_link *l, const char *mac)
{
	for (size_t i = 0; i < n->facts.fdb.len; i++)
		if (str_is(n->facts.fdb.v[i].port, l->name) && n->facts.fdb.v[i].dst.family && strcasecmp(n->facts.fdb.v[i].mac, mac) == 0)
			return &n->facts.fdb.v[i];
	return NULL;
}

static const struct snap_node *facts_of(const struct run *r, const char *name)
{
	for (size_t i = 0; i < r->s->nodes.len; i++)
		if (str_is(r->s->nodes.v[i]->name, name))
			return r->s->nodes.v[i];
	return NULL;
}

static const struct node_link *peer_link(const struct way *w)
{
	const struct node_link *p = w->peer_facts && w->peer_facts->facts.links_known ? node_link_by_name(&w->peer_facts->facts, w->l->name) : NULL;

	return p && str_is(p->kind, "vxlan") ? p : NULL;
}

/* Is this an address of the other node? By what is recorded of it, else by its object, which may name only some. */
static enum tri is_of_peer(const struct run *r, const struct way *w)
{
	const struct k8s_node *owner = run_node_of_addr(r, &w->to->dst);

	if (w->peer_facts && w->peer_facts->facts.addrs_known) {
		for (size_t i = 0; i < w->peer_facts->facts.addrs.len; i++)
			if (ip_addr_equal(&w->peer_facts->facts.addrs.v[i].addr, &w->to->dst))
				return TRI_TRUE;
		return owner && !str_is(owner->meta.name, w->peer) ? TRI_FALSE : TRI_UNKNOWN; /* it may be that of a router before it */
	}
	return !owner ? TRI_UNKNOWN : str_is(owner->meta.name, w->peer) ? TRI_TRUE : TRI_FALSE;
}

/* What is wrong with it; NULL: nothing that is known. */
static const char *way_fault(struct run *r, const struct way *w)
{
	const struct node_link *p = peer_link(w);
	char buf[IP_ADDR_STRLEN];

	if (p && w->l->tunnel_id && p->tunnel_id && w->l->tunnel_id != p->tunnel_id)
		return run_printf(r, "%s has the VXLAN number %u here and %u there", w->l->name, w->l->tunnel_id, p->tunnel_id);
	if (p && w->l->tunnel_port && p->tunnel_port && w->l->tunnel_port != p->tunnel_port)
		return run_printf(r, "%s sends to UDP port %u, and there it listens on %u", w->l->name, w->l->tunnel_port, p->tunnel_port);
	if (p && p->mac && w->mac && strcasecmp(p->mac, w->mac) != 0)
		return run_printf(r, "packets are sent to the hardware address %s, and %s there has %s", w->mac, p->name, p->mac);
	if (!w->mac && w->l->learning == 0 && w->n->facts.neigh_known)
		return run_printf(r, "%s does not know the hardware address of %s (ip neigh)", w->l->name, ip_addr_format(&w->route->gateway, buf));
	if (w->mac && w->n->facts.fdb_known && !w->to)
		return run_printf(r, "%s does not know where %s is (bridge fdb)", w->l->name, w->mac);
	if (w->to && is_of_peer(r, w) == TRI_FALSE)
		return run_printf(r, "%s sends to %s, which is another node's", w->l->name, ip_addr_format(&w->to->dst, buf));
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
	struct finding *f = kernel_finding_of(r, "node-overlay-broken", w->n, w->peer);
	char buf[IP_PREFIX_STRLEN], gateway[IP_ADDR_STRLEN];

	f->rank = 5;
	finding_text(r, f, "from node %s the pods of node %s are not reached: %s", w->n->name, w->peer, fault);
	finding_evidence(r, f, "route to %s via %s dev %s", ip_prefix_format(&w->route->dst, buf), ip_addr_format(&w->route->gateway, gateway), w->l->name);
	concern_services(r, f, w->peer);
	finding_next(r, f, "ip neigh show dev %t", w->l->name);
	finding_next(r, f, "bridge fdb show dev %t", w->l->name);
	finding_next(r, f, "kubectl get node %s -o yaml", w->peer);
}

/* Some plugins let the link ask (l3miss), or send to everybody: there an address that is not known yet is no fault. */
static bool floods(const struct snap_node *n, const struct node_link *l)
{
	for (size_t i = 0; i < n->facts.fdb.len; i++)
		if (str_is(n->facts.fdb.v[i].port, l->name) && str_is(n->facts.fdb.v[i].mac, "00:00:00:00:00:00"))
			return true;
	return false;
}

static void check_way(struct run *r, const struct snap_node *n, const struct node_link *l, const struct node_route *t)
{
	struct way w = { .n = n, .l = l, .route = t, .peer = node_behind(r, n, t) };
	const struct node_neigh *g;
	const char *fault;

	if (!w.peer || !t->has_gateway)
		return;
	g = n->facts.neigh_known ? neighbour(n, l, &t->gateway) : NULL;
	w.mac = g && !str_is(g->state, "FAILED") && !str_is(g->state, "INCOMPLETE") ? g->mac : NULL;
	w.to = w.mac ? forwarding(n, l, w.mac) : NULL;
	w.peer_facts = facts_of(r, w.peer);
	fault = way_fault(r, &w);
	if (fault)
		way_finding(r, &w, fault);
}

void check_overlay(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];

		for (size_t k = 0; kernel_asked(r, n) && n->facts.links_known && n->facts.routes_known && k < n->facts.links.len; k++) {
			const struct node_link *l = &n->facts.links.v[k];

			if (!l->up || !str_is(l->kind, "vxlan") || floods(n, l))
				continue;
			for (size_t j = 0; j < n->facts.routes.len; j++)
				if (into(&n->facts.routes.v[j], l))
					check_way(r, n, l, &n->facts.routes.v[j]);
		}
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

static const struct node_link *flannel_link(const struct snap_node *n)
{
	for (size_t i = 0; i < n->facts.links.len; i++)
		if (str_starts(n->facts.links.v[i].name, "flannel.") && str_is(n->facts.links.v[i].kind, "vxlan"))
			return &n->facts.links.v[i];
	return NULL;
}

void check_tunnel_address(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		const struct k8s_node *o = kernel_asked(r, n) ? k8s_find_node(r->c, n->name) : NULL;
		const struct node_link *l = o && n->facts.links_known ? flannel_link(n) : NULL;
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
