/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blame: which rule is behind a difference. The rules that kube-proxy would have written are walked in the order in
 * which the packet needs them; the first that is not there is the cause, with the chain where it belongs and its text.
 * Where a rule was changed instead of removed, the changed rule stands in that chain and nobody expects it: that one is
 * named. Where everything is there, the packet's own path tells.
 */
#include <errno.h>

#include "verify-private.h"

static void by_from_rule(const struct blame_context *b, const struct rs_rule *r, struct verify_by *ret)
{
	struct nat_by by = { .kind = BY_RULE, .rule = r, .chain = r->chain };

	verify_by_from_nat(b->arena, b->v->snap->name, &by, ret);
}

static void by_missing(const struct blame_context *b, const struct expect_rule *e, struct verify_by *ret)
{
	unsigned f = b->frontend->port->family == AF_INET6;

	*ret = (struct verify_by){
		.kind = BY_RULE, .node = b->v->snap->name, .backend = rs_backend_name(b->v->backend[f]),
		.family = rs_family_name(f ? RS_IP6 : RS_IP4), .table = arena_strdup(b->arena, e->table),
		.chain = arena_strdup(b->arena, e->chain), .text = arena_strdup(b->arena, e->text), .missing = true,
	};
}

bool blame_expects(const struct blame_context *b, const struct rs_rule *r)
{
	int family = b->frontend->port->family;
	const char *key = expect_key(b->scratch, r->chain->table->name, r->chain->name, r->text, r->text_len);

	if (!key || !vnode_common(b->v, family))
		return false;
	return map_gets(&b->v->common_set[family == AF_INET6], key) || map_gets(b->rules_set, key);
}

/* Chains that many Services share: a rule there that this port does not expect may be another's. */
static bool is_shared(const char *chain)
{
	static const char *const shared[] = { "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL" };

	for (size_t i = 0; i < ARRAY_LEN(shared); i++)
		if (strcmp(shared[i], chain) == 0)
			return true;
	return !is_proxy_chain(chain);
}

static const struct nat_ending *ending_of(const struct blame_context *b, const struct found_difference *d)
{
	return d->ending < b->result->endings.len ? &b->result->endings.v[d->ending] : NULL;
}

static bool on_path(const struct blame_context *b, const struct rs_rule *r)
{
	for (size_t i = 0; i < b->result->endings.len; i++)
		for (const struct nat_step *s = b->result->endings.v[i].path; s; s = s->prev)
			if (s->by.kind == BY_RULE && s->by.rule == r)
				return true;
	return false;
}

/* A rule of @chain that nobody expects there, and that takes part. */
static const struct rs_rule *altered_in(const struct blame_context *b, const struct rs_chain *chain)
{
	bool shared = is_shared(chain->name);
	const struct rs_rule *found = NULL;

	for (uint32_t i = 0; i < chain->nrules; i++) {
		const struct rs_rule *r = chain->rules[i];

		if (shared && !on_path(b, r))
			continue;
		if (blame_expects(b, r))
			continue;
		if (on_path(b, r))
			return r;
		if (!found && !shared)
			found = r;
	}
	return found;
}

static bool applies(const struct blame_context *b, const struct expect_rule *e, const struct found_difference *d)
{
	const struct expect_frontend *f = b->frontend;

	if (e->frontend && (e->frontend->kind != f->kind || !ip_addr_equal(&e->frontend->addr, &f->addr)))
		return false;
	if (e->endpoint && d->endpoint.family &&
	    (!ip_addr_equal(&e->endpoint->addr, &d->endpoint) || e->endpoint->port != d->endpoint_port))
		return false;
	if (e->role == ROLE_FW_DROP || e->role == ROLE_REFUSE)
		return e->frontend != NULL;
	/* A convenience of kube-proxy's accounting: the general rule serves 127.0.0.1 just as well. */
	if (e->optional)
		return false;
	if (e->role == ROLE_MASQ)
		return f->kind == EXPECT_CLUSTER_IP ? !str_starts(e->chain, "KUBE-EXT-") && !str_starts(e->chain, "KUBE-XLB-") :
						      !str_starts(e->chain, "KUBE-SVC-") && !str_starts(e->chain, "KUBE-SVL-");
	if (e->role == ROLE_EXTERNAL || e->role == ROLE_FIREWALL)
		return f->kind == EXPECT_LOAD_BALANCER || (e->role == ROLE_EXTERNAL && f->kind != EXPECT_CLUSTER_IP);
	return true;
}

static bool older_than(const struct blame_context *b, int minor)
{
	return b->v->expect.minor >= 0 && b->v->expect.minor < minor;
}

/* The first rule of @role that must be there and is not: 1 with @ret filled, 0 when all are. */
static int missing_of(const struct blame_context *b, enum expect_role role, const char *table, const char *chain,
		      const char *target, const struct found_difference *d, struct verify_by *ret)
{
	int family = b->frontend->port->family;
	const struct expect_rules *lists[2] = { vnode_common(b->v, family), b->rules };

	for (unsigned l = 0; l < 2; l++) {
		for (size_t i = 0; lists[l] && i < lists[l]->v.len; i++) {
			const struct expect_rule *e = &lists[l]->v.v[i];
			const struct rs_chain *c;
			const struct rs_rule *altered;

			if (e->role != role || strcmp(e->table, table) != 0 || (chain && strcmp(e->chain, chain) != 0) ||
			    (target && (!e->target || strcmp(e->target, target) != 0)) || !applies(b, e, d))
				continue;
			if (vnode_find_rule(b->v, b->scratch, family, e->table, e->chain, e->text, &c))
				continue;
			/* The texts are of a newer kube-proxy, which has chains that this one never made. */
			if (!c && (role == ROLE_AFFINITY || older_than(b, 24)))
				continue;
			altered = c ? altered_in(b, c) : NULL;
			if (altered)
				by_from_rule(b, altered, ret);
			else
				by_missing(b, e, ret);
			return 1;
		}
	}
	return 0;
}

static const char *entry_hook(const struct blame_context *b)
{
	return b->source->kind == SOURCE_NODE || b->source->kind == SOURCE_LOOPBACK ? "OUTPUT" : "PREROUTING";
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
		if (s->effect == effect && s->by.kind == BY_RULE && (!table || strcmp(s->by.chain->table->name, table) == 0))
			return s;
	return NULL;
}

#define PATH_MAX_STEPS 512
#define EFFECTS(a) (1u << (a))

/* What a rule that nobody expects may do to turn a packet away from the way that it must go. */
#define TURNS_AWAY (EFFECTS(EFFECT_JUMP) | EFFECTS(EFFECT_GOTO) | EFFECTS(EFFECT_RETURN) | EFFECTS(EFFECT_ACCEPT) | \
		    EFFECTS(EFFECT_DNAT) | EFFECTS(EFFECT_NOTRACK))

/* The first rule on the way that nobody expects and that has one of @effects; @table NULL: any. */
static const struct rs_rule *first_unexpected(const struct blame_context *b, const struct nat_ending *e, unsigned effects,
					      const char *table)
{
	const struct nat_step *v[PATH_MAX_STEPS];
	size_t n = path_steps(e, v, PATH_MAX_STEPS);

	for (size_t i = 0; i < n; i++) {
		if (v[i]->by.kind != BY_RULE || !(effects & EFFECTS(v[i]->effect)))
			continue;
		if (table && strcmp(v[i]->by.chain->table->name, table) != 0)
			continue;
		if (!blame_expects(b, v[i]->by.rule))
			return v[i]->by.rule;
	}
	return NULL;
}

/* The same over the ending of @d, or over all endings where it has none of its own. */
static int blame_path(const struct blame_context *b, const struct found_difference *d, unsigned effects, const char *table,
		      struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct rs_rule *r = e ? first_unexpected(b, e, effects, table) : NULL;

	for (size_t i = 0; !r && !e && i < b->result->endings.len; i++)
		r = first_unexpected(b, &b->result->endings.v[i], effects, table);
	if (r)
		by_from_rule(b, r, ret);
	return r != NULL;
}

/* A place on the way that must be there: the rules of one role, in the order in which a packet needs them. */
struct need {
	enum expect_role role;
	const char *table, *chain, *target; /* NULL: any */
};

static int first_missing(const struct blame_context *b, const struct need *v, size_t n, const struct found_difference *d,
			 struct verify_by *ret)
{
	for (size_t i = 0; i < n; i++)
		if (missing_of(b, v[i].role, v[i].table, v[i].chain, v[i].target, d, ret))
			return 1;
	return 0;
}

/* From the hook to the Service's own chains. */
static int missing_entry(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	bool node_port = b->frontend->kind == EXPECT_NODE_PORT;
	const struct need needs[] = {
		{ ROLE_JUMP, "nat", entry_hook(b), NULL },
		{ node_port ? ROLE_JUMP : ROLE_ENTRY, "nat", "KUBE-SERVICES", node_port ? "KUBE-NODEPORTS" : NULL },
		{ node_port ? ROLE_NODEPORT : ROLE_ENTRY, "nat", NULL, NULL },
		{ ROLE_FIREWALL, "nat", NULL, NULL },
		{ ROLE_EXTERNAL, "nat", NULL, NULL },
	};

	return first_missing(b, needs, ARRAY_LEN(needs), d, ret);
}

static int missing_endpoint_rule(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	static const struct need needs[] = { { ROLE_BALANCE, "nat", NULL, NULL }, { ROLE_ENDPOINT, "nat", NULL, NULL } };

	return first_missing(b, needs, ARRAY_LEN(needs), d, ret);
}

static int blame_no_rule(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct nat_step *s;

	if (missing_entry(b, d, ret) || missing_endpoint_rule(b, d, ret))
		return 1;
	/* All is there: something on the way turned the packet away before, or took it out of connection tracking. */
	if (blame_path(b, d, EFFECTS(EFFECT_NOTRACK), NULL, ret) || blame_path(b, d, TURNS_AWAY, "nat", ret))
		return 1;
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
	if (missing_of(b, ROLE_BALANCE, "nat", NULL, NULL, &any, ret) || blame_double(b, ret))
		return 1;
	/* All are there: one too many, or chains whose names tell nothing. */
	return blame_path(b, d, EFFECTS(EFFECT_CHANCE), NULL, ret) || blame_path(b, d, TURNS_AWAY, "nat", ret);
}

/* The rule that looks up a client's endpoint, or one that nobody asked for. */
static int blame_affinity(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	if (missing_of(b, ROLE_AFFINITY, "nat", NULL, NULL, d, ret))
		return 1;
	for (size_t i = 0; i < b->rules->v.len; i++) {
		const struct expect_rule *x = &b->rules->v.v[i];
		const struct rs_chain *c = balancing_chain(b, x);

		for (uint32_t k = 0; c && k < c->nrules; k++) {
			for (unsigned n = 0; n < c->rules[k]->nconds; n++) {
				if (c->rules[k]->conds[n].field == FIELD_RECENT && !blame_expects(b, c->rules[k])) {
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
	return missing_endpoint_rule(b, d, ret) || missing_entry(b, d, ret) || blame_share(b, d, ret);
}

/* It went to the wrong place: by a rule that should not be there, for want of one that led elsewhere, or by its DNAT. */
static int blame_target(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct nat_step *s = e ? last_step(e, EFFECT_DNAT, NULL) : NULL;
	bool named = b->v->has_chains[b->frontend->port->family == AF_INET6];
	unsigned leads = EFFECTS(EFFECT_JUMP) | EFFECTS(EFFECT_GOTO) | EFFECTS(EFFECT_DNAT);

	if (s && (d->kind == DIFF_STALE_ENDPOINT || !named) && !blame_expects(b, s->by.rule)) {
		by_from_rule(b, s->by.rule, ret);
		return 1;
	}
	if (named && (blame_path(b, d, leads, "nat", ret) || missing_entry(b, d, ret)))
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

static int blame_not_masqueraded(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	static const struct need needs[] = {
		{ ROLE_MARK, "nat", NULL, NULL }, { ROLE_JUMP, "nat", "POSTROUTING", NULL }, { ROLE_POSTROUTING, "nat", NULL, NULL },
	};
	const struct nat_ending *e = ending_of(b, d);
	struct found_difference self = *d;
	int r;

	if (!e)
		return 0;
	if (blame_mark_path(b, e, ret))
		return 1;
	if (ip_addr_equal(&e->addr, &b->source->addr) && b->answer->masquerade != TRI_TRUE) {
		self.endpoint = e->addr;
		self.endpoint_port = e->port;
		r = missing_of(b, ROLE_ENDPOINT_MASQ, "nat", NULL, NULL, &self, ret);
	} else {
		r = missing_of(b, ROLE_MASQ, "nat", NULL, NULL, d, ret);
	}
	if (r || first_missing(b, needs, ARRAY_LEN(needs), d, ret))
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
	if (!mark_was_set(b, e) && snat && is_proxy_chain(snat->by.chain->name) &&
	    missing_of(b, ROLE_POSTROUTING, "nat", NULL, NULL, d, ret))
		return 1;
	if (mark_was_set(b, e) && (blame_path(b, d, TURNS_AWAY | EFFECTS(EFFECT_MARK), "nat", ret) || missing_entry(b, d, ret) ||
				   missing_endpoint_rule(b, d, ret)))
		return 1;
	if (snat)
		by_from_rule(b, snat->by.rule, ret);
	return snat != NULL;
}

/* The refusing rule, then the jump that leads to its chain. */
static int blame_not_refused(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	static const enum expect_role roles[] = { ROLE_REFUSE, ROLE_FW_DROP };
	const struct nat_ending *e = ending_of(b, d);
	const struct nat_step *s;

	for (unsigned k = 0; k < ARRAY_LEN(roles); k++) {
		if (missing_of(b, roles[k], "filter", NULL, NULL, d, ret))
			return 1;
		for (size_t i = 0; i < b->rules->v.len; i++) {
			const struct expect_rule *x = &b->rules->v.v[i];

			if (x->role == roles[k] && applies(b, x, d) &&
			    missing_of(b, ROLE_JUMP, "filter", NULL, x->chain, d, ret))
				return 1;
		}
	}
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
	static const struct need forward[] = {
		{ ROLE_JUMP, "filter", "FORWARD", "KUBE-FORWARD" }, { ROLE_FORWARD, "filter", NULL, NULL },
	};
	static const struct need health[] = {
		{ ROLE_JUMP, "filter", "INPUT", "KUBE-NODEPORTS" }, { ROLE_ACCEPT, "filter", NULL, NULL },
	};
	const struct nat_ending *e = ending_of(b, d);
	const struct rs_chain *refused_in = e ? (e->by.rule ? e->by.rule->chain : e->by.chain) : NULL;

	if (!e)
		return 0;
	if (refused_in && refused_in->table->backend == b->v->backend[b->frontend->port->family == AF_INET6] &&
	    !is_proxy_chain(refused_in->name)) {
		if (refused_in->hook == HOOK_FORWARD && mark_was_set(b, e) && first_missing(b, forward, ARRAY_LEN(forward), d, ret))
			return 1;
		if (b->frontend->kind == EXPECT_HEALTH_CHECK && first_missing(b, health, ARRAY_LEN(health), d, ret))
			return 1;
	}
	if (e->masquerade && !mark_was_set(b, e) && missing_of(b, ROLE_POSTROUTING, "nat", NULL, NULL, d, ret))
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
	return by->rule && !is_proxy_chain(by->rule->chain->name) && !blame_expects(b, by->rule);
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
