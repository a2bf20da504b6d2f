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
 * One spelling of a line. @anchor: at least four bytes that are in every such line, by which it is found. @pattern: of the text behind the
 * level, from its beginning to its end, letters of any case: "*" is anything, %w a word, %# digits, %n and %N the name (a word; anything),
 * %x and %d the detail (a word; anything); %D takes no bytes, and everything behind it is the detail. What stands for anything is as short as it can be.
 */
struct log_form {
	unsigned levels;
	const char *anchor, *pattern;
};
#define LOG_FORMS_MAX 4
enum {
	ROW_START = 1 << 0,	/* written while the program starts, before its banner */
	ROW_BANNER = 1 << 1,	/* the program has started; the name is its version */
	ROW_END = 1 << 2,	/* the program ends with it */
};
struct log_row {
	enum log_program program;
	struct log_kind kind;
	unsigned flags;
	struct log_form forms[LOG_FORMS_MAX]; /* ends with anchor NULL, where fewer */
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

#define LOG_ROWS_MAX 512u
#define LOG_BUCKETS 1024u
/* Of all rows of one program: which anchor may begin with four bytes. */
struct log_index {
	const struct log_row *rows;
	size_t nrows;
	enum log_program program;
	uint16_t first[LOG_BUCKETS]; /* form + 1; 0: none */
	uint16_t next[LOG_ROWS_MAX * LOG_FORMS_MAX];
};
void log_index_make(struct log_index *x, enum log_program program);
/* The first row that the line is of; NULL: none. */
const struct log_row *log_index_find(const struct log_index *x, const struct log_line *l, struct log_span *ret_name, struct log_span *ret_detail);

/* ---- coredns.c ---- */

extern const struct log_row log_rows[];
extern const size_t log_nrows;

#endif
