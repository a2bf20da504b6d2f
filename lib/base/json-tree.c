/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes jansson's tree of a text that the scanner has found well-formed. jansson's own reader takes each byte through three calls and copies it
 * twice; here a name or string without escapes is taken as it stands. What is not plain (escapes, characters beyond ASCII, reals, large numbers)
 * is read by jansson, value by value.
 */

#include <jansson.h>

#include "json-private.h"

#define KEY_MAX 128
#define DIGITS_MAX 18 /* of an integer that fits */

/* The cursor stands on the opening quote, and ends behind the closing one. False: the string is not plain. */
static bool step_string(struct cursor *c)
{
	const unsigned char *p = (const unsigned char *)c->p + 1;
	unsigned seen = 0;

	for (; *p != '"'; p++) {
		if (*p == '\\') {
			p++;
			seen = 0x80;
		}
		seen |= *p;
	}
	c->p = (const char *)p + 1;
	return seen < 0x80;
}

static json_t *read_by_jansson(const char *from, const char *to)
{
	return json_loadb(from, (size_t)(to - from), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

static json_t *string_value(struct cursor *c)
{
	const char *from = c->p;

	if (step_string(c))
		return json_stringn_nocheck(from + 1, (size_t)(c->p - from - 2));
	return read_by_jansson(from, c->p);
}

static json_t *number_value(struct cursor *c)
{
	const char *from = c->p;
	const bool minus = *from == '-';
	json_int_t n = 0;

	for (c->p += minus; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++)
		n = c->p - from < DIGITS_MAX ? n * 10 + (*c->p - '0') : n;
	if (c->p - from <= DIGITS_MAX && (c->p == c->end || !strchr(".eE", *c->p)))
		return json_integer(minus ? -n : n);
	while (c->p < c->end && ((*c->p >= '0' && *c->p <= '9') || (*c->p && strchr("+-.eE", *c->p))))
		c->p++;
	return read_by_jansson(from, c->p);
}

/* The cursor stands on the opening quote of a name. */
static bool set_member(json_t *object, struct cursor *c);

static json_t *object_value(struct cursor *c)
{
	json_t *o = json_object();

	c->p++;
	for (scan_space(c); o && *c->p != '}'; scan_space(c)) {
		if (*c->p == ',') {
			c->p++;
			scan_space(c);
		}
		if (!set_member(o, c)) {
			json_decref(o);
			return NULL;
		}
	}
	c->p++;
	return o;
}

static json_t *array_value(struct cursor *c)
{
	json_t *a = json_array();

	c->p++;
	for (scan_space(c); a && *c->p != ']'; scan_space(c)) {
		c->p += *c->p == ',';
		if (json_array_append_new(a, json_tree(c)) < 0) {
			json_decref(a);
			return NULL;
		}
	}
	c->p++;
	return a;
}

static bool set_member(json_t *object, struct cursor *c)
{
	const char *from = c->p;
	const bool plain = step_string(c);
	const size_t len = (size_t)(c->p - from - 2);
	json_t *name = NULL;
	char key[KEY_MAX];
	bool r;

	if (plain && len < sizeof(key)) {
		memcpy(key, from + 1, len);
		key[len] = '\0';
	} else {
		name = read_by_jansson(from, c->p);
	}
	scan_space(c);
	c->p++; /* the colon */
	if (name && strlen(json_string_value(name)) == json_string_length(name))
		r = json_object_set_new_nocheck(object, json_string_value(name), json_tree(c)) == 0;
	else
		r = plain && len < sizeof(key) && json_object_set_new_nocheck(object, key, json_tree(c)) == 0;
	json_decref(name);
	return r;
}

json_t *json_tree(struct cursor *c)
{
	scan_space(c);
	switch (*c->p) {
	case '{':
		return object_value(c);
	case '[':
		return array_value(c);
	case '"':
		return string_value(c);
	case 't':
		c->p += strlen("true");
		return json_true();
	case 'f':
		c->p += strlen("false");
		return json_false();
	case 'n':
		c->p += strlen("null");
		return json_null();
	default:
		return number_value(c);
	}
}
