/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every node of a snapshot: which can be judged, and its Services in parts, two of them side by side where there are many. */
#include <errno.h>

#include "verify-private.h"

#define PART 256u /* Services that are worth a second thread */

/* Some Services of one node, and what came of them. */
struct part {
	size_t first, end;
	struct verify_report out;
	int error;
};

struct job {
	const struct snapshot *snapshot;
	const struct snap_node *node;
	const struct k8s_service *const *services;
	struct vworker *workers[CREW_SIZE]; /* each made by the thread that needs it */
};

static void run_part(void *arg, void *what, unsigned who)
{
	struct job *j = arg;
	struct part *p = what;

	if (!j->workers[who])
		p->error = vworker_new(j->snapshot, j->node, &j->workers[who]);
	for (size_t i = p->first; p->error == 0 && i < p->end; i++)
		p->error = vworker_service(j->workers[who], j->services[i], &p->out);
}

static void run_parts(struct job *j, struct part *parts, size_t n)
{
	struct crew *crew = n > 1 ? crew_start(run_part, j) : NULL;

	for (size_t i = 0; i < n; i++) {
		if (crew)
			crew_add(crew, &parts[i]);
		else
			run_part(j, &parts[i], 0);
	}
	crew_finish(crew);
}

static int note_config(const struct snap_node *n, const struct vnode *v, struct verify_report *out)
{
	const struct kube_proxy_config *config = v->expect.config;
	struct verify_config c = { .node = n->name, .source = config->known ? arena_strdup(&out->arena, config->source) : NULL };

	return config->known && !c.source ? -ENOMEM : array_push(&out->configs, c);
}

static bool has_servers(const struct snap_node *n, unsigned six)
{
	for (size_t i = 0; i < n->rules.servers.len; i++)
		if (n->rules.servers.v[i]->addr.family == (six ? AF_INET6 : AF_INET))
			return true;
	return false;
}

static bool on_some_link(const struct node_facts *f, const struct ip_addr *a)
{
	for (size_t i = 0; i < f->addrs.len; i++)
		if (ip_addr_equal(&f->addrs.v[i].addr, a))
			return true;
	return false;
}

/* An address and its route in table local come and go together: where one is without the other, the dumps are of two moments. */
static int note_addresses(const struct snap_node *n, struct vnode *v, struct verify_report *out)
{
	CLEANUP(map_release) struct map seen = { 0 };
	char text[IP_ADDR_STRLEN];

	for (size_t i = 0; n->facts.addrs_known && n->facts.routes_known && i < n->rules.servers.len; i++) {
		const struct ip_addr *a = &n->rules.servers.v[i]->addr;
		const char *reason;

		if (!a->family || map_get(&seen, a, sizeof(*a)))
			continue;
		if (map_put(&seen, a, sizeof(*a), (void *)(uintptr_t)a) < 0)
			return -ENOMEM;
		if ((vnode_on_ipvs_link(v, a) || on_some_link(&n->facts, a)) == (node_is_local(&n->facts, a) == TRI_TRUE))
			continue;
		reason = arena_printf(&out->arena, "ip-addr.json and ip-route.json do not agree on whether %s is an address of this node; the latter is believed",
				      ip_addr_format(a, text));
		return reason ? report_skip(out, n->name, "unreadable", "addresses", reason, "ip -j addr and ip -j route show table all, one right after the other") : -ENOMEM;
	}
	return 0;
}

/* What of IPVS mode cannot be judged without the other dumps. */
static int note_ipvs(const struct snap_node *n, struct vnode *v, struct verify_report *out)
{
	const enum known sets = n->dumps[DUMP_IPSET];
	int r = 0;

	for (unsigned six = 0; r == 0 && six < 2; six++)
		if (v->servers_only[six] && (sets == KNOWN || sets == PARTLY_KNOWN) && has_servers(n, six))
			r = report_skip(out, n->name, "not-collected", six ? "IPv6 masquerade and source ranges" : "masquerade and source ranges",
					"kube-proxy's rules of iptables, which masquerade and refuse in IPVS mode, are in no dump",
					six ? "ip6tables-save of both backends" : "iptables-save of both backends");
	if (r == 0 && sets != KNOWN && sets != PARTLY_KNOWN)
		r = report_skip(out, n->name, known_code(sets), "masquerade and source ranges", "kube-proxy's rules of IPVS mode ask ipsets, and these are "
				"not known", "ipset save > ipset-save.txt on the node");
	if (r == 0 && !n->facts.addrs_known)
		r = report_skip(out, n->name, "not-collected", "addresses", v->locals_unknown ?
				"which addresses the node has, virtual ones too, is not known: only its own packets are judged" :
				"which virtual addresses are on kube-ipvs0 is not known", "ip -j addr > ip-addr.json on the node");
	return r == 0 ? note_addresses(n, v, out) : r;
}

/* What no Service is needed for. */
static int note_what_is_not_judged(const struct snapshot *s, const struct snap_node *n, struct vworker *w, struct verify_report *out)
{
	int r = 0;

	if (s->services_from_rules)
		r = report_skip(out, n->name, "not-collected", "endpoints", "Services and endpoints are what the rules and their comments "
				"say; whether they are the right ones was not checked",
				"kubectl get svc,endpointslices,pods,nodes -A -o json > cluster.json");
	if (r == 0 && !vworker_node(w)->expect.config->known)
		r = report_skip(out, n->name, "not-collected", "masquerade", "kube-proxy's configuration is not known, so the rewriting of "
				"sources is not compared", "kube-proxy-configz.json or the ConfigMap kube-system/kube-proxy");
	if (r == 0 && n->nft_not_modelled) {
		const char *reason = arena_printf(&out->arena, "the rules of nftables table %s act on packets and are not modelled", n->nft_not_modelled);

		r = reason ? report_skip(out, n->name, "unsupported", "nftables", reason, "") : -ENOMEM;
	}
	return r == 0 && vworker_node(w)->expect.mode == MODE_IPVS ? note_ipvs(n, vworker_node(w), out) : r;
}

/* Only where all Services are known: a rule is for nobody when none of them has its address. */
static int find_stale(const struct snapshot *s, struct job *j, const struct verify_options *o, struct verify_report *out)
{
	CLEANUP(map_release) struct map known = { 0 };
	int r = 0;

	if (s->services_from_rules || !snapshot_has_all(s, K8S_SERVICES, NULL))
		return 0;
	for (size_t i = 0; r == 0 && o->services && i < s->cluster.services.len; i++)
		r = vworker_note(j->workers[0], s->cluster.services.v[i]);
	for (size_t i = 0; r == 0 && i < CREW_SIZE; i++)
		if (j->workers[i])
			r = vworker_frontends(j->workers[i], &known);
	return r < 0 ? r : vstale_find(vworker_node(j->workers[0]), &known, o, out);
}

static int run_node(const struct snapshot *s, const struct snap_node *n, const struct verify_options *o, struct verify_report *out)
{
	const struct k8s_service *const *services = o->services ? o->services : (const struct k8s_service *const *)s->cluster.services.v;
	size_t count = o->services ? o->nservices : s->cluster.services.len, nparts = (count + PART - 1) / PART;
	struct part *parts = calloc(MAX(nparts, (size_t)1), sizeof(*parts));
	struct job j = { .snapshot = s, .node = n, .services = services };
	int r = parts ? vworker_new(s, n, &j.workers[0]) : -ENOMEM;

	if (r == 0)
		r = note_config(n, vworker_node(j.workers[0]), out);
	if (r == 0)
		r = note_what_is_not_judged(s, n, j.workers[0], out);
	for (size_t i = 0; r == 0 && i < nparts; i++) {
		parts[i].first = i * PART;
		parts[i].end = MIN(count, (i + 1) * PART);
	}
	if (r == 0)
		run_parts(&j, parts, nparts);
	for (size_t i = 0; parts && i < nparts; i++) {
		int joined = r == 0 && parts[i].error == 0 ? report_join(out, &parts[i].out) : (verify_report_release(&parts[i].out), parts[i].error);

		r = r ? r : joined;
	}
	if (r == 0)
		r = find_stale(s, &j, o, out);
	for (size_t i = 0; i < CREW_SIZE; i++)
		vworker_free(j.workers[i]);
	free(parts);
	return r;
}

static int cmp_difference(const void *pa, const void *pb)
{
	const struct verify_difference *a = pa, *b = pb;
	int c = strcmp(a->node, b->node);

	if (c == 0 && (!a->service || !b->service))
		c = (a->service == NULL) - (b->service == NULL);
	else if (c == 0)
		c = strcmp(a->service->meta.ns, b->service->meta.ns);
	if (c == 0 && a->service)
		c = strcmp(a->service->meta.name, b->service->meta.name);
	if (c == 0)
		c = (a->port > b->port) - (a->port < b->port);
	if (c == 0)
		c = strcmp(a->frontend, b->frontend);
	if (c == 0)
		c = (int)a->kind - (int)b->kind;
	if (c == 0)
		c = strcmp(a->by.text ? a->by.text : "", b->by.text ? b->by.text : "");
	return c;
}

static int find_torn(const struct snapshot *s, const struct snap_node *n, struct verify_report *out)
{
	struct verify_torn torn[2];
	int found = verify_torn_find(s, n, &out->arena, torn), r = found;

	for (int i = 0; r >= 0 && i < found; i++)
		r = array_push(&out->torn, torn[i]);
	return r < 0 ? r : 0;
}

int verify_run(const struct snapshot *s, const struct verify_options *o, struct verify_report *ret)
{
	int r = 0;

	ret->services = o->services ? o->nservices : s->cluster.services.len;
	for (size_t i = 0; r == 0 && i < s->nodes.len; i++) {
		const struct snap_node *n = s->nodes.v[i];
		struct verify_skipped skipped;

		if (o->node && strcmp(o->node, n->name) != 0)
			continue;
		if (s->live && !n->any_rules && !n->live)
			continue; /* known by what its kube-proxy says; the API shows no rules of any node */
		r = find_torn(s, n, ret);
		if (r == 0)
			r = verify_admit(s, n, &ret->arena, &skipped);
		if (r == 0)
			r = array_push(&ret->skipped, skipped);
		else if (r > 0)
			r = array_push(&ret->nodes, n->name) < 0 ? -ENOMEM : run_node(s, n, o, ret);
	}
	if (ret->differences.len)
		qsort(ret->differences.v, ret->differences.len, sizeof(*ret->differences.v), cmp_difference);
	if (r >= 0)
		r = verify_peers(s, o, ret);
	return r;
}
