/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DNS_PRIVATE_H
#define DNS_PRIVATE_H

/* DNS messages as bytes: what dns-ask.c sends, and how it tells an answer to its question from a stranger. */

#include <arpa/nameser.h>
#undef MIN /* of sys/param.h, which it brings along */
#undef MAX

#include <svcdoctor/source.h>

#define DNS_QUERY_MAX (NS_HFIXEDSZ + NS_MAXCDNAME + NS_QFIXEDSZ + 11) /* with the OPT record of EDNS, RFC 6891, 6.1.2 */
/* The question with this id. Its size, or -EINVAL: q->name is no name. */
int dns_query_make(const struct dns_question *q, uint16_t id, uint8_t buf[static DNS_QUERY_MAX]);

/* The beginning of a message: what says whose answer it is. */
struct dns_head {
	uint16_t id;
	bool is_answer, has_question;
	char name[NS_MAXDNAME]; /* of the question */
	uint16_t type;
};
/* 0, or SD_EPARSE: shorter than a header, then all is zero; or its question cannot be read, then the id is there. */
int dns_head_read(const uint8_t *data, size_t size, struct dns_head *ret);

/* What an errno means; what an ICMP error, of which @t has type and code, and the errno that goes with it. */
enum dns_end dns_end_of_errno(bool tcp, int err);
enum dns_end dns_end_of_icmp(const struct snap_try *t, int family);
int dns_errno_of_end(enum dns_end end);

#endif
