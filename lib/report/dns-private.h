/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DNS_PRIVATE_H
#define DNS_PRIVATE_H

/* What the text and the JSON of the command dns share. */

#include "report-private.h"

/* resolv.conf of a place as each libc takes it. */
struct dns_views {
	struct resolv_view v[LIBC_COUNT];
	bool known;
};
int dns_views_make(struct arena *a, const struct snap_dns *from, struct dns_views *ret);
void dns_views_release(struct dns_views *v);

/* Has it rows in the tables? */
bool dns_place_shown(const struct dns_report *n, const struct snap_dns *from);

int dns_json(const struct report *r, const struct dns_report *n, const struct diagnosis *d);

#endif
