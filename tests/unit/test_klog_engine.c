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

/* ---- what stands before a line ---- */

#define WRONG "Failed to execute iptables-restore"
#define KLOG "E0613 20:16:33.345678       1 proxier.go:138] \"" WRONG "\" err=\"exit status 4\""
#define SAID "exit status 4"

static const struct {
	const char *line, *time;
} wraps[] = {
	{ KLOG, "06-13 20:16:33" },
	{ KLOG "\r\n", "06-13 20:16:33" },
	{ "2024-05-01T10:00:00.123456789Z stderr F " KLOG, "2024-05-01T10:00:00.123456789Z" },
	{ "2024-05-01T10:00:00.5Z stderr P E0613 20:16:33.345678       1 proxier.go:138] \"Failed to exe\n2024-05-01T10:00:00.6Z stderr P cute iptables-restore\" er\n"
	  "2024-05-01T10:00:00.7Z stderr F r=\"exit status 4\"\n",
	  "2024-05-01T10:00:00.5Z" },
	{ "[pod/kube-proxy-x/kube-proxy] 2024-05-01T10:00:00Z " KLOG, "2024-05-01T10:00:00Z" },
	{ "May 01 10:00:00 node-7 kube-proxy[123]: " KLOG, "May 01 10:00:00" },
	{ "May 01 10:00:00.123456 node-7 kube-proxy[123]: " KLOG, "May 01 10:00:00" },
	{ "Wed 2024-05-01 10:00:00 UTC node-7 kube-proxy[123]: " KLOG, "2024-05-01T10:00:00Z" },
	{ "Wed 2024-05-01 10:00:00 CEST node-7 kube-proxy[123]: " KLOG, "06-13 20:16:33" },
	{ "2024-05-01T10:00:00+0200 node-7 kube-proxy[123]: " KLOG, "2024-05-01T10:00:00+0200" },
	{ "2024-05-01T10:00:00.123456+02:00 node-7 k3s[123]: " KLOG, "2024-05-01T10:00:00.123456+02:00" },
	{ "{\"log\":\"E0613 20:16:33.345678       1 proxier.go:138] \\\"" WRONG "\\\" err=\\\"exit status 4\\\"\\n\",\"stream\":\"stderr\",\"time\":\"2024-05-01T10:00:00.5Z\"}",
	  "2024-05-01T10:00:00.5Z" },
	{ "{\"log\":\"E0613 20:16:33.345678       1 proxier.go:138] \\\"Failed\",\"stream\":\"stderr\",\"time\":\"2024-05-01T10:00:00.5Z\"}\n"
	  "{\"log\":\" to execute iptables-restore\\\" err=\\\"exit status 4\\\"\\n\",\"time\":\"2024-05-01T10:00:01Z\"}\n",
	  "2024-05-01T10:00:00.5Z" },
	{ "{\"attrs\":{\"log\":\"x\"},\"log\":\"{\\\"ts\\\":1714557600000.5,\\\"msg\\\":\\\"" WRONG "\\\",\\\"err\\\":\\\"exit status 4\\\"}\\n\"}", "2024-05-01T10:00:00.000Z" },
	{ "{ \"__CURSOR\" : \"s=1;i=2\", \"__REALTIME_TIMESTAMP\":\"1714557600123456\",\"PRIORITY\":\"6\",\"MESSAGE\":\"E0613 20:16:33.345678       1 proxier.go:138] \\\"" WRONG
	  "\\\" err=\\\"exit status 4\\\"\",\"_SYSTEMD_UNIT\":\"kube-proxy.service\"}",
	  "2024-05-01T10:00:00.123Z" },
	/* lines of one entry of the journal, and a text that is no UTF-8 */
	{ "{\"MESSAGE\":\"I0613 20:16:32.345678       1 proxier.go:138] Nothing\\nE0613 20:16:33.345678       1 proxier.go:138] \\\"" WRONG
	  "\\\" err=<\\n\\texit status 4\\n >\",\"__REALTIME_TIMESTAMP\":\"1714557600123456\"}",
	  "2024-05-01T10:00:00.123Z" },
	{ "{\"__REALTIME_TIMESTAMP\":\"1714557600123456\",\"MESSAGE\":[69,48,54,49,51,32,50,48,58,49,54,58,51,51,46,51,52,53,54,55,56,32,49,32,97,46,103,111,58,49,93,32,"
	  "70,97,105,108,101,100,32,116,111,32,101,120,101,99,117,116,101,32,105,112,116,97,98,108,101,115,45,114,101,115,116,111,114,101,58,32,"
	  "101,120,105,116,32,115,116,97,116,117,115,32,52]}",
	  "2024-05-01T10:00:00.123Z" },
	{ "{\"ts\":1714557600123.4,\"caller\":\"iptables/proxier.go:1500\",\"msg\":\"" WRONG "\",\"err\":\"exit status 4\"}", "2024-05-01T10:00:00.123Z" },
	{ "{\"ts\":1714557600.25,\"caller\":\"iptables/proxier.go:1500\",\"msg\":\"" WRONG "\",\"err\":\"exit status 4\"}", "2024-05-01T10:00:00.250Z" },
	{ "{\"ts\":1714557600123.4567,\"msg\":\"" WRONG "\",\"err\":\"exit status 4\"}", "2024-05-01T10:00:00.123Z" },
	{ "{\"ts\":1714557600,\"msg\":\"" WRONG "\",\"err\":\"exit status 4\"}", "2024-05-01T10:00:00.000Z" },
	{ "{\"level\":\"error\",\"ts\":\"2024-05-01T10:00:00Z\",\"msg\":\"" WRONG "\",\"error\":\"exit status 4\"}", "2024-05-01T10:00:00Z" },
	{ "{\"ts\":\"2024-05-01T10:00:00Z\",\"msg\":\"" WRONG "\",\"err\":\"exit \\u0073tatus 4\"}", "2024-05-01T10:00:00Z" },
};

static void what_stands_before(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wraps); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = read_log(&a, wraps[i].line);
		const struct log_hit *h = find(&s, "restore");

		if (!h || s.hits.len != 1 || s.errors_unknown)
			fail_msg("%zu hits in '%s'", s.hits.len, wraps[i].line);
		assert_int_equal(h->count, 1);
		assert_text(wraps[i].line, h->detail, SAID);
		assert_text(wraps[i].line, h->first, wraps[i].time);
		assert_text(wraps[i].line, s.until, wraps[i].time);
	}
}

static void kernel_lines(void **state)
{
	static const struct {
		const char *line, *time;
	} lines[] = {
		{ "[12345.678901] ", "12345.678901" },
		{ "[    5.678901] ", "5.678901" },
		{ "[Fri Nov 20 10:00:00 2026] ", "2026-11-20T10:00:00" },
		{ "<4>[12345.678901] ", "12345.678901" },
		{ "kern  :warn  : [12345.678901] ", "12345.678901" },
		{ "kern  :warn  : [Fri Nov 20 10:00:00 2026] ", "2026-11-20T10:00:00" },
		{ "2026-11-20T10:00:00,123456+00:00 ", "2026-11-20T10:00:00.123456+00:00" },
		{ "Nov 20 10:00:00 node-7 kernel: ", "Nov 20 10:00:00" },
		{ "2026-11-20T10:00:00+0000 node-7 kernel: ", "2026-11-20T10:00:00+0000" },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = { 0 };
		char text[200];
		int n = snprintf(text, sizeof(text), "%snf_conntrack: nf_conntrack: table full, dropping packet\n", lines[i].line);

		s = read_pieces(&a, LOG_KERNEL, text, (size_t)n, false, 7);
		assert_int_equal(s.hits.len, 1);
		assert_text(lines[i].line, s.hits.v[0].last, lines[i].time);
	}
}

/* ---- pieces ---- */

static void assert_same(const struct log_summary *x, const struct log_summary *y)
{
	assert_int_equal(x->hits.len, y->hits.len);
	assert_int_equal(x->unknown.len, y->unknown.len);
	assert_int_equal(x->lines, y->lines);
	assert_int_equal(x->errors_unknown, y->errors_unknown);
	assert_int_equal(x->started_line, y->started_line);
	assert_int_equal(x->starts, y->starts);
	assert_text("until", x->until, y->until);
	assert_text("mode", x->mode, y->mode);
	assert_text("version", x->version, y->version);
	for (size_t i = 0; i < x->hits.len; i++) {
		const struct log_hit *h = &x->hits.v[i], *g = &y->hits.v[i];

		assert_ptr_equal(h->kind, g->kind);
		assert_ptr_equal(h->reason, g->reason);
		assert_int_equal(h->count, g->count);
		assert_int_equal(h->first_line, g->first_line);
		assert_int_equal(h->last_line, g->last_line);
		assert_int_equal(h->over, g->over);
		assert_text("text", h->text, g->text);
		assert_text("name", h->name, g->name);
		assert_text("detail", h->detail, g->detail);
		assert_text("last", h->last, g->last);
	}
	for (size_t i = 0; i < x->unknown.len; i++) {
		assert_text("unknown", x->unknown.v[i].text, y->unknown.v[i].text);
		assert_int_equal(x->unknown.v[i].count, y->unknown.v[i].count);
	}
}

/* All forms and prefixes one behind the other, with lines longer than what is kept of one. */
static void fill(struct strbuf *b)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		strbuf_addf(b, "%s\n", forms[i].line);
	for (size_t i = 0; i < ARRAY_LEN(wraps); i++)
		strbuf_addf(b, "%s\n", wraps[i].line);
	strbuf_adds(b, E "\"" WRONG "\" err=\"exit status 1\" rules=\"");
	for (size_t i = 0; i < 30000; i++)
		strbuf_adds(b, "-A X\\n");
	strbuf_adds(b, "\"\n" E "Something else that went wrong\n" I "\"Caches are synced\"");
	assert_false(b->failed);
}

static void pieces(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 64, 1000, 4096, 65536 };
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary whole = { 0 };

	(void)state;
	fill(&b);
	whole = read_pieces(&a, LOG_KUBE_PROXY, strbuf_str(&b), b.len, false, b.len);
	assert_true(whole.hits.len > 10);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		CLEANUP(log_summary_release) struct log_summary s = read_pieces(&a, LOG_KUBE_PROXY, strbuf_str(&b), b.len, false, sizes[i]);

		assert_same(&whole, &s);
	}
}

static void given_up(void **state)
{
	CLEANUP(arena_release) struct arena a = { 0 };
	struct log_reader *r = log_reader_new(&a, LOG_KUBE_PROXY, true);

	(void)state;
	assert_non_null(r);
	assert_int_equal(log_reader_feed(r, E "x", strlen(E "x")), 0);
	log_reader_free(r);
	log_reader_free(NULL);
}

static void cut_log(void **state)
{
	static const char text[] = WRONG ": half a line\n" E WRONG ": x\n";
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s = read_pieces(&a, LOG_KUBE_PROXY, text, sizeof(text) - 1, true, 5);

	(void)state;
	assert_int_equal(s.lines, 2);
	assert_int_equal(s.hits.len, 1);
	assert_int_equal(s.hits.v[0].first_line, 2);
}

/* ---- entries of several lines ---- */

static void several_lines(void **state)
{
	static const char text[] =
		E WRONG ": exit status 1 (Another app\nstopped waiting\n)\n"		       /* 1 to 3 */
		I "\"Caches are synced\"\n"					       /* 4 */
		"this line is of nobody\n"					       /* 5 */
		E "\"" WRONG "\" err=<\n\texit status 1: connection refused\n\t > no end\n" /* 6 to 8 */
		E "\"" WRONG "\" err=<\n\tcertificate has expired\n > rules=<\n\t*nat\n > ipFamily=\"IPv6\"\n" /* 9 to 13 */
		E "broken off\npanic: runtime error\n\ngoroutine 1 [running]:\nmain.main()\n"; /* 14 to 18 */
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s = read_log(&a, text);

	(void)state;
	assert_int_equal(s.lines, 18);
	assert_int_equal(s.hits.len, 4);
	assert_text("printf", s.hits.v[0].detail, "exit status 1 (Another app stopped waiting )");
	assert_int_equal(s.hits.v[0].first_line, 1);
	assert_int_equal(s.hits.v[0].last_line, 3);
	assert_text("without its end", s.hits.v[2].reason->id, "refused");
	assert_text("the next value", s.hits.v[3].name, "IPv6");
	assert_text("its error", s.hits.v[3].detail, "certificate has expired");
	assert_int_equal(s.hits.v[3].last_line, 13);
	assert_int_equal(s.unknown.len, 2);
	assert_text("unknown", s.unknown.v[1].text, "panic: runtime error");
}

/* ---- errors that are not known ---- */

static void unknown_errors(void **state)
{
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	CLEANUP(log_summary_release) struct log_summary s = { 0 };

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		strbuf_addf(&b, "E0613 20:%02u:33.345678    %u x.go:%u] The \x1b[1mwheel %u of %c is off\n", i / 2, i, i, i, 'a' + i % 20);
	assert_false(b.failed);
	s = read_log(&a, strbuf_str(&b));
	assert_int_equal(s.errors_unknown, 100);
	assert_int_equal(s.unknown.len, 16);
	assert_int_equal(s.unknown.v[0].count, 5);
	assert_int_equal(s.unknown.v[0].last_line, 81);
	assert_text("first", s.unknown.v[0].first, "06-13 20:00:33");
	assert_text("last", s.unknown.v[0].last, "06-13 20:40:33");
	assert_text("text", s.unknown.v[1].text, "E0613 20:40:33.345678    81 x.go:81] The ?[1mwheel 81 of b is off");
	assert_non_null(strstr(s.first_unknown, "wheel 0 of a"));
}

/* ---- what is kept is bounded ---- */

static void names_are_few(void **state)
{
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	CLEANUP(log_summary_release) struct log_summary s = { 0 };
	size_t all = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		strbuf_addf(&b, "%sError creating chain KUBE-%u: %s\n", E, i, i % 2 ? "connection refused" : "x");
	assert_false(b.failed);
	s = read_log(&a, strbuf_str(&b));
	assert_int_equal(s.hits.len, 18);
	for (size_t i = 0; i < s.hits.len; i++) {
		all += s.hits.v[i].count;
		assert_true(!s.hits.v[i].text || strlen(s.hits.v[i].text) <= 400);
	}
	assert_int_equal(all, 5000);
}

/* ---- starts, topics ---- */

#define P(pid, text) "I0613 20:16:33.345678    " pid " server.go:138] " text "\n"
#define FLAGS(pid) P(pid, "FLAG: --bind-address=\"0.0.0.0\"") P(pid, "FLAG: --help=\"false\"")
#define WORK "I0613 20:16:34.345678       1 x.go:1] \"Nothing to tell\"\n"
#define WORK10 WORK WORK WORK WORK WORK WORK WORK WORK WORK WORK
#define WORK50 WORK10 WORK10 WORK10 WORK10 WORK10

static void starts(void **state)
{
	static const struct {
		const char *text;
		size_t line, starts;
		const char *mode, *version;
		bool cut;
	} logs[] = {
		{ WORK50, 0, 0, NULL, NULL, false },
		/* a log that begins with a start, and one that does not */
		{ I "Using iptables Proxier\n" WORK50, 1, 1, "iptables", NULL, false },
		{ WORK WORK I "Using iptables Proxier\n" I "Version: v1.12.2\n" WORK50, 1, 1, "iptables", "v1.12.2", false },
		{ "x\n" WORK WORK I "Using iptables Proxier\n" I "Version: v1.12.2\n" WORK50, 4, 1, "iptables", "v1.12.2", true },
		{ WORK50 I "Using iptables Proxier\n" WORK50, 0, 0, "iptables", NULL, false },
		{ WORK50 I "Using iptables Proxier\n" I "Successfully retrieved node IP: 10.0.0.1\n" WORK50, 51, 1, "iptables", NULL, false },
		/* by its banner, with other lines of the start between */
		{ WORK50 I "Using ipvs Proxier\n" WORK WORK I "Version: v1.20.0\n", 51, 1, "ipvs", "v1.20.0", false },
		{ WORK50 I "Version: v1.20.0\n" I "Using ipvs Proxier\n" WORK50, 51, 1, "ipvs", "v1.20.0", false },
		{ I "Using ipvs Proxier\n" I "Version: v1.20.0\n" WORK50 I "Using iptables Proxier\n" I "Version: v1.20.1\n", 53, 2, "iptables", "v1.20.1", false },
		{ I "Using ipvs Proxier\n" I "Version: v1.20.0\n" WORK I "Using iptables Proxier\n" I "Version: v1.20.1\n", 4, 2, "iptables", "v1.20.1", false },
		/* by its flags, and by the number of its process */
		{ WORK50 FLAGS("1") WORK50, 51, 1, NULL, NULL, false },
		{ FLAGS("1") I "Version: v1.20.0\n" WORK FLAGS("1") WORK, 5, 2, NULL, "v1.20.0", false },
		{ P("7", "x") WORK50, 2, 1, NULL, NULL, false },
		{ P("7", "Using ipvs Proxier") P("7", "Version: v1.20.0") P("8", "Hello") P("8", "Using iptables Proxier") P("8", "Version: v1.21.0"), 3, 2, "iptables", "v1.21.0",
		  false },
		/* a start that comes to nothing, and the mode of the one before */
		{ I "Using ipvs Proxier\n" F "failed validate: x\n" WORK I "Successfully retrieved node IP: 10.0.0.1\n" F "failed validate: x\n", 3, 2, NULL, NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(logs); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = read_pieces(&a, LOG_KUBE_PROXY, logs[i].text, strlen(logs[i].text), logs[i].cut, 100);

		if (s.started_line != logs[i].line || s.starts != logs[i].starts)
			fail_msg("log %zu: starts %zu, the last one at line %zu", i, s.starts, s.started_line);
		assert_text("mode", s.mode, logs[i].mode);
		assert_text("version", s.version, logs[i].version);
	}
}

static void over(void **state)
{
	static const char text[] = E "\"Failed to watch\" err=\"connection refused\" type=\"*v1.Node\"\n" E WRONG ": x\n" I "Caches are synced for node config\n"
		E "\"Failed to watch\" err=\"connection refused\" type=\"*v1.Service\"\n";
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s = read_log(&a, text);

	(void)state;
	assert_int_equal(s.hits.len, 4);
	assert_true(s.hits.v[0].over);
	assert_false(s.hits.v[1].over);
	assert_false(s.hits.v[2].over);
	assert_false(s.hits.v[3].over);
	assert_int_equal(log_hit_weight(&s.hits.v[0]), LOG_ERROR);
}

/* ---- hostile input ---- */

static void hostile(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} logs[] = {
		{ "\0\0\0\n\0", 5 },
		{ "E0613 20:16:33.345678 1 a.go:1] \0\"x\0\n", 37 },
		{ "E0613 20:16:33.345678 1 a.go:1]", 31 },
		{ "E0613 20:16:33.345678 1 a.go:1] ", 32 },
		{ "E0613 20:16:33.345678 1 a.go:1] \"", 33 },
		{ "E0613 20:16:33.345678 1 a.go:1] \"\\", 34 },
		{ "E0613 20:16:33.345678 1 a.go:1] \"x\" =", 37 },
		{ "E0613 20:16:33.345678 1 a.go:1] \"x\" a=<", 39 },
		{ "E0613 20:16:33.345678 1 a.go:1] \"x\" a=[[[", 41 },
		{ "E0613 20:16:33.345678 1 a.go:1] \"x\" a=<\n\n >\n", 44 },
	};
	static const char *const json[] = { "{", "{\"", "{\"ts", "{\"ts\"", "{\"ts\":", "{\"ts\":1,", "{\"ts\":1e999,\"msg\":\"x", "{\"msg\":\"\\u12", "{\"msg\":\"\\ud800\\\"", "{\"MESSAGE\":[",
					    "{\"MESSAGE\":[999999999999,-1]}", "{\"MESSAGE\":{}}", "{\"MESSAGE\":null}", "{\"log\":[[[", "{\"a\":{\"b\":[\"]\"}", "{\"ts\":\"\",\"msg\":\"\"}",
					    "{\"__REALTIME_TIMESTAMP\":\"99999999999999999999\",\"MESSAGE\":\"x\"}" };

	static const char *const times_not[] = { "time=\"20\x1b[1m\" level=info msg=\"Some settings\"", "M\x1b[ 01 10:00:00 node-7 kube-proxy[1]: Some settings",
						 "[Fri Nov \x1b" "0 10:00:00 2026] x", "[Fri Nov 20 10:00:00\x1b" "2026] x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(logs); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = read_pieces(&a, LOG_KUBE_PROXY, logs[i].text, logs[i].len, false, 3);

		assert_int_equal(s.hits.len, 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(json); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = read_log(&a, json[i]);

		assert_int_equal(s.hits.len, 0);
		assert_int_equal(s.lines, 1);
	}
	/* what is no time is not kept as one */
	for (size_t i = 0; i < ARRAY_LEN(times_not); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = read_pieces(&a, i < 2 ? LOG_KUBE_PROXY : LOG_KERNEL, times_not[i], strlen(times_not[i]), false, 9);

		assert_null(s.until);
	}
}

/* A line that never ends, quotes that are never closed, a value of several lines that goes on for ever. */
static void endless(void **state)
{
	static const char *const begins[] = { E "\"" WRONG "\" err=\"", E WRONG ": ", "{\"log\":\"", "{\"ts\":1,\"msg\":\"", E "\"" WRONG "\" err=<\n", "2024-05-01T10:00:00Z stderr P " };
	char piece[1000];

	(void)state;
	for (size_t k = 0; k < sizeof(piece); k++)
		piece[k] = k % 100 == 99 ? '\n' : k % 7 ? 'x' : ':';
	for (size_t i = 0; i < 2 * ARRAY_LEN(begins); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = { 0 };
		struct log_reader *r = log_reader_of(&a, LOG_KUBE_PROXY, false, tables, reasons);
		const char *begin = begins[i / 2];

		assert_non_null(r);
		assert_int_equal(log_reader_feed(r, begin, strlen(begin)), 0);
		for (size_t k = 0; k < 200; k++)
			assert_int_equal(log_reader_feed(r, piece, i % 2 ? sizeof(piece) : 99), 0);
		assert_int_equal(log_reader_end(r, &s), 0);
		assert_true(s.hits.len <= 1);
		assert_true(a.used < 40000);
	}
}

/* ---- parts ---- */

/* Head and parts of a line; what is open stands in braces. */
static int write_parts(void *arg, const struct log_parts *line)
{
	struct strbuf *b = arg;

	strbuf_addf(b, "%zu|", line->lines);
	strbuf_add(b, line->head, line->head_len);
	for (size_t i = 0; i < line->n; i++) {
		if (line->v[i].open)
			strbuf_addc(b, '{');
		strbuf_add(b, line->v[i].s, line->v[i].len);
		if (line->v[i].open)
			strbuf_addc(b, '}');
	}
	strbuf_adds(b, line->n ? "\n" : line->blank ? "blank\n" : "-\n");
	return b->failed ? -1 : 0;
}

static void parts(void **state)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ I "Using iptables Proxier\n", "1|" I "Using {iptables} Proxier\n" },
		{ I "Nobody knows this\n\n" KLOG "\n", "1|" I "-\n2|blank\n3|" E "\"" WRONG "\" err=\"{exit status 4}\"\n" },
		{ E WRONG ": exit status 1 (a\n  b\n)\n" I "c\n", "1|" E WRONG ": {exit status 1 (a}\n2|  {b}\n3|{)}\n4|" I "-\n" },
		{ E "\"" WRONG "\" err=<\n\ta b=c\n > primary ipFamily=\"IPv4\" n=3 o/x!=[1 2]\n",
		  "1|" E "\"" WRONG "\" err=<{}\n2|\t{a b=c}\n3| > primary ipFamily=\"{IPv4}\" n={3} {o/x!}={[1 2]}\n" },
		{ E "\"Keyed \\\"line\\\"\" err=<\n\ta\n >\n", "1|" E "-\n2|-\n3|-\n" },
		{ E "\"Error creating chain K\" x=\"1\\\"2\"\n", "1|" E "\"Error creating chain {K}\" x=\"{1\\\"2}\"\n" },
		{ E "\"Error creating chain K\\\\U\" x=\"1\"\n", "1|" E "\"{Error creating chain K\\\\U}\" x=\"{1}\"\n" },
		{ I "Some settings of mine\n", "1|" I "Some settings{ of mine}\n" },
		{ J("\"msg\":\"Failed to watch\",\"type\":\"*v1.Service\",\"err\":\"no \\\"way\\\"\"") "\n",
		  "1|" J("\"msg\":\"Failed to watch\",\"type\":\"{*v1.Service}\",\"err\":\"{no \\\"way\\\"}\"") "\n" },
		{ "{\"msg\":\"Error creating chain K\",\"ts\":5,\"v\":\"my\\\"secret\",\"msg\":\"Error creating chain U\"}\n",
		  "1|{\"msg\":\"Error creating chain {K}\",\"ts\":5,\"v\":\"{my\\\"secret}\",\"msg\":\"{Error creating chain U}\"}\n" },
		{ "time=\"2026-11-21T07:32:33Z\" level=warning msg=\"Error creating chain K: \" x=\"y\"\n",
		  "1|-\n" },
		{ "time=\"2026-11-21T07:32:33Z\" level=warning msg=\"Error creating chain K\" x=\"y\"\n",
		  "1|time=\"2026-11-21T07:32:33Z\" level=warning msg=\"Error creating chain {K}\" x=\"{y}\"\n" },
		{ "2024-05-01T10:00:00Z stderr P " E WRONG ": exit\n2024-05-01T10:00:00Z stderr F  status 1\n", "1|" E WRONG ": {exit}\n2| {status 1}\n" },
		{ E "\"Unhandled Error\" err=\"factory.go:160: Failed to watch *v1.Node: failed to list *v1.Node: x\" logger=\"y\"\n",
		  "1|" E "\"Unhandled Error\" err=\"{factory.go:160: Failed to watch *v1.Node: failed to list *v1.Node: x}\" logger=\"{y}\"\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

		assert_int_equal(log_each_of(LOG_KUBE_PROXY, tables, t[i].text, strlen(t[i].text), write_parts, &b), 0);
		assert_text("parts", strbuf_str(&b), t[i].want);
	}
}

/* More values than there are parts: the rest is open. */
static void many_values(void **state)
{
	CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT, b = STRBUF_INIT;

	(void)state;
	strbuf_adds(&text, E "\"" WRONG "\"");
	for (unsigned i = 0; i < 60; i++)
		strbuf_addf(&text, " key%u=\"secret\"", i);
	assert_false(text.failed);
	assert_int_equal(log_each_of(LOG_KUBE_PROXY, tables, strbuf_str(&text), text.len, write_parts, &b), 0);
	assert_non_null(strstr(strbuf_str(&b), "key14=\"{secret}\" key15=\"{secret\" key16=\"secret\""));
	assert_text("end", strbuf_str(&b) + b.len - 10, "\"secret\"}\n");
}

/* Nothing is lost of a line that is longer than what is read of one. */
static void long_line_in_parts(void **state)
{
	CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT, b = STRBUF_INIT;

	(void)state;
	strbuf_adds(&text, E "\"" WRONG "\" err=\"no\" rules=\"");
	for (unsigned i = 0; i < 20000; i++)
		strbuf_addf(&text, "%u,", i);
	strbuf_adds(&text, "\"\r\n\tx\n");
	assert_false(text.failed);
	assert_int_equal(log_each_of(LOG_KUBE_PROXY, tables, strbuf_str(&text), text.len, write_parts, &b), 0);
	assert_non_null(strstr(strbuf_str(&b), "rules=\"{0,1,2,"));
	assert_non_null(strstr(strbuf_str(&b), ",19998,19999,\"}\n2|-\n"));
}

/* ---- times ---- */

static void times(void **state)
{
	static const struct {
		const char *time;
		int64_t near, want;
	} t[] = {
		{ "1970-01-01T00:00:00Z", 0, 0 },
		{ "2024-05-01T10:00:00Z", 0, 1714557600 },
		{ "2024-05-01T10:00:00.123456789Z", 5, 1714557600 },
		{ "2024-05-01T12:00:00+02:00", 0, 1714557600 },
		{ "2024-05-01T07:30:00-0230", 0, 1714557600 },
		{ "2024-05-01T10:00:00", 0, 1714557600 },
		{ "2024-02-29T23:59:60Z", 0, 1709251200 },
		{ "2023-02-29T00:00:00Z", 0, -1 },
		{ "2024-13-01T00:00:00Z", 0, -1 },
		{ "2024-05-01T24:00:00Z", 0, -1 },
		{ "2024-05-01T10:00:00X", 0, -1 },
		{ "2024-05-01", 0, -1 },
		{ "05-01 10:00:00", 1714557600, 1714557600 },
		{ "05-01 10:00:00", 0, -1 },
		{ "12-31 23:59:59", 1704067200, 1704067199 }, /* a second before the year began */
		{ "01-01 00:00:01", 1704067199, 1704067201 },
		{ "02-29 00:00:00", 1704067200, 1709164800 },
		{ "May 01 10:00:00", 1714557601, 1714557600 },
		{ "May  1 10:00:00", 1714557601, 1714557600 },
		{ "Mai 01 10:00:00", 1714557601, -1 },
		{ "12345.678901", 1714557601, -1 },
		{ "", 5, -1 },
		{ NULL, 5, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (log_time(t[i].time, t[i].near) != t[i].want)
			fail_msg("'%s' is %lld", t[i].time, (long long)log_time(t[i].time, t[i].near));
	for (int64_t day = 0; day < 300 * 366; day++) {
		char s[LOG_TIME_MAX];

		log_time_write((day * 86400 + 3723) * 1000 + 7, s);
		assert_int_equal(log_time(s, 0), day * 86400 + 3723);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form), cmocka_unit_test(near_misses), cmocka_unit_test(what_stands_before), cmocka_unit_test(kernel_lines),
		cmocka_unit_test(pieces), cmocka_unit_test(given_up), cmocka_unit_test(cut_log), cmocka_unit_test(several_lines), cmocka_unit_test(unknown_errors),
		cmocka_unit_test(names_are_few), cmocka_unit_test(starts), cmocka_unit_test(over), cmocka_unit_test(hostile), cmocka_unit_test(endless),
		cmocka_unit_test(parts), cmocka_unit_test(many_values), cmocka_unit_test(long_line_in_parts), cmocka_unit_test(times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
