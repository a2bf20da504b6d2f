/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IP addresses and prefixes of both families, as plain bytes in network order. */
#include <svcdoctor/base.h>

int ip_addr_parsen(const char *s, size_t len, struct ip_addr *ret)
{
	char buf[IP_ADDR_STRLEN];
	struct ip_addr a = { 0 };

	if (len == 0 || len >= sizeof(buf) || memchr(s, '\0', len))
		return SD_EPARSE;
	memcpy(buf, s, len);
	buf[len] = '\0';
	a.family = memchr(s, ':', len) ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, buf, a.b) != 1)
		return SD_EPARSE;
	*ret = a;
	return 0;
}

int ip_addr_parse(const char *s, struct ip_addr *ret)
{
	return ip_addr_parsen(s, strlen(s), ret);
}

/* Length of a contiguous mask, or -1. */
static int mask_length(const struct ip_addr *m)
{
	unsigned bits = 0, size = (unsigned)ip_addr_size(m) * 8;
	struct ip_addr full;

	while (bits < size && (m->b[bits / 8] & (0x80 >> (bits % 8))))
		bits++;
	full = ip_prefix_mask(m->family, bits);
	return ip_addr_equal(&full, m) ? (int)bits : -1;
}

int ip_prefix_parsen(const char *s, size_t len, struct ip_prefix *ret)
{
	const char *slash = memchr(s, '/', len);
	size_t alen = slash ? (size_t)(slash - s) : len;
	struct ip_prefix p;
	uint64_t n;

	if (ip_addr_parsen(s, alen, &p.addr) < 0)
		return SD_EPARSE;
	if (!slash) {
		n = ip_addr_size(&p.addr) * 8;
	} else if (parse_uint(slash + 1, len - alen - 1, ip_addr_size(&p.addr) * 8, &n) < 0) {
		struct ip_addr mask;
		int bits;

		if (ip_addr_parsen(slash + 1, len - alen - 1, &mask) < 0 || mask.family != p.addr.family)
			return SD_EPARSE;
		bits = mask_length(&mask);
		if (bits < 0)
			return SD_EPARSE;
		n = (uint64_t)bits;
	}
	p.len = (uint8_t)n;
	*ret = p;
	return 0;
}

int ip_prefix_parse(const char *s, struct ip_prefix *ret)
{
	return ip_prefix_parsen(s, strlen(s), ret);
}

struct ip_addr ip_prefix_mask(int family, unsigned len)
{
	struct ip_addr m = { .family = (uint8_t)family };

	for (unsigned i = 0; i < sizeof(m.b) && len; i++) {
		unsigned n = MIN(len, 8u);

		m.b[i] = (uint8_t)(0xff00 >> n);
		len -= n;
	}
	return m;
}

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
	unsigned whole = p->len / 8, rest = p->len % 8;

	if (p->addr.family != a->family || memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || ((p->addr.b[whole] ^ a->b[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len <= b->len ? ip_prefix_contains(a, &b->addr) : ip_prefix_contains(b, &a->addr);
}

struct ip_addr ip_prefix_first(const struct ip_prefix *p)
{
	struct ip_addr m = ip_prefix_mask(p->addr.family, p->len), a = p->addr;

	for (size_t i = 0; i < sizeof(a.b); i++)
		a.b[i] &= m.b[i];
	return a;
}

struct ip_addr ip_prefix_last(const struct ip_prefix *p)
{
	struct ip_addr m = ip_prefix_mask(p->addr.family, p->len), a = ip_prefix_first(p);

	for (size_t i = 0; i < ip_addr_size(&a); i++)
		a.b[i] |= (uint8_t)~m.b[i];
	return a;
}

bool ip_addr_next(const struct ip_addr *a, struct ip_addr *ret)
{
	struct ip_addr n = *a;

	for (size_t i = ip_addr_size(a); i-- > 0;) {
		if (++n.b[i] != 0) {
			*ret = n;
			return true;
		}
	}
	return false;
}

bool ip_addr_prev(const struct ip_addr *a, struct ip_addr *ret)
{
	struct ip_addr n = *a;

	for (size_t i = ip_addr_size(a); i-- > 0;) {
		if (n.b[i]-- != 0) {
			*ret = n;
			return true;
		}
	}
	return false;
}

bool ip_addr_is_zero(const struct ip_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->b, zero, sizeof(zero)) == 0;
}

bool ip_addr_is_loopback(const struct ip_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == AF_INET ? a->b[0] == 127 : memcmp(a->b, one, sizeof(one)) == 0;
}

bool ip_addr_is_multicast(const struct ip_addr *a)
{
	return a->family == AF_INET ? (a->b[0] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}

bool ip_addr_is_linklocal(const struct ip_addr *a)
{
	return a->family == AF_INET ? a->b[0] == 169 && a->b[1] == 254 : a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* Decimal digits and a NUL; returns where that is. Addresses are formatted by ten thousands, and printf is slow. */
static char *put_decimal(char *to, unsigned v)
{
	char digits[10];
	unsigned n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	while (n)
		*to++ = digits[--n];
	*to = '\0';
	return to;
}

static char *put_addr4(char *to, const struct ip_addr *a)
{
	for (unsigned i = 0; i < 4; i++) {
		if (i)
			*to++ = '.';
		to = put_decimal(to, a->b[i]);
	}
	return to;
}

const char *ip_addr_format(const struct ip_addr *a, char buf[static IP_ADDR_STRLEN])
{
	if (a->family == AF_INET)
		(void)put_addr4(buf, a);
	else if (a->family == 0 || !inet_ntop(a->family, a->b, buf, IP_ADDR_STRLEN))
		memcpy(buf, "-", 2);
	return buf;
}

const char *ip_prefix_format(const struct ip_prefix *p, char buf[static IP_PREFIX_STRLEN])
{
	char a[IP_ADDR_STRLEN];

	(void)snprintf(buf, IP_PREFIX_STRLEN, "%s/%u", ip_addr_format(&p->addr, a), p->len);
	return buf;
}

const char *ip_endpoint_format(const struct ip_addr *a, unsigned port, char buf[static IP_ENDPOINT_STRLEN])
{
	char s[IP_ADDR_STRLEN], *end;

	if (a->family == AF_INET) {
		end = put_addr4(buf, a);
		*end++ = ':';
		(void)put_decimal(end, port & 0xffff);
	} else {
		(void)snprintf(buf, IP_ENDPOINT_STRLEN, a->family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip_addr_format(a, s), port & 0xffff);
	}
	return buf;
}
