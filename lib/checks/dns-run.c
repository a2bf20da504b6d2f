/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answers of DNS as tables: what each name comes to for each libc, who answers how fast over what, and each answer beside what the API says.
 * Nothing is judged here that the checks do not judge: a table shows, and says where it differs.
 */
#include <errno.h>
#include <netinet/in.h>

#include "dns-plan-private.h"

enum { ADDRESSES_SHOWN = 4, RECORDS_SHOWN = 4, RESULTS_MAX = 64, SERVICES_MAX = 1000 };

void dns_report_release(struct dns_report *r)
{
	for (size_t i = 0; i < r->names.len; i++)
		libc_walk_release(&r->names.v[i].walk);
	array_free(&r->names);
	array_free(&r->servers);
	array_free(&r->records);
	array_free(&r->left);
	array_free(&r->inside);
	arena_release(&r->arena);
}

/* One place. */
struct place {
	const struct snapshot *s;
	const struct diagnose_options *o;
	struct dns_report *ret;
	struct arena *a;
	const struct snap_dns *from;
	struct dns_lookup lookup;
	struct dns_targets targets;
	const char *domains[DNS_DOMAINS_MAX];
	int ndomains;
	bool viewed; /* what a libc takes here is known */
	int err;
};

static const char *keep(struct place *p, const struct strbuf *b)
{
	const char *s = b->failed ? NULL : arena_strndup(p->a, strbuf_str(b), b->len);

	if (!s)
		p->err = -ENOMEM;
	return s ? s : "";
}

static bool is_known(void *arg, enum k8s_kind k, const char *ns, const char *name)
{
	const struct snapshot *s = arg;

	if (!name)
		return snapshot_has_all(s, k, ns);
	return k == K8S_SLICES ? snapshot_has_of_service(s, k, ns, name) : snapshot_would_have(s, k, ns, name);
}

static int expected_of(struct place *p, const char *name, uint16_t type, struct dns_expected *ret)
{
	union {
		const struct snapshot *c;
		void *v;
	} arg = { .c = p->s };
	const char *domain = p->domains[0];

	for (int i = 0; i < p->ndomains; i++)
		if (dns_name_inside(name, p->domains[i]))
			domain = p->domains[i];
	return expect_dns(p->a, &p->s->cluster, domain, name, type, is_known, arg.v, ret);
}

/* ---- records ---- */

static bool same_record(const struct dns_record *a, const struct dns_record *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == DNS_A || a->type == DNS_AAAA)
		return ip_addr_equal(&a->addr, &b->addr);
	if (!a->target || !b->target || !dns_name_equal(a->target, b->target))
		return false;
	return a->type != DNS_SRV || a->port == b->port;
}

static bool has_record(const struct dns_record *v, size_t n, const struct dns_record *x)
{
	for (size_t i = 0; i < n; i++)
		if (same_record(&v[i], x))
			return true;
	return false;
}

/* Of the type that was asked for, or the CNAME that stands for it. */
static bool counts(const struct dns_answer *a, const struct dns_record *r, const struct dns_expected *e)
{
	return r->type == a->q.type || (e->records.len && e->records.v[0].type == DNS_CNAME && r->type == DNS_CNAME);
}

/* 1: as expected; 0: otherwise; -1: it cannot be told. */
static int compare(const struct dns_answer *a, const struct dns_expected *e)
{
	bool any = false;

	if (e->kind == DNS_EXPECT_NOTHING || a->end != DNS_ANSWERED || a->records_unknown)
		return -1;
	if (a->rcode != DNS_NOERROR && a->rcode != DNS_NXDOMAIN)
		return -1; /* it says nothing of the name */
	if (e->kind == DNS_EXPECT_NXDOMAIN)
		return a->rcode == DNS_NXDOMAIN || dns_is_autopath(a);
	for (size_t i = 0; i < e->records.len; i++)
		if (!a->tc && !has_record(a->answers, a->nanswers, &e->records.v[i]))
			return 0;
	for (size_t i = 0; i < a->nanswers; i++) {
		if (!counts(a, &a->answers[i], e))
			continue;
		any = true;
		/* what an ExternalName leads to is not the cluster's */
		if (e->kind == DNS_EXPECT_RECORDS && e->records.len && e->records.v[0].type == DNS_CNAME)
			continue;
		if (!e->may_have_more && !has_record(e->records.v, e->records.len, &a->answers[i]))
			return 0;
	}
	return a->rcode == DNS_NOERROR && (e->kind != DNS_EXPECT_NODATA || !any);
}

static void add_record(struct strbuf *b, const struct dns_record *r)
{
	char buf[IP_ADDR_STRLEN], type[DNS_TYPE_STRLEN];

	if (r->addr.family)
		strbuf_adds(b, ip_addr_format(&r->addr, buf));
	else if (r->type == DNS_SRV)
		strbuf_addf(b, "%s:%u", r->target ? r->target : "?", r->port);
	else
		strbuf_addf(b, "%s %s", dns_type_name(r->type, type), r->target ? r->target : r->text ? r->text : "");
}

static int record_order(const void *a, const void *b)
{
	const struct dns_record *const *x = a, *const *y = b;
	int r = ip_addr_cmp(&(*x)->addr, &(*y)->addr);

	return r ? r : strcmp((*x)->target ? (*x)->target : "", (*y)->target ? (*y)->target : "");
}

/* Sorted: servers turn the order round. */
static void add_records(struct strbuf *b, const struct dns_record *v, size_t n, uint16_t type)
{
	ARRAY_OF(const struct dns_record *) all = { 0 };

	for (size_t i = 0; i < n; i++)
		if ((v[i].type == type || v[i].type == DNS_CNAME) && array_push(&all, &v[i]) < 0)
			b->failed = true;
	if (all.len)
		qsort(all.v, all.len, sizeof(*all.v), record_order);
	for (size_t i = 0; i < all.len && i < RECORDS_SHOWN; i++) {
		strbuf_adds(b, i ? ", " : "");
		add_record(b, all.v[i]);
	}
	if (all.len > RECORDS_SHOWN)
		strbuf_addf(b, " and %zu more", all.len - RECORDS_SHOWN);
	array_free(&all);
}

static const char *end_words(const struct dns_answer *a)
{
	switch (a->end) {
	case DNS_TIMED_OUT:
		return "no answer";
	case DNS_PORT_CLOSED:
		return "refused: nothing listens on the port";
	case DNS_UNREACHABLE:
		return "no way to the server";
	case DNS_PROHIBITED:
		return "forbidden on the way";
	case DNS_CUT_OFF:
		return "the connection was cut";
	case DNS_GARBAGE:
		return "garbage";
	case DNS_STRANGERS:
		return "only answers of others";
	case DNS_FAILED:
		return "could not be asked";
	default:
		return "not asked";
	}
}

static const char *got_words(struct place *p, const struct dns_answer *a)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	if (a->end != DNS_ANSWERED)
		return end_words(a);
	if (a->rcode != DNS_NOERROR)
		return dns_rcode_name(a->rcode);
	if (a->records_unknown)
		return "answered";
	add_records(&b, a->answers, a->nanswers, a->q.type);
	if (!b.len)
		strbuf_adds(&b, "no such record");
	strbuf_adds(&b, a->tc ? " (cut off)" : "");
	return keep(p, &b);
}

static const char *expected_words(struct place *p, const struct dns_answer *a, const struct dns_expected *e)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	switch (e->kind) {
	case DNS_EXPECT_NOTHING:
		return NULL;
	case DNS_EXPECT_NXDOMAIN:
		strbuf_adds(&b, "NXDOMAIN");
		break;
	case DNS_EXPECT_NODATA:
		strbuf_adds(&b, "no such record");
		break;
	case DNS_EXPECT_RECORDS:
		add_records(&b, e->records.v, e->records.len, a->q.type);
		break;
	}
	if (e->why)
		strbuf_addf(&b, " (%s)", e->why);
	return keep(p, &b);
}

/* A node's own nameserver need not know the cluster's names. */
static bool is_cluster_server(const struct place *p, const struct dns_question *q)
{
	if (!dns_place_is_host(p->from))
		return true;
	for (size_t i = 0; i < p->targets.v.len; i++)
		if (p->targets.v.v[i].kind != DNS_TARGET_NAMESERVER && ip_addr_equal(&p->targets.v.v[i].addr, &q->server))
			return true;
	return false;
}

static void record_rows(struct place *p)
{
	for (size_t i = 0; i < p->from->answers.len && !p->err; i++) {
		const struct dns_answer *a = &p->from->answers.v[i];
		CLEANUP(dns_expected_release) struct dns_expected e = { 0 };
		struct dns_record_row row = { .from = p->from, .answer = a };

		if (a->end == DNS_NOT_ASKED || !a->q.name || expected_of(p, a->q.name, a->q.type, &e) < 0) {
			p->err = a->end == DNS_NOT_ASKED || !a->q.name ? p->err : -ENOMEM;
			continue;
		}
		row.ok = is_cluster_server(p, &a->q) ? compare(a, &e) : -1;
		row.expected = expected_words(p, a, &e);
		row.got = got_words(p, a);
		if (array_push(&p->ret->records, row) < 0)
			p->err = -ENOMEM;
	}
}

/* ---- names ---- */

static void collect(const struct dns_answer *a, const char *name, const struct dns_record *v[static RESULTS_MAX], size_t *n)
{
	size_t len;
	bool loop;
	const char *last = a && a->end == DNS_ANSWERED ? dns_chain_end(a, name, &len, &loop) : NULL;

	for (size_t i = 0; last && i < a->nanswers; i++)
		if (a->answers[i].addr.family && *n < RESULTS_MAX)
			v[(*n)++] = &a->answers[i];
}

/* Where a libc resolves the name: the addresses; else why not. */
static const char *result_words(struct place *p, const struct libc_walk *w)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const struct dns_record *v[RESULTS_MAX];
	size_t n = 0;

	switch (w->result) {
	case LIBC_RESOLVED:
		if (w->winner) {
			collect(w->winner->a, w->winner->name, v, &n);
			collect(w->winner->aaaa, w->winner->name, v, &n);
		}
		for (size_t i = 0; i < n && i < ADDRESSES_SHOWN; i++) {
			strbuf_adds(&b, i ? ", " : "");
			add_record(&b, v[i]);
		}
		if (n > ADDRESSES_SHOWN)
			strbuf_addf(&b, " and %zu more", n - ADDRESSES_SHOWN);
		return n ? keep(p, &b) : "resolves";
	case LIBC_NO_NAME:
		return "there is no such name";
	case LIBC_NO_DATA:
		return "the name has no address";
	case LIBC_TRY_AGAIN:
		return "no answer that counts: try again";
	case LIBC_FAILED:
		return "fails";
	case LIBC_NO_QUESTION:
		return "nothing is asked for it";
	case LIBC_UNKNOWN:
		break;
	}
	return "not known: not every answer is there";
}

/* The addresses of the winner against the API's, of one family. */
static int compare_family(struct place *p, const struct dns_name_row *row, const struct dns_answer *a, uint16_t type)
{
	CLEANUP(dns_expected_release) struct dns_expected e = { 0 };

	if (!row->full || !a)
		return -1;
	if (expected_of(p, row->full, type, &e) < 0) {
		p->err = -ENOMEM;
		return -1;
	}
	/* that there is no such Service says nothing of another name that was found */
	if (e.kind == DNS_EXPECT_NXDOMAIN && row->walk.winner && !dns_name_equal(row->walk.winner->name, row->full))
		return -1;
	/* whatever was appended: what counts is where it leads */
	return compare(a, &e);
}

/* There must be no such name: a Service without a cluster IP and without an endpoint to show has none. */
static bool rightly_none(struct place *p, const struct dns_name_row *row)
{
	CLEANUP(dns_expected_release) struct dns_expected e = { 0 };

	if (!row->service || !row->service->headless || !row->full || row->walk.result != LIBC_NO_NAME)
		return false;
	if (expected_of(p, row->full, DNS_A, &e) < 0)
		p->err = -ENOMEM;
	return e.kind == DNS_EXPECT_NXDOMAIN;
}

static void judge_name(struct place *p, struct dns_name_row *row)
{
	const struct libc_step *w = row->walk.winner;
	int a = w ? compare_family(p, row, w->a, DNS_A) : -1, aaaa = w ? compare_family(p, row, w->aaaa, DNS_AAAA) : -1;

	row->result = result_words(p, &row->walk);
	if (row->walk.result == LIBC_UNKNOWN || row->walk.result == LIBC_NO_QUESTION) {
		row->ok = -1;
	} else if (row->walk.result == LIBC_RESOLVED) {
		row->as_expected = a != 0 && aaaa != 0 && (a == 1 || aaaa == 1);
		row->ok = a != 0 && aaaa != 0;
	} else {
		row->ok = 0;
		row->harmless = rightly_none(p, row);
		if (row->harmless)
			row->result = "there is no such name: the Service has no endpoint to show";
	}
}

static bool any_known(const struct libc_walk *w)
{
	for (size_t i = 0; i < w->steps.len; i++)
		if (w->steps.v[i].a || w->steps.v[i].aaaa)
			return true;
	return false;
}

static void name_row(struct place *p, const struct dns_typed *t, const struct resolv_view *v)
{
	struct dns_name_row row = { .from = p->from, .typed = t->text, .full = t->full, .service = t->service, .control = t->control, .libc = v->libc };
	bool wanted = p->from->live && !t->control;

	row.asked = p->o->dns_name && strcasecmp(p->o->dns_name, t->text) == 0;
	p->lookup.view = p->viewed ? v : NULL;
	if (libc_walk(p->a, v, t->text, dns_lookup_answer, &p->lookup, &row.walk) < 0) {
		libc_walk_release(&row.walk);
		p->err = -ENOMEM;
		return;
	}
	if (!wanted && !any_known(&row.walk) && row.walk.result != LIBC_NO_QUESTION) {
		libc_walk_release(&row.walk);
		return;
	}
	judge_name(p, &row);
	if (array_push(&p->ret->names, row) < 0) {
		libc_walk_release(&row.walk);
		p->err = -ENOMEM;
	}
}

static void rows_of_libc(struct place *p, const struct dns_typed_list *typed, enum libc libc)
{
	CLEANUP(resolv_view_release) struct resolv_view v = { 0 };

	if (dns_place_view(p->a, p->s, p->from, p->o->dns_ns, libc, &v) < 0) {
		p->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < typed->v.len && !p->err; i++) {
		const struct dns_typed *t = &typed->v.v[i];

		/* what is appended to a name is only known with the file */
		if (p->viewed || (t->full && dns_name_equal(t->text, t->full)))
			name_row(p, t, &v);
	}
}

/* Nobody knows which libc is there, and with the other one it resolves: musl-resolver tells that. */
static void weigh_libcs(struct place *p, size_t first)
{
	for (size_t i = first; p->from->libc < 0 && i < p->ret->names.len; i++)
		for (size_t k = first; p->ret->names.v[i].ok == 0 && k < p->ret->names.len; k++)
			p->ret->names.v[i].harmless |= p->ret->names.v[k].ok == 1 && p->ret->names.v[k].libc != p->ret->names.v[i].libc &&
						       strcmp(p->ret->names.v[k].typed, p->ret->names.v[i].typed) == 0;
}

/* What was typed is found, and is no name of a Service: the forms that were made of it as if it were need not be there. */
static void weigh_forms(struct place *p, size_t first)
{
	for (size_t i = first; i < p->ret->names.len; i++) {
		struct dns_name_row *x = &p->ret->names.v[i];

		for (size_t k = first; x->ok == 0 && x->full && !x->service && !x->asked && !x->control && k < p->ret->names.len; k++) {
			const struct dns_name_row *y = &p->ret->names.v[k];

			x->harmless |= y->asked && y->ok == 1 && y->libc == x->libc && y->full && dns_name_equal(y->full, x->full);
		}
	}
}

/* Services of which something was asked here. */
static int services_here(struct place *p, const struct k8s_service ***ret, size_t *ret_n)
{
	const struct k8s_service *const *all = p->o->services;
	size_t n = all ? p->o->nservices : p->s->cluster.services.len, k = 0;
	const struct k8s_service **v = arena_array(p->a, const struct k8s_service *, MIN(n, (size_t)SERVICES_MAX) + 1);

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n && k < SERVICES_MAX; i++) {
		const struct k8s_service *s = all ? all[i] : p->s->cluster.services.v[i];
		char full[600];

		(void)snprintf(full, sizeof(full), "%s.%s.svc.%s", s->meta.name, s->meta.ns, p->domains[0]);
		if (dns_lookup_find(&p->lookup, full, DNS_A) || dns_lookup_find(&p->lookup, full, DNS_AAAA))
			v[k++] = s;
	}
	*ret = v;
	*ret_n = k;
	return 0;
}

static void name_rows(struct place *p)
{
	struct dns_typed_list typed = { 0 };
	const struct k8s_service **services = NULL;
	size_t n = 0, first = p->ret->names.len;

	if (services_here(p, &services, &n) < 0)
		p->err = -ENOMEM;
	/* one after the other, so that each has all its forms */
	for (size_t i = 0; i < n && !p->err; i++)
		if (dns_typed_make(p->a, p->from, p->domains[0], NULL, p->o->dns_ns, services + i, 1, &typed) < 0)
			p->err = -ENOMEM;
	if (!p->err && dns_typed_make(p->a, p->from, p->domains[0], p->o->dns_name, p->o->dns_ns, NULL, 0, &typed) < 0)
		p->err = -ENOMEM;
	for (int l = 0; l < LIBC_COUNT && !p->err; l++)
		if (p->from->libc < 0 || p->from->libc == l)
			rows_of_libc(p, &typed, (enum libc)l);
	weigh_libcs(p, first);
	weigh_forms(p, first);
	array_free(&typed.v);
}

/* ---- servers ---- */

/* The answers of one server over one transport. */
struct served {
	const struct dns_answer *const *v; /* in the order of asking */
	size_t n;
};

static int server_cmp(const struct dns_question *x, const struct dns_question *y)
{
	int r = ip_addr_cmp(&x->server, &y->server);

	if (r == 0)
		r = (x->port > y->port) - (x->port < y->port);
	return r ? r : x->tcp - y->tcp;
}

static int by_server(const void *a, const void *b)
{
	const struct dns_answer *const *x = a, *const *y = b;
	int r = server_cmp(&(*x)->q, &(*y)->q);

	return r ? r : (*x > *y) - (*x < *y);
}

static int by_first(const void *a, const void *b)
{
	const struct served *x = a, *y = b;

	return (*x->v > *y->v) - (*x->v < *y->v);
}

static int by_us(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void times(struct place *p, const struct served *g, struct dns_server_row *r)
{
	ARRAY_OF(uint32_t) us = { 0 };

	for (size_t i = 0; i < g->n; i++)
		if (g->v[i]->end == DNS_ANSWERED && g->v[i]->us && array_push(&us, g->v[i]->us) < 0)
			p->err = -ENOMEM;
	if (us.len) {
		qsort(us.v, us.len, sizeof(*us.v), by_us);
		r->min_us = us.v[0];
		r->median_us = us.v[us.len / 2];
		r->max_us = us.v[us.len - 1];
	}
	array_free(&us);
}

/* The first way in which it did not answer. */
static const struct dns_answer *first_lost(const struct served *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i]->end != DNS_ANSWERED && g->v[i]->end != DNS_NOT_ASKED)
			return g->v[i];
	return NULL;
}

static void server_words(struct place *p, const struct served *g, struct dns_server_row *r)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const struct dns_answer *lost = first_lost(g);
	size_t silent = r->asked - r->answered;

	r->ok = r->asked == 0 ? -1 : silent == 0;
	if (r->answered == 0 && lost)
		strbuf_adds(&b, end_words(lost));
	else if (silent && lost)
		strbuf_addf(&b, "%zu lost: %s", silent, end_words(lost));
	else
		strbuf_adds(&b, r->asked ? "ok" : "not asked");
	if (r->servfail)
		strbuf_addf(&b, ", SERVFAIL %zu", r->servfail);
	if (r->refused)
		strbuf_addf(&b, ", REFUSED %zu", r->refused);
	r->result = keep(p, &b);
}

static void count_answer(struct dns_server_row *r, const struct dns_answer *a)
{
	if (a->end == DNS_NOT_ASKED)
		return;
	r->asked++;
	r->answered += a->end == DNS_ANSWERED;
	r->refused += a->end == DNS_ANSWERED && a->rcode == DNS_REFUSED;
	r->servfail += a->end == DNS_ANSWERED && a->rcode == DNS_SERVFAIL;
	r->nxdomain += a->end == DNS_ANSWERED && a->rcode == DNS_NXDOMAIN;
}

static void server_row(struct place *p, const struct served *g)
{
	const struct dns_question *q = &g->v[0]->q;
	struct dns_server_row row = { .from = p->from, .addr = q->server, .port = q->port, .tcp = q->tcp, .ok = -1 };

	for (size_t i = 0; i < g->n; i++)
		count_answer(&row, g->v[i]);
	for (size_t k = 0; k < p->targets.v.len; k++) {
		const struct dns_target *x = &p->targets.v.v[k];

		if (ip_addr_equal(&x->addr, &row.addr) && (row.tcp ? x->tcp_port : x->port) == row.port) {
			row.what = x->what;
			row.node = x->node;
		}
	}
	times(p, g, &row);
	server_words(p, g, &row);
	if (array_push(&p->ret->servers, row) < 0)
		p->err = -ENOMEM;
}

/* A row for each server and transport, in the order in which they were asked first. */
static int server_rows(struct place *p)
{
	const size_t max = p->from->answers.len;
	const struct dns_answer **v = arena_array(p->a, const struct dns_answer *, max + 1);
	struct served *groups = arena_array(p->a, struct served, max + 1);
	size_t n = 0, ngroups = 0;

	if (!v || !groups)
		return -ENOMEM;
	for (size_t i = 0; i < max; i++)
		if (p->from->answers.v[i].q.server.family && p->from->answers.v[i].end != DNS_FAILED)
			v[n++] = &p->from->answers.v[i];
	qsort(v, n, sizeof(*v), by_server);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || server_cmp(&v[i - 1]->q, &v[i]->q) != 0)
			groups[ngroups++] = (struct served){ v + i, 0 };
		groups[ngroups - 1].n++;
	}
	qsort(groups, ngroups, sizeof(*groups), by_first);
	for (size_t i = 0; i < ngroups && !p->err; i++)
		server_row(p, &groups[i]);
	return p->err;
}

/* ---- the whole ---- */

static int one_place(const struct snapshot *s, const struct diagnose_options *o, const struct snap_dns *from, struct dns_report *ret)
{
	struct place p = { .s = s, .o = o, .ret = ret, .a = &ret->arena, .from = from };
	bool assumed;
	int r;

	p.ndomains = dns_domains(p.a, s, from, p.domains, &assumed);
	if (p.ndomains < 0)
		return p.ndomains;
	if (!ret->domain) {
		ret->domain = p.domains[0];
		ret->domain_assumed = assumed;
	}
	p.viewed = dns_place_has_view(s, from);
	r = dns_lookup_make(from, &p.lookup);
	r = r < 0 ? r : dns_targets_make(p.a, s, from, NULL, &p.targets);
	if (r == 0) {
		name_rows(&p);
		r = p.err ? p.err : server_rows(&p);
	}
	if (r == 0)
		record_rows(&p);
	dns_lookup_release(&p.lookup);
	array_free(&p.targets.v);
	return r < 0 ? r : p.err;
}

bool dns_any_data(const struct dns_report *r)
{
	for (size_t i = 0; i < r->records.len; i++) {
		const struct dns_answer *a = r->records.v[i].answer;

		if (a->end == DNS_ANSWERED && a->rcode == DNS_NOERROR && (a->nanswers || a->records_unknown))
			return true;
	}
	return false;
}

/* Other nodes than the one that was asked for say nothing of it. */
static bool is_wanted(const struct snap_dns *d, const struct diagnose_options *o)
{
	return d->answers.len && (!o->node || d->live || d->where != DNS_FROM_NODE || str_is(d->node, o->node));
}

int dns_run(const struct snapshot *s, const struct diagnose_options *o, struct dns_report *ret)
{
	int r = 0;

	for (size_t i = 0; i < s->dns.len && r == 0; i++)
		if (is_wanted(s->dns.v[i], o))
			r = one_place(s, o, s->dns.v[i], ret);
	if (r == 0 && !ret->domain) {
		const char *domains[DNS_DOMAINS_MAX];
		int n = dns_domains(&ret->arena, s, NULL, domains, &ret->domain_assumed);

		r = n < 0 ? n : 0;
		ret->domain = n > 0 ? domains[0] : NULL;
	}
	return r;
}
