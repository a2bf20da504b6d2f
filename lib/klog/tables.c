/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All tables of known lines: another program is another file, and its table a line here. */
#include "klog-private.h"

const struct log_table *const log_tables[] = { &log_coredns, NULL };
const struct log_table *const log_reasons[] = { NULL };

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
