/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Roll-outs behind a Service. While one goes on, the pods before the change may still be ready and the Service sound: who waits for what
 * was rolled out wants neither.
 */
#include "checks-private.h"

void rollouts_release(struct rollouts *r)
{
	array_free(&r->v);
	arena_release(&r->arena);
}

static bool is_kind(const struct k8s_workload *w, const char *kind)
{
	return strcmp(w->kind, kind) == 0;
}

static const char *full_name(struct arena *a, const struct k8s_workload *w)
{
	return arena_printf(a, "%s %s/%s", w->kind, w->meta.ns, w->meta.name);
}

static const char *of_pods(struct arena *a, const struct k8s_workload *w, int64_t n, int64_t all, const char *what)
{
	const char *name = full_name(a, w);

	return name ? arena_printf(a, "%lld of %lld pod%s of %s %s%s", (long long)n, (long long)all, all == 1 ? "" : "s", name, what,
				   w->paused ? ", and it is paused" : "")
		    : NULL;
}

static bool is_late(const struct k8s_workload *w)
{
	const struct k8s_condition *c = k8s_condition(w->conditions, w->nconditions, "Progressing");

	return c && c->reason && strcmp(c->reason, "ProgressDeadlineExceeded") == 0;
}

/* What is still to come, or NULL where memory is out; *@done where nothing is. */
static const char *deployment(struct arena *a, const struct k8s_workload *w, bool *done)
{
	const char *tail = is_late(w) ? "have the new template: it made no progress within its deadline" : "have the new template";

	if (w->updated < w->replicas)
		return of_pods(a, w, w->updated, w->replicas, tail);
	if (w->current > w->updated)
		return of_pods(a, w, w->current - w->updated, w->current, "still have the template before");
	*done = w->available >= w->updated;
	return of_pods(a, w, w->available, w->replicas, "are available");
}

static const char *daemon_set(struct arena *a, const struct k8s_workload *w, bool *done)
{
	if (w->updated < w->replicas)
		return of_pods(a, w, w->updated, w->replicas, "have the new template");
	*done = w->available >= w->replicas;
	return of_pods(a, w, w->available, w->replicas, "are available");
}

static const char *stateful_set(struct arena *a, const struct k8s_workload *w, bool *done)
{
	int64_t wanted = MAX(w->replicas - w->partition, (int64_t)0);

	if (w->ready >= w->replicas && (w->partition > 0 ? w->updated < wanted : w->two_revisions))
		return of_pods(a, w, w->updated, wanted, "have the new template");
	*done = w->ready >= w->replicas;
	return of_pods(a, w, w->ready, w->replicas, "are ready");
}

static const char *how_far(struct arena *a, const struct k8s_workload *w, bool *done)
{
	const char *name = full_name(a, w);

	if (!name)
		return NULL;
	if (w->on_delete) {
		*done = true;
		return arena_printf(a, "%s takes its template when pods are deleted", name);
	}
	if (w->observed < w->generation)
		return arena_printf(a, "no controller has seen the last change of %s yet", name);
	return is_kind(w, "Deployment") ? deployment(a, w, done) : is_kind(w, "DaemonSet") ? daemon_set(a, w, done) : stateful_set(a, w, done);
}

static bool rolls_out(const struct k8s_workload *w)
{
	return is_kind(w, "Deployment") || is_kind(w, "DaemonSet") || is_kind(w, "StatefulSet");
}

static bool has(const struct rollouts *r, const struct k8s_workload *w)
{
	for (size_t i = 0; i < r->v.len; i++)
		if (r->v.v[i].workload == w)
			return true;
	return false;
}

static int add(struct rollouts *ret, const struct k8s_workload *w)
{
	struct rollout x = { .workload = w };

	x.text = how_far(&ret->arena, w, &x.done);
	return x.text ? array_push(&ret->v, x) : -ENOMEM;
}

/* A pod's owner: the kind that must be known to know its roll-out; K8S_KINDS: none. */
static enum k8s_kind kind_of_owner(const struct k8s_pod *p)
{
	static const struct {
		const char *owner;
		enum k8s_kind kind;
	} kinds[] = { { "ReplicaSet", K8S_DEPLOYMENTS }, { "StatefulSet", K8S_STATEFULSETS }, { "DaemonSet", K8S_DAEMONSETS } };

	for (size_t i = 0; i < p->meta.nowners; i++)
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
			if (str_is(p->meta.owners[i].kind, kinds[k].owner))
				return kinds[k].kind;
	return K8S_KINDS;
}

static bool is_known(const struct snapshot *s, enum k8s_kind k, const struct k8s_service *service)
{
	return snapshot_has_all(s, k, service->meta.ns) || snapshot_has_of_service(s, k, service->meta.ns, service->meta.name);
}

static void find_unknown(const struct snapshot *s, const struct k8s_service *service, struct rollouts *ret)
{
	const struct k8s_pod_group *g = map_gets(&s->cluster.pods_by_ns, service->meta.ns);

	for (size_t i = 0; g && i < g->v.len && !ret->unknown; i++) {
		const struct k8s_pod *p = g->v.v[i];
		enum k8s_kind k = kind_of_owner(p);

		if (k != K8S_KINDS && k8s_selector_matches(&service->selector, &p->meta.labels) && !is_known(s, k, service))
			ret->unknown = k8s_kind_plural(k);
	}
}

int rollouts_of(const struct snapshot *s, const struct k8s_service *service, struct rollouts *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->cluster.workloads.len; i++) {
		const struct k8s_workload *w = s->cluster.workloads.v[i];

		if (rolls_out(w) && strcmp(w->meta.ns, service->meta.ns) == 0 && !has(ret, w) &&
		    k8s_selector_matches(&service->selector, &w->template_labels))
			r = add(ret, w);
	}
	find_unknown(s, service, ret);
	return r;
}
