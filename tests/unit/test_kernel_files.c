/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a node's kernel is and counts: lsmod, nstat, ethtool, lnstat, ipvsadm, /proc/locks, versions; and all that is none of it. */
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

#include <svcdoctor/source.h>

#include <cmocka.h>

static const struct file {
	const char *name, *text;
} files[] = {
	{ "lsmod.txt", "Module                  Size  Used by\nip_vs_rr               16384  1\nip_vs                 221184  9 ip_vs_rr,xt_ipvs\nbad\n-x- y z\n" },
	{ "nstat.txt", "#kernel\nTcpExtIPReversePathFilter       4                  0.0\nIp6InReceives                   99                 0.0\nX y 0.0\n" },
	{ "ethtool.txt", "Features for flannel.1:\nrx-checksumming: on\ntx-checksumming: on\n\ttx-checksum-ipv4: off [fixed]\n\ttx-checksum-ip-generic: on\n"
			 "Features for vx.2:\ntx-checksum-ip-generic: off\nCannot get device settings: no\n" },
	{ "lnstat.txt", "==> arp_cache <==\nentries  allocs   table_fulls\n00000400 0000aac0 00000002\n00000400 00000001 00000003\n\n"
			"==> ndisc_cache <==\nentries  allocs   table_fulls\n00000001 00000000 00000000\n" },
	{ "ipvsadm-timeout.txt", "Timeout (tcp tcpfin udp): 900 120 300\n" },
	{ "locks.txt", "65024 10747905 /run/xtables.lock\n1: FLOCK  ADVISORY  WRITE 4711 fe:00:10747905 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 4712 fe:00:10747905 0 EOF\n"
		       "2: POSIX  ADVISORY  WRITE 99 fe:00:1074 0 EOF\n   4711 fail2ban-server\n" },
	{ "xt-recent.txt", "/sys/module/xt_recent/parameters/ip_list_tot:100\n 12 /proc/net/xt_recent/KUBE-SEP-AB\n 12 total\n 3 /proc/net/xt_recent/../x\n" },
	{ "versions.txt", "nftables v1.0.6 (Lester Gooch #5)\niptables v1.8.9 (nf_tables)\n" },
};

struct folder {
	char dir[64];
};

static void folder_make(struct folder *f)
{
	char path[160];

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/svcdoctor-kernel-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(path, sizeof(path), "mkdir -p %s/nodes/n1", f->dir);
	assert_int_equal(system(path), 0);
}

static void folder_remove(const struct folder *f)
{
	char command[160];

	(void)snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
}

static void put(const struct folder *f, const char *name, const char *text, size_t size)
{
	char path[160];
	FILE *out;

	(void)snprintf(path, sizeof(path), "%s/nodes/n1/%s", f->dir, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, size, out), size);
	assert_int_equal(fclose(out), 0);
}

static void put_all(const struct folder *f)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		put(f, files[i].name, files[i].text, strlen(files[i].text));
}

static const struct snap_offload *offload(const struct snap_kernel *k, const char *link, const char *feature)
{
	for (size_t i = 0; i < k->offloads.len; i++)
		if (str_is(k->offloads.v[i].link, link) && str_is(k->offloads.v[i].feature, feature))
			return &k->offloads.v[i];
	return NULL;
}

static void test_read(void **state)
{
	struct folder f;
	struct snapshot s;
	const struct snap_node *n;

	(void)state;
	folder_make(&f);
	put_all(&f);
	snapshot_init(&s);
	assert_int_equal(bundle_open(&s, f.dir), 0);
	n = snapshot_node(&s, "n1", false);
	assert_non_null(n);
	assert_int_equal(s.notes.len, 0);
	assert_true(n->k.modules_known && n->k.counters_known && n->k.neigh_known && n->k.ipvs_timeouts_known);
	assert_int_equal(n->k.modules.len, 2);
	assert_non_null(map_gets(&n->k.modules, "ip_vs"));
	assert_string_equal(map_gets(&n->k.counters, "TcpExtIPReversePathFilter"), "4");
	assert_int_equal(n->k.counters.len, 2);
	assert_true(offload(&n->k, "flannel.1", "tx-checksum-ip-generic")->on);
	assert_false(offload(&n->k, "flannel.1", "tx-checksum-ipv4")->on);
	assert_false(offload(&n->k, "vx.2", "tx-checksum-ip-generic")->on);
	assert_int_equal(n->k.neigh_entries[0], 1024); /* that of the table, and not a processor's */
	assert_int_equal(n->k.neigh_table_fulls[0], 5);
	assert_int_equal(n->k.neigh_entries[1], 1);
	assert_int_equal(n->k.ipvs_timeouts[0], 900);
	assert_int_equal(n->k.ipvs_timeouts[2], 300);
	assert_string_equal(n->proxy.lock_holder, "pid 4711 (fail2ban-server)");
	assert_int_equal(n->proxy.lock_waiting, 1);
	assert_int_equal(n->k.recent_limit, 100);
	assert_int_equal(n->k.recent.len, 1);
	assert_string_equal(n->k.recent.v[0].name, "KUBE-SEP-AB");
	assert_int_equal(n->k.recent.v[0].entries, 12);
	assert_string_equal(n->k.nft_version, "1.0.6");
	assert_string_equal(n->k.iptables_version, "1.8.9");
	snapshot_release(&s);
	folder_remove(&f);
}

/* A lock of another file with that inode, one that only waits, one of a process that is not seen. */
static void test_locks(void **state)
{
	static const struct {
		const char *text, *holder;
	} rows[] = {
		{ "65024 17 /run/xtables.lock\n1: FLOCK  ADVISORY  WRITE 4711 00:19:17 0 EOF\n", NULL },
		{ "65024 17 /run/xtables.lock\n1: FLOCK  ADVISORY  WRITE 4711 fe:00:170 0 EOF\n", NULL },
		{ "65024 17 /run/xtables.lock\n1: -> FLOCK  ADVISORY  WRITE 4711 fe:00:17 0 EOF\n", NULL },
		{ "65024 17 /run/xtables.lock\n1: FLOCK  ADVISORY  WRITE 4711 fe:00:17 0 EOF\n", "pid 4711" },
		{ "65024 17 /run/xtables.lock\n1: FLOCK  ADVISORY  WRITE -1 fe:00:17 0 EOF\n", "a process that cannot be seen from there" },
		{ "65024 17 /run/xtables.lock\n1: FLOCK  ADVISORY  WRITE 5 fe:00:17 0 EOF\n 6 other\n", "pid 5" },
		{ "1: FLOCK  ADVISORY  WRITE 5 fe:00:17 0 EOF\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *holder;
		struct folder f;
		struct snapshot s;

		folder_make(&f);
		put(&f, "locks.txt", rows[i].text, strlen(rows[i].text));
		snapshot_init(&s);
		assert_int_equal(bundle_open(&s, f.dir), 0);
		holder = snapshot_node(&s, "n1", false)->proxy.lock_holder;
		if (holder ? !str_is(rows[i].holder, holder) : rows[i].holder != NULL)
			fail_msg("row %zu: %s", i, holder);
		snapshot_release(&s);
		folder_remove(&f);
	}
}

/* Files that end anywhere, and bytes that stand anywhere: whatever is read of them, nothing is read that is not there. */
static void test_damaged(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (unsigned turn = 0; turn < 60; turn++) {
		struct folder f;
		struct snapshot s;

		folder_make(&f);
		for (size_t i = 0; i < ARRAY_LEN(files); i++) {
			char text[1024];
			size_t len = strlen(files[i].text);

			memcpy(text, files[i].text, len);
			for (unsigned k = 0; k < turn % 7; k++) {
				seed = seed * 1103515245u + 12345u;
				text[(seed >> 8) % len] = (char)(seed >> 20);
			}
			seed = seed * 1103515245u + 12345u;
			put(&f, files[i].name, text, turn % 2 ? (seed >> 8) % len : len);
		}
		snapshot_init(&s);
		assert_int_equal(bundle_open(&s, f.dir), 0);
		assert_int_equal(snapshot_finish(&s), 0);
		snapshot_release(&s);
		folder_remove(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests_name("kernel_files", tests, NULL, NULL);
}
