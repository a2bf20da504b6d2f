/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Known lines of logs: each is found with other pods, numbers and times, what only looks like it is not, and what is kept is right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/klog.h>

#include "lib/klog/klog-private.h"

#define REFLECTOR "E0613 20:16:33.345678       1 reflector.go:138] pkg/mod/k8s.io/client-go@v0.22.2/tools/cache/reflector.go:167: "

static const struct row {
	const char *id, *line, *name, *detail;
	const char *miss; /* looks like it, and is not */
} rows[] = {
	{ "reload-failed",
	  "[ERROR] plugin/reload: Corefile changed but reload failed: starting with listener file descriptors: /etc/coredns/Corefile:51 - Error during parsing: Unknown directive 'banana'",
	  NULL, "starting with listener file descriptors: /etc/coredns/Corefile:51 - Error during parsing: Unknown directive 'banana'",
	  "[INFO] plugin/reload: Corefile changed" },
	{ "reload-unreadable", "[WARNING] plugin/reload: Corefile parse failed: /etc/coredns/Corefile:3 - Error during parsing: Unexpected EOF", NULL,
	  "/etc/coredns/Corefile:3 - Error during parsing: Unexpected EOF", "[WARNING] plugin/reload: Corefile parsed" },
	{ "restart-failed", "[ERROR] Restart failed: plugin/forward: not an IP address or file: \"rpi401:32053\"", NULL,
	  "plugin/forward: not an IP address or file: \"rpi401:32053\"", "[INFO] Restart failed twice" },
	{ "corefile-unknown-directive", "/etc/coredns/Corefile:4 - Error during parsing: Unknown directive 'ready'", "ready", "/etc/coredns/Corefile:4",
	  " /etc/coredns/Corefile:52 - Error during parsing: Unknown directive 'banana'" },
	{ "corefile-unknown-property", "plugin/kubernetes: /etc/coredns/Corefile:7 - Error during parsing: unknown property 'upstream'", "upstream",
	  "/etc/coredns/Corefile:7", "[INFO] unknown property 'upstream'" },
	{ "corefile-parse-error", "/etc/other/Corefile:12 - Error during parsing: Wrong argument count or unexpected line ending after 'forward'",
	  "/etc/other/Corefile:12", "Wrong argument count or unexpected line ending after 'forward'", "[INFO] Error during parsing of an answer" },
	{ "corefile-duplicate-zone", "cannot serve dns://cluster.local.:5353 - it is already defined", "dns://cluster.local.:5353", NULL,
	  "cannot serve you today" },
	{ "corefile-no-upstream", "plugin/forward: not an IP address or file: \"dns.corp\"", "dns.corp", NULL, "[INFO] not an IP address or file" },
	{ "corefile-missing", "loading Caddyfile via flag: open /etc/coredns/Corefile: no such file or directory", "/etc/coredns/Corefile",
	  "no such file or directory", "loading Caddyfile" },
	{ "hosts-file-missing", "[WARNING] plugin/hosts: File does not exist: /etc/coredns/my hosts", "/etc/coredns/my hosts", NULL,
	  "[INFO] plugin/hosts: File does not exist: x" },
	{ "import-matches-nothing", "[WARNING] No files matching import glob pattern: /etc/coredns/custom/*.server", "/etc/coredns/custom/*.server", NULL,
	  "[WARNING] No files matching" },
	{ "reloaded", "[INFO] Reloading complete", NULL, NULL, "[INFO] Reloading completely" },
	{ "configuration", "[INFO] plugin/reload: Running configuration SHA512 = 591cf328cccc12bc490481273e738df59329c62c0b729d94e8b61db9961c2fa5", NULL,
	  "591cf328cccc12bc490481273e738df59329c62c0b729d94e8b61db9961c2fa5", "[INFO] Running configuration" },
	{ "reloading", "[INFO] Reloading", NULL, NULL, "[INFO] Reloading soon" },
	{ "loop-detected",
	  "[FATAL] plugin/loop: Loop (127.0.0.1:40001 -> :1053) detected for zone \"corp.example.\", see https://coredns.io/plugins/loop#troubleshooting. Query: \"HINFO 1.2.\"",
	  "corp.example.", "127.0.0.1:40001 -> :1053", "[INFO] plugin/loop: No loop (of :53) detected for zone \".\", see elsewhere" },
	{ "loop-seen-twice", "[FATAL] plugin/loop: Seen \"HINFO IN 6292641803451309721.7599235642583168995.\" more than twice, loop detected", NULL,
	  "HINFO IN 6292641803451309721.7599235642583168995.", "[FATAL] plugin/loop: Seen \"HINFO\" once, no loop detected" },
	{ "max-concurrent", "[ERROR] plugin/errors: 5 foo.example. AAAA: concurrent queries exceeded maximum 150", "foo.example.", "150",
	  "[ERROR] plugin/errors: concurrent queries exceeded maximum" },
	{ "upstream-probe-lost", "[ERROR] plugin/errors: 2 71.83. HINFO: read udp 10.1.2.3:9->192.168.1.1:53: i/o timeout", NULL,
	  "read udp 10.1.2.3:9->192.168.1.1:53: i/o timeout", "[INFO] plugin/errors: 2 71.83. HINFO: read" },
	{ "upstream-timeout", "[ERROR] plugin/errors: 2 www.example.org. A: read udp 10.244.7.9:38923->9.9.9.9:53: i/o timeout", "www.example.org.",
	  "read udp 10.244.7.9:38923->9.9.9.9:53: i/o timeout", "[INFO] www.example.org.: i/o timeout" },
	{ "upstream-refused", "[ERROR] plugin/errors: 2 a.b. A: read udp 10.0.0.5:1->10.0.0.9:53: read: connection refused", "a.b.",
	  "read udp 10.0.0.5:1->10.0.0.9:53: read: connection refused", "[INFO] connection refused" },
	{ "upstream-unreachable", "[ERROR] plugin/errors: 2 a.b. A: dial tcp 8.8.4.4:53: connect: no route to host", "a.b.",
	  "dial tcp 8.8.4.4:53: connect: no route to host", "[INFO] there is no route to host" },
	{ "upstream-not-permitted", "[ERROR] plugin/errors: 2 a.b. A: write udp 10.0.0.5:7->8.8.8.8:53: write: operation not permitted", "a.b.",
	  "write udp 10.0.0.5:7->8.8.8.8:53: write: operation not permitted", "[INFO] operation not permitted" },
	{ "upstream-unhealthy", "[ERROR] plugin/errors: 2 a.b. SRV: no healthy proxies", "a.b.", NULL, "[INFO] no healthy proxies" },
	{ "upstream-errors-joined", "[WARNING] plugin/errors: 31 errors like '^read udp .* i/o timeout$' occurred in last 5m", NULL,
	  "^read udp .* i/o timeout$", "[WARNING] plugin/errors: some errors like 'i/o timeout' occurred" },
	{ "errors-joined", "[ERROR] plugin/errors: 3 errors like '^.* refused$' occured in last 30s", NULL, "^.* refused$",
	  "[ERROR] plugin/errors: errors like 'x'" },
	{ "query-error", "[ERROR] plugin/errors: 2 a.b. A: dns: overflowing header size", "a.b.", "dns: overflowing header size",
	  "[ERROR] plugin/errors: two a.b. A" },
	{ "not-ready", "[INFO] plugin/ready: Still waiting on: \"kubernetes\"", "kubernetes", NULL, "[INFO] plugin/ready: Not waiting" },
	{ "not-ready", "[INFO] plugin/ready: Plugins not ready: \"kubernetes,etcd\"", "kubernetes,etcd", NULL, "[INFO] Plugins not ready" },
	{ "api-waiting", "[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server", NULL, NULL,
	  "[INFO] plugin/kubernetes: waiting for Kubernetes" },
	{ "api-unsynced", "[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API", NULL, NULL,
	  "[WARNING] plugin/etcd: starting server with unsynced Kubernetes API" },
	{ "rbac-forbidden",
	  REFLECTOR "Failed to watch *v1.EndpointSlice: failed to list *v1.EndpointSlice: endpointslices.discovery.k8s.io is forbidden: User \"system:serviceaccount:dns:coredns-2\" cannot list resource \"endpointslices\" in API group \"discovery.k8s.io\" at the cluster scope",
	  "endpointslices", "list resource \"endpointslices\" in API group \"discovery.k8s.io\" at the cluster scope", REFLECTOR "it is forbidden to do so" },
	{ "rbac-forbidden",
	  "E0101 00:00:00.000001       1 reflector.go:205] \"Failed to watch\" err=\"failed to list *v1.Namespace: namespaces is forbidden: User \\\"system:serviceaccount:kube-system:coredns\\\" cannot list resource \\\"namespaces\\\" in API group \\\"\\\" at the cluster scope\" logger=\"UnhandledError\" type=\"*v1.Namespace\"",
	  "namespaces",
	  "list resource \"namespaces\" in API group \"\" at the cluster scope\" logger=\"UnhandledError\" type=\"*v1.Namespace\"", NULL },
	{ "api-unreachable",
	  "E0513 08:01:02.000003       1 reflector.go:125] pkg/mod/k8s.io/client-go@v0.20.2/tools/cache/reflector.go:98: Failed to list *v1.Service: Get \"https://10.43.0.1:443/api/v1/services?limit=500&resourceVersion=0\": dial tcp 10.43.0.1:443: connect: no route to host",
	  "10.43.0.1:443", "connect: no route to host", "I0513 08:01:02.000003       1 x.go:1] Get: dial tcp 1.2.3.4:5: i/o timeout" },
	{ "api-unreachable",
	  "[WARNING] plugin/kubernetes: Kubernetes API connection failure: Get \"https://10.152.183.1:443/version\": dial tcp 10.152.183.1:443: i/o timeout",
	  "10.152.183.1:443", "i/o timeout", "[INFO] plugin/kubernetes: Kubernetes API connection" },
	{ "api-unreachable",
	  "[INFO] plugin/kubernetes: pkg/mod/k8s.io/client-go@v0.31.2/tools/cache/reflector.go:243: failed to list *v1.Service: Get \"https://10.0.0.1:443/api\": dial tcp 10.0.0.1:443: i/o timeout",
	  "10.0.0.1:443", "i/o timeout", "[INFO] plugin/forward: x: dial tcp 1.2.3.4:5: i/o timeout" },
	{ "rbac-forbidden",
	  "[INFO] plugin/kubernetes: pkg/mod/x/reflector.go:243: failed to list *v1.Pod: pods is forbidden: User \"a\" cannot list resource \"pods\" in API group \"\" at the cluster scope",
	  "pods", "list resource \"pods\" in API group \"\" at the cluster scope", NULL },
	{ "listen-no-address", "listen tcp 169.254.20.10:53: bind: cannot assign requested address", "169.254.20.10:53", NULL, NULL },
	{ "api-credentials", REFLECTOR "Failed to list *v1.Service: Get \"https://10.96.0.1:443/api/v1/services\": x509: certificate signed by unknown authority",
	  NULL, "x509: certificate signed by unknown authority", "[INFO] plugin/tls: x509: fine" },
	{ "api-resource-gone", REFLECTOR "Failed to watch *v1beta1.EndpointSlice: failed to list *v1beta1.EndpointSlice: the server could not find the requested resource",
	  "*v1beta1.EndpointSlice", NULL, "[INFO] the server could not find the requested resource" },
	{ "api-watch-ended", "W0613 20:16:33.345678       1 reflector.go:436] pkg/mod/reflector.go:167: watch of *v1.Endpoints ended with: very short watch: x", "*v1.Endpoints",
	  "very short watch: x", "[INFO] the film ended with: applause" },
	{ "api-failing", REFLECTOR "Failed to list *v1.Service: Get \"https://10.96.0.1:443/api/v1/services\": net/http: TLS handshake timeout", "10.96.0.1:443",
	  "net/http: TLS handshake timeout", REFLECTOR "failed to list nothing" },
	{ "listen-denied", "Listen: listen tcp :53: bind: permission denied", ":53", NULL, "[INFO] bind: permission denied" },
	{ "listen-in-use", "Listen: listen tcp 169.254.20.10:53: bind: address already in use", "169.254.20.10:53", NULL, "[INFO] address already in use" },
	{ "listen-no-address", "Listen: listen tcp 10.96.0.10:53: bind: cannot assign requested address", "10.96.0.10:53", NULL,
	  "[INFO] cannot assign requested address" },
	{ "cache-rule-failed", "[ERROR] Error adding iptables rule {raw OUTPUT [-p tcp]} - exit status 4", NULL, "{raw OUTPUT [-p tcp]} - exit status 4",
	  "[INFO] Added back nodelocaldns rule, no error adding iptables rule" },
	{ "cache-rule-lock", "[INFO] Error checking/adding iptables rule {raw OUTPUT}, due to xtables lock in use, retrying in 1m0s", NULL, "{raw OUTPUT}",
	  "[INFO] xtables lock in use" },
	{ "cache-link-failed", "[ERROR] Failed to add non-existent interface nodelocaldns: operation not permitted", NULL,
	  "nodelocaldns: operation not permitted", "[INFO] dummy interface" },
	{ "health-slow", "[WARNING] plugin/health: Local health request to \"http://:8080/health\" took more than 1s: 2.3s", NULL, "2.3s",
	  "[INFO] plugin/health: Local health request" },
	{ "panic", "[ERROR] Recovered from panic in server: \"dns://:53\" runtime error: index out of range", NULL, "runtime error: index out of range",
	  "[INFO] Recovered from panic" },
	{ "served-servfail", "[INFO] 10.244.1.5:45322 - 12345 \"A IN web.shop.svc.cluster.local. udp 54 false 512\" SERVFAIL qr,aa,rd 147 0.000127s",
	  "web.shop.svc.cluster.local.", "qr,aa,rd 147 0.000127s",
	  "[INFO] 10.244.1.5:45322 - 12345 \"A IN web.shop.svc.cluster.local. udp 54 false 512\" NOERROR qr,aa,rd 106 0.000127s" },
	{ "served-refused", "[INFO] [fd00::7]:45322 - 1 \"AAAA IN example.org. tcp 54 true 1232\" REFUSED qr,rd 54 0.1s", "example.org.", "qr,rd 54 0.1s",
	  "[INFO] he said \" REFUSED \" and left" },
	{ "started", "CoreDNS-1.11.1", "1.11.1", NULL, "CoreDNS-1.11.1 is new" },
	{ "stopping", "[INFO] SIGTERM: Shutting down servers then terminating", NULL, NULL, "[INFO] Shutting down nothing" },
	{ "lameduck", "[INFO] plugin/health: Going into lameduck mode for 5s", NULL, "5s", "[INFO] lameduck mode" },
	{ "noise", "[WARNING] plugin/kubernetes: Multiple endpoints have been deprecated, only the first specified endpoint 'x' is used", NULL, NULL,
	  "[WARNING] Multiple endpoints" },
};

/* Reads a log that ends in front of a byte that may not be read. */
static struct log_summary read_log(struct arena *a, const char *text, bool cut)
{
	struct log_summary s = { 0 };
	size_t size = strlen(text);
	char *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, text, size);
	assert_int_equal(log_read(a, LOG_COREDNS, copy, size, cut, &s), 0);
	free(copy);
	return s;
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

static void every_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = read_log(&a, rows[i].line, false);
		const struct log_hit *h = find(&s, rows[i].id);

		if (!h || s.hits.len != 1)
			fail_msg("%s: not found, but %s", rows[i].id, s.hits.len ? s.hits.v[0].kind->id : "nothing");
		assert_int_equal(h->count, 1);
		assert_text(rows[i].id, h->name, rows[i].name);
		assert_text(rows[i].id, h->detail, rows[i].detail);
		assert_int_equal(s.errors_unknown, 0);
	}
}

static void near_misses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = { 0 };

		if (!rows[i].miss)
			continue;
		s = read_log(&a, rows[i].miss, false);
		if (find(&s, rows[i].id))
			fail_msg("%s: found in '%s'", rows[i].id, rows[i].miss);
	}
}

/* No kind of CoreDNS is without a line here. */
static void all_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < log_coredns.n; i++) {
		const struct log_kind *k = &log_coredns.rows[i].kind;
		bool here = false;

		for (size_t j = 0; j < ARRAY_LEN(rows); j++)
			here |= strcmp(rows[j].id, k->id) == 0;
		if (!here)
			fail_msg("%s has no line", k->id);
		assert_true(k->meaning[0] && k->id[0]);
	}
}

#define LOOP "plugin/loop: Loop (127.0.0.1:1 -> :53) detected for zone \".\", see x"

static void prefixes(void **state)
{
	static const struct {
		const char *line, *time;
	} forms[] = {
		{ "[FATAL] " LOOP, NULL },
		{ "2019/05/10 12:00:00 [FATAL] " LOOP, "2019-05-10T12:00:00" },
		{ "2019-06-13T20:16:33.000Z [FATAL] " LOOP, "2019-06-13T20:16:33.000Z" },
		{ "2024-05-01T10:00:00.123456789Z [FATAL] " LOOP "\r", "2024-05-01T10:00:00.123456789Z" },
		{ "2024-05-01T10:00:00.123456789+02:00 [FATAL] " LOOP, "2024-05-01T10:00:00.123456789+02:00" },
		{ "2024-05-01T10:00:00.123456789Z stdout F [FATAL] " LOOP, "2024-05-01T10:00:00.123456789Z" },
		{ "2024-05-01T10:00:00Z stderr P [FATAL] plugin/loop: Loop (127.0.0.1:1\n2024-05-01T10:00:01Z stderr P  -> :53) detected for\n"
		  "2024-05-01T10:00:02Z stderr F  zone \".\", see x\n",
		  "2024-05-01T10:00:00Z" },
		{ "[pod/coredns-7d764666f9-x/coredns] [FATAL] " LOOP, NULL },
		{ "[pod/coredns-7d764666f9-x/coredns] 2024-05-01T10:00:00Z [FATAL] " LOOP, "2024-05-01T10:00:00Z" },
		{ "2024-05-01T10:00:00Z 2019-06-13T20:16:33.000Z [FATAL] " LOOP, "2024-05-01T10:00:00Z" },
		{ "May 01 10:00:00 node1 coredns[123]: [FATAL] " LOOP, "May 01 10:00:00" },
		{ "{\"log\":\"[FATAL] plugin/loop: Loop (127.0.0.1:1 -\\u003e :53) detected for zone \\\".\\\", see x\\n\",\"stream\":\"stdout\",\"time\":\"2024-05-01T10:00:00.5Z\"}",
		  "2024-05-01T10:00:00.5Z" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = read_log(&a, forms[i].line, false);
		const struct log_hit *h = find(&s, "loop-detected");

		if (!h)
			fail_msg("not found in '%s'", forms[i].line);
		assert_text(forms[i].line, h->first, forms[i].time);
		assert_text(forms[i].line, h->last, forms[i].time);
		assert_text(forms[i].line, s.until, forms[i].time);
		assert_text(forms[i].line, h->text, "[FATAL] " LOOP);
		assert_text(forms[i].line, h->detail, "127.0.0.1:1 -> :53");
	}
}

static void klog_time(void **state)
{
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s =
		read_log(&a, REFLECTOR "Failed to list *v1.Service: Get \"https://h/x\": EOF\n", false);

	(void)state;
	assert_int_equal(s.hits.len, 1);
	assert_text("time", s.hits.v[0].last, "06-13 20:16:33");
}

static void counts(void **state)
{
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	CLEANUP(log_summary_release) struct log_summary s = { 0 };
	size_t all = 0, nameless = 0;

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		strbuf_addf(&b, "2024-05-01T10:00:%02uZ [ERROR] plugin/errors: 2 n%u.example. A: read udp 10.0.0.1:%u->8.8.8.8:53: i/o timeout\n", i, i / 2, i);
	assert_false(b.failed);
	s = read_log(&a, strbuf_str(&b), false);
	for (size_t i = 0; i < s.hits.len; i++) {
		all += s.hits.v[i].count;
		nameless += s.hits.v[i].name ? 0 : s.hits.v[i].count;
	}
	assert_int_equal(s.lines, 40);
	assert_int_equal(all, 40);
	assert_int_equal(s.hits.len, 9);
	assert_int_equal(nameless, 40 - 8 * 2);
	assert_int_equal(s.hits.v[0].count, 2);
	assert_string_equal(s.hits.v[0].first, "2024-05-01T10:00:00Z");
	assert_string_equal(s.hits.v[0].last, "2024-05-01T10:00:01Z");
	assert_int_equal(s.hits.v[0].last_line, 2);
	assert_string_equal(s.until, "2024-05-01T10:00:39Z");
}

#define START(version) \
	".:53\n[INFO] plugin/reload: Running configuration SHA512 = abc\nCoreDNS-" version "\nlinux/amd64, go1.20.7, ae2bbc2\n"

static void starts(void **state)
{
	static const struct {
		const char *text, *version;
		size_t started;
		bool cut;
	} logs[] = {
		{ "[INFO] 10.0.0.1:1 - 1 \"A IN x. udp 1 false 512\" NOERROR qr 1 0.1s\n", NULL, 0, false },
		{ START("1.11.1"), "1.11.1", 1, false },
		{ "maxprocs: Leaving GOMAXPROCS=4: CPU quota undefined\n[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server\n"
		  "[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API\n" START("1.12.0"),
		  "1.12.0", 1, false },
		{ START("1.8.0") "[INFO] SIGTERM: Shutting down servers then terminating\n" START("1.9.3"), "1.9.3", 6, false },
		{ START("1.8.0") "[ERROR] plugin/errors: 2 a. A: no healthy proxies\n[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API\n"
				 START("1.9.3"),
		  "1.9.3", 6, false },
		{ "half a line\nsomething\n[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server\n" START("1.9.3"), "1.9.3", 3, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(logs); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = read_log(&a, logs[i].text, logs[i].cut);

		assert_text("version", s.version, logs[i].version);
		assert_int_equal(s.started_line, logs[i].started);
	}
}

static void unknown_errors(void **state)
{
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s =
		read_log(&a, "[INFO] all is well\n[ERROR] plugin/etcd: the \x1b[31mkey is gone\n[PANIC] plugin/x: y\npanic: oh no\n\ngoroutine 1 [running]:\n", false);

	(void)state;
	assert_int_equal(s.hits.len, 0);
	assert_int_equal(s.errors_unknown, 3);
	assert_string_equal(s.first_unknown, "[ERROR] plugin/etcd: the ?[31mkey is gone");
}

static void odd_input(void **state)
{
	static const char *const odd[] = { "", "\n", "\r\n\r\n", "[FATAL] ", "{\"log\":\"", "{\"log\":\"\\", "2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z stdout P",
					   "2024-05-01T10:00:00Z stdout P x", "[pod/", "[pod/x] ", "May 01 10:00:00 a b[1]: ", "E0613 20:16:33.1 1 a] ", ":" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		CLEANUP(arena_release) struct arena a = { 0 };
		CLEANUP(log_summary_release) struct log_summary s = read_log(&a, odd[i], i % 2);

		assert_int_equal(s.hits.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row), cmocka_unit_test(near_misses),	cmocka_unit_test(all_kinds), cmocka_unit_test(prefixes), cmocka_unit_test(klog_time),
		cmocka_unit_test(counts),    cmocka_unit_test(starts), cmocka_unit_test(unknown_errors), cmocka_unit_test(odd_input),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
