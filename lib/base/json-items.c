/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cuts a JSON document into the elements of its list, which are handed to jansson one at a time, so that there never is
 * a tree of the whole. The elements of a large document are decoded by two threads in batches: this one cuts and decodes,
 * the other decodes. Records are joined in the order of the text. Where the text is damaged, one thread goes on alone.
 */

#include <errno.h>
#include <jansson.h>

#include "json-private.h"

/*
 * One element. The API server takes no request above 3 MiB and etcd no object above 1.5 MiB. Of other lists: nft writes a map with
 * all its elements as one.
 */
#define ELEMENT_MAX (8u << 20)
#define OTHER_ELEMENT_MAX (32u << 20)
#define WORD_SIZE 128
#define BATCH_SIZE (256u << 10) /* bytes of elements that are decoded in one go */
#define BATCHES_MAX 64u		/* before they are joined: each may have as many records as are kept at all */

/* ---- places in the text ---- */

/* Lines and columns are counted as far as they were asked for and never go back, so that the whole stays linear. */
struct place {
	const char *line_at, *column_at;
	uint32_t line, column;
};

static uint32_t line_of(struct place *at, const char *p)
{
	const char *nl;

	while (at->line_at < p && (nl = memchr(at->line_at, '\n', (size_t)(p - at->line_at)))) {
		at->line++;
		at->line_at = at->column_at = nl + 1;
		at->column = 1;
	}
	at->line_at = MAX(at->line_at, p);
	return at->line;
}

/* Column of @p from 1, in characters; call line_of first. */
static uint32_t column_of(struct place *at, const char *p)
{
	for (; at->column_at < p; at->column_at++)
		at->column += ((unsigned char)*at->column_at & 0xc0) != 0x80;
	return at->column;
}

/* ---- memory of elements ---- */

/*
 * The tree of one element lives for one call: its memory is taken from a pool, which is emptied behind it at once. jansson
 * has one allocator for all its values; what is not of this thread's pool, or asked for without one, is malloc's.
 */
#define POOL_SIZE (256u << 10)
#define POOL_ALIGN 16u

struct pool {
	size_t used;
	_Alignas(POOL_ALIGN) char mem[POOL_SIZE];
};
static _Thread_local struct pool *pool;

static void *pool_malloc(size_t size)
{
	size_t want = (size + POOL_ALIGN - 1) & ~(size_t)(POOL_ALIGN - 1);
	char *p;

	if (!pool || want < size || want > POOL_SIZE - pool->used)
		return malloc(size);
	p = pool->mem + pool->used;
	pool->used += want;
	return p;
}

static void pool_free(void *p)
{
	if (!pool || (uintptr_t)p - (uintptr_t)pool->mem >= POOL_SIZE)
		free(p);
}

/* ---- batches of elements ---- */

struct span {
	const char *from, *to;
};
/* A record of a batch whose place is found when it is joined. */
struct unplaced {
	size_t note;
	const char *at;
};
struct splitter;
struct batch {
	struct splitter *s;
	const char *kind, *api_version;
	uint32_t line;	    /* where the first element begins */
	size_t first, size; /* number of the first element; bytes of all */
	ARRAY_OF(struct span) spans;
	bool alone;	    /* nobody else works: records need not wait */
	struct sd_notes notes;
	ARRAY_OF(struct unplaced) unplaced;
	size_t count; /* elements delivered */
	int r;
};

struct splitter {
	struct cursor c;
	const char *file, *array_key;
	struct sd_notes *notes;
	json_list_fn list_fn;
	void *arg;
	json_part_fn text_fn, fn;
	void *const *parts; /* one for each thread; a second one only when a second thread may help */
	bool may_share;
	bool pooled; /* its elements are decoded in a pool */
	bool damaged;
	size_t element_max;
	size_t elements; /* cut so far */
	size_t count;	 /* delivered */
	struct place ahead, behind; /* of the batch that is filled; of records, which come in their order */
	struct crew *crew;
	struct batch *filling;
	ARRAY_OF(struct batch *) batches; /* given away, to be joined */
};

static void note_at(struct splitter *s, const char *p, const char *code, const char *text)
{
	uint32_t line = line_of(&s->behind, p);

	s->damaged = true;
	sd_note_add(s->notes, true, code, s->file, line, column_of(&s->behind, p), NULL, "%s", text);
}

static void batch_note(struct batch *b, const char *p, const char *code, const char *text)
{
	size_t before = b->notes.len;

	if (b->alone) {
		note_at(b->s, p, code, text);
		return;
	}
	sd_note_add(&b->notes, true, code, b->s->file, 0, 0, NULL, "%s", text);
	if (b->notes.len > before && array_push(&b->unplaced, ((struct unplaced){ before, p })) < 0)
		b->r = -ENOMEM;
}

/*
 * Decodes an element, which the scanner found well-formed. NULL with a note where jansson objects, such as
 * to bad UTF-8.
 */
static json_t *load(struct batch *b, const struct span *e)
{
	size_t size = (size_t)(e->to - e->from);
	struct cursor c = { e->from, e->to };
	json_error_t error;
	json_t *v;

	if (size > b->s->element_max) {
		batch_note(b, e->from, "too-large",
			   b->s->element_max == ELEMENT_MAX ? "one object is larger than 8 MiB" : "one object is larger than 32 MiB");
		return NULL;
	}
	v = json_tree(&c);
	if (v)
		return v;
	v = json_loadb(e->from, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error); /* which says what it objects to */
	if (!v)
		batch_note(b, e->from + MIN(MAX(error.position, 0), (int)size), "bad-json", error.text);
	return v;
}

static int deliver(struct batch *b, size_t i, uint32_t line, void *part)
{
	const struct span *e = &b->spans.v[i];
	struct json_item item = {
		.text = e->from, .size = (size_t)(e->to - e->from), .kind = b->kind, .api_version = b->api_version, .line = line,
		.number = b->first + i, .notes = b->alone ? b->s->notes : &b->notes,
	};
	int r = b->s->text_fn && item.size <= b->s->element_max ? b->s->text_fn(part, &item) : 0;

	if (r != 0) {
		b->count += r > 0;
		return r < 0 ? r : b->r;
	}
	item.value = load(b, e);
	if (!item.value)
		return b->r;
	if (json_is_object(item.value)) {
		b->count++;
		r = b->s->fn(part, &item);
	} else {
		batch_note(b, e->from, "bad-json", "this value is not an object");
	}
	json_decref(item.value);
	return r < 0 ? r : b->r;
}

/* By any thread. */
static void decode(void *arg, void *job, unsigned who)
{
	const struct splitter *s = arg;
	struct batch *b = job;
	struct place at = { .line_at = b->spans.v[0].from, .line = b->line };

	pool = s->pooled ? malloc(sizeof(*pool)) : NULL;
	for (size_t i = 0; b->r == 0 && i < b->spans.len; i++) {
		if (pool)
			pool->used = 0;
		b->r = deliver(b, i, line_of(&at, b->spans.v[i].from), s->parts[who]);
	}
	free(pool);
	pool = NULL;
	array_free(&b->spans);
}

static void batch_free(struct batch *b)
{
	if (!b)
		return;
	array_free(&b->spans);
	array_free(&b->unplaced);
	sd_notes_release(&b->notes);
	free(b);
}

/* A decoded batch, all before it joined. */
static int join(struct splitter *s, struct batch *b)
{
	for (size_t i = 0; i < b->unplaced.len; i++) {
		struct sd_note *note = &b->notes.v[b->unplaced.v[i].note];

		note->line = line_of(&s->behind, b->unplaced.v[i].at);
		note->column = column_of(&s->behind, b->unplaced.v[i].at);
	}
	s->damaged |= b->unplaced.len > 0;
	s->count += b->count;
	sd_notes_join(s->notes, &b->notes);
	return b->r;
}

static int catch_up(struct splitter *s);

/* Has the batch decoded that is being filled, by whoever has time. A second thread comes with the first full one. */
static int give_away(struct splitter *s)
{
	struct batch *b = take_ptr(s->filling);
	int r;

	if (!s->crew && s->may_share && b->size >= BATCH_SIZE)
		s->crew = crew_start(decode, s);
	if (s->crew) {
		r = array_push(&s->batches, b);
		if (r < 0) {
			batch_free(b);
			return r;
		}
		crew_add(s->crew, b);
		return s->batches.len < BATCHES_MAX ? 0 : catch_up(s);
	}
	b->alone = true;
	decode(s, b, 0);
	r = join(s, b);
	batch_free(b);
	return r;
}

/* Returns when all that was cut so far is decoded and joined: what is recorded now comes behind it. */
static int catch_up(struct splitter *s)
{
	int r = s->filling ? give_away(s) : 0;

	crew_finish(take_ptr(s->crew));
	for (size_t i = 0; i < s->batches.len; i++) {
		if (r == 0)
			r = join(s, s->batches.v[i]);
		batch_free(s->batches.v[i]);
	}
	s->batches.len = 0;
	return r;
}

static int add_element(struct splitter *s, const char *from, const char *to, const char *kind, const char *api_version)
{
	struct batch *b = s->filling;
	int r;

	if (!b) {
		b = s->filling = calloc(1, sizeof(*b));
		if (!b)
			return -ENOMEM;
		b->s = s;
		b->kind = kind;
		b->api_version = api_version;
		b->line = line_of(&s->ahead, from);
		b->first = s->elements;
	}
	r = array_push(&b->spans, ((struct span){ from, to }));
	s->elements++;
	b->size += (size_t)(to - from);
	return r == 0 && b->size >= BATCH_SIZE ? give_away(s) : r;
}

/* ---- damage ---- */

/* 0, or what decoding came to before. */
static int note_scan(struct splitter *s, const char *p, enum scan k)
{
	int r = catch_up(s);
	char text[80];

	s->may_share = false;
	if (r < 0)
		return r;
	if (k == SCAN_CUT) {
		note_at(s, s->c.end, "truncated", "the JSON text ends in the middle of a value");
	} else if (k == SCAN_DEEP) {
		note_at(s, p, "bad-json", "values are nested more than 256 deep");
	} else {
		unsigned char ch = (unsigned char)*p;

		if (ch > ' ' && ch < 0x7f)
			snprintf(text, sizeof(text), "'%c' is not valid JSON at this place", ch);
		else
			snprintf(text, sizeof(text), "byte 0x%02x is not valid JSON at this place", ch);
		note_at(s, p, "bad-json", text);
	}
	return 0;
}

/* The same, and nothing behind it can be used: 1, or a negative code. */
static int note_end(struct splitter *s, const char *p, enum scan k)
{
	int r = note_scan(s, p, k);

	return r < 0 ? r : 1;
}

/* ---- lists ---- */

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

		scan_space(&c);
		key = c.p;
		if (scan_key(&c) != SCAN_OK)
			return;
		key_end = c.p;
		scan_space(&c);
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
			if (!scan_balanced(&c))
				return;
		}
		scan_space(&c);
	} while (c.p < c.end && *c.p++ == ',');
}

/* Notes what is wrong with the value that begins at @from. 0, 1 when what follows cannot be used, or a negative code. */
static int step_over(struct splitter *s, const char *from, enum scan k)
{
	int r = note_scan(s, s->c.p, k);

	if (r < 0 || k == SCAN_CUT)
		return r < 0 ? r : 1;
	s->c.p = from;
	return scan_balanced(&s->c) ? 0 : 1;
}

/* One element. As step_over. */
static int split_element(struct splitter *s, const char *kind, const char *api_version)
{
	const char *from = s->c.p;
	enum scan r = scan_value(&s->c);

	if (r == SCAN_OK)
		return add_element(s, from, s->c.p, kind, api_version);
	return step_over(s, from, r);
}

/* The cursor stands on '['; it ends behind the matching ']'. As split_element. */
static int split_array(struct splitter *s, const char *kind, const char *api_version)
{
	s->c.p++;
	scan_space(&s->c);
	if (s->c.p < s->c.end && *s->c.p == ']') {
		s->c.p++;
		return 0;
	}
	while (s->c.p < s->c.end) {
		int r;

		scan_space(&s->c);
		r = split_element(s, kind, api_version);
		if (r != 0)
			return r;
		scan_space(&s->c);
		if (s->c.p == s->c.end)
			break;
		if (*s->c.p == ']') {
			s->c.p++;
			return 0;
		}
		if (*s->c.p != ',')
			return note_end(s, s->c.p, SCAN_BAD);
		s->c.p++;
	}
	return note_end(s, s->c.p, SCAN_CUT);
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

	return r == SCAN_OK ? 0 : step_over(s, from, r);
}

/* The cursor stands on '{'; it ends behind the list. */
static int split_members(struct splitter *s, const struct list_head *h)
{
	int r;

	s->c.p++;
	for (;;) {
		enum scan k = scan_key(&s->c);

		if (k != SCAN_OK)
			return note_end(s, s->c.p, k);
		scan_space(&s->c);
		r = s->c.p == h->items && *s->c.p == '[' ? split_array(s, h->kind, h->api_version)
							 : split_other_member(s);
		if (r != 0)
			return r;
		scan_space(&s->c);
		if (s->c.p < s->c.end && *s->c.p == '}') {
			s->c.p++;
			return 0;
		}
		if (s->c.p == s->c.end || *s->c.p != ',')
			return note_end(s, s->c.p, s->c.p == s->c.end ? SCAN_CUT : SCAN_BAD);
		s->c.p++;
	}
}

/* A list, its first look taken. Its elements are decoded at the end: their kind stands in @h. */
static int split_list(struct splitter *s, struct list_head *h)
{
	int r = catch_up(s), end;

	if (r == 0 && s->list_fn)
		r = s->list_fn(s->arg, h->kind, h->api_version, h->partial);
	if (r < 0)
		return r;
	item_kind(h->kind);
	r = split_members(s, h);
	end = r < 0 ? 0 : catch_up(s);
	return end < 0 ? end : r;
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
		s->behind.line_at = s->behind.column_at = s->c.p += 3;
	scan_space(&s->c);
	if (s->c.p == s->c.end)
		note_at(s, s->c.p, "truncated", "there is no JSON value in it");
	return s->c.p < s->c.end;
}

static void splitter_release(struct splitter *s)
{
	crew_finish(s->crew);
	batch_free(s->filling);
	for (size_t i = 0; i < s->batches.len; i++)
		batch_free(s->batches.v[i]);
	array_free(&s->batches);
}

static ssize_t split(struct splitter *s, const char *data, size_t size)
{
	int r = 0;

	/* The seed is made with the first object otherwise, by whichever thread. */
	if (s->pooled) {
		json_object_seed(0);
		json_set_alloc_funcs(pool_malloc, pool_free);
	}
	s->c = (struct cursor){ data, data + size };
	s->behind = (struct place){ data, data, 1, 1 };
	if (!begin(s))
		return SD_EPARSE;
	s->ahead = s->behind;
	while (r == 0 && s->c.p < s->c.end) {
		const char *from = s->c.p;

		r = split_document(s);
		if (r == 0 && s->c.p == from)
			break; /* a stray bracket or comma, noted */
		scan_space(&s->c);
	}
	if (r >= 0)
		r = catch_up(s);
	if (r < 0)
		return r;
	return s->damaged && s->count == 0 ? SD_EPARSE : (ssize_t)s->count;
}

ssize_t json_each_shared(const char *data, size_t size, const char *file, struct sd_notes *notes,
			 json_list_fn list_fn, void *arg, json_part_fn text_fn, json_part_fn fn, void *const parts[CREW_SIZE])
{
	struct splitter s CLEANUP(splitter_release) = {
		.file = file, .array_key = "items", .notes = notes, .list_fn = list_fn, .arg = arg,
		.text_fn = text_fn, .fn = fn, .parts = parts, .may_share = parts[1] && size > 2 * BATCH_SIZE, .pooled = size > 2 * BATCH_SIZE, .element_max = ELEMENT_MAX,
	};

	return split(&s, data, size);
}

/* The one part where one thread decodes. */
struct plain {
	json_item_fn fn;
	void *arg;
};

static int plain_item(void *part, const struct json_item *item)
{
	const struct plain *p = part;

	return p->fn(p->arg, item->value, item->kind, item->api_version, item->line);
}

static ssize_t split_plain(const char *data, size_t size, const char *file, struct sd_notes *notes,
			   const char *array_key, json_list_fn list_fn, json_item_fn fn, void *arg)
{
	struct plain plain = { fn, arg };
	void *const parts[CREW_SIZE] = { &plain };
	struct splitter s CLEANUP(splitter_release) = {
		.file = file, .array_key = array_key, .notes = notes, .list_fn = list_fn, .arg = arg,
		.fn = plain_item, .parts = parts, .pooled = size > 2 * BATCH_SIZE,
		.element_max = strcmp(array_key, "items") == 0 ? ELEMENT_MAX : OTHER_ELEMENT_MAX,
	};

	return split(&s, data, size);
}

ssize_t json_each_list(const char *data, size_t size, const char *file, struct sd_notes *notes,
		       json_list_fn list_fn, json_item_fn fn, void *arg)
{
	return split_plain(data, size, file, notes, "items", list_fn, fn, arg);
}

ssize_t json_each_item(const char *data, size_t size, const char *file, struct sd_notes *notes,
		       json_item_fn fn, void *arg)
{
	return split_plain(data, size, file, notes, "items", NULL, fn, arg);
}

ssize_t json_each_of(const char *data, size_t size, const char *file, struct sd_notes *notes,
		     const char *array_key, json_item_fn fn, void *arg)
{
	return split_plain(data, size, file, notes, array_key, NULL, fn, arg);
}
