/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BUNDLE_OUT_PRIVATE_H
#define BUNDLE_OUT_PRIVATE_H

/* What the writers of bundles share: bundle-out.c does files and names, archive-out.c is the only one that packs. */

#include <svcdoctor/source.h>

/* A tar archive that is written to a descriptor, which stays the caller's. */
struct archive_out;
/* 0, -ENOMEM, or another negative code when libarchive cannot. */
int archive_out_open(int fd, bool gzip, struct archive_out **ret);
/*
 * A member of @size bytes, which @from holds from its beginning. 0, -errno of the descriptor, SD_ETRUNC when @from has less, -ENOMEM. What
 * failed is final.
 */
int archive_out_add(struct archive_out *a, const char *path, int from, uint64_t size);
/* Writes the end. 0 or as above. */
int archive_out_finish(struct archive_out *a);
void archive_out_free(struct archive_out *a);

#endif
