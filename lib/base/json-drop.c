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

size_t json_drop(char *data, size_t size, const char *const *keys)
{
	const char *const end = data + size, *p = data, *kept = data; /* from @kept to @p: to be kept, and not moved yet */
	struct cursor dropped;
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
		if (value == end || (*value != '{' && *value != '[') || !str_one_of(key, (size_t)(behind - 1 - key), keys))
			continue;
		dropped = (struct cursor){ value, end };
		if (!scan_balanced(&dropped))
			break;
		p = dropped.p;
		memmove(to, kept, (size_t)(value + 1 - kept));
		to += value + 1 - kept;
		kept = p - 1; /* the bracket that closes it */
	}
	memmove(to, kept, (size_t)(end - kept));
	to += end - kept;
	*to = '\0';
	return (size_t)(to - data);
}
