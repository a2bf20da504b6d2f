/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -o lines: one finding a line, fields separated by tabs: severity, axis, check, subject, node, Services (joined by
 * commas), text. A field that is empty is "-". For verify the check is the kind of the difference.
 */
#include "report-private.h"

/* A field can hold no tab and no line end: strbuf_add_clean replaces control characters. */
void lines_field(struct strbuf *b, const char *s, char end)
{
	strbuf_add_clean(b, s && *s ? s : "-");
	strbuf_addc(b, end);
}

void lines_finding(struct strbuf *b, const struct finding *f)
{
	struct strbuf services CLEANUP(strbuf_release) = STRBUF_INIT;
	for (size_t i = 0; i < f->services.len; i++) {
		strbuf_adds(&services, i ? "," : "");
		text_service(&services, f->services.v[i]);
	}
	lines_field(b, severity_name(f->severity), '\t');
	lines_field(b, axis_name(f->axis), '\t');
	lines_field(b, f->check->id, '\t');
	lines_field(b, f->subject, '\t');
	lines_field(b, f->node, '\t');
	lines_field(b, strbuf_str(&services), '\t');
	lines_field(b, f->text, '\n');
}

static void add_findings(struct strbuf *b, const struct diagnosis *d)
{
	for (size_t i = 0; d && i < d->findings.len; i++) {
		lines_finding(b, d->findings.v[i]);
	}
}

int lines_findings(const struct report *r, const struct diagnosis *d)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	add_findings(&b, d);
	return text_write(r, &b);
}

static void service_field(struct strbuf *b, const struct k8s_service *s)
{
	struct strbuf name CLEANUP(strbuf_release) = STRBUF_INIT;
	if (s) {
		text_service(&name, s);
	}
	lines_field(b, strbuf_str(&name), '\t');
}

/* One for each frontend, as for differences. */
static void peer_lines(struct strbuf *b, const struct verify_peer *x)
{
	for (size_t i = 0; i < x->differences.len; i++) {
		const struct verify_peer_difference *d = &x->differences.v[i];
		strbuf_addf(b, "%s\trules\tnode-differs-from-peers\t", severity_name(difference_severity(d->severity)));
		lines_field(b, d->frontend, '\t');
		lines_field(b, x->node, '\t');
		lines_field(b, strcmp(d->name, d->frontend) == 0 ? "" : d->name, '\t');
		lines_field(b, d->text, '\n');
	}
}

int lines_verify(const struct report *r, const struct verify_report *v)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	add_findings(&b, r->findings);
	for (size_t i = 0; i < v->torn.len; i++) {
		strbuf_adds(&b, "warning\trules\ttorn\t-\t");
		lines_field(&b, v->torn.v[i].node, '\t');
		lines_field(&b, "-", '\t');
		lines_field(&b, v->torn.v[i].text, '\n');
	}
	for (size_t i = 0; i < v->differences.len; i++) {
		const struct verify_difference *x = &v->differences.v[i];
		strbuf_addf(&b, "%s\trules\t%s\t", severity_name(difference_severity(x->severity)),
			    verify_kind_name(x->kind));
		lines_field(&b, x->frontend, '\t');
		lines_field(&b, x->node, '\t');
		service_field(&b, x->service);
		lines_field(&b, x->text, '\n');
	}
	for (size_t i = 0; i < v->broken.len; i++) {
		const struct verify_broken *x = &v->broken.v[i];
		strbuf_addf(&b, "error\trules\t%s\t-\t", x->cause);
		lines_field(&b, x->node, '\t');
		lines_field(&b, x->first, '\t');
		lines_field(&b, x->text, '\n');
	}
	for (size_t i = 0; i < v->peers.len; i++) {
		peer_lines(&b, &v->peers.v[i]);
	}
	for (size_t i = 0; i < v->undecided.len; i++) {
		const struct verify_undecided *x = &v->undecided.v[i];
		strbuf_adds(&b, "warning\trules\tundecided\t");
		lines_field(&b, x->frontend, '\t');
		lines_field(&b, x->node, '\t');
		service_field(&b, x->service);
		lines_field(&b, x->text, '\n');
	}
	return text_write(r, &b);
}
