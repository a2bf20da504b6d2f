/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses, prefix by prefix: whether a bit is turned over depends on the bits before it and on the key (Xu, Fan, Ammar, Moon:
 * "Prefix-preserving IP address anonymization", 2002), so that networks stay networks. Bits that tell special ranges from others stay: those
 * on the way to such a range, and all of those ranges that name no machine.
 */

#include "redact-private.h"

struct special {
	const char *prefix;
	bool whole; /* its addresses mean the same everywhere, and stay */
};
static const struct special specials[] = {
	{ "0.0.0.0/8", true },	   { "10.0.0.0/8", false },	{ "100.64.0.0/10", false }, { "127.0.0.0/8", true },
	{ "169.254.0.0/16", true }, { "172.16.0.0/12", false }, { "192.168.0.0/16", false }, { "198.18.0.0/15", false },
	{ "224.0.0.0/4", true },   { "240.0.0.0/4", true },	{ "::/96", true },	    { "fc00::/7", false },
	{ "fe80::/64", false },	   { "ff00::/8", true }, { "ff02::1:ff00:0/104", false },	{ "64:ff9b::/96", true },   { "::ffff:0:0/96", true },
};
/* Of IPv6: what holds an address of IPv4 in its last bytes. */
static const char *const embedding[] = { "::/96", "64:ff9b::/96", "::ffff:0:0/96" };

static unsigned bit_of(const struct ip_addr *a, unsigned i)
{
	return a->b[i / 8] >> (7 - i % 8) & 1;
}

/* How many of the first bits of @a are those of @p, at most its length. */
static unsigned common(const struct ip_addr *a, const struct ip_prefix *p)
{
	unsigned n = 0;

	while (n < p->len && bit_of(a, n) == bit_of(&p->addr, n))
		n++;
	return n;
}

/* ff02::1:ffXX:XXXX: the group ends as an address does. */
static bool is_solicited(const struct ip_addr *a)
{
	struct ip_prefix p;

	return ip_prefix_parse("ff02::1:ff00:0/104", &p) == 0 && ip_prefix_contains(&p, a);
}

/* Bits below @ret_from stay, and those from @ret_to on. */
static void movable(const struct ip_addr *a, unsigned *ret_from, unsigned *ret_to)
{
	unsigned bits = a->family == AF_INET ? 32 : 128;

	*ret_from = 0;
	*ret_to = bits;
	for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
		struct ip_prefix p;
		unsigned n;

		if (ip_prefix_parse(specials[i].prefix, &p) < 0 || p.addr.family != a->family)
			continue;
		n = common(a, &p);
		/* The bit at which it leaves the way to the range stays too: the other value leads there. */
		*ret_from = MAX(*ret_from, n < p.len ? n + 1 : n);
		if (n == p.len && specials[i].whole && !is_solicited(a))
			*ret_from = bits;
		else if (n == p.len && bits == 32)
			*ret_to = 24;
	}
}

static bool embeds(const struct ip_addr *a)
{
	for (size_t i = 0; i < ARRAY_LEN(embedding); i++) {
		struct ip_prefix p;

		if (ip_prefix_parse(embedding[i], &p) == 0 && ip_prefix_contains(&p, a))
			return true;
	}
	return false;
}

void redact_addr(const struct redact *r, const struct ip_addr *a, struct ip_addr *ret)
{
	struct ip_addr out = *a, head = { .family = a->family };
	unsigned from, to;

	if (embeds(a)) {
		struct ip_addr in = { .family = AF_INET };

		memcpy(in.b, a->b + 12, 4);
		redact_addr(r, &in, &in);
		memcpy(out.b + 12, in.b, 4);
		*ret = out;
		return;
	}
	movable(a, &from, &to);
	for (unsigned i = 0; i < to; i++) {
		uint8_t seed[18] = { a->family, (uint8_t)i };

		memcpy(seed + 2, head.b, sizeof(head.b));
		if (i >= from && (redact_prf(r, "address", seed, sizeof(seed)) & 1))
			out.b[i / 8] ^= (uint8_t)(0x80u >> i % 8);
		head.b[i / 8] |= (uint8_t)(a->b[i / 8] & 0x80u >> i % 8);
	}
	*ret = out;
}

/* The host's bits of a network's address stay zero. */
static void clear_host(struct ip_addr *a, const struct ip_addr *like, unsigned len)
{
	struct ip_prefix p = { *like, (uint8_t)len };
	struct ip_addr first = ip_prefix_first(&p);

	if (ip_addr_equal(&first, like))
		*a = ip_prefix_first(&(struct ip_prefix){ *a, (uint8_t)len });
}

bool redact_add_address(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	const char *slash = memchr(s, '/', len);
	struct ip_prefix p;
	struct ip_addr out;
	char text[IP_ADDR_STRLEN];

	if (len > 64 || ip_prefix_parsen(s, len, &p) < 0) {
		if (slash || len > 64 || ip_addr_parsen(s, len, &p.addr) < 0)
			return false;
		p.len = p.addr.family == AF_INET ? 32 : 128;
	}
	redact_addr(r, &p.addr, &out);
	if (slash)
		clear_host(&out, &p.addr, p.len);
	strbuf_adds(b, ip_addr_format(&out, text));
	if (slash)
		strbuf_add(b, slash, len - (size_t)(slash - s));
	return true;
}

bool redact_add_mac(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	uint8_t mac[6], zero[6] = { 0 }, ones[6] = { 255, 255, 255, 255, 255, 255 };
	uint64_t v;

	if (len != 17)
		return false;
	for (size_t i = 0; i < 6; i++) {
		char hex[5] = { '0', 'x', s[i * 3], s[i * 3 + 1], 0 };

		if ((i < 5 && s[i * 3 + 2] != ':') || hex[2] == 'x' || parse_uint(hex, 4, 255, &v) < 0)
			return false;
		mac[i] = (uint8_t)v;
	}
	/* Those of groups (33:33:..., 01:00:5e:...) are the protocol's, but for those that end as an address does. */
	if (mac[0] == 0x33 && mac[1] == 0x33 && mac[2] == 0xff) {
		v = redact_prf(r, "mac", mac, 6);
		for (size_t i = 3; i < 6; i++)
			mac[i] = (uint8_t)(v >> i * 8);
	} else if (!(mac[0] & 1) && memcmp(mac, zero, 6) != 0 && memcmp(mac, ones, 6) != 0) {
		v = redact_prf(r, "mac", mac, 6);
		for (size_t i = 1; i < 6; i++)
			mac[i] = (uint8_t)(v >> i * 8);
		mac[0] = (uint8_t)((v & 0xfc) | 2);
	}
	strbuf_addf(b, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return true;
}
