/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON helpers over jansson: member access by type, and a splitter that hands the elements of a list to
 * jansson one at a time. The splitter has a scanner of its own (RFC 8259's grammar, no tree), which finds
 * where a value ends and, where the text is damaged, the very byte that is wrong. lib/k8s decodes what comes
 * out here.
 */

#include <errno.h>
#include <jansson.h>

#include <svcdoctor/base.h>

#define DEPTH_MAX 256
/* One element. The API server takes no request above 3 MiB and etcd no object above 1.5 MiB. */
#define ELEMENT_MAX (8u << 20)
#define WORD_SIZE 128

const char *json_str(const struct json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

struct json_t *json_obj(const struct json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_object(v) ? v : NULL;
}

struct json_t *json_arr(const struct json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_array(v) ? v : NULL;
}

bool json_int(const struct json_t *o, const char *key, int64_t *ret)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v))
		return false;
	*ret = json_integer_value(v);
	return true;
}

int json_tri(const struct json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_boolean(v) ? json_is_true(v) : -1;
}

/* ---- the scanner: pointers into the text, no allocation ---- */

enum scan {
	SCAN_OK,
	SCAN_CUT,  /* the text ends inside the value */
	SCAN_BAD,  /* the byte at the cursor is wrong */
	SCAN_DEEP, /* more than DEPTH_MAX nested values */
};

struct cursor {
	const char *p, *end;
};

static bool is_space(char ch)
{
	return ch == ' ' || ch == '\n' || ch == '\r' || ch == '\t';
}

static void skip_space(struct cursor *c)
{
	while (c->p < c->end && is_space(*c->p))
		c->p++;
}

static bool is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static enum scan scan_hex4(struct cursor *c)
{
	for (int i = 0; i < 4; i++, c->p++) {
		if (c->p == c->end)
			return SCAN_CUT;
		if (!is_digit(*c->p) && !((*c->p | 32) >= 'a' && (*c->p | 32) <= 'f'))
			return SCAN_BAD;
	}
	return SCAN_OK;
}

/* The cursor stands behind a backslash. */
static enum scan scan_escape(struct cursor *c)
{
	if (c->p == c->end)
		return SCAN_CUT;
	if (*c->p == 'u') {
		c->p++;
		return scan_hex4(c);
	}
	if (*c->p == '\0' || !strchr("\"\\/bfnrt", *c->p))
		return SCAN_BAD;
	c->p++;
	return SCAN_OK;
}

/* The cursor stands on the opening quote. */
static enum scan scan_string(struct cursor *c)
{
	c->p++;
	while (c->p < c->end) {
		unsigned char ch = (unsigned char)*c->p;

		if (ch == '"') {
			c->p++;
			return SCAN_OK;
		}
		if (ch < 0x20)
			return SCAN_BAD;
		c->p++;
		if (ch == '\\') {
			enum scan r = scan_escape(c);

			if (r != SCAN_OK)
				return r;
		}
	}
	return SCAN_CUT;
}

static enum scan scan_word(struct cursor *c, const char *word)
{
	for (; *word; word++, c->p++) {
		if (c->p == c->end)
			return SCAN_CUT;
		if (*c->p != *word)
			return SCAN_BAD;
	}
	return SCAN_OK;
}

/* One digit or more. */
static enum scan scan_digits(struct cursor *c)
{
	if (c->p == c->end)
		return SCAN_CUT;
	if (!is_digit(*c->p))
		return SCAN_BAD;
	while (c->p < c->end && is_digit(*c->p))
		c->p++;
	return SCAN_OK;
}

static enum scan scan_number(struct cursor *c)
{
	enum scan r = SCAN_OK;

	if (*c->p == '-')
		c->p++;
	if (c->p < c->end && *c->p == '0')
		c->p++;
	else
		r = scan_digits(c);
	if (r == SCAN_OK && c->p < c->end && *c->p == '.') {
		c->p++;
		r = scan_digits(c);
	}
	if (r == SCAN_OK && c->p < c->end && (*c->p | 32) == 'e') {
		c->p++;
		if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
			c->p++;
		r = scan_digits(c);
	}
	return r;
}

static enum scan scan_scalar(struct cursor *c)
{
	switch (*c->p) {
	case '"':
		return scan_string(c);
	case 't':
		return scan_word(c, "true");
	case 'f':
		return scan_word(c, "false");
	case 'n':
		return scan_word(c, "null");
	default:
		return scan_number(c);
	}
}

/* A member's name and the colon. */
static enum scan scan_key(struct cursor *c)
{
	enum scan r;

	skip_space(c);
	if (c->p == c->end)
		return SCAN_CUT;
	if (*c->p != '"')
		return SCAN_BAD;
	r = scan_string(c);
	if (r != SCAN_OK)
		return r;
	skip_space(c);
	if (c->p == c->end)
		return SCAN_CUT;
	return *c->p++ == ':' ? SCAN_OK : (c->p--, SCAN_BAD);
}

/* What stands open around the cursor. */
struct nesting {
	char open[DEPTH_MAX];
	unsigned depth;
};

/* Opens an object or an array. Sets @ret_done when it is empty and was closed at once. */
static enum scan scan_open(struct cursor *c, struct nesting *n, bool *ret_done)
{
	char ch = *c->p;

	if (n->depth == DEPTH_MAX)
		return SCAN_DEEP;
	n->open[n->depth++] = ch;
	c->p++;
	skip_space(c);
	if (c->p == c->end)
		return SCAN_CUT;
	*ret_done = *c->p == (ch == '{' ? '}' : ']');
	if (*ret_done) {
		c->p++;
		n->depth--;
		return SCAN_OK;
	}
	return ch == '{' ? scan_key(c) : SCAN_OK;
}

/* Behind a value: closes what ends here and stops before the next value, or at depth 0. */
static enum scan scan_after(struct cursor *c, struct nesting *n)
{
	while (n->depth > 0) {
		char open = n->open[n->depth - 1];

		skip_space(c);
		if (c->p == c->end)
			return SCAN_CUT;
		if (*c->p == ',') {
			c->p++;
			return open == '{' ? scan_key(c) : SCAN_OK;
		}
		if (*c->p != (open == '{' ? '}' : ']'))
			return SCAN_BAD;
		c->p++;
		n->depth--;
	}
	return SCAN_OK;
}

/* One value. The cursor ends behind it, or on the byte that is wrong. */
static enum scan scan_value(struct cursor *c)
{
	struct nesting n;
	enum scan r;

	n.depth = 0;
	do {
		bool done = true;

		skip_space(c);
		if (c->p == c->end)
			return SCAN_CUT;
		r = *c->p == '{' || *c->p == '[' ? scan_open(c, &n, &done) : scan_scalar(c);
		if (r == SCAN_OK && done)
			r = scan_after(c, &n);
	} while (r == SCAN_OK && n.depth > 0);
	return r;
}

/*
 * Steps over a damaged value by counting brackets alone, strings respected.
 * False when its end cannot be told: the text ends first.
 */
static bool skip_balanced(struct cursor *c)
{
	size_t depth = 0;

	while (c->p < c->end) {
		char ch = *c->p;

		if (ch == '"') {
			for (c->p++; c->p < c->end && *c->p != '"'; c->p++)
				c->p += *c->p == '\\' && c->p + 1 < c->end;
			if (c->p == c->end)
				return false;
		} else if (ch == '{' || ch == '[') {
			depth++;
		} else if (depth == 0 && (ch == ',' || ch == '}' || ch == ']')) {
			return true;
		} else if (ch == '}' || ch == ']') {
			depth--;
		}
		c->p++;
		if (depth == 0 && (ch == '}' || ch == ']'))
			return true;
	}
	return false;
}

/* ---- the splitter ---- */

struct splitter {
	struct cursor c;
	const char *file, *array_key;
	struct sd_notes *notes;
	json_list_fn list_fn;
	json_item_fn fn;
	void *arg;
	size_t count;
	bool damaged;
	/*
	 * Lines and columns are counted as far as they were asked for and never go back, so that the whole
	 * stays linear.
	 */
	const char *line_at, *column_at;
	uint32_t line, column;
};

static uint32_t line_of(struct splitter *s, const char *p)
{
	const char *nl;

	while (s->line_at < p && (nl = memchr(s->line_at, '\n', (size_t)(p - s->line_at)))) {
		s->line++;
		s->line_at = s->column_at = nl + 1;
		s->column = 1;
	}
	s->line_at = MAX(s->line_at, p);
	return s->line;
}

/* Column of @p from 1, in characters; call line_of first. */
static uint32_t column_of(struct splitter *s, const char *p)
{
	for (; s->column_at < p; s->column_at++)
		s->column += ((unsigned char)*s->column_at & 0xc0) != 0x80;
	return s->column;
}

static void note_at(struct splitter *s, const char *p, const char *code, const char *text)
{
	uint32_t line = line_of(s, p);

	s->damaged = true;
	sd_note_add(s->notes, true, code, s->file, line, column_of(s, p), NULL, "%s", text);
}

static void note_scan(struct splitter *s, const char *p, enum scan r)
{
	char text[80];

	if (r == SCAN_CUT) {
		note_at(s, s->c.end, "truncated", "the JSON text ends in the middle of a value");
	} else if (r == SCAN_DEEP) {
		note_at(s, p, "bad-json", "values are nested more than 256 deep");
	} else {
		unsigned char ch = (unsigned char)*p;

		if (ch > ' ' && ch < 0x7f)
			snprintf(text, sizeof(text), "'%c' is not valid JSON at this place", ch);
		else
			snprintf(text, sizeof(text), "byte 0x%02x is not valid JSON at this place", ch);
		note_at(s, p, "bad-json", text);
	}
}

/*
 * Decodes [@from, @to), which the scanner found well-formed. NULL with a note where jansson objects, such as
 * to bad UTF-8.
 */
static json_t *load(struct splitter *s, const char *from, const char *to)
{
	json_error_t error;
	json_t *v;

	if ((size_t)(to - from) > ELEMENT_MAX) {
		note_at(s, from, "too-large", "one object is larger than 8 MiB");
		return NULL;
	}
	v = json_loadb(from, (size_t)(to - from), JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (!v)
		note_at(s, from + MIN(MAX(error.position, 0), (int)(to - from)), "bad-json", error.text);
	return v;
}

/* What a list says of itself, before and behind its items. */
struct list_head {
	char kind[WORD_SIZE], api_version[WORD_SIZE];
	const char *items; /* where the array begins; NULL: there is none */
	bool partial;	   /* metadata.continue: one page of several */
};

/* Copies a plain string value [@from, @to) with its quotes; "" when it is anything else. */
static void copy_word(char out[static WORD_SIZE], const char *from, const char *to)
{
	size_t size = (size_t)(to - from);

	if (size < 2 || size > WORD_SIZE || *from != '"' || memchr(from, '\\', size))
		return;
	memcpy(out, from + 1, size - 2);
	out[size - 2] = '\0';
}

static bool has_continue(const char *from, const char *to)
{
	json_t *m;
	const char *token;
	bool r;

	if (to - from > (1 << 16) || !(m = json_loadb(from, (size_t)(to - from), 0, NULL)))
		return false;
	token = json_str(m, "continue");
	r = token && *token;
	json_decref(m);
	return r;
}

static bool key_is(const char *from, const char *to, const char *key)
{
	size_t len = strlen(key);

	return (size_t)(to - from) >= len + 2 && *from == '"' && memcmp(from + 1, key, len) == 0 &&
	       from[len + 1] == '"';
}

static void head_member(struct list_head *h, const char *key, const char *key_end, const char *from,
			const char *to)
{
	if (key_is(key, key_end, "kind"))
		copy_word(h->kind, from, to);
	else if (key_is(key, key_end, "apiVersion"))
		copy_word(h->api_version, from, to);
	else if (key_is(key, key_end, "metadata"))
		h->partial = has_continue(from, to);
}

/*
 * Looks through the members of the object at @c for what struct list_head holds. kubectl prints "items"
 * before "kind", so the items are scanned over when no kind stood before them. Damage is stepped over here
 * and recorded in the second look.
 */
static void read_head(struct cursor c, const char *array_key, struct list_head *h)
{
	*h = (struct list_head){ 0 };
	c.p++;
	do {
		const char *key, *key_end, *from;

		skip_space(&c);
		key = c.p;
		if (scan_key(&c) != SCAN_OK)
			return;
		key_end = c.p;
		skip_space(&c);
		from = c.p;
		if (c.p < c.end && key_is(key, key_end, array_key) && (*c.p == '[' || *c.p == 'n')) {
			h->items = from;
			if (h->kind[0])
				return;
		}
		if (scan_value(&c) == SCAN_OK) {
			head_member(h, key, key_end, from, c.p);
		} else {
			c.p = from;
			if (!skip_balanced(&c))
				return;
		}
		skip_space(&c);
	} while (c.p < c.end && *c.p++ == ',');
}

static int deliver(struct splitter *s, const char *from, const char *to, const char *kind,
		   const char *api_version)
{
	json_t *v = load(s, from, to);
	int r;

	if (!v)
		return 0;
	if (!json_is_object(v)) {
		note_at(s, from, "bad-json", "this value is not an object");
		json_decref(v);
		return 0;
	}
	s->count++;
	r = s->fn(s->arg, v, kind, api_version, line_of(s, from));
	json_decref(v);
	return r;
}

/* One element. 0, 1 when what follows cannot be used, or a negative code. */
static int split_element(struct splitter *s, const char *kind, const char *api_version)
{
	const char *from = s->c.p;
	enum scan r = scan_value(&s->c);

	if (r == SCAN_OK)
		return deliver(s, from, s->c.p, kind, api_version);
	note_scan(s, s->c.p, r);
	if (r == SCAN_CUT)
		return 1;
	s->c.p = from;
	return skip_balanced(&s->c) ? 0 : 1;
}

/* The cursor stands on '['; it ends behind the matching ']'. As split_element. */
static int split_array(struct splitter *s, const char *kind, const char *api_version)
{
	s->c.p++;
	skip_space(&s->c);
	if (s->c.p < s->c.end && *s->c.p == ']') {
		s->c.p++;
		return 0;
	}
	while (s->c.p < s->c.end) {
		int r;

		skip_space(&s->c);
		r = split_element(s, kind, api_version);
		if (r != 0)
			return r;
		skip_space(&s->c);
		if (s->c.p == s->c.end)
			break;
		if (*s->c.p == ']') {
			s->c.p++;
			return 0;
		}
		if (*s->c.p != ',') {
			note_scan(s, s->c.p, SCAN_BAD);
			return 1;
		}
		s->c.p++;
	}
	note_scan(s, s->c.p, SCAN_CUT);
	return 1;
}

/* The list's kind without "List". */
static void item_kind(char *kind)
{
	if (str_ends(kind, "List"))
		kind[strlen(kind) - 4] = '\0';
}

/* Steps over a member that is not "items"; it must be well-formed. */
static int split_other_member(struct splitter *s)
{
	const char *from = s->c.p;
	enum scan r = scan_value(&s->c);

	if (r == SCAN_OK)
		return 0;
	note_scan(s, s->c.p, r);
	if (r == SCAN_CUT)
		return 1;
	s->c.p = from;
	return skip_balanced(&s->c) ? 0 : 1;
}

/* A list, its first look taken. The cursor ends behind it. */
static int split_list(struct splitter *s, struct list_head *h)
{
	int r = s->list_fn ? s->list_fn(s->arg, h->kind, h->api_version, h->partial) : 0;

	if (r < 0)
		return r;
	item_kind(h->kind);
	s->c.p++;
	for (;;) {
		enum scan k = scan_key(&s->c);

		if (k != SCAN_OK) {
			note_scan(s, s->c.p, k);
			return 1;
		}
		skip_space(&s->c);
		r = s->c.p == h->items && *s->c.p == '[' ? split_array(s, h->kind, h->api_version)
							 : split_other_member(s);
		if (r != 0)
			return r;
		skip_space(&s->c);
		if (s->c.p < s->c.end && *s->c.p == '}') {
			s->c.p++;
			return 0;
		}
		if (s->c.p == s->c.end || *s->c.p != ',') {
			note_scan(s, s->c.p, s->c.p == s->c.end ? SCAN_CUT : SCAN_BAD);
			return 1;
		}
		s->c.p++;
	}
}

static int split_document(struct splitter *s)
{
	struct list_head h = { 0 };

	if (*s->c.p == '[')
		return split_array(s, "", "");
	if (*s->c.p == '{')
		read_head(s->c, s->array_key, &h);
	return h.items ? split_list(s, &h) : split_element(s, "", "");
}

/* A byte order mark, and texts that cannot be JSON as we know it. False: nothing to read. */
static bool begin(struct splitter *s)
{
	size_t size = (size_t)(s->c.end - s->c.p);

	if (size >= 2 && (memcmp(s->c.p, "\xff\xfe", 2) == 0 || memcmp(s->c.p, "\xfe\xff", 2) == 0)) {
		note_at(s, s->c.p, "bad-json",
			"the text is UTF-16, not UTF-8 (PowerShell's '>' writes that)");
		return false;
	}
	if (size >= 3 && memcmp(s->c.p, "\xef\xbb\xbf", 3) == 0)
		s->line_at = s->column_at = s->c.p += 3;
	skip_space(&s->c);
	if (s->c.p == s->c.end)
		note_at(s, s->c.p, "truncated", "there is no JSON value in it");
	return s->c.p < s->c.end;
}

static ssize_t split(struct splitter *s, const char *data, size_t size)
{
	int r = 0;

	s->c = (struct cursor){ data, data + size };
	s->line_at = s->column_at = data;
	s->line = s->column = 1;
	if (!begin(s))
		return SD_EPARSE;
	while (r == 0 && s->c.p < s->c.end) {
		const char *from = s->c.p;

		r = split_document(s);
		if (r == 0 && s->c.p == from)
			break; /* a stray bracket or comma, noted */
		skip_space(&s->c);
	}
	if (r < 0)
		return r;
	return s->damaged && s->count == 0 ? SD_EPARSE : (ssize_t)s->count;
}

ssize_t json_each_list(const char *data, size_t size, const char *file, struct sd_notes *notes,
		       json_list_fn list_fn, json_item_fn fn, void *arg)
{
	struct splitter s = {
		.file = file,
		.array_key = "items",
		.notes = notes,
		.list_fn = list_fn,
		.fn = fn,
		.arg = arg,
	};

	return split(&s, data, size);
}

ssize_t json_each_item(const char *data, size_t size, const char *file, struct sd_notes *notes,
		       json_item_fn fn, void *arg)
{
	return json_each_list(data, size, file, notes, NULL, fn, arg);
}

ssize_t json_each_of(const char *data, size_t size, const char *file, struct sd_notes *notes,
		     const char *array_key, json_item_fn fn, void *arg)
{
	struct splitter s = { .file = file, .array_key = array_key, .notes = notes, .fn = fn, .arg = arg };

	return split(&s, data, size);
}
