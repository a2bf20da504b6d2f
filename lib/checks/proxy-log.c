/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logs of kube-proxy that belong to no node: somebody gave one, and nothing beside it. What its lines say now is told as the check that they speak
 * for; what such a check would look at on the node is not there, so that nothing more is claimed than the log does.
 */
#include "proxy-settings-private.h"

bool proxy_log_is_alone(struct run *r, const struct snap_log *l)
{
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	if (l->program != LOG_KUBE_PROXY || l->node || l->pod)
		return false;
	for (size_t i = 0; i < n; i++)
		if (v[i].log == l || v[i].previous == l)
			return false;
	return true;
}

static bool is_told(struct run *r, const char *check, const char *subject)
{
	for (size_t i = 0; i < r->d->findings.len; i++)
		if (strcmp(r->d->findings.v[i]->check->id, check) == 0 && strcmp(r->d->findings.v[i]->subject, subject) == 0)
			return true;
	return false;
}

static bool is_ignored(const struct run *r, const char *check)
{
	for (size_t i = 0; r->o->ignore && r->o->ignore[i]; i++)
		if (strcmp(r->o->ignore[i], check) == 0)
			return true;
	return false;
}

static void hit_finding(struct run *r, const struct proxy_view *v, const struct snap_log *l, const struct log_hit *h)
{
	const char *id = log_hit_check(h), *subject = run_printf(r, "log %.200s", !l->file ? "the log" : strcmp(l->file, "-") == 0 ? "stdin" : l->file);
	const struct check *c = id && proxy_hit_counts(r, v, l, h) ? check_find(id) : NULL;
	const struct log_hit *worst;
	const struct snap_log *of;
	struct finding *f;

	if (!c || is_ignored(r, id) || is_told(r, id, subject) || !(worst = proxy_hit(r, v, id, &of)))
		return;
	f = finding_new(r, id, NULL, NULL, subject);
	finding_cluster(f);
	finding_severity(f, MIN(log_hit_weight(worst) == LOG_ERROR ? SEVERITY_ERROR : SEVERITY_WARNING, c->severity));
	finding_text(r, f, "kube-proxy %s", proxy_why(r, v, worst));
	proxy_hit_evidence(r, f, v, l, worst);
	if (worst->kind->todo)
		finding_evidence(r, f, "to do: %s", worst->kind->todo);
}

void proxy_log_findings(struct run *r)
{
	static const struct kube_proxy_config unknown = { 0 };

	for (size_t i = 0; i < r->s->logs.len && !r->err; i++) {
		const struct snap_log *l = &r->s->logs.v[i];
		const struct proxy_view v = { .config = &unknown, .log = l };

		for (size_t k = 0; proxy_log_is_alone(r, l) && k < l->summary.hits.len; k++)
			hit_finding(r, &v, l, &l->summary.hits.v[k]);
	}
}
