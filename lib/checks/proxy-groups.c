/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the checks of kube-proxy's configuration share: whom they are about, and one finding for all nodes that have the same fault. */
#include "proxy-settings-private.h"

#define NAMES_SHOWN 3

static bool leaves_traces(const struct snap_node *n)
{
	const struct snap_proxy *p = &n->proxy;

	return p->mode || p->healthz_known || p->metrics.known || p->config.known || p->has_log || p->processes.len || verify_has_proxy_rules(n) ||
	       verify_has_proxy_table(n, false) || verify_has_proxy_table(n, true) || n->rules.servers.len > 0;
}

bool proxy_concerns(const struct run *r, const struct proxy_view *v)
{
	return (!r->o->node || strcmp(r->o->node, v->node) == 0) && proxy_is_there(r, v);
}

bool proxy_is_there(const struct run *r, const struct proxy_view *v)
{
	struct verify_plane plane;

	if (v->pod)
		return true;
	if (v->n && verify_plane_is_other(r->s, v->n, &plane))
		return false;
	return v->log || (v->n && leaves_traces(v->n));
}

bool proxy_config_is_own(const struct proxy_view *v)
{
	return v->config->known && v->n && (v->config == &v->n->proxy.config || v->config == &v->n->proxy.flags_config);
}

bool proxy_version_is_sure(const struct proxy_view *v)
{
	if (!v->version)
		return false;
	return (v->log && v->log->summary.version) || (v->n && v->n->proxy.metrics.version) || !v->object || v->version != v->object->proxy_version;
}

void proxy_groups_release(struct proxy_groups *g)
{
	for (size_t i = 0; i < g->v.len; i++)
		array_free(&g->v.v[i].v);
	array_free(&g->v);
}

void proxy_groups_add(struct run *r, struct proxy_groups *g, const char *key, const struct proxy_view *v)
{
	size_t i = 0;

	while (i < g->v.len && strcmp(g->v.v[i].key, key) != 0)
		i++;
	if (i == g->v.len)
		run_push(r, &g->v, (struct proxy_group){ .key = key });
	if (i < g->v.len)
		run_push(r, &g->v.v[i].v, v);
}

const char *proxy_group_nodes(struct run *r, const struct proxy_group *g)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const size_t shown = g->v.len > NAMES_SHOWN + 1 ? NAMES_SHOWN : g->v.len;

	for (size_t i = 0; i < shown; i++)
		strbuf_addf(&b, "%s%s", !i ? "" : i + 1 == g->v.len ? " and " : ", ", g->v.v[i]->node);
	if (g->v.len > shown)
		strbuf_addf(&b, " and %zu more", g->v.len - shown);
	return run_printf(r, "%s", strbuf_str(&b));
}

struct finding *proxy_group_finding(struct run *r, const char *id, const struct proxy_group *g, const char *detail)
{
	const char *node = g->v.len == 1 ? g->v.v[0]->node : NULL;
	struct finding *f = finding_new(r, id, node, detail, node ? run_printf(r, "Node %s", node) : "kube-proxy");

	f->rank = 6;
	finding_cluster(f);
	finding_partial(f);
	if (g->v.len > NAMES_SHOWN + 1)
		for (size_t i = 0; i < g->v.len; i += 8) {
			CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

			for (size_t k = i; k < g->v.len && k < i + 8; k++)
				strbuf_addf(&b, "%s%s", k > i ? ", " : "", g->v.v[k]->node);
			finding_evidence(r, f, "on %s", strbuf_str(&b));
		}
	return f;
}

void proxy_config_commands(struct run *r, struct finding *f, const struct proxy_view *v)
{
	if (!r->s->configmap_config.known && !v->pod) {
		finding_evidence(r, f, "where it is set: the flags or the file of --config with which kube-proxy is started on the node");
		return;
	}
	finding_next(r, f, "kubectl -n kube-system get configmap kube-proxy -o yaml");
	finding_fix(r, f, "kubectl -n kube-system edit configmap kube-proxy");
	finding_fix(r, f, "kubectl -n kube-system rollout restart daemonset kube-proxy");
}
