/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cluster's DNS, as far as its objects show it: whether its Service has anybody behind it, what its pods say of themselves, and whether
 * kubelets give pods its address. What its Corefile and its logs tell is looked at in dns-corefile.c, dns-loop.c and dns-server*.c.
 */
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "dns-plan-private.h"
#include "dns-server-private.h"

/* ---- which Service it is ---- */

static bool has_selector(const struct k8s_service *s)
{
	return s->selector.len > 0;
}

const struct k8s_service *dns_service_object(const struct run *r)
{
	return dns_service_find(r->c, has_selector);
}

static bool answers_dns(const struct k8s_service *s)
{
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i].port == 53)
			return true;
	return false;
}

/* Where no Service is known to answer DNS, nothing tells which one should. */
static bool any_answers_dns(const struct run *r)
{
	for (size_t i = 0; i < r->c->services.len; i++)
		if (answers_dns(r->c->services.v[i]) && r->c->services.v[i]->ncluster_ips)
			return true;
	return false;
}

static const struct k8s_service *service_of_ip(const struct run *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->c->services.len; i++)
		for (size_t j = 0; j < r->c->services.v[i]->ncluster_ips; j++)
			if (ip_addr_equal(a, &r->c->services.v[i]->cluster_ips[j]))
				return r->c->services.v[i];
	return NULL;
}

bool dns_is_service_address(const struct run *r, const struct ip_addr *a)
{
	const struct k8s_service *s = service_of_ip(r, a);

	return s && answers_dns(s);
}

/* ---- the address that kubelets give ---- */

bool dns_is_node_local(const struct k8s_pod *p)
{
	const char *app = k8s_label_get(&p->meta.labels, "k8s-app");

	return (app && (strstr(app, "node-local-dns") || strstr(app, "nodelocaldns"))) || str_starts(p->meta.name, "node-local-dns") ||
	       str_starts(p->meta.name, "nodelocaldns");
}

/* Is there a pod of NodeLocal DNSCache on the node? Where pods are not known as a whole, it may be. */
static bool may_have_node_local(const struct run *r, const char *node)
{
	if (!run_complete(r, K8S_PODS))
		return true;
	for (size_t i = 0; i < r->c->pods.len; i++)
		if (str_is(r->c->pods.v[i]->node, node) && dns_is_node_local(r->c->pods.v[i]) && !k8s_pod_terminal(r->c->pods.v[i]))
			return true;
	return false;
}

static bool in_service_range(const struct run *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->c->service_cidrs.len; i++)
		for (size_t j = 0; j < r->c->service_cidrs.v[i]->ncidrs; j++)
			if (ip_prefix_contains(&r->c->service_cidrs.v[i]->cidrs[j], a))
				return true;
	return false;
}

/* It was asked, from some place of the cluster where a cluster IP of the DNS answered, and did not. */
static bool asked_in_vain(const struct run *r, const struct ip_addr *a)
{
	for (size_t i = 0; i < r->s->dns.len; i++) {
		const struct snap_dns *d = r->s->dns.v[i];
		size_t silent = 0, answered = 0, others = 0;

		for (size_t j = 0; j < d->answers.len; j++) {
			const struct dns_answer *x = &d->answers.v[j];

			if (!ip_addr_equal(&x->q.server, a))
				others += x->end == DNS_ANSWERED && service_of_ip(r, &x->q.server);
			else if (x->end == DNS_TIMED_OUT || x->end == DNS_PORT_CLOSED || x->end == DNS_UNREACHABLE)
				silent++;
			else
				answered++;
		}
		if (silent > 1 && !answered && others)
			return true;
	}
	return false;
}

const char *dns_address_fault(struct run *r, const char *node, const struct ip_addr *a, bool *ret_certain)
{
	const struct k8s_service *s = service_of_ip(r, a);

	*ret_certain = !ip_addr_is_linklocal(a); /* the cache may be called otherwise */
	if (s)
		return answers_dns(s) ? NULL : run_printf(r, "the cluster IP of Service %s/%s, which has no port 53", s->meta.ns, s->meta.name);
	if (ip_addr_is_linklocal(a))
		return may_have_node_local(r, node) ? NULL : "a link-local address, and no pod of NodeLocal DNSCache is on the node";
	if (in_service_range(r, a))
		return "in the range of cluster IPs, and no Service has it";
	if (asked_in_vain(r, a))
		return "the address of no Service, and does not answer";
	*ret_certain = false;
	return run_node_of_addr(r, a) ? NULL : "the address of no Service and of no node";
}

static void wrong_address(struct run *r, const struct snap_node *n, const char *text, const char *fault, bool certain)
{
	const struct k8s_service *dns = dns_service_object(r);
	struct finding *f = finding_new(r, "wrong-cluster-dns-address", n->name, text, run_printf(r, "Node %s", n->name));
	char buf[IP_ADDR_STRLEN];

	f->rank = 3;
	finding_cluster(f);
	if (!certain || n->kubelet.ncluster_dns > 1)
		finding_severity(f, SEVERITY_WARNING);
	finding_text(r, f, "the kubelet of node %s gives pods the nameserver %.60s, which is %s", n->name, text, fault);
	for (size_t i = 0; dns && i < dns->ncluster_ips; i++)
		finding_evidence(r, f, "the cluster's DNS is Service %s/%s, %s", dns->meta.ns, dns->meta.name, ip_addr_format(&dns->cluster_ips[i], buf));
	if (!certain)
		finding_evidence(r, f, "a server outside the cluster may know its names: then it is meant so");
	finding_evidence(r, f, "clusterDNS in the kubelet's configuration; pods keep it in /etc/resolv.conf until they are made anew");
	finding_next(r, f, "kubectl get --raw /api/v1/nodes/%s/proxy/configz", n->name);
	finding_next(r, f, "kubectl -n kube-system get services -o wide");
}

void check_cluster_dns_address(struct run *r)
{
	if (!run_complete(r, K8S_SERVICES) || !any_answers_dns(r))
		return;
	for (size_t i = 0; i < r->s->nodes.len && !r->err; i++) {
		const struct snap_node *n = r->s->nodes.v[i];

		for (size_t j = 0; (!r->o->node || str_is(n->name, r->o->node)) && j < n->kubelet.ncluster_dns; j++) {
			const char *text = n->kubelet.cluster_dns[j], *fault;
			struct ip_addr a;
			bool certain;

			if (ip_addr_parse(text, &a) < 0)
				continue;
			fault = dns_address_fault(r, n->name, &a, &certain);
			if (fault)
				wrong_address(r, n, text, fault, certain);
		}
	}
}

/* ---- its pods ---- */

/*
 * Its slices are known: read as a whole, and one is there, as the controller keeps one for each Service with a selector, if an
 * empty one. A list of the cluster without it was hardly taken of that namespace.
 */
static bool slices_known(const struct run *r, const struct k8s_service *s)
{
	return snapshot_has_of_service(r->s, K8S_SLICES, s->meta.ns, s->meta.name) && (k8s_slices_of(r->c, s) || !run_complete(r, K8S_SLICES));
}

static size_t count_ready(const struct run *r, const struct k8s_service *s)
{
	const struct k8s_slice_group *g = k8s_slices_of(r->c, s);
	size_t n = 0;

	for (size_t i = 0; g && i < g->v.len; i++)
		for (size_t j = 0; slice_used(s, g->v.v[i]) && j < g->v.v[i]->nendpoints; j++) {
			const struct k8s_endpoint *e = &g->v.v[i]->endpoints[j];

			n += e->ready != 0 || (e->serving == 1 && e->terminating == 1);
		}
	return n;
}

int dns_ready(const struct run *r, const struct k8s_service *s)
{
	const struct k8s_pod *p;
	int ready = 0, pods = 0;

	if (s && slices_known(r, s))
		return (int)MIN(count_ready(r, s), (size_t)INT_MAX);
	for (size_t at = 0; (p = dns_next_pod(r, s, &at)); pods++)
		ready += pod_counts_ready(p);
	return pods ? ready : -1;
}

static void pods_evidence(struct run *r, struct finding *f, const struct k8s_service *s)
{
	const struct k8s_pod_group *g = map_gets(&r->c->pods_by_ns, s->meta.ns);
	size_t shown = 0;

	for (size_t i = 0; g && i < g->v.len && shown < 4; i++) {
		const struct k8s_pod *p = g->v.v[i];
		struct pod_view w;

		if (k8s_pod_terminal(p) || !k8s_selector_matches(&s->selector, &p->meta.labels))
			continue;
		pod_view(r, p, &w);
		f->since = time_later(f->since, w.since);
		pod_commands(r, f, p, &w);
		w.since = NULL;
		finding_evidence(r, f, "Pod %s/%s: %s", p->meta.ns, p->meta.name, pod_line(r, &w));
		shown++;
	}
	if (!shown && snapshot_has_of_service(r->s, K8S_PODS, s->meta.ns, s->meta.name))
		finding_evidence(r, f, "no pod has the labels %s that the Service selects", labels_text(r, &s->selector));
}

static void probes_evidence(struct run *r, struct finding *f)
{
	for (size_t i = 0; i < r->s->probes.len; i++) {
		const struct snap_probe *p = &r->s->probes.v[i];

		if (str_is(p->what, "ready") && p->status != 200)
			finding_evidence(r, f, "Pod %s/%s answers /ready with %d%s%.200s", p->ns, p->pod, p->status, p->text && *p->text ? ": " : "",
					 p->text ? p->text : "");
	}
}

/* Why they do not start, where their logs say it and no other check does. */
static void logs_evidence(struct run *r, struct finding *f)
{
	static const char *const kinds[] = { "listen-denied", "listen-in-use", "panic", NULL };
	CLEANUP(dns_told_release) struct dns_told_list t = { 0 };

	dns_told(r, DNS_LOGS_SERVER, kinds, &t);
	dns_told_evidence(r, f, &t, 3);
	for (size_t i = 0; !t.v.len && i < r->s->logs.len; i++) {
		const struct snap_log *l = &r->s->logs.v[i];

		if (l->program == LOG_COREDNS && l->summary.first_unknown)
			finding_evidence(r, f, "Pod %s/%s logs: %.300s", l->ns, l->pod, l->summary.first_unknown);
	}
}

/* How many of the DNS pods that were asked say that they are not ready. */
static size_t not_ready_by_probes(const struct run *r, const struct k8s_service *s, size_t *ret_asked)
{
	size_t n = 0;

	*ret_asked = 0;
	for (size_t i = 0; i < r->s->probes.len; i++) {
		const struct snap_probe *p = &r->s->probes.v[i];
		const struct k8s_pod *pod = str_is(p->what, "ready") && str_is(p->ns, s->meta.ns) ? k8s_find_pod(r->c, p->ns, p->pod) : NULL;

		if (!pod || !k8s_selector_matches(&s->selector, &pod->meta.labels))
			continue;
		++*ret_asked;
		/* anything else than its own two answers is of somebody in between */
		n += p->status == 503;
	}
	return n;
}

/* The run need not be about the DNS: every Service depends on it. */
void check_dns_pods(struct run *r)
{
	const struct k8s_service *s = dns_service_object(r);
	size_t asked = 0, bad;
	struct finding *f;

	if (!s || !slices_known(r, s))
		return;
	bad = not_ready_by_probes(r, s, &asked);
	if (count_ready(r, s)) {
		if (!bad)
			return;
		f = dns_server_finding(r, "coredns-not-running", NULL, NULL, s, 2);
		finding_severity(f, bad == asked ? SEVERITY_ERROR : SEVERITY_WARNING);
		finding_partial(f);
		finding_text(r, f, "%zu of %zu pods of the cluster's DNS that were asked say that they are not ready", bad, asked);
	} else {
		f = dns_server_finding(r, "coredns-not-running", NULL, NULL, s, 2);
		finding_text(r, f, "the cluster's DNS, %s/%s, has no ready endpoint: no name of the cluster resolves", s->meta.ns, s->meta.name);
		pods_evidence(r, f, s);
		logs_evidence(r, f);
	}
	probes_evidence(r, f);
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o wide", s->meta.ns, s->meta.name);
	finding_next(r, f, "kubectl -n %s get deployments", s->meta.ns);
}
