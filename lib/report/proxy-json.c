/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command proxy as JSON: a node is an object; times stand in "at" and "since" only. */
#include <math.h>

#include "proxy-private.h"

static json_t *number(double x)
{
	return isnan(x) ? json_null() : x == floor(x) && fabs(x) < 1e15 ? json_integer((json_int_t)x) : json_real(x);
}

static json_t *at(struct doc *doc, int64_t t)
{
	json_t *o;
	if (!t) {
		return json_null();
	}
	o = json_object();
	doc_set(doc, o, "at", doc_time(doc, (time_t)t));
	return o;
}

static json_t *by_family(struct doc *doc, const struct proxy_row *row, const int64_t v[static 2])
{
	json_t *o = json_object();
	if (!row->by_family) {
		doc_set(doc, o, "both", at(doc, MAX(v[0], v[1])));
		return o;
	}
	doc_set(doc, o, "IPv4", at(doc, v[0]));
	doc_set(doc, o, "IPv6", at(doc, v[1]));
	return o;
}

static const char *end_name(enum snap_port_end e)
{
	static const char *const names[] = { NULL, "answered", "refused", "silent", "unreachable", "strange" };
	return (unsigned)e < ARRAY_LEN(names) ? names[e] : NULL;
}

static json_t *health_json(struct doc *doc, const struct proxy_row *row)
{
	json_t *o = json_object();
	const struct snap_proxy *p = row->n ? &row->n->proxy : NULL;
	for (int i = 0; p && i < PROXY_PORTS; i++) {
		const struct snap_port *x = &p->ports[i];
		if (x->end == PORT_NOT_ASKED) {
			continue;
		}
		json_t *port = json_object();
		doc_set(doc, port, "end", doc_string(doc, end_name(x->end)));
		doc_set(doc, port, "status", x->status ? json_integer(x->status) : json_null());
		doc_set(doc, port, "error", doc_string(doc, x->error));
		doc_set(doc, o, snap_proxy_port_name((enum snap_proxy_port)i), port);
	}
	doc_set(doc, o, "healthy", p && p->healthz_known ? json_boolean(p->healthy) : json_null());
	doc_set(doc, o, "node_eligible", doc_tri(p ? p->eligible : -1));
	return o;
}

static json_t *syncs_json(struct doc *doc, const struct proxy_row *row)
{
	json_t *o = json_object();
	doc_set(doc, o, "finished", by_family(doc, row, row->synced));
	doc_set(doc, o, "queued", by_family(doc, row, row->queued));
	doc_set(doc, o, "seconds_p50", number(row->sync_p50));
	doc_set(doc, o, "seconds_p99", number(row->sync_p99));
	doc_set(doc, o, "programming_seconds_p50", number(row->programming_p50));
	doc_set(doc, o, "programming_seconds_p99", number(row->programming_p99));
	doc_set(doc, o, "restore_failures", number(row->restore_failures));
	doc_set(doc, o, "nftables_failures", number(row->nft_failures));
	return o;
}

static json_t *rules_json(struct doc *doc, const struct proxy_row *row)
{
	json_t *o = json_object();
	doc_set(doc, o, "ports_wanted", row->rules_known ? json_integer((json_int_t)row->wanted) : json_null());
	doc_set(doc, o, "ports_complete", row->rules_known ? json_integer((json_int_t)row->complete) : json_null());
	doc_set(doc, o, "ports_absent", row->rules_known ? json_integer((json_int_t)row->absent) : json_null());
	doc_set(doc, o, "places_lacking", row->rules_known ? json_integer((json_int_t)row->chains_missing) : json_null());
	doc_set(doc, o, "rules_by_metrics", number(row->rules_said));
	return o;
}

static json_t *settings_json(struct doc *doc, const struct proxy_row *row)
{
	json_t *o;
	if (!row->config->known) {
		return json_null();
	}
	o = json_object();
	doc_set(doc, o, "source", doc_string(doc, row->config->source));
	for (int k = 0; k < PROXY_KEYS; k++) {
		const struct proxy_setting *s = &row->settings[k];
		if (!s->value) {
			continue;
		}
		json_t *x = json_object();
		doc_set(doc, x, "value", doc_string(doc, s->value));
		doc_set(doc, x, "standard", json_boolean(s->standard));
		doc_set(doc, o, proxy_key_name((enum proxy_key)k), x);
	}
	return o;
}

static const char *weight_name(enum log_weight w)
{
	static const char *const names[] = { "harmless", "good", "warning", "error" };
	return (unsigned)w < ARRAY_LEN(names) ? names[w] : NULL;
}

static json_t *line_json(struct doc *doc, const struct proxy_line *l)
{
	json_t *o = json_object();
	const struct log_hit *h = l->hit;
	doc_set(doc, o, "kind", doc_string(doc, h->kind->id));
	doc_set(doc, o, "reason", doc_string(doc, h->reason ? h->reason->id : NULL));
	doc_set(doc, o, "weight", doc_string(doc, weight_name(log_hit_weight(h))));
	doc_set(doc, o, "check", doc_string(doc, log_hit_check(h)));
	doc_set(doc, o, "meaning", doc_string(doc, (h->reason ? h->reason : h->kind)->meaning));
	doc_set(doc, o, "history", json_boolean(l->history));
	doc_set(doc, o, "previous", json_boolean(l->log->previous));
	doc_set(doc, o, "count", json_integer((json_int_t)h->count));
	doc_set(doc, o, "since", doc_string(doc, h->first));
	doc_set(doc, o, "at", doc_string(doc, h->last));
	doc_set(doc, o, "text", doc_string(doc, h->text));
	return o;
}

static json_t *unknown_json(struct doc *doc, const struct snap_log *l)
{
	json_t *a = json_array();
	for (size_t i = 0; i < l->summary.unknown.len; i++) {
		const struct log_unknown *u = &l->summary.unknown.v[i];
		json_t *o = json_object();
		doc_set(doc, o, "count", json_integer((json_int_t)u->count));
		doc_set(doc, o, "since", doc_string(doc, u->first));
		doc_set(doc, o, "at", doc_string(doc, u->last));
		doc_set(doc, o, "text", doc_string(doc, u->text));
		doc_add(doc, a, o);
	}
	return a;
}

static json_t *log_json(struct doc *doc, const struct proxy_row *row)
{
	const struct snap_log *l = row->log ? row->log : row->previous;
	json_t *o, *lines;
	if (!l) {
		return json_null();
	}
	o = json_object();
	lines = json_array();
	for (size_t i = 0; i < row->lines.len; i++) {
		doc_add(doc, lines, line_json(doc, &row->lines.v[i]));
	}
	doc_set(doc, o, "lines_read", json_integer((json_int_t)l->summary.lines));
	doc_set(doc, o, "cut", json_boolean(l->cut));
	doc_set(doc, o, "starts", json_integer((json_int_t)l->summary.starts));
	doc_set(doc, o, "at", doc_string(doc, l->summary.until));
	doc_set(doc, o, "errors", json_integer((json_int_t)row->errors));
	doc_set(doc, o, "errors_unknown", json_integer((json_int_t)l->summary.errors_unknown));
	doc_set(doc, o, "lines", lines);
	doc_set(doc, o, "unknown", unknown_json(doc, l));
	return o;
}

static json_t *row_json(struct doc *doc, const struct proxy_row *row)
{
	json_t *o = json_object(), *ids = json_array();
	for (size_t i = 0; i < row->findings.len; i++) {
		doc_add(doc, ids, doc_string(doc, row->findings.v[i]->id));
	}
	doc_set(doc, o, "node", doc_string(doc, row->node));
	doc_set(doc, o, "label", doc_string(doc, row->label));
	doc_set(doc, o, "state", doc_string(doc, proxy_state_name(row->state)));
	doc_set(doc, o, "pod", doc_string(doc, row->pod));
	doc_set(doc, o, "restarts", row->restarts < 0 ? json_null() : json_integer((json_int_t)row->restarts));
	doc_set(doc, o, "version", doc_string(doc, row->version));
	doc_set(doc, o, "mode_asked", doc_string(doc, row->asked));
	doc_set(doc, o, "mode", doc_string(doc, row->mode));
	doc_set(doc, o, "looked", at(doc, row->now));
	doc_set(doc, o, "health", health_json(doc, row));
	doc_set(doc, o, "syncs", syncs_json(doc, row));
	doc_set(doc, o, "rules", rules_json(doc, row));
	doc_set(doc, o, "configuration", settings_json(doc, row));
	doc_set(doc, o, "conntrack_max", row->conntrack_max < 0 ? json_null() : json_integer((json_int_t)row->conntrack_max));
	doc_set(doc, o, "conntrack_asked", row->conntrack_asked ? json_integer((json_int_t)row->conntrack_asked) : json_null());
	doc_set(doc, o, "log", log_json(doc, row));
	doc_set(doc, o, "findings", ids);
	return o;
}

int proxy_json(const struct report *r, const struct proxy_report *p, const struct diagnosis *d)
{
	struct doc doc;
	json_t *nodes = json_array();
	doc_begin(&doc, r, d, NULL, 0);
	for (size_t i = 0; i < p->rows.len; i++) {
		doc_add(&doc, nodes, row_json(&doc, &p->rows.v[i]));
	}
	doc_set(&doc, doc.root, "version", doc_string(&doc, p->cluster_version));
	doc_set(&doc, doc.root, "nodes", nodes);
	doc_set(&doc, doc.root, "findings", doc_findings(&doc, r, d));
	return doc_end(&doc, r);
}
