/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names that completion offers: from the bundle, where the command line or the environment names one. */
#include <svcdoctor/source.h>
#include <svcdoctor/verify.h>

#include "cmd.h"

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
		opened += bundle_open(&c->snapshot, c->o.bundles.v[i]) >= 0;
	}
	int r = opened > 0 ? snapshot_finish(&c->snapshot) : -1;
	return r < 0 ? r : verify_services_from_rules(&c->snapshot);
}

void complete_names(struct context *c, enum k8s_kind kind, const char *ns, complete_fn *add, void *arg)
{
	const char *env = getenv("SVCDOCTOR_BUNDLE");
	if (c->o.bundles.len == 0 && env && *env && array_push(&c->o.bundles, env) < 0) {
		return;
	}
	if (!c->snapshot.origin && open_bundles(c) < 0) {
		return;
	}
	names_of_snapshot(&c->snapshot, kind, ns ? ns : c->o.namespace_ ? c->o.namespace_ : "default", add, arg);
}

void complete_contexts(struct context *c, const char *section, complete_fn *add, void *arg)
{
	(void)c;
	(void)section;
	(void)add;
	(void)arg;
}
