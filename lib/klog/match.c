/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which known line a line is. Four bytes of every line, at each of its places, are looked up among the beginnings of all anchors, so that
 * the number of known lines does not matter; only a line that has an anchor is held against its pattern.
 */
#include <ctype.h>

#include "klog-private.h"

/* ---- patterns ---- */

static bool is_wild(const char *p)
{
	return *p == '*' || (*p == '%' && p[1] != '%' && p[1] != 'D');
}

/* How many bytes of the pattern are themselves. */
static size_t literal_len(const char *p)
{
	size_t n = 0;

	while (p[n] && p[n] != '*' && p[n] != '%')
		n++;
	return n;
}

static const char *find_case(const char *s, size_t len, const char *what, size_t what_len)
{
	for (size_t i = 0; i + what_len <= len; i++)
		if (strncasecmp(s + i, what, what_len) == 0)
			return s + i;
	return NULL;
}

/* What a wild card takes: up to the bytes that follow it, or all the rest. -1: they do not follow. */
static ssize_t wild_len(const char *behind, const char *s, size_t len, size_t at_least)
{
	size_t lit = literal_len(behind);
	const char *end;

	if (!*behind)
		return (ssize_t)len;
	if (len < at_least + lit)
		return -1;
	if (!behind[lit]) {
		end = s + len - lit;
		return strncasecmp(end, behind, lit) == 0 ? end - s : -1;
	}
	end = find_case(s + at_least, len - at_least, behind, lit);
	return end ? end - s : -1;
}

static bool wild_ok(char kind, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (kind == '#' && !isdigit((unsigned char)s[i]))
			return false;
		if ((kind == 'w' || kind == 'n' || kind == 'x') && isspace((unsigned char)s[i]))
			return false;
	}
	return kind == '*' || kind == 'd' || len;
}

static bool match(const char *pattern, const char *text, size_t len, struct log_spans *spans, struct log_span *ret_name, struct log_span *ret_detail)
{
	struct log_span name = { 0 }, detail = { 0 };
	const char *p = pattern, *s = text, *end = text + len;
	size_t lit;

	while (*p) {
		if (*p == '%' && p[1] == 'D') {
			detail = (struct log_span){ s, (size_t)(end - s) };
			p += 2;
		} else if (is_wild(p)) {
			char kind = *p == '*' ? '*' : p[1];
			ssize_t n;

			p += kind == '*' ? 1 : 2;
			n = wild_len(p, s, (size_t)(end - s), kind != '*' && kind != 'd');
			if (n < 0 || !wild_ok(kind, s, (size_t)n))
				return false;
			if (spans && spans->n < LOG_SPANS_MAX)
				spans->v[spans->n++] = (struct log_span){ s, (size_t)n };
			if (kind == 'n' || kind == 'N')
				name = (struct log_span){ s, (size_t)n };
			else if (kind == 'd' || kind == 'x')
				detail = (struct log_span){ s, (size_t)n };
			s += n;
		} else {
			lit = literal_len(p);
			if ((size_t)(end - s) < lit || strncasecmp(s, p, lit) != 0)
				return false;
			p += lit;
			s += lit;
		}
	}
	if (s != end)
		return false;
	*ret_name = name;
	*ret_detail = detail;
	return true;
}

bool log_pattern_match(const char *pattern, const char *text, size_t len, struct log_span *ret_name, struct log_span *ret_detail)
{
	return match(pattern, text, len, NULL, ret_name, ret_detail);
}

bool log_row_spans(const struct log_row *row, const char *text, size_t len, struct log_spans *ret)
{
	struct log_span name, detail;

	for (size_t i = 0; row->forms[i].pattern; i++) {
		ret->n = 0;
		if (match(row->forms[i].pattern, text, len, ret, &name, &detail))
			return true;
	}
	return false;
}

/* ---- anchors ---- */

static unsigned bucket_of(uint32_t four)
{
	return (four * 2654435761u) >> 22;
}

static uint32_t fold(char c)
{
	return (uint32_t)(unsigned char)c | 0x20;
}

static uint32_t four_bytes(const char *s)
{
	return fold(s[0]) | fold(s[1]) << 8 | fold(s[2]) << 16 | fold(s[3]) << 24;
}

static void add_forms(struct log_index *x, const struct log_row *row)
{
	for (const struct log_form *f = row->forms; f->pattern && x->n < LOG_FORMS_MAX; f++) {
		x->row[x->n] = row;
		x->form[x->n++] = f;
	}
}

void log_index_make(struct log_index *x, enum log_program program)
{
	*x = (struct log_index){ 0 };
	for (const struct log_table *const *t = log_tables; *t; t++)
		for (size_t i = 0; i < (*t)->n; i++)
			if ((*t)->rows[i].program == program)
				add_forms(x, &(*t)->rows[i]);
	/* from the last one, so that a bucket has its rows in their order */
	for (size_t i = x->n; i-- > 0;) {
		unsigned b = bucket_of(four_bytes(x->form[i]->anchor));

		x->next[i] = x->first[b];
		x->first[b] = (uint16_t)(i + 1);
	}
}

/* Forms whose anchor is at this place of the line. */
static void anchors_at(const struct log_index *x, unsigned bucket, const char *s, size_t len, unsigned level, uint64_t *forms)
{
	for (unsigned i = x->first[bucket]; i; i = x->next[i - 1]) {
		const struct log_form *f = x->form[i - 1];

		if ((f->levels & level) != level)
			continue;
		if (strlen(f->anchor) <= len && strncasecmp(s, f->anchor, strlen(f->anchor)) == 0)
			forms[(i - 1) / 64] |= UINT64_C(1) << ((i - 1) % 64);
	}
}

const struct log_row *log_index_find(const struct log_index *x, const struct log_line *l, struct log_span *ret_name, struct log_span *ret_detail)
{
	uint64_t forms[LOG_FORMS_MAX / 64] = { 0 };
	uint32_t four = 0;

	for (size_t i = 0; i < l->len; i++) {
		four = four >> 8 | fold(l->text[i]) << 24;
		if (i >= 3 && x->first[bucket_of(four)])
			anchors_at(x, bucket_of(four), l->text + i - 3, l->len - i + 3, l->level, forms);
	}
	for (size_t i = 0; i < x->n; i++) {
		if (!forms[i / 64])
			i |= 63;
		else if (forms[i / 64] >> (i % 64) & 1 && log_pattern_match(x->form[i]->pattern, l->text, l->len, ret_name, ret_detail))
			return x->row[i];
	}
	return NULL;
}
