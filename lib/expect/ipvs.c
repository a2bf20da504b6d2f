/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kube-proxy makes for one Service port in IPVS mode (pkg/proxy/ipvs/proxier.go
 * syncProxyRules, syncService, syncEndpoint): virtual servers with their real servers, members of
 * the ipsets, addresses on kube-ipvs0, and the one iptables rule that is a Service's own. The rules
 * that all Services share are in ipvs-common.c.
 *
 * A real server that is about to leave stays with weight 0: that is not expected, and nothing is
 * wrong with it.
 */

#include <errno.h>

#include "expect-private.h"

struct ipvs {
	struct arena *arena;
	const struct expect_node *node;
	const struct expect_service *service;
	const struct expect_port *p;
	const struct k8s_service *s;
	struct expect_rules *rules;
	struct expect_plan plan;
	int r; /* first error */
};

#define emit(w, rule, ...) \
	do { \
		if ((w)->r == 0) { \
			(w)->r = expect_put((w)->arena, (w)->rules, (rule), __VA_ARGS__); \
		} \
	} while (0)

/* Never NULL; without memory the error is kept and nothing follows. */
static const char *text_or_fail(struct ipvs *w, const char *s)
{
	if (!s && w->r == 0) {
		w->r = -ENOMEM;
	}
	return s ? s : "";
}

static const char *addr_text(struct ipvs *w, const struct ip_addr *a)
{
	char s[IP_ADDR_STRLEN];
	return text_or_fail(w, arena_strdup(w->arena, ip_addr_format(a, s)));
}

/* ---- ipsets ---- */

const char *expect_ipset_name(struct arena *arena, const char *name, int family)
{
	return family == AF_INET ? arena_strdup(arena, name) :
				   arena_printf(arena, "KUBE-6-%.*s", IPSET_NAME_MAX - 7, name + strlen("KUBE-"));
}

static void member(struct ipvs *w, const char *set, const struct expect_frontend *f, const char *key)
{
	struct expect_rule r = { .role = ROLE_SET, .part = PART_MEMBER, .key = key, .frontend = f };
	r.set = text_or_fail(w, expect_ipset_name(w->arena, set, w->p->family));
	emit(w, &r, "add %s %s", r.set, key);
}

/* "10.96.0.1,tcp:443" */
static const char *address_port(struct ipvs *w, const struct ip_addr *a, unsigned port)
{
	char s[IP_ADDR_STRLEN];
	return text_or_fail(w, arena_printf(w->arena, "%s,%s:%u", ip_addr_format(a, s), w->plan.proto, port));
}

static const char *with_source(struct ipvs *w, const struct ip_addr *a, const char *source)
{
	return text_or_fail(w, arena_printf(w->arena, "%s,%s", address_port(w, a, w->p->port->port), source));
}

/* Endpoints of this node, whether they are ready or not: they may speak to themselves. */
static void loop_back(struct ipvs *w)
{
	for (size_t i = 0; i < w->p->nall; i++) {
		const struct expect_endpoint *e = &w->p->all[i];
		if (!e->local) {
			continue;
		}
		struct expect_rule r = { .role = ROLE_ENDPOINT_MASQ, .part = PART_MEMBER, .endpoint = e };
		r.set = text_or_fail(w, expect_ipset_name(w->arena, "KUBE-LOOP-BACK", w->p->family));
		r.key = text_or_fail(w, arena_printf(w->arena, "%s,%s", address_port(w, &e->addr, e->port),
						     addr_text(w, &e->addr)));
		emit(w, &r, "add %s %s", r.set, r.key);
	}
}

/* ---- virtual servers ---- */

static const char *proto_option(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "-t" : proto == IPPROTO_UDP ? "-u" : "--sctp-service";
}

static void real_server(struct ipvs *w, const char *server, const struct expect_frontend *f,
			const struct expect_endpoint *e)
{
	char s[IP_ENDPOINT_STRLEN];
	struct expect_rule r = {
		.role = ROLE_ENDPOINT,
		.part = PART_REAL,
		.set = server,
		.endpoint = e,
		.frontend = f,
	};
	r.key = text_or_fail(w, arena_strdup(w->arena, ip_endpoint_format(&e->addr, e->port, s)));
	emit(w, &r, "-a %s -r %s -m -w 1", server, r.key);
}

/* Policy @local: this node's endpoints, or all where there are none. */
static void server(struct ipvs *w, const struct expect_frontend *f, const struct ip_addr *a, unsigned port,
		   bool local)
{
	const char *scheduler = w->node->config->ipvs_scheduler;
	char s[IP_ENDPOINT_STRLEN];
	struct expect_rule r = {
		.role = f && f->kind == EXPECT_NODE_PORT ? ROLE_NODEPORT : ROLE_ENTRY,
		.part = PART_SERVER,
		.frontend = f,
	};
	scheduler = scheduler && scheduler[0] ? scheduler : "rr";
	r.key = text_or_fail(w, arena_printf(w->arena, "%s %s", proto_option(w->p->port->proto),
					     ip_endpoint_format(a, port, s)));
	const char *affinity = "";
	if (w->s->affinity_client_ip) {
		affinity = text_or_fail(w, arena_printf(w->arena, " -p %u", w->s->affinity_timeout));
	}
	emit(w, &r, "-A %s -s %s%s%s", r.key, scheduler, strcmp(scheduler, "mh") == 0 ? " -b mh-port" : "",
	     affinity);
	bool here = local && w->p->nlocal > 0;
	const struct expect_endpoint *const *v = here ? w->p->local : w->p->cluster;
	for (size_t i = 0; i < (here ? w->p->nlocal : w->p->ncluster); i++) {
		real_server(w, r.key, f, v[i]);
	}
}

/* Does another interface of the node have it? TRI_UNKNOWN: addresses are not known. */
static enum tri is_node_address(const struct expect_node *node, const struct ip_addr *a)
{
	if (!node->facts || !node->facts->addrs_known) {
		return TRI_UNKNOWN;
	}
	return expect_on_another_interface(node->facts, a) ? TRI_TRUE : TRI_FALSE;
}

static void bind_address(struct ipvs *w, const struct ip_addr *a, const struct expect_frontend *f, bool optional)
{
	struct expect_rule r = {
		.role = ROLE_ADDRESS,
		.part = PART_ADDRESS,
		.set = EXPECT_IPVS_INTERFACE,
		.key = addr_text(w, a),
		.frontend = f,
		.optional = optional,
	};
	emit(w, &r, "%s", r.key);
	r.part = PART_MEMBER;
	r.role = ROLE_SET;
	r.set = text_or_fail(w, expect_ipset_name(w->arena, "KUBE-IPVS-IPS", w->p->family));
	emit(w, &r, "add %s %s", r.set, r.key);
}

static void bind_external(struct ipvs *w, const struct ip_addr *a, const struct expect_frontend *f)
{
	enum tri other = is_node_address(w->node, a);
	if (other != TRI_TRUE) {
		bind_address(w, a, f, other == TRI_UNKNOWN);
	}
}

/* ---- the kinds of addresses ---- */

static void cluster_ip(struct ipvs *w)
{
	const struct expect_frontend *f = expect_find_frontend(w->service, w->p, EXPECT_CLUSTER_IP, NULL);
	const struct ip_addr *a = &w->p->cluster_ip;
	member(w, "KUBE-CLUSTER-IP", f, address_port(w, a, w->p->port->port));
	server(w, f, a, w->p->port->port, w->plan.internal_local);
	bind_address(w, a, f, false);
}

static void external_ip(struct ipvs *w, const struct ip_addr *a)
{
	const struct expect_frontend *f = expect_find_frontend(w->service, w->p, EXPECT_EXTERNAL_IP, a);
	member(w, w->plan.external_local ? "KUBE-EXTERNAL-IP-LOCAL" : "KUBE-EXTERNAL-IP", f,
	       address_port(w, a, w->p->port->port));
	server(w, f, a, w->p->port->port, w->plan.external_local);
	bind_external(w, a, f);
}

/* The node itself, whose packets bear the virtual address as source, is dropped behind IPVS. */
static void keep_node_out(struct ipvs *w, const struct ip_addr *a, const struct expect_frontend *f, bool optional)
{
	struct expect_rule r = {
		.role = ROLE_FW_DROP,
		.table = "filter",
		.chain = "KUBE-IPVS-OUT-FILTER",
		.frontend = f,
		.optional = optional,
	};
	const char *text = addr_text(w, a);
	if (expect_after(w->node, CHANGE_IPVS_NODE_RANGES)) {
		emit(w, &r, "-A KUBE-IPVS-OUT-FILTER -s %s/%u -m ipvs --vproto %u --vaddr %s --vport %u -j DROP", text,
		     (unsigned)(8 * ip_addr_size(a)), w->p->port->proto, text, w->p->port->port);
	}
}

static void source_ranges(struct ipvs *w, const struct ip_addr *a, const struct expect_frontend *f)
{
	const struct ip_addr *own = expect_node_ip(w->node, w->p->family);
	member(w, "KUBE-LOAD-BALANCER-FW", f, address_port(w, a, w->p->port->port));
	for (size_t i = 0; i < w->s->nsource_ranges; i++) {
		struct ip_prefix p;
		char s[IP_PREFIX_STRLEN], host[IP_ADDR_STRLEN];
		if (expect_source_range(w->s, i, w->p->family, &p)) {
			bool whole = p.len == 8 * ip_addr_size(&p.addr);
			member(w, "KUBE-LOAD-BALANCER-SOURCE-CIDR", f,
			       with_source(w, a, whole ? ip_addr_format(&p.addr, host) : ip_prefix_format(&p, s)));
		}
	}
	if (own->family && expect_in_ranges(w->s, own)) {
		member(w, "KUBE-LOAD-BALANCER-SOURCE-IP", f, with_source(w, a, addr_text(w, a)));
	} else {
		keep_node_out(w, a, f, own->family == 0);
	}
}

static void load_balancer(struct ipvs *w, const struct ip_addr *a)
{
	const struct expect_frontend *f = expect_find_frontend(w->service, w->p, EXPECT_LOAD_BALANCER, a);
	const char *key = address_port(w, a, w->p->port->port);
	member(w, "KUBE-LOAD-BALANCER", f, key);
	if (w->plan.external_local) {
		member(w, "KUBE-LOAD-BALANCER-LOCAL", f, key);
	}
	if (w->plan.has_ranges) {
		source_ranges(w, a, f);
	}
	server(w, f, a, w->p->port->port, w->plan.external_local);
	bind_external(w, a, f);
}

/* TCP and UDP by the port alone, SCTP by address and port. */
static void node_port_members(struct ipvs *w, const struct expect_frontend *f, const char *local)
{
	const char *name = w->p->port->proto == IPPROTO_TCP ? "TCP" : w->p->port->proto == IPPROTO_UDP ? "UDP" : "SCTP-HASH";
	const char *set = text_or_fail(w, arena_printf(w->arena, "KUBE-NODE-PORT-%s%s", local, name));
	unsigned number = w->p->port->node_port;
	if (w->p->port->proto != IPPROTO_SCTP) {
		member(w, set, f, text_or_fail(w, arena_printf(w->arena, "%u", number)));
		return;
	}
	for (size_t i = 0; i < f->naddrs; i++) {
		member(w, set, f, address_port(w, &f->addrs[i], number));
	}
}

static void node_port(struct ipvs *w, const struct expect_frontend *f)
{
	node_port_members(w, f, "");
	if (w->plan.external_local) {
		node_port_members(w, f, "LOCAL-");
	}
	for (size_t i = 0; i < f->naddrs; i++) {
		server(w, f, &f->addrs[i], f->number, w->plan.external_local);
	}
}

static void health_check(struct ipvs *w)
{
	uint16_t number = expect_health_port(w->s);
	if (number) {
		member(w, "KUBE-HEALTH-CHECK-NODE-PORT",
		       expect_find_frontend(w->service, w->p, EXPECT_HEALTH_CHECK, NULL),
		       text_or_fail(w, arena_printf(w->arena, "%u", number)));
	}
}

int expect_ipvs_port(struct arena *arena, const struct expect_node *node, const struct expect_service *s,
		     const struct expect_port *p, struct expect_rules *ret)
{
	struct ipvs w = { .arena = arena, .node = node, .service = s, .p = p, .s = p->service, .rules = ret };
	w.r = expect_plan(arena, node, p, &w.plan);
	if (w.r < 0) {
		return w.r;
	}
	loop_back(&w);
	cluster_ip(&w);
	for (size_t i = 0; i < w.s->nexternal_ips && expect_external_ips_on(node); i++) {
		if (w.s->external_ips[i].family == p->family) {
			external_ip(&w, &w.s->external_ips[i]);
		}
	}
	for (size_t i = 0; i < w.s->ningress; i++) {
		if (expect_is_vip(node, &w.s->ingress[i], p->family)) {
			load_balancer(&w, &w.s->ingress[i].ip);
		}
	}
	const struct expect_frontend *np = expect_find_frontend(s, p, EXPECT_NODE_PORT, NULL);
	if (np && np->naddrs > 0) {
		node_port(&w, np);
	}
	/* Without an address for the node port kube-proxy leaves the port at that. */
	if (!np || np->naddrs > 0) {
		health_check(&w);
	}
	return w.r;
}
