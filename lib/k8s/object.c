/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of kinds, an object's metadata, and k8s_decode, which hands the object to its kind's decoder. */

#include <errno.h>

#include "k8s-private.h"

/*
 * X(enum, kind, plural, group, older group, decoder). A kind counts only in these groups: others have a
 * Service (serving.knative.dev) or a NetworkPolicy (crd.projectcalico.org) too. The core group is "".
 */
#define GATEWAY_API "gateway.networking.k8s.io"
#define KINDS(X) \
	X(K8S_SERVICES, "Service", "services", "", NULL, decode_service, true, "v1") \
	X(K8S_SLICES, "EndpointSlice", "endpointslices", "discovery.k8s.io", NULL, decode_slice, true, "v1", "v1beta1") \
	X(K8S_ENDPOINTS, "Endpoints", "endpoints", "", NULL, decode_endpoints, true, "v1") \
	X(K8S_PODS, "Pod", "pods", "", NULL, decode_pod, true, "v1") \
	X(K8S_NODES, "Node", "nodes", "", NULL, decode_node, false, "v1") \
	X(K8S_NAMESPACES, "Namespace", "namespaces", "", NULL, decode_namespace, false, "v1") \
	X(K8S_CONFIGMAPS, "ConfigMap", "configmaps", "", NULL, decode_configmap, true, "v1") \
	X(K8S_EVENTS, "Event", "events", "", "events.k8s.io", decode_event, true, "v1") \
	X(K8S_NETPOLS, "NetworkPolicy", "networkpolicies", "networking.k8s.io", "extensions", decode_netpol, true, "v1") \
	X(K8S_DEPLOYMENTS, "Deployment", "deployments", "apps", "extensions", decode_workload, true, "v1") \
	X(K8S_REPLICASETS, "ReplicaSet", "replicasets", "apps", "extensions", decode_workload, true, "v1") \
	X(K8S_STATEFULSETS, "StatefulSet", "statefulsets", "apps", NULL, decode_workload, true, "v1") \
	X(K8S_DAEMONSETS, "DaemonSet", "daemonsets", "apps", "extensions", decode_workload, true, "v1") \
	X(K8S_JOBS, "Job", "jobs", "batch", NULL, decode_workload, true, "v1") \
	X(K8S_INGRESSES, "Ingress", "ingresses", "networking.k8s.io", "extensions", decode_ingress, true, "v1") \
	X(K8S_SERVICECIDRS, "ServiceCIDR", "servicecidrs", "networking.k8s.io", NULL, decode_service_cidr, false, "v1", "v1beta1") \
	X(K8S_VALIDATING, "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "admissionregistration.k8s.io", NULL, decode_caller, false, "v1") \
	X(K8S_MUTATING, "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "admissionregistration.k8s.io", NULL, decode_caller, false, "v1") \
	X(K8S_APISERVICES, "APIService", "apiservices", "apiregistration.k8s.io", NULL, decode_caller, false, "v1") \
	X(K8S_INGRESSCLASSES, "IngressClass", "ingressclasses", "networking.k8s.io", NULL, decode_ingress_class, false, "v1") \
	X(K8S_GATEWAYS, "Gateway", "gateways", GATEWAY_API, NULL, decode_gateway, true, "v1", "v1beta1") \
	X(K8S_HTTPROUTES, "HTTPRoute", "httproutes", GATEWAY_API, NULL, decode_route, true, "v1", "v1beta1", "v1alpha2") \
	X(K8S_GRPCROUTES, "GRPCRoute", "grpcroutes", GATEWAY_API, NULL, decode_route, true, "v1", "v1alpha2") \
	X(K8S_TLSROUTES, "TLSRoute", "tlsroutes", GATEWAY_API, NULL, decode_route, true, "v1", "v1alpha3", "v1alpha2") \
	X(K8S_TCPROUTES, "TCPRoute", "tcproutes", GATEWAY_API, NULL, decode_route, true, "v1alpha2") \
	X(K8S_UDPROUTES, "UDPRoute", "udproutes", GATEWAY_API, NULL, decode_route, true, "v1alpha2") \
	X(K8S_GRANTS, "ReferenceGrant", "referencegrants", GATEWAY_API, NULL, decode_grant, true, "v1beta1", "v1", "v1alpha2")

static const struct kind_row {
	struct k8s_resource resource;
	const char *older_group;
	void (*decode)(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m);
} kind_rows[K8S_KINDS] = {
#define X(id, kind, plural, group, older, decode, namespaced, ...) \
	[id] = { { kind, plural, group, { __VA_ARGS__ }, namespaced }, older, decode },
	KINDS(X)
#undef X
};

const char *k8s_kind_plural(enum k8s_kind k)
{
	return kind_rows[k].resource.plural;
}

const struct k8s_resource *k8s_resource(enum k8s_kind k)
{
	return &kind_rows[k].resource;
}

static bool in_group(const char *api_version, const char *group)
{
	size_t len = group ? strlen(group) : 0;

	if (!group)
		return false;
	if (!*group)
		return !strchr(api_version, '/');
	return strncmp(api_version, group, len) == 0 && api_version[len] == '/';
}

int k8s_kind_find(const char *kind, const char *api_version)
{
	for (size_t i = 0; i < K8S_KINDS; i++) {
		const struct kind_row *row = &kind_rows[i];

		if (strcmp(kind, row->resource.kind) != 0)
			continue;
		if (!*api_version || in_group(api_version, row->resource.group) ||
		    in_group(api_version, row->older_group))
			return (int)i;
	}
	return -ENOENT;
}

int k8s_kind_by_plural(const char *plural, size_t len)
{
	for (size_t i = 0; i < K8S_KINDS; i++) {
		if (strlen(kind_rows[i].resource.plural) == len && memcmp(kind_rows[i].resource.plural, plural, len) == 0)
			return (int)i;
	}
	return -ENOENT;
}

static void decode_owners(struct k8s_dec *d, const json_t *meta, struct k8s_meta *m)
{
	const json_t *a = dec_arr(d, meta, "ownerReferences");
	size_t len = json_array_size(a);
	struct k8s_owner *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++) {
		const json_t *o = json_array_get(a, i);

		v[i] = (struct k8s_owner){
			.kind = dec_name(d, o, "kind"),
			.name = dec_name(d, o, "name"),
			.uid = dec_text(d, o, "uid"),
		};
	}
	m->owners = v;
	m->nowners = v ? len : 0;
}

/*
 * Annotations may hold whole objects (kubectl's last-applied-configuration, which service.c reads by itself); what
 * is longer than this is of no use here.
 */
#define ANNOTATION_MAX 1024

static void decode_annotations(struct k8s_dec *d, const json_t *meta, struct k8s_meta *m)
{
	json_t *object = dec_obj(d, meta, "annotations"), *value;
	struct k8s_label *v = dec_array(d, json_object_size(object), sizeof(*v));
	const char *key;
	size_t len = 0;

	if (!v)
		return;
	json_object_foreach(object, key, value) {
		if (!json_is_string(value))
			dec_bad(d, "annotations", "has a value that is not a string");
		else if (json_string_length(value) <= ANNOTATION_MAX)
			v[len++] = (struct k8s_label){ dec_intern(d, key), dec_text(d, object, key) };
	}
	m->annotations = (struct k8s_labels){ v, len };
}

/*
 * The newest entry of managedFields but for those of a status, which controllers write all the time. RFC 3339
 * in UTC sorts as text.
 */
static void decode_last_change(struct k8s_dec *d, const json_t *meta, struct k8s_meta *m)
{
	const json_t *a = json_arr(meta, "managedFields"), *newest = NULL, *o;
	size_t i;

	json_array_foreach(a, i, o) {
		const char *sub = json_str(o, "subresource"), *time = json_str(o, "time");

		if (!time || (sub && strcmp(sub, "status") == 0))
			continue;
		if (!newest || strcmp(time, json_str(newest, "time")) >= 0)
			newest = o;
	}
	m->last_manager = dec_text(d, newest, "manager");
	m->last_change = dec_text(d, newest, "time");
}

static void decode_meta(struct k8s_dec *d, const json_t *o, struct k8s_meta *m)
{
	const json_t *meta = dec_obj(d, o, "metadata");

	d->where = "metadata";
	m->name = dec_name(d, meta, "name");
	m->ns = dec_name(d, meta, "namespace");
	if (!m->name || !*m->name)
		dec_bad(d, "name", "is missing");
	if (!m->ns)
		m->ns = "";
	if ((m->name && strlen(m->name) > K8S_NAME_MAX) || strlen(m->ns) > K8S_NAME_MAX)
		dec_bad(d, "name", "is longer than 253 bytes");
	if (d->err)
		return;
	d->name = m->name;
	d->ns = m->ns;
	m->uid = dec_text(d, meta, "uid");
	m->created = dec_text(d, meta, "creationTimestamp");
	m->deleted = dec_text(d, meta, "deletionTimestamp");
	m->labels = dec_labels(d, meta, "labels");
	m->finalizers = dec_strs(d, meta, "finalizers", &m->nfinalizers);
	decode_owners(d, meta, m);
	decode_annotations(d, meta, m);
	decode_last_change(d, meta, m);
	d->where = "";
}

int k8s_decode(struct k8s_cluster *c, const struct json_t *object, const char *kind, const char *file,
	       uint32_t line, struct sd_notes *notes)
{
	const char *own = json_str(object, "kind"), *version = json_str(object, "apiVersion");
	struct k8s_meta m = { .order = c->order++ };
	struct k8s_dec d = {
		.c = c,
		.notes = notes,
		.file = file,
		.line = line,
		.kind = own ? own : kind,
		.ns = "",
		.name = "?",
		.where = "",
	};
	int k = k8s_kind_find(d.kind, version ? version : "");

	if (k < 0)
		return k;
	c->finished = false;
	decode_meta(&d, object, &m);
	if (d.err == 0)
		kind_rows[k].decode(&d, object, &m);
	if (d.err == SD_EPARSE)
		c->undecodable++;
	return d.err ? d.err : k;
}
