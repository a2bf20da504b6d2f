/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Services read back from one node's rules, for a dump without cluster objects. kube-proxy names the Service in the
 * comments of its entries and the endpoint in the comments of its balancing rules; where those contradict the rules
 * themselves (a chain without its DNAT, shares that do not add up, a jump that is missing) verify finds it. Whether the
 * Services and endpoints are the right ones only the API can tell.
 */
#include <errno.h>
#include <netinet/in.h>

#include "from-private.h"

#define ENDPOINTS_MAX 100000u

static void maker_release(struct maker *m)
{
	for (size_t i = 0; i < m->services.len; i++) {
		struct made_service *s = m->services.v[i];

		for (size_t k = 0; k < s->ports.len; k++)
			array_free(&s->ports.v[k].endpoints);
		array_free(&s->ports);
		array_free(&s->cluster_ips);
		array_free(&s->external_ips);
		array_free(&s->ingress);
		array_free(&s->ranges);
		free(s);
	}
	array_free(&m->services);
	map_release(&m->by_name);
	map_release(&m->here);
}

bool rule_comment(const struct rs_rule *r, char buf[static RULE_COMMENT_MAX])
{
	static const char key[] = "--comment ";
	const char *p = memmem(r->text, r->text_len, key, sizeof(key) - 1), *end;
	size_t left, n;

	if (!p)
		return false;
	p += sizeof(key) - 1;
	left = r->text_len - (size_t)(p - r->text);
	if (left && *p == '"') {
		p++;
		left--;
		end = memchr(p, '"', left);
	} else {
		end = memchr(p, ' ', left);
	}
	n = end ? (size_t)(end - p) : left;
	if (n >= RULE_COMMENT_MAX)
		return false;
	memcpy(buf, p, n);
	buf[n] = '\0';
	return true;
}

bool maker_split_name(char *text, const char **ns, const char **name, const char **port, const char **rest)
{
	char *slash = strchr(text, '/'), *space, *colon;

	if (!slash || slash == text)
		return false;
	*slash = '\0';
	space = strchr(slash + 1, ' ');
	*rest = "";
	if (space) {
		*space = '\0';
		*rest = space + 1;
	}
	colon = strchr(slash + 1, ':');
	*port = "";
	if (colon) {
		*colon = '\0';
		*port = colon + 1;
	}
	*ns = text;
	*name = slash + 1;
	return is_k8s_name(*ns) && is_k8s_name(*name);
}

struct made_service *maker_service(struct maker *m, const char *ns, const char *name)
{
	char *key = arena_printf(m->arena, "%s/%s", ns, name);
	struct made_service *s = key ? map_gets(&m->by_name, key) : NULL;

	if (s || !key)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->object = arena_new(m->arena, struct k8s_service);
	if (!s->object || array_push(&m->services, s) < 0) {
		free(s);
		return NULL;
	}
	s->object->meta.ns = arena_strdup(m->arena, ns);
	s->object->meta.name = arena_strdup(m->arena, name);
	s->object->type = "ClusterIP";
	s->object->affinity_timeout = 10800;
	s->object->allocate_node_ports = -1;
	if (!s->object->meta.ns || !s->object->meta.name || map_puts(&m->by_name, key, s) < 0)
		return NULL;
	return s;
}

struct made_port *maker_port(struct maker *m, struct made_service *s, const char *name, uint8_t proto)
{
	struct made_port p = { .port = { .proto = proto } };

	for (size_t i = 0; i < s->ports.len; i++)
		if (s->ports.v[i].port.proto == proto && strcmp(s->ports.v[i].port.name, name) == 0)
			return &s->ports.v[i];
	p.port.name = arena_strdup(m->arena, name);
	if (!p.port.name || array_push(&s->ports, p) < 0)
		return NULL;
	return &s->ports.v[s->ports.len - 1];
}

/* "… -> 10.244.1.5:80" in a balancing rule, or the DNAT of the chain that it leads to. */
static bool endpoint_of(const struct rs_rule *r, struct ip_addr *addr, uint16_t *port)
{
	const struct rs_chain *sep = rule_chain(r);
	char comment[RULE_COMMENT_MAX];
	const char *arrow, *colon;
	uint64_t v;

	if (rule_comment(r, comment) && (arrow = strstr(comment, " -> ")) && (colon = strrchr(arrow, ':'))) {
		const char *a = arrow + 4;
		size_t n = (size_t)(colon - a);

		if (n > 2 && *a == '[') {
			a++;
			n -= 2;
		}
		if (ip_addr_parsen(a, n, addr) == 0 && parse_uint(colon + 1, strlen(colon + 1), 65535, &v) == 0) {
			*port = (uint16_t)v;
			return true;
		}
	}
	for (uint32_t i = 0; sep && i < sep->nrules; i++) {
		const struct rs_stmt *s = rule_target(sep->rules[i]);

		if (s && s->kind == ST_DNAT && s->u.nat && s->u.nat->has_addr && s->u.nat->has_port) {
			*addr = s->u.nat->lo;
			*port = s->u.nat->port_lo;
			return true;
		}
	}
	return false;
}

int maker_endpoint(struct maker *m, struct made_port *p, const struct ip_addr *a, uint16_t port, bool local)
{
	struct k8s_endpoint e = { .ip = *a, .ready = 1, .serving = 1, .terminating = 0 };
	char buf[IP_ADDR_STRLEN];
	const char **text = arena_new(m->arena, const char *);

	if (local)
		e.node_name = m->own_name;
	for (size_t i = 0; i < p->endpoints.len; i++) {
		if (!ip_addr_equal(&p->endpoints.v[i].ip, a) || p->port.target.number != port)
			continue;
		if (local)
			p->endpoints.v[i].node_name = m->own_name;
		return 0;
	}
	if (p->endpoints.len && p->port.target.number != port)
		return 0; /* a port of its own for each endpoint: told by the API only */
	if (!text || p->endpoints.len >= ENDPOINTS_MAX)
		return text ? 0 : -ENOMEM;
	*text = arena_strdup(m->arena, ip_addr_format(a, buf));
	e.addresses = text;
	e.naddresses = 1;
	p->port.target.number = port;
	return *text ? array_push(&p->endpoints, e) : -ENOMEM;
}

/* KUBE-XLB is what KUBE-EXT and KUBE-SVL were in one up to 1.23, for policy Local only. */
static bool is_external_chain(const struct rs_chain *c)
{
	return str_starts(c->name, "KUBE-EXT-") || str_starts(c->name, "KUBE-XLB-");
}

static int add_endpoints(struct maker *m, struct made_service *s, struct made_port *p, const struct rs_chain *c, unsigned depth)
{
	for (uint32_t i = 0; c && i < c->nrules; i++) {
		const struct rs_chain *t = rule_chain(c->rules[i]);
		struct ip_addr a;
		uint16_t port;
		int r = 0;

		for (unsigned k = 0; k < c->rules[i]->nconds; k++)
			if (c->rules[i]->conds[k].field == FIELD_RECENT)
				s->object->affinity_client_ip = true;
		if (t && str_starts(t->name, "KUBE-SEP-") && endpoint_of(c->rules[i], &a, &port))
			r = maker_endpoint(m, p, &a, port, str_starts(c->name, "KUBE-SVL-") || str_starts(c->name, "KUBE-XLB-"));
		else if (t && depth > 0 && (str_starts(t->name, "KUBE-SVC-") || str_starts(t->name, "KUBE-SVL-") || is_external_chain(t)))
			r = add_endpoints(m, s, p, t, depth - 1);
		if (r < 0)
			return r;
	}
	return 0;
}

/* KUBE-EXT of a Local Service asks for the source before it masquerades. */
static void learn_external(struct made_service *s, const struct rs_chain *ext)
{
	for (uint32_t i = 0; ext && is_external_chain(ext) && i < ext->nrules; i++)
		if (rule_cond(ext->rules[i], FIELD_SADDR_TYPE))
			s->object->external_local = true;
}

static int learn_firewall(struct maker *m, struct made_service *s, const struct rs_chain *fw)
{
	for (uint32_t i = 0; fw && str_starts(fw->name, "KUBE-FW-") && i < fw->nrules; i++) {
		const struct rs_rule *r = fw->rules[i];
		const char *from = memmem(r->text, r->text_len, " -s ", 4), *end, *range;
		size_t left;

		learn_external(s, rule_chain(r));
		if (!from)
			continue;
		from += 4;
		left = r->text_len - (size_t)(from - r->text);
		end = memchr(from, ' ', left);
		range = arena_strndup(m->arena, from, end ? (size_t)(end - from) : left);
		if (!range || array_push(&s->ranges, range) < 0)
			return -ENOMEM;
	}
	return 0;
}

static bool has_addr(const struct ip_addr *v, size_t n, const struct ip_addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (ip_addr_equal(&v[i], a))
			return true;
	return false;
}

int maker_cluster_ip(struct made_service *s, const struct ip_addr *a)
{
	return has_addr(s->cluster_ips.v, s->cluster_ips.len, a) ? 0 : array_push(&s->cluster_ips, *a);
}

int maker_external_ip(struct made_service *s, const struct ip_addr *a)
{
	return has_addr(s->external_ips.v, s->external_ips.len, a) ? 0 : array_push(&s->external_ips, *a);
}

int maker_ingress(struct made_service *s, const struct ip_addr *a)
{
	struct k8s_ingress_point point = { .ip = *a };

	s->object->type = "LoadBalancer";
	for (size_t i = 0; i < s->ingress.len; i++)
		if (ip_addr_equal(&s->ingress.v[i].ip, a))
			return 0;
	return array_push(&s->ingress, point);
}

/* One entry of KUBE-SERVICES or KUBE-NODEPORTS, of nat or (a refusal) of filter. */
static int learn_entry(struct maker *m, const struct rs_rule *r)
{
	const char *ns, *name, *port_name, *rest;
	char comment[RULE_COMMENT_MAX];
	struct made_service *s;
	struct made_port *p;
	uint32_t proto, dport;
	struct ip_addr a;
	bool refusal = strcmp(r->chain->table->name, "filter") == 0;
	int res = 0;

	if (!rule_comment(r, comment) || !maker_split_name(comment, &ns, &name, &port_name, &rest) ||
	    !rule_number(r, FIELD_PROTO, &proto) || !rule_number(r, FIELD_DPORT, &dport) || strstr(rest, "health check"))
		return 0;
	s = maker_service(m, ns, name);
	p = s ? maker_port(m, s, port_name, (uint8_t)proto) : NULL;
	if (!p)
		return -ENOMEM;
	if (refusal && strstr(rest, "no local endpoints"))
		*(strcmp(r->chain->name, "KUBE-EXTERNAL-SERVICES") == 0 ? &s->object->external_local : &s->object->internal_local) = true;
	if (!rule_host(r, FIELD_DADDR, &a)) {
		if (!rule_cond(r, FIELD_DADDR)) {
			p->port.node_port = (uint16_t)dport;
			s->object->type = "NodePort";
		}
	} else if (strstr(rest, "loadbalancer")) {
		p->port.port = (uint16_t)dport;
		res = maker_ingress(s, &a);
	} else if (strstr(rest, "external IP")) {
		p->port.port = (uint16_t)dport;
		res = maker_external_ip(s, &a);
	} else if (strstr(rest, "cluster IP") || (refusal && strcmp(r->chain->name, "KUBE-SERVICES") == 0)) {
		p->port.port = (uint16_t)dport;
		res = maker_cluster_ip(s, &a);
		if (rule_chain(r) && str_starts(rule_chain(r)->name, "KUBE-SVL-"))
			s->object->internal_local = true;
	}
	if (res == 0)
		res = learn_firewall(m, s, rule_chain(r));
	learn_external(s, rule_chain(r));
	return res < 0 ? res : add_endpoints(m, s, p, rule_chain(r), 2);
}

static int learn_chain(struct maker *m, const struct rs_table *t, const char *chain)
{
	const struct rs_chain *c = table_find_chain(t, chain);

	for (uint32_t i = 0; c && i < c->nrules; i++) {
		int r = learn_entry(m, c->rules[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static void *copy_of(struct arena *a, const void *v, size_t n, size_t size)
{
	void *p = arena_alloc(a, n * size);

	return p && n ? memcpy(p, v, n * size) : p;
}

static int finish_slice(struct maker *m, const struct made_service *s, const struct made_port *p, int family)
{
	struct k8s_slice *slice = arena_new(m->arena, struct k8s_slice);
	struct k8s_slice_port *port = arena_new(m->arena, struct k8s_slice_port);
	struct k8s_endpoint *e = copy_of(m->arena, p->endpoints.v, p->endpoints.len, sizeof(*e));
	size_t n = 0;

	if (!slice || !port || !e)
		return -ENOMEM;
	for (size_t i = 0; i < p->endpoints.len; i++)
		if (p->endpoints.v[i].ip.family == family)
			e[n++] = p->endpoints.v[i];
	*port = (struct k8s_slice_port){ p->port.name, p->port.proto, n > 0, p->port.target.number };
	slice->meta.ns = s->object->meta.ns;
	slice->meta.name = arena_printf(m->arena, "%s-%s-%u-%s", s->object->meta.name, p->port.name, p->port.proto,
					family == AF_INET ? "v4" : "v6");
	slice->service = s->object->meta.name;
	slice->address_type = family == AF_INET ? "IPv4" : "IPv6";
	slice->endpoints = e;
	slice->nendpoints = n;
	slice->ports = port;
	slice->nports = 1;
	return slice->meta.name ? array_push(&m->s->cluster.slices, slice) : -ENOMEM;
}

static int finish_service(struct maker *m, struct made_service *s)
{
	struct k8s_service *o = s->object;
	struct k8s_service_port *ports = arena_array(m->arena, struct k8s_service_port, s->ports.len);
	int r = 0;

	o->ports = ports;
	o->nports = s->ports.len;
	o->cluster_ips = copy_of(m->arena, s->cluster_ips.v, s->cluster_ips.len, sizeof(struct ip_addr));
	o->ncluster_ips = s->cluster_ips.len;
	o->external_ips = copy_of(m->arena, s->external_ips.v, s->external_ips.len, sizeof(struct ip_addr));
	o->nexternal_ips = s->external_ips.len;
	o->ingress = copy_of(m->arena, s->ingress.v, s->ingress.len, sizeof(struct k8s_ingress_point));
	o->ningress = s->ingress.len;
	o->source_ranges = copy_of(m->arena, s->ranges.v, s->ranges.len, sizeof(const char *));
	o->nsource_ranges = s->ranges.len;
	if (!ports || !o->cluster_ips || !o->external_ips || !o->ingress || !o->source_ranges)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < s->ports.len; i++) {
		ports[i] = s->ports.v[i].port;
		r = finish_slice(m, s, &s->ports.v[i], AF_INET);
		if (r == 0)
			r = finish_slice(m, s, &s->ports.v[i], AF_INET6);
	}
	m->s->cluster.finished = false;
	return r < 0 ? r : array_push(&m->s->cluster.services, o);
}

/* An entry without its ClusterIP (removed from the dump) leaves a Service without port: it cannot be judged. */
static bool is_whole(const struct made_service *s)
{
	for (size_t i = 0; i < s->ports.len; i++)
		if (s->ports.v[i].port.port == 0)
			return false;
	return s->cluster_ips.len > 0 && s->ports.len > 0;
}

static bool has_rules(const struct snap_node *n)
{
	return verify_has_proxy_rules(n) || verify_has_proxy_table(n, false) || verify_has_proxy_table(n, true);
}

static int learn_xtables(struct maker *m)
{
	static const char *const chains[] = { "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->node->rules.tables.len; i++) {
		const struct rs_table *t = m->node->rules.tables.v[i];

		if (!t->xtables || (strcmp(t->name, "nat") != 0 && strcmp(t->name, "filter") != 0))
			continue;
		for (size_t k = 0; r == 0 && k < ARRAY_LEN(chains); k++)
			r = learn_chain(m, t, chains[k]);
	}
	return r;
}

int verify_services_from_rules(struct snapshot *s)
{
	CLEANUP(maker_release) struct maker m = { .s = s, .arena = &s->cluster.arena };
	int r;

	if (s->any_cluster || s->cluster.services.len)
		return 0;
	for (size_t i = 0; i < s->nodes.len; i++) {
		if (!has_rules(s->nodes.v[i]))
			continue;
		if (m.node)
			return 0; /* several nodes contradict each other in ways that only the API settles */
		m.node = s->nodes.v[i];
	}
	if (!m.node)
		return 0;
	m.own_name = verify_own_name(m.arena, snapshot_proxy_config(s, m.node), m.node->name);
	if (!m.own_name)
		return -ENOMEM;
	r = verify_mode(s, m.node) == MODE_NFTABLES ? maker_learn_nftables(&m) : learn_xtables(&m);
	for (size_t i = 0; r == 0 && i < m.services.len; i++)
		if (is_whole(m.services.v[i]))
			r = finish_service(&m, m.services.v[i]);
	if (r == 0)
		r = k8s_cluster_finish(&s->cluster);
	s->services_from_rules = r == 0 && s->cluster.services.len > 0;
	return r < 0 ? r : (int)s->cluster.services.len;
}
