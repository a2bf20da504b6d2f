/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipsets come from a file of their own, in any order with the rules; their names are unique in a network namespace. */
#include <errno.h>

#include "ruleset-private.h"

struct join {
	const struct map *ipsets;
	struct map asked; /* names of sets that conditions ask */
	size_t nstmts;	  /* SET targets */
};

static int join_cond(struct join *j, const struct rs_cond *c)
{
	struct rs_set_ref *ref = c->op == OP_SET ? rs_writable(struct rs_set_ref, c->u.set) : NULL;

	if (!ref || !ref->name)
		return 0;
	if (!ref->set)
		ref->set = map_gets(j->ipsets, ref->name);
	return map_puts(&j->asked, ref->name, ref);
}

/* A list is asked by its own name: then so are its members. */
static int ask_members(struct join *j, const struct rs_set *s)
{
	const struct rs_ipset *is = s->ipset;
	int r = 0;

	for (uint32_t i = 0; is && i < is->nelems && r == 0; i++) {
		struct rs_ipset_elem *e = &is->elems[i];

		if (!e->member)
			continue;
		e->set = map_gets(j->ipsets, e->member);
		if (map_gets(&j->asked, s->name))
			r = map_puts(&j->asked, e->member, e);
	}
	return r;
}

static void join_stmt(struct join *j, struct rs_stmt *s)
{
	struct rs_set_ref *ref = rs_writable(struct rs_set_ref, s->u.set);
	struct rs_set *set;

	if (!map_gets(&j->asked, ref->name)) {
		*s = (struct rs_stmt){ .kind = ST_NOP, .after = s->after };
		s->u.text = ref->text;
		return;
	}
	set = map_gets(j->ipsets, ref->name);
	ref->set = set;
	if (!set)
		return;
	if (!(s->flags & RS_SET_DEL))
		set->dynamic = true;
	else if (set->ipset)
		set->ipset->shrinks = true;
}

static int each_chain(struct join *j, const struct rs_chain *c, bool conds)
{
	for (uint32_t i = 0; c->table->xtables && i < c->nrules; i++) {
		const struct rs_rule *r = c->rules[i];
		int res = 0;

		for (unsigned k = 0; conds && k < r->nconds && res == 0; k++)
			res = join_cond(j, &r->conds[k]);
		if (res < 0)
			return res;
		for (unsigned k = 0; k < r->nstmts; k++) {
			if (r->stmts[k].kind == ST_SET && !conds)
				join_stmt(j, rs_writable(struct rs_stmt, &r->stmts[k]));
			j->nstmts += r->stmts[k].kind == ST_SET;
		}
	}
	return 0;
}

static int each_rule(struct join *j, const struct ruleset *rs, bool conds)
{
	int r = 0;

	for (size_t i = 0; i < rs->tables.len; i++)
		for (size_t k = 0; k < rs->tables.v[i]->chain_list.len && r == 0; k++)
			r = each_chain(j, rs->tables.v[i]->chain_list.v[k], conds);
	return r;
}

static void join_release(struct join *j)
{
	map_release(&j->asked);
}

int ruleset_join_sets(struct ruleset *rs, const struct map *ipsets)
{
	CLEANUP(join_release) struct join j = { .ipsets = ipsets };
	int r = rs->names_sets || ipsets->len ? each_rule(&j, rs, true) : 0;

	for (size_t i = 0; i < rs->sets.len && r == 0; i++)
		if (rs->sets.v[i]->backend == BACKEND_LEGACY)
			r = ask_members(&j, rs->sets.v[i]);
	return r < 0 || j.nstmts == 0 ? r : each_rule(&j, rs, false);
}
