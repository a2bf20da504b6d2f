/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logs on this machine, as files of a bundle: kube-proxy's, wherever it runs (a pod, of which the kubelet keeps /var/log/pods/NS_POD_UID/CONTAINER/N.log;
 * a program that writes /var/log/kube-proxy.log; a unit of systemd, whose journal journalctl prints), and the kernel's. Only the end of a log is
 * taken where it is long. Nothing is waited for but journalctl, which is only run where there is a journal.
 */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle-private.h"
#include "node-live-private.h"
#include "run-private.h"

#define PODS "/var/log/pods"
#define POD_HEAD "kube-system_kube-proxy"
#define ENTRIES_MAX 100000
#define LOG_FILE "/var/log/kube-proxy.log"
#define JOURNAL_LINES "5000"
#define JOURNAL_MS 5000

/* ---- files ---- */

/* A regular file; what is none is not waited for. */
static int open_file(int at, const char *name, struct stat *st)
{
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_size > 0)
		return fd;
	fd_close(&fd);
	return -ENOENT;
}

/* The end of a file, from the beginning of a line, behind what is there. */
static int add_end(int at, const char *name, size_t max, struct strbuf *b)
{
	struct strbuf text CLEANUP(strbuf_release) = STRBUF_INIT;
	struct stat st = { 0 };
	int fd CLEANUP(fd_close) = open_file(at, name, &st);
	off_t from = fd >= 0 && (uint64_t)st.st_size > max ? st.st_size - (off_t)max : 0;
	char part[16384];
	ssize_t n;

	if (fd < 0 || (from > 0 && lseek(fd, from, SEEK_SET) < 0))
		return -ENOENT;
	while (text.len < max && (n = read(fd, part, sizeof(part))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		strbuf_add(&text, part, MIN((size_t)n, max - text.len));
	}
	if (from > 0)
		text_keep_end(&text, text.len - MIN(text.len, (size_t)1));
	strbuf_add(b, strbuf_str(&text), text.len);
	return text.failed || b->failed ? -ENOMEM : 0;
}

/* ---- /var/log/pods ---- */

/* What a container's folder holds: runs by their number, and of the last one what was put aside last, as long as it is not packed. */
struct runs {
	unsigned long last, before; /* ULONG_MAX: none */
	char aside[NAME_MAX + 1];
};

static bool run_of(const char *name, unsigned long *ret, const char **ret_rest)
{
	char *end;

	if (!isdigit((unsigned char)*name) || strlen(name) > 60)
		return false;
	errno = 0;
	*ret = strtoul(name, &end, 10);
	*ret_rest = end;
	return errno == 0 && str_starts(end, ".log");
}

static void take_run(struct runs *r, const char *name)
{
	unsigned long n;
	const char *rest;

	if (!run_of(name, &n, &rest) || rest[4] != '\0')
		return;
	if (r->last == ULONG_MAX || n > r->last) {
		r->before = r->last;
		r->last = n;
	} else if (n < r->last && (r->before == ULONG_MAX || n > r->before)) {
		r->before = n;
	}
}

/* "3.log.20240501-100000": pkg/kubelet/logs/container_log_manager.go; older ones end in ".gz". */
static void take_aside(struct runs *r, const char *name)
{
	unsigned long n;
	const char *rest;

	if (run_of(name, &n, &rest) && n == r->last && rest[4] == '.' && isdigit((unsigned char)rest[5]) && !str_ends(name, ".gz") && !str_ends(name, ".tmp") &&
	    strcmp(name, r->aside) > 0)
		(void)snprintf(r->aside, sizeof(r->aside), "%s", name);
}

static void list_runs(DIR *d, struct runs *ret)
{
	const struct dirent *e;

	*ret = (struct runs){ .last = ULONG_MAX, .before = ULONG_MAX };
	for (size_t n = 0; n < ENTRIES_MAX && (e = readdir(d)); n++)
		take_run(ret, e->d_name);
	rewinddir(d);
	for (size_t n = 0; n < ENTRIES_MAX && (e = readdir(d)); n++)
		take_aside(ret, e->d_name);
}

/* The folder whose last log was written last, of pods that may be gone. NULL: none. */
static DIR *newest_pod(struct runs *ret, struct timespec *ret_at)
{
	DIR *pods CLEANUP(close_dir) = opendir(PODS), *found = NULL;
	const struct dirent *e;

	for (size_t n = 0; pods && n < ENTRIES_MAX && (e = readdir(pods)); n++) {
		char path[sizeof(PODS) + NAME_MAX + sizeof("/kube-proxy")], name[32];
		struct runs runs;
		struct stat st;
		DIR *d;

		if (!str_starts(e->d_name, POD_HEAD))
			continue;
		(void)snprintf(path, sizeof(path), PODS "/%.255s/kube-proxy", e->d_name);
		d = opendir(path);
		if (!d)
			continue;
		list_runs(d, &runs);
		(void)snprintf(name, sizeof(name), "%lu.log", runs.last);
		if (runs.last == ULONG_MAX || fstatat(dirfd(d), name, &st, 0) < 0 ||
		    (found && (st.st_mtim.tv_sec < ret_at->tv_sec || (st.st_mtim.tv_sec == ret_at->tv_sec && st.st_mtim.tv_nsec <= ret_at->tv_nsec)))) {
			(void)closedir(d);
			continue;
		}
		close_dir(&found);
		found = d;
		*ret = runs;
		*ret_at = st.st_mtim;
	}
	return found;
}

static int push_text(struct node_live *l, const char *file, struct strbuf *b)
{
	if (b->failed)
		return -ENOMEM;
	if (b->len > 0)
		return node_live_push(l, file, b);
	strbuf_release(b);
	return 0;
}

static int add_run(struct node_live *l, const char *file, int at, const struct runs *r, unsigned long run)
{
	struct strbuf b = STRBUF_INIT;
	struct stat st = { 0 };
	char name[32];
	int e = 0;

	(void)snprintf(name, sizeof(name), "%lu.log", run);
	if (run == r->last && r->aside[0] && fstatat(at, name, &st, 0) == 0 && st.st_size < (off_t)SOURCE_LOG_CUT_MAX)
		e = add_end(at, r->aside, SOURCE_LOG_CUT_MAX - (size_t)st.st_size, &b);
	if (e != -ENOMEM)
		e = add_end(at, name, SOURCE_LOG_CUT_MAX, &b);
	if (e != -ENOMEM)
		return push_text(l, file, &b);
	strbuf_release(&b);
	return e;
}

/* ---- the journal ---- */

static const char *find_journalctl(void)
{
	static const char *const paths[] = { "/usr/bin/journalctl", "/bin/journalctl", "/run/current-system/sw/bin/journalctl" };

	if (access("/run/systemd/journal", F_OK) < 0 && access("/var/log/journal", F_OK) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

static int add_journal(struct node_live *l)
{
	static const char *const args[] = { "journalctl", "-u", "kube-proxy", "-o", "json", "--no-pager", "-n", JOURNAL_LINES, NULL };
	const char *program = find_journalctl();
	struct strbuf b = STRBUF_INIT;
	int r = program ? run_output(program, args, SOURCE_LOG_CUT_MAX, JOURNAL_MS, &b) : -ENOENT;

	/* what came before it took too long is the older part, which tells nothing of today */
	if (r == 0 && b.len > 0 && *b.s == '{')
		return push_text(l, "kube-proxy.log", &b);
	strbuf_release(&b);
	return r == -ENOMEM ? r : 0;
}

/* ---- all ---- */

static int add_log_file(struct node_live *l)
{
	struct strbuf b = STRBUF_INIT;
	int r = add_end(AT_FDCWD, LOG_FILE, SOURCE_LOG_CUT_MAX, &b);

	if (r != -ENOMEM)
		return push_text(l, "kube-proxy.log", &b);
	strbuf_release(&b);
	return r;
}

static bool is_newer(const struct stat *a, const struct timespec *b)
{
	return a->st_mtim.tv_sec > b->tv_sec || (a->st_mtim.tv_sec == b->tv_sec && a->st_mtim.tv_nsec > b->tv_nsec);
}

/* Of those that are there the one that was written last; a machine without any may have a unit. */
static int add_proxy_log(struct node_live *l)
{
	struct timespec at = { 0 };
	struct runs runs;
	DIR *pod CLEANUP(close_dir) = newest_pod(&runs, &at);
	struct stat st;
	int r;

	if (stat(LOG_FILE, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && (!pod || is_newer(&st, &at)))
		return add_log_file(l);
	if (!pod)
		return add_journal(l);
	r = add_run(l, "kube-proxy.log", dirfd(pod), &runs, runs.last);
	return r == 0 && runs.before != ULONG_MAX ? add_run(l, "kube-proxy.previous.log", dirfd(pod), &runs, runs.before) : r;
}

static int add_kernel_log(struct node_live *l)
{
	struct kernel_text t = { 0 };
	int r = kernel_log(&t);

	if (r == 0 && t.state == KERNEL_READ && t.text.len > 0)
		r = node_live_push(l, "dmesg.txt", &t.text);
	kernel_text_release(&t);
	return r;
}

int node_machine_logs(struct node_live *l)
{
	int r = l->elsewhere ? 0 : add_kernel_log(l);

	return r < 0 || l->elsewhere ? r : add_proxy_log(l);
}
