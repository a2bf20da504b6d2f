/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logs that go through redaction mean what they meant: every known line and error of kube-proxy and of the kernel, about other names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>

#include <cmocka.h>

#include <svcdoctor/klog.h>
#include <svcdoctor/redact.h>

/* The rows of test_klog_lines.c. */
struct example {
	const char *id, *message, *before, *err, *keys;
	const char *reason, *name;
	bool printf, naked;
};
#define P(id_, message_, before_, err_, reason_, name_) \
	{ .id = id_, .message = message_, .before = before_, .err = err_, .reason = reason_, .name = name_, .printf = true }
#define S(id_, message_, err_, keys_, reason_, name_) { .id = id_, .message = message_, .err = err_, .keys = keys_, .reason = reason_, .name = name_ }
#define N(id_, message_, name_) { .id = id_, .message = message_, .name = name_, .naked = true }

static const struct example examples[] = {
#include "klog-lines-config.h"
#include "klog-lines-ipvs.h"
#include "klog-lines-objects.h"
#include "klog-lines-start.h"
};
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

#define HEADER "E1121 07:30:59.249815       1 proxier.go:1210] "

static void put_quoted(struct strbuf *b, const char *s)
{
	strbuf_addc(b, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			strbuf_addc(b, '\\');
		if (*s == '\n')
			strbuf_adds(b, "\\n");
		else
			strbuf_addc(b, *s);
	}
	strbuf_addc(b, '"');
}

/* "<<this|that>>" is this. */
static void put_message(struct strbuf *b, const char *s)
{
	const char *open = strstr(s, "<<"), *bar = open ? strchr(open, '|') : NULL, *close = bar ? strstr(bar, ">>") : NULL;

	assert_non_null(close);
	strbuf_add(b, s, (size_t)(open - s));
	strbuf_add(b, open + 2, (size_t)(bar - open) - 2);
	strbuf_adds(b, close + 2);
}

static void redact_whole(const char *path, const struct strbuf *in, struct strbuf *out)
{
	static const uint8_t key[16] = { 1, 2, 3 };
	struct strbuf name CLEANUP(strbuf_release) = STRBUF_INIT;
	struct redact *r;

	assert_int_equal(redact_new(key, &r), 0);
	assert_int_equal(redact_learn(r, path, in->s, in->len), 0);
	assert_int_equal(redact_learned(r), 0);
	assert_int_equal(redact_file(r, path, in->s, in->len, &name, out), 1);
	redact_free(r);
}

static const char *id_of(const struct log_kind *k)
{
	return k ? k->id : "-";
}

/* Flags that nobody reads are told without their names. */
static void drop_flags(struct log_summary *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->hits.len; i++)
		if (strcmp(s->hits.v[i].kind->id, "flag") != 0)
			s->hits.v[kept++] = s->hits.v[i];
	s->hits.len = kept;
}

static size_t differ(enum log_program program, const struct strbuf *in, const struct strbuf *out)
{
	struct arena arena CLEANUP(arena_release) = { 0 };
	struct log_summary a = { 0 }, b = { 0 };
	size_t wrong = 0;

	assert_int_equal(log_read(&arena, program, in->s, in->len, false, &a), 0);
	assert_int_equal(log_read(&arena, program, out->s, out->len, false, &b), 0);
	drop_flags(&a);
	drop_flags(&b);
	wrong += a.errors_unknown != b.errors_unknown || a.hits.len != b.hits.len || a.lines != b.lines || !str_same(a.mode, b.mode) || !str_same(a.version, b.version);
	for (size_t i = 0; i < MIN(a.hits.len, b.hits.len); i++) {
		const struct log_hit *x = &a.hits.v[i], *y = &b.hits.v[i];

		if (x->kind == y->kind && x->reason == y->reason && x->count == y->count && x->over == y->over && x->last_line == y->last_line)
			continue;
		wrong++;
		print_message("  %s/%s x%zu line %zu, now %s/%s x%zu line %zu: %s\n", x->kind->id, id_of(x->reason), x->count, x->last_line, y->kind->id,
			      id_of(y->reason), y->count, y->last_line, x->text);
	}
	if (wrong)
		print_message("%.600s%s => %.600s%s\n  %zu hits, now %zu\n", in->s, in->len > 600 ? "..." : "", out->s, out->len > 600 ? "..." : "", a.hits.len, b.hits.len);
	log_summary_release(&a);
	log_summary_release(&b);
	return wrong;
}

static size_t check(enum log_program program, struct strbuf *in)
{
	struct strbuf out CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t wrong;

	redact_whole(program == LOG_KERNEL ? "nodes/n1/dmesg.txt" : "nodes/n1/kube-proxy.log", in, &out);
	wrong = differ(program, in, &out);
	strbuf_reset(in);
	return wrong;
}

static void errors(void **state)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(whys); i++) {
		strbuf_adds(&b, HEADER "\"Failed to execute iptables-restore\" err=");
		put_quoted(&b, whys[i].err);
		strbuf_adds(&b, " servicePortName=\"geheim/web:http\"\n");
		wrong += check(LOG_KUBE_PROXY, &b);
	}
	assert_int_equal(wrong, 0);
}

static void lines(void **state)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		const struct example *e = &examples[i];
		struct strbuf message CLEANUP(strbuf_release) = STRBUF_INIT;

		put_message(&message, e->message);
		strbuf_adds(&b, e->naked ? "" : HEADER);
		if (e->printf || e->naked)
			strbuf_addf(&b, "%s%s%s", message.s, e->before ? e->before : "", e->err ? e->err : "");
		else
			put_quoted(&b, message.s);
		if (!e->printf && !e->naked && e->err) {
			strbuf_adds(&b, " err=");
			put_quoted(&b, e->err);
		}
		if (e->keys)
			strbuf_addf(&b, " %s", e->keys);
		strbuf_addc(&b, '\n');
		wrong += check(LOG_KUBE_PROXY, &b);
	}
	assert_int_equal(wrong, 0);
}

static void kernel_lines(void **state)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kernel); i++) {
		strbuf_addf(&b, "2026-11-21T07:31:00,123456+00:00 %s\n", kernel[i].line);
		wrong += check(LOG_KERNEL, &b);
	}
	assert_int_equal(wrong, 0);
}

static void recorded(void **state)
{
	static const char *const labs[] = { "lab-iptables-legacy/nodes/node1", "lab-iptables-nft/nodes/node1", "lab-ipvs/nodes/node1", "lab-ipvs-first-sync/nodes/node2",
					    "lab-ipvs-missing-module/nodes/node2", "lab-nftables/nodes/node1" };
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(labs); i++) {
		struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
		char path[128], *text CLEANUP(text_free) = NULL;
		size_t size;

		snprintf(path, sizeof(path), "tests/corpus/%s/kube-proxy.log", labs[i]);
		assert_int_equal(file_read_at(AT_FDCWD, path, 1u << 20, &text, &size), 0);
		strbuf_add(&b, text, size);
		wrong += check(LOG_KUBE_PROXY, &b);
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors),
		cmocka_unit_test(lines),
		cmocka_unit_test(kernel_lines),
		cmocka_unit_test(recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
