/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What verify found: which form it takes, and its JSON. Its text is in verify-text.c. */
#include "report-private.h"

/* What is expected of a packet that must be refused is its verdict and nothing else; what was found has all keys. */
static json_t *fate_json(struct doc *doc, const struct verify_fate *f, bool expected)
{
	json_t *o = json_object();
	bool accepted = f->verdict == NAT_ACCEPT;
	doc_set(doc, o, "verdict", doc_string(doc, nat_verdict_name(f->verdict)));
	if (expected && !accepted) {
		return o;
	}
	doc_set(doc, o, "address", accepted ? doc_addr(doc, &f->addr) : json_null());
	doc_set(doc, o, "port", accepted && f->port ? json_integer(f->port) : json_null());
	doc_set(doc, o, "weight", doc_weight(f->weight));
	doc_set(doc, o, "masquerade", accepted ? doc_tri(f->masquerade) : json_null());
	return o;
}

static json_t *fates_json(struct doc *doc, const struct verify_fate *v, size_t n, bool expected)
{
	json_t *a = json_array();
	for (size_t i = 0; i < n; i++) {
		doc_add(doc, a, fate_json(doc, &v[i], expected));
	}
	return a;
}

/* As strings, sorted like every array of strings whose order means nothing. */
static json_t *prefixes_json(struct doc *doc, const struct ip_prefix *v, size_t n)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	const char **texts = arena_array(&a, const char *, n + 1);
	for (size_t i = 0; texts && i < n; i++) {
		char buf[IP_PREFIX_STRLEN];
		texts[i] = arena_strdup(&a, ip_prefix_format(&v[i], buf));
		doc->failed |= !texts[i];
	}
	doc->failed |= !texts;
	return doc->failed ? json_array() : doc_sorted(doc, texts, n);
}

static json_t *addresses_json(struct doc *doc, const struct ip_addr *v, size_t n)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	const char **texts = arena_array(&a, const char *, n + 1);
	for (size_t i = 0; texts && i < n; i++) {
		char buf[IP_ADDR_STRLEN];
		texts[i] = arena_strdup(&a, ip_addr_format(&v[i], buf));
		doc->failed |= !texts[i];
	}
	doc->failed |= !texts;
	return doc->failed ? json_array() : doc_sorted(doc, texts, n);
}

static json_t *class_json(struct doc *doc, const char *from, const struct ip_prefix *v, size_t n,
			  const char *interface)
{
	json_t *o = json_object();
	doc_set(doc, o, "from", doc_string(doc, from));
	doc_set(doc, o, "prefixes", prefixes_json(doc, v, n));
	doc_set(doc, o, "interface", doc_string(doc, interface));
	return o;
}

static json_t *difference_json(struct doc *doc, const struct verify_difference *d)
{
	json_t *o = json_object();
	doc_set(doc, o, "kind", doc_string(doc, verify_kind_name(d->kind)));
	doc_set(doc, o, "severity", doc_string(doc, severity_name(difference_severity(d->severity))));
	doc_set(doc, o, "foreign", json_boolean(d->foreign));
	doc_set(doc, o, "node", doc_string(doc, d->node));
	doc_set(doc, o, "service", doc_service(doc, d->service));
	doc_set(doc, o, "port", doc_port(doc, d->port));
	doc_set(doc, o, "frontend", doc_string(doc, d->frontend));
	if (d->naddresses > 0) {
		doc_set(doc, o, "addresses", addresses_json(doc, d->addresses, d->naddresses));
	}
	json_t *class = class_json(doc, d->class_from, d->prefixes, d->nprefixes, d->interface);
	if (d->more_prefixes) {
		doc_set(doc, class, "more", json_true());
	}
	doc_set(doc, o, "class", class);
	doc_set(doc, o, "sources", doc_string(doc, d->sources));
	doc_set(doc, o, "example", doc_addr(doc, &d->example));
	if (d->endpoint.family) {
		char buf[IP_ENDPOINT_STRLEN];
		doc_set(doc, o, "endpoint",
			doc_string(doc, ip_endpoint_format(&d->endpoint, d->endpoint_port, buf)));
	}
	doc_set(doc, o, "expected", fates_json(doc, d->expected, d->nexpected, true));
	doc_set(doc, o, "actual", fates_json(doc, d->actual, d->nactual, false));
	doc_set(doc, o, "by", doc_by(doc, &d->by));
	doc_set(doc, o, "text", doc_string(doc, d->text));
	return o;
}

static json_t *undecided_json(struct doc *doc, const struct verify_undecided *u)
{
	/* one source stands for it: the example */
	const struct ip_prefix p = { u->example, (uint8_t)(ip_addr_size(&u->example) * 8) };
	json_t *o = json_object();
	doc_set(doc, o, "node", doc_string(doc, u->node));
	doc_set(doc, o, "service", doc_service(doc, u->service));
	doc_set(doc, o, "port", doc_port(doc, u->port));
	doc_set(doc, o, "frontend", doc_string(doc, u->frontend));
	doc_set(doc, o, "class", class_json(doc, u->class_from, &p, u->example.family ? 1 : 0, NULL));
	doc_set(doc, o, "example", doc_addr(doc, &u->example));
	doc_set(doc, o, "by", doc_by(doc, &u->by));
	doc_set(doc, o, "text", doc_string(doc, u->text));
	return o;
}

static json_t *broken_json(struct doc *doc, const struct verify_broken *x)
{
	json_t *o = json_object();
	doc_set(doc, o, "node", doc_string(doc, x->node));
	doc_set(doc, o, "cause", doc_string(doc, x->cause));
	doc_set(doc, o, "by", doc_by(doc, &x->by));
	doc_set(doc, o, "services", json_integer((json_int_t)x->services));
	doc_set(doc, o, "first", doc_string(doc, x->first));
	doc_set(doc, o, "text", doc_string(doc, x->text));
	return o;
}

static json_t *strings_json(struct doc *doc, const char *const *v, size_t n)
{
	json_t *a = json_array();
	for (size_t i = 0; i < n; i++) {
		doc_add(doc, a, doc_string(doc, v[i]));
	}
	return a;
}

static json_t *peer_difference_json(struct doc *doc, const struct verify_peer_difference *d)
{
	json_t *o = json_object();
	doc_set(doc, o, "service", doc_string(doc, d->name));
	doc_set(doc, o, "frontend", doc_string(doc, d->frontend));
	doc_set(doc, o, "severity", doc_string(doc, severity_name(difference_severity(d->severity))));
	doc_set(doc, o, "missing", strings_json(doc, d->missing, d->nmissing));
	doc_set(doc, o, "extra", strings_json(doc, d->extra, d->nextra));
	doc_set(doc, o, "text", doc_string(doc, d->text));
	return o;
}

static json_t *peer_json(struct doc *doc, const struct verify_peer *x)
{
	json_t *o = json_object(), *differences = json_array();
	for (size_t i = 0; i < x->differences.len; i++) {
		doc_add(doc, differences, peer_difference_json(doc, &x->differences.v[i]));
	}
	doc_set(doc, o, "node", doc_string(doc, x->node));
	doc_set(doc, o, "others", strings_json(doc, x->others, x->nothers));
	doc_set(doc, o, "severity", doc_string(doc, severity_name(difference_severity(x->severity))));
	doc_set(doc, o, "services", json_integer((json_int_t)x->services));
	doc_set(doc, o, "text", doc_string(doc, x->text));
	doc_set(doc, o, "differences", differences);
	return o;
}

static json_t *peers_json(struct doc *doc, const struct verify_report *v)
{
	json_t *a = json_array();
	for (size_t i = 0; i < v->peers.len; i++) {
		doc_add(doc, a, peer_json(doc, &v->peers.v[i]));
	}
	return a;
}

static json_t *compared_json(struct doc *doc, const struct verify_report *v)
{
	json_t *o = json_object();
	doc_set(doc, o, "nodes", doc_sorted(doc, v->peer_nodes.v, v->peer_nodes.len));
	doc_set(doc, o, "frontends", json_integer((json_int_t)v->peer_frontends));
	doc_set(doc, o, "left_out", json_integer((json_int_t)v->peer_local));
	return o;
}

static json_t *configs_json(struct doc *doc, const struct verify_report *v)
{
	json_t *a = json_array();
	for (size_t i = 0; i < v->configs.len; i++) {
		json_t *o = json_object();
		doc_set(doc, o, "node", doc_string(doc, v->configs.v[i].node));
		doc_set(doc, o, "source", doc_string(doc, v->configs.v[i].source));
		doc_add(doc, a, o);
	}
	return a;
}

static json_t *torn_json(struct doc *doc, const struct verify_report *v)
{
	json_t *a = json_array();
	for (size_t i = 0; i < v->torn.len; i++) {
		const struct verify_torn *t = &v->torn.v[i];
		json_t *o = json_object();
		doc_set(doc, o, "node", doc_string(doc, t->node));
		doc_set(doc, o, "family", doc_string(doc, t->family == AF_INET6 ? "ip6" : "ip"));
		doc_set(doc, o, "finished", json_boolean(!t->unfinished));
		doc_set(doc, o, "chains", json_integer((json_int_t)t->chains));
		doc_set(doc, o, "seen", strings_json(doc, t->why, t->nwhy));
		doc_set(doc, o, "text", doc_string(doc, t->text));
		doc_add(doc, a, o);
	}
	return a;
}

static int verify_json(const struct report *r, const struct verify_report *v)
{
	struct doc doc;
	doc_begin(&doc, r, NULL, v->skipped.v, v->skipped.len);
	json_t *differences = json_array(), *undecided = json_array(), *broken = json_array();
	for (size_t i = 0; i < v->differences.len; i++) {
		doc_add(&doc, differences, difference_json(&doc, &v->differences.v[i]));
	}
	for (size_t i = 0; i < v->undecided.len; i++) {
		doc_add(&doc, undecided, undecided_json(&doc, &v->undecided.v[i]));
	}
	for (size_t i = 0; i < v->broken.len; i++) {
		doc_add(&doc, broken, broken_json(&doc, &v->broken.v[i]));
	}
	doc_set(&doc, doc.root, "services", json_integer((json_int_t)v->services));
	doc_set(&doc, doc.root, "frontends", json_integer((json_int_t)v->frontends));
	doc_set(&doc, doc.root, "decided", json_integer((json_int_t)v->decided));
	doc_set(&doc, doc.root, "nodes", doc_sorted(&doc, v->nodes.v, v->nodes.len));
	doc_set(&doc, doc.root, "config", configs_json(&doc, v));
	doc_set(&doc, doc.root, "torn", torn_json(&doc, v));
	doc_set(&doc, doc.root, "differences", differences);
	doc_set(&doc, doc.root, "undecided", undecided);
	doc_set(&doc, doc.root, "broken", broken);
	doc_set(&doc, doc.root, "peers", peers_json(&doc, v));
	doc_set(&doc, doc.root, "peers_compared", compared_json(&doc, v));
	doc_set(&doc, doc.root, "assumed", doc_sorted(&doc, v->assumed.v, v->assumed.len));
	doc_set(&doc, doc.root, "findings", doc_findings(&doc, r, r->findings));
	return doc_end(&doc, r);
}

int report_verify(const struct report *r, const struct verify_report *v)
{
	switch (r->format) {
	case REPORT_JSON:
		return verify_json(r, v);
	case REPORT_LINES:
		return lines_verify(r, v);
	case REPORT_JUNIT:
		return junit_verify(r, v);
	default:
		return verify_text(r, v);
	}
}
