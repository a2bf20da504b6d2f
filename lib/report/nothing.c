/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The document of a run that could look at nothing (a wrong command line, a bundle that cannot be opened): the
 * command's own document over empty results, so that programs find the same keys as ever; errors say what was wrong.
 */
#include "report-private.h"

static int nothing_diagnose(const struct report *r)
{
	struct diagnosis d = { .healthy = -1 };
	for (int a = 0; a < AXIS_COUNT; a++) {
		d.axis_why_not[a] = "nothing could be looked at";
	}
	return report_diagnosis(r, &d);
}

static int nothing_verify(const struct report *r)
{
	const struct verify_report v = { 0 };
	return report_verify(r, &v);
}

static int nothing_trace(const struct report *r)
{
	return report_trace(r, NULL, 0);
}

static int nothing_rules(const struct report *r)
{
	const struct rules_report v = { 0 };
	return report_rules(r, &v);
}

static int nothing_endpoints(const struct report *r)
{
	const struct endpoints_report e = { 0 };
	const struct diagnosis d = { .healthy = -1, .axis_has_source = { true, true, true } };
	return report_endpoints(r, &e, &d);
}

static int nothing_hairpin(const struct report *r)
{
	const struct hairpin_report h = { 0 };
	const struct diagnosis d = { .healthy = -1, .axis_has_source = { true, true, true } };
	return report_hairpin(r, &h, &d);
}

static int nothing_connect(const struct report *r)
{
	const struct diagnosis d = { .healthy = -1, .axis_has_source = { true, true, true } };
	return report_connect(r, NULL, &d);
}

static int nothing_dns(const struct report *r)
{
	const struct dns_report n = { 0 };
	const struct diagnosis d = { .healthy = -1, .axis_has_source = { true, true, true } };
	return report_dns(r, &n, &d);
}

static int nothing_proxy(const struct report *r)
{
	const struct proxy_report p = { 0 };
	const struct diagnosis d = { .healthy = -1, .axis_has_source = { true, true, true } };
	return report_proxy(r, &p, &d);
}

/* explain: no check; of the others, what every document has. */
static int nothing_else(const struct report *r)
{
	struct doc doc;
	doc_begin(&doc, r, NULL, NULL, 0);
	if (r->command && strcmp(r->command, "explain") == 0) {
		doc_set(&doc, doc.root, "checks", json_array());
	}
	return doc_end(&doc, r);
}

static const struct {
	const char *command;
	int (*report)(const struct report *r);
} documents[] = {
	{ "diagnose", nothing_diagnose }, { "wait", nothing_diagnose }, { "verify", nothing_verify },	      { "trace", nothing_trace },
	{ "rules", nothing_rules },	  { "endpoints", nothing_endpoints },	{ "hairpin", nothing_hairpin },	  { "connect", nothing_connect },
	{ "dns", nothing_dns },	  { "proxy", nothing_proxy },
};

int report_nothing(const struct report *r)
{
	if (r->format != REPORT_JSON) {
		return 0;
	}
	for (size_t i = 0; r->command && i < ARRAY_LEN(documents); i++) {
		if (strcmp(documents[i].command, r->command) == 0) {
			return documents[i].report(r);
		}
	}
	return nothing_else(r);
}
