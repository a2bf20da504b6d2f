/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolv.conf: all that the file says (resolv.conf(5)). What a libc takes of it is in resolv-view.c, which reads the text again, because
 * glibc and musl differ in what a line is.
 */

#include <ctype.h>
#include <errno.h>

#include "resolv-private.h"

void resolv_conf_release(struct resolv_conf *c)
{
	array_free(&c->servers);
	array_free(&c->searches);
	array_free(&c->options);
	*c = (struct resolv_conf){ 0 };
}

/* ---- lines and words ---- */

bool resolv_next_line(const char **at, struct resolv_line *l)
{
	const char *end = strchr(*at, '\n');

	if (!**at)
		return false;
	l->text = (struct resolv_text){ *at, end ? (size_t)(end - *at) : strlen(*at) };
	l->number++;
	*at += l->text.len + (end ? 1 : 0);
	return true;
}

bool resolv_next_word(struct resolv_text *rest, const char *blanks, struct resolv_text *ret)
{
	while (rest->len && strchr(blanks, *rest->s)) {
		rest->s++;
		rest->len--;
	}
	ret->s = rest->s;
	for (ret->len = 0; ret->len < rest->len && !strchr(blanks, ret->s[ret->len]);)
		ret->len++;
	rest->s += ret->len;
	rest->len -= ret->len;
	return ret->len > 0;
}

bool resolv_text_starts(const struct resolv_text *t, const char *prefix)
{
	size_t len = strlen(prefix);

	return t->len >= len && memcmp(t->s, prefix, len) == 0;
}

bool resolv_keyword(const struct resolv_line *l, const char *keyword, const char *blanks, struct resolv_text *ret)
{
	size_t len = strlen(keyword);

	if (l->text.len <= len || !resolv_text_starts(&l->text, keyword) || !strchr(blanks, l->text.s[len]))
		return false;
	*ret = (struct resolv_text){ l->text.s + len + 1, l->text.len - len - 1 };
	return true;
}

/* ---- addresses ---- */

/* One number, in C's notation, of the text from @at on. Where it ends, or 0: it is none. */
static size_t number_at(const struct resolv_text *t, size_t at, uint64_t *ret)
{
	unsigned base = 10, digit;
	size_t start = at;
	uint64_t n = 0;

	if (at >= t->len || t->s[at] < '0' || t->s[at] > '9')
		return 0;
	if (t->s[at] == '0')
		base = 8;
	if (base == 8 && at + 2 < t->len && (t->s[at + 1] | 0x20) == 'x' && isxdigit((unsigned char)t->s[at + 2])) {
		base = 16;
		at += 2;
	}
	for (; at < t->len && isxdigit((unsigned char)t->s[at]); at++) {
		digit = t->s[at] <= '9' ? (unsigned)(t->s[at] - '0') : (unsigned)((t->s[at] | 0x20) - 'a') + 10;
		if (digit >= base)
			break;
		n = MIN(n * base + digit, UINT32_MAX + UINT64_C(1));
	}
	*ret = n;
	return at > start ? at : 0;
}

bool resolv_aton(const struct resolv_text *t, struct ip_addr *ret)
{
	uint64_t parts[4], last;
	size_t n = 0, at = 0;

	for (;;) {
		if (n == 4 || !(at = number_at(t, at, &parts[n++])) || (at < t->len && t->s[at] != '.'))
			return false;
		if (at++ == t->len)
			break;
	}
	last = parts[n - 1];
	if (last >> (8 * (5 - n)))
		return false;
	*ret = (struct ip_addr){ .family = AF_INET };
	for (size_t i = 0; i + 1 < n; i++) {
		if (parts[i] > UINT8_MAX)
			return false;
		ret->b[i] = (uint8_t)parts[i];
	}
	for (size_t i = n - 1; i < 4; i++)
		ret->b[i] = (uint8_t)(last >> (8 * (3 - i)));
	return true;
}

/* ---- the file ---- */

struct reading {
	struct arena *arena;
	struct resolv_conf *c;
	struct sd_notes *notes;
	unsigned line;
	bool full; /* said once */
};

static int full(struct reading *r, const char *what)
{
	if (!r->full)
		sd_note_add(r->notes, true, "limit", r->c->file, r->line, 0, NULL, "more than %d %s: the rest is not read", RESOLV_ENTRIES_MAX,
			    what);
	r->full = true;
	return 0;
}

static int add_server(struct reading *r, struct resolv_text rest)
{
	struct resolv_server s = { .line = r->line };
	struct resolv_text word = { 0 };
	const char *scope;

	resolv_next_word(&rest, RESOLV_SPACES, &word);
	if (r->c->servers.len == RESOLV_ENTRIES_MAX)
		return full(r, "nameservers");
	if (!(s.text = arena_strndup(r->arena, word.s, word.len)))
		return -ENOMEM;
	scope = memchr(word.s, '%', word.len);
	if (!resolv_aton(&word, &s.addr) && ip_addr_parsen(word.s, scope ? (size_t)(scope - word.s) : word.len, &s.addr) < 0) {
		s.addr = (struct ip_addr){ 0 };
		sd_note_add(r->notes, false, "bad-address", r->c->file, r->line, 0, NULL, "nameserver '%s' is no address", s.text);
	}
	return array_push(&r->c->servers, s);
}

/* `search`, or `domain`, of which one word counts. Without any it is not there. */
static int set_searches(struct reading *r, struct resolv_text rest, bool is_domain)
{
	struct resolv_text word;

	for (size_t n = 0; resolv_next_word(&rest, RESOLV_SPACES, &word) && (!is_domain || n == 0); n++) {
		struct resolv_search s = { .line = r->line };
		if (n == 0) {
			r->c->searches.len = 0;
			r->c->search_line = r->line;
			r->c->search_is_domain = is_domain;
		}
		if (n == RESOLV_ENTRIES_MAX)
			return full(r, "search domains");
		if (word.s[word.len - 1] == '.')
			word.len--;
		if (!(s.domain = arena_strndup(r->arena, word.s, word.len)) || array_push(&r->c->searches, s) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int add_options(struct reading *r, struct resolv_text rest)
{
	struct resolv_text word;

	while (resolv_next_word(&rest, RESOLV_SPACES, &word)) {
		struct resolv_option o = { .line = r->line };
		if (r->c->options.len == RESOLV_ENTRIES_MAX)
			return full(r, "options");
		if (!(o.text = arena_strndup(r->arena, word.s, word.len)) || array_push(&r->c->options, o) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int read_line(struct reading *r, const struct resolv_line *l)
{
	struct resolv_text rest;

	r->line = l->number;
	if (resolv_keyword(l, "nameserver", RESOLV_BLANKS, &rest))
		return add_server(r, rest);
	if (resolv_keyword(l, "search", RESOLV_BLANKS, &rest))
		return set_searches(r, rest, false);
	if (resolv_keyword(l, "domain", RESOLV_BLANKS, &rest))
		return set_searches(r, rest, true);
	if (resolv_keyword(l, "options", RESOLV_BLANKS, &rest))
		return add_options(r, rest);
	return 0;
}

/* The bytes that are read: up to the limit, and up to a NUL, behind which no libc sees anything of the line. */
static size_t usable(const char *data, size_t size, const char *file, struct sd_notes *notes)
{
	const char *nul = memchr(data, 0, MIN(size, (size_t)RESOLV_SIZE_MAX));

	if (nul) {
		sd_note_add(notes, true, "nul", file, 0, 0, NULL, "a NUL byte: what follows is not read");
		return (size_t)(nul - data);
	}
	if (size > RESOLV_SIZE_MAX)
		sd_note_add(notes, true, "limit", file, 0, 0, NULL, "more than %d bytes: the rest is not read", RESOLV_SIZE_MAX);
	return MIN(size, (size_t)RESOLV_SIZE_MAX);
}

int resolv_conf_read(struct arena *arena, const char *data, size_t size, const char *file, struct sd_notes *notes, struct resolv_conf *ret)
{
	size_t len = size ? usable(data, size, file, notes) : 0;
	struct resolv_conf c = { .file = arena_strdup(arena, file), .text = arena_strndup(arena, size ? data : "", len) };
	struct reading r = { .arena = arena, .c = &c, .notes = notes };
	struct resolv_line line = { 0 };
	const char *at = c.text;

	if (!c.text || (file && !c.file))
		return -ENOMEM;
	c.truncated = len < size || (len && c.text[len - 1] != '\n');
	while (resolv_next_line(&at, &line)) {
		if (read_line(&r, &line) < 0) {
			resolv_conf_release(&c);
			return -ENOMEM;
		}
	}
	*ret = c;
	return 0;
}

const char *resolv_conf_namespace(const struct resolv_conf *c, size_t *ret_len)
{
	for (size_t i = 0; i < c->searches.len; i++) {
		const char *x = c->searches.v[i].domain, *dot = strchr(x, '.');

		if (dot && dot > x && strncasecmp(dot, ".svc.", 5) == 0) {
			*ret_len = (size_t)(dot - x);
			return x;
		}
	}
	return NULL;
}
