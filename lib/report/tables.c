/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of the commands rules and endpoints; findings stand below them. */
#include <errno.h>

#include "report-private.h"

static const struct column rules_columns[] = {
	{ "node", NULL },
	{ "service", NULL },
	{ "port", NULL },
	{ "family", NULL },
	{ "role", "ROLE" },
	{ "table", "TABLE" },
	{ "chain", "CHAIN" },
	{ "found", "FOUND" },
	{ "needed", "NEEDED" },
	{ "foreign", "TOO MANY" },
	{ "packets", "PACKETS" },
	{ "target", "TARGET" },
	{ "condition", "CONDITION" },
	{ "missing", NULL },
	{ "extra", NULL },
};

/* Strings that the cells point to are kept in @a. */
static void rules_row(struct table *t, struct arena *a, const struct rules_port *p,
		      const struct rules_row *row)
{
	struct strbuf service CLEANUP(strbuf_release) = STRBUF_INIT,
			      port CLEANUP(strbuf_release) = STRBUF_INIT;
	text_service(&service, p->service);
	strbuf_addf(&port, "%u/%s", p->port->port, text_proto(p->port->proto));
	const char *s = arena_strdup(a, strbuf_str(&service)), *n = arena_strdup(a, strbuf_str(&port));
	t->failed |= !s || !n;
	table_text(t, p->node);
	table_text(t, s);
	table_text(t, n);
	table_text(t, p->family == AF_INET6 ? "IPv6" : "IPv4");
	table_text(t, row->role);
	table_text(t, row->table);
	table_text(t, row->chain);
	table_number(t, (int64_t)row->found);
	table_number(t, (int64_t)row->needed);
	table_number(t, (int64_t)row->foreign);
	if (row->has_packets) {
		table_number(t, row->packets > INT64_MAX ? INT64_MAX : (int64_t)row->packets);
	} else {
		table_none(t);
	}
	table_text(t, row->target);
	table_text(t, row->condition);
	table_text(t, row->missing);
	table_text(t, row->extra);
}

static void rules_fill(struct table *t, struct arena *a, const struct rules_report *v)
{
	for (size_t i = 0; i < v->ports.len; i++) {
		for (size_t k = 0; k < v->ports.v[i].rows.len; k++) {
			rules_row(t, a, &v->ports.v[i], &v->ports.v[i].rows.v[k]);
		}
	}
}

static void port_head(const struct report *r, struct strbuf *b, const struct rules_port *p)
{
	strbuf_addc(b, '\n');
	text_service(b, p->service);
	strbuf_addc(b, ' ');
	text_port(b, p->port);
	strbuf_addf(b, "%s on ", p->family == AF_INET6 ? " (IPv6)" : "");
	strbuf_add_clean(b, p->node);
	strbuf_adds(b, ": ");
	text_styled(r, b, p->complete ? STYLE_GOOD : STYLE_BAD,
		    p->complete ? "complete" : "not as kube-proxy writes them");
	strbuf_addc(b, '\n');
}

static void rule_notes(struct strbuf *b, const struct rules_port *p)
{
	for (size_t i = 0; i < p->rows.len; i++) {
		if (p->rows.v[i].missing) {
			text_labelled(b, "missing", p->rows.v[i].missing);
		}
		if (p->rows.v[i].extra) {
			text_labelled(b, "extra", p->rows.v[i].extra);
		}
	}
}

static void skipped_lines(struct strbuf *b, const struct verify_skipped *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
		strbuf_addf(&line, "%s: %s", v[i].node ? v[i].node : "rules",
			    v[i].reason ? v[i].reason : v[i].code);
		if (v[i].needs && *v[i].needs) {
			strbuf_addf(&line, " (needs %s)", v[i].needs);
		}
		strbuf_adds(b, i == 0 ? "\nnot looked at: " : "not looked at: ");
		strbuf_add_clean(b, strbuf_str(&line));
		strbuf_addc(b, '\n');
	}
}

/* The causes among the findings. */
static int finding_blocks(const struct report *r, struct strbuf *b, const struct diagnosis *d,
			  enum detail detail)
{
	size_t n = 0;
	const struct finding **v = d ? causes_sorted(d, &n) : NULL;
	if (d && !v) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n && (r->verbose || v[i]->severity > SEVERITY_INFO); i++) {
		strbuf_adds(b, detail == DETAIL_LINE ? "" : "\n");
		text_cause(r, b, v[i], detail, true);
	}
	free(v);
	return 0;
}

static int rules_text(const struct report *r, const struct rules_report *v, const struct table *t)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t at = 0;
	text_looked_at(r, &b, NULL);
	for (size_t i = 0; i < v->ports.len; i++) {
		const struct rules_port *p = &v->ports.v[i];
		if (!r->quiet) {
			port_head(r, &b, p);
			table_print(r, &b, t, at, at + p->rows.len);
			rule_notes(&b, p);
		}
		at += p->rows.len;
	}
	if (v->ports.len == 0 && !r->quiet) {
		strbuf_addc(&b, '\n');
		if (!text_no_services(r, &b) && !(r->findings && r->findings->services.len == 0)) {
			strbuf_adds(&b, "no Service here that kube-proxy writes rules for\n");
		}
	}
	if (!r->quiet && r->snapshot->live && v->skipped.len == 0) {
		strbuf_adds(&b, "\nnot looked at: rules (" SNAP_LIVE_NO_RULES ")\n");
	} else if (!r->quiet) {
		skipped_lines(&b, v->skipped.v, v->skipped.len);
	}
	int err = finding_blocks(r, &b, r->findings, r->quiet ? DETAIL_LINE : DETAIL_SHORT);
	return err < 0 ? err : text_write(r, &b);
}

int report_rules(const struct report *r, const struct rules_report *v)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	struct table t CLEANUP(table_release) = { .columns = rules_columns,
						  .ncolumns = ARRAY_LEN(rules_columns) };
	if (r->format == REPORT_LINES) {
		return lines_findings(r, r->findings);
	}
	rules_fill(&t, &a, v);
	if (r->format != REPORT_JSON) {
		return rules_text(r, v, &t);
	}
	struct doc doc;
	doc_begin(&doc, r, r->findings, v->skipped.v, v->skipped.len);
	doc_set(&doc, doc.root, "findings", doc_findings(&doc, r, r->findings));
	doc_set(&doc, doc.root, "rules", table_json(&doc, &t));
	return doc_end(&doc, r);
}

/* ---- endpoints ---- */

static const struct column endpoint_columns[] = {
	{ "service", NULL },	    { "pod", "POD" },	      { "node", "NODE" },
	{ "address", "ADDRESS" },   { "ports", "PORTS" },     { "state", "STATE" },
	{ "ready", "READY" },	    { "serving", "SERVING" }, { "terminating", "LEAVING" },
	{ "restarts", "RESTARTS" }, { "since", "SINCE" },     { "slice", "SLICE" },
	{ "note", "NOTE" },
};

static void endpoints_fill(struct table *t, struct arena *a, const struct endpoints_report *e)
{
	for (size_t i = 0; i < e->rows.len; i++) {
		const struct endpoint_row *row = &e->rows.v[i];
		struct strbuf service CLEANUP(strbuf_release) = STRBUF_INIT;
		text_service(&service, row->service);
		const char *s = arena_strdup(a, strbuf_str(&service));
		t->failed |= !s;
		table_text(t, s);
		table_text(t, row->pod);
		table_text(t, row->node);
		table_text(t, row->address);
		table_text(t, row->ports);
		table_text(t, row->state);
		table_bool(t, row->ready);
		table_bool(t, row->serving);
		table_bool(t, row->terminating);
		table_number(t, row->restarts);
		table_text(t, row->since);
		table_text(t, row->slice);
		table_text(t, row->note);
	}
}

static void service_head(const struct report *r, struct strbuf *b, const struct service_result *s)
{
	struct strbuf name CLEANUP(strbuf_release) = STRBUF_INIT;
	const struct axis_result *a = &s->axes[AXIS_ENDPOINTS];
	text_service(&name, s->service);
	strbuf_addc(b, '\n');
	text_styled(r, b, STYLE_BOLD, strbuf_str(&name));
	if (s->head) {
		strbuf_adds(b, "   ");
		strbuf_add_clean(b, s->head);
	}
	strbuf_addc(b, '\n');
	if (a->line) {
		strbuf_adds(b, "  ");
		strbuf_add_clean(b, a->line);
		strbuf_addc(b, '\n');
	}
}

/* Rows of one Service lie side by side; services of @d are in the same order, some without rows. */
static void endpoint_tables(const struct report *r, struct strbuf *b, const struct endpoints_report *e,
			    const struct diagnosis *d, const struct table *t)
{
	struct map first CLEANUP(map_release) = { 0 };
	for (size_t i = e->rows.len; i > 0; i--) {
		const struct endpoint_row *row = &e->rows.v[i - 1];
		if (map_put(&first, &row->service, sizeof(row->service), &e->rows.v[i - 1]) < 0) {
			b->failed = true;
		}
	}
	for (size_t i = 0; i < d->services.len; i++) {
		const struct k8s_service *s = d->services.v[i].service;
		const struct endpoint_row *row = map_get(&first, &s, sizeof(s));
		service_head(r, b, &d->services.v[i]);
		if (!row) {
			continue;
		}
		size_t from = (size_t)(row - e->rows.v), to = from;
		while (to < e->rows.len && e->rows.v[to].service == s) {
			to++;
		}
		table_print(r, b, t, from, to);
	}
}

int report_endpoints(const struct report *r, const struct endpoints_report *e, const struct diagnosis *d)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	struct table t CLEANUP(table_release) = { .columns = endpoint_columns,
						  .ncolumns = ARRAY_LEN(endpoint_columns) };
	if (r->format == REPORT_LINES) {
		return lines_findings(r, d);
	}
	endpoints_fill(&t, &a, e);
	if (r->format == REPORT_JSON) {
		struct doc doc;
		doc_begin(&doc, r, d, NULL, 0);
		doc_set(&doc, doc.root, "findings", doc_findings(&doc, r, d));
		doc_set(&doc, doc.root, "endpoints", table_json(&doc, &t));
		return doc_end(&doc, r);
	}
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	text_looked_at(r, &b, NULL);
	if (!r->quiet && d->services.len == 0 && e->rows.len == 0) {
		(void)text_no_services(r, &b);
	}
	if (!r->quiet) {
		endpoint_tables(r, &b, e, d, &t);
	}
	int err = finding_blocks(r, &b, d, r->quiet ? DETAIL_LINE : DETAIL_FULL);
	if (!r->quiet) {
		text_skipped(r, &b, d);
	}
	return err < 0 ? err : text_write(r, &b);
}
