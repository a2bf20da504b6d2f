/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set as ranges of source addresses: where the answer can change are the ends of the elements that fit the rest of
 * the packet; between two ends one address speaks for all (set.c answers for it).
 */
#include <errno.h>

#include "ruleset-private.h"

struct cuts {
	ARRAY_OF(struct ip_addr) at; /* first addresses of stretches */
};

static void cuts_release(struct cuts *c)
{
	array_free(&c->at);
}

/* The stretch of addresses that the element's part stands for, through the set's mask. */
static int add_cuts(struct cuts *c, const struct rs_ipset *s, const struct rs_ipset_elem *e, unsigned side)
{
	struct ip_prefix p = { e->addr[side], e->len[side] };
	struct ip_addr first, next;
	int r;

	for (size_t i = 0; s->has_mask && side == 0 && i < ip_addr_size(&p.addr) * 8; i++) {
		if (!(s->mask.b[i / 8] & (0x80 >> (i % 8)))) {
			p.len = (uint8_t)MIN(p.len, i);
			break;
		}
	}
	first = ip_prefix_first(&p);
	next = ip_prefix_last(&p);
	r = array_push(&c->at, first);
	return r == 0 && ip_addr_next(&next, &next) ? array_push(&c->at, next) : r;
}

/* Can the element say anything of a packet with this destination and these ports? Its other parts are left to the lookup. */
static bool dst_fits(const struct rs_set_ref *ref, const struct rs_ipset *s, const struct rs_ipset_elem *e,
		     const struct rs_set_packet *p)
{
	unsigned side = 0;

	for (unsigned i = 0; i < RS_IPSET_PARTS; i++) {
		uint8_t part = s->type->part[i];

		if (part == SETPART_PORT && ((e->proto && e->proto != p->proto) || e->port != ipset_port(p, ref->dst[i])))
			return false;
		if (part != SETPART_IP && part != SETPART_NET)
			continue;
		struct ip_prefix pre = { e->addr[side], e->len[side] };

		if (ref->dst[i] && !(s->has_mask && side == 0) && !ip_prefix_contains(&pre, &p->dst))
			return false;
		side++;
	}
	return true;
}

static int cut_set(struct cuts *c, const struct rs_set_ref *ref, const struct rs_set *set, const struct rs_set_packet *p,
		   struct rs_set_sources *out, unsigned depth);

static int cut_elem(struct cuts *c, const struct rs_set_ref *ref, const struct rs_ipset *s,
		    const struct rs_ipset_elem *e, const struct rs_set_packet *p, struct rs_set_sources *out, unsigned depth)
{
	unsigned side = 0;
	int r = 0;

	if (s->type->part[0] == SETPART_SET)
		return cut_set(c, ref, e->set, p, out, depth + 1);
	if (!dst_fits(ref, s, e, p))
		return 0;
	for (unsigned i = 0; i < RS_IPSET_PARTS && r == 0; i++) {
		if (s->type->part[i] != SETPART_IP && s->type->part[i] != SETPART_NET)
			continue;
		if (!ref->dst[i])
			r = add_cuts(c, s, e, side);
		side++;
	}
	return r;
}

static bool mask_has_holes(const struct rs_ipset *s)
{
	unsigned bits = 0, size = (unsigned)ip_addr_size(&s->mask) * 8;
	struct ip_addr whole;

	while (s->has_mask && bits < size && s->mask.b[bits / 8] & (0x80 >> (bits % 8)))
		bits++;
	whole = ip_prefix_mask(s->mask.family, bits);
	return s->has_mask && !ip_addr_equal(&whole, &s->mask);
}

/* The elements that can say anything of a packet to this destination: their positions; NULL: all of them. */
static const uint32_t *elems_of(const struct rs_set_ref *ref, const struct rs_ipset *s, const struct rs_set_packet *p, uint32_t *ret_len)
{
	const uint32_t *v = NULL;
	unsigned side = 0;
	int port = -1;

	*ret_len = s->nelems;
	for (unsigned i = 0; i < RS_IPSET_PARTS && !v; i++) {
		if (s->type->part[i] == SETPART_PORT)
			port = (int)i;
		if (s->type->part[i] != SETPART_IP && s->type->part[i] != SETPART_NET)
			continue;
		if (ref->dst[i])
			v = ipset_with_addr(s, side, &p->dst, ret_len);
		side++;
	}
	return !v && port >= 0 ? ipset_with_port(s, ipset_port(p, ref->dst[port]), ret_len) : v;
}

static int cut_set(struct cuts *c, const struct rs_set_ref *ref, const struct rs_set *set, const struct rs_set_packet *p,
		   struct rs_set_sources *out, unsigned depth)
{
	const struct rs_ipset *s = set ? set->ipset : NULL;
	const uint32_t *some;
	uint32_t n;
	int r = 0;

	if (!s || !s->type || depth > 1)
		return 0;
	out->may_grow = out->may_grow || set->dynamic;
	out->may_shrink = out->may_shrink || s->shrinks;
	if (mask_has_holes(s) && !ref->dst[0])
		return SD_EFORMAT;
	if (!s->any_family && (set->family == RS_IP6) != (p->dst.family == AF_INET6))
		return 0;
	some = elems_of(ref, s, p, &n);
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = cut_elem(c, ref, s, &s->elems[some ? some[i] : i], p, out, depth);
	return r;
}

static int cmp_addr(const void *a, const void *b)
{
	return ip_addr_cmp(a, b);
}

/* Appends the stretch to the list of its answer, or makes the list's last one longer. */
static int add_stretch(struct rs_set_sources *out, enum rs_answer a, const struct ip_addr *lo, const struct ip_addr *hi,
		       size_t max)
{
	struct rs_ranges *list = a == RS_YES ? &out->in : &out->unknown;
	struct rs_addr_range range = { *lo, *hi };
	struct ip_addr before;

	if (a == RS_NO)
		return 0;
	if (list->len && ip_addr_prev(lo, &before) && ip_addr_equal(&before, &list->v[list->len - 1].hi)) {
		list->v[list->len - 1].hi = *hi;
		return 0;
	}
	return out->in.len + out->unknown.len >= max ? SD_ELIMIT : array_push(list, range);
}

static int fill(const struct cuts *c, const struct rs_set_ref *ref, const struct rs_set_packet *p, size_t max,
		struct rs_set_sources *out)
{
	struct rs_set_packet one = *p;
	struct ip_addr hi;
	bool state;
	int r = 0;

	one.src_known = true;
	for (size_t i = 0; i < c->at.len && r == 0; i++) {
		if (i + 1 < c->at.len && ip_addr_equal(&c->at.v[i], &c->at.v[i + 1]))
			continue;
		hi = (struct ip_addr){ .family = p->dst.family };
		if (i + 1 < c->at.len)
			(void)ip_addr_prev(&c->at.v[i + 1], &hi);
		else
			memset(hi.b, 0xff, ip_addr_size(&hi));
		one.src = c->at.v[i];
		r = add_stretch(out, rs_set_has(ref, &one, &state), &one.src, &hi, max);
	}
	return r;
}

int rs_set_project(const struct rs_set_ref *ref, const struct rs_set_packet *p, size_t max, struct rs_set_sources *ret)
{
	CLEANUP(cuts_release) struct cuts c = { { 0 } };
	struct rs_set_sources out = { 0 };
	struct ip_addr zero = { .family = p->dst.family }, one = { .family = p->dst.family };
	int r;

	/* 0.0.0.0 is in no hash:ip, whatever the set holds: a stretch of its own, as is what follows it. */
	one.b[ip_addr_size(&one) - 1] = 1;
	r = array_push(&c.at, zero);
	if (r == 0)
		r = array_push(&c.at, one);
	if (r == 0)
		r = cut_set(&c, ref, ref->set, p, &out, 0);
	if (r == 0) {
		qsort(c.at.v, c.at.len, sizeof(*c.at.v), cmp_addr);
		r = fill(&c, ref, p, max, &out);
	}
	if (r < 0) {
		array_free(&out.in);
		array_free(&out.unknown);
		return r;
	}
	*ret = out;
	return 0;
}
