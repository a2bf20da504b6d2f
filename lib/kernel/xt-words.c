/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words of an iptables-save line: numbers, addresses, masks, strings in quotes. They are written without printf, because a node has
 * some hundred thousand rules. How each looks is xtables_save_string, xtables_ipmask_to_numeric and their like in iptables 1.8.9.
 */
#include "xt-private.h"

static size_t digits(char end[static 20], uint64_t v)
{
	char *p = end + 20;

	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	return (size_t)(end + 20 - p);
}

void xt_dec(struct strbuf *b, uint64_t v)
{
	char buf[20];
	size_t n = digits(buf, v);

	strbuf_add(b, buf + 20 - n, n);
}

void xt_hex(struct strbuf *b, uint32_t v)
{
	char buf[10], *p = buf + sizeof(buf);

	do
		*--p = "0123456789abcdef"[v & 15];
	while (v >>= 4);
	*--p = 'x';
	*--p = '0';
	strbuf_add(b, p, (size_t)(buf + sizeof(buf) - p));
}

void xt_opt_dec(struct strbuf *b, const char *option, uint64_t v)
{
	strbuf_adds(b, option);
	strbuf_addc(b, ' ');
	xt_dec(b, v);
}

void xt_opt_range(struct strbuf *b, const char *option, uint32_t lo, uint32_t hi)
{
	xt_opt_dec(b, option, lo);
	if (lo == hi)
		return;
	strbuf_addc(b, ':');
	xt_dec(b, hi);
}

void xt_value_mask(struct strbuf *b, uint32_t v, uint32_t mask)
{
	xt_hex(b, v);
	if (mask == UINT32_MAX)
		return;
	strbuf_addc(b, '/');
	xt_hex(b, mask);
}

void xt_addr(struct strbuf *b, bool ip6, const void *addr)
{
	const uint8_t *a = addr;
	char buf[INET6_ADDRSTRLEN], part[20];
	size_t len = 0;

	if (ip6) {
		strbuf_adds(b, inet_ntop(AF_INET6, addr, buf, sizeof(buf)));
		return;
	}
	for (int i = 0; i < 4; i++) {
		size_t n = digits(part, a[i]);

		memcpy(buf + len, part + 20 - n, n);
		len += n;
		buf[len++] = '.';
	}
	strbuf_add(b, buf, len - 1);
}

int xt_mask_length(bool ip6, const void *mask)
{
	const uint8_t *m = mask;
	size_t size = ip6 ? 16 : 4, i = 0;
	int len = 0;

	while (i < size && m[i] == 255)
		i++;
	len = (int)i * 8;
	if (i == size)
		return len;
	for (uint8_t v = m[i++]; v; v = (uint8_t)(v << 1)) {
		if (!(v & 0x80))
			return -1;
		len++;
	}
	for (; i < size; i++)
		if (m[i])
			return -1;
	return len;
}

void xt_mask(struct strbuf *b, bool ip6, const void *mask, bool full_too)
{
	int len = xt_mask_length(ip6, mask);

	if (len == (ip6 ? 128 : 32) && !full_too)
		return;
	strbuf_addc(b, '/');
	if (len < 0)
		xt_addr(b, ip6, mask);
	else
		xt_dec(b, (unsigned)len);
}

/* As /etc/protocols has them, which iptables asks first. */
static const char *const protocols[256] = {
	[1] = "icmp", [2] = "igmp", [4] = "ipencap", [6] = "tcp", [17] = "udp", [33] = "dccp", [41] = "ipv6", [47] = "gre", [50] = "esp",
	[51] = "ah", [58] = "ipv6-icmp", [89] = "ospf", [94] = "ipip", [103] = "pim", [108] = "ipcomp", [112] = "vrrp", [115] = "l2tp",
	[132] = "sctp", [135] = "mobility-header", [136] = "udplite",
};

void xt_put_proto(struct strbuf *b, unsigned proto)
{
	if (proto < ARRAY_LEN(protocols) && protocols[proto])
		strbuf_adds(b, protocols[proto]);
	else
		xt_dec(b, proto);
}

static bool ends_line(char c)
{
	return c == '\n' || c == '\r';
}

/* xtables_save_string: letters, digits, '_' and '-' need no quotes. */
static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static void quoted(struct strbuf *b, const char *s, size_t len)
{
	size_t from = 0;

	strbuf_add(b, " \"", 2);
	for (size_t i = 0; i < len; i++) {
		bool escape = s[i] == '"' || s[i] == '\\' || s[i] == '\'';

		if (!escape && !ends_line(s[i]))
			continue;
		strbuf_add(b, s + from, i - from);
		from = i + !escape;
		strbuf_addc(b, escape ? '\\' : ' ');
	}
	strbuf_add(b, s + from, len - from);
	strbuf_addc(b, '"');
}

void xt_string(struct strbuf *b, const char *s, size_t max)
{
	size_t len = strnlen(s, max), i = 0;

	while (i < len && plain(s[i]))
		i++;
	if (i < len || len == 0) {
		quoted(b, s, len);
		return;
	}
	strbuf_addc(b, ' ');
	strbuf_add(b, s, len);
}

void xt_name(struct strbuf *b, const char *s, size_t max)
{
	size_t len = strnlen(s, max), i = 0;

	/* A quote or a backslash within a word is itself (xt_next_word). */
	while (i < len && (unsigned char)s[i] > ' ' && s[i] != 127)
		i++;
	if (i < len || len == 0 || s[0] == '!' || s[0] == '"') {
		quoted(b, s, len);
		return;
	}
	strbuf_addc(b, ' ');
	strbuf_add(b, s, len);
}

bool xt_bits(struct strbuf *b, uint32_t bits, const char *const *names, size_t len)
{
	char sep = ' ';

	for (size_t i = 0; i < len; i++) {
		if (!(bits & 1u << i) || !names[i])
			continue;
		bits &= ~(1u << i);
		strbuf_addc(b, sep);
		strbuf_adds(b, names[i]);
		sep = ',';
	}
	return bits == 0 && sep == ',';
}

void xt_take_back(struct strbuf *b, size_t len)
{
	if (b->failed || b->len < len || len == 0)
		return;
	b->len -= len;
	b->s[b->len] = '\0';
}
