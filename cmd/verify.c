/* SPDX-License-Identifier: GPL-2.0-or-later */
/* svcdoctor verify: every frontend and source of Services against what the API asks for. */
#include "cmd.h"

static const struct opt options[] = {
	OPT_ROW_NAMESPACE,   OPT_ROW_ALL,     OPT_ROW_BUNDLE,  OPT_ROW_FORMAT(choices_format4),
	OPT_ROW_OUTPUT_FILE, OPT_ROW_NODE,    OPT_ROW_FAIL_ON, OPT_ROW_COLOR,
	OPT_ROW_QUIET,	     OPT_ROW_VERBOSE, OPT_ROW_HELP,    OPT_ROW_END,
};

static bool has_fatal_note(const struct sd_notes *n)
{
	for (size_t i = 0; i < n->len; i++) {
		if (n->v[i].fatal_to_part) {
			return true;
		}
	}
	return n->dropped > 0;
}

static enum exit_code code_of(const struct context *c, const struct selection *s,
			      const struct verify_report *v)
{
	bool wrong = (v->broken.len > 0 || s->missing.len > 0) && severity_counts(&c->o, SEVERITY_ERROR);
	bool partial = v->undecided.len > 0 || v->skipped.len > 0 || v->nodes.len == 0;
	for (size_t i = 0; i < v->torn.len; i++) {
		partial |= v->torn.v[i].unfinished;
	}
	for (size_t i = 0; i < v->differences.len && !wrong; i++) {
		wrong = severity_counts(&c->o, difference_severity(v->differences.v[i].severity));
	}
	for (size_t i = 0; i < v->peers.len && !wrong; i++) {
		wrong = severity_counts(&c->o, difference_severity(v->peers.v[i].severity));
	}
	enum exit_code code = wrong ? CODE_FINDINGS : CODE_HEALTHY;
	if (partial || has_fatal_note(&c->snapshot.notes)) {
		code = code_join(code, CODE_INCONCLUSIVE);
	}
	return code;
}

static int report_selection(struct context *c, const struct selection *s)
{
	struct verify_report v CLEANUP(verify_report_release) = { 0 };
	struct diagnosis missing CLEANUP(diagnosis_release) = { 0 };
	const struct verify_options o = { c->o.node, selection_services(s), s->list.v.len };
	int r = verify_run(&c->snapshot, &o, &v);
	if (r == 0) {
		r = selection_add_missing(s, &missing);
	}
	if (r == 0) {
		c->report.findings = &missing;
		signals_hold();
		r = report_verify(&c->report, &v);
		c->report.findings = NULL;
	}
	return r < 0 ? r : (int)code_of(c, s, &v);
}

static int run(struct context *c)
{
	return selection_run(c, report_selection);
}

const struct command command_verify = {
	.name = "verify",
	.arguments = "[SERVICE...]",
	.args_max = 1000,
	.help = "runs every Service through the rules and compares with the API",
	.complete = COMPLETE_SERVICE,
	.needs = COMMAND_NEEDS_SNAPSHOT,
	.options = options,
	.run = run,
};
