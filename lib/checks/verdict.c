/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From findings to the diagnosis: which finding explains which (data of the catalogue, in its scope), what the user
 * wants to ignore, the order of causes, and the status of each Service and of the whole.
 */
#include "checks-private.h"

static struct finding_full *full(const struct finding *f)
{
	/* every finding was made by finding_new() as the first member of a finding_full of ours */
	union {
		const struct finding *c;
		struct finding_full *m;
	} u = { .c = f };

	return u.m;
}

static bool explains_id(const struct check *c, const char *id)
{
	for (size_t i = 0; c->explains && c->explains[i]; i++)
		if (strcmp(c->explains[i], id) == 0)
			return true;
	return false;
}

/* Would @f explain @g, both of one Service (or, @apart, of no common one)? */
static bool explains(const struct finding *f, const struct finding *g, bool apart)
{
	if (f == g || f->severity < g->severity || !explains_id(f->check, g->check->id))
		return false;
	if (full(f)->own_rules && full(g)->foreign)
		return false;
	if (f->check->scope == SCOPE_NODE)
		return f->node && (g->node ? strcmp(f->node, g->node) == 0 : !apart);
	/* what it says of one node tells nothing of another */
	if (f->check->scope == SCOPE_SERVICE && f->node && g->node && strcmp(f->node, g->node) != 0)
		return false;
	return f->check->scope == SCOPE_CLUSTER || !apart;
}

/* ---- order ---- */

static int finding_order(const void *a, const void *b)
{
	const struct finding *x = *(const struct finding *const *)a, *y = *(const struct finding *const *)b;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	if (x->axis != y->axis)
		return x->axis < y->axis ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->id, y->id);
}

static int cluster_order(const void *a, const void *b)
{
	const struct finding *x = *(const struct finding *const *)a, *y = *(const struct finding *const *)b;

	if (!x->explained_by != !y->explained_by)
		return x->explained_by ? 1 : -1;
	return finding_order(a, b);
}

static int id_order(const void *a, const void *b)
{
	return strcmp((*(const struct finding *const *)a)->id, (*(const struct finding *const *)b)->id);
}

/* ---- ignoring ---- */

static bool ignored(const struct diagnose_options *o, const struct finding *f, const struct k8s_service *s)
{
	for (size_t i = 0; o->ignore && o->ignore[i]; i++) {
		const char *at = strchr(o->ignore[i], '@'), *slash = at ? strchr(at, '/') : NULL;
		size_t n = at ? (size_t)(at - o->ignore[i]) : strlen(o->ignore[i]);

		if (strlen(f->check->id) != n || strncmp(f->check->id, o->ignore[i], n) != 0)
			continue;
		if (!at)
			return true;
		if (s && slash && strlen(s->meta.ns) == (size_t)(slash - at - 1) &&
		    strncmp(s->meta.ns, at + 1, (size_t)(slash - at - 1)) == 0 && strcmp(s->meta.name, slash + 1) == 0)
			return true;
	}
	return false;
}

/* ---- one Service ---- */

static void explained_by(struct run *r, struct finding *g, struct finding *f)
{
	if (full(g)->last_explainer == f)
		return;
	full(g)->last_explainer = f;
	run_push(r, &f->explains, g);
	if (!g->explained_by)
		g->explained_by = f;
}

struct explainers {
	ARRAY_OF(struct finding *) v;
};

static struct finding *explainer_of(const struct explainers *e, const struct finding *g, bool apart)
{
	for (size_t i = 0; i < e->v.len; i++)
		if (explains(e->v.v[i], g, apart))
			return e->v.v[i];
	return NULL;
}

/* An ignored finding takes along what it explains. */
static void sort_findings(struct run *r, struct svc *v, const struct explainers *cluster, struct service_result *sr)
{
	struct explainers own = { 0 };

	for (size_t i = 0; i < v->findings.len; i++)
		if (v->findings.v[i]->check->explains)
			run_push(r, &own.v, v->findings.v[i]);
	for (size_t i = 0; i < v->findings.len; i++) {
		struct finding *g = v->findings.v[i], *f = explainer_of(&own, g, false);

		f = f ? f : explainer_of(cluster, g, true);
		if (ignored(r->o, g, v->o) || (f && ignored(r->o, f, v->o)))
			continue;
		full(g)->kept++;
		if (f) {
			explained_by(r, g, f);
			run_push(r, &sr->explained, g);
		} else {
			full(g)->is_cause = true;
			run_push(r, &sr->causes, g);
		}
	}
	array_free(&own.v);
	if (sr->causes.len)
		qsort(sr->causes.v, sr->causes.len, sizeof(*sr->causes.v), finding_order);
	if (sr->explained.len)
		qsort(sr->explained.v, sr->explained.len, sizeof(*sr->explained.v), finding_order);
}

struct worst {
	bool broken, degraded;
	int axis[AXIS_COUNT]; /* severity, -1: none */
};

static void judge_finding(struct worst *w, const struct finding *f)
{
	w->axis[f->axis] = MAX(w->axis[f->axis], (int)f->severity);
	if (f->severity == SEVERITY_ERROR && !finding_is_partial(f))
		w->broken = true;
	else if (f->severity >= SEVERITY_WARNING)
		w->degraded = true;
}

static void set_states(struct service_result *sr, const struct worst *w)
{
	for (int a = 0; a < AXIS_COUNT; a++) {
		if (w->axis[a] == SEVERITY_ERROR)
			sr->axes[a].state = AXIS_FAILED;
		else if (w->axis[a] == SEVERITY_WARNING && sr->axes[a].state != AXIS_FAILED)
			sr->axes[a].state = AXIS_WARNING;
		else if (w->axis[a] == SEVERITY_INFO && sr->axes[a].state == AXIS_WARNING)
			sr->axes[a].state = AXIS_OK; /* frontends that differ, and all that is worth is a note */
	}
}

static void set_status(struct run *r, struct svc *v, struct service_result *sr, bool undecided)
{
	struct worst w = { .axis = { -1, -1, -1 } };
	bool all_ok = true;

	for (size_t i = 0; i < sr->causes.len; i++)
		judge_finding(&w, sr->causes.v[i]);
	for (size_t i = 0; i < sr->explained.len; i++)
		judge_finding(&w, sr->explained.v[i]);
	axis_name_result(r, v, sr);
	axis_endpoints_result(r, v, sr);
	set_states(sr, &w);
	for (int a = 0; a < AXIS_COUNT; a++)
		all_ok &= sr->axes[a].state == AXIS_OK;
	if (w.broken)
		sr->status = STATUS_BROKEN;
	else if (w.degraded)
		sr->status = STATUS_DEGRADED;
	else if (undecided)
		sr->status = STATUS_UNDECIDED;
	else
		sr->status = all_ok ? STATUS_HEALTHY : STATUS_NO_FAULT_FOUND;
}

/* ---- all findings ---- */

static void drop_axes(struct run *r)
{
	for (size_t i = 0; i < r->d->findings.len; i++) {
		struct finding *f = r->d->findings.v[i];

		full(f)->dropped = (r->o->axes_given && !r->o->axes[f->axis]) ||
				   (r->o->node && f->node && strcmp(r->o->node, f->node) != 0);
	}
}

static void attach(struct run *r, struct explainers *cluster)
{
	for (size_t i = 0; i < r->d->findings.len; i++) {
		struct finding *f = r->d->findings.v[i];

		if (full(f)->dropped)
			continue;
		if (f->check->explains && f->check->scope != SCOPE_SERVICE)
			run_push(r, &cluster->v, f);
		for (size_t j = 0; j < f->services.len; j++) {
			struct svc *v = run_svc(r, f->services.v[j]);

			if (v)
				run_push(r, &v->findings, f);
		}
	}
}

/* A finding that stays a cause for one Service is a cause, whatever explains it elsewhere. */
static void settle(struct run *r, const struct explainers *cluster)
{
	for (size_t i = 0; i < r->d->findings.len; i++) {
		struct finding *f = r->d->findings.v[i], *by;

		if (full(f)->dropped)
			continue;
		if (f->services.len) {
			full(f)->dropped = full(f)->kept == 0 && run_svc(r, f->services.v[0]);
			if (full(f)->is_cause)
				f->explained_by = NULL;
			continue;
		}
		full(f)->dropped = ignored(r->o, f, NULL);
		by = explainer_of(cluster, f, true);
		if (!full(f)->dropped && by && !ignored(r->o, by, NULL))
			explained_by(r, f, by);
		else if (by)
			full(f)->dropped = true;
	}
}

static void unconcern_ignored(struct run *r, struct finding *f)
{
	size_t n = 0;

	if (!r->o->ignore || full(f)->kept == f->services.len)
		return;
	for (size_t i = 0; i < f->services.len; i++)
		if (!ignored(r->o, f, f->services.v[i]))
			f->services.v[n++] = f->services.v[i];
	f->services.len = n;
}

static void finding_free(struct finding *f)
{
	array_free(&f->evidence);
	array_free(&f->next);
	array_free(&f->fix);
	array_free(&f->services);
	array_free(&f->explains);
}

static void remove_dropped(struct run *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->d->findings.len; i++) {
		struct finding *f = r->d->findings.v[i];

		if (full(f)->dropped) {
			finding_free(f);
			continue;
		}
		unconcern_ignored(r, f);
		r->d->findings.v[n++] = f;
	}
	r->d->findings.len = n;
}

static void drop_explained(struct run *r)
{
	for (size_t i = 0; i < r->d->findings.len; i++) {
		struct finding *f = r->d->findings.v[i];
		size_t n = 0;

		for (size_t j = 0; j < f->explains.len; j++)
			if (!full(f->explains.v[j])->dropped)
				f->explains.v[n++] = f->explains.v[j];
		f->explains.len = n;
		if (f->explained_by && full(f->explained_by)->dropped)
			f->explained_by = NULL;
	}
}

static void order_findings(struct run *r)
{
	struct diagnosis *d = r->d;
	size_t same = 1;

	if (d->findings.len)
		qsort(d->findings.v, d->findings.len, sizeof(*d->findings.v), id_order);
	for (size_t i = 1; i < d->findings.len; i++) {
		const char *id = d->findings.v[i]->id;

		same = strcmp(d->findings.v[i - same]->id, id) == 0 ? same + 1 : 1;
		if (same > 1)
			d->findings.v[i]->id = run_printf(r, "%s#%zu", id, same);
	}
	for (size_t i = 0; i < d->findings.len; i++) {
		const struct finding *f = d->findings.v[i];

		if (finding_is_cluster(f) || !f->services.len)
			run_push(r, &d->cluster, f);
	}
	if (d->cluster.len)
		qsort(d->cluster.v, d->cluster.len, sizeof(*d->cluster.v), cluster_order);
}

/* ---- the whole ---- */

/* Nodes that may not be read keep back some checks, and the axis is looked at all the same; damaged or late ones were to be had. */
static bool core_missing(const struct run *r)
{
	static const enum k8s_kind core[] = { K8S_SERVICES, K8S_SLICES, K8S_PODS, K8S_NODES };

	for (size_t i = 0; i < ARRAY_LEN(core); i++) {
		enum known k = r->s->kinds[core[i]];

		if (k != KNOWN && k != NOT_COLLECTED && !(k == FORBIDDEN && core[i] == K8S_NODES))
			return true;
	}
	for (size_t i = 0; i < r->nsvcs; i++)
		if (!r->svcs[i].external_name && !r->svcs[i].endpoints_known)
			return true;
	return !run_has(r, K8S_SLICES);
}

static bool rules_missing(const struct run *r)
{
	const struct verify_report *v = &r->d->verify;

	/* Without the API nobody knows whether the rules lead to the right endpoints. */
	if (v->undecided.len || r->s->services_from_rules)
		return true;
	for (size_t i = 0; i < v->skipped.len; i++) {
		const struct verify_skipped *k = &v->skipped.v[i];
		const struct snap_node *n = NULL;

		for (size_t j = 0; j < r->s->nodes.len && !n; j++)
			if (k->node && strcmp(r->s->nodes.v[j]->name, k->node) == 0)
				n = r->s->nodes.v[j];
		if (k->what && strcmp(k->what, "rules") != 0)
			continue;
		if (r->o->node || (n && n->any_rules && strcmp(k->code, "not-collected") == 0) || (strcmp(k->code, "not-collected") != 0 && !(n && verify_other_plane(r->s, n))))
			return true;
	}
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];

		if (r->o->node && strcmp(r->o->node, n->name) != 0)
			continue;
		for (int k = DUMP_NFT4; k <= DUMP_LEGACY6; k++)
			if (n->dumps[k] == PARTLY_KNOWN || n->dumps[k] == UNREADABLE)
				return true;
	}
	return false;
}

static bool asked(const struct run *r, enum axis a)
{
	return r->o->axes_given ? r->o->axes[a] : r->d->axis_has_source[a];
}

static void whole(struct run *r)
{
	struct diagnosis *d = r->d;
	bool all_seen = true, sound = true;

	for (int a = 0; a < AXIS_COUNT; a++) {
		all_seen &= d->axis_has_source[a] && asked(r, (enum axis)a);
		d->inconclusive |= asked(r, (enum axis)a) && !d->axis_has_source[a];
	}
	if (asked(r, AXIS_ENDPOINTS) && core_missing(r))
		d->inconclusive = true;
	/* rules that are there and could not be judged were asked for too */
	if ((!r->o->axes_given || r->o->axes[AXIS_RULES]) && rules_missing(r))
		d->inconclusive = true;
	for (size_t i = 0; i < d->services.len; i++)
		sound &= d->services.v[i].status == STATUS_HEALTHY;
	for (size_t i = 0; i < d->findings.len; i++)
		sound &= d->findings.v[i]->severity != SEVERITY_ERROR;
	d->healthy = all_seen ? sound : -1;
}

static bool has_undecided(const struct run *r, const struct svc *v, struct map *undecided)
{
	(void)r;
	return map_get(undecided, &v->o, sizeof(v->o)) != NULL;
}

static int result_order(const void *a, const void *b)
{
	const struct k8s_meta *x = &((const struct service_result *)a)->service->meta,
			      *y = &((const struct service_result *)b)->service->meta;
	int c = strcmp(x->ns, y->ns);

	return c ? c : strcmp(x->name, y->name);
}

static void collect_undecided(struct run *r, struct map *m)
{
	for (size_t i = 0; i < r->d->verify.undecided.len; i++) {
		struct verify_undecided *u = &r->d->verify.undecided.v[i];

		if (u->service && map_put(m, &u->service, sizeof(u->service), u) < 0)
			r->err = -ENOMEM;
	}
}

void run_verdict(struct run *r)
{
	CLEANUP(map_release) struct map undecided = { 0 };
	struct explainers cluster = { 0 };

	drop_axes(r);
	attach(r, &cluster);
	collect_undecided(r, &undecided);
	for (size_t i = 0; i < r->nsvcs && !r->err; i++)
		run_push(r, &r->d->services, ((struct service_result){ .service = r->svcs[i].o }));
	if (r->err) {
		array_free(&cluster.v);
		return;
	}
	if (r->d->services.len)
		qsort(r->d->services.v, r->d->services.len, sizeof(*r->d->services.v), result_order);
	for (size_t i = 0; i < r->d->services.len; i++) {
		struct service_result *sr = &r->d->services.v[i];

		sr->head = service_head(r, sr->service);
		sort_findings(r, run_svc(r, sr->service), &cluster, sr);
	}
	axes_rules_results(r);
	for (size_t i = 0; i < r->d->services.len; i++) {
		struct svc *v = run_svc(r, r->d->services.v[i].service);

		set_status(r, v, &r->d->services.v[i], has_undecided(r, v, &undecided));
	}
	settle(r, &cluster);
	array_free(&cluster.v);
	drop_explained(r);
	remove_dropped(r);
	order_findings(r);
	whole(r);
}
