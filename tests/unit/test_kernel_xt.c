/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of decoders of xtables structs: its order, sizes that do not fit, structs full of anything, some texts by heart. What iptables
 * itself prints of the same structs: tests/scenario/test_kernel_read_legacy.py.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <setjmp.h>

#include <cmocka.h>

#include <svcdoctor/source.h>

#include "lib/kernel/xt-private.h"

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_set.h>
#include <linux/netfilter/xt_statistic.h>

enum { LARGEST = 8192, ROUNDS = 300 };

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static bool print(struct strbuf *b, const struct xt_rule_context *c, bool target, const struct xt_row *row, const void *data, size_t size)
{
	return target ? xt_print_target(b, c, row->name, row->revision, data, size) : xt_print_match(b, c, row->name, row->revision, data, size);
}

static const struct xt_row *rows_of(bool target, size_t *len)
{
	return target ? xt_target_rows(len) : xt_match_rows(len);
}

/* Found by halves: sorted by name and revision, and no row twice. */
static void test_sorted(void **state)
{
	(void)state;
	for (int target = 0; target < 2; target++) {
		size_t len;
		const struct xt_row *rows = rows_of(target, &len);

		for (size_t i = 1; i < len; i++) {
			const struct xt_row *a = &rows[i - 1], *b = &rows[i];
			int d = strcmp(a->name, b->name);

			assert_true(d < 0 || (d == 0 && (a->revision < b->revision || (a->revision == b->revision && a->family < b->family))));
			assert_true(b->size <= LARGEST && strlen(b->name) < 29);
		}
	}
}

/* A struct of any bytes is one line's worth of words, which the reader takes for one rule; or it is nothing. */
static void check_words(const struct strbuf *b, bool ok, bool target, bool ip6)
{
	CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct sd_notes notes = { 0 };
	struct xtables_text ret;
	struct ruleset rs;

	if (!ok) {
		assert_int_equal(b->len, 1);
		return;
	}
	assert_memory_equal(b->s, target ? "x -j " : "x -m ", 5);
	assert_null(strchr(b->s, '\n'));
	assert_int_equal(strlen(b->s), b->len);
	strbuf_addf(&text, "*mangle\n:X - [0:0]\n-A X%s%s\nCOMMIT\n", b->s + 1, target ? "" : " -j DROP");
	ruleset_init(&rs);
	assert_int_equal(read_xtables(&rs, text.s, text.len, ip6, BACKEND_LEGACY, "test", &notes, &ret), 0);
	if (ret.damaged || ret.rules != 1)
		fail_msg("%s", text.s);
	ruleset_release(&rs);
	sd_notes_release(&notes);
}

static void one_row(bool target, const struct xt_row *row, uint32_t *seed)
{
	struct xt_rule_context c = { .ip6 = row->family == NFPROTO_IPV6, .is_target = target };
	size_t size = row->size;
	char *data = malloc(size + 17);

	assert_non_null(data);
	for (unsigned round = 0; round < ROUNDS; round++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT, again = STRBUF_INIT;
		unsigned density = round % 4;
		bool ok;

		for (size_t i = 0; i < size; i++) {
			uint32_t v = next(seed);

			data[i] = density == 0 ? 0 : density == 1 ? (char)(v % 4) : density == 2 && v % 4 ? 0 : (char)v;
		}
		strbuf_addc(&b, 'x');
		strbuf_addc(&again, 'x');
		ok = print(&b, &c, target, row, data, size);
		check_words(&b, ok, target, c.ip6);
		memmove(data + 1, data, size);
		assert_int_equal(print(&again, &c, target, row, data + 1, size), ok);
		assert_string_equal(again.s, b.s);
	}
	free(data);
}

static void test_any_bytes(void **state)
{
	uint32_t seed = 11;

	(void)state;
	for (int target = 0; target < 2; target++) {
		size_t len;
		const struct xt_row *rows = rows_of(target, &len);

		for (size_t i = 0; i < len; i++)
			one_row(target, &rows[i], &seed);
	}
}

/* A struct that is cut off or too long is not looked at; padding to eight bytes is what the kernel adds. */
static void test_sizes(void **state)
{
	static const char zero[LARGEST + 16];

	(void)state;
	for (int target = 0; target < 2; target++) {
		size_t len;
		const struct xt_row *rows = rows_of(target, &len);

		for (size_t i = 0; i < len; i++) {
			struct xt_rule_context c = { .ip6 = rows[i].family == NFPROTO_IPV6 };
			size_t padded = (rows[i].size + 7u) / 8 * 8, bad[] = { rows[i].size - 1u, 0, padded + 1, padded + 8, SIZE_MAX };
			CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

			strbuf_addc(&b, 'x');
			for (size_t k = 0; k < ARRAY_LEN(bad); k++)
				if (rows[i].size || k > 1)
					assert_false(print(&b, &c, target, &rows[i], zero, bad[k]));
			assert_string_equal(b.s, "x");
			assert_int_equal(print(&b, &c, target, &rows[i], zero, rows[i].size), print(&b, &c, target, &rows[i], zero, padded));
			c.ip6 = !c.ip6;
			if (rows[i].family != NFPROTO_UNSPEC && strcmp(rows[i].name, "ah") != 0)
				(void)print(&b, &c, target, &rows[i], zero, rows[i].size);
		}
	}
}

static void assert_match(const char *name, unsigned revision, const void *data, size_t size, const char *want)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct xt_rule_context c = { 0 };

	assert_int_equal(xt_print_match(&b, &c, name, revision, data, size), want != NULL);
	assert_string_equal(strbuf_str(&b), want ? want : "");
}

static void test_texts(void **state)
{
	struct xt_comment_info comment = { "a \"b\" \\ 'c'\nd" }, plain = { "plain-1_2" }, empty = { "" };
	struct xt_mark_mtinfo1 mark = { .mark = 0x4000, .mask = 0x4000, .invert = 1 };
	struct xt_conntrack_mtinfo3 ct = { .match_flags = XT_CONNTRACK_STATE, .state_mask = 1 << 1 | 1 << 2 | 1 << 7 };
	struct xt_set_info_match_v1 set = { .match_set = { .index = 3, .dim = 1 } };

	(void)state;
	assert_match("comment", 0, &comment, sizeof(comment), " -m comment --comment \"a \\\"b\\\" \\\\ \\'c\\' d\"");
	assert_match("comment", 0, &plain, sizeof(plain), " -m comment --comment plain-1_2");
	assert_match("comment", 0, &empty, sizeof(empty), " -m comment --comment \"\"");
	memset(comment.comment, 'x', sizeof(comment.comment));
	assert_match("comment", 1, &plain, sizeof(plain), NULL);
	assert_match("mark", 1, &mark, sizeof(mark), " -m mark ! --mark 0x4000/0x4000");
	assert_match("conntrack", 3, &ct, sizeof(ct), " -m conntrack --ctstate RELATED,ESTABLISHED,DNAT");
	ct.match_flags |= XT_CONNTRACK_STATE_ALIAS;
	assert_match("conntrack", 3, &ct, sizeof(ct), " -m state --state RELATED,ESTABLISHED,DNAT");
	ct.state_mask = 1 << 12;
	assert_match("conntrack", 3, &ct, sizeof(ct), NULL);
	/* Nobody knows the set's name. */
	assert_match("set", 1, &set, sizeof(set), NULL);
}

static void test_translation(void **state)
{
	struct nf_nat_range2 range = { .flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED };
	struct xt_rule_context c = { .is_target = true };
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	(void)state;
	range.min_addr.ip = range.max_addr.ip = htonl(0x0af40105);
	range.min_proto.all = range.max_proto.all = htons(8080);
	assert_true(xt_print_target(&b, &c, "DNAT", 2, &range, sizeof(range)));
	assert_string_equal(b.s, " -j DNAT --to-destination 10.244.1.5:8080");
	strbuf_reset(&b);
	c.ip6 = true;
	range.max_proto.all = htons(8090);
	assert_true(xt_print_target(&b, &c, "DNAT", 2, &range, sizeof(range)));
	assert_string_equal(b.s, " -j DNAT --to-destination [af4:105::]:8080-8090");
}

/* Eleven digits as printf rounds them. */
static void test_probability(void **state)
{
	static const uint32_t fixed[] = { 0, 1, 0x80000000u, 0x7fffffff, 0x40000000, 715827883, 1u << 11, 3u << 10, 1u << 10, 5u << 10 };
	uint32_t seed = 5;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct xt_statistic_info m = { .mode = XT_STATISTIC_MODE_RANDOM };
		char want[80];

		m.u.random.probability = i < ARRAY_LEN(fixed) ? fixed[i] : (next(&seed) << 8 | next(&seed) % 256) % 0x80000001u;
		(void)snprintf(want, sizeof(want), " -m statistic --mode random --probability %.11f", 1.0 * m.u.random.probability / 0x80000000);
		assert_match("statistic", 0, &m, sizeof(m), want);
	}
}

static void test_unknown(void **state)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	static const char long_one[600];

	(void)state;
	xt_print_unknown(&b, false, "geoip", 2, "\x00\xfe", 2);
	xt_print_unknown(&b, true, "a b\n\"", 0, NULL, 0);
	assert_string_equal(b.s, " -m geoip --svcdoctor-unknown 2/00fe -j a?b?? --svcdoctor-unknown 0/");
	strbuf_reset(&b);
	xt_print_unknown(&b, false, "", 255, long_one, sizeof(long_one));
	assert_int_equal(b.len, strlen(" -m ? --svcdoctor-unknown 255/") + 1024 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorted),	    cmocka_unit_test(test_any_bytes),	cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_texts),	    cmocka_unit_test(test_translation), cmocka_unit_test(test_probability),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
