/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Session affinity by what nftables' rules do, whatever their names are: the chain of an endpoint puts the client into a set, and
 * the chain that leads there asks that set first.
 */
#include "verify-private.h"

static const struct nat_step *step_of(const struct nat_ending *e, enum nat_effect effect)
{
	for (const struct nat_step *s = e->path; s; s = s->prev)
		if (s->effect == effect)
			return s;
	return NULL;
}

/* The step that led into @c. */
static const struct nat_step *entry_of(const struct nat_ending *e, const struct rs_chain *c)
{
	for (const struct nat_step *s = e->path; s; s = s->prev)
		if ((s->effect == EFFECT_GOTO || s->effect == EFFECT_JUMP) && s->target == c)
			return s;
	return NULL;
}

static bool is_client(const struct rs_lookup *l)
{
	return l->nparts == 1 && l->parts[0].field == FIELD_SADDR;
}

/* The set that the chain puts the client into; NULL: none. */
static const struct rs_set *remembers_in(const struct rs_chain *c)
{
	for (uint32_t i = 0; i < c->nrules; i++)
		for (unsigned k = 0; k < c->rules[i]->nstmts; k++) {
			const struct rs_stmt *s = &c->rules[i]->stmts[k];

			if (s->kind == ST_UPDATE && !s->u.update->is_delete && is_client(&s->u.update->key))
				return s->u.update->key.set;
		}
	return NULL;
}

/* Does a rule of @from before @end send the clients in @set to @to? */
static bool sends_back(const struct rs_chain *from, uint32_t end, const struct rs_set *set, const struct rs_chain *to)
{
	for (uint32_t i = 0; i < from->nrules && i + 1 < end; i++) {
		const struct rs_rule *r = from->rules[i];
		const struct rs_cond *c = r->nconds == 1 ? &r->conds[0] : NULL;

		if (c && c->op == OP_LOOKUP && !c->negate && c->u.lookup->set == set && is_client(c->u.lookup) && rule_chain(r) == to)
			return true;
	}
	return false;
}

bool affinity_is_kept(const struct nat_result *r)
{
	for (size_t i = 0; i < r->endings.len; i++) {
		const struct nat_step *dnat = step_of(&r->endings.v[i], EFFECT_DNAT);
		const struct rs_chain *c = dnat && dnat->by.rule ? dnat->by.rule->chain : NULL;
		const struct nat_step *entry = c ? entry_of(&r->endings.v[i], c) : NULL;
		const struct rs_set *set = entry && entry->by.rule ? remembers_in(c) : NULL;

		if (!set || !sends_back(entry->by.rule->chain, entry->by.rule->index, set, c))
			return false;
	}
	return r->endings.len > 0;
}
