/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands that ask DNS from inside the cluster, for whoever is not there: in a pod that is there, in one that is made for it, at a DNS pod. */
#include <errno.h>

#include "dns-plan-private.h"

static bool is_running(const struct k8s_pod *p)
{
	return str_is(p->phase, "Running") && !p->meta.deleted && is_k8s_name(p->meta.name) && is_k8s_name(p->meta.ns);
}

static const struct k8s_pod *pod_of(const struct snapshot *s, const struct k8s_service *v)
{
	const struct k8s_pod_group *g = v ? map_gets(&s->cluster.pods_by_ns, v->meta.ns) : NULL;

	for (size_t i = 0; g && v->selector.len && i < g->v.len; i++)
		if (is_running(g->v.v[i]) && k8s_selector_matches(&v->selector, &g->v.v[i]->meta.labels))
			return g->v.v[i];
	return NULL;
}

static bool is_name(const char *s)
{
	return s && *s && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == strlen(s) && s[0] != '-';
}

static int add(struct dns_report *r, const char *command)
{
	return command ? array_push(&r->inside, command) : -ENOMEM;
}

int dns_from_inside(const struct snapshot *s, const struct diagnose_options *o, struct dns_report *ret)
{
	const struct k8s_service *v = o->services && o->nservices ? o->services[0] : NULL, *dns = dns_service_of(s);
	const struct k8s_pod *pod = pod_of(s, v), *server = pod_of(s, dns);
	const char *ns = v ? v->meta.ns : o->dns_ns && is_k8s_name(o->dns_ns) ? o->dns_ns : "default";
	const char *name = v ? arena_printf(&ret->arena, "%s.%s", v->meta.name, v->meta.ns) : is_name(o->dns_name) ? o->dns_name : "kubernetes.default";
	int r = 0;

	if (!name)
		return -ENOMEM;
	if (!is_k8s_name(ns) || !is_name(name))
		return 0;
	if (pod)
		r = add(ret, arena_printf(&ret->arena, "kubectl -n %s exec %s -- nslookup %s", pod->meta.ns, pod->meta.name, name));
	if (r == 0)
		r = add(ret, arena_printf(&ret->arena, "kubectl -n %s run svcdoctor-dns --rm -i --restart=Never --image=busybox:1.36 -- nslookup %s", ns, name));
	if (r == 0 && server) {
		r = add(ret, arena_printf(&ret->arena, "kubectl -n %s port-forward pod/%s 5353:53", server->meta.ns, server->meta.name));
		r = r < 0 ? r : add(ret, arena_printf(&ret->arena, "svcdoctor dns %s -n %s --server 127.0.0.1:5353 --tcp", name, ns));
	}
	return r;
}
