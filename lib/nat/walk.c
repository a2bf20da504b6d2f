/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walk: a packet's way through hooks, base chains and rules. A state is copied where the way splits, by chance or
 * by something that is not known; jumps and paths are immutable lists in the result's arena, so a copy is cheap.
 */
#include <errno.h>
#include <limits.h>
#include <math.h>

#include "nat-private.h"

void nat_assumed(struct walk *w, const char *text)
{
	for (size_t i = 0; i < w->out->assumed.len; i++)
		if (w->out->assumed.v[i] == text || strcmp(w->out->assumed.v[i], text) == 0)
			return;
	if (array_push(&w->out->assumed, text) < 0)
		w->error = -ENOMEM;
}

struct nat_step *nat_record_step(struct walk *w, struct state *st, enum nat_effect e, const struct nat_by *by)
{
	struct nat_step *s = arena_new(&w->out->arena, struct nat_step);

	if (!s) {
		w->error = -ENOMEM;
		return NULL;
	}
	w->recorded++;
	s->prev = st->path;
	s->hook = st->hook;
	s->effect = (uint8_t)e;
	s->depth = st->depth;
	if (by)
		s->by = *by;
	st->path = s;
	return s;
}

void nat_lose(struct walk *w, struct state *st, enum nat_by_kind kind, const char *cause, const char *text)
{
	struct nat_by by = { .kind = kind, .text = text, .cause = cause };
	struct nat_step *s;

	if (!text) {
		w->error = -ENOMEM;
		return;
	}
	if (st->lost)
		return;
	st->lost = true;
	st->lost_by = by;
	s = nat_record(w, st, EFFECT_LOST, &by);
	if (s)
		s->text = text;
}

int nat_push_ending(struct walk *w, const struct nat_ending *e)
{
	if (w->open_splits)
		w->summary += (isnan(e->weight) ? 1 : e->weight) * nat_fate_hash(e);
	return array_push(&w->out->endings, *e) < 0 ? -ENOMEM : 0;
}

int nat_end(struct walk *w, const struct state *st, enum nat_verdict v, const struct nat_by *by, const char *reject_with)
{
	struct nat_ending e = {
		.verdict = v, .translated = st->translated, .addr = st->dst, .port = st->dport, .weight = st->weight,
		.masquerade = st->masquerade, .delivery = st->delivery, .interface = st->oif, .reject_with = reject_with,
		.path = st->path, .lost = st->lost_by,
	};

	if (w->error < 0)
		return w->error;
	if (w->reply) {
		nat_reply_end(w, st, v, by);
		return 0;
	}
	e.assumes = st->assumes;
	if (st->src_known)
		e.source = st->src;
	if (st->ipvs)
		nat_ipvs_ending(st, &e);
	if (by)
		e.by = *by;
	else if (v == NAT_ACCEPT)
		e.by = st->accept_by;
	if (v == NAT_DROP || v == NAT_REJECT)
		e.delivery = DELIVERY_LOST;
	else if (v == NAT_UNDECIDED)
		e.delivery = DELIVERY_UNKNOWN;
	else if (st->lost)
		e.delivery = DELIVERY_LOST;
	nat_reply(w, st, &e);
	return nat_push_ending(w, &e);
}

static int run_branch(struct walk *w, const struct state *st, const struct nat_by *by, bool value, bool is_state,
		      branch_fn prepare, struct nat_step **ret_step, struct nat_assume **ret_assume)
{
	struct state copy = *st;
	struct nat_step *s = nat_record(w, &copy, EFFECT_ASSUME, by);
	struct nat_assume *a = arena_new(&w->out->arena, struct nat_assume);

	if (!a)
		return -ENOMEM;
	*a = (struct nat_assume){ copy.assumes, *by, value, is_state, false };
	copy.assumes = a;
	if (s)
		s->value = value;
	*ret_step = s;
	*ret_assume = a;
	prepare(&copy, value);
	return nat_run(w, &copy);
}

/* Two runs of endings whose sums differ are different; only equal ones are looked at more closely. */
static bool sums_agree(double a, double b)
{
	return fabs(a - b) <= 1e-9 * (1 + fabs(a) + fabs(b));
}

/* Both ways; where the first one's endings stop goes into @ret_b, and their sum into @ret_sum. */
static int run_both(struct walk *w, struct state *st, const struct nat_by *by, bool first, bool is_state, branch_fn prepare,
		    struct nat_step *step[static 2], struct nat_assume *assume[static 2], size_t *ret_b, double *ret_sum)
{
	int res;

	w->open_splits++;
	res = run_branch(w, st, by, first, is_state, prepare, &step[0], &assume[0]);
	*ret_b = w->out->endings.len;
	*ret_sum = w->summary;
	if (res == 0)
		res = run_branch(w, st, by, !first, is_state, prepare, &step[1], &assume[1]);
	w->open_splits--;
	return res;
}

int nat_split(struct walk *w, struct state *st, const struct nat_by *by, bool first, bool is_state, branch_fn prepare)
{
	struct nat_result *r = w->out;
	size_t a = r->endings.len, b;
	double sum_a = w->summary, sum_b;
	struct nat_step *step[2];
	struct nat_assume *assume[2];
	int res;

	nat_tails_spoil(w);
	if (++w->splits > NAT_SPLITS_MAX)
		return nat_end(w, st, NAT_UNDECIDED, by, NULL);
	res = run_both(w, st, by, first, is_state, prepare, step, assume, &b, &sum_b);
	if (res < 0)
		return res;
	if (!sums_agree(sum_b - sum_a, w->summary - sum_b) ||
	    !nat_same_endings(r, a, b, r->endings.len, assume[0], assume[1]))
		return 0;
	r->endings.len = b;
	w->summary = sum_b;
	assume[0]->moot = true;
	w->moot = true;
	if (step[0])
		step[0]->effect = NAT_MOOT;
	return 0;
}

/* ---- one rule ---- */

/* The next rule of the chain. */
static void pass_rule(struct state *st)
{
	st->pos++;
	st->rule_stage = 0;
	st->next_cond = st->next_stmt = 0;
}

static void prepare_unknown(struct state *st, bool value)
{
	st->rule_stage = 1;
	if (!value)
		pass_rule(st);
}

static void prepare_state(struct state *st, bool value)
{
	st->rule_stage = 2;
	if (!value)
		pass_rule(st);
}

static void leave_chain(struct state *st)
{
	st->in_chain = false;
	st->frame = NULL;
	st->depth = 0;
}

static int remember(struct walk *w, struct state *st, const struct rs_recent *list)
{
	struct remembered *m = arena_new(&w->out->arena, struct remembered);

	if (!m)
		return -ENOMEM;
	*m = (struct remembered){ st->remembered, nat_recent_addr(st, list), list };
	st->remembered = m;
	return 0;
}

/*
 * A rule that did not run has remembered all the same what it came to: xt_recent.c does so when the match is asked, negated or not,
 * whatever stands behind it.
 */
static int remember_passing(struct walk *w, struct state *st, const struct rs_rule *r)
{
	for (unsigned i = 0; i < r->nconds; i++) {
		const struct rs_cond *c = &r->conds[i];
		struct match m = { .kind = MATCH_YES, .chance = 1 };

		if (c->field != FIELD_RECENT_SET || c->op != OP_RECENT)
			continue;
		if (i > 0)
			nat_match_rule(w, st, r, 0, i, &m);
		if (m.kind == MATCH_YES && !m.has_state && m.chance >= 1 && remember(w, st, c->u.recent) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* How many conditions must hold before the statement at @i; of behind the last, all. */
static unsigned conds_before(const struct rs_rule *r, unsigned i)
{
	return r->staged && i < r->nstmts && r->stmts[i].after < r->nconds ? r->stmts[i].after : r->nconds;
}

void nat_resume_at(struct state *st, const struct rs_rule *r, unsigned i)
{
	st->pos = r->index - 1;
	st->next_stmt = (uint8_t)i;
	st->next_cond = (uint16_t)conds_before(r, i);
	st->rule_stage = 0;
}

/* Runs the statements of a rule whose first @conds conditions hold. 1: the packet has ended. */
static int execute(struct walk *w, struct state *st, const struct rs_rule *r, unsigned conds)
{
	unsigned first = st->next_stmt;

	for (unsigned i = 0; r->remembers && i < r->nconds; i++) {
		if (r->conds[i].field == FIELD_RECENT_SET && r->conds[i].op == OP_RECENT && remember(w, st, r->conds[i].u.recent) < 0)
			return -ENOMEM;
	}
	for (unsigned i = first; i < r->nstmts; i++) {
		int a;

		if (conds_before(r, i) > conds) {
			nat_resume_at(st, r, i);
			st->next_cond = (uint16_t)conds;
			return 0; /* more conditions first */
		}
		pass_rule(st);
		a = nat_apply(w, st, r, &r->stmts[i]);
		if (a < 0)
			return a;
		if (a == ACTION_ENDED)
			return 1;
		if (a == ACTION_CHAIN_DONE)
			leave_chain(st);
		if (a != ACTION_NEXT)
			return 0;
		st->pos--;
	}
	pass_rule(st);
	return 0;
}

/* Chance: one copy takes the rule, the state itself goes past it. */
static int take_chance(struct walk *w, struct state *st, const struct rs_rule *r, unsigned conds, double p)
{
	struct state taken = *st;
	struct nat_by by = nat_by_rule(r);
	struct nat_step *s;
	int res;

	nat_tails_spoil(w);
	taken.weight *= p;
	s = nat_record(w, &taken, EFFECT_CHANCE, &by);
	if (s)
		s->weight = p;
	res = execute(w, &taken, r, conds);
	if (res == 0)
		res = nat_run(w, &taken);
	if (res < 0)
		return res;
	st->weight *= 1 - p;
	if (r->remembers && remember_passing(w, st, r) < 0)
		return -ENOMEM;
	pass_rule(st);
	return 0;
}

static int chain_end(struct walk *w, struct state *st)
{
	struct nat_by by = { .kind = BY_POLICY, .chain = st->base };
	int res;

	if (st->frame) {
		st->chain = st->frame->chain;
		st->pos = st->frame->pos;
		st->frame = st->frame->parent;
		st->depth--;
		return 0;
	}
	if (st->base->policy == POLICY_DROP) {
		(void)nat_record(w, st, EFFECT_DROP, &by);
		res = nat_end(w, st, NAT_DROP, &by, NULL);
		return res < 0 ? res : 1;
	}
	leave_chain(st);
	return 0;
}

/* There is an end to everything: said as it is. */
static int give_up(struct walk *w, struct state *st)
{
	struct nat_by by = { .kind = BY_KERNEL, .text = "too many ways through these rules" };

	st->path = NULL; /* a million steps explain nothing */
	return nat_end(w, st, NAT_UNDECIDED, &by, NULL);
}

/* One rule, or the end of a chain. 1: the packet has ended. */
static int step(struct walk *w, struct state *st)
{
	const struct rs_rule *r;
	struct nat_by by;
	struct match m;
	unsigned conds;
	int res;

	if (++w->out->nsteps > NAT_STEPS_MAX || w->recorded > NAT_RECORDED_MAX) {
		res = give_up(w, st);
		return res < 0 ? res : 1;
	}
	/* The index skips by destination. Of a reply that is the client: not before it is known, nor where it is to be told. */
	if (st->rule_stage == 0 && st->next_stmt == 0 && !(st->is_reply && (st->dst_hidden || w->classes)))
		st->pos = chain_next_candidate(st->chain, &st->dst, st->proto, st->dport, st->pos);
	if (st->pos >= st->chain->nrules)
		return chain_end(w, st);
	r = st->chain->rules[st->pos];
	if (!r->acts) {
		st->pos++;
		return 0;
	}
	conds = conds_before(r, st->next_stmt);
	nat_match_rule(w, st, r, st->next_cond, conds, &m);
	if (m.kind == MATCH_NO && st->rule_stage == 0) {
		if (r->remembers && remember_passing(w, st, r) < 0)
			return -ENOMEM;
		pass_rule(st);
		return 0;
	}
	by = nat_by_rule(r);
	if (m.kind == MATCH_UNKNOWN && st->rule_stage == 0) {
		res = nat_split(w, st, &by, true, false, prepare_unknown);
		return res < 0 ? res : 1;
	}
	if (m.has_state && st->rule_stage <= 1) {
		if (w->flags & NAT_FOLLOW_STATE) {
			res = nat_split(w, st, &by, m.state_default, true, prepare_state);
			return res < 0 ? res : 1;
		}
		if (!m.state_default) {
			if (r->remembers && remember_passing(w, st, r) < 0)
				return -ENOMEM;
			prepare_state(st, false);
			return 0;
		}
	}
	if (m.chance < 1) {
		if (m.chance > 0)
			return take_chance(w, st, r, conds, m.chance);
		pass_rule(st);
		return 0;
	}
	return execute(w, st, r, conds);
}

/* ---- hooks ---- */

/* nat chains of a hook run together at a fixed place: net/netfilter/nf_nat_core.c, nf_nat_proto.c. */
static int nat_place(enum rs_hook h)
{
	return h == HOOK_PREROUTING || h == HOOK_OUTPUT ? PRIO_NAT_DST : PRIO_NAT_SRC;
}

static int place(const struct rs_chain *c)
{
	return c->type != CHAIN_NAT ? c->priority : nat_place((enum rs_hook)c->hook);
}

static bool same_place(const struct rs_chain *a, const struct rs_chain *b)
{
	return place(a) == place(b) && a->priority == b->priority;
}

static bool nat_is_over(const struct state *st)
{
	bool dst = st->hook == HOOK_PREROUTING || st->hook == HOOK_OUTPUT;

	return st->round || st->request || st->notrack || st->invalid || st->nat_done || (dst ? st->dst_bound : st->src_bound);
}

static void prepare_order(struct state *st, bool value)
{
	st->order_known = true;
	st->reversed = !value;
}

/* Chains of equal priority run in the order in which they were registered, which no dump shows: both are followed. */
static int choose_order(struct walk *w, struct state *st, const struct nat_hook_plan *plan)
{
	const struct rs_chain *a = plan->chain[st->plan_pos], *b;
	struct nat_by by = { .kind = BY_KERNEL };
	int res;

	st->group_start = st->group_end = st->plan_pos;
	while (st->group_end < plan->n && same_place(a, plan->chain[st->group_end]))
		st->group_end++;
	if (st->group_end - st->group_start < 2) {
		st->order_known = true;
		st->reversed = false;
		return 0;
	}
	b = plan->chain[st->group_end - 1];
	by.text = arena_printf(&w->out->arena, "which of %s %s %s and %s %s %s runs first at %s (equal priority)",
			       rs_backend_name(a->table->backend), a->table->name, a->name,
			       rs_backend_name(b->table->backend), b->table->name, b->name, rs_hook_name(a->hook));
	if (!by.text)
		return -ENOMEM;
	res = nat_split(w, st, &by, true, false, prepare_order);
	return res < 0 ? res : 1;
}

/* After a chain: the kernel routes a packet of the node again when nat or a route chain changed what routes it. */
void nat_route_again(struct walk *w, struct state *st)
{
	struct nat_step *s;

	if (st->hook != HOOK_OUTPUT)
		return;
	if (st->base && st->base->type == CHAIN_ROUTE && st->mark != st->mark_before)
		st->reroute = true;
	if (!st->reroute)
		return;
	/* OUTPUT goes on with the interface of the first route; POSTROUTING sees the second one. */
	const char *first = st->oif;

	nat_route_output(w, st, true);
	s = nat_record(w, st, EFFECT_ROUTE, NULL);
	if (s)
		s->device = st->oif;
	st->reroute = false;
	st->next_oif = st->oif;
	st->has_next_oif = true;
	st->oif = first;
}

/* A reply past the place of nat. */
static void translate_back(struct walk *w, struct state *st)
{
	if (!st->request || !nat_reply_translate(st))
		return;
	st->reroute = st->reroute || st->hook == HOOK_OUTPUT;
	nat_route_again(w, st);
}

static void enter_chain(struct state *st, const struct rs_chain *c)
{
	st->base = st->chain = c;
	st->pos = 0;
	st->depth = 0;
	st->frame = NULL;
	st->in_chain = true;
	st->mark_before = st->mark;
	st->plan_pos++;
}

void nat_enter_hook(struct state *st, enum rs_hook h)
{
	st->hook = (int8_t)h;
	st->plan_pos = 0;
	st->group_end = 0;
	st->order_known = false;
	st->nat_done = false;
	st->entered = false;
	st->ipvs_asked = false;
}

static void record_route(struct walk *w, struct state *st, const char *text)
{
	struct nat_step *s = nat_record(w, st, EFFECT_ROUTE, NULL);

	if (s) {
		s->device = st->oif;
		s->text = text;
		s->addr = st->gateway;
	}
}

/*
 * What the kernel itself does in the hook before @place: conntrack's translation of replies, and IPVS. 1: the packet has ended; 2: it
 * is in another hook now.
 */
static int pass(struct walk *w, struct state *st, int place)
{
	bool ipvs = place > nat_ipvs_place(st), ipvs_first = st->hook != HOOK_OUTPUT;
	int res = ipvs && ipvs_first ? nat_ipvs(w, st) : 0;

	if (res == 0 && st->entered && place > nat_place((enum rs_hook)st->hook))
		translate_back(w, st);
	if (res == 0 && ipvs && !ipvs_first)
		res = nat_ipvs(w, st);
	return res == 0 && !st->entered ? 2 : res;
}

/* The end of a hook: what comes next. 1: the packet has ended. */
static int leave_hook(struct walk *w, struct state *st)
{
	bool local = false;
	int res;

	st->tracked = true;
	res = pass(w, st, INT_MAX);
	if (res != 0)
		return res == 2 ? 0 : res;
	if (st->hook == HOOK_PREROUTING || st->hook == HOOK_OUTPUT)
		st->dst_bound = true;
	else if (st->hook != HOOK_FORWARD)
		st->src_bound = true;
	switch (st->hook) {
	case HOOK_PREROUTING:
		if (st->round) {
			nat_enter_hook(st, HOOK_INPUT);
			return 0;
		}
		if (st->switched) {
			st->bridged = true;
			st->oif = st->iif;
			nat_enter_hook(st, HOOK_FORWARD);
			return 0;
		}
		nat_route_input(w, st, &local);
		record_route(w, st, local ? "for this node" : "to be forwarded");
		nat_enter_hook(st, local ? HOOK_INPUT : HOOK_FORWARD);
		return 0;
	case HOOK_FORWARD:
		nat_enter_hook(st, HOOK_POSTROUTING);
		return 0;
	case HOOK_OUTPUT:
		if (st->has_next_oif)
			st->oif = st->next_oif;
		nat_enter_hook(st, HOOK_POSTROUTING);
		return 0;
	case HOOK_POSTROUTING:
		/* What IPVS sent on as it was, too, once something had it routed again. */
		if ((st->from_node || (st->ipvs_done && !st->is_reply)) && st->oif && strcmp(st->oif, "lo") == 0) {
			st->round = true;
			st->iif = "lo";
			nat_enter_hook(st, HOOK_PREROUTING);
			return 0;
		}
		st->delivery = st->oif ? DELIVERY_SENT : DELIVERY_UNKNOWN;
		break;
	default:
		st->delivery = DELIVERY_LOCAL;
		st->oif = st->iif;
		break;
	}
	res = nat_end(w, st, NAT_ACCEPT, NULL, NULL);
	return res < 0 ? res : 1;
}

/* Enters the next base chain of the hook, or leaves the hook. 1: the packet has ended. */
static int advance(struct walk *w, struct state *st)
{
	const struct nat_hook_plan *plan = &w->node->plan[w->family_index][st->hook];
	const struct rs_chain *c;
	struct nat_by by;
	int res;

	if (st->base && st->base->type == CHAIN_NAT && !st->tail_passed && nat_tails_apply(w, st)) {
		res = nat_tails_run(w, st);
		return res < 0 ? res : 1;
	}
	if (st->base)
		nat_route_again(w, st);
	st->base = NULL;
	if (!st->entered) {
		st->entered = true;
		(void)nat_record(w, st, EFFECT_ENTER, NULL);
		if (plan->overflow) {
			by = (struct nat_by){ .kind = BY_KERNEL, .text = "more base chains at one hook than svcdoctor follows" };
			res = nat_end(w, st, NAT_UNDECIDED, &by, NULL);
			return res < 0 ? res : 1;
		}
	}
	for (; st->plan_pos < plan->n; st->plan_pos++) {
		c = plan->chain[st->plan_pos];
		if (place(c) >= PRIO_CONNTRACK)
			st->tracked = true;
		res = pass(w, st, place(c));
		if (res != 0)
			return res == 2 ? 0 : res;
		if (c->type == CHAIN_NAT && nat_is_over(st))
			continue;
		if (st->plan_pos >= st->group_end)
			st->order_known = false;
		if (!st->order_known) {
			res = choose_order(w, st, plan);
			if (res != 0)
				return res;
		}
		if (st->reversed)
			c = plan->chain[st->group_start + st->group_end - 1 - st->plan_pos];
		enter_chain(st, c);
		return 0;
	}
	return leave_hook(w, st);
}

static int run_on(struct walk *w, struct state *st)
{
	for (;;) {
		int res;

		if (w->error < 0)
			return w->error;
		if (st->stopped)
			return nat_end(w, st, NAT_UNDECIDED, &st->stop_by, NULL);
		res = st->in_chain ? step(w, st) : advance(w, st);
		if (res != 0)
			return res < 0 ? res : 0;
	}
}

int nat_run(struct walk *w, struct state *st)
{
	const struct rs_set *set = w->by_set;
	const struct rs_elem *elem = w->by_elem;
	int res;

	if (w->nesting >= NAT_NESTING_MAX)
		return give_up(w, st);
	w->nesting++;
	w->by_set = NULL;
	w->by_elem = NULL;
	res = run_on(w, st);
	w->by_set = set;
	w->by_elem = elem;
	w->nesting--;
	return res;
}

/* ---- from outside ---- */

static bool serves_family(const struct rs_table *t, unsigned family_index)
{
	return t->family == RS_INET || t->family == (family_index ? RS_IP6 : RS_IP4);
}

static void plan_add(struct nat_hook_plan *p, const struct rs_chain *c)
{
	unsigned i;

	if (p->n == NAT_PLAN_MAX) {
		p->overflow = true;
		return;
	}
	for (i = p->n; i > 0; i--) {
		const struct rs_chain *o = p->chain[i - 1];

		if (place(o) < place(c) || (place(o) == place(c) && o->priority <= c->priority))
			break;
		p->chain[i] = o;
	}
	p->chain[i] = c;
	p->n++;
}

/* Does the way of a packet depend on the interface it came by? */
static bool routes_ask_iif(const struct node_facts *f)
{
	for (size_t i = 0; i < f->rules.len; i++)
		if (f->rules.v[i].iif)
			return true;
	for (size_t i = 0; i < f->links.len; i++)
		if (f->links.v[i].kind && strcmp(f->links.v[i].kind, "vrf") == 0)
			return true;
	return false;
}

void nat_node_init(struct nat_node *n, const char *name, const struct ruleset *rules, const struct node_facts *facts)
{
	*n = (struct nat_node){ .name = name, .rules = rules, .facts = facts, .routes_ask_iif = routes_ask_iif(facts) };
	for (size_t t = 0; t < rules->tables.len; t++) {
		const struct rs_table *table = rules->tables.v[t];

		for (size_t i = 0; i < table->chain_list.len; i++) {
			const struct rs_chain *c = table->chain_list.v[i];

			for (unsigned f = 0; f < 2; f++)
				n->has_nat[f] |= c->hook != HOOK_NONE && c->type == CHAIN_NAT && !table->dormant && serves_family(table, f);
			if (c->hook == HOOK_NONE || table->dormant || (c->nrules == 0 && c->policy == POLICY_ACCEPT))
				continue;
			for (unsigned f = 0; f < 2; f++)
				if (serves_family(table, f))
					plan_add(&n->plan[f][c->hook], c);
		}
	}
}

static void note_missing_backends(struct walk *w)
{
	unsigned f = w->family_index;
	static const char *const texts[2][2] = {
		{ "no iptables-legacy dump: that backend is taken as empty", "no iptables-nft dump: that backend is taken as empty" },
		{ "no ip6tables-legacy dump: that backend is taken as empty", "no ip6tables-nft dump: that backend is taken as empty" },
	};

	if (!w->node->legacy_known[f])
		nat_assumed(w, texts[f][0]);
	if (!w->node->nft_known[f])
		nat_assumed(w, texts[f][1]);
}

/* Takes assumptions that changed nothing out of paths and lists, which share their beginnings. */
static void drop_moot(struct nat_result *r)
{
	for (size_t i = 0; i < r->endings.len; i++) {
		struct nat_step **at = &r->endings.v[i].path;
		struct nat_assume **as = &r->endings.v[i].assumes;

		while (*at) {
			if ((*at)->effect == NAT_MOOT)
				*at = (*at)->prev;
			else
				at = &(*at)->prev;
		}
		while (*as) {
			if ((*as)->moot)
				*as = (*as)->next;
			else
				as = &(*as)->next;
		}
	}
}

int nat_walk(const struct nat_node *node, const struct nat_packet *p, const struct nat_options *o, struct nat_result *ret)
{
	struct walk w = { .node = node, .packet = p, .flags = o->flags, .classes = o->classes, .tails = o->tails, .here = o->here,
			  .here_arg = o->here_arg, .out = ret, .family_index = p->dst.family == AF_INET6 };
	struct state st = {
		.src = p->src, .dst = p->dst, .orig_src = p->src, .orig_dst = p->dst,
		.sport = p->sport, .dport = p->dport, .orig_sport = p->sport, .orig_dport = p->dport,
		.proto = p->proto, .icmp_type = p->icmp_type, .icmp_code = p->icmp_code, .mark = p->mark,
		.src_known = true, .from_node = p->from_node, .weight = 1, .iif = p->from_node ? NULL : p->iif,
	};
	int res;

	if (p->src.family != p->dst.family || (p->src.family != AF_INET && p->src.family != AF_INET6))
		return -EINVAL;
	note_missing_backends(&w);
	nat_enter_hook(&st, p->from_node ? HOOK_OUTPUT : HOOK_PREROUTING);
	if (p->from_node) {
		nat_route_output(&w, &st, false);
		record_route(&w, &st, "sent by the node");
	}
	res = nat_run(&w, &st);
	if (res == 0 && w.error < 0)
		res = w.error;
	if (res == 0 && w.moot)
		drop_moot(ret);
	if (res == 0 && !(w.flags & NAT_AS_WALKED))
		nat_sort_join(ret, 0);
	return res;
}
