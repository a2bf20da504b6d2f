/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each answer of the cluster's DNS about a name of the cluster, beside what lib/expect says must come back. Priorities, weights and the
 * order of records are nobody's business; what was cut short is not compared.
 */
#include <ctype.h>

#include "dns-seats-private.h"

/* ---- what must come back ---- */

/* Absence is a fact as far as the snapshot says so; the slices of a Service are those that belong to it. */
static bool is_known(void *arg, enum k8s_kind k, const char *ns, const char *name)
{
	const struct snapshot *s = arg;

	if (k == K8S_SLICES && name)
		return snapshot_has_of_service(s, k, ns, name);
	return name ? snapshot_would_have(s, k, ns, name) : snapshot_has_all(s, k, ns);
}

static const struct dns_expected *expected_of(struct dns_view *v, const char *name, uint16_t type)
{
	struct run *r = v->r;
	char *key = arena_printf(&r->scratch, "%u %s", type, name);
	struct dns_expected *e;

	for (char *p = key; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	e = key ? map_gets(&v->expected, key) : NULL;
	if (e)
		return e;
	e = arena_new(&r->scratch, struct dns_expected);
	if (!key || !e || expect_dns(r->a, r->c, v->domain, name, type, is_known, (void *)(uintptr_t)r->s, e) < 0) {
		r->err = -ENOMEM;
		return NULL;
	}
	run_push(r, &v->all_expected, e);
	if (r->err || map_puts(&v->expected, key, e) < 0) {
		r->err = -ENOMEM;
		return NULL;
	}
	return e;
}

/* ---- records beside records ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b && dns_name_equal(a, b);
}

static bool same_record(const struct dns_record *a, const struct dns_record *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case DNS_A:
	case DNS_AAAA:
		return ip_addr_equal(&a->addr, &b->addr);
	case DNS_SRV:
		return a->port == b->port && same_text(a->target, b->target);
	case DNS_CNAME:
	case DNS_PTR:
		return same_text(a->target, b->target);
	default:
		return true;
	}
}

static bool has_record(const struct dns_record *v, size_t n, const struct dns_record *rec)
{
	for (size_t i = 0; i < n; i++)
		if (same_record(&v[i], rec))
			return true;
	return false;
}

/* Of the type that was asked for: what leads there (CNAMEs) and signatures do not count. */
static enum dns_verdict compare(const struct dns_answer *a, const struct dns_expected *e, const struct dns_record **ret)
{
	for (size_t i = 0; i < a->nanswers && !e->may_have_more; i++) {
		if (a->answers[i].type != a->q.type || has_record(e->records.v, e->records.len, &a->answers[i]))
			continue;
		*ret = &a->answers[i];
		return DNS_DIFFERENT;
	}
	for (size_t i = 0; i < e->records.len; i++)
		if (!has_record(a->answers, a->nanswers, &e->records.v[i]))
			return DNS_DIFFERENT;
	return DNS_FINE;
}

static const struct dns_record *of_type(const struct dns_answer *a)
{
	for (size_t i = 0; i < a->nanswers; i++)
		if (a->answers[i].type == a->q.type)
			return &a->answers[i];
	return NULL;
}

static bool is_external(const struct dns_expected *e)
{
	return e->service && str_is(e->service->type, "ExternalName");
}

static enum dns_verdict judge_data(const struct dns_answer *a, const struct dns_expected *e, const struct dns_record **ret)
{
	switch (e->kind) {
	case DNS_EXPECT_RECORDS:
		if (a->records_unknown && !a->nanswers)
			return DNS_UNDECIDED;
		if (!a->nanswers && e->may_have_more && is_external(e))
			return DNS_UNDECIDED; /* CoreDNS leaves the alias out, too, when it gets no answer for its target */
		return a->nanswers ? compare(a, e, ret) : DNS_EMPTY;
	case DNS_EXPECT_NODATA:
	case DNS_EXPECT_NXDOMAIN:
		if (dns_is_autopath(a))
			return DNS_FINE;
		*ret = of_type(a);
		return *ret ? DNS_UNFOUNDED : DNS_FINE;
	case DNS_EXPECT_NOTHING:
		break;
	}
	return DNS_UNDECIDED;
}

/* A server may say of an ExternalName whose target there is not: NXDOMAIN, and the CNAME with it (RFC 2308, 2.1). */
static bool alias_denied(const struct dns_answer *a, const struct dns_expected *e)
{
	if (is_external(e) && e->kind == DNS_EXPECT_NODATA)
		return true;
	for (size_t i = 0; i < a->nanswers; i++)
		if (a->answers[i].type == DNS_CNAME && e->may_have_more)
			return true;
	return false;
}

static enum dns_verdict judge(const struct dns_answer *a, const struct dns_expected *e, const struct dns_record **ret)
{
	switch (a->rcode) {
	case DNS_NOERROR:
		return judge_data(a, e, ret);
	case DNS_NXDOMAIN:
		if (e->kind == DNS_EXPECT_NXDOMAIN || alias_denied(a, e))
			return DNS_FINE;
		return e->kind == DNS_EXPECT_NOTHING ? DNS_UNDECIDED : DNS_DENIED;
	case DNS_REFUSED:
		return DNS_REFUSING;
	default:
		return DNS_FAILING;
	}
}

/* ---- which answers ---- */

static bool type_counts(uint16_t type)
{
	return type == DNS_A || type == DNS_AAAA || type == DNS_CNAME || type == DNS_SRV || type == DNS_PTR;
}

static bool server_counts(const struct dns_seat *seat, const struct dns_server *s)
{
	if (!s)
		return seat->domain != NULL;
	if (s->foreign)
		return false;
	return (s->is & DNS_IS_CLUSTER) || ((s->is & DNS_IS_NAMESERVER) && seat->domain);
}

/* The whole name that the answer is about; NULL: a program searched for it, and the answer does not say where. */
static const char *whole_name(const struct dns_answer *a)
{
	const char *owner = a->nanswers ? a->answers[0].owner : NULL;

	if (!a->searched)
		return a->q.name;
	return owner && strncasecmp(owner, a->q.name, strlen(a->q.name)) == 0 ? owner : NULL;
}

static const char *question_key(struct dns_view *v, const struct dns_judged *j)
{
	char *key = arena_printf(&v->r->scratch, "%p %p %u %d %s", (const void *)j->seat, (const void *)j->server, j->a->q.type, j->a->q.tcp, j->name);

	for (char *p = key; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (!key)
		v->r->err = -ENOMEM;
	return key;
}

static bool same_word(const struct dns_judged *x, const struct dns_judged *y)
{
	return x->verdict == y->verdict && (x->verdict != DNS_DIFFERENT || !x->record || !y->record || same_record(x->record, y->record));
}

#define WORDS_MAX 8
#define JUDGED_MAX 50000
#define BAD_MAX 2000 /* each is compared with all others */

/*
 * The same question once more, at the same server: what failed once and then did not, did not fail; other records than before stay beside them,
 * for behind one address may be several servers.
 */
static bool replaces(struct dns_view *v, struct dns_judged *j, size_t last)
{
	size_t n = 0;

	for (; last; last = v->judged.v[last - 1].before, n++) {
		struct dns_judged *old = &v->judged.v[last - 1];

		if (same_word(old, j) || j->verdict == DNS_FAILING)
			return true;
		if (old->verdict != DNS_FAILING)
			continue;
		j->before = old->before;
		*old = *j;
		return true;
	}
	return n >= WORDS_MAX;
}

static void keep(struct dns_view *v, struct dns_judged *j)
{
	const char *key = question_key(v, j);
	size_t last = key ? (size_t)(uintptr_t)map_gets(&v->questions, key) : 0;

	if (!key || replaces(v, j, last))
		return;
	if (v->nbad >= BAD_MAX && j->verdict != DNS_FINE && j->verdict != DNS_UNDECIDED)
		return;
	j->before = last;
	run_push(v->r, &v->judged, *j);
	v->nbad += j->verdict != DNS_FINE && j->verdict != DNS_UNDECIDED;
	if (!v->r->err && map_puts(&v->questions, key, (void *)(uintptr_t)v->judged.len) < 0)
		v->r->err = -ENOMEM;
}

static void judge_answer(struct dns_view *v, const struct dns_seat *seat, const struct dns_answer *a)
{
	const struct dns_server *s = a->q.server.family ? dns_seat_server(seat, &a->q.server) : NULL;
	struct dns_judged j = { .seat = seat, .server = s, .a = a, .name = whole_name(a) };

	if (v->judged.len >= JUDGED_MAX || v->all_expected.len >= JUDGED_MAX)
		return;
	if (a->end != DNS_ANSWERED || a->tc || !type_counts(a->q.type) || !j.name || !server_counts(seat, s))
		return;
	if (!dns_name_inside(j.name, v->domain) && a->q.type != DNS_PTR)
		return;
	j.e = expected_of(v, j.name, a->q.type);
	if (!j.e)
		return;
	j.verdict = judge(a, j.e, &j.record);
	keep(v, &j);
}

/* Where nobody tells the cluster's domain and no name was found in the one that is assumed, it may be another: who has no such names is right. */
static void forgive(struct dns_view *v)
{
	for (size_t i = 0; i < v->judged.len; i++)
		if (v->judged.v[i].a->rcode == DNS_NOERROR && v->judged.v[i].a->q.type != DNS_PTR)
			return;
	for (size_t i = 0; i < v->judged.len; i++)
		if (v->judged.v[i].a->q.type != DNS_PTR)
			v->judged.v[i].verdict = DNS_UNDECIDED;
}

void dns_view_judge(struct dns_view *v)
{
	for (size_t i = 0; i < v->nseats; i++)
		for (size_t k = 0; k < v->seats[i].d->answers.len && !v->r->err; k++)
			judge_answer(v, &v->seats[i], &v->seats[i].d->answers.v[k]);
	if (v->domain_assumed)
		forgive(v);
}
