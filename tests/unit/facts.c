/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of a node's facts share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "facts.h"

int facts_setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	if (!x)
		return -1;
	node_facts_init(&x->f);
	*state = x;
	return 0;
}

int facts_teardown(void **state)
{
	struct fixture *x = *state;

	node_facts_release(&x->f);
	sd_notes_release(&x->notes);
	free(x);
	return 0;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

unsigned facts_pick(uint32_t *seed, unsigned n)
{
	return next_random(seed) % n;
}

struct ip_addr facts_addr(const char *s)
{
	struct ip_addr a = { 0 };

	if (s && s[0])
		assert_int_equal(ip_addr_parse(s, &a), 0);
	return a;
}
