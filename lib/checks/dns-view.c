/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a libc of a place takes from its resolv.conf; on a node, from the one that the kubelet would write for a pod there. */
#include <errno.h>

#include "dns-plan-private.h"

bool dns_place_is_host(const struct snap_dns *from)
{
	if (from->where != DNS_FROM_NODE)
		return false;
	for (size_t i = 0; from->has_conf && i < from->conf.searches.len; i++)
		if (strncasecmp(from->conf.searches.v[i].domain, "svc.", 4) == 0)
			return false; /* somebody has made a pod's of it */
	return true;
}

/* clusterDNS of a kubelet, else the ClusterIPs of the cluster's DNS, as texts. */
struct pod_servers {
	const char *v[3]; /* as many as any libc takes */
	size_t n;
	char text[3][IP_ADDR_STRLEN];
};

static void add_server(struct pod_servers *p, const struct ip_addr *a)
{
	char text[IP_ADDR_STRLEN];

	ip_addr_format(a, text);
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i], text) == 0)
			return;
	if (!a->family || p->n >= ARRAY_LEN(p->v))
		return;
	memcpy(p->text[p->n], text, sizeof(text));
	p->v[p->n] = p->text[p->n];
	p->n++;
}

/* Of the node's own kubelet, else of any. */
static void find_servers(const struct snapshot *s, const struct snap_dns *from, struct pod_servers *ret)
{
	const struct k8s_service *dns = dns_service_of(s);
	struct ip_addr a;

	*ret = (struct pod_servers){ .n = 0 };
	for (int own = 1; own >= 0 && ret->n == 0; own--) {
		for (size_t i = 0; i < s->nodes.len; i++) {
			const struct snap_node *n = s->nodes.v[i];

			for (size_t j = 0; (!own || str_is(n->name, from->node)) && j < n->kubelet.ncluster_dns; j++)
				if (ip_addr_parse(n->kubelet.cluster_dns[j], &a) == 0)
					add_server(ret, &a);
		}
	}
	for (size_t i = 0; dns && ret->n == 0 && i < dns->ncluster_ips; i++)
		add_server(ret, &dns->cluster_ips[i]);
}

bool dns_place_has_view(const struct snapshot *s, const struct snap_dns *from)
{
	struct pod_servers p;

	if (!dns_place_is_host(from))
		return from->has_conf;
	find_servers(s, from, &p);
	return p.n > 0;
}

bool dns_kubelet_is_old(const struct k8s_cluster *c, const char *node)
{
	const struct k8s_node *n = node ? map_gets(&c->node_by_name, node) : NULL;
	int minor = n ? k8s_minor_version(n->kubelet_version) : -1;

	return minor >= 0 && minor < 26;
}

static int write_conf(struct arena *a, const struct kubelet_resolv *k, struct resolv_conf *ret)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < k->nameservers.len; i++)
		strbuf_addf(&b, "nameserver %s\n", k->nameservers.v[i]);
	for (size_t i = 0; i < k->searches.len; i++)
		strbuf_addf(&b, "%s %s", i ? "" : "search", k->searches.v[i]);
	for (size_t i = 0; i < k->options.len; i++)
		strbuf_addf(&b, "%s %s", i ? "" : "\noptions", k->options.v[i]);
	strbuf_addc(&b, '\n');
	ret->text = b.failed ? NULL : arena_strdup(a, strbuf_str(&b));
	return ret->text ? 0 : -ENOMEM;
}

/* As a pod of ClusterFirst has it there. */
static int pod_view(struct arena *a, const struct snapshot *s, const struct snap_dns *from, const char *ns, enum libc libc, struct resolv_view *ret)
{
	const struct pod_dns pod = { .ns = ns ? ns : "default" };
	CLEANUP(kubelet_resolv_release) struct kubelet_resolv k = { 0 };
	struct kubelet_dns kubelet = { .node = from->has_conf ? &from->conf : NULL, .old_limits = dns_kubelet_is_old(&s->cluster, from->node) };
	struct resolv_conf conf = { 0 };
	const char *domains[DNS_DOMAINS_MAX];
	struct pod_servers servers;
	bool assumed;
	int r = dns_domains(a, s, from, domains, &assumed);

	find_servers(s, from, &servers);
	kubelet.cluster_dns = servers.v;
	kubelet.ncluster_dns = servers.n;
	kubelet.cluster_domain = r < 0 ? NULL : domains[0];
	r = r < 0 ? r : kubelet_resolv_make(a, &kubelet, &pod, &k);
	r = r < 0 ? r : write_conf(a, &k, &conf);
	return r < 0 ? r : resolv_view_make(a, &conf, libc, ret);
}

int dns_place_view(struct arena *a, const struct snapshot *s, const struct snap_dns *from, const char *ns, enum libc libc, struct resolv_view *ret)
{
	const struct resolv_conf none = { .text = "" };
	bool host = dns_place_is_host(from);

	if (host && dns_place_has_view(s, from))
		return pod_view(a, s, from, ns, libc, ret);
	return resolv_view_make(a, from->has_conf && !host ? &from->conf : &none, libc, ret);
}
