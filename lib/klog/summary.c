/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is kept of a log. It is read once from its beginning; of each kind of line only the places of the first and the last one are
 * remembered, and read again when all is counted, so that a long log costs no more memory than a short one.
 */
#include <errno.h>

#include "klog-private.h"

#define NAMES_MAX 8	/* of one kind; what has another name is counted together */
#define TEXT_MAX 400

void log_summary_release(struct log_summary *s)
{
	array_free(&s->hits);
	array_free(&s->unknown);
	*s = (struct log_summary){ 0 };
}

enum log_weight log_hit_weight(const struct log_hit *h)
{
	return h->reason ? h->reason->weight : h->kind->weight;
}

const char *log_hit_check(const struct log_hit *h)
{
	return h->reason && h->reason->check ? h->reason->check : h->kind->check;
}

/* Where the first and last line of a hit begin. */
struct place {
	size_t first, last;
};
struct reading {
	struct arena *arena;
	const char *data;
	size_t size;
	struct log_index index;
	struct log_summary *s;
	ARRAY_OF(struct place) places;
	size_t run_line;	/* where the run begins whose banner has not come yet, in a log that is whole; 0: not known */
	size_t start_line;	/* the first of the lines that a start writes, when nothing else came behind them; 0: none */
	size_t unknown;		/* where the first unknown error begins */
	size_t last_time;	/* where the last line begins that tells one */
	struct log_line line;
};

static char *clean_text(struct arena *a, const char *s, size_t len)
{
	char *copy = arena_strndup(a, s, MIN(len, (size_t)TEXT_MAX));

	return copy ? arena_clean(a, copy) : NULL;
}

/* ---- counting ---- */

static bool same_name(const struct log_hit *h, const struct log_span *name)
{
	if (!h->name || !name->s)
		return !h->name && !name->s;
	return strlen(h->name) == MIN(name->len, (size_t)TEXT_MAX) && strncmp(h->name, name->s, strlen(h->name)) == 0;
}

/* The hit of this kind and name; of the kind without a name when there are many. SIZE_MAX: there is none, and *@name is what it is to be called. */
static size_t find_hit(const struct log_summary *s, const struct log_kind *kind, struct log_span *name)
{
	size_t names = 0, nameless = SIZE_MAX;

	for (size_t i = 0; i < s->hits.len; i++) {
		if (s->hits.v[i].kind != kind)
			continue;
		if (same_name(&s->hits.v[i], name))
			return i;
		if (s->hits.v[i].name)
			names++;
		else
			nameless = i;
	}
	if (names < NAMES_MAX)
		return SIZE_MAX;
	*name = (struct log_span){ 0 };
	return nameless;
}

static int count_line(struct reading *r, const struct log_row *row, struct log_span name, size_t begin)
{
	size_t i = find_hit(r->s, &row->kind, &name);

	if (i == SIZE_MAX) {
		struct log_hit h = { .kind = &row->kind };

		/* not cleaned yet: names are compared as they are written */
		if (name.s && !(h.name = arena_strndup(r->arena, name.s, MIN(name.len, (size_t)TEXT_MAX))))
			return -ENOMEM;
		i = r->s->hits.len;
		if (array_push(&r->places, ((struct place){ begin, begin })) < 0 || array_push(&r->s->hits, h) < 0)
			return -ENOMEM;
	}
	r->s->hits.v[i].count++;
	r->s->hits.v[i].last_line = r->s->lines;
	r->places.v[i].last = begin;
	return 0;
}

/* ".:53", "cluster.local.:53": which zones it serves, as it says when it starts. */
static bool is_zone_line(const struct log_line *l)
{
	const char *colon = memrchr(l->text, ':', l->len);

	if (l->level != LEVEL_NONE || !colon || colon == l->text || memchr(l->text, ' ', l->len))
		return false;
	for (const char *p = colon + 1; p < l->text + l->len; p++)
		if (*p < '0' || *p > '9')
			return false;
	return colon + 1 < l->text + l->len;
}

/*
 * A start writes lines before its banner, which belong to it. They begin where the log does, or behind the line that ended the run before;
 * where nothing tells that, behind the last line that no start writes.
 */
static int follow_start(struct reading *r, const struct log_row *row, const struct log_span *name)
{
	if (row && row->flags & ROW_BANNER) {
		r->s->started_line = r->run_line ? r->run_line : r->start_line ? r->start_line : r->s->lines;
		r->s->version = name->s ? clean_text(r->arena, name->s, MIN(name->len, (size_t)40)) : NULL;
		r->start_line = r->run_line = 0;
		return name->s && !r->s->version ? -ENOMEM : 0;
	}
	if (row && row->flags & ROW_END)
		r->run_line = r->s->lines + 1;
	if ((row && row->flags & ROW_START) || (!row && is_zone_line(&r->line))) {
		if (!r->start_line)
			r->start_line = r->s->lines;
	} else {
		r->start_line = 0;
	}
	return 0;
}

static bool starts(const struct log_line *l, const char *s)
{
	return l->len >= strlen(s) && memcmp(l->text, s, strlen(s)) == 0;
}

static bool is_unknown_error(const struct log_line *l)
{
	return (l->level & (LEVEL_ERROR | LEVEL_FATAL)) ||
	       (l->level == LEVEL_NONE && (starts(l, "panic: ") || starts(l, "fatal error: ")));
}

static int one_line(struct reading *r, size_t begin)
{
	struct log_span name = { 0 }, detail;
	const struct log_row *row = log_index_find(&r->index, &r->line, &name, &detail);

	if (r->line.time[0])
		r->last_time = begin + 1;
	if (!row && is_unknown_error(&r->line) && !r->s->errors_unknown++)
		r->unknown = begin;
	if (row && count_line(r, row, name, begin) < 0)
		return -ENOMEM;
	return follow_start(r, row, &name);
}

/* ---- what is kept ---- */

static bool read_again(struct reading *r, size_t begin)
{
	size_t at = begin, lines = 0;

	return log_line_next(r->data, r->size, &at, &lines, &r->line);
}

static int keep_time(struct reading *r, const char **ret)
{
	*ret = r->line.time[0] ? arena_strdup(r->arena, r->line.time) : NULL;
	return r->line.time[0] && !*ret ? -ENOMEM : 0;
}

static int keep_hit(struct reading *r, struct log_hit *h, const struct place *p)
{
	struct log_span name, detail = { 0 };

	if (h->name && !(h->name = arena_clean(r->arena, h->name)))
		return -ENOMEM;
	if (read_again(r, p->first) && keep_time(r, &h->first) < 0)
		return -ENOMEM;
	if (!read_again(r, p->last))
		return 0;
	log_index_find(&r->index, &r->line, &name, &detail);
	h->text = clean_text(r->arena, r->line.whole, r->line.whole_len);
	h->detail = detail.s ? clean_text(r->arena, detail.s, detail.len) : NULL;
	return !h->text || (detail.s && !h->detail) ? -ENOMEM : keep_time(r, &h->last);
}

static int keep(struct reading *r)
{
	for (size_t i = 0; i < r->s->hits.len; i++)
		if (keep_hit(r, &r->s->hits.v[i], &r->places.v[i]) < 0)
			return -ENOMEM;
	if (r->last_time && read_again(r, r->last_time - 1) && keep_time(r, &r->s->until) < 0)
		return -ENOMEM;
	if (r->s->errors_unknown && read_again(r, r->unknown))
		r->s->first_unknown = clean_text(r->arena, r->line.whole, r->line.whole_len);
	return r->s->errors_unknown && !r->s->first_unknown ? -ENOMEM : 0;
}

static int read_all(struct reading *r, bool cut)
{
	size_t at = 0;

	/* the first line of an end of a log is hardly a whole one */
	if (cut) {
		const char *nl = memchr(r->data, '\n', r->size);

		at = nl ? (size_t)(nl - r->data) + 1 : 0;
		r->s->lines = nl != NULL;
	} else {
		r->run_line = 1;
	}
	for (size_t begin = at; log_line_next(r->data, r->size, &at, &r->s->lines, &r->line); begin = at)
		if (one_line(r, begin) < 0)
			return -ENOMEM;
	return keep(r);
}

int log_read(struct arena *arena, enum log_program program, const char *data, size_t size, bool cut, struct log_summary *ret)
{
	struct log_summary s = { 0 };
	struct reading *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return -ENOMEM;
	*r = (struct reading){ .arena = arena, .data = data, .size = size, .s = &s };
	log_index_make(&r->index, program);
	e = size ? read_all(r, cut) : 0;
	array_free(&r->places);
	free(r);
	if (e < 0)
		log_summary_release(&s);
	else
		*ret = s;
	return e;
}
