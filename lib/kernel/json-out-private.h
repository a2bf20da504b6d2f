/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef JSON_OUT_PRIVATE_H
#define JSON_OUT_PRIVATE_H

/*
 * Writes JSON straight into a strbuf, without a tree and without blanks. The caller opens and closes in pairs; a key of NULL is an element
 * of an array.
 */

#include <svcdoctor/base.h>

struct json_out {
	struct strbuf *b;
	bool comma; /* something stands before the next one */
};

void jo_open(struct json_out *o, const char *key, char bracket); /* '{' or '[' */
void jo_close(struct json_out *o, char bracket);		 /* '}' or ']' */
/* @s of any bytes: what is no UTF-8 becomes the character of that number. NULL is null. */
void jo_str(struct json_out *o, const char *key, const char *s);
void jo_strn(struct json_out *o, const char *key, const char *s, size_t len);
/* A number; above what readers of JSON take (INT64_MAX) a string. */
void jo_uint(struct json_out *o, const char *key, uint64_t n);
void jo_int(struct json_out *o, const char *key, int64_t n);
void jo_bool(struct json_out *o, const char *key, bool yes);
void jo_null(struct json_out *o, const char *key);
/* A string, "0x1f"; 0 is "0", as printf's %#x has it. */
void jo_hex(struct json_out *o, const char *key, uint64_t n);
/* What printf makes of it, as it is: a number with a fraction. */
void jo_raw(struct json_out *o, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* An element that is JSON already. */
void jo_json(struct json_out *o, const char *text, size_t len);
/* A string that printf makes, of at most 127 bytes. */
void jo_strf(struct json_out *o, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
