/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON as logs hold it: one object a line, of which a few strings matter. No tree is made, and a line that a runtime broke off is read as far
 * as it goes. Quotes of Go (strconv.Quote), as klog writes them, have the same escapes and some more.
 */
#include <ctype.h>

#include "klog-private.h"

const char *log_string_end(const char *s, const char *end)
{
	while (s < end) {
		const char *quote = memchr(s, '"', (size_t)(end - s));
		size_t slashes = 0;

		if (!quote)
			return end;
		while (quote - slashes > s && quote[-1 - (ptrdiff_t)slashes] == '\\')
			slashes++;
		s = quote + 1;
		if (slashes % 2 == 0)
			return s;
	}
	return end;
}

/* ---- what is quoted ---- */

static int hex_value(const char *s, size_t digits)
{
	int v = 0;

	for (size_t i = 0; i < digits; i++) {
		if (!isxdigit((unsigned char)s[i]))
			return -1;
		v = v * 16 + (isdigit((unsigned char)s[i]) ? s[i] - '0' : (s[i] | 0x20) - 'a' + 10);
	}
	return v;
}

static size_t utf8_write(int v, char ret[4])
{
	if (v < 0x80) {
		ret[0] = (char)v;
		return 1;
	}
	if (v < 0x800) {
		ret[0] = (char)(0xc0 | v >> 6);
		ret[1] = (char)(0x80 | (v & 0x3f));
		return 2;
	}
	if (v >= 0xd800 && v < 0xe000) { /* halves of a pair */
		ret[0] = '?';
		return 1;
	}
	ret[0] = (char)(0xe0 | v >> 12);
	ret[1] = (char)(0x80 | (v >> 6 & 0x3f));
	ret[2] = (char)(0x80 | (v & 0x3f));
	return 3;
}

/* One escape; how many bytes it has. */
static size_t escape(const char *s, size_t len, char ret[4], size_t *ret_len)
{
	static const char from[] = "nrtbfav", to[] = "\n\r\t\b\f\a\v";
	const char *known;
	int v = -1;

	*ret_len = 1;
	ret[0] = *s;
	if (len < 2)
		return 1;
	if (s[1] == 'u' && len >= 6 && (v = hex_value(s + 2, 4)) >= 0) {
		*ret_len = utf8_write(v, ret);
		return 6;
	}
	if (s[1] == 'x' && len >= 4 && (v = hex_value(s + 2, 2)) >= 0) {
		ret[0] = (char)v;
		return 4;
	}
	known = s[1] ? strchr(from, s[1]) : NULL;
	ret[0] = known ? to[known - from] : s[1];
	return 2;
}

size_t log_unquote(const char *s, size_t len, char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < size;) {
		const char *slash = memchr(s + i, '\\', len - i);
		size_t plain = MIN((slash ? (size_t)(slash - s) : len) - i, size - n), k;
		char c[4];

		memcpy(buf + n, s + i, plain);
		n += plain;
		i += plain;
		if (i == len || n == size)
			break;
		i += escape(s + i, len - i, c, &k);
		k = MIN(k, size - n);
		memcpy(buf + n, c, k);
		n += k;
	}
	return n;
}

size_t log_json_bytes(const char *s, size_t len, char *buf, size_t size)
{
	size_t n = 0, i = 0;

	while (i < len && n < size) {
		unsigned v = 0;

		if (!isdigit((unsigned char)s[i])) {
			i++;
			continue;
		}
		for (; i < len && isdigit((unsigned char)s[i]); i++)
			v = (v * 10 + (unsigned)(s[i] - '0')) & 0xffff;
		buf[n++] = (char)(v & 0xff);
	}
	return n;
}

/* ---- objects ---- */

static void skip_blank(struct log_json *j)
{
	while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\r' || *j->at == '\n'))
		j->at++;
}

bool log_json_open(struct log_json *j, const char *s, size_t len)
{
	*j = (struct log_json){ s, s + len };
	if (!len || *s != '{')
		return false;
	j->at++;
	skip_blank(j);
	return j->at < j->end && *j->at == '"';
}

/* Behind the array or the object that begins here. */
static const char *nested_end(const char *s, const char *end)
{
	size_t depth = 0;

	while (s < end) {
		const char c = *s++;

		if (c == '"')
			s = log_string_end(s, end);
		else if (c == '[' || c == '{')
			depth++;
		else if ((c == ']' || c == '}') && --depth == 0)
			return s;
	}
	return end;
}

/* What stands between @s, behind its quote, and @past, behind the other one if there is one. */
static struct log_span inside(const char *s, const char *past)
{
	return (struct log_span){ s, (size_t)(past - s) - (past > s && past[-1] == '"') };
}

static struct log_span value(struct log_json *j, char *ret_kind)
{
	const char *s = j->at;

	*ret_kind = *s;
	if (*s == '"') {
		j->at = log_string_end(s + 1, j->end);
		return inside(s + 1, j->at);
	}
	if (*s == '[' || *s == '{') {
		j->at = nested_end(s, j->end);
		return (struct log_span){ s, (size_t)(j->at - s) };
	}
	*ret_kind = '0';
	while (j->at < j->end && *j->at != ',' && *j->at != '}')
		j->at++;
	return (struct log_span){ s, (size_t)(j->at - s) };
}

bool log_json_next(struct log_json *j, struct log_span *ret_key, struct log_span *ret_value, char *ret_kind)
{
	const char *s;

	skip_blank(j);
	if (j->at < j->end && *j->at == ',')
		j->at++;
	skip_blank(j);
	if (j->at == j->end || *j->at != '"')
		return false;
	s = j->at + 1;
	j->at = log_string_end(s, j->end);
	*ret_key = inside(s, j->at);
	skip_blank(j);
	if (j->at == j->end || *j->at != ':')
		return false;
	j->at++;
	skip_blank(j);
	if (j->at == j->end)
		return false;
	*ret_value = value(j, ret_kind);
	return true;
}
