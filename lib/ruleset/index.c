/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The index of a long chain: which rules can match a destination address and port, without walking the others.
 *
 * A rule belongs to one of four classes by the first conditions that name exactly one destination address and exactly
 * one destination port: both, address only, port only, none. A class is a table of buckets by the hash of its key;
 * a bucket holds the rules in their order. The next candidate is the nearest of the four cursors. Two keys of one hash
 * share their candidates, which costs time and never a match: a candidate is not said to match, but a rule that is
 * passed over has a condition of its own that the packet fails.
 */
#include <errno.h>

#include "ruleset-private.h"

/* Chains up to this length are walked: a look at every rule is as fast as the index. */
#define INDEX_MIN_RULES 9u

enum { CLASS_BOTH, CLASS_ADDR, CLASS_PORT, CLASS_NONE, CLASS_COUNT };

struct index_entry {
	uint32_t hash, pos; /* pos: 0-based, ascending within a bucket */
};
struct index_class {
	uint32_t nbuckets; /* a power of two, 0: no rule is of this class */
	const uint32_t *start; /* nbuckets + 1 offsets into entries */
	const struct index_entry *entries;
};
struct rs_index {
	struct index_class classes[CLASS_NONE];
	const uint32_t *none; /* rules of CLASS_NONE, ascending */
	uint32_t nnone;
};

struct rule_key {
	uint8_t class;
	uint32_t hash;
};

static uint32_t port_hash(uint16_t port)
{
	return rs_mix(port + 0x9e3779b9u);
}

static uint32_t both_hash(uint32_t addr, uint32_t port)
{
	return rs_mix(addr + port);
}

static bool exact_addr(const struct rs_cond *c, struct ip_addr *ret)
{
	struct ip_addr mask;

	switch (c->op) {
	case OP_ADDR4:
		if (c->u.addr4.mask != UINT32_MAX)
			return false;
		*ret = (struct ip_addr){ .family = AF_INET };
		memcpy(ret->b, &c->u.addr4.value, 4);
		return true;
	case OP_ADDR6:
		mask = ip_prefix_mask(AF_INET6, 128);
		if (memcmp(c->u.addr6->mask.b, mask.b, sizeof(mask.b)) != 0)
			return false;
		*ret = c->u.addr6->value;
		ret->family = AF_INET6;
		return true;
	case OP_ADDR_RANGE:
		if (!ip_addr_equal(&c->u.addr_range->lo, &c->u.addr_range->hi))
			return false;
		*ret = c->u.addr_range->lo;
		return true;
	default:
		return false;
	}
}

static bool exact_port(const struct rs_cond *c, uint16_t *ret)
{
	uint32_t v = c->u.range.lo;

	if (c->op == OP_LIST && c->u.list->len == 1 && c->u.list->v[0].lo == c->u.list->v[0].hi)
		v = c->u.list->v[0].lo;
	else if (c->op != OP_EQ && !(c->op == OP_RANGE && c->u.range.lo == c->u.range.hi))
		return false;
	if (v > UINT16_MAX)
		return false;
	*ret = (uint16_t)v;
	return true;
}

/* Conditions before the first one that leaves a trace when the rule fails later, and before every statement. */
static unsigned usable_conds(const struct rs_rule *r)
{
	unsigned n = r->nconds;

	for (unsigned i = 0; i < r->nstmts; i++)
		if (r->stmts[i].after != 255 && r->stmts[i].kind != ST_NOP)
			n = MIN(n, r->stmts[i].after);
	for (unsigned i = 0; i < n; i++)
		if (r->conds[i].op == OP_RECENT || r->conds[i].field == FIELD_RECENT_SET)
			return i;
	return n;
}

static struct rule_key rule_key(const struct rs_rule *r)
{
	unsigned n = usable_conds(r);
	bool has_addr = false, has_port = false;
	struct ip_addr addr = { 0 };
	uint16_t port = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct rs_cond *c = &r->conds[i];

		if (c->negate)
			continue;
		if (c->field == FIELD_DADDR && !has_addr)
			has_addr = exact_addr(c, &addr);
		else if (c->field == FIELD_DPORT && !has_port)
			has_port = exact_port(c, &port);
	}
	if (has_addr && has_port)
		return (struct rule_key){ CLASS_BOTH, both_hash(rs_addr_hash(&addr), port_hash(port)) };
	if (has_addr)
		return (struct rule_key){ CLASS_ADDR, rs_addr_hash(&addr) };
	if (has_port)
		return (struct rule_key){ CLASS_PORT, port_hash(port) };
	return (struct rule_key){ CLASS_NONE, 0 };
}

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n && p < 1u << 31)
		p *= 2;
	return p;
}

/* Counts, then places: rules come in order, so each bucket is sorted by position. */
static int build_class(struct ruleset *rs, struct index_class *ic, const struct rule_key *keys, uint32_t nrules,
		       uint8_t class, uint32_t count)
{
	struct index_entry *entries;
	uint32_t *start, n = 0;

	if (count == 0)
		return 0;
	ic->nbuckets = power_of_two(count);
	start = arena_array(&rs->arena, uint32_t, (size_t)ic->nbuckets + 1);
	entries = arena_array(&rs->arena, struct index_entry, count);
	if (!start || !entries)
		return -ENOMEM;
	for (uint32_t i = 0; i < nrules; i++)
		if (keys[i].class == class)
			start[keys[i].hash & (ic->nbuckets - 1)]++;
	for (uint32_t b = 0; b < ic->nbuckets; b++) {
		n += start[b];
		start[b] = n;
	}
	start[ic->nbuckets] = n;
	for (uint32_t i = nrules; i-- > 0;)
		if (keys[i].class == class)
			entries[--start[keys[i].hash & (ic->nbuckets - 1)]] = (struct index_entry){ keys[i].hash, i };
	ic->start = start;
	ic->entries = entries;
	return 0;
}

static int build_none(struct ruleset *rs, struct rs_index *ix, const struct rule_key *keys, uint32_t nrules,
		      uint32_t count)
{
	uint32_t *none, n = 0;

	if (count == 0)
		return 0;
	none = arena_array(&rs->arena, uint32_t, count);
	if (!none)
		return -ENOMEM;
	for (uint32_t i = 0; i < nrules; i++)
		if (keys[i].class == CLASS_NONE)
			none[n++] = i;
	ix->none = none;
	ix->nnone = n;
	return 0;
}

static void free_keys(struct rule_key **keys)
{
	free(*keys);
}

int chain_build_index(struct ruleset *rs, struct rs_chain *c)
{
	CLEANUP(free_keys) struct rule_key *keys = NULL;
	uint32_t counts[CLASS_COUNT] = { 0 };
	struct rs_index *ix;
	int r = 0;

	if (c->nrules < INDEX_MIN_RULES)
		return 0;
	keys = calloc(c->nrules, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->nrules; i++) {
		keys[i] = rule_key(c->rules[i]);
		counts[keys[i].class]++;
	}
	if (counts[CLASS_NONE] == c->nrules)
		return 0;
	ix = arena_new(&rs->arena, struct rs_index);
	if (!ix)
		return -ENOMEM;
	for (uint8_t k = 0; k < CLASS_NONE && r == 0; k++)
		r = build_class(rs, &ix->classes[k], keys, c->nrules, k, counts[k]);
	if (r == 0)
		r = build_none(rs, ix, keys, c->nrules, counts[CLASS_NONE]);
	if (r == 0)
		c->index = ix;
	return r;
}

/* The first entry of the key at @from or later; @best when there is none below it. */
static uint32_t class_next(const struct index_class *ic, uint32_t hash, uint32_t from, uint32_t best)
{
	const struct index_entry *e;
	uint32_t b, lo, hi, end;

	if (ic->nbuckets == 0)
		return best;
	b = hash & (ic->nbuckets - 1);
	lo = ic->start[b];
	hi = end = ic->start[b + 1];
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ic->entries[mid].pos < from)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (e = ic->entries + lo; lo < end && e->pos < best; e++, lo++)
		if (e->hash == hash)
			return e->pos;
	return best;
}

static uint32_t none_next(const struct rs_index *ix, uint32_t from, uint32_t best)
{
	uint32_t lo = 0, hi = ix->nnone;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ix->none[mid] < from)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < ix->nnone ? MIN(ix->none[lo], best) : best;
}

uint32_t chain_next_candidate(const struct rs_chain *c, const struct ip_addr *daddr, uint8_t proto, uint16_t dport,
			      uint32_t from)
{
	const struct rs_index *ix = c->index;
	uint32_t best, addr, port;

	if (!ix || from >= c->nrules)
		return MIN(from, c->nrules);
	best = none_next(ix, from, c->nrules);
	if (best == from)
		return best;
	addr = rs_addr_hash(daddr);
	best = class_next(&ix->classes[CLASS_ADDR], addr, from, best);
	if (!proto_has_ports(proto))
		return best;
	port = port_hash(dport);
	best = class_next(&ix->classes[CLASS_PORT], port, from, best);
	return class_next(&ix->classes[CLASS_BOTH], both_hash(addr, port), from, best);
}
