/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolv.conf of each place that is asked from, against what the kubelet should have written for the pod whose file it is: its policy, its
 * nameservers, its search list, its options, and what was cut off. Of a node's own file nothing is expected: it is not the cluster's.
 */
#include <netinet/in.h>

#include "dns-client-private.h"

enum { NDOTS_MIN = 2, EXAMPLES_MAX = 3 };

/* ---- words ---- */

static const char *joined(struct run *r, const char *const *v, size_t len)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < len; i++) {
		strbuf_adds(&b, i ? " " : "");
		strbuf_add_clean(&b, v[i]);
	}
	return run_printf(r, "%.400s", strbuf_str(&b));
}

static const char *searches_of(struct dns_client *c)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < c->d->conf.searches.len; i++) {
		strbuf_adds(&b, i ? " " : "");
		strbuf_add_clean(&b, *c->d->conf.searches.v[i].domain ? c->d->conf.searches.v[i].domain : ".");
	}
	return run_printf(c->r, "%.400s", strbuf_str(&b));
}

static const char *policy_of(const struct dns_client *c)
{
	return c->pod && c->pod->dns_policy ? c->pod->dns_policy : "ClusterFirst";
}

void dns_client_evidence(struct dns_client *c, struct finding *f)
{
	const struct resolv_conf *conf = &c->d->conf;
	const char *file = conf->file ? path_base(conf->file) : "resolv.conf";

	if (!c->d->has_conf)
		return;
	for (size_t i = 0; i < conf->servers.len && i < EXAMPLES_MAX; i++)
		finding_evidence(c->r, f, "line %u of its %s: nameserver %.60s", conf->servers.v[i].line, file, conf->servers.v[i].text);
	if (conf->search_line)
		finding_evidence(c->r, f, "line %u of its %s: %s %s", conf->search_line, file, conf->search_is_domain ? "domain" : "search",
				 searches_of(c));
	else
		finding_evidence(c->r, f, "its %s has no search list", file);
}

static void wanted_evidence(struct dns_client *c, struct finding *f)
{
	if (c->wanted && c->want.searches.len)
		finding_evidence(c->r, f, "what the kubelet writes for a pod of namespace %s with dnsPolicy %s: search %s%s", c->ns, policy_of(c),
				 joined(c->r, c->want.searches.v, c->want.searches.len), c->want.node_unknown ? ", and what the node has" : "");
}

static void look_at_pod(struct dns_client *c, struct finding *f)
{
	if (!c->pod)
		return;
	finding_next(c->r, f, "kubectl -n %s exec %s -- cat /etc/resolv.conf", c->pod->meta.ns, c->pod->meta.name);
	finding_next(c->r, f, "kubectl -n %s get pod %s -o jsonpath={.spec.dnsPolicy}{.spec.dnsConfig}", c->pod->meta.ns, c->pod->meta.name);
}

struct finding *dns_client_finding(struct dns_client *c, const char *id, const char *detail)
{
	struct finding *f = finding_new(c->r, id, c->node_name, detail, c->subject);

	finding_cluster(f);
	f->rank = 2;
	return f;
}

/* ---- what the file has ---- */

bool dns_is_cluster_search(const char *domain)
{
	const char *dot = strchr(domain, '.');

	return strncasecmp(domain, "svc.", 4) == 0 || (dot && strncasecmp(dot, ".svc.", 5) == 0);
}

/* "svc.DOMAIN" or "NS.svc.DOMAIN", of whatever cluster. */
static bool searches_cluster(const struct snap_dns *d)
{
	for (size_t i = 0; i < d->conf.searches.len; i++)
		if (dns_is_cluster_search(d->conf.searches.v[i].domain))
			return true;
	return false;
}

static bool has_cluster_search(const struct dns_client *c)
{
	return searches_cluster(c->d);
}

bool dns_looks_foreign(const struct snap_dns *d)
{
	return d->live && d->where == DNS_FROM_HERE && !d->node && !d->ns && d->has_conf && !searches_cluster(d);
}

static bool has_search(const struct dns_client *c, const char *domain)
{
	for (size_t i = 0; i < c->d->conf.searches.len; i++)
		if (dns_name_equal(c->d->conf.searches.v[i].domain, domain))
			return true;
	return false;
}

const char *dns_why_outside(const struct snapshot *s)
{
	return s->kinds[K8S_NODES] == KNOWN && !s->extents[K8S_NODES].limited ?
		       "this machine is neither a node nor a pod of the cluster, and its own DNS knows nothing of it" :
		       "the nodes are not known, and nothing on this machine tells that it is in the cluster; --here asks nevertheless";
}

/* Of a Service that answers DNS, or one that the kubelet of the node gives its pods. */
static bool is_cluster_server(const struct dns_client *c, const struct ip_addr *a)
{
	struct ip_addr own;

	for (size_t i = 0; c->node && i < c->node->kubelet.ncluster_dns; i++)
		if (ip_addr_parse(c->node->kubelet.cluster_dns[i], &own) == 0 && ip_addr_equal(a, &own))
			return true;
	return dns_is_service_address(c->r, a) || ip_addr_is_linklocal(a);
}

static bool has_cluster_server(const struct dns_client *c)
{
	for (size_t i = 0; i < c->d->conf.servers.len; i++)
		if (is_cluster_server(c, &c->d->conf.servers.v[i].addr))
			return true;
	return false;
}

/* Does the pod get the cluster's DNS by its policy? */
static bool is_cluster_first(const struct dns_client *c)
{
	const char *policy = policy_of(c);

	return c->pod && (str_is(policy, "ClusterFirstWithHostNet") || (str_is(policy, "ClusterFirst") && !c->pod->host_network));
}

/* ---- policy ---- */

/* The node's resolver instead of the cluster's, because the kubelet knows no other. */
static void missing_cluster_dns(struct dns_client *c)
{
	const struct k8s_event *e = c->pod ? run_event(c->r, "Pod", c->pod->meta.ns, c->pod->meta.name, "MissingClusterDNS") : NULL;
	bool without = c->node && c->node->kubelet.known && c->node->kubelet.ncluster_dns == 0 && !has_cluster_server(c);
	struct finding *f;

	if (!is_cluster_first(c) || (!e && !without))
		return;
	c->told = true;
	f = dns_client_finding(c, "missing-cluster-dns", NULL);
	finding_text(c->r, f, "the kubelet%s%s has no clusterDNS: pod %s/%s asks the node's nameservers, which know no names of the cluster",
		     c->node_name ? " of node " : "", c->node_name ? c->node_name : "", c->pod->meta.ns, c->pod->meta.name);
	finding_event(c->r, f, e);
	dns_client_evidence(c, f);
	if (c->node_name)
		finding_next(c->r, f, "kubectl get --raw /api/v1/nodes/%s/proxy/configz", c->node_name);
	look_at_pod(c, f);
}

static void host_network(struct dns_client *c)
{
	struct finding *f;

	if (!c->pod || !c->pod->host_network || !str_is(policy_of(c), "ClusterFirst") || has_cluster_search(c) || has_cluster_server(c))
		return;
	c->told = true;
	f = dns_client_finding(c, "hostnetwork-dnspolicy", NULL);
	finding_text(c->r, f, "pod %s/%s is on the host's network with dnsPolicy ClusterFirst, which means the node's resolver there: it knows no names of the cluster",
		     c->pod->meta.ns, c->pod->meta.name);
	dns_client_evidence(c, f);
	finding_evidence(c->r, f, "dnsPolicy ClusterFirstWithHostNet gives a pod on the host's network the cluster's DNS");
	look_at_pod(c, f);
}

/* The pods of a node's own file: one finding for each namespace, but for the cluster's own. */
static void host_network_of(struct dns_client *c, const struct k8s_pod_group *g)
{
	const struct k8s_pod *first = NULL;
	struct finding *f;
	size_t n = 0;

	for (size_t i = 0; i < g->v.len; i++) {
		const struct k8s_pod *p = g->v.v[i];

		if (!p->host_network || k8s_pod_terminal(p) || !str_is(p->node, c->node_name) || (p->dns_policy && !str_is(p->dns_policy, "ClusterFirst")))
			continue;
		first = first ? first : p;
		n++;
	}
	if (!first)
		return;
	f = finding_new(c->r, "hostnetwork-dnspolicy", c->node_name, NULL, run_printf(c->r, "Namespace %s", first->meta.ns));
	finding_cluster(f);
	finding_text(c->r, f, "%zu pod%s of namespace %s (%s) on node %s %s on the host's network with dnsPolicy ClusterFirst, which means the node's resolver there", n,
		     PLURAL(n), first->meta.ns, first->meta.name, c->node_name, n == 1 ? "is" : "are");
	dns_client_evidence(c, f);
	finding_evidence(c->r, f, "dnsPolicy ClusterFirstWithHostNet gives a pod on the host's network the cluster's DNS");
	finding_next(c->r, f, "kubectl -n %s exec %s -- cat /etc/resolv.conf", first->meta.ns, first->meta.name);
}

static bool is_asked_namespace(const struct run *r, const char *ns)
{
	if (str_is(r->o->dns_ns, ns) || str_is(r->o->namespace_, ns))
		return true;
	for (size_t i = 0; r->o->services && i < r->o->nservices; i++)
		if (str_is(r->o->services[i]->meta.ns, ns))
			return true;
	return false;
}

/* Of the namespaces that are asked about: what runs there knows no names of the cluster, if that is what it needs. */
static void host_network_pods(struct dns_client *c)
{
	for (size_t i = 0; c->node_name && !has_cluster_search(c) && i < c->r->c->namespaces.len; i++) {
		const char *ns = c->r->c->namespaces.v[i]->meta.name;
		const struct k8s_pod_group *g = is_asked_namespace(c->r, ns) && !str_is(ns, "kube-system") ? map_gets(&c->r->c->pods_by_ns, ns) : NULL;

		if (g)
			host_network_of(c, g);
	}
}

/* None or Default: has the spec itself the cluster's DNS and its search list? */
static bool spec_has_cluster(const struct dns_client *c)
{
	bool server = false, search = false;
	struct ip_addr a;

	for (size_t i = 0; i < c->pod->ndns_nameservers; i++)
		server |= ip_addr_parse(c->pod->dns_nameservers[i], &a) == 0 && is_cluster_server(c, &a);
	for (size_t i = 0; i < c->pod->ndns_searches; i++)
		search |= dns_is_cluster_search(c->pod->dns_searches[i]);
	return server && search;
}

/* Whatever was asked about here resolves: then the policy may well be meant so. */
static bool all_resolve(const struct dns_client *c)
{
	size_t good = 0;

	for (size_t i = 0; c->r->dns && i < c->r->dns->names.len; i++) {
		const struct dns_name_row *n = &c->r->dns->names.v[i];

		if (n->from != c->d || n->control)
			continue;
		if (n->walk.result != LIBC_RESOLVED)
			return false;
		good++;
	}
	return good > 0;
}

static void other_policy(struct dns_client *c)
{
	const char *policy = policy_of(c);
	struct finding *f;

	if (c->told || !c->pod || (!str_is(policy, "None") && !str_is(policy, "Default")) || spec_has_cluster(c) ||
	    (has_cluster_search(c) && has_cluster_server(c)))
		return;
	c->told = true;
	f = dns_client_finding(c, "dnspolicy-none-or-default", NULL);
	if (all_resolve(c))
		finding_severity(f, SEVERITY_INFO);
	finding_text(c->r, f, "pod %s/%s has dnsPolicy %s%s, and so %s", c->pod->meta.ns, c->pod->meta.name, policy,
		     c->pod->has_dns_config ? " with a dnsConfig" : "",
		     has_cluster_server(c) ? "no search list for names of the cluster" : "not the cluster's DNS: names of Services are unknown to it");
	dns_client_evidence(c, f);
	look_at_pod(c, f);
}

/* ---- nameservers ---- */

static bool server_answers(const struct dns_client *c, const struct ip_addr *a)
{
	for (size_t i = 0; i < c->d->answers.len; i++)
		if (c->d->answers.v[i].end == DNS_ANSWERED && ip_addr_equal(&c->d->answers.v[i].q.server, a))
			return true;
	return false;
}

/* A stub of the node's, which listens on no loopback address but the node's own. */
static void stub(struct dns_client *c)
{
	const struct resolv_conf *conf = &c->d->conf;

	if (!c->pod || c->pod->host_network)
		return;
	for (size_t i = 0; i < conf->servers.len; i++) {
		const struct resolv_server *s = &conf->servers.v[i];
		struct finding *f;

		if (!s->addr.family || !ip_addr_is_loopback(&s->addr) || server_answers(c, &s->addr))
			continue;
		c->told = true;
		f = dns_client_finding(c, "systemd-resolved-stub", NULL);
		f->rank = 1;
		if (conf->servers.len > 1 || !str_starts(s->text, "127.0.0.53"))
			finding_severity(f, SEVERITY_WARNING); /* a container of the pod may listen there */
		finding_text(c->r, f, "pod %s/%s has the nameserver %.60s, an address of its own loopback, where nobody answers it", c->pod->meta.ns,
			     c->pod->meta.name, s->text);
		dns_client_evidence(c, f);
		finding_evidence(c->r, f, "systemd-resolved listens there on the node: pods with dnsPolicy %s got the node's file", policy_of(c));
		look_at_pod(c, f);
		return;
	}
}

static bool kubelet_gives(const struct dns_client *c, const char *text)
{
	for (size_t i = 0; c->node && i < c->node->kubelet.ncluster_dns; i++)
		if (str_is(c->node->kubelet.cluster_dns[i], text))
			return true;
	return false;
}

static bool spec_gives(const struct dns_client *c, const char *text)
{
	for (size_t i = 0; c->pod && i < c->pod->ndns_nameservers; i++)
		if (str_is(c->pod->dns_nameservers[i], text))
			return true;
	return false;
}

/* Another check says it of this address: it was asked in vain, or a kubelet gives it. */
static bool address_is_told(const struct dns_client *c, const char *text)
{
	for (size_t i = 0; i < c->r->d->findings.len; i++) {
		const struct finding *f = c->r->d->findings.v[i];

		if (strcmp(f->check->id, "wrong-cluster-dns-address") == 0 && strstr(f->text, text))
			return true;
	}
	return false;
}

/* What kubelets are told is looked at in dns.c; here the file shows what this one wrote. */
static void servers(struct dns_client *c)
{
	const struct resolv_conf *conf = &c->d->conf;

	if (c->told || !is_cluster_first(c) || !run_complete(c->r, K8S_SERVICES) || dns_client_control(c, LIBC_GLIBC) == 1)
		return;
	for (size_t i = 0; i < conf->servers.len; i++) {
		const struct resolv_server *s = &conf->servers.v[i];
		const char *fault;
		struct finding *f;
		bool certain;

		if (!s->addr.family || kubelet_gives(c, s->text) || spec_gives(c, s->text) || address_is_told(c, s->text))
			continue;
		fault = dns_address_fault(c->r, c->node_name ? c->node_name : "", &s->addr, &certain);
		if (!fault)
			continue;
		f = dns_client_finding(c, "wrong-cluster-dns-address", s->text);
		if (!certain || conf->servers.len > 1)
			finding_severity(f, SEVERITY_WARNING);
		finding_text(c->r, f, "pod %s/%s has the nameserver %.60s, which is %s", c->pod->meta.ns, c->pod->meta.name, s->text, fault);
		dns_client_evidence(c, f);
		look_at_pod(c, f);
	}
}

/* ---- search list ---- */

static bool is_search_event(const struct k8s_event *e)
{
	return e && e->message && strstr(e->message, "earch Line limits");
}

static void limits(struct dns_client *c)
{
	const struct k8s_event *e = c->pod ? run_event(c->r, "Pod", c->pod->meta.ns, c->pod->meta.name, "DNSConfigForming") : NULL;
	bool cut = c->wanted && c->want.searches_cut && c->d->conf.searches.len <= c->want.searches.len, many = c->d->conf.servers.len > 3;
	struct finding *f;

	if (!is_search_event(e) && !cut && !many)
		return;
	f = dns_client_finding(c, "resolvconf-search-limit", NULL);
	f->rank = 1;
	c->told |= !has_cluster_search(c);
	if (is_search_event(e) || cut)
		finding_text(c->r, f, "the search list of pod %s/%s was cut off%s", c->pod->meta.ns, c->pod->meta.name,
			     has_cluster_search(c) ? "" : " before the cluster's domains: names of Services are not found");
	else
		finding_text(c->r, f, "%s has %zu nameservers, of which libcs ask the first 3", c->subject, c->d->conf.servers.len);
	if (!is_search_event(e) && !cut)
		finding_severity(f, SEVERITY_INFO);
	finding_event(c->r, f, e);
	if (cut)
		finding_evidence(c->r, f, "its kubelet writes %zu domains, and leaves out the last %zu that its dnsConfig or the node's file names",
				 c->want.searches.len, c->want.searches_cut);
	dns_client_evidence(c, f);
	look_at_pod(c, f);
}

/* Does somebody whose short names fail have full names that work? */
static bool only_full_works(const struct dns_client *c)
{
	bool is_short = false, full = false;

	for (size_t i = 0; c->r->dns && i < c->r->dns->names.len; i++) {
		const struct dns_name_row *n = &c->r->dns->names.v[i];

		if (n->from != c->d || !n->full || n->libc != (c->d->libc == LIBC_MUSL ? LIBC_MUSL : LIBC_GLIBC))
			continue;
		if (dns_name_equal(n->typed, n->full))
			full |= n->walk.result == LIBC_RESOLVED;
		else
			is_short |= n->walk.result == LIBC_NO_NAME || n->walk.result == LIBC_NO_DATA || n->walk.result == LIBC_TRY_AGAIN;
	}
	return is_short && full;
}

static void search_list(struct dns_client *c)
{
	const char *own = c->ns ? run_printf(c->r, "%s.svc.%s", c->ns, c->domain) : NULL, *svc = run_printf(c->r, "svc.%s", c->domain);
	bool no_own = own && !has_search(c, own), no_svc = !has_search(c, svc);
	struct finding *f;

	/* of another domain: that is wrong-cluster-domain */
	if (c->told || !(is_cluster_first(c) || (!c->pod && has_cluster_server(c))) || (!no_own && !no_svc) || (no_own && no_svc && has_cluster_search(c)))
		return;
	c->told = true;
	f = dns_client_finding(c, "resolv-conf-search", NULL);
	if (!only_full_works(c))
		finding_severity(f, SEVERITY_WARNING);
	finding_text(c->r, f, "the search list of %s lacks %s%s%s: %s", c->d->label, no_own ? own : "", no_own && no_svc ? " and " : "", no_svc ? svc : "",
		     no_svc && no_own ? "only full names of Services are found" : no_own ? "bare names of its own namespace are not found"
											   : "names with a namespace are not found");
	dns_client_evidence(c, f);
	wanted_evidence(c, f);
	look_at_pod(c, f);
}

static const struct resolv_option *ndots_option(const struct dns_client *c)
{
	const struct resolv_option *o = NULL;

	for (size_t i = 0; i < c->d->conf.options.len; i++)
		if (str_starts(c->d->conf.options.v[i].text, "ndots:"))
			o = &c->d->conf.options.v[i];
	return o;
}

static void ndots(struct dns_client *c)
{
	const struct resolv_option *o = ndots_option(c);
	const unsigned n = c->v[LIBC_GLIBC].ndots;
	struct finding *f;

	if (c->told || !c->viewed || !has_cluster_search(c) || n >= NDOTS_MIN)
		return;
	f = dns_client_finding(c, "resolv-conf-ndots", NULL);
	if (c->d->libc == LIBC_GLIBC)
		finding_severity(f, SEVERITY_INFO);
	else if (c->d->libc < 0)
		finding_severity(f, SEVERITY_WARNING);
	finding_text(c->r, f, "ndots is %u for %s: names with a namespace, such as web.%s, are asked for as they are%s", n, c->d->label, c->ns ? c->ns : "default",
		     c->d->libc == LIBC_MUSL ? ", and never with the search list" : " first, and musl never asks for them with the search list");
	if (o)
		finding_evidence(c->r, f, "line %u of its %s: options %.60s", o->line, c->d->conf.file ? path_base(c->d->conf.file) : "resolv.conf", o->text);
	else
		finding_evidence(c->r, f, "no option ndots is in its %s: 1 is what libcs take then", c->d->conf.file ? path_base(c->d->conf.file) : "resolv.conf");
	for (size_t i = 0; c->pod && i < c->pod->ndns_options; i++)
		if (str_starts(c->pod->dns_options[i], "ndots:"))
			finding_evidence(c->r, f, "dnsConfig of the pod has the option %.60s", c->pod->dns_options[i]);
	finding_evidence(c->r, f, "kubelets write ndots:5");
	look_at_pod(c, f);
}

/* ---- places ---- */

static const struct snap_node *node_of(const struct run *r, const char *name)
{
	for (size_t i = 0; name && i < r->s->nodes.len; i++)
		if (str_is(r->s->nodes.v[i]->name, name))
			return r->s->nodes.v[i];
	return NULL;
}

static const struct resolv_conf *file_of_node(const struct run *r, const char *name)
{
	for (size_t i = 0; name && i < r->s->dns.len; i++)
		if (r->s->dns.v[i]->where == DNS_FROM_NODE && r->s->dns.v[i]->has_conf && str_is(r->s->dns.v[i]->node, name))
			return &r->s->dns.v[i]->conf;
	return NULL;
}

static void want(struct dns_client *c)
{
	const struct k8s_service *dns = dns_service_object(c->r);
	const char *own[4];
	char buf[IP_ADDR_STRLEN];
	struct kubelet_dns k = { .cluster_domain = c->domain, .node = file_of_node(c->r, c->node_name), .old_limits = dns_kubelet_is_old(c->r->c, c->node_name) };
	struct pod_dns p;

	if (!c->pod)
		return;
	p = (struct pod_dns){ .ns = c->ns, .policy = c->pod->dns_policy, .host_network = c->pod->host_network,
			      .nameservers = c->pod->dns_nameservers, .nnameservers = c->pod->ndns_nameservers,
			      .searches = c->pod->dns_searches, .nsearches = c->pod->ndns_searches,
			      .options = c->pod->dns_options, .noptions = c->pod->ndns_options };
	for (size_t i = 0; dns && i < dns->ncluster_ips && i < ARRAY_LEN(own); i++)
		own[k.ncluster_dns++] = run_printf(c->r, "%s", ip_addr_format(&dns->cluster_ips[i], buf));
	k.cluster_dns = own;
	if (c->node && c->node->kubelet.ncluster_dns) {
		k.cluster_dns = c->node->kubelet.cluster_dns;
		k.ncluster_dns = c->node->kubelet.ncluster_dns;
	}
	if (kubelet_resolv_make(c->r->a, &k, &p, &c->want) < 0)
		c->r->err = -ENOMEM;
	else
		c->wanted = true;
}

static void client_open(struct run *r, const struct snap_dns *d, struct dns_client *c)
{
	const char *domains[DNS_DOMAINS_MAX] = { 0 };
	bool assumed;

	*c = (struct dns_client){ .r = r, .d = d, .ns = d->ns, .node_name = d->node };
	c->pod = d->ns && d->pod ? k8s_find_pod(r->c, d->ns, d->pod) : NULL;
	c->subject = d->ns && d->pod ? run_printf(r, "Pod %s/%s", d->ns, d->pod) : d->node ? run_printf(r, "Node %s", d->node) : "this machine";
	if (c->pod && c->pod->node)
		c->node_name = c->pod->node;
	c->node = node_of(r, c->node_name);
	if (!c->ns)
		c->ns = dns_place_ns(r->a, d);
	if (dns_domains(r->a, r->s, d, domains, &assumed) < 0)
		r->err = -ENOMEM;
	c->domain = domains[0] ? domains[0] : "cluster.local";
	c->viewed = dns_place_has_view(r->s, d);
	for (int l = 0; c->viewed && l < LIBC_COUNT; l++)
		if (dns_place_view(r->a, r->s, d, r->o->dns_ns, (enum libc)l, &c->v[l]) < 0)
			r->err = -ENOMEM;
	want(c);
}

static void client_close(struct dns_client *c)
{
	for (int l = 0; l < LIBC_COUNT; l++)
		resolv_view_release(&c->v[l]);
	kubelet_resolv_release(&c->want);
}

int dns_client_control(const struct dns_client *c, int libc)
{
	for (size_t i = 0; c->r->dns && i < c->r->dns->names.len; i++) {
		const struct dns_name_row *n = &c->r->dns->names.v[i];

		if (n->from == c->d && n->control && (int)n->libc == libc)
			return n->walk.result == LIBC_RESOLVED ? 1 : n->walk.result == LIBC_UNKNOWN ? -1 : 0;
	}
	return -1;
}

static void file(struct dns_client *c)
{
	if (!c->d->has_conf || (c->d->where == DNS_FROM_HERE && !c->d->pod))
		return;
	if (dns_place_is_host(c->d)) {
		host_network_pods(c);
		return;
	}
	missing_cluster_dns(c);
	host_network(c);
	stub(c);
	other_policy(c);
	limits(c);
	servers(c);
	search_list(c);
	ndots(c);
}

/* ---- what kubelets say in events, of pods that nobody asked from ---- */

static const struct told {
	const char *reason, *words, *check; /* words: in the message; "" any */
	const char *text;
} tolds[] = {
	{ "MissingClusterDNS", "", "missing-cluster-dns", "have no clusterDNS for pods with dnsPolicy ClusterFirst, which ask the node's nameservers instead" },
	{ "DNSConfigForming", "earch Line limits", "resolvconf-search-limit", "left out search domains of pods" },
	{ "CheckLimitsForResolvConf", "search", "resolvconf-search-limit", "find the search list of a node's resolv.conf too long" },
};

static bool found_already(const struct run *r, const char *check)
{
	for (size_t i = 0; i < r->d->findings.len; i++)
		if (strcmp(r->d->findings.v[i]->check->id, check) == 0)
			return true;
	return false;
}

static void told_in_events(struct run *r, const struct told *t)
{
	const struct k8s_event *example[EXAMPLES_MAX];
	struct finding *f;
	size_t n = 0;

	for (size_t i = 0; i < r->c->events.len; i++) {
		const struct k8s_event *e = r->c->events.v[i];

		if (!str_is(e->reason, t->reason) || !strstr(e->message ? e->message : "", t->words))
			continue;
		if (n < EXAMPLES_MAX)
			example[n] = e;
		n++;
	}
	if (n == 0 || found_already(r, t->check))
		return;
	f = finding_new(r, t->check, NULL, NULL, "the kubelets");
	finding_cluster(f);
	f->rank = 3;
	finding_text(r, f, "kubelets %s: %zu event%s with reason %s", t->text, n, PLURAL(n), t->reason);
	for (size_t i = 0; i < MIN(n, (size_t)EXAMPLES_MAX); i++) {
		finding_evidence(r, f, "%s %s%s%s", example[i]->kind ? example[i]->kind : "", example[i]->ns ? example[i]->ns : "", example[i]->ns ? "/" : "",
				 example[i]->name ? example[i]->name : "");
		finding_event(r, f, example[i]);
	}
	finding_next(r, f, "kubectl get events -A --field-selector reason=%s", t->reason);
}

void dns_client_findings(struct run *r)
{
	for (size_t i = 0; i < r->s->dns.len && !r->err; i++) {
		const struct snap_dns *d = r->s->dns.v[i];
		struct dns_client c;

		if (r->o->node && d->node && !str_is(d->node, r->o->node))
			continue;
		client_open(r, d, &c);
		if (!r->err)
			file(&c);
		if (!r->err)
			dns_client_names(&c);
		client_close(&c);
	}
	for (size_t i = 0; i < ARRAY_LEN(tolds) && !r->err; i++)
		told_in_events(r, &tolds[i]);
}
