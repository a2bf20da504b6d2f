/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all readers of the kernel need: how a reading ended, files of /proc, which modules there are. */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "kernel-private.h"

#define PROC_MAX (64u << 20)
#define WAIT_FIRST_MS 4
#define WAIT_MAX_MS 200

void kernel_text_release(struct kernel_text *t)
{
	strbuf_release(&t->text);
	*t = (struct kernel_text){ 0 };
}

int kernel_text_end(struct kernel_text *t, enum kernel_state state, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	(void)vsnprintf(t->why, sizeof(t->why), why, args);
	va_end(args);
	t->state = state;
	if (t->text.failed) {
		t->state = KERNEL_FAILED;
		(void)snprintf(t->why, sizeof(t->why), "out of memory");
		strbuf_reset(&t->text);
		return -ENOMEM;
	}
	if (state != KERNEL_READ)
		strbuf_reset(&t->text);
	return 0;
}

int kernel_text_errno(struct kernel_text *t, int r, const char *lacks, const char *what)
{
	switch (r) {
	case -EPERM:
	case -EACCES:
		t->lacks = lacks;
		return kernel_text_end(t, KERNEL_DENIED, "%s needs %s", what, lacks);
	case -ENOENT:
	case -EPROTONOSUPPORT:
	case -EAFNOSUPPORT:
	case -EOPNOTSUPP:
		return kernel_text_end(t, KERNEL_ABSENT, "%s: the kernel does not have it", what);
	case -ENOMEM:
		(void)kernel_text_end(t, KERNEL_FAILED, "out of memory");
		return -ENOMEM;
	default:
		return kernel_text_end(t, KERNEL_FAILED, "%s: %s", what, sd_strerror(r));
	}
}

bool kernel_module_is_here(const char *name)
{
	char path[128];
	int n = snprintf(path, sizeof(path), "/sys/module/%s", name);

	return n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0;
}

static int read_all(int fd, struct strbuf *ret)
{
	char part[16384];

	for (;;) {
		ssize_t n = read(fd, part, sizeof(part));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return ret->failed ? -ENOMEM : 0;
		if (ret->len + (size_t)n > PROC_MAX)
			return -EFBIG;
		strbuf_add(ret, part, (size_t)n);
	}
}

int kernel_proc_read(const char *path, struct strbuf *ret)
{
	char full[160];
	int n = snprintf(full, sizeof(full), "%s%s", *path == '/' ? "" : "/proc/thread-self/", path), r;
	int fd CLEANUP(fd_close) = -1;

	if (n < 0 || (size_t)n >= sizeof(full))
		return -ENAMETOOLONG;
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = read_all(fd, ret);
	return r;
}

void kernel_wait_before(unsigned reading)
{
	const long ms = reading < 2 ? 0 : MIN(WAIT_FIRST_MS << MIN(reading - 2, 8u), WAIT_MAX_MS);
	struct timespec t = { .tv_nsec = ms * 1000000 };

	if (ms)
		(void)nanosleep(&t, NULL);
}
