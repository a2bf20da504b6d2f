/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "kernel-private.h"

int kernel_ip_addr(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}

int kernel_ip_link(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}

int kernel_ip_route(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}

int kernel_ip_rule(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}

int kernel_ip_neigh(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}

int kernel_bridge_fdb(struct kernel_text *ret)
{
	return kernel_text_end(ret, KERNEL_FAILED, "not read by this version");
}

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
