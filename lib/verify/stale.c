/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stale frontends: addresses and ports that kube-proxy's rules, maps, virtual servers and ipsets translate or refuse, or that
 * lie on kube-ipvs0, and that no Service has. What is named is no proof: a packet to it is walked, and the thing must decide
 * it. A chain that nothing leads to is never met.
 */
#include <errno.h>
#include <netinet/in.h>

#include "verify-private.h"

#define SOURCE_PORT 40000

/* What names exactly one destination, or exactly one port of this node: one of these. */
struct candidate {
	struct vfrontend_key key;
	const struct rs_rule *rule;
	const struct rs_set *set; /* with the element, or of ipsets with the member */
	const struct rs_elem *elem;
	const struct rs_ipset_elem *member;
	const struct rs_virtual_server *server;
	const struct node_address *address; /* on kube-ipvs0 */
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

/* ---- nftables: maps ---- */

static int gather_maps(struct stale *s, unsigned six)
{
	static const char *const maps[] = { "service-ips", "no-endpoint-services", "firewall-ips", "service-nodeports", "no-endpoint-nodeports" };
	const int family = six ? AF_INET6 : AF_INET;
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
		const struct rs_set *set = vnode_set(s->v, &s->scratch, family, false, maps[i]);

		for (size_t k = 0; r == 0 && set && k < set->nelems; k++) {
			struct candidate c = { .set = set, .elem = &set->elems[k] };

			if (!velem_key(set, c.elem, &c.key))
				continue;
			if (!map_get(s->known, &c.key, sizeof(c.key)))
				r = array_push(&s->found, c);
			else if (ip_addr_is_zero(&c.key.addr) && c.elem->target && !s->node_port[six].elem)
				s->node_port[six] = c;
		}
	}
	return r;
}

/* ---- IPVS: servers, members, addresses ---- */

/* An address and port of a Service, or a node port on an address that answers for these. */
static bool is_known(const struct stale *s, const struct vfrontend_key *k)
{
	struct vfrontend_key port;

	if (map_get(s->known, k, sizeof(*k)))
		return true;
	memset(&port, 0, sizeof(port));
	port.addr.family = k->addr.family;
	port.proto = k->proto;
	port.port = k->port;
	return map_get(s->known, &port, sizeof(port)) && !vnode_on_ipvs_link(s->v, &k->addr) &&
	       expect_answers_node_ports(&s->v->expect, &k->addr) != TRI_FALSE;
}

static int gather_servers(struct stale *s, unsigned six)
{
	const struct ruleset *rs = &s->v->snap->rules;
	int r = 0;

	for (size_t i = 0; r == 0 && i < rs->servers.len; i++) {
		struct candidate c = { .server = rs->servers.v[i] };

		if (c.server->fwmark || c.server->addr.family != (six ? AF_INET6 : AF_INET))
			continue;
		memset(&c.key, 0, sizeof(c.key));
		c.key.addr = c.server->addr;
		c.key.proto = c.server->proto;
		c.key.port = c.server->port;
		if (!is_known(s, &c.key))
			r = array_push(&s->found, c);
	}
	return r;
}

/* A server that is found already says more than its members and its address. */
static bool has_candidate(const struct stale *s, const struct vfrontend_key *k, bool any_port)
{
	for (size_t i = 0; i < s->found.len; i++) {
		const struct vfrontend_key *f = &s->found.v[i].key;

		if (ip_addr_equal(&f->addr, &k->addr) && (any_port || (f->proto == k->proto && f->port == k->port)))
			return true;
	}
	return false;
}

static bool member_key(const struct rs_set *set, const struct rs_ipset_elem *e, uint8_t proto, unsigned six, struct vfrontend_key *ret)
{
	bool port_only = set->ipset->type->range;

	memset(ret, 0, sizeof(*ret));
	if (!port_only)
		ret->addr = e->addr[0];
	ret->addr.family = six ? AF_INET6 : AF_INET;
	ret->proto = port_only ? proto : e->proto;
	ret->port = e->port;
	return port_only || e->len[0] == 8 * ip_addr_size(&ret->addr);
}

static int gather_members(struct stale *s, unsigned six)
{
	static const struct {
		const char *set;
		uint8_t proto; /* of a set of ports */
	} sets[] = { { "KUBE-CLUSTER-IP", 0 }, { "KUBE-EXTERNAL-IP", 0 }, { "KUBE-EXTERNAL-IP-LOCAL", 0 }, { "KUBE-LOAD-BALANCER", 0 },
		     { "KUBE-LOAD-BALANCER-LOCAL", 0 }, { "KUBE-LOAD-BALANCER-FW", 0 }, { "KUBE-NODE-PORT-TCP", IPPROTO_TCP },
		     { "KUBE-NODE-PORT-UDP", IPPROTO_UDP } };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(sets); i++) {
		const struct rs_set *set = vipset_find(&s->v->snap->rules, sets[i].set, six);

		for (uint32_t k = 0; r == 0 && set && set->ipset && set->ipset->type && k < set->ipset->nelems; k++) {
			struct candidate c = { .set = set, .member = &set->ipset->elems[k] };

			if (member_key(set, c.member, sets[i].proto, six, &c.key) && !is_known(s, &c.key) && !has_candidate(s, &c.key, false))
				r = array_push(&s->found, c);
		}
	}
	return r;
}

static int gather_addresses(struct stale *s, unsigned six)
{
	const struct node_facts *f = &s->v->snap->facts;
	CLEANUP(map_release) struct map known = { 0 };
	int r = 0;

	for (size_t i = 0; i < s->known->cap; i++) {
		struct vfrontend_key *k = s->known->v[i].value;

		if (k && map_put(&known, &k->addr, sizeof(k->addr), k) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < f->addrs.len; i++) {
		struct candidate c = { .address = &f->addrs.v[i] };

		if (c.address->addr.family != (six ? AF_INET6 : AF_INET) || !c.address->ifname || strcmp(c.address->ifname, IPVS_LINK) != 0 ||
		    c.address->scope == SCOPE_LINK || map_get(&known, &c.address->addr, sizeof(c.address->addr)))
			continue;
		memset(&c.key, 0, sizeof(c.key));
		c.key.addr = c.address->addr;
		c.key.proto = IPPROTO_TCP;
		c.key.port = 1;
		if (!has_candidate(s, &c.key, true))
			r = array_push(&s->found, c);
	}
	return r;
}

static int gather_ipvs(struct stale *s, unsigned six)
{
	int r = gather_servers(s, six);

	if (r == 0)
		r = gather_members(s, six);
	return r < 0 ? r : gather_addresses(s, six);
}

/* ---- xtables: rules ---- */

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

static bool asks_set(const struct rs_rule *r, const struct rs_set *s)
{
	for (unsigned i = 0; r && i < r->nconds; i++)
		if (r->conds[i].field == FIELD_SET && r->conds[i].op == OP_SET && r->conds[i].u.set->set == s)
			return true;
	return false;
}

/* For a closed address any rule of its chain, or any element of its map, is as good. */
static bool is_by(const struct nat_by *by, const struct candidate *c)
{
	if (c->elem)
		return by->elem == c->elem || (c->closed && by->elem && by->set == c->set);
	if (c->server)
		return by->kind == BY_IPVS && by->server == c->server;
	if (c->member)
		return asks_set(by->rule, c->set);
	return c->rule && (by->rule == c->rule || (c->closed && by->rule && by->rule->chain == c->rule->chain));
}

/* Did it send the packet where it went, or refuse it? An address of kube-ipvs0 keeps here what is sent to it. */
static bool decided_by(const struct nat_result *r, const struct candidate *c)
{
	for (size_t i = 0; i < r->endings.len; i++) {
		const struct nat_ending *e = &r->endings.v[i];
		bool refused = e->verdict == NAT_REJECT || e->verdict == NAT_DROP;

		if (c->address && !e->translated && (refused || e->delivery == DELIVERY_LOCAL))
			return true;
		if (refused && (c->rule ? e->by.rule == c->rule : is_by(&e->by, c)))
			return true;
		for (const struct nat_step *p = e->path; p && (e->translated || c->member || (refused && c->elem)); p = p->prev)
			if (is_by(&p->by, c))
				return true;
	}
	return false;
}

/* A Service with that address, whatever its ports are. */
static const struct k8s_service *service_at(const struct k8s_cluster *c, const struct ip_addr *a)
{
	for (size_t i = 0; i < c->services.len; i++) {
		const struct k8s_service *s = c->services.v[i];

		for (size_t k = 0; k < s->ncluster_ips; k++)
			if (ip_addr_equal(&s->cluster_ips[k], a))
				return s;
	}
	return NULL;
}

/* The Service that the comment names ("shop/gone:http cluster IP"), or the name of the chain, if there is one; NULL: there is none. */
static const struct k8s_service *service_of(struct stale *st, const struct candidate *c)
{
	const struct vnode *v = st->v;
	char text[RULE_COMMENT_MAX];
	const char *name;
	char *slash;

	if (c->elem) {
		name = velem_service(&st->scratch, c->elem);
		if (!name || strlen(name) >= sizeof(text))
			return NULL;
		memcpy(text, name, strlen(name) + 1);
	} else if (!c->rule) {
		return service_at(&v->snapshot->cluster, &c->key.addr);
	} else if (!rule_comment(c->rule, text)) {
		return NULL;
	}
	slash = strchr(text, '/');
	if (!slash)
		return NULL;
	*slash++ = '\0';
	slash[strcspn(slash, ": ")] = '\0';
	return k8s_find_service(&v->snapshot->cluster, text, slash);
}

/* The element that lets node ports answer on an address where they must not. */
static const struct rs_elem *opening_element(struct stale *s, const struct ip_addr *a, const struct rs_set **ret_set)
{
	const struct rs_set *set = vnode_set(s->v, &s->scratch, a->family, false, "nodeport-ips");
	struct ip_addr b;

	*ret_set = set;
	for (size_t i = 0; set && i < set->nelems; i++)
		if (velem_address(set, &set->elems[i], &b) && ip_addr_equal(&b, a))
			return &set->elems[i];
	return NULL;
}

static void tell_by(struct stale *s, const struct candidate *c, struct verify_by *ret)
{
	struct arena *a = &s->out->arena;
	const char *node = s->v->snap->name;
	struct nat_by by = { .kind = BY_RULE, .rule = c->rule, .chain = c->rule ? c->rule->chain : NULL };
	char buf[IP_ADDR_STRLEN];

	if (c->elem) {
		by = (struct nat_by){ .kind = BY_SET, .set = c->set, .elem = c->elem };
		if (c->closed && opening_element(s, c->closed, &by.set))
			by.elem = opening_element(s, c->closed, &by.set);
		by.set = by.set ? by.set : c->set;
	} else if (c->server) {
		by = (struct nat_by){ .kind = BY_IPVS, .server = c->server };
	}
	if (c->rule || c->elem || c->server) {
		verify_by_from_nat(a, node, &by, ret);
		return;
	}
	*ret = (struct verify_by){ .kind = c->address ? BY_LINK : BY_SET, .node = node,
				   .family = rs_family_name(c->key.addr.family == AF_INET6 ? RS_IP6 : RS_IP4), .chain = c->set ? c->set->name : NULL };
	if (c->address)
		ret->text = arena_printf(a, "%s/%u dev " IPVS_LINK, ip_addr_format(&c->address->addr, buf), c->address->plen);
	else
		ret->text = arena_printf(a, "add %s %s", c->set->name, vmember_text(&s->scratch, c->set->ipset, c->member));
}

static const char *stale_text(struct arena *a, const struct candidate *c, const struct verify_difference *d, const char *dst)
{
	const struct k8s_service *s = d->service;

	if (c->address)
		return arena_printf(a, "%s lies on " IPVS_LINK ", and no Service has it: what is sent there ends on this node", dst);
	if (c->closed)
		return arena_printf(a, "node ports answer on %s, which kube-proxy's configuration leaves out", dst);
	if (s)
		return arena_printf(a, "there %s for %s, which Service %s/%s does not have (any more)", c->server ? "is a virtual server" : "are rules",
				    d->frontend, s->meta.ns, s->meta.name);
	return arena_printf(a, "there %s for %s, which no Service has", c->server ? "is a virtual server" : "are rules", d->frontend);
}

static int open_one(struct stale *s, struct open_list *l, const struct candidate *c, const struct expect_frontend *f,
		    const struct vsource *src, const struct ip_addr *dst)
{
	struct open_difference o = { .d = {
		.kind = DIFF_STALE_FRONTEND, .node = s->v->snap->name, .service = c->closed ? NULL : service_of(s, c), .frontend_kind = f->kind,
		.family = dst->family, .interface = src->iif, .example = src->addr,
	} };
	char buf[IP_ADDR_STRLEN];
	struct arena *a = &s->out->arena;
	int r;

	if (l->v.len)
		return difference_add_source(&l->v.v[0], src, dst);
	(void)ip_addr_format(dst, buf);
	o.d.frontend = c->address ? arena_strdup(a, buf) : frontend_name(a, f);
	o.d.text = o.d.frontend ? stale_text(a, c, &o.d, buf) : NULL;
	if (!o.d.text)
		return -ENOMEM;
	tell_by(s, c, &o.d.by);
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
	const struct vseed *own = NULL;
	const struct ip_addr *dst = c->closed ? c->closed : node_port ? own_address(s->v, c->key.addr.family) : &c->key.addr;
	int r = 0;

	if (!dst)
		return 0;
	if (!node_port || c->closed)
		front.addr = *dst;
	nat_classes_reset(&s->classes);
	if (!s->v->seeds[f].built)
		r = vseeds_build(s->v, c->key.addr.family, &s->v->seeds[f]);
	if (r == 0)
		r = vseed_own(s->v, &s->scratch, dst, &own);
	for (size_t i = 0; r == 0 && i < s->v->seeds[f].len; i++)
		if (!(own && s->v->seeds[f].v[i].kind == own->kind) && vseed_can_reach(&s->v->seeds[f].v[i], &front, dst))
			r = try_seed(s, &l, c, &front, &s->v->seeds[f].v[i], dst);
	if (r == 0 && own && vseed_can_reach(own, &front, dst))
		r = try_seed(s, &l, c, &front, own, dst);
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
		if ((c.rule || c.elem) && usable && (!a->ifname || strcmp(a->ifname, IPVS_LINK) != 0) &&
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
		if (v->unknown_rules[f])
			continue;
		r = v->expect.mode == MODE_NFTABLES ? gather_maps(&s, f) : v->expect.mode == MODE_IPVS ? gather_ipvs(&s, f) : 0;
		if (r < 0 || v->expect.mode != MODE_IPTABLES || !v->has_chains[f])
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
		if (is_asked_for(o, service_of(&s, &s.found.v[i])))
			r = try_candidate(&s, &s.found.v[i]);
	return r < 0 || o->services ? r : try_closed_addresses(&s);
}
