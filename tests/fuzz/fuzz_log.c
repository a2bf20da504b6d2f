/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A log of any kind, of every program: no line is counted twice, what is kept is short and clean, pieces of any size give what the whole does, and a
 * line in parts is whole.
 */
#include <svcdoctor/klog.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is)
{
	if (!is)
		abort();
}

static void check_text(const char *s)
{
	must(!s || strlen(s) <= 1200); /* each of 400 bytes may become three */
	for (; s && *s; s++)
		must((unsigned char)*s >= 0x20 && *s != 0x7f);
}

static void check(const struct log_summary *s)
{
	size_t unknown = 0;

	for (size_t i = 0; i < s->hits.len; i++) {
		const struct log_hit *h = &s->hits.v[i];

		check_text(h->name);
		check_text(h->detail);
		check_text(h->text);
		must(h->text && h->first_line >= 1 && h->first_line <= h->last_line && h->last_line <= s->lines);
	}
	for (size_t i = 0; i < s->unknown.len; i++) {
		unknown += s->unknown.v[i].count;
		check_text(s->unknown.v[i].text);
		must(s->unknown.v[i].last_line <= s->lines);
	}
	check_text(s->first_unknown);
	check_text(s->version);
	check_text(s->mode);
	check_text(s->until);
	must(unknown <= s->errors_unknown && s->unknown.len <= 16 && s->started_line <= s->lines);
	(void)log_time(s->until, 1700000000);
}

static bool same_text(const char *x, const char *y)
{
	return x && y ? strcmp(x, y) == 0 : x == y;
}

static void check_same(const struct log_summary *x, const struct log_summary *y)
{
	must(x->hits.len == y->hits.len && x->unknown.len == y->unknown.len && x->lines == y->lines && x->errors_unknown == y->errors_unknown);
	must(x->started_line == y->started_line && x->starts == y->starts && same_text(x->until, y->until));
	for (size_t i = 0; i < x->hits.len; i++) {
		must(x->hits.v[i].kind == y->hits.v[i].kind && x->hits.v[i].reason == y->hits.v[i].reason && x->hits.v[i].count == y->hits.v[i].count);
		must(same_text(x->hits.v[i].text, y->hits.v[i].text) && same_text(x->hits.v[i].name, y->hits.v[i].name));
		must(same_text(x->hits.v[i].detail, y->hits.v[i].detail));
	}
}

static void in_pieces(struct arena *a, enum log_program program, const char *data, size_t size, const struct log_summary *whole)
{
	struct log_reader *r = log_reader_new(a, program, size % 2);
	struct log_summary s;
	unsigned random = (unsigned)size;

	must(r != NULL);
	for (size_t at = 0; at < size;) {
		size_t n;

		random = random * 1664525u + 1013904223u + (unsigned char)data[at];
		n = MIN((size_t)(random >> 24) % (random & 0x100000 ? 8 : 250) + 1, size - at);
		must(log_reader_feed(r, data + at, n) == 0);
		at += n;
	}
	must(log_reader_end(r, &s) == 0);
	check_same(whole, &s);
	log_summary_release(&s);
}

static int check_line(void *arg, const struct log_parts *line)
{
	size_t *lines = arg;

	must(line->lines > *lines && line->time && line->n <= LOG_PARTS_MAX && (line->head || !line->head_len));
	*lines = line->lines;
	for (size_t i = 0; i + 1 < line->n; i++)
		must(line->v[i].s + line->v[i].len == line->v[i + 1].s);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum log_program programs[] = { LOG_COREDNS, LOG_KUBE_PROXY, LOG_KERNEL };

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		struct arena a = { 0 };
		struct log_summary s = { 0 };
		size_t lines = 0;

		if (log_read(&a, programs[i], (const char *)data, size, size % 2, &s) == 0) {
			check(&s);
			in_pieces(&a, programs[i], (const char *)data, size, &s);
		}
		must(log_each(programs[i], (const char *)data, size, check_line, &lines) == 0);
		log_summary_release(&s);
		arena_release(&a);
	}
	return 0;
}
