/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blame: which rule, or what else, is behind a difference. The rules that kube-proxy would have written are walked in the order in
 * which the packet needs them; the first that is not there is the cause, with the chain where it belongs and its text.
 * Where a rule was changed instead of removed, the changed rule stands in that chain and nobody expects it: that one is
 * named. Where everything is there, the packet's own path tells.
 */
#include <errno.h>

#include "blame-private.h"

static void by_from_rule(const struct blame_context *b, const struct rs_rule *r, struct verify_by *ret)
{
	struct nat_by by = { .kind = BY_RULE, .rule = r, .chain = r->chain };

	verify_by_from_nat(b->arena, b->v->snap->name, &by, ret);
}

static bool has_element(const struct nat_step *s)
{
	return s->by.elem && s->by.set && s->by.set->name;
}

/* Is all that this step went by kube-proxy's own, for this port? */
static bool expects_step(const struct blame_context *b, const struct nat_step *s)
{
	return blame_expects(b, s->by.rule) && (!has_element(s) || blame_expects_element(b, s->by.set, s->by.elem));
}

/* The rule of a step, or the element that it found where the rule is as it must be. */
static void by_from_step(const struct blame_context *b, const struct nat_step *s, struct verify_by *ret)
{
	if (has_element(s) && blame_expects(b, s->by.rule))
		verify_by_from_nat(b->arena, b->v->snap->name, &s->by, ret);
	else
		by_from_rule(b, s->by.rule, ret);
}

/* kube-proxy's own table of nftables holds what other modes have in several. */
static bool in_table(const struct rs_chain *c, const char *table)
{
	return !table || !c->table->xtables || strcmp(c->table->name, table) == 0;
}

static const struct nat_ending *ending_of(const struct blame_context *b, const struct found_difference *d)
{
	return d->ending < b->result->endings.len ? &b->result->endings.v[d->ending] : NULL;
}

/* Steps of a path from its start: the caller gives room for them. */
static size_t path_steps(const struct nat_ending *e, const struct nat_step **v, size_t max)
{
	size_t n = 0;

	for (const struct nat_step *s = e->path; s; s = s->prev)
		n++;
	if (n > max)
		return 0;
	for (const struct nat_step *s = e->path; s; s = s->prev)
		v[--n] = s;
	for (const struct nat_step *s = e->path; s; s = s->prev)
		n++;
	return n;
}

/* The last step of a path with this effect in this table. */
static const struct nat_step *last_step(const struct nat_ending *e, enum nat_effect effect, const char *table)
{
	for (const struct nat_step *s = e->path; s; s = s->prev)
		if (s->effect == effect && s->by.kind == BY_RULE && in_table(s->by.chain, table))
			return s;
	return NULL;
}

#define PATH_MAX_STEPS 512
#define EFFECTS(a) (1u << (a))

/* What a rule that nobody expects may do to turn a packet away from the way that it must go. */
#define TURNS_AWAY (EFFECTS(EFFECT_JUMP) | EFFECTS(EFFECT_GOTO) | EFFECTS(EFFECT_RETURN) | EFFECTS(EFFECT_ACCEPT) | \
		    EFFECTS(EFFECT_DNAT) | EFFECTS(EFFECT_NOTRACK))

#define REFUSES (EFFECTS(EFFECT_JUMP) | EFFECTS(EFFECT_GOTO) | EFFECTS(EFFECT_DROP) | EFFECTS(EFFECT_REJECT))

/* A jump to a chain that did nothing with the packet and sent it back: it turned nothing away. */
static bool is_idle_jump(const struct nat_step *s, const struct nat_step *next)
{
	return s->effect == EFFECT_JUMP && s->target && (!next || next->hook != s->hook || next->depth <= s->depth);
}

/* The first step on the way by what nobody expects and that has one of @effects; @table NULL: any. */
static const struct nat_step *first_unexpected(const struct blame_context *b, const struct nat_ending *e, unsigned effects,
					       const char *table)
{
	const struct nat_step *v[PATH_MAX_STEPS];
	size_t n = path_steps(e, v, PATH_MAX_STEPS);

	for (size_t i = 0; i < n; i++)
		if (v[i]->by.kind == BY_RULE && (effects & EFFECTS(v[i]->effect)) && in_table(v[i]->by.chain, table) && !expects_step(b, v[i]) &&
		    !is_idle_jump(v[i], i + 1 < n ? v[i + 1] : NULL))
			return v[i];
	return NULL;
}

/* The same over the ending of @d, or over all endings where it has none of its own. */
static int blame_path(const struct blame_context *b, const struct found_difference *d, unsigned effects, const char *table,
		      struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct nat_step *s = e ? first_unexpected(b, e, effects, table) : NULL;

	for (size_t i = 0; !s && !e && i < b->result->endings.len; i++)
		s = first_unexpected(b, &b->result->endings.v[i], effects, table);
	if (s)
		by_from_step(b, s, ret);
	return s != NULL;
}

/* The address is on its link, and the packet was not for this node all the same. */
static void blame_local_route(const struct blame_context *b, struct verify_by *ret)
{
	char a[IP_ADDR_STRLEN];

	*ret = (struct verify_by){ .kind = BY_ROUTE, .node = b->v->snap->name, .family = rs_family_name(b->dst->family == AF_INET6 ? RS_IP6 : RS_IP4),
				   .missing = true };
	ret->text = arena_printf(b->arena, "local %s dev kube-ipvs0 table local", ip_addr_format(b->dst, a));
}

static int blame_no_rule(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct nat_step *s;

	if (blame_missing(b, WAY_ENTRY, d, ret) || blame_missing(b, WAY_ENDPOINT, d, ret))
		return 1;
	/* All is there: something on the way turned the packet away before, or took it out of connection tracking. */
	if (blame_path(b, d, EFFECTS(EFFECT_NOTRACK), NULL, ret) || blame_path(b, d, TURNS_AWAY, "nat", ret))
		return 1;
	if (b->v->expect.mode == MODE_IPVS && node_is_local(&b->v->snap->facts, b->dst) == TRI_FALSE) {
		blame_local_route(b, ret);
		return 1;
	}
	s = e ? last_step(e, EFFECT_RETURN, "nat") : NULL;
	if (s)
		by_from_rule(b, s->by.rule, ret);
	return s != NULL;
}

/* The chain of the node that holds a rule which picks an endpoint; NULL for every other rule and where there is no such chain. */
static const struct rs_chain *balancing_chain(const struct blame_context *b, const struct expect_rule *x)
{
	const struct rs_chain *c = NULL;

	if (x->role == ROLE_BALANCE)
		(void)vnode_find_rule(b->v, b->scratch, b->frontend->port->family, x->table, x->chain, x->text, &c);
	return c;
}

/* A rule that stands in its chain twice. */
static int blame_double(const struct blame_context *b, struct verify_by *ret)
{
	CLEANUP(map_release) struct map seen = { 0 };

	for (size_t i = 0; i < b->rules->v.len; i++) {
		const struct expect_rule *x = &b->rules->v.v[i];
		const struct rs_chain *c = balancing_chain(b, x);

		for (uint32_t k = 0; c && k < c->nrules; k++) {
			const char *key = expect_key(b->scratch, x->table, x->chain, c->rules[k]->text, c->rules[k]->text_len);
			struct rs_rule *first = key ? map_gets(&seen, key) : NULL;

			if (first && first != c->rules[k]) {
				by_from_rule(b, c->rules[k], ret);
				return 1;
			}
			if (!key || (!first && map_puts(&seen, key, c->rules[k]) < 0))
				return 0;
		}
	}
	return 0;
}

static int blame_share(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	struct found_difference any = *d;

	any.endpoint.family = 0; /* the probability of one rule moves the shares of all behind it */
	if (blame_missing(b, WAY_SHARE, &any, ret) || blame_double(b, ret))
		return 1;
	/* All are there: one too many, or chains whose names tell nothing. */
	return blame_path(b, d, EFFECTS(EFFECT_CHANCE), NULL, ret) || blame_path(b, d, TURNS_AWAY, "nat", ret);
}

static bool asks_for_client(const struct rs_cond *c)
{
	return c->field == FIELD_RECENT || (c->field == FIELD_LOOKUP && c->u.lookup->name && str_starts(c->u.lookup->name, "affinity-"));
}

/* A virtual server is persistent or not, whatever else it is. */
static int blame_persistence(const struct blame_context *b, struct verify_by *ret)
{
	const struct expect_frontend *f = b->frontend;
	const struct vfound found = { .server = ruleset_find_server(&b->v->snap->rules, f->proto, &f->addr, f->number) };

	if (!found.server || (found.server->persistent > 0) == f->port->service->affinity_client_ip)
		return 0;
	verify_by_found(b->arena, b->v->snap->name, &found, ret);
	return 1;
}

/* The rule that looks up a client's endpoint, or one that nobody asked for. */
static int blame_affinity(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	if (b->v->expect.mode == MODE_IPVS)
		return blame_persistence(b, ret);
	if (blame_missing(b, WAY_AFFINITY, d, ret))
		return 1;
	for (size_t i = 0; i < b->rules->v.len; i++) {
		const struct expect_rule *x = &b->rules->v.v[i];
		const struct rs_chain *c = balancing_chain(b, x);

		for (uint32_t k = 0; c && k < c->nrules; k++) {
			for (unsigned n = 0; n < c->rules[k]->nconds; n++) {
				if (asks_for_client(&c->rules[k]->conds[n]) && !blame_expects(b, c->rules[k])) {
					by_from_rule(b, c->rules[k], ret);
					return 1;
				}
			}
		}
	}
	return 0;
}

static int blame_missing_endpoint(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	return blame_missing(b, WAY_ENDPOINT, d, ret) || blame_missing(b, WAY_ENTRY, d, ret) || blame_share(b, d, ret);
}

/* The real server that it went to. */
static int blame_server(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	struct vfound f = { .server = ruleset_find_server(&b->v->snap->rules, b->frontend->proto, b->dst, b->frontend->number) };

	for (size_t i = 0; f.server && !f.real && i < f.server->nservers; i++)
		if (ip_addr_equal(&f.server->servers[i].addr, &d->endpoint) && f.server->servers[i].port == d->endpoint_port)
			f.real = &f.server->servers[i];
	if (f.real)
		verify_by_found(b->arena, b->v->snap->name, &f, ret);
	return f.real != NULL;
}

/* It went to the wrong place: by a rule that should not be there, for want of one that led elsewhere, or by its DNAT. */
static int blame_target(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct nat_step *s = e ? last_step(e, EFFECT_DNAT, NULL) : NULL;
	bool named = b->v->has_chains[b->frontend->port->family == AF_INET6];
	unsigned leads = EFFECTS(EFFECT_JUMP) | EFFECTS(EFFECT_GOTO) | EFFECTS(EFFECT_DNAT);

	if (b->v->expect.mode == MODE_IPVS && blame_server(b, d, ret))
		return 1;
	if (s && (d->kind == DIFF_STALE_ENDPOINT || !named) && !blame_expects(b, s->by.rule)) {
		by_from_rule(b, s->by.rule, ret);
		return 1;
	}
	if (named && (blame_path(b, d, leads, "nat", ret) || blame_missing(b, WAY_ENTRY, d, ret)))
		return 1;
	if (s)
		by_from_rule(b, s->by.rule, ret);
	return s != NULL;
}

static uint32_t masquerade_bit(const struct blame_context *b)
{
	int bit = b->v->expect.config->masquerade_bit;

	return 1u << (bit >= 0 && bit < 32 ? bit : 14);
}

/* A rule that nobody expects took the mark away, or ended POSTROUTING before kube-proxy's rules. */
static int blame_mark_path(const struct blame_context *b, const struct nat_ending *e, struct verify_by *ret)
{
	const struct nat_step *v[PATH_MAX_STEPS];
	size_t n = path_steps(e, v, PATH_MAX_STEPS);
	uint32_t bit = masquerade_bit(b);

	for (size_t i = 0; i < n; i++) {
		bool clears = v[i]->effect == EFFECT_MARK && (v[i]->old_mark & bit) && !(v[i]->mark & bit);
		bool ends = (v[i]->effect == EFFECT_ACCEPT || v[i]->effect == EFFECT_RETURN) && v[i]->hook == HOOK_POSTROUTING &&
			    strcmp(v[i]->by.chain->table->name, "nat") == 0;

		if ((clears || ends) && !blame_expects(b, v[i]->by.rule)) {
			by_from_rule(b, v[i]->by.rule, ret);
			return 1;
		}
	}
	return 0;
}

/* IPVS takes the connection away from conntrack, and so from every rule that masquerades. */
static int blame_vs_conntrack(const struct blame_context *b, struct verify_by *ret)
{
	const struct nat_by by = { .kind = BY_SYSCTL, .text = "net.ipv4.vs.conntrack = 0" };
	const char *value = node_sysctl(&b->v->snap->facts, "net.ipv4.vs.conntrack");

	if (b->v->expect.mode != MODE_IPVS || !value || strcmp(value, "0") != 0)
		return 0;
	verify_by_from_nat(b->arena, b->v->snap->name, &by, ret);
	return 1;
}

static int blame_not_masqueraded(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	struct found_difference self = *d;
	int r;

	if (!e)
		return 0;
	if (blame_vs_conntrack(b, ret) || blame_mark_path(b, e, ret))
		return 1;
	if (ip_addr_equal(&e->addr, &b->source->addr) && b->answer->masquerade != TRI_TRUE) {
		self.endpoint = e->addr;
		self.endpoint_port = e->port;
		r = blame_missing(b, WAY_HAIRPIN, &self, ret);
	} else {
		r = blame_missing(b, WAY_MARK, d, ret);
	}
	if (r || blame_missing(b, WAY_AFTER_MARK, d, ret))
		return 1;
	return blame_path(b, d, TURNS_AWAY, "nat", ret);
}

static bool mark_was_set(const struct blame_context *b, const struct nat_ending *e)
{
	uint32_t bit = masquerade_bit(b);

	for (const struct nat_step *s = e->path; s; s = s->prev)
		/* kube-proxy clears it in POSTROUTING by XOR, which sets a mark that was not there. */
		if (s->effect == EFFECT_MARK && s->hook != HOOK_POSTROUTING && !(s->old_mark & bit) && (s->mark & bit))
			return true;
	return false;
}

static int blame_needless(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct nat_step *snat = e ? last_step(e, EFFECT_SNAT, NULL) : NULL;

	if (!e)
		return 0;
	/* Nobody marked it and kube-proxy's own rule rewrote it: the rule that lets unmarked packets pass is missing. */
	if (!mark_was_set(b, e) && snat && is_proxy_chain(snat->by.chain) &&
	    blame_missing(b, WAY_POSTROUTING, d, ret))
		return 1;
	if (mark_was_set(b, e) && (blame_path(b, d, TURNS_AWAY | EFFECTS(EFFECT_MARK), "nat", ret) || blame_missing(b, WAY_ENTRY, d, ret) ||
				   blame_missing(b, WAY_ENDPOINT, d, ret)))
		return 1;
	if (snat)
		by_from_rule(b, snat->by.rule, ret);
	return snat != NULL;
}

/* The refusing rule, then the jump that leads to its chain. */
static int blame_not_refused(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct nat_step *s;

	if (blame_missing(b, WAY_REFUSAL, d, ret))
		return 1;
	s = e ? last_step(e, EFFECT_ACCEPT, "filter") : NULL;
	if (s && !blame_expects(b, s->by.rule)) {
		by_from_rule(b, s->by.rule, ret);
		return 1;
	}
	return blame_path(b, d, TURNS_AWAY, "filter", ret) || blame_path(b, d, TURNS_AWAY, NULL, ret);
}

/*
 * Refused after all. A policy, or a rule behind kube-proxy's own, can refuse only what kube-proxy would have accepted
 * before: then the rule that accepts is missing. A packet that was rewritten without need may meet rules that were not
 * meant for it.
 */
static int blame_refused(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct rs_chain *refused_in = e ? (e->by.rule ? e->by.rule->chain : e->by.chain) : NULL;

	if (!e)
		return 0;
	/* IPVS has no server to choose; or kube-proxy's own rules refuse, for an element that is too many or one that is missing. */
	if (e->by.kind == BY_IPVS && blame_missing(b, WAY_ENDPOINT, d, ret))
		return 1;
	if (refused_in && is_proxy_chain(refused_in) && refused_in->table->xtables == (b->v->expect.mode == MODE_NFTABLES)) {
		/* left by a mode that it was in before: nothing of that is expected, so the rule itself is what is wrong */
		verify_by_from_nat(b->arena, b->v->snap->name, &e->by, ret);
		return 1;
	}
	if (refused_in && is_proxy_chain(refused_in) && b->v->expect.mode != MODE_IPTABLES && b->answer->verdict == EXPECT_TRANSLATE &&
	    (blame_path(b, d, REFUSES, NULL, ret) || blame_missing(b, WAY_ADMITTED, d, ret)))
		return 1;
	if (d->kind == DIFF_WRONG_REFUSAL && b->v->expect.mode != MODE_IPTABLES && (blame_path(b, d, REFUSES, NULL, ret) || blame_missing(b, WAY_REFUSAL, d, ret)))
		return 1;
	if (refused_in && refused_in->table->backend == b->v->backend[b->frontend->port->family == AF_INET6] &&
	    !is_proxy_chain(refused_in)) {
		if (refused_in->hook == HOOK_FORWARD && mark_was_set(b, e) && blame_missing(b, WAY_FORWARD, d, ret))
			return 1;
		if (b->frontend->kind == EXPECT_HEALTH_CHECK && blame_missing(b, WAY_HEALTH, d, ret))
			return 1;
	}
	if (e->masquerade && !mark_was_set(b, e) && blame_missing(b, WAY_POSTROUTING, d, ret))
		return 1;
	verify_by_from_nat(b->arena, b->v->snap->name, &e->by, ret);
	return ret->kind != BY_NONE;
}

/* A rule that stops replies, or a rewritten source that is nobody's here. */
static int blame_source(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct nat_step *s = e ? last_step(e, EFFECT_SNAT, NULL) : NULL;

	if (e && e->reply_by.kind != BY_NONE) {
		verify_by_from_nat(b->arena, b->v->snap->name, &e->reply_by, ret);
		return 1;
	}
	if (s)
		by_from_rule(b, s->by.rule, ret);
	return s != NULL;
}

static bool is_foreign(const struct blame_context *b, const struct verify_by *by)
{
	if (by->missing || by->kind == BY_NONE)
		return false;
	if (by->kind == BY_POLICY)
		return true;
	return by->rule && !is_proxy_chain(by->rule->chain) && !blame_expects(b, by->rule);
}

int blame(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret, bool *ret_foreign)
{
	static int (*const by_kind[])(const struct blame_context *, const struct found_difference *, struct verify_by *) = {
		[DIFF_NO_RULE] = blame_no_rule, [DIFF_STALE_FRONTEND] = blame_target, [DIFF_REJECTED] = blame_refused,
		[DIFF_DROPPED] = blame_refused, [DIFF_NOT_REFUSED] = blame_not_refused, [DIFF_WRONG_REFUSAL] = blame_refused,
		[DIFF_MISSING_ENDPOINT] = blame_missing_endpoint, [DIFF_STALE_ENDPOINT] = blame_target,
		[DIFF_WRONG_ENDPOINT] = blame_target, [DIFF_WRONG_PORT] = blame_target, [DIFF_UNEVEN_SHARE] = blame_share,
		[DIFF_WRONG_AFFINITY] = blame_affinity, [DIFF_NOT_MASQUERADED] = blame_not_masqueraded,
		[DIFF_NEEDLESS_MASQUERADE] = blame_needless, [DIFF_REPLY_LOST] = blame_source, [DIFF_HAIRPIN] = blame_not_masqueraded,
	};
	struct verify_by by = { 0 };

	if (!by_kind[d->kind](b, d, &by) && (d->kind == DIFF_WRONG_AFFINITY || !blame_path(b, d, TURNS_AWAY, NULL, &by)))
		by = (struct verify_by){ .node = b->v->snap->name };
	*ret_foreign = is_foreign(b, &by);
	*ret = by;
	return 0;
}
