/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Short cuts: chains of at most two rules that mark one source and translate, as kube-proxy writes one for each endpoint. */
#include <errno.h>

#include "ruleset-private.h"

static const struct rs_stmt *only_stmt(const struct rs_rule *r)
{
	return r->nstmts == 1 && !r->remembers ? &r->stmts[0] : NULL;
}

/* A chain of one rule that sets the mark of everything. */
static const struct rs_stmt *marks_all(const struct rs_chain *c)
{
	const struct rs_stmt *s = c && c->nrules == 1 && c->rules[0]->nconds == 0 ? only_stmt(c->rules[0]) : NULL;

	return s && s->kind == ST_MARK ? s : NULL;
}

/* "-s 10.244.1.5/32 -j" to a chain that marks all. */
static bool marks_one_source(const struct rs_rule *r, struct rs_short *ret)
{
	const struct rs_stmt *s = only_stmt(r), *mark = s && s->kind == ST_JUMP ? marks_all(s->u.target) : NULL;
	const struct rs_cond *c = r->conds;

	if (!mark || r->nconds != 1 || c->field != FIELD_SADDR || c->op != OP_ADDR4 || c->negate || c->u.addr4.mask != UINT32_MAX)
		return false;
	ret->marking = r;
	ret->source = c->u.addr4.value;
	ret->mark = mark->u.bits.value;
	ret->mark_mask = mark->u.bits.mask;
	return true;
}

/* "-p tcp -j DNAT --to-destination 10.244.1.5:80": to one address and one port, and for ever the same. */
static bool translates(const struct rs_rule *r, struct rs_short *ret)
{
	const struct rs_stmt *s = only_stmt(r);
	const struct rs_nat *n = s && s->kind == ST_DNAT ? s->u.nat : NULL;
	uint32_t proto = 0;

	if (!n || n->text || n->addr_map || n->port_map || n->port_base || r->nconds > 1)
		return false;
	if (r->nconds == 1 && (!rule_number(r, FIELD_PROTO, &proto) || proto == 0))
		return false;
	if ((n->has_addr && !ip_addr_equal(&n->lo, &n->hi)) || (n->has_port && (n->port_lo != n->port_hi || n->port_lo == 0)))
		return false;
	ret->proto = (uint8_t)proto;
	if (n->has_addr)
		ret->addr = n->lo;
	if (n->has_port)
		ret->port = n->port_lo;
	return true;
}

int chain_shorten(struct ruleset *rs, struct rs_chain *c)
{
	struct rs_short s = { 0 };
	bool so = c->nrules == 1 ? translates(c->rules[0], &s) :
		c->nrules == 2 && marks_one_source(c->rules[0], &s) && translates(c->rules[1], &s);

	if (!so || c->hook != HOOK_NONE || c->type != CHAIN_FILTER || rs->shorts.len >= UINT32_MAX - 1)
		return 0;
	if (array_push(&rs->shorts, s) < 0)
		return -ENOMEM;
	c->short_cut = (uint32_t)rs->shorts.len;
	return 0;
}
