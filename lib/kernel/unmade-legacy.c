/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "kernel-private.h"

int kernel_xtables_legacy(bool ip6, struct kernel_text *ret)
{
	(void)ip6;
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}
