/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes a bundle, as a folder or as an archive. It grows under a temporary name beside the target and takes the target's name as a
 * whole at the end, so that nobody ever sees half of one, and a failure leaves nothing. It holds cluster data: nobody but the
 * user may read it. Members of an archive are files without a name until they are packed, because their size stands before them.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle-out-private.h"

#define FILE_MODE 0600
#define FOLDER_MODE 0700
#define DEPTH_MAX 8 /* of the folders that are removed: a bundle has five */
#define TRIES 100

struct bundle_out {
	char *folder, *name; /* the target's */
	char temp[64];	     /* beside it */
	char *path;	     /* as the user wrote it, for messages */
	struct sd_notes *notes;
	int at;	  /* the folder that the target lies in; -1: stdout */
	int fd;	  /* of the temporary file or folder */
	bool is_folder, force, gzip;
	struct archive_out *archive;
	uint64_t size;
	size_t members;
};
struct bundle_member {
	struct bundle_out *o;
	char *path;
	int fd, err;
	uint64_t size;
	size_t fill;
	char buffer[32u << 10];
};

static int note(struct bundle_out *o, int err)
{
	sd_note_add(o->notes, true, "output", NULL, 0, 0, NULL, "cannot write to '%s': %s", o->path, sd_strerror(err));
	return err;
}

/* ---- removing ---- */

static void remove_tree(int at, const char *name, unsigned depth);

static void remove_inside(int fd, unsigned depth)
{
	DIR *d = fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		(void)close(fd);
		return;
	}
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove_tree(dirfd(d), e->d_name, depth);
	}
	(void)closedir(d);
}

/* Links are removed, not followed. */
static void remove_tree(int at, const char *name, unsigned depth)
{
	int fd;

	if (unlinkat(at, name, 0) == 0 || (errno != EISDIR && errno != EPERM))
		return;
	fd = depth < DEPTH_MAX ? openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (fd >= 0)
		remove_inside(fd, depth + 1);
	(void)unlinkat(at, name, AT_REMOVEDIR);
}

/* ---- the target ---- */

/* Is this folder one that may give way: a bundle that says so? */
static bool may_replace(int at, const char *name)
{
	int fd CLEANUP(fd_close) = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstatat(fd, "bundle.json", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* Before any work is done: may the target be written at all? */
static int check_target(struct bundle_out *o)
{
	struct stat st;

	if (fstatat(o->at, o->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : note(o, -errno);
	if (!o->force) {
		sd_note_add(o->notes, true, "exists", NULL, 0, 0, NULL, "'%s' is there already (--force replaces it)", o->path);
		return -EEXIST;
	}
	if (o->is_folder ? !S_ISDIR(st.st_mode) || !may_replace(o->at, o->name) : !S_ISREG(st.st_mode)) {
		sd_note_add(o->notes, true, "exists", NULL, 0, 0, NULL, "'%s' is no %s, and is not replaced", o->path,
			    o->is_folder ? "folder with a bundle.json" : "ordinary file");
		return -EEXIST;
	}
	return 0;
}

static int temporary_name(struct bundle_out *o)
{
	uint64_t n;

	if (getrandom(&n, sizeof(n), 0) != (ssize_t)sizeof(n))
		return -EIO;
	snprintf(o->temp, sizeof(o->temp), ".svcdoctor-%016llx", (unsigned long long)n);
	return 0;
}

static int make_temporary(struct bundle_out *o)
{
	int err = EEXIST;

	for (int i = 0; i < TRIES && err == EEXIST; i++) {
		int r = temporary_name(o);

		if (r < 0)
			return r;
		if (o->is_folder && mkdirat(o->at, o->temp, FOLDER_MODE) == 0)
			o->fd = openat(o->at, o->temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		else if (!o->is_folder)
			o->fd = openat(o->at, o->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
		if (o->fd >= 0)
			return 0;
		err = errno;
	}
	o->temp[0] = '\0';
	return -err;
}

/* "a/b/lab.tgz": the folder is opened, so that nothing that is renamed meanwhile leads elsewhere. */
static int split_path(struct bundle_out *o, const char *path)
{
	size_t len = strlen(path), from;

	while (len > 1 && path[len - 1] == '/')
		len--;
	for (from = len; from > 0 && path[from - 1] != '/'; from--)
		;
	o->name = strndup(path + from, len - from);
	o->folder = from > 0 ? strndup(path, from) : strdup(".");
	if (!o->name || !o->folder)
		return -ENOMEM;
	if (!*o->name || strcmp(o->name, "/") == 0 || strcmp(o->name, ".") == 0 || strcmp(o->name, "..") == 0)
		return note(o, -EISDIR);
	o->at = open(o->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return o->at < 0 ? note(o, -errno) : 0;
}

static int open_archive(struct bundle_out *o)
{
	int r = archive_out_open(o->fd, o->gzip, &o->archive);

	return r < 0 && r != -ENOMEM ? note(o, r) : r;
}

static int open_target(struct bundle_out *o, const char *path)
{
	int r;

	if (strcmp(path, "-") == 0) {
		o->gzip = true;
		o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		return o->fd < 0 ? note(o, -errno) : open_archive(o);
	}
	o->gzip = !str_ends(path, ".tar");
	o->is_folder = !str_ends(path, ".tar.gz") && !str_ends(path, ".tgz") && !str_ends(path, ".tar");
	r = split_path(o, path);
	if (r == 0)
		r = check_target(o);
	if (r < 0)
		return r;
	r = make_temporary(o);
	if (r < 0)
		return note(o, r);
	return o->is_folder ? 0 : open_archive(o);
}

int bundle_out_open(const char *path, bool force, struct sd_notes *notes, struct bundle_out **ret)
{
	struct bundle_out *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	*o = (struct bundle_out){ .notes = notes, .at = -1, .fd = -1, .force = force, .path = strdup(path) };
	r = o->path ? open_target(o, path) : -ENOMEM;
	if (r < 0)
		bundle_out_free(o);
	else
		*ret = o;
	return r;
}

int bundle_out_open_fd(int fd, struct sd_notes *notes, struct bundle_out **ret)
{
	struct bundle_out *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	*o = (struct bundle_out){ .notes = notes, .at = -1, .fd = -1, .path = strdup("a temporary file") };
	r = o->path ? 0 : -ENOMEM;
	if (r == 0) {
		o->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		r = o->fd < 0 ? note(o, -errno) : open_archive(o);
	}
	if (r < 0)
		bundle_out_free(o);
	else
		*ret = o;
	return r;
}

/* ---- members ---- */

/* No empty part, no "." and "..", nothing absolute, nothing that a terminal or a shell would trip over. */
static bool is_good_path(const char *path)
{
	for (const char *p = path;; p++) {
		size_t len = strcspn(p, "/");

		if (len == 0 || len > NAME_MAX || *p == '.')
			return false;
		for (size_t i = 0; i < len; i++) {
			if ((unsigned char)p[i] <= ' ' || p[i] == 0x7f || p[i] == '\\')
				return false;
		}
		p += len;
		if (!*p)
			return true;
	}
}

/* The file in its folders, which are made. A descriptor or -errno. */
static int make_file(int root, char *path)
{
	char *slash = path;

	while ((slash = strchr(slash, '/'))) {
		int r;

		*slash = '\0';
		r = mkdirat(root, path, FOLDER_MODE);
		*slash++ = '/';
		if (r < 0 && errno != EEXIST)
			return -errno;
	}
	int fd = openat(root, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);

	return fd < 0 ? -errno : fd;
}

static int take_unlinked(int at, const char *name, int fd)
{
	if (fd < 0)
		return -errno;
	(void)unlinkat(at, name, 0);
	return fd;
}

int source_unnamed_file(int at)
{
	const char *tmp = getenv("TMPDIR");
	int fd, where = at;

	if (at < 0)
		where = open(tmp && *tmp ? tmp : "/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (where < 0)
		return -errno;
	fd = openat(where, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == ENOENT)) {
		struct bundle_out name;
		int r = temporary_name(&name);

		fd = r < 0 ? r
			   : take_unlinked(where, name.temp,
					   openat(where, name.temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE));
	} else if (fd < 0) {
		fd = -errno;
	}
	if (at < 0)
		(void)close(where);
	return fd;
}

static void member_free(struct bundle_member *m)
{
	fd_close(&m->fd);
	free(m->path);
	free(m);
}

int bundle_out_begin(struct bundle_out *o, const char *path, struct bundle_member **ret)
{
	struct bundle_member *m;

	if (!is_good_path(path)) {
		sd_note_add(o->notes, true, "bad-name", NULL, 0, 0, NULL, "'%s' is no name for a file of a bundle, and is left out", path);
		return SD_EESCAPE;
	}
	m = malloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->o = o;
	m->err = 0;
	m->size = m->fill = 0;
	m->path = strdup(path);
	m->fd = !m->path ? -ENOMEM : o->is_folder ? make_file(o->fd, m->path) : source_unnamed_file(o->at);
	if (m->fd < 0) {
		int r = m->fd;

		m->fd = -1;
		member_free(m);
		return r == -ENOMEM ? r : note(o, r);
	}
	*ret = m;
	return 0;
}

static int put(struct bundle_member *m, const char *data, size_t size)
{
	while (size > 0 && m->err == 0) {
		ssize_t n = write(m->fd, data, size);

		if (n < 0 && errno != EINTR)
			m->err = note(m->o, -errno);
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return m->err;
}

static int flush(struct bundle_member *m)
{
	size_t fill = m->fill;

	m->fill = 0;
	return put(m, m->buffer, fill);
}

int bundle_member_write(struct bundle_member *m, const void *data, size_t size)
{
	m->size += size;
	if (size > sizeof(m->buffer) - m->fill && flush(m) < 0)
		return m->err;
	if (size > sizeof(m->buffer))
		return put(m, data, size);
	if (size > 0) /* @data may be NULL then */
		memcpy(m->buffer + m->fill, data, size);
	m->fill += size;
	return m->err;
}

int bundle_member_restart(struct bundle_member *m)
{
	m->fill = 0;
	m->size = 0;
	if (m->err == 0 && (ftruncate(m->fd, 0) < 0 || lseek(m->fd, 0, SEEK_SET) < 0))
		m->err = note(m->o, -errno);
	return m->err;
}

void bundle_member_drop(struct bundle_member *m)
{
	if (!m)
		return;
	if (m->o->is_folder)
		(void)unlinkat(m->o->fd, m->path, 0);
	member_free(m);
}

int bundle_member_end(struct bundle_member *m)
{
	struct bundle_out *o = m->o;
	int r = flush(m);

	if (r == 0 && o->is_folder && fsync(m->fd) < 0)
		r = note(o, -errno);
	if (r == 0 && !o->is_folder) {
		r = archive_out_add(o->archive, m->path, m->fd, m->size);
		if (r < 0 && r != -ENOMEM)
			(void)note(o, r);
	}
	o->size += m->size;
	o->members += r == 0;
	if (r < 0)
		bundle_member_drop(m);
	else
		member_free(m);
	return r;
}

int bundle_out_add(struct bundle_out *o, const char *path, const void *data, size_t size)
{
	struct bundle_member *m;
	int r = bundle_out_begin(o, path, &m);

	if (r < 0)
		return r;
	r = bundle_member_write(m, data, size);
	if (r < 0) {
		bundle_member_drop(m);
		return r;
	}
	return bundle_member_end(m);
}

/* ---- the end ---- */

/* The folders themselves: which files they have. Takes @fd. */
static int sync_folders(int fd, unsigned depth)
{
	DIR *d = fdopendir(fd);
	const struct dirent *e;
	int r = 0;

	if (!d) {
		(void)close(fd);
		return -errno;
	}
	while (r == 0 && depth < DEPTH_MAX && (e = readdir(d))) {
		int sub = -1;

		if (e->d_name[0] != '.' && e->d_type != DT_REG)
			sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			r = sync_folders(sub, depth + 1);
	}
	if (r == 0 && fsync(dirfd(d)) < 0)
		r = -errno;
	(void)closedir(d);
	return r;
}

static int rename_new(struct bundle_out *o)
{
	if (renameat2(o->at, o->temp, o->at, o->name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system that does not know the flag. A folder does not take the place of one that holds something. */
	if (o->is_folder)
		return renameat(o->at, o->temp, o->at, o->name) < 0 ? -errno : 0;
	if (linkat(o->at, o->temp, o->at, o->name, 0) < 0)
		return -errno;
	(void)unlinkat(o->at, o->temp, 0);
	return 0;
}

/* The old folder goes once the new one is there. */
static int replace_folder(struct bundle_out *o)
{
	if (renameat2(o->at, o->temp, o->at, o->name, RENAME_EXCHANGE) < 0) {
		if (errno != ENOENT && errno != EINVAL && errno != ENOSYS)
			return -errno;
		if (errno != ENOENT)
			remove_tree(o->at, o->name, 0);
		return rename_new(o);
	}
	if (!may_replace(o->at, o->temp)) { /* somebody has put another one there */
		int r = renameat2(o->at, o->temp, o->at, o->name, RENAME_EXCHANGE) < 0 ? -errno : -EEXIST;

		return r;
	}
	remove_tree(o->at, o->temp, 0);
	return 0;
}

static int take_name(struct bundle_out *o)
{
	int r;

	if (o->at < 0)
		return 0;
	if (o->is_folder) {
		int fd = fcntl(o->fd, F_DUPFD_CLOEXEC, 3);

		r = fd < 0 ? -errno : sync_folders(fd, 0);
	} else {
		r = fsync(o->fd) < 0 ? -errno : 0;
	}
	if (r == 0)
		r = !o->force ? rename_new(o) : o->is_folder ? replace_folder(o) : renameat(o->at, o->temp, o->at, o->name) < 0 ? -errno : 0;
	if (r == 0) {
		o->temp[0] = '\0';
		(void)fsync(o->at);
	}
	return r < 0 ? note(o, r) : 0;
}

int bundle_out_finish(struct bundle_out *o, struct bundle_written *ret)
{
	struct stat st = { 0 };
	int r = o->archive ? archive_out_finish(o->archive) : 0;

	if (r < 0)
		return r == -ENOMEM ? r : note(o, r);
	if (!o->is_folder)
		(void)fstat(o->fd, &st);
	r = take_name(o);
	if (r == 0)
		*ret = (struct bundle_written){ .members = o->members,
						.size = o->is_folder || !S_ISREG(st.st_mode) ? o->size : (uint64_t)st.st_size };
	return r;
}

void bundle_out_free(struct bundle_out *o)
{
	if (!o)
		return;
	archive_out_free(o->archive);
	if (o->temp[0])
		remove_tree(o->at, o->temp, 0);
	fd_close(&o->fd);
	fd_close(&o->at);
	free(o->folder);
	free(o->name);
	free(o->path);
	free(o);
}
