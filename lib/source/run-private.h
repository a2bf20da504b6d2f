/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RUN_PRIVATE_H
#define RUN_PRIVATE_H

#include <svcdoctor/base.h>

/*
 * Runs a program by its path, without a shell, with nothing on stdin, no environment but a plain locale, and its complaints unheard. @args end with
 * NULL and begin with its name. Of its output the last @keep bytes stay, from the beginning of a line. When @limit_ms is over, its process group
 * ends. Its exit code; -ETIMEDOUT, what came until then is kept; -errno; -ENOMEM; -EPIPE where a signal ended it.
 */
int run_output(const char *program, const char *const *args, size_t keep, int64_t limit_ms, struct strbuf *ret);
/* Leaves the last @max bytes, from the beginning of a line. */
void text_keep_end(struct strbuf *b, size_t max);

#endif
