/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svcdoctor connect: does the pod answer when the Service is bypassed? The one command that sends packets to a Service, because its user asked
 * for it by name: to the endpoints and addresses of the Services that were named and to nothing else, a bounded number of times.
 */
#include <errno.h>

#include <svcdoctor/kernel.h>
#include <svcdoctor/source.h>

#include "cmd.h"

enum { PARALLEL = 32, TRY_MS = 4000, ALL_MS = 30000 };

static const struct opt options[] = {
	OPT_ROW_NAMESPACE,
	OPT_ROW_BUNDLE,
	OPT_ROW_FORMAT(choices_format3),
	OPT_ROW_OUTPUT_FILE,
	OPT_ROW_NODE,
	{ 0, "port", "NAME|NUMBER", "try this port of the Service only", OPT_TEXT, offsetof(struct options, port), 0, NULL, COMPLETE_NOTHING },
	{ 0, "count", "N", "tries at each address (1 at an endpoint, 10 at other addresses if not given)", OPT_NUMBER,
	  offsetof(struct options, count), CONNECT_COUNT_MAX, NULL, COMPLETE_NOTHING },
	{ 0, "http", "PATH", "ask for this path with GET, and read the status", OPT_TEXT, offsetof(struct options, http), 0, NULL, COMPLETE_NOTHING },
	{ 0, "udp", NULL, "try UDP ports too: a datagram, or a question to a DNS port", OPT_FLAG, offsetof(struct options, udp), 0, NULL,
	  COMPLETE_NOTHING },
	{ 0, "connect-timeout", "TIME", "give up one try after this time ('4s' if not given)", OPT_TIME, offsetof(struct options, try_ms), 0, NULL,
	  COMPLETE_NOTHING },
	{ 0, "netns", "PATH|NAME", "try from this network namespace, such as a pod's", OPT_TEXT, offsetof(struct options, from_netns), 0, NULL,
	  COMPLETE_FILE },
	{ 0, "pid", "PID", "try from the network namespace of this process", OPT_PID, offsetof(struct options, from_pid), 4194304, NULL,
	  COMPLETE_NOTHING },
	OPT_ROW_FAIL_ON,
	OPT_ROW_COLOR,
	OPT_ROW_QUIET,
	OPT_ROW_VERBOSE,
	OPT_ROW_HELP,
	OPT_ROW_END,
};

static int check_options(struct context *c)
{
	const struct options *o = &c->o;
	if (o->from_netns && o->from_pid) {
		return usage_error(c, "--netns and --pid exclude each other: a process is in one network namespace");
	}
	if (o->try_ms == 0) {
		return usage_error(c, "--connect-timeout must be more than 0");
	}
	for (const char *p = o->http; p && *p; p++) {
		if (*p <= ' ' || *p == 0x7f || o->http[0] != '/') {
			return usage_error(c, "--http wants a path such as /healthz, without blanks");
		}
	}
	return 0;
}

/* ---- where from ---- */

/* Everything was read before: what is sent from here on comes from there. */
static int enter(struct context *c)
{
	const struct options *o = &c->o;
	char why[160] = "";
	const char *lacks = NULL;
	if (!o->from_netns && !o->from_pid) {
		return 0;
	}
	int r = kernel_netns_enter(o->from_netns, (pid_t)o->from_pid, why, &lacks);
	if (r == 0 || r == -ENOMEM) {
		return r;
	}
	complain_of(c, "netns", true, "cannot enter the network namespace: %s%s%s%s", why, lacks ? " (needs " : "", lacks ? lacks : "", lacks ? ")" : "");
	return r == -EPERM || r == -EACCES ? CODE_NO_RIGHTS : CODE_USAGE;
}

/* ---- trying ---- */

/* The name that a client would use. */
static const char *host_of(struct arena *a, const struct connect_target *t)
{
	const struct k8s_meta *m = &t->service->meta;
	return arena_printf(a, t->port->port == 80 ? "%s.%s.svc" : "%s.%s.svc:%u", m->name, m->ns, t->port->port);
}

static int send_all(struct context *c, struct connect_plan *p)
{
	const struct probe_options o = {
		.parallel = PARALLEL,
		.try_ms = c->o.try_ms > 0 ? c->o.try_ms : TRY_MS,
		.all_ms = c->o.timeout_ms >= 0 ? c->o.timeout_ms : ALL_MS,
		.stop = signals_stop(),
	};
	struct probe *v = arena_array(&p->arena, struct probe, p->targets.len + 1);
	for (size_t i = 0; v && i < p->targets.len; i++) {
		const struct connect_target *t = &p->targets.v[i];
		v[i] = (struct probe){ t->addr, t->number, t->way, host_of(&p->arena, t), c->o.http ? c->o.http : "/", t->count, t->tries };
		if (!v[i].host) {
			return -ENOMEM;
		}
	}
	return v ? probe_run(v, p->targets.len, &o) : -ENOMEM;
}

struct listening {
	struct snap_listeners *v;
	size_t len;
};

static void listening_release(struct listening *l)
{
	probe_listeners_release(l->v, l->len);
	free(l->v);
}

/* Who listens, where an endpoint refused or was silent and its namespace is of this machine. */
static int look_for_listeners(struct connect_plan *p, struct listening *ret)
{
	ret->v = calloc(p->targets.len + 1, sizeof(*ret->v));
	if (!ret->v) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < p->targets.len; i++) {
		struct connect_target *t = &p->targets.v[i];
		bool failed = false;
		for (size_t k = 0; k < t->count; k++) {
			failed |= t->tries[k].end != TRY_ANSWERED && t->tries[k].end != TRY_NOT_MADE;
		}
		if (t->kind == CONNECT_ENDPOINT && failed) {
			ret->v[ret->len].addr = t->addr;
			t->listeners = &ret->v[ret->len++];
		}
	}
	return probe_listeners(ret->v, ret->len);
}

/* Without them (no netlink), who the client is stays unknown. */
static int own_addresses(struct connect_plan *p, const struct ip_addr **ret, size_t *ret_n)
{
	struct ip_addr *v = NULL;
	int r = probe_own_addresses(&p->arena, &v, ret_n);
	*ret = v;
	return r == -ENOMEM ? r : 0;
}

static int try_all(struct context *c, const struct selection *s, struct connect_plan *p, struct listening *l)
{
	struct connect_options o = {
		.services = s->list.v.v, .nservices = s->list.v.len, .asked = s->asked.v, .nasked = s->asked.len, .port = c->o.port,
		.count = c->o.count, .http = c->o.http != NULL, .udp = c->o.udp, .entered = c->o.from_netns || c->o.from_pid,
	};
	/* what a kubelet gives to every container */
	o.in_pod = !o.entered && getenv("KUBERNETES_SERVICE_HOST") != NULL;
	int r = own_addresses(p, &o.host_addrs, &o.nhost_addrs);
	r = r == 0 ? enter(c) : r;
	r = r == 0 ? own_addresses(p, &o.addrs, &o.naddrs) : r;
	r = r == 0 ? connect_plan_make(&c->snapshot, &o, p) : r;
	if (r == 0) {
		r = send_all(c, p);
	}
	r = r == 0 ? look_for_listeners(p, l) : r;
	(void)kernel_drop_capabilities();
	return r;
}

static int report_selection(struct context *c, const struct selection *s)
{
	struct connect_plan p CLEANUP(connect_plan_release) = { 0 };
	struct listening l CLEANUP(listening_release) = { 0 };
	struct diagnosis d CLEANUP(diagnosis_release) = { 0 };
	signals_hold();
	int r = try_all(c, s, &p, &l);
	signals_let();
	if (r == 0) {
		r = connect_judge(&c->snapshot, &p, &d);
	}
	if (r == 0) {
		r = selection_add_missing(s, &d);
	}
	if (r != 0) {
		return r > 0 && r != CODE_USAGE ? (report_nothing(&c->report) < 0 ? -ENOMEM : r) : r;
	}
	signals_hold();
	r = report_connect(&c->report, &p, &d);
	return r < 0 ? r : (int)code_of_diagnosis(&c->o, &d);
}

static int run(struct context *c)
{
	int r = check_options(c);
	if (r != 0) {
		return r;
	}
	r = setup_read(c);
	setup_report(c);
	if (r > 0) {
		return report_nothing(&c->report) < 0 ? -ENOMEM : r;
	}
	return r < 0 ? r : selection_run(c, report_selection);
}

const struct command command_connect = {
	.name = "connect",
	.arguments = "SERVICE...",
	.args_min = 1,
	.args_max = 100,
	.help = "tries the endpoints and addresses of Services (sends packets to them)",
	.complete = COMPLETE_SERVICE,
	.needs = COMMAND_NEEDS_SNAPSHOT | COMMAND_READS_ITSELF | COMMAND_KEEPS_RIGHTS,
	.options = options,
	.run = run,
};
