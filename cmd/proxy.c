/* SPDX-License-Identifier: GPL-2.0-or-later */
/* svcdoctor proxy: how kube-proxy does on each node, what it is set to, and what its log says. */
#include <errno.h>

#include "cmd.h"

static const struct opt options[] = {
	OPT_ROW_BUNDLE,
	OPT_ROW_FORMAT(choices_format4),
	OPT_ROW_OUTPUT_FILE,
	{ 0, "node", "NODE", "look at kube-proxy of this node only; 'live': of this machine", OPT_TEXT, offsetof(struct options, node), 0, NULL, COMPLETE_NODE },
	{ 0, "log", "FILE", "judge this log of kube-proxy, of any form; '-': stdin (several times). Alone: nothing else is read", OPT_LIST,
	  offsetof(struct options, logs), 0, NULL, COMPLETE_FILE },
	OPT_ROW_FAIL_ON,
	OPT_ROW_IGNORE,
	OPT_ROW_COLOR,
	OPT_ROW_QUIET,
	OPT_ROW_VERBOSE,
	OPT_ROW_HELP,
	OPT_ROW_END,
};

/* A node may be known by its kube-proxy's pod or log alone. */
static int check_node(struct context *c, const struct proxy_report *p)
{
	if (!c->o.node || p->rows.len > 0) {
		return 0;
	}
	return check_node_option(c);
}

static int run(struct context *c)
{
	struct proxy_report p CLEANUP(proxy_report_release) = { 0 };
	struct diagnosis d CLEANUP(diagnosis_release) = { 0 };
	const struct string_list *ignore = &c->o.ignore;
	if ((ignore->len == 0 || ignore->v[ignore->len - 1]) && array_push(&c->o.ignore, NULL) < 0) {
		return -ENOMEM;
	}
	const struct diagnose_options o = { .axes = { [AXIS_RULES] = true }, .axes_given = true, .node = c->o.node, .ignore = c->o.ignore.v };
	int r = proxy_run(&c->snapshot, &o, &p, &d);
	r = r < 0 ? r : check_node(c, &p);
	if (r != 0) {
		return r;
	}
	signals_hold();
	r = report_proxy(&c->report, &p, &d);
	return r < 0 ? r : (int)code_of_diagnosis(&c->o, &d);
}

const struct command command_proxy = {
	.name = "proxy",
	.arguments = "",
	.help = "tells how kube-proxy does on each node, and what its log says",
	.needs = COMMAND_NEEDS_SNAPSHOT | COMMAND_WANTS_FACTS,
	.options = options,
	.run = run,
};
