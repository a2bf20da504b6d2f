/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SRC and DST of `trace` as a user writes them: a pod, a node, a Service, an address, "outside", "localhost"; a port
 * by number or name, a protocol. First each is found by itself, then both are settled on one address family, a port
 * and a protocol. What they mean in words is in trace-meaning.c.
 */
#include <errno.h>
#include <netinet/in.h>

#include "cmd.h"

/* RFC 5737 and RFC 3849: addresses that belong to nobody stand for any client outside. */
#define OUTSIDE_IPV4 "203.0.113.9"
#define OUTSIDE_IPV6 "2001:db8:ffff::9"

/* ---- finding ---- */

static const char *dup_part(struct context *c, const char *s, size_t len)
{
	return arena_strndup(&c->arena, s, len);
}

static void find_service(struct context *c, const char *ns, const char *name, struct trace_place *p)
{
	p->service = k8s_find_service(&c->snapshot.cluster, ns, name);
}

static void find_pod(struct context *c, const char *ns, const char *name, struct trace_place *p)
{
	p->pod = k8s_find_pod(&c->snapshot.cluster, ns, name);
	if (p->pod) {
		p->node_name = p->pod->node;
		p->on_node = p->pod->host_network;
	}
}

static void find_node(struct context *c, const char *name, struct trace_place *p)
{
	p->node = k8s_find_node(&c->snapshot.cluster, name);
	const struct snap_node *n = snapshot_node(&c->snapshot, name, false);
	if (p->node || n) {
		p->node_name = p->node ? p->node->meta.name : n->name;
		p->on_node = true;
	}
}

static bool found(const struct trace_place *p)
{
	return p->addr.family || p->pod || p->node_name || p->service || p->outside || p->localhost;
}

/* "KIND/name", "KIND/ns/name": true when @text begins with that kind. */
static bool find_of_kind(struct context *c, const char *text, struct trace_place *p)
{
	static const char *const kinds[] = { "pod/", "node/", "svc/", "service/" };
	size_t k = 0;
	while (k < ARRAY_LEN(kinds) && !str_starts(text, kinds[k])) {
		k++;
	}
	if (k == ARRAY_LEN(kinds)) {
		return false;
	}
	const char *name = text + strlen(kinds[k]), *ns = c->report.namespace_;
	const char *slash = strchr(name, '/');
	if (k == 1) {
		find_node(c, name, p);
		return true;
	}
	if (slash) {
		ns = dup_part(c, name, (size_t)(slash - name));
		name = slash + 1;
	}
	if (ns) {
		(k == 0 ? find_pod : find_service)(c, ns, name, p);
	}
	return true;
}

static void find_pair(struct context *c, const char *ns, const char *name, bool is_source,
		      struct trace_place *p)
{
	if (!is_source) {
		find_service(c, ns, name, p);
	}
	if (!found(p)) {
		find_pod(c, ns, name, p);
	}
	if (!found(p) && is_source) {
		find_service(c, ns, name, p);
	}
}

static int find_by_resolver(struct context *c, const char *text, struct trace_place *p)
{
	struct service_list list = { 0 };
	const char *const *similar = NULL;
	size_t nsimilar = 0;
	int r = service_resolve(&c->arena, &c->snapshot, text, c->report.namespace_, &list, &similar,
				&nsimilar);
	if (r == 0 && list.v.len > 0) {
		p->service = list.v.v[0];
	}
	array_free(&list.v);
	return r == -ENOENT ? 0 : r;
}

static int find_host(struct context *c, const char *host, bool is_source, struct trace_place *p)
{
	const char *slash = strchr(host, '/');
	if (strcmp(host, "outside") == 0) {
		p->outside = true;
	} else if (strcmp(host, "localhost") == 0) {
		p->localhost = p->on_node = true;
	} else if (ip_addr_parse(host, &p->addr) == 0 || find_of_kind(c, host, p)) {
		return 0;
	} else if (slash) {
		const char *ns = dup_part(c, host, (size_t)(slash - host));
		if (!ns) {
			return -ENOMEM;
		}
		find_pair(c, ns, slash + 1, is_source, p);
	} else {
		if (is_source) {
			find_node(c, host, p);
		}
		if (!found(p)) {
			find_pair(c, c->report.namespace_, host, is_source, p);
		}
		if (!found(p)) {
			find_node(c, host, p);
		}
	}
	return found(p) || is_source ? 0 : find_by_resolver(c, host, p);
}

/* ---- what is like it ---- */

static const char *pair_text(struct context *c, const char *format, const struct k8s_meta *m)
{
	return arena_printf(&c->arena, format, m->ns, m->name);
}

static const char *nearest_place(struct context *c, const char *host)
{
	const struct k8s_cluster *k = &c->snapshot.cluster;
	size_t max = k->services.len + k->pods.len + c->snapshot.nodes.len + 1, n = 0;
	const char **names = arena_array(&c->arena, const char *, max);
	const char *form = strchr(host, '/') ? "%s/%s" : "%.0s%s";
	for (size_t i = 0; names && i < c->snapshot.nodes.len; i++) {
		names[n++] = c->snapshot.nodes.v[i]->name;
	}
	for (size_t i = 0; names && i < k->services.len; i++) {
		names[n] = pair_text(c, form, &k->services.v[i]->meta);
		n += names[n] != NULL;
	}
	for (size_t i = 0; names && i < k->pods.len; i++) {
		names[n] = pair_text(c, form, &k->pods.v[i]->meta);
		n += names[n] != NULL;
	}
	return names ? nearest_name(host, names) : NULL;
}

static int not_found(struct context *c, const char *host)
{
	const char *near = nearest_place(c, host);
	if (!c->snapshot.any_cluster) {
		return usage_error(
			c,
			"'%s' cannot be looked up: no cluster objects are in what was read; give an address",
			host);
	}
	return usage_error(c, "'%s' is no pod, node, Service or address here%s%s%s", host,
			   near ? ": did you mean '" : "", near ? near : "",
			   near ? "'?" : "; a pod is written NAMESPACE/NAME");
}

/* ---- parsing ---- */

/* Takes "/tcp" and the like off the end, unless "NS/tcp" is what something is called. */
static int take_proto(struct context *c, char *text, struct trace_place *p)
{
	char *slash = strrchr(text, '/');
	uint8_t proto;
	if (!slash || proto_parse(slash + 1, strlen(slash + 1), &proto) < 0) {
		return 0;
	}
	uint64_t number;
	if (parse_uint(slash + 1, strlen(slash + 1), 255, &number) == 0) {
		return 0;
	}
	const char *ns = dup_part(c, text, (size_t)(slash - text));
	if (!ns) {
		return -ENOMEM;
	}
	if (k8s_find_service(&c->snapshot.cluster, ns, slash + 1) ||
	    k8s_find_pod(&c->snapshot.cluster, ns, slash + 1)) {
		return 0;
	}
	*slash = 0;
	p->proto = proto;
	p->has_proto = true;
	return 0;
}

/* "https://web.shop:8443/path": the host and port; the scheme gives a port where none is written. */
static char *take_url(char *text, struct trace_place *p)
{
	char *host = strstr(text, "://");
	if (!host) {
		return text;
	}
	*host = 0;
	host += 3;
	host[strcspn(host, "/?#")] = 0;
	p->has_port = strcmp(text, "http") == 0 || strcmp(text, "https") == 0;
	p->port = strcmp(text, "https") == 0 ? 443 : 80;
	return host;
}

static int take_port(struct context *c, const char *whole, char *text, struct trace_place *p, char **ret_host)
{
	char *colon = strrchr(text, ':'), *end = strchr(text, ']');
	struct ip_addr a;
	uint64_t n;
	*ret_host = text;
	if (text[0] == '[') {
		if (!end || (end[1] && end[1] != ':')) {
			return usage_error(c, "'%s': an IPv6 address with a port is written [ADDRESS]:PORT",
					   whole);
		}
		*end = 0;
		*ret_host = text + 1;
		colon = end[1] ? end + 1 : NULL;
	} else if (ip_addr_parse(text, &a) == 0) {
		colon = NULL;
	}
	if (!colon) {
		return 0;
	}
	*colon++ = 0;
	if (parse_uint(colon, strlen(colon), 65535, &n) == 0) {
		p->port = (uint16_t)n;
		p->has_port = n > 0;
	} else if (is_k8s_name(colon) && strspn(colon, "0123456789") < strlen(colon)) {
		p->port_name = colon;
	}
	if (!p->has_port && !p->port_name) {
		const char *slash = strchr(colon, '/');
		return slash ? usage_error(c, "'%s': '%s' is no protocol", whole, slash + 1)
			     : usage_error(c, "'%s': '%s' is no port", whole, colon);
	}
	return 0;
}

int trace_place_parse(struct context *c, const char *text, bool is_source, struct trace_place *ret)
{
	struct trace_place p = { 0 };
	char *copy = arena_strdup(&c->arena, text), *host;
	if (!copy) {
		return -ENOMEM;
	}
	bool url = strstr(copy, "://") != NULL;
	copy = take_url(copy, &p);
	int r = url ? 0 : take_proto(c, copy, &p);
	if (r == 0) {
		r = take_port(c, text, copy, &p, &host);
	}
	if (r == 0) {
		r = find_host(c, host, is_source, &p);
	}
	if (r != 0) {
		return r;
	}
	if (!found(&p)) {
		return not_found(c, host);
	}
	if (is_source && p.service) {
		return usage_error(c,
				   "a Service sends nothing: '%s' must be a pod, a node, an address, "
				   "'outside' or 'localhost'",
				   text);
	}
	if (is_source && (p.has_proto || p.port_name)) {
		return usage_error(c, "'%s': the protocol and the port's name belong to the destination",
				   text);
	}
	*ret = p;
	return 0;
}

/* ---- one family ---- */

static bool pick(const struct ip_addr *v, size_t n, int family, struct ip_addr *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].family == family) {
			*ret = v[i];
			return true;
		}
	}
	return false;
}

/* An address of the node: what the API calls internal, else the first one of its links that is of global scope. */
static bool pick_node(struct context *c, const struct trace_place *p, int family, struct ip_addr *ret)
{
	for (size_t i = 0; p->node && i < p->node->naddresses; i++) {
		const struct k8s_node_address *a = &p->node->addresses[i];
		if (a->ip.family == family && strcmp(a->type, "InternalIP") == 0) {
			*ret = a->ip;
			return true;
		}
	}
	const struct snap_node *n = snapshot_node(&c->snapshot, p->node_name, false);
	for (size_t i = 0; n && i < n->facts.addrs.len; i++) {
		const struct node_address *a = &n->facts.addrs.v[i];
		if (a->addr.family == family && a->scope == SCOPE_GLOBAL) {
			*ret = a->addr;
			return true;
		}
	}
	return false;
}

static bool pick_address(struct context *c, const struct trace_place *p, int family, struct ip_addr *ret)
{
	bool v6 = family == AF_INET6;
	if (p->addr.family) {
		*ret = p->addr;
		return p->addr.family == family;
	}
	if (p->outside) {
		return ip_addr_parse(v6 ? OUTSIDE_IPV6 : OUTSIDE_IPV4, ret) == 0;
	}
	if (p->localhost) {
		return ip_addr_parse(v6 ? "::1" : "127.0.0.1", ret) == 0;
	}
	if (p->pod) {
		return pick(p->pod->ips, p->pod->nips, family, ret);
	}
	if (p->service) {
		return pick(p->service->cluster_ips, p->service->ncluster_ips, family, ret);
	}
	return pick_node(c, p, family, ret);
}

/* The address that the node's kernel takes for this destination, where routes tell. */
static void settle_node_source(struct context *c, struct trace_place *src, const struct ip_addr *dst)
{
	const struct snap_node *n = src->node_name ? snapshot_node(&c->snapshot, src->node_name, false)
						   : NULL;
	struct node_route_result route = { 0 };
	const struct node_route_query q = { .dst = *dst };
	if (!n || src->pod || !src->on_node) {
		return;
	}
	node_route_lookup(&n->facts, &q, &route);
	if (route.src.family == dst->family) {
		src->addr = route.src;
	}
}

static int no_address(struct context *c, const struct trace_place *src, const struct trace_place *dst)
{
	if (dst->service && dst->service->ncluster_ips == 0) {
		const struct k8s_meta *m = &dst->service->meta;
		return usage_error(c, "%s/%s %s: trace to one of its pods instead%s", m->ns, m->name,
				   dst->service->headless ? "is headless and has no address of its own"
							  : "has no ClusterIP",
				   trace_pods_of(c, dst->service));
	}
	if (src->addr.family && dst->addr.family) {
		return usage_error(c, "source and destination are of different address families");
	}
	return usage_error(c, "source and destination have no addresses of one family%s",
			   (src->pod && !src->pod->nips) || (dst->pod && !dst->pod->nips)
				   ? ": a pod has none at all"
				   : "");
}

static int settle_addresses(struct context *c, struct trace_place *src, struct trace_place *dst)
{
	static const int families[] = { AF_INET, AF_INET6 };
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct ip_addr s, d;
		if (pick_address(c, src, families[i], &s) && pick_address(c, dst, families[i], &d)) {
			bool chosen = src->addr.family != 0;
			src->addr = s;
			dst->addr = d;
			if (!chosen) {
				settle_node_source(c, src, &d);
			}
			return 0;
		}
	}
	return no_address(c, src, dst);
}

/* ---- port and protocol ---- */

/* The Service whose address this is; with several (external IPs), one that has the port. */
static const struct k8s_service *service_of(const struct context *c, const struct trace_place *p)
{
	const struct k8s_service *first = NULL;
	for (size_t i = 0; i < c->snapshot.cluster.services.len; i++) {
		const struct k8s_service *s = c->snapshot.cluster.services.v[i];
		if (!trace_service_has(s, &p->addr)) {
			continue;
		}
		for (size_t k = 0; k < s->nports; k++) {
			if (s->ports[k].port == p->port) {
				return s;
			}
		}
		first = first ? first : s;
	}
	return first;
}

static const char *list_ports(struct context *c, const struct k8s_service *s)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	for (size_t i = 0; i < s->nports; i++) {
		const struct k8s_service_port *p = &s->ports[i];
		strbuf_addf(&b, "%s%u/%s", i ? ", " : "", p->port, proto_name(p->proto));
		if (*p->name) {
			strbuf_addf(&b, " (%s)", p->name);
		}
	}
	const char *text = arena_clean(&c->arena, s->nports ? strbuf_str(&b) : "none");
	return text ? text : "";
}

static bool proto_fits(const struct trace_place *p, uint8_t proto)
{
	return !p->has_proto || p->proto == proto;
}

/* No port, or a name that none has: which there are, and which one leads to a port of that name at the pods. */
static int no_such_port(struct context *c, const struct k8s_service *s, const struct trace_place *dst)
{
	if (!dst->port_name) {
		return usage_error(c, "which port of %s/%s? it has %s", s->meta.ns, s->meta.name, list_ports(c, s));
	}
	for (size_t i = 0; i < s->nports; i++) {
		const struct k8s_service_port *p = &s->ports[i];
		if (p->target.name && strcmp(p->target.name, dst->port_name) == 0) {
			return usage_error(c, "%s/%s has no port '%s', it has %s; '%s' is the target port of %u/%s: ask %s/%s:%u",
					   s->meta.ns, s->meta.name, dst->port_name, list_ports(c, s), dst->port_name, p->port,
					   proto_name(p->proto), s->meta.ns, s->meta.name, p->port);
		}
	}
	return usage_error(c, "%s/%s has no port '%s'%s%s, it has %s", s->meta.ns, s->meta.name, dst->port_name,
			   dst->has_proto ? " for " : "", dst->has_proto ? proto_name(dst->proto) : "", list_ports(c, s));
}

static int settle_service_port(struct context *c, const struct k8s_service *s, struct trace_place *dst)
{
	const struct k8s_service_port *hit = NULL;
	size_t hits = 0;
	for (size_t i = 0; i < s->nports; i++) {
		const struct k8s_service_port *p = &s->ports[i];
		bool same = dst->has_port ? p->port == dst->port
					  : !dst->port_name || strcmp(p->name, dst->port_name) == 0;
		if (same && proto_fits(dst, p->proto)) {
			hit = hit ? hit : p;
			hits++;
		}
	}
	if (hit && (hits == 1 || dst->has_port)) {
		dst->port = hit->port;
		dst->proto = hit->proto;
		dst->has_port = dst->has_proto = true;
		return 0;
	}
	if (dst->has_port) {
		return 0;
	}
	return no_such_port(c, s, dst);
}

/* A pod's only container port, or the one of that name. */
static void settle_pod_port(struct trace_place *dst)
{
	const struct k8s_container_port *hit = NULL;
	size_t hits = 0;
	for (size_t i = 0; i < dst->pod->ncontainers; i++) {
		const struct k8s_container *k = &dst->pod->containers[i];
		for (size_t j = 0; j < k->nports; j++) {
			const struct k8s_container_port *p = &k->ports[j];
			bool same = dst->has_port ? p->port == dst->port
						  : !dst->port_name ||
							    (p->name && strcmp(p->name, dst->port_name) == 0);
			if (same && proto_fits(dst, p->proto)) {
				hit = hit ? hit : p;
				hits++;
			}
		}
	}
	if (hit && (hits == 1 || dst->has_port)) {
		dst->port = hit->port;
		dst->proto = hit->proto;
		dst->has_port = dst->has_proto = true;
	}
}

/* A node port's protocol, where the API has that number. */
static void settle_node_port(const struct context *c, struct trace_place *dst)
{
	for (size_t i = 0; !dst->has_proto && dst->has_port && i < c->snapshot.cluster.services.len; i++) {
		const struct k8s_service *s = c->snapshot.cluster.services.v[i];
		for (size_t k = 0; k < s->nports; k++) {
			if (s->ports[k].node_port == dst->port) {
				dst->proto = s->ports[k].proto;
				dst->has_proto = true;
				return;
			}
		}
	}
}

static int settle_port(struct context *c, struct trace_place *dst)
{
	bool portless = dst->has_proto && dst->proto != IPPROTO_TCP && dst->proto != IPPROTO_UDP &&
			dst->proto != IPPROTO_SCTP;
	if (portless) {
		return dst->has_port || dst->port_name
			       ? usage_error(c, "%s has no ports", proto_name(dst->proto))
			       : 0;
	}
	const struct k8s_service *s = dst->service ? dst->service : service_of(c, dst);
	if (s) {
		int r = settle_service_port(c, s, dst);
		if (r != 0) {
			return r;
		}
		if (trace_node_of_address(c, &dst->addr)) { /* an external IP may be one, too */
			settle_node_port(c, dst);
		}
	} else if (dst->pod) {
		settle_pod_port(dst);
	} else {
		settle_node_port(c, dst);
	}
	if (!dst->has_port) {
		return usage_error(c, "which port? write it behind the destination: %s",
				   dst->addr.family == AF_INET6 ? "[ADDRESS]:PORT" : "DST:PORT");
	}
	if (!dst->has_proto) {
		dst->proto = IPPROTO_TCP;
		dst->has_proto = dst->proto_assumed = true;
	}
	return 0;
}

/* An address that no pod has starts where the node's pod range has it. */
static const char *node_of_range(const struct context *c, const struct ip_addr *a)
{
	const struct k8s_node *n = k8s_node_of_ip(&c->snapshot.cluster, a);
	return n ? n->meta.name : NULL;
}

int trace_places_settle(struct context *c, struct trace_place *src, struct trace_place *dst)
{
	int r = settle_addresses(c, src, dst);
	if (r == 0) {
		if (!dst->service) {
			dst->service = service_of(c, dst);
		}
		if (!dst->pod && !dst->service) {
			dst->pod = map_get(&c->snapshot.cluster.pod_by_ip, &dst->addr, sizeof(dst->addr));
		}
		if (!src->pod && !src->node_name) {
			src->pod = map_get(&c->snapshot.cluster.pod_by_ip, &src->addr, sizeof(src->addr));
			src->node_name = src->pod ? src->pod->node : node_of_range(c, &src->addr);
		}
		r = settle_port(c, dst);
	}
	return r;
}
