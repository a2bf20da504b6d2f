/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statements: what a rule that matched does to the packet, to its connection and to the walk. */
#include <errno.h>
#include <math.h>

#include "nat-private.h"

/* A range of addresses or ports larger than this is not spread out: undecided instead. */
#define RANGE_MAX 256u

/* The rule, and the element of a map that it found. */
static struct nat_by by_rule(const struct walk *w, const struct rs_rule *r)
{
	struct nat_by by = nat_by_rule(r);

	by.set = w->by_set;
	by.elem = w->by_elem;
	return by;
}

static bool in_hook(const struct state *st, unsigned mask)
{
	return mask & (1u << st->hook);
}

#define HOOKS_DST (1u << HOOK_PREROUTING | 1u << HOOK_OUTPUT)
#define HOOKS_SRC (1u << HOOK_POSTROUTING | 1u << HOOK_INPUT)

static void set_dst(struct state *st, const struct ip_addr *a, uint16_t port)
{
	bool changed = !ip_addr_equal(&st->dst, a);

	st->dst = *a;
	st->dport = port;
	st->dst_bound = true;
	/* Binding a connection to what it is already is no translation: nf_nat_setup_info compares the tuples. */
	if (changed || port != st->orig_dport) {
		st->dnat = true;
		st->translated = true;
	}
	if (st->hook == HOOK_OUTPUT && changed)
		st->reroute = true;
}

static void record_dnat(struct walk *w, struct state *st, const struct rs_rule *r)
{
	struct nat_by by = by_rule(w, r);
	struct nat_step *s = nat_record(w, st, EFFECT_DNAT, &by);

	if (s) {
		s->addr = st->dst;
		s->port = st->dport;
	}
}

static uint64_t range_size(const struct ip_addr *lo, const struct ip_addr *hi)
{
	struct ip_addr a = *lo;
	uint64_t n = 1;

	while (n <= RANGE_MAX && !ip_addr_equal(&a, hi) && ip_addr_next(&a, &a))
		n++;
	return n;
}

/* A range is chosen from by a hash of addresses: every member is an ending, with a share that is not known. */
static int dnat_range(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_nat *n)
{
	uint64_t addrs = n->has_addr ? range_size(&n->lo, &n->hi) : 1;
	uint64_t ports = n->has_port ? (uint64_t)n->port_hi - n->port_lo + 1 : 1;
	struct ip_addr a = n->has_addr ? n->lo : st->dst;
	struct nat_by by = by_rule(w, r);

	if (addrs * ports > RANGE_MAX)
		return nat_end(w, st, NAT_UNDECIDED, &by, NULL);
	for (uint64_t i = 0; i < addrs; i++) {
		for (uint64_t p = 0; p < ports; p++) {
			struct state copy = *st;
			int res;

			copy.weight = NAN;
			set_dst(&copy, &a, n->has_port ? (uint16_t)(n->port_lo + p) : st->dport);
			copy.in_chain = false;
			copy.nat_done = true;
			record_dnat(w, &copy, r);
			res = nat_run(w, &copy);
			if (res < 0)
				return res;
		}
		(void)ip_addr_next(&a, &a);
	}
	return 0;
}

/* An argument that is not of a form the engine knows. */
static int undecided(struct walk *w, struct state *st, const struct rs_rule *r)
{
	struct nat_by by = by_rule(w, r);
	int res = nat_end(w, st, NAT_UNDECIDED, &by, NULL);

	return res < 0 ? res : ACTION_ENDED;
}

static int do_dnat(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_nat *n)
{
	uint16_t port;
	int res;

	if (!n || n->text)
		return undecided(w, st, r);
	port = n->has_port ? n->port_lo : st->dport;
	/* NF_NAT_RANGE_PROTO_OFFSET: the port's distance from the base decides. */
	if (n->has_port && n->port_base)
		port = (uint16_t)(n->port_lo + (uint16_t)(st->dport - n->port_base) % (n->port_hi - n->port_lo + 1u));
	if ((n->has_addr && !ip_addr_equal(&n->lo, &n->hi)) || (n->has_port && n->port_lo != n->port_hi && !n->port_base)) {
		res = dnat_range(w, st, r, n);
		return res < 0 ? res : ACTION_ENDED;
	}
	set_dst(st, n->has_addr ? &n->lo : &st->dst, port);
	st->nat_done = true;
	record_dnat(w, st, r);
	return ACTION_CHAIN_DONE;
}

/* nf_nat_redirect.c: the interface's first address, or loopback for the node's own packets. */
static int do_redirect(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_nat *n)
{
	const struct node_facts *f = w->node->facts;
	struct ip_addr a = { .family = st->dst.family };

	if (n && (n->text || (n->has_port && n->port_lo != n->port_hi)))
		return undecided(w, st, r);
	if (st->hook == HOOK_OUTPUT) {
		a.b[0] = a.family == AF_INET ? 127 : 0;
		a.b[a.family == AF_INET ? 3 : 15] = 1;
	} else {
		if (w->classes && !st->round)
			nat_classes_ask_iif(w->classes, st->iif, NULL, r);
		for (size_t i = 0; i < f->addrs.len && st->iif; i++) {
			const struct node_address *na = &f->addrs.v[i];

			if (na->addr.family == a.family && na->ifname && strcmp(na->ifname, st->iif) == 0 && !na->secondary) {
				a = na->addr;
				break;
			}
		}
	}
	if (ip_addr_is_zero(&a) && f->addrs_known && st->iif) {
		/* nf_nat_redirect(): an interface without address. */
		struct nat_by by = by_rule(w, r);
		int res = nat_end(w, st, NAT_DROP, &by, NULL);

		return res < 0 ? res : ACTION_ENDED;
	}
	/* Not known which address of the interface it is: another one than the packet has, unless that is the node's own. */
	if (ip_addr_is_zero(&a) && node_is_local(w->node->facts, &st->dst) == TRI_TRUE)
		a = st->dst;
	set_dst(st, &a, n && n->has_port ? n->port_lo : st->dport);
	st->dst_forced_local = true;
	st->nat_done = true;
	record_dnat(w, st, r);
	return ACTION_CHAIN_DONE;
}

/* Does the tuple change? The address may stay, and then the port too unless it is to be another: get_unique_tuple(). */
static bool changes_src(const struct state *st, const struct ip_addr *a, const struct rs_nat *n)
{
	if (!a || !st->src_known || !ip_addr_equal(a, &st->src))
		return true;
	return n && (n->random || n->random_fully || (n->has_port && (st->sport < n->port_lo || st->sport > n->port_hi)));
}

/* @a: NULL where it is not known. @n: the target's argument, or NULL. */
static void set_src(struct walk *w, struct state *st, const struct rs_rule *r, const struct ip_addr *a, const struct rs_nat *n)
{
	struct nat_by by = by_rule(w, r);
	struct nat_step *s;

	st->src_bound = true;
	st->nat_done = true;
	st->snat = st->snat || changes_src(st, a, n);
	st->masquerade = true;
	st->src_known = a != NULL;
	if (a)
		st->src = *a;
	s = nat_record(w, st, EFFECT_SNAT, &by);
	if (s && a)
		s->addr = *a;
}

static int do_snat(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_nat *n)
{
	bool one = n && n->has_addr && ip_addr_equal(&n->lo, &n->hi);

	if (!n || n->text)
		return undecided(w, st, r);
	set_src(w, st, r, !n->has_addr ? &st->src : one ? &n->lo : NULL, n);
	return ACTION_CHAIN_DONE;
}

/* nf_nat_masquerade.c: the source becomes an address of the way out; without any the packet is dropped. */
static int do_masquerade(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_nat *n)
{
	/* IPv4 asks for an address towards the next hop, IPv6 for one towards the destination itself. */
	const struct ip_addr *towards = st->dst.family == AF_INET && st->gateway.family == AF_INET ? &st->gateway : &st->dst;
	struct nat_by by = by_rule(w, r);
	struct ip_addr a;
	int res;

	if (st->src.family == AF_INET && st->src_known && ip_addr_is_zero(&st->src))
		return ACTION_CHAIN_DONE;
	if (!st->oif) {
		set_src(w, st, r, NULL, n);
		st->src_ours = true;
		return ACTION_CHAIN_DONE;
	}
	switch (node_select_source(w->node->facts, st->oif, towards, &a)) {
	case TRI_TRUE:
		set_src(w, st, r, &a, n);
		st->src_ours = true;
		return ACTION_CHAIN_DONE;
	case TRI_UNKNOWN:
		set_src(w, st, r, NULL, n);
		st->src_ours = true;
		return ACTION_CHAIN_DONE;
	default:
		res = nat_end(w, st, NAT_DROP, &by, NULL);
		return res < 0 ? res : ACTION_ENDED;
	}
}

static int do_netmap(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_nat *n)
{
	bool dst = in_hook(st, HOOKS_DST);
	struct ip_addr a = dst ? st->dst : st->src;

	nat_tails_spoil(w);
	if (!n || n->text)
		return undecided(w, st, r);
	for (size_t i = 0; i < ip_addr_size(&a); i++)
		a.b[i] = (uint8_t)((a.b[i] & ~n->hi.b[i]) | (n->lo.b[i] & n->hi.b[i]));
	if (dst) {
		set_dst(st, &a, st->dport);
		st->nat_done = true;
		record_dnat(w, st, r);
	} else {
		set_src(w, st, r, st->src_known ? &a : NULL, NULL);
		st->src_derived = true;
	}
	return ACTION_CHAIN_DONE;
}

/* ---- nftables: what a map says ---- */

static int apply(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s);

static void stop_here(struct state *st, bool value)
{
	st->stopped = value;
}

/* A target that is not known, or that a program decides: one branch ends undecided, one goes on. */
static int do_unknown(struct walk *w, struct state *st, const struct rs_rule *r)
{
	struct nat_by by = by_rule(w, r);
	int res;

	st->stop_by = by;
	res = nat_split(w, st, &by, true, false, stop_here);
	return res < 0 ? res : ACTION_ENDED;
}

enum pick { PICK_NONE, PICK_ONE, PICK_ENDED };

/* The statement is run again with the element that was chosen, or looks at the next one that it may be. */
static void prepare_pick(struct state *st, bool value)
{
	const struct rs_rule *r = st->chain->rules[st->pos - 1];

	st->chosen = value;
	if (!value)
		st->passed++;
	nat_resume_at(st, r, st->next_stmt);
}

/* One way with each element, and one without any for what is left. */
static int pick_all(struct walk *w, const struct state *st, const struct rs_rule *r, const struct rs_stmt *s, const struct rs_set *set,
		    const struct nat_found *f)
{
	for (size_t i = 0; i < f->len + (f->rest > 0); i++) {
		struct state copy = *st;
		double weight = i < f->len ? f->v[i].weight : f->rest;
		struct nat_by by = nat_by_rule(r);
		struct nat_step *step;
		int res;

		copy.chosen = true;
		copy.choice = by.elem = i < f->len ? f->v[i].elem : NULL;
		copy.weight = f->by_hash ? NAN : copy.weight * weight;
		by.set = set;
		step = nat_record(w, &copy, EFFECT_CHANCE, &by);
		if (step)
			step->weight = f->by_hash ? NAN : weight;
		nat_resume_at(&copy, r, (unsigned)(s - r->stmts));
		res = nat_run(w, &copy);
		if (res < 0)
			return res;
	}
	return PICK_ENDED;
}

/* @k elements, from the first on, are taken as not met. */
static int pick_unsure(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s, const struct rs_set *set,
		       const struct nat_found *f, const struct rs_elem **ret)
{
	struct nat_by by = nat_by_rule(r);
	size_t k = st->passed;
	int res;

	if (k >= f->len || (k + 1 == f->len && f->rest <= 0)) {
		st->passed = 0;
		*ret = k < f->len ? f->v[k].elem : NULL;
		return k < f->len ? PICK_ONE : PICK_NONE;
	}
	by.set = set;
	by.elem = st->choice = f->v[k].elem;
	st->next_stmt = (uint8_t)(s - r->stmts);
	res = nat_split(w, st, &by, true, false, prepare_pick);
	return res < 0 ? res : PICK_ENDED;
}

/* The element that the packet's key finds. PICK_ENDED: all ways have been walked. */
static int pick(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s, const struct rs_lookup *l,
		const struct rs_elem **ret)
{
	CLEANUP(nat_found_release) struct nat_found f = { 0 };
	int res;

	*ret = NULL;
	if (st->chosen) {
		st->chosen = false;
		st->passed = 0;
		*ret = st->choice;
		return st->choice ? PICK_ONE : PICK_NONE;
	}
	res = nat_lookup(w, st, r, l, &f);
	if (res < 0)
		return res;
	if (f.broken || (f.len == 0 && !f.too_many))
		return PICK_NONE;
	if (f.too_many || (f.by_chance && f.unsure)) {
		res = do_unknown(w, st, r);
		return res < 0 ? res : PICK_ENDED;
	}
	if (f.by_chance && (f.len > 1 || f.rest > 0))
		return pick_all(w, st, r, s, l->set, &f);
	if (f.unsure)
		return pick_unsure(w, st, r, s, l->set, &f, ret);
	*ret = f.v[0].elem;
	return PICK_ONE;
}

/* Puts the address or the port that a map holds into the argument. False: it holds something else. */
static bool take_data(const struct rs_set *set, const struct rs_elem *e, bool is_port, bool and_port, struct rs_nat *n)
{
	const struct rs_value *v = e->data;
	unsigned at = is_port ? 0 : 1;
	uint32_t be32;

	if (!v || set->ndata != (and_port ? 2 : 1))
		return false;
	if (is_port || and_port) {
		if (set->data_kinds[at] != VALUE_NUM || v[at].u.num.hi > UINT16_MAX)
			return false;
		n->has_port = true;
		n->port_lo = (uint16_t)v[at].u.num.lo;
		n->port_hi = (uint16_t)v[at].u.num.hi;
	}
	if (is_port)
		return true;
	n->has_addr = true;
	if (set->data_kinds[0] == VALUE_ADDR6) {
		n->lo = v[0].u.addr6->lo;
		n->hi = v[0].u.addr6->hi;
		return true;
	}
	n->lo = n->hi = (struct ip_addr){ .family = AF_INET };
	be32 = htonl(v[0].u.num.lo);
	memcpy(n->lo.b, &be32, sizeof(be32));
	be32 = htonl(v[0].u.num.hi);
	memcpy(n->hi.b, &be32, sizeof(be32));
	return set->data_kinds[0] == VALUE_ADDR4;
}

/* PICK_ONE: @ret is the argument for this packet. */
static int resolve_nat(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s, struct rs_nat *ret)
{
	const struct rs_nat *n = s->u.nat;
	const struct rs_lookup *l = n->addr_map ? n->addr_map : n->port_map;
	const struct rs_elem *e;
	int res;

	*ret = *n;
	res = pick(w, st, r, s, l, &e);
	if (res != PICK_ONE)
		return res;
	w->by_set = l->set;
	w->by_elem = e;
	ret->addr_map = ret->port_map = NULL;
	if (!take_data(l->set, e, l == n->port_map, n->addr_map_has_port, ret))
		ret->text = "a map of another form";
	return PICK_ONE;
}

static int do_vmap(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s)
{
	struct rs_stmt verdict = { .after = 255 };
	const struct rs_elem *e;
	int res = pick(w, st, r, s, s->u.lookup, &e);

	if (res != PICK_ONE)
		return res < 0 ? res : res == PICK_NONE ? ACTION_BREAK : ACTION_ENDED;
	w->by_set = s->u.lookup->set;
	w->by_elem = e;
	verdict.kind = e->verdict;
	verdict.u.target = e->target;
	return apply(w, st, r, &verdict);
}

static int do_one_nat(struct walk *w, struct state *st, const struct rs_rule *r, enum rs_stmt_kind kind, const struct rs_nat *n)
{
	switch (kind) {
	case ST_DNAT:
		return do_dnat(w, st, r, n);
	case ST_REDIRECT:
		return do_redirect(w, st, r, n);
	case ST_NETMAP:
		return do_netmap(w, st, r, n);
	case ST_SNAT:
		return do_snat(w, st, r, n);
	default:
		return do_masquerade(w, st, r, n);
	}
}

static int do_nat(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s)
{
	const struct rs_nat *n = s->u.nat;
	struct rs_nat resolved;
	bool dst = s->kind == ST_DNAT || s->kind == ST_REDIRECT || (s->kind == ST_NETMAP && in_hook(st, HOOKS_DST));

	/* The kernel refuses these targets outside a nat chain and outside their hooks. */
	if (!st->chain || !in_hook(st, dst ? HOOKS_DST : HOOKS_SRC))
		return ACTION_NEXT;
	if (dst ? st->dst_bound : st->src_bound)
		return ACTION_NEXT;
	if (n && n->addr_map && n->port_map)
		return undecided(w, st, r);
	if (n && (n->addr_map || n->port_map)) {
		int res = resolve_nat(w, st, r, s, &resolved);

		if (res != PICK_ONE)
			return res < 0 ? res : res == PICK_NONE ? ACTION_BREAK : ACTION_ENDED;
		n = &resolved;
	}
	return do_one_nat(w, st, r, (enum rs_stmt_kind)s->kind, n);
}

static int do_mark(struct walk *w, struct state *st, const struct rs_rule *r, uint32_t mark)
{
	struct nat_by by = by_rule(w, r);
	struct nat_step *step;
	uint32_t old = st->mark;

	st->mark = mark;
	step = nat_record(w, st, EFFECT_MARK, &by);
	if (step) {
		step->old_mark = old;
		step->mark = mark;
	}
	return ACTION_NEXT;
}

static int do_mark_map(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s)
{
	const struct rs_set *set = s->u.lookup->set;
	const struct rs_elem *e;
	int res = pick(w, st, r, s, s->u.lookup, &e);

	if (res != PICK_ONE)
		return res < 0 ? res : res == PICK_NONE ? ACTION_BREAK : ACTION_ENDED;
	if (!e->data || set->ndata != 1 || set->data_kinds[0] != VALUE_NUM)
		return undecided(w, st, r);
	w->by_set = set;
	w->by_elem = e;
	return do_mark(w, st, r, e->data[0].u.num.lo);
}

/* xt_connmark.c, connmark_tg_shift(): without a connection nothing happens. In nftables a rule that asks for its mark ends. */
static int do_connmark(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s)
{
	if (!nat_has_connection(st)) /* nft_ct_get_eval() ends the rule, nft_ct_set_eval() goes on */
		return nat_is_native(r) && s->kind == ST_CONNMARK_RESTORE ? ACTION_BREAK : ACTION_NEXT;
	switch ((enum rs_stmt_kind)s->kind) {
	case ST_CONNMARK:
		st->ctmark = (st->ctmark & ~s->u.bits.mask) ^ s->u.bits.value;
		return ACTION_NEXT;
	case ST_CONNMARK_SAVE:
		st->ctmark = (st->ctmark & ~s->u.bits.value) ^ (st->mark & s->u.bits.mask);
		return ACTION_NEXT;
	default:
		return do_mark(w, st, r, (st->mark & ~s->u.bits.mask) ^ (st->ctmark & s->u.bits.value));
	}
}

/* The set is another one from here on; of what it holds now nothing is sure. */
static int do_set(struct walk *w, struct state *st, const struct rs_stmt *s)
{
	struct changed_set *c = arena_new(&w->out->arena, struct changed_set);

	if (!c)
		return -ENOMEM;
	nat_tails_spoil(w);
	*c = (struct changed_set){ st->changed_sets, s->u.set };
	st->changed_sets = c;
	return ACTION_NEXT;
}

/*
 * The chain by its short cut, where nobody wants to see the way through it. 0: it has to be walked, for what is asked of the source
 * cannot be said so simply, or the packet goes through it.
 */
static int take_short_cut(struct walk *w, struct state *st, const struct rs_short *s)
{
	bool own = !st->is_reply && st->src_known && !st->src_derived && ip_addr_equal(&st->src, &st->orig_src);
	struct nat_range one;
	uint32_t be32;

	if (!in_hook(st, HOOKS_DST) || st->base->type != CHAIN_NAT || st->dst_bound || st->dst.family != AF_INET || (s->proto && s->proto != st->proto) ||
	    (s->marking && !own))
		return 0;
	if (s->marking) {
		one.first = one.last = (struct nat_key){ 0, ntohl(s->source) };
		if (w->classes)
			nat_classes_ask(w->classes, &st->src, &one, 1, s->marking);
		memcpy(&be32, st->src.b, sizeof(be32));
		if (be32 == s->source)
			st->mark = (st->mark & ~s->mark_mask) ^ s->mark;
	}
	set_dst(st, s->addr.family ? &s->addr : &st->dst, s->port ? s->port : st->dport);
	st->nat_done = true;
	w->out->nsteps += 2;
	return ACTION_CHAIN_DONE;
}

static int do_jump(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s)
{
	const struct rs_chain *target = s->u.target;
	struct nat_by by = by_rule(w, r);
	struct nat_step *step;
	struct frame *f;
	bool loop = target == st->chain && s->kind == ST_JUMP;
	int res;

	for (const struct frame *p = st->frame; p && !loop; p = p->parent)
		loop = p->chain == target;
	if (!target || loop || st->depth >= NAT_DEPTH_MAX) {
		/* The chain is missing from the dump, or the dump holds a loop, which the kernel would have refused. */
		res = nat_end(w, st, NAT_UNDECIDED, &by, NULL);
		return res < 0 ? res : ACTION_ENDED;
	}
	if (s->short_cut && w->tails) {
		res = take_short_cut(w, st, &w->node->rules->shorts.v[s->short_cut - 1]);
		if (res)
			return res;
	}
	step = nat_record(w, st, s->kind == ST_JUMP ? EFFECT_JUMP : EFFECT_GOTO, &by);
	if (step)
		step->target = target;
	if (s->kind == ST_JUMP) {
		f = arena_new(&w->out->arena, struct frame);
		if (!f)
			return -ENOMEM;
		*f = (struct frame){ st->frame, st->chain, st->pos };
		st->frame = f;
		st->depth++;
	}
	st->chain = target;
	st->pos = 0;
	return ACTION_JUMPED;
}

static int do_return(struct walk *w, struct state *st, const struct rs_rule *r)
{
	struct nat_by by = by_rule(w, r);

	(void)nat_record(w, st, EFFECT_RETURN, &by);
	if (!st->frame) {
		st->pos = st->chain->nrules; /* in a base chain, or a chain gone to from one: the policy follows */
		return ACTION_JUMPED;
	}
	st->chain = st->frame->chain;
	st->pos = st->frame->pos;
	st->frame = st->frame->parent;
	st->depth--;
	return ACTION_JUMPED;
}

/* nf_reject's codes of both families, as it sends them in this packet's: nft_reject_icmpv4_code(), nft_reject_icmpv6_code(). */
static const char *refusal_of_family(const struct state *st, const char *with)
{
	static const struct {
		const char *both, *of[2];
	} codes[] = {
		{ "icmpx-port-unreachable", { "icmp-port-unreachable", "icmp6-port-unreachable" } },
		{ "icmpx-admin-prohibited", { "icmp-admin-prohibited", "icmp6-adm-prohibited" } },
		{ "icmpx-no-route", { "icmp-net-unreachable", "icmp6-no-route" } },
		{ "icmpx-host-unreachable", { "icmp-host-unreachable", "icmp6-addr-unreachable" } },
	};

	for (size_t i = 0; with && i < ARRAY_LEN(codes); i++)
		if (strcmp(with, codes[i].both) == 0)
			return codes[i].of[st->dst.family == AF_INET6];
	return with;
}

static int do_verdict(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s)
{
	struct nat_by by = by_rule(w, r);
	const struct rs_chain *c = st->chain;
	int res;

	switch (s->kind) {
	case ST_ACCEPT:
		(void)nat_record(w, st, EFFECT_ACCEPT, &by);
		if (strcmp(c->table->name, "filter") == 0 || !c->table->xtables)
			st->accept_by = by;
		return ACTION_CHAIN_DONE;
	case ST_DROP:
		(void)nat_record(w, st, EFFECT_DROP, &by);
		res = nat_end(w, st, NAT_DROP, &by, NULL);
		return res < 0 ? res : ACTION_ENDED;
	default:
		(void)nat_record(w, st, EFFECT_REJECT, &by);
		res = nat_end(w, st, NAT_REJECT, &by, refusal_of_family(st, s->u.text));
		return res < 0 ? res : ACTION_ENDED;
	}
}

static int apply(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s)
{
	struct nat_by by;
	int res;

	switch ((enum rs_stmt_kind)s->kind) {
	case ST_NOP:
		return ACTION_NEXT;
	case ST_ACCEPT:
	case ST_DROP:
	case ST_REJECT:
		return do_verdict(w, st, r, s);
	case ST_RETURN:
		return do_return(w, st, r);
	case ST_JUMP:
	case ST_GOTO:
		return do_jump(w, st, r, s);
	case ST_DNAT:
	case ST_SNAT:
	case ST_MASQUERADE:
	case ST_REDIRECT:
	case ST_NETMAP:
		return do_nat(w, st, r, s);
	case ST_MARK:
		return do_mark(w, st, r, (st->mark & ~s->u.bits.mask) ^ s->u.bits.value);
	case ST_CONNMARK:
	case ST_CONNMARK_SAVE:
	case ST_CONNMARK_RESTORE:
		return do_connmark(w, st, r, s);
	case ST_SET:
		return do_set(w, st, s);
	case ST_VMAP:
		return do_vmap(w, st, r, s);
	case ST_MARK_MAP:
		return do_mark_map(w, st, r, s);
	case ST_UPDATE:
		res = nat_do_update(w, st, r, s->u.update);
		return res == 1 ? ACTION_BREAK : res;
	case ST_ZONE: /* a template that conntrack takes up at -200; later it changes nothing */
		if (!st->tracked)
			st->zone_rule = r;
		return ACTION_NEXT;
	case ST_NOTRACK:
		by = by_rule(w, r);
		(void)nat_record(w, st, EFFECT_NOTRACK, &by);
		if (!st->tracked) {
			st->notrack = true;
			st->notrack_rule = r;
		}
		return ACTION_NEXT;
	default:
		if (nat_is_native(r) && s + 1 < r->stmts + r->nstmts) /* its other statements follow */
			nat_resume_at(st, r, (unsigned)(s + 1 - r->stmts));
		return do_unknown(w, st, r);
	}
}

int nat_apply(struct walk *w, struct state *st, const struct rs_rule *r, const struct rs_stmt *s)
{
	int a = apply(w, st, r, s);

	w->by_set = NULL;
	w->by_elem = NULL;
	return a;
}
