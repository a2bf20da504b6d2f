/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decoders of Service, EndpointSlice, Endpoints, Ingress and ServiceCIDR: what traffic is sent to. */

#include <errno.h>
#include <netinet/in.h>

#include "k8s-private.h"

#define AFFINITY_TIMEOUT_MAX 86400

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static void decode_service_ports(struct k8s_dec *d, const json_t *spec, struct k8s_service *s)
{
	const json_t *a = dec_arr(d, spec, "ports");
	size_t len = json_array_size(a);
	struct k8s_service_port *v = dec_array(d, len, sizeof(*v));

	d->where = "spec.ports[]";
	for (size_t i = 0; v && i < len; i++) {
		const json_t *p = json_array_get(a, i);

		v[i] = (struct k8s_service_port){
			.name = or_empty(dec_name(d, p, "name")),
			.proto = dec_proto(d, p),
			.app_protocol = dec_name(d, p, "appProtocol"),
			.port = (uint16_t)dec_int(d, p, "port", 1, UINT16_MAX, 0),
			.target = dec_target(d, p, "targetPort"),
			.node_port = (uint16_t)dec_int(d, p, "nodePort", 0, UINT16_MAX, 0),
		};
		if (!v[i].port)
			dec_bad(d, "port", "is missing");
	}
	d->where = "spec";
	s->ports = v;
	s->nports = v ? len : 0;
}

/*
 * What `kubectl apply` keeps of the object it was given (k8s.io/api/core/v1 LastAppliedConfigAnnotation). Anybody may
 * write into an annotation and nothing here depends on it: one that is too long or is not read counts as absent.
 */
#define APPLIED_MAX (64u << 10) /* bytes; all annotations of an object have 256 KiB at most */
#define APPLIED_PORTS_MAX 256

static bool applied_port(const json_t *o, struct k8s_applied_port *ret)
{
	const char *proto = json_str(o, "protocol");
	int64_t port;

	if (!json_int(o, "port", &port) || port < 1 || port > UINT16_MAX)
		return false;
	ret->port = (uint16_t)port;
	if (!proto || !*proto || str_is(proto, "TCP"))
		ret->proto = IPPROTO_TCP;
	else if (str_is(proto, "UDP"))
		ret->proto = IPPROTO_UDP;
	else if (str_is(proto, "SCTP"))
		ret->proto = IPPROTO_SCTP;
	else
		return false;
	return true;
}

static void decode_applied_ports(struct k8s_dec *d, const json_t *object, struct k8s_service *s)
{
	const json_t *text = json_object_get(json_obj(json_obj(object, "metadata"), "annotations"), APPLIED_ANNOTATION);
	struct k8s_applied_port *v = NULL;
	const json_t *ports;
	json_error_t error;
	json_t *applied;
	size_t len;

	if (!json_is_string(text) || json_string_length(text) > APPLIED_MAX)
		return;
	applied = json_loadb(json_string_value(text), json_string_length(text), 0, &error);
	if (!applied) {
		if (json_error_code(&error) == json_error_out_of_memory)
			d->err = -ENOMEM;
		return;
	}
	ports = json_arr(json_obj(applied, "spec"), "ports");
	len = json_array_size(ports);
	if (len <= APPLIED_PORTS_MAX)
		v = dec_array(d, len, sizeof(*v));
	for (size_t i = 0; v && i < len; i++)
		s->napplied_ports += applied_port(json_array_get(ports, i), &v[s->napplied_ports]);
	s->applied_ports = v;
	json_decref(applied);
}

/* clusterIPs, or clusterIP alone as API servers before 1.20 store it. */
static void decode_cluster_ips(struct k8s_dec *d, const json_t *spec, struct k8s_service *s)
{
	const char *one = dec_name(d, spec, "clusterIP");
	struct ip_addr *v;

	s->headless = str_is(one, "None");
	s->cluster_ips = dec_ips(d, spec, "clusterIPs", &s->ncluster_ips);
	if (s->ncluster_ips > 0 || !one || !*one || s->headless ||
	    json_array_size(json_arr(spec, "clusterIPs")) > 0)
		return;
	v = dec_array(d, 1, sizeof(*v));
	if (v && dec_ip(one, v)) {
		s->cluster_ips = v;
		s->ncluster_ips = 1;
	} else if (v) {
		dec_note_address(d, "clusterIP", one);
	}
}

static void decode_affinity(struct k8s_dec *d, const json_t *spec, struct k8s_service *s)
{
	const json_t *client_ip = json_obj(dec_obj(d, spec, "sessionAffinityConfig"), "clientIP");

	s->affinity_client_ip = str_is(dec_name(d, spec, "sessionAffinity"), "ClientIP");
	s->affinity_timeout = (uint32_t)dec_int(d, client_ip, "timeoutSeconds", 0, AFFINITY_TIMEOUT_MAX,
						AFFINITY_TIMEOUT_DEFAULT);
}

/* Load balancers write their ranges with blanks around them; kube-proxy trims too. */
static void decode_source_ranges(struct k8s_dec *d, const json_t *spec, struct k8s_service *s)
{
	const char *const *raw = dec_strs(d, spec, "loadBalancerSourceRanges", &s->nsource_ranges);
	const char **v = dec_array(d, s->nsource_ranges, sizeof(*v));

	for (size_t i = 0; v && i < s->nsource_ranges; i++) {
		const char *from = raw[i] + strspn(raw[i], " \t\r\n");
		size_t len = strlen(from);

		while (len > 0 && strchr(" \t\r\n", from[len - 1]))
			len--;
		v[i] = arena_strndup(&d->c->arena, from, len);
		if (!v[i])
			d->err = -ENOMEM;
	}
	s->source_ranges = v;
}

static const char *first_port_error(struct k8s_dec *d, const json_t *point)
{
	const json_t *ports = json_arr(point, "ports");

	for (size_t i = 0; i < json_array_size(ports); i++) {
		const char *error = dec_text(d, json_array_get(ports, i), "error");

		if (error)
			return error;
	}
	return NULL;
}

static void decode_lb_status(struct k8s_dec *d, const json_t *status, struct k8s_service *s)
{
	const json_t *a = dec_arr(d, dec_obj(d, status, "loadBalancer"), "ingress");
	size_t len = json_array_size(a);
	struct k8s_ingress_point *v = dec_array(d, len, sizeof(*v));

	d->where = "status.loadBalancer.ingress[]";
	for (size_t i = 0; v && i < len; i++) {
		const json_t *p = json_array_get(a, i);
		const char *ip = dec_name(d, p, "ip");

		v[i] = (struct k8s_ingress_point){
			.hostname = dec_str(d, p, "hostname"),
			.ip_mode = dec_name(d, p, "ipMode"),
			.port_error = first_port_error(d, p),
		};
		if (ip && *ip && !dec_ip(ip, &v[i].ip))
			dec_note_address(d, "ip", ip);
	}
	s->ingress = v;
	s->ningress = v ? len : 0;
	d->where = "status";
	s->conditions = dec_conditions(d, status, &s->nconditions);
}

void decode_service(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_service *s = dec_new(d, struct k8s_service, m);
	const json_t *spec = dec_obj(d, o, "spec");

	if (!s)
		return;
	d->where = "spec";
	s->type = dec_name(d, spec, "type");
	if (!s->type)
		s->type = "ClusterIP";
	s->selector = dec_labels(d, spec, "selector");
	decode_service_ports(d, spec, s);
	decode_applied_ports(d, o, s);
	decode_cluster_ips(d, spec, s);
	s->external_ips = dec_ips(d, spec, "externalIPs", &s->nexternal_ips);
	s->external_name = dec_str(d, spec, "externalName");
	s->ip_families = dec_strs(d, spec, "ipFamilies", &s->nip_families);
	s->ip_family_policy = dec_name(d, spec, "ipFamilyPolicy");
	s->external_local = str_is(dec_name(d, spec, "externalTrafficPolicy"), "Local");
	s->internal_local = str_is(dec_name(d, spec, "internalTrafficPolicy"), "Local");
	s->publish_not_ready = dec_bool(d, spec, "publishNotReadyAddresses");
	decode_affinity(d, spec, s);
	s->health_check_node_port = (uint16_t)dec_int(d, spec, "healthCheckNodePort", 0, UINT16_MAX, 0);
	s->lb_class = dec_name(d, spec, "loadBalancerClass");
	s->lb_ip = dec_str(d, spec, "loadBalancerIP");
	decode_source_ranges(d, spec, s);
	s->traffic_distribution = dec_name(d, spec, "trafficDistribution");
	(void)dec_bool(d, spec, "allocateLoadBalancerNodePorts");
	s->allocate_node_ports = json_tri(spec, "allocateLoadBalancerNodePorts");
	d->where = "";
	decode_lb_status(d, dec_obj(d, o, "status"), s);
	dec_keep(d, &d->c->services, s);
}

/* hints.forZones[] or forNodes[]: their names. */
static const char *const *decode_hints(struct k8s_dec *d, const json_t *hints, const char *key,
				       size_t *ret_len)
{
	const json_t *a = dec_arr(d, hints, key);
	size_t len = json_array_size(a);
	const char **v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++)
		v[i] = or_empty(dec_name(d, json_array_get(a, i), "name"));
	*ret_len = v ? len : 0;
	return v;
}

/* -1 where absent; another type than a truth value is recorded. */
static int decode_condition(struct k8s_dec *d, const json_t *conditions, const char *key)
{
	(void)dec_bool(d, conditions, key);
	return json_tri(conditions, key);
}

/* Node and zone; discovery.k8s.io/v1beta1 has them in "topology". */
static void decode_place(struct k8s_dec *d, const json_t *o, struct k8s_endpoint *e)
{
	const json_t *topology = json_obj(o, "topology");

	e->node_name = dec_name(d, o, "nodeName");
	if (!e->node_name)
		e->node_name = dec_name(d, topology, "kubernetes.io/hostname");
	e->zone = dec_name(d, o, "zone");
	if (!e->zone)
		e->zone = dec_name(d, topology, "topology.kubernetes.io/zone");
}

static void decode_endpoint(struct k8s_dec *d, const json_t *o, bool fqdn, struct k8s_endpoint *e)
{
	const json_t *conditions = dec_obj(d, o, "conditions"), *target = dec_obj(d, o, "targetRef");
	const json_t *hints = dec_obj(d, o, "hints");

	e->addresses = dec_rare_strs(d, o, "addresses", &e->naddresses);
	if (e->naddresses > 0 && !fqdn && !dec_ip(e->addresses[0], &e->ip))
		dec_note_address(d, "addresses", e->addresses[0]);
	e->ready = decode_condition(d, conditions, "ready");
	e->serving = decode_condition(d, conditions, "serving");
	e->terminating = decode_condition(d, conditions, "terminating");
	decode_place(d, o, e);
	e->hostname = dec_name(d, o, "hostname");
	e->target_kind = dec_name(d, target, "kind");
	e->target_ns = dec_name(d, target, "namespace");
	e->target_name = dec_name(d, target, "name");
	e->target_uid = dec_text(d, target, "uid");
	e->zone_hints = decode_hints(d, hints, "forZones", &e->nzone_hints);
	e->node_hints = decode_hints(d, hints, "forNodes", &e->nnode_hints);
}

static struct k8s_slice_port decode_slice_port(struct k8s_dec *d, const json_t *o)
{
	struct k8s_slice_port p = {
		.name = dec_name(d, o, "name"),
		.proto = dec_proto(d, o),
		.port = (uint16_t)dec_int(d, o, "port", 0, UINT16_MAX, 0),
	};

	p.has_port = json_is_integer(json_object_get(o, "port"));
	return p;
}

static void decode_slice_ports(struct k8s_dec *d, const json_t *o, struct k8s_slice *s)
{
	const json_t *a = dec_arr(d, o, "ports");
	size_t len = json_array_size(a);
	struct k8s_slice_port *v = dec_array(d, len, sizeof(*v));

	s->ports_null = !a;
	d->where = "ports[]";
	for (size_t i = 0; v && i < len; i++)
		v[i] = decode_slice_port(d, json_array_get(a, i));
	s->ports = v;
	s->nports = v ? len : 0;
}

void decode_slice(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_slice *s = dec_new(d, struct k8s_slice, m);
	const json_t *a = dec_arr(d, o, "endpoints");
	size_t len = json_array_size(a);
	struct k8s_endpoint *v = dec_array(d, len, sizeof(*v));

	if (!s)
		return;
	s->service = k8s_label_get(&m->labels, "kubernetes.io/service-name");
	s->managed_by = k8s_label_get(&m->labels, "endpointslice.kubernetes.io/managed-by");
	s->headless = k8s_label_get(&m->labels, "service.kubernetes.io/headless");
	s->address_type = dec_name(d, o, "addressType");
	if (!s->address_type)
		dec_bad(d, "addressType", "is missing");
	d->where = "endpoints[]";
	for (size_t i = 0; v && i < len; i++)
		decode_endpoint(d, json_array_get(a, i), str_is(s->address_type, "FQDN"), &v[i]);
	s->endpoints = v;
	s->nendpoints = v ? len : 0;
	d->where = "";
	decode_slice_ports(d, o, s);
	dec_keep(d, &d->c->slices, s);
}

/* Appends the addresses of one list of one subset. */
static void decode_subset_addrs(struct k8s_dec *d, const json_t *subset, const char *key, bool ready,
				struct k8s_subset_addr *v, size_t *len)
{
	const json_t *a = json_arr(subset, key);

	for (size_t i = 0; i < json_array_size(a); i++) {
		const json_t *o = json_array_get(a, i);
		const char *ip = dec_name(d, o, "ip");

		if (!ip || !dec_ip(ip, &v[*len].ip)) {
			dec_note_address(d, key, ip ? ip : "");
			continue;
		}
		v[*len].target_name = dec_name(d, json_obj(o, "targetRef"), "name");
		v[(*len)++].ready = ready;
	}
}

void decode_endpoints(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_endpoints *e = dec_new(d, struct k8s_endpoints, m);
	const json_t *a = dec_arr(d, o, "subsets"), *subset;
	size_t naddrs = 0, nports = 0, i;
	struct k8s_subset_addr *addrs;
	struct k8s_slice_port *ports;

	d->where = "subsets[]";
	json_array_foreach(a, i, subset) {
		naddrs += json_array_size(dec_arr(d, subset, "addresses")) +
			  json_array_size(dec_arr(d, subset, "notReadyAddresses"));
		nports += json_array_size(dec_arr(d, subset, "ports"));
	}
	addrs = dec_array(d, naddrs, sizeof(*addrs));
	ports = dec_array(d, nports, sizeof(*ports));
	if (d->err)
		return;
	e->addrs = addrs;
	e->ports = ports;
	json_array_foreach(a, i, subset) {
		const json_t *list = json_arr(subset, "ports");

		decode_subset_addrs(d, subset, "addresses", true, addrs, &e->naddrs);
		decode_subset_addrs(d, subset, "notReadyAddresses", false, addrs, &e->naddrs);
		for (size_t k = 0; k < json_array_size(list); k++)
			ports[e->nports++] = decode_slice_port(d, json_array_get(list, k));
	}
	dec_keep(d, &d->c->endpoints, e);
}

/*
 * A backend of networking.k8s.io/v1 (service.name, service.port) or of the v1beta1 form (serviceName,
 * servicePort).
 */
static struct k8s_ingress_backend decode_backend(struct k8s_dec *d, const json_t *o, const char *host,
						 const char *path)
{
	const json_t *service = dec_obj(d, o, "service"), *port = dec_obj(d, service, "port");
	struct k8s_ingress_backend b = { .host = host, .path = path };
	struct k8s_target_port old = dec_target(d, o, "servicePort");

	b.service = service ? dec_name(d, service, "name") : dec_name(d, o, "serviceName");
	b.port_name = port ? dec_name(d, port, "name") : old.name;
	b.port = port ? (uint16_t)dec_int(d, port, "number", 0, UINT16_MAX, 0) : old.number;
	b.resource = dec_name(d, dec_obj(d, o, "resource"), "name");
	return b;
}

static const json_t *ingress_paths(struct k8s_dec *d, const json_t *rule)
{
	return dec_arr(d, dec_obj(d, rule, "http"), "paths");
}

void decode_ingress(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_ingress *g = dec_new(d, struct k8s_ingress, m);
	const json_t *spec = dec_obj(d, o, "spec"), *rules, *rule, *def;
	struct k8s_ingress_backend *v;
	size_t len = 1, i;

	d->where = "spec";
	rules = dec_arr(d, spec, "rules");
	json_array_foreach(rules, i, rule)
		len += json_array_size(ingress_paths(d, rule));
	v = dec_array(d, len, sizeof(*v));
	if (!g || !v)
		return;
	g->backends = v;
	g->naddresses = json_array_size(json_arr(json_obj(json_obj(o, "status"), "loadBalancer"), "ingress"));
	g->class_name = dec_name(d, spec, "ingressClassName");
	g->class_in_spec = g->class_name != NULL;
	if (!g->class_name)
		g->class_name = k8s_label_get(&m->annotations, "kubernetes.io/ingress.class");
	def = dec_obj(d, spec, "defaultBackend");
	if (!def)
		def = dec_obj(d, spec, "backend");
	if (def)
		v[g->nbackends++] = decode_backend(d, def, NULL, NULL);
	json_array_foreach(rules, i, rule) {
		const json_t *paths = ingress_paths(d, rule);
		const char *host = dec_name(d, rule, "host");

		for (size_t k = 0; k < json_array_size(paths); k++) {
			const json_t *p = json_array_get(paths, k);

			v[g->nbackends++] = decode_backend(d, dec_obj(d, p, "backend"), or_empty(host),
							   or_empty(dec_str(d, p, "path")));
		}
	}
	dec_keep(d, &d->c->ingresses, g);
}

void decode_service_cidr(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_service_cidr *s = dec_new(d, struct k8s_service_cidr, m);

	if (!s)
		return;
	d->where = "spec";
	s->cidrs = dec_cidrs(d, dec_obj(d, o, "spec"), "cidrs", &s->ncidrs);
	dec_keep(d, &d->c->service_cidrs, s);
}
