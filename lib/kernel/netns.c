/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which network namespace is asked, and with which rights: namespaces(7), setns(2), capabilities(7). */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel-private.h"

#define WHY_SIZE 160
#define CAPABILITIES_MAX 64u /* what the masks of capset hold */

/* Where a namespace was looked for, and what to say. */
struct entry {
	const char *netns;
	pid_t pid;
	char *why;
	const char **lacks;
};

static int fail(const struct entry *e, int r, const char *lacks, const char *fmt, ...) PRINTF_LIKE(4, 5);
static int fail(const struct entry *e, int r, const char *lacks, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(e->why, WHY_SIZE, fmt, args);
	va_end(args);
	*e->lacks = lacks;
	return r;
}

/* O_NONBLOCK: what is named may be a pipe, too. */
static int open_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

/* As `ip netns` makes them. /var/run is a folder of its own on some systems. */
static int open_name(const char *name)
{
	static const char *const folders[] = { "/run/netns", "/var/run/netns" };
	int fd = -ENOENT;

	for (size_t i = 0; i < ARRAY_LEN(folders) && fd == -ENOENT; i++) {
		char path[300];
		int n = snprintf(path, sizeof(path), "%s/%s", folders[i], name);

		if (n < 0 || (size_t)n >= sizeof(path))
			return -ENAMETOOLONG;
		fd = open_path(path);
	}
	return fd;
}

static int open_netns(const struct entry *e)
{
	const char *what = e->netns;
	int fd;

	if (!*what || strcmp(what, ".") == 0 || strcmp(what, "..") == 0)
		return fail(e, SD_EUSAGE, NULL, "'%s' is neither the path nor the name of a network namespace", what);
	fd = strchr(what, '/') ? open_path(what) : open_name(what);
	if (fd == -EACCES || fd == -EPERM)
		return fail(e, -EPERM, "CAP_DAC_READ_SEARCH", "this user may not open network namespace '%.60s', which needs CAP_DAC_READ_SEARCH", what);
	if (fd == -ENOENT && !strchr(what, '/'))
		return fail(e, fd, NULL, "there is no network namespace '%.60s' in /run/netns", what);
	if (fd < 0)
		return fail(e, fd, NULL, "network namespace '%.60s': %s", what, sd_strerror(fd));
	return fd;
}

/* A process that has ended and waits for its parent has no namespace any more. */
static int open_pid(const struct entry *e)
{
	char path[48];
	int fd;

	if (e->pid < 0)
		return fail(e, SD_EUSAGE, NULL, "%d is no process", (int)e->pid);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)e->pid);
	fd = open_path(path);
	if (fd == -ENOENT || fd == -ESRCH)
		return fail(e, -ESRCH, NULL, "there is no process %d", (int)e->pid);
	if (fd == -EACCES || fd == -EPERM)
		return fail(e, -EPERM, "CAP_SYS_PTRACE", "the network namespace of process %d cannot be opened, which needs CAP_SYS_PTRACE", (int)e->pid);
	if (fd < 0)
		return fail(e, fd, NULL, "the network namespace of process %d: %s", (int)e->pid, sd_strerror(fd));
	return fd;
}

/* To stay where one is needs no capability. */
static bool is_here(int fd)
{
	struct stat there, here;

	return fstat(fd, &there) == 0 && stat("/proc/thread-self/ns/net", &here) == 0 && there.st_dev == here.st_dev &&
	       there.st_ino == here.st_ino;
}

static void name_of(const struct entry *e, char ret[static 80])
{
	if (e->netns)
		(void)snprintf(ret, 80, "'%.60s'", e->netns);
	else
		(void)snprintf(ret, 80, "of process %d", (int)e->pid);
}

int kernel_netns_enter(const char *netns, pid_t pid, char why[static 160], const char **ret_lacks)
{
	const struct entry e = { .netns = netns, .pid = pid, .why = why, .lacks = ret_lacks };
	int fd CLEANUP(fd_close) = -1;
	char name[80];

	*why = '\0';
	*ret_lacks = NULL;
	if (!netns && pid == 0)
		return 0;
	fd = netns ? open_netns(&e) : open_pid(&e);
	if (fd < 0)
		return fd;
	if (is_here(fd) || setns(fd, CLONE_NEWNET) == 0)
		return 0;
	name_of(&e, name);
	/* what is no namespace is refused before any capability is asked for: kernel/nsproxy.c */
	if (errno == EINVAL)
		return fail(&e, SD_EUSAGE, NULL, "%s is not a network namespace", name);
	if (errno == EPERM)
		return fail(&e, -EPERM, "CAP_SYS_ADMIN", "to enter network namespace %s needs CAP_SYS_ADMIN", name);
	return fail(&e, -errno, NULL, "network namespace %s: %s", name, sd_strerror(-errno));
}

/* ---- capabilities ---- */

int kernel_drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	/* first the bounding set, while CAP_SETPCAP is there that this needs; it ends where the kernel knows no more of them */
	for (unsigned i = 0; i < CAPABILITIES_MAX; i++) {
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			break;
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

bool kernel_has_capability(int capability)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (capability < 0 || (unsigned)capability >= CAPABILITIES_MAX || syscall(SYS_capget, &head, data) < 0)
		return false;
	return data[capability / 32].effective & (1u << (capability % 32));
}
