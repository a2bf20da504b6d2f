/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The distance of names against the textbook's full table. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <svcdoctor/base.h>

static unsigned plain_distance(const char *a, const char *b)
{
	const size_t n = strlen(a), m = strlen(b);
	unsigned d[32][32];

	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			d[i][j] = (unsigned)(i ? i : j);
			if (!i || !j)
				continue;
			d[i][j] = MIN(MIN(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = MIN(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[n][m];
}

static void random_name(char *out, uint32_t *seed)
{
	size_t len;

	*seed = *seed * 1664525 + 1013904223;
	len = (*seed >> 20) % 12;
	for (size_t i = 0; i < len; i++) {
		*seed = *seed * 1664525 + 1013904223;
		out[i] = (char)('a' + (*seed >> 24) % 3);
	}
	out[len] = '\0';
}

static void test_distance(void **state)
{
	uint32_t seed = 7;

	(void)state;
	assert_int_equal(edit_distance("", "", 0), 0);
	assert_int_equal(edit_distance("web", "web", 0), 0);
	assert_int_equal(edit_distance("web", "wbe", 2), 1);
	assert_int_equal(edit_distance("payments", "paymnets", 1), 1);
	assert_int_equal(edit_distance("", "ab", 2), 2);
	assert_int_equal(edit_distance("", "abc", 2), 3);
	for (int k = 0; k < 50000; k++) {
		char a[16], b[16];
		unsigned want;

		random_name(a, &seed);
		random_name(b, &seed);
		want = plain_distance(a, b);
		for (unsigned limit = 0; limit < 7; limit++)
			assert_int_equal(edit_distance(a, b, limit), MIN(want, limit + 1));
	}
}

static void test_long(void **state)
{
	char a[300], b[300];

	(void)state;
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	a[256] = b[256] = '\0';
	assert_int_equal(edit_distance(a, b, 3), 4);
	assert_int_equal(edit_distance(a, b, 300), 256);
	assert_int_equal(edit_distance(a, b + 10, 300), 256);
	a[256] = 'a';
	a[257] = '\0';
	assert_int_equal(edit_distance(a, b, 300), 301); /* no name is as long */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_distance), cmocka_unit_test(test_long) };

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
