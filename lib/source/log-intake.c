/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A log that comes in pieces, which may end anywhere: lib/klog makes its summary, and of kube-proxy's the FLAG lines that a start writes are
 * kept beside it (proxy-flags.c reads them). Of the log itself nothing is kept, so that memory does not grow with it.
 */

#include <errno.h>
#include <unistd.h>

#include "bundle-private.h"
#include "log-private.h"

#define PART_MAX (16u << 10)	/* of a line that a piece cuts: what stands behind is not looked at */
#define FLAGS_MAX (64u << 10)	/* of FLAG lines: some sixty for each start, of which the last ones count */
#define PIECE_SIZE (256u << 10)

struct log_intake {
	struct arena *arena;
	enum log_program program;
	bool cut, has_head, journal, begun;
	size_t lines_max;
	struct log_reader *reader; /* NULL: as long as it is held */
	struct strbuf held;	   /* what was fed before it is known whether the log is cut */
	struct log_summary head;   /* of what is before the gap */
	struct strbuf part, flags;
};

void log_intake_free(struct log_intake *in)
{
	if (!in)
		return;
	log_reader_free(in->reader);
	log_summary_release(&in->head);
	strbuf_release(&in->held);
	strbuf_release(&in->part);
	strbuf_release(&in->flags);
	free(in);
}

void log_intake_drop(struct log_intake **in)
{
	log_intake_free(*in);
	*in = NULL;
}

static int begin_reader(struct log_intake *in, bool cut)
{
	in->cut |= cut;
	in->reader = log_reader_new(in->arena, in->program, cut);
	return in->reader ? 0 : -ENOMEM;
}

struct log_intake *log_intake_new(struct arena *arena, enum log_program program, bool cut, size_t lines_max)
{
	struct log_intake *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	*in = (struct log_intake){ .arena = arena, .program = program, .lines_max = cut ? 0 : lines_max };
	if (!in->lines_max && begin_reader(in, cut) < 0) {
		log_intake_free(in);
		return NULL;
	}
	return in;
}

/* ---- kube-proxy's flags ---- */

/* --NAME="VALUE", in a log of JSON with as many backslashes before its quotes as it is deep in it. Values with others are left out. */
static void take_flag(struct log_intake *in, const char *s, const char *end)
{
	const char *eq = memchr(s, '=', (size_t)(end - s)), *quote, *v, *to;
	size_t deep = 0, k = 0;

	if (!eq)
		return;
	for (quote = eq + 1; quote < end && *quote == '\\'; quote++)
		deep++;
	if (quote == end || *quote != '"')
		return;
	for (v = to = quote + 1; to < end && *to != '\\' && *to != '"';)
		to++;
	while (to + k < end && to[k] == '\\')
		k++;
	if (to + k >= end || to[k] != '"' || k != deep)
		return;
	if (in->flags.len > FLAGS_MAX) {
		const char *half = memchr(in->flags.s + FLAGS_MAX / 2, '\n', in->flags.len - FLAGS_MAX / 2);

		in->flags.len = half ? (size_t)(in->flags.s + in->flags.len - (half + 1)) : 0;
		memmove(in->flags.s, half ? half + 1 : in->flags.s, in->flags.len);
	}
	strbuf_adds(&in->flags, "FLAG: ");
	strbuf_add(&in->flags, s, (size_t)(eq + 1 - s));
	strbuf_addc(&in->flags, '"');
	strbuf_add(&in->flags, v, (size_t)(to - v));
	strbuf_adds(&in->flags, "\"\n");
}

/* Whole lines. */
static void scan(struct log_intake *in, const char *data, size_t size)
{
	static const char mark[] = "FLAG: --";
	const char *end = data + size;

	for (const char *at = data; (at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1));) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));

		take_flag(in, at + sizeof(mark) - 3, nl ? nl : end);
		at = nl ? nl : end;
	}
}

static void add_part(struct log_intake *in, const char *data, size_t size)
{
	strbuf_add(&in->part, data, MIN(size, PART_MAX - MIN(in->part.len, (size_t)PART_MAX)));
}

/* Lines that pieces cut are put together. */
static int scan_piece(struct log_intake *in, const char *data, size_t size)
{
	const char *nl = memchr(data, '\n', size), *last;
	size_t whole;

	if (in->part.len > 0) {
		add_part(in, data, nl ? (size_t)(nl - data) : size);
		if (!nl)
			return in->part.failed ? -ENOMEM : 0;
		scan(in, in->part.s, in->part.len);
		strbuf_reset(&in->part);
		size -= (size_t)(nl + 1 - data);
		data = nl + 1;
	}
	last = size ? memrchr(data, '\n', size) : NULL;
	whole = last ? (size_t)(last + 1 - data) : 0;
	scan(in, data, whole);
	add_part(in, data + whole, size - whole);
	return in->part.failed || in->flags.failed ? -ENOMEM : 0;
}

/* ---- the pieces ---- */

static bool has_lines(const struct strbuf *b, size_t n)
{
	const char *at = strbuf_str(b), *end = at + b->len;

	while (n > 0 && at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		at++;
		n--;
	}
	return n == 0;
}

/* @whole: there is more than a limit of lines would leave. */
static int let_go(struct log_intake *in, bool whole)
{
	int r = begin_reader(in, !whole && has_lines(&in->held, in->lines_max));

	if (r == 0 && in->held.len > 0)
		r = log_reader_feed(in->reader, in->held.s, in->held.len);
	strbuf_release(&in->held);
	in->held = (struct strbuf)STRBUF_INIT;
	return r;
}

/* As journalctl prints it: -o json, or its first line. */
static bool is_of_journal(const char *data, size_t size)
{
	static const char *const heads[] = { "-- Logs begin at ", "-- Journal begins at " };

	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		if (size > strlen(heads[i]) && memcmp(data, heads[i], strlen(heads[i])) == 0)
			return true;
	return *data == '{' && memmem(data, MIN(size, (size_t)PART_MAX), "\"__REALTIME_TIMESTAMP\"", 22);
}

int log_intake_feed(struct log_intake *in, const char *data, size_t size)
{
	int r = in->program == LOG_KUBE_PROXY && size > 0 ? scan_piece(in, data, size) : 0;

	if (r < 0 || size == 0)
		return r;
	if (!in->begun)
		in->journal = is_of_journal(data, size);
	in->begun = true;
	if (in->reader)
		return log_reader_feed(in->reader, data, size);
	strbuf_add(&in->held, data, size);
	if (in->held.failed)
		return -ENOMEM;
	return in->held.len > SOURCE_LOG_CUT_MAX ? let_go(in, true) : 0;
}

static int end_reader(struct log_intake *in, struct log_summary *ret)
{
	struct log_reader *reader = in->reader;
	int r = 0;

	if (!reader)
		r = let_go(in, false);
	reader = in->reader;
	in->reader = NULL;
	if (r == 0)
		return log_reader_end(reader, ret);
	log_reader_free(reader);
	return r;
}

int log_intake_gap(struct log_intake *in)
{
	int r;

	if (in->has_head)
		return 0;
	r = end_reader(in, &in->head);
	if (r < 0)
		return r;
	in->has_head = true;
	strbuf_reset(&in->part);
	return begin_reader(in, true);
}

/* Where no start is seen behind the gap, the one before it counts. */
static void join_head(const struct log_intake *in, struct log_summary *s)
{
	if (!s->version)
		s->version = in->head.version;
	if (!s->mode)
		s->mode = in->head.mode;
	s->starts += in->head.starts;
}

static int read_flags(struct log_intake *in, struct kube_proxy_config *ret)
{
	int r = in->flags.len > 0 ? proxy_config_from_flags(in->arena, in->flags.s, in->flags.len, ret) : 0;

	if (r == 0 && ret->known)
		ret->source = "the FLAG lines of its log";
	return r;
}

int log_intake_end(struct log_intake *in, struct snap_log *ret)
{
	struct snap_log l = { .program = in->program };
	int r, flags;

	if (in->part.len > 0)
		scan(in, in->part.s, in->part.len);
	r = end_reader(in, &l.summary);
	l.cut = in->cut;
	l.journal = in->journal;
	flags = r == 0 ? read_flags(in, &l.flags) : 0;
	if (flags == -ENOMEM)
		r = flags;
	if (r == 0)
		join_head(in, &l.summary);
	log_intake_free(in);
	if (r < 0) {
		log_summary_release(&l.summary);
		return r;
	}
	ret->summary = l.summary;
	ret->cut = l.cut;
	ret->journal = l.journal;
	ret->flags = l.flags;
	return flags == SD_EPARSE ? SD_EPARSE : 0;
}

/* ---- from a file ---- */

static int feed_until(struct log_intake *in, int fd, uint64_t left, char *buf)
{
	while (left > 0) {
		ssize_t n = read(fd, buf, (size_t)MIN(left, (uint64_t)PIECE_SIZE));
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = log_intake_feed(in, buf, (size_t)n);
		if (r < 0)
			return r;
		left -= (uint64_t)n;
	}
	return 0;
}

int log_intake_fd(struct log_intake *in, int fd, uint64_t size, uint64_t max)
{
	char *buf = malloc(PIECE_SIZE);
	int r = buf ? 0 : -ENOMEM;

	if (r == 0 && size > max && size > LOG_HEAD_SIZE) {
		r = feed_until(in, fd, LOG_HEAD_SIZE, buf);
		if (r == 0)
			r = log_intake_gap(in);
		if (r == 0 && lseek(fd, (off_t)(size - MIN(max, size - LOG_HEAD_SIZE)), SEEK_SET) < 0)
			r = -errno;
	}
	/* one that grows meanwhile is not followed for ever */
	if (r == 0)
		r = feed_until(in, fd, size ? MAX(size, max) : UINT64_MAX, buf);
	free(buf);
	return r;
}
