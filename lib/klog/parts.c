/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of a log taken apart: what is of the form of a known line, and what stands for something else. For whoever may show only the first. */
#include <ctype.h>
#include <errno.h>

#include "klog-private.h"

#define HEAD_MAX 100 /* of klog's header, with the name of a source file */

/* "[ERROR] ", "E1121 07:30:59.249815       1 reflector.go:138] " */
static size_t head_len(const struct log_line *l)
{
	const size_t most = MIN(l->whole_len, (size_t)HEAD_MAX);
	const bool inside = l->text >= l->whole && l->text <= l->whole + l->whole_len;
	/* what klog wrote with quotes was put together elsewhere */
	const char *end = inside ? l->text : memmem(l->whole, most, "] ", 2);
	const size_t len = !end ? 0 : (size_t)(end - l->whole) + (inside ? 0 : 2);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)l->whole[i]) && !strchr("[]:._-/ ", l->whole[i]))
			return 0;
	return len <= HEAD_MAX ? len : 0;
}

static void split(const struct log_line *l, const struct log_spans *spans, struct log_parts *p)
{
	const char *at = l->text, *end = l->text + l->len;

	for (size_t i = 0; i < spans->n; i++) {
		p->v[p->n++] = (struct log_part){ at, (size_t)(spans->v[i].s - at), false };
		p->v[p->n++] = (struct log_part){ spans->v[i].s, spans->v[i].len, true };
		at = spans->v[i].s + spans->v[i].len;
	}
	p->v[p->n++] = (struct log_part){ at, (size_t)(end - at), false };
}

int log_each(enum log_program program, const char *data, size_t size, log_line_fn *fn, void *arg)
{
	struct log_index *x = malloc(sizeof(*x));
	struct log_line *l = malloc(sizeof(*l));
	size_t at = 0, lines = 0;
	int r = x && l ? 0 : -ENOMEM;

	if (r == 0)
		log_index_make(x, program);
	while (r == 0 && log_line_next(data, size, &at, &lines, l)) {
		struct log_span name, detail;
		const struct log_row *row = log_index_find(x, l, &name, &detail);
		struct log_spans spans = { .n = 0 };
		struct log_parts p = { .time = l->time, .head = l->whole, .head_len = head_len(l), .lines = lines, .blank = l->len == 0 };

		if (row && log_row_spans(row, l->text, l->len, &spans) && spans.n < LOG_SPANS_MAX)
			split(l, &spans, &p);
		r = fn(arg, &p);
	}
	free(x);
	free(l);
	return r;
}
