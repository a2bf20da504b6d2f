/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kube-proxy says by its ports, in each version's form, and its processes: the readers of these files of a node. */

#include <errno.h>
#include <math.h>
#include <setjmp.h>

#include <svcdoctor/source.h>

#include "lib/source/bundle-private.h"
#include "lib/source/log-private.h"
#include "lib/source/proxy-private.h"

#include <cmocka.h>

struct world {
	struct snapshot s;
	struct snap_node *n;
};

static void world_make(struct world *w)
{
	snapshot_init(&w->s);
	w->n = snapshot_node(&w->s, "n1", true);
	assert_non_null(w->n);
}

/* As a bundle or a live node gives it. */
static void use(struct world *w, const char *file, const char *text)
{
	struct bundle b = { .s = &w->s };
	struct member m = { .role = MEMBER_NODE, .path = strdup(file), .node = strdup("n1"), .file = node_file_find(file) };
	char *data = strdup(text);
	int r;

	assert_non_null(m.file);
	assert_true(m.path && m.node && data);
	r = node_file_use(&b, &m, data, strlen(text));
	member_release(&m);
	assert_int_equal(r, 0);
}

/* ---- /healthz ---- */

struct health {
	const char *file, *body, *http; /* http: kube-proxy-http.txt; NULL */
	bool known, healthy;
	int eligible;
	const char *updated, *now;
	int status;
};

/* clang-format off */
static const struct health healths[] = {
	/* 1.12 to 1.16: the last sync, and the status alone tells */
	{ "kube-proxy-healthz.json", "{\"lastUpdated\": \"2019-05-01 10:00:00.5 +0000 UTC m=+100.5\",\"currentTime\": \"2019-05-01 10:00:21.25 +0000 UTC m=+121.25\"}", NULL,
	  true, true, -1, "2019-05-01T10:00:00.5Z", "2019-05-01T10:00:21.25Z", 200 },
	{ "kube-proxy-healthz.json", "{\"lastUpdated\": \"2019-05-01 12:00:00 +0200 CEST m=+100.5\",\"currentTime\": \"2019-05-01 12:02:21 +0200 CEST m=+241\"}", NULL,
	  true, false, -1, "2019-05-01T10:00:00Z", "2019-05-01T10:02:21Z", 503 },
	{ "kube-proxy-healthz.json", "{\"lastUpdated\": \"2019-05-01 12:00:00 +0200 CEST m=+100.5\",\"currentTime\": \"2019-05-01 12:02:21 +0200 CEST m=+241\"}", "healthz 200\n",
	  true, true, -1, "2019-05-01T10:00:00Z", "2019-05-01T10:02:21Z", 200 },
	/* a sync period below that of always */
	{ "kube-proxy-healthz.json", "{\"lastUpdated\": \"2019-05-01 10:00:00.5 +0000 UTC m=+100.5\",\"currentTime\": \"2019-05-01 10:00:21.25 +0000 UTC m=+121.25\"}", "healthz 503\n",
	  true, false, -1, "2019-05-01T10:00:00.5Z", "2019-05-01T10:00:21.25Z", 503 },
	/* 1.17 to 1.27: the present as long as all is well */
	{ "kube-proxy-healthz.json", "{\"lastUpdated\": \"2023-05-01 10:00:00.123456789 +0000 UTC m=+100.5\",\"currentTime\": \"2023-05-01 10:00:00.123456789 +0000 UTC m=+100.5\"}", NULL,
	  true, true, -1, "2023-05-01T10:00:00.123456789Z", "2023-05-01T10:00:00.123456789Z", 200 },
	{ "kube-proxy-healthz.json", "{\"lastUpdated\": \"0001-01-01 00:00:00 +0000 UTC\",\"currentTime\": \"2023-05-01 10:00:00 +0000 UTC m=+100.5\"}", NULL,
	  true, false, -1, "0001-01-01T00:00:00Z", "2023-05-01T10:00:00Z", 503 },
	/* 1.28: the node is being drained */
	{ "kube-proxy-healthz.json", "{\"lastUpdated\": \"2023-05-01 10:00:00 +0000 UTC m=+100.5\",\"currentTime\": \"2023-05-01 10:00:09 +0000 UTC m=+109.5\", \"nodeEligible\": false}", NULL,
	  true, false, 0, "2023-05-01T10:00:00Z", "2023-05-01T10:00:09Z", 503 },
	{ "kube-proxy-healthz.json", "{\"lastUpdated\": \"2023-05-01 10:00:09 +0000 UTC m=+100.5\",\"currentTime\": \"2023-05-01 10:00:09 +0000 UTC m=+109.5\", \"nodeEligible\": true}", NULL,
	  true, true, 1, "2023-05-01T10:00:09Z", "2023-05-01T10:00:09Z", 200 },
	/* what an older svcdoctor wrote down */
	{ "kube-proxy-healthz.json", "{\"healthy\": false}", NULL, true, false, -1, NULL, NULL, 503 },
	/* nothing of it */
	{ "kube-proxy-healthz.json", "{}", NULL, false, false, -1, NULL, NULL, 0 },
	{ "kube-proxy-healthz.json", "<html>", NULL, false, false, -1, NULL, NULL, 0 },
	{ "kube-proxy-healthz.json", "{\"lastUpdated\": \"soon\", \"currentTime\": 7}", NULL, false, false, -1, NULL, NULL, 0 },
	/* another one's file says that there was an answer, and this look says that there is none */
	{ "kube-proxy-healthz.json", "{\"healthy\": true}", "healthz refused\n", false, true, -1, NULL, NULL, 0 },
};
/* clang-format on */

static void test_health(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(healths); i++) {
		const struct health *h = &healths[i / 2];
		struct world w;

		world_make(&w);
		if (h->http && i % 2 && h->known)
			use(&w, "kube-proxy-http.txt", h->http);
		use(&w, h->file, h->body);
		if (h->http && !(i % 2 && h->known))
			use(&w, "kube-proxy-http.txt", h->http);
		if (w.n->proxy.healthz_known != h->known || (h->known && w.n->proxy.healthy != h->healthy) || w.n->proxy.eligible != h->eligible ||
		    !str_same(w.n->proxy.healthz_last_updated, h->updated) || !str_same(w.n->proxy.healthz_now, h->now) ||
		    w.n->proxy.ports[PROXY_HEALTHZ].status != h->status)
			fail_msg("%s: known %d, healthy %d, eligible %d, updated %s, now %s, status %d", h->body, w.n->proxy.healthz_known,
				 w.n->proxy.healthy, w.n->proxy.eligible, w.n->proxy.healthz_last_updated, w.n->proxy.healthz_now,
				 w.n->proxy.ports[PROXY_HEALTHZ].status);
		snapshot_release(&w.s);
	}
}

/* Since 1.32 each family has its own time. */
static void test_families(void **state)
{
	static const char body[] = "{\"lastUpdated\":\"2026-11-21T07:30:05.76Z\",\"currentTime\":\"2026-11-21T07:30:05.75Z\",\"nodeEligible\":true,\"healthy\":false,"
				   "\"status\":{\"IPv4\":{\"lastUpdated\":\"2026-11-21T07:30:00.34Z\",\"healthy\":true},"
				   "\"IPv6\":{\"lastUpdated\":\"2026-11-21T06:30:00.41Z\",\"healthy\":false}}}";
	static const char livez[] = "{\"lastUpdated\":\"2026-11-21T07:31:05.76Z\",\"currentTime\":\"2026-11-21T07:31:05.75Z\",\"healthy\":true,"
				    "\"status\":{\"IPv4\":{\"lastUpdated\":\"2026-11-21T07:31:00.34Z\",\"healthy\":true}}}";
	struct world w;

	(void)state;
	world_make(&w);
	use(&w, "kube-proxy-livez.json", livez);
	assert_false(w.n->proxy.healthz_known);
	assert_int_equal(w.n->proxy.ports[PROXY_LIVEZ].status, 200);
	assert_string_equal(w.n->proxy.family_updated[0], "2026-11-21T07:31:00.34Z");
	use(&w, "kube-proxy-healthz.json", body);
	assert_string_equal(w.n->proxy.healthz_last_updated, "2026-11-21T06:30:00.41Z");
	assert_string_equal(w.n->proxy.family_updated[0], "2026-11-21T07:30:00.34Z");
	assert_string_equal(w.n->proxy.family_updated[1], "2026-11-21T06:30:00.41Z");
	assert_int_equal(w.n->proxy.family_healthy[0], 1);
	assert_int_equal(w.n->proxy.family_healthy[1], 0);
	assert_int_equal(w.n->proxy.eligible, 1);
	use(&w, "kube-proxy-livez.json", livez);
	assert_string_equal(w.n->proxy.healthz_now, "2026-11-21T07:30:05.75Z");
	snapshot_release(&w.s);
}

static void test_http(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct world w;
	const struct snap_port *p;

	(void)state;
	proxy_http_line(&b, PROXY_HEALTHZ, PORT_ANSWERED, 503, NULL);
	proxy_http_line(&b, PROXY_LIVEZ, PORT_REFUSED, 0, NULL);
	proxy_http_line(&b, PROXY_MODE, PORT_SILENT, 0, NULL);
	proxy_http_line(&b, PROXY_CONFIGZ, PORT_UNREACHABLE, 0, "no route to host");
	proxy_http_line(&b, PROXY_METRICS, PORT_STRANGE, 0, NULL);
	assert_string_equal(strbuf_str(&b), "healthz 503\nlivez refused\nproxyMode silent\nconfigz unreachable (no route to host)\nmetrics strange\n");
	world_make(&w);
	use(&w, "kube-proxy-http.txt", strbuf_str(&b));
	p = w.n->proxy.ports;
	assert_true(p[PROXY_HEALTHZ].end == PORT_ANSWERED && p[PROXY_HEALTHZ].status == 503 && !p[PROXY_HEALTHZ].error);
	assert_true(p[PROXY_LIVEZ].end == PORT_REFUSED && p[PROXY_MODE].end == PORT_SILENT && p[PROXY_METRICS].end == PORT_STRANGE);
	assert_string_equal(p[PROXY_LIVEZ].error, "connection refused");
	assert_true(p[PROXY_CONFIGZ].end == PORT_UNREACHABLE);
	assert_string_equal(p[PROXY_CONFIGZ].error, "no route to host");
	assert_int_equal(w.s.notes.len, 0);
	/* it counts before the file that is there, in whichever order */
	use(&w, "kube-proxy-mode.txt", "ipvs\n");
	assert_int_equal(p[PROXY_MODE].end, PORT_SILENT);
	use(&w, "kube-proxy-http.txt", "\n  metrics\t200 \r\nhealthz 99\nhealthz 1000\nhealthz\nhealth 200\n\1 \2\nconfigz unreachable (\033[31m)");
	assert_true(p[PROXY_METRICS].end == PORT_ANSWERED && p[PROXY_METRICS].status == 200 && p[PROXY_HEALTHZ].status == 503);
	assert_string_equal(p[PROXY_CONFIGZ].error, "?[31m");
	assert_int_equal(w.s.notes.len, 5);
	snapshot_release(&w.s);
	strbuf_release(&b);
}

/* ---- /metrics ---- */

static void near(double is, double want)
{
	if (!(fabs(is - want) <= 1e-9 * fabs(want)))
		fail_msg("%g instead of %g", is, want);
}

/* 1.36, as it was recorded. */
static void test_metrics_recorded(void **state)
{
	struct world w;
	const struct snap_metrics *m;

	(void)state;
	snapshot_init(&w.s);
	assert_int_equal(bundle_open(&w.s, "tests/corpus/lab-iptables-nft"), 0);
	w.n = snapshot_node(&w.s, "node1", false);
	assert_non_null(w.n);
	m = &w.n->proxy.metrics;
	assert_true(m->known && m->by_family && w.n->proxy.metrics_known && w.n->proxy.synced[0] && w.n->proxy.synced[1]);
	assert_false(w.n->proxy.sync_failed[0]);
	near(m->family[0].queued, 1.795246200190629e+09);
	near(m->family[1].synced, 1.7952462004115226e+09);
	near(m->family[0].rules_nat, 136);
	near(m->family[1].rules_filter, 3);
	near(m->family[0].restore_failures, 0);
	assert_int_equal(m->family[0].sync.count, 1);
	assert_int_equal(m->family[0].sync.buckets.len, 15);
	near(m->family[0].sync.sum, 0.068079196);
	near(snap_quantile(&m->family[0].sync, 0.5), 0.096);
	assert_int_equal(m->family[1].full.count, 1);
	assert_int_equal(m->family[1].partial.count, 0);
	near(m->endpoints_pending, 0);
	near(m->started, 1.79524619971e+09);
	near(m->api_ok, 5);
	assert_true(isnan(m->api_refused) && isnan(m->api_failed));
	near(m->invalid_dropped, 0);
	assert_string_equal(m->version, "v1.36.2");
	assert_int_equal(w.n->proxy.ports[PROXY_METRICS].end, PORT_ANSWERED);
	snapshot_release(&w.s);
}

/* Between 1.18 and 1.33: one of each for both families. */
static void test_metrics_before(void **state)
{
	static const char text[] =
		"# HELP kubeproxy_network_programming_duration_seconds [ALPHA] x\n"
		"# TYPE kubeproxy_network_programming_duration_seconds histogram\n"
		"kubeproxy_network_programming_duration_seconds_bucket{le=\"0\"} 0\n"
		"kubeproxy_network_programming_duration_seconds_bucket{le=\"0.25\"} 90\n"
		"kubeproxy_network_programming_duration_seconds_bucket{le=\"0.5\"} 95\n"
		"kubeproxy_network_programming_duration_seconds_bucket{le=\"+Inf\"} 100\n"
		"kubeproxy_network_programming_duration_seconds_sum 31.5\n"
		"kubeproxy_network_programming_duration_seconds_count 100\n"
		"kubeproxy_sync_proxy_rules_iptables_restore_failures_total 3\n"
		"kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total 1\n"
		"kubeproxy_sync_proxy_rules_iptables_total{table=\"nat\"} 1234\n"
		"kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds 1.7e+09\n"
		"kubeproxy_sync_proxy_rules_last_timestamp_seconds 0\n"
		"kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"0.001\"} 1 1395066363000\n"
		"kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"+Inf\"} 2\n"
		"kubeproxy_sync_proxy_rules_duration_seconds_count 2\r\n"
		"kubernetes_build_info{buildDate=\"x\",gitVersion=\"v1.17.3\"} 1\n"
		"rest_client_requests_total{code=\"200\",host=\"a\",method=\"GET\"} 4\n"
		"rest_client_requests_total{code=\"304\",host=\"a\",method=\"GET\"} 1\n"
		"rest_client_requests_total{code=\"401\",host=\"b{}\\\"\\\\,\",method=\"GET\"} 7\n"
		"rest_client_requests_total{code=\"403\",host=\"a\",method=\"GET\"} 2\n"
		"rest_client_requests_total{code=\"404\",host=\"a\",method=\"GET\"} 100\n"
		"rest_client_requests_total{code=\"500\",host=\"a\",method=\"GET\"} 1\n"
		"rest_client_requests_total{code=\"<error>\",host=\"a\",method=\"GET\"} 50\n";
	struct world w;
	const struct snap_metrics *m;

	(void)state;
	world_make(&w);
	m = &w.n->proxy.metrics;
	use(&w, "kube-proxy-metrics.txt", text);
	assert_true(m->known && !m->by_family && !w.n->proxy.synced[0] && w.n->proxy.sync_failed[1]);
	for (unsigned six = 0; six < 2; six++) {
		near(m->family[six].restore_failures, 3);
		near(m->family[six].partial_failures, 1);
		near(m->family[six].rules_nat, 1234);
		assert_true(isnan(m->family[six].rules_filter) && isnan(m->family[six].nft_failures));
		near(m->family[six].queued, 1.7e9);
		near(m->family[six].synced, 0);
		assert_int_equal(m->family[six].sync.count, 2);
		near(snap_quantile(&m->family[six].sync, 0.5), 0.001);
	}
	assert_int_equal(m->programming.count, 100);
	near(m->programming.sum, 31.5);
	near(snap_quantile(&m->programming, 0.9), 0.25);
	near(snap_quantile(&m->programming, 0.99), 0.5);
	near(m->api_ok, 5);
	near(m->api_refused, 9);
	near(m->api_failed, 51);
	assert_true(isnan(m->started));
	assert_string_equal(m->version, "v1.17.3");
	/* what is read again counts alone */
	use(&w, "kube-proxy-metrics.txt", "kubeproxy_sync_proxy_rules_latency_microseconds_count 4\nkubeproxy_sync_proxy_rules_latency_microseconds_sum 2e6\n"
					  "kubeproxy_sync_proxy_rules_latency_microseconds_bucket{le=\"1000\"} 4\n");
	assert_int_equal(m->family[1].sync.count, 4);
	near(m->family[1].sync.sum, 2);
	near(m->family[1].sync.buckets.v[0].le, 0.001);
	assert_true(isnan(m->api_ok) && !m->version);
	snapshot_release(&w.s);
}

/* Since 1.34: what a family never did has no sample. */
static void test_metrics_family(void **state)
{
	static const char text[] = "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family=\"IPv4\"} 1.7e+09\n"
				   "kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family=\"IPv4\"} 6\n"
				   "kubeproxy_sync_proxy_rules_nftables_cleanup_failures_total{ip_family=\"IPv4\"} 2\n"
				   "kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family=\"IPv5\"} 5\n"
				   "kubeproxy_network_programming_duration_seconds_bucket{ip_family=\"IPv4\",le=\"1\"} 1\n"
				   "kubeproxy_network_programming_duration_seconds_bucket{ip_family=\"IPv6\",le=\"1\"} 2\n"
				   "kubeproxy_network_programming_duration_seconds_count{ip_family=\"IPv4\"} 3\n"
				   "kubeproxy_network_programming_duration_seconds_count{ip_family=\"IPv6\"} 4\n";
	struct world w;
	const struct snap_metrics *m;

	(void)state;
	world_make(&w);
	use(&w, "kube-proxy-metrics.txt", text);
	m = &w.n->proxy.metrics;
	near(m->family[0].synced, 0);
	near(m->family[0].nft_failures, 6);
	near(m->family[0].nft_cleanup_failures, 2);
	near(m->family[0].restore_failures, 0);
	assert_true(isnan(m->family[1].synced) && isnan(m->family[1].queued));
	assert_true(w.n->proxy.sync_failed[0] && !w.n->proxy.sync_failed[1]);
	assert_int_equal(m->programming.count, 7);
	assert_int_equal(m->programming.buckets.v[0].count, 3);
	snapshot_release(&w.s);
}

/* Whatever somebody writes: counts stay cumulative, and memory bounded. */
static void test_metrics_hostile(void **state)
{
	struct strbuf b = STRBUF_INIT;
	struct world w;
	const struct snap_histogram *h;

	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		strbuf_addf(&b, "kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"%u\"} %u\n", (i * 7919) % 3001, i);
	strbuf_adds(&b, "kubeproxy_sync_proxy_rules_duration_seconds_count 1000\n"
			"kubeproxy_sync_proxy_rules_last_timestamp_seconds NaN\nkubeproxy_sync_proxy_rules_last_timestamp_seconds +Inf\n"
			"kubeproxy_sync_proxy_rules_last_timestamp_seconds\nkubeproxy_sync_proxy_rules_last_timestamp_seconds{\n"
			"kubeproxy_sync_proxy_rules_last_timestamp_seconds{a=\"\\\nkubeproxy_sync_proxy_rules_last_timestamp_seconds{a=\"b} 7\n"
			"kubeproxy_sync_proxy_rules_last_timestamp_seconds 11111111111111111111111111111111111111111111111111111\n"
			"kubeproxy_sync_proxy_rules_last_timestamp_secondss 7\nkubeproxy_sync_proxy_rules_duration_seconds_count -4\n"
			"kubeproxy_sync_proxy_rules_duration_seconds_count 1e300\n"
			"kubernetes_build_info{git_version=\"v1\033[2J\"} 1\n"
			"kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{");
	for (unsigned i = 0; i < 40; i++)
		strbuf_addf(&b, "l%u=\"%0300u\",", i, i);
	strbuf_adds(&b, "} 12");
	assert_false(b.failed);
	world_make(&w);
	use(&w, "kube-proxy-metrics.txt", strbuf_str(&b));
	h = &w.n->proxy.metrics.family[0].sync;
	assert_int_equal(h->count, 1000);
	assert_true(h->buckets.len > 0 && h->buckets.len <= 256);
	for (size_t i = 0; i < h->buckets.len; i++)
		assert_true(h->buckets.v[i].count <= h->count &&
			    (i == 0 || (h->buckets.v[i].le > h->buckets.v[i - 1].le && h->buckets.v[i].count >= h->buckets.v[i - 1].count)));
	assert_true(isnan(w.n->proxy.metrics.family[0].synced) && !w.n->proxy.synced[0]);
	near(w.n->proxy.metrics.family[0].queued, 12);
	assert_string_equal(w.n->proxy.metrics.version, "v1?[2J");
	/* what is no metrics of kube-proxy says nothing */
	use(&w, "kube-proxy-metrics.txt", "<html>kubeproxy_</html>\nkubeproxy_\n");
	assert_true(w.n->proxy.metrics.known);
	strbuf_release(&b);
	snapshot_release(&w.s);
}

/* ---- processes ---- */

static void test_ps(void **state)
{
	static const char text[] = "   4711   86400 /usr/local/bin/kube-proxy --proxy-mode=ipvs --cluster-cidr 10.244.0.0/16,fd00::/48 --masquerade_all "
				   "--nodeport-addresses=10.0.0.0/8,127.0.0.0/8 --iptables-masquerade-bit 7 --feature-gates A=true,B=0 -v 4 --oom-score-adj -999 "
				   "--healthz-port=0 --unknown-thing x --hostname-override=n7\n"
				   " 12  - /usr/bin/k3s server --flannel-backend=none\n"
				   "13 5 /snap/microk8s/x/kubelite --scheduler-args-file=y\r\n"
				   "\nPID ELAPSED COMMAND\n99\n";
	static const char flags[] = "I0101 00:00:00.000000 1 flags.go:64] FLAG: --config=\"\"\nI0101 00:00:00.000000 1 flags.go:64] FLAG: --proxy-mode=\"iptables\"\n";
	const struct snap_log log = { .program = LOG_KUBE_PROXY, .node = "n1", .file = "kube-proxy.log" };
	struct world w;
	const struct snap_proxy *p;
	const struct kube_proxy_config *c;

	(void)state;
	world_make(&w);
	p = &w.n->proxy;
	use(&w, "ps.txt", text);
	assert_true(p->processes_known);
	assert_int_equal(p->processes.len, 3);
	assert_int_equal(p->processes.v[0].pid, 4711);
	assert_int_equal(p->processes.v[0].seconds, 86400);
	assert_null(p->processes.v[0].inside);
	assert_int_equal(p->processes.v[1].seconds, -1);
	assert_string_equal(p->processes.v[1].inside, "k3s");
	assert_string_equal(p->processes.v[2].command, "/snap/microk8s/x/kubelite --scheduler-args-file=y");
	assert_string_equal(p->processes.v[2].inside, "kubelite");
	assert_int_equal(w.s.notes.len, 1);
	c = &p->flags_config;
	assert_true(c->known);
	assert_string_equal(c->source, "its command line");
	assert_string_equal(c->mode, "ipvs");
	assert_int_equal(c->ncluster_cidrs, 2);
	assert_int_equal(c->masquerade_all, 1);
	assert_int_equal(c->masquerade_bit, 7);
	assert_int_equal(c->nnode_port_addresses, 2);
	assert_int_equal(c->nfeature_gates, 2);
	assert_string_equal(c->healthz_bind_address, "");
	assert_string_equal(c->hostname_override, "n7");
	/* what the log says of its flags counts before that */
	assert_int_equal(log_use(&w.s, &log, 0, flags, strlen(flags)), 0);
	assert_int_equal(snapshot_finish(&w.s), 0);
	assert_string_equal(c->mode, "iptables");
	assert_string_equal(c->source, "the FLAG lines of its log");
	/* nobody runs, and that is known */
	use(&w, "ps.txt", "");
	assert_true(p->processes_known && p->processes.len == 0);
	snapshot_release(&w.s);
}

/* With a file the flags say nothing but the node's name. */
static void test_command_config(void **state)
{
	struct world w;
	char value[32];

	(void)state;
	world_make(&w);
	use(&w, "ps.txt", "1 1 kube-proxy --config=/var/lib/kube-proxy/config.conf --hostname-override=n9 --proxy-mode=ipvs\n");
	assert_false(w.n->proxy.flags_config.known);
	assert_string_equal(w.n->proxy.flags_config.hostname_override, "n9");
	assert_true(proxy_command_flag("kube-proxy --config /a --config=/b -- --config=/c", "config", value, sizeof(value)));
	assert_string_equal(value, "/b");
	assert_false(proxy_command_flag("kube-proxy --configs=/a config=/b -config=/c", "config", value, sizeof(value)));
	assert_false(proxy_command_flag("kube-proxy --config=/a-path-that-is-longer-than-the-room", "config", value, sizeof(value)));
	snapshot_release(&w.s);
}

static void test_command(void **state)
{
	static const struct {
		const char *command, *inside; /* "": it is kube-proxy itself; NULL: it is none */
	} rows[] = {
		{ "kube-proxy", "" }, { "/usr/local/bin/kube-proxy --v=2", "" }, { "/hyperkube kube-proxy --v=2", "hyperkube" }, { "hyperkube proxy", "hyperkube" },
		{ "/hyperkube kubelet", NULL }, { "/usr/local/bin/k3s server", "k3s" }, { "/usr/local/bin/k3s agent", "k3s" },
		{ "/usr/local/bin/k3s server --disable-kube-proxy", NULL }, { "k3s kubectl get pods", NULL }, { "/snap/microk8s/1/kubelite", "kubelite" },
		{ "grep kube-proxy", NULL }, { "kube-proxy-helper", NULL }, { "", NULL }, { "/", NULL }, { "kubelet", NULL }, { "rke2 server", NULL },
	};
	const char *inside;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const bool is = proxy_command(rows[i].command, strlen(rows[i].command), &inside);

		if (is != (rows[i].inside != NULL) || !str_same(inside ? inside : is ? "" : NULL, rows[i].inside))
			fail_msg("'%s': %d, inside %s", rows[i].command, is, inside ? inside : "-");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_health),		cmocka_unit_test(test_families),	cmocka_unit_test(test_http),
		cmocka_unit_test(test_metrics_recorded), cmocka_unit_test(test_metrics_before), cmocka_unit_test(test_metrics_family),
		cmocka_unit_test(test_metrics_hostile), cmocka_unit_test(test_ps),		cmocka_unit_test(test_command_config),
		cmocka_unit_test(test_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
