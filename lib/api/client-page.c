/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a page of a list says of itself: its kind, and the token of the next page. A page may have megabytes of items: where the API's own
 * types are served the head comes first and the items are not looked at; objects of custom resources come in alphabetical order (apiVersion,
 * items, kind, metadata), so their items are stepped over by brackets and quotes alone. Whoever decodes the items finds what is damaged there.
 */
#include <errno.h>

#include <jansson.h>

#include "client-private.h"

#define DEPTH_MAX 512

struct text {
	const char *p, *end;
};

static void skip_space(struct text *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\n' || *t->p == '\r' || *t->p == '\t'))
		t->p++;
}

/* The cursor stands on the opening quote, and ends behind the closing one. Each byte is looked at twice at most. */
static bool skip_string(struct text *t)
{
	const char *quote = t->p++;

	for (;;) {
		const char *slash;

		if (quote < t->p)
			quote = memchr(t->p, '"', (size_t)(t->end - t->p));
		if (!quote)
			return false;
		slash = memchr(t->p, '\\', (size_t)(quote - t->p));
		if (!slash) {
			t->p = quote + 1;
			return true;
		}
		if (t->end - slash < 2)
			return false;
		t->p = slash + 2;
	}
}

/* An object or an array. */
static bool skip_brackets(struct text *t)
{
	size_t depth = 0;

	while (t->p < t->end) {
		char ch = *t->p;

		if (ch == '"') {
			if (!skip_string(t))
				return false;
			continue;
		}
		t->p++;
		if (ch == '{' || ch == '[') {
			if (++depth > DEPTH_MAX)
				return false;
		} else if ((ch == '}' || ch == ']') && --depth == 0) {
			return true;
		}
	}
	return false;
}

static bool skip_value(struct text *t)
{
	const char *from = t->p;

	if (t->p == t->end)
		return false;
	if (*t->p == '"')
		return skip_string(t);
	if (*t->p == '{' || *t->p == '[')
		return skip_brackets(t);
	while (t->p < t->end && !strchr(",}] \n\r\t", *t->p))
		t->p++;
	return t->p > from;
}

/* A member's name and the colon; the cursor ends on the value. The name is [@ret, @ret + @ret_size), as it stands there. */
static bool read_key(struct text *t, const char **ret, size_t *ret_size)
{
	skip_space(t);
	if (t->p == t->end || *t->p != '"')
		return false;
	*ret = t->p + 1;
	if (!skip_string(t))
		return false;
	*ret_size = (size_t)(t->p - 1 - *ret);
	skip_space(t);
	if (t->p == t->end || *t->p++ != ':')
		return false;
	skip_space(t);
	return true;
}

/* Behind a value. 1: another member follows; 0: that was the last one. */
static int next_member(struct text *t)
{
	skip_space(t);
	if (t->p == t->end)
		return SD_EPARSE;
	switch (*t->p++) {
	case ',':
		return 1;
	case '}':
		return 0;
	default:
		return SD_EPARSE;
	}
}

/* Behind the opening bracket. */
static bool no_members(struct text *t)
{
	skip_space(t);
	if (t->p == t->end || *t->p != '}')
		return false;
	t->p++;
	return true;
}

static bool is_key(const char *key, size_t size, const char *what)
{
	return size == strlen(what) && memcmp(key, what, size) == 0;
}

/* @from: a string with its quotes and escapes. */
static int decode(const char *from, const char *to, char **ret)
{
	json_t *v;
	char *s;

	if (to - from > (ptrdiff_t)CONTINUE_MAX)
		return SD_ELIMIT;
	v = json_loadb(from, (size_t)(to - from), JSON_DECODE_ANY, NULL);
	if (!v)
		return SD_EPARSE;
	s = json_string_length(v) ? strdup(json_string_value(v)) : NULL;
	if (!s && json_string_length(v)) {
		json_decref(v);
		return -ENOMEM;
	}
	json_decref(v);
	free(*ret);
	*ret = s;
	return 0;
}

/* The cursor stands on "metadata"'s value. */
static int read_metadata(struct text *t, struct page_head *h)
{
	int r;

	if (t->p == t->end || *t->p != '{')
		return skip_value(t) ? 0 : SD_EPARSE;
	t->p++;
	if (no_members(t))
		return 0;
	do {
		const char *key, *from;
		size_t size;

		r = 0;
		if (!read_key(t, &key, &size))
			return SD_EPARSE;
		from = t->p;
		if (!skip_value(t))
			return SD_EPARSE;
		if (*from == '"' && is_key(key, size, "continue"))
			r = decode(from, t->p, &h->token);
		if (r == 0)
			r = next_member(t);
	} while (r > 0);
	return r;
}

static void copy_kind(struct page_head *h, const char *from, const char *to)
{
	size_t size = (size_t)(to - from);

	if (*from != '"' || size < 2 || size - 2 >= sizeof(h->kind) || memchr(from, '\\', size))
		return;
	memcpy(h->kind, from + 1, size - 2);
	h->kind[size - 2] = '\0';
}

/* One member; 1: everything is known. */
static int read_member(struct text *t, struct page_head *h, bool *metadata)
{
	const char *key, *from;
	size_t size;

	if (!read_key(t, &key, &size))
		return SD_EPARSE;
	from = t->p;
	if (is_key(key, size, "metadata")) {
		*metadata = true;
		return read_metadata(t, h);
	}
	if (is_key(key, size, "items") && t->p < t->end && (*t->p == '[' || *t->p == 'n')) {
		h->items = true;
		if (*metadata && h->kind[0])
			return 1;
	}
	if (!skip_value(t))
		return SD_EPARSE;
	if (is_key(key, size, "kind"))
		copy_kind(h, from, t->p);
	return 0;
}

static int read_members(struct text *t, struct page_head *h)
{
	bool metadata = false;
	int r;

	skip_space(t);
	if (t->p == t->end || *t->p++ != '{')
		return SD_EPARSE;
	if (no_members(t))
		return 0;
	do {
		r = read_member(t, h, &metadata);
		if (r == 1)
			return 0;
		if (r == 0)
			r = next_member(t);
	} while (r > 0);
	return r;
}

void page_head_release(struct page_head *h)
{
	free(h->token);
	*h = (struct page_head){ .items = false };
}

int page_head_read(const char *data, size_t size, struct page_head *ret)
{
	struct text t = { data, data + size };
	struct page_head h = { .items = false };
	int r = read_members(&t, &h);

	if (r < 0) {
		page_head_release(&h);
		return r;
	}
	*ret = h;
	return 0;
}

bool page_kind_fits(const char *kind, const char *resource)
{
	size_t n = strlen(kind) - strlen("List"), m = strlen(resource);

	if (str_is(kind, "PartialObjectMetadataList")) /* of any resource, where the request asked for no more */
		return true;
	if (m >= n && strncasecmp(kind, resource, n) == 0)
		return str_is(resource + n, "") || str_is(resource + n, "s") || str_is(resource + n, "es");
	return n > 0 && (kind[n - 1] | 32) == 'y' && m > n && strncasecmp(kind, resource, n - 1) == 0 && str_is(resource + n - 1, "ies");
}
