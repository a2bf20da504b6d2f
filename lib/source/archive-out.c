/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packs a bundle: a tar archive, compressed by gzip or not. It stands beside bundle-archive.c, which reads them. */

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "bundle-out-private.h"

#define COPY_BLOCK (64u << 10)
#define MEMBER_MODE 0600

struct archive_out {
	struct archive *a;
	struct archive_entry *e;
	time_t now;
	bool ended;
	char block[COPY_BLOCK];
};

/* libarchive's errno is the system's where there is one, and its own (above) else. */
static int failure(struct archive *a)
{
	int err = archive_errno(a);

	return err > 0 ? -err : -EIO;
}

int archive_out_open(int fd, bool gzip, struct archive_out **ret)
{
	struct archive_out *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->now = time(NULL);
	o->a = archive_write_new();
	o->e = archive_entry_new();
	if (!o->a || !o->e) {
		archive_out_free(o);
		return -ENOMEM;
	}
	/* pax only where ustar cannot hold a name; no padding of the last block, which a pipe does not need. */
	if (archive_write_set_format_pax_restricted(o->a) != ARCHIVE_OK ||
	    (gzip && archive_write_add_filter_gzip(o->a) != ARCHIVE_OK) || archive_write_set_bytes_in_last_block(o->a, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(o->a, fd) != ARCHIVE_OK) {
		int r = failure(o->a);

		archive_out_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

static int add_data(struct archive_out *o, int from, uint64_t size)
{
	off_t at = 0;

	while ((uint64_t)at < size) {
		ssize_t n = pread(from, o->block, (size_t)MIN(size - (uint64_t)at, (uint64_t)COPY_BLOCK), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return SD_ETRUNC;
		if (archive_write_data(o->a, o->block, (size_t)n) != n)
			return failure(o->a);
		at += n;
	}
	return 0;
}

int archive_out_add(struct archive_out *o, const char *path, int from, uint64_t size)
{
	archive_entry_clear(o->e);
	archive_entry_set_pathname(o->e, path);
	archive_entry_set_filetype(o->e, AE_IFREG);
	archive_entry_set_perm(o->e, MEMBER_MODE);
	archive_entry_set_size(o->e, (int64_t)size);
	archive_entry_set_mtime(o->e, o->now, 0);
	if (archive_write_header(o->a, o->e) != ARCHIVE_OK)
		return failure(o->a);
	return add_data(o, from, size);
}

int archive_out_finish(struct archive_out *o)
{
	o->ended = true;
	return archive_write_close(o->a) == ARCHIVE_OK ? 0 : failure(o->a);
}

void archive_out_free(struct archive_out *o)
{
	if (!o)
		return;
	archive_entry_free(o->e);
	/* What failed gets no end, so that nobody takes it for a whole one. */
	if (o->a && !o->ended)
		(void)archive_write_fail(o->a);
	if (o->a)
		(void)archive_write_free(o->a);
	free(o);
}
