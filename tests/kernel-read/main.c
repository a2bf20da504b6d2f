/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One reader of the kernel for the tests: `kernel_read NAME` prints its text on stdout, and on stderr how the reading ended and why.
 * Exit status: 0 read, 3 absent, 4 denied, 5 changed, 6 failed, 2 no such NAME. `kernel_read NAME N` reads N times and prints the last.
 * Before NAME: `--netns NETNS` and `--pid PID` go there first (status 7 where that fails, with why), `--drop` drops the capabilities;
 * NAME may be "cat PATH", then: a file as this process sees it, and "has N": status 0 where capability number N is there, else 1.
 * `--each` reads once with each allocation failing: status 9, and which one, where a reading is then neither whole nor out of memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <svcdoctor/kernel.h>

#include "../alloc/one.h"

/* ---- readers ---- */

static int legacy4(struct kernel_text *t)
{
	return kernel_xtables_legacy(false, t);
}

static int legacy6(struct kernel_text *t)
{
	return kernel_xtables_legacy(true, t);
}

static int nft_part(struct kernel_text *t, unsigned which)
{
	struct kernel_text all[3] = { 0 };
	int r = kernel_nft(&all[0], &all[1], &all[2]);

	*t = all[which];
	for (unsigned i = 0; i < 3; i++)
		if (i != which)
			kernel_text_release(&all[i]);
	return r;
}

static int nft4(struct kernel_text *t)
{
	return nft_part(t, 0);
}

static int nft6(struct kernel_text *t)
{
	return nft_part(t, 1);
}

static int nft_json(struct kernel_text *t)
{
	return nft_part(t, 2);
}

/* All three of one reading: `kernel_read nft` for times. */
static int nft_all(struct kernel_text *t)
{
	struct kernel_text save6 = { 0 }, json = { 0 };
	int r = kernel_nft(t, &save6, &json);

	strbuf_adds(&t->text, strbuf_str(&save6.text));
	strbuf_adds(&t->text, strbuf_str(&json.text));
	kernel_text_release(&save6);
	kernel_text_release(&json);
	return r;
}

static const struct reader {
	const char *name;
	int (*read)(struct kernel_text *t);
} readers[] = {
	{ "legacy4", legacy4 },
	{ "legacy6", legacy6 },
	{ "nft", nft_all },
	{ "nft4", nft4 },
	{ "nft6", nft6 },
	{ "nftjson", nft_json },
	{ "ipset", kernel_ipset },
	{ "ipvs", kernel_ipvs },
	{ "ipvsln", kernel_ipvs_ln },
	{ "addr", kernel_ip_addr },
	{ "link", kernel_ip_link },
	{ "route", kernel_ip_route },
	{ "rule", kernel_ip_rule },
	{ "neigh", kernel_ip_neigh },
	{ "fdb", kernel_bridge_fdb },
	{ "sysctl", kernel_sysctl },
	{ "conntrack", kernel_conntrack_stats },
	{ "connections", kernel_conntrack },
	{ "sockets", kernel_sockets },
	{ "modules", kernel_modules },
	{ "uname", kernel_uname },
	{ "counters", kernel_counters },
	{ "neighbours", kernel_neigh_stats },
	{ "locks", kernel_locks },
	{ "offloads", kernel_offloads },
	{ "recent", kernel_recent },
	{ "timeouts", kernel_ipvs_timeouts },
};

static int show(const struct kernel_text *t, int r)
{
	static const char *const states[] = { "read", "absent", "denied", "changed", "failed" };
	static const int codes[] = { 0, 3, 4, 5, 6 };

	(void)fprintf(stderr, "%s%s: %s%s%s\n", states[t->state], t->partial ? ", partial" : "", t->why, t->lacks ? " lacks " : "",
		      t->lacks ? t->lacks : "");
	if (fwrite(strbuf_str(&t->text), 1, t->text.len, stdout) != t->text.len || fflush(stdout) != 0)
		return 1;
	return r < 0 ? codes[KERNEL_FAILED] : codes[t->state];
}

static int enter(const char *netns, pid_t pid)
{
	const char *lacks = NULL;
	char why[160] = "";
	int r = kernel_netns_enter(netns, pid, why, &lacks);

	if (r == 0)
		return 0;
	(void)fprintf(stderr, "%d: %s%s%s\n", r, why, lacks ? " lacks " : "", lacks ? lacks : "");
	return 7;
}

static int show_file(const char *path)
{
	char *data = NULL;
	size_t size = 0;
	int r = file_read_at(AT_FDCWD, path, 1u << 20, &data, &size);

	if (r == 0 && fwrite(data, 1, size, stdout) != size)
		r = -1;
	free(data);
	return r < 0;
}

/* Did a reading end as it may where memory was short? @whole: what it is when nothing fails. */
static bool ended_well(const struct kernel_text *t, int r, const struct kernel_text *whole)
{
	if (r == -ENOMEM)
		return t->state == KERNEL_FAILED && t->text.len == 0;
	return r == 0 && t->state == whole->state && t->text.len == whole->text.len;
}

#define EACH_MAX 3000u

static int read_each(const struct reader *reader)
{
	struct kernel_text whole = { 0 };
	int r = reader->read(&whole), bad = 0;

	for (size_t i = 1; r == 0 && !bad && i <= EACH_MAX; i++) {
		struct kernel_text t = { 0 };

		allocations = 0;
		failing = i;
		r = reader->read(&t);
		failing = 0;
		bad = ended_well(&t, r, &whole) ? 0 : 9;
		if (bad)
			(void)fprintf(stderr, "allocation %zu: %d, state %d, %zu bytes, not %zu: %s\n", i, r, (int)t.state, t.text.len, whole.text.len, t.why);
		kernel_text_release(&t);
		r = 0;
		if (allocations < i)
			break;
	}
	kernel_text_release(&whole);
	return r < 0 ? 6 : bad;
}

/* The words before NAME, which are taken away. 0, or the exit status. */
static int prepare(int *argc, char ***argv, bool *each)
{
	int r = 0;

	while (r == 0 && *argc > 2 && strncmp((*argv)[1], "--", 2) == 0) {
		const char *word = (*argv)[1], *value = (*argv)[2];
		const int taken = strcmp(word, "--drop") == 0 || strcmp(word, "--each") == 0 ? 1 : 2;

		*each |= strcmp(word, "--each") == 0;
		if (strcmp(word, "--each") == 0)
			r = 0;
		else if (taken == 1)
			r = kernel_drop_capabilities() < 0 ? 8 : 0;
		else
			r = strcmp(word, "--pid") == 0 ? enter(NULL, (pid_t)strtol(value, NULL, 10)) : enter(value, 0);
		*argc -= taken;
		*argv += taken;
	}
	return r;
}

int main(int argc, char **argv)
{
	bool each = false;
	int failed = prepare(&argc, &argv, &each);
	long times = argc > 2 ? strtol(argv[2], NULL, 10) : 1;

	if (failed)
		return failed;
	if (argc > 2 && strcmp(argv[1], "cat") == 0)
		return show_file(argv[2]);
	if (argc > 2 && strcmp(argv[1], "has") == 0)
		return !kernel_has_capability((int)times);
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(readers); i++) {
		if (strcmp(argv[1], readers[i].name) != 0)
			continue;
		if (each)
			return read_each(&readers[i]);
		for (;;) {
			struct kernel_text t = { 0 };
			int r = readers[i].read(&t);

			if (--times > 0) {
				kernel_text_release(&t);
				continue;
			}
			r = show(&t, r);
			kernel_text_release(&t);
			return r;
		}
	}
	(void)fprintf(stderr, "usage: kernel_read NAME [TIMES]\n");
	return 2;
}
