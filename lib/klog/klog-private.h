/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_KLOG_PRIVATE_H
#define SVCDOCTOR_KLOG_PRIVATE_H

/*
 * What the files of lib/klog share: one line without what a container runtime, kubectl or journald put before it (line.c), how a known
 * line is written down and found (match.c), and the tables of known lines, one file for each program.
 */

#include <svcdoctor/klog.h>

/* ---- json.c: objects of one line, as far as logs need them; what is broken off is read as far as it goes ---- */

struct log_span {
	const char *s; /* NULL: not there */
	size_t len;
};
struct log_json {
	const char *at, *end;
};
/* False: @s is no object. */
bool log_json_open(struct log_json *j, const char *s, size_t len);
/* The next member. @ret_kind: '"' (the value without its quotes, as it is written), '[', '{' (with theirs), or '0' (all else). False: no more. */
bool log_json_next(struct log_json *j, struct log_span *ret_key, struct log_span *ret_value, char *ret_kind);
/* Writes the text of a string's inside, of quotes of Go or JSON; how much. */
size_t log_unquote(const char *s, size_t len, char *buf, size_t size);
/* The same of "[77,101]", journald's form of what is no UTF-8. */
size_t log_json_bytes(const char *s, size_t len, char *buf, size_t size);
/* Behind the quote that ends the string whose inside begins at @s; @end when none does. */
const char *log_string_end(const char *s, const char *end);

/* ---- time.c ---- */

#define LOG_TIME_MAX 40u
/* RFC 3339 of milliseconds since 1970; "" when they are out of range. */
void log_time_write(int64_t ms, char ret[static LOG_TIME_MAX]);

/* ---- line.c: one line of the file, without what stands before it ---- */

#define LOG_LINE_MAX 8192u /* of the text; what stands behind is not looked at */
#define LOG_RAW_MAX 65536u /* of a line as it lies in the file */

struct log_raw {
	const char *text;	 /* not terminated; in the line, or in @buf */
	size_t len;
	size_t more;		 /* bytes that stand behind, where it was longer */
	bool part;		 /* it goes on in the next line */
	bool lines;		 /* it may be of several lines, as one entry of the journal */
	char time[LOG_TIME_MAX]; /* "": it tells none. RFC 3339 where a year is told */
	char buf[LOG_LINE_MAX];	 /* what was taken out of JSON */
};
void log_raw_read(struct log_raw *l, enum log_program program, const char *s, size_t len);

/* ---- entry.c: what was written at once, which may be several lines ---- */

/* How a line calls itself; bits, so that a form can allow several. */
enum {
	LEVEL_NONE = 1 << 0,	/* it says nothing */
	LEVEL_DEBUG = 1 << 1, LEVEL_INFO = 1 << 2, LEVEL_WARNING = 1 << 3, LEVEL_ERROR = 1 << 4,
	LEVEL_FATAL = 1 << 5,	/* and panics */
	LEVEL_KLOG = 1 << 6,	/* beside one of them: klog wrote it, as client-go does; of kube-proxy, which writes no others, it does not matter */
	LEVEL_ANY = (1 << 7) - 1,
};
enum log_style {
	STYLE_PLAIN,	  /* not klog's, or of a program whose lines are taken as they are */
	STYLE_PRINTF,
	STYLE_STRUCTURED, /* "message" key="value" */
	STYLE_JSON,
};

/* A value of a structured entry, as it is written, without its quotes or marks. */
struct log_pair {
	struct log_span key, value;
	char kind; /* '"', '<' (several lines, each behind a TAB), or '0' */
};
#define LOG_PAIRS_MAX 24u
struct log_line {
	const char *whole;	/* with its level, without what stands before it; not terminated */
	size_t whole_len;
	const char *text;	/* behind the level */
	size_t len;
	unsigned level;		/* one of LEVEL_*, with LEVEL_KLOG or without */
	enum log_style style;
	uint32_t pid;		/* of klog's header; 0: none */
	struct log_span message; /* of kube-proxy: without the values behind it */
	struct log_span err;	/* of a structured entry */
	struct log_pair pairs[LOG_PAIRS_MAX];
	size_t pairs_n;
	char time[LOG_TIME_MAX];
	char buf[LOG_LINE_MAX]; /* what had to be put together or taken out of quotes */
	size_t used;		/* of @buf */
};
/* Reads what stands in whole, whole_len and time. */
void log_line_read(struct log_line *l, enum log_program program);
/* The value of a key; false: it has none. What is quoted is taken out of its quotes, into l->buf. */
bool log_line_value(struct log_line *l, const char *key, struct log_span *ret);
/* Values from @s on: ' key="value" key=3'. Keys may have blanks ("primary ipFamily"). */
void log_read_pairs(struct log_line *l, const char *s, const char *end);
bool log_klog_begins(const char *s, size_t len); /* "E0613 20:16:33." */
bool log_is_structured(const char *s, size_t len); /* of a line that log_klog_begins */
bool log_opens_value(const char *s, size_t len);   /* it ends with "=<" */
bool log_closes_value(const char *s, size_t len);  /* " >" */
/* Whether a line that does not begin as klog's belongs to the entry before it. @open: that is within a value of several lines. */
bool log_entry_goes_on(bool open, bool structured, const char *s, size_t len);

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
 * `Failed to list: %v` of 1.20, `"failed to list" err="..."` of 1.21, `"Failed to list" err="..."` of 1.30 and JSON. Of a quoted message nothing may
 * follow; of one of JSON it may, since printf lines become such, too. Where the message is "Unhandled Error", the error is taken for the message first.
 * As JSON, warnings are no others than lines of information, and fatal errors than errors. Reasons are looked for where the kind is no harmless or good
 * one; the name that a reason's pattern takes comes before the row's.
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
struct log_table {
	const struct log_row *rows;
	size_t n;
};
#define LOG_SPANS_MAX 16u
struct log_spans {
	struct log_span v[LOG_SPANS_MAX]; /* what the wild cards took, in their order */
	size_t n;
};
/* What may follow behind the pattern. */
enum log_tail {
	TAIL_NONE,  /* nothing */
	TAIL_STOP,  /* a full stop */
	TAIL_ERROR, /* or ": ERROR" and its like */
	TAIL_ANY,
};
struct log_capture {
	struct log_span name, detail, err; /* @err: what followed behind the pattern */
	struct log_spans spans;		   /* what the wild cards took, and last the error, in their order */
};
bool log_pattern_match(const char *pattern, enum log_tail tail, const char *text, size_t len, struct log_capture *ret);

#define LOG_FORMS_MAX 4096u
#define LOG_BUCKETS 2048u
#define LOG_HEADS 3u /* beginnings of 16, 8 and 4 bytes */
/* A message that was met, and which form it is of: those of structured lines are always the same. */
struct log_memo {
	uint32_t form;
	uint8_t len, level, tail;
	char s[56];
};
#define LOG_MEMOS 256u
/*
 * Of all forms of one program: those that begin with so many bytes of their own, and those in which the four first bytes of an anchor stand
 * somewhere.
 */
struct log_index {
	enum log_program program;
	size_t n;
	const struct log_row *row[LOG_FORMS_MAX]; /* whose form it is */
	const struct log_form *form[LOG_FORMS_MAX];
	uint16_t first_form[LOG_FORMS_MAX]; /* of the same row */
	struct log_span anchor[LOG_FORMS_MAX];
	uint32_t key[LOG_FORMS_MAX]; /* of the beginning, or of the anchor's first four bytes */
	uint16_t head[LOG_HEADS][LOG_BUCKETS], first[LOG_BUCKETS]; /* form + 1; 0: none */
	uint16_t next[LOG_FORMS_MAX];
	size_t anchored; /* the first form that is found by its anchor */
	uint8_t seen[8192]; /* bits: four bytes that may be an anchor's */
	struct log_memo memo[LOG_MEMOS];
};
void log_index_make(struct log_index *x, enum log_program program, const struct log_table *const *tables);

struct log_match {
	const struct log_row *row;
	size_t first_form;    /* of the row, in the index */
	struct log_capture c; /* name and detail, as the row wants them */
	struct log_span err;  /* what reasons are looked for in */
	bool from_err;	      /* the text of the error was taken for the message ("Unhandled Error") */
};
/* The first row that the line is of. */
bool log_index_find(struct log_index *x, struct log_line *l, struct log_match *ret);
/* The first row that a text is of, from its beginning to its end. */
const struct log_row *log_index_text(const struct log_index *x, const char *text, size_t len, struct log_capture *ret);

/* ---- reader.c ---- */

/* As log_reader_new, with other tables than those of the programs. */
struct log_reader *log_reader_of(struct arena *arena, enum log_program program, bool cut, const struct log_table *const *tables,
				 const struct log_table *const *reasons);

/* ---- parts.c ---- */

int log_each_of(enum log_program program, const struct log_table *const *tables, const char *data, size_t size, log_line_fn *fn, void *arg);

/* ---- summary.c: what is kept of entries ---- */

struct log_counter;
struct log_counter *log_counter_new(struct arena *arena, enum log_program program, bool whole, const struct log_table *const *tables,
				    const struct log_table *const *reasons);
/* @first, @last: its lines. */
int log_counter_add(struct log_counter *c, struct log_line *l, size_t first, size_t last);
int log_counter_end(struct log_counter *c, size_t lines, struct log_summary *ret);
void log_counter_free(struct log_counter *c);

/* ---- start.c: where a program starts ---- */

struct log_starts {
	bool whole;	   /* nothing stands before the first line */
	bool running;	   /* kube-proxy: the last start is followed */
	bool banner;	   /* in it */
	uint32_t pid;
	size_t run_line;   /* where the run begins whose banner has not come yet; 0: not known */
	size_t start_line; /* the first of the lines that a start writes; 0: none */
	size_t others;	   /* lines of no start since the last one of one */
	const struct log_row *row; /* of the first of them */
	size_t started_line, starts;
};
/* Follows one entry. */
void log_starts_add(struct log_starts *s, enum log_program program, const struct log_line *l, const struct log_row *row, size_t first, size_t last);

/* ---- the tables: coredns.c, kube-proxy*.c, kernel.c ---- */

extern const struct log_table log_coredns;
extern const struct log_table *const log_tables[]; /* in their order; the first row that fits counts. Ends with NULL */
/* What texts of errors mean, wherever they stand in one: patterns as "*connection refused*". */
extern const struct log_table *const log_reasons[];

/* Lines of kube-proxy of no known kind, by the text of the error in them. */
enum { LOG_OTHER_END, LOG_OTHER_SYNC, LOG_OTHER_START, LOG_OTHERS };
extern const struct log_row log_proxy_others[LOG_OTHERS];

#endif
