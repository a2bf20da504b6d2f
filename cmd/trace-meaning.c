/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the addresses and the port of a traced packet are called in the cluster, in one line each. */
#include <netinet/in.h>

#include "cmd.h"

enum { LINES_MAX = 12 };

struct lines {
	const char **v;
	size_t len;
	bool failed;
};

static void add(struct context *c, struct lines *l, const struct strbuf *b)
{
	const char *s = b->failed ? NULL : arena_clean(&c->arena, strbuf_str(b));
	bool said = false;
	for (size_t i = 0; s && i < l->len; i++) {
		said |= strcmp(l->v[i], s) == 0;
	}
	if (!s) {
		l->failed = true;
	} else if (l->len < LINES_MAX && !said) {
		l->v[l->len++] = s;
	}
}

const struct k8s_service_port *trace_port_of(const struct k8s_service *s, const struct trace_place *dst)
{
	for (size_t i = 0; i < s->nports; i++) {
		if (s->ports[i].port == dst->port && s->ports[i].proto == dst->proto) {
			return &s->ports[i];
		}
	}
	return NULL;
}

static const char *role_of(const struct k8s_service *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->ncluster_ips; i++) {
		if (ip_addr_equal(&s->cluster_ips[i], a)) {
			return "the ClusterIP";
		}
	}
	for (size_t i = 0; i < s->nexternal_ips; i++) {
		if (ip_addr_equal(&s->external_ips[i], a)) {
			return "an external IP";
		}
	}
	return "a load-balancer address";
}

/* The port is not one of the Service's. What it is instead is in trace-port.c. */
static void wrong_port(struct strbuf *b, const struct k8s_service *s, const struct trace_place *dst)
{
	strbuf_addf(b, ", which has no port %u/%s; it has ", dst->port, trace_proto(dst->proto));
	for (size_t i = 0; i < s->nports; i++) {
		strbuf_adds(b, i ? ", " : "");
		trace_add_port(b, &s->ports[i]);
	}
	strbuf_adds(b, s->nports ? "" : "none");
}

static void service_line(struct context *c, struct lines *l, const struct trace_place *dst)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	char buf[IP_ADDR_STRLEN];
	const struct k8s_service *s = dst->service;
	strbuf_addf(&b, "%s is %s of %s/%s", ip_addr_format(&dst->addr, buf), role_of(s, &dst->addr),
		    s->meta.ns, s->meta.name);
	if (dst->port > 0) {
		const struct k8s_service_port *p = trace_port_of(s, dst);
		if (p) {
			strbuf_adds(&b, ", port ");
			trace_add_port(&b, p);
		} else {
			wrong_port(&b, s, dst);
		}
	}
	add(c, l, &b);
}

const char *trace_node_of_address(const struct context *c, const struct ip_addr *a)
{
	for (size_t i = 0; i < c->snapshot.cluster.nodes.len; i++) {
		const struct k8s_node *n = c->snapshot.cluster.nodes.v[i];
		for (size_t k = 0; k < n->naddresses; k++) {
			if (ip_addr_equal(&n->addresses[k].ip, a)) {
				return n->meta.name;
			}
		}
	}
	for (size_t i = 0; i < c->snapshot.nodes.len && !ip_addr_is_loopback(a); i++) {
		const struct snap_node *n = c->snapshot.nodes.v[i];
		if ((n->facts.routes_known || n->facts.addrs_known) &&
		    node_is_local(&n->facts, a) == TRI_TRUE) {
			return n->name;
		}
	}
	return NULL;
}

static void health_check_line(struct context *c, struct lines *l, const struct trace_place *dst, const struct k8s_service *s)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_addf(&b, "%u is the health-check node port of %s/%s, at which kube-proxy itself answers", dst->port, s->meta.ns,
		    s->meta.name);
	add(c, l, &b);
}

static void node_port_line(struct context *c, struct lines *l, const struct trace_place *dst)
{
	for (size_t i = 0; i < c->snapshot.cluster.services.len; i++) {
		const struct k8s_service *s = c->snapshot.cluster.services.v[i];
		if (dst->port > 0 && dst->proto == IPPROTO_TCP && s->health_check_node_port == dst->port) {
			health_check_line(c, l, dst, s);
			return;
		}
		for (size_t k = 0; k < s->nports; k++) {
			const struct k8s_service_port *p = &s->ports[k];
			if (dst->port == 0 || p->node_port != dst->port || p->proto != dst->proto) {
				continue;
			}
			struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
			strbuf_addf(&b, "%u/%s is the node port of %s/%s, port ", dst->port,
				    trace_proto(dst->proto), s->meta.ns, s->meta.name);
			trace_add_port(&b, p);
			add(c, l, &b);
			return;
		}
	}
}

/* Whose address it is, for a pod, a node, or anybody. */
static void owner_line(struct context *c, struct lines *l, const struct trace_place *p)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	char buf[IP_ADDR_STRLEN];
	const char *node = trace_node_of_address(c, &p->addr);
	const struct k8s_node *range = k8s_node_of_ip(&c->snapshot.cluster, &p->addr);
	strbuf_addf(&b, "%s ", ip_addr_format(&p->addr, buf));
	if (p->outside) {
		strbuf_adds(&b, "stands for any address outside the cluster");
	} else if (p->pod) {
		strbuf_addf(&b, "is pod %s/%s", p->pod->meta.ns, p->pod->meta.name);
		if (p->pod->node) {
			strbuf_addf(&b, " on %s", p->pod->node);
		}
	} else if (node) {
		strbuf_addf(&b, "is an address of %s", node);
	} else if (range) {
		strbuf_addf(&b, "is in the pod range of %s%s", range->meta.name,
			    snapshot_has_all(&c->snapshot, K8S_PODS, NULL) ? ", and no pod has it" : "");
	} else {
		return;
	}
	add(c, l, &b);
}

static void own_loopback_line(struct context *c, struct lines *l, const struct trace_place *src)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_addf(&b, "the loopback address of %s/%s is the pod itself, which no rule of the node sees: this is the same address from outside "
			"the pod", src->pod->meta.ns, src->pod->meta.name);
	add(c, l, &b);
}

const char *const *trace_meaning(struct context *c, const struct trace_place *src,
				 const struct trace_place *dst)
{
	struct lines l = { arena_array(&c->arena, const char *, LINES_MAX + 1), 0, false };
	if (!l.v) {
		return NULL;
	}
	owner_line(c, &l, src);
	if (dst->service) {
		service_line(c, &l, dst);
	}
	if (!dst->service || trace_node_of_address(c, &dst->addr)) {
		owner_line(c, &l, dst);
	}
	if (trace_own_loopback(src, dst)) {
		own_loopback_line(c, &l, src);
		return l.failed ? NULL : l.v;
	}
	bool on_node = trace_node_of_address(c, &dst->addr) || ip_addr_is_loopback(&dst->addr);
	if (on_node && !dst->pod && !(dst->service && trace_port_of(dst->service, dst))) {
		node_port_line(c, &l, dst);
	}
	return l.failed ? NULL : l.v;
}
