/* SPDX-License-Identifier: GPL-2.0-or-later */
/* YAML as JSON: what scalars are, aliases, merging, limits, places. */

#include <errno.h>
#include <setjmp.h>

#include <svcdoctor/base.h>

#include <cmocka.h>
#include <jansson.h>

static const struct yaml_limits limits = { .size = 4096, .nodes = 60, .depth = 8 };

/* The tree as compact JSON with sorted keys, or "LINE:COLUMN why". */
static void expect(const char *yaml, const char *want)
{
	struct strbuf got CLEANUP(strbuf_release) = STRBUF_INIT;
	struct yaml_fault fault;
	json_t *v;

	if (yaml_to_json(yaml, strlen(yaml), &limits, &v, &fault) < 0) {
		strbuf_addf(&got, "%u:%u %s", fault.line, fault.column, fault.why);
	} else {
		char *text = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

		strbuf_adds(&got, text);
		free(text);
		json_decref(v);
	}
	assert_string_equal(strbuf_str(&got), want);
}

static void test_scalars(void **state)
{
	(void)state;
	expect("[true, on, y, 'on', \"true\", off, No, nope]", "[true,true,true,\"on\",\"true\",false,false,\"nope\"]");
	expect("[~, null, '', nil]", "[null,null,\"\",\"nil\"]");
	expect("a: ~\nb:\nc: ''", "{\"a\":null,\"b\":null,\"c\":\"\"}");
	expect("[1, -2, +3, 0x1f, 010, 0o10, 0b11, 1_000, 08]", "[1,-2,3,31,8,8,3,1000,8.0]");
	expect("[1.5, 1e3, .5, 5., -0.25]", "[1.5,1000.0,0.5,5.0,-0.25]");
	expect("[1.2.3, 10.0.0.1, 2026-11-21, 0x, 1h, -, ., +, 1e]",
	       "[\"1.2.3\",\"10.0.0.1\",\"2026-11-21\",\"0x\",\"1h\",\"-\",\".\",\"+\",\"1e\"]");
	expect("[9223372036854775807, 18446744073709551616]", "[9223372036854775807,1.8446744073709552e19]");
	expect("[!!str 1, !x 1]", "[\"1\",\"1\"]");
	expect("a: |\n  1\nb: >-\n  x\n  y\nc: !!str 1\n", "{\"a\":\"1\\n\",\"b\":\"x y\",\"c\":\"1\"}");
}

static void test_forms(void **state)
{
	(void)state;
	expect("", "null");
	expect("# nothing\n", "null");
	expect("--- \n...\n", "null");
	expect("a: 1\n---\nb: 2\n", "{\"a\":1}");
	expect("{\"a\": {\"b\": [1, \"\\u00e4\\/\"]}}", "{\"a\":{\"b\":[1,\"\xc3\xa4/\"]}}");
	expect("{\n\t\"a\": 1,\n\t\"b\": []\n}\n", "{\"a\":1,\"b\":[]}");
	expect("1: a\ntrue: b\n1.5: c\n", "{\"1\":\"a\",\"1.5\":\"c\",\"true\":\"b\"}");
	expect("a: 1\na: 2\n", "{\"a\":2}");
}

static void test_aliases(void **state)
{
	(void)state;
	expect("a: &x {b: 1}\nc: *x\n", "{\"a\":{\"b\":1},\"c\":{\"b\":1}}");
	expect("a: &x {b: 1, c: 1}\nd:\n  <<: *x\n  c: 2\n", "{\"a\":{\"b\":1,\"c\":1},\"d\":{\"b\":1,\"c\":2}}");
	expect("<<: [{a: 1}, {a: 2, b: 2}]\n", "{\"a\":1,\"b\":2}");
	expect("a: *x\n", "1:4 an alias stands for nothing");
	expect("a: &x [*x]\n", "1:8 an alias stands for nothing");
	expect("<<: 1\n", "1:1 '<<' merges no mapping");
	expect("<<: [1]\n", "1:1 '<<' merges no mapping");
}

static void test_faults(void **state)
{
	(void)state;
	expect("a: [1\n", "2:1 did not find expected ',' or ']'");
	expect("a: b\n c: d\n", "2:3 mapping values are not allowed in this context");
	expect("a: \"b\n", "2:1 found unexpected end of stream");
	expect("? [a]\n: b\n", "1:3 a key is no text");
	expect("~: b\n", "1:1 a key is no text");
	expect("[[[[[[[[[]]]]]]]]]", "1:9 it is nested too deeply");
	expect("a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a]\nc: [*b,*b,*b]\n", "3:5 it has too many values");
	assert_int_equal(SD_ELIMIT, yaml_to_json("a: 1", 5000, &limits, &(json_t *){ NULL }, &(struct yaml_fault){ 0 }));
}

static void place(const char *yaml, const struct yaml_step *steps, size_t n, uint32_t line, uint32_t column)
{
	uint32_t l = 0, c = 0;

	assert_int_equal(yaml_place(yaml, strlen(yaml), steps, n, &l, &c), line > 0);
	assert_int_equal(l, line);
	assert_int_equal(c, column);
}

static void test_places(void **state)
{
	static const char yaml[] = "users:\n- name: a\n  user: {token: x}\n- name: b\n  user:\n    exec:\n      args: [1]\n";

	(void)state;
	place(yaml, NULL, 0, 1, 1);
	place(yaml, (struct yaml_step[]){ { "users", 0 }, { NULL, 1 }, { "name", 0 } }, 3, 4, 9);
	place(yaml, (struct yaml_step[]){ { "users", 0 }, { NULL, 0 }, { "user", 0 }, { "token", 0 } }, 4, 3, 17);
	place(yaml, (struct yaml_step[]){ { "users", 0 }, { NULL, 1 }, { "user", 0 }, { "exec", 0 }, { "args", 0 }, { NULL, 0 } }, 6, 7, 14);
	place(yaml, (struct yaml_step[]){ { "users", 0 }, { NULL, 2 } }, 2, 0, 0);
	place(yaml, (struct yaml_step[]){ { "clusters", 0 } }, 1, 0, 0);
	place(yaml, (struct yaml_step[]){ { NULL, 0 } }, 1, 0, 0);
	place("", NULL, 0, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars), cmocka_unit_test(test_forms),  cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_faults),	cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
