/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The API server as a client: Services that webhooks and aggregated APIs are behind. */
#include "checks-private.h"

static const char *caller_text(struct run *r, const struct k8s_caller *c, const struct k8s_call *call)
{
	return call->name ? run_printf(r, "webhook %.253s of %s %s", call->name, c->kind, c->meta.name)
			  : run_printf(r, "%s %s", c->kind, c->meta.name);
}

static const char *consequence(const struct k8s_call *call)
{
	if (!call->name)
		return "that part of the API is not available";
	return call->ignored ? "requests go on without it" : "the API server refuses the requests that it should ask about";
}

static bool has_port(const struct k8s_service *s, uint16_t port)
{
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i].port == port)
			return true;
	return false;
}

/* Why the call cannot work; NULL: nothing is known against it. @v NULL: there is no such Service. */
static const char *call_fault(struct run *r, const struct k8s_caller *c, const struct k8s_call *call, const struct svc *v)
{
	const struct k8s_condition *cond = k8s_condition(c->conditions, c->nconditions, "Available");
	const char *instead;

	if (!v)
		return "which does not exist";
	if (!has_port(v->o, call->port)) {
		instead = port_instead(r, v->o, NULL, call->port, 0);
		return run_printf(r, "which has no port %u%s%s", call->port, instead ? ": " : "", instead ? instead : "");
	}
	if (v->endpoints_known && v->nothing_ready)
		return "which has no ready endpoint";
	if (cond && str_is(cond->status, "False"))
		return run_printf(r, "and gets no answer (%.60s)", cond->reason ? cond->reason : "no reason is given");
	return NULL;
}

static void call_finding(struct run *r, const struct k8s_caller *c, const struct k8s_call *call, struct svc *v, const char *why)
{
	const struct k8s_condition *cond = k8s_condition(c->conditions, c->nconditions, "Available");
	struct finding *f = finding_new(r, "webhook-apiservice-unreachable", NULL, call->name, run_printf(r, "%s %s", c->kind, c->meta.name));

	f->rank = 33;
	finding_cluster(f);
	finding_partial(f);
	if (call->ignored)
		finding_severity(f, SEVERITY_WARNING);
	if (v)
		finding_concerns(r, f, v->o);
	finding_text(r, f, "%s calls Service %s/%s, %s: %s", caller_text(r, c, call), call->ns, call->service, why, consequence(call));
	if (cond && str_is(cond->status, "False")) {
		finding_evidence(r, f, "condition Available is False: %.300s", cond->message ? cond->message : "no message");
		f->since = cond->since;
	}
	if (v && has_port(v->o, call->port) && !v->nothing_ready)
		finding_evidence(r, f, "the Service has endpoints: the way from the hosts of the API servers to their pods is to be looked at");
	finding_next(r, f, "kubectl -n %s get service %s -o wide", call->ns, call->service);
	if (str_is(c->kind, "APIService"))
		finding_next(r, f, "kubectl get apiservice %s -o yaml", c->meta.name);
	else
		finding_next(r, f, "kubectl get %s %s -o yaml",
			     str_is(c->kind, "MutatingWebhookConfiguration") ? "mutatingwebhookconfiguration" : "validatingwebhookconfiguration",
			     c->meta.name);
}

/* With Services named on the command line, only what calls those. */
void check_callers(struct run *r)
{
	for (size_t i = 0; i < r->c->callers.len; i++)
		for (size_t j = 0; j < r->c->callers.v[i]->ncalls; j++) {
			const struct k8s_caller *c = r->c->callers.v[i];
			const struct k8s_call *call = &c->calls[j];
			const struct k8s_service *s;
			struct svc *v;
			const char *why;

			if (!call->ns || !call->service)
				continue;
			s = k8s_find_service(r->c, call->ns, call->service);
			v = s ? run_svc(r, s) : NULL;
			if (s ? !v || v->external_name
			      : !run_asked_for(r, call->ns) || !run_would_have(r, K8S_SERVICES, call->ns, call->service))
				continue;
			why = call_fault(r, c, call, v);
			if (why)
				call_finding(r, c, call, v, why);
		}
}
