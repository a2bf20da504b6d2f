/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ingresses: backends that are not there, have no such port or no endpoints; classes that nobody has; and those that no
 * controller has given an address. With Services named on the command line, only Ingresses that concern them.
 */
#include "checks-private.h"

/* ---- backends ---- */

static bool service_has_port(const struct k8s_service *s, const struct k8s_ingress_backend *b)
{
	for (size_t i = 0; i < s->nports; i++)
		if (b->port_name ? strcmp(s->ports[i].name, b->port_name) == 0 : s->ports[i].port == b->port)
			return true;
	return !b->port_name && !b->port;
}

static const char *backend_port(struct run *r, const struct k8s_ingress_backend *b)
{
	return b->port_name ? b->port_name : run_printf(r, "%u", b->port);
}

static const char *where(struct run *r, const struct k8s_ingress_backend *b)
{
	if (b->path && *b->path)
		return run_printf(r, "path %s", b->path);
	return b->host && *b->host ? run_printf(r, "host %s", b->host) : b->host ? "every path" : "default backend";
}

static struct finding *ingress_finding(struct run *r, const char *id, const char *detail, const struct k8s_ingress *in)
{
	struct finding *f = finding_new(r, id, NULL, detail, run_printf(r, "Ingress %s/%s", in->meta.ns, in->meta.name));

	f->rank = 50;
	finding_cluster(f);
	finding_partial(f);
	return f;
}

static void port_missing(struct run *r, struct finding *f, const struct k8s_ingress *in, const struct k8s_ingress_backend *b,
			 const struct k8s_service *s)
{
	const char *instead = port_instead(r, s, b->port_name, b->port, 0);

	finding_concerns(r, f, s);
	finding_text(r, f, "Ingress %s/%s sends %s to port %s of Service %s/%s, which has no such port", in->meta.ns, in->meta.name,
		     where(r, b), backend_port(r, b), s->meta.ns, s->meta.name);
	if (instead)
		finding_evidence(r, f, "%s; an Ingress names the Service's port", instead);
	for (size_t i = 0; i < s->nports; i++)
		finding_evidence(r, f, "Service %s/%s has port %u%s%s", s->meta.ns, s->meta.name, s->ports[i].port,
				 s->ports[i].name[0] ? " named " : "", s->ports[i].name);
}

static void ingress_fault(struct run *r, const struct k8s_ingress *in, const struct k8s_ingress_backend *b,
			  const struct k8s_service *s)
{
	const char *detail = run_printf(r, "%s:%s %s%s", b->service, backend_port(r, b), b->host ? b->host : "",
					b->path ? b->path : "");
	struct finding *f = ingress_finding(r, s ? "ingress-backend-port-missing" : "ingress-backend-missing", detail, in);

	finding_changed(f, &in->meta);
	if (s)
		port_missing(r, f, in, b, s);
	else
		finding_text(r, f, "Ingress %s/%s sends %s to Service %s/%s, which does not exist", in->meta.ns, in->meta.name,
			     where(r, b), in->meta.ns, b->service);
	finding_next(r, f, "kubectl -n %s describe ingress %s", in->meta.ns, in->meta.name);
	finding_next(r, f, "kubectl -n %s get services", in->meta.ns);
	finding_fix(r, f, "kubectl -n %s edit ingress %s", in->meta.ns, in->meta.name);
}

/* One for the Ingress and the Service, however many paths lead there. */
static void no_endpoints(struct run *r, const struct k8s_ingress *in, const struct k8s_ingress_backend *first, struct svc *v)
{
	struct finding *f = ingress_finding(r, "ingress-backend-no-endpoints", v->o->meta.name, in);
	size_t paths = 0;

	for (const struct k8s_ingress_backend *b = first; b < in->backends + in->nbackends; b++)
		paths += str_is(b->service, v->o->meta.name);
	finding_concerns(r, f, v->o);
	finding_text(r, f, "Ingress %s/%s sends %s%s to %s/%s, which has no ready endpoint: its controller answers 503", in->meta.ns, in->meta.name,
		     where(r, first), paths > 1 ? run_printf(r, " and %zu more", paths - 1) : "", v->o->meta.ns, v->o->meta.name);
	finding_next(r, f, "kubectl -n %s describe ingress %s", in->meta.ns, in->meta.name);
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o wide", v->o->meta.ns, v->o->meta.name);
}

static bool told_before(const struct k8s_ingress *in, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (str_is(in->backends[i].service, in->backends[index].service))
			return true;
	return false;
}

static void judge_backend(struct run *r, const struct k8s_ingress *in, size_t index)
{
	const struct k8s_ingress_backend *b = &in->backends[index];
	const struct k8s_service *s = k8s_find_service(r->c, in->meta.ns, b->service);
	struct svc *v = s ? run_svc(r, s) : NULL;

	if (!s && (!run_asked_for(r, in->meta.ns) || !run_would_have(r, K8S_SERVICES, in->meta.ns, b->service)))
		return;
	/* what an ExternalName stands for, and by which ports, is not the cluster's */
	if (s && (!v || v->external_name))
		return;
	if (!s || !service_has_port(s, b))
		ingress_fault(r, in, b, s);
	else if (v->endpoints_known && v->nothing_ready && !told_before(in, index))
		no_endpoints(r, in, b, v);
}

/* ---- classes and addresses ---- */

static const struct k8s_ingress_class *class_of(const struct run *r, const char *name)
{
	for (size_t i = 0; name && i < r->c->ingress_classes.len; i++)
		if (strcmp(r->c->ingress_classes.v[i]->meta.name, name) == 0)
			return r->c->ingress_classes.v[i];
	return NULL;
}

/* The Services behind it that the run is about; false: none. */
static bool concern_backends(struct run *r, const struct k8s_ingress *in, struct finding *f)
{
	bool any = false;

	for (size_t i = 0; i < in->nbackends; i++) {
		const struct k8s_service *s = in->backends[i].service ? k8s_find_service(r->c, in->meta.ns, in->backends[i].service) : NULL;

		if (!s || !run_svc(r, s))
			continue;
		any = true;
		if (f)
			finding_concerns(r, f, s);
	}
	return any;
}

/* Some go by the bare name: whoever has given it an address has taken it up. */
static bool class_is_missing(const struct run *r, const struct k8s_ingress *in)
{
	const struct k8s_ingress_class *c = class_of(r, in->class_name);

	if (!in->class_in_spec || in->naddresses || in->meta.deleted)
		return false;
	return c ? !c->controller || !*c->controller : run_would_have(r, K8S_INGRESSCLASSES, "", in->class_name);
}

static void class_missing(struct run *r, const struct k8s_ingress *in)
{
	struct finding *f = ingress_finding(r, "ingress-class-missing", NULL, in);

	concern_backends(r, in, f);
	finding_changed(f, &in->meta);
	if (class_of(r, in->class_name))
		finding_text(r, f, "Ingress %s/%s is of class %s, which names no controller: nobody takes it up", in->meta.ns, in->meta.name,
			     in->class_name);
	else
		finding_text(r, f, "Ingress %s/%s is of class %s, and there is no such IngressClass: nobody takes it up", in->meta.ns, in->meta.name,
			     in->class_name);
	for (size_t i = 0; i < r->c->ingress_classes.len && i < 8; i++)
		finding_evidence(r, f, "there is IngressClass %s, of controller %s", r->c->ingress_classes.v[i]->meta.name,
				 r->c->ingress_classes.v[i]->controller ? r->c->ingress_classes.v[i]->controller : "(none)");
	finding_event(r, f, run_event(r, "Ingress", in->meta.ns, in->meta.name, NULL));
	finding_next(r, f, "kubectl get ingressclasses");
	finding_next(r, f, "kubectl -n %s describe ingress %s", in->meta.ns, in->meta.name);
	if (r->c->ingress_classes.len == 1)
		finding_fix(r, f, "kubectl -n %s patch ingress %s --type merge -p '{\"spec\":{\"ingressClassName\":\"%t\"}}'", in->meta.ns,
			    in->meta.name, r->c->ingress_classes.v[0]->meta.name);
}

/* Ingresses of one class, of those that were read. */
struct class_tally {
	size_t with, without;
	bool told;
};

static struct class_tally *tally_of(struct run *r, struct map *m, const struct k8s_ingress *in)
{
	const char *key = in->class_name ? in->class_name : "";
	struct class_tally *t = map_gets(m, key);

	if (t)
		return t;
	t = arena_new(&r->scratch, struct class_tally);
	if (!t || map_puts(m, key, t) < 0) {
		r->err = -ENOMEM;
		return NULL;
	}
	return t;
}

static const char *of_class(struct run *r, const struct k8s_ingress *in)
{
	return in->class_name ? run_printf(r, "of class %s", in->class_name) : "without a class";
}

/*
 * Some controllers publish no address at all: only where others of the class have one does it tell something of this one. Where
 * none has, that is said once.
 */
static void no_address(struct run *r, const struct k8s_ingress *in, struct class_tally *t)
{
	const struct k8s_event *e = run_event(r, "Ingress", in->meta.ns, in->meta.name, NULL);
	const struct k8s_ingress_class *c = class_of(r, in->class_name);
	const bool alone = t->with > 0 || e;
	struct finding *f;

	if (!alone && t->told)
		return;
	t->told |= !alone;
	f = ingress_finding(r, "ingress-no-address", NULL, in);
	if (alone) {
		concern_backends(r, in, f);
		finding_text(r, f, "Ingress %s/%s has no address: no controller has said that it serves it", in->meta.ns, in->meta.name);
	} else {
		finding_text(r, f, "no Ingress %s has an address (%zu, such as %s/%s): the controller publishes none, or does not run",
			     of_class(r, in), t->without, in->meta.ns, in->meta.name);
	}
	if (e)
		finding_severity(f, SEVERITY_WARNING);
	f->since = in->meta.created;
	if (t->with)
		finding_evidence(r, f, "%zu other Ingress%s %s ha%s one", t->with, t->with == 1 ? "" : "es", of_class(r, in), t->with == 1 ? "s" : "ve");
	if (c && c->controller && *c->controller)
		finding_evidence(r, f, "IngressClass %s is of controller %s", c->meta.name, c->controller);
	finding_event(r, f, e);
	finding_next(r, f, "kubectl -n %s describe ingress %s", in->meta.ns, in->meta.name);
	finding_next(r, f, "kubectl get ingressclasses");
}

/*
 * Only where the classes are known: else nobody can tell one that is served from one that is not. Where there is none, nothing shows
 * that a controller was ever meant to run.
 */
void check_ingress_classes(struct run *r)
{
	CLEANUP(map_release) struct map tallies = { 0 };

	if (!run_has(r, K8S_INGRESSCLASSES))
		return;
	for (size_t i = 0; i < r->c->ingresses.len && !r->err; i++) {
		const struct k8s_ingress *in = r->c->ingresses.v[i];
		struct class_tally *t = in->meta.deleted ? NULL : tally_of(r, &tallies, in);

		if (t)
			*(in->naddresses ? &t->with : &t->without) += 1;
	}
	for (size_t i = 0; i < r->c->ingresses.len && !r->err; i++) {
		const struct k8s_ingress *in = r->c->ingresses.v[i];

		if (in->meta.deleted || in->naddresses || (!run_asked_for(r, in->meta.ns) && !concern_backends(r, in, NULL)))
			continue;
		if (class_is_missing(r, in))
			class_missing(r, in);
		else if (class_of(r, in->class_name) || (!in->class_in_spec && r->c->ingress_classes.len))
			no_address(r, in, tally_of(r, &tallies, in));
	}
}

void check_ingresses(struct run *r)
{
	for (size_t i = 0; i < r->c->ingresses.len; i++) {
		const struct k8s_ingress *in = r->c->ingresses.v[i];

		for (size_t j = 0; j < in->nbackends && !in->meta.deleted; j++)
			if (in->backends[j].service && !in->backends[j].resource)
				judge_backend(r, in, j);
	}
}
