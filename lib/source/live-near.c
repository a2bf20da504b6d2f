/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is asked for one named Service once it is known: its pods, the nodes and pods that its slices name, the Service that it stands
 * for. And, only where something is wrong, what comes near: workloads that would make its pods, pods that nearly match, similar names.
 * Searches are bounded, and made only as far as there is room; what they leave open is not taken for absent.
 */

#include <errno.h>

#include <svcdoctor/names.h>

#include "live-private.h"

enum { NODES_BY_NAME = 3, NODES_MAX = 10, PODS_BY_NAME = 4, CHAIN_MAX = 8, NODES_NAMED = 2, PROXIES_MAX = 300 };

static bool list_has(const struct name_list *l, const char *name)
{
	for (size_t i = 0; i < l->v.len; i++) {
		if (strcmp(l->v.v[i], name) == 0)
			return true;
	}
	return false;
}

static void list_put(struct live_plan *p, struct name_list *l, const char *name, size_t max)
{
	if (name && is_k8s_name(name) && l->v.len < max && !list_has(l, name) && array_push(&l->v, name) < 0)
		p->failed = true;
}

static void list_add(struct live_plan *p, struct name_list *l, const char *name)
{
	list_put(p, l, name, NODES_MAX);
}

static bool is_of(const struct k8s_slice *sl, const struct k8s_service *s)
{
	return str_is(sl->service, s->meta.name) && strcmp(sl->meta.ns, s->meta.ns) == 0;
}

static const char *selector_text(struct live_plan *p, const struct k8s_service *s)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const char *text;

	for (size_t i = 0; i < s->selector.len; i++)
		strbuf_addf(&b, "%s%s=%s", i ? "," : "", s->selector.v[i].key, s->selector.v[i].value);
	text = b.failed ? NULL : arena_strdup(p->arena, strbuf_str(&b));
	p->failed |= !text;
	return text;
}

static const struct k8s_pod *find_pod(const struct live_plan *p, const char *ns, const char *name)
{
	for (size_t i = 0; i < p->known->pods.len; i++) {
		const struct k8s_pod *pod = p->known->pods.v[i];

		if (strcmp(pod->meta.name, name) == 0 && strcmp(pod->meta.ns, ns) == 0)
			return pod;
	}
	return NULL;
}

static bool is_selected(const struct k8s_service *s, const struct k8s_pod *pod)
{
	return strcmp(pod->meta.ns, s->meta.ns) == 0 && k8s_selector_matches(&s->selector, &pod->meta.labels);
}

/* ---- pods ---- */

/* True when its pods are known. */
static bool ask_pods(struct live_plan *p, const struct k8s_service *s, const char *selector)
{
	const struct live_ask *a;

	if (!selector)
		return true;
	a = live_ask(p, &(struct live_ask){ .kind = K8S_PODS, .ns = s->meta.ns, .labels = selector, .pages_max = 4,
					    .service = { s->meta.ns, s->meta.name } });
	return a && a->done;
}

static void ask_address(struct live_plan *p, const struct k8s_endpoint *e)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	char buf[IP_ADDR_STRLEN];

	if (!e->ip.family || e->ready == 0 || !live_room(p, 1, 16))
		return;
	strbuf_addf(&b, "status.podIP=%s", ip_addr_format(&e->ip, buf));
	p->failed |= b.failed;
	(void)live_ask(p, &(struct live_ask){ .kind = K8S_PODS, .fields = strbuf_str(&b), .limit = 5, .pages_max = 1, .optional = true });
}

/* A pod that a slice names and that the selector did not give: one that is gone, has other labels, or has lost its address to another. */
static void ask_named_pod(struct live_plan *p, const struct k8s_slice *sl, const struct k8s_endpoint *e, size_t *asked)
{
	const char *ns = e->target_ns ? e->target_ns : sl->meta.ns;
	const struct k8s_pod *pod = find_pod(p, ns, e->target_name);
	const struct live_ask *a;

	if (pod) {
		if (e->target_uid && pod->meta.uid && strcmp(e->target_uid, pod->meta.uid) != 0)
			ask_address(p, e);
		return;
	}
	if (!is_k8s_name(e->target_name) || !is_k8s_name(ns) || live_has_all(p, K8S_PODS, ns) || ++*asked > PODS_BY_NAME ||
	    (!live_answer(p, K8S_PODS, ns, e->target_name, NULL) && !live_room(p, 1, 8)))
		return;
	a = live_ask(p, &(struct live_ask){ .kind = K8S_PODS, .ns = ns, .name = e->target_name });
	if (a && a->done && a->outcome == API_NOT_FOUND)
		ask_address(p, e);
}

static void ask_named_pods(struct live_plan *p, const struct k8s_service *s)
{
	size_t asked = 0;

	for (size_t i = 0; i < p->known->slices.len; i++) {
		const struct k8s_slice *sl = p->known->slices.v[i];

		for (size_t j = 0; is_of(sl, s) && j < sl->nendpoints; j++) {
			if (str_is(sl->endpoints[j].target_kind, "Pod") && sl->endpoints[j].target_name)
				ask_named_pod(p, sl, &sl->endpoints[j], &asked);
		}
	}
}

/* Why a pod is not ready is often told by events only. */
static void ask_pod_events(struct live_plan *p, const struct k8s_service *s)
{
	for (size_t i = 0; i < p->known->pods.len; i++) {
		const struct k8s_pod *pod = p->known->pods.v[i];

		if (!is_selected(s, pod) || k8s_pod_ready(pod) || !live_room(p, 1, 60))
			continue;
		(void)live_ask(p, &(struct live_ask){ .kind = K8S_EVENTS, .ns = s->meta.ns, .fields = "type=Warning", .whole = true,
						      .limit = 50, .pages_max = 1 });
		return;
	}
}

/* ---- nodes ---- */

/* Those with endpoints that are not ready come first. */
static void nodes_of(struct live_plan *p, const struct k8s_service *s, bool ready, struct name_list *ret)
{
	for (size_t i = 0; i < p->known->slices.len; i++) {
		const struct k8s_slice *sl = p->known->slices.v[i];

		for (size_t j = 0; is_of(sl, s) && j < sl->nendpoints; j++) {
			if ((sl->endpoints[j].ready != 0) == ready)
				list_add(p, ret, sl->endpoints[j].node_name);
		}
	}
	for (size_t i = 0; i < p->known->pods.len; i++) {
		if (is_selected(s, p->known->pods.v[i]) && k8s_pod_ready(p->known->pods.v[i]) == ready)
			list_add(p, ret, p->known->pods.v[i]->node);
	}
}

static void ask_some_nodes(struct live_plan *p, const struct name_list *l)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	strbuf_adds(&b, "kubernetes.io/hostname in (");
	for (size_t i = 0; i < l->v.len; i++)
		strbuf_addf(&b, "%s%s", i ? "," : "", l->v.v[i]);
	strbuf_addc(&b, ')');
	p->failed |= b.failed;
	if (live_room(p, 1, 100))
		(void)live_ask(p, &(struct live_ask){ .kind = K8S_NODES, .labels = strbuf_str(&b), .limit = NODES_MAX, .pages_max = 1 });
}

static void ask_nodes(struct live_plan *p)
{
	struct name_list l = { 0 };

	if (live_has_all(p, K8S_NODES, NULL))
		return;
	for (int ready = 0; ready < 2; ready++) {
		for (size_t i = 0; i < p->targets.len; i++)
			nodes_of(p, p->targets.v[i], ready, &l);
	}
	for (size_t i = 0; l.v.len <= NODES_BY_NAME && i < l.v.len; i++) {
		if (live_answer(p, K8S_NODES, NULL, l.v.v[i], NULL) || live_room(p, 1, 16))
			(void)live_ask(p, &(struct live_ask){ .kind = K8S_NODES, .name = l.v.v[i] });
	}
	if (l.v.len > NODES_BY_NAME)
		ask_some_nodes(p, &l);
	array_free(&l.v);
}

static void nodes_of_slices(struct live_plan *p, bool ready, struct name_list *ret)
{
	for (size_t i = 0; ret->v.len < NODES_MAX && i < p->known->slices.len; i++) {
		const struct k8s_slice *sl = p->known->slices.v[i];

		for (size_t j = 0; j < sl->nendpoints; j++) {
			if ((sl->endpoints[j].ready != 0) == ready)
				list_add(p, ret, sl->endpoints[j].node_name);
		}
	}
}

/* Those on which kube-proxy has a pod. */
static void nodes_of_proxies(struct live_plan *p, struct name_list *ret)
{
	for (size_t i = 0; ret->v.len < PROXIES_MAX && i < p->known->pods.len; i++) {
		const struct k8s_pod *pod = p->known->pods.v[i];

		if (str_is(k8s_label_get(&pod->meta.labels, "k8s-app"), "kube-proxy") && pod->node && (!p->want->node || strcmp(p->want->node, pod->node) == 0))
			list_put(p, ret, pod->node, PROXIES_MAX);
	}
}

void live_nodes(struct live_plan *p, struct name_list *ret)
{
	const bool named = live_scope(p) == LIVE_NAMED;

	if (p->want->proxies) {
		nodes_of_proxies(p, ret);
		return;
	}
	for (int ready = 0; ready < 2; ready++) {
		for (size_t i = 0; named && i < p->targets.len; i++)
			nodes_of(p, p->targets.v[i], ready, ret);
		if (!named)
			nodes_of_slices(p, ready, ret);
	}
	if (named && ret->v.len > NODES_NAMED)
		ret->v.len = NODES_NAMED;
}

/* kube-proxy and the network's agents; what else runs in kube-system comes along. */
void live_plan_agents(struct live_plan *p)
{
	struct name_list nodes = { 0 };

	live_nodes(p, &nodes);
	for (size_t i = 0; i < nodes.v.len; i++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

		strbuf_addf(&b, "spec.nodeName=%s", nodes.v.v[i]);
		p->failed |= b.failed;
		/* one more for what they are asked then */
		if (!live_has_all(p, K8S_PODS, "kube-system") && live_room(p, 2, 100))
			(void)live_ask(p, &(struct live_ask){ .kind = K8S_PODS, .ns = "kube-system", .fields = strbuf_str(&b), .limit = 20,
							      .pages_max = 1, .optional = true });
	}
	array_free(&nodes.v);
}

/* Its fate depends on how many nodes there are, or whose addresses they have. */
static bool concerns_all_nodes(const struct k8s_service *s)
{
	return s->internal_local || s->external_local || s->nexternal_ips || s->ningress || s->traffic_distribution;
}

static bool knows_node(const struct live_plan *p, const char *name)
{
	const struct live_ask *a;

	if (!name)
		return true;
	for (size_t i = 0; i < p->known->nodes.len; i++) {
		if (strcmp(p->known->nodes.v[i]->meta.name, name) == 0)
			return true;
	}
	a = live_answer(p, K8S_NODES, NULL, name, NULL);
	return a && live_answered(a);
}

bool live_knows_nodes(const struct live_plan *p, const struct k8s_service *s)
{
	bool all = true;

	for (size_t i = 0; i < p->known->slices.len; i++) {
		const struct k8s_slice *sl = p->known->slices.v[i];

		for (size_t j = 0; is_of(sl, s) && all && j < sl->nendpoints; j++)
			all = knows_node(p, sl->endpoints[j].node_name);
	}
	for (size_t i = 0; all && i < p->known->pods.len; i++)
		all = !is_selected(s, p->known->pods.v[i]) || knows_node(p, p->known->pods.v[i]->node);
	return all;
}

static bool knows_pod(const struct live_plan *p, const struct k8s_slice *sl, const struct k8s_endpoint *e)
{
	const char *ns = e->target_ns ? e->target_ns : sl->meta.ns;
	const struct live_ask *a;

	if (!str_is(e->target_kind, "Pod") || !e->target_name || find_pod(p, ns, e->target_name))
		return true;
	a = live_answer(p, K8S_PODS, ns, e->target_name, NULL);
	return (a && live_answered(a)) || live_has_all(p, K8S_PODS, ns);
}

bool live_knows_pods(const struct live_plan *p, const struct k8s_service *s)
{
	bool all = true;

	for (size_t i = 0; i < p->known->slices.len; i++) {
		const struct k8s_slice *sl = p->known->slices.v[i];

		for (size_t j = 0; is_of(sl, s) && all && j < sl->nendpoints; j++)
			all = knows_pod(p, sl, &sl->endpoints[j]);
	}
	return all;
}

/* ---- who would make its pods ---- */

static bool has_pods(const struct live_plan *p, const struct k8s_service *s)
{
	for (size_t i = 0; i < p->known->pods.len; i++) {
		if (is_selected(s, p->known->pods.v[i]))
			return true;
	}
	for (size_t i = 0; i < p->known->slices.len; i++) {
		if (is_of(p->known->slices.v[i], s) && p->known->slices.v[i]->nendpoints)
			return true;
	}
	return false;
}

static bool has_workload(const struct live_plan *p, const struct k8s_service *s)
{
	for (size_t i = 0; i < p->known->workloads.len; i++) {
		const struct k8s_workload *w = p->known->workloads.v[i];

		if (strcmp(w->meta.ns, s->meta.ns) == 0 && !w->meta.nowners && k8s_selector_matches(&s->selector, &w->template_labels))
			return true;
	}
	return false;
}

/* True when all of them are answered. */
static bool ask_workloads(struct live_plan *p, const struct k8s_service *s, const char *labels, unsigned limit)
{
	static const enum k8s_kind kinds[] = { K8S_DEPLOYMENTS, K8S_STATEFULSETS };
	bool done = true;

	/* by any labels, the commonest kind only */
	for (size_t i = 0; i < (labels ? ARRAY_LEN(kinds) : 1); i++) {
		struct live_ask a = { .kind = kinds[i], .ns = s->meta.ns, .labels = labels, .limit = limit, .pages_max = 1 };
		const struct live_ask *mine;

		if (live_has_all(p, kinds[i], s->meta.ns))
			continue;
		if (!live_answer(p, kinds[i], s->meta.ns, NULL, labels) && !live_room(p, 1, limit * 4))
			continue;
		mine = live_ask(p, &a);
		done &= mine && mine->done;
	}
	return done;
}

/* Pods that nearly match: of its namespace by any labels, of others by the same ones. */
static void ask_near_pods(struct live_plan *p, const struct k8s_service *s, const char *selector)
{
	struct live_ask a = { .kind = K8S_PODS, .metadata = true, .pages_max = 1, .optional = true };

	if (!live_has_all(p, K8S_PODS, NULL) && live_room(p, 1, 16)) {
		a.labels = selector;
		a.limit = 5;
		(void)live_ask(p, &a);
	}
	if (!live_has_all(p, K8S_PODS, s->meta.ns) && live_room(p, 1, 100)) {
		a.labels = NULL;
		a.ns = s->meta.ns;
		a.limit = 30;
		(void)live_ask(p, &a);
	}
}

static void ask_near(struct live_plan *p, const struct k8s_service *s, const char *selector)
{
	if (!selector || has_pods(p, s) || has_workload(p, s))
		return;
	/* they mostly have the labels of their pods themselves */
	if (!ask_workloads(p, s, selector, 5) || has_workload(p, s))
		return;
	(void)ask_workloads(p, s, NULL, 15);
	ask_near_pods(p, s, selector);
}

/* ---- who makes its pods ---- */

/*
 * The Deployment of a ReplicaSet, by the names that the Deployment controller gives: NAME-HASH, with the hash in the pods' label
 * pod-template-hash. NULL: it is somebody else's ReplicaSet, or memory is out.
 */
static const char *deployment_of(struct live_plan *p, const struct k8s_pod *pod, const char *replica_set)
{
	const char *hash = k8s_label_get(&pod->meta.labels, "pod-template-hash");
	const size_t len = strlen(replica_set), tail = hash ? strlen(hash) + 1 : 0;
	const char *name;

	if (!hash || len <= tail || replica_set[len - tail] != '-' || strcmp(replica_set + len - tail + 1, hash) != 0)
		return NULL;
	name = arena_strndup(p->arena, replica_set, len - tail);
	p->failed |= !name;
	return name;
}

static void ask_owner(struct live_plan *p, const struct k8s_service *s, const struct k8s_pod *pod, const struct k8s_owner *o)
{
	struct live_ask a = { .ns = s->meta.ns, .service = { s->meta.ns, s->meta.name } };

	if (str_is(o->kind, "ReplicaSet")) {
		a.kind = K8S_DEPLOYMENTS;
		a.name = deployment_of(p, pod, o->name);
	} else if (str_is(o->kind, "StatefulSet") || str_is(o->kind, "DaemonSet")) {
		a.kind = str_is(o->kind, "StatefulSet") ? K8S_STATEFULSETS : K8S_DAEMONSETS;
		a.name = o->name;
	}
	if (a.name && is_k8s_name(a.name) && !live_has_all(p, a.kind, a.ns) && live_room(p, 1, 8))
		(void)live_ask(p, &a);
}

static void ask_owners(struct live_plan *p, const struct k8s_service *s)
{
	for (size_t i = 0; p->want->rollouts && i < p->known->pods.len; i++) {
		const struct k8s_pod *pod = p->known->pods.v[i];

		for (size_t j = 0; is_selected(s, pod) && j < pod->meta.nowners; j++)
			ask_owner(p, s, pod, &pod->meta.owners[j]);
	}
}

/* ---- the Service that an external name means ---- */

static const struct k8s_service *find_service(const struct live_plan *p, const char *ns, const char *name)
{
	for (size_t i = 0; i < p->known->services.len; i++) {
		const struct k8s_service *s = p->known->services.v[i];

		if (strcmp(s->meta.name, name) == 0 && strcmp(s->meta.ns, ns) == 0)
			return s;
	}
	return NULL;
}

static void ask_external_name(struct live_plan *p, const struct k8s_service *s)
{
	for (int hops = 0; s && s->external_name && hops < CHAIN_MAX; hops++) {
		char name[64], ns[64];

		if (service_name_split(s->external_name, NULL, name, ns) < 0 || !ns[0])
			return;
		(void)live_ask(p, &(struct live_ask){ .kind = K8S_SERVICES, .ns = ns, .name = name });
		s = find_service(p, ns, name);
	}
}

/* ---- all of that ---- */

static void ask_target(struct live_plan *p, const struct k8s_service *s)
{
	const char *selector = s->selector.len ? selector_text(p, s) : NULL;

	live_plan_service(p, s->meta.ns, s->meta.name);
	if (strcmp(s->type, "ExternalName") == 0) {
		ask_external_name(p, s);
		return;
	}
	if (s->nexternal_ips || s->ningress || strcmp(s->type, "LoadBalancer") == 0)
		live_plan_proxy_config(p);
	if (concerns_all_nodes(s) && live_room(p, 1, 100))
		(void)live_ask(p, &(struct live_ask){ .kind = K8S_NODES, .limit = NODES_MAX, .pages_max = 1 });
	if (!ask_pods(p, s, selector))
		return;
	ask_named_pods(p, s);
	ask_owners(p, s);
	ask_pod_events(p, s);
	ask_near(p, s, selector);
}

void live_plan_targets(struct live_plan *p)
{
	bool done = true;

	for (size_t i = 0; i < p->targets.len; i++) {
		ask_target(p, p->targets.v[i]);
	}
	for (size_t i = 0; i < p->asks.len; i++)
		done &= p->asks.v[i]->done || p->asks.v[i]->kind != K8S_PODS;
	if (done)
		ask_nodes(p);
}

/* ---- names that nobody has ---- */

static bool is_target(const struct live_plan *p, const struct live_word *w)
{
	for (size_t i = 0; i < p->targets.len; i++) {
		if (live_word_match(w, p->targets.v[i]))
			return true;
	}
	return false;
}

static void ask_all_services(struct live_plan *p)
{
	(void)live_ask(p, &(struct live_ask){ .kind = K8S_SERVICES });
}

static void ask_similar(struct live_plan *p, const struct snap_name *n)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "metadata.name=%s", n->name);
	p->failed |= b.failed;
	(void)live_ask(p, &(struct live_ask){ .kind = K8S_NAMESPACES, .name = n->ns, .optional = true });
	if (live_has_all(p, K8S_SERVICES, NULL))
		return;
	(void)live_ask(p, &(struct live_ask){ .kind = K8S_SERVICES, .fields = strbuf_str(&b), .metadata = true, .limit = 10, .pages_max = 1,
					      .optional = true });
	if (!live_has_all(p, K8S_SERVICES, n->ns))
		(void)live_ask(p, &(struct live_ask){ .kind = K8S_SERVICES, .ns = n->ns, .metadata = true, .limit = 100, .pages_max = 1,
						      .optional = true });
}

/* "node1:30080" */
static void ask_node(struct live_plan *p, const struct live_word *w)
{
	const struct live_ask *a;

	if (!w->port || !w->host || !is_k8s_name(w->host))
		return;
	a = live_ask(p, &(struct live_ask){ .kind = K8S_NODES, .name = w->host, .optional = true });
	if (a && a->done && a->outcome == API_OK)
		ask_all_services(p);
}

void live_plan_missing(struct live_plan *p)
{
	for (size_t i = 0; i < p->words.len; i++) {
		const struct live_word *w = &p->words.v[i];

		if (is_target(p, w))
			continue;
		for (size_t j = 0; j < w->nnames; j++)
			ask_similar(p, &w->names[j]);
		if (w->addr.family) {
			ask_all_services(p);
			(void)live_ask(p, &(struct live_ask){ .kind = K8S_NODES, .pages_max = 4 });
		} else if (w->nnames == 0 && w->host) {
			ask_all_services(p);
		}
		ask_node(p, w);
	}
}
