/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The name under which kube-proxy looks for its own node: hostnameOverride, else the machine's name, in small letters
 * (component-helpers/node/util/hostname.go). Endpoints are local to it where their nodeName is that name; another name has no local endpoints.
 */
#include <ctype.h>

#include "proxy-settings-private.h"

static const char *name_of(struct run *r, const struct kube_proxy_config *c)
{
	const char *s = c->hostname_override;
	char *p;

	while (s && isspace((unsigned char)*s))
		s++;
	if (!s || !*s)
		return NULL;
	p = arena_strdup(r->a, s);
	if (!p) {
		r->err = -ENOMEM;
		return NULL;
	}
	for (char *q = p; *q; q++)
		*q = isspace((unsigned char)*q) ? '\0' : (char)tolower((unsigned char)*q);
	return p;
}

/* Services that ask for endpoints of the same node, and have one here. */
static size_t concern_local(struct run *r, struct finding *f, const char *node)
{
	size_t n = 0;

	for (size_t i = 0; i < r->c->slices.len; i++) {
		const struct k8s_slice *sl = r->c->slices.v[i];
		const struct k8s_service *s = sl->service ? k8s_find_service(r->c, sl->meta.ns, sl->service) : NULL;
		bool here = false;

		for (size_t k = 0; s && (s->external_local || s->internal_local) && !here && k < sl->nendpoints; k++)
			here = str_is(sl->endpoints[k].node_name, node);
		if (here && run_svc(r, s)) {
			finding_concerns(r, f, s);
			n++;
		}
	}
	return n;
}

static void mismatch(struct run *r, const struct proxy_view *v, const char *name, const struct snap_log *l, const struct log_hit *h)
{
	const struct k8s_node *other = name ? k8s_find_node(r->c, name) : NULL;
	struct finding *f = finding_new(r, "kube-proxy-nodename-mismatch", v->node, NULL, run_printf(r, "Node %s", v->node));
	const size_t local = concern_local(r, f, v->node);

	f->rank = 4;
	finding_cluster(f);
	finding_partial(f);
	/* what it says in its log may have been before its Node was made; another name in its configuration stays */
	finding_severity(f, local && (name || log_hit_weight(h) == LOG_ERROR) ? SEVERITY_ERROR : SEVERITY_WARNING);
	if (name)
		finding_text(r, f, "kube-proxy on %s takes itself for node '%.100s'%s: it knows no endpoint as its own", v->node, name,
			     other ? ", which is another one" : ", which does not exist");
	else
		finding_text(r, f, "kube-proxy on %s does not find its own Node object: it knows no endpoint as its own", v->node);
	finding_because(r, f, "kube-proxy on %s has the name of another node", v->node);
	if (name)
		finding_evidence(r, f, "hostnameOverride is '%.100s', as %s tells", name, v->config->source ? v->config->source : "its configuration");
	if (local)
		finding_evidence(r, f, "%zu Service%s with a policy Local ha%s endpoints on the node: through it %s dropped", local, PLURAL(local), local == 1 ? "s" : "ve",
				 local == 1 ? "it is" : "they are");
	else
		finding_evidence(r, f, "no Service with a policy Local has an endpoint on this node now; one that has would be dropped there");
	if (h)
		proxy_hit_evidence(r, f, v, l, h);
	finding_evidence(r, f, "--hostname-override=$(NODE_NAME), with spec.nodeName of the downward API, gives the right one");
	finding_next(r, f, "kubectl get node %s -o yaml", v->node);
	finding_next(r, f, "kubectl -n kube-system get daemonset kube-proxy -o yaml");
}

void check_proxy_node_name(struct run *r)
{
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n && !r->err; i++) {
		const struct snap_log *l = NULL;
		const struct log_hit *h;
		const char *name = NULL;

		if (!proxy_concerns(r, &v[i]))
			continue;
		/* a bundle's folder may be called anything, as long as no Node object has that name */
		if (v[i].object && proxy_config_is_own(&v[i]) && run_complete(r, K8S_NODES))
			name = name_of(r, v[i].config);
		name = name && strcmp(name, v[i].node) != 0 ? name : NULL;
		h = proxy_hit(r, &v[i], "kube-proxy-nodename-mismatch", &l);
		if (name || h)
			mismatch(r, &v[i], name, l, h);
	}
}
