/* SPDX-License-Identifier: GPL-2.0-or-later */
/* svcdoctor explain: what a check means, from the catalogue. */
#include "cmd.h"

static const struct opt options[] = {
	OPT_ROW_FORMAT(choices_format2), OPT_ROW_OUTPUT_FILE, OPT_ROW_COLOR, OPT_ROW_HELP, OPT_ROW_END,
};

static int unknown_check(struct context *c, const char *id)
{
	size_t n = 0;
	while (check_catalogue[n].id) {
		n++;
	}
	const char **ids = arena_array(&c->arena, const char *, n + 1);
	for (size_t i = 0; ids && i < n; i++) {
		ids[i] = check_catalogue[i].id;
	}
	const char *near = ids ? nearest_name(id, ids) : NULL;
	if (near) {
		return usage_error(c, "there is no check '%s': did you mean '%s'?", id, near);
	}
	return usage_error(c, "there is no check '%s'; '%s explain' lists all", id, c->program);
}

static int run(struct context *c)
{
	if (c->o.args.len == 0) {
		return report_explain(&c->report, NULL);
	}
	const struct check *check = check_find(c->o.args.v[0]);
	return check ? report_explain(&c->report, check) : unknown_check(c, c->o.args.v[0]);
}

const struct command command_explain = {
	.name = "explain",
	.arguments = "[CHECK]",
	.args_max = 1,
	.help = "says what a check means; without CHECK, lists all",
	.complete = COMPLETE_CHECK,
	.options = options,
	.run = run,
};
