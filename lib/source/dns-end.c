/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an errno or an ICMP error (RFC 792; RFC 1812, 5.2.7.1; of IPv6: RFC 4443, 3.1) means for a question to a DNS server. */

#include <errno.h>

#include "dns-private.h"

enum dns_end dns_end_of_icmp(const struct snap_try *t, int family)
{
	const bool v6 = family == AF_INET6;

	if (t->icmp_type != (v6 ? 1 : 3))
		return DNS_UNREACHABLE;
	if (t->icmp_code == (v6 ? 4 : 3))
		return DNS_PORT_CLOSED;
	if (v6)
		return t->icmp_code == 1 || t->icmp_code == 5 || t->icmp_code == 6 ? DNS_PROHIBITED : DNS_UNREACHABLE;
	return t->icmp_code == 9 || t->icmp_code == 10 || t->icmp_code == 13 ? DNS_PROHIBITED : DNS_UNREACHABLE;
}

int dns_errno_of_end(enum dns_end end)
{
	return end == DNS_PORT_CLOSED ? ECONNREFUSED : end == DNS_PROHIBITED ? EACCES : EHOSTUNREACH;
}

enum dns_end dns_end_of_errno(bool tcp, int err)
{
	switch (err) {
	case ECONNREFUSED:
		return DNS_PORT_CLOSED;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENOPROTOOPT:
	case EINVAL: /* a route of the kind blackhole: net/ipv4/fib_semantics.c, fib_props */
		return DNS_UNREACHABLE;
	case EPERM:
	case EACCES:
		return DNS_PROHIBITED;
	case ETIMEDOUT:
		return DNS_TIMED_OUT;
	case ECONNRESET:
	case EPIPE:
		return tcp ? DNS_CUT_OFF : DNS_FAILED;
	default:
		return DNS_FAILED;
	}
}
