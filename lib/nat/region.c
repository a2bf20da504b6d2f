/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Regions: who may have sent a packet, as intervals of addresses and the interface that each enters by. What a rule asks
 * of the source cuts a region in two; the walk goes on with the side on which its packet lies.
 */
#include <errno.h>

#include "nat-private.h"

struct ip_addr nat_addr_of(struct nat_key k, int family)
{
	struct ip_addr a = { .family = (uint8_t)family };
	unsigned n = family == AF_INET ? 4 : 8;

	for (unsigned i = 0; i < n; i++) {
		a.b[i] = (uint8_t)(family == AF_INET ? k.lo >> (24 - 8 * i) : k.hi >> (56 - 8 * i));
		if (family == AF_INET6)
			a.b[i + 8] = (uint8_t)(k.lo >> (56 - 8 * i));
	}
	return a;
}

struct nat_key nat_key_next(struct nat_key k)
{
	return (struct nat_key){ k.hi + (k.lo == UINT64_MAX), k.lo + 1 };
}

struct nat_key nat_key_prev(struct nat_key k)
{
	return (struct nat_key){ k.hi - (k.lo == 0), k.lo - 1 };
}

struct nat_range nat_range_of(const struct ip_prefix *p)
{
	struct ip_addr first = ip_prefix_first(p), last = ip_prefix_last(p);

	return (struct nat_range){ nat_key_of(&first), nat_key_of(&last) };
}

bool nat_region_has(const struct nat_region *r, const struct ip_addr *a, const char *iif)
{
	struct nat_key k = nat_key_of(a);

	for (size_t i = 0; r->family == a->family && i < r->len; i++)
		if (nat_key_cmp(r->v[i].range.first, k) <= 0 && nat_key_cmp(k, r->v[i].range.last) <= 0 &&
		    (!iif || (r->v[i].iif && strcmp(r->v[i].iif, iif) == 0)))
			return true;
	return false;
}

/* The first of the sorted ranges that does not end before @k. */
static size_t first_from(const struct nat_range *set, size_t n, struct nat_key k)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (nat_key_cmp(set[mid].last, k) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool in_set(const struct nat_range *set, size_t n, struct nat_key k)
{
	size_t i = first_from(set, n, k);

	return i < n && nat_key_cmp(set[i].first, k) <= 0;
}

/* Lies all of @s on the side @inside of the set? */
static bool is_on_side(const struct nat_span *s, const struct nat_range *set, size_t n, bool inside)
{
	size_t i = first_from(set, n, s->range.first);

	if (!inside)
		return i == n || nat_key_cmp(s->range.last, set[i].first) < 0;
	return i < n && nat_key_cmp(set[i].first, s->range.first) <= 0 && nat_key_cmp(s->range.last, set[i].last) <= 0;
}

struct pieces {
	struct nat_span *v;
	size_t len;
};

static void add_piece(struct pieces *p, const struct nat_span *s, struct nat_key first, struct nat_key last)
{
	p->v[p->len++] = (struct nat_span){ { first, last }, s->iif };
}

static void cut_span(const struct nat_span *s, const struct nat_range *set, size_t n, struct pieces *in, struct pieces *out)
{
	struct nat_key at = s->range.first;

	for (size_t i = first_from(set, n, at); i < n && nat_key_cmp(set[i].first, s->range.last) <= 0; i++) {
		struct nat_key last = nat_key_cmp(set[i].last, s->range.last) < 0 ? set[i].last : s->range.last;

		if (nat_key_cmp(at, set[i].first) < 0) {
			add_piece(out, s, at, nat_key_prev(set[i].first));
			at = set[i].first;
		}
		add_piece(in, s, at, last);
		if (nat_key_cmp(last, s->range.last) == 0)
			return;
		at = nat_key_next(last);
	}
	add_piece(out, s, at, s->range.last);
}

static size_t most_pieces(const struct nat_region *r, const struct nat_range *set, size_t n)
{
	size_t most = 0;

	for (size_t i = 0; i < r->len; i++) {
		size_t a = first_from(set, n, r->v[i].range.first);

		most++;
		while (a < n && nat_key_cmp(set[a].first, r->v[i].range.last) <= 0) {
			most++;
			a++;
		}
	}
	return most;
}

int nat_region_cut(struct arena *arena, const struct nat_region *r, const struct nat_range *set, size_t n,
		   struct nat_region *ret_in, struct nat_region *ret_out)
{
	size_t most = most_pieces(r, set, n);
	struct pieces in = { arena_array(arena, struct nat_span, most), 0 }, out = { arena_array(arena, struct nat_span, most), 0 };

	if (!in.v || !out.v)
		return -ENOMEM;
	for (size_t i = 0; i < r->len; i++)
		cut_span(&r->v[i], set, n, &in, &out);
	*ret_in = (struct nat_region){ r->family, in.len, in.v };
	*ret_out = (struct nat_region){ r->family, out.len, out.v };
	return 0;
}

void nat_classes_release(struct nat_classes *c)
{
	arena_release(&c->arena);
	array_free(&c->rest);
}

void nat_classes_reset(struct nat_classes *c)
{
	arena_reset(&c->arena);
	c->rest.len = 0;
	c->cut_by = NULL;
	c->error = 0;
}

/* The walk goes on in @same; what is in @other is for another walk. */
static void keep(struct nat_classes *c, const struct nat_region *same, const struct nat_region *other, const struct rs_rule *by)
{
	if (other->len == 0)
		return;
	if (array_push(&c->rest, *other) < 0)
		c->error = -ENOMEM;
	c->now = *same;
	if (by)
		c->cut_by = by;
}

/* The common case, quickly: all of the region lies in the range, or none of it. */
static bool on_one_side(const struct nat_region *r, const struct nat_range *set)
{
	size_t in = 0, out = 0;

	for (size_t i = 0; i < r->len; i++) {
		const struct nat_range *s = &r->v[i].range;

		if (nat_key_cmp(s->last, set->first) < 0 || nat_key_cmp(set->last, s->first) < 0)
			out++;
		else if (nat_key_cmp(set->first, s->first) <= 0 && nat_key_cmp(s->last, set->last) <= 0)
			in++;
	}
	return in == r->len || out == r->len;
}

void nat_classes_ask(struct nat_classes *c, const struct ip_addr *a, const struct nat_range *set, size_t n, const struct rs_rule *by)
{
	struct nat_region in, out;
	bool inside, whole = true;

	if (c->now.family != a->family || (n == 1 && on_one_side(&c->now, set)))
		return;
	inside = in_set(set, n, nat_key_of(a));
	for (size_t i = 0; i < c->now.len && whole; i++)
		whole = is_on_side(&c->now.v[i], set, n, inside);
	if (whole)
		return;
	c->error = nat_region_cut(&c->arena, &c->now, set, n, &in, &out);
	if (c->error == 0)
		keep(c, inside ? &in : &out, inside ? &out : &in, by);
}

static bool same_answer(const struct rs_cond *c, const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return c ? cond_match_ifname(c, a) == cond_match_ifname(c, b) : strcmp(a, b) == 0;
}

void nat_classes_ask_iif(struct nat_classes *c, const char *iif, const struct rs_cond *cond, const struct rs_rule *by)
{
	struct pieces same, other;
	bool whole = true;

	for (size_t i = 0; i < c->now.len && whole; i++)
		whole = c->now.v[i].iif == iif || same_answer(cond, c->now.v[i].iif, iif);
	if (whole)
		return;
	same = (struct pieces){ arena_array(&c->arena, struct nat_span, c->now.len), 0 };
	other = (struct pieces){ arena_array(&c->arena, struct nat_span, c->now.len), 0 };
	if (!same.v || !other.v) {
		c->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < c->now.len; i++) {
		struct pieces *to = same_answer(cond, c->now.v[i].iif, iif) ? &same : &other;

		to->v[to->len++] = c->now.v[i];
	}
	keep(c, &(struct nat_region){ c->now.family, same.len, same.v },
	     &(struct nat_region){ c->now.family, other.len, other.v }, by);
}

/* A mask with holes has no intervals: the block of addresses around @a that differ only in bits that it does not ask. */
static struct nat_range block_of(struct nat_key k, struct nat_key mask)
{
	struct nat_range r;
	unsigned zeros = mask.lo ? (unsigned)__builtin_ctzll(mask.lo) : mask.hi ? 64 + (unsigned)__builtin_ctzll(mask.hi) : 128;
	struct nat_key low = { zeros > 64 ? (zeros >= 128 ? UINT64_MAX : (1ULL << (zeros - 64)) - 1) : 0,
			       zeros >= 64 ? UINT64_MAX : (1ULL << zeros) - 1 };

	r.first = (struct nat_key){ k.hi & ~low.hi, k.lo & ~low.lo };
	r.last = (struct nat_key){ k.hi | low.hi, k.lo | low.lo };
	return r;
}

static bool has_holes(struct nat_key m, int family)
{
	uint64_t low = ~m.lo, high = ~m.hi;

	if (family == AF_INET)
		return ((uint32_t)low & ((uint32_t)low + 1)) != 0;
	return high ? (high & (high + 1)) != 0 || m.lo != 0 : (low & (low + 1)) != 0;
}

bool nat_cond_has_holes(const struct rs_cond *c)
{
	struct ip_addr mask;
	uint32_t low;

	if (c->op == OP_ADDR4) {
		low = ~ntohl(c->u.addr4.mask);
		return (low & (low + 1)) != 0;
	}
	if (c->op != OP_ADDR6)
		return false;
	mask = c->u.addr6->mask;
	mask.family = AF_INET6;
	return has_holes(nat_key_of(&mask), mask.family);
}

static struct nat_range masked(const struct ip_addr *value, const struct ip_addr *mask, const struct ip_addr *a)
{
	struct nat_key m = nat_key_of(mask);

	if (!has_holes(m, a->family))
		return block_of(nat_key_of(value), m);
	return block_of(nat_key_of(a), m);
}

bool nat_cond_range(const struct rs_cond *c, const struct ip_addr *a, struct nat_range *ret)
{
	struct ip_addr value = { .family = AF_INET }, mask = { .family = AF_INET };

	switch (c->op) {
	case OP_ADDR4:
		if (a->family != AF_INET)
			return false;
		if (!nat_cond_has_holes(c)) {
			ret->first = (struct nat_key){ 0, ntohl(c->u.addr4.value) };
			ret->last = (struct nat_key){ 0, ntohl(c->u.addr4.value) | ~ntohl(c->u.addr4.mask) };
			return true;
		}
		memcpy(value.b, &c->u.addr4.value, 4);
		memcpy(mask.b, &c->u.addr4.mask, 4);
		break;
	case OP_ADDR6:
		value = c->u.addr6->value;
		mask = c->u.addr6->mask;
		value.family = mask.family = AF_INET6;
		break;
	case OP_ADDR_RANGE:
		if (c->u.addr_range->lo.family != a->family || ip_addr_cmp(&c->u.addr_range->lo, &c->u.addr_range->hi) > 0)
			return false;
		*ret = (struct nat_range){ nat_key_of(&c->u.addr_range->lo), nat_key_of(&c->u.addr_range->hi) };
		return true;
	default:
		return false;
	}
	if (value.family != a->family)
		return false;
	*ret = masked(&value, &mask, a);
	return true;
}

void nat_ask_alone(struct walk *w, const struct ip_addr *a, const struct rs_rule *by)
{
	struct nat_range one = { nat_key_of(a), nat_key_of(a) };

	nat_classes_ask(w->classes, a, &one, 1, by);
}
