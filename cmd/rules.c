/* SPDX-License-Identifier: GPL-2.0-or-later */
/* svcdoctor rules: kube-proxy's chains of each Service port on each node, found against needed. */
#include "cmd.h"

static const struct opt options[] = {
	OPT_ROW_NAMESPACE,   OPT_ROW_ALL,   OPT_ROW_BUNDLE,  OPT_ROW_FORMAT(choices_format3),
	OPT_ROW_OUTPUT_FILE, OPT_ROW_NODE,  OPT_ROW_FAIL_ON, OPT_ROW_IGNORE,
	OPT_ROW_COLOR,	     OPT_ROW_QUIET, OPT_ROW_VERBOSE, OPT_ROW_HELP,
	OPT_ROW_END,
};

static int report_selection(struct context *c, const struct selection *s)
{
	static const bool axes[AXIS_COUNT] = { [AXIS_RULES] = true };
	struct rules_report v CLEANUP(rules_report_release) = { 0 };
	struct diagnosis d CLEANUP(diagnosis_release) = { 0 };
	const struct verify_options o = { c->o.node, selection_services(s), s->list.v.len };
	int r = rules_run(&c->snapshot, &o, &v);
	if (r == 0) {
		r = diagnose_selection(c, s, axes, true, &d);
	}
	if (r == 0) {
		c->report.findings = &d;
		signals_hold();
		r = report_rules(&c->report, &v);
		c->report.findings = NULL;
	}
	return r < 0 ? r : (int)code_of_diagnosis(&c->o, &d);
}

static int run(struct context *c)
{
	return selection_run(c, report_selection);
}

const struct command command_rules = {
	.name = "rules",
	.arguments = "[SERVICE...]",
	.args_max = 1000,
	.help = "shows kube-proxy's rules for Services, found against needed",
	.complete = COMPLETE_SERVICE,
	.needs = COMMAND_NEEDS_SNAPSHOT,
	.options = options,
	.run = run,
};
