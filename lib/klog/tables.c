/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All tables of known lines, in the order in which they are asked: another program is another file, and its tables lines here. */
#include "kube-proxy-private.h"

const struct log_table *const log_tables[] = { &log_coredns,	   &log_proxy_start, &log_proxy_config,	 &log_proxy_sync,   &log_proxy_rules,
					       &log_proxy_ipvs,	   &log_proxy_ipset, &log_proxy_objects, &log_proxy_client, &log_proxy_conntrack,
					       &log_proxy_rest,	   &log_kernel,	     NULL };
const struct log_table *const log_reasons[] = { &log_reasons_start, &log_reasons_rules, &log_reasons_api, NULL };

const struct log_kind *log_kind_at(size_t i)
{
	for (size_t set = 0; set < 2; set++) {
		const struct log_table *const *t = set ? log_reasons : log_tables;

		for (; *t; t++) {
			if (i < (*t)->n)
				return &(*t)->rows[i].kind;
			i -= (*t)->n;
		}
	}
	return NULL;
}
