/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_REPORT_H
#define SVCDOCTOR_REPORT_H

/*
 * Turns results into bytes: text and JSON. No format decides anything, and nothing outside lib/report tests for a format.
 * Every function writes to @out only; the caller flushes, checks and closes it. 0 or a negative code.
 */

#include <svcdoctor/checks.h>
#include <svcdoctor/nat.h>
#include <svcdoctor/snapshot.h>
#include <svcdoctor/verify.h>

enum report_format { REPORT_TEXT, REPORT_JSON, REPORT_LINES, REPORT_JUNIT };

struct report {
	FILE *out;
	enum report_format format;
	bool color, quiet, verbose;
	const char *command;	    /* "diagnose"; NULL: none was given */
	const char *program;	    /* "svcdoctor" or "kubectl svcdoctor" */
	const char *source_flags;   /* " --bundle lab", appended to svcdoctor's own commands that are printed; "" */
	const char *kubectl_flags;  /* " --context x", inserted after "kubectl"; "" */
	const struct snapshot *snapshot;
	const char *namespace_;
	const struct diagnosis *findings; /* verify, rules: findings that stand beside their results; NULL: none */
};

int report_diagnosis(const struct report *r, const struct diagnosis *d);
int report_verify(const struct report *r, const struct verify_report *v);
int report_rules(const struct report *r, const struct rules_report *v);
int report_endpoints(const struct report *r, const struct endpoints_report *e, const struct diagnosis *d);
/* The command's document with empty results (JSON), for a run that could look at nothing; other formats print nothing. */
int report_nothing(const struct report *r);
int report_explain(const struct report *r, const struct check *check); /* NULL: the list of all */

struct trace_report {
	const char *node;
	const struct nat_packet *packet;
	const struct nat_result *result;
	const char *const *meaning; /* lines: whose address the destination is, which port is meant; NULL-terminated, or NULL */
	const struct verify_skipped *skipped; /* what of the node was not run, so that the packet may fare otherwise */
	size_t nskipped;
};
int report_trace(const struct report *r, const struct trace_report *t, size_t n);

struct version_fact {
	const char *name, *value;
};
int report_version(const struct report *r, const char *version, const struct version_fact *facts, size_t nfacts);

#endif
