/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a Service is reached from outside, as far as objects, kube-proxy's configuration and the nodes' addresses show it:
 * external addresses that nobody has, that belong to somebody else or that kube-proxy leaves out; what load balancers and
 * kube-proxy think of each other; node ports that are bound to some addresses.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "checks-private.h"

#define SHOWN_MAX 6

static bool is_load_balancer(const struct svc *v)
{
	return strcmp(v->o->type, "LoadBalancer") == 0 && !v->o->headless && !v->o->meta.deleted;
}

/* kube-proxy answers for this address itself (KEP-1860). */
static bool is_vip(const struct k8s_ingress_point *p)
{
	return p->ip.family && !str_is(p->ip_mode, "Proxy");
}

/* ---- an external IP that no node has ---- */

/* Programs that may bring an address to the nodes. */
static bool is_announcer(const char *s)
{
	static const char *const names[] = { "metallb", "kube-vip", "keepalived", "cilium", "calico-node", "kube-router", "purelb",
					     "openelb", "svclb-", "antrea", "bird", "frr", "external-ip" };

	for (size_t i = 0; s && i < ARRAY_LEN(names); i++)
		if (strstr(s, names[i]))
			return true;
	return false;
}

static bool announced(const struct run *r)
{
	static const char *const keys[] = { "app", "k8s-app", "app.kubernetes.io/name", "app.kubernetes.io/part-of", "name" };

	for (size_t i = 0; i < r->c->pods.len; i++) {
		const struct k8s_meta *m = &r->c->pods.v[i]->meta;

		if (is_announcer(m->name) || is_announcer(m->ns))
			return true;
		for (size_t j = 0; j < ARRAY_LEN(keys); j++)
			if (is_announcer(k8s_label_get(&m->labels, keys[j])))
				return true;
	}
	return false;
}

/* Every node of the cluster is recorded with its addresses: then it is known what none of them has. */
static bool all_recorded(const struct run *r)
{
	CLEANUP(map_release) struct map recorded = { 0 };

	for (size_t i = 0; i < r->s->nodes.len; i++)
		if (r->s->nodes.v[i]->facts.addrs_known && map_puts(&recorded, r->s->nodes.v[i]->name, r->s->nodes.v[i]) < 0)
			return false;
	for (size_t i = 0; i < r->c->nodes.len; i++)
		if (!map_gets(&recorded, r->c->nodes.v[i]->meta.name))
			return false;
	return r->c->nodes.len > 0 && run_complete(r, K8S_NODES) && run_complete(r, K8S_PODS);
}

static bool any_node_has(const struct run *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->s->nodes.len; i++)
		if (node_is_local(&r->s->nodes.v[i]->facts, a) != TRI_FALSE)
			return true;
	return run_node_of_addr(r, a) != NULL;
}

static void not_routed(struct run *r, struct svc *v, const struct ip_addr *a)
{
	const struct k8s_meta *m = &v->o->meta;
	char buf[IP_ADDR_STRLEN];
	struct finding *f;

	f = finding_of_service(r, "externalip-not-routed", NULL, ip_addr_format(a, buf), v);
	f->rank = 45;
	finding_partial(f);
	finding_changed(f, m);
	finding_text(r, f, "external IP %s of %s/%s is the address of no node: something outside has to bring its packets to one", buf, m->ns,
		     m->name);
	finding_evidence(r, f, "Kubernetes announces no external IPs, and no pod is known that would (MetalLB, kube-vip, a BGP speaker)");
	finding_next(r, f, "ip route get %a", buf);
	finding_next(r, f, "kubectl -n %s get service %s -o wide", m->ns, m->name);
}

void check_external_route(struct run *r)
{
	if (!all_recorded(r) || announced(r))
		return;
	for (size_t i = 0; i < r->nsvcs; i++) {
		struct svc *v = &r->svcs[i];

		for (size_t j = 0; !v->external_name && !v->o->headless && j < v->o->nexternal_ips; j++)
			if (!any_node_has(r, &v->o->external_ips[j]))
				not_routed(r, v, &v->o->external_ips[j]);
	}
}

/* ---- kube-proxy's gate ---- */

static bool gate_off(const struct kube_proxy_config *c, const char *gate)
{
	bool off = false;

	for (size_t i = 0; c && c->known && i < c->nfeature_gates; i++)
		if (str_starts(c->feature_gates[i], gate) && c->feature_gates[i][strlen(gate)] == '=')
			off = str_is(c->feature_gates[i] + strlen(gate) + 1, "false");
	return off;
}

/* The nodes whose kube-proxy has the gate off; NULL: none. */
static const char *nodes_with_gate_off(struct run *r, const char *gate)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	size_t n = 0;

	for (size_t i = 0; i < r->s->nodes.len; i++)
		if (gate_off(snapshot_proxy_config(r->s, r->s->nodes.v[i]), gate) && ++n <= SHOWN_MAX)
			strbuf_addf(&b, "%s%s", n > 1 ? ", " : "", r->s->nodes.v[i]->name);
	if (n > SHOWN_MAX)
		strbuf_addf(&b, " and %zu more", n - SHOWN_MAX);
	if (n)
		return run_printf(r, "on %s", strbuf_str(&b));
	return r->s->nodes.len == 0 && gate_off(&r->s->configmap_config, gate) ? "by its ConfigMap" : NULL;
}

void check_external_gate(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	char buf[IP_ADDR_STRLEN];
	const char *where;
	struct finding *f;

	if (!v->o->nexternal_ips || v->o->headless || v->external_name)
		return;
	where = nodes_with_gate_off(r, "AllowServiceExternalIPs");
	if (!where)
		return;
	f = finding_of_service(r, "externalips-gate-off", NULL, NULL, v);
	f->rank = 36;
	finding_partial(f);
	finding_text(r, f, "external IP %s of %s/%s gets no rules: kube-proxy's feature gate AllowServiceExternalIPs is off %s",
		     ip_addr_format(&v->o->external_ips[0], buf), m->ns, m->name, where);
	finding_next(r, f, "kubectl -n kube-system get configmap kube-proxy -o yaml");
	finding_next(r, f, "kubectl -n %s get service %s -o wide", m->ns, m->name);
}

/* ---- somebody else's address ---- */

static bool shares_port(const struct k8s_service *a, const struct k8s_service *b)
{
	for (size_t i = 0; i < a->nports; i++)
		for (size_t j = 0; j < b->nports; j++)
			if (a->ports[i].port == b->ports[j].port && a->ports[i].proto == b->ports[j].proto)
				return true;
	return false;
}

static bool in_service_cidr(const struct run *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->c->service_cidrs.len; i++)
		for (size_t j = 0; j < r->c->service_cidrs.v[i]->ncidrs; j++)
			if (ip_prefix_contains(&r->c->service_cidrs.v[i]->cidrs[j], a))
				return true;
	return false;
}

static bool is_own(const struct k8s_service *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->ncluster_ips; i++)
		if (ip_addr_equal(&s->cluster_ips[i], a))
			return true;
	return false;
}

/* @owners: cluster IP -> struct k8s_service */
static void hijack(struct run *r, const struct map *owners, struct svc *v, const struct ip_addr *a, const char *what)
{
	const struct k8s_service *victim = map_get(owners, a, sizeof(*a));
	const struct k8s_pod *pod = map_get(&r->c->pod_by_ip, a, sizeof(*a));
	const struct k8s_meta *m = &v->o->meta;
	char buf[IP_ADDR_STRLEN];
	struct finding *f;

	if (is_own(v->o, a) || victim == v->o || (!victim && !pod && !in_service_cidr(r, a)) || (pod && k8s_pod_terminal(pod)))
		return;
	f = finding_of_service(r, "kubernetes-service-vip-hijack", NULL, ip_addr_format(a, buf), v);
	f->rank = 9;
	finding_partial(f);
	finding_changed(f, m);
	if (!victim || !shares_port(v->o, victim))
		finding_severity(f, SEVERITY_WARNING);
	if (victim)
		finding_text(r, f, "%s %s of %s/%s is the cluster IP of %s/%s: clients of the latter may end in the former", what, buf, m->ns,
			     m->name, victim->meta.ns, victim->meta.name);
	else if (pod)
		finding_text(r, f, "%s %s of %s/%s is the address of Pod %s/%s: what others send to that pod's port may end in the Service", what,
			     buf, m->ns, m->name, pod->meta.ns, pod->meta.name);
	else
		finding_text(r, f, "%s %s of %s/%s lies in the range of cluster IPs: it may be given to another Service", what, buf, m->ns,
			     m->name);
	if (victim && !shares_port(v->o, victim))
		finding_evidence(r, f, "the two have no port in common so far");
	finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
	if (victim)
		finding_next(r, f, "kubectl -n %s get service %s -o wide", victim->meta.ns, victim->meta.name);
}

void check_vip_hijack(struct run *r)
{
	CLEANUP(map_release) struct map owners = { 0 };

	for (size_t i = 0; i < r->c->services.len; i++)
		for (size_t j = 0; j < r->c->services.v[i]->ncluster_ips; j++)
			if (map_put(&owners, &r->c->services.v[i]->cluster_ips[j], sizeof(struct ip_addr), r->c->services.v[i]) < 0)
				r->err = -ENOMEM;
	for (size_t i = 0; i < r->nsvcs && !r->err; i++) {
		struct svc *v = &r->svcs[i];

		if (k8s_service_skipped_by_proxy(v->o))
			continue;
		for (size_t j = 0; j < v->o->nexternal_ips; j++)
			hijack(r, &owners, v, &v->o->external_ips[j], "external IP");
		for (size_t j = 0; j < v->o->ningress; j++)
			if (is_vip(&v->o->ingress[j]))
				hijack(r, &owners, v, &v->o->ingress[j].ip, "load-balancer IP");
	}
}

/* ---- load balancers ---- */

static bool means_yes(const char *s)
{
	static const char *const no[] = { "", "false", "off", "no", "none", "0", "disabled" };

	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (strcasecmp(s, no[i]) == 0)
			return false;
	return true;
}

/* What says that the load balancer puts a PROXY header before each connection; NULL: nothing. */
static const char *proxy_protocol(struct run *r, const struct k8s_service *s)
{
	const struct k8s_labels *a = &s->meta.annotations;

	for (size_t i = 0; i < a->len; i++)
		if ((strstr(a->v[i].key, "proxy-protocol") || strstr(a->v[i].key, "proxyprotocol")) && means_yes(a->v[i].value))
			return run_printf(r, "annotation %.150s is %.50s", a->v[i].key, a->v[i].value);
	for (size_t i = 0; i < r->c->configmaps.len; i++) {
		const struct k8s_configmap *c = r->c->configmaps.v[i];

		if (strcmp(c->meta.ns, s->meta.ns) != 0)
			continue;
		for (size_t j = 0; j < c->ndata; j++)
			if (str_is(c->data[j].key, "use-proxy-protocol") && str_is(c->data[j].value, "true"))
				return run_printf(r, "ConfigMap %s/%s has use-proxy-protocol true", c->meta.ns, c->meta.name);
	}
	return NULL;
}

void check_lb_ip_mode(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const char *why = NULL;
	char buf[IP_ADDR_STRLEN];
	struct finding *f;

	for (size_t i = 0; is_load_balancer(v) && i < v->o->ningress; i++) {
		if (!is_vip(&v->o->ingress[i]))
			continue;
		why = why ? why : proxy_protocol(r, v->o);
		if (!why)
			return;
		f = finding_of_service(r, "lb-ipmode-proxy", NULL, ip_addr_format(&v->o->ingress[i].ip, buf), v);
		f->rank = 40;
		finding_partial(f);
		finding_text(r, f,
			     "pods that use the load-balancer IP %s of %s/%s never pass the load balancer: kube-proxy answers for it, and the PROXY "
			     "header that the backend expects is missing",
			     buf, m->ns, m->name);
		finding_evidence(r, f, "%s", why);
		finding_evidence(r, f, "status.loadBalancer.ingress has ipMode %s", v->o->ingress[i].ip_mode ? v->o->ingress[i].ip_mode : "VIP (not set)");
		finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
	}
}

static bool range_of_family(const char *text, int family)
{
	size_t len;
	struct ip_prefix p;

	text += strspn(text, " \t\r\n\v\f");
	len = strcspn(text, " \t\r\n\v\f");
	return memchr(text, '/', len) && ip_prefix_parsen(text, len, &p) == 0 && p.addr.family == family;
}

/* kube-proxy passes over ranges of the other family; where none is left there is no limit (pkg/proxy/serviceport.go). */
void check_source_ranges(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;

	for (size_t i = 0; is_load_balancer(v) && v->o->nsource_ranges && i < v->o->ningress; i++) {
		const struct k8s_ingress_point *p = &v->o->ingress[i];
		bool any = false;
		char buf[IP_ADDR_STRLEN];
		struct finding *f;

		for (size_t j = 0; is_vip(p) && j < v->o->nsource_ranges; j++)
			any |= range_of_family(v->o->source_ranges[j], p->ip.family);
		if (any || !is_vip(p))
			continue;
		f = finding_of_service(r, "lb-source-ranges-drop", NULL, ip_addr_format(&p->ip, buf), v);
		f->rank = 36;
		finding_partial(f);
		finding_changed(f, m);
		finding_text(r, f, "none of the loadBalancerSourceRanges of %s/%s is an %s range: kube-proxy lets everybody in to %s", m->ns,
			     m->name, p->ip.family == AF_INET ? "IPv4" : "IPv6", buf);
		for (size_t j = 0; j < v->o->nsource_ranges && j < SHOWN_MAX; j++)
			finding_evidence(r, f, "range '%.60s'", v->o->source_ranges[j]);
		finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
	}
}

static bool excluded(const struct k8s_node *n)
{
	if (k8s_label_get(&n->meta.labels, "node.kubernetes.io/exclude-from-external-load-balancers"))
		return true;
	for (size_t i = 0; i < n->ntaints; i++)
		if (str_is(n->taints[i].key, "ToBeDeletedByClusterAutoscaler"))
			return true;
	return false;
}

/* Nodes that are not ready are told as that. */
void check_lb_nodes(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	struct finding *f;

	if (!is_load_balancer(v) || !r->c->nodes.len || !run_complete(r, K8S_NODES))
		return;
	for (size_t i = 0; i < r->c->nodes.len; i++)
		if (!excluded(r->c->nodes.v[i]))
			return;
	f = finding_of_service(r, "lb-unavailable-nodes", NULL, NULL, v);
	f->rank = 38;
	finding_partial(f);
	finding_text(r, f, "every node is kept away from load balancers by a label or a taint: that of %s/%s has nowhere to send to", m->ns, m->name);
	for (size_t i = 0; i < r->c->nodes.len && i < SHOWN_MAX; i++)
		finding_evidence(r, f, "Node %s: %s", r->c->nodes.v[i]->meta.name,
				 k8s_label_get(&r->c->nodes.v[i]->meta.labels, "node.kubernetes.io/exclude-from-external-load-balancers")
					 ? "label node.kubernetes.io/exclude-from-external-load-balancers (any value counts)"
					 : "taint ToBeDeletedByClusterAutoscaler");
	finding_next(r, f, "kubectl get nodes --show-labels");
	if (k8s_label_get(&r->c->nodes.v[0]->meta.labels, "node.kubernetes.io/exclude-from-external-load-balancers"))
		finding_fix(r, f, "kubectl label node %s node.kubernetes.io/exclude-from-external-load-balancers-", r->c->nodes.v[0]->meta.name);
}

void check_lb_port_errors(struct run *r, struct svc *v)
{
	const struct k8s_condition *c = k8s_condition(v->o->conditions, v->o->nconditions, "LoadBalancerPortsError");
	const struct k8s_meta *m = &v->o->meta;

	for (size_t i = 0; is_load_balancer(v) && !(c && str_is(c->status, "True")) && i < v->o->ningress; i++) {
		const char *why = v->o->ingress[i].port_error;
		struct finding *f;

		if (!why || !why[0])
			continue;
		f = finding_of_service(r, "lb-mixed-protocol", NULL, run_printf(r, "ingress %zu", i), v);
		f->rank = 37;
		finding_partial(f);
		finding_text(r, f, "the load balancer of %s/%s refuses one of its ports: %.200s", m->ns, m->name, why);
		finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
		return;
	}
}

/* A network load balancer of AWS that keeps the client's address: targets by instance do so unless told otherwise, targets by IP where told. */
static bool keeps_client_address(const struct k8s_service *s)
{
	const char *type = k8s_label_get(&s->meta.annotations, "service.beta.kubernetes.io/aws-load-balancer-type");
	const char *target = k8s_label_get(&s->meta.annotations, "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type");
	const char *attributes = k8s_label_get(&s->meta.annotations, "service.beta.kubernetes.io/aws-load-balancer-target-group-attributes");

	if (!str_is(type, "nlb") && !str_is(type, "nlb-ip") && !str_is(type, "external"))
		return false;
	if (attributes && strstr(attributes, "preserve_client_ip.enabled="))
		return strstr(attributes, "preserve_client_ip.enabled=true") != NULL;
	return !str_is(type, "nlb-ip") && !str_is(target, "ip");
}

void check_lb_hairpin(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const char *hostname = NULL;
	struct finding *f;

	for (size_t i = 0; is_load_balancer(v) && i < v->o->ningress; i++)
		hostname = hostname || is_vip(&v->o->ingress[i]) ? hostname : v->o->ingress[i].hostname;
	if (!hostname || !keeps_client_address(v->o))
		return;
	f = finding_of_service(r, "hairpin-lb-client-ip", NULL, NULL, v);
	f->rank = 46;
	finding_partial(f);
	finding_text(r, f,
		     "the load balancer of %s/%s keeps the client's address: a pod or node that uses %.200s times out whenever it is sent back to its "
		     "own node",
		     m->ns, m->name, hostname);
	finding_evidence(r, f, "clients in the cluster are better off with %s.%s", m->name, m->ns);
	finding_next(r, f, "kubectl -n %s get service %s -o yaml", m->ns, m->name);
}

/* ---- node ports at some addresses only ---- */

static bool wants_primary(const struct kube_proxy_config *c)
{
	return c->nnode_port_addresses == 1 && str_is(c->node_port_addresses[0], "primary");
}

/* The option names prefixes of this family; else every address of it serves. */
static bool has_family(const struct kube_proxy_config *c, int family)
{
	struct ip_prefix p;

	for (size_t i = 0; i < c->nnode_port_addresses; i++)
		if (ip_prefix_parse(c->node_port_addresses[i], &p) == 0 && p.addr.family == family)
			return true;
	return false;
}

static bool serves_node_ports(const struct kube_proxy_config *c, const struct ip_addr *a)
{
	struct ip_prefix p;

	for (size_t i = 0; i < c->nnode_port_addresses; i++)
		if (ip_prefix_parse(c->node_port_addresses[i], &p) == 0 && ip_prefix_contains(&p, a))
			return true;
	return !has_family(c, a->family);
}

/* A family whose prefixes hold no address of the node. */
static bool answers_nowhere(const struct kube_proxy_config *c, const struct node_facts *facts, int family)
{
	bool any = false;

	for (size_t i = 0; i < facts->addrs.len; i++)
		any |= facts->addrs.v[i].addr.family == family && serves_node_ports(c, &facts->addrs.v[i].addr);
	return has_family(c, family) && !any;
}

static const char *prefixes_text(struct run *r, const struct kube_proxy_config *c)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < c->nnode_port_addresses && i < SHOWN_MAX; i++)
		strbuf_addf(&b, "%s%.60s", i ? ", " : "", c->node_port_addresses[i]);
	return run_printf(r, "%s", strbuf_str(&b));
}

static void concerns_node_ports(struct run *r, struct finding *f)
{
	for (size_t i = 0; i < r->nsvcs; i++)
		for (size_t j = 0; j < r->svcs[i].o->nports; j++)
			if (r->svcs[i].o->ports[j].node_port)
				finding_concerns(r, f, r->svcs[i].o);
}

static void node_port_addresses(struct run *r, const struct snap_node *n, const struct kube_proxy_config *c)
{
	const struct k8s_node *o = k8s_find_node(r->c, n->name);
	const struct ip_addr *left = NULL;
	bool nowhere;
	char buf[IP_ADDR_STRLEN];
	struct finding *f;

	for (size_t i = 0; o && i < o->naddresses; i++)
		if (o->addresses[i].ip.family && !str_is(o->addresses[i].type, "Hostname") && !serves_node_ports(c, &o->addresses[i].ip))
			left = left ? left : &o->addresses[i].ip;
	if (!left)
		return;
	nowhere = answers_nowhere(c, &n->facts, left->family);
	f = finding_new(r, "nodeport-addresses-filter", n->name, NULL, run_printf(r, "Node %s", n->name));
	f->rank = 39;
	finding_partial(f);
	concerns_node_ports(r, f);
	if (!nowhere) {
		finding_severity(f, SEVERITY_INFO);
		finding_text(r, f, "kube-proxy on node %s serves node ports at %s only: not at %s, the node's address", n->name,
			     prefixes_text(r, c), ip_addr_format(left, buf));
	} else {
		finding_text(r, f, "kube-proxy on node %s serves node ports at %s only, and the node has no such address: they answer nowhere",
			     n->name, prefixes_text(r, c));
	}
	finding_evidence(r, f, "nodePortAddresses of kube-proxy, from %s", c->source ? c->source : "its configuration");
	proxy_commands(r, f, n->name);
}

void check_node_port_addresses(struct run *r)
{
	bool any = false;

	for (size_t i = 0; i < r->nsvcs; i++)
		for (size_t j = 0; j < r->svcs[i].o->nports; j++)
			any |= r->svcs[i].o->ports[j].node_port != 0;
	for (size_t i = 0; any && i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		const struct kube_proxy_config *c = snapshot_proxy_config(r->s, n);

		if (c && c->known && c->nnode_port_addresses && !wants_primary(c) && n->facts.addrs_known &&
		    (!r->o->node || str_is(n->name, r->o->node)))
			node_port_addresses(r, n, c);
	}
}

/* ---- kube-proxy's health port ---- */

static bool is_loopback_bind(const char *s)
{
	const char *colon = s ? strrchr(s, ':') : NULL;
	struct ip_addr a;

	if (!s || !*s)
		return false;
	if (ip_addr_parse(s, &a) == 0)
		return ip_addr_is_loopback(&a);
	if (s[0] == '[')
		return colon && colon > s + 2 && ip_addr_parsen(s + 1, (size_t)(colon - s - 2), &a) == 0 && ip_addr_is_loopback(&a);
	return colon && ip_addr_parsen(s, (size_t)(colon - s), &a) == 0 && ip_addr_is_loopback(&a);
}

/* The address of HOST:PORT; family 0: it has none, or no IP address. */
static struct ip_addr bind_address(const char *s)
{
	const char *colon = s ? strrchr(s, ':') : NULL;
	struct ip_addr a = { 0 };

	if (!colon || ip_addr_parse(s, &a) == 0)
		return a;
	const bool bracket = s[0] == '[' && colon > s + 2;

	return ip_addr_parsen(s + bracket, (size_t)(colon - s) - 2 * bracket, &a) == 0 ? a : (struct ip_addr){ 0 };
}

/* IPv4 alone, where no node has an address of IPv4; or one IPv6 address, where none has IPv6. All of IPv6 ("::") takes IPv4 as well. */
static bool is_other_family(const struct run *r, const char *s)
{
	const struct ip_addr a = bind_address(s), all = { .family = AF_INET6 };
	bool any = false;

	if (!a.family || memcmp(&a, &all, sizeof(a)) == 0)
		return false;
	for (size_t i = 0; i < r->c->nodes.len; i++)
		for (size_t k = 0; k < r->c->nodes.v[i]->naddresses; k++) {
			const struct ip_addr *own = &r->c->nodes.v[i]->addresses[k].ip;

			if (own->family == a.family)
				return false;
			any |= own->family != 0;
		}
	return any;
}

static bool is_unreachable_bind(const struct run *r, const char *s)
{
	return is_loopback_bind(s) || is_other_family(r, s);
}

/* The load balancers of some providers ask it where externalTrafficPolicy is Cluster (KEP-3836); whether this one does is not known. */
void check_healthz_bind(struct run *r, struct svc *v)
{
	const struct kube_proxy_config *c = NULL;
	const struct k8s_meta *m = &v->o->meta;
	const char *node = NULL;
	struct finding *f;

	if (!is_load_balancer(v) || v->o->external_local)
		return;
	for (size_t i = 0; i < r->s->nodes.len && !c; i++) {
		c = snapshot_proxy_config(r->s, r->s->nodes.v[i]);
		node = r->s->nodes.v[i]->name;
		c = c && c->known && is_unreachable_bind(r, c->healthz_bind_address) ? c : NULL;
	}
	if (!c && r->s->nodes.len == 0 && r->s->configmap_config.known && is_unreachable_bind(r, r->s->configmap_config.healthz_bind_address))
		c = &r->s->configmap_config;
	if (!c)
		return;
	f = finding_of_service(r, "proxy-healthz-port-blocked", NULL, NULL, v);
	f->rank = 46;
	finding_partial(f);
	finding_text(r, f, "kube-proxy answers health checks at %.60s only: a load balancer of %s/%s that asks nodes there finds all of them ill",
		     c->healthz_bind_address, m->ns, m->name);
	if (!is_loopback_bind(c->healthz_bind_address))
		finding_evidence(r, f, "no node has an address of that family");
	finding_evidence(r, f, "healthzBindAddress, from %s", c->source ? c->source : node ? node : "its configuration");
	finding_next(r, f, "kubectl -n kube-system get configmap kube-proxy -o yaml");
}
