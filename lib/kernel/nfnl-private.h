/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFNL_PRIVATE_H
#define NFNL_PRIVATE_H

/* Asking subsystems of nfnetlink through libmnl. Who asks one that is not there makes the kernel load it: that is for the caller to know first. */

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include "kernel-private.h"

#define NFNL_REQUEST_MAX 128u

struct nfnl {
	struct mnl_socket *socket;
	unsigned seq;
	bool changed; /* the kernel says that a dump is not of one piece; set back by the caller */
	char *buffer;
};
/* 0 or -errno; to be closed in both cases. */
int nfnl_open(struct nfnl *n);
void nfnl_close(struct nfnl *n);

/* One message, header included. 0: the next one, 1: it was the last one, or negative, which is returned. */
typedef int nfnl_fn(void *arg, const struct nlmsghdr *h);
/* Begins a request in @buffer, of NFNL_REQUEST_MAX bytes, aligned to 4; @flags: 0 or NLM_F_DUMP. Attributes may be put behind it. */
struct nlmsghdr *nfnl_request(char *buffer, unsigned subsystem, unsigned command, uint16_t flags, uint8_t family);
/* Sends it and hands over the answers, until @fn or the dump ends. 0 or negative. */
int nfnl_ask(struct nfnl *n, struct nlmsghdr *request, nfnl_fn *fn, void *arg);
/* What stands behind the struct nfgenmsg; NULL: the message is too short. */
const void *nfnl_attributes(const struct nlmsghdr *h, size_t *ret_size);

#endif
