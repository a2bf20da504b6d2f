/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plain questions to one condition: address, number, interface name. What needs a packet or a node stands in lib/nat.
 */
#include <svcdoctor/ruleset.h>

static bool addr6_matches(const struct rs_addr6 *m, const struct ip_addr *a)
{
	uint8_t rest = 0;

	for (size_t i = 0; i < sizeof(a->b); i++)
		rest |= (uint8_t)((a->b[i] & m->mask.b[i]) ^ m->value.b[i]);
	return rest == 0;
}

/* An address of the other family fails negated or not: the kernel's match asks for its own header first. */
bool cond_match_addr(const struct rs_cond *c, const struct ip_addr *a)
{
	const struct rs_addr_range *r;
	uint32_t be32;

	switch (c->op) {
	case OP_ADDR4:
		if (a->family != AF_INET)
			return false;
		memcpy(&be32, a->b, sizeof(be32));
		return ((be32 & c->u.addr4.mask) == c->u.addr4.value) != c->negate;
	case OP_ADDR6:
		if (a->family != AF_INET6)
			return false;
		return addr6_matches(c->u.addr6, a) != c->negate;
	case OP_ADDR_RANGE:
		r = c->u.addr_range;
		if (a->family != r->lo.family)
			return false;
		return (ip_addr_cmp(&r->lo, a) <= 0 && ip_addr_cmp(a, &r->hi) <= 0) != c->negate;
	default:
		return false;
	}
}

static bool list_has(const struct rs_list *l, uint32_t v)
{
	for (uint32_t i = 0; i < l->len; i++)
		if (v >= l->v[i].lo && v <= l->v[i].hi)
			return true;
	return false;
}

bool cond_match_u32(const struct rs_cond *c, uint32_t v)
{
	switch (c->op) {
	case OP_EQ:
		return (v == c->u.range.lo) != c->negate;
	case OP_RANGE:
		return (v >= c->u.range.lo && v <= c->u.range.hi) != c->negate;
	case OP_MASK:
		return ((v & c->u.bits.mask) == c->u.bits.value) != c->negate;
	case OP_ANY:
		return ((v & c->u.bits.value) != 0) != c->negate;
	case OP_LIST:
		return list_has(c->u.list, v) != c->negate;
	default:
		return false;
	}
}

/* "" is no interface, as in the kernel's comparison: only the bare wildcard matches it. */
bool cond_match_ifname(const struct rs_cond *c, const char *name)
{
	bool same;

	if (c->op != OP_IFNAME)
		return false;
	if (!name)
		name = "";
	same = c->flags & RS_WILDCARD ? str_starts(name, c->u.ifname) : strcmp(name, c->u.ifname) == 0;
	return same != c->negate;
}

const struct rs_cond *rule_cond(const struct rs_rule *r, enum rs_field f)
{
	for (unsigned i = 0; i < r->nconds; i++)
		if (r->conds[i].field == f && !r->conds[i].negate)
			return &r->conds[i];
	return NULL;
}

bool rule_number(const struct rs_rule *r, enum rs_field f, uint32_t *ret)
{
	const struct rs_cond *c = rule_cond(r, f);

	if (!c || (c->op != OP_EQ && c->op != OP_RANGE) || (c->op == OP_RANGE && c->u.range.lo != c->u.range.hi))
		return false;
	*ret = c->u.range.lo;
	return true;
}

bool rule_host(const struct rs_rule *r, enum rs_field f, struct ip_addr *ret)
{
	const struct rs_cond *c = rule_cond(r, f);
	struct ip_addr a = { .family = AF_INET };

	if (!c || (c->op != OP_ADDR4 && c->op != OP_ADDR6))
		return false;
	if (c->op == OP_ADDR4) {
		if (c->u.addr4.mask != UINT32_MAX)
			return false;
		memcpy(a.b, &c->u.addr4.value, 4);
	} else {
		for (size_t i = 0; i < sizeof(a.b); i++)
			if (c->u.addr6->mask.b[i] != 0xff)
				return false;
		a = c->u.addr6->value;
		a.family = AF_INET6;
	}
	*ret = a;
	return true;
}

const struct rs_chain *rule_chain(const struct rs_rule *r)
{
	const struct rs_stmt *s = rule_target(r);

	return s && (s->kind == ST_JUMP || s->kind == ST_GOTO) ? s->u.target : NULL;
}
