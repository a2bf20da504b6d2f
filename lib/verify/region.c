/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Regions of sources in words and as prefixes: the whole of a seed by its name, a part of it by the shorter of what is in it and what is not. */
#include <errno.h>

#include "verify-private.h"

#define SHOWN_MAX 3u

struct ranges {
	ARRAY_OF(struct nat_range) v;
};

static void ranges_release(struct ranges *r)
{
	array_free(&r->v);
}

static int cmp_ranges(const void *a, const void *b)
{
	const struct nat_range *x = a, *y = b;
	int c = nat_key_cmp(x->first, y->first);

	return c ? c : nat_key_cmp(x->last, y->last);
}

static bool reaches(struct nat_key last, struct nat_key first)
{
	return nat_key_cmp(first, last) <= 0 || nat_key_cmp(nat_key_next(last), first) == 0;
}

/* Sorts, and joins what overlaps or touches. */
static void normalise(struct ranges *r)
{
	size_t k = 0;

	if (r->v.len == 0)
		return;
	qsort(r->v.v, r->v.len, sizeof(*r->v.v), cmp_ranges);
	for (size_t i = 1; i < r->v.len; i++) {
		struct nat_range *last = &r->v.v[k], *next = &r->v.v[i];

		if (!reaches(last->last, next->first))
			r->v.v[++k] = *next;
		else if (nat_key_cmp(next->last, last->last) > 0)
			last->last = next->last;
	}
	r->v.len = k + 1;
}

static int gather(struct ranges *to, const struct nat_region *r)
{
	for (size_t i = 0; i < r->len; i++)
		if (array_push(&to->v, r->v[i].range) < 0)
			return -ENOMEM;
	return 0;
}

/* @words NULL: of all seeds. */
static int gather_parts(struct ranges *to, const struct vregions *r, const char *words)
{
	for (size_t i = 0; i < r->v.len; i++)
		if ((!words || r->v.v[i].seed->words == words) && gather(to, &r->v.v[i].region) < 0)
			return -ENOMEM;
	normalise(to);
	return 0;
}

static bool equal(const struct ranges *a, const struct ranges *b)
{
	return a->v.len == b->v.len && (a->v.len == 0 || memcmp(a->v.v, b->v.v, a->v.len * sizeof(*a->v.v)) == 0);
}

/* The largest aligned block that begins at @first and does not go beyond @last. */
static unsigned block_bits(struct nat_key first, struct nat_key last, unsigned width)
{
	unsigned bits = 0;

	while (bits < width) {
		uint64_t lo = bits < 64 ? (2ULL << bits) - 1 : UINT64_MAX, hi = bits < 64 ? 0 : (2ULL << (bits - 64)) - 1;
		struct nat_key end = { first.hi | hi, first.lo | lo };

		if ((first.lo & lo) || (first.hi & hi) || nat_key_cmp(end, last) > 0)
			break;
		bits++;
	}
	return bits;
}

/* Ranges as prefixes, at most @max; false: there are more. */
static bool to_prefixes(const struct ranges *r, int family, size_t max, struct ip_prefix *ret, size_t *ret_len)
{
	unsigned width = family == AF_INET ? 32 : 128;
	size_t n = 0;

	for (size_t i = 0; i < r->v.len; i++) {
		struct nat_key at = r->v.v[i].first;

		for (;;) {
			unsigned bits = block_bits(at, r->v.v[i].last, width);
			struct ip_prefix p = { nat_addr_of(at, family), (uint8_t)(width - bits) };
			struct ip_addr last = ip_prefix_last(&p);

			if (n == max) {
				*ret_len = n;
				return false;
			}
			ret[n++] = p;
			at = nat_key_of(&last);
			if (nat_key_cmp(at, r->v.v[i].last) >= 0)
				break;
			at = nat_key_next(at);
		}
	}
	*ret_len = n;
	return true;
}

/* What of @all is not in @part; both normalised. */
static int subtract(const struct ranges *all, const struct ranges *part, struct ranges *ret)
{
	size_t k = 0;

	for (size_t i = 0; i < all->v.len; i++) {
		struct nat_key at = all->v.v[i].first, end = all->v.v[i].last;
		bool over = false;

		while (k < part->v.len && nat_key_cmp(part->v.v[k].last, at) < 0)
			k++;
		for (size_t j = k; !over && j < part->v.len && nat_key_cmp(part->v.v[j].first, end) <= 0; j++) {
			struct nat_range gap = { at, nat_key_prev(part->v.v[j].first) };

			if (nat_key_cmp(at, part->v.v[j].first) < 0 && array_push(&ret->v, gap) < 0)
				return -ENOMEM;
			over = nat_key_cmp(part->v.v[j].last, end) >= 0;
			at = nat_key_next(part->v.v[j].last);
		}
		if (!over && array_push(&ret->v, ((struct nat_range){ at, end })) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void add_list(struct strbuf *b, const struct ip_prefix *p, size_t n, bool more)
{
	char buf[IP_PREFIX_STRLEN], addr[IP_ADDR_STRLEN];

	for (size_t i = 0; i < n; i++) {
		bool one = p[i].len == ip_addr_size(&p[i].addr) * 8;

		strbuf_addf(b, "%s%s", i ? ", " : "", one ? ip_addr_format(&p[i].addr, addr) : ip_prefix_format(&p[i], buf));
	}
	if (more)
		strbuf_adds(b, ", ...");
}

/* One address is told by whose it is. */
static void add_one(struct strbuf *b, const struct snapshot *s, const struct vseed *seed, const struct ip_addr *a)
{
	const struct k8s_pod *p = seed->kind == SOURCE_POD ? map_get(&s->cluster.pod_by_ip, a, sizeof(*a)) : NULL;
	char buf[IP_ADDR_STRLEN];

	if (p)
		strbuf_addf(b, "pod %s/%s (%s)", p->meta.ns, p->meta.name, ip_addr_format(a, buf));
	else if (seed->kind == SOURCE_NODE)
		strbuf_addf(b, "the node itself as %s", ip_addr_format(a, buf));
	else
		strbuf_addf(b, "%s: %s", seed->words, ip_addr_format(a, buf));
}

static int add_part(struct strbuf *b, const struct snapshot *s, const struct vseed *seed, const struct ranges *all, const struct ranges *part)
{
	CLEANUP(ranges_release) struct ranges rest = { 0 };
	struct ip_prefix in[SHOWN_MAX], out[SHOWN_MAX];
	size_t nin, nout;
	bool all_in = to_prefixes(part, seed->region.family, SHOWN_MAX, in, &nin), all_out;

	if (nin == 1 && all_in && in[0].len == ip_addr_size(&in[0].addr) * 8) {
		add_one(b, s, seed, &in[0].addr);
		return 0;
	}
	if (subtract(all, part, &rest) < 0)
		return -ENOMEM;
	all_out = to_prefixes(&rest, seed->region.family, SHOWN_MAX, out, &nout);
	if (all_out && (!all_in || nout < nin)) {
		strbuf_adds(b, seed->kind == SOURCE_OUTSIDE ? "outside " : seed->words);
		strbuf_adds(b, seed->kind == SOURCE_OUTSIDE ? "" : " but ");
		add_list(b, out, nout, false);
	} else {
		strbuf_addf(b, "%s%s", seed->words, seed->kind == SOURCE_NODE ? " as " : " in ");
		add_list(b, in, nin, !all_in);
	}
	return 0;
}

/* Seeds of one name are one for the reader, whatever the node sees in them. */
static int add_group(struct strbuf *b, const struct snapshot *s, const struct vseeds *seeds, const struct vregions *r, const struct vseed *seed)
{
	CLEANUP(ranges_release) struct ranges all = { 0 }, part = { 0 };

	for (size_t i = 0; i < seeds->len; i++)
		if (seeds->v[i].words == seed->words && gather(&all, &seeds->v[i].region) < 0)
			return -ENOMEM;
	if (gather_parts(&part, r, seed->words) < 0)
		return -ENOMEM;
	normalise(&all);
	if (b->len)
		strbuf_adds(b, ", ");
	if (all.v.len == 0 || equal(&all, &part)) {
		strbuf_adds(b, seed->words);
		return 0;
	}
	return add_part(b, s, seed, &all, &part);
}

const char *vregions_words(struct arena *arena, const struct snapshot *s, const struct vseeds *seeds, const struct vregions *r)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < r->v.len; i++) {
		const struct vseed *seed = r->v.v[i].seed;
		bool told = false;

		for (size_t k = 0; k < i && !told; k++)
			told = r->v.v[k].seed->words == seed->words;
		if (!told && add_group(&b, s, seeds, r, seed) < 0)
			return NULL;
	}
	return b.failed ? NULL : arena_strndup(arena, strbuf_str(&b), b.len);
}

#define PREFIXES_MAX 1024u

int vregions_prefixes(struct arena *arena, const struct vregions *r, const struct ip_prefix **ret, size_t *ret_len, bool *ret_more)
{
	CLEANUP(ranges_release) struct ranges all = { 0 };
	struct ip_prefix p[PREFIXES_MAX], *copy;
	size_t n = 0;
	bool whole = true;

	if (gather_parts(&all, r, NULL) < 0)
		return -ENOMEM;
	if (r->v.len)
		whole = to_prefixes(&all, r->v.v[0].region.family, PREFIXES_MAX, p, &n);
	copy = arena_array(arena, struct ip_prefix, n);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, p, n * sizeof(*p));
	*ret = copy;
	*ret_len = n;
	*ret_more = !whole;
	return 0;
}
