/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which Services a run is about: from the arguments, -n and -A. A Service that is not there becomes a finding. */
#include <errno.h>

#include "cmd.h"

enum { SIMILAR_SHOWN = 5 };

void selection_release(struct selection *s)
{
	array_free(&s->list.v);
	array_free(&s->missing);
	array_free(&s->asked);
}

const struct k8s_service *const *selection_services(const struct selection *s)
{
	static const struct k8s_service *const none[1] = { NULL };
	if (s->all) {
		return NULL;
	}
	return s->list.v.v ? s->list.v.v : none;
}

/* Did what was read stop short of this namespace? */
static bool is_unread(const struct context *c, const char *ns)
{
	return c->snapshot.extents[K8S_SERVICES].limited && !snapshot_has_all(&c->snapshot, K8S_SERVICES, ns);
}

static int take_namespace(struct context *c, const char *ns, struct selection *ret)
{
	const struct k8s_cluster *cluster = &c->snapshot.cluster;
	ret->namespace_ = ns;
	for (size_t i = 0; i < cluster->services.len; i++) {
		const struct k8s_service *s = cluster->services.v[i];
		if (strcmp(s->meta.ns, ns) == 0 && array_push(&ret->list.v, s) < 0) {
			return -ENOMEM;
		}
	}
	if (ret->list.v.len > 0) {
		return 0;
	}
	bool exists = map_gets(&cluster->namespace_by_name, ns) != NULL;
	ret->empty_namespace = !exists;
	if (is_unread(c, ns)) {
		ret->empty_namespace = true;
		complain_of(c, "no-services", true, "the Services of namespace '%s' were not read", ns);
	} else if (exists) {
		complain_of(c, "no-services", false, "namespace '%s' has no Services", ns);
	} else if (snapshot_would_have(&c->snapshot, K8S_NAMESPACES, "", ns)) {
		complain_of(c, "no-namespace", true, "there is no namespace '%s'", ns);
	} else {
		complain_of(c, "no-services", true, "there are no Services in namespace '%s'", ns);
	}
	if (cluster->services.len > 0 && !c->snapshot.extents[K8S_SERVICES].limited && !c->hush) {
		fprintf(stderr, "-A looks at all %zu Services of the cluster\n", cluster->services.len);
	}
	return 0;
}

/* "ns/name" of what the user wrote, as far as it can be told. */
static const char *wanted_name(struct context *c, const char *text)
{
	const char *name = text;
	if (str_starts(name, "svc/") || str_starts(name, "service/")) {
		name = strchr(name, '/') + 1;
	}
	if (is_k8s_name(name) && !strchr(name, '.')) {
		return arena_printf(&c->arena, "%s/%s", c->report.namespace_, name);
	}
	return arena_clean(&c->arena, name);
}

static int add_missing(struct context *c, const char *text, const char *const *similar, size_t nsimilar,
		       struct selection *ret)
{
	struct missing_service m = { wanted_name(c, text), similar, nsimilar };
	return m.name ? array_push(&ret->missing, m) : -ENOMEM;
}

/* Nobody was asked which Services there are. */
static int not_in_rules(struct context *c, const char *text, const char *const *similar, size_t nsimilar, struct selection *ret)
{
	const char *name = wanted_name(c, text);
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	for (size_t i = 0; i < nsimilar && i < SIMILAR_SHOWN; i++) {
		strbuf_addf(&b, "%s%s", i == 0 ? "; there is " : ", ", similar[i]);
	}
	if (!name || b.failed) {
		return -ENOMEM;
	}
	complain_of(c, "not-in-rules", true, "no rule names a Service '%s' (one without a ClusterIP has no rules)%s", name, strbuf_str(&b));
	ret->unread = true;
	return 0;
}

static bool list_has(const struct service_list *l, const struct k8s_service *s)
{
	for (size_t i = 0; i < l->v.len; i++) {
		if (l->v.v[i] == s) {
			return true;
		}
	}
	return false;
}

static int take_argument(struct context *c, const char *text, struct selection *ret)
{
	struct service_list found = { 0 };
	const char *const *similar = NULL;
	size_t nsimilar = 0;
	int r = service_resolve(&c->arena, &c->snapshot, text, c->report.namespace_, &found, &similar,
				&nsimilar);
	if (r == -ENOENT && found.unread) {
		const char *name = wanted_name(c, text);
		complain_of(c, "not-read", true, "the Service '%s' cannot be looked up: it is not among the Services that were read",
			    name ? name : "");
		ret->unread = true;
		r = 0;
	} else if (r == -ENOENT && c->snapshot.services_from_rules) {
		r = not_in_rules(c, text, similar, nsimilar, ret);
	} else if (r == -ENOENT) {
		r = add_missing(c, text, similar, nsimilar, ret);
	}
	for (size_t i = 0; r >= 0 && i < found.v.len; i++) {
		if (!list_has(&ret->list, found.v.v[i])) {
			r = array_push(&ret->list.v, found.v.v[i]);
		}
		if (r >= 0 && found.asked.port) {
			struct asked_service q = { found.v.v[i], found.asked, arena_clean(&c->arena, text) };
			r = q.text ? array_push(&ret->asked, q) : -ENOMEM;
		}
	}
	array_free(&found.v);
	return r < 0 ? r : 0;
}

static bool services_known(const struct context *c)
{
	enum known k = c->snapshot.kinds[K8S_SERVICES];
	return k == KNOWN || k == PARTLY_KNOWN || c->snapshot.services_from_rules;
}

/* A Service was named, and there are none to look it up in: why, and what to do. */
static int no_services(struct context *c)
{
	const struct snap_missing *why = NULL;
	for (size_t i = 0; !why && i < c->snapshot.missing.len; i++) {
		const struct snap_missing *m = &c->snapshot.missing.v[i];
		why = m->kind == K8S_SERVICES && m->text ? m : NULL;
	}
	complain_of(c, "no-services", true, "the Service '%s' cannot be looked up: %s", c->o.args.v[0],
		    why ? why->text : "no Services are in what was read");
	if (!c->hush && why && why->hint) {
		fprintf(stderr, "  %s\n", arena_clean(&c->arena, why->hint));
	} else if (!c->hush && !why) {
		fprintf(stderr,
			"add them: kubectl get svc,endpointslices,pods,nodes -A -o json > cluster.json\n");
	}
	return CODE_INCONCLUSIVE;
}

int selection_make(struct context *c, struct selection *ret)
{
	bool known = services_known(c);
	if (c->o.args.len > 0 && !known) {
		return no_services(c);
	}
	if (c->o.all || !known) {
		ret->all = true;
		return 0;
	}
	if (c->o.args.len == 0) {
		return take_namespace(c, c->report.namespace_, ret);
	}
	int r = 0;
	for (size_t i = 0; r == 0 && i < c->o.args.len; i++) {
		r = take_argument(c, c->o.args.v[i], ret);
	}
	return r;
}

static const char *missing_text(struct arena *a, const struct missing_service *m)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_addf(&b, "there is no Service %s", m->name);
	for (size_t i = 0; i < m->nsimilar && i < SIMILAR_SHOWN; i++) {
		strbuf_addf(&b, "%s%s", i == 0 ? "; there is " : ", ", m->similar[i]);
	}
	return b.failed ? NULL : arena_clean(a, strbuf_str(&b));
}

/* Where to look: the namespace that was named, where that is a name. */
static const char *missing_next(struct arena *a, const struct missing_service *m)
{
	const char *slash = strchr(m->name, '/');
	char *ns = slash ? arena_strndup(a, m->name, (size_t)(slash - m->name)) : NULL;
	if (ns && is_k8s_name(ns)) {
		return arena_printf(a, "kubectl -n %s get services", ns);
	}
	return "kubectl get services -A";
}

/* What was typed is the bare name of a Service of another namespace: then that says why there is none. */
static int explain_missing(const struct missing_service *m, struct finding *missing, struct diagnosis *d)
{
	for (size_t i = 0; i < d->findings.len; i++) {
		struct finding *f = d->findings.v[i];
		const char *typed = strrchr(f->id, '/'), *name = strrchr(m->name, '/');
		/* the namespace is that of the search list, which is wrong */
		bool searched = strcmp(f->check->id, "resolv-conf-search") == 0 && m->nsimilar > 0;
		if (!searched && (strcmp(f->check->id, "service-wrong-namespace") != 0 || !typed || strcmp(typed + 1, name ? name + 1 : m->name) != 0)) {
			continue;
		}
		missing->explained_by = f;
		return array_push(&f->explains, missing);
	}
	return 0;
}

static int add_finding(const struct missing_service *m, struct diagnosis *d)
{
	const struct check *check = check_find("service-not-found");
	struct finding *f = arena_new(&d->arena, struct finding);
	if (!check || !f) {
		return check ? -ENOMEM : -EINVAL;
	}
	f->check = check;
	f->axis = check->axis;
	f->severity = SEVERITY_ERROR;
	f->subject = arena_printf(&d->arena, "Service %s", m->name);
	f->id = arena_printf(&d->arena, "%s/-/Service %s", check->id, m->name);
	f->text = missing_text(&d->arena, m);
	const char *next = missing_next(&d->arena, m);
	if (!f->subject || !f->id || !f->text || !next || array_push(&d->findings, f) < 0) {
		return -ENOMEM;
	}
	if (array_push(&f->next, next) < 0 || array_push(&d->cluster, f) < 0) {
		return -ENOMEM;
	}
	for (size_t i = SIMILAR_SHOWN; i < m->nsimilar; i++) {
		const char *line = arena_printf(&d->arena, "similar: %s", m->similar[i]);
		if (!line || array_push(&f->evidence, line) < 0) {
			return -ENOMEM;
		}
	}
	return explain_missing(m, f, d);
}

static int by_id(const void *a, const void *b)
{
	const struct finding *const *x = a, *const *y = b;
	return strcmp((*x)->id, (*y)->id);
}

int selection_add_missing(const struct selection *s, struct diagnosis *d)
{
	for (size_t i = 0; i < s->missing.len; i++) {
		int r = add_finding(&s->missing.v[i], d);
		if (r < 0) {
			return r;
		}
		d->healthy = 0;
	}
	if (s->missing.len > 0) {
		qsort(d->findings.v, d->findings.len, sizeof(*d->findings.v), by_id);
	}
	return 0;
}

int check_node_option(struct context *c)
{
	const char *name = c->o.node;
	if (!name || snapshot_node(&c->snapshot, name, false) || k8s_find_node(&c->snapshot.cluster, name)) {
		return 0;
	}
	const enum known k = c->snapshot.kinds[K8S_NODES];
	if (k != NOT_COLLECTED && !snapshot_would_have(&c->snapshot, K8S_NODES, "", name)) {
		return 0; /* it may be there, among those that could not be read */
	}
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	for (size_t i = 0; i < c->snapshot.nodes.len && i < 5; i++) {
		strbuf_addf(&b, "%s%s", i ? ", " : "; there is ", c->snapshot.nodes.v[i]->name);
	}
	return usage_error(c, "there is no node '%s'%s", name, strbuf_str(&b));
}

int selection_settle(struct context *c, struct selection *ret)
{
	int r = check_node_option(c);
	if (r == 0) {
		r = selection_make(c, ret);
	}
	/* without Services there is nothing that rules could be compared with */
	if (r == 0 && (!services_known(c) || ret->empty_namespace || ret->unread)) {
		c->code = code_join(c->code, CODE_INCONCLUSIVE);
	}
	return r;
}

int selection_run(struct context *c, int (*judge)(struct context *c, const struct selection *s))
{
	struct selection s CLEANUP(selection_release) = { 0 };
	int r = selection_settle(c, &s);
	if (r == CODE_INCONCLUSIVE) {
		int r2 = report_nothing(&c->report);
		return r2 < 0 ? r2 : r;
	}
	return r == 0 ? judge(c, &s) : r;
}
