/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This machine as a node, over a kernel that says what a test wants it to: what is known of it then, and what is never judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <svcdoctor/kernel.h>
#include <svcdoctor/source.h>
#include <svcdoctor/verify.h>

/* ---- the kernel ---- */

enum { NFT, LEGACY4, LEGACY6, SETS, IPVS, FACTS, READERS };
struct answer {
	enum kernel_state state;
	const char *text, *lacks, *why;
};
static struct answer kernel[READERS];
static int entering; /* what kernel_netns_enter says */

static const char kube_rules[] = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\n"
				 ":KUBE-SEP-AAAAAAAAAAAAAAAA - [0:0]\n-A PREROUTING -j KUBE-SERVICES\n-A OUTPUT -j KUBE-SERVICES\n"
				 "-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment \"default/a cluster IP\" -m tcp --dport 80 -j KUBE-SVC-AAAAAAAAAAAAAAAA\n"
				 "-A KUBE-SVC-AAAAAAAAAAAAAAAA -m comment --comment \"default/a -> 10.244.1.2:80\" -j KUBE-SEP-AAAAAAAAAAAAAAAA\n"
				 "-A KUBE-SEP-AAAAAAAAAAAAAAAA -p tcp -m comment --comment \"default/a\" -m tcp -j DNAT --to-destination 10.244.1.2:80\nCOMMIT\n";

static int answer(unsigned reader, struct kernel_text *t, const char *text)
{
	const struct answer *a = &kernel[reader];

	t->state = a->state;
	t->lacks = a->lacks;
	(void)snprintf(t->why, sizeof(t->why), "%s", a->why ? a->why : "");
	if (a->state == KERNEL_READ)
		strbuf_adds(&t->text, a->text ? a->text : text);
	return t->text.failed ? -ENOMEM : 0;
}

int kernel_nft(struct kernel_text *save4, struct kernel_text *save6, struct kernel_text *json)
{
	int r = answer(NFT, save4, "");

	r = r < 0 ? r : answer(NFT, json, "{\"nftables\": []}");
	if (r == 0 && kernel[NFT].text)
		strbuf_reset(&json->text);
	save6->state = save4->state;
	save6->lacks = save4->lacks;
	memcpy(save6->why, save4->why, sizeof(save6->why));
	return r;
}

int kernel_xtables_legacy(bool ip6, struct kernel_text *ret) { return answer(ip6 ? LEGACY6 : LEGACY4, ret, ""); }
int kernel_ipset(struct kernel_text *ret) { return answer(SETS, ret, ""); }
int kernel_ipvs_both(struct kernel_text *save, struct kernel_text *ln)
{
	int r = answer(IPVS, save, "");

	return r < 0 ? r : answer(IPVS, ln, "");
}

int kernel_ip_addr(struct kernel_text *ret)
{
	return answer(FACTS, ret, "[{\"ifindex\":2,\"ifname\":\"eth0\",\"flags\":[\"UP\"],\"addr_info\":[{\"family\":\"inet\",\"local\":\"192.0.2.7\","
				  "\"prefixlen\":24,\"scope\":\"global\"}]}]");
}
int kernel_ip_link(struct kernel_text *ret) { return answer(FACTS, ret, "[{\"ifindex\":2,\"ifname\":\"eth0\",\"flags\":[\"UP\"]}]"); }
int kernel_ip_route(struct kernel_text *ret) { return answer(FACTS, ret, "[]"); }
int kernel_ip_rule(struct kernel_text *ret) { return answer(FACTS, ret, "[{\"priority\":0,\"src\":\"all\",\"table\":\"local\"}]"); }
int kernel_ip_neigh(struct kernel_text *ret) { return answer(FACTS, ret, "[]"); }
int kernel_bridge_fdb(struct kernel_text *ret) { return answer(FACTS, ret, "[]"); }
int kernel_sysctl(struct kernel_text *ret) { return answer(FACTS, ret, "net.ipv4.ip_forward = 1\n"); }
int kernel_conntrack_stats(struct kernel_text *ret) { return answer(FACTS, ret, ""); }
int kernel_sockets(struct kernel_text *ret) { return answer(FACTS, ret, "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\n"); }
int kernel_modules(struct kernel_text *ret) { return answer(FACTS, ret, ""); }
int kernel_counters(struct kernel_text *ret) { return answer(FACTS, ret, ""); }
int kernel_neigh_stats(struct kernel_text *ret) { return answer(FACTS, ret, ""); }
int kernel_locks(struct kernel_text *ret) { return answer(FACTS, ret, ""); }
int kernel_offloads(struct kernel_text *ret) { return answer(FACTS, ret, ""); }
int kernel_ipvs_timeouts(struct kernel_text *ret) { return answer(FACTS, ret, ""); }
int kernel_recent(struct kernel_text *ret) { return answer(FACTS, ret, ""); }
int kernel_conntrack(struct kernel_text *ret) { return answer(FACTS, ret, ""); }
int kernel_uname(struct kernel_text *ret) { return answer(FACTS, ret, "Linux n 6.1.0 #1\n"); }

int kernel_netns_enter(const char *netns, pid_t pid, char why[static 160], const char **ret_lacks)
{
	(void)netns;
	(void)pid;
	*ret_lacks = entering == -EPERM ? "CAP_SYS_ADMIN" : NULL;
	(void)snprintf(why, 160, "it needs CAP_SYS_ADMIN");
	return entering;
}

/* ---- one reading ---- */

struct fixture {
	struct snapshot s;
	struct snap_node *n;
	struct verify_report report;
	const char *lacks;
	bool rules;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	snapshot_init(&f->s);
	for (size_t i = 0; i < READERS; i++)
		kernel[i] = (struct answer){ .state = KERNEL_READ };
	kernel[IPVS] = (struct answer){ .state = KERNEL_ABSENT, .why = "nobody uses IPVS here" };
	entering = 0;
}

static void look(struct fixture *f)
{
	const struct node_live_want w = { 0 };
	const struct verify_options o = { 0 };
	struct node_live *l = NULL;

	assert_int_equal(node_live_read(&w, &f->s.notes, &l), 0);
	f->rules = node_live_has_rules(l, &f->lacks);
	assert_int_equal(node_live_add(&f->s, "n1", l), 0);
	node_live_free(l);
	assert_int_equal(snapshot_finish(&f->s), 0);
	assert_true(verify_services_from_rules(&f->s) >= 0);
	assert_int_equal(verify_run(&f->s, &o, &f->report), 0);
	f->n = snapshot_node(&f->s, "n1", false);
	assert_non_null(f->n);
}

static void end(struct fixture *f)
{
	verify_report_release(&f->report);
	snapshot_release(&f->s);
}

static size_t notes(const struct fixture *f, const char *code)
{
	size_t n = 0;

	for (size_t i = 0; i < f->s.notes.len; i++)
		n += strcmp(f->s.notes.v[i].code, code) == 0;
	return n;
}

static void is_not_judged(const struct fixture *f, const char *code, const char *why)
{
	assert_int_equal(f->report.differences.len, 0);
	assert_int_equal(f->report.nodes.len, 0);
	assert_int_equal(f->report.skipped.len, 1);
	assert_string_equal(f->report.skipped.v[0].code, code);
	if (!strstr(f->report.skipped.v[0].reason, why))
		fail_msg("'%s' says nothing of '%s'", f->report.skipped.v[0].reason, why);
}

/* ---- tests ---- */

static void test_read(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	kernel[NFT].text = kube_rules;
	look(&f);
	assert_true(f.rules);
	assert_null(f.lacks);
	for (size_t i = 0; i < f.s.notes.len; i++)
		print_error("%s: %s\n", f.s.notes.v[i].file, f.s.notes.v[i].text);
	assert_int_equal(f.s.notes.len, 0);
	for (int d = 0; d < DUMP_KINDS; d++) {
		assert_int_equal(f.n->dumps[d], KNOWN);
		assert_int_equal(f.n->dump_empty[d], d != DUMP_NFT4);
	}
	assert_true(f.n->facts.addrs_known && f.n->facts.routes_known && f.n->facts.sysctl_known && f.n->facts.neigh_known);
	assert_string_equal(f.n->kernel, "6.1.0");
	assert_string_equal(f.n->live, "this node 'n1'");
	assert_int_equal(f.report.nodes.len, 1);
	assert_int_equal(f.report.services, 1);
	assert_int_equal(f.report.differences.len, 0);
	end(&f);
}

/* Nobody has used it in this namespace: that is known. */
static void test_absent(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	for (size_t i = 0; i < FACTS; i++)
		kernel[i] = (struct answer){ .state = KERNEL_ABSENT, .why = "the kernel does not have it" };
	look(&f);
	for (int d = 0; d < DUMP_KINDS; d++)
		assert_true(f.n->dumps[d] == KNOWN && f.n->dump_empty[d]);
	assert_true(f.n->facts.routes_known);
	for (size_t i = 0; i < f.s.notes.len; i++)
		print_error("%s: %s\n", f.s.notes.v[i].file, f.s.notes.v[i].text);
	assert_int_equal(f.s.notes.len, 0);
	end(&f);
}

static void test_denied(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	for (size_t i = 0; i < FACTS; i++)
		kernel[i] = (struct answer){ .state = KERNEL_DENIED, .lacks = "CAP_NET_ADMIN", .why = "it needs CAP_NET_ADMIN" };
	look(&f);
	assert_false(f.rules);
	assert_string_equal(f.lacks, "CAP_NET_ADMIN");
	for (int d = 0; d < DUMP_KINDS; d++)
		assert_int_equal(f.n->dumps[d], FORBIDDEN);
	assert_true(f.n->facts.addrs_known);
	assert_false(f.n->any_rules);
	assert_int_equal(notes(&f, "forbidden"), 1); /* once, whatever depends on it */
	assert_int_equal(f.s.notes.len, 1);
	end(&f);
}

/* Whatever changed, its axis has no verdict: here of each reader of rules in turn. */
static void test_changed(void **state)
{
	static const unsigned readers[] = { NFT, LEGACY4, LEGACY6 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		struct fixture f;

		begin(&f);
		kernel[readers[i] == NFT ? LEGACY4 : NFT].text = kube_rules;
		kernel[readers[i]] = (struct answer){ .state = KERNEL_CHANGED, .why = "changed while reading" };
		look(&f);
		is_not_judged(&f, "unreadable", "changed while reading");
		assert_true(notes(&f, "changed") >= 1);
		end(&f);
	}
}

static void test_failed(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	kernel[NFT].text = kube_rules;
	kernel[LEGACY4] = (struct answer){ .state = KERNEL_FAILED, .why = "the kernel says no" };
	look(&f);
	assert_int_equal(f.n->dumps[DUMP_LEGACY4], UNREADABLE);
	is_not_judged(&f, "unreadable", "the kernel says no");
	end(&f);
}

/* The rest is there without it. */
static void test_facts_failed(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	kernel[NFT].text = kube_rules;
	kernel[FACTS] = (struct answer){ .state = KERNEL_FAILED, .why = "no" };
	look(&f);
	assert_false(f.n->facts.addrs_known || f.n->facts.routes_known || f.n->facts.links_known);
	assert_int_equal(f.report.nodes.len, 1);
	assert_int_equal(f.report.differences.len, 0);
	end(&f);
}

static void test_late(void **state)
{
	const struct node_live_want w = { .limit_ms = 1 };
	struct node_live *l = NULL;
	struct snapshot s;
	const char *lacks;
	int late = 0;

	(void)state;
	snapshot_init(&s);
	for (size_t i = 0; i < READERS; i++)
		kernel[i] = (struct answer){ .state = KERNEL_READ };
	/* how much is late depends on the machine; whatever is, is marked */
	assert_int_equal(node_live_read(&w, &s.notes, &l), 0);
	(void)node_live_has_rules(l, &lacks);
	assert_int_equal(node_live_add(&s, "n1", l), 0);
	node_live_free(l);
	for (int d = 0; d < DUMP_KINDS; d++) {
		late += s.nodes.v[0]->dumps[d] == LATE;
		assert_true(s.nodes.v[0]->dumps[d] == LATE || s.nodes.v[0]->dumps[d] == KNOWN);
	}
	assert_true(late == 0 || s.notes.len > 0);
	snapshot_release(&s);
}

static void test_entering(void **state)
{
	static const int results[] = { -EPERM, -ENOENT, SD_EUSAGE };
	struct node_live *l = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(results); i++) {
		const struct node_live_want w = { .netns = "x" };
		struct sd_notes n = { 0 };

		entering = results[i];
		assert_int_equal(node_live_read(&w, &n, &l), results[i]);
		assert_null(l);
		assert_int_equal(n.len, 1);
		assert_string_equal(n.v[0].code, results[i] == -EPERM ? "forbidden" : "netns");
		sd_notes_release(&n);
	}
	entering = 0;
}

/* The node itself goes before what a bundle said of it. */
static void test_before_bundle(void **state)
{
	struct fixture f;
	struct snap_node *n;

	(void)state;
	begin(&f);
	n = snapshot_node(&f.s, "n1", true);
	assert_non_null(n);
	n->dumps[DUMP_LEGACY4] = PARTLY_KNOWN;
	n->facts.addrs_known = true;
	n->proxy.mode = "iptables";
	kernel[NFT].text = kube_rules;
	look(&f);
	assert_int_equal(notes(&f, "double"), 1);
	assert_int_equal(f.n->dumps[DUMP_LEGACY4], KNOWN);
	assert_string_equal(f.n->proxy.mode, "iptables");
	end(&f);
}

static void test_name(void **state)
{
	const struct node_live_want w = { 0 }, other = { .netns = "/run/netns/pod1" };
	struct k8s_node_address address = { .type = "InternalIP" };
	struct k8s_node a = { .meta.name = "a", .addresses = &address, .naddresses = 1 }, b = { .meta.name = "b" };
	struct k8s_node *nodes[] = { &a, &b };
	struct arena arena = { 0 };
	struct sd_notes n = { 0 };
	struct k8s_cluster c;
	struct node_live *l = NULL;
	bool known;

	(void)state;
	for (size_t i = 0; i < READERS; i++)
		kernel[i] = (struct answer){ .state = KERNEL_READ };
	k8s_cluster_init(&c);
	c.nodes.v = (void *)nodes;
	c.nodes.len = 2;
	assert_int_equal(ip_addr_parse("192.0.2.7", &address.ip), 0);
	assert_int_equal(node_live_read(&w, &n, &l), 0);
	assert_string_equal(node_live_name(l, &c, &arena, &known), "a"); /* by its address */
	assert_true(known);
	assert_int_equal(ip_addr_parse("192.0.2.8", &address.ip), 0);
	assert_non_null(node_live_name(l, &c, &arena, &known)); /* the host name */
	assert_false(known);
	node_live_free(l);
	l = NULL;
	assert_int_equal(node_live_read(&other, &n, &l), 0);
	assert_string_equal(node_live_label(l, "x", &arena), "network namespace '/run/netns/pod1' of this machine");
	node_live_free(l);
	c.nodes.v = NULL;
	c.nodes.len = 0;
	k8s_cluster_release(&c);
	sd_notes_release(&n);
	arena_release(&arena);
}

/* ---- whose libc ---- */

static void put(const char *path)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs("loader", f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* A process with the root @root, which has gone there when this returns. */
static pid_t process_in(const char *root)
{
	int ends[2];
	char c = 'x';
	pid_t p;

	assert_int_equal(pipe(ends), 0);
	p = fork();
	assert_true(p >= 0);
	if (p == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || chroot(root) < 0 || write(ends[1], &c, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(close(ends[1]), 0);
	assert_int_equal(read(ends[0], &c, 1), 1);
	assert_int_equal(close(ends[0]), 0);
	return p;
}

/* The files of a process tell it, below its root: a link to this machine's loader is one to nowhere. */
static void test_libc(void **state)
{
	static const struct {
		const char *files[2], *link;
		int libc;
	} rows[] = {
		{ { "lib/ld-musl-x86_64.so.1" }, NULL, LIBC_MUSL },
		{ { "lib64/ld-linux-x86-64.so.2" }, NULL, LIBC_GLIBC },
		{ { "lib/ld-musl-aarch64.so.1", "lib64/ld-linux-x86-64.so.2" }, NULL, -1 },
		{ { NULL }, "lib/ld-musl-x86_64.so.1", -1 },
	};

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char root[] = "/tmp/svcdoctor-libc-XXXXXX", path[128];
		struct sd_notes notes CLEANUP(sd_notes_release) = { 0 };
		struct node_live *l = NULL;
		struct snapshot s;
		pid_t p;

		assert_non_null(mkdtemp(root));
		for (size_t k = 0; k < 2; k++) {
			snprintf(path, sizeof(path), "%s/%s", root, k ? "lib64" : "lib");
			assert_int_equal(mkdir(path, 0755), 0);
		}
		snprintf(path, sizeof(path), "%s/etc", root);
		assert_int_equal(mkdir(path, 0755), 0);
		snprintf(path, sizeof(path), "%s/etc/resolv.conf", root);
		put(path);
		for (size_t k = 0; k < 2 && rows[i].files[k]; k++) {
			snprintf(path, sizeof(path), "%s/%s", root, rows[i].files[k]);
			put(path);
		}
		snprintf(path, sizeof(path), "%s/%s", root, rows[i].link ? rows[i].link : "x");
		assert_int_equal(symlink("/usr/bin/env", path), 0);
		p = process_in(root);
		snapshot_init(&s);
		assert_int_equal(node_live_read(&(struct node_live_want){ .pid = p }, &notes, &l), 0);
		assert_int_equal(node_live_add(&s, "n", l), 0);
		node_live_free(l);
		assert_int_equal(kill(p, SIGKILL), 0);
		assert_int_equal(waitpid(p, NULL, 0), p);
		assert_int_equal(s.dns.len, 1);
		assert_int_equal(s.dns.v[0]->where, DNS_FROM_HERE);
		assert_int_equal(s.dns.v[0]->libc, rows[i].libc);
		assert_true(str_starts(s.dns.v[0]->label, "process "));
		snapshot_release(&s);
		snprintf(path, sizeof(path), "rm -rf %s", root);
		assert_int_equal(system(path), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),	     cmocka_unit_test(test_absent), cmocka_unit_test(test_denied),
		cmocka_unit_test(test_changed),	     cmocka_unit_test(test_failed), cmocka_unit_test(test_facts_failed),
		cmocka_unit_test(test_late),	     cmocka_unit_test(test_entering), cmocka_unit_test(test_before_bundle),
		cmocka_unit_test(test_name),	     cmocka_unit_test(test_libc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
