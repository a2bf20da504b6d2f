/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How waiting for Services ended: a line for each that is sound, or the report of the last look and what was lacking. */
#include <errno.h>

#include "report-private.h"

static void service_lines(const struct report *r, struct strbuf *b, const struct report_wait *w)
{
	for (size_t i = 0; i < w->nservices; i++) {
		const struct report_waited *s = &w->services[i];
		if (!w->sound && s->sound) {
			continue;
		}
		text_styled(r, b, s->sound ? STYLE_GOOD : STYLE_BAD, s->sound ? "sound" : "not sound");
		strbuf_adds(b, ": ");
		strbuf_add_clean(b, s->service);
		strbuf_adds(b, ": ");
		strbuf_add_clean(b, s->text);
		strbuf_addc(b, '\n');
	}
}

static int wait_text(const struct report *r, const struct diagnosis *d, const struct report_wait *w)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	if (w->sound && r->quiet) {
		return 0;
	}
	if (!w->sound && !r->quiet) {
		int err = diagnosis_text(r, d);
		if (err < 0) {
			return err;
		}
		strbuf_addc(&b, '\n');
	}
	service_lines(r, &b, w);
	return text_write(r, &b);
}

void wait_json(struct doc *doc, const struct report *r)
{
	const struct report_wait *w = r->wait;
	json_t *waiting = json_array(), *rollouts = json_array();
	for (size_t i = 0; w && i < w->nservices; i++) {
		if (!w->services[i].sound) {
			json_t *o = json_object();
			doc_set(doc, o, "service", doc_string(doc, w->services[i].service));
			doc_set(doc, o, "text", doc_string(doc, w->services[i].text));
			doc_add(doc, waiting, o);
		}
	}
	for (size_t i = 0; w && w->rollouts && i < w->rollouts->v.len; i++) {
		const struct rollout *x = &w->rollouts->v.v[i];
		const struct k8s_meta *m = &x->workload->meta;
		char name[600];
		json_t *o = json_object();
		(void)snprintf(name, sizeof(name), "%s %s/%s", x->workload->kind, m->ns, m->name);
		doc_set(doc, o, "subject", doc_string(doc, name));
		doc_set(doc, o, "done", json_boolean(x->done));
		doc_set(doc, o, "text", doc_string(doc, x->text));
		doc_add(doc, rollouts, o);
	}
	doc_set(doc, doc->root, "since", w ? doc_time(doc, w->since) : json_null());
	doc_set(doc, doc->root, "at", w ? doc_time(doc, w->at) : json_null());
	doc_set(doc, doc->root, "sound", w ? json_boolean(w->sound) : json_null());
	doc_set(doc, doc->root, "waiting_for", waiting);
	doc_set(doc, doc->root, "rollouts", rollouts);
}

int report_wait(const struct report *r, const struct diagnosis *d, const struct report_wait *w)
{
	struct report one = *r;
	one.wait = w;
	return r->format == REPORT_JSON ? diagnosis_json(&one, d) : wait_text(r, d, w);
}
