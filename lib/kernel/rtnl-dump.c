/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One dump of rtnetlink: the socket and the messages. rtnl.c reads whole lists with it. */

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "rtnl-private.h"

#define READ_SIZE (256u << 10) /* the kernel's messages of a dump come in pieces of at most 32 KiB */
#define DUMP_MAX (1u << 30)    /* bytes of one dump */

struct dump {
	struct mnl_socket *socket;
	char *buf;
	uint32_t seq, port;
	size_t header_size, total, pieces;
	rtnl_fn fn;
	void *arg;
	bool interrupted, has_more;
};

static void dump_release(struct dump *d)
{
	if (d->socket)
		(void)mnl_socket_close(d->socket);
	free(d->buf);
}

static int dump_open(struct dump *d)
{
	int on = 1;

	d->buf = malloc(READ_SIZE);
	if (!d->buf)
		return -ENOMEM;
	d->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!d->socket || mnl_socket_bind(d->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	/* since 4.20: what the header asks for is looked at; before, more came and is left out where it is read */
	(void)mnl_socket_setsockopt(d->socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	d->port = mnl_socket_get_portid(d->socket);
	d->seq = 1;
	return 0;
}

static int dump_send(struct dump *d, const struct rtnl_request *q)
{
	char buf[128] __attribute__((aligned(8))) = { 0 };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = q->type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = d->seq;
	memcpy(mnl_nlmsg_put_extra_header(h, q->header_size), q->header, q->header_size);
	if (q->ext_mask)
		mnl_attr_put_u32(h, IFLA_EXT_MASK, q->ext_mask);
	return mnl_socket_sendto(d->socket, h, h->nlmsg_len) < 0 ? -errno : 0;
}

/* 1: the dump is at its end, 0: more comes. */
static int take_message(struct dump *d, const struct nlmsghdr *h)
{
	const size_t size = mnl_nlmsg_get_payload_len(h), header = MNL_ALIGN(d->header_size);
	const char *payload = mnl_nlmsg_get_payload(h);
	struct rtnl_message m = { .type = h->nlmsg_type, .header = payload };

	d->interrupted |= h->nlmsg_flags & NLM_F_DUMP_INTR;
	d->has_more |= h->nlmsg_type >= NLMSG_MIN_TYPE;
	if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
		const int code = size >= sizeof(int) ? *(const int *)(const void *)payload : 0;

		return code < 0 ? code : h->nlmsg_type == NLMSG_DONE ? 1 : -EBADMSG;
	}
	if (h->nlmsg_type < NLMSG_MIN_TYPE)
		return h->nlmsg_type == NLMSG_OVERRUN ? -ENOBUFS : 0;
	if (size < d->header_size)
		return -EBADMSG;
	if (size > header) {
		m.attrs = (const struct nlattr *)(const void *)(payload + header);
		m.attrs_size = size - header;
	}
	return d->fn(d->arg, &m);
}

static int take_part(struct dump *d, size_t size)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)d->buf;
	int left = (int)size, r = 0;

	d->has_more = false;
	for (; r == 0 && mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		if (h->nlmsg_seq == d->seq && h->nlmsg_pid == d->port)
			r = take_message(d, h);
	}
	d->pieces += d->has_more;
	return r;
}

static int dump_receive(struct dump *d)
{
	for (;;) {
		const ssize_t n = mnl_socket_recvfrom(d->socket, d->buf, READ_SIZE);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		d->total += (size_t)n;
		r = d->total > DUMP_MAX ? -EFBIG : take_part(d, (size_t)n);
		if (r < 0)
			return r;
		if (r > 0)
			return d->interrupted ? -EAGAIN : 0;
	}
}

int rtnl_dump(const struct rtnl_request *q, rtnl_fn fn, void *arg)
{
	CLEANUP(dump_release) struct dump d = { .fn = fn, .arg = arg, .header_size = q->header_size };
	int r = dump_open(&d);

	if (r == 0)
		r = dump_send(&d, q);
	if (r == 0)
		r = dump_receive(&d);
	if (q->ret_long && d.pieces > 1)
		*q->ret_long = true;
	return r;
}
