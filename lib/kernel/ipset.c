/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_ipset: asks ip_set over nfnetlink what it has, with PROTOCOL and SAVE, which are what `ipset save` sends. Sets have no generation:
 * they are read until two readings, one after the other, say the same. ipset-text.c makes lines of the messages.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <sys/time.h>
#include <unistd.h>

#include "ipset-private.h"

#define ANSWER_SECONDS 30
#define BUFFER_SIZE (64u << 10)
#define REQUEST_SIZE 128u

struct asker {
	struct mnl_socket *socket;
	unsigned seq;
	uint8_t protocol;
	bool changed; /* the kernel says that the dump is not of one piece */
	char *buffer;
};

static void asker_release(struct asker *a)
{
	if (a->socket)
		(void)mnl_socket_close(a->socket);
	free(a->buffer);
}

static int asker_open(struct asker *a)
{
	const struct timeval patience = { .tv_sec = ANSWER_SECONDS };

	a->protocol = IPSET_PROTOCOL;
	a->buffer = malloc(BUFFER_SIZE);
	if (!a->buffer)
		return -ENOMEM;
	a->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!a->socket || mnl_socket_bind(a->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	if (setsockopt(mnl_socket_get_fd(a->socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	return 0;
}

/* What the answers are for, and how far they came. */
struct answers {
	struct asker *asker;
	struct ipset_reading *reading; /* NULL: of PROTOCOL */
	int error;
};

static int take_protocol(struct asker *a, const struct nlmsghdr *h)
{
	struct nlattr *attr;
	uint8_t newest = 0, oldest = 0;

	mnl_attr_for_each(attr, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_validate(attr, MNL_TYPE_U8) < 0)
			continue;
		if (mnl_attr_get_type(attr) == IPSET_ATTR_PROTOCOL)
			newest = mnl_attr_get_u8(attr);
		if (mnl_attr_get_type(attr) == IPSET_ATTR_PROTOCOL_MIN)
			oldest = mnl_attr_get_u8(attr);
	}
	if (newest < IPSET_PROTOCOL_MIN || oldest > IPSET_PROTOCOL)
		return -EPROTO;
	a->protocol = MIN(newest, IPSET_PROTOCOL);
	return 0;
}

static int take_answer(const struct nlmsghdr *h, void *arg)
{
	struct answers *v = arg;
	size_t size = mnl_nlmsg_get_payload_len(h), head = MNL_ALIGN(sizeof(struct nfgenmsg));

	if (size < head)
		v->error = -EBADMSG;
	else if (v->reading)
		v->error = ipset_message(v->reading, mnl_nlmsg_get_payload_offset(h, head), size - head);
	else
		v->error = take_protocol(v->asker, h);
	return v->error < 0 ? MNL_CB_ERROR : v->reading ? MNL_CB_OK : MNL_CB_STOP;
}

static int receive(struct asker *a, struct answers *v)
{
	int r = MNL_CB_OK;

	while (r > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(a->socket, a->buffer, BUFFER_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		errno = 0;
		r = mnl_cb_run(a->buffer, (size_t)n, a->seq, mnl_socket_get_portid(a->socket), take_answer, v);
	}
	if (r >= 0)
		return 0;
	a->changed = a->changed || (v->error == 0 && errno == EINTR); /* NLM_F_DUMP_INTR */
	return v->error < 0 ? v->error : errno ? -errno : -EBADMSG;
}

static int ask(struct asker *a, enum ipset_cmd command, uint16_t flags, struct ipset_reading *reading)
{
	char request[REQUEST_SIZE];
	struct nlmsghdr *h = mnl_nlmsg_put_header(request);
	struct answers v = { .asker = a, .reading = reading };
	struct nfgenmsg *g;

	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_IPSET << 8 | (unsigned)command);
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = ++a->seq;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = AF_INET;
	g->version = NFNETLINK_V0;
	mnl_attr_put_u8(h, IPSET_ATTR_PROTOCOL, a->protocol);
	if (mnl_socket_sendto(a->socket, h, h->nlmsg_len) < 0)
		return -errno;
	return receive(a, &v);
}

/* ---- until two readings agree ---- */

static int read_once(struct asker *a, struct kernel_text *ret, struct ipset_reading *r)
{
	strbuf_reset(&ret->text);
	*r = (struct ipset_reading){ .text = &ret->text };
	a->changed = false;
	return ask(a, IPSET_CMD_SAVE, NLM_F_DUMP, r);
}

static int finish(struct kernel_text *ret, const struct ipset_reading *r)
{
	ret->partial = r->not_shown > 0;
	if (r->not_shown > 1)
		return kernel_text_end(ret, KERNEL_READ, "%.120s, and %zu more", r->why, r->not_shown - 1);
	return kernel_text_end(ret, KERNEL_READ, "%s", r->why);
}

static int read_twice(struct asker *a, struct kernel_text *ret)
{
	CLEANUP(ipset_reading_release) struct ipset_reading before = { 0 };
	bool has_before = false;

	for (unsigned i = 0; i < KERNEL_READINGS_MAX; i++) {
		CLEANUP(ipset_reading_release) struct ipset_reading now = { 0 };
		int r;

		kernel_wait_before(i);
		r = read_once(a, ret, &now);
		if (r < 0 && !a->changed)
			return r;
		if (r == 0 && has_before && (ipset_same(&before, &now) || (i + 1 == KERNEL_READINGS_MAX && ipset_same_but_passing(&before, &now))))
			return finish(ret, &now);
		ipset_reading_release(&before);
		has_before = r == 0;
		if (has_before) {
			before = now;
			now = (struct ipset_reading){ 0 };
		}
	}
	return kernel_text_end(ret, KERNEL_CHANGED, "the sets changed during each of %u readings", KERNEL_READINGS_MAX);
}

/* ---- is there ip_set? ---- */

/*
 * A message to a subsystem that is not there would load it, so that is asked elsewhere first. Where /sys is not to be seen, ip_set's old
 * socket option is asked (IP_SET_OP_VERSION), for which nothing is loaded. 1, 0 or -errno.
 */
static int is_here(void)
{
	struct ip_set_req_version version = { .op = IP_SET_OP_VERSION, .version = IPSET_PROTOCOL };
	socklen_t size = sizeof(version);
	int fd CLEANUP(fd_close) = -1;

	if (access("/sys/module", F_OK) == 0)
		return kernel_module_is_here("ip_set");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_IP, SO_IP_SET, &version, &size) == 0 || errno == EPERM)
		return 1;
	return errno == ENOPROTOOPT ? 0 : -errno;
}

int kernel_ipset(struct kernel_text *ret)
{
	CLEANUP(asker_release) struct asker a = { 0 };
	int r = is_here();

	if (r == 0)
		return kernel_text_end(ret, KERNEL_ABSENT, "ip_set is not loaded");
	r = r < 0 ? r : asker_open(&a);
	if (r == 0)
		r = ask(&a, IPSET_CMD_PROTOCOL, 0, NULL);
	if (r == 0)
		r = read_twice(&a, ret);
	if (r == -EPROTO)
		return kernel_text_end(ret, KERNEL_FAILED, "ipsets: the kernel speaks another protocol than %d", IPSET_PROTOCOL);
	return r < 0 ? kernel_text_errno(ret, r, "CAP_NET_ADMIN", "reading ipsets") : r;
}
