/* SPDX-License-Identifier: GPL-2.0-or-later */
/* svcdoctor diagnose: the three axes of the Services, then what is wrong and why. `demo` runs it too. */
#include <errno.h>

#include "cmd.h"

static const struct opt options[] = {
	OPT_ROW_NAMESPACE,   OPT_ROW_ALL,   OPT_ROW_BUNDLE, OPT_ROW_FORMAT(choices_format4),
	OPT_ROW_OUTPUT_FILE, OPT_ROW_AXES,  OPT_ROW_NODE,   OPT_ROW_FAIL_ON,
	OPT_ROW_IGNORE,	     OPT_ROW_COLOR, OPT_ROW_QUIET,  OPT_ROW_VERBOSE,
	{ 0, "dns", NULL, "ask DNS for the names of the Services, from this machine or from --netns or --pid", OPT_FLAG, offsetof(struct options, dns), 0,
	  NULL, COMPLETE_NOTHING },
	{ 0, "watch", NULL, "look again and again, and tell what changed, until --timeout or Ctrl-C", OPT_FLAG,
	  offsetof(struct options, watch), 0, NULL, COMPLETE_NOTHING },
	OPT_ROW_INTERVAL("with --watch: from one look to the next ('10s' if not given)"),
	OPT_ROW_HELP,	     OPT_ROW_END,
};

static void service_list_release(struct service_list *l)
{
	array_free(&l->v);
}

bool severity_counts(const struct options *o, enum severity s)
{
	switch (o->fail_on) {
	case FAIL_ON_ERROR:
		return s >= SEVERITY_ERROR;
	case FAIL_ON_WARNING:
		return s >= SEVERITY_WARNING;
	case FAIL_ON_INFO:
		return s >= SEVERITY_INFO;
	default:
		return false;
	}
}

enum exit_code code_of_diagnosis(const struct options *o, const struct diagnosis *d)
{
	enum exit_code code = d->inconclusive ? CODE_INCONCLUSIVE : CODE_HEALTHY;
	for (size_t i = 0; i < d->findings.len; i++) {
		if (severity_counts(o, d->findings.v[i]->severity)) {
			code = code_join(code, CODE_FINDINGS);
		}
	}
	return code;
}

int diagnose_selection(struct context *c, const struct selection *s, const bool axes[static AXIS_COUNT],
		       bool axes_given, struct diagnosis *ret)
{
	const struct string_list *ignore = &c->o.ignore;
	if ((ignore->len == 0 || ignore->v[ignore->len - 1]) && array_push(&c->o.ignore, NULL) < 0) {
		return -ENOMEM;
	}
	struct diagnose_options o = {
		.axes_given = axes_given,
		.node = c->o.node,
		.services = selection_services(s),
		.nservices = s->list.v.len,
		.namespace_ = s->namespace_,
		.asked = s->asked.v,
		.nasked = s->asked.len,
		.ignore = c->o.ignore.v,
	};
	memcpy(o.axes, axes, sizeof(o.axes));
	int r = diagnose_run(&c->snapshot, &o, ret);
	return r < 0 ? r : selection_add_missing(s, ret);
}

/* Asks DNS for the names of the Services. 0, an exit code after a message, or negative. */
static int ask_dns(struct context *c, const struct selection *s, struct dns_asked *ret)
{
	struct diagnose_options o = { .services = selection_services(s), .nservices = s->list.v.len, .dns_ns = c->report.namespace_ };
	struct service_list all CLEANUP(service_list_release) = { 0 };
	if (!c->o.dns || (c->o.axes_given && !c->o.axes[AXIS_NAME])) {
		return 0;
	}
	for (size_t i = 0; s->all && i < c->snapshot.cluster.services.len; i++) {
		if (array_push(&all.v, c->snapshot.cluster.services.v[i]) < 0) {
			return -ENOMEM;
		}
	}
	if (s->all) {
		o.services = all.v.v;
		o.nservices = all.v.len;
	}
	if (dns_keep_flags(c) < 0) {
		return -ENOMEM;
	}
	setup_report(c);
	return dns_ask_from_here(c, &o, ret);
}

static int diagnose_report(struct context *c, const struct selection *s)
{
	static const bool all[AXIS_COUNT] = { true, true, true };
	struct diagnosis d CLEANUP(diagnosis_release) = { 0 };
	struct dns_asked asked CLEANUP(dns_asked_release) = { 0 };
	int r = ask_dns(c, s, &asked);
	if (r != 0) {
		return r > 0 && r != CODE_USAGE ? (report_nothing(&c->report) < 0 ? -ENOMEM : r) : r;
	}
	r = diagnose_selection(c, s, c->o.axes_given ? c->o.axes : all, c->o.axes_given, &d);
	if (r < 0) {
		return r;
	}
	if (asked.outside) {
		d.axis_why_not[AXIS_NAME] = dns_why_outside(&c->snapshot);
	}
	/* it was asked for */
	d.inconclusive |= c->o.dns && (!c->o.axes_given || c->o.axes[AXIS_NAME]) && !d.axis_has_source[AXIS_NAME];
	signals_hold();
	r = report_diagnosis(&c->report, &d);
	return r < 0 ? r : (int)code_of_diagnosis(&c->o, &d);
}

int diagnose_snapshot(struct context *c)
{
	if (c->o.dns && c->o.watch) {
		return usage_error(c, "--dns and --watch exclude each other: DNS is asked once");
	}
	return c->o.watch ? watch_run(c) : selection_run(c, diagnose_report);
}

const struct command command_diagnose = {
	.name = "diagnose",
	.arguments = "[SERVICE...]",
	.args_max = 1000,
	.help = "names what is wrong with Services, and why",
	.complete = COMPLETE_SERVICE,
	.needs = COMMAND_NEEDS_SNAPSHOT,
	.options = options,
	.run = diagnose_snapshot,
};
