/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of connections, whole and cut: every entry that is kept has four addresses of one family and is one that somebody may ask for. */
#include <errno.h>
#include <netinet/in.h>

#include "lib/source/bundle-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct snap_flow *f)
{
	if (!f->family || f->src.family != f->family || f->dst.family != f->family || f->reply_src.family != f->family || f->reply_dst.family != f->family)
		abort();
	if (f->proto != IPPROTO_UDP && f->proto != IPPROTO_SCTP && ip_addr_equal(&f->src, &f->reply_dst) && ip_addr_equal(&f->dst, &f->reply_src))
		abort();
	if (f->state && f->proto != IPPROTO_TCP)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sd_notes notes = { 0 };
	struct snap_flows flows = { 0 };

	for (int cut = 0; cut < 2; cut++) {
		if (read_conntrack_flows(&flows, (const char *)data, size, cut, "fuzz", &notes) == -ENOMEM)
			break;
		if (flows.total != flows.by_proto[0] + flows.by_proto[1] + flows.by_proto[2] || flows.v.len > flows.total)
			abort();
		for (size_t i = 0; i < flows.v.len; i++)
			check(&flows.v.v[i]);
	}
	array_free(&flows.v);
	sd_notes_release(&notes);
	return 0;
}
