/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which port is meant when `trace` is asked about one that is no port of a Service there: ClusterIP:targetPort,
 * node:port, the other protocol. Only what the objects have exactly is named.
 */
#include <errno.h>
#include <netinet/in.h>

#include "cmd.h"

enum { MEANT_MAX = 3 };

struct search {
	struct context *c;
	const struct trace_place *dst;
	struct trace_meant *v;
	size_t len, more;
	const struct k8s_service *last; /* of the last one that was found, kept or not */
	bool own_loopback; /* the loopback address is the asking pod's own */
	bool exact, failed;
};

const char *trace_proto(uint8_t proto)
{
	return proto == IPPROTO_TCP    ? "TCP"
	       : proto == IPPROTO_UDP  ? "UDP"
	       : proto == IPPROTO_SCTP ? "SCTP"
				       : proto_name(proto);
}

void trace_add_port(struct strbuf *b, const struct k8s_service_port *p)
{
	strbuf_addf(b, "%u/%s", p->port, trace_proto(p->proto));
	if (*p->name) {
		strbuf_addf(b, " '%s'", p->name);
	}
}

static bool is_in(const struct ip_addr *v, size_t n, const struct ip_addr *a)
{
	for (size_t i = 0; i < n; i++) {
		if (ip_addr_equal(&v[i], a)) {
			return true;
		}
	}
	return false;
}

bool trace_service_has(const struct k8s_service *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->ningress; i++) {
		if (ip_addr_equal(&s->ingress[i].ip, a)) {
			return true;
		}
	}
	return is_in(s->external_ips, s->nexternal_ips, a) || is_in(s->cluster_ips, s->ncluster_ips, a);
}

static bool proto_fits(const struct trace_place *dst, uint8_t proto)
{
	return dst->proto_assumed || dst->proto == proto;
}

/* ---- target ports ---- */

/* The number that this port has in a slice; 0: it is not there. */
static uint16_t slice_port(const struct k8s_slice *slice, const struct k8s_service_port *p)
{
	for (size_t i = 0; i < slice->nports; i++) {
		const struct k8s_slice_port *q = &slice->ports[i];
		if (q->name && strcmp(q->name, p->name) == 0 && q->proto == p->proto && q->has_port) {
			return q->port;
		}
	}
	return 0;
}

/* A number in the Service, or what a named target port is at the pods. */
static bool leads_to(const struct context *c, const struct k8s_service *s, const struct k8s_service_port *p, uint16_t port)
{
	const struct k8s_slice_group *g = k8s_slices_of(&c->snapshot.cluster, s);
	bool hit = !p->target.name && p->target.number == port;
	for (size_t i = 0; !hit && g && i < g->v.len; i++) {
		hit = slice_port(g->v.v[i], p) == port;
	}
	return hit;
}

/* The port of the pod with this address to which @p leads; 0: the pod is no endpoint of it. */
static uint16_t port_at(const struct context *c, const struct k8s_service *s, const struct k8s_service_port *p, const struct ip_addr *pod)
{
	const struct k8s_slice_group *g = k8s_slices_of(&c->snapshot.cluster, s);
	for (size_t i = 0; g && i < g->v.len; i++) {
		const struct k8s_slice *slice = g->v.v[i];
		for (size_t k = 0; k < slice->nendpoints; k++) {
			if (ip_addr_equal(&slice->endpoints[k].ip, pod)) {
				return slice_port(slice, p);
			}
		}
	}
	return 0;
}

static bool add_pod(struct strbuf *b, const struct k8s_slice *slice, const struct k8s_endpoint *e, size_t n)
{
	bool pod = e->target_kind && strcmp(e->target_kind, "Pod") == 0 && e->target_name && slice->nports > 0 && slice->ports[0].has_port;
	if (pod) {
		strbuf_addf(b, "%s%s/%s:%u", n ? ", " : ": ", slice->meta.ns, e->target_name, slice->ports[0].port);
	}
	return pod;
}

const char *trace_pods_of(struct context *c, const struct k8s_service *s)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	const struct k8s_slice_group *g = k8s_slices_of(&c->snapshot.cluster, s);
	size_t n = 0;
	for (size_t i = 0; g && i < g->v.len; i++) {
		for (size_t k = 0; k < g->v.v[i]->nendpoints && n < MEANT_MAX; k++) {
			n += add_pod(&b, g->v.v[i], &g->v.v[i]->endpoints[k], n);
		}
	}
	const char *text = arena_clean(&c->arena, strbuf_str(&b));
	return text ? text : "";
}

/* ---- what is found ---- */

/* "ask 10.96.0.10:53/UDP" */
static void add_ask(struct strbuf *b, const struct search *x, const struct k8s_service_port *p, uint16_t port)
{
	char buf[IP_ENDPOINT_STRLEN];
	strbuf_addf(b, "ask %s", ip_endpoint_format(&x->dst->addr, port, buf));
	if (p->proto != IPPROTO_TCP || x->dst->proto != p->proto) {
		strbuf_addf(b, "/%s", trace_proto(p->proto));
	}
}

static void add(struct search *x, const struct k8s_service *s, const struct k8s_service_port *p, const char *why, uint16_t port,
		const struct strbuf *sentence)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	if (x->len == MEANT_MAX) {
		x->more += x->last != s;
		x->last = s;
		return;
	}
	x->last = s;
	strbuf_adds(&b, strbuf_str(sentence));
	add_ask(&b, x, p, port);
	const char *text = b.failed || sentence->failed ? NULL : arena_clean(&x->c->arena, strbuf_str(&b));
	x->failed |= !text;
	x->v[x->len++] = (struct trace_meant){ s, p, why, x->dst->addr, port, text };
}

static void say(struct strbuf *b, const struct k8s_service *s, const struct k8s_service_port *p, const char *format, unsigned asked)
{
	strbuf_addf(b, "%u is the %s of ", asked, format);
	trace_add_port(b, p);
	strbuf_addf(b, " of %s/%s", s->meta.ns, s->meta.name);
}

static void wrong_proto(struct strbuf *b, const struct search *x, const struct k8s_service *s, const struct k8s_service_port *p,
			const char *what)
{
	strbuf_addf(b, "%u is %s of %s/%s for %s, not %s: ", x->dst->port, what, s->meta.ns, s->meta.name, trace_proto(p->proto),
		    trace_proto(x->dst->proto));
}

/* The Service has the address: a port of another kind, or of the other protocol. */
static void at_service(struct search *x, const struct k8s_service *s, const struct k8s_service_port *p)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	uint16_t asked = x->dst->port;
	if (p->port == asked) {
		x->exact |= p->proto == x->dst->proto;
		wrong_proto(&b, x, s, p, "a port");
		add(x, s, p, "protocol", p->port, &b);
	} else if (proto_fits(x->dst, p->proto) && leads_to(x->c, s, p, asked)) {
		say(&b, s, p, "target port", asked);
		strbuf_adds(&b, ", where its pods listen: ");
		add(x, s, p, "target-port", p->port, &b);
	} else if (proto_fits(x->dst, p->proto) && p->node_port == asked) {
		say(&b, s, p, "node port", asked);
		strbuf_adds(&b, ", which only nodes have: ");
		add(x, s, p, "node-port", p->port, &b);
	}
}

/* A node's address: a port that is not the node port. */
static void at_node(struct search *x, const struct k8s_service *s, const struct k8s_service_port *p)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	uint16_t asked = x->dst->port;
	if (p->node_port == asked) {
		x->exact |= p->proto == x->dst->proto;
		wrong_proto(&b, x, s, p, "the node port");
		add(x, s, p, "protocol", p->node_port, &b);
		return;
	}
	bool port = p->port == asked;
	if (!proto_fits(x->dst, p->proto) || (!port && !leads_to(x->c, s, p, asked))) {
		return;
	}
	strbuf_adds(&b, "no node port: ");
	if (port) {
		strbuf_addf(&b, "%u is a port of %s/%s", asked, s->meta.ns, s->meta.name);
	} else {
		say(&b, s, p, "target port", asked);
	}
	strbuf_addf(&b, ", whose node port is %u; if that Service is meant, ", p->node_port);
	add(x, s, p, port ? "service-port" : "target-port", p->node_port, &b);
}

/* A pod's address: the Service's port, where the pod has another. */
static void at_pod(struct search *x, const struct k8s_service *s, const struct k8s_service_port *p)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	uint16_t asked = x->dst->port, port = port_at(x->c, s, p, &x->dst->addr);
	x->exact |= port == asked && p->proto == x->dst->proto;
	if (port == 0 || p->port != asked || port == asked || !proto_fits(x->dst, p->proto)) {
		return;
	}
	strbuf_addf(&b, "%u is a port of %s/%s, which leads to port %u of this pod: ", asked, s->meta.ns, s->meta.name, port);
	add(x, s, p, "service-port", port, &b);
}

/* ---- what has the port all the same ---- */

static bool pod_declares(const struct k8s_pod *pod, const struct trace_place *dst, bool on_host)
{
	for (size_t i = 0; i < pod->ncontainers; i++) {
		const struct k8s_container *k = &pod->containers[i];
		for (size_t j = 0; j < k->nports; j++) {
			uint16_t port = on_host && !pod->host_network ? k->ports[j].host_port : k->ports[j].port;
			if (port == dst->port && k->ports[j].proto == dst->proto) {
				return true;
			}
		}
	}
	return false;
}

/* Somebody else answers at that port of a node (NULL: any): a pod of the host's network, a host port, a health check. */
static bool taken_on_node(const struct context *c, const struct trace_place *dst, const char *node)
{
	const struct k8s_cluster *k = &c->snapshot.cluster;
	for (size_t i = 0; i < k->pods.len; i++) {
		const struct k8s_pod *p = k->pods.v[i];
		bool there = p->node && (!node || strcmp(p->node, node) == 0) && !k8s_pod_terminal(p);
		if (there && pod_declares(p, dst, true)) {
			return true;
		}
	}
	for (size_t i = 0; i < k->services.len; i++) {
		if (dst->proto == IPPROTO_TCP && k->services.v[i]->health_check_node_port == dst->port) {
			return true;
		}
	}
	return false;
}

static void each_port(struct search *x, const struct k8s_service *s,
		      void (*look)(struct search *x, const struct k8s_service *s, const struct k8s_service_port *p))
{
	for (size_t i = 0; i < s->nports; i++) {
		look(x, s, &s->ports[i]);
	}
}

static void search(struct search *x)
{
	const char *node = trace_node_of_address(x->c, &x->dst->addr);
	/* kube-proxy answers at 127.0.0.1 of a node, and never at ::1. */
	bool on_node = node || (!x->own_loopback && x->dst->addr.family == AF_INET && ip_addr_is_loopback(&x->dst->addr));
	const struct k8s_cluster *k = &x->c->snapshot.cluster;
	const struct trace_place *dst = x->dst;
	for (size_t i = 0; i < k->services.len; i++) {
		const struct k8s_service *s = k->services.v[i];
		if (trace_service_has(s, &dst->addr)) {
			each_port(x, s, at_service);
		}
		for (size_t j = 0; on_node && j < s->nports; j++) {
			if (s->ports[j].node_port) {
				at_node(x, s, &s->ports[j]);
			}
		}
		if (dst->pod && !dst->pod->host_network && !dst->service) {
			each_port(x, s, at_pod);
		}
	}
	x->exact |= on_node && taken_on_node(x->c, dst, node);
	x->exact |= dst->pod && !dst->pod->host_network && pod_declares(dst->pod, dst, false);
}

/* What does not fit into the list is at least counted. */
static void count_more(struct search *x)
{
	struct trace_meant *m = &x->v[x->len - 1];
	if (x->more > 0 && m->text) {
		m->text = arena_printf(&x->c->arena, "%s (%zu more Services have such a port)", m->text, x->more);
	}
	x->failed |= !m->text;
}

bool trace_own_loopback(const struct trace_place *src, const struct trace_place *dst)
{
	return src->pod && !src->pod->host_network && ip_addr_is_loopback(&dst->addr);
}

int trace_port_meant(struct context *c, const struct trace_place *src, const struct trace_place *dst, const struct trace_meant **ret,
		     size_t *ret_n)
{
	struct search x = { .c = c, .dst = dst, .v = arena_array(&c->arena, struct trace_meant, MEANT_MAX),
			    .own_loopback = trace_own_loopback(src, dst) };
	if (!x.v) {
		return -ENOMEM;
	}
	if (dst->port > 0) {
		search(&x);
	}
	if (x.len > 0) {
		count_more(&x);
	}
	if (x.failed) {
		return -ENOMEM;
	}
	*ret = x.v;
	*ret_n = x.exact ? 0 : x.len;
	return 0;
}
