/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DNS by the objects alone: the domain of the kubelets beside that of the Corefile, headless Services without names, TCP on port 53, and NodeLocal
 * DNSCache (kubernetes/dns, cmd/node-cache), whose addresses only its own pod of a node answers.
 */
#include <netinet/in.h>

#include "dns-server-private.h"

/* ---- the domain ---- */

struct other_domain {
	const char *domain, *who; /* "the kubelet of node node1" */
	size_t n;
};

static void add_domain(struct other_domain *o, const char *domain, const char *who)
{
	if (o->n && !dns_name_equal(o->domain, domain))
		return;
	o->domain = o->n ? o->domain : domain;
	o->who = o->n ? o->who : who;
	o->n++;
}

/* A rewriting that speaks of the domain may serve it. */
static bool is_rewritten(const struct corefile *c, const char *domain)
{
	for (size_t i = 0; i < c->blocks.len; i++)
		for (size_t j = 0; j < c->blocks.v[i].ndirectives; j++) {
			const struct corefile_directive *d = &c->blocks.v[i].directives[j];

			for (size_t k = 0; strcmp(d->name, "rewrite") == 0 && k < d->nargs; k++)
				if (strcasestr(d->args[k], domain))
					return true;
			for (size_t k = 0; strcmp(d->name, "template") == 0 && k < d->nargs; k++)
				if (strcasestr(d->args[k], domain))
					return true;
		}
	return false;
}

static void domain_finding(struct run *r, const struct k8s_configmap *m, const struct corefile *c, const struct other_domain *o)
{
	const char *zone = NULL;
	unsigned line = 0;
	struct finding *f;

	if (dns_kubernetes_serves(c, o->domain, &zone, &line) != 0 || is_rewritten(c, o->domain))
		return;
	f = dns_server_finding(r, "wrong-cluster-domain", NULL, NULL, dns_service_object(r), 2);
	if (c->has_imports) {
		finding_severity(f, SEVERITY_WARNING);
		finding_evidence(r, f, "what the Corefile imports is not seen here");
	}
	finding_text(r, f, "pods look names up in the domain %.253s, and CoreDNS serves %.253s", arena_clean(r->a, o->domain), arena_clean(r->a, zone));
	finding_evidence(r, f, "%s%s has it", o->who, o->n > 1 ? run_printf(r, ", and %zu more,", o->n - 1) : "");
	finding_evidence(r, f, "%s line %u: kubernetes %.253s", dns_map_words(r, m), line, arena_clean(r->a, zone));
	finding_next(r, f, "kubectl -n %s get configmap %s -o yaml", m->meta.ns, m->meta.name);
	finding_fix(r, f, "kubectl -n %s edit configmap %s", m->meta.ns, m->meta.name);
}

void check_cluster_domain(struct run *r)
{
	CLEANUP(corefile_release) struct corefile c = { 0 };
	const struct k8s_configmap *m = dns_corefile(r, false, &c);
	struct other_domain wrong = { 0 };
	const char *zone;
	unsigned line;

	for (size_t i = 0; m && i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		const char *x = n->kubelet.cluster_domain;

		if (x && *x && n->kubelet.ncluster_dns && dns_kubernetes_serves(&c, x, &zone, &line) == 0)
			add_domain(&wrong, x, run_printf(r, "clusterDomain of the kubelet of node %s", n->name));
	}
	for (size_t i = 0; m && !wrong.n && i < r->s->dns.len; i++) {
		const struct snap_dns *d = r->s->dns.v[i];

		for (size_t j = 0; d->where == DNS_FROM_POD && d->has_conf && j < d->conf.searches.len; j++) {
			const char *x = d->conf.searches.v[j].domain;

			if (str_starts(x, "svc.") && x[4] && dns_kubernetes_serves(&c, x + 4, &zone, &line) == 0)
				add_domain(&wrong, x + 4, run_printf(r, "the search list of %s", d->label));
		}
	}
	if (wrong.n)
		domain_finding(r, m, &c, &wrong);
}

/* ---- headless Services ---- */

static size_t listed_unready(const struct svc *v)
{
	size_t n = 0;

	for (size_t i = 0; v->slices && i < v->slices->v.len; i++)
		for (size_t j = 0; slice_used(v->o, v->slices->v.v[i]) && j < v->slices->v.v[i]->nendpoints; j++)
			n += v->slices->v.v[i]->endpoints[j].ready == 0;
	return n;
}

void check_headless_dns(struct run *r, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	const char *early = k8s_label_get(&m->annotations, "service.alpha.kubernetes.io/tolerate-unready-endpoints");
	const size_t unready = v->o->headless && !v->o->publish_not_ready && !str_is(early, "true") ? listed_unready(v) : 0;
	bool assumed;
	struct finding *f;

	if (!unready || v->ready || !run_reaches(r, K8S_SLICES, v))
		return;
	f = finding_of_service(r, "headless-no-dns-until-ready", NULL, NULL, v);
	f->rank = 40;
	finding_text(r, f, "%s/%s has no name: it is headless, and none of its %zu endpoint%s is ready", m->ns, m->name, unready, PLURAL(unready));
	finding_evidence(r, f, "%s.%s.svc.%.253s does not exist (NXDOMAIN) until a pod is ready: publishNotReadyAddresses is not set", m->name, m->ns, dns_domain(r, &assumed));
	finding_evidence(r, f, "pods that look for each other before they are ready wait for ever");
	finding_next(r, f, "kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s -o yaml", m->ns, m->name);
	finding_fix(r, f, "kubectl -n %s patch service %s -p '{\"spec\":{\"publishNotReadyAddresses\":true}}'", m->ns, m->name);
}

/* ---- TCP ---- */

static bool has_53(const struct k8s_service *s, uint8_t proto)
{
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i].port == 53 && s->ports[i].proto == proto)
			return true;
	return false;
}

void check_dns_tcp(struct run *r)
{
	const struct k8s_service *s = dns_service_object(r);
	struct finding *f;

	if (!s || !has_53(s, IPPROTO_UDP) || has_53(s, IPPROTO_TCP))
		return;
	f = dns_server_finding(r, "dns-truncation-tcp53", NULL, NULL, s, 20);
	finding_partial(f);
	finding_text(r, f, "%s/%s has port 53 for UDP only: answers that are too long for UDP are lost, or come in part", s->meta.ns, s->meta.name);
	finding_changed(f, &s->meta);
	finding_next(r, f, "kubectl -n %s get service %s -o yaml", s->meta.ns, s->meta.name);
	finding_fix(r, f, "kubectl -n %s edit service %s", s->meta.ns, s->meta.name);
}

/* ---- NodeLocal DNSCache ---- */

static const char *const cache_kinds[] = { "listen-no-address", "listen-in-use", "listen-denied", "cache-rule-failed", "cache-link-failed", NULL };

static const struct k8s_pod *cache_pod(const struct run *r, const char *node)
{
	for (size_t i = 0; i < r->c->pods.len; i++)
		if (str_is(r->c->pods.v[i]->node, node) && dns_is_node_local(r->c->pods.v[i]) && !k8s_pod_terminal(r->c->pods.v[i]))
			return r->c->pods.v[i];
	return NULL;
}

/* On the interface of the cache the address is nobody else's. */
static const struct node_address *cache_address(const struct snap_node *n)
{
	for (size_t i = 0; n->facts.addrs_known && i < n->facts.addrs.len; i++)
		if (str_is(n->facts.addrs.v[i].ifname, "nodelocaldns"))
			return &n->facts.addrs.v[i];
	return NULL;
}

static bool listens(const struct snap_node *n, const struct ip_addr *a)
{
	for (size_t i = 0; i < n->facts.sockets.len; i++) {
		const struct node_socket *k = &n->facts.sockets.v[i];

		if (k->port == 53 && k->proto == IPPROTO_UDP &&
		    (!k->addr.family || ip_addr_equal(&k->addr, a) || (k->addr.family == a->family && ip_addr_is_zero(&k->addr))))
			return true;
	}
	return false;
}

static bool has_address(const struct snap_node *n, const struct ip_addr *a)
{
	for (size_t i = 0; i < n->facts.addrs.len; i++)
		if (ip_addr_equal(&n->facts.addrs.v[i].addr, a))
			return true;
	return false;
}

/* The address that pods of the node are given and that the cache must answer; family 0: they ask somebody else. */
static struct ip_addr given_address(const struct snap_node *n)
{
	struct ip_addr a = { 0 };

	for (size_t i = 0; i < n->kubelet.ncluster_dns; i++)
		if (ip_addr_parse(n->kubelet.cluster_dns[i], &a) == 0 && ip_addr_is_linklocal(&a))
			return a;
	return (struct ip_addr){ 0 };
}

/* Where `bind` of the cache's Corefile names addresses and this is none of them; placeholders are filled in by the pod. */
static const char *binds_elsewhere(struct run *r, const struct ip_addr *a)
{
	CLEANUP(corefile_release) struct corefile c = { 0 };
	const struct k8s_configmap *m = dns_corefile(r, true, &c);
	const char *other = NULL;

	for (size_t i = 0; m && i < c.blocks.len; i++) {
		const struct corefile_directive *d = corefile_find(&c.blocks.v[i], "bind");

		for (size_t j = 0; d && j < d->nargs; j++) {
			struct ip_addr b;

			if (ip_addr_parse(d->args[j], &b) < 0 || ip_addr_equal(&b, a))
				return NULL;
			if (b.family == a->family)
				other = run_printf(r, "%s line %u binds it to %s", dns_map_words(r, m), d->line, d->args[j]);
		}
		if (!d)
			return NULL;
	}
	return other;
}

static void cache_finding(struct run *r, const struct snap_node *n, const struct k8s_pod *p, const struct ip_addr *a, const char *fault, bool certain)
{
	CLEANUP(dns_told_release) struct dns_told_list t = { 0 };
	struct finding *f = finding_new(r, "nodelocaldns-broken", n->name, NULL, run_printf(r, "Node %s", n->name));
	char buf[IP_ADDR_STRLEN];

	f->rank = 3;
	finding_cluster(f);
	if (!certain)
		finding_severity(f, SEVERITY_WARNING);
	finding_text(r, f, "pods of node %s ask %s, which is for NodeLocal DNSCache to answer there: %s", n->name, ip_addr_format(a, buf), fault);
	if (p) {
		struct pod_view w;

		pod_view(r, p, &w);
		finding_evidence(r, f, "Pod %s/%s: %s", p->meta.ns, p->meta.name, pod_line(r, &w));
		f->since = w.since;
		pod_commands(r, f, p, &w);
	}
	dns_told(r, DNS_LOGS_CACHE, cache_kinds, &t);
	for (size_t i = 0; i < t.v.len; i++)
		if (p && str_is(t.v.v[i].log->pod, p->meta.name))
			finding_evidence(r, f, "Pod %s/%s logs: %.300s", t.v.v[i].log->ns, t.v.v[i].log->pod, t.v.v[i].hit->text);
	finding_next(r, f, "kubectl -n kube-system get pods -l k8s-app=node-local-dns -o wide");
	if (p)
		finding_fix(r, f, "kubectl -n %s delete pod %s", p->meta.ns, p->meta.name);
}

/* Pods of the node ask the Service, which other pods answer: without the cache it is slower, and works. */
static void spare_cache(struct run *r, const struct snap_node *n, const struct k8s_pod *p)
{
	const struct k8s_service *s = dns_service_object(r);
	const char *mode = run_proxy_mode(r, n->name);
	struct ip_addr a = { 0 };

	for (size_t i = 0; s && !a.family && i < n->kubelet.ncluster_dns; i++)
		for (size_t j = 0; j < s->ncluster_ips; j++)
			if (ip_addr_parse(n->kubelet.cluster_dns[i], &a) < 0 || !ip_addr_equal(&a, &s->cluster_ips[j]))
				a.family = 0;
			else
				break;
	if (a.family && str_is(mode, "ipvs"))
		cache_finding(r, n, p, &a,
			      "its pod is not ready; in IPVS mode the address is on kube-ipvs0, where the cache cannot listen, and pods ask the Service in its place", false);
}

static void check_cache_of(struct run *r, const struct snap_node *n)
{
	const struct node_address *own = cache_address(n);
	const struct k8s_pod *p = cache_pod(r, n->name);
	struct ip_addr given = given_address(n);
	const bool known = n->facts.sockets_known && n->facts.addrs_known;
	const char *elsewhere;

	/* with the cluster IP on its interface, in iptables mode, pods that ask the Service ask the cache */
	for (size_t i = 0; !given.family && own && i < n->facts.addrs.len; i++)
		for (size_t j = 0; str_is(n->facts.addrs.v[i].ifname, "nodelocaldns") && j < n->kubelet.ncluster_dns; j++) {
			struct ip_addr a;

			if (ip_addr_parse(n->kubelet.cluster_dns[j], &a) == 0 && ip_addr_equal(&a, &n->facts.addrs.v[i].addr))
				given = a;
		}
	if (!given.family) {
		if (p && !pod_counts_ready(p))
			spare_cache(r, n, p);
		return;
	}
	if (known && (own || has_address(n, &given)) && !listens(n, &given))
		cache_finding(r, n, p, &given, "the address is there, and nobody listens on it", true);
	else if (p && !pod_counts_ready(p) && !(known && listens(n, &given)))
		cache_finding(r, n, p, &given, "its pod is not ready", true);
	else if (p && own && known && !has_address(n, &given))
		cache_finding(r, n, p, &given, "its interface does not have the address", true);
	else if (p && (elsewhere = binds_elsewhere(r, &given)))
		cache_finding(r, n, p, &given, elsewhere, true);
}

void check_node_local_dns(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len && !r->err; i++)
		if (!r->o->node || str_is(r->s->nodes.v[i]->name, r->o->node))
			check_cache_of(r, r->s->nodes.v[i]);
}
