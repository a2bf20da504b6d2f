/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A Corefile of any kind: it is read to its end or to an error with its line, and every zone finds a block. */
#include <svcdoctor/names.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const struct corefile_directive *d, size_t n, unsigned lines)
{
	size_t all = n;

	for (size_t i = 0; i < n; i++) {
		if (!d[i].name || !d[i].line || d[i].line > lines)
			abort();
		for (size_t j = 0; j < d[i].nargs; j++)
			all += strlen(d[i].args[j]) > 0;
		all += count(d[i].inner, d[i].ninner, lines);
	}
	return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct corefile c = { 0 };
	unsigned lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	if (corefile_read(&a, (const char *)data, size, &c) == 0) {
		for (size_t i = 0; i < c.blocks.len; i++) {
			const struct corefile_block *b = &c.blocks.v[i];

			if (!b->nzones || !b->line || b->line > lines)
				abort();
			for (size_t j = 0; j < b->nzones; j++)
				if (b->ports[j] == 53 && !corefile_block_of(&c, b->zones[j]))
					abort();
			count(b->directives, b->ndirectives, lines);
			corefile_find(b, "forward");
		}
		if (c.error && (c.error_line > lines || strchr(c.error, '\n')))
			abort();
	}
	corefile_release(&c);
	arena_release(&a);
	return 0;
}
