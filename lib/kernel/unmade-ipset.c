/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "kernel-private.h"

int kernel_ipvs(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}

int kernel_ipvs_ln(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}
