/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of DNS text: names, servers, types, and records in the form of a zone's file (RFC 1035, 5.1; RFC 3597 for types without a name). */

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <strings.h>

#include "dns-text-private.h"

bool dns_word_next(const char **line, struct dns_word *ret)
{
	const char *p = *line + strspn(*line, " \t");
	bool quoted = false;

	if (!*p)
		return false;
	ret->s = p;
	for (; *p && (quoted || (*p != ' ' && *p != '\t')); p++) {
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	ret->len = (size_t)(p - ret->s);
	*line = p;
	return true;
}

bool dns_word_is(const struct dns_word *w, const char *what)
{
	return strlen(what) == w->len && strncasecmp(w->s, what, w->len) == 0;
}

static bool is_name(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f || s[i] == '"')
			return false;
	}
	return len > 0 && len <= DNS_TEXT_NAME_MAX;
}

const char *dns_text_name(struct dns_text *t, const char *s, size_t len)
{
	size_t slashes = 0;

	if (len == 1 && *s == '.')
		return "";
	if (!is_name(s, len) || *s == '.')
		return NULL;
	while (slashes + 1 < len && s[len - 2 - slashes] == '\\')
		slashes++;
	if (s[len - 1] == '.' && slashes % 2 == 0)
		len--;
	return dns_text_copy(t, s, len);
}

/* What names.h has no constant for (IANA's registry of DNS parameters). */
static const struct {
	const char *name;
	int type;
} more_types[] = {
	{ "LOC", 29 },	{ "NAPTR", 35 }, { "DS", 43 },	   { "SSHFP", 44 }, { "RRSIG", 46 }, { "NSEC", 47 }, { "DNSKEY", 48 },
	{ "NSEC3", 50 }, { "NSEC3PARAM", 51 }, { "TLSA", 52 }, { "SVCB", 64 },  { "HTTPS", 65 }, { "CAA", 257 },
};

int dns_text_type(const char *s, size_t len)
{
	char word[16];

	if (len == 0 || len >= sizeof(word))
		return -EINVAL;
	memcpy(word, s, len);
	word[len] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(more_types); i++)
		if (strcasecmp(more_types[i].name, word) == 0)
			return more_types[i].type;
	return dns_type_parse(word);
}

int dns_text_rcode(const char *s, size_t len)
{
	for (uint8_t i = 0; i < 11; i++) {
		const char *name = dns_rcode_name(i);

		if (strlen(name) == len && strncasecmp(name, s, len) == 0)
			return i;
	}
	/* what BIND's tools print of the others, and busybox's "format error" is not printed as a word */
	if (len == 9 && strncasecmp(s, "RESERVED", 8) == 0 && isdigit((unsigned char)s[8]))
		return s[8] - '0' >= 11 ? -EINVAL : s[8] - '0';
	if (len == 10 && strncasecmp(s, "RESERVED1", 9) == 0 && s[9] >= '1' && s[9] <= '5')
		return 10 + s[9] - '0';
	return -EINVAL;
}

/* An address, of which a zone ("%eth0") is left out. */
static bool parse_address(const char *s, size_t len, struct ip_addr *ret)
{
	const char *zone = memchr(s, '%', len);

	return ip_addr_parsen(s, zone ? (size_t)(zone - s) : len, ret) == 0;
}

static bool parse_port(const char *s, size_t len, uint16_t *ret)
{
	uint64_t port;

	if (parse_uint(s, len, UINT16_MAX, &port) < 0)
		return false;
	*ret = (uint16_t)port;
	return true;
}

bool dns_text_server(const char *s, size_t len, struct ip_addr *ret, uint16_t *ret_port)
{
	const char *mark = memchr(s, '#', len), *end;

	if (!mark)
		mark = memrchr(s, '@', len);
	if (!mark && len > 0 && *s == '[') {
		end = memchr(s, ']', len);
		if (!end || !parse_address(s + 1, (size_t)(end - s) - 1, ret))
			return false;
		return end + 1 == s + len || (end[1] == ':' && parse_port(end + 2, len - (size_t)(end + 2 - s), ret_port));
	}
	/* an IPv6 address alone has more than one colon */
	if (!mark && (mark = memchr(s, ':', len)) && memchr(mark + 1, ':', len - (size_t)(mark + 1 - s)))
		mark = NULL;
	if (!mark)
		return parse_address(s, len, ret);
	return parse_address(s, (size_t)(mark - s), ret) && parse_port(mark + 1, len - (size_t)(mark + 1 - s), ret_port);
}

/* ---- values ---- */

static bool take_number(const char **line, uint64_t max, uint64_t *ret)
{
	struct dns_word w;

	return dns_word_next(line, &w) && parse_uint(w.s, w.len, max, ret) == 0;
}

static bool take_name(struct dns_text *t, const char **line, const char **ret)
{
	struct dns_word w;

	*ret = dns_word_next(line, &w) ? dns_text_name(t, w.s, w.len) : NULL;
	return *ret;
}

static bool is_end(const char *line)
{
	return line[strspn(line, " \t")] == '\0';
}

static bool take_address(const char *line, struct dns_record *r)
{
	struct dns_word w;

	return dns_word_next(&line, &w) && is_end(line) && ip_addr_parsen(w.s, w.len, &r->addr) == 0 &&
	       r->addr.family == (r->type == DNS_A ? AF_INET : AF_INET6);
}

static bool take_service(struct dns_text *t, const char *line, struct dns_record *r)
{
	uint64_t v[3];

	for (size_t i = 0; i < 3; i++)
		if (!take_number(&line, UINT16_MAX, &v[i]))
			return false;
	r->priority = (uint16_t)v[0];
	r->weight = (uint16_t)v[1];
	r->port = (uint16_t)v[2];
	return take_name(t, &line, &r->target) && is_end(line);
}

static bool take_soa(struct dns_text *t, const char *line, struct dns_record *r)
{
	const char *mail;
	uint64_t v = 0;

	if (!take_name(t, &line, &r->target) || !take_name(t, &line, &mail))
		return false;
	for (size_t i = 0; i < 5; i++)
		if (!take_number(&line, UINT32_MAX, &v))
			return false;
	r->minimum = (uint32_t)v;
	return is_end(line);
}

bool dns_text_value(struct dns_text *t, const char *value, struct dns_record *r)
{
	size_t len;

	switch (r->type) {
	case DNS_A:
	case DNS_AAAA:
		return take_address(value, r);
	case DNS_CNAME:
	case DNS_DNAME:
	case DNS_NS:
	case DNS_PTR:
		return take_name(t, &value, &r->target) && is_end(value);
	case DNS_SRV:
		return take_service(t, value, r);
	case DNS_SOA:
		return take_soa(t, value, r);
	default:
		value += strspn(value, " \t");
		len = strlen(value);
		while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
			len--;
		r->text = dns_text_copy(t, value, len);
		return r->text;
	}
}

/* ---- a record ---- */

/* "30", "5m30s" as some tools print it. */
static bool is_ttl(const struct dns_word *w, uint32_t *ret)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	uint64_t sum = 0, n = 0;
	bool digits = false;

	for (size_t i = 0; i < w->len; i++) {
		size_t u = 0;

		if (isdigit((unsigned char)w->s[i])) {
			n = n * 10 + (uint64_t)(w->s[i] - '0');
			digits = true;
			if (n > UINT32_MAX)
				return false;
			continue;
		}
		while (u < ARRAY_LEN(units) && units[u].unit != tolower((unsigned char)w->s[i]))
			u++;
		if (u == ARRAY_LEN(units) || !digits)
			return false;
		sum += n * units[u].seconds;
		n = 0;
	}
	if (!digits || sum + n > UINT32_MAX)
		return false;
	*ret = (uint32_t)(sum + n);
	return true;
}

static bool is_class(const struct dns_word *w, bool *ret_other)
{
	*ret_other = dns_word_is(w, "CH") || dns_word_is(w, "HS") || dns_word_is(w, "ANY");
	return *ret_other || dns_word_is(w, "IN");
}

int dns_text_record(struct dns_text *t, const char *line, bool strict, struct dns_record *ret, const char **ret_why)
{
	struct dns_word owner, w;
	bool ttl = false, class = false, other = false;
	struct dns_record r = { 0 };
	int type;

	*ret_why = "it is no record";
	if (!dns_word_next(&line, &owner) || !dns_word_next(&line, &w))
		return 0;
	ttl = is_ttl(&w, &r.ttl);
	if (ttl && !dns_word_next(&line, &w))
		return 0;
	class = is_class(&w, &other);
	if (class && !dns_word_next(&line, &w))
		return 0;
	if (strict && ((!ttl && !class) || owner.s[owner.len - 1] != '.'))
		return 0;
	type = dns_text_type(w.s, w.len);
	*ret_why = other ? "it is of another class than IN" : type < 0 ? "its type is not known" : "its value is none of this type";
	r.owner = !other && type >= 0 ? dns_text_name(t, owner.s, owner.len) : NULL;
	r.type = (uint16_t)(type < 0 ? 0 : type);
	if (!r.owner || !dns_text_value(t, line, &r))
		return t->err < 0 ? t->err : 0;
	*ret = r;
	return 1;
}
