/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pods that every Service depends on at each node: those of the network plugin, and kube-proxy's. One that is not ready is
 * seen; one that is not there is only told where its DaemonSet wants a pod on every node. Static pods are pods, too; where a
 * process serves in their place, nothing is known and nothing is said.
 */
#include "checks-private.h"

/* ---- who is what ---- */

/* DaemonSets of network plugins, which are also the values of their labels. */
static const struct plugin {
	const char *name;
	bool second; /* adds interfaces to what another plugin makes: pods start without it */
} plugins[] = {
	{ "calico-node", false }, { "canal", false },	   { "rke2-canal", false },   { "cilium", false },	{ "anetd", false },
	{ "flannel", false },	  { "kube-flannel-ds", false }, { "kube-flannel", false }, { "weave-net", false },	{ "antrea-agent", false },
	{ "kube-router", false }, { "aws-node", false },   { "azure-cns", false },    { "azure-cni", false },	{ "kindnet", false },
	{ "ovnkube-node", false }, { "kube-ovn-cni", false }, { "multus", true },     { "kube-multus-ds", true },
};

static const struct plugin *plugin_named(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(plugins); i++)
		if (strcmp(plugins[i].name, name) == 0)
			return &plugins[i];
	return NULL;
}

static const char *daemon_set_of(const struct k8s_pod *p)
{
	for (size_t i = 0; i < p->meta.nowners; i++)
		if (str_is(p->meta.owners[i].kind, "DaemonSet"))
			return p->meta.owners[i].name;
	return NULL;
}

/* Pods of no DaemonSet, such as those of an operator, are none of a node's agents. */
static const struct plugin *plugin_of(const struct k8s_pod *p)
{
	static const char *const keys[] = { "k8s-app", "app", "name", "app.kubernetes.io/name", "component" };
	const char *set = daemon_set_of(p);
	const struct plugin *found = plugin_named(set);

	for (size_t i = 0; set && !found && i < ARRAY_LEN(keys); i++)
		found = plugin_named(k8s_label_get(&p->meta.labels, keys[i]));
	return found;
}

/* ---- the nodes that the run is about ---- */

struct node_tally {
	size_t pods, ready; /* of the Services, in the pods' network */
};
struct nodes {
	struct map m; /* node -> struct node_tally */
	bool all;     /* the run is about the cluster */
};

static struct node_tally *tally_of(struct run *r, struct nodes *n, const char *node)
{
	struct node_tally *t = map_gets(&n->m, node);

	if (t)
		return t;
	t = arena_new(&r->scratch, struct node_tally);
	if (!t || map_puts(&n->m, node, t) < 0) {
		r->err = -ENOMEM;
		return NULL;
	}
	return t;
}

static void count_pods(struct run *r, struct nodes *n)
{
	n->all = !r->o->services;
	for (size_t i = 0; i < r->nsvcs && !r->err; i++)
		for (size_t j = 0; j < r->svcs[i].pods->v.len && !r->err; j++) {
			const struct k8s_pod *p = r->svcs[i].pods->v.v[j];
			struct node_tally *t = p->node && !k8s_pod_terminal(p) ? tally_of(r, n, p->node) : NULL;

			if (!t || p->host_network)
				continue;
			t->pods++;
			t->ready += pod_counts_ready(p);
		}
}

static bool is_concerned(const struct run *r, const struct nodes *n, const char *node)
{
	return (!r->o->node || strcmp(r->o->node, node) == 0) && (n->all || map_gets(&n->m, node));
}

/* ---- nodes that are not ready themselves ---- */

static const struct k8s_condition *not_ready(const struct run *r, const char *node)
{
	const struct k8s_node *n = k8s_find_node(r->c, node);
	const struct k8s_condition *c = n ? k8s_condition(n->conditions, n->nconditions, "Ready") : NULL;

	return c && !str_is(c->status, "True") ? c : NULL;
}

/* The kubelet's words for a network that is not set up: pkg/kubelet/kubelet_node_status.go */
static bool for_want_of_network(const struct k8s_condition *c)
{
	return c && c->message && (strstr(c->message, "cni") || strstr(c->message, "CNI") || strstr(c->message, "NetworkReady") || strstr(c->message, "NetworkPluginNotReady"));
}

/*
 * Of a node that is lost, or ill by itself, all pods count as not ready: only what the pod's own containers show is the pod's
 * fault then.
 */
static bool is_own_fault(const struct run *r, const struct k8s_pod *p, const struct pod_view *w)
{
	const struct k8s_condition *c = not_ready(r, p->node);

	if (!c || for_want_of_network(c))
		return true;
	return !str_is(c->status, "Unknown") && (w->trouble == POD_CRASHING || w->trouble == POD_IMAGE || w->trouble == POD_CONFIG || w->trouble == POD_INIT);
}

static void pod_evidence(struct run *r, struct finding *f, const struct k8s_pod *p, struct pod_view *w)
{
	const struct k8s_container *k = w->container;

	f->since = w->since;
	w->since = NULL; /* times stand in `since` only */
	finding_evidence(r, f, "Pod %s/%s: %s", p->meta.ns, p->meta.name, pod_line(r, w));
	if (k && k->last_reason)
		finding_evidence(r, f, "container %s ended with %s, exit code %lld", k->name, k->last_reason, (long long)k->last_exit_code);
	if (w->message)
		finding_evidence(r, f, "%.300s", w->message);
	finding_event(r, f, w->event ? w->event : run_event(r, "Pod", p->meta.ns, p->meta.name, NULL));
	pod_commands(r, f, p, w);
}

/* ---- network plugins ---- */

/* Services with a pod on the node that waits for its network. */
static void concern_waiting(struct run *r, struct finding *f, const char *node)
{
	for (size_t i = 0; i < r->nsvcs; i++)
		for (size_t j = 0; j < r->svcs[i].pods->v.len; j++) {
			const struct k8s_pod *p = r->svcs[i].pods->v.v[j];
			struct pod_view w;

			if (!str_is(p->node, node) || p->nips || p->host_network)
				continue;
			pod_view(r, p, &w);
			if (w.trouble == POD_STARTING)
				finding_concerns(r, f, r->svcs[i].o);
		}
}

static struct finding *plugin_finding(struct run *r, const char *id, const struct plugin *g, const char *node, const struct nodes *n)
{
	const struct node_tally *t = map_gets(&n->m, node);
	struct finding *f = finding_new(r, id, node, g->name, run_printf(r, "Node %s", node));

	f->rank = 4;
	finding_cluster(f);
	finding_partial(f);
	concern_waiting(r, f, node);
	if (!g->second && t && t->pods && !t->ready) {
		finding_severity(f, SEVERITY_ERROR);
		finding_evidence(r, f, "none of the %zu pods behind Services on the node is ready", t->pods);
	}
	return f;
}

static void plugin_pod(struct run *r, const struct nodes *n, const struct k8s_pod *p)
{
	const struct plugin *g = plugin_of(p);
	struct pod_view w;
	struct finding *f;

	if (!g || !p->node || p->meta.deleted || k8s_pod_terminal(p) || k8s_pod_ready(p) || !is_concerned(r, n, p->node))
		return;
	pod_view(r, p, &w);
	if (!is_own_fault(r, p, &w))
		return;
	f = plugin_finding(r, "cni-pod-not-ready", g, p->node, n);
	finding_text(r, f, "the network plugin's pod on node %s is not ready (Pod %s/%s, %s)", p->node, p->meta.ns, p->meta.name, w.state);
	pod_evidence(r, f, p, &w);
}

/* ---- pods that are not there ---- */

/* Does the DaemonSet want a pod on every node, and would that pod be known? */
static bool wants_every_node(const struct run *r, const struct k8s_workload *w)
{
	return str_is(w->kind, "DaemonSet") && !w->meta.deleted && r->c->nodes.len && run_complete(r, K8S_NODES) && w->replicas >= 0 &&
	       (size_t)w->replicas == r->c->nodes.len && run_complete_in(r, K8S_PODS, w->meta.ns);
}

/* The nodes on which a pod of the DaemonSet is, finished or not. */
static void nodes_of(struct run *r, const struct k8s_workload *w, struct map *ret)
{
	const struct k8s_pod_group *g = map_gets(&r->c->pods_by_ns, w->meta.ns);

	for (size_t i = 0; g && i < g->v.len; i++)
		if (g->v.v[i]->node && str_is(daemon_set_of(g->v.v[i]), w->meta.name) && map_puts(ret, g->v.v[i]->node, ret) < 0)
			r->err = -ENOMEM;
}

static void set_evidence(struct run *r, struct finding *f, const struct k8s_workload *w)
{
	finding_evidence(r, f, "DaemonSet %s/%s wants %lld pods, as many as there are nodes, and %lld are ready", w->meta.ns, w->meta.name,
			 (long long)w->replicas, (long long)w->ready);
	finding_event(r, f, run_event(r, "DaemonSet", w->meta.ns, w->meta.name, NULL));
	finding_next(r, f, "kubectl -n %s describe daemonset %s", w->meta.ns, w->meta.name);
	finding_next(r, f, "kubectl describe node %s", f->node);
}

static void plugin_set(struct run *r, const struct nodes *n, const struct k8s_workload *w)
{
	const struct plugin *g = str_is(w->kind, "DaemonSet") ? plugin_named(w->meta.name) : NULL;
	CLEANUP(map_release) struct map has = { 0 };

	if (!g || !wants_every_node(r, w))
		return;
	nodes_of(r, w, &has);
	for (size_t i = 0; i < r->c->nodes.len && !r->err; i++) {
		const char *node = r->c->nodes.v[i]->meta.name;
		struct finding *f;

		if (map_gets(&has, node) || !is_concerned(r, n, node))
			continue;
		f = plugin_finding(r, "cni-pod-missing", g, node, n);
		finding_text(r, f, "node %s has no pod of the network plugin %s, which wants one there", node, g->name);
		set_evidence(r, f, w);
	}
}

static void nodes_release(struct nodes *n)
{
	map_release(&n->m);
}

void check_cni_pods(struct run *r)
{
	CLEANUP(nodes_release) struct nodes n = { 0 };

	count_pods(r, &n);
	for (size_t i = 0; i < r->c->pods.len && !r->err; i++)
		plugin_pod(r, &n, r->c->pods.v[i]);
	for (size_t i = 0; i < r->c->workloads.len && !r->err; i++)
		plugin_set(r, &n, r->c->workloads.v[i]);
}

/* ---- kube-proxy ---- */

static struct finding *proxy_finding(struct run *r, const char *node)
{
	struct finding *f = finding_new(r, "kube-proxy-not-running", node, NULL, run_printf(r, "Node %s", node));

	f->rank = 4;
	finding_cluster(f);
	finding_partial(f);
	return f;
}

/* A second one on the node that is ready does the work. */
static void ready_proxies(struct run *r, struct map *ret)
{
	for (size_t i = 0; i < r->c->pods.len; i++)
		if (is_proxy_pod(r->c->pods.v[i]) && r->c->pods.v[i]->node && pod_counts_ready(r->c->pods.v[i]) &&
		    map_puts(ret, r->c->pods.v[i]->node, ret) < 0)
			r->err = -ENOMEM;
}

static void proxy_pod(struct run *r, const struct nodes *n, struct map *seen, const struct k8s_pod *p)
{
	struct pod_view w;
	struct finding *f;

	if (!is_proxy_pod(p) || !p->node || p->meta.deleted || k8s_pod_terminal(p) || map_gets(seen, p->node) || !is_concerned(r, n, p->node))
		return;
	pod_view(r, p, &w);
	if (!is_own_fault(r, p, &w))
		return;
	if (map_puts(seen, p->node, seen) < 0)
		r->err = -ENOMEM;
	f = proxy_finding(r, p->node);
	finding_text(r, f, "kube-proxy does not run on node %s (Pod %s/%s, %s): changes of Services and endpoints do not get there", p->node, p->meta.ns,
		     p->meta.name, w.state);
	pod_evidence(r, f, p, &w);
}

static void proxy_set(struct run *r, const struct nodes *n, const struct k8s_workload *w)
{
	CLEANUP(map_release) struct map has = { 0 };

	if (!str_is(w->kind, "DaemonSet") || !str_is(k8s_label_get(&w->template_labels, "k8s-app"), "kube-proxy") || !wants_every_node(r, w))
		return;
	nodes_of(r, w, &has);
	for (size_t i = 0; i < r->c->nodes.len && !r->err; i++) {
		const char *node = r->c->nodes.v[i]->meta.name;
		struct finding *f;

		if (map_gets(&has, node) || !is_concerned(r, n, node))
			continue;
		f = proxy_finding(r, node);
		finding_text(r, f, "node %s has no pod of kube-proxy, though its DaemonSet wants one there", node);
		set_evidence(r, f, w);
	}
}

void check_proxy_pods(struct run *r)
{
	CLEANUP(map_release) struct map seen = { 0 };
	struct nodes n = { .all = true }; /* clients are on every node */

	ready_proxies(r, &seen);
	for (size_t i = 0; i < r->c->pods.len && !r->err; i++)
		proxy_pod(r, &n, &seen, r->c->pods.v[i]);
	for (size_t i = 0; i < r->c->workloads.len && !r->err; i++)
		proxy_set(r, &n, r->c->workloads.v[i]);
}

/* Where the node's rules are known to be wrong, it is more than a warning, and their reason. */
void proxy_pods_judged(struct run *r)
{
	for (size_t i = 0; i < r->d->findings.len; i++) {
		struct finding *f = r->d->findings.v[i];

		for (size_t j = 0; str_is(f->check->id, "kube-proxy-not-running") && j < r->d->verify.differences.len; j++) {
			const struct verify_difference *d = &r->d->verify.differences.v[j];

			if (d->severity == VERIFY_ERROR && str_is(d->node, f->node))
				finding_severity(f, SEVERITY_ERROR);
		}
	}
}
