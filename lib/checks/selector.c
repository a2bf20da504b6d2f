/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Services whose selector matches no pod, and Services without a selector: who was meant? In this order: a workload
 * of the namespace whose pods would match (scaled to zero, or unable to make pods), pods of other namespaces, and
 * the pods that come nearest. These searches run for Services without a match only and have a common budget.
 */
#include "checks-private.h"

#define SEARCH_MAX 20000 /* pods looked at for one Service */

/* What a selector nearly matches. */
struct near_pod {
	const struct k8s_pod *pod;    /* NULL: nothing near */
	const struct k8s_label *want; /* the pair of the selector that differs; NULL: all match (other namespace) */
	const char *have_key, *have;  /* what the pod has instead; NULL: nothing */
	unsigned score;		      /* smaller is nearer */
};

static bool spend(struct run *r, size_t n)
{
	if (r->budget < n)
		return false;
	r->budget -= n;
	return true;
}

/* ---- workloads ---- */

static const char *kind_lower(const struct k8s_workload *w)
{
	static const char *const kinds[][2] = { { "Deployment", "deployment" },
						{ "StatefulSet", "statefulset" },
						{ "ReplicaSet", "replicaset" },
						{ "DaemonSet", "daemonset" },
						{ "Job", "job" } };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(w->kind, kinds[i][0]) == 0)
			return kinds[i][1];
	return NULL;
}

/* The workload of the namespace that would make pods for the Service: one that others own is not asked. */
static const struct k8s_workload *would_match(struct run *r, const struct svc *v)
{
	const struct workload_list *l = run_workloads(r, v->o->meta.ns);
	const struct k8s_workload *best = NULL;

	for (size_t i = 0; l && i < l->v.len && spend(r, 1); i++) {
		const struct k8s_workload *w = l->v.v[i];

		if (w->meta.nowners || !k8s_selector_matches(&v->o->selector, &w->template_labels))
			continue;
		if (!best || (best->replicas == 0 && w->replicas > 0))
			best = w;
	}
	return best;
}

static const char *replicas_since(const struct k8s_workload *w)
{
	const struct k8s_condition *c = k8s_condition(w->conditions, w->nconditions, "Available");

	return w->meta.last_change ? w->meta.last_change : c ? c->since : NULL;
}

static void scaled_to_zero(struct run *r, struct svc *v, const struct k8s_workload *w)
{
	const struct k8s_meta *m = &v->o->meta;
	const char *kind = kind_lower(w);
	struct finding *f = finding_of_service(r, "workload-scaled-to-zero", NULL, NULL, v);
	const bool daemon = strcmp(w->kind, "DaemonSet") == 0;

	f->rank = 10;
	finding_text(r, f,
		     daemon ? "%s %s/%s, whose pods %s/%s selects, fits no node, so there are no endpoints"
			    : "%s %s/%s, whose pods %s/%s selects, is scaled to 0 replicas, so there are no endpoints",
		     w->kind, w->meta.ns, w->meta.name, m->ns, m->name);
	finding_evidence(r, f, "the selector is %s; the pods of %s %s would have it", labels_text(r, &v->o->selector),
			 w->kind, w->meta.name);
	f->since = replicas_since(w);
	f->changed_by = w->meta.last_manager;
	if (kind)
		finding_next(r, f, "kubectl -n %s describe %s %s", w->meta.ns, kind, w->meta.name);
	if (kind &&
	    (strcmp(kind, "deployment") == 0 || strcmp(kind, "statefulset") == 0 || strcmp(kind, "replicaset") == 0))
		finding_fix(r, f, "kubectl -n %s scale %s %s --replicas=1", w->meta.ns, kind, w->meta.name);
}

static void makes_no_pods(struct run *r, struct svc *v, const struct k8s_workload *w)
{
	const char *kind = kind_lower(w);
	struct finding *f = finding_of_service(r, "workload-has-no-pods", NULL, NULL, v);

	f->rank = 10;
	finding_text(r, f, "%s %s/%s should have %lld pod%s for %s/%s and has none", w->kind, w->meta.ns, w->meta.name,
		     (long long)w->replicas, PLURAL(w->replicas), v->o->meta.ns, v->o->meta.name);
	for (size_t i = 0; i < w->nconditions; i++) {
		const struct k8s_condition *c = &w->conditions[i];

		if (c->message && c->status &&
		    strcmp(c->status, strcmp(c->type, "ReplicaFailure") == 0 ? "True" : "False") == 0)
			finding_evidence(r, f, "%s: %.300s", c->type, c->message);
		if (strcmp(c->type, "Available") == 0)
			f->since = c->since;
	}
	finding_event(r, f, run_event(r, w->kind, w->meta.ns, w->meta.name, NULL));
	if (kind)
		finding_next(r, f, "kubectl -n %s describe %s %s", w->meta.ns, kind, w->meta.name);
	finding_next(r, f, "kubectl -n %s get events --field-selector type=Warning", w->meta.ns);
}

/* ---- the nearest pods ---- */

static const struct k8s_label *label_with_value(const struct k8s_labels *l, const char *value)
{
	for (size_t i = 0; i < l->len; i++)
		if (strcmp(l->v[i].value, value) == 0)
			return &l->v[i];
	return NULL;
}

/* How far is one pair of the selector from the pod's labels? 0: it matches; 100: nothing alike. */
static unsigned pair_distance(const struct k8s_label *want, const struct k8s_labels *l, struct near_pod *n)
{
	const char *have = k8s_label_get(l, want->key);
	const struct k8s_label *other;
	unsigned limit = strlen(want->value) < 4 ? 1 : strlen(want->value) < 9 ? 2 : 3, d;

	if (have && strcmp(have, want->value) == 0)
		return 0;
	n->want = want;
	n->have_key = want->key;
	n->have = have;
	if (have) {
		d = edit_distance(have, want->value, limit);
		return d <= limit ? d : 20;
	}
	/* the same value under another key: app against app.kubernetes.io/name */
	other = strlen(want->value) > 1 ? label_with_value(l, want->value) : NULL;
	if (!other)
		return 30;
	n->have_key = other->key;
	n->have = other->value;
	return 4;
}

/* Exactly one pair differs, and either others match or the value is much alike. */
static void try_near(const struct k8s_labels *sel, const struct k8s_pod *p, bool other_ns, struct near_pod *best)
{
	struct near_pod n = { .pod = p };
	size_t differing = 0;

	for (size_t i = 0; i < sel->len && differing < 2; i++) {
		unsigned d = pair_distance(&sel->v[i], &p->meta.labels, &n);

		differing += d > 0;
		n.score += d;
	}
	if (differing > 1 || (differing && sel->len == 1 && n.score >= 20) || (other_ns && differing && n.score > 4))
		return;
	if (!differing && !other_ns)
		return;
	n.score += other_ns ? 5 : 0;
	if (!differing)
		n.want = NULL;
	if (!best->pod || n.score < best->score)
		*best = n;
}

/* With pods of all namespaces: a whole match elsewhere comes right after a typing error here. */
static size_t search_near(struct run *r, const struct svc *v, struct near_pod *best)
{
	const struct k8s_labels *sel = &v->o->selector;
	const struct k8s_pod_group *own = map_gets(&r->c->pods_by_ns, v->o->meta.ns);
	size_t elsewhere = 0;

	for (size_t i = 0; own && i < own->v.len && i < SEARCH_MAX && spend(r, 1); i++)
		try_near(sel, own->v.v[i], false, best);
	for (size_t i = 0; i < r->c->pods.len && i < SEARCH_MAX && spend(r, 1); i++) {
		const struct k8s_pod *p = r->c->pods.v[i];

		if (k8s_pod_terminal(p) || strcmp(p->meta.ns, v->o->meta.ns) == 0)
			continue;
		elsewhere += k8s_selector_matches(sel, &p->meta.labels);
		try_near(sel, p, true, best);
	}
	return elsewhere;
}

static void patch_selector(struct run *r, struct finding *f, const struct svc *v, const struct near_pod *n)
{
	const struct k8s_meta *m = &v->o->meta;

	if (!n->have)
		return;
	if (strcmp(n->have_key, n->want->key) == 0)
		finding_fix(
			r, f,
			"kubectl -n %s patch service %s --type merge -p '{\"spec\":{\"selector\":{\"%t\":\"%t\"}}}'",
			m->ns, m->name, n->have_key, n->have);
	else
		finding_fix(
			r, f,
			"kubectl -n %s patch service %s --type merge -p "
			"'{\"spec\":{\"selector\":{\"%t\":null,\"%t\":\"%t\"}}}'",
			m->ns, m->name, n->want->key, n->have_key, n->have);
}

static void tell_near(struct run *r, struct finding *f, const struct svc *v, const struct near_pod *n, size_t elsewhere)
{
	const struct k8s_meta *p = &n->pod->meta;
	const bool other_ns = strcmp(p->ns, v->o->meta.ns) != 0;

	if (!n->want) {
		finding_text(
			r, f,
			"no pod in namespace %s has the labels %s that %s/%s selects; Pod %s/%s in "
			"namespace %s has them",
			v->o->meta.ns, labels_text(r, &v->o->selector), v->o->meta.ns, v->o->meta.name, p->ns, p->name,
			p->ns);
		finding_evidence(
			r, f, "%s%zu pod%s of other namespaces match%s: a Service selects pods of its own namespace only",
			run_complete(r, K8S_PODS) ? "" : "at least ", elsewhere, PLURAL(elsewhere), elsewhere == 1 ? "es" : "");
		finding_next(r, f, "kubectl -n %s get pods --show-labels", p->ns);
		return;
	}
	finding_evidence(r, f, "nearest: Pod %s/%s%s: the selector wants %s=%s, the pod has %s%s%s", p->ns, p->name,
			 other_ns ? ", in another namespace" : "", n->want->key, n->want->value,
			 n->have ? n->have_key : "no such label", n->have ? "=" : "", n->have ? n->have : "");
	if (other_ns)
		finding_next(r, f, "kubectl -n %s get pods --show-labels", p->ns);
	else
		patch_selector(r, f, v, n);
}

static void mismatch(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	struct near_pod near = { 0 };
	struct finding *f;
	size_t elsewhere = search_near(r, v, &near);

	f = finding_of_service(r, "selector-mismatch", NULL, NULL, v);
	f->rank = 10;
	finding_changed(f, m);
	finding_text(r, f, "no pod in namespace %s has the labels %s that %s/%s selects, so it has no endpoints", m->ns,
		     labels_text(r, &v->o->selector), m->ns, m->name);
	if (near.pod)
		tell_near(r, f, v, &near, elsewhere);
	finding_next(r, f, "kubectl -n %s get pods --show-labels", m->ns);
	finding_next(r, f, "kubectl -n %s describe service %s", m->ns, m->name);
	if (!run_complete_in(r, K8S_DEPLOYMENTS, m->ns))
		finding_evidence(r, f, "Deployments are not known: one that is scaled to zero may be the reason");
}

/* The pods that slices name would have to be in the list; if they are not, the list is not that of this namespace. */
static bool slices_name_pods(const struct svc *v)
{
	for (size_t i = 0; v->slices && i < v->slices->v.len; i++)
		if (v->slices->v.v[i]->nendpoints)
			return true;
	return false;
}

void check_selector(struct run *r, struct svc *v)
{
	const struct k8s_workload *w;

	if (!v->o->selector.len || v->external_name || v->pods->v.len || v->o->meta.deleted)
		return;
	if (!run_complete_of(r, K8S_PODS, v) || slices_name_pods(v))
		return;
	/*
	 * The controller keeps a slice, if an empty one, for each Service with a selector. Where other Services have
	 * one and this namespace has neither slice nor pod, the lists were taken of other namespaces.
	 */
	if (run_complete(r, K8S_PODS) && r->c->slices.len && r->c->pods.len && !v->slices &&
	    !map_gets(&r->c->pods_by_ns, v->o->meta.ns))
		return;
	w = would_match(r, v);
	if (w && w->replicas == 0)
		scaled_to_zero(r, v, w);
	else if (w && strcmp(w->kind, "Job") != 0)
		makes_no_pods(r, v, w);
	else
		mismatch(r, v);
}

/* ---- no selector ---- */

static const struct k8s_endpoints *endpoints_named(struct run *r, const struct svc *v)
{
	size_t lo = 0, hi = r->c->endpoints.len;

	while (lo < hi) { /* sorted by namespace and name */
		size_t mid = (lo + hi) / 2;
		const struct k8s_meta *m = &r->c->endpoints.v[mid]->meta;
		int c = strcmp(m->ns, v->o->meta.ns);

		c = c ? c : strcmp(m->name, v->o->meta.name);
		if (c == 0)
			return r->c->endpoints.v[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

void check_selectorless(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const struct k8s_endpoints *ep;
	struct finding *f;

	if (v->o->selector.len || v->external_name || !run_complete_of(r, K8S_SLICES, v) || v->listed || m->deleted)
		return;
	ep = endpoints_named(r, v);
	if (ep && ep->naddrs)
		return; /* not mirrored: that is another check */
	f = finding_of_service(r, "selectorless-no-endpoints", NULL, NULL, v);
	f->rank = 15;
	finding_changed(f, m);
	finding_text(r, f, "%s/%s has no selector, and nobody made an EndpointSlice for it: it has no endpoints", m->ns,
		     m->name);
	finding_evidence(
		r, f,
		"without a selector no controller makes endpoints; an EndpointSlice needs the label "
		"kubernetes.io/service-name=%s",
		m->name);
	finding_next(r, f, "kubectl -n %s get endpointslices --show-labels", m->ns);
	finding_next(r, f, "kubectl -n %s get pods --show-labels", m->ns);
}

/* An Endpoints object with addresses that did not become a slice (pkg/controller/endpointslicemirroring). */
void check_not_mirrored(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const struct k8s_endpoints *ep;
	const struct k8s_event *e;
	const char *skip;
	struct finding *f;

	if (v->external_name || v->o->selector.len || !run_complete_of(r, K8S_SLICES, v))
		return;
	ep = endpoints_named(r, v);
	e = run_event(r, "Endpoints", m->ns, m->name, "InvalidIPAddress");
	e = e ? e : run_event(r, "Endpoints", m->ns, m->name, "TooManyAddressesToMirror");
	if (!ep || !ep->naddrs || (v->listed && !e))
		return;
	skip = k8s_label_get(&ep->meta.labels, "endpointslice.kubernetes.io/skip-mirror");
	f = finding_of_service(r, "mirroring-invalid-or-capped", NULL, NULL, v);
	f->rank = 12;
	if (v->listed)
		finding_severity(f, SEVERITY_WARNING);
	finding_text(
		r, f,
		v->listed
			? "some of the %zu address%s of Endpoints %s/%s did not become an EndpointSlice, "
			  "which is all that kube-proxy reads"
			: "the %zu address%s of Endpoints %s/%s did not become an EndpointSlice, which is "
			  "all that kube-proxy reads",
		ep->naddrs, ep->naddrs == 1 ? "" : "es", m->ns, m->name);
	if (skip)
		finding_evidence(r, f, "Endpoints %s/%s has the label endpointslice.kubernetes.io/skip-mirror=%s",
				 m->ns, m->name, skip);
	finding_event(r, f, e);
	finding_next(r, f, "kubectl -n %s get endpoints %s -o yaml", m->ns, m->name);
	if (skip)
		finding_fix(r, f, "kubectl -n %s label endpoints %s endpointslice.kubernetes.io/skip-mirror-", m->ns,
			    m->name);
}

/* The Endpoints object beside the slices: other programs read it. */
void check_endpoints_object(struct run *r, struct svc *v)
{
	const struct k8s_endpoints *ep = v->external_name ? NULL : endpoints_named(r, v);
	const char *over = ep ? k8s_label_get(&ep->meta.annotations, "endpoints.kubernetes.io/over-capacity") : NULL;
	struct finding *f;

	if (over) {
		f = finding_of_service(r, "endpoints-over-capacity", NULL, NULL, v);
		finding_partial(f);
		finding_text(
			r, f,
			"the Endpoints object of %s/%s is cut off at 1000 addresses (%s); EndpointSlices have all %zu",
			v->o->meta.ns, v->o->meta.name, over, v->listed);
		return;
	}
	if (!ep || !run_complete_of(r, K8S_SLICES, v) || !v->slices || v->o->headless || !v->o->selector.len)
		return;
	for (size_t i = 0; i < ep->naddrs; i++) {
		bool found = !ep->addrs[i].ready;
		char buf[IP_ADDR_STRLEN];

		for (size_t j = 0; !found && j < v->slices->v.len; j++)
			for (size_t k = 0; !found && k < v->slices->v.v[j]->nendpoints; k++)
				found = ip_addr_equal(&ep->addrs[i].ip, &v->slices->v.v[j]->endpoints[k].ip);
		if (found)
			continue;
		f = finding_of_service(r, "endpoints-vs-slice-mismatch", NULL, NULL, v);
		finding_partial(f);
		finding_text(
			r, f,
			"Endpoints %s/%s has %s, which no EndpointSlice of the Service has: kube-proxy "
			"reads slices only",
			v->o->meta.ns, v->o->meta.name, ip_addr_format(&ep->addrs[i].ip, buf));
		finding_next(r, f, "kubectl -n %s get endpoints %s -o yaml", v->o->meta.ns, v->o->meta.name);
		finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o yaml",
			     v->o->meta.ns, v->o->meta.name);
		return;
	}
}
