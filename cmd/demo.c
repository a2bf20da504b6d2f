/* SPDX-License-Identifier: GPL-2.0-or-later */
/* svcdoctor demo: `diagnose -A` of a recorded broken cluster that is part of the program. */
#include "cmd.h"

static const struct opt options[] = {
	OPT_ROW_FORMAT(choices_format4),
	OPT_ROW_OUTPUT_FILE,
	OPT_ROW_COLOR,
	OPT_ROW_QUIET,
	OPT_ROW_VERBOSE,
	OPT_ROW_HELP,
	OPT_ROW_END,
};

static int run(struct context *c)
{
	int r = setup_demo(c);
	if (r < 0) {
		return r;
	}
	c->o.all = true;
	setup_report(c);
	r = diagnose_snapshot(c);
	return r < 0 ? r : CODE_HEALTHY;
}

const struct command command_demo = {
	.name = "demo",
	.document = "diagnose",
	.arguments = "",
	.help = "diagnoses a recorded broken cluster",
	.options = options,
	.run = run,
};
