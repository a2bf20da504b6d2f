/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What CoreDNS forwards and comes back to it: the log says so, or the Corefile forwards to a file that names the pod itself. A pod with dnsPolicy
 * Default has the file that the kubelet's resolvConf names; one with ClusterFirst, which the DNS must not have, asks the cluster's DNS.
 */
#include <arpa/inet.h>

#include "dns-server-private.h"

static const char *const loop_kinds[] = { "loop-detected", "loop-seen-twice", NULL };

struct loop {
	const struct k8s_pod *pod;	/* NULL: every one of them */
	const struct corefile_directive *forward;
	const char *server;		/* that is the DNS itself */
	const char *why;
	bool by_policy;			/* of the pod, which cannot have changed since it started */
};

/* "dns://10.0.0.1:53", "[::1]:53", "10.0.0.1". */
static bool target_address(const char *text, struct ip_addr *ret, uint16_t *ret_port)
{
	const char *end;
	uint64_t port;

	*ret_port = 53;
	if (str_starts(text, "dns://"))
		text += strlen("dns://");
	if (ip_addr_parse(text, ret) == 0)
		return true;
	if (*text == '[') {
		end = strchr(text, ']');
		if (!end || ip_addr_parsen(text + 1, (size_t)(end - text) - 1, ret) < 0)
			return false;
		end++;
	} else {
		end = strrchr(text, ':');
		if (!end || ip_addr_parsen(text, (size_t)(end - text), ret) < 0)
			return false;
	}
	if (*end != ':' || parse_uint(end + 1, strlen(end + 1), UINT16_MAX, &port) < 0)
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

static bool own_address(const struct k8s_service *s, const struct ip_addr *a)
{
	for (size_t i = 0; s && i < s->ncluster_ips; i++)
		if (ip_addr_equal(&s->cluster_ips[i], a))
			return true;
	return false;
}

static bool listens_on(const struct corefile *c, uint16_t port)
{
	for (size_t i = 0; i < c->blocks.len; i++)
		for (size_t j = 0; j < c->blocks.v[i].nzones; j++)
			if (c->blocks.v[i].ports[j] == port)
				return true;
	return false;
}

/* Is the address, seen from a DNS pod with a network of its own, the DNS itself? */
static const char *itself(const struct run *r, const struct corefile *c, const struct k8s_service *s, const struct ip_addr *a, uint16_t port)
{
	const struct k8s_pod *p;

	if (own_address(s, a) && port == 53)
		return "which is its own cluster IP";
	if (!ip_addr_is_loopback(a) || !listens_on(c, port) || !s)
		return NULL;
	for (size_t at = 0; (p = dns_next_pod(r, s, &at));)
		if (p->host_network)
			return NULL;
	return "which is the pod itself";
}

/* ---- the nameservers of a DNS pod ---- */

static const struct snap_node *node_of(const struct run *r, const char *name)
{
	for (size_t i = 0; name && i < r->s->nodes.len; i++)
		if (strcmp(r->s->nodes.v[i]->name, name) == 0)
			return r->s->nodes.v[i];
	return NULL;
}

static const struct resolv_conf *conf_of_node(const struct run *r, const char *name)
{
	for (size_t i = 0; i < r->s->dns.len; i++)
		if (r->s->dns.v[i]->where == DNS_FROM_NODE && r->s->dns.v[i]->has_conf && str_is(r->s->dns.v[i]->node, name))
			return &r->s->dns.v[i]->conf;
	return NULL;
}

static void by_conf(struct run *r, const struct resolv_conf *conf, const char *words, const struct corefile *c, const struct k8s_service *s, struct loop *ret)
{
	for (size_t i = 0; i < conf->servers.len && !ret->why; i++) {
		const struct ip_addr *a = &conf->servers.v[i].addr;
		const char *why = a->family ? itself(r, c, s, a, 53) : NULL;
		char buf[IP_ADDR_STRLEN];

		if (!why)
			continue;
		ret->server = run_printf(r, "%s", ip_addr_format(a, buf));
		ret->why = run_printf(r, "%s names %s (line %u), %s", words, ret->server, conf->servers.v[i].line, why);
	}
}

/* Its own file, where it was read; else that of its node, when it is known that the kubelet gives it. */
static void by_file(struct run *r, const struct k8s_pod *p, const struct corefile *c, const struct k8s_service *s, struct loop *ret)
{
	const struct snap_node *n = node_of(r, p->node);
	const struct resolv_conf *conf = p->node ? conf_of_node(r, p->node) : NULL;

	for (size_t i = 0; i < r->s->dns.len; i++) {
		const struct snap_dns *d = r->s->dns.v[i];

		if (d->where == DNS_FROM_POD && d->has_conf && str_is(d->ns, p->meta.ns) && str_is(d->pod, p->meta.name)) {
			by_conf(r, &d->conf, run_printf(r, "/etc/resolv.conf of Pod %s/%s", d->ns, d->pod), c, s, ret);
			return;
		}
	}
	if (!n || !n->kubelet.known || p->host_network)
		return;
	if (str_is(p->dns_policy, "Default")) {
		if (conf && (!n->kubelet.resolv_conf || strcmp(n->kubelet.resolv_conf, "/etc/resolv.conf") == 0))
			by_conf(r, conf, run_printf(r, "/etc/resolv.conf of node %s, which its kubelet gives the pod,", n->name), c, s, ret);
	} else if (!p->dns_policy || str_starts(p->dns_policy, "ClusterFirst")) {
		for (size_t i = 0; i < n->kubelet.ncluster_dns && !ret->why; i++) {
			struct ip_addr a;

			if (ip_addr_parse(n->kubelet.cluster_dns[i], &a) < 0 || !own_address(s, &a))
				continue;
			ret->by_policy = true;
			ret->server = n->kubelet.cluster_dns[i];
			ret->why = run_printf(r, "Pod %s/%s has dnsPolicy %s, so that its file names %.60s, its own cluster IP", p->meta.ns, p->meta.name,
					      p->dns_policy ? p->dns_policy : "ClusterFirst", ret->server);
		}
	}
}

/* ---- the Corefile ---- */

static bool loop_of_target(struct run *r, const struct corefile *c, const struct k8s_service *s, const char *target, struct loop *ret)
{
	const struct k8s_pod *p;
	struct ip_addr a;
	uint16_t port;

	if (target_address(target, &a, &port)) {
		const char *why = itself(r, c, s, &a, port);

		ret->server = target;
		ret->why = why ? run_printf(r, "it forwards to %.60s, %s", arena_clean(r->a, target), why) : NULL;
		return ret->why != NULL;
	}
	if (strcmp(target, "/etc/resolv.conf") != 0)
		return false;
	for (size_t at = 0; (p = dns_next_pod(r, s, &at));) {
		ret->pod = p;
		by_file(r, p, c, s, ret);
		if (ret->why)
			return true;
	}
	return false;
}

static bool find_loop(struct run *r, const struct corefile *c, const struct k8s_service *s, struct loop *ret)
{
	for (size_t i = 0; i < c->blocks.len; i++) {
		const struct corefile_block *b = &c->blocks.v[i];

		for (size_t j = 0; j < b->ndirectives; j++) {
			const struct corefile_directive *d = &b->directives[j];

			if (strcmp(d->name, "forward") != 0 && strcmp(d->name, "proxy") != 0)
				continue;
			*ret = (struct loop){ .forward = d };
			for (size_t k = 1; k < d->nargs; k++)
				if (loop_of_target(r, c, s, d->args[k], ret))
					return true;
		}
	}
	return false;
}

/* ---- the finding ---- */

static bool has_loop_plugin(const struct corefile *c)
{
	for (size_t i = 0; i < c->blocks.len; i++)
		if (corefile_find(&c->blocks.v[i], "loop"))
			return true;
	return false;
}

static void loop_commands(struct run *r, struct finding *f, const struct k8s_configmap *m, const struct loop *l)
{
	if (l->pod && l->pod->node)
		finding_next(r, f, "kubectl get --raw /api/v1/nodes/%s/proxy/configz", l->pod->node);
	if (m) {
		finding_next(r, f, "kubectl -n %s get configmap %s -o yaml", m->meta.ns, m->meta.name);
		finding_fix(r, f, "kubectl -n %s edit configmap %s", m->meta.ns, m->meta.name);
	}
}

void check_dns_loop(struct run *r)
{
	CLEANUP(corefile_release) struct corefile c = { 0 };
	CLEANUP(dns_told_release) struct dns_told_list t = { 0 };
	const struct k8s_service *s = dns_service_object(r);
	const struct k8s_configmap *m = dns_corefile(r, false, &c);
	struct loop l = { 0 };
	const bool found = m && s && find_loop(r, &c, s, &l);
	struct finding *f;
	bool stands;

	dns_told(r, DNS_LOGS_SERVER, loop_kinds, &t);
	if (!found && !t.v.len)
		return;
	/* plugin loop would have ended it: the pods have another file than is seen here */
	stands = !t.v.len && has_loop_plugin(&c) && dns_ready(r, s) > 0;
	if (stands && l.by_policy)
		return;
	f = dns_server_finding(r, "coredns-loop", NULL, NULL, s, 1);
	if (stands) {
		finding_severity(f, SEVERITY_WARNING);
		finding_evidence(r, f, "DNS pods with plugin loop are ready all the same: the file is newer than they are, or they have another one");
	}
	if (found)
		finding_text(r, f, "what CoreDNS forwards comes back to it: %s", l.why);
	else
		finding_text(r, f, "what CoreDNS forwards comes back to it for the zone %.253s, and it ends",
			     t.v.v[0].hit->name ? t.v.v[0].hit->name : "'.'");
	if (found)
		finding_evidence(r, f, "%s line %u forwards to %.100s", dns_map_words(r, m), l.forward->line,
				 arena_clean(r->a, l.forward->nargs > 1 ? l.forward->args[1] : ""));
	dns_told_evidence(r, f, &t, 4);
	if (!found)
		l.pod = t.v.len ? k8s_find_pod(r->c, t.v.v[0].log->ns, t.v.v[0].log->pod) : NULL;
	loop_commands(r, f, m, &l);
}
