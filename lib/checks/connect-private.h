/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_CONNECT_PRIVATE_H
#define SVCDOCTOR_CONNECT_PRIVATE_H

/* What the files of connect share. */

#include <math.h>

#include "checks-private.h"

/* The node of that name as kube-proxy there sees itself, as far as it is known. 0 or -ENOMEM. */
int connect_expect_node(struct arena *a, const struct snapshot *s, const char *name, struct expect_node *ret);

/* ---- connect-share.c ---- */

/* Fills weight, expected and by_rules of the targets of one Service, from @from to @to (exclusive). 0 or -ENOMEM. */
int connect_shares(const struct snapshot *s, struct connect_plan *p, size_t from, size_t to);

/* ---- connect-words.c ---- */

/* How all tries of a target ended, in one: the first that failed, else the first. NULL: none was made. */
const struct snap_try *connect_worst(const struct connect_target *t);
/* What an end is: several ends are one fault. */
enum connect_fault {
	FAULT_NONE,	/* it answers; or it is a silence that says nothing */
	FAULT_REFUSED,	/* nothing listens */
	FAULT_RULE,	/* somebody's rule refuses it */
	FAULT_ROUTE,	/* somebody has no way there */
	FAULT_SILENT,
	FAULT_HTTP,	/* the connection is made; what comes over it is wrong */
	FAULT_UNKNOWN,	/* not tried, or this machine could not */
	FAULTS
};
enum connect_fault connect_fault_of(const struct connect_target *t, const struct snap_try *y);
/* "refused (RST)", "no answer within 4 s", "ICMP port unreachable from 10.0.0.2 (node2)". */
const char *connect_end_words(struct run *r, const struct connect_plan *p, const struct connect_target *t, const struct snap_try *y);
/* "ok   0.3 ms", "7 failed: silent for 1 s". */
const char *connect_result_words(struct run *r, const struct connect_plan *p, const struct connect_target *t);
/* "10.244.1.5:8080 (Pod shop/web-1 on node1)" */
const char *connect_target_words(struct run *r, const struct connect_target *t);
/* "10.244.1.5:8080" */
const char *connect_address(struct run *r, const struct connect_target *t);
/* "this machine (node1)", "Pod shop/client on node1", "this machine". */
const char *connect_client_words(struct run *r, const struct connect_client *c);

#endif
