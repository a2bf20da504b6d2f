/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cuts the text of one page of a list, so that its items can be written on as they came: nothing is decoded and encoded again, and
 * nothing is lost that this program does not know. Only the structure is looked at.
 */

#include <errno.h>

#include "collect-private.h"

struct scan {
	const char *p, *end;
};

static void skip_space(struct scan *s)
{
	while (s->p < s->end && strchr(" \t\r\n", *s->p) && *s->p)
		s->p++;
}

static bool skip_char(struct scan *s, char c)
{
	skip_space(s);
	if (s->p >= s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool skip_string(struct scan *s)
{
	if (!skip_char(s, '"'))
		return false;
	for (; s->p < s->end; s->p++) {
		if (*s->p == '"') {
			s->p++;
			return true;
		}
		if (*s->p == '\\')
			s->p++;
	}
	return false;
}

/* An object or array, whose brackets are only counted: what is between them is the reader's to judge. */
static bool skip_nested(struct scan *s)
{
	size_t depth = 0;

	while (s->p < s->end) {
		char c = *s->p;

		if (c == '"') {
			if (!skip_string(s))
				return false;
			continue;
		}
		s->p++;
		depth += c == '{' || c == '[';
		if ((c == '}' || c == ']') && --depth == 0)
			return true;
	}
	return false;
}

static bool skip_value(struct scan *s, struct page_span *ret)
{
	bool ok;

	skip_space(s);
	ret->at = s->p;
	if (s->p >= s->end)
		return false;
	if (*s->p == '"') {
		ok = skip_string(s);
	} else if (*s->p == '{' || *s->p == '[') {
		ok = skip_nested(s);
	} else {
		while (s->p < s->end && !strchr(",]} \t\r\n", *s->p))
			s->p++;
		ok = s->p > ret->at;
	}
	ret->size = (size_t)(s->p - ret->at);
	return ok;
}

static bool is_key(const struct page_span *key, const char *name)
{
	return key->size == strlen(name) + 2 && memcmp(key->at + 1, name, key->size - 2) == 0;
}

typedef bool member_fn(void *arg, const struct page_span *key, const struct page_span *value);

static bool each_member(struct page_span object, member_fn *fn, void *arg)
{
	struct scan s = { object.at, object.at + object.size };
	struct page_span key, value;

	if (!skip_char(&s, '{'))
		return false;
	if (skip_char(&s, '}'))
		return true;
	do {
		skip_space(&s);
		key.at = s.p;
		if (!skip_string(&s))
			return false;
		key.size = (size_t)(s.p - key.at);
		if (!skip_char(&s, ':') || !skip_value(&s, &value) || !fn(arg, &key, &value))
			return false;
	} while (skip_char(&s, ','));
	return skip_char(&s, '}');
}

static bool metadata_member(void *arg, const struct page_span *key, const struct page_span *value)
{
	struct page_parts *ret = arg;

	if (is_key(key, "resourceVersion") && value->at[0] == '"')
		ret->resource_version = *value;
	return true;
}

static bool cut_items(struct page_span value, struct page_parts *ret)
{
	struct scan s = { value.at, value.at + value.size };
	struct page_span item;

	if (value.size == 4 && memcmp(value.at, "null", 4) == 0)
		return true;
	if (!skip_char(&s, '['))
		return false;
	if (skip_char(&s, ']'))
		return true;
	skip_space(&s);
	ret->items.at = s.p;
	do {
		if (!skip_value(&s, &item) || item.at[0] != '{')
			return false;
		ret->items.size = (size_t)(s.p - ret->items.at);
		ret->count++;
	} while (skip_char(&s, ','));
	return skip_char(&s, ']');
}

struct list_reader {
	struct page_parts *ret;
	bool items;
};

static bool list_member(void *arg, const struct page_span *key, const struct page_span *value)
{
	struct list_reader *r = arg;

	if (is_key(key, "kind") && value->at[0] == '"')
		r->ret->kind = *value;
	else if (is_key(key, "apiVersion") && value->at[0] == '"')
		r->ret->api_version = *value;
	else if (is_key(key, "metadata") && value->at[0] == '{')
		return each_member(*value, metadata_member, r->ret);
	else if (is_key(key, "items") && !r->items)
		return r->items = true, cut_items(*value, r->ret);
	return true;
}

int page_split(const char *data, size_t size, struct page_parts *ret)
{
	struct page_parts parts = { 0 };
	struct list_reader r = { &parts, false };

	if (!each_member((struct page_span){ data, size }, list_member, &r) || !r.items || parts.kind.size == 0)
		return SD_EPARSE;
	*ret = parts;
	return 0;
}
