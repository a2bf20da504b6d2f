/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One rule: its expressions in order. What looks at the packet fills registers, what decides or acts becomes a statement with what the
 * registers hold by then. A register that nobody understands makes every statement unknown that asks it.
 */
#include <errno.h>

#include "nft-json-private.h"

/* ---- registers ---- */

/* NFT_REG_1 to 4 are of 16 bytes, NFT_REG32_00 and following of 4: include/uapi/linux/netfilter/nf_tables.h, enum nft_registers */
static unsigned slot_of(uint32_t reg)
{
	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return (reg - NFT_REG_1) * 4;
	return reg >= NFT_REG32_00 && reg - NFT_REG32_00 < SLOTS ? reg - NFT_REG32_00 : SLOTS;
}

static unsigned slots_of(size_t size)
{
	return (unsigned)(size + 3) / 4;
}

struct node *nft_new_node(struct jrule *r, enum node_kind kind, size_t size)
{
	struct node *n = r->nnodes < NODES_MAX ? &r->nodes[r->nnodes++] : NULL;

	r->overflow |= !n || size > UINT16_MAX;
	if (n)
		*n = (struct node){ .kind = (uint8_t)kind, .size = (uint16_t)size };
	return n;
}

/* What else lay there is gone. */
static void set_reg(struct jrule *r, uint32_t reg, const struct node *n)
{
	unsigned slot = slot_of(reg);

	if (!n || slot >= SLOTS) {
		r->overflow = true;
		return;
	}
	for (unsigned i = 0; i < slots_of(n->size) && slot + i < SLOTS; i++)
		r->reg[slot + i] = i ? NULL : n;
}

static void forget_all(struct jrule *r)
{
	struct node *n = nft_new_node(r, N_UNKNOWN, 4);

	for (unsigned i = 0; i < SLOTS; i++)
		r->reg[i] = n;
}

const struct node *nft_reg(struct jrule *r, uint32_t reg, size_t size)
{
	unsigned slot = slot_of(reg), end = slot + slots_of(size);
	struct node *all;

	if (slot >= SLOTS || end > SLOTS || !r->reg[slot] || size == 0)
		return NULL;
	if (slots_of(r->reg[slot]->size) >= slots_of(size))
		return r->reg[slot];
	all = nft_new_node(r, N_CONCAT, size);
	while (all && slot < end) {
		const struct node *n = r->reg[slot];

		if (!n || n->size == 0 || all->n >= KEY_PARTS)
			return NULL;
		all->parts[all->n++] = n;
		slot += slots_of(n->size);
	}
	return slot == end ? all : NULL;
}

/* ---- statements ---- */

struct jstmt *nft_stmt_begin(struct jrule *r)
{
	struct jstmt *s = r->nstmts < STMTS_MAX ? &r->stmts[r->nstmts++] : NULL;

	r->overflow |= !s;
	if (s)
		*s = (struct jstmt){ .at = r->scratch.len };
	return s;
}

void nft_stmt_end(struct jrule *r, struct jstmt *s)
{
	s->size = r->scratch.len - s->at;
}

void nft_action_end(struct jrule *r, struct jstmt *s)
{
	nft_stmt_end(r, s);
	memset(r->told_by, 0, sizeof(r->told_by));
}

void nft_put_unknown(struct jrule *r, const char *name, struct nft_attr data)
{
	struct jstmt *s = nft_stmt_begin(r);

	r->j->partial = true;
	if (!s)
		return;
	s->at = r->scratch.len;
	ADD(&r->scratch, "{\"svcdoctor-unknown\": {\"name\": ");
	nft_put_string(&r->scratch, name, strlen(name));
	ADD(&r->scratch, ", \"data\": \"");
	for (unsigned i = 0; i < data.size && i < 512; i++)
		strbuf_addf(&r->scratch, "%02x", data.p[i]);
	ADD(&r->scratch, "\"}}");
	nft_action_end(r, s);
}

/* ---- what looks at the packet ---- */

static void load_payload(struct jrule *r, const struct nft_attr *a)
{
	struct node *n = nft_new_node(r, N_PAYLOAD, nft_u32(a[NFTA_PAYLOAD_LEN], 0));

	if (!n)
		return;
	n->base = (uint8_t)MIN(nft_u32(a[NFTA_PAYLOAD_BASE], 255), 255u);
	n->offset = nft_u32(a[NFTA_PAYLOAD_OFFSET], 0) * 8;
	set_reg(r, nft_u32(a[NFTA_PAYLOAD_DREG], 0), n);
}

static size_t meta_size(uint32_t key)
{
	switch (key) {
	case NFT_META_PROTOCOL:
	case NFT_META_IIFTYPE:
	case NFT_META_OIFTYPE:
	case NFT_META_BRI_IIFPVID:
	case NFT_META_BRI_IIFVPROTO:
		return 2;
	case NFT_META_NFPROTO:
	case NFT_META_L4PROTO:
	case NFT_META_PKTTYPE:
	case NFT_META_SECPATH:
	case NFT_META_NFTRACE:
	case NFT_META_TIME_DAY:
		return 1;
	case NFT_META_TIME_NS:
		return 8;
	case NFT_META_IIFNAME:
	case NFT_META_OIFNAME:
	case NFT_META_BRI_IIFNAME:
	case NFT_META_BRI_OIFNAME:
	case NFT_META_IIFKIND:
	case NFT_META_OIFKIND:
	case NFT_META_SDIFNAME:
		return 16;
	default:
		return 4;
	}
}

static void load_meta(struct jrule *r, const struct nft_attr *a)
{
	uint32_t key = nft_u32(a[NFTA_META_KEY], UINT32_MAX);
	struct node *n = nft_new_node(r, N_META, meta_size(key));

	if (!n)
		return;
	n->key = key;
	set_reg(r, nft_u32(a[NFTA_META_DREG], 0), n);
}

static size_t ct_size(const struct jrule *r, uint32_t key)
{
	switch (key) {
	case NFT_CT_DIRECTION:
	case NFT_CT_L3PROTOCOL:
	case NFT_CT_PROTOCOL:
		return 1;
	case NFT_CT_PROTO_SRC:
	case NFT_CT_PROTO_DST:
	case NFT_CT_ZONE:
		return 2;
	case NFT_CT_PKTS:
	case NFT_CT_BYTES:
	case NFT_CT_AVGPKT:
		return 8;
	case NFT_CT_SRC:
	case NFT_CT_DST:
		return r->family == 10 || r->proto[NFT_PAYLOAD_NETWORK_HEADER] == P_IP6 ? 16 : 4;
	case NFT_CT_SRC_IP6:
	case NFT_CT_DST_IP6:
	case NFT_CT_HELPER:
	case NFT_CT_LABELS:
		return 16;
	default:
		return 4;
	}
}

static void load_ct(struct jrule *r, const struct nft_attr *a)
{
	uint32_t key = nft_u32(a[NFTA_CT_KEY], UINT32_MAX);
	struct node *n = nft_new_node(r, N_CT, ct_size(r, key));

	if (!n)
		return;
	n->key = key;
	n->has_dir = a[NFTA_CT_DIRECTION].p && a[NFTA_CT_DIRECTION].size;
	n->base = n->has_dir ? a[NFTA_CT_DIRECTION].p[0] : 0;
	set_reg(r, nft_u32(a[NFTA_CT_DREG], 0), n);
}

static void load_fib(struct jrule *r, const struct nft_attr *a)
{
	uint32_t flags = nft_u32(a[NFTA_FIB_FLAGS], 0), result = nft_u32(a[NFTA_FIB_RESULT], 0);
	struct node *n = nft_new_node(r, N_FIB, result == NFT_FIB_RESULT_OIFNAME ? 16 : 4);

	if (!n)
		return;
	n->key = result;
	n->flags = flags;
	set_reg(r, nft_u32(a[NFTA_FIB_DREG], 0), n);
}

static void load_rt(struct jrule *r, const struct nft_attr *a)
{
	uint32_t key = nft_u32(a[NFTA_RT_KEY], UINT32_MAX);
	struct node *n = nft_new_node(r, N_RT, key == NFT_RT_NEXTHOP6 ? 16 : key == NFT_RT_TCPMSS ? 2 : key == NFT_RT_XFRM ? 1 : 4);

	if (!n)
		return;
	n->key = key;
	set_reg(r, nft_u32(a[NFTA_RT_DREG], 0), n);
}

static void load_socket(struct jrule *r, const struct nft_attr *a)
{
	uint32_t key = nft_u32(a[NFTA_SOCKET_KEY], UINT32_MAX);
	struct node *n = nft_new_node(r, N_SOCKET, key == NFT_SOCKET_MARK ? 4 : key == NFT_SOCKET_CGROUPV2 ? 8 : 1);

	if (!n)
		return;
	n->key = key;
	set_reg(r, nft_u32(a[NFTA_SOCKET_DREG], 0), n);
}

static void describe_exthdr(struct node *n, const struct nft_attr *a)
{
	n->key = a[NFTA_EXTHDR_TYPE].p && a[NFTA_EXTHDR_TYPE].size ? a[NFTA_EXTHDR_TYPE].p[0] : 0;
	n->offset = nft_u32(a[NFTA_EXTHDR_OFFSET], 0);
	n->flags = nft_u32(a[NFTA_EXTHDR_FLAGS], 0);
	n->base = (uint8_t)MIN(nft_u32(a[NFTA_EXTHDR_OP], NFT_EXTHDR_OP_IPV6), 255u);
}

static void load_exthdr(struct jrule *r, const struct nft_attr *a)
{
	struct node *n = nft_new_node(r, N_EXTHDR, nft_u32(a[NFTA_EXTHDR_LEN], 0));

	if (!n)
		return;
	describe_exthdr(n, a);
	if (n->flags & NFT_EXTHDR_F_PRESENT)
		n->size = 1;
	set_reg(r, nft_u32(a[NFTA_EXTHDR_DREG], 0), n);
}

static void load_numgen(struct jrule *r, const struct nft_attr *a)
{
	struct node *n = nft_new_node(r, N_NUMGEN, 4);

	if (!n)
		return;
	n->key = nft_u32(a[NFTA_NG_TYPE], UINT32_MAX);
	n->mod = nft_u32(a[NFTA_NG_MODULUS], 0);
	n->offset = nft_u32(a[NFTA_NG_OFFSET], 0);
	set_reg(r, nft_u32(a[NFTA_NG_DREG], 0), n);
}

static void load_hash(struct jrule *r, const struct nft_attr *a)
{
	uint32_t type = nft_u32(a[NFTA_HASH_TYPE], NFT_HASH_JENKINS);
	struct node *n = nft_new_node(r, type <= NFT_HASH_SYM ? N_HASH : N_UNKNOWN, 4);

	if (!n)
		return;
	n->key = type;
	n->mod = nft_u32(a[NFTA_HASH_MODULUS], 0);
	n->seed = nft_u32(a[NFTA_HASH_SEED], 0);
	n->offset = nft_u32(a[NFTA_HASH_OFFSET], 0);
	n->name = "hash";
	if (type == NFT_HASH_JENKINS)
		n->sub = nft_reg(r, nft_u32(a[NFTA_HASH_SREG], 0), nft_u32(a[NFTA_HASH_LEN], 0));
	if (type == NFT_HASH_JENKINS && !n->sub)
		n->kind = N_UNKNOWN;
	set_reg(r, nft_u32(a[NFTA_HASH_DREG], 0), n);
}

static void load_osf(struct jrule *r, const struct nft_attr *a)
{
	set_reg(r, nft_u32(a[NFTA_OSF_DREG], 0), nft_new_node(r, N_OSF, 16));
}

static void load_xfrm(struct jrule *r, const struct nft_attr *a)
{
	uint32_t key = nft_u32(a[NFTA_XFRM_KEY], UINT32_MAX);
	struct node *n = nft_new_node(r, N_XFRM, key == NFT_XFRM_KEY_DADDR_IP6 || key == NFT_XFRM_KEY_SADDR_IP6 ? 16 : 4);

	if (!n)
		return;
	n->key = key;
	n->base = a[NFTA_XFRM_DIR].p && a[NFTA_XFRM_DIR].size ? a[NFTA_XFRM_DIR].p[0] : 0;
	n->offset = nft_u32(a[NFTA_XFRM_SPNUM], 0);
	set_reg(r, nft_u32(a[NFTA_XFRM_DREG], 0), n);
}

/* ---- what changes a register ---- */

static struct nft_attr data_value(struct nft_attr a)
{
	struct nft_attr v[NFTA_DATA_MAX + 1];

	return nft_nested(a, v, ARRAY_LEN(v)) ? v[NFTA_DATA_VALUE] : (struct nft_attr){ NULL, 0 };
}

static void load_bitwise(struct jrule *r, const struct nft_attr *a)
{
	static const uint32_t op_bool = 0, op_left = 1, op_right = 2; /* enum nft_bitwise_ops; newer ones are not known */
	uint32_t op = nft_u32(a[NFTA_BITWISE_OP], op_bool), len = nft_u32(a[NFTA_BITWISE_LEN], 0);
	const struct node *sub = nft_reg(r, nft_u32(a[NFTA_BITWISE_SREG], 0), len);
	struct nft_attr mask = data_value(a[NFTA_BITWISE_MASK]), flip = data_value(a[NFTA_BITWISE_XOR]), by = data_value(a[NFTA_BITWISE_DATA]);
	struct node *n;
	bool known;

	if (op == op_bool)
		known = sub && mask.p && flip.p && mask.size == len && flip.size == len && len <= KEY_BYTES && len && sub->size == len;
	else
		known = sub && (op == op_left || op == op_right) && by.p && by.size == 4;
	n = nft_new_node(r, !known ? N_UNKNOWN : op == op_bool ? N_BITWISE : N_SHIFT, MAX(len, 1u));
	if (!n)
		return;
	n->name = "bitwise";
	n->sub = sub;
	n->p = mask.p;
	n->xor = flip.p;
	n->left = op == op_left;
	n->key = known && op != op_bool ? (uint32_t)nft_number(by.p, 4, true) : 0;
	set_reg(r, nft_u32(a[NFTA_BITWISE_DREG], 0), n);
}

static void load_byteorder(struct jrule *r, const struct nft_attr *a)
{
	uint32_t len = nft_u32(a[NFTA_BYTEORDER_LEN], 0), op = nft_u32(a[NFTA_BYTEORDER_OP], 0);
	const struct node *sub = nft_reg(r, nft_u32(a[NFTA_BYTEORDER_SREG], 0), len);
	struct node *n = nft_new_node(r, N_UNKNOWN, MAX(len, 1u));

	if (!n)
		return;
	n->name = "byteorder";
	if (sub && sub->kind != N_CONCAT) {
		*n = *sub;
		n->swapped = op == NFT_BYTEORDER_HTON;
		n->hosted = op == NFT_BYTEORDER_NTOH;
	}
	set_reg(r, nft_u32(a[NFTA_BYTEORDER_DREG], 0), n);
}

static void load_map(struct jrule *r, const struct nft_attr *a)
{
	const char *name = nft_str(a[NFTA_LOOKUP_SET]);
	struct jset *set = name ? nft_find_set(r->j, r->j->table, name) : NULL;
	const struct node *key = set ? nft_reg(r, nft_u32(a[NFTA_LOOKUP_SREG], 0), set->set->key_len) : NULL;
	struct node *n = nft_new_node(r, key && set->ndata ? N_MAP : N_UNKNOWN, set && set->set->data_len ? set->set->data_len : 4);

	if (!n)
		return;
	n->name = "lookup";
	n->sub = key;
	n->set = set;
	set_reg(r, nft_u32(a[NFTA_LOOKUP_DREG], 0), n);
}

static void load_immediate(struct jrule *r, const struct nft_attr *a)
{
	struct nft_attr v[NFTA_DATA_MAX + 1];
	uint32_t reg = nft_u32(a[NFTA_IMMEDIATE_DREG], UINT32_MAX);
	struct jstmt *s;
	struct node *n;

	if (!nft_nested(a[NFTA_IMMEDIATE_DATA], v, ARRAY_LEN(v)) || (reg == NFT_REG_VERDICT && !v[NFTA_DATA_VERDICT].p)) {
		nft_put_unknown(r, "immediate", a[NFTA_IMMEDIATE_DATA]);
		return;
	}
	if (reg == NFT_REG_VERDICT) {
		s = nft_stmt_begin(r);
		if (s && !nft_put_verdict(&r->scratch, v[NFTA_DATA_VERDICT], &r->j->jumps)) {
			s->dead = true;
			nft_put_unknown(r, "verdict", v[NFTA_DATA_VERDICT]);
			return;
		}
		if (s)
			nft_action_end(r, s);
		return;
	}
	n = nft_new_node(r, N_DATA, v[NFTA_DATA_VALUE].size);
	if (!n)
		return;
	n->p = v[NFTA_DATA_VALUE].p;
	if (n->p)
		set_reg(r, reg, n);
}

static void on_lookup(struct jrule *r, const struct nft_attr *a)
{
	if (a[NFTA_LOOKUP_DREG].p && nft_u32(a[NFTA_LOOKUP_DREG], 0) != NFT_REG_VERDICT)
		load_map(r, a);
	else
		nft_match_lookup(r, a);
}

/* ---- expressions ---- */

#define ATTRS_MAX 20u
static const struct loader {
	const char *name;
	void (*load)(struct jrule *r, const struct nft_attr *a);
	uint8_t dreg; /* without it the expression is a statement; 0: always a load */
} loaders[] = {
	{ "payload", load_payload, NFTA_PAYLOAD_DREG }, { "meta", load_meta, NFTA_META_DREG }, { "cmp", nft_match_cmp, 0 },
	{ "lookup", on_lookup, 0 }, { "immediate", load_immediate, 0 }, { "ct", load_ct, NFTA_CT_DREG }, { "bitwise", load_bitwise, 0 },
	{ "byteorder", load_byteorder, 0 }, { "range", nft_match_range, 0 }, { "fib", load_fib, 0 }, { "rt", load_rt, 0 },
	{ "socket", load_socket, 0 }, { "exthdr", load_exthdr, NFTA_EXTHDR_DREG }, { "numgen", load_numgen, 0 }, { "hash", load_hash, 0 },
	{ "osf", load_osf, 0 }, { "xfrm", load_xfrm, 0 },
};

bool nft_expr(struct nft_attr nest, const char **ret_name, struct nft_attr *ret_data)
{
	struct nft_attr a[NFTA_EXPR_MAX + 1];

	if (!nft_nested(nest, a, ARRAY_LEN(a)) || !nft_str(a[NFTA_EXPR_NAME]))
		return false;
	*ret_name = nft_str(a[NFTA_EXPR_NAME]);
	*ret_data = a[NFTA_EXPR_DATA];
	return true;
}

static void on_expr(struct jrule *r, struct nft_attr nest)
{
	struct nft_attr a[ATTRS_MAX], data;
	const char *name;

	if (!nft_expr(nest, &name, &data)) {
		nft_put_unknown(r, "expression", nest);
		forget_all(r);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(loaders); i++) {
		if (strcmp(loaders[i].name, name) != 0)
			continue;
		if (!nft_nested(data, a, ARRAY_LEN(a)))
			break;
		if (loaders[i].dreg && !a[loaders[i].dreg].p)
			break;
		loaders[i].load(r, a);
		return;
	}
	if (!nft_statement_expr(r, name, data)) {
		nft_put_unknown(r, name, data);
		forget_all(r);
	}
}

/* ---- numbers ---- */

struct number {
	bool known;
	uint32_t reg, mod, offset;
};

static void scan_expr(struct nft_json *j, struct nft_attr nest, struct number *n)
{
	struct nft_attr a[ATTRS_MAX], data;
	const char *name, *set_name;
	struct jset *set;
	bool follows = n->known;

	n->known = false;
	if (!nft_expr(nest, &name, &data) || (strcmp(name, "numgen") != 0 && !(follows && strcmp(name, "lookup") == 0)) ||
	    !nft_nested(data, a, ARRAY_LEN(a)))
		return;
	if (strcmp(name, "numgen") == 0) {
		*n = (struct number){ true, nft_u32(a[NFTA_NG_DREG], 0), nft_u32(a[NFTA_NG_MODULUS], 0), nft_u32(a[NFTA_NG_OFFSET], 0) };
		return;
	}
	set_name = nft_str(a[NFTA_LOOKUP_SET]);
	set = set_name && nft_u32(a[NFTA_LOOKUP_SREG], 0) == n->reg ? nft_find_set(j, j->table, set_name) : NULL;
	if (!set || !(set->set->flags & NFT_SET_ANONYMOUS) || set->set->flags & NFT_SET_INTERVAL || set->set->key_len != sizeof(uint32_t))
		return;
	set->first_number = n->offset;
	set->numbers = n->mod;
}

int nft_scan_rule(void *arg, const struct nlmsghdr *h)
{
	struct nft_json *j = arg;
	struct nft_attr a[NFTA_RULE_MAX + 1], e;
	struct number n = { .known = false };
	const uint8_t *p, *end;
	uint16_t type;

	if (!nft_message(h, NULL, a, ARRAY_LEN(a)) || !a[NFTA_RULE_EXPRESSIONS].p)
		return 0;
	p = a[NFTA_RULE_EXPRESSIONS].p;
	end = p + a[NFTA_RULE_EXPRESSIONS].size;
	while (nft_attr_next(&p, end, &type, &e))
		scan_expr(j, e, &n);
	return 0;
}

/* ---- all together ---- */

static void reset(struct jrule *r, uint8_t family)
{
	r->family = family;
	r->nnodes = r->nstmts = 0;
	r->overflow = false;
	memset(r->reg, 0, sizeof(r->reg));
	memset(r->proto, 0, sizeof(r->proto));
	memset(r->told_by, 0, sizeof(r->told_by));
	r->proto[NFT_PAYLOAD_NETWORK_HEADER] = (uint8_t)nft_proto_by_nfproto(family);
	if (family == 7 || family == 5)
		r->proto[NFT_PAYLOAD_LL_HEADER] = P_ETHER;
	strbuf_reset(&r->scratch);
}

/* User data is a list of type, length, bytes: include/udata.h of libnftnl */
const char *nft_comment(struct nft_attr userdata, uint8_t type, size_t *ret_len)
{
	size_t at = 0;

	while (userdata.p && at + 2 <= userdata.size) {
		size_t len = userdata.p[at + 1];

		if (at + 2 + len > userdata.size)
			return NULL;
		if (userdata.p[at] == type) {
			*ret_len = len && userdata.p[at + 1 + len] == 0 ? len - 1 : len;
			return (const char *)userdata.p + at + 2;
		}
		at += 2 + len;
	}
	return NULL;
}

static void put_head(struct nft_json *j, const struct nft_attr *a)
{
	const char *chain = nft_str(a[NFTA_RULE_CHAIN]), *comment;
	struct strbuf *b = j->out;
	size_t len = 0;

	strbuf_adds(b, j->first ? "" : ", ");
	j->first = false;
	ADD(b, "{\"rule\": {\"family\": \"");
	strbuf_adds(b, nft_family_name(j->table->family));
	ADD(b, "\", \"table\": ");
	nft_put_string(b, j->table->name, strlen(j->table->name));
	ADD(b, ", \"chain\": ");
	nft_put_string(b, chain ? chain : "", chain ? strlen(chain) : 0);
	ADD(b, ", \"handle\": ");
	nft_put_number(b, nft_u64(a[NFTA_RULE_HANDLE], 0));
	comment = nft_comment(a[NFTA_RULE_USERDATA], 0, &len);
	if (comment) {
		ADD(b, ", \"comment\": ");
		nft_put_string(b, comment, len);
	}
	ADD(b, ", \"expr\": [");
}

static void put_statements(struct nft_json *j)
{
	const struct jrule *r = &j->rule;
	bool first = true;

	for (size_t i = 0; i < r->nstmts; i++) {
		if (r->stmts[i].dead || !r->scratch.s)
			continue;
		strbuf_adds(j->out, first ? "" : ", ");
		first = false;
		strbuf_add(j->out, r->scratch.s + r->stmts[i].at, r->stmts[i].size);
	}
	ADD(j->out, "]}}");
}

int nft_json_rule(void *arg, const struct nlmsghdr *h)
{
	struct nft_json *j = arg;
	struct jrule *r = &j->rule;
	struct nft_attr a[NFTA_RULE_MAX + 1], e;
	const uint8_t *p, *end;
	uint16_t type;
	bool whole = nft_message(h, NULL, a, ARRAY_LEN(a));

	j->rules++;
	reset(r, j->table->family);
	p = a[NFTA_RULE_EXPRESSIONS].p;
	end = p ? p + a[NFTA_RULE_EXPRESSIONS].size : NULL;
	while (p && nft_attr_next(&p, end, &type, &e))
		on_expr(r, e);
	if (r->scratch.failed || j->r < 0)
		return j->r < 0 ? j->r : -ENOMEM;
	if (!whole || p != end || r->overflow) {
		r->nstmts = 0;
		nft_put_unknown(r, "rule", (struct nft_attr){ NULL, 0 });
	}
	put_head(j, a);
	put_statements(j);
	return j->out->failed ? -ENOMEM : 0;
}
