/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes of the Gateway API: backends that are not there, have no such port or no endpoints, or may not be named from another
 * namespace; Gateways that are not there; and what controllers say of a route that nothing here explains. Backends that are no
 * Services are left alone, and so are those of weight 0, to which nothing is sent.
 */
#include "checks-private.h"

#define GROUP "gateway.networking.k8s.io"

/* A route with what was found against it so far. */
struct judged {
	const struct k8s_route *o;
	bool told;
};

static const char *kind_word(const struct k8s_route *o)
{
	static const char *const kinds[][2] = { { "HTTPRoute", "httproute" },
						{ "GRPCRoute", "grpcroute" },
						{ "TLSRoute", "tlsroute" },
						{ "TCPRoute", "tcproute" },
						{ "UDPRoute", "udproute" } };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_is(o->kind, kinds[i][0]))
			return kinds[i][1];
	return "httproute";
}

static const struct k8s_condition *refused(const struct k8s_route *o, const char *type, const struct k8s_route_status **ret_by)
{
	for (size_t i = 0; i < o->nstatuses; i++) {
		const struct k8s_condition *c = k8s_condition(o->statuses[i].conditions, o->statuses[i].nconditions, type);

		if (c && str_is(c->status, "False")) {
			*ret_by = &o->statuses[i];
			return c;
		}
	}
	return NULL;
}

static void condition_evidence(struct run *r, struct finding *f, const struct k8s_route *o, const char *type)
{
	const struct k8s_route_status *by = NULL;
	const struct k8s_condition *c = refused(o, type, &by);

	if (!c)
		return;
	finding_evidence(r, f, "%s is False (%s) by controller %s: %.200s", type, c->reason ? c->reason : "no reason",
			 by->controller ? by->controller : "(not named)", c->message ? c->message : "no message");
	if (!f->since)
		f->since = c->since;
}

static const char *route_text(struct run *r, const struct k8s_route *o)
{
	return run_printf(r, "%s %s/%s", o->kind, o->meta.ns, o->meta.name);
}

static struct finding *route_finding(struct run *r, struct judged *j, const char *id, const char *detail)
{
	struct finding *f = finding_new(r, id, NULL, detail, route_text(r, j->o));

	j->told = true;
	f->rank = 51;
	finding_cluster(f);
	finding_partial(f);
	finding_changed(f, &j->o->meta);
	return f;
}

static void look_at_route(struct run *r, struct finding *f, const struct k8s_route *o)
{
	finding_next(r, f, "kubectl -n %s get %t %s -o yaml", o->meta.ns, kind_word(o), o->meta.name);
}

/* "path /api to Service shop/web" */
static const char *sends(struct run *r, const struct k8s_route_backend *b)
{
	return run_printf(r, "%s%s%sService %s/%s", b->path && *b->path ? b->path[0] == '/' ? "path " : "" : "", b->path && *b->path ? b->path : "",
			  b->path && *b->path ? " to " : "to ", b->ns, b->name);
}

/* ---- backends ---- */

static bool has_port(const struct k8s_service *s, uint16_t port)
{
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i].port == port)
			return true;
	return false;
}

static void backend_missing(struct run *r, struct judged *j, const struct k8s_route_backend *b)
{
	struct finding *f = route_finding(r, j, "gateway-route-backend-missing", run_printf(r, "%s/%s", b->ns, b->name));

	finding_text(r, f, "%s sends %s, which does not exist", route_text(r, j->o), sends(r, b));
	condition_evidence(r, f, j->o, "ResolvedRefs");
	look_at_route(r, f, j->o);
	finding_next(r, f, "kubectl -n %s get services", b->ns);
}

static void port_missing(struct run *r, struct judged *j, const struct k8s_route_backend *b, const struct k8s_service *s)
{
	const char *instead = b->port ? port_instead(r, s, NULL, b->port, 0) : NULL;
	struct finding *f = route_finding(r, j, "gateway-route-backend-port-missing", run_printf(r, "%s/%s:%u", b->ns, b->name, b->port));

	finding_concerns(r, f, s);
	if (b->port)
		finding_text(r, f, "%s sends %s at port %u, which the Service does not have", route_text(r, j->o), sends(r, b), b->port);
	else
		finding_text(r, f, "%s sends %s and names no port, which a Service as backend needs", route_text(r, j->o), sends(r, b));
	if (instead)
		finding_evidence(r, f, "%s; a route names the Service's port", instead);
	for (size_t i = 0; i < s->nports && i < 6; i++)
		finding_evidence(r, f, "Service %s/%s has port %u%s%s", s->meta.ns, s->meta.name, s->ports[i].port,
				 s->ports[i].name[0] ? " named " : "", s->ports[i].name);
	condition_evidence(r, f, j->o, "ResolvedRefs");
	look_at_route(r, f, j->o);
	finding_fix(r, f, "kubectl -n %s edit %t %s", j->o->meta.ns, kind_word(j->o), j->o->meta.name);
}

/* Not granted for certain: by the grants of that namespace, or by what a controller says where these are not known. */
static bool is_refused(struct run *r, const struct k8s_route *o, const struct k8s_route_backend *b)
{
	const struct k8s_route_status *by;
	const struct k8s_condition *c = refused(o, "ResolvedRefs", &by);

	if (k8s_route_granted(r->c, o, b->ns, b->name))
		return false;
	return run_complete_in(r, K8S_GRANTS, b->ns) || (c && str_is(c->reason, "RefNotPermitted"));
}

static void not_granted(struct run *r, struct judged *j, const struct k8s_route_backend *b, const struct k8s_service *s)
{
	struct finding *f = route_finding(r, j, "gateway-route-not-granted", run_printf(r, "%s/%s", b->ns, b->name));

	if (s)
		finding_concerns(r, f, s);
	finding_text(r, f, "%s sends %s, and no ReferenceGrant of namespace %s allows it", route_text(r, j->o), sends(r, b), b->ns);
	finding_evidence(r, f, "a grant there needs from: group " GROUP ", kind %s, namespace %s; to: group \"\", kind Service", j->o->kind, j->o->meta.ns);
	condition_evidence(r, f, j->o, "ResolvedRefs");
	finding_next(r, f, "kubectl -n %s get referencegrants -o yaml", b->ns);
	look_at_route(r, f, j->o);
}

static void no_endpoints(struct run *r, struct judged *j, const struct k8s_route_backend *b)
{
	struct finding *f = route_finding(r, j, "gateway-route-backend-no-endpoints", run_printf(r, "%s/%s", b->ns, b->name));
	const bool http = str_is(j->o->kind, "HTTPRoute") || str_is(j->o->kind, "GRPCRoute");

	finding_concerns(r, f, k8s_find_service(r->c, b->ns, b->name));
	f->since = NULL; /* the route is not the reason */
	f->changed_by = NULL;
	finding_text(r, f, "%s sends %s, which has no ready endpoint: %s", route_text(r, j->o), sends(r, b),
		     http ? "clients get 503" : "connections are closed");
	look_at_route(r, f, j->o);
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o wide", b->ns, b->name);
}

static bool told_before(const struct k8s_route *o, size_t index)
{
	const struct k8s_route_backend *b = &o->backends[index];

	for (size_t i = 0; i < index; i++)
		if (str_is(o->backends[i].name, b->name) && str_is(o->backends[i].ns, b->ns) && o->backends[i].port == b->port && o->backends[i].weight)
			return true;
	return false;
}

static void judge_backend(struct run *r, struct judged *j, size_t index)
{
	const struct k8s_route_backend *b = &j->o->backends[index];
	const struct k8s_service *s;
	struct svc *v;

	if (!b->name || !b->weight || !str_is(b->kind, "Service") || (*b->group && !str_is(b->group, "core")) || told_before(j->o, index))
		return;
	s = k8s_find_service(r->c, b->ns, b->name);
	v = s ? run_svc(r, s) : NULL;
	if (s ? !v : !run_asked_for(r, j->o->meta.ns) && !run_asked_for(r, b->ns))
		return;
	if (is_refused(r, j->o, b))
		not_granted(r, j, b, s);
	else if (!s && run_would_have(r, K8S_SERVICES, b->ns, b->name))
		backend_missing(r, j, b);
	else if (s && !v->external_name && !has_port(s, b->port))
		port_missing(r, j, b, s);
	else if (s && v->endpoints_known && v->nothing_ready)
		no_endpoints(r, j, b);
}

/* ---- parents ---- */

static bool gateway_exists(const struct run *r, const struct k8s_route_parent *p)
{
	for (size_t i = 0; i < r->c->gateways.len; i++)
		if (strcmp(r->c->gateways.v[i]->meta.name, p->name) == 0 && strcmp(r->c->gateways.v[i]->meta.ns, p->ns) == 0)
			return true;
	return false;
}

/* The Services behind it that the run is about; false: none. */
static bool concern_backends(struct run *r, const struct k8s_route *o, struct finding *f)
{
	bool any = false;

	for (size_t i = 0; i < o->nbackends; i++) {
		const struct k8s_route_backend *b = &o->backends[i];
		const struct k8s_service *s = b->name && str_is(b->kind, "Service") ? k8s_find_service(r->c, b->ns, b->name) : NULL;

		if (!s || !b->weight || !run_svc(r, s))
			continue;
		any = true;
		if (f)
			finding_concerns(r, f, s);
	}
	return any;
}

static void judge_parent(struct run *r, struct judged *j, const struct k8s_route_parent *p)
{
	struct finding *f;

	if (!p->name || !str_is(p->group, GROUP) || !str_is(p->kind, "Gateway") || gateway_exists(r, p) ||
	    !run_would_have(r, K8S_GATEWAYS, p->ns, p->name))
		return;
	f = route_finding(r, j, "gateway-route-parent-missing", run_printf(r, "%s/%s", p->ns, p->name));
	concern_backends(r, j->o, f);
	finding_text(r, f, "%s wants to be part of Gateway %s/%s, which does not exist", route_text(r, j->o), p->ns, p->name);
	for (size_t i = 0; i < r->c->gateways.len && i < 6; i++)
		finding_evidence(r, f, "there is Gateway %s/%s", r->c->gateways.v[i]->meta.ns, r->c->gateways.v[i]->meta.name);
	finding_next(r, f, "kubectl get gateways -A");
	look_at_route(r, f, j->o);
}

/* What a controller says against the route, where nothing that was found explains it. */
static void judge_status(struct run *r, struct judged *j)
{
	const struct k8s_route_status *by = NULL;
	const struct k8s_condition *c = refused(j->o, "Accepted", &by);
	struct finding *f;

	c = c ? c : refused(j->o, "ResolvedRefs", &by);
	if (!c || j->told)
		return;
	f = route_finding(r, j, "gateway-route-not-accepted", NULL);
	concern_backends(r, j->o, f);
	f->since = c->since;
	f->changed_by = NULL;
	if (str_is(c->type, "Accepted"))
		finding_text(r, f, "%s is not accepted by %s %s/%s (%s)", route_text(r, j->o), by->parent.kind, by->parent.ns,
			     by->parent.name ? by->parent.name : "", c->reason ? c->reason : "no reason is given");
	else
		finding_text(r, f, "a controller cannot resolve what %s names (%s)", route_text(r, j->o), c->reason ? c->reason : "no reason is given");
	condition_evidence(r, f, j->o, "Accepted");
	condition_evidence(r, f, j->o, "ResolvedRefs");
	look_at_route(r, f, j->o);
}

/* With Services named on the command line, only routes that concern them. */
void check_gateway_routes(struct run *r)
{
	for (size_t i = 0; i < r->c->routes.len && !r->err; i++) {
		struct judged j = { .o = r->c->routes.v[i] };

		if (j.o->meta.deleted)
			continue;
		for (size_t k = 0; k < j.o->nbackends; k++)
			judge_backend(r, &j, k);
		if (!run_asked_for(r, j.o->meta.ns) && !concern_backends(r, j.o, NULL))
			continue;
		for (size_t k = 0; k < j.o->nparents; k++)
			judge_parent(r, &j, &j.o->parents[k]);
		judge_status(r, &j);
	}
}
