/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lengths of time as a user writes them: Go's syntax, and seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include <svcdoctor/base.h>

static void good(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "5", 5000 },
		{ "007", 7000 },
		{ "30s", 30000 },
		{ "2m", 120000 },
		{ "1m30s", 90000 },
		{ "1h", 3600000 },
		{ "1h0m0.5s", 3600500 },
		{ "1.5h", 5400000 },
		{ ".5s", 500 },
		{ "5.s", 5000 },
		{ "250ms", 250 },
		{ "1500us", 2 },
		{ "1500\xc2\xb5s", 2 },
		{ "1ns", 1 },
		{ "1.0000000000000000000001s", 1000 },
		{ "2562047h", INT64_C(2562047) * 3600000 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ms = -1;
		if (parse_duration(rows[i].text, &ms) != 0 || ms != rows[i].ms) {
			fail_msg("'%s' is %lld ms", rows[i].text, (long long)ms);
		}
	}
}

static void bad(void **state)
{
	static const char *const parse[] = { "",    "s",     "-1s", "-5", "+1s", "1x",  "1 s", " 1s", "1s ", "1m30",
					     "1.5", "0x10s", "1e3s", ".s", "1d",  "soon", "1S",	 "..5s" };
	static const char *const range[] = { "2562048h", "99999999999999999999", "99999999999999999999s",
					     "9223372037", "9223372037s", "2562047h60m" };
	int64_t ms = -1;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(parse); i++) {
		if (parse_duration(parse[i], &ms) != SD_EPARSE) {
			fail_msg("'%s' is taken", parse[i]);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(range); i++) {
		if (parse_duration(range[i], &ms) != -ERANGE) {
			fail_msg("'%s' is taken", range[i]);
		}
	}
	assert_int_equal(ms, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(good), cmocka_unit_test(bad) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
