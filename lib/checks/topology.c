/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preferences among endpoints: topology hints that are off, traffic that is kept close and meets few endpoints, clients
 * that share one address before session affinity. None of it stops a packet by itself.
 */
#include "checks-private.h"

#define SHOWN_MAX 6

/* The annotation, in either spelling (1.27 renamed it); "Disabled" and absence are no wish. */
static const char *wants_hints(const struct k8s_service *s)
{
	static const char *const keys[] = { "service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *v = k8s_label_get(&s->meta.annotations, keys[i]);

		if (v && strcasecmp(v, "auto") == 0)
			return keys[i];
	}
	return NULL;
}

struct hint_count {
	size_t ready, hinted, node_hinted, without_zone;
	const struct k8s_endpoint *bare; /* ready, and without a hint */
};

static void count_hints(const struct svc *v, struct hint_count *n)
{
	*n = (struct hint_count){ 0 };
	for (size_t i = 0; v->slices && i < v->slices->v.len; i++)
		for (size_t j = 0; slice_used(v->o, v->slices->v.v[i]) && j < v->slices->v.v[i]->nendpoints; j++) {
			const struct k8s_endpoint *e = &v->slices->v.v[i]->endpoints[j];

			if (e->ready == 0)
				continue;
			n->ready++;
			n->hinted += e->nzone_hints > 0;
			n->node_hinted += e->nnode_hints > 0;
			n->without_zone += !e->zone;
			if (!e->nzone_hints && !n->bare)
				n->bare = e;
		}
}

static void hints_reason(struct run *r, struct finding *f, const struct svc *v, const struct hint_count *n)
{
	const struct k8s_event *e = run_event(r, "Service", v->o->meta.ns, v->o->meta.name, "TopologyAwareHintsDisabled");
	size_t nodes = 0;

	finding_event(r, f, e);
	for (size_t i = 0; i < r->c->nodes.len; i++)
		nodes += !k8s_label_get(&r->c->nodes.v[i]->meta.labels, "topology.kubernetes.io/zone");
	if (nodes && run_reaches_in(r, K8S_NODES, NULL))
		finding_evidence(r, f, "%zu of %zu nodes have no label topology.kubernetes.io/zone", nodes, r->c->nodes.len);
	if (n->without_zone)
		finding_evidence(r, f, "%zu of %zu ready endpoints have no zone", n->without_zone, n->ready);
	if (n->bare && n->bare->naddresses && n->hinted)
		finding_evidence(r, f, "endpoint %.60s has no hint; one such endpoint turns the hints of all off", n->bare->addresses[0]);
}

/* kube-proxy reads hints only where every ready endpoint has one (pkg/proxy/topology.go). */
void check_topology_hints(struct run *r, struct svc *v)
{
	const char *wish = wants_hints(v->o);
	const struct k8s_meta *m = &v->o->meta;
	struct hint_count n;
	struct finding *f;

	if (k8s_service_skipped_by_proxy(v->o) || !run_reaches(r, K8S_SLICES, v))
		return;
	count_hints(v, &n);
	if (n.ready == 0 || n.hinted == n.ready || (!wish && (n.hinted == 0 || n.node_hinted == n.ready)))
		return;
	f = finding_of_service(r, "topology-hints-off-or-imbalanced", NULL, NULL, v);
	f->rank = 44;
	finding_partial(f);
	if (n.hinted) {
		finding_text(r, f, "%zu of %zu ready endpoints of %s/%s have a zone hint: kube-proxy reads hints only where all have one", n.hinted,
			     n.ready, m->ns, m->name);
	} else {
		/* the controller found no safe way to share out: traffic goes everywhere, and nothing fails */
		finding_severity(f, SEVERITY_INFO);
		finding_text(r, f, "%s/%s asks for topology-aware routing, and its endpoints have no hints: traffic goes to all zones", m->ns,
			     m->name);
		finding_evidence(r, f, "annotation %s is Auto", wish);
	}
	hints_reason(r, f, v, &n);
	finding_next(r, f, "kubectl -n %s describe service %s", m->ns, m->name);
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o yaml", m->ns, m->name);
}

/* ---- traffic that stays close ---- */

struct place {
	const char *name;
	size_t nodes, endpoints;
};
struct places {
	struct map m;
	ARRAY_OF(struct place *) v;
};

static struct place *place_get(struct run *r, struct places *p, const char *name)
{
	struct place *x = name ? map_gets(&p->m, name) : NULL;

	if (x || !name)
		return x;
	x = arena_new(&r->scratch, struct place);
	if (!x || map_puts(&p->m, name, x) < 0) {
		r->err = -ENOMEM;
		return NULL;
	}
	x->name = name;
	run_push(r, &p->v, x);
	return x;
}

static void places_release(struct places *p)
{
	map_release(&p->m);
	array_free(&p->v);
}

/* Zones with their nodes, or nodes; and how many ready endpoints are hinted to each. */
static void count_places(struct run *r, const struct svc *v, bool by_node, struct places *ret)
{
	struct place *x;

	for (size_t i = 0; i < r->c->nodes.len; i++) {
		const struct k8s_meta *m = &r->c->nodes.v[i]->meta;

		x = place_get(r, ret, by_node ? m->name : k8s_label_get(&m->labels, "topology.kubernetes.io/zone"));
		if (x)
			x->nodes++;
	}
	for (size_t i = 0; v->slices && i < v->slices->v.len; i++)
		for (size_t j = 0; slice_used(v->o, v->slices->v.v[i]) && j < v->slices->v.v[i]->nendpoints; j++) {
			const struct k8s_endpoint *e = &v->slices->v.v[i]->endpoints[j];
			const char *const *hints = by_node ? e->node_hints : e->zone_hints;
			const size_t n = by_node ? e->nnode_hints : e->nzone_hints;

			for (size_t k = 0; e->ready != 0 && k < n; k++) {
				x = place_get(r, ret, hints[k]);
				if (x)
					x->endpoints++;
			}
		}
}

static bool stays_close(const struct k8s_service *s, bool *ret_by_node)
{
	*ret_by_node = str_is(s->traffic_distribution, "PreferSameNode");
	return *ret_by_node || str_is(s->traffic_distribution, "PreferClose") || str_is(s->traffic_distribution, "PreferSameZone");
}

/* A zone or node with one endpoint for all its clients, where another has several: worth knowing, and meant so. */
void check_traffic_distribution(struct run *r, struct svc *v)
{
	CLEANUP(places_release) struct places p = { 0 };
	const struct k8s_meta *m = &v->o->meta;
	const struct place *one = NULL;
	struct hint_count n;
	size_t most = 0;
	struct finding *f;
	bool by_node;

	if (k8s_service_skipped_by_proxy(v->o) || !stays_close(v->o, &by_node))
		return;
	count_hints(v, &n);
	if (n.ready < 2 || (by_node ? n.node_hinted : n.hinted) != n.ready)
		return;
	count_places(r, v, by_node, &p);
	for (size_t i = 0; i < p.v.len; i++) {
		most = MAX(most, p.v.v[i]->endpoints);
		if (!one && p.v.v[i]->nodes && p.v.v[i]->endpoints == 1)
			one = p.v.v[i];
	}
	if (!one || most < 2)
		return;
	f = finding_of_service(r, "traffic-distribution-hotspot", NULL, NULL, v);
	f->rank = 47;
	finding_partial(f);
	finding_text(r, f, "%s/%s keeps traffic close (%s): all clients of %s %s use one endpoint, another %s has %zu", m->ns, m->name,
		     v->o->traffic_distribution, by_node ? "node" : "zone", one->name, by_node ? "node" : "zone", most);
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o yaml", m->ns, m->name);
}

/* ---- session affinity ---- */

/* The Ingress whose controller sends to the cluster IP, which it then reaches with its own address for every client. */
static const struct k8s_ingress *in_front(const struct run *r, const struct k8s_service *s)
{
	for (size_t i = 0; i < r->c->ingresses.len; i++) {
		const struct k8s_ingress *in = r->c->ingresses.v[i];

		if (strcmp(in->meta.ns, s->meta.ns) != 0 ||
		    !str_is(k8s_label_get(&in->meta.annotations, "nginx.ingress.kubernetes.io/service-upstream"), "true"))
			continue;
		for (size_t j = 0; j < in->nbackends; j++)
			if (str_is(in->backends[j].service, s->meta.name))
				return in;
	}
	return NULL;
}

void check_affinity(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const struct k8s_ingress *in;
	const char *hostname = NULL;
	struct finding *f;

	if (!v->o->affinity_client_ip || k8s_service_skipped_by_proxy(v->o) || v->usable < 2)
		return;
	in = in_front(r, v->o);
	for (size_t i = 0; i < v->o->ningress; i++)
		hostname = v->o->ingress[i].ip.family ? hostname : v->o->ingress[i].hostname;
	if (!in && !hostname)
		return;
	f = finding_of_service(r, "session-affinity-sticky", NULL, NULL, v);
	f->rank = 45;
	finding_partial(f);
	finding_changed(f, m);
	if (in) {
		finding_text(r, f,
			     "%s/%s keeps each client address at one pod for %u s, and Ingress %s/%s reaches it with the addresses of its controller "
			     "only: few of the %zu endpoints get traffic",
			     m->ns, m->name, v->o->affinity_timeout, in->meta.ns, in->meta.name, v->usable);
		finding_evidence(r, f, "annotation nginx.ingress.kubernetes.io/service-upstream is true: the controller uses the cluster IP");
	} else {
		finding_severity(f, SEVERITY_INFO);
		finding_text(r, f,
			     "%s/%s keeps each client address at one pod for %u s: where the load balancer %.200s puts its own address in place of the "
			     "clients', few endpoints get traffic",
			     m->ns, m->name, v->o->affinity_timeout, hostname);
	}
	finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
}
