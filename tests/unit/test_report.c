/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib/report over results made by hand: what a user reads, and the keys that programs rely on. Also lib/names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <netinet/in.h>

#include <svcdoctor/names.h>
#include <svcdoctor/report.h>

#include "lib/report/report-private.h"

static struct snapshot empty;

static struct report report_to(FILE *f, enum report_format format)
{
	return (struct report){ .out = f,
				.format = format,
				.command = "test",
				.program = "svcdoctor",
				.source_flags = " --bundle lab",
				.kubectl_flags = "",
				.snapshot = &empty,
				.namespace_ = "default" };
}

/* Runs @fn into a string, which the caller frees. */
#define CAPTURE(text, format_, call) \
	char *text = NULL; \
	size_t text##_size = 0; \
	do { \
		FILE *f_ = open_memstream(&text, &text##_size); \
		struct report r = report_to(f_, format_); \
		assert_int_equal(call, 0); \
		fclose(f_); \
	} while (0)

static const struct check check_cause = { .id = "no-ready-endpoints",
					  .axis = AXIS_ENDPOINTS,
					  .severity = SEVERITY_ERROR,
					  .title = "t",
					  .meaning = "m" };
static const struct check check_pod = { .id = "pod-crashlooping",
					.axis = AXIS_ENDPOINTS,
					.severity = SEVERITY_WARNING,
					.title = "t",
					.meaning = "m" };
static const struct k8s_service cart = { .meta = { .ns = "shop", .name = "cart" }, .type = "ClusterIP" };
static const struct k8s_service_port port80 = { .name = "http", .proto = IPPROTO_TCP, .port = 80 };

static void weights(void **state)
{
	char buf[WEIGHT_STRLEN];
	(void)state;
	assert_string_equal(text_weight(1, buf), "1");
	assert_string_equal(text_weight(715827883 / 2147483648.0, buf), "1/3");
	assert_string_equal(text_weight(2.0 / 7, buf), "2/7");
	assert_string_equal(text_weight(NAN, buf), "?");
	assert_string_equal(text_weight(0.123456, buf), "0.1235");
}

static void commands_carry_the_source(void **state)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	struct report r = report_to(NULL, REPORT_TEXT);
	(void)state;
	r.program = "kubectl svcdoctor";
	r.kubectl_flags = " --context x";
	text_command(&r, &b, "svcdoctor rules web");
	strbuf_addc(&b, '|');
	text_command(&r, &b, "kubectl -n shop get pods");
	strbuf_addc(&b, '|');
	text_command(&r, &b, "sysctl net.ipv4.ip_forward");
	assert_string_equal(strbuf_str(&b),
			    "kubectl svcdoctor rules web --bundle lab|"
			    "kubectl --context x -n shop get pods|sysctl net.ipv4.ip_forward");
}

static void tables_have_one_source(void **state)
{
	static const struct column columns[] = { { "pod", "POD" },
						 { "restarts", "RESTARTS" },
						 { "ready", "READY" },
						 { "none", "NONE" },
						 { "hidden", NULL } };
	struct table t CLEANUP(table_release) = { .columns = columns, .ncolumns = ARRAY_LEN(columns) };
	struct report r = report_to(NULL, REPORT_TEXT);
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	struct doc doc = { 0 };
	(void)state;
	table_text(&t, "a\033[31m");
	table_number(&t, 17);
	table_bool(&t, 1);
	table_none(&t);
	table_text(&t, "x");
	table_print(&r, &b, &t, 0, 1);
	assert_string_equal(strbuf_str(&b), "  POD     RESTARTS  READY\n  a?[31m        17  yes\n");
	json_t *rows = table_json(&doc, &t), *row = json_array_get(rows, 0);
	assert_false(doc.failed);
	assert_int_equal(json_integer_value(json_object_get(row, "restarts")), 17);
	assert_true(json_is_true(json_object_get(row, "ready")));
	assert_true(json_is_null(json_object_get(row, "none")));
	assert_string_equal(json_string_value(json_object_get(row, "hidden")), "x");
	json_decref(rows);
}

/* One broken Service with one cause that explains a pod's trouble. */
struct sample {
	struct finding cause, pod;
	struct diagnosis d;
};

static void sample_make(struct sample *s)
{
	static const char *const next = "kubectl -n shop logs cart-1 --previous";
	memset(s, 0, sizeof(*s));
	s->cause = (struct finding){ .id = "no-ready-endpoints/-/Service shop/cart",
				     .check = &check_cause,
				     .axis = AXIS_ENDPOINTS,
				     .severity = SEVERITY_ERROR,
				     .subject = "Service shop/cart",
				     .text = "no pod behind shop/cart is ready" };
	s->pod = (struct finding){ .id = "pod-crashlooping/-/Pod shop/cart-1",
				   .check = &check_pod,
				   .axis = AXIS_ENDPOINTS,
				   .severity = SEVERITY_ERROR,
				   .subject = "Pod shop/cart-1",
				   .text = "cart-1 crashes",
				   .because = "Pod shop/cart-1 keeps crashing\001",
				   .explained_by = &s->cause };
	assert_int_equal(array_push(&s->cause.next, next), 0);
	assert_int_equal(array_push(&s->cause.services, &cart), 0);
	assert_int_equal(array_push(&s->cause.explains, &s->pod), 0);
	assert_int_equal(array_push(&s->d.findings, &s->cause), 0);
	assert_int_equal(array_push(&s->d.findings, &s->pod), 0);
	struct service_result result = { .service = &cart,
					 .status = STATUS_BROKEN,
					 .head = "ClusterIP 10.96.0.9" };
	result.axes[AXIS_NAME].state = AXIS_NOT_LOOKED_AT;
	result.axes[AXIS_ENDPOINTS].state = AXIS_FAILED;
	result.axes[AXIS_ENDPOINTS].line = "0 of 2 pods are ready";
	result.axes[AXIS_RULES].state = AXIS_OK;
	result.axes[AXIS_RULES].line = "node1: fine";
	const struct finding *cause = &s->cause, *pod = &s->pod;
	assert_int_equal(array_push(&result.causes, cause), 0);
	assert_int_equal(array_push(&result.explained, pod), 0);
	assert_int_equal(array_push(&s->d.services, result), 0);
	s->d.axis_has_source[AXIS_ENDPOINTS] = s->d.axis_has_source[AXIS_RULES] = true;
	s->d.axis_why_not[AXIS_NAME] = "the bundle holds no DNS answers";
	s->d.healthy = -1;
}

static void sample_free(struct sample *s)
{
	array_free(&s->cause.next);
	array_free(&s->cause.services);
	array_free(&s->cause.explains);
	array_free(&s->d.services.v[0].causes);
	array_free(&s->d.services.v[0].explained);
	array_free(&s->d.services);
	array_free(&s->d.findings);
}

static void one_service_reads_in_full(void **state)
{
	struct sample s;
	(void)state;
	sample_make(&s);
	CAPTURE(text, REPORT_TEXT, report_diagnosis(&r, &s.d));
	assert_string_equal(text, "looked at: nothing (no cluster objects; no rules)   not looked at: name "
				  "(the bundle holds no DNS answers)\n"
				  "\n"
				  "shop/cart   ClusterIP 10.96.0.9\n"
				  "  name       -  not looked at\n"
				  "  endpoints  x  0 of 2 pods are ready\n"
				  "  rules      ok node1: fine\n"
				  "\n"
				  "cause: no pod behind shop/cart is ready\n"
				  "  because  Pod shop/cart-1 keeps crashing?\n"
				  "  next     kubectl -n shop logs cart-1 --previous\n");
	free(text);
	sample_free(&s);
}

static void diagnosis_keeps_the_contract(void **state)
{
	static const char *const first[] = { "schema_version", "command", "looked_at", "not_looked_at",
					     "skipped",	       "errors",  "healthy" };
	struct sample s;
	(void)state;
	sample_make(&s);
	CAPTURE(text, REPORT_JSON, report_diagnosis(&r, &s.d));
	json_t *root = json_loads(text, 0, NULL);
	assert_non_null(root);
	size_t i = 0;
	const char *key;
	json_t *value;
	json_object_foreach(root, key, value)
	{
		if (i < ARRAY_LEN(first)) {
			assert_string_equal(key, first[i]);
		}
		i++;
	}
	assert_true(json_is_null(json_object_get(root, "healthy")));
	json_t *service = json_array_get(json_object_get(root, "services"), 0);
	assert_string_equal(json_string_value(json_object_get(service, "service")), "shop/cart");
	assert_string_equal(json_string_value(json_object_get(service, "status")), "broken");
	assert_string_equal(json_string_value(json_object_get(json_object_get(service, "axes"), "name")),
			    "not-looked-at");
	json_t *finding = json_array_get(json_object_get(service, "causes"), 0);
	assert_string_equal(json_string_value(json_object_get(finding, "check")), "no-ready-endpoints");
	assert_int_equal(json_integer_value(json_object_get(finding, "services")), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(finding, "explains"), 0)),
			    s.pod.id);
	assert_true(json_is_null(json_object_get(finding, "since")));
	json_decref(root);
	free(text);
	sample_free(&s);
}

static size_t count(const char *s, char c)
{
	size_t n = 0;
	for (; *s; s++) {
		n += *s == c;
	}
	return n;
}

static void lines_have_seven_fields(void **state)
{
	struct sample s;
	(void)state;
	sample_make(&s);
	s.cause.text = "with a\ttab and a\nline end";
	CAPTURE(text, REPORT_LINES, report_diagnosis(&r, &s.d));
	assert_int_equal(count(text, '\n'), 2);
	assert_int_equal(count(text, '\t'), 12);
	assert_true(
		str_starts(text, "error\tendpoints\tno-ready-endpoints\tService shop/cart\t-\tshop/cart\t"));
	free(text);
	sample_free(&s);
}

/* A thousand causes still make a report of about forty lines. */
static void many_causes_stay_short(void **state)
{
	enum { N = 1000 };
	struct diagnosis d = { 0 };
	struct finding *f = calloc(N, sizeof(*f));
	(void)state;
	assert_non_null(f);
	for (size_t i = 0; i < N; i++) {
		struct finding *one = &f[i];
		*one = (struct finding){ .id = "x",
					 .check = &check_cause,
					 .severity = SEVERITY_ERROR,
					 .subject = "s",
					 .text = "broken" };
		assert_int_equal(array_push(&one->services, &cart), 0);
		assert_int_equal(array_push(&d.findings, one), 0);
		struct service_result result = { .service = &cart,
						 .status = i % 2 ? STATUS_BROKEN : STATUS_HEALTHY };
		assert_int_equal(array_push(&d.services, result), 0);
	}
	CAPTURE(text, REPORT_TEXT, report_diagnosis(&r, &d));
	assert_true(count(text, '\n') <= 42);
	assert_non_null(strstr(text, "1000 Services: 500 broken, 500 healthy"));
	assert_non_null(strstr(text, "more (-v shows all of them)"));
	free(text);
	for (size_t i = 0; i < N; i++) {
		array_free(&f[i].services);
	}
	free(f);
	array_free(&d.findings);
	array_free(&d.services);
}

static void verify_groups_and_nulls(void **state)
{
	const struct verify_fate expected[] = { { .verdict = NAT_ACCEPT,
						  .addr = { AF_INET, { 10, 0, 0, 1 } },
						  .port = 80,
						  .weight = 1,
						  .masquerade = -1 } };
	const struct verify_fate actual[] = { { .verdict = NAT_REJECT, .weight = 1 } };
	const struct ip_prefix prefixes[] = { { { AF_INET, { 10, 244, 2, 1 } }, 32 }, { { AF_INET, { 10, 0, 0, 9 } }, 32 } };
	const struct ip_addr addresses[] = { { AF_INET, { 192, 0, 2, 2 } }, { AF_INET, { 10, 0, 0, 1 } } };
	struct verify_difference x = { .kind = DIFF_REJECTED,
				       .severity = VERIFY_ERROR,
				       .prefixes = prefixes,
				       .nprefixes = 2,
				       .addresses = addresses,
				       .naddresses = 2,
				       .node = "node1",
				       .service = &cart,
				       .port = &port80,
				       .frontend = "10.96.0.9:80/TCP",
				       .class_from = "pod",
				       .sources = "pods",
				       .example = { AF_INET, { 10, 0, 0, 9 } },
				       .expected = expected,
				       .nexpected = 1,
				       .actual = actual,
				       .nactual = 1,
				       .text = "refused",
				       .by = { .kind = BY_RULE,
					       .node = "node1",
					       .backend = "nft",
					       .family = "ip",
					       .table = "filter",
					       .chain = "FORWARD",
					       .index = 1,
					       .text = "-A FORWARD -j REJECT" } };
	struct verify_report v = { .services = 1, .frontends = 2, .decided = 2 };
	const char *node = "node1";
	(void)state;
	assert_int_equal(array_push(&v.nodes, node), 0);
	assert_int_equal(array_push(&v.differences, x), 0);
	x.frontend = "*:30080/TCP";
	assert_int_equal(array_push(&v.differences, x), 0);
	x.severity = VERIFY_WARNING;
	assert_int_equal(array_push(&v.differences, x), 0);
	const struct verify_undecided u = { .node = "node1",
					    .service = &cart,
					    .port = &port80,
					    .frontend = "10.96.0.9:80/TCP",
					    .class_from = "pod",
					    .example = { AF_INET, { 10, 0, 0, 9 } },
					    .text = "open" };
	assert_int_equal(array_push(&v.undecided, u), 0);
	CAPTURE(text, REPORT_TEXT, report_verify(&r, &v));
	assert_int_equal(count(text, '\n') > 5, 1);
	char *first = strstr(text, "rejected  node1\n"), *warning = strstr(text, "rejected  node1  (warning)\n");
	assert_non_null(first);
	assert_null(strstr(first + 1, "rejected  node1\n"));
	assert_non_null(warning);
	assert_true(first < warning);
	assert_non_null(strstr(text, "3 differences (1 warning)"));
	assert_non_null(strstr(text, "ip nft filter FORWARD 1"));
	assert_non_null(strstr(text, "svcdoctor trace 10.0.0.9 10.96.0.9:80/TCP --node node1 --bundle lab"));
	free(text);
	CAPTURE(json, REPORT_JSON, report_verify(&r, &v));
	json_t *root = json_loads(json, 0, NULL),
	       *one = json_array_get(json_object_get(root, "differences"), 0);
	assert_true(json_is_null(
		json_object_get(json_array_get(json_object_get(one, "expected"), 0), "masquerade")));
	static const char *const keys[] = { "verdict", "address", "port", "weight", "masquerade" };
	json_t *fate = json_array_get(json_object_get(one, "actual"), 0);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		assert_non_null(json_object_get(fate, keys[i]));
	}
	assert_true(json_is_null(json_object_get(fate, "address")));
	assert_string_equal(json_string_value(json_object_get(one, "severity")), "error");
	json_t *class = json_object_get(one, "class"),
	       *open = json_object_get(json_array_get(json_object_get(root, "undecided"), 0), "class");
	assert_string_equal(json_string_value(json_array_get(json_object_get(class, "prefixes"), 0)), "10.0.0.9/32");
	assert_string_equal(json_string_value(json_array_get(json_object_get(one, "addresses"), 0)), "10.0.0.1");
	assert_true(json_is_null(json_object_get(class, "interface")));
	assert_int_equal(json_object_size(open), json_object_size(class));
	assert_string_equal(json_string_value(json_array_get(json_object_get(open, "prefixes"), 0)), "10.0.0.9/32");
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(root, "differences"), 2), "severity")),
			    "warning");
	assert_string_equal(json_string_value(json_object_get(one, "port")), "http");
	assert_string_equal(json_string_value(json_object_get(json_object_get(one, "by"), "chain")),
			    "FORWARD");
	json_decref(root);
	free(json);
	CAPTURE(lines, REPORT_LINES, report_verify(&r, &v));
	assert_true(str_starts(lines, "error\trules\trejected\t"));
	assert_non_null(strstr(lines, "\nwarning\trules\trejected\t"));
	free(lines);
	array_free(&v.differences);
	array_free(&v.undecided);
	array_free(&v.nodes);
}

/* An expected refusal is its verdict and nothing else. */
static void verify_expects_a_refusal(void **state)
{
	const struct verify_fate expected[] = { { .verdict = NAT_REJECT, .weight = 1, .masquerade = -1 } };
	const struct verify_difference x = { .kind = DIFF_NOT_REFUSED,
					     .node = "node1",
					     .frontend = "10.96.0.9:80/TCP",
					     .expected = expected,
					     .nexpected = 1 };
	struct verify_report v = { 0 };
	(void)state;
	assert_int_equal(array_push(&v.differences, x), 0);
	CAPTURE(json, REPORT_JSON, report_verify(&r, &v));
	json_t *root = json_loads(json, 0, NULL);
	json_t *one = json_array_get(json_object_get(root, "differences"), 0);
	json_t *fate = json_array_get(json_object_get(one, "expected"), 0);
	assert_int_equal(json_object_size(fate), 1);
	assert_string_equal(json_string_value(json_object_get(fate, "verdict")), "reject");
	assert_string_equal(json_string_value(json_object_get(one, "severity")), "info");
	json_decref(root);
	free(json);
	array_free(&v.differences);
}

/* A run that could look at nothing still has the keys of its command. */
static void nothing_has_the_keys(void **state)
{
	static const struct {
		const char *command, *keys[3];
	} cases[] = {
		{ "diagnose", { "healthy", "services", "cluster" } }, { "verify", { "differences", "undecided", "broken" } },
		{ "trace", { "packet", "meaning", "endings" } },      { "rules", { "findings", "rules", "errors" } },
		{ "endpoints", { "findings", "endpoints", "errors" } }, { "explain", { "checks", "errors", "skipped" } },
		{ NULL, { "errors", "looked_at", "command" } },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CAPTURE(json, REPORT_JSON, (r.command = cases[i].command, report_nothing(&r)));
		json_t *root = json_loads(json, 0, NULL);
		assert_non_null(root);
		for (size_t k = 0; k < ARRAY_LEN(cases[i].keys); k++) {
			assert_non_null(json_object_get(root, cases[i].keys[k]));
		}
		json_decref(root);
		free(json);
		CAPTURE(text, REPORT_TEXT, report_nothing(&r));
		assert_int_equal(text_size, 0);
		free(text);
	}
}

static void explains_are_sorted(void **state)
{
	(void)state;
	CAPTURE(json, REPORT_JSON, report_explain(&r, NULL));
	json_t *root = json_loads(json, 0, NULL), *check;
	size_t i;
	json_array_foreach(json_object_get(root, "checks"), i, check)
	{
		json_t *explains = json_object_get(check, "explains");
		for (size_t k = 1; k < json_array_size(explains); k++) {
			assert_true(strcmp(json_string_value(json_array_get(explains, k - 1)),
					   json_string_value(json_array_get(explains, k))) < 0);
		}
	}
	json_decref(root);
	free(json);
}

static void trace_without_rules(void **state)
{
	struct nat_packet p = { .src = { AF_INET, { 192, 0, 2, 1 } },
				.dst = { AF_INET, { 10, 96, 0, 1 } },
				.proto = IPPROTO_TCP,
				.sport = 40000,
				.dport = 443 };
	struct nat_ending e = {
		.verdict = NAT_ACCEPT, .addr = p.dst, .port = 443, .weight = NAN, .reply = TRI_UNKNOWN
	};
	const struct snap_node node = { .name = "node1" };
	struct follow_leg leg = { .node = &node, .packet = p, .weight = 1 };
	const struct follow_step step = { .leg = &leg, .ending = &e };
	struct follow f = { 0 };
	const struct follow_ending end = { .e = e, .last = &step };
	const struct trace_report t = { .follow = &f };
	(void)state;
	nat_result_init(&leg.result);
	assert_int_equal(array_push(&leg.result.endings, e), 0);
	assert_int_equal(array_push(&f.legs, &leg), 0);
	assert_int_equal(array_push(&f.endings, end), 0);
	CAPTURE(text, REPORT_TEXT, report_trace(&r, &t, 1));
	assert_true(str_starts(text, "tcp 192.0.2.1 -> 10.96.0.1:443   new connection, enters node1 by an "
				     "interface that is not known\n"));
	assert_non_null(strstr(text, "ends   ?      10.96.0.1:443"));
	free(text);
	CAPTURE(json, REPORT_JSON, report_trace(&r, &t, 1));
	json_t *root = json_loads(json, 0, NULL), *one = json_array_get(json_object_get(root, "endings"), 0);
	assert_true(json_is_null(json_object_get(one, "weight")));
	assert_true(json_is_null(json_object_get(one, "by")));
	assert_true(json_is_null(json_object_get(json_object_get(one, "reply"), "ok")));
	json_decref(root);
	free(json);
	follow_release(&f);
}

static void names_split(void **state)
{
	char name[64], ns[64];
	(void)state;
	assert_int_equal(service_name_split("web", NULL, name, ns), 0);
	assert_string_equal(name, "web");
	assert_string_equal(ns, "");
	assert_int_equal(service_name_split("Web.Shop", NULL, name, ns), 0);
	assert_string_equal(name, "web");
	assert_string_equal(ns, "shop");
	assert_int_equal(service_name_split("web.shop.svc", NULL, name, ns), 0);
	assert_int_equal(service_name_split("web.shop.svc.cluster.local.", "cluster.local", name, ns), 0);
	assert_int_equal(service_name_split("web.shop.svc.corp.example", NULL, name, ns), 0);
	static const char *const bad[] = { "",
					   ".",
					   "web.",
					   ".shop",
					   "web..svc",
					   "web.shop.pod",
					   "web.shop.svc.",
					   "web.shop.svc..",
					   "-a",
					   "a-.b",
					   "_http._tcp.web.shop.svc",
					   "web.shop.svcx",
					   "a b" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(service_name_split(bad[i], NULL, name, ns), SD_EPARSE);
	}
	assert_int_equal(service_name_split("web.shop.svc.other.local", "cluster.local", name, ns),
			 SD_EPARSE);
	char longer[70];
	memset(longer, 'a', sizeof(longer));
	longer[64] = 0;
	assert_int_equal(service_name_split(longer, NULL, name, ns), SD_EPARSE);
	longer[63] = 0;
	assert_int_equal(service_name_split(longer, NULL, name, ns), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights),
		cmocka_unit_test(commands_carry_the_source),
		cmocka_unit_test(tables_have_one_source),
		cmocka_unit_test(one_service_reads_in_full),
		cmocka_unit_test(diagnosis_keeps_the_contract),
		cmocka_unit_test(lines_have_seven_fields),
		cmocka_unit_test(many_causes_stay_short),
		cmocka_unit_test(verify_groups_and_nulls),
		cmocka_unit_test(verify_expects_a_refusal),
		cmocka_unit_test(nothing_has_the_keys),
		cmocka_unit_test(explains_are_sorted),
		cmocka_unit_test(trace_without_rules),
		cmocka_unit_test(names_split),
	};
	snapshot_init(&empty);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	snapshot_release(&empty);
	return failed;
}
