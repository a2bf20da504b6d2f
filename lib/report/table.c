/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of typed cells: the text and the JSON of a table come from the same cells. */
#include "report-private.h"

void table_release(struct table *t)
{
	array_free(&t->cells);
}

static void push(struct table *t, struct cell c)
{
	if (array_push(&t->cells, c) < 0) {
		t->failed = true;
	}
}

void table_text(struct table *t, const char *s)
{
	push(t, (struct cell){ s ? CELL_TEXT : CELL_NONE, s, 0 });
}

void table_number(struct table *t, int64_t n)
{
	push(t, (struct cell){ CELL_NUMBER, NULL, n });
}

void table_bool(struct table *t, int v)
{
	push(t, (struct cell){ v < 0 ? CELL_NONE : CELL_BOOL, NULL, v });
}

void table_none(struct table *t)
{
	push(t, (struct cell){ CELL_NONE, NULL, 0 });
}

static void cell_text(struct strbuf *b, const struct cell *c)
{
	switch (c->kind) {
	case CELL_NONE:
		strbuf_addc(b, '-');
		break;
	case CELL_TEXT:
		strbuf_add_clean(b, *c->text ? c->text : "-");
		break;
	case CELL_NUMBER:
		strbuf_addf(b, "%lld", (long long)c->number);
		break;
	case CELL_BOOL:
		strbuf_adds(b, c->number ? "yes" : "no");
		break;
	}
}

/* Columns on a terminal: code points, which is near enough for names. */
static size_t columns_of(const char *s)
{
	size_t n = 0;
	for (; *s; s++) {
		n += ((unsigned char)*s & 0xc0) != 0x80;
	}
	return n;
}

static bool cell_empty(const struct cell *c)
{
	return c->kind == CELL_NONE || (c->kind == CELL_TEXT && !*c->text);
}

/* Width of each column; 0: not shown, because it has no heading or no value. */
static void measure(const struct table *t, size_t from, size_t to, size_t width[static TABLE_COLUMNS_MAX])
{
	for (size_t k = 0; k < t->ncolumns; k++) {
		width[k] = 0;
		for (size_t i = from; t->columns[k].heading && i < to; i++) {
			const struct cell *c = &t->cells.v[i * t->ncolumns + k];
			struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
			cell_text(&b, c);
			if (!cell_empty(c)) {
				width[k] = MAX(width[k], columns_of(strbuf_str(&b)));
			}
		}
		if (width[k] > 0) {
			width[k] = MAX(width[k], strlen(t->columns[k].heading));
		}
	}
}

static void trim_line(struct strbuf *b)
{
	while (b->len > 0 && b->s[b->len - 1] == ' ') {
		b->s[--b->len] = 0;
	}
	strbuf_addc(b, '\n');
}

static void put_padded(struct strbuf *b, const char *s, size_t width, bool right)
{
	size_t have = columns_of(s);
	int pad = have < width ? (int)(width - have) : 0;
	if (right) {
		strbuf_addf(b, "%*s%s", pad, "", s);
	} else {
		strbuf_addf(b, "%s%*s", s, pad, "");
	}
}

void table_print(const struct report *r, struct strbuf *b, const struct table *t, size_t from, size_t to)
{
	size_t width[TABLE_COLUMNS_MAX];
	measure(t, from, to, width);
	struct strbuf head CLEANUP(strbuf_release) = STRBUF_INIT;
	for (size_t k = 0; k < t->ncolumns; k++) {
		if (width[k] > 0) {
			strbuf_adds(&head, "  ");
			put_padded(&head, t->columns[k].heading, width[k], false);
		}
	}
	while (head.len > 0 && head.s[head.len - 1] == ' ') {
		head.s[--head.len] = 0;
	}
	text_styled(r, b, STYLE_DIM, strbuf_str(&head));
	strbuf_addc(b, '\n');
	for (size_t i = from; i < to; i++) {
		for (size_t k = 0; k < t->ncolumns; k++) {
			const struct cell *c = &t->cells.v[i * t->ncolumns + k];
			if (width[k] == 0) {
				continue;
			}
			struct strbuf one CLEANUP(strbuf_release) = STRBUF_INIT;
			cell_text(&one, c);
			strbuf_adds(b, "  ");
			put_padded(b, strbuf_str(&one), width[k], c->kind == CELL_NUMBER);
		}
		trim_line(b);
	}
	if (t->failed) {
		b->failed = true;
	}
}

static json_t *cell_json(struct doc *doc, const struct cell *c)
{
	switch (c->kind) {
	case CELL_TEXT:
		return doc_string(doc, c->text);
	case CELL_NUMBER:
		return json_integer((json_int_t)c->number);
	case CELL_BOOL:
		return json_boolean(c->number);
	default:
		return json_null();
	}
}

json_t *table_json(struct doc *doc, const struct table *t)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < table_rows(t); i++) {
		json_t *row = json_object();
		for (size_t k = 0; k < t->ncolumns; k++) {
			doc_set(doc, row, t->columns[k].key,
				cell_json(doc, &t->cells.v[i * t->ncolumns + k]));
		}
		doc_add(doc, rows, row);
	}
	doc->failed |= t->failed;
	return rows;
}
