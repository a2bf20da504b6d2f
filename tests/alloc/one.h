/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ALLOC_ONE_H
#define ALLOC_ONE_H

/*
 * One allocation of the library fails: for a test program of one file, to which the linker sends those of the library (-Wl,--wrap), and not those
 * of other libraries.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

static size_t allocations, failing; /* the one of that number fails; 0: none */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool fails(void)
{
	if (++allocations != failing)
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

#endif
