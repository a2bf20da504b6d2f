/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One packet across nodes: each ending that leaves a node is run through the node where it arrives. Ways that meet in one packet at
 * one node share its walk, so the walks are a graph; the endings are its paths.
 */
#include <errno.h>
#include <math.h>

#include "verify-private.h"

struct owner {
	const char *name; /* NULL: several nodes have this address */
};

struct run {
	const struct snapshot *s;
	unsigned flags;
	struct follow_budget *budget;
	struct map own;	  /* struct ip_addr -> struct owner: the nodes' own addresses */
	struct map nodes; /* name -> struct snap_node */
	struct map nats;  /* name -> struct nat_node: those that were walked */
	struct map legs;  /* struct leg_key -> struct follow_leg */
	struct map stops; /* see stop() */
	struct map assumed; /* each text once */
	struct follow *out;
};

/* What tells packets that enter a node apart: all else about them follows from it. */
struct leg_key {
	const struct snap_node *node;
	struct ip_addr src, dst;
	uint16_t sport, dport;
};

void follow_release(struct follow *f)
{
	for (size_t i = 0; i < f->legs.len; i++)
		nat_result_release(&f->legs.v[i]->result);
	array_free(&f->legs);
	array_free(&f->endings);
	array_free(&f->stops);
	array_free(&f->assumed);
	arena_release(&f->arena);
	*f = (struct follow){ 0 };
}

/* ---- whose address is it ---- */

static int own_add(struct run *x, const struct ip_addr *a, const char *name)
{
	struct owner *o = a->family ? map_get(&x->own, a, sizeof(*a)) : NULL;
	struct ip_addr *key;

	if (!a->family || ip_addr_is_loopback(a))
		return 0;
	if (o) {
		if (o->name && strcmp(o->name, name) != 0)
			o->name = NULL;
		return 0;
	}
	key = arena_new(&x->out->arena, struct ip_addr);
	o = arena_new(&x->out->arena, struct owner);
	if (!key || !o)
		return -ENOMEM;
	*key = *a;
	o->name = name;
	return map_put(&x->own, key, sizeof(*key), o);
}

/* kube-proxy in IPVS mode puts every ClusterIP on a dummy interface of every node; node-local DNS has one, too. */
static bool on_dummy(const struct node_facts *f, const struct node_address *a)
{
	const struct node_link *l = a->ifname ? node_link_by_name(f, a->ifname) : NULL;

	return a->ifname && (strcmp(a->ifname, "kube-ipvs0") == 0 || (l && l->kind && strcmp(l->kind, "dummy") == 0));
}

static int own_fill(struct run *x)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < x->s->cluster.nodes.len; i++) {
		const struct k8s_node *n = x->s->cluster.nodes.v[i];

		for (size_t k = 0; r == 0 && k < n->naddresses; k++)
			r = own_add(x, &n->addresses[k].ip, n->meta.name);
	}
	for (size_t i = 0; r == 0 && i < x->s->nodes.len; i++) {
		const struct snap_node *n = x->s->nodes.v[i];

		for (size_t k = 0; r == 0 && k < n->facts.addrs.len; k++) {
			const struct node_address *a = &n->facts.addrs.v[k];

			if (a->scope == SCOPE_GLOBAL && !on_dummy(&n->facts, a))
				r = own_add(x, &a->addr, n->name);
		}
	}
	return r;
}

/* By pod, else by podCIDR. A pod may name a node of which there is no object. */
static const char *node_of_pod_address(const struct snapshot *s, const struct ip_addr *a)
{
	const struct k8s_pod *p = map_get(&s->cluster.pod_by_ip, a, sizeof(*a));
	const struct k8s_node *n = p && p->node ? NULL : k8s_node_of_ip(&s->cluster, a);

	return p && p->node ? p->node : n ? n->meta.name : NULL;
}

static const char *own_get(const struct run *x, const struct ip_addr *a)
{
	const struct owner *o = map_get(&x->own, a, sizeof(*a));

	return o ? o->name : NULL;
}

static const struct nat_step *last_step(const struct nat_ending *e, enum nat_effect effect)
{
	const struct nat_step *s = e->path;

	while (s && s->effect != effect)
		s = s->prev;
	return s;
}

/* The name of the node where an ending of @leg arrives next; NULL: it stays there, or leaves the nodes. */
static const char *next_node(const struct run *x, const struct follow_leg *leg, const struct nat_ending *e)
{
	const struct nat_step *route = last_step(e, EFFECT_ROUTE);
	const char *name = NULL;

	if (e->verdict != NAT_ACCEPT || (e->delivery != DELIVERY_SENT && e->delivery != DELIVERY_UNKNOWN))
		return NULL;
	if (e->delivery == DELIVERY_SENT && route && route->addr.family)
		name = own_get(x, &route->addr);
	if (!name || strcmp(name, leg->node->name) == 0)
		name = node_of_pod_address(x->s, &e->addr);
	if (!name)
		name = own_get(x, &e->addr);
	return name && strcmp(name, leg->node->name) != 0 ? name : NULL;
}

const char *follow_interface(const struct snap_node *n, const struct ip_addr *a)
{
	struct node_route_result route = { 0 };
	const struct node_route_query q = { .dst = *a };

	node_route_lookup(&n->facts, &q, &route);
	return route.kind == NR_UNICAST ? route.dev : NULL;
}

/* ---- walks ---- */

static struct leg_key key_of(const struct snap_node *n, const struct nat_packet *p)
{
	struct leg_key k;

	memset(&k, 0, sizeof(k));
	k.node = n;
	k.src = p->src;
	k.dst = p->dst;
	k.sport = p->sport;
	k.dport = p->dport;
	return k;
}

static int add_assumed(struct run *x, struct follow_leg *leg)
{
	size_t n = leg->result.assumed.len;
	const char **v = arena_array(&x->out->arena, const char *, n + 1);

	if (!v)
		return -ENOMEM;
	leg->assumed = v;
	for (size_t i = 0; i < n; i++) {
		const char *text = leg->result.assumed.v[i];

		v[i] = leg->depth > 0 ? arena_printf(&x->out->arena, "%s: %s", leg->node->name, text) : text;
		if (!v[i])
			return -ENOMEM;
		if (map_gets(&x->assumed, v[i]))
			continue;
		if (map_puts(&x->assumed, v[i], leg) < 0 || array_push(&x->out->assumed, v[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The node as the engine sees it; making it looks at all chains, so it is kept. NULL: out of memory. */
static const struct nat_node *nat_of(struct run *x, const struct snap_node *n)
{
	struct nat_node *nat = map_gets(&x->nats, n->name);

	if (nat)
		return nat;
	nat = arena_new(&x->out->arena, struct nat_node);
	if (!nat || map_puts(&x->nats, n->name, nat) < 0)
		return NULL;
	verify_nat_node(x->s, n, nat);
	return nat;
}

static int walk(struct run *x, const struct snap_node *n, const struct nat_packet *p, unsigned depth, struct follow_leg **ret)
{
	CLEANUP(verify_place_release) struct verify_place place = { 0 };
	const struct nat_options o = { .flags = x->flags | NAT_REPLY, .here = verify_is_here, .here_arg = &place };
	struct expect_node self;
	struct follow_leg *leg = arena_new(&x->out->arena, struct follow_leg);
	const struct nat_node *nat = nat_of(x, n);
	int r;

	if (!leg || !nat)
		return -ENOMEM;
	*leg = (struct follow_leg){ .node = n, .packet = *p, .depth = depth };
	nat_result_init(&leg->result);
	if (array_push(&x->out->legs, leg) < 0)
		return -ENOMEM;
	r = verify_expect_node(&x->out->arena, x->s, n, &self);
	if (r < 0)
		return r;
	verify_place_init(&place, x->s, n, &self);
	r = nat_walk(nat, p, &o, &leg->result);
	if (r == 0)
		r = add_assumed(x, leg);
	if (r == 0)
		*ret = leg;
	return r;
}

static int remember(struct run *x, struct follow_leg *leg)
{
	struct leg_key *key = arena_new(&x->out->arena, struct leg_key);

	if (!key)
		return -ENOMEM;
	*key = key_of(leg->node, &leg->packet);
	return map_put(&x->legs, key, sizeof(*key), leg);
}

static size_t take(size_t left, size_t n)
{
	return left > n ? left - n : 0;
}

static bool spent(const struct follow_budget *b)
{
	return b->walks == 0 || b->steps == 0 || b->bytes == 0 || b->endings == 0;
}

/*
 * get_unique_tuple(), net/netfilter/nf_nat_core.c: a rewritten source keeps its port where the rule allows that one, and gets one of the
 * rule's otherwise. A port that the kernel draws at random is taken as kept.
 */
static uint16_t source_port(const struct nat_ending *e, uint16_t sport)
{
	const struct nat_step *s = e->masquerade ? last_step(e, EFFECT_SNAT) : NULL;
	const struct rs_rule *rule = s ? s->by.rule : NULL;

	for (size_t i = 0; rule && i < rule->nstmts; i++) {
		const struct rs_stmt *t = &rule->stmts[i];
		const struct rs_nat *n = t->kind == ST_SNAT || t->kind == ST_MASQUERADE ? t->u.nat : NULL;

		if (n && n->has_port && (sport < n->port_lo || sport > n->port_hi))
			return n->port_lo;
	}
	return sport;
}

/* As the packet of @from's ending enters the next node. */
static struct nat_packet next_packet(const struct follow_leg *from, const struct nat_ending *e, const struct snap_node *to)
{
	struct nat_packet p = from->packet;

	p.src = e->source;
	p.dst = e->addr;
	p.sport = source_port(e, p.sport);
	p.dport = e->port;
	p.mark = 0;
	p.from_node = false;
	p.iif = follow_interface(to, &p.src);
	return p;
}

/* The walk of that packet at that node. *ret stays NULL where the budget does not allow another one. */
static int leg_get(struct run *x, const struct snap_node *n, const struct nat_packet *p, unsigned depth, struct follow_leg **ret)
{
	struct leg_key key = key_of(n, p);
	struct follow_leg *leg = map_get(&x->legs, &key, sizeof(key));
	int r;

	if (leg || spent(x->budget)) {
		*ret = x->budget->endings > 0 ? leg : NULL;
		return 0;
	}
	r = walk(x, n, p, depth, ret);
	if (r < 0)
		return r;
	x->budget->walks--;
	x->budget->steps = take(x->budget->steps, (*ret)->result.nsteps);
	x->budget->bytes = take(x->budget->bytes, (*ret)->result.arena.used + sizeof(struct nat_ending) * (*ret)->result.endings.len);
	return remember(x, *ret);
}

/* ---- endings ---- */

/* Not followed any further; the text is the same for all endings that stop for one reason. */
static PRINTF_LIKE(4, 5) int stop(struct run *x, struct follow_ending *f, bool limit, const char *format, ...)
{
	struct strbuf text CLEANUP(strbuf_release) = STRBUF_INIT;
	struct follow_stop *s;
	va_list ap;

	va_start(ap, format);
	strbuf_vaddf(&text, format, ap);
	va_end(ap);
	if (text.failed)
		return -ENOMEM;
	s = map_gets(&x->stops, strbuf_str(&text));
	if (!s) {
		s = arena_new(&x->out->arena, struct follow_stop);
		if (!s)
			return -ENOMEM;
		s->text = arena_strdup(&x->out->arena, strbuf_str(&text));
		s->limit = limit;
		if (!s->text || map_puts(&x->stops, s->text, s) < 0 || array_push(&x->out->stops, s) < 0)
			return -ENOMEM;
	}
	s->endings++;
	f->stopped = s->text;
	return 0;
}

static bool translates(const struct nat_ending *e)
{
	return e->translated || e->masquerade;
}

/*
 * The reply has to pass every node that has rewritten something, and none may lose it; a node that rewrites nothing it need not pass.
 * So the worst answer of those that count holds, and it says whose it is.
 */
static int join_reply(struct arena *arena, struct follow_ending *f)
{
	const struct follow_step *by = NULL;
	bool any = false;

	for (const struct follow_step *s = f->last; s; s = s->prev)
		any |= translates(s->ending);
	f->e.reply = TRI_TRUE;
	for (const struct follow_step *s = f->last; s; s = s->prev) {
		bool counts = s->ending->reply == TRI_FALSE || !any || translates(s->ending);

		if (counts && (f->e.reply == TRI_TRUE || s->ending->reply == TRI_FALSE)) {
			f->e.reply = s->ending->reply;
			by = s;
		}
	}
	f->e.reply_why = by && by->ending->reply_why ?
				 arena_printf(arena, "%s: %s", by->leg->node->name, by->ending->reply_why) : NULL;
	return by && by->ending->reply_why && !f->e.reply_why ? -ENOMEM : 0;
}

static bool arrives(const struct nat_ending *e)
{
	return e->verdict == NAT_ACCEPT && e->delivery != DELIVERY_LOST;
}

/* An ending of the whole way from its last node's. */
static int join(struct run *x, const struct follow_step *last, double weight, struct follow_ending *ret)
{
	struct follow_ending f = { .e = *last->ending, .last = last };

	f.e.weight = weight;
	for (const struct follow_step *s = last->prev; s; s = s->prev) {
		f.e.translated |= s->ending->translated;
		f.e.masquerade |= s->ending->masquerade;
	}
	*ret = f;
	return arrives(&f.e) && last->prev ? join_reply(&x->out->arena, ret) : 0;
}

static bool came_by(const struct follow_step *s, const struct follow_leg *leg)
{
	while (s && s->leg != leg)
		s = s->prev;
	return s != NULL;
}

static int lose_in_loop(struct run *x, struct follow_ending *f, const struct follow_leg *leg)
{
	const char *text = arena_printf(&x->out->arena, "a loop: it comes back to %s as it was there before, until its time to live runs out",
					leg->node->name);

	f->e.delivery = DELIVERY_LOST;
	f->e.lost = (struct nat_by){ .kind = BY_ROUTE, .text = text, .cause = "loop" };
	f->e.reply = TRI_UNKNOWN;
	f->e.reply_why = "there is no reply to a packet that does not arrive";
	return text ? 0 : -ENOMEM;
}

static int expand(struct run *x, const struct follow_step *prev, struct follow_leg *leg, double weight);

static size_t nodes_on(const struct follow_step *s)
{
	size_t n = 0;

	for (; s; s = s->prev)
		n++;
	return n;
}

/* @f leaves for the node @name. *ret_leg: its walk there; NULL: @f is where it ends, and says why. */
static int arrive(struct run *x, struct follow_ending *f, const char *name, struct follow_leg **ret_leg)
{
	const struct snap_node *to = map_gets(&x->nodes, name);
	const char *from = f->last->leg->node->name;
	struct follow_leg *leg = NULL;
	struct nat_packet p;
	int r;

	if (!to || !to->any_rules)
		return stop(x, f, false, "%s's rules are not in the bundle: not followed", name);
	if (f->last->ending->source.family == 0)
		return stop(x, f, false, "the address that %s gives the source is not known: not followed to %s", from, name);
	if (nodes_on(f->last) >= FOLLOW_NODES_MAX)
		return stop(x, f, true, "on from %s to %s, one node more than are followed", from, name);
	p = next_packet(f->last->leg, f->last->ending, to);
	r = leg_get(x, to, &p, f->last->leg->depth + 1, &leg);
	if (r == 0 && !leg)
		return stop(x, f, true, "more ways than are followed: not followed to %s", name);
	if (r == 0 && came_by(f->last, leg))
		return lose_in_loop(x, f, leg);
	if (r == 0)
		*ret_leg = leg;
	return r;
}

static int end(struct run *x, const struct follow_step *last, double weight)
{
	const char *next = next_node(x, last->leg, last->ending);
	struct follow_leg *leg = NULL;
	struct follow_ending f;
	int r = join(x, last, weight, &f);

	if (r == 0 && next)
		r = arrive(x, &f, next, &leg);
	if (r < 0 || leg)
		return r < 0 ? r : expand(x, last, leg, weight);
	if (last->prev)
		x->budget->endings = take(x->budget->endings, 1);
	return array_push(&x->out->endings, f) < 0 ? -ENOMEM : 0;
}

/* All endings of a packet that comes to @leg by the way @prev. */
static int expand(struct run *x, const struct follow_step *prev, struct follow_leg *leg, double weight)
{
	struct follow_step *steps = arena_array(&x->out->arena, struct follow_step, leg->result.endings.len + 1);
	int r = steps ? 0 : -ENOMEM;

	leg->weight += weight;
	for (size_t i = 0; r == 0 && i < leg->result.endings.len; i++) {
		const struct nat_ending *e = &leg->result.endings.v[i];

		steps[i] = (struct follow_step){ prev, leg, e };
		r = end(x, &steps[i], weight * e->weight);
	}
	return r;
}

/* A packet that comes back just as one from the wire enters the start is where it was. */
static bool enters_as_any(const struct follow_leg *start)
{
	const struct nat_packet *p = &start->packet;
	const char *iif = follow_interface(start->node, &p->src);

	return !p->from_node && p->mark == 0 && p->iif && iif && strcmp(p->iif, iif) == 0;
}

static int run(struct run *x, const struct snap_node *start, const struct nat_packet *p)
{
	struct follow_leg *leg = NULL;
	int r = own_fill(x);

	for (size_t i = 0; r == 0 && i < x->s->nodes.len; i++)
		r = map_puts(&x->nodes, x->s->nodes.v[i]->name, x->s->nodes.v[i]);
	if (r == 0)
		r = walk(x, start, p, 0, &leg);
	if (r == 0 && enters_as_any(leg))
		r = remember(x, leg);
	return r < 0 ? r : expand(x, NULL, leg, 1);
}

int follow_run(const struct snapshot *s, const struct snap_node *start, const struct nat_packet *p, unsigned flags,
	       struct follow_budget *budget, struct follow *ret)
{
	struct run x = { .s = s, .flags = flags, .budget = budget, .out = ret };
	int r = run(&x, start, p);

	map_release(&x.own);
	map_release(&x.nodes);
	map_release(&x.nats);
	map_release(&x.legs);
	map_release(&x.stops);
	map_release(&x.assumed);
	return r;
}
