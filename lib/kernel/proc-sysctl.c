/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `sysctl -a`, of net. What stands below /proc/sys/net is that of the reading thread's namespace. Names as sysctl of procps 4 writes them: dots
 * between the parts, and where a part has dots (an interface eth0.5), slashes there. What cannot be read has no line, as sysctl prints none.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "kernel-private.h"

#define DEPTH_MAX 8u
#define NAME_SIZE 512u
#define ENTRIES_MAX (4u << 20)
#define TEXT_MAX (256u << 20)
#define PIECE 4096u /* the kernel makes room for as much as is asked for */
#define VALUE_MAX (16 * PIECE)

struct walk {
	struct strbuf *out;
	size_t entries;
	size_t cut; /* values that are longer */
};

/* Kept for old programs only, and left out by sysctl: settings that have one in milliseconds beside them. */
static bool is_deprecated(const char *name)
{
	return strcmp(name, "base_reachable_time") == 0 || strcmp(name, "retrans_time") == 0;
}

static size_t add_part(char *name, size_t len, const char *part)
{
	if (len + strlen(part) + 2 > NAME_SIZE)
		return 0;
	name[len++] = '.';
	for (; *part; part++)
		name[len++] = *part == '.' ? '/' : *part;
	return len;
}

/* A value of several lines has as many lines here, each with the name. */
static void add_value(struct walk *w, const char *name, size_t name_len, const char *value, size_t len)
{
	for (size_t at = 0; at < len;) {
		const char *nl = memchr(value + at, '\n', len - at);
		const size_t n = nl ? (size_t)(nl - (value + at)) : len - at;

		strbuf_add(w->out, name, name_len);
		strbuf_add(w->out, " = ", 3);
		strbuf_add(w->out, value + at, strnlen(value + at, n));
		strbuf_addc(w->out, '\n');
		at += n + 1;
	}
}

/* There are a hundred of them for each interface: a read that does not fill its room is the last (fs/proc/proc_sysctl.c), and nothing is asked twice. */
static size_t read_value(int fd, char value[static VALUE_MAX])
{
	size_t len = 0;

	while (len < VALUE_MAX) {
		const ssize_t n = read(fd, value + len, PIECE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0)
			len += (size_t)n;
		if (n < (ssize_t)PIECE)
			break;
	}
	return len;
}

static void read_entry(struct walk *w, int folder, const char *part, const char *name, size_t name_len)
{
	int fd CLEANUP(fd_close) = openat(folder, part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char value[VALUE_MAX];
	const size_t len = fd < 0 ? 0 : read_value(fd, value);

	w->cut += len == sizeof(value);
	add_value(w, name, name_len, value, len);
}

static int walk_folder(struct walk *w, int parent, const char *path, char *name, size_t len, unsigned depth);

static int walk_entry(struct walk *w, int folder, const struct dirent *entry, char *name, size_t len, unsigned depth)
{
	const size_t more = entry->d_name[0] == '.' ? 0 : add_part(name, len, entry->d_name);

	if (!more)
		return 0;
	if (++w->entries > ENTRIES_MAX || w->out->len > TEXT_MAX)
		return -EFBIG;
	if (entry->d_type == DT_DIR)
		return walk_folder(w, folder, entry->d_name, name, more, depth + 1);
	/* what may only be written, such as net.ipv4.route.flush, is not opened for reading by anybody */
	if (entry->d_type == DT_REG && !is_deprecated(entry->d_name))
		read_entry(w, folder, entry->d_name, name, more);
	return w->out->failed ? -ENOMEM : 0;
}

/* A folder that is gone when it is opened was that of an interface. */
static int walk_folder(struct walk *w, int parent, const char *path, char *name, size_t len, unsigned depth)
{
	const int fd = depth < DEPTH_MAX ? openat(parent, path, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW) : -1;
	const struct dirent *entry;
	int r = 0;
	DIR *d;

	if (fd < 0)
		return depth ? 0 : -errno;
	d = fdopendir(fd);
	if (!d) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(d)))
		r = walk_entry(w, fd, entry, name, len, depth);
	(void)closedir(d);
	return r;
}

int kernel_sysctl(struct kernel_text *ret)
{
	struct walk w = { .out = &ret->text };
	char name[NAME_SIZE] = "net";
	const int r = walk_folder(&w, AT_FDCWD, "/proc/sys/net", name, 3, 0);

	if (r < 0)
		return kernel_text_errno(ret, r, "CAP_DAC_READ_SEARCH", "/proc/sys/net");
	ret->partial = w.cut;
	return kernel_text_end(ret, KERNEL_READ, "%s", w.cut ? "a value is longer than 64 KiB" : "");
}
