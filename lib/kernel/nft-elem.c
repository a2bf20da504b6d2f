/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Elements of sets and maps. The kernel keeps the ranges of a set of one field as points, where they begin and where they are over; those of
 * a concatenation have both ends. In the order that nft gives them: by value, and concatenations without ranges by their bytes from behind.
 */
#include <errno.h>

#include "nft-json-private.h"

#define ELEMS_MAX (4u << 20) /* of one set */

struct elem {
	struct nft_attr key, key_end, data, comment, expr, exprs;
	const char *object;
	uint32_t flags;
	uint64_t timeout, expires;
	bool has_timeout, has_expires;
};
struct elems {
	struct jworker *w;
	struct jset *s;
	ARRAY_OF(struct elem) list;
};

/* ---- what a set is ---- */

/* Six bits for each part: include/datatype.h of nftables */
static uint8_t types_of(uint32_t type, struct jtype *ret)
{
	uint8_t n = 0;

	for (int shift = 24; shift >= 0; shift -= 6) {
		uint32_t dt = type >> shift & 63;

		if (dt || n)
			ret[n++] = (struct jtype){ .dt = (uint8_t)(dt < DT_COUNT ? dt : DT_INTEGER) };
	}
	if (n == 0)
		ret[n++] = (struct jtype){ .dt = DT_INTEGER };
	return n;
}

/* A number in the user data of a set: enum nftnl_udata_set_types. */
static uint32_t udata(const struct nft_set *s, uint8_t type, uint32_t otherwise)
{
	size_t len = 0;
	const char *p = nft_comment(s->userdata, type, &len);
	uint32_t v;

	if (!p || (size_t)(p - (const char *)s->userdata.p) + sizeof(v) > s->userdata.size)
		return otherwise;
	memcpy(&v, p, sizeof(v));
	return v;
}

void nft_describe_set(struct jset *s)
{
	const struct nft_set *n = s->set;
	bool big = n->flags & NFT_SET_INTERVAL;

	s->nkey = types_of(n->key_type, s->key);
	for (unsigned i = 0; i < s->nkey; i++) {
		s->key[i].host = !big && nft_dt_is_host(s->key[i].dt);
		/* enum byteorder of nft: 1 is the machine's */
		if (s->key[i].dt == DT_INTEGER && s->nkey == 1)
			s->key[i].host = !big && udata(n, 0, 0) == 1;
	}
	s->is_objmap = n->flags & NFT_SET_OBJECT;
	s->is_map = (n->flags & NFT_SET_MAP) || s->is_objmap;
	s->is_vmap = (n->flags & NFT_SET_MAP) && n->data_type == NFT_DATA_VERDICT;
	if (!s->is_map || s->is_vmap || s->is_objmap)
		return;
	s->ndata = types_of(n->data_type, s->data);
	s->has_ranges = udata(n, 6, 0); /* NFTNL_UDATA_SET_DATA_INTERVAL: both ends of each */
	for (unsigned i = 0; i < s->ndata; i++)
		s->data[i].host = nft_dt_is_host(s->data[i].dt) || (s->data[i].dt == DT_INTEGER && udata(n, 1, 0) == 1);
}

/* ---- reading ---- */

static const uint8_t *keep(struct elems *x, struct nft_attr a)
{
	return a.p ? (const uint8_t *)arena_strndup(&x->w->arena, (const char *)a.p, a.size) : NULL;
}

static struct nft_attr value_in(struct nft_attr nest)
{
	struct nft_attr a[NFTA_DATA_MAX + 1];

	return nft_nested(nest, a, ARRAY_LEN(a)) ? a[NFTA_DATA_VALUE] : (struct nft_attr){ NULL, 0 };
}

static int on_elem(struct elems *x, struct nft_attr nest)
{
	struct nft_attr a[NFTA_SET_ELEM_MAX + 1];
	struct elem e = { .flags = 0 };

	nest.p = keep(x, nest);
	if (!nest.p)
		return -ENOMEM;
	if (!nft_nested(nest, a, ARRAY_LEN(a))) {
		x->w->partial = true;
		return 0;
	}
	e.flags = nft_u32(a[NFTA_SET_ELEM_FLAGS], 0);
	e.key = value_in(a[NFTA_SET_ELEM_KEY]);
	e.key_end = value_in(a[NFTA_SET_ELEM_KEY_END]);
	e.data = a[NFTA_SET_ELEM_DATA];
	e.comment = a[NFTA_SET_ELEM_USERDATA];
	e.expr = a[NFTA_SET_ELEM_EXPR];
	e.exprs = a[NFTA_SET_ELEM_EXPRESSIONS];
	e.object = nft_str(a[NFTA_SET_ELEM_OBJREF]);
	e.has_timeout = a[NFTA_SET_ELEM_TIMEOUT].p;
	e.timeout = nft_u64(a[NFTA_SET_ELEM_TIMEOUT], 0);
	e.has_expires = a[NFTA_SET_ELEM_EXPIRATION].p;
	e.expires = nft_u64(a[NFTA_SET_ELEM_EXPIRATION], 0);
	if (!(e.flags & NFT_SET_ELEM_CATCHALL) && (!e.key.p || e.key.size != x->s->set->key_len || e.key.size > KEY_BYTES ||
						   (e.key_end.p && e.key_end.size != e.key.size))) {
		x->w->partial = true;
		return 0;
	}
	return x->list.len >= ELEMS_MAX ? SD_ELIMIT : array_push(&x->list, e);
}

static int on_message(void *arg, const struct nlmsghdr *h)
{
	struct elems *x = arg;
	struct nft_attr a[NFTA_SET_ELEM_LIST_MAX + 1], e;
	const uint8_t *p, *end;
	uint16_t type;
	int r = 0;

	if (!nft_message(h, NULL, a, ARRAY_LEN(a))) {
		x->w->partial = true;
		return 0;
	}
	p = a[NFTA_SET_ELEM_LIST_ELEMENTS].p;
	end = p ? p + a[NFTA_SET_ELEM_LIST_ELEMENTS].size : NULL;
	while (p && r == 0 && nft_attr_next(&p, end, &type, &e))
		r = on_elem(x, e);
	x->w->partial |= p != end && r == 0;
	return r;
}

/* ---- order ---- */

static int from_behind(const struct elem *a, const struct elem *b)
{
	for (size_t i = MIN(a->key.size, b->key.size); i-- > 0;)
		if (a->key.p[i] != b->key.p[i])
			return a->key.p[i] < b->key.p[i] ? -1 : 1;
	return 0;
}

static int catchall_last(const struct elem *a, const struct elem *b)
{
	return (int)!!(a->flags & NFT_SET_ELEM_CATCHALL) - (int)!!(b->flags & NFT_SET_ELEM_CATCHALL);
}

static int little(const void *p, const void *q)
{
	const struct elem *a = p, *b = q;
	int r = catchall_last(a, b);

	return r ? r : from_behind(a, b);
}

static int big(const void *p, const void *q)
{
	const struct elem *a = p, *b = q;
	int r = catchall_last(a, b);

	if (r == 0 && a->key.p && b->key.p)
		r = memcmp(a->key.p, b->key.p, MIN(a->key.size, b->key.size));
	/* Where one range is over the next one may begin. */
	return r ? r : (int)!!(b->flags & NFT_SET_ELEM_INTERVAL_END) - (int)!!(a->flags & NFT_SET_ELEM_INTERVAL_END);
}

static void sort(struct elems *x)
{
	const struct jset *s = x->s;
	const uint16_t probe = 1;
	bool little_endian = *(const uint8_t *)&probe;

	if (x->list.len < 2 || (s->set->flags & NFT_SET_CONCAT && s->set->flags & NFT_SET_INTERVAL))
		return;
	if (!(s->set->flags & NFT_SET_INTERVAL) && little_endian && (s->nkey > 1 || s->key[0].host || s->key[0].dt == DT_IFNAME))
		qsort(x->list.v, x->list.len, sizeof(*x->list.v), little);
	else
		qsort(x->list.v, x->list.len, sizeof(*x->list.v), big);
}

/* ---- writing ---- */

/* Bytes of part @i of @n: its type's, or what is left for it. */
static size_t part_size(const struct jset *s, const struct jtype *types, unsigned n, unsigned i, size_t total)
{
	size_t known = 0, size = nft_dt_size(types[i].dt);
	unsigned open = 0;

	if (size)
		return size;
	if (types == s->key && (i < s->set->nfields || s->sizes[i]))
		return s->sizes[i] ? s->sizes[i] : s->set->fields[i];
	for (unsigned k = 0; k < n; k++) {
		known += (nft_dt_size(types[k].dt) + 3) / 4 * 4;
		open += nft_dt_size(types[k].dt) == 0;
	}
	return total > known && open ? (total - known) / open : 4;
}

/* How long a number in a concatenation is only the rule knows; who asks a named one is not looked for. */
static bool is_open(const struct jset *s, unsigned i)
{
	return s->nkey > 1 && s->key[i].dt == DT_INTEGER && i >= s->set->nfields && !s->sizes[i];
}

static void put_shifted(struct strbuf *b, const struct jset *s, const uint8_t *lo, const uint8_t *hi, size_t size)
{
	uint64_t from = nft_number(lo, size, false) >> s->shift, to = nft_number(hi, size, false) >> s->shift;
	uint8_t ends[2][4];

	for (unsigned i = 0; i < 4; i++) {
		ends[0][i] = (uint8_t)(from >> (24 - 8 * i));
		ends[1][i] = (uint8_t)(to >> (24 - 8 * i));
	}
	nft_put_range(b, s->key[0], ends[0], ends[1], 4);
}

static void put_parts(struct strbuf *b, const struct jset *s, const struct jtype *types, unsigned n, const uint8_t *lo, const uint8_t *hi, size_t size)
{
	size_t at = 0;

	if (n > 1)
		ADD(b, "{\"concat\": [");
	for (unsigned i = 0; i < n; i++) {
		size_t len = n == 1 ? size : part_size(s, types, n, i, size);

		if (at + len > size)
			break;
		strbuf_adds(b, i ? ", " : "");
		if (types == s->key && is_open(s, i))
			ADD(b, "{\"svcdoctor-unknown\": \"integer\"}");
		else if (types == s->key && s->shift && len <= 8)
			put_shifted(b, s, lo + at, hi + at, len);
		else
			nft_put_range(b, types[i], lo + at, hi + at, len);
		at += (len + 3) / 4 * 4;
	}
	if (n > 1)
		ADD(b, "]}");
}

static bool put_data(struct strbuf *b, struct jset *s, const struct elem *e)
{
	struct nft_attr a[NFTA_DATA_MAX + 1];
	size_t size;

	if (s->is_objmap) {
		nft_put_string(b, e->object ? e->object : "", e->object ? strlen(e->object) : 0);
		return e->object;
	}
	if (!nft_nested(e->data, a, ARRAY_LEN(a)))
		return false;
	if (s->is_vmap)
		return nft_put_verdict(b, a[NFTA_DATA_VERDICT], &s->jumps);
	size = a[NFTA_DATA_VALUE].size;
	if (!a[NFTA_DATA_VALUE].p || size == 0 || size > KEY_BYTES)
		return false;
	if (s->has_ranges && size % 2 == 0)
		put_parts(b, s, s->data, s->ndata, a[NFTA_DATA_VALUE].p, a[NFTA_DATA_VALUE].p + size / 2, size / 2);
	else
		put_parts(b, s, s->data, s->ndata, a[NFTA_DATA_VALUE].p, a[NFTA_DATA_VALUE].p, size);
	return true;
}

static void put_seconds(struct strbuf *b, const char *name, uint64_t ms)
{
	strbuf_addf(b, ", \"%s\": %llu", name, (unsigned long long)(ms / 1000));
}

static void put_key(struct strbuf *b, const struct jset *s, const struct elem *e, const uint8_t *hi)
{
	if (e->flags & NFT_SET_ELEM_CATCHALL)
		ADD(b, "\"*\"");
	else
		put_parts(b, s, s->key, s->nkey, e->key.p, hi, e->key.size);
}

static bool put_elem(struct strbuf *b, struct jset *s, const struct elem *e, const uint8_t *hi)
{
	size_t len = 0;
	const char *comment = nft_comment(e->comment, 0, &len);
	bool wrapped = comment || e->has_timeout || e->has_expires || e->expr.p || e->exprs.p, known = true;

	strbuf_adds(b, s->is_map ? "[" : "");
	strbuf_adds(b, wrapped ? "{\"elem\": {\"val\": " : "");
	put_key(b, s, e, hi);
	if (e->has_timeout)
		put_seconds(b, "timeout", e->timeout);
	if (e->has_expires)
		put_seconds(b, "expires", e->expires);
	if (comment) {
		ADD(b, ", \"comment\": ");
		nft_put_string(b, comment, len);
	}
	if (e->expr.p || e->exprs.p)
		known = nft_put_statefuls(b, e->expr, e->exprs, false);
	strbuf_adds(b, wrapped ? "}}" : "");
	if (s->is_map) {
		ADD(b, ", ");
		known &= put_data(b, s, e);
		ADD(b, "]");
	}
	return known;
}

/* ---- ranges ---- */

static void one_less(const uint8_t *p, size_t size, uint8_t *ret)
{
	memcpy(ret, p, size);
	while (size-- > 0 && ret[size]-- == 0)
		;
}

/* Up to where a point goes: the next one, or the end of all values. */
static void end_of(const struct elems *x, size_t i, uint8_t *ret)
{
	const struct elem *next = i + 1 < x->list.len ? &x->list.v[i + 1] : NULL;

	if (next && !(next->flags & NFT_SET_ELEM_CATCHALL))
		one_less(next->key.p, next->key.size, ret);
	else
		memset(ret, 0xff, KEY_BYTES);
}

static void put_all(struct elems *x)
{
	struct jset *s = x->s;
	struct strbuf *b = &x->w->text;
	bool first = true, points = s->set->flags & NFT_SET_INTERVAL && !(s->set->flags & NFT_SET_CONCAT);
	uint8_t hi[KEY_BYTES];

	for (size_t i = 0; i < x->list.len; i++) {
		const struct elem *e = &x->list.v[i];
		const uint8_t *to = e->key_end.p ? e->key_end.p : e->key.p;

		if (e->flags & NFT_SET_ELEM_INTERVAL_END)
			continue;
		if (points && !e->key_end.p && !(e->flags & NFT_SET_ELEM_CATCHALL)) {
			end_of(x, i, hi);
			to = hi;
		}
		strbuf_adds(b, first ? "" : ", ");
		first = false;
		x->w->partial |= !put_elem(b, s, e, to);
	}
	for (unsigned i = 0; i < s->nkey; i++)
		x->w->partial |= !first && is_open(s, i) && !(s->set->flags & NFT_SET_ANONYMOUS);
}

/* What was read of a set becomes its text. */
static int finish(struct elems *x)
{
	struct jset *s = x->s;

	s->at = x->w->text.len;
	s->jumps = 0;
	sort(x);
	put_all(x);
	s->size = x->w->text.len - s->at;
	return x->w->text.failed ? -ENOMEM : 0;
}

int nft_read_elements(struct jworker *w, struct jset *s)
{
	struct elems x = { .w = w, .s = s };
	int r = nft_dump_elements(&w->sock, s->set->table, s->set->name, on_message, &x);

	if (r == 0)
		r = finish(&x);
	array_free(&x.list);
	arena_reset(&w->arena);
	return r;
}

/* ---- several sets at once ---- */

struct several {
	size_t len;
	uint32_t total;
	struct elems elems[NFT_KEYS_MAX];
	struct nft_keys keys[NFT_KEYS_MAX];
	int r[NFT_KEYS_MAX];
};

static int on_one(void *arg, size_t which, const struct nlmsghdr *h)
{
	struct several *v = arg;

	return on_message(&v->elems[which], h);
}

/* All elements of the set are known by their numbers, or it is dumped as others are. */
static int finish_one(struct several *v, size_t i)
{
	struct elems *x = &v->elems[i];

	if (v->r[i] == -ENOMEM || v->r[i] == SD_ELIMIT)
		return v->r[i];
	if (v->r[i] == 0 && x->list.len == x->s->set->size)
		return finish(x);
	array_free(&x->list);
	return nft_read_elements(x->w, x->s);
}

static int read_together(struct jworker *w, struct several *v)
{
	int r = v->len ? nft_get_elements(&w->sock, v->keys, v->len, on_one, v, v->r) : 0;

	/* Where net.core.rmem_max is small the answers find no room: one set at a time, then. */
	if (r == -ENOBUFS || r == -EMSGSIZE) {
		for (size_t i = 0; i < v->len; i++)
			v->r[i] = r;
		r = 0;
	}
	/* Copies of elements lie in the arena until all is written. */
	for (unsigned pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < v->len && r == 0; i++)
			if ((pass == 0) == (v->r[i] == 0 && v->elems[i].list.len == v->elems[i].s->set->size))
				r = finish_one(v, i);
	for (size_t i = 0; i < v->len; i++)
		array_free(&v->elems[i].list);
	arena_reset(&w->arena);
	v->len = v->total = 0;
	return r;
}

int nft_read_several(struct jworker *w, struct jset *sets, size_t len)
{
	struct several v = { .len = 0 };
	int r = 0;

	for (size_t i = 0; i < len && r == 0; i++) {
		struct jset *s = &sets[i];

		if (!s->numbers || s->numbers != s->set->size || s->numbers > NFT_KEYS_MAX) {
			r = nft_read_elements(w, s);
			continue;
		}
		if (v.total + s->numbers > NFT_KEYS_MAX)
			r = read_together(w, &v);
		v.elems[v.len] = (struct elems){ .w = w, .s = s };
		v.keys[v.len++] = (struct nft_keys){ s->set->table, s->set->name, s->first_number, s->numbers };
		v.total += s->numbers;
	}
	if (r == 0)
		return read_together(w, &v);
	for (size_t i = 0; i < v.len; i++)
		array_free(&v.elems[i].list);
	return r;
}
