/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a node's kernel counts and holds, and versions of tools: the first byte says which file it is. Names are clean words. */
#include <ctype.h>
#include <errno.h>

#include "lib/source/bundle-private.h"

typedef int read_fn(struct snapshot *s, struct snap_node *n, const char *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *s)
{
	for (; s && *s; s++)
		if (!isprint((unsigned char)*s))
			abort();
}

static void check(const struct snap_node *n)
{
	check_text(n->proxy.lock_holder);
	check_text(n->k.nft_version);
	check_text(n->k.iptables_version);
	for (size_t i = 0; i < n->k.recent.len; i++)
		check_text(n->k.recent.v[i].name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static read_fn *const readers[] = { read_lsmod, read_nstat, read_ethtool, read_lnstat, read_ipvs_timeouts, read_locks, read_recent, read_versions };
	struct snapshot s;
	struct snap_node *n;

	if (size == 0)
		return 0;
	snapshot_init(&s);
	n = snapshot_node(&s, "node1", true);
	for (int twice = 0; n && twice < 2; twice++)
		if (readers[*data % ARRAY_LEN(readers)](&s, n, (const char *)data + 1, size - 1) == -ENOMEM)
			break;
	if (n)
		check(n);
	snapshot_release(&s);
	return 0;
}
