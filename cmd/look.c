/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One look of several, for diagnose --watch and wait: nothing of it is left when the next one begins, however many there are. */
#include <errno.h>
#include <poll.h>

#include "cmd.h"

static int judge(struct context *c, const bool axes[static AXIS_COUNT], struct look *l)
{
	int r = selection_settle(c, &l->selection);
	if (r == 0) {
		r = diagnose_selection(c, &l->selection, axes, c->o.axes_given, &l->d);
	}
	return r;
}

int look_take(struct context *c, bool read, const bool axes[static AXIS_COUNT], struct look *ret)
{
	int r = read ? setup_read(c) : 0;
	setup_report(c);
	ret->keep = c->arena;
	c->arena = (struct arena){ 0 };
	ret->at = time(NULL);
	if (r == 0) {
		r = judge(c, axes, ret);
	}
	ret->made = r == 0;
	ret->whole = ret->made && !ret->d.inconclusive && c->code == CODE_HEALTHY;
	if (r >= 0) {
		ret->code = (int)code_join(r == 0 ? code_of_diagnosis(&c->o, &ret->d) : (enum exit_code)r, c->code);
	}
	c->code = CODE_HEALTHY;
	return MIN(r, 0);
}

void look_release(struct context *c, struct look *l)
{
	diagnosis_release(&l->d);
	selection_release(&l->selection);
	arena_release(&c->arena);
	c->arena = l->keep;
	*l = (struct look){ 0 };
}

bool look_pause(FILE *reader, int64_t ms)
{
	struct pollfd p = { .fd = reader ? fileno(reader) : -1 };
	int64_t end = clock_ms() + ms;
	for (int64_t left = ms; left > 0; left = end - clock_ms()) {
		/* asks for nothing: only that a reader is gone ends it early */
		if (poll(&p, 1, (int)MIN(left, (int64_t)60000)) > 0) {
			return false;
		}
	}
	return true;
}

bool look_flush(struct context *c)
{
	bool good = fflush(c->out) == 0 && !ferror(c->out);
	signals_let();
	return good;
}
