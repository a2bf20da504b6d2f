/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept of a log. */

#include <svcdoctor/klog.h>

void log_summary_release(struct log_summary *s)
{
	array_free(&s->hits);
	*s = (struct log_summary){ 0 };
}
