/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The version of kube-proxy against the API server's and against that of other nodes: https://kubernetes.io/releases/version-skew-policy/. It may be up
 * to three minors older than the API server (two, when it is older than 1.25), and not newer.
 */
#include "proxy-settings-private.h"

/* Until 1.20 kube-proxy read EndpointSlices of discovery.k8s.io/v1beta1 (pkg/controlplane: gone from API servers since 1.25), since 1.21 v1. */
enum { LAST_OF_V1BETA1 = 20, FIRST_WITHOUT_V1BETA1 = 25 };

static int allowed_behind(int minor)
{
	return minor < 25 ? 2 : 3;
}

/* ---- kube-proxy-version-skew ---- */

static bool lost_slices(int minor, int server)
{
	return minor <= LAST_OF_V1BETA1 && server >= FIRST_WITHOUT_V1BETA1;
}

static bool is_skewed(int minor, int server)
{
	return minor > server || server - minor > allowed_behind(minor);
}

static const char *skew_words(struct run *r, int minor, int server)
{
	if (lost_slices(minor, server))
		return "it asks for EndpointSlices in a form that the API server no longer has, and learns of no endpoint";
	if (minor > server)
		return "it is newer, which is not supported: update the API servers first";
	return run_printf(r, "it is %d minor versions behind, and %d are supported: what Services have got since is ignored", server - minor, allowed_behind(minor));
}

static void skewed(struct run *r, const struct proxy_group *g, int server)
{
	const struct proxy_view *v = g->v.v[0];
	struct finding *f = proxy_group_finding(r, "kube-proxy-version-skew", g, g->key);

	f->rank = 3;
	finding_severity(f, lost_slices(v->minor, server) ? SEVERITY_ERROR : SEVERITY_WARNING);
	finding_text(r, f, "kube-proxy on %s is of version %s, and the API server of %s: %s", proxy_group_nodes(r, g), v->version, r->c->version,
		     skew_words(r, v->minor, server));
	finding_next(r, f, "kubectl -n kube-system get pods -l k8s-app=kube-proxy -o wide");
	finding_next(r, f, "kubectl -n kube-system rollout status daemonset kube-proxy");
}

/* What the log says of a form that is gone is certain, whatever the versions are. */
static void skew_by_log(struct run *r, const struct proxy_view *v, int server)
{
	const struct snap_log *l;
	const struct log_hit *h = proxy_hit(r, v, "kube-proxy-version-skew", &l);
	struct finding *f;

	if (!h || (proxy_version_is_sure(v) && v->minor >= 0 && server >= 0 && is_skewed(v->minor, server)))
		return;
	f = finding_new(r, "kube-proxy-version-skew", v->node, "log", run_printf(r, "Node %s", v->node));
	f->rank = 3;
	finding_cluster(f);
	finding_partial(f);
	finding_severity(f, log_hit_weight(h) == LOG_ERROR ? SEVERITY_ERROR : SEVERITY_WARNING);
	finding_text(r, f, "kube-proxy on %s asks for objects in a form that the API server does not have: its version does not fit", v->node);
	proxy_hit_evidence(r, f, v, l, h);
}

void check_proxy_version(struct run *r)
{
	CLEANUP(proxy_groups_release) struct proxy_groups groups = { 0 };
	const int server = r->c->version ? k8s_minor_version(r->c->version) : -1;
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n && !r->err; i++) {
		if (!proxy_concerns(r, &v[i]))
			continue;
		skew_by_log(r, &v[i], server);
		if (server >= 0 && v[i].minor >= 0 && proxy_version_is_sure(&v[i]) && is_skewed(v[i].minor, server))
			/* what explains the rules of a node is said of that node */
			proxy_groups_add(r, &groups, lost_slices(v[i].minor, server) ? run_printf(r, "%s %s", v[i].version, v[i].node) : v[i].version, &v[i]);
	}
	for (size_t i = 0; i < groups.v.len && !r->err; i++)
		skewed(r, &groups.v.v[i], server);
}

/* ---- kube-proxy-versions-mixed ---- */

static const struct k8s_workload *daemon_set(const struct run *r)
{
	for (size_t i = 0; i < r->c->workloads.len; i++) {
		const struct k8s_workload *w = r->c->workloads.v[i];

		if (str_is(w->kind, "DaemonSet") && str_is(k8s_label_get(&w->template_labels, "k8s-app"), "kube-proxy"))
			return w;
	}
	return NULL;
}

static bool skew_is_told(const struct run *r)
{
	for (size_t i = 0; i < r->d->findings.len; i++)
		if (strcmp(r->d->findings.v[i]->check->id, "kube-proxy-version-skew") == 0)
			return true;
	return false;
}

/* A pod of the new template that does not get ready keeps the roll-out from going on. */
static const char *stuck_words(struct run *r, const struct k8s_workload *w)
{
	if (!w || w->updated >= w->replicas || w->replicas <= 0)
		return NULL;
	if (w->on_delete)
		return run_printf(r, "DaemonSet %s/%s gives its pods the new template only when somebody deletes them (OnDelete): %lld of %lld have it", w->meta.ns,
				  w->meta.name, (long long)w->updated, (long long)w->replicas);
	if (w->available < w->replicas)
		return run_printf(r, "the roll-out of DaemonSet %s/%s stands still: %lld of %lld pods have the new template, and %lld are not available", w->meta.ns,
				  w->meta.name, (long long)w->updated, (long long)w->replicas, (long long)(w->replicas - w->available));
	return NULL;
}

static void versions_finding(struct run *r, const struct proxy_groups *groups, const struct proxy_group *low, const struct proxy_group *high, const char *stuck)
{
	struct finding *f = finding_new(r, "kube-proxy-versions-mixed", NULL, NULL, "kube-proxy");
	const struct k8s_workload *w = daemon_set(r);

	f->rank = 7;
	finding_cluster(f);
	finding_partial(f);
	finding_text(r, f, "kube-proxy is of version %s on %s, and of %s on %s%s", low->key, proxy_group_nodes(r, low), high->key, proxy_group_nodes(r, high),
		     stuck ? ": its roll-out is not done" : ": that is further apart than one API server supports");
	if (stuck)
		finding_evidence(r, f, "%s", stuck);
	for (size_t i = 0; i < groups->v.len; i++)
		finding_evidence(r, f, "%s: %zu node%s", groups->v.v[i].key, groups->v.v[i].v.len, PLURAL(groups->v.v[i].v.len));
	if (w) {
		finding_next(r, f, "kubectl -n %s rollout status daemonset %s", w->meta.ns, w->meta.name);
		finding_next(r, f, "kubectl -n %s get pods -l k8s-app=kube-proxy -o wide", w->meta.ns);
	}
}

void check_versions_mixed(struct run *r)
{
	CLEANUP(proxy_groups_release) struct proxy_groups groups = { 0 };
	const struct proxy_group *low = NULL, *high = NULL;
	const char *stuck;
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n && !r->err && !r->o->node; i++)
		if (v[i].minor >= 0 && proxy_version_is_sure(&v[i]) && proxy_concerns(r, &v[i]))
			proxy_groups_add(r, &groups, v[i].version, &v[i]);
	for (size_t i = 0; i < groups.v.len && !r->err; i++) {
		const int minor = groups.v.v[i].v.v[0]->minor;

		low = !low || minor < low->v.v[0]->minor ? &groups.v.v[i] : low;
		high = !high || minor >= high->v.v[0]->minor ? &groups.v.v[i] : high;
	}
	if (r->err || groups.v.len < 2 || low == high)
		return;
	stuck = stuck_words(r, daemon_set(r));
	if (stuck || (!skew_is_told(r) && high->v.v[0]->minor - low->v.v[0]->minor > allowed_behind(low->v.v[0]->minor)))
		versions_finding(r, &groups, low, high, stuck);
}
