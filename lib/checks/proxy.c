/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube-proxy of each node from everything that tells of it, and which lines of its log count now. A line is history when it stands before the
 * last start, when a later line of its topic says that it works again, when its ports tell of a sync that was finished after it, and when what
 * it speaks of is tried again and again and was not written for long.
 */
#include <ctype.h>
#include <math.h>

#include "proxy-private.h"

/* client-go lists again after a minute at the latest (reflector.go, wait.NewExponentialBackoffManager), kube-proxy after its sync period. */
#define RETRIED_S 600
#define SYNC_PERIOD_S 30

/* ---- times ---- */

int64_t proxy_seconds(const char *t, int64_t near)
{
	return t ? log_time(t, near) : -1;
}

int64_t proxy_now(const struct run *r, const struct proxy_view *v)
{
	const int64_t own = v && v->n ? proxy_seconds(v->n->proxy.healthz_now, r->s->now) : -1;

	return own > 0 ? own : r->s->now;
}

const char *proxy_ago(struct run *r, int64_t seconds)
{
	static const struct {
		int64_t size;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };

	/* two of them as the smaller unit: 90 minutes, 36 hours */
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (seconds >= 2 * units[i].size)
			return run_printf(r, "%lld %ss", (long long)(seconds / units[i].size), units[i].name);
	return seconds == 1 ? "1 second" : "0 seconds";
}

/* ---- which nodes ---- */

struct names {
	ARRAY_OF(const char *) v;
};

static int name_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void node_names(struct run *r, struct names *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < r->s->nodes.len; i++)
		run_push(r, &ret->v, r->s->nodes.v[i]->name);
	for (size_t i = 0; i < r->c->nodes.len; i++)
		run_push(r, &ret->v, r->c->nodes.v[i]->meta.name);
	for (size_t i = 0; i < r->c->pods.len; i++)
		if (r->c->pods.v[i]->node && map_gets(&r->proxy_pods, r->c->pods.v[i]->node) == r->c->pods.v[i])
			run_push(r, &ret->v, r->c->pods.v[i]->node);
	for (size_t i = 0; i < r->s->logs.len; i++)
		if (r->s->logs.v[i].program == LOG_KUBE_PROXY && r->s->logs.v[i].node)
			run_push(r, &ret->v, r->s->logs.v[i].node);
	if (ret->v.len)
		qsort(ret->v.v, ret->v.len, sizeof(*ret->v.v), name_order);
	for (size_t i = 0; i < ret->v.len; i++)
		if (!n || strcmp(ret->v.v[n - 1], ret->v.v[i]) != 0)
			ret->v.v[n++] = ret->v.v[i];
	ret->v.len = n;
}

/* ---- logs ---- */

/* The node whose kube-proxy wrote it; NULL: not known. */
static const char *log_node(const struct run *r, const struct snap_log *l)
{
	const struct k8s_pod *p = !l->node && l->ns && l->pod ? k8s_find_pod(r->c, l->ns, l->pod) : NULL;

	if (l->node || p)
		return l->node ? l->node : p->node;
	/* a file that somebody named beside the one node that there is */
	return r->nproxies == 1 && !l->pod ? r->proxies[0].node : NULL;
}

static void take_log(const struct run *r, const struct snap_log **at, const struct snap_log *l)
{
	const int64_t was = *at ? proxy_seconds((*at)->summary.until, r->s->now) : -1;

	if (!*at || proxy_seconds(l->summary.until, r->s->now) > was)
		*at = l;
}

static void take_logs(struct run *r)
{
	for (size_t i = 0; i < r->s->logs.len; i++) {
		const struct snap_log *l = &r->s->logs.v[i];
		const char *node = l->program == LOG_KUBE_PROXY ? log_node(r, l) : NULL;

		for (size_t k = 0; node && k < r->nproxies; k++)
			if (strcmp(r->proxies[k].node, node) == 0)
				take_log(r, l->previous ? &r->proxies[k].previous : &r->proxies[k].log, l);
	}
}

/* ---- mode and version ---- */

/* What the rules are of, where they are of one mode only. */
static const char *rules_mode(const struct snap_node *n)
{
	const bool nft = verify_has_proxy_table(n, false) || verify_has_proxy_table(n, true), ipvs = n->rules.servers.len > 0,
		   chains = verify_has_proxy_rules(n);

	if (nft)
		return ipvs || chains ? NULL : "nftables";
	return ipvs ? "ipvs" : chains && n->dumps[DUMP_IPVS] == KNOWN ? "iptables" : NULL;
}

static const char *mode_of(const struct proxy_view *v)
{
	const struct snap_proxy *p = v->n ? &v->n->proxy : NULL;

	if (p && p->mode && *p->mode)
		return p->mode;
	if (v->log && v->log->summary.mode)
		return v->log->summary.mode;
	if (p && p->log_mode)
		return p->log_mode;
	return v->n ? rules_mode(v->n) : NULL;
}

/* "v1.28.4" of registry/kube-proxy-amd64:v1.28.4@sha256:...: the tag behind the last colon, which is not that of a port or a digest. */
static const char *image_version(struct run *r, const struct k8s_pod *p)
{
	for (size_t i = 0; p && i < p->ncontainers; i++) {
		const char *image = p->containers[i].image, *base = image ? path_base(image) : NULL, *tag;

		if (!base || p->containers[i].init || !strstr(base, "kube-proxy"))
			continue;
		tag = strchr(base, ':');
		if (tag && (tag[1] == 'v' || isdigit((unsigned char)tag[1])) && k8s_minor_version(tag + 1) >= 0)
			return run_printf(r, "%.*s", (int)MIN(strcspn(tag + 1, "@"), (size_t)60), tag + 1);
	}
	return NULL;
}

static const char *version_of(struct run *r, const struct proxy_view *v)
{
	const char *s = v->log ? v->log->summary.version : NULL;

	if (!s && v->n)
		s = v->n->proxy.metrics.version;
	if (!s)
		s = image_version(r, v->pod);
	if (!s && v->object)
		s = v->object->proxy_version;
	return s && *s && *s != 'v' ? run_printf(r, "v%.60s", s) : s && *s ? s : NULL;
}

/* ---- the views ---- */

static void view_fill(struct run *r, struct proxy_view *v)
{
	v->object = k8s_find_node(r->c, v->node);
	v->pod = map_gets(&r->proxy_pods, v->node);
	v->config = snapshot_proxy_config(r->s, v->n);
	v->mode = mode_of(v);
	v->asked = !v->config->known ? NULL : v->config->mode && *v->config->mode ? v->config->mode : "iptables";
	v->version = version_of(r, v);
	v->minor = v->version ? k8s_minor_version(v->version) : -1;
}

static void views_make(struct run *r)
{
	struct names names = { 0 };

	node_names(r, &names);
	r->proxies = names.v.len && !r->err ? arena_alloc(&r->scratch, names.v.len * sizeof(*r->proxies)) : NULL;
	if (names.v.len && !r->proxies)
		r->err = -ENOMEM;
	for (size_t i = 0; r->proxies && i < names.v.len; i++) {
		r->proxies[i] = (struct proxy_view){ .node = names.v.v[i] };
		r->nproxies++;
	}
	array_free(&names.v);
	for (size_t i = 0, k = 0; i < r->nproxies; i++) {
		while (k < r->s->nodes.len && strcmp(r->s->nodes.v[k]->name, r->proxies[i].node) < 0)
			k++;
		if (k < r->s->nodes.len && strcmp(r->s->nodes.v[k]->name, r->proxies[i].node) == 0)
			r->proxies[i].n = r->s->nodes.v[k];
	}
	take_logs(r);
	for (size_t i = 0; i < r->nproxies; i++)
		view_fill(r, &r->proxies[i]);
}

static int view_order(const void *a, const void *b)
{
	return strcmp(((const struct proxy_view *)a)->node, ((const struct proxy_view *)b)->node);
}

static struct proxy_view *view_named(struct run *r, const char *node)
{
	const struct proxy_view key = { .node = node };

	return r->nproxies ? bsearch(&key, r->proxies, r->nproxies, sizeof(*r->proxies), view_order) : NULL;
}

/* Views are made before the rules are looked at, and know of it when they are. */
static void views_judge(struct run *r)
{
	const struct verify_report *rep = &r->d->verify;

	for (; r->proxies_judged < rep->nodes.len; r->proxies_judged++) {
		struct proxy_view *v = view_named(r, rep->nodes.v[r->proxies_judged]);

		if (v)
			v->judged = true;
	}
}

const struct proxy_view *proxy_views(struct run *r, size_t *ret_n)
{
	if (!r->proxies && !r->err)
		views_make(r);
	views_judge(r);
	*ret_n = r->nproxies;
	return r->proxies;
}

const struct proxy_view *proxy_view_of(struct run *r, const char *node)
{
	size_t n;

	(void)proxy_views(r, &n);
	return node ? view_named(r, node) : NULL;
}

/* ---- which lines count ---- */

int64_t proxy_sync_period(const struct proxy_view *v)
{
	int64_t ms;

	if (!v->config->known || !v->config->sync_period || parse_duration(v->config->sync_period, &ms) < 0 || ms < 1000)
		return SYNC_PERIOD_S;
	return ms / 1000;
}

/* Is that what a counter of seconds tells, and later than @since? */
static bool is_later(double t, int64_t since)
{
	return !isnan(t) && t > (double)since;
}

/* A sync was finished after the line. Where both families are one number, the other one may have been it: then well after it. */
static bool synced_since(const struct proxy_view *v, int64_t last)
{
	const struct snap_metrics *m = v->n ? &v->n->proxy.metrics : NULL;
	bool any = false;

	if (!m || !m->known)
		return false;
	if (!m->by_family)
		return is_later(m->family[0].synced, last + 2 * proxy_sync_period(v) + 10);
	for (size_t i = 0; i < 2; i++) {
		if (isnan(m->family[i].synced))
			continue;
		if (!is_later(m->family[i].synced, last))
			return false;
		any = true;
	}
	return any;
}

int64_t proxy_last_change(const struct proxy_view *v, const struct log_hit *h)
{
	const struct snap_metrics *m = v->n ? &v->n->proxy.metrics : NULL;
	const char *check = log_hit_check(h);
	int64_t at = 0;

	if (!m || !m->known || str_is(check, "kube-proxy-rbac") || str_is(check, "kube-proxy-version-skew"))
		return 0;
	for (size_t i = 0; i < 2; i++)
		if (m->family[i].queued > (double)at && m->family[i].queued < 1e11)
			at = (int64_t)m->family[i].queued;
	return at;
}

/* A change came from the API server after the line. */
static bool changes_since(const struct proxy_view *v, const struct log_hit *h, int64_t last)
{
	return proxy_last_change(v, h) > last + 1;
}

static bool ports_say_over(const struct proxy_view *v, const struct log_hit *h, int64_t last)
{
	if (last < 0)
		return false;
	if (h->kind->topic == TOPIC_SYNC)
		return synced_since(v, last);
	return h->kind->topic == TOPIC_API && changes_since(v, h, last);
}

/* It would have been written again, if it were so still. */
static bool not_again(const struct run *r, const struct proxy_view *v, const struct snap_log *l, const struct log_hit *h, int64_t last)
{
	const int64_t limit = MAX((int64_t)RETRIED_S, 3 * proxy_sync_period(v)), now = proxy_now(r, v), until = proxy_seconds(l->summary.until, now);

	if (last < 0 || (h->kind->topic != TOPIC_API && h->kind->topic != TOPIC_SYNC))
		return false;
	return (until >= 0 && until - last > limit) || (now > 0 && now - last > limit);
}

/* Does the container not run, so that the one before tells why? */
static bool previous_counts(const struct proxy_view *v)
{
	if (v->pod)
		return !pod_counts_ready(v->pod);
	return !v->log || !v->log->summary.lines;
}

static bool counts(const struct run *r, const struct proxy_view *v, const struct snap_log *l, const struct log_hit *h)
{
	const int64_t last = proxy_seconds(h->last, proxy_now(r, v));

	if (h->over || h->last_line < l->summary.started_line || log_hit_weight(h) < LOG_WARNING)
		return false;
	return l->previous || (!ports_say_over(v, h, last) && !not_again(r, v, l, h, last));
}

bool proxy_hit_counts(const struct run *r, const struct proxy_view *v, const struct snap_log *l, const struct log_hit *h)
{
	return counts(r, v, l, h) && (!l->previous || previous_counts(v));
}

/* Of two that count: the heavier one, then the one whose reason is known, then the later. */
static bool is_worse(const struct log_hit *a, const struct log_hit *b)
{
	if (log_hit_weight(a) != log_hit_weight(b))
		return log_hit_weight(a) > log_hit_weight(b);
	if (!a->reason != !b->reason)
		return a->reason;
	return a->last_line > b->last_line;
}

static const struct log_hit *worst_of(const struct run *r, const struct proxy_view *v, const char *check, const struct snap_log *l)
{
	const struct log_hit *worst = NULL;

	for (size_t i = 0; i < l->summary.hits.len; i++) {
		const struct log_hit *h = &l->summary.hits.v[i];

		if ((!check || str_is(log_hit_check(h), check)) && counts(r, v, l, h) && (!worst || is_worse(h, worst)))
			worst = h;
	}
	return worst;
}

const struct log_hit *proxy_hit(struct run *r, const struct proxy_view *v, const char *check, const struct snap_log **ret_log)
{
	const struct log_hit *h = v->log ? worst_of(r, v, check, v->log) : NULL;

	*ret_log = h ? v->log : NULL;
	if (!h && v->previous && previous_counts(v) && (h = worst_of(r, v, check, v->previous)))
		*ret_log = v->previous;
	return h;
}

/* ---- evidence ---- */

static const char *log_words(struct run *r, const struct proxy_view *v, const struct snap_log *l)
{
	const char *before = l->previous ? " (the container before)" : "";

	if (l->file)
		return run_printf(r, "%.200s%s", strcmp(l->file, "-") == 0 ? "stdin" : l->file, before);
	if (l->pod)
		return run_printf(r, "Pod %s/%s%s", l->ns ? l->ns : "", l->pod, before);
	return run_printf(r, "the journal of node %s", v->node);
}

static const char *times_words(struct run *r, const struct log_hit *h)
{
	const bool span = h->count > 1 && h->first && h->last && strcmp(h->first, h->last) != 0;

	if (span)
		return run_printf(r, ", %zu times from %s to %s", h->count, h->first, h->last);
	if (h->count > 1)
		return run_printf(r, ", %zu times%s%s", h->count, h->last ? ", last at " : "", h->last ? h->last : "");
	return h->last ? run_printf(r, " at %s", h->last) : "";
}

static void log_commands(struct run *r, struct finding *f, const struct proxy_view *v, const struct snap_log *l)
{
	if (l->pod)
		finding_next(r, f, l->previous ? "kubectl -n %s logs %s --previous" : "kubectl -n %s logs %s", l->ns, l->pod);
	else if (v->pod)
		finding_next(r, f, l->previous ? "kubectl -n %s logs %s --previous" : "kubectl -n %s logs %s", v->pod->meta.ns, v->pod->meta.name);
	else
		finding_next(r, f, "journalctl -u kube-proxy");
}

void proxy_hit_evidence(struct run *r, struct finding *f, const struct proxy_view *v, const struct snap_log *l, const struct log_hit *h)
{
	const struct log_kind *k = h->reason ? h->reason : h->kind;

	finding_evidence(r, f, "%s logs%s: %.300s", log_words(r, v, l), times_words(r, h), h->text ? h->text : "");
	if (k->meaning)
		finding_evidence(r, f, "that is: %s", k->meaning);
	if (!f->since && h->since && log_time(h->since, 0) >= 0) /* with a year */
		f->since = h->since;
	log_commands(r, f, v, l);
}
