/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How logs are read, whatever lines are known: with tables of its own, in every form that a line may have, in pieces, and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/klog/klog-private.h"

#define ROW(id_, weight_, topic_, ...) { .program = LOG_KUBE_PROXY, .kind = { .id = id_, .weight = weight_, .meaning = "-", .topic = topic_ }, __VA_ARGS__ }
#define FORMS(...) .forms = (const struct log_form[]){ __VA_ARGS__, { .pattern = NULL } }

static const struct log_row rows[] = {
	ROW("mode", LOG_GOOD, TOPIC_NONE, .flags = ROW_START | ROW_MODE, FORMS({ LEVEL_ANY, NULL, "Using %n Proxier", NULL })),
	ROW("node", LOG_GOOD, TOPIC_NONE, .flags = ROW_START, FORMS({ LEVEL_ANY, NULL, "Successfully retrieved node IP: %n", NULL })),
	ROW("banner", LOG_GOOD, TOPIC_START, .flags = ROW_BANNER, .name_key = "version",
	    FORMS({ LEVEL_ANY, NULL, "Version: %n", NULL }, { LEVEL_INFO, NULL, "Version info", NULL })),
	ROW("list", LOG_ERROR, TOPIC_API, .name_key = "type",
	    FORMS({ LEVEL_ERROR | LEVEL_WARNING, NULL, "*Failed to watch %n: failed to list *", NULL }, { LEVEL_ERROR, NULL, "Failed to watch", NULL })),
	ROW("synced", LOG_GOOD, TOPIC_API, FORMS({ LEVEL_INFO, NULL, "Caches are synced for %N", NULL }, { LEVEL_INFO, NULL, "Caches are synced", NULL })),
	ROW("restore", LOG_ERROR, TOPIC_SYNC, .name_key = "ipFamily", FORMS({ LEVEL_ERROR, NULL, "Failed to execute iptables-restore", NULL })),
	ROW("links", LOG_HARMLESS, TOPIC_NONE, FORMS({ LEVEL_ERROR, NULL, "Error removing iptables rules in ipvs proxier", NULL })),
	ROW("tail", LOG_WARNING, TOPIC_NONE, .flags = ROW_TAIL, FORMS({ LEVEL_ANY, NULL, "Some settings", NULL })),
	ROW("keyed", LOG_WARNING, TOPIC_NONE, .key = "mode", .key_value = "ipvs", .name_key = "node", FORMS({ LEVEL_ANY, NULL, "Keyed line", NULL })),
	ROW("unkeyed", LOG_HARMLESS, TOPIC_NONE, FORMS({ LEVEL_ANY, NULL, "Keyed line", NULL })),
	ROW("fatal", LOG_ERROR, TOPIC_START, .flags = ROW_END, FORMS({ LEVEL_FATAL, NULL, "failed validate", NULL }, { LEVEL_ERROR, NULL, "command failed", NULL })),
	ROW("named", LOG_ERROR, TOPIC_NONE, FORMS({ LEVEL_ANY, NULL, "Error creating chain %n", NULL })),
	ROW("words", LOG_ERROR, TOPIC_NONE, FORMS({ LEVEL_ANY, NULL, "Cannot use %N", NULL })),
	ROW("middle", LOG_ERROR, TOPIC_NONE, FORMS({ LEVEL_ANY, "the deep sea", "%w in the deep sea of %d", NULL })),
};
static const struct log_row kernel_rows[] = {
	{ .program = LOG_KERNEL, .kind = { .id = "full", .weight = LOG_ERROR, .meaning = "-" },
	  FORMS({ LEVEL_ANY, NULL, "nf_conntrack: nf_conntrack: table full, dropping packet", NULL }) },
};
static const struct log_row reason_rows[] = {
	ROW("expired", LOG_ERROR, TOPIC_NONE, FORMS({ LEVEL_ANY, NULL, "*certificate has expired*", NULL })),
	ROW("refused", LOG_ERROR, TOPIC_NONE, FORMS({ LEVEL_ANY, NULL, "*connection refused*", NULL })),
	ROW("extension", LOG_ERROR, TOPIC_NONE, FORMS({ LEVEL_ANY, NULL, "*Extension %n revision * not supported*", NULL })),
	ROW("unset", LOG_HARMLESS, TOPIC_NONE, FORMS({ LEVEL_ANY, NULL, "nodePortAddresses is unset*", NULL })),
};
static const struct log_table table = { rows, ARRAY_LEN(rows) }, kernel_table = { kernel_rows, ARRAY_LEN(kernel_rows) },
			      reason_table = { reason_rows, ARRAY_LEN(reason_rows) };
static const struct log_table *const tables[] = { &table, &kernel_table, NULL };
static const struct log_table *const reasons[] = { &reason_table, NULL };

/* Fed in pieces of @piece bytes, each of which ends in front of bytes that may not be read. */
static struct log_summary read_pieces(struct arena *a, enum log_program program, const char *text, size_t size, bool cut, size_t piece)
{
	struct log_reader *r = log_reader_of(a, program, cut, tables, reasons);
	struct log_summary s = { 0 };

	assert_non_null(r);
	for (size_t at = 0; at < size; at += piece) {
		const size_t n = MIN(piece, size - at);
		char *copy = malloc(n);

		assert_non_null(copy);
		memcpy(copy, text + at, n);
		assert_int_equal(log_reader_feed(r, copy, n), 0);
		free(copy);
	}
	assert_int_equal(log_reader_end(r, &s), 0);
	return s;
}

static struct log_summary read_log(struct arena *a, const char *text)
{
	return read_pieces(a, LOG_KUBE_PROXY, text, strlen(text), false, strlen(text) + 1);
}

static const struct log_hit *find(const struct log_summary *s, const char *id)
{
	for (size_t i = 0; i < s->hits.len; i++)
		if (strcmp(s->hits.v[i].kind->id, id) == 0)
			return &s->hits.v[i];
	return NULL;
}

static void assert_text(const char *id, const char *got, const char *want)
{
	if (!str_same(got, want))
		fail_msg("%s: '%s' instead of '%s'", id, got ? got : "nothing", want ? want : "nothing");
}

#define I "I0613 20:16:33.345678       1 proxier.go:138] "
#define E "E0613 20:16:33.345678       1 proxier.go:138] "
#define F "F0613 20:16:33.345678       1 server.go:490] "
#define J(rest) "{\"ts\":1700000000000.1,\"caller\":\"iptables/proxier.go:1500\"," rest "}"
#define REFUSED "Get \"https://10.0.0.1:6443/api\": dial tcp 10.0.0.1:6443: connect: connection refused"
#define QUOTED "Get \\\"https://10.0.0.1:6443/api\\\": dial tcp 10.0.0.1:6443: connect: connection refused"

static const struct {
	const char *line, *id, *name, *detail, *reason;
} forms[] = {
	{ I "Using iptables Proxier.", "mode", "iptables", NULL, NULL },
	{ I "\"Using ipvs Proxier\"", "mode", "ipvs", NULL, NULL },
	{ I "\"using ipvs proxier.\"", "mode", "ipvs", NULL, NULL },
	{ J("\"msg\":\"Using ipvs Proxier\",\"v\":0"), "mode", "ipvs", NULL, NULL },
	{ I "Version: v1.12.2", "banner", "v1.12.2", NULL, NULL },
	{ I "\"Version info\" version=\"v1.28.15\"", "banner", "v1.28.15", NULL, NULL },
	{ J("\"msg\":\"Version info\",\"v\":0,\"version\":\"v1.36.2\""), "banner", "v1.36.2", NULL, NULL },
	{ E "k8s.io/client-go/informers/factory.go:134: Failed to watch *v1.EndpointSlice: failed to list *v1.EndpointSlice: " REFUSED, "list", "*v1.EndpointSlice",
	  REFUSED, "refused" },
	{ E "\"Failed to watch\" err=\"failed to list *v1.Service: " QUOTED "\" logger=\"UnhandledError\" reflector=\"x.go:160\" type=\"*v1.Service\"", "list",
	  "*v1.Service", "failed to list *v1.Service: " REFUSED, "refused" },
	{ J("\"msg\":\"Failed to watch\",\"type\":\"*v1.Service\",\"err\":\"failed to list *v1.Service: " QUOTED "\""), "list", "*v1.Service",
	  "failed to list *v1.Service: " REFUSED, "refused" },
	{ E "\"Unhandled Error\" err=\"factory.go:160: Failed to watch *v1.Node: failed to list *v1.Node: " QUOTED "\" logger=\"UnhandledError\"", "list", "*v1.Node",
	  REFUSED, "refused" },
	{ E "Failed to execute iptables-restore: exit status 1 (iptables-restore: line 7 failed\n)\nRules: x", "restore", NULL,
	  "exit status 1 (iptables-restore: line 7 failed ) Rules: x", NULL },
	{ E "Failed to execute iptables-restore, error: exit status 2", "restore", NULL, "exit status 2", NULL },
	{ E "Failed to execute iptables-restore, err: exit status 2", "restore", NULL, "exit status 2", NULL },
	{ E "\"Failed to execute iptables-restore\" err=\"exit status 1: \\\"x\\\"\\nthe end\" ipFamily=\"IPv6\" rules=\"*nat\\n:X\"", "restore", "IPv6",
	  "exit status 1: \"x\" the end", NULL },
	{ E "\"Failed to execute iptables-restore\" err=<\n\texit status 1: Warning: Extension ipvs revision 0 not supported, missing kernel module?\n"
	    "\tiptables-restore: line 46 failed\n > ipFamily=\"IPv4\" rules=\"*nat\\n\"",
	  "restore", "ipvs", "exit status 1: Warning: Extension ipvs revision 0 not supported, missing kernel module? iptables-restore: line 46 failed", "extension" },
	{ J("\"msg\":\"Failed to execute iptables-restore\",\"err\":\"exit status 1: Extension statistic revision 0 not supported\\n\",\"ipFamily\":\"IPv4\""),
	  "restore", "statistic", "exit status 1: Extension statistic revision 0 not supported", "extension" },
	{ E "Error removing iptables rules in ipvs proxier: connection refused", "links", NULL, "connection refused", NULL },
	{ I "Some settings here: connection refused", "tail", NULL, NULL, NULL },
	{ I "\"Keyed line\" primary ipFamily=\"IPv4\" mode=\"ipvs\" list=[a b=c] node=\"n\\\"1\"", "keyed", "n\"1", NULL, NULL },
	{ I "\"Keyed line\" mode=\"iptables\"", "unkeyed", NULL, NULL, NULL },
	{ I "Keyed line", "unkeyed", NULL, NULL, NULL },
	{ J("\"msg\":\"Keyed line\",\"v\":2,\"mode\":\"ipvs\",\"nested\":{\"mode\":\"x\"},\"node\":\"n2\""), "keyed", "n2", NULL, NULL },
	{ F "failed validate: ProxyMode: Invalid value", "fatal", NULL, "ProxyMode: Invalid value", NULL },
	{ J("\"msg\":\"failed validate: ProxyMode: Invalid value\""), "fatal", NULL, "ProxyMode: Invalid value", NULL },
	{ E "Error creating chain KUBE-X: exit status 4", "named", "KUBE-X", "exit status 4", NULL },
	{ E "\"Error creating chain KUBE-X\" err=\"exit status 4\"", "named", "KUBE-X", "exit status 4", NULL },
	{ E "Error creating chain KUBE-X.", "named", "KUBE-X", NULL, NULL },
	{ E "cannot use 10.0.0.1:53 or more: bind: denied", "words", "10.0.0.1:53 or more", "bind: denied", NULL },
	{ E "lost in the deep sea of fish: red ones", "middle", NULL, "fish: red ones", NULL },
	{ "time=\"2026-11-21T07:32:33Z\" level=warning msg=\"Some settings of `x`\"", "tail", NULL, NULL, NULL },
};

static void every_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = read_log(&a, forms[i].line);

		if (s.hits.len != 1 || s.errors_unknown)
			fail_msg("%zu hits in '%s'", s.hits.len, forms[i].line);
		assert_text(forms[i].line, s.hits.v[0].kind->id, forms[i].id);
		assert_text(forms[i].line, s.hits.v[0].name, forms[i].name);
		assert_text(forms[i].line, s.hits.v[0].detail, forms[i].detail);
		assert_text(forms[i].line, s.hits.v[0].reason ? s.hits.v[0].reason->id : NULL, forms[i].reason);
	}
}

static void near_misses(void **state)
{
	static const char *const lines[] = {
		I "Failed to execute iptables-restore: it is no error", E "Failed to execute iptables-restores", E "Failed to execute iptables-restore again: x",
		E "\"Failed to execute iptables-restore: x\" ipFamily=\"IPv4\"", E "We Failed to execute iptables-restore", E "Error creating chain KUBE X: exit",
		E "failed validate: x", I "Version info of x", I "\"Version info of x\"", J("\"message\":\"Version info\""), E "Using ipvs", E "in the deep sea of",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = read_log(&a, lines[i]);

		if (s.hits.len)
			fail_msg("%s in '%s'", s.hits.v[0].kind->id, lines[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form), cmocka_unit_test(near_misses),
	};
	(void)find;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
