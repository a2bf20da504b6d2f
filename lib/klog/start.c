/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the last start of a program begins: what stands before it is history.
 *
 * CoreDNS tells it by its banner. kube-proxy does, too, but may end before it comes, and writes most of what matters of a start before it; so
 * its start is told by any of: its flags, another process id in klog's header (in a container it is always 1), its banner, the log's beginning or
 * the end of the run before with lines of a start behind it, and two different lines of a start that stand together. One alone is none: some of
 * them are written again later.
 */
#include "klog-private.h"

#define START_LINES 40 /* of a start: so many others may stand between two lines of it */

/* ---- CoreDNS ---- */

/* ".:53", "cluster.local.:53": which zones it serves, as it says when it starts. */
static bool is_zone_line(const struct log_line *l)
{
	const char *colon = memrchr(l->text, ':', l->len);

	if (l->level != LEVEL_NONE || !colon || colon == l->text || memchr(l->text, ' ', l->len))
		return false;
	for (const char *p = colon + 1; p < l->text + l->len; p++)
		if (*p < '0' || *p > '9')
			return false;
	return colon + 1 < l->text + l->len;
}

/*
 * A start writes lines before its banner, which belong to it. They begin where the log does, or behind the line that ended the run before;
 * where nothing tells that, behind the last line that no start writes.
 */
static void by_banner(struct log_starts *s, const struct log_line *l, const struct log_row *row, size_t first, size_t last)
{
	if (s->whole && !s->run_line && !s->starts && first == 1)
		s->run_line = 1;
	if (row && row->flags & ROW_BANNER) {
		s->started_line = s->run_line ? s->run_line : s->start_line ? s->start_line : first;
		s->starts++;
		s->start_line = s->run_line = 0;
		return;
	}
	if (row && row->flags & ROW_END)
		s->run_line = last + 1;
	if ((row && row->flags & ROW_START) || (!row && is_zone_line(l))) {
		if (!s->start_line)
			s->start_line = first;
	} else {
		s->start_line = 0;
	}
}

/* ---- kube-proxy ---- */

static bool is_flag(const struct log_line *l)
{
	return l->message.len > 8 && memcmp(l->message.s, "FLAG: --", 8) == 0;
}

static void begin(struct log_starts *s, size_t line)
{
	s->started_line = line;
	s->starts++;
	s->running = true;
	s->banner = false;
	s->run_line = s->start_line = 0;
	s->others = 0;
}

/* The run before has ended, or the log begins, not long before this line. */
static bool run_begins(const struct log_starts *s, size_t line)
{
	return s->run_line && line - s->run_line <= START_LINES;
}

/* A line of a start, while one is followed or none. @sure: flags, which come first. */
static void start_line(struct log_starts *s, const struct log_row *row, bool sure, size_t first)
{
	const bool banner = row && row->flags & ROW_BANNER;

	s->others = 0;
	if (s->running && !(s->banner && (banner || sure))) {
		s->banner |= banner;
		/* behind a banner lines of the next start may stand already */
		if (s->banner && !banner && !s->start_line)
			s->start_line = first;
		return;
	}
	if (!s->start_line || (s->running && sure)) {
		s->start_line = first;
		s->row = row;
	}
	if (!sure && !banner && !run_begins(s, first) && s->row == row)
		return;
	begin(s, run_begins(s, s->start_line) ? s->run_line : s->start_line);
	s->banner = banner;
}

static void by_process(struct log_starts *s, const struct log_line *l, const struct log_row *row, size_t first, size_t last)
{
	const bool flag = is_flag(l), of_start = flag || (row && row->flags & (ROW_START | ROW_BANNER));

	if (s->whole && first == 1)
		s->run_line = 1;
	if (l->pid && s->pid && l->pid != s->pid) {
		begin(s, first);
		s->banner = row && row->flags & ROW_BANNER;
	} else if (of_start) {
		start_line(s, row, flag, first);
	} else if (++s->others > START_LINES) {
		s->running = false;
		s->start_line = 0;
	}
	if (l->pid)
		s->pid = l->pid;
	if ((row && row->flags & ROW_END) || l->level & LEVEL_FATAL) {
		s->running = false;
		s->start_line = 0;
		s->run_line = last + 1;
	}
}

void log_starts_add(struct log_starts *s, enum log_program program, const struct log_line *l, const struct log_row *row, size_t first, size_t last)
{
	if (program == LOG_KUBE_PROXY)
		by_process(s, l, row, first, last);
	else
		by_banner(s, l, row, first, last);
}
