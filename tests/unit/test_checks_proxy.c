/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube-proxy, node by node: which line of its log makes which finding and which is history, what its ports tell, and what a finding of the node
 * explains. Logs are written down as the summaries that lib/klog would make of them; whole fleets are in test_fleet.py.
 */
#include <math.h>

#include "../../lib/checks/proxy-sync-private.h"
#include "lab.h"
#include "objects.h"

#define NOW "2026-11-21T10:00:00Z"
#define PROXY_POD(status) \
	"{'kind':'Pod','metadata':{'name':'kube-proxy-x','namespace':'kube-system','labels':{'k8s-app':'kube-proxy'}},'spec':{'nodeName':'w1','containers':[{" \
	"'name':'kube-proxy','image':'registry.k8s.io:5000/kube-proxy:v1.28.4@sha256:00'}]},'status':{" status "}}"
#define RUNS \
	"'phase':'Running','conditions':[{'type':'ContainersReady','status':'True'},{'type':'Ready','status':'True'}],'containerStatuses':[{'name':'kube-proxy'," \
	"'ready':true,'restartCount':0,'state':{'running':{'startedAt':'2026-11-21T00:00:00Z'}}}]"
#define CRASHES \
	"'phase':'Running','conditions':[{'type':'Ready','status':'False'}],'containerStatuses':[{'name':'kube-proxy','ready':false,'restartCount':9," \
	"'state':{'waiting':{'reason':'CrashLoopBackOff'}},'lastState':{'terminated':{'reason':'Error','exitCode':1}}}]"
#define W1 NODES(NODE("w1", "worker", "192.0.2.1"))
#define BASE SVCS(SVC("s", PLAIN)), GOOD, W1

static const struct log_kind
	failed_list = { .id = "list-failed", .weight = LOG_ERROR, .check = "kube-proxy-apiserver-unreachable", .meaning = "a list failed", .topic = TOPIC_API },
	waits = { .id = "waits", .weight = LOG_WARNING, .check = "kube-proxy-apiserver-unreachable", .meaning = "it waits", .topic = TOPIC_API },
	noise = { .id = "watch-ended", .weight = LOG_HARMLESS, .check = "reflector-watch-restart-noise", .meaning = "a watch ended", .topic = TOPIC_API },
	unset = { .id = "addresses-unset", .weight = LOG_HARMLESS, .check = "nodeport-addresses-unset-notice", .meaning = "a remark", .topic = TOPIC_START },
	nfacct = { .id = "nfacct", .weight = LOG_HARMLESS, .check = "nfacct-missing", .meaning = "no counters", .topic = TOPIC_NONE },
	empty_mode = { .id = "mode-empty", .weight = LOG_HARMLESS, .check = "proxy-mode-empty-notice", .meaning = "no mode", .topic = TOPIC_START },
	deprecated = { .id = "ipvs-deprecated", .weight = LOG_HARMLESS, .check = "ipvs-deprecation-notice", .meaning = "deprecated", .topic = TOPIC_START },
	restore = { .id = "restore", .weight = LOG_ERROR, .check = "iptables-restore-failing", .meaning = "iptables-restore failed", .topic = TOPIC_SYNC },
	sync_failed = { .id = "sync-failed", .weight = LOG_ERROR, .check = "kube-proxy-not-syncing", .meaning = "a sync failed", .topic = TOPIC_SYNC },
	ends = { .id = "server", .weight = LOG_ERROR, .check = NULL, .meaning = "it ends", .topic = TOPIC_START },
	serves = { .id = "healthz", .weight = LOG_ERROR, .check = "kube-proxy-healthz-bind-failure", .meaning = "a port", .topic = TOPIC_HEALTH };
static const struct log_kind
	forbidden = { .id = "api-forbidden", .weight = LOG_ERROR, .check = "kube-proxy-rbac", .meaning = "it may not read that", .topic = TOPIC_API },
	expired = { .id = "api-expired", .weight = LOG_ERROR, .check = "kube-proxy-apiserver-unreachable", .meaning = "a certificate has expired", .topic = TOPIC_API },
	lock = { .id = "lock", .weight = LOG_ERROR, .check = "xtables-lock-contention", .meaning = "another program holds the lock", .topic = TOPIC_SYNC },
	extension = { .id = "extension", .weight = LOG_ERROR, .check = "xt-modules-missing", .meaning = "a module is missing", .topic = TOPIC_SYNC },
	nft = { .id = "nft", .weight = LOG_ERROR, .check = "nft-userdata-incompat", .meaning = "nft refuses a rule", .topic = TOPIC_SYNC },
	sysctl = { .id = "sysctl", .weight = LOG_ERROR, .check = "kube-proxy-crashloop-conntrack-sysctl", .meaning = "a sysctl", .topic = TOPIC_START },
	no_ipvs = { .id = "ipvs", .weight = LOG_ERROR, .check = "kube-proxy-crashloop-ipvs-modules", .meaning = "the kernel cannot do IPVS", .topic = TOPIC_START },
	no_nft = { .id = "no-nft", .weight = LOG_ERROR, .check = "kube-proxy-nft-binary-or-version", .meaning = "there is no nft", .topic = TOPIC_START },
	no_conntrack = { .id = "no-conntrack", .weight = LOG_ERROR, .check = "conntrack-binary-missing", .meaning = "no conntrack", .topic = TOPIC_CONNTRACK };

#define LIST "failed to list *v1.EndpointSlice: Get \"https://10.1.2.3:6443/apis/discovery.k8s.io/v1/endpointslices?limit=500\": "

/* ---- a node with a log ---- */

static struct snap_node *node_of(struct lab *l)
{
	struct snap_node *n = snapshot_node(&l->s, "w1", true);

	assert_non_null(n);
	l->s.now = log_time(NOW, 0);
	return n;
}

static void log_of(struct lab *l, const struct log_hit *h, bool previous)
{
	struct snap_log log = { .program = LOG_KUBE_PROXY, .node = "w1", .file = "nodes/w1/kube-proxy.log", .previous = previous };

	(void)node_of(l);
	assert_int_equal(array_push(&log.summary.hits, *h), 0);
	log.summary.lines = 100;
	log.summary.started_line = 10;
	log.summary.starts = 1;
	log.summary.until = "2026-11-21T09:59:58Z";
	assert_int_equal(array_push(&l->s.logs, log), 0);
}

#define HIT(kind_, reason_, ...) \
	{ .kind = (kind_), .reason = (reason_), .count = 3, .first = "2026-11-21T09:19:00Z", .since = "2026-11-21T09:19:00Z", .last = "2026-11-21T09:59:30Z", .first_line = 20, \
	  .last_line = 90, __VA_ARGS__ }

static const struct {
	struct log_hit hit;
	const char *check, *text; /* NULL: nothing at all is said of kube-proxy */
	bool warning;		  /* it does not keep rules from being written, or is of a process that may run again */
} lines[] = {
	{ HIT(&failed_list, &expired, .detail = LIST "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time"),
	  "kube-proxy-apiserver-unreachable",
	  "kube-proxy on w1 has not synced for 41 minutes: it cannot reach the API server at https://10.1.2.3:6443 (x509: certificate has expired)", false },
	{ HIT(&failed_list, NULL, .detail = LIST "dial tcp 10.1.2.3:6443: connect: connection refused"), "kube-proxy-apiserver-unreachable", "(connection refused)", false },
	{ HIT(&failed_list, NULL, .detail = LIST "dial tcp 10.1.2.3:6443: i/o timeout"), "kube-proxy-apiserver-unreachable", "(time-out)", false },
	{ HIT(&failed_list, NULL, .text = "E1121 failed to list: Get \"https://api.example:6443/x\": dial tcp: lookup api.example on 8.8.8.8:53: no such host"),
	  "kube-proxy-apiserver-unreachable", "at https://api.example:6443 (no such host)", false },
	{ HIT(&failed_list, NULL, .detail = LIST "x509: certificate signed by unknown authority"), "kube-proxy-apiserver-unreachable", "unknown authority)", false },
	{ HIT(&failed_list, NULL, .detail = "failed to list *v1.Service: Unauthorized"), "kube-proxy-apiserver-unreachable", "the API server (Unauthorized)", false },
	{ HIT(&failed_list, NULL, .detail = LIST "dial tcp 10.1.2.3:6443: connect: no route to host"), "kube-proxy-apiserver-unreachable", "(no route to host)", false },
	{ HIT(&failed_list, &forbidden, .detail = "endpointslices.discovery.k8s.io is forbidden: User \"u\" cannot list resource \"endpointslices\" in API group "
						  "\"discovery.k8s.io\" at the cluster scope"),
	  "kube-proxy-rbac", "it may not read endpointslices.discovery.k8s.io (forbidden)", false },
	{ HIT(&restore, NULL, .detail = "exit status 1: iptables-restore: line 21 failed"), "iptables-restore-failing", "line 21 failed", false },
	{ HIT(&restore, &lock, .detail = "exit status 4"), "xtables-lock-contention", "the lock of iptables, which another program holds", false },
	{ HIT(&restore, &extension, .detail = "Extension statistic revision 0 not supported"), "xt-modules-missing", "the kernel does not have xt_statistic", false },
	{ HIT(&sync_failed, &nft, .detail = "Error: Could not process rule"), "nft-userdata-incompat", "nft refuses them: nft refuses a rule", false },
	{ HIT(&sync_failed, NULL, .text = "Sync failed"), "kube-proxy-not-syncing", "has not synced for 41 minutes", false },
	{ HIT(&ends, &sysctl, .detail = "open /proc/sys/net/netfilter/nf_conntrack_max: permission denied"), "kube-proxy-crashloop-conntrack-sysctl",
	  "kube-proxy on w1 does not start: it may not write /proc/sys/net/netfilter/nf_conntrack_max", true },
	{ HIT(&ends, &no_ipvs, .detail = "can't use the IPVS proxier"), "kube-proxy-crashloop-ipvs-modules", "does not start: it says: the kernel cannot do IPVS", true },
	{ HIT(&ends, &no_nft, .detail = "could not find nftables binary"), "kube-proxy-nft-binary-or-version", "there is no nft", true },
	{ HIT(&serves, NULL, .detail = "listen tcp 0.0.0.0:10256: bind: address already in use"), "kube-proxy-healthz-bind-failure", "address already in use", true },
	{ HIT(&sync_failed, &no_conntrack, .detail = "exec: \"conntrack\": executable file not found"), "conntrack-binary-missing", "the program conntrack", true },
	{ { .kind = &failed_list, .reason = &expired, .count = 3, .first = "2026-11-21T09:19:00Z", .since = "2026-11-21T09:57:00Z", .last = "2026-11-21T09:59:30Z",
	    .last_line = 90, .detail = LIST "x509: certificate has expired" }, "kube-proxy-apiserver-unreachable",
	  "kube-proxy on w1 has not synced for 3 minutes: it cannot reach the API server", true },
	{ HIT(&failed_list, &forbidden, .detail = "servicecidrs.networking.k8s.io is forbidden: User \"u\" cannot list resource \"servicecidrs\""), "kube-proxy-rbac",
	  "kube-proxy on w1 may not read servicecidrs (forbidden)", true },
	{ HIT(&failed_list, &forbidden, .detail = "nodes \"w1\" is forbidden: User \"u\" cannot list resource \"nodes\" in API group \"\""), "kube-proxy-rbac",
	  "kube-proxy on w1 may not read nodes (forbidden)", true },
	{ HIT(&waits, NULL, .text = "Not syncing"), "kube-proxy-apiserver-unreachable", "has not heard from the API server of all that it needs", true },
	/* harmless, whatever letter stands before it */
	{ HIT(&noise, NULL, .text = "watch of *v1.Service ended with: very short watch"), NULL, NULL, false },
	{ HIT(&unset, NULL, .text = "nodePortAddresses is unset"), NULL, NULL, false },
	{ HIT(&nfacct, NULL, .text = "Failed to create nfacct runner"), NULL, NULL, false },
	{ HIT(&empty_mode, NULL, .text = "Flag proxy-mode=\"\" unknown, assuming iptables proxy"), NULL, NULL, false },
	{ HIT(&deprecated, NULL, .text = "The ipvs proxier is now deprecated"), NULL, NULL, false },
	/* history: over by a later line, of an earlier start, not written again, and no more than a start says */
	{ { .kind = &failed_list, .count = 9, .last = "2026-11-21T09:59:30Z", .last_line = 90, .over = true, .detail = LIST "connection refused" }, NULL, NULL, false },
	{ { .kind = &failed_list, .count = 9, .last = "2026-11-21T09:59:30Z", .last_line = 9, .detail = LIST "connection refused" }, NULL, NULL, false },
	{ { .kind = &failed_list, .count = 9, .last = "2026-11-21T09:40:00Z", .last_line = 90, .detail = LIST "connection refused" }, NULL, NULL, false },
	{ { .kind = &restore, .count = 9, .last = "2026-11-21T09:40:00Z", .last_line = 90, .detail = "exit status 1" }, NULL, NULL, false },
	{ { .kind = &waits, .count = 2, .first = "2026-11-21T09:59:40Z", .last = "2026-11-21T09:59:41Z", .last_line = 90, .text = "Not syncing" }, NULL, NULL, false },
};

static bool is_of_proxy(const struct finding *f)
{
	return f->axis == AXIS_RULES && f->severity > SEVERITY_INFO;
}

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		const char *const docs[] = { BASE, NULL };
		const struct finding *f;
		struct lab l;

		lab_read(&l, docs);
		log_of(&l, &lines[i].hit, false);
		diagnose(&l, NULL);
		f = lines[i].check ? find_finding(&l, lines[i].check) : NULL;
		if (lines[i].check && (!f || !has_text(f, lines[i].text)))
			fail_msg("line %zu: %s is not '%s', but '%s'", i, lines[i].check, lines[i].text, f ? f->text : "nothing");
		for (size_t k = 0; k < l.d.findings.len; k++)
			if (is_of_proxy(l.d.findings.v[k]) && l.d.findings.v[k] != f && !l.d.findings.v[k]->explained_by)
				fail_msg("line %zu: %s stands beside it", i, l.d.findings.v[k]->id);
		if (f) {
			assert_int_equal(f->severity, lines[i].warning ? SEVERITY_WARNING : SEVERITY_ERROR); /* for 41 minutes */
			assert_string_equal(f->node, "w1");
			assert_true(has_text(f, "nodes/w1/kube-proxy.log logs, 3 times from 2026-11-21T09:19:00Z"));
			assert_true(has_text(f, "journalctl -u kube-proxy"));
		}
		lab_release(&l);
	}
}

/* ---- what ports tell of a line ---- */

static double stamp(const char *t)
{
	return (double)log_time(t, 0);
}

static void check_ports(void (*make)(struct snap_node *n), const struct log_hit *h, const char *check, bool there)
{
	const char *const docs[] = { BASE, NULL };
	struct lab l;

	lab_read(&l, docs);
	log_of(&l, h, false);
	make(node_of(&l));
	diagnose(&l, NULL);
	if (!find_finding(&l, check) == there)
		fail_msg("%s is %s", check, there ? "not there" : "there");
	lab_release(&l);
}

static void synced_after(struct snap_node *n)
{
	n->proxy.metrics.known = n->proxy.metrics.by_family = true;
	for (size_t i = 0; i < 2; i++)
		n->proxy.metrics.family[i].synced = n->proxy.metrics.family[i].queued = stamp("2026-11-21T09:59:50Z");
}

static void one_family(struct snap_node *n)
{
	synced_after(n);
	n->proxy.metrics.family[1].synced = n->proxy.metrics.family[1].queued = stamp("2026-11-21T09:00:00Z");
}

static void both_as_one(struct snap_node *n)
{
	synced_after(n);
	n->proxy.metrics.by_family = false;
}

static void healthy_now(struct snap_node *n)
{
	n->proxy.healthz_known = n->proxy.healthy = true;
	n->proxy.healthz_last_updated = n->proxy.healthz_now = NOW;
}

static void test_ports_of_lines(void **state)
{
	static const struct log_hit api = HIT(&failed_list, NULL, .detail = LIST "connection refused"), rbac = HIT(&failed_list, &forbidden, .detail = "forbidden"),
				    write = HIT(&restore, NULL, .detail = "exit status 1: line 3 failed");

	(void)state;
	check_ports(synced_after, &api, "kube-proxy-apiserver-unreachable", false); /* a change came in since */
	check_ports(synced_after, &write, "iptables-restore-failing", false);
	check_ports(one_family, &write, "iptables-restore-failing", true);
	check_ports(both_as_one, &write, "iptables-restore-failing", true); /* it may be the other family that was synced */
	check_ports(synced_after, &rbac, "kube-proxy-rbac", true); /* other kinds may be read */
	check_ports(healthy_now, &api, "kube-proxy-apiserver-unreachable", true); /* it knows of nothing that waits */
	check_ports(healthy_now, &write, "iptables-restore-failing", true);
}

/* ---- the ports alone ---- */

static void not_healthy(struct snap_node *n)
{
	n->proxy.healthz_known = true;
	n->proxy.healthz_last_updated = "2026-11-21T09:19:00Z";
	n->proxy.healthz_now = NOW;
}

static void drained(struct snap_node *n)
{
	not_healthy(n);
	n->proxy.healthz_last_updated = NOW;
	n->proxy.eligible = 0;
}

static void drained_and_late(struct snap_node *n)
{
	drained(n);
	n->proxy.family_healthy[0] = 0;
	n->proxy.family_updated[0] = "2026-11-21T09:19:00Z";
}

static void lives(struct snap_node *n)
{
	not_healthy(n);
	n->proxy.ports[PROXY_LIVEZ] = (struct snap_port){ .end = PORT_ANSWERED, .status = 200 };
}

static void answers_503(struct snap_node *n)
{
	n->proxy.ports[PROXY_HEALTHZ] = (struct snap_port){ .end = PORT_ANSWERED, .status = 503 };
}

static void metrics_wait(struct snap_node *n)
{
	n->proxy.metrics.known = n->proxy.metrics.by_family = true;
	n->proxy.metrics.family[0].queued = stamp("2026-11-21T09:20:00Z");
	n->proxy.metrics.family[0].synced = stamp("2026-11-21T09:19:00Z");
}

static void metrics_fail(struct snap_node *n)
{
	metrics_wait(n);
	n->proxy.metrics.family[0].restore_failures = 17;
}

static void metrics_just_now(struct snap_node *n)
{
	metrics_wait(n);
	n->proxy.metrics.family[0].queued = stamp("2026-11-21T09:59:30Z");
}

static void no_answers(struct snap_node *n)
{
	n->proxy.metrics.known = true;
	n->proxy.metrics.api_failed = 12;
}

static void process(struct snap_node *n)
{
	n->proxy.processes_known = true;
	assert_int_equal(array_push(&n->proxy.processes, ((struct snap_process){ .pid = 7, .seconds = 1000, .command = "kube-proxy" })), 0);
}

static void silent(struct snap_node *n)
{
	process(n);
	n->proxy.ports[PROXY_HEALTHZ].end = PORT_SILENT;
}

static void refused(struct snap_node *n)
{
	process(n);
	n->proxy.ports[PROXY_HEALTHZ].end = PORT_REFUSED;
}

static void switched_off(struct snap_node *n)
{
	refused(n);
	n->proxy.config.known = true;
	n->proxy.config.healthz_bind_address = "";
}

static void metrics_refused(struct snap_node *n)
{
	process(n);
	n->proxy.ports[PROXY_METRICS].end = PORT_REFUSED;
}

static void no_process(struct snap_node *n)
{
	n->proxy.processes_known = n->proxy.has_log = true;
}

static void slow(struct snap_node *n)
{
	struct snap_histogram *h = &n->proxy.metrics.family[0].sync;

	n->proxy.metrics.known = true;
	h->count = 50;
	assert_int_equal(array_push(&h->buckets, ((struct snap_bucket){ 8, 10 })), 0);
	assert_int_equal(array_push(&h->buckets, ((struct snap_bucket){ 16, 50 })), 0);
}

static void few(struct snap_node *n)
{
	slow(n);
	n->proxy.metrics.family[0].sync.count = 5;
}

static void long_min(struct snap_node *n)
{
	n->proxy.config.known = true;
	n->proxy.config.min_sync_period = "30s";
}

static const struct {
	void (*make)(struct snap_node *n);
	const char *check;
	int severity;
	const char *text;
} ports[] = {
	{ not_healthy, "kube-proxy-healthz-stale", SEVERITY_WARNING, "has not synced for 41 minutes" },
	{ drained, "kube-proxy-healthz-stale", SILENT, NULL },
	{ drained_and_late, "kube-proxy-healthz-stale", SEVERITY_WARNING, "IPv4: last finished sync at 2026-11-21T09:19:00Z, not healthy" },
	{ lives, "kube-proxy-healthz-stale", SILENT, NULL },
	{ answers_503, "kube-proxy-healthz-stale", SEVERITY_WARNING, "says that it is not healthy" },
	{ healthy_now, "kube-proxy-healthz-stale", SILENT, NULL },
	{ metrics_wait, "kube-proxy-not-syncing", SEVERITY_ERROR, "a change came in 40 minutes ago, and the last finished sync was 41 minutes ago" },
	{ metrics_just_now, "kube-proxy-not-syncing", SILENT, NULL },
	{ metrics_fail, "iptables-restore-failing", SEVERITY_ERROR, "iptables-restore failed 17 times" },
	{ metrics_fail, "kube-proxy-not-syncing", SILENT, NULL },
	{ no_answers, "kube-proxy-apiserver-unreachable", SEVERITY_WARNING, "0 were refused, and 12 failed" },
	{ silent, "kube-proxy-port-silent", SEVERITY_WARNING, "its health port does not answer" },
	{ refused, "kube-proxy-port-silent", SEVERITY_WARNING, "its health port refuses connections" },
	{ switched_off, "kube-proxy-port-silent", SILENT, NULL },
	{ metrics_refused, "kube-proxy-port-silent", SILENT, NULL },
	{ no_process, "kube-proxy-not-running", SEVERITY_WARNING, "there is no such process" },
	{ process, "kube-proxy-not-running", SILENT, NULL },
	{ slow, "large-cluster-latency", SEVERITY_WARNING, "more than 5 seconds on 1 of 1 nodes" },
	{ few, "large-cluster-latency", SILENT, NULL },
	{ long_min, "min-sync-period-staleness", SEVERITY_INFO, "minSyncPeriod is 30s" },
};

static void test_ports(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		const char *const docs[] = { BASE, NULL };
		const struct finding *f;
		struct lab l;

		lab_read(&l, docs);
		ports[i].make(node_of(&l));
		diagnose(&l, NULL);
		f = find_finding(&l, ports[i].check);
		if ((f ? (int)f->severity : SILENT) != ports[i].severity)
			fail_msg("row %zu: %s: '%s'", i, ports[i].check, f ? f->text : "nothing");
		if (f && !has_text(f, ports[i].text))
			fail_msg("row %zu: %s: '%s'", i, ports[i].check, f->text);
		lab_release(&l);
	}
}

/* ---- a pod that ends again and again ---- */

static void test_crash(void **state)
{
	static const struct log_hit h = HIT(&ends, &sysctl, .detail = "open /proc/sys/net/netfilter/nf_conntrack_max: permission denied");
	const char *const docs[] = { SVCS(SVC("s", PLAIN)), W1, PODS(PROXY_POD(CRASHES)), NULL }, *const sound[] = { SVCS(SVC("s", PLAIN)), W1, PODS(PROXY_POD(RUNS)), NULL };
	const struct finding *f;
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	(void)node_of(&l);
	diagnose(&l, NULL);
	f = find_finding(&l, "kube-proxy-crashloop");
	assert_non_null(f);
	assert_true(has_text(f, "kubectl -n kube-system logs kube-proxy-x --previous"));
	assert_true(find_finding(&l, "kube-proxy-not-running")->explained_by == f);
	lab_release(&l);

	/* the container before tells why */
	lab_read(&l, docs);
	log_of(&l, &h, true);
	diagnose(&l, NULL);
	f = find_finding(&l, "kube-proxy-crashloop-conntrack-sysctl");
	assert_non_null(f);
	assert_null(f->explained_by);
	assert_null(find_finding(&l, "kube-proxy-crashloop"));
	assert_true(find_finding(&l, "kube-proxy-not-running")->explained_by == f);
	lab_release(&l);

	/* and is history where the one now runs */
	lab_read(&l, sound);
	log_of(&l, &h, true);
	diagnose(&l, NULL);
	assert_null(find_finding(&l, "kube-proxy-crashloop-conntrack-sysctl"));
	lab_release(&l);
}

static void test_unknown(void **state)
{
	static const struct log_hit h = HIT(&noise, NULL, .text = "harmless");
	const char *const docs[] = { BASE, NULL };
	const struct finding *f;
	struct lab l;

	(void)state;
	lab_read(&l, docs);
	log_of(&l, &h, false);
	assert_int_equal(array_push(&l.s.logs.v[0].summary.unknown, ((struct log_unknown){ .text = "the moon is full", .count = 2, .last_line = 50 })), 0);
	assert_int_equal(array_push(&l.s.logs.v[0].summary.unknown, ((struct log_unknown){ .text = "of a start before", .count = 1, .last_line = 5 })), 0);
	diagnose(&l, NULL);
	f = find_finding(&l, "kube-proxy-log-errors");
	assert_non_null(f);
	assert_int_equal(f->severity, SEVERITY_INFO);
	assert_true(has_text(f, "2 times, the moon is full"));
	assert_false(has_text(f, "of a start before"));
	lab_release(&l);
}

/* ---- what it explains ---- */

static void stale_rule(const char *dir)
{
	/* default/hostnames: one endpoint gets nothing */
	damage(dir, "iptables-nft-save.txt", "--to-destination 10.244.1.5:9376", "");
}

static void test_explains(void **state)
{
	static const struct log_hit h = HIT(&failed_list, &expired, .detail = LIST "x509: certificate has expired");
	const struct finding *f;
	char dir[] = LAB_DIR;
	struct lab l;

	(void)state;
	lab_copy(dir);
	stale_rule(dir);
	lab_open(&l, dir);
	for (size_t i = 0; i < l.s.logs.len; i++)
		log_summary_release(&l.s.logs.v[i].summary);
	array_free(&l.s.logs);
	log_of(&l, &h, false);
	l.s.logs.v[0].node = "node1";
	diagnose(&l, NULL);
	f = find_finding(&l, "kube-proxy-apiserver-unreachable");
	assert_non_null(f);
	assert_true(f->services.len >= 1);
	assert_int_equal(f->severity, SEVERITY_ERROR);
	for (size_t i = 0; i < l.d.findings.len; i++)
		if (l.d.findings.v[i] != f && str_is(l.d.findings.v[i]->node, "node1") && l.d.findings.v[i]->severity == SEVERITY_ERROR &&
		    str_starts(l.d.findings.v[i]->check->id, "rules-") && !l.d.findings.v[i]->explained_by)
			fail_msg("%s stands beside it", l.d.findings.v[i]->id);
	lab_release(&l);
	lab_remove(dir);
}

static void test_words(void **state)
{
	struct run r = { 0 };
	struct diagnosis d = { 0 };

	(void)state;
	r.d = &d;
	r.a = &d.arena;
	assert_string_equal(proxy_ago(&r, 0), "0 seconds");
	assert_string_equal(proxy_ago(&r, 59), "59 seconds");
	assert_string_equal(proxy_ago(&r, 90), "90 seconds");
	assert_string_equal(proxy_ago(&r, 41 * 60), "41 minutes");
	assert_string_equal(proxy_ago(&r, 3 * 3600 + 5), "3 hours");
	assert_string_equal(proxy_ago(&r, 49 * 3600), "2 days");
	arena_release(&d.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	 cmocka_unit_test(test_ports_of_lines), cmocka_unit_test(test_ports), cmocka_unit_test(test_crash),
		cmocka_unit_test(test_unknown),	 cmocka_unit_test(test_explains),	 cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
