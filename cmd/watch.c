/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diagnose --watch: looks again every interval and tells what changed. What stays between two looks is a digest of what is known, the
 * records that were told, and the connection; so it may run for days.
 */
#include <errno.h>

#include "cmd.h"

enum { INTERVAL_MS = 10000, LOOK_MS = 30000 };

struct watch {
	struct digest known;
	struct sd_notes told; /* the records of the last look that was made */
	bool made, failed;    /* whether any look was made; the last one was not */
	int code;
	time_t wrote_at;
	int64_t end_ms; /* 0: none */
};

static void watch_release(struct watch *w)
{
	digest_release(&w->known);
	sd_notes_release(&w->told);
}

static int write_look(struct context *c, struct watch *w, const struct look *l, const struct digest *now, const struct changes *changes)
{
	const struct report_look what = {
		.at = l->at,
		.before_at = w->wrote_at,
		.changes = w->made ? changes : NULL,
		.now = now,
		.failed = !l->made,
		.back = w->failed && l->made,
	};
	signals_hold();
	int r = report_look(&c->report, l->made ? &l->d : NULL, &what);
	if (r > 0) {
		w->wrote_at = l->at;
	}
	return !look_flush(c) && r >= 0 ? -EPIPE : MIN(r, 0);
}

/* A look that could be made: what is new, and what is kept of it. */
static int made(struct context *c, struct watch *w, const struct look *l)
{
	struct digest now CLEANUP(digest_release) = { 0 };
	struct changes changes = { 0 };
	int r = digest_make(&c->snapshot, &l->d, &now);
	if (r == 0 && w->made) {
		setup_tell(c, &w->told);
		r = digest_compare(&w->known, &now, &changes);
	}
	r = r < 0 ? r : write_look(c, w, l, &now, &changes);
	array_free(&changes.v);
	if (r == 0 && w->made) {
		r = digest_keep(&w->known, &now);
	}
	digest_release(&w->known);
	w->known = now;
	now = (struct digest){ 0 };
	w->made = true;
	w->failed = false;
	return r;
}

/* Said once, until it can be looked again. */
static int failed(struct context *c, struct watch *w, const struct look *l)
{
	int r = w->failed ? 0 : write_look(c, w, l, NULL, NULL);
	w->failed = true;
	return r;
}

static int one_look(struct context *c, struct watch *w, bool first)
{
	static const bool all[AXIS_COUNT] = { true, true, true };
	struct sd_notes before = { 0 };
	struct look l = { 0 };
	if (!first) {
		before = c->snapshot.notes;
		c->snapshot.notes = (struct sd_notes){ 0 };
		if (!w->failed) {
			sd_notes_release(&w->told);
			w->told = before;
		} else {
			sd_notes_release(&before);
		}
	}
	int r = look_take(c, !first, c->o.axes_given ? c->o.axes : all, &l);
	w->code = r < 0 ? w->code : l.code;
	if (r == 0 && (l.made || !first)) {
		r = l.made ? made(c, w, &l) : failed(c, w, &l);
	}
	look_release(c, &l);
	return r;
}

/* --timeout is the time of the watch, and what is left of it bounds a look. */
static void bound_look(struct context *c, const struct watch *w)
{
	c->o.timeout_ms = w->end_ms ? MAX(MIN(w->end_ms - clock_ms(), (int64_t)LOOK_MS), (int64_t)1) : LOOK_MS;
}

static int looks(struct context *c, struct watch *w, int64_t begin_ms)
{
	int64_t interval = c->o.interval_ms > 0 ? c->o.interval_ms : INTERVAL_MS, next = begin_ms;
	int r = 0;
	while (r == 0) {
		next = MAX(next + interval, clock_ms());
		int64_t until = w->end_ms ? MIN(w->end_ms, next) : next;
		if (!look_pause(c->out, until - clock_ms()) || (w->end_ms && clock_ms() >= w->end_ms)) {
			return w->code;
		}
		bound_look(c, w);
		r = one_look(c, w, false);
	}
	/* what was not written is seen, and told, when the file is closed */
	return r == -EPIPE ? w->code : r;
}

int watch_run(struct context *c)
{
	struct watch w CLEANUP(watch_release) = { 0 };
	int64_t begin = clock_ms();
	w.end_ms = c->o.timeout_ms > 0 ? begin + c->o.timeout_ms : 0;
	int r = one_look(c, &w, true);
	if (r == 0 && w.made) {
		c->hush = true;
		return looks(c, &w, begin);
	}
	if (r == 0 && w.code == CODE_INCONCLUSIVE) {
		r = report_nothing(&c->report);
	}
	return r < 0 && r != -EPIPE ? r : w.code;
}
