/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command proxy: kube-proxy of each node in one row, and of a diagnosis what is about kube-proxy and its nodes. Nothing is judged here: what is
 * wrong is a finding of a check, and the state of a node is its worst one.
 */
#include <math.h>
#include <stdlib.h>

#include "proxy-settings-private.h"

const char *proxy_state_name(enum proxy_state s)
{
	static const char *const names[] = { "well", "warned", "faulty", "unknown", "replaced" };

	return (unsigned)s < ARRAY_LEN(names) ? names[s] : "";
}

void proxy_report_release(struct proxy_report *r)
{
	for (size_t i = 0; i < r->rows.len; i++) {
		array_free(&r->rows.v[i].lines);
		array_free(&r->rows.v[i].findings);
	}
	array_free(&r->rows);
	arena_release(&r->arena);
}

/* ---- which findings are about kube-proxy ---- */

/* Ids of checks, or how they begin ("x-*"). What the network, firewalls and Services have of their own is told by diagnose. */
static bool is_about_proxy(const struct check *c)
{
	static const char *const ids[] = {
		"alternative-dataplane-present", "clustercidr-*", "conntrack-binary-missing", "detect-local-*", "duplicate-service-proxies",
		"externally-edited-kube-chains", "iptables-1.8.8-mark-mask-loss", "iptables-legacy-nft-mix", "iptables-restore-*", "ipvs-binary-*",
		"ipvs-silent-fallback", "ipvs-strict-arp", "ipvs-deprecation-notice", "kube-chain-not-jumped", "kube-ipvs0-*", "kube-mark-drop-missing",
		"kube-proxy-*", "large-cluster-latency", "mark-bit-conflict", "masquerade-all", "masquerade-missing", "min-sync-period-staleness",
		"nfacct-missing", "nft-*", "nodeport-addresses-*", "proxy-*", "reflector-watch-restart-noise", "rules-flushed-by-other", "rules-torn",
		"stale-*", "xtables-*",
	};

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		const size_t n = strlen(ids[i]) - 1;

		if (strcmp(c->id, ids[i]) == 0 || (ids[i][n] == '*' && strncmp(c->id, ids[i], n) == 0))
			return true;
	}
	return false;
}

/* A cause that is not about kube-proxy, such as a link that is down, stays where it is the reason of what is. */
static bool is_kept(const struct finding *f)
{
	bool kept = is_about_proxy(f->check);

	for (size_t i = 0; i < f->explains.len && !kept; i++)
		kept = is_about_proxy(f->explains.v[i]->check);
	return kept;
}

/* Findings that are left out may stand in what others explain: they stay in the arena, and lose what is not in it. */
static void drop_finding(struct finding *f)
{
	array_free(&f->evidence);
	array_free(&f->next);
	array_free(&f->fix);
	array_free(&f->services);
}

static void keep_findings(struct diagnosis *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->findings.len; i++) {
		struct finding *f = d->findings.v[i];

		if (is_kept(f)) {
			d->findings.v[n++] = f;
			continue;
		}
		drop_finding(f);
		array_free(&f->explains);
	}
	d->findings.len = n;
	d->cluster.len = 0;
}

/* Services are none of this command, and neither are the checks that are about them. */
static void drop_services(struct diagnosis *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->services.len; i++) {
		for (int a = 0; a < AXIS_COUNT; a++)
			array_free(&d->services.v[i].axes[a].details);
		array_free(&d->services.v[i].causes);
		array_free(&d->services.v[i].explained);
	}
	d->services.len = 0;
	for (size_t i = 0; i < d->skipped.len; i++) {
		const struct check *c = check_find(d->skipped.v[i].check);

		if (c && is_about_proxy(c))
			d->skipped.v[n++] = d->skipped.v[i];
	}
	d->skipped.len = n;
}

/* ---- health ---- */

static const char *port_words(struct run *r, const struct snap_port *p)
{
	switch (p->end) {
	case PORT_NOT_ASKED:
		return NULL;
	case PORT_ANSWERED:
		return p->status ? run_printf(r, "%d", p->status) : "answers";
	case PORT_REFUSED:
		return "refused";
	case PORT_SILENT:
		return "silent";
	case PORT_UNREACHABLE:
		return p->error ? p->error : "not reached";
	case PORT_STRANGE:
		return "answers something else";
	}
	return NULL;
}

/* "healthz 503, livez 200, metrics refused"; what was recorded without how it was asked counts as an answer. */
static const char *health_words(struct run *r, const struct snap_node *n)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	if (!n)
		return NULL;
	for (int p = 0; p < PROXY_PORTS; p++) {
		const char *how = port_words(r, &n->proxy.ports[p]);

		if (!how && p == PROXY_HEALTHZ && n->proxy.healthz_known)
			how = n->proxy.healthy ? "healthy" : "not healthy";
		if (!how && p == PROXY_METRICS && n->proxy.metrics.known)
			how = "read";
		if (how)
			strbuf_addf(&b, "%s%s %.100s", b.len ? ", " : "", snap_proxy_port_name((enum snap_proxy_port)p), how);
	}
	if (n->proxy.eligible == 0)
		strbuf_addf(&b, "%sthe node is being drained", b.len ? "; " : "");
	return b.len ? run_printf(r, "%s", strbuf_str(&b)) : NULL;
}

/* ---- syncs ---- */

static int64_t time_of(double t)
{
	return !isnan(t) && t > 0 && t < 1e12 ? (int64_t)t : 0;
}

static int64_t recorded(const char *t)
{
	const int64_t s = proxy_seconds(t, 0);

	return MAX(s, (int64_t)0);
}

static double sum_known(double a, double b)
{
	return isnan(a) ? b : isnan(b) ? a : a + b;
}

static double largest_known(double a, double b)
{
	return isnan(a) || b > a ? b : a;
}

static void take_syncs(const struct snap_proxy *p, struct proxy_row *row)
{
	const struct snap_metrics *m = &p->metrics;
	const char *const *updated = p->family_updated;

	row->by_family = m->known ? m->by_family : updated[0] || updated[1];
	for (int i = 0; i < 2; i++) {
		const struct snap_metrics_family *f = &m->family[i];

		row->queued[i] = m->known ? time_of(f->queued) : 0;
		row->synced[i] = m->known && time_of(f->synced) ? time_of(f->synced) : recorded(row->by_family ? updated[i] : p->healthz_last_updated);
	}
	if (!m->known)
		return;
	const struct snap_metrics_family *a = &m->family[0], *b = &m->family[1];
	const bool both = m->by_family;

	row->sync_p50 = largest_known(snap_quantile(&a->sync, 0.5), both ? snap_quantile(&b->sync, 0.5) : NAN);
	row->sync_p99 = largest_known(snap_quantile(&a->sync, 0.99), both ? snap_quantile(&b->sync, 0.99) : NAN);
	row->programming_p50 = snap_quantile(&m->programming, 0.5);
	row->programming_p99 = snap_quantile(&m->programming, 0.99);
	row->restore_failures = both ? sum_known(a->restore_failures, b->restore_failures) : a->restore_failures;
	row->nft_failures = both ? sum_known(a->nft_failures, b->nft_failures) : a->nft_failures;
	double said = NAN;

	for (int i = 0; i < (both ? 2 : 1); i++)
		said = sum_known(said, sum_known(sum_known(m->family[i].rules_nat, m->family[i].rules_filter), m->family[i].rules_nft));
	row->rules_said = said;
}

/* ---- pod or process ---- */

const char *proxy_runs(struct run *r, const struct proxy_view *v)
{
	const struct snap_proxy *p = v->n ? &v->n->proxy : NULL;
	struct pod_view w;

	if (v->pod) {
		pod_view(r, v->pod, &w);
		w.since = NULL;
		return run_printf(r, "Pod %s/%s, %s", v->pod->meta.ns, v->pod->meta.name, pod_line(r, &w));
	}
	if (p && p->processes.len) {
		const struct snap_process *x = &p->processes.v[0];
		const char *age = x->seconds >= 0 ? run_printf(r, ", for %s", proxy_ago(r, x->seconds)) : "";

		return run_printf(r, "pid %u on the node%s%s%s%s", x->pid, x->inside ? ", inside " : "", x->inside ? x->inside : "", age,
				  p->processes.len > 1 ? run_printf(r, ", and %zu more", p->processes.len - 1) : "");
	}
	return p && p->processes_known ? "no pod and no process of kube-proxy is known there" : NULL;
}

/* ---- its log ---- */

/* Which good signs say most: kinds of lib/klog's table, the others after them. */
static size_t good_order(const struct log_hit *h)
{
	static const char *const ids[] = { "mode", "version", "sync-done", "caches-synced" };
	size_t i = 0;

	while (i < ARRAY_LEN(ids) && strcmp(h->kind->id, ids[i]) != 0)
		i++;
	return i;
}

/* It calls itself a warning or an error, and somebody will ask what it means. */
static bool is_loud(const struct log_hit *h)
{
	return h->text && (strchr("WEF", h->text[0]) ? h->text[0] != '\0' : strstr(h->text, "\"err\":") != NULL);
}

static int line_order(const void *a, const void *b)
{
	const struct proxy_line *x = a, *y = b;

	if (x->history != y->history)
		return x->history ? 1 : -1;
	if (log_hit_weight(x->hit) != log_hit_weight(y->hit))
		return log_hit_weight(x->hit) > log_hit_weight(y->hit) ? -1 : 1;
	if (x->log != y->log)
		return x->log->previous ? 1 : -1;
	if (log_hit_weight(x->hit) == LOG_GOOD && good_order(x->hit) != good_order(y->hit))
		return good_order(x->hit) < good_order(y->hit) ? -1 : 1;
	if (log_hit_weight(x->hit) == LOG_HARMLESS && x->loud != y->loud)
		return x->loud ? -1 : 1;
	return x->hit->last_line > y->hit->last_line ? -1 : x->hit->last_line < y->hit->last_line;
}

static void take_lines(struct run *r, const struct proxy_view *v, const struct snap_log *l, struct proxy_row *row)
{
	for (size_t i = 0; l && i < l->summary.hits.len; i++) {
		const struct log_hit *h = &l->summary.hits.v[i];
		const enum log_weight w = log_hit_weight(h);
		const bool bad = w == LOG_ERROR || w == LOG_WARNING, counts = bad && proxy_hit_counts(r, v, l, h);

		row->errors += w == LOG_ERROR && counts ? h->count : 0;
		row->harmless += w == LOG_HARMLESS ? h->count : 0;
		row->good += w == LOG_GOOD ? h->count : 0;
		row->history += bad && !counts ? h->count : 0;
		run_push(r, &row->lines, ((struct proxy_line){ h, l, bad && !counts, is_loud(h) }));
	}
}

static void take_logs(struct run *r, const struct proxy_view *v, struct proxy_row *row)
{
	row->log = v->log;
	row->previous = v->previous;
	take_lines(r, v, v->log, row);
	take_lines(r, v, v->previous, row);
	if (row->lines.len)
		qsort(row->lines.v, row->lines.len, sizeof(*row->lines.v), line_order);
}

/* ---- rules ---- */

static void count_port(const struct rules_port *p, struct proxy_row *row)
{
	size_t needed = 0, found = 0;

	for (size_t i = 0; i < p->rows.len; i++) {
		needed += p->rows.v[i].needed;
		found += p->rows.v[i].found;
		row->chains_missing += p->rows.v[i].found < p->rows.v[i].needed;
	}
	if (!needed)
		return;
	row->wanted++;
	row->complete += p->complete;
	row->absent += found == 0;
}

static struct proxy_row *row_of(struct proxy_report *p, const char *node)
{
	size_t from = 0, to = p->rows.len;

	while (from < to) { /* sorted, but for logs of no node at the end */
		const size_t mid = from + (to - from) / 2;
		const int c = p->rows.v[mid].node ? strcmp(node, p->rows.v[mid].node) : -1;

		if (c == 0)
			return &p->rows.v[mid];
		if (c < 0)
			to = mid;
		else
			from = mid + 1;
	}
	return NULL;
}

static int count_rules(struct run *r, struct proxy_report *ret)
{
	struct rules_report rules CLEANUP(rules_report_release) = { 0 };
	const struct verify_options o = { .node = r->o->node };
	struct proxy_row *row = NULL;
	int e = r->d->verify.nodes.len && run_has(r, K8S_SERVICES) ? rules_run(r->s, &o, &rules) : 0;

	for (size_t i = 0; e == 0 && i < rules.ports.len; i++) {
		const struct rules_port *p = &rules.ports.v[i];

		if (!row || strcmp(row->node, p->node) != 0)
			row = row_of(ret, p->node);
		if (row)
			count_port(p, row);
	}
	for (size_t i = 0; e == 0 && i < ret->rows.len; i++)
		ret->rows.v[i].rules_known = ret->rows.v[i].wanted > 0;
	return e;
}

/* ---- the state of a node ---- */

static int cause_order(const void *a, const void *b)
{
	const struct finding *x = *(const struct finding *const *)a, *y = *(const struct finding *const *)b;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	return x->rank != y->rank ? (x->rank < y->rank ? -1 : 1) : strcmp(x->id, y->id);
}

static void take_findings(struct run *r, struct proxy_report *ret)
{
	for (size_t i = 0; i < r->d->findings.len; i++) {
		const struct finding *f = r->d->findings.v[i];
		struct proxy_row *row = f->node && !f->explained_by ? row_of(ret, f->node) : NULL;

		for (size_t k = 0; !f->node && !row && k < ret->rows.len; k++)
			if (!ret->rows.v[k].node && str_starts(f->subject, "log ") && strncmp(f->subject + 4, ret->rows.v[k].label, 200) == 0)
				row = &ret->rows.v[k];
		if (row)
			run_push(r, &row->findings, f);
	}
	for (size_t i = 0; i < ret->rows.len; i++)
		if (ret->rows.v[i].findings.len)
			qsort(ret->rows.v[i].findings.v, ret->rows.v[i].findings.len, sizeof(*ret->rows.v[i].findings.v), cause_order);
}

/* Does anything tell that it does its work? That its pod is ready alone does not. */
static bool is_told(const struct proxy_row *row)
{
	const struct snap_proxy *p = row->n ? &row->n->proxy : NULL;

	if (p && (p->healthz_known || p->metrics.known))
		return true;
	if (row->rules_known && row->complete == row->wanted)
		return true;
	/* of a log alone nobody knows whose it is, unless it says something that kube-proxy says */
	return row->log && (row->node ? row->log->summary.lines > 0 : row->log->summary.hits.len > 0);
}

static bool has_unknown(const struct log_summary *s)
{
	for (size_t i = 0; i < s->unknown.len; i++)
		if (s->unknown.v[i].last_line >= s->started_line)
			return true;
	return false;
}

/* A log alone in which nothing that is known is wrong. */
static void settle_log(struct proxy_row *row)
{
	const struct log_summary *s = &row->log->summary;

	if (has_unknown(s)) {
		row->state = PROXY_WARNED;
		row->words = "its log has errors that are not known here";
	} else if (s->lines && !s->hits.len) {
		row->words = "none of its lines is known: it may not be a log of kube-proxy";
	} else if (s->lines) {
		row->words = "its log tells of nothing wrong";
	}
}

static const char *synced_words(struct run *r, const struct proxy_row *row)
{
	int64_t oldest = 0;

	for (int i = 0; i < 2; i++)
		if (row->synced[i] && (!oldest || row->synced[i] < oldest))
			oldest = row->synced[i];
	if (!oldest || !row->now || row->now < oldest)
		return oldest ? "synced" : NULL;
	return run_printf(r, "synced %s ago", proxy_ago(r, row->now - oldest));
}

static void settle(struct run *r, struct proxy_row *row)
{
	const struct finding *worst = row->findings.len ? row->findings.v[0] : NULL;
	const char *synced = synced_words(r, row);
	struct verify_plane plane;

	if (row->n && !worst && !row->pod && verify_plane_is_other(r->s, row->n, &plane)) {
		row->state = PROXY_REPLACED;
		row->words = "another program serves Services there";
		return;
	}
	row->state = worst && worst->severity == SEVERITY_ERROR ? PROXY_FAULTY : worst && worst->severity == SEVERITY_WARNING ? PROXY_WARNED :
		     is_told(row) ? PROXY_WELL : PROXY_UNTOLD;
	if (worst && worst->severity > SEVERITY_INFO)
		row->words = worst->check->id;
	else if (row->state == PROXY_UNTOLD)
		row->words = row->pod ? "runs; nothing tells how it does" : "nothing is known of it";
	else
		row->words = synced ? synced : row->n && row->n->proxy.healthz_known && row->n->proxy.healthy ? "healthy" :
			     row->rules_known ? "its rules are as they must be" : "its log tells of nothing wrong";
	if (!row->node && row->log && (row->state == PROXY_WELL || row->state == PROXY_UNTOLD))
		settle_log(row);
}

/* ---- the whole ---- */

/*
 * cmd/kube-proxy/app/server_linux.go getConntrackMax: maxPerCore for each processor, and at least min; with maxPerCore 0 the node keeps what it has.
 * How many processors there are is not known.
 */
static void take_conntrack(const struct snap_node *n, struct proxy_row *row)
{
	const char *text = node_sysctl(&n->facts, "net.netfilter.nf_conntrack_max");
	const struct kube_proxy_config *c = row->config;
	const int64_t min = c->conntrack_min < 0 ? 131072 : c->conntrack_min;
	uint64_t max;

	if (!text || parse_uint(text, strlen(text), INT64_MAX, &max) < 0)
		return;
	row->conntrack_max = (int64_t)max;
	if (c->known && c->conntrack_max_per_core != 0 && (int64_t)max < min)
		row->conntrack_asked = min;
}

static void view_row(struct run *r, const struct proxy_view *v, struct proxy_row *row)
{
	row->node = row->label = v->node;
	row->n = v->n;
	row->pod = v->pod ? run_printf(r, "%s/%s", v->pod->meta.ns, v->pod->meta.name) : NULL;
	row->runs = proxy_runs(r, v);
	row->version = v->version;
	row->asked = v->asked;
	row->mode = v->mode;
	row->config = v->config;
	row->health = health_words(r, v->n);
	row->now = proxy_now(r, v);
	for (size_t i = 0; v->pod && i < v->pod->ncontainers; i++)
		if (v->pod->containers[i].has_status)
			row->restarts = MAX(row->restarts, (int64_t)0) + v->pod->containers[i].restarts;
	proxy_settings(r, v, row->settings);
	if (v->n) {
		take_syncs(&v->n->proxy, row);
		take_conntrack(v->n, row);
	}
	take_logs(r, v, row);
}

static struct proxy_row *new_row(struct run *r, struct proxy_report *ret)
{
	const struct proxy_row none = { .restarts = -1, .conntrack_max = -1, .sync_p50 = NAN, .sync_p99 = NAN, .programming_p50 = NAN, .programming_p99 = NAN,
					.restore_failures = NAN, .nft_failures = NAN, .rules_said = NAN };

	run_push(r, &ret->rows, none);
	return r->err ? NULL : &ret->rows.v[ret->rows.len - 1];
}

static void node_rows(struct run *r, struct proxy_report *ret)
{
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n && !r->err; i++) {
		struct proxy_row *row = !r->o->node || strcmp(r->o->node, v[i].node) == 0 ? new_row(r, ret) : NULL;

		if (row)
			view_row(r, &v[i], row);
	}
}

/* Logs that somebody named, and that are of no node that is known. */
static void log_rows(struct run *r, struct proxy_report *ret)
{
	static const struct kube_proxy_config unknown = { 0 };

	for (size_t i = 0; i < r->s->logs.len && !r->err; i++) {
		const struct snap_log *l = &r->s->logs.v[i];
		const struct proxy_view v = { .config = &unknown, .log = l, .version = l->summary.version, .mode = l->summary.mode };
		struct proxy_row *row = proxy_log_is_alone(r, l) ? new_row(r, ret) : NULL;

		if (!row)
			continue;
		row->label = !l->file ? "the log" : strcmp(l->file, "-") == 0 ? "stdin" : l->file;
		row->version = v.version;
		row->mode = v.mode;
		row->config = &unknown;
		take_logs(r, &v, row);
	}
}

static void pod_cidrs(struct run *r, struct proxy_report *ret)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	size_t shown = 0, n = 0;

	for (size_t i = 0; i < r->c->nodes.len; i++)
		for (size_t k = 0; k < r->c->nodes.v[i]->npod_cidrs; k++) {
			char buf[IP_PREFIX_STRLEN];

			n++;
			if (shown < 3 && ++shown)
				strbuf_addf(&b, "%s%s", shown > 1 ? ", " : "", ip_prefix_format(&r->c->nodes.v[i]->pod_cidrs[k], buf));
		}
	if (n > shown)
		strbuf_addf(&b, " and %zu more", n - shown);
	ret->pod_cidrs = n ? run_printf(r, "%s", strbuf_str(&b)) : NULL;
}

static int id_order(const void *a, const void *b)
{
	return strcmp((*(const struct finding *const *)a)->id, (*(const struct finding *const *)b)->id);
}

static void make_rows(struct run *r, struct proxy_report *ret)
{
	node_rows(r, ret);
	log_rows(r, ret);
	if (!r->err)
		r->err = count_rules(r, ret);
	proxy_log_findings(r);
	if (r->d->findings.len)
		qsort(r->d->findings.v, r->d->findings.len, sizeof(*r->d->findings.v), id_order);
	take_findings(r, ret);
	for (size_t i = 0; i < ret->rows.len && !r->err; i++)
		settle(r, &ret->rows.v[i]);
	pod_cidrs(r, ret);
	ret->cluster_version = r->c->version;
	for (size_t i = 0; i < r->d->findings.len; i++)
		if (!r->d->findings.v[i]->explained_by)
			run_push(r, &r->d->cluster, r->d->findings.v[i]);
}

/* Where a log is all that there is, nobody asked for the cluster or a node. */
static void log_alone(const struct proxy_report *p, struct diagnosis *d)
{
	for (size_t i = 0; i < p->rows.len; i++)
		if (p->rows.v[i].node)
			return;
	if (!p->rows.len)
		return;
	d->skipped.len = 0;
	for (int a = 0; a < AXIS_COUNT; a++)
		d->axis_why_not[a] = "a log of kube-proxy alone was given";
}

/* Inconclusive is what could not be told of any node that was asked for. */
static void conclude(const struct proxy_report *p, struct diagnosis *d)
{
	bool untold = p->rows.len == 0;

	for (size_t i = 0; i < p->rows.len; i++)
		untold |= p->rows.v[i].state == PROXY_UNTOLD;
	d->inconclusive = untold;
}

int proxy_run(const struct snapshot *s, const struct diagnose_options *o, struct proxy_report *ret, struct diagnosis *d)
{
	struct run r = { .s = s, .c = &s->cluster, .o = o, .d = d, .a = &d->arena };
	int e = diagnose_run(s, o, d);

	if (e < 0)
		return e;
	keep_findings(d);
	drop_services(d);
	run_index(&r);
	if (!r.err)
		make_rows(&r, ret);
	log_alone(ret, d);
	conclude(ret, d);
	run_release(&r);
	return r.err;
}
