/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets and maps of nftables: which elements may be met by a key of which some parts are known. A large set has an index over
 * those parts that are one value in each of its elements, and where a rule asks for a source a second one without that part, so that
 * all sources of one destination are found together. A set of one field with ranges is sorted. Small sets are looked through.
 */
#include <errno.h>

#include "ruleset-private.h"

#define INDEX_MIN_ELEMS 9u

struct rs_set_index {
	uint8_t parts;	    /* bit n: part n is hashed; 0: sorted by the first value of the only part */
	uint32_t nbuckets;  /* a power of two */
	const uint32_t *start; /* nbuckets + 1 offsets into elems; NULL: sorted */
	const uint32_t *elems; /* positions */
	uint32_t len;
};

static uint32_t name_hash(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return rs_mix(h);
}

static bool is_wildcard(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && name[len - 1] == '*';
}

/* The part is one value: it can be hashed. */
static bool is_exact(enum rs_value_kind kind, const struct rs_value *v)
{
	switch (kind) {
	case VALUE_NUM:
	case VALUE_ADDR4:
		return v->u.num.lo == v->u.num.hi;
	case VALUE_ADDR6:
		return ip_addr_equal(&v->u.addr6->lo, &v->u.addr6->hi);
	case VALUE_NAME:
		return !is_wildcard(v->u.name);
	default:
		return false;
	}
}

static uint32_t value_hash(enum rs_value_kind kind, const struct rs_value *v)
{
	switch (kind) {
	case VALUE_ADDR6:
		return rs_addr_hash(&v->u.addr6->lo);
	case VALUE_NAME:
		return name_hash(v->u.name);
	default:
		return rs_mix(v->u.num.lo);
	}
}

static uint32_t part_hash(enum rs_value_kind kind, const struct rs_part *p)
{
	switch (kind) {
	case VALUE_ADDR6:
		return rs_addr_hash(&p->addr);
	case VALUE_NAME:
		return name_hash(p->name ? p->name : "");
	default:
		return rs_mix(p->num);
	}
}

static uint32_t elem_hash(const struct rs_set *s, const struct rs_elem *e, uint8_t parts)
{
	uint32_t h = 0;

	for (unsigned i = 0; i < s->nfields; i++)
		if (parts & 1u << i)
			h = rs_mix(h + 0x9e3779b9u) ^ value_hash((enum rs_value_kind)s->part_kinds[i], &e->keys[i]);
	return h;
}

static uint32_t key_hash(const struct rs_set *s, const struct rs_part *key, uint8_t parts)
{
	uint32_t h = 0;

	for (unsigned i = 0; i < s->nfields; i++)
		if (parts & 1u << i)
			h = rs_mix(h + 0x9e3779b9u) ^ part_hash((enum rs_value_kind)s->part_kinds[i], &key[i]);
	return h;
}

/* ---- building ---- */

/* The parts that are one value in every element. */
static uint8_t exact_parts(const struct rs_set *s)
{
	uint8_t parts = (uint8_t)((1u << s->nfields) - 1);

	for (size_t k = 0; k < s->nelems && parts; k++)
		for (unsigned i = 0; i < s->nfields && s->elems[k].keys; i++)
			if (!is_exact((enum rs_value_kind)s->part_kinds[i], &s->elems[k].keys[i]))
				parts &= (uint8_t)~(1u << i);
	return parts;
}

static int build_hash(struct ruleset *rs, struct rs_set *s, uint8_t parts, const struct rs_set_index **ret)
{
	struct rs_set_index *ix = arena_new(&rs->arena, struct rs_set_index);
	uint32_t n = 1, sum = 0, *start, *elems;

	while (n < s->nelems && n < 1u << 30)
		n *= 2;
	start = arena_array(&rs->arena, uint32_t, (size_t)n + 1);
	elems = arena_array(&rs->arena, uint32_t, s->nelems);
	if (!ix || !start || !elems)
		return -ENOMEM;
	for (size_t i = 0; i < s->nelems; i++)
		if (s->elems[i].keys)
			start[elem_hash(s, &s->elems[i], parts) & (n - 1)]++;
	for (uint32_t b = 0; b < n; b++) {
		sum += start[b];
		start[b] = sum;
	}
	start[n] = sum;
	for (size_t i = s->nelems; i-- > 0;)
		if (s->elems[i].keys)
			elems[--start[elem_hash(s, &s->elems[i], parts) & (n - 1)]] = (uint32_t)i;
	*ix = (struct rs_set_index){ parts, n, start, elems, sum };
	*ret = ix;
	return 0;
}

static int cmp_first(enum rs_value_kind kind, const struct rs_value *a, const struct rs_value *b)
{
	if (kind == VALUE_ADDR6)
		return ip_addr_cmp(&a->u.addr6->lo, &b->u.addr6->lo);
	return (a->u.num.lo > b->u.num.lo) - (a->u.num.lo < b->u.num.lo);
}

/* Does the range of @a reach that of @b, which begins later? */
static bool reaches(enum rs_value_kind kind, const struct rs_value *a, const struct rs_value *b)
{
	if (kind == VALUE_ADDR6)
		return ip_addr_cmp(&a->u.addr6->hi, &b->u.addr6->lo) >= 0;
	return a->u.num.hi >= b->u.num.lo;
}

/* A merge sort, for qsort() cannot be told the set. */
static void sort_elems(const struct rs_set *s, uint32_t *v, uint32_t *tmp, size_t n)
{
	size_t half = n / 2, a = 0, b = half, k = 0;

	if (n < 2)
		return;
	sort_elems(s, v, tmp, half);
	sort_elems(s, v + half, tmp, n - half);
	while (a < half || b < n) {
		bool left = b == n || (a < half && cmp_first((enum rs_value_kind)s->part_kinds[0], &s->elems[v[a]].keys[0],
							     &s->elems[v[b]].keys[0]) <= 0);

		tmp[k++] = left ? v[a++] : v[b++];
	}
	memcpy(v, tmp, n * sizeof(*v));
}

/* The kernel refuses ranges that overlap; where a dump holds some all the same the set is looked through. */
static int build_sorted(struct ruleset *rs, struct rs_set *s, const struct rs_set_index **ret)
{
	enum rs_value_kind kind = (enum rs_value_kind)s->part_kinds[0];
	struct rs_set_index *ix = arena_new(&rs->arena, struct rs_set_index);
	uint32_t *v = arena_array(&rs->arena, uint32_t, s->nelems), *tmp = calloc(s->nelems, sizeof(*tmp)), n = 0;

	if (!ix || !v || !tmp) {
		free(tmp);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->nelems; i++)
		if (s->elems[i].keys)
			v[n++] = (uint32_t)i;
	sort_elems(s, v, tmp, n);
	free(tmp);
	for (uint32_t i = 1; i < n; i++)
		if (reaches(kind, &s->elems[v[i - 1]].keys[0], &s->elems[v[i]].keys[0]))
			return 0;
	*ix = (struct rs_set_index){ .elems = v, .len = n };
	*ret = ix;
	return 0;
}

int ruleset_index_set(struct ruleset *rs, struct rs_set *s)
{
	uint8_t parts;
	int r = 0;

	for (size_t i = 0; i < s->nelems; i++)
		if (!s->elems[i].keys)
			s->catch_all = &s->elems[i];
	if (s->nelems < INDEX_MIN_ELEMS || s->nelems >= UINT32_MAX || s->nfields == 0)
		return 0;
	parts = exact_parts(s);
	if (parts)
		r = build_hash(rs, s, parts, &s->index[0]);
	else if (s->nfields == 1 && s->part_kinds[0] != VALUE_NAME && s->part_kinds[0] != VALUE_OPAQUE)
		r = build_sorted(rs, s, &s->index[0]);
	if (r == 0 && (parts & s->source_parts) && (parts & ~s->source_parts))
		r = build_hash(rs, s, parts & (uint8_t)~s->source_parts, &s->index[1]);
	return r;
}

/* ---- asking ---- */

static bool name_agrees(const char *pattern, const char *name)
{
	size_t len = strlen(pattern);

	if (is_wildcard(pattern))
		return strncmp(pattern, name, len - 1) == 0;
	return strcmp(pattern, name) == 0;
}

static bool part_agrees(enum rs_value_kind kind, const struct rs_value *v, const struct rs_part *p, bool *sure)
{
	if (p->how == PART_ANY)
		return true;
	if (p->how == PART_UNKNOWN || kind == VALUE_OPAQUE) {
		*sure = false;
		return true;
	}
	switch (kind) {
	case VALUE_ADDR6:
		return p->addr.family == AF_INET6 && ip_addr_cmp(&v->u.addr6->lo, &p->addr) <= 0 && ip_addr_cmp(&p->addr, &v->u.addr6->hi) <= 0;
	case VALUE_NAME:
		return name_agrees(v->u.name, p->name ? p->name : "");
	default:
		return v->u.num.lo <= p->num && p->num <= v->u.num.hi;
	}
}

static bool elem_agrees(const struct rs_set *s, const struct rs_elem *e, const struct rs_part *key, bool *ret_sure)
{
	bool sure = true;

	for (unsigned i = 0; i < s->nfields; i++)
		if (!part_agrees((enum rs_value_kind)s->part_kinds[i], &e->keys[i], &key[i], &sure))
			return false;
	*ret_sure = sure;
	return true;
}

static bool all_known(const struct rs_part *key, uint8_t parts, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (parts & 1u << i && key[i].how != PART_KNOWN)
			return false;
	return true;
}

/* Of sorted ranges: the last that begins at or before the value. */
static void begin_sorted(const struct rs_set *s, const struct rs_set_index *ix, const struct rs_part *key, struct rs_cursor *c)
{
	uint32_t lo = 0, hi = ix->len;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct rs_value *v = &s->elems[ix->elems[mid]].keys[0];
		bool before = s->part_kinds[0] == VALUE_ADDR6 ? ip_addr_cmp(&v->u.addr6->lo, &key->addr) <= 0 : v->u.num.lo <= key->num;

		if (before)
			lo = mid + 1;
		else
			hi = mid;
	}
	c->list = ix->elems;
	c->at = lo ? lo - 1 : 0;
	c->end = lo;
}

static void begin(const struct rs_set *s, const struct rs_part *key, struct rs_cursor *c)
{
	c->begun = true;
	c->end = (uint32_t)MIN(s->nelems, UINT32_MAX);
	for (unsigned i = 0; i < 2; i++) {
		const struct rs_set_index *ix = s->index[i];
		uint32_t b;

		if (!ix || !all_known(key, ix->start ? ix->parts : 1, s->nfields))
			continue;
		if (!ix->start) {
			begin_sorted(s, ix, key, c);
			return;
		}
		b = key_hash(s, key, ix->parts) & (ix->nbuckets - 1);
		c->list = ix->elems;
		c->at = ix->start[b];
		c->end = ix->start[b + 1];
		return;
	}
}

const struct rs_elem *rs_elem_next(const struct rs_set *s, const struct rs_part *key, struct rs_cursor *c, bool *ret_sure)
{
	if (!c->begun)
		begin(s, key, c);
	while (c->at < c->end) {
		const struct rs_elem *e = &s->elems[c->list ? c->list[c->at] : c->at];

		c->at++;
		if (!e->keys || !elem_agrees(s, e, key, ret_sure))
			continue;
		c->found = c->found || *ret_sure;
		return e;
	}
	if (!s->catch_all || c->found || c->end == UINT32_MAX)
		return NULL;
	c->end = c->at = UINT32_MAX; /* given once */
	*ret_sure = true;
	return s->catch_all;
}

const struct rs_set *ruleset_find_set(const struct ruleset *rs, const struct rs_table *t, const char *name)
{
	for (size_t i = 0; i < rs->sets.len; i++) {
		const struct rs_set *s = rs->sets.v[i];

		if (s->table == t && s->name && strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

/* ---- what rules ask of sets ---- */

static void note_lookup(const struct rs_lookup *l)
{
	struct rs_set *s = l ? rs_writable(struct rs_set, l->set) : NULL;

	for (unsigned i = 0; s && i < l->nparts && i < RS_KEY_PARTS; i++)
		if (l->parts[i].field == FIELD_SADDR || l->parts[i].field == FIELD_CT_ORIG_SADDR)
			s->source_parts |= (uint8_t)(1u << i);
}

void rule_note_sets(const struct rs_rule *r)
{
	for (unsigned i = 0; i < r->nconds; i++)
		if (r->conds[i].op == OP_LOOKUP)
			note_lookup(r->conds[i].u.lookup);
	for (unsigned i = 0; i < r->nstmts; i++) {
		const struct rs_stmt *s = &r->stmts[i];

		switch ((enum rs_stmt_kind)s->kind) {
		case ST_VMAP:
		case ST_MARK_MAP:
			note_lookup(s->u.lookup);
			break;
		case ST_DNAT:
		case ST_SNAT:
		case ST_REDIRECT:
			if (s->u.nat) {
				note_lookup(s->u.nat->addr_map);
				note_lookup(s->u.nat->port_map);
			}
			break;
		case ST_UPDATE:
			if (s->u.update->key.set)
				rs_writable(struct rs_set, s->u.update->key.set)->dynamic = true;
			break;
		default:
			break;
		}
	}
}

/* ---- printing ---- */

struct printer {
	char *buf;
	size_t size, len;
};

static void put(struct printer *p, const char *s)
{
	size_t n = strlen(s);

	if (p->len < p->size)
		memcpy(p->buf + p->len, s, MIN(n, p->size - p->len));
	p->len += n;
}

static void put_u32(struct printer *p, uint32_t v)
{
	char buf[16];

	(void)snprintf(buf, sizeof(buf), "%u", v);
	put(p, buf);
}

/* A range of addresses that is a prefix is printed as one. */
static void put_addrs(struct printer *p, const struct ip_addr *lo, const struct ip_addr *hi)
{
	char buf[IP_PREFIX_STRLEN];

	put(p, ip_addr_format(lo, buf));
	if (ip_addr_equal(lo, hi))
		return;
	for (unsigned len = 0; len < 8 * ip_addr_size(lo); len++) {
		struct ip_prefix prefix = { *lo, (uint8_t)len };
		struct ip_addr first = ip_prefix_first(&prefix), last = ip_prefix_last(&prefix);

		if (ip_addr_equal(&first, lo) && ip_addr_equal(&last, hi)) {
			put(p, "/");
			put_u32(p, len);
			return;
		}
	}
	put(p, "-");
	put(p, ip_addr_format(hi, buf));
}

static struct ip_addr addr4(uint32_t v)
{
	struct ip_addr a = { .family = AF_INET };

	v = htonl(v);
	memcpy(a.b, &v, sizeof(v));
	return a;
}

/* @type: the part's word of "ipv4_addr . inet_proto", of @len bytes. */
static void put_num(struct printer *p, const char *type, size_t len, uint32_t v)
{
	static const struct {
		uint8_t number;
		const char *name;
	} protos[] = { { 1, "icmp" }, { 6, "tcp" }, { 17, "udp" }, { 33, "dccp" }, { 58, "ipv6-icmp" }, { 132, "sctp" }, { 136, "udplite" } };
	char buf[16];

	for (size_t i = 0; len == 10 && memcmp(type, "inet_proto", 10) == 0 && i < ARRAY_LEN(protos); i++) {
		if (protos[i].number == v) {
			put(p, protos[i].name);
			return;
		}
	}
	if (len == 4 && memcmp(type, "mark", 4) == 0) {
		(void)snprintf(buf, sizeof(buf), "0x%08x", v);
		put(p, buf);
		return;
	}
	put_u32(p, v);
}

static void put_value(struct printer *p, enum rs_value_kind kind, const struct rs_value *v, const char *type, size_t len)
{
	struct ip_addr lo, hi;

	switch (kind) {
	case VALUE_NUM:
		put_num(p, type, len, v->u.num.lo);
		if (v->u.num.hi != v->u.num.lo) {
			put(p, "-");
			put_num(p, type, len, v->u.num.hi);
		}
		return;
	case VALUE_ADDR4:
		lo = addr4(v->u.num.lo);
		hi = addr4(v->u.num.hi);
		put_addrs(p, &lo, &hi);
		return;
	case VALUE_ADDR6:
		put_addrs(p, &v->u.addr6->lo, &v->u.addr6->hi);
		return;
	default:
		put(p, v->u.name ? v->u.name : "?");
	}
}

/* The words of "ipv4_addr . inet_service", one after the other. */
static const char *next_type(const char *at, size_t *ret_len)
{
	const char *end = at ? strstr(at, " . ") : NULL;

	*ret_len = !at ? 0 : end ? (size_t)(end - at) : strlen(at);
	return end ? end + 3 : NULL;
}

static void put_values(struct printer *p, const uint8_t *kinds, const struct rs_value *v, unsigned n, const char *types)
{
	for (unsigned i = 0; i < n; i++) {
		const char *type = types;
		size_t len;

		types = next_type(types, &len);
		if (i)
			put(p, " . ");
		put_value(p, (enum rs_value_kind)kinds[i], &v[i], type ? type : "", len);
	}
}

static void put_verdict(struct printer *p, const struct rs_elem *e)
{
	static const char *const words[] = { [ST_ACCEPT] = "accept", [ST_DROP] = "drop", [ST_RETURN] = "return", [ST_JUMP] = "jump ",
					     [ST_GOTO] = "goto ", [ST_QUEUE] = "queue", [ST_NOP] = "continue" };
	const char *word = e->verdict < ARRAY_LEN(words) ? words[e->verdict] : NULL;

	put(p, word ? word : "?");
	if (e->verdict == ST_JUMP || e->verdict == ST_GOTO)
		put(p, e->target ? e->target->name : "?");
}

size_t rs_elem_print(const struct rs_set *s, const struct rs_elem *e, char *buf, size_t size)
{
	struct printer p = { buf, size ? size - 1 : 0, 0 };

	if (e->keys)
		put_values(&p, s->part_kinds, e->keys, s->nfields, s->type);
	else
		put(&p, "*");
	if (s->is_map)
		put(&p, " : ");
	if (s->is_vmap)
		put_verdict(&p, e);
	else if (s->is_map && e->data)
		put_values(&p, s->data_kinds, e->data, s->ndata, NULL);
	if (size)
		buf[MIN(p.len, size - 1)] = '\0';
	return p.len;
}
