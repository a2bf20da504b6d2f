/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stale frontends: addresses and ports that kube-proxy's rules translate or refuse and that no Service has. What a rule
 * names is no proof: a packet to it is walked, and the rule must decide it. A chain that nothing leads to is never met.
 */
#include <errno.h>
#include <netinet/in.h>

#include "verify-private.h"

#define SOURCE_PORT 40000

/* A rule that names exactly one destination, or exactly one port of this node. */
struct candidate {
	struct vfrontend_key key;
	const struct rs_rule *rule;
	const struct ip_addr *closed; /* of a known node port: an address of the node that must not answer */
};

struct stale {
	struct vnode *v;
	struct verify_report *out;
	const struct map *known; /* struct vfrontend_key */
	struct map seen;	 /* chains, by pointer */
	struct arena scratch;
	ARRAY_OF(const struct rs_chain *) todo;
	ARRAY_OF(struct candidate) found;
	struct candidate node_port[2]; /* a known one of each family: all share the way to them */
	struct nat_result walk;
	struct nat_classes classes;
};

static void stale_release(struct stale *s)
{
	map_release(&s->seen);
	arena_release(&s->scratch);
	array_free(&s->todo);
	array_free(&s->found);
	nat_result_release(&s->walk);
	nat_classes_release(&s->classes);
}

static bool decides(const struct rs_rule *r)
{
	const struct rs_stmt *s = rule_target(r);

	return s && (s->kind == ST_JUMP || s->kind == ST_GOTO || s->kind == ST_DNAT || s->kind == ST_REJECT || s->kind == ST_DROP);
}

static int look_at(struct stale *s, const struct rs_rule *r, int family)
{
	struct candidate c = { .rule = r };
	const struct rs_chain *target = rule_chain(r);
	uint32_t port = 0, proto = 0;
	bool has_addr;

	memset(&c.key, 0, sizeof(c.key));
	has_addr = rule_host(r, FIELD_DADDR, &c.key.addr);
	if (!rule_number(r, FIELD_DPORT, &port) || !rule_number(r, FIELD_PROTO, &proto))
		return target && !has_addr ? array_push(&s->todo, target) : 0;
	c.key.addr.family = (uint8_t)family;
	c.key.port = (uint16_t)port;
	c.key.proto = (uint8_t)proto;
	if (!decides(r) || !is_proxy_chain(r->chain))
		return 0;
	if (!map_get(s->known, &c.key, sizeof(c.key)))
		return array_push(&s->found, c);
	if (ip_addr_is_zero(&c.key.addr) && target && !rule_cond(r, FIELD_DADDR) && !s->node_port[family == AF_INET6].rule)
		s->node_port[family == AF_INET6] = c;
	return 0;
}

static int gather(struct stale *s, int family)
{
	int r = 0;

	while (r == 0 && s->todo.len) {
		const struct rs_chain *c = s->todo.v[--s->todo.len];

		if (map_get(&s->seen, &c, sizeof(c)))
			continue;
		const struct rs_chain **key = arena_new(&s->scratch, const struct rs_chain *);

		if (!key)
			return -ENOMEM;
		*key = c;
		r = map_put(&s->seen, key, sizeof(*key), key);
		for (uint32_t i = 0; r == 0 && i < c->nrules; i++)
			r = look_at(s, c->rules[i], family);
	}
	return r;
}

static int start_at_hooks(struct stale *s, unsigned f)
{
	const struct ruleset *rs = &s->v->snap->rules;
	int r = 0;

	for (size_t i = 0; i < rs->tables.len; i++) {
		const struct rs_table *t = rs->tables.v[i];

		if (!t->xtables || t->family != (f ? RS_IP6 : RS_IP4) || t->backend != s->v->backend[f])
			continue;
		for (size_t k = 0; r == 0 && k < t->chain_list.len; k++)
			if (t->chain_list.v[k]->hook != HOOK_NONE && t->chain_list.v[k]->nrules)
				r = array_push(&s->todo, t->chain_list.v[k]);
	}
	return r;
}

/* Did that rule send the packet where it went, or refuse it? For a closed address any rule of its chain is as good. */
static bool decided_by(const struct nat_result *r, const struct candidate *c)
{
	const struct rs_rule *rule = c->rule;

	for (size_t i = 0; i < r->endings.len; i++) {
		const struct nat_ending *e = &r->endings.v[i];

		if ((e->verdict == NAT_REJECT || e->verdict == NAT_DROP) && e->by.rule == rule)
			return true;
		for (const struct nat_step *p = e->path; p && e->translated; p = p->prev)
			if (p->by.rule == rule || (c->closed && p->by.rule && p->by.rule->chain == rule->chain))
				return true;
	}
	return false;
}

/* The Service that the comment names ("shop/gone:http cluster IP"), if there is one; NULL: there is none. */
static const struct k8s_service *service_of(const struct vnode *v, const struct rs_rule *r)
{
	char text[RULE_COMMENT_MAX];
	char *slash;

	if (!rule_comment(r, text))
		return NULL;
	slash = strchr(text, '/');
	if (!slash)
		return NULL;
	*slash++ = '\0';
	slash[strcspn(slash, ": ")] = '\0';
	return k8s_find_service(&v->snapshot->cluster, text, slash);
}

static int open_one(struct stale *s, struct open_list *l, const struct candidate *c, const struct expect_frontend *f,
		    const struct vsource *src, const struct ip_addr *dst)
{
	const struct verify_by by = { .kind = BY_RULE, .rule = c->rule };
	struct open_difference o = { .d = {
		.kind = DIFF_STALE_FRONTEND, .node = s->v->snap->name, .service = c->closed ? NULL : service_of(s->v, c->rule), .frontend_kind = f->kind,
		.family = dst->family, .interface = src->iif, .example = src->addr, .by = by,
	} };
	char buf[IP_ADDR_STRLEN];
	struct arena *a = &s->out->arena;
	const struct nat_by rule = { .kind = BY_RULE, .rule = c->rule, .chain = c->rule->chain };
	int r;

	if (l->v.len)
		return difference_add_source(&l->v.v[0], src, dst);
	o.d.frontend = frontend_name(a, f);
	if (c->closed)
		o.d.text = o.d.frontend ? arena_printf(a, "node ports answer on %s, which kube-proxy's configuration leaves out",
						       ip_addr_format(dst, buf)) : NULL;
	else
		o.d.text = o.d.frontend ? arena_printf(a, o.d.service ? "there are rules for %s, which Service %s/%s does not have (any more)" :
					       "there are rules for %s, which no Service has", o.d.frontend,
					       o.d.service ? o.d.service->meta.ns : "", o.d.service ? o.d.service->meta.name : "") : NULL;
	if (!o.d.text)
		return -ENOMEM;
	verify_by_from_nat(a, o.d.node, &rule, &o.d.by);
	r = difference_push_actual(a, &s->walk, &o.d);
	if (r == 0)
		r = difference_add_source(&o, src, dst);
	return r < 0 ? r : array_push(&l->v, o);
}

static int try_seed(struct stale *s, struct open_list *l, const struct candidate *c, const struct expect_frontend *f,
		    const struct vseed *seed, const struct ip_addr *dst)
{
	struct nat_options o = { .classes = &s->classes };
	int r = array_push(&s->classes.rest, seed->region);

	for (unsigned n = 0; r == 0 && s->classes.rest.len && n < 1024; n++) {
		struct vsource src;
		struct nat_packet p;

		s->classes.now = s->classes.rest.v[--s->classes.rest.len];
		src = vsource_of(seed, &s->classes.now);
		p = (struct nat_packet){ .src = src.addr, .dst = *dst, .proto = f->proto, .sport = SOURCE_PORT, .dport = f->number,
					 .iif = src.iif, .from_node = src.kind == SOURCE_NODE || src.kind == SOURCE_LOOPBACK };
		nat_result_reset(&s->walk);
		r = nat_walk(&s->v->nat, &p, &o, &s->walk);
		src.region = s->classes.now;
		if (r == 0)
			r = s->classes.error;
		if (r == 0 && decided_by(&s->walk, c))
			r = open_one(s, l, c, f, &src, dst);
	}
	s->classes.rest.len = 0;
	return r;
}

/* An address of the node that answers for its ports. */
static const struct ip_addr *own_address(const struct vnode *v, int family)
{
	const struct ip_addr *a = family == AF_INET ? &v->expect.ip4 : &v->expect.ip6;

	return a->family ? a : NULL;
}

static int try_candidate(struct stale *s, const struct candidate *c)
{
	CLEANUP(open_list_release) struct open_list l = { 0 };
	unsigned f = c->key.addr.family == AF_INET6;
	bool node_port = ip_addr_is_zero(&c->key.addr);
	struct expect_frontend front = { .kind = node_port ? EXPECT_NODE_PORT : EXPECT_EXTERNAL_IP, .proto = c->key.proto,
					 .number = c->key.port };
	const struct ip_addr *dst = c->closed ? c->closed : node_port ? own_address(s->v, c->key.addr.family) : &c->key.addr;
	int r = 0;

	if (!dst)
		return 0;
	if (!node_port || c->closed)
		front.addr = *dst;
	nat_classes_reset(&s->classes);
	if (!s->v->seeds[f].built)
		r = vseeds_build(s->v, c->key.addr.family, &s->v->seeds[f]);
	for (size_t i = 0; r == 0 && i < s->v->seeds[f].len; i++)
		if (vseed_can_reach(&s->v->seeds[f].v[i], &front, dst))
			r = try_seed(s, &l, c, &front, &s->v->seeds[f].v[i], dst);
	return r < 0 ? r : difference_close(&l, s->v, s->out, s->v->expect.minor, 0);
}

/* The node's addresses that node ports must not answer on, with one node port: it is the jump to all of them that decides. */
static int try_closed_addresses(struct stale *s)
{
	const struct node_facts *f = &s->v->snap->facts;
	int r = 0;

	for (size_t i = 0; r == 0 && f->addrs_known && i < f->addrs.len; i++) {
		const struct node_address *a = &f->addrs.v[i];
		struct candidate c = s->node_port[a->addr.family == AF_INET6];
		bool usable = a->scope != SCOPE_LINK && (a->addr.family == AF_INET || !ip_addr_is_loopback(&a->addr));

		c.closed = &a->addr;
		if (c.rule && usable && (!a->ifname || strcmp(a->ifname, "kube-ipvs0") != 0) &&
		    expect_answers_node_ports(&s->v->expect, &a->addr) == TRI_FALSE)
			r = try_candidate(s, &c);
	}
	return r;
}

static bool is_asked_for(const struct verify_options *o, const struct k8s_service *s)
{
	for (size_t i = 0; i < o->nservices; i++)
		if (o->services[i] == s)
			return true;
	return !o->services;
}

/* Every cluster has default/kubernetes: a list without it is of some namespaces only, and the rules may be of the others. */
static int say_why_not(struct stale *s)
{
	return report_skip(s->out, s->v->snap->name, "not-collected", "stale-frontends", "the Services that were read are not all of the "
			   "cluster's (default/kubernetes is not among them): whose the other rules are is not known",
			   "kubectl get svc,endpointslices,pods,nodes -A -o json > cluster.json");
}

int vstale_find(struct vnode *v, const struct map *known, const struct verify_options *o, struct verify_report *out)
{
	CLEANUP(stale_release) struct stale s = { .v = v, .known = known, .out = out };
	int r = 0;

	nat_result_init(&s.walk);
	for (unsigned f = 0; r == 0 && f < 2; f++) {
		if (!v->has_chains[f] || v->unknown_rules[f])
			continue;
		r = start_at_hooks(&s, f);
		if (r == 0)
			r = gather(&s, f ? AF_INET6 : AF_INET);
	}
	if (r == 0 && s.found.len && !k8s_find_service(&v->snapshot->cluster, "default", "kubernetes")) {
		s.found.len = 0;
		r = o->services ? 0 : say_why_not(&s);
	}
	for (size_t i = 0; r == 0 && i < s.found.len; i++)
		if (is_asked_for(o, service_of(v, s.found.v[i].rule)))
			r = try_candidate(&s, &s.found.v[i]);
	return r < 0 || o->services ? r : try_closed_addresses(&s);
}
