/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One diagnosis from beginning to end: indexes, object checks, verify, verdict; and the names of the states. */
#include "checks-private.h"

const char *axis_name(enum axis a)
{
	static const char *const names[] = { "name", "endpoints", "rules" };

	return (unsigned)a < ARRAY_LEN(names) ? names[a] : "";
}

const char *severity_name(enum severity s)
{
	static const char *const names[] = { "info", "warning", "error" };

	return (unsigned)s < ARRAY_LEN(names) ? names[s] : "";
}

enum severity difference_severity(enum verify_severity s)
{
	switch (s) {
	case VERIFY_INFO:
		return SEVERITY_INFO;
	case VERIFY_WARNING:
		return SEVERITY_WARNING;
	case VERIFY_ERROR:
		break;
	}
	return SEVERITY_ERROR;
}

const char *service_status_name(enum service_status s)
{
	static const char *const names[] = { "healthy", "no-fault-found", "degraded", "broken", "undecided" };

	return (unsigned)s < ARRAY_LEN(names) ? names[s] : "";
}

const char *axis_state_name(enum axis_state s)
{
	static const char *const names[] = { "ok", "warning", "failed", "skipped", "not-looked-at" };

	return (unsigned)s < ARRAY_LEN(names) ? names[s] : "";
}

void diagnosis_release(struct diagnosis *d)
{
	for (size_t i = 0; i < d->findings.len; i++) {
		array_free(&d->findings.v[i]->evidence);
		array_free(&d->findings.v[i]->next);
		array_free(&d->findings.v[i]->fix);
		array_free(&d->findings.v[i]->services);
		array_free(&d->findings.v[i]->explains);
	}
	for (size_t i = 0; i < d->services.len; i++) {
		for (int a = 0; a < AXIS_COUNT; a++)
			array_free(&d->services.v[i].axes[a].details);
		array_free(&d->services.v[i].causes);
		array_free(&d->services.v[i].explained);
	}
	array_free(&d->findings);
	array_free(&d->services);
	array_free(&d->cluster);
	array_free(&d->skipped);
	verify_report_release(&d->verify);
	arena_release(&d->arena);
}

static bool any_rules(const struct snapshot *s)
{
	for (size_t i = 0; i < s->nodes.len; i++)
		if (s->nodes.v[i]->any_rules)
			return true;
	return false;
}

static const char *rules_why_not(struct run *r)
{
	const struct verify_report *v = &r->d->verify;

	if (!run_has(r, K8S_SERVICES))
		return "the Services are not known";
	for (size_t i = 0; i < v->skipped.len; i++)
		if (v->skipped.v[i].reason)
			return run_printf(r, "node %s: %s", v->skipped.v[i].node ? v->skipped.v[i].node : "",
					  v->skipped.v[i].reason);
	if (r->s->live && !any_rules(r->s))
		return SNAP_LIVE_NO_RULES;
	return r->s->nodes.len ? "there are no rules of any node that could be judged"
			       : "there are no rules of any node";
}

void run_sources(struct run *r)
{
	struct diagnosis *d = r->d;
	const bool bundle = r->s->origin && strncmp(r->s->origin, "bundle", 6) == 0;

	d->axis_has_source[AXIS_NAME] = dns_any_answers(r->s);
	d->axis_why_not[AXIS_NAME] = bundle	  ? "the bundle holds no DNS answers"
				     : r->s->live ? "the API server gives no DNS answers: the command dns asks"
						  : "there are no DNS answers";
	d->axis_has_source[AXIS_ENDPOINTS] = run_has(r, K8S_SERVICES) &&
					     (run_has(r, K8S_SLICES) || run_has(r, K8S_PODS) ||
					      run_has(r, K8S_ENDPOINTS));
	if (!d->axis_has_source[AXIS_ENDPOINTS])
		d->axis_why_not[AXIS_ENDPOINTS] = run_has(r, K8S_SERVICES) ? "neither EndpointSlices nor pods are known"
									   : "the Services are not known";
	d->axis_has_source[AXIS_RULES] = d->verify.nodes.len > 0;
	if (!d->axis_has_source[AXIS_RULES])
		d->axis_why_not[AXIS_RULES] = rules_why_not(r);
}

static int run_rules(struct run *r)
{
	const struct verify_options o = { .node = r->o->node,
					  .services = r->o->services,
					  .nservices = r->o->nservices };
	int e;

	if (r->o->axes_given && !r->o->axes[AXIS_RULES])
		return 0;
	e = verify_run(r->s, &o, &r->d->verify);
	if (e < 0)
		return e;
	rules_findings(r);
	proxy_pods_judged(r);
	conntrack_findings(r);
	conntrack_node_findings(r);
	kernel_judged(r);
	proxy_findings(r);
	return 0;
}

/* The tables of DNS, for the lines of its axis. */
static int run_dns(struct run *r, struct dns_report *ret)
{
	int e;

	if (r->o->axes_given && !r->o->axes[AXIS_NAME])
		return 0;
	if (dns_any_answers(r->s)) {
		r->dns = ret;
		e = dns_run(r->s, r->o, ret);
		if (e < 0)
			return e;
		dns_note_unasked(r);
	}
	dns_client_findings(r);
	return 0;
}

int diagnose_run(const struct snapshot *s, const struct diagnose_options *o, struct diagnosis *ret)
{
	struct dns_report dns CLEANUP(dns_report_release) = { 0 };
	struct run r = { .s = s, .c = &s->cluster, .o = o, .d = ret, .a = &ret->arena };

	ret->healthy = -1;
	run_index(&r);
	if (!r.err)
		run_checks(&r);
	if (!r.err)
		r.err = run_rules(&r);
	if (!r.err)
		r.err = run_dns(&r, &dns);
	if (!r.err) {
		run_sources(&r);
		run_verdict(&r);
	}
	run_release(&r);
	return r.err;
}
