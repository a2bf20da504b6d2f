/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Empties what nobody reads before a JSON text is decoded: most of the time of decoding goes into values that are thrown away, such as
 * who manages which field of an object. One pass, in place. Text that is no JSON is left for the decoder to complain of.
 */

#include "json-private.h"

/* Behind the closing quote of the string that begins behind @p; NULL: it has no end. */
static const char *string_end(const char *p, const char *end)
{
	for (;;) {
		const char *quote = memchr(p, '"', (size_t)(end - p)), *back = quote;

		if (!quote)
			return NULL;
		while (back > p && back[-1] == '\\')
			back--;
		if ((quote - back) % 2 == 0)
			return quote + 1;
		p = quote + 1;
	}
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* Behind the object or array that begins at @p; NULL: it has no end. */
static const char *value_end(const char *p, const char *end)
{
	size_t depth = 0;

	while (p < end) {
		switch (*p++) {
		case '"':
			p = string_end(p, end);
			if (!p)
				return NULL;
			break;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0)
				return p;
			break;
		default:
			break;
		}
	}
	return NULL;
}

static bool is_named(const char *key, size_t len, const char *const *keys)
{
	for (; *keys; keys++) {
		if ((*keys)[0] == *key && strlen(*keys) == len && memcmp(*keys, key, len) == 0)
			return true;
	}
	return false;
}

size_t json_drop(char *data, size_t size, const char *const *keys)
{
	const char *const end = data + size, *p = data, *kept = data; /* from @kept to @p: to be kept, and not moved yet */
	char *to = data;

	while ((p = memchr(p, '"', (size_t)(end - p)))) {
		const char *key = p + 1, *behind = string_end(key, end), *value;

		if (!behind)
			break;
		p = behind;
		value = skip_space(behind, end);
		if (value == end || *value != ':')
			continue;
		value = skip_space(value + 1, end);
		if (value == end || (*value != '{' && *value != '[') || !is_named(key, (size_t)(behind - 1 - key), keys))
			continue;
		p = value_end(value, end);
		if (!p)
			break;
		memmove(to, kept, (size_t)(value + 1 - kept));
		to += value + 1 - kept;
		kept = p - 1; /* the bracket that closes it */
	}
	memmove(to, kept, (size_t)(end - kept));
	to += end - kept;
	*to = '\0';
	return (size_t)(to - data);
}
