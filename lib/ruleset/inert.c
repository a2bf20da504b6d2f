/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What does nothing: a rule without a trace, and a chain in which no rule, nor any chain that they lead to, has an effect
 * on the packet that comes back. A jump there need not be followed. Chains in a loop never count as such.
 *
 * A chain is looked at until its first effect, and the chains that it leads to before it: linear in the number of rules,
 * and mostly one rule of each chain.
 */
#include <errno.h>

#include "ruleset-private.h"

/* Where a chain is left for one that it leads to. */
struct place {
	struct rs_chain *chain;
	uint32_t pos;
};
struct path {
	struct place *v; /* the chains that are being looked at, each leads to the next */
	size_t len, cap;
};

static void path_release(struct path *p)
{
	array_free(p);
}

bool rule_remembers(const struct rs_rule *r)
{
	for (unsigned i = 0; i < r->nconds; i++)
		if (r->conds[i].field == FIELD_RECENT_SET)
			return true;
	return false;
}

bool rule_acts(const struct rs_rule *r)
{
	for (unsigned i = 0; i < r->nstmts; i++) {
		const struct rs_stmt *s = &r->stmts[i];

		if (s->kind != ST_NOP && !(s->kind == ST_JUMP && s->u.target && s->u.target->inert))
			return true;
	}
	return false;
}

/* Looks at the rules from @p on. Sets @ret_next to a chain that must be known first. True: there is an effect. */
static bool has_effect(struct place *p, struct rs_chain **ret_next)
{
	*ret_next = NULL;
	for (; p->pos < p->chain->nrules; p->pos++) {
		const struct rs_rule *r = p->chain->rules[p->pos];

		if (rule_remembers(r))
			return true;
		for (unsigned k = 0; k < r->nstmts; k++) {
			const struct rs_stmt *s = &r->stmts[k];
			bool leads = (s->kind == ST_JUMP || s->kind == ST_GOTO) && s->u.target;

			if (leads && !s->u.target->seen) {
				*ret_next = rs_writable(struct rs_chain, s->u.target);
				return false;
			}
			if (leads ? !s->u.target->inert : s->kind != ST_NOP && s->kind != ST_RETURN)
				return true;
		}
	}
	return false;
}

static int enter(struct path *path, struct rs_chain *c)
{
	c->seen = true;
	return array_push(path, ((struct place){ c, 0 }));
}

/* A chain of the path is not inert as long as it stands there: who leads back to it is in a loop. */
static int look_from(struct path *path, struct rs_chain *c)
{
	int r = enter(path, c);

	while (r == 0 && path->len > 0) {
		struct place *p = &path->v[path->len - 1];
		struct rs_chain *next;
		bool effect = has_effect(p, &next);

		if (next) {
			r = enter(path, next);
			continue;
		}
		p->chain->inert = !effect;
		path->len--;
	}
	return r;
}

int ruleset_mark_inert(struct ruleset *rs)
{
	CLEANUP(path_release) struct path path = { 0 };
	int r = 0;

	for (size_t i = 0; i < rs->tables.len; i++) {
		const struct rs_table *t = rs->tables.v[i];

		for (size_t k = 0; k < t->chain_list.len && r == 0; k++)
			if (!t->chain_list.v[k]->seen)
				r = look_from(&path, t->chain_list.v[k]);
	}
	return r;
}
