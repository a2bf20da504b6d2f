/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A log in pieces: lines are put together from them, and entries from lines. An entry is one line, or what a runtime cut into several; of kube-proxy
 * also the lines that follow a header: those of a value ("err=<", up to " >"), and those of a message that has line breaks itself.
 */
#include <errno.h>

#include "klog-private.h"

struct log_reader {
	enum log_program program;
	struct log_counter *counter;
	bool cut;		/* the first line is not looked at */
	bool in_line;		/* a line has begun that goes on in the next piece */
	size_t carried;		/* of it */
	size_t lines;
	/* the entry that is put together */
	bool begun;
	bool part;		/* its last line goes on in the next one */
	bool klog, structured;
	bool open;		/* it is within a value of several lines */
	size_t first, len;
	struct log_raw raw;
	struct log_line line;
	char text[LOG_LINE_MAX];
	char carry[LOG_RAW_MAX];
};

struct log_reader *log_reader_of(struct arena *arena, enum log_program program, bool cut, const struct log_table *const *tables,
				 const struct log_table *const *reasons)
{
	struct log_reader *r = malloc(sizeof(*r));

	if (!r)
		return NULL;
	memset(r, 0, offsetof(struct log_reader, raw));
	r->program = program;
	r->cut = cut;
	r->counter = log_counter_new(arena, program, !cut, tables, reasons);
	if (!r->counter) {
		free(r);
		return NULL;
	}
	return r;
}

struct log_reader *log_reader_new(struct arena *arena, enum log_program program, bool cut)
{
	return log_reader_of(arena, program, cut, log_tables, log_reasons);
}

void log_reader_free(struct log_reader *r)
{
	if (!r)
		return;
	log_counter_free(r->counter);
	free(r);
}

/* ---- entries ---- */

static int end_entry(struct log_reader *r, size_t last)
{
	if (!r->begun)
		return 0;
	r->begun = r->part = false;
	r->line.whole = r->text;
	r->line.whole_len = r->len;
	log_line_read(&r->line, r->program);
	return log_counter_add(r->counter, &r->line, r->first, last);
}

static void append(struct log_reader *r, const char *s, size_t len)
{
	const size_t n = MIN(len, sizeof(r->text) - r->len);

	memcpy(r->text + r->len, s, n);
	r->len += n;
}

static void begin_entry(struct log_reader *r, const char *s, size_t len, bool klog)
{
	r->begun = true;
	r->first = r->lines;
	r->len = 0;
	append(r, s, len);
	memcpy(r->line.time, r->raw.time, sizeof(r->line.time));
	r->klog = klog;
	r->structured = klog && log_is_structured(s, len);
	r->open = klog && log_opens_value(s, len);
}

static int add_text(struct log_reader *r, const char *s, size_t len)
{
	const bool klog = r->program == LOG_KUBE_PROXY && log_klog_begins(s, len);

	if (r->begun && r->part) {
		append(r, s, len);
	} else if (r->begun && r->klog && !klog && log_entry_goes_on(r->open, r->structured, s, len)) {
		append(r, "\n", 1);
		append(r, s, len);
		r->open = r->open ? !log_closes_value(s, len) || log_opens_value(s, len) : false;
	} else {
		/* one line of the journal's JSON may hold several entries */
		if (end_entry(r, MAX(r->first, r->lines - 1)) < 0)
			return -ENOMEM;
		begin_entry(r, s, len, klog);
	}
	r->part = r->raw.part;
	return 0;
}

/* ---- lines ---- */

static int add_line(struct log_reader *r, const char *s, size_t len)
{
	r->lines++;
	if (r->cut) {
		r->cut = false;
		return 0;
	}
	log_raw_read(&r->raw, r->program, s, len);
	s = r->raw.text;
	len = r->raw.len;
	for (const char *nl; r->raw.lines && (nl = memchr(s, '\n', len)); len -= (size_t)(nl + 1 - s), s = nl + 1)
		if (add_text(r, s, (size_t)(nl - s)) < 0)
			return -ENOMEM;
	return add_text(r, s, len);
}

static void carry(struct log_reader *r, const char *s, size_t len)
{
	const size_t n = MIN(len, sizeof(r->carry) - r->carried);

	memcpy(r->carry + r->carried, s, n);
	r->carried += n;
	r->in_line = true;
}

static int end_line(struct log_reader *r)
{
	const size_t n = r->carried;

	r->in_line = false;
	r->carried = 0;
	return add_line(r, r->carry, n);
}

int log_reader_feed(struct log_reader *r, const char *data, size_t size)
{
	int e = 0;

	while (size && e == 0) {
		const char *nl = memchr(data, '\n', size);
		const size_t n = nl ? (size_t)(nl - data) : size;

		if (!nl || r->in_line)
			carry(r, data, n);
		if (nl)
			e = r->in_line ? end_line(r) : add_line(r, data, MIN(n, (size_t)LOG_RAW_MAX));
		data += n + (nl != NULL);
		size -= n + (nl != NULL);
	}
	return e;
}

int log_reader_end(struct log_reader *r, struct log_summary *ret)
{
	int e = r->in_line ? end_line(r) : 0;

	if (e == 0)
		e = end_entry(r, r->lines);
	if (e == 0)
		e = log_counter_end(r->counter, r->lines, ret);
	log_reader_free(r);
	return e;
}

int log_read(struct arena *arena, enum log_program program, const char *data, size_t size, bool cut, struct log_summary *ret)
{
	struct log_reader *r = log_reader_new(arena, program, cut);
	int e = r ? log_reader_feed(r, data, size) : -ENOMEM;

	if (e < 0) {
		log_reader_free(r);
		return e;
	}
	return log_reader_end(r, ret);
}
