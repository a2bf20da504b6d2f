/* SPDX-License-Identifier: GPL-2.0-or-later */
/* svcdoctor endpoints: the pods and EndpointSlices behind Services, and what is wrong with them. */
#include "cmd.h"

static const struct opt options[] = {
	OPT_ROW_NAMESPACE,   OPT_ROW_ALL,     OPT_ROW_BUNDLE, OPT_ROW_FORMAT(choices_format3),
	OPT_ROW_OUTPUT_FILE, OPT_ROW_FAIL_ON, OPT_ROW_IGNORE, OPT_ROW_COLOR,
	OPT_ROW_QUIET,	     OPT_ROW_VERBOSE, OPT_ROW_HELP,   OPT_ROW_END,
};

static int report_selection(struct context *c, const struct selection *s)
{
	static const bool axes[AXIS_COUNT] = { [AXIS_ENDPOINTS] = true };
	struct endpoints_report e CLEANUP(endpoints_report_release) = { 0 };
	struct diagnosis d CLEANUP(diagnosis_release) = { 0 };
	int r = endpoints_run(&c->snapshot, selection_services(s), s->list.v.len, &e);
	if (r == 0) {
		r = diagnose_selection(c, s, axes, true, &d);
	}
	if (r == 0) {
		signals_hold();
		r = report_endpoints(&c->report, &e, &d);
	}
	return r < 0 ? r : (int)code_of_diagnosis(&c->o, &d);
}

static int run(struct context *c)
{
	return selection_run(c, report_selection);
}

const struct command command_endpoints = {
	.name = "endpoints",
	.arguments = "[SERVICE...]",
	.args_max = 1000,
	.help = "shows the pods and EndpointSlices behind Services",
	.complete = COMPLETE_SERVICE,
	.needs = COMMAND_NEEDS_SNAPSHOT | COMMAND_NO_RULES,
	.options = options,
	.run = run,
};
