/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "kernel-private.h"

int kernel_sysctl(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}

int kernel_conntrack_stats(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}

int kernel_sockets(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}

int kernel_modules(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}

int kernel_uname(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}
