/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Comparisons and lookups. nft leaves out the question for a protocol where a field behind it names that anyway, and joins two that are the
 * ends of a range: src/netlink_delinearize.c, src/payload.c of nftables tell when. Whoever reads it puts the question back.
 */
#include <errno.h>

#include <netinet/in.h>

#include "nft-json-private.h"

/* ---- protocols ---- */

static bool is_mixed_family(const struct jrule *r)
{
	return r->family != 2 && r->family != 10 && r->family != 3;
}

static void forget(struct jrule *r, unsigned base)
{
	if (r->told_by[base])
		r->stmts[r->told_by[base] - 1].dead = true;
	r->told_by[base] = 0;
}

/* "ip protocol tcp" says more than "tcp" where other families pass, too. */
static bool may_be_left_out(const struct jrule *r, const struct jstmt *s, unsigned base)
{
	return !(is_mixed_family(r) && s->kind == N_PAYLOAD && base == NFT_PAYLOAD_TRANSPORT_HEADER);
}

void nft_protocol_used(struct jrule *r, unsigned base, const struct nft_field *f)
{
	if (!f || base >= ARRAY_LEN(r->told_by) || !r->told_by[base] || f->proto == P_TH)
		return;
	if ((f->proto == r->proto[base] || (f->proto == P_VLAN && r->stmts[r->told_by[base] - 1].value == 0x8100)) &&
	    may_be_left_out(r, &r->stmts[r->told_by[base] - 1], base))
		forget(r, base);
}

/* Only ICMP tells of the family by itself. */
static bool l4_implies(uint32_t l4proto, unsigned nw)
{
	return (l4proto == IPPROTO_ICMP && nw == P_IP) || (l4proto == IPPROTO_ICMPV6 && nw == P_IP6);
}

static void learn(struct jrule *r, unsigned base, enum nft_proto proto, struct jstmt *s)
{
	r->proto[base] = (uint8_t)proto;
	r->told_by[base] = (size_t)(s - r->stmts) + 1;
}

/* The statement says that the packet is of a protocol: what follows is read by that. */
static void learn_of(struct jrule *r, struct jstmt *s, const struct node *n, const uint8_t *p, size_t size)
{
	uint32_t v = (uint32_t)nft_number(p, size, size <= 4 && nft_type_of(r, n).host);
	const struct nft_field *f;
	unsigned shift;

	s->kind = n->kind;
	s->key = n->key;
	s->value = v;
	if (n->kind == N_META && n->key == NFT_META_L4PROTO) {
		if (r->told_by[NFT_PAYLOAD_NETWORK_HEADER] && l4_implies(v, r->proto[NFT_PAYLOAD_NETWORK_HEADER]))
			forget(r, NFT_PAYLOAD_NETWORK_HEADER);
		learn(r, NFT_PAYLOAD_TRANSPORT_HEADER, nft_l4proto((uint8_t)v), s);
	} else if (n->kind == N_META && n->key == NFT_META_NFPROTO) {
		if (is_mixed_family(r))
			learn(r, NFT_PAYLOAD_NETWORK_HEADER, nft_proto_by_nfproto((uint8_t)v), s);
	} else if (n->kind == N_META && n->key == NFT_META_PROTOCOL) {
		if (is_mixed_family(r))
			learn(r, NFT_PAYLOAD_NETWORK_HEADER, nft_ethertype((uint16_t)v), s);
	} else if (n->kind == N_META && n->key == NFT_META_IIFTYPE) {
		learn(r, NFT_PAYLOAD_LL_HEADER, v == 1 ? P_ETHER : P_NONE, s);
	} else if (n->kind == N_PAYLOAD) {
		f = nft_field_of(r, n, &shift);
		if (f && f->names_next && n->base == NFT_PAYLOAD_NETWORK_HEADER)
			learn(r, NFT_PAYLOAD_TRANSPORT_HEADER, nft_l4proto((uint8_t)v), s);
		else if (f && f->names_next && n->base == NFT_PAYLOAD_LL_HEADER)
			learn(r, NFT_PAYLOAD_NETWORK_HEADER, nft_ethertype((uint16_t)v), s);
	}
}

/* ---- writing one ---- */

static struct jstmt *begin(struct jrule *r, const char *op, const struct node *left)
{
	struct jstmt *s = nft_stmt_begin(r);

	if (!s)
		return NULL;
	ADD(&r->scratch, "{\"match\": {\"op\": \"");
	strbuf_adds(&r->scratch, op);
	ADD(&r->scratch, "\", \"left\": ");
	s->left_at = r->scratch.len;
	nft_put_node(r, &r->scratch, left);
	s->left_size = r->scratch.len - s->left_at;
	ADD(&r->scratch, ", \"right\": ");
	return s;
}

static void end(struct jrule *r, struct jstmt *s)
{
	ADD(&r->scratch, "}}");
	nft_stmt_end(r, s);
}

static void simple(struct jrule *r, const char *op, const struct node *left, const struct node *like, const uint8_t *p, size_t size)
{
	struct jstmt *s = begin(r, op, left);

	if (!s)
		return;
	nft_put_constant(r, &r->scratch, like, p, size);
	end(r, s);
}

/* ---- flags and prefixes ---- */

static bool is_zero(const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i])
			return false;
	return true;
}

/* "tcp flags & (syn | ack) == syn": without a bit set, any of them, or none. False: it is no such comparison. */
static bool match_flags(struct jrule *r, bool equal, const struct node *n, const uint8_t *p)
{
	struct jtype t = nft_type_of(r, n);
	struct jstmt *s;

	if (!nft_dt_is_flags(t.dt) || n->kind != N_BITWISE || !is_zero(n->xor, n->size))
		return false;
	if (!is_zero(p, n->size))
		return false;
	s = begin(r, equal ? "!" : "in", n->sub);
	if (s) {
		nft_put_flags(&r->scratch, t, n->p, n->size, true);
		end(r, s);
	}
	return true;
}

static int mask_len(const uint8_t *mask, size_t size)
{
	unsigned len = 0;

	while (len < size * 8 && mask[len / 8] & 0x80 >> len % 8)
		len++;
	for (unsigned i = len; i < size * 8; i++)
		if (mask[i / 8] & 0x80 >> i % 8)
			return -1;
	return (int)len;
}

static void put_prefix(struct jrule *r, const char *op, const struct node *left, struct jtype t, const uint8_t *p, size_t size, int len)
{
	uint8_t whole[16] = { 0 };
	struct jstmt *s = begin(r, op, left);

	if (!s)
		return;
	memcpy(whole, p, MIN(size, sizeof(whole)));
	ADD(&r->scratch, "{\"prefix\": {\"addr\": ");
	nft_put_value(&r->scratch, t, whole, t.dt == DT_IPADDR ? 4 : 16);
	strbuf_addf(&r->scratch, ", \"len\": %d}}", len);
	end(r, s);
}

/* The first bytes of an address, or an address under a mask. */
static bool match_prefix(struct jrule *r, const char *op, const struct node *n, const uint8_t *p, size_t size)
{
	struct jtype t = nft_type_of(r, n);
	const struct nft_field *f;
	struct node *whole;
	int len;

	if (n->kind == N_BITWISE && (t.dt == DT_IPADDR || t.dt == DT_IP6ADDR) && is_zero(n->xor, n->size) && size == n->size) {
		len = mask_len(n->p, n->size);
		if (len < 0)
			return false;
		put_prefix(r, op, n->sub, t, p, size, len);
		return true;
	}
	if ((t.dt == DT_IPADDR || t.dt == DT_IP6ADDR) && size < n->size) {
		put_prefix(r, op, n, t, p, size, (int)size * 8);
		return true;
	}
	if (n->kind != N_PAYLOAD || n->base != NFT_PAYLOAD_NETWORK_HEADER)
		return false;
	f = nft_field_at(r->proto[NFT_PAYLOAD_NETWORK_HEADER], n->offset, 0);
	if (!f || (f->dt != DT_IPADDR && f->dt != DT_IP6ADDR) || size * 8 >= f->bits)
		return false;
	whole = nft_new_node(r, N_PAYLOAD, f->bits / 8);
	if (!whole)
		return false;
	whole->base = n->base;
	whole->offset = n->offset;
	put_prefix(r, op, whole, (struct jtype){ .dt = f->dt }, p, size, (int)size * 8);
	return true;
}

/* ---- comparisons ---- */

/* nft joins comparisons of neighbours: "sport 1 dport 2" is one of four bytes. Only where they are equal can they be told apart again. */
static bool match_neighbours(struct jrule *r, const struct node *n, const uint8_t *p, size_t size)
{
	struct node *parts[8];
	size_t done = 0, len = 0;

	while (n->kind == N_PAYLOAD && done < size && len < ARRAY_LEN(parts)) {
		unsigned proto = n->base < ARRAY_LEN(r->proto) ? r->proto[n->base] : P_NONE;
		const struct nft_field *f = nft_field_at(proto == P_NONE && n->base == NFT_PAYLOAD_TRANSPORT_HEADER ? P_TH : proto,
							 n->offset + (unsigned)done * 8, 0);
		size_t bytes = f ? f->bits / 8 : 0;

		if (!bytes || f->bits % 8 || done + bytes > size)
			return false;
		parts[len] = nft_new_node(r, N_PAYLOAD, bytes);
		if (!parts[len])
			return false;
		parts[len]->base = n->base;
		parts[len]->offset = n->offset + (unsigned)done * 8;
		done += bytes;
		len++;
	}
	if (done != size || len < 2)
		return false;
	for (size_t i = 0; i < len; i++) {
		simple(r, "==", parts[i], parts[i], p, parts[i]->size);
		learn_of(r, &r->stmts[r->nstmts - 1], parts[i], p, parts[i]->size);
		p += parts[i]->size;
	}
	return true;
}

/* The first half of a range is the statement before. */
static bool join_range(struct jrule *r, struct jstmt *last, const struct node *n)
{
	struct jstmt *s = last - 1;
	struct strbuf *b = &r->scratch;
	size_t left = last->left_at;

	while (s > r->stmts && s->dead)
		s--;
	if (b->failed || s < r->stmts || s->dead || !s->is_gte || s->left_size != last->left_size || s->bytes != last->bytes ||
	    memcmp(b->s + s->left_at, b->s + left, s->left_size) != 0)
		return false;
	s->dead = true;
	last->at = b->len;
	ADD(b, "{\"match\": {\"op\": \"==\", \"left\": ");
	for (size_t i = 0; i < s->left_size; i++)
		strbuf_addc(b, b->s[left + i]);
	ADD(b, ", \"right\": {\"range\": [");
	nft_put_constant(r, b, n, s->p, s->bytes);
	ADD(b, ", ");
	nft_put_constant(r, b, n, last->p, last->bytes);
	ADD(b, "]}");
	return true;
}

static void match_side(struct jrule *r, const char *op, bool gte, bool lte, const struct node *n, const uint8_t *p, size_t size)
{
	struct jstmt *s = begin(r, op, n);

	if (!s)
		return;
	s->is_gte = gte;
	s->p = p;
	s->bytes = (uint16_t)size;
	if (!(lte && r->nstmts > 1 && join_range(r, s, n)))
		nft_put_constant(r, &r->scratch, n, p, size);
	end(r, s);
}

static void match_equal(struct jrule *r, bool equal, const struct node *n, const uint8_t *p, size_t size)
{
	const char *op = equal ? "==" : "!=";
	unsigned shift;

	if (match_flags(r, equal, n, p))
		return;
	if ((!nft_field_of(r, n, &shift) || size < n->size) && (match_prefix(r, op, n, p, size) || (equal && match_neighbours(r, n, p, size))))
		return;
	simple(r, op, n, n, p, size);
	if (equal && r->nstmts)
		learn_of(r, &r->stmts[r->nstmts - 1], n, p, size);
}

static struct nft_attr value_of(struct nft_attr data)
{
	struct nft_attr a[NFTA_DATA_MAX + 1];

	if (!nft_nested(data, a, ARRAY_LEN(a)))
		return (struct nft_attr){ NULL, 0 };
	return a[NFTA_DATA_VALUE];
}

/* The beginning of a name stands for every name that begins so, and that of an address for a prefix. */
static bool may_compare(struct jrule *r, const struct node *n, size_t size, uint32_t op)
{
	struct jtype t;

	if (n->kind == N_CONCAT || n->kind == N_UNKNOWN || size == n->size)
		return true;
	if (size > n->size || op > NFT_CMP_NEQ)
		return false;
	t = nft_type_of(r, n);
	return t.dt == DT_IFNAME || t.dt == DT_IPADDR || t.dt == DT_IP6ADDR;
}

void nft_match_cmp(struct jrule *r, const struct nft_attr *a)
{
	static const char *const ops[] = { "==", "!=", "<", "<=", ">", ">=" };
	struct nft_attr v = value_of(a[NFTA_CMP_DATA]);
	uint32_t op = nft_u32(a[NFTA_CMP_OP], UINT32_MAX);
	const struct node *n = nft_reg(r, nft_u32(a[NFTA_CMP_SREG], 0), v.size);

	if (!v.p || v.size == 0 || v.size > KEY_BYTES || op >= ARRAY_LEN(ops) || !n || !may_compare(r, n, v.size, op)) {
		nft_put_unknown(r, "cmp", a[NFTA_CMP_DATA]);
		return;
	}
	if (op == NFT_CMP_EQ || op == NFT_CMP_NEQ)
		match_equal(r, op == NFT_CMP_EQ, n, v.p, v.size);
	else
		match_side(r, ops[op], op == NFT_CMP_GTE, op == NFT_CMP_LTE, n, v.p, v.size);
}

void nft_match_range(struct jrule *r, const struct nft_attr *a)
{
	struct nft_attr from = value_of(a[NFTA_RANGE_FROM_DATA]), to = value_of(a[NFTA_RANGE_TO_DATA]);
	uint32_t op = nft_u32(a[NFTA_RANGE_OP], UINT32_MAX);
	const struct node *n = nft_reg(r, nft_u32(a[NFTA_RANGE_SREG], 0), from.size);
	struct jstmt *s;

	if (!from.p || !to.p || from.size != to.size || from.size > KEY_BYTES || op > NFT_RANGE_NEQ || !n ||
	    (n->kind != N_CONCAT && n->kind != N_UNKNOWN && n->size != from.size)) {
		nft_put_unknown(r, "range", a[NFTA_RANGE_FROM_DATA]);
		return;
	}
	s = begin(r, op == NFT_RANGE_EQ ? "==" : "!=", n);
	if (!s)
		return;
	ADD(&r->scratch, "{\"range\": [");
	nft_put_constant(r, &r->scratch, n, from.p, from.size);
	ADD(&r->scratch, ", ");
	nft_put_constant(r, &r->scratch, n, to.p, to.size);
	ADD(&r->scratch, "]}");
	end(r, s);
}

/* ---- lookups ---- */

/* What the rule knows of its key, and the set itself does not: how long a number is, and that a field of some bits lies in a byte. */
static bool knows_better(struct jrule *r, struct jset *s, const struct node *key)
{
	unsigned shift = 0;
	bool better = false;

	if (key->kind != N_CONCAT) {
		if (nft_field_of(r, key, &shift) && shift) {
			s->key[0] = nft_type_of(r, key);
			s->shift = (uint8_t)shift;
		}
		return shift;
	}
	for (unsigned i = 0; i < key->n && i < s->nkey && key->n == s->nkey; i++) {
		if (s->key[i].dt != DT_INTEGER || s->set->flags & NFT_SET_INTERVAL)
			continue;
		s->key[i].host = nft_type_of(r, key->parts[i]).host;
		s->sizes[i] = (uint8_t)MIN(key->parts[i]->size, 255u);
		better = true;
	}
	return better;
}

/* Nobody else asks an anonymous set, so it can be read again for this rule. */
static void read_again(struct jrule *r, struct jset *s)
{
	struct jworker *w = &r->j->workers[s->who];
	uint32_t jumps = s->jumps;
	int e = nft_read_elements(w, s);

	s->jumps = jumps;
	if (e < 0)
		r->j->r = e;
}

void nft_put_set(struct jrule *r, struct strbuf *b, struct jset *s, const struct node *key)
{
	const struct jworker *w;

	if (!s) {
		ADD(b, "\"@\"");
		return;
	}
	if (!(s->set->flags & NFT_SET_ANONYMOUS)) {
		char name[NFT_SET_MAXNAMELEN + 1];
		int n = snprintf(name, sizeof(name), "@%s", s->set->name);

		nft_put_string(b, name, n < 0 ? 0 : MIN((size_t)n, sizeof(name) - 1));
		return;
	}
	if (knows_better(r, s, key))
		read_again(r, s);
	if (r->j->r < 0)
		return;
	w = &r->j->workers[s->who];
	ADD(b, "{\"set\": [");
	if (s->size)
		strbuf_add(b, w->text.s + s->at, s->size);
	ADD(b, "]}");
}

void nft_match_lookup(struct jrule *r, const struct nft_attr *a)
{
	const char *name = nft_str(a[NFTA_LOOKUP_SET]);
	struct jset *set = name ? nft_find_set(r->j, r->j->table, name) : NULL;
	const struct node *n = set ? nft_reg(r, nft_u32(a[NFTA_LOOKUP_SREG], 0), set->set->key_len) : NULL;
	struct jstmt *s;

	if (!n) {
		nft_put_unknown(r, "lookup", a[NFTA_LOOKUP_SET]);
		return;
	}
	if (a[NFTA_LOOKUP_DREG].p && nft_u32(a[NFTA_LOOKUP_DREG], 0) == NFT_REG_VERDICT && set->is_vmap) {
		s = nft_stmt_begin(r);
		if (!s)
			return;
		ADD(&r->scratch, "{\"vmap\": {\"key\": ");
		nft_put_node(r, &r->scratch, n);
		ADD(&r->scratch, ", \"data\": ");
		nft_put_set(r, &r->scratch, set, n);
		ADD(&r->scratch, "}}");
		nft_action_end(r, s);
		return;
	}
	s = begin(r, nft_u32(a[NFTA_LOOKUP_FLAGS], 0) & NFT_LOOKUP_F_INV ? "!=" : "==", n);
	if (!s)
		return;
	nft_put_set(r, &r->scratch, set, n);
	end(r, s);
}
