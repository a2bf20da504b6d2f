/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPSET_PRIVATE_H
#define IPSET_PRIVATE_H

/*
 * From the messages of ip_set's dump to the lines of `ipset save`. ipset.c asks the kernel and hands over each message, ipset-text.c
 * makes text of it and touches nothing else.
 */

#include "kernel-private.h"

#define IPSET_TEXT_MAX (512u << 20)

struct ipset_kind; /* a type of sets: the parts of its elements */

/* Of one set, to hold two readings against each other. */
struct ipset_digest {
	uint64_t hash; /* of its name, header and elements; without counters, times that run off, and how much memory it takes */
	char name[32];
	bool has_timeout; /* elements come and go by themselves, and rules of other people add some */
};
struct ipset_reading {
	struct strbuf *text;
	ARRAY_OF(struct ipset_digest) sets;
	char why[160]; /* what was printed as not readable first, else "" */
	size_t not_shown;
	/* whose elements are coming */
	const struct ipset_kind *kind;
	char name[32];
	uint8_t family;
};
void ipset_reading_release(struct ipset_reading *r);
/*
 * One message of a dump, from behind its struct nfgenmsg. What is of unknown type or cannot be shown is printed so that the set is there
 * and not readable for who reads `ipset save`. 0, -EBADMSG: this is no part of such a dump, -EFBIG, -ENOMEM.
 */
int ipset_message(struct ipset_reading *r, const void *attributes, size_t size);
bool ipset_same(const struct ipset_reading *a, const struct ipset_reading *b);
/*
 * The two differ in nothing but the elements of sets with a timeout: those sets become ones that cannot be read, in the text of @b, and
 * all others agree. False: they differ in more, and nothing is done.
 */
bool ipset_same_but_passing(const struct ipset_reading *a, struct ipset_reading *b);

#endif
