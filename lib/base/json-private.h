/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef JSON_PRIVATE_H
#define JSON_PRIVATE_H

/* The scanner of json.c, which json-items.c cuts documents with: pointers into the text, no allocation. */

#include <svcdoctor/base.h>

enum scan {
	SCAN_OK,
	SCAN_CUT,  /* the text ends inside the value */
	SCAN_BAD,  /* the byte at the cursor is wrong */
	SCAN_DEEP, /* more than 256 nested values */
};

struct cursor {
	const char *p, *end;
};

void scan_space(struct cursor *c);
/* A member's name and the colon. */
enum scan scan_key(struct cursor *c);
/* One value. The cursor ends behind it, or on the byte that is wrong. */
enum scan scan_value(struct cursor *c);
/*
 * Steps over a damaged value by counting brackets alone, strings respected.
 * False when its end cannot be told: the text ends first.
 */
bool scan_balanced(struct cursor *c);
/*
 * The tree of one value that scan_value found well-formed; the cursor ends behind it. A new reference; NULL: jansson would refuse it, too (bad
 * UTF-8, a number out of range, \u0000 in a name), or there is no memory.
 */
struct json_t *json_tree(struct cursor *c);

#endif
