/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <errno.h>

#include "kernel-private.h"

int kernel_netns_enter(const char *netns, pid_t pid, char why[static 160], const char **ret_lacks)
{
	(void)netns;
	(void)pid;
	*ret_lacks = NULL;
	(void)snprintf(why, 160, "not done by this version");
	return -ENOSYS;
}

int kernel_drop_capabilities(void)
{
	return -ENOSYS;
}

bool kernel_has_capability(int capability)
{
	(void)capability;
	return true;
}
