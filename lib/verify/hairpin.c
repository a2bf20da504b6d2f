/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Can a pod reach itself through its Service? Of each node the bridges and their ports with what decides it there (hairpin mode,
 * promiscuity, bridge netfilter, the pod network's configuration), the pods with what became of their packets (hairpin-walk.c), and
 * the verdict. What the ports say without any packet is the engine's rule too (nat_port_turns_back).
 */
#include <errno.h>

#include "hairpin-private.h"

static const char NO_SERVICE[] = "no Service has an endpoint among the pods of this node";
static const char NO_RULES[] = "no rules of this node are known";
static const char NO_POD[] = "there is no pod on this node, and no bridge that has pods";

const char *hairpin_can_name(enum hairpin_can c)
{
	static const char *const names[] = { NULL, "no", "unknown", "yes" };

	return names[c];
}

void hairpin_report_release(struct hairpin_report *r)
{
	array_free(&r->nodes);
	array_free(&r->bridges);
	array_free(&r->ports);
	array_free(&r->pods);
	verify_report_release(&r->found);
	arena_release(&r->arena);
}

struct hairpin_answer hairpin_worse(struct hairpin_answer a, struct hairpin_answer b)
{
	if (a.can == HAIRPIN_UNASKED || b.can == HAIRPIN_UNASKED)
		return a.can == HAIRPIN_UNASKED ? b : a;
	return b.can < a.can ? b : a;
}

/* ---- bridges and ports ---- */

static bool has_family(const struct node_facts *f, const char *link, int family)
{
	for (size_t i = 0; i < f->addrs.len; i++)
		if (f->addrs.v[i].addr.family == family && f->addrs.v[i].scope == SCOPE_GLOBAL && str_is(f->addrs.v[i].ifname, link))
			return true;
	return false;
}

/* The plugin of the first file that makes a bridge of this name; else one of another file. */
static const struct snap_cni *plugin_of(const struct snap_node *n, const char *bridge)
{
	for (size_t i = 0; i < n->cni.len; i++)
		if (n->cni.v[i].bridge && strcmp(n->cni.v[i].bridge, bridge) == 0)
			return &n->cni.v[i];
	return NULL;
}

static size_t pods_of(const struct hairpin_look *h, const struct node_link *bridge)
{
	size_t n = 0;

	for (size_t i = h->first_pod; i < h->out->pods.len; i++)
		n += h->out->pods.v[i].bridge == bridge;
	return n;
}

static bool has_pod_ports(const struct node_facts *f, const struct node_link *bridge)
{
	for (size_t i = 0; i < f->links.len; i++)
		if (node_is_port_of(&f->links.v[i], bridge) && (!f->links.v[i].kind || strcmp(f->links.v[i].kind, "veth") == 0))
			return true;
	return false;
}

/* Bridges of pods; where there is none, and no configuration names one, those that look like it. */
static bool is_shown(const struct hairpin_look *h, const struct node_link *l, bool any_named)
{
	if (pods_of(h, l) || plugin_of(h->snap, l->name))
		return true;
	return !any_named && has_pod_ports(&h->snap->facts, l);
}

static bool any_named(const struct hairpin_look *h)
{
	const struct node_facts *f = &h->snap->facts;

	for (size_t i = h->first_pod; i < h->out->pods.len; i++)
		if (h->out->pods.v[i].dev)
			return true;
	for (size_t i = 0; i < f->links.len; i++)
		if (node_is_bridge(f, &f->links.v[i]) && plugin_of(h->snap, f->links.v[i].name))
			return true;
	return false;
}

static struct hairpin_answer answer_of(enum tri t, const char *why)
{
	return (struct hairpin_answer){ t == TRI_TRUE ? HAIRPIN_YES : t == TRI_FALSE ? HAIRPIN_NO : HAIRPIN_UNKNOWN, why };
}

/* Why it can: what made it possible at this port. */
static const char *why_can(struct hairpin_look *h, const struct node_link *bridge, const struct node_link *port, const char *text)
{
	struct arena *a = &h->out->arena;

	if (text)
		return arena_printf(a, "%s, and so the packet is routed and leaves by the bridge %s itself", text, bridge->name);
	if (port->hairpin == 1)
		return arena_printf(a, "port %s has hairpin mode on", port->name);
	return arena_printf(a, "%s is promiscuous, which is enough on kernel %s", bridge->name, h->snap->kernel ? h->snap->kernel : "?");
}

static int port_alone(struct hairpin_look *h, const struct node_link *bridge, const struct node_link *port, bool six, struct hairpin_answer *ret)
{
	const char *text = NULL;
	enum tri t = nat_port_turns_back(&h->out->arena, &h->nat, bridge, port, six, &text);

	if (t == TRI_TRUE)
		text = why_can(h, bridge, port, text);
	if (!text)
		return -ENOMEM;
	*ret = hairpin_worse(*ret, answer_of(t, text));
	return 0;
}

static int add_port(struct hairpin_look *h, const struct node_link *bridge, const struct node_link *port)
{
	const struct node_facts *f = &h->snap->facts;
	struct hairpin_report *out = h->out;
	struct hairpin_port p = { .node = h->snap->name, .bridge = bridge, .link = port };
	bool six = has_family(f, bridge->name, AF_INET6), four = !six || has_family(f, bridge->name, AF_INET);
	int r = four ? port_alone(h, bridge, port, false, &p.alone) : 0;

	if (r == 0 && six)
		r = port_alone(h, bridge, port, true, &p.alone);
	for (size_t i = h->first_pod; i < out->pods.len; i++) {
		if (out->pods.v[i].port != port)
			continue;
		p.pods++;
		p.self = hairpin_worse(p.self, out->pods.v[i].self);
	}
	if (p.self.can == HAIRPIN_UNASKED)
		p.self = p.alone;
	return r < 0 ? r : array_push(&out->ports, p);
}

static int add_bridge(struct hairpin_look *h, const struct node_link *l)
{
	const struct node_facts *f = &h->snap->facts;
	struct hairpin_report *out = h->out;
	struct hairpin_bridge b = { .node = h->snap->name, .link = l, .first_port = out->ports.len, .pods = pods_of(h, l),
				    .promisc = l->promisc || l->promiscuity > 0, .cni = plugin_of(h->snap, l->name),
				    .promisc_helps = nat_promisc_helps(h->snap->kernel) };
	int r = 0;

	for (unsigned six = 0; six < 2; six++)
		b.calls[six] = nat_bridge_calls(f, l, six, &b.calls_why[six]);
	for (size_t i = 0; r == 0 && i < f->links.len; i++)
		if (node_is_port_of(&f->links.v[i], l))
			r = add_port(h, l, &f->links.v[i]);
	b.ports = out->ports.len - b.first_port;
	return r < 0 ? r : array_push(&out->bridges, b);
}

static int add_bridges(struct hairpin_look *h)
{
	const struct node_facts *f = &h->snap->facts;
	bool named = any_named(h);
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->links.len; i++)
		if (node_is_bridge(f, &f->links.v[i]) && is_shown(h, &f->links.v[i], named))
			r = add_bridge(h, &f->links.v[i]);
	return r;
}

/* ---- why a pod can ---- */

/* The port, where it is known or one port stands for all. */
static const char *why_port_can(const struct hairpin_look *h, const struct hairpin_pod *p)
{
	const char *one = NULL;
	size_t n = 0, on = 0;

	for (size_t i = 0; i < h->out->ports.len; i++) {
		const struct hairpin_port *q = &h->out->ports.v[i];

		if (q->bridge != p->bridge)
			continue;
		n++;
		on += q->link->hairpin == 1 && str_starts(q->alone.why, "port ");
		if ((q->link == p->port || !p->port) && q->alone.can == HAIRPIN_YES)
			one = q->alone.why;
	}
	return !p->port && n > 1 && on == n ? arena_printf(&h->out->arena, "all ports of %s have hairpin mode on", p->bridge->name) : one;
}

/* A subnet behind a link that is no bridge, as of macvlan or Open vSwitch: what its pods send may never come to this node's rules. */
static bool is_behind_shared(const struct hairpin_look *h, const struct hairpin_pod *p)
{
	struct node_route_query q = { .dst = p->addr };
	struct node_route_result way;

	if (p->bridge || !p->dev || !h->snap->facts.links_known)
		return false;
	node_route_lookup(&h->snap->facts, &q, &way);
	return way.kind == NR_UNICAST && way.route && !way.gateway.family && way.route->dst.len > 0 && way.route->dst.len < ip_addr_size(&p->addr) * 8;
}

/* Whatever lets the packet leave by where it came in, and that its source is rewritten. */
static int explain_pod(struct hairpin_look *h, struct hairpin_pod *p)
{
	struct arena *a = &h->out->arena;
	const char *way = p->bridge ? why_port_can(h, p) : NULL, *tail = "its packet to itself is masqueraded";

	if (p->self.can != HAIRPIN_YES)
		return 0;
	if (is_behind_shared(h, p)) {
		p->self.can = HAIRPIN_UNKNOWN;
		p->self.why = arena_printf(a, "it hangs on a subnet behind %s, which is no bridge: whether its packets pass this node's rules is not known", p->dev);
		return p->self.why ? 0 : -ENOMEM;
	}
	if (!way && !p->bridge && p->dev)
		way = arena_printf(a, "%s is no port of a bridge", p->dev);
	p->self.why = way ? arena_printf(a, "%s, and %s", way, tail) : tail;
	return p->self.why ? 0 : -ENOMEM;
}

/* ---- the node ---- */

static void count_pods(const struct hairpin_look *h, struct hairpin_node *n)
{
	for (size_t i = h->first_pod; i < h->out->pods.len; i++) {
		const struct hairpin_pod *p = &h->out->pods.v[i];

		n->pods++;
		n->asked += p->self.can != HAIRPIN_UNASKED;
		n->cannot += p->self.can == HAIRPIN_NO;
		n->self = hairpin_worse(n->self, p->self);
		n->neighbour = hairpin_worse(n->neighbour, p->neighbour);
	}
}

static void judge_by_ports(const struct hairpin_look *h, size_t first, struct hairpin_node *n)
{
	for (size_t i = first; i < h->out->ports.len; i++)
		n->self = hairpin_worse(n->self, h->out->ports.v[i].alone);
	n->basis = n->self.can == HAIRPIN_UNASKED ? HAIRPIN_BY_NOTHING : HAIRPIN_BY_PORTS;
	if (n->basis == HAIRPIN_BY_NOTHING)
		n->self = (struct hairpin_answer){ HAIRPIN_UNKNOWN, n->not_walked && n->pods ? n->not_walked : NO_POD };
}

/* The minor version of the node's kubelet. */
static int kubelet_minor(const struct hairpin_look *h)
{
	const struct k8s_node *o = h->expect.object;

	return o && o->kubelet_version ? k8s_minor_version(o->kubelet_version) : -1;
}

static int judge_node(struct hairpin_look *h)
{
	struct hairpin_node n = { .snap = h->snap, .kubelet_minor = kubelet_minor(h) };
	size_t first_port = h->out->ports.len;
	struct verify_skipped skip = { 0 };
	int r = verify_admit(h->snapshot, h->snap, &h->out->arena, &skip);

	if (r < 0)
		return r;
	if (r == 0)
		n.not_walked = skip.reason ? skip.reason : NO_RULES;
	else
		n.mode = verify_mode_name(verify_mode(h->snapshot, h->snap));
	r = r == 1 ? hairpin_ask_pods(h) : 0;
	if (r == 0)
		r = add_bridges(h);
	for (size_t i = h->first_pod; r == 0 && i < h->out->pods.len; i++)
		r = explain_pod(h, &h->out->pods.v[i]);
	if (r < 0)
		return r;
	count_pods(h, &n);
	n.basis = h->snapshot->services_from_rules ? HAIRPIN_BY_RULES : HAIRPIN_BY_SERVICES;
	if (!n.not_walked && n.asked == 0)
		n.not_walked = NO_SERVICE;
	if (n.asked == 0 && !verify_other_plane(h->snapshot, h->snap))
		judge_by_ports(h, first_port, &n);
	else if (n.asked == 0)
		n.basis = HAIRPIN_BY_NOTHING, n.self = (struct hairpin_answer){ HAIRPIN_UNKNOWN, n.not_walked };
	return array_push(&h->out->nodes, n);
}

static void look_release(struct hairpin_look *h)
{
	verify_place_release(&h->place);
	map_release(&h->pods);
	array_free(&h->services);
	array_free(&h->fronts);
	arena_release(&h->arena);
}

static int look_at(const struct snapshot *s, const struct snap_node *n, struct hairpin_report *out)
{
	struct hairpin_look h CLEANUP(look_release) = { .snapshot = s, .snap = n, .out = out, .first_pod = out->pods.len };
	int r = verify_expect_node(&h.arena, s, n, &h.expect);

	if (r < 0)
		return r;
	verify_nat_node(s, n, &h.nat);
	verify_place_init(&h.place, s, n, &h.expect);
	r = hairpin_find_pods(&h);
	return r < 0 ? r : judge_node(&h);
}

int hairpin_run(const struct snapshot *s, const char *node, struct hairpin_report *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->nodes.len; i++)
		if (!node || strcmp(node, s->nodes.v[i]->name) == 0)
			r = look_at(s, s->nodes.v[i], ret);
	return r;
}
