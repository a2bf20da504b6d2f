/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PLAIN_PRIVATE_H
#define PLAIN_PRIVATE_H

/* Steps through the text of an object that is written plainly (plain.c). */

#include <netinet/in.h>

#include "k8s-private.h"

#define LIST_MAX 32u /* labels, ports and the like of one object */

/* The text is well-formed: the cursor never stands behind the object's end. */
struct text {
	const char *p, *end;
	struct k8s_cluster *c;
	bool escapes; /* there are backslashes somewhere; else a string ends at the next quote */
	bool plain;
	bool no_memory;
};

struct word {
	const char *s;
	size_t len;
};

/* The members of an object, by their place in a list of names. */
struct members {
	const char *const *names; /* ends with NULL */
	unsigned seen;		  /* bits */
	int at;			  /* the one that was found */
};

/* What the list says of its elements, unless they say it themselves. */
struct kind {
	struct word kind, version;
};

/* Goes into an object or array. False: it is null, or of another type, and not plain then. */
bool plain_enter(struct text *t, char first);
/* To the next element of the array or object that was entered, or behind its end. */
bool plain_has_more(struct text *t);
/* To the next member that has one of the names, others are stepped over. One that stands twice is not plain. */
bool plain_next_member(struct text *t, struct members *m);
/* Behind the quote that closes what begins at the cursor. A word with escapes is none that is used. */
struct word plain_step_string(struct text *t);
bool plain_is_word(const struct word *w, const char *what);
/* @before: what it most likely is, the same member's value of the neighbour. */
const char *plain_intern_word(struct text *t, const struct word *w, const char *before);
const char *plain_get_name(struct text *t, const char *before); /* NULL: null */
struct word plain_get_word(struct text *t);
int plain_get_bool(struct text *t); /* -1: null */
uint16_t plain_get_port(struct text *t, bool *ret_has); /* null is 0 */
uint8_t plain_get_proto(struct text *t);
void *plain_keep_array(struct text *t, const void *from, size_t len, size_t elem_size); /* in the arena; NULL for none */
/* An object of strings. @copies: annotations, whose values hardly come twice, long ones are left out, and one has ports in it. */
struct k8s_labels plain_get_labels(struct text *t, bool copies);
void plain_get_meta(struct text *t, struct k8s_meta *m);
void plain_get_kind(struct text *t, struct word *ret);

bool plain_is_service(const struct kind *k);
void plain_get_service(struct text *t, struct kind *k, struct k8s_service *s);

#endif
