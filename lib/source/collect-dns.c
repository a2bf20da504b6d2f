/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects what DNS said, as dig prints it, and the resolv.conf that it was asked with. */

#include <errno.h>

#include "collect-private.h"

static int add_text(struct bundle_out *out, const char *folder, const char *name, const char *data, size_t size)
{
	CLEANUP(strbuf_release) struct strbuf path = STRBUF_INIT;

	strbuf_addf(&path, "%s/%s", folder, name);
	return path.failed ? -ENOMEM : bundle_out_add(out, path.s, data, size);
}

static int add_answers(struct bundle_out *out, const char *folder, const struct snap_dns *d)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < d->answers.len && !b.failed; i++)
		dns_print_dig(&b, &d->answers.v[i]);
	return b.failed ? -ENOMEM : add_text(out, folder, "dns.txt", strbuf_str(&b), b.len);
}

int collect_dns(struct bundle_out *out, const struct snap_dns *d, const char *node, const char *ns, const char *pod)
{
	CLEANUP(strbuf_release) struct strbuf folder = STRBUF_INIT;
	int r = 0;

	if (pod)
		strbuf_addf(&folder, "cluster/pods/%s/%s", ns, pod);
	else
		strbuf_addf(&folder, "nodes/%s", node);
	if (folder.failed)
		return -ENOMEM;
	if (pod && d->has_conf && d->conf.text)
		r = add_text(out, folder.s, "resolv.conf", d->conf.text, strlen(d->conf.text));
	return r == 0 && d->answers.len > 0 ? add_answers(out, folder.s, d) : r;
}
