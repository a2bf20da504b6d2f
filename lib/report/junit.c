/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -o junit: a test suite for CI systems. diagnose: a test case for each Service, failed when it is broken, skipped
 * when it could not be decided; findings of no Service are cases of their own. proxy: a case for each node, or for a log alone.
 * verify: a case for each Service, failed by differences that are errors.
 */
#include "report-private.h"

/* Text of an attribute or element: what XML 1.0 wants escaped. */
static void xml(struct strbuf *b, const char *s)
{
	struct strbuf clean CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_add_clean(&clean, s ? s : "");
	b->failed |= clean.failed;
	for (const char *p = strbuf_str(&clean); *p; p++) {
		switch (*p) {
		case '&':
			strbuf_adds(b, "&amp;");
			break;
		case '<':
			strbuf_adds(b, "&lt;");
			break;
		case '>':
			strbuf_adds(b, "&gt;");
			break;
		case '"':
			strbuf_adds(b, "&quot;");
			break;
		default:
			strbuf_addc(b, *p);
		}
	}
}

struct suite {
	struct strbuf cases;
	size_t tests, failures, skipped;
};

static void suite_release(struct suite *s)
{
	strbuf_release(&s->cases);
}

static void case_begin(struct suite *s, const char *class, const char *name)
{
	strbuf_adds(&s->cases, "  <testcase classname=\"");
	xml(&s->cases, class);
	strbuf_adds(&s->cases, "\" name=\"");
	xml(&s->cases, name);
	strbuf_adds(&s->cases, "\">\n");
	s->tests++;
}

static void case_end(struct suite *s)
{
	strbuf_adds(&s->cases, "  </testcase>\n");
}

static void failure(struct suite *s, const char *type, const char *message, const char *body)
{
	strbuf_adds(&s->cases, "    <failure type=\"");
	xml(&s->cases, type);
	strbuf_adds(&s->cases, "\" message=\"");
	xml(&s->cases, message);
	strbuf_adds(&s->cases, "\">");
	xml(&s->cases, body);
	strbuf_adds(&s->cases, "</failure>\n");
}

static void skip(struct suite *s, const char *message)
{
	strbuf_adds(&s->cases, "    <skipped message=\"");
	xml(&s->cases, message);
	strbuf_adds(&s->cases, "\"/>\n");
	s->skipped++;
}

static int suite_write(const struct report *r, const struct suite *s)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_adds(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	strbuf_addf(&b,
		    "<testsuite name=\"svcdoctor %s\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" "
		    "skipped=\"%zu\">\n",
		    r->command, s->tests, s->failures, s->skipped);
	strbuf_add(&b, strbuf_str(&s->cases), s->cases.len);
	strbuf_adds(&b, "</testsuite>\n");
	b.failed |= s->cases.failed;
	return text_write(r, &b);
}

static void service_case(struct suite *s, const struct service_result *x)
{
	struct strbuf name CLEANUP(strbuf_release) = STRBUF_INIT;
	text_service(&name, x->service);
	case_begin(s, "services", strbuf_str(&name));
	bool failed = x->status == STATUS_BROKEN;
	for (size_t i = 0; i < x->causes.len; i++) {
		const struct finding *f = x->causes.v[i];
		if (f->severity == SEVERITY_ERROR) {
			failure(s, f->check->id, f->text, f->evidence.len ? f->evidence.v[0] : "");
			failed = true;
		}
	}
	s->failures += failed;
	if (!failed && x->status == STATUS_UNDECIDED) {
		skip(s, "undecided");
	}
	case_end(s);
}

int junit_diagnosis(const struct report *r, const struct diagnosis *d)
{
	struct suite s CLEANUP(suite_release) = { 0 };
	for (size_t i = 0; i < d->services.len; i++) {
		service_case(&s, &d->services.v[i]);
	}
	for (size_t i = 0; i < d->cluster.len; i++) {
		const struct finding *f = d->cluster.v[i];
		if (f->severity == SEVERITY_ERROR && !f->explained_by && f->services.len == 0) {
			case_begin(&s, "cluster", f->subject);
			failure(&s, f->check->id, f->text, f->evidence.len ? f->evidence.v[0] : "");
			s.failures++;
			case_end(&s);
		}
	}
	return suite_write(r, &s);
}

static bool is_of_row(const struct proxy_report *p, const struct finding *f)
{
	for (size_t i = 0; i < p->rows.len; i++) {
		for (size_t k = 0; k < p->rows.v[i].findings.len; k++) {
			if (p->rows.v[i].findings.v[k] == f) {
				return true;
			}
		}
	}
	return false;
}

static void proxy_case(struct suite *s, const struct proxy_row *row)
{
	bool failed = false;
	case_begin(s, "kube-proxy", row->label);
	for (size_t i = 0; i < row->findings.len; i++) {
		const struct finding *f = row->findings.v[i];
		if (f->severity == SEVERITY_ERROR) {
			failure(s, f->check->id, f->text, f->evidence.len ? f->evidence.v[0] : "");
			failed = true;
		}
	}
	s->failures += failed;
	if (!failed && row->state == PROXY_UNTOLD) {
		skip(s, row->words);
	}
	case_end(s);
}

int junit_proxy(const struct report *r, const struct proxy_report *p, const struct diagnosis *d)
{
	struct suite s CLEANUP(suite_release) = { 0 };
	for (size_t i = 0; i < p->rows.len; i++) {
		proxy_case(&s, &p->rows.v[i]);
	}
	for (size_t i = 0; i < d->cluster.len; i++) {
		const struct finding *f = d->cluster.v[i];
		if (f->severity == SEVERITY_ERROR && !f->explained_by && !is_of_row(p, f)) {
			case_begin(&s, "cluster", f->subject);
			failure(&s, f->check->id, f->text, f->evidence.len ? f->evidence.v[0] : "");
			s.failures++;
			case_end(&s);
		}
	}
	return suite_write(r, &s);
}

/* Differences and what is undecided of one Service, which lie side by side in fronts. */
static void verify_case(struct suite *s, const struct verify_report *v, const struct k8s_service *service)
{
	struct strbuf name CLEANUP(strbuf_release) = STRBUF_INIT;
	bool failed = false, open = false;
	text_service(&name, service);
	case_begin(s, "rules", strbuf_str(&name));
	for (size_t i = 0; i < v->differences.len; i++) {
		const struct verify_difference *x = &v->differences.v[i];
		if (x->service == service && x->severity == VERIFY_ERROR) {
			failure(s, verify_kind_name(x->kind), x->text, x->by.text);
			failed = true;
		}
	}
	for (size_t i = 0; i < v->undecided.len; i++) {
		open |= v->undecided.v[i].service == service;
	}
	s->failures += failed;
	if (!failed && open) {
		skip(s, "undecided");
	}
	case_end(s);
}

/* What belongs to no Service that was judged: leftovers, and Services that are not there. */
static void orphan_cases(struct suite *s, const struct report *r, const struct verify_report *v,
			 const struct map *seen)
{
	for (size_t i = 0; i < v->differences.len; i++) {
		const struct verify_difference *x = &v->differences.v[i];
		if (x->severity == VERIFY_ERROR &&
		    (!x->service || !map_get(seen, &x->service, sizeof(x->service)))) {
			case_begin(s, "rules", x->frontend);
			failure(s, verify_kind_name(x->kind), x->text, x->by.text);
			s->failures++;
			case_end(s);
		}
	}
	for (size_t i = 0; r->findings && i < r->findings->findings.len; i++) {
		const struct finding *f = r->findings->findings.v[i];
		case_begin(s, "services", f->subject);
		failure(s, f->check->id, f->text, "");
		s->failures++;
		case_end(s);
	}
}

int junit_verify(const struct report *r, const struct verify_report *v)
{
	struct suite s CLEANUP(suite_release) = { 0 };
	struct map seen CLEANUP(map_release) = { 0 };
	for (size_t i = 0; i < v->fronts.len; i++) {
		const struct k8s_service *service = v->fronts.v[i].service;
		if (!service || map_get(&seen, &v->fronts.v[i].service, sizeof(service))) {
			continue;
		}
		if (map_put(&seen, &v->fronts.v[i].service, sizeof(service), &v->fronts.v[i]) < 0) {
			s.cases.failed = true;
		}
		verify_case(&s, v, service);
	}
	orphan_cases(&s, r, v, &seen);
	for (size_t i = 0; i < v->broken.len; i++) {
		const struct verify_broken *x = &v->broken.v[i];
		case_begin(&s, "node", x->node);
		failure(&s, x->cause, x->text, x->by.text);
		s.failures++;
		case_end(&s);
	}
	for (size_t i = 0; i < v->peers.len; i++) {
		const struct verify_peer *x = &v->peers.v[i];
		if (x->severity != VERIFY_ERROR) {
			continue;
		}
		case_begin(&s, "node", x->node ? x->node : "peers");
		failure(&s, "node-differs-from-peers", x->text, x->differences.v[0].text);
		s.failures++;
		case_end(&s);
	}
	return suite_write(r, &s);
}
