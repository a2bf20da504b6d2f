/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of known lines, which the programs write and nobody has chosen: for whoever may show only such. */
#include <ctype.h>
#include <errno.h>

#include "klog-private.h"

#define WORD_MAX 60

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

static int add_word(struct arena *arena, struct map *m, const char *s, size_t len)
{
	char *word;

	while (len && strchr(".-_", s[len - 1]))
		len--;
	while (len && strchr(".-_", *s)) {
		s++;
		len--;
	}
	if (len < 2 || len > WORD_MAX)
		return 0;
	word = arena_strndup(arena, s, len);
	if (!word)
		return -ENOMEM;
	for (char *p = word; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return map_puts(m, word, word);
}

/* A pattern's own text, without what stands for something else. */
static int add_text(struct arena *arena, struct map *m, const char *s)
{
	int r = 0;

	while (r == 0 && s && *s) {
		size_t n = 0;

		if (*s == '%' && s[1]) {
			s += 2;
			continue;
		}
		while (in_word(s[n]))
			n++;
		r = add_word(arena, m, s, n);
		s += n + (n == 0);
	}
	return r;
}

static int add_row(struct arena *arena, struct map *m, const struct log_row *row)
{
	int r = add_text(arena, m, row->name_key);

	for (const struct log_form *f = row->forms; r == 0 && f && f->pattern; f++)
		r = add_text(arena, m, f->pattern);
	return r;
}

int log_own_words(struct arena *arena, struct map *ret)
{
	int r = 0;

	for (size_t set = 0; set < 2; set++)
		for (const struct log_table *const *t = set ? log_reasons : log_tables; *t; t++)
			for (size_t i = 0; r == 0 && i < (*t)->n; i++)
				r = add_row(arena, ret, &(*t)->rows[i]);
	return r;
}
