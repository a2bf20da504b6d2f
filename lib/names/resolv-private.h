/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NAMES_RESOLV_PRIVATE_H
#define NAMES_RESOLV_PRIVATE_H

/* Lines and words of resolv.conf, for everybody who reads it in a way of his own. */

#include <svcdoctor/names.h>

#define RESOLV_SIZE_MAX (64 * 1024)
#define RESOLV_ENTRIES_MAX 1024 /* of a kind */
#define RESOLV_BLANKS " \t"
#define RESOLV_SPACES " \t\n\v\f\r" /* isspace() in the C locale */

struct resolv_text {
	const char *s;
	size_t len;
};
struct resolv_line {
	struct resolv_text text; /* without the newline */
	unsigned number;	 /* from 1; 0 before the first */
};

/* The next line behind @at, which is moved; false at the end. */
bool resolv_next_line(const char **at, struct resolv_line *l);
/* The next word of @rest between characters of @blanks, which is cut off there; false when there is none. */
bool resolv_next_word(struct resolv_text *rest, const char *blanks, struct resolv_text *ret);
/* Does the line begin with this keyword and one of @blanks? The rest in *@ret. */
bool resolv_keyword(const struct resolv_line *l, const char *keyword, const char *blanks, struct resolv_text *ret);
bool resolv_text_starts(const struct resolv_text *t, const char *prefix);
/* An IPv4 address as inet_aton() reads it in both libcs: "10.1", "0x7f.1", too. */
bool resolv_aton(const struct resolv_text *t, struct ip_addr *ret);

#endif
