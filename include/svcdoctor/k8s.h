/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_K8S_H
#define SVCDOCTOR_K8S_H

/*
 * Typed Kubernetes objects, only the fields that something here uses, and their decoding from JSON,
 * one object at a time. Strings and arrays lie in the cluster's arena; a string that is absent is NULL
 * unless the field says otherwise. Times are RFC 3339 text as the API gives them.
 */

#include <svcdoctor/base.h>

struct k8s_label {
	const char *key, *value;
};
struct k8s_labels {
	const struct k8s_label *v;
	size_t len;
};
const char *k8s_label_get(const struct k8s_labels *l, const char *key); /* NULL when absent */
/* Every pair of @selector is in @labels. An empty selector matches nothing, as a Service's does. */
bool k8s_selector_matches(const struct k8s_labels *selector, const struct k8s_labels *labels);

struct k8s_owner {
	const char *kind, *name, *uid;
};
/* Who wrote last and when, from managedFields; NULL where not told. */
struct k8s_meta {
	const char *ns; /* "" for cluster-scoped objects, never NULL */
	const char *name; /* never NULL */
	const char *uid, *created, *deleted; /* deleted: deletionTimestamp */
	struct k8s_labels labels, annotations;
	const struct k8s_owner *owners;
	size_t nowners;
	const char *const *finalizers;
	size_t nfinalizers;
	const char *last_manager, *last_change; /* newest managedFields entry without subresource "status" */
	uint64_t order; /* of two objects with one name the one read last, of the higher number, counts */
};

struct k8s_target_port { /* IntOrString */
	const char *name;	/* NULL: numeric or absent */
	uint16_t number;	/* 0: absent or named */
};
struct k8s_service_port {
	const char *name;	/* "" when unnamed, never NULL */
	uint8_t proto;		/* IPPROTO_*; TCP by default */
	const char *app_protocol;
	uint16_t port;
	struct k8s_target_port target;
	uint16_t node_port;
};
/* A port of the object as it was given to `kubectl apply` last, on the client's side. */
struct k8s_applied_port {
	uint16_t port;
	uint8_t proto;
};
struct k8s_ingress_point { /* status.loadBalancer.ingress[] */
	struct ip_addr ip;	/* family 0: only a host name */
	const char *hostname;
	const char *ip_mode;	/* "VIP", "Proxy", NULL */
	const char *port_error; /* first ports[].error */
};
struct k8s_condition {
	const char *type, *status, *reason, *message, *since; /* since: lastTransitionTime */
};
struct k8s_service {
	struct k8s_meta meta;
	const char *type;	/* "ClusterIP" by default, never NULL */
	struct k8s_labels selector;
	const struct k8s_service_port *ports;
	size_t nports;
	const struct k8s_applied_port *applied_ports; /* of annotation last-applied-configuration; none where absent or unreadable */
	size_t napplied_ports;
	bool headless;		/* clusterIP: None */
	const struct ip_addr *cluster_ips; /* clusterIPs, or clusterIP where the list is absent */
	size_t ncluster_ips;
	const struct ip_addr *external_ips;
	size_t nexternal_ips;
	const char *external_name;
	const char *const *ip_families; /* "IPv4", "IPv6" */
	size_t nip_families;
	const char *ip_family_policy;
	bool external_local, internal_local; /* traffic policies are Local */
	bool publish_not_ready;
	bool affinity_client_ip;
	uint32_t affinity_timeout; /* seconds, 10800 by default */
	uint16_t health_check_node_port;
	const char *lb_class;
	const char *lb_ip;	/* spec.loadBalancerIP */
	const char *const *source_ranges; /* as written; white space is significant to nobody: trim */
	size_t nsource_ranges;
	const char *traffic_distribution;
	int allocate_node_ports; /* -1 absent */
	const struct k8s_ingress_point *ingress;
	size_t ningress;
	const struct k8s_condition *conditions;
	size_t nconditions;
};

struct k8s_slice_port {
	const char *name;	/* NULL: null in the object, which kube-proxy ignores; "" is a name */
	uint8_t proto;
	bool has_port;
	uint16_t port;		/* 0 with has_port false: null */
};
struct k8s_endpoint {
	const char *const *addresses; /* as written */
	size_t naddresses;
	struct ip_addr ip;	/* addresses[0] when it parses; family 0 otherwise */
	int ready, serving, terminating; /* -1 nil, 0, 1 */
	const char *node_name, *zone, *hostname;
	const char *target_kind, *target_ns, *target_name, *target_uid;
	const char *const *zone_hints;
	size_t nzone_hints;
	const char *const *node_hints;
	size_t nnode_hints;
};
struct k8s_slice {
	struct k8s_meta meta;
	const char *service;	/* label kubernetes.io/service-name; NULL: missing */
	const char *managed_by; /* label endpointslice.kubernetes.io/managed-by */
	bool headless;		/* label service.kubernetes.io/headless is there */
	const char *address_type; /* "IPv4", "IPv6", "FQDN" */
	const struct k8s_endpoint *endpoints;
	size_t nendpoints;
	const struct k8s_slice_port *ports;
	size_t nports;
	bool ports_null;	/* ports absent or null */
};

struct k8s_subset_addr {
	struct ip_addr ip;
	const char *target_name;
	bool ready;
};
struct k8s_endpoints { /* the old v1 object: never used by kube-proxy, compared only */
	struct k8s_meta meta;
	const struct k8s_subset_addr *addrs; /* of all subsets */
	size_t naddrs;
	const struct k8s_slice_port *ports;  /* of all subsets */
	size_t nports;
};

struct k8s_container_port {
	const char *name; /* NULL: none */
	uint16_t port, host_port;
	uint8_t proto;
};
struct k8s_probe {
	bool set;
	const char *kind;	/* "httpGet", "tcpSocket", "exec", "grpc" */
	struct k8s_target_port port;
	const char *path, *scheme;
	int timeout, period, initial_delay, failure_threshold; /* -1 absent */
};
struct k8s_container {
	const char *name, *image;
	bool init, sidecar;	/* sidecar: init container with restartPolicy Always */
	const struct k8s_container_port *ports;
	size_t nports;
	struct k8s_probe readiness, startup, liveness;
	const char *const *env_names;
	size_t nenv_names;
	/* status; has_status false: none reported */
	bool has_status, ready;
	int64_t restarts;
	const char *state;	/* "running", "waiting", "terminated", NULL */
	const char *state_reason, *state_message, *state_since; /* startedAt or finishedAt */
	const char *last_reason, *last_message, *last_finished; /* lastState.terminated */
	int64_t last_exit_code;
};
struct k8s_pod {
	struct k8s_meta meta;
	const char *node;	/* spec.nodeName */
	const char *phase;	/* never NULL; "" when absent */
	const char *reason, *message; /* status.reason */
	bool host_network;
	const char *hostname, *subdomain, *dns_policy, *restart_policy;
	bool has_dns_config;	/* spec.dnsConfig: options as "ndots:2" */
	const char *const *dns_nameservers, *const *dns_searches, *const *dns_options;
	size_t ndns_nameservers, ndns_searches, ndns_options;
	int enable_service_links; /* -1 absent */
	const char *const *readiness_gates;
	size_t nreadiness_gates;
	const struct ip_addr *ips; /* status.podIPs, or podIP */
	size_t nips;
	const char *host_ip;
	const struct k8s_container *containers; /* init containers included, with init set */
	size_t ncontainers;
	const struct k8s_condition *conditions;
	size_t nconditions;
};

struct k8s_node_address {
	const char *type;	/* "InternalIP", "ExternalIP", "Hostname" */
	const char *address;
	struct ip_addr ip;	/* family 0: a name */
};
struct k8s_taint {
	const char *key, *effect;
};
struct k8s_node {
	struct k8s_meta meta;
	const struct ip_prefix *pod_cidrs;
	size_t npod_cidrs;
	const struct k8s_node_address *addresses;
	size_t naddresses;
	const struct k8s_condition *conditions;
	size_t nconditions;
	const struct k8s_taint *taints;
	size_t ntaints;
	bool unschedulable;
	const char *kernel, *os, *arch, *kubelet_version, *proxy_version, *os_image, *runtime, *machine_id;
};

struct k8s_namespace {
	struct k8s_meta meta;
	const char *phase;
};
struct k8s_configmap {
	struct k8s_meta meta;
	const struct k8s_label *data; /* only of ConfigMaps in kube-system, or named coredns, kube-dns, node-local-dns, kube-proxy, or as ingress-nginx's */
	size_t ndata;
};
/* Deployment, ReplicaSet, StatefulSet, DaemonSet, Job. */
struct k8s_workload {
	struct k8s_meta meta;
	const char *kind;	/* "Deployment", ... */
	int64_t replicas;	/* spec.replicas; 1 when absent; DaemonSet: desiredNumberScheduled */
	int64_t ready;		/* status.readyReplicas or numberReady; 0 when absent */
	/* Of the pods that it has: how many are of the template as it is now, all of them, and those that are available. */
	int64_t updated, current, available;
	int64_t generation, observed; /* of the object, and the one that its controller has seen; 0 where not told */
	int64_t partition;	/* StatefulSet: pods below this ordinal keep the template before */
	bool on_delete;		/* pods take the template when somebody deletes them: StatefulSet, DaemonSet */
	bool paused;		/* Deployment */
	bool two_revisions;	/* StatefulSet: currentRevision is not updateRevision */
	const char *service_name; /* StatefulSet */
	struct k8s_labels template_labels;
	const struct k8s_container_port *ports; /* of all containers of the template */
	size_t nports;
	const struct k8s_condition *conditions;
	size_t nconditions;
};
struct k8s_event {
	struct k8s_meta meta;
	const char *type, *reason, *message; /* message may be NULL */
	const char *kind, *ns, *name, *uid;  /* of the object that it is about ("regarding" too) */
	const char *first, *last;	     /* times; NULL where not told; last: series, lastTimestamp or eventTime */
	int64_t count;			     /* 1 when absent */
};
struct k8s_ingress_backend {
	const char *host, *path, *service, *port_name; /* host, path NULL: default backend */
	uint16_t port;
	const char *resource;	/* a resource backend instead of a Service */
};
struct k8s_ingress {
	struct k8s_meta meta;
	const char *class_name;	/* spec.ingressClassName, or the older annotation; NULL: none */
	bool class_in_spec;	/* and then it is the name of an IngressClass */
	size_t naddresses;	/* status.loadBalancer.ingress */
	const struct k8s_ingress_backend *backends;
	size_t nbackends;
};
/* metav1.LabelSelector. */
enum k8s_operator { OPERATOR_IN, OPERATOR_NOT_IN, OPERATOR_EXISTS, OPERATOR_DOES_NOT_EXIST };
struct k8s_requirement {
	const char *key;
	enum k8s_operator op;
	const char *const *values;
	size_t nvalues;
};
struct k8s_label_selector {
	bool set;		/* false: absent, which is not the same as empty */
	struct k8s_labels labels; /* matchLabels */
	const struct k8s_requirement *requirements; /* matchExpressions */
	size_t nrequirements;
};
/* All pairs and requirements hold. An empty selector matches everything. */
bool k8s_label_selector_matches(const struct k8s_label_selector *s, const struct k8s_labels *labels);

struct k8s_policy_peer {
	struct k8s_label_selector pods, namespaces;
	bool is_block;		/* an ipBlock, and no selector */
	struct ip_prefix block;
	const struct ip_prefix *except;
	size_t nexcept;
};
struct k8s_policy_port {
	uint8_t proto;
	const char *name;	/* of a container port; NULL: by number */
	uint16_t from, to;	/* inclusive, 0 to 65535 where any port is meant */
};
struct k8s_policy_rule { /* no peer: everybody; no port: every port */
	const struct k8s_policy_peer *peers;
	size_t npeers;
	const struct k8s_policy_port *ports;
	size_t nports;
};
struct k8s_netpol {
	struct k8s_meta meta;
	struct k8s_label_selector pods;
	bool ingress, egress;	/* policyTypes (or as implied) */
	const struct k8s_policy_rule *ingress_rules, *egress_rules;
	size_t ningress, negress;
};
/* ValidatingWebhookConfiguration, MutatingWebhookConfiguration, APIService: what makes the API server itself a client of Services. */
struct k8s_call {
	const char *name;	/* of the webhook; NULL: APIService */
	const char *ns, *service; /* NULL: a URL, or the API server's own */
	uint16_t port;		/* 443 by default */
	bool ignored;		/* failurePolicy Ignore: without an answer the API server goes on */
};
struct k8s_caller {
	struct k8s_meta meta;
	const char *kind;
	const struct k8s_call *calls;
	size_t ncalls;
	const struct k8s_condition *conditions; /* APIService: Available */
	size_t nconditions;
};
struct k8s_ingress_class {
	struct k8s_meta meta;
	const char *controller;
};
/* HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute (gateway.networking.k8s.io). */
struct k8s_route_parent {
	const char *group, *kind, *ns, *name; /* ns is the route's own where absent; name NULL: absent */
};
struct k8s_route_backend {
	const char *group, *kind, *ns, *name; /* group "", kind "Service", the route's namespace where absent; name NULL: absent */
	uint16_t port;		/* 0: absent */
	uint32_t weight;	/* 1 by default; with 0 nothing is sent there */
	const char *path;	/* of the rule's first match, in words; NULL */
};
struct k8s_route_status { /* what one controller says of one parent */
	struct k8s_route_parent parent;
	const char *controller;
	const struct k8s_condition *conditions; /* Accepted, ResolvedRefs */
	size_t nconditions;
};
struct k8s_route {
	struct k8s_meta meta;
	const char *kind;
	const char *const *hostnames;
	size_t nhostnames;
	const struct k8s_route_parent *parents;
	size_t nparents;
	const struct k8s_route_backend *backends; /* of all rules */
	size_t nbackends;
	const struct k8s_route_status *statuses;
	size_t nstatuses;
};
struct k8s_gateway {
	struct k8s_meta meta;
	const char *class_name;
	size_t naddresses;
	const struct k8s_condition *conditions;
	size_t nconditions;
};
/* ReferenceGrant: who may name objects of its namespace. */
struct k8s_grant_ref {
	const char *group, *kind, *ns, *name; /* ns of `from`; name of `to`: NULL any */
};
struct k8s_grant {
	struct k8s_meta meta;
	const struct k8s_grant_ref *from, *to;
	size_t nfrom, nto;
};
struct k8s_service_cidr {
	struct k8s_meta meta;
	const struct ip_prefix *cidrs;
	size_t ncidrs;
};

/* kubeproxy.config.k8s.io/v1alpha1; from configz, the ConfigMap, or FLAG lines. */
struct kube_proxy_config {
	bool known;
	const char *source;	/* where it was taken from, in words; NULL when not known */
	const char *mode;	/* "iptables", "ipvs", "nftables", "" (default) */
	const char *hostname_override;
	int masquerade_all;	/* -1 not known */
	int masquerade_bit;	/* -1 not known: 14 */
	int localhost_node_ports; /* -1 not known: 1 */
	const char *detect_local_mode; /* "ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix", "" */
	const char *bridge_interface, *interface_prefix;
	const struct ip_prefix *cluster_cidrs;
	size_t ncluster_cidrs;
	const char *const *node_port_addresses; /* as written: CIDRs or "primary" */
	size_t nnode_port_addresses;
	const char *const *feature_gates; /* "Name=true" */
	size_t nfeature_gates;
	const char *bind_address;
	const char *healthz_bind_address; /* "0.0.0.0:10256"; NULL: not set */
	const char *ipvs_scheduler; /* "" or NULL: not set, which is rr */
	const char *metrics_bind_address; /* "127.0.0.1:10249"; NULL: not set */
	/* As they are written, durations as Go writes them ("30s", "1h0m0s"); NULL: not set. */
	const char *sync_period, *min_sync_period; /* of the mode that is configured */
	const char *config_sync_period, *ipvs_tcp_timeout;
	const char *kubeconfig;		/* clientConnection.kubeconfig: a path; "" is the in-cluster account */
	int strict_arp;			/* ipvs.strictARP: 0, 1; -1: not known */
	int64_t conntrack_max_per_core, conntrack_min; /* 0: left as it is; -1: not known */
	int conntrack_be_liberal;	/* 0, 1; -1: not known */
};

enum k8s_kind {
	K8S_SERVICES, K8S_SLICES, K8S_ENDPOINTS, K8S_PODS, K8S_NODES, K8S_NAMESPACES, K8S_CONFIGMAPS,
	K8S_EVENTS, K8S_NETPOLS, K8S_DEPLOYMENTS, K8S_REPLICASETS, K8S_STATEFULSETS, K8S_DAEMONSETS, K8S_JOBS,
	K8S_INGRESSES, K8S_SERVICECIDRS, K8S_VALIDATING, K8S_MUTATING, K8S_APISERVICES,
	K8S_INGRESSCLASSES, K8S_GATEWAYS, K8S_HTTPROUTES, K8S_GRPCROUTES, K8S_TLSROUTES, K8S_TCPROUTES, K8S_UDPROUTES, K8S_GRANTS, K8S_KINDS
};
/* How an API server serves a kind. */
#define K8S_VERSIONS_MAX 3
struct k8s_resource {
	const char *kind, *plural, *group; /* "EndpointSlice", "endpointslices", "discovery.k8s.io" ("": core) */
	const char *versions[K8S_VERSIONS_MAX + 1]; /* to try in this order; ends with NULL */
	bool namespaced;
};
const struct k8s_resource *k8s_resource(enum k8s_kind k);
const char *k8s_kind_plural(enum k8s_kind k); /* "services", "endpointslices", ... as in file names and rights */
/* By the kind in the singular ("Service") and its apiVersion ("" where it is not told): enum k8s_kind, or -ENOENT for what nobody uses. */
int k8s_kind_find(const char *kind, const char *api_version);
int k8s_kind_by_plural(const char *plural, size_t len); /* "services": enum k8s_kind or -ENOENT */

struct k8s_cluster {
	struct arena arena;
	struct map strings; /* interned: names, namespaces, label keys and values; until k8s_cluster_finish */
	uint64_t order; /* what the next object gets; counted on by k8s_decode */
	ARRAY_OF(struct k8s_service *) services;
	ARRAY_OF(struct k8s_slice *) slices;
	ARRAY_OF(struct k8s_endpoints *) endpoints;
	ARRAY_OF(struct k8s_pod *) pods;
	ARRAY_OF(struct k8s_node *) nodes;
	ARRAY_OF(struct k8s_namespace *) namespaces;
	ARRAY_OF(struct k8s_configmap *) configmaps;
	ARRAY_OF(struct k8s_event *) events;
	ARRAY_OF(struct k8s_netpol *) netpols;
	ARRAY_OF(struct k8s_workload *) workloads;
	ARRAY_OF(struct k8s_ingress *) ingresses;
	ARRAY_OF(struct k8s_service_cidr *) service_cidrs;
	ARRAY_OF(struct k8s_caller *) callers;
	ARRAY_OF(struct k8s_ingress_class *) ingress_classes;
	ARRAY_OF(struct k8s_route *) routes; /* of all kinds */
	ARRAY_OF(struct k8s_gateway *) gateways;
	ARRAY_OF(struct k8s_grant *) grants;
	const char *version; /* gitVersion of version.json, or NULL */
	size_t undecodable;  /* objects that could not be used; each has a note */
	bool finished; /* nothing was added since k8s_cluster_finish */
	/* Built by k8s_cluster_finish: */
	struct map service_by_name;  /* "ns/name" -> struct k8s_service */
	struct map slices_by_service; /* "ns/name" -> struct k8s_slice_group */
	struct map pod_by_name, node_by_name, namespace_by_name;
	struct map pod_by_ip;	     /* struct ip_addr -> struct k8s_pod: live ones before terminal ones, host-network pods never */
	struct map pods_by_ns;	     /* ns -> struct k8s_pod_group */
	struct map netpols_by_ns;    /* ns -> struct k8s_netpol_group */
};
struct k8s_slice_group {
	ARRAY_OF(const struct k8s_slice *) v;
};
struct k8s_pod_group {
	ARRAY_OF(const struct k8s_pod *) v;
};
struct k8s_netpol_group {
	const struct k8s_netpol *const *v;
	size_t len;
};

void k8s_cluster_init(struct k8s_cluster *c);
void k8s_cluster_release(struct k8s_cluster *c);
/*
 * Decodes one object and keeps it. @kind: from the list ("Service") or the object's own "kind", which wins.
 * Returns the enum k8s_kind it went to; -ENOENT for a kind that nobody uses (ignored); SD_EPARSE with a note where a field that
 * matters has a wrong type or is missing (the object is not kept; the others are); -ENOMEM. An object that is there twice (same
 * kind, namespace, name) replaces the earlier one in k8s_cluster_finish.
 */
int k8s_decode(struct k8s_cluster *c, const struct json_t *object, const char *kind, const char *file, uint32_t line, struct sd_notes *notes);
/*
 * The same for the text of an EndpointSlice or Service that is written plainly; it takes a fraction of the time. @text is one well-formed
 * value; @kind and @api_version are the list's. 1: it is kept, and of the kind @ret; 0: it is something else, or needs a closer
 * look, and nothing was done yet; -ENOMEM.
 */
int k8s_decode_text(struct k8s_cluster *c, const char *text, size_t size, const char *kind, const char *api_version, enum k8s_kind *ret);
/* The members of objects, and of lists, that k8s_decode and json_each_list read: for json_keep. */
extern const char *const k8s_fields[];
/* What @from holds, which a second thread decoded, belongs to @c from now on; @from is empty. 0 or -ENOMEM. */
int k8s_cluster_join(struct k8s_cluster *c, struct k8s_cluster *from);
/* After the last object: sorts by namespace and name, drops doubles, builds the maps. 0 or -ENOMEM. Once it has, there is nothing to do. */
int k8s_cluster_finish(struct k8s_cluster *c);

const char *k8s_configmap_get(const struct k8s_configmap *m, const char *key); /* NULL when absent */
const struct k8s_service *k8s_find_service(const struct k8s_cluster *c, const char *ns, const char *name);
const struct k8s_slice_group *k8s_slices_of(const struct k8s_cluster *c, const struct k8s_service *s); /* its EndpointSlices; NULL: there are none */
const struct k8s_pod *k8s_find_pod(const struct k8s_cluster *c, const char *ns, const char *name);
const struct k8s_node *k8s_find_node(const struct k8s_cluster *c, const char *name);
const struct k8s_condition *k8s_condition(const struct k8s_condition *v, size_t n, const char *type);
bool k8s_pod_ready(const struct k8s_pod *p);	/* condition Ready is True */
bool k8s_pod_terminal(const struct k8s_pod *p); /* phase Succeeded or Failed */
/* pkg/proxy/util ShouldSkipService and the label selector of kube-proxy's informer: headless, ExternalName, or another proxy's. */
bool k8s_service_skipped_by_proxy(const struct k8s_service *s);
/*
 * May the route name this Service as a backend? In its own namespace always, in another where a ReferenceGrant there says so
 * (https://gateway-api.sigs.k8s.io/api-types/referencegrant/): one of its `from` and one of its `to` both fit.
 */
bool k8s_route_granted(const struct k8s_cluster *c, const struct k8s_route *r, const char *ns, const char *service);
/* The node a pod address belongs to: by pod, else by podCIDR. NULL when nobody's. */
const struct k8s_node *k8s_node_of_ip(const struct k8s_cluster *c, const struct ip_addr *ip);
/*
 * NetworkPolicies, as https://kubernetes.io/docs/concepts/services-networking/network-policies/ has them; whether anything on
 * the nodes enforces them is not told. Answers are 1, 0, or -1 where what is known does not tell.
 *
 * One end of a connection, with the addresses that the policies see: those after the translation of a Service's address, and
 * before any rewriting of the source (a source that is rewritten is the node's).
 */
struct k8s_policy_end {
	const struct k8s_pod *pod; /* NULL: no pod, or one of the host's network, which policies take for the node */
	struct ip_addr ip;	   /* family 0: not known */
	const char *node;	   /* the pod's node, or the node that this end is; NULL: none, or not known */
};
/* Does the policy isolate the pod in that direction? Pods of the host's network are isolated by none. */
bool k8s_policy_selects(const struct k8s_netpol *p, const struct k8s_pod *pod, bool egress);
/* Does the peer of a policy of namespace @ns mean this end? */
int k8s_policy_peer_matches(const struct k8s_cluster *c, const char *ns, const struct k8s_policy_peer *peer, const struct k8s_policy_end *end);
/* Does the rule speak of this port? A name is looked up in @pod, to which the packet goes; NULL: it has none. */
bool k8s_policy_rule_has_port(const struct k8s_policy_rule *r, const struct k8s_pod *pod, uint8_t proto, uint16_t port);
/* Number of the pod's port of that name and protocol; 0: none. */
uint16_t k8s_pod_port_by_name(const struct k8s_pod *pod, const char *name, uint8_t proto);

/*
 * May @from connect to @port of @to? In one direction: the policies that select the client's pod (egress) or the endpoint's (ingress).
 * Where none selects it, everything is allowed; else what any rule of any of them allows. Connections between a pod and its own node
 * are never stopped on ingress (the kubelet's probes).
 */
struct k8s_policy_verdict {
	bool isolated;
	int allowed;
	const struct k8s_netpol *by; /* isolated and allowed: the first policy that allows it; else the first that isolates; NULL */
};
void k8s_policy_judge(const struct k8s_cluster *c, const struct k8s_policy_end *from, const struct k8s_policy_end *to, uint8_t proto,
		      uint16_t port, bool egress, struct k8s_policy_verdict *ret);
/* Of the namespace, in the order of their names; NULL: none. */
const struct k8s_netpol_group *k8s_netpols_of(const struct k8s_cluster *c, const char *ns);

/* "v1.36.2", "1.20.3-eks" -> minor version, or -1. */
int k8s_minor_version(const char *version);

/* @object: a KubeProxyConfiguration (or configz's wrapper around one). 0 or SD_EPARSE. Strings go to @arena. */
int kube_proxy_config_decode(struct arena *arena, const struct json_t *object, struct kube_proxy_config *ret);

/* ---- rights: what a Role or ClusterRole allows ---- */

enum k8s_need {
	NEED_ALWAYS,   /* the answers are worth little without it */
	NEED_OPTIONAL, /* more is found with it */
	NEED_PROXY,    /* asks kubelets and pods through the API server: allows much more than reading */
};
struct k8s_right {
	const char *group, *resource; /* "": core; "pods/log" */
	const char *const *names;     /* only objects of these names, ends with NULL; NULL: all */
	bool get, list;
	enum k8s_need need;
	const char *why; /* what it is for: one line */
};
struct k8s_role {
	const char *name, *ns; /* NULL: a ClusterRole */
	const char *why;       /* what it is for: one line */
	bool optional;
	const struct k8s_right *rights;
	size_t nrights;
};
enum k8s_subject_kind { SUBJECT_USER, SUBJECT_GROUP, SUBJECT_SERVICE_ACCOUNT };
struct k8s_subject {
	enum k8s_subject_kind kind;
	const char *ns, *name; /* ns: of a service account */
};

#endif
