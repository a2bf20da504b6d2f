/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube-proxy, node by node, after the rules: who does not sync and why, as one finding that explains what differs there. What its log says comes
 * first, then its ports, then what the rules alone prove: the first that tells a reason is the cause of the others (the catalogue says which).
 */
#include <math.h>

#include "proxy-sync-private.h"

#define LASTS_S 300 /* longer than an API server takes to be started anew */

/* ---- findings of a node ---- */

static struct finding_full *full(struct finding *f)
{
	return (struct finding_full *)f;
}

static bool explains_id(const struct check *c, const char *id)
{
	for (size_t i = 0; c->explains && c->explains[i]; i++)
		if (strcmp(c->explains[i], id) == 0)
			return true;
	return false;
}

struct finding *proxy_found(const struct proxy_node *p, const char *check)
{
	for (size_t i = 0; i < p->findings.len; i++)
		if (str_is(p->findings.v[i]->check->id, check))
			return p->findings.v[i];
	return NULL;
}

bool proxy_is_explained(const struct proxy_node *p, const char *check)
{
	for (size_t i = 0; i < p->findings.len; i++)
		if (explains_id(p->findings.v[i]->check, check))
			return true;
	return false;
}

/* ---- when ---- */

static void take_later(int64_t *at, int64_t t)
{
	*at = MAX(*at, t);
}

/* Of both families the one that is behind; 0: none is told. */
static int64_t earlier_of(int64_t a, int64_t b)
{
	return a > 0 && b > 0 ? MIN(a, b) : MAX(MAX(a, b), (int64_t)0);
}

static int64_t metric_time(double t)
{
	return isnan(t) || t < 1 || t > 1e11 ? 0 : (int64_t)t;
}

int64_t proxy_synced(const struct run *r, const struct proxy_view *v)
{
	const struct snap_proxy *p = v->n ? &v->n->proxy : NULL;
	const int64_t near = proxy_now(r, v);
	int64_t at = 0;

	if (!p)
		return 0;
	take_later(&at, earlier_of(proxy_seconds(p->family_updated[0], near), proxy_seconds(p->family_updated[1], near)));
	if (p->metrics.known)
		take_later(&at, earlier_of(metric_time(p->metrics.family[0].synced), metric_time(p->metrics.family[1].synced)));
	/* pkg/proxy/healthcheck/proxy_health.go: while it counts as healthy, its lastUpdated is the time at which it is asked */
	if (!at && p->healthz_known && !p->healthy && p->eligible != 0)
		take_later(&at, proxy_seconds(p->healthz_last_updated, near));
	return at;
}

static int64_t slice_changed(const struct run *r, const struct k8s_slice *sl)
{
	const char *trigger = k8s_label_get(&sl->meta.annotations, "endpoints.kubernetes.io/last-change-trigger-time");
	int64_t at = proxy_seconds(sl->meta.created, r->s->now);

	take_later(&at, proxy_seconds(sl->meta.last_change, r->s->now));
	take_later(&at, proxy_seconds(trigger, r->s->now));
	return at;
}

int64_t proxy_changed(struct run *r, const struct k8s_service *s)
{
	const struct k8s_slice_group *g = k8s_slices_of(r->c, s);
	int64_t at = proxy_seconds(s->meta.created, r->s->now);

	take_later(&at, proxy_seconds(s->meta.last_change, r->s->now));
	for (size_t i = 0; g && i < g->v.len; i++)
		take_later(&at, slice_changed(r, g->v.v[i]));
	return MAX(at, (int64_t)0);
}

/* ---- one finding for all ---- */

static int by_pointer(const void *a, const void *b)
{
	const struct k8s_service *x = *(const struct k8s_service *const *)a, *y = *(const struct k8s_service *const *)b;
	int c = strcmp(x->meta.ns, y->meta.ns);

	return c ? c : strcmp(x->meta.name, y->meta.name);
}

/* Services of what it explains, each once and by name. */
static void take_services(struct run *r, struct finding *f, const struct finding *g)
{
	for (size_t i = 0; i < g->services.len; i++)
		run_push(r, &f->services, g->services.v[i]);
}

static void sort_services(struct finding *f)
{
	size_t n = 0;

	if (f->services.len)
		qsort(f->services.v, f->services.len, sizeof(*f->services.v), by_pointer);
	for (size_t i = 0; i < f->services.len; i++)
		if (!n || f->services.v[n - 1] != f->services.v[i])
			f->services.v[n++] = f->services.v[i];
	f->services.len = n;
}

/* Everything of the node that this one explains makes it as bad as that is. */
static void stand_for(struct run *r, struct proxy_node *p, struct finding *f)
{
	for (size_t i = 0; i < p->findings.len; i++) {
		const struct finding *g = p->findings.v[i];

		if (g == f || !explains_id(f->check, g->check->id) || ((const struct finding_full *)g)->foreign)
			continue;
		f->severity = MAX(f->severity, g->severity);
		take_services(r, f, g);
	}
	sort_services(f);
}

static bool has_wrong_rules(const struct proxy_node *p)
{
	return proxy_found(p, "kube-proxy-wrote-nothing") || proxy_found(p, "rules-torn");
}

static const char *state_words(struct run *r, const struct proxy_node *p, const struct finding *f, int64_t since)
{
	const int64_t now = proxy_now(r, p->v);

	if (has_wrong_rules(p))
		return proxy_found(p, "rules-torn") ? "has not finished a sync" : "has written nothing";
	if (since > 0 && now > 0 && now - since >= 60)
		return run_printf(r, "has not synced for %s", proxy_ago(r, now - since));
	return f->services.len ? "does not sync" : NULL;
}

struct finding *proxy_cause(struct run *r, struct proxy_node *p, const char *check, const char *state, const char *why, int64_t since)
{
	const char *node = p->v->node;
	struct finding *f = finding_new(r, check, node, NULL, run_printf(r, "Node %s", node));

	f->rank = 1;
	full(f)->own_rules = true;
	full(f)->behind_since = since;
	finding_cluster(f);
	finding_partial(f);
	finding_severity(f, MIN(f->check->severity, SEVERITY_WARNING));
	stand_for(r, p, f);
	state = state ? state : state_words(r, p, f, since);
	if (!why)
		finding_text(r, f, "kube-proxy on %s %s", node, state ? state : "does not sync");
	else if (state)
		finding_text(r, f, "kube-proxy on %s %s: it %s", node, state, why);
	else
		finding_text(r, f, "kube-proxy on %s %s", node, why);
	run_push(r, &p->findings, f);
	return f;
}

void proxy_lasts(struct run *r, const struct proxy_node *p, struct finding *f, int64_t since)
{
	const int64_t now = proxy_now(r, p->v);

	if (since > 0 && now > 0 && now - since >= LASTS_S)
		f->severity = MAX(f->severity, f->check->severity);
}

void proxy_adopt(struct run *r, struct proxy_node *p, struct finding *f)
{
	full(f)->own_rules = true;
	stand_for(r, p, f);
}

/* ---- all nodes ---- */

struct nodes {
	struct proxy_node *v;
	size_t len;
};

static struct proxy_node *node_named(const struct nodes *n, const char *name)
{
	size_t lo = 0, hi = n->len;

	while (name && lo < hi) {
		const size_t mid = (lo + hi) / 2;
		const int c = strcmp(n->v[mid].v->node, name);

		if (c == 0)
			return &n->v[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static void sort_findings(struct run *r, struct nodes *n)
{
	for (size_t i = 0; i < r->d->findings.len; i++) {
		struct finding *f = r->d->findings.v[i];
		struct proxy_node *p = node_named(n, f->node);

		if (p)
			run_push(r, &p->findings, f);
	}
}

/* Frontends are sorted by node; those of nodes where nothing is wrong need not be counted. */
static void sort_frontends(struct run *r, const struct nodes *n)
{
	const struct verify_report *rep = &r->d->verify;
	struct proxy_node *p = NULL;

	for (size_t i = 0; i < rep->fronts.len; i++) {
		const char *node = rep->fronts.v[i].node;

		if (i == 0 || node != rep->fronts.v[i - 1].node) {
			p = node_named(n, node);
			if (p && !p->nfronts)
				p->fronts = &rep->fronts.v[i];
		}
		if (p && p->fronts + p->nfronts == &rep->fronts.v[i])
			p->nfronts++;
	}
}

static void count_frontend(struct run *r, struct proxy_node *p, const struct verify_frontend *x)
{
	const int64_t at = x->service ? proxy_changed(r, x->service) : 0;
	const bool wrong = x->state == FRONTEND_DIFFERS && !x->minor;

	p->untimed |= at == 0;
	p->wrong += wrong;
	p->right += !wrong;
	if (wrong)
		p->first_wrong = p->first_wrong ? MIN(p->first_wrong, at) : at;
	else
		p->last_right = MAX(p->last_right, at);
}

void proxy_count_frontends(struct run *r, struct proxy_node *p)
{
	if (p->wrong + p->right)
		return;
	for (size_t i = 0; i < p->nfronts; i++)
		if (p->fronts[i].state == FRONTEND_OK || p->fronts[i].state == FRONTEND_DIFFERS)
			count_frontend(r, p, &p->fronts[i]);
}

static void judge_node(struct run *r, struct proxy_node *p)
{
	const size_t before = p->findings.len;
	struct verify_plane other;

	if ((r->o->node && strcmp(r->o->node, p->v->node) != 0) || (p->v->n && verify_plane_is_other(r->s, p->v->n, &other)))
		return;
	proxy_reason_findings(r, p);
	proxy_port_findings(r, p);
	proxy_stale_findings(r, p);
	for (size_t i = before; i < p->findings.len; i++)
		proxy_stale_evidence(r, p, p->findings.v[i]);
	if (p->findings.len == before)
		proxy_fresh_findings(r, p);
}

void proxy_findings(struct run *r)
{
	struct nodes n = { 0 };
	const struct proxy_view *v = proxy_views(r, &n.len);

	n.v = n.len ? calloc(n.len, sizeof(*n.v)) : NULL;
	if (n.len && !n.v) {
		r->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < n.len; i++)
		n.v[i].v = &v[i];
	sort_findings(r, &n);
	sort_frontends(r, &n);
	for (size_t i = 0; i < n.len && !r->err; i++)
		judge_node(r, &n.v[i]);
	if (!r->err)
		proxy_latency_findings(r);
	for (size_t i = 0; i < n.len; i++)
		array_free(&n.v[i].findings);
	free(n.v);
}
