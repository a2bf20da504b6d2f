/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of iptables-nft, read back. It writes addresses, interfaces, the protocol and a few matches as native expressions (load into a
 * register, mask, compare), everything else as the structs of xtables behind compat expressions. Here the first are undone, as iptables
 * 1.8.9 does it (iptables/nft-shared.c, nft-ipv4.c, nft-ipv6.c; nft-ruleparse.c since 1.8.10), and both are printed by the table of
 * xt-*.c.
 *
 * It is stricter than iptables: where that one would print words with another meaning than the rule has (two conditions on one field,
 * a condition behind the target, a comparison that it takes for another), the rule has no words. nft's JSON shows it then.
 */
#include <arpa/inet.h>

#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>
#include <linux/netfilter_ipv6/ip6t_hl.h>

#include "nft-save-private.h"
#include "xt-private.h"

#define SLOTS 20u	  /* 32-bit registers: NFT_REG_1 to NFT_REG_4 are four of the last 16 each, the first four are the verdict */
#define DATA_MAX 16u	  /* the longest thing that is compared: an address of IPv6, a name of an interface */
#define MATCHES_MAX 128u  /* NFT_RULE_MAXEXPRS of the kernel */
#define NATIVE_MAX 16u	  /* matches of one rule that are made of native expressions */
#define LOG_PREFIX_MAX 128u

enum reg_kind { REG_UNKNOWN, REG_PAYLOAD, REG_META, REG_VALUE };
struct reg {
	enum reg_kind kind : 8;
	bool masked;
	uint8_t len;	 /* bytes */
	uint8_t base;	 /* of PAYLOAD */
	uint32_t what;	 /* of PAYLOAD: offset, of META: key */
	uint8_t data[DATA_MAX]; /* the mask; of VALUE: it */
};

struct words_match {
	const char *name;
	uint32_t revision;
	const void *data;
	size_t size;
};
union native {
	struct xt_mark_mtinfo1 mark;
	struct xt_pkttype_info pkttype;
	struct xt_rateinfo limit;
	struct ipt_icmp icmp;
	struct ipt_ttl_info ttl;
	struct ip6t_hl_info hl;
};
struct field { /* an address or a name */
	bool seen, inverted;
	uint8_t data[DATA_MAX], mask[DATA_MAX];
};
struct name {
	bool seen, inverted;
	char s[IFNAMSIZ + 2];
};

enum { SEEN_SPORT_LOW = 1, SEEN_SPORT_HIGH = 2, SEEN_DPORT_LOW = 4, SEEN_DPORT_HIGH = 8, SEEN_FLAGS = 16 };
enum action { ACTION_NONE, ACTION_VERDICT, ACTION_JUMP, ACTION_GOTO, ACTION_TARGET, ACTION_TRACE, ACTION_LOG };

struct rule {
	bool ip6;
	struct reg regs[SLOTS];
	struct field src, dst;
	struct name in, out;
	bool frag, frag_inverted, proto_seen, proto_inverted;
	uint8_t proto;

	bool has_ports; /* ports: its struct is among the matches */
	uint8_t ports_seen;
	union {
		struct xt_tcp tcp;
		struct xt_udp udp;
	} ports;
	unsigned nnative;
	size_t nmatches;

	enum action action;
	const char *target; /* the verdict, chain or target */
	uint32_t target_revision;
	struct nft_attr target_data;
	struct xt_mark_tginfo2 mark; /* target_data of MARK */
	struct {
		const char *prefix;
		uint32_t group, size, threshold;
		bool has_size;
	} log;

	/* not zeroed */
	union native native[NATIVE_MAX];
	struct words_match matches[MATCHES_MAX];
};

/* ---- registers ---- */

/* Where a register begins, or SLOTS. */
static unsigned slot_of(struct nft_attr a)
{
	uint32_t r = nft_u32(a, NFT_REG_VERDICT);

	if (r >= NFT_REG_1 && r <= NFT_REG_4)
		return r * (NFT_REG_SIZE / NFT_REG32_SIZE);
	if (r >= NFT_REG32_00 && r <= NFT_REG32_15)
		return r - NFT_REG32_00 + NFT_REG_SIZE / NFT_REG32_SIZE;
	return SLOTS;
}

static unsigned slots_of(const struct reg *r)
{
	return (r->len + NFT_REG32_SIZE - 1) / NFT_REG32_SIZE;
}

/* What is written to from now on; nothing else that overlaps it is known any more. */
static struct reg *reg_write(struct rule *u, unsigned slot, uint32_t len)
{
	unsigned end = slot + (len + NFT_REG32_SIZE - 1) / NFT_REG32_SIZE;

	if (slot >= SLOTS || len == 0 || len > DATA_MAX || end > SLOTS)
		return NULL;
	for (unsigned i = 0; i < end; i++)
		if (i >= slot || (u->regs[i].kind && i + slots_of(&u->regs[i]) > slot))
			u->regs[i].kind = REG_UNKNOWN;
	u->regs[slot].masked = false;
	u->regs[slot].len = (uint8_t)len;
	return &u->regs[slot];
}

static struct reg *reg_read(struct rule *u, struct nft_attr a)
{
	unsigned slot = slot_of(a);

	return slot < SLOTS && u->regs[slot].kind ? &u->regs[slot] : NULL;
}

/* The bytes in NFTA_DATA_VALUE. */
static struct nft_attr value_of(struct nft_attr data)
{
	struct nft_attr a[NFTA_DATA_VERDICT + 1];

	return nft_nested(data, a, ARRAY_LEN(a)) ? a[NFTA_DATA_VALUE] : (struct nft_attr){ 0 };
}

/* ---- matches ---- */

bool nft_plain_name(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f)
			return false;
	return len && !strchr("!-\"", *s); /* a quote or a backslash within a word is itself */
}

static bool add_match(struct rule *u, const char *name, uint32_t revision, const void *data, size_t size)
{
	if (u->nmatches == MATCHES_MAX)
		return false;
	u->matches[u->nmatches++] = (struct words_match){ name, revision, data, size };
	return true;
}

static union native *add_native(struct rule *u, const char *name, uint32_t revision, size_t size)
{
	union native *n;

	if (u->nnative == NATIVE_MAX)
		return NULL;
	n = &u->native[u->nnative++];
	memset(n, 0, sizeof(*n));
	return add_match(u, name, revision, n, size) ? n : NULL;
}

static bool on_match(struct rule *u, const struct nft_attr *a)
{
	const char *name = nft_str(a[NFTA_MATCH_NAME]);
	uint32_t revision = nft_u32(a[NFTA_MATCH_REV], 0);
	struct nft_attr info = a[NFTA_MATCH_INFO];

	return name && nft_plain_name(name, strlen(name)) && revision <= UINT8_MAX && add_match(u, name, revision, info.p, info.size);
}

static bool on_limit(struct rule *u, const struct nft_attr *a)
{
	uint64_t rate = nft_u64(a[NFTA_LIMIT_RATE], 0), unit = nft_u64(a[NFTA_LIMIT_UNIT], 0), avg;
	union native *n;

	if (nft_u32(a[NFTA_LIMIT_TYPE], NFT_LIMIT_PKTS) != NFT_LIMIT_PKTS || nft_u32(a[NFTA_LIMIT_FLAGS], 0) || rate == 0 ||
	    unit == 0 || unit > UINT32_MAX)
		return false;
	avg = XT_LIMIT_SCALE * unit / rate;
	n = avg && avg <= UINT32_MAX ? add_native(u, "limit", 0, sizeof(n->limit)) : NULL;
	if (!n)
		return false;
	n->limit.avg = (uint32_t)avg;
	n->limit.burst = nft_u32(a[NFTA_LIMIT_BURST], 0);
	return true;
}

/* ---- ports ---- */

static bool ports_begin(struct rule *u)
{
	if (u->has_ports)
		return true;
	if (!u->proto_seen || u->proto_inverted || (u->proto != IPPROTO_TCP && u->proto != IPPROTO_UDP))
		return false;
	u->has_ports = true;
	if (u->proto == IPPROTO_TCP) {
		u->ports.tcp = (struct xt_tcp){ .spts = { 0, 0xffff }, .dpts = { 0, 0xffff } };
		return add_match(u, "tcp", 0, &u->ports.tcp, sizeof(u->ports.tcp));
	}
	u->ports.udp = (struct xt_udp){ .spts = { 0, 0xffff }, .dpts = { 0, 0xffff } };
	return add_match(u, "udp", 0, &u->ports.udp, sizeof(u->ports.udp));
}

static bool set_ports(struct rule *u, bool source, bool inverted, int low, int high)
{
	unsigned seen = (low >= 0 ? SEEN_SPORT_LOW : 0) | (high >= 0 ? SEEN_SPORT_HIGH : 0);
	uint8_t flag = source ? XT_TCP_INV_SRCPT : XT_TCP_INV_DSTPT; /* those of udp are the same */
	uint16_t *p;

	if (!ports_begin(u) || low > 0xffff || high > 0xffff)
		return false;
	seen <<= source ? 0 : 2;
	if (u->ports_seen & seen)
		return false;
	u->ports_seen |= (uint8_t)seen;
	if (u->proto == IPPROTO_TCP)
		p = source ? u->ports.tcp.spts : u->ports.tcp.dpts;
	else
		p = source ? u->ports.udp.spts : u->ports.udp.dpts;
	if (low >= 0)
		p[0] = (uint16_t)low;
	if (high >= 0)
		p[1] = (uint16_t)high;
	if (inverted && u->proto == IPPROTO_TCP)
		u->ports.tcp.invflags |= flag;
	else if (inverted)
		u->ports.udp.invflags |= flag;
	return p[0] <= p[1];
}

static bool compare_port(struct rule *u, bool source, uint32_t op, int port)
{
	switch (op) {
	case NFT_CMP_EQ:
	case NFT_CMP_NEQ:
		return set_ports(u, source, op == NFT_CMP_NEQ, port, port);
	case NFT_CMP_LT:
		return port > 0 && set_ports(u, source, false, -1, port - 1);
	case NFT_CMP_LTE:
		return set_ports(u, source, false, -1, port);
	case NFT_CMP_GT:
		return set_ports(u, source, false, port + 1, -1);
	case NFT_CMP_GTE:
		return set_ports(u, source, false, port, -1);
	default:
		return false;
	}
}

static bool compare_flags(struct rule *u, const struct reg *r, uint32_t op, uint8_t value)
{
	if (!u->proto_seen || u->proto != IPPROTO_TCP || (op != NFT_CMP_EQ && op != NFT_CMP_NEQ) || !ports_begin(u) ||
	    u->ports_seen & SEEN_FLAGS)
		return false;
	u->ports_seen |= SEEN_FLAGS;
	u->ports.tcp.flg_mask = r->masked ? r->data[0] : 0xff;
	u->ports.tcp.flg_cmp = value;
	if (op == NFT_CMP_NEQ)
		u->ports.tcp.invflags |= XT_TCP_INV_FLAGS;
	return u->ports.tcp.flg_mask != 0;
}

static bool compare_icmp(struct rule *u, const struct reg *r, uint32_t op, struct nft_attr v)
{
	union native *n;

	if (!u->proto_seen || u->proto_inverted || u->proto != (u->ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) || r->masked || r->what != 0 ||
	    v.size > 2 || v.p[0] == 0xff || (op != NFT_CMP_EQ && op != NFT_CMP_NEQ))
		return false;
	n = add_native(u, u->ip6 ? "icmp6" : "icmp", 0, sizeof(n->icmp)); /* struct ip6t_icmp is the same */
	if (!n)
		return false;
	n->icmp.type = v.p[0];
	n->icmp.code[0] = v.size > 1 ? v.p[1] : 0;
	n->icmp.code[1] = v.size > 1 ? v.p[1] : 0xff;
	n->icmp.invflags = op == NFT_CMP_NEQ ? IPT_ICMP_INV : 0;
	return true;
}

static bool compare_transport(struct rule *u, const struct reg *r, uint32_t op, struct nft_attr v)
{
	if (u->proto_seen && u->proto == (u->ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return compare_icmp(u, r, op, v);
	if (r->what == 13 && v.size == 1)
		return compare_flags(u, r, op, v.p[0]);
	if (r->masked)
		return false;
	if ((r->what == 0 || r->what == 2) && v.size == 2)
		return compare_port(u, r->what == 0, op, v.p[0] << 8 | v.p[1]);
	if (r->what != 0 || v.size != 4)
		return false;
	/*
	 * Both at once. iptables up to 1.8.12 writes "! --sport A ! --dport B" as one inequality, which is true where either port differs:
	 * it has no words, and is printed as what nobody knows.
	 */
	if (op == NFT_CMP_NEQ)
		return add_match(u, "nft-ports-differ", 0, v.p, v.size);
	return op == NFT_CMP_EQ && compare_port(u, true, op, v.p[0] << 8 | v.p[1]) && compare_port(u, false, op, v.p[2] << 8 | v.p[3]);
}

static bool on_range(struct rule *u, const struct nft_attr *a)
{
	const struct reg *r = reg_read(u, a[NFTA_RANGE_SREG]);
	struct nft_attr from = value_of(a[NFTA_RANGE_FROM_DATA]), to = value_of(a[NFTA_RANGE_TO_DATA]);
	uint32_t op = nft_u32(a[NFTA_RANGE_OP], UINT32_MAX);

	if (!r || r->kind != REG_PAYLOAD || r->base != NFT_PAYLOAD_TRANSPORT_HEADER || r->masked || r->len != 2 ||
	    (r->what != 0 && r->what != 2) || from.size != 2 || to.size != 2 || (op != NFT_RANGE_EQ && op != NFT_RANGE_NEQ))
		return false;
	return set_ports(u, r->what == 0, op == NFT_RANGE_NEQ, from.p[0] << 8 | from.p[1], to.p[0] << 8 | to.p[1]);
}

/* ---- the network header ---- */

static bool compare_address(struct field *f, const struct reg *r, bool inverted, struct nft_attr v)
{
	if (f->seen || v.size > sizeof(f->data))
		return false;
	f->seen = true;
	f->inverted = inverted;
	memcpy(f->data, v.p, v.size);
	if (r->masked)
		memcpy(f->mask, r->data, v.size);
	else
		memset(f->mask, 0xff, v.size);
	/* A bit outside the mask is never equal. */
	for (size_t i = 0; i < v.size; i++)
		if (f->data[i] & ~f->mask[i])
			return false;
	return true;
}

static bool compare_proto(struct rule *u, const struct reg *r, bool inverted, struct nft_attr v)
{
	if (u->proto_seen || r->masked || v.size != 1 || v.p[0] == 0)
		return false;
	u->proto_seen = true;
	u->proto_inverted = inverted;
	u->proto = v.p[0];
	return true;
}

static bool compare_fragment(struct rule *u, const struct reg *r, bool inverted, struct nft_attr v)
{
	if (u->frag || v.size != 2 || !r->masked || r->data[0] != 0x1f || r->data[1] != 0xff || v.p[0] || v.p[1])
		return false;
	u->frag = true;
	u->frag_inverted = !inverted;
	return true;
}

/* IPT_TTL_* and IP6T_HL_* are the same. */
static bool compare_ttl(struct rule *u, const struct reg *r, uint32_t op, struct nft_attr v)
{
	static const uint8_t modes[] = {
		[NFT_CMP_EQ] = IPT_TTL_EQ, [NFT_CMP_NEQ] = IPT_TTL_NE, [NFT_CMP_LT] = IPT_TTL_LT,
		[NFT_CMP_LTE] = IPT_TTL_LT, [NFT_CMP_GT] = IPT_TTL_GT, [NFT_CMP_GTE] = IPT_TTL_GT,
	};
	unsigned ttl = v.p[0];
	union native *n;

	if (r->masked || v.size != 1 || op >= ARRAY_LEN(modes) || (op == NFT_CMP_LTE && ttl == 255) || (op == NFT_CMP_GTE && ttl == 0))
		return false;
	ttl += op == NFT_CMP_LTE ? 1 : op == NFT_CMP_GTE ? -1u : 0;
	n = add_native(u, u->ip6 ? "hl" : "ttl", 0, u->ip6 ? sizeof(n->hl) : sizeof(n->ttl));
	if (!n)
		return false;
	if (u->ip6)
		n->hl = (struct ip6t_hl_info){ .mode = modes[op], .hop_limit = (uint8_t)ttl };
	else
		n->ttl = (struct ipt_ttl_info){ .mode = modes[op], .ttl = (uint8_t)ttl };
	return true;
}

/* Offsets: struct iphdr, struct ip6_hdr. A next header of IPv6 is not what "-p" asks, which looks behind the extension headers. */
static bool compare_network(struct rule *u, const struct reg *r, uint32_t op, struct nft_attr v)
{
	bool inverted = op == NFT_CMP_NEQ;
	unsigned size = u->ip6 ? 16 : 4, src = u->ip6 ? 8 : 12, dst = u->ip6 ? 24 : 16;

	if (r->what == (u->ip6 ? 7u : 8u))
		return compare_ttl(u, r, op, v);
	if (op != NFT_CMP_EQ && op != NFT_CMP_NEQ)
		return false;
	if (r->what == src && v.size <= size)
		return compare_address(&u->src, r, inverted, v);
	if (r->what == dst && v.size <= size)
		return compare_address(&u->dst, r, inverted, v);
	if (!u->ip6 && r->what == 9)
		return compare_proto(u, r, inverted, v);
	return !u->ip6 && r->what == 6 && compare_fragment(u, r, inverted, v);
}

/* ---- meta ---- */

static bool compare_interface(struct name *n, const struct reg *r, bool inverted, struct nft_attr v)
{
	const char *s = (const char *)v.p;
	size_t len = strnlen(s, v.size);
	bool prefix = len == v.size;

	if (n->seen || r->masked || v.size > IFNAMSIZ || (prefix && len == IFNAMSIZ) || !nft_plain_name(s, len))
		return false;
	for (size_t i = len; i < v.size; i++)
		if (s[i])
			return false;
	n->seen = true;
	n->inverted = inverted;
	if (!inverted && !prefix && strcmp(s, "INVAL/D") == 0) {
		/* how iptables writes "! -i +" */
		n->inverted = true;
		n->s[0] = '+';
		return true;
	}
	if (!prefix && s[len - 1] == '+')
		return false;
	memcpy(n->s, s, len);
	if (prefix)
		n->s[len] = '+';
	return true;
}

static bool compare_mark(struct rule *u, const struct reg *r, bool inverted, struct nft_attr v)
{
	union native *n = v.size == sizeof(uint32_t) ? add_native(u, "mark", 1, sizeof(n->mark)) : NULL;

	if (!n)
		return false;
	memcpy(&n->mark.mark, v.p, v.size);
	n->mark.mask = UINT32_MAX;
	if (r->masked)
		memcpy(&n->mark.mask, r->data, v.size);
	n->mark.invert = inverted;
	return true;
}

static bool compare_pkttype(struct rule *u, const struct reg *r, bool inverted, struct nft_attr v)
{
	union native *n = v.size == 1 && !r->masked ? add_native(u, "pkttype", 0, sizeof(n->pkttype)) : NULL;

	if (!n)
		return false;
	n->pkttype.pkttype = v.p[0];
	n->pkttype.invert = inverted;
	return true;
}

static bool compare_meta(struct rule *u, const struct reg *r, uint32_t op, struct nft_attr v)
{
	bool inverted = op == NFT_CMP_NEQ;

	if (op != NFT_CMP_EQ && op != NFT_CMP_NEQ)
		return false;
	switch (r->what) {
	case NFT_META_L4PROTO:
		return compare_proto(u, r, inverted, v);
	case NFT_META_IIFNAME:
		return compare_interface(&u->in, r, inverted, v);
	case NFT_META_OIFNAME:
		return compare_interface(&u->out, r, inverted, v);
	case NFT_META_MARK:
		return compare_mark(u, r, inverted, v);
	case NFT_META_PKTTYPE:
		return compare_pkttype(u, r, inverted, v);
	default:
		return false;
	}
}

/* ---- loads, masks, comparisons ---- */

static bool on_payload(struct rule *u, const struct nft_attr *a)
{
	struct reg *r;

	if (!a[NFTA_PAYLOAD_DREG].p)
		return false;
	r = reg_write(u, slot_of(a[NFTA_PAYLOAD_DREG]), nft_u32(a[NFTA_PAYLOAD_LEN], 0));
	if (!r)
		return false;
	r->kind = REG_PAYLOAD;
	r->base = (uint8_t)MIN(nft_u32(a[NFTA_PAYLOAD_BASE], UINT8_MAX), (uint32_t)UINT8_MAX);
	r->what = nft_u32(a[NFTA_PAYLOAD_OFFSET], UINT32_MAX);
	return true;
}

static bool on_bitwise(struct rule *u, const struct nft_attr *a)
{
	struct reg *from = reg_read(u, a[NFTA_BITWISE_SREG]), *to, copy;
	uint32_t len = nft_u32(a[NFTA_BITWISE_LEN], 0);
	struct nft_attr mask = value_of(a[NFTA_BITWISE_MASK]), xor = value_of(a[NFTA_BITWISE_XOR]);

	if (!from || (from->kind != REG_PAYLOAD && from->kind != REG_META) || from->masked || nft_u32(a[NFTA_BITWISE_OP], 0) ||
	    len == 0 || len > DATA_MAX || mask.size != len || xor.size != len || (from->kind == REG_PAYLOAD && len != from->len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (xor.p[i])
			return false;
	copy = *from;
	to = reg_write(u, slot_of(a[NFTA_BITWISE_DREG]), len);
	if (!to)
		return false;
	*to = copy;
	to->masked = true;
	to->len = (uint8_t)len;
	memcpy(to->data, mask.p, len);
	return true;
}

static bool on_cmp(struct rule *u, const struct nft_attr *a)
{
	const struct reg *r = reg_read(u, a[NFTA_CMP_SREG]);
	struct nft_attr v = value_of(a[NFTA_CMP_DATA]);
	uint32_t op = nft_u32(a[NFTA_CMP_OP], UINT32_MAX);

	if (!r || !v.p || v.size == 0 || v.size > DATA_MAX || (r->masked && v.size != r->len))
		return false;
	if (r->kind == REG_META)
		return compare_meta(u, r, op, v);
	if (r->kind != REG_PAYLOAD || v.size != r->len)
		return false;
	if (r->base == NFT_PAYLOAD_NETWORK_HEADER)
		return compare_network(u, r, op, v);
	return r->base == NFT_PAYLOAD_TRANSPORT_HEADER && compare_transport(u, r, op, v);
}

/* ---- what the rule does ---- */

static bool set_action(struct rule *u, enum action action, const char *target)
{
	if (u->action || !target || !nft_plain_name(target, strlen(target)))
		return false;
	u->action = action;
	u->target = target;
	return true;
}

static bool on_verdict(struct rule *u, struct nft_attr verdict)
{
	struct nft_attr a[NFTA_VERDICT_CHAIN + 1];

	if (!nft_nested(verdict, a, ARRAY_LEN(a)) || !a[NFTA_VERDICT_CODE].p)
		return false;
	switch ((int32_t)nft_u32(a[NFTA_VERDICT_CODE], 0)) {
	case NF_ACCEPT:
		return set_action(u, ACTION_VERDICT, "ACCEPT");
	case NF_DROP:
		return set_action(u, ACTION_VERDICT, "DROP");
	case NFT_RETURN:
		return set_action(u, ACTION_VERDICT, "RETURN");
	case NFT_JUMP:
		return set_action(u, ACTION_JUMP, nft_str(a[NFTA_VERDICT_CHAIN]));
	case NFT_GOTO:
		return set_action(u, ACTION_GOTO, nft_str(a[NFTA_VERDICT_CHAIN]));
	default:
		return false;
	}
}

static bool on_immediate(struct rule *u, const struct nft_attr *a)
{
	struct nft_attr data[NFTA_DATA_VERDICT + 1];
	struct reg *r;

	if (!nft_nested(a[NFTA_IMMEDIATE_DATA], data, ARRAY_LEN(data)))
		return false;
	if (data[NFTA_DATA_VERDICT].p)
		return on_verdict(u, data[NFTA_DATA_VERDICT]);
	r = reg_write(u, slot_of(a[NFTA_IMMEDIATE_DREG]), data[NFTA_DATA_VALUE].size);
	if (!r)
		return false;
	r->kind = REG_VALUE;
	memcpy(r->data, data[NFTA_DATA_VALUE].p, r->len);
	return true;
}

/* TRACE is written so; "meta mark set" of a constant is what MARK does (iptables 1.8.10 shows it). */
static bool on_meta_set(struct rule *u, const struct nft_attr *a)
{
	const struct reg *r = reg_read(u, a[NFTA_META_SREG]);
	uint32_t key = nft_u32(a[NFTA_META_KEY], UINT32_MAX);

	if (!r || r->kind != REG_VALUE)
		return false;
	if (key == NFT_META_NFTRACE)
		return r->data[0] && set_action(u, ACTION_TRACE, "TRACE");
	if (key != NFT_META_MARK || r->len != sizeof(u->mark.mark) || !set_action(u, ACTION_TARGET, "MARK"))
		return false;
	memcpy(&u->mark.mark, r->data, sizeof(u->mark.mark));
	u->mark.mask = UINT32_MAX;
	u->target_revision = 2;
	u->target_data = (struct nft_attr){ (const uint8_t *)&u->mark, sizeof(u->mark) };
	return true;
}

static bool on_meta(struct rule *u, const struct nft_attr *a)
{
	uint32_t key = nft_u32(a[NFTA_META_KEY], UINT32_MAX);
	struct reg *r;

	if (a[NFTA_META_SREG].p)
		return on_meta_set(u, a);
	r = reg_write(u, slot_of(a[NFTA_META_DREG]), key == NFT_META_IIFNAME || key == NFT_META_OIFNAME ? IFNAMSIZ : NFT_REG32_SIZE);
	if (!r)
		return false;
	r->kind = REG_META;
	r->what = key;
	return true;
}

static bool on_target(struct rule *u, const struct nft_attr *a)
{
	if (!set_action(u, ACTION_TARGET, nft_str(a[NFTA_TARGET_NAME])))
		return false;
	u->target_revision = nft_u32(a[NFTA_TARGET_REV], 0);
	u->target_data = a[NFTA_TARGET_INFO];
	return u->target_revision <= UINT8_MAX;
}

/* A log to a group is NFLOG; the prefix may be longer than that of the struct of xtables. */
static bool on_log(struct rule *u, const struct nft_attr *a)
{
	if (!a[NFTA_LOG_GROUP].p || a[NFTA_LOG_GROUP].size < sizeof(uint16_t) || a[NFTA_LOG_FLAGS].p || a[NFTA_LOG_LEVEL].p ||
	    !set_action(u, ACTION_LOG, "NFLOG"))
		return false;
	u->log.group = (uint32_t)(a[NFTA_LOG_GROUP].p[0] << 8 | a[NFTA_LOG_GROUP].p[1]);
	u->log.prefix = nft_str(a[NFTA_LOG_PREFIX]);
	u->log.has_size = a[NFTA_LOG_SNAPLEN].p;
	u->log.size = nft_u32(a[NFTA_LOG_SNAPLEN], 0);
	if (a[NFTA_LOG_QTHRESHOLD].p && a[NFTA_LOG_QTHRESHOLD].size >= sizeof(uint16_t))
		u->log.threshold = (uint32_t)(a[NFTA_LOG_QTHRESHOLD].p[0] << 8 | a[NFTA_LOG_QTHRESHOLD].p[1]);
	return !u->log.prefix || strlen(u->log.prefix) < LOG_PREFIX_MAX;
}

/* ---- all expressions ---- */

static const struct expr_kind {
	const char *name;
	bool (*on)(struct rule *u, const struct nft_attr *a);
	bool condition; /* may not stand behind what the rule does */
} expr_kinds[] = {
	{ "match", on_match, true },	{ "cmp", on_cmp, true },	 { "payload", on_payload, true }, { "meta", on_meta, true },
	{ "bitwise", on_bitwise, true }, { "immediate", on_immediate, true }, { "target", on_target, true }, { "range", on_range, true },
	{ "limit", on_limit, true },	{ "log", on_log, true },
};
#define EXPR_ATTRS 12u /* as many as any of them has */

static bool on_expr(struct rule *u, struct nft_attr elem)
{
	struct nft_attr e[NFTA_EXPR_DATA + 1], a[EXPR_ATTRS];
	const char *name;

	if (!nft_nested(elem, e, ARRAY_LEN(e)))
		return false;
	name = nft_str(e[NFTA_EXPR_NAME]);
	if (!name)
		return false;
	if (strcmp(name, "counter") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(expr_kinds); i++)
		if (strcmp(name, expr_kinds[i].name) == 0)
			return !u->action && nft_nested(e[NFTA_EXPR_DATA], a, ARRAY_LEN(a)) && expr_kinds[i].on(u, a);
	return false;
}

static bool read_rule(struct rule *u, struct nft_attr exprs)
{
	const uint8_t *p = exprs.p, *end = p ? p + exprs.size : NULL;
	struct nft_attr elem;
	uint16_t type;

	while (p && nft_attr_next(&p, end, &type, &elem))
		if (type == NFTA_LIST_ELEM && !on_expr(u, elem))
			return false;
	return p == end;
}

/* ---- words ---- */

/* strlen of a literal costs nothing. */
static inline void add_literal(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

static void add_field(struct strbuf *b, const struct rule *u, const struct field *f, const char *option)
{
	if (!f->seen || (!f->inverted && xt_mask_length(u->ip6, f->mask) == 0))
		return;
	add_literal(b, f->inverted ? " ! " : " ");
	add_literal(b, option);
	xt_addr(b, u->ip6, f->data);
	xt_mask(b, u->ip6, f->mask, true);
}

static void add_interface(struct strbuf *b, const struct name *n, const char *option)
{
	if (!n->seen)
		return;
	add_literal(b, n->inverted ? " ! " : " ");
	add_literal(b, option);
	add_literal(b, n->s);
}

/* libxtables' own names come first (xtables_chain_protos), then those of /etc/protocols, as Debian has them. */
static const char *const protocol_names[256] = {
	[1] = "icmp", [2] = "igmp", [3] = "ggp", [4] = "ipencap", [5] = "st", [6] = "tcp", [8] = "egp", [9] = "igp", [12] = "pup", [17] = "udp",
	[20] = "hmp", [22] = "xns-idp", [27] = "rdp", [29] = "iso-tp4", [33] = "dccp", [36] = "xtp", [37] = "ddp", [38] = "idpr-cmtp", [41] = "ipv6",
	[43] = "ipv6-route", [44] = "ipv6-frag", [45] = "idrp", [46] = "rsvp", [47] = "gre", [50] = "esp", [51] = "ah", [57] = "skip",
	[58] = "ipv6-icmp", [59] = "ipv6-nonxt", [60] = "ipv6-opts", [73] = "rspf", [81] = "vmtp", [88] = "eigrp", [89] = "ospf", [93] = "ax.25",
	[94] = "ipip", [97] = "etherip", [98] = "encap", [103] = "pim", [108] = "ipcomp", [112] = "vrrp", [115] = "l2tp", [124] = "isis",
	[132] = "sctp", [133] = "fc", [135] = "mobility-header", [136] = "udplite", [137] = "mpls-in-ip", [138] = "manet", [139] = "hip",
	[140] = "shim6", [141] = "wesp", [142] = "rohc", [143] = "ethernet",
};

static void add_protocol(struct strbuf *b, const struct rule *u)
{
	if (!u->proto_seen)
		return;
	add_literal(b, u->proto_inverted ? " ! -p " : " -p ");
	if (protocol_names[u->proto])
		add_literal(b, protocol_names[u->proto]);
	else
		xt_dec(b, u->proto);
}

static void add_comment(struct strbuf *b, const struct xt_rule_context *c, struct nft_attr userdata)
{
	char s[256] = ""; /* XT_MAX_COMMENT_LEN */
	size_t at = 0;

	/* struct nftnl_udata: type, length, value; 0 is a comment */
	while (at + 2 <= userdata.size && at + 2 + userdata.p[at + 1] <= userdata.size) {
		if (userdata.p[at] == 0 && !*s)
			memcpy(s, userdata.p + at + 2, MIN(userdata.p[at + 1], sizeof(s) - 1));
		at += 2u + userdata.p[at + 1];
	}
	if (*s)
		(void)xt_print_match(b, c, "comment", 0, s, sizeof(s));
}

static void add_log_target(struct strbuf *b, const struct rule *u)
{
	add_literal(b, " -j NFLOG");
	if (u->log.prefix && *u->log.prefix) {
		add_literal(b, " --nflog-prefix");
		xt_string(b, u->log.prefix, LOG_PREFIX_MAX);
	}
	if (u->log.group)
		xt_opt_dec(b, " --nflog-group", u->log.group);
	if (u->log.has_size)
		xt_opt_dec(b, " --nflog-size", u->log.size);
	if (u->log.threshold)
		xt_opt_dec(b, " --nflog-threshold", u->log.threshold);
}

static void add_action(struct strbuf *b, const struct rule *u, struct xt_rule_context *c)
{
	c->is_target = true;
	switch (u->action) {
	case ACTION_NONE:
		break;
	case ACTION_TARGET:
		if (!xt_print_target(b, c, u->target, u->target_revision, u->target_data.p, u->target_data.size))
			xt_print_unknown(b, true, u->target, u->target_revision, u->target_data.p, u->target_data.size);
		break;
	case ACTION_LOG:
		add_log_target(b, u);
		break;
	case ACTION_VERDICT:
	case ACTION_JUMP:
	case ACTION_TRACE:
	case ACTION_GOTO:
		add_literal(b, u->action == ACTION_GOTO ? " -g " : " -j ");
		add_literal(b, u->target);
		break;
	}
}

static void add_words(struct strbuf *b, const struct rule *u, struct xt_sets *sets, struct nft_attr userdata)
{
	struct xt_rule_context c = { .ip6 = u->ip6, .proto = u->proto_inverted ? 0 : u->proto, .nft = true, .sets = sets };

	add_field(b, u, &u->src, "-s ");
	add_field(b, u, &u->dst, "-d ");
	add_interface(b, &u->in, "-i ");
	add_interface(b, &u->out, "-o ");
	add_protocol(b, u);
	if (u->frag)
		add_literal(b, u->frag_inverted ? " ! -f" : " -f");
	for (size_t i = 0; i < u->nmatches; i++) {
		const struct words_match *m = &u->matches[i];

		if (!xt_print_match(b, &c, m->name, m->revision, m->data, m->size))
			xt_print_unknown(b, false, m->name, m->revision, m->data, m->size);
	}
	add_comment(b, &c, userdata);
	add_action(b, u, &c);
}

bool nft_rule_print(struct strbuf *b, bool ip6, struct xt_sets *sets, struct nft_attr exprs, struct nft_attr userdata, bool *ret_jumps)
{
	struct rule u;

	memset(&u, 0, offsetof(struct rule, native));
	u.ip6 = ip6;
	if (!read_rule(&u, exprs))
		return false;
	add_words(b, &u, sets, userdata);
	*ret_jumps = u.action == ACTION_JUMP || u.action == ACTION_GOTO;
	return true;
}
