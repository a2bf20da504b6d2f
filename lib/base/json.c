/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON helpers over jansson: member access by type, and a scanner of our own (RFC 8259's grammar, no tree), which finds
 * where a value ends and, where the text is damaged, the very byte that is wrong. json-items.c cuts documents with it.
 */

#include <jansson.h>

#include "json-private.h"

#define DEPTH_MAX 256

const char *json_str(const struct json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

struct json_t *json_obj(const struct json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_object(v) ? v : NULL;
}

struct json_t *json_arr(const struct json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_array(v) ? v : NULL;
}

bool json_int(const struct json_t *o, const char *key, int64_t *ret)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v))
		return false;
	*ret = json_integer_value(v);
	return true;
}

int json_tri(const struct json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_boolean(v) ? json_is_true(v) : -1;
}

/* ---- the scanner: pointers into the text, no allocation ---- */

static bool is_space(char ch)
{
	return ch == ' ' || ch == '\n' || ch == '\r' || ch == '\t';
}

static void skip_space(struct cursor *c)
{
	while (c->p < c->end && is_space(*c->p))
		c->p++;
}

static bool is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static enum scan scan_hex4(struct cursor *c)
{
	for (int i = 0; i < 4; i++, c->p++) {
		if (c->p == c->end)
			return SCAN_CUT;
		if (!is_digit(*c->p) && !((*c->p | 32) >= 'a' && (*c->p | 32) <= 'f'))
			return SCAN_BAD;
	}
	return SCAN_OK;
}

/* The cursor stands behind a backslash. */
static enum scan scan_escape(struct cursor *c)
{
	if (c->p == c->end)
		return SCAN_CUT;
	if (*c->p == 'u') {
		c->p++;
		return scan_hex4(c);
	}
	if (*c->p == '\0' || !strchr("\"\\/bfnrt", *c->p))
		return SCAN_BAD;
	c->p++;
	return SCAN_OK;
}

/* The cursor stands on the opening quote. */
static enum scan scan_string(struct cursor *c)
{
	c->p++;
	while (c->p < c->end) {
		unsigned char ch = (unsigned char)*c->p;

		if (ch == '"') {
			c->p++;
			return SCAN_OK;
		}
		if (ch < 0x20)
			return SCAN_BAD;
		c->p++;
		if (ch == '\\') {
			enum scan r = scan_escape(c);

			if (r != SCAN_OK)
				return r;
		}
	}
	return SCAN_CUT;
}

static enum scan scan_word(struct cursor *c, const char *word)
{
	for (; *word; word++, c->p++) {
		if (c->p == c->end)
			return SCAN_CUT;
		if (*c->p != *word)
			return SCAN_BAD;
	}
	return SCAN_OK;
}

/* One digit or more. */
static enum scan scan_digits(struct cursor *c)
{
	if (c->p == c->end)
		return SCAN_CUT;
	if (!is_digit(*c->p))
		return SCAN_BAD;
	while (c->p < c->end && is_digit(*c->p))
		c->p++;
	return SCAN_OK;
}

static enum scan scan_number(struct cursor *c)
{
	enum scan r = SCAN_OK;

	if (*c->p == '-')
		c->p++;
	if (c->p < c->end && *c->p == '0')
		c->p++;
	else
		r = scan_digits(c);
	if (r == SCAN_OK && c->p < c->end && *c->p == '.') {
		c->p++;
		r = scan_digits(c);
	}
	if (r == SCAN_OK && c->p < c->end && (*c->p | 32) == 'e') {
		c->p++;
		if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
			c->p++;
		r = scan_digits(c);
	}
	return r;
}

static enum scan scan_scalar(struct cursor *c)
{
	switch (*c->p) {
	case '"':
		return scan_string(c);
	case 't':
		return scan_word(c, "true");
	case 'f':
		return scan_word(c, "false");
	case 'n':
		return scan_word(c, "null");
	default:
		return scan_number(c);
	}
}

void scan_space(struct cursor *c)
{
	skip_space(c);
}

enum scan scan_key(struct cursor *c)
{
	enum scan r;

	skip_space(c);
	if (c->p == c->end)
		return SCAN_CUT;
	if (*c->p != '"')
		return SCAN_BAD;
	r = scan_string(c);
	if (r != SCAN_OK)
		return r;
	skip_space(c);
	if (c->p == c->end)
		return SCAN_CUT;
	return *c->p++ == ':' ? SCAN_OK : (c->p--, SCAN_BAD);
}

/* What stands open around the cursor. */
struct nesting {
	char open[DEPTH_MAX];
	unsigned depth;
};

/* Opens an object or an array. Sets @ret_done when it is empty and was closed at once. */
static enum scan scan_open(struct cursor *c, struct nesting *n, bool *ret_done)
{
	char ch = *c->p;

	if (n->depth == DEPTH_MAX)
		return SCAN_DEEP;
	n->open[n->depth++] = ch;
	c->p++;
	skip_space(c);
	if (c->p == c->end)
		return SCAN_CUT;
	*ret_done = *c->p == (ch == '{' ? '}' : ']');
	if (*ret_done) {
		c->p++;
		n->depth--;
		return SCAN_OK;
	}
	return ch == '{' ? scan_key(c) : SCAN_OK;
}

/* Behind a value: closes what ends here and stops before the next value, or at depth 0. */
static enum scan scan_after(struct cursor *c, struct nesting *n)
{
	while (n->depth > 0) {
		char open = n->open[n->depth - 1];

		skip_space(c);
		if (c->p == c->end)
			return SCAN_CUT;
		if (*c->p == ',') {
			c->p++;
			return open == '{' ? scan_key(c) : SCAN_OK;
		}
		if (*c->p != (open == '{' ? '}' : ']'))
			return SCAN_BAD;
		c->p++;
		n->depth--;
	}
	return SCAN_OK;
}

enum scan scan_value(struct cursor *c)
{
	struct nesting n;
	enum scan r;

	n.depth = 0;
	do {
		bool done = true;

		skip_space(c);
		if (c->p == c->end)
			return SCAN_CUT;
		r = *c->p == '{' || *c->p == '[' ? scan_open(c, &n, &done) : scan_scalar(c);
		if (r == SCAN_OK && done)
			r = scan_after(c, &n);
	} while (r == SCAN_OK && n.depth > 0);
	return r;
}

bool scan_balanced(struct cursor *c)
{
	size_t depth = 0;

	while (c->p < c->end) {
		char ch = *c->p;

		if (ch == '"') {
			for (c->p++; c->p < c->end && *c->p != '"'; c->p++)
				c->p += *c->p == '\\' && c->p + 1 < c->end;
			if (c->p == c->end)
				return false;
		} else if (ch == '{' || ch == '[') {
			depth++;
		} else if (depth == 0 && (ch == ',' || ch == '}' || ch == ']')) {
			return true;
		} else if (ch == '}' || ch == ']') {
			depth--;
		}
		c->p++;
		if (depth == 0 && (ch == '}' || ch == ']'))
			return true;
	}
	return false;
}
