/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_BLAME_PRIVATE_H
#define SVCDOCTOR_BLAME_PRIVATE_H

/* What blame.c and blame-missing.c share. */

#include "verify-private.h"

/* What a packet needs on its way; blame-missing.c has the list of each, by kube-proxy's mode. */
enum blame_way {
	WAY_ENTRY,	 /* from the hook to the Service's own chains, or its virtual server */
	WAY_ENDPOINT,	 /* on to the endpoint */
	WAY_SHARE,	 /* what decides on the shares */
	WAY_MARK,	 /* marked for masquerade */
	WAY_HAIRPIN,	 /* a client that is its own endpoint */
	WAY_AFTER_MARK,	 /* from the mark to the masquerade */
	WAY_POSTROUTING, /* the masquerading chain alone */
	WAY_REFUSAL,
	WAY_FORWARD,	 /* accepted in FORWARD */
	WAY_HEALTH,	 /* accepted in INPUT */
	WAY_ADMITTED,	 /* through the source ranges */
	WAY_AFFINITY,
	BLAME_WAYS
};
/* The first thing on that way that must be there and is not: 1 with @ret filled, 0 when all are. */
int blame_missing(const struct blame_context *b, enum blame_way way, const struct found_difference *d, struct verify_by *ret);
/* The same of an element of one of kube-proxy's maps. */
bool blame_expects_element(const struct blame_context *b, const struct rs_set *s, const struct rs_elem *e);

#endif
