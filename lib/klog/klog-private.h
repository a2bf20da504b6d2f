/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_KLOG_PRIVATE_H
#define SVCDOCTOR_KLOG_PRIVATE_H

/*
 * What the files of lib/klog share: one line without what a container runtime, kubectl or journald put before it (line.c), how a known
 * line is written down and found (match.c), and the tables of known lines, one file for each program.
 */

#include <svcdoctor/klog.h>

/* ---- line.c ---- */

/* How a line calls itself; bits, so that a form can allow several. */
enum {
	LEVEL_NONE = 1 << 0,	/* it says nothing */
	LEVEL_DEBUG = 1 << 1, LEVEL_INFO = 1 << 2, LEVEL_WARNING = 1 << 3, LEVEL_ERROR = 1 << 4,
	LEVEL_FATAL = 1 << 5,	/* and panics */
	LEVEL_KLOG = 1 << 6,	/* beside one of them: klog wrote it, as client-go does */
	LEVEL_ANY = (1 << 7) - 1,
};

#define LOG_LINE_MAX 8192u /* what stands behind is not looked at */

struct log_line {
	const char *whole;	/* with its level, without what stands before it; not terminated */
	size_t whole_len;
	const char *text;	/* behind the level */
	size_t len;
	unsigned level;		/* one of LEVEL_*, with LEVEL_KLOG or without */
	char time[40];		/* "": it tells none. RFC 3339 where a year is told */
	char buf[LOG_LINE_MAX];	/* what had to be put together or taken out of JSON */
};

/* Reads one line at *@at, which goes behind it; of a runtime that cuts long lines, all of its parts. False: the end. Counts lines in @lines. */
bool log_line_next(const char *data, size_t size, size_t *at, size_t *lines, struct log_line *ret);

/* ---- match.c ---- */

/*
 * One spelling of a line. @pattern: of the text behind the level, from its beginning to its end, letters of any case: "*" is anything, %w a
 * word, %# digits, %n and %N the name (a word; anything), %x and %d the detail (a word; anything); %D takes no bytes, and everything behind
 * it is the detail. What stands for anything is as short as it can be. @anchor: at least four bytes that are in every such line, by which
 * it is found; NULL: the pattern's first literal of at least four bytes is.
 *
 * Of kube-proxy a pattern is the message alone, without a full stop at its end: the text of a printf line, the quoted message of a
 * structured one, "msg" of JSON. What follows it as ": ERROR", ", error: ERROR", ", err: ERROR" or stands as err="ERROR" (or err=<...>)
 * is its error: the detail, unless the pattern names one, and what the reasons are looked for in. So one form serves
 * `Failed to list: %v` of 1.20, `"failed to list" err="..."` of 1.21, `"Failed to list" err="..."` of 1.30 and JSON.
 */
struct log_form {
	unsigned levels;
	const char *anchor, *pattern;
	const char *versions; /* of kube-proxy, which write it so: "1.14-1.22"; NULL: as the kind says */
};
enum {
	ROW_START = 1 << 0,	/* written while the program starts, before its banner */
	ROW_BANNER = 1 << 1,	/* the program has started; the name is its version */
	ROW_END = 1 << 2,	/* the program ends with it */
	ROW_MODE = 1 << 3,	/* the name is the mode that kube-proxy runs in */
	ROW_TAIL = 1 << 4,	/* anything may follow behind the pattern, and it is no error */
};
struct log_row {
	enum log_program program;
	struct log_kind kind;
	unsigned flags;
	const struct log_form *forms;	/* ends with pattern NULL */
	const char *name_key;		/* of structured lines: the key whose value is the name ("type", "ipset"); NULL: none */
	const char *key, *key_value;	/* of structured lines: only with this value of this key; NULL: any */
};
struct log_span {
	const char *s; /* NULL: not there */
	size_t len;
};
#define LOG_SPANS_MAX 16u
struct log_spans {
	struct log_span v[LOG_SPANS_MAX]; /* what the wild cards took, in their order */
	size_t n;
};
bool log_pattern_match(const char *pattern, const char *text, size_t len, struct log_span *ret_name, struct log_span *ret_detail);

/* What the wild cards of the row's form took. */
bool log_row_spans(const struct log_row *row, const char *text, size_t len, struct log_spans *ret);

#define LOG_FORMS_MAX 4096u
#define LOG_BUCKETS 1024u
/* Of all forms of one program: which anchor may begin with four bytes. */
struct log_index {
	const struct log_row *row[LOG_FORMS_MAX]; /* whose form it is */
	const struct log_form *form[LOG_FORMS_MAX];
	size_t n;
	uint16_t first[LOG_BUCKETS]; /* form + 1; 0: none */
	uint16_t next[LOG_FORMS_MAX];
};
void log_index_make(struct log_index *x, enum log_program program);
/* The first row that the line is of; NULL: none. */
const struct log_row *log_index_find(const struct log_index *x, const struct log_line *l, struct log_span *ret_name, struct log_span *ret_detail);

/* ---- the tables: coredns.c, kube-proxy*.c, kernel.c ---- */

struct log_table {
	const struct log_row *rows;
	size_t n;
};
extern const struct log_table log_coredns;
extern const struct log_table *const log_tables[]; /* in their order; the first row that fits counts. Ends with NULL */
/* What texts of errors mean, wherever they stand in one: patterns as "*connection refused*". */
extern const struct log_table *const log_reasons[];

#endif
