/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON as text, for lists that are long: see json-out-private.h. */

#include <stdarg.h>

#include "json-out-private.h"

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Length of the UTF-8 character at @s (RFC 3629), 0: there is none. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	const unsigned char c = s[0];
	const size_t n = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void add_odd(struct strbuf *b, unsigned char c)
{
	if (c == '"' || c == '\\') {
		const char text[2] = { '\\', (char)c };

		strbuf_add(b, text, 2);
	} else {
		strbuf_addf(b, "\\u%04x", c);
	}
}

static void add_string(struct strbuf *b, const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t from = 0, i = 0;

	strbuf_addc(b, '"');
	while (i < len) {
		const size_t n = is_plain(u[i]) ? 1 : utf8_len(u + i, len - i);

		if (n) {
			i += n;
			continue;
		}
		strbuf_add(b, s + from, i - from);
		add_odd(b, u[i]);
		from = ++i;
	}
	strbuf_add(b, s + from, i - from);
	strbuf_addc(b, '"');
}

static void before(struct json_out *o, const char *key)
{
	if (o->comma)
		strbuf_addc(o->b, ',');
	o->comma = true;
	if (!key)
		return;
	strbuf_addc(o->b, '"');
	strbuf_adds(o->b, key);
	strbuf_add(o->b, "\":", 2);
}

void jo_open(struct json_out *o, const char *key, char bracket)
{
	before(o, key);
	strbuf_addc(o->b, bracket);
	o->comma = false;
}

void jo_close(struct json_out *o, char bracket)
{
	strbuf_addc(o->b, bracket);
	o->comma = true;
}

void jo_strn(struct json_out *o, const char *key, const char *s, size_t len)
{
	before(o, key);
	add_string(o->b, s, len);
}

void jo_str(struct json_out *o, const char *key, const char *s)
{
	if (s)
		jo_strn(o, key, s, strlen(s));
	else
		jo_null(o, key);
}

void jo_uint(struct json_out *o, const char *key, uint64_t n)
{
	char digits[20], *p = digits + sizeof(digits);

	if (n > INT64_MAX) {
		jo_strf(o, key, "%llu", (unsigned long long)n);
		return;
	}
	do {
		*--p = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	before(o, key);
	strbuf_add(o->b, p, (size_t)(digits + sizeof(digits) - p));
}

void jo_int(struct json_out *o, const char *key, int64_t n)
{
	if (n >= 0)
		jo_uint(o, key, (uint64_t)n);
	else
		jo_raw(o, key, "%lld", (long long)n);
}

void jo_bool(struct json_out *o, const char *key, bool yes)
{
	before(o, key);
	strbuf_adds(o->b, yes ? "true" : "false");
}

void jo_null(struct json_out *o, const char *key)
{
	before(o, key);
	strbuf_adds(o->b, "null");
}

void jo_hex(struct json_out *o, const char *key, uint64_t n)
{
	jo_raw(o, key, "\"%#llx\"", (unsigned long long)n);
}

void jo_raw(struct json_out *o, const char *key, const char *fmt, ...)
{
	va_list args;

	before(o, key);
	va_start(args, fmt);
	strbuf_vaddf(o->b, fmt, args);
	va_end(args);
}

void jo_json(struct json_out *o, const char *text, size_t len)
{
	before(o, NULL);
	strbuf_add(o->b, text, len);
}

void jo_strf(struct json_out *o, const char *key, const char *fmt, ...)
{
	char text[128];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	jo_str(o, key, text);
}
