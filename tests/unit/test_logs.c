/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where logs come from: pieces that end anywhere, a middle that is left out, files of bundles in folder and archive, a file that somebody names. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <svcdoctor/source.h>

#include "lib/source/log-private.h"
#include "lib/source/run-private.h"

#define FLAG(name, value) "I1121 07:30:59.249815       1 flags.go:64] FLAG: --" name "=\"" value "\"\n"
#define MODE(mode) "I1121 07:31:00.100000       1 server_linux.go:66] \"Using " mode " Proxier\"\n"
#define START FLAG("cluster-cidr", "10.244.0.0/16") FLAG("config", "") FLAG("masquerade-all", "true") MODE("iptables")

#define MISSING                                                                                                              \
	"E1121 07:32:53.045481       1 proxier.go:1210] \"Failed to execute iptables-restore\" err=<\n"                  \
	"\texit status 1: Warning: Extension ipvs revision 0 not supported, missing kernel module?\n > ipFamily=\"IPv4\"\n"

static struct log_intake *begin(struct arena *a, bool cut, size_t lines)
{
	struct log_intake *in = log_intake_new(a, LOG_KUBE_PROXY, cut, lines);

	assert_non_null(in);
	return in;
}

static struct snap_log end(struct log_intake *in)
{
	struct snap_log l = { 0 };

	assert_int_equal(log_intake_end(in, &l), 0);
	return l;
}

static void check_start(const struct snap_log *l)
{
	assert_true(l->flags.known);
	assert_int_equal(l->flags.masquerade_all, 1);
	assert_int_equal(l->flags.ncluster_cidrs, 1);
	assert_string_equal(l->summary.mode, "iptables");
}

static void test_pieces(void **state)
{
	static const char text[] = START MISSING "last line";
	struct arena a = { 0 };

	(void)state;
	for (size_t n = 1; n <= sizeof(text); n++) {
		struct log_intake *in = begin(&a, false, 0);
		struct snap_log l;

		for (size_t at = 0; at < sizeof(text) - 1; at += n)
			assert_int_equal(log_intake_feed(in, text + at, MIN(n, sizeof(text) - 1 - at)), 0);
		l = end(in);
		check_start(&l);
		assert_int_equal(l.summary.lines, 8);
		assert_false(l.cut);
		log_summary_release(&l.summary);
	}
	arena_release(&a);
}

static const char *const forms[] = {
	FLAG("masquerade-all", "true"),
	"2024-05-01T10:00:00.123456789Z stderr F " FLAG("masquerade-all", "true"),
	"2024-05-01T10:00:00.123456789Z " FLAG("masquerade-all", "true"),
	"{\"log\":\"I1121 07:30:59.249815 1 flags.go:64] FLAG: --masquerade-all=\\\"true\\\"\\n\",\"stream\":\"stderr\",\"time\":\"2024-05-01T10:00:00Z\"}\n",
	"{\"ts\":1700000000123.4,\"caller\":\"flag/flags.go:64\",\"msg\":\"FLAG: --masquerade-all=\\\"true\\\"\\n\",\"v\":1}\n",
	"{\"log\":\"{\\\"ts\\\":1.0,\\\"msg\\\":\\\"FLAG: --masquerade-all=\\\\\\\"true\\\\\\\"\\\"}\\n\",\"stream\":\"stderr\"}\n",
	"May 01 10:00:00 node1 kube-proxy[123]: " FLAG("masquerade-all", "true"),
	"{\"MESSAGE\":\"I1121 07:30:59.249815 1 flags.go:64] FLAG: --masquerade-all=\\\"true\\\"\",\"_SYSTEMD_UNIT\":\"kube-proxy.service\"}\n",
};

static void test_flag_forms(void **state)
{
	struct arena a = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct log_intake *in = begin(&a, false, 0);
		struct snap_log l;

		/* without it flags tell nothing, for a file may */
		assert_int_equal(log_intake_feed(in, FLAG("config", ""), strlen(FLAG("config", ""))), 0);
		assert_int_equal(log_intake_feed(in, forms[i], strlen(forms[i])), 0);
		l = end(in);
		if (!l.flags.known || l.flags.masquerade_all != 1)
			fail_msg("form %zu: %s", i, forms[i]);
		log_summary_release(&l.summary);
	}
	arena_release(&a);
}

/* What cannot be read is left out, and a log of many starts keeps the last one's. */
static void test_flags_bounds(void **state)
{
	static const char *const bad[] = { "FLAG: --masquerade-all=\"tr\\\"ue\"\n", "FLAG: --masquerade-all=true\n", "FLAG: --masquerade-all\n", "FLAG: --masquerade-all=\"true\n" };
	static const char text[] = FLAG("config", "") FLAG("hostname-override", "node1"), other[] = FLAG("hostname-override", "node2");
	struct arena a = { 0 };
	struct log_intake *in = begin(&a, false, 0);
	struct snap_log l;

	(void)state;
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(log_intake_feed(in, text, sizeof(text) - 1), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(log_intake_feed(in, bad[i], strlen(bad[i])), 0);
	assert_int_equal(log_intake_feed(in, other, sizeof(other) - 1), 0);
	l = end(in);
	assert_string_equal(l.flags.hostname_override, "node2");
	assert_int_equal(l.flags.masquerade_all, -1);
	log_summary_release(&l.summary);
	arena_release(&a);
}

static void test_lines_cut(void **state)
{
	struct arena a = { 0 };

	(void)state;
	for (size_t lines = 9; lines <= 11; lines++) {
		struct log_intake *in = begin(&a, false, 10);
		struct snap_log l;

		for (size_t i = 0; i < lines; i++)
			assert_int_equal(log_intake_feed(in, "x\n", 2), 0);
		l = end(in);
		assert_int_equal(l.cut, lines >= 10);
		assert_int_equal(l.summary.lines, lines);
		log_summary_release(&l.summary);
	}
	arena_release(&a);
}

/* ---- files ---- */

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
}

/* Of a file that is too large the beginning and the end are read: what stands between is not. */
static void test_middle(void **state)
{
	char path[] = "/tmp/svcdoctor-logs-XXXXXX";
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");
	struct arena a = { 0 };
	struct log_intake *in = begin(&a, false, 0);
	struct snap_log l;
	off_t size;

	(void)state;
	assert_non_null(f);
	fputs(START, f);
	for (int i = 0; i < 30000; i++)
		fprintf(f, "I1121 08:00:00.000000       1 x.go:1] line %080d of the beginning\n", i);
	fputs(MODE("ipvs"), f);
	for (int i = 0; i < 30000; i++)
		fprintf(f, "I1121 09:00:00.000000       1 x.go:1] line %080d of the end\n", i);
	size = ftell(f);
	assert_int_equal(fclose(f), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(log_intake_fd(in, fd, (uint64_t)size, 1 << 20), 0);
	l = end(in);
	check_start(&l);
	assert_true(l.cut);
	assert_true(l.summary.lines < 10000);
	assert_string_equal(l.summary.until, "11-21 09:00:00");
	log_summary_release(&l.summary);
	(void)close(fd);
	unlink(path);
	arena_release(&a);
}

static void test_named(void **state)
{
	char path[] = "/tmp/svcdoctor-logs-XXXXXX";
	int fd = mkstemp(path);
	struct sd_notes notes = { 0 };
	struct log_summary s = { 0 };
	struct snapshot snap;
	struct arena a = { 0 };

	(void)state;
	(void)close(fd);
	write_text(path, START);
	assert_int_equal(log_source_read(&a, LOG_KUBE_PROXY, path, &s, &notes), 0);
	assert_string_equal(s.mode, "iptables");
	assert_int_equal(s.lines, 4);
	log_summary_release(&s);
	snapshot_init(&snap);
	assert_int_equal(log_source_add(&snap, LOG_KUBE_PROXY, path, "node1"), 0);
	assert_int_equal(snapshot_finish(&snap), 0);
	assert_string_equal(snap.logs.v[0].node, "node1");
	assert_string_equal(snap.nodes.v[0]->proxy.log_mode, "iptables");
	assert_true(snap.nodes.v[0]->proxy.flags_config.known);
	snapshot_release(&snap);
	write_text(path, "\x1f\x8b\x08 not for the eye");
	assert_int_equal(log_source_read(&a, LOG_KUBE_PROXY, path, &s, &notes), SD_EFORMAT);
	assert_int_equal(log_source_read(&a, LOG_KUBE_PROXY, "/tmp", &s, &notes), -EISDIR);
	unlink(path);
	assert_int_equal(log_source_read(&a, LOG_KUBE_PROXY, path, &s, &notes), -ENOENT);
	assert_int_equal(notes.len, 3);
	assert_string_equal(notes.v[0].code, "compressed");
	sd_notes_release(&notes);
	arena_release(&a);
}

/* ---- bundles ---- */

static void put(const char *dir, const char *path, const char *text)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	for (char *p = full + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		(void)mkdir(full, 0700);
	}
	write_text(full, text);
}

static const struct snap_log *find(const struct snapshot *s, const char *file)
{
	for (size_t i = 0; i < s->logs.len; i++)
		if (str_ends(s->logs.v[i].file, file))
			return &s->logs.v[i];
	fail_msg("'%s' is not there", file);
	return NULL;
}

static void check_bundle(const char *path)
{
	const struct snap_node *n1, *n2;
	const struct snap_log *l;
	struct snapshot s;

	snapshot_init(&s);
	assert_int_equal(bundle_open(&s, path), 0);
	assert_int_equal(snapshot_finish(&s), 0);
	assert_int_equal(s.logs.len, 7);
	assert_string_equal(find(&s, "kube-proxy-n1/kube-proxy.log")->node, "n1");
	assert_int_equal(s.now, 1795248000);
	n1 = snapshot_node(&s, "n1", false);
	n2 = snapshot_node(&s, "n2", false);
	assert_non_null(n1);
	assert_true(n1->proxy.has_log && n1->proxy.flags_config.known && n1->k.log_known);
	assert_string_equal(n1->proxy.log_mode, "iptables");
	assert_string_equal(n1->proxy.missing_extension, "ipvs");
	assert_string_equal(n2->proxy.log_mode, "nftables");
	l = find(&s, "nodes/n1/kube-proxy.log");
	assert_string_equal(l->node, "n1");
	assert_null(l->pod);
	assert_false(l->previous);
	assert_true(find(&s, "n1/kube-proxy.previous.log")->previous);
	assert_int_equal(find(&s, "n1/dmesg.txt")->program, LOG_KERNEL);
	l = find(&s, "kube-proxy-b/kube-proxy.log");
	assert_string_equal(l->node, "n2");
	assert_string_equal(l->pod, "kube-proxy-b");
	assert_string_equal(l->container, "kube-proxy");
	assert_true(find(&s, "kube-proxy-b/kube-proxy.previous.log")->previous);
	assert_null(find(&s, "kube-proxy-gone/kube-proxy.log")->node);
	snapshot_release(&s);
}

static void test_bundle(void **state)
{
	char dir[] = "/tmp/svcdoctor-logs-XXXXXX", command[256];

	(void)state;
	assert_non_null(mkdtemp(dir));
	put(dir, "bundle.json", "{\"schema\": \"svcdoctor.bundle/1\", \"created\": \"2026-11-21T08:00:00Z\"}");
	put(dir, "nodes/n1/kube-proxy.log", START MISSING);
	put(dir, "nodes/n1/kube-proxy.previous.log", MODE("ipvs"));
	put(dir, "nodes/n1/dmesg.txt", "[    1.000000] Linux\n");
	put(dir, "nodes/n2/kube-proxy-healthz.json", "{\"healthy\": true}");
	put(dir, "cluster/logs/kube-system/kube-proxy-b/kube-proxy.log", MODE("nftables"));
	put(dir, "cluster/logs/kube-system/kube-proxy-b/kube-proxy.previous.log", MODE("ipvs"));
	put(dir, "cluster/logs/kube-system/kube-proxy-gone/kube-proxy.log", MODE("ipvs"));
	put(dir, "cluster/logs/kube-system/kube-proxy-n1/kube-proxy.log", MODE("ipvs"));
	put(dir, "cluster/logs/kube-system/metrics-server/server.log", "x\n");
	put(dir, "cluster/pods.json",
	    "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[{\"metadata\":{\"name\":\"kube-proxy-b\",\"namespace\":\"kube-system\"},\"spec\":{\"nodeName\":\"n2\"}}]}");
	check_bundle(dir);
	snprintf(command, sizeof(command), "tar -C %s -czf %s.tar.gz .", dir, dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "%s.tar.gz", dir);
	check_bundle(command);
	snprintf(command, sizeof(command), "rm -r %s %s.tar.gz", dir, dir);
	assert_int_equal(system(command), 0);
}

/* ---- another program's output ---- */

static int run_shell(const char *script, size_t keep, int64_t ms, struct strbuf *ret)
{
	const char *const args[] = { "sh", "-c", script, NULL };

	return run_output("/bin/sh", args, keep, ms, ret);
}

static void test_output(void **state)
{
	struct strbuf b = STRBUF_INIT;

	(void)state;
	assert_int_equal(run_shell("echo hello; echo $LC_ALL; echo $HOME; echo loud >&2; cat; exit 3", 1000, 10000, &b), 3);
	assert_string_equal(b.s, "hello\nC\n\n");
	strbuf_reset(&b);
	assert_int_equal(run_shell("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i + 1)); done", 100, 10000, &b), 0);
	assert_true(b.len <= 100 && str_starts(b.s, "line 29") && str_ends(b.s, "line 2999\n"));
	strbuf_reset(&b);
	assert_int_equal(run_shell("echo begun; sleep 100 & sleep 100", 1000, 300, &b), -ETIMEDOUT);
	assert_string_equal(b.s, "begun\n");
	strbuf_reset(&b);
	assert_int_equal(run_shell("kill -9 $$", 1000, 10000, &b), -EPIPE);
	assert_int_equal(run_output("/nonexistent", (const char *const[]){ "x", NULL }, 1000, 1000, &b), -ENOENT);
	assert_int_equal(b.len, 0);
	strbuf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces), cmocka_unit_test(test_flag_forms), cmocka_unit_test(test_flags_bounds), cmocka_unit_test(test_lines_cut),
		cmocka_unit_test(test_middle), cmocka_unit_test(test_named),	  cmocka_unit_test(test_bundle), cmocka_unit_test(test_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
