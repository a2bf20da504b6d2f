/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said of kube-proxy's configuration, modes and versions: each fault is put into a recorded cluster, and beside it stands what looks like it
 * and is none.
 */
#include <netinet/in.h>

#include "lab.h"

static struct kube_proxy_config *conf(struct lab *l, size_t i)
{
	assert_true(i < l->s.nodes.len && l->s.nodes.v[i]->proxy.config.known);
	return &l->s.nodes.v[i]->proxy.config;
}

static struct k8s_pod *proxy_of(struct lab *l, const char *node)
{
	for (size_t i = 0; i < l->s.cluster.pods.len; i++) {
		struct k8s_pod *p = l->s.cluster.pods.v[i];

		if (str_starts(p->meta.name, "kube-proxy-") && str_is(p->node, node))
			return p;
	}
	fail_msg("no kube-proxy on %s", node);
	return NULL;
}

/* ---- clusterCIDR ---- */

static struct ip_prefix ranges[4];

static const struct ip_prefix *range(size_t i, const char *text)
{
	assert_int_equal(ip_prefix_parse(text, &ranges[i]), 0);
	return &ranges[i];
}

static void cidr_everywhere(struct lab *l, const char *text)
{
	for (size_t i = 0; i < l->s.nodes.len; i++) {
		conf(l, i)->cluster_cidrs = range(0, text);
		conf(l, i)->ncluster_cidrs = 1;
	}
}

static void cidr_of_services(struct lab *l)
{
	cidr_everywhere(l, "10.96.0.0/12");
}

/* Of each node the pods, which are in none of the ranges that rules and configuration tell. */
static void move_pods(struct lab *l, const char *node)
{
	static struct ip_addr moved[64];
	size_t n = 0;

	for (size_t i = 0; i < l->s.cluster.pods.len; i++) {
		struct k8s_pod *p = l->s.cluster.pods.v[i];

		if (p->host_network || !p->nips || (node && !str_is(p->node, node)))
			continue;
		assert_true(n < ARRAY_LEN(moved));
		assert_int_equal(ip_addr_parse("192.0.2.1", &moved[n]), 0);
		moved[n].b[3] = (uint8_t)(n + 1);
		p->ips = &moved[n++];
		p->nips = 1;
	}
	assert_true(n > 0);
}

static void pods_outside(struct lab *l)
{
	move_pods(l, NULL);
}

static void pods_outside_node1(struct lab *l)
{
	move_pods(l, "node1");
}

static void pods_outside_by_node(struct lab *l)
{
	move_pods(l, NULL);
	for (size_t i = 0; i < l->s.nodes.len; i++)
		conf(l, i)->detect_local_mode = "NodeCIDR";
}

/* The network plugin has ranges of its own: nobody has an address of these. */
static void pod_cidr_unused(struct lab *l)
{
	for (size_t i = 0; i < l->s.cluster.nodes.len; i++)
		l->s.cluster.nodes.v[i]->pod_cidrs = range(1, "172.31.0.0/16");
}

static void pod_cidr_outside(struct lab *l)
{
	pod_cidr_unused(l);
	for (size_t i = 0; i < l->s.cluster.pods.len; i++)
		if (!l->s.cluster.pods.v[i]->host_network)
			l->s.cluster.pods.v[i]->nips = 0;
}

static void wide_cidr(struct lab *l)
{
	cidr_everywhere(l, "10.0.0.0/8");
}

static void other_family_only(struct lab *l)
{
	cidr_everywhere(l, "fd00:10:244::/56");
}

static void no_cidr(struct lab *l)
{
	for (size_t i = 0; i < l->s.nodes.len; i++)
		conf(l, i)->ncluster_cidrs = 0;
}

static void no_cidr_by_link(struct lab *l)
{
	no_cidr(l);
	for (size_t i = 0; i < l->s.nodes.len; i++)
		conf(l, i)->detect_local_mode = "BridgeInterface";
}

static void no_cidr_masquerade_all(struct lab *l)
{
	no_cidr(l);
	for (size_t i = 0; i < l->s.nodes.len; i++)
		conf(l, i)->masquerade_all = 1;
}

static void by_node(struct lab *l)
{
	for (size_t i = 0; i < l->s.nodes.len; i++)
		conf(l, i)->detect_local_mode = "NodeCIDR";
}

static void by_node_without(struct lab *l)
{
	by_node(l);
	l->s.cluster.nodes.v[0]->npod_cidrs = 0;
}

static void by_cidr_without(struct lab *l)
{
	l->s.cluster.nodes.v[0]->npod_cidrs = 0;
}

static void masquerade_all(struct lab *l)
{
	conf(l, 1)->masquerade_all = 1;
}

/* ---- names ---- */

static void other_name(struct lab *l)
{
	conf(l, 1)->hostname_override = "ip-10-0-0-1"; /* has an endpoint of default/local-only */
}

static void capital_name(struct lab *l)
{
	conf(l, 0)->hostname_override = " Node1 ";
}

static void anothers_name(struct lab *l)
{
	conf(l, 0)->hostname_override = "node2";
}

static void no_name(struct lab *l)
{
	conf(l, 0)->hostname_override = "";
}

/* ---- modes ---- */

static void mode_asked(struct lab *l, const char *mode)
{
	for (size_t i = 0; i < l->s.nodes.len; i++)
		conf(l, i)->mode = mode;
}

static void unknown_mode(struct lab *l)
{
	mode_asked(l, "IPVS");
}

static void unknown_mode_ended(struct lab *l)
{
	mode_asked(l, "nftable");
	for (size_t i = 0; i < proxy_of(l, "node1")->nconditions; i++)
		if (str_is(proxy_of(l, "node1")->conditions[i].type, "Ready"))
			((struct k8s_condition *)(uintptr_t)&proxy_of(l, "node1")->conditions[i])->status = "False";
}

static void empty_mode(struct lab *l)
{
	mode_asked(l, "");
}

static void version(struct lab *l, const char *node, const char *image)
{
	struct k8s_pod *p = proxy_of(l, node);

	for (size_t i = 0; i < p->ncontainers; i++)
		((struct k8s_container *)(uintptr_t)&p->containers[i])->image = image;
	/* its log and metrics would tell another one */
	for (size_t i = 0; i < l->s.logs.len; i++)
		if (str_is(l->s.logs.v[i].node, node))
			l->s.logs.v[i].summary.version = NULL;
	for (size_t i = 0; i < l->s.nodes.len; i++)
		if (strcmp(l->s.nodes.v[i]->name, node) == 0)
			l->s.nodes.v[i]->proxy.metrics.version = NULL;
}

static void early_nftables(struct lab *l)
{
	mode_asked(l, "nftables");
	version(l, "node1", "registry.example/kube-proxy:v1.28.4");
	version(l, "node2", "registry.example/kube-proxy:v1.28.4");
}

static void wants_ipvs(struct lab *l)
{
	conf(l, 0)->mode = "ipvs";
}

static void wanted_ipvs_old(struct lab *l)
{
	wants_ipvs(l);
	version(l, "node1", "registry.example/kube-proxy:v1.24.17");
}

static void runs_ipvs(struct lab *l)
{
	l->s.nodes.v[1]->proxy.mode = "ipvs";
	conf(l, 1)->mode = "ipvs";
}

static void told_mode(struct lab *l)
{
	l->s.nodes.v[1]->proxy.mode = "ipvs";
}

/* ---- versions ---- */

static void two_behind(struct lab *l)
{
	version(l, "node1", "registry.example/kube-proxy:v1.34.1");
}

static void four_behind(struct lab *l)
{
	version(l, "node1", "registry.example:5000/kube-proxy-amd64:v1.32.9@sha256:00");
}

static void newer(struct lab *l)
{
	version(l, "node2", "registry.example/kube-proxy:v1.37.0-alpha.1");
}

static void without_slices(struct lab *l)
{
	version(l, "node1", "registry.example/kube-proxy:v1.20.15");
}

/* What the Node object says is the kubelet's own version. */
static void by_object(struct lab *l)
{
	version(l, "node1", "registry.example/proxy@sha256:00");
	l->s.cluster.nodes.v[0]->proxy_version = "v1.20.1";
}

static void untagged(struct lab *l)
{
	version(l, "node1", "registry.example:5000/kube-proxy");
	l->s.cluster.nodes.v[0]->proxy_version = "";
}

static struct k8s_workload daemon;
static struct k8s_label of_proxy = { "k8s-app", "kube-proxy" };

static void roll_out(struct lab *l, bool on_delete, int64_t available)
{
	daemon = (struct k8s_workload){ .kind = "DaemonSet", .replicas = 2, .updated = 1, .current = 2, .available = available, .on_delete = on_delete,
					.template_labels = { &of_proxy, 1 } };
	daemon.meta.ns = "kube-system";
	daemon.meta.name = "kube-proxy";
	assert_int_equal(array_push(&l->s.cluster.workloads, &daemon), 0);
	version(l, "node1", "registry.example/kube-proxy:v1.35.1");
}

static void stuck(struct lab *l)
{
	roll_out(l, false, 1);
}

static void on_delete(struct lab *l)
{
	roll_out(l, true, 2);
}

static void going_on(struct lab *l)
{
	roll_out(l, false, 2);
}

/* ---- logs ---- */

static void hit(struct lab *l, const char *check, enum log_weight weight, bool over)
{
	static struct log_kind kind;
	static struct log_hit h;
	struct snap_log log = { .program = LOG_KUBE_PROXY, .node = "node1", .file = "kube-proxy.log" };

	kind = (struct log_kind){ .id = "x", .weight = weight, .check = check, .meaning = "what it means", .topic = TOPIC_START };
	h = (struct log_hit){ .kind = &kind, .count = 2, .text = "the text of the line", .first_line = 5, .last_line = 9, .over = over };
	for (size_t i = 0; i < l->s.logs.len; i++)
		log_summary_release(&l->s.logs.v[i].summary);
	l->s.logs.len = 0;
	log.summary.lines = 10;
	assert_int_equal(array_push(&log.summary.hits, h), 0);
	assert_int_equal(array_push(&l->s.logs, log), 0);
}

static void log_lenient(struct lab *l)
{
	hit(l, "kube-proxy-config-lenient-decoding", LOG_WARNING, false);
}

static void log_lenient_over(struct lab *l)
{
	hit(l, "kube-proxy-config-lenient-decoding", LOG_WARNING, true);
}

static void log_name(struct lab *l)
{
	hit(l, "kube-proxy-nodename-mismatch", LOG_WARNING, false);
}

static void log_mode(struct lab *l)
{
	hit(l, "kube-proxy-unknown-mode", LOG_ERROR, false);
}

static void log_cidr(struct lab *l)
{
	hit(l, "detect-local-nodecidr-wait", LOG_ERROR, false);
}

static void log_skew(struct lab *l)
{
	hit(l, "kube-proxy-version-skew", LOG_ERROR, false);
}

/* ---- the table ---- */

static const struct {
	void (*change)(struct lab *l);
	const char *check;
	int severity;
	const char *text;
} rows[] = {
	{ cidr_of_services, "clustercidr-mismatch", SEVERITY_WARNING, "it may be the range of Services" },
	{ cidr_of_services, "clustercidr-mismatch", SEVERITY_WARNING, "pods on node1 and node2 are outside of it" },
	{ pods_outside, "clustercidr-mismatch", SEVERITY_ERROR, "come from the node's address" },
	{ pods_outside_node1, "clustercidr-mismatch", SEVERITY_ERROR, "pods on node1 are outside" },
	{ pods_outside_by_node, "clustercidr-mismatch", SILENT, NULL },
	{ pod_cidr_outside, "clustercidr-mismatch", SEVERITY_WARNING, "172.31.0.0/16" },
	{ pod_cidr_unused, "clustercidr-mismatch", SILENT, NULL },
	{ wide_cidr, "clustercidr-mismatch", SILENT, NULL },
	{ other_family_only, "clustercidr-mismatch", SILENT, NULL },
	{ other_family_only, "detect-local-noop", SEVERITY_WARNING, "no clusterCIDR of IPv4" },
	{ no_cidr, "detect-local-noop", SEVERITY_INFO, "only cluster IPs that are routed to from outside" },
	{ no_cidr, "clustercidr-mismatch", SILENT, NULL },
	{ no_cidr_by_link, "detect-local-noop", SILENT, NULL },
	{ no_cidr_masquerade_all, "detect-local-noop", SILENT, NULL },
	{ by_node_without, "detect-local-nodecidr-wait", SEVERITY_WARNING, "will wait for one when it is started again" },
	{ log_cidr, "detect-local-nodecidr-wait", SEVERITY_ERROR, "the text of the line" },
	{ by_node, "detect-local-nodecidr-wait", SILENT, NULL },
	{ by_cidr_without, "detect-local-nodecidr-wait", SILENT, NULL },
	{ masquerade_all, "masquerade-all", SEVERITY_WARNING, "on node2 rewrites" },
	{ no_cidr_masquerade_all, "masquerade-all", SEVERITY_WARNING, "on node1 and node2" },
	{ by_node, "masquerade-all", SILENT, NULL },
	{ other_name, "kube-proxy-nodename-mismatch", SEVERITY_ERROR, "'ip-10-0-0-1', which does not exist" },
	{ anothers_name, "kube-proxy-nodename-mismatch", SEVERITY_WARNING, "'node2', which is another one" },
	{ log_name, "kube-proxy-nodename-mismatch", SEVERITY_WARNING, "does not find its own Node object" },
	{ capital_name, "kube-proxy-nodename-mismatch", SILENT, NULL },
	{ no_name, "kube-proxy-nodename-mismatch", SILENT, NULL },
	{ unknown_mode, "kube-proxy-unknown-mode", SEVERITY_WARNING, "will not start again" },
	{ unknown_mode_ended, "kube-proxy-unknown-mode", SEVERITY_ERROR, "does not start" },
	{ early_nftables, "kube-proxy-unknown-mode", SEVERITY_WARNING, "1.29 is the first release that has it" },
	{ log_mode, "kube-proxy-unknown-mode", SEVERITY_ERROR, "what it means" },
	{ empty_mode, "kube-proxy-unknown-mode", SILENT, NULL },
	{ empty_mode, "kube-proxy-mode-differs", SILENT, NULL },
	{ wants_ipvs, "kube-proxy-mode-differs", SEVERITY_WARNING, "runs in iptables mode, and ipvs is configured" },
	{ wants_ipvs, "ipvs-silent-fallback", SILENT, NULL },
	{ wanted_ipvs_old, "ipvs-silent-fallback", SEVERITY_WARNING, "modprobe" },
	{ wanted_ipvs_old, "kube-proxy-mode-differs", SILENT, NULL },
	{ runs_ipvs, "kube-proxy-modes-mixed", SEVERITY_WARNING, "in ipvs mode on node2" },
	{ told_mode, "kube-proxy-modes-mixed", SILENT, NULL }, /* kube-proxy-mode-differs tells it */
	{ two_behind, "kube-proxy-version-skew", SILENT, NULL },
	{ two_behind, "kube-proxy-versions-mixed", SILENT, NULL },
	{ four_behind, "kube-proxy-version-skew", SEVERITY_WARNING, "v1.32.9" },
	{ newer, "kube-proxy-version-skew", SEVERITY_WARNING, "it is newer" },
	{ without_slices, "kube-proxy-version-skew", SEVERITY_ERROR, "learns of no endpoint" },
	{ by_object, "kube-proxy-version-skew", SILENT, NULL },
	{ untagged, "kube-proxy-version-skew", SILENT, NULL },
	{ log_skew, "kube-proxy-version-skew", SEVERITY_ERROR, "does not fit" },
	{ stuck, "kube-proxy-versions-mixed", SEVERITY_WARNING, "stands still: 1 of 2" },
	{ on_delete, "kube-proxy-versions-mixed", SEVERITY_WARNING, "OnDelete" },
	{ going_on, "kube-proxy-versions-mixed", SILENT, NULL },
	{ log_lenient, "kube-proxy-config-lenient-decoding", SEVERITY_WARNING, "the text of the line" },
	{ log_lenient_over, "kube-proxy-config-lenient-decoding", SILENT, NULL },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct finding *f;
		struct lab l;

		lab_open(&l, LAB);
		rows[i].change(&l);
		diagnose(&l, NULL);
		f = find_finding(&l, rows[i].check);
		if ((f ? (int)f->severity : SILENT) != rows[i].severity)
			fail_msg("row %zu, %s: %s", i, rows[i].check, f ? f->text : "nothing is said");
		if (rows[i].text && !has_text(f, rows[i].text))
			fail_msg("row %zu: '%s' is not said: %s", i, rows[i].text, f->text);
		lab_release(&l);
	}
}

/* ---- the ConfigMap ---- */

static const struct {
	const char *text;
	const char *said; /* NULL: nothing */
} maps[] = {
	{ "kind: KubeProxyConfiguration\nmode: iptables\nclusterCIDR: 10.244.0.0/16\n", NULL },
	{ "kind: KubeProxyConfiguration\nmode: \"\"\nipvs:\n  strictARP: true\n  excludeCIDRs: null\n", NULL },
	{ "kind: KubeProxyConfiguration\nipvs:\n  mode: ipvs\n", "the mode that is written in its ConfigMap" },
	{ "kind: KubeProxyConfiguration\nmode: iptables\nstrictARP: true\n", "strictARP: true stands at the top, and belongs into the section ipvs" },
	{ "kind: KubeProxyConfiguration\nclusterCidr: 10.244.0.0/16\nmode: \"\"\n", "clusterCidr is no setting: clusterCIDR is" },
	{ "kind: KubeProxyConfiguration\n# Mode: ipvs\nmode: iptables\niptables:\n  masqueradeAll: false\n  mode: null\n", NULL },
	{ "kind: KubeProxyConfiguration\nmode: iptables\ndetectLocal:\n  bridgeInterface: cni0\n", NULL },
	/* against what the nodes have */
	{ "kind: KubeProxyConfiguration\nmode: nftables\n", "mode: the ConfigMap says nftables" },
	{ "kind: KubeProxyConfiguration\nclusterCIDR: 10.9.0.0/16\n", "clusterCIDR: the ConfigMap says 10.9.0.0/16, node1 has 10.244.0.0/16" },
	{ "kind: KubeProxyConfiguration\nmode: iptables\niptables:\n  minSyncPeriod: 10s\n  syncPeriod: 0s\n", "minSyncPeriod: the ConfigMap says 10s" },
	{ "kind: KubeProxyConfiguration\nmode: iptables\niptables:\n  minSyncPeriod: 1000ms\n  syncPeriod: 0.5m\n", NULL },
};

static void add_map(struct lab *l, const char *text)
{
	static struct k8s_configmap c;
	static struct k8s_label data;
	struct kube_proxy_config *m = &l->s.configmap_config;

	data = (struct k8s_label){ "config.conf", text };
	c = (struct k8s_configmap){ .meta = { .ns = "kube-system", .name = "kube-proxy" }, .data = &data, .ndata = 1 };
	l->s.cluster.configmaps.len = 0;
	assert_int_equal(array_push(&l->s.cluster.configmaps, &c), 0);
	*m = *conf(l, 0); /* what the reader would make of it, as far as a row says something */
	m->source = "ConfigMap kube-system/kube-proxy";
	m->mode = strstr(text, "\nmode: nftables") ? "nftables" : strstr(text, "\nmode: iptables") ? "iptables" : "";
	m->strict_arp = m->masquerade_all = -1;
	m->sync_period = strstr(text, "0.5m") ? "0.5m" : strstr(text, "syncPeriod: 0s") ? "0s" : NULL;
	m->min_sync_period = strstr(text, "1000ms") ? "1000ms" : strstr(text, "minSyncPeriod: 10s") ? "10s" : NULL;
	if (strstr(text, "10.9."))
		m->cluster_cidrs = range(2, "10.9.0.0/16");
}

static void test_maps(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
		const struct finding *f;
		struct lab l;

		lab_open(&l, LAB);
		add_map(&l, maps[i].text);
		diagnose(&l, NULL);
		f = find_finding(&l, "kube-proxy-config-lenient-decoding");
		if (!f != !maps[i].said)
			fail_msg("map %zu: %s", i, f ? f->text : "nothing is said");
		if (f && !has_text(f, maps[i].said))
			fail_msg("map %zu: '%s' is not said: %s", i, maps[i].said, f->text);
		lab_release(&l);
	}
}

/* ---- the healthy ones ---- */

static void test_silent(void **state)
{
	static const char *const labs[] = { "lab-iptables-nft", "lab-iptables-legacy", "lab-ipvs", "lab-nftables" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(labs); i++) {
		char path[64];
		struct lab l;

		snprintf(path, sizeof(path), "tests/corpus/%s", labs[i]);
		lab_open(&l, path);
		diagnose(&l, NULL);
		for (size_t k = 0; k < l.d.findings.len; k++) {
			const char *id = l.d.findings.v[k]->check->id;

			for (size_t j = 0; j < ARRAY_LEN(rows); j++)
				if (strcmp(id, rows[j].check) == 0)
					fail_msg("%s: %s", labs[i], l.d.findings.v[k]->text);
		}
		lab_release(&l);
	}
}

/* ---- the table of the command ---- */

static void test_proxy_rows(void **state)
{
	static const struct diagnose_options o = { .axes = { [AXIS_RULES] = true }, .axes_given = true };
	struct proxy_report p = { 0 };
	struct lab l;

	(void)state;
	lab_open(&l, LAB);
	pods_outside_node1(&l);
	conf(&l, 1)->min_sync_period = "10s";
	conf(&l, 0)->conntrack_max_per_core = 32768;
	conf(&l, 0)->conntrack_min = 300000; /* the node has 262144 */
	assert_int_equal(proxy_run(&l.s, &o, &p, &l.d), 0);
	assert_int_equal(p.rows.len, 2);
	assert_int_equal(p.rows.v[0].state, PROXY_FAULTY);
	assert_int_equal(p.rows.v[1].state, PROXY_WELL);
	assert_true(p.rows.v[0].findings.len > 0 && strcmp(p.rows.v[0].findings.v[0]->check->id, "clustercidr-mismatch") == 0);
	assert_true(p.rows.v[1].settings[KEY_MIN_SYNC_PERIOD].value && !p.rows.v[1].settings[KEY_MIN_SYNC_PERIOD].standard);
	assert_true(p.rows.v[0].settings[KEY_MIN_SYNC_PERIOD].standard && p.rows.v[0].settings[KEY_SYNC_PERIOD].standard);
	assert_null(p.rows.v[0].settings[KEY_STRICT_ARP].value); /* of another mode */
	assert_true(p.rows.v[0].rules_known && p.rows.v[0].wanted > 0 && p.rows.v[0].wanted == p.rows.v[0].complete);
	assert_true(p.rows.v[0].conntrack_asked == 300000 && p.rows.v[0].conntrack_max == 262144);
	assert_true(p.rows.v[1].conntrack_asked == 0); /* maxPerCore 0: as it is */
	for (size_t i = 0; i < l.d.findings.len; i++)
		assert_true(l.d.findings.v[i]->check->scope != SCOPE_SERVICE);
	proxy_report_release(&p);
	lab_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_proxy_rows),
	};

	return cmocka_run_group_tests_name("proxy_config", tests, NULL, NULL);
}
