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
	if (e->role == ROLE_MASQ)
		return f->kind == EXPECT_CLUSTER_IP ? !str_starts(e->chain, "KUBE-EXT-") && !str_starts(e->chain, "KUBE-XLB-") :
						      !str_starts(e->chain, "KUBE-SVC-") && !str_starts(e->chain, "KUBE-SVL-");
	if (e->role == ROLE_EXTERNAL || e->role == ROLE_FIREWALL)
		return f->kind == EXPECT_LOAD_BALANCER || (e->role == ROLE_EXTERNAL && f->kind != EXPECT_CLUSTER_IP);
	return true;
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

static const struct rs_rule *first_unexpected(const struct blame_context *b, const struct nat_ending *e)
{
	const struct nat_step *v[PATH_MAX_STEPS];
	size_t n = path_steps(e, v, PATH_MAX_STEPS);

	for (size_t i = 0; i < n; i++)
		if (v[i]->by.kind == BY_RULE && strcmp(v[i]->by.chain->table->name, "nat") == 0 &&
		    (v[i]->effect == EFFECT_JUMP || v[i]->effect == EFFECT_GOTO || v[i]->effect == EFFECT_DNAT) &&
		    !blame_expects(b, v[i]->by.rule))
			return v[i]->by.rule;
	return NULL;
}

static int blame_no_rule(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct nat_step *s;
	int r = missing_of(b, ROLE_JUMP, "nat", entry_hook(b), NULL, d, ret);

	if (!r && b->frontend->kind == EXPECT_NODE_PORT)
		r = missing_of(b, ROLE_JUMP, "nat", "KUBE-SERVICES", "KUBE-NODEPORTS", d, ret);
	if (!r)
		r = missing_of(b, b->frontend->kind == EXPECT_NODE_PORT ? ROLE_NODEPORT : ROLE_ENTRY, "nat", NULL, NULL, d, ret);
	if (!r)
		r = missing_of(b, ROLE_FIREWALL, "nat", NULL, NULL, d, ret);
	if (!r)
		r = missing_of(b, ROLE_EXTERNAL, "nat", NULL, NULL, d, ret);
	if (!r)
		r = missing_of(b, ROLE_BALANCE, "nat", NULL, NULL, d, ret);
	if (!r)
		r = missing_of(b, ROLE_ENDPOINT, "nat", NULL, NULL, d, ret);
	if (r || !e)
		return r;
	s = last_step(e, EFFECT_ACCEPT, "nat");
	if (!s)
		s = last_step(e, EFFECT_RETURN, "nat");
	if (!s)
		s = last_step(e, EFFECT_NOTRACK, NULL);
	if (s)
		by_from_rule(b, s->by.rule, ret);
	return s != NULL;
}

static int blame_share(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	struct found_difference any = *d;
	const struct nat_step *s = NULL;
	int r;

	any.endpoint.family = 0; /* the probability of one rule moves the shares of all behind it */
	r = missing_of(b, ROLE_BALANCE, "nat", NULL, NULL, &any, ret);
	if (r)
		return r;
	/* All are there: one too many, or chains whose names tell nothing. */
	for (size_t i = 0; i < b->result->endings.len; i++) {
		for (s = b->result->endings.v[i].path; s; s = s->prev) {
			if (s->effect != EFFECT_CHANCE || blame_expects(b, s->by.rule))
				continue;
			by_from_rule(b, s->by.rule, ret);
			return 1;
		}
	}
	return 0;
}

static int blame_missing_endpoint(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	int r = missing_of(b, ROLE_BALANCE, "nat", NULL, NULL, d, ret);

	if (!r)
		r = missing_of(b, ROLE_ENDPOINT, "nat", NULL, NULL, d, ret);
	return r ? r : blame_share(b, d, ret);
}

static int blame_target(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct nat_step *s = e ? last_step(e, EFFECT_DNAT, NULL) : NULL;
	const struct rs_rule *r = NULL;

	if (e && d->kind == DIFF_WRONG_ENDPOINT && b->v->has_chains[b->frontend->port->family == AF_INET6])
		r = first_unexpected(b, e);
	if (!r && s)
		r = s->by.rule;
	if (r)
		by_from_rule(b, r, ret);
	return r != NULL;
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
		bool ends = v[i]->effect == EFFECT_ACCEPT && v[i]->hook == HOOK_POSTROUTING &&
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
	const struct nat_ending *e = ending_of(b, d);
	struct found_difference self = *d;
	int r;

	if (!e)
		return 0;
	r = blame_mark_path(b, e, ret);
	if (r)
		return r;
	if (ip_addr_equal(&e->addr, &b->source->addr) && b->answer->masquerade != TRI_TRUE) {
		self.endpoint = e->addr;
		self.endpoint_port = e->port;
		r = missing_of(b, ROLE_ENDPOINT_MASQ, "nat", NULL, NULL, &self, ret);
	} else {
		r = missing_of(b, ROLE_MASQ, "nat", NULL, NULL, d, ret);
	}
	if (!r)
		r = missing_of(b, ROLE_MARK, "nat", NULL, NULL, d, ret);
	if (!r)
		r = missing_of(b, ROLE_JUMP, "nat", "POSTROUTING", NULL, d, ret);
	return r ? r : missing_of(b, ROLE_POSTROUTING, "nat", NULL, NULL, d, ret);
}

static int blame_needless(const struct blame_context *b, const struct found_difference *d, struct verify_by *ret)
{
	const struct nat_ending *e = ending_of(b, d);
	const struct nat_step *s;
	uint32_t bit = masquerade_bit(b);

	for (s = e ? e->path : NULL; s; s = s->prev) {
		if (s->effect == EFFECT_MARK && !(s->old_mark & bit) && (s->mark & bit)) {
			const struct rs_rule *first = first_unexpected(b, e);

			by_from_rule(b, first ? first : s->by.rule, ret);
			return 1;
		}
	}
	s = e ? last_step(e, EFFECT_SNAT, NULL) : NULL;
	if (s)
		by_from_rule(b, s->by.rule, ret);
	return s != NULL;
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
	const struct nat_ending *e = ending_of(b, d);
	struct verify_by by = { 0 };

	switch (d->kind) {
	case DIFF_NO_RULE:
		(void)blame_no_rule(b, d, &by);
		break;
	case DIFF_MISSING_ENDPOINT:
		(void)blame_missing_endpoint(b, d, &by);
		break;
	case DIFF_UNEVEN_SHARE:
		(void)blame_share(b, d, &by);
		break;
	case DIFF_STALE_ENDPOINT:
	case DIFF_WRONG_ENDPOINT:
	case DIFF_WRONG_PORT:
		(void)blame_target(b, d, &by);
		break;
	case DIFF_NOT_MASQUERADED:
		(void)blame_not_masqueraded(b, d, &by);
		break;
	case DIFF_NEEDLESS_MASQUERADE:
		(void)blame_needless(b, d, &by);
		break;
	case DIFF_NOT_REFUSED:
		(void)blame_not_refused(b, d, &by);
		break;
	default:
		if (e)
			verify_by_from_nat(b->arena, b->v->snap->name, &e->by, &by);
		break;
	}
	*ret_foreign = is_foreign(b, &by);
	*ret = by;
	return 0;
}
