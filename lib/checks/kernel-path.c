/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel counts and says of packets that it threw away, beside what is known of its settings: it makes findings of the rules certain,
 * and tells of strict reverse path filtering on a node with several interfaces, where no packet that is followed need come that way.
 */
#include <netinet/in.h>

#include "kernel-private.h"

#define DROPPED "TcpExtIPReversePathFilter"

/* ---- evidence of findings that are there ---- */

static void filter_evidence(struct run *r, struct finding *f, const struct snap_node *n)
{
	const uint64_t dropped = kernel_counter(n, DROPPED);
	const struct log_hit *h = kernel_hit(r, n, "rp-filter-strict");

	if (dropped)
		finding_evidence(r, f, "the filter has dropped %llu packets since the node was started (%s)", (unsigned long long)dropped, DROPPED);
	else if (n->k.counters_known)
		finding_evidence(r, f, "the filter has not dropped a packet yet (%s)", DROPPED);
	if (h)
		kernel_hit_evidence(r, f, h);
	finding_next(r, f, "nstat -az %t", DROPPED);
}

static void martian_evidence(struct run *r, struct finding *f, const struct snap_node *n)
{
	const struct log_hit *h = kernel_hit(r, n, "martian-source");

	if (!h)
		h = kernel_hit(r, n, "rp-filter-strict");
	if (h)
		kernel_hit_evidence(r, f, h);
}

/* A module that is built in has its settings, and would not be told as off for want of them. */
static void bridge_evidence(struct run *r, struct finding *f, const struct snap_node *n)
{
	if (n->k.modules_known && !map_gets(&n->k.modules, "br_netfilter") && !node_sysctl(&n->facts, "net.bridge.bridge-nf-call-iptables"))
		finding_evidence(r, f, "br_netfilter is not among the modules, and there is no setting net.bridge");
}

static const struct {
	const char *check;
	void (*add)(struct run *r, struct finding *f, const struct snap_node *n);
} evidences[] = {
	{ "rp-filter-strict", filter_evidence },
	{ "martian-source", martian_evidence },
	{ "bridge-nf-call-iptables-off", bridge_evidence },
};

static void add_evidence(struct run *r, const struct snap_node *n)
{
	for (size_t i = 0; i < r->d->findings.len; i++) {
		struct finding *f = r->d->findings.v[i];

		for (size_t k = 0; str_is(f->node, n->name) && k < ARRAY_LEN(evidences); k++)
			if (str_is(f->check->id, evidences[k].check))
				evidences[k].add(r, f, n);
	}
}

static bool has_finding(const struct run *r, const char *id, const char *node)
{
	for (size_t i = 0; i < r->d->findings.len; i++)
		if (str_is(r->d->findings.v[i]->check->id, id) && str_is(r->d->findings.v[i]->node, node))
			return true;
	return false;
}

/* ---- several interfaces ---- */

/* The end of a pod's veth has the pods' gateway for an address, without a network (containernetworking/plugins, ptp). */
static bool has_global4(const struct snap_node *n, const struct node_link *l)
{
	const unsigned longest = str_is(l->kind, "veth") ? 31 : 32;

	for (size_t i = 0; i < n->facts.addrs.len; i++) {
		const struct node_address *a = &n->facts.addrs.v[i];

		if (a->addr.family == AF_INET && a->scope == SCOPE_GLOBAL && a->plen <= longest && str_is(a->ifname, l->name))
			return true;
	}
	return false;
}

/* An interface to a network: no bridge of pods, no tunnel, nothing that only holds addresses. */
static bool is_outside(const struct snap_node *n, const struct node_link *l)
{
	static const char *const kinds[] = { "bond", "vlan", "team", "veth", NULL };

	return l->up && !l->loopback && !l->master && (!l->kind || str_one_of(l->kind, strlen(l->kind), kinds)) && has_global4(n, l);
}

/* Documentation/networking/ip-sysctl.rst: the larger value of "all" and of the interface. */
static bool is_strict(const struct snap_node *n, const struct node_link *l)
{
	return MAX(node_conf(&n->facts, AF_INET, "all", "rp_filter"), node_conf(&n->facts, AF_INET, l->name, "rp_filter")) == 1;
}

static void strict_links(struct run *r, const struct snap_node *n)
{
	const struct log_hit *h = kernel_hit(r, n, "rp-filter-strict");
	const struct node_link *strict = NULL;
	size_t outside = 0;
	struct finding *f;

	if ((!kernel_counter(n, DROPPED) && !h) || !n->facts.links_known || !n->facts.addrs_known || has_finding(r, "rp-filter-strict", n->name))
		return;
	for (size_t i = 0; i < n->facts.links.len; i++) {
		const struct node_link *l = &n->facts.links.v[i];

		if (!is_outside(n, l))
			continue;
		outside++;
		strict = !strict && is_strict(n, l) ? l : strict;
	}
	if (outside < 2 || !strict)
		return;
	f = kernel_finding_of(r, "rp-filter-strict", n, NULL);
	finding_severity(f, SEVERITY_WARNING);
	finding_text(r, f, "node %s has %zu interfaces to networks, and drops what comes by another one than the answer would take: rp_filter is strict on %s", n->name,
		     outside, strict->name);
	finding_next(r, f, "sysctl -a -r 'net.ipv4.conf.*rp_filter'");
	finding_fix(r, f, "sudo sysctl -w net.ipv4.conf.%t.rp_filter=2", strict->name);
}

void kernel_judged(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		if (!kernel_asked(r, r->s->nodes.v[i]))
			continue;
		strict_links(r, r->s->nodes.v[i]);
		add_evidence(r, r->s->nodes.v[i]);
	}
}
