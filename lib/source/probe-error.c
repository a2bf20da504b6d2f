/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a try failed. One errno has several causes: ECONNREFUSED comes of an RST and of an ICMP port unreachable, EHOSTUNREACH of a neighbour that
 * does not answer, of a missing route here or behind a router, and of a firewall. With IP_RECVERR the socket keeps the ICMP error and who sent it;
 * for TCP since Linux 5.9 ("tcp: allow traceroute -Mtcp for unpriv users"), so that from there on ECONNREFUSED without one is an RST.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/utsname.h>
#include <time.h>

#include <linux/errqueue.h>

#include "probe-private.h"

void error_prepare(int fd, int family)
{
	const int on = 1;
	if (family == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	} else {
		(void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	}
}

static void address_of(const struct sockaddr *sa, size_t size, struct ip_addr *ret)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	*ret = (struct ip_addr){ 0 };
	if (sa->sa_family == AF_INET && size >= sizeof(v4)) {
		memcpy(&v4, sa, sizeof(v4));
		ret->family = AF_INET;
		memcpy(ret->b, &v4.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6 && size >= sizeof(v6)) {
		memcpy(&v6, sa, sizeof(v6));
		ret->family = AF_INET6;
		memcpy(ret->b, &v6.sin6_addr, 16);
	}
}

/* One message of the queue. True: it is an ICMP error, or one that this machine made in its place. */
static bool take_error(const struct cmsghdr *c, struct snap_try *out)
{
	bool wanted = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		      (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
	size_t size = c->cmsg_len - CMSG_LEN(0);
	struct sock_extended_err e;
	struct {
		struct sock_extended_err e;
		struct sockaddr_in6 from;
	} both = { 0 };
	if (!wanted || size < sizeof(e)) {
		return false;
	}
	memcpy(&e, CMSG_DATA(c), sizeof(e));
	if (e.ee_origin != SO_EE_ORIGIN_ICMP && e.ee_origin != SO_EE_ORIGIN_ICMP6) {
		return false;
	}
	memcpy(&both, CMSG_DATA(c), MIN(size, sizeof(both)));
	out->icmp_type = e.ee_type;
	out->icmp_code = e.ee_code;
	address_of((const struct sockaddr *)SO_EE_OFFENDER(&both.e), MIN(size, sizeof(both)) - sizeof(e), &out->from);
	return true;
}

bool error_queue_take(int fd, struct snap_try *out)
{
	union {
		struct cmsghdr head;
		char room[512];
	} control;
	char data[64];
	bool found = false;
	for (int i = 0; i < 8 && !found; i++) {
		struct iovec v = { data, sizeof(data) };
		struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
		if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
			return false;
		}
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			found |= take_error(c, out);
		}
	}
	return found;
}

/* Does this kernel hand on the ICMP errors of a TCP connection? */
static bool kernel_tells(void)
{
	struct utsname u;
	uint64_t major, minor;
	if (uname(&u) < 0) {
		return false;
	}
	size_t n = strspn(u.release, "0123456789");
	if (u.release[n] != '.' || parse_uint(u.release, n, 1000, &major) < 0) {
		return false;
	}
	const char *rest = u.release + n + 1;
	if (parse_uint(rest, strspn(rest, "0123456789"), 10000, &minor) < 0) {
		return false;
	}
	return major > 5 || (major == 5 && minor >= 9);
}

void error_explain(struct flight *f, int err)
{
	struct snap_try *out = f->out;
	bool tcp = f->probe->way == WAY_TCP || f->probe->way == WAY_HTTP;
	out->error = err;
	if (tcp && f->stage != FLIGHT_CONNECTING) {
		out->end = err == ETIMEDOUT ? TRY_MUTE : TRY_ENDED;
		return;
	}
	if (f->fd >= 0 && error_queue_take(f->fd, out)) {
		out->end = TRY_REJECTED;
		return;
	}
	switch (err) {
	case ECONNREFUSED:
		out->end = TRY_REFUSED;
		out->unsure = !tcp || !kernel_tells();
		break;
	case ETIMEDOUT:
		out->end = TRY_SILENT;
		break;
	case ECONNRESET: /* in place of a SYN-ACK: an RST whose number does not fit */
		out->end = TRY_REFUSED;
		break;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EINVAL: /* a blackhole route */
	case EACCES: /* a prohibit route */
	case EPERM:  /* a rule in OUTPUT */
	case ENETDOWN:
	case EHOSTDOWN:
		out->end = TRY_UNSENDABLE;
		break;
	default:
		out->end = TRY_FAILED;
		break;
	}
}
