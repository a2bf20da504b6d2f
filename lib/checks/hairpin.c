/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command hairpin: what keeps pods from themselves and from their neighbours as findings, and what switches hairpin mode on. The
 * findings are those of a diagnosis: what walks found goes the same way (rules.c, rules-node.c). Ports alone, where no Service leads
 * to a pod, make a warning.
 */
#include "checks-private.h"

#define PORTS_EACH 6 /* commands of their own; more are named in a loop */

/* ---- commands ---- */

static bool lacks_hairpin(const struct node_link *l, const struct node_link *bridge)
{
	return l->master && l->hairpin == 0 && (!bridge || node_is_port_of(l, bridge));
}

#define EACH_PORT(what) \
	"for p in $(ip -o link show master %t | sed 's/^[0-9]*: *\\([^:@]*\\).*/\\1/'); do sudo bridge link set dev \"$p\" " what "; done"

static void port_fixes(struct run *r, struct finding *f, const struct snap_node *n, const struct node_link *bridge)
{
	const struct node_facts *facts = &n->facts;
	size_t off = 0, ports = 0;

	for (size_t i = 0; i < facts->links.len; i++) {
		ports += facts->links.v[i].hairpin >= 0 && facts->links.v[i].master && (!bridge || node_is_port_of(&facts->links.v[i], bridge));
		off += lacks_hairpin(&facts->links.v[i], bridge);
	}
	finding_evidence(r, f, "%zu of %zu bridge ports have hairpin mode off", off, ports);
	for (size_t i = 0; i < facts->links.len; i++) {
		const struct node_link *l = &facts->links.v[i];

		if (lacks_hairpin(l, bridge) && off <= PORTS_EACH)
			finding_fix(r, f, l->isolated ? "sudo bridge link set dev %t hairpin on isolated off" : "sudo bridge link set dev %t hairpin on", l->name);
		else if (off > PORTS_EACH && node_is_bridge(facts, l) && (!bridge || l == bridge))
			/* those that have it already stay as they are */
			finding_fix(r, f, EACH_PORT("hairpin on"), l->name);
	}
}

static const char *setting_text(int v)
{
	return v < 0 ? "not set" : v ? "true" : "false";
}

/* Ports that are made later: the setting of the plugin that makes them. */
static void network_fix(struct run *r, struct finding *f, const struct snap_node *n, const struct node_link *bridge)
{
	const struct snap_cni *c = NULL;

	for (size_t i = 0; i < n->cni.len && !c; i++)
		if (n->cni.v[i].bridge && (!bridge || strcmp(n->cni.v[i].bridge, bridge->name) == 0))
			c = &n->cni.v[i];
	if (!c) {
		finding_evidence(r, f, "ports that are made later: hairpinMode true in the network's configuration, in /etc/cni/net.d");
		return;
	}
	finding_evidence(r, f, "%s, which makes %s, has hairpinMode %s", c->file, c->bridge, setting_text(c->hairpin));
	if (c->hairpin == 1)
		finding_evidence(r, f, "so these ports were made before it was set, by something else, or were changed");
	else if (!str_is(c->type, "bridge"))
		finding_evidence(r, f, "%s writes this file: for ports that are made later set hairpinMode in its own configuration", c->type ? c->type : "a plugin");
	else if (c->hairpin == 0)
		finding_fix(r, f, "sudo sed -i 's/\"hairpinMode\" *: *false/\"hairpinMode\": true/' /etc/cni/net.d/%t", c->file);
	else
		finding_fix(r, f, "sudo sed -i 's/\"type\" *: *\"bridge\"/&, \"hairpinMode\": true/' /etc/cni/net.d/%t", c->file);
}

/* Up to 1.23 a kubelet with dockershim set it itself, by hairpinMode. */
static void kubelet_evidence(struct run *r, struct finding *f, const struct snap_node *n)
{
	const struct k8s_node *o = k8s_find_node(r->c, n->name);
	int minor = o && o->kubelet_version ? k8s_minor_version(o->kubelet_version) : -1;

	if (n->kubelet.hairpin_mode && minor >= 0 && minor < 24)
		finding_evidence(r, f, "the kubelet (1.%d) has hairpinMode %s", minor, n->kubelet.hairpin_mode);
}

void hairpin_commands(struct run *r, struct finding *f, const struct snap_node *n, const struct node_link *bridge)
{
	finding_next(r, f, "bridge -d link show");
	if (!n)
		return;
	if (str_is(f->check->id, "hairpin-promiscuous-bridge-off") && nat_promisc_helps(n->kernel) != TRI_FALSE)
		finding_fix(r, f, "sudo ip link set cbr0 promisc on");
	port_fixes(r, f, n, bridge);
	kubelet_evidence(r, f, n);
	network_fix(r, f, n, bridge);
}

void isolation_commands(struct run *r, struct finding *f, const struct snap_node *n, const struct node_link *bridge)
{
	size_t isolated = 0;

	finding_next(r, f, "bridge -d link show");
	for (int print = 0; n && print < 2; print++) {
		for (size_t i = 0; i < n->facts.links.len; i++) {
			const struct node_link *l = &n->facts.links.v[i];

			if (!l->isolated || !l->master || (bridge && !node_is_port_of(l, bridge)))
				continue;
			isolated += !print;
			if (print && isolated <= PORTS_EACH)
				finding_fix(r, f, "sudo bridge link set dev %t isolated off", l->name);
		}
	}
	if (isolated > PORTS_EACH && bridge)
		finding_fix(r, f, EACH_PORT("isolated off"), bridge->name);
	finding_evidence(r, f, "the plugin bridge isolates its ports where its configuration, in /etc/cni/net.d, has portIsolation true");
}

/* ---- ports without a Service behind them ---- */

static bool has_finding(const struct run *r, const char *id, const char *node)
{
	for (size_t i = 0; i < r->d->findings.len; i++)
		if (str_is(r->d->findings.v[i]->check->id, id) && str_is(r->d->findings.v[i]->node, node))
			return true;
	return false;
}

/* Another bridge has the pods of Services, or is the pod network's by its configuration, and this one is neither: containers of something else. */
static bool is_of_others(const struct hairpin_report *h, const struct hairpin_bridge *b)
{
	bool mine = b->cni != NULL, theirs = false;

	for (size_t i = 0; i < h->bridges.len; i++)
		theirs |= h->bridges.v[i].cni && strcmp(h->bridges.v[i].node, b->node) == 0;
	for (size_t i = 0; i < h->pods.len; i++) {
		const struct hairpin_pod *p = &h->pods.v[i];

		if (strcmp(p->node, b->node) != 0)
			continue;
		mine |= p->bridge == b->link && (p->name || p->service);
		theirs |= p->service != NULL;
	}
	return theirs && !mine;
}

static void port_finding(struct run *r, const struct hairpin_report *h, const struct hairpin_bridge *b, const struct snap_node *n)
{
	const struct hairpin_port *first = NULL;
	const struct hairpin_node *judged = NULL;
	struct finding *f;
	size_t off = 0;

	for (size_t i = 0; i < h->nodes.len; i++)
		judged = h->nodes.v[i].snap == n ? &h->nodes.v[i] : judged;
	for (size_t i = b->first_port; i < b->first_port + b->ports; i++) {
		if (h->ports.v[i].alone.can != HAIRPIN_NO || h->ports.v[i].link->hairpin == 1)
			continue;
		first = first ? first : &h->ports.v[i];
		off++;
	}
	if (!first || is_of_others(h, b) || has_finding(r, "hairpin-mode-off", b->node) || has_finding(r, "hairpin-promiscuous-bridge-off", b->node))
		return;
	f = finding_new(r, "hairpin-mode-off", b->node, b->link->name, run_printf(r, "Node %s", b->node));
	f->rank = 5;
	finding_cluster(f);
	finding_severity(f, SEVERITY_WARNING);
	finding_text(r, f, "on node %s a pod at %s could not reach itself through a Service: %s", b->node,
		     off == 1 ? run_printf(r, "port %s", first->link->name) : run_printf(r, "%zu of %zu ports of %s", off, b->ports, b->link->name),
		     first->alone.why);
	finding_evidence(r, f, "%s", judged && judged->basis == HAIRPIN_BY_PORTS && judged->not_walked ?
			 run_printf(r, "judged by the ports alone: %s", judged->not_walked) : "no Service was found that leads to a pod there");
	hairpin_commands(r, f, n, b->link);
}

static const struct snap_node *node_of(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->nodes.len; i++)
		if (strcmp(s->nodes.v[i]->name, name) == 0)
			return s->nodes.v[i];
	return NULL;
}

/* ---- the whole ---- */

/* Of the node there are ports only, for want of rights. */
static bool is_denied(const struct run *r, const struct hairpin_node *n)
{
	const struct sd_notes *notes = &r->s->notes;

	for (size_t i = 0; n->basis == HAIRPIN_BY_PORTS && i < notes->len; i++)
		if (notes->v[i].fatal_to_part && str_is(notes->v[i].code, "forbidden"))
			return true;
	return false;
}

static void skip_nodes(struct run *r, const struct hairpin_report *h)
{
	bool any = false;

	for (size_t i = 0; i < h->nodes.len; i++) {
		const struct hairpin_node *n = &h->nodes.v[i];

		any |= n->basis != HAIRPIN_BY_NOTHING;
		if (n->self.can == HAIRPIN_UNKNOWN) {
			r->d->inconclusive = true;
			run_push(r, &r->d->skipped, ((struct skipped_check){ .check = "hairpin", .node = n->snap->name, .code = "not-collected",
									    .reason = n->self.why }));
		} else if (is_denied(r, n)) {
			r->d->inconclusive = true;
			run_push(r, &r->d->skipped, ((struct skipped_check){ .check = "hairpin", .node = n->snap->name, .code = "forbidden",
									    .reason = "its rules could not be read: judged by bridges and ports alone" }));
		}
	}
	r->d->axis_has_source[AXIS_RULES] = any;
	r->d->inconclusive |= !any;
	if (!any && h->nodes.len)
		r->d->axis_why_not[AXIS_RULES] = run_printf(r, "node %s: %s", h->nodes.v[0].snap->name, h->nodes.v[0].self.why);
}

static int concerned(const struct hairpin_report *h, struct service_list *ret)
{
	CLEANUP(map_release) struct map seen = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < h->pods.len; i++) {
		const struct k8s_service *s = h->pods.v[i].service;

		if (!s || map_get(&seen, &h->pods.v[i].service, sizeof(s)))
			continue;
		r = map_put(&seen, &h->pods.v[i].service, sizeof(s), (void *)(uintptr_t)s);
		if (r == 0)
			r = array_push(&ret->v, s);
	}
	return r;
}

static int judge(const struct snapshot *s, const char *const *ignore, struct hairpin_report *h, const struct service_list *services,
		 struct diagnosis *ret)
{
	static const struct k8s_service *const none[1] = { NULL };
	const struct diagnose_options o = { .axes = { [AXIS_RULES] = true }, .axes_given = true, .ignore = ignore,
					    .services = services->v.v ? services->v.v : none, .nservices = services->v.len };
	struct run r = { .s = s, .c = &s->cluster, .o = &o, .d = ret, .a = &ret->arena };

	ret->healthy = -1;
	ret->verify = h->found;
	h->found = (struct verify_report){ 0 };
	run_index(&r);
	if (!r.err)
		difference_findings(&r);
	for (size_t i = 0; !r.err && i < h->bridges.len; i++)
		port_finding(&r, h, &h->bridges.v[i], node_of(s, h->bridges.v[i].node));
	if (!r.err) {
		run_sources(&r);
		run_verdict(&r);
		ret->inconclusive = false; /* whether the Services are the right ones is not asked here */
		skip_nodes(&r, h);
	}
	run_release(&r);
	return r.err;
}

int hairpin_diagnose(const struct snapshot *s, const char *const *ignore, struct hairpin_report *h, struct diagnosis *ret)
{
	struct service_list services = { 0 };
	int r = concerned(h, &services);

	if (r == 0)
		r = judge(s, ignore, h, &services, ret);
	array_free(&services.v);
	return r;
}
