/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How kube-proxy tells the pods of the cluster from everybody else: by clusterCIDR, by the node's podCIDR, or by links (pkg/proxy/util/localdetector.go;
 * cmd/kube-proxy/app/server_linux.go getLocalDetectors). Who is not taken for one of them has the source rewritten on the way to a cluster IP. And
 * masqueradeAll, by which everybody has.
 */
#include "proxy-settings-private.h"


static const char *const family_names[] = { "IPv4", "IPv6" };

static bool is_by_cidr(const struct kube_proxy_config *c)
{
	return c->known && (!c->detect_local_mode || !*c->detect_local_mode || strcmp(c->detect_local_mode, "ClusterCIDR") == 0);
}

static bool has_cidr(const struct kube_proxy_config *c, int family)
{
	for (size_t i = 0; i < c->ncluster_cidrs; i++)
		if (c->cluster_cidrs[i].addr.family == family)
			return true;
	return false;
}

/* Of one family the first one counts (getDualStackLocalDetectorTuple, and the map by family of 1.29 and later). */
static bool is_inside(const struct kube_proxy_config *c, const struct ip_addr *a)
{
	for (size_t i = 0; i < c->ncluster_cidrs; i++)
		if (c->cluster_cidrs[i].addr.family == a->family)
			return ip_prefix_contains(&c->cluster_cidrs[i], a);
	return true;
}

static const char *cidrs_text(struct run *r, const struct kube_proxy_config *c)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < c->ncluster_cidrs; i++) {
		char buf[IP_PREFIX_STRLEN];

		strbuf_addf(&b, "%s%s", i ? "," : "", ip_prefix_format(&c->cluster_cidrs[i], buf));
	}
	return run_printf(r, "%s", strbuf_str(&b));
}

static const char *source_of(const struct kube_proxy_config *c)
{
	return c->source ? c->source : "its configuration";
}

/* ---- clustercidr-mismatch ---- */

/* What pods there are on a node, by where their addresses are. */
struct pods_there {
	size_t all, outside;
	const struct k8s_pod *example;
	const struct ip_addr *addr;
};

/* By a jump, or in nftables mode by the rule itself (pkg/proxy/nftables/proxier.go). */
static bool marks(const struct rs_rule *rule)
{
	const struct rs_chain *to = rule_chain(rule);

	if (to)
		return strcmp(to->name, "KUBE-MARK-MASQ") == 0 || strcmp(to->name, "mark-for-masquerade") == 0;
	for (uint8_t i = 0; i < rule->nstmts; i++)
		if (rule->stmts[i].kind == ST_MARK)
			return true;
	return false;
}

/* A rule of the node that rewrites the source of whoever is not inside, as this pod is not. */
static bool rewrites(const struct rs_rule *rule, const struct ip_addr *a)
{
	if (!marks(rule))
		return false;
	for (uint16_t i = 0; i < rule->nconds; i++)
		if (rule->conds[i].field == FIELD_SADDR && rule->conds[i].negate && cond_match_addr(&rule->conds[i], a))
			return true;
	return false;
}

static bool fits_family(const struct rs_table *t, int family)
{
	return t->family == RS_INET || (t->family == RS_IP6) == (family == AF_INET6);
}

static bool is_rewritten(const struct snap_node *n, const struct ip_addr *a)
{
	for (size_t i = 0; n && i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];

		for (size_t j = 0; fits_family(t, a->family) && j < t->chain_list.len; j++)
			for (uint32_t k = 0; k < t->chain_list.v[j]->nrules; k++)
				if (rewrites(t->chain_list.v[j]->rules[k], a))
					return true;
	}
	return false;
}

static void count_pod(struct run *r, const struct proxy_view *all, struct pods_there *there, const struct k8s_pod *p)
{
	const struct proxy_view *v = p->host_network || p->meta.deleted || k8s_pod_terminal(p) ? NULL : proxy_view_of(r, p->node);

	if (!v || !p->nips)
		return;
	struct pods_there *t = &there[v - all];

	t->all++;
	for (size_t i = 0; i < p->nips; i++)
		if (!is_inside(v->config, &p->ips[i])) {
			t->outside++;
			t->example = t->example ? t->example : p;
			t->addr = t->addr ? t->addr : &p->ips[i];
			return;
		}
}

static const struct ip_prefix *outside_range(const struct proxy_view *v)
{
	for (size_t i = 0; v->object && i < v->object->npod_cidrs; i++) {
		const struct ip_addr first = ip_prefix_first(&v->object->pod_cidrs[i]), last = ip_prefix_last(&v->object->pod_cidrs[i]);

		if (!is_inside(v->config, &first) || !is_inside(v->config, &last))
			return &v->object->pod_cidrs[i];
	}
	return NULL;
}

/* Does it hold the addresses of Services: is it the wrong one of the two ranges? */
static const struct k8s_service *service_inside(const struct run *r, const struct kube_proxy_config *c)
{
	for (size_t i = 0; i < r->c->services.len; i++) {
		const struct k8s_service *s = r->c->services.v[i];

		for (size_t k = 0; k < s->ncluster_ips; k++)
			if (has_cidr(c, s->cluster_ips[k].family) && is_inside(c, &s->cluster_ips[k]))
				return s;
	}
	return NULL;
}

static void mismatch(struct run *r, const struct proxy_view *all, const struct pods_there *there, const struct proxy_group *g)
{
	const struct proxy_view *v = g->v.v[0];
	const char *cidrs = cidrs_text(r, v->config);
	struct finding *f = proxy_group_finding(r, "clustercidr-mismatch", g, cidrs);
	const struct k8s_service *s = service_inside(r, v->config);
	const struct ip_prefix *range = NULL;
	size_t pods = 0, outside = 0, rewritten = 0;
	const struct pods_there *example = NULL;
	char buf[IP_PREFIX_STRLEN];

	for (size_t i = 0; i < g->v.len; i++) {
		const struct pods_there *t = &there[g->v.v[i] - all];

		pods += t->all;
		outside += t->outside;
		example = example || !t->outside ? example : t;
		range = range ? range : outside_range(g->v.v[i]);
		rewritten += t->outside && is_rewritten(g->v.v[i]->n, t->addr);
	}
	finding_severity(f, rewritten ? SEVERITY_ERROR : SEVERITY_WARNING);
	if (outside)
		finding_text(r, f, "clusterCIDR of kube-proxy is %s, and %zu of %zu pods on %s are outside of it: their requests to cluster IPs %s", cidrs, outside,
			     pods, proxy_group_nodes(r, g), rewritten ? "come from the node's address" : "may come from the node's address");
	else
		finding_text(r, f, "clusterCIDR of kube-proxy is %s, and the podCIDR of %s is outside of it (%s)", cidrs, proxy_group_nodes(r, g),
			     range ? ip_prefix_format(range, buf) : "");
	finding_because(r, f, "clusterCIDR of kube-proxy does not hold the pods' addresses");
	if (example) {
		char addr[IP_ADDR_STRLEN];

		finding_evidence(r, f, "Pod %s/%s has %s", example->example->meta.ns, example->example->meta.name, ip_addr_format(example->addr, addr));
	}
	if (outside && range)
		finding_evidence(r, f, "so is the podCIDR of a node: %s", ip_prefix_format(range, buf));
	if (rewritten)
		finding_evidence(r, f, "a rule of kube-proxy marks them to be masqueraded: NetworkPolicies and applications see the node instead of the pod");
	if (s)
		finding_evidence(r, f, "it holds the cluster IP of %s/%s: it may be the range of Services, which is another one", s->meta.ns, s->meta.name);
	finding_evidence(r, f, "clusterCIDR is told by %s", source_of(v->config));
	proxy_config_commands(r, f, v);
}

void check_cluster_cidr(struct run *r)
{
	CLEANUP(proxy_groups_release) struct proxy_groups groups = { 0 };
	size_t n;
	const struct proxy_view *all = proxy_views(r, &n);
	struct pods_there *there = arena_array(&r->scratch, struct pods_there, n + 1);

	if (!there)
		r->err = -ENOMEM;
	if (r->err)
		return;
	for (size_t i = 0; i < r->c->pods.len; i++)
		if (r->c->pods.v[i]->node)
			count_pod(r, all, there, r->c->pods.v[i]);
	for (size_t i = 0; i < n && !r->err; i++) {
		/* where pods take their addresses from elsewhere, a podCIDR says nothing */
		const bool wrong = there[i].outside || (!there[i].all && outside_range(&all[i]));

		if (wrong && is_by_cidr(all[i].config) && all[i].config->ncluster_cidrs && proxy_concerns(r, &all[i]))
			proxy_groups_add(r, &groups, cidrs_text(r, all[i].config), &all[i]);
	}
	for (size_t i = 0; i < groups.v.len && !r->err; i++)
		mismatch(r, all, there, &groups.v.v[i]);
}

/* ---- detect-local-noop ---- */

/* Does the cluster give pods addresses of that family? */
static bool uses_family(const struct run *r, const struct proxy_view *v, int family)
{
	for (size_t i = 0; v->object && i < v->object->npod_cidrs; i++)
		if (v->object->pod_cidrs[i].addr.family == family)
			return true;
	for (size_t i = 0; i < r->c->services.len; i++) {
		const struct k8s_service *s = r->c->services.v[i];

		for (size_t k = 0; k < s->ncluster_ips; k++)
			if (s->cluster_ips[k].family == family)
				return true;
	}
	return false;
}

static const char *noop_families(struct run *r, const struct proxy_view *v)
{
	const struct kube_proxy_config *c = v->config;
	bool lacks[2];

	for (int i = 0; i < 2; i++) {
		const int family = i ? AF_INET6 : AF_INET;

		lacks[i] = uses_family(r, v, family) && !has_cidr(c, family);
	}
	if (!is_by_cidr(c) || c->masquerade_all == 1 || (!lacks[0] && !lacks[1]))
		return NULL;
	return lacks[0] && lacks[1] ? "IPv4 and IPv6" : family_names[lacks[1]];
}

static void noop(struct run *r, const struct proxy_group *g)
{
	const struct proxy_view *v = g->v.v[0];
	struct finding *f = proxy_group_finding(r, "detect-local-noop", g, g->key);
	const bool half = v->config->ncluster_cidrs > 0;

	/* without any it is how many clusters are set up, and nobody outside sends to their cluster IPs */
	finding_severity(f, half ? SEVERITY_WARNING : SEVERITY_INFO);
	finding_text(r, f, "kube-proxy on %s has no clusterCIDR of %s: clients outside the cluster that send to a cluster IP lose the replies",
		     proxy_group_nodes(r, g), g->key);
	if (half)
		finding_evidence(r, f, "clusterCIDR is %s, and Services or pods have addresses of %s as well", cidrs_text(r, v->config), g->key);
	finding_evidence(r, f, "pods, nodes, node ports and load balancers are not concerned: only cluster IPs that are routed to from outside");
	finding_evidence(r, f, "detectLocalMode is ClusterCIDR, as %s tells", source_of(v->config));
	proxy_config_commands(r, f, v);
}

void check_detect_local(struct run *r)
{
	CLEANUP(proxy_groups_release) struct proxy_groups groups = { 0 };
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n && !r->err; i++) {
		const char *families = v[i].config->known && proxy_concerns(r, &v[i]) ? noop_families(r, &v[i]) : NULL;

		if (families)
			proxy_groups_add(r, &groups, families, &v[i]);
	}
	for (size_t i = 0; i < groups.v.len && !r->err; i++)
		noop(r, &groups.v.v[i]);
}

/* ---- detect-local-nodecidr-wait ---- */

static void node_cidr(struct run *r, const struct proxy_view *v)
{
	const struct snap_log *l;
	const struct log_hit *h = proxy_hit(r, v, "detect-local-nodecidr-wait", &l);
	const bool by_node = v->config->known && str_is(v->config->detect_local_mode, "NodeCIDR"), lacks = by_node && v->object && !v->object->npod_cidrs,
		   waits = h && log_hit_weight(h) == LOG_ERROR;
	struct finding *f;

	if (!lacks && !waits)
		return;
	f = finding_new(r, "detect-local-nodecidr-wait", v->node, NULL, run_printf(r, "Node %s", v->node));
	f->rank = 3;
	finding_cluster(f);
	finding_partial(f);
	if (!waits && (!v->pod || pod_counts_ready(v->pod)))
		finding_severity(f, SEVERITY_WARNING);
	finding_text(r, f, "kube-proxy on %s waits for a podCIDR of its node%s, ends after five minutes, and begins again", v->node,
		     lacks ? ", which has none" : "");
	if (!waits)
		finding_text(r, f, "kube-proxy on %s is set to detectLocalMode NodeCIDR, and its node has no podCIDR: it %s", v->node,
			     v->pod && !pod_counts_ready(v->pod) ? "waits for one" : "will wait for one when it is started again");
	if (lacks)
		finding_evidence(r, f, "Node %s has no spec.podCIDR: the controller manager gives none (allocate-node-cidrs), or the network plugin has its own ranges", v->node);
	if (h)
		proxy_hit_evidence(r, f, v, l, h);
	finding_next(r, f, "kubectl get node %s -o yaml", v->node);
	proxy_config_commands(r, f, v);
}

void check_node_cidr_wait(struct run *r)
{
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n && !r->err; i++)
		if (proxy_concerns(r, &v[i]))
			node_cidr(r, &v[i]);
}

/* ---- masquerade-all ---- */

/* The rule that masqueradeAll makes: whoever sends to the cluster IP, with no condition on the source. */
static bool rules_masquerade_all(const struct snap_node *n)
{
	size_t of = 0, all = 0;

	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];

		for (size_t j = 0; t->xtables && j < t->chain_list.len; j++) {
			const struct rs_chain *c = t->chain_list.v[j];
			const struct rs_rule *rule = c->nrules && str_starts(c->name, "KUBE-SVC-") ? c->rules[0] : NULL;
			const struct rs_chain *to = rule ? rule_chain(rule) : NULL;
			bool source = false, dest = false;

			if (!rule)
				continue;
			for (uint16_t k = 0; k < rule->nconds; k++) {
				source |= rule->conds[k].field == FIELD_SADDR;
				dest |= rule->conds[k].field == FIELD_DADDR;
			}
			of++;
			all += to && strcmp(to->name, "KUBE-MARK-MASQ") == 0 && !source && dest;
		}
	}
	return of > 1 && all == of;
}

void check_masquerade_all(struct run *r)
{
	CLEANUP(proxy_groups_release) struct proxy_groups groups = { 0 };
	size_t n;
	const struct proxy_view *v = proxy_views(r, &n);

	for (size_t i = 0; i < n && !r->err; i++) {
		const struct kube_proxy_config *c = v[i].config;

		if (!proxy_concerns(r, &v[i]))
			continue;
		if (c->known && c->masquerade_all == 1)
			proxy_groups_add(r, &groups, source_of(c), &v[i]);
		else if (v[i].n && !proxy_config_is_own(&v[i]) && rules_masquerade_all(v[i].n))
			proxy_groups_add(r, &groups, "its rules", &v[i]);
	}
	for (size_t i = 0; i < groups.v.len && !r->err; i++) {
		const struct proxy_group *g = &groups.v.v[i];
		struct finding *f = proxy_group_finding(r, "masquerade-all", g, g->key);

		finding_text(r, f, "kube-proxy on %s rewrites the source of everything that is sent to a cluster IP (masqueradeAll)", proxy_group_nodes(r, g));
		finding_because(r, f, "kube-proxy rewrites every source (masqueradeAll)");
		finding_evidence(r, f, "masqueradeAll is true, as %s tell%s", g->key, strcmp(g->key, "its rules") == 0 ? "" : "s");
		finding_evidence(r, f, "pods see the node's address and not that of the pod that sends: NetworkPolicies that allow pods do not let it in");
		proxy_config_commands(r, f, g->v.v[0]);
	}
}
