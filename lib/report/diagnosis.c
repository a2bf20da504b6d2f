/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A diagnosis: which form it takes, and its JSON. */
#include "report-private.h"

int report_diagnosis(const struct report *r, const struct diagnosis *d)
{
	switch (r->format) {
	case REPORT_JSON:
		return diagnosis_json(r, d);
	case REPORT_LINES:
		return lines_findings(r, d);
	case REPORT_JUNIT:
		return junit_diagnosis(r, d);
	default:
		return diagnosis_text(r, d);
	}
}

static json_t *service_json(struct doc *doc, const struct report *r, const struct service_result *s)
{
	json_t *o = json_object(), *axes = json_object(), *causes = json_array(), *explained = json_array();
	for (int a = 0; a < AXIS_COUNT; a++) {
		doc_set(doc, axes, axis_name((enum axis)a),
			doc_string(doc, axis_state_name(s->axes[a].state)));
	}
	for (size_t i = 0; i < s->causes.len; i++) {
		doc_add(doc, causes, doc_finding(doc, r, s->causes.v[i]));
	}
	for (size_t i = 0; i < s->explained.len; i++) {
		doc_add(doc, explained, doc_finding(doc, r, s->explained.v[i]));
	}
	doc_set(doc, o, "service", doc_service(doc, s->service));
	doc_set(doc, o, "status", doc_string(doc, service_status_name(s->status)));
	doc_set(doc, o, "axes", axes);
	doc_set(doc, o, "causes", causes);
	doc_set(doc, o, "explained", explained);
	return o;
}

int diagnosis_json(const struct report *r, const struct diagnosis *d)
{
	struct doc doc;
	doc_begin(&doc, r, d, NULL, 0);
	if (r->look) {
		doc_set(&doc, doc.root, "at", doc_time(&doc, r->look->at));
		doc_set(&doc, doc.root, "changes", changes_json(&doc, r, d, r->look));
	}
	if (str_is(r->command, "wait")) {
		wait_json(&doc, r);
	}
	json_t *services = json_array(), *cluster = json_array();
	for (size_t i = 0; i < d->services.len; i++) {
		doc_add(&doc, services, service_json(&doc, r, &d->services.v[i]));
	}
	for (size_t i = 0; i < d->cluster.len; i++) {
		doc_add(&doc, cluster, doc_finding(&doc, r, d->cluster.v[i]));
	}
	doc_set(&doc, doc.root, "healthy", doc_tri(d->healthy));
	doc_set(&doc, doc.root, "services", services);
	doc_set(&doc, doc.root, "cluster", cluster);
	return doc_end(&doc, r);
}
