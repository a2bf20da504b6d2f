/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which servers are asked from a place: those of its resolv.conf, the cluster's DNS by its ClusterIPs and by each of its endpoints, the cache
 * of the node, and whatever a kubelet hands out. And in which domain the names of the cluster are.
 */
#include <errno.h>
#include <netinet/in.h>

#include "dns-plan-private.h"

enum { DNS_PORT = 53, ENDPOINTS_MAX = 16, NAMESERVERS_MAX = 3 };

const struct k8s_service *dns_service_find(const struct k8s_cluster *c, bool (*fits)(const struct k8s_service *))
{
	static const struct {
		const char *ns, *name;
	} names[] = { { "kube-system", "kube-dns" },
		      { "kube-system", "coredns" },
		      { "kube-system", "rke2-coredns-rke2-coredns" },
		      { "openshift-dns", "dns-default" } };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct k8s_service *s = k8s_find_service(c, names[i].ns, names[i].name);

		if (s && fits(s))
			return s;
	}
	return NULL;
}

static bool has_cluster_ip(const struct k8s_service *s)
{
	return s->ncluster_ips > 0;
}

const struct k8s_service *dns_service_of(const struct snapshot *s)
{
	return dns_service_find(&s->cluster, has_cluster_ip);
}

/* ---- servers ---- */

struct targets {
	struct arena *a;
	const struct snapshot *s;
	struct dns_targets *ret;
	int err;
};

static struct dns_target *same(struct dns_targets *t, const struct ip_addr *a, uint16_t port)
{
	for (size_t i = 0; i < t->v.len; i++)
		if (ip_addr_equal(&t->v.v[i].addr, a) && t->v.v[i].port == port)
			return &t->v.v[i];
	return NULL;
}

static void add(struct targets *t, enum dns_target_kind kind, const struct ip_addr *a, uint16_t port, const char *what, const char *node, bool ready)
{
	struct dns_target *old = a->family ? same(t->ret, a, port) : NULL;
	struct dns_target x = { kind, *a, port, port, what, node, ready };

	if (!a->family || !what) {
		t->err = what ? t->err : -ENOMEM;
		return;
	}
	if (old) {
		/* a nameserver is also the cluster's DNS, and that tells more */
		old->what = strcmp(old->what, what) == 0 ? what : arena_printf(t->a, "%s, %s", old->what, what);
		old->node = old->node ? old->node : node;
		t->err = old->what ? t->err : -ENOMEM;
	} else if (array_push(&t->ret->v, x) < 0) {
		t->err = -ENOMEM;
	}
}

static void nameservers(struct targets *t, const struct snap_dns *from)
{
	const struct ip_addr own = { .family = AF_INET, .b = { 127, 0, 0, 1 } };
	size_t n = 0;

	for (size_t i = 0; from->has_conf && i < from->conf.servers.len && n < NAMESERVERS_MAX; i++)
		if (from->conf.servers.v[i].addr.family)
			add(t, DNS_TARGET_NAMESERVER, &from->conf.servers.v[i].addr, DNS_PORT,
			    arena_printf(t->a, "nameserver %zu", ++n), NULL, false);
	/* resolv.conf(5): without any, the own machine */
	if (from->has_conf && n == 0)
		add(t, DNS_TARGET_NAMESERVER, &own, DNS_PORT, "no nameserver is written", NULL, false);
}

static uint16_t service_port(const struct k8s_service *s, uint8_t proto)
{
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i].port == DNS_PORT && s->ports[i].proto == proto)
			return DNS_PORT;
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i].proto == proto && str_starts(s->ports[i].name ? s->ports[i].name : "", "dns"))
			return s->ports[i].port;
	return DNS_PORT;
}

static const char *pod_words(struct targets *t, const struct k8s_endpoint *e)
{
	const char *ready = e->ready == 0 ? ", not ready" : "";

	if (str_is(e->target_kind, "Pod") && e->target_name)
		return arena_printf(t->a, "endpoint %s%s", e->target_name, ready);
	return arena_printf(t->a, "endpoint of the cluster DNS%s", ready);
}

static uint16_t slice_number(const struct k8s_slice *sl, uint8_t proto)
{
	for (size_t i = 0; i < sl->nports; i++)
		if (sl->ports[i].proto == proto && sl->ports[i].port && str_starts(sl->ports[i].name ? sl->ports[i].name : "", "dns"))
			return sl->ports[i].port;
	for (size_t i = 0; i < sl->nports; i++)
		if (sl->ports[i].proto == proto && sl->ports[i].port == DNS_PORT)
			return DNS_PORT;
	return 0;
}

static void slice_endpoints(struct targets *t, const struct k8s_slice *sl, size_t *n)
{
	uint16_t udp = slice_number(sl, IPPROTO_UDP), tcp = slice_number(sl, IPPROTO_TCP);

	for (size_t i = 0; i < sl->nendpoints && (udp || tcp); i++) {
		const struct k8s_endpoint *e = &sl->endpoints[i];
		struct dns_target *x;

		if (*n >= ENDPOINTS_MAX) {
			t->ret->left++;
			continue;
		}
		add(t, DNS_TARGET_ENDPOINT, &e->ip, udp ? udp : tcp, pod_words(t, e), e->node_name, e->ready != 0);
		x = same(t->ret, &e->ip, udp ? udp : tcp);
		if (x)
			x->tcp_port = tcp ? tcp : udp;
		(*n)++;
	}
}

static void cluster_dns(struct targets *t)
{
	const struct k8s_service *s = dns_service_of(t->s);
	const struct k8s_slice_group *g;
	const char *key;
	size_t n = 0;

	if (!s)
		return;
	key = arena_printf(t->a, "%s/%s", s->meta.ns, s->meta.name);
	for (size_t i = 0; key && i < s->ncluster_ips; i++) {
		struct dns_target *x;

		add(t, DNS_TARGET_CLUSTER, &s->cluster_ips[i], service_port(s, IPPROTO_UDP), arena_printf(t->a, "cluster DNS %s", key), NULL, false);
		x = same(t->ret, &s->cluster_ips[i], service_port(s, IPPROTO_UDP));
		if (x)
			x->tcp_port = service_port(s, IPPROTO_TCP);
	}
	g = k8s_slices_of(&t->s->cluster, s);
	for (size_t i = 0; g && i < g->v.len; i++)
		slice_endpoints(t, g->v.v[i], &n);
	t->err = key ? t->err : -ENOMEM;
}

/* What kubelets hand out: of this node, or where that is not known of all. */
static void kubelets(struct targets *t, const struct snap_dns *from)
{
	for (size_t i = 0; i < t->s->nodes.len; i++) {
		const struct snap_node *n = t->s->nodes.v[i];

		for (size_t j = 0; (!from->node || str_is(n->name, from->node)) && j < n->kubelet.ncluster_dns && t->ret->v.len < 32; j++) {
			struct ip_addr a;

			if (ip_addr_parse(n->kubelet.cluster_dns[j], &a) == 0 && !same(t->ret, &a, DNS_PORT))
				add(t, DNS_TARGET_KUBELET, &a, DNS_PORT, "clusterDNS of the kubelet", NULL, false);
		}
	}
}

/* The cache listens at a link-local address on every node that has its pod. */
static void node_local(struct targets *t, const struct snap_dns *from)
{
	struct ip_addr a;

	if (!from->node || ip_addr_parse("169.254.20.10", &a) < 0)
		return;
	for (size_t i = 0; i < t->s->cluster.pods.len; i++) {
		const struct k8s_pod *p = t->s->cluster.pods.v[i];

		if (str_is(p->node, from->node) && (str_starts(p->meta.name, "node-local-dns") || str_starts(p->meta.name, "nodelocaldns"))) {
			add(t, DNS_TARGET_NODE_LOCAL, &a, DNS_PORT, "NodeLocal DNSCache", from->node, false);
			return;
		}
	}
}

static void given(struct targets *t, const struct dns_plan_options *o)
{
	for (size_t i = 0; i < o->nservers; i++)
		add(t, DNS_TARGET_GIVEN, &o->servers[i], o->ports[i], "server of --server", NULL, false);
}

int dns_targets_make(struct arena *a, const struct snapshot *s, const struct snap_dns *from, const struct dns_plan_options *o, struct dns_targets *ret)
{
	struct targets t = { .a = a, .s = s, .ret = ret };

	if (o && o->nservers) {
		given(&t, o);
		return t.err;
	}
	if (o && o->outside)
		return 0;
	nameservers(&t, from);
	cluster_dns(&t);
	node_local(&t, from);
	kubelets(&t, from);
	return t.err;
}

/* ---- domains ---- */

struct domains {
	struct arena *a;
	const char **v;
	int n;
	bool failed;
};

static void domain(struct domains *d, const char *text, size_t len)
{
	char *copy;

	while (len > 0 && text[len - 1] == '.')
		len--;
	if (len == 0 || d->n >= DNS_DOMAINS_MAX)
		return;
	copy = arena_strndup(d->a, text, len);
	d->failed |= !copy;
	for (int i = 0; copy && i < d->n; i++)
		if (dns_name_equal(d->v[i], copy))
			return;
	if (copy)
		d->v[d->n++] = copy;
}

/* The zones of the kubernetes plugin but for the reverse ones; without any, those of its block (CoreDNS, plugin/kubernetes). */
static void corefile_domains(struct domains *d, const struct corefile *c)
{
	for (size_t i = 0; i < c->blocks.len; i++) {
		const struct corefile_block *b = &c->blocks.v[i];
		const struct corefile_directive *k = corefile_find(b, "kubernetes");
		const char *const *zones = k && k->nargs ? k->args : b->zones;
		size_t n = k ? (k->nargs ? k->nargs : b->nzones) : 0;

		for (size_t j = 0; j < n; j++)
			if (!str_ends(zones[j], ".arpa") && !str_ends(zones[j], ".arpa."))
				domain(d, zones[j], strlen(zones[j]));
	}
}

static bool is_corefile(const struct k8s_configmap *m)
{
	return str_is(m->meta.ns, "kube-system") && (str_is(m->meta.name, "coredns") || str_is(m->meta.name, "rke2-coredns-rke2-coredns"));
}

static int from_corefile(struct domains *d, const struct snapshot *s)
{
	for (size_t i = 0; i < s->cluster.configmaps.len; i++) {
		const struct k8s_configmap *m = s->cluster.configmaps.v[i];
		const char *text = is_corefile(m) ? k8s_configmap_get(m, "Corefile") : NULL;
		CLEANUP(corefile_release) struct corefile c = { 0 };

		if (!text)
			continue;
		if (corefile_read(d->a, text, strlen(text), &c) < 0)
			return -ENOMEM;
		corefile_domains(d, &c);
	}
	return 0;
}

/* "shop.svc.DOMAIN" and "svc.DOMAIN", as kubelets write them. */
static void from_search(struct domains *d, const struct snap_dns *from)
{
	for (size_t i = 0; from && from->has_conf && i < from->conf.searches.len; i++) {
		const char *x = from->conf.searches.v[i].domain;

		if (strncasecmp(x, "svc.", 4) == 0 && x[4])
			domain(d, x + 4, strlen(x + 4));
	}
}

int dns_domains(struct arena *a, const struct snapshot *s, const struct snap_dns *from, const char *ret[static DNS_DOMAINS_MAX], bool *ret_assumed)
{
	struct domains d = { .a = a, .v = ret };

	if (from_corefile(&d, s) < 0)
		return -ENOMEM;
	from_search(&d, from);
	for (size_t i = 0; i < s->nodes.len; i++) {
		const char *x = s->nodes.v[i]->kubelet.cluster_domain;

		if (x && (!from || !from->node || str_is(s->nodes.v[i]->name, from->node)))
			domain(&d, x, strlen(x));
	}
	/* another place of the same cluster tells it too */
	for (size_t i = 0; d.n == 0 && i < s->dns.len; i++)
		from_search(&d, s->dns.v[i]);
	*ret_assumed = d.n == 0;
	if (d.n == 0)
		domain(&d, "cluster.local", strlen("cluster.local"));
	return d.failed ? -ENOMEM : d.n;
}
