/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statements: what a rule does when its conditions hold. The attributes of each expression: include/uapi/linux/netfilter/nf_tables.h */
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_log.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables_compat.h>

#include "nft-json-private.h"

#define OUT (&r->scratch)

/* ---- verdicts ---- */

bool nft_put_verdict(struct strbuf *b, struct nft_attr verdict, uint32_t *jumps)
{
	struct nft_attr a[NFTA_VERDICT_MAX + 1];
	const char *chain;
	int32_t code;

	if (!verdict.p || !nft_nested(verdict, a, ARRAY_LEN(a)) || !a[NFTA_VERDICT_CODE].p)
		return false;
	code = (int32_t)nft_u32(a[NFTA_VERDICT_CODE], 0);
	chain = nft_str(a[NFTA_VERDICT_CHAIN]);
	if (code == NFT_JUMP || code == NFT_GOTO) {
		if (!chain)
			return false;
		++*jumps;
		strbuf_adds(b, code == NFT_JUMP ? "{\"jump\": {\"target\": " : "{\"goto\": {\"target\": ");
		nft_put_string(b, chain, strlen(chain));
		ADD(b, "}}");
		return true;
	}
	if (code != NF_ACCEPT && code != NF_DROP && code != NFT_RETURN && code != NFT_CONTINUE)
		return false;
	strbuf_adds(b, code == NF_ACCEPT ? "{\"accept\": null}" : code == NF_DROP ? "{\"drop\": null}" :
		       code == NFT_RETURN ? "{\"return\": null}" : "{\"continue\": null}");
	return true;
}

/* ---- what may stand in elements, too ---- */

static const char *unit_of(uint64_t seconds)
{
	return seconds == 1 ? "second" : seconds == 60 ? "minute" : seconds == 3600 ? "hour" : seconds == 86400 ? "day" : seconds == 604800 ? "week" : NULL;
}

/* "mbytes", and the number of them. */
static const char *in_bytes(uint64_t n, uint64_t *ret)
{
	unsigned steps = 0;

	while (n && steps < 2 && n % 1024 == 0) {
		n /= 1024;
		steps++;
	}
	*ret = n;
	return steps == 0 ? "bytes" : steps == 1 ? "kbytes" : "mbytes";
}

static bool put_limit(struct strbuf *b, const struct nft_attr *a)
{
	uint64_t rate = nft_u64(a[NFTA_LIMIT_RATE], 0), burst = nft_u32(a[NFTA_LIMIT_BURST], 0);
	const char *per = unit_of(nft_u64(a[NFTA_LIMIT_UNIT], 0)), *unit = NULL, *burst_unit = NULL;

	if (nft_u32(a[NFTA_LIMIT_TYPE], 0) == NFT_LIMIT_PKT_BYTES) {
		unit = in_bytes(rate, &rate);
		burst_unit = in_bytes(burst, &burst);
	}
	strbuf_addf(b, "\"limit\": {\"rate\": %llu, \"burst\": %llu, \"per\": ", (unsigned long long)rate, (unsigned long long)burst);
	if (per)
		strbuf_addf(b, "\"%s\"", per);
	else
		strbuf_addf(b, "%llu", (unsigned long long)nft_u64(a[NFTA_LIMIT_UNIT], 0));
	if (unit)
		strbuf_addf(b, ", \"rate_unit\": \"%s\", \"burst_unit\": \"%s\"", unit, burst_unit);
	strbuf_adds(b, nft_u32(a[NFTA_LIMIT_FLAGS], 0) & NFT_LIMIT_F_INV ? ", \"inv\": true}" : "}");
	return true;
}

static bool put_quota(struct strbuf *b, const struct nft_attr *a)
{
	uint64_t n, used = nft_u64(a[NFTA_QUOTA_CONSUMED], 0);
	const char *unit = in_bytes(nft_u64(a[NFTA_QUOTA_BYTES], 0), &n);

	strbuf_addf(b, "\"quota\": {\"val\": %llu, \"val_unit\": \"%s\"", (unsigned long long)n, unit);
	if (used) {
		unit = in_bytes(used, &n);
		strbuf_addf(b, ", \"used\": %llu, \"used_unit\": \"%s\"", (unsigned long long)n, unit);
	}
	strbuf_adds(b, nft_u32(a[NFTA_QUOTA_FLAGS], 0) & NFT_QUOTA_F_INV ? ", \"inv\": true}" : "}");
	return true;
}

bool nft_put_stateful(struct strbuf *b, const char *name, struct nft_attr data, bool with_counters)
{
	struct nft_attr a[16];

	if (!nft_nested(data, a, ARRAY_LEN(a)))
		return false;
	if (strcmp(name, "counter") == 0) {
		if (with_counters)
			strbuf_addf(b, "\"counter\": {\"packets\": %llu, \"bytes\": %llu}", (unsigned long long)nft_u64(a[NFTA_COUNTER_PACKETS], 0),
				    (unsigned long long)nft_u64(a[NFTA_COUNTER_BYTES], 0));
		else
			ADD(b, "\"counter\": null");
		return true;
	}
	if (strcmp(name, "limit") == 0)
		return put_limit(b, a);
	if (strcmp(name, "quota") == 0)
		return put_quota(b, a);
	if (strcmp(name, "last") == 0) {
		ADD(b, "\"last\": null");
		return true;
	}
	if (strcmp(name, "connlimit") != 0)
		return false;
	strbuf_addf(b, "\"ct count\": {\"val\": %u", nft_u32(a[NFTA_CONNLIMIT_COUNT], 0));
	strbuf_adds(b, nft_u32(a[NFTA_CONNLIMIT_FLAGS], 0) & NFT_CONNLIMIT_F_INV ? ", \"inv\": true}" : "}");
	return true;
}

static bool put_one(struct strbuf *b, struct nft_attr nest, bool as_objects, bool first)
{
	struct nft_attr data;
	const char *name = "expression";
	bool known;

	strbuf_adds(b, !as_objects || !first ? ", " : "");
	strbuf_adds(b, as_objects ? "{" : "");
	known = nft_expr(nest, &name, &data) && nft_put_stateful(b, name, data, !as_objects);
	if (!known) {
		ADD(b, "\"svcdoctor-unknown\": ");
		nft_put_string(b, name, strlen(name));
	}
	strbuf_adds(b, as_objects ? "}" : "");
	return known;
}

bool nft_put_statefuls(struct strbuf *b, struct nft_attr expr, struct nft_attr exprs, bool as_objects)
{
	const uint8_t *p = exprs.p, *end = p ? p + exprs.size : NULL;
	struct nft_attr e;
	uint16_t type;
	bool known = true, first = true;

	if (!p)
		return expr.p ? put_one(b, expr, as_objects, true) : true;
	while (nft_attr_next(&p, end, &type, &e)) {
		known &= put_one(b, e, as_objects, first);
		first = false;
	}
	return known && p == end;
}

static bool stateful(struct jrule *r, const char *name, struct nft_attr data)
{
	struct jstmt *s = nft_stmt_begin(r);

	if (!s)
		return true;
	ADD(OUT, "{");
	if (!nft_put_stateful(OUT, name, data, true)) {
		s->dead = true;
		return false;
	}
	ADD(OUT, "}");
	nft_action_end(r, s);
	return true;
}

/* ---- log, reject, queue ---- */

static bool on_log(struct jrule *r, const struct nft_attr *a)
{
	static const char *const levels[] = { "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit" };
	static const struct jword flags[] = {
		{ NF_LOG_TCPSEQ, "tcp sequence" }, { NF_LOG_TCPOPT, "tcp options" }, { NF_LOG_IPOPT, "ip options" }, { NF_LOG_UID, "skuid" },
		{ NF_LOG_MACDECODE, "ether" },
	};
	uint32_t level = nft_u32(a[NFTA_LOG_LEVEL], 4), f = nft_u32(a[NFTA_LOG_FLAGS], 0);
	const char *prefix = nft_str(a[NFTA_LOG_PREFIX]), *comma = "";
	size_t at = OUT->len;

	ADD(OUT, "{\"log\": {");
	if (prefix && *prefix) {
		ADD(OUT, "\"prefix\": ");
		nft_put_string(OUT, prefix, strlen(prefix));
		comma = ", ";
	}
	if (a[NFTA_LOG_GROUP].p && a[NFTA_LOG_GROUP].size >= 2) {
		strbuf_addf(OUT, "%s\"group\": %u", comma, (unsigned)nft_number(a[NFTA_LOG_GROUP].p, 2, false));
		comma = ", ";
	}
	if (nft_u32(a[NFTA_LOG_SNAPLEN], 0)) {
		strbuf_addf(OUT, "%s\"snaplen\": %u", comma, nft_u32(a[NFTA_LOG_SNAPLEN], 0));
		comma = ", ";
	}
	if (a[NFTA_LOG_QTHRESHOLD].p && a[NFTA_LOG_QTHRESHOLD].size >= 2 && nft_number(a[NFTA_LOG_QTHRESHOLD].p, 2, false)) {
		strbuf_addf(OUT, "%s\"queue-threshold\": %u", comma, (unsigned)nft_number(a[NFTA_LOG_QTHRESHOLD].p, 2, false));
		comma = ", ";
	}
	if (level != 4 && level < ARRAY_LEN(levels)) {
		strbuf_addf(OUT, "%s\"level\": \"%s\"", comma, levels[level]);
		comma = ", ";
	}
	if (f) {
		strbuf_addf(OUT, "%s\"flags\": ", comma);
		if ((f & NF_LOG_MASK) == NF_LOG_MASK)
			ADD(OUT, "\"all\"");
		else
			nft_put_words(OUT, f, flags, ARRAY_LEN(flags), false);
		comma = ", ";
	}
	ADD(OUT, "}}");
	if (!*comma && !OUT->failed) {
		OUT->len = at;
		ADD(OUT, "{\"log\": null}");
	}
	return true;
}

static bool on_reject(struct jrule *r, const struct nft_attr *a)
{
	uint32_t type = nft_u32(a[NFTA_REJECT_TYPE], UINT32_MAX);
	uint8_t code = a[NFTA_REJECT_ICMP_CODE].p && a[NFTA_REJECT_ICMP_CODE].size ? a[NFTA_REJECT_ICMP_CODE].p[0] : 0;
	bool ip6 = r->family == 10, mixed = r->family != 2 && r->family != 10;
	unsigned dt = DT_ICMPX_CODE;

	if (type == NFT_REJECT_TCP_RST) {
		static const struct nft_field of_tcp = { .proto = P_TCP };

		if (!mixed)
			nft_protocol_used(r, NFT_PAYLOAD_TRANSPORT_HEADER, &of_tcp);
		ADD(OUT, "{\"reject\": {\"type\": \"tcp reset\"}}");
		return true;
	}
	if (type != NFT_REJECT_ICMP_UNREACH && type != NFT_REJECT_ICMPX_UNREACH)
		return false;
	if (type == NFT_REJECT_ICMP_UNREACH) {
		static const struct nft_field of_ip = { .proto = P_IP }, of_ip6 = { .proto = P_IP6 };

		if (mixed && r->proto[NFT_PAYLOAD_NETWORK_HEADER] == P_NONE)
			return false;
		if (mixed)
			ip6 = r->proto[NFT_PAYLOAD_NETWORK_HEADER] == P_IP6;
		dt = ip6 ? DT_ICMPV6_CODE : DT_ICMP_CODE;
		if (mixed)
			nft_protocol_used(r, NFT_PAYLOAD_NETWORK_HEADER, ip6 ? &of_ip6 : &of_ip);
	}
	strbuf_addf(OUT, "{\"reject\": {\"type\": \"%s\", \"expr\": ", dt == DT_ICMPX_CODE ? "icmpx" : ip6 ? "icmpv6" : "icmp");
	nft_put_value(OUT, (struct jtype){ .dt = (uint8_t)dt }, &code, 1);
	ADD(OUT, "}}");
	return true;
}

static bool on_queue(struct jrule *r, const struct nft_attr *a)
{
	static const struct jword flags[] = { { NFT_QUEUE_FLAG_BYPASS, "bypass" }, { NFT_QUEUE_FLAG_CPU_FANOUT, "fanout" } };
	unsigned num = a[NFTA_QUEUE_NUM].p && a[NFTA_QUEUE_NUM].size >= 2 ? (unsigned)nft_number(a[NFTA_QUEUE_NUM].p, 2, false) : 0;
	unsigned total = a[NFTA_QUEUE_TOTAL].p && a[NFTA_QUEUE_TOTAL].size >= 2 ? (unsigned)nft_number(a[NFTA_QUEUE_TOTAL].p, 2, false) : 1;
	uint32_t f = a[NFTA_QUEUE_FLAGS].p && a[NFTA_QUEUE_FLAGS].size >= 2 ? (uint32_t)nft_number(a[NFTA_QUEUE_FLAGS].p, 2, false) : 0;
	const struct node *n = a[NFTA_QUEUE_SREG_QNUM].p ? nft_reg(r, nft_u32(a[NFTA_QUEUE_SREG_QNUM], 0), 2) : NULL;

	if (a[NFTA_QUEUE_SREG_QNUM].p && !n)
		return false;
	ADD(OUT, "{\"queue\": {\"num\": ");
	if (n)
		nft_put_node(r, OUT, n);
	else if (total > 1)
		strbuf_addf(OUT, "{\"range\": [%u, %u]}", num, num + total - 1);
	else
		strbuf_addf(OUT, "%u", num);
	if (f) {
		ADD(OUT, ", \"flags\": ");
		nft_put_words(OUT, f, flags, ARRAY_LEN(flags), false);
	}
	ADD(OUT, "}}");
	return true;
}

/* ---- translation ---- */

static void put_as(struct jrule *r, const struct node *n, uint8_t dt)
{
	if (n->kind == N_DATA)
		nft_put_value(OUT, (struct jtype){ .dt = dt, .host = nft_dt_is_host(dt) }, n->p, n->size);
	else
		nft_put_node(r, OUT, n);
}

/* ", "name": value" or a range of two constants. @size: of one value. False: a register is not known. */
static bool put_from_to(struct jrule *r, const char *name, struct nft_attr min, struct nft_attr max, uint8_t dt, size_t size, bool *any)
{
	const struct node *lo = min.p ? nft_reg(r, nft_u32(min, 0), size) : NULL, *hi = max.p ? nft_reg(r, nft_u32(max, 0), size) : NULL;

	if (!min.p)
		return true;
	if (!lo)
		return false;
	strbuf_addf(OUT, "%s\"%s\": ", *any ? ", " : "", name);
	*any = true;
	if (hi && hi != lo && lo->kind == N_DATA && hi->kind == N_DATA && lo->size == hi->size)
		nft_put_range(OUT, (struct jtype){ .dt = dt }, lo->p, hi->p, lo->size);
	else
		put_as(r, lo, dt);
	return true;
}

static void put_nat_flags(struct jrule *r, uint32_t f, bool *any)
{
	static const struct jword words[] = {
		{ NF_NAT_RANGE_PROTO_RANDOM, "random" }, { NF_NAT_RANGE_PROTO_RANDOM_FULLY, "fully-random" }, { NF_NAT_RANGE_PERSISTENT, "persistent" },
		{ NF_NAT_RANGE_NETMAP, "netmap" },
	};

	f &= NF_NAT_RANGE_PROTO_RANDOM | NF_NAT_RANGE_PROTO_RANDOM_FULLY | NF_NAT_RANGE_PERSISTENT | NF_NAT_RANGE_NETMAP;
	if (!f)
		return;
	strbuf_adds(OUT, *any ? ", \"flags\": " : "\"flags\": ");
	*any = true;
	nft_put_words(OUT, f, words, ARRAY_LEN(words), false);
	if (f & NF_NAT_RANGE_NETMAP)
		ADD(OUT, ", \"type_flags\": \"prefix\"");
}

/* The map gives address and port: the register of the port lies within. */
static bool has_own_register(const struct jrule *r, struct nft_attr reg)
{
	uint32_t n = nft_u32(reg, 0);
	unsigned slot = n >= NFT_REG32_00 ? n - NFT_REG32_00 : (n - NFT_REG_1) * 4;

	return slot < SLOTS && r->reg[slot];
}

/* A map that gives more than an address. */
static bool gives_more(struct jrule *r, struct nft_attr reg)
{
	const struct node *n = nft_reg(r, nft_u32(reg, 0), 4);

	return n && n->kind == N_MAP && n->set && (n->set->ndata == 2 || n->set->has_ranges);
}

static bool on_nat(struct jrule *r, const struct nft_attr *a)
{
	uint32_t type = nft_u32(a[NFTA_NAT_TYPE], UINT32_MAX), family = nft_u32(a[NFTA_NAT_FAMILY], 0);
	struct nft_attr addr_max = a[NFTA_NAT_REG_ADDR_MAX], proto = a[NFTA_NAT_REG_PROTO_MIN], proto_max = a[NFTA_NAT_REG_PROTO_MAX];
	bool any = false, ip6 = family == 10;

	if (type != NFT_NAT_SNAT && type != NFT_NAT_DNAT)
		return false;
	strbuf_adds(OUT, type == NFT_NAT_SNAT ? "{\"snat\": {" : "{\"dnat\": {");
	if (a[NFTA_NAT_REG_ADDR_MIN].p && (r->family == 1 || gives_more(r, a[NFTA_NAT_REG_ADDR_MIN])) && (family == 2 || ip6)) {
		strbuf_addf(OUT, "\"family\": \"%s\"", ip6 ? "ip6" : "ip");
		any = true;
	}
	if (a[NFTA_NAT_REG_ADDR_MIN].p && addr_max.p && !has_own_register(r, addr_max))
		addr_max.p = NULL;
	if (a[NFTA_NAT_REG_ADDR_MIN].p && proto.p && !has_own_register(r, proto))
		proto.p = NULL;
	if (!put_from_to(r, "addr", a[NFTA_NAT_REG_ADDR_MIN], addr_max, ip6 ? DT_IP6ADDR : DT_IPADDR, ip6 ? 16 : 4, &any) ||
	    !put_from_to(r, "port", proto, proto_max, DT_INET_SERVICE, 2, &any))
		return false;
	put_nat_flags(r, nft_u32(a[NFTA_NAT_FLAGS], 0), &any);
	ADD(OUT, "}}");
	return true;
}

static bool on_masq_redir(struct jrule *r, const char *name, struct nft_attr min, struct nft_attr max, uint32_t flags)
{
	bool any = false;

	strbuf_addf(OUT, "{\"%s\": ", name);
	strbuf_adds(OUT, min.p || flags ? "{" : "null");
	if (!put_from_to(r, "port", min, max, DT_INET_SERVICE, 2, &any))
		return false;
	put_nat_flags(r, flags, &any);
	strbuf_adds(OUT, min.p || flags ? "}}" : "}");
	return true;
}

static bool on_masq(struct jrule *r, const struct nft_attr *a)
{
	return on_masq_redir(r, "masquerade", a[NFTA_MASQ_REG_PROTO_MIN], a[NFTA_MASQ_REG_PROTO_MAX],
			     nft_u32(a[NFTA_MASQ_FLAGS], 0) & ~(uint32_t)NF_NAT_RANGE_PROTO_SPECIFIED);
}

static bool on_redir(struct jrule *r, const struct nft_attr *a)
{
	return on_masq_redir(r, "redirect", a[NFTA_REDIR_REG_PROTO_MIN], a[NFTA_REDIR_REG_PROTO_MAX],
			     nft_u32(a[NFTA_REDIR_FLAGS], 0) & ~(uint32_t)NF_NAT_RANGE_PROTO_SPECIFIED);
}

static bool on_tproxy(struct jrule *r, const struct nft_attr *a)
{
	uint32_t family = nft_u32(a[NFTA_TPROXY_FAMILY], 0);
	bool any = r->family == 1 && (family == 2 || family == 10), ip6 = family == 10;

	ADD(OUT, "{\"tproxy\": {");
	if (any)
		strbuf_addf(OUT, "\"family\": \"%s\"", ip6 ? "ip6" : "ip");
	if (!put_from_to(r, "addr", a[NFTA_TPROXY_REG_ADDR], (struct nft_attr){ NULL, 0 }, ip6 ? DT_IP6ADDR : DT_IPADDR, ip6 ? 16 : 4, &any) ||
	    !put_from_to(r, "port", a[NFTA_TPROXY_REG_PORT], (struct nft_attr){ NULL, 0 }, DT_INET_SERVICE, 2, &any))
		return false;
	ADD(OUT, "}}");
	return true;
}

static bool on_synproxy(struct jrule *r, const struct nft_attr *a)
{
	static const struct jword words[] = { { 8, "timestamp" }, { 4, "sack-perm" } }; /* NF_SYNPROXY_OPT_* */
	uint32_t f = nft_u32(a[NFTA_SYNPROXY_FLAGS], 0);
	const char *comma = "";

	ADD(OUT, "{\"synproxy\": {");
	if (f & 1 && a[NFTA_SYNPROXY_MSS].p && a[NFTA_SYNPROXY_MSS].size >= 2) {
		strbuf_addf(OUT, "\"mss\": %u", (unsigned)nft_number(a[NFTA_SYNPROXY_MSS].p, 2, false));
		comma = ", ";
	}
	if (f & 2 && a[NFTA_SYNPROXY_WSCALE].p && a[NFTA_SYNPROXY_WSCALE].size) {
		strbuf_addf(OUT, "%s\"wscale\": %u", comma, a[NFTA_SYNPROXY_WSCALE].p[0]);
		comma = ", ";
	}
	if (f & 12) {
		strbuf_addf(OUT, "%s\"flags\": ", comma);
		nft_put_words(OUT, f, words, ARRAY_LEN(words), false);
	}
	ADD(OUT, "}}");
	return true;
}

static bool on_dup_fwd(struct jrule *r, const char *name, struct nft_attr addr, struct nft_attr dev, uint32_t family)
{
	const struct node *n = addr.p ? nft_reg(r, nft_u32(addr, 0), 4) : NULL, *d = dev.p ? nft_reg(r, nft_u32(dev, 0), 4) : NULL;

	if ((addr.p && !n) || (dev.p && !d))
		return false;
	strbuf_addf(OUT, "{\"%s\": {", name);
	if (n) {
		ADD(OUT, "\"addr\": ");
		put_as(r, n, n->size == 16 ? DT_IP6ADDR : DT_IPADDR);
	}
	if (family == 2 || family == 10)
		strbuf_addf(OUT, "%s\"family\": \"%s\"", n ? ", " : "", family == 10 ? "ip6" : "ip");
	if (d) {
		/* nft 1.0.6 calls it an address where nothing else is said. */
		strbuf_adds(OUT, n || family == 2 || family == 10 ? ", \"dev\": " : strcmp(name, "dup") == 0 ? "\"addr\": " : "\"dev\": ");
		put_as(r, d, DT_IFINDEX);
	}
	ADD(OUT, "}}");
	return true;
}

static bool on_dup(struct jrule *r, const struct nft_attr *a)
{
	return on_dup_fwd(r, "dup", a[NFTA_DUP_SREG_ADDR], a[NFTA_DUP_SREG_DEV], 0);
}

static bool on_fwd(struct jrule *r, const struct nft_attr *a)
{
	return on_dup_fwd(r, "fwd", a[NFTA_FWD_SREG_ADDR], a[NFTA_FWD_SREG_DEV], nft_u32(a[NFTA_FWD_NFPROTO], 0));
}

/* ---- what is written into a packet, or into what is known of it ---- */

static bool mangle(struct jrule *r, const struct node *key, const struct node *value)
{
	ADD(OUT, "{\"mangle\": {\"key\": ");
	nft_put_node(r, OUT, key);
	ADD(OUT, ", \"value\": ");
	if (value->kind == N_DATA)
		nft_put_value(OUT, nft_type_of(r, key), value->p, value->size);
	else
		nft_put_node(r, OUT, value);
	ADD(OUT, "}}");
	return true;
}

static bool on_meta(struct jrule *r, const struct nft_attr *a)
{
	struct node key = { .kind = N_META, .key = nft_u32(a[NFTA_META_KEY], UINT32_MAX), .size = 4 };
	const struct node *v = nft_reg(r, nft_u32(a[NFTA_META_SREG], 0), 1);

	return v && mangle(r, &key, v);
}

static bool on_ct(struct jrule *r, const struct nft_attr *a)
{
	struct node key = { .kind = N_CT, .key = nft_u32(a[NFTA_CT_KEY], UINT32_MAX), .size = 4 };
	const struct node *v = nft_reg(r, nft_u32(a[NFTA_CT_SREG], 0), 1);

	if (a[NFTA_CT_DIRECTION].p && a[NFTA_CT_DIRECTION].size) {
		key.has_dir = true;
		key.base = a[NFTA_CT_DIRECTION].p[0];
	}
	return v && mangle(r, &key, v);
}

/* A field of some bits is written with what lies around it: (payload & ~field) ^ value. */
static bool mangle_bits(struct jrule *r, const struct node *key, const struct node *v)
{
	uint8_t keep[8], value[8];
	struct node field = { .kind = N_BITWISE, .size = key->size, .sub = key, .p = keep, .xor = value };
	const struct nft_field *f;
	unsigned shift = 0;

	if (v->kind != N_BITWISE || v->sub->kind != N_PAYLOAD || v->sub->base != key->base || v->sub->offset != key->offset || key->size > 8 ||
	    v->size != key->size)
		return false;
	for (unsigned i = 0; i < key->size; i++) {
		keep[i] = (uint8_t)~v->p[i];
		value[i] = 0;
	}
	f = nft_field_of(r, &field, &shift);
	if (!f)
		return false;
	for (unsigned i = 0; i < key->size; i++)
		if (v->xor[i] & v->p[i])
			return false;
	ADD(OUT, "{\"mangle\": {\"key\": ");
	nft_put_node(r, OUT, &field);
	ADD(OUT, ", \"value\": ");
	nft_put_constant(r, OUT, &field, v->xor, key->size);
	ADD(OUT, "}}");
	return true;
}

static bool on_payload(struct jrule *r, const struct nft_attr *a)
{
	struct node *key = nft_new_node(r, N_PAYLOAD, nft_u32(a[NFTA_PAYLOAD_LEN], 0));
	const struct node *v = key ? nft_reg(r, nft_u32(a[NFTA_PAYLOAD_SREG], 0), MAX(key->size, 1u)) : NULL;

	if (!key || !v)
		return false;
	key->base = (uint8_t)MIN(nft_u32(a[NFTA_PAYLOAD_BASE], 255), 255u);
	key->offset = nft_u32(a[NFTA_PAYLOAD_OFFSET], 0) * 8;
	return mangle_bits(r, key, v) || mangle(r, key, v);
}

static bool on_exthdr(struct jrule *r, const struct nft_attr *a)
{
	struct node key = {
		.kind = N_EXTHDR, .size = (uint16_t)MIN(nft_u32(a[NFTA_EXTHDR_LEN], 0), 255u), .offset = nft_u32(a[NFTA_EXTHDR_OFFSET], 0),
		.flags = nft_u32(a[NFTA_EXTHDR_FLAGS], 0), .base = (uint8_t)MIN(nft_u32(a[NFTA_EXTHDR_OP], NFT_EXTHDR_OP_IPV6), 255u),
	};
	const struct node *v = a[NFTA_EXTHDR_SREG].p ? nft_reg(r, nft_u32(a[NFTA_EXTHDR_SREG], 0), MAX(key.size, 1u)) : NULL;

	key.key = a[NFTA_EXTHDR_TYPE].p && a[NFTA_EXTHDR_TYPE].size ? a[NFTA_EXTHDR_TYPE].p[0] : 0;
	if (a[NFTA_EXTHDR_SREG].p)
		return v && mangle(r, &key, v);
	if (key.base != NFT_EXTHDR_OP_TCPOPT)
		return false;
	key.flags |= NFT_EXTHDR_F_PRESENT;
	ADD(OUT, "{\"reset\": ");
	nft_put_node(r, OUT, &key);
	ADD(OUT, "}");
	return true;
}

/* ---- objects, sets ---- */

static const char *object_kind(uint32_t type)
{
	static const char *const kinds[] = {
		[NFT_OBJECT_COUNTER] = "counter", [NFT_OBJECT_QUOTA] = "quota", [NFT_OBJECT_CT_HELPER] = "ct helper", [NFT_OBJECT_LIMIT] = "limit",
		[NFT_OBJECT_TUNNEL] = "tunnel", [NFT_OBJECT_CT_TIMEOUT] = "ct timeout", [NFT_OBJECT_SECMARK] = "secmark",
		[NFT_OBJECT_CT_EXPECT] = "ct expectation", [NFT_OBJECT_SYNPROXY] = "synproxy",
	};

	return type < ARRAY_LEN(kinds) ? kinds[type] : NULL;
}

static bool on_objref(struct jrule *r, const struct nft_attr *a)
{
	const char *name = nft_str(a[NFTA_OBJREF_IMM_NAME]), *set_name = nft_str(a[NFTA_OBJREF_SET_NAME]);
	struct jset *set = set_name ? nft_find_set(r->j, r->j->table, set_name) : NULL;
	const struct node *key = set ? nft_reg(r, nft_u32(a[NFTA_OBJREF_SET_SREG], 0), set->set->key_len) : NULL;
	const char *kind = object_kind(set ? set->set->obj_type : nft_u32(a[NFTA_OBJREF_IMM_TYPE], 0));

	if (!kind || !(name || key))
		return false;
	strbuf_addf(OUT, "{\"%s\": ", kind);
	if (key) {
		ADD(OUT, "{\"map\": {\"key\": ");
		nft_put_node(r, OUT, key);
		ADD(OUT, ", \"data\": ");
		nft_put_set(r, OUT, set, key);
		ADD(OUT, "}}");
	} else {
		nft_put_string(OUT, name, strlen(name));
	}
	ADD(OUT, "}");
	return true;
}

/* The set of a meter can be asked by nobody else. */
static bool put_meter(struct jrule *r, const struct nft_attr *a, const struct jset *set, const struct node *key)
{
	ADD(OUT, "{\"meter\": {\"key\": ");
	nft_put_node(r, OUT, key);
	ADD(OUT, ", \"stmt\": ");
	if (!nft_put_statefuls(OUT, a[NFTA_DYNSET_EXPR], a[NFTA_DYNSET_EXPRESSIONS], true))
		return false;
	if (set->set->size)
		strbuf_addf(OUT, ", \"size\": %u", set->set->size);
	ADD(OUT, ", \"name\": ");
	nft_put_string(OUT, set->set->name, strlen(set->set->name));
	ADD(OUT, "}}");
	return true;
}

static bool on_dynset(struct jrule *r, const struct nft_attr *a)
{
	static const char *const ops[] = { "add", "update", "delete" };
	const char *name = nft_str(a[NFTA_DYNSET_SET_NAME]);
	struct jset *set = name ? nft_find_set(r->j, r->j->table, name) : NULL;
	const struct node *key = set ? nft_reg(r, nft_u32(a[NFTA_DYNSET_SREG_KEY], 0), set->set->key_len) : NULL;
	const struct node *data = set && a[NFTA_DYNSET_SREG_DATA].p ? nft_reg(r, nft_u32(a[NFTA_DYNSET_SREG_DATA], 0), set->set->data_len) : NULL;
	uint32_t op = nft_u32(a[NFTA_DYNSET_OP], UINT32_MAX);
	uint64_t timeout = nft_u64(a[NFTA_DYNSET_TIMEOUT], 0);

	if (!key || op >= ARRAY_LEN(ops) || (a[NFTA_DYNSET_SREG_DATA].p && !data))
		return false;
	if (set->set->flags & NFT_SET_ANONYMOUS)
		return put_meter(r, a, set, key);
	strbuf_addf(OUT, "{\"%s\": {\"op\": \"%s\", \"elem\": ", data ? "map" : "set", ops[op]);
	strbuf_adds(OUT, timeout ? "{\"elem\": {\"val\": " : "");
	nft_put_node(r, OUT, key);
	if (timeout)
		strbuf_addf(OUT, ", \"timeout\": %llu}}", (unsigned long long)(timeout / 1000));
	if (data) {
		ADD(OUT, ", \"data\": ");
		put_as(r, data, set->ndata == 1 ? set->data[0].dt : DT_INTEGER);
	}
	strbuf_adds(OUT, data ? ", \"map\": " : ", \"set\": ");
	nft_put_set(r, OUT, set, key);
	if (a[NFTA_DYNSET_EXPR].p || a[NFTA_DYNSET_EXPRESSIONS].p) {
		ADD(OUT, ", \"stmt\": [");
		if (!nft_put_statefuls(OUT, a[NFTA_DYNSET_EXPR], a[NFTA_DYNSET_EXPRESSIONS], true))
			return false;
		ADD(OUT, "]");
	}
	ADD(OUT, "}}");
	return true;
}

static bool on_flow(struct jrule *r, const struct nft_attr *a)
{
	const char *name = nft_str(a[NFTA_FLOW_TABLE_NAME]);
	char at[256];
	int n = snprintf(at, sizeof(at), "@%s", name ? name : "");

	if (!name || n < 0)
		return false;
	ADD(OUT, "{\"flow\": {\"op\": \"add\", \"flowtable\": ");
	nft_put_string(OUT, at, MIN((size_t)n, sizeof(at) - 1));
	ADD(OUT, "}}");
	return true;
}

static bool on_notrack(struct jrule *r, const struct nft_attr *a)
{
	(void)a;
	ADD(OUT, "{\"notrack\": null}");
	return true;
}

static bool put_xt(struct jrule *r, const char *type, const char *name)
{
	if (!name)
		return false;
	strbuf_addf(OUT, "{\"xt\": {\"type\": \"%s\", \"name\": ", type);
	nft_put_string(OUT, name, strlen(name));
	ADD(OUT, "}}");
	return true;
}

static bool on_xt_match(struct jrule *r, const struct nft_attr *a)
{
	return put_xt(r, "match", nft_str(a[NFTA_MATCH_NAME]));
}

static bool on_xt_target(struct jrule *r, const struct nft_attr *a)
{
	return put_xt(r, "target", nft_str(a[NFTA_TARGET_NAME]));
}

/* ---- all together ---- */

bool nft_statement_expr(struct jrule *r, const char *name, struct nft_attr data)
{
	static const struct {
		const char *name;
		bool (*print)(struct jrule *r, const struct nft_attr *a);
	} rows[] = {
		{ "log", on_log }, { "reject", on_reject }, { "nat", on_nat }, { "masq", on_masq }, { "redir", on_redir }, { "tproxy", on_tproxy },
		{ "synproxy", on_synproxy }, { "dup", on_dup }, { "fwd", on_fwd }, { "queue", on_queue }, { "notrack", on_notrack }, { "meta", on_meta },
		{ "ct", on_ct }, { "payload", on_payload }, { "exthdr", on_exthdr }, { "objref", on_objref }, { "dynset", on_dynset },
		{ "flow_offload", on_flow }, { "match", on_xt_match }, { "target", on_xt_target },
	};
	struct nft_attr a[24];
	struct jstmt *s;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		s = nft_nested(data, a, ARRAY_LEN(a)) ? nft_stmt_begin(r) : NULL;
		if (!s)
			return false;
		if (!rows[i].print(r, a)) {
			s->dead = true;
			return false;
		}
		nft_action_end(r, s);
		return true;
	}
	return stateful(r, name, data);
}
