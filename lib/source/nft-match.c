/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Comparisons: an expression and what it is held against become conditions. One field and one value, range or list of numbers are
 * the conditions that xtables has too; everything else is looked up in a set, a set of one range if need be.
 */
#include <errno.h>

#include "nft-private.h"

enum op { OP_IS, OP_NOT, OP_LESS, OP_MORE, OP_LESS_EQ, OP_MORE_EQ, OP_IN, OP_NONE_OF, OP_BAD };

/* Without a word flags are tested one by one, everything else is compared: src/parser_json.c, src/evaluate.c */
static enum op op_of(const char *word, enum nft_type t)
{
	static const char *const words[] = { "==", "!=", "<", ">", "<=", ">=", "in", "!" };

	if (!word)
		return t == NFT_CT_STATE || t == NFT_CT_STATUS || t == NFT_TCP_FLAGS ? OP_IN : OP_IS;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i], word) == 0)
			return (enum op)i;
	return OP_BAD;
}

static struct rs_cond cond(const struct nft_part *p, enum rs_op op, bool negate)
{
	return (struct rs_cond){ .field = p->sel.field, .op = (uint8_t)op, .negate = negate, .flags = p->sel.flags };
}

static int add_bits(struct nft_reader *x, const struct nft_part *p, enum rs_op op, bool negate, uint32_t value, uint32_t mask)
{
	struct rs_cond c = cond(p, op, negate);

	c.u.bits.value = value;
	c.u.bits.mask = mask;
	return nft_add_cond(x, c);
}

static int add_lookup(struct nft_reader *x, const struct nft_part *p, bool negate, const struct rs_lookup *l)
{
	struct rs_cond c = cond(p, OP_LOOKUP, negate);

	c.field = FIELD_LOOKUP;
	c.flags = 0;
	c.u.lookup = l;
	return nft_add_cond(x, c);
}

/* What is compared is not the field as it is: its masked or flipped self, or a number made up for it. */
static bool is_made_up(const struct rs_selector *s)
{
	return s->field == FIELD_NUMGEN || s->field == FIELD_NUMGEN_INC || s->field == FIELD_HASH || s->flip ||
	       (s->field != FIELD_ICMP && s->mask != UINT32_MAX);
}

/* ---- numbers ---- */

/* Of FIELD_ICMP: a type is in the upper byte, and stands for all its codes. */
static bool is_icmp_type(const struct nft_part *p)
{
	return p->sel.field == FIELD_ICMP && p->sel.mask == 0xff00;
}

static int add_range(struct nft_reader *x, const struct nft_part *p, bool negate, struct rs_u32_range v)
{
	struct rs_cond c = cond(p, v.lo == v.hi && p->sel.field != FIELD_ICMP ? OP_EQ : OP_RANGE, negate);

	if (p->sel.field == FIELD_MARK || p->sel.field == FIELD_CT_MARK || p->sel.field == FIELD_TCP_FLAGS)
		if (v.lo == v.hi)
			return add_bits(x, p, OP_MASK, negate, v.lo, p->sel.field == FIELD_TCP_FLAGS ? 0xff : UINT32_MAX);
	if (p->sel.field == FIELD_ICMP && !is_icmp_type(p))
		return v.lo == v.hi ? add_bits(x, p, OP_MASK, negate, v.lo, 0xff) : SD_EPARSE;
	c.u.range.lo = v.lo;
	c.u.range.hi = is_icmp_type(p) ? v.hi | 0xff : v.hi;
	return nft_add_cond(x, c);
}

/* The numbers on one side of @v; false: there are none. */
static bool side(enum op op, uint32_t v, uint32_t max, struct rs_u32_range *ret)
{
	if (op == OP_LESS_EQ || op == OP_LESS) {
		*ret = (struct rs_u32_range){ 0, op == OP_LESS ? v - 1 : v };
		return op != OP_LESS || v > 0;
	}
	*ret = (struct rs_u32_range){ op == OP_MORE ? v + 1 : v, max };
	return op != OP_MORE || v < max;
}

/* A state is one bit, so what it is and which it is among are one question; a status has bits that svcdoctor does not follow. */
static int match_bits(struct nft_reader *x, const struct nft_part *p, enum op op, uint32_t v)
{
	uint32_t mask = p->sel.mask;
	bool whole = mask == UINT32_MAX;

	if (op == OP_IN || op == OP_NONE_OF)
		return add_bits(x, p, OP_ANY, op == OP_NONE_OF, v & mask, 0);
	/* "ct state != new,established" compares with both bits at once, and so holds always. */
	if (whole && p->type == NFT_CT_STATE && (v == 0 || v & (v - 1)))
		return op == OP_NOT ? 0 : nft_add_text_cond(x, FIELD_FALSE, false);
	if (whole && p->type == NFT_CT_STATE)
		return add_bits(x, p, OP_ANY, op == OP_NOT, v, 0);
	if (whole && p->type == NFT_CT_STATUS)
		return SD_EPARSE;
	if (whole)
		return add_range(x, p, op == OP_NOT, (struct rs_u32_range){ v, v });
	if (v == 0)
		return add_bits(x, p, OP_ANY, op == OP_IS, mask, 0);
	return add_bits(x, p, OP_MASK, op == OP_NOT, v, mask);
}

static int match_number(struct nft_reader *x, const struct nft_key *k, enum op op, const struct rs_value *v)
{
	const struct nft_part *p = &k->part[0];
	bool one = v->u.num.lo == v->u.num.hi, equal = op == OP_IS || op == OP_NOT;
	struct rs_value range = *v;
	struct rs_lookup *l;
	int r;

	if (p->type == NFT_FIB_TYPE)
		return equal ? add_bits(x, p, OP_ANY, op == OP_NOT, v->u.num.lo, 0) : SD_EPARSE;
	if (!p->sel.flip && p->sel.field < FIELD_NUMGEN && p->sel.field != FIELD_ICMP && one &&
	    (op == OP_IN || op == OP_NONE_OF || (equal && (p->sel.mask != UINT32_MAX || p->type == NFT_CT_STATE || p->type == NFT_CT_STATUS))))
		return match_bits(x, p, op, v->u.num.lo);
	if (p->type == NFT_CT_STATE || p->type == NFT_CT_STATUS || op == OP_IN || op == OP_NONE_OF)
		return SD_EPARSE;
	if (!equal) {
		if (!one || p->sel.field == FIELD_ICMP)
			return SD_EPARSE;
		if (!side(op, v->u.num.lo, nft_max(p->type), &range.u.num))
			return nft_add_text_cond(x, FIELD_FALSE, false);
	}
	if (!is_made_up(&p->sel))
		return add_range(x, p, op == OP_NOT, range.u.num);
	r = nft_range_lookup(x, k, range, &l);
	return r < 0 ? r : add_lookup(x, p, op == OP_NOT, l);
}

/* ---- addresses ---- */

static struct ip_addr addr4(uint32_t host)
{
	struct ip_addr a = { .family = AF_INET };
	uint32_t be32 = htonl(host);

	memcpy(a.b, &be32, sizeof(be32));
	return a;
}

static int add_addr_range(struct nft_reader *x, const struct nft_part *p, bool negate, struct rs_addr_range range)
{
	struct rs_addr_range *r = arena_new(&x->rs->arena, struct rs_addr_range);
	struct rs_cond c = cond(p, OP_ADDR_RANGE, negate);

	if (!r)
		return -ENOMEM;
	*r = range;
	c.u.addr_range = r;
	return nft_add_cond(x, c);
}

/* Less or more than one address. */
static int match_side(struct nft_reader *x, const struct nft_part *p, enum op op, const struct rs_addr_range *v)
{
	struct ip_addr first = { .family = v->lo.family }, last = first;
	struct rs_addr_range r;
	bool some = true;

	memset(last.b, 0xff, ip_addr_size(&last));
	if (!ip_addr_equal(&v->lo, &v->hi))
		return SD_EPARSE;
	r = op == OP_LESS || op == OP_LESS_EQ ? (struct rs_addr_range){ first, v->lo } : (struct rs_addr_range){ v->lo, last };
	if (op == OP_LESS)
		some = ip_addr_prev(&v->lo, &r.hi);
	else if (op == OP_MORE)
		some = ip_addr_next(&v->lo, &r.lo);
	return some ? add_addr_range(x, p, false, r) : nft_add_text_cond(x, FIELD_FALSE, false);
}

static int match_addr4(struct nft_reader *x, const struct nft_part *p, enum op op, struct rs_u32_range v)
{
	uint32_t differ = v.lo ^ v.hi, mask = ~differ;
	struct rs_cond c = cond(p, OP_ADDR4, op == OP_NOT);
	bool prefix = (differ & (differ + 1)) == 0 && (v.lo & differ) == 0;

	if (p->sel.flip || (p->sel.mask != UINT32_MAX && differ))
		return SD_EPARSE;
	if (op != OP_IS && op != OP_NOT)
		return match_side(x, p, op, &(struct rs_addr_range){ addr4(v.lo), addr4(v.hi) });
	if (!prefix)
		return add_addr_range(x, p, op == OP_NOT, (struct rs_addr_range){ addr4(v.lo), addr4(v.hi) });
	c.u.addr4.mask = htonl(mask & p->sel.mask);
	c.u.addr4.value = htonl(v.lo);
	return nft_add_cond(x, c);
}

/* How many leading bits the ends of a range have in common, if it is all of that prefix; -1: it is not. */
static int prefix_len(const struct rs_addr_range *v)
{
	struct ip_prefix p = { v->lo, 0 };
	struct ip_addr first, last;

	for (int len = 128; len >= 0; len--) {
		p.len = (uint8_t)len;
		first = ip_prefix_first(&p);
		last = ip_prefix_last(&p);
		if (ip_addr_equal(&last, &v->hi))
			return ip_addr_equal(&first, &v->lo) ? len : -1;
	}
	return -1;
}

static int match_addr6(struct nft_reader *x, const struct nft_part *p, enum op op, const struct rs_addr_range *v)
{
	struct rs_cond c = cond(p, OP_ADDR6, op == OP_NOT);
	int len = prefix_len(v);
	struct rs_addr6 *a;

	if (p->sel.plen < 128 && (len != 128 || (op != OP_IS && op != OP_NOT)))
		return SD_EPARSE;
	if (op != OP_IS && op != OP_NOT)
		return match_side(x, p, op, v);
	if (len < 0)
		return add_addr_range(x, p, op == OP_NOT, *v);
	a = arena_new(&x->rs->arena, struct rs_addr6);
	if (!a)
		return -ENOMEM;
	a->value = v->lo;
	a->mask = ip_prefix_mask(AF_INET6, MIN((unsigned)len, p->sel.plen));
	c.u.addr6 = a;
	return nft_add_cond(x, c);
}

/* ---- names ---- */

static int match_name(struct nft_reader *x, const struct nft_part *p, enum op op, const char *name)
{
	struct rs_cond c = cond(p, OP_IFNAME, op == OP_NOT);
	size_t len = strlen(name);
	bool wildcard = len > 0 && name[len - 1] == '*';

	if (op != OP_IS && op != OP_NOT)
		return SD_EPARSE;
	c.flags |= wildcard ? RS_WILDCARD : 0;
	c.u.ifname = arena_strndup(&x->rs->arena, name, len - wildcard);
	return c.u.ifname ? nft_add_cond(x, c) : -ENOMEM;
}

/* ---- lists ---- */

static const json_t *elem_value(const json_t *e)
{
	const json_t *elem = json_obj(e, "elem");

	return elem ? json_object_get(elem, "val") : e;
}

static bool is_listable(const struct nft_part *p)
{
	return p->sel.kind == VALUE_NUM && !is_made_up(&p->sel) && p->type != NFT_CT_STATUS &&
	       (p->sel.field != FIELD_ICMP || is_icmp_type(p));
}

static int match_list(struct nft_reader *x, const struct nft_part *p, bool negate, const json_t *set)
{
	size_t n = json_array_size(set);
	struct rs_list *l = arena_alloc(&x->rs->arena, sizeof(*l) + n * sizeof(l->v[0]));
	struct rs_cond c = cond(p, OP_LIST, negate);
	uint32_t bits = 0;

	if (!l)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct rs_value v;
		int r = nft_value(x, p->type, elem_value(json_array_get(set, i)), &v);

		if (r < 0)
			return r;
		l->v[i] = v.u.num;
		l->v[i].hi |= is_icmp_type(p) ? 0xff : 0;
		bits |= v.u.num.lo;
	}
	if (p->type == NFT_CT_STATE || p->type == NFT_FIB_TYPE)
		return add_bits(x, p, OP_ANY, negate, bits, 0);
	l->len = (uint32_t)n;
	c.u.list = l;
	return nft_add_cond(x, c);
}

static int match_set(struct nft_reader *x, const struct nft_key *k, enum op op, const json_t *right)
{
	static const struct nft_map_of none = { 0 };
	const json_t *set = json_arr(right, "set");
	struct rs_lookup *l;
	int r;

	if (op != OP_IS && op != OP_NOT && op != OP_IN)
		return SD_EPARSE;
	if (set && k->n == 1 && is_listable(&k->part[0]))
		return match_list(x, &k->part[0], op == OP_NOT, set);
	r = nft_lookup(x, k, right, &none, false, &l);
	return r < 0 ? r : add_lookup(x, &k->part[0], op == OP_NOT, l);
}

/* One concatenation: a set of it alone. */
static int match_concat(struct nft_reader *x, const struct nft_key *k, enum op op, const json_t *right)
{
	json_t *set = json_pack("{s:[O]}", "set", right);
	int r = set ? match_set(x, k, op, set) : -ENOMEM;

	json_decref(set);
	return r;
}

/* ---- questions that are no comparison ---- */

/*
 * "fib saddr . iif oif missing" is the reverse path filter: without `iif` any way back will do. 0 is no interface.
 * False: it is another question.
 */
static bool reverse_path(const json_t *left, const char *op, const json_t *right, bool *ret_negate, const char **ret_flags)
{
	static const char *const options[2][2] = { { " --loose", "" }, { " --loose --validmark", " --validmark" } };
	const json_t *fib = json_obj(left, "fib"), *flags = json_object_get(fib, "flags");
	bool none = json_is_false(right) || str_is(json_string_value(right), "0") ||
		    (json_is_integer(right) && json_integer_value(right) == 0);
	bool negated = str_is(op, "!=");

	if (!fib || (!none && !json_is_true(right)) || (op && !negated && strcmp(op, "==") != 0))
		return false;
	if (!(str_is(json_str(fib, "result"), "oif") || str_is(json_str(fib, "result"), "check")) || !nft_has_word(flags, "saddr") ||
	    nft_has_word(flags, "daddr") || nft_has_word(flags, "oif"))
		return false;
	*ret_negate = none != negated;
	*ret_flags = options[nft_has_word(flags, "mark")][nft_has_word(flags, "iif")];
	return true;
}

static int match_reverse_path(struct nft_reader *x, bool negate, const char *flags)
{
	struct rs_cond c = { .field = FIELD_RPFILTER, .op = OP_TEXT, .negate = negate };
	const char *text = nft_stmt_text(x);

	c.u.text = text ? arena_printf(&x->rs->arena, "%s%s", text, flags) : NULL;
	return c.u.text ? nft_add_cond(x, c) : -ENOMEM;
}

/* "ip frag-off & 0x1fff != 0": not the first part of a packet, or with 0x2000 one that has more parts. */
static bool fragment(const json_t *left, const char *op, const json_t *right, bool *ret_negate)
{
	const json_t *args = json_arr(left, "&"), *payload = json_obj(json_array_get(args, 0), "payload");
	const json_t *mask = json_array_get(args, 1);

	if (!payload || json_array_size(args) != 2 || !str_is(json_str(payload, "field"), "frag-off") || !json_is_integer(mask) ||
	    (json_integer_value(mask) & ~0x3fff) || !(json_integer_value(mask) & 0x1fff) || !json_is_integer(right) ||
	    json_integer_value(right) != 0 || !op)
		return false;
	*ret_negate = strcmp(op, "==") == 0;
	return *ret_negate || strcmp(op, "!=") == 0;
}

/* A question of which only the text is known. That a header is missing can be told of a packet without any. */
static int match_text(struct nft_reader *x, const json_t *left, const char *op, const json_t *right)
{
	enum rs_field f = nft_text_field(json_arr(left, "&") ? json_array_get(json_arr(left, "&"), 0) : left);
	bool missing = json_is_boolean(right) && json_is_true(right) == str_is(op, "!=");

	return nft_add_text_cond(x, f, f == FIELD_EXTHDR && missing);
}

/* ---- all together ---- */

static int compare(struct nft_reader *x, const struct nft_key *k, const char *word, const json_t *right)
{
	const struct nft_part *p = &k->part[0];
	enum op op = op_of(word, p->type);
	struct rs_value v;
	int r;

	if (op == OP_BAD || (k->n == 1 && p->type == NFT_OPAQUE))
		return SD_EPARSE;
	if (json_arr(right, "set") || (json_is_string(right) && json_string_value(right)[0] == '@'))
		return match_set(x, k, op, right);
	if (k->n > 1)
		return match_concat(x, k, op, right);
	r = nft_value(x, p->type, right, &v);
	if (r < 0)
		return r;
	switch ((enum rs_value_kind)p->sel.kind) {
	case VALUE_NUM:
		return match_number(x, k, op, &v);
	case VALUE_ADDR4:
		return match_addr4(x, p, op, v.u.num);
	case VALUE_ADDR6:
		return match_addr6(x, p, op, v.u.addr6);
	default:
		return match_name(x, p, op, v.u.name);
	}
}

int nft_match(struct nft_reader *x, const json_t *m)
{
	const json_t *left = json_object_get(m, "left"), *right = json_object_get(m, "right");
	const char *op = json_str(m, "op"), *flags;
	struct nft_key k;
	bool negate;
	int r;

	if (!left || !right)
		return nft_add_text_cond(x, FIELD_OPAQUE, false);
	if (reverse_path(left, op, right, &negate, &flags))
		return match_reverse_path(x, negate, flags);
	r = nft_key(x, left, &k);
	if (r == 0 && fragment(left, op, right, &negate))
		return nft_add_text_cond(x, FIELD_FRAGMENT, negate);
	if (r == 0)
		r = compare(x, &k, op, right);
	return r == SD_EPARSE ? match_text(x, left, op, right) : r;
}
