/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_KLOG_H
#define SVCDOCTOR_KLOG_H

/*
 * What the log of a program says: known lines, counted and dated, and what each means. Pure functions over bytes; a log is read in pieces,
 * and nothing is kept of it but its summary.
 */

#include <svcdoctor/base.h>

enum log_program { LOG_COREDNS };
enum log_weight { LOG_HARMLESS, LOG_GOOD, LOG_WARNING, LOG_ERROR };

/* A kind of line that is known. */
struct log_kind {
	const char *id;	      /* kebab-case, of this table */
	enum log_weight weight;
	const char *check;    /* the id of the check that it speaks for; NULL: none */
	const char *meaning;  /* one line */
	const char *versions; /* which write it: ">= 1.2.3"; NULL: all */
};
struct log_hit {
	const struct log_kind *kind;
	size_t count;
	const char *first, *last; /* times as the lines tell them; NULL: they tell none */
	const char *text;	  /* the last such line, cleaned, at most 400 bytes */
	const char *name, *detail; /* what it speaks of: the zone of a loop, the name that was asked, the resource that is forbidden; and the rest, such as the error of a socket. NULL */
	size_t last_line;	  /* its number, from 1; before log_summary.started_line it is history */
};
struct log_summary {
	ARRAY_OF(struct log_hit) hits; /* one for each kind, but for kinds whose name differs (a few of each) */
	size_t lines, errors_unknown;  /* lines in all; those that call themselves errors and are of no known kind */
	const char *first_unknown;     /* the first of the latter */
	const char *version;	       /* of the program, as its start tells: "1.11.1"; NULL */
	size_t started_line;	       /* where the last start begins; 0: none is seen. What stands before it is history */
	const char *until;	       /* the time of the last line that tells one; NULL */
};
void log_summary_release(struct log_summary *s);
/* The kinds of lines that are known, in the order of their table; NULL behind the last one. */
const struct log_kind *log_kind_at(size_t i);
/* All of a log, or its end (@cut): then its first line is hardly whole, and is not looked at. Texts lie in @arena. 0 or -ENOMEM. */
int log_read(struct arena *arena, enum log_program program, const char *data, size_t size, bool cut, struct log_summary *ret);

/* A line in parts: those of its form, and those that stand for something else (@open): names, addresses, errors. */
struct log_part {
	const char *s; /* not terminated */
	size_t len;
	bool open;
};
#define LOG_PARTS_MAX 33
struct log_parts {
	const char *time;	/* "": it tells none */
	const char *head;	/* its level, or klog's header; not terminated */
	size_t head_len;
	size_t lines;		/* of the log, this one included */
	bool blank;
	struct log_part v[LOG_PARTS_MAX];
	size_t n;		/* 0: it is of no known kind */
};
typedef int log_line_fn(void *arg, const struct log_parts *line);
/* Each line of a log; @fn's negative code ends it. 0 or that, or -ENOMEM. */
int log_each(enum log_program program, const char *data, size_t size, log_line_fn *fn, void *arg);

#endif
