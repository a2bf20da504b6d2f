/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a register holds, as an expression of nft: which field of the packet, masked and flipped, or looked up in a map. */

#include "nft-json-private.h"

struct key {
	const char *name;
	uint8_t dt;
	bool big; /* in network byte order, although its type is not */
};

/* enum nft_meta_keys */
static const struct key metas[] = {
	{ "length", DT_INTEGER, false }, { "protocol", DT_ETHERTYPE, false }, { "priority", DT_CLASSID, false }, { "mark", DT_MARK, false },
	{ "iif", DT_IFINDEX, false }, { "oif", DT_IFINDEX, false }, { "iifname", DT_IFNAME, false }, { "oifname", DT_IFNAME, false },
	{ "iiftype", DT_ARPHRD, false }, { "oiftype", DT_ARPHRD, false }, { "skuid", DT_UID, false }, { "skgid", DT_GID, false },
	{ "nftrace", DT_INTEGER, false }, { "rtclassid", DT_REALM, false }, { "secmark", DT_INTEGER, false }, { "nfproto", DT_NFPROTO, false },
	{ "l4proto", DT_INET_PROTOCOL, false }, { "ibrname", DT_IFNAME, false }, { "obrname", DT_IFNAME, false }, { "pkttype", DT_PKTTYPE, false },
	{ "cpu", DT_INTEGER, false }, { "iifgroup", DT_DEVGROUP, false }, { "oifgroup", DT_DEVGROUP, false }, { "cgroup", DT_INTEGER, false },
	{ "random", DT_INTEGER, true }, { "ipsec", DT_BOOLEAN, false }, { "iifkind", DT_IFNAME, false }, { "oifkind", DT_IFNAME, false },
	{ "ibrpvid", DT_INTEGER, false }, { "ibrvproto", DT_ETHERTYPE, true }, { "time", DT_TIME_DATE, false }, { "day", DT_TIME_DAY, false },
	{ "hour", DT_TIME_HOUR, false }, { "sdif", DT_IFINDEX, false }, { "sdifname", DT_IFNAME, false }, { "broute", DT_INTEGER, false },
};
/* enum nft_ct_keys */
static const struct key cts[] = {
	{ "state", DT_CT_STATE, false }, { "direction", DT_CT_DIR, false }, { "status", DT_CT_STATUS, false }, { "mark", DT_MARK, false },
	{ "secmark", DT_INTEGER, false }, { "expiration", DT_TIME, false }, { "helper", DT_STRING, false }, { "l3proto", DT_NFPROTO, false },
	{ "saddr", DT_NONE, false }, { "daddr", DT_NONE, false }, { "protocol", DT_INET_PROTOCOL, false }, { "proto-src", DT_INET_SERVICE, false },
	{ "proto-dst", DT_INET_SERVICE, false }, { "label", DT_CT_LABEL, false }, { "packets", DT_INTEGER, false }, { "bytes", DT_INTEGER, false },
	{ "avgpkt", DT_INTEGER, false }, { "zone", DT_INTEGER, false }, { "event", DT_CT_EVENT, false }, { "ip saddr", DT_IPADDR, false },
	{ "ip daddr", DT_IPADDR, false }, { "ip6 saddr", DT_IP6ADDR, false }, { "ip6 daddr", DT_IP6ADDR, false }, { "id", DT_INTEGER, true },
};
/* enum nft_rt_keys */
static const struct key rts[] = {
	{ "classid", DT_REALM, false }, { "nexthop", DT_IPADDR, false }, { "nexthop", DT_IP6ADDR, false }, { "mtu", DT_INTEGER, false },
	{ "ipsec", DT_BOOLEAN, false },
};
/* enum nft_socket_keys */
static const struct key sockets[] = {
	{ "transparent", DT_INTEGER, false }, { "mark", DT_MARK, false }, { "wildcard", DT_INTEGER, false }, { "cgroupv2", DT_CGROUPV2, false },
};
/* enum nft_xfrm_keys */
static const struct key xfrms[] = {
	{ "unspec", DT_NONE, false }, { "daddr", DT_IPADDR, false }, { "daddr", DT_IP6ADDR, false }, { "saddr", DT_IPADDR, false },
	{ "saddr", DT_IP6ADDR, false }, { "reqid", DT_INTEGER, false }, { "spi", DT_INTEGER, true },
};

static const struct key *key_of(const struct node *n)
{
	static const struct key unknown = { NULL, DT_INTEGER, false };
	const struct key *rows = n->kind == N_META ? metas : n->kind == N_CT ? cts : n->kind == N_RT ? rts : n->kind == N_SOCKET ? sockets : xfrms;
	size_t len = n->kind == N_META ? ARRAY_LEN(metas) : n->kind == N_CT ? ARRAY_LEN(cts) : n->kind == N_RT ? ARRAY_LEN(rts) :
		n->kind == N_SOCKET ? ARRAY_LEN(sockets) : ARRAY_LEN(xfrms);

	return n->key < len ? &rows[n->key] : &unknown;
}

/* ---- fields of headers ---- */

/* What the mask keeps: how many bits are cut before and behind. False: it is not one piece. */
static bool one_piece(const uint8_t *mask, size_t size, unsigned *ret_before, unsigned *ret_behind)
{
	unsigned first = 0, last = (unsigned)size * 8, i;

	while (first < last && !(mask[first / 8] & 0x80 >> first % 8))
		first++;
	while (last > first && !(mask[(last - 1) / 8] & 0x80 >> (last - 1) % 8))
		last--;
	for (i = first; i < last; i++)
		if (!(mask[i / 8] & 0x80 >> i % 8))
			return false;
	*ret_before = first;
	*ret_behind = (unsigned)size * 8 - last;
	return first < last;
}

static bool is_zero(const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i])
			return false;
	return true;
}

/* Ports are ports, whatever the protocol. */
static const struct nft_field *at(const struct jrule *r, unsigned base, unsigned offset, unsigned bits)
{
	unsigned proto = base < ARRAY_LEN(r->proto) ? r->proto[base] : P_NONE;

	if (base == NFT_PAYLOAD_TRANSPORT_HEADER && proto == P_NONE)
		proto = P_TH;
	if (base == NFT_PAYLOAD_LL_HEADER && proto == P_ETHER && offset >= 112)
		proto = P_VLAN;
	return proto == P_NONE ? NULL : nft_field_at(proto, offset, bits);
}

const struct nft_field *nft_field_of(struct jrule *r, const struct node *n, unsigned *ret_shift)
{
	unsigned before = 0, behind = 0, shift = 0;
	const struct node *p = n;

	*ret_shift = 0;
	if (p->kind == N_SHIFT && !p->left) {
		shift = p->key;
		p = p->sub;
	}
	if (p->kind == N_BITWISE && p->sub->kind == N_PAYLOAD) {
		if (!is_zero(p->xor, p->size) || !one_piece(p->p, p->size, &before, &behind))
			return NULL;
		p = p->sub;
	}
	if (p->kind != N_PAYLOAD || (n->kind == N_SHIFT && shift != behind))
		return NULL;
	*ret_shift = n->kind == N_SHIFT ? 0 : behind;
	return at(r, p->base, p->offset + before, p->size * 8u - before - behind);
}

/* ---- types ---- */

static struct jtype number_type(const struct node *n, bool host)
{
	return (struct jtype){ .dt = DT_INTEGER, .host = host && !n->swapped };
}

static struct jtype type_by_key(struct jrule *r, const struct node *n)
{
	const struct key *k = key_of(n);
	struct jtype t = { .dt = k->dt };

	if (t.dt == DT_NONE)
		t.dt = n->size == 16 || (n->size != 4 && r->proto[NFT_PAYLOAD_NETWORK_HEADER] == P_IP6) ? DT_IP6ADDR : DT_IPADDR;
	t.host = (t.dt == DT_INTEGER || nft_dt_is_host(t.dt)) && !k->big && !n->swapped;
	return t;
}

static struct jtype type_of(struct jrule *r, const struct node *n)
{
	const struct nft_field *f;
	unsigned shift;

	switch ((enum node_kind)n->kind) {
	case N_PAYLOAD:
		f = nft_field_of(r, n, &shift);
		return (struct jtype){ .dt = f ? f->dt : DT_INTEGER, .bits = f ? f->bits : 0 };
	case N_BITWISE:
	case N_SHIFT:
		f = nft_field_of(r, n, &shift);
		if (f)
			return (struct jtype){ .dt = f->dt, .bits = f->bits };
		return nft_type_of(r, n->sub);
	case N_META:
	case N_CT:
	case N_RT:
	case N_SOCKET:
	case N_XFRM:
		return type_by_key(r, n);
	case N_FIB:
		if (n->flags & NFTA_FIB_F_PRESENT)
			return (struct jtype){ .dt = DT_BOOLEAN };
		if (n->key == NFT_FIB_RESULT_OIFNAME)
			return (struct jtype){ .dt = DT_IFNAME };
		return (struct jtype){ .dt = n->key == NFT_FIB_RESULT_OIF ? DT_IFINDEX : DT_FIB_ADDR, .host = !n->swapped };
	case N_EXTHDR:
		if (n->flags & NFT_EXTHDR_F_PRESENT)
			return (struct jtype){ .dt = DT_BOOLEAN };
		return (struct jtype){ .dt = DT_INTEGER };
	case N_NUMGEN:
	case N_HASH:
		return number_type(n, true);
	case N_OSF:
		return (struct jtype){ .dt = DT_STRING };
	case N_MAP:
		return n->set && n->set->ndata ? n->set->data[0] : (struct jtype){ .dt = DT_INTEGER };
	default:
		return number_type(n, false);
	}
}

struct jtype nft_type_of(struct jrule *r, const struct node *n)
{
	struct jtype t = type_of(r, n);

	t.host = (t.host || n->hosted) && !n->swapped;
	return t;
}

/* ---- constants ---- */

/* @p as a number, shifted right, and again as bytes in network order. */
static void put_shifted(struct strbuf *b, struct jtype t, const uint8_t *p, size_t size, unsigned shift)
{
	uint64_t v = nft_number(p, size, false) >> shift;
	uint8_t bytes[8];

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(v >> (56 - 8 * i));
	t.host = false;
	nft_put_value(b, t, t.bits <= 8 ? bytes + 7 : t.bits <= 16 ? bytes + 6 : bytes, t.bits <= 8 ? 1 : t.bits <= 16 ? 2 : 8);
}

static void put_parts(struct jrule *r, struct strbuf *b, const struct node *like, const uint8_t *p, size_t size)
{
	size_t from = 0;

	ADD(b, "{\"concat\": [");
	for (unsigned i = 0; i < like->n; i++) {
		size_t len = like->parts[i]->size;

		if (from + len > size)
			break;
		strbuf_adds(b, i ? ", " : "");
		nft_put_constant(r, b, like->parts[i], p + from, len);
		from += (len + 3) / 4 * 4;
	}
	ADD(b, "]}");
}

void nft_put_constant(struct jrule *r, struct strbuf *b, const struct node *like, const uint8_t *p, size_t size)
{
	unsigned shift = 0;
	struct jtype t;

	if (like->kind == N_CONCAT) {
		put_parts(r, b, like, p, size);
		return;
	}
	t = nft_type_of(r, like);
	if (t.bits && size <= 8 && nft_field_of(r, like, &shift) && shift)
		put_shifted(b, t, p, size, shift);
	else if (like->kind == N_BITWISE && nft_dt_is_flags(t.dt))
		nft_put_flags(b, t, p, size, true);
	else
		nft_put_value(b, t, p, size);
}

/* ---- expressions ---- */

void nft_put_words(struct strbuf *b, uint32_t flags, const struct jword *words, size_t n, bool always_list)
{
	bool list = always_list || (flags & (flags - 1)), first = true;

	strbuf_adds(b, list ? "[" : "");
	for (size_t i = 0; i < n; i++) {
		if (!(flags & words[i].bit))
			continue;
		strbuf_addf(b, "%s\"%s\"", first ? "" : ", ", words[i].name);
		first = false;
	}
	strbuf_adds(b, list ? "]" : "");
}

static void put_payload(struct jrule *r, struct strbuf *b, const struct node *n, const struct nft_field *f)
{
	static const char *const bases[] = { "ll", "nh", "th", "ih" };

	if (f && f->proto == P_ARP) {
		ADD(b, "{\"payload\": {\"protocol\": \"arp\", \"field\": \"");
	} else if (!f) {
		strbuf_addf(b, "{\"payload\": {\"base\": \"%s\", \"offset\": %u, \"len\": %u}}", n->base < 4 ? bases[n->base] : "unknown", n->offset,
			    n->size * 8u);
		return;
	} else {
		ADD(b, "{\"payload\": {\"protocol\": \"");
		strbuf_adds(b, nft_proto_name(f->proto));
		ADD(b, "\", \"field\": \"");
	}
	strbuf_adds(b, f->name);
	ADD(b, "\"}}");
	nft_protocol_used(r, f->proto == P_VLAN ? NFT_PAYLOAD_NETWORK_HEADER : n->base, f);
}

static void put_ct(struct strbuf *b, const struct node *n)
{
	strbuf_addf(b, "{\"ct\": {\"key\": \"%s\"", key_of(n)->name);
	if (n->has_dir)
		strbuf_addf(b, ", \"dir\": \"%s\"", n->base == 0 ? "original" : n->base == 1 ? "reply" : "unknown");
	ADD(b, "}}");
}

static void put_fib(struct strbuf *b, const struct node *n)
{
	static const struct jword flags[] = {
		{ NFTA_FIB_F_SADDR, "saddr" }, { NFTA_FIB_F_DADDR, "daddr" }, { NFTA_FIB_F_MARK, "mark" }, { NFTA_FIB_F_IIF, "iif" },
		{ NFTA_FIB_F_OIF, "oif" },
	};
	static const char *const results[] = { "unknown", "oif", "oifname", "type" };

	strbuf_addf(b, "{\"fib\": {\"result\": \"%s\", \"flags\": ", n->key < ARRAY_LEN(results) ? results[n->key] : "unknown");
	nft_put_words(b, n->flags, flags, ARRAY_LEN(flags), true);
	ADD(b, "}}");
}

static void put_rt(struct strbuf *b, const struct node *n)
{
	strbuf_addf(b, "{\"rt\": {\"key\": \"%s\"", key_of(n)->name);
	if (n->key == NFT_RT_NEXTHOP4 || n->key == NFT_RT_NEXTHOP6)
		strbuf_addf(b, ", \"family\": \"%s\"", n->key == NFT_RT_NEXTHOP4 ? "ip" : "ip6");
	ADD(b, "}}");
}

static void put_xfrm(struct strbuf *b, const struct node *n)
{
	strbuf_addf(b, "{\"ipsec\": {\"key\": \"%s\"", key_of(n)->name);
	if (n->key >= NFT_XFRM_KEY_DADDR_IP4 && n->key <= NFT_XFRM_KEY_SADDR_IP6)
		strbuf_addf(b, ", \"family\": \"%s\"", n->key == NFT_XFRM_KEY_DADDR_IP4 || n->key == NFT_XFRM_KEY_SADDR_IP4 ? "ip" : "ip6");
	strbuf_addf(b, ", \"dir\": \"%s\", \"spnum\": %u}}", n->base == 0 ? "in" : "out", n->offset);
}

/* Extension headers of IPv6, options of IPv4, TCP and chunks of SCTP; of the fields the common ones: src/exthdr.c, tcpopt.c */
static const char *exthdr_name(const struct node *n)
{
	static const struct {
		uint8_t op, type;
		const char *name;
	} names[] = {
		{ NFT_EXTHDR_OP_IPV6, 0, "hbh" }, { NFT_EXTHDR_OP_IPV6, 43, "rt" }, { NFT_EXTHDR_OP_IPV6, 44, "frag" }, { NFT_EXTHDR_OP_IPV6, 60, "dst" },
		{ NFT_EXTHDR_OP_IPV6, 135, "mh" },
		{ NFT_EXTHDR_OP_TCPOPT, 0, "eol" }, { NFT_EXTHDR_OP_TCPOPT, 1, "nop" }, { NFT_EXTHDR_OP_TCPOPT, 2, "maxseg" },
		{ NFT_EXTHDR_OP_TCPOPT, 3, "window" }, { NFT_EXTHDR_OP_TCPOPT, 4, "sack-perm" }, { NFT_EXTHDR_OP_TCPOPT, 5, "sack" },
		{ NFT_EXTHDR_OP_TCPOPT, 8, "timestamp" }, { NFT_EXTHDR_OP_TCPOPT, 19, "md5sig" }, { NFT_EXTHDR_OP_TCPOPT, 30, "mptcp" },
		{ NFT_EXTHDR_OP_TCPOPT, 34, "fastopen" },
		{ NFT_EXTHDR_OP_IPV4, 131, "lsrr" }, { NFT_EXTHDR_OP_IPV4, 7, "rr" }, { NFT_EXTHDR_OP_IPV4, 137, "ssrr" }, { NFT_EXTHDR_OP_IPV4, 148, "ra" },
		{ NFT_EXTHDR_OP_SCTP, 0, "data" }, { NFT_EXTHDR_OP_SCTP, 1, "init" }, { NFT_EXTHDR_OP_SCTP, 2, "init-ack" }, { NFT_EXTHDR_OP_SCTP, 3, "sack" },
		{ NFT_EXTHDR_OP_SCTP, 4, "heartbeat" }, { NFT_EXTHDR_OP_SCTP, 5, "heartbeat-ack" }, { NFT_EXTHDR_OP_SCTP, 6, "abort" },
		{ NFT_EXTHDR_OP_SCTP, 7, "shutdown" }, { NFT_EXTHDR_OP_SCTP, 8, "shutdown-ack" }, { NFT_EXTHDR_OP_SCTP, 9, "error" },
		{ NFT_EXTHDR_OP_SCTP, 10, "cookie-echo" }, { NFT_EXTHDR_OP_SCTP, 11, "cookie-ack" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].op == n->base && names[i].type == n->key)
			return names[i].name;
	return NULL;
}

static const char *exthdr_field(const struct node *n, const char *name)
{
	static const struct {
		const char *name, *field;
		uint16_t offset, size;
	} rows[] = {
		{ "maxseg", "size", 2, 2 }, { "window", "count", 2, 1 }, { "timestamp", "tsval", 2, 4 }, { "timestamp", "tsecr", 6, 4 },
		{ "hbh", "nexthdr", 0, 1 }, { "rt", "nexthdr", 0, 1 }, { "frag", "nexthdr", 0, 1 }, { "dst", "nexthdr", 0, 1 }, { "mh", "nexthdr", 0, 1 },
		{ "rt", "type", 2, 1 }, { "rt", "seg-left", 3, 1 }, { "frag", "id", 4, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, name) == 0 && rows[i].offset == n->offset && rows[i].size == n->size)
			return rows[i].field;
	return NULL;
}

static void put_exthdr(struct jrule *r, struct strbuf *b, const struct node *n)
{
	static const char *const kinds[] = { "exthdr", "tcp option", "ip option", "sctp chunk" };
	const char *name = exthdr_name(n), *field = name && !(n->flags & NFT_EXTHDR_F_PRESENT) ? exthdr_field(n, name) : NULL;
	static const struct nft_field of_tcp = { .proto = P_TCP }, of_sctp = { .proto = P_SCTP }, of_ip6 = { .proto = P_IP6 }, of_ip = { .proto = P_IP };

	strbuf_addf(b, "{\"%s\": {", n->base < ARRAY_LEN(kinds) ? kinds[n->base] : "unknown exthdr");
	if (name)
		strbuf_addf(b, "\"name\": \"%s\"", name);
	else
		strbuf_addf(b, "\"base\": %u", n->key);
	if (field)
		strbuf_addf(b, ", \"field\": \"%s\"", field);
	else if (!(n->flags & NFT_EXTHDR_F_PRESENT))
		strbuf_addf(b, ", \"offset\": %u, \"len\": %u", n->offset * 8, n->size * 8u);
	ADD(b, "}}");
	if (n->base == NFT_EXTHDR_OP_TCPOPT || n->base == NFT_EXTHDR_OP_SCTP)
		nft_protocol_used(r, NFT_PAYLOAD_TRANSPORT_HEADER, n->base == NFT_EXTHDR_OP_TCPOPT ? &of_tcp : &of_sctp);
	else if (n->base == NFT_EXTHDR_OP_IPV6 || n->base == NFT_EXTHDR_OP_IPV4)
		nft_protocol_used(r, NFT_PAYLOAD_NETWORK_HEADER, n->base == NFT_EXTHDR_OP_IPV6 ? &of_ip6 : &of_ip);
}

static void put_hash(struct jrule *r, struct strbuf *b, const struct node *n)
{
	strbuf_addf(b, "{\"%s\": {\"mod\": %u", n->key == NFT_HASH_SYM ? "symhash" : "jhash", n->mod);
	if (n->seed)
		strbuf_addf(b, ", \"seed\": %u", n->seed);
	if (n->offset)
		strbuf_addf(b, ", \"offset\": %u", n->offset);
	if (n->sub) {
		ADD(b, ", \"expr\": ");
		nft_put_node(r, b, n->sub);
	}
	ADD(b, "}}");
}

static void put_operand(struct jrule *r, struct strbuf *b, const struct node *sub, const uint8_t *p, size_t size)
{
	struct jtype t = nft_type_of(r, sub);

	if (nft_dt_is_flags(t.dt)) {
		nft_put_flags(b, t, p, size, true);
	} else {
		if (t.dt != DT_IPADDR && t.dt != DT_IP6ADDR && t.dt != DT_ETHERADDR)
			t.dt = DT_INTEGER;
		nft_put_value(b, t, p, size);
	}
}

/* (x & mask) ^ flip, of which the bits that are always set are `|`: include/uapi/linux/netfilter/nf_tables.h, enum nft_bitwise_attributes */
static void put_bitwise(struct jrule *r, struct strbuf *b, const struct node *n)
{
	uint8_t mask[KEY_BYTES], set[KEY_BYTES], flip[KEY_BYTES];
	bool masks = false, sets, flips;

	for (unsigned i = 0; i < n->size; i++) {
		set[i] = (uint8_t)(~n->p[i] & n->xor[i]);
		flip[i] = n->xor[i] & n->p[i];
		mask[i] = n->p[i] | set[i];
		masks |= mask[i] != 0xff;
	}
	sets = !is_zero(set, n->size);
	flips = !is_zero(flip, n->size);
	strbuf_adds(b, sets ? "{\"|\": [" : "");
	strbuf_adds(b, flips ? "{\"^\": [" : "");
	strbuf_adds(b, masks ? "{\"&\": [" : "");
	nft_put_node(r, b, n->sub);
	for (unsigned i = 0; i < 3; i++) {
		if (!(i == 0 ? masks : i == 1 ? flips : sets))
			continue;
		ADD(b, ", ");
		put_operand(r, b, n->sub, i == 0 ? mask : i == 1 ? flip : set, n->size);
		ADD(b, "]}");
	}
}

static void put_map(struct jrule *r, struct strbuf *b, const struct node *n)
{
	ADD(b, "{\"map\": {\"key\": ");
	nft_put_node(r, b, n->sub);
	ADD(b, ", \"data\": ");
	nft_put_set(r, b, n->set, n->sub);
	ADD(b, "}}");
}

static void put_concat(struct jrule *r, struct strbuf *b, const struct node *n)
{
	ADD(b, "{\"concat\": [");
	for (unsigned i = 0; i < n->n; i++) {
		strbuf_adds(b, i ? ", " : "");
		nft_put_node(r, b, n->parts[i]);
	}
	ADD(b, "]}");
}

static void put_unknown(struct jrule *r, struct strbuf *b, const struct node *n)
{
	r->j->partial = true;
	ADD(b, "{\"svcdoctor-unknown\": ");
	nft_put_string(b, n->name ? n->name : "register", strlen(n->name ? n->name : "register"));
	ADD(b, "}");
}

void nft_put_node(struct jrule *r, struct strbuf *b, const struct node *n)
{
	const struct nft_field *f;
	const struct node *p = n;
	unsigned shift;

	switch ((enum node_kind)n->kind) {
	case N_PAYLOAD:
	case N_BITWISE:
	case N_SHIFT:
		f = nft_field_of(r, n, &shift);
		while (f && p->kind != N_PAYLOAD)
			p = p->sub;
		if (f || p->kind == N_PAYLOAD) {
			put_payload(r, b, p, f);
		} else if (n->kind == N_BITWISE) {
			put_bitwise(r, b, n);
		} else {
			strbuf_addf(b, "{\"%s\": [", n->left ? "<<" : ">>");
			nft_put_node(r, b, n->sub);
			strbuf_addf(b, ", %u]}", n->key);
		}
		return;
	case N_META:
	case N_SOCKET:
		if (!key_of(n)->name) {
			put_unknown(r, b, &(struct node){ .name = n->kind == N_META ? "meta" : "socket" });
			return;
		}
		strbuf_addf(b, n->kind == N_META ? "{\"meta\": {\"key\": \"%s\"}}" : "{\"socket\": {\"key\": \"%s\"}}", key_of(n)->name);
		return;
	case N_CT:
	case N_RT:
	case N_XFRM:
		if (!key_of(n)->name)
			put_unknown(r, b, &(struct node){ .name = "key" });
		else if (n->kind == N_CT)
			put_ct(b, n);
		else if (n->kind == N_RT)
			put_rt(b, n);
		else
			put_xfrm(b, n);
		return;
	case N_FIB:
		put_fib(b, n);
		return;
	case N_EXTHDR:
		put_exthdr(r, b, n);
		return;
	case N_NUMGEN:
		strbuf_addf(b, "{\"numgen\": {\"mode\": \"%s\", \"mod\": %u, \"offset\": %u}}",
			    n->key == NFT_NG_INCREMENTAL ? "inc" : n->key == NFT_NG_RANDOM ? "random" : "unknown", n->mod, n->offset);
		return;
	case N_HASH:
		put_hash(r, b, n);
		return;
	case N_OSF:
		ADD(b, "{\"osf\": {\"key\": \"name\"}}");
		return;
	case N_MAP:
		put_map(r, b, n);
		return;
	case N_CONCAT:
		put_concat(r, b, n);
		return;
	case N_DATA:
		nft_put_value(b, nft_type_of(r, n), n->p, n->size);
		return;
	default:
		put_unknown(r, b, n);
	}
}
