/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program of the machine whose output is read: journalctl. Bounded in time and output; nothing of it outlives the call. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run-private.h"

enum { GONE_MS = 5, GRACE_MS = 500 };

void text_keep_end(struct strbuf *b, size_t max)
{
	const char *nl = b->len > max ? memchr(b->s + b->len - max, '\n', max) : NULL;

	if (b->len <= max)
		return;
	b->len = nl ? (size_t)(b->s + b->len - (nl + 1)) : 0;
	memmove(b->s, nl ? nl + 1 : b->s, b->len);
	b->s[b->len] = '\0';
}

static int set_actions(posix_spawn_file_actions_t *f, int out)
{
	int r = posix_spawn_file_actions_adddup2(f, out, STDOUT_FILENO);

	if (r == 0)
		r = posix_spawn_file_actions_addopen(f, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(f, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
	if (r == 0) /* ours are close-on-exec; a library's may not be */
		r = posix_spawn_file_actions_addclosefrom_np(f, STDERR_FILENO + 1);
#endif
#endif
	return r;
}

static int set_attributes(posix_spawnattr_t *a)
{
	sigset_t none, all;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGKILL);
	(void)sigdelset(&all, SIGSTOP);
	return posix_spawnattr_setsigmask(a, &none) | posix_spawnattr_setsigdefault(a, &all) | posix_spawnattr_setpgroup(a, 0) |
	       posix_spawnattr_setflags(a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int start(const char *program, const char *const *args, pid_t *ret_pid, int *ret_fd)
{
	char locale[] = "LC_ALL=C", zone[] = "TZ=UTC", path[] = "PATH=/usr/bin:/bin";
	char *env[] = { locale, zone, path, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int out[2], r;

	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	r = set_actions(&actions, out[1]);
	if (r == 0)
		r = set_attributes(&attributes);
	if (r == 0)
		r = posix_spawn(ret_pid, program, &actions, &attributes, (char **)(uintptr_t)args, env); /* execve does not write into them */
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	fd_close(&out[1]);
	if (r != 0)
		fd_close(&out[0]);
	*ret_fd = out[0];
	return -r;
}

/* Until its end. 0; -ETIMEDOUT; -errno. */
static int read_output(int fd, size_t keep, int64_t end_ms, struct strbuf *ret)
{
	char part[16384];

	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		const int64_t left = end_ms - clock_ms();
		int n = left > 0 ? poll(&p, 1, (int)MIN(left, (int64_t)60000)) : 0;
		ssize_t got;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ETIMEDOUT;
		got = read(fd, part, sizeof(part));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : 0;
		strbuf_add(ret, part, (size_t)got);
		if (ret->failed)
			return -ENOMEM;
		if (ret->len > 2 * keep)
			text_keep_end(ret, keep);
	}
}

static bool is_gone(pid_t pid, int *status)
{
	pid_t r;

	do {
		r = waitpid(pid, status, WNOHANG);
	} while (r < 0 && errno == EINTR);
	return r != 0;
}

/* Whoever does not end by itself is ended. */
static void end(pid_t pid, bool waits, int *status)
{
	bool gone = is_gone(pid, status);

	for (int left = waits ? GRACE_MS : 0; left > 0 && !gone; left -= GONE_MS) {
		(void)poll(NULL, 0, GONE_MS);
		gone = is_gone(pid, status);
	}
	(void)kill(-pid, SIGKILL);
	while (!gone && waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
}

int run_output(const char *program, const char *const *args, size_t keep, int64_t limit_ms, struct strbuf *ret)
{
	int fd CLEANUP(fd_close) = -1, status = 0, r;
	pid_t pid = 0;

	r = start(program, args, &pid, &fd);
	if (r < 0)
		return r;
	r = read_output(fd, keep, clock_ms() + limit_ms, ret);
	end(pid, r == 0, &status);
	if (r < 0)
		return r;
	text_keep_end(ret, keep);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EPIPE;
}
