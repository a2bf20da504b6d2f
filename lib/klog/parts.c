/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of a log taken apart: what is of the form of a known line, and what stands for something else. For whoever may show only the first.
 * Entries of several lines are taken line by line, so that none is lost: what follows a known line stands for something.
 */
#include <ctype.h>
#include <errno.h>

#include "klog-private.h"

#define HEAD_MAX 100 /* of klog's header, with the name of a source file */
#define OPEN_MAX (LOG_PARTS_MAX / 2)

struct opens {
	struct log_span v[OPEN_MAX];
	size_t n;
};
struct each {
	enum log_program program;
	log_line_fn *fn;
	void *arg;
	size_t lines;
	struct log_index index;
	struct log_raw raw;
	struct log_line line;
	/* the entry that a line may belong to */
	bool known, klog, structured, open, part;
	size_t len;		  /* of the parts that a runtime made of a line of CoreDNS */
	char time[LOG_TIME_MAX];
	char text[LOG_LINE_MAX];
};

/* "[ERROR] ", "E1121 07:30:59.249815       1 reflector.go:138] " */
static size_t head_len(const struct log_line *l)
{
	const size_t most = MIN(l->whole_len, (size_t)HEAD_MAX);
	const bool inside = l->text >= l->whole && l->text <= l->whole + l->whole_len;
	/* what klog wrote with quotes was put together elsewhere */
	const char *end = inside ? l->text : memmem(l->whole, most, "] ", 2);
	const size_t len = !end ? 0 : (size_t)(end - l->whole) + (inside ? 0 : 2);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)l->whole[i]) && !strchr("[]:._-/<> ", l->whole[i]))
			return 0;
	return len <= HEAD_MAX ? len : 0;
}

/* ---- what is open ---- */

static bool within(const struct log_line *l, const char *s)
{
	return s >= l->text && s <= l->text + l->len;
}

/* What there is no room for is open to the end. */
static void add_open(struct opens *o, const struct log_line *l, const char *s, size_t len)
{
	if (o->n < OPEN_MAX)
		o->v[o->n++] = (struct log_span){ s, len };
	else
		o->v[o->n - 1].len = (size_t)(l->text + l->len - o->v[o->n - 1].s);
}

static bool plain_word(const struct log_span *v, const char *also)
{
	for (size_t i = 0; i < v->len; i++)
		if (!isalnum((unsigned char)v->s[i]) && !strchr(also, v->s[i]))
			return false;
	return v->len <= 60;
}

/* A message that had to be taken out of its quotes is open as it stands there. */
static void open_message(struct opens *o, const struct log_line *l, const struct log_match *m, const struct log_span *quoted)
{
	if (m->from_err)
		return;
	if (m->c.spans.n && !within(l, m->c.spans.v[0].s)) {
		add_open(o, l, quoted->s, quoted->len);
		return;
	}
	for (size_t i = 0; i < m->c.spans.n; i++)
		add_open(o, l, m->c.spans.v[i].s, m->c.spans.v[i].len);
}

static bool key_is(const struct log_pair *p, const char *want)
{
	return p->key.len == strlen(want) && memcmp(p->key.s, want, p->key.len) == 0;
}

static void open_pair(struct opens *o, const struct log_line *l, const struct log_pair *p)
{
	if (!within(l, p->key.s))
		return;
	if (!plain_word(&p->key, " _.-()/"))
		add_open(o, l, p->key.s, p->key.len);
	add_open(o, l, p->value.s, p->value.len);
}

static bool is_form(const struct log_pair *p)
{
	return (key_is(p, "ts") || key_is(p, "v") || key_is(p, "caller") || key_is(p, "time") || key_is(p, "level")) && plain_word(&p->value, ".:/-_");
}

/* The message is one of the values. */
static void open_values(struct opens *o, const struct log_line *l, const struct log_match *m)
{
	bool message = false;

	for (size_t i = 0; i < l->pairs_n; i++) {
		const struct log_pair *p = &l->pairs[i];

		if (!message && key_is(p, "msg")) {
			message = true;
			open_message(o, l, m, &p->value);
		} else if (!is_form(p)) {
			open_pair(o, l, p);
		}
	}
}

static void open_parts(struct opens *o, const struct log_line *l, const struct log_match *m)
{
	if (l->style == STYLE_JSON || (l->style == STYLE_STRUCTURED && *l->text != '"')) {
		open_values(o, l, m);
		return;
	}
	if (l->style == STYLE_STRUCTURED) {
		const char *end = log_string_end(l->text + 1, l->text + l->len);

		open_message(o, l, m, &(struct log_span){ l->text + 1, (size_t)(end - l->text) - 2 });
		for (size_t i = 0; i < l->pairs_n; i++)
			open_pair(o, l, &l->pairs[i]);
		return;
	}
	open_message(o, l, m, &(struct log_span){ l->text, l->len });
}

/* What stands behind a line that was too long is open, too: it goes on from the last part. */
static void add_more(struct log_parts *p, size_t more)
{
	if (!more || !p->n)
		return;
	p->v[p->n - 1].len += more;
	p->v[p->n - 1].open = true;
}

/* What is not open is of the form. */
static void split(const char *s, const char *end, const struct opens *o, struct log_parts *p)
{
	for (size_t i = 0; i < o->n; i++) {
		const char *from = MAX(o->v[i].s, s), *to = o->v[i].s + o->v[i].len;

		if (to < from || from > end)
			continue;
		p->v[p->n++] = (struct log_part){ s, (size_t)(from - s), false };
		p->v[p->n++] = (struct log_part){ from, (size_t)(to - from), true };
		s = to;
	}
	p->v[p->n++] = (struct log_part){ s, (size_t)(end - s), false };
}

/* ---- entries of one line ---- */

static int one_line(struct each *e, const char *s, size_t len, const char *time)
{
	struct log_line *l = &e->line;
	struct log_match m;
	struct opens o = { .n = 0 };
	struct log_parts p = { .time = time, .lines = e->lines };

	l->whole = s;
	l->whole_len = len;
	l->time[0] = '\0';
	log_line_read(l, e->program);
	p.head = l->whole;
	p.head_len = head_len(l);
	p.blank = l->len == 0;
	e->known = log_index_find(&e->index, l, &m);
	if (e->known) {
		open_parts(&o, l, &m);
		split(l->text, l->text + l->len, &o, &p);
		add_more(&p, s == e->raw.text ? e->raw.more : 0);
	}
	if (!*p.time)
		p.time = l->time;
	return e->fn(e->arg, &p);
}

static void append(struct each *e, const char *s, size_t len)
{
	const size_t n = MIN(len, sizeof(e->text) - e->len);

	memcpy(e->text + e->len, s, n);
	e->len += n;
}

/* What a runtime cut is put together. */
static int plain_line(struct each *e)
{
	if (e->raw.part && !e->part) {
		memcpy(e->time, e->raw.time, sizeof(e->time));
		e->len = 0;
	}
	if (e->raw.part || e->part)
		append(e, e->raw.text, e->raw.len);
	if (e->raw.part) {
		e->part = true;
		return 0;
	}
	if (!e->part)
		return one_line(e, e->raw.text, e->raw.len, e->raw.time);
	e->part = false;
	return one_line(e, e->text, e->len, e->time);
}

/* ---- entries of several lines ---- */

/* What stands behind " >" are values again. */
static void open_closing(struct opens *o, struct log_line *l)
{
	const char *mark = memchr(l->text, '>', l->len);

	l->pairs_n = l->used = 0;
	log_read_pairs(l, mark + 1, l->text + l->len);
	for (size_t i = 0; i < l->pairs_n; i++)
		open_pair(o, l, &l->pairs[i]);
}

/* A line, or a part of one, that goes on from the one before. */
static int next_line(struct each *e, const char *s, size_t len, bool closes)
{
	struct log_parts p = { .time = e->raw.time, .head = s, .lines = e->lines, .blank = len == 0 };
	struct opens o = { .n = 0 };
	size_t blank = 0;

	e->line.text = e->line.whole = s;
	e->line.len = e->line.whole_len = len;
	if (closes)
		open_closing(&o, &e->line);
	while (!closes && blank < len && (s[blank] == '\t' || s[blank] == ' '))
		blank++;
	if (!closes)
		add_open(&o, &e->line, s + blank, len - blank);
	if (e->known) {
		split(s, s + len, &o, &p);
		add_more(&p, e->raw.more);
	}
	return e->fn(e->arg, &p);
}

static int entry_line(struct each *e, const char *s, size_t len)
{
	const bool klog = log_klog_begins(s, len), follows = e->klog && !klog && log_entry_goes_on(e->open, e->structured, s, len);
	bool closes;
	int r;

	if (e->part) {
		r = next_line(e, s, len, false);
	} else if (follows) {
		closes = e->open && log_closes_value(s, len);
		r = next_line(e, s, len, closes);
		e->open = e->open && (!closes || log_opens_value(s, len));
	} else {
		r = one_line(e, s, len, e->raw.time);
		e->klog = klog;
		e->structured = e->klog && log_is_structured(s, len);
		e->open = e->klog && log_opens_value(s, len);
	}
	e->part = e->raw.part;
	return r;
}

/* ---- */

static int each_line(struct each *e, const char *s, size_t len)
{
	e->lines++;
	log_raw_read(&e->raw, e->program, s, len);
	return e->program == LOG_KUBE_PROXY ? entry_line(e, e->raw.text, e->raw.len) : plain_line(e);
}

int log_each_of(enum log_program program, const struct log_table *const *tables, const char *data, size_t size, log_line_fn *fn, void *arg)
{
	struct each *e = calloc(1, sizeof(*e));
	int r = 0;

	if (!e)
		return -ENOMEM;
	e->program = program;
	e->fn = fn;
	e->arg = arg;
	log_index_make(&e->index, program, tables);
	while (r == 0 && size) {
		const char *nl = memchr(data, '\n', size);
		const size_t n = nl ? (size_t)(nl - data) : size;

		r = each_line(e, data, n);
		data += n + (nl != NULL);
		size -= n + (nl != NULL);
	}
	if (r == 0 && e->part && program != LOG_KUBE_PROXY)
		r = one_line(e, e->text, e->len, e->time);
	free(e);
	return r;
}

int log_each(enum log_program program, const char *data, size_t size, log_line_fn *fn, void *arg)
{
	return log_each_of(program, log_tables, data, size, fn, arg);
}
