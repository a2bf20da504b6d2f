/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HAIRPIN_PRIVATE_H
#define HAIRPIN_PRIVATE_H

/* What hairpin.c (nodes, bridges, ports, verdicts) and hairpin-walk.c (pods and their packets) share. */

#include "verify-private.h"

#define HAIRPIN_FRONTS 4 /* tried for each pod, until one leads to it */

/* A cluster IP behind which a pod is. */
struct hairpin_front {
	const struct expect_frontend *v[HAIRPIN_FRONTS];
	unsigned n;
};

/* One node under judgement. */
struct hairpin_look {
	const struct snapshot *snapshot;
	const struct snap_node *snap;
	struct hairpin_report *out;
	struct arena arena; /* of what is expected */
	struct expect_node expect;
	struct nat_node nat;
	struct verify_place place;
	struct map pods;    /* struct ip_addr -> position in out->pods, from 1 */
	size_t first_pod;   /* in out->pods */
	unsigned blamed;    /* how often a missing rule was sought */
	ARRAY_OF(struct expect_service) services;
	ARRAY_OF(struct hairpin_front) fronts; /* of the pod at the same place */
};

/* Does a packet to @a leave by a link that is a pod's, or by a bridge that has pods? */
bool hairpin_is_behind(const struct snap_node *n, const struct ip_addr *a, const char **ret_dev);
/* Fills out->pods with those of the node. 0 or -ENOMEM. */
int hairpin_find_pods(struct hairpin_look *h);
/* Asks for each. 0 or -ENOMEM. */
int hairpin_ask_pods(struct hairpin_look *h);
/* The worse of both; the first where they are alike. */
struct hairpin_answer hairpin_worse(struct hairpin_answer a, struct hairpin_answer b);

#endif
