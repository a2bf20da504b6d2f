/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only IPVS mode asks of a node's kernel: its modules and schedulers, its settings for ports that are used again, for ARP, and its time-outs.
 * A module that is built in does not stand among the modules: that one is missing is told only where more speaks for it.
 */
#include <netinet/in.h>

#include "kernel-private.h"

#define DEFAULT_TCP_S 900u /* net/netfilter/ipvs/ip_vs_proto_tcp.c: IP_VS_TCP_S_ESTABLISHED */

static bool has_module(const struct snap_node *n, const char *name)
{
	return map_gets(&n->k.modules, name);
}

/* Is there any setting of IPVS? The kernel has them as soon as it has IPVS, in each network namespace. */
static bool has_settings(const struct snap_node *n)
{
	return node_sysctl(&n->facts, "net.ipv4.vs.conntrack") || node_sysctl(&n->facts, "net.ipv4.vs.conn_reuse_mode") ||
	       node_sysctl(&n->facts, "net.ipv4.vs.cache_bypass");
}

/* The log says it itself, and whoever reads logs tells of it. */
static bool told_by_log(struct run *r, const struct proxy_view *v, const char *check)
{
	const struct snap_log *l;

	return proxy_hit(r, v, check, &l) != NULL;
}

/* ---- modules ---- */

/* kube-proxy loads them when it starts: one that never started has the same look, and says why elsewhere. */
static bool lacks_ipvs(struct run *r, const struct snap_node *n, const struct proxy_view *v)
{
	if (!v || !str_is(v->asked, "ipvs") || str_is(v->mode, "ipvs") || !n->k.modules_known || !n->facts.sysctl_known || n->rules.servers.len)
		return false;
	return !has_module(n, "ip_vs") && !has_settings(n) && !told_by_log(r, v, "ipvs-modules-missing");
}

static void lacks_finding(struct run *r, const struct snap_node *n, const struct proxy_view *v)
{
	struct finding *f = kernel_finding_of(r, "ipvs-modules-missing", n, NULL);

	f->rank = 3;
	finding_severity(f, SEVERITY_WARNING);
	finding_text(r, f, "kube-proxy on node %s is configured for IPVS mode, and the kernel there has no IPVS%s%s%s", n->name, v->mode ? ": it runs in " : "",
		     v->mode ? v->mode : "", v->mode ? " mode" : "");
	finding_evidence(r, f, "ip_vs is not among the modules, and there is no setting net.ipv4.vs");
	if (v->config->source)
		finding_evidence(r, f, "mode ipvs stands in %s", v->config->source);
	finding_next(r, f, "modprobe -n -v ip_vs");
	finding_fix(r, f, "sudo modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_sh nf_conntrack");
	if (v->pod)
		finding_fix(r, f, "kubectl -n %s delete pod %s", v->pod->meta.ns, v->pod->meta.name);
}

/* ---- the scheduler ---- */

/* Those that kube-proxy loads itself are there in time. Of the others: where IPVS is a module, its schedulers are modules too (CONFIG_IP_VS_LC). */
static bool lacks_scheduler(const struct snap_node *n, const char *scheduler)
{
	char name[64];

	if (!n->k.modules_known || !has_module(n, "ip_vs") || n->dumps[DUMP_IPVS] != KNOWN || n->rules.servers.len)
		return false;
	(void)snprintf(name, sizeof(name), "ip_vs_%.40s", scheduler);
	return !has_module(n, name);
}

static void scheduler_finding(struct run *r, const struct snap_node *n, const struct proxy_view *v)
{
	const struct log_hit *h = kernel_hit(r, n, "ipvs-scheduler-missing");
	const char *scheduler = v && v->config->known ? v->config->ipvs_scheduler : NULL;
	struct finding *f;

	if (!v || !scheduler || !*scheduler || !str_is(v->asked, "ipvs") || str_is(scheduler, "rr") || str_is(scheduler, "wrr") || str_is(scheduler, "sh") ||
	    !lacks_scheduler(n, scheduler) || told_by_log(r, v, "ipvs-scheduler-missing"))
		return;
	if (h && !str_is(h->name, scheduler))
		h = NULL;
	f = kernel_finding_of(r, "ipvs-scheduler-missing", n, NULL);
	f->rank = 3;
	finding_severity(f, h ? SEVERITY_ERROR : SEVERITY_WARNING);
	finding_text(r, f, "kube-proxy on node %s is configured for the scheduler %s, the kernel there %s, and there is no virtual server", n->name, scheduler,
		     h ? "has no such scheduler" : "has not loaded it");
	finding_evidence(r, f, "ip_vs is a module, and ip_vs_%s is not among the modules", scheduler);
	if (h)
		kernel_hit_evidence(r, f, h);
	for (size_t i = 0; h && i < r->nsvcs; i++)
		if (r->svcs[i].o->ncluster_ips && !r->svcs[i].o->headless)
			finding_concerns(r, f, r->svcs[i].o);
	finding_next(r, f, "modprobe -n -v %t", run_printf(r, "ip_vs_%s", scheduler));
	finding_fix(r, f, "sudo modprobe %t", run_printf(r, "ip_vs_%s", scheduler));
}

/* ---- ports that are used again ---- */

/* 0: nothing to say. Before 5.9 either value does harm; kube-proxy before 1.21 set 0 on newer ones too, where it need not be. */
enum reuse { REUSE_FINE, REUSE_DELAYS, REUSE_OLD_SERVER, REUSE_NEEDLESS };

static enum reuse reuse_of(const struct snap_node *n)
{
	struct kernel_release k;
	uint64_t mode;

	if (!kernel_release(n, &k) || !kernel_number(n, "net.ipv4.vs.conn_reuse_mode", &mode) || kernel_is_before(&k, 4, 1, 0))
		return REUSE_FINE;
	if (kernel_is_before(&k, 5, 9, 0))
		return mode ? REUSE_DELAYS : REUSE_OLD_SERVER;
	return mode ? REUSE_FINE : REUSE_NEEDLESS;
}

static void reuse_finding(struct run *r, enum reuse which, const struct kernel_nodes *g)
{
	static const char *const words[] = {
		[REUSE_DELAYS] = "a connection from a port that was used just before waits for a second",
		[REUSE_OLD_SERVER] = "a connection from a port that was used just before goes to the endpoint of before, even when that is going away",
		[REUSE_NEEDLESS] = "net.ipv4.vs.conn_reuse_mode is 0, which this kernel does not need: ports that are used again lead to the endpoint of before",
	};
	struct finding *f = kernel_finding(r, "ipvs-conn-reuse", g, which == REUSE_DELAYS ? "delays" : which == REUSE_OLD_SERVER ? "old" : "needless");

	f->rank = 30;
	/* kube-proxy sets 0 on old kernels itself, because it is the lesser evil */
	finding_severity(f, which == REUSE_OLD_SERVER ? SEVERITY_INFO : SEVERITY_WARNING);
	finding_text(r, f, "on %s %s", kernel_names(r, g), words[which]);
	for (size_t i = 0; i < g->v.len; i++)
		finding_evidence(r, f, "node %s: Linux %s, net.ipv4.vs.conn_reuse_mode = %s", g->v.v[i]->name, g->v.v[i]->kernel,
				 which == REUSE_DELAYS ? "1" : "0");
	finding_next(r, f, "sysctl net.ipv4.vs.conn_reuse_mode");
	if (which == REUSE_NEEDLESS)
		finding_fix(r, f, "sudo sysctl -w net.ipv4.vs.conn_reuse_mode=1");
}

static void check_reuse(struct run *r, const struct kernel_nodes *nodes)
{
	for (enum reuse which = REUSE_DELAYS; which <= REUSE_NEEDLESS; which++) {
		struct kernel_nodes g = { 0 };

		for (size_t i = 0; i < nodes->v.len; i++)
			if (reuse_of(nodes->v.v[i]) == which)
				run_push(r, &g.v, nodes->v.v[i]);
		if (g.v.len)
			reuse_finding(r, which, &g);
		array_free(&g.v);
	}
}

/* ---- time-outs ---- */

/* 900 seconds are the kernel's own, on every node in IPVS mode: worth knowing, and no fault. */
static void check_timeouts(struct run *r, const struct kernel_nodes *nodes)
{
	struct kernel_nodes g = { 0 };
	uint32_t least = UINT32_MAX;
	uint64_t alive;
	struct finding *f;

	for (size_t i = 0; i < nodes->v.len; i++) {
		const struct snap_node *n = nodes->v.v[i];

		if (!n->k.ipvs_timeouts_known || !n->k.ipvs_timeouts[0] || !kernel_number(n, "net.ipv4.tcp_keepalive_time", &alive) ||
		    n->k.ipvs_timeouts[0] >= alive)
			continue;
		run_push(r, &g.v, n);
		least = MIN(least, n->k.ipvs_timeouts[0]);
	}
	if (g.v.len) {
		f = kernel_finding(r, "ipvs-tcp-timeout-keepalive", &g, NULL);
		f->rank = 35;
		finding_severity(f, least < DEFAULT_TCP_S ? SEVERITY_WARNING : SEVERITY_INFO);
		finding_text(r, f, "on %s TCP connections through Services that are idle for %u seconds are forgotten, and reset when they are used again",
			     kernel_names(r, &g), least);
		for (size_t i = 0; i < g.v.len; i++)
			finding_evidence(r, f, "node %s: IPVS waits %u seconds, and tcp_keepalive_time is %s", g.v.v[i]->name, g.v.v[i]->k.ipvs_timeouts[0],
					 node_sysctl(&g.v.v[i]->facts, "net.ipv4.tcp_keepalive_time"));
		finding_next(r, f, "sudo ipvsadm -l --timeout");
	}
	array_free(&g.v);
}

/* ---- ARP ---- */

/* Who announces addresses of load balancers by ARP, or by BGP, which cannot be told; NULL: nobody. */
static const struct k8s_pod *announcer(const struct run *r)
{
	for (size_t i = 0; i < r->c->pods.len; i++) {
		const struct k8s_pod *p = r->c->pods.v[i];

		if (pod_counts_ready(p) &&
		    ((strstr(p->meta.name, "speaker") && (strstr(p->meta.name, "metallb") || strstr(p->meta.ns, "metallb"))) || str_starts(p->meta.name, "kube-vip")))
			return p;
	}
	return NULL;
}

static const struct k8s_ingress_point *bound_address(const struct snap_node *n, const struct k8s_service *s)
{
	for (size_t i = 0; i < s->ningress; i++)
		for (size_t k = 0; s->ingress[i].ip.family == AF_INET && k < n->facts.addrs.len; k++)
			if (str_is(n->facts.addrs.v[k].ifname, "kube-ipvs0") && ip_addr_equal(&n->facts.addrs.v[k].addr, &s->ingress[i].ip))
				return &s->ingress[i];
	return NULL;
}

/* net/ipv4/arp.c arp_ignore: the larger value of "all" and of the interface by which the question comes. */
static bool answers_arp(struct run *r, const struct snap_node *n)
{
	const struct node_link *l = kernel_uplink(r, n);
	uint64_t all;
	int own;

	if (!kernel_number(n, "net.ipv4.conf.all.arp_ignore", &all))
		return false;
	own = l ? node_conf(&n->facts, AF_INET, l->name, "arp_ignore") : -1;
	return all == 0 && own == 0;
}

static bool add_arp_services(struct run *r, const struct snap_node *n, struct finding *f)
{
	bool any = false;

	for (size_t i = 0; i < r->nsvcs; i++) {
		const struct k8s_ingress_point *p = bound_address(n, r->svcs[i].o);
		char buf[IP_ADDR_STRLEN];

		if (!p)
			continue;
		any = true;
		if (!f)
			break;
		finding_concerns(r, f, r->svcs[i].o);
		finding_evidence(r, f, "node %s has %s of %s/%s on kube-ipvs0, and answers for it: net.ipv4.conf.all.arp_ignore = 0", n->name,
				 ip_addr_format(&p->ip, buf), r->svcs[i].o->meta.ns, r->svcs[i].o->meta.name);
	}
	return any;
}

static void check_arp(struct run *r, const struct kernel_nodes *nodes)
{
	const struct k8s_pod *by = r->c->nodes.len > 1 ? announcer(r) : NULL;
	struct kernel_nodes g = { 0 };
	struct finding *f;

	for (size_t i = 0; by && i < nodes->v.len; i++)
		if (answers_arp(r, nodes->v.v[i]) && add_arp_services(r, nodes->v.v[i], NULL))
			run_push(r, &g.v, nodes->v.v[i]);
	if (g.v.len) {
		f = kernel_finding(r, "ipvs-strict-arp", &g, NULL);
		finding_text(r, f, "%s answer%s ARP for the addresses of load balancers, which %s/%s announces: kube-proxy's strictARP is off", kernel_names(r, &g),
			     g.v.len == 1 ? "s" : "", by->meta.ns, by->meta.name);
		for (size_t i = 0; i < g.v.len; i++)
			(void)add_arp_services(r, g.v.v[i], f);
		finding_next(r, f, "kubectl -n kube-system get configmap kube-proxy -o yaml");
		finding_next(r, f, "ip addr show kube-ipvs0");
		finding_fix(r, f, "kubectl -n kube-system edit configmap kube-proxy");
		finding_fix(r, f, "kubectl -n kube-system rollout restart daemonset kube-proxy");
	}
	array_free(&g.v);
}

/* ---- all of them ---- */

void check_ipvs_kernel(struct run *r)
{
	for (size_t i = 0; i < r->s->nodes.len; i++) {
		const struct snap_node *n = r->s->nodes.v[i];
		const struct proxy_view *v = kernel_asked(r, n) ? proxy_view_of(r, n->name) : NULL;

		if (lacks_ipvs(r, n, v))
			lacks_finding(r, n, v);
		else
			scheduler_finding(r, n, v);
	}
}

static void ipvs_nodes(struct run *r, struct kernel_nodes *ret)
{
	for (size_t i = 0; i < r->s->nodes.len; i++)
		if (kernel_asked(r, r->s->nodes.v[i]) && verify_mode(r->s, r->s->nodes.v[i]) == MODE_IPVS)
			run_push(r, &ret->v, r->s->nodes.v[i]);
}

void check_ipvs_settings(struct run *r)
{
	struct kernel_nodes nodes = { 0 };

	ipvs_nodes(r, &nodes);
	check_reuse(r, &nodes);
	check_timeouts(r, &nodes);
	array_free(&nodes.v);
}

void check_ipvs_arp(struct run *r)
{
	struct kernel_nodes nodes = { 0 };

	ipvs_nodes(r, &nodes);
	check_arp(r, &nodes);
	array_free(&nodes.v);
}
