/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list splitter of lib/base/json.c: forms of lists, exact places of damage, truncation at every offset,
 * growth.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>

#include <svcdoctor/base.h>

#include <cmocka.h>
#include <jansson.h>

struct seen {
	struct strbuf text; /* "kind/api:name@line " for each element */
	struct strbuf lists;
	int stop_after;
	size_t n;
};

static int on_list(void *arg, const char *kind, const char *api_version, bool partial)
{
	struct seen *s = arg;

	strbuf_addf(&s->lists, "%s/%s%s ", kind, api_version, partial ? "+" : "");
	return 0;
}

static int on_item(void *arg, struct json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	struct seen *s = arg;
	const char *name = json_str(item, "name");

	strbuf_addf(&s->text, "%s/%s:%s@%u ", kind, api_version, name ? name : "-", line);
	s->n++;
	return s->stop_after && (int)s->n == s->stop_after ? -ECANCELED : 0;
}

struct run {
	struct seen seen;
	struct sd_notes notes;
	ssize_t r;
};

static void run_text(struct run *run, const char *data, size_t size)
{
	memset(run, 0, sizeof(*run));
	run->r = json_each_list(data, size, "f.json", &run->notes, on_list, on_item, &run->seen);
}

static void run_release(struct run *run)
{
	strbuf_release(&run->seen.text);
	strbuf_release(&run->seen.lists);
	sd_notes_release(&run->notes);
}

static void expect_items(const char *json, ssize_t r, const char *items, const char *lists)
{
	struct run run;

	run_text(&run, json, strlen(json));
	assert_int_equal(run.r, r);
	assert_string_equal(strbuf_str(&run.seen.text), items);
	assert_string_equal(strbuf_str(&run.seen.lists), lists);
	assert_int_equal(run.notes.len, 0);
	run_release(&run);
}

static void expect_damage(const char *json, const char *items, const char *code, unsigned line,
			  unsigned column)
{
	struct run run;

	run_text(&run, json, strlen(json));
	assert_string_equal(strbuf_str(&run.seen.text), items);
	assert_true(run.notes.len >= 1);
	assert_string_equal(run.notes.v[0].code, code);
	assert_string_equal(run.notes.v[0].file, "f.json");
	assert_int_equal(run.notes.v[0].line, line);
	assert_int_equal(run.notes.v[0].column, column);
	assert_true(run.notes.v[0].fatal_to_part);
	run_release(&run);
}

static void test_forms(void **state)
{
	(void)state;
	expect_items("{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"items\":[{\"name\":\"a\"},{\"name\":"
		     "\"b\"}]}",
		     2, "Service/v1:a@1 Service/v1:b@1 ", "ServiceList/v1 ");
	/* kubectl: the kind behind the items. */
	expect_items("{\n \"apiVersion\": \"v1\",\n \"items\": [\n  {\"name\":\"a\"},\n  {\"name\":\"b\"}\n "
		     "],\n \"kind\": \"List\"\n}\n",
		     2, "/v1:a@4 /v1:b@5 ", "List/v1 ");
	expect_items("{\"items\":[{\"name\":\"}]\\\"\"}],\"kind\":\"PodList\"}", 1, "Pod/:}]\"@1 ",
		     "PodList/ ");
	expect_items("{\"items\":[],\"kind\":\"PodList\",\"metadata\":{\"continue\":\"x\"}}", 0, "",
		     "PodList/+ ");
	expect_items("{\"kind\":\"PodList\",\"items\":null}", 0, "", "PodList/ ");
	expect_items("{\"kind\":\"Pod\",\"name\":\"x\"}", 1, "/:x@1 ", "");
	expect_items("{\"name\":\"x\"}\r\n{\"name\":\"y\"} {\"items\":[{}]}", 3, "/:x@1 /:y@2 /:-@2 ", "/ ");
	expect_items("[{\"name\":\"x\"},{\"name\":\"y\"}]", 2, "/:x@1 /:y@1 ", "");
	expect_items("\xef\xbb\xbf{\"name\":\"x\"}", 1, "/:x@1 ", "");
	expect_items("{\"items\":{},\"name\":\"odd\"}", 1, "/:odd@1 ", "");
}

static void test_damage(void **state)
{
	(void)state;
	expect_damage("", "", "truncated", 1, 1);
	expect_damage(" \n ", "", "truncated", 2, 2);
	expect_damage("Error from server (Forbidden)", "", "bad-json", 1, 1);
	expect_damage("\xff\xfe{\0", "", "bad-json", 1, 1);
	expect_damage("{\"name\":\"x\",}", "", "bad-json", 1, 13);
	expect_damage("{\"items\":[{\"name\":\"a\"},\n{\"name\": tru3},\n{\"name\":\"c\"}]}", "/:a@1 /:c@3 ",
		      "bad-json", 2, 13);
	/* Columns are characters, not bytes. */
	expect_damage("{\"items\":[{\"n\":\"\xc3\xa4\xc3\xb6\" \"x\"}]}", "", "bad-json", 1, 21);
	expect_damage("{\"items\":[{\"name\":\"a\"},{\"name\":\"b\\q\"},{\"name\":\"c\"}]}", "/:a@1 /:c@1 ",
		      "bad-json", 1, 35);
	expect_damage("{\"items\":[{\"name\":\"a\"},\n 7, {\"name\":\"c\"}]}", "/:a@1 /:c@2 ", "bad-json", 2,
		      2);
	expect_damage("{\"items\":[{\"name\":\"a\"},\n{\"na", "/:a@1 ", "truncated", 2, 5);
	expect_damage("{\"items\":[{\"name\":\"a\"}", "/:a@1 ", "truncated", 1, 23);
	expect_damage("{\"items\":[{\"name\":\"a\"}]", "/:a@1 ", "truncated", 1, 24);
	expect_damage("{\"items\":[{\"name\":\"a\"}],\n\"metadata\":nul}", "/:a@1 ", "bad-json", 2, 15);
	expect_damage("{\"metadata\":{\"x\":},\"items\":[{\"name\":\"a\"}]}", "/:a@1 ", "bad-json", 1, 18);
	expect_damage("{\"items\":[{\"name\":\"a\"}]}\n}", "/:a@1 ", "bad-json", 2, 1);
	expect_damage("{\"name\":\"\t\"}", "", "bad-json", 1, 10);
	expect_damage("{\"n\":01}", "", "bad-json", 1, 7);
	expect_damage("{\"n\":99999999999999999999}", "", "bad-json", 1, 26);
	expect_damage("[1", "", "bad-json", 1, 2);
}

static void test_bad_utf8(void **state)
{
	struct run run;
	const char json[] = "{\"items\":[{\"name\":\"\xff\"},{\"name\":\"b\"}]}";

	(void)state;
	run_text(&run, json, sizeof(json) - 1);
	assert_int_equal(run.r, 1);
	assert_string_equal(strbuf_str(&run.seen.text), "/:b@1 ");
	assert_int_equal(run.notes.len, 1);
	run_release(&run);
}

static void test_nesting(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct run run;

	(void)state;
	strbuf_adds(&b, "{\"items\":[{\"name\":\"a\"},{\"x\":");
	for (int i = 0; i < 100000; i++)
		strbuf_addc(&b, '[');
	for (int i = 0; i < 100000; i++)
		strbuf_addc(&b, ']');
	strbuf_adds(&b, "},{\"name\":\"c\"}]}");
	run_text(&run, b.s, b.len);
	assert_string_equal(strbuf_str(&run.seen.text), "/:a@1 /:c@1 ");
	assert_int_equal(run.notes.len, 1);
	run_release(&run);
	strbuf_release(&b);
}

static void test_stop(void **state)
{
	const char json[] = "[{},{},{}]";
	struct seen seen = { .stop_after = 2 };
	struct sd_notes notes = { 0 };

	(void)state;
	assert_int_equal(json_each_item(json, sizeof(json) - 1, "f", &notes, on_item, &seen), -ECANCELED);
	assert_int_equal(seen.n, 2);
	strbuf_release(&seen.text);
	sd_notes_release(&notes);
}

/* Cut anywhere, a real list gives the elements before the cut and one note, and nothing else. */
static void test_truncation(void **state)
{
	char *data = NULL;
	size_t size = 0, last = 0;

	(void)state;
	assert_int_equal(file_read_at(AT_FDCWD, "tests/corpus/lab-iptables-nft/cluster/services.json",
				      1 << 20, &data, &size),
			 0);
	while (size > 0 && data[size - 1] == '\n')
		size--;
	for (size_t cut = 0; cut <= size; cut += cut < size && cut + 7 > size ? size - cut : 7) {
		struct run run;

		/* A copy of exact size, so that a read behind the end is seen by the sanitizers. */
		char *copy = malloc(cut ? cut : 1);

		assert_non_null(copy);
		memcpy(copy, data, cut);
		run_text(&run, copy, cut);
		assert_int_equal(run.notes.len, cut == size ? 0 : 1);
		if (run.notes.len)
			assert_string_equal(run.notes.v[0].code, "truncated");
		assert_true(run.seen.n >= last);
		last = run.seen.n;
		run_release(&run);
		free(copy);
		if (cut == size)
			break;
	}
	assert_int_equal(last, 19);
	free(data);
}

/* Many damaged elements on one line: the places are counted once, not from the start each time. */
static void test_linear(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct run run;

	(void)state;
	strbuf_addc(&b, '[');
	for (int i = 0; i < 300000; i++)
		strbuf_adds(&b, "x,");
	strbuf_adds(&b, "{}]");
	run_text(&run, b.s, b.len);
	assert_int_equal(run.r, 1);
	assert_int_equal(run.notes.len, SD_NOTES_MAX);
	assert_int_equal(run.notes.len + run.notes.dropped, 300000);
	run_release(&run);
	strbuf_release(&b);
}

static void test_members(void **state)
{
	json_t *o = json_loads(
		"{\"s\":\"x\",\"o\":{},\"a\":[],\"i\":5,\"t\":true,\"f\":false,\"n\":null,\"r\":1.5}", 0,
		NULL);
	int64_t i = 7;

	(void)state;
	assert_string_equal(json_str(o, "s"), "x");
	assert_null(json_str(o, "i"));
	assert_null(json_str(NULL, "i"));
	assert_non_null(json_obj(o, "o"));
	assert_null(json_obj(o, "a"));
	assert_non_null(json_arr(o, "a"));
	assert_null(json_arr(o, "none"));
	assert_true(json_int(o, "i", &i) && i == 5);
	assert_false(json_int(o, "r", &i) || json_int(o, "s", &i));
	assert_int_equal(json_tri(o, "t"), 1);
	assert_int_equal(json_tri(o, "f"), 0);
	assert_int_equal(json_tri(o, "n"), -1);
	assert_int_equal(json_tri(o, "none"), -1);
	json_decref(o);
}

static int same_tree(void *arg, struct json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	(void)kind;
	(void)api_version;
	(void)line;
	assert_true(json_equal(item, arg));
	return 0;
}

/* Elements are made into trees by us, as jansson makes them. */
static void test_trees(void **state)
{
	static const char *const texts[] = {
		"{}", "{ }", "{\"a\":[]}", "{\"a\" : [ ] , \"b\" : [ { } , 1 , \"x\" ] }", "{\"a\":1,\"a\":2}", "{\"\":\"\"}",
		"{\"a\":0,\"b\":-0,\"c\":-17,\"d\":999999999999999999,\"e\":-99999999999999999,\"f\":9223372036854775807,\"g\":-9223372036854775808}",
		"{\"a\":1.5,\"b\":-1e3,\"c\":0.0,\"d\":1E+2,\"e\":[1,2.5,3]}", "{\"a\":true,\"b\":false,\"c\":null}",
		"{\"a\":\"\\\\\",\"b\":\"\\\"\",\"c\":\"\\u0041\\n\",\"d\":\"a\\u0000b\",\"\\u0061x\":\"\\ud83d\\ude00\"}",
		"{\"\xc3\xa4\":\"\xe2\x82\xac\",\"\x7f\":\"\x7f\"}",
	};
	struct sd_notes notes = { 0 };
	char name[400], *text = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *want = json_loads(texts[i], JSON_ALLOW_NUL, NULL);

		assert_non_null(want);
		assert_int_equal(json_each_list(texts[i], strlen(texts[i]), "f", &notes, NULL, same_tree, want), 1);
		json_decref(want);
	}
	for (size_t n = 120; n < 140; n++) { /* long names */
		json_t *want;

		memset(name, 'n', n);
		name[n] = '\0';
		assert_true(asprintf(&text, "{\"%s\":{\"%s\":1}}", name, name) > 0);
		want = json_loads(text, 0, NULL);
		assert_int_equal(json_each_list(text, strlen(text), "f", &notes, NULL, same_tree, want), 1);
		json_decref(want);
		free(text);
	}
	assert_int_equal(notes.len, 0);
}

/* What is well-formed and yet refused is told as jansson tells it. */
static void test_refused(void **state)
{
	static const char *const texts[] = { "{\"a\\u0000b\":1}", "{\"a\":1e999}", "{\"a\":99999999999999999999}", "{\"\xff\":1}", "{\"a\":\"\\ud800\"}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct sd_notes notes = { 0 };
		json_error_t error;

		assert_null(json_loads(texts[i], JSON_ALLOW_NUL, &error));
		assert_int_equal(json_each_list(texts[i], strlen(texts[i]), "f", &notes, NULL, same_tree, NULL), SD_EPARSE);
		assert_int_equal(notes.len, 1);
		assert_string_equal(notes.v[0].text, error.text);
		sd_notes_release(&notes);
	}
}

static const char *const kept[] = { "a", "b", "labels*", "items", NULL };

static void expect_kept(const char *text, const char *want)
{
	char *copy = strdup(text);
	size_t size = json_keep(copy, strlen(text), kept);

	assert_string_equal(copy, want);
	assert_int_equal(size, strlen(want));
	free(copy);
}

static void test_keep(void **state)
{
	static const char text[] = "{\"x\": [1,\"]\\\"\",{\"b\":2}], \"a\":{\"x\":1e3,\"b\":[true, null]} , \"y\":\"a\",\"labels\":{\"y\":[]}}";

	(void)state;
	expect_kept("{\"a\":1,\"x\":{\"f:x\":{\".\":{}}},\"b\":2}", "{\"a\":1,\"b\":2}");
	expect_kept("{\"x\":1,\"y\":2,\"a\":3,\"y\":4,\"z\":5,\"b\":6,\"x\":7}", "{\"a\":3,\"b\":6}");
	expect_kept("{\"x\":1}", "{}");
	expect_kept(" [ { \"x\" : 1 , \"y\" : -2.5 } , { \"y\" : 1 , \"b\" : { } , \"x\" : [ ] } ] ", " [ { } , { \"b\" : { } } ] ");
	expect_kept("{\n  \"b\": 1,\n  \"x\": {\n  }\n}\n", "{\n  \"b\": 1\n}\n");
	expect_kept(text, "{\"a\":{\"b\":[true, null]},\"labels\":{\"y\":[]}}");
	/* a value that looks like a name is none; a name may be written with escapes */
	expect_kept("{\"b\":[\"x\",{\"x\":null}],\"x\":\"b\"}", "{\"b\":[\"x\",{}]}");
	expect_kept("{\"\\u0061\":1,\"q\\\"a\":2,\"aa\":3,\"\":4,\"labels*\":5}", "{\"\\u0061\":1,\"q\\\"a\":2}");
	expect_kept("", "");
	expect_kept("\"x\"", "\"x\"");
	/* from damage on all is kept, and stays damaged */
	expect_kept("{\"x\":1,\"y\":nul,\"b\":}", "{\"b\":}");
	expect_kept("{\"a\":1,\"x\":?,\"y\":1}", "{\"a\":1,\"x\":?,\"y\":1}");
	expect_kept("{\"a\":1 \"x\":2}", "{\"a\":1 \"x\":2}");
	for (size_t n = 0; n < sizeof(text); n++) {
		char *part = strndup(text, n);
		size_t size = json_keep(part, n, kept);
		json_t *o = json_loadb(part, size, 0, NULL);

		assert_true(size <= n && part[size] == '\0');
		assert_true((o != NULL) == (n == sizeof(text) - 1));
		json_decref(o);
		free(part);
	}
}

static void test_keep_deep(void **state)
{
	char *deep = malloc(200001);

	(void)state;
	memset(deep, '[', 200000);
	deep[200000] = '\0';
	assert_int_equal(json_keep(deep, 200000, kept), 200000);
	free(deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),	 cmocka_unit_test(test_damage),
		cmocka_unit_test(test_bad_utf8), cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_stop),	 cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_linear),	 cmocka_unit_test(test_members),
		cmocka_unit_test(test_trees),	 cmocka_unit_test(test_refused),
		cmocka_unit_test(test_keep),	 cmocka_unit_test(test_keep_deep),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
