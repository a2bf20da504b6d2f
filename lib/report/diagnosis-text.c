/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A diagnosis as text. One Service is shown in full: its head, the three axes, its causes. Several Services are
 * shown by cause, worst first, within a bound of lines; sound ones are a number.
 */
#include <errno.h>

#include "report-private.h"

enum { LINES_MAX = 40, LINES_TAIL = 7, AXIS_INDENT = 16, DETAILS_SHOWN = 10, NAMES_SHOWN = 5 };

static const char *axis_mark(enum axis_state s)
{
	static const char *const marks[] = {
		[AXIS_OK] = "ok",     [AXIS_WARNING] = "!",	  [AXIS_FAILED] = "x",
		[AXIS_SKIPPED] = "?", [AXIS_NOT_LOOKED_AT] = "-",
	};
	return marks[s];
}

static enum style axis_style(enum axis_state s)
{
	return s == AXIS_OK		 ? STYLE_GOOD
	       : s == AXIS_FAILED	 ? STYLE_BAD
	       : s == AXIS_NOT_LOOKED_AT ? STYLE_DIM
					 : STYLE_WARN;
}

static void axis_lines(const struct report *r, struct strbuf *b, enum axis axis, const struct axis_result *a)
{
	const char *mark = axis_mark(a->state);
	strbuf_addf(b, "  %-9s  ", axis_name(axis));
	text_styled(r, b, axis_style(a->state), mark);
	strbuf_addf(b, "%*s", (int)(3 - strlen(mark)), "");
	strbuf_add_clean(b, a->line			     ? a->line
			    : a->state == AXIS_NOT_LOOKED_AT ? "not looked at"
							     : axis_state_name(a->state));
	strbuf_addc(b, '\n');
	size_t shown = r->verbose ? a->details.len : MIN(a->details.len, (size_t)DETAILS_SHOWN);
	for (size_t i = 0; i < shown; i++) {
		strbuf_addf(b, "%*s", AXIS_INDENT, "");
		strbuf_add_clean(b, a->details.v[i]);
		strbuf_addc(b, '\n');
	}
	if (shown < a->details.len) {
		strbuf_addf(b, "%*sand %zu more (-v shows them)\n", AXIS_INDENT, "", a->details.len - shown);
	}
}

static void service_block(const struct report *r, struct strbuf *b, const struct service_result *s)
{
	struct strbuf name CLEANUP(strbuf_release) = STRBUF_INIT;
	text_service(&name, s->service);
	text_styled(r, b, STYLE_BOLD, strbuf_str(&name));
	if (s->head) {
		strbuf_adds(b, "   ");
		strbuf_add_clean(b, s->head);
	}
	strbuf_addc(b, '\n');
	for (int a = 0; a < AXIS_COUNT; a++) {
		axis_lines(r, b, (enum axis)a, &s->axes[a]);
	}
}

void diagnosis_text_services(const struct report *r, struct strbuf *b, const struct diagnosis *d)
{
	for (size_t i = 0; i < d->services.len; i++) {
		strbuf_addc(b, '\n');
		service_block(r, b, &d->services.v[i]);
	}
}

static const char *status_words(enum service_status s)
{
	static const char *const words[] = {
		[STATUS_HEALTHY] = "healthy",	  [STATUS_NO_FAULT_FOUND] = "without a fault found",
		[STATUS_DEGRADED] = "degraded",	  [STATUS_BROKEN] = "broken",
		[STATUS_UNDECIDED] = "undecided",
	};
	return words[s];
}

static void verdict_line(struct strbuf *b, const struct service_result *s)
{
	if (s->status == STATUS_NO_FAULT_FOUND) {
		strbuf_adds(b, "no fault found in ");
		text_service(b, s->service);
		strbuf_addc(b, '\n');
		return;
	}
	text_service(b, s->service);
	strbuf_addf(b, " is %s\n", status_words(s->status));
}

/* One Service: everything about it. */
static void one_service(const struct report *r, struct strbuf *b, const struct diagnosis *d)
{
	const struct service_result *s = &d->services.v[0];
	strbuf_addc(b, '\n');
	service_block(r, b, s);
	for (size_t i = 0; i < s->causes.len; i++) {
		strbuf_addc(b, '\n');
		text_cause(r, b, s->causes.v[i], DETAIL_FULL, s->causes.v[i]->services.len > 1);
	}
	if (s->causes.len == 0) {
		strbuf_addc(b, '\n');
		verdict_line(b, s);
	}
	for (size_t i = 0; i < d->cluster.len; i++) {
		const struct finding *f = d->cluster.v[i];
		if (!f->explained_by && f->services.len == 0 &&
		    (f->severity == SEVERITY_ERROR || r->verbose)) {
			strbuf_addc(b, '\n');
			text_cause(r, b, f, DETAIL_SHORT, true);
		}
	}
}

/* ---- several Services ---- */

static size_t count_lines(const struct strbuf *b)
{
	size_t n = 0;
	for (size_t i = 0; i < b->len; i++) {
		n += b->s[i] == '\n';
	}
	return n;
}

/* How many lines all of them take, blank lines between them included. */
static size_t lines_needed(const struct report *r, const struct finding *const *v, size_t n,
			   enum detail detail)
{
	size_t lines = 0;
	for (size_t i = 0; i < n && lines <= LINES_MAX; i++) {
		struct strbuf one CLEANUP(strbuf_release) = STRBUF_INIT;
		text_cause(r, &one, v[i], detail, true);
		lines += count_lines(&one) + 1;
	}
	return lines;
}

static enum detail choose_detail(const struct report *r, const struct finding *const *v, size_t n,
				 size_t room)
{
	if (r->verbose || lines_needed(r, v, n, DETAIL_FULL) <= room) {
		return DETAIL_FULL;
	}
	return DETAIL_SHORT;
}

/* The causes, as many in blocks as there is room for, then a line each, then a number. */
static void cause_blocks(const struct report *r, struct strbuf *b, const struct finding *const *v, size_t n,
			 size_t room)
{
	enum detail detail = choose_detail(r, v, n, room);
	size_t used = 0, i = 0;
	for (; i < n; i++) {
		struct strbuf one CLEANUP(strbuf_release) = STRBUF_INIT;
		text_cause(r, &one, v[i], detail, true);
		size_t lines = count_lines(&one) + 1;
		/* what follows needs a line each, and a blank one before them */
		size_t rest = MIN(n - i - 1, (size_t)10) + 2;
		if (!r->verbose && i > 0 && used + lines + (n - i > 1 ? rest : 0) > room) {
			break;
		}
		strbuf_addc(b, '\n');
		strbuf_add(b, strbuf_str(&one), one.len);
		used += lines;
	}
	if (i < n) {
		strbuf_addc(b, '\n');
		used++;
	}
	for (; i < n && used + 1 < room; i++, used++) {
		text_cause(r, b, v[i], DETAIL_LINE, false);
	}
	if (i < n) {
		strbuf_addf(b, "and %zu more (-v shows all of them)\n", n - i);
	}
}

static void status_names(struct strbuf *b, const struct diagnosis *d, enum service_status status)
{
	size_t n = 0;
	for (size_t i = 0; i < d->services.len; i++) {
		if (d->services.v[i].status == status && n++ < NAMES_SHOWN) {
			strbuf_adds(b, n == 1 ? "undecided: " : ", ");
			text_service(b, d->services.v[i].service);
		}
	}
	if (n > NAMES_SHOWN) {
		strbuf_addf(b, " and %zu more", n - NAMES_SHOWN);
	}
	if (n > 0) {
		strbuf_addc(b, '\n');
	}
}

static void counts(const struct report *r, struct strbuf *b, const struct diagnosis *d, size_t notes)
{
	static const enum service_status order[] = { STATUS_BROKEN, STATUS_DEGRADED, STATUS_UNDECIDED,
						     STATUS_NO_FAULT_FOUND, STATUS_HEALTHY };
	size_t n[ARRAY_LEN(order)] = { 0 };
	for (size_t i = 0; i < d->services.len; i++) {
		for (size_t k = 0; k < ARRAY_LEN(order); k++) {
			n[k] += d->services.v[i].status == order[k];
		}
	}
	strbuf_addf(b, "%s%zu Service%s", d->services.len ? "\n" : "", d->services.len,
		    d->services.len == 1 ? "" : "s");
	const char *between = ": ";
	for (size_t k = 0; k < ARRAY_LEN(order); k++) {
		if (n[k] > 0) {
			strbuf_addf(b, "%s%zu %s", between, n[k], status_words(order[k]));
			between = ", ";
		}
	}
	if (notes > 0) {
		strbuf_addf(b, "; %zu note%s%s", notes, notes == 1 ? "" : "s",
			    r->verbose ? "" : " (-v shows them)");
	}
	strbuf_addc(b, '\n');
}

/* The command that shows one of the broken Services in full. */
static void hint(const struct report *r, struct strbuf *b, const struct diagnosis *d)
{
	for (size_t i = 0; i < d->services.len; i++) {
		const struct k8s_meta *m = &d->services.v[i].service->meta;
		if (d->services.v[i].status != STATUS_BROKEN || !is_k8s_name(m->name) ||
		    !is_k8s_name(m->ns)) {
			continue;
		}
		strbuf_addf(b, "one Service in full: %s diagnose %s -n %s%s\n", r->program, m->name, m->ns,
			    r->source_flags);
		return;
	}
}

static int many_services(const struct report *r, struct strbuf *b, const struct diagnosis *d)
{
	size_t n, shown = 0;
	const struct finding **v = causes_sorted(d, &n);
	if (!v) {
		return -ENOMEM;
	}
	while (shown < n && (r->verbose || v[shown]->severity > SEVERITY_INFO)) {
		shown++;
	}
	cause_blocks(r, b, v, shown, LINES_MAX - LINES_TAIL);
	free(v);
	if (r->verbose) {
		diagnosis_text_services(r, b, d);
	}
	if (d->services.len == 0) {
		strbuf_addc(b, '\n');
	}
	if (d->services.len > 0 || !text_no_services(r, b)) {
		counts(r, b, d, n - shown);
	}
	status_names(b, d, STATUS_UNDECIDED);
	hint(r, b, d);
	return 0;
}

/* -q: a line for each cause. */
static int quiet(const struct report *r, struct strbuf *b, const struct diagnosis *d)
{
	size_t n;
	const struct finding **v = causes_sorted(d, &n);
	if (!v) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n && v[i]->severity > SEVERITY_INFO; i++) {
		text_cause(r, b, v[i], DETAIL_LINE, false);
	}
	free(v);
	return 0;
}

static int loud(const struct report *r, struct strbuf *b, const struct diagnosis *d)
{
	bool missing = false;
	for (size_t i = 0; i < d->cluster.len; i++) {
		missing |= strcmp(d->cluster.v[i]->check->id, "service-not-found") == 0;
	}
	text_looked_at(r, b, d);
	if (d->services.len == 1 && !missing) {
		one_service(r, b, d);
	} else {
		int err = many_services(r, b, d);
		if (err < 0) {
			return err;
		}
	}
	text_skipped(r, b, d);
	return 0;
}

int diagnosis_text(const struct report *r, const struct diagnosis *d)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	int err = r->quiet ? quiet(r, &b, d) : loud(r, &b, d);
	return err < 0 ? err : text_write(r, &b);
}
