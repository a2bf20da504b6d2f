/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_EXPECT_LAB_H
#define TESTS_UNIT_EXPECT_LAB_H

/* A recorded cluster as lib/expect sees it from one node, and lines of what must be there against lines of what is. */

#include "lab.h"

struct expect_lab {
	struct lab lab;
	struct snap_node *snap;
	struct expect_node node;
	struct arena arena;
};
void expect_lab_open(struct expect_lab *l, const char *name, const char *node, enum expect_mode mode);
void expect_lab_release(struct expect_lab *l);
/* All of one family: what the Services share, then port by port. */
void expect_lab_rules(struct expect_lab *l, int family, struct expect_rules *ret);

typedef ARRAY_OF(char *) expect_lines;
char *expect_lab_file(struct arena *arena, const char *path);
/* Sorts both, drops doubles of @want, and fails where a line is in one alone. At least @least lines must be there. */
void expect_lines_compare(const char *what, expect_lines *have, expect_lines *want, size_t least);

#endif
