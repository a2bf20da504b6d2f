/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One packet through the rules: the head and the endings as text, and the whole as JSON. The way is in trace-path.c. */
#include <errno.h>
#include <netinet/in.h>

#include "report-private.h"

enum { ENDINGS_SHOWN = 12, ASSUMES_SHOWN = 3 };

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

static void add_endpoint(struct strbuf *b, const struct ip_addr *a, uint16_t port)
{
	char buf[IP_ENDPOINT_STRLEN];
	strbuf_adds(b, port ? ip_endpoint_format(a, port, buf) : ip_addr_format(a, buf));
}

static void head(const struct report *r, struct strbuf *b, const struct trace_report *t)
{
	const struct nat_packet *p = t->packet;
	struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
	char src[IP_ADDR_STRLEN];
	strbuf_addf(&line, "%s %s -> ", proto_name(p->proto), ip_addr_format(&p->src, src));
	add_endpoint(&line, &p->dst, has_ports(p->proto) ? p->dport : 0);
	text_styled(r, b, STYLE_BOLD, strbuf_str(&line));
	strbuf_adds(b, "   new connection, ");
	if (p->from_node) {
		strbuf_adds(b, "sent by ");
		strbuf_add_clean(b, t->node);
		strbuf_adds(b, " itself\n");
		return;
	}
	strbuf_adds(b, "enters ");
	strbuf_add_clean(b, t->node);
	strbuf_adds(b, " by ");
	strbuf_add_clean(b, p->iif ? p->iif : "an interface that is not known");
	strbuf_addc(b, '\n');
}

/* A rule's place where it has one, else its text. */
static void add_by(struct strbuf *b, struct arena *a, const char *node, const struct nat_by *by)
{
	struct verify_by place = { 0 };
	verify_by_from_nat(a, node, by, &place);
	text_by(b, &place, false);
}

static void add_fate(struct strbuf *b, struct arena *a, const struct trace_report *t,
		     const struct nat_ending *e)
{
	switch (e->verdict) {
	case NAT_ACCEPT:
		add_endpoint(b, &e->addr, e->port);
		break;
	case NAT_REJECT:
		strbuf_addf(b, "refused%s%s by ", e->reject_with ? " with " : "",
			    e->reject_with ? e->reject_with : "");
		add_by(b, a, t->node, &e->by);
		break;
	case NAT_DROP:
		strbuf_adds(b, "dropped by ");
		add_by(b, a, t->node, &e->by);
		break;
	case NAT_UNDECIDED:
		strbuf_adds(b, "undecided because of ");
		add_by(b, a, t->node, &e->by);
		break;
	}
}

static void add_delivery(struct strbuf *b, const struct nat_ending *e)
{
	char buf[IP_ADDR_STRLEN];
	switch (e->delivery) {
	case DELIVERY_LOCAL:
		strbuf_adds(b, "delivered to the node itself");
		break;
	case DELIVERY_SENT:
		strbuf_adds(b, "out by ");
		strbuf_add_clean(b, e->interface ? e->interface : "an interface that is not known");
		break;
	case DELIVERY_LOST:
		strbuf_adds(b, "lost: ");
		strbuf_add_clean(b, e->lost.text ? e->lost.text : "no cause is known");
		break;
	default:
		strbuf_adds(b, "where it goes then is not known");
	}
	if (e->masquerade) {
		strbuf_addf(b, ", source becomes %s",
			    e->source.family ? ip_addr_format(&e->source, buf)
					     : "an address that is not known");
	}
}

static void add_reply(const struct report *r, struct strbuf *b, const struct trace_report *t,
		      const struct nat_ending *e)
{
	static const char *const words[] = {
		[TRI_FALSE] = "is lost", [TRI_TRUE] = "returns", [TRI_UNKNOWN] = "not judged"
	};
	strbuf_adds(b, e->reply == TRI_FALSE ? "   reply lost: " : "   reply: ");
	strbuf_add_clean(b, e->reply_why ? e->reply_why : words[e->reply]);
	bool bad = e->reply == TRI_FALSE || e->delivery == DELIVERY_LOST;
	bool good = t->nskipped == 0 && e->reply == TRI_TRUE &&
		    (e->delivery == DELIVERY_SENT || e->delivery == DELIVERY_LOCAL);
	strbuf_adds(b, "   ");
	text_styled(r, b, bad ? STYLE_BAD : good ? STYLE_GOOD : STYLE_WARN, bad ? "x" : good ? "ok" : "?");
}

static void assume_line(const struct report *r, struct strbuf *b, struct arena *a,
			const struct trace_report *t, const struct nat_assume *x)
{
	strbuf_adds(b, "              if ");
	add_by(b, a, t->node, &x->by);
	strbuf_addf(b, " is %s%s", x->value ? "true" : "false", x->state ? " (what past traffic left)" : "");
	if (x->by.rule && r->verbose) {
		struct strbuf text CLEANUP(strbuf_release) = STRBUF_INIT;
		strbuf_add(&text, x->by.rule->text, x->by.rule->text_len);
		strbuf_adds(b, ": ");
		strbuf_add_clean(b, strbuf_str(&text));
	}
	strbuf_addc(b, '\n');
}

static void assume_lines(const struct report *r, struct strbuf *b, struct arena *a,
			 const struct trace_report *t, const struct nat_ending *e)
{
	size_t n = 0;
	for (const struct nat_assume *x = e->assumes; x; x = x->next, n++) {
		if (n < ASSUMES_SHOWN || r->verbose) {
			assume_line(r, b, a, t, x);
		}
	}
	if (n > ASSUMES_SHOWN && !r->verbose) {
		strbuf_addf(b, "              and %zu more conditions (-v shows them)\n", n - ASSUMES_SHOWN);
	}
}

static void ending_line(const struct report *r, struct strbuf *b, struct arena *a,
			const struct trace_report *t, size_t i)
{
	const struct nat_ending *e = &t->result->endings.v[i];
	char weight[WEIGHT_STRLEN];
	size_t start = b->len;
	strbuf_addf(b, "%-6s %-6s ", i == 0 ? "ends" : "", text_weight(e->weight, weight));
	add_fate(b, a, t, e);
	if (e->verdict == NAT_ACCEPT) {
		text_pad(b, start, 36);
		strbuf_adds(b, " ");
		add_delivery(b, e);
		add_reply(r, b, t, e);
	}
	strbuf_addc(b, '\n');
	assume_lines(r, b, a, t, e);
}

static void skipped_lines(const struct report *r, struct strbuf *b, const struct trace_report *t)
{
	for (size_t i = 0; i < t->nskipped; i++) {
		const struct verify_skipped *s = &t->skipped[i];
		text_styled(r, b, STYLE_WARN, "not run");
		strbuf_adds(b, ": ");
		strbuf_add_clean(b, s->reason);
		strbuf_addc(b, '\n');
	}
}

static void endings(const struct report *r, struct strbuf *b, const struct trace_report *t)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	size_t n = t->result->endings.len, shown = r->verbose ? n : MIN(n, (size_t)ENDINGS_SHOWN);
	for (size_t i = 0; i < shown; i++) {
		ending_line(r, b, &a, t, i);
	}
	if (shown < n) {
		strbuf_addf(b, "       and %zu more endings (-v shows them)\n", n - shown);
	}
	for (size_t i = 0; i < t->result->assumed.len; i++) {
		text_labelled(b, i == 0 ? "assumed" : "", t->result->assumed.v[i]);
	}
}

static int trace_text(const struct report *r, const struct trace_report *t, size_t n)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	for (size_t i = 0; n > 0 && t[0].meaning && t[0].meaning[i] && !r->quiet; i++) {
		strbuf_add_clean(&b, t[0].meaning[i]);
		strbuf_addc(&b, '\n');
	}
	for (size_t i = 0; i < n; i++) {
		strbuf_adds(&b, b.len > 0 ? "\n" : "");
		head(r, &b, &t[i]);
		skipped_lines(r, &b, &t[i]);
		if (!r->quiet) {
			trace_path_text(r, &b, &t[i]);
		}
		endings(r, &b, &t[i]);
	}
	return text_write(r, &b);
}

/* ---- JSON ---- */

static json_t *by_json(struct doc *doc, struct arena *a, const char *node, const struct nat_by *by)
{
	struct verify_by v = { 0 };
	if (by->kind == BY_NONE) {
		return json_null();
	}
	verify_by_from_nat(a, node, by, &v);
	return doc_by(doc, &v);
}

static json_t *step_json(struct doc *doc, struct arena *a, const char *node, const struct nat_step *s)
{
	json_t *o = json_object();
	struct strbuf words CLEANUP(strbuf_release) = STRBUF_INIT;
	trace_step_words(&words, s);
	doc_set(doc, o, "node", doc_string(doc, node));
	doc_set(doc, o, "hook",
		s->hook >= 0 ? doc_string(doc, rs_hook_name((enum rs_hook)s->hook)) : json_null());
	doc_set(doc, o, "by", by_json(doc, a, node, &s->by));
	doc_set(doc, o, "effect", doc_string(doc, nat_effect_name((enum nat_effect)s->effect)));
	switch ((enum nat_effect)s->effect) {
	case EFFECT_JUMP:
	case EFFECT_GOTO:
		doc_set(doc, o, "target", s->target ? doc_string(doc, s->target->name) : json_null());
		break;
	case EFFECT_DNAT:
	case EFFECT_SNAT:
		doc_set(doc, o, "address", doc_addr(doc, &s->addr));
		doc_set(doc, o, "port", s->port ? json_integer(s->port) : json_null());
		break;
	case EFFECT_MARK:
		doc_set(doc, o, "mark", json_integer(s->mark));
		break;
	case EFFECT_CHANCE:
		doc_set(doc, o, "weight", doc_weight(s->weight));
		break;
	case EFFECT_ASSUME:
		doc_set(doc, o, "value", json_boolean(s->value));
		break;
	case EFFECT_ROUTE:
		doc_set(doc, o, "interface", doc_string(doc, s->device));
		break;
	default:
		break;
	}
	if (words.len > 0) {
		doc_set(doc, o, "text", doc_string(doc, strbuf_str(&words)));
	}
	return o;
}

/*
 * A document tells so many steps and assumptions in all, the first endings in full: with a thousand unknown rules, or fifty
 * thousand endpoints, the paths of all endings would fill gigabytes. What is left out is said to be.
 */
enum { DETAILS_MAX = 50000 };

/* Steps lead from the end to the start; the array goes the other way. */
static json_t *path_json(struct doc *doc, struct arena *a, const char *node, const struct nat_step *last, size_t *left)
{
	json_t *path = json_array();
	size_t n = 0;
	for (const struct nat_step *s = last; s; s = s->prev) {
		n++;
	}
	if (n > *left) {
		*left = 0;
		return path;
	}
	*left -= n;
	const struct nat_step **v = calloc(n + 1, sizeof(*v));
	doc->failed |= !v;
	for (const struct nat_step *s = last; v && s; s = s->prev) {
		v[--n] = s;
	}
	for (size_t i = 0; v && v[i]; i++) {
		doc_add(doc, path, step_json(doc, a, node, v[i]));
	}
	free(v);
	return path;
}

static json_t *assumes_json(struct doc *doc, struct arena *a, const char *node, const struct nat_assume *x, size_t *left)
{
	json_t *v = json_array();
	for (; x && *left > 0; x = x->next, --*left) {
		json_t *o = json_object();
		doc_set(doc, o, "by", by_json(doc, a, node, &x->by));
		doc_set(doc, o, "value", json_boolean(x->value));
		doc_set(doc, o, "state", json_boolean(x->state));
		doc_add(doc, v, o);
	}
	return v;
}

static json_t *ending_json(struct doc *doc, struct arena *a, const struct trace_report *t,
			   const struct nat_ending *e, size_t *left)
{
	json_t *o = json_object(), *reply = json_object();
	doc_set(doc, o, "verdict", doc_string(doc, nat_verdict_name(e->verdict)));
	doc_set(doc, o, "translated", json_boolean(e->translated));
	doc_set(doc, o, "address", doc_addr(doc, &e->addr));
	doc_set(doc, o, "port", has_ports(t->packet->proto) ? json_integer(e->port) : json_null());
	doc_set(doc, o, "weight", doc_weight(e->weight));
	doc_set(doc, o, "masquerade", json_boolean(e->masquerade));
	doc_set(doc, o, "source", doc_addr(doc, &e->source));
	doc_set(doc, o, "delivery", doc_string(doc, nat_delivery_name(e->delivery)));
	doc_set(doc, o, "interface", doc_string(doc, e->interface));
	doc_set(doc, o, "by", by_json(doc, a, t->node, &e->by));
	if (e->lost.kind != BY_NONE) {
		doc_set(doc, o, "lost", by_json(doc, a, t->node, &e->lost));
	}
	if (e->reject_with) {
		doc_set(doc, o, "reject_with", doc_string(doc, e->reject_with));
	}
	doc_set(doc, o, "node", doc_string(doc, t->node));
	doc_set(doc, o, "path", path_json(doc, a, t->node, e->path, left));
	doc_set(doc, o, "assumed", doc_sorted(doc, t->result->assumed.v, t->result->assumed.len));
	doc_set(doc, o, "assumes", assumes_json(doc, a, t->node, e->assumes, left));
	if (*left == 0) {
		doc_set(doc, o, "details_left_out", json_true());
	}
	doc_set(doc, reply, "ok", doc_tri(e->reply == TRI_UNKNOWN ? -1 : e->reply == TRI_TRUE));
	doc_set(doc, reply, "why", doc_string(doc, e->reply_why));
	doc_set(doc, o, "reply", reply);
	return o;
}

/* Where the packet enters may differ from node to node: then it is null. */
static json_t *packet_json(struct doc *doc, const struct trace_report *t, size_t n)
{
	const struct nat_packet *p = t[0].packet;
	json_t *o = json_object();
	const char *iif = p->iif;
	bool ports = has_ports(p->proto);
	for (size_t i = 1; i < n; i++) {
		const char *other = t[i].packet->iif;
		iif = iif && other && strcmp(iif, other) == 0 ? iif : NULL;
	}
	doc_set(doc, o, "protocol", doc_string(doc, proto_name(p->proto)));
	doc_set(doc, o, "source", doc_addr(doc, &p->src));
	doc_set(doc, o, "source_port", ports ? json_integer(p->sport) : json_null());
	doc_set(doc, o, "destination", doc_addr(doc, &p->dst));
	doc_set(doc, o, "destination_port", ports ? json_integer(p->dport) : json_null());
	doc_set(doc, o, "mark", json_integer(p->mark));
	doc_set(doc, o, "from_node", json_boolean(p->from_node));
	doc_set(doc, o, "interface", p->from_node ? json_null() : doc_string(doc, iif));
	return o;
}

static int trace_json(const struct report *r, const struct trace_report *t, size_t n)
{
	struct arena a CLEANUP(arena_release) = { 0 };
	struct doc doc;
	struct {
		ARRAY_OF(struct verify_skipped) v;
	} skipped = { 0 };
	bool failed = false;
	size_t left = DETAILS_MAX;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < t[i].nskipped; k++) {
			failed |= array_push(&skipped.v, t[i].skipped[k]) < 0;
		}
	}
	doc_begin(&doc, r, NULL, skipped.v.v, skipped.v.len);
	doc.failed |= failed;
	array_free(&skipped.v);
	json_t *all = json_array(), *meaning = json_array();
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < t[i].result->endings.len; k++) {
			doc_add(&doc, all, ending_json(&doc, &a, &t[i], &t[i].result->endings.v[k], &left));
		}
	}
	for (size_t i = 0; n > 0 && t[0].meaning && t[0].meaning[i]; i++) {
		doc_add(&doc, meaning, doc_string(&doc, t[0].meaning[i]));
	}
	doc_set(&doc, doc.root, "packet", n > 0 ? packet_json(&doc, t, n) : json_null());
	doc_set(&doc, doc.root, "meaning", meaning);
	doc_set(&doc, doc.root, "endings", all);
	return doc_end(&doc, r);
}

int report_trace(const struct report *r, const struct trace_report *t, size_t n)
{
	return r->format == REPORT_JSON ? trace_json(r, t, n) : trace_text(r, t, n);
}
