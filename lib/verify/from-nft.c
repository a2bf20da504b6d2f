/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Services read back from the table kube-proxy of nftables mode. Its maps name every frontend; a chain that an element leads
 * to has the Service and port in its name, an element that refuses has them in its comment. A load-balancer IP without
 * source ranges looks like an external IP, and is served like one.
 */
#include <errno.h>

#include "from-private.h"

#define DEPTH_MAX 3

/* ---- endpoints ---- */

static bool data_address(const struct rs_set *s, const struct rs_elem *e, struct ip_addr *ret)
{
	uint32_t be;

	if (!e->data || s->ndata == 0)
		return false;
	if (s->data_kinds[0] == VALUE_ADDR6) {
		*ret = e->data[0].u.addr6->lo;
		ret->family = AF_INET6;
		return true;
	}
	if (s->data_kinds[0] != VALUE_ADDR4)
		return false;
	*ret = (struct ip_addr){ .family = AF_INET };
	be = htonl(e->data[0].u.num.lo);
	memcpy(ret->b, &be, sizeof(be));
	return true;
}

/* Endpoints of this node are those that may be clients of themselves. */
static int add_endpoint(struct maker *m, struct made_port *p, const struct ip_addr *a, uint16_t port, bool local)
{
	return maker_endpoint(m, p, a, port, local || map_get(&m->here, a, sizeof(*a)));
}

static int add_map(struct maker *m, struct made_port *p, const struct rs_nat *nat, bool local)
{
	const struct rs_set *s = nat->addr_map->set;
	struct ip_addr a;
	int r = 0;

	for (size_t i = 0; r == 0 && s && i < s->nelems; i++) {
		const struct rs_elem *e = &s->elems[i];

		if (!data_address(s, e, &a))
			continue;
		if (nat->addr_map_has_port && s->ndata > 1)
			r = add_endpoint(m, p, &a, (uint16_t)e->data[1].u.num.lo, local);
		else if (nat->has_port)
			r = add_endpoint(m, p, &a, nat->port_lo, local);
	}
	return r;
}

static int add_chain(struct maker *m, struct made_service *s, struct made_port *p, const struct rs_chain *c, bool local, unsigned depth);

static int add_statement(struct maker *m, struct made_service *s, struct made_port *p, const struct rs_stmt *st, bool local, unsigned depth)
{
	const struct rs_set *set;
	int r = 0;

	switch ((enum rs_stmt_kind)st->kind) {
	case ST_DNAT:
		if (st->u.nat->addr_map)
			return add_map(m, p, st->u.nat, local);
		return st->u.nat->has_addr && st->u.nat->has_port ? add_endpoint(m, p, &st->u.nat->lo, st->u.nat->port_lo, local) : 0;
	case ST_JUMP:
	case ST_GOTO:
		return st->u.target && depth ? add_chain(m, s, p, st->u.target, local, depth - 1) : 0;
	case ST_VMAP:
		set = depth ? st->u.lookup->set : NULL;
		for (size_t i = 0; r == 0 && set && i < set->nelems; i++)
			if (set->elems[i].target)
				r = add_chain(m, s, p, set->elems[i].target, local, depth - 1);
		return r;
	default:
		return 0;
	}
}

static int add_chain(struct maker *m, struct made_service *s, struct made_port *p, const struct rs_chain *c, bool local, unsigned depth)
{
	int r = 0;

	local = local || str_starts(c->name, "local-");
	for (uint32_t i = 0; r == 0 && i < c->nrules; i++) {
		const struct rs_rule *rule = c->rules[i];

		for (unsigned k = 0; k < rule->nconds; k++)
			if (rule->conds[k].field == FIELD_LOOKUP && rule->conds[k].u.lookup->name &&
			    str_starts(rule->conds[k].u.lookup->name, "affinity-"))
				s->object->affinity_client_ip = true;
		for (unsigned k = 0; r == 0 && k < rule->nstmts; k++)
			r = add_statement(m, s, p, &rule->stmts[k], local, depth);
	}
	return r;
}

/* ---- what the chains of outside addresses tell ---- */

/* "masquerade local traffic": only with policy Local the source is asked for. */
static void learn_external(struct made_service *s, const struct rs_chain *c)
{
	for (uint32_t i = 0; str_starts(c->name, "external-") && i < c->nrules; i++)
		if (rule_cond(c->rules[i], FIELD_SADDR_TYPE))
			s->object->external_local = true;
}

static int add_range(struct maker *m, struct made_service *s, const struct ip_prefix *p)
{
	char buf[IP_PREFIX_STRLEN];
	const char *text = arena_strdup(m->arena, ip_prefix_format(p, buf));

	for (size_t i = 0; text && i < s->ranges.len; i++)
		if (strcmp(s->ranges.v[i], text) == 0)
			return 0;
	return text ? array_push(&s->ranges, text) : -ENOMEM;
}

/* The prefix that a range of addresses is; kube-proxy writes no others. */
static bool prefix_of(const struct rs_set *set, const struct rs_elem *e, struct ip_prefix *ret)
{
	struct rs_addr_range r = { 0 };
	uint32_t lo, hi;

	if (!e->keys || set->nfields != 1)
		return false;
	if (set->part_kinds[0] == VALUE_ADDR6) {
		r = *e->keys[0].u.addr6;
	} else if (set->part_kinds[0] == VALUE_ADDR4) {
		lo = htonl(e->keys[0].u.num.lo);
		hi = htonl(e->keys[0].u.num.hi);
		r.lo.family = r.hi.family = AF_INET;
		memcpy(r.lo.b, &lo, sizeof(lo));
		memcpy(r.hi.b, &hi, sizeof(hi));
	} else {
		return false;
	}
	*ret = (struct ip_prefix){ r.lo, 0 };
	for (unsigned bit = 0; bit < 8 * ip_addr_size(&r.lo); bit++) {
		struct ip_addr last;

		ret->len = (uint8_t)bit;
		last = ip_prefix_last(ret);
		if (ip_addr_equal(&last, &r.hi))
			return true;
	}
	ret->len = (uint8_t)(8 * ip_addr_size(&r.lo));
	return ip_addr_equal(&r.lo, &r.hi);
}

static int learn_firewall(struct maker *m, struct made_service *s, const struct rs_chain *c)
{
	struct ip_prefix p;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < c->nrules; i++) {
		for (unsigned k = 0; r == 0 && k < c->rules[i]->nconds; k++) {
			const struct rs_cond *cond = &c->rules[i]->conds[k];
			const struct rs_set *set = cond->field == FIELD_LOOKUP && cond->negate ? cond->u.lookup->set : NULL;

			if (cond->field == FIELD_SADDR && cond->negate && vcond_prefix(cond, &p))
				r = add_range(m, s, &p);
			for (size_t e = 0; r == 0 && set && e < set->nelems; e++)
				if (prefix_of(set, &set->elems[e], &p))
					r = add_range(m, s, &p);
		}
	}
	return r;
}

/* ---- elements ---- */

enum map_role { MAP_FIREWALL, MAP_ADDRESS, MAP_NODE_PORT };

static int port_of_element(struct maker *m, const struct rs_elem *e, uint8_t proto, struct made_service **ret_service, struct made_port **ret_port)
{
	char text[RULE_COMMENT_MAX];
	const char *ns, *name, *port, *rest;
	struct vchain_name n;

	if (e->target && vchain_service(e->target->name, &n)) {
		if (snprintf(text, sizeof(text), "%.*s/%.*s:%.*s", (int)n.ns_len, n.ns, (int)n.name_len, n.name, (int)n.port_len, n.port) >=
		    (int)sizeof(text))
			return 0;
	} else if (!e->comment || snprintf(text, sizeof(text), "%s", e->comment) >= (int)sizeof(text)) {
		return 0;
	}
	if (!maker_split_name(text, &ns, &name, &port, &rest))
		return 0;
	*ret_service = maker_service(m, ns, name);
	*ret_port = *ret_service ? maker_port(m, *ret_service, port, proto) : NULL;
	return *ret_port ? 1 : -ENOMEM;
}

static bool has_ingress(const struct made_service *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->ingress.len; i++)
		if (ip_addr_equal(&s->ingress.v[i].ip, a))
			return true;
	return false;
}

static int learn_address(struct made_service *s, const struct rs_elem *e, const struct ip_addr *a, const struct map *cluster_ips)
{
	bool drops = e->verdict == ST_DROP;

	if (map_get(cluster_ips, a, sizeof(*a))) {
		s->object->internal_local |= drops || (e->target && str_starts(e->target->name, "local-"));
		return maker_cluster_ip(s, a);
	}
	s->object->external_local |= drops;
	return has_ingress(s, a) ? 0 : maker_external_ip(s, a);
}

static int learn_element(struct maker *m, const struct rs_set *set, const struct rs_elem *e, enum map_role role, const struct map *cluster_ips)
{
	struct vfrontend_key k;
	struct made_service *s;
	struct made_port *p;
	int r = velem_key(set, e, &k) ? port_of_element(m, e, k.proto, &s, &p) : 0;

	if (r <= 0)
		return r;
	if (role == MAP_NODE_PORT) {
		p->port.node_port = k.port;
		s->object->external_local |= e->verdict == ST_DROP;
		if (strcmp(s->object->type, "ClusterIP") == 0)
			s->object->type = "NodePort";
		r = 0;
	} else {
		p->port.port = k.port;
		r = role == MAP_FIREWALL ? maker_ingress(s, &k.addr) : learn_address(s, e, &k.addr, cluster_ips);
	}
	if (r < 0 || !e->target)
		return r;
	if (role == MAP_FIREWALL)
		return learn_firewall(m, s, e->target);
	learn_external(s, e->target);
	return add_chain(m, s, p, e->target, false, DEPTH_MAX);
}

int maker_learn_nftables(struct maker *m)
{
	static const struct {
		const char *name;
		enum map_role role;
	} maps[] = { { "firewall-ips", MAP_FIREWALL }, { "service-ips", MAP_ADDRESS }, { "no-endpoint-services", MAP_ADDRESS },
		     { "service-nodeports", MAP_NODE_PORT }, { "no-endpoint-nodeports", MAP_NODE_PORT } };
	int r = 0;

	for (unsigned six = 0; r == 0 && six < 2; six++) {
		const struct rs_table *t = ruleset_find_table(&m->node->rules, BACKEND_NFT, six ? RS_IP6 : RS_IP4, "kube-proxy");
		CLEANUP(map_release) struct map cluster_ips = { 0 };

		if (!t || t->xtables)
			continue;
		r = vset_addresses(m->arena, ruleset_find_set(&m->node->rules, t, "cluster-ips"), &cluster_ips);
		if (r == 0)
			r = vset_addresses(m->arena, ruleset_find_set(&m->node->rules, t, "hairpin-connections"), &m->here);
		for (size_t i = 0; r == 0 && i < ARRAY_LEN(maps); i++) {
			const struct rs_set *s = ruleset_find_set(&m->node->rules, t, maps[i].name);

			for (size_t k = 0; r == 0 && s && k < s->nelems; k++)
				r = learn_element(m, s, &s->elems[k], maps[i].role, &cluster_ips);
		}
	}
	return r;
}
