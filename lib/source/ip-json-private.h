/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IP_JSON_PRIVATE_H
#define IP_JSON_PRIVATE_H

/* What the readers of `ip -j` and `bridge -j` share. */

#include <jansson.h>

#include <svcdoctor/source.h>

/* Records of one kind that are accepted from one file. */
#define IP_ITEMS_MAX (1u << 20)
/* Notes about values of one file; the last one says that there are more. */
#define IP_NOTES_MAX 20

struct ip_reader {
	struct node_facts *f;
	const char *file;
	struct sd_notes *notes;
	uint32_t line; /* of the current element */
	unsigned bad;
	size_t taken;
	void *more;    /* the reader's own */
};

/* Reads one element. 0, or a negative code that stops. A value that cannot be used is noted by ip_bad(). */
typedef int (*ip_item_fn)(struct ip_reader *r, const json_t *item);

/*
 * Hands the elements of the document to @fn. Empty objects, which `ip` prints for what it filtered out, are left out.
 * 0; SD_EPARSE: nothing could be read; or what @fn returned.
 */
int ip_each(struct ip_reader *r, const char *data, size_t size, ip_item_fn fn);
/* Notes a value of the current element that cannot be used. */
void ip_bad(struct ip_reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A string member copied to the facts' arena; NULL when absent. -ENOMEM, else 0. */
int ip_copy(struct ip_reader *r, const json_t *o, const char *key, const char **ret);
/* An address member: 1 set, 0 absent, SD_EPARSE noted. */
int ip_address(struct ip_reader *r, const json_t *o, const char *key, struct ip_addr *ret);
/* Present and neither false nor 0; `ip` prints flags as true, as 1 or as null. */
bool ip_flag(const json_t *o, const char *key);
/* Boolean or number as 0 or 1; -1 when absent. */
int ip_tri(const json_t *o, const char *key);
/* Is @word an element of the array of strings @key? */
bool ip_has_word(const json_t *o, const char *key, const char *word);
/* A number, also one in a string ("0x4000"). @fallback when absent. False: noted. */
bool ip_number(struct ip_reader *r, const json_t *o, const char *key, uint32_t fallback, uint32_t *ret);
/* The number of a routing table by its name or number. @fallback when absent. */
uint32_t ip_table(const json_t *o, uint32_t fallback);
/* "global", "link", "host", "site", "nowhere" or a number; @fallback otherwise. */
uint8_t ip_scope(const json_t *o, uint8_t fallback);

#endif
