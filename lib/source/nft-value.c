/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of nftables as the JSON writes them: a word, a number, an address, a prefix, a range, a list of flags. The words
 * are those of nft's own tables (src/datatype.c, src/ct.c, src/fib.c, src/proto.c); protocols are named as /etc/protocols does.
 */
#include <errno.h>
#include <stdio.h>

#include "nft-private.h"

struct word {
	const char *name;
	uint32_t value;
};

static const struct word protos[] = {
	{ "tcp", 6 }, { "udp", 17 }, { "sctp", 132 }, { "icmp", 1 }, { "ipv6-icmp", 58 }, { "icmpv6", 58 }, { "icmp6", 58 },
	{ "dccp", 33 }, { "udplite", 136 }, { "esp", 50 }, { "ah", 51 }, { "comp", 108 }, { "ipcomp", 108 }, { "gre", 47 },
	{ "igmp", 2 }, { "ipencap", 4 }, { "ipv4", 4 }, { "ipv6", 41 }, { "ipv6-route", 43 }, { "ipv6-frag", 44 },
	{ "ipv6-nonxt", 59 }, { "ipv6-opts", 60 }, { "hopopt", 0 }, { "ip", 0 }, { "mobility-header", 135 }, { "ospf", 89 },
	{ "pim", 103 }, { "vrrp", 112 }, { "l2tp", 115 }, { "ipip", 94 }, { "encap", 98 }, { "eigrp", 88 }, { "rsvp", 46 },
	{ "egp", 8 }, { "igp", 9 }, { "hip", 139 }, { "shim6", 140 }, { "manet", 138 }, { "mpls-in-ip", 137 }, { "ggp", 3 },
};
/* `nft -s` names services as /etc/services does. */
static const struct word services[] = {
	{ "ftp-data", 20 }, { "ftp", 21 }, { "ssh", 22 }, { "telnet", 23 }, { "smtp", 25 }, { "domain", 53 }, { "bootps", 67 },
	{ "bootpc", 68 }, { "tftp", 69 }, { "http", 80 }, { "pop3", 110 }, { "sunrpc", 111 }, { "ntp", 123 }, { "imap2", 143 },
	{ "snmp", 161 }, { "snmp-trap", 162 }, { "bgp", 179 }, { "ldap", 389 }, { "https", 443 }, { "microsoft-ds", 445 },
	{ "syslog", 514 }, { "dhcpv6-client", 546 }, { "dhcpv6-server", 547 }, { "ldaps", 636 }, { "domain-s", 853 }, { "imaps", 993 },
	{ "pop3s", 995 }, { "nfs", 2049 }, { "mysql", 3306 }, { "postgresql", 5432 }, { "mdns", 5353 }, { "http-alt", 8080 },
};
static const struct word ethertypes[] = { { "ip", 0x0800 }, { "ip6", 0x86dd }, { "arp", 0x0806 }, { "vlan", 0x8100 }, { "8021q", 0x8100 } };
static const struct word nfprotos[] = { { "ipv4", 2 }, { "ipv6", 10 } };
static const struct word tcp_flags[] = {
	{ "fin", 1 }, { "syn", 2 }, { "rst", 4 }, { "psh", 8 }, { "ack", 16 }, { "urg", 32 }, { "ecn", 64 }, { "cwr", 128 },
};
static const struct word icmp_types[] = {
	{ "echo-reply", 0 }, { "destination-unreachable", 3 }, { "source-quench", 4 }, { "redirect", 5 }, { "echo-request", 8 },
	{ "router-advertisement", 9 }, { "router-solicitation", 10 }, { "time-exceeded", 11 }, { "parameter-problem", 12 },
	{ "timestamp-request", 13 }, { "timestamp-reply", 14 }, { "info-request", 15 }, { "info-reply", 16 },
	{ "address-mask-request", 17 }, { "address-mask-reply", 18 },
};
static const struct word icmp6_types[] = {
	{ "destination-unreachable", 1 }, { "packet-too-big", 2 }, { "time-exceeded", 3 }, { "parameter-problem", 4 },
	{ "echo-request", 128 }, { "echo-reply", 129 }, { "mld-listener-query", 130 }, { "mld-listener-report", 131 },
	{ "mld-listener-done", 132 }, { "mld-listener-reduction", 132 }, { "nd-router-solicit", 133 }, { "nd-router-advert", 134 },
	{ "nd-neighbor-solicit", 135 }, { "nd-neighbor-advert", 136 }, { "nd-redirect", 137 }, { "router-renumbering", 138 },
	{ "ind-neighbor-solicit", 141 }, { "ind-neighbor-advert", 142 }, { "mld2-listener-report", 143 },
};
static const struct word icmp_codes[] = {
	{ "net-unreachable", 0 }, { "host-unreachable", 1 }, { "prot-unreachable", 2 }, { "port-unreachable", 3 }, { "frag-needed", 4 },
	{ "net-prohibited", 9 }, { "host-prohibited", 10 }, { "admin-prohibited", 13 },
};
static const struct word icmp6_codes[] = {
	{ "no-route", 0 }, { "admin-prohibited", 1 }, { "addr-unreachable", 3 }, { "port-unreachable", 4 }, { "policy-fail", 5 },
	{ "reject-route", 6 },
};
static const struct word ct_states[] = {
	{ "invalid", CTSTATE_INVALID }, { "new", CTSTATE_NEW }, { "established", CTSTATE_ESTABLISHED }, { "related", CTSTATE_RELATED },
	{ "untracked", CTSTATE_UNTRACKED },
};
static const struct word ct_statuses[] = {
	{ "expected", CTSTATUS_EXPECTED }, { "seen-reply", CTSTATUS_SEEN_REPLY }, { "assured", CTSTATUS_ASSURED },
	{ "confirmed", CTSTATUS_CONFIRMED }, { "snat", CTSTATUS_SNAT }, { "dnat", CTSTATUS_DNAT }, { "dying", 1 << 9 },
};
static const struct word ct_dirs[] = { { "original", 0 }, { "reply", 1 } };
static const struct word fib_types[] = {
	{ "unspec", ADDRTYPE_UNSPEC }, { "unicast", ADDRTYPE_UNICAST }, { "local", ADDRTYPE_LOCAL }, { "broadcast", ADDRTYPE_BROADCAST },
	{ "anycast", ADDRTYPE_ANYCAST }, { "multicast", ADDRTYPE_MULTICAST }, { "blackhole", ADDRTYPE_BLACKHOLE },
	{ "unreachable", ADDRTYPE_UNREACHABLE }, { "prohibit", ADDRTYPE_PROHIBIT }, { "throw", ADDRTYPE_THROW },
};

#define WORDS(a) (a), ARRAY_LEN(a)
static const struct {
	const char *name; /* nft's name of the type */
	enum nft_type type;
	enum rs_value_kind kind;
	uint32_t max;
	const struct word *words;
	size_t nwords;
} types[] = {
	{ "ipv4_addr", NFT_ADDR4, VALUE_ADDR4, UINT32_MAX, NULL, 0 },
	{ "ipv6_addr", NFT_ADDR6, VALUE_ADDR6, 0, NULL, 0 },
	{ "inet_proto", NFT_PROTO, VALUE_NUM, 255, WORDS(protos) },
	{ "inet_service", NFT_SERVICE, VALUE_NUM, 65535, WORDS(services) },
	{ "mark", NFT_MARK, VALUE_NUM, UINT32_MAX, NULL, 0 },
	{ "ifname", NFT_IFNAME, VALUE_NAME, 0, NULL, 0 },
	{ "iface_index", NFT_IFNAME, VALUE_NAME, 0, NULL, 0 },
	{ "ct_state", NFT_CT_STATE, VALUE_NUM, 127, WORDS(ct_states) },
	{ "ct_status", NFT_CT_STATUS, VALUE_NUM, UINT32_MAX, WORDS(ct_statuses) },
	{ "ct_dir", NFT_CT_DIR, VALUE_NUM, 1, WORDS(ct_dirs) },
	{ "fib_addrtype", NFT_FIB_TYPE, VALUE_NUM, 11, WORDS(fib_types) },
	{ "icmp_type", NFT_ICMP_TYPE, VALUE_NUM, 255, WORDS(icmp_types) },
	{ "icmpv6_type", NFT_ICMP6_TYPE, VALUE_NUM, 255, WORDS(icmp6_types) },
	{ "icmp_code", NFT_ICMP_CODE, VALUE_NUM, 255, WORDS(icmp_codes) },
	{ "icmpv6_code", NFT_ICMP6_CODE, VALUE_NUM, 255, WORDS(icmp6_codes) },
	{ "nf_proto", NFT_NFPROTO, VALUE_NUM, 255, WORDS(nfprotos) },
	{ "ether_type", NFT_ETHERTYPE, VALUE_NUM, 65535, WORDS(ethertypes) },
	{ "tcp_flag", NFT_TCP_FLAGS, VALUE_NUM, 255, WORDS(tcp_flags) },
	{ "integer", NFT_NUMBER, VALUE_NUM, UINT32_MAX, NULL, 0 },
};

static size_t row_of(enum nft_type t)
{
	size_t i = 0;

	while (i < ARRAY_LEN(types) && types[i].type != t)
		i++;
	return i;
}

enum rs_value_kind nft_kind(enum nft_type t)
{
	size_t i = row_of(t);

	return i < ARRAY_LEN(types) ? types[i].kind : VALUE_OPAQUE;
}

const char *nft_type_name(enum nft_type t)
{
	size_t i = row_of(t);

	return i < ARRAY_LEN(types) ? types[i].name : "unknown";
}

uint32_t nft_max(enum nft_type t)
{
	size_t i = row_of(t);

	return i < ARRAY_LEN(types) ? types[i].max : 0;
}

enum nft_type nft_type_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strlen(types[i].name) == len && memcmp(types[i].name, name, len) == 0)
			return types[i].type;
	return NFT_OPAQUE;
}

char *nft_strdup(struct nft_reader *x, const char *s)
{
	return arena_strdup(&x->rs->arena, s);
}

const json_t *nft_member(const json_t *o, const char **ret_key)
{
	void *it = json_is_object(o) && json_object_size(o) == 1 ? json_object_iter((json_t *)(uintptr_t)o) : NULL;

	if (!it)
		return NULL;
	*ret_key = json_object_iter_key(it);
	return json_object_iter_value(it);
}

bool nft_has_word(const json_t *v, const char *word)
{
	size_t n = json_is_array(v) ? json_array_size(v) : 0;

	if (str_is(json_string_value(v), word))
		return true;
	for (size_t i = 0; i < n; i++)
		if (str_is(json_string_value(json_array_get(v, i)), word))
			return true;
	return false;
}

/* The kernel's bit of a state, and ours: NF_CT_STATE_BIT() of include/uapi/linux/netfilter/nf_conntrack_common.h */
static uint32_t ct_state_bits(uint32_t kernel)
{
	static const uint32_t ours[] = { CTSTATE_INVALID, CTSTATE_ESTABLISHED, CTSTATE_RELATED, CTSTATE_NEW, 0, 0, CTSTATE_UNTRACKED };
	uint32_t r = 0;

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		r |= kernel & 1u << i ? ours[i] : 0;
	return r;
}

/* A number of that type as svcdoctor has it. */
static int from_number(enum nft_type t, uint64_t n, uint32_t *ret)
{
	if (n > nft_max(t))
		return SD_EPARSE;
	/* `nft -n` of 1.0.6 writes these as they lie in memory; numbers below 0x600 are no types. */
	if (t == NFT_ETHERTYPE && (n < 0x600 || n == 0xdd86 || n == 0x0608))
		n = (n & 0xff) << 8 | n >> 8;
	*ret = t == NFT_CT_STATE ? ct_state_bits((uint32_t)n) : t == NFT_FIB_TYPE ? 1u << n : (uint32_t)n;
	if (t == NFT_ICMP_TYPE || t == NFT_ICMP6_TYPE)
		*ret <<= 8;
	return 0;
}

/* How nft 1.0.6 writes a port of `ct original proto-dst`, whose type it does not know. */
static bool odd_number(const char *s, uint64_t *ret)
{
	unsigned v;
	int n = 0;

	if (sscanf(s, "0x%8x%n", &v, &n) != 1 || strcmp(s + n, " [invalid type]") != 0)
		return false;
	*ret = v;
	return true;
}

static int from_word(enum nft_type t, const char *s, uint32_t *ret)
{
	size_t row = row_of(t);
	uint64_t n;

	for (size_t i = 0; i < types[row].nwords; i++) {
		if (strcmp(types[row].words[i].name, s) == 0) {
			*ret = types[row].words[i].value;
			if (t == NFT_ICMP_TYPE || t == NFT_ICMP6_TYPE)
				*ret <<= 8;
			return 0;
		}
	}
	return !odd_number(s, &n) && parse_uint(s, strlen(s), UINT32_MAX, &n) < 0 ? SD_EPARSE : from_number(t, n, ret);
}

static bool is_bits(enum nft_type t)
{
	return t == NFT_CT_STATE || t == NFT_CT_STATUS || t == NFT_TCP_FLAGS || t == NFT_MARK || t == NFT_NUMBER;
}

static int one_number(enum nft_type t, const json_t *v, unsigned depth, uint32_t *ret);

/* A list of flags: all of them together. */
static int flags(enum nft_type t, const json_t *list, unsigned depth, uint32_t *ret)
{
	uint32_t all = 0, one;

	if (!is_bits(t) || json_array_size(list) == 0 || json_array_size(list) > 64)
		return SD_EPARSE;
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (one_number(t, json_array_get(list, i), depth + 1, &one) < 0)
			return SD_EPARSE;
		all |= one;
	}
	*ret = all;
	return 0;
}

static int one_number(enum nft_type t, const json_t *v, unsigned depth, uint32_t *ret)
{
	const char *key;

	if (depth > NFT_DEPTH_MAX)
		return SD_EPARSE;
	if (json_is_string(v))
		return from_word(t, json_string_value(v), ret);
	if (json_is_integer(v))
		return json_integer_value(v) < 0 ? SD_EPARSE : from_number(t, (uint64_t)json_integer_value(v), ret);
	if (json_is_array(v))
		return flags(t, v, depth, ret);
	v = nft_member(v, &key);
	return v && strcmp(key, "|") == 0 && json_is_array(v) ? flags(t, v, depth, ret) : SD_EPARSE;
}

int nft_address(const json_t *v, struct ip_addr *ret)
{
	return json_is_string(v) ? ip_addr_parse(json_string_value(v), ret) : SD_EPARSE;
}

/* The two ends of an address, a prefix or a range of family @family. */
static int address_ends(const json_t *v, int family, struct ip_addr *lo, struct ip_addr *hi)
{
	const json_t *prefix = json_obj(v, "prefix"), *range = json_arr(v, "range");
	struct ip_prefix p = { 0 };
	int64_t len;

	if (prefix) {
		if (nft_address(json_object_get(prefix, "addr"), &p.addr) < 0 || !json_int(prefix, "len", &len) || len < 0 ||
		    len > (p.addr.family == AF_INET ? 32 : 128))
			return SD_EPARSE;
		p.len = (uint8_t)len;
		*lo = ip_prefix_first(&p);
		*hi = ip_prefix_last(&p);
	} else if (range) {
		if (json_array_size(range) != 2 || nft_address(json_array_get(range, 0), lo) < 0 ||
		    nft_address(json_array_get(range, 1), hi) < 0)
			return SD_EPARSE;
	} else if (nft_address(v, lo) < 0) {
		return SD_EPARSE;
	} else {
		*hi = *lo;
	}
	return lo->family == family && hi->family == family && ip_addr_cmp(lo, hi) <= 0 ? 0 : SD_EPARSE;
}

static uint32_t host_order(const struct ip_addr *a)
{
	uint32_t be32;

	memcpy(&be32, a->b, sizeof(be32));
	return ntohl(be32);
}

static int address_value(struct nft_reader *x, enum nft_type t, const json_t *v, struct rs_value *ret)
{
	struct ip_addr lo, hi;
	struct rs_addr_range *r;

	if (address_ends(v, t == NFT_ADDR4 ? AF_INET : AF_INET6, &lo, &hi) < 0)
		return SD_EPARSE;
	if (t == NFT_ADDR4) {
		ret->u.num = (struct rs_u32_range){ host_order(&lo), host_order(&hi) };
		return 0;
	}
	r = arena_new(&x->rs->arena, struct rs_addr_range);
	if (!r)
		return -ENOMEM;
	*r = (struct rs_addr_range){ lo, hi };
	ret->u.addr6 = r;
	return 0;
}

static int number_value(enum nft_type t, const json_t *v, struct rs_value *ret)
{
	const json_t *range = json_arr(v, "range");
	struct rs_u32_range n;

	if (!range) {
		if (one_number(t, v, 0, &n.lo) < 0)
			return SD_EPARSE;
		n.hi = n.lo;
	} else if (json_array_size(range) != 2 || one_number(t, json_array_get(range, 0), 0, &n.lo) < 0 ||
		   one_number(t, json_array_get(range, 1), 0, &n.hi) < 0 || n.lo > n.hi || t == NFT_CT_STATE || t == NFT_FIB_TYPE) {
		return SD_EPARSE;
	}
	ret->u.num = n;
	return 0;
}

/* "eth0", "eth*"; nft escapes an asterisk that belongs to the name. */
static int name_value(struct nft_reader *x, const json_t *v, struct rs_value *ret)
{
	const char *s = json_string_value(v);
	size_t len = s ? strlen(s) : 0;

	if (!s || (len >= 2 && s[len - 1] == '*' && s[len - 2] == '\\'))
		return SD_EPARSE;
	ret->u.name = nft_strdup(x, s);
	return ret->u.name ? 0 : -ENOMEM;
}

static int opaque_value(struct nft_reader *x, const json_t *v, struct rs_value *ret)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	nft_print_value(&b, v, NFT_PART_TEXT_MAX);
	ret->u.name = b.failed ? NULL : arena_strndup(&x->rs->arena, strbuf_str(&b), MIN(b.len, NFT_PART_TEXT_MAX));
	return ret->u.name ? 0 : -ENOMEM;
}

int nft_value(struct nft_reader *x, enum nft_type t, const json_t *v, struct rs_value *ret)
{
	switch (nft_kind(t)) {
	case VALUE_ADDR4:
	case VALUE_ADDR6:
		return address_value(x, t, v, ret);
	case VALUE_NUM:
		return number_value(t, v, ret);
	case VALUE_NAME:
		return name_value(x, v, ret);
	default:
		return opaque_value(x, v, ret);
	}
}
