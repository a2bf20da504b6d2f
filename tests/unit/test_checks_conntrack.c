/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries of conntrack beside the recorded cluster, whose rules are right: which are stale, which only look so. And what the node's counters and
 * sysctls tell. Real entries are made by tests/scenario/test_conntrack.py.
 */
#include <netinet/in.h>

#include "lab.h"
#include "lib/source/bundle-private.h"

/* kube-system/kube-dns: 10.96.0.10, endpoints 10.244.1.2 and 10.244.2.2, which changed at this time. */
#define CHANGED "2026-11-21T07:29:59Z"
#define HOUR 3600
#define UDP(timeout, reply, port, flag) \
	"udp 17 " timeout " src=10.244.1.9 dst=10.96.0.10 sport=4711 dport=53 " flag "src=" reply " dst=10.244.1.9 sport=" port " dport=4711\n"
#define TCP(timeout, state, reply) \
	"tcp 6 " timeout " " state " src=10.244.1.9 dst=10.96.0.10 sport=4711 dport=53 src=" reply " dst=10.244.1.9 sport=53 dport=4711 [ASSURED]\n"

#define GONE "stale-udp-conntrack-deleted-endpoint"
#define BARE "stale-udp-conntrack-no-dnat"
#define GHOST "tcp-connections-to-gone-pods"

static struct snap_node *node1(struct lab *l)
{
	struct snap_node *n = snapshot_node(&l->s, "node1", false);

	assert_non_null(n);
	n->proxy.healthz_now = NULL; /* the clock of the look is the snapshot's */
	return n;
}

static void set_flows(struct lab *l, const char *text)
{
	struct snap_node *n = node1(l);

	assert_int_equal(read_conntrack_flows(&n->flows, text, strlen(text), false, "conntrack.txt", &l->s.notes), 0);
}

static void set_sysctl(struct lab *l, const char *name, const char *value)
{
	char *copy = arena_strdup(&l->s.arena, value);

	assert_non_null(copy);
	assert_int_equal(map_puts(&node1(l)->facts.sysctl, name, copy), 0);
}

static void diagnose_again(struct lab *l)
{
	diagnosis_release(&l->d);
	l->d = (struct diagnosis){ 0 };
	diagnose(l, NULL);
}

/* ---- entries ---- */

static const struct {
	const char *flows;
	const char *check; /* NULL: nothing of these */
	int severity;
	const char *text;
	int ago; /* how long before the look the endpoints changed; 0: not told */
} entries[] = {
	/* to an endpoint, to none, in between */
	{ UDP("20", "10.244.1.2", "53", "[UNREPLIED] "), NULL, SILENT, NULL, HOUR },
	{ UDP("20", "10.244.1.77", "53", "[UNREPLIED] "), GONE, SEVERITY_ERROR,
	  "sudo conntrack -D -p udp --orig-dst 10.96.0.10 --dport 53 --reply-src 10.244.1.77", HOUR },
	{ UDP("20", "10.244.1.77", "53", "[UNREPLIED] "), GONE, SEVERITY_ERROR, "src=10.244.1.77 dst=10.244.1.9 sport=53 dport=4711, 20 seconds left", HOUR },
	{ UDP("20", "10.244.1.2", "5353", ""), GONE, SEVERITY_ERROR, "--reply-src 10.244.1.2 --reply-port-src 5353", HOUR },
	{ UDP("20", "10.244.1.77", "53", "") UDP("20", "10.244.1.78", "53", "") UDP("20", "10.244.1.2", "53", ""), GONE, SEVERITY_ERROR,
	  "on node node1 2 UDP connections to port 53 of kube-system/kube-dns still go to 10.244.1.77, 10.244.1.78, which is no endpoint of it any more", HOUR },
	/* the endpoints changed just now, or nobody knows when: kube-proxy may be at it */
	{ UDP("20", "10.244.1.77", "53", ""), GONE, SEVERITY_WARNING, NULL, 5 },
	{ UDP("20", "10.244.1.77", "53", ""), GONE, SEVERITY_WARNING, NULL, 0 },
	/* no packet came since then: 30 - 10 seconds ago was the last one, or 120 - 100 */
	{ UDP("10", "10.244.1.77", "53", ""), NULL, SILENT, NULL, 15 },
	{ UDP("10", "10.244.1.77", "53", ""), GONE, SEVERITY_ERROR, NULL, 25 },
	{ UDP("100", "10.244.1.77", "53", "") , GONE, SEVERITY_WARNING, NULL, 25 }, /* another time-out than the node has */
	{ "udp 17 100 src=10.244.1.9 dst=10.96.0.10 sport=1 dport=53 src=10.244.1.77 dst=10.244.1.9 sport=53 dport=1 [ASSURED]\n", NULL, SILENT, NULL, 15 },
	{ "udp 17 100 src=10.244.1.9 dst=10.96.0.10 sport=1 dport=53 src=10.244.1.77 dst=10.244.1.9 sport=53 dport=1 [ASSURED]\n", GONE, SEVERITY_ERROR, NULL, 25 },
	/* not translated */
	{ UDP("20", "10.96.0.10", "53", "[UNREPLIED] "), BARE, SEVERITY_ERROR, "--reply-src 10.96.0.10", HOUR },
	/* of others: another zone, another port, another address */
	{ "udp 17 20 src=10.244.1.9 dst=10.96.0.10 sport=1 dport=53 src=10.244.1.77 dst=10.244.1.9 sport=53 dport=1 zone=5\n", NULL, SILENT, NULL, HOUR },
	{ "udp 17 20 src=10.244.1.9 dst=10.96.0.10 sport=1 dport=54 src=10.244.1.77 dst=10.244.1.9 sport=53 dport=1\n", NULL, SILENT, NULL, HOUR },
	{ "udp 17 20 src=10.244.1.9 dst=10.96.0.11 sport=1 dport=53 src=10.244.1.77 dst=10.244.1.9 sport=53 dport=1\n", NULL, SILENT, NULL, HOUR },
	/* TCP: nothing sent, something sent, over, to a pod that is there, to an endpoint */
	{ TCP("4000", "ESTABLISHED", "10.244.1.77"), GHOST, SEVERITY_INFO, "is open to 10.244.1.77, where no pod is any more", HOUR },
	{ TCP("290", "ESTABLISHED", "10.244.1.77"), GHOST, SEVERITY_WARNING, "sudo conntrack -D -p tcp --orig-dst 10.96.0.10 --dport 53 --reply-src 10.244.1.77", HOUR },
	{ TCP("290", "TIME_WAIT", "10.244.1.77"), NULL, SILENT, NULL, HOUR },
	{ TCP("290", "ESTABLISHED", "10.244.1.5"), NULL, SILENT, NULL, HOUR },
	{ TCP("290", "ESTABLISHED", "10.244.1.2"), NULL, SILENT, NULL, HOUR },
	{ TCP("290", "ESTABLISHED", "172.30.99.2"), NULL, SILENT, NULL, HOUR },
};

static void check_entry(struct lab *l, size_t i)
{
	static const char *const ids[] = { GONE, BARE, GHOST, "stale-udp-conntrack-no-endpoints" };

	set_flows(l, entries[i].flows);
	l->s.now = entries[i].ago ? log_time(CHANGED, 0) + entries[i].ago : 0;
	diagnose_again(l);
	for (size_t k = 0; k < ARRAY_LEN(ids); k++) {
		const struct finding *f = find_finding(l, ids[k]);

		if (!str_is(entries[i].check, ids[k])) {
			if (f)
				fail_msg("%zu: %s: %s", i, ids[k], f->text);
			continue;
		}
		if (!f)
			fail_msg("%zu: no %s", i, ids[k]);
		assert_int_equal(f->severity, entries[i].severity);
		assert_string_equal(f->node, "node1");
		assert_int_equal(f->services.len, 1);
		if (entries[i].text && !has_text(f, entries[i].text))
			fail_msg("%zu: '%s' is not said: %s", i, entries[i].text, f->text);
	}
}

static void test_entries(void **state)
{
	struct lab l;

	(void)state;
	lab_open(&l, LAB);
	set_sysctl(&l, "net.netfilter.nf_conntrack_udp_timeout", "30");
	set_sysctl(&l, "net.netfilter.nf_conntrack_udp_timeout_stream", "120");
	set_sysctl(&l, "net.netfilter.nf_conntrack_tcp_timeout_established", "86400");
	diagnose(&l, NULL);
	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		check_entry(&l, i);
	lab_release(&l);
}

/* More addresses than commands; a finding of one node alone; nothing without rules that were compared but a warning. */
static void test_many(void **state)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct lab l;
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 12; i++)
		strbuf_addf(&b, "udp 17 20 src=10.244.1.9 dst=10.96.0.10 sport=1 dport=53 src=10.244.1.%d dst=10.244.1.9 sport=53 dport=1\n", 70 + i);
	assert_false(b.failed);
	lab_open(&l, LAB);
	set_flows(&l, b.s);
	l.s.now = log_time(CHANGED, 0) + HOUR;
	diagnose(&l, NULL);
	f = find_finding(&l, GONE);
	assert_non_null(f);
	assert_int_equal(f->fix.len, 8);
	assert_true(has_text(f, "and 4 more, to other addresses"));
	assert_true(has_text(f, "12 UDP connections"));
	diagnosis_release(&l.d);
	l.d = (struct diagnosis){ 0 };
	diagnose(&l, &(struct diagnose_options){ .node = "node2" });
	assert_null(find_finding(&l, GONE));
	lab_release(&l);
}

static void test_not_judged(void **state)
{
	char dir[] = LAB_DIR;
	struct lab l;
	const struct finding *f;

	(void)state;
	lab_copy(dir);
	damage(dir, "kube-proxy-configz.json", "{", "{}");
	lab_open(&l, dir);
	set_flows(&l, UDP("20", "10.244.1.77", "53", ""));
	ruleset_release(&node1(&l)->rules);
	ruleset_init(&node1(&l)->rules);
	node1(&l)->any_rules = false;
	for (size_t i = 0; i < DUMP_KINDS; i++)
		node1(&l)->dumps[i] = NOT_COLLECTED;
	l.s.now = log_time(CHANGED, 0) + HOUR;
	diagnose(&l, NULL);
	f = find_finding(&l, GONE);
	assert_non_null(f);
	assert_int_equal(f->severity, SEVERITY_WARNING);
	assert_true(has_text(f, "the rules of node node1 were not compared"));
	lab_release(&l);
	lab_remove(dir);
}

/* ---- the node ---- */

struct counts {
	const char *count, *max;
	uint64_t early, drop, failed, invalid;
	const char *range, *reserved, *flows;
	const char *check;
	int severity;
	const char *text;
};
#define FULL "conntrack-table-full"
#define RANGE "ephemeral-port-overlaps-nodeport"
#define SNAT "snat-port-in-nodeport-range"
/* default/web has the node port 32147/TCP */
#define OUTGOING(port) "tcp 6 300 ESTABLISHED src=10.244.1.9 dst=192.0.2.1 sport=5000 dport=443 src=192.0.2.1 dst=172.30.99.1 sport=443 dport=" port "\n"
static const struct counts nodes[] = {
	{ .count = "96", .max = "100", .check = FULL, .severity = SEVERITY_ERROR, .text = "is full: 96 of 100" },
	{ .count = "96", .max = "100", .check = FULL, .severity = SEVERITY_ERROR, .text = "sudo sysctl -w net.netfilter.nf_conntrack_max=200" },
	{ .count = "94", .max = "100", .check = FULL, .severity = SILENT },
	{ .count = "94", .max = "0", .check = FULL, .severity = SILENT },
	{ .count = "85", .max = "100", .early = 7, .check = FULL, .severity = SEVERITY_WARNING, .text = "early_drop 7" },
	{ .count = "10", .max = "100", .early = 7, .check = FULL, .severity = SEVERITY_INFO, .text = "7 entries were dropped early" },
	{ .count = "10", .max = "100", .drop = 7, .check = FULL, .severity = SILENT },
	{ .failed = 5000, .check = "conntrack-insert-failed-snat-race", .severity = SILENT }, /* every rule has random ports */
	{ .invalid = 5000, .check = "conntrack-invalid-rst", .severity = SILENT }, /* KUBE-FORWARD drops them */
	{ .range = "32768\t60999", .check = RANGE, .severity = SILENT },
	{ .range = "1024\t65535", .check = RANGE, .severity = SEVERITY_WARNING, .text = "sudo sysctl -w net.ipv4.ip_local_reserved_ports=30000-32767" },
	{ .range = "1024 65535", .reserved = "9000,30000-32767", .check = RANGE, .severity = SILENT },
	{ .range = "1024 65535", .reserved = "9000,30000-30001", .check = RANGE, .severity = SEVERITY_WARNING, .text = "30080 of default/my-nginx" },
	{ .range = "many", .check = RANGE, .severity = SILENT },
	{ .flows = OUTGOING("32147"), .check = SNAT, .severity = SEVERITY_INFO, .text = "leaves as 172.30.99.1 port 32147, the node port of " },
	{ .flows = OUTGOING("32148"), .check = SNAT, .severity = SILENT },
	{ .flows = "tcp 6 300 ESTABLISHED src=192.0.2.1 dst=172.30.99.1 sport=32147 dport=32147 src=10.244.2.5 dst=172.30.99.1 sport=80 dport=32147\n",
	  .check = SNAT, .severity = SILENT },
};

static void check_counts(struct lab *l, const struct counts *c)
{
	struct snap_node *n = node1(l);
	const struct finding *f;

	set_sysctl(l, "net.netfilter.nf_conntrack_count", c->count ? c->count : "1");
	set_sysctl(l, "net.netfilter.nf_conntrack_max", c->max ? c->max : "1000");
	set_sysctl(l, "net.netfilter.nf_conntrack_tcp_be_liberal", "0");
	set_sysctl(l, "net.ipv4.ip_local_port_range", c->range ? c->range : "32768\t60999");
	set_sysctl(l, "net.ipv4.ip_local_reserved_ports", c->reserved ? c->reserved : "");
	set_flows(l, c->flows ? c->flows : "");
	n->conntrack_known = true;
	n->early_drop = c->early;
	n->conntrack_drop = c->drop;
	n->insert_failed = c->failed;
	n->conntrack_invalid = c->invalid;
	diagnose_again(l);
	f = find_finding(l, c->check);
	if (c->severity == SILENT) {
		if (f)
			fail_msg("%s: %s", c->check, f->text);
		return;
	}
	if (!f)
		fail_msg("no %s for %s", c->check, c->text);
	assert_int_equal(f->severity, c->severity);
	if (!has_text(f, c->text))
		fail_msg("%s: '%s' is not said: %s", c->check, c->text, f->text);
}

static void test_nodes(void **state)
{
	struct lab l;

	(void)state;
	lab_open(&l, LAB);
	diagnose(&l, NULL);
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++)
		check_counts(&l, &nodes[i]);
	lab_release(&l);
}

/* A rule of another program masquerades with ports in order; kube-proxy's for what is invalid is missing. */
static void test_rules(void **state)
{
	char dir[] = LAB_DIR;
	struct lab l;

	(void)state;
	lab_copy(dir);
	damage(dir, "iptables-nft-save.txt", "-A KUBE-POSTROUTING -j MARK", "+-A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE\n");
	damage(dir, "iptables-nft-save.txt", "--ctstate INVALID", "");
	damage(dir, "ip6tables-nft-save.txt", "--ctstate INVALID", "");
	lab_open(&l, dir);
	diagnose(&l, NULL);
	check_counts(&l, &(struct counts){ .failed = 5000, .check = "conntrack-insert-failed-snat-race", .severity = SEVERITY_WARNING, .text = "172.17.0.0/16" });
	check_counts(&l, &(struct counts){ .failed = 5, .check = "conntrack-insert-failed-snat-race", .severity = SEVERITY_INFO, .text = "insert_failed 5" });
	check_counts(&l, &(struct counts){ .check = "conntrack-insert-failed-snat-race", .severity = SILENT });
	check_counts(&l, &(struct counts){ .invalid = 5000, .check = "conntrack-invalid-rst", .severity = SEVERITY_INFO, .text = "5000 packets" });
	check_counts(&l, &(struct counts){ .invalid = 50, .check = "conntrack-invalid-rst", .severity = SILENT });
	lab_release(&l);
	lab_remove(dir);
}

/* The kernel's line says that the table was full, and when. */
static void test_kernel_log(void **state)
{
	static const struct log_kind full = { .id = "x", .weight = LOG_ERROR, .check = FULL, .meaning = "the table is full" };
	static const struct {
		const char *last;
		int severity;
		const char *text;
	} rows[] = {
		{ "2026-11-21T08:20:00Z", SEVERITY_ERROR, "was full 9 minutes ago" },
		{ "2026-11-21T05:00:00Z", SEVERITY_WARNING, "was full 3 hours ago" },
		{ NULL, SEVERITY_WARNING, "has been full: the kernel dropped packets" },
	};
	struct lab l;

	(void)state;
	lab_open(&l, LAB);
	diagnose(&l, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct log_hit hit = { .kind = &full, .count = 3, .first = rows[i].last, .last = rows[i].last, .text = "nf_conntrack: table full" };
		struct snap_log log = { .program = LOG_KERNEL, .node = "node1" };

		assert_int_equal(array_push(&log.summary.hits, hit), 0);
		if (array_push(&l.s.logs, log) < 0)
			fail();
		l.s.now = log_time("2026-11-21T08:29:59Z", 0);
		check_counts(&l, &(struct counts){ .check = FULL, .severity = rows[i].severity, .text = rows[i].text });
		log_summary_release(&l.s.logs.v[--l.s.logs.len].summary);
	}
	lab_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries), cmocka_unit_test(test_many),  cmocka_unit_test(test_not_judged),
		cmocka_unit_test(test_nodes),	cmocka_unit_test(test_rules), cmocka_unit_test(test_kernel_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
