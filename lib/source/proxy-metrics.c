/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube-proxy's /metrics, in the text form of Prometheus: when its rules were last queued and synced, how long that took, what failed, how the API
 * server answers it. The names are those of pkg/proxy/metrics/metrics.go from 1.12 to 1.36: since 1.34 there is one of each for an address family (a
 * label ip_family, which is absent until the first event), before one for both. Names that are not of the table are passed over.
 */

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "proxy-private.h"

enum { NUMBER_MAX = 40, LABELS_MAX = 16, LABEL_SIZE = 128, BUCKETS_MAX = 256 };

enum kind {
	ONE,	 /* of the whole program: the last one counts */
	SUM,	 /* of the whole program: of several labels all together */
	EACH,	 /* of a family */
	HIST,	 /* a histogram of the whole program */
	HISTS,	 /* of a family */
	MICRO,	 /* in microseconds, before 1.14 */
	TABLE,	 /* iptables rules, by table */
	API,	 /* answers of the API server, by code */
	BUILD,
};

struct name {
	const char *name;
	enum kind kind;
	size_t at; /* in struct snap_metrics, or snap_metrics_family */
};
#define OF(field) offsetof(struct snap_metrics, field)
#define OF_EACH(field) offsetof(struct snap_metrics_family, field)
#define SYNC "kubeproxy_sync_proxy_rules_"

static const struct name names[] = {
	{ SYNC "last_timestamp_seconds", EACH, OF_EACH(synced) },
	{ SYNC "last_queued_timestamp_seconds", EACH, OF_EACH(queued) },
	{ SYNC "iptables_restore_failures_total", EACH, OF_EACH(restore_failures) },
	{ SYNC "iptables_partial_restore_failures_total", EACH, OF_EACH(partial_failures) },
	{ SYNC "nftables_sync_failures_total", EACH, OF_EACH(nft_failures) },
	{ SYNC "nftables_cleanup_failures_total", EACH, OF_EACH(nft_cleanup_failures) },
	{ SYNC "iptables_total", TABLE, 0 },
	{ SYNC "duration_seconds", HISTS, OF_EACH(sync) },
	{ SYNC "latency_microseconds", MICRO, 0 },
	{ "kubeproxy_sync_full_proxy_rules_duration_seconds", HISTS, OF_EACH(full) },
	{ "kubeproxy_sync_partial_proxy_rules_duration_seconds", HISTS, OF_EACH(partial) },
	{ "kubeproxy_network_programming_duration_seconds", HIST, OF(programming) },
	{ SYNC "endpoint_changes_pending", SUM, OF(endpoints_pending) },
	{ SYNC "service_changes_pending", SUM, OF(services_pending) },
	{ "kubeproxy_iptables_ct_state_invalid_dropped_packets_total", SUM, OF(invalid_dropped) },
	{ "process_start_time_seconds", ONE, OF(started) },
	{ "rest_client_requests_total", API, 0 },
	{ "kubernetes_build_info", BUILD, 0 },
};

struct label {
	const char *name;
	size_t len;
	char value[LABEL_SIZE]; /* what does not fit is cut */
};

struct sample {
	const struct name *n;
	const char *suffix; /* of a histogram: "_bucket", "_sum", "_count"; "" */
	struct label labels[LABELS_MAX];
	size_t nlabels;
	double value;
};

struct reader {
	struct arena *arena;
	struct snap_metrics m;
	struct snap_histogram micro;
	bool seen[2]; /* a sample of this family */
};

/* ---- a line ---- */

/* NAME or NAME_suffix in front of '{' or a blank. */
static bool find_name(const char *s, size_t len, struct sample *ret)
{
	static const char *const suffixes[] = { "_bucket", "_sum", "_count" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct name *n = &names[i];
		const size_t own = strlen(n->name);

		if (len < own || memcmp(s, n->name, own) != 0)
			continue;
		ret->n = n;
		ret->suffix = "";
		if (n->kind != HIST && n->kind != HISTS && n->kind != MICRO) {
			if (len == own)
				return true;
			continue;
		}
		for (size_t k = 0; k < ARRAY_LEN(suffixes); k++) {
			ret->suffix = suffixes[k];
			if (len - own == strlen(suffixes[k]) && memcmp(s + own, suffixes[k], len - own) == 0)
				return true;
		}
	}
	return false;
}

/* "text\"with\\escapes" from its first quote; the place behind the last one, NULL: there is none. */
static const char *read_quoted(const char *at, const char *end, char value[static LABEL_SIZE])
{
	size_t n = 0;

	if (at == end || *at++ != '"')
		return NULL;
	for (; at < end && *at != '"'; at++) {
		char c = *at;

		if (c == '\\' && ++at == end)
			return NULL;
		else if (c == '\\')
			c = *at == 'n' ? '\n' : *at;
		if (n < LABEL_SIZE - 1)
			value[n++] = c;
	}
	value[n] = '\0';
	return at == end ? NULL : at + 1;
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* {a="x",b="y"} from its brace; the place behind it, NULL: it is damaged. Of more labels than there is room for the last ones are passed over. */
static const char *read_labels(const char *at, const char *end, struct sample *ret)
{
	for (at = skip_blanks(at + 1, end); at < end && *at != '}';) {
		struct label *l = &ret->labels[MIN(ret->nlabels, LABELS_MAX - 1)];
		const char *equals = memchr(at, '=', (size_t)(end - at));

		if (!equals)
			return NULL;
		l->name = at;
		l->len = (size_t)(equals - at);
		at = read_quoted(equals + 1, end, l->value);
		if (!at)
			return NULL;
		ret->nlabels = MIN(ret->nlabels + 1, LABELS_MAX);
		at = skip_blanks(at, end);
		if (at < end && *at == ',')
			at = skip_blanks(at + 1, end);
	}
	return at < end ? at + 1 : NULL;
}

static bool read_number(const char *at, const char *end, double *ret)
{
	char text[NUMBER_MAX], *stop;
	size_t len = 0;

	at = skip_blanks(at, end);
	while (at + len < end && at[len] != ' ' && at[len] != '\t' && at[len] != '\r')
		len++;
	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, at, len);
	text[len] = '\0';
	*ret = strtod(text, &stop);
	return *stop == '\0' && isfinite(*ret);
}

static bool read_sample(const char *line, size_t len, struct sample *ret)
{
	const char *end = line + len, *at = line;

	while (at < end && *at != '{' && *at != ' ' && *at != '\t')
		at++;
	if (!find_name(line, (size_t)(at - line), ret))
		return false;
	at = skip_blanks(at, end);
	if (at < end && *at == '{')
		at = read_labels(at, end, ret);
	return at && read_number(at, end, &ret->value);
}

static const char *label(const struct sample *s, const char *name)
{
	for (size_t i = 0; i < s->nlabels; i++)
		if (s->labels[i].len == strlen(name) && memcmp(s->labels[i].name, name, s->labels[i].len) == 0)
			return s->labels[i].value;
	return NULL;
}

/* ---- what it tells ---- */

static bool is_of(const struct sample *s, unsigned six)
{
	const char *family = label(s, "ip_family");

	return !family || strcmp(family, six ? "IPv6" : "IPv4") == 0;
}

static void add(double *to, double v)
{
	*to = isnan(*to) ? v : *to + v;
}

static bool count_of(double v, uint64_t *ret)
{
	if (!(v >= 0) || v >= 1e18)
		return false;
	*ret = (uint64_t)v;
	return true;
}

/* Two families that are put together have the same bounds. */
static int add_bucket(struct snap_histogram *h, double le, uint64_t count)
{
	size_t at = 0;
	int r;

	while (at < h->buckets.len && h->buckets.v[at].le < le)
		at++;
	if (at < h->buckets.len && h->buckets.v[at].le <= le) {
		h->buckets.v[at].count += count;
		return 0;
	}
	if (h->buckets.len >= BUCKETS_MAX)
		return 0;
	r = array_push(&h->buckets, ((struct snap_bucket){ le, count }));
	if (r < 0)
		return r;
	memmove(&h->buckets.v[at + 1], &h->buckets.v[at], (h->buckets.len - 1 - at) * sizeof(h->buckets.v[0]));
	h->buckets.v[at] = (struct snap_bucket){ le, count };
	return 0;
}

static int take_histogram(struct snap_histogram *h, const struct sample *s)
{
	const double unit = s->n->kind == MICRO ? 1e-6 : 1;
	const char *bound = label(s, "le");
	uint64_t count;
	double le;

	if (strcmp(s->suffix, "_sum") == 0) {
		h->sum += s->value * unit;
		return 0;
	}
	if (!count_of(s->value, &count))
		return 0;
	if (strcmp(s->suffix, "_count") == 0) {
		h->count += count;
		return 0;
	}
	if (!bound || !read_number(bound, bound + strlen(bound), &le)) /* +Inf is the count */
		return 0;
	return add_bucket(h, le * unit, count);
}

/* One answer to each request, so that what a server said and that there was none can be told apart. */
static void take_answers(struct snap_metrics *m, const struct sample *s)
{
	const char *code = label(s, "code");

	if (!code)
		return;
	if (*code == '2' || *code == '3')
		add(&m->api_ok, s->value);
	else if (strcmp(code, "401") == 0 || strcmp(code, "403") == 0)
		add(&m->api_refused, s->value);
	else if (*code == '5' || strcmp(code, "<error>") == 0)
		add(&m->api_failed, s->value);
}

/* git_version was gitVersion before 1.18. */
static int take_build(struct reader *r, const struct sample *s)
{
	const char *version = label(s, "git_version");

	version = version ? version : label(s, "gitVersion");
	if (!version || !*version)
		return 0;
	r->m.version = arena_clean(r->arena, version);
	return r->m.version ? 0 : -ENOMEM;
}

static int take_each(struct reader *r, const struct sample *s)
{
	const char *table = label(s, "table");
	int result = 0;

	r->m.by_family |= label(s, "ip_family") != NULL;
	for (unsigned six = 0; result == 0 && six < 2; six++) {
		struct snap_metrics_family *f = &r->m.family[six];

		if (!is_of(s, six))
			continue;
		r->seen[six] = true;
		if (s->n->kind == HISTS)
			result = take_histogram((struct snap_histogram *)((char *)f + s->n->at), s);
		else if (s->n->kind == EACH)
			*(double *)((char *)f + s->n->at) = s->value;
		else if (str_is(table, "nat"))
			f->rules_nat = s->value;
		else if (str_is(table, "filter"))
			f->rules_filter = s->value;
	}
	return result;
}

static int take(struct reader *r, const struct sample *s)
{
	char *base = (char *)&r->m;

	switch (s->n->kind) {
	case ONE:
		*(double *)(base + s->n->at) = s->value;
		return 0;
	case SUM:
		add((double *)(base + s->n->at), s->value);
		return 0;
	case EACH:
	case HISTS:
	case TABLE:
		return take_each(r, s);
	case HIST:
		return take_histogram((struct snap_histogram *)(base + s->n->at), s);
	case MICRO:
		return take_histogram(&r->micro, s);
	case API:
		take_answers(&r->m, s);
		return 0;
	case BUILD:
		return take_build(r, s);
	}
	return 0;
}

/* ---- the whole ---- */

/* Counts are cumulative, whatever somebody wrote. */
static void settle_histogram(struct snap_histogram *h)
{
	uint64_t below = 0;

	for (size_t i = 0; i < h->buckets.len; i++) {
		uint64_t *count = &h->buckets.v[i].count;

		*count = MIN(MAX(*count, below), h->count);
		below = *count;
	}
}

/* A label that was never used has no sample: the family is there, and this never happened to it. */
static void settle_family(struct snap_metrics_family *f)
{
	double *const never[] = { &f->queued, &f->synced, &f->restore_failures, &f->partial_failures, &f->nft_failures, &f->nft_cleanup_failures };

	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		*never[i] = isnan(*never[i]) ? 0 : *never[i];
}

/* From 1.14 to 1.17 both units were there. */
static int use_micro(struct reader *r)
{
	int result = 0;

	for (unsigned six = 0; r->micro.count && six < 2; six++) {
		struct snap_histogram *h = &r->m.family[six].sync;

		if (h->count)
			continue;
		h->count = r->micro.count;
		h->sum = r->micro.sum;
		for (size_t i = 0; result == 0 && i < r->micro.buckets.len; i++)
			result = add_bucket(h, r->micro.buckets.v[i].le, r->micro.buckets.v[i].count);
	}
	return result;
}

static void settle(struct reader *r)
{
	for (unsigned six = 0; six < 2; six++) {
		struct snap_metrics_family *f = &r->m.family[six];

		if (r->m.by_family && r->seen[six])
			settle_family(f);
		settle_histogram(&f->sync);
		settle_histogram(&f->full);
		settle_histogram(&f->partial);
	}
	settle_histogram(&r->m.programming);
}

static int read_lines(struct reader *r, const char *data, size_t size)
{
	int result = 0;

	for (size_t at = 0; result == 0 && at < size;) {
		const char *line = data + at, *nl = memchr(line, '\n', size - at);
		const size_t len = nl ? (size_t)(nl - line) : size - at;
		struct sample s;

		at += len + 1;
		s.nlabels = 0;
		r->m.known |= len > 10 && memcmp(line, "kubeproxy_", 10) == 0;
		if (read_sample(line, len, &s))
			result = take(r, &s);
	}
	return result;
}

int proxy_metrics_read(struct arena *arena, const char *data, size_t size, struct snap_proxy *p)
{
	struct reader r = { .arena = arena };
	int result;

	snap_metrics_init(&r.m);
	result = read_lines(&r, data, size);
	if (result == 0)
		result = use_micro(&r);
	settle(&r);
	array_free(&r.micro.buckets);
	if (result < 0 || !r.m.known) {
		snap_metrics_release(&r.m);
		return result;
	}
	snap_metrics_release(&p->metrics);
	p->metrics = r.m;
	p->metrics_known = true;
	for (unsigned six = 0; six < 2; six++) {
		p->synced[six] = r.m.family[six].synced > 0;
		p->sync_failed[six] = r.m.family[six].restore_failures > 0 || r.m.family[six].nft_failures > 0;
	}
	proxy_port_answered(p, PROXY_METRICS, 200);
	return 0;
}
