/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cuts what nobody reads out of a JSON text before it is decoded: a decoder makes a tree of everything, and of an object of the API most is
 * thrown away again. One pass, in place, no tree. Text that is no JSON is left as it is for the decoder to complain of.
 */

#include "json-private.h"

#define DEPTH_MAX 64
#define SLOTS 1024u /* a power of two, far above the number of names */

enum verdict {
	VERDICT_CUT,
	VERDICT_KEEP,
	VERDICT_WHOLE,
};

struct name {
	const char *s;
	size_t len;
	enum verdict verdict;
};

struct thinner {
	struct cursor c;
	const char *kept; /* from here to the cursor: to be kept, and not moved yet */
	char *to;
	unsigned depth;
	struct name names[SLOTS];
};

/* @len is not 0. Names of one length mostly differ in one of these. */
static size_t slot_of(const char *s, size_t len)
{
	const unsigned char *b = (const unsigned char *)s;

	return (len * 131 + b[0] * 31u + b[len / 2] * 7u + b[len - 1] * 61u) & (SLOTS - 1);
}

static void add_name(struct thinner *t, const char *s)
{
	const bool whole = str_ends(s, "*");
	const size_t len = strlen(s) - whole;
	size_t i = slot_of(s, len);

	while (t->names[i].s)
		i = (i + 1) & (SLOTS - 1);
	t->names[i] = (struct name){ s, len, whole ? VERDICT_WHOLE : VERDICT_KEEP };
}

/* A name with an escape in it may be any: it stays. */
static enum verdict verdict_of(const struct thinner *t, const char *s, size_t len)
{
	if (len == 0)
		return VERDICT_CUT;
	for (size_t i = slot_of(s, len); t->names[i].s; i = (i + 1) & (SLOTS - 1))
		if (t->names[i].len == len && memcmp(t->names[i].s, s, len) == 0)
			return t->names[i].verdict;
	return memchr(s, '\\', len) ? VERDICT_KEEP : VERDICT_CUT;
}

/* From @kept to @until stays, from there to the cursor not. */
static void cut(struct thinner *t, const char *until)
{
	if (until > t->kept) {
		memmove(t->to, t->kept, (size_t)(until - t->kept));
		t->to += until - t->kept;
	}
	t->kept = t->c.p;
}

/* The cursor stands on the opening quote, and ends behind the closing one. */
static bool step_string(struct cursor *c)
{
	const char *from = c->p + 1, *p = from;

	for (;;) {
		const char *quote = memchr(p, '"', (size_t)(c->end - p)), *back = quote;

		if (!quote)
			return false;
		while (back > from && back[-1] == '\\')
			back--;
		p = quote + 1;
		if ((quote - back) % 2 == 0)
			break;
	}
	c->p = p;
	return true;
}

/* A value of which only the end is looked for. */
static bool step_value(struct cursor *c)
{
	if (c->p == c->end)
		return false;
	if (*c->p == '"')
		return step_string(c);
	return *c->p && strchr("{[-0123456789tfn", *c->p) && scan_balanced(c);
}

static bool thin_value(struct thinner *t);

/* The value of a member; the cursor stands behind its name and may have moved when it is false. */
static bool thin_member(struct thinner *t, enum verdict v)
{
	scan_space(&t->c);
	if (t->c.p == t->c.end || *t->c.p != ':')
		return false;
	t->c.p++;
	scan_space(&t->c);
	return v == VERDICT_KEEP ? thin_value(t) : step_value(&t->c);
}

/* Behind the opening bracket, on the first name. Cut goes with one comma: the one before it, or behind it where nothing stands before. */
static bool thin_members(struct thinner *t)
{
	const char *end = NULL; /* of the last value; NULL: none was kept yet */

	for (;;) {
		const char *const from = t->c.p;
		enum verdict v;
		bool more;

		if (t->c.p == t->c.end || *t->c.p != '"' || !step_string(&t->c))
			return false;
		v = verdict_of(t, from + 1, (size_t)(t->c.p - from - 2));
		if (!thin_member(t, v))
			return false;
		if (v != VERDICT_CUT)
			end = t->c.p;
		else if (end)
			cut(t, MAX(end, t->kept));
		scan_space(&t->c);
		if (t->c.p == t->c.end || (*t->c.p != ',' && *t->c.p != '}'))
			return false;
		more = *t->c.p == ',';
		if (more) {
			t->c.p++;
			scan_space(&t->c);
		}
		if (!end)
			cut(t, from);
		if (!more)
			break;
	}
	t->c.p++;
	return true;
}

static bool thin_elements(struct thinner *t)
{
	for (;;) {
		if (!thin_value(t))
			return false;
		scan_space(&t->c);
		if (t->c.p == t->c.end || (*t->c.p != ',' && *t->c.p != ']'))
			return false;
		if (*t->c.p++ == ']')
			return true;
		scan_space(&t->c);
	}
}

/* The cursor stands on the value. */
static bool thin_value(struct thinner *t)
{
	bool r;
	char ch;

	if (t->c.p == t->c.end)
		return false;
	ch = *t->c.p;
	if (ch != '{' && ch != '[')
		return step_value(&t->c);
	if (t->depth == DEPTH_MAX)
		return false;
	t->depth++;
	t->c.p++;
	scan_space(&t->c);
	if (t->c.p < t->c.end && *t->c.p == (ch == '{' ? '}' : ']')) {
		t->c.p++;
		r = true;
	} else {
		r = ch == '{' ? thin_members(t) : thin_elements(t);
	}
	t->depth--;
	return r;
}

size_t json_keep(char *data, size_t size, const char *const *names)
{
	struct thinner t = { .c = { data, data + size }, .kept = data, .to = data };

	for (; *names; names++)
		add_name(&t, *names);
	scan_space(&t.c);
	(void)thin_value(&t); /* where it ends early, the rest stays */
	t.c.p = t.c.end;
	cut(&t, t.c.end);
	*t.to = '\0';
	return (size_t)(t.to - data);
}
