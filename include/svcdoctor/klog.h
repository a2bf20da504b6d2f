/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_KLOG_H
#define SVCDOCTOR_KLOG_H

/*
 * What the log of a program says: known lines, counted and dated, and what each means. Pure functions over bytes; a log is read in pieces,
 * and nothing is kept of it but its summary.
 */

#include <svcdoctor/base.h>

enum log_program { LOG_COREDNS, LOG_KUBE_PROXY, LOG_KERNEL };
enum log_weight { LOG_HARMLESS, LOG_GOOD, LOG_WARNING, LOG_ERROR };
/* What a line speaks of. A good line makes what stood before it of the same topic history. */
enum log_topic {
	TOPIC_NONE,
	TOPIC_START,	 /* its start and configuration: the next start that goes on makes it history */
	TOPIC_API,	 /* the way to the API server: lists and watches */
	TOPIC_SYNC,	 /* writing rules */
	TOPIC_HEALTH,	 /* its own ports */
	TOPIC_CONNTRACK, /* clearing entries of conntrack */
};

/* A kind of line that is known, or of the text of an error inside one. */
struct log_kind {
	const char *id;	      /* kebab-case, of this table */
	enum log_weight weight;
	const char *check;    /* the id of the check that it speaks for; NULL: none */
	const char *meaning;  /* one line */
	const char *versions; /* which write it: ">= 1.2.3"; NULL: all, or as its forms say */
	const char *todo;     /* what to do, one line; NULL: nothing, or as the check says */
	enum log_topic topic;
};
struct log_hit {
	const struct log_kind *kind;
	const struct log_kind *reason; /* what the text of its error is known to mean ("api-certificate-expired"); NULL: it has none, or it is not known */
	size_t count;
	const char *first, *last; /* times as the lines tell them; NULL: they tell none */
	const char *since;	  /* from which one on it has been so without a break: no start, no good line of its topic in between; NULL */
	const char *text;	  /* the last such line, cleaned, at most 400 bytes */
	const char *name, *detail; /* what it speaks of: the zone of a loop, the name that was asked, the resource that is forbidden; and the rest, such as the error of a socket. NULL */
	size_t first_line, last_line; /* their numbers, from 1; what is before log_summary.started_line is history */
	bool over;		  /* a later line of its topic says that it works again */
};
/* What a hit is worth, and for which check it speaks: its reason says more than its kind. */
enum log_weight log_hit_weight(const struct log_hit *h);
const char *log_hit_check(const struct log_hit *h);

/* Errors of no known kind; those that differ in digits only are one. */
struct log_unknown {
	const char *text;	  /* the last one, cleaned, at most 400 bytes */
	const char *first, *last; /* times; NULL */
	size_t count, last_line;
};
struct log_summary {
	ARRAY_OF(struct log_hit) hits; /* one for each kind and reason, but for kinds whose name differs (a few of each) */
	ARRAY_OF(struct log_unknown) unknown; /* at most 16 of them, in the order of their first line */
	size_t lines, errors_unknown;  /* lines in all; those that call themselves errors and are of no known kind */
	const char *first_unknown;     /* the first of the latter */
	const char *version;	       /* of the program, as its start tells: "1.11.1", "v1.28.4"; NULL */
	const char *mode;	       /* of kube-proxy, that its last start took: "ipvs"; NULL: it does not tell */
	size_t started_line;	       /* where the last start begins; 0: none is seen. What stands before it is history */
	size_t starts;		       /* how many are seen */
	const char *until;	       /* the time of the last line that tells one; NULL */
};
void log_summary_release(struct log_summary *s);
/* The kinds of lines that are known, in the order of their tables, reasons last; NULL behind the last one. */
const struct log_kind *log_kind_at(size_t i);
/* All of a log, or its end (@cut): then its first line is hardly whole, and is not looked at. Texts lie in @arena. 0 or -ENOMEM. */
int log_read(struct arena *arena, enum log_program program, const char *data, size_t size, bool cut, struct log_summary *ret);

/*
 * The same of a log that comes in pieces, which may end anywhere: memory is bounded, however long it is. Texts of the summary lie in
 * @arena. log_reader_end gives the summary and frees the reader; log_reader_free frees one that is given up (NULL: nothing).
 */
struct log_reader;
struct log_reader *log_reader_new(struct arena *arena, enum log_program program, bool cut); /* NULL: memory is out */
int log_reader_feed(struct log_reader *r, const char *data, size_t size);		     /* 0 or -ENOMEM */
int log_reader_end(struct log_reader *r, struct log_summary *ret);			     /* 0 or -ENOMEM */
void log_reader_free(struct log_reader *r);

/*
 * Seconds since 1970 of a time as log_hit tells it. RFC 3339: exactly. klog's ("06-13 20:16:33", no year and no zone): taken as UTC, in
 * the year that puts it nearest to @near (seconds; 0: not known, then it cannot be told). -1: it cannot be told.
 */
int64_t log_time(const char *time, int64_t near);

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
/* The words of all known lines and errors that the programs write themselves, in lower case, into @ret (a set); they lie in @arena. 0 or -ENOMEM. */
int log_own_words(struct arena *arena, struct map *ret);

#endif
