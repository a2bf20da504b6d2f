/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Known lines of kube-proxy and the kernel: every form of every row has an example here, with other names, numbers and times than those that
 * it was written from. Each is put down as its version writes it, structured and as JSON, and each has a near miss, which is not of that
 * kind. Then recorded logs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <svcdoctor/klog.h>

#include "lib/klog/kube-proxy-private.h"

/* A line. @message: "<<this|that>>" is this, and in the near miss that. Printf lines have their error behind @before. */
struct example {
	const char *id, *message, *before, *err, *keys;
	const char *reason, *name; /* NULL: no reason; whatever name */
	bool printf, naked;
};
#define P(id_, message_, before_, err_, reason_, name_) \
	{ .id = id_, .message = message_, .before = before_, .err = err_, .reason = reason_, .name = name_, .printf = true }
#define S(id_, message_, err_, keys_, reason_, name_) { .id = id_, .message = message_, .err = err_, .keys = keys_, .reason = reason_, .name = name_ }
/* Not of klog: the line as it is. */
#define N(id_, message_, name_) { .id = id_, .message = message_, .name = name_, .naked = true }

static const struct example examples[] = {
#include "klog-lines-config.h"
#include "klog-lines-ipvs.h"
#include "klog-lines-objects.h"
#include "klog-lines-start.h"
};

/* What errors mean: the text of one, the name in it (NULL: none), and a text that only looks like it. */
static const struct why {
	const char *id, *err, *name, *miss;
} whys[] = {
#include "klog-lines-reasons.h"
};

static const struct words {
	const char *id, *line, *name, *miss;
} kernel[] = {
#include "klog-lines-kernel.h"
};

/* ---- writing lines ---- */

struct text {
	char s[8192];
	size_t n;
};

static void put(struct text *t, const char *s, size_t len)
{
	assert_true(t->n + len < sizeof(t->s));
	memcpy(t->s + t->n, s, len);
	t->n += len;
	t->s[t->n] = '\0';
}

static void puts_to(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

static void put_quoted(struct text *t, const char *s)
{
	puts_to(t, "\"");
	for (; *s; s++)
		if (*s == '\n')
			puts_to(t, "\\n");
		else if (*s == '"' || *s == '\\')
			put(t, (char[]){ '\\', *s }, 2);
		else
			put(t, s, 1);
	puts_to(t, "\"");
}

/* As klog writes an error of several lines. */
static void put_lines(struct text *t, const char *s)
{
	puts_to(t, "<\n");
	while (*s) {
		size_t n = strcspn(s, "\n");

		puts_to(t, "\t");
		put(t, s, n);
		puts_to(t, "\n");
		s += n + (s[n] == '\n');
	}
	puts_to(t, " >");
}

/* The message, or its near miss. */
static void choose(const char *message, bool miss, struct text *ret)
{
	const char *open = strstr(message, "<<"), *bar = open ? strchr(open, '|') : NULL, *close = bar ? strstr(bar, ">>") : NULL;

	ret->n = 0;
	ret->s[0] = '\0';
	if (!close)
		fail_msg("no near miss in '%s'", message);
	put(ret, message, (size_t)(open - message));
	if (miss)
		put(ret, bar + 1, (size_t)(close - bar) - 1);
	else
		put(ret, open + 2, (size_t)(bar - open) - 2);
	puts_to(ret, close + 2);
}

/* k="v" k2=3 → ,"k":"v","k2":3 */
static void put_json_keys(struct text *t, const char *s)
{
	while (*s) {
		size_t key = strcspn(s, "="), value = 0;
		bool quoted = false;

		if (*s == ' ') {
			s++;
			continue;
		}
		for (const char *v = s + key + 1; v[value] && (quoted || v[value] != ' '); value++)
			if (v[value] == '"' && (!value || v[value - 1] != '\\'))
				quoted = !quoted;
		puts_to(t, ",\"");
		put(t, s, key);
		puts_to(t, "\":");
		put(t, s + key + 1, value);
		s += key + 1 + value;
	}
}

enum form { AS_WRITTEN, STRUCTURED, JSON, WAYS };

static void write_printf(const struct example *e, const struct text *message, struct text *t)
{
	puts_to(t, "E0203 14:25:36.987654    4321 anywhere.go:987] ");
	puts_to(t, message->s);
	if (e->err) {
		puts_to(t, e->before);
		puts_to(t, e->err);
	}
	puts_to(t, "\n");
}

static void write_structured(const struct example *e, const struct text *message, struct text *t)
{
	puts_to(t, "I0203 14:25:36.987654       1 anywhere.go:987] ");
	put_quoted(t, message->s);
	if (e->err) {
		puts_to(t, " err=");
		if (strchr(e->err, '\n'))
			put_lines(t, e->err);
		else
			put_quoted(t, e->err);
	}
	if (e->keys) {
		puts_to(t, " ");
		puts_to(t, e->keys);
	}
	puts_to(t, "\n");
}

static void write_json(const struct example *e, const struct text *message, struct text *t)
{
	puts_to(t, "{\"ts\":1770128736987.654,\"caller\":\"anywhere/anywhere.go:987\",\"msg\":");
	put_quoted(t, message->s);
	if (e->keys)
		put_json_keys(t, e->keys);
	if (e->err) {
		puts_to(t, ",\"err\":");
		put_quoted(t, e->err);
	}
	puts_to(t, e->err ? "}\n" : ",\"v\":0}\n");
}

static void write_line(const struct example *e, enum form form, bool miss, struct text *ret)
{
	struct text message;

	ret->n = 0;
	choose(e->message, miss, &message);
	if (e->naked) {
		puts_to(ret, message.s);
		puts_to(ret, "\n");
	} else if (form == JSON) {
		write_json(e, &message, ret);
	} else if (form == AS_WRITTEN && e->printf) {
		write_printf(e, &message, ret);
	} else {
		write_structured(e, &message, ret);
	}
}

/* ---- reading them ---- */

static struct log_summary read_log(struct arena *a, enum log_program program, const char *text, size_t size)
{
	struct log_summary s = { 0 };

	assert_int_equal(log_read(a, program, text, size, false, &s), 0);
	return s;
}

static const struct log_hit *find(const struct log_summary *s, const char *id)
{
	for (size_t i = 0; i < s->hits.len; i++)
		if (strcmp(s->hits.v[i].kind->id, id) == 0)
			return &s->hits.v[i];
	return NULL;
}

static const char *found_id(const struct log_summary *s)
{
	return s->hits.len ? s->hits.v[0].kind->id : "nothing";
}

static size_t faults;

#define FAULT(...) (print_error(__VA_ARGS__), print_error("\n"), faults++)

static void one_form(const struct example *e, enum form form)
{
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s = { 0 };
	struct text t = { 0 };
	const struct log_hit *h;

	write_line(e, form, false, &t);
	s = read_log(&a, LOG_KUBE_PROXY, t.s, t.n);
	h = find(&s, e->id);
	if (!h || s.hits.len != 1) {
		FAULT("%s: not found, but %s: %s", e->id, found_id(&s), t.s);
		return;
	}
	if (!str_same(h->reason ? h->reason->id : NULL, e->reason))
		FAULT("%s: reason '%s' instead of '%s': %s", e->id, h->reason ? h->reason->id : "none", e->reason ? e->reason : "none", t.s);
	if (e->name && !str_same(h->name, e->name))
		FAULT("%s: name '%s' instead of '%s': %s", e->id, h->name ? h->name : "none", e->name, t.s);
	if (s.errors_unknown || h->count != 1)
		FAULT("%s: %zu times, %zu unknown: %s", e->id, h->count, s.errors_unknown, t.s);
}

static void every_line(void **state)
{
	(void)state;
	faults = 0;
	for (size_t i = 0; i < ARRAY_LEN(examples); i++)
		for (enum form f = 0; f < (examples[i].naked ? STRUCTURED : WAYS); f++)
			one_form(&examples[i], f);
	assert_int_equal(faults, 0);
}

static void near_misses(void **state)
{
	(void)state;
	faults = 0;
	for (size_t i = 0; i < ARRAY_LEN(examples); i++)
		for (enum form f = 0; f < (examples[i].naked ? STRUCTURED : WAYS); f++) {
			CLEANUP(arena_release) struct arena a = { 0 };
			CLEANUP(log_summary_release) struct log_summary s = { 0 };
			struct text t = { 0 };

			write_line(&examples[i], f, true, &t);
			s = read_log(&a, LOG_KUBE_PROXY, t.s, t.n);
			if (find(&s, examples[i].id))
				FAULT("%s: found in %s", examples[i].id, t.s);
		}
	assert_int_equal(faults, 0);
}

/* Reasons, in a line that has none of its own. */
static void read_reason(struct arena *a, const char *err, enum form form, struct log_summary *ret)
{
	struct example e = S("server-ended", "Error <<running|>> ProxyServer", err, NULL, NULL, NULL);
	struct text t = { 0 };

	e.before = ": ";
	write_line(&e, form, false, &t);
	*ret = read_log(a, LOG_KUBE_PROXY, t.s, t.n);
}

static void every_reason(void **state)
{
	(void)state;
	faults = 0;
	for (size_t i = 0; i < ARRAY_LEN(whys); i++)
		for (enum form f = STRUCTURED; f < WAYS; f++) {
			CLEANUP(arena_release) struct arena a = { 0 };
			CLEANUP(log_summary_release) struct log_summary s = { 0 }, miss = { 0 };
			const struct why *w = &whys[i];
			const struct log_hit *h;

			read_reason(&a, w->err, f, &s);
			h = find(&s, "server-ended");
			if (!h || !h->reason || strcmp(h->reason->id, w->id) != 0)
				FAULT("%s: '%s' in '%s'", w->id, h && h->reason ? h->reason->id : "nothing", w->err);
			else if (w->name && !str_same(h->name, w->name))
				FAULT("%s: name '%s' in '%s'", w->id, h->name ? h->name : "none", w->err);
			read_reason(&a, w->miss, f, &miss);
			h = find(&miss, "server-ended");
			if (!h || (h->reason && strcmp(h->reason->id, w->id) == 0))
				FAULT("%s: found in '%s'", w->id, w->miss);
		}
	assert_int_equal(faults, 0);
}

static void kernel_lines(void **state)
{
	static const char *const before[] = { "", "[12345.678901] ", "2030-01-02T03:04:05,678901+00:00 ", "Jan 02 03:04:05 n7 kernel: " };

	(void)state;
	faults = 0;
	for (size_t i = 0; i < ARRAY_LEN(kernel); i++)
		for (size_t j = 0; j < ARRAY_LEN(before); j++) {
			CLEANUP(arena_release) struct arena a = { 0 };
			CLEANUP(log_summary_release) struct log_summary s = { 0 }, miss = { 0 };
			const struct words *w = &kernel[i];
			struct text t = { 0 };
			const struct log_hit *h;

			puts_to(&t, before[j]);
			puts_to(&t, w->line);
			s = read_log(&a, LOG_KERNEL, t.s, t.n);
			h = find(&s, w->id);
			if (!h || s.hits.len != 1)
				FAULT("%s: not found, but %s: %s", w->id, found_id(&s), t.s);
			else if (w->name && !str_same(h->name, w->name))
				FAULT("%s: name '%s': %s", w->id, h->name ? h->name : "none", t.s);
			t.n = 0;
			puts_to(&t, before[j]);
			puts_to(&t, w->miss);
			miss = read_log(&a, LOG_KERNEL, t.s, t.n);
			if (find(&miss, w->id))
				FAULT("%s: found in %s", w->id, t.s);
		}
	assert_int_equal(faults, 0);
}

/* ---- no form is without an example ---- */

/* Whether it is the first form of the row that the text is of. */
static bool is_of(const struct log_form *first, const struct log_form *form, enum log_tail tail, const char *text)
{
	struct log_capture c;

	for (const struct log_form *f = first; f <= form; f++)
		if (log_pattern_match(f->pattern, tail, text, strlen(text), &c))
			return f == form;
	return false;
}

static bool has_example(const struct log_row *row, const struct log_form *form)
{
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		const struct example *e = &examples[i];
		struct text t;

		choose(e->message, false, &t);
		if (e->printf && e->err) {
			puts_to(&t, e->before);
			puts_to(&t, e->err);
		}
		if (strcmp(e->id, row->kind.id) == 0 && is_of(row->forms, form, row->flags & ROW_TAIL ? TAIL_ANY : TAIL_ERROR, t.s))
			return true;
	}
	return false;
}

static bool has_reason(const struct log_row *row, const struct log_form *form)
{
	for (size_t i = 0; i < ARRAY_LEN(whys); i++) {
		const char *err = whys[i].err;
		struct text t = { 0 };

		put(&t, err, err[strlen(err) - 1] == '\n' ? strlen(err) - 1 : strlen(err));
		if (strcmp(whys[i].id, row->kind.id) == 0 && is_of(row->forms, form, TAIL_NONE, t.s))
			return true;
	}
	return false;
}

static bool has_words(const struct log_row *row, const struct log_form *form)
{
	for (size_t i = 0; i < ARRAY_LEN(kernel); i++)
		if (strcmp(kernel[i].id, row->kind.id) == 0 && is_of(row->forms, form, TAIL_NONE, kernel[i].line))
			return true;
	return false;
}

static void all_have(const struct log_table *const *tables, enum log_program program, bool (*has)(const struct log_row *, const struct log_form *))
{
	faults = 0;
	for (; *tables; tables++)
		for (size_t i = 0; i < (*tables)->n; i++) {
			const struct log_row *row = &(*tables)->rows[i];

			for (const struct log_form *f = row->forms; row->program == program && f->pattern; f++)
				if (!has(row, f))
					FAULT("%s: '%s' has no example", row->kind.id, f->pattern);
		}
	assert_int_equal(faults, 0);
}

static void all_forms(void **state)
{
	(void)state;
	all_have(log_tables, LOG_KUBE_PROXY, has_example);
	all_have(log_reasons, LOG_KUBE_PROXY, has_reason);
	all_have(log_tables, LOG_KERNEL, has_words);
}

static bool same_program_and_id(const struct log_row *a, const struct log_row *b)
{
	return a != b && a->program == b->program && strcmp(a->kind.id, b->kind.id) == 0;
}

static void all_ids_differ(void **state)
{
	(void)state;
	for (const struct log_table *const *t = log_tables; *t; t++)
		for (size_t i = 0; i < (*t)->n; i++)
			for (const struct log_table *const *u = log_tables; *u; u++)
				for (size_t j = 0; j < (*u)->n; j++)
					if (same_program_and_id(&(*t)->rows[i], &(*u)->rows[j]))
						fail_msg("%s is there twice", (*t)->rows[i].kind.id);
}

/* ---- weights that matter ---- */

static enum log_weight weight_of(const char *text, const char **ret_check)
{
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s = read_log(&a, LOG_KUBE_PROXY, text, strlen(text));

	assert_int_equal(s.hits.len, 1);
	if (ret_check)
		*ret_check = log_hit_check(&s.hits.v[0]);
	return log_hit_weight(&s.hits.v[0]);
}

static void harmless_is_harmless(void **state)
{
	static const char *const lines[] = {
		"W1122 10:13:18.794590       1 server_others.go:295] Flag proxy-mode=\"\" unknown, assuming iptables proxy\n",
		"W1122 10:13:18.794590       1 server_others.go:565] Unknown proxy mode \"\", assuming iptables proxy\n",
		"I1122 10:13:18.794590       1 server_others.go:565] \"Unknown proxy mode, assuming iptables proxy\" proxyMode=\"\"\n",
		"E1122 10:13:18.874465       1 proxier.go:532] Error removing iptables rules in ipvs proxier: error deleting chain \"KUBE-MARK-MASQ\": exit status 1: iptables: Too many links.\n",
		"E1122 10:13:18.874465       1 proxier.go:532] \"Error removing iptables rules in ipvs proxier\" err=\"error deleting chain: exit status 1: iptables: No chain/target/match by that name.\"\n",
		"E1121 07:32:34.393259     819 server_linux.go:196] \"The ipvs proxier is now deprecated and may be removed in a future release. Please use 'nftables' instead.\"\n",
		"E1121 07:32:33.546843     819 server.go:265] \"Kube-proxy configuration may be incomplete or incorrect\" err=\"nodePortAddresses is unset; NodePort connections will be accepted on all local IPs. Consider using `--nodeport-addresses primary`\"\n",
		"E0101 00:00:00.000001       1 proxier.go:1] \"Failed to create nfacct runner, nfacct based metrics won't be available\" err=\"operation not supported\"\n",
		"E0101 00:00:00.000001       1 event.go:1] \"Server rejected event (will not retry!)\" err=\"events is forbidden: User \\\"x\\\" cannot create resource \\\"events\\\" in API group \\\"\\\" in the namespace \\\"default\\\"\"\n",
		"W0101 00:00:00.000001       1 reflector.go:436] k8s.io/client-go/informers/factory.go:134: watch of *v1.Service ended with: very short watch: x: Unexpected watch close\n",
		"E0101 00:00:00.000001       1 server.go:1] \"Error running ProxyServer\" err=\"content of the proxy server's configuration file was updated\"\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (weight_of(lines[i], NULL) != LOG_HARMLESS)
			fail_msg("not harmless: %s", lines[i]);
}

static void errors_are_errors(void **state)
{
	static const struct {
		const char *line, *check;
	} lines[] = {
		{ "I0101 00:00:00.000001       1 proxier.go:1] \"Sync failed\" ipFamily=\"IPv4\" retryingTime=\"30s\"\n", "kube-proxy-not-syncing" },
		{ "W0101 00:00:00.000001       1 server_others.go:1] Unknown proxy mode \"ipvs2\", assuming iptables proxy\n", "kube-proxy-unknown-mode" },
		{ "I0101 00:00:00.000001       1 supported.go:1] \"Dummy VS not created\" scheduler=\"lc\"\n", "ipvs-scheduler-missing" },
		{ "E0101 00:00:00.000001       1 server.go:1] \"Kube-proxy configuration may be incomplete or incorrect\" err=\"cluster is IPv4-primary but clusterCIDRs contains only IPv6 addresses\"\n",
		  "dual-stack-family-mismatch" },
	};
	const char *check;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		if (weight_of(lines[i].line, &check) < LOG_WARNING)
			fail_msg("harmless: %s", lines[i].line);
		assert_string_equal(check, lines[i].check);
	}
}

/* ---- recorded logs ---- */

static struct log_summary read_corpus(struct arena *a, const char *name)
{
	static char text[1 << 20];
	char path[200];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "tests/corpus/%s", name);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s cannot be read", path);
	n = fread(text, 1, sizeof(text), f);
	assert_true(n && n < sizeof(text));
	(void)fclose(f);
	return read_log(a, LOG_KUBE_PROXY, text, n);
}

static void sound_logs(void **state)
{
	static const struct {
		const char *name, *version, *mode;
	} logs[] = {
		{ "logs/kube-proxy-2016-iptables.log", NULL, "iptables" },
		{ "logs/kube-proxy-1.12-iptables.log", "v1.12.2", "iptables" },
		{ "logs/kube-proxy-1.28-iptables.log", "v1.28.15", "iptables" },
		{ "lab-iptables-legacy/nodes/node1/kube-proxy.log", "v1.36.2", "iptables" },
		{ "lab-iptables-legacy/nodes/node2/kube-proxy.log", "v1.36.2", "iptables" },
		{ "lab-iptables-nft/nodes/node1/kube-proxy.log", "v1.36.2", "iptables" },
		{ "lab-iptables-nft/nodes/node2/kube-proxy.log", "v1.36.2", "iptables" },
		{ "lab-ipvs/nodes/node1/kube-proxy.log", "v1.36.2", "ipvs" },
		{ "lab-ipvs/nodes/node2/kube-proxy.log", "v1.36.2", "ipvs" },
		{ "lab-ipvs-first-sync/nodes/node2/kube-proxy.log", "v1.36.2", "ipvs" },
		{ "lab-nftables/nodes/node1/kube-proxy.log", "v1.36.2", "nftables" },
		{ "lab-nftables/nodes/node2/kube-proxy.log", "v1.36.2", "nftables" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(logs); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = read_corpus(&a, logs[i].name);

		for (size_t j = 0; j < s.hits.len; j++)
			if (log_hit_weight(&s.hits.v[j]) == LOG_ERROR)
				fail_msg("%s: %s is an error", logs[i].name, s.hits.v[j].kind->id);
		if (s.errors_unknown)
			fail_msg("%s: %s", logs[i].name, s.first_unknown);
		if (!str_same(s.version, logs[i].version) || !str_same(s.mode, logs[i].mode))
			fail_msg("%s: %s, %s", logs[i].name, s.version ? s.version : "no version", s.mode ? s.mode : "no mode");
	}
}

static void missing_module(void **state)
{
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s = read_corpus(&a, "lab-ipvs-missing-module/nodes/node2/kube-proxy.log");
	const struct log_hit *h = find(&s, "restore-failed");

	(void)state;
	assert_non_null(h);
	assert_non_null(h->reason);
	assert_string_equal(h->reason->id, "extension-missing");
	assert_string_equal(h->name, "ipvs");
	assert_string_equal(log_hit_check(h), "xt-modules-missing");
	assert_false(h->over);
	assert_int_equal(s.errors_unknown, 0);
	assert_string_equal(s.mode, "ipvs");
}

/* What stood before the mode and the version of the same start is not over with them. */
static void start_goes_on(void **state)
{
	static const char text[] = "E0102 03:04:05.000001       1 server.go:666] \"Can't determine this node's IP, assuming 127.0.0.1; if this is incorrect, please set the --bind-address flag\"\n"
				   "E0102 03:04:05.100001       1 server_others.go:1] \"Can't use the IPVS proxier\" err=\"no support\"\n"
				   "I0102 03:04:05.200001       1 server_others.go:1] \"Using iptables Proxier\"\n"
				   "I0102 03:04:05.300001       1 server.go:1] \"Version info\" version=\"v1.25.3\"\n";
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s = read_log(&a, LOG_KUBE_PROXY, text, sizeof(text) - 1);
	const struct log_hit *node = find(&s, "node-ip-assumed"), *ipvs = find(&s, "ipvs-unusable");

	(void)state;
	assert_true(node && ipvs && !node->over && !ipvs->over);
	assert_true(node->last_line >= s.started_line && ipvs->last_line >= s.started_line);
	assert_string_equal(s.mode, "iptables");
}

/* The Node was asked for before the API server answered: that is over. */
static void node_in_the_end(void **state)
{
	static const char text[] = "E0102 03:04:05.000001       1 server.go:666] \"Failed to retrieve node info\" err=\"Get \\\"https://192.0.2.6:6443/api/v1/nodes/a\\\": dial tcp 192.0.2.6:6443: connect: connection refused\"\n"
				   "I0102 03:04:06.100001       1 server.go:677] \"Successfully retrieved node IP(s)\" IPs=[\"192.0.2.7\"]\n";
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s = read_log(&a, LOG_KUBE_PROXY, text, sizeof(text) - 1);
	const struct log_hit *h = find(&s, "node-info-failed");

	(void)state;
	assert_true(h && h->over);
	assert_string_equal(h->reason->id, "api-refused");
	assert_string_equal(h->name, "192.0.2.6:6443");
}

/* What may not be read is asked for again and again: that other things were read before says nothing. */
static void forbidden_goes_on(void **state)
{
#define FORBIDDEN(time) \
	"E0102 03:04:" time "       1 reflector.go:205] \"Failed to watch\" err=\"failed to list *v1.EndpointSlice: endpointslices.discovery.k8s.io is forbidden: User \\\"x\\\" cannot list resource \\\"endpointslices\\\" in API group \\\"discovery.k8s.io\\\" at the cluster scope\" type=\"*v1.EndpointSlice\"\n"
	static const char text[] = FORBIDDEN("05.000001") "I0102 03:04:05.100001       1 shared_informer.go:388] \"Caches are synced\" controller=\"service config\"\n"
				   FORBIDDEN("06.000001");
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s = read_log(&a, LOG_KUBE_PROXY, text, sizeof(text) - 1);
	const struct log_hit *h = find(&s, "reflector-failed");

	(void)state;
	assert_true(h && !h->over && h->count == 2);
	assert_string_equal(h->name, "endpointslices");
	assert_string_equal(log_hit_check(h), "kube-proxy-rbac");
}

/* One family's round says nothing of the other's: what failed is not over with it. */
static void rounds_of_families(void **state)
{
	static const char text[] = "E0102 03:04:05.000001       1 proxier.go:1] \"Failed to execute iptables-restore\" err=\"exit status 1\" ipFamily=\"IPv4\"\n"
				   "I0102 03:04:05.000002       1 proxier.go:1] \"Sync failed\" ipFamily=\"IPv4\" retryingTime=\"30s\"\n"
				   "I0102 03:04:05.000003       1 proxier.go:1] \"SyncProxyRules complete\" ipFamily=\"IPv4\" elapsed=\"12ms\"\n"
				   "I0102 03:04:05.000004       1 proxier.go:1] \"SyncProxyRules complete\" ipFamily=\"IPv6\" elapsed=\"9ms\"\n";
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s = read_log(&a, LOG_KUBE_PROXY, text, sizeof(text) - 1);

	(void)state;
	assert_true(find(&s, "restore-failed") && !find(&s, "restore-failed")->over);
	assert_true(find(&s, "sync-failed") && !find(&s, "sync-failed")->over);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line),	 cmocka_unit_test(near_misses),		 cmocka_unit_test(every_reason),
		cmocka_unit_test(kernel_lines),	 cmocka_unit_test(all_forms),		 cmocka_unit_test(all_ids_differ),
		cmocka_unit_test(harmless_is_harmless), cmocka_unit_test(errors_are_errors),
		cmocka_unit_test(sound_logs),	 cmocka_unit_test(missing_module),	 cmocka_unit_test(start_goes_on), cmocka_unit_test(node_in_the_end), cmocka_unit_test(forbidden_goes_on),
		cmocka_unit_test(rounds_of_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
