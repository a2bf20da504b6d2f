/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is going on while a cluster is read, for somebody who waits at a terminal: one line on stderr that is rewritten, and erased before
 * anything else is written. It appears after half a second, and never where stderr is no terminal, or one that cannot erase.
 */
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"

enum { APPEARS_MS = 500, EVERY_MS = 100, COLUMNS_MIN = 20, COLUMNS_MAX = 200 };

static bool is_wanted(const struct context *c)
{
	const char *term = getenv("TERM");
	return !c->o.quiet && !c->o.verbose && term && *term && strcmp(term, "dumb") != 0 && isatty(STDERR_FILENO) == 1;
}

void progress_start(struct context *c)
{
	c->progress = (struct progress){ .wanted = is_wanted(c), .since_ms = clock_ms() };
}

/* "812 B", "3.4 kB", "12.4 MB" */
static void add_size(struct strbuf *b, uint64_t bytes)
{
	static const char *const units[] = { "kB", "MB", "GB" };
	double n = (double)bytes / 1000;
	size_t u = 0;
	if (bytes < 1000) {
		strbuf_addf(b, "%u B", (unsigned)bytes);
		return;
	}
	for (; n >= 1000 && u + 1 < ARRAY_LEN(units); u++) {
		n /= 1000;
	}
	strbuf_addf(b, "%.1f %s", n, units[u]);
}

/* So that the line does not wrap: what has wrapped cannot be erased. */
static size_t columns(void)
{
	struct winsize w = { 0 };
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col == 0) {
		return 79;
	}
	return MIN(MAX((size_t)w.ws_col, (size_t)COLUMNS_MIN), (size_t)COLUMNS_MAX) - 1;
}

/* A byte is at most a column. */
static size_t cut(const char *s, size_t len, size_t max)
{
	if (len <= max) {
		return len;
	}
	while (max > 0 && ((unsigned char)s[max] & 0xc0) == 0x80) {
		max--;
	}
	return max;
}

void progress_show(void *context, const struct api_counts *n)
{
	struct context *c = context;
	int64_t now = clock_ms();
	if (!c->progress.wanted || now - c->progress.since_ms < APPEARS_MS || (c->progress.shown && now - c->progress.last_ms < EVERY_MS)) {
		return;
	}
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_addf(&b, "reading %s: %zu of %zu answers, ", c->access.server ? c->access.server : "the cluster", n->answers,
		    MAX(n->requests, n->answers));
	add_size(&b, n->bytes);
	strbuf_addf(&b, ", %lld s", (long long)((now - c->progress.since_ms) / 1000));
	strbuf_add_clean(&line, strbuf_str(&b));
	fprintf(stderr, "\r%.*s\033[K", (int)cut(strbuf_str(&line), line.len, columns()), strbuf_str(&line));
	(void)fflush(stderr);
	c->progress.shown = true;
	c->progress.last_ms = now;
}

void progress_clear(struct context *c)
{
	if (c->progress.shown) {
		fputs("\r\033[K", stderr);
		(void)fflush(stderr);
	}
	c->progress = (struct progress){ .wanted = false };
}
