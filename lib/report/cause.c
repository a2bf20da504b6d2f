/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings as text: a cause with what it explains, its evidence, and the commands that look at it and mend it. */
#include "report-private.h"

enum { CLAUSES_SHORT = 2, CLAUSES_FULL = 6, NAMES_SHOWN = 3, EVIDENCE_SHOWN = 3 };

static const char *headline_word(enum severity s)
{
	return s == SEVERITY_ERROR ? "cause" : s == SEVERITY_WARNING ? "warning" : "note";
}

static enum style headline_style(enum severity s)
{
	return s == SEVERITY_ERROR ? STYLE_BAD : s == SEVERITY_WARNING ? STYLE_WARN : STYLE_DIM;
}

static void headline(const struct report *r, struct strbuf *b, const struct finding *f)
{
	struct strbuf text CLEANUP(strbuf_release) = STRBUF_INIT;
	text_styled(r, b, headline_style(f->severity), headline_word(f->severity));
	strbuf_adds(b, ": ");
	strbuf_add_clean(&text, f->text);
	text_styled(r, b, STYLE_BOLD, strbuf_str(&text));
	strbuf_addc(b, '\n');
}

/* "12 Services: a/b, c/d, e/f and 9 more"; nothing where the text names the only one. */
static void affected_line(struct strbuf *b, const struct finding *f)
{
	struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t n = f->services.len;
	if (n == 1) {
		text_service(&line, f->services.v[0]);
		if (strstr(f->text, strbuf_str(&line))) {
			return;
		}
	} else if (n > 1) {
		strbuf_addf(&line, "%zu Services: ", n);
		for (size_t i = 0; i < n && i < NAMES_SHOWN; i++) {
			strbuf_adds(&line, i ? ", " : "");
			text_service(&line, f->services.v[i]);
		}
		if (n > NAMES_SHOWN) {
			strbuf_addf(&line, " and %zu more", n - NAMES_SHOWN);
		}
	} else {
		return;
	}
	text_labelled(b, "affects", strbuf_str(&line));
}

/* Returns how many reasons there are, shown or not. */
static size_t clauses(const struct report *r, struct strbuf *b, const struct finding *f, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; i < f->explains.len; i++) {
		const struct finding *e = f->explains.v[i];
		const char *clause = e->because ? e->because : r->verbose ? e->text : NULL;
		if (clause && n++ < max) {
			text_labelled(b, n == 1 ? "because" : "and", clause);
		}
	}
	if (n > max) {
		char more[32];
		(void)snprintf(more, sizeof(more), "%zu more", n - max);
		text_labelled(b, "and", more);
	}
	return n;
}

static void evidence(struct strbuf *b, const struct finding *f, size_t max)
{
	for (size_t i = 0; i < f->evidence.len && i < max; i++) {
		text_labelled(b, i == 0 ? "seen" : "", f->evidence.v[i]);
	}
	if (f->evidence.len > max && max > 0) {
		char more[64];
		(void)snprintf(more, sizeof(more), "%zu more (-v shows them)", f->evidence.len - max);
		text_labelled(b, "", more);
	}
}

static void command_lines(const struct report *r, struct strbuf *b, const char *label, const char *const *v,
			  size_t n, size_t max)
{
	for (size_t i = 0; i < n && i < max; i++) {
		strbuf_addf(b, "  %-7s  ", i == 0 ? label : "");
		text_command(r, b, v[i]);
		strbuf_addc(b, '\n');
	}
}

static void since_line(struct strbuf *b, const struct finding *f)
{
	struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
	if (!f->since) {
		return;
	}
	if (strlen(f->since) == strlen("2026-11-21T05:00:00Z") && f->since[10] == 'T' &&
	    str_ends(f->since, "Z")) {
		strbuf_addf(&line, "%.10s %.8s UTC", f->since, f->since + 11);
	} else {
		strbuf_adds(&line, f->since);
	}
	if (f->changed_by) {
		strbuf_addf(&line, ", last changed by %s", f->changed_by);
	}
	text_labelled(b, "since", strbuf_str(&line));
}

void text_cause(const struct report *r, struct strbuf *b, const struct finding *f, enum detail detail,
		bool affected)
{
	bool full = detail == DETAIL_FULL;
	headline(r, b, f);
	if (detail == DETAIL_LINE) {
		return;
	}
	if (affected) {
		affected_line(b, f);
	}
	size_t reasons = clauses(r, b, f, r->verbose ? SIZE_MAX : full ? CLAUSES_FULL : CLAUSES_SHORT);
	if (full && (r->verbose || reasons == 0)) {
		evidence(b, f, r->verbose ? SIZE_MAX : EVIDENCE_SHOWN);
	}
	command_lines(r, b, "next", f->next.v, f->next.len, full ? SIZE_MAX : 1);
	command_lines(r, b, "fix", f->fix.v, f->fix.len, full ? SIZE_MAX : 1);
	if (full) {
		since_line(b, f);
	}
}

/* A fault of a whole node is worse than one of a single Service, though nothing may be wrong there yet. */
static size_t reach(const struct finding *f)
{
	const bool node = f->axis == AXIS_RULES && f->severity == SEVERITY_ERROR && f->check->scope == SCOPE_NODE;
	return node && f->services.len < 2 ? 2 : f->services.len;
}

/* Worst first: severity, then how many Services, then rank, axis and id. */
static int compare_causes(const void *a, const void *b)
{
	const struct finding *const *pa = a, *const *pb = b;
	const struct finding *x = *pa, *y = *pb;
	if (x->severity != y->severity) {
		return x->severity > y->severity ? -1 : 1;
	}
	if (reach(x) != reach(y)) {
		return reach(x) > reach(y) ? -1 : 1;
	}
	if (x->rank != y->rank) {
		return x->rank < y->rank ? -1 : 1;
	}
	return x->axis != y->axis ? (int)x->axis - (int)y->axis : strcmp(x->id, y->id);
}

const struct finding **causes_sorted(const struct diagnosis *d, size_t *ret_n)
{
	const struct finding **v = calloc(d->findings.len + 1, sizeof(*v));
	*ret_n = 0;
	for (size_t i = 0; v && i < d->findings.len; i++) {
		if (!d->findings.v[i]->explained_by) {
			v[(*ret_n)++] = d->findings.v[i];
		}
	}
	if (v) {
		qsort(v, *ret_n, sizeof(*v), compare_causes);
	}
	return v;
}

/* Checks that wait for one right, in one line; with -v with their names. */
static bool skipped_for(const struct report *r, struct strbuf *b, const struct diagnosis *d, const struct snap_missing *m, bool first)
{
	struct strbuf names CLEANUP(strbuf_release) = STRBUF_INIT;
	size_t n = 0;
	for (size_t i = 0; i < d->skipped.len; i++) {
		const struct skipped_check *s = &d->skipped.v[i];
		if (s->needs && strcmp(s->needs, m->right) == 0) {
			strbuf_addf(&names, "%s%s", n++ ? ", " : "", s->check);
		}
	}
	if (n == 0 && !r->verbose) {
		return false;
	}
	strbuf_adds(b, first ? "\nnot checked: " : "             ");
	if (n == 0) {
		strbuf_add_clean(b, m->right);
		strbuf_adds(b, " is forbidden: some findings may tell less\n");
		return true;
	}
	strbuf_addf(b, "%zu check%s to ", n, n == 1 ? " needs" : "s need");
	strbuf_add_clean(b, m->right);
	strbuf_addf(b, ", which is forbidden (403; %s rbac prints the rights)\n", r->program);
	if (r->verbose) {
		strbuf_addf(b, "             %s\n", strbuf_str(&names));
	}
	return true;
}

static bool waits_for_right(const struct report *r, const struct skipped_check *s)
{
	for (size_t i = 0; i < r->snapshot->missing.len; i++) {
		const char *right = r->snapshot->missing.v[i].right;
		if (right && s->needs && strcmp(s->needs, right) == 0) {
			return true;
		}
	}
	return false;
}

void text_skipped(const struct report *r, struct strbuf *b, const struct diagnosis *d)
{
	size_t shown = 0, left = 0;
	bool first = true;
	for (size_t i = 0; i < r->snapshot->missing.len; i++) {
		if (r->snapshot->missing.v[i].right && skipped_for(r, b, d, &r->snapshot->missing.v[i], first)) {
			first = false;
		}
	}
	for (size_t i = 0; i < d->skipped.len; i++) {
		const struct skipped_check *s = &d->skipped.v[i];
		if (waits_for_right(r, s)) {
			continue;
		}
		if (!r->verbose && shown == NAMES_SHOWN) {
			left++;
			continue;
		}
		shown++;
		struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
		strbuf_adds(&line, s->check);
		if (s->node) {
			strbuf_addf(&line, " on %s", s->node);
		}
		if (s->subject) {
			strbuf_addf(&line, " of %s", s->subject);
		}
		strbuf_addf(&line, ": %s", s->reason ? s->reason : s->code);
		if (s->needs && *s->needs) {
			strbuf_addf(&line, " (needs %s)", s->needs);
		}
		strbuf_adds(b, first ? "\nnot checked: " : "             ");
		strbuf_add_clean(b, strbuf_str(&line));
		strbuf_addc(b, '\n');
		first = false;
	}
	if (left > 0) {
		strbuf_addf(b, "             and %zu more checks (-v shows them)\n", left);
	}
}
