/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads `ipset save` text: a "create NAME TYPE OPTIONS" line for each set and an "add NAME ELEMENT OPTIONS" line for
 * each element. A set of which a line cannot be read is kept as damaged: nothing is sure of it.
 */
#include <errno.h>

#include "xtables-private.h"

#define ELEMS_MAX 2000000u /* of all sets */
#define BAD_LINES_MAX 20

struct set_builder {
	struct rs_set *set;
	struct rs_ipset *ipset; /* NULL: the type is not known */
	ARRAY_OF(struct rs_ipset_elem) elems;
};

struct ipset_reader {
	struct ruleset *rs;
	struct sd_notes *notes;
	const char *file;
	uint32_t line_no;
	size_t bad, nelems;
	ARRAY_OF(struct set_builder *) sets;
	struct map by_name;
	struct set_builder *last;
	const char *line, *p, *end; /* what is not read yet of the line */
};

static void reader_release(struct ipset_reader *r)
{
	for (size_t i = 0; i < r->sets.len; i++) {
		array_free(&r->sets.v[i]->elems);
		free(r->sets.v[i]);
	}
	array_free(&r->sets);
	map_release(&r->by_name);
}

/* A comment stands in quotes that cannot be escaped; everything else is without blanks. */
static bool next_word(struct ipset_reader *r, struct xt_word *w)
{
	const char *start;

	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
		r->p++;
	if (r->p >= r->end)
		return false;
	if (*r->p == '"') {
		const char *close = memchr(r->p + 1, '"', (size_t)(r->end - r->p) - 1);

		start = r->p + 1;
		*w = (struct xt_word){ start, (uint32_t)((close ? close : r->end) - start), true };
		r->p = close ? close + 1 : r->end;
		return true;
	}
	start = r->p;
	while (r->p < r->end && *r->p != ' ' && *r->p != '\t')
		r->p++;
	*w = (struct xt_word){ start, (uint32_t)(r->p - start), false };
	return true;
}

static bool is_word(const struct xt_word *w, const char *s)
{
	return !w->quoted && strlen(s) == w->len && memcmp(w->s, s, w->len) == 0;
}

/* The line is of no use; the set that it speaks of is not whole then. */
static void bad_line(struct ipset_reader *r, struct set_builder *b, const char *at, const char *why)
{
	if (b && b->ipset)
		b->ipset->damaged = true;
	if (r->bad++ < BAD_LINES_MAX)
		sd_note_add(r->notes, true, "bad-line", r->file, r->line_no, (uint32_t)(at - r->line) + 1, NULL,
			    "'%s': %s", r->file, why);
}

/* ---- create ---- */

static int take_mask(struct rs_ipset *s, const struct xt_word *w, int family, bool is_length)
{
	struct ip_addr full = ip_prefix_mask(family, family == AF_INET ? 32 : 128);
	uint32_t bits;

	if (!is_length) {
		if (xtables_addr(w->s, w->len, family == AF_INET6, &s->mask) < 0)
			return SD_EPARSE;
	} else {
		if (xt_uint(w->s, w->len, family == AF_INET ? 32 : 128, &bits) < 0)
			return SD_EPARSE;
		s->mask = ip_prefix_mask(family, bits);
	}
	s->has_mask = !ip_addr_equal(&full, &s->mask);
	return 0;
}

/* Which options of "create" have a value that is not needed. */
static bool is_plain_option(const struct xt_word *w)
{
	static const char *const names[] = { "hashsize", "maxelem", "bucketsize", "initval", "timeout", "probes", "resize",
					     "gc", "size", "range", "from", "to", "network" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (is_word(w, names[i]))
			return true;
	return false;
}

static int create_option(struct ipset_reader *r, struct set_builder *b, const struct xt_word *w)
{
	int family = b->set->family == RS_IP6 ? AF_INET6 : AF_INET;
	struct xt_word v;

	if (is_word(w, "counters") || is_word(w, "comment") || is_word(w, "skbinfo") || is_word(w, "forceadd"))
		return 0;
	if (!next_word(r, &v))
		return SD_EPARSE;
	if (is_plain_option(w))
		return 0;
	if (is_word(w, "family")) {
		b->set->family = is_word(&v, "inet6") ? RS_IP6 : RS_IP4;
		return is_word(&v, "inet6") || is_word(&v, "inet") ? 0 : SD_EPARSE;
	}
	/* Of the first address; in a hash:net,net of both, which is not modelled. */
	if ((is_word(w, "netmask") || is_word(w, "bitmask")) && b->ipset->type->part[0] == SETPART_IP)
		return take_mask(b->ipset, &v, family, is_word(w, "netmask"));
	if (is_word(w, "markmask"))
		return xt_uint(v.s, v.len, UINT32_MAX, &b->ipset->mark_mask);
	return SD_EPARSE;
}

static struct set_builder *new_builder(struct ipset_reader *r, const struct xt_word *name, const struct xt_word *type)
{
	struct arena *a = &r->rs->arena;
	struct set_builder *b = calloc(1, sizeof(*b));
	const struct rs_ipset_type *t = rs_ipset_type_find(type->s, type->len);
	char *copy = arena_strndup(a, name->s, name->len), *type_copy = arena_strndup(a, type->s, type->len);

	if (!b || array_push(&r->sets, b) < 0) {
		free(b);
		return NULL;
	}
	b->set = arena_new(a, struct rs_set);
	if (t)
		b->ipset = arena_new(a, struct rs_ipset);
	if (!copy || !type_copy || !b->set || (t && !b->ipset) || map_put(&r->by_name, copy, name->len, b) < 0 ||
	    array_push(&r->rs->sets, b->set) < 0)
		return NULL;
	*b->set = (struct rs_set){ .backend = BACKEND_LEGACY, .family = RS_IP4, .name = copy, .type = type_copy,
				   .ipset = b->ipset };
	for (unsigned i = 0; t && i < RS_IPSET_PARTS && t->part[i] != SETPART_NONE; i++)
		b->set->nfields++;
	if (t)
		*b->ipset = (struct rs_ipset){ .type = t, .any_family = t->any_family, .mark_mask = UINT32_MAX };
	return b;
}

static int read_create(struct ipset_reader *r)
{
	struct xt_word name, type, w;
	struct set_builder *b;

	if (!next_word(r, &name) || !next_word(r, &type)) {
		bad_line(r, NULL, r->line, "a set without name or type");
		return 0;
	}
	b = map_get(&r->by_name, name.s, name.len);
	if (b) {
		bad_line(r, b, name.s, "a set of this name was there already");
		return 0;
	}
	b = new_builder(r, &name, &type);
	if (!b)
		return -ENOMEM;
	if (!b->ipset) {
		sd_note_add(r->notes, false, "unknown-set-type", r->file, r->line_no, (uint32_t)(type.s - r->line) + 1,
			    NULL, "the type '%.64s' of set '%.64s' is not known: what is in it is not known either",
			    b->set->type, b->set->name);
		return 0;
	}
	while (next_word(r, &w))
		if (create_option(r, b, &w) < 0)
			bad_line(r, b, w.s, "an option of a set cannot be read");
	return 0;
}

/* ---- add ---- */

static int take_addr(struct rs_ipset_elem *e, unsigned side, const char *s, size_t len, bool ip6, bool net)
{
	const char *slash = memchr(s, '/', len);
	uint32_t bits = ip6 ? 128 : 32;
	struct ip_prefix p = { .len = (uint8_t)bits };

	if (slash && (!net || xt_uint(slash + 1, len - (size_t)(slash + 1 - s), bits, &bits) < 0))
		return SD_EPARSE;
	if (xtables_addr(s, slash ? (size_t)(slash - s) : len, ip6, &p.addr) < 0)
		return SD_EPARSE;
	p.len = (uint8_t)bits;
	e->addr[side] = ip_prefix_first(&p);
	e->len[side] = p.len;
	return 0;
}

/* "tcp:80", "icmp:echo-request", "ipv6-icmp:128/0", "gre:0"; "80" in a bitmap. */
static int take_port(struct rs_ipset_elem *e, const char *s, size_t len, bool bitmap)
{
	const char *colon = memchr(s, ':', len);
	struct xt_word proto = { s, colon ? (uint32_t)(colon - s) : 0, false }, rest;
	struct rs_u32_range icmp;
	uint32_t port;

	if (bitmap != !colon || (colon && xt_proto(&proto, &e->proto) < 0))
		return SD_EPARSE;
	rest = colon ? (struct xt_word){ colon + 1, (uint32_t)(s + len - colon - 1), false } :
		       (struct xt_word){ s, (uint32_t)len, false };
	if (e->proto == IPPROTO_ICMP || e->proto == IPPROTO_ICMPV6) {
		if (xt_icmp_type(&rest, e->proto == IPPROTO_ICMPV6, &icmp) < 0)
			return SD_EPARSE;
		port = icmp.lo; /* a name stands for its first code here: lib/icmp.c of ipset */
	} else if (xt_uint(rest.s, rest.len, 65535, &port) < 0) {
		return SD_EPARSE;
	}
	e->port = (uint16_t)port;
	return 0;
}

static int take_name(struct ipset_reader *r, const char **ret, const char *s, size_t len)
{
	*ret = arena_strndup(&r->rs->arena, s, len);
	return !*ret ? -ENOMEM : len ? 0 : SD_EPARSE;
}

static int take_iface(struct ipset_reader *r, struct rs_ipset_elem *e, const char *s, size_t len)
{
	static const char phys[] = "physdev:";

	e->physdev = len >= sizeof(phys) - 1 && memcmp(s, phys, sizeof(phys) - 1) == 0;
	if (e->physdev) {
		s += sizeof(phys) - 1;
		len -= sizeof(phys) - 1;
	}
	return take_name(r, &e->iface, s, len);
}

static int take_parts(struct ipset_reader *r, const struct set_builder *b, const struct xt_word *w,
		      struct rs_ipset_elem *e)
{
	const struct rs_ipset_type *t = b->ipset->type;
	const char *s = w->s, *item;
	unsigned naddr = 0, n = 0;
	bool ip6 = b->set->family == RS_IP6;
	size_t len;
	int res = 0;

	if (t->part[0] == SETPART_SET)
		return take_name(r, &e->member, w->s, w->len);
	while (res == 0 && xt_list_item(&s, w->s + w->len, &item, &len)) {
		switch (n < RS_IPSET_PARTS ? (enum rs_ipset_part)t->part[n] : SETPART_NONE) {
		case SETPART_IP:
		case SETPART_NET:
			res = take_addr(e, naddr++, item, len, ip6, t->part[n] == SETPART_NET);
			break;
		case SETPART_PORT:
			res = take_port(e, item, len, t->range);
			break;
		case SETPART_IFACE:
			res = take_iface(r, e, item, len);
			break;
		case SETPART_MARK:
			res = xt_uint(item, len, UINT32_MAX, &e->mark);
			e->mark &= b->ipset->mark_mask;
			break;
		case SETPART_MAC: /* no packet's is known: that there is one is enough */
			res = len ? 0 : SD_EPARSE;
			break;
		default:
			res = SD_EPARSE;
		}
		n++;
	}
	/* The MAC of a bitmap may be missing. */
	if (res == 0 && n != b->set->nfields && !(t->range && n + 1 == b->set->nfields))
		res = SD_EPARSE;
	return res;
}

static void mask_elem(const struct rs_ipset *s, struct rs_ipset_elem *e)
{
	for (size_t i = 0; s->has_mask && i < sizeof(e->addr[0].b); i++)
		e->addr[0].b[i] &= s->mask.b[i];
}

static int add_option(struct ipset_reader *r, struct rs_ipset_elem *e, const struct xt_word *w)
{
	static const char *const others[] = { "packets", "bytes", "comment", "skbmark", "skbprio", "skbqueue", "before",
					      "after" };
	struct xt_word v;
	uint32_t n;

	if (is_word(w, "nomatch")) {
		e->nomatch = true;
		return 0;
	}
	if (is_word(w, "wildcard")) {
		e->wildcard = true;
		return 0;
	}
	if (!next_word(r, &v))
		return SD_EPARSE;
	if (is_word(w, "timeout")) {
		if (xt_uint(v.s, v.len, UINT32_MAX, &n) < 0)
			return SD_EPARSE;
		e->expires = n > 0;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (is_word(w, others[i]))
			return 0;
	return SD_EPARSE;
}

static struct set_builder *find_set(struct ipset_reader *r, const struct xt_word *name)
{
	struct set_builder *b = r->last;

	if (b && strncmp(b->set->name, name->s, name->len) == 0 && b->set->name[name->len] == '\0')
		return b;
	r->last = map_get(&r->by_name, name->s, name->len);
	return r->last;
}

static int read_add(struct ipset_reader *r)
{
	struct rs_ipset_elem e = { 0 };
	struct xt_word name, what, w;
	struct set_builder *b;
	int res;

	if (!next_word(r, &name) || !next_word(r, &what)) {
		bad_line(r, NULL, r->line, "an element without set or value");
		return 0;
	}
	b = find_set(r, &name);
	if (!b) {
		bad_line(r, NULL, name.s, "there is no set of this name before");
		return 0;
	}
	b->set->nelems++;
	if (!b->ipset)
		return 0;
	res = take_parts(r, b, &what, &e);
	if (res == SD_EPARSE)
		bad_line(r, b, what.s, "an element cannot be read");
	if (res < 0)
		return res == SD_EPARSE ? 0 : res;
	while (next_word(r, &w))
		if (add_option(r, &e, &w) < 0)
			bad_line(r, b, w.s, "an option of an element cannot be read");
	mask_elem(b->ipset, &e);
	if (r->nelems == ELEMS_MAX)
		sd_note_add(r->notes, true, "too-large", r->file, r->line_no, 0, NULL,
			    "there are more than %u elements; the rest is not read", ELEMS_MAX);
	if (r->nelems++ >= ELEMS_MAX) {
		b->ipset->damaged = true;
		return 0;
	}
	return array_push(&b->elems, e);
}

/* ---- the text ---- */

static int read_line(struct ipset_reader *r)
{
	struct xt_word w;

	if (!next_word(r, &w) || *w.s == '#')
		return 0;
	if (memchr(r->line, '\0', (size_t)(r->end - r->line))) {
		bad_line(r, r->last, r->line, "a line holds a NUL byte");
		return 0;
	}
	if (is_word(&w, "create") || is_word(&w, "-N"))
		return read_create(r);
	if (is_word(&w, "add") || is_word(&w, "-A"))
		return read_add(r);
	bad_line(r, NULL, w.s, "a line is neither 'create' nor 'add'");
	return 0;
}

static int finish(struct ipset_reader *r)
{
	for (size_t i = 0; i < r->sets.len; i++) {
		struct set_builder *b = r->sets.v[i];
		int res;

		if (!b->ipset || b->elems.len == 0)
			continue;
		b->ipset->elems = arena_array(&r->rs->arena, struct rs_ipset_elem, b->elems.len);
		if (!b->ipset->elems)
			return -ENOMEM;
		memcpy(b->ipset->elems, b->elems.v, b->elems.len * sizeof(*b->elems.v));
		b->ipset->nelems = (uint32_t)b->elems.len;
		array_free(&b->elems);
		res = rs_ipset_index(r->rs, b->ipset);
		if (res < 0)
			return res;
	}
	return 0;
}

int read_ipset(struct ruleset *rs, const char *data, size_t size, const char *file, bool cut, struct sd_notes *notes,
	       struct ipset_text *ret)
{
	CLEANUP(reader_release) struct ipset_reader r = { .rs = rs, .notes = notes, .file = file };
	bool truncated = cut;
	int res = 0;

	for (const char *p = data, *end = data + size; p < end && res == 0;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		r.line_no++;
		r.line = r.p = p;
		r.end = nl ? nl : end;
		p = nl ? nl + 1 : end;
		if (r.end > r.line && r.end[-1] == '\r')
			r.end--;
		truncated = truncated || !nl;
		res = read_line(&r);
	}
	if (truncated)
		bad_line(&r, r.sets.len ? r.sets.v[r.sets.len - 1] : NULL, r.line ? r.line : data,
			 "the text ends within a line or was cut off: its last set is not whole");
	if (res == 0)
		res = finish(&r);
	if (res == 0)
		*ret = (struct ipset_text){ .empty = r.sets.len == 0 && r.bad == 0, .damaged = r.bad > 0, .sets = r.sets.len };
	return res;
}
