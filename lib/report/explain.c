/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The catalogue of checks for people and programs, and the version. */
#include "report-private.h"

enum { WRAP_WIDTH = 96, INDENT = 2 };

static const char *scope_name(enum check_scope s)
{
	return s == SCOPE_SERVICE ? "service" : s == SCOPE_NODE ? "node" : "cluster";
}

static void paragraph(struct strbuf *b, const char *title, const char *text)
{
	if (!text) {
		return;
	}
	strbuf_addf(b, "\n%s\n", title);
	text_wrap(b, text, INDENT, WRAP_WIDTH);
}

static void check_text(const struct report *r, struct strbuf *b, const struct check *c)
{
	text_styled(r, b, STYLE_BOLD, c->id);
	strbuf_addf(b, "   axis %s, %s, of a %s\n", axis_name(c->axis), severity_name(c->severity),
		    scope_name(c->scope));
	strbuf_adds(b, c->title);
	strbuf_addc(b, '\n');
	paragraph(b, "what it means", c->meaning);
	paragraph(b, "what it is mistaken for", c->lookalikes);
	paragraph(b, "what to look at next", c->next);
	paragraph(b, "how to mend it", c->fix);
	if (c->explains) {
		struct strbuf ids CLEANUP(strbuf_release) = STRBUF_INIT;
		for (size_t i = 0; c->explains[i]; i++) {
			strbuf_addf(&ids, "%s%s", i ? ", " : "", c->explains[i]);
		}
		paragraph(b, "what it explains", strbuf_str(&ids));
	}
	paragraph(b, "where it is said", c->source);
}

static void list_text(const struct report *r, struct strbuf *b)
{
	size_t width = 0;
	for (const struct check *c = check_catalogue; c->id; c++) {
		width = MAX(width, strlen(c->id));
	}
	for (int axis = 0; axis < AXIS_COUNT; axis++) {
		bool first = true;
		for (const struct check *c = check_catalogue; c->id; c++) {
			if (c->axis != (enum axis)axis) {
				continue;
			}
			if (first) {
				strbuf_addf(b, "%saxis ", b->len ? "\n" : "");
				text_styled(r, b, STYLE_BOLD, axis_name(c->axis));
				strbuf_addc(b, '\n');
				first = false;
			}
			strbuf_addf(b, "  %-*s  %-7s  %s\n", (int)width, c->id, severity_name(c->severity),
				    c->title);
		}
	}
}

static json_t *check_json(struct doc *doc, const struct check *c)
{
	json_t *o = json_object();
	size_t n = 0;
	while (c->explains && c->explains[n]) {
		n++;
	}
	doc_set(doc, o, "check", doc_string(doc, c->id));
	doc_set(doc, o, "axis", doc_string(doc, axis_name(c->axis)));
	doc_set(doc, o, "severity", doc_string(doc, severity_name(c->severity)));
	doc_set(doc, o, "scope", doc_string(doc, scope_name(c->scope)));
	doc_set(doc, o, "title", doc_string(doc, c->title));
	doc_set(doc, o, "meaning", doc_string(doc, c->meaning));
	doc_set(doc, o, "lookalikes", doc_string(doc, c->lookalikes));
	doc_set(doc, o, "next", doc_string(doc, c->next));
	doc_set(doc, o, "fix", doc_string(doc, c->fix));
	doc_set(doc, o, "explains", doc_sorted(doc, c->explains, n));
	doc_set(doc, o, "source", doc_string(doc, c->source));
	return o;
}

int report_explain(const struct report *r, const struct check *check)
{
	if (r->format == REPORT_JSON) {
		struct doc doc;
		doc_begin(&doc, r, NULL, NULL, 0);
		json_t *checks = json_array();
		for (const struct check *c = check_catalogue; c->id; c++) {
			if (!check || check == c) {
				doc_add(&doc, checks, check_json(&doc, c));
			}
		}
		doc_set(&doc, doc.root, "checks", checks);
		return doc_end(&doc, r);
	}
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	if (check) {
		check_text(r, &b, check);
	} else {
		list_text(r, &b);
	}
	return text_write(r, &b);
}

int report_version(const struct report *r, const char *version, const struct version_fact *facts,
		   size_t nfacts)
{
	if (r->format == REPORT_JSON) {
		struct doc doc;
		doc_begin(&doc, r, NULL, NULL, 0);
		json_t *features = json_object();
		for (size_t i = 0; i < nfacts; i++) {
			doc_set(&doc, features, facts[i].name, doc_string(&doc, facts[i].value));
		}
		doc_set(&doc, doc.root, "version", doc_string(&doc, version));
		doc_set(&doc, doc.root, "features", features);
		return doc_end(&doc, r);
	}
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_addf(&b, "svcdoctor %s\n", version);
	for (size_t i = 0; i < nfacts; i++) {
		strbuf_addf(&b, "  %-10s %s\n", facts[i].name, facts[i].value);
	}
	return text_write(r, &b);
}
