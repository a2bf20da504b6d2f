/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_ipset: asks ip_set over nfnetlink what it has, with PROTOCOL and SAVE, which are what `ipset save` sends. Sets have no generation:
 * they are read until two readings, one after the other, say the same. ipset-text.c makes lines of the messages.
 */
#include <errno.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <netinet/in.h>
#include <unistd.h>

#include "ipset-private.h"
#include "nfnl-private.h"

struct asker {
	struct nfnl nfnl;
	uint8_t protocol;
};

static void asker_release(struct asker *a)
{
	nfnl_close(&a->nfnl);
}

static int take_protocol(void *arg, const struct nlmsghdr *h)
{
	struct asker *a = arg;
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
	return 1;
}

static int take_sets(void *arg, const struct nlmsghdr *h)
{
	size_t size;
	const void *attributes = nfnl_attributes(h, &size);

	return attributes ? ipset_message(arg, attributes, size) : -EBADMSG;
}

static int ask(struct asker *a, enum ipset_cmd command, uint16_t flags, nfnl_fn *fn, void *arg)
{
	_Alignas(8) char buffer[NFNL_REQUEST_MAX] = { 0 };
	struct nlmsghdr *h = nfnl_request(buffer, NFNL_SUBSYS_IPSET, (unsigned)command, flags, AF_INET);

	mnl_attr_put_u8(h, IPSET_ATTR_PROTOCOL, a->protocol);
	return nfnl_ask(&a->nfnl, h, fn, arg);
}

/* ---- until two readings agree ---- */

static int read_once(struct asker *a, struct kernel_text *ret, struct ipset_reading *r)
{
	strbuf_reset(&ret->text);
	*r = (struct ipset_reading){ .text = &ret->text };
	a->nfnl.changed = false;
	return ask(a, IPSET_CMD_SAVE, NLM_F_DUMP, take_sets, r);
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
		if (r < 0 && !a->nfnl.changed)
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
	CLEANUP(asker_release) struct asker a = { .protocol = IPSET_PROTOCOL };
	int r = is_here();

	if (r == 0)
		return kernel_text_end(ret, KERNEL_ABSENT, "ip_set is not loaded");
	r = r < 0 ? r : nfnl_open(&a.nfnl);
	if (r == 0)
		r = ask(&a, IPSET_CMD_PROTOCOL, 0, take_protocol, &a);
	if (r == 0)
		r = read_twice(&a, ret);
	if (r == -EPROTO)
		return kernel_text_end(ret, KERNEL_FAILED, "ipsets: the kernel speaks another protocol than %d", IPSET_PROTOCOL);
	return r < 0 ? kernel_text_errno(ret, r, "CAP_NET_ADMIN", "reading ipsets") : r;
}
