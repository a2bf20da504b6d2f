/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's log, as `dmesg --time-format=iso` prints it: from /dev/kmsg (Documentation/ABI/testing/dev-kmsg), which is opened for reading and not
 * waited for, else by syslog(2). It is that of the machine, not of a network namespace.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/klog.h>
#include <time.h>
#include <unistd.h>

#include "kernel-private.h"

#define RECORD_MAX 8192u	 /* linux/printk.h: PRINTKRB_RECORD_MAX and CONSOLE_EXT_LOG_MAX */
#define RECORDS_MAX 1000000u
#define KEPT_MAX (1u << 20)	 /* bytes of the end */
#define READ_ALL 3		 /* of syslog(2): reads, and does not clear */

/* "6,339,5140900,-;text\n KEY=value\n": microseconds since the machine started. */
static void add_record(struct strbuf *b, const char *s, size_t len, time_t started)
{
	const char *text = memchr(s, ';', len), *at = s, *end;
	char when[32] = "";
	uint64_t us;
	struct tm tm;
	time_t t;

	for (int i = 0; at && text && i < 2; i++)
		at = memchr(at, ',', (size_t)(text - at)) ? (const char *)memchr(at, ',', (size_t)(text - at)) + 1 : NULL;
	if (!at || !text || parse_uint(at, strspn(at, "0123456789"), (uint64_t)INT64_MAX, &us) < 0)
		return;
	t = started + (time_t)(us / 1000000);
	end = memchr(text, '\n', len - (size_t)(text - s));
	end = end ? end : s + len;
	if (!gmtime_r(&t, &tm) || strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return;
	strbuf_addf(b, "%s,%06u+00:00 ", when, (unsigned)(us % 1000000));
	strbuf_add(b, text + 1, (size_t)(end - text - 1));
	strbuf_addc(b, '\n');
}

/* The end is what counts. */
static void drop_beginning(struct strbuf *b, size_t max)
{
	const char *from = b->len > max ? memchr(b->s + b->len - max, '\n', max) : NULL;

	if (!from)
		return;
	from++;
	b->len -= (size_t)(from - b->s);
	memmove(b->s, from, b->len);
	b->s[b->len] = '\0';
}

static time_t machine_started(void)
{
	struct timespec now, up;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0 || clock_gettime(CLOCK_BOOTTIME, &up) < 0)
		return 0;
	return now.tv_sec - up.tv_sec - (now.tv_nsec < up.tv_nsec);
}

static int read_records(int fd, struct strbuf *b)
{
	const time_t started = machine_started();
	char record[RECORD_MAX];

	for (size_t i = 0; i < RECORDS_MAX; i++) {
		ssize_t n = read(fd, record, sizeof(record));

		if (n < 0 && (errno == EINTR || errno == EPIPE)) /* EPIPE: it was overwritten meanwhile; the next one comes */
			continue;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n <= 0)
			break;
		add_record(b, record, (size_t)n, started);
		if (b->len > 2 * KEPT_MAX)
			drop_beginning(b, KEPT_MAX);
	}
	drop_beginning(b, KEPT_MAX);
	return b->failed ? -ENOMEM : 0;
}

static int ask_syslog(struct strbuf *b)
{
	char *buf CLEANUP(text_free) = malloc(KEPT_MAX);
	int n = buf ? klogctl(READ_ALL, buf, (int)KEPT_MAX) : -1;

	if (!buf)
		return -ENOMEM;
	if (n < 0)
		return -errno;
	strbuf_add(b, buf, (size_t)n);
	return b->failed ? -ENOMEM : 0;
}

int kernel_log(struct kernel_text *ret)
{
	int fd CLEANUP(fd_close) = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY), r = fd < 0 ? -errno : read_records(fd, &ret->text);

	if (r == -ENOENT || r == -ENXIO || r == -ENODEV)
		r = ask_syslog(&ret->text);
	if (r == -ENOMEM)
		return kernel_text_errno(ret, r, NULL, "dmesg");
	/* nobody misses it: what it tells stands elsewhere too */
	if (r < 0)
		return kernel_text_end(ret, KERNEL_ABSENT, "the kernel's log: %s", sd_strerror(r));
	return kernel_text_end(ret, KERNEL_READ, "%s", "");
}
