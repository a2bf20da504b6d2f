/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that grows: arena, string buffer, arrays, hash map. Failures are -ENOMEM or a sticky flag. */
#include <errno.h>
#include <sys/mman.h>

#include <svcdoctor/base.h>

#define ARENA_BLOCK_MIN (16u << 10)
#define ARENA_BLOCK_MAX (1u << 20)
#define ARENA_HUGE_FROM (24u << 20)
#define ARENA_HUGE (8u << 20)
#define HUGE_PAGE (2u << 20)
#define ARENA_ALIGN 8u

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	_Alignas(ARENA_ALIGN) unsigned char data[];
};

void arena_release(struct arena *a)
{
	struct arena_block *b = a->head;

	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
	a->head = NULL;
	a->used = 0;
}

void arena_reset(struct arena *a)
{
	struct arena_block *b = a->head;

	if (!b)
		return;
	while (b->next) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
	b->used = 0;
	a->head = b;
	a->used = 0;
}

void arena_join(struct arena *a, struct arena *from)
{
	struct arena_block **end = &a->head;

	/* Behind the first block, which may have room. */
	if (*end)
		end = &a->head->next;
	if (from->head) {
		struct arena_block *last = from->head;

		while (last->next)
			last = last->next;
		last->next = *end;
		*end = from->head;
	}
	a->used += from->used;
	*from = (struct arena){ 0 };
}

/*
 * An arena that has grown large goes on in huge pages, where the kernel gives them: the rules of 40,000 Services are read and asked
 * in three quarters of the time. Small ones do not: the kernel clears a huge page whole.
 */
static struct arena_block *huge_block(void)
{
	struct arena_block *b = aligned_alloc(HUGE_PAGE, ARENA_HUGE);

	if (b)
		(void)madvise(b, ARENA_HUGE, MADV_HUGEPAGE); /* a wish */
	return b;
}

static struct arena_block *arena_add_block(struct arena *a, size_t want)
{
	size_t size = a->head ? MIN(a->head->size * 2, ARENA_BLOCK_MAX) : ARENA_BLOCK_MIN;
	struct arena_block *b;

	size = MAX(size, want);
	if (size > SIZE_MAX - sizeof(*b))
		return NULL;
	if (a->used >= ARENA_HUGE_FROM && size <= ARENA_HUGE - sizeof(*b)) {
		size = ARENA_HUGE - sizeof(*b);
		b = huge_block();
	} else {
		b = malloc(sizeof(*b) + size);
	}
	if (!b)
		return NULL;
	b->size = size;
	b->used = 0;
	b->next = a->head;
	a->head = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->head;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = MAX((size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1), ARENA_ALIGN);
	if (!b || b->size - b->used < size) {
		b = arena_add_block(a, size);
		if (!b)
			return NULL;
	}
	p = b->data + b->used;
	b->used += size;
	a->used += size;
	return memset(p, 0, size);
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *p = arena_alloc(a, len + 1);

	return p ? memcpy(p, s, len) : NULL;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char small[256], *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	if ((size_t)n < sizeof(small))
		return arena_strndup(a, small, (size_t)n);
	p = arena_alloc(a, (size_t)n + 1);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void strbuf_release(struct strbuf *b)
{
	free(b->s);
	*b = (struct strbuf)STRBUF_INIT;
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	if (b->s)
		b->s[0] = '\0';
}

const char *strbuf_str(const struct strbuf *b)
{
	return b->s ? b->s : "";
}

static bool strbuf_room(struct strbuf *b, size_t extra)
{
	size_t need = b->len + extra + 1, cap;
	char *s;

	if (b->failed)
		return false;
	if (need <= b->cap)
		return true;
	cap = MAX(b->cap * 2, MAX(need, (size_t)64));
	s = realloc(b->s, cap);
	if (!s) {
		strbuf_release(b);
		b->failed = true;
		return false;
	}
	b->s = s;
	b->cap = cap;
	return true;
}

void strbuf_add(struct strbuf *b, const char *s, size_t len)
{
	if (!strbuf_room(b, len))
		return;
	if (len)
		memcpy(b->s + b->len, s, len);
	b->len += len;
	b->s[b->len] = '\0';
}

void strbuf_adds(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_addc(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0 || !strbuf_room(b, (size_t)n))
		return;
	(void)vsnprintf(b->s + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(b, fmt, ap);
	va_end(ap);
}

/* @v points at the array's pointer, whatever its type: it is read and written as bytes. */
int array_grow_(void *v, size_t *cap, size_t len, size_t elem_size)
{
	size_t want;
	void *p;

	if (len <= *cap)
		return 0;
	want = MAX(*cap * 2, MAX(len, (size_t)8));
	if (want > SIZE_MAX / elem_size)
		return -ENOMEM;
	memcpy(&p, v, sizeof(p));
	p = realloc(p, want * elem_size);
	if (!p)
		return -ENOMEM;
	memcpy(v, &p, sizeof(p));
	*cap = want;
	return 0;
}

/* FNV-1a over 8 bytes at a time, with a final mix: keys are short and come from outside, chains are bounded by growth. */
uint32_t hash_bytes(const void *p, size_t size)
{
	const unsigned char *s = p;
	uint64_t h = 0xcbf29ce484222325ull ^ size;

	while (size >= 8) {
		uint64_t w;

		memcpy(&w, s, 8);
		h = (h ^ w) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
		s += 8;
		size -= 8;
	}
	while (size--)
		h = (h ^ *s++) * 0x100000001b3ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return (uint32_t)(h ^ (h >> 32));
}

void map_release(struct map *m)
{
	free(m->v);
	*m = (struct map){ 0 };
}

static struct map_entry *map_slot(const struct map *m, const void *key, size_t key_size, uint32_t hash)
{
	size_t i = hash & (m->cap - 1);

	for (;; i = (i + 1) & (m->cap - 1)) {
		struct map_entry *e = &m->v[i];

		if (!e->value || (e->hash == hash && e->key_size == key_size &&
				  (key_size == 0 || memcmp(e->key, key, key_size) == 0)))
			return e;
	}
}

void *map_get(const struct map *m, const void *key, size_t key_size)
{
	if (m->len == 0)
		return NULL;
	return map_slot(m, key, key_size, hash_bytes(key, key_size))->value;
}

static int map_grow(struct map *m)
{
	struct map bigger = { .cap = m->cap ? m->cap * 2 : 16 };

	bigger.v = calloc(bigger.cap, sizeof(*bigger.v));
	if (!bigger.v)
		return -ENOMEM;
	for (size_t i = 0; i < m->cap; i++) {
		const struct map_entry *e = &m->v[i];

		if (e->value)
			*map_slot(&bigger, e->key, e->key_size, e->hash) = *e;
	}
	bigger.len = m->len;
	free(m->v);
	*m = bigger;
	return 0;
}

int map_put(struct map *m, const void *key, size_t key_size, void *value)
{
	uint32_t hash = hash_bytes(key, key_size);
	struct map_entry *e;

	if ((m->len + 1) * 4 > m->cap * 3) {
		int r = map_grow(m);

		if (r < 0)
			return r;
	}
	e = map_slot(m, key, key_size, hash);
	if (!e->value)
		m->len++;
	*e = (struct map_entry){ key, (uint32_t)key_size, hash, value };
	return 0;
}
