/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_FACTS_H
#define TESTS_UNIT_FACTS_H

/* What the tests of a node's facts share: a fixture, repeatable chance, addresses as text. */

#include <svcdoctor/source.h>

struct fixture {
	struct node_facts f;
	struct sd_notes notes;
};
int facts_setup(void **state);
int facts_teardown(void **state);

unsigned facts_pick(uint32_t *seed, unsigned n); /* 0 .. n - 1, from a xorshift of @seed */
struct ip_addr facts_addr(const char *s);	 /* "" or NULL: family 0 */

#endif
