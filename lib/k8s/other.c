/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decoders of Node, Namespace, ConfigMap and Event. */

#include "k8s-private.h"

static void decode_node_addresses(struct k8s_dec *d, const json_t *status, struct k8s_node *n)
{
	const json_t *a = dec_arr(d, status, "addresses");
	size_t len = json_array_size(a);
	struct k8s_node_address *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++) {
		const json_t *o = json_array_get(a, i);

		v[i].type = dec_name(d, o, "type");
		v[i].address = dec_name(d, o, "address");
		if (!v[i].type || !v[i].address)
			dec_bad(d, "addresses", "has an element without type or address");
		else if (!dec_ip(v[i].address, &v[i].ip) && str_ends(v[i].type, "IP"))
			dec_note_address(d, "addresses", v[i].address);
	}
	n->addresses = v;
	n->naddresses = v ? len : 0;
}

static void decode_taints(struct k8s_dec *d, const json_t *spec, struct k8s_node *n)
{
	const json_t *a = dec_arr(d, spec, "taints");
	size_t len = json_array_size(a);
	struct k8s_taint *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++) {
		v[i].key = dec_name(d, json_array_get(a, i), "key");
		v[i].effect = dec_name(d, json_array_get(a, i), "effect");
	}
	n->taints = v;
	n->ntaints = v ? len : 0;
}

static void decode_pod_cidrs(struct k8s_dec *d, const json_t *spec, struct k8s_node *n)
{
	const char *one = dec_name(d, spec, "podCIDR");
	struct ip_prefix *v;

	n->pod_cidrs = dec_cidrs(d, spec, "podCIDRs", &n->npod_cidrs);
	if (n->npod_cidrs > 0 || !one || !*one || json_array_size(json_arr(spec, "podCIDRs")) > 0)
		return;
	v = dec_array(d, 1, sizeof(*v));
	if (v && ip_prefix_parse(one, v) == 0) {
		n->pod_cidrs = v;
		n->npod_cidrs = 1;
	} else if (v) {
		dec_note_address(d, "podCIDR", one);
	}
}

void decode_node(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_node *n = dec_new(d, struct k8s_node, m);
	const json_t *spec = dec_obj(d, o, "spec"), *status = dec_obj(d, o, "status");
	const json_t *info = json_obj(status, "nodeInfo");

	if (!n)
		return;
	d->where = "spec";
	decode_pod_cidrs(d, spec, n);
	decode_taints(d, spec, n);
	n->unschedulable = dec_bool(d, spec, "unschedulable");
	d->where = "status";
	decode_node_addresses(d, status, n);
	n->conditions = dec_conditions(d, status, &n->nconditions);
	n->kernel = dec_text(d, info, "kernelVersion");
	n->os = dec_text(d, info, "operatingSystem");
	n->arch = dec_text(d, info, "architecture");
	n->kubelet_version = dec_text(d, info, "kubeletVersion");
	n->proxy_version = dec_text(d, info, "kubeProxyVersion");
	n->os_image = dec_text(d, info, "osImage");
	n->runtime = dec_text(d, info, "containerRuntimeVersion");
	n->machine_id = dec_text(d, info, "machineID");
	dec_keep(d, &d->c->nodes, n);
}

void decode_namespace(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_namespace *n = dec_new(d, struct k8s_namespace, m);

	if (!n)
		return;
	d->where = "status";
	n->phase = dec_name(d, json_obj(o, "status"), "phase");
	dec_keep(d, &d->c->namespaces, n);
}

/* ConfigMaps may hold a megabyte each; only those that name resolution, kube-proxy or ingress-nginx use are kept whole. */
static bool is_wanted_configmap(const struct k8s_meta *m)
{
	static const char *const names[] = { "coredns",	   "kube-dns",		       "node-local-dns",
					     "kube-proxy", "ingress-nginx-controller", "nginx-configuration" };

	if (strcmp(m->ns, "kube-system") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(m->name, names[i]) == 0)
			return true;
	}
	return false;
}

void decode_configmap(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_configmap *c = dec_new(d, struct k8s_configmap, m);
	struct k8s_labels data;

	if (!c)
		return;
	if (is_wanted_configmap(m)) {
		data = dec_labels(d, o, "data");
		c->data = data.v;
		c->ndata = data.len;
	}
	dec_keep(d, &d->c->configmaps, c);
}

static const char *first_of(const char *a, const char *b)
{
	return a ? a : b;
}

/* events.k8s.io calls some fields otherwise and keeps the old ones as "deprecated...". */
static void decode_event_times(struct k8s_dec *d, const json_t *o, struct k8s_event *e)
{
	const json_t *series = json_obj(o, "series");
	const char *at = dec_text(d, o, "eventTime");
	int64_t count = 1;

	e->first = first_of(dec_text(d, o, "firstTimestamp"), dec_text(d, o, "deprecatedFirstTimestamp"));
	e->first = first_of(e->first, at);
	e->last = first_of(dec_text(d, o, "lastTimestamp"), dec_text(d, o, "deprecatedLastTimestamp"));
	e->last = first_of(dec_text(d, series, "lastObservedTime"), first_of(e->last, at));
	if (!json_int(series, "count", &count) && !json_int(o, "count", &count))
		(void)json_int(o, "deprecatedCount", &count);
	e->count = MAX(count, 1);
}

void decode_event(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_event *e = dec_new(d, struct k8s_event, m);
	const json_t *about = dec_obj(d, o, "involvedObject");

	if (!e)
		return;
	if (!about)
		about = dec_obj(d, o, "regarding");
	d->where = "involvedObject";
	e->type = dec_text(d, o, "type");
	e->reason = dec_text(d, o, "reason");
	e->message = first_of(dec_text(d, o, "message"), dec_text(d, o, "note"));
	e->kind = dec_name(d, about, "kind");
	e->ns = dec_name(d, about, "namespace");
	e->name = dec_name(d, about, "name");
	e->uid = dec_text(d, about, "uid");
	decode_event_times(d, o, e);
	dec_keep(d, &d->c->events, e);
}
