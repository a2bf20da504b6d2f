/* SPDX-License-Identifier: GPL-2.0-or-later */
/* svcdoctor hairpin: can a pod reach itself through its Service, and if not, why? */
#include <errno.h>

#include "cmd.h"

static const struct opt options[] = {
	OPT_ROW_BUNDLE, OPT_ROW_FORMAT(choices_format3), OPT_ROW_OUTPUT_FILE, OPT_ROW_NODE,    OPT_ROW_FAIL_ON,
	OPT_ROW_IGNORE, OPT_ROW_COLOR,			 OPT_ROW_QUIET,	      OPT_ROW_VERBOSE, OPT_ROW_HELP,
	OPT_ROW_END,
};

static int judge(struct context *c, struct hairpin_report *h, struct diagnosis *d)
{
	const struct string_list *ignore = &c->o.ignore;
	if ((ignore->len == 0 || ignore->v[ignore->len - 1]) && array_push(&c->o.ignore, NULL) < 0) {
		return -ENOMEM;
	}
	int r = hairpin_run(&c->snapshot, c->o.node, h);
	return r < 0 ? r : hairpin_diagnose(&c->snapshot, c->o.ignore.v, h, d);
}

static int run(struct context *c)
{
	struct hairpin_report h CLEANUP(hairpin_report_release) = { 0 };
	struct diagnosis d CLEANUP(diagnosis_release) = { 0 };
	int r = check_node_option(c);
	if (r == 0) {
		r = judge(c, &h, &d);
	}
	if (r != 0) {
		return r;
	}
	signals_hold();
	r = report_hairpin(&c->report, &h, &d);
	return r < 0 ? r : (int)code_of_diagnosis(&c->o, &d);
}

const struct command command_hairpin = {
	.name = "hairpin",
	.arguments = "",
	.help = "tells whether a pod reaches itself through its Service",
	.needs = COMMAND_NEEDS_SNAPSHOT | COMMAND_WANTS_FACTS,
	.options = options,
	.run = run,
};
