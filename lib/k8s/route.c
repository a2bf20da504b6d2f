/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decoders of the Gateway API (routes, Gateways, ReferenceGrants) and of IngressClasses. */

#include "k8s-private.h"

/* "core" is how some write the group of Services; the API itself says "". */
static const char *group_or(const char *group, const char *def)
{
	return group ? group : def;
}

static struct k8s_route_parent decode_parent(struct k8s_dec *d, const json_t *o, const char *route_ns)
{
	const char *ns = dec_name(d, o, "namespace"), *kind = dec_name(d, o, "kind");

	return (struct k8s_route_parent){
		.group = group_or(dec_name(d, o, "group"), "gateway.networking.k8s.io"),
		.kind = kind ? kind : "Gateway",
		.ns = ns ? ns : route_ns,
		.name = dec_name(d, o, "name"),
	};
}

static void decode_parents(struct k8s_dec *d, const json_t *spec, struct k8s_route *r)
{
	const json_t *a = dec_arr(d, spec, "parentRefs");
	size_t len = json_array_size(a);
	struct k8s_route_parent *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++)
		v[i] = decode_parent(d, json_array_get(a, i), r->meta.ns);
	r->parents = v;
	r->nparents = v ? len : 0;
}

/* What leads to the backends of a rule, for people: its first path, or the first method of gRPC. */
static const char *rule_path(struct k8s_dec *d, const json_t *rule)
{
	const json_t *match = json_array_get(json_arr(rule, "matches"), 0);
	const char *path = dec_text(d, json_obj(match, "path"), "value");

	return path ? path : dec_text(d, json_obj(match, "method"), "service");
}

static struct k8s_route_backend decode_backend(struct k8s_dec *d, const json_t *o, const char *route_ns, const char *path)
{
	const char *ns = dec_name(d, o, "namespace"), *kind = dec_name(d, o, "kind");

	return (struct k8s_route_backend){
		.group = group_or(dec_name(d, o, "group"), ""),
		.kind = kind ? kind : "Service",
		.ns = ns ? ns : route_ns,
		.name = dec_name(d, o, "name"),
		.port = (uint16_t)dec_int(d, o, "port", 0, UINT16_MAX, 0),
		.weight = (uint32_t)dec_int(d, o, "weight", 0, 1000000, 1),
		.path = path,
	};
}

static void decode_backends(struct k8s_dec *d, const json_t *spec, struct k8s_route *r)
{
	const json_t *rules = dec_arr(d, spec, "rules"), *rule;
	struct k8s_route_backend *v;
	size_t len = 0, i;

	json_array_foreach(rules, i, rule)
		len += json_array_size(dec_arr(d, rule, "backendRefs"));
	v = dec_array(d, len, sizeof(*v));
	r->backends = v;
	if (!v)
		return;
	json_array_foreach(rules, i, rule) {
		const json_t *a = dec_arr(d, rule, "backendRefs");
		const char *path = rule_path(d, rule);

		for (size_t k = 0; k < json_array_size(a); k++)
			v[r->nbackends++] = decode_backend(d, json_array_get(a, k), r->meta.ns, path);
	}
}

static void decode_parent_status(struct k8s_dec *d, const json_t *status, struct k8s_route *r)
{
	const json_t *a = dec_arr(d, status, "parents");
	size_t len = json_array_size(a);
	struct k8s_route_status *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++) {
		const json_t *o = json_array_get(a, i);

		v[i].parent = decode_parent(d, dec_obj(d, o, "parentRef"), r->meta.ns);
		v[i].controller = dec_text(d, o, "controllerName");
		v[i].conditions = dec_conditions(d, o, &v[i].nconditions);
	}
	r->statuses = v;
	r->nstatuses = v ? len : 0;
}

void decode_route(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_route *r = dec_new(d, struct k8s_route, m);
	const json_t *spec = dec_obj(d, o, "spec");

	if (!r)
		return;
	r->kind = dec_intern(d, d->kind);
	d->where = "spec";
	r->hostnames = dec_strs(d, spec, "hostnames", &r->nhostnames);
	decode_parents(d, spec, r);
	d->where = "spec.rules[]";
	decode_backends(d, spec, r);
	d->where = "status";
	decode_parent_status(d, dec_obj(d, o, "status"), r);
	dec_keep(d, &d->c->routes, r);
}

void decode_gateway(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_gateway *g = dec_new(d, struct k8s_gateway, m);
	const json_t *status = dec_obj(d, o, "status");

	if (!g)
		return;
	d->where = "spec";
	g->class_name = dec_name(d, dec_obj(d, o, "spec"), "gatewayClassName");
	d->where = "status";
	g->naddresses = json_array_size(dec_arr(d, status, "addresses"));
	g->conditions = dec_conditions(d, status, &g->nconditions);
	dec_keep(d, &d->c->gateways, g);
}

static const struct k8s_grant_ref *decode_grant_refs(struct k8s_dec *d, const json_t *spec, const char *key, size_t *ret_len)
{
	const json_t *a = dec_arr(d, spec, key);
	size_t len = json_array_size(a);
	struct k8s_grant_ref *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++) {
		const json_t *o = json_array_get(a, i);

		v[i] = (struct k8s_grant_ref){
			.group = group_or(dec_name(d, o, "group"), ""),
			.kind = dec_name(d, o, "kind"),
			.ns = dec_name(d, o, "namespace"),
			.name = dec_name(d, o, "name"),
		};
	}
	*ret_len = v ? len : 0;
	return v;
}

void decode_grant(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_grant *g = dec_new(d, struct k8s_grant, m);
	const json_t *spec = dec_obj(d, o, "spec");

	if (!g)
		return;
	d->where = "spec";
	g->from = decode_grant_refs(d, spec, "from", &g->nfrom);
	g->to = decode_grant_refs(d, spec, "to", &g->nto);
	dec_keep(d, &d->c->grants, g);
}

void decode_ingress_class(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_ingress_class *c = dec_new(d, struct k8s_ingress_class, m);

	if (!c)
		return;
	d->where = "spec";
	c->controller = dec_name(d, dec_obj(d, o, "spec"), "controller");
	dec_keep(d, &d->c->ingress_classes, c);
}

static bool grants_from(const struct k8s_grant *g, const char *kind, const char *ns)
{
	for (size_t i = 0; i < g->nfrom; i++)
		if (str_is(g->from[i].group, "gateway.networking.k8s.io") && str_is(g->from[i].kind, kind) && str_is(g->from[i].ns, ns))
			return true;
	return false;
}

static bool grants_to(const struct k8s_grant *g, const char *service)
{
	for (size_t i = 0; i < g->nto; i++)
		if (str_is(g->to[i].group, "") && str_is(g->to[i].kind, "Service") && (!g->to[i].name || !*g->to[i].name || strcmp(g->to[i].name, service) == 0))
			return true;
	return false;
}

bool k8s_route_granted(const struct k8s_cluster *c, const struct k8s_route *r, const char *ns, const char *service)
{
	if (strcmp(r->meta.ns, ns) == 0)
		return true;
	for (size_t i = 0; i < c->grants.len; i++) {
		const struct k8s_grant *g = c->grants.v[i];

		if (strcmp(g->meta.ns, ns) == 0 && grants_from(g, r->kind, r->meta.ns) && grants_to(g, service))
			return true;
	}
	return false;
}
