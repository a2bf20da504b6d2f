/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dumps of nf_tables over nfnetlink. A dump takes two calls: the request, which makes the kernel write the first part at once, and one that
 * takes two messages, of which the second is most often the end: include/uapi/linux/netfilter/nf_tables.h, net/netlink/af_netlink.c
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft-dump-private.h"

#define REQUEST_MAX 1024u
#define PATIENCE_SECONDS 30

/* ---- attributes ---- */

bool nft_attrs(const uint8_t *p, size_t size, struct nft_attr *ret, size_t n)
{
	const uint8_t *end;
	struct nft_attr a;
	uint16_t type;

	memset(ret, 0, n * sizeof(*ret));
	if (!p)
		return true;
	end = p + size;
	while (nft_attr_next(&p, end, &type, &a))
		if (type < n)
			ret[type] = a;
	return p == end;
}

bool nft_message(const struct nlmsghdr *h, uint8_t *ret_family, struct nft_attr *ret, size_t n)
{
	const size_t head = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	const uint8_t *p = (const uint8_t *)h;

	if (h->nlmsg_len < head)
		return false;
	if (ret_family)
		*ret_family = p[NLMSG_HDRLEN];
	return nft_attrs(p + head, h->nlmsg_len - head, ret, n);
}

/* ---- sockets ---- */

/* Where it is built in, or there is no /sys, /sys/module does not tell. A kernel without modules loads none when it is asked. */
bool nft_is_here(void)
{
	char line[256];
	bool here = kernel_module_is_here("nf_tables") || access("/proc/modules", F_OK) < 0;
	FILE *f = here ? NULL : fopen("/proc/kallsyms", "re");

	while (f && !here && fgets(line, sizeof(line), f))
		here = strstr(line, " nf_tables_newtable");
	if (f)
		(void)fclose(f);
	return here;
}

int nft_sock_open(struct nft_sock *s)
{
	struct sockaddr_nl me = { .nl_family = AF_NETLINK };
	const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER), size = 1 << 20;

	*s = (struct nft_sock){ .fd = fd };
	if (fd < 0)
		return -errno;
	s->buffer = malloc(3 * (size_t)NFT_BUFFER);
	if (!s->buffer) {
		nft_sock_close(s);
		return -ENOMEM;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&me, sizeof(me)) < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0) {
		int r = -errno;

		nft_sock_close(s);
		return r;
	}
	return 0;
}

void nft_sock_close(struct nft_sock *s)
{
	fd_close(&s->fd);
	free(s->buffer);
	s->buffer = NULL;
}

/* ---- asking ---- */

struct request {
	uint8_t b[REQUEST_MAX] __attribute__((aligned(8)));
	size_t size;
};

static void put(struct request *q, const void *p, size_t size)
{
	memcpy(q->b + q->size, p, size);
	q->size = NLMSG_ALIGN(q->size + size);
}

static bool put_name(struct request *q, uint16_t type, const char *name)
{
	size_t size = strlen(name) + 1;
	struct nlattr a = { .nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + size) };

	if (q->size + NLA_HDRLEN + NLA_ALIGN(size) > sizeof(q->b))
		return false;
	put(q, &a, sizeof(a));
	put(q, name, size);
	return true;
}

static int send_request(struct nft_sock *s, const struct nft_ask *ask, uint16_t flags)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nlmsghdr h = { .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | ask->type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = ++s->seq };
	struct nfgenmsg g = { .nfgen_family = ask->family, .version = NFNETLINK_V0 };
	struct request q = { .size = 0 };
	ssize_t n;

	put(&q, &h, sizeof(h));
	put(&q, &g, sizeof(g));
	if ((ask->name && !put_name(&q, ask->attr, ask->name)) || (ask->name2 && !put_name(&q, ask->attr2, ask->name2)))
		return -ENAMETOOLONG;
	h.nlmsg_len = (uint32_t)q.size;
	memcpy(q.b, &h, sizeof(h));
	do
		n = sendto(s->fd, q.b, q.size, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* What one dump has come to. */
struct progress {
	nft_fn *fn;
	void *arg;
	int r;		  /* the first failure; the rest of the dump is only taken off the socket */
	bool done, torn;
};

static int error_of(const struct nlmsghdr *h)
{
	int32_t e = 0;

	if (h->nlmsg_len >= NLMSG_HDRLEN + sizeof(e))
		memcpy(&e, (const uint8_t *)h + NLMSG_HDRLEN, sizeof(e));
	return e < 0 && e > -4096 ? e : 0;
}

static void on_message(struct progress *g, const struct nlmsghdr *h)
{
	g->torn |= h->nlmsg_flags & NLM_F_DUMP_INTR;
	if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
		g->done = true;
		if (g->r == 0)
			g->r = error_of(h);
	} else if (h->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES) {
		if (g->r == 0)
			g->r = g->fn(g->arg, h);
		g->done |= !(h->nlmsg_flags & NLM_F_MULTI);
	}
}

static void on_packet(struct progress *g, const struct nft_sock *s, const uint8_t *p, size_t size)
{
	while (size >= sizeof(struct nlmsghdr) && !g->done) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)p;
		size_t aligned = NLMSG_ALIGN((size_t)h->nlmsg_len);

		if (h->nlmsg_len < NLMSG_HDRLEN || h->nlmsg_len > size) {
			g->r = g->r ? g->r : -EBADMSG;
			return;
		}
		/* What is left of a dump before this one. */
		if (h->nlmsg_seq == s->seq)
			on_message(g, h);
		p += MIN(aligned, size);
		size -= MIN(aligned, size);
	}
}

static int receive(struct nft_sock *s, struct progress *g)
{
	struct sockaddr_nl from[2];
	struct iovec v[2];
	struct mmsghdr m[2];
	int n;

	memset(m, 0, sizeof(m));
	for (unsigned i = 0; i < 2; i++) {
		v[i] = (struct iovec){ s->buffer + (size_t)i * NFT_BUFFER, NFT_BUFFER };
		m[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_namelen = sizeof(from[i]), .msg_iov = &v[i], .msg_iovlen = 1 };
	}
	n = recvmmsg(s->fd, m, 2, MSG_WAITFORONE, NULL);
	if (n < 0)
		return errno == EINTR ? 0 : errno == EAGAIN ? -ETIMEDOUT : -errno;
	for (int i = 0; i < n; i++) {
		if (m[i].msg_hdr.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		/* Only the kernel is listened to. */
		if (m[i].msg_hdr.msg_namelen == sizeof(from[i]) && from[i].nl_pid == 0)
			on_packet(g, s, v[i].iov_base, m[i].msg_len);
	}
	return 0;
}

static int ask_with(struct nft_sock *s, const struct nft_ask *ask, uint16_t flags, nft_fn *fn, void *arg)
{
	struct progress g = { .fn = fn, .arg = arg };
	int r = send_request(s, ask, flags);

	while (r == 0 && !g.done)
		r = receive(s, &g);
	return r < 0 ? r : g.torn ? -EINTR : g.r;
}

int nft_ask(struct nft_sock *s, const struct nft_ask *ask, nft_fn *fn, void *arg)
{
	return ask_with(s, ask, NLM_F_DUMP, fn, arg);
}

/* ---- elements by their keys ---- */

struct out {
	uint8_t *p;
	size_t at, size;
	bool full;
};

static void out_put(struct out *o, const void *p, size_t size)
{
	size_t aligned = NLMSG_ALIGN(size);

	o->full |= o->at + aligned > o->size;
	if (o->full)
		return;
	memset(o->p + o->at, 0, aligned);
	memcpy(o->p + o->at, p, size);
	o->at += aligned;
}

static void out_attr(struct out *o, uint16_t type, const void *p, size_t size)
{
	struct nlattr a = { .nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + size) };

	out_put(o, &a, sizeof(a));
	if (size)
		out_put(o, p, size);
}

/* Everything in it is as long as said: nothing is patched afterwards. */
static void out_keys(struct out *o, const struct nft_keys *k)
{
	const uint16_t value = NLA_HDRLEN + sizeof(uint32_t), key = NLA_HDRLEN + value, elem = NLA_HDRLEN + key;
	struct nlattr list = { .nla_type = NLA_F_NESTED | NFTA_SET_ELEM_LIST_ELEMENTS, .nla_len = (uint16_t)(NLA_HDRLEN + k->n * elem) };
	struct nlattr head = { .nla_type = NLA_F_NESTED | NFTA_LIST_ELEM, .nla_len = elem };
	struct nlattr of_key = { .nla_type = NLA_F_NESTED | NFTA_SET_ELEM_KEY, .nla_len = key };

	out_put(o, &list, sizeof(list));
	for (uint32_t i = 0; i < k->n; i++) {
		uint32_t number = k->first + i;

		out_put(o, &head, sizeof(head));
		out_put(o, &of_key, sizeof(of_key));
		out_attr(o, NFTA_DATA_VALUE, &number, sizeof(number));
	}
}

static void out_request(struct out *o, const struct nft_keys *k, uint32_t seq)
{
	struct nlmsghdr h = { .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK, .nlmsg_seq = seq };
	struct nfgenmsg g = { .nfgen_family = k->table->family, .version = NFNETLINK_V0 };
	size_t from = o->at;

	out_put(o, &h, sizeof(h));
	out_put(o, &g, sizeof(g));
	out_attr(o, NFTA_SET_ELEM_LIST_TABLE, k->table->name, strlen(k->table->name) + 1);
	out_attr(o, NFTA_SET_ELEM_LIST_SET, k->set, strlen(k->set) + 1);
	out_keys(o, k);
	h.nlmsg_len = (uint32_t)(o->at - from);
	if (!o->full)
		memcpy(o->p + from, &h, sizeof(h));
}

struct answers {
	nft_keys_fn *fn;
	void *arg;
	uint32_t first; /* seq of the first question */
	size_t len, done;
	int *r;
};

static void on_answer(struct answers *x, const struct nlmsghdr *h)
{
	uint32_t which = h->nlmsg_seq - x->first;

	if (which >= x->len)
		return;
	if (h->nlmsg_type == NLMSG_ERROR) {
		x->done++;
		if (x->r[which] == 0)
			x->r[which] = error_of(h);
	} else if (h->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES && x->r[which] == 0) {
		x->r[which] = x->fn(x->arg, which, h);
	}
}

#define ANSWERS_AT_ONCE 32u
static int receive_answers(struct nft_sock *s, struct answers *x)
{
	const size_t each = 2 * (size_t)NFT_BUFFER / ANSWERS_AT_ONCE;
	struct sockaddr_nl from[ANSWERS_AT_ONCE];
	struct iovec v[ANSWERS_AT_ONCE];
	struct mmsghdr m[ANSWERS_AT_ONCE];
	int n;

	memset(m, 0, sizeof(m));
	for (unsigned i = 0; i < ANSWERS_AT_ONCE; i++) {
		v[i] = (struct iovec){ s->buffer + i * each, each };
		m[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_namelen = sizeof(from[i]), .msg_iov = &v[i], .msg_iovlen = 1 };
	}
	n = recvmmsg(s->fd, m, ANSWERS_AT_ONCE, MSG_WAITFORONE, NULL);
	if (n < 0)
		return errno == EINTR ? 0 : errno == EAGAIN ? -ETIMEDOUT : -errno;
	for (int i = 0; i < n; i++) {
		const struct nlmsghdr *h = v[i].iov_base;

		if (m[i].msg_hdr.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		if (m[i].msg_hdr.msg_namelen == sizeof(from[i]) && from[i].nl_pid == 0 && m[i].msg_len >= sizeof(*h) &&
		    h->nlmsg_len >= NLMSG_HDRLEN && h->nlmsg_len <= m[i].msg_len)
			on_answer(x, h);
	}
	return 0;
}

/* What still waits there, and that something was lost, is not for the next question. */
static void drain(struct nft_sock *s)
{
	for (unsigned i = 0; i < 1000; i++)
		if (recv(s->fd, s->buffer, NFT_BUFFER, MSG_DONTWAIT) < 0 && errno != ENOBUFS && errno != EINTR)
			return;
}

int nft_get_elements(struct nft_sock *s, const struct nft_keys *k, size_t len, nft_keys_fn *fn, void *arg, int *ret_r)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct out o = { .p = s->buffer + 2 * (size_t)NFT_BUFFER, .size = NFT_BUFFER };
	struct answers x = { .fn = fn, .arg = arg, .first = s->seq + 1, .len = len, .r = ret_r };
	ssize_t n;
	int r = 0;

	for (size_t i = 0; i < len; i++) {
		ret_r[i] = 0;
		out_request(&o, &k[i], ++s->seq);
	}
	if (o.full)
		return -ENOBUFS;
	do
		n = sendto(s->fd, o.p, o.at, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	while (r == 0 && x.done < len)
		r = receive_answers(s, &x);
	if (r < 0)
		drain(s);
	return r;
}

static int on_generation(void *arg, const struct nlmsghdr *h)
{
	struct nft_attr a[NFTA_GEN_ID + 1];

	if (!nft_message(h, NULL, a, ARRAY_LEN(a)) || !a[NFTA_GEN_ID].p)
		return -EBADMSG;
	*(uint32_t *)arg = nft_u32(a[NFTA_GEN_ID], 0);
	return 0;
}

int nft_generation(struct nft_sock *s, uint32_t *ret)
{
	return ask_with(s, &(struct nft_ask){ .type = NFT_MSG_GETGEN }, 0, on_generation, ret);
}

int nft_dump_rules(struct nft_sock *s, const struct nft_table *t, const struct nft_chain *c, nft_fn *fn, void *arg)
{
	const struct nft_ask ask = {
		.type = NFT_MSG_GETRULE, .family = t->family,
		.attr = NFTA_RULE_TABLE, .name = t->name, .attr2 = NFTA_RULE_CHAIN, .name2 = c ? c->name : NULL,
	};

	return nft_ask(s, &ask, fn, arg);
}

int nft_dump_elements(struct nft_sock *s, const struct nft_table *t, const char *set, nft_fn *fn, void *arg)
{
	const struct nft_ask ask = {
		.type = NFT_MSG_GETSETELEM, .family = t->family,
		.attr = NFTA_SET_ELEM_LIST_TABLE, .name = t->name, .attr2 = NFTA_SET_ELEM_LIST_SET, .name2 = set,
	};

	return nft_ask(s, &ask, fn, arg);
}
