/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON document: the keys that each begins with, and the objects that several commands have (BY, FINDING).
 * The contract is svcdoctor-json(5). A failed allocation is remembered in the document and seen in doc_end.
 */
#include <errno.h>
#include <math.h>

#include "report-private.h"

enum { SCHEMA_VERSION = 1 };

void doc_set(struct doc *doc, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new_nocheck(object, key, value) < 0) {
		doc->failed = true;
	}
}

void doc_add(struct doc *doc, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0) {
		doc->failed = true;
	}
}

json_t *doc_string(struct doc *doc, const char *s)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	if (!s) {
		return json_null();
	}
	strbuf_add_clean(&b, s);
	doc->failed |= b.failed;
	return json_string(strbuf_str(&b));
}

json_t *doc_time(struct doc *doc, time_t t)
{
	char buf[32];
	struct tm tm;
	if (!gmtime_r(&t, &tm) || strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		return json_null();
	}
	return doc_string(doc, buf);
}

json_t *doc_addr(struct doc *doc, const struct ip_addr *a)
{
	char buf[IP_ADDR_STRLEN];
	return a->family ? doc_string(doc, ip_addr_format(a, buf)) : json_null();
}

json_t *doc_weight(double w)
{
	return isnan(w) ? json_null() : json_real(w);
}

json_t *doc_tri(int v)
{
	return v < 0 ? json_null() : json_boolean(v);
}

json_t *doc_service(struct doc *doc, const struct k8s_service *s)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	if (!s) {
		return json_null();
	}
	text_service(&b, s);
	doc->failed |= b.failed;
	return json_string(strbuf_str(&b));
}

json_t *doc_port(struct doc *doc, const struct k8s_service_port *p)
{
	char buf[32];
	if (!p) {
		return json_null();
	}
	if (p->name && *p->name) {
		return doc_string(doc, p->name);
	}
	(void)snprintf(buf, sizeof(buf), "%u/%s", p->port, text_proto(p->proto));
	return doc_string(doc, buf);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *doc_sorted(struct doc *doc, const char *const *v, size_t n)
{
	json_t *a = json_array();
	const char **all = calloc(n + 1, sizeof(*all));
	if (!all) {
		doc->failed = true;
		return a;
	}
	memcpy(all, v ? v : all, v ? n * sizeof(*all) : 0);
	qsort(all, n, sizeof(*all), compare_texts);
	for (size_t i = 0; i < n; i++) {
		doc_add(doc, a, doc_string(doc, all[i]));
	}
	free(all);
	return a;
}

json_t *doc_by(struct doc *doc, const struct verify_by *by)
{
	if (by->kind == BY_NONE) {
		return json_null();
	}
	json_t *o = json_object();
	doc_set(doc, o, "kind", doc_string(doc, nat_by_kind_name(by->kind)));
	doc_set(doc, o, "node", doc_string(doc, by->node));
	doc_set(doc, o, "backend", doc_string(doc, by->backend));
	doc_set(doc, o, "family", doc_string(doc, by->family));
	doc_set(doc, o, "table", doc_string(doc, by->table));
	doc_set(doc, o, "chain", doc_string(doc, by->chain));
	doc_set(doc, o, "index", by->index ? json_integer(by->index) : json_null());
	doc_set(doc, o, "text", doc_string(doc, by->text));
	if (by->missing) {
		doc_set(doc, o, "missing", json_true());
	}
	return o;
}

static json_t *commands(struct doc *doc, const struct report *r, const char *const *v, size_t n)
{
	json_t *a = json_array();
	for (size_t i = 0; i < n; i++) {
		struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
		text_command(r, &b, v[i]);
		doc->failed |= b.failed;
		doc_add(doc, a, doc_string(doc, strbuf_str(&b)));
	}
	return a;
}

static json_t *explains_json(struct doc *doc, const struct finding *f)
{
	size_t n = f->explains.len;
	const char **ids = calloc(n + 1, sizeof(*ids));
	if (!ids) {
		doc->failed = true;
		return json_array();
	}
	for (size_t i = 0; i < n; i++) {
		ids[i] = f->explains.v[i]->id;
	}
	json_t *a = doc_sorted(doc, ids, n);
	free(ids);
	return a;
}

json_t *doc_finding(struct doc *doc, const struct report *r, const struct finding *f)
{
	json_t *o = json_object(), *evidence = json_array();
	for (size_t i = 0; i < f->evidence.len; i++) {
		doc_add(doc, evidence, doc_string(doc, f->evidence.v[i]));
	}
	doc_set(doc, o, "id", doc_string(doc, f->id));
	doc_set(doc, o, "check", doc_string(doc, f->check->id));
	doc_set(doc, o, "axis", doc_string(doc, axis_name(f->axis)));
	doc_set(doc, o, "severity", doc_string(doc, severity_name(f->severity)));
	doc_set(doc, o, "subject", doc_string(doc, f->subject));
	doc_set(doc, o, "node", doc_string(doc, f->node));
	doc_set(doc, o, "text", doc_string(doc, f->text));
	doc_set(doc, o, "evidence", evidence);
	doc_set(doc, o, "since", doc_string(doc, f->since));
	doc_set(doc, o, "changed_by", doc_string(doc, f->changed_by));
	doc_set(doc, o, "next", commands(doc, r, f->next.v, f->next.len));
	doc_set(doc, o, "fix", commands(doc, r, f->fix.v, f->fix.len));
	doc_set(doc, o, "explains", explains_json(doc, f));
	doc_set(doc, o, "services", json_integer((json_int_t)f->services.len));
	return o;
}

json_t *doc_findings(struct doc *doc, const struct report *r, const struct diagnosis *d)
{
	json_t *a = json_array();
	for (size_t i = 0; d && i < d->findings.len; i++) {
		doc_add(doc, a, doc_finding(doc, r, d->findings.v[i]));
	}
	return a;
}

/* ---- the first keys ---- */

static json_t *kinds_json(struct doc *doc, const struct snapshot *s)
{
	const char *names[K8S_KINDS];
	size_t n = 0;
	for (int k = 0; k < K8S_KINDS; k++) {
		const struct snap_extent *e = &s->extents[k];
		bool nowhere = e->limited && e->namespaces.len + e->objects.len + e->services.len == 0;
		if ((s->kinds[k] == KNOWN || s->kinds[k] == PARTLY_KNOWN) && !nowhere) {
			names[n++] = k8s_kind_plural((enum k8s_kind)k);
		}
	}
	return doc_sorted(doc, names, n);
}

static json_t *dumps_json(struct doc *doc, const struct snap_node *node)
{
	const char *names[DUMP_KINDS];
	size_t n = 0;
	for (int k = 0; k < DUMP_KINDS; k++) {
		if (node->dumps[k] == KNOWN || node->dumps[k] == PARTLY_KNOWN) {
			names[n++] = snap_dump_name((enum snap_dump)k);
		}
	}
	return doc_sorted(doc, names, n);
}

/* Where it comes from, and how much of a live cluster was asked for. */
static json_t *doc_origin(struct doc *doc, const struct snapshot *s)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	if (!s->scope || !s->origin) {
		return doc_string(doc, s->origin);
	}
	strbuf_addf(&b, "%s, %s", s->origin, s->scope);
	doc->failed |= b.failed;
	return doc_string(doc, strbuf_str(&b));
}

static json_t *looked_at(struct doc *doc, const struct snapshot *s)
{
	json_t *a = json_array();
	if (s->any_cluster) {
		json_t *o = json_object();
		doc_set(doc, o, "what", json_string("cluster"));
		doc_set(doc, o, "source", doc_origin(doc, s));
		doc_set(doc, o, "version", doc_string(doc, s->cluster.version));
		doc_set(doc, o, "kinds", kinds_json(doc, s));
		doc_add(doc, a, o);
	}
	for (size_t i = 0; i < s->nodes.len; i++) {
		const struct snap_node *n = s->nodes.v[i];
		if (!n->any_rules) {
			continue;
		}
		json_t *o = json_object();
		doc_set(doc, o, "what", json_string("rules"));
		doc_set(doc, o, "source", doc_string(doc, n->live ? n->live : s->origin));
		doc_set(doc, o, "node", doc_string(doc, n->name));
		doc_set(doc, o, "dumps", dumps_json(doc, n));
		doc_add(doc, a, o);
	}
	return a;
}

static json_t *not_looked_at(struct doc *doc, const struct diagnosis *d)
{
	/* in the order of their names */
	static const enum axis order[] = { AXIS_ENDPOINTS, AXIS_NAME, AXIS_RULES };
	json_t *a = json_array();
	for (size_t i = 0; d && i < ARRAY_LEN(order); i++) {
		if (!d->axis_has_source[order[i]]) {
			json_t *o = json_object();
			doc_set(doc, o, "axis", doc_string(doc, axis_name(order[i])));
			doc_set(doc, o, "reason", doc_string(doc, d->axis_why_not[order[i]]));
			doc_add(doc, a, o);
		}
	}
	return a;
}

static int compare_strings(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int compare_skipped(const void *a, const void *b)
{
	const struct skipped_check *x = a, *y = b;
	int r = compare_strings(x->check, y->check);
	r = r ? r : compare_strings(x->node, y->node);
	r = r ? r : compare_strings(x->subject, y->subject);
	return r ? r : compare_strings(x->reason, y->reason);
}

static json_t *skipped_json(struct doc *doc, const struct diagnosis *d, const struct verify_skipped *v,
			    size_t n)
{
	json_t *a = json_array();
	size_t nd = d ? d->skipped.len : 0;
	struct skipped_check *all = calloc(nd + n + 1, sizeof(*all));
	if (!all) {
		doc->failed = true;
		return a;
	}
	for (size_t i = 0; i < nd; i++) {
		all[i] = d->skipped.v[i];
	}
	for (size_t i = 0; i < n; i++) {
		all[nd + i] = (struct skipped_check){ v[i].what, NULL,	      v[i].node,
						      v[i].code, v[i].reason, v[i].needs };
	}
	qsort(all, nd + n, sizeof(*all), compare_skipped);
	for (size_t i = 0; i < nd + n; i++) {
		if (i > 0 && compare_skipped(&all[i - 1], &all[i]) == 0) {
			continue;
		}
		json_t *o = json_object();
		doc_set(doc, o, "check", doc_string(doc, all[i].check));
		doc_set(doc, o, "subject", doc_string(doc, all[i].subject));
		doc_set(doc, o, "node", doc_string(doc, all[i].node));
		doc_set(doc, o, "code", doc_string(doc, all[i].code));
		doc_set(doc, o, "reason", doc_string(doc, all[i].reason));
		doc_set(doc, o, "needs", doc_string(doc, all[i].needs));
		doc_add(doc, a, o);
	}
	free(all);
	return a;
}

static int compare_notes(const void *a, const void *b)
{
	const struct sd_note *const *x = a, *const *y = b;
	int r = compare_strings((*x)->file, (*y)->file);
	r = r ? r : ((*x)->line > (*y)->line) - ((*x)->line < (*y)->line);
	r = r ? r : ((*x)->column > (*y)->column) - ((*x)->column < (*y)->column);
	r = r ? r : compare_strings((*x)->code, (*y)->code);
	return r ? r : compare_strings((*x)->text, (*y)->text);
}

static json_t *note_json(struct doc *doc, const struct sd_note *n)
{
	json_t *o = json_object();
	doc_set(doc, o, "code", doc_string(doc, n->code));
	doc_set(doc, o, "text", doc_string(doc, n->text));
	doc_set(doc, o, "file", doc_string(doc, n->file));
	doc_set(doc, o, "line", n->line ? json_integer(n->line) : json_null());
	doc_set(doc, o, "column", n->column ? json_integer(n->column) : json_null());
	doc_set(doc, o, "hint", doc_string(doc, n->hint));
	doc_set(doc, o, "inconclusive", json_boolean(n->fatal_to_part));
	return o;
}

static json_t *errors_json(struct doc *doc, const struct sd_notes *notes)
{
	json_t *a = json_array();
	const struct sd_note **all = calloc(notes->len + 1, sizeof(*all));
	if (!all) {
		doc->failed = true;
		return a;
	}
	for (size_t i = 0; i < notes->len; i++) {
		all[i] = &notes->v[i];
	}
	qsort(all, notes->len, sizeof(*all), compare_notes);
	for (size_t i = 0; i < notes->len; i++) {
		doc_add(doc, a, note_json(doc, all[i]));
	}
	free(all);
	if (notes->dropped > 0) {
		char text[64];
		(void)snprintf(text, sizeof(text), "%zu more records were not kept", notes->dropped);
		const struct sd_note rest = { .fatal_to_part = true, .code = "more", .text = text };
		doc_add(doc, a, note_json(doc, &rest));
	}
	return a;
}

void doc_begin(struct doc *doc, const struct report *r, const struct diagnosis *d,
	       const struct verify_skipped *skipped, size_t nskipped)
{
	doc->failed = false;
	doc->root = json_object();
	doc_set(doc, doc->root, "schema_version", json_integer(SCHEMA_VERSION));
	doc_set(doc, doc->root, "command", doc_string(doc, r->command));
	doc_set(doc, doc->root, "looked_at", looked_at(doc, r->snapshot));
	doc_set(doc, doc->root, "not_looked_at", not_looked_at(doc, d));
	doc_set(doc, doc->root, "skipped", skipped_json(doc, d, skipped, nskipped));
	doc_set(doc, doc->root, "errors", errors_json(doc, &r->snapshot->notes));
}

static int write_out(const char *data, size_t size, void *arg)
{
	(void)fwrite(data, 1, size, (FILE *)arg);
	return 0;
}

int doc_end(struct doc *doc, const struct report *r)
{
	int err = doc->failed || !doc->root ? -ENOMEM : 0;
	if (!err &&
	    json_dump_callback(doc->root, write_out, r->out, (r->one_line ? JSON_COMPACT : JSON_INDENT(2)) | JSON_REAL_PRECISION(12)) < 0) {
		err = -ENOMEM;
	}
	if (!err) {
		(void)fputc('\n', r->out);
	}
	json_decref(doc->root);
	doc->root = NULL;
	return err;
}
