/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is read of a cluster, as a pure function of what is wanted and of what the answers so far say: each call adds the questions that
 * have become possible or necessary, until none is missing. A table says how each kind is read in each scope; the few things that depend
 * on answers are below it and in live-near.c. A question is made once, however often the plan comes to it.
 */

#include <errno.h>

#include "live-private.h"

enum how {
	HOW_NOT,       /* nobody needs it, or a later step asks for it */
	HOW_CLUSTER,   /* the list of all namespaces */
	HOW_NAMESPACE, /* the list of the namespace */
	HOW_SELF,      /* the namespace's own object */
	HOW_NAME,      /* the object of the Service's name */
	HOW_LABEL,     /* by label kubernetes.io/service-name */
	HOW_EVENTS,    /* of the object of the Service's name */
};

/* Whose checks use it; GATEWAY: it comes with Gateways, and a server that has none of these has none of those. */
enum { NAME = 1 << 0, ENDPOINTS = 1 << 1, RULES = 1 << 2, ANY = NAME | ENDPOINTS | RULES, GATEWAY = 1 << 3 };

enum { NAMES_MANY = 8 };

/* Checks use warnings only. */
#define WARNINGS "type=Warning"

/* Services, whose fate a message is about; then the longest lists: the pages of one come one after the other, the other lists beside them. */
static const struct row {
	enum k8s_kind kind;
	unsigned axes;
	enum how how[3]; /* by enum live_scope */
} rows[] = {
	{ K8S_SERVICES, ANY, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NAME } },
	{ K8S_PODS, ANY, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
	{ K8S_SLICES, ANY, { HOW_CLUSTER, HOW_NAMESPACE, HOW_LABEL } },
	{ K8S_REPLICASETS, ENDPOINTS, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
	{ K8S_EVENTS, ANY, { HOW_CLUSTER, HOW_NAMESPACE, HOW_EVENTS } },
	{ K8S_ENDPOINTS, ENDPOINTS, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NAME } },
	{ K8S_DEPLOYMENTS, ENDPOINTS, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
	{ K8S_NODES, ENDPOINTS | RULES, { HOW_CLUSTER, HOW_CLUSTER, HOW_NOT } },
	{ K8S_NAMESPACES, ANY, { HOW_CLUSTER, HOW_SELF, HOW_NOT } },
	{ K8S_NETPOLS, NAME | RULES, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NAMESPACE } },
	{ K8S_STATEFULSETS, NAME | ENDPOINTS, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
	{ K8S_DAEMONSETS, ENDPOINTS, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
	{ K8S_JOBS, ENDPOINTS, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
	{ K8S_INGRESSES, ENDPOINTS, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NAMESPACE } },
	{ K8S_SERVICECIDRS, ENDPOINTS | RULES, { HOW_CLUSTER, HOW_CLUSTER, HOW_CLUSTER } },
	{ K8S_VALIDATING, ENDPOINTS, { HOW_CLUSTER, HOW_CLUSTER, HOW_NOT } },
	{ K8S_MUTATING, ENDPOINTS, { HOW_CLUSTER, HOW_CLUSTER, HOW_NOT } },
	{ K8S_APISERVICES, ENDPOINTS, { HOW_CLUSTER, HOW_CLUSTER, HOW_NOT } },
	{ K8S_INGRESSCLASSES, ENDPOINTS, { HOW_CLUSTER, HOW_CLUSTER, HOW_NOT } },
	{ K8S_GATEWAYS, ENDPOINTS, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
	{ K8S_HTTPROUTES, ENDPOINTS | GATEWAY, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
	{ K8S_GRPCROUTES, ENDPOINTS | GATEWAY, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
	{ K8S_TLSROUTES, ENDPOINTS | GATEWAY, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
	{ K8S_TCPROUTES, ENDPOINTS | GATEWAY, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
	{ K8S_UDPROUTES, ENDPOINTS | GATEWAY, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
	{ K8S_GRANTS, ENDPOINTS | GATEWAY, { HOW_CLUSTER, HOW_NAMESPACE, HOW_NOT } },
};

static bool is_wanted(const struct live_want *w, unsigned axes)
{
	return (axes & NAME && w->axes[0]) || (axes & ENDPOINTS && w->axes[1]) || (axes & RULES && w->axes[2]);
}

enum live_scope live_scope(const struct live_plan *p)
{
	return p->want->all ? LIVE_ALL : p->want->nservices > 0 ? LIVE_NAMED : LIVE_NAMESPACE;
}

/* ---- questions ---- */

const char *live_path(struct arena *arena, const struct live_ask *a, unsigned version)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const struct k8s_resource *res = k8s_resource(a->kind);

	strbuf_adds(&b, *res->group ? "/apis" : "/api");
	if (*res->group)
		api_path_add(&b, res->group);
	api_path_add(&b, res->versions[version]);
	if (a->ns && res->namespaced) {
		api_path_add(&b, "namespaces");
		api_path_add(&b, a->ns);
	}
	api_path_add(&b, res->plural);
	if (a->name)
		api_path_add(&b, a->name);
	if (a->labels)
		api_query_add(&b, "labelSelector", a->labels);
	if (a->fields)
		api_query_add(&b, "fieldSelector", a->fields);
	if (a->count)
		api_query_add(&b, "limit", "1");
	return b.failed ? NULL : arena_strdup(arena, strbuf_str(&b));
}

struct api_what live_what(const struct live_ask *a)
{
	const struct k8s_resource *res = k8s_resource(a->kind);

	return (struct api_what){ .verb = a->name ? "get" : "list", .group = res->group, .resource = res->plural,
				  .namespace_ = res->namespaced ? a->ns : NULL, .name = a->name };
}

/* Every API server has these: one that says it has not is none, or too old. */
static bool is_core(enum k8s_kind k)
{
	return !*k8s_resource(k)->group || k == K8S_SLICES;
}

bool live_answered(const struct live_ask *a)
{
	return a->done && (a->outcome == API_OK || (a->outcome == API_NOT_FOUND && a->name) ||
			   (a->outcome == API_NO_KIND && !is_core(a->kind)));
}

struct live_ask *live_ask(struct live_plan *p, const struct live_ask *a)
{
	const char *path = live_path(p->arena, a, 0);
	struct live_ask *mine = path ? map_gets(&p->by_path, path) : NULL;

	if (mine)
		return mine;
	mine = path ? arena_new(p->arena, struct live_ask) : NULL;
	if (!mine || map_puts(&p->by_path, path, mine) < 0 || array_push(&p->asks, mine) < 0) {
		p->failed = true;
		return NULL;
	}
	*mine = *a;
	mine->ns = arena_strdup(p->arena, a->ns);
	mine->name = arena_strdup(p->arena, a->name);
	mine->labels = arena_strdup(p->arena, a->labels);
	mine->fields = arena_strdup(p->arena, a->fields);
	mine->service.ns = arena_strdup(p->arena, a->service.ns);
	mine->service.name = arena_strdup(p->arena, a->service.name);
	p->failed |= (a->ns && !mine->ns) || (a->name && !mine->name) || (a->labels && !mine->labels) ||
		     (a->fields && !mine->fields) || (a->service.ns && !mine->service.ns) ||
		     (a->service.name && !mine->service.name);
	return mine;
}

const struct live_ask *live_answer(const struct live_plan *p, enum k8s_kind k, const char *ns, const char *name,
				   const char *labels)
{
	for (size_t i = 0; i < p->asks.len; i++) {
		const struct live_ask *a = p->asks.v[i];

		if (a->kind == k && a->done && !a->count && str_same(a->ns, ns) && str_same(a->name, name) && str_same(a->labels, labels))
			return a;
	}
	return NULL;
}

bool live_is_all(const struct live_ask *a)
{
	return !a->name && !a->count && !a->metadata && !a->cut && !a->damaged && (a->whole || (!a->labels && !a->fields)) && live_answered(a);
}

bool live_has_all(const struct live_plan *p, enum k8s_kind k, const char *ns)
{
	for (size_t i = 0; i < p->asks.len; i++) {
		const struct live_ask *a = p->asks.v[i];

		if (a->kind == k && live_is_all(a) && (!a->ns || str_same(a->ns, ns)))
			return true;
	}
	return false;
}

bool live_room(const struct live_plan *p, unsigned requests, unsigned kilobytes)
{
	const size_t n = MAX(p->want->nservices, (size_t)1);
	size_t open = 0; /* they will take their share too */

	for (size_t i = p->asks.len; i > 0 && !p->asks.v[i - 1]->done; i--)
		open++;
	return live_scope(p) != LIVE_NAMED || (p->used_requests + open + requests <= LIVE_REQUESTS * n &&
					       p->used_bytes + ((open * 8 + kilobytes) << 10) <= (uint64_t)LIVE_BYTES * n);
}

/* ---- the table ---- */

static void ask_row(struct live_plan *p, const struct row *row, enum how how, const char *ns, const char *name)
{
	struct live_ask a = { .kind = row->kind, .ns = how == HOW_CLUSTER ? NULL : ns };
	CLEANUP(strbuf_release) struct strbuf selector = STRBUF_INIT;

	if (name && how != HOW_CLUSTER)
		a.service = (struct snap_name){ ns, name };
	if (row->kind == K8S_EVENTS && (how == HOW_CLUSTER || how == HOW_NAMESPACE)) {
		a.fields = WARNINGS;
		a.whole = true;
	}
	switch (how) {
	case HOW_NOT:
		return;
	case HOW_CLUSTER:
	case HOW_NAMESPACE:
		break;
	case HOW_SELF:
		a.name = ns;
		a.ns = NULL;
		a.optional = true;
		break;
	case HOW_NAME:
		a.name = name;
		break;
	case HOW_LABEL:
		strbuf_addf(&selector, "kubernetes.io/service-name=%s", name);
		a.labels = strbuf_str(&selector);
		break;
	case HOW_EVENTS:
		strbuf_addf(&selector, "involvedObject.name=%s,%s", name, WARNINGS);
		a.fields = strbuf_str(&selector);
		break;
	}
	p->failed |= selector.failed;
	(void)live_ask(p, &a);
}

/* 1, 0, -1: not known yet. */
static int has_gateways(const struct live_plan *p, const char *ns)
{
	const struct live_ask *a = live_answer(p, K8S_GATEWAYS, ns, NULL, NULL);

	return !a ? -1 : a->outcome != API_NO_KIND;
}

/* kube-proxy's own configuration, which some checks of outside addresses ask, and whoever has its rules to judge. */
void live_plan_proxy_config(struct live_plan *p)
{
	(void)live_ask(p, &(struct live_ask){ .kind = K8S_CONFIGMAPS, .ns = "kube-system", .name = "kube-proxy", .optional = true });
}

static void ask_table(struct live_plan *p, enum live_scope scope, const char *ns, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		const enum how how = row->kind == K8S_NODES && p->want->this_node ? HOW_CLUSTER : row->how[scope];
		const int gateways = row->axes & GATEWAY ? has_gateways(p, how == HOW_CLUSTER ? NULL : ns) : 1;

		if (!is_wanted(p->want, row->axes) || gateways < 0)
			continue;
		if (gateways > 0)
			ask_row(p, row, how, ns, name);
		else
			p->absent[row->kind] = true;
	}
	if (p->want->this_node)
		live_plan_proxy_config(p);
}

void live_plan_service(struct live_plan *p, const char *ns, const char *name)
{
	ask_table(p, LIVE_NAMED, ns, name);
}

/* ---- what depends on answers ---- */

/* Where the cluster may not be read: the namespace of the run at least. */
static void fall_back(struct live_plan *p)
{
	const size_t n = p->asks.len;

	for (size_t i = 0; i < n; i++) {
		const struct live_ask *a = p->asks.v[i];

		if (a->done && a->outcome == API_FORBIDDEN && !a->name && !a->ns && !a->count && k8s_resource(a->kind)->namespaced)
			(void)live_ask(p, &(struct live_ask){ .kind = a->kind, .ns = p->want->namespace_, .fields = a->fields,
							      .whole = a->whole });
	}
}

/* How many there are in the cluster; -1: not known, or not yet. */
static int64_t count_of(struct live_plan *p, enum k8s_kind k)
{
	const struct live_ask *a = live_ask(p, &(struct live_ask){ .kind = k, .count = true, .optional = true });

	return a && a->done && a->outcome == API_OK ? a->total : -1;
}

/*
 * Absence is known of what was read as a whole only, and much that explains a fault lies beside it: the same labels in another
 * namespace, another Service with the same port. A cluster that is small is read as a whole.
 */
static bool is_small(struct live_plan *p)
{
	const int64_t pods = count_of(p, K8S_PODS);
	int64_t services;

	if (pods < 0 || pods > LIVE_SMALL_PODS)
		return false;
	services = count_of(p, K8S_SERVICES);
	return services >= 0 && services <= LIVE_SMALL_SERVICES;
}

/* Does the scope ask for the whole kind in any case? */
static bool is_of_scope(const struct live_plan *p, enum k8s_kind k)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].kind == k)
			return rows[i].how[live_scope(p)] == HOW_CLUSTER;
	}
	return false;
}

static void widen(struct live_plan *p)
{
	const size_t n = p->asks.len;

	p->widened = true;
	ask_table(p, LIVE_ALL, p->want->namespace_, NULL);
	for (size_t i = n; i < p->asks.len; i++)
		p->asks.v[i]->optional = !is_of_scope(p, p->asks.v[i]->kind);
	live_plan_proxy_config(p);
}

static bool isolates_egress(const struct live_plan *p)
{
	for (size_t i = 0; i < p->known->netpols.len; i++) {
		if (p->known->netpols.v[i]->egress)
			return true;
	}
	return false;
}

/* Who the cluster's DNS is. */
static void ask_dns_objects(struct live_plan *p)
{
	struct live_ask a = { .ns = "kube-system", .optional = true };

	a.service = (struct snap_name){ "kube-system", "kube-dns" };
	a.kind = K8S_SERVICES;
	a.name = "kube-dns";
	(void)live_ask(p, &a);
	a.name = NULL;
	a.kind = K8S_SLICES;
	a.labels = "kubernetes.io/service-name=kube-dns";
	(void)live_ask(p, &a);
	a.kind = K8S_PODS;
	a.labels = "k8s-app=kube-dns";
	a.pages_max = 1;
	a.limit = 20;
	(void)live_ask(p, &a);
}

/* Policies may keep pods from it. */
static void ask_dns(struct live_plan *p)
{
	if (isolates_egress(p) && live_room(p, 3, 40))
		ask_dns_objects(p);
}

/* Its configuration, and that of what stands before it. */
static void ask_dns_config(struct live_plan *p)
{
	static const char *const names[] = { "coredns", "node-local-dns", "kube-dns" };

	for (size_t i = 0; p->want->axes[0] && i < (live_scope(p) == LIVE_NAMED ? 1 : ARRAY_LEN(names)); i++)
		(void)live_ask(p, &(struct live_ask){ .kind = K8S_CONFIGMAPS, .ns = "kube-system", .name = names[i], .optional = true });
}

/* The axis of names. Where other axes are asked too, a named Service has no room for it in a large cluster. */
static void ask_names(struct live_plan *p)
{
	if (!p->want->axes[0] || (!p->widened && !live_room(p, p->want->axes[2] ? 7 : 4, 60)))
		return;
	ask_dns_config(p);
	if (!live_has_all(p, K8S_PODS, "kube-system") || !live_has_all(p, K8S_SLICES, "kube-system"))
		ask_dns_objects(p);
}

/* ---- named Services ---- */

static void find_targets(struct live_plan *p)
{
	p->targets.len = 0;
	for (size_t i = 0; i < p->words.len; i++) {
		unsigned best = 0;

		for (size_t j = 0; j < p->known->services.len; j++)
			best = MAX(best, live_word_match(&p->words.v[i], p->known->services.v[j]));
		for (size_t j = 0; best > 0 && j < p->known->services.len; j++) {
			const struct k8s_service *s = p->known->services.v[j];

			if (live_word_match(&p->words.v[i], s) == best && array_push(&p->targets, s) < 0)
				p->failed = true;
		}
	}
}

static void ask_words(struct live_plan *p)
{
	char buf[IP_ADDR_STRLEN];

	for (size_t i = 0; i < p->words.len; i++) {
		const struct live_word *w = &p->words.v[i];

		for (size_t j = 0; j < w->nnames && p->words.len <= NAMES_MANY; j++)
			live_plan_service(p, w->names[j].ns, w->names[j].name);
		if (w->addr.family) {
			CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

			strbuf_addf(&b, "spec.clusterIP=%s", ip_addr_format(&w->addr, buf));
			p->failed |= b.failed;
			(void)live_ask(p, &(struct live_ask){ .kind = K8S_SERVICES, .fields = strbuf_str(&b) });
		}
	}
}

/* Many names: their namespaces are read as a whole, in fewer requests. */
static void ask_namespaces(struct live_plan *p)
{
	for (size_t i = 0; i < p->words.len; i++) {
		for (size_t j = 0; j < p->words.v[i].nnames; j++)
			ask_table(p, LIVE_NAMESPACE, p->words.v[i].names[j].ns, NULL);
	}
}

static void plan_named(struct live_plan *p)
{
	const bool first = p->asks.len == 0;

	if (p->words.len > NAMES_MANY)
		ask_namespaces(p);
	ask_words(p);
	if (first) {
		(void)count_of(p, K8S_PODS);
		return;
	}
	if (!p->want->axes[1] && !p->want->axes[2])
		ask_names(p);
	find_targets(p);
	if (p->words.len <= NAMES_MANY)
		live_plan_targets(p);
	live_plan_missing(p);
	ask_dns(p);
	if (is_small(p))
		widen(p);
}

static void plan_namespace(struct live_plan *p)
{
	if (p->asks.len == 0) {
		(void)count_of(p, K8S_PODS);
		(void)count_of(p, K8S_SERVICES);
		return;
	}
	if (is_small(p)) {
		widen(p);
		fall_back(p);
		return;
	}
	ask_table(p, LIVE_NAMESPACE, p->want->namespace_, NULL);
	live_plan_proxy_config(p);
	ask_dns(p);
}

static void plan_all(struct live_plan *p)
{
	ask_table(p, LIVE_ALL, p->want->namespace_, NULL);
	live_plan_proxy_config(p);
	ask_dns_config(p);
	fall_back(p);
}

/* ---- from outside ---- */

int live_plan_init(struct live_plan *p, struct arena *arena, const struct live_want *w, const struct k8s_cluster *known)
{
	*p = (struct live_plan){ .arena = arena, .want = w, .known = known };
	for (size_t i = 0; !w->all && i < w->nservices; i++) {
		struct live_word word;

		if (live_word_parse(arena, w->services[i], w->namespace_, &word) < 0 || array_push(&p->words, word) < 0)
			return -ENOMEM;
	}
	return 0;
}

void live_plan_release(struct live_plan *p)
{
	array_free(&p->asks);
	array_free(&p->words);
	array_free(&p->targets);
	map_release(&p->by_path);
}

int live_plan_next(struct live_plan *p)
{
	const size_t before = p->asks.len;

	switch (live_scope(p)) {
	case LIVE_ALL:
		plan_all(p);
		break;
	case LIVE_NAMESPACE:
		plan_namespace(p);
		break;
	case LIVE_NAMED:
		plan_named(p);
		break;
	}
	/* last, where nothing else is to be asked */
	if (p->asks.len == before && live_scope(p) != LIVE_ALL && p->want->axes[2])
		live_plan_agents(p);
	if (p->asks.len == before)
		ask_names(p);
	return p->failed ? -ENOMEM : (int)(p->asks.len - before);
}
