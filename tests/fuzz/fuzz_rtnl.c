/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The readers of rtnetlink over any messages: the input is what the kernel would answer to every dump, as it comes from the socket. This
 * program has a rtnl_dump of its own, so the library's socket is not linked. What is printed must be JSON, which is read back.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <svcdoctor/source.h>

#include "lib/kernel/rtnl-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t input_size;

int rtnl_dump(const struct rtnl_request *q, rtnl_fn fn, void *arg)
{
	const size_t header = NLMSG_ALIGN(q->header_size);
	struct nlmsghdr h;
	int r = 0;

	for (size_t at = 0; r == 0 && at + sizeof(h) <= input_size; at += NLMSG_ALIGN(h.nlmsg_len)) {
		struct rtnl_message m = { .header = input + at + sizeof(h) };

		memcpy(&h, input + at, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > input_size - at)
			break;
		m.type = h.nlmsg_type;
		/* an answer has the number of its question less two: RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK */
		if (m.type + 2 != q->type || h.nlmsg_len - sizeof(h) < q->header_size)
			continue;
		if (h.nlmsg_len - sizeof(h) > header) {
			m.attrs = (const struct nlattr *)(const void *)(input + at + sizeof(h) + header);
			m.attrs_size = h.nlmsg_len - sizeof(h) - header;
		}
		r = fn(arg, &m);
	}
	return r;
}

static void run(int (*read)(struct kernel_text *), int (*back)(struct node_facts *, const char *, size_t, const char *, struct sd_notes *))
{
	struct kernel_text t = { 0 };
	struct node_facts f;
	struct sd_notes notes = { 0 };

	node_facts_init(&f);
	(void)read(&t);
	if (t.state == KERNEL_READ && back(&f, strbuf_str(&t.text), t.text.len, "x", &notes) < 0) {
		/* an empty list is refused by some; nothing else may be */
		if (t.text.len > 3)
			abort();
	}
	for (size_t i = 0; i < notes.len; i++) {
		if (strcmp(notes.v[i].code, "bad-json") == 0)
			abort();
	}
	node_facts_release(&f);
	sd_notes_release(&notes);
	kernel_text_release(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	input_size = size;
	run(kernel_ip_link, read_ip_link);
	run(kernel_ip_addr, read_ip_addr);
	run(kernel_ip_route, read_ip_route);
	run(kernel_ip_rule, read_ip_rule);
	run(kernel_ip_neigh, read_ip_neigh);
	run(kernel_bridge_fdb, read_bridge_fdb);
	return 0;
}
