/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chains that do nothing: no rule in them, nor in any chain that they lead to, has an effect on the packet that comes
 * back. A jump there need not be followed. Chains in a loop never count as such. Linear in the number of rules.
 */
#include <errno.h>

#include "ruleset-private.h"

struct inert_chain {
	struct rs_chain *chain;
	bool blocked;	  /* has an effect of its own */
	uint32_t pending; /* jumps to chains that are not known to do nothing */
	uint32_t first_caller, ncallers;
};
struct inert {
	struct inert_chain *v;
	size_t len;
	uint32_t *callers, *queue;
	size_t ncallers;
};

static void inert_release(struct inert *in)
{
	free(in->v);
	free(in->callers);
	free(in->queue);
}

static const struct rs_chain *led_to(const struct rs_stmt *s)
{
	return s->kind == ST_JUMP || s->kind == ST_GOTO ? s->u.target : NULL;
}

static void look_at(struct inert *in, struct inert_chain *c)
{
	for (uint32_t i = 0; i < c->chain->nrules; i++) {
		const struct rs_rule *r = c->chain->rules[i];

		for (unsigned k = 0; k < r->nconds; k++)
			c->blocked = c->blocked || r->conds[k].field == FIELD_RECENT_SET;
		for (unsigned k = 0; k < r->nstmts; k++) {
			const struct rs_chain *target = led_to(&r->stmts[k]);

			if (target) {
				c->pending++;
				in->v[target->id].ncallers++;
				in->ncallers++;
			} else if (r->stmts[k].kind != ST_NOP && r->stmts[k].kind != ST_RETURN) {
				c->blocked = true;
			}
		}
	}
}

static void list_callers(struct inert *in)
{
	uint32_t at = 0;

	for (size_t i = 0; i < in->len; i++) {
		in->v[i].first_caller = at;
		at += in->v[i].ncallers;
		in->v[i].ncallers = 0;
	}
	for (size_t i = 0; i < in->len; i++) {
		const struct rs_chain *c = in->v[i].chain;

		for (uint32_t k = 0; k < c->nrules; k++) {
			for (unsigned s = 0; s < c->rules[k]->nstmts; s++) {
				const struct rs_chain *target = led_to(&c->rules[k]->stmts[s]);
				struct inert_chain *t = target ? &in->v[target->id] : NULL;

				if (t)
					in->callers[t->first_caller + t->ncallers++] = (uint32_t)i;
			}
		}
	}
}

static void spread(struct inert *in)
{
	size_t head = 0, tail = 0;

	for (size_t i = 0; i < in->len; i++)
		if (!in->v[i].blocked && in->v[i].pending == 0)
			in->queue[tail++] = (uint32_t)i;
	while (head < tail) {
		struct inert_chain *c = &in->v[in->queue[head++]];

		c->chain->inert = true;
		for (uint32_t i = 0; i < c->ncallers; i++) {
			uint32_t caller = in->callers[c->first_caller + i];

			if (--in->v[caller].pending == 0 && !in->v[caller].blocked)
				in->queue[tail++] = caller;
		}
	}
}

int ruleset_mark_inert(struct ruleset *rs)
{
	CLEANUP(inert_release) struct inert in = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < rs->tables.len; i++)
		n += rs->tables.v[i]->chain_list.len;
	if (n == 0)
		return 0;
	in.v = calloc(n, sizeof(*in.v));
	in.queue = calloc(n, sizeof(*in.queue));
	if (!in.v || !in.queue)
		return -ENOMEM;
	for (size_t i = 0; i < rs->tables.len; i++) {
		for (size_t k = 0; k < rs->tables.v[i]->chain_list.len; k++) {
			struct rs_chain *c = rs->tables.v[i]->chain_list.v[k];

			c->id = (uint32_t)in.len;
			in.v[in.len++].chain = c;
		}
	}
	for (size_t i = 0; i < in.len; i++)
		look_at(&in, &in.v[i]);
	in.callers = calloc(in.ncallers ? in.ncallers : 1, sizeof(*in.callers));
	if (!in.callers)
		return -ENOMEM;
	list_callers(&in);
	spread(&in);
	return 0;
}
