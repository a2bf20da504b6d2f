/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bodies packed with gzip (RFC 1952) are unpacked here and not by libcurl: only who sees the trailer knows that the body is whole. An answer of
 * an API server over HTTP/2 has no length, and libcurl 7.88 may call a stream well ended of which it lost the rest, when another stream of the
 * connection was reset.
 */
#include <errno.h>

#include <zlib.h>

#include "client-private.h"

#define CHUNK 16384u
#define GZIP_ONLY (15 + 16) /* inflateInit2's windowBits */

struct unpacker {
	z_stream z;
	bool ended; /* behind a trailer; another member may follow */
};

struct unpacker *unpacker_new(void)
{
	struct unpacker *u = calloc(1, sizeof(*u));

	if (u && inflateInit2(&u->z, GZIP_ONLY) != Z_OK) {
		free(u);
		return NULL;
	}
	return u;
}

void unpacker_free(struct unpacker *u)
{
	if (u)
		(void)inflateEnd(&u->z);
	free(u);
}

static int step(struct unpacker *u, void *out)
{
	if (u->ended && inflateReset(&u->z) != Z_OK)
		return Z_STREAM_ERROR;
	u->ended = false;
	u->z.next_out = out;
	u->z.avail_out = CHUNK;
	return inflate(&u->z, Z_NO_FLUSH);
}

int unpacker_add(struct unpacker *u, const char *data, size_t n, bool (*put)(void *arg, const char *data, size_t n), void *arg)
{
	char out[CHUNK];

	u->z.next_in = (z_const Bytef *)(uintptr_t)data;
	u->z.avail_in = (uInt)n;
	do {
		int r = step(u, out);

		if (r == Z_MEM_ERROR)
			return -ENOMEM;
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return SD_EFORMAT;
		if (u->z.avail_out < CHUNK && !put(arg, out, CHUNK - u->z.avail_out))
			return -ECANCELED;
		u->ended = r == Z_STREAM_END;
	} while (u->z.avail_in > 0 || (u->z.avail_out == 0 && !u->ended));
	return 0;
}

bool unpacker_whole(const struct unpacker *u)
{
	return u->ended;
}
