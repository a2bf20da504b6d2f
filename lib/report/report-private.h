/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_REPORT_PRIVATE_H
#define SVCDOCTOR_REPORT_PRIVATE_H

/*
 * What the files of lib/report share. Text is built in a strbuf and written at the end; JSON is built as a tree of
 * jansson and written at the end. Out of memory is sticky in both, and looked at once.
 */

#include <jansson.h>

#include <svcdoctor/report.h>

/* ---- text.c ---- */

enum style { STYLE_GOOD, STYLE_BAD, STYLE_WARN, STYLE_DIM, STYLE_BOLD };
void text_styled(const struct report *r, struct strbuf *b, enum style style, const char *s);
/* Writes it all. 0, -ENOMEM when the buffer has failed; what the stream says is the caller's to check. */
int text_write(const struct report *r, const struct strbuf *b);
/* "  LABEL    TEXT": labels of seven characters; an empty label continues the one above. */
void text_labelled(struct strbuf *b, const char *label, const char *text);
/* A command as it must be typed in this run: source and context flags added. Foreign characters are repaired. */
void text_command(const struct report *r, struct strbuf *b, const char *command);
/* "looked at: ..." with what @d could not look at (NULL: nothing is said of axes). */
void text_looked_at(const struct report *r, struct strbuf *b, const struct diagnosis *d);
/* Where no Services are known: says so, and what can be done. */
bool text_no_services(const struct report *r, struct strbuf *b);
/* What the first line calls the snapshot: "bundle 'lab' (Kubernetes v1.36.2; rules of node1, node2)". */
void text_source(const struct report *r, struct strbuf *b);
/* "1/3", "0.1234", "1", or "?" for NAN. */
#define WEIGHT_STRLEN 24
const char *text_weight(double w, char buf[static WEIGHT_STRLEN]);
/* "ns/name" */
void text_service(struct strbuf *b, const struct k8s_service *s);
/* "80/TCP 'http'" */
void text_port(struct strbuf *b, const struct k8s_service_port *p);
const char *text_proto(uint8_t proto); /* "TCP", ... */
/* Pads with spaces up to column @width of the line that began at @start, at least one. */
void text_pad(struct strbuf *b, size_t start, size_t width);
/* @s folded at @width columns, each line behind @indent spaces. */
void text_wrap(struct strbuf *b, const char *s, unsigned indent, unsigned width);
/* "iptables-nft nat KUBE-SVC-X 3", "sysctl net.ipv4.ip_forward = 0"; @backend: say which of the two backends. */
void text_by(struct strbuf *b, const struct verify_by *by, bool backend);

/* ---- document.c: JSON ---- */

struct doc {
	json_t *root;
	bool failed;
};
/* The keys that every document begins with. Either list may be empty; @d tells of axes and skipped checks. */
void doc_begin(struct doc *doc, const struct report *r, const struct diagnosis *d,
	       const struct verify_skipped *skipped, size_t nskipped);
/* Writes and frees it. 0 or -ENOMEM. */
int doc_end(struct doc *doc, const struct report *r);
/* Members. A NULL string is null; a failure is remembered. Values are taken over. */
void doc_set(struct doc *doc, json_t *object, const char *key, json_t *value);
void doc_add(struct doc *doc, json_t *array, json_t *value);
json_t *doc_string(struct doc *doc, const char *s);
json_t *doc_time(struct doc *doc, time_t t); /* RFC 3339, UTC */
json_t *doc_addr(struct doc *doc, const struct ip_addr *a); /* null for family 0 */
json_t *doc_weight(double w); /* null for NAN */
json_t *doc_service(struct doc *doc, const struct k8s_service *s); /* "ns/name" */
json_t *doc_port(struct doc *doc, const struct k8s_service_port *p); /* its name, else "80/TCP" */
json_t *doc_by(struct doc *doc, const struct verify_by *by); /* null for BY_NONE */
json_t *doc_sorted(struct doc *doc, const char *const *v, size_t n); /* strings, sorted */
json_t *doc_tri(int v); /* -1: null */
json_t *doc_finding(struct doc *doc, const struct report *r, const struct finding *f);
/* [FINDING], all of them; empty for NULL. */
json_t *doc_findings(struct doc *doc, const struct report *r, const struct diagnosis *d);

/* ---- table.c: typed cells, from which text and JSON are made ---- */

enum cell_kind { CELL_NONE, CELL_TEXT, CELL_NUMBER, CELL_BOOL };
struct cell {
	enum cell_kind kind;
	const char *text; /* not owned */
	int64_t number; /* also the truth of a BOOL */
};
struct column {
	const char *key; /* in JSON */
	const char *heading; /* in text; NULL: not shown there */
};
#define TABLE_COLUMNS_MAX 20
struct table {
	const struct column *columns;
	size_t ncolumns;
	ARRAY_OF(struct cell) cells; /* row by row */
	bool failed;
};
void table_release(struct table *t);
void table_text(struct table *t, const char *s);
void table_number(struct table *t, int64_t n);
void table_bool(struct table *t, int v); /* -1: none */
void table_none(struct table *t);
/* Rows @from to @to (exclusive) as text, columns without any value left out. */
void table_print(const struct report *r, struct strbuf *b, const struct table *t, size_t from, size_t to);
json_t *table_json(struct doc *doc, const struct table *t);
static inline size_t table_rows(const struct table *t)
{
	return t->ncolumns ? t->cells.len / t->ncolumns : 0;
}

/* ---- cause.c: findings as text ---- */

enum detail { DETAIL_FULL, DETAIL_SHORT, DETAIL_LINE };
void text_cause(const struct report *r, struct strbuf *b, const struct finding *f, enum detail detail,
		bool affected);
/* The causes among @d's findings, worst first: an array that the caller frees; NULL when memory is out. */
const struct finding **causes_sorted(const struct diagnosis *d, size_t *ret_n);
void text_skipped(const struct report *r, struct strbuf *b, const struct diagnosis *d);

/* ---- diagnosis.c and neighbours ---- */

int diagnosis_json(const struct report *r, const struct diagnosis *d);
int diagnosis_text(const struct report *r, const struct diagnosis *d);
void diagnosis_text_services(const struct report *r, struct strbuf *b, const struct diagnosis *d);

/* ---- changes.c ---- */

/* [CHANGE]; empty for the first look. */
json_t *changes_json(struct doc *doc, const struct report *r, const struct diagnosis *d, const struct report_look *l);

/* ---- wait.c ---- */

/* The keys that the document of wait has beside those of diagnose. */
void wait_json(struct doc *doc, const struct report *r);

/* ---- lines.c, junit.c ---- */

/* One line of -o lines. */
void lines_finding(struct strbuf *b, const struct finding *f);
/* A field, which is "-" when it is empty, and what ends it. */
void lines_field(struct strbuf *b, const char *s, char end);
int lines_findings(const struct report *r, const struct diagnosis *d);
int lines_verify(const struct report *r, const struct verify_report *v);
int junit_diagnosis(const struct report *r, const struct diagnosis *d);
int junit_proxy(const struct report *r, const struct proxy_report *p, const struct diagnosis *d);
int junit_verify(const struct report *r, const struct verify_report *v);

/* ---- verify-text.c ---- */

int verify_text(const struct report *r, const struct verify_report *v);

/* ---- words.c ---- */

/* What a rule asks, in words: "destination is 10.96.0.10, dport 53/udp". */
void words_of_rule(struct strbuf *b, const struct rs_rule *rule);
/* "@service-ips: 10.96.0.1 . tcp . 443": the element of a set or map that a rule found. */
void words_of_element(struct strbuf *b, const struct rs_set *set, const struct rs_elem *e);

/* ---- trace.c, trace-json.c, trace-path.c ---- */

int trace_text(const struct report *r, const struct trace_report *t, size_t n);
bool trace_has_ports(uint8_t proto);
const struct k8s_pod *trace_pod_at(const struct report *r, const struct ip_addr *a); /* NULL: none is known */
/* The way of all endings, hook by hook. */
void trace_path_text(const struct report *r, struct strbuf *b, const struct nat_ending *endings, size_t nendings);
void trace_step_words(struct strbuf *b, const struct nat_step *s);

#endif
