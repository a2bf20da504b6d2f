/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names that completion offers: of the bundle that the command line or the environment names, else of the cluster; of the kubeconfig. */
#include <errno.h>

#include <svcdoctor/source.h>
#include <svcdoctor/verify.h>

#include "cmd.h"

enum { LIMIT_MS = 1900 }; /* less than complete.c gives everything */

#define EACH_NAME(list, kind_ns) \
	for (size_t i = 0; i < (list).len; i++) { \
		const struct k8s_meta *m = &(list).v[i]->meta; \
		if (strcmp(m->ns, (kind_ns)) == 0 && is_k8s_name(m->name)) { \
			add(arg, m->name); \
		} \
	}

static void names_of_snapshot(const struct snapshot *s, enum k8s_kind kind, const char *ns, complete_fn *add, void *arg)
{
	const struct k8s_cluster *k = &s->cluster;
	switch (kind) {
	case K8S_SERVICES:
		EACH_NAME(k->services, ns);
		break;
	case K8S_PODS:
		EACH_NAME(k->pods, ns);
		break;
	case K8S_NAMESPACES:
		EACH_NAME(k->namespaces, "");
		break;
	case K8S_NODES:
		for (size_t i = 0; i < s->nodes.len; i++) {
			if (is_k8s_name(s->nodes.v[i]->name)) {
				add(arg, s->nodes.v[i]->name);
			}
		}
		if (s->nodes.len == 0) {
			EACH_NAME(k->nodes, "");
		}
		break;
	default:
		break;
	}
}

static int open_bundles(struct context *c)
{
	size_t opened = 0;
	for (size_t i = 0; i < c->o.bundles.len; i++) {
		if (strcmp(c->o.bundles.v[i], "-") == 0) {
			continue; /* what is typed is not the bundle */
		}
		opened += bundle_open(&c->snapshot, c->o.bundles.v[i]) >= 0;
	}
	int r = opened > 0 ? snapshot_finish(&c->snapshot) : -1;
	return r < 0 ? r : verify_services_from_rules(&c->snapshot);
}

/* ---- the cluster ---- */

struct listing {
	complete_fn *add;
	void *arg;
};

static int take_item(void *arg, struct json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	const struct listing *l = arg;
	const char *name = json_str(json_obj(item, "metadata"), "name");
	(void)kind;
	(void)api_version;
	(void)line;
	if (name && is_k8s_name(name)) {
		l->add(l->arg, name);
	}
	return 0;
}

/* A page that is read again after a 410 gives names twice, which no shell shows twice. */
static int take_page(void *arg, char *data, size_t size, bool restart)
{
	struct sd_notes notes CLEANUP(sd_notes_release) = { 0 };
	ssize_t r = json_each_item(data, size, "names", &notes, take_item, arg);
	(void)restart;
	free(data);
	return r == -ENOMEM ? -ENOMEM : 0;
}

static int take_end(void *arg, const struct api_result *r)
{
	(void)arg;
	(void)r;
	return 0;
}

static void list_path(struct strbuf *b, const struct k8s_resource *k, const char *ns)
{
	strbuf_addf(b, *k->group ? "/apis/%s" : "/api%s", k->group);
	api_path_add(b, k->versions[0]);
	if (k->namespaced) {
		api_path_add(b, "namespaces");
		api_path_add(b, ns);
	}
	api_path_add(b, k->plural);
}

/* Only metadata crosses the wire, and what came within the time counts. */
static void names_of_cluster(struct context *c, enum k8s_kind kind, const char *ns, complete_fn *add, void *arg)
{
	const struct k8s_resource *k = k8s_resource(kind);
	struct listing l = { add, arg };
	struct strbuf path CLEANUP(strbuf_release) = STRBUF_INIT;
	const struct api_options o = { .deadline_ms = LIMIT_MS, .stop = signals_stop() };
	struct api *a = NULL;
	list_path(&path, k, ns);
	const struct api_list list = {
		.what = { "list", k->group, k->plural, k->namespaced ? ns : NULL, NULL },
		.path = strbuf_str(&path),
		.accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json",
		.page = take_page,
		.end = take_end,
		.arg = &l,
	};
	if (!path.failed && api_open(&c->access, &o, &a) == 0 && api_list(a, &list) == 0) {
		(void)api_run(a);
	}
	api_close(a);
}

/* ---- either ---- */

static bool is_offline(struct context *c)
{
	const char *env = getenv("SVCDOCTOR_BUNDLE");
	if (c->o.bundles.len == 0 && env && *env && !setup_cluster_flag(&c->o)) {
		(void)array_push(&c->o.bundles, env);
	}
	return c->o.bundles.len > 0;
}

void complete_names(struct context *c, enum k8s_kind kind, const char *ns, complete_fn *add, void *arg)
{
	bool offline = is_offline(c);
	if (offline ? !c->snapshot.origin && open_bundles(c) < 0
		    : !c->access.server && api_access_load(&c->arena, &c->o.api, &c->snapshot.notes, &c->access) < 0) {
		return;
	}
	ns = ns ? ns : c->o.namespace_ ? c->o.namespace_ : c->access.namespace_ ? c->access.namespace_ : "default";
	if (offline) {
		names_of_snapshot(&c->snapshot, kind, ns, add, arg);
	} else if (is_k8s_name(ns)) {
		names_of_cluster(c, kind, ns, add, arg);
	}
}

void complete_kubeconfig(struct context *c, enum api_names what, complete_fn *add, void *arg)
{
	const char *const *names;
	if (api_kubeconfig_names(&c->arena, c->o.api.kubeconfig, what, &names) == 0) {
		for (size_t i = 0; names[i]; i++) {
			add(arg, names[i]);
		}
	}
}
