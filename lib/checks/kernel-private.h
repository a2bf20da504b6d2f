/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KERNEL_CHECKS_PRIVATE_H
#define KERNEL_CHECKS_PRIVATE_H

/* What the checks of a node's kernel share (kernel*.c). What is not known says nothing: each of these then gives false or NULL. */

#include "proxy-private.h"

/* Linux 5.4.41 and its like: what stands before the first letter or dash. */
struct kernel_release {
	unsigned v[3];
	bool vendor; /* of a distribution that mends kernels without changing the number: "5.4.0-42-generic", "4.18.0-305.el8.x86_64" */
};
bool kernel_release(const struct snap_node *n, struct kernel_release *ret);
bool kernel_is_before(const struct kernel_release *k, unsigned a, unsigned b, unsigned c);

bool kernel_number(const struct snap_node *n, const char *sysctl, uint64_t *ret); /* the first number of a setting */
uint64_t kernel_counter(const struct snap_node *n, const char *name);		   /* 0 too where it is not known */
/* The worst line of the kernel's log that speaks for the check: it is of the time since the node was started, and no later line takes it back. */
const struct log_hit *kernel_hit(const struct run *r, const struct snap_node *n, const char *check);
void kernel_hit_evidence(struct run *r, struct finding *f, const struct log_hit *h);

/* The nodes that have one and the same fault, which is one finding. */
struct kernel_nodes {
	ARRAY_OF(const struct snap_node *) v;
};
bool kernel_asked(const struct run *r, const struct snap_node *n);
/* Of the check, with the nodes in its subject; of one node it is that node's. */
struct finding *kernel_finding(struct run *r, const char *id, const struct kernel_nodes *g, const char *detail);
struct finding *kernel_finding_of(struct run *r, const char *id, const struct snap_node *n, const char *detail);
const char *kernel_names(struct run *r, const struct kernel_nodes *g); /* "node a", "nodes a, b and 3 more" */

/* The link by which the node reaches other nodes: that of its address, else that of the default route. NULL: not known. */
const struct node_link *kernel_uplink(struct run *r, const struct snap_node *n);

#endif
