/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which known line a line is. Most forms begin with bytes of their own, by which they are looked up at once; for the others, four bytes of the
 * text at each of its places are held against a set of those that begin an anchor, so that the number of known lines does not matter. Only what
 * is found so is held against its pattern.
 */
#include <ctype.h>

#include "klog-private.h"

/* ---- patterns ---- */

static bool is_wild(const char *p)
{
	return *p == '*' || (*p == '%' && p[1] && p[1] != 'D');
}

/* How many bytes of the pattern are themselves. */
static size_t literal_len(const char *p)
{
	size_t n = 0;

	while (p[n] && p[n] != '*' && p[n] != '%')
		n++;
	return n;
}

static const char *skip_marks(const char *p)
{
	while (p[0] == '%' && p[1] == 'D')
		p += 2;
	return p;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Most are spelled as the pattern is. */
static bool same_case(const char *s, const char *what, size_t len)
{
	if (lower(*s) != lower(*what) || (len > 1 && lower(s[1]) != lower(what[1])) || lower(s[len - 1]) != lower(what[len - 1]))
		return false;
	return memcmp(s, what, len) == 0 || strncasecmp(s, what, len) == 0;
}

static const char *find_case(const char *s, size_t len, const char *what, size_t what_len)
{
	const char first = lower(*what);

	for (size_t i = 0; i + what_len <= len; i++)
		if (lower(s[i]) == first && same_case(s + i, what, what_len))
			return s + i;
	return NULL;
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

static bool starts(const char *s, const char *end, const char *what)
{
	return (size_t)(end - s) >= strlen(what) && strncasecmp(s, what, strlen(what)) == 0;
}

/* Whether what stands from @s on may follow behind the pattern. */
static bool tail_ok(enum log_tail tail, const char *s, const char *end, struct log_span *ret_err)
{
	static const char *const before[] = { ", error: ", ", err: ", ": error: ", ": " };

	if (s == end || tail == TAIL_ANY)
		return true;
	if (tail == TAIL_NONE)
		return false;
	if (*s == '.' && s + 1 == end)
		return true;
	if (tail == TAIL_STOP || (*s != ',' && *s != ':'))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(before); i++)
		if (starts(s, end, before[i])) {
			s += strlen(before[i]);
			*ret_err = (struct log_span){ s, (size_t)(end - s) };
			return true;
		}
	if (*s == ':' && s + 1 < end && s[1] == '\n') {
		*ret_err = (struct log_span){ s + 2, (size_t)(end - s) - 2 };
		return true;
	}
	return *s == ':' && s + 1 == end;
}

/* What a wild card takes whose end is the pattern's: as little as lets the rest follow. -1: nothing does. */
static ssize_t last_wild(char kind, enum log_tail tail, const char *s, const char *end, struct log_span *ret_err)
{
	const bool word = kind == 'w' || kind == 'n' || kind == 'x' || kind == '#';

	if (kind == 'd' || tail == TAIL_NONE || (tail == TAIL_ANY && !word))
		return end - s;
	for (const char *e = kind == '*' ? s : s + 1; e <= end; e++) {
		if (e == end)
			return end - s;
		if (tail == TAIL_ANY ? isspace((unsigned char)*e) != 0 : tail_ok(tail, e, end, ret_err))
			return e - s;
	}
	return -1;
}

/* What a wild card takes that bytes follow. */
static ssize_t wild_len(const char *behind, enum log_tail tail, const char *s, const char *end, size_t at_least)
{
	const size_t lit = literal_len(behind), len = (size_t)(end - s);
	const char *at = s + at_least;

	if (len < at_least + lit)
		return -1;
	if (!behind[lit] && tail == TAIL_NONE)
		return strncasecmp(end - lit, behind, lit) == 0 ? end - lit - s : -1;
	if (behind[lit] || !lit) {
		at = lit ? find_case(at, (size_t)(end - at), behind, lit) : at;
		return at ? at - s : -1;
	}
	/* the pattern ends with these bytes: what follows them must be allowed to */
	for (; (at = find_case(at, (size_t)(end - at), behind, lit)); at++) {
		struct log_span err;

		if (tail_ok(tail, at + lit, end, &err))
			return at - s;
	}
	return -1;
}

static void add_span(struct log_capture *c, const char *s, size_t len)
{
	if (c->spans.n < LOG_SPANS_MAX)
		c->spans.v[c->spans.n++] = (struct log_span){ s, len };
}

static void keep_wild(struct log_capture *c, char kind, const char *s, size_t len)
{
	add_span(c, s, len);
	if (kind == 'n' || kind == 'N')
		c->name = (struct log_span){ s, len };
	else if (kind == 'd' || kind == 'x')
		c->detail = (struct log_span){ s, len };
}

/* The wild card at *@p, with what stands for it at *@s. */
static bool match_wild(const char **p, enum log_tail tail, const char **s, const char *end, struct log_capture *c)
{
	const char kind = **p == '*' ? '*' : (*p)[1];
	const char *behind = *p + (kind == '*' ? 1 : 2);
	struct log_span err = { 0 };
	ssize_t n;

	*p = behind;
	behind = skip_marks(behind);
	n = *behind ? wild_len(behind, tail, *s, end, kind != '*' && kind != 'd') : last_wild(kind, tail, *s, end, &err);
	if (n < 0 || !wild_ok(kind, *s, (size_t)n))
		return false;
	keep_wild(c, kind, *s, (size_t)n);
	*s += n;
	return true;
}

/* The pattern from @p on, and what stands from @s on. */
static bool match_rest(const char *p, enum log_tail tail, const char *s, const char *end, struct log_capture *ret)
{
	while (*p) {
		if (*p == '%' && p[1] == 'D') {
			ret->detail = (struct log_span){ s, (size_t)(end - s) };
			p += 2;
		} else if (is_wild(p)) {
			if (!match_wild(&p, tail, &s, end, ret))
				return false;
		} else {
			const size_t lit = literal_len(p);

			if (!lit || (size_t)(end - s) < lit || !same_case(s, p, lit))
				return false;
			p += lit;
			s += lit;
		}
	}
	if (!tail_ok(tail, s, end, &ret->err))
		return false;
	if (ret->err.s)
		add_span(ret, ret->err.s, ret->err.len);
	else if (tail == TAIL_ANY && s < end)
		add_span(ret, s, (size_t)(end - s));
	return true;
}

static void clear(struct log_capture *c)
{
	c->name = c->detail = c->err = (struct log_span){ 0 };
	c->spans.n = 0;
}

bool log_pattern_match(const char *pattern, enum log_tail tail, const char *text, size_t len, struct log_capture *ret)
{
	clear(ret);
	return match_rest(pattern, tail, text, text + len, ret);
}

/* ---- the index ---- */

static const size_t head_len[LOG_HEADS] = { 16, 8, 4 };

static uint32_t four_bytes(const char *s)
{
	uint32_t v;

	memcpy(&v, s, sizeof(v));
	return v | 0x20202020;
}

static uint32_t hash_of(uint32_t four)
{
	return four * 2654435761u;
}

/* Of so many bytes, in letters of any case. */
static uint32_t head_key(const char *s, size_t len)
{
	uint32_t key = 0;

	for (size_t i = 0; i < len; i += 4)
		key = hash_of(key ^ four_bytes(s + i)) ^ key >> 15;
	return key;
}

static unsigned bucket_of(uint32_t key)
{
	return hash_of(key) >> 21;
}

/* The bytes that are in every line of the form, by which it is found. */
static struct log_span anchor_of(const struct log_form *f)
{
	const char *p = f->anchor ? f->anchor : f->pattern;

	if (f->anchor)
		return (struct log_span){ p, strlen(p) };
	while (*p) {
		const size_t n = literal_len(p);

		if (n >= 4)
			return (struct log_span){ p, n };
		p += n;
		p += *p == '%' && p[1] ? 2 : *p != '\0';
	}
	return (struct log_span){ 0 };
}

static void add_forms(struct log_index *x, const struct log_row *row)
{
	const uint16_t first = (uint16_t)x->n;

	for (const struct log_form *f = row->forms; f->pattern && x->n < LOG_FORMS_MAX; f++) {
		const struct log_span a = anchor_of(f);

		if (a.len < 4)
			continue;
		x->row[x->n] = row;
		x->form[x->n] = f;
		x->first_form[x->n] = first;
		x->anchor[x->n++] = a;
	}
}

/* By the longest of the beginnings that the form has, or else by its anchor. */
static void add_key(struct log_index *x, size_t i)
{
	const size_t lit = literal_len(x->form[i]->pattern);
	uint16_t *chain;
	size_t h = 0;

	while (h < LOG_HEADS && head_len[h] > lit)
		h++;
	if (h < LOG_HEADS) {
		x->key[i] = head_key(x->form[i]->pattern, head_len[h]);
		chain = &x->head[h][bucket_of(x->key[i])];
	} else {
		const uint32_t hash = hash_of(x->key[i] = four_bytes(x->anchor[i].s));

		x->anchored = i;
		x->seen[hash >> 19] |= (uint8_t)(1u << (hash >> 16 & 7));
		chain = &x->first[bucket_of(x->key[i])];
	}
	x->next[i] = *chain;
	*chain = (uint16_t)(i + 1);
}

void log_index_make(struct log_index *x, enum log_program program, const struct log_table *const *tables)
{
	*x = (struct log_index){ .program = program };
	for (const struct log_table *const *t = tables; *t; t++)
		for (size_t i = 0; i < (*t)->n; i++)
			if ((*t)->rows[i].program == program)
				add_forms(x, &(*t)->rows[i]);
	x->anchored = x->n;
	/* from the last one, so that a bucket has its rows in their order */
	for (size_t i = x->n; i-- > 0;)
		add_key(x, i);
}

/* ---- looking up ---- */

/* What a line is held against. */
struct asked {
	const struct log_index *x;
	struct log_line *l;	   /* NULL: a text alone */
	const char *text;
	size_t len;
	unsigned level;		   /* 0: any */
	bool all_bits;		   /* of the level a form must have */
	enum log_tail tail;
	bool keyed;		   /* values of the line mattered */
	size_t best;		   /* the form that is found; x->n: none yet */
	struct log_capture *c;	   /* of it */
};

static bool key_fits(struct log_line *l, const struct log_row *row)
{
	struct log_span v;

	if (!row->key || !row->key_value)
		return true;
	return l && log_line_value(l, row->key, &v) && v.len == strlen(row->key_value) && memcmp(v.s, row->key_value, v.len) == 0;
}

/* Without the spans that it does not have. */
static void copy_capture(struct log_capture *to, const struct log_capture *from)
{
	to->name = from->name;
	to->detail = from->detail;
	to->err = from->err;
	to->spans.n = from->spans.n;
	memcpy(to->spans.v, from->spans.v, from->spans.n * sizeof(*from->spans.v));
}

/* What stands behind the anchor of "*ANCHOR...", if something does; NULL: it is another pattern. */
static const char *behind_anchor(const struct log_index *x, size_t i)
{
	const char *p = x->form[i]->pattern;

	return p[0] == '*' && x->anchor[i].s == p + 1 && p[1 + x->anchor[i].len] ? p + 1 + x->anchor[i].len : NULL;
}

/* @at: where the anchor stands for the first time; NULL: the text begins as the pattern. */
static bool matches(const struct asked *a, size_t i, const char *at, struct log_capture *c)
{
	const enum log_tail tail = a->x->row[i]->flags & ROW_TAIL ? TAIL_ANY : a->tail;
	const char *behind = at ? behind_anchor(a->x, i) : NULL;

	if (!behind)
		return log_pattern_match(a->x->form[i]->pattern, tail, a->text, a->len, c);
	clear(c);
	add_span(c, a->text, (size_t)(at - a->text));
	/* "*some text*": nobody asks what stands behind it */
	if (!a->l && behind[0] == '*' && !behind[1])
		return true;
	return match_rest(behind, tail, at + a->x->anchor[i].len, a->text + a->len, c);
}

static void try_form(struct asked *a, size_t i, const char *at)
{
	const struct log_row *row = a->x->row[i];
	const struct log_form *f = a->x->form[i];
	struct log_capture c;

	if (a->all_bits ? (f->levels & a->level) != a->level : a->level && !(f->levels & a->level))
		return;
	a->keyed |= row->key != NULL;
	if (!matches(a, i, at, &c) || !key_fits(a->l, row))
		return;
	/* an anchor may say more than the pattern */
	if (f->anchor && !find_case(a->text, a->len, f->anchor, strlen(f->anchor)))
		return;
	a->best = i;
	copy_capture(a->c, &c);
}

/* @tried: forms that were held against it already. */
static void try_chain(struct asked *a, unsigned chain, uint32_t key, const char *at, uint64_t *tried)
{
	for (size_t i; chain && (i = chain - 1u) < a->best; chain = a->x->next[i]) {
		if (a->x->key[i] != key)
			continue;
		if (at) {
			const struct log_span *n = &a->x->anchor[i];

			if (tried[i / 64] >> (i % 64) & 1 || (size_t)(a->text + a->len - at) < n->len || !same_case(at, n->s, n->len))
				continue;
			tried[i / 64] |= UINT64_C(1) << (i % 64);
		}
		try_form(a, i, at);
	}
}

static bool look_up(struct asked *a)
{
	uint64_t tried[LOG_FORMS_MAX / 64];
	bool used = false;

	a->best = a->x->n;
	if (a->len < 4)
		return false;
	for (size_t h = 0; h < LOG_HEADS; h++)
		if (a->len >= head_len[h]) {
			const uint32_t key = head_key(a->text, head_len[h]);

			try_chain(a, a->x->head[h][bucket_of(key)], key, NULL, NULL);
		}
	for (const char *s = a->text, *end = a->text + a->len - 3; s < end && a->best > a->x->anchored; s++) {
		const uint32_t four = four_bytes(s), h = hash_of(four);

		if (!(a->x->seen[h >> 19] >> (h >> 16 & 7) & 1))
			continue;
		if (!used)
			memset(tried, 0, sizeof(tried));
		used = true;
		try_chain(a, a->x->first[bucket_of(four)], four, s, tried);
	}
	return a->best < a->x->n;
}

const struct log_row *log_index_text(const struct log_index *x, const char *text, size_t len, struct log_capture *ret)
{
	struct asked a = { .x = x, .text = text, .len = len, .tail = TAIL_NONE, .c = ret };

	return look_up(&a) ? x->row[a.best] : NULL;
}

/* As JSON, klog tells warnings from other lines no more than fatal errors from others. */
static unsigned level_of(const struct log_line *l)
{
	const unsigned level = l->level & ~(unsigned)LEVEL_KLOG;

	if (l->style != STYLE_JSON)
		return level;
	return level & LEVEL_ERROR ? LEVEL_ERROR | LEVEL_FATAL : LEVEL_INFO | LEVEL_WARNING | LEVEL_DEBUG;
}

static struct log_memo *memo_of(struct log_index *x, const struct asked *a)
{
	if (a->len < 16 || a->len > sizeof(x->memo->s))
		return NULL;
	return &x->memo[bucket_of(head_key(a->text, 16) ^ head_key(a->text + a->len - 8, 8)) % LOG_MEMOS];
}

/* As look_up, of a message that may have come before. */
static bool look_up_again(struct log_index *x, struct asked *a)
{
	struct log_memo *m = memo_of(x, a);

	if (m && m->len == a->len && m->level == a->level && m->tail == a->tail && memcmp(m->s, a->text, a->len) == 0) {
		a->best = x->n;
		if (m->form < x->n)
			try_form(a, m->form, NULL);
		return a->best < x->n;
	}
	look_up(a);
	if (m && !a->keyed) {
		*m = (struct log_memo){ .form = (uint32_t)a->best, .len = (uint8_t)a->len, .level = (uint8_t)a->level, .tail = (uint8_t)a->tail };
		memcpy(m->s, a->text, a->len);
	}
	return a->best < x->n;
}

static bool find_message(struct log_index *x, struct asked *a, struct log_line *l)
{
	static const char unhandled[] = "Unhandled Error";

	a->level = level_of(l);
	a->tail = l->style == STYLE_STRUCTURED ? TAIL_STOP : TAIL_ERROR;
	/* k8s.io/apimachinery, util/runtime: what was a message is the text of an error from 1.31 on */
	if (l->err.s && l->message.len == strlen(unhandled) && memcmp(l->message.s, unhandled, l->message.len) == 0) {
		a->text = l->err.s;
		a->len = l->err.len;
		a->tail = TAIL_ERROR;
		if (look_up(a))
			return true;
	}
	a->text = l->message.s;
	a->len = l->message.len;
	return l->style == STYLE_PRINTF ? look_up(a) : look_up_again(x, a);
}

static void take_error(struct log_line *l, struct log_match *m)
{
	const struct log_row *row = m->row;

	m->err = m->c.err.s ? m->c.err : l->err.s && !(m->from_err && m->c.detail.s) ? l->err : m->c.detail;
	if (!m->c.detail.s)
		m->c.detail = m->err;
	if (row->name_key && !m->c.name.s)
		log_line_value(l, row->name_key, &m->c.name);
	if (row->flags & ROW_TAIL && !l->err.s)
		m->err = (struct log_span){ 0 };
}

/* Of CoreDNS, all bits of the level count: lines of client-go are others than its own. */
static bool find_plain(struct asked *a, const struct log_line *l)
{
	a->text = l->text;
	a->len = l->len;
	a->tail = TAIL_NONE;
	a->level = l->level;
	a->all_bits = true;
	return look_up(a);
}

bool log_index_find(struct log_index *x, struct log_line *l, struct log_match *ret)
{
	struct asked a = { .x = x, .l = l, .c = &ret->c };
	const bool plain = x->program != LOG_KUBE_PROXY;

	if (!(plain ? find_plain(&a, l) : find_message(x, &a, l)))
		return false;
	ret->row = x->row[a.best];
	ret->first_form = x->first_form[a.best];
	ret->from_err = !plain && a.text == l->err.s;
	ret->err = (struct log_span){ 0 };
	if (!plain)
		take_error(l, ret);
	return true;
}
