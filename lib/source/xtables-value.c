/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of iptables options: numbers, marks, addresses with any mask, ICMP types, interface names. Helps
 * xtables-match.c.
 */
#include <errno.h>

#include "xtables-private.h"

int xt_add_cond(struct xt_reader *x, struct rs_cond c)
{
	if (x->conds.len >= XT_CONDS_MAX) {
		x->broken = true;
		return 0;
	}
	return array_push(&x->conds, c);
}

int xt_add_text(struct xt_reader *x, enum rs_field field, bool negate, const char *start, const char *end)
{
	struct rs_cond c = { .field = (uint8_t)field, .op = OP_TEXT, .negate = negate };

	c.u.text = arena_strndup(&x->rs->arena, start, (size_t)(end - start));
	return c.u.text ? xt_add_cond(x, c) : -ENOMEM;
}

/* An empty range never matches, and its negation always does. */
int xt_add_range(struct xt_reader *x, enum rs_field field, bool negate, uint32_t lo, uint32_t hi)
{
	struct rs_cond c = { .field = (uint8_t)field, .op = lo == hi ? OP_EQ : OP_RANGE, .negate = negate };

	if (lo > hi) {
		if (negate)
			return 0;
		c = (struct rs_cond){ .field = FIELD_FALSE };
	}
	c.u.range = (struct rs_u32_range){ lo, hi };
	return xt_add_cond(x, c);
}

static int add_addr6(struct xt_reader *x, struct rs_cond c, const struct ip_addr *addr, const struct ip_addr *mask)
{
	struct rs_addr6 *a = arena_new(&x->rs->arena, struct rs_addr6);

	if (!a)
		return -ENOMEM;
	a->value = *addr;
	a->mask = *mask;
	c.op = OP_ADDR6;
	c.u.addr6 = a;
	return xt_add_cond(x, c);
}

int xt_add_addr(struct xt_reader *x, enum rs_field field, bool negate, const struct xt_word *w, bool keep_any)
{
	struct rs_cond c = { .field = (uint8_t)field, .op = OP_ADDR4, .negate = negate };
	struct ip_addr addr, mask;

	if (w->quoted || xt_addr_mask(w->s, w->len, x->ip6, &addr, &mask) < 0)
		return SD_EPARSE;
	if (!keep_any && ip_addr_is_zero(&mask))
		return negate ? xt_add_cond(x, (struct rs_cond){ .field = FIELD_FALSE }) : 0;
	if (x->ip6)
		return add_addr6(x, c, &addr, &mask);
	memcpy(&c.u.addr4.value, addr.b, 4);
	memcpy(&c.u.addr4.mask, mask.b, 4);
	return xt_add_cond(x, c);
}

/* "+" alone is any interface, none at all included: net/ipv4/netfilter/ip_tables.c, ip_packet_match. */
int xt_add_ifname(struct xt_reader *x, enum rs_field field, bool negate, const struct xt_word *w)
{
	struct rs_cond c = { .field = (uint8_t)field, .op = OP_IFNAME, .negate = negate };
	char *name;
	size_t n;

	if (w->len == 1 && w->s[0] == '+')
		return negate ? xt_add_cond(x, (struct rs_cond){ .field = FIELD_FALSE }) : 0;
	name = xt_word_dup(x, w);
	if (!name)
		return -ENOMEM;
	n = strlen(name);
	if (n == 0)
		return SD_EPARSE;
	if (name[n - 1] == '+') {
		name[n - 1] = '\0';
		c.flags = RS_WILDCARD;
	}
	c.u.ifname = name;
	return xt_add_cond(x, c);
}

char *xt_word_dup(struct xt_reader *x, const struct xt_word *w)
{
	char *s = arena_strndup(&x->rs->arena, w->s, w->len), *o = s;

	if (!s || !w->quoted)
		return s;
	for (const char *p = s; p < s + w->len; p++) {
		if (*p == '\\' && p + 1 < s + w->len)
			p++;
		*o++ = *p;
	}
	*o = '\0';
	return s;
}

int xt_u64(const char *s, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	if (len == 0)
		return SD_EPARSE;
	for (size_t i = 0; i < len; i++) {
		unsigned d = (unsigned)(s[i] - '0');

		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return SD_EPARSE;
		v = v * 10 + d;
	}
	*ret = v;
	return 0;
}

static int octal(const char *s, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '7' || v > UINT32_MAX)
			return SD_EPARSE;
		v = v * 8 + (unsigned)(s[i] - '0');
	}
	*ret = v;
	return 0;
}

int xt_uint(const char *s, size_t len, uint32_t max, uint32_t *ret)
{
	uint64_t v;
	int r;

	if (len > 1 && s[0] == '0' && s[1] != 'x' && s[1] != 'X')
		r = octal(s, len, &v);
	else
		r = parse_uint(s, len, UINT32_MAX, &v);
	if (r < 0 || v > max)
		return SD_EPARSE;
	*ret = (uint32_t)v;
	return 0;
}

int xt_range(const char *s, size_t len, uint32_t max, struct rs_u32_range *ret)
{
	const char *colon = memchr(s, ':', len);
	struct rs_u32_range r = { 0, max };

	if (!colon) {
		if (xt_uint(s, len, max, &r.lo) < 0)
			return SD_EPARSE;
		r.hi = r.lo;
	} else {
		const char *hi = colon + 1;

		if (colon > s && xt_uint(s, (size_t)(colon - s), max, &r.lo) < 0)
			return SD_EPARSE;
		if (hi < s + len && xt_uint(hi, (size_t)(s + len - hi), max, &r.hi) < 0)
			return SD_EPARSE;
	}
	*ret = r;
	return 0;
}

int xt_mark(const struct xt_word *w, uint32_t *ret_value, uint32_t *ret_mask)
{
	const char *slash = memchr(w->s, '/', w->len);
	size_t n = slash ? (size_t)(slash - w->s) : w->len;
	uint32_t value, mask = UINT32_MAX;

	if (w->quoted || xt_uint(w->s, n, UINT32_MAX, &value) < 0)
		return SD_EPARSE;
	if (slash && xt_uint(slash + 1, w->len - n - 1, UINT32_MAX, &mask) < 0)
		return SD_EPARSE;
	*ret_value = value;
	*ret_mask = mask;
	return 0;
}

/* Dotted decimal, which is nearly all there is; -1 where it is anything else. */
static int addr4(const char *s, size_t len, struct ip_addr *ret)
{
	unsigned v = 0, digits = 0, part = 0;
	uint8_t b[4];

	for (size_t i = 0; i < len; i++) {
		unsigned d = (unsigned)(s[i] - '0');

		if (d <= 9) {
			if (digits && v == 0)
				return -1;
			v = v * 10 + d;
			if (++digits > 3 || v > 255)
				return -1;
		} else if (s[i] == '.' && digits && part < 3) {
			b[part++] = (uint8_t)v;
			v = digits = 0;
		} else {
			return -1;
		}
	}
	if (part != 3 || digits == 0)
		return -1;
	b[3] = (uint8_t)v;
	*ret = (struct ip_addr){ .family = AF_INET };
	memcpy(ret->b, b, 4);
	return 0;
}

int xtables_addr(const char *s, size_t len, bool ip6, struct ip_addr *ret)
{
	struct ip_addr a;

	if (!ip6)
		return addr4(s, len, ret) < 0 ? SD_EPARSE : 0;
	if (ip_addr_parsen(s, len, &a) < 0 || a.family != AF_INET6)
		return SD_EPARSE;
	*ret = a;
	return 0;
}

int xt_addr_mask(const char *s, size_t len, bool ip6, struct ip_addr *ret_addr, struct ip_addr *ret_mask)
{
	const char *slash = memchr(s, '/', len);
	size_t n = slash ? (size_t)(slash - s) : len, rest = slash ? len - n - 1 : 0;
	struct ip_addr addr, mask;
	uint32_t bits = ip6 ? 128 : 32;

	if (xtables_addr(s, n, ip6, &addr) < 0)
		return SD_EPARSE;
	if (slash && rest == 2 && memcmp(slash + 1, "32", 2) == 0)
		bits = 32;
	else if (slash && xtables_addr(slash + 1, rest, ip6, &mask) == 0)
		bits = UINT32_MAX;
	else if (slash && xt_uint(slash + 1, rest, bits, &bits) < 0)
		return SD_EPARSE;
	if (bits != UINT32_MAX)
		mask = ip_prefix_mask(ip6 ? AF_INET6 : AF_INET, bits);
	for (size_t i = 0; i < sizeof(addr.b); i++)
		addr.b[i] &= mask.b[i];
	*ret_addr = addr;
	*ret_mask = mask;
	return 0;
}

/* Names that iptables writes beside those of the base: its own table and a distribution's /etc/protocols. */
static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {
	{ "hopopt", 0 }, { "ip", 0 }, { "igmp", 2 }, { "ggp", 3 }, { "ipencap", 4 }, { "ipv4", 4 }, { "st", 5 },
	{ "egp", 8 },
	{ "igp", 9 }, { "pup", 12 }, { "hmp", 20 }, { "xns-idp", 22 }, { "rdp", 27 }, { "iso-tp4", 29 }, { "xtp", 36 },
	{ "ddp", 37 }, { "idpr-cmtp", 38 }, { "ipv6", 41 }, { "ipv6-route", 43 }, { "ipv6-frag", 44 }, { "idrp", 45 },
	{ "rsvp", 46 }, { "skip", 57 }, { "ipv6-nonxt", 59 }, { "ipv6-opts", 60 }, { "rspf", 73 }, { "vmtp", 81 },
	{ "eigrp", 88 }, { "ospf", 89 }, { "ospfigp", 89 }, { "ax.25", 93 }, { "ipip", 94 }, { "etherip", 97 },
	{ "encap", 98 }, { "ipcomp", 108 }, { "l2tp", 115 }, { "isis", 124 }, { "fc", 133 }, { "mobility-header", 135 },
	{ "ipv6-mh", 135 }, { "mh", 135 }, { "mpls-in-ip", 137 }, { "manet", 138 }, { "hip", 139 }, { "shim6", 140 },
	{ "wesp", 141 }, { "rohc", 142 }, { "ethernet", 143 },
};

int xt_proto(const struct xt_word *w, uint8_t *ret)
{
	if (w->len == 3 && memcmp(w->s, "all", 3) == 0) {
		*ret = 0;
		return 0;
	}
	/* The base takes ipip for 4; in /etc/protocols that is ipencap, and ipip is 94. */
	if (proto_parse(w->s, w->len, ret) == 0 && *ret != IPPROTO_IPIP)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (strlen(protocols[i].name) == w->len && strncasecmp(protocols[i].name, w->s, w->len) == 0) {
			*ret = protocols[i].number;
			return 0;
		}
	return proto_parse(w->s, w->len, ret);
}

/* extensions/libxt_icmp.h of iptables */
static const struct icmp_name {
	const char *name;
	uint8_t type, code_lo, code_hi;
} icmp4_names[] = {
	{ "any", 255, 0, 255 },
	{ "echo-reply", 0, 0, 255 }, { "pong", 0, 0, 255 },
	{ "destination-unreachable", 3, 0, 255 }, { "network-unreachable", 3, 0, 0 }, { "host-unreachable", 3, 1, 1 },
	{ "protocol-unreachable", 3, 2, 2 }, { "port-unreachable", 3, 3, 3 }, { "fragmentation-needed", 3, 4, 4 },
	{ "source-route-failed", 3, 5, 5 }, { "network-unknown", 3, 6, 6 }, { "host-unknown", 3, 7, 7 },
	{ "network-prohibited", 3, 9, 9 }, { "host-prohibited", 3, 10, 10 }, { "TOS-network-unreachable", 3, 11, 11 },
	{ "TOS-host-unreachable", 3, 12, 12 }, { "communication-prohibited", 3, 13, 13 },
	{ "host-precedence-violation", 3, 14, 14 }, { "precedence-cutoff", 3, 15, 15 },
	{ "source-quench", 4, 0, 255 },
	{ "redirect", 5, 0, 255 }, { "network-redirect", 5, 0, 0 }, { "host-redirect", 5, 1, 1 },
	{ "TOS-network-redirect", 5, 2, 2 }, { "TOS-host-redirect", 5, 3, 3 },
	{ "echo-request", 8, 0, 255 }, { "ping", 8, 0, 255 },
	{ "router-advertisement", 9, 0, 255 }, { "router-solicitation", 10, 0, 255 },
	{ "time-exceeded", 11, 0, 255 }, { "ttl-exceeded", 11, 0, 255 }, { "ttl-zero-during-transit", 11, 0, 0 },
	{ "ttl-zero-during-reassembly", 11, 1, 1 },
	{ "parameter-problem", 12, 0, 255 }, { "ip-header-bad", 12, 0, 0 }, { "required-option-missing", 12, 1, 1 },
	{ "timestamp-request", 13, 0, 255 }, { "timestamp-reply", 14, 0, 255 },
	{ "address-mask-request", 17, 0, 255 }, { "address-mask-reply", 18, 0, 255 },
};
static const struct icmp_name icmp6_names[] = {
	{ "destination-unreachable", 1, 0, 255 }, { "no-route", 1, 0, 0 }, { "communication-prohibited", 1, 1, 1 },
	{ "beyond-scope", 1, 2, 2 }, { "address-unreachable", 1, 3, 3 }, { "port-unreachable", 1, 4, 4 },
	{ "failed-policy", 1, 5, 5 }, { "reject-route", 1, 6, 6 },
	{ "packet-too-big", 2, 0, 255 },
	{ "time-exceeded", 3, 0, 255 }, { "ttl-exceeded", 3, 0, 255 }, { "ttl-zero-during-transit", 3, 0, 0 },
	{ "ttl-zero-during-reassembly", 3, 1, 1 },
	{ "parameter-problem", 4, 0, 255 }, { "bad-header", 4, 0, 0 }, { "unknown-header-type", 4, 1, 1 },
	{ "unknown-option", 4, 2, 2 },
	{ "echo-request", 128, 0, 255 }, { "ping", 128, 0, 255 }, { "echo-reply", 129, 0, 255 },
	{ "pong", 129, 0, 255 },
	{ "mld-listener-query", 130, 0, 255 }, { "mld-listener-report", 131, 0, 255 },
	{ "mld-listener-done", 132, 0, 255 }, { "mld-listener-reduction", 132, 0, 255 },
	{ "router-solicitation", 133, 0, 255 }, { "router-advertisement", 134, 0, 255 },
	{ "neighbour-solicitation", 135, 0, 255 }, { "neighbor-solicitation", 135, 0, 255 },
	{ "neighbour-advertisement", 136, 0, 255 }, { "neighbor-advertisement", 136, 0, 255 },
	{ "redirect", 137, 0, 255 },
};

static int icmp_numbers(const char *s, size_t len, struct icmp_name *ret)
{
	const char *slash = memchr(s, '/', len);
	size_t n = slash ? (size_t)(slash - s) : len;
	struct rs_u32_range code = { 0, 255 };
	uint32_t type;

	if (xt_uint(s, n, 255, &type) < 0 || (slash && xt_range(slash + 1, len - n - 1, 255, &code) < 0))
		return SD_EPARSE;
	*ret = (struct icmp_name){ NULL, (uint8_t)type, (uint8_t)code.lo, (uint8_t)code.hi };
	return 0;
}

/* Type 255 is any type in IPv4, but a type like others in IPv6: xt_tcpudp.c, type_code_in_range. */
int xt_icmp_type(const struct xt_word *w, bool ip6, struct rs_u32_range *ret)
{
	const struct icmp_name *names = ip6 ? icmp6_names : icmp4_names;
	size_t len = ip6 ? ARRAY_LEN(icmp6_names) : ARRAY_LEN(icmp4_names);
	struct icmp_name n;
	bool found = false;

	for (size_t i = 0; i < len && !found; i++) {
		if (strlen(names[i].name) == w->len && strncasecmp(names[i].name, w->s, w->len) == 0) {
			n = names[i];
			found = true;
		}
	}
	if (!found && icmp_numbers(w->s, w->len, &n) < 0)
		return SD_EPARSE;
	if (!ip6 && n.type == 255)
		*ret = (struct rs_u32_range){ 0, 0xffff };
	else
		*ret = (struct rs_u32_range){ (uint32_t)n.type << 8 | n.code_lo, (uint32_t)n.type << 8 | n.code_hi };
	return 0;
}

bool xt_list_item(const char **s, const char *end, const char **ret_item, size_t *ret_len)
{
	const char *comma;

	if (!*s || *s > end)
		return false;
	comma = *s < end ? memchr(*s, ',', (size_t)(end - *s)) : NULL;
	*ret_item = *s;
	*ret_len = (size_t)((comma ? comma : end) - *s);
	*s = comma ? comma + 1 : NULL;
	return true;
}
