/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The axis of names: whether there are answers at all, and the line beside a Service, of how its names resolve from each place. */
#include "checks-private.h"

enum { DETAILS_MAX = 10 };

bool dns_any_answers(const struct snapshot *s)
{
	for (size_t i = 0; i < s->dns.len; i++)
		for (size_t j = 0; j < s->dns.v[i]->answers.len; j++) {
			enum dns_end e = s->dns.v[i]->answers.v[j].end;

			if (e != DNS_NOT_ASKED && e != DNS_FAILED)
				return true;
		}
	return false;
}

static bool is_wanted(const struct run *r, const struct k8s_service *s)
{
	for (size_t i = 0; s && i < r->o->nservices; i++)
		if (r->o->services[i] == s)
			return true;
	return false;
}

/* Where no resolv.conf tells what is appended to a name, its whole name is what was asked. */
static bool means(const char *typed, const char *full)
{
	char name[64], ns[64], full_name[64], full_ns[64];

	return full && service_name_split(typed, NULL, name, ns) == 0 && service_name_split(full, NULL, full_name, full_ns) == 0 &&
	       strcmp(name, full_name) == 0 && (!*ns || strcmp(ns, full_ns) == 0);
}

/* Is it known from some place how the name resolves that was asked about, or another name of its Service? */
static bool is_known(const struct run *r, const char *typed)
{
	for (size_t i = 0; i < r->dns->names.len; i++) {
		const struct dns_name_row *n = &r->dns->names.v[i];

		bool whole = (!n->from->has_conf || n->from->where == DNS_FROM_NODE) && means(typed, n->full);

		if (n->ok >= 0 && (strcmp(n->typed, typed) == 0 || is_wanted(r, n->service) || whole))
			return true;
	}
	return false;
}

static void note_unknown(struct run *r)
{
	struct skipped_check s = { .check = "dns", .code = "not-collected", .needs = "the answers to the queries for it" };

	if (!r->o->dns_name || is_known(r, r->o->dns_name))
		return;
	s.subject = run_printf(r, "%.253s", r->o->dns_name);
	s.reason = run_printf(r, "how %.253s resolves is not known: not every answer for it is there", r->o->dns_name);
	run_push(r, &r->d->skipped, s);
	r->d->inconclusive = true;
}

/* Time ran out, or this machine could not ask: what is not known of the rest. */
void dns_note_unasked(struct run *r)
{
	static const struct skipped_check late = { "dns", NULL, NULL, "late", "not every question was asked: no time was left (--timeout)", NULL };
	static const struct skipped_check unable = { "dns", NULL, NULL, "unsupported", "some questions could not be asked from here", NULL };
	bool is_late = false, is_unable = false;

	for (size_t i = 0; i < r->s->dns.len; i++)
		for (size_t j = 0; j < r->s->dns.v[i]->answers.len; j++) {
			is_late |= r->s->dns.v[i]->answers.v[j].end == DNS_NOT_ASKED;
			is_unable |= r->s->dns.v[i]->answers.v[j].end == DNS_FAILED;
		}
	if (is_late)
		run_push(r, &r->d->skipped, late);
	if (is_unable)
		run_push(r, &r->d->skipped, unable);
	r->d->inconclusive |= is_late || is_unable;
	note_unknown(r);
}

/* ---- a Service at one place ---- */

struct told {
	const struct snap_dns *from;
	size_t forms, ok, failed; /* of the libc that shows worst */
	const char *result;	  /* of those that resolve */
	const char *why;	  /* of the first that does not */
	bool full_ok, wrong;	  /* wrong: that does resolve, to something else */
	const char *names[8];	  /* that resolve */
	size_t nnames;
};

static bool is_full(const struct dns_name_row *n)
{
	return n->full && dns_name_equal(n->typed, n->full);
}

/* Of both libcs, the one that fails. */
static const struct dns_name_row *worst_of(const struct dns_report *d, size_t i, const struct k8s_service *s)
{
	const struct dns_name_row *row = &d->names.v[i];

	for (size_t k = 0; k < d->names.len; k++) {
		const struct dns_name_row *x = &d->names.v[k];

		if (x->service == s && x->from == row->from && strcmp(x->typed, row->typed) == 0 && x->ok == 0)
			row = x;
	}
	return row;
}

static bool seen_before(const struct dns_report *d, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (d->names.v[k].service == d->names.v[i].service && d->names.v[k].from == d->names.v[i].from &&
		    strcmp(d->names.v[k].typed, d->names.v[i].typed) == 0)
			return true;
	return false;
}

static void tell(struct told *t, const struct dns_name_row *row)
{
	if (row->ok < 0)
		return;
	t->forms++;
	if (row->ok) {
		t->ok++;
		t->full_ok |= is_full(row);
		t->result = t->result ? t->result : row->result;
		/* with a final dot or without is the same name */
		if (t->nnames < ARRAY_LEN(t->names) && !is_full(row))
			t->names[t->nnames++] = row->typed;
	} else {
		t->failed++;
		t->wrong |= row->walk.result == LIBC_RESOLVED && !t->why;
		t->why = t->why ? t->why : row->result;
	}
}

static struct told told_of(const struct dns_report *d, const struct k8s_service *s, const struct snap_dns *from)
{
	struct told t = { .from = from };

	for (size_t i = 0; i < d->names.len; i++)
		if (d->names.v[i].service == s && d->names.v[i].from == from && !seen_before(d, i))
			tell(&t, worst_of(d, i, s));
	return t;
}

static const char *names_text(struct run *r, const struct told *t)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < t->nnames; i++)
		strbuf_addf(&b, "%s%s", i == 0 ? "" : i + 1 == t->nnames && !t->full_ok ? " and " : ", ", t->names[i]);
	if (t->full_ok)
		strbuf_addf(&b, "%sthe full name", t->nnames ? " and " : "");
	return run_printf(r, "%s", strbuf_str(&b));
}

static const char *told_line(struct run *r, const struct told *t)
{
	if (t->failed == 0)
		return run_printf(r, "%s resolve%s to %s from %s", names_text(r, t), t->nnames + t->full_ok == 1 ? "s" : "", t->result, t->from->label);
	if (t->wrong)
		return run_printf(r, "resolves to %s, which is not what the API says, from %s", t->why, t->from->label);
	if (t->ok == 0)
		return run_printf(r, "does not resolve from %s: %s", t->from->label, t->why);
	if (t->full_ok && t->nnames == 0)
		return run_printf(r, "resolves by its full name only, from %s: %s otherwise", t->from->label, t->why);
	return run_printf(r, "only %s resolve%s from %s: %s otherwise", names_text(r, t), t->nnames + t->full_ok == 1 ? "s" : "", t->from->label, t->why);
}

/* The worst place is the line, the others stand under it. */
void dns_axis(struct run *r, struct svc *v, struct axis_result *ret)
{
	bool first = true;

	ret->state = AXIS_NOT_LOOKED_AT;
	ret->line = "not looked at";
	if (!r->dns || (r->o->axes_given && !r->o->axes[AXIS_NAME]))
		return;
	for (size_t bad = 2; bad > 0; bad--) {
		for (size_t i = 0; i < r->s->dns.len; i++) {
			const struct snap_dns *from = r->s->dns.v[i];
			struct told t = told_of(r->dns, v->o, from);

			if (!t.forms || (t.failed > 0) != (bad == 2))
				continue;
			if (first) {
				ret->state = t.failed ? AXIS_WARNING : AXIS_OK;
				ret->line = told_line(r, &t);
			} else if (ret->details.len < DETAILS_MAX) {
				run_push(r, &ret->details, told_line(r, &t));
			}
			first = false;
		}
	}
	if (first && r->d->axis_has_source[AXIS_NAME])
		ret->line = "none of its names was asked";
}
