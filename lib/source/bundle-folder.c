/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bundle that is a folder. Only regular files of the layout are opened, and nothing outside the folder is
 * reached: openat2 refuses links that lead out (Linux 5.6), and where the call is missing, every link is
 * refused.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bundle-private.h"
#include "log-private.h"

#define PATH_SIZE 4096
#define SAFE_FLAGS (O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* One component after the other without following links. -errno; -ELOOP for a link. */
static int open_without_links(int root, const char *path, int flags)
{
	int at = dup(root);

	for (const char *p = path; at >= 0;) {
		size_t len = strcspn(p, "/");
		char part[NAME_MAX + 1];
		bool last = p[len] == '\0';
		int next, err;

		if (len > NAME_MAX) {
			(void)close(at);
			return -ENAMETOOLONG;
		}
		memcpy(part, p, len);
		part[len] = '\0';
		next = openat(at, part, (last ? flags : O_PATH | O_DIRECTORY) | O_NOFOLLOW | O_CLOEXEC);
		err = errno;
		(void)close(at);
		if (next < 0)
			return -err;
		if (last)
			return next;
		at = next;
		p += len + 1;
	}
	return -errno;
}

/* Opens @path below @root: a descriptor, -EXDEV when it leads out of the folder, or another -errno. */
static int open_beneath(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

	if (fd >= 0)
		return (int)fd;
	/* EPERM, too: sandboxes that do not know the call answer so. */
	if (errno == ENOSYS || errno == EPERM)
		return open_without_links(root, path, flags);
	return -errno;
}

static void note_unreadable(struct bundle *b, const char *path, int err)
{
	if (err == -EXDEV)
		sd_note_add(&b->s->notes, true, "escape", path, 0, 0, NULL,
			    "the file is a link that leads out of the bundle; it is not read");
	else if (err == -ELOOP)
		sd_note_add(&b->s->notes, true, "escape", path, 0, 0, NULL,
			    "the file is a link that cannot be followed safely");
	else
		sd_note_add(&b->s->notes, true, "unreadable", path, 0, 0, NULL, "the file cannot be read: %s",
			    sd_strerror(err));
}

/* Up to @size bytes and one more, so that a file that grows is seen. Grows the buffer as data come. */
static int read_all(int fd, size_t size, char **ret_data, size_t *ret_size)
{
	size_t cap = size + 1, len = 0;
	char *data = malloc(cap + 1);

	if (!data)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, data + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = errno;

			free(data);
			return -err;
		}
		len += (size_t)n;
		if (n == 0 || len == cap)
			break;
	}
	data[len] = '\0';
	*ret_data = data;
	*ret_size = len;
	return 0;
}

/* A descriptor to read from; -1: not to be read, noted where it matters and marked; or -ENOMEM. */
static int open_regular(struct bundle *b, int root, const struct member *m, uint64_t *ret_size)
{
	int fd CLEANUP(fd_close) = -1, real CLEANUP(fd_close) = -1, r;
	struct stat st = { 0 };

	/* Without access first: opening a device can act, and a FIFO may wait for its other end. */
	fd = open_beneath(root, m->path, O_PATH);
	r = fd;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return -1;
	if (fd >= 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
		sd_note_add(&b->s->notes, true, "unreadable", m->path, 0, 0, NULL,
			    "this is no regular file; it is not read");
		return bundle_mark(b, m, UNREADABLE) < 0 ? -ENOMEM : -1;
	}
	if (fd >= 0)
		r = real = open_beneath(root, m->path, O_RDONLY | SAFE_FLAGS);
	if (real >= 0 && fstat(real, &st) < 0)
		r = -errno;
	if (r < 0) {
		note_unreadable(b, m->path, r);
		return bundle_mark(b, m, UNREADABLE) < 0 ? -ENOMEM : -1;
	}
	*ret_size = (uint64_t)st.st_size;
	r = real;
	real = -1;
	return r;
}

/* The whole file. */
static int use_file(struct bundle *b, const struct member *m, int fd, uint64_t file_size)
{
	char *data = NULL;
	size_t size = 0;
	int r;

	if (!bundle_admit(b, m->path, file_size))
		return bundle_mark(b, m, UNREADABLE);
	r = read_all(fd, (size_t)file_size, &data, &size);
	if (r == 0)
		return bundle_use(b, m, data, size);
	if (r != -ENOMEM)
		note_unreadable(b, m->path, r);
	return r == -ENOMEM ? r : bundle_mark(b, m, UNREADABLE);
}

static int use_log(struct bundle *b, const struct member *m, struct log_intake *in, int fd, uint64_t size, uint64_t max)
{
	int r = log_intake_fd(in, fd, size, max);

	if (r == 0)
		return bundle_log_end(b, m, in, MIN(size, max));
	log_intake_free(in);
	if (r == -ENOMEM)
		return r;
	note_unreadable(b, m->path, r);
	return bundle_mark(b, m, UNREADABLE);
}

static int read_member(struct bundle *b, int root, const char *path)
{
	struct member m CLEANUP(member_release) = { 0 };
	struct log_intake *in = NULL;
	uint64_t size = 0, max = 0;
	int r = bundle_classify(b, path, &m), fd CLEANUP(fd_close) = -1;

	if (r < 0 || m.role == MEMBER_OTHER)
		return r;
	fd = open_regular(b, root, &m, &size);
	if (fd < 0)
		return fd == -ENOMEM ? fd : 0;
	r = bundle_log_begin(b, &m, &in, &max);
	if (r < 0)
		return r;
	return r == 1 ? use_log(b, &m, in, fd, size, max) : use_file(b, &m, fd, size);
}

/* ---- walking ---- */

/*
 * The names in folder @path ("" is the bundle itself), sorted, without hidden ones. A folder that is not
 * there has none.
 */
static int list_folder(struct bundle *b, int root, const char *path, struct file_names *ret)
{
	int fd = open_beneath(root, *path ? path : ".", O_RDONLY | O_DIRECTORY | SAFE_FLAGS);
	DIR *d CLEANUP(close_dir) = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!d) {
		int err = fd < 0 ? fd : -errno;

		if (fd >= 0)
			(void)close(fd);
		if (err != -ENOENT && err != -ENOTDIR)
			note_unreadable(b, *path ? path : b->label, err);
		return err == -ENOMEM ? err : 0;
	}
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (!bundle_count(b))
			break;
		if (file_names_add(ret, e->d_name) < 0)
			return -ENOMEM;
	}
	file_names_sort(ret);
	return 0;
}

static int read_files(struct bundle *b, int root, const char *folder);

/* "cni" in a node's folder is one, too. */
static int read_entry(struct bundle *b, int root, const char *folder, const char *name)
{
	bool of_node = !*folder || (str_starts(folder, "nodes/") && !str_ends(folder, "/cni"));
	char path[PATH_SIZE];

	if (snprintf(path, sizeof(path), "%s%s%s", folder, *folder ? "/" : "", name) >= (int)sizeof(path))
		return 0;
	return of_node && strcmp(name, "cni") == 0 ? read_files(b, root, path) : read_member(b, root, path);
}

/* The files of one folder of the layout. */
static int read_files(struct bundle *b, int root, const char *folder)
{
	struct file_names names CLEANUP(file_names_release) = { 0 };
	int r = list_folder(b, root, folder, &names);

	for (size_t i = 0; r == 0 && i < names.len; i++)
		r = read_entry(b, root, folder, names.v[i]);
	return r;
}

/* The files of the folders that lie @depth below @folder. */
static int read_below(struct bundle *b, int root, const char *folder, unsigned depth)
{
	struct file_names names CLEANUP(file_names_release) = { 0 };
	int r = list_folder(b, root, folder, &names);

	for (size_t i = 0; r == 0 && i < names.len; i++) {
		char path[PATH_SIZE];

		if (snprintf(path, sizeof(path), "%s/%s", folder, names.v[i]) < (int)sizeof(path))
			r = depth > 1 ? read_below(b, root, path, depth - 1) : read_files(b, root, path);
	}
	return r;
}

int bundle_read_folder(struct bundle *b, int fd)
{
	int r = read_files(b, fd, "");

	if (r == 0)
		r = read_files(b, fd, "cluster");
	if (r == 0)
		r = read_below(b, fd, "cluster/logs", 2);
	if (r == 0)
		r = read_below(b, fd, "cluster/pods", 2);
	if (r == 0)
		r = read_below(b, fd, "nodes", 1);
	return r;
}
