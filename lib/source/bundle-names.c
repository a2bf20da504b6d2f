/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of the names in a folder, in one order whatever the file system has. */

#include <errno.h>

#include "bundle-private.h"

int file_names_add(struct file_names *n, const char *name)
{
	char *copy = strdup(name);

	if (copy && array_push(n, copy) == 0)
		return 0;
	free(copy);
	return -ENOMEM;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void file_names_sort(struct file_names *n)
{
	if (n->len > 0)
		qsort(n->v, n->len, sizeof(n->v[0]), compare);
}

void file_names_release(struct file_names *n)
{
	for (size_t i = 0; i < n->len; i++)
		free(n->v[i]);
	array_free(n);
}

void close_dir(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}
