/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody must be allowed to do so that svcdoctor can read: derived from the table of kinds (k8s_resource), so that a kind
 * that is read has its right. Only get and list are ever asked for, and nothing of Secrets.
 */

#include <errno.h>

#include "collect-private.h"

#define SYSTEM_NAMESPACE COLLECT_SYSTEM

enum { ROLES_MAX = 4, RIGHTS_MAX = K8S_KINDS + 4 };

/* Why a kind is read, and whether much is lost without it. A kind that has no row here is optional, for the checks of its own. */
struct purpose {
	enum k8s_need need;
	bool system; /* wanted of kube-system too, where somebody may only read another namespace */
	const char *why;
};
static const struct purpose purposes[K8S_KINDS] = {
	[K8S_SERVICES] = { NEED_ALWAYS, true, "the Services themselves" },
	[K8S_SLICES] = { NEED_ALWAYS, true, "their endpoints, as kube-proxy takes them" },
	[K8S_PODS] = { NEED_ALWAYS, true, "the pods behind a Service: labels, ports, readiness, restarts" },
	[K8S_ENDPOINTS] = { NEED_OPTIONAL, false, "the older form of endpoints, where it differs" },
	[K8S_NODES] = { NEED_OPTIONAL, false, "addresses, pod CIDRs, zones and conditions of the nodes" },
	[K8S_NAMESPACES] = { NEED_OPTIONAL, false, "whether a namespace exists, and labels that NetworkPolicies ask for" },
	[K8S_EVENTS] = { NEED_OPTIONAL, false, "why a pod, a Service or a load balancer does not come up, and since when" },
	[K8S_NETPOLS] = { NEED_OPTIONAL, false, "NetworkPolicies that keep clients out" },
	[K8S_DEPLOYMENTS] = { NEED_OPTIONAL, true, "workloads: scaled down, other labels, ports of the template" },
	[K8S_REPLICASETS] = { NEED_OPTIONAL, false, "the same" },
	[K8S_STATEFULSETS] = { NEED_OPTIONAL, false, "the same" },
	[K8S_DAEMONSETS] = { NEED_OPTIONAL, true, "the same; in " SYSTEM_NAMESPACE ", kube-proxy and the network's agents" },
	[K8S_JOBS] = { NEED_OPTIONAL, false, "the same" },
	[K8S_INGRESSES] = { NEED_OPTIONAL, false, "Ingresses whose backend is not there, or has no endpoints" },
	[K8S_INGRESSCLASSES] = { NEED_OPTIONAL, false, "whether anybody takes an Ingress up" },
	[K8S_GATEWAYS] = { NEED_OPTIONAL, false, "Gateways that routes are attached to" },
	[K8S_HTTPROUTES] = { NEED_OPTIONAL, false, "routes whose backend is not there, or has no endpoints" },
	[K8S_GRPCROUTES] = { NEED_OPTIONAL, false, "the same" },
	[K8S_TLSROUTES] = { NEED_OPTIONAL, false, "the same" },
	[K8S_TCPROUTES] = { NEED_OPTIONAL, false, "the same" },
	[K8S_UDPROUTES] = { NEED_OPTIONAL, false, "the same" },
	[K8S_GRANTS] = { NEED_OPTIONAL, false, "whether a route may name a Service of another namespace" },
	[K8S_SERVICECIDRS] = { NEED_OPTIONAL, false, "the ranges of ClusterIPs" },
	[K8S_VALIDATING] = { NEED_OPTIONAL, false, "webhooks: Services that the API server itself calls" },
	[K8S_MUTATING] = { NEED_OPTIONAL, false, "the same" },
	[K8S_APISERVICES] = { NEED_OPTIONAL, false, "aggregated APIs: Services that the API server itself calls" },
};

struct role_maker {
	struct arena *arena;
	struct k8s_role *role;
	struct k8s_right *rights;
	bool failed;
};

static void begin(struct role_maker *m, struct k8s_roles *roles, struct k8s_role head)
{
	m->rights = arena_array(m->arena, struct k8s_right, RIGHTS_MAX);
	m->failed |= !m->rights;
	m->role = &roles->v[roles->len++];
	*m->role = head;
	m->role->rights = m->rights;
}

static void add(struct role_maker *m, struct k8s_right right)
{
	if (!m->failed)
		m->rights[m->role->nrights++] = right;
}

static void add_kind(struct role_maker *m, enum k8s_kind k)
{
	static const struct purpose own_checks = { NEED_OPTIONAL, false, "the checks of this kind" };
	const struct purpose *p = purposes[k].why ? &purposes[k] : &own_checks;
	const struct k8s_resource *r = k8s_resource(k);

	add(m, (struct k8s_right){
		.group = r->group, .resource = r->plural, .get = true, .list = true, .need = p->need, .why = p->why });
}

/* ConfigMaps hold whatever people put there: they are read by name. */
static void add_kinds(struct role_maker *m, bool namespaced, bool cluster_wide)
{
	for (int need = NEED_ALWAYS; need <= NEED_OPTIONAL; need++) {
		for (size_t k = 0; k < K8S_KINDS; k++) {
			bool wanted = k8s_resource((enum k8s_kind)k)->namespaced ? namespaced : cluster_wide;
			bool always = purposes[k].why && purposes[k].need == NEED_ALWAYS;

			if (wanted && k != K8S_CONFIGMAPS && always == (need == NEED_ALWAYS))
				add_kind(m, (enum k8s_kind)k);
		}
	}
}

/* What is asked of kube-system beside its objects. */
static void add_system(struct role_maker *m, bool proxy)
{
	add(m, (struct k8s_right){ .group = "", .resource = "configmaps", .names = collect_configmap_names, .get = true, .need = NEED_OPTIONAL,
				   .why = "the configuration of kube-proxy and of the cluster's DNS" });
	add(m, (struct k8s_right){ .group = "", .resource = "pods/log", .get = true, .need = NEED_OPTIONAL,
				   .why = "the logs of kube-proxy and of the cluster's DNS" });
	if (proxy)
		add(m, (struct k8s_right){ .group = "", .resource = "pods/proxy", .get = true, .need = NEED_PROXY,
					   .why = "whether CoreDNS says that it is ready; lets its holder send GET to any port of the pods of "
						  "this namespace" });
}

static void add_system_kinds(struct role_maker *m)
{
	for (size_t k = 0; k < K8S_KINDS; k++) {
		if (purposes[k].system)
			add_kind(m, (enum k8s_kind)k);
	}
}

/* kubelet.io: GET reaches /exec, /attach and /run through a WebSocket upgrade, which begins with a GET. */
static void add_node_proxy(struct role_maker *m)
{
	add(m, (struct k8s_right){ .group = "", .resource = "nodes/proxy", .get = true, .need = NEED_PROXY,
				   .why = "the kubelets' configuration and the health of kube-proxy; lets its holder do on every node what "
					  "kubelets allow, running commands in pods included" });
}

static void make_cluster(struct role_maker *m, struct k8s_roles *ret)
{
	begin(m, ret, (struct k8s_role){ .name = "svcdoctor", .why = "what svcdoctor reads of all namespaces and of the cluster" });
	add_kinds(m, true, true);
	begin(m, ret, (struct k8s_role){ .name = "svcdoctor", .ns = SYSTEM_NAMESPACE, .optional = true,
					 .why = "kube-proxy and the cluster's DNS" });
}

static void make_namespaced(struct role_maker *m, const char *ns, bool proxy, struct k8s_roles *ret)
{
	begin(m, ret, (struct k8s_role){ .name = "svcdoctor", .ns = ns, .why = "what svcdoctor reads of the namespace" });
	add_kinds(m, true, false);
	if (strcmp(ns, SYSTEM_NAMESPACE) == 0)
		add_system(m, proxy);
	begin(m, ret, (struct k8s_role){ .name = "svcdoctor-cluster", .optional = true,
					 .why = "what belongs to no namespace; without it the checks that need it are left out" });
	add_kinds(m, false, true);
	if (strcmp(ns, SYSTEM_NAMESPACE) != 0)
		begin(m, ret, (struct k8s_role){ .name = "svcdoctor-system", .ns = SYSTEM_NAMESPACE, .optional = true,
						 .why = "kube-proxy and the cluster's DNS, which every Service depends on" });
}

int rights_roles(struct arena *arena, const char *ns, bool proxy, struct k8s_roles *ret)
{
	struct k8s_roles roles = { arena_array(arena, struct k8s_role, ROLES_MAX), 0 };
	struct role_maker m = { .arena = arena };

	if (!roles.v)
		return -ENOMEM;
	if (ns)
		make_namespaced(&m, ns, proxy, &roles);
	else
		make_cluster(&m, &roles);
	if (m.role->ns && m.role->nrights == 0) {
		if (ns)
			add_system_kinds(&m);
		add_system(&m, proxy);
	}
	if (proxy) {
		begin(&m, &roles, (struct k8s_role){ .name = "svcdoctor-proxy", .optional = true,
						     .why = "asked for by --proxy: give it to nobody who may not administer the nodes" });
		add_node_proxy(&m);
	}
	if (m.failed)
		return -ENOMEM;
	*ret = roles;
	return 0;
}
