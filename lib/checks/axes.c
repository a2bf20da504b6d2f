/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line that stands beside each axis of a Service, and what stands under it. */
#include "checks-private.h"

#define DETAILS_MAX 10

static const char *finding_line(struct service_result *sr, enum axis a)
{
	for (size_t i = 0; i < sr->causes.len + sr->explained.len; i++) {
		const struct finding *f = i < sr->causes.len ? sr->causes.v[i] : sr->explained.v[i - sr->causes.len];

		if (f->axis == a && f->severity > SEVERITY_INFO)
			return f->text;
	}
	return NULL;
}

static void first_finding_line(struct service_result *sr, enum axis a)
{
	const char *line = finding_line(sr, a);

	if (line)
		sr->axes[a].line = line;
}

void axis_name_result(struct run *r, struct svc *v, struct service_result *sr)
{
	struct axis_result *ar = &sr->axes[AXIS_NAME];

	dns_axis(r, v, ar);
	/* that some form of it does not resolve says what its findings explain */
	if (ar->state != AXIS_WARNING)
		first_finding_line(sr, AXIS_NAME);
}

/* ---- endpoints ---- */

static const char *of_text(struct run *r, size_t n, size_t all, const char *what)
{
	return run_printf(r, "%zu of %zu %s%s ready", n, all, what, all == 1 ? " is" : "s are");
}

static const char *pods_text(struct run *r, const struct svc *v)
{
	const char *s;

	if (!v->pods->v.len)
		return v->listed ? of_text(r, v->ready, v->listed, "endpoint")
				 : run_printf(r, "no pod matches the selector %s", labels_text(r, &v->o->selector));
	if (!v->pods->live)
		return run_printf(r, "all %zu pods have finished", v->pods->v.len);
	s = of_text(r, v->pods->ready, v->pods->live, "pod");
	if (!v->pods->ready || !run_reaches(r, K8S_SLICES, v) || !v->nothing_ready)
		return s;
	return run_printf(r,
			  v->ready ? "%s, but no endpoint has a port that the Service asks for"
				   : "%s, but none of them is an endpoint",
			  s);
}

static void pod_details(struct run *r, const struct svc *v, struct axis_result *ar)
{
	int name = 0, node = 0, addr = 0;
	size_t shown = MIN(v->pods->v.len, (size_t)DETAILS_MAX);

	for (size_t i = 0; i < shown; i++) {
		const struct k8s_pod *p = v->pods->v.v[i];
		char buf[IP_ADDR_STRLEN];

		name = MAX(name, (int)MIN(strlen(p->meta.name), (size_t)60));
		node = MAX(node, p->node ? (int)MIN(strlen(p->node), (size_t)60) : 1);
		addr = MAX(addr, p->nips ? (int)strlen(ip_addr_format(&p->ips[0], buf)) : 1);
	}
	for (size_t i = 0; i < shown; i++) {
		const struct k8s_pod *p = v->pods->v.v[i];
		char buf[IP_ADDR_STRLEN];
		struct pod_view w;

		pod_view(r, p, &w);
		run_push(r, &ar->details,
			 run_printf(r, "%-*s   %-*s   %-*s   %s", name, p->meta.name, node, p->node ? p->node : "-",
				    addr, p->nips ? ip_addr_format(&p->ips[0], buf) : "-", pod_line(r, &w)));
	}
	if (v->pods->v.len > shown)
		run_push(r, &ar->details, run_printf(r, "and %zu more pods", v->pods->v.len - shown));
}

/* What is seen of the pods alone says nothing of what kube-proxy and the DNS read, and the reverse: what was asked for and is not there. */
static const char *unread_part(struct run *r)
{
	static const enum k8s_kind core[] = { K8S_SLICES, K8S_PODS };

	for (size_t i = 0; i < ARRAY_LEN(core); i++) {
		const char *plural = k8s_kind_plural(core[i]);

		switch (r->s->kinds[core[i]]) {
		case KNOWN:
		case NOT_COLLECTED:
			break;
		case FORBIDDEN:
			return run_printf(r, "%s may not be read", plural);
		case PARTLY_KNOWN:
			return run_printf(r, "some %s could not be read", plural);
		case LATE:
			return run_printf(r, "%s came too late", plural);
		case UNREADABLE:
		case UNSUPPORTED:
			return run_printf(r, "%s could not be read", plural);
		}
	}
	return NULL;
}

void axis_endpoints_result(struct run *r, struct svc *v, struct service_result *sr)
{
	struct axis_result *ar = &sr->axes[AXIS_ENDPOINTS];
	const char *unread = v->external_name ? NULL : unread_part(r);

	ar->state = AXIS_OK;
	if (r->o->axes_given && !r->o->axes[AXIS_ENDPOINTS]) {
		ar->state = AXIS_NOT_LOOKED_AT;
		ar->line = "not looked at";
	} else if (v->external_name) {
		ar->line = run_printf(r, "none are needed: the name stands for %.253s",
				      v->o->external_name ? v->o->external_name : "nothing");
	} else if (!v->endpoints_known) {
		ar->state = r->d->axis_has_source[AXIS_ENDPOINTS] ? AXIS_SKIPPED : AXIS_NOT_LOOKED_AT;
		ar->line = ar->state == AXIS_SKIPPED ? "EndpointSlices are not known" : "not looked at";
	} else if (v->o->selector.len && run_reaches(r, K8S_PODS, v)) {
		ar->line = pods_text(r, v);
		if (v->pods->live != v->pods->ready)
			pod_details(r, v, ar);
	} else if (!v->listed) {
		ar->line = v->o->selector.len ? "no endpoints" : "no endpoints, and no selector that would make any";
	} else {
		ar->line = of_text(r, v->ready, v->listed, "endpoint");
	}
	if (ar->state == AXIS_OK && unread) {
		ar->state = AXIS_SKIPPED;
		ar->line = run_printf(r, "%s; %s", ar->line, unread);
	}
}

/* ---- rules ---- */

struct rules_tally {
	ARRAY_OF(const char *) nodes;
	size_t all, ok, refused, differ, undecided;
};

static void tally(struct run *r, struct rules_tally *t, const struct verify_frontend *f)
{
	if (f->state == FRONTEND_NOT_JUDGED)
		return;
	if (!t->nodes.len || strcmp(t->nodes.v[t->nodes.len - 1], f->node) != 0)
		run_push(r, &t->nodes, f->node);
	t->all++;
	t->ok += f->state == FRONTEND_OK || (f->state == FRONTEND_DIFFERS && f->minor);
	t->refused += f->state == FRONTEND_OK && f->refused_as_expected;
	t->differ += f->state == FRONTEND_DIFFERS && !f->minor;
	t->undecided += f->state == FRONTEND_UNDECIDED;
}

static const char *nodes_text(struct run *r, const struct rules_tally *t)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < t->nodes.len && i < 4; i++)
		strbuf_addf(&b, "%s%s", i ? ", " : "", t->nodes.v[i]);
	if (t->nodes.len > 4)
		strbuf_addf(&b, " and %zu more nodes", t->nodes.len - 4);
	return run_printf(r, "%s", strbuf_str(&b));
}

static const char *left_alone(const struct k8s_service *s)
{
	if (strcmp(s->type, "ExternalName") == 0)
		return "none are needed: an ExternalName is for DNS only";
	if (s->headless)
		return "none are needed: the Service is headless";
	return "none are written: the Service is another proxy's";
}

static void tally_line(struct run *r, const struct rules_tally *t, struct axis_result *ar)
{
	const char *nodes = nodes_text(r, t);

	ar->state = AXIS_OK;
	if (t->differ) {
		ar->state = AXIS_WARNING; /* findings say how bad it is */
		ar->line = run_printf(r, "%s: %zu of %zu frontends go wrong", nodes, t->differ, t->all);
	} else if (t->undecided) {
		ar->state = AXIS_SKIPPED;
		ar->line = run_printf(r, "%s: %zu of %zu frontends cannot be decided", nodes, t->undecided, t->all);
	} else if (t->refused == t->all) {
		ar->line = run_printf(r, "%s: connections are refused, as they must be without endpoints", nodes);
	} else {
		ar->line = run_printf(r, "%s: every packet goes where it must (%zu frontend%s)", nodes, t->all,
				      PLURAL(t->all));
	}
}

static void rules_result(struct run *r, const struct rules_tally *t, struct service_result *sr)
{
	struct axis_result *ar = &sr->axes[AXIS_RULES];

	if (!r->d->axis_has_source[AXIS_RULES] || (r->o->axes_given && !r->o->axes[AXIS_RULES])) {
		ar->state = AXIS_NOT_LOOKED_AT;
		ar->line = "not looked at";
		first_finding_line(sr, AXIS_RULES);
	} else if (k8s_service_skipped_by_proxy(sr->service)) {
		ar->state = AXIS_OK;
		ar->line = left_alone(sr->service);
	} else if (!t || !t->all) {
		ar->state = AXIS_SKIPPED;
		ar->line = "no frontend could be judged";
	} else {
		tally_line(r, t, ar);
		if (!t->differ && !t->undecided)
			first_finding_line(sr, AXIS_RULES);
	}
	for (size_t i = 0; i < sr->causes.len && ar->details.len < DETAILS_MAX; i++)
		if (sr->causes.v[i]->axis == AXIS_RULES && sr->causes.v[i]->text != ar->line &&
		    sr->causes.v[i]->severity > SEVERITY_INFO)
			run_push(r, &ar->details, sr->causes.v[i]->text);
}

void axes_rules_results(struct run *r)
{
	CLEANUP(map_release) struct map m = { 0 };
	ARRAY_OF(struct rules_tally *) all = { 0 };

	for (size_t i = 0; i < r->d->verify.fronts.len && !r->err; i++) {
		const struct verify_frontend *f = &r->d->verify.fronts.v[i];
		struct rules_tally *t = f->service ? map_get(&m, &f->service, sizeof(f->service)) : NULL;

		if (!f->service)
			continue;
		if (!t) {
			t = arena_new(&r->scratch, struct rules_tally);
			if (!t || map_put(&m, &f->service, sizeof(f->service), t) < 0) {
				r->err = -ENOMEM;
				break;
			}
			run_push(r, &all, t);
		}
		tally(r, t, f);
	}
	for (size_t i = 0; i < r->d->services.len; i++) {
		struct service_result *sr = &r->d->services.v[i];

		rules_result(r, map_get(&m, &sr->service, sizeof(sr->service)), sr);
	}
	for (size_t i = 0; i < all.len; i++)
		array_free(&all.v[i]->nodes);
	array_free(&all);
}

/* ---- head ---- */

const char *service_head(struct run *r, const struct k8s_service *s)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	char buf[IP_ADDR_STRLEN];

	strbuf_adds(&b, s->type);
	if (strcmp(s->type, "ExternalName") == 0)
		strbuf_addf(&b, " %s", s->external_name ? s->external_name : "");
	else if (s->headless)
		strbuf_adds(&b, " None");
	for (size_t i = 0; i < s->ncluster_ips; i++)
		strbuf_addf(&b, "%s%s", i ? "," : " ", ip_addr_format(&s->cluster_ips[i], buf));
	for (size_t i = 0; i < s->nports && i < 8; i++) {
		const struct k8s_service_port *p = &s->ports[i];

		strbuf_addf(&b, "%s%u/%s", i ? ", " : "   ", p->port, proto_upper(p->proto));
		if (p->node_port)
			strbuf_addf(&b, " (node port %u)", p->node_port);
		strbuf_addf(&b, " -> targetPort %s", target_port_text(r, p));
	}
	if (s->nports > 8)
		strbuf_addf(&b, ", and %zu more", s->nports - 8);
	return run_printf(r, "%s", strbuf_str(&b));
}
