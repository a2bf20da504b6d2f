/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bundle that is a tar archive, compressed or not, read from front to end by libarchive. Nothing is
 * unpacked to disk, links are not followed, sizes are bounded. archive-out.c packs.
 */

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <unistd.h>

#include "bundle-private.h"
#include "log-private.h"

#define READ_BLOCK (64u << 10)
/* What may be unpacked in order to be passed over: a member that is not read still has to be inflated. */
#define PASSED_MAX (12ull << 30)

static void free_archive(struct archive **a)
{
	if (*a)
		(void)archive_read_free(*a);
}

/* A filter whose library is missing would run an external program instead: it is left out. */
static struct archive *new_reader(void)
{
	struct archive *a = archive_read_new();

	if (!a)
		return NULL;
	(void)archive_read_support_format_tar(a);
	if (archive_zlib_version())
		(void)archive_read_support_filter_gzip(a);
	if (archive_liblzma_version())
		(void)archive_read_support_filter_xz(a);
	if (archive_bzlib_version())
		(void)archive_read_support_filter_bzip2(a);
	if (archive_libzstd_version())
		(void)archive_read_support_filter_zstd(a);
	return a;
}

static const char *why(struct archive *a)
{
	const char *s = archive_error_string(a);

	return s ? s : "damaged archive";
}

/* The member's path without "./" in front and "/" behind; NULL when it has none. The caller frees. */
static char *clean_path(struct archive_entry *e)
{
	const char *p = archive_entry_pathname(e);
	size_t len;

	if (!p)
		p = archive_entry_pathname_utf8(e);
	if (!p)
		return NULL;
	while (p[0] == '.' && p[1] == '/') {
		for (p++; *p == '/';)
			p++;
	}
	len = strlen(p);
	while (len > 1 && p[len - 1] == '/')
		len--;
	return strndup(p, len);
}

/* Does @path, taken relative to the folder that @base lies in, leave the bundle? */
static bool escapes(const char *base, const char *path)
{
	long depth = 0;

	if (*path == '/')
		return true;
	for (const char *p = base; (p = strchr(p, '/')); p++)
		depth++;
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && memcmp(path, "..", 2) == 0)
			depth--;
		else if (len > 0 && !(len == 1 && *path == '.'))
			depth++;
		if (depth < 0)
			return true;
		path += len + (path[len] == '/');
	}
	return false;
}

/* ".." anywhere: also one that stays inside, which no archiver writes. */
static bool has_dotdot(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")); p += 2) {
		if ((p == path || p[-1] == '/') && (p[2] == '\0' || p[2] == '/'))
			return true;
	}
	return false;
}

static void note(struct bundle *b, const char *code, const char *path, const char *text)
{
	sd_note_add(&b->s->notes, true, code, path, 0, 0, NULL, "%s", text);
}

/*
 * Symbolic links lead from their own folder, hard links from the archive's top. True: the member is a link,
 * noted where it matters.
 */
static bool is_link(struct bundle *b, struct archive_entry *e, const char *path, bool wanted)
{
	const char *hard = archive_entry_hardlink(e), *soft = archive_entry_symlink(e);

	if (!hard && !soft)
		return false;
	if (hard ? escapes("", hard) : escapes(path, soft))
		note(b, "escape", path, "the member is a link that leads out of the bundle; it is not read");
	else if (wanted)
		note(b, "unreadable", path, "the member is a link; it is not read");
	return true;
}

/*
 * The member's data. SD_ETRUNC: the archive ends or is damaged inside it, what came before is returned all
 * the same. SD_ELIMIT: there is more than its head says or than is accepted.
 */
static int read_data(struct bundle *b, struct archive *a, char **ret_data, size_t *ret_size)
{
	size_t max = (size_t)MIN((uint64_t)SOURCE_FILE_MAX, SOURCE_TOTAL_MAX - b->total), len = 0, cap = 0;
	char *data = NULL;
	int r = 0;

	for (;;) {
		ssize_t n;

		if (len + READ_BLOCK + 1 > cap) {
			size_t bigger = MAX(cap * 2, 2 * READ_BLOCK);
			char *grown = realloc(data, bigger);

			if (!grown) {
				free(data);
				return -ENOMEM;
			}
			data = grown;
			cap = bigger;
		}
		n = archive_read_data(a, data + len, READ_BLOCK);
		if (n == ARCHIVE_RETRY)
			continue;
		if (n < 0)
			r = SD_ETRUNC;
		if (n <= 0)
			break;
		len += (size_t)n;
		if (len > max) {
			free(data);
			return SD_ELIMIT;
		}
	}
	data[len] = '\0';
	*ret_data = data;
	*ret_size = len;
	return r;
}

static void note_truncated(struct bundle *b, struct archive *a, struct member *m)
{
	m->cut = true;
	sd_note_add(&b->s->notes, true, "truncated", m->path, 0, 0, NULL,
		    "the archive ends or is damaged inside this member: %s", why(a));
}

static int use_member(struct bundle *b, struct archive *a, struct member *m)
{
	char *data = NULL;
	size_t size = 0;
	int r;

	r = read_data(b, a, &data, &size);
	if (r == SD_ELIMIT) {
		note(b, "too-large", m->path, "the member is larger than is accepted and is not read");
		return bundle_mark(b, m, UNREADABLE);
	}
	if (r == SD_ETRUNC)
		note_truncated(b, a, m);
	return r == -ENOMEM ? r : bundle_use(b, m, data, size);
}

/* How much of a log of this size is passed over behind its beginning; 0: nothing, or the size is not known. */
static uint64_t middle_of(struct archive_entry *e, uint64_t max)
{
	uint64_t size = archive_entry_size_is_set(e) ? (uint64_t)MAX(archive_entry_size(e), 0) : 0;

	return size > max && size > max + LOG_HEAD_SIZE ? size - max - LOG_HEAD_SIZE : 0;
}

/* A log in pieces. 0; SD_ETRUNC, what came before is fed; -ENOMEM. */
static int feed_log(struct archive *a, struct log_intake *in, uint64_t middle, uint64_t *ret_size)
{
	char *buf CLEANUP(text_free) = malloc(READ_BLOCK);
	uint64_t at = 0, end = LOG_HEAD_SIZE + middle;
	int r = buf ? 0 : -ENOMEM;

	while (r == 0) {
		const bool passing = middle && at >= LOG_HEAD_SIZE && at < end;
		const uint64_t left = !middle || at >= end ? READ_BLOCK : passing ? end - at : LOG_HEAD_SIZE - at;
		ssize_t n = archive_read_data(a, buf, (size_t)MIN(left, (uint64_t)READ_BLOCK));

		if (n == ARCHIVE_RETRY)
			continue;
		if (n <= 0)
			return n < 0 ? SD_ETRUNC : 0;
		at += (uint64_t)n;
		r = passing ? log_intake_gap(in) : log_intake_feed(in, buf, (size_t)n);
		*ret_size += passing ? 0 : (uint64_t)n;
	}
	return r;
}

static int use_log(struct bundle *b, struct archive *a, struct archive_entry *e, struct member *m, struct log_intake *in, uint64_t max)
{
	uint64_t size = 0;
	int r = feed_log(a, in, middle_of(e, max), &size);

	if (r == -ENOMEM) {
		log_intake_free(in);
		return r;
	}
	if (r == SD_ETRUNC)
		note_truncated(b, a, m);
	return bundle_log_end(b, m, in, size);
}

/* One member whose head was read. 0, or -ENOMEM. */
static int take_member(struct bundle *b, struct archive *a, struct archive_entry *e, const char *path)
{
	struct member m CLEANUP(member_release) = { 0 };
	bool regular = archive_entry_filetype(e) == AE_IFREG;
	struct log_intake *in = NULL;
	uint64_t max;
	int r;

	if (*path == '/' || has_dotdot(path)) {
		note(b, "escape", path, "the member's name leads out of the bundle; it is not read");
		return 0;
	}
	if (archive_entry_filetype(e) == AE_IFDIR)
		return 0;
	r = bundle_classify(b, path, &m);
	if (r < 0)
		return r;
	if (is_link(b, e, path, m.role != MEMBER_OTHER))
		return bundle_mark(b, &m, UNREADABLE);
	if (m.role == MEMBER_OTHER)
		return 0;
	if (!regular) {
		note(b, "unreadable", path, "the member is no regular file; it is not read");
		return bundle_mark(b, &m, UNREADABLE);
	}
	r = bundle_log_begin(b, &m, &in, &max);
	if (r != 0)
		return r < 0 ? r : use_log(b, a, e, &m, in, max);
	if (!bundle_admit(b, path,
			  archive_entry_size_is_set(e) ? (uint64_t)MAX(archive_entry_size(e), 0) : 0))
		return bundle_mark(b, &m, UNREADABLE);
	return use_member(b, a, &m);
}

/*
 * `tar czf lab.tar.gz lab` puts everything in one folder: the first member's, unless it is one of the layout.
 */
static int learn_prefix(struct bundle *b, struct archive_entry *e, const char *path)
{
	size_t len = strcspn(path, "/");
	bool folder = path[len] == '/' || archive_entry_filetype(e) == AE_IFDIR;

	if (b->members != 1 || !folder || len == 0 || (len == 1 && *path == '.') ||
	    (len == 2 && strncmp(path, "..", 2) == 0) || (len == 7 && memcmp(path, "cluster", 7) == 0) ||
	    (len == 5 && memcmp(path, "nodes", 5) == 0))
		return 0;
	b->prefix = strndup(path, len);
	return b->prefix ? 0 : -ENOMEM;
}

/* The next member's head. 1: there is one; 0: the end; SD_EFORMAT, SD_ETRUNC: noted. */
static int next_member(struct bundle *b, struct archive *a, struct archive_entry **e, const char *last)
{
	for (int tries = 0; tries < 100; tries++) {
		int r = archive_read_next_header(a, e);

		if (r == ARCHIVE_EOF)
			return 0;
		if (r == ARCHIVE_OK || r == ARCHIVE_WARN)
			return 1;
		if (r != ARCHIVE_RETRY && r != ARCHIVE_FAILED)
			break;
	}
	if (b->members == 0) {
		sd_note_add(&b->s->notes, true, "not-an-archive", b->label, 0, 0, NULL,
			    "'%s' is no tar archive that can be read: %s", b->label, why(a));
		return SD_EFORMAT;
	}
	sd_note_add(&b->s->notes, true, "truncated", b->label, 0, 0, NULL,
		    "the archive ends or is damaged behind its member '%.200s': %s", last ? last : "?",
		    why(a));
	return SD_ETRUNC;
}

/* Stops before a member whose passing over would take for ever. */
static bool worth_passing(struct bundle *b, struct archive *a, struct archive_entry *e, const char *path)
{
	uint64_t behind = (uint64_t)MAX(archive_filter_bytes(a, 0), 0);
	uint64_t size = archive_entry_size_is_set(e) ? (uint64_t)MAX(archive_entry_size(e), 0) : 0;

	if (behind <= PASSED_MAX && size <= PASSED_MAX - behind)
		return true;
	sd_note_add(
		&b->s->notes, true, "too-large", path, 0, 0, NULL,
		"the archive holds more than %llu GiB; neither this member nor what comes behind it is read",
		PASSED_MAX >> 30);
	return false;
}

static int read_members(struct bundle *b, struct archive *a)
{
	char *path CLEANUP(text_free) = NULL;
	struct archive_entry *e;
	int r;

	while ((r = next_member(b, a, &e, path)) == 1) {
		free(path);
		path = NULL;
		if (!bundle_count(b))
			return 0;
		path = clean_path(e);
		if (!path) {
			note(b, "unreadable", b->label, "a member's name cannot be read; it is left out");
			continue;
		}
		if (!worth_passing(b, a, e, path))
			return 0;
		r = learn_prefix(b, e, path);
		if (r == 0)
			r = take_member(b, a, e, path);
		if (r < 0)
			return r;
	}
	return r;
}

/*
 * A tar without compression ends in blocks of zeros; where they are missing it was cut off between two
 * members, which libarchive does not say.
 */
static bool ends_well(struct archive *a, int fd, const void *data, size_t size)
{
	static const char zeros[512];
	char last[sizeof(zeros)];
	off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : (off_t)size;

	if (archive_filter_code(a, 0) != ARCHIVE_FILTER_NONE || end < (off_t)sizeof(last))
		return true;
	if (fd < 0)
		memcpy(last, (const char *)data + size - sizeof(last), sizeof(last));
	else if (pread(fd, last, sizeof(last), end - (off_t)sizeof(last)) != (ssize_t)sizeof(last))
		return true;
	return memcmp(last, zeros, sizeof(zeros)) == 0;
}

int bundle_read_archive(struct bundle *b, int fd, const void *data, size_t size)
{
	struct archive *a CLEANUP(free_archive) = new_reader();
	int r;

	if (!a)
		return -ENOMEM;
	r = fd >= 0 ? archive_read_open_fd(a, fd, READ_BLOCK) : archive_read_open_memory(a, data, size);
	if (r != ARCHIVE_OK) {
		sd_note_add(&b->s->notes, true, "not-an-archive", b->label, 0, 0, NULL,
			    "'%s' cannot be opened as an archive: %s", b->label, why(a));
		return SD_EFORMAT;
	}
	r = read_members(b, a);
	if (r == 0 && !ends_well(a, fd, data, size))
		note(b, "truncated", b->label, "the archive's end is missing; it may have had more members");
	return r;
}
