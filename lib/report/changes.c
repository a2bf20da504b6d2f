/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is new in one look of several. Text is a line for each change, with the local time and a sign: '+' is there now, '-' is gone, '~' is
 * another, '?' could not be looked at, '=' can be again. JSON is the whole document of the look in one line, with what changed. Lines
 * (-o lines) begin with the time in UTC and the sign, or '=' for what the first look found.
 */
#include "report-private.h"

enum { EACH_MAX = 10, SERVICES_FEW = 5, INDENT = 9 };

struct changes_text {
	const struct report *r;
	const struct diagnosis *d;
	const struct report_look *l;
	struct strbuf b;
	char time[16];
	size_t shown, left; /* of the kind that is written */
};

static void changes_text_release(struct changes_text *t)
{
	strbuf_release(&t->b);
}

/* ---- words ---- */

static const struct finding *finding_of(const struct diagnosis *d, const char *id)
{
	size_t lo = 0, hi = d ? d->findings.len : 0;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(d->findings.v[mid]->id, id);
		if (c == 0) {
			return d->findings.v[mid];
		}
		if (c < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return NULL;
}

static char sign_of(enum change_kind k)
{
	return k == CHANGE_NEW || k == CHANGE_APPEARED ? '+' : k == CHANGE_GONE || k == CHANGE_VANISHED ? '-' : '~';
}

static const struct digest_finding *finding_side(const struct change *c)
{
	return c->after ? c->after : c->before;
}

static const struct digest_service *service_side(const struct change *c)
{
	return c->is ? c->is : c->was;
}

/* What happened to a Service: "healthy -> broken (0 of 2 pods are ready)". */
static void service_words(struct strbuf *b, const struct change *c)
{
	const char *line = c->is ? c->is->line : NULL;
	if (c->kind == CHANGE_LINE) {
		strbuf_adds(b, line ? line : service_status_name(c->is->status));
		return;
	}
	if (c->kind == CHANGE_VANISHED) {
		strbuf_adds(b, "is no longer there");
		return;
	}
	if (c->was) {
		strbuf_addf(b, "%s -> ", service_status_name(c->was->status));
	}
	strbuf_addf(b, "%s%s", c->was ? "" : "is there now, ", service_status_name(c->is->status));
	if (line) {
		strbuf_addf(b, " (%s)", line);
	}
}

static void finding_words(struct strbuf *b, const struct change *c)
{
	switch (c->kind) {
	case CHANGE_GONE:
		strbuf_addf(b, "gone: %s", c->before->text);
		break;
	case CHANGE_EXPLAINED:
		strbuf_addf(b, "explained by another cause now: %s", c->after->text);
		break;
	case CHANGE_SEVERITY:
		strbuf_addf(b, "%s, was %s: %s", severity_name(c->after->severity), severity_name(c->before->severity), c->after->text);
		break;
	case CHANGE_CONCERNS:
		strbuf_addf(b, "concerns %zu Service%s, was %zu: %s", c->after->nservices, c->after->nservices == 1 ? "" : "s",
			    c->before->nservices, c->after->text);
		break;
	default:
		strbuf_adds(b, finding_side(c)->text);
	}
}

/* "pods, events", or "the rules of a node" */
static void lost_words(struct strbuf *b, const struct digest_lost *lost)
{
	const char *between = "";
	for (int k = 0; k < K8S_KINDS; k++) {
		if (lost->kinds[k]) {
			strbuf_addf(b, "%s%s", between, k8s_kind_plural((enum k8s_kind)k));
			between = ", ";
		}
	}
	if (lost->nodes) {
		strbuf_addf(b, "%srules of nodes", between);
	}
}

/* The record that says best why nothing could be looked at. */
static const struct sd_note *first_reason(const struct snapshot *s)
{
	for (size_t i = 0; i < s->notes.len; i++) {
		if (s->notes.v[i].fatal_to_part) {
			return &s->notes.v[i];
		}
	}
	return s->notes.len ? &s->notes.v[0] : NULL;
}

static const char *failed_words(const struct report *r)
{
	const struct sd_note *n = first_reason(r->snapshot);
	return n ? n->text : "nothing could be read";
}

static int written(int r)
{
	return r < 0 ? r : 1;
}

/* ---- text ---- */

static void local_times(struct changes_text *t)
{
	struct tm now, before;
	char day[16];
	if (!localtime_r(&t->l->at, &now) || strftime(t->time, sizeof(t->time), "%H:%M:%S", &now) == 0) {
		t->time[0] = 0;
		return;
	}
	if (t->l->before_at && localtime_r(&t->l->before_at, &before) &&
	    (before.tm_yday != now.tm_yday || before.tm_year != now.tm_year) && strftime(day, sizeof(day), "%Y-%m-%d", &now) > 0) {
		strbuf_addf(&t->b, "%s\n", day);
	}
}

static void begin_line(struct changes_text *t, char sign)
{
	strbuf_addf(&t->b, "%s %c ", t->time, sign);
}

static void text_line(struct changes_text *t, char sign, const char *text)
{
	begin_line(t, sign);
	strbuf_add_clean(&t->b, text);
	strbuf_addc(&t->b, '\n');
}

/* A new cause as other reports show it, its lines below the first moved to the right. */
static void new_cause(struct changes_text *t, const struct finding *f)
{
	struct strbuf one CLEANUP(strbuf_release) = STRBUF_INIT;
	text_cause(t->r, &one, f, t->r->verbose ? DETAIL_FULL : t->r->quiet ? DETAIL_LINE : DETAIL_SHORT, true);
	t->b.failed |= one.failed;
	begin_line(t, '+');
	for (const char *at = strbuf_str(&one); *at;) {
		size_t len = strcspn(at, "\n");
		if (at != strbuf_str(&one)) {
			strbuf_addf(&t->b, "%*s", INDENT, "");
		}
		strbuf_add(&t->b, at, len);
		strbuf_addc(&t->b, '\n');
		at += len + (at[len] == '\n');
	}
}

static bool is_about_service(enum change_kind k)
{
	return k == CHANGE_APPEARED || k == CHANGE_STATUS || k == CHANGE_LINE || k == CHANGE_VANISHED;
}

/* What is only worth knowing is told to those who ask for everything, as in the other reports. */
static bool is_worth_telling(const struct changes_text *t, const struct change *c)
{
	const struct report *r = t->r;
	if (r->verbose) {
		return true;
	}
	if (is_about_service(c->kind)) {
		bool sound = c->kind == CHANGE_LINE && (c->is->status == STATUS_HEALTHY || c->is->status == STATUS_NO_FAULT_FOUND);
		return !r->quiet && !(sound && t->l->now->services.len > SERVICES_FEW);
	}
	if (c->kind == CHANGE_EXPLAINED || (r->quiet && c->kind == CHANGE_CONCERNS)) {
		return false;
	}
	return finding_side(c)->severity > SEVERITY_INFO || (c->before && c->before->severity > SEVERITY_INFO);
}

static void one_change(struct changes_text *t, const struct change *c)
{
	struct strbuf words CLEANUP(strbuf_release) = STRBUF_INIT;
	const struct finding *f = c->kind == CHANGE_NEW ? finding_of(t->d, c->after->id) : NULL;
	if (f) {
		new_cause(t, f);
		return;
	}
	if (is_about_service(c->kind)) {
		strbuf_addf(&words, "%s: ", service_side(c)->name);
		service_words(&words, c);
	} else {
		finding_words(&words, c);
	}
	text_line(t, sign_of(c->kind), strbuf_str(&words));
}

static void rest_of_kind(struct changes_text *t, enum change_kind k)
{
	if (t->left > 0) {
		begin_line(t, sign_of(k));
		strbuf_addf(&t->b, "and %zu more (-v shows all of them)\n", t->left);
	}
	t->shown = t->left = 0;
}

static void all_changes(struct changes_text *t, const struct changes *all)
{
	for (size_t i = 0; i < all->v.len; i++) {
		const struct change *c = &all->v.v[i];
		if (i > 0 && c->kind != c[-1].kind) {
			rest_of_kind(t, c[-1].kind);
		}
		if (!is_worth_telling(t, c)) {
			continue;
		}
		if (t->shown < EACH_MAX || t->r->verbose) {
			one_change(t, c);
			t->shown++;
		} else {
			t->left++;
		}
	}
	if (all->v.len > 0) {
		rest_of_kind(t, all->v.v[all->v.len - 1].kind);
	}
}

static bool statuses_changed(const struct changes *all)
{
	for (size_t i = 0; i < all->v.len; i++) {
		if (all->v.v[i].kind != CHANGE_LINE && is_about_service(all->v.v[i].kind)) {
			return true;
		}
	}
	return false;
}

static void counts_line(struct changes_text *t)
{
	static const enum service_status order[] = { STATUS_BROKEN, STATUS_DEGRADED, STATUS_UNDECIDED, STATUS_NO_FAULT_FOUND,
						     STATUS_HEALTHY };
	const struct digest *g = t->l->now;
	const char *between = ": ";
	strbuf_addf(&t->b, "%s   %zu Services", t->time, g->services.len);
	for (size_t k = 0; k < ARRAY_LEN(order); k++) {
		size_t n = 0;
		for (size_t i = 0; i < g->services.len; i++) {
			n += g->services.v[i].status == order[k];
		}
		if (n > 0) {
			strbuf_addf(&t->b, "%s%zu %s", between, n, service_status_name(order[k]));
			between = ", ";
		}
	}
	strbuf_addc(&t->b, '\n');
}

static void lost_line(struct changes_text *t, const struct digest_lost *lost)
{
	begin_line(t, '?');
	lost_words(&t->b, lost);
	strbuf_addf(&t->b, " could not be read: %zu cause%s as before\n", lost->unseen, lost->unseen == 1 ? " stays" : "s stay");
}

static int look_text(const struct report *r, const struct diagnosis *d, const struct report_look *l)
{
	struct changes_text t CLEANUP(changes_text_release) = { .r = r, .d = d, .l = l };
	const struct changes *all = l->changes;
	local_times(&t);
	size_t nothing = t.b.len;
	if (l->failed) {
		text_line(&t, '?', failed_words(r));
		return written(text_write(r, &t.b));
	}
	if (l->back) {
		text_line(&t, '=', "can be looked at again");
	}
	if (all->lost_more && !r->quiet) {
		lost_line(&t, &all->lost);
	}
	all_changes(&t, all);
	if (all->lost_none && !r->quiet) {
		text_line(&t, '=', "everything can be read again");
	}
	if (statuses_changed(all) && l->now->services.len > 1 && !r->quiet) {
		counts_line(&t);
	}
	return t.b.len == nothing ? 0 : written(text_write(r, &t.b));
}

/* ---- lines ---- */

static void begin_fields(struct strbuf *b, const struct report_look *l, char sign)
{
	char at[32] = "-";
	struct tm tm;
	if (gmtime_r(&l->at, &tm)) {
		(void)strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm);
	}
	strbuf_addf(b, "%s\t%c\t", at, sign);
}

static void digest_line(struct strbuf *b, const struct change *c)
{
	const struct digest_finding *f = finding_side(c);
	struct strbuf services CLEANUP(strbuf_release) = STRBUF_INIT;
	for (size_t i = 0; i < f->nservices; i++) {
		strbuf_addf(&services, "%s%s", i ? "," : "", f->services[i]);
	}
	b->failed |= services.failed;
	lines_field(b, severity_name(f->severity), '\t');
	lines_field(b, axis_name(f->axis), '\t');
	lines_field(b, f->check, '\t');
	lines_field(b, f->subject, '\t');
	lines_field(b, f->node, '\t');
	lines_field(b, strbuf_str(&services), '\t');
	lines_field(b, f->text, '\n');
}

/* A Service, or the whole (NULL), in place of a finding. */
static void status_line(struct strbuf *b, const char *what, const char *service, const char *text)
{
	strbuf_addf(b, "-\t-\t%s\t-\t-\t", what);
	lines_field(b, service, '\t');
	lines_field(b, text, '\n');
}

static void change_line(struct strbuf *b, const struct change *c)
{
	struct strbuf words CLEANUP(strbuf_release) = STRBUF_INIT;
	if (!is_about_service(c->kind)) {
		digest_line(b, c);
		return;
	}
	service_words(&words, c);
	b->failed |= words.failed;
	status_line(b, c->kind == CHANGE_LINE ? "line" : "status", service_side(c)->name, strbuf_str(&words));
}

static int look_lines(const struct report *r, const struct diagnosis *d, const struct report_look *l)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	struct strbuf lost CLEANUP(strbuf_release) = STRBUF_INIT;
	if (l->failed || l->back) {
		begin_fields(&b, l, l->failed ? '?' : '=');
		status_line(&b, "look", NULL, l->failed ? failed_words(r) : "can be looked at again");
	}
	for (size_t i = 0; d && !l->changes && i < d->findings.len; i++) {
		begin_fields(&b, l, '=');
		lines_finding(&b, d->findings.v[i]);
	}
	if (l->changes && l->changes->lost_more) {
		lost_words(&lost, &l->changes->lost);
		strbuf_adds(&lost, " could not be read");
		begin_fields(&b, l, '?');
		status_line(&b, "look", NULL, strbuf_str(&lost));
	}
	for (size_t i = 0; l->changes && i < l->changes->v.len; i++) {
		begin_fields(&b, l, sign_of(l->changes->v.v[i].kind));
		change_line(&b, &l->changes->v.v[i]);
	}
	return b.len == 0 ? 0 : written(text_write(r, &b));
}

/* ---- JSON ---- */

/* What is left of a finding that is not in this look. */
static json_t *digest_json(struct doc *doc, const struct digest_finding *f)
{
	json_t *o = json_object();
	doc_set(doc, o, "id", doc_string(doc, f->id));
	doc_set(doc, o, "check", doc_string(doc, f->check));
	doc_set(doc, o, "axis", doc_string(doc, axis_name(f->axis)));
	doc_set(doc, o, "severity", doc_string(doc, severity_name(f->severity)));
	doc_set(doc, o, "subject", doc_string(doc, f->subject));
	doc_set(doc, o, "node", doc_string(doc, f->node));
	doc_set(doc, o, "text", doc_string(doc, f->text));
	doc_set(doc, o, "services", json_integer((json_int_t)f->nservices));
	return o;
}

static json_t *change_json(struct doc *doc, const struct report *r, const struct diagnosis *d, const struct change *c)
{
	json_t *o = json_object();
	doc_set(doc, o, "change", doc_string(doc, change_name(c->kind)));
	if (is_about_service(c->kind)) {
		doc_set(doc, o, "service", doc_string(doc, service_side(c)->name));
		doc_set(doc, o, "from", doc_string(doc, c->was ? service_status_name(c->was->status) : NULL));
		doc_set(doc, o, "to", doc_string(doc, c->is ? service_status_name(c->is->status) : NULL));
		doc_set(doc, o, "text", doc_string(doc, c->is ? c->is->line : NULL));
		return o;
	}
	const struct finding *f = c->after ? finding_of(d, c->after->id) : NULL;
	doc_set(doc, o, "finding", f ? doc_finding(doc, r, f) : digest_json(doc, finding_side(c)));
	return o;
}

json_t *changes_json(struct doc *doc, const struct report *r, const struct diagnosis *d, const struct report_look *l)
{
	json_t *a = json_array();
	for (size_t i = 0; l->changes && i < l->changes->v.len; i++) {
		doc_add(doc, a, change_json(doc, r, d, &l->changes->v.v[i]));
	}
	return a;
}

/* ---- which ---- */

static bool anything_new(const struct report_look *l)
{
	const struct changes *all = l->changes;
	return l->failed || l->back || !all || all->v.len > 0 || all->lost_more || all->lost_none;
}

int report_look(const struct report *r, const struct diagnosis *d, const struct report_look *l)
{
	struct report one = *r;
	if (!anything_new(l)) {
		return 0;
	}
	one.look = l;
	switch (r->format) {
	case REPORT_JSON:
		return written(d ? diagnosis_json(&one, d) : report_nothing(&one));
	case REPORT_LINES:
		return look_lines(r, d, l);
	default:
		return l->failed || l->changes ? look_text(r, d, l) : written(diagnosis_text(r, d));
	}
}
