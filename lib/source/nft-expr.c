/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expressions of nftables: which field of a packet a rule looks at, masked and flipped as it says, and which protocol or
 * family that field belongs to, which nft asks for without printing it (src/payload.c, payload_gen_dependency).
 */
#include <errno.h>

#include "nft-private.h"

/* What the field of a part implies; 0: nothing. */
struct implied {
	uint8_t nfproto, l4proto;
};

/* ---- headers ---- */

enum { V4 = 2, V6 = 10 }; /* NFPROTO_IPV4, NFPROTO_IPV6 */

static const struct {
	const char *name;
	struct implied implied;
} protocols[] = {
	{ "ip", { V4, 0 } },	   { "ip6", { V6, 0 } },      { "tcp", { 0, IPPROTO_TCP } },	   { "udp", { 0, IPPROTO_UDP } },
	{ "th", { 0, 0 } },	   { "sctp", { 0, IPPROTO_SCTP } }, { "icmp", { V4, IPPROTO_ICMP } }, { "icmpv6", { V6, IPPROTO_ICMPV6 } },
	{ "udplite", { 0, IPPROTO_UDPLITE } }, { "dccp", { 0, IPPROTO_DCCP } }, { "esp", { 0, IPPROTO_ESP } }, { "ah", { 0, IPPROTO_AH } },
	{ "comp", { 0, IPPROTO_COMP } }, { "igmp", { V4, IPPROTO_IGMP } },
};

static const struct {
	const char *protocol, *field; /* NULL: of every protocol with ports */
	enum rs_field is;
	enum nft_type type;
	uint32_t mask;
} payloads[] = {
	{ "ip", "saddr", FIELD_SADDR, NFT_ADDR4, UINT32_MAX },	    { "ip", "daddr", FIELD_DADDR, NFT_ADDR4, UINT32_MAX },
	{ "ip6", "saddr", FIELD_SADDR, NFT_ADDR6, UINT32_MAX },	    { "ip6", "daddr", FIELD_DADDR, NFT_ADDR6, UINT32_MAX },
	{ NULL, "dport", FIELD_DPORT, NFT_SERVICE, UINT32_MAX },    { NULL, "sport", FIELD_SPORT, NFT_SERVICE, UINT32_MAX },
	{ "ip", "protocol", FIELD_PROTO, NFT_PROTO, UINT32_MAX },   { "ip6", "nexthdr", FIELD_PROTO, NFT_PROTO, UINT32_MAX },
	{ "icmp", "type", FIELD_ICMP, NFT_ICMP_TYPE, 0xff00 },	    { "icmpv6", "type", FIELD_ICMP, NFT_ICMP6_TYPE, 0xff00 },
	{ "icmp", "code", FIELD_ICMP, NFT_ICMP_CODE, 0xff },	    { "icmpv6", "code", FIELD_ICMP, NFT_ICMP6_CODE, 0xff },
	{ "tcp", "flags", FIELD_TCP_FLAGS, NFT_TCP_FLAGS, UINT32_MAX },
};

static void set_part(struct nft_part *p, enum rs_field field, enum nft_type type)
{
	*p = (struct nft_part){
		.sel = { .field = (uint8_t)field, .kind = (uint8_t)nft_kind(type), .plen = 128, .mask = UINT32_MAX }, .type = type,
	};
}

static bool has_ports(const char *protocol)
{
	static const char *const names[] = { "tcp", "udp", "th", "sctp", "udplite", "dccp" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(protocol, names[i]) == 0)
			return true;
	return false;
}

/* @th,0,16 and @th,16,16 are the ports, whatever the protocol. */
static void describe_raw(const json_t *arg, struct nft_part *p)
{
	int64_t offset, len;

	if (str_is(json_str(arg, "base"), "th") && json_int(arg, "offset", &offset) && json_int(arg, "len", &len) && len == 16 &&
	    (offset == 0 || offset == 16))
		set_part(p, offset ? FIELD_DPORT : FIELD_SPORT, NFT_SERVICE);
}

static void describe_payload(const json_t *arg, struct nft_part *p, struct implied *implied)
{
	const char *protocol = json_str(arg, "protocol"), *field = json_str(arg, "field");

	if (json_object_get(arg, "tunnel")) /* of the packet within */
		return;
	if (!protocol || !field) {
		describe_raw(arg, p);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (strcmp(protocols[i].name, protocol) == 0)
			*implied = protocols[i].implied;
	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		if (strcmp(payloads[i].field, field) != 0 ||
		    (payloads[i].protocol ? strcmp(payloads[i].protocol, protocol) != 0 : !has_ports(protocol)))
			continue;
		set_part(p, payloads[i].is, payloads[i].type);
		p->sel.mask = payloads[i].mask;
		return;
	}
}

/* ---- what the kernel knows of a packet ---- */

static void describe_meta(const json_t *arg, struct nft_part *p)
{
	static const struct {
		const char *key;
		enum rs_field field;
		enum nft_type type;
	} keys[] = {
		{ "l4proto", FIELD_PROTO, NFT_PROTO },	{ "mark", FIELD_MARK, NFT_MARK },      { "iifname", FIELD_IIF, NFT_IFNAME },
		{ "oifname", FIELD_OIF, NFT_IFNAME },	{ "iif", FIELD_IIF, NFT_IFNAME },      { "oif", FIELD_OIF, NFT_IFNAME },
		{ "nfproto", FIELD_NFPROTO, NFT_NFPROTO }, { "protocol", FIELD_ETHERTYPE, NFT_ETHERTYPE },
	};
	const char *key = json_str(arg, "key");

	for (size_t i = 0; key && i < ARRAY_LEN(keys); i++)
		if (strcmp(keys[i].key, key) == 0)
			set_part(p, keys[i].field, keys[i].type);
}

/* @family: of the table, which an address may leave out; NULL: both. */
static void describe_ct(const json_t *arg, const char *family, struct nft_part *p)
{
	static const struct {
		const char *key;
		enum rs_field field, reply; /* reply: FIELD_OPAQUE where a direction makes no sense */
		enum nft_type type;
	} keys[] = {
		{ "state", FIELD_CT_STATE, FIELD_OPAQUE, NFT_CT_STATE },
		{ "status", FIELD_CT_STATUS, FIELD_OPAQUE, NFT_CT_STATUS },
		{ "direction", FIELD_CT_DIR, FIELD_OPAQUE, NFT_CT_DIR },
		{ "mark", FIELD_CT_MARK, FIELD_OPAQUE, NFT_MARK },
		{ "protocol", FIELD_CT_PROTO, FIELD_CT_PROTO, NFT_PROTO },
		{ "ip saddr", FIELD_CT_ORIG_SADDR, FIELD_CT_REPL_SADDR, NFT_ADDR4 },
		{ "ip daddr", FIELD_CT_ORIG_DADDR, FIELD_CT_REPL_DADDR, NFT_ADDR4 },
		{ "ip6 saddr", FIELD_CT_ORIG_SADDR, FIELD_CT_REPL_SADDR, NFT_ADDR6 },
		{ "ip6 daddr", FIELD_CT_ORIG_DADDR, FIELD_CT_REPL_DADDR, NFT_ADDR6 },
		{ "proto-src", FIELD_CT_ORIG_SPORT, FIELD_CT_REPL_SPORT, NFT_SERVICE },
		{ "proto-dst", FIELD_CT_ORIG_DPORT, FIELD_CT_REPL_DPORT, NFT_SERVICE },
	};
	const char *key = json_str(arg, "key"), *dir = json_str(arg, "dir");
	char full[32];

	if (!key)
		return;
	if (json_str(arg, "family"))
		family = json_str(arg, "family");
	else if (strcmp(key, "saddr") != 0 && strcmp(key, "daddr") != 0)
		family = NULL;
	snprintf(full, sizeof(full), "%s%s%s", family ? family : "", family ? " " : "", key);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		bool directed = keys[i].reply != FIELD_OPAQUE && strcmp(keys[i].key, "protocol") != 0;

		if (strcmp(keys[i].key, full) == 0 && directed == (dir != NULL))
			set_part(p, str_is(dir, "reply") ? keys[i].reply : keys[i].field, keys[i].type);
	}
}

/* "fib saddr . iif type". A lookup with the packet's mark or TOS is not modelled. */
static void describe_fib(const json_t *arg, struct nft_part *p)
{
	const json_t *flags = json_object_get(arg, "flags");
	bool saddr = nft_has_word(flags, "saddr"), daddr = nft_has_word(flags, "daddr");

	if (!str_is(json_str(arg, "result"), "type") || saddr == daddr || nft_has_word(flags, "mark"))
		return;
	set_part(p, saddr ? FIELD_SADDR_TYPE : FIELD_DADDR_TYPE, NFT_FIB_TYPE);
	p->sel.flags = (uint8_t)((nft_has_word(flags, "iif") ? RS_LIMIT_IIF : 0) | (nft_has_word(flags, "oif") ? RS_LIMIT_OIF : 0));
}

/* numgen, jhash, symhash: a number from offset to offset + mod - 1. */
static void describe_number(const char *kind, const json_t *arg, struct nft_part *p)
{
	enum rs_field field = FIELD_HASH;
	int64_t mod, offset = 0;

	if (strcmp(kind, "numgen") == 0)
		field = str_is(json_str(arg, "mode"), "random") ? FIELD_NUMGEN : str_is(json_str(arg, "mode"), "inc") ? FIELD_NUMGEN_INC :
			FIELD_OPAQUE;
	(void)json_int(arg, "offset", &offset);
	if (field == FIELD_OPAQUE || !json_int(arg, "mod", &mod) || mod < 1 || offset < 0 || mod + offset - 1 > (int64_t)UINT32_MAX ||
	    mod > (int64_t)UINT32_MAX || offset > (int64_t)UINT32_MAX)
		return;
	set_part(p, field, NFT_NUMBER);
	p->sel.mod = (uint32_t)mod;
	p->sel.offset = (uint32_t)offset;
}

/* ---- masks ---- */

static int describe(struct nft_reader *x, const json_t *e, unsigned depth, struct nft_part *p, struct implied *implied);

/* Of IPv6 addresses only leading bits can be kept. */
static int mask_addr6(struct nft_part *p, const char *op, const struct rs_addr_range *v)
{
	unsigned len = 0;
	struct ip_addr mask;

	while (len < 128 && v->lo.b[len / 8] & 0x80 >> len % 8)
		len++;
	mask = ip_prefix_mask(AF_INET6, len);
	if (strcmp(op, "&") != 0 || !ip_addr_equal(&v->lo, &v->hi) || memcmp(mask.b, v->lo.b, sizeof(mask.b)) != 0)
		return SD_EPARSE;
	p->sel.plen = (uint8_t)MIN(len, p->sel.plen);
	return 0;
}

static int apply(struct nft_part *p, const char *op, uint32_t v)
{
	struct rs_selector *s = &p->sel;

	if (strcmp(op, "&") == 0) {
		s->mask &= v;
		s->flip &= v;
	} else if (strcmp(op, "|") == 0) {
		s->mask &= ~v;
		s->flip |= v;
	} else if (strcmp(op, "^") == 0) {
		s->flip ^= v;
	} else {
		return SD_EPARSE;
	}
	return 0;
}

/* [ field, constant, ... ] */
static int describe_masked(struct nft_reader *x, const char *op, const json_t *args, unsigned depth, struct nft_part *p, struct implied *implied)
{
	size_t n = json_array_size(args);
	int r = n >= 2 && n <= NFT_DEPTH_MAX ? describe(x, json_array_get(args, 0), depth + 1, p, implied) : SD_EPARSE;

	if (r < 0 || p->type == NFT_OPAQUE || p->sel.field == FIELD_ICMP || p->type == NFT_FIB_TYPE || p->type == NFT_IFNAME)
		return r == -ENOMEM ? r : SD_EPARSE;
	for (size_t i = 1; i < n; i++) {
		struct rs_value v;

		r = nft_value(x, p->type, json_array_get(args, i), &v);
		if (r == 0 && p->sel.kind == VALUE_ADDR6)
			r = mask_addr6(p, op, v.u.addr6);
		else if (r == 0)
			r = v.u.num.lo == v.u.num.hi ? apply(p, op, v.u.num.lo) : SD_EPARSE;
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- all together ---- */

/* The part is opaque where it is not known. 0, SD_EPARSE: this is no expression that looks at a packet, -ENOMEM. */
static int describe(struct nft_reader *x, const json_t *e, unsigned depth, struct nft_part *p, struct implied *implied)
{
	const char *kind;
	const json_t *arg = nft_member(e, &kind);
	int r;

	set_part(p, FIELD_OPAQUE, NFT_OPAQUE);
	if (!arg || depth > NFT_DEPTH_MAX)
		return SD_EPARSE;
	if (strcmp(kind, "payload") == 0) {
		describe_payload(arg, p, implied);
	} else if (strcmp(kind, "meta") == 0) {
		describe_meta(arg, p);
	} else if (strcmp(kind, "ct") == 0) {
		describe_ct(arg, x->table && x->table->family != RS_INET ? rs_family_name(x->table->family) : NULL, p);
	} else if (strcmp(kind, "fib") == 0) {
		describe_fib(arg, p);
	} else if (strcmp(kind, "numgen") == 0 || strcmp(kind, "jhash") == 0 || strcmp(kind, "symhash") == 0) {
		describe_number(kind, arg, p);
	} else if (strcmp(kind, "exthdr") == 0) {
		implied->nfproto = V6;
	} else if (strcmp(kind, "tcp option") == 0) {
		implied->l4proto = IPPROTO_TCP;
	} else if (strcmp(kind, "sctp chunk") == 0) {
		implied->l4proto = IPPROTO_SCTP;
	} else if (json_is_array(arg) && strcmp(kind, "concat") != 0 && strcmp(kind, "set") != 0) {
		r = describe_masked(x, kind, arg, depth, p, implied);
		if (r < 0)
			set_part(p, FIELD_OPAQUE, NFT_OPAQUE);
		return r == SD_EPARSE ? 0 : r;
	}
	return 0;
}

static int add_part(struct nft_reader *x, const json_t *e, struct nft_key *k)
{
	struct implied implied = { 0, 0 };
	int r = k->n < RS_KEY_PARTS ? describe(x, e, 0, &k->part[k->n], &implied) : SD_EPARSE;

	if (r < 0)
		return r;
	k->n++;
	if (implied.nfproto && x->table && x->table->family == RS_INET)
		r = nft_add_implied(x, FIELD_NFPROTO, implied.nfproto);
	return r == 0 && implied.l4proto ? nft_add_implied(x, FIELD_PROTO, implied.l4proto) : r;
}

int nft_key(struct nft_reader *x, const json_t *e, struct nft_key *ret)
{
	const json_t *parts = json_arr(e, "concat");
	int r = 0;

	*ret = (struct nft_key){ 0 };
	if (!parts)
		return add_part(x, e, ret);
	for (size_t i = 0; i < json_array_size(parts) && r == 0; i++)
		r = add_part(x, json_array_get(parts, i), ret);
	return r == 0 && ret->n == 0 ? SD_EPARSE : r;
}

enum nft_type nft_typeof(const json_t *e)
{
	struct implied implied = { 0, 0 };
	struct nft_part p;
	const char *kind;
	const json_t *arg = nft_member(e, &kind);

	set_part(&p, FIELD_OPAQUE, NFT_OPAQUE);
	if (!arg)
		return NFT_OPAQUE;
	if (strcmp(kind, "payload") == 0)
		describe_payload(arg, &p, &implied);
	else if (strcmp(kind, "meta") == 0)
		describe_meta(arg, &p);
	else if (strcmp(kind, "ct") == 0)
		describe_ct(arg, NULL, &p);
	else if (strcmp(kind, "fib") == 0)
		describe_fib(arg, &p);
	else if (strcmp(kind, "numgen") == 0 || strcmp(kind, "jhash") == 0 || strcmp(kind, "symhash") == 0)
		describe_number(kind, arg, &p);
	return p.type;
}

enum rs_field nft_text_field(const json_t *e)
{
	static const struct {
		const char *kind, *name; /* name: key or field; NULL: any */
		enum rs_field field;
	} rows[] = {
		{ "meta", "length", FIELD_LENGTH },	{ "meta", "pkttype", FIELD_PKTTYPE }, { "meta", "skuid", FIELD_OWNER },
		{ "meta", "skgid", FIELD_OWNER },	{ "meta", "cpu", FIELD_CPU },	      { "meta", "cgroup", FIELD_CGROUP },
		{ "meta", "rtclassid", FIELD_REALM },	{ "meta", "time", FIELD_TIME },	      { "meta", "hour", FIELD_TIME },
		{ "meta", "day", FIELD_TIME },		{ "meta", "iifgroup", FIELD_DEVGROUP }, { "meta", "oifgroup", FIELD_DEVGROUP },
		{ "ct", "expiration", FIELD_CT_EXPIRE }, { "ct", "helper", FIELD_HELPER },    { "ct", "zone", FIELD_CT_ZONE },
		{ "ct", "label", FIELD_CT_LABEL },	{ "ct", "bytes", FIELD_CT_BYTES },    { "ct", "packets", FIELD_CT_BYTES },
		{ "ct", "avgpkt", FIELD_CT_BYTES },	{ "payload", "ttl", FIELD_TTL },      { "payload", "hoplimit", FIELD_TTL },
		{ "payload", "dscp", FIELD_DSCP },	{ "payload", "ecn", FIELD_ECN },      { "payload", "spi", FIELD_ESP },
		{ "socket", NULL, FIELD_SOCKET },	{ "rt", "classid", FIELD_REALM },     { "ipsec", NULL, FIELD_POLICY },
		{ "exthdr", NULL, FIELD_EXTHDR },	{ "tcp option", NULL, FIELD_TCP_OPTION }, { "fib", NULL, FIELD_FIB },
	};
	const char *kind = NULL, *name;
	const json_t *arg = nft_member(e, &kind);

	if (!arg)
		return FIELD_OPAQUE;
	name = json_str(arg, "key") ? json_str(arg, "key") : json_str(arg, "field");
	if (strcmp(kind, "payload") == 0 && json_object_get(arg, "tunnel"))
		return FIELD_OPAQUE;
	if (strcmp(kind, "payload") == 0 && str_is(json_str(arg, "protocol"), "ether"))
		return str_is(name, "saddr") ? FIELD_MAC : FIELD_OPAQUE;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].kind, kind) == 0 && (!rows[i].name || str_is(name, rows[i].name)))
			return rows[i].field;
	return FIELD_OPAQUE;
}
