/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to nfnetlink and their answers, for ipset.c and conntrack.c. */
#include <errno.h>
#include <sys/time.h>

#include "nfnl-private.h"

#define ANSWER_SECONDS 30
#define BUFFER_SIZE (64u << 10)

void nfnl_close(struct nfnl *n)
{
	if (n->socket)
		(void)mnl_socket_close(n->socket);
	free(n->buffer);
	*n = (struct nfnl){ 0 };
}

int nfnl_open(struct nfnl *n)
{
	const struct timeval patience = { .tv_sec = ANSWER_SECONDS };

	n->buffer = malloc(BUFFER_SIZE);
	if (!n->buffer)
		return -ENOMEM;
	n->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!n->socket || mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	if (setsockopt(mnl_socket_get_fd(n->socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	return 0;
}

struct nlmsghdr *nfnl_request(char *buffer, unsigned subsystem, unsigned command, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *g;

	h->nlmsg_type = (uint16_t)(subsystem << 8 | command);
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	return h;
}

const void *nfnl_attributes(const struct nlmsghdr *h, size_t *ret_size)
{
	size_t size = mnl_nlmsg_get_payload_len(h), head = MNL_ALIGN(sizeof(struct nfgenmsg));

	if (size < head)
		return NULL;
	*ret_size = size - head;
	return mnl_nlmsg_get_payload_offset(h, head);
}

/* What a message goes to, and how that went. */
struct answer {
	nfnl_fn *fn;
	void *arg;
	int error;
};

static int take(const struct nlmsghdr *h, void *arg)
{
	struct answer *a = arg;
	int r = a->fn(a->arg, h);

	a->error = r < 0 ? r : 0;
	return r < 0 ? MNL_CB_ERROR : r > 0 ? MNL_CB_STOP : MNL_CB_OK;
}

int nfnl_ask(struct nfnl *n, struct nlmsghdr *request, nfnl_fn *fn, void *arg)
{
	struct answer a = { .fn = fn, .arg = arg };
	int r = MNL_CB_OK;

	request->nlmsg_seq = ++n->seq;
	if (mnl_socket_sendto(n->socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		ssize_t size = mnl_socket_recvfrom(n->socket, n->buffer, BUFFER_SIZE);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		errno = 0;
		r = mnl_cb_run(n->buffer, (size_t)size, n->seq, mnl_socket_get_portid(n->socket), take, &a);
	}
	if (r >= 0)
		return 0;
	n->changed = n->changed || (a.error == 0 && errno == EINTR); /* NLM_F_DUMP_INTR */
	return a.error < 0 ? a.error : errno ? -errno : -EBADMSG;
}
