/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a libc of a place takes from its resolv.conf; on a node, from the one that the kubelet would write for a pod there. */
#include <errno.h>

#include "dns-plan-private.h"

enum { SEARCHES_MAX = 32 };

bool dns_place_is_host(const struct snap_dns *from)
{
	if (from->where != DNS_FROM_NODE)
		return false;
	for (size_t i = 0; from->has_conf && i < from->conf.searches.len; i++)
		if (strncasecmp(from->conf.searches.v[i].domain, "svc.", 4) == 0)
			return false; /* somebody has made a pod's of it */
	return true;
}

static void add_server(struct resolv_view *v, const struct ip_addr *a)
{
	for (size_t i = 0; i < v->nservers; i++)
		if (ip_addr_equal(&v->servers[i], a))
			return;
	if (a->family && v->nservers < ARRAY_LEN(v->servers))
		v->servers[v->nservers++] = *a;
}

/* clusterDNS of the node's kubelet, else of any, else the ClusterIPs of the cluster's DNS. */
static void pod_servers(const struct snapshot *s, const struct snap_dns *from, struct resolv_view *v)
{
	const struct k8s_service *dns = dns_service_of(s);
	struct ip_addr a;

	for (int own = 1; own >= 0 && v->nservers == 0; own--) {
		for (size_t i = 0; i < s->nodes.len; i++) {
			const struct snap_node *n = s->nodes.v[i];

			for (size_t j = 0; (!own || str_is(n->name, from->node)) && j < n->kubelet.ncluster_dns; j++)
				if (ip_addr_parse(n->kubelet.cluster_dns[j], &a) == 0)
					add_server(v, &a);
		}
	}
	for (size_t i = 0; dns && v->nservers == 0 && i < dns->ncluster_ips; i++)
		add_server(v, &dns->cluster_ips[i]);
}

bool dns_place_has_view(const struct snapshot *s, const struct snap_dns *from)
{
	struct resolv_view v = { 0 };

	if (!dns_place_is_host(from))
		return from->has_conf;
	pod_servers(s, from, &v);
	return v.nservers > 0;
}

/* As the kubelet writes it for ClusterFirst: pkg/kubelet/network/dns/dns.go. */
static int pod_view(struct arena *a, const struct snapshot *s, const struct snap_dns *from, const char *ns, enum libc libc, struct resolv_view *v)
{
	const char *domains[DNS_DOMAINS_MAX];
	bool assumed;
	int n = dns_domains(a, s, from, domains, &assumed);

	*v = (struct resolv_view){ .libc = libc, .ndots = 5, .timeout_s = 5, .attempts = 2 };
	v->searches = arena_array(a, const char *, SEARCHES_MAX);
	if (n < 0 || !v->searches)
		return -ENOMEM;
	pod_servers(s, from, v);
	v->searches[v->nsearches++] = arena_printf(a, "%s.svc.%s", ns ? ns : "default", domains[0]);
	v->searches[v->nsearches++] = arena_printf(a, "svc.%s", domains[0]);
	v->searches[v->nsearches++] = domains[0];
	if (!v->searches[0] || !v->searches[1])
		return -ENOMEM;
	for (size_t i = 0; from->has_conf && i < from->conf.searches.len && v->nsearches < SEARCHES_MAX; i++)
		if (*from->conf.searches.v[i].domain)
			v->searches[v->nsearches++] = from->conf.searches.v[i].domain;
	return 0;
}

int dns_place_view(struct arena *a, const struct snapshot *s, const struct snap_dns *from, const char *ns, enum libc libc, struct resolv_view *ret)
{
	const struct resolv_conf none = { .text = "" };
	bool host = dns_place_is_host(from);

	if (host && dns_place_has_view(s, from))
		return pod_view(a, s, from, ns, libc, ret);
	return resolv_view_make(a, from->has_conf && !host ? &from->conf : &none, libc, ret);
}
