/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command dns as JSON: the same as its text, and nothing left out. */
#include <errno.h>

#include "dns-private.h"

void dns_views_release(struct dns_views *v)
{
	for (int l = 0; l < LIBC_COUNT; l++) {
		resolv_view_release(&v->v[l]);
	}
}

int dns_views_make(struct arena *a, const struct snap_dns *from, struct dns_views *ret)
{
	int r = 0;
	for (int l = 0; from->has_conf && l < LIBC_COUNT && r == 0; l++) {
		r = resolv_view_make(a, &from->conf, (enum libc)l, &ret->v[l]);
	}
	ret->known = from->has_conf && r == 0;
	return r;
}

bool dns_place_shown(const struct dns_report *n, const struct snap_dns *from)
{
	bool shown = false;
	for (size_t i = 0; i < n->servers.len && !shown; i++) {
		shown = n->servers.v[i].from == from;
	}
	for (size_t i = 0; i < n->records.len && !shown; i++) {
		shown = n->records.v[i].from == from;
	}
	return shown;
}

static json_t *strings(struct doc *doc, const char *const *v, size_t n)
{
	json_t *a = json_array();
	for (size_t i = 0; i < n; i++) {
		doc_add(doc, a, doc_string(doc, v[i]));
	}
	return a;
}

/* ---- places ---- */

static json_t *options_json(struct doc *doc, const struct resolv_view *v)
{
	const struct {
		const char *name;
		bool set;
	} flags[] = { { "edns0", v->edns0 }, { "no-aaaa", v->no_aaaa }, { "rotate", v->rotate }, { "single-request", v->single_request },
		      { "single-request-reopen", v->single_request_reopen }, { "trust-ad", v->trust_ad }, { "use-vc", v->use_vc } };
	json_t *a = json_array();
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (flags[i].set) {
			doc_add(doc, a, json_string(flags[i].name));
		}
	}
	return a;
}

static json_t *view_json(struct doc *doc, const struct resolv_view *v)
{
	json_t *o = json_object(), *servers = json_array(), *left = json_array();
	for (size_t i = 0; i < v->nservers; i++) {
		doc_add(doc, servers, doc_addr(doc, &v->servers[i]));
	}
	for (size_t i = 0; i < v->left_out.len; i++) {
		json_t *x = json_object();
		doc_set(doc, x, "what", doc_string(doc, v->left_out.v[i].what));
		doc_set(doc, x, "why", doc_string(doc, v->left_out.v[i].why));
		doc_set(doc, x, "line", v->left_out.v[i].line ? json_integer(v->left_out.v[i].line) : json_null());
		doc_add(doc, left, x);
	}
	doc_set(doc, o, "libc", doc_string(doc, libc_name(v->libc)));
	doc_set(doc, o, "nameservers", servers);
	doc_set(doc, o, "search", strings(doc, v->searches, v->nsearches));
	doc_set(doc, o, "ndots", json_integer(v->ndots));
	doc_set(doc, o, "timeout", json_integer(v->timeout_s));
	doc_set(doc, o, "attempts", json_integer(v->attempts));
	doc_set(doc, o, "options", options_json(doc, v));
	doc_set(doc, o, "left_out", left);
	return o;
}

static json_t *place_json(struct doc *doc, const struct snap_dns *d)
{
	static const char *const wheres[] = { [DNS_FROM_HERE] = "here", [DNS_FROM_NODE] = "node", [DNS_FROM_POD] = "pod" };
	struct arena a CLEANUP(arena_release) = { 0 };
	struct dns_views v CLEANUP(dns_views_release) = { 0 };
	json_t *o = json_object(), *views = json_array();
	if (dns_views_make(&a, d, &v) < 0) {
		doc->failed = true;
	}
	for (int l = 0; v.known && l < LIBC_COUNT; l++) {
		if (d->libc < 0 || d->libc == l) {
			doc_add(doc, views, view_json(doc, &v.v[l]));
		}
	}
	doc_set(doc, o, "place", doc_string(doc, d->label));
	doc_set(doc, o, "where", doc_string(doc, wheres[d->where]));
	doc_set(doc, o, "node", doc_string(doc, d->node));
	doc_set(doc, o, "namespace", doc_string(doc, d->ns));
	doc_set(doc, o, "pod", doc_string(doc, d->pod));
	doc_set(doc, o, "live", json_boolean(d->live));
	doc_set(doc, o, "libc", doc_string(doc, d->libc < 0 ? NULL : libc_name((enum libc)d->libc)));
	doc_set(doc, o, "resolv_conf", doc_string(doc, d->has_conf ? d->conf.file : NULL));
	doc_set(doc, o, "views", views);
	return o;
}

/* ---- names ---- */

static json_t *rcode_json(struct doc *doc, const struct dns_answer *a)
{
	return !a ? json_null() : doc_string(doc, a->end == DNS_ANSWERED ? dns_rcode_name(a->rcode) : dns_end_name(a->end));
}

static json_t *steps_json(struct doc *doc, const struct libc_walk *w)
{
	json_t *a = json_array();
	for (size_t i = 0; i < w->steps.len; i++) {
		const struct libc_step *s = &w->steps.v[i];
		json_t *o = json_object();
		doc_set(doc, o, "name", doc_string(doc, s->name));
		doc_set(doc, o, "search", doc_string(doc, s->search));
		doc_set(doc, o, "sent", json_boolean(s->needed));
		doc_set(doc, o, "a", rcode_json(doc, s->a));
		doc_set(doc, o, "aaaa", rcode_json(doc, s->aaaa));
		doc_set(doc, o, "outcome", doc_string(doc, s->outcome));
		doc_set(doc, o, "decides", json_boolean(s == w->winner));
		doc_add(doc, a, o);
	}
	return a;
}

static json_t *name_json(struct doc *doc, const struct dns_name_row *x)
{
	json_t *o = json_object();
	doc_set(doc, o, "place", doc_string(doc, x->from->label));
	doc_set(doc, o, "name", doc_string(doc, x->typed));
	doc_set(doc, o, "full_name", doc_string(doc, x->full));
	doc_set(doc, o, "service", doc_service(doc, x->service));
	doc_set(doc, o, "libc", doc_string(doc, libc_name(x->libc)));
	doc_set(doc, o, "outcome", doc_string(doc, libc_result_name(x->walk.result)));
	doc_set(doc, o, "result", doc_string(doc, x->result));
	doc_set(doc, o, "ok", doc_tri(x->ok));
	doc_set(doc, o, "as_expected", json_boolean(x->as_expected));
	doc_set(doc, o, "query_count", json_integer((json_int_t)x->walk.queries));
	doc_set(doc, o, "query_count_at_most", json_integer((json_int_t)x->walk.queries_at_most));
	doc_set(doc, o, "stopped", doc_string(doc, x->walk.stopped));
	doc_set(doc, o, "queries", steps_json(doc, &x->walk));
	return o;
}

/* ---- servers and records ---- */

static json_t *ms(uint32_t us)
{
	return us ? json_real(us / 1e3) : json_null();
}

static json_t *server_json(struct doc *doc, const struct dns_server_row *x)
{
	json_t *o = json_object();
	doc_set(doc, o, "place", doc_string(doc, x->from->label));
	doc_set(doc, o, "address", doc_addr(doc, &x->addr));
	doc_set(doc, o, "port", json_integer(x->port));
	doc_set(doc, o, "transport", json_string(x->tcp ? "tcp" : "udp"));
	doc_set(doc, o, "what", doc_string(doc, x->what));
	doc_set(doc, o, "node", doc_string(doc, x->node));
	doc_set(doc, o, "asked", json_integer((json_int_t)x->asked));
	doc_set(doc, o, "answered", json_integer((json_int_t)x->answered));
	doc_set(doc, o, "nxdomain", json_integer((json_int_t)x->nxdomain));
	doc_set(doc, o, "servfail", json_integer((json_int_t)x->servfail));
	doc_set(doc, o, "refused", json_integer((json_int_t)x->refused));
	doc_set(doc, o, "ms_min", ms(x->min_us));
	doc_set(doc, o, "ms_median", ms(x->median_us));
	doc_set(doc, o, "ms_max", ms(x->max_us));
	doc_set(doc, o, "result", doc_string(doc, x->result));
	doc_set(doc, o, "ok", doc_tri(x->ok));
	return o;
}

static json_t *record_json(struct doc *doc, const struct dns_record_row *x)
{
	const struct dns_answer *a = x->answer;
	char type[DNS_TYPE_STRLEN];
	json_t *o = json_object();
	doc_set(doc, o, "place", doc_string(doc, x->from->label));
	doc_set(doc, o, "name", doc_string(doc, a->q.name));
	doc_set(doc, o, "type", doc_string(doc, dns_type_name(a->q.type, type)));
	doc_set(doc, o, "server", doc_addr(doc, &a->q.server));
	doc_set(doc, o, "port", a->q.server.family ? json_integer(a->q.port) : json_null());
	doc_set(doc, o, "transport", json_string(a->q.tcp ? "tcp" : "udp"));
	doc_set(doc, o, "end", doc_string(doc, dns_end_name(a->end)));
	doc_set(doc, o, "rcode", doc_string(doc, a->end == DNS_ANSWERED ? dns_rcode_name(a->rcode) : NULL));
	doc_set(doc, o, "truncated", json_boolean(a->tc));
	doc_set(doc, o, "ms", ms(a->us));
	doc_set(doc, o, "expected", doc_string(doc, x->expected));
	doc_set(doc, o, "got", doc_string(doc, x->got));
	doc_set(doc, o, "ok", doc_tri(x->ok));
	doc_set(doc, o, "file", doc_string(doc, a->file));
	doc_set(doc, o, "line", a->line ? json_integer(a->line) : json_null());
	return o;
}

static json_t *left_json(struct doc *doc, const struct connect_left *l)
{
	json_t *o = json_object();
	doc_set(doc, o, "what", doc_string(doc, l->what));
	doc_set(doc, o, "reason", doc_string(doc, l->reason));
	return o;
}

static json_t *inside_json(struct doc *doc, const struct report *r, const struct dns_report *n)
{
	json_t *a = json_array();
	for (size_t i = 0; n && i < n->inside.len; i++) {
		struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
		text_command(r, &b, n->inside.v[i]);
		doc->failed |= b.failed;
		doc_add(doc, a, doc_string(doc, strbuf_str(&b)));
	}
	return a;
}

/* The ids of findings that no other one explains, in the order of the text: the first is where to begin. */
static json_t *causes_json(struct doc *doc, const struct diagnosis *d)
{
	json_t *a = json_array();
	size_t n = 0;
	const struct finding **v = causes_sorted(d, &n);
	if (!v) {
		doc->failed = true;
		return a;
	}
	for (size_t i = 0; i < n; i++) {
		doc_add(doc, a, doc_string(doc, v[i]->id));
	}
	free(v);
	return a;
}

int dns_json(const struct report *r, const struct dns_report *n, const struct diagnosis *d)
{
	struct doc doc;
	doc_begin(&doc, r, d, NULL, 0);
	json_t *places = json_array(), *names = json_array(), *servers = json_array(), *records = json_array(), *left = json_array();
	for (size_t i = 0; i < r->snapshot->dns.len; i++) {
		if (dns_place_shown(n, r->snapshot->dns.v[i])) {
			doc_add(&doc, places, place_json(&doc, r->snapshot->dns.v[i]));
		}
	}
	for (size_t i = 0; i < n->names.len; i++) {
		doc_add(&doc, names, name_json(&doc, &n->names.v[i]));
	}
	for (size_t i = 0; i < n->servers.len; i++) {
		doc_add(&doc, servers, server_json(&doc, &n->servers.v[i]));
	}
	for (size_t i = 0; i < n->records.len; i++) {
		doc_add(&doc, records, record_json(&doc, &n->records.v[i]));
	}
	for (size_t i = 0; i < n->left.len; i++) {
		doc_add(&doc, left, left_json(&doc, &n->left.v[i]));
	}
	doc_set(&doc, doc.root, "findings", doc_findings(&doc, r, d));
	doc_set(&doc, doc.root, "causes", causes_json(&doc, d));
	doc_set(&doc, doc.root, "domain", doc_string(&doc, n->domain));
	doc_set(&doc, doc.root, "domain_assumed", json_boolean(n->domain_assumed));
	doc_set(&doc, doc.root, "outside", json_boolean(n->outside));
	doc_set(&doc, doc.root, "places", places);
	doc_set(&doc, doc.root, "names", names);
	doc_set(&doc, doc.root, "servers", servers);
	doc_set(&doc, doc.root, "records", records);
	doc_set(&doc, doc.root, "not_asked", left);
	doc_set(&doc, doc.root, "from_inside", inside_json(&doc, r, n));
	return doc_end(&doc, r);
}
