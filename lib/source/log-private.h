/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LOG_PRIVATE_H
#define LOG_PRIVATE_H

/* What the sources of logs share: a log comes in pieces, from a file, an archive, an answer of the API server or a program's output. */

#include <svcdoctor/snapshot.h>

struct log_intake;
/* Texts of the result lie in @arena. @lines_max: a log with as many lines is only the end of one; 0: it is whole. NULL: memory is out. */
struct log_intake *log_intake_new(struct arena *arena, enum log_program program, bool cut, size_t lines_max);
int log_intake_feed(struct log_intake *in, const char *data, size_t size); /* 0 or -ENOMEM */
/* What was fed is the beginning, and what comes next the end of the log: between them is something that nobody reads. 0 or -ENOMEM. */
int log_intake_gap(struct log_intake *in);
void log_intake_free(struct log_intake *in); /* of one that is given up; NULL: nothing */
void log_intake_drop(struct log_intake **in); /* for CLEANUP */
/*
 * Frees @in. Fills @ret->summary, ->cut, ->journal and ->flags, and nothing else of it. 0; -ENOMEM; SD_EPARSE, when all but the flags is there: they make no configuration.
 */
int log_intake_end(struct log_intake *in, struct snap_log *ret);

/*
 * Frees @in and adds its log to @s, with the names of @what, which are copied; a node's own tells of its kube-proxy. A log that is there
 * already is not added again. 0 or -ENOMEM.
 */
int log_add(struct snapshot *s, const struct snap_log *what, struct log_intake *in);
/* All of it at once; of @what also whether it is cut. */
int log_use(struct snapshot *s, const struct snap_log *what, size_t lines_max, const char *data, size_t size);

/*
 * The beginning of one, of which the end may follow: what a start says is kept, and nothing else of it, for what came of that is not known. The end
 * is that log's then, or, where it was not there before, a log by itself. 0 or -ENOMEM.
 */
int log_use_head(struct snapshot *s, const struct snap_log *what, const char *data, size_t size);
int log_use_tail(struct snapshot *s, const struct snap_log *what, size_t lines_max, const char *data, size_t size);

/* Whose log is it, by the names of pod and container? False: nobody's that is read. */
bool log_program_of(const char *pod, const char *container, enum log_program *ret);

/*
 * All of the file @fd, from where it stands: whole up to @max bytes; of a larger one (@size: as far as that is known, else 0) its beginning and
 * as much of its end. -errno; 0; -ENOMEM.
 */
int log_intake_fd(struct log_intake *in, int fd, uint64_t size, uint64_t max);
#define LOG_HEAD_SIZE (1u << 20) /* of the beginning, where the middle is left out: mode and flags stand there */

#endif
