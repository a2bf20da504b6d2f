/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_PROXY_ASK_PRIVATE_H
#define SVCDOCTOR_PROXY_ASK_PRIVATE_H

#include <svcdoctor/snapshot.h>

/* One GET, and what became of it. */
struct proxy_question {
	struct ip_addr addr; /* of this machine */
	uint16_t port;
	const char *path;
	size_t max;   /* bytes of the body; above 0 */
	bool may_cut; /* of more, whole lines count */
	enum snap_port_end end;
	int status, error; /* of HTTP; errno; 0 */
	bool cut, no_memory;
	struct strbuf body; /* of PORT_ANSWERED; the caller's to release */
};
/* Asks all of them at once, in the network namespace of the calling thread, for so long at most. 0 or -ENOMEM. */
int proxy_ask(struct proxy_question *v, size_t n, int64_t limit_ms);

#endif
